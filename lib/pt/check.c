/* check.c - defects of a finished process tensor. */
#include <math.h>
#include <string.h>

#include "pt/pt_priv.h"

/* Slots of which one after the other is looked at. */
static size_t n_slots(const oqt_pt *pt)
{
    return pt->bond ? pt->info.n_steps : 1;
}

static size_t count_not_finite(const oqt_pt *pt)
{
    size_t n = 0;

    for (size_t k = 0; k < n_slots(pt); k++) {
        oqt__slot slot = oqt__pt_slot(pt, k);

        for (size_t i = 0; i < oqt__pt_blocks(pt) * slot.left * slot.right; i++)
            n += isfinite(slot.f[i]) ? 0 : 1;
    }
    return n;
}

/* Classes of legs (i, j) with o_i = o_j are real. */
static double largest_imaginary(const oqt_pt *pt, const oqt__slot *slot)
{
    double largest = 0.0;

    for (size_t c = 0; c < pt->legs.n_class; c++)
        for (size_t i = 0; pt->legs.om[c] == 0.0 && i < slot->left * slot->right; i++)
            largest = fmax(largest, fabs(oqt__slot_imag(slot, c)[i]));
    return largest;
}

/* ---- paths that stay on their leg ---- */

/* How much a leg (i, i) more, behind the path that has come to x, changes its influence. x: real part and
 * imaginary part of a row as long as the left bond. */
static double end_effect(const oqt_pt *pt, const oqt__slot *slot, const double *x)
{
    double largest = 0.0;

    for (size_t c = 0; c < pt->legs.n_class; c++) {
        const double *f = oqt__slot_real(slot, c);
        double re = -x[0], im = -x[slot->left];

        if (pt->legs.om[c] != 0.0)
            continue;
        for (size_t i = 0; i < slot->left; i++) {
            re += x[i] * f[i * slot->right];
            im += x[slot->left + i] * f[i * slot->right];
        }
        largest = fmax(largest, hypot(re, im));
    }
    return largest;
}

/* y = x f_a, and y / |y|; returns |y|. */
static double next_row(double *y, const double *x, const oqt__slot *slot, size_t cls)
{
    size_t l = slot->left, r = slot->right;
    double sum = 0.0;

    oqt__gemm(false, false, 2, r, l, 1.0, x, l, oqt__slot_real(slot, cls), r, 0.0, y, r);
    oqt__gemm(false, false, 1, r, l, -1.0, x + l, l, oqt__slot_imag(slot, cls), r, 1.0, y, r);
    oqt__gemm(false, false, 1, r, l, 1.0, x, l, oqt__slot_imag(slot, cls), r, 1.0, y + r, r);
    for (size_t i = 0; i < 2 * r; i++)
        sum += y[i] * y[i];
    for (size_t i = 0; i < 2 * r && sum > 0.0; i++)
        y[i] /= sqrt(sum);
    return sqrt(sum);
}

/* n steps on one leg from e_0 on; returns the logarithm of the size of the last row. Scratch of 4 chi. */
static double follow(oqt_pt_defects *out, const oqt_pt *pt, size_t cls, size_t n, double *scratch)
{
    double *x = scratch, *y = scratch + 2 * pt->chi, size = 0.0;

    memset(x, 0, 2 * pt->chi * sizeof *x);
    x[0] = 1.0;
    for (size_t k = 0; k < n; k++) {
        oqt__slot slot = oqt__pt_slot(pt, k);
        double effect = end_effect(pt, &slot, x), grown = next_row(y, x, &slot, cls), *swap = x;

        effect *= effect > 0.0 ? exp(size) : 1.0;
        if (!isfinite(grown) || !isfinite(effect)) {
            out->trace = INFINITY;
            return INFINITY;
        }
        out->trace = fmax(out->trace, effect);
        if (grown == 0.0)
            return -INFINITY;
        size += log(grown);
        x = y;
        y = swap;
    }
    return size;
}

/* Elements of e_0^T f f .. for matrices d x d that an idle system starts from, and the change of their trace
 * in each step. Scratch of 2 d^2 chi. */
static void follow_idle(oqt_pt_defects *out, const oqt_pt *pt, size_t start, double *scratch)
{
    size_t d = pt->d, d2 = d * d;
    double *x = scratch, *y = scratch + d2 * pt->chi, trace = 1.0;

    memset(x, 0, d2 * pt->chi * sizeof *x);
    x[start * (d + 1)] = 1.0;
    for (size_t k = 0; k < pt->info.n_steps; k++) {
        oqt__slot slot = oqt__pt_slot(pt, k);
        double *swap = x, next = 0.0;

        memset(y, 0, d2 * slot.right * sizeof *y);
        for (size_t from = 0; from < d2; from++)
            for (size_t to = 0; to < d2; to++)
                oqt__gemm(false, false, 1, slot.right, slot.left, 1.0, x + from * slot.left, slot.left,
                          oqt__slot_general(&slot, d, from, to), slot.right, 1.0, y + to * slot.right,
                          slot.right);
        for (size_t i = 0; i < d; i++)
            next += y[i * (d + 1) * slot.right];
        out->trace = isfinite(next) ? fmax(out->trace, fabs(next - trace)) : INFINITY;
        trace = next;
        x = y;
        y = swap;
    }
}

/* ---- growth ---- */

/* A complex matrix, n x n, and scratch of the same size. */
struct square {
    double *re, *im, *new_re, *new_im;
    size_t n;
};

/* A <- A A / |A A|_F; returns log |A A|_F, -infinity where nothing is left. */
static double square(struct square *a)
{
    struct square old = *a;
    size_t n = a->n;
    double sum = 0.0, scale;

    oqt__gemm(false, false, n, n, n, 1.0, a->re, n, a->re, n, 0.0, a->new_re, n);
    oqt__gemm(false, false, n, n, n, -1.0, a->im, n, a->im, n, 1.0, a->new_re, n);
    oqt__gemm(false, false, n, n, n, 1.0, a->re, n, a->im, n, 0.0, a->new_im, n);
    oqt__gemm(false, false, n, n, n, 1.0, a->im, n, a->re, n, 1.0, a->new_im, n);
    for (size_t i = 0; i < n * n; i++)
        sum += a->new_re[i] * a->new_re[i] + a->new_im[i] * a->new_im[i];
    *a = (struct square){old.new_re, old.new_im, old.re, old.im, n};
    if (!(sum > 0.0))
        return -INFINITY;
    scale = 1.0 / sqrt(sum);
    for (size_t i = 0; i < n * n; i++) {
        a->re[i] *= scale;
        a->im[i] *= scale;
    }
    return 0.5 * log(sum);
}

/*
 * Spectral radius of f_a, (|f^(2n)| / |f^n|)^(1/n) with n = 2^23: constants that powers are large by are out
 * of it. log |f^(2^(q+1))| = 2 log |f^(2^q)| + log |square of the normalized|.
 */
static double radius(struct square *work, const oqt__slot *slot, size_t cls)
{
    enum { SQUARINGS = 24 };
    size_t len = slot->left * slot->right;
    const double *re = oqt__slot_real(slot, cls), *im = oqt__slot_imag(slot, cls);
    double size, before = 0.0, largest = 0.0;

    for (size_t i = 0; i < len; i++)
        largest = fmax(largest, fmax(fabs(re[i]), fabs(im[i])));
    if (largest == 0.0)
        return 0.0;
    for (size_t i = 0; i < len; i++) {
        work->re[i] = re[i] / largest;
        work->im[i] = im[i] / largest;
    }
    size = log(largest);
    for (int q = 0; q < SQUARINGS; q++) {
        double step = square(work);

        if (isinf(step))
            return 0.0;
        before = size;
        size = 2.0 * size + step;
    }
    return exp(ldexp(size - before, 1 - SQUARINGS));
}

static double uniform_growth(const oqt_pt *pt, double *scratch)
{
    oqt__slot slot = oqt__pt_slot(pt, 0);
    size_t nn = slot.left * slot.right;
    struct square work = {scratch, scratch + nn, scratch + 2 * nn, scratch + 3 * nn, slot.left};
    double largest = 0.0;

    for (size_t c = 0; c < pt->legs.n_class; c++)
        largest = fmax(largest, radius(&work, &slot, c));
    return largest;
}

static void look(oqt_pt_defects *out, const oqt_pt *pt, double *scratch)
{
    enum { UNIFORM_STEPS = 256 };
    size_t n = pt->bond ? pt->info.n_steps : UNIFORM_STEPS;

    for (size_t k = 0; k < n_slots(pt) && !pt->info.general_legs; k++) {
        oqt__slot slot = oqt__pt_slot(pt, k);

        out->hermiticity = fmax(out->hermiticity, largest_imaginary(pt, &slot));
    }
    for (size_t i = 0; i < pt->d && pt->info.general_legs; i++)
        follow_idle(out, pt, i, scratch);
    for (size_t c = 0; c < pt->legs.n_class && !pt->info.general_legs; c++) {
        double size = follow(out, pt, c, n, scratch);

        if (pt->bond)
            out->growth = fmax(out->growth, exp(size / (double)n));
    }
    if (pt->info.general_legs)
        out->growth = 1.0;
    else if (!pt->bond)
        out->growth = uniform_growth(pt, scratch);
}

oqt_status oqt_pt_check(oqt_pt_defects *out, const oqt_pt *pt, oqt_error *err)
{
    oqt_pt_defects found = {.n_not_finite = count_not_finite(pt)};
    oqt__blas_guard guard = {false};
    double *scratch;

    if (found.n_not_finite == 0) {
        size_t rows = pt->info.general_legs ? 2 * pt->d * pt->d : pt->bond ? 4 : 4 * pt->chi;

        scratch = oqt__doubles(rows * pt->chi);
        if (!scratch)
            return oqt__no_memory(err, "a check");
        oqt__blas_enter(&guard);
        look(&found, pt, scratch);
        oqt__blas_leave(&guard);
        oqt__free(scratch);
    }
    *out = found;
    return OQT_OK;
}
