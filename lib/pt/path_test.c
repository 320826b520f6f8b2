/*
 * path_test.c - the error of a finished tensor on random paths.
 *
 * Paths stay on a leg for a while. So they are made of pieces of 2^j slots on one leg, each a product with a
 * power of the tensor of that leg, and the exact exponent of a path is a sum over pieces and earlier stays:
 * with
 *
 *     E(k) = sum_{j < k} (k - j) eta_j,
 *
 * the double sum of eta_{n-m} over n in [s, e) and an earlier m in [s', e') is
 * E(e - s') - E(e - e') less the same of s, and E(e - s') less E(s - s') for a stay that s and e belong to.
 */
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "pt/kernel.h"

enum { PATHS = 16, MAX_PATHS = 40, CHECKS = 64 };

/* Units of slots are used where this share of stays is longer. */
static const double SHORTEST_STAY = 0.1;

/* Room for powers of the tensor; where they do not fit, pieces are run in several products. */
static const size_t POWER_BYTES = (size_t)64 << 20;

/* What all paths share. */
struct test {
    const oqt_pt *pt;
    size_t n_slots;      /* or units of many slots, on each of which a path stays on its leg */
    double *unit;        /* tensors of a unit, or NULL for those of the slots                */
    oqt_complex *square; /* E(k) for k = 0 .. n_slots                                        */
    size_t n_power;      /* 1 + j for the largest stored power 2^j          */
    double *power;       /* n_power x n_class x 2 x bond x bond, or NULL: the first power is the tensor */
};

static double uniform(uint64_t *state)
{
    return (double)(oqt__random_bits(state) >> 11) * 0x1p-53;
}

static unsigned log2_floor(size_t n)
{
    unsigned j = 0;

    while (n >> 1 >> j)
        j++;
    return j;
}

static void add_piece(struct oqt__path *path, size_t leg, size_t *slot, unsigned log2_length)
{
    bool same = path->n > 0 && path->piece[path->n - 1].leg == leg;

    path->piece[path->n] =
        (struct oqt__piece){leg, *slot, log2_length, same ? path->piece[path->n - 1].first : path->n};
    path->n++;
    *slot += (size_t)1 << log2_length;
}

/* A stay of `length` slots: pieces that end at s, 2 s, 3 s, 4 s, 6 s, 8 s, 12 s, .. and what is left. The
 * error is looked at after each, so the first are short against the stay or against the path. */
static void add_stay(struct oqt__path *path, size_t leg, size_t *slot, size_t length, size_t n_slots)
{
    size_t start = *slot, first = length / 2 < n_slots / CHECKS ? length / 2 : n_slots / CHECKS;
    unsigned least = log2_floor(first > 0 ? first : 1);

    while (*slot < start + length) {
        size_t done = *slot - start, half = done / 2, left = length - done;
        unsigned j = half >> least ? log2_floor(half) : least;

        add_piece(path, leg, slot, left >> j ? j : log2_floor(left));
    }
}

/* Slots until the chain draws a leg anew, rounded at random to 2^j or 2^(j+1) so that the mean stays. */
static size_t draw_stay(double lam, size_t most, uint64_t *seed)
{
    double length = lam >= 1.0 ? INFINITY : 1.0 + floor(log(uniform(seed)) / log(lam));
    size_t low;

    if (!(length < (double)most))
        return most;
    low = (size_t)1 << log2_floor((size_t)length);
    if (uniform(seed) * (double)low < length - (double)low)
        low *= 2;
    return low < most ? low : most;
}

void oqt__path_draw(struct oqt__path *path, size_t n_slots, size_t n_legs, size_t first, double lam,
                    uint64_t seed)
{
    size_t slot = 0, leg = first;

    path->n = 0;
    while (slot < n_slots) {
        add_stay(path, leg, &slot, draw_stay(lam, n_slots - slot, &seed), n_slots);
        leg = (size_t)(uniform(&seed) * (double)n_legs);
    }
}

/* ---- the exact functional ---- */

/* What slots up to x, in the stay of piece p, feel of all before them, summed. */
static oqt_complex felt_until(const oqt__exact *exact, const struct oqt__path *path, size_t p, size_t x)
{
    const oqt__legs *legs = exact->legs;
    const oqt_complex *square = exact->square;
    oqt_complex sum = {0.0, 0.0};

    for (size_t last = p + 1; last > 0; last = path->piece[last - 1].first) {
        const struct oqt__piece *q = path->piece + last - 1;
        size_t s = path->piece[q->first].start, e = last > p ? x : q->start + ((size_t)1 << q->log2_length);
        size_t cls = legs->cls[q->leg];
        double re = square[x - s].re - square[x - e].re, im = square[x - s].im - square[x - e].im;

        /* slots m of that stay whose memory ends at m + K < x */
        if (exact->end && x > s + exact->memory) {
            size_t high = x - exact->memory < e ? x - exact->memory : e;

            re += exact->end[high].re - exact->end[s].re;
            im += exact->end[high].im - exact->end[s].im;
        }
        sum.re += re * legs->sign[q->leg] * legs->om[cls];
        sum.im += im * legs->sp[cls];
    }
    return sum;
}

void oqt__path_exponent(oqt_complex *log_f, oqt_complex *felt, const oqt__exact *exact,
                        const struct oqt__path *path, size_t p)
{
    const oqt__legs *legs = exact->legs;
    const struct oqt__piece *piece = path->piece + p;
    double om = legs->sign[piece->leg] * legs->om[legs->cls[piece->leg]];
    oqt_complex before = *felt;

    if (om == 0.0)
        return;
    if (piece->first == p)
        before = felt_until(exact, path, p, piece->start);
    *felt = felt_until(exact, path, p, piece->start + ((size_t)1 << piece->log2_length));
    log_f->re -= om * (felt->re - before.re);
    log_f->im -= om * (felt->im - before.im);
}

/* ---- the tensor ---- */

void oqt__path_apply(double *y_re, double *y_im, const double *x_re, const double *x_im,
                     const oqt__slot *slot, size_t cls, double sign)
{
    const double *re = oqt__slot_real(slot, cls), *im = oqt__slot_imag(slot, cls);
    size_t m = slot->left, n = slot->right;

    memset(y_re, 0, n * sizeof *y_re);
    memset(y_im, 0, n * sizeof *y_im);
    if (sign == 0.0) {
        oqt__add_rows(y_re, x_re, re, n, m, n);
        oqt__add_rows(y_im, x_im, re, n, m, n);
    } else if (sign > 0.0) {
        oqt__add_complex_rows(y_re, y_im, x_re, x_im, re, im, n, m, n);
    } else { /* i y^* = i x^* (re + i im) */
        oqt__add_complex_rows(y_im, y_re, x_im, x_re, re, im, n, m, n);
    }
}

/* Largest |F - exact|^2 over the pieces of a path, and over those of its first half. x: 4 bonds. */
static void run_path(double worst[2], const struct test *test, const struct oqt__path *path, double *x)
{
    const oqt_pt *pt = test->pt;
    size_t chi = pt->info.bond_dimension, size = 2 * pt->legs.n_class * pt->chi * pt->chi;
    double *old = x, *new = x + 2 * chi;
    oqt_complex log_f = {0.0, 0.0}, felt = {0.0, 0.0};
    oqt__exact full = {.legs = &pt->legs, .square = test->square};

    worst[0] = worst[1] = 0.0;
    memset(x, 0, 2 * chi * sizeof *x);
    old[0] = 1.0;
    for (size_t p = 0; p < path->n; p++) {
        const struct oqt__piece *piece = path->piece + p;
        unsigned j = piece->log2_length < test->n_power ? piece->log2_length : (unsigned)test->n_power - 1;
        size_t end = piece->start + ((size_t)1 << piece->log2_length);

        oqt__path_exponent(&log_f, &felt, &full, path, p);
        for (size_t k = piece->start; k < end; k += (size_t)1 << j) {
            oqt__slot slot = oqt__pt_slot(pt, k);
            double *swap = old;

            if (j > 0)
                slot.f = test->power + (j - 1) * size;
            else if (test->unit)
                slot.f = test->unit;
            oqt__path_apply(new, new + chi, old, old + chi, &slot, pt->legs.cls[piece->leg],
                            pt->legs.sign[piece->leg]);
            old = new;
            new = swap;
        }
        double exact = exp(log_f.re), re = old[0] - exact * cos(log_f.im),
               im = old[chi] - exact * sin(log_f.im);
        double err2 = re * re + im * im;

        if (!(err2 <= worst[0]))
            worst[0] = err2; /* and a NaN stays */
        if (2 * end <= test->n_slots)
            worst[1] = worst[0];
    }
}

/* Squares of the tensors of all classes. */
static void square_tensors(double *to, const double *from, const oqt_pt *pt)
{
    size_t n = pt->chi, nn = n * n;

    for (size_t k = 0; k < pt->legs.n_class; k++, from += 2 * nn, to += 2 * nn) {
        const double *re = from, *im = from + nn;

        oqt__gemm(false, false, n, n, n, 1.0, re, n, re, n, 0.0, to, n);
        if (pt->legs.om[k] == 0.0)
            continue; /* real: the imaginary part is never read */
        oqt__gemm(false, false, n, n, n, -1.0, im, n, im, n, 1.0, to, n);
        oqt__gemm(false, false, n, n, n, 1.0, re, n, im, n, 0.0, to + nn, n);
        oqt__gemm(false, false, n, n, n, 1.0, im, n, re, n, 1.0, to + nn, n);
    }
}

/* E(k) of slots. */
static bool sum_memory(struct test *test, const oqt_complex *eta)
{
    oqt_complex sum = {0.0, 0.0}, *square = oqt__calloc(test->n_slots + 1, sizeof *square);

    test->square = square;
    for (size_t k = 0; square && k < test->n_slots; k++) {
        sum.re += eta[k].re;
        sum.im += eta[k].im;
        square[k + 1] = (oqt_complex){square[k].re + sum.re, square[k].im + sum.im};
    }
    return square != NULL;
}

/* The powers that the paths ask for; a tensor that lasts some steps only has none. */
static bool prepare_powers(struct test *test, const struct oqt__path *paths, size_t n_paths)
{
    const oqt_pt *pt = test->pt;
    size_t size = 2 * pt->legs.n_class * pt->chi * pt->chi;

    test->n_power = 1;
    for (size_t p = 0; p < n_paths && pt->info.n_steps == SIZE_MAX; p++)
        for (size_t i = 0; i < paths[p].n; i++)
            if (paths[p].piece[i].log2_length >= test->n_power)
                test->n_power = 1 + paths[p].piece[i].log2_length;
    while (test->n_power > 1 && (test->n_power - 1) * size > POWER_BYTES / sizeof(double))
        test->n_power--;
    test->power = oqt__doubles((test->n_power - 1) * size);
    if (!test->power)
        return false;
    for (size_t j = 1; j < test->n_power; j++)
        square_tensors(test->power + (j - 1) * size,
                       j > 1        ? test->power + (j - 2) * size
                       : test->unit ? test->unit
                                    : pt->f,
                       pt);
    return true;
}

size_t oqt__path_count(size_t n_legs, double lam)
{
    if (n_legs > MAX_PATHS)
        return MAX_PATHS;
    return lam >= 1.0 || n_legs > PATHS ? n_legs
                                        : PATHS; /* one for each leg is all there are without jumps */
}

/* Draw the paths and run them; test->square and ->unit are there, and given up here. */
static oqt_status run_test(double error[2], struct test *test, double lam, int n_threads, oqt_error *err)
{
    const oqt_pt *pt = test->pt;
    size_t n = test->n_slots, n_legs = pt->d * pt->d, n_paths = oqt__path_count(n_legs, lam);
    size_t chi = pt->info.bond_dimension;
    struct oqt__path *path = oqt__calloc(n_paths, sizeof *path);
    struct oqt__piece *piece = oqt__calloc(n_paths * n, sizeof *piece);
    double *err2 = oqt__doubles(2 * n_paths), *x = oqt__doubles(n_paths * 4 * chi), sum[2] = {0.0, 0.0};
    bool ok = path && piece && err2 && x;

    for (size_t p = 0; ok && p < n_paths; p++) {
        /* paths start on all legs, or are spread over them */
        size_t first = n_paths < n_legs ? p * n_legs / n_paths : p % n_legs;
        double share = ((double)p + 0.5) / (double)n_paths;

        path[p].piece = piece + p * n;
        /* without a rate, stays of all lengths */
        oqt__path_draw(&path[p], n, n_legs, first, lam > 0.0 ? lam : exp(-pow((double)n, -share)), 4711 + p);
    }
    ok = ok && prepare_powers(test, path, n_paths);
    if (ok) {
        n_threads = oqt__threads(n_threads, n_paths);
#pragma omp parallel for default(none) shared(n_paths, path, err2, x, test, chi) schedule(dynamic)           \
    num_threads(n_threads)
        for (size_t p = 0; p < n_paths; p++)
            run_path(err2 + 2 * p, test, &path[p], x + p * 4 * chi);
        for (size_t p = 0; p < 2 * n_paths; p++)
            sum[p % 2] += err2[p];
        error[0] = sqrt(sum[0] / (double)n_paths);
        error[1] = sqrt(sum[1] / (double)n_paths);
    }
    oqt__free(path);
    oqt__free(piece);
    oqt__free(err2);
    oqt__free(x);
    oqt__free(test->square);
    oqt__free(test->unit);
    oqt__free(test->power);
    return ok ? OQT_OK : oqt__no_memory(err, "the path test");
}

oqt_status oqt__path_test(double error[2], const oqt_pt *pt, const oqt_complex *eta, size_t n, double lam,
                          int n_threads, oqt_error *err)
{
    struct test test = {.pt = pt, .n_slots = n};

    if (!sum_memory(&test, eta))
        return oqt__no_memory(err, "the path test");
    return run_test(error, &test, lam, n_threads, err);
}

/* Tensors of 2^q slots on one leg. */
static bool make_unit(struct test *test, unsigned q)
{
    size_t size = 2 * test->pt->legs.n_class * test->pt->chi * test->pt->chi;
    double *old = oqt__copy(test->pt->f, size, sizeof *old), *new = oqt__doubles(size);
    bool ok;

    for (; old && new &&q > 0; q--) {
        double *swap = old;

        square_tensors(new, old, test->pt);
        old = new;
        new = swap;
    }
    test->unit = old;
    ok = old && new;
    oqt__free(new);
    return ok;
}

oqt_status oqt__path_test_long(double *error, const oqt_pt *pt, const oqt_bath *bath, size_t n_steps,
                               double lam, int n_threads, oqt_error *err)
{
    enum { UNITS = 256 };
    struct test test = {.pt = pt};
    unsigned q = n_steps > UNITS ? log2_floor((n_steps - 1) / UNITS) + 1 : 0;
    double unit = ldexp(1.0, (int)q), both[2], t[UNITS + 1];
    oqt__blas_guard guard = {false};
    oqt_status st;

    *error = 0.0;
    if (lam > 0.0 && pow(lam, unit) < SHORTEST_STAY)
        return OQT_OK;
    test.n_slots = (n_steps + ((size_t)1 << q) - 1) >> q;
    for (size_t k = 0; k <= test.n_slots; k++)
        t[k] = (double)k * unit * pt->dt;
    test.square = oqt__calloc(test.n_slots + 1, sizeof *test.square);
    if (!test.square)
        return oqt__no_memory(err, "the path test");
    if ((st = oqt_bath_eta_function(test.square, bath, test.n_slots + 1, t, n_threads, err)) != OQT_OK) {
        oqt__free(test.square);
        return st;
    }
    oqt__blas_enter(&guard);
    if (make_unit(&test, q)) {
        st = run_test(both, &test, lam > 0.0 ? pow(lam, unit) : 0.0, n_threads, err);
        *error = both[0];
    } else {
        oqt__free(test.square);
        oqt__free(test.unit);
        st = oqt__no_memory(err, "the path test");
    }
    oqt__blas_leave(&guard);
    return st;
}
