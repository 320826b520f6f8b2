/* blas.c - row-major products on a column-major BLAS.
 *
 * A row-major matrix is its transpose to Fortran. C = op(A) op(B) becomes C^T = op(B)^T op(A)^T: the same
 * flags with the operands swapped.
 */
#include "linalg/blas.h"

#include "linalg/fortran.h"

#include <math.h>

oqt_status oqt__lapack_size(size_t n, const char *what, oqt_error *err)
{
    if (n > INT_MAX)
        return oqt__fail(err, OQT_ERANGE, "%s of size %zu is too large for LAPACK", what, n);
    return OQT_OK;
}

void oqt__gemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
               const double *b, size_t ldb, double beta, double *c, size_t ldc)
{
    int m_ = lapack_int(m), n_ = lapack_int(n), k_ = lapack_int(k);
    int lda_ = lapack_ld(lda), ldb_ = lapack_ld(ldb), ldc_ = lapack_ld(ldc);

    if (m == 0 || n == 0)
        return;
    dgemm_(tb ? "T" : "N", ta ? "T" : "N", &n_, &m_, &k_, &alpha, b, &ldb_, a, &lda_, &beta, c, &ldc_, 1, 1);
}

void oqt__gemm_single(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                      const float *b, size_t ldb, float beta, float *c, size_t ldc)
{
    int m_ = lapack_int(m), n_ = lapack_int(n), k_ = lapack_int(k);
    int lda_ = lapack_ld(lda), ldb_ = lapack_ld(ldb), ldc_ = lapack_ld(ldc);

    if (m == 0 || n == 0)
        return;
    sgemm_(tb ? "T" : "N", ta ? "T" : "N", &n_, &m_, &k_, &alpha, b, &ldb_, a, &lda_, &beta, c, &ldc_, 1, 1);
}

void oqt__gemv(bool ta, size_t m, size_t n, double alpha, const double *a, size_t lda, const double *x,
               double beta, double *y)
{
    int m_ = lapack_int(m), n_ = lapack_int(n), lda_ = lapack_ld(lda), one = 1;

    if (m == 0 || n == 0) { /* dgemv returns at once and leaves y as it is */
        for (size_t i = 0, n_y = ta ? n : m; i < n_y; i++)
            y[i] = beta == 0.0 ? 0.0 : beta * y[i];
        return;
    }
    dgemv_(ta ? "N" : "T", &n_, &m_, &alpha, a, &lda_, x, &one, &beta, y, &one, 1);
}

double oqt__norm(const double *x, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}
