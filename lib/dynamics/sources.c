/*
 * sources.c - matrices of systems that depend on time or have controls, for rows of steps.
 *
 * The callbacks of a row come first, called by this thread. Then threads share the exponentials and products
 * of all sources and steps; each matrix has one writer.
 */
#include "dynamics/sources.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "linalg/linalg.h"

/* Multiplications of a row from which on threads pay, and those of one step in units of d^6. */
static const double PARALLEL_WORK = 4e5, STEP_PRODUCTS = 30.0;

/* A control that changes no trace by more than this share of it keeps the trace. */
static const double TRACE_TOLERANCE = 1e-12;

/* Matrices of scratch: two halves, a control, a product. */
enum { SCRATCH = 6 };

/* ---- the object ---- */

static void release(oqt__source *source)
{
    oqt_system_destroy(source->system);
    oqt_control_destroy(source->control);
    oqt__free(source->half);
    oqt__free(source->plain);
    oqt__free(source->sample);
    oqt__free(source->turn);
    oqt__free(source->last);
    oqt__free(source->next_2);
    oqt__free(source->leave_2);
    oqt__free(source->before);
    oqt__free(source->after);
}

void oqt__sources_release(oqt__sources *s)
{
    for (size_t i = 0; s->source && i < s->n; i++)
        release(s->source + i);
    for (int k = 0; s->ws && k < s->n_threads; k++)
        oqt__halves_ws_release(s->ws + k);
    oqt__free(s->source);
    oqt__free(s->ws);
    oqt__free(s->scratch);
    *s = (oqt__sources){0};
}

double oqt__sources_numbers(const oqt__sources *s)
{
    double d4 = (double)(s->d * s->d * s->d * s->d), sum = 0.0;

    for (size_t i = 0; i < s->n; i++)
        sum += 2.0 * d4 + 2.0 * (double)oqt__system_sample_len(s->source[i].system, s->how);
    return sum;
}

/* Places in oqt__source::plain. */
enum { ENTER, NEXT, LEAVE };

static double *plain(const oqt__sources *s, const oqt__source *source, uint64_t step, size_t which)
{
    size_t d4 = s->d * s->d * s->d * s->d;

    return source->plain + (3 * (step % 2) + which) * d4;
}

/* What a constant system needs where it has no controls. */
static oqt_status fill_plain(oqt__source *source, const oqt__sources *s, oqt_error *err)
{
    oqt_status st = oqt__system_propagator(source->half, source->system, 0.5 * s->dt, err);

    if (st != OQT_OK)
        return st;
    for (uint64_t step = 0; step < 2; step++) {
        oqt__turn_enter(plain(s, source, step, ENTER), s->stepper, step, source->half);
        oqt__turn_leave(plain(s, source, step, LEAVE), s->stepper, step, source->half);
    }
    for (uint64_t step = 0; step < 2; step++)
        oqt__small_product(plain(s, source, step, NEXT), plain(s, source, step, ENTER),
                           plain(s, source, step + 1, LEAVE), s->d * s->d);
    return OQT_OK;
}

static oqt_status source_init(oqt__source *source, const oqt__sources *s, oqt_error *err)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;
    bool constant = oqt_system_is_constant(source->system), real = source->real;

    source->sample_len = oqt__system_sample_len(source->system, s->how);
    source->half = constant ? oqt__doubles(d4) : NULL;
    source->plain = constant ? oqt__doubles(6 * d4) : NULL;
    source->sample = oqt__doubles(s->max_row * 2 * source->sample_len);
    source->turn = oqt__doubles(s->max_row * 2 * d4);
    source->last = oqt__doubles(2 * d4);
    source->next_2 = real ? NULL : oqt__doubles(d4);
    source->leave_2 = real ? NULL : oqt__doubles(d4);
    source->before = oqt__calloc(s->max_row + 1, 1);
    source->after = oqt__calloc(s->max_row, 1);
    if ((constant && (!source->half || !source->plain)) || !source->sample || !source->turn ||
        !source->last || !source->before || !source->after ||
        (!real && (!source->next_2 || !source->leave_2)))
        return oqt__no_memory(err, "the matrices of a system");
    for (size_t a = 0; a < d2; a++)
        source->last[a * d2 + a] = 1.0;
    return constant ? fill_plain(source, s, err) : OQT_OK;
}

oqt_status oqt__sources_take(oqt__sources *s, oqt_error *err)
{
    bool ok = true;

    for (size_t i = 0; i < s->n; i++) {
        oqt__source *source = s->source + i;
        const oqt_control *control = source->control;

        source->system = ok ? oqt__system_copy(source->system) : NULL;
        source->control = control && ok ? oqt__control_copy(control) : NULL;
        ok = source->system && (!control || source->control);
        source->real = oqt__control_is_real(source->control);
    }
    return ok ? OQT_OK : oqt__no_memory(err, "the systems of a batch");
}

oqt_status oqt__sources_init(oqt__sources *s, size_t max_row, oqt_error *err)
{
    size_t d4 = s->d * s->d * s->d * s->d;
    const oqt_system **systems = oqt__calloc(s->n, sizeof *systems);
    oqt_status st = OQT_OK;

    s->max_row = max_row;
    s->ws = oqt__calloc((size_t)s->n_threads, sizeof *s->ws);
    s->scratch = oqt__doubles((size_t)s->n_threads * SCRATCH * d4);
    if (!systems || !s->ws || !s->scratch) {
        st = oqt__no_memory(err, "the systems of a batch");
        goto done;
    }
    for (size_t i = 0; i < s->n && st == OQT_OK; i++) {
        systems[i] = s->source[i].system;
        st = source_init(s->source + i, s, err);
    }
    for (int k = 0; k < s->n_threads && st == OQT_OK; k++)
        st = oqt__halves_ws_init(s->ws + k, s->n, systems, err);
done:
    oqt__free(systems);
    return st;
}

/* ---- rows ---- */

/* How many steps from `step` on, at most n, have no control that is not real at a step between them. */
static size_t row_length(const oqt__sources *s, uint64_t step, size_t n)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->source[i].real)
            continue;
        uint64_t next = oqt__control_next_complex(s->source[i].control, step + 1, s->start, s->dt);

        if (next - step < n)
            n = (size_t)(next - step);
    }
    return n;
}

/* Call the callbacks of one step. */
static oqt_status sample_step(oqt__sources *s, uint64_t step, size_t k, oqt_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        oqt__source *source = s->source + i;

        for (size_t h = 0; source->sample_len > 0 && h < 2; h++) {
            double t = s->start + ((double)(step + k) + 0.5 * (double)h) * s->dt;
            const double *row =
                source->rows ? source->rows + (2 * (step + k) + h) * oqt_system_n_parameters(source->system)
                             : NULL;
            oqt_status st = oqt__system_sample(source->sample + (2 * k + h) * source->sample_len,
                                               source->system, t, 0.5 * s->dt, row, s->how, s->ws, err);

            if (st != OQT_OK)
                return st;
        }
    }
    return OQT_OK;
}

/* sum over i of row (i, i) of a superoperator, against that of the identity. */
static oqt__trace_change trace_change(oqt__control_kind kind, const double *s1, size_t d)
{
    size_t n = d * d;

    if (kind == OQT__CONTROL_NONE)
        return OQT__NO_CONTROL;
    if (kind == OQT__CONTROL_COMPLEX)
        return OQT__TRACE_COMPLEX;
    for (size_t b = 0; b < n; b++) {
        double sum = b % (d + 1) == 0 ? -1.0 : 0.0;

        for (size_t i = 0; i < d; i++)
            sum += s1[(i * d + i) * n + b];
        if (fabs(sum) > TRACE_TOLERANCE)
            return OQT__TRACE_CHANGED;
    }
    return OQT__TRACE_KEPT;
}

/* half := half Q, half_2 its imaginary part; c is scratch of three matrices. */
static oqt_status control_after(double *half, double *half_2, oqt__source *source, const oqt__sources *s,
                                uint64_t step, size_t k, double *c, oqt_error *err)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;
    oqt__control_kind kind;
    oqt_status st =
        oqt__control_find(&kind, c, c + d4, source->control, step + k, OQT_POST, s->start, s->dt, err);

    if (kind == OQT__CONTROL_COMPLEX)
        source->next_complex = true; /* only for k = 0: rows begin there */
    source->after[k] = (unsigned char)trace_change(kind, c, s->d);
    if (st != OQT_OK || kind == OQT__CONTROL_NONE)
        return st;
    if (kind == OQT__CONTROL_COMPLEX)
        oqt__small_product(half_2, half, c + d4, d2);
    oqt__small_product(c + 2 * d4, half, c, d2);
    memcpy(half, c + 2 * d4, d4 * sizeof *half);
    return OQT_OK;
}

/* half := P half, half_2 its imaginary part. */
static oqt_status control_before(double *half, double *half_2, oqt__source *source, const oqt__sources *s,
                                 uint64_t step, size_t k, double *c, oqt_error *err)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;
    oqt__control_kind kind;
    oqt_status st =
        oqt__control_find(&kind, c, c + d4, source->control, step + k + 1, OQT_PRE, s->start, s->dt, err);

    if (kind == OQT__CONTROL_COMPLEX)
        source->leave_complex = true; /* only for the last k */
    source->before[k + 1] = (unsigned char)trace_change(kind, c, s->d);
    if (st != OQT_OK || kind == OQT__CONTROL_NONE)
        return st;
    if (kind == OQT__CONTROL_COMPLEX)
        oqt__small_product(half_2, c + d4, half, d2);
    oqt__small_product(c + 2 * d4, c, half, d2);
    memcpy(half, c + 2 * d4, d4 * sizeof *half);
    return OQT_OK;
}

/* Enter (h = 0) or leave (h = 1) of one step of one source; next is formed from them later. */
static oqt_status one_half(oqt__sources *s, oqt__source *source, uint64_t step, size_t k, size_t h,
                           oqt__halves_ws *ws, double *scratch, oqt_error *err)
{
    size_t d4 = s->d * s->d * s->d * s->d;
    double *half = scratch, *half_2 = scratch + d4, *control = scratch + 2 * d4;
    double *out = source->turn + (2 * k + h) * d4, *out_2 = h == 0 ? source->next_2 : source->leave_2;
    unsigned char *change = h == 0 ? source->after + k : source->before + k + 1;
    oqt_status st = OQT_OK;

    if (source->half)
        memcpy(half, source->half, d4 * sizeof *half);
    else
        st = oqt__system_half(half, source->system, source->sample + (2 * k + h) * source->sample_len,
                              0.5 * s->dt, s->how, ws, err);
    if (st == OQT_OK && source->control)
        st = (h == 0 ? control_after : control_before)(half, half_2, source, s, step, k, control, err);
    if (st != OQT_OK)
        return st;
    if (source->half && *change == OQT__NO_CONTROL) {
        memcpy(out, plain(s, source, step + k, h == 0 ? ENTER : LEAVE), d4 * sizeof *out);
        return OQT_OK;
    }
    (h == 0 ? oqt__turn_enter : oqt__turn_leave)(out, s->stepper, step + k, half);
    if (*change == OQT__TRACE_COMPLEX)
        (h == 0 ? oqt__turn_enter : oqt__turn_leave)(out_2, s->stepper, step + k, half_2);
    return OQT_OK;
}

/* next(k) = enter(k) leave(k - 1), in the place of enter. */
static void join(const oqt__sources *s, oqt__source *source, uint64_t step, size_t k, double *product)
{
    size_t d4 = s->d * s->d * s->d * s->d;
    double *enter = source->turn + 2 * k * d4;
    const double *leave = k > 0 ? enter - d4 : source->last;

    if (source->half && step + k > 0 && source->before[k] == OQT__NO_CONTROL &&
        source->after[k] == OQT__NO_CONTROL)
        product = plain(s, source, step + k, NEXT);
    else
        oqt__small_product(product, enter, leave, s->d * s->d);
    memcpy(enter, product, d4 * sizeof *enter);
}

/* The same for the first step, with imaginary parts of both factors. */
static void join_complex(const oqt__sources *s, oqt__source *source, double *scratch)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;
    double *e1 = source->turn, *e2 = source->next_2, *real = scratch, *imaginary = scratch + d4,
           *more = scratch + 2 * d4;
    const double *l1 = source->last, *l2 = source->last + d4;

    if (!source->next_complex)
        memset(e2, 0, d4 * sizeof *e2);
    oqt__small_product(real, e1, l1, d2);
    oqt__small_product(more, e2, l2, d2);
    for (size_t i = 0; i < d4; i++)
        real[i] -= more[i];
    oqt__small_product(imaginary, e1, l2, d2);
    oqt__small_product(more, e2, l1, d2);
    for (size_t i = 0; i < d4; i++)
        imaginary[i] += more[i];
    memcpy(e1, real, d4 * sizeof *e1);
    memcpy(e2, imaginary, d4 * sizeof *e2);
    source->next_complex = source->next_complex || source->before[0] == OQT__TRACE_COMPLEX;
}

/* leave of the last step becomes that before the next row. */
static void carry(const oqt__sources *s, oqt__source *source, size_t n)
{
    size_t d4 = s->d * s->d * s->d * s->d;

    memcpy(source->last, source->turn + (2 * n - 1) * d4, d4 * sizeof *source->last);
    if (source->leave_complex)
        memcpy(source->last + d4, source->leave_2, d4 * sizeof *source->last);
    else
        memset(source->last + d4, 0, d4 * sizeof *source->last);
}

/* Threads take pieces (source, step, half). The number of steps before the first failure, which is told. */
static size_t all_steps(oqt__sources *s, uint64_t step, size_t n, int n_threads, oqt_error *err)
{
    size_t d4 = s->d * s->d * s->d * s->d, n_piece = 2 * s->n * n, good = n, failed = n_piece;
    oqt_error first = {0};
    pthread_mutex_t lock; /* a critical section would leave a symbol of its own in the library */

    (void)n_threads; /* a serial build has no use for it */
    pthread_mutex_init(&lock, NULL);
#pragma omp parallel for default(none) shared(s, step, n, d4, n_piece, good, failed, first, lock)            \
    schedule(static) num_threads(n_threads) if (n_threads > 1)
    for (size_t p = 0; p < n_piece; p++) {
        size_t thread = (size_t)oqt__thread_index(), k = p / 2 % n;
        oqt_error inner = {0};
        oqt_status st = one_half(s, s->source + p / (2 * n), step, k, p % 2, s->ws + thread,
                                 s->scratch + thread * SCRATCH * d4, &inner);

        if (st == OQT_OK)
            continue;
        pthread_mutex_lock(&lock);
        if (k < good || (k == good && p < failed)) {
            good = k;
            failed = p;
            first = inner;
        }
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_destroy(&lock);
    if (good < n)
        *err = first;
    return good;
}

static void all_joins(oqt__sources *s, uint64_t step, size_t n, int n_threads)
{
    size_t d4 = s->d * s->d * s->d * s->d;

    (void)n_threads;
#pragma omp parallel for default(none) shared(s, step, n, d4) schedule(static)                               \
    num_threads(n_threads) if (n_threads > 1)
    for (size_t i = 0; i < s->n; i++) {
        double *scratch = s->scratch + (size_t)oqt__thread_index() * SCRATCH * d4;
        oqt__source *source = s->source + i;

        for (size_t k = 1; k < n; k++)
            join(s, source, step, k, scratch);
        if (source->real)
            join(s, source, step, 0, scratch);
        else
            join_complex(s, source, scratch);
        carry(s, source, n);
    }
}

oqt_status oqt__sources_prepare(oqt__sources *s, uint64_t step, size_t *n, oqt_error *err)
{
    size_t row = row_length(s, step, *n), k = 0;
    double work = (double)(s->n * row) * STEP_PRODUCTS * pow((double)s->d, 6.0);
    int n_threads = work >= PARALLEL_WORK ? oqt__threads(s->n_threads, s->n * row) : 1;
    oqt_error inner;
    oqt_status st = OQT_OK;

    while (k < row && (st = sample_step(s, step, k, &inner)) == OQT_OK)
        k++;
    if (st != OQT_OK && k == 0)
        return oqt__fail(err, st, "%s", inner.text);
    for (size_t i = 0; i < s->n; i++) {
        s->source[i].before[0] = s->source[i].pending;
        s->source[i].leave_complex = s->source[i].next_complex = false;
    }
    row = all_steps(s, step, k, n_threads, &inner);
    if (row == 0)
        return oqt__fail(err, inner.code, "%s", inner.text);
    for (size_t i = 0; i < s->n; i++) { /* steps before a failure can be taken */
        s->source[i].leave_complex = s->source[i].leave_complex && row == k;
        s->source[i].pending = s->source[i].before[row];
    }
    all_joins(s, step, row, n_threads);
    *n = row;
    return OQT_OK;
}

oqt_status oqt__source_begin(double *x, double *y, const oqt__sources *s, const oqt__source *source,
                             oqt_error *err)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;
    double *c = oqt__doubles(2 * d4), *out = oqt__doubles(2 * d2);
    oqt__control_kind kind = OQT__CONTROL_NONE;
    oqt_status st;

    if (!c || !out)
        st = oqt__no_memory(err, "a control");
    else
        st = oqt__control_find(&kind, c, c + d4, source->control, 0, OQT_PRE, s->start, s->dt, err);
    for (size_t a = 0; kind != OQT__CONTROL_NONE && st == OQT_OK && a < d2; a++)
        for (size_t b = 0; b < d2; b++) {
            out[a] += c[a * d2 + b] * x[b] - (y ? c[d4 + a * d2 + b] * y[b] : 0.0);
            out[d2 + a] += c[d4 + a * d2 + b] * x[b] + (y ? c[a * d2 + b] * y[b] : 0.0);
        }
    if (kind != OQT__CONTROL_NONE && st == OQT_OK) {
        memcpy(x, out, d2 * sizeof *x);
        if (y)
            memcpy(y, out + d2, d2 * sizeof *y);
    }
    oqt__free(c);
    oqt__free(out);
    return st;
}
