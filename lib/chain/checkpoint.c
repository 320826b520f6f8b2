/*
 * checkpoint.c - runs of chains in files.
 *
 * A file is 8-byte words in the order of this machine: a head of fixed size; for each site its dimensions;
 * what tells the model, a number for each bond and one for each site; the sites; the Schmidt values and
 * traces of each bond; zeros up to a multiple of 32 bytes; the hash of all that, and three zeros. Nothing in
 * it is believed before the hash agrees, and no size before it is found to fit the run and the file.
 */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "core/file.h"
#include "core/numbers.h"
#include "pt/pt_priv.h"

enum { FORMAT_VERSION = 1, PER_SITE = 4, BLOCK = 4 };

static const uint64_t MAGIC = 0x0a4e4941484351f5u; /* reads otherwise on a machine of other byte order */

/* The head; words are whole numbers, numbers are double. */
typedef struct {
    uint64_t magic, version, length; /* length: of the file, in bytes */
    uint64_t n_sites, n_ops, max_bond;
    double dt, start_time, tolerance;
    uint64_t step, bond_dimension, limit_hit;
    double discarded_weight, trace_drift, work, span, trace0;
} head;

enum { HEAD = sizeof(head) / sizeof(uint64_t) };

/* ---- the model ---- */

/* A number that tells one array from another, to rounding, and the size of what rounding it can have. */
typedef struct {
    double value, scale;
} print;

static void add_print(print *p, uint64_t *seed, const double *x, size_t n)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++) {
        p->value += x[i] * ((double)(oqt__random_bits(seed) >> 11) * 0x1p-52 - 1.0);
        norm += x[i] * x[i];
    }
    p->scale += sqrt(norm);
}

/* Of the terms of a bond; nothing can be told of those that depend on time. */
static print bond_print(const oqt__tebd_view *run, size_t b)
{
    size_t n = run->mps->site[b].p * run->mps->site[b + 1].p;
    print p = {0.0, 0.0};
    uint64_t seed = 1;

    if (run->gates->constant[b])
        add_print(&p, &seed, run->gates->constant[b], n * n);
    return p;
}

/* Of the process tensors of a site, their couplings and legs included. */
static print site_print(const oqt_tebd *run, size_t i)
{
    const oqt_pt *pt;
    print p = {0.0, 0.0};
    uint64_t seed = 2;

    for (size_t e = 0; (pt = oqt__tebd_pt(run, i, e)) != NULL; e++) {
        size_t slots = pt->bond ? pt->info.n_steps : 1;

        add_print(&p, &seed, pt->o, pt->d);
        add_print(&p, &seed, (const double *)pt->u, 2 * pt->d * pt->d);
        add_print(&p, &seed, (const double *)pt->slope, 2 * pt->n_slope);
        for (size_t k = 0; k < slots; k++) {
            oqt__slot slot = oqt__pt_slot(pt, k);

            add_print(&p, &seed, slot.f, oqt__pt_blocks(pt) * slot.left * slot.right);
        }
        (void)oqt__random_bits(&seed);
    }
    return p;
}

static bool same(print own, double other)
{
    static const double ROUNDING = 1e-10; /* other processors round otherwise */

    return fabs(own.value - other) <= ROUNDING * own.scale;
}

/* ---- sizes ---- */

static void round_up(uint64_t *words)
{
    *words = (*words + BLOCK - 1) / BLOCK * BLOCK;
}

/* words += a b c d; false if that is no size of a file. */
static bool add_words(uint64_t *words, size_t a, size_t b, size_t c, size_t d)
{
    size_t len;

    if (!oqt__mul_size(&len, a, b) || !oqt__mul_size(&len, len, c) || !oqt__mul_size(&len, len, d) ||
        len > SIZE_MAX / 64 || *words > SIZE_MAX / 64)
        return false;
    *words += len;
    return true;
}

/* ---- to a file ---- */

static oqt_status count_words(uint64_t *words, const oqt__mps *mps, oqt_error *err)
{
    bool ok = add_words(words, mps->n, PER_SITE + 2, 1, 1);

    *words += HEAD - 1;
    for (size_t i = 0; ok && i < mps->n; i++) {
        const oqt__chain_site *s = mps->site + i;

        ok = add_words(words, s->p, s->a, s->l, s->r) && (i + 1 == mps->n || add_words(words, 3, s->r, 1, 1));
    }
    if (!ok)
        return oqt__fail(err, OQT_ERANGE, "the state of the chain is too large");
    round_up(words);
    *words += BLOCK;
    return OQT_OK;
}

static uint64_t *put(uint64_t *to, const double *x, size_t n)
{
    memcpy(to, x, n * sizeof *x);
    return to + n;
}

static head describe(const oqt__tebd_view *run, uint64_t words)
{
    const oqt_tebd_stats *stats = &run->point.stats;

    return (head){MAGIC,
                  FORMAT_VERSION,
                  words * sizeof(uint64_t),
                  run->mps->n,
                  run->n_ops,
                  run->rule->max_rank,
                  run->dt,
                  run->start_time,
                  run->rule->rel_tail,
                  stats->n_steps,
                  stats->bond_dimension,
                  stats->bond_limit_hit != 0,
                  stats->discarded_weight,
                  stats->trace_drift,
                  stats->work,
                  stats->span,
                  run->point.trace0};
}

static void fill(uint64_t *w, const oqt_tebd *run, const oqt__tebd_view *view, uint64_t words)
{
    const oqt__mps *mps = view->mps;
    head h = describe(view, words);
    uint64_t *at = w + HEAD;
    oqt__hash hash;

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
    oqt__hash_init(&hash);
    oqt__hash_add(&hash, w, (words - BLOCK) * sizeof *w);
    w[words - BLOCK] = oqt__hash_value(&hash);
}

oqt_status oqt_tebd_save(const oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__tebd_view view;
    uint64_t words = 0, *w;
    oqt_status st;

    if (!run || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    view = oqt__tebd_look(run);
    if (view.failed)
        return oqt__fail(err, OQT_EINVAL, "the run has failed before and cannot be saved");
    if ((st = count_words(&words, view.mps, err)) != OQT_OK)
        return st;
    w = oqt__calloc(words, sizeof *w);
    if (!w)
        return oqt__no_memory(err, "the file of a chain");
    fill(w, run, &view, words);
    st = oqt__write_file(path, &(oqt__piece){w, words * sizeof *w}, 1, err);
    oqt__free(w);
    return st;
}

/* ---- from a file ---- */

static oqt_status check_file(head *h, const oqt__map *map, const char *path, oqt_error *err)
{
    static const uint64_t ZEROS[BLOCK - 1] = {0};
    size_t hashed;
    uint64_t sum;
    oqt__hash hash;

    if (map->length < sizeof *h || memcmp(map->data, &MAGIC, sizeof MAGIC) != 0)
        return oqt__fail(err, OQT_EFORMAT, "%s is not a checkpoint of a chain of this kind of machine", path);
    memcpy(h, map->data, sizeof *h);
    if (h->version != FORMAT_VERSION)
        return oqt__fail(err, OQT_EFORMAT, "%s has format version %llu, expected %d", path,
                         (unsigned long long)h->version, FORMAT_VERSION);
    if (h->length != map->length || map->length % (BLOCK * sizeof(uint64_t)) != 0)
        return oqt__fail(err, OQT_EFORMAT, "%s is cut off or altered: %zu bytes", path, map->length);
    hashed = map->length - BLOCK * sizeof(uint64_t);
    oqt__hash_init(&hash);
    oqt__hash_add(&hash, map->data, hashed);
    memcpy(&sum, map->data + hashed, sizeof sum);
    if (oqt__hash_value(&hash) != sum || memcmp(map->data + hashed + sizeof sum, ZEROS, sizeof ZEROS) != 0)
        return oqt__fail(err, OQT_EFORMAT, "%s is altered: the checksum does not match", path);
    return OQT_OK;
}

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

/* Sizes of all sites at w; they make up the file. */
static oqt_status check_sizes(const uint64_t *w, const head *h, const oqt_tebd *run, const char *path,
                              oqt_error *err)
{
    const oqt__mps *mps = oqt__tebd_look(run).mps;
    uint64_t words = HEAD - 1 + mps->n * (PER_SITE + 2), left = 1;
    bool ok = true;

    for (size_t i = 0; ok && i < mps->n; i++, w += PER_SITE) {
        bool last = i + 1 == mps->n;

        if (w[0] != mps->site[i].d)
            return oqt__fail(err, OQT_EINVAL, "site %zu has dimension %llu in %s, %zu in the chain", i,
                             (unsigned long long)w[0], path, mps->site[i].d);
        if (w[1] != oqt__tebd_states(run, i, h->step))
            return oqt__fail(err, OQT_EINVAL, "process tensors of site %zu have bonds of %llu in %s, not %zu",
                             i, (unsigned long long)w[1], path, oqt__tebd_states(run, i, h->step));
        ok = w[2] == left && w[3] > 0 && w[3] <= h->length && (!last || w[3] == 1) &&
             add_words(&words, mps->site[i].p, (size_t)w[1], (size_t)w[2], (size_t)w[3]) &&
             (last || add_words(&words, 3, (size_t)w[3], 1, 1));
        left = w[3];
    }
    round_up(&words);
    if (!ok || words + BLOCK != h->length / sizeof(uint64_t))
        return oqt__fail(err, OQT_EFORMAT, "%s has bonds that do not make up its length", path);
    return OQT_OK;
}

static oqt_status check_model(const double *x, const oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__tebd_view view = oqt__tebd_look(run);

    for (size_t i = 0; i < view.mps->n; i++) {
        if (!same(site_print(run, i), *x++))
            return oqt__fail(err, OQT_EINVAL, "%s was made with other process tensors on site %zu", path, i);
        if (i + 1 < view.mps->n && !same(bond_print(&view, i), *x++))
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
    return h->bond_dimension <= h->length && h->limit_hit <= 1 && h->discarded_weight >= 0.0 &&
           isfinite(h->discarded_weight) && isfinite(h->trace_drift) && h->work >= 0.0 && isfinite(h->work) &&
           h->span >= 0.0 && isfinite(h->span) && isfinite(h->trace0);
}

oqt_status oqt_tebd_restore(oqt_tebd *run, const char *path, oqt_error *err)
{
    oqt__map map = {NULL, 0};
    oqt__tebd_view view;
    const uint64_t *sizes;
    const double *prints, *x;
    oqt__mps mps = {0};
    head h;
    oqt_status st;

    if (!run || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    view = oqt__tebd_look(run);
    if ((st = oqt__map_file(&map, path, err)) != OQT_OK)
        return st;
    if ((st = check_file(&h, &map, path, err)) != OQT_OK ||
        (st = check_options(&h, &view, path, err)) != OQT_OK)
        goto done;
    if (h.length / sizeof(uint64_t) < HEAD + view.mps->n * (PER_SITE + 2) || !sane(&h)) {
        st = oqt__fail(err, OQT_EFORMAT, "%s has numbers that make no sense", path);
        goto done;
    }
    sizes = (const uint64_t *)(const void *)map.data + HEAD;
    prints = (const double *)(const void *)(sizes + PER_SITE * view.mps->n);
    x = prints + 2 * view.mps->n - 1;
    if ((st = oqt__tebd_covers(run, h.step, err)) != OQT_OK ||
        (st = check_sizes(sizes, &h, run, path, err)) != OQT_OK ||
        (st = check_model(prints, run, path, err)) != OQT_OK)
        goto done;
    if (!all_finite(x, (const double *)(const void *)(map.data + h.length) - BLOCK)) {
        st = oqt__fail(err, OQT_EFORMAT, "%s has numbers that are not finite", path);
        goto done;
    }
    if ((st = load(&mps, sizes, x, view.mps, err)) != OQT_OK)
        goto done;
    oqt__tebd_stand_at(run,
                       &(oqt__tebd_point){{.n_steps = h.step,
                                           .bond_dimension = (size_t)h.bond_dimension,
                                           .discarded_weight = h.discarded_weight,
                                           .bond_limit_hit = h.limit_hit != 0,
                                           .trace_drift = h.trace_drift,
                                           .work = h.work,
                                           .span = h.span},
                                          h.trace0},
                       &mps);
done:
    oqt__unmap_file(&map);
    return st;
}
