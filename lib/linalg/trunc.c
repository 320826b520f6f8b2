/* trunc.c - the truncation kernel: dense singular value decomposition and the rank rule.
 *
 * A row-major m x n matrix A is the column-major n x m matrix B = A^T. With B = L diag(s) R, column-major,
 * the buffer of L read row-major is vt of A, and that of R is u of A: nothing has to be transposed.
 */
#include "linalg/fortran.h"
#include "linalg/svd_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* From this ratio of the sides on, splitting off a triangular factor first pays. */
#define LONG_RATIO 1.6

void oqt__trunc_add(oqt__trunc_record *sum, const oqt__trunc_record *one)
{
    sum->kept = one->kept;
    sum->discarded_weight += one->discarded_weight;
    sum->largest_dropped = fmax(sum->largest_dropped, one->largest_dropped);
    sum->n_fallback += one->n_fallback;
    sum->n_randomized += one->n_randomized;
    sum->limited = sum->limited || one->limited;
    sum->flops += one->flops;
}

/* ---- workspace ---- */

void oqt__svd_ws_release(oqt__svd_ws *ws)
{
    oqt__free(ws->mem);
    oqt__free(ws->iwork);
    *ws = (oqt__svd_ws){0};
}

oqt_status oqt__svd_ws_reserve(oqt__svd_ws *ws, size_t n, size_t n_int, oqt_error *err)
{
    if (n > ws->mem_len) { /* the old room goes first: its contents may be lost, and peaks are lower */
        oqt__free(ws->mem);
        ws->mem_len = 0;
        ws->mem = oqt__doubles(n);
        if (!ws->mem)
            return oqt__no_memory(err, "a singular value decomposition");
        ws->mem_len = n;
    }
    if (n_int > ws->iwork_len) {
        int *iwork = oqt__calloc(n_int, sizeof *iwork);

        if (!iwork)
            return oqt__no_memory(err, "a singular value decomposition");
        oqt__free(ws->iwork);
        ws->iwork = iwork;
        ws->iwork_len = n_int;
    }
    return OQT_OK;
}

double oqt__svd_flops(size_t m, size_t n, const oqt__trunc_record *record)
{
    double large = (double)(m > n ? m : n), small = (double)(m > n ? n : m), kept = (double)record->kept;

    /* Dense: bidiagonalization, divide and conquer, and the vectors put back. Range finder: six products with
     * its columns, somewhat more than are kept. */
    return record->n_randomized > 0 ? 12.0 * large * small * 1.3 * kept
                                    : (4.0 * large + 14.0 * small) * small * small;
}

/* ---- the rule ---- */

size_t oqt__trunc_rank(const oqt__trunc *rule, const double *s, size_t k, double rest,
                       oqt__trunc_record *record)
{
    /* Relative to the largest value, so that squares neither overflow nor underflow. */
    double scale = k > 0 && s[0] > 0.0 ? s[0] : 1.0;
    double tail = (rest / scale) * (rest / scale), limit = rule->rel_tail * rule->rel_tail;
    size_t rank = k;
    bool more = (rule->abs_tol > 0.0 && rest > rule->abs_tol) || (rule->rel_tail > 0.0 && tail > limit);

    if (k > 0 && s[0] == 0.0 && (rule->rel_tail > 0.0 || rule->abs_tol > 0.0))
        rank = 0; /* where the relative condition reads 0 <= 0 */
    else if (rule->rel_tail > 0.0 || rule->abs_tol > 0.0) {
        for (; rank > 0; rank--) {
            double next = tail + (s[rank - 1] / scale) * (s[rank - 1] / scale);

            if ((rule->abs_tol > 0.0 && s[rank - 1] > rule->abs_tol) ||
                (rule->rel_tail > 0.0 && next > limit))
                break;
            tail = next;
        }
    }
    /* with as many values as allowed, what is left of the matrix may be more than the rule drops */
    record->limited = rule->max_rank > 0 && (rule->rel_tail > 0.0 || rule->abs_tol > 0.0) &&
                      (rank > rule->max_rank || (rank == rule->max_rank && more));
    if (rule->max_rank > 0)
        for (; rank > rule->max_rank; rank--)
            tail += (s[rank - 1] / scale) * (s[rank - 1] / scale);
    record->kept = rank;
    record->discarded_weight = tail * scale * scale;
    record->largest_dropped = rank < k ? s[rank] : 0.0;
    return rank;
}

/* ---- dense decomposition ---- */

/* The workspace that every LAPACK routine on the way asks for, at most. Column-major p x q. */
static size_t query_work(const oqt__svd_plan *plan, int p, int q, int c)
{
    int query = -1, info = 0, ld = p > c ? p : c;
    int core_p = plan->shape == OQT__SVD_DIRECT ? p : c, core_q = plan->shape == OQT__SVD_DIRECT ? q : c;
    double need[4] = {0}, unused = 0.0, largest = 0.0;

    dgesdd_("S", &core_p, &core_q, &unused, &core_p, &unused, &unused, &core_p, &unused, &c, need, &query,
            &info, &info, 1);
    dgesvd_("S", "S", &core_p, &core_q, &unused, &core_p, &unused, &unused, &core_p, &unused, &c, need + 1,
            &query, &info, 1, 1);
    if (plan->shape == OQT__SVD_QR_FIRST) {
        dgeqrf_(&p, &q, &unused, &p, &unused, need + 2, &query, &info);
        dormqr_("L", "N", &p, &c, &c, &unused, &p, &unused, &unused, &ld, need + 3, &query, &info, 1, 1);
    } else if (plan->shape == OQT__SVD_LQ_FIRST) {
        dgelqf_(&p, &q, &unused, &p, &unused, need + 2, &query, &info);
        dormlq_("R", "N", &c, &q, &c, &unused, &p, &unused, &unused, &c, need + 3, &query, &info, 1, 1);
    }
    for (int i = 0; i < 4; i++)
        largest = fmax(largest, need[i]);
    return lapack_lwork(largest);
}

/* The next len doubles, at a multiple of a cache line; false on overflow. */
static bool place(oqt__svd_plan *plan, size_t *at, size_t rows, size_t cols)
{
    size_t len;

    if (!oqt__mul_size(&len, rows, cols) || len > SIZE_MAX / 16 || plan->n_mem > SIZE_MAX / 16)
        return false;
    *at = plan->n_mem;
    plan->n_mem += (len + 7) / 8 * 8;
    return true;
}

oqt_status oqt__svd_plan_init(oqt__svd_plan *plan, size_t m, size_t n, oqt_error *err)
{
    size_t k = m < n ? m : n, core_p, core_q;
    bool fits;

    *plan = (oqt__svd_plan){.m = m, .n = n, .k = k, .n_int = 8 * k};
    if ((double)n > LONG_RATIO * (double)m)
        plan->shape = OQT__SVD_QR_FIRST;
    else if ((double)m > LONG_RATIO * (double)n)
        plan->shape = OQT__SVD_LQ_FIRST;
    core_p = plan->shape == OQT__SVD_DIRECT ? n : k;
    core_q = plan->shape == OQT__SVD_DIRECT ? m : k;
    plan->n_work = query_work(plan, lapack_ld(n), lapack_ld(m), lapack_ld(k));

    fits = place(plan, &plan->factor, plan->shape == OQT__SVD_DIRECT ? 0 : m, n) &&
           place(plan, &plan->tau, k, 1) && place(plan, &plan->core, core_p, core_q) &&
           place(plan, &plan->left, core_p, k) && place(plan, &plan->right, k, core_q) &&
           place(plan, &plan->long_side, plan->shape == OQT__SVD_DIRECT ? 0 : (m > n ? m : n), k) &&
           place(plan, &plan->s, k, 1) && place(plan, &plan->work, plan->n_work, 1);
    if (!fits)
        return oqt__fail(err, OQT_ERANGE, "matrix of %zu x %zu elements is too large", m, n);
    return OQT_OK;
}

/* Split the triangular factor off B, column-major p x q. */
static void split_triangle(const oqt__svd_plan *plan, double *mem, const double *a, int lwork)
{
    int p = lapack_int(plan->n), q = lapack_int(plan->m), info = 0;
    double *f = mem + plan->factor;

    if (plan->shape == OQT__SVD_DIRECT)
        return;
    memcpy(f, a, plan->m * plan->n * sizeof *f);
    if (plan->shape == OQT__SVD_QR_FIRST)
        dgeqrf_(&p, &q, f, &p, mem + plan->tau, mem + plan->work, &lwork, &info);
    else
        dgelqf_(&p, &q, f, &p, mem + plan->tau, mem + plan->work, &lwork, &info);
    assert(info == 0);
    (void)info;
}

/* The triangle, or all of B. */
static void load_core(const oqt__svd_plan *plan, double *mem, const double *a)
{
    double *f = mem + plan->factor, *core = mem + plan->core;
    size_t c = plan->k, ld = plan->n;

    if (plan->shape == OQT__SVD_DIRECT) {
        memcpy(core, a, plan->m * plan->n * sizeof *a);
        return;
    }
    for (size_t j = 0; j < c; j++)
        for (size_t i = 0; i < c; i++) {
            bool inside = plan->shape == OQT__SVD_QR_FIRST ? i <= j : i >= j;

            core[j * c + i] = inside ? f[j * ld + i] : 0.0;
        }
}

/* core = left diag(s) right; dgesdd destroys its input even when it fails. */
static oqt_status decompose_core(const oqt__svd_plan *plan, double *mem, int *iwork, const double *a,
                                 int lwork, oqt__svd_driver driver, oqt__trunc_record *record, oqt_error *err)
{
    bool direct = plan->shape == OQT__SVD_DIRECT;
    int p = lapack_int(direct ? plan->n : plan->k), q = lapack_int(direct ? plan->m : plan->k),
        k = lapack_int(plan->k), info = 0;
    double *core = mem + plan->core, *s = mem + plan->s, *left = mem + plan->left, *right = mem + plan->right,
           *work = mem + plan->work;

    load_core(plan, mem, a);
    if (driver == OQT__SVD_DIVIDE) {
        dgesdd_("S", &p, &q, core, &p, s, left, &p, right, &k, work, &lwork, iwork, &info, 1);
        if (info == 0)
            return OQT_OK;
        load_core(plan, mem, a);
    }
    record->n_fallback = 1;
    dgesvd_("S", "S", &p, &q, core, &p, s, left, &p, right, &k, work, &lwork, &info, 1, 1);
    if (info != 0)
        return oqt__fail(err, OQT_ECONV, "singular values of a %zu x %zu matrix did not converge", plan->m,
                         plan->n);
    return OQT_OK;
}

/* Singular vectors of the kept values, with the orthogonal factor put back. */
static void form_vectors(oqt__svd *out, const oqt__svd_plan *plan, double *mem, int lwork)
{
    int p = lapack_int(plan->n), q = lapack_int(plan->m), k_ = lapack_int(plan->k), r_, info = 0;
    double *left = mem + plan->left, *right = mem + plan->right, *side = mem + plan->long_side;
    size_t k = plan->k, r = out->rank, n_right = plan->shape == OQT__SVD_DIRECT ? plan->m : k;

    r_ = lapack_int(r);
    /* Row-major n_right x k, cut to its first r columns. */
    for (size_t i = 1; i < n_right && r < k; i++)
        memmove(right + i * r, right + i * k, r * sizeof *right);
    out->s = mem + plan->s;
    out->u = right;
    out->vt = left;
    if (r == 0 || plan->shape == OQT__SVD_DIRECT)
        return;
    if (plan->shape == OQT__SVD_QR_FIRST) {
        for (size_t j = 0; j < r; j++) {
            memcpy(side + j * plan->n, left + j * k, k * sizeof *side);
            memset(side + j * plan->n + k, 0, (plan->n - k) * sizeof *side);
        }
        dormqr_("L", "N", &p, &r_, &k_, mem + plan->factor, &p, mem + plan->tau, side, &p, mem + plan->work,
                &lwork, &info, 1, 1);
        out->vt = side;
    } else {
        memcpy(side, right, r * k * sizeof *side);
        memset(side + r * k, 0, r * (plan->m - k) * sizeof *side);
        dormlq_("R", "N", &r_, &q, &k_, mem + plan->factor, &p, mem + plan->tau, side, &r_, mem + plan->work,
                &lwork, &info, 1, 1);
        out->u = side;
    }
    assert(info == 0);
    (void)info;
}

oqt_status oqt__svd_dense(oqt__svd *out, const oqt__svd_plan *plan, double *mem, int *iwork, const double *a,
                          const oqt__trunc *rule, double rest, oqt__trunc_record *record,
                          oqt__svd_driver driver, oqt_error *err)
{
    oqt__trunc_record rec = {0};
    int lwork = lapack_int(plan->n_work);
    oqt_status st;

    if (plan->k == 0) {
        oqt__trunc_rank(rule, NULL, 0, rest, &rec);
        *out = (oqt__svd){0, mem, mem, mem};
        *record = rec;
        return OQT_OK;
    }
    split_triangle(plan, mem, a, lwork);
    if ((st = decompose_core(plan, mem, iwork, a, lwork, driver, &rec, err)) != OQT_OK)
        return st;
    out->rank = oqt__trunc_rank(rule, mem + plan->s, plan->k, rest, &rec);
    form_vectors(out, plan, mem, lwork);
    *record = rec;
    return OQT_OK;
}

/* ---- the kernel ---- */

bool oqt__largest_element(double *largest, const double *a, size_t n)
{
    double max = 0.0;
    bool finite = true;

    for (size_t i = 0; i < n; i++) {
        double x = fabs(a[i]);

        finite &= x <= DBL_MAX; /* false for NaN as well */
        max = x > max ? x : max;
    }
    *largest = max;
    return finite;
}

oqt_status oqt__svd_trunc(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                          const oqt__trunc *rule, oqt__trunc_record *record, oqt_error *err)
{
    oqt__svd_plan plan;
    oqt__trunc_record rec = {0};
    double largest = 0.0;
    bool accepted = false;
    oqt_status st;

    if ((st = oqt__lapack_size(m > n ? m : n, "matrix", err)) != OQT_OK)
        return st;
    if (!oqt__largest_element(&largest, a, m * n))
        return oqt__fail(err, OQT_EINVAL, "matrix to decompose has an element that is not finite");
    if (oqt__svd_jacobi_applies(m, n, largest, rule)) {
        st = oqt__svd_jacobi(out, ws, a, m, n, rule, &rec, &accepted, err);
        if (st != OQT_OK || accepted)
            goto done;
    }
    if (oqt__svd_sketch_applies(m, n, rule)) {
        st = oqt__svd_sketch(out, ws, a, m, n, largest, rule, &rec, &accepted, err);
        if (st != OQT_OK || accepted)
            goto done;
    }
    if ((st = oqt__svd_plan_init(&plan, m, n, err)) != OQT_OK ||
        (st = oqt__svd_ws_reserve(ws, plan.n_mem, plan.n_int, err)) != OQT_OK)
        return st;
    st = oqt__svd_dense(out, &plan, ws->mem, ws->iwork, a, rule, 0.0, &rec, OQT__SVD_DIVIDE, err);
done:
    if (st == OQT_OK && record)
        *record = rec;
    return st;
}
