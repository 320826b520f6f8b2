/* trajectory.c - states at times. */
#include "dynamics/trajectory_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

static bool all_finite(const oqt_complex *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(a[i].re) || !isfinite(a[i].im))
            return false;
    return true;
}

/* ---- growth and order ---- */

oqt_trajectory *oqt__trajectory_new(size_t d)
{
    oqt_trajectory *trajectory = oqt__calloc(1, sizeof *trajectory);

    if (trajectory)
        trajectory->d = d;
    return trajectory;
}

bool oqt__trajectory_reserve(oqt_trajectory *trajectory, size_t capacity)
{
    size_t n = trajectory->n, dd = trajectory->d * trajectory->d;
    double *time;
    oqt_complex *state;

    if (capacity <= trajectory->capacity)
        return true;
    time = oqt__doubles(capacity);
    state = oqt__calloc(capacity, dd * sizeof *state);
    if (!time || !state) {
        oqt__free(time);
        oqt__free(state);
        return false;
    }
    if (n > 0) {
        memcpy(time, trajectory->time, n * sizeof *time);
        memcpy(state, trajectory->state, n * dd * sizeof *state);
    }
    oqt__free(trajectory->time);
    oqt__free(trajectory->state);
    trajectory->time = time;
    trajectory->state = state;
    trajectory->capacity = capacity;
    return true;
}

bool oqt__trajectory_append(oqt_trajectory *trajectory, double time, const oqt_complex *state)
{
    size_t n = trajectory->n, dd = trajectory->d * trajectory->d;

    if (n == trajectory->capacity && !oqt__trajectory_reserve(trajectory, n > 0 ? 2 * n : FIRST_CAPACITY))
        return false;
    trajectory->time[n] = time;
    memcpy(trajectory->state + n * dd, state, dd * sizeof *state);
    trajectory->n++;
    return true;
}

struct entry {
    double time;
    size_t index;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

bool oqt__trajectory_sort(oqt_trajectory *trajectory)
{
    size_t n = trajectory->n, dd = trajectory->d * trajectory->d, k = 1;
    struct entry *order;
    oqt_complex *state;

    while (k < n && trajectory->time[k - 1] <= trajectory->time[k])
        k++;
    if (k >= n)
        return true;
    order = oqt__calloc(n, sizeof *order);
    state = oqt__calloc(trajectory->capacity, dd * sizeof *state);
    if (!order || !state) {
        oqt__free(order);
        oqt__free(state);
        return false;
    }
    for (k = 0; k < n; k++)
        order[k] = (struct entry){trajectory->time[k], k};
    qsort(order, n, sizeof *order, compare_entries);
    for (k = 0; k < n; k++) {
        trajectory->time[k] = order[k].time;
        memcpy(state + k * dd, trajectory->state + order[k].index * dd, dd * sizeof *state);
    }
    oqt__free(trajectory->state);
    trajectory->state = state;
    oqt__free(order);
    return true;
}

/* ---- the object ---- */

oqt_status oqt_trajectory_create(oqt_trajectory **out, size_t d, size_t n, const double *times,
                                 const oqt_complex *states, size_t stride, oqt_error *err)
{
    oqt_trajectory *trajectory;
    bool ok;

    if (!out || d == 0 || (n > 0 && (!times || !states)))
        return oqt__fail(err, OQT_EINVAL, "a trajectory needs a dimension, times and states");
    if (d > OQT__MAX_TRAJECTORY_DIMENSION)
        return oqt__fail(err, OQT_ERANGE, "dimension %zu of a trajectory exceeds %d", d,
                         OQT__MAX_TRAJECTORY_DIMENSION);
    if (stride == 0)
        stride = d * d;
    for (size_t k = 0; k < n; k++)
        if (!isfinite(times[k]) || !all_finite(states + k * stride, d * d))
            return oqt__fail(err, OQT_EINVAL, "time or state %zu of a trajectory is not finite", k);
    trajectory = oqt__trajectory_new(d);
    ok = trajectory && oqt__trajectory_reserve(trajectory, n);
    for (size_t k = 0; ok && k < n; k++)
        ok = oqt__trajectory_append(trajectory, times[k], states + k * stride);
    if (!ok || !oqt__trajectory_sort(trajectory)) {
        oqt_trajectory_destroy(trajectory);
        return oqt__no_memory(err, "a trajectory");
    }
    *out = trajectory;
    return OQT_OK;
}

void oqt_trajectory_destroy(oqt_trajectory *trajectory)
{
    if (!trajectory)
        return;
    oqt__free(trajectory->time);
    oqt__free(trajectory->state);
    oqt__free(trajectory);
}

oqt_status oqt_trajectory_add(oqt_trajectory *trajectory, double time, const oqt_complex *state,
                              oqt_error *err)
{
    size_t dd, k;

    if (!trajectory || !state)
        return oqt__fail(err, OQT_EINVAL, "trajectory or state to be added is missing");
    dd = trajectory->d * trajectory->d;
    if (!isfinite(time) || !all_finite(state, dd))
        return oqt__fail(err, OQT_EINVAL, "time or state to be added to a trajectory is not finite");
    k = trajectory->n;
    if (!oqt__trajectory_append(trajectory, time, state)) /* makes room, and is enough in most cases */
        return oqt__no_memory(err, "a trajectory");
    while (k > 0 && trajectory->time[k - 1] > time)
        k--;
    if (k + 1 < trajectory->n) {
        size_t later = trajectory->n - 1 - k;

        memmove(trajectory->time + k + 1, trajectory->time + k, later * sizeof time);
        memmove(trajectory->state + (k + 1) * dd, trajectory->state + k * dd, later * dd * sizeof *state);
        trajectory->time[k] = time;
        memcpy(trajectory->state + k * dd, state, dd * sizeof *state);
    }
    return OQT_OK;
}

size_t oqt_trajectory_dimension(const oqt_trajectory *trajectory)
{
    return trajectory->d;
}

size_t oqt_trajectory_length(const oqt_trajectory *trajectory)
{
    return trajectory->n;
}

const double *oqt_trajectory_times(const oqt_trajectory *trajectory)
{
    return trajectory->time;
}

const oqt_complex *oqt_trajectory_states(const oqt_trajectory *trajectory)
{
    return trajectory->state;
}

void oqt_trajectory_expect(oqt_complex *values, const oqt_trajectory *trajectory, const oqt_complex *op)
{
    size_t d = trajectory->d;

    for (size_t k = 0; k < trajectory->n; k++) {
        const oqt_complex *rho = trajectory->state + k * d * d;
        oqt_complex sum = {0.0, 0.0};

        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++) {
                oqt_complex o = op ? op[i * d + j] : (oqt_complex){i == j, 0.0}, r = rho[j * d + i];

                sum.re += o.re * r.re - o.im * r.im;
                sum.im += o.re * r.im + o.im * r.re;
            }
        values[k] = sum;
    }
}

/* ---- files ---- */

oqt_status oqt_trajectory_write(const oqt_trajectory *trajectory, const char *path, oqt_table_format format,
                                oqt_error *err)
{
    if (!trajectory || !path)
        return oqt__fail(err, OQT_EINVAL, "trajectory or name of its file is missing");
    switch (format) {
    case OQT_TABLE_TSV:
        return oqt__trajectory_to_text(trajectory, path, '\t', err);
    case OQT_TABLE_CSV:
        return oqt__trajectory_to_text(trajectory, path, ',', err);
    case OQT_TABLE_HDF5:
        return oqt__trajectory_to_hdf5(trajectory, path, err);
    }
    return oqt__fail(err, OQT_EINVAL, "%d is not a format of tables", (int)format);
}

oqt_status oqt_trajectory_read(oqt_trajectory **out, const char *path, oqt_error *err)
{
    oqt__map map = {NULL, 0};
    oqt_trajectory *trajectory = NULL;
    oqt_status st;

    if (!out || !path)
        return oqt__fail(err, OQT_EINVAL, "place for a trajectory or name of its file is missing");
    if ((st = oqt__map_file(&map, path, err)) != OQT_OK)
        return st;
    st = oqt__is_hdf5(&map) ? oqt__trajectory_from_hdf5(&trajectory, &map, path, err)
                            : oqt__trajectory_from_text(&trajectory, &map, path, err);
    oqt__unmap_file(&map);
    if (st == OQT_OK && !oqt__trajectory_sort(trajectory))
        st = oqt__no_memory(err, "a trajectory");
    if (st != OQT_OK) {
        oqt_trajectory_destroy(trajectory);
        return st;
    }
    *out = trajectory;
    return OQT_OK;
}
