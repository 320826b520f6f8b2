/* bath.c - bath objects: creation, what they are asked, and which integrator answers. */
#include "bath/bath_priv.h"
#include "bath/memory.h"
#include "core/core.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- checks ---- */

static oqt_status check_positive(double x, const char *what, oqt_error *err)
{
    if (!(x > 0.0) || !isfinite(x))
        return oqt__fail(err, OQT_EINVAL, "%s must be positive and finite, got %g", what, x);
    return OQT_OK;
}

static oqt_status check_not_negative(double x, const char *what, oqt_error *err)
{
    if (!(x >= 0.0) || !isfinite(x))
        return oqt__fail(err, OQT_EINVAL, "%s must be finite and not negative, got %g", what, x);
    return OQT_OK;
}

static oqt_status check_increasing(const double *x, size_t n, const char *what, oqt_error *err)
{
    if (n < 4)
        return oqt__fail(err, OQT_EINVAL, "a table needs at least 4 points, got %zu", n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return oqt__fail(err, OQT_EINVAL, "%s %zu is not finite", what, i);
    for (size_t i = 1; i < n; i++)
        if (!(x[i] > x[i - 1]))
            return oqt__fail(err, OQT_EINVAL, "%s must increase, but %g at %zu follows %g", what, x[i], i,
                             x[i - 1]);
    return OQT_OK;
}

/* ---- creation ---- */

static oqt_status new_bath(oqt_bath **out, oqt__bath_kind kind, double temperature, oqt_error *err)
{
    oqt_bath *bath = oqt__calloc(1, sizeof *bath);

    if (!bath)
        return oqt__no_memory(err, "a bath");
    bath->kind = kind;
    bath->temperature = temperature;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_power_law(oqt_bath **out, double alpha, double zeta, double cutoff,
                                     oqt_cutoff form, double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if ((st = check_not_negative(alpha, "alpha", err)) != OQT_OK ||
        (st = check_positive(zeta, "zeta", err)) != OQT_OK ||
        (st = check_positive(cutoff, "cutoff", err)) != OQT_OK ||
        (st = check_not_negative(temperature, "temperature", err)) != OQT_OK)
        return st;
    if (form != OQT_CUTOFF_HARD && form != OQT_CUTOFF_EXPONENTIAL && form != OQT_CUTOFF_GAUSSIAN)
        return oqt__fail(err, OQT_EINVAL, "unknown form of cutoff %d", (int)form);
    if ((st = new_bath(&bath, OQT__BATH_POWER_LAW, temperature, err)) != OQT_OK)
        return st;
    bath->strength = 2.0 * alpha;
    bath->exponent = zeta;
    bath->cutoff = cutoff;
    bath->form = form;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_drude_lorentz(oqt_bath **out, double reorganization, double rate,
                                         double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if ((st = check_not_negative(reorganization, "reorganization energy", err)) != OQT_OK ||
        (st = check_positive(rate, "rate", err)) != OQT_OK ||
        (st = check_not_negative(temperature, "temperature", err)) != OQT_OK ||
        (st = new_bath(&bath, OQT__BATH_DRUDE_LORENTZ, temperature, err)) != OQT_OK)
        return st;
    bath->strength = reorganization;
    bath->width = rate;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_lorentzian(oqt_bath **out, double reorganization, double frequency, double damping,
                                      double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if ((st = check_not_negative(reorganization, "reorganization energy", err)) != OQT_OK ||
        (st = check_positive(frequency, "frequency", err)) != OQT_OK ||
        (st = check_positive(damping, "damping", err)) != OQT_OK ||
        (st = check_not_negative(temperature, "temperature", err)) != OQT_OK ||
        (st = new_bath(&bath, OQT__BATH_LORENTZIAN, temperature, err)) != OQT_OK)
        return st;
    bath->strength = reorganization;
    bath->frequency = frequency;
    bath->width = damping;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_modes(oqt_bath **out, size_t n, const double *w, const double *g,
                                 double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if (n < 1)
        return oqt__fail(err, OQT_EINVAL, "a bath of modes needs at least one");
    for (size_t i = 0; i < n; i++) {
        if (!(w[i] > 0.0) || !isfinite(w[i]))
            return oqt__fail(err, OQT_EINVAL, "frequency %zu must be positive and finite, got %g", i, w[i]);
        if (!isfinite(g[i]))
            return oqt__fail(err, OQT_EINVAL, "coupling %zu is not finite", i);
    }
    if ((st = check_not_negative(temperature, "temperature", err)) != OQT_OK ||
        (st = new_bath(&bath, OQT__BATH_MODES, temperature, err)) != OQT_OK)
        return st;
    bath->n = n;
    bath->x = oqt__copy(w, n, sizeof *w);
    bath->y = oqt__copy(g, n, sizeof *g);
    if (!bath->x || !bath->y) {
        oqt_bath_destroy(bath);
        return oqt__no_memory(err, "modes");
    }
    for (size_t i = 0; i < n; i++)
        bath->y[i] *= bath->y[i];
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_table(oqt_bath **out, size_t n, const double *w, const double *j,
                                 double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if ((st = check_increasing(w, n, "frequency", err)) != OQT_OK ||
        (st = check_not_negative(temperature, "temperature", err)) != OQT_OK)
        return st;
    if (w[0] < 0.0)
        return oqt__fail(err, OQT_EINVAL, "frequencies must not be negative, got %g", w[0]);
    for (size_t i = 0; i < n; i++)
        if (!(j[i] >= 0.0) || !isfinite(j[i]))
            return oqt__fail(err, OQT_EINVAL, "J must be finite and not negative, got %g at %zu", j[i], i);
    if (w[0] == 0.0 && j[0] > 0.0 && temperature > 0.0)
        return oqt__fail(err, OQT_EINVAL, "J(0) must be 0 at a temperature above 0, got %g", j[0]);
    if ((st = new_bath(&bath, OQT__BATH_TABLE, temperature, err)) != OQT_OK)
        return st;
    bath->n = n;
    bath->x = oqt__copy(w, n, sizeof *w);
    bath->y = oqt__copy(j, n, sizeof *j);
    bath->slope = oqt__doubles(n);
    if (!bath->x || !bath->y || !bath->slope) {
        oqt_bath_destroy(bath);
        return oqt__no_memory(err, "a table");
    }
    oqt__steffen_slopes(bath->slope, w, j, n);
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_custom(oqt_bath **out, oqt_spectral_density_fn fn, void *ctx, double w_scale,
                                  double w_max, double temperature, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if (!fn)
        return oqt__fail(err, OQT_EINVAL, "no function given for J");
    if ((st = check_positive(w_scale, "typical frequency", err)) != OQT_OK ||
        (st = check_not_negative(temperature, "temperature", err)) != OQT_OK)
        return st;
    if (!(w_max > 0.0))
        return oqt__fail(err, OQT_EINVAL, "largest frequency must be positive, got %g", w_max);
    if ((st = new_bath(&bath, OQT__BATH_CUSTOM, temperature, err)) != OQT_OK)
        return st;
    bath->density = fn;
    bath->ctx = ctx;
    bath->w_scale = w_scale;
    bath->w_max = w_max;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_correlation(oqt_bath **out, oqt_correlation_fn fn, void *ctx, oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if (!fn)
        return oqt__fail(err, OQT_EINVAL, "no function given for C(t)");
    if ((st = new_bath(&bath, OQT__BATH_CORRELATION, -1.0, err)) != OQT_OK)
        return st;
    bath->correlation = fn;
    bath->ctx = ctx;
    *out = bath;
    return OQT_OK;
}

oqt_status oqt_bath_create_correlation_table(oqt_bath **out, size_t n, const double *t, const oqt_complex *c,
                                             oqt_error *err)
{
    oqt_status st;
    oqt_bath *bath = NULL;

    if ((st = check_increasing(t, n, "time", err)) != OQT_OK)
        return st;
    if (t[0] != 0.0)
        return oqt__fail(err, OQT_EINVAL, "the first time must be 0, got %g", t[0]);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(c[i].re) || !isfinite(c[i].im))
            return oqt__fail(err, OQT_EINVAL, "C(t) at %zu is not finite", i);
    if ((st = new_bath(&bath, OQT__BATH_CORRELATION_TABLE, -1.0, err)) != OQT_OK)
        return st;
    bath->n = n;
    bath->x = oqt__copy(t, n, sizeof *t);
    bath->y = oqt__doubles(n);
    bath->y2 = oqt__doubles(n);
    bath->slope = oqt__doubles(n);
    bath->slope2 = oqt__doubles(n);
    if (!bath->x || !bath->y || !bath->y2 || !bath->slope || !bath->slope2)
        goto no_memory;
    for (size_t i = 0; i < n; i++) {
        bath->y[i] = c[i].re;
        bath->y2[i] = c[i].im;
    }
    if (!oqt__spline_slopes(bath->slope, t, bath->y, n) || !oqt__spline_slopes(bath->slope2, t, bath->y2, n))
        goto no_memory;
    *out = bath;
    return OQT_OK;
no_memory:
    oqt_bath_destroy(bath);
    return oqt__no_memory(err, "a table");
}

void oqt_bath_destroy(oqt_bath *bath)
{
    if (!bath)
        return;
    oqt__free(bath->x);
    oqt__free(bath->y);
    oqt__free(bath->y2);
    oqt__free(bath->slope);
    oqt__free(bath->slope2);
    oqt__free(bath);
}

/* ---- what a bath is asked ---- */

double oqt_bath_temperature(const oqt_bath *bath)
{
    return bath->temperature;
}

double oqt_bath_reorganization(const oqt_bath *bath)
{
    double sum = 0.0;

    switch (bath->kind) {
    case OQT__BATH_POWER_LAW: {
        double lambda = bath->strength * bath->cutoff; /* times integral x^(zeta-1) X(x) dx */

        if (bath->form == OQT_CUTOFF_HARD)
            return lambda / bath->exponent;
        if (bath->form == OQT_CUTOFF_EXPONENTIAL)
            return lambda * tgamma(bath->exponent);
        return 0.5 * lambda * tgamma(0.5 * bath->exponent);
    }
    case OQT__BATH_DRUDE_LORENTZ:
    case OQT__BATH_LORENTZIAN:
        return bath->strength;
    case OQT__BATH_MODES:
        for (size_t i = 0; i < bath->n; i++)
            sum += bath->y[i] / bath->x[i];
        return sum;
    case OQT__BATH_TABLE:
    case OQT__BATH_CUSTOM:
        return oqt__panels_reorganization(bath);
    default:
        return NAN;
    }
}

oqt_status oqt_bath_density(double *j, const oqt_bath *bath, size_t n, const double *w, oqt_error *err)
{
    oqt_status st = OQT_OK;
    double *values;

    if (bath->kind == OQT__BATH_MODES)
        return oqt__fail(err, OQT_EINVAL, "a bath of modes has no density J(w)");
    if (bath->temperature < 0.0)
        return oqt__fail(err, OQT_EINVAL, "the bath is given by C(t), its density J(w) is not known");
    for (size_t i = 0; i < n; i++)
        if ((st = check_not_negative(w[i], "frequency", err)) != OQT_OK)
            return st;
    values = oqt__doubles(n);
    if (!values)
        return oqt__no_memory(err, "J(w)");
    for (size_t i = 0; i < n && st == OQT_OK; i++)
        if (oqt__density_real(&values[i], bath, w[i]) != 0)
            st = oqt__fail(err, OQT_ECALLBACK, "the function for J reported failure at w = %g", w[i]);
    if (st == OQT_OK && n > 0)
        memcpy(j, values, n * sizeof *j);
    oqt__free(values);
    return st;
}

/* Compute aside, then commit. nodes: those that were made before, or NULL. */
static oqt_status evaluate(oqt_complex *out, const oqt_bath *bath, const oqt__request *req,
                           const oqt__nodes *nodes, oqt_error *err)
{
    oqt_complex *values = oqt__calloc(req->n, sizeof *values);
    oqt__nodes own = {0};
    oqt_status st = OQT_OK;

    if (!values)
        return oqt__no_memory(err, "bath correlations");
    switch (bath->kind) {
    case OQT__BATH_TABLE:
    case OQT__BATH_CUSTOM:
        st = oqt__panels_evaluate(values, bath, req, err);
        break;
    case OQT__BATH_CORRELATION:
    case OQT__BATH_CORRELATION_TABLE:
        st = oqt__correlation_evaluate(values, bath, req, err);
        break;
    default:
        if (!nodes)
            st = oqt__nodes_create(&own, bath, req, err);
        if (st == OQT_OK)
            oqt__nodes_evaluate(values, nodes ? nodes : &own, req);
    }
    if (st == OQT_OK)
        memcpy(out, values, req->n * sizeof *out);
    oqt__nodes_release(&own);
    oqt__free(values);
    return st;
}

/* A request at given times, with its shortest time above zero. */
static oqt_status at_times(oqt__request *req, oqt__want want, size_t n, const double *t, int n_threads,
                           oqt_error *err)
{
    *req = (oqt__request){.want = want, .n = n, .t = t, .efolds = OQT__EFOLDS, .n_threads = n_threads};
    for (size_t i = 0; i < n; i++) {
        oqt_status st = check_not_negative(t[i], "time", err);

        if (st != OQT_OK)
            return st;
        req->t_max = fmax(req->t_max, t[i]);
        if (t[i] > 0.0 && (req->t_min == 0.0 || t[i] < req->t_min))
            req->t_min = t[i];
    }
    return OQT_OK;
}

oqt_status oqt_bath_correlation(oqt_complex *c, const oqt_bath *bath, size_t n, const double *t,
                                int n_threads, oqt_error *err)
{
    oqt__request req;
    oqt_status st = at_times(&req, OQT__WANT_C, n, t, n_threads, err);

    if (st != OQT_OK || n == 0)
        return st;
    for (size_t i = 0; i < n && bath->kind == OQT__BATH_DRUDE_LORENTZ; i++)
        if (t[i] == 0.0)
            return oqt__fail(err, OQT_EINVAL, "C(0) of a Drude-Lorentz bath diverges; use t > 0 or eta");
    return evaluate(c, bath, &req, NULL, err);
}

oqt_status oqt_bath_eta_function(oqt_complex *eta, const oqt_bath *bath, size_t n, const double *t,
                                 int n_threads, oqt_error *err)
{
    oqt__request req;
    oqt_status st = at_times(&req, OQT__WANT_ETA, n, t, n_threads, err);

    if (st != OQT_OK || n == 0)
        return st;
    return evaluate(eta, bath, &req, NULL, err);
}

/* ---- memory coefficients ---- */

struct oqt__memory {
    const oqt_bath *bath;
    oqt__request req; /* what all requests have in common */
    bool has_nodes;
    oqt__nodes nodes;
    size_t n_kept;
    oqt_complex *kept; /* the first n_kept coefficients */
};

oqt_status oqt__memory_create(oqt__memory **out, const oqt_bath *bath, double dt, uint64_t k_max,
                              double accuracy, int n_threads, oqt_error *err)
{
    oqt_status st = check_positive(dt, "time step", err);
    oqt__memory *memory;

    if (st != OQT_OK)
        return st;
    if (!isfinite(((double)k_max + 1.0) * dt))
        return oqt__fail(err, OQT_EINVAL, "time %g steps of %g is not finite", (double)k_max, dt);
    memory = oqt__calloc(1, sizeof *memory);
    if (!memory)
        return oqt__no_memory(err, "memory coefficients");
    memory->bath = bath;
    memory->req = (oqt__request){.want = OQT__WANT_STEP,
                                 .dt = dt,
                                 .k_max = k_max,
                                 .t_min = dt,
                                 .t_max = ((double)k_max + 1.0) * dt,
                                 .efolds = fmin(3.0 - log(accuracy), OQT__EFOLDS),
                                 .n_threads = n_threads};
    memory->has_nodes = bath->kind <= OQT__BATH_MODES;
    if (memory->has_nodes && (st = oqt__nodes_create(&memory->nodes, bath, &memory->req, err)) != OQT_OK) {
        oqt__free(memory);
        return st;
    }
    *out = memory;
    return OQT_OK;
}

void oqt__memory_destroy(oqt__memory *memory)
{
    if (!memory)
        return;
    oqt__nodes_release(&memory->nodes);
    oqt__free(memory->kept);
    oqt__free(memory);
}

bool oqt__memory_lasts(const oqt__memory *memory)
{
    return memory->bath->kind == OQT__BATH_MODES;
}

static oqt_status evaluate_memory(oqt_complex *eta, const oqt__memory *memory, size_t n, const uint64_t *k,
                                  oqt_error *err)
{
    oqt__request req = memory->req;
    uint64_t k_max = 0;

    if (n == 0)
        return OQT_OK;
    req.n = n;
    req.k = k;
    for (size_t i = 0; i < n; i++) {
        uint64_t ki = oqt__request_k(&req, i);

        if (ki > k_max)
            k_max = ki;
        if (ki == 0)
            req.has_zero = true;
    }
    assert(k_max <= req.k_max);
    req.t_max = ((double)k_max + 1.0) * req.dt;
    return evaluate(eta, memory->bath, &req, memory->has_nodes ? &memory->nodes : NULL, err);
}

oqt_status oqt__memory_keep(oqt__memory *memory, size_t n, oqt_error *err)
{
    oqt_complex *kept = oqt__calloc(n, sizeof *kept);
    oqt_status st =
        kept ? evaluate_memory(kept, memory, n, NULL, err) : oqt__no_memory(err, "memory coefficients");

    if (st != OQT_OK) {
        oqt__free(kept);
        return st;
    }
    memory->kept = kept;
    memory->n_kept = n;
    return OQT_OK;
}

/* Those that are not kept are asked for together. */
oqt_status oqt__memory_eta(oqt_complex *eta, const oqt__memory *memory, size_t n, const uint64_t *k,
                           oqt_error *err)
{
    size_t n_new = 0;
    uint64_t *wanted;
    oqt_complex *found;
    oqt_status st;

    if (memory->n_kept == 0)
        return evaluate_memory(eta, memory, n, k, err);
    wanted = oqt__calloc(n, sizeof *wanted);
    found = oqt__calloc(n, sizeof *found);
    for (size_t i = 0; wanted && found && i < n; i++)
        if ((k ? k[i] : i) >= memory->n_kept)
            wanted[n_new++] = k ? k[i] : i;
    st = wanted && found ? evaluate_memory(found, memory, n_new, wanted, err)
                         : oqt__no_memory(err, "memory coefficients");
    n_new = 0;
    for (size_t i = 0; st == OQT_OK && i < n; i++)
        eta[i] = (k ? k[i] : i) < memory->n_kept ? memory->kept[k ? k[i] : i] : found[n_new++];
    oqt__free(wanted);
    oqt__free(found);
    return st;
}

oqt_status oqt_bath_eta(oqt_complex *eta, const oqt_bath *bath, double dt, size_t n, const uint64_t *k,
                        int n_threads, oqt_error *err)
{
    oqt__memory *memory = NULL;
    uint64_t k_max = k || n == 0 ? 0 : n - 1;
    oqt_status st;

    for (size_t i = 0; k && i < n; i++)
        if (k[i] > k_max)
            k_max = k[i];
    st = oqt__memory_create(&memory, bath, dt, k_max, DBL_EPSILON / 2.0, n_threads, err);
    if (st == OQT_OK && n > 0)
        st = oqt__memory_eta(eta, memory, n, k, err);
    oqt__memory_destroy(memory);
    return st;
}
