/*
 * qr.c - orthogonal factors, where nothing is truncated.
 *
 * A row-major m x n matrix A is the column-major n x m matrix A^T. A^T = L Q gives A = Q^T L^T, and the
 * buffers of L and Q read row-major are those of the factors of A.
 */
#include "linalg/fortran.h"
#include "linalg/svd_priv.h"

#include <string.h>

/* Room for a copy of the matrix, the reflectors and LAPACK's workspace. */
static oqt_status reserve(oqt__svd_ws *ws, size_t m, size_t n, double queried, int *lwork, oqt_error *err)
{
    size_t len;
    oqt_status st;

    if ((st = oqt__lapack_size(m > n ? m : n, "matrix", err)) != OQT_OK)
        return st;
    if (!oqt__mul_size(&len, m, n) || len > SIZE_MAX / 16)
        return oqt__fail(err, OQT_ERANGE, "matrix of %zu x %zu elements is too large", m, n);
    *lwork = lapack_int(lapack_lwork(queried));
    return oqt__svd_ws_reserve(ws, len + m + n + lapack_lwork(queried), 0, err);
}

oqt_status oqt__qr(double *q, double *r, oqt__svd_ws *ws, const double *a, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n;
    int p = lapack_ld(n), c = lapack_ld(m), k_ = lapack_ld(k), query = -1, lwork, info = 0;
    double unused = 0.0, need = 0.0, need_q = 0.0;
    double *b, *tau, *work;
    oqt_status st;

    if (k == 0)
        return OQT_OK;
    dgelqf_(&p, &c, &unused, &p, &unused, &need, &query, &info);
    dorglq_(&k_, &c, &k_, &unused, &k_, &unused, &need_q, &query, &info);
    if ((st = reserve(ws, m, n, need > need_q ? need : need_q, &lwork, err)) != OQT_OK)
        return st;
    b = ws->mem;
    tau = b + m * n;
    work = tau + k;
    memcpy(b, a, m * n * sizeof *b);
    dgelqf_(&p, &c, b, &p, tau, work, &lwork, &info);
    for (size_t i = 0; i < k; i++) /* columns of L */
        for (size_t j = 0; j < n; j++)
            r[i * n + j] = j >= i ? b[i * n + j] : 0.0;
    for (size_t i = 0; i < m; i++) /* the reflectors, rows of the column-major matrix */
        memcpy(q + i * k, b + i * n, k * sizeof *q);
    dorglq_(&k_, &c, &k_, q, &k_, tau, work, &lwork, &info);
    return info == 0 ? OQT_OK : oqt__fail(err, OQT_ECONV, "an orthogonal factor was not found");
}

oqt_status oqt__lq(double *l, double *q, oqt__svd_ws *ws, const double *a, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n;
    int p = lapack_ld(n), c = lapack_ld(m), k_ = lapack_ld(k), query = -1, lwork, info = 0;
    double unused = 0.0, need = 0.0, need_q = 0.0;
    double *b, *tau, *work;
    oqt_status st;

    if (k == 0)
        return OQT_OK;
    dgeqrf_(&p, &c, &unused, &p, &unused, &need, &query, &info);
    dorgqr_(&p, &k_, &k_, &unused, &p, &unused, &need_q, &query, &info);
    if ((st = reserve(ws, m, n, need > need_q ? need : need_q, &lwork, err)) != OQT_OK)
        return st;
    b = ws->mem;
    tau = b + m * n;
    work = tau + k;
    memcpy(b, a, m * n * sizeof *b);
    dgeqrf_(&p, &c, b, &p, tau, work, &lwork, &info);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            l[i * k + j] = j <= i ? b[i * n + j] : 0.0;
    memcpy(q, b, k * n * sizeof *q);
    dorgqr_(&p, &k_, &k_, q, &p, tau, work, &lwork, &info);
    return info == 0 ? OQT_OK : oqt__fail(err, OQT_ECONV, "an orthogonal factor was not found");
}
