/*
 * steady.c - stationary states: the fixed point of one period of steps.
 *
 * The augmented state x between two periods lies in the eigenbasis of the coupling that acted last, as in
 * propagation. One period M takes x to x; it conserves the trace, t M = t with t = (trace) at row 0 of the
 * bonds. Without a second conserved functional the fixed point is unique (docs/theory.md, section 10).
 */
#include <math.h>
#include <string.h>

#include "dynamics/dyn_priv.h"
#include "liouville/hermitian.h"

/* Steps that cost about as much as the work of the iteration on one of its vectors. */
static const size_t STEPS_PER_VECTOR = 16;

/* Propagators after one period differ by no more than this share of their largest element. */
static const double PERIODIC = 1e-9;

typedef struct {
    oqt__stepper stepper;
    size_t d, bonds;
    size_t n;             /* steps of the period: n_period, or twice as many              */
    double *next;         /* n x d^4: matrix of the system before each step               */
    double *half;         /* n_period x 2 x d^4: propagators of the halves of a step      */
    double *leave;        /* 2 x d^4: that after a step, and scratch                      */
    double *y;            /* scratch of an augmented state                                */
    oqt_complex *factors; /* n_pt x d^2                                                   */
    int n_threads;
    const oqt_progress *progress;
    size_t n_applied, max_applied;
} period;

static void period_release(period *p)
{
    oqt__stepper_release(&p->stepper);
    oqt__free(p->next);
    oqt__free(p->half);
    oqt__free(p->y);
    oqt__free(p->leave);
    oqt__free(p->factors);
}

static oqt_status check_arguments(size_t n_pt, const oqt_pt *const *pts, size_t n_period,
                                  const oqt_system *const *systems, const oqt_steady_options *opt,
                                  oqt_error *err)
{
    oqt_status st;

    if (!(opt->tolerance > 0.0) || !(opt->tolerance < 1.0))
        return oqt__fail(err, OQT_EINVAL, "tolerance must be positive and below 1, got %g", opt->tolerance);
    if (opt->max_steps == 0)
        return oqt__fail(err, OQT_EINVAL, "the limit of steps must be positive");
    if (n_period == 0 || !systems || (n_pt > 0 && !pts))
        return oqt__fail(err, OQT_EINVAL, "at least one system must be given");
    if ((st = oqt__check_batch(n_pt, pts, n_period, systems, opt->dt, opt->split, opt->n_threads, err)) !=
        OQT_OK)
        return st;
    for (size_t e = 0; e < n_pt; e++)
        if (pts[e]->info.n_steps != SIZE_MAX)
            return oqt__fail(
                err, OQT_EINVAL,
                "process tensor %zu covers %zu steps, but a stationary state needs one without end", e,
                pts[e]->info.n_steps);
    if (!isfinite(opt->start_time))
        return oqt__fail(err, OQT_EINVAL, "start time must be finite, got %g", opt->start_time);
    for (size_t k = 0; k < n_period; k++) {
        if (oqt_system_n_parameters(systems[k]) > 0)
            return oqt__fail(err, OQT_EINVAL,
                             "system %zu has parameters, which a stationary state has none of", k);
        if ((st = oqt__check_propagation(systems[k], NULL, opt->propagation, err)) != OQT_OK)
            return st;
    }
    return oqt__check_tensors(n_pt, pts, n_period, systems, err);
}

/* Both halves of step k of the period. For one that depends on time, step n_period has to be as step 0. */
static oqt_status fill_half(period *p, size_t k, size_t n_period, const oqt_system *const *systems, double dt,
                            const oqt_steady_options *opt, oqt__halves_ws *ws, oqt_error *err)
{
    size_t d4 = p->d * p->d * p->d * p->d;
    double *half = p->half + 2 * k * d4, *again = p->next; /* not filled yet */
    double largest = 0.0, difference = 0.0;
    oqt_status st;

    if (oqt_system_is_constant(systems[k]) && k > 0 && systems[k] == systems[k - 1]) {
        memcpy(half, half - 2 * d4, 2 * d4 * sizeof *half);
        return OQT_OK;
    }
    st = oqt__system_halves(half, systems[k], opt->start_time, dt, k, NULL, opt->propagation, ws, err);
    if (st != OQT_OK || k > 0 || oqt_system_is_constant(systems[0]))
        return st;
    st =
        oqt__system_halves(again, systems[0], opt->start_time, dt, n_period, NULL, opt->propagation, ws, err);
    for (size_t i = 0; i < 2 * d4 && st == OQT_OK; i++) {
        largest = fmax(largest, fabs(half[i]));
        difference = fmax(difference, fabs(half[i] - again[i]));
    }
    if (st == OQT_OK && !(difference <= PERIODIC * largest))
        return oqt__fail(
            err, OQT_EINVAL,
            "the system does not have a period of %zu steps: its propagators differ by %.1e after it",
            n_period, difference);
    return st;
}

/* The matrices of the system for every step of the period. */
static oqt_status fill_turns(period *p, size_t n_period, const oqt_system *const *systems, double dt,
                             const oqt_steady_options *opt, oqt_error *err)
{
    size_t d4 = p->d * p->d * p->d * p->d;
    oqt__halves_ws ws = {0};
    oqt_status st = oqt__halves_ws_init(&ws, n_period, systems, err);

    for (size_t k = 0; k < n_period && st == OQT_OK; k++)
        st = fill_half(p, k, n_period, systems, dt, opt, &ws, err);
    oqt__halves_ws_release(&ws);
    for (size_t k = 0; k < p->n && st == OQT_OK; k++) { /* the step before the first is the last */
        size_t before = (k + p->n - 1) % p->n;

        oqt__turn_next(p->next + k * d4, p->leave, &p->stepper, before,
                       p->half + (2 * (before % n_period) + 1) * d4, p->half + 2 * (k % n_period) * d4);
    }
    return st;
}

static oqt_status period_init(period *p, size_t n_pt, const oqt_pt *const *pts, size_t n_period,
                              const oqt_system *const *systems, const oqt_steady_options *opt, oqt_error *err)
{
    size_t d2, d4, len, turns;
    oqt_status st;

    p->d = oqt_system_dimension(systems[0]);
    p->n_threads = oqt__blas_callers(opt->n_threads, SIZE_MAX);
    p->progress = &opt->progress;
    p->max_applied = opt->max_steps;
    d2 = p->d * p->d;
    d4 = d2 * d2;
    if ((st = oqt__stepper_init(&p->stepper, p->d, n_pt, pts, opt->split, err)) != OQT_OK ||
        (st = oqt__stepper_largest(&p->bonds, &p->stepper, err)) != OQT_OK)
        return st;
    p->n = oqt__stepper_alternates(&p->stepper) && n_period % 2 == 1 ? 2 * n_period : n_period;
    if (!oqt__mul_size(&len, p->bonds, d2) || !oqt__mul_size(&turns, 2 * p->n, d4))
        return oqt__fail(err, OQT_ERANGE, "period of %zu steps with bond %zu is too large", n_period,
                         p->bonds);
    if ((st = oqt__lapack_size(len, "an augmented state", err)) != OQT_OK)
        return st;
    p->next = oqt__doubles(turns); /* twice as many as steps: scratch of fill_half */
    p->half = oqt__doubles(2 * n_period * d4);
    p->y = oqt__doubles(len);
    p->leave = oqt__doubles(2 * d4);
    p->factors = oqt__calloc(n_pt * d2, sizeof *p->factors);
    if (!p->next || !p->half || !p->y || !p->leave || !p->factors)
        return oqt__no_memory(err, "a stationary state");
    if ((st = oqt__stepper_late_factors(p->factors, &p->stepper, err)) != OQT_OK)
        return st;
    return fill_turns(p, n_period, systems, n_pt > 0 ? pts[0]->dt : opt->dt, opt, err);
}

/* x after step k from x before it, both in the eigenbasis of the coupling that acted last. out is not x. */
static void one_step(double *out, period *p, const double *x, size_t k)
{
    size_t d2 = p->d * p->d;

    oqt__turn(p->y, x, p->next + k * d2 * d2, d2, p->bonds);
    oqt__step_tensors(out, p->y, &p->stepper, k, p->factors, 1, p->n_threads);
}

/* One period. */
static oqt_status apply_period(double *out, const double *x, void *ctx, oqt_error *err)
{
    period *p = ctx;

    p->n_applied++;
    for (size_t k = 0; k < p->n; k++)
        one_step(out, p, k == 0 ? x : out, k);
    if (p->n_applied % 64 != 1)
        return OQT_OK;
    return oqt__progress(p->progress, "steady state",
                         fmin(1.0, (double)p->n_applied * (double)p->n / (double)p->max_applied), err);
}

/* The state at the beginning of each step, from x at the beginning of the period. */
static void read_period(oqt_complex *rho, period *p, size_t n_period, double *x, double *scratch)
{
    size_t d2 = p->d * p->d;
    double *state = p->leave + d2 * d2;

    for (size_t k = 0; k < n_period; k++) {
        size_t before = (k + p->n - 1) % p->n;
        double *swap;

        oqt__turn_leave(p->leave, &p->stepper, before, p->half + (2 * (before % n_period) + 1) * d2 * d2);
        for (size_t a = 0; a < d2; a++) {
            state[a] = 0.0;
            for (size_t c = 0; c < d2; c++)
                state[a] += p->leave[a * d2 + c] * x[c * p->bonds];
        }
        oqt__herm_to_matrix(rho + k * d2, state, NULL, p->d);
        one_step(scratch, p, x, k);
        swap = x;
        x = scratch;
        scratch = swap;
    }
}

static oqt_status find(oqt_complex *rho, oqt_steady_stats *stats, period *p, size_t n_period,
                       const oqt_steady_options *opt, oqt_error *err)
{
    size_t d2 = p->d * p->d, n = d2 * p->bonds;
    double *x = oqt__doubles(n), *t = oqt__doubles(n);
    oqt__krylov_record record;
    oqt_error inner = {0};
    oqt_status st;

    if (!x || !t) {
        st = oqt__no_memory(err, "a stationary state");
        goto done;
    }
    for (size_t i = 0; i < p->d; i++) {
        t[(i * p->d + i) * p->bonds] = 1.0;
        x[(i * p->d + i) * p->bonds] = 1.0 / (double)p->d;
    }
    st = oqt__fixed_point(x, n, t, apply_period, p, STEPS_PER_VECTOR / p->n, opt->tolerance,
                          opt->max_steps / p->n, &record, &inner);
    if (st != OQT_OK) {
        oqt__fail(err, st, "stationary state: %s", inner.text);
        goto done;
    }
    read_period(rho, p, n_period, x, t);
    if (stats)
        *stats = (oqt_steady_stats){p->bonds, record.n_applied * p->n, record.residual, record.error};
done:
    oqt__free(x);
    oqt__free(t);
    return st;
}

oqt_status oqt_steady_state(oqt_complex *rho, oqt_steady_stats *stats, size_t n_pt, const oqt_pt *const *pts,
                            size_t n_period, const oqt_system *const *systems,
                            const oqt_steady_options *given, oqt_error *err)
{
    static const oqt_steady_options defaults = OQT_STEADY_OPTIONS_INIT;
    oqt_steady_options full, *opt = &full;
    oqt__blas_guard guard = {false};
    period p = {.n_applied = 0};
    oqt_status st;

    if ((st = oqt__options_read(&full, given, &defaults, sizeof full, sizeof full, "steady-state", err)) !=
            OQT_OK ||
        (st = check_arguments(n_pt, pts, n_period, systems, opt, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    if ((st = period_init(&p, n_pt, pts, n_period, systems, opt, err)) == OQT_OK)
        st = find(rho, stats, &p, n_period, opt, err);
    oqt__blas_leave(&guard);
    period_release(&p);
    return st;
}
