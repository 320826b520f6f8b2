/* krylov.c - the fixed point of a map that conserves a functional.
 *
 * With y = x0 / (t.x0) and t M = t, the solution of A x = y, A = 1 - M + y t^T, has t.x = 1 and M x = x. A is
 * regular if the fixed point is unique. Solved by restarted GMRES: Y. Saad and M. H. Schultz, SIAM J. Sci.
 * Stat. Comput. 7, 856 (1986), with classical Gram-Schmidt done twice (two gemv each).
 */
#include "linalg/linalg.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

enum { RESTART = 60 };

/* A cycle has to reduce the residual to this fraction, else the iteration has stalled. */
#define STALLED 0.99

typedef struct {
    size_t n, restart;
    const double *t;
    double *y;       /* x0 / (t.x0)                                  */
    double *x, *r;   /* iterate and residual                         */
    double *basis;   /* restart + 1 rows of length n                 */
    double *h;       /* restart columns of restart + 1, triangularized */
    double *cs, *sn; /* Givens rotations                             */
    double *g, *z;   /* right-hand side, coefficients                */
    oqt__apply_fn apply;
    void *ctx;
    size_t n_applied;
} gmres;

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double norm(const double *a, size_t n)
{
    return sqrt(dot(a, a, n));
}

static oqt_status gmres_init(gmres *w, size_t n, oqt_error *err)
{
    size_t len;

    w->n = n;
    w->restart = n < RESTART ? n : RESTART;
    if (!oqt__mul_size(&len, n, w->restart + 1))
        return oqt__fail(err, OQT_ERANGE, "fixed point of a map of size %zu is too large", n);
    w->y = oqt__doubles(n);
    w->x = oqt__doubles(n);
    w->r = oqt__doubles(n);
    w->basis = oqt__doubles(len);
    w->h = oqt__doubles(w->restart * (w->restart + 1));
    w->cs = oqt__doubles(w->restart);
    w->sn = oqt__doubles(w->restart);
    w->g = oqt__doubles(w->restart + 1);
    w->z = oqt__doubles(w->restart + 1);
    if (!w->y || !w->x || !w->r || !w->basis || !w->h || !w->cs || !w->sn || !w->g || !w->z)
        return oqt__no_memory(err, "a fixed point");
    return OQT_OK;
}

static void gmres_release(gmres *w)
{
    oqt__free(w->y);
    oqt__free(w->x);
    oqt__free(w->r);
    oqt__free(w->basis);
    oqt__free(w->h);
    oqt__free(w->cs);
    oqt__free(w->sn);
    oqt__free(w->g);
    oqt__free(w->z);
}

/* out = A v. */
static oqt_status apply_a(gmres *w, double *out, const double *v, oqt_error *err)
{
    oqt_status st = w->apply(out, v, w->ctx, err);
    double c = dot(w->t, v, w->n);

    w->n_applied++;
    for (size_t i = 0; i < w->n; i++)
        out[i] = v[i] - out[i] + c * w->y[i];
    return st;
}

/* Orthogonalize basis row j + 1 against the rows before, with coefficients into column j of h. */
static void orthogonalize(gmres *w, size_t j)
{
    double *v = w->basis + (j + 1) * w->n, *h = w->h + j * (w->restart + 1), before = norm(v, w->n);

    memset(h, 0, (w->restart + 1) * sizeof *h);
    for (int pass = 0; pass < 2; pass++) {
        oqt__gemv(false, j + 1, w->n, 1.0, w->basis, w->n, v, 0.0, w->z);
        oqt__gemv(true, j + 1, w->n, -1.0, w->basis, w->n, w->z, 1.0, v);
        for (size_t i = 0; i <= j; i++)
            h[i] += w->z[i];
    }
    h[j + 1] = norm(v, w->n);
    if (h[j + 1] <= 8.0 * DBL_EPSILON * before) /* the space is invariant */
        h[j + 1] = 0.0;
    for (size_t i = 0; i < w->n; i++)
        v[i] = h[j + 1] > 0.0 ? v[i] / h[j + 1] : 0.0;
}

/* Givens rotations on column j of h and on g. */
static void rotate(gmres *w, size_t j)
{
    double *h = w->h + j * (w->restart + 1), length;

    for (size_t i = 0; i < j; i++) {
        double a = h[i], b = h[i + 1];

        h[i] = w->cs[i] * a + w->sn[i] * b;
        h[i + 1] = w->cs[i] * b - w->sn[i] * a;
    }
    length = hypot(h[j], h[j + 1]);
    w->cs[j] = length > 0.0 ? h[j] / length : 1.0;
    w->sn[j] = length > 0.0 ? h[j + 1] / length : 0.0;
    h[j] = length;
    h[j + 1] = 0.0;
    w->g[j + 1] = -w->sn[j] * w->g[j];
    w->g[j] = w->cs[j] * w->g[j];
}

/* x += basis^T z with h z = g; a column of a singular h gets no weight. */
static void update(gmres *w, size_t n_cols)
{
    double largest = 0.0;

    for (size_t j = 0; j < n_cols; j++)
        largest = fmax(largest, w->h[j * (w->restart + 1) + j]);
    for (size_t j = n_cols; j-- > 0;) {
        double sum = w->g[j], diagonal = w->h[j * (w->restart + 1) + j];

        for (size_t k = j + 1; k < n_cols; k++)
            sum -= w->h[k * (w->restart + 1) + j] * w->z[k];
        w->z[j] = diagonal > 8.0 * DBL_EPSILON * largest ? sum / diagonal : 0.0;
    }
    oqt__gemv(true, n_cols, w->n, 1.0, w->basis, w->n, w->z, 1.0, w->x);
}

/* One cycle from the residual in r; stops early at |r| <= target or after max_steps. */
static oqt_status cycle(gmres *w, double target, size_t max_steps, oqt_error *err)
{
    double beta = norm(w->r, w->n);
    size_t j = 0, limit = max_steps < w->restart ? max_steps : w->restart;

    memset(w->g, 0, (w->restart + 1) * sizeof *w->g);
    w->g[0] = beta;
    for (size_t i = 0; i < w->n; i++)
        w->basis[i] = w->r[i] / beta;
    while (j < limit && fabs(w->g[j]) > target) {
        double *next = w->basis + (j + 1) * w->n;
        oqt_status st = apply_a(w, next, w->basis + j * w->n, err);
        bool invariant;

        if (st != OQT_OK)
            return st;
        orthogonalize(w, j);
        if (!isfinite(w->h[j * (w->restart + 1) + j + 1]))
            return oqt__fail(err, OQT_ECONV, "map gave a vector that is not finite");
        invariant = w->h[j * (w->restart + 1) + j + 1] == 0.0;
        rotate(w, j++);
        if (invariant)
            break;
    }
    update(w, j);
    return OQT_OK;
}

/* |M x - x| from r = y - A x, which is y (1 - t.x) - (x - M x). */
static double fixed_point_residual(const gmres *w)
{
    double missing = 1.0 - dot(w->t, w->x, w->n), sum = 0.0;

    for (size_t i = 0; i < w->n; i++) {
        double diff = w->r[i] - missing * w->y[i];

        sum += diff * diff;
    }
    return sqrt(sum);
}

/*
 * Iterate on A x = b from the x there is, up to max_apply more products. For b = y, *residual is |M x - x| /
 * |x|; for another b it is |b - A x| / |b|. Ends when that is at most tol.
 */
static oqt_status solve(gmres *w, const double *b, double tol, size_t max_apply, double *residual,
                        oqt_error *err)
{
    double best = INFINITY;
    size_t limit = max_apply > SIZE_MAX - w->n_applied ? SIZE_MAX : w->n_applied + max_apply;
    int n_stalled = 0;

    for (;;) {
        double size, scale;
        oqt_status st = apply_a(w, w->r, w->x, err);

        if (st != OQT_OK)
            return st;
        for (size_t i = 0; i < w->n; i++)
            w->r[i] = b[i] - w->r[i];
        size = norm(w->r, w->n);
        scale = norm(b == w->y ? w->x : b, w->n);
        *residual = (b == w->y ? fixed_point_residual(w) : size) / scale;
        if (!isfinite(*residual))
            return oqt__fail(err, OQT_ECONV, "map gave a vector that is not finite");
        if (*residual <= tol)
            return OQT_OK;
        n_stalled = size > STALLED * best ? n_stalled + 1 : 0;
        if (n_stalled == 2 || size == 0.0)
            return oqt__fail(err, OQT_ECONV,
                             "fixed point not found: residual stays at %.2g after %zu products", *residual,
                             w->n_applied);
        if (w->n_applied >= limit)
            return oqt__fail(err, OQT_ECONV, "fixed point not found: residual %.2g after %zu products",
                             *residual, w->n_applied);
        best = fmin(best, size);
        if ((st = cycle(w, 0.3 * tol * scale, limit - w->n_applied, err)) != OQT_OK)
            return st;
    }
}

/*
 * If M has another fixed point, A z = p has no solution for almost every p with t.p = 0, and the residual
 * stays at the part of p outside the range of A: about |p| / sqrt(n) for a random p. Solving to a fraction of
 * that shows that the fixed point is unique.
 */
static oqt_status check_unique(gmres *w, size_t max_apply, oqt_error *err)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    double *p, sum, residual = 0.0;
    oqt_status st = OQT_OK;

    p = oqt__doubles(w->n);
    if (!p)
        return oqt__no_memory(err, "a fixed point");
    for (size_t i = 0; i < w->n; i++) { /* a linear congruential sequence is random enough here */
        state = state * 6364136223846793005u + 1442695040888963407u;
        p[i] = (double)(state >> 11) * 0x1p-52 - 1.0;
    }
    sum = dot(w->t, p, w->n);
    for (size_t i = 0; i < w->n; i++)
        p[i] -= sum * w->y[i];
    memset(w->x, 0, w->n * sizeof *w->x);
    if (w->n > 1) /* otherwise p = 0 up to rounding */
        st = solve(w, p, 0.01 / sqrt((double)w->n), max_apply, &residual, err);
    oqt__free(p);
    if (st == OQT_ECONV)
        return oqt__fail(
            err, OQT_ECONV,
            "fixed point is not unique: a residual of %.2g remains in the complement of the one found",
            residual);
    return st;
}

oqt_status oqt__fixed_point(double *x, size_t n, const double *t, oqt__apply_fn apply, void *ctx, double tol,
                            size_t max_apply, oqt__krylov_record *record, oqt_error *err)
{
    gmres w = {.t = t, .apply = apply, .ctx = ctx};
    double conserved, sum, residual = 0.0, *found = NULL;
    oqt_status st;

    if (n == 0 || !(tol > 0.0))
        return oqt__fail(err, OQT_EINVAL, "fixed point needs a size of at least 1 and a positive tolerance");
    if ((st = oqt__lapack_size(n, "map", err)) != OQT_OK)
        return st;
    conserved = dot(t, x, n);
    if (!isfinite(conserved) || !isfinite(norm(x, n)) ||
        !(fabs(conserved) > (double)n * DBL_EPSILON * norm(t, n) * norm(x, n)))
        return oqt__fail(
            err, OQT_EINVAL,
            "start for a fixed point must be finite and not orthogonal to what is conserved, product %g",
            conserved);
    if ((st = gmres_init(&w, n, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < n; i++)
        w.x[i] = w.y[i] = x[i] / conserved;
    if ((st = solve(&w, w.y, tol, max_apply, &residual, err)) != OQT_OK)
        goto done;
    found = oqt__copy(w.x, n, sizeof *found);
    if (!found) {
        st = oqt__no_memory(err, "a fixed point");
        goto done;
    }
    if ((st = check_unique(&w, max_apply, err)) != OQT_OK)
        goto done;
    sum = conserved / dot(t, found, n);
    for (size_t i = 0; i < n; i++)
        x[i] = sum * found[i];
    if (record)
        *record = (oqt__krylov_record){w.n_applied, residual};
done:
    oqt__free(found);
    gmres_release(&w);
    return st;
}
