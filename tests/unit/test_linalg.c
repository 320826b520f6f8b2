/* test_linalg.c - products, truncation, eigenvalues, exponential, fixed points. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <float.h>
#include <sys/mman.h>
#include <unistd.h>

#include "linalg/linalg.h"
#include "linalg/svd_priv.h"
#include "support.h"

#define EPS DBL_EPSILON

static double *new_random(size_t n, uint64_t *seed)
{
    double *a = malloc((n + 1) * sizeof *a);

    random_fill(a, n, seed);
    return a;
}

static double norm_f(const double *a, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * a[i];
    return sqrt(sum);
}

/* ---- products ---- */

static void naive_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, double alpha, const double *a,
                       size_t lda, const double *b, size_t ldb, double beta, double *c, size_t ldc)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0;

            for (size_t l = 0; l < k; l++)
                sum += (ta ? a[l * lda + i] : a[i * lda + l]) * (tb ? b[j * ldb + l] : b[l * ldb + j]);
            c[i * ldc + j] = alpha * sum + beta * c[i * ldc + j];
        }
}

START_TEST(square_products_match_naive_loops)
{
    /* in the kernel, at its end, and in strips of rows */
    static const size_t sizes[] = {1, 2, 5, 8, 13, 31, 95, 96, 97, 150};
    uint64_t seed = 515;

    for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++) {
        size_t n = sizes[q], ld = oqt__padded(n), size = ld * ld;
        double *a = calloc(size, sizeof *a), *b = calloc(size, sizeof *b), *c = malloc(size * sizeof *c);
        double *expected = malloc(size * sizeof *expected);

        ck_assert_uint_eq(ld % 8, 0);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                a[i * ld + j] = random_uniform(&seed) - 0.5;
                b[i * ld + j] = random_uniform(&seed) - 0.5;
            }
        for (int lower = 0; lower < 2; lower++)
            for (int add = 0; add < 2; add++) {
                memset(c, 0, size * sizeof *c);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = 0; j < n; j++)
                        c[i * ld + j] = 0.25 - (double)j;
                memcpy(expected, c, size * sizeof *c);
                naive_gemm(false, false, n, n, n, -1.7, a, ld, b, ld, add ? 0.3 : 0.0, expected, ld);
                oqt__square_product(c, -1.7, a, b, add ? 0.3 : 0.0, n, lower);
                for (size_t i = 0; i < ld; i++)
                    for (size_t j = 0; j < ld; j++)
                        if (!lower || j <= i)
                            ck_assert_double_eq_tol(c[i * ld + j], expected[i * ld + j],
                                                    8.0 * EPS * (double)n);
                        else if (j >= n || i >= n)
                            ck_assert_double_eq(c[i * ld + j], 0.0);
            }
        free(a);
        free(b);
        free(c);
        free(expected);
    }
}
END_TEST

START_TEST(square_products_in_single_precision_are_those_in_double)
{
    static const size_t sizes[] = {1, 3, 7, 8, 9, 20, 23, 50, 96, 97, 150};
    uint64_t seed = 516;

    for (size_t q = 0; q < sizeof sizes / sizeof *sizes; q++) {
        size_t n = sizes[q], ld = oqt__padded(n), size = ld * ld;
        double *a = calloc(3 * size, sizeof *a), *b = a + size, *c = b + size;
        float *single = calloc(3 * size, sizeof *single), *y = single + 2 * size;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                size_t at = i * ld + j;

                a[at] = single[at] = (float)(random_uniform(&seed) - 0.5);
                b[at] = single[size + at] = (float)(random_uniform(&seed) - 0.5);
            }
        for (int lower = 0; lower < 2; lower++)
            for (int add = 0; add < 2; add++) {
                memset(y, 0, size * sizeof *y);
                for (size_t i = 0; i < n; i++)
                    for (size_t j = 0; j < n; j++)
                        c[i * ld + j] = y[i * ld + j] = 0.25F - (float)(j % 3);
                naive_gemm(false, false, n, n, n, -1.5, a, ld, b, ld, add ? 0.5 : 0.0, c, ld);
                oqt__square_product_single(y, -1.5F, single, single + size, add ? 0.5F : 0.0F, n, lower);
                for (size_t i = 0; i < ld; i++)
                    for (size_t j = 0; j < ld; j++)
                        if (!lower || j <= i)
                            ck_assert_double_eq_tol(y[i * ld + j], c[i * ld + j],
                                                    0.25 * FLT_EPSILON * (double)n + 2.0 * FLT_EPSILON);
                        else if (j >= n || i >= n)
                            ck_assert_double_eq(y[i * ld + j], 0.0);
            }
        free(a);
        free(single);
    }
}
END_TEST

/* m = f f^T with columns that fall off. */
static void graded_metric(double *m, size_t n, uint64_t *seed)
{
    double *f = new_random(n * n, seed);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            f[i * n + j] *= pow(0.4, (double)j);
    memset(m, 0, n * n * sizeof *m);
    naive_gemm(false, true, n, n, n, 1.0, f, n, f, n, 0.0, m, n);
    free(f);
}

static int decreasing(const void *a, const void *b)
{
    double x = ((const oqt_complex *)a)->re, y = ((const oqt_complex *)b)->re;

    return (x < y) - (x > y);
}

/* The weights are the roots of the eigenvalues of L R; projectors that keep all of them are inverse to each
 * other, and left R left^T = right^T L right = diag(weight). */
START_TEST(oblique_projectors_balance_two_metrics)
{
    enum { N = 9 };
    uint64_t seed = 902;
    double left[N * N], right[N * N], x[N * N], y[N * N], scale[2 * N], product[N * N] = {0}, t[N * N] = {0};
    oqt_complex w[N];
    oqt__svd_ws ws = {0};
    oqt_error err = {0};

    graded_metric(left, N, &seed);
    graded_metric(right, N, &seed);
    naive_gemm(false, false, N, N, N, 1.0, left, N, right, N, 0.0, product, N);
    ASSERT_OK(oqt__eigvals(w, product, N, &err), err);
    qsort(w, N, sizeof *w, decreasing);
    for (size_t i = 0; i < N; i++) {
        scale[i] = left[i * N + i];
        scale[N + i] = right[i * N + i];
    }
    for (int cut = 0; cut < 2; cut++) {
        oqt__trunc rule = {.abs_tol = cut ? sqrt(sqrt(w[3].re * w[4].re)) : 0.0};
        oqt__trunc_record record = {0};
        oqt__oblique p = {0};
        size_t r = cut ? 4 : N;

        memcpy(x, left, sizeof x);
        memcpy(y, right, sizeof y);
        ASSERT_OK(oqt__oblique_create(&p, &ws, x, scale, y, scale + N, N, &rule, &record, &err), err);
        ck_assert_uint_eq(p.n, N);
        ck_assert_uint_eq(p.rank, r);
        for (size_t i = 0; i < r; i++)
            ck_assert_double_eq_tol(p.weight[i], sqrt(w[i].re), 1e-9 * p.weight[0]);
        naive_gemm(false, false, r, r, N, 1.0, p.left, N, p.right, r, 0.0, product, r);
        for (size_t i = 0; i < r * r; i++)
            ck_assert_double_eq_tol(product[i], i % (r + 1) == 0 ? 1.0 : 0.0, 1e-9);
        naive_gemm(false, false, r, N, N, 1.0, p.left, N, right, N, 0.0, t, N);
        naive_gemm(false, true, r, r, N, 1.0, t, N, p.left, N, 0.0, product, r);
        for (size_t i = 0; i < r * r; i++)
            ck_assert_double_eq_tol(product[i], i % (r + 1) == 0 ? p.weight[i / r] : 0.0, 1e-9 * p.weight[0]);
        naive_gemm(true, false, r, N, N, 1.0, p.right, r, left, N, 0.0, t, N);
        naive_gemm(false, false, r, r, N, 1.0, t, N, p.right, r, 0.0, product, r);
        for (size_t i = 0; i < r * r; i++)
            ck_assert_double_eq_tol(product[i], i % (r + 1) == 0 ? p.weight[i / r] : 0.0, 1e-9 * p.weight[0]);
        oqt__oblique_release(&p);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(gemm_matches_naive_loops)
{
    static const size_t sizes[] = {0, 1, 2, 5, 17};
    uint64_t seed = 11;

    for (size_t x = 0; x < 5 * 5 * 5 * 4; x++) {
        size_t m = sizes[x % 5], n = sizes[x / 5 % 5], k = sizes[x / 25 % 5];
        bool ta = x / 125 % 2, tb = x / 250 % 2;
        size_t lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 1, ldc = n + 3;
        double *a = new_random((ta ? k : m) * lda, &seed), *b = new_random((tb ? n : k) * ldb, &seed);
        double *c = new_random(m * ldc, &seed), *expected = malloc((m * ldc + 1) * sizeof *c);

        memcpy(expected, c, m * ldc * sizeof *c);
        naive_gemm(ta, tb, m, n, k, 0.7, a, lda, b, ldb, -1.3, expected, ldc);
        oqt__gemm(ta, tb, m, n, k, 0.7, a, lda, b, ldb, -1.3, c, ldc);
        ck_assert_double_le(max_diff(c, expected, m * ldc), 1e-13);
        free(a), free(b), free(c), free(expected);
    }
}
END_TEST

START_TEST(gemv_matches_naive_loops)
{
    static const size_t sizes[] = {0, 1, 3, 18};
    uint64_t seed = 12;

    for (size_t x = 0; x < 4 * 4 * 2; x++) {
        size_t m = sizes[x % 4], n = sizes[x / 4 % 4], lda = n + 1;
        bool ta = x / 16;
        size_t n_x = ta ? m : n, n_y = ta ? n : m;
        double *a = new_random(m * lda, &seed), *v = new_random(n_x, &seed), *y = new_random(n_y, &seed);
        double expected[18];

        memcpy(expected, y, n_y * sizeof *y);
        naive_gemm(ta, false, n_y, 1, n_x, 1.9, a, lda, v, 1, 0.3, expected, 1);
        oqt__gemv(ta, m, n, 1.9, a, lda, v, 0.3, y);
        ck_assert_double_le(max_diff(y, expected, n_y), 1e-13);
        free(a), free(v), free(y);
    }
}
END_TEST

START_TEST(beta_zero_overwrites_nan)
{
    double a[4] = {1, 2, 3, 4}, c[4] = {NAN, NAN, NAN, NAN}, y[2] = {NAN, NAN};

    oqt__gemm(false, false, 2, 2, 2, 1.0, a, 2, a, 2, 0.0, c, 2);
    ck_assert_double_eq(c[3], 22.0);
    oqt__gemv(false, 2, 0, 1.0, a, 2, a, 0.0, y);
    ck_assert_double_eq(y[1], 0.0);
}
END_TEST

START_TEST(size_beyond_lapack_is_refused)
{
    oqt_error err;
    oqt__svd_ws ws = {0};
    oqt__svd out;
    oqt__trunc rule = {0};

    ck_assert_int_eq(oqt__lapack_size((size_t)INT32_MAX, "bond", &err), OQT_OK);
    ck_assert_int_eq(oqt__lapack_size((size_t)INT32_MAX + 1, "bond", &err), OQT_ERANGE);
    ck_assert_str_eq(err.text, "bond of size 2147483648 is too large for LAPACK");
    ck_assert_int_eq(oqt__svd_trunc(&out, &ws, NULL, (size_t)1 << 40, 2, &rule, NULL, &err), OQT_ERANGE);
}
END_TEST

/* ---- singular values ---- */

/* m x k with orthonormal columns, by twice-done Gram-Schmidt. */
static double *new_orthonormal(size_t m, size_t k, uint64_t *seed)
{
    double *t = new_random(m * k, seed), *q = malloc((m * k + 1) * sizeof *q); /* t: k rows of length m */

    for (size_t j = 0; j < k; j++) {
        double *v = t + j * m, length, c[1024];

        for (int pass = 0; pass < 2; pass++) {
            oqt__gemv(false, j, m, 1.0, t, m, v, 0.0, c);
            if (j > 0)
                oqt__gemv(true, j, m, -1.0, t, m, c, 1.0, v);
        }
        length = norm_f(v, m);
        for (size_t i = 0; i < m; i++)
            v[i] /= length;
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            q[i * k + j] = t[j * m + i];
    free(t);
    return q;
}

/* A matrix of given singular values. */
static double *new_with_spectrum(const double *s, size_t m, size_t n, uint64_t *seed)
{
    size_t k = m < n ? m : n;
    double *u = new_orthonormal(m, k, seed), *v = new_orthonormal(n, k, seed);
    double *a = malloc((m * n + 1) * sizeof *a);

    for (size_t i = 0; i < m * k; i++)
        u[i] *= s[i % k];
    oqt__gemm(false, true, m, n, k, 1.0, u, k, v, k, 0.0, a, n);
    free(u), free(v);
    return a;
}

/* |A - u s vt|_F. */
static double svd_error(const oqt__svd *svd, const double *a, size_t m, size_t n)
{
    double *us = malloc((m * svd->rank + 1) * sizeof *us), *diff = malloc((m * n + 1) * sizeof *diff), error;

    for (size_t i = 0; i < m * svd->rank; i++)
        us[i] = svd->u[i] * svd->s[i % svd->rank];
    memcpy(diff, a, m * n * sizeof *diff);
    oqt__gemm(false, false, m, n, svd->rank, -1.0, us, svd->rank, svd->vt, n, 1.0, diff, n);
    error = norm_f(diff, m * n);
    free(us), free(diff);
    return error;
}

/* Largest element of q^T q - 1 for rows (or columns) of q. */
static double orthonormality_defect(const double *q, size_t rows, size_t cols, bool of_rows)
{
    size_t k = of_rows ? rows : cols;
    double *gram = malloc((k * k + 1) * sizeof *gram), defect = 0.0;

    oqt__gemm(!of_rows, of_rows, k, k, of_rows ? cols : rows, 1.0, q, cols, q, cols, 0.0, gram, k);
    for (size_t i = 0; i < k * k; i++)
        defect = fmax(defect, fabs(gram[i] - (i / k == i % k)));
    free(gram);
    return defect;
}

static void check_svd(const oqt__svd *svd, const double *a, size_t m, size_t n, double error)
{
    double tol = 20.0 * EPS * (double)(m + n + 1);

    ck_assert_double_le(svd_error(svd, a, m, n), error + tol * norm_f(a, m * n));
    ck_assert_double_le(orthonormality_defect(svd->u, m, svd->rank, false), tol);
    ck_assert_double_le(orthonormality_defect(svd->vt, svd->rank, n, true), tol);
    for (size_t i = 1; i < svd->rank; i++)
        ck_assert(svd->s[i - 1] >= svd->s[i] && svd->s[i] >= 0.0);
}

static const size_t shapes[][2] = {{0, 0},   {0, 5},   {5, 0},   {1, 1},     {1, 9},     {9, 1},    {2, 2},
                                   {7, 7},   {13, 10}, {10, 13}, {40, 11},   {11, 40},   {200, 3},  {3, 200},
                                   {64, 64}, {90, 31}, {31, 90}, {160, 100}, {100, 161}, {130, 130}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

START_TEST(orthogonal_factor_times_triangle_is_the_matrix)
{
    static const size_t sizes[][2] = {{1, 1}, {7, 3}, {3, 7}, {40, 40}, {90, 1}, {1, 90}};
    uint64_t seed = 3;
    oqt__svd_ws ws = {0};

    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t m = sizes[i / 2][0], n = sizes[i / 2][1], k = m < n ? m : n;
        double *a = malloc(m * n * sizeof *a), *q = malloc(m * k * sizeof *q), *r = malloc(k * n * sizeof *r);
        oqt_error err = {0};

        ck_assert(a && q && r);
        random_fill(a, m * n, &seed);
        for (size_t j = 0; i % 2 == 1 && j < m; j++) /* rank deficient */
            a[j * n] = n > 1 ? a[j * n + 1] : 0.0;
        ASSERT_OK(oqt__qr(q, r, &ws, a, m, n, &err), err);
        for (size_t p = 0; p < k; p++)
            for (size_t s = 0; s < k; s++) {
                double sum = p == s ? -1.0 : 0.0;

                for (size_t l = 0; l < m; l++)
                    sum += q[l * k + p] * q[l * k + s];
                ck_assert_double_le(fabs(sum), 1e-14);
            }
        for (size_t l = 0; l < m; l++)
            for (size_t c = 0; c < n; c++) {
                double sum = -a[l * n + c];

                for (size_t p = 0; p < k; p++) {
                    sum += q[l * k + p] * r[p * n + c];
                    ck_assert(c >= p || r[p * n + c] == 0.0);
                }
                ck_assert_double_le(fabs(sum), 1e-13);
            }
        free(a);
        free(q);
        free(r);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(svd_without_rule_reproduces_the_matrix)
{
    oqt__svd_ws ws = {0};
    uint64_t seed = 21;
    oqt_error err;

    for (size_t x = 0; x < N_SHAPES; x++) {
        size_t m = shapes[x][0], n = shapes[x][1];
        double *a = new_random(m * n, &seed);
        oqt__trunc rule = {0};
        oqt__trunc_record rec;
        oqt__svd svd;

        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, m < n ? m : n);
        ck_assert_uint_eq(rec.kept, svd.rank);
        ck_assert_double_eq(rec.discarded_weight, 0.0);
        check_svd(&svd, a, m, n, 0.0);
        free(a);
    }
    oqt__svd_ws_release(&ws);
    oqt__svd_ws_release(&ws);
}
END_TEST

/* The values of the known spectrum have the accuracy of A itself; tolerances lie well between them. */
START_TEST(truncation_error_is_the_discarded_weight)
{
    oqt__svd_ws ws = {0};
    uint64_t seed = 22;
    oqt_error err;

    for (size_t x = 0; x < N_SHAPES; x++) {
        size_t m = shapes[x][0], n = shapes[x][1], k = m < n ? m : n;
        double s[130], *a;
        oqt__trunc rule = {.rel_tail = 3e-4};
        oqt__trunc_record rec;
        oqt__svd svd;

        for (size_t i = 0; i < k; i++)
            s[i] = 2.3 * pow(0.37, (double)i);
        a = new_with_spectrum(s, m, n, &seed);
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        check_svd(&svd, a, m, n, sqrt(rec.discarded_weight));
        ck_assert_double_le(sqrt(rec.discarded_weight), k > 0 ? 3e-4 * s[0] : 0.0);
        if (svd.rank < k) {
            ck_assert_double_eq_tol(rec.largest_dropped, s[svd.rank], 1e-13);
            ck_assert_double_gt(hypot(rec.largest_dropped, s[svd.rank - 1]), 3e-4 * s[0]);
        }
        ck_assert_double_le(max_diff(svd.s, s, svd.rank), 1e-13);
        free(a);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(rank_deficient_matrix_keeps_its_rank)
{
    oqt__svd_ws ws = {0};
    uint64_t seed = 23;
    oqt_error err;

    for (size_t x = 0; x < 3; x++) {
        size_t m = (size_t[]){50, 80, 20}[x], n = (size_t[]){50, 20, 80}[x];
        double *a = new_random(m * n, &seed), *b = new_random(m * 6, &seed), *c = new_random(6 * n, &seed);
        oqt__trunc rule = {.abs_tol = 1e-10};
        oqt__trunc_record rec;
        oqt__svd svd;

        oqt__gemm(false, false, m, n, 6, 1.0, b, 6, c, n, 0.0, a, n);
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, 6);
        check_svd(&svd, a, m, n, 0.0);
        memset(a, 0, m * n * sizeof *a);
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, 0);
        rule = (oqt__trunc){.rel_tail = 1e-3};
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, 0);
        free(a), free(b), free(c);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

/* A diagonal matrix, whose singular values are exact. */
static oqt__trunc_record truncate_diagonal(const double *s, size_t k, oqt__trunc rule)
{
    double a[64] = {0};
    oqt__svd_ws ws = {0};
    oqt__svd svd;
    oqt__trunc_record rec;
    oqt_error err;

    for (size_t i = 0; i < k; i++)
        a[i * k + i] = s[i];
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, k, k, &rule, &rec, &err), err);
    ck_assert_uint_eq(svd.rank, rec.kept);
    oqt__svd_ws_release(&ws);
    return rec;
}

START_TEST(rule_keeps_the_smallest_allowed_rank)
{
    static const double s[6] = {8, 4, 2, 1, 0.5, 0.25};
    oqt__trunc_record r;

    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 0.9}).kept, 4);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 1.0}).kept, 3);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 9.0}).kept, 0);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 1e-300}).kept, 6);
    /* 0.25 = 8 / 32 exactly: equality discards. */
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.rel_tail = 1.0 / 32}).kept, 5);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.rel_tail = 0.99 / 32}).kept, 6);
    /* sqrt(0.25 + 0.0625) = 0.559 is more than 0.5. */
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.rel_tail = 0.55 / 8}).kept, 5);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.rel_tail = 0.57 / 8}).kept, 4);
    /* The stricter of two wins. */
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 0.3, .rel_tail = 0.3}).kept, 5);
    ck_assert_uint_eq(truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 3.0, .rel_tail = 0.03}).kept, 6);

    r = truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 0.3, .max_rank = 2});
    ck_assert(r.kept == 2 && r.limited);
    ck_assert_double_eq_tol(r.discarded_weight, 4 + 1 + 0.25 + 0.0625, 1e-14);
    ck_assert_double_eq_tol(r.largest_dropped, 2.0, 1e-15);
    r = truncate_diagonal(s, 6, (oqt__trunc){.abs_tol = 1.5, .max_rank = 3});
    ck_assert(r.kept == 3 && !r.limited);
    r = truncate_diagonal(s, 6, (oqt__trunc){.max_rank = 4});
    ck_assert(r.kept == 4 && !r.limited);
}
END_TEST

START_TEST(extreme_magnitudes_do_not_overflow)
{
    static const double large[3] = {1e300, 1e297, 1e290}, small[3] = {1e-300, 1e-303, 1e-305};

    ck_assert_uint_eq(truncate_diagonal(large, 3, (oqt__trunc){.rel_tail = 1e-5}).kept, 2);
    ck_assert_uint_eq(truncate_diagonal(small, 3, (oqt__trunc){.rel_tail = 1e-4}).kept, 2);
}
END_TEST

START_TEST(records_add_up)
{
    oqt__trunc_record sum = {0}, one = {3, 0.5, 0.2, 1, 0, true, 2.0}, two = {7, 0.25, 0.1, 0, 1, false, 3.0};

    oqt__trunc_add(&sum, &one);
    oqt__trunc_add(&sum, &two);
    ck_assert_uint_eq(sum.kept, 7);
    ck_assert_double_eq(sum.discarded_weight, 0.75);
    ck_assert_double_eq(sum.largest_dropped, 0.2);
    ck_assert(sum.n_fallback == 1 && sum.n_randomized == 1 && sum.limited);
    ck_assert_double_eq(sum.flops, 5.0);
}
END_TEST

START_TEST(fallback_driver_agrees)
{
    oqt__svd_ws ws = {0};
    uint64_t seed = 24;
    oqt_error err;

    for (size_t x = 0; x < N_SHAPES; x++) {
        size_t m = shapes[x][0], n = shapes[x][1];
        double *a = new_random(m * n, &seed);
        oqt__trunc rule = {.rel_tail = 0.1};
        oqt__trunc_record rec;
        oqt__svd_plan plan;
        oqt__svd svd;

        ASSERT_OK(oqt__svd_plan_init(&plan, m, n, &err), err);
        ASSERT_OK(oqt__svd_ws_reserve(&ws, plan.n_mem + 1, plan.n_int + 1, &err), err);
        ASSERT_OK(
            oqt__svd_dense(&svd, &plan, ws.mem, ws.iwork, a, &rule, 0.0, &rec, OQT__SVD_QR_ITERATION, &err),
            err);
        ck_assert_uint_eq(rec.n_fallback, m * n > 0);
        check_svd(&svd, a, m, n, sqrt(rec.discarded_weight));
        free(a);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

/* Values fall by a factor of 3 each, and rows of a metric by as much: what the small kernel is made for. Its
 * values, vectors and dropped weight against the given spectrum. */
START_TEST(small_graded_matrices_are_cut_at_the_tolerance)
{
    static const size_t sizes[][2] = {{1, 1},   {2, 5},   {5, 2},   {15, 15},
                                      {21, 42}, {42, 21}, {48, 48}, {48, 190}};
    oqt__svd_ws ws = {0};
    uint64_t seed = 61;
    oqt_error err;

    for (size_t x = 0; x < sizeof sizes / sizeof *sizes; x++) {
        size_t m = sizes[x][0], n = sizes[x][1], k = m < n ? m : n, kept = 0;
        double s[48], *a, dropped = 0.0;
        oqt__trunc rule = {.abs_tol = 1e-7};
        oqt__trunc_record rec;
        oqt__svd svd;

        for (size_t i = 0; i < k; i++) {
            s[i] = 2.0 * pow(3.0, -(double)i);
            kept += s[i] > rule.abs_tol;
            dropped += s[i] > rule.abs_tol ? 0.0 : s[i] * s[i];
        }
        a = new_with_spectrum(s, m, n, &seed);
        ck_assert(oqt__svd_jacobi_applies(m, n, 1.0, &rule));
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, kept);
        ck_assert_uint_eq(rec.kept, kept);
        check_svd(&svd, a, m, n, 1.001 * sqrt(dropped));
        for (size_t i = 0; i < kept; i++) /* what is left out moves them in second order */
            ck_assert_double_eq_tol(svd.s[i], s[i], 1e-3 * rule.abs_tol);
        ck_assert_double_le(fabs(rec.discarded_weight - dropped), 1e-3 * dropped);
        rule.max_rank = 1;
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
        ck_assert_uint_eq(svd.rank, 1);
        ck_assert_int_eq(rec.limited, kept > 1);
        free(a);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(non_finite_matrix_is_refused)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY};
    double a[12];

    for (size_t i = 0; i < 12; i++)
        a[i] = (double)i;
    for (size_t i = 0; i < 3; i++) {
        oqt__svd_ws ws = {0};
        oqt__svd svd = {.rank = 99};
        oqt__trunc rule = {.rel_tail = 1e-3};
        oqt__trunc_record rec = {.kept = 77};
        oqt_error err;

        a[7] = bad[i];
        ck_assert_int_eq(oqt__svd_trunc(&svd, &ws, a, 3, 4, &rule, &rec, &err), OQT_EINVAL);
        ck_assert(svd.rank == 99 && rec.kept == 77);
        ck_assert_int_eq(err.code, OQT_EINVAL);
        oqt__svd_ws_release(&ws);
    }
}
END_TEST

START_TEST(reused_workspace_changes_nothing)
{
    oqt__svd_ws ws = {0}, fresh = {0};
    uint64_t seed = 25;
    double *a = new_random(60 * 20, &seed), *b = new_random(100 * 100, &seed), first[20];
    oqt__trunc rule = {.max_rank = 12};
    oqt__svd svd;
    oqt_error err;

    ASSERT_OK(oqt__svd_trunc(&svd, &fresh, a, 60, 20, &rule, NULL, &err), err);
    memcpy(first, svd.u, sizeof first);
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, b, 100, 100, &rule, NULL, &err), err);
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 60, 20, &rule, NULL, &err), err);
    ck_assert_int_eq(memcmp(first, svd.u, sizeof first), 0);
    oqt__svd_ws_release(&ws);
    oqt__svd_ws_release(&fresh);
    free(a), free(b);
}
END_TEST

/* ---- the randomized path ---- */

/* Both paths on one matrix; values compared to `tol` relative to the largest. */
static void compare_paths(const double *a, size_t m, size_t n, oqt__trunc rule, size_t rank, double tol)
{
    oqt__svd_ws ws = {0}, ws_full = {0};
    oqt__svd svd, full;
    oqt__trunc_record rec, rec_full;
    oqt__svd_plan plan;
    oqt_error err;
    double error;

    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, &rec, &err), err);
    ck_assert_uint_eq(rec.n_randomized, 1);
    ASSERT_OK(oqt__svd_plan_init(&plan, m, n, &err), err);
    ASSERT_OK(oqt__svd_ws_reserve(&ws_full, plan.n_mem, plan.n_int, &err), err);
    ASSERT_OK(oqt__svd_dense(&full, &plan, ws_full.mem, ws_full.iwork, a, &rule, 0.0, &rec_full,
                             OQT__SVD_DIVIDE, &err),
              err);
    ck_assert_uint_eq(full.rank, rank);
    ck_assert_uint_eq(svd.rank, rank);
    ck_assert(rec.limited == rec_full.limited);
    for (size_t i = 0; i < rank; i++) /* |E|^2 / 2 s bounds the error, and the margin of 0.3 enters there */
        ck_assert_double_eq_tol(svd.s[i], full.s[i], 1e-12 * full.s[0] + tol * full.s[rank - 1]);
    error = svd_error(&svd, a, m, n);
    check_svd(&svd, a, m, n, 1.05 * sqrt(rec_full.discarded_weight));
    /* The weight reported is the real one, up to the part of E that the kept right vectors reach. */
    ck_assert_double_eq_tol(error, sqrt(rec.discarded_weight), 1e-2 * error + 1e-13 * full.s[0]);
    oqt__svd_ws_release(&ws);
    oqt__svd_ws_release(&ws_full);
}

START_TEST(randomized_path_agrees_with_the_full_one)
{
    static const size_t sizes[][2] = {{600, 600}, {300, 420}, {700, 256}};
    uint64_t seed = 31;

    for (size_t x = 0; x < 3; x++) {
        size_t m = sizes[x][0], n = sizes[x][1], k = m < n ? m : n;
        double s[600], *a;

        for (size_t i = 0; i < k; i++) /* exponential: 1e-6 at 0.15 k, with a floor */
            s[i] = 5.0 * fmax(pow(10.0, -6.0 * (double)i / (0.15 * (double)k)), 1e-12);
        a = new_with_spectrum(s, m, n, &seed);
        {
            size_t r = 0, r_tail = k;
            double tail = 0.0;

            while (s[r] > 3.3e-6)
                r++;
            while (r_tail > 0 && tail + s[r_tail - 1] * s[r_tail - 1] <= 1e-10 * s[0] * s[0])
                tail += s[r_tail - 1] * s[r_tail - 1], r_tail--;
            compare_paths(a, m, n, (oqt__trunc){.abs_tol = 3.3e-6}, r, 1e-3);
            compare_paths(a, m, n, (oqt__trunc){.rel_tail = 1e-5}, r_tail, 1e-3);
            compare_paths(a, m, n, (oqt__trunc){.rel_tail = 1e-5, .max_rank = 9}, 9, 1e-3);
            compare_paths(a, m, n, (oqt__trunc){.max_rank = 20}, 20, 1e-3);
        }
        free(a);
    }
}
END_TEST

/* Norm of what the rows of v leave of a. */
static double missed(const double *a, const double *v, size_t m, size_t n, size_t rank)
{
    double sum = 0.0;
    double *row = malloc(n * sizeof *row);

    ck_assert(row);
    for (size_t i = 0; i < m; i++) {
        memcpy(row, a + i * n, n * sizeof *row);
        for (size_t k = 0; k < rank; k++) {
            double overlap = 0.0;

            for (size_t j = 0; j < n; j++)
                overlap += a[i * n + j] * v[k * n + j];
            for (size_t j = 0; j < n; j++)
                row[j] -= overlap * v[k * n + j];
        }
        for (size_t j = 0; j < n; j++)
            sum += row[j] * row[j];
    }
    free(row);
    return sqrt(sum);
}

/* Rank, values and error of right vectors alone are those of the whole decomposition, for any shape and for
 * tolerances on both sides of that where squares are good enough. */
START_TEST(right_vectors_alone_agree_with_the_full_path)
{
    static const size_t sizes[][2] = {{1, 1},   {1, 7},    {7, 1},     {20, 33},   {33, 20},   {64, 92},
                                      {90, 60}, {150, 40}, {200, 380}, {380, 200}, {400, 400}, {360, 600}};
    static const oqt__trunc rules[] = {{.rel_tail = 1e-3},
                                       {.rel_tail = 1e-5},
                                       {.rel_tail = 1e-8},
                                       {.abs_tol = 1e-4},
                                       {.rel_tail = 1e-5, .abs_tol = 2.1e-6},
                                       {.rel_tail = 1e-5, .max_rank = 9},
                                       {.max_rank = 7},
                                       {.max_rank = 0}};
    enum { N_RULES = sizeof rules / sizeof *rules };
    uint64_t seed = 37;
    oqt__svd_ws ws = {0}, ws_full = {0};

    for (size_t x = 0; x < 3 * sizeof sizes / sizeof *sizes; x++) { /* three rules for each size */
        size_t m = sizes[x / 3][0], n = sizes[x / 3][1], k = m < n ? m : n, which = (x / 3 + 3 * x) % N_RULES,
               rank;
        const oqt__trunc *rule = rules + which;
        oqt__trunc_record rec, rec_full;
        oqt__svd full;
        oqt_error err = {0};
        double values[600], s[600], *a, *v = malloc(m * n * sizeof *v), left, least;

        for (size_t i = 0; i < k; i++)
            values[i] = 3.0 * pow(10.0, -9.0 * (double)i / (0.6 * (double)k));
        a = new_with_spectrum(values, m, n, &seed);
        ck_assert(v);
        memcpy(v, a, m * n * sizeof *v);
        ASSERT_OK(oqt__svd_trunc(&full, &ws_full, a, m, n, rule, &rec_full, &err), err);
        ASSERT_OK(oqt__svd_right(&rank, s, v, &ws, m, n, rule, &rec, &err), err);
        ck_assert_uint_eq(rec.kept, rank);
        ck_assert(rec.limited == rec_full.limited);
        /* values near the tolerance are right to 5 %, and those of the whole too where it takes random
         * vectors */
        ck_assert_msg(rank == full.rank || rank == full.rank + 1 ||
                          (rec_full.n_randomized > 0 && rank + 1 == full.rank),
                      "%zu x %zu, rule %zu: rank %zu instead of %zu", m, n, which, rank, full.rank);
        ck_assert_double_le(orthonormality_defect(v, rank, n, true), 1e-13);
        least = values[rank - 1];
        for (size_t i = 0; i < rank; i++)
            ck_assert_double_eq_tol(s[i], values[i], 1e-3 * values[i] + 0.05 * least + 1e-15 * values[0]);
        left = missed(a, v, m, n, rank);
        if (rule->max_rank == 0 && rule->rel_tail > 0.0)
            ck_assert_double_le(left, rule->rel_tail * values[0]);
        ck_assert_double_eq_tol(left, sqrt(rec.discarded_weight),
                                2e-2 * sqrt(rec.discarded_weight) + 1e-14 * values[0]);
        free(a);
        free(v);
    }
    oqt__svd_ws_release(&ws);
    oqt__svd_ws_release(&ws_full);
}
END_TEST

/* A factorization that ends with just as many columns as the limit allows has left some that count. */
START_TEST(right_vectors_tell_of_a_limit_just_reached)
{
    enum { M = 40, N = 50, LIMIT = 16 };
    const double small[] = {2e-3, 1e-4};
    oqt__trunc rule = {.rel_tail = 1e-3, .max_rank = LIMIT};
    oqt__svd_ws ws = {0};
    uint64_t seed = 43;
    oqt_error err = {0};

    for (size_t i = 0; i < 2; i++) {
        oqt__trunc_record rec;
        double values[M], s[M], *a;
        size_t rank;

        for (size_t k = 0; k < M; k++)
            values[k] = k < LIMIT ? 1.0 : small[i];
        a = new_with_spectrum(values, M, N, &seed);
        ASSERT_OK(oqt__svd_right(&rank, s, a, &ws, M, N, &rule, &rec, &err), err);
        ck_assert_uint_eq(rank, LIMIT);
        ck_assert_int_eq(rec.limited, small[i] > rule.rel_tail);
        free(a);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

/* Values that repeat, as those of symmetric chains do, and zeros; elements beyond the range of squares; and
 * what is refused. */
START_TEST(right_vectors_of_unusual_matrices)
{
    enum { M = 90, N = 110, SAME = 6 };
    uint64_t seed = 41;
    oqt__svd_ws ws = {0};
    oqt__trunc rule = {.rel_tail = 1e-6};
    oqt__trunc_record rec;
    oqt_error err = {0};
    double values[M], s[M], *a, v[M * N], kept[1] = {7.0}, left;
    size_t rank;

    for (size_t i = 0; i < M; i++)
        values[i] =
            i < 60 ? pow(10.0, -(double)(i / SAME)) : 0.0; /* 1e-6 stays: 6^(1/2) of them are too many */
    a = new_with_spectrum(values, M, N, &seed);
    for (int scale = -4; scale <= 4; scale++) {
        double unit = pow(10.0, 30.0 * scale);

        for (size_t i = 0; i < (size_t)M * N; i++)
            v[i] = unit * a[i];
        ASSERT_OK(oqt__svd_right(&rank, s, v, &ws, M, N, &rule, &rec, &err), err);
        ck_assert_uint_eq(rank, 7 * SAME);
        ck_assert_double_le(orthonormality_defect(v, rank, N, true), 1e-13);
        for (size_t i = 0; i < rank; i++)
            ck_assert_double_eq_tol(s[i] / unit, values[i], 1e-2 * values[i]);
        /* the dropped values and 0.3 of the tolerance, at most */
        left = missed(a, v, M, N, rank);
        ck_assert_double_ge(left, sqrt((double)SAME) * 1e-7);
        ck_assert_double_le(left, hypot(sqrt(SAME / 0.99) * 1e-7, 0.3e-6));
        ck_assert_double_eq_tol(left, sqrt(rec.discarded_weight) / unit, 1e-2 * left);
    }
    memset(v, 0, sizeof v);
    ASSERT_OK(oqt__svd_right(&rank, s, v, &ws, M, N, &rule, &rec, &err), err);
    ck_assert_uint_eq(rank, 0);
    ASSERT_OK(oqt__svd_right(&rank, s, v, &ws, 0, N, &rule, &rec, &err), err);
    ck_assert_uint_eq(rank, 0);
    v[3] = NAN;
    rank = 17;
    ck_assert_int_eq(oqt__svd_right(&rank, kept, v, &ws, 2, 2, &rule, &rec, &err), OQT_EINVAL);
    ck_assert(rank == 17 && kept[0] == 7.0);
    ck_assert_int_eq(oqt__svd_right(&rank, kept, v, &ws, (size_t)1 << 40, 2, &rule, &rec, &err), OQT_ERANGE);
    free(a);
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(triangle_times_orthogonal_factor_is_the_matrix)
{
    static const size_t sizes[][2] = {{1, 1}, {7, 3}, {3, 7}, {40, 40}, {90, 1}, {1, 90}};
    uint64_t seed = 4;
    oqt__svd_ws ws = {0};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t m = sizes[i][0], n = sizes[i][1], k = m < n ? m : n;
        double *a = malloc(m * n * sizeof *a), *l = malloc(m * k * sizeof *l), *q = malloc(k * n * sizeof *q);
        oqt_error err = {0};

        ck_assert(a && l && q);
        random_fill(a, m * n, &seed);
        ASSERT_OK(oqt__lq(l, q, &ws, a, m, n, &err), err);
        ck_assert_double_le(orthonormality_defect(q, k, n, true), 1e-14);
        for (size_t r = 0; r < m; r++)
            for (size_t c = 0; c < n; c++) {
                double sum = -a[r * n + c];

                for (size_t p = 0; p < k; p++)
                    sum += l[r * k + p] * q[p * n + c];
                ck_assert_double_le(fabs(sum), 1e-13);
            }
        for (size_t r = 0; r < m; r++)
            for (size_t p = r + 1; p < k; p++)
                ck_assert(l[r * k + p] == 0.0);
        free(a);
        free(l);
        free(q);
    }
    oqt__svd_ws_release(&ws);
}
END_TEST

START_TEST(randomized_path_takes_an_exact_rank_and_a_step)
{
    uint64_t seed = 32;
    double s[400], *a;

    for (size_t i = 0; i < 400; i++)
        s[i] = i < 23 ? 3.0 - 0.05 * (double)i : 0.0;
    a = new_with_spectrum(s, 400, 400, &seed);
    compare_paths(a, 400, 400, (oqt__trunc){.abs_tol = 1e-9}, 23, 1e-9);
    compare_paths(a, 400, 400, (oqt__trunc){.rel_tail = 1e-8}, 23, 1e-9);
    free(a);
    for (size_t i = 0; i < 400; i++) /* algebraic: the residual falls slowly */
        s[i] = 1.0 / ((double)(i + 1) * (double)(i + 1) * (double)(i + 1));
    a = new_with_spectrum(s, 400, 400, &seed);
    compare_paths(a, 400, 400, (oqt__trunc){.abs_tol = 4.4e-6}, 61, 2e-2);
    free(a);
}
END_TEST

START_TEST(full_rank_leaves_the_randomized_path)
{
    uint64_t seed = 33;
    double *a = new_random(256 * 256, &seed);
    oqt__svd_ws ws = {0};
    oqt__svd svd;
    oqt__trunc rule = {.rel_tail = 1e-6};
    oqt__trunc_record rec;
    oqt_error err;

    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 256, 256, &rule, &rec, &err), err);
    ck_assert(rec.n_randomized == 0 && svd.rank == 256);
    check_svd(&svd, a, 256, 256, 0.0);
    memset(a, 0, 256 * 256 * sizeof *a);
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 256, 256, &rule, &rec, &err), err);
    ck_assert_uint_eq(svd.rank, 0);
    oqt__svd_ws_release(&ws);
    free(a);
}
END_TEST

START_TEST(randomized_path_is_deterministic)
{
    uint64_t seed = 34;
    double s[300], *a, *first;
    oqt__svd_ws ws = {0};
    oqt__svd svd;
    oqt__trunc rule = {.rel_tail = 1e-4};
    oqt_error err;

    for (size_t i = 0; i < 300; i++)
        s[i] = pow(0.8, (double)i);
    a = new_with_spectrum(s, 300, 300, &seed);
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 300, 300, &rule, NULL, &err), err);
    first = malloc(300 * svd.rank * sizeof *first);
    memcpy(first, svd.u, 300 * svd.rank * sizeof *first);
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 300, 300, &rule, NULL, &err), err);
    ck_assert_int_eq(memcmp(first, svd.u, 300 * svd.rank * sizeof *first), 0);
    oqt__svd_ws_release(&ws);
    free(a), free(first);
}
END_TEST

/* ---- ranges ---- */

/* |a - q^T q a|_F / |a|_F; asserts that the rows of q are orthonormal. */
static double range_error(const double *q, size_t rank, const double *a, size_t m, size_t n)
{
    double *b = calloc(rank * n, sizeof *b), *rest = malloc(m * n * sizeof *rest), error;

    for (size_t i = 0; i < rank; i++)
        for (size_t j = 0; j < rank; j++) {
            double sum = i == j ? -1.0 : 0.0;

            for (size_t k = 0; k < m; k++)
                sum += q[i * m + k] * q[j * m + k];
            ck_assert_double_le(fabs(sum), 100 * EPS);
        }
    memcpy(rest, a, m * n * sizeof *rest);
    naive_gemm(false, false, rank, n, m, 1.0, q, m, a, n, 0.0, b, n);
    naive_gemm(true, false, m, n, rank, -1.0, q, m, b, n, 1.0, rest, n);
    error = norm_f(rest, m * n) / norm_f(a, m * n);
    free(b);
    free(rest);
    return error;
}

/* Singular values fall by 2 from one to the next: half of the tolerance costs one column more. */
START_TEST(ranges_hold_a_matrix_to_a_tolerance)
{
    static const size_t sizes[][2] = {{80, 60}, {60, 80}, {40, 200}, {200, 40}, {30, 30}};
    static const double tolerances[] = {1e-2, 1e-4, 1e-8};
    oqt__range_ws ws = {0};
    uint64_t seed = 71;
    oqt_error err;

    for (size_t x = 0; x < sizeof sizes / sizeof *sizes; x++)
        for (size_t t = 0; t < 3; t++)
            for (size_t guess = 1; guess <= 64; guess *= 8) {
                size_t m = sizes[x][0], n = sizes[x][1], rank, needed;
                double *u = new_random(m * 30, &seed), *v = new_random(30 * n, &seed);
                double *a = calloc(m * n, sizeof *a), flops = 0.0, error;
                const double *q;

                for (size_t i = 0; i < m; i++)
                    for (size_t k = 0; k < 30; k++)
                        u[i * 30 + k] *= pow(0.5, (double)k);
                naive_gemm(false, false, m, n, 30, 1.0, u, 30, v, n, 0.0, a, n);
                ASSERT_OK(oqt__range(&q, &rank, &ws, a, m, n, tolerances[t], guess, 0, &flops, &err), err);
                error = range_error(q, rank, a, m, n);
                ck_assert_double_le(error, 3.0 * tolerances[t]);
                needed = (size_t)ceil(-log2(tolerances[t]));
                ck_assert_uint_le(rank, needed + 8);
                ck_assert_double_gt(flops, 0.0);
                free(u);
                free(v);
                free(a);
            }
    oqt__range_ws_release(&ws);
}
END_TEST

START_TEST(ranges_of_extreme_matrices)
{
    oqt__range_ws ws = {0};
    double a[12 * 9] = {0}, *full, flops = 0.0;
    uint64_t seed = 72;
    size_t rank;
    const double *q;
    oqt_error err;

    /* zero has a range of one column, which may be any */
    ASSERT_OK(oqt__range(&q, &rank, &ws, a, 12, 9, 1e-6, 4, 0, &flops, &err), err);
    ck_assert_uint_eq(rank, 1);
    ASSERT_OK(oqt__range(&q, &rank, &ws, a, 1, 1, 1e-6, 4, 0, &flops, &err), err);
    ck_assert_uint_eq(rank, 1);
    /* one row, one column */
    a[3] = 2.5;
    ASSERT_OK(oqt__range(&q, &rank, &ws, a, 1, 9, 1e-6, 1, 0, &flops, &err), err);
    ck_assert_uint_eq(rank, 1);
    ck_assert_double_le(range_error(q, rank, a, 1, 9), 1e-15);
    ASSERT_OK(oqt__range(&q, &rank, &ws, a, 9, 1, 1e-6, 1, 0, &flops, &err), err);
    ck_assert_uint_eq(rank, 1);
    ck_assert_double_le(range_error(q, rank, a, 9, 1), 1e-15);
    /* full rank is all columns, unless limited */
    full = new_random(30 * 20, &seed);
    ASSERT_OK(oqt__range(&q, &rank, &ws, full, 30, 20, 1e-6, 3, 0, &flops, &err), err);
    ck_assert_uint_eq(rank, 20);
    ck_assert_double_le(range_error(q, rank, full, 30, 20), 1e-13);
    ASSERT_OK(oqt__range(&q, &rank, &ws, full, 30, 20, 1e-6, 3, 7, &flops, &err), err);
    ck_assert_uint_eq(rank, 7);
    free(full);
    oqt__range_ws_release(&ws);
}
END_TEST

/* ---- symmetric and Hermitian ---- */

START_TEST(symmetric_matrix_is_rebuilt_from_eigenvectors)
{
    static const size_t sizes[] = {0, 1, 2, 5, 33};
    uint64_t seed = 41;
    oqt_error err;

    for (size_t x = 0; x < 5; x++) {
        size_t n = sizes[x];
        double *a = new_random(n * n, &seed), *v = malloc((n * n + 1) * sizeof *v), w[33], *vw;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++)
                a[i * n + j] = a[j * n + i];
        vw = malloc((n * n + 1) * sizeof *vw);
        memcpy(v, a, n * n * sizeof *v);
        ASSERT_OK(oqt__eigh(w, v, v, n, &err), err); /* in place */
        for (size_t i = 0; i < n * n; i++)
            vw[i] = v[i] * w[i % n];
        for (size_t i = 1; i < n; i++)
            ck_assert_double_le(w[i - 1], w[i]);
        ck_assert_double_le(orthonormality_defect(v, n, n, false), 1e-13);
        oqt__gemm(false, true, n, n, n, -1.0, vw, n, v, n, 1.0, a, n);
        ck_assert_double_le(norm_f(a, n * n), 1e-13 * (double)(n + 1));
        free(a), free(v), free(vw);
    }
}
END_TEST

static double complex element(const oqt_complex *a, size_t n, size_t i, size_t j)
{
    return to_c99(a[i * n + j]);
}

START_TEST(hermitian_matrix_is_rebuilt_from_eigenvectors)
{
    uint64_t seed = 42;
    oqt_error err;

    for (size_t n = 1; n < 20; n += 3) {
        oqt_complex a[400], v[400];
        double w[20];

        random_hermitian(a, n, &seed);
        ASSERT_OK(oqt__eigh_complex(w, v, a, n, &err), err);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double complex sum = -element(a, n, i, j), overlap = 0.0;

                for (size_t k = 0; k < n; k++) {
                    sum += element(v, n, i, k) * w[k] * conj(element(v, n, j, k));
                    overlap += conj(element(v, n, k, i)) * element(v, n, k, j);
                }
                ck_assert_double_le(cabs(sum), 1e-13 * (double)n);
                ck_assert_double_le(cabs(overlap - (i == j)), 1e-13);
            }
        for (size_t k = 0; k < n; k++) {
            size_t at = 0;

            for (size_t i = 1; i < n; i++)
                if (cabs(element(v, n, i, k)) > cabs(element(v, n, at, k)))
                    at = i;
            ck_assert(v[at * n + k].im == 0.0 && v[at * n + k].re > 0.0);
            ck_assert(k == 0 || w[k - 1] <= w[k]);
        }
    }
}
END_TEST

/* Of two elements of equal size the first is made real: (1, i) / sqrt2 and not (-i, 1) / sqrt2. */
START_TEST(phase_convention_of_pauli_matrices)
{
    oqt_complex v[4];
    double w[2], r = sqrt(0.5);
    oqt_error err;

    ASSERT_OK(oqt__eigh_complex(w, v, sigma_y, 2, &err), err);
    ck_assert_double_eq_tol(w[0], -1.0, 1e-15);
    ck_assert_double_le(max_diff_complex(v, (oqt_complex[4]){{r, 0}, {r, 0}, {0, -r}, {0, r}}, 4), 1e-15);
    ASSERT_OK(oqt__eigh_complex(w, v, sigma_x, 2, &err), err);
    ck_assert_double_le(max_diff_complex(v, (oqt_complex[4]){{r, 0}, {r, 0}, {-r, 0}, {r, 0}}, 4), 1e-15);
}
END_TEST

/* ---- general matrices ---- */

START_TEST(eigenvalues_of_a_rotation)
{
    double c = cos(0.3), s = sin(0.3), a[9] = {1.7 * c, -1.7 * s, 0.4, 1.7 * s, 1.7 * c, 2.2, 0, 0, -0.6};
    oqt_complex w[3];
    double complex product = 1.0, sum = 0.0;
    oqt_error err;

    ASSERT_OK(oqt__eigvals(w, a, 3, &err), err);
    for (size_t i = 0; i < 3; i++) {
        product *= to_c99(w[i]);
        sum += to_c99(w[i]);
        ck_assert(fabs(hypot(w[i].re, w[i].im) - 1.7) < 1e-14 || fabs(w[i].re + 0.6) < 1e-14);
    }
    ck_assert_double_le(cabs(product + 0.6 * 1.7 * 1.7), 1e-14);
    ck_assert_double_le(cabs(sum - 3.4 * c + 0.6), 1e-14);
}
END_TEST

START_TEST(solution_satisfies_the_equations)
{
    uint64_t seed = 51;
    double *a = new_random(12 * 12, &seed), *b = new_random(12 * 5, &seed), x[60], singular[4] = {1, 2, 2, 4};
    oqt_error err;

    memcpy(x, b, sizeof x);
    ASSERT_OK(oqt__solve(x, a, 12, 5, &err), err);
    oqt__gemm(false, false, 12, 5, 12, -1.0, a, 12, x, 5, 1.0, b, 5);
    ck_assert_double_le(norm_f(b, 60), 1e-12);
    memcpy(x, (double[2]){3.0, 5.0}, 2 * sizeof *x);
    ck_assert_int_eq(oqt__solve(x, singular, 2, 1, &err), OQT_ECONV);
    ck_assert(x[0] == 3.0 && x[1] == 5.0);
    free(a), free(b);
}
END_TEST

/* ---- exponential ---- */

/* Taylor series in long double of exp(a / 2^s), squared s times. */
static void taylor(double *out, const double *a, size_t n, int squarings)
{
    long double *sum = calloc(n * n, sizeof *sum), *term = calloc(n * n, sizeof *term);
    long double *next = calloc(n * n, sizeof *next);

    for (size_t i = 0; i < n; i++)
        sum[i * n + i] = term[i * n + i] = 1.0L;
    for (int k = 1; k < 40 + squarings; k++) {
        const bool squaring = k >= 40;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                long double s = 0.0L;

                for (size_t l = 0; l < n; l++)
                    s += squaring ? sum[i * n + l] * sum[l * n + j]
                                  : term[i * n + l] * ldexpl((long double)a[l * n + j], -squarings) / k;
                next[i * n + j] = s;
            }
        memcpy(squaring ? sum : term, next, n * n * sizeof *next);
        for (size_t i = 0; i < n * n && !squaring; i++)
            sum[i] += term[i];
    }
    for (size_t i = 0; i < n * n; i++)
        out[i] = (double)sum[i];
    free(sum), free(term), free(next);
}

/* Norms that take each order, and norm 50. */
START_TEST(exponential_matches_taylor_series)
{
    static const double norms[] = {1e-3, 0.1, 0.7, 1.6, 4.0, 12.0, 50.0};
    uint64_t seed = 61;
    oqt_error err;

    for (size_t x = 0; x < 7 * 3; x++) {
        size_t n = (size_t[]){1, 4, 9}[x / 7];
        double *a = new_random(n * n, &seed), out[81], expected[81];

        for (size_t i = 0; i < n * n; i++)
            a[i] *= norms[x % 7] / (0.8 * (double)n);
        taylor(expected, a, n, 12);
        ASSERT_OK(oqt__expm(out, a, n, &err), err);
        /* Conditioning: the relative error grows with the norm. */
        ck_assert_double_le(max_diff(out, expected, n * n),
                            20.0 * EPS * (1.0 + norms[x % 7]) * norm_f(expected, n * n));
        ASSERT_OK(oqt__expm(a, a, n, &err), err); /* in place */
        ck_assert_int_eq(memcmp(a, out, n * n * sizeof *a), 0);
        free(a);
    }
}
END_TEST

START_TEST(exponential_of_a_rotation_and_a_shear)
{
    double rotation[4] = {-0.2, -50.3, 50.3, -0.2}, shear[4] = {0.4, 1e3, 0.0, 0.4}, out[4];
    oqt_error err;

    ASSERT_OK(oqt__expm(out, rotation, 2, &err), err);
    ck_assert_double_eq_tol(out[0], exp(-0.2) * cos(50.3), 2e-14);
    ck_assert_double_eq_tol(out[1], -exp(-0.2) * sin(50.3), 2e-14);
    ck_assert_double_eq_tol(out[2], exp(-0.2) * sin(50.3), 2e-14);
    ASSERT_OK(oqt__expm(out, shear, 2, &err), err);
    /* Backward stable only: the norm of 1e3 enters, and pivoting mixes the diagonal with it. */
    ck_assert_double_eq_tol(out[0], exp(0.4), 1e-10);
    ck_assert_double_eq_tol(out[1], 1e3 * exp(0.4), 1e-8);
    ck_assert_double_eq_tol(out[2], 0.0, 1e-12);
}
END_TEST

START_TEST(exponential_says_what_is_wrong)
{
    double a[4] = {0, NAN, 0, 0}, out[4] = {1, 2, 3, 4};
    oqt_error err;

    ck_assert_int_eq(oqt__expm(out, a, 2, &err), OQT_EINVAL);
    a[1] = INFINITY;
    ck_assert_int_eq(oqt__expm(out, a, 2, &err), OQT_EINVAL);
    a[1] = 0.0;
    a[0] = 1e4;
    ck_assert_int_eq(oqt__expm(out, a, 2, &err), OQT_ECONV);
    ck_assert(out[0] == 1 && out[3] == 4);
    a[0] = -1e4;
    ASSERT_OK(oqt__expm(out, a, 2, &err), err);
    ck_assert(fabs(out[0]) < 1e-300 && fabs(out[3] - 1.0) < 1e-12);
}
END_TEST

START_TEST(non_finite_matrices_leave_outputs_alone)
{
    double a[4] = {1, 2, NAN, 1}, w[2] = {5, 6}, v[4] = {7, 8, 9, 10}, good[4] = {1, 0, 0, 1};
    oqt_complex c[4] = {{1, 0}, {0, INFINITY}, {0, 0}, {1, 0}}, cw[2] = {{5, 0}, {6, 0}}, cv[4] = {{7, 0}};
    double bad_rhs[2] = {NAN, 1};
    oqt_error err;

    ck_assert_int_eq(oqt__eigh(w, v, a, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt__eigh_complex(w, cv, c, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt__eigvals(cw, a, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt__solve(v, a, 2, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt__solve(bad_rhs, good, 2, 1, &err), OQT_EINVAL);
    ck_assert(w[0] == 5 && v[0] == 7 && v[3] == 10 && cw[1].re == 6 && cv[0].re == 7 && bad_rhs[1] == 1);
}
END_TEST

/* ---- fixed points ---- */

typedef struct {
    size_t n, n_applied, fail_at;
    const double *m;
} dense_map;

static oqt_status apply_dense(double *y, const double *x, void *ctx, oqt_error *err)
{
    dense_map *map = ctx;

    if (++map->n_applied == map->fail_at)
        return oqt__fail(err, OQT_ECANCELED, "stopped");
    oqt__gemv(false, map->n, map->n, 1.0, map->m, map->n, x, 0.0, y);
    return OQT_OK;
}

/* Columns sum to 1, so t = (1, .., 1) is conserved. */
static double *new_stochastic(size_t n, uint64_t *seed)
{
    double *m = malloc(n * n * sizeof *m);

    for (size_t j = 0; j < n; j++) {
        double sum = 0.0;

        for (size_t i = 0; i < n; i++)
            sum += m[i * n + j] = random_uniform(seed);
        for (size_t i = 0; i < n; i++)
            m[i * n + j] /= sum;
    }
    return m;
}

static void fill(double *x, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

START_TEST(fixed_point_matches_a_dense_solve)
{
    static const size_t sizes[] = {1, 2, 7, 90};
    uint64_t seed = 71;
    oqt_error err;

    for (size_t s = 0; s < 4; s++) {
        size_t n = sizes[s];
        double *m = new_stochastic(n, &seed), *a = malloc(n * n * sizeof *a), x[90], expected[90] = {0},
               t[90];
        dense_map map = {.n = n, .m = m};
        oqt__krylov_record rec;

        fill(t, n, 1.0);
        fill(x, n, 0.0);
        x[0] = 2.5;
        ASSERT_OK(oqt__fixed_point(x, n, t, apply_dense, &map, 1, 1e-13, 1000, &rec, &err), err);
        ck_assert_uint_eq(rec.n_applied, map.n_applied);
        ck_assert_double_le(rec.residual, 1e-13);
        /* The same with the last equation replaced by the normalization. */
        for (size_t i = 0; i < n * n; i++)
            a[i] = i / n == n - 1 ? 1.0 : (i / n == i % n) - m[i];
        expected[n - 1] = 2.5;
        ASSERT_OK(oqt__solve(expected, a, n, 1, &err), err);
        ck_assert_double_le(max_diff(x, expected, n), 1e-12);
        free(m), free(a);
    }
}
END_TEST

/* Second eigenvalue 1 - 1e-6: plain iteration would take 3e7 products. */
START_TEST(slow_relaxation_is_found_quickly)
{
    enum { N = 120 };
    uint64_t seed = 72;
    double *m = calloc(N * N, sizeof *m), *half = new_stochastic(N / 2, &seed), x[N], y[N], t[N];
    const double leak = 1e-6;
    dense_map map = {.n = N, .m = m};
    oqt__krylov_record rec;
    oqt_error err;
    double first = 0.0;

    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            bool same = i / (N / 2) == j / (N / 2);
            double rate = j < N / 2 ? leak / 4 : 3 * leak / 4; /* 3/4 of the weight ends in the first half */

            m[i * N + j] = half[i % (N / 2) * (N / 2) + j % (N / 2)] * (same ? 1.0 - rate : rate);
        }
    fill(t, N, 1.0);
    fill(x, N, 0.0);
    x[N - 1] = 1.0;
    ASSERT_OK(oqt__fixed_point(x, N, t, apply_dense, &map, 1, 1e-9, 2000, &rec, &err), err);
    ck_assert_uint_le(rec.n_applied, 600);
    oqt__gemv(false, N, N, 1.0, m, N, x, 0.0, y);
    ck_assert_double_le(max_diff(x, y, N), 1e-14);
    for (size_t i = 0; i < N / 2; i++)
        first += x[i];
    ck_assert_double_eq_tol(first, 0.75, 1e-9);
    free(m), free(half);
}
END_TEST

typedef struct {
    size_t n, n_applied;
    double right, left;
} walk;

/* A walk on a chain with reflecting ends. */
static oqt_status apply_walk(double *y, const double *x, void *ctx, oqt_error *err)
{
    walk *w = ctx;
    size_t n = w->n;

    (void)err;
    w->n_applied++;
    for (size_t i = 0; i < n; i++)
        y[i] = (1.0 - w->right - w->left) * x[i] + w->right * (i > 0 ? x[i - 1] : 0.0) +
               w->left * (i + 1 < n ? x[i + 1] : 0.0);
    y[0] += w->left * x[0];
    y[n - 1] += w->right * x[n - 1];
    return OQT_OK;
}

/* Detailed balance: x_i+1 / x_i = right / left. The gap is 1e-5 with 600 states and no drift, and
 * eigenvalues lie dense behind it; the walk that never rests also has the eigenvalue -1 (nearly) of period
 * two. */
START_TEST(diffusion_is_no_obstacle)
{
    enum { N = 600 };
    static const double steps[4][2] = {{0.25, 0.25}, {0.5, 0.5}, {0.26, 0.25}, {0.45, 0.455}};
    static double x[N], t[N], expected[N];
    oqt__krylov_record rec;
    oqt_error err;

    fill(t, N, 1.0);
    for (size_t k = 0; k < 4; k++) {
        walk map = {.n = N, .right = steps[k][0], .left = steps[k][1]};
        double sum = 0.0;

        for (size_t i = 0; i < N; i++)
            sum += expected[i] = pow(map.right / map.left, (double)i - (map.right > map.left ? N : 0));
        for (size_t i = 0; i < N; i++)
            expected[i] /= sum;
        fill(x, N, 0.0);
        x[N / 3] = 1.0;
        ASSERT_OK(oqt__fixed_point(x, N, t, apply_walk, &map, 1, 1e-9, 1000000, &rec, &err), err);
        ck_assert_uint_eq(rec.n_applied, map.n_applied);
        ck_assert_double_le(rec.error, 1e-9);
        for (size_t i = 0; i < N; i++)
            x[i] -= expected[i];
        ck_assert_msg(max_diff(x, (double[N]){0}, N) <= 1e-9, "%zu: %.2e after %zu", k,
                      max_diff(x, (double[N]){0}, N), rec.n_applied);
    }
}
END_TEST

/* Trace kept, but a difference grows by 1e-6 or 0.2 in each step. */
START_TEST(growing_map_is_reported)
{
    static const double growth[] = {1e-6, 0.2, 1.0};
    oqt_error err;

    for (size_t k = 0; k < 3; k++) {
        double g = 1.0 + growth[k], x[2] = {0.3, 0.7}, t[2] = {1, 1};
        double m[4] = {0.5 * (1.0 + g), 0.5 * (1.0 - g), 0.5 * (1.0 - g), 0.5 * (1.0 + g)};
        dense_map map = {.n = 2, .m = m};

        ck_assert_int_eq(oqt__fixed_point(x, 2, t, apply_dense, &map, 8, 1e-9, 1000, NULL, &err), OQT_ECONV);
        ck_assert_ptr_nonnull(strstr(err.text, "never comes to rest"));
        ck_assert(x[0] == 0.3 && x[1] == 0.7);
    }
}
END_TEST

/* Two blocks without exchange: each start gives another fixed point. */
START_TEST(conserved_quantity_is_reported)
{
    uint64_t seed = 73;
    oqt_error err;

    for (size_t n = 2; n <= 200; n = 3 * n - n % 3) {
        size_t h = n / 2;
        double *m = calloc(n * n, sizeof *m), *half = new_stochastic(h, &seed), *x = malloc(n * sizeof *x);
        double *t = malloc(n * sizeof *t);
        dense_map map = {.n = n, .m = m};

        for (size_t i = 0; i < n; i++)
            m[i * n + i] = 1.0;
        for (size_t i = 0; i < h; i++)
            for (size_t j = 0; j < h; j++) {
                m[i * n + j] = half[i * h + j];
                if (n % 2 == 0)
                    m[(h + i) * n + h + j] = half[i * h + j];
            }
        fill(t, n, 1.0);
        for (size_t i = 0; i < n; i++)
            x[i] = (double)(i + 1);
        ck_assert_int_eq(oqt__fixed_point(x, n, t, apply_dense, &map, 1, 1e-12, 2000, NULL, &err), OQT_ECONV);
        ck_assert_ptr_nonnull(strstr(err.text, "not unique"));
        ck_assert(x[0] == 1.0 && x[n - 1] == (double)n);
        free(m), free(half), free(x), free(t);
    }
}
END_TEST

START_TEST(fixed_point_failures_leave_the_start)
{
    uint64_t seed = 74;
    double *m = new_stochastic(100, &seed), x[100], t[100];
    dense_map map = {.n = 100, .m = m};
    oqt_error err;

    fill(t, 100, 1.0);
    fill(x, 100, 0.5);
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 1e-14, 3, NULL, &err), OQT_ECONV);
    ck_assert_ptr_nonnull(strstr(err.text, "residual"));
    map = (dense_map){.n = 100, .m = m, .fail_at = 4};
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 1e-14, 100, NULL, &err),
                     OQT_ECANCELED);
    ck_assert_str_eq(err.text, "stopped");
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 0.0, 100, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt__fixed_point(x, 0, t, apply_dense, &map, 1, 1e-9, 100, NULL, &err), OQT_EINVAL);
    for (size_t i = 0; i < 100; i++)
        ck_assert_double_eq(x[i], 0.5);
    for (size_t i = 0; i < 50; i++)
        x[i] = -0.5; /* t.x = 0 */
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 1e-9, 100, NULL, &err), OQT_EINVAL);
    x[3] = NAN;
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 1e-9, 100, NULL, &err), OQT_EINVAL);
    fill(x, 100, 0.5);
    m[55] = NAN;
    ck_assert_int_eq(oqt__fixed_point(x, 100, t, apply_dense, &map, 1, 1e-9, 100, NULL, &err), OQT_ECONV);
    free(m);
}
END_TEST

/* ---- memory ---- */

static oqt_status svd_call(void *ctx)
{
    size_t n = *(size_t *)ctx;
    double *a = calloc(n * n, sizeof *a);
    oqt__svd_ws ws = {0};
    oqt__svd svd;
    oqt__trunc rule = {.rel_tail = 1e-3};
    oqt_status st;

    a[0] = 1.0;
    st = oqt__svd_trunc(&svd, &ws, a, n, n, &rule, NULL, NULL);
    oqt__svd_ws_release(&ws);
    free(a);
    return st;
}

static oqt_status right_call(void *ctx)
{
    double a[12 * 12] = {0}, s[12];
    oqt__svd_ws ws = {0};
    oqt__trunc_record rec;
    size_t rank;
    oqt_status st;

    for (size_t i = 0; i < 12; i++)
        a[13 * i] = 1.0 + (double)i;
    st = oqt__svd_right(&rank, s, a, &ws, 12, 12, ctx, &rec, NULL);
    oqt__svd_ws_release(&ws);
    return st;
}

static oqt_status eigen_call(void *ctx)
{
    double a[9] = {2, 1, 0, 1, 3, 1, 0, 1, 4}, w[3], v[9];
    oqt_complex c[4], cw[3];
    oqt_status st;

    (void)ctx;
    memcpy(c, sigma_y, sizeof c);
    if ((st = oqt__eigh(w, v, a, 3, NULL)) != OQT_OK ||
        (st = oqt__eigh_complex(w, c, c, 2, NULL)) != OQT_OK ||
        (st = oqt__eigvals(cw, a, 3, NULL)) != OQT_OK || (st = oqt__solve(w, a, 3, 1, NULL)) != OQT_OK)
        return st;
    return oqt__expm(v, a, 3, NULL);
}

static oqt_status fixed_point_call(void *ctx)
{
    double m[4] = {0.7, 0.2, 0.3, 0.8}, x[2] = {1, 0}, t[2] = {1, 1};
    dense_map map = {.n = 2, .m = m};

    (void)ctx;
    return oqt__fixed_point(x, 2, t, apply_dense, &map, 1, 1e-12, 100, NULL, NULL);
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_uint_ge(check_every_allocation(svd_call, &(size_t){12}), 2);
    ck_assert_uint_ge(check_every_allocation(svd_call, &(size_t){256}), 2);
    ck_assert_uint_ge(check_every_allocation(right_call, &(oqt__trunc){.rel_tail = 1e-3}), 4);
    ck_assert_uint_ge(check_every_allocation(right_call, &(oqt__trunc){.rel_tail = 1e-9}), 4);
    ck_assert_uint_ge(check_every_allocation(eigen_call, NULL), 10);
    ck_assert_uint_ge(check_every_allocation(fixed_point_call, NULL), 5);
}
END_TEST

/* Memory that ends at a page nobody may touch. In front of its first page lies one with its size. */
static void *guarded_alloc(size_t alignment, size_t size, void *ctx)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), data = (size + page - 1) / page * page;
    char *base = mmap(NULL, data + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)ctx;
    if (base == MAP_FAILED || mprotect(base + page + data, page, PROT_NONE) != 0 || size % alignment != 0)
        return NULL;
    *(size_t *)(void *)base = data + 2 * page;
    return base + page + data - size;
}

static void guarded_free(void *ptr, void *ctx)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *base = (char *)ptr - (uintptr_t)ptr % page - page;

    (void)ctx;
    munmap(base, *(size_t *)(void *)base);
}

static const oqt_allocator guarded = {guarded_alloc, guarded_free, NULL};

START_TEST(page_ends_are_safe_for_the_randomized_path)
{
    oqt__svd_ws ws = {0};
    oqt__trunc rule = {.rel_tail = 1e-4};
    oqt__trunc_record rec;
    oqt__svd svd;
    oqt_error err;
    double *a;

    oqt_set_allocator(&guarded);
    a = oqt__doubles(301 * 257);
    for (size_t i = 0; i < 301 * 257; i++) /* smooth, hence of low rank */
        a[i] = 1.0 / (3.0 + (double)(i / 257) + 1.17 * (double)(i % 257));
    ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, 301, 257, &rule, &rec, &err), err);
    ck_assert_uint_eq(rec.n_randomized, 1);
    check_svd(&svd, a, 301, 257, 1.01 * sqrt(rec.discarded_weight));
    oqt__svd_ws_release(&ws);
    oqt__free(a);
    oqt_set_allocator(NULL);
}
END_TEST

START_TEST(page_ends_are_safe)
{
    uint64_t seed = 81;
    oqt_error err;

    oqt_set_allocator(&guarded);
    for (size_t n = 1; n < 70; n += 1 + n / 6) {
        size_t m = n + n % 3 * n;
        double *a = oqt__doubles(m * n), *w = oqt__doubles(n), *v = oqt__doubles(n * n);
        oqt_complex *h = oqt__calloc(n * n, sizeof *h);
        oqt__svd_ws ws = {0};
        oqt__trunc rule = {.max_rank = n / 2 + 1};
        oqt__trunc_record rec;
        oqt__svd svd;
        size_t rank;

        random_fill(a, m * n, &seed);
        random_hermitian(h, n, &seed);
        ASSERT_OK(oqt__svd_trunc(&svd, &ws, a, m, n, &rule, NULL, &err), err);
        ASSERT_OK(oqt__svd_right(&rank, w, a, &ws, m, n, &rule, &rec, &err), err);
        rule.rel_tail = 0.1;
        random_fill(a, m * n, &seed);
        ASSERT_OK(oqt__svd_right(&rank, w, a, &ws, m, n, &rule, &rec, &err), err);
        ASSERT_OK(oqt__eigh_complex(w, h, h, n, &err), err);
        oqt__gemm(true, false, n, n, m, 1.0, a, n, a, n, 0.0, v, n);
        oqt__gemv(false, n, n, 1.0, v, n, v, 0.0, w);
        ASSERT_OK(oqt__eigh(w, v, v, n, &err), err);
        ASSERT_OK(oqt__expm(v, v, n, &err), err);
        oqt__svd_ws_release(&ws);
        oqt__free(a), oqt__free(w), oqt__free(v), oqt__free(h);
    }
    oqt_set_allocator(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linalg");
    TCase *tc = tcase_create("products");

    tcase_add_test(tc, square_products_match_naive_loops);
    tcase_add_test(tc, square_products_in_single_precision_are_those_in_double);
    tcase_add_test(tc, oblique_projectors_balance_two_metrics);
    tcase_add_test(tc, gemm_matches_naive_loops);
    tcase_add_test(tc, gemv_matches_naive_loops);
    tcase_add_test(tc, beta_zero_overwrites_nan);
    tcase_add_test(tc, size_beyond_lapack_is_refused);
    suite_add_tcase(suite, tc);

    tc = tcase_create("truncation");
    tcase_add_test(tc, orthogonal_factor_times_triangle_is_the_matrix);
    tcase_add_test(tc, svd_without_rule_reproduces_the_matrix);
    tcase_add_test(tc, truncation_error_is_the_discarded_weight);
    tcase_add_test(tc, rank_deficient_matrix_keeps_its_rank);
    tcase_add_test(tc, rule_keeps_the_smallest_allowed_rank);
    tcase_add_test(tc, extreme_magnitudes_do_not_overflow);
    tcase_add_test(tc, records_add_up);
    tcase_add_test(tc, fallback_driver_agrees);
    tcase_add_test(tc, small_graded_matrices_are_cut_at_the_tolerance);
    tcase_add_test(tc, non_finite_matrix_is_refused);
    tcase_add_test(tc, reused_workspace_changes_nothing);
    tcase_add_test(tc, randomized_path_agrees_with_the_full_one);
    tcase_add_test(tc, right_vectors_alone_agree_with_the_full_path);
    tcase_add_test(tc, right_vectors_tell_of_a_limit_just_reached);
    tcase_add_test(tc, right_vectors_of_unusual_matrices);
    tcase_add_test(tc, triangle_times_orthogonal_factor_is_the_matrix);
    tcase_add_test(tc, randomized_path_takes_an_exact_rank_and_a_step);
    tcase_add_test(tc, full_rank_leaves_the_randomized_path);
    tcase_add_test(tc, randomized_path_is_deterministic);
    suite_add_tcase(suite, tc);

    tc = tcase_create("range");
    tcase_add_test(tc, ranges_hold_a_matrix_to_a_tolerance);
    tcase_add_test(tc, ranges_of_extreme_matrices);
    suite_add_tcase(suite, tc);
    tc = tcase_create("eigenvalues");
    tcase_add_test(tc, symmetric_matrix_is_rebuilt_from_eigenvectors);
    tcase_add_test(tc, hermitian_matrix_is_rebuilt_from_eigenvectors);
    tcase_add_test(tc, phase_convention_of_pauli_matrices);
    tcase_add_test(tc, eigenvalues_of_a_rotation);
    tcase_add_test(tc, solution_satisfies_the_equations);
    tcase_add_test(tc, non_finite_matrices_leave_outputs_alone);
    suite_add_tcase(suite, tc);

    tc = tcase_create("exponential");
    tcase_add_test(tc, exponential_matches_taylor_series);
    tcase_add_test(tc, exponential_of_a_rotation_and_a_shear);
    tcase_add_test(tc, exponential_says_what_is_wrong);
    suite_add_tcase(suite, tc);

    tc = tcase_create("fixed_point");
    tcase_add_test(tc, fixed_point_matches_a_dense_solve);
    tcase_add_test(tc, slow_relaxation_is_found_quickly);
    tcase_add_test(tc, diffusion_is_no_obstacle);
    tcase_add_test(tc, growing_map_is_reported);
    tcase_add_test(tc, conserved_quantity_is_reported);
    tcase_add_test(tc, fixed_point_failures_leave_the_start);
    suite_add_tcase(suite, tc);

    tc = tcase_create("memory");
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, page_ends_are_safe);
    tcase_add_test(tc, page_ends_are_safe_for_the_randomized_path);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
