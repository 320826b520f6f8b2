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
#include "dynamics/sources.h"
#include "pt/kernel.h"

/* Columns of a block; from FEW columns on there are such blocks. */
enum { BLOCK = 32, FEW = 8 };

/* Steps that are taken in a row, at most, and what ends a row before that: multiplications, some milliseconds
 * of them, and numbers in the states of a row. */
enum { MAX_ROW = 128 };
static const double ROW_WORK = 1e8, ROW_STATES = 2e6;

/* Multiplications from which on threads pay. */
static const double PARALLEL_WORK = 4e5;

/* Matrices of constant systems without controls: before the first step, and between two steps and after one,
 * the one before being even or odd (the same if the order of the tensors does not change). */
enum { ENTER, NEXT, LEAVE, NEXT_ODD, LEAVE_ODD };

typedef struct {
    size_t first, n; /* columns order[first] .. order[first + n - 1]                                   */
    size_t width;    /* n rounded up to a multiple of 8, or 1                                          */
    bool mixed;      /* its columns have different systems                                             */
    bool borrowed;   /* w belongs to the block before                                                  */
    double *w;       /* matrices of the system: [ENTER ..][d^2 x d^2], with [width] behind it if mixed; those
                        of a row of steps if they vary, [max_row][next, leave].. if mixed, else NULL       */
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
    bool varying; /* some system is not constant or has controls: matrices are those of the sources */
    oqt__sources sources;
    uint64_t n_parameter_steps;
    double **cross; /* n_col: what the other column of a matrix adds to this one, or NULL    */
    size_t *place;  /* n_col: position in order, for those columns                         */
    size_t *first;  /* n: first real column                                */
    size_t *which;  /* n_col: distinct source of a real column             */
    size_t *order;  /* n_col: real columns by source                       */
    size_t n_source, n_block;
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
    for (size_t c = 0; dyn->cross && c < dyn->n_col; c++)
        oqt__free(dyn->cross[c]);
    oqt__free(dyn->cross);
    oqt__free(dyn->place);
    oqt__sources_release(&dyn->sources);
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
    if ((st = oqt__check_batch(n_pt, pts, n, systems, opt->dt, opt->split, opt->n_threads, err)) != OQT_OK)
        return st;
    d = oqt_system_dimension(systems[0]);
    if (!isfinite(opt->start_time))
        return oqt__fail(err, OQT_EINVAL, "start time must be finite, got %g", opt->start_time);
    if (opt->n_controls > 1 && opt->n_controls != n)
        return oqt__fail(err, OQT_EINVAL, "%zu controls for %zu columns", opt->n_controls, n);
    if (opt->n_controls > 0 && !opt->controls)
        return oqt__fail(err, OQT_EINVAL, "controls are missing");
    for (size_t i = 0; i < opt->n_controls; i++)
        if (opt->controls[i] && oqt_control_dimension(opt->controls[i]) != d)
            return oqt__fail(err, OQT_EINVAL, "control %zu has dimension %zu, the system %zu", i,
                             oqt_control_dimension(opt->controls[i]), d);
    for (size_t i = 0; i < n; i++)
        if ((st = oqt__check_propagation(systems[i], opt->parameters ? opt->parameters[i] : NULL,
                                         opt->propagation, err)) != OQT_OK)
            return st;
    for (size_t i = 0; i < n * d * d; i++)
        if (!isfinite(initial[i].re) || !isfinite(initial[i].im))
            return oqt__fail(err, OQT_EINVAL, "initial state %zu has an element that is not finite",
                             i / (d * d));
    return OQT_OK;
}

/* ---- columns ---- */

/* What makes columns alike: all but the initial state. */
typedef struct {
    const oqt_system *system;
    const oqt_control *control;
    const double *rows;
    size_t column;
} named;

static named name_of(size_t i, const oqt_system *const *systems, const oqt_dynamics_options *opt)
{
    named x = {systems[i], NULL, NULL, i};

    if (opt->n_controls > 0)
        x.control = opt->controls[opt->n_controls == 1 ? 0 : i];
    if (oqt_system_n_parameters(systems[i]) > 0)
        x.rows = opt->parameters[i];
    return x;
}

static int compare(const void *a, const void *b)
{
    uintptr_t s = (uintptr_t)a, t = (uintptr_t)b;

    return (s > t) - (s < t);
}

static bool alike(const named *p, const named *q)
{
    return p->system == q->system && p->control == q->control && p->rows == q->rows;
}

static int by_name(const void *a, const void *b)
{
    const named *p = a, *q = b;
    int order = compare(p->system, q->system);

    if (order == 0)
        order = compare(p->control, q->control);
    if (order == 0)
        order = compare(p->rows, q->rows);
    return order != 0 ? order : (p->column > q->column) - (p->column < q->column);
}

/* Distinct sources in the order in which they come; distinct[i] is NULL where column i repeats one, else its
 * system, and id[i] the number of its source. */
static oqt_status find_distinct(const oqt_system **distinct, size_t *id, size_t *n_source, size_t n,
                                const oqt_system *const *systems, const oqt_dynamics_options *opt,
                                oqt_error *err)
{
    named *list = oqt__calloc(n, sizeof *list);

    if (!list)
        return oqt__no_memory(err, "the columns of a batch");
    for (size_t i = 0; i < n; i++)
        list[i] = name_of(i, systems, opt);
    qsort(list, n, sizeof *list, by_name);
    for (size_t i = 0, leader = 0; i < n; i++) {
        if (i == 0 || !alike(list + i, list + i - 1))
            leader = list[i].column;
        id[list[i].column] = leader;
    }
    *n_source = 0;
    for (size_t i = 0; i < n; i++) { /* a leader comes before those that follow it */
        bool leads = id[i] == i;

        distinct[i] = leads ? systems[i] : NULL;
        id[i] = leads ? (*n_source)++ : id[id[i]];
    }
    oqt__free(list);
    return OQT_OK;
}

/* Real columns: two for a matrix that is not Hermitian or does not stay so; in order of their sources. */
static oqt_status lay_out_columns(oqt_dynamics *dyn, const oqt_system **distinct,
                                  const oqt_system *const *systems, const oqt_complex *initial,
                                  const oqt_dynamics_options *opt, oqt_error *err)
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
    if ((st = find_distinct(distinct, id, &dyn->n_source, dyn->n, systems, opt, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < dyn->n; i++) {
        dyn->first[i] = dyn->n_col;
        dyn->which[dyn->n_col++] = id[i];
        if (oqt__hermiticity_defect(initial + i * d2, dyn->d) > 1e-14 ||
            !oqt__control_is_real(name_of(i, systems, opt).control))
            dyn->which[dyn->n_col++] = id[i];
    }
    start = oqt__calloc(dyn->n_source + 1, sizeof *start);
    if (!start) {
        st = oqt__no_memory(err, "the columns of a batch");
        goto done;
    }
    for (size_t b = 0; b < dyn->n_col; b++)
        start[dyn->which[b] + 1]++;
    for (size_t k = 0; k < dyn->n_source; k++)
        start[k + 1] += start[k];
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

static size_t source_of(const oqt_dynamics *dyn, const block *b, size_t column)
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
        b->mixed = source_of(dyn, b, 0) != source_of(dyn, b, b->n - 1);
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
    double slots = 0.0, numbers;
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
    numbers = (double)(dyn->n_col * d2);
    if (dyn->varying)
        numbers += oqt__sources_numbers(&dyn->sources) + numbers * 2.0 * (double)d2;
    dyn->max_row = (size_t)fmax(fmin(fmin(ROW_WORK / dyn->work, ROW_STATES / numbers), (double)MAX_ROW), 1.0);
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
        if (dyn->varying) {
            b->w = b->mixed ? oqt__doubles(dyn->max_row * 2 * d2 * d2 * b->width) : NULL;
            if (!b->x || (b->mixed && !b->w))
                return oqt__no_memory(err, "a batch");
            continue;
        }
        if (before && !b->mixed && !before->mixed && source_of(dyn, b, 0) == source_of(dyn, before, 0)) {
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

/* ---- sources ---- */

/* Systems that depend on time, or controls: then the matrices of all columns are made row by row. */
static oqt_status take_sources(oqt_dynamics *dyn, const oqt_system *const *distinct,
                               const oqt_dynamics_options *opt, oqt_error *err)
{
    oqt__sources *s = &dyn->sources;

    for (size_t i = 0; i < dyn->n; i++)
        if (distinct[i] && (!oqt_system_is_constant(distinct[i]) || name_of(i, distinct, opt).control))
            dyn->varying = true;
    if (!dyn->varying)
        return OQT_OK;
    s->source = oqt__calloc(dyn->n_source, sizeof *s->source);
    if (!s->source)
        return oqt__no_memory(err, "the systems of a batch");
    s->d = dyn->d;
    s->how = opt->propagation;
    for (size_t i = 0; i < dyn->n; i++) {
        named name;

        if (!distinct[i])
            continue;
        name = name_of(i, distinct, opt);
        s->source[s->n++] = (oqt__source){.system = (oqt_system *)(uintptr_t)name.system,
                                          .control = (oqt_control *)(uintptr_t)name.control,
                                          .rows = name.rows};
        if (name.rows)
            dyn->n_parameter_steps = opt->n_parameter_steps;
    }
    return oqt__sources_take(s, err);
}

/* What the two real columns of a matrix do to each other, where controls are not real. */
static oqt_status allocate_cross(oqt_dynamics *dyn, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d;

    dyn->cross = oqt__calloc(dyn->n_col, sizeof *dyn->cross);
    dyn->place = oqt__calloc(dyn->n_col, sizeof *dyn->place);
    if (!dyn->cross || !dyn->place)
        return oqt__no_memory(err, "a batch");
    for (size_t p = 0; p < dyn->n_col; p++) {
        size_t column = dyn->order[p];

        dyn->place[column] = p;
        if (dyn->sources.source[dyn->which[column]].real)
            continue;
        dyn->cross[column] = oqt__doubles(d2 * dyn->bonds);
        if (!dyn->cross[column])
            return oqt__no_memory(err, "a batch");
    }
    return OQT_OK;
}

static oqt_status start_sources(oqt_dynamics *dyn, double start, double dt, oqt_error *err)
{
    oqt__sources *s = &dyn->sources;
    oqt_status st;

    s->stepper = &dyn->stepper;
    s->start = start;
    s->dt = dt;
    s->n_threads = dyn->n_threads;
    st = oqt__sources_init(s, dyn->max_row, err);
    return st != OQT_OK ? st : allocate_cross(dyn, err);
}

/* A closed form holds only where paths never change legs, so controls must not change them either. */
static oqt_status check_controls(size_t n_pt, const oqt_pt *const *pts, const oqt_dynamics_options *opt,
                                 oqt_error *err)
{
    for (size_t e = 0; e < n_pt; e++)
        for (size_t i = 0; pts[e]->info.method == OQT_PT_DEPHASING && i < opt->n_controls; i++) {
            double leg_rate = 0.0;
            oqt_status st = OQT_OK;

            if (opt->controls[i])
                st = oqt__control_leg_rate(&leg_rate, opt->controls[i], pts[e]->o, pts[e]->u, err);
            if (st != OQT_OK)
                return st;
            if (leg_rate > 0.0)
                return oqt__fail(err, OQT_EINVAL,
                                 "process tensor %zu is the closed form for commuting systems, but control "
                                 "%zu does not commute with its coupling",
                                 e, i);
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
            size_t s = source_of(dyn, b, c), stride = b->mixed ? b->width : 1;

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

/* In Hermitian coordinates, with the controls before the record of step 0. */
static oqt_status set_initial(oqt_dynamics *dyn, const oqt_complex *initial, oqt_error *err)
{
    size_t d2 = dyn->d * dyn->d, bonds = oqt__stepper_bonds(&dyn->stepper, 0);

    for (size_t i = 0; i < dyn->n; i++) {
        double *re = dyn->rho + dyn->first[i] * d2, *im = real_columns(dyn, i) == 2 ? re + d2 : NULL;
        const oqt__source *source = dyn->varying ? dyn->sources.source + dyn->which[dyn->first[i]] : NULL;
        oqt_status st = OQT_OK;

        oqt__herm_from_matrix(re, im, initial + i * d2, dyn->d);
        if (source && source->control)
            st = oqt__source_begin(re, im, &dyn->sources, source, err);
        if (st != OQT_OK)
            return st;
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
    return OQT_OK;
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
                               const oqt_dynamics_options *given, oqt_error *err)
{
    oqt_dynamics_options full, *opt = &full;
    const oqt_system **distinct = NULL, **by_column = NULL;
    oqt__blas_guard guard = {false};
    oqt_dynamics *dyn = NULL;
    double dt;
    oqt_status st;

    if ((st = oqt__dynamics_options(&full, given, err)) != OQT_OK ||
        (st = check_arguments(n_pt, pts, n, systems, initial, opt, err)) != OQT_OK)
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
    dyn->n_threads = oqt__blas_callers(opt->n_threads, SIZE_MAX);
    dyn->progress = opt->progress;
    dyn->n_parameter_steps = UINT64_MAX;
    if ((st = lay_out_columns(dyn, distinct, systems, initial, opt, err)) != OQT_OK ||
        (st = oqt__check_tensors(n_pt, pts, n, distinct, err)) != OQT_OK ||
        (st = check_controls(n_pt, pts, opt, err)) != OQT_OK ||
        (st = oqt__stepper_init(&dyn->stepper, dyn->d, n_pt, pts, opt->split, err)) != OQT_OK ||
        (st = take_sources(dyn, distinct, opt, err)) != OQT_OK ||
        (st = cut_into_blocks(dyn, err)) != OQT_OK || (st = allocate(dyn, err)) != OQT_OK)
        goto done;
    dt = n_pt > 0 ? pts[0]->dt : opt->dt;
    if (dyn->varying) {
        st = start_sources(dyn, opt->start_time, dt, err);
    } else {
        by_column = systems_by_column(dyn, systems);
        st = by_column ? fill_matrices(dyn, by_column, dt, err) : oqt__no_memory(err, "a batch");
    }
    if (st != OQT_OK || (st = set_initial(dyn, initial, err)) != OQT_OK)
        goto done;
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

/* The matrix before the k-th step of a row, or after it. */
static const double *matrix(const oqt_dynamics *dyn, const block *b, size_t k, bool after)
{
    size_t d4 = dyn->d * dyn->d * dyn->d * dyn->d, which;
    bool alternates = oqt__stepper_alternates(&dyn->stepper);
    uint64_t step = dyn->stats.n_steps + k;

    if (dyn->varying) {
        which = 2 * k + (after ? 1 : 0);
        return b->mixed ? b->w + which * d4 * b->width
                        : dyn->sources.source[source_of(dyn, b, 0)].turn + which * d4;
    }
    if (after)
        which = alternates && step % 2 == 1 ? LEAVE_ODD : LEAVE;
    else
        which = step == 0 ? ENTER : alternates && step % 2 == 0 ? NEXT_ODD : NEXT;
    return b->w + which * d4 * (b->mixed ? b->width : 1);
}

/* The matrices of a row side by side, where every column has its own. */
static void interleave(const oqt_dynamics *dyn, block *b, size_t n)
{
    size_t d4 = dyn->d * dyn->d * dyn->d * dyn->d;

    for (size_t c = 0; c < b->n; c++) {
        const double *own = dyn->sources.source[source_of(dyn, b, c)].turn;

        for (size_t i = 0; i < 2 * n * d4; i++)
            b->w[i * b->width + c] = own[i];
    }
}

/* y = W x for every column with the W of its system. */
static void turn(double *y, const oqt_dynamics *dyn, const block *b, const double *w, size_t bonds)
{
    size_t d2 = dyn->d * dyn->d;

    if (b->mixed)
        oqt__turn_columns(y, b->x, w, d2, bonds, b->width);
    else
        oqt__turn(y, b->x, w, d2, bonds * b->width);
}

/* What controls that are not real add to the turned columns of a block, in the first step of a row. */
static void add_cross(double *y, const oqt_dynamics *dyn, const block *b, size_t bonds)
{
    size_t n = dyn->d * dyn->d * bonds;

    for (size_t c = 0; c < b->n; c++)
        if (dyn->sources.source[source_of(dyn, b, c)].next_complex)
            for (size_t i = 0; i < n; i++)
                y[i * b->width + c] += dyn->cross[dyn->order[b->first + c]][i];
}

/* Where controls changed traces before the k-th step of a row, the new ones count from here on. */
static void new_traces(oqt_dynamics *dyn, const block *b, const double *y, size_t k, size_t bonds)
{
    size_t d2 = dyn->d * dyn->d;

    for (size_t c = 0; c < b->n; c++) {
        const oqt__source *source = dyn->sources.source + source_of(dyn, b, c);
        size_t column = dyn->order[b->first + c];
        double trace = 0.0, square = 0.0;

        if (source->before[k] <= OQT__TRACE_KEPT && source->after[k] <= OQT__TRACE_KEPT)
            continue;
        for (size_t a = 0; a < d2; a++) {
            double z = y[a * bonds * b->width + c];

            trace += a % (dyn->d + 1) == 0 ? z : 0.0;
            square += z * z;
        }
        dyn->trace0[column] = trace;
        if (!source->real || !(sqrt(square) <= trace * (1.0 + 1e-12)))
            dyn->limit[column] = INFINITY;
        else if (isfinite(dyn->limit[column]))
            dyn->limit[column] = trace;
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

/* The states after the k-th step of a row in the system basis, from row 0 of the bonds. */
static void read_states(double *rho, const oqt_dynamics *dyn, block *b, size_t k, size_t bonds)
{
    size_t d2 = dyn->d * dyn->d, stride = b->mixed ? b->width : 1;
    const double *w = matrix(dyn, b, k, true);

    for (size_t c = 0; c < b->n; c++) {
        size_t column = dyn->order[b->first + c];
        double *out = rho + column * d2;

        for (size_t a = 0; a < d2; a++) {
            out[a] = 0.0;
            for (size_t m = 0; m < d2; m++)
                out[a] += w[(a * d2 + m) * stride + (b->mixed ? c : 0)] * b->x[m * bonds * b->width + c];
        }
        if (dyn->varying && dyn->sources.source[source_of(dyn, b, c)].before[k + 1] > OQT__TRACE_KEPT)
            continue;
        add_drift(&b->drift, fabs(trace_of(out, dyn->d) - dyn->trace0[column]));
        add_drift(&b->excess, norm_of(out, d2) - dyn->limit[column]);
    }
}

/* n steps of one block with scratch y; the states after each go to dyn->record if record is set, the last to
 * dyn->rho. */
static void step_block(oqt_dynamics *dyn, block *b, double *y, size_t n, bool record, int n_threads)
{
    size_t d2 = dyn->d * dyn->d;

    if (dyn->varying && b->mixed)
        interleave(dyn, b, n);
    for (size_t k = 0; k < n; k++) {
        uint64_t step = dyn->stats.n_steps + k;
        size_t bonds = oqt__stepper_bonds(&dyn->stepper, step), after;

        turn(y, dyn, b, matrix(dyn, b, k, false), bonds);
        if (dyn->varying) {
            if (k == 0)
                add_cross(y, dyn, b, bonds);
            new_traces(dyn, b, y, k, bonds);
        }
        oqt__step_tensors(b->x, y, &dyn->stepper, step, dyn->factor + k * dyn->stepper.n_pt * d2, b->width,
                          n_threads);
        after = oqt__stepper_bonds_after(&dyn->stepper, step);
        watch_trace(dyn, b, after);
        if (record)
            read_states(dyn->record + k * dyn->n_col * d2, dyn, b, k, after);
        if (k + 1 == n)
            read_states(dyn->rho, dyn, b, k, after);
    }
}

/* ---- controls that mix the two real columns of a matrix ---- */

/* out[a][l] = sum_c w[a][c] x[c][l] for the first n rows l of the bonds of one real column, times sign. */
static void turn_column(double *out, const oqt_dynamics *dyn, const double *w, size_t column, size_t bonds,
                        size_t n, double sign)
{
    size_t d2 = dyn->d * dyn->d, place = dyn->place[column];
    const block *b = dyn->block;

    while (b->first + b->n <= place)
        b++;
    memset(out, 0, d2 * n * sizeof *out);
    for (size_t a = 0; a < d2; a++)
        for (size_t c = 0; c < d2; c++)
            for (size_t l = 0; l < n; l++)
                out[a * n + l] +=
                    sign * w[a * d2 + c] * b->x[(c * bonds + l) * b->width + (place - b->first)];
}

/* S = S1 + i S2 takes A + iB to S1 A - S2 B + i (S1 B + S2 A); here are the terms of S2 for the first turn of
 * a row, from the states before it. */
static void prepare_cross(oqt_dynamics *dyn)
{
    size_t bonds = oqt__stepper_bonds(&dyn->stepper, dyn->stats.n_steps);

    for (size_t i = 0; i < dyn->n; i++) {
        size_t a = dyn->first[i];
        const oqt__source *source = dyn->sources.source + dyn->which[a];

        if (!source->next_complex)
            continue;
        turn_column(dyn->cross[a], dyn, source->next_2, a + 1, bonds, bonds, -1.0);
        turn_column(dyn->cross[a + 1], dyn, source->next_2, a, bonds, bonds, 1.0);
    }
}

/* The same for the states after the last step of a row. */
static void finish_states(oqt_dynamics *dyn, size_t n, bool record)
{
    size_t d2 = dyn->d * dyn->d, bonds = oqt__stepper_bonds_after(&dyn->stepper, dyn->stats.n_steps + n - 1);
    double *last = dyn->record + (n - 1) * dyn->n_col * d2;

    for (size_t i = 0; i < dyn->n; i++) {
        size_t first = dyn->first[i];
        const oqt__source *source = dyn->sources.source + dyn->which[first];

        if (!source->leave_complex)
            continue;
        for (size_t side = 0; side < 2; side++) {
            double *more = dyn->cross[first + side];

            turn_column(more, dyn, source->leave_2, first + 1 - side, bonds, 1, side == 0 ? -1.0 : 1.0);
            for (size_t a = 0; a < d2; a++) {
                dyn->rho[(first + side) * d2 + a] += more[a];
                if (record)
                    last[(first + side) * d2 + a] += more[a];
            }
        }
    }
}

/* ---- steps of all blocks ---- */

/* n steps of all blocks, at most max_row. */
static void step_blocks(oqt_dynamics *dyn, size_t n, bool record)
{
    size_t n_pt = dyn->stepper.n_pt, d2 = dyn->d * dyn->d;
    size_t n_block = dyn->n_block;
    int n_threads = dyn->work * (double)n >= PARALLEL_WORK ? oqt__threads(dyn->n_threads, n_block) : 1;

    (void)n_threads; /* a serial build has no use for it */
    if (dyn->varying)
        prepare_cross(dyn);
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
    if (dyn->varying)
        finish_states(dyn, n, record);
    dyn->stats.n_steps += n;
}

static oqt_status check_reach(const oqt_dynamics *dyn, uint64_t n, oqt_error *err)
{
    if (n > dyn->n_parameter_steps || dyn->stats.n_steps > dyn->n_parameter_steps - n)
        return oqt__fail(err, OQT_EINVAL,
                         "parameters cover %llu steps; %llu were taken and %llu more asked for",
                         (unsigned long long)dyn->n_parameter_steps, (unsigned long long)dyn->stats.n_steps,
                         (unsigned long long)n);
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
        if (dyn->varying &&
            (st = oqt__sources_prepare(&dyn->sources, dyn->stats.n_steps, &row, err)) != OQT_OK)
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
