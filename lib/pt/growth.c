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
#include "pt/step.h"

enum { FIRST_STEPS = 32, LAST_FIRST = 512, MAX_STEPS = 1 << 15, RESCALE = 64 };

struct map {
    oqt__stepper stepper;
    size_t d2, chi;
    double *turn;         /* d^2 x d^2: the system between two steps */
    oqt_complex *factors; /* d^2                                     */
    double *x, *y;        /* d^2 x chi: the state, and scratch        */
    double *mem;
    double log_scale; /* of x */
};

static void map_release(struct map *map)
{
    oqt__stepper_release(&map->stepper);
    oqt__free(map->mem);
    oqt__free(map->factors);
}

static oqt_status map_init(struct map *map, const oqt_pt *pt, const oqt_system *system, oqt_error *err)
{
    size_t d2 = pt->d * pt->d, d4 = d2 * d2, len = d2 * pt->chi;
    double *half, *scratch;
    oqt_status st;

    *map = (struct map){.d2 = d2, .chi = pt->chi};
    map->mem = oqt__doubles(4 * d4 + 2 * len);
    map->factors = oqt__calloc(d2, sizeof *map->factors);
    if (!map->mem || !map->factors)
        return oqt__no_memory(err, "a step of the dynamics");
    map->turn = map->mem;
    half = map->turn + d4;
    scratch = half + d4;
    map->x = scratch + 2 * d4;
    map->y = map->x + len;
    if ((st = oqt__stepper_init(&map->stepper, pt->d, 1, &pt, OQT_SPLIT_LIST, err)) != OQT_OK ||
        (st = oqt__stepper_late_factors(map->factors, &map->stepper, err)) != OQT_OK ||
        (st = oqt__system_propagator(half, system, 0.5 * pt->dt, err)) != OQT_OK)
        return st;
    oqt__turn_next(map->turn, scratch, &map->stepper, 0, half, half);
    return OQT_OK;
}

/* Logarithm of the norm of the first n_states states of the bond. */
static double log_norm(const struct map *map, size_t n_states)
{
    size_t n = map->chi;
    double sum = 0.0;

    for (size_t a = 0; a < map->d2; a++)
        for (size_t k = 0; k < n_states; k++)
            sum += map->x[a * n + k] * map->x[a * n + k];
    return map->log_scale + 0.5 * log(sum);
}

static void rescale(struct map *map)
{
    size_t len = map->d2 * map->chi;
    double size = log_norm(map, map->chi) - map->log_scale, factor = exp(-size);

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
    size_t d = map->stepper.d, n = map->chi;
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
    for (size_t step = 1; step <= n_steps; step++) {
        oqt__turn(map->y, map->x, map->turn, map->d2, map->chi);
        oqt__step_tensors(map->x, map->y, &map->stepper, 0, map->factors, 1, 1);
        if (step % RESCALE == 0)
            rescale(map);
    }
}

/* Whether anything grows; looked at over longer and longer times while it seems to. */
static bool grows(struct map *map, size_t n)
{
    static const double log_much = 2.3;
    double before, after;

    start(map, map->chi);
    advance(map, n);
    for (before = log_norm(map, map->chi); 2 * n <= MAX_STEPS; n *= 2, before = after) {
        advance(map, n);
        after = log_norm(map, map->chi);
        if (!(after > before) || after - before > log_much)
            break;
    }
    return 2 * n > MAX_STEPS || !(after <= before);
}

/* What has grown beyond a state after n_steps steps. */
static double error_after(struct map *map, size_t n, size_t n_steps)
{
    double before, after, limit = log(2.0 * sqrt((double)map->stepper.d));

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
