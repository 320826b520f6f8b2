/* kernel.c - loops that compilers turn into vector instructions. Vectors wider than those of AVX would gain
 * nothing, since the loops wait for memory or the second level of the cache. */
#include "pt/kernel.h"

#include <string.h>

/* ---- rows of a matrix ---- */

OQT__SIMD static void add_rows(double *restrict z, const double *c, const double *restrict f, size_t ld,
                               size_t rows, size_t n)
{
    size_t l = 0;

    for (; l + 4 <= rows; l += 4) {
        const double *f0 = f + l * ld, *f1 = f0 + ld, *f2 = f1 + ld, *f3 = f2 + ld;
        double c0 = c[l], c1 = c[l + 1], c2 = c[l + 2], c3 = c[l + 3];

#pragma omp simd
        for (size_t r = 0; r < n; r++) {
            double sum = z[r] + c0 * f0[r];

            sum += c1 * f1[r];
            sum += c2 * f2[r];
            z[r] = sum + c3 * f3[r];
        }
    }
    for (; l < rows; l++) {
        const double *f0 = f + l * ld;
        double c0 = c[l];

#pragma omp simd
        for (size_t r = 0; r < n; r++)
            z[r] += c0 * f0[r];
    }
}

/* One row of P + iQ times re + i im onto z. */
static inline void add_complex_row(double *z_re, double *z_im, double re, double im, double p, double q)
{
    *z_re = *z_re + re * p - im * q; /* one after the other, as two fused operations */
    *z_im = *z_im + im * p + re * q;
}

OQT__SIMD static void add_complex_rows(double *restrict z_re, double *restrict z_im, const double *re,
                                       const double *im, const double *restrict p, const double *restrict q,
                                       size_t ld, size_t rows, size_t n)
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

            add_complex_row(&a, &b, re0, im0, p0[r], q0[r]);
            add_complex_row(&a, &b, re1, im1, p1[r], q1[r]);
            add_complex_row(&a, &b, re2, im2, p2[r], q2[r]);
            add_complex_row(&a, &b, re3, im3, p3[r], q3[r]);
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

            add_complex_row(&a, &b, re0, im0, p0[r], q0[r]);
            z_re[r] = a;
            z_im[r] = b;
        }
    }
}

/* ---- a matrix for each column ---- */

/* Rows a .. a + 3 of y for one l, four terms of the sum at once: x is loaded once for four rows. */
static inline void turn_four(double *restrict y, const double *restrict x, const double *restrict w, size_t m,
                             size_t stride, size_t width)
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

            s0 += w0[b] * v0;
            s1 += w1[b] * v0;
            s2 += w2[b] * v0;
            s3 += w3[b] * v0;
            s0 += w0[b1] * v1;
            s1 += w1[b1] * v1;
            s2 += w2[b1] * v1;
            s3 += w3[b1] * v1;
            s0 += w0[b2] * v2;
            s1 += w1[b2] * v2;
            s2 += w2[b2] * v2;
            s3 += w3[b2] * v2;
            y0[b] = s0 + w0[b3] * v3;
            y1[b] = s1 + w1[b3] * v3;
            y2[b] = s2 + w2[b3] * v3;
            y3[b] = s3 + w3[b3] * v3;
        }
    }
    for (; c < m; c++) {
        const double *x0 = x + c * stride;
        const double *w0 = w + c * width, *w1 = w0 + row, *w2 = w1 + row, *w3 = w2 + row;

#pragma omp simd
        for (size_t b = 0; b < width; b++) {
            y0[b] += w0[b] * x0[b];
            y1[b] += w1[b] * x0[b];
            y2[b] += w2[b] * x0[b];
            y3[b] += w3[b] * x0[b];
        }
    }
}

/* One row of y for one l. */
static inline void turn_one(double *restrict y, const double *restrict x, const double *restrict w, size_t m,
                            size_t stride, size_t width)
{
    memset(y, 0, width * sizeof *y);
    for (size_t c = 0; c < m; c++) {
        const double *x0 = x + c * stride, *w0 = w + c * width;

#pragma omp simd
        for (size_t b = 0; b < width; b++)
            y[b] += w0[b] * x0[b];
    }
}

OQT__SIMD static void turn_columns(double *y, const double *x, const double *w, size_t m, size_t len,
                                   size_t width)
{
    size_t stride = len * width, a = 0;

    /* the w of four rows stays in the nearest cache while l runs */
    for (; m >= 4 && a + 4 <= m; a += 4)
        for (size_t l = 0; l < len; l++)
            turn_four(y + a * stride + l * width, x + l * width, w + a * m * width, m, stride, width);
    for (; a < m; a++)
        for (size_t l = 0; l < len; l++)
            turn_one(y + a * stride + l * width, x + l * width, w + a * m * width, m, stride, width);
}

/* ---- for others: clones have to be static ---- */

void oqt__add_rows(double *z, const double *c, const double *f, size_t ld, size_t rows, size_t n)
{
    add_rows(z, c, f, ld, rows, n);
}

void oqt__add_complex_rows(double *z_re, double *z_im, const double *re, const double *im, const double *p,
                           const double *q, size_t ld, size_t rows, size_t n)
{
    add_complex_rows(z_re, z_im, re, im, p, q, ld, rows, n);
}

void oqt__turn_columns(double *y, const double *x, const double *w, size_t m, size_t len, size_t width)
{
    turn_columns(y, x, w, m, len, width);
}
