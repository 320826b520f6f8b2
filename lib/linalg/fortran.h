/* fortran.h - private to lib/linalg: the Fortran routines of BLAS and LAPACK in use.
 *
 * Declared by hand, because neither lapacke.h nor a Fortran header is installed everywhere. Everything is
 * passed by pointer; matrices are column-major. A CHARACTER argument has a hidden length, by value, behind
 * all others (size_t since gfortran 8). Leaving it out is undefined and has crashed programs; libraries that
 * do not expect it ignore it.
 */
#ifndef OQT_PRIV_FORTRAN_H
#define OQT_PRIV_FORTRAN_H

#include "linalg/blas.h"

#include <assert.h>
#include <limits.h>

/** The one narrowing to LAPACK's integers; objects check with oqt__lapack_size when they are made. */
static inline int lapack_int(size_t n)
{
    assert(n <= INT_MAX);
    return (int)n;
}

/** A leading dimension: at least 1. */
static inline int lapack_ld(size_t n)
{
    return n > 0 ? lapack_int(n) : 1;
}

/** A queried workspace length, which LAPACK returns as a floating-point number, cut to what an int holds. */
static inline size_t lapack_lwork(double query)
{
    return query < 1.0 ? 1 : query < (double)INT_MAX - 1.0 ? (size_t)query + 1 : INT_MAX;
}

/* ---- BLAS ---- */

void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t uplo_len);
void dgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
            const double *alpha, const double *a, const int *lda, const double *b, const int *ldb,
            const double *beta, double *c, const int *ldc, size_t, size_t);
void sgemm_(const char *transa, const char *transb, const int *m, const int *n, const int *k,
            const float *alpha, const float *a, const int *lda, const float *b, const int *ldb,
            const float *beta, float *c, const int *ldc, size_t, size_t);
void dgemv_(const char *trans, const int *m, const int *n, const double *alpha, const double *a,
            const int *lda, const double *x, const int *incx, const double *beta, double *y, const int *incy,
            size_t);

/* ---- singular values, QR ---- */

void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork,
             int *info, size_t);
void dgesvd_(const char *jobu, const char *jobvt, const int *m, const int *n, double *a, const int *lda,
             double *s, double *u, const int *ldu, double *vt, const int *ldvt, double *work,
             const int *lwork, int *info, size_t, size_t);
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dlaqps_(const int *m, const int *n, const int *offset, const int *nb, int *kb, double *a, const int *lda,
             int *jpvt, double *tau, double *vn1, double *vn2, double *auxv, double *f, const int *ldf);
void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *lwork, int *info);
void dorglq_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau,
             double *work, const int *lwork, int *info);
void dormqr_(const char *side, const char *trans, const int *m, const int *n, const int *k, const double *a,
             const int *lda, const double *tau, double *c, const int *ldc, double *work, const int *lwork,
             int *info, size_t, size_t);
void dormlq_(const char *side, const char *trans, const int *m, const int *n, const int *k, const double *a,
             const int *lda, const double *tau, double *c, const int *ldc, double *work, const int *lwork,
             int *info, size_t, size_t);

/* ---- eigenvalues, linear equations ---- */

void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
void dsytrd_(const char *uplo, const int *n, double *a, const int *lda, double *d, double *e, double *tau,
             double *work, const int *lwork, int *info, size_t);
void dstedc_(const char *compz, const int *n, double *d, double *e, double *z, const int *ldz, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, size_t);
void dormtr_(const char *side, const char *uplo, const char *trans, const int *m, const int *n,
             const double *a, const int *lda, const double *tau, double *c, const int *ldc, double *work,
             const int *lwork, int *info, size_t, size_t, size_t);
void dgeev_(const char *jobvl, const char *jobvr, const int *n, double *a, const int *lda, double *wr,
            double *wi, double *vl, const int *ldvl, double *vr, const int *ldvr, double *work,
            const int *lwork, int *info, size_t, size_t);
void dgesv_(const int *n, const int *nrhs, double *a, const int *lda, int *ipiv, double *b, const int *ldb,
            int *info);

#endif
