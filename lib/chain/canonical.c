/*
 * canonical.c - copies of a chain's state, and its canonical form.
 *
 * A sweep of QR from the left, then one of singular value decompositions from the right. What comes out is
 * the form that gates keep: every site but the first right-canonical, the Schmidt values beside them.
 */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"

/* ---- copies ---- */

oqt_status oqt__mps_copy(oqt__mps *out, const oqt__mps *from, bool closed, oqt_error *err)
{
    oqt__mps mps = {.n = from->n};
    bool ok;

    mps.site = oqt__calloc(mps.n, sizeof *mps.site);
    mps.bond = oqt__calloc(mps.n, sizeof *mps.bond);
    ok = mps.site && mps.bond;
    for (size_t i = 0; ok && i < mps.n; i++) {
        const oqt__chain_site *s = from->site + i;
        oqt__chain_site *t = mps.site + i;
        size_t lr = s->l * s->r;

        *t = *s;
        t->x = NULL;
        t->room = 0;
        if (closed) {
            t->a = 1;
            t->w = NULL;
        }
        ok = oqt__chain_site_reserve(t, t->p * t->a * lr, NULL) == OQT_OK;
        for (size_t p = 0; ok && p < s->p; p++)
            memcpy(t->x + p * t->a * lr, s->x + p * s->a * lr, t->a * lr * sizeof *t->x);
        if (!ok || i + 1 == mps.n)
            continue;
        ok = oqt__chain_bond_reserve(mps.bond + i, s->r, NULL) == OQT_OK;
        if (ok) {
            memcpy(mps.bond[i].s, from->bond[i].s, s->r * sizeof *mps.bond[i].s);
            memcpy(mps.bond[i].l, from->bond[i].l, s->r * sizeof *mps.bond[i].l);
            memcpy(mps.bond[i].r, from->bond[i].r, s->r * sizeof *mps.bond[i].r);
        }
    }
    if (!ok) {
        oqt__mps_release(&mps);
        return oqt__no_memory(err, "a copy of the state of a chain");
    }
    *out = mps;
    return OQT_OK;
}

/* ---- sweeps ---- */

/* Nothing in a sweep is larger than a site is before it. */
static size_t largest_site(const oqt__mps *mps)
{
    size_t largest = 1;

    for (size_t i = 0; i < mps->n; i++) {
        size_t len = mps->site[i].p * mps->site[i].l * mps->site[i].r;

        largest = len > largest ? len : largest;
    }
    return largest;
}

/* Site i = q r with orthonormal columns of q [p l][k]; r goes into the next. */
static oqt_status move_right(oqt__mps *mps, size_t i, oqt__chain_ws *ws, size_t room, oqt_error *err)
{
    oqt__chain_site *s = mps->site + i, *next = s + 1;
    size_t rows = s->p * s->l, m = s->r, k = rows < m ? rows : m;
    double *q = ws->mem, *r = q + room, *y = r + room;
    oqt_status st;

    if ((st = oqt__qr(q, r, &ws->svd, s->x, rows, m, err)) != OQT_OK)
        return st;
    for (size_t p = 0; p < next->p; p++)
        oqt__gemm(false, false, k, next->r, m, 1.0, r, m, next->x + p * m * next->r, next->r, 0.0,
                  y + p * k * next->r, next->r);
    memcpy(s->x, q, rows * k * sizeof *q);
    memcpy(next->x, y, next->p * k * next->r * sizeof *y);
    s->r = next->l = k;
    return OQT_OK;
}

/* Site i = u s v with orthonormal rows of v [k][p r]; u s goes into the one before. */
static oqt_status move_left(oqt__mps *mps, size_t i, double tol, oqt__chain_ws *ws, size_t room,
                            oqt_error *err)
{
    oqt__chain_site *s = mps->site + i, *before = s - 1;
    oqt__chain_bond *bond = mps->bond + i - 1;
    size_t m = s->l, cols = s->p * s->r, rows = before->p * before->l;
    double *wide = ws->mem, *y = wide + room;
    oqt__svd svd;
    oqt_status st;

    for (size_t p = 0; p < s->p; p++)
        for (size_t l = 0; l < m; l++)
            memcpy(wide + l * cols + p * s->r, s->x + (p * m + l) * s->r, s->r * sizeof *wide);
    if ((st = oqt__svd_trunc(&svd, &ws->svd, wide, m, cols, &(oqt__trunc){.rel_tail = tol}, NULL, err)) !=
        OQT_OK)
        return st;
    if (svd.rank == 0)
        return oqt__fail(err, OQT_ECONV, "the state of the chain is zero");
    for (size_t l = 0; l < svd.rank; l++)
        for (size_t p = 0; p < s->p; p++)
            memcpy(s->x + (p * svd.rank + l) * s->r, svd.vt + l * cols + p * s->r, s->r * sizeof *wide);
    for (size_t l = 0; l < m; l++)
        for (size_t k = 0; k < svd.rank; k++)
            svd.u[l * svd.rank + k] *= svd.s[k];
    oqt__gemm(false, false, rows, svd.rank, m, 1.0, before->x, m, svd.u, svd.rank, 0.0, y, svd.rank);
    memcpy(before->x, y, rows * svd.rank * sizeof *y);
    memcpy(bond->s, svd.s, svd.rank * sizeof *bond->s);
    s->l = before->r = svd.rank;
    return OQT_OK;
}

/* Workspace of a sweep, room for a site in each of its three parts. */
static oqt_status sweep_ws(oqt__chain_ws *ws, size_t *room, const oqt__mps *mps, oqt_error *err)
{
    *room = (largest_site(mps) + 7) / 8 * 8;
    return oqt__chain_ws_reserve(ws, 3 * *room, err);
}

oqt_status oqt__mps_sweep_right(double *norm, oqt__mps *mps, oqt_error *err)
{
    const oqt__chain_site *last = mps->site + mps->n - 1;
    oqt__chain_ws ws = {0};
    size_t room;
    double sum = 0.0;
    oqt_status st = sweep_ws(&ws, &room, mps, err);

    for (size_t i = 0; st == OQT_OK && i + 1 < mps->n; i++)
        st = move_right(mps, i, &ws, room, err);
    for (size_t k = 0; st == OQT_OK && k < last->p * last->l * last->r; k++)
        sum += last->x[k] * last->x[k];
    if (st == OQT_OK)
        *norm = sqrt(sum);
    oqt__chain_ws_release(&ws);
    return st;
}

oqt_status oqt__mps_canonicalize(double *norm, oqt__mps *mps, double tol, oqt_error *err)
{
    oqt__chain_ws ws = {0};
    size_t room;
    oqt_status st = oqt__mps_sweep_right(norm, mps, err);

    if (st == OQT_OK)
        st = sweep_ws(&ws, &room, mps, err);
    for (size_t i = mps->n - 1; st == OQT_OK && i > 0; i--)
        st = move_left(mps, i, tol, &ws, room, err);
    if (st == OQT_OK)
        oqt__mps_trace_bonds(mps);
    oqt__chain_ws_release(&ws);
    return st;
}
