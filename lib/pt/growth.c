/*
 * growth.c - whether the map of a step grows, for a system that is known.
 *
 * Nothing bounds the map that a truncated tensor and a system make, and modes that it grows on start so small
 * that paths of a few thousand slots do not feel them. A true evolution never increases the trace norm of a
 * state. So what grows beyond it is spurious, and what it was at the end of the run follows from its rate.
 */
#include "pt/growth.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "liouville/hermitian.h"

enum { FIRST_STEPS = 32, LAST_FIRST = 512, MAX_STEPS = 1 << 15, RESCALE = 64 };

/* A step from which on every leg factor is that of the limit. */
static const uint64_t LATE = (uint64_t)1 << 63;

struct map {
    const oqt_pt *pt;
    double *turn;         /* d^2 x d^2: the system over one step, in the eigenbasis of the coupling */
    oqt_complex *factors; /* d^2                                                                    */
    double *x, *y, *z;    /* d^2 x chi Hermitian coordinates, the same, and 2 chi                   */
    double *mem;
    double log_scale; /* of x */
};

static void map_release(struct map *map)
{
    oqt__free(map->mem);
    oqt__free(map->factors);
}

/* The propagator of one step between the legs. */
static oqt_status fill_turn(double *turn, const oqt_pt *pt, const oqt_system *system, oqt_error *err)
{
    size_t n = pt->d * pt->d;
    double *rotation = oqt__doubles(n * n), *work = oqt__doubles(n * n);
    oqt_status st = OQT_OK;

    if (!rotation || !work)
        st = oqt__no_memory(err, "a propagator");
    else if ((st = oqt__system_propagator(turn, system, pt->dt, err)) == OQT_OK) {
        oqt__herm_rotation(rotation, pt->u, pt->d);
        oqt__gemm(false, false, n, n, n, 1.0, rotation, n, turn, n, 0.0, work, n);
        oqt__gemm(false, true, n, n, n, 1.0, work, n, rotation, n, 0.0, turn, n);
    }
    oqt__free(rotation);
    oqt__free(work);
    return st;
}

static oqt_status map_init(struct map *map, const oqt_pt *pt, const oqt_system *system, oqt_error *err)
{
    size_t d2 = pt->d * pt->d, len = d2 * pt->chi;

    *map = (struct map){.pt = pt};
    map->mem = oqt__doubles(d2 * d2 + 2 * len + 2 * pt->chi + 3 * pt->n_tail);
    map->factors = oqt__calloc(d2, sizeof *map->factors);
    if (!map->mem || !map->factors)
        return oqt__no_memory(err, "a step of the dynamics");
    map->turn = map->mem;
    map->x = map->turn + d2 * d2;
    map->y = map->x + len;
    map->z = map->y + len;
    oqt__pt_factors(map->factors, d2, pt, LATE, 1, map->z + 2 * pt->chi);
    return fill_turn(map->turn, pt, system, err);
}

/* One leg pair: coordinates re (and im) of x from y. */
static void act(const struct map *map, size_t i, size_t j)
{
    const oqt_pt *pt = map->pt;
    size_t n = pt->chi, a = i * pt->d + j, b = j * pt->d + i, cls = pt->legs.cls[a];
    double *x = map->x + a * n, *x_im = map->x + b * n, *y = map->y + a * n, *y_im = map->y + b * n;
    oqt_complex w = map->factors[a];
    oqt__slot slot = oqt__pt_slot(pt, 0);

    if (i == j) {
        memset(map->z, 0, n * sizeof *map->z);
        oqt__path_apply(x, map->z + n, y, map->z, &slot, cls, 0.0);
        return;
    }
    for (size_t k = 0; oqt__pt_has_factors(pt) && k < n; k++) {
        oqt_complex v = oqt__mul((oqt_complex){y[k], y_im[k]}, w);

        y[k] = v.re;
        y_im[k] = v.im;
    }
    oqt__path_apply(x, x_im, y, y_im, &slot, cls, pt->legs.sign[a]);
}

/* Logarithm of the norm of the first n_states states of the bond. */
static double log_norm(const struct map *map, size_t n_states)
{
    size_t d2 = map->pt->d * map->pt->d, n = map->pt->chi;
    double sum = 0.0;

    for (size_t a = 0; a < d2; a++)
        for (size_t k = 0; k < n_states; k++)
            sum += map->x[a * n + k] * map->x[a * n + k];
    return map->log_scale + 0.5 * log(sum);
}

static void rescale(struct map *map)
{
    size_t len = map->pt->d * map->pt->d * map->pt->chi;
    double size = log_norm(map, map->pt->chi) - map->log_scale, factor = exp(-size);

    if (!isfinite(factor))
        return; /* all is lost, or nothing left */
    for (size_t k = 0; k < len; k++)
        map->x[k] *= factor;
    map->log_scale += size;
}

/* Traceless Hermitian matrices of random elements, one for each state of the bond, or for the vacuum alone.
 */
static void start(struct map *map, size_t n_states)
{
    size_t d = map->pt->d, n = map->pt->chi;
    uint64_t seed = 2718;

    map->log_scale = 0.0;
    memset(map->x, 0, d * d * n * sizeof *map->x);
    for (size_t a = 0; a < d * d; a++)
        for (size_t k = 0; k < n_states; k++)
            map->x[a * n + k] = (double)(oqt__random_bits(&seed) >> 11) * 0x1p-53 - 0.5;
    for (size_t k = 0; k < n_states; k++) {
        double mean = 0.0;

        for (size_t i = 0; i < d; i++)
            mean += map->x[(i * d + i) * n + k] / (double)d;
        for (size_t i = 0; i < d; i++)
            map->x[(i * d + i) * n + k] -= mean;
    }
    rescale(map);
    map->log_scale = 0.0;
}

static void advance(struct map *map, size_t n_steps)
{
    size_t d = map->pt->d, d2 = d * d, n = map->pt->chi;

    for (size_t step = 1; step <= n_steps; step++) {
        oqt__gemm(false, false, d2, n, d2, 1.0, map->turn, d2, map->x, n, 0.0, map->y, n);
        for (size_t i = 0; i < d; i++)
            for (size_t j = i; j < d; j++)
                act(map, i, j);
        if (step % RESCALE == 0)
            rescale(map);
    }
}

/* Whether anything grows; looked at over longer and longer times while it seems to. */
static bool grows(struct map *map, size_t n)
{
    static const double log_much = 2.3;
    double before, after;

    start(map, map->pt->chi);
    advance(map, n);
    for (before = log_norm(map, map->pt->chi); 2 * n <= MAX_STEPS; n *= 2, before = after) {
        advance(map, n);
        after = log_norm(map, map->pt->chi);
        if (!(after > before) || after - before > log_much)
            break;
    }
    return 2 * n > MAX_STEPS || !(after <= before);
}

/* What has grown beyond a state after n_steps steps. */
static double error_after(struct map *map, size_t n, size_t n_steps)
{
    double before, after, limit = log(2.0 * sqrt((double)map->pt->d));

    start(map, 1);
    advance(map, n);
    for (before = log_norm(map, 1); 2 * n <= MAX_STEPS; n *= 2, before = after) {
        advance(map, n);
        after = log_norm(map, 1);
        if (!(after <= limit))
            return fmin(exp(after - (after - before) * (2.0 * (double)n - (double)n_steps) / (double)n), 1.0);
    }
    return 0.0;
}

oqt_status oqt__growth_error(double *error, const oqt_pt *pt, const oqt_system *system, size_t n_steps,
                             oqt_error *err)
{
    size_t first = n_steps / 4 < FIRST_STEPS  ? FIRST_STEPS
                   : n_steps / 4 > LAST_FIRST ? LAST_FIRST
                                              : n_steps / 4;
    oqt__blas_guard guard = {false};
    struct map map;
    oqt_status st;

    *error = 0.0;
    oqt__blas_enter(&guard);
    if ((st = map_init(&map, pt, system, err)) == OQT_OK && grows(&map, first))
        *error = error_after(&map, first, n_steps);
    oqt__blas_leave(&guard);
    map_release(&map);
    return st;
}
