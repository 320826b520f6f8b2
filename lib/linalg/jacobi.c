/* jacobi.c - eigenvalues of Hermitian matrices by Jacobi rotations.
 *
 * Not by zheev: OpenBLAS 0.3.21's zgemv for SkylakeX, which it reaches from 32 rows on, reads far past the
 * end of the matrix and crashes where a page ends there. The matrices here are Hamiltonians and couplings,
 * small enough for Jacobi's method, which is also more accurate and leaves a diagonal matrix as it is.
 */
#include "core/numbers.h"
#include "linalg/linalg.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 40 };

/* (x, y) := (c x - conj(s) y, s x + c y). */
static void mix(oqt_complex *x, oqt_complex *y, double c, oqt_complex s)
{
    oqt_complex sx = oqt__mul(s, *x), sy = oqt__mul(oqt__conj(s), *y);

    *x = (oqt_complex){c * x->re - sy.re, c * x->im - sy.im};
    *y = (oqt_complex){sx.re + c * y->re, sx.im + c * y->im};
}

/* a := J^+ a J and v := v J with the rotation J of columns p < q that makes a_pq vanish. */
static void annihilate(oqt_complex *a, oqt_complex *v, size_t n, size_t p, size_t q)
{
    oqt_complex z = a[p * n + q], s;
    double size = hypot(z.re, z.im), tau = (a[q * n + q].re - a[p * n + p].re) / (2.0 * size);
    double t = (tau >= 0.0 ? 1.0 : -1.0) / (fabs(tau) + hypot(1.0, tau)), c = 1.0 / hypot(1.0, t);

    s = (oqt_complex){t * c * z.re / size, t * c * z.im / size};
    for (size_t i = 0; i < n; i++) {
        mix(&a[i * n + p], &a[i * n + q], c, s);
        mix(&v[i * n + p], &v[i * n + q], c, s);
    }
    s.im = -s.im;
    for (size_t i = 0; i < n; i++)
        mix(&a[p * n + i], &a[q * n + i], c, s);
    a[p * n + q] = a[q * n + p] = (oqt_complex){0.0, 0.0};
    a[p * n + p].im = a[q * n + q].im = 0.0;
}

/* Diagonalize a of largest element 1; false if that does not end. */
static bool diagonalize(oqt_complex *a, oqt_complex *v, size_t n)
{
    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        bool done = true;

        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++) {
                double size = hypot(a[p * n + q].re, a[p * n + q].im);

                if (size <= 0.01 * DBL_EPSILON)
                    continue;
                annihilate(a, v, n, p, q);
                done = false;
            }
        if (done)
            return true;
    }
    return false;
}

/* Column j of out = column k of v, its largest element made real and positive. */
static void copy_vector(oqt_complex *out, size_t j, const oqt_complex *v, size_t k, size_t n)
{
    double largest = 0.0, size;
    oqt_complex phase;
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, hypot(v[i * n + k].re, v[i * n + k].im));
    while (at + 1 < n && hypot(v[at * n + k].re, v[at * n + k].im) < largest * (1.0 - 1e-8))
        at++;
    size = hypot(v[at * n + k].re, v[at * n + k].im);
    phase = (oqt_complex){v[at * n + k].re / size, -v[at * n + k].im / size};
    for (size_t i = 0; i < n; i++)
        out[i * n + j] = oqt__mul(v[i * n + k], phase);
    out[at * n + j] = (oqt_complex){size, 0.0};
}

oqt_status oqt__eigh_complex(double *w, oqt_complex *v, const oqt_complex *a, size_t n, oqt_error *err)
{
    oqt_complex *z = NULL, *vectors = NULL;
    double scale = 0.0;
    oqt_status st = OQT_OK;

    for (size_t i = 0; i < n * n; i++) {
        if (!isfinite(a[i].re) || !isfinite(a[i].im))
            return oqt__fail(err, OQT_EINVAL, "matrix of size %zu has an element that is not finite", n);
        scale = fmax(scale, fmax(fabs(a[i].re), fabs(a[i].im)));
    }
    if (scale == 0.0)
        scale = 1.0;
    z = oqt__calloc(n * n, sizeof *z);
    vectors = oqt__calloc(n * n, sizeof *vectors);
    if (!z || !vectors) {
        st = oqt__no_memory(err, "eigenvalues");
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        vectors[i * n + i].re = 1.0;
        z[i * n + i].re = a[i * n + i].re / scale;
        for (size_t j = 0; j < i; j++) { /* the lower triangle counts */
            z[i * n + j] = (oqt_complex){a[i * n + j].re / scale, a[i * n + j].im / scale};
            z[j * n + i] = (oqt_complex){z[i * n + j].re, -z[i * n + j].im};
        }
    }
    if (!diagonalize(z, vectors, n)) {
        st = oqt__fail(err, OQT_ECONV, "eigenvalues of a Hermitian matrix of size %zu did not converge", n);
        goto done;
    }
    for (size_t j = 0; j < n; j++) { /* ascending; equal ones in the order of their columns */
        size_t k = 0;

        for (size_t i = 1; i < n; i++)
            if (z[i * n + i].re < z[k * n + k].re)
                k = i;
        w[j] = scale * z[k * n + k].re;
        copy_vector(v, j, vectors, k, n);
        z[k * n + k].re = INFINITY;
    }
done:
    oqt__free(vectors);
    oqt__free(z);
    return st;
}
