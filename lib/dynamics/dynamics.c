/*
 * dynamics.c - batch propagation under process tensors.
 *
 * Real columns are laid out in blocks that stay in cache and are independent of each other, so a block takes
 * several steps in a row before the next one does. Few columns are blocks of one, and the tensor is read with
 * unit stride; many are blocks of BLOCK, and the tensor is applied by matrix products. How columns are cut
 * into blocks depends on the problem only, never on the number of threads.
 */
#include <oqtempo/dynamics.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dynamics/dyn_priv.h"
#include "dynamics/kernel.h"
#include "liouville/hermitian.h"

/* Columns of a block; from FEW columns on there are such blocks. */
enum { BLOCK = 32, FEW = 8 };

/* Steps that are taken in a row, at most, and what ends a row before that: multiplications, some milliseconds
 * of them, and numbers in the states of a row. */
enum { MAX_ROW = 128 };
static const double ROW_WORK = 1e8, ROW_STATES = 2e6;

/* Multiplications from which on threads pay. */
static const double PARALLEL_WORK = 4e5;

/* Matrices of the system: before the first step, and between two steps and after one, the one before being
 * even or odd (the same if the order of the tensors does not change). */
enum { ENTER, NEXT, LEAVE, NEXT_ODD, LEAVE_ODD };

typedef struct {
    size_t first, n; /* columns order[first] .. order[first + n - 1]                                   */
    size_t width;    /* n rounded up to a multiple of 8, or 1                                          */
    bool mixed;      /* its columns have different systems                                             */
    bool borrowed;   /* w belongs to the block before                                                  */
    double *w;       /* matrices of the system: [ENTER ..][d^2 x d^2], with [width] behind it if mixed */
    double *x;       /* state                                                                          */
    double drift;    /* largest change of a trace so far                                               */
    double excess;   /* largest excess of a norm over its limit so far                                 */
} block;

struct oqt_dynamics {
    size_t d, n;    /* n: columns of the user                              */
    size_t n_col;   /* real columns: two for a matrix that is not Hermitian */
    size_t bonds;   /* largest product of the bonds                        */
    size_t max_row; /* steps taken in a row                                */
    double work;    /* multiplications of a step, about                    */
    int n_threads;
    oqt_progress progress;
    oqt__stepper stepper;
    size_t *first; /* n: first real column                                */
    size_t *which; /* n_col: distinct system of a real column             */
    size_t *order; /* n_col: real columns by system                       */
    size_t n_system, n_block;
    block *block;
    double *scratch;     /* n_threads x largest block                        */
    size_t scratch_len;  /* of one thread                                    */
    oqt_complex *factor; /* max_row x n_pt x d^2                             */
    double *factor_scratch;
    double *rho;    /* n_col x d^2: current state, Hermitian coordinates   */
    double *record; /* max_row x n_col x d^2: states of a row of steps     */
    double *trace0; /* n_col                                               */
    double *limit;  /* n_col: of |rho|_F, the trace of what starts as a state; else infinity */
    oqt_dynamics_stats stats;
};

void oqt_dynamics_destroy(oqt_dynamics *dyn)
{
    if (!dyn)
        return;
    for (size_t k = 0; dyn->block && k < dyn->n_block; k++) {
        if (!dyn->block[k].borrowed)
            oqt__free(dyn->block[k].w);
        oqt__free(dyn->block[k].x);
    }
    oqt__stepper_release(&dyn->stepper);
    oqt__free(dyn->block);
    oqt__free(dyn->first);
    oqt__free(dyn->which);
    oqt__free(dyn->order);
    oqt__free(dyn->scratch);
    oqt__free(dyn->factor);
    oqt__free(dyn->factor_scratch);
    oqt__free(dyn->rho);
    oqt__free(dyn->record);
    oqt__free(dyn->trace0);
    oqt__free(dyn->limit);
    oqt__free(dyn);
}

/* ---- creation ---- */

static oqt_status check_arguments(size_t n_pt, const oqt_pt *const *pts, size_t n,
                                  const oqt_system *const *systems, const oqt_complex *initial,
                                  const oqt_dynamics_options *opt, oqt_error *err)
{
    size_t d;
    oqt_status st;

    if (n == 0 || !systems || !initial || (n_pt > 0 && !pts))
        return oqt__fail(err, OQT_EINVAL, "at least one system with an initial state must be given");
    if (opt->struct_size != sizeof *opt)
        return oqt__fail(err, OQT_EINVAL, "dynamics options of %zu bytes, expected %zu", opt->struct_size,
                         sizeof *opt);
    if ((st = oqt__check_batch(n_pt, pts, n, systems, opt->dt, opt->split, opt->n_threads, err)) != OQT_OK)
        return st;
    d = oqt_system_dimension(systems[0]);
    for (size_t i = 0; i < n * d * d; i++)
        if (!isfinite(initial[i].re) || !isfinite(initial[i].im))
            return oqt__fail(err, OQT_EINVAL, "initial state %zu has an element that is not finite",
                             i / (d * d));
    return OQT_OK;
}

/* ---- columns ---- */

typedef struct {
    const oqt_system *system;
    size_t column;
} named;

static int by_system(const void *a, const void *b)
{
    const named *p = a, *q = b;
    uintptr_t s = (uintptr_t)p->system, t = (uintptr_t)q->system;

    return s != t ? (s > t) - (s < t) : (p->column > q->column) - (p->column < q->column);
}

/* Distinct systems in the order in which they come; distinct[i] is NULL where column i repeats one, and id[i]
 * the number of its system. */
static oqt_status find_distinct(const oqt_system **distinct, size_t *id, size_t *n_system, size_t n,
                                const oqt_system *const *systems, oqt_error *err)
{
    named *list = oqt__calloc(n, sizeof *list);

    if (!list)
        return oqt__no_memory(err, "the columns of a batch");
    for (size_t i = 0; i < n; i++)
        list[i] = (named){systems[i], i};
    qsort(list, n, sizeof *list, by_system);
    for (size_t i = 0, leader = 0; i < n; i++) {
        if (i == 0 || list[i].system != list[i - 1].system)
            leader = list[i].column;
        id[list[i].column] = leader;
    }
    *n_system = 0;
    for (size_t i = 0; i < n; i++) { /* a leader comes before those that follow it */
        bool leads = id[i] == i;

        distinct[i] = leads ? systems[i] : NULL;
        id[i] = leads ? (*n_system)++ : id[id[i]];
    }
    oqt__free(list);
    return OQT_OK;
}

/* Real columns: two for a matrix that is not Hermitian; in order of their systems. */
static oqt_status lay_out_columns(oqt_dynamics *dyn, const oqt_system **distinct,
                                  const oqt_system *const *systems, const oqt_complex *initial,
                                  oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d, *id = NULL, *start = NULL;
    oqt_status st = OQT_OK;

    id = oqt__calloc(dyn->n, sizeof *id);
    dyn->first = oqt__calloc(dyn->n, sizeof *dyn->first);
    dyn->which = oqt__calloc(2 * dyn->n, sizeof *dyn->which);
    dyn->order = oqt__calloc(2 * dyn->n, sizeof *dyn->order);
    if (!id || !dyn->first || !dyn->which || !dyn->order) {
        st = oqt__no_memory(err, "the columns of a batch");
        goto done;
    }
    if ((st = find_distinct(distinct, id, &dyn->n_system, dyn->n, systems, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < dyn->n; i++) {
        dyn->first[i] = dyn->n_col;
        dyn->which[dyn->n_col++] = id[i];
        if (oqt__hermiticity_defect(initial + i * d2, dyn->d) > 1e-14)
            dyn->which[dyn->n_col++] = id[i];
    }
    start = oqt__calloc(dyn->n_system + 1, sizeof *start);
    if (!start) {
        st = oqt__no_memory(err, "the columns of a batch");
        goto done;
    }
    for (size_t b = 0; b < dyn->n_col; b++)
        start[dyn->which[b] + 1]++;
    for (size_t s = 0; s < dyn->n_system; s++)
        start[s + 1] += start[s];
    for (size_t b = 0; b < dyn->n_col; b++)
        dyn->order[start[dyn->which[b]]++] = b;
done:
    oqt__free(id);
    oqt__free(start);
    return st;
}

static size_t real_columns(const oqt_dynamics *dyn, size_t i)
{
    return (i + 1 < dyn->n ? dyn->first[i + 1] : dyn->n_col) - dyn->first[i];
}

/* ---- blocks ---- */

static size_t system_of(const oqt_dynamics *dyn, const block *b, size_t column)
{
    return dyn->which[dyn->order[b->first + column]];
}

/* Blocks of nearly equal size. */
static oqt_status cut_into_blocks(oqt_dynamics *dyn, oqt_error *err)
{
    size_t n = dyn->n_col, n_block = n < FEW ? n : (n + BLOCK - 1) / BLOCK;

    dyn->block = oqt__calloc(n_block, sizeof *dyn->block);
    if (!dyn->block)
        return oqt__no_memory(err, "a batch");
    dyn->n_block = n_block;
    for (size_t k = 0, first = 0; k < n_block; k++) {
        block *b = dyn->block + k;

        b->first = first;
        b->n = n / n_block + (k < n % n_block);
        b->width = n < FEW ? 1 : (b->n + 7) / 8 * 8;
        first += b->n;
        b->mixed = system_of(dyn, b, 0) != system_of(dyn, b, b->n - 1);
    }
    return OQT_OK;
}

static size_t n_matrices(const oqt_dynamics *dyn)
{
    return oqt__stepper_alternates(&dyn->stepper) ? LEAVE_ODD + 1 : LEAVE + 1;
}

/* Sizes are checked here for all products of steps. */
static oqt_status allocate(oqt_dynamics *dyn, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d, n_pt = dyn->stepper.n_pt, n_tail = 0, widest = dyn->block[0].width, len;
    double slots = 0.0;
    oqt_status st;

    if ((st = oqt__stepper_largest(&dyn->bonds, &dyn->stepper, err)) != OQT_OK)
        return st;
    for (size_t e = 0; e < n_pt; e++) {
        const oqt_pt *pt = dyn->stepper.tensor[e].pt;

        n_tail = pt->n_tail > n_tail ? pt->n_tail : n_tail;
        slots += (double)pt->info.bond_dimension;
    }
    if (!oqt__mul_size(&dyn->scratch_len, d2 * widest, dyn->bonds) ||
        !oqt__mul_size(&len, dyn->scratch_len, dyn->n_col))
        return oqt__fail(err, OQT_ERANGE, "batch of %zu columns with bond %zu is too large", dyn->n,
                         dyn->bonds);
    if ((st = oqt__lapack_size(dyn->bonds * widest, "a batch", err)) != OQT_OK)
        return st;
    dyn->work = (double)(dyn->n_col * d2) * ((double)dyn->bonds * (slots + (double)d2) + (double)d2);
    dyn->max_row = (size_t)fmax(
        fmin(fmin(ROW_WORK / dyn->work, ROW_STATES / (double)(dyn->n_col * d2)), (double)MAX_ROW), 1.0);
    dyn->n_threads = oqt__blas_callers(dyn->n_threads, SIZE_MAX);
    size_t n_scratch = (size_t)dyn->n_threads < dyn->n_block ? (size_t)dyn->n_threads : dyn->n_block;

    dyn->scratch = oqt__doubles(n_scratch * dyn->scratch_len);
    dyn->factor = oqt__calloc(dyn->max_row * n_pt * d2, sizeof *dyn->factor);
    dyn->factor_scratch = oqt__doubles(3 * n_tail);
    dyn->rho = oqt__doubles(dyn->n_col * d2);
    dyn->record = oqt__doubles(dyn->max_row * dyn->n_col * d2);
    dyn->trace0 = oqt__doubles(dyn->n_col);
    dyn->limit = oqt__doubles(dyn->n_col);
    if (!dyn->scratch || !dyn->factor || !dyn->factor_scratch || !dyn->rho || !dyn->record || !dyn->trace0 ||
        !dyn->limit)
        return oqt__no_memory(err, "a batch");
    for (size_t k = 0; k < dyn->n_block; k++) {
        block *b = dyn->block + k, *before = k > 0 ? b - 1 : NULL;

        b->x = oqt__doubles(d2 * dyn->bonds * b->width);
        if (before && !b->mixed && !before->mixed && system_of(dyn, b, 0) == system_of(dyn, before, 0)) {
            b->borrowed = true;
            b->w = before->w;
        } else {
            b->w = oqt__doubles(n_matrices(dyn) * d2 * d2 * (b->mixed ? b->width : 1));
        }
        if (!b->x || !b->w)
            return oqt__no_memory(err, "a batch");
    }
    return OQT_OK;
}

/* The matrices of one system, into w; three scratch matrices behind them. */
static void make_matrices(double *w, const oqt__stepper *s, const double *half)
{
    size_t d4 = s->d * s->d * s->d * s->d, n = oqt__stepper_alternates(s) ? 2 : 1;
    double *scratch = w + (1 + 2 * n) * d4;

    oqt__turn_enter(w + ENTER * d4, s, 0, half);
    for (size_t step = 0; step < n; step++) {
        oqt__turn_next(w + (NEXT + 2 * step) * d4, scratch, s, step, half, half);
        oqt__turn_leave(w + (LEAVE + 2 * step) * d4, s, step, half);
    }
}

/* Systems in the order of the columns, so that each is exponentiated once. */
static oqt_status fill_matrices(oqt_dynamics *dyn, const oqt_system *const *by_column, double dt,
                                oqt_error *err)
{
    size_t d4 = dyn->d * dyn->d * dyn->d * dyn->d, len = n_matrices(dyn) * d4, last = SIZE_MAX;
    double *half = oqt__doubles(d4), *w = oqt__doubles(len + 2 * d4);
    oqt_status st = half && w ? OQT_OK : oqt__no_memory(err, "a batch");

    for (size_t k = 0; k < dyn->n_block && st == OQT_OK; k++)
        for (size_t c = 0; c < (dyn->block[k].mixed ? dyn->block[k].n : 1) && st == OQT_OK; c++) {
            block *b = dyn->block + k;
            size_t s = system_of(dyn, b, c), stride = b->mixed ? b->width : 1;

            if (s != last) {
                st = oqt__system_propagator(half, by_column[dyn->order[b->first + c]], 0.5 * dt, err);
                make_matrices(w, &dyn->stepper, half);
                last = s;
            }
            for (size_t i = 0; i < len; i++)
                b->w[i * stride + c] = w[i];
        }
    oqt__free(half);
    oqt__free(w);
    return st;
}

/* |rho|_F, since the basis is orthonormal. */
static double norm_of(const double *rho, size_t d2)
{
    double sum = 0.0;

    for (size_t a = 0; a < d2; a++)
        sum += rho[a] * rho[a];
    return sqrt(sum);
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
    size_t d2 = dyn->d * dyn->d, bonds = oqt__stepper_bonds(&dyn->stepper, 0);

    for (size_t i = 0; i < dyn->n; i++) {
        double *re = dyn->rho + dyn->first[i] * d2;

        oqt__herm_from_matrix(re, real_columns(dyn, i) == 2 ? re + d2 : NULL, initial + i * d2, dyn->d);
    }
    for (size_t c = 0; c < dyn->n_col; c++) {
        double trace = trace_of(dyn->rho + c * d2, dyn->d);

        dyn->trace0[c] = trace;
        /* for a state tr rho^2 <= (tr rho)^2 */
        dyn->limit[c] = norm_of(dyn->rho + c * d2, d2) <= trace * (1.0 + 1e-12) ? trace : INFINITY;
    }
    for (size_t k = 0; k < dyn->n_block; k++) {
        block *b = dyn->block + k;

        for (size_t c = 0; c < b->n; c++)
            for (size_t a = 0; a < d2; a++)
                b->x[a * bonds * b->width + c] = dyn->rho[dyn->order[b->first + c] * d2 + a];
    }
}

/* The system of each real column. */
static const oqt_system **systems_by_column(const oqt_dynamics *dyn, const oqt_system *const *systems)
{
    const oqt_system **out = oqt__calloc(dyn->n_col, sizeof *out);

    for (size_t i = 0; out && i < dyn->n; i++)
        for (size_t c = 0; c < real_columns(dyn, i); c++)
            out[dyn->first[i] + c] = systems[i];
    return out;
}

oqt_status oqt_dynamics_create(oqt_dynamics **out, size_t n_pt, const oqt_pt *const *pts, size_t n,
                               const oqt_system *const *systems, const oqt_complex *initial,
                               const oqt_dynamics_options *opt, oqt_error *err)
{
    static const oqt_dynamics_options defaults = OQT_DYNAMICS_OPTIONS_INIT;
    const oqt_system **distinct = NULL, **by_column = NULL;
    oqt__blas_guard guard = {false};
    oqt_dynamics *dyn = NULL;
    oqt_status st;

    if (!opt)
        opt = &defaults;
    if ((st = check_arguments(n_pt, pts, n, systems, initial, opt, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    dyn = oqt__calloc(1, sizeof *dyn);
    distinct = oqt__calloc(n, sizeof *distinct);
    if (!dyn || !distinct) {
        st = oqt__no_memory(err, "a batch");
        goto done;
    }
    dyn->d = oqt_system_dimension(systems[0]);
    dyn->n = n;
    dyn->n_threads = opt->n_threads;
    dyn->progress = opt->progress;
    if ((st = lay_out_columns(dyn, distinct, systems, initial, err)) != OQT_OK ||
        (st = oqt__check_tensors(n_pt, pts, n, distinct, err)) != OQT_OK ||
        (st = oqt__stepper_init(&dyn->stepper, dyn->d, n_pt, pts, opt->split, err)) != OQT_OK ||
        (st = cut_into_blocks(dyn, err)) != OQT_OK || (st = allocate(dyn, err)) != OQT_OK)
        goto done;
    by_column = systems_by_column(dyn, systems);
    if (!by_column) {
        st = oqt__no_memory(err, "a batch");
        goto done;
    }
    if ((st = fill_matrices(dyn, by_column, n_pt > 0 ? pts[0]->dt : opt->dt, err)) != OQT_OK)
        goto done;
    set_initial(dyn, initial);
    dyn->stats.bond_dimension = dyn->bonds;
    *out = dyn;
    dyn = NULL;
done:
    oqt__blas_leave(&guard);
    oqt__free(distinct);
    oqt__free(by_column);
    oqt_dynamics_destroy(dyn);
    return st;
}

/* ---- steps of one block ---- */

/* y = W x for every column with the W of its system. */
static void turn(double *y, const oqt_dynamics *dyn, const block *b, size_t which, size_t bonds)
{
    size_t d2 = dyn->d * dyn->d, len = bonds * b->width;

    if (b->mixed) {
        oqt__turn_columns(y, b->x, b->w + which * d2 * d2 * b->width, d2, bonds, b->width);
    } else if (d2 <= 16) {
        memset(y, 0, d2 * len * sizeof *y);
        for (size_t a = 0; a < d2; a++)
            oqt__add_rows(y + a * len, b->w + (which * d2 + a) * d2, b->x, len, d2, len);
    } else {
        oqt__gemm(false, false, d2, len, d2, 1.0, b->w + which * d2 * d2, d2, b->x, len, 0.0, y, len);
    }
}

/* A NaN stays. */
static void add_drift(double *drift, double change)
{
    if (isnan(change) || change > *drift)
        *drift = change;
}

/* The trace is that of row 0 of the bonds, in any eigenbasis. */
static void watch_trace(const oqt_dynamics *dyn, block *b, size_t bonds)
{
    for (size_t c = 0; c < b->n; c++) {
        double sum = -dyn->trace0[dyn->order[b->first + c]];

        for (size_t i = 0; i < dyn->d; i++)
            sum += b->x[(i * dyn->d + i) * bonds * b->width + c];
        add_drift(&b->drift, fabs(sum));
    }
}

/* The states after a step in the system basis, from row 0 of the bonds. */
static void read_states(double *rho, const oqt_dynamics *dyn, block *b, size_t leave, size_t bonds)
{
    size_t d2 = dyn->d * dyn->d, stride = b->mixed ? b->width : 1;
    const double *w = b->w + leave * d2 * d2 * stride;

    for (size_t c = 0; c < b->n; c++) {
        size_t column = dyn->order[b->first + c];
        double *out = rho + column * d2;

        for (size_t a = 0; a < d2; a++) {
            out[a] = 0.0;
            for (size_t k = 0; k < d2; k++)
                out[a] += w[(a * d2 + k) * stride + (b->mixed ? c : 0)] * b->x[k * bonds * b->width + c];
        }
        add_drift(&b->drift, fabs(trace_of(out, dyn->d) - dyn->trace0[column]));
        add_drift(&b->excess, norm_of(out, d2) - dyn->limit[column]);
    }
}

/* n steps of one block with scratch y; the states after each go to dyn->record if record is set, the last to
 * dyn->rho. */
static void step_block(oqt_dynamics *dyn, block *b, double *y, size_t n, bool record, int n_threads)
{
    size_t d2 = dyn->d * dyn->d;
    bool alternates = oqt__stepper_alternates(&dyn->stepper);

    for (size_t k = 0; k < n; k++) {
        uint64_t step = dyn->stats.n_steps + k;
        size_t next = step == 0 ? ENTER : alternates && step % 2 == 0 ? NEXT_ODD : NEXT;
        size_t leave = alternates && step % 2 == 1 ? LEAVE_ODD : LEAVE;
        size_t after;

        turn(y, dyn, b, next, oqt__stepper_bonds(&dyn->stepper, step));
        oqt__step_tensors(b->x, y, &dyn->stepper, step, dyn->factor + k * dyn->stepper.n_pt * d2, b->width,
                          n_threads);
        after = oqt__stepper_bonds_after(&dyn->stepper, step);
        watch_trace(dyn, b, after);
        if (record)
            read_states(dyn->record + k * dyn->n_col * d2, dyn, b, leave, after);
        if (k + 1 == n)
            read_states(dyn->rho, dyn, b, leave, after);
    }
}

/* n steps of all blocks, at most max_row. */
static void step_blocks(oqt_dynamics *dyn, size_t n, bool record)
{
    size_t n_pt = dyn->stepper.n_pt, d2 = dyn->d * dyn->d;
    size_t n_block = dyn->n_block;
    int n_threads = dyn->work * (double)n >= PARALLEL_WORK ? oqt__threads(dyn->n_threads, n_block) : 1;

    (void)n_threads; /* a serial build has no use for it */
    for (size_t e = 0; e < n_pt; e++)
        if (dyn->stepper.tensor[e].factors)
            oqt__pt_factors(dyn->factor + e * d2, n_pt * d2, dyn->stepper.tensor[e].pt, dyn->stats.n_steps, n,
                            dyn->factor_scratch);
    if (n_block == 1) {
        step_block(dyn, dyn->block, dyn->scratch, n, record, dyn->n_threads);
    } else {
#pragma omp parallel for default(none) shared(dyn, n, record, n_block) schedule(static)                      \
    num_threads(n_threads) if (n_threads > 1)
        for (size_t k = 0; k < n_block; k++)
            step_block(dyn, dyn->block + k, dyn->scratch + (size_t)oqt__thread_index() * dyn->scratch_len, n,
                       record, 1);
    }
    for (size_t k = 0; k < n_block; k++) {
        add_drift(&dyn->stats.trace_drift, dyn->block[k].drift);
        add_drift(&dyn->stats.norm_excess, dyn->block[k].excess);
    }
    dyn->stats.n_steps += n;
}

static oqt_status check_reach(const oqt_dynamics *dyn, uint64_t n, oqt_error *err)
{
    for (size_t e = 0; e < dyn->stepper.n_pt; e++) {
        size_t covered = dyn->stepper.tensor[e].pt->info.n_steps;

        if (covered != SIZE_MAX && (n > covered || dyn->stats.n_steps > covered - n))
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu covers %zu steps; %llu were taken and %llu more asked for",
                             e, covered, (unsigned long long)dyn->stats.n_steps, (unsigned long long)n);
    }
    return OQT_OK;
}

/* One column of states in Hermitian coordinates. */
static void to_matrix(oqt_complex *out, const double *rho, const oqt_dynamics *dyn, size_t column)
{
    size_t d2 = dyn->d * dyn->d;
    const double *re = rho + dyn->first[column] * d2;

    oqt__herm_to_matrix(out, re, real_columns(dyn, column) == 2 ? re + d2 : NULL, dyn->d);
}

/* Rows of steps with progress before each; records after each step if there is a place for it. */
static oqt_status run(oqt_dynamics *dyn, uint64_t n, oqt_complex *rho, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d, len = dyn->n * d2;
    oqt__blas_guard guard = {false};
    oqt_status st = check_reach(dyn, n, err);

    if (st != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    for (uint64_t k = 0; k < n;) {
        size_t row = n - k < dyn->max_row ? (size_t)(n - k) : dyn->max_row;

        if ((st = oqt__progress(&dyn->progress, "dynamics", (double)k / (double)n, err)) != OQT_OK)
            break;
        step_blocks(dyn, row, rho != NULL);
        for (size_t i = 0; rho && i < row; i++)
            for (size_t c = 0; c < dyn->n; c++)
                to_matrix(rho + (k + i) * len + c * d2, dyn->record + i * dyn->n_col * d2, dyn, c);
        k += row;
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
    size_t d2 = dyn->d * dyn->d;
    oqt_status st = check_reach(dyn, n, err);

    if (st != OQT_OK)
        return st;
    for (size_t c = 0; c < dyn->n; c++)
        oqt_dynamics_state(rho + c * d2, dyn, c);
    return run(dyn, n, rho + dyn->n * d2, err);
}

void oqt_dynamics_state(oqt_complex *rho, const oqt_dynamics *dyn, size_t column)
{
    to_matrix(rho, dyn->rho, dyn, column);
}

void oqt_dynamics_get_stats(oqt_dynamics_stats *out, const oqt_dynamics *dyn)
{
    *out = dyn->stats;
}
