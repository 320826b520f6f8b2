/*
 * path_compare.c - how far functionals are from each other on random paths: tensors, exact ones, and exact
 * ones of a memory that ends.
 *
 * Where memory ends after K slots, eta_K and all that follow are zero in E, and what slot m does to slot m +
 * K is added by its own sums.
 */
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

struct paths {
    size_t n_paths, n_slots;
    struct oqt__path *path;
    struct oqt__piece *piece; /* n_paths x n_slots: room for the pieces of all paths */
};

/* ---- the exact functional ---- */

static oqt_complex difference(oqt_complex a, oqt_complex b)
{
    return (oqt_complex){a.re - b.re, a.im - b.im};
}

/* value[p] = F after piece p. */
static void exact_values(oqt_complex *value, const oqt__exact *exact, const struct oqt__path *path)
{
    oqt_complex log_f = {0.0, 0.0}, felt = {0.0, 0.0};

    for (size_t p = 0; p < path->n; p++) {
        oqt__path_exponent(&log_f, &felt, exact, path, p);
        double size = exp(log_f.re);

        value[p] = (oqt_complex){size * cos(log_f.im), size * sin(log_f.im)};
    }
}

/* Sums for the functional of a memory that ends, or of all of it (cut NULL), on n slots: E(k) into square,
 * n + 1 of them, and those of the ends into end, n - K + 1. */
static void sum_memory(oqt_complex *square, oqt_complex *end, const oqt_complex *eta, const oqt__cutoff *cut,
                       size_t n)
{
    oqt_complex sum = {0.0, 0.0};

    for (size_t k = 0; k < n; k++) {
        if (!cut || k < cut->steps) {
            sum.re += eta[k].re;
            sum.im += eta[k].im;
        }
        square[k + 1] = (oqt_complex){square[k].re + sum.re, square[k].im + sum.im};
    }
    for (size_t k = 0; cut && k + cut->steps < n; k++)
        end[k + 1] = (oqt_complex){end[k].re + cut->end[k].re, end[k].im + cut->end[k].im};
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
    size_t n = paths->n_slots, n_paths = paths->n_paths;
    oqt_complex *value = oqt__calloc(n_paths * n, sizeof *value);
    oqt_complex *square = oqt__calloc(n + 1, sizeof *square);
    oqt_complex *end = oqt__calloc(cut && cut->steps < n ? n - cut->steps + 1 : 1, sizeof *end);
    oqt__exact exact = {legs, square, cut ? cut->steps : 0, cut ? end : NULL};
    bool ok = value && square && end;

    if (ok) {
        sum_memory(square, end, eta, cut, n);
        n_threads = oqt__threads(n_threads, n_paths);
#pragma omp parallel for default(none) shared(n_paths, n, paths, value, exact) schedule(dynamic)             \
    num_threads(n_threads)
        for (size_t p = 0; p < n_paths; p++)
            exact_values(value + p * n, &exact, &paths->path[p]);
    }
    oqt__free(square);
    oqt__free(end);
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
