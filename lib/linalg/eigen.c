/* eigen.c - eigenvalues of real matrices and linear equations. */
#include "linalg/fortran.h"
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

static bool all_finite(const double *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(a[i]))
            return false;
    return true;
}

/* Sizes that fit LAPACK and memory, and finite elements: what all routines here demand. */
static oqt_status check_matrix(const double *a, size_t n, oqt_error *err)
{
    oqt_status st = oqt__lapack_size(n, "matrix", err);

    if (st == OQT_OK && !all_finite(a, n * n))
        st = oqt__fail(err, OQT_EINVAL, "matrix of size %zu has an element that is not finite", n);
    return st;
}

/* ---- symmetric ---- */

oqt_status oqt__eigh(double *w, double *v, const double *a, size_t n, oqt_error *err)
{
    int n_ = lapack_int(n), info = 0, query = -1, n_int = 0;
    double n_work = 0.0, *z = NULL, *values = NULL, *work = NULL;
    int *iwork = NULL, lwork;
    oqt_status st;

    if (n == 0)
        return OQT_OK;
    if ((st = check_matrix(a, n, err)) != OQT_OK)
        return st;
    dsyevd_("V", "U", &n_, NULL, &n_, NULL, &n_work, &query, &n_int, &query, &info, 1, 1);
    lwork = lapack_int(lapack_lwork(n_work));
    z = oqt__copy(a, n * n, sizeof *a);
    values = oqt__doubles(n);
    work = oqt__doubles((size_t)lwork);
    iwork = oqt__calloc((size_t)n_int, sizeof *iwork);
    if (!z || !values || !work || !iwork) {
        st = oqt__no_memory(err, "eigenvalues");
        goto done;
    }
    dsyevd_("V", "U", &n_, z, &n_, values, work, &lwork, iwork, &n_int, &info, 1, 1);
    if (info != 0) {
        st = oqt__fail(err, OQT_ECONV, "eigenvalues of a symmetric matrix of size %zu did not converge", n);
        goto done;
    }
    memcpy(w, values, n * sizeof *w);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            v[i * n + j] = z[j * n + i];
done:
    oqt__free(iwork);
    oqt__free(work);
    oqt__free(values);
    oqt__free(z);
    return st;
}

/* ---- general ---- */

oqt_status oqt__eigvals(oqt_complex *w, const double *a, size_t n, oqt_error *err)
{
    int n_ = lapack_int(n), info = 0, query = -1, one = 1, lwork;
    double n_work = 0.0, *z = NULL, *parts = NULL, *work = NULL;
    oqt_status st;

    if (n == 0)
        return OQT_OK;
    if ((st = check_matrix(a, n, err)) != OQT_OK)
        return st;
    dgeev_("N", "N", &n_, NULL, &n_, NULL, NULL, NULL, &one, NULL, &one, &n_work, &query, &info, 1, 1);
    lwork = lapack_int(lapack_lwork(n_work));
    z = oqt__copy(a, n * n, sizeof *a);
    parts = oqt__doubles(2 * n);
    work = oqt__doubles((size_t)lwork);
    if (!z || !parts || !work) {
        st = oqt__no_memory(err, "eigenvalues");
        goto done;
    }
    /* The transpose has the same eigenvalues. */
    dgeev_("N", "N", &n_, z, &n_, parts, parts + n, NULL, &one, NULL, &one, work, &lwork, &info, 1, 1);
    if (info != 0) {
        st = oqt__fail(err, OQT_ECONV, "eigenvalues of a matrix of size %zu did not converge", n);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        w[i] = (oqt_complex){parts[i], parts[n + i]};
done:
    oqt__free(work);
    oqt__free(parts);
    oqt__free(z);
    return st;
}

static void transpose(double *out, const double *a, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            out[j * rows + i] = a[i * cols + j];
}

oqt_status oqt__solve(double *b, const double *a, size_t n, size_t nrhs, oqt_error *err)
{
    int n_ = lapack_int(n), nrhs_ = lapack_int(nrhs), info = 0;
    double *lu = NULL, *x = NULL;
    int *pivots = NULL;
    oqt_status st;

    if (n == 0 || nrhs == 0)
        return OQT_OK;
    if ((st = check_matrix(a, n, err)) != OQT_OK)
        return st;
    if (!all_finite(b, n * nrhs))
        return oqt__fail(err, OQT_EINVAL, "right-hand side has an element that is not finite");
    lu = oqt__doubles(n * n);
    x = oqt__doubles(n * nrhs);
    pivots = oqt__calloc(n, sizeof *pivots);
    if (!lu || !x || !pivots) {
        st = oqt__no_memory(err, "linear equations");
        goto done;
    }
    transpose(lu, a, n, n);
    transpose(x, b, n, nrhs);
    dgesv_(&n_, &nrhs_, lu, &n_, pivots, x, &n_, &info);
    if (info != 0 || !all_finite(x, n * nrhs)) {
        st = oqt__fail(err, OQT_ECONV, "matrix of size %zu is singular", n);
        goto done;
    }
    transpose(b, x, nrhs, n);
done:
    oqt__free(pivots);
    oqt__free(x);
    oqt__free(lu);
    return st;
}
