/*
 * range.c - the range of a matrix up to a tolerance, from its products with random vectors (N. Halko, P. G.
 * Martinsson, J. A. Tropp, SIAM Rev. 53, 217 (2011)).
 *
 * With Y = A W and Y = Q R for random W, the part of the vectors behind the first k that Q_1 .. Q_k miss is
 * what A misses, on the average: mean square over vectors = |A - Q_k Q_k^T A|_F^2. So the triangle of R tells
 * how many columns of Q are enough, and nothing of the size of A is decomposed.
 */
#include "core/numbers.h"
#include "linalg/fortran.h"
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

/* Vectors by which an error is judged. */
enum { PROBES = 8 };

void oqt__range_ws_release(oqt__range_ws *ws)
{
    oqt__free(ws->mem);
    oqt__free(ws->random);
    *ws = (oqt__range_ws){0};
}

static oqt_status reserve(double **mem, size_t *cap, size_t n, oqt_error *err)
{
    double *more;

    if (n <= *cap)
        return OQT_OK;
    more = oqt__doubles(n + n / 2);
    if (!more)
        return oqt__no_memory(err, "the range of a matrix");
    oqt__free(*mem);
    *mem = more;
    *cap = n + n / 2;
    return OQT_OK;
}

/* The i-th random number depends on i only: mean 0, variance 1. */
static void fill_random(double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t state = i * 0x9e3779b97f4a7c15u;

        x[i] = ((double)(oqt__random_bits(&state) >> 11) * 0x1p-53 - 0.5) * 3.4641016151377544;
    }
}

/* Random numbers, and room for k vectors of length m and what LAPACK wants. */
static oqt_status prepare(oqt__range_ws *ws, size_t k, size_t m, size_t n, size_t *n_work, oqt_error *err)
{
    int m_ = lapack_int(m), k_ = lapack_int(k), query = -1, info = 0;
    double need[2] = {0}, unused = 0.0;
    size_t known = ws->n_random, len;
    oqt_status st;

    dgeqrf_(&m_, &k_, &unused, &m_, &unused, need, &query, &info);
    dorgqr_(&m_, &k_, &k_, &unused, &m_, &unused, need + 1, &query, &info);
    *n_work = lapack_lwork(fmax(need[0], need[1]));
    if (!oqt__mul_size(&len, k, m + 1) || len > SIZE_MAX / 32)
        return oqt__fail(err, OQT_ERANGE, "matrix of %zu x %zu elements is too large", m, n);
    if ((st = reserve(&ws->mem, &ws->n_mem, len + *n_work, err)) != OQT_OK ||
        (st = reserve(&ws->random, &ws->n_random, k * n, err)) != OQT_OK)
        return st;
    if (ws->n_random != known)
        fill_random(ws->random, ws->n_random);
    return OQT_OK;
}

/* The smallest number of columns whose error, seen by the vectors behind them, is at most tol; k + 1 if no
 * number up to k - PROBES is enough. r: the triangle, column-major with ld. */
static size_t enough(const double *r, size_t k, size_t ld, double tol)
{
    for (size_t rank = 1; rank + PROBES <= k; rank++) {
        double sum = 0.0;

        for (size_t j = rank; j < rank + PROBES; j++)
            for (size_t i = rank; i <= j; i++)
                sum += r[j * ld + i] * r[j * ld + i];
        if (sum <= PROBES * tol * tol)
            return rank;
    }
    return k + 1;
}

oqt_status oqt__range(const double **q, size_t *rank, oqt__range_ws *ws, const double *a, size_t m, size_t n,
                      double tol, size_t guess, size_t max_rank, double *flops, oqt_error *err)
{
    size_t full = m < n ? m : n, limit = max_rank > 0 && max_rank < full ? max_rank : full;
    double allowed = tol * oqt__norm(a, m * n);
    oqt_status st;

    for (size_t k = guess + PROBES;; k += k / 2) {
        size_t n_work, found;
        double *y, *tau, *work;
        int m_ = lapack_int(m), k_, found_, lwork, info = 0;

        if (k > limit + PROBES)
            k = limit + PROBES;
        if (k > full)
            k = full;
        if ((st = prepare(ws, k, m, n, &n_work, err)) != OQT_OK)
            return st;
        y = ws->mem;
        tau = y + k * m;
        work = tau + k;
        lwork = lapack_int(n_work);
        k_ = lapack_int(k);
        oqt__gemm(false, true, k, m, n, 1.0, ws->random, n, a, n, 0.0, y, m);
        *flops += 2.0 * (double)k * (double)m * (double)n;
        dgeqrf_(&m_, &k_, y, &m_, tau, work, &lwork, &info);
        *flops += 2.0 * (double)k * (double)k * ((double)m - (double)k / 3.0);
        found = enough(y, k, m, allowed);
        if (found > k) {
            if (k < full && k < limit + PROBES)
                continue;
            found = k < limit ? k : limit;
        }
        if (found > limit)
            found = limit;
        found_ = lapack_int(found);
        dorgqr_(&m_, &found_, &found_, y, &m_, tau, work, &lwork, &info);
        *flops += 2.0 * (double)found * (double)found * ((double)m - (double)found / 3.0);
        *q = y;
        *rank = found;
        return OQT_OK;
    }
}
