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

/* Classes of legs (i, j) with o_i = o_j: real, and e_0 behind them is e_0 before them. */
static void check_slot(oqt_pt_defects *out, const oqt_pt *pt, const oqt__slot *slot)
{
    for (size_t c = 0; c < pt->legs.n_class; c++) {
        const double *re = oqt__slot_real(slot, c), *im = oqt__slot_imag(slot, c);

        if (pt->legs.om[c] != 0.0)
            continue;
        for (size_t i = 0; i < slot->left; i++)
            out->trace = fmax(out->trace, fabs(re[i * slot->right] - (i == 0 ? 1.0 : 0.0)));
        for (size_t i = 0; i < slot->left * slot->right; i++)
            out->hermiticity = fmax(out->hermiticity, fabs(im[i]));
    }
}

/* The same of general legs: all coordinates (i, i) behind the slot, from each before it; they are real. */
static void check_general_slot(oqt_pt_defects *out, const oqt_pt *pt, const oqt__slot *slot)
{
    size_t d = pt->d;

    for (size_t from = 0; from < d * d; from++)
        for (size_t l = 0; l < slot->left; l++) {
            double sum = l == 0 && from % (d + 1) == 0 ? -1.0 : 0.0;

            for (size_t i = 0; i < d; i++)
                sum += oqt__slot_general(slot, d, from, i * (d + 1))[l * slot->right];
            out->trace = fmax(out->trace, fabs(sum));
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

/* e_0^T f_a f_a .. e_0 of all steps, as a vector that is scaled to 1 on its way. */
static double finite_growth(const oqt_pt *pt, double *scratch)
{
    size_t n = pt->info.n_steps;
    double largest = 0.0;

    for (size_t c = 0; c < pt->legs.n_class; c++) {
        double *x = scratch, *y = scratch + 2 * pt->chi, size = 0.0;

        x[0] = 1.0;
        x[1] = 0.0;
        for (size_t k = 0; k < n && !isinf(size); k++) {
            oqt__slot slot = oqt__pt_slot(pt, k);
            size_t l = slot.left, r = slot.right;
            double sum = 0.0, *swap = x;

            /* rows: real and imaginary part */
            oqt__gemm(false, false, 2, r, l, 1.0, x, l, oqt__slot_real(&slot, c), r, 0.0, y, r);
            oqt__gemm(false, false, 1, r, l, -1.0, x + l, l, oqt__slot_imag(&slot, c), r, 1.0, y, r);
            oqt__gemm(false, false, 1, r, l, 1.0, x, l, oqt__slot_imag(&slot, c), r, 1.0, y + r, r);
            for (size_t i = 0; i < 2 * r; i++)
                sum += y[i] * y[i];
            if (!isfinite(sum))
                return INFINITY;
            for (size_t i = 0; i < 2 * r && sum > 0.0; i++)
                y[i] /= sqrt(sum);
            size += 0.5 * log(sum);
            x = y;
            y = swap;
        }
        largest = fmax(largest, exp(size / (double)n));
    }
    return largest;
}

oqt_status oqt_pt_check(oqt_pt_defects *out, const oqt_pt *pt, oqt_error *err)
{
    oqt_pt_defects found = {.n_not_finite = count_not_finite(pt)};
    oqt__blas_guard guard = {false};
    double *scratch;

    if (found.n_not_finite == 0) {
        scratch = oqt__doubles(pt->bond ? 4 * pt->chi : 4 * pt->chi * pt->chi);
        if (!scratch)
            return oqt__no_memory(err, "a check");
        for (size_t k = 0; k < n_slots(pt); k++) {
            oqt__slot slot = oqt__pt_slot(pt, k);

            if (pt->info.general_legs)
                check_general_slot(&found, pt, &slot);
            else
                check_slot(&found, pt, &slot);
        }
        oqt__blas_enter(&guard);
        found.growth = pt->info.general_legs ? 1.0
                       : pt->bond            ? finite_growth(pt, scratch)
                                             : uniform_growth(pt, scratch);
        oqt__blas_leave(&guard);
        oqt__free(scratch);
    }
    *out = found;
    return OQT_OK;
}
