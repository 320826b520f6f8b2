/*
 * kernel.c - loops that compilers turn into vector instructions.
 *
 * On x86-64 each loop exists twice, for any processor and for those with AVX2 and FMA, chosen at run time.
 * Wider vectors would gain nothing: the loops wait for memory or the second level of the cache.
 */
#include "dynamics/kernel.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && defined(__x86_64__)
#define HAVE_AVX2 1
#define AVX2      __attribute__((target("avx2,fma")))
#else
#define HAVE_AVX2 0
#endif

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

#ifdef FP_FAST_FMA
static const bool FUSED = true;
#else
static const bool FUSED = false;
#endif

/* a b + c; fused is known when compiling. Strict C lets compilers not fuse by themselves. */
INLINE double madd(bool fused, double a, double b, double c)
{
    return fused ? fma(a, b, c) : a * b + c;
}

/* ---- rows of a matrix ---- */

INLINE void add_rows(bool fused, double *restrict z, const double *c, const double *restrict f, size_t ld,
                     size_t rows, size_t n)
{
    size_t l = 0;

    for (; l + 4 <= rows; l += 4) {
        const double *f0 = f + l * ld, *f1 = f0 + ld, *f2 = f1 + ld, *f3 = f2 + ld;
        double c0 = c[l], c1 = c[l + 1], c2 = c[l + 2], c3 = c[l + 3];

#pragma omp simd
        for (size_t r = 0; r < n; r++) {
            double sum = madd(fused, c0, f0[r], z[r]);

            sum = madd(fused, c1, f1[r], sum);
            sum = madd(fused, c2, f2[r], sum);
            z[r] = madd(fused, c3, f3[r], sum);
        }
    }
    for (; l < rows; l++) {
        const double *f0 = f + l * ld;
        double c0 = c[l];

#pragma omp simd
        for (size_t r = 0; r < n; r++)
            z[r] = madd(fused, c0, f0[r], z[r]);
    }
}

/* One row of P + iQ times re + i im onto z. */
INLINE void add_complex_row(bool fused, double *z_re, double *z_im, double re, double im, double p, double q)
{
    *z_re = madd(fused, -im, q, madd(fused, re, p, *z_re));
    *z_im = madd(fused, re, q, madd(fused, im, p, *z_im));
}

INLINE void add_complex_rows(bool fused, double *restrict z_re, double *restrict z_im, const double *re,
                             const double *im, const double *restrict p, const double *restrict q, size_t ld,
                             size_t rows, size_t n)
{
    size_t l = 0;

    for (; l + 4 <= rows; l += 4) {
        const double *p0 = p + l * ld, *p1 = p0 + ld, *p2 = p1 + ld, *p3 = p2 + ld;
        const double *q0 = q + l * ld, *q1 = q0 + ld, *q2 = q1 + ld, *q3 = q2 + ld;
        double re0 = re[l], re1 = re[l + 1], re2 = re[l + 2], re3 = re[l + 3];
        double im0 = im[l], im1 = im[l + 1], im2 = im[l + 2], im3 = im[l + 3];

#pragma omp simd
        for (size_t r = 0; r < n; r++) {
            double a = z_re[r], b = z_im[r];

            add_complex_row(fused, &a, &b, re0, im0, p0[r], q0[r]);
            add_complex_row(fused, &a, &b, re1, im1, p1[r], q1[r]);
            add_complex_row(fused, &a, &b, re2, im2, p2[r], q2[r]);
            add_complex_row(fused, &a, &b, re3, im3, p3[r], q3[r]);
            z_re[r] = a;
            z_im[r] = b;
        }
    }
    for (; l < rows; l++) {
        const double *p0 = p + l * ld, *q0 = q + l * ld;
        double re0 = re[l], im0 = im[l];

#pragma omp simd
        for (size_t r = 0; r < n; r++) {
            double a = z_re[r], b = z_im[r];

            add_complex_row(fused, &a, &b, re0, im0, p0[r], q0[r]);
            z_re[r] = a;
            z_im[r] = b;
        }
    }
}

/* ---- a matrix for each column ---- */

/* Rows a .. a + 3 of y for one l, four terms of the sum at once: x is loaded once for four rows. */
INLINE void turn_four(bool fused, double *restrict y, const double *restrict x, const double *restrict w,
                      size_t m, size_t stride, size_t width)
{
    double *y0 = y, *y1 = y0 + stride, *y2 = y1 + stride, *y3 = y2 + stride;
    size_t row = m * width, c = 0;

    for (; c + 4 <= m; c += 4) {
        const double *x0 = x + c * stride, *x1 = x0 + stride, *x2 = x1 + stride, *x3 = x2 + stride;
        const double *w0 = w + c * width, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;

#pragma omp simd
        for (size_t b = 0; b < width; b++) {
            double v0 = x0[b], v1 = x1[b], v2 = x2[b], v3 = x3[b];
            size_t b1 = b + width, b2 = b1 + width, b3 = b2 + width;
            double s0 = c > 0 ? y0[b] : 0.0, s1 = c > 0 ? y1[b] : 0.0;
            double s2 = c > 0 ? y2[b] : 0.0, s3 = c > 0 ? y3[b] : 0.0;

            s0 = madd(fused, w0[b], v0, s0);
            s1 = madd(fused, w1[b], v0, s1);
            s2 = madd(fused, w2[b], v0, s2);
            s3 = madd(fused, w3[b], v0, s3);
            s0 = madd(fused, w0[b1], v1, s0);
            s1 = madd(fused, w1[b1], v1, s1);
            s2 = madd(fused, w2[b1], v1, s2);
            s3 = madd(fused, w3[b1], v1, s3);
            s0 = madd(fused, w0[b2], v2, s0);
            s1 = madd(fused, w1[b2], v2, s1);
            s2 = madd(fused, w2[b2], v2, s2);
            s3 = madd(fused, w3[b2], v2, s3);
            y0[b] = madd(fused, w0[b3], v3, s0);
            y1[b] = madd(fused, w1[b3], v3, s1);
            y2[b] = madd(fused, w2[b3], v3, s2);
            y3[b] = madd(fused, w3[b3], v3, s3);
        }
    }
    for (; c < m; c++) {
        const double *x0 = x + c * stride;
        const double *w0 = w + c * width, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;

#pragma omp simd
        for (size_t b = 0; b < width; b++) {
            y0[b] = madd(fused, w0[b], x0[b], y0[b]);
            y1[b] = madd(fused, w1[b], x0[b], y1[b]);
            y2[b] = madd(fused, w2[b], x0[b], y2[b]);
            y3[b] = madd(fused, w3[b], x0[b], y3[b]);
        }
    }
}

/* One row of y for one l. */
INLINE void turn_one(bool fused, double *restrict y, const double *restrict x, const double *restrict w,
                     size_t m, size_t stride, size_t width)
{
    memset(y, 0, width * sizeof *y);
    for (size_t c = 0; c < m; c++) {
        const double *x0 = x + c * stride, *w0 = w + c * width;

#pragma omp simd
        for (size_t b = 0; b < width; b++)
            y[b] = madd(fused, w0[b], x0[b], y[b]);
    }
}

INLINE void turn_columns(bool fused, double *y, const double *x, const double *w, size_t m, size_t len,
                         size_t width)
{
    size_t stride = len * width, a = 0;

    /* the w of four rows stays in the nearest cache while l runs */
    for (; m >= 4 && a + 4 <= m; a += 4)
        for (size_t l = 0; l < len; l++)
            turn_four(fused, y + a * stride + l * width, x + l * width, w + a * m * width, m, stride, width);
    for (; a < m; a++)
        for (size_t l = 0; l < len; l++)
            turn_one(fused, y + a * stride + l * width, x + l * width, w + a * m * width, m, stride, width);
}

/* ---- the choice ---- */

#if HAVE_AVX2
AVX2 static void add_rows_avx2(double *z, const double *c, const double *f, size_t ld, size_t rows, size_t n)
{
    add_rows(true, z, c, f, ld, rows, n);
}

AVX2 static void add_complex_rows_avx2(double *z_re, double *z_im, const double *re, const double *im,
                                       const double *p, const double *q, size_t ld, size_t rows, size_t n)
{
    add_complex_rows(true, z_re, z_im, re, im, p, q, ld, rows, n);
}

AVX2 static void turn_columns_avx2(double *y, const double *x, const double *w, size_t m, size_t len,
                                   size_t width)
{
    turn_columns(true, y, x, w, m, len, width);
}

static bool have_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

void oqt__add_rows(double *z, const double *c, const double *f, size_t ld, size_t rows, size_t n)
{
#if HAVE_AVX2
    if (have_avx2()) {
        add_rows_avx2(z, c, f, ld, rows, n);
        return;
    }
#endif
    add_rows(FUSED, z, c, f, ld, rows, n);
}

void oqt__add_complex_rows(double *z_re, double *z_im, const double *re, const double *im, const double *p,
                           const double *q, size_t ld, size_t rows, size_t n)
{
#if HAVE_AVX2
    if (have_avx2()) {
        add_complex_rows_avx2(z_re, z_im, re, im, p, q, ld, rows, n);
        return;
    }
#endif
    add_complex_rows(FUSED, z_re, z_im, re, im, p, q, ld, rows, n);
}

void oqt__turn_columns(double *y, const double *x, const double *w, size_t m, size_t len, size_t width)
{
#if HAVE_AVX2
    if (have_avx2()) {
        turn_columns_avx2(y, x, w, m, len, width);
        return;
    }
#endif
    turn_columns(FUSED, y, x, w, m, len, width);
}
