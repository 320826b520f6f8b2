/*
 * measure.c - what a chain is asked for: expectation values, two-point correlators, entropies, norms.
 *
 * tr(A rho) of Hermitian coordinates x is sum_p (a1 + i a2)_p x_p with the coordinates of the two Hermitian
 * parts of A: two real vectors per operator.
 */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "core/numbers.h"
#include "liouville/hermitian.h"

/* ---- operators on every site ---- */

static size_t total_legs(const oqt_chain *chain)
{
    size_t sum = 0;

    for (size_t i = 0; i < chain->n; i++)
        sum += chain->dim[i] * chain->dim[i];
    return sum;
}

oqt_status oqt__chain_check_operators(const oqt_chain *chain, const oqt_complex *op, oqt_error *err)
{
    for (size_t i = 0; i < chain->n; i++)
        for (size_t k = chain->dim[i] * chain->dim[i]; k > 0; k--, op++)
            if (!isfinite(op->re) || !isfinite(op->im))
                return oqt__fail(err, OQT_EINVAL, "operator of site %zu has an element that is not finite",
                                 i);
    return OQT_OK;
}

/* The site with an operator on it, whose parts are a[2][p], between its two bonds, of which one is closed by
 * the trace of all beyond it: out[2][l] if that is the right one, out[2][r] if the left one. */
static void close_side(double *out, const oqt__mps *mps, size_t i, bool left, const double *a, double *x)
{
    const oqt__chain_site *s = mps->site + i;
    const double *right_trace = i + 1 < mps->n ? mps->bond[i].r : NULL;
    const double *trace = !left ? right_trace : i > 0 ? mps->bond[i - 1].l : NULL;
    size_t n = left ? s->r : s->l;

    memset(out, 0, 2 * n * sizeof *out);
    for (size_t p = 0; p < s->p; p++) {
        const double *from = s->x + p * s->a * s->l * s->r;

        if (trace)
            oqt__gemv(left, s->l, s->r, 1.0, from, s->r, trace, 0.0, x);
        else
            memcpy(x, from, n * sizeof *x);
        for (size_t part = 0; part < 2; part++)
            for (size_t k = 0; k < n; k++)
                out[part * n + k] += a[part * s->p + p] * x[k];
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static size_t largest_bond(const oqt__mps *mps)
{
    size_t largest = 1;

    for (size_t i = 0; i < mps->n; i++)
        largest = mps->site[i].r > largest ? mps->site[i].r : largest;
    return largest;
}

/* The two parts of all operators, [2][p] of each site one behind the other. */
static void operator_parts(double *out, const oqt_chain *chain, const oqt_complex *op)
{
    for (size_t i = 0; i < chain->n; i++) {
        size_t p = chain->dim[i] * chain->dim[i];

        oqt__herm_from_matrix(out, out + p, op, chain->dim[i]);
        op += p;
        out += 2 * p;
    }
}

oqt_status oqt_tebd_expectations(oqt_complex *out, const oqt_tebd *run, const oqt_complex *op, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    const oqt_chain *chain;
    const oqt__mps *mps;
    size_t m;
    double *a, *work;
    oqt_status st;

    if (!out || !run || !op)
        return oqt__fail(err, OQT_EINVAL, "run, operators or place for expectation values is missing");
    chain = oqt__tebd_look(run).chain;
    mps = oqt__tebd_look(run).mps;
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK ||
        (st = oqt__chain_check_operators(chain, op, err)) != OQT_OK)
        return st;
    m = largest_bond(mps);
    a = oqt__doubles(2 * total_legs(chain));
    work = oqt__doubles(3 * m);
    if (a && work) {
        const double *at = a;

        operator_parts(a, chain, op);
        oqt__blas_enter(&guard);
        for (size_t i = 0; i < mps->n; at += 2 * mps->site[i++].p) {
            size_t l = mps->site[i].l;
            const double one = 1.0, *left = i > 0 ? mps->bond[i - 1].l : &one;

            close_side(work, mps, i, false, at, work + 2 * m);
            out[i] = (oqt_complex){dot(left, work, l), dot(left, work + l, l)};
        }
        oqt__blas_leave(&guard);
    } else {
        st = oqt__no_memory(err, "expectation values");
    }
    oqt__free(a);
    oqt__free(work);
    return st;
}

/* ---- correlators ---- */

/* tr(A B rho) of the reduced state of one site. */
static oqt_complex on_site(const oqt_complex *a, const oqt_complex *b, const oqt_complex *rho, size_t d)
{
    oqt_complex sum = {0.0, 0.0};

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++) {
                oqt_complex z = oqt__mul(oqt__mul(a[i * d + j], b[j * d + k]), rho[k * d + i]);

                sum.re += z.re;
                sum.im += z.im;
            }
    return sum;
}

/* Of the sweep over the bonds: env [site][A, B][re, im][bond], and the two closings [A, B][re, im][bond]. */
struct sweep {
    const oqt__mps *mps;
    const double *a, *b; /* parts of the operators of the present site */
    double *env, *next, *close, *value, *map, *x;
};

/* <A_k B_i> and <A_i B_k> of all k before site i. */
static void pair_up(oqt_complex *out, struct sweep *w, size_t i)
{
    size_t n = w->mps->n, l = w->mps->site[i].l;

    close_side(w->close, w->mps, i, false, w->a, w->x);
    close_side(w->close + 2 * l, w->mps, i, false, w->b, w->x);
    oqt__gemm(false, true, 4 * i, 4, l, 1.0, w->env, l, w->close, l, 0.0, w->value, 4);
    for (size_t k = 0; k < i; k++) {
        const double *v = w->value + 16 * k; /* [A, B of k][re, im][A, B of i][re, im] */

        out[k * n + i] = (oqt_complex){v[2] - v[7], v[3] + v[6]};
        out[i * n + k] = (oqt_complex){v[8] - v[13], v[9] + v[12]};
    }
}

/* Go on behind site i, which is added. */
static void extend(struct sweep *w, size_t i)
{
    const oqt__chain_site *s = w->mps->site + i;
    size_t lr = s->l * s->r;
    double *swap = w->env;

    memset(w->map, 0, lr * sizeof *w->map);
    for (size_t k = 0; k < s->d; k++) {
        const double *x = s->x + k * (s->d + 1) * s->a * lr;

        for (size_t e = 0; e < lr; e++)
            w->map[e] += x[e];
    }
    if (i > 0)
        oqt__gemm(false, false, 4 * i, s->r, s->l, 1.0, w->env, s->l, w->map, s->r, 0.0, w->next, s->r);
    close_side(w->next + 4 * i * s->r, w->mps, i, true, w->a, w->x);
    close_side(w->next + (4 * i + 2) * s->r, w->mps, i, true, w->b, w->x);
    w->env = w->next;
    w->next = swap;
}

static oqt_status sweep_pairs(oqt_complex *out, const oqt_chain *chain, const oqt__mps *mps, const double *a,
                              const double *b, oqt_error *err)
{
    size_t m = largest_bond(mps), n = mps->n, len;
    struct sweep w = {.mps = mps, .a = a, .b = b};
    double *mem = NULL;

    /* twice env, the closings, the values, the map of a site and x */
    if (!oqt__mul_size(&len, 8 * n + 5 + m, m) || len > SIZE_MAX / 16)
        return oqt__fail(err, OQT_ERANGE, "correlators of %zu sites with bonds of %zu are too large", n, m);
    mem = oqt__doubles(len + 16 * n);
    if (!mem)
        return oqt__no_memory(err, "correlators");
    w.env = mem;
    w.next = w.env + 4 * n * m;
    w.close = w.next + 4 * n * m;
    w.x = w.close + 4 * m;
    w.map = w.x + m;
    w.value = w.map + m * m;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            pair_up(out, &w, i);
        if (i + 1 < n)
            extend(&w, i);
        w.a += 2 * chain->dim[i] * chain->dim[i];
        w.b += 2 * chain->dim[i] * chain->dim[i];
    }
    oqt__free(mem);
    return OQT_OK;
}

oqt_status oqt_tebd_correlators(oqt_complex *out, const oqt_tebd *run, const oqt_complex *a,
                                const oqt_complex *b, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    const oqt_chain *chain;
    oqt_complex *rho = NULL;
    double *parts = NULL;
    size_t legs;
    oqt_status st;

    if (!out || !run || !a || !b)
        return oqt__fail(err, OQT_EINVAL, "run, operators or place for correlators is missing");
    chain = oqt__tebd_look(run).chain;
    if ((st = oqt__chain_check_operators(chain, a, err)) != OQT_OK ||
        (st = oqt__chain_check_operators(chain, b, err)) != OQT_OK)
        return st;
    legs = total_legs(chain);
    rho = oqt__calloc(legs, sizeof *rho);
    parts = oqt__doubles(4 * legs);
    st = rho && parts ? oqt_tebd_densities(rho, run, err) : oqt__no_memory(err, "correlators");
    if (st == OQT_OK) {
        operator_parts(parts, chain, a);
        operator_parts(parts + 2 * legs, chain, b);
        oqt__blas_enter(&guard);
        st = sweep_pairs(out, chain, oqt__tebd_look(run).mps, parts, parts + 2 * legs, err);
        oqt__blas_leave(&guard);
    }
    for (size_t i = 0, at = 0; st == OQT_OK && i < chain->n; at += chain->dim[i] * chain->dim[i], i++)
        out[i * chain->n + i] = on_site(a + at, b + at, rho + at, chain->dim[i]);
    oqt__free(rho);
    oqt__free(parts);
    return st;
}

/* ---- sums over the whole ---- */

double oqt_tebd_trace(const oqt_tebd *run)
{
    return oqt__tebd_stands(run, NULL) == OQT_OK ? oqt__mps_trace(oqt__tebd_look(run).mps) : NAN;
}

/* Shannon entropy of the shares of the squares. */
static double entropy(const double *s, size_t n)
{
    double total = dot(s, s, n), sum = 0.0;

    for (size_t i = 0; i < n; i++) {
        double q = s[i] * s[i] / total;

        sum -= q > 0.0 ? q * log(q) : 0.0;
    }
    return sum;
}

oqt_status oqt_tebd_entropies(double *out, double *norm, const oqt_tebd *run, oqt_error *err)
{
    static const double NEGLIGIBLE = 1e-15;
    oqt__blas_guard guard = {false};
    oqt__mps mps = {0};
    double found;
    oqt_status st;

    if (!run || (!out && !norm))
        return oqt__fail(err, OQT_EINVAL, "run or place for entropies is missing");
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    if ((st = oqt__mps_copy(&mps, oqt__tebd_look(run).mps, true, err)) == OQT_OK)
        st = oqt__mps_canonicalize(&found, &mps, NEGLIGIBLE, err);
    oqt__blas_leave(&guard);
    for (size_t i = 0; st == OQT_OK && out && i + 1 < mps.n; i++)
        out[i] = entropy(mps.bond[i].s, mps.site[i].r);
    if (st == OQT_OK && norm)
        *norm = found;
    oqt__mps_release(&mps);
    return st;
}
