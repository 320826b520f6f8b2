/*
 * qr.c - orthogonal factors, where nothing is truncated.
 *
 * A row-major m x n matrix A is the column-major n x m matrix A^T. A^T = L Q gives A = Q^T L^T, and the
 * buffers of L and Q read row-major are those of the factors of A.
 */
#include "linalg/fortran.h"
#include "linalg/svd_priv.h"

#include <string.h>

/* A copy of the matrix, room for the reflectors, and LAPACK's workspace. */
struct room {
    double *copy, *tau, *work;
    int lwork;
};

static oqt_status make_room(struct room *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                            double queried, oqt_error *err)
{
    size_t len;
    oqt_status st;

    if ((st = oqt__lapack_size(m > n ? m : n, "matrix", err)) != OQT_OK)
        return st;
    if (!oqt__mul_size(&len, m, n) || len > SIZE_MAX / 16)
        return oqt__fail(err, OQT_ERANGE, "matrix of %zu x %zu elements is too large", m, n);
    if ((st = oqt__svd_ws_reserve(ws, len + m + n + lapack_lwork(queried), 0, err)) != OQT_OK)
        return st;
    out->copy = ws->mem;
    out->tau = out->copy + len;
    out->work = out->tau + (m < n ? m : n);
    out->lwork = lapack_int(lapack_lwork(queried));
    memcpy(out->copy, a, len * sizeof *a);
    return OQT_OK;
}

static oqt_status finish(int info, oqt_error *err)
{
    return info == 0 ? OQT_OK : oqt__fail(err, OQT_ECONV, "an orthogonal factor was not found");
}

oqt_status oqt__qr(double *q, double *r, oqt__svd_ws *ws, const double *a, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n;
    int p = lapack_ld(n), c = lapack_ld(m), k_ = lapack_ld(k), query = -1, info = 0;
    double unused = 0.0, need = 0.0, need_q = 0.0;
    struct room room;
    oqt_status st;

    if (k == 0)
        return OQT_OK;
    dgelqf_(&p, &c, &unused, &p, &unused, &need, &query, &info);
    dorglq_(&k_, &c, &k_, &unused, &k_, &unused, &need_q, &query, &info);
    if ((st = make_room(&room, ws, a, m, n, need > need_q ? need : need_q, err)) != OQT_OK)
        return st;
    dgelqf_(&p, &c, room.copy, &p, room.tau, room.work, &room.lwork, &info);
    for (size_t i = 0; i < k; i++) /* columns of L */
        for (size_t j = 0; j < n; j++)
            r[i * n + j] = j >= i ? room.copy[i * n + j] : 0.0;
    for (size_t i = 0; i < m; i++) /* the reflectors, rows of the column-major matrix */
        memcpy(q + i * k, room.copy + i * n, k * sizeof *q);
    dorglq_(&k_, &c, &k_, q, &k_, room.tau, room.work, &room.lwork, &info);
    return finish(info, err);
}

oqt_status oqt__lq(double *l, double *q, oqt__svd_ws *ws, const double *a, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n;
    int p = lapack_ld(n), c = lapack_ld(m), k_ = lapack_ld(k), query = -1, info = 0;
    double unused = 0.0, need = 0.0, need_q = 0.0;
    struct room room;
    oqt_status st;

    if (k == 0)
        return OQT_OK;
    dgeqrf_(&p, &c, &unused, &p, &unused, &need, &query, &info);
    dorgqr_(&p, &k_, &k_, &unused, &p, &unused, &need_q, &query, &info);
    if ((st = make_room(&room, ws, a, m, n, need > need_q ? need : need_q, err)) != OQT_OK)
        return st;
    dgeqrf_(&p, &c, room.copy, &p, room.tau, room.work, &room.lwork, &info);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            l[i * k + j] = j <= i ? room.copy[i * n + j] : 0.0;
    memcpy(q, room.copy, k * n * sizeof *q);
    dorgqr_(&p, &k_, &k_, q, &p, room.tau, room.work, &room.lwork, &info);
    return finish(info, err);
}
