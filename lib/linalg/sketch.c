/* sketch.c - randomized range finder for large matrices of small rank.
 *
 * A = Q B + E with Q orthonormal, B = Q^T A, grown block by block: each block of Q spans (E E^T) E W for a
 * random W (N. Halko, P. G. Martinsson, J. A. Tropp, SIAM Rev. 53, 217 (2011), with the deflation of
 * P. G. Martinsson and S. Voronin, SIAM J. Sci. Comput. 38, S485 (2016)). E is at hand, so the error is known
 * and not only expected: |A|_F^2 = |B|_F^2 + |E|_F^2, and no singular value beyond those of B exceeds |E|_2.
 *
 * Q is kept as Q^T, row-major, one row after the other: to LAPACK these are the columns of Q.
 */
#include "core/numbers.h"
#include "linalg/fortran.h"
#include "linalg/svd_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Measured: from 96 on the randomized path wins by 2 to 10 while the rank is below a quarter of the size,
 * breaks even at 0.4, and costs about a tenth where it is given up. */
enum { MIN_SIZE = 96, MIN_BLOCK = 16, OVERSAMPLING = 10 };

/* The error left, in units of the tolerance: values near the tolerance are then right to 5 %. */
#define ERROR_MARGIN 0.3

typedef struct {
    size_t m, n;
    size_t l, l_max;  /* rows of qt and b, now and at most */
    double *e;        /* m x n                             */
    double *qt, *b;   /* l_max x m, l_max x n              */
    double *coupling; /* l_max x l_max                     */
    double *x, *y;    /* vectors of n and of m elements    */
    double *u;        /* m x l_max, the result             */
    double *tau, *work;
    double *dense; /* memory of the final decomposition */
    size_t n_work, n_dense;
    uint64_t seed;
} sketch;

/* Sum of four uniform numbers: near enough to a normal one, with variance 1/3. */
static void random_numbers(double *out, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t z = oqt__random_bits(state);
        double sum;

        sum = (double)((z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48));
        out[i] = sum * 0x1p-16 - 2.0;
    }
}

static double sum_of_squares(const double *a, size_t n)
{
    double sum[4] = {0};

    for (size_t i = 0; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += a[i + j] * a[i + j];
    for (size_t i = n / 4 * 4; i < n; i++)
        sum[0] += a[i] * a[i];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* 2-norm of e by a few power iterations: never too large, seldom more than some percent too small. */
static double norm_2(sketch *w)
{
    double norm = 0.0;

    random_numbers(w->x, w->n, &w->seed);
    for (int i = 0; i < 4; i++) {
        double length = sqrt(sum_of_squares(w->x, w->n));

        if (!(length > 0.0))
            return 0.0;
        oqt__gemv(false, w->m, w->n, 1.0 / length, w->e, w->n, w->x, 0.0, w->y);
        norm = sqrt(sum_of_squares(w->y, w->m));
        oqt__gemv(true, w->m, w->n, 1.0, w->e, w->n, w->y, 0.0, w->x);
    }
    return norm;
}

/* Orthonormalize `count` rows of length len. */
static void orthonormalize(sketch *w, double *rows, size_t count, size_t len)
{
    int m = lapack_int(len), n = lapack_int(count), lwork = lapack_int(w->n_work), info = 0;

    dgeqrf_(&m, &n, rows, &m, w->tau, w->work, &lwork, &info);
    dorgqr_(&m, &n, &n, rows, &m, w->tau, w->work, &lwork, &info);
    assert(info == 0);
}

/* Append `count` rows to qt and b and take them out of e: random ones, improved once. */
static void grow(sketch *w, size_t count)
{
    size_t m = w->m, n = w->n, l = w->l;
    double *q = w->qt + l * m, *z = w->b + l * n;

    random_numbers(z, count * n, &w->seed);
    oqt__gemm(false, true, count, m, n, 1.0, z, n, w->e, n, 0.0, q, m);
    oqt__gemm(false, false, count, n, m, 1.0, q, m, w->e, n, 0.0, z, n);
    orthonormalize(w, z, count, n);
    oqt__gemm(false, true, count, m, n, 1.0, z, n, w->e, n, 0.0, q, m);
    orthonormalize(w, q, count, m);
    if (l > 0) { /* e is orthogonal to the rows before only up to the rounding of A */
        oqt__gemm(false, true, count, l, m, 1.0, q, m, w->qt, m, 0.0, w->coupling, l);
        oqt__gemm(false, false, count, m, l, -1.0, w->coupling, l, w->qt, m, 1.0, q, m);
        orthonormalize(w, q, count, m);
    }
    oqt__gemm(false, false, count, n, m, 1.0, q, m, w->e, n, 0.0, z, n);
    oqt__gemm(true, false, m, n, count, -1.0, q, m, z, n, 1.0, w->e, n);
    w->l += count;
}

/* The rank from which on a bound on the rank alone is met well enough: 0 if there is none. */
static size_t enough_for_max_rank(const oqt__trunc *rule)
{
    return rule->max_rank > 0 && rule->max_rank < SIZE_MAX / 4 ? 2 * rule->max_rank + OVERSAMPLING : 0;
}

bool oqt__svd_sketch_applies(size_t m, size_t n, const oqt__trunc *rule)
{
    size_t k = m < n ? m : n, enough = enough_for_max_rank(rule);

    return k >= MIN_SIZE && (rule->abs_tol > 0.0 || rule->rel_tail > 0.0 || (enough > 0 && enough <= k / 2));
}

/* How far e is from what the tolerances demand: at most 1 if they are met. norm: estimate of |A|_2. */
static double excess(sketch *w, const oqt__trunc *rule, double norm)
{
    double worst = 0.0;

    if (rule->rel_tail > 0.0)
        worst = sqrt(sum_of_squares(w->e, w->m * w->n)) / (ERROR_MARGIN * rule->rel_tail * norm);
    if (rule->abs_tol > 0.0)
        worst = fmax(worst, norm_2(w) / (ERROR_MARGIN * rule->abs_tol));
    return worst > 0.0 ? worst : rule->rel_tail > 0.0 || rule->abs_tol > 0.0 ? 0.0 : INFINITY;
}

/* Grow until the rule is met; false as soon as more than l_max rows look necessary. */
static bool find_range(sketch *w, const oqt__trunc *rule)
{
    size_t k = w->m < w->n ? w->m : w->n, enough = enough_for_max_rank(rule), count = k / 8;
    double norm = norm_2(w), before = excess(w, rule, norm), now;
    double smallest = fmin(rule->abs_tol > 0.0 ? rule->abs_tol : INFINITY,
                           rule->rel_tail > 0.0 ? rule->rel_tail * norm : INFINITY);

    if (smallest < 100.0 * DBL_EPSILON * norm) /* e cannot become that small */
        return false;
    for (;;) {
        double wanted;

        if (enough > w->l && enough - w->l < count)
            count = enough - w->l;
        if (count < MIN_BLOCK)
            count = MIN_BLOCK;
        if (count > w->l_max - w->l)
            count = w->l_max - w->l;
        if (count == 0)
            return false;
        grow(w, count);
        now = excess(w, rule, norm);
        if (now <= 1.0 || (enough > 0 && w->l >= enough))
            return true;
        /* Singular values fall ever more slowly, so extrapolating their decay asks for too few. */
        wanted = isfinite(now) && now < before ? log(now) * (double)count / log(before / now) : INFINITY;
        if (enough > 0)
            wanted = fmin(wanted, (double)(enough - w->l));
        if (!((double)w->l + wanted <= (double)w->l_max))
            return false;
        count = (size_t)(1.1 * wanted) + 4;
        if (count < w->l / 2)
            count = w->l / 2;
        before = now;
    }
}

static size_t query_work(size_t m, size_t n, size_t l)
{
    int rows = lapack_int(m > n ? m : n), cols = lapack_int(l), query = -1, info = 0;
    double need[2] = {0}, unused = 0.0;

    dgeqrf_(&rows, &cols, &unused, &rows, &unused, need, &query, &info);
    dorgqr_(&rows, &cols, &cols, &unused, &rows, &unused, need + 1, &query, &info);
    return lapack_lwork(fmax(need[0], need[1]));
}

/* Divide the workspace; all sizes are far from overflow because m n doubles exist. */
static oqt_status place(sketch *w, oqt__svd_ws *ws, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n, l = k / 2, total = 0, lengths[10];
    double **parts[10] = {&w->e, &w->qt, &w->b,   &w->coupling, &w->x,
                          &w->y, &w->u,  &w->tau, &w->work,     &w->dense};
    oqt__svd_plan plan;
    oqt_status st;

    if ((st = oqt__svd_plan_init(&plan, l, n, err)) != OQT_OK)
        return st;
    *w = (sketch){.m = m, .n = n, .l_max = l, .seed = 0x6f7174656d706f31u};
    w->n_work = query_work(m, n, l);
    w->n_dense = plan.n_mem;
    memcpy(lengths, (size_t[]){m * n, l * m, l * n, l * l, n, m, m * l, l, w->n_work, w->n_dense},
           sizeof lengths);
    for (size_t i = 0; i < 10; i++)
        total += lengths[i] = (lengths[i] + 7) / 8 * 8;
    if ((st = oqt__svd_ws_reserve(ws, total, plan.n_int, err)) != OQT_OK)
        return st;
    *parts[0] = ws->mem;
    for (size_t i = 1; i < 10; i++)
        *parts[i] = *parts[i - 1] + lengths[i - 1];
    return OQT_OK;
}

oqt_status oqt__svd_sketch(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                           double largest, const oqt__trunc *rule, oqt__trunc_record *record, bool *accepted,
                           oqt_error *err)
{
    sketch w;
    oqt__svd_plan plan;
    oqt__svd svd;
    oqt_status st;

    *accepted = false;
    if (!(largest > 1e-100 && largest < 1e100)) /* squares have to be harmless */
        return OQT_OK;
    if ((st = place(&w, ws, m, n, err)) != OQT_OK)
        return st;
    memcpy(w.e, a, m * n * sizeof *a);
    if (!find_range(&w, rule))
        return OQT_OK;
    if ((st = oqt__svd_plan_init(&plan, w.l, n, err)) != OQT_OK)
        return st;
    if (plan.n_mem > w.n_dense)
        return OQT_OK;
    st = oqt__svd_dense(&svd, &plan, w.dense, ws->iwork, w.b, rule, sqrt(sum_of_squares(w.e, m * n)), record,
                        OQT__SVD_DIVIDE, err);
    if (st != OQT_OK)
        return st;
    oqt__gemm(true, false, m, svd.rank, w.l, 1.0, w.qt, m, svd.u, svd.rank, 0.0, w.u, svd.rank);
    *out = (oqt__svd){svd.rank, w.u, svd.s, svd.vt};
    record->n_randomized = 1;
    *accepted = true;
    return OQT_OK;
}
