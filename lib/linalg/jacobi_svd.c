/*
 * jacobi_svd.c - the truncation kernel for small matrices of which only values above a tolerance count.
 *
 * Below 50 rows LAPACK takes several times as long as the arithmetic does. Rows are orthogonalized by Gram
 * and Schmidt, the largest first, until what is left is far below the tolerance: A = L Q + rest, with columns
 * of L that decrease. One-sided rotations of these columns, and of the rows of Q with them, then end after a
 * few sweeps (Drmac, Veselic, SIAM J. Matrix Anal. 29, 1322 (2008)).
 */
#include "linalg/linalg.h"
#include "linalg/svd_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LARGEST = 48, MAX_SWEEPS = 30 };

/* What is left out counts as dropped; its norm is at most the root of the number of rows times this share. */
static const double REST = 1e-2;

typedef double lanes __attribute__((vector_size(32), may_alias));

/* Rows are padded with zeros to whole cache lines. */
struct rows {
    size_t k, len;       /* rows of A, or of its transpose if it is long, and their length */
    size_t ld_k, ld_len; /* padded */
    size_t r;
    double *w; /* k x ld_len: what is left of the rows of A */
    double *q; /* k x ld_len: rows of Q                     */
    double *l; /* k x ld_k: columns of L                    */
};

bool oqt__svd_jacobi_applies(size_t m, size_t n, double largest, const oqt__trunc *rule)
{
    /* squares of elements must not overflow, nor those that count underflow */
    return largest > 1e-100 && largest < 1e100 && (m < n ? m : n) <= LARGEST &&
           (m > n ? m : n) <= 4 * LARGEST && rule->abs_tol > 0.0 && rule->abs_tol < largest &&
           rule->rel_tail == 0.0;
}

/* By address: as arguments vectors would depend on the processor that is compiled for. */
static inline double sum_of(const lanes *s)
{
    return ((*s)[0] + (*s)[2]) + ((*s)[1] + (*s)[3]);
}

static inline double dot(const double *a, const double *b, size_t n)
{
    const lanes *x = (const lanes *)a, *y = (const lanes *)b;
    lanes s = {0}, t = {0};

    for (size_t i = 0; i < n / 4; i += 2) {
        s += x[i] * y[i];
        t += x[i + 1] * y[i + 1];
    }
    s += t;
    return sum_of(&s);
}

/* a += c b. */
static inline void add(double *a, double c, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] += c * b[i];
}

static inline void rotate(double *a, double *b, double c, double s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = a[i], y = b[i];

        a[i] = c * x - s * y;
        b[i] = s * x + c * y;
    }
}

/* A = L Q + rest; returns the norm of the rest. */
OQT__SIMD static double orthogonalize(struct rows *a, double cut)
{
    bool used[LARGEST] = {false};

    for (a->r = 0; a->r < a->k; a->r++) {
        double *q = a->q + a->r * a->ld_len, *l = a->l + a->r * a->ld_k, largest = 0.0, rest = 0.0;
        size_t pivot = 0;

        for (size_t i = 0; i < a->k; i++) {
            double norm2 = used[i] ? 0.0 : dot(a->w + i * a->ld_len, a->w + i * a->ld_len, a->ld_len);

            rest += norm2;
            if (norm2 > largest) {
                largest = norm2;
                pivot = i;
            }
        }
        if (!(largest > cut * cut))
            return sqrt(rest);
        memcpy(q, a->w + pivot * a->ld_len, a->ld_len * sizeof *q);
        for (size_t j = 0; j < a->r; j++) /* rounding left some of them in it */
            add(q, -dot(q, a->q + j * a->ld_len, a->ld_len), a->q + j * a->ld_len, a->ld_len);
        largest = 1.0 / sqrt(dot(q, q, a->ld_len));
        for (size_t i = 0; i < a->ld_len; i++)
            q[i] *= largest;
        for (size_t i = 0; i < a->k; i++)
            if (!used[i]) {
                l[i] = dot(a->w + i * a->ld_len, q, a->ld_len);
                add(a->w + i * a->ld_len, -l[i], q, a->ld_len);
            }
        used[pivot] = true;
    }
    return 0.0;
}

/* Rotate the columns of L until they are orthogonal; false if that takes too long. */
OQT__SIMD static bool diagonalize(const struct rows *a)
{
    /* of two columns that need no rotation, and of those that one sweep makes so: it squares cosines */
    const double orthogonal = 4.0 * DBL_EPSILON, nearly = 1e-9;

    for (int sweep = 0; sweep < MAX_SWEEPS; sweep++) {
        double norm2[LARGEST];
        bool done = true;

        for (size_t i = 0; i < a->r; i++)
            norm2[i] = dot(a->l + i * a->ld_k, a->l + i * a->ld_k, a->ld_k);
        for (size_t i = 0; i < a->r; i++)
            for (size_t j = i + 1; j < a->r; j++) {
                double *x = a->l + i * a->ld_k, *y = a->l + j * a->ld_k;
                double xy = dot(x, y, a->ld_k);

                if (!(xy * xy > orthogonal * orthogonal * norm2[i] * norm2[j]))
                    continue;
                done = done && xy * xy < nearly * nearly * norm2[i] * norm2[j];
                double zeta = (norm2[j] - norm2[i]) / (2.0 * xy);
                double t = copysign(1.0, zeta) / (fabs(zeta) + sqrt(1.0 + zeta * zeta));
                double c = 1.0 / sqrt(1.0 + t * t);

                rotate(x, y, c, c * t, a->ld_k);
                norm2[i] -= t * xy;
                norm2[j] += t * xy;
                rotate(a->q + i * a->ld_len, a->q + j * a->ld_len, c, c * t, a->ld_len);
            }
        if (done)
            return true;
    }
    return false;
}

/* Singular values, largest first, and where they are. */
static void sort_values(double *s, size_t *at, const struct rows *a)
{
    for (size_t j = 0; j < a->r; j++) {
        double value = sqrt(dot(a->l + j * a->ld_k, a->l + j * a->ld_k, a->ld_k));
        size_t i = j;

        for (; i > 0 && s[i - 1] < value; i--) {
            s[i] = s[i - 1];
            at[i] = at[i - 1];
        }
        s[i] = value;
        at[i] = j;
    }
}

/* Columns of L scaled, and rows of Q, of the largest values; u is m x rank, vt rank x n. */
static void write_vectors(double *u, double *vt, const double *s, const size_t *at, size_t rank, size_t n,
                          const struct rows *a, bool transposed)
{
    for (size_t j = 0; j < rank; j++) {
        const double *l = a->l + at[j] * a->ld_k, *q = a->q + at[j] * a->ld_len;

        for (size_t i = 0; i < a->k; i++)
            *(transposed ? vt + j * n + i : u + i * rank + j) = l[i] / s[j];
        for (size_t i = 0; i < a->len; i++)
            *(transposed ? u + i * rank + j : vt + j * n + i) = q[i];
    }
}

oqt_status oqt__svd_jacobi(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                           const oqt__trunc *rule, oqt__trunc_record *record, bool *accepted, oqt_error *err)
{
    bool transposed = m > n;
    struct rows rows = {.k = transposed ? n : m, .len = transposed ? m : n};
    size_t at[LARGEST], size;
    double rest, *s, *u;
    oqt_status st;

    rows.ld_k = oqt__padded(rows.k);
    rows.ld_len = oqt__padded(rows.len);
    size = rows.k * (2 * rows.ld_len + rows.ld_k);
    *accepted = false;
    if ((st = oqt__svd_ws_reserve(ws, size + LARGEST + rows.k * (m + n), 0, err)) != OQT_OK)
        return st;
    rows.w = ws->mem;
    rows.q = rows.w + rows.k * rows.ld_len;
    rows.l = rows.q + rows.k * rows.ld_len;
    s = rows.l + rows.k * rows.ld_k;
    u = s + LARGEST;
    memset(rows.w, 0, (size_t)(s - rows.w) * sizeof *s);
    for (size_t i = 0; i < rows.k; i++)
        for (size_t j = 0; j < rows.len; j++)
            rows.w[i * rows.ld_len + j] = transposed ? a[j * n + i] : a[i * n + j];
    rest = orthogonalize(&rows, REST * rule->abs_tol);
    if (!diagonalize(&rows))
        return OQT_OK;
    sort_values(s, at, &rows);
    *out = (oqt__svd){oqt__trunc_rank(rule, s, rows.r, rest, record), u, s, NULL};
    out->vt = u + m * out->rank;
    write_vectors(u, out->vt, s, at, out->rank, n, &rows, transposed);
    *accepted = true;
    return OQT_OK;
}
