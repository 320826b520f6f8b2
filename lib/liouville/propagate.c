/*
 * propagate.c - half steps of systems that depend on time or on parameters.
 *
 * Callbacks are called for all points of a half step first; what follows needs no user code, so that threads
 * may share it. Formulas: docs/theory.md, section 13.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "linalg/linalg.h"
#include "liouville/system_priv.h"

/* Gauss points in half a step, and the weights of the commutator-free method: 1/2 -+ sqrt(3)/6, 1/4 +- ...:
 * S. Blanes, P. C. Moan, Appl. Numer. Math. 56, 1519 (2006). */
static const double SQRT3_6 = 0.28867513459481288225;

/* Relative error of integrals, that of the reference; the shortest piece of half a step that they look at, a
 * jump being in it, and how many pieces they take. */
static const double INTEGRAL_TOLERANCE = 0x1p-26, SHORTEST_PIECE = 0x1p-40;

/* Integrals need not be more exact than that, as in the reference: smaller numbers lose digits. */
static const double SMALLEST_INTEGRAL = 1e-200;
enum { MAX_PIECES = 1024 };

/* Times at which rates are looked at. */
enum { PACE_TIMES = 64 };

/* Buffers of a workspace. */
typedef struct {
    double *expm;                            /* for oqt__expm_small                     */
    double *x, *u;                           /* d^4 each                                */
    oqt_complex *liouvillian;                /* d^4                                     */
    oqt_complex *op, *h;                     /* d^2 each                                */
    double *sample;                          /* of half a step                          */
    double *kronrod, *gauss, *value, *whole; /* points, for integrals     */
} buffers;

/* ---- points ---- */

static bool has_rest(const oqt_system *system)
{
    return system->n_term > system->n_scaled;
}

static size_t point_len(const oqt_system *system)
{
    size_t n = system->d * system->d;

    return system->n_scaled + (has_rest(system) ? n * n : 0);
}

static bool depends_on_time(const oqt_system *system)
{
    for (size_t i = 0; i < system->n_term; i++)
        if (system->term[i].of == OQT__OF_TIME)
            return true;
    return false;
}

static size_t n_points(const oqt_system *system, oqt_propagation how)
{
    return how == OQT_PROPAGATE_MAGNUS && depends_on_time(system) ? 2 : 1;
}

size_t oqt__system_sample_len(const oqt_system *system, oqt_propagation how)
{
    return n_points(system, how) * point_len(system);
}

/* The factor of a term; 0 for one of parameters that are not given. */
static oqt_status factor_at(double *value, const oqt__term *term, double t, const double *row, oqt_error *err)
{
    int failed = 0;

    *value = 0.0;
    if (term->of == OQT__OF_TIME)
        failed = term->scale(value, t, term->scale_ctx);
    else if (row && term->scale_of)
        failed = term->scale_of(value, row, term->scale_ctx);
    else if (row)
        *value = row[term->parameter];
    if (failed)
        return oqt__fail(err, OQT_ECALLBACK, "the function for a%s reported failure at t = %.9g",
                         term->dissipator ? " rate" : "n amplitude", t);
    if (!isfinite(*value))
        return oqt__fail(err, OQT_ECALLBACK, "the %s at t = %.9g is not finite: %g",
                         term->dissipator ? "rate" : "amplitude", t, *value);
    return OQT_OK;
}

/* The operator of a term whose operator is a callback. */
static oqt_status operator_at(oqt_complex *op, const oqt__term *term, double t, const double *row, size_t d,
                              oqt_error *err)
{
    const char *what = term->dissipator ? "operator of a dissipator" : "hamiltonian";
    oqt_error inner;
    int failed = 0;

    memset(op, 0, d * d * sizeof *op);
    if (term->of == OQT__OF_TIME)
        failed = term->op(op, t, term->op_ctx);
    else if (row)
        failed = term->op_of(op, row, term->op_ctx);
    if (failed)
        return oqt__fail(err, OQT_ECALLBACK, "the function for the %s reported failure at t = %.9g", what, t);
    if (oqt__check_finite(op, d, what, &inner) != OQT_OK ||
        (!term->dissipator && oqt__check_hermitian(op, d, what, &inner) != OQT_OK))
        return oqt__fail(err, OQT_ECALLBACK, "at t = %.9g: %s", t, inner.text);
    return OQT_OK;
}

static buffers split(const oqt__halves_ws *ws)
{
    size_t n = ws->d * ws->d, nn = n * n;
    buffers b;

    b.expm = ws->mem;
    b.x = b.expm + oqt__expm_small_len(n);
    b.u = b.x + nn;
    b.liouvillian = (oqt_complex *)(b.u + nn);
    b.op = b.liouvillian + nn;
    b.h = b.op + n;
    b.kronrod = (double *)(b.h + n);
    b.gauss = b.kronrod + ws->point;
    b.value = b.gauss + ws->point;
    b.whole = b.value + ws->point;
    b.sample = b.whole + ws->point;
    return b;
}

/* All numbers of a point at time t. */
static oqt_status evaluate(double *point, const oqt_system *system, double t, const double *row,
                           const buffers *b, oqt_error *err)
{
    size_t d = system->d, n = d * d;
    oqt_status st;

    for (size_t i = 0; i < system->n_scaled; i++)
        if ((st = factor_at(point + i, system->term + i, t, row, err)) != OQT_OK)
            return st;
    if (!has_rest(system))
        return OQT_OK;
    memset(b->liouvillian, 0, n * n * sizeof *b->liouvillian);
    for (size_t i = system->n_scaled; i < system->n_term; i++) {
        const oqt__term *term = system->term + i;
        double rate;

        if ((st = operator_at(b->op, term, t, row, d, err)) != OQT_OK)
            return st;
        if (!term->dissipator) {
            oqt__add_commutator(b->liouvillian, (oqt_complex){0.0, -1.0}, b->op, d);
            continue;
        }
        if ((st = factor_at(&rate, term, t, row, err)) != OQT_OK)
            return st;
        oqt__add_dissipator(b->liouvillian, rate, b->op, d);
    }
    oqt__herm_superop(point + system->n_scaled, b->liouvillian, d);
    return OQT_OK;
}

/* ---- integrals ---- */

/* Nodes on (0, 1] with weights of Kronrod's rule, and of Gauss' at every second; the middle comes last. */
enum { N_NODES = 8 };
static const double node[N_NODES] = {0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
                                     0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
                                     0.586087235467691130294144691693,    0.405845151377397166906606412076961,
                                     0.207784955007898467600689403773245, 0.0};
static const double kronrod[N_NODES] = {
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
    0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
    0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714};
static const double gauss[N_NODES] = {
    0.0, 0.129484966168869693270611432679082, 0.0, 0.279705391489276667901467771423780,
    0.0, 0.381830050505118944950369775488975, 0.0, 0.417959183673469387755102040816327};

static double norm_of(const double *x, size_t n)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++)
        norm = hypot(norm, x[i]); /* squares of tails of pulses would underflow */
    return norm;
}

/* b->kronrod and b->gauss := the integral over one piece by both rules. */
static oqt_status piece(const oqt_system *system, double t, double h, const double *row, const buffers *b,
                        oqt_error *err)
{
    size_t len = point_len(system);

    memset(b->kronrod, 0, len * sizeof *b->kronrod);
    memset(b->gauss, 0, len * sizeof *b->gauss);
    for (size_t k = 0; k < N_NODES; k++)
        for (int side = -1; side <= (k + 1 < N_NODES ? 1 : -1); side += 2) {
            double at = t + 0.5 * h * (1.0 + side * node[k]);
            oqt_status st = evaluate(b->value, system, at, row, b, err);

            if (st != OQT_OK)
                return st;
            for (size_t i = 0; i < len; i++) {
                b->kronrod[i] += 0.5 * h * kronrod[k] * b->value[i];
                b->gauss[i] += 0.5 * h * gauss[k] * b->value[i];
            }
        }
    return OQT_OK;
}

/*
 * Mean of the point over [t, t + h]: pieces are halved until the rules agree, from left to right. A piece
 * that was halved is followed by its sibling, so the next piece is as long as the last one or longer.
 */
static oqt_status mean_point(double *mean, const oqt_system *system, double t, double h, const double *row,
                             const buffers *b, oqt_error *err)
{
    size_t len = point_len(system);
    double done = 0.0, length = 1.0, tolerance = -1.0; /* of the half step, both */

    memset(mean, 0, len * sizeof *mean);
    for (size_t n = 0; done < 1.0; n++) {
        oqt_status st = piece(system, t + done * h, length * h, row, b, err);
        double difference = 0.0;

        if (st != OQT_OK)
            return st;
        if (n == MAX_PIECES)
            return oqt__fail(
                err, OQT_ECONV,
                "the integral of the Liouvillian over half a step from t = %.9g did not converge", t);
        if (tolerance < 0.0)
            tolerance = fmax(INTEGRAL_TOLERANCE * norm_of(b->kronrod, len), SMALLEST_INTEGRAL);
        for (size_t i = 0; i < len; i++)
            difference = hypot(difference, b->kronrod[i] - b->gauss[i]);
        if (difference > tolerance && length > SHORTEST_PIECE) {
            length *= 0.5;
            continue;
        }
        for (size_t i = 0; i < len; i++)
            mean[i] += b->kronrod[i] / h;
        done += length;
        /* done / length is a whole number: as many factors of two as it has, as many levels to go up */
        while (length < 1.0 && fmod(done, 2.0 * length) == 0.0)
            length *= 2.0;
    }
    return OQT_OK;
}

/* ---- half steps ---- */

oqt_status oqt__halves_ws_init(oqt__halves_ws *ws, size_t n, const oqt_system *const *systems, oqt_error *err)
{
    size_t d = systems[0]->d, n2 = d * d, len;

    ws->d = d;
    ws->point = 0;
    for (size_t i = 0; i < n; i++)
        ws->point = point_len(systems[i]) > ws->point ? point_len(systems[i]) : ws->point;
    len = oqt__expm_small_len(n2) + 4 * n2 * n2 + 4 * n2 + 6 * ws->point;
    ws->mem = oqt__doubles(len);
    return ws->mem ? OQT_OK : oqt__no_memory(err, "the propagators of a system");
}

void oqt__halves_ws_release(oqt__halves_ws *ws)
{
    oqt__free(ws->mem);
    ws->mem = NULL;
}

oqt_status oqt__system_sample(double *sample, const oqt_system *system, double t, double h, const double *row,
                              oqt_propagation how, oqt__halves_ws *ws, oqt_error *err)
{
    buffers b = split(ws);
    double at[2];
    oqt_status st;

    if (system->n_term == 0)
        return OQT_OK;
    if (n_points(system, how) == 2) {
        oqt__magnus_times(at, t, h);
        st = evaluate(sample, system, at[0], row, &b, err);
        return st != OQT_OK ? st : evaluate(sample + point_len(system), system, at[1], row, &b, err);
    }
    if (how == OQT_PROPAGATE_AVERAGE && depends_on_time(system))
        return mean_point(sample, system, t, h, row, &b, err);
    return evaluate(sample, system, t + 0.5 * h, row, &b, err);
}

/* The generator at a point. */
static void assemble(double *restrict x, const oqt_system *system, const double *point)
{
    size_t nn = system->d * system->d * system->d * system->d;

    for (size_t i = 0; i < system->n_scaled; i++) {
        const double *before = i == 0 ? system->generator : x, *generator = system->term[i].generator;

        for (size_t a = 0; a < nn; a++)
            x[a] = before[a] + point[i] * generator[a];
    }
    if (system->n_scaled == 0)
        memcpy(x, system->generator, nn * sizeof *x);
    for (size_t a = 0; has_rest(system) && a < nn; a++)
        x[a] += point[system->n_scaled + a];
}

void oqt__magnus_times(double at[2], double t, double h)
{
    at[0] = t + (0.5 - SQRT3_6) * h;
    at[1] = t + (0.5 + SQRT3_6) * h;
}

bool oqt__magnus(double *out, double *restrict one, double *restrict two, double h, size_t n, double *expm)
{
    const double large = 0.25 + SQRT3_6, small = 0.25 - SQRT3_6;
    bool ok;

    for (size_t a = 0; a < n * n; a++) {
        double first = h * (large * one[a] + small * two[a]);

        two[a] = h * (small * one[a] + large * two[a]);
        one[a] = first;
    }
    ok = oqt__expm_small(one, one, n, expm);
    ok = oqt__expm_small(two, two, n, expm) && ok;
    oqt__small_product(out, two, one, n);
    return ok;
}

oqt_status oqt__system_half(double *out, const oqt_system *system, const double *sample, double h,
                            oqt_propagation how, oqt__halves_ws *ws, oqt_error *err)
{
    size_t n = system->d * system->d, len = point_len(system);
    buffers b = split(ws);
    const double *second = sample + len;
    bool ok;

    if (system->n_term == 0)
        return oqt__system_propagator(out, system, h, err);
    assemble(b.x, system, sample);
    if (n_points(system, how) == 1 || memcmp(sample, second, len * sizeof *sample) == 0) {
        for (size_t a = 0; a < n * n; a++)
            b.x[a] *= h;
        ok = oqt__expm_small(out, b.x, n, b.expm);
    } else {
        assemble(b.u, system, second);
        ok = oqt__magnus(out, b.x, b.u, h, n, b.expm);
    }
    return ok ? OQT_OK : oqt__fail(err, OQT_ECONV, "the propagator of half a step of length %g overflows", h);
}

oqt_status oqt__check_propagation(const oqt_system *system, const double *parameters, oqt_propagation how,
                                  oqt_error *err)
{
    if (how != OQT_PROPAGATE_MAGNUS && how != OQT_PROPAGATE_AVERAGE && how != OQT_PROPAGATE_MIDPOINT)
        return oqt__fail(err, OQT_EINVAL, "unknown propagation scheme %d", (int)how);
    if (system->n_parameters > 0 && !parameters)
        return oqt__fail(err, OQT_EINVAL, "the system has %zu parameters, but none are given",
                         system->n_parameters);
    return OQT_OK;
}

oqt_status oqt__system_halves(double *halves, const oqt_system *system, double start, double dt,
                              uint64_t step, const double *rows, oqt_propagation how, oqt__halves_ws *ws,
                              oqt_error *err)
{
    size_t n = system->d * system->d;
    double *sample = split(ws).sample;

    for (size_t k = 0; k < 2; k++) {
        double t = start + ((double)step + 0.5 * (double)k) * dt;
        const double *row = rows ? rows + k * system->n_parameters : NULL;
        oqt_status st = oqt__system_sample(sample, system, t, 0.5 * dt, row, how, ws, err);

        if (st == OQT_OK)
            st = oqt__system_half(halves + k * n * n, system, sample, 0.5 * dt, how, ws, err);
        if (st != OQT_OK)
            return st;
        if (system->n_term == 0) {
            memcpy(halves + n * n, halves, n * n * sizeof *halves);
            break;
        }
    }
    return OQT_OK;
}

/* ---- for users ---- */

/* The real Liouvillian at t, into b->x. */
static oqt_status generator_at(const oqt_system *system, double t, const double *row, const buffers *b,
                               oqt_error *err)
{
    oqt_status st = evaluate(b->sample, system, t, row, b, err);

    if (st == OQT_OK && system->n_term > 0)
        assemble(b->x, system, b->sample);
    else if (st == OQT_OK)
        oqt__system_generator(b->x, system);
    return st;
}

oqt_status oqt__system_generator_at(double *out, const oqt_system *system, double t, oqt_error *err)
{
    size_t n = system->d * system->d;
    oqt__halves_ws ws = {0};
    buffers b;
    oqt_status st;

    if ((st = oqt__halves_ws_init(&ws, 1, &system, err)) == OQT_OK) {
        b = split(&ws);
        if ((st = generator_at(system, t, NULL, &b, err)) == OQT_OK)
            memcpy(out, b.x, n * n * sizeof *out);
    }
    oqt__halves_ws_release(&ws);
    return st;
}

oqt_status oqt_system_liouvillian_at(oqt_complex *out, const oqt_system *system, double t,
                                     const double *parameters, oqt_error *err)
{
    oqt__halves_ws ws = {0};
    buffers b;
    oqt_status st;

    if (!out || !system)
        return oqt__fail(err, OQT_EINVAL, "system or place for the Liouvillian is missing");
    if (!isfinite(t))
        return oqt__fail(err, OQT_EINVAL, "time of a Liouvillian must be finite, got %g", t);
    if ((st = oqt__check_propagation(system, parameters, OQT_PROPAGATE_MAGNUS, err)) != OQT_OK)
        return st;
    if ((st = oqt__halves_ws_init(&ws, 1, &system, err)) == OQT_OK) {
        b = split(&ws);
        if ((st = generator_at(system, t, parameters, &b, err)) == OQT_OK)
            oqt__herm_superop_to_complex(out, b.x, system->d);
    }
    oqt__halves_ws_release(&ws);
    return st;
}

oqt_status oqt_system_propagator_between(oqt_complex *out, const oqt_system *system, double from, double to,
                                         const double *parameters, oqt_propagation how, oqt_error *err)
{
    oqt__halves_ws ws = {0};
    oqt__blas_guard guard = {false};
    double *real = NULL;
    buffers b;
    oqt_status st;

    if (!out || !system)
        return oqt__fail(err, OQT_EINVAL, "system or place for the propagator is missing");
    if (!isfinite(from) || !isfinite(to))
        return oqt__fail(err, OQT_EINVAL, "times of a propagator must be finite, got %g and %g", from, to);
    if ((st = oqt__check_propagation(system, parameters, how, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    if ((st = oqt__halves_ws_init(&ws, 1, &system, err)) != OQT_OK)
        goto done;
    real = oqt__doubles(system->d * system->d * system->d * system->d);
    if (!real) {
        st = oqt__no_memory(err, "a propagator");
        goto done;
    }
    b = split(&ws);
    st = oqt__system_sample(b.sample, system, from, to - from, parameters, how, &ws, err);
    if (st == OQT_OK)
        st = oqt__system_half(real, system, b.sample, to - from, how, &ws, err);
    if (st == OQT_OK)
        oqt__herm_superop_to_complex(out, real, system->d);
done:
    oqt__blas_leave(&guard);
    oqt__free(real);
    oqt__halves_ws_release(&ws);
    return st;
}

/* ---- rates, for those who build process tensors ---- */

/* Largest minus smallest eigenvalue of H(t), without terms of parameters. */
static oqt_status width_at(double *width, const oqt_system *system, double t, const buffers *b,
                           oqt_error *err)
{
    size_t d = system->d;
    oqt_complex *h = b->h;
    double *w = b->u;
    oqt_status st;

    memcpy(h, system->hamiltonian, d * d * sizeof *h);
    for (size_t i = 0; i < system->n_term; i++) {
        const oqt__term *term = system->term + i;
        double c = 1.0;

        if (term->dissipator || term->of == OQT__OF_PARAMETERS)
            continue;
        if (term->generator)
            c = b->sample[i];
        else if ((st = operator_at(b->op, term, t, NULL, d, err)) != OQT_OK)
            return st;
        for (size_t k = 0; k < d * d; k++) {
            const oqt_complex *op = term->generator ? term->op_matrix : b->op;

            h[k].re += c * op[k].re;
            h[k].im += c * op[k].im;
        }
    }
    st = oqt__eigenbasis(w, b->op, h, d, err);
    if (st == OQT_OK)
        *width = w[d - 1] - w[0];
    return st;
}

/* Its sums over time, of L into generator, of the leg rate and of the width. */
static oqt_status add_up(double *generator, double *leg_rate, double *width, const oqt_system *system,
                         const double *o, const oqt_complex *u, double start, double duration, oqt_error *err)
{
    size_t d4 = system->d * system->d * system->d * system->d;
    oqt__halves_ws ws = {0};
    oqt_status st = oqt__halves_ws_init(&ws, 1, &system, err);
    buffers b;

    if (st != OQT_OK)
        return st;
    b = split(&ws);
    for (size_t k = 0; k < PACE_TIMES && st == OQT_OK; k++) {
        double t = start + ((double)k + 0.5) / PACE_TIMES * duration, rate = 0.0, one = 0.0;

        if ((st = generator_at(system, t, NULL, &b, err)) == OQT_OK &&
            (st = width_at(&one, system, t, &b, err)) == OQT_OK)
            st = oqt__leg_rate_of(&rate, b.x, o, u, system->d, err);
        for (size_t a = 0; a < d4; a++)
            generator[a] += b.x[a];
        *leg_rate += rate;
        *width += one;
    }
    oqt__halves_ws_release(&ws);
    return st;
}

oqt_status oqt__system_mean(oqt_system **out, double *leg_rate, const oqt_system *system, const double *o,
                            const oqt_complex *u, double start, double duration, oqt_error *err)
{
    size_t d = system->d, d4 = d * d * d * d;
    double commutes, leg_sum = 0.0, width_sum = 0.0, *sum = oqt__doubles(d4);
    oqt_system *mean = NULL;
    oqt_status st =
        sum ? oqt__system_leg_rate(&commutes, system, o, u, err) : oqt__no_memory(err, "a system");

    if (st != OQT_OK ||
        (st = add_up(sum, &leg_sum, &width_sum, system, o, u, start, duration, err)) != OQT_OK ||
        (st = oqt_system_create(&mean, d, system->hamiltonian, err)) != OQT_OK)
        goto done;
    for (size_t a = 0; a < d4; a++)
        sum[a] /= PACE_TIMES;
    oqt__herm_superop_to_complex(mean->liouvillian, sum, d);
    mean->width = width_sum / PACE_TIMES;
    *leg_rate = commutes == 0.0 ? 0.0 : fmax(leg_sum / PACE_TIMES, DBL_MIN);
    *out = mean;
done:
    oqt__free(sum);
    return st;
}

oqt_status oqt__system_frequency(double *f, const oqt_system *system, double t, oqt_error *err)
{
    oqt__halves_ws ws = {0};
    double width = system->width, fastest = system->rate_norm;
    buffers b;
    oqt_status st = system->n_term > 0 ? oqt__halves_ws_init(&ws, 1, &system, err) : OQT_OK;

    if (st != OQT_OK)
        return st;
    if (system->n_term > 0) {
        b = split(&ws);
        if ((st = evaluate(b.sample, system, t, NULL, &b, err)) == OQT_OK)
            st = width_at(&width, system, t, &b, err);
    }
    for (size_t i = 0; st == OQT_OK && i < system->n_term; i++) {
        const oqt__term *term = system->term + i;
        double scale, norm;

        if (!term->dissipator || term->of == OQT__OF_PARAMETERS)
            continue;
        if ((st = factor_at(&scale, term, t, NULL, err)) == OQT_OK && !term->generator)
            st = operator_at(b.op, term, t, NULL, system->d, err);
        if (st == OQT_OK)
            st = oqt__operator_norm(&norm, term->generator ? term->op_matrix : b.op, system->d, err);
        if (st == OQT_OK)
            fastest = fmax(fastest, fabs(scale) * norm);
    }
    oqt__halves_ws_release(&ws);
    if (st == OQT_OK)
        *f = fmax(0.5 * width, fastest);
    return st;
}
