/* blas.h - private: row-major wrappers of the Fortran BLAS and LAPACK routines in use.
 *
 * Sizes must fit LAPACK's int; objects check that once when they are made (oqt__lapack_size), the wrappers
 * assert it. None of them allocates.
 */
#ifndef OQT_PRIV_BLAS_H
#define OQT_PRIV_BLAS_H

#include "core/core.h"

/** OQT_ERANGE with a message if n does not fit the integers of LAPACK. */
oqt_status oqt__lapack_size(size_t n, const char *what, oqt_error *err);

/** C = alpha op(A) op(B) + beta C, all row-major with leading dimensions lda, ldb, ldc (row lengths);
 *  op(A) is m x k, op(B) k x n. ta, tb: transpose. */
void oqt__gemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda,
               const double *b, size_t ldb, double beta, double *c, size_t ldc);

/** The same in single precision. */
void oqt__gemm_single(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                      const float *b, size_t ldb, float beta, float *c, size_t ldc);

/** y = alpha op(A) x + beta y with A row-major m x n, contiguous x and y. */
void oqt__gemv(bool ta, size_t m, size_t n, double alpha, const double *a, size_t lda, const double *x,
               double beta, double *y);

/** sqrt(x.x), summed in order. */
double oqt__norm(const double *x, size_t n);

#endif
