/* krylov.c - the fixed point of a map that conserves a functional.
 *
 * Instead of M we take B = M^(q-1) (1 + M)/2, or M for q = 1. It has the same fixed points, since |1 + z| < 2
 * for all other z of the unit circle, and what M forgets within q products is nearly gone, so that the
 * iteration only has to find the slow rest. q is doubled whenever that proves to be too much.
 *
 * With y = x0 / (t.x0) and t B = t, the solution of A x = y, A = 1 - B + y t^T, has t.x = 1 and B x = x. A is
 * regular if the fixed point is unique. Solved by restarted GMRES: Y. Saad and M. H. Schultz, SIAM J. Sci.
 * Stat. Comput. 7, 856 (1986), with classical Gram-Schmidt done twice (two gemv each). Every restart is a
 * step of iterative refinement, whose correction measures the error.
 */
#include "linalg/linalg.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/numbers.h"

/* Vectors of a cycle, fewer if they take more than BASIS_MAX numbers. */
enum { RESTART = 400, RESTART_MIN = 60 };
static const size_t BASIS_MAX = (size_t)1 << 24;

/* Largest number of products in one application of B. */
static const size_t POWER_MAX = (size_t)1 << 20;

/* A cycle is to reduce the residual to the fraction REDUCTION, and ends early if PATIENCE vectors in a row
 * leave STALLED of it. A cycle that leaves more than SLOW doubles q, and N_STALLED in a row that leave more
 * than STALLED end the iteration. */
static const double REDUCTION = 1e-8, SLOW = 1e-2, STALLED = 0.9;
enum { PATIENCE = 100, N_STALLED = 3 };

/* A second eigenvalue of M as close to 1 as this is taken for one: rounding does not tell them apart. */
static const double GAP_MIN = 1e-12;

/* Vectors without a part along the fixed point may grow by this over so many applications of B. What lasts as
 * long are the slowest eigenvectors, so that growth means an eigenvalue above 1. */
static const double GROWTH_MAX = 1e-6;
enum { GROWTH_TEST = 128 };

/* What is left of such a vector when only rounding is. */
static const double FADED = 1e-8;

typedef struct {
    size_t n, restart;
    size_t power; /* q */
    const double *t;
    double *y;       /* x0 / (t.x0)                                  */
    double *x, *r;   /* iterate and residual                         */
    double *u;       /* power of M times a vector                    */
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
    w->restart = BASIS_MAX / n < RESTART ? BASIS_MAX / n : RESTART;
    w->restart = w->restart < RESTART_MIN ? RESTART_MIN : w->restart;
    w->restart = n < w->restart ? n : w->restart;
    if (!oqt__mul_size(&len, n, w->restart + 1))
        return oqt__fail(err, OQT_ERANGE, "fixed point of a map of size %zu is too large", n);
    w->y = oqt__doubles(n);
    w->x = oqt__doubles(n);
    w->r = oqt__doubles(n);
    w->u = oqt__doubles(n);
    w->basis = oqt__doubles(len);
    w->h = oqt__doubles(w->restart * (w->restart + 1));
    w->cs = oqt__doubles(w->restart);
    w->sn = oqt__doubles(w->restart);
    w->g = oqt__doubles(w->restart + 1);
    w->z = oqt__doubles(w->restart + 1);
    if (!w->y || !w->x || !w->r || !w->u || !w->basis || !w->h || !w->cs || !w->sn || !w->g || !w->z)
        return oqt__no_memory(err, "a fixed point");
    return OQT_OK;
}

static void gmres_release(gmres *w)
{
    oqt__free(w->y);
    oqt__free(w->x);
    oqt__free(w->r);
    oqt__free(w->u);
    oqt__free(w->basis);
    oqt__free(w->h);
    oqt__free(w->cs);
    oqt__free(w->sn);
    oqt__free(w->g);
    oqt__free(w->z);
}

static oqt_status apply_m(gmres *w, double *out, const double *x, oqt_error *err)
{
    w->n_applied++;
    return w->apply(out, x, w->ctx, err);
}

/* out = B x. */
static oqt_status apply_b(gmres *w, double *out, const double *x, oqt_error *err)
{
    oqt_status st = apply_m(w, out, x, err);

    if (w->power > 1)
        for (size_t i = 0; i < w->n; i++)
            out[i] = 0.5 * (out[i] + x[i]);
    for (size_t k = 1; k < w->power && st == OQT_OK; k++) {
        memcpy(w->u, out, w->n * sizeof *out);
        st = apply_m(w, out, w->u, err);
    }
    return st;
}

/* out = A x. */
static oqt_status apply_a(gmres *w, double *out, const double *x, oqt_error *err)
{
    oqt_status st = apply_b(w, out, x, err);
    double c = dot(w->t, x, w->n);

    for (size_t i = 0; i < w->n; i++)
        out[i] = x[i] - out[i] + c * w->y[i];
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

/* x += dx = basis^T z with h z = g; a column of a singular h gets no weight. Returns |dx|. */
static double update(gmres *w, size_t n_cols)
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
    return norm(w->z, n_cols);
}

/* One cycle from the residual in r, to |r| <= target or up to a number of products in all. *step = |dx|, and
 * *reached says whether the target was met. */
static oqt_status cycle(gmres *w, double target, size_t max_applied, double *step, bool *reached,
                        oqt_error *err)
{
    double beta = norm(w->r, w->n), history[PATIENCE];
    size_t j = 0;

    memset(w->g, 0, (w->restart + 1) * sizeof *w->g);
    w->g[0] = beta;
    for (size_t i = 0; i < w->n; i++)
        w->basis[i] = w->r[i] / beta;
    while (j < w->restart && fabs(w->g[j]) > target && w->n_applied < max_applied) {
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
        if (invariant || (j > PATIENCE && fabs(w->g[j]) > STALLED * history[j % PATIENCE]))
            break;
        history[j % PATIENCE] = fabs(w->g[j]);
    }
    *reached = fabs(w->g[j]) <= target;
    *step = update(w, j);
    return OQT_OK;
}

/* r = b - A x, and its norm. */
static oqt_status residual_of(gmres *w, const double *b, double *size, oqt_error *err)
{
    oqt_status st = apply_a(w, w->r, w->x, err);

    for (size_t i = 0; i < w->n; i++)
        w->r[i] = b[i] - w->r[i];
    *size = norm(w->r, w->n);
    if (st == OQT_OK && !isfinite(*size))
        return oqt__fail(err, OQT_ECONV, "map gave a vector that is not finite");
    return st;
}

/*
 * Solve A x = b from the x there is with up to max_apply more products. With tol > 0, until a cycle that
 * converged changed x by at most the fraction tol, which goes to *error; else until |b - A x| <= small |b|.
 * *left is that fraction. q |x| beyond max_norm is a failure.
 */
static oqt_status solve(gmres *w, const double *b, double tol, double small, double max_norm,
                        size_t max_apply, double *error, double *left, oqt_error *err)
{
    size_t limit = max_apply > SIZE_MAX - w->n_applied ? SIZE_MAX : w->n_applied + max_apply;
    double scale = norm(b, w->n), size, before = INFINITY;
    int n_stalled = 0;
    oqt_status st;

    *error = INFINITY;
    for (;;) {
        double step = 0.0;
        bool reached = false;

        if ((st = residual_of(w, b, &size, err)) != OQT_OK)
            return st;
        *left = size / scale;
        if (size == 0.0)
            *error = 0.0;
        if ((double)w->power * norm(w->x, w->n) > max_norm)
            return oqt__fail(err, OQT_ECONV, "fixed point is not unique within rounding");
        if (tol > 0.0 ? *error <= tol : *left <= small)
            return OQT_OK;
        n_stalled = size > STALLED * before ? n_stalled + 1 : 0;
        if (n_stalled == N_STALLED || w->n_applied >= limit)
            return oqt__fail(err, OQT_ECONV,
                             "fixed point not found: residual %.2g and error about %.2g after %zu products",
                             *left, *error, w->n_applied);
        if (size > SLOW * before && w->power < POWER_MAX) { /* another A has another residual */
            w->power *= 2;
            if ((st = residual_of(w, b, &size, err)) != OQT_OK)
                return st;
        }
        before = size;
        st = cycle(w, (tol > 0.0 ? REDUCTION : 0.1 * small) * size, limit, &step, &reached, err);
        if (st != OQT_OK)
            return st;
        if (reached)
            *error = step / norm(w->x, w->n);
    }
}

/* A random vector without a part along the fixed point: t.p = 0. */
static void random_vector(const gmres *w, double *p)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    double sum;

    for (size_t i = 0; i < w->n; i++)
        p[i] = (double)(oqt__random_bits(&state) >> 11) * 0x1p-52 - 1.0;
    sum = dot(w->t, p, w->n);
    for (size_t i = 0; i < w->n; i++)
        p[i] -= sum * w->y[i];
}

/* A map with eigenvalues beyond 1 never comes to its fixed point. */
static oqt_status check_bounded(gmres *w, oqt_error *err)
{
    size_t n_half = GROWTH_TEST * w->power;
    double start, before = 0.0, growth;

    random_vector(w, w->x);
    start = norm(w->x, w->n);
    for (size_t k = 0; k < 2 * n_half; k++) {
        oqt_status st = apply_m(w, w->r, w->x, err);

        if (st != OQT_OK)
            return st;
        memcpy(w->x, w->r, w->n * sizeof *w->x);
        if (k + 1 == n_half)
            before = norm(w->x, w->n);
    }
    growth = norm(w->x, w->n) / before;
    if (!(before < FADED * start) && !(growth <= 1.0 + GROWTH_MAX))
        return oqt__fail(err, OQT_ECONV, "map has an eigenvalue of about 1 + %.1g and never comes to rest",
                         log(growth) / (double)n_half);
    return OQT_OK;
}

/* |M x - x| / |x|. */
static oqt_status plain_residual(gmres *w, const double *x, double *out, oqt_error *err)
{
    oqt_status st = apply_m(w, w->r, x, err);

    for (size_t i = 0; i < w->n; i++)
        w->r[i] -= x[i];
    *out = norm(w->r, w->n) / norm(x, w->n);
    return st;
}

/*
 * If M has another fixed point, A z = p has no solution for almost every p with t.p = 0, and the residual
 * stays at the part of p outside the range of A: about |p| / sqrt(n) for a random p. Solving to a fraction of
 * that shows that the fixed point is unique.
 */
static oqt_status check_unique(gmres *w, size_t max_apply, oqt_error *err)
{
    double *p = oqt__doubles(w->n), left = 0.0, error, max_norm;
    size_t applied = w->n_applied;
    oqt_status st;

    if (!p)
        return oqt__no_memory(err, "a fixed point");
    random_vector(w, p);
    memset(w->x, 0, w->n * sizeof *w->x);
    /* x holds the share 1 / sqrt(n) of p, divided by q times the gap */
    max_norm = norm(p, w->n) / (sqrt((double)w->n) * GAP_MIN);
    st = solve(w, p, 0.0, 0.01 / sqrt((double)w->n), max_norm, max_apply, &error, &left, err);
    if (st == OQT_ECONV && w->n_applied - applied >= max_apply)
        st = oqt__fail(err, OQT_ECONV, "fixed point not shown to be unique: residual %.2g after %zu products",
                       left, w->n_applied);
    else if (st == OQT_ECONV)
        st = oqt__fail(err, OQT_ECONV, "fixed point is not unique: a residual of %.2g remains beside it",
                       left);
    oqt__free(p);
    return st;
}

oqt_status oqt__fixed_point(double *x, size_t n, const double *t, oqt__apply_fn apply, void *ctx,
                            size_t power, double tol, size_t max_apply, oqt__krylov_record *record,
                            oqt_error *err)
{
    gmres w = {.t = t, .apply = apply, .ctx = ctx, .power = power > 0 ? power : 1};
    double conserved, sum, residual = 0.0, error = 0.0, left;
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
        w.y[i] = x[i] / conserved;
    /* with one number there is no other vector */
    if (n > 1 &&
        ((st = check_bounded(&w, err)) != OQT_OK || (st = check_unique(&w, max_apply, err)) != OQT_OK))
        goto done;
    memcpy(w.x, w.y, n * sizeof *x);
    if ((st = solve(&w, w.y, tol, 0.0, INFINITY, max_apply, &error, &left, err)) != OQT_OK ||
        (st = plain_residual(&w, w.x, &residual, err)) != OQT_OK)
        goto done;
    sum = conserved / dot(t, w.x, n);
    for (size_t i = 0; i < n; i++)
        x[i] = sum * w.x[i];
    if (record)
        *record = (oqt__krylov_record){w.n_applied, residual, error};
done:
    gmres_release(&w);
    return st;
}
