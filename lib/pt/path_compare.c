/*
 * path_compare.c - how far functionals are from each other on random paths: tensors, exact ones, and exact
 * ones of a memory that ends.
 *
 * Sums over pairs of pieces as in path_test.c; where memory ends after K slots, eta_K and all that follow are
 * zero in E, and what slot m does to slot m + K is added by its own sums.
 */
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

struct paths {
    size_t n_paths, n_slots;
    struct oqt__path *path;
    struct oqt__piece *piece; /* n_paths x n_slots: room for the pieces of all paths */
};

/* An exact functional. */
struct exact {
    const oqt__legs *legs;
    size_t memory;       /* K, or SIZE_MAX                                  */
    oqt_complex *square; /* E(k) for k = 0 .. n_slots                       */
    oqt_complex *end;    /* sums of end_m over m < k, k = 0 .. n_slots - K  */
};

/* ---- the exact functional ---- */

static oqt_complex difference(oqt_complex a, oqt_complex b)
{
    return (oqt_complex){a.re - b.re, a.im - b.im};
}

/* Factor of the influence of piece q on piece p >= q. */
static oqt_complex pair_sum(const struct exact *exact, const struct oqt__piece *p, const struct oqt__piece *q)
{
    const oqt_complex *square = exact->square;
    size_t s = p->start, e = s + ((size_t)1 << p->log2_length), k = exact->memory;
    size_t s0 = q->start, e0 = s0 + ((size_t)1 << q->log2_length);
    oqt_complex sum = square[e - s];

    if (p != q)
        sum = (oqt_complex){square[e - s0].re - square[s - s0].re - square[e - e0].re + square[s - e0].re,
                            square[e - s0].im - square[s - s0].im - square[e - e0].im + square[s - e0].im};
    /* slots m of q with m + K in p */
    if (k < e) {
        size_t low = s > s0 + k ? s - k : s0, high = e < e0 + k ? e - k : e0;

        if (low < high) {
            oqt_complex more = difference(exact->end[high], exact->end[low]);

            sum.re += more.re;
            sum.im += more.im;
        }
    }
    return sum;
}

/* What piece p adds to the exponent. */
static oqt_complex exponent(const struct exact *exact, const struct oqt__path *path, size_t p)
{
    const oqt__legs *legs = exact->legs;
    const struct oqt__piece *piece = path->piece;
    double om = legs->sign[piece[p].leg] * legs->om[legs->cls[piece[p].leg]];
    oqt_complex sum = {0.0, 0.0};

    for (size_t q = 0; q <= p && om != 0.0; q++) {
        oqt_complex w = pair_sum(exact, piece + p, piece + q);
        size_t cls = legs->cls[piece[q].leg];

        sum.re -= om * w.re * legs->sign[piece[q].leg] * legs->om[cls];
        sum.im -= om * w.im * legs->sp[cls];
    }
    return sum;
}

/* value[p] = F after piece p. */
static void exact_values(oqt_complex *value, const struct exact *exact, const struct oqt__path *path)
{
    oqt_complex log_f = {0.0, 0.0};

    for (size_t p = 0; p < path->n; p++) {
        oqt_complex more = exponent(exact, path, p);
        double size;

        log_f.re += more.re;
        log_f.im += more.im;
        size = exp(log_f.re);
        value[p] = (oqt_complex){size * cos(log_f.im), size * sin(log_f.im)};
    }
}

static void exact_release(struct exact *exact)
{
    oqt__free(exact->square);
    oqt__free(exact->end);
}

/* The functional of a memory that ends, or of all of it (cut NULL), on n slots. */
static bool exact_init(struct exact *exact, const oqt__legs *legs, const oqt_complex *eta,
                       const oqt__cutoff *cut, size_t n)
{
    size_t memory = cut ? cut->steps : SIZE_MAX;
    oqt_complex sum = {0.0, 0.0};

    *exact = (struct exact){.legs = legs, .memory = memory};
    exact->square = oqt__calloc(n + 1, sizeof *exact->square);
    exact->end = oqt__calloc(memory < n ? n - memory + 1 : 1, sizeof *exact->end);
    if (!exact->square || !exact->end)
        return false;
    for (size_t k = 0; k < n; k++) {
        if (k < memory) {
            sum.re += eta[k].re;
            sum.im += eta[k].im;
        }
        exact->square[k + 1] = (oqt_complex){exact->square[k].re + sum.re, exact->square[k].im + sum.im};
    }
    for (size_t k = 0; memory < n && k < n - memory; k++)
        exact->end[k + 1] =
            (oqt_complex){exact->end[k].re + cut->end[k].re, exact->end[k].im + cut->end[k].im};
    return true;
}

/* ---- the tensor ---- */

/* value[p] = F after piece p. x: 4 bonds. */
static void run_path(oqt_complex *value, const oqt_pt *pt, const struct oqt__path *path, double *x)
{
    size_t chi = pt->info.bond_dimension;
    double *old = x, *new = x + 2 * chi;

    memset(x, 0, 2 * chi * sizeof *x);
    old[0] = 1.0;
    for (size_t p = 0; p < path->n; p++) {
        const struct oqt__piece *piece = path->piece + p;
        size_t end = piece->start + ((size_t)1 << piece->log2_length);

        for (size_t k = piece->start; k < end; k++) {
            oqt__slot slot = oqt__pt_slot(pt, k);
            double *swap = old;

            oqt__path_apply(new, new + chi, old, old + chi, &slot, pt->legs.cls[piece->leg],
                            pt->legs.sign[piece->leg]);
            old = new;
            new = swap;
        }
        value[p] = (oqt_complex){old[0], old[chi]};
    }
}

/* ---- the comparison ---- */

static void paths_release(struct paths *paths)
{
    oqt__free(paths->path);
    oqt__free(paths->piece);
}

static bool draw_paths(struct paths *paths, size_t n_legs, size_t n, double lam)
{
    size_t n_paths = oqt__path_count(n_legs, lam);

    *paths = (struct paths){n_paths, n, oqt__calloc(n_paths, sizeof *paths->path),
                            oqt__calloc(n_paths * n, sizeof *paths->piece)};
    if (!paths->path || !paths->piece)
        return false;
    for (size_t p = 0; p < n_paths; p++) {
        /* paths start on all legs, or are spread over them */
        size_t first = n_paths < n_legs ? p * n_legs / n_paths : p % n_legs;
        double share = ((double)p + 0.5) / (double)n_paths;

        paths->path[p].piece = paths->piece + p * n;
        /* without a rate, stays of all lengths */
        oqt__path_draw(&paths->path[p], n, n_legs, first, lam > 0.0 ? lam : exp(-pow((double)n, -share)),
                       4711 + p);
    }
    return true;
}

/* Values of a functional or a tensor after each piece of all paths, at most n_slots for each; NULL if out of
 * memory. */
static oqt_complex *exact_all(const struct paths *paths, const oqt__legs *legs, const oqt_complex *eta,
                              const oqt__cutoff *cut, int n_threads)
{
    oqt_complex *value = oqt__calloc(paths->n_paths * paths->n_slots, sizeof *value);
    struct exact exact;
    bool ok = exact_init(&exact, legs, eta, cut, paths->n_slots) && value;
    size_t n_paths = ok ? paths->n_paths : 0;

    n_threads = oqt__threads(n_threads, paths->n_paths);
#pragma omp parallel for default(none) shared(n_paths, paths, value, exact) schedule(dynamic)                \
    num_threads(n_threads)
    for (size_t p = 0; p < n_paths; p++)
        exact_values(value + p * paths->n_slots, &exact, &paths->path[p]);
    exact_release(&exact);
    if (!ok) {
        oqt__free(value);
        return NULL;
    }
    return value;
}

static oqt_complex *run_all(const struct paths *paths, const oqt_pt *pt, int n_threads)
{
    size_t n_paths = paths->n_paths, chi = pt->info.bond_dimension;
    oqt_complex *value = oqt__calloc(n_paths * paths->n_slots, sizeof *value);
    double *x = oqt__doubles(n_paths * 4 * chi);
    bool ok = value && x;

    n_paths = ok ? n_paths : 0;

    n_threads = oqt__threads(n_threads, n_paths);
#pragma omp parallel for default(none) shared(paths, n_paths, value, x, pt, chi) schedule(dynamic)           \
    num_threads(n_threads)
    for (size_t p = 0; p < n_paths; p++)
        run_path(value + p * paths->n_slots, pt, &paths->path[p], x + p * 4 * chi);
    oqt__free(x);
    if (!ok) {
        oqt__free(value);
        return NULL;
    }
    return value;
}

/* Root mean square over paths of the largest |a - b| after any of their pieces, and after those of the first
 * half of the path. */
static void distance_of(double distance[2], const struct paths *paths, const oqt_complex *a,
                        const oqt_complex *b)
{
    double sum[2] = {0.0, 0.0};

    for (size_t p = 0; p < paths->n_paths; p++) {
        double worst[2] = {0.0, 0.0};

        for (size_t i = 0; i < paths->path[p].n; i++) {
            const struct oqt__piece *piece = paths->path[p].piece + i;
            oqt_complex d = difference(a[p * paths->n_slots + i], b[p * paths->n_slots + i]);
            double err2 = d.re * d.re + d.im * d.im;

            if (!(err2 <= worst[0]))
                worst[0] = err2; /* and a NaN stays */
            if (2 * (piece->start + ((size_t)1 << piece->log2_length)) <= paths->n_slots)
                worst[1] = worst[0];
        }
        sum[0] += worst[0];
        sum[1] += worst[1];
    }
    for (size_t i = 0; i < 2; i++)
        distance[i] = sqrt(sum[i] / (double)paths->n_paths);
}

oqt_status oqt__path_test_cut(double error[2], double cutoff_error[2], const oqt_pt *pt,
                              const oqt_complex *eta, const oqt__cutoff *cut, size_t n, double lam,
                              int n_threads, oqt_error *err)
{
    struct paths paths;
    oqt_complex *value = NULL, *exact = NULL, *full = NULL;
    bool ok = draw_paths(&paths, pt->d * pt->d, n, lam) && (value = run_all(&paths, pt, n_threads)) != NULL &&
              (exact = exact_all(&paths, &pt->legs, eta, cut, n_threads)) != NULL;

    if (cut)
        ok = ok && (full = exact_all(&paths, &pt->legs, eta, NULL, n_threads)) != NULL;
    if (ok)
        distance_of(error, &paths, value, exact);
    if (ok && cut)
        distance_of(cutoff_error, &paths, exact, full);
    paths_release(&paths);
    oqt__free(value);
    oqt__free(exact);
    oqt__free(full);
    return ok ? OQT_OK : oqt__no_memory(err, "the path test");
}

oqt_status oqt__path_distance(double *distance, const oqt_pt *a, const oqt_pt *b, size_t n, double lam,
                              int n_threads, oqt_error *err)
{
    struct paths paths;
    oqt_complex *value_a = NULL, *value_b = NULL;
    double both[2];
    bool ok = draw_paths(&paths, a->d * a->d, n, lam) && (value_a = run_all(&paths, a, n_threads)) != NULL &&
              (value_b = run_all(&paths, b, n_threads)) != NULL;

    if (ok) {
        distance_of(both, &paths, value_a, value_b);
        *distance = both[0];
    }
    paths_release(&paths);
    oqt__free(value_a);
    oqt__free(value_b);
    return ok ? OQT_OK : oqt__no_memory(err, "the path test");
}
