/* guess.c - proposals for time step, memory and tolerance, and estimates of their errors. */
#include "core/core.h"
#include "dynamics/dyn_priv.h"
#include "liouville/hermitian.h"

#include <oqtempo/guess.h>

#include <math.h>
#include <string.h>

enum {
    FIRST_POINTS = 11, /* of the first grid over times, and of the samples of a system */
    MOST_POINTS = 256  /* of a grid that is still refined */
};

#define PHASE_OF_A_STEP   0.5    /* of the fastest frequency of the system, in radians                   */
#define FREQUENCY_CHANGE  3.9e-3 /* relative change of the largest frequency that ends the sampling      */
#define UNIFORM_TOLERANCE 0.01   /* times the wanted error: those of states are up to 100 tolerances    */
#define FINEST_TOLERANCE  1e-12  /* of process tensors */

static double four_digits(double x)
{
    double digits = floor(log10(x)) - 3.0, unit = pow(10.0, fabs(digits));

    return digits < 0.0 ? round(x * unit) / unit : round(x / unit) * unit;
}

/* ---- the bath: a grid that resolves C(t) and ends where little of it is left ---- */

/* C at n equidistant points, h apart, and its midpoints. */
struct grid {
    double h;
    size_t n;
    oqt_complex c[2 * MOST_POINTS - 1]; /* as many after the last refinement */
    oqt_complex mid[MOST_POINTS];
};

static double modulus(oqt_complex z)
{
    return hypot(z.re, z.im);
}

/* C(0). Where it diverges, as a logarithm, the mean of C(t1 - t2) over times up to h/3: with it the rule
 * below is right to 1e-3 for log(t) in the first interval. */
static oqt_status at_origin(oqt_complex *c, const oqt_bath *bath, double h, int n_threads, oqt_error *err)
{
    double zero = 0.0, t = h / 3.0;
    oqt_status st = oqt_bath_correlation(c, bath, 1, &zero, n_threads, err);

    if (st != OQT_EINVAL)
        return st;
    if ((st = oqt_bath_eta_function(c, bath, 1, &t, n_threads, err)) == OQT_OK)
        *c = (oqt_complex){2.0 * c->re / (t * t), 2.0 * c->im / (t * t)};
    return st;
}

/* All points of the first grid, later the midpoints and the one at the origin only. */
static oqt_status evaluate(struct grid *g, const oqt_bath *bath, bool first, int n_threads, oqt_error *err)
{
    double t[MOST_POINTS];
    oqt_status st = at_origin(&g->c[0], bath, g->h, n_threads, err);

    for (size_t i = 1; i < g->n; i++)
        t[i - 1] = (double)i * g->h;
    if (st == OQT_OK && first)
        st = oqt_bath_correlation(g->c + 1, bath, g->n - 1, t, n_threads, err);
    for (size_t i = 1; i < g->n; i++)
        t[i - 1] -= 0.5 * g->h;
    return st == OQT_OK ? oqt_bath_correlation(g->mid, bath, g->n - 1, t, n_threads, err) : st;
}

/* The integrals of |C| over the intervals; returns their sum. */
static double integrate(double *part, const struct grid *g)
{
    double sum = 0.0;

    for (size_t i = 0; i + 1 < g->n; i++) {
        part[i] = 0.25 * g->h * (modulus(g->c[i]) + modulus(g->c[i + 1])) + 0.5 * g->h * modulus(g->mid[i]);
        sum += part[i];
    }
    return sum;
}

/* The largest |trapezoid - trapezoid with the midpoint| of an interval. */
static double largest_error(const struct grid *g)
{
    double largest = 0.0;

    for (size_t i = 0; i + 1 < g->n; i++) {
        oqt_complex mean = {0.5 * (g->c[i].re + g->c[i + 1].re), 0.5 * (g->c[i].im + g->c[i + 1].im)};

        largest = fmax(largest, 0.5 * g->h * hypot(mean.re - g->mid[i].re, mean.im - g->mid[i].im));
    }
    return largest;
}

/* How many points come before the end that holds less than the tolerance of the integral of |C|. */
static size_t points_kept(const double *part, double sum, size_t n, double tolerance)
{
    double before = 0.0;
    size_t i;

    for (i = 0; i + 2 < n; i++) {
        before += part[i];
        if (before >= (1.0 - tolerance) * sum)
            break;
    }
    return i + 2;
}

static void refine(struct grid *g, size_t kept)
{
    for (size_t i = kept - 1; i > 0; i--) {
        g->c[2 * i] = g->c[i];
        g->c[2 * i - 1] = g->mid[i - 1];
    }
    g->n = 2 * kept - 1;
    g->h *= 0.5;
}

static oqt_status look_at_bath(double *dt, size_t *points, int *limit_hit, const oqt_bath *bath, double span,
                               const oqt_guess_options *opt, oqt_error *err)
{
    struct grid *g = oqt__calloc(1, sizeof *g);
    double part[MOST_POINTS];
    oqt_status st = OQT_OK;

    if (!g)
        return oqt__no_memory(err, "the correlation function of a bath");
    *g = (struct grid){.h = span / (FIRST_POINTS - 1), .n = FIRST_POINTS};
    for (bool first = true; g->n <= MOST_POINTS; first = false) {
        double sum;

        if ((st = evaluate(g, bath, first, opt->n_threads, err)) != OQT_OK)
            goto done;
        sum = integrate(part, g);
        *dt = g->h;
        *points = points_kept(part, sum, g->n, opt->tolerance);
        if (largest_error(g) < opt->tolerance * sum || sum == 0.0)
            goto done;
        refine(g, *points);
    }
    *limit_hit = 1;
done:
    oqt__free(g);
    return st;
}

/* The shortest step and the longest memory. */
static oqt_status look_at_baths(oqt_guess *g, size_t n_baths, const oqt_bath *const *baths, double span,
                                const oqt_guess_options *opt, oqt_error *err)
{
    for (size_t i = 0; i < n_baths; i++) {
        size_t points = 0, n = g->memory_steps;
        double dt = 0.0;
        oqt_status st = look_at_bath(&dt, &points, &g->grid_limit_hit, baths[i], span, opt, err);

        if (st != OQT_OK)
            return st;
        if (i == 0 || dt < g->dt) {
            double other = i == 0 ? 0.0 : ceil((double)n * g->dt / dt);

            g->dt = dt;
            g->memory_steps = other > (double)points ? (size_t)other : points;
        } else if ((double)points * dt > (double)n * g->dt) {
            g->memory_steps = (size_t)ceil((double)points * dt / g->dt);
        }
    }
    return OQT_OK;
}

/* ---- the system ---- */

/* The largest frequency at n equidistant times, start and end among them, into *f if it is larger. */
static oqt_status sample_system(double *f, const oqt_system *system, double start, double end, size_t n,
                                oqt_error *err)
{
    oqt_status st = OQT_OK;

    for (size_t i = 0; i < n && st == OQT_OK; i++) {
        double x = (double)i / (double)(n - 1), at = 0.0;

        st = oqt__system_frequency(&at, system, start * (1.0 - x) + end * x, err);
        *f = fmax(*f, at);
    }
    return st;
}

/* Twice as many samples until that changes nothing. */
static oqt_status largest_frequency(double *f, int *limit_hit, const oqt_system *system, double start,
                                    double end, const oqt_guess_options *opt, oqt_error *err)
{
    oqt_status st;

    if (oqt_system_is_constant(system))
        return oqt__system_frequency(f, system, start, err);
    for (size_t n = FIRST_POINTS; n <= opt->max_samples; n *= 2) {
        double before = *f;

        if ((st = sample_system(f, system, start, end, n, err)) != OQT_OK)
            return st;
        if (n > FIRST_POINTS && *f - before <= FREQUENCY_CHANGE * *f)
            return OQT_OK;
    }
    *limit_hit = 1;
    return OQT_OK;
}

static oqt_status look_at_system(oqt_guess *g, const oqt_system *system, double start, double end,
                                 const oqt_guess_options *opt, oqt_error *err)
{
    double f = 0.0, dt;
    oqt_status st = largest_frequency(&f, &g->sample_limit_hit, system, start, end, opt, err);

    if (st != OQT_OK)
        return st;
    dt = PHASE_OF_A_STEP / f; /* infinity for a system that does nothing */
    if (dt < g->dt) {
        double n = ceil((double)g->memory_steps * g->dt / dt);

        if (!(n < 1e15))
            return oqt__fail(err, OQT_EINVAL, "the system is too fast for the memory: %g steps", n);
        g->memory_steps = (size_t)n;
        g->dt = dt;
        g->limited_by = OQT_LIMIT_SYSTEM;
    }
    return OQT_OK;
}

/* ---- proposals ---- */

static oqt_status check_guess(size_t n_baths, const oqt_bath *const *baths, double start, double end,
                              const oqt_guess_options *opt, oqt_error *err)
{
    if (!(opt->tolerance > 0.0) || !(opt->tolerance < 1.0))
        return oqt__fail(err, OQT_EINVAL, "tolerance must be above 0 and below 1, got %g", opt->tolerance);
    if (opt->max_samples < FIRST_POINTS)
        return oqt__fail(err, OQT_EINVAL, "max_samples must be at least %d, got %zu", FIRST_POINTS,
                         opt->max_samples);
    if (opt->n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", opt->n_threads);
    if (!isfinite(start) || !isfinite(end) || !(end > start) || !isfinite(end - start))
        return oqt__fail(err, OQT_EINVAL, "end must be after start and both finite, got %g and %g", start,
                         end);
    if (n_baths == 0 || !baths)
        return oqt__fail(err, OQT_EINVAL, "at least one bath must be given");
    for (size_t i = 0; i < n_baths; i++)
        if (!baths[i])
            return oqt__fail(err, OQT_EINVAL, "bath %zu is missing", i);
    return OQT_OK;
}

oqt_status oqt_guess_parameters(oqt_guess *out, size_t n_baths, const oqt_bath *const *baths,
                                const oqt_system *system, double start, double end,
                                const oqt_guess_options *given, oqt_error *err)
{
    static const oqt_guess_options defaults = OQT_GUESS_OPTIONS_INIT;
    oqt_guess_options full, *opt = &full;
    oqt_guess g = {0};
    oqt_status st;

    if (!out)
        return oqt__fail(err, OQT_EINVAL, "place for the proposals is missing");
    if ((st = oqt__options_read(&full, given, &defaults, sizeof full, sizeof full, "guess", err)) != OQT_OK ||
        (st = check_guess(n_baths, baths, start, end, opt, err)) != OQT_OK ||
        (st = look_at_baths(&g, n_baths, baths, end - start, opt, err)) != OQT_OK ||
        (system && (st = look_at_system(&g, system, start, end, opt, err)) != OQT_OK))
        return st;
    g.dt = four_digits(g.dt);
    g.epsrel = four_digits(opt->tolerance * pow(10.0, -log((double)g.memory_steps) / log(4.0)));
    g.tolerance = fmax(FINEST_TOLERANCE, UNIFORM_TOLERANCE * opt->tolerance);
    *out = g;
    return OQT_OK;
}

/* ---- estimates ---- */

/* A run, and the settings of its tensors. */
struct problem {
    size_t n_baths, d;
    const oqt_bath *const *baths;
    const oqt_complex *couplings;
    const oqt_system *system;
    const oqt_complex *initial;
    oqt_pt_options pt;
    oqt_dynamics_options dynamics;
};

/* The states of n steps of dt, in new memory. */
static oqt_status run(oqt_complex **out, const struct problem *p, double dt, size_t n, double tolerance,
                      size_t memory_steps, oqt_error *err)
{
    size_t size = p->d * p->d, all = 0;
    oqt_pt **pts = oqt__calloc(p->n_baths, sizeof *pts);
    oqt_complex *rho = oqt__mul_size(&all, n + 1, size) ? oqt__calloc(all, sizeof *rho) : NULL;
    oqt_pt_options pt = p->pt;
    oqt_dynamics_options options = p->dynamics;
    oqt_dynamics *dyn = NULL;
    oqt_status st = OQT_OK;

    pt.tolerance = tolerance;
    pt.memory_steps = memory_steps;
    pt.system = p->system;
    pt.start_time = options.start_time;
    pt.n_steps = n;
    options.dt = dt;
    if (!pts || !rho)
        st = oqt__no_memory(err, "the states of a run");
    for (size_t i = 0; i < p->n_baths && st == OQT_OK; i++)
        st = oqt_pt_create(&pts[i], p->baths[i], p->d, p->couplings + i * size, dt, &pt, err);
    if (st == OQT_OK)
        st = oqt_dynamics_create(&dyn, p->n_baths, (const oqt_pt *const *)pts, 1, &p->system, p->initial,
                                 &options, err);
    if (st == OQT_OK)
        st = oqt_dynamics_record(rho, dyn, n, err);
    oqt_dynamics_destroy(dyn);
    for (size_t i = 0; pts && i < p->n_baths; i++)
        oqt_pt_destroy(pts[i]);
    oqt__free(pts);
    if (st == OQT_OK)
        *out = rho;
    else
        oqt__free(rho);
    return st;
}

/* The largest difference of elements of n states, of which b holds every one or every `stride`th. */
static double difference(const oqt_complex *a, const oqt_complex *b, size_t n, size_t size, size_t stride)
{
    double largest = 0.0;

    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < size; i++) {
            oqt_complex x = a[k * size + i], y = b[k * stride * size + i];

            largest = fmax(largest, hypot(x.re - y.re, x.im - y.im));
        }
    return largest;
}

static oqt_status three_runs(oqt_guess_check *out, const struct problem *p, double dt, size_t n,
                             oqt_error *err)
{
    double tolerance = p->pt.tolerance, finer = fmax(FINEST_TOLERANCE, 0.1 * tolerance);
    size_t size = p->d * p->d, memory = p->pt.memory_steps;
    oqt_complex *coarse = NULL, *fine = NULL, *half = NULL;
    oqt_status st;

    if ((st = run(&coarse, p, dt, n, tolerance, memory, err)) == OQT_OK &&
        (st = run(&fine, p, dt, n, finer, memory, err)) == OQT_OK &&
        (st = run(&half, p, 0.5 * dt, 2 * n, finer, 2 * memory, err)) == OQT_OK) {
        out->tolerance_error = difference(coarse, fine, n + 1, size, 1);
        out->step_error = difference(fine, half, n + 1, size, 2) * 4.0 / 3.0;
    }
    oqt__free(coarse);
    oqt__free(fine);
    oqt__free(half);
    return st;
}

static oqt_status check_problem(const struct problem *p, double dt, size_t n_steps, double wanted,
                                oqt_error *err)
{
    if (!p->system || !p->initial || (p->n_baths > 0 && (!p->baths || !p->couplings)))
        return oqt__fail(err, OQT_EINVAL, "system, initial state, baths or couplings are missing");
    if (!(dt > 0.0) || !isfinite(dt))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", dt);
    if (n_steps == 0 || n_steps > SIZE_MAX / 4 || p->pt.memory_steps > SIZE_MAX / 4)
        return oqt__fail(err, OQT_EINVAL, "number of steps must be at least 1, got %zu", n_steps);
    if (!(wanted > 0.0) || !isfinite(wanted))
        return oqt__fail(err, OQT_EINVAL, "wanted error must be positive and finite, got %g", wanted);
    if (p->dynamics.n_controls > 0 || p->dynamics.parameters)
        return oqt__fail(err, OQT_EINVAL,
                         "errors are estimated without controls and parameters, which belong to steps");
    if (p->pt.accuracy != 0.0)
        return oqt__fail(err, OQT_EINVAL, "errors are estimated of a tolerance, not of an accuracy of %g",
                         p->pt.accuracy);
    return OQT_OK;
}

/* Settings for an error of `share` each. Truncations of more and shorter steps add up. */
static void propose(oqt_guess_check *check, double dt, double tolerance, double share)
{
    double stretch = fmin(2.0, sqrt(share / check->step_error));
    double relax = fmin(1.0, share / check->tolerance_error * fmin(1.0, stretch));

    check->dt = four_digits(dt * stretch);
    check->tolerance = four_digits(fmax(FINEST_TOLERANCE, tolerance * relax));
}

oqt_status oqt_guess_verify(oqt_guess_check *out, size_t n_baths, const oqt_bath *const *baths,
                            const oqt_complex *couplings, const oqt_system *system,
                            const oqt_complex *initial, double dt, size_t n_steps, double wanted,
                            const oqt_pt_options *pt, const oqt_dynamics_options *dynamics, oqt_error *err)
{
    struct problem p = {
        .n_baths = n_baths, .baths = baths, .couplings = couplings, .system = system, .initial = initial};
    oqt_guess_check check = {0};
    oqt_status st;

    if (!out)
        return oqt__fail(err, OQT_EINVAL, "place for the estimates is missing");
    if ((st = oqt__pt_options(&p.pt, pt, err)) != OQT_OK ||
        (st = oqt__dynamics_options(&p.dynamics, dynamics, err)) != OQT_OK ||
        (st = check_problem(&p, dt, n_steps, wanted, err)) != OQT_OK)
        return st;
    p.d = oqt_system_dimension(system);
    if ((st = three_runs(&check, &p, dt, n_steps, err)) != OQT_OK)
        return st;
    propose(&check, dt, p.pt.tolerance, 0.5 * wanted);
    *out = check;
    return OQT_OK;
}
