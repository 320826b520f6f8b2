/* mps.c - augmented matrix-product states: product states, and sums over all but some sites. */
#include <string.h>

#include "chain/chain_priv.h"

/* ---- the object ---- */

void oqt__mps_release(oqt__mps *mps)
{
    for (size_t i = 0; mps->site && i < mps->n; i++)
        oqt__free(mps->site[i].x);
    for (size_t i = 0; mps->bond && i + 1 < mps->n; i++)
        oqt__free(mps->bond[i].s);
    oqt__free(mps->site);
    oqt__free(mps->bond);
    *mps = (oqt__mps){0};
}

oqt_status oqt__chain_site_reserve(oqt__chain_site *site, size_t len, oqt_error *err)
{
    if (len <= site->room)
        return OQT_OK;
    len += len / 16;    /* bonds that have settled still go up and down a little */
    oqt__free(site->x); /* first: peaks are lower */
    site->room = 0;
    site->x = oqt__doubles(len);
    if (!site->x)
        return oqt__no_memory(err, "a site of a chain");
    site->room = len;
    return OQT_OK;
}

oqt_status oqt__chain_bond_reserve(oqt__chain_bond *bond, size_t len, oqt_error *err)
{
    double *s;

    if (len <= bond->room)
        return OQT_OK;
    len += len / 4;
    s = oqt__doubles(3 * len);
    if (!s)
        return oqt__no_memory(err, "a bond of a chain");
    oqt__free(bond->s);
    *bond = (oqt__chain_bond){s, s + len, s + 2 * len, len};
    return OQT_OK;
}

oqt_status oqt__mps_product(oqt__mps *out, size_t n, const size_t *d, const double *x, oqt_error *err)
{
    oqt__mps mps = {.n = n};
    bool ok;

    mps.site = oqt__calloc(n, sizeof *mps.site);
    mps.bond = oqt__calloc(n, sizeof *mps.bond);
    ok = mps.site && mps.bond;
    for (size_t i = 0; ok && i < n; i++) {
        oqt__chain_site *site = mps.site + i;

        *site = (oqt__chain_site){.d = d[i], .p = d[i] * d[i], .a = 1, .l = 1, .r = 1};
        ok = oqt__chain_site_reserve(site, site->p, NULL) == OQT_OK;
        if (ok)
            memcpy(site->x, x, site->p * sizeof *x);
        x += site->p;
        if (!ok || i + 1 == n)
            continue;
        ok = oqt__chain_bond_reserve(mps.bond + i, 1, NULL) == OQT_OK;
        if (ok)
            mps.bond[i].s[0] = 1.0;
    }
    if (!ok) {
        oqt__mps_release(&mps);
        return oqt__no_memory(err, "the state of a chain");
    }
    oqt__mps_trace_bonds(&mps);
    *out = mps;
    return OQT_OK;
}

/* ---- traces ---- */

void oqt__site_trace(double *out, const oqt__chain_site *s, bool left, const double *trace)
{
    size_t n = left ? s->r : s->l;

    memset(out, 0, n * sizeof *out);
    for (size_t i = 0; i < s->d; i++) {
        const double *x = s->x + (i * s->d + i) * s->a * s->l * s->r;

        if (trace)
            oqt__gemv(left, s->l, s->r, 1.0, x, s->r, trace, 1.0, out);
        else
            for (size_t k = 0; k < n; k++)
                out[k] += x[k];
    }
}

void oqt__mps_trace_bonds(oqt__mps *mps)
{
    size_t last = mps->n - 1;

    for (size_t i = 0; i < last; i++)
        oqt__site_trace(mps->bond[i].l, mps->site + i, true, i > 0 ? mps->bond[i - 1].l : NULL);
    for (size_t i = last; i > 0; i--)
        oqt__site_trace(mps->bond[i - 1].r, mps->site + i, false, i < last ? mps->bond[i].r : NULL);
}

double oqt__mps_trace(const oqt__mps *mps)
{
    double sum = 0.0;

    for (size_t m = 0; m < mps->site[0].r; m++)
        sum += mps->bond[0].l[m] * mps->bond[0].r[m];
    return sum;
}

/* ---- reduced states ---- */

/* next[kept][p][r] (or [kept][r], the site traced) from env[kept][l]. */
static void pass_site(double *next, const double *env, size_t kept, const oqt__chain_site *s, bool keep)
{
    size_t lr = s->l * s->r, row = keep ? s->p * s->r : s->r;

    for (size_t p = 0, col = 0; p < s->p; p++) {
        bool diagonal = p % (s->d + 1) == 0;

        if (!keep && !diagonal)
            continue;
        oqt__gemm(false, false, kept, s->r, s->l, 1.0, env, s->l, s->x + p * s->a * lr, s->r,
                  keep || p == 0 ? 0.0 : 1.0, next + col, row);
        if (keep)
            col += s->r;
    }
}

oqt_status oqt__mps_reduced(double *out, const oqt__mps *mps, size_t n, const size_t *sites, oqt_error *err)
{
    size_t largest = 1, kept = 1, len, first = sites[0], last = sites[n - 1], found = 0;
    double *env, *next;

    for (size_t i = 0; i < n; i++)
        if (!oqt__mul_size(&kept, kept, mps->site[sites[i]].p) || kept > SIZE_MAX / 1024)
            return oqt__fail(err, OQT_ERANGE, "density matrix of %zu sites is too large", n);
    for (size_t i = first; i <= last; i++) {
        largest = mps->site[i].l > largest ? mps->site[i].l : largest;
        largest = mps->site[i].r > largest ? mps->site[i].r : largest;
    }
    if (!oqt__mul_size(&len, kept, largest))
        len = SIZE_MAX;
    env = oqt__doubles(len);
    next = oqt__doubles(len);
    if (!env || !next) {
        oqt__free(env);
        oqt__free(next);
        return oqt__no_memory(err, "a reduced density matrix");
    }
    kept = 1;
    env[0] = 1.0;
    if (first > 0)
        memcpy(env, mps->bond[first - 1].l, mps->site[first].l * sizeof *env);
    for (size_t i = first; i <= last; i++) {
        bool keep = sites[found] == i;
        double *swap = env;

        pass_site(next, env, kept, mps->site + i, keep);
        if (keep) {
            kept *= mps->site[i].p;
            found++;
        }
        env = next;
        next = swap;
    }
    if (last + 1 < mps->n)
        oqt__gemv(false, kept, mps->site[last].r, 1.0, env, mps->site[last].r, mps->bond[last].r, 0.0, out);
    else
        memcpy(out, env, kept * sizeof *out);
    oqt__free(env);
    oqt__free(next);
    return OQT_OK;
}
