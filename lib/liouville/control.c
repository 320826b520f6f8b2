/*
 * control.c - superoperators at single steps.
 *
 * Four lists: given by steps or times, before or after the record; each in ascending order of its place. What
 * is added to a place that is taken is composed with what is there, so that places are distinct.
 */
#include "liouville/control_priv.h"

#include <math.h>
#include <string.h>

#include "linalg/linalg.h"
#include "liouville/system_priv.h"

/* As for systems: the superoperators of larger ones would not fit into any memory. */
enum { MAX_DIMENSION = 1024 };

/* An imaginary part below this share of the largest element is rounding of Kraus operators and unitaries. */
static const double REAL_TOLERANCE = 1e-13;

enum { BY_STEP, BY_TIME };

typedef struct {
    uint64_t step;
    double time;
    bool real; /* s2 is zero                         */
    double *s; /* 2 x d^4: S1, S2                    */
} entry;

typedef struct {
    size_t n;
    entry *entry;
} entries;

struct oqt_control {
    size_t d;
    entries list[2][2]; /* [BY_STEP, BY_TIME][OQT_PRE, OQT_POST] */
};

/* ---- the object ---- */

static void release(entries *list)
{
    for (size_t i = 0; list->entry && i < list->n; i++)
        oqt__free(list->entry[i].s);
    oqt__free(list->entry);
}

void oqt_control_destroy(oqt_control *control)
{
    if (!control)
        return;
    for (size_t by = 0; by < 2; by++)
        for (size_t when = 0; when < 2; when++)
            release(&control->list[by][when]);
    oqt__free(control);
}

oqt_status oqt_control_create(oqt_control **out, size_t d, oqt_error *err)
{
    oqt_control *control;

    if (!out)
        return oqt__fail(err, OQT_EINVAL, "place for the controls is missing");
    if (d == 0)
        return oqt__fail(err, OQT_EINVAL, "dimension of the Hilbert space must be at least 1");
    if (d > MAX_DIMENSION)
        return oqt__fail(err, OQT_ERANGE, "dimension %zu of the Hilbert space exceeds %d", d, MAX_DIMENSION);
    control = oqt__calloc(1, sizeof *control);
    if (!control)
        return oqt__no_memory(err, "controls");
    control->d = d;
    *out = control;
    return OQT_OK;
}

size_t oqt_control_dimension(const oqt_control *control)
{
    return control->d;
}

/* copy->n counts entries with a matrix of their own. */
static bool copy_entries(entries *copy, const entries *list, size_t d4)
{
    copy->entry = oqt__copy(list->entry, list->n, sizeof *copy->entry);
    if (!copy->entry)
        return false;
    for (; copy->n < list->n; copy->n++) {
        double *s = oqt__copy(list->entry[copy->n].s, 2 * d4, sizeof *s);

        if (!s)
            return false;
        copy->entry[copy->n].s = s;
    }
    return true;
}

oqt_control *oqt__control_copy(const oqt_control *control)
{
    oqt_control *copy = oqt__calloc(1, sizeof *copy);
    size_t d4 = control->d * control->d * control->d * control->d;
    bool ok = copy != NULL;

    if (!copy)
        return NULL;
    copy->d = control->d;
    for (size_t by = 0; by < 2; by++)
        for (size_t when = 0; when < 2; when++)
            ok = ok && copy_entries(&copy->list[by][when], &control->list[by][when], d4);
    if (ok)
        return copy;
    oqt_control_destroy(copy);
    return NULL;
}

/* ---- real form ---- */

/* s := S1, S2 of a superoperator; whether S2 is only rounding, and then zero. */
static bool split(double *s, oqt_complex *superop, size_t d)
{
    size_t d4 = d * d * d * d;
    double largest = 0.0, imaginary = 0.0;

    oqt__herm_superop(s, superop, d);
    for (size_t i = 0; i < d4; i++) /* S2 is the real form of -i S */
        superop[i] = (oqt_complex){superop[i].im, -superop[i].re};
    oqt__herm_superop(s + d4, superop, d);
    for (size_t i = 0; i < d4; i++) {
        largest = fmax(largest, fmax(fabs(s[i]), fabs(s[d4 + i])));
        imaginary = fmax(imaginary, fabs(s[d4 + i]));
    }
    if (imaginary > REAL_TOLERANCE * largest)
        return false;
    memset(s + d4, 0, d4 * sizeof *s);
    return true;
}

/* out = a b for pairs, 2 x n x n each. */
static void compose(double *out, const double *a, bool a_real, const double *b, bool b_real, size_t n)
{
    size_t nn = n * n;

    oqt__gemm(false, false, n, n, n, 1.0, a, n, b, n, 0.0, out, n);
    memset(out + nn, 0, nn * sizeof *out);
    if (!a_real && !b_real)
        oqt__gemm(false, false, n, n, n, -1.0, a + nn, n, b + nn, n, 1.0, out, n);
    if (!b_real)
        oqt__gemm(false, false, n, n, n, 1.0, a, n, b + nn, n, 1.0, out + nn, n);
    if (!a_real)
        oqt__gemm(false, false, n, n, n, 1.0, a + nn, n, b, n, 1.0, out + nn, n);
}

/* ---- adding ---- */

/* The first entry that is not before a place. */
static size_t lower_bound(const entries *list, uint64_t step, double time)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const entry *e = list->entry + middle;

        if (e->step < step || (e->step == step && e->time < time))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static oqt_status insert(entries *list, size_t at, entry e, oqt_error *err)
{
    entry *grown = oqt__calloc(list->n + 1, sizeof *grown);

    if (!grown)
        return oqt__no_memory(err, "a control");
    if (list->n > 0) {
        memcpy(grown, list->entry, at * sizeof *grown);
        memcpy(grown + at + 1, list->entry + at, (list->n - at) * sizeof *grown);
    }
    grown[at] = e;
    oqt__free(list->entry);
    list->entry = grown;
    list->n++;
    return OQT_OK;
}

/* Entries by step have time 0, entries by time step 0. */
static oqt_status add(oqt_control *control, int by, uint64_t step, double time, oqt_when when,
                      const oqt_complex *superop, oqt_error *err)
{
    size_t n, at;
    entries *list;
    entry e = {step, time, true, NULL}, *there;
    oqt_complex *copy = NULL;
    double *product = NULL;
    oqt__blas_guard guard = {false};
    oqt_status st = OQT_OK;

    if (!control || !superop)
        return oqt__fail(err, OQT_EINVAL, "controls or superoperator are missing");
    if (when != OQT_PRE && when != OQT_POST)
        return oqt__fail(err, OQT_EINVAL, "a control acts before or after a record, got %d", (int)when);
    if (!isfinite(time))
        return oqt__fail(err, OQT_EINVAL, "time of a control must be finite, got %g", time);
    n = control->d * control->d;
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(superop[i].re) || !isfinite(superop[i].im))
            return oqt__fail(err, OQT_EINVAL, "superoperator of a control is not finite: element (%zu,%zu)",
                             i / n, i % n);
    list = &control->list[by][when];
    at = lower_bound(list, step, time);
    there = at < list->n ? list->entry + at : NULL;
    copy = oqt__copy(superop, n * n, sizeof *copy);
    e.s = oqt__doubles(2 * n * n);
    if (!copy || !e.s) {
        st = oqt__no_memory(err, "a control");
        goto done;
    }
    e.real = split(e.s, copy, control->d);
    if (!there || there->step != step || there->time != time) {
        if ((st = insert(list, at, e, err)) == OQT_OK)
            e.s = NULL;
        goto done;
    }
    product = oqt__doubles(2 * n * n);
    if (!product) {
        st = oqt__no_memory(err, "a control");
        goto done;
    }
    oqt__blas_enter(&guard);
    compose(product, e.s, e.real, there->s, there->real, n);
    oqt__blas_leave(&guard);
    oqt__free(there->s);
    there->s = product;
    there->real = there->real && e.real;
done:
    oqt__free(copy);
    oqt__free(e.s);
    return st;
}

oqt_status oqt_control_add(oqt_control *control, uint64_t step, oqt_when when, const oqt_complex *superop,
                           oqt_error *err)
{
    return add(control, BY_STEP, step, 0.0, when, superop, err);
}

oqt_status oqt_control_add_at(oqt_control *control, double time, oqt_when when, const oqt_complex *superop,
                              oqt_error *err)
{
    return add(control, BY_TIME, 0, time, when, superop, err);
}

/* ---- finding ---- */

/* The step of a time, rounded half to even as the reference does; negative if before the first. */
static double step_of(const entry *e, double start, double dt)
{
    return nearbyint((e->time - start) / dt);
}

/* The first entry by time whose step is not below one. Rounding keeps the order. */
static size_t first_by_time(const entries *list, double step, double start, double dt)
{
    size_t low = 0, high = list->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (step_of(list->entry + middle, start, dt) < step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What acts, in its order: entries [*first, *last) by time, and *single by step or NULL. */
static void locate(const oqt_control *control, uint64_t step, oqt_when when, double start, double dt,
                   size_t *first, size_t *last, const entry **single)
{
    const entries *steps = &control->list[BY_STEP][when], *times = &control->list[BY_TIME][when];
    size_t at = lower_bound(steps, step, 0.0);

    *single = at < steps->n && steps->entry[at].step == step ? steps->entry + at : NULL;
    *first = *last = first_by_time(times, (double)step, start, dt);
    while (*last < times->n && step_of(times->entry + *last, start, dt) == (double)step)
        (*last)++;
}

oqt_status oqt__control_find(oqt__control_kind *kind, double *s1, double *s2, const oqt_control *control,
                             uint64_t step, oqt_when when, double start, double dt, oqt_error *err)
{
    size_t n, nn, first, last, count;
    const entry *single, *times;
    double *sum = NULL, *next;
    bool real = true;

    *kind = OQT__CONTROL_NONE;
    if (!control)
        return OQT_OK;
    n = control->d * control->d;
    nn = n * n;
    times = control->list[BY_TIME][when].entry;
    locate(control, step, when, start, dt, &first, &last, &single);
    count = last - first + (single ? 1 : 0);
    if (count == 0)
        return OQT_OK;
    for (size_t i = first; i < last; i++)
        real = real && times[i].real;
    real = real && (!single || single->real);
    if (s1 && count == 1) {
        const double *s = single ? single->s : times[first].s;

        memcpy(s1, s, nn * sizeof *s1);
        memcpy(s2, s + nn, nn * sizeof *s2);
    } else if (s1) {
        bool done = false, sum_real = true;

        sum = oqt__doubles(4 * nn);
        if (!sum)
            return oqt__no_memory(err, "controls that meet");
        next = sum + 2 * nn;
        for (size_t i = 0; i < count; i++) {
            const entry *e = when == OQT_PRE ? (i < last - first ? times + first + i : single)
                             : single        ? (i == 0 ? single : times + first + i - 1)
                                             : times + first + i;

            if (done)
                compose(next, e->s, e->real, sum, sum_real, n);
            memcpy(sum, done ? next : e->s, 2 * nn * sizeof *sum);
            sum_real = e->real && sum_real;
            done = true;
        }
        memcpy(s1, sum, nn * sizeof *s1);
        memcpy(s2, sum + nn, nn * sizeof *s2);
    }
    *kind = real ? OQT__CONTROL_REAL : OQT__CONTROL_COMPLEX;
    oqt__free(sum);
    return OQT_OK;
}

bool oqt__control_is_real(const oqt_control *control)
{
    for (size_t by = 0; control && by < 2; by++)
        for (size_t when = 0; when < 2; when++)
            for (size_t i = 0; i < control->list[by][when].n; i++)
                if (!control->list[by][when].entry[i].real)
                    return false;
    return true;
}

uint64_t oqt__control_next_complex(const oqt_control *control, uint64_t step, double start, double dt)
{
    uint64_t found = UINT64_MAX;

    for (size_t when = 0; control && when < 2; when++) {
        const entries *steps = &control->list[BY_STEP][when], *times = &control->list[BY_TIME][when];
        size_t i = lower_bound(steps, step, 0.0), k = first_by_time(times, (double)step, start, dt);

        while (i < steps->n && steps->entry[i].real)
            i++;
        while (k < times->n && times->entry[k].real)
            k++;
        if (i < steps->n && steps->entry[i].step < found)
            found = steps->entry[i].step;
        if (k < times->n && step_of(times->entry + k, start, dt) < (double)found)
            found = (uint64_t)step_of(times->entry + k, start, dt);
    }
    return found;
}

oqt_status oqt__control_leg_rate(double *rate, const oqt_control *control, const double *o,
                                 const oqt_complex *u, oqt_error *err)
{
    size_t d = control->d;
    double sum = 0.0, one;

    for (size_t by = 0; by < 2; by++)
        for (size_t when = 0; when < 2; when++)
            for (size_t i = 0; i < control->list[by][when].n; i++)
                for (size_t part = 0; part < 2; part++) {
                    const double *s = control->list[by][when].entry[i].s + part * d * d * d * d;
                    oqt_status st = oqt__leg_rate_of(&one, s, o, u, d, err);

                    if (st != OQT_OK)
                        return st;
                    sum += one;
                }
    *rate = sum;
    return OQT_OK;
}
