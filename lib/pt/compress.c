/*
 * compress.c - recompression of a finished process tensor.
 *
 * The states of a bond are weighed as when a tensor is built (docs/theory.md, sections 6 and 7): with what
 * the rest of the tensor does on paths that stay on their legs for a while. For a uniform tensor the
 * environments are those of a long chain, iterated until they settle.
 */
#include "pt/chain.h"
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

/* Iterations of the environments of a uniform tensor: until no diagonal element changes by more than SETTLED
 * of itself. They need not converge, for any environment gives a valid truncation. */
static const double SETTLED = 1e-3;
enum { MAX_ITERATIONS = 400 };

/* Steps of paths on which a copy is compared with an original that had no path test. */
enum { UNTESTED_STEPS = 128 };

struct job {
    const oqt_pt *pt;
    double tolerance, lam;
    size_t max_bond;
    oqt__real_legs real;
    oqt__trunc_record record;
};

/* ---- layout ---- */

/* The inverse of oqt__site_to_slot. */
static void slot_to_site(double *site, const oqt__slot *slot, const oqt__real_legs *real)
{
    for (size_t c = 0; c < real->n_class; c++)
        for (size_t part = 0; part < 1 + (size_t)real->twice[c]; part++)
            for (size_t i = 0; i < slot->left; i++)
                memcpy(site + (i * real->n + real->first[c] + part) * slot->right,
                       slot->f + ((2 * c + part) * slot->left + i) * slot->right, slot->right * sizeof *site);
}

oqt_status oqt__pt_copy_shell(oqt_pt **out, const oqt_pt *pt, oqt_error *err)
{
    oqt_pt *copy = oqt__calloc(1, sizeof *copy);
    size_t d = pt->d, n = pt->n_tail;
    bool ok = copy != NULL;

    if (ok) {
        copy->d = d;
        copy->dt = pt->dt;
        copy->rotated = pt->rotated;
        copy->path_growth = pt->path_growth;
        copy->info = pt->info;
        copy->n_slope = pt->n_slope;
        copy->n_tail = n;
        copy->o = oqt__copy(pt->o, d, sizeof *pt->o);
        copy->u = oqt__copy(pt->u, d * d, sizeof *pt->u);
        ok = copy->o && copy->u && oqt__legs_create(&copy->legs, pt->o, d, err) == OQT_OK;
    }
    if (ok && pt->n_slope > 0)
        ok = (copy->slope = oqt__copy(pt->slope, pt->n_slope, sizeof *pt->slope)) != NULL;
    if (ok && n > 0) {
        copy->tail_b = oqt__copy(pt->tail_b, n, sizeof *pt->tail_b);
        copy->tail_c = oqt__copy(pt->tail_c, n, sizeof *pt->tail_c);
        copy->tail_power = oqt__copy(pt->tail_power, OQT__POWERS * n * n, sizeof *pt->tail_power);
        ok = copy->tail_b && copy->tail_c && copy->tail_power;
    }
    if (!ok) {
        oqt_pt_destroy(copy);
        return oqt__no_memory(err, "a process tensor");
    }
    *out = copy;
    return OQT_OK;
}

/* ---- finite tensors ---- */

static oqt_status chain_of(oqt__chain *out, const struct job *job, oqt_error *err)
{
    oqt__chain chain = {0};
    oqt_status st = oqt__chain_alloc(&chain, job->pt->info.n_steps, err);

    if (st != OQT_OK)
        return st;
    chain.bond[0] = 1;
    for (size_t k = 0; k < chain.n; k++) {
        oqt__slot slot = oqt__pt_slot(job->pt, k);

        chain.bond[k + 1] = slot.right;
        chain.site[k] = oqt__doubles(slot.left * job->real.n * slot.right);
        if (!chain.site[k]) {
            oqt__chain_release(&chain);
            return oqt__no_memory(err, "a process tensor");
        }
        slot_to_site(chain.site[k], &slot, &job->real);
    }
    *out = chain;
    return OQT_OK;
}

static oqt_status compress_sequence(oqt_pt *to, struct job *job, oqt_error *err)
{
    oqt__chain_rule rule = {.tolerance = job->tolerance, .lam = job->lam, .max_bond = job->max_bond};
    oqt__chain chain = {0}, next = {0};
    oqt_status st;

    if ((st = chain_of(&chain, job, err)) == OQT_OK &&
        (st = oqt__chain_compress(&next, &chain, NULL, 0, chain.n, &job->real, &rule, &job->record, err)) ==
            OQT_OK &&
        (st = oqt__pt_set_bonds(to, next.bond, err)) == OQT_OK)
        for (size_t k = 0; k < next.n; k++)
            oqt__site_to_slot(to->f + to->offset[k], next.site[k], next.bond[k], next.bond[k + 1],
                              &job->real);
    oqt__chain_release(&chain);
    oqt__chain_release(&next);
    return st;
}

/* ---- uniform tensors ---- */

static bool has_settled(const double *metric, double *before, size_t n)
{
    bool settled = true;

    for (size_t i = 0; i < n; i++) {
        settled = settled && fabs(metric[i * n + i] - before[i]) <= SETTLED * metric[i * n + i];
        before[i] = metric[i * n + i];
    }
    return settled;
}

/* metric <- that of the states on one side, chi x chi; before: scratch of chi. */
static void settle(double *metric, oqt__sweep *s, const double *site, size_t chi, bool right, double *before)
{
    oqt__sweep_start(s, chi);
    memset(before, 0, chi * sizeof *before);
    for (size_t i = 0; i < MAX_ITERATIONS; i++) {
        if (right)
            oqt__sweep_right_env(s, site, chi, chi);
        else
            oqt__sweep_left_env(s, site, chi, chi);
        if (has_settled(s->env.metric, before, chi))
            break;
    }
    memcpy(metric, s->env.metric, chi * chi * sizeof *metric);
}

static oqt_status compress_slot(oqt_pt *to, struct job *job, oqt_error *err)
{
    size_t chi = job->pt->chi, p = job->real.n, kept;
    oqt__slot slot = oqt__pt_slot(job->pt, 0);
    double *site = oqt__doubles(chi * p * chi), *mid = oqt__doubles(chi * p * chi),
           *before = oqt__doubles(chi);
    double *right = oqt__doubles(chi * chi), *left = oqt__doubles(chi * chi);
    oqt__projectors projectors = {0};
    oqt__sweep s = {0};
    oqt_status st;

    if (!site || !mid || !before || !right || !left) {
        st = oqt__no_memory(err, "a truncation");
        goto done;
    }
    if ((st = oqt__sweep_init(&s, &job->real, job->lam, chi, err)) != OQT_OK)
        goto done;
    slot_to_site(site, &slot, &job->real);
    settle(right, &s, site, chi, true, before);
    settle(left, &s, site, chi, false, before);
    if ((st = oqt__projectors_create(&projectors, left, right, chi, job->tolerance, job->max_bond, &s.ws,
                                     &job->record, err)) != OQT_OK)
        goto done;
    kept = projectors.kept;
    if ((to->f = oqt__doubles(2 * to->legs.n_class * kept * kept)) == NULL) {
        st = oqt__no_memory(err, "the process tensor");
        goto done;
    }
    oqt__gemm(false, false, kept, p * chi, chi, 1.0, projectors.left, chi, site, p * chi, 0.0, mid, p * chi);
    oqt__gemm(false, false, kept * p, kept, chi, 1.0, mid, chi, projectors.right, kept, 0.0, site, kept);
    oqt__site_to_slot(to->f, site, kept, kept, &job->real);
    to->chi = to->info.bond_dimension = kept;
done:
    oqt__projectors_release(&projectors);
    oqt__sweep_release(&s);
    oqt__free(site);
    oqt__free(mid);
    oqt__free(before);
    oqt__free(right);
    oqt__free(left);
    return st;
}

/* ---- the whole ---- */

/* Length of paths on which the two are compared; a file may say anything. */
static size_t count_steps(const oqt_pt *pt)
{
    size_t n = pt->info.path_steps < OQT__PATH_STEPS_MAX ? pt->info.path_steps : OQT__PATH_STEPS_MAX;

    if (n < 1)
        n = UNTESTED_STEPS;
    return n < pt->info.n_steps ? n : pt->info.n_steps;
}

static oqt_status check_arguments(const oqt_pt *pt, double tolerance, int n_threads, oqt_error *err)
{
    if (!pt)
        return oqt__fail(err, OQT_EINVAL, "process tensor must be given");
    if (pt->info.general_legs)
        return oqt__fail(err, OQT_EUNSUPPORTED, "process tensors with general legs cannot be compressed");
    if (!(tolerance >= OQT__TOLERANCE_MIN) || !(tolerance < 1.0))
        return oqt__fail(err, OQT_EINVAL, "tolerance must be at least %g and below 1, got %g",
                         OQT__TOLERANCE_MIN, tolerance);
    if (n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", n_threads);
    return OQT_OK;
}

oqt_status oqt_pt_compress(oqt_pt **out, const oqt_pt *pt, double tolerance, size_t max_bond, int n_threads,
                           oqt_error *err)
{
    struct job job = {.pt = pt, .tolerance = tolerance};
    oqt__blas_guard guard = {false};
    oqt_pt *to = NULL;
    double distance = 0.0;
    oqt_status st = check_arguments(pt, tolerance, n_threads, err);

    if (st != OQT_OK)
        return st;
    job.max_bond = max_bond == 0 || max_bond > OQT__BOND_LIMIT ? OQT__BOND_LIMIT : max_bond;
    job.lam = pt->info.path_rate > 0.0 ? exp(-pt->info.path_rate * pt->dt) : OQT__LAM_DEFAULT;
    oqt__blas_enter(&guard);
    if ((st = oqt__pt_copy_shell(&to, pt, err)) != OQT_OK ||
        (st = oqt__real_legs_create(&job.real, &pt->legs, err)) != OQT_OK)
        goto done;
    st = pt->bond ? compress_sequence(to, &job, err) : compress_slot(to, &job, err);
    if (st == OQT_OK && pt->chi > 1)
        st = oqt__path_distance(&distance, pt, to, count_steps(pt), job.lam, n_threads, err);
    if (st != OQT_OK)
        goto done;
    to->info.path_error += distance;
    if (!(to->info.path_error < 1.0)) { /* as of a tensor that is built */
        st = oqt__fail(err, OQT_ECONV, "nothing is left of the process tensor: path error %.1e at bond %zu",
                       to->info.path_error, to->chi);
        goto done;
    }
    if (pt->info.error_estimate > 0.0)
        to->info.error_estimate = fmin(pt->info.error_estimate + OQT__PATH_ERRORS * distance, 1.0);
    to->info.tolerance = fmax(pt->info.tolerance, tolerance);
    to->info.discarded_weight += job.record.discarded_weight;
    to->info.state_limit_hit = pt->info.state_limit_hit || job.record.limited;
    *out = to;
    to = NULL;
done:
    oqt_pt_destroy(to);
    oqt__real_legs_release(&job.real);
    oqt__blas_leave(&guard);
    return st;
}
