/*
 * dynamics.c - batch propagation under process tensors.
 *
 * The state is x[coordinate][bond_1]..[bond_E][column], coordinates being those of the Hermitian basis in the
 * eigenbasis of the coupling that acted last. A step turns it by W = R_next U1 U2 R_last^T (d^2 x d^2 for
 * each distinct system) and applies the tensors; the state in the system basis is taken from row 0 of the
 * bonds only, where the closing vectors e_0 pick it.
 */
#include <oqtempo/dynamics.h>

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "liouville/hermitian.h"
#include "pt/pt_priv.h"

struct oqt_dynamics {
    size_t d, n_pt, n; /* n: columns of the user                              */
    size_t n_col;      /* real columns: two for a matrix that is not Hermitian */
    size_t bonds;      /* product of the bonds                                */
    oqt_split split;
    int n_threads;
    oqt_progress progress;
    const oqt_pt **pt; /* n_pt, borrowed                                      */
    double **rotation; /* n_pt: d^2 x d^2, or NULL for the identity           */
    size_t *first;     /* n: first real column                                */
    size_t *which;     /* n_col: distinct system of a real column             */
    size_t n_system;
    double *half;        /* n_system x d^2 x d^2: half-step propagators         */
    double *x, *y;       /* d^2 x bonds x n_col                                 */
    double *turn;        /* n_system x d^2 x d^2: scratch for W                 */
    double *exit;        /* n_system x d^2 x d^2: from x to the system basis    */
    double *small;       /* 2 x d^4: scratch                                    */
    oqt_complex *factor; /* d^2                                                 */
    double *factor_scratch;
    double *rho;    /* n_col x d^2: current state, Hermitian coordinates   */
    double *trace0; /* n_col                                               */
    oqt_dynamics_stats stats;
};

void oqt_dynamics_destroy(oqt_dynamics *dyn)
{
    if (!dyn)
        return;
    for (size_t e = 0; dyn->rotation && e < dyn->n_pt; e++)
        oqt__free(dyn->rotation[e]);
    oqt__free(dyn->rotation);
    oqt__free(dyn->pt);
    oqt__free(dyn->first);
    oqt__free(dyn->which);
    oqt__free(dyn->half);
    oqt__free(dyn->x);
    oqt__free(dyn->y);
    oqt__free(dyn->turn);
    oqt__free(dyn->exit);
    oqt__free(dyn->small);
    oqt__free(dyn->factor);
    oqt__free(dyn->factor_scratch);
    oqt__free(dyn->rho);
    oqt__free(dyn->trace0);
    oqt__free(dyn);
}

/* ---- creation ---- */

/* Two couplings commute if the one, as a Hamiltonian, never leaves the legs of the other. */
static oqt_status coupling_leg_rate(double *rate, const oqt_pt *pt, const oqt_pt *other, oqt_error *err)
{
    size_t d = other->d;
    oqt_complex *coupling = oqt__calloc(d * d, sizeof *coupling);
    oqt_system *system = NULL;
    oqt_status st;

    if (!coupling)
        return oqt__no_memory(err, "a coupling operator");
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++) {
                oqt_complex z = oqt__mul(other->u[i * d + k], oqt__conj(other->u[j * d + k]));

                coupling[i * d + j].re += other->o[k] * z.re;
                coupling[i * d + j].im += other->o[k] * z.im;
            }
    if ((st = oqt_system_create(&system, d, coupling, err)) == OQT_OK)
        st = oqt__system_leg_rate(rate, system, pt->o, pt->u, err);
    oqt_system_destroy(system);
    oqt__free(coupling);
    return st;
}

/* A closed form holds only where paths never change legs. */
static oqt_status check_closed_form(const oqt_dynamics *dyn, size_t e, const oqt_system *const *systems,
                                    oqt_error *err)
{
    const oqt_pt *pt = dyn->pt[e];
    double leg_rate;
    oqt_status st;

    /* Distinct systems are numbered as they first come; each is looked at in its first column. */
    for (size_t i = 0, next = 0; i < dyn->n; i++) {
        if (dyn->which[dyn->first[i]] != next)
            continue;
        next++;
        if ((st = oqt__system_leg_rate(&leg_rate, systems[i], pt->o, pt->u, err)) != OQT_OK)
            return st;
        if (leg_rate > 0.0)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu is the closed form for commuting systems, but system %zu "
                             "does not commute with its coupling",
                             e, i);
    }
    for (size_t f = 0; f < dyn->n_pt; f++) {
        if ((st = coupling_leg_rate(&leg_rate, pt, dyn->pt[f], err)) != OQT_OK)
            return st;
        if (leg_rate > 0.0)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu is the closed form for commuting systems, but the coupling "
                             "of process tensor %zu does not commute with its own",
                             e, f);
    }
    return OQT_OK;
}

static oqt_status check_tensors(const oqt_dynamics *dyn, const oqt_system *const *systems, oqt_error *err)
{
    /* shapes first: couplings are compared below */
    for (size_t e = 0; e < dyn->n_pt; e++) {
        const oqt_pt *pt = dyn->pt[e];

        if (pt->d != dyn->d)
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu has dimension %zu, the system %zu", e,
                             pt->d, dyn->d);
        if (pt->dt != dyn->pt[0]->dt)
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu has time step %.17g, the first %.17g", e,
                             pt->dt, dyn->pt[0]->dt);
    }
    for (size_t e = 0; e < dyn->n_pt; e++) {
        oqt_status st =
            dyn->pt[e]->info.method == OQT_PT_DEPHASING ? check_closed_form(dyn, e, systems, err) : OQT_OK;

        if (st != OQT_OK)
            return st;
    }
    return OQT_OK;
}

static oqt_status check_arguments(size_t n_pt, const oqt_pt *const *pts, size_t n,
                                  const oqt_system *const *systems, const oqt_complex *initial,
                                  const oqt_dynamics_options *opt, oqt_error *err)
{
    if (n == 0 || !systems || !initial || (n_pt > 0 && !pts))
        return oqt__fail(err, OQT_EINVAL, "at least one system with an initial state must be given");
    if (opt->struct_size != sizeof *opt)
        return oqt__fail(err, OQT_EINVAL, "dynamics options of %zu bytes, expected %zu", opt->struct_size,
                         sizeof *opt);
    if (opt->split != OQT_SPLIT_SYMMETRIC && opt->split != OQT_SPLIT_LIST)
        return oqt__fail(err, OQT_EINVAL, "unknown order of process tensors %d", (int)opt->split);
    if (opt->n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", opt->n_threads);
    for (size_t i = 0; i < n; i++)
        if (!systems[i])
            return oqt__fail(err, OQT_EINVAL, "system %zu is missing", i);
    for (size_t e = 0; e < n_pt; e++)
        if (!pts[e])
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu is missing", e);
    if (!(opt->dt >= 0.0) || !isfinite(opt->dt) || (n_pt == 0 && opt->dt == 0.0))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", opt->dt);
    if (n_pt > 0 && opt->dt != 0.0 && opt->dt != pts[0]->dt)
        return oqt__fail(err, OQT_EINVAL, "time step %.17g differs from that of the process tensors, %.17g",
                         opt->dt, pts[0]->dt);
    size_t d = oqt_system_dimension(systems[0]);

    for (size_t i = 0; i < n; i++)
        if (oqt_system_dimension(systems[i]) != d)
            return oqt__fail(err, OQT_EINVAL, "system %zu has dimension %zu, the first %zu", i,
                             oqt_system_dimension(systems[i]), d);
    for (size_t i = 0; i < n * d * d; i++)
        if (!isfinite(initial[i].re) || !isfinite(initial[i].im))
            return oqt__fail(err, OQT_EINVAL, "initial state %zu has an element that is not finite",
                             i / (d * d));
    return OQT_OK;
}

/* Which columns are real pairs, and which systems are the same. */
static oqt_status lay_out_columns(oqt_dynamics *dyn, const oqt_system *const *systems,
                                  const oqt_complex *initial, const oqt_system **distinct, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d;

    dyn->first = oqt__calloc(dyn->n, sizeof *dyn->first);
    dyn->which = oqt__calloc(2 * dyn->n, sizeof *dyn->which);
    if (!dyn->first || !dyn->which)
        return oqt__no_memory(err, "the columns of a batch");
    for (size_t i = 0; i < dyn->n; i++) {
        bool hermitian = oqt__hermiticity_defect(initial + i * d2, dyn->d) <= 1e-14;
        size_t s = 0;

        /* Callers repeat pointers in runs, so the last system is the best guess. */
        if (dyn->n_system > 0 && distinct[dyn->n_system - 1] == systems[i])
            s = dyn->n_system - 1;
        while (s < dyn->n_system && distinct[s] != systems[i])
            s++;
        if (s == dyn->n_system)
            distinct[dyn->n_system++] = systems[i];
        dyn->first[i] = dyn->n_col;
        dyn->which[dyn->n_col++] = s;
        if (!hermitian)
            dyn->which[dyn->n_col++] = s;
    }
    return OQT_OK;
}

static size_t real_columns(const oqt_dynamics *dyn, size_t i)
{
    return (i + 1 < dyn->n ? dyn->first[i + 1] : dyn->n_col) - dyn->first[i];
}

static oqt_status allocate(oqt_dynamics *dyn, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d, d4 = d2 * d2, n_x = d2, n_tail = 0;

    dyn->bonds = 1;
    for (size_t e = 0; e < dyn->n_pt; e++) {
        if (!oqt__mul_size(&dyn->bonds, dyn->bonds, dyn->pt[e]->chi))
            return oqt__fail(err, OQT_ERANGE, "product of the bonds is too large");
        if (dyn->pt[e]->n_tail > n_tail)
            n_tail = dyn->pt[e]->n_tail;
    }
    if (!oqt__mul_size(&n_x, n_x, dyn->bonds) || !oqt__mul_size(&n_x, n_x, dyn->n_col))
        return oqt__fail(err, OQT_ERANGE, "batch of %zu columns with bond %zu is too large", dyn->n,
                         dyn->bonds);
    oqt_status st = oqt__lapack_size(dyn->bonds * dyn->n_col, "a batch", err);

    if (st != OQT_OK)
        return st;
    dyn->x = oqt__doubles(n_x);
    dyn->y = oqt__doubles(n_x);
    dyn->half = oqt__doubles(dyn->n_system * d4);
    dyn->turn = oqt__doubles(dyn->n_system * d4);
    dyn->exit = oqt__doubles(dyn->n_system * d4);
    dyn->small = oqt__doubles(2 * d4);
    dyn->factor = oqt__calloc(d2, sizeof *dyn->factor);
    dyn->factor_scratch = oqt__doubles(2 * n_tail);
    dyn->rho = oqt__doubles(dyn->n_col * d2);
    dyn->trace0 = oqt__doubles(dyn->n_col);
    dyn->rotation = oqt__calloc(dyn->n_pt, sizeof *dyn->rotation);
    if (!dyn->x || !dyn->y || !dyn->half || !dyn->turn || !dyn->exit || !dyn->small || !dyn->factor ||
        !dyn->factor_scratch || !dyn->rho || !dyn->trace0 || !dyn->rotation)
        return oqt__no_memory(err, "a batch");
    for (size_t e = 0; e < dyn->n_pt; e++) {
        if (!dyn->pt[e]->rotated)
            continue;
        dyn->rotation[e] = oqt__doubles(d4);
        if (!dyn->rotation[e])
            return oqt__no_memory(err, "a batch");
        oqt__herm_rotation(dyn->rotation[e], dyn->pt[e]->u, dyn->d);
    }
    return OQT_OK;
}

static double trace_of(const double *rho, size_t d)
{
    double sum = 0.0;

    for (size_t i = 0; i < d; i++)
        sum += rho[i * d + i];
    return sum;
}

static void set_initial(oqt_dynamics *dyn, const oqt_complex *initial)
{
    size_t d2 = dyn->d * dyn->d;

    for (size_t i = 0; i < dyn->n; i++) {
        double *re = dyn->rho + dyn->first[i] * d2;

        oqt__herm_from_matrix(re, real_columns(dyn, i) == 2 ? re + d2 : NULL, initial + i * d2, dyn->d);
    }
    for (size_t b = 0; b < dyn->n_col; b++) {
        dyn->trace0[b] = trace_of(dyn->rho + b * d2, dyn->d);
        for (size_t a = 0; a < d2; a++)
            dyn->x[a * dyn->bonds * dyn->n_col + b] = dyn->rho[b * d2 + a];
    }
}

oqt_status oqt_dynamics_create(oqt_dynamics **out, size_t n_pt, const oqt_pt *const *pts, size_t n,
                               const oqt_system *const *systems, const oqt_complex *initial,
                               const oqt_dynamics_options *opt, oqt_error *err)
{
    static const oqt_dynamics_options defaults = OQT_DYNAMICS_OPTIONS_INIT;
    const oqt_system **distinct = NULL;
    oqt_dynamics *dyn = NULL;
    oqt_status st;

    if (!opt)
        opt = &defaults;
    if ((st = check_arguments(n_pt, pts, n, systems, initial, opt, err)) != OQT_OK)
        return st;
    dyn = oqt__calloc(1, sizeof *dyn);
    distinct = oqt__calloc(n, sizeof *distinct);
    if (!dyn || !distinct) {
        st = oqt__no_memory(err, "a batch");
        goto done;
    }
    dyn->d = oqt_system_dimension(systems[0]);
    dyn->n_pt = n_pt;
    dyn->n = n;
    dyn->split = opt->split;
    dyn->n_threads = opt->n_threads;
    dyn->progress = opt->progress;
    dyn->pt = n_pt > 0 ? oqt__copy(pts, n_pt, sizeof *pts) : NULL;
    if (n_pt > 0 && !dyn->pt) {
        st = oqt__no_memory(err, "a batch");
        goto done;
    }
    if ((st = lay_out_columns(dyn, systems, initial, distinct, err)) != OQT_OK ||
        (st = check_tensors(dyn, systems, err)) != OQT_OK || (st = allocate(dyn, err)) != OQT_OK)
        goto done;
    double dt = n_pt > 0 ? pts[0]->dt : opt->dt;
    size_t d4 = dyn->d * dyn->d * dyn->d * dyn->d;

    for (size_t s = 0; s < dyn->n_system; s++)
        if ((st = oqt__system_propagator(dyn->half + s * d4, distinct[s], 0.5 * dt, err)) != OQT_OK)
            goto done;
    set_initial(dyn, initial);
    dyn->stats.bond_dimension = dyn->bonds;
    *out = dyn;
    dyn = NULL;
done:
    oqt__free(distinct);
    oqt_dynamics_destroy(dyn);
    return st;
}

/* ---- one step ---- */

/* Position in the list of the i-th tensor to act in a step; without tensors it means nothing. */
static size_t nth_tensor(const oqt_dynamics *dyn, uint64_t step, size_t i)
{
    bool reverse = dyn->split == OQT_SPLIT_SYMMETRIC && step % 2 == 1;

    return reverse ? dyn->n_pt - 1 - i : i;
}

/* out = R_e m, or m where there is no rotation; out is not m. */
static void rotate_rows(const oqt_dynamics *dyn, size_t e, double *out, const double *m)
{
    size_t d2 = dyn->d * dyn->d;

    if (dyn->n_pt > 0 && dyn->rotation[e])
        oqt__gemm(false, false, d2, d2, d2, 1.0, dyn->rotation[e], d2, m, d2, 0.0, out, d2);
    else
        memcpy(out, m, d2 * d2 * sizeof *out);
}

/* out = m R_e^T; out is not m. */
static void rotate_columns(const oqt_dynamics *dyn, size_t e, double *out, const double *m)
{
    size_t d2 = dyn->d * dyn->d;

    if (dyn->n_pt > 0 && dyn->rotation[e])
        oqt__gemm(false, true, d2, d2, d2, 1.0, m, d2, dyn->rotation[e], d2, 0.0, out, d2);
    else
        memcpy(out, m, d2 * d2 * sizeof *out);
}

/* y = W x for every column with the W of its system, for rows [0, rows) of the bonds. */
static void turn_columns(const double *w, const oqt_dynamics *dyn, double *y, const double *x, size_t rows)
{
    size_t d2 = dyn->d * dyn->d, d4 = d2 * d2, n_col = dyn->n_col, block = dyn->bonds * n_col;

    if (dyn->n_system == 1) {
        oqt__gemm(false, false, d2, rows * n_col, d2, 1.0, w, d2, x, block, 0.0, y, block);
        return;
    }
    for (size_t a = 0; a < d2; a++)
        memset(y + a * block, 0, rows * n_col * sizeof *y);
    for (size_t l = 0; l < rows; l++)
        for (size_t a = 0; a < d2; a++)
            for (size_t c = 0; c < d2; c++)
                for (size_t b = 0; b < n_col; b++)
                    y[a * block + l * n_col + b] +=
                        w[dyn->which[b] * d4 + a * d2 + c] * x[c * block + l * n_col + b];
}

/* z = f^T x on bond e of one coordinate: x is [before][chi][after]. */
static void apply_matrix(double *z, double alpha, const double *f, const double *x, double beta,
                         size_t before, size_t chi, size_t after)
{
    if (after == 1) {
        oqt__gemm(false, false, before, chi, chi, alpha, x, chi, f, chi, beta, z, chi);
        return;
    }
    for (size_t p = 0; p < before; p++)
        oqt__gemm(true, false, chi, after, chi, alpha, f, chi, x + p * chi * after, after, beta,
                  z + p * chi * after, after);
}

/* Multiply a pair of coordinates (Re, Im) by a complex number. */
static void scale_pair(double *re, double *im, oqt_complex z, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double r = z.re * re[i] - z.im * im[i];

        im[i] = z.re * im[i] + z.im * re[i];
        re[i] = r;
    }
}

/* Work of one coordinate from which on threads pay. */
static const double PARALLEL_WORK = 2e5;

/*
 * x <- tensor e acting on y. The pair of coordinates (i,j), (j,i) with i < j is one complex number z, and
 * z <- (P + i s Q)^T z with s the sign of om. Coordinates are independent, each is written by one thread.
 */
static void apply_tensor(oqt_dynamics *dyn, size_t e, double *x, const double *y, bool factors)
{
    const oqt_pt *pt = dyn->pt[e];
    const oqt__slot slot = oqt__pt_slot(pt, dyn->stats.n_steps);
    size_t d = dyn->d, block = dyn->bonds * dyn->n_col, before = 1, after = dyn->n_col;
    int n_threads =
        (double)block * (double)pt->chi > PARALLEL_WORK ? oqt__blas_callers(dyn->n_threads, d * d) : 1;

    (void)n_threads; /* a serial build has no use for it */
    for (size_t f = 0; f < e; f++)
        before *= dyn->pt[f]->chi;
    for (size_t f = e + 1; f < dyn->n_pt; f++)
        after *= dyn->pt[f]->chi;
#pragma omp parallel for default(none) shared(pt, slot, d, block, before, after, x, y) schedule(dynamic)     \
    num_threads(n_threads)
    for (size_t a = 0; a < d * d; a++) {
        size_t i = a / d, j = a % d, partner = j * d + i, cls = pt->legs.cls[i < j ? a : partner];
        /* real part: P^T re - s Q^T im; imaginary part: P^T im + s Q^T re */
        double sign = i < j ? -pt->legs.sign[a] : pt->legs.sign[partner];

        apply_matrix(x + a * block, 1.0, oqt__slot_real(&slot, cls), y + a * block, 0.0, before, pt->chi,
                     after);
        if (sign != 0.0)
            apply_matrix(x + a * block, sign, oqt__slot_imag(&slot, cls), y + partner * block, 1.0, before,
                         pt->chi, after);
    }
    for (size_t i = 0; factors && i < d; i++)
        for (size_t j = i + 1; j < d; j++)
            scale_pair(x + (i * d + j) * block, x + (j * d + i) * block, dyn->factor[i * d + j], block);
}

/* The state from row 0 of the bonds, and the drift of its trace. */
static void read_state(oqt_dynamics *dyn)
{
    size_t d2 = dyn->d * dyn->d, block = dyn->bonds * dyn->n_col;

    turn_columns(dyn->exit, dyn, dyn->y, dyn->x, 1);
    for (size_t b = 0; b < dyn->n_col; b++) {
        double *rho = dyn->rho + b * d2, drift;

        for (size_t a = 0; a < d2; a++)
            rho[a] = dyn->y[a * block + b];
        drift = fabs(trace_of(rho, dyn->d) - dyn->trace0[b]);
        if (isnan(drift) || drift > dyn->stats.trace_drift)
            dyn->stats.trace_drift = drift; /* and a NaN stays */
    }
}

/* Whether the order of the tensors changes from step to step, and with it the first and last eigenbasis. */
static bool alternates(const oqt_dynamics *dyn)
{
    return dyn->n_pt > 1 && dyn->split == OQT_SPLIT_SYMMETRIC;
}

/* W = R_first U1, after the second half of the step before if there was one. */
static void make_turn(oqt_dynamics *dyn, size_t first)
{
    size_t d2 = dyn->d * dyn->d, d4 = d2 * d2;

    for (size_t s = 0; s < dyn->n_system; s++) {
        double *turn = dyn->turn + s * d4;

        rotate_rows(dyn, first, turn, dyn->half + s * d4);
        if (dyn->stats.n_steps > 0) {
            memcpy(dyn->small, turn, d4 * sizeof *turn);
            oqt__gemm(false, false, d2, d2, d2, 1.0, dyn->small, d2, dyn->exit + s * d4, d2, 0.0, turn, d2);
        }
    }
}

static void swap_buffers(oqt_dynamics *dyn)
{
    double *x = dyn->x;

    dyn->x = dyn->y;
    dyn->y = x;
}

/* y = R_to R_from^T x, from the eigenbasis of one coupling to that of another. */
static void change_basis(oqt_dynamics *dyn, size_t from, size_t to)
{
    size_t d2 = dyn->d * dyn->d, d4 = d2 * d2, block = dyn->bonds * dyn->n_col;

    if (!dyn->rotation[from] && !dyn->rotation[to]) {
        swap_buffers(dyn);
        return;
    }
    memset(dyn->small, 0, d4 * sizeof *dyn->small);
    for (size_t a = 0; a < d2; a++)
        dyn->small[a * d2 + a] = 1.0;
    rotate_columns(dyn, from, dyn->small + d4, dyn->small);
    rotate_rows(dyn, to, dyn->small, dyn->small + d4);
    oqt__gemm(false, false, d2, block, d2, 1.0, dyn->small, d2, dyn->x, block, 0.0, dyn->y, block);
}

static void one_step(oqt_dynamics *dyn)
{
    size_t d2 = dyn->d * dyn->d, d4 = d2 * d2;
    uint64_t step = dyn->stats.n_steps;

    if (step < 2 || alternates(dyn))
        make_turn(dyn, nth_tensor(dyn, step, 0));
    turn_columns(dyn->turn, dyn, dyn->y, dyn->x, dyn->bonds);
    for (size_t i = 0; i < dyn->n_pt; i++) {
        size_t e = nth_tensor(dyn, step, i);
        bool factors = oqt__pt_has_factors(dyn->pt[e]);

        if (i > 0)
            change_basis(dyn, nth_tensor(dyn, step, i - 1), e);
        if (factors)
            oqt__pt_factors(dyn->factor, dyn->pt[e], step, dyn->factor_scratch);
        apply_tensor(dyn, e, dyn->x, dyn->y, factors);
    }
    if (dyn->n_pt == 0)
        swap_buffers(dyn);
    if (step == 0 || alternates(dyn))
        for (size_t s = 0; s < dyn->n_system; s++)
            rotate_columns(dyn, nth_tensor(dyn, step, dyn->n_pt - 1), dyn->exit + s * d4, dyn->half + s * d4);
    dyn->stats.n_steps = step + 1;
    read_state(dyn);
}

static oqt_status check_reach(const oqt_dynamics *dyn, uint64_t n, oqt_error *err)
{
    for (size_t e = 0; e < dyn->n_pt; e++) {
        size_t covered = dyn->pt[e]->info.n_steps;

        if (covered != SIZE_MAX && (n > covered || dyn->stats.n_steps > covered - n))
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu covers %zu steps; %llu were taken and %llu more asked for",
                             e, covered, (unsigned long long)dyn->stats.n_steps, (unsigned long long)n);
    }
    return OQT_OK;
}

static void copy_states(oqt_complex *rho, const oqt_dynamics *dyn)
{
    for (size_t i = 0; i < dyn->n; i++)
        oqt_dynamics_state(rho + i * dyn->d * dyn->d, dyn, i);
}

/* Steps with progress; records after each of them if there is a place for it. */
static oqt_status run(oqt_dynamics *dyn, uint64_t n, oqt_complex *rho, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st = check_reach(dyn, n, err);

    if (st != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    for (uint64_t k = 0; k < n && st == OQT_OK; k++) {
        st = oqt__progress(&dyn->progress, "dynamics", (double)k / (double)n, err);
        if (st != OQT_OK)
            break;
        one_step(dyn);
        if (rho)
            copy_states(rho + k * dyn->n * dyn->d * dyn->d, dyn);
    }
    oqt__blas_leave(&guard);
    return st;
}

oqt_status oqt_dynamics_step(oqt_dynamics *dyn, uint64_t n, oqt_error *err)
{
    return run(dyn, n, NULL, err);
}

oqt_status oqt_dynamics_record(oqt_complex *rho, oqt_dynamics *dyn, uint64_t n, oqt_error *err)
{
    oqt_status st = check_reach(dyn, n, err);

    if (st != OQT_OK)
        return st;
    copy_states(rho, dyn);
    return run(dyn, n, rho + dyn->n * dyn->d * dyn->d, err);
}

void oqt_dynamics_state(oqt_complex *rho, const oqt_dynamics *dyn, size_t column)
{
    const double *re = dyn->rho + dyn->first[column] * dyn->d * dyn->d;

    oqt__herm_to_matrix(rho, re, real_columns(dyn, column) == 2 ? re + dyn->d * dyn->d : NULL, dyn->d);
}

void oqt_dynamics_get_stats(oqt_dynamics_stats *out, const oqt_dynamics *dyn)
{
    *out = dyn->stats;
}
