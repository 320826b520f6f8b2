/*
 * save.c - runs of TEMPO in files, and on from there.
 *
 * Behind the head of the frame (core/checkpoint.h): what the run was made with and its figures, a number that
 * tells the memory of each group, bonds between slots, the state, its traces, the system from the last slot
 * to the next step, the slots. Which slots there are follows from the step. Nothing in a file is believed
 * before its hash agrees, and no size before it is found to fit the run and the file.
 */
#include <math.h>
#include <string.h>

#include "core/checkpoint.h"
#include "tempo/tempo_priv.h"

static const oqt__checkpoint KIND = {0x0a4f504d455451f5u, 1, "a run of TEMPO"};

/* Words are whole numbers, numbers are double. */
typedef struct {
    uint64_t frame[OQT__CHECKPOINT_HEAD];
    uint64_t d, n_col, n_group, memory, max_bond, split;
    double dt, start, epsrel, added;
    uint64_t n_steps, bond, largest_bond, limit_hit, n_svd;
    double discarded_weight, trace_drift, flops;
} head;

enum { HEAD = sizeof(head) / sizeof(uint64_t) };

static head describe(const oqt_tempo *tp)
{
    const oqt_tempo_stats *s = &tp->stats;

    return (head){.d = tp->d,
                  .n_col = tp->n_col,
                  .n_group = tp->n_group,
                  .memory = tp->memory,
                  .max_bond = tp->max_bond,
                  .split = tp->split,
                  .dt = tp->dt,
                  .start = tp->between.start,
                  .epsrel = tp->epsrel,
                  .added = tp->added,
                  .n_steps = s->n_steps,
                  .bond = s->bond_dimension,
                  .largest_bond = s->largest_bond,
                  .limit_hit = s->limit_hit != 0,
                  .n_svd = s->n_svd,
                  .discarded_weight = s->discarded_weight,
                  .trace_drift = s->trace_drift,
                  .flops = s->flops};
}

/* The first step whose slots are kept after n steps, n > 0. */
static uint64_t first_step(const oqt_tempo *tp, uint64_t n)
{
    return n - 1 > tp->memory ? n - 1 - tp->memory : 0;
}

/* Slot i after n steps. */
static oqt__site slot_at(const oqt_tempo *tp, uint64_t n, size_t i)
{
    uint64_t step = first_step(tp, n) + i / tp->n_group;
    size_t group = oqt__tempo_group_at(tp, step, i % tp->n_group);

    return (oqt__site){.leg = tp->group[group].north_dim, .group = group, .step = step};
}

/* What acts between a couple of slots of a group, at the separations that n steps use. */
static double memory_print(const oqt__group *g, uint64_t n, size_t memory, oqt__print *print)
{
    size_t d2 = g->d * g->d, n_sep = n < memory ? (size_t)n : memory + 1;

    *print = (oqt__print){0.0, 0.0, 0};
    oqt__print_add(print, g->om, g->n_north * g->n_baths);
    oqt__print_add(print, g->sp, g->n_north * g->n_baths);
    if (g->rotation)
        oqt__print_add(print, g->rotation, d2 * d2);
    for (size_t e = 0; e < g->n_baths; e++)
        oqt__print_add(print, (const double *)g->eta[e], 2 * n_sep);
    return print->value;
}

/* The words of a file with these bonds, before the end of the frame; n_sites + 1 of them. */
static bool count_words(uint64_t *words, const oqt_tempo *tp, uint64_t n_steps, const uint64_t *bond,
                        size_t n_sites)
{
    uint64_t n_x = tp->n_col * tp->d * tp->d;
    bool ok;

    *words = HEAD + tp->n_group + tp->n_col;
    ok = oqt__checkpoint_add(words, 1, n_sites + 1) && oqt__checkpoint_add(words, n_x, n_x + 1);
    for (size_t i = 0; ok && i < n_sites; i++) {
        uint64_t rows = 0;

        ok = oqt__checkpoint_add(&rows, bond[i], slot_at(tp, n_steps, i).leg) &&
             oqt__checkpoint_add(words, rows, bond[i + 1]);
    }
    return ok;
}

/* ---- to a file ---- */

static uint64_t *put(uint64_t *to, const void *x, size_t n)
{
    memcpy(to, x, n * sizeof *to);
    return to + n;
}

static void fill(uint64_t *w, const oqt_tempo *tp)
{
    size_t n_x = tp->n_col * tp->d * tp->d;
    head h = describe(tp);

    w = put(w, &h, HEAD);
    for (size_t i = 0; i < tp->n_group; i++) {
        oqt__print print;
        double value =
            tp->stats.n_steps > 0 ? memory_print(&tp->group[i], tp->stats.n_steps, tp->memory, &print) : 0.0;

        w = put(w, &value, 1);
    }
    for (size_t i = 0; i <= tp->train.n; i++)
        *w++ = i == 0 ? 1 : tp->train.site[i - 1].right;
    w = put(w, tp->rho, n_x);
    w = put(w, tp->trace0, tp->n_col);
    w = put(w, tp->between.leave, n_x * n_x);
    for (size_t i = 0; i < tp->train.n; i++) {
        const oqt__site *s = &tp->train.site[i];

        w = put(w, s->a, s->left * s->leg * s->right);
    }
}

oqt_status oqt_tempo_save(const oqt_tempo *tempo, const char *path, oqt_error *err)
{
    uint64_t *bond, *w = NULL, words, length;
    size_t n;
    oqt_status st;

    if (!tempo || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    n = tempo->train.n;
    bond = oqt__calloc(n + 1, sizeof *bond);
    if (!bond)
        return oqt__no_memory(err, "the file of a run");
    for (size_t i = 0; i <= n; i++)
        bond[i] = i == 0 ? 1 : tempo->train.site[i - 1].right;
    if (!count_words(&words, tempo, tempo->stats.n_steps, bond, n)) {
        st = oqt__fail(err, OQT_ERANGE, "the state of the run is too large");
        goto done;
    }
    length = oqt__checkpoint_length(words);
    w = oqt__calloc((size_t)length, sizeof *w);
    if (!w) {
        st = oqt__no_memory(err, "the file of a run");
        goto done;
    }
    fill(w, tempo);
    st = oqt__checkpoint_write(path, w, length, &KIND, err);
done:
    oqt__free(w);
    oqt__free(bond);
    return st;
}

/* ---- from a file ---- */

static bool sane(const head *h)
{
    return h->limit_hit <= 1 && h->largest_bond >= h->bond && h->bond > 0 && h->discarded_weight >= 0.0 &&
           isfinite(h->discarded_weight) && h->trace_drift >= 0.0 && isfinite(h->trace_drift) &&
           h->flops >= 0.0 && isfinite(h->flops);
}

static oqt_status check_options(const head *h, const oqt_tempo *tp, const char *path, oqt_error *err)
{
    head own = describe(tp);
    const char *what = NULL;

    if (h->d != own.d)
        what = "a dimension";
    else if (h->n_col != own.n_col)
        what = "an initial state or controls";
    else if (h->n_group != own.n_group)
        what = "baths";
    else if (h->memory != own.memory || h->added != own.added)
        what = "a memory";
    else if (h->max_bond != own.max_bond || h->epsrel != own.epsrel)
        what = "a truncation";
    else if (h->split != own.split)
        what = "an order of baths";
    else if (h->dt != own.dt || h->start != own.start)
        what = "a time step or start";
    if (what)
        return oqt__fail(err, OQT_EINVAL, "%s was made with %s other than those of this run", path, what);
    return sane(h) ? OQT_OK : oqt__fail(err, OQT_EFORMAT, "%s has numbers that make no sense", path);
}

/* Slots after n steps; their bonds at w make up the file of `words` words. */
static oqt_status check_bonds(size_t *n_sites, const uint64_t *w, uint64_t words, const oqt_tempo *tp,
                              uint64_t n, const char *path, oqt_error *err)
{
    uint64_t before = HEAD + tp->n_group, n_x = tp->n_col * tp->d * tp->d, count = 0;
    bool ok = n == 0 || oqt__checkpoint_add(&count, n - first_step(tp, n), tp->n_group);

    ok = ok && words > before && count < words - before && w[0] == 1 && (count == 0 || w[count] == n_x);
    for (uint64_t i = 1; ok && i < count; i++)
        ok = w[i] > 0 && w[i] <= words;
    ok = ok && count_words(&before, tp, n, w, (size_t)count) && oqt__checkpoint_length(before) == words;
    if (!ok)
        return oqt__fail(err, OQT_EFORMAT, "%s has bonds that do not make up its length", path);
    *n_sites = (size_t)count;
    return OQT_OK;
}

/* As often as the run did that is restored, so that all coefficients have the same bits. */
static oqt_status reserve(oqt_tempo *tp, uint64_t n_steps, oqt_error *err)
{
    oqt_status st = OQT_OK;

    for (uint64_t n = 1; n > 0 && st == OQT_OK; n = n >= n_steps ? 0 : n < n_steps / 2 ? 2 * n : n_steps)
        for (size_t i = 0; i < tp->n_group && st == OQT_OK; i++)
            st = oqt__group_reserve(&tp->group[i], n, tp->memory, tp->added, tp->dt, tp->n_threads, err);
    return st;
}

static oqt_status check_memory(const double *value, oqt_tempo *tp, uint64_t n, const char *path,
                               oqt_error *err)
{
    oqt_status st = reserve(tp, n, err);

    for (size_t i = 0; i < tp->n_group && st == OQT_OK; i++) {
        oqt__print print;

        memory_print(&tp->group[i], n, tp->memory, &print);
        if (!oqt__print_is(&print, value[i]))
            st = oqt__fail(err, OQT_EINVAL, "%s was made with other baths or couplings", path);
    }
    return st;
}

/* The system from the last slot of step n - 1 on; what was there before is kept. */
static oqt_status check_system(const double *leave, oqt_tempo *tp, uint64_t n, const char *path,
                               oqt_error *err)
{
    oqt__between *b = &tp->between;
    size_t len = tp->n_col * tp->d * tp->d, last = oqt__tempo_group_at(tp, n - 1, tp->n_group - 1);
    double *own = b->leave, *scratch = oqt__doubles(len * len), worst = 0.0, size = 0.0;
    oqt_status st = scratch ? oqt__between_step(b, n - 1, err) : oqt__no_memory(err, "a run");

    len *= len;
    if (st == OQT_OK) {
        b->leave = scratch;
        oqt__between_close(b, &tp->group[last]);
        b->leave = own;
        for (size_t i = 0; i < len; i++) {
            worst = fmax(worst, fabs(scratch[i] - leave[i]));
            size = fmax(size, fabs(scratch[i]));
        }
        if (!(worst <= 1e-10 * size))
            st =
                oqt__fail(err, OQT_EINVAL, "%s was made with another system, or other controls, at step %llu",
                          path, (unsigned long long)n - 1);
    }
    oqt__free(scratch);
    return st;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* The slots go to tp->next. */
static oqt_status load(oqt_tempo *tp, const uint64_t *bond, const double *x, size_t n_sites, uint64_t n_steps,
                       oqt_error *err)
{
    oqt__train *to = &tp->next;
    oqt_status st = oqt__train_room(to, n_sites, err);

    for (size_t i = 0; i < n_sites && st == OQT_OK; i++) {
        oqt__site *site = &to->site[i], made = slot_at(tp, n_steps, i);

        st = oqt__site_resize(site, (size_t)bond[i], made.leg, (size_t)bond[i + 1], err);
        if (st != OQT_OK)
            break;
        site->group = made.group;
        site->step = made.step;
        memcpy(site->a, x, site->left * site->leg * site->right * sizeof *x);
        x += site->left * site->leg * site->right;
    }
    if (st == OQT_OK)
        to->n = n_sites;
    return st;
}

static void stand_at(oqt_tempo *tp, const head *h, const double *rho)
{
    size_t n_x = tp->n_col * tp->d * tp->d;
    oqt__train train = tp->train;

    tp->train = tp->next;
    tp->next = train;
    memcpy(tp->rho, rho, n_x * sizeof *rho);
    memcpy(tp->trace0, rho + n_x, tp->n_col * sizeof *rho);
    memcpy(tp->between.leave, rho + n_x + tp->n_col, n_x * n_x * sizeof *rho);
    tp->stats = (oqt_tempo_stats){.n_steps = h->n_steps,
                                  .bond_dimension = (size_t)h->bond,
                                  .largest_bond = (size_t)h->largest_bond,
                                  .discarded_weight = h->discarded_weight,
                                  .limit_hit = h->limit_hit != 0,
                                  .trace_drift = h->trace_drift,
                                  .n_svd = h->n_svd,
                                  .flops = h->flops};
}

static oqt_status restore(oqt_tempo *tp, const oqt__map *map, const char *path, oqt_error *err)
{
    const uint64_t *w = (const uint64_t *)(const void *)map->data, *bond = w + HEAD + tp->n_group;
    uint64_t words = map->length / sizeof *w;
    size_t n_x = tp->n_col * tp->d * tp->d, n_sites = 0;
    const double *rho, *x;
    head h;
    oqt_status st;

    if (words < HEAD)
        return oqt__fail(err, OQT_EFORMAT, "%s is too short", path);
    memcpy(&h, w, sizeof h);
    if ((st = check_options(&h, tp, path, err)) != OQT_OK ||
        (st = check_bonds(&n_sites, bond, words, tp, h.n_steps, path, err)) != OQT_OK)
        return st;
    rho = (const double *)(const void *)(bond + n_sites + 1);
    x = rho + n_x + tp->n_col + n_x * n_x;
    if (!all_finite(rho, (size_t)(w + words - (const uint64_t *)(const void *)rho) - 4))
        return oqt__fail(err, OQT_EFORMAT, "%s has numbers that are not finite", path);
    if (h.n_steps > 0 &&
        ((st = check_memory((const double *)(const void *)(w + HEAD), tp, h.n_steps, path, err)) != OQT_OK ||
         (st = check_system(rho + n_x + tp->n_col, tp, h.n_steps, path, err)) != OQT_OK))
        return st;
    if ((st = load(tp, bond, x, n_sites, h.n_steps, err)) != OQT_OK)
        return st;
    stand_at(tp, &h, rho);
    return OQT_OK;
}

oqt_status oqt_tempo_restore(oqt_tempo *tempo, const char *path, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt__map map = {NULL, 0};
    oqt_status st;

    if (!tempo || !path)
        return oqt__fail(err, OQT_EINVAL, "run or path of the file is missing");
    if ((st = oqt__checkpoint_map(&map, path, &KIND, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    st = restore(tempo, &map, path, err);
    oqt__blas_leave(&guard);
    oqt__unmap_file(&map);
    return st;
}
