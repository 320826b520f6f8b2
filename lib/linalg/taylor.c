/*
 * taylor.c - the exponential of a small real matrix, for those who need millions of them.
 *
 * Scaling and squaring of a Taylor polynomial of degree 2, 4, 8, 12 or 18, which one to five products form:
 * P. Bader, S. Blanes, F. Casas, Mathematics 7, 1174 (2019), with the coefficients and the norms up to which
 * the degree is enough from there. No linear system is solved, nothing is allocated.
 */
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

/* Inlined into the clones for wider vectors, and with n known where it is 4. */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* From this size on BLAS is faster than the loops here. */
enum { LOOPS_BELOW = 16 };

/* Largest 1-norm for which the degree gives full double precision. */
static const struct {
    int degree;
    double theta;
} degrees[] = {{2, 2.580956802971767e-8},
               {4, 3.397168839976962e-4},
               {8, 4.991228871115323e-2},
               {12, 2.996158913811580e-1},
               {18, 1.090863719290036}};

enum { N_DEGREES = sizeof degrees / sizeof *degrees };

/* Factors of degree 8: A4 = A2 (x1 A + x2 A2), A8 = (x3 A2 + A4)(x4 + x5 A + x6 A2 + x7 A4). */
static const double x1 = 0.10836465678522780852, x2 = 0.027091164196306952131, x3 = 2.0 / 3.0,
                    x4 = 0.54676145797072405251, x5 = 0.16112557339541759283, x6 = 0.014090917158378207731,
                    x7 = 0.033792797010870504141, y2 = 0.13549236135285063166;

/* Polynomials in 1, A, A2, A3. */
static const double p12[4][4] = {
    {9.0198e-16, 0.46932117595418237389, -0.20099424927047284052, -0.04623946134063071740},
    {5.31597895759871264183, 1.19926790417132231573, 0.01179296240992997031, 0.01108844528519167989},
    {0.18188869982170434744, 0.05502798439925399070, 0.09351590770535414968, 0.00610700528898058230},
    {-2.0861320e-13, -0.13181061013830184015, -0.02027855540589259079, -0.00675951846863086359}};

/* Polynomials in 1, A, A2, A3, A6. */
static const double p18[5][5] = {
    {0.0, -1.00365581030144618291e-1, -8.02924648241156932449e-3, -8.92138498045729985177e-4, 0.0},
    {0.0, 3.97849749499645077844e-1, 1.36783778460411720168, 4.98289622525382669416e-1,
     -6.37898194594723280150e-4},
    {-1.09676396052962061844e1, 1.68015813878906206114, 5.71779846478865511061e-2, -6.98210122488052056106e-3,
     3.34975017086070470649e-5},
    {-9.04316832390810593223e-2, -6.76404519071381882256e-2, 6.75961301770459654925e-2,
     2.95552570429315521194e-2, -1.39180257516060693404e-5},
    {0.0, 0.0, -9.23364619367118555360e-2, -1.69364939002081722752e-2, -1.40086798182036094347e-5}};

/* ---- products ---- */

/* A row of a 4 x 4 matrix. Without an alignment of its own, so that it may stand for doubles anywhere. */
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));

INLINE void product_lanes(double *c, const double *a, const double *b)
{
    const lanes *row = (const lanes *)b;
    lanes b0 = row[0], b1 = row[1], b2 = row[2], b3 = row[3];

    for (size_t i = 0; i < 4; i++)
        ((lanes *)c)[i] = a[4 * i] * b0 + a[4 * i + 1] * b1 + a[4 * i + 2] * b2 + a[4 * i + 3] * b3;
}

/* Columns four at a time; the last four overlap with those before. */
INLINE void product(double *restrict c, const double *a, const double *b, size_t n)
{
    if (n == 4) {
        product_lanes(c, a, b);
    } else if (n == 1) {
        c[0] = a[0] * b[0];
    } else if (n < 4 || n >= LOOPS_BELOW) {
        oqt__gemm(false, false, n, n, n, 1.0, a, n, b, n, 0.0, c, n);
    } else {
        for (size_t start = 0; start < n; start += 4) {
            size_t j = start + 4 <= n ? start : n - 4;

            for (size_t i = 0; i < n; i++) {
                lanes sum = a[i * n] * *(const lanes *)(b + j);

                for (size_t k = 1; k < n; k++)
                    sum += a[i * n + k] * *(const lanes *)(b + k * n + j);
                *(lanes *)(c + i * n + j) = sum;
            }
        }
    }
}

/* The diagonal goes in with whole rows: an element stored by itself would stall the next load of its row. */
INLINE void combine_lanes(double *out, const double *c, size_t n_powers, double *const *p)
{
    const lanes one[4] = {
        {1.0, 0.0, 0.0, 0.0}, {0.0, 1.0, 0.0, 0.0}, {0.0, 0.0, 1.0, 0.0}, {0.0, 0.0, 0.0, 1.0}};

    for (size_t i = 0; i < 4; i++) {
        lanes sum = c[0] * one[i];

        for (size_t k = 0; k < n_powers; k++)
            sum += c[k + 1] * ((const lanes *)p[k])[i];
        ((lanes *)out)[i] = sum;
    }
}

/* out = c0 + c1 p[0] + c2 p[1] + .. */
INLINE void combine(double *restrict out, const double *c, size_t n_powers, double *const *p, size_t n)
{
    if (n == 4) {
        combine_lanes(out, c, n_powers, p);
        return;
    }
    for (size_t i = 0; i < n * n; i++) {
        double sum = c[1] * p[0][i];

        for (size_t k = 1; k < n_powers; k++)
            sum += c[k + 1] * p[k][i];
        out[i] = sum;
    }
    for (size_t i = 0; i < n; i++)
        out[i * n + i] += c[0];
}

INLINE void add(double *restrict out, const double *a, size_t n)
{
    for (size_t i = 0; i < n * n; i++)
        out[i] += a[i];
}

/* ---- polynomials: p[0] is A; p[1], .. and the others are scratch; returns where the result is ---- */

INLINE double *degree_2_or_4(double **p, double *t, int degree, size_t n)
{
    static const double low[] = {1.0, 1.0, 0.5}, high[] = {0.5, 1.0 / 6.0, 1.0 / 24.0};

    product(p[1], p[0], p[0], n);
    if (degree == 2) {
        combine(t, low, 2, p, n);
        return t;
    }
    /* 1 + A + A2 (1/2 + A/6 + A2/24) */
    combine(t, high, 2, p, n);
    product(p[2], p[1], t, n);
    combine(t, low, 1, p, n);
    add(t, p[2], n);
    return t;
}

INLINE double *degree_8(double **p, double *s, double *t, size_t n)
{
    const double inner[] = {0.0, x1, x2}, factor[] = {x4, x5, x6, x7}, rest[] = {1.0, 1.0, y2};

    product(p[1], p[0], p[0], n);
    combine(t, inner, 2, p, n);
    product(p[2], p[1], t, n);
    for (size_t i = 0; i < n * n; i++)
        s[i] = x3 * p[1][i] + p[2][i];
    combine(t, factor, 3, p, n);
    product(p[3], s, t, n);
    combine(t, rest, 2, p, n);
    add(t, p[3], n);
    return t;
}

/* B0 + (B1 + A6) A6, A6 = B2 + B3^2 */
INLINE double *degree_12(double **p, double *s, double *t, size_t n)
{
    product(p[1], p[0], p[0], n);
    product(p[2], p[1], p[0], n);
    combine(t, p12[3], 3, p, n);
    product(p[3], t, t, n);
    combine(t, p12[2], 3, p, n);
    add(p[3], t, n);
    combine(t, p12[1], 3, p, n);
    add(t, p[3], n);
    product(s, t, p[3], n);
    combine(t, p12[0], 3, p, n);
    add(t, s, n);
    return t;
}

/* B1 + (B2 + A9) A9, A9 = B0 B4 + B3 */
INLINE double *degree_18(double **p, double *s, double *t, size_t n)
{
    double *a9 = p[4];

    product(p[1], p[0], p[0], n);
    product(p[2], p[1], p[0], n);
    product(p[3], p[2], p[2], n);
    combine(s, p18[0], 4, p, n);
    combine(t, p18[4], 4, p, n);
    product(a9, s, t, n);
    combine(t, p18[3], 4, p, n);
    add(a9, t, n);
    combine(t, p18[2], 4, p, n);
    add(t, a9, n);
    product(s, t, a9, n);
    combine(t, p18[1], 4, p, n);
    add(t, s, n);
    return t;
}

/* Largest row sum of |a|, as good as the 1-norm here; NaN or infinite if an element is. */
INLINE double norm(const double *a, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < n; j++)
            sum += fabs(a[i * n + j]);
        if (!(sum <= largest))
            largest = sum;
        if (isnan(largest))
            break;
    }
    return largest;
}

INLINE bool exponential(double *out, const double *a, size_t n, double *ws)
{
    double *p[5] = {ws, ws + n * n, ws + 2 * n * n, ws + 3 * n * n, ws + 4 * n * n};
    double *s = ws + 5 * n * n, *t = ws + 6 * n * n, *x;
    double size = norm(a, n), scale = 1.0;
    int squarings = 0, degree = 18;

    if (!isfinite(size))
        return false;
    for (size_t i = N_DEGREES; i-- > 0;)
        if (size <= degrees[i].theta)
            degree = degrees[i].degree;
    if (size > degrees[N_DEGREES - 1].theta) {
        squarings = (int)ceil(log2(size / degrees[N_DEGREES - 1].theta));
        scale = ldexp(1.0, -squarings);
    }
    for (size_t i = 0; i < n * n; i++)
        p[0][i] = scale * a[i];
    x = degree <= 4    ? degree_2_or_4(p, t, degree, n)
        : degree == 8  ? degree_8(p, s, t, n)
        : degree == 12 ? degree_12(p, s, t, n)
                       : degree_18(p, s, t, n);
    for (int i = 0; i < squarings; i++) {
        double *other = x == t ? s : t;

        product(other, x, x, n);
        x = other;
    }
    memcpy(out, x, n * n * sizeof *out);
    return squarings == 0 || isfinite(norm(out, n));
}

/* ---- clones ---- */

OQT__SIMD static bool exponential_4(double *out, const double *a, double *ws)
{
    return exponential(out, a, 4, ws);
}

OQT__SIMD static bool exponential_n(double *out, const double *a, size_t n, double *ws)
{
    return exponential(out, a, n, ws);
}

OQT__SIMD static void product_4(double *c, const double *a, const double *b)
{
    product(c, a, b, 4);
}

OQT__SIMD static void product_n(double *c, const double *a, const double *b, size_t n)
{
    product(c, a, b, n);
}

size_t oqt__expm_small_len(size_t n)
{
    return 7 * n * n;
}

bool oqt__expm_small(double *out, const double *a, size_t n, double *ws)
{
    return n == 4 ? exponential_4(out, a, ws) : exponential_n(out, a, n, ws);
}

void oqt__small_product(double *c, const double *a, const double *b, size_t n)
{
    if (n == 4)
        product_4(c, a, b);
    else
        product_n(c, a, b, n);
}
