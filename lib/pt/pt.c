/* pt.c - the process-tensor object: coupling, accessors, the closed form, and the choice of a builder. */
#include "pt/growth.h"
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "liouville/hermitian.h"

/* Probability that a path stays on its leg, as the metric wants it: too low leaves coherent errors, too high
 * spends bonds on paths that nobody takes. */
static const double LAM_MIN = 0.8, LAM_MAX = 0.98, LAM_LIMIT = 1.0 - 1e-6;

/* What the rate of paths is to that of the system, and where coherences die fast at most. */
static const double SLOWER = 0.5, FASTEST = 2.0;

static const double ACCURACY_MIN = 1e-8;

/* First tolerance for an accuracy, in units of it. */
static const double FIRST_SHARE = 0.03;

/* How much faster paths become where states are too many, and how often. */
static const double FASTER = 2.5;

enum {
    PATH_STEPS_DEFAULT = 128,
    MAX_BOND_DEFAULT = 640,
    MAX_BUILDS = 10,
    MAX_FASTER = 3,
    FINITE_STEPS_MAX = 256 /* of a run for which the finite builder is tried where the uniform one fails */
};

void oqt_pt_destroy(oqt_pt *pt)
{
    if (!pt)
        return;
    oqt__free(pt->o);
    oqt__free(pt->u);
    oqt__legs_release(&pt->legs);
    oqt__free(pt->bond);
    oqt__free(pt->offset);
    if (pt->map.data)
        oqt__unmap_file(&pt->map);
    else
        oqt__free(pt->f);
    oqt__free(pt->slope);
    oqt__free(pt->tail_c);
    oqt__free(pt->tail_b);
    oqt__free(pt->tail_power);
    oqt__free(pt);
}

static oqt_status diagonalize(oqt_pt *pt, const oqt_complex *coupling, oqt_error *err)
{
    size_t d = pt->d;

    pt->o = oqt__doubles(d);
    pt->u = oqt__calloc(d * d, sizeof *pt->u);
    if (!pt->o || !pt->u)
        return oqt__no_memory(err, "a coupling operator");
    pt->rotated = !oqt__is_diagonal(coupling, d);
    if (pt->rotated)
        return oqt__eigh_complex(pt->o, pt->u, coupling, d, err);
    for (size_t i = 0; i < d; i++) {
        pt->o[i] = coupling[i * d + i].re;
        pt->u[i * d + i].re = 1.0;
    }
    return OQT_OK;
}

oqt_status oqt__pt_alloc(oqt_pt **out, size_t d, const oqt_complex *coupling, double dt, oqt_error *err)
{
    oqt_pt *pt = oqt__calloc(1, sizeof *pt);
    oqt_status st;

    if (!pt)
        return oqt__no_memory(err, "a process tensor");
    pt->d = d;
    pt->dt = dt;
    if ((st = diagonalize(pt, coupling, err)) != OQT_OK ||
        (st = oqt__legs_create(&pt->legs, pt->o, d, err)) != OQT_OK) {
        oqt_pt_destroy(pt);
        return st;
    }
    pt->info.dimension = d;
    pt->info.dt = dt;
    pt->info.n_steps = SIZE_MAX;
    *out = pt;
    return OQT_OK;
}

oqt_status oqt__pt_set_unit(oqt_pt *pt, oqt_error *err)
{
    pt->f = oqt__doubles(2 * pt->legs.n_class);
    if (!pt->f)
        return oqt__no_memory(err, "the process tensor");
    for (size_t k = 0; k < pt->legs.n_class; k++)
        pt->f[2 * k] = 1.0;
    pt->chi = 1;
    pt->info.bond_dimension = 1;
    return OQT_OK;
}

oqt_status oqt__pt_lay_out(oqt_pt *pt, const size_t *bond, oqt_error *err)
{
    size_t n = pt->info.n_steps, *offset = oqt__calloc(n + 1, sizeof *offset);
    size_t *bonds = oqt__copy(bond, n + 1, sizeof *bonds), largest = 1;
    bool ok = offset && bonds;

    for (size_t k = 0; ok && k < n; k++) {
        size_t len = oqt__pt_blocks(pt);

        ok = oqt__mul_size(&len, len, bond[k]) && oqt__mul_size(&len, len, bond[k + 1]) &&
             len <= SIZE_MAX - offset[k];
        offset[k + 1] = ok ? offset[k] + len : 0;
        largest = bond[k + 1] > largest ? bond[k + 1] : largest;
    }
    if (!ok) {
        oqt__free(offset);
        oqt__free(bonds);
        return oqt__no_memory(err, "the process tensor");
    }
    pt->bond = bonds;
    pt->offset = offset;
    pt->chi = pt->info.bond_dimension = largest;
    return OQT_OK;
}

oqt_status oqt__pt_set_bonds(oqt_pt *pt, const size_t *bond, oqt_error *err)
{
    oqt_status st = oqt__pt_lay_out(pt, bond, err);

    if (st != OQT_OK)
        return st;
    pt->f = oqt__doubles(pt->offset[pt->info.n_steps]);
    return pt->f ? OQT_OK : oqt__no_memory(err, "the process tensor");
}

/* ---- what a tensor is ---- */

void oqt_pt_get_info(oqt_pt_info *out, const oqt_pt *pt)
{
    *out = pt->info;
}

void oqt_pt_eigenbasis(double *values, oqt_complex *vectors, const oqt_pt *pt)
{
    if (values)
        memcpy(values, pt->o, pt->d * sizeof *values);
    if (vectors)
        memcpy(vectors, pt->u, pt->d * pt->d * sizeof *vectors);
}

static oqt_status check_step(const oqt_pt *pt, uint64_t step, oqt_error *err)
{
    if (pt->info.n_steps != SIZE_MAX && step >= pt->info.n_steps)
        return oqt__fail(err, OQT_EINVAL, "process tensor covers %zu steps, step %llu asked for",
                         pt->info.n_steps, (unsigned long long)step);
    return OQT_OK;
}

oqt_status oqt_pt_bonds(size_t *left, size_t *right, const oqt_pt *pt, uint64_t step, oqt_error *err)
{
    oqt_status st = check_step(pt, step, err);

    if (st != OQT_OK)
        return st;
    oqt__slot slot = oqt__pt_slot(pt, step);

    *left = slot.left;
    *right = slot.right;
    return OQT_OK;
}

oqt_status oqt_pt_leg(oqt_complex *out, const oqt_pt *pt, uint64_t step, size_t leg, oqt_error *err)
{
    oqt_status st = check_step(pt, step, err);

    if (st != OQT_OK)
        return st;
    if (pt->info.general_legs)
        return oqt__fail(err, OQT_EINVAL, "legs of this process tensor are not diagonal");
    if (leg >= pt->d * pt->d)
        return oqt__fail(err, OQT_EINVAL, "leg must be below %zu, got %zu", pt->d * pt->d, leg);
    oqt__slot slot = oqt__pt_slot(pt, step);
    const double *re = oqt__slot_real(&slot, pt->legs.cls[leg]),
                 *im = oqt__slot_imag(&slot, pt->legs.cls[leg]);

    for (size_t i = 0; i < slot.left * slot.right; i++)
        out[i] = (oqt_complex){re[i], pt->legs.sign[leg] * im[i]};
    return OQT_OK;
}

/* One element of the bonds of general legs: from the real form to complex matrices. */
static void general_element(oqt_complex *out, oqt_complex *super, double *real, const double *f, size_t d,
                            size_t stride)
{
    size_t d2 = d * d;

    for (size_t from = 0; from < d2; from++)
        for (size_t to = 0; to < d2; to++)
            real[to * d2 + from] = f[(from * d2 + to) * stride];
    oqt__herm_superop_to_complex(super, real, d);
    for (size_t from = 0; from < d2; from++)
        for (size_t to = 0; to < d2; to++)
            out[from * d2 + to] = super[to * d2 + from];
}

oqt_status oqt_pt_tensor(oqt_complex *out, const oqt_pt *pt, uint64_t step, oqt_error *err)
{
    size_t d2 = pt->d * pt->d, d4 = d2 * d2;
    oqt_complex *super = NULL;
    double *real = NULL;
    oqt_status st = check_step(pt, step, err);

    if (st != OQT_OK)
        return st;
    oqt__slot slot = oqt__pt_slot(pt, step);
    size_t len = slot.left * slot.right;

    if (!pt->info.general_legs) {
        memset(out, 0, len * d4 * sizeof *out);
        for (size_t b = 0; b < len; b++)
            for (size_t a = 0; a < d2; a++)
                out[b * d4 + a * (d2 + 1)] =
                    (oqt_complex){oqt__slot_real(&slot, pt->legs.cls[a])[b],
                                  pt->legs.sign[a] * oqt__slot_imag(&slot, pt->legs.cls[a])[b]};
        return OQT_OK;
    }
    super = oqt__calloc(d4, sizeof *super);
    real = oqt__doubles(d4);
    if (super && real)
        for (size_t b = 0; b < len; b++)
            general_element(out + b * d4, super, real, slot.f + b, pt->d, len);
    else
        st = oqt__no_memory(err, "a tensor");
    oqt__free(super);
    oqt__free(real);
    return st;
}

bool oqt__pt_has_factors(const oqt_pt *pt)
{
    return pt->n_slope > 0;
}

void oqt__pt_fill_powers(double *power, size_t n)
{
    size_t nn = n * n;

    for (size_t p = 1; p < OQT__POWERS; p++)
        oqt__gemm(false, false, n, n, n, 1.0, power + (p - 1) * nn, n, power + (p - 1) * nn, n, 0.0,
                  power + p * nn, n);
}

void oqt__pt_apply_power(double *x, double *y, const double *power, size_t m, size_t cols, uint64_t n)
{
    if (n >> OQT__POWERS) {
        memset(x, 0, m * cols * sizeof *x);
        return;
    }
    for (size_t p = 0; n >> p; p++)
        if ((n >> p) & 1) {
            oqt__gemm(false, false, m, cols, m, 1.0, power + p * m * m, m, x, cols, 0.0, y, cols);
            memcpy(x, y, m * cols * sizeof *x);
        }
}

/* Steps between which the tail is moved on by A; at multiples of it, it comes from powers. */
enum { TAIL_ROW = 128 };

/* x = A^n tail_b; y is scratch of n_tail. */
static void tail_start(double *x, double *y, const oqt_pt *pt, uint64_t n)
{
    memcpy(x, pt->tail_b, pt->n_tail * sizeof *x);
    oqt__pt_apply_power(x, y, pt->tail_power, pt->n_tail, 1, n - n % TAIL_ROW);
    for (uint64_t i = 0; i < n % TAIL_ROW; i++)
        oqt__pt_apply_power(x, y, pt->tail_power, pt->n_tail, 1, 1);
}

/* tail_c x. */
static double tail(const oqt_pt *pt, const double *x)
{
    double sum = 0.0;

    for (size_t i = 0; i < pt->n_tail; i++)
        sum += pt->tail_c[i] * x[i];
    return sum;
}

/* Factors of the legs for one value of the sum of eta. */
static void leg_factors(oqt_complex *out, const oqt_pt *pt, oqt_complex slope)
{
    const oqt__legs *legs = &pt->legs;
    bool whole = pt->info.method == OQT_PT_DEPHASING;

    for (size_t i = 0; i < pt->d; i++)
        for (size_t j = i; j < pt->d; j++) {
            size_t a = i * pt->d + j, cls = legs->cls[a];
            double om = legs->sign[a] * legs->om[cls];
            double size = whole ? exp(-om * om * slope.re) : 1.0;
            double angle = -om * slope.im * (2.0 * legs->shift + (whole ? legs->sp[cls] : 0.0));

            out[a] = (oqt_complex){size * cos(angle), size * sin(angle)};
            out[j * pt->d + i] = oqt__conj(out[a]);
        }
}

void oqt__pt_factors(oqt_complex *out, size_t ld, const oqt_pt *pt, uint64_t step, size_t n, double *scratch)
{
    size_t last = pt->n_slope - 1, m = pt->n_tail;
    double *x = scratch, *y = scratch + m, *z = scratch + 2 * m, base = 0.0;
    bool in_tail = false;

    for (size_t k = 0; k < n; k++, step++) {
        oqt_complex slope = {0.0, 0.0};

        if (pt->n_slope > 0)
            slope = pt->slope[step < last ? step : last];
        if (pt->n_slope > 0 && step > last && m > 0) {
            if (!in_tail) {
                tail_start(z, y, pt, last);
                base = tail(pt, z);
            }
            if (!in_tail || step % TAIL_ROW == 0)
                tail_start(x, y, pt, step);
            else
                oqt__pt_apply_power(x, y, pt->tail_power, m, 1, 1);
            in_tail = true;
            slope.im += tail(pt, x) - base;
        }
        leg_factors(out + k * ld, pt, slope);
    }
}

oqt_status oqt_pt_leg_factors(oqt_complex *out, const oqt_pt *pt, uint64_t step, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    double *scratch;
    oqt_status st = check_step(pt, step, err);

    if (st != OQT_OK)
        return st;
    scratch = oqt__doubles(3 * pt->n_tail);
    if (!scratch)
        return oqt__no_memory(err, "leg factors");
    oqt__blas_enter(&guard);
    oqt__pt_factors(out, pt->d * pt->d, pt, step, 1, scratch);
    oqt__blas_leave(&guard);
    oqt__free(scratch);
    return OQT_OK;
}

/* ---- builders ---- */

/*
 * Systems that commute with the coupling stay on one leg, whose influence up to slot n is
 * exp(-om [om Re eta(t) + i (sp + 2 c) Im eta(t)]) at t = (n + 1) dt: a bond of one with a scalar for each
 * step, the exponential of minus the increment of eta(t).
 */
static oqt_status build_dephasing(oqt_pt *pt, const oqt_bath *bath, size_t n_steps, int n_threads,
                                  oqt_error *err)
{
    double *t = oqt__doubles(n_steps);
    oqt_status st = oqt__pt_set_unit(pt, err);

    if (st != OQT_OK)
        goto done;
    pt->slope = oqt__calloc(n_steps, sizeof *pt->slope);
    if (!t || !pt->slope) {
        st = oqt__no_memory(err, "the closed form");
        goto done;
    }
    for (size_t n = 0; n < n_steps; n++)
        t[n] = (double)(n + 1) * pt->dt;
    if ((st = oqt_bath_eta_function(pt->slope, bath, n_steps, t, n_threads, err)) != OQT_OK)
        goto done;
    for (size_t n = n_steps - 1; n > 0; n--) {
        pt->slope[n].re -= pt->slope[n - 1].re;
        pt->slope[n].im -= pt->slope[n - 1].im;
    }
    pt->n_slope = n_steps;
    pt->info.n_steps = n_steps;
    pt->info.path_steps = n_steps;
done:
    oqt__free(t);
    return st;
}

static oqt_status check_step_and_dimension(size_t d, double dt, oqt_error *err)
{
    if (d < 1 || d > 256)
        return oqt__fail(err, OQT_EINVAL, "dimension must be 1 to 256, got %zu", d);
    if (!(dt > 0.0) || !isfinite(dt))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", dt);
    return OQT_OK;
}

static oqt_status check_arguments(const oqt_bath *bath, size_t d, const oqt_complex *coupling, double dt,
                                  const oqt_pt_options *opt, oqt_error *err)
{
    oqt_status st;

    if (!bath || !coupling)
        return oqt__fail(err, OQT_EINVAL, "bath and coupling must be given");
    if ((st = check_step_and_dimension(d, dt, err)) != OQT_OK)
        return st;
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(coupling[i].re) || !isfinite(coupling[i].im))
            return oqt__fail(err, OQT_EINVAL, "coupling element (%zu,%zu) is not finite", i / d, i % d);
    if (!(oqt__hermiticity_defect(coupling, d) <= 1e-10))
        return oqt__fail(err, OQT_EINVAL, "coupling is not Hermitian: relative defect %.2g",
                         oqt__hermiticity_defect(coupling, d));
    if (opt->method != OQT_PT_AUTO && opt->method != OQT_PT_UNIFORM && opt->method != OQT_PT_DEPHASING &&
        opt->method != OQT_PT_TEMPO)
        return oqt__fail(err, OQT_EINVAL, "unknown method %d", (int)opt->method);
    if (opt->n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", opt->n_threads);
    if (opt->accuracy != 0.0 && (!(opt->accuracy >= ACCURACY_MIN) || !(opt->accuracy < 1.0)))
        return oqt__fail(err, OQT_EINVAL, "accuracy must be at least %g and below 1, got %g", ACCURACY_MIN,
                         opt->accuracy);
    if (!(opt->tolerance >= OQT__TOLERANCE_MIN) || !(opt->tolerance < 1.0))
        return oqt__fail(err, OQT_EINVAL, "tolerance must be at least %g and below 1, got %g",
                         OQT__TOLERANCE_MIN, opt->tolerance);
    if (!(opt->path_rate >= 0.0) || !isfinite(opt->path_rate))
        return oqt__fail(err, OQT_EINVAL, "path rate must be finite and not negative, got %g",
                         opt->path_rate);
    if (opt->system && oqt_system_dimension(opt->system) != d)
        return oqt__fail(err, OQT_EINVAL, "system has dimension %zu, coupling %zu",
                         oqt_system_dimension(opt->system), d);
    if (!isfinite(opt->start_time))
        return oqt__fail(err, OQT_EINVAL, "start time must be finite, got %g", opt->start_time);
    if (opt->system && !oqt_system_is_constant(opt->system) && opt->n_steps == 0)
        return oqt__fail(err, OQT_EINVAL,
                         "the number of steps is needed for the rates of a system that is not constant");
    if (opt->method == OQT_PT_DEPHASING && opt->n_steps == 0)
        return oqt__fail(err, OQT_EINVAL, "the closed form needs the number of steps");
    if (opt->method == OQT_PT_TEMPO && opt->n_steps == 0)
        return oqt__fail(err, OQT_EINVAL, "a finite process tensor needs the number of steps");
    if (!(opt->added_correlation_time >= 0.0))
        return oqt__fail(err, OQT_EINVAL, "added correlation time must not be negative, got %g",
                         opt->added_correlation_time);
    if (opt->method != OQT_PT_TEMPO && (opt->memory_steps > 0 || opt->added_correlation_time > 0.0))
        return oqt__fail(err, OQT_EINVAL, "only a finite process tensor can have its memory cut");
    if (opt->memory_steps == 0 && opt->added_correlation_time > 0.0)
        return oqt__fail(err, OQT_EINVAL, "added correlation time needs a cut of the memory");
    return OQT_OK;
}

static double clamp(double x, double low, double high)
{
    return fmin(fmax(x, low), high);
}

/* Long runs of slow systems see errors that are coherent over more than the usual stays. */
static double highest_lam(size_t n_steps)
{
    return n_steps > 0 ? clamp(exp(-8.0 / (double)n_steps), LAM_MAX, LAM_LIMIT) : LAM_MAX;
}

/* Parameters by rule, where the user gave none. leg_rate is that of the system, if there is one. */
static oqt__uniform_params choose_params(const oqt_pt_options *opt, double dt, double leg_rate)
{
    double tol = opt->tolerance;
    oqt__uniform_params par = {.tolerance = tol,
                               .lam = OQT__LAM_DEFAULT,
                               .path_lam = 0.0,
                               .n_iter = tol > 1.1e-6   ? 2
                                         : tol > 1.1e-8 ? 4
                                                        : 8,
                               .n_squarings = tol > 1.1e-5 ? 4
                                              : tol > 7e-7 ? 5
                                                           : 6,
                               .presel = tol > 0.9e-4 ? 0.5 : 0.3,
                               .max_bond = opt->max_bond == 0                ? MAX_BOND_DEFAULT
                                           : opt->max_bond > OQT__BOND_LIMIT ? OQT__BOND_LIMIT
                                                                             : opt->max_bond,
                               .n_steps = opt->n_steps,
                               .n_threads = opt->n_threads,
                               .progress = opt->progress};

    /* Half the spectral width, or half the rate at which this system leaves its legs, where that is faster:
     * errors that are coherent over some stays are those that last, unless coherences die faster than the
     * system turns. Paths are not slower than the run is
     * long; those of a system that never leaves its legs are as slow as they may be. The test takes paths
     * that are slower by as much than those of the system itself. */
    if (opt->path_rate > 0.0) {
        par.lam = fmin(exp(-opt->path_rate * dt), LAM_LIMIT);
        par.path_lam = exp(-opt->path_rate * dt);
    }
    if (opt->system) {
        double turn = fmax(leg_rate, oqt_system_spectral_width(opt->system)) * dt, rate = SLOWER * turn;

        if (opt->n_steps > 0)
            rate = fmax(rate, 1.0 / (double)opt->n_steps);
        if (opt->path_rate == 0.0)
            par.lam = clamp(leg_rate > 0.0 ? exp(-rate) : 1.0, LAM_MIN, highest_lam(opt->n_steps));
        if (opt->path_rate == 0.0 && leg_rate > 0.0)
            par.lam_min = fmax(exp(-FASTEST * turn), LAM_MIN);
        par.path_lam = exp(-SLOWER * leg_rate * dt);
    }
    par.path_steps = opt->n_steps == 0                    ? PATH_STEPS_DEFAULT
                     : opt->n_steps > OQT__PATH_STEPS_MAX ? OQT__PATH_STEPS_MAX
                                                          : opt->n_steps;
    return par;
}

/* ---- accuracy ---- */

/* Errors of trajectories feel so many fit errors. */
static const double FIT_SHARE = 60.0;

/* From the error of paths: all of the run, or path_steps long. */
static double estimate_error(const oqt_pt *pt, size_t n_steps, double path_error, bool all)
{
    double error = OQT__PATH_ERRORS * path_error, longer = (double)n_steps / (double)pt->info.path_steps;

    /* what grew from half the paths to the whole goes on growing by the same power */
    if (longer > 1.0 && !all)
        error *= pow(longer, log2(fmax(pt->path_growth, 1.0)));
    return error < 1.0 ? fmin(fmax(error, FIT_SHARE * pt->info.fit_error), 1.0) : 1.0; /* also for a NaN */
}

/* A fresh tensor by the uniform builder at one tolerance. */
static oqt_status create_uniform(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling,
                                 double dt, const oqt_pt_options *opt, double leg_rate, oqt_error *err)
{
    oqt__uniform_params par = choose_params(opt, dt, leg_rate);
    double long_error = 0.0;
    oqt_pt *pt = NULL;
    oqt_status st = oqt__pt_alloc(&pt, d, coupling, dt, err);

    if (st != OQT_OK)
        return st;
    pt->info.method = OQT_PT_UNIFORM;
    pt->info.tolerance = par.tolerance;
    st = oqt__pt_build_uniform(pt, bath, &par, err);
    if (st == OQT_OK && pt->info.path_steps > 0 && opt->n_steps > pt->info.path_steps)
        st = oqt__path_test_long(&long_error, pt, bath, opt->n_steps, par.path_lam, opt->n_threads, err);
    if (st == OQT_OK && pt->info.path_steps > 0 && opt->system)
        st = oqt__growth_error(&pt->growth_error, pt, opt->system,
                               opt->n_steps > 0 ? opt->n_steps : pt->info.path_steps, err);
    if (st != OQT_OK) {
        oqt_pt_destroy(pt);
        return st;
    }
    if (pt->info.path_steps > 0) /* else nothing acts */
        pt->info.error_estimate =
            fmax(estimate_error(pt, opt->n_steps,
                                long_error <= pt->info.path_error ? pt->info.path_error : long_error,
                                long_error != 0.0),
                 pt->growth_error);
    pt->info.n_builds = 1;
    *out = pt;
    return OQT_OK;
}

static oqt_status create_finite(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling,
                                double dt, const oqt_pt_options *opt, double leg_rate, oqt_error *err)
{
    oqt__uniform_params par = choose_params(opt, dt, leg_rate);
    oqt__finite_params finite = {.tolerance = par.tolerance,
                                 .n_steps = opt->n_steps,
                                 .memory_steps = opt->memory_steps,
                                 .added_correlation_time = opt->added_correlation_time,
                                 .max_bond = par.max_bond,
                                 .lam = par.lam,
                                 .path_lam = par.path_lam,
                                 .path_steps = par.path_steps,
                                 .n_threads = par.n_threads,
                                 .progress = par.progress};
    oqt_pt *pt = NULL;
    oqt_status st = oqt__pt_alloc(&pt, d, coupling, dt, err);

    if (st != OQT_OK)
        return st;
    pt->info.method = OQT_PT_TEMPO;
    pt->info.tolerance = par.tolerance;
    if ((st = oqt__pt_build_finite(pt, bath, &finite, err)) != OQT_OK) {
        oqt_pt_destroy(pt);
        return st;
    }
    pt->info.error_estimate =
        estimate_error(pt, opt->n_steps, pt->info.path_error + pt->info.cutoff_error, false);
    pt->info.n_builds = 1;
    *out = pt;
    return OQT_OK;
}

/* A tensor of the method asked for, at the tolerance given. */
static oqt_status create_tensor(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling,
                                double dt, const oqt_pt_options *opt, double leg_rate, oqt_error *err)
{
    if (opt->method == OQT_PT_TEMPO)
        return create_finite(out, bath, d, coupling, dt, opt, leg_rate, err);
    return create_uniform(out, bath, d, coupling, dt, opt, leg_rate, err);
}

/* The tolerance that should just give the accuracy: errors are about proportional to it, and a tolerance ten
 * times finer costs ten times as much. */
static double next_tolerance(double tol, double estimate, double accuracy)
{
    return fmax(tol * clamp(0.8 * accuracy / estimate, 1e-2, 0.5), OQT__TOLERANCE_MIN);
}

static oqt_status not_reached(const oqt_pt_info *info, double accuracy, oqt_error *err)
{
    return oqt__fail(err, OQT_ECONV,
                     "accuracy %.1e not reached: estimated error %.1e at tolerance %.1e and bond %zu%s",
                     accuracy, info->error_estimate, info->tolerance, info->bond_dimension,
                     info->state_limit_hit ? ", cut by max_bond" : "");
}

/*
 * Build at finer and finer tolerances until the estimate meets the accuracy. A tensor that max_bond cuts is
 * built again with a metric of faster paths, which needs fewer states for slow noise; the path test stays
 * with the paths of the system.
 */
static oqt_status create_accurate(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling,
                                  double dt, const oqt_pt_options *opt, double leg_rate, oqt_error *err)
{
    oqt_pt_options next = *opt;
    int faster = 0;

    next.tolerance = fmax(FIRST_SHARE * opt->accuracy, OQT__TOLERANCE_MIN);
    for (size_t n = 1;; n++) {
        bool last = n == MAX_BUILDS || next.tolerance <= OQT__TOLERANCE_MIN;
        oqt_pt_info info = {.error_estimate = 10.0 * opt->accuracy}; /* of a useless tensor */
        double lacking = info.error_estimate;
        oqt_pt *pt = NULL;
        oqt_status st = create_tensor(&pt, bath, d, coupling, dt, &next, leg_rate, err);

        if (st != OQT_OK && (st != OQT_ECONV || last))
            return st;
        if (st == OQT_OK) {
            pt->info.accuracy = opt->accuracy;
            pt->info.n_builds = n;
            info = pt->info;
            if (info.error_estimate <= opt->accuracy) {
                *out = pt;
                return OQT_OK;
            }
            /* growth says nothing about the tolerance: the next one may be free of it */
            lacking = pt->growth_error < info.error_estimate ? info.error_estimate : 2.0 * opt->accuracy;
            oqt_pt_destroy(pt);
        }
        if (last || (info.state_limit_hit && (!opt->system || faster == MAX_FASTER)))
            return not_reached(&info, opt->accuracy, err);
        if (info.state_limit_hit) {
            next.path_rate = FASTER * info.path_rate;
            faster++;
        } else {
            next.tolerance = next_tolerance(next.tolerance, lacking, opt->accuracy);
        }
    }
}

/* Where the uniform builder ends without success, in a bond that is cut or a memory that does not fit, a
 * short enough run may still be within reach of the finite one. */
static oqt_status create_accurate_or_finite(oqt_pt **out, const oqt_bath *bath, size_t d,
                                            const oqt_complex *coupling, double dt, const oqt_pt_options *opt,
                                            double leg_rate, oqt_error *err)
{
    oqt_pt_options finite = *opt;
    oqt_error second;
    oqt_status st = create_accurate(out, bath, d, coupling, dt, opt, leg_rate, err);

    if (st != OQT_ECONV || opt->method != OQT_PT_AUTO || opt->n_steps == 0 || opt->n_steps > FINITE_STEPS_MAX)
        return st;
    finite.method = OQT_PT_TEMPO;
    st = create_accurate(out, bath, d, coupling, dt, &finite, leg_rate, &second);
    if (st == OQT_OK || st == OQT_ECONV)
        return st; /* with the message of the first attempt */
    return oqt__fail(err, st, "%s", second.text);
}

oqt_status oqt_pt_create(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling, double dt,
                         const oqt_pt_options *given, oqt_error *err)
{
    oqt_pt_options full, *opt = &full;
    oqt_pt_method method;
    oqt_pt *pt = NULL;
    oqt_system *mean = NULL;
    double leg_rate = 0.0;
    oqt_status st;

    if ((st = oqt__pt_options(&full, given, err)) != OQT_OK ||
        (st = check_arguments(bath, d, coupling, dt, opt, err)) != OQT_OK ||
        (st = oqt__pt_alloc(&pt, d, coupling, dt, err)) != OQT_OK)
        return st;
    if (opt->system && !oqt_system_is_constant(opt->system)) {
        st = oqt__system_mean(&mean, &leg_rate, opt->system, pt->o, pt->u, opt->start_time,
                              (double)opt->n_steps * dt, err);
        opt->system = mean;
    } else if (opt->system) {
        st = oqt__system_leg_rate(&leg_rate, opt->system, pt->o, pt->u, err);
    }
    if (st != OQT_OK)
        goto done;
    method = opt->method;
    if (method == OQT_PT_AUTO)
        method = opt->system && opt->n_steps > 0 && leg_rate == 0.0 ? OQT_PT_DEPHASING : OQT_PT_UNIFORM;
    if (method == OQT_PT_DEPHASING) {
        pt->info.method = method;
        pt->info.accuracy = opt->accuracy;
        pt->info.n_builds = 1;
        if ((st = build_dephasing(pt, bath, opt->n_steps, opt->n_threads, err)) == OQT_OK) {
            *out = pt;
            pt = NULL;
        }
    } else if (opt->accuracy > 0.0) {
        st = create_accurate_or_finite(out, bath, d, coupling, dt, opt, leg_rate, err);
    } else {
        st = create_tensor(out, bath, d, coupling, dt, opt, leg_rate, err);
    }
done:
    oqt_system_destroy(mean);
    oqt_pt_destroy(pt);
    return st;
}

oqt_status oqt_pt_create_trivial(oqt_pt **out, size_t d, double dt, oqt_error *err)
{
    oqt_complex *nothing;
    oqt_pt *pt = NULL;
    oqt_status st = check_step_and_dimension(d, dt, err);

    if (st != OQT_OK)
        return st;
    nothing = oqt__calloc(d * d, sizeof *nothing);
    if (!nothing)
        return oqt__no_memory(err, "a coupling operator");
    if ((st = oqt__pt_alloc(&pt, d, nothing, dt, err)) == OQT_OK) {
        pt->info.method = OQT_PT_UNIFORM;
        if ((st = oqt__pt_set_unit(pt, err)) == OQT_OK)
            *out = pt;
        else
            oqt_pt_destroy(pt);
    }
    oqt__free(nothing);
    return st;
}
