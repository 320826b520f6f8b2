/* expm.c - the exponential of a real matrix.
 *
 * Scaling and squaring with Pade approximants of order 3, 5, 7, 9 or 13: N. J. Higham, SIAM J. Matrix Anal.
 * Appl. 26, 1179 (2005). exp(A) = r(A / 2^s)^(2^s), r = (V - U)^-1 (V + U) with U odd and V even in A.
 */
#include "linalg/fortran.h"
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

/* Largest 1-norm for which the order gives full double precision. */
static const struct {
    int order;
    double theta;
} pade_orders[] = {{3, 1.495585217958292e-2},
                   {5, 2.539398330063230e-1},
                   {7, 9.504178996162932e-1},
                   {9, 2.097847961257068e0},
                   {13, 5.371920351148152e0}};

static const double pade_3[] = {120, 60, 12, 1};
static const double pade_5[] = {30240, 15120, 3360, 420, 30, 1};
static const double pade_7[] = {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1};
static const double pade_9[] = {17643225600, 8821612800, 2075673600, 302702400, 30270240,
                                2162160,     110880,     3960,       90,        1};
static const double pade_13[] = {64764752532480000,
                                 32382376266240000,
                                 7771770303897600,
                                 1187353796428800,
                                 129060195264000,
                                 10559470521600,
                                 670442572800,
                                 33522128640,
                                 1323241920,
                                 40840800,
                                 960960,
                                 16380,
                                 182,
                                 1};

/* Largest column sum of |a|; NaN or infinite if an element is. */
static double norm_1(const double *a, size_t n)
{
    double largest = 0.0;

    for (size_t j = 0; j < n; j++) {
        double sum = 0.0;

        for (size_t i = 0; i < n; i++)
            sum += fabs(a[i * n + j]);
        if (!(sum <= largest))
            largest = sum;
        if (isnan(largest))
            break;
    }
    return largest;
}

static void multiply(double *out, const double *a, const double *b, size_t n)
{
    oqt__gemm(false, false, n, n, n, 1.0, a, n, b, n, 0.0, out, n);
}

/* out += c0 + c2 p[0] + c4 p[1] + ..: even powers p[i] = A^(2i+2), coefficients c[0], c[2], .. */
static void add_even(double *out, const double *c, size_t n_powers, double *const *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i * n + i] += c[0];
    for (size_t k = 0; k < n_powers; k++)
        for (size_t i = 0; i < n * n; i++)
            out[i] += c[2 * k + 2] * p[k][i];
}

/* U and V for orders 3 to 9; t is scratch. p[0] = A^2, the higher powers are formed here. */
static void pade_low(double *u, double *v, const double *a, double **p, double *t, int order, size_t n)
{
    const double *c = order == 3 ? pade_3 : order == 5 ? pade_5 : order == 7 ? pade_7 : pade_9;
    size_t n_powers = ((size_t)order - 1) / 2;

    for (size_t k = 1; k < n_powers; k++)
        multiply(p[k], p[k - 1], p[0], n);
    memset(t, 0, n * n * sizeof *t);
    memset(v, 0, n * n * sizeof *v);
    add_even(t, c + 1, n_powers, p, n);
    add_even(v, c, n_powers, p, n);
    multiply(u, a, t, n);
}

/* U and V for order 13, with A^8 to A^12 from products of lower powers. */
static void pade_high(double *u, double *v, const double *a, double **p, double *t, size_t n)
{
    const double *c = pade_13;

    multiply(p[1], p[0], p[0], n);
    multiply(p[2], p[1], p[0], n);
    /* p[3] = c9 A^2 + c11 A^4 + c13 A^6, t = A^6 p[3] + c7 A^6 + c5 A^4 + c3 A^2 + c1, U = A t. */
    for (size_t i = 0; i < n * n; i++)
        p[3][i] = c[9] * p[0][i] + c[11] * p[1][i] + c[13] * p[2][i];
    multiply(t, p[2], p[3], n);
    add_even(t, c + 1, 3, p, n);
    multiply(u, a, t, n);
    for (size_t i = 0; i < n * n; i++)
        p[3][i] = c[8] * p[0][i] + c[10] * p[1][i] + c[12] * p[2][i];
    multiply(v, p[2], p[3], n);
    add_even(v, c, 3, p, n);
}

/* v := (v - u)^-1 (v + u), u destroyed. All are polynomials of one matrix and commute, so the transposes that
 * LAPACK sees solve the same equation. */
static int divide(double *v, double *u, int *pivots, size_t n)
{
    int n_ = lapack_int(n), info = 0;

    for (size_t i = 0; i < n * n; i++) {
        double num = v[i] + u[i], den = v[i] - u[i];

        u[i] = den;
        v[i] = num;
    }
    dgesv_(&n_, &n_, u, &n_, pivots, v, &n_, &info);
    return info;
}

oqt_status oqt__expm(double *out, const double *a, size_t n, oqt_error *err)
{
    double norm, scale, *mem = NULL, *x, *u, *v, *t, *p[4];
    int *pivots = NULL, order = 13, squarings = 0;
    size_t nn, total;
    oqt_status st;

    if (n == 0)
        return OQT_OK;
    if ((st = oqt__lapack_size(n, "matrix", err)) != OQT_OK)
        return st;
    if (!oqt__mul_size(&nn, n, n) || !oqt__mul_size(&total, nn, 8))
        return oqt__fail(err, OQT_ERANGE, "matrix of size %zu is too large", n);
    norm = norm_1(a, n);
    if (!isfinite(norm))
        return oqt__fail(err, OQT_EINVAL, "matrix to exponentiate is not finite");
    mem = oqt__doubles(total);
    pivots = oqt__calloc(n, sizeof *pivots);
    if (!mem || !pivots) {
        st = oqt__no_memory(err, "a matrix exponential");
        goto done;
    }
    x = mem, u = x + nn, v = u + nn, t = v + nn;
    for (int i = 0; i < 4; i++)
        p[i] = t + (size_t)(i + 1) * nn;

    for (size_t i = sizeof pade_orders / sizeof *pade_orders; i-- > 0;)
        if (norm <= pade_orders[i].theta)
            order = pade_orders[i].order;
    if (norm > pade_orders[4].theta)
        squarings = (int)ceil(log2(norm / pade_orders[4].theta));
    scale = ldexp(1.0, -squarings);
    for (size_t i = 0; i < nn; i++)
        x[i] = scale * a[i];
    multiply(p[0], x, x, n);
    if (order == 13)
        pade_high(u, v, x, p, t, n);
    else
        pade_low(u, v, x, p, t, order, n);
    if (divide(v, u, pivots, n) != 0) {
        st = oqt__fail(err, OQT_ECONV, "matrix exponential of size %zu and norm %g failed", n, norm);
        goto done;
    }
    for (int i = 0; i < squarings; i++) {
        double *squared = v == mem + 2 * nn ? u : mem + 2 * nn;

        multiply(squared, v, v, n);
        v = squared;
    }
    if (!isfinite(norm_1(v, n))) {
        st = oqt__fail(err, OQT_ECONV, "matrix exponential overflows: the matrix has norm %g", norm);
        goto done;
    }
    memcpy(out, v, nn * sizeof *out);
done:
    oqt__free(pivots);
    oqt__free(mem);
    return st;
}
