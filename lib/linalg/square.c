/* square.c - products of square matrices: a kernel of our own while they fit into a near cache, else BLAS.
 *
 * Below size 16 a call of dgemm takes up to twice as long as the kernel. Above, both are as fast as the
 * processor allows, but the kernel leaves half of a symmetric product out; so do strips of rows with BLAS.
 */
#include "linalg/linalg.h"

enum { SMALL = 96, BLOCK = 64 };

/* Without an alignment of its own, so that it may stand for doubles anywhere. */
typedef double lanes __attribute__((vector_size(32), aligned(8), may_alias));

/* Tiles of 4 x 8 in registers. */
OQT__SIMD static void small_product(double *c, double alpha, const double *a, const double *b, double beta,
                                    size_t n, size_t ld, bool lower)
{
    for (size_t i = 0; i < n; i += 4) {
        size_t end = lower && i + 4 < ld ? i + 4 : ld;

        for (size_t j = 0; j < end; j += 8) {
            const double *a0 = a + i * ld, *a1 = a0 + ld, *a2 = a1 + ld, *a3 = a2 + ld;
            lanes s00 = {0}, s01 = {0}, s10 = {0}, s11 = {0}, s20 = {0}, s21 = {0}, s30 = {0}, s31 = {0};
            lanes *c0 = (lanes *)(c + i * ld + j), *c1 = (lanes *)(c + (i + 1) * ld + j);
            lanes *c2 = (lanes *)(c + (i + 2) * ld + j), *c3 = (lanes *)(c + (i + 3) * ld + j);

            for (size_t k = 0; k < n; k++) {
                const lanes *row = (const lanes *)(b + k * ld + j);
                lanes b0 = row[0], b1 = row[1];

                s00 += a0[k] * b0;
                s01 += a0[k] * b1;
                s10 += a1[k] * b0;
                s11 += a1[k] * b1;
                s20 += a2[k] * b0;
                s21 += a2[k] * b1;
                s30 += a3[k] * b0;
                s31 += a3[k] * b1;
            }
            if (beta == 0.0) {
                c0[0] = alpha * s00, c0[1] = alpha * s01;
                c1[0] = alpha * s10, c1[1] = alpha * s11;
                c2[0] = alpha * s20, c2[1] = alpha * s21;
                c3[0] = alpha * s30, c3[1] = alpha * s31;
            } else {
                c0[0] = beta * c0[0] + alpha * s00, c0[1] = beta * c0[1] + alpha * s01;
                c1[0] = beta * c1[0] + alpha * s10, c1[1] = beta * c1[1] + alpha * s11;
                c2[0] = beta * c2[0] + alpha * s20, c2[1] = beta * c2[1] + alpha * s21;
                c3[0] = beta * c3[0] + alpha * s30, c3[1] = beta * c3[1] + alpha * s31;
            }
        }
    }
}

void oqt__square_product(double *c, double alpha, const double *a, const double *b, double beta, size_t n,
                         bool lower)
{
    size_t ld = oqt__padded(n);

    if (n <= SMALL) {
        small_product(c, alpha, a, b, beta, n, ld, lower);
        return;
    }
    if (!lower) {
        oqt__gemm(false, false, n, n, n, alpha, a, ld, b, ld, beta, c, ld);
        return;
    }
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t rows = n - i < BLOCK ? n - i : BLOCK;

        oqt__gemm(false, false, rows, i + rows, n, alpha, a + i * ld, ld, b, ld, beta, c + i * ld, ld);
    }
}
