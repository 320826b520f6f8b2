/*
 * checkpoint.c - runs of chains in files.
 *
 * Behind the head of the frame (core/checkpoint.h): figures of the run; for each site its dimensions; what
 * tells the model, a number for each bond and one for each site; the sites; the Schmidt values and traces of
 * each bond. Nothing in a file is believed before its hash agrees, and no size before it is found to fit the
 * run and the file.
 */
#include "core/checkpoint.h"

#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "pt/pt_priv.h"

enum { PER_SITE = 4 };

static const oqt__checkpoint KIND = {0x0a4e4941484351f5u, 1, "a run of a chain"};

/* Words are whole numbers, numbers are double. */
typedef struct {
    uint64_t frame[OQT__CHECKPOINT_HEAD];
    uint64_t n_sites, n_ops, max_bond;
    double dt, start_time, tolerance;
    uint64_t step, bond_dimension, limit_hit;
    double discarded_weight, trace_drift, flops, work, span, trace0;
} head;

enum { HEAD = sizeof(head) / sizeof(uint64_t) };

/* ---- the model ---- */

/* Of the terms of a bond; nothing can be told of those that depend on time. */
static oqt__print bond_print(const oqt__tebd_view *run, size_t b)
{
    size_t n = run->mps->site[b].p * run->mps->site[b + 1].p;
    oqt__print p = {0.0, 0.0, 0};

    if (run->gates->constant[b])
        oqt__print_add(&p, run->gates->constant[b], n * n);
    return p;
}

/* Of the process tensors of a site, their couplings and legs included. */
static oqt__print site_print(const oqt_tebd *run, size_t i)
{
    const oqt_pt *pt;
    oqt__print p = {0.0, 0.0, 0};

    for (size_t e = 0; (pt = oqt__tebd_pt(run, i, e)) != NULL; e++) {
        size_t slots = pt->bond ? pt->info.n_steps : 1;

        oqt__print_add(&p, pt->o, pt->d);
        oqt__print_add(&p, (const double *)pt->u, 2 * pt->d * pt->d);
        oqt__print_add(&p, (const double *)pt->slope, 2 * pt->n_slope);
        for (size_t k = 0; k < slots; k++) {
            oqt__slot slot = oqt__pt_slot(pt, k);

            oqt__print_add(&p, slot.f, oqt__pt_blocks(pt) * slot.left * slot.right);
        }
    }
    return p;
}

/* ---- sizes ---- */

/* words += a b c d; false if that is no size of a file. */
static bool add_words(uint64_t *words, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    uint64_t ab = 0, cd = 0;

    return oqt__checkpoint_add(&ab, a, b) && oqt__checkpoint_add(&cd, c, d) &&
           oqt__checkpoint_add(words, ab, cd);
}

/* ---- to a file ---- */

static bool count_words(uint64_t *words, const oqt__mps *mps)
{
    bool ok;

    *words = HEAD - 1;
    ok = oqt__checkpoint_add(words, mps->n, PER_SITE + 2);
    for (size_t i = 0; ok && i < mps->n; i++) {
        const oqt__chain_site *s = mps->site + i;

        ok = add_words(words, s->p, s->a, s->l, s->r) &&
             (i + 1 == mps->n || oqt__checkpoint_add(words, 3, s->r));
    }
    return ok;
}

static uint64_t *put(uint64_t *to, const double *x, size_t n)
{
    memcpy(to, x, n * sizeof *x);
    return to + n;
}

static head describe(const oqt__tebd_view *run)
{
    const oqt_tebd_stats *stats = &run->point.stats;

    return (head){.n_sites = run->mps->n,
                  .n_ops = run->n_ops,
                  .max_bond = run->rule->max_rank,
                  .dt = run->dt,
                  .start_time = run->start_time,
                  .tolerance = run->rule->rel_tail,
                  .step = stats->n_steps,
                  .bond_dimension = stats->bond_dimension,
                  .limit_hit = stats->bond_limit_hit != 0,
                  .discarded_weight = stats->discarded_weight,
                  .trace_drift = stats->trace_drift,
                  .flops = stats->flops,
                  .work = stats->work,
                  .span = stats->span,
                  .trace0 = run->point.trace0};
}

static void fill(uint64_t *w, const oqt_tebd *run, const oqt__tebd_view *view)
{
    const oqt__mps *mps = view->mps;
    head h = describe(view);
    uint64_t *at = w + HEAD;

    memcpy(w, &h, sizeof h);
    for (size_t i = 0; i < mps->n; i++, at += PER_SITE) {
        const oqt__chain_site *s = mps->site + i;

        at[0] = s->d;
        at[1] = s->a;
        at[2] = s->l;
        at[3] = s->r;
    }
    for (size_t i = 0; i < mps->n; i++) {
        double value = site_print(run, i).value;

        at = put(at, &value, 1);
        value = i + 1 < mps->n ? bond_print(view, i).value : 0.0;
        if (i + 1 < mps->n)
            at = put(at, &value, 1);
    }
    for (size_t i = 0; i < mps->n; i++)
        at = put(at, mps->site[i].x, mps->site[i].p * mps->site[i].a * mps->site[i].l * mps->site[i].r);
    for (size_t i = 0; i + 1 < mps->n; i++) {
        at = put(at, mps->bond[i].s, mps->site[i].r);
        at = put(at, mps->bond[i].l, mps->site[i].r);
        at = put(at, mps->bond[i].r, mps->site[i].r);
    }
}

oqt_status oqt_tebd_save(const oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__tebd_view view;
    uint64_t words, length, *w;
    oqt_status st;

    if (!run || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    view = oqt__tebd_look(run);
    if (!count_words(&words, view.mps))
        return oqt__fail(err, OQT_ERANGE, "the state of the chain is too large");
    length = oqt__checkpoint_length(words);
    w = oqt__calloc((size_t)length, sizeof *w);
    if (!w)
        return oqt__no_memory(err, "the file of a chain");
    fill(w, run, &view);
    st = oqt__checkpoint_write(path, w, length, &KIND, err);
    oqt__free(w);
    return st;
}

/* ---- from a file ---- */

static oqt_status check_options(const head *h, const oqt__tebd_view *run, const char *path, oqt_error *err)
{
    if (h->n_sites != run->mps->n)
        return oqt__fail(err, OQT_EINVAL, "%s has %llu sites, the chain %zu", path,
                         (unsigned long long)h->n_sites, run->mps->n);
    if (h->dt != run->dt || h->start_time != run->start_time)
        return oqt__fail(err, OQT_EINVAL, "%s has time step %g from time %g, the run %g from %g", path, h->dt,
                         h->start_time, run->dt, run->start_time);
    if (h->tolerance != run->rule->rel_tail || h->max_bond != run->rule->max_rank)
        return oqt__fail(err, OQT_EINVAL, "%s has tolerance %g and largest bond %llu, the run %g and %zu",
                         path, h->tolerance, (unsigned long long)h->max_bond, run->rule->rel_tail,
                         run->rule->max_rank);
    if (h->n_ops != run->n_ops)
        return oqt__fail(err, OQT_EINVAL,
                         "%s has %llu gates and process tensors in a step, the run %zu: another order, or "
                         "other sites with process tensors",
                         path, (unsigned long long)h->n_ops, run->n_ops);
    return OQT_OK;
}

/* Sizes of all sites at w; they make up the file of so many words. */
static oqt_status check_sizes(const uint64_t *w, uint64_t length, uint64_t step, const oqt_tebd *run,
                              const char *path, oqt_error *err)
{
    const oqt__mps *mps = oqt__tebd_look(run).mps;
    uint64_t words = HEAD - 1 + mps->n * (PER_SITE + 2), left = 1;
    bool ok = true;

    for (size_t i = 0; ok && i < mps->n; i++, w += PER_SITE) {
        bool last = i + 1 == mps->n;

        if (w[0] != mps->site[i].d)
            return oqt__fail(err, OQT_EINVAL, "site %zu has dimension %llu in %s, %zu in the chain", i,
                             (unsigned long long)w[0], path, mps->site[i].d);
        if (w[1] != oqt__tebd_states(run, i, step))
            return oqt__fail(err, OQT_EINVAL, "process tensors of site %zu have bonds of %llu in %s, not %zu",
                             i, (unsigned long long)w[1], path, oqt__tebd_states(run, i, step));
        ok = w[2] == left && w[3] > 0 && w[3] <= length && (!last || w[3] == 1) &&
             add_words(&words, mps->site[i].p, w[1], w[2], w[3]) &&
             (last || oqt__checkpoint_add(&words, 3, w[3]));
        left = w[3];
    }
    if (!ok || oqt__checkpoint_length(words) != length)
        return oqt__fail(err, OQT_EFORMAT, "%s has bonds that do not make up its length", path);
    return OQT_OK;
}

static oqt_status check_model(const double *x, const oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__tebd_view view = oqt__tebd_look(run);

    for (size_t i = 0; i < view.mps->n; i++) {
        oqt__print print = site_print(run, i);

        if (!oqt__print_is(&print, *x++))
            return oqt__fail(err, OQT_EINVAL, "%s was made with other process tensors on site %zu", path, i);
        if (i + 1 == view.mps->n)
            break;
        print = bond_print(&view, i);
        if (!oqt__print_is(&print, *x++))
            return oqt__fail(err, OQT_EINVAL, "%s was made with other terms of bond %zu or its sites", path,
                             i);
    }
    return OQT_OK;
}

static bool all_finite(const double *x, const double *end)
{
    for (; x < end; x++)
        if (!isfinite(*x))
            return false;
    return true;
}

static oqt_status load(oqt__mps *out, const uint64_t *sizes, const double *x, const oqt__mps *shape,
                       oqt_error *err)
{
    oqt__mps mps = {.n = shape->n};
    bool ok;

    mps.site = oqt__calloc(mps.n, sizeof *mps.site);
    mps.bond = oqt__calloc(mps.n, sizeof *mps.bond);
    ok = mps.site && mps.bond;
    for (size_t i = 0; ok && i < mps.n; i++, sizes += PER_SITE) {
        oqt__chain_site *s = mps.site + i;
        size_t len;

        *s = (oqt__chain_site){.d = shape->site[i].d,
                               .p = shape->site[i].p,
                               .a = (size_t)sizes[1],
                               .l = (size_t)sizes[2],
                               .r = (size_t)sizes[3]};
        len = s->p * s->a * s->l * s->r;
        ok = oqt__chain_site_reserve(s, len, NULL) == OQT_OK;
        if (ok)
            memcpy(s->x, x, len * sizeof *x);
        x += len;
    }
    for (size_t i = 0; ok && i + 1 < mps.n; i++) {
        size_t m = mps.site[i].r;

        ok = oqt__chain_bond_reserve(mps.bond + i, m, NULL) == OQT_OK;
        if (!ok)
            break;
        memcpy(mps.bond[i].s, x, m * sizeof *x);
        memcpy(mps.bond[i].l, x + m, m * sizeof *x);
        memcpy(mps.bond[i].r, x + 2 * m, m * sizeof *x);
        x += 3 * m;
    }
    if (!ok) {
        oqt__mps_release(&mps);
        return oqt__no_memory(err, "the state of a chain");
    }
    *out = mps;
    return OQT_OK;
}

static bool sane(const head *h)
{
    return h->bond_dimension > 0 && h->bond_dimension <= h->frame[2] && h->limit_hit <= 1 &&
           h->discarded_weight >= 0.0 && isfinite(h->discarded_weight) && isfinite(h->trace_drift) &&
           h->work >= 0.0 && isfinite(h->work) && h->span >= 0.0 && isfinite(h->span) && h->flops >= 0.0 &&
           isfinite(h->flops) && isfinite(h->trace0);
}

static oqt_status restore(oqt_tebd *run, const oqt__map *map, const char *path, oqt_error *err)
{
    oqt__tebd_view view = oqt__tebd_look(run);
    const uint64_t *w = (const uint64_t *)(const void *)map->data, *sizes = w + HEAD;
    uint64_t words = map->length / sizeof *w;
    const double *prints, *x;
    oqt__tebd_point point;
    oqt__mps mps = {0};
    head h;
    oqt_status st;

    if (words < HEAD)
        return oqt__fail(err, OQT_EFORMAT, "%s is too short", path);
    memcpy(&h, w, sizeof h);
    if ((st = check_options(&h, &view, path, err)) != OQT_OK)
        return st;
    if (words < HEAD + view.mps->n * (PER_SITE + 2) || !sane(&h))
        return oqt__fail(err, OQT_EFORMAT, "%s has numbers that make no sense", path);
    prints = (const double *)(const void *)(sizes + PER_SITE * view.mps->n);
    x = prints + 2 * view.mps->n - 1;
    if ((st = oqt__tebd_covers(run, h.step, err)) != OQT_OK ||
        (st = check_sizes(sizes, words, h.step, run, path, err)) != OQT_OK ||
        (st = check_model(prints, run, path, err)) != OQT_OK)
        return st;
    if (!all_finite(x, (const double *)(const void *)(w + words) - 4))
        return oqt__fail(err, OQT_EFORMAT, "%s has numbers that are not finite", path);
    if ((st = load(&mps, sizes, x, view.mps, err)) != OQT_OK)
        return st;
    point = (oqt__tebd_point){{.n_steps = h.step,
                               .bond_dimension = (size_t)h.bond_dimension,
                               .discarded_weight = h.discarded_weight,
                               .bond_limit_hit = h.limit_hit != 0,
                               .trace_drift = h.trace_drift,
                               .work = h.work,
                               .span = h.span,
                               .flops = h.flops},
                              h.trace0};
    oqt__tebd_stand_at(run, &point, &mps);
    return OQT_OK;
}

oqt_status oqt_tebd_restore(oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__map map = {NULL, 0};
    oqt_status st;

    if (!run || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    if ((st = oqt__checkpoint_map(&map, path, &KIND, err)) != OQT_OK)
        return st;
    st = restore(run, &map, path, err);
    oqt__unmap_file(&map);
    return st;
}
