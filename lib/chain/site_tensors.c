/* site_tensors.c - the process tensors of a site of a chain, and what their states count for. */
#include <string.h>

#include "chain/tebd_priv.h"

void oqt__site_tensors_release(oqt__site_tensors *t)
{
    oqt__stepper_release(&t->stepper);
    for (int k = 0; k < 2; k++) {
        oqt__free(t->enter[k]);
        oqt__free(t->leave[k]);
    }
    oqt__free(t->factor);
    oqt__free(t->factor_scratch);
    for (size_t e = 0; t->weight && e < t->stepper.n_pt; e++)
        oqt__free(t->weight[e]);
    oqt__free(t->weight);
    oqt__free(t->at);
    oqt__free(t->bond);
    oqt__free(t->w);
}

/* ---- turns and weights ---- */

/* Turns into the eigenbasis of the first tensor and out of that of the last, unless they are the identity. */
static oqt_status make_turns(oqt__site_tensors *t, size_t d2, oqt_error *err)
{
    double *one = oqt__doubles(d2 * d2);
    bool rotated = false, ok = one != NULL;

    for (size_t i = 0; ok && i < d2; i++)
        one[i * d2 + i] = 1.0;
    for (size_t e = 0; e < t->stepper.n_pt; e++)
        rotated = rotated || t->stepper.tensor[e].rotation;
    for (int k = 0; ok && rotated && k < 2; k++) {
        t->enter[k] = oqt__doubles(d2 * d2);
        t->leave[k] = oqt__doubles(d2 * d2);
        ok = t->enter[k] && t->leave[k];
        if (!ok)
            break;
        oqt__turn_enter(t->enter[k], &t->stepper, (uint64_t)k, one);
        oqt__turn_leave(t->leave[k], &t->stepper, (uint64_t)k, one);
    }
    oqt__free(one);
    return ok ? OQT_OK : oqt__no_memory(err, "the process tensors of a chain");
}

/* Weights of the states of all process tensors of a site together, before a step; the bonds are known. */
static void product_weights(oqt__site_tensors *t, const size_t *bond)
{
    size_t n = 1;

    t->w[0] = 1.0;
    for (size_t e = 0; e < t->stepper.n_pt; e++) {
        const double *w = t->weight[e] + t->at[e];

        for (size_t i = n; i-- > 0;) /* from the end, since it is done in place */
            for (size_t k = bond[e]; k-- > 0;)
                t->w[i * bond[e] + k] = t->w[i] * w[k];
        n *= bond[e];
    }
}

static oqt_status find_weights(oqt__site_tensors *t, size_t largest, oqt_error *err)
{
    static const double LAM = 0.9;
    size_t n_pt = t->stepper.n_pt;
    oqt_status st = OQT_OK;

    t->weight = oqt__calloc(n_pt, sizeof *t->weight);
    t->at = oqt__calloc(n_pt, sizeof *t->at);
    t->bond = oqt__calloc(n_pt, sizeof *t->bond);
    t->w = oqt__doubles(largest);
    if (!t->weight || !t->at || !t->bond || !t->w)
        return oqt__no_memory(err, "weights of process tensors");
    for (size_t e = 0; e < n_pt && st == OQT_OK; e++) {
        const oqt_pt *pt = t->stepper.tensor[e].pt;
        size_t len = pt->chi;

        for (size_t i = 0; pt->bond && i <= pt->info.n_steps; i++)
            len = i == 0 ? pt->bond[0] : len + pt->bond[i];
        t->weight[e] = oqt__doubles(len);
        if (!t->weight[e])
            return oqt__no_memory(err, "weights of process tensors");
        st = oqt__pt_state_weights(t->weight[e], pt, LAM, err);
    }
    return st;
}

/* Go over to the bonds behind a step. */
static void advance_weights(oqt__site_tensors *t, uint64_t step)
{
    for (size_t e = 0; e < t->stepper.n_pt; e++) {
        const oqt_pt *pt = t->stepper.tensor[e].pt;

        if (pt->bond)
            t->at[e] += t->bond[e];
        t->bond[e] = oqt__pt_slot(pt, step).right;
    }
    product_weights(t, t->bond);
}

/* The weights of the states behind so many steps. */
void oqt__site_tensors_place(oqt__site_tensors *t, uint64_t n_steps)
{
    for (size_t e = 0; e < t->stepper.n_pt; e++) {
        const oqt_pt *pt = t->stepper.tensor[e].pt;

        t->at[e] = 0;
        for (uint64_t k = 0; pt->bond && k < n_steps; k++)
            t->at[e] += pt->bond[k];
        t->bond[e] = n_steps == 0 ? oqt__pt_slot(pt, 0).left : oqt__pt_slot(pt, n_steps - 1).right;
    }
    if (t->any)
        product_weights(t, t->bond);
}

/* ---- creation ---- */

oqt_status oqt__tebd_attach(oqt_tebd *run, size_t site, size_t n_pt, const oqt_pt *const *pts, double dt,
                            oqt_error *err)
{
    oqt__site_tensors *t = run->tensors + site;
    size_t d = run->chain->dim[site], n_tail = 0, largest;
    oqt_status st;

    for (size_t e = 0; e < n_pt; e++) {
        if (!pts[e])
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu of site %zu is missing", e, site);
        if (pts[e]->d != d)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu of site %zu has dimension %zu, the site %zu", e, site,
                             pts[e]->d, d);
        if (pts[e]->dt != dt)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu of site %zu has time step %.17g, the chain %.17g", e, site,
                             pts[e]->dt, dt);
        if (pts[e]->info.method == OQT_PT_DEPHASING)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu of site %zu is a closed form, which a chain cannot use", e,
                             site);
        run->imported = run->imported || pts[e]->info.method == OQT_PT_IMPORTED;
        n_tail = pts[e]->n_tail > n_tail ? pts[e]->n_tail : n_tail;
    }
    if ((st = oqt__stepper_init(&t->stepper, d, n_pt, pts, OQT_SPLIT_SYMMETRIC, err)) != OQT_OK ||
        (st = oqt__stepper_largest(&largest, &t->stepper, err)) != OQT_OK)
        return st;
    for (size_t e = 0; e < n_pt; e++)
        if (run->stats.n_steps > pts[e]->info.n_steps)
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu of site %zu covers %zu steps, not %llu", e,
                             site, pts[e]->info.n_steps, (unsigned long long)run->stats.n_steps);
    t->any = n_pt > 0;
    t->factor = oqt__calloc(n_pt * d * d, sizeof *t->factor);
    t->factor_scratch = oqt__doubles(3 * n_tail);
    if (!t->factor || !t->factor_scratch)
        return oqt__no_memory(err, "the process tensors of a chain");
    if (n_pt == 0)
        return OQT_OK;
    if ((st = make_turns(t, d * d, err)) != OQT_OK || (st = find_weights(t, largest, err)) != OQT_OK)
        return st;
    oqt__site_tensors_place(t, run->stats.n_steps);
    return OQT_OK;
}

/* The process tensors of a site begin in their first states. */
static oqt_status open_bonds(oqt__chain_site *site, size_t a, oqt_error *err)
{
    size_t lr = site->l * site->r, len;
    double *x;

    if (!oqt__mul_size(&len, site->p * lr, a))
        len = SIZE_MAX;
    x = oqt__doubles(len);
    if (!x)
        return oqt__no_memory(err, "the process tensors of a chain");
    for (size_t p = 0; p < site->p; p++)
        memcpy(x + p * a * lr, site->x + p * lr, lr * sizeof *x);
    oqt__free(site->x);
    site->x = x;
    site->room = len;
    site->a = a;
    return OQT_OK;
}

oqt_status oqt__tebd_open(oqt_tebd *run, oqt_error *err)
{
    uint64_t step = run->stats.n_steps;
    oqt_status st = OQT_OK;

    for (size_t i = 0; st == OQT_OK && i < run->mps.n; i++) {
        oqt__chain_site *site = run->mps.site + i;
        size_t a = oqt__tebd_states(run, i, step);

        site->w = run->tensors[i].w;
        if (site->a == a)
            continue;
        if (step > 0)
            return oqt__fail(err, OQT_EINVAL,
                             "site %zu has process tensors, whose %zu states at step %llu must be given", i,
                             a, (unsigned long long)step);
        st = open_bonds(site, a, err);
    }
    return st;
}

/* ---- steps ---- */

/* The process tensors of a site: the columns of the batch are its two bonds. */
oqt_status oqt__tebd_apply_tensors(oqt_tebd *run, size_t i, uint64_t step, oqt__chain_ws *ws, oqt_error *err)
{
    oqt__chain_site *site = run->mps.site + i;
    oqt__site_tensors *t = run->tensors + i;
    size_t d2 = site->p, width = site->l * site->r, before = site->a * width, after, largest, len;
    const double *turn;
    double *x, *y;
    oqt_status st;

    after = oqt__stepper_bonds_after(&t->stepper, step) * width;
    (void)oqt__stepper_largest(&largest, &t->stepper, NULL);
    if (!oqt__mul_size(&len, d2 * width, largest) || len > SIZE_MAX / 32)
        return oqt__fail(err, OQT_ERANGE, "site %zu with all its bonds is too large", i);
    if ((st = oqt__chain_ws_reserve(ws, 2 * len, err)) != OQT_OK)
        return st;
    x = ws->mem;
    y = x + len;
    for (size_t e = 0; e < t->stepper.n_pt; e++)
        oqt__pt_factors(t->factor + e * d2, d2, t->stepper.tensor[e].pt, step, 1, t->factor_scratch);
    turn = t->enter[step % 2];
    if (turn)
        oqt__turn(y, site->x, turn, d2, before);
    else
        memcpy(y, site->x, d2 * before * sizeof *y);
    oqt__step_tensors(x, y, &t->stepper, step, t->factor, width, 1);
    if ((st = oqt__chain_site_reserve(site, d2 * after, err)) != OQT_OK)
        return st;
    turn = t->leave[step % 2];
    if (turn)
        oqt__turn(site->x, x, turn, d2, after);
    else
        memcpy(site->x, x, d2 * after * sizeof *x);
    site->a = after / width;
    advance_weights(t, step);
    return OQT_OK;
}

/* Of the products with the process tensors of a site. */
double oqt__tebd_tensor_flops(const oqt_tebd *run, size_t i, uint64_t step)
{
    const oqt__chain_site *site = run->mps.site + i;
    double legs = 2.0 * (double)site->d * (double)(2 * site->d - 1), states = (double)site->a, sum = 0.0;

    for (size_t e = 0; e < run->tensors[i].stepper.n_pt; e++) {
        oqt__slot slot = oqt__pt_slot(run->tensors[i].stepper.tensor[e].pt, step);

        sum += legs * states * (double)slot.right;
        states *= (double)slot.right / (double)slot.left;
    }
    return sum * (double)(site->l * site->r);
}

oqt_status oqt__tebd_covers(const oqt_tebd *run, uint64_t n_steps, oqt_error *err)
{
    for (size_t i = 0; i < run->mps.n; i++)
        for (size_t e = 0; e < run->tensors[i].stepper.n_pt; e++) {
            size_t covered = run->tensors[i].stepper.tensor[e].pt->info.n_steps;

            if (covered != SIZE_MAX && n_steps > covered)
                return oqt__fail(err, OQT_EINVAL,
                                 "process tensor %zu of site %zu covers %zu steps; asked for step %llu", e, i,
                                 covered, (unsigned long long)n_steps);
        }
    return OQT_OK;
}

/* ---- for other files ---- */

const oqt_pt *oqt__tebd_pt(const oqt_tebd *run, size_t site, size_t e)
{
    const oqt__stepper *s = &run->tensors[site].stepper;

    return e < s->n_pt ? s->tensor[e].pt : NULL;
}

size_t oqt__tebd_states(const oqt_tebd *run, size_t site, uint64_t n_steps)
{
    const oqt__stepper *s = &run->tensors[site].stepper;

    return n_steps == 0 ? oqt__stepper_bonds(s, 0) : oqt__stepper_bonds_after(s, n_steps - 1);
}
