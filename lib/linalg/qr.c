/* qr.c - orthogonal factors where nothing is truncated. */
#include "linalg/fortran.h"
#include "linalg/linalg.h"

#include <string.h>

/* Row-major A is column-major A^T = L Q^T, which dgelqf factors. */
oqt_status oqt__qr(double *q, double *r, const double *a, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n;
    int rows = lapack_int(n), cols = lapack_int(m), rank = lapack_int(k), ld_n = lapack_ld(n),
        ld_k = lapack_ld(k);
    int info = 0, lwork = -1;
    double query[2] = {0.0, 0.0}, *copy = oqt__copy(a, m * n, sizeof *a), *tau = oqt__doubles(k),
           *work = NULL;
    oqt_status st = copy && tau ? OQT_OK : oqt__no_memory(err, "a decomposition");

    if (st != OQT_OK || k == 0)
        goto done;
    dgelqf_(&rows, &cols, copy, &ld_n, tau, &query[0], &lwork, &info);
    dorglq_(&rank, &cols, &rank, q, &ld_k, tau, &query[1], &lwork, &info);
    lwork = lapack_int(lapack_lwork(query[0] > query[1] ? query[0] : query[1]));
    work = oqt__doubles((size_t)lwork);
    if (!work) {
        st = oqt__no_memory(err, "a decomposition");
        goto done;
    }
    dgelqf_(&rows, &cols, copy, &ld_n, tau, work, &lwork, &info);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < n; j++)
            r[i * n + j] = j < i ? 0.0 : copy[i * n + j];
    for (size_t i = 0; i < m; i++)
        memcpy(q + i * k, copy + i * n, k * sizeof *q);
    dorglq_(&rank, &cols, &rank, q, &ld_k, tau, work, &lwork, &info);
done:
    oqt__free(copy);
    oqt__free(tau);
    oqt__free(work);
    return st;
}
