/*
 * right.c - right singular vectors alone, with little memory, of matrices that are truncated.
 *
 * A^T P = Q R with column pivoting, in blocks (G. Quintana-Orti, X. Sun, C. H. Bischof, SIAM J. Sci. Comput.
 * 19, 1486 (1998)), stopped as soon as what is left is small: A = B Q^T + E with B = P R^T. E is orthogonal
 * to Q, so it counts as dropped, |A|_F^2 = |B|_F^2 + |E|_F^2, and no singular value beyond those of B exceeds
 * |E|_2. With the right vectors W of B those of A are Q W.
 *
 * R has few rows, and W are the eigenvectors of R R^T. Squares lose half the digits: relative to the largest,
 * values are right to 1e-16 / s, so that those at a tolerance of 1e-6 are right to 1e-4, while W is
 * orthonormal to rounding. Where smaller values count, R = L Q_2, and L is decomposed.
 *
 * A row-major m x n matrix is its transpose to LAPACK, so that A^T is what it sees.
 */
#include "linalg/fortran.h"
#include "linalg/svd_priv.h"

#include <math.h>
#include <string.h>

/* The smallest value to be found, relative to the largest, for which squares are good enough. */
#define LOOSE 1e-6

/* What may be left, in units of the tolerance, and of the last value where the rank is limited: values near
 * the tolerance are then right to 5 %, and what a limit keeps is all but the best. With 0.3 there, chains
 * with a limit of 48 states were twice as far off as with the best. */
#define MARGIN       0.3
#define LIMIT_MARGIN 0.1

/* Columns of Q that are found between two looks at what is left. */
enum { BLOCK = 16 };

typedef struct {
    size_t m, n, r; /* r: columns of Q            */
    double *a;      /* reflectors and R           */
    double *tau;    /* min(m, n)                  */
    double rest;    /* |E|_F                      */
    double limit;   /* what may be left           */
    double norm;    /* about |A|_2                */
    double flops;
} pivoted;

static size_t largest(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* |E|_F: that of a behind its first r rows and columns. */
static double left_over(const pivoted *f)
{
    double sum = 0.0;

    for (size_t j = f->r; j < f->m; j++)
        for (size_t i = f->r; i < f->n; i++)
            sum += f->a[j * f->n + i] * f->a[j * f->n + i];
    return sqrt(sum);
}

/* At most |A|_2, and seldom much less: the longest row, improved by a power iteration. x: n, y: m numbers. */
static double norm_2(const double *a, size_t m, size_t n, const double *lengths, double *x, double *y)
{
    size_t longest = 0;
    double norm;

    for (size_t i = 1; i < m; i++)
        longest = lengths[i] > lengths[longest] ? i : longest;
    norm = lengths[longest];
    memcpy(x, a + longest * n, n * sizeof *x);
    for (int i = 0; i < 2 && norm > 0.0; i++) {
        double length = oqt__norm(x, n);

        oqt__gemv(false, m, n, 1.0 / length, a, n, x, 0.0, y);
        norm = oqt__norm(y, m);
        oqt__gemv(true, m, n, 1.0 / norm, a, n, y, 0.0, x);
    }
    return norm;
}

/* How much may be left. A limit of the rank asks for values that are small beside the last one kept. */
static double allowed(const pivoted *f, const oqt__trunc *rule)
{
    double limit = INFINITY;

    if (rule->rel_tail > 0.0)
        limit = rule->rel_tail * f->norm;
    if (rule->abs_tol > 0.0)
        limit = fmin(limit, rule->abs_tol);
    limit = limit < INFINITY ? MARGIN * limit : 0.0;
    if (rule->max_rank > 0 && f->r >= rule->max_rank)
        limit = fmax(limit, LIMIT_MARGIN * fabs(f->a[(rule->max_rank - 1) * (f->n + 1)]));
    return limit;
}

/* Factorize a until the rule is met. */
static oqt_status find_range(pivoted *f, oqt__svd_ws *ws, const oqt__trunc *rule, oqt_error *err)
{
    size_t m = f->m, n = f->n, k = m < n ? m : n;
    int n_ = lapack_int(n);
    double *length, *estimate, *aux, *x;
    oqt_status st;

    if ((st = oqt__svd_ws_reserve(ws, 2 * m + BLOCK + BLOCK * m + n, m, err)) != OQT_OK)
        return st;
    length = ws->mem;
    estimate = length + m;
    aux = estimate + m;
    x = aux + BLOCK;
    for (size_t i = 0; i < m; i++)
        length[i] = estimate[i] = oqt__norm(f->a + i * n, n);
    f->norm = norm_2(f->a, m, n, length, x, x + n);
    f->rest = INFINITY;
    for (f->r = 0; f->r < k && !(f->rest <= f->limit);) {
        int done = lapack_int(f->r), left = lapack_int(m - f->r), found = 0;
        int block = lapack_int(k - f->r < BLOCK ? k - f->r : BLOCK);

        dlaqps_(&n_, &left, &done, &block, &found, f->a + f->r * n, &n_, ws->iwork + f->r, f->tau + f->r,
                length + f->r, estimate + f->r, aux, x, &left);
        f->r += (size_t)found;
        f->rest = left_over(f);
        f->limit = allowed(f, rule);
        f->flops += 4.0 * found * (double)(m - f->r) * (double)(n - f->r);
    }
    return OQT_OK;
}

/* The values from the largest on, in place of the eigenvalues from the smallest on, which are in units of the
 * square of norm. */
static void to_values(double *w, size_t n, double norm)
{
    for (size_t i = 0; i < n / 2; i++) {
        double swap = w[i];

        w[i] = w[n - 1 - i];
        w[n - 1 - i] = swap;
    }
    for (size_t i = 0; i < n; i++)
        w[i] = norm * sqrt(fmax(w[i], 0.0));
}

/* The first `count` columns of R, r long, without the reflectors below its diagonal. */
static void copy_triangle(double *out, const pivoted *f, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        size_t some = j < f->r ? j + 1 : f->r;

        memcpy(out + j * f->r, f->a + j * f->n, some * sizeof *out);
        memset(out + j * f->r + some, 0, (f->r - some) * sizeof *out);
    }
}

/* What the two ways to W give: its columns, r long, one behind the other, and room to make Q W of them. */
typedef struct {
    size_t rank;
    double *w, *s, *vt, *work;
    size_t n_vt, n_work;
} small_vectors;

/* What LAPACK wants to apply Q. Behind the columns with reflectors a has room for Q W once R has been used,
 * unless Q has more than half of its columns. */
static void ask_room(small_vectors *out, const pivoted *f)
{
    int n = lapack_int(f->n), r = lapack_int(f->r), ask = -1, info = 0;
    double need = 0.0, unused = 0.0;

    dormqr_("L", "N", &n, &r, &r, &unused, &n, &unused, &unused, &n, &need, &ask, &info, 1, 1);
    out->n_work = lapack_lwork(need);
    out->n_vt = 2 * f->r <= f->m ? 0 : f->r * f->n;
}

static void place_room(small_vectors *out, const pivoted *f, double *mem)
{
    out->work = mem;
    out->vt = out->n_vt > 0 ? mem + out->n_work : f->a + f->r * f->n;
}

/* R R^T in units of norm^2; z: room for a square. */
static void make_square(double *gram, double *z, const pivoted *f)
{
    size_t r = f->r;
    double unit = 1.0 / (f->norm * f->norm), *beyond = f->a + r * f->n;

    oqt__gemm(true, false, r, r, f->m - r, unit, beyond, f->n, beyond, f->n, 0.0, gram, r);
    copy_triangle(z, f, r);
    oqt__gemm(true, false, r, r, r, unit, z, r, z, r, 1.0, gram, r);
}

/* The reflectors of a tridiagonal form, below the diagonal of a square, rest in place of R meanwhile. */
static void stash(const pivoted *f, double *square, bool back)
{
    for (size_t j = 0; j + 2 < f->r; j++) {
        double *own = square + j * f->r + j + 2, *there = f->a + (f->r - 1 - j) * f->n;

        memcpy(back ? own : there, back ? there : own, (f->r - j - 2) * sizeof *own);
    }
}

/* What LAPACK wants for the eigenvectors of a square. */
static size_t ask_eigen(int r)
{
    int ask = -1, info = 0;
    double need[2] = {0.0}, unused = 0.0;

    dsytrd_("L", &r, &unused, &r, &unused, &unused, &unused, need, &ask, &info, 1);
    dormtr_("L", "L", "N", &r, &r, &unused, &r, &unused, &unused, &r, need + 1, &ask, &info, 1, 1, 1);
    return lapack_lwork(fmax(need[0], need[1]));
}

/*
 * W from the eigenvectors of R R^T. That is dsyevd, but only the vectors that are kept are turned back, and
 * in two squares instead of three, of which one lies in a if Q has at most half of its columns.
 */
static oqt_status by_squares(small_vectors *out, const pivoted *f, oqt__svd_ws *ws, const oqt__trunc *rule,
                             oqt__trunc_record *record, oqt_error *err)
{
    size_t r = f->r, n_int = 5 * r + 3;
    int r_ = lapack_int(r), lwork, rank, info = 0, liwork = lapack_int(n_int);
    double *gram, *off, *tau, *z;
    oqt_status st;

    out->n_work = largest(out->n_work, largest(ask_eigen(r_), 4 * r + 1));
    st = oqt__svd_ws_reserve(ws, r * r + 3 * r + out->n_work + out->n_vt, n_int, err);
    if (st != OQT_OK)
        return st;
    out->s = ws->mem;
    off = out->s + r;
    tau = off + r;
    gram = tau + r;
    place_room(out, f, gram + r * r);
    z = out->vt;
    make_square(gram, z, f);
    lwork = lapack_int(out->n_work);
    dsytrd_("L", &r_, gram, &r_, out->s, off, tau, out->work, &lwork, &info, 1);
    stash(f, gram, false);
    lwork = lapack_int(r * r + 4 * r + 1); /* the square and a part of what lies behind it */
    dstedc_("I", &r_, out->s, off, z, &r_, gram, &lwork, ws->iwork, &liwork, &info, 1);
    if (info != 0)
        return oqt__fail(err, OQT_ECONV, "singular values of a %zu x %zu matrix did not converge", f->m,
                         f->n);
    stash(f, gram, true);
    to_values(out->s, r, f->norm);
    out->rank = oqt__trunc_rank(rule, out->s, r, f->rest, record);
    z += (r - out->rank) * r; /* the last are those of the largest values */
    rank = lapack_int(out->rank);
    lwork = lapack_int(out->n_work);
    dormtr_("L", "L", "N", &r_, &rank, gram, &r_, tau, z, &r_, out->work, &lwork, &info, 1, 1, 1);
    for (size_t i = 0; i < out->rank; i++)
        memcpy(gram + i * r, z + (out->rank - 1 - i) * r, r * sizeof *gram);
    out->w = gram;
    return OQT_OK;
}

/* W from L, R = L Q_2. */
static oqt_status by_triangle(small_vectors *out, const pivoted *f, oqt__svd_ws *ws, const oqt__trunc *rule,
                              oqt__trunc_record *record, oqt_error *err)
{
    size_t r = f->r, n_work, len;
    int r_ = lapack_int(r), m_ = lapack_int(f->m), ask = -1, info = 0, lwork;
    double need = 0.0, unused = 0.0, *l, *wide;
    oqt__svd_plan plan;
    oqt__svd svd;
    oqt_status st;

    if ((st = oqt__svd_plan_init(&plan, r, r, err)) != OQT_OK)
        return st;
    dgelqf_(&r_, &m_, &unused, &r_, &unused, &need, &ask, &info);
    n_work = lapack_lwork(need);
    lwork = lapack_int(n_work);
    len = largest(r * f->m + r + n_work, plan.n_mem);
    if ((st = oqt__svd_ws_reserve(ws, r * r + len + out->n_vt + out->n_work, plan.n_int, err)) != OQT_OK)
        return st;
    l = ws->mem;
    wide = l + r * r;
    copy_triangle(wide, f, f->m);
    dgelqf_(&r_, &m_, wide, &r_, wide + r * f->m, wide + r * f->m + r, &lwork, &info);
    for (size_t j = 0; j < r; j++)
        for (size_t i = 0; i < r; i++)
            l[j * r + i] = i < j ? 0.0 : wide[j * r + i];
    /* to us that is L^T, whose right vectors are wanted */
    st = oqt__svd_dense(&svd, &plan, wide, ws->iwork, l, rule, f->rest, record, OQT__SVD_DIVIDE, err);
    if (st != OQT_OK)
        return st;
    out->rank = svd.rank;
    out->w = svd.vt;
    out->s = svd.s;
    place_room(out, f, wide + len);
    return OQT_OK;
}

/* Q W, as rows, in place of what a held, and the values. */
static void put_back(double *s, const pivoted *f, const small_vectors *small)
{
    int n = lapack_int(f->n), rank = lapack_ld(small->rank), r = lapack_int(f->r), info = 0,
        lwork = lapack_int(small->n_work);

    for (size_t i = 0; i < small->rank; i++) {
        memcpy(small->vt + i * f->n, small->w + i * f->r, f->r * sizeof *s);
        memset(small->vt + i * f->n + f->r, 0, (f->n - f->r) * sizeof *s);
    }
    if (small->rank > 0)
        dormqr_("L", "N", &n, &rank, &r, f->a, &n, f->tau, small->vt, &n, small->work, &lwork, &info, 1, 1);
    assert(info == 0);
    (void)info;
    memcpy(f->a, small->vt, small->rank * f->n * sizeof *s);
    memcpy(s, small->s, small->rank * sizeof *s);
}

/* By the whole decomposition, whatever the size of the elements. */
static oqt_status by_all(size_t *rank, double *s, double *a, oqt__svd_ws *ws, size_t m, size_t n,
                         const oqt__trunc *rule, oqt__trunc_record *record, oqt_error *err)
{
    oqt__svd svd;
    oqt_status st = oqt__svd_trunc(&svd, ws, a, m, n, rule, record, err);

    if (st != OQT_OK)
        return st;
    record->flops = oqt__svd_flops(m, n, record);
    memcpy(a, svd.vt, svd.rank * n * sizeof *a);
    memcpy(s, svd.s, svd.rank * sizeof *s);
    *rank = svd.rank;
    return OQT_OK;
}

oqt_status oqt__svd_right(size_t *rank, double *s, double *a, oqt__svd_ws *ws, size_t m, size_t n,
                          const oqt__trunc *rule, oqt__trunc_record *record, oqt_error *err)
{
    pivoted f = {.m = m, .n = n, .a = a, .tau = s}; /* s has room for tau until the values come */
    small_vectors small = {0};
    oqt__trunc_record rec = {0};
    double biggest, side;
    oqt_status st;

    if ((st = oqt__lapack_size(m > n ? m : n, "matrix", err)) != OQT_OK)
        return st;
    if (!oqt__largest_element(&biggest, a, m * n))
        return oqt__fail(err, OQT_EINVAL, "matrix to decompose has an element that is not finite");
    if (!(biggest > 1e-100 && biggest < 1e100)) /* squares have to be harmless */
        return by_all(rank, s, a, ws, m, n, rule, record, err);
    if ((st = find_range(&f, ws, rule, err)) != OQT_OK)
        return st;
    ask_room(&small, &f);
    if (f.limit >= MARGIN * LOOSE * f.norm)
        st = by_squares(&small, &f, ws, rule, &rec, err);
    else
        st = by_triangle(&small, &f, ws, rule, &rec, err);
    if (st != OQT_OK)
        return st;
    put_back(s, &f, &small);
    /* the square or the triangle, its vectors, and the product */
    side = (double)f.r;
    rec.flops = f.flops + 2.0 * side * side * (double)m + 9.0 * side * side * side +
                4.0 * side * (double)n * (double)small.rank;
    *rank = small.rank;
    *record = rec;
    return OQT_OK;
}
