/*
 * tebd.c - PT-TEBD: gates, process tensors, and the graph of tasks that they form.
 *
 * A step is a list of operations, each on one or two sites. An operation waits for the last ones that touched
 * its sites, for nothing else; so tasks of several layers, and of several steps, are at work at once. Each is
 * deterministic, and so is the whole.
 */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "chain/chain_priv.h"
#include "dynamics/dyn_priv.h"
#include "liouville/control_priv.h"
#include "liouville/hermitian.h"

/* Steps that are handed out before progress is reported. */
enum { STEPS_AT_ONCE = 8 };

/* A gate on bond `at`, or the process tensors of site `at`. */
typedef struct {
    enum { GATE, TENSORS } kind;
    size_t at;
    double from, to;    /* part of the step that a gate covers           */
    const double *gate; /* its matrix; NULL: another one in every step   */
    double *own;        /* the same, where it is not that of one before  */
} operation;

/* The process tensors of a site. */
typedef struct {
    oqt__stepper stepper;
    bool any;
    double *enter[2], *leave[2]; /* turns into and out of eigenbases in even and odd steps; NULL: none */
    oqt_complex *factor;         /* n_pt x d^2 */
    double *factor_scratch;
    double **weight; /* n_pt: weights of the states of each tensor, bond after bond */
    size_t *at;      /* n_pt: where those of the present bond begin                 */
    size_t *bond;    /* n_pt: the present bonds                                     */
    double *w;       /* of the product of the present bonds                         */
} site_tensors;

struct oqt_tebd {
    oqt_chain *chain;
    oqt__mps mps;
    site_tensors *tensors; /* of each site */
    oqt__gates gates;
    size_t n_ops;
    operation *op;    /* those of a step                                            */
    size_t n_varying; /* gates that are made for every step ..                      */
    double **varying; /* .. STEPS_AT_ONCE x n_varying                               */
    oqt_control **site_control, **bond_control; /* copies; NULL: none, or none there */
    double dt, start_time;
    bool imported; /* some process tensor conserves traces up to its own truncation only */
    oqt__trunc rule;
    oqt_parallel parallel;
    int n_threads;             /* of tasks */
    int n_blas;                /* in BLAS instead */
    oqt__chain_ws *ws;         /* n_threads */
    oqt__trunc_record *record; /* of each bond, at its left site */
    double *work;              /* of each site: seconds of tasks */
    double *plan;              /* of each site: scratch of the cost model */
    double *ready;             /* of each site: length of the longest chain of tasks that ends there */
    size_t *widest;            /* of each site */
    oqt_progress progress;
    pthread_mutex_t failure_lock;
    oqt_error failure; /* of a task; the run is over */
    oqt_tebd_stats stats;
    double trace0;
};

/* ---- destruction ---- */

void oqt_tebd_destroy(oqt_tebd *run)
{
    if (!run)
        return;
    for (size_t i = 0; run->tensors && i < run->mps.n; i++) {
        site_tensors *t = run->tensors + i;

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
    for (size_t k = 0; run->op && k < run->n_ops; k++)
        oqt__free(run->op[k].own);
    for (size_t k = 0; run->varying && k < STEPS_AT_ONCE * run->n_varying; k++)
        oqt__free(run->varying[k]);
    for (size_t i = 0; i < run->mps.n; i++) {
        if (run->site_control)
            oqt_control_destroy(run->site_control[i]);
        if (run->bond_control && i + 1 < run->mps.n)
            oqt_control_destroy(run->bond_control[i]);
    }
    oqt__gates_release(&run->gates);
    for (int k = 0; run->ws && k < run->n_threads; k++)
        oqt__chain_ws_release(run->ws + k);
    oqt__mps_release(&run->mps);
    oqt_chain_destroy(run->chain);
    oqt__free(run->tensors);
    oqt__free(run->op);
    oqt__free(run->varying);
    oqt__free(run->site_control);
    oqt__free(run->bond_control);
    oqt__free(run->ws);
    oqt__free(run->record);
    oqt__free(run->work);
    oqt__free(run->ready);
    oqt__free(run->plan);
    oqt__free(run->widest);
    pthread_mutex_destroy(&run->failure_lock);
    oqt__free(run);
}

/* ---- the operations of a step ---- */

/* Add a gate, or lengthen the last one on the bond if nothing else has touched its sites since. */
static void add_gate(oqt_tebd *run, size_t *last, size_t bond, double from, double to)
{
    if (last[bond] < SIZE_MAX && last[bond] == last[bond + 1] && run->op[last[bond]].kind == GATE) {
        run->op[last[bond]].to = to;
        return;
    }
    last[bond] = last[bond + 1] = run->n_ops;
    run->op[run->n_ops++] = (operation){.kind = GATE, .at = bond, .from = from, .to = to};
}

/* From the middle outwards: wide bonds, which others wait for the longest, begin first. */
static void add_layer(oqt_tebd *run, size_t *last, size_t parity, double from, double to)
{
    size_t count = (run->mps.n - parity) / 2, middle = (count - 1) / 2;

    for (size_t k = 0; k < count; k++)
        add_gate(run, last, parity + 2 * (k % 2 ? middle + (k + 1) / 2 : middle - k / 2), from, to);
}

/* Second order: even, odd, even. */
static void add_symmetric(oqt_tebd *run, size_t *last, double from, double to)
{
    double middle = 0.5 * (from + to);

    add_layer(run, last, 0, from, middle);
    add_layer(run, last, 1, from, to);
    add_layer(run, last, 0, middle, to);
}

/* Half a step of the chain in one of the orders. */
static void add_half_step(oqt_tebd *run, size_t *last, int order, double from)
{
    double to = from + 0.5, at = from;

    if (order == 1) {
        add_layer(run, last, 0, from, to);
        add_layer(run, last, 1, from, to);
    } else if (order == 2) {
        add_symmetric(run, last, from, to);
    } else { /* Suzuki: p, p, 1 - 4p, p, p of the second order */
        double p = 1.0 / (4.0 - cbrt(4.0));
        double part[5] = {p, p, 1.0 - 4.0 * p, p, p};

        for (int k = 0; k < 5; k++) {
            double next = k < 4 ? at + 0.5 * part[k] : to;

            add_symmetric(run, last, at, next);
            at = next;
        }
    }
}

static oqt_status plan_step(oqt_tebd *run, int order, oqt_error *err)
{
    size_t n = run->mps.n, room = (order == 4 ? 31 : 7) * n;
    size_t *last = oqt__calloc(n, sizeof *last);

    run->op = oqt__calloc(room, sizeof *run->op);
    if (!last || !run->op) {
        oqt__free(last);
        return oqt__no_memory(err, "the gates of a chain");
    }
    for (size_t i = 0; i < n; i++)
        last[i] = SIZE_MAX;
    add_half_step(run, last, order, 0.0);
    for (size_t i = 0; i < n; i++) {
        if (!run->tensors[i].any)
            continue;
        last[i] = run->n_ops;
        run->op[run->n_ops++] = (operation){.kind = TENSORS, .at = i};
    }
    add_half_step(run, last, order, 0.5);
    oqt__free(last);
    return OQT_OK;
}

/* Matrices of the gates that do not depend on time, those of equal bond and length once. */
static oqt_status make_gates(oqt_tebd *run, oqt_error *err)
{
    oqt_status st;

    for (size_t k = 0; k < run->n_ops; k++) {
        operation *op = run->op + k;
        size_t n = run->mps.site[op->at].p;

        if (op->kind != GATE)
            continue;
        if (!run->gates.constant[op->at]) {
            run->n_varying++;
            continue;
        }
        for (size_t i = 0; i < k && !op->gate; i++) {
            const operation *before = run->op + i;

            if (before->own && before->at == op->at &&
                fabs((before->to - before->from) - (op->to - op->from)) < 1e-14)
                op->gate = before->own;
        }
        if (op->gate)
            continue;
        n *= run->mps.site[op->at + 1].p;
        op->gate = op->own = oqt__doubles(n * n);
        if (!op->own)
            return oqt__no_memory(err, "the gates of a chain");
        if ((st = oqt__gates_make(op->own, &run->gates, op->at, run->dt * op->from, run->dt * op->to, err)) !=
            OQT_OK)
            return st;
    }
    run->varying = oqt__calloc(STEPS_AT_ONCE * run->n_varying, sizeof *run->varying);
    if (!run->varying)
        return oqt__no_memory(err, "the gates of a chain");
    for (size_t s = 0, v = 0; s < STEPS_AT_ONCE; s++)
        for (size_t k = 0; k < run->n_ops; k++) {
            const operation *op = run->op + k;
            size_t n = run->mps.site[op->at].p;

            if (op->kind != GATE || op->gate)
                continue;
            n *= run->mps.site[op->at + 1].p;
            run->varying[v] = oqt__doubles(n * n);
            if (!run->varying[v++])
                return oqt__no_memory(err, "the gates of a chain");
        }
    return OQT_OK;
}

/* The gates of n steps from the present one on that depend on time. Callbacks are called here only. */
static oqt_status make_varying_gates(oqt_tebd *run, uint64_t n, oqt_error *err)
{
    double **gate = run->varying;
    oqt_status st;

    for (uint64_t s = 0; run->n_varying > 0 && s < n; s++)
        for (size_t k = 0; k < run->n_ops; k++) {
            const operation *op = run->op + k;
            double t = run->start_time + (double)(run->stats.n_steps + s) * run->dt;

            if (op->kind == GATE && !op->gate &&
                (st = oqt__gates_make(*gate++, &run->gates, op->at, t + op->from * run->dt,
                                      t + op->to * run->dt, err)) != OQT_OK)
                return st;
        }
    return OQT_OK;
}

/* ---- controls ---- */

/* Let the control of a site act. */
static oqt_status control_site(oqt_tebd *run, size_t i, oqt_when when, bool *acted, oqt_error *err)
{
    oqt__chain_site *site = run->mps.site + i;
    size_t n = site->p, rest = site->a * site->l * site->r;
    oqt__control_kind kind = OQT__CONTROL_NONE;
    double *s, *x;
    oqt_status st;

    if ((st = oqt__chain_ws_reserve(run->ws, 2 * n * n + n * rest, err)) != OQT_OK)
        return st;
    s = run->ws->mem;
    x = s + 2 * n * n;
    st = oqt__control_find(&kind, s, s + n * n, run->site_control[i], run->stats.n_steps, when,
                           run->start_time, run->dt, err);
    if (st != OQT_OK || kind == OQT__CONTROL_NONE)
        return st;
    memcpy(x, site->x, n * rest * sizeof *x);
    oqt__gemm(false, false, n, rest, n, 1.0, s, n, x, rest, 0.0, site->x, rest);
    *acted = true;
    return OQT_OK;
}

static oqt_status control_bond(oqt_tebd *run, size_t b, oqt_when when, bool *acted, oqt_error *err)
{
    size_t n = run->mps.site[b].p * run->mps.site[b + 1].p;
    oqt__control_kind kind = OQT__CONTROL_NONE;
    double *s = oqt__doubles(2 * n * n);
    oqt_status st;

    if (!s)
        return oqt__no_memory(err, "a control of two sites");
    st = oqt__control_find(&kind, s, s + n * n, run->bond_control[b], run->stats.n_steps, when,
                           run->start_time, run->dt, err);
    if (st == OQT_OK && kind != OQT__CONTROL_NONE) {
        oqt__gates_from_joint(s, &run->gates, b, s);
        st = oqt__mps_gate(&run->mps, b, s, &run->rule, run->ws, run->record + b, err);
        *acted = true;
    }
    oqt__free(s);
    return st;
}

/* All controls at the present step: those of sites, then those of bonds. They need not conserve the trace. */
static oqt_status apply_controls(oqt_tebd *run, oqt_when when, oqt_error *err)
{
    bool acted = false;
    oqt_status st = OQT_OK;

    for (size_t i = 0; run->site_control && st == OQT_OK && i < run->mps.n; i++)
        st = control_site(run, i, when, &acted, err);
    for (size_t b = 0; run->bond_control && st == OQT_OK && b + 1 < run->mps.n; b++)
        st = control_bond(run, b, when, &acted, err);
    if (acted && st == OQT_OK)
        oqt__mps_trace_bonds(&run->mps);
    return st;
}

/* Whether any control acts at a step. */
static oqt_status has_controls(bool *any, const oqt_tebd *run, uint64_t step, oqt_when when, oqt_error *err)
{
    *any = false;
    for (size_t i = 0; i < 2 * run->mps.n - 1 && !*any; i++) {
        bool is_bond = i >= run->mps.n;
        oqt_control **list = is_bond ? run->bond_control : run->site_control;
        oqt__control_kind kind = OQT__CONTROL_NONE;
        oqt_status st = OQT_OK;

        if (list)
            st = oqt__control_find(&kind, NULL, NULL, list[is_bond ? i - run->mps.n : i], step, when,
                                   run->start_time, run->dt, err);
        if (st != OQT_OK)
            return st;
        *any = kind != OQT__CONTROL_NONE;
    }
    return OQT_OK;
}

static oqt_status copy_controls(oqt_control ***out, const oqt_control *const *controls, size_t n,
                                const char *what, const size_t *dim, bool pairs, oqt_error *err)
{
    if (!controls)
        return OQT_OK;
    *out = oqt__calloc(n, sizeof **out);
    if (!*out)
        return oqt__no_memory(err, "the controls of a chain");
    for (size_t i = 0; i < n; i++) {
        size_t d = pairs ? dim[i] * dim[i + 1] : dim[i];

        if (!controls[i])
            continue;
        if (oqt_control_dimension(controls[i]) != d)
            return oqt__fail(err, OQT_EINVAL, "control of %s %zu has dimension %zu, expected %zu", what, i,
                             oqt_control_dimension(controls[i]), d);
        if (!oqt__control_is_real(controls[i]))
            return oqt__fail(err, OQT_EINVAL,
                             "control of %s %zu does not keep matrices Hermitian, which a chain needs", what,
                             i);
        if (!((*out)[i] = oqt__control_copy(controls[i])))
            return oqt__no_memory(err, "the controls of a chain");
    }
    return OQT_OK;
}

/* ---- creation ---- */

static oqt_status check_arguments(const oqt_chain *chain, const void *initial, const oqt_tebd_options *opt,
                                  oqt_error *err)
{
    if (!chain || !initial || !opt)
        return oqt__fail(err, OQT_EINVAL, "chain, initial state or options are missing");
    if (opt->struct_size != sizeof *opt)
        return oqt__fail(err, OQT_EINVAL, "chain options of %zu bytes, expected %zu", opt->struct_size,
                         sizeof *opt);
    if (!(opt->dt > 0.0) || !isfinite(opt->dt))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", opt->dt);
    if (opt->order != 1 && opt->order != 2 && opt->order != 4)
        return oqt__fail(err, OQT_EINVAL, "order of the Trotter products must be 1, 2 or 4, got %d",
                         opt->order);
    if (opt->parallel < OQT_PARALLEL_AUTO || opt->parallel > OQT_PARALLEL_NONE)
        return oqt__fail(err, OQT_EINVAL, "unknown use of threads %d", (int)opt->parallel);
    if (!isfinite(opt->start_time))
        return oqt__fail(err, OQT_EINVAL, "start time must be finite, got %g", opt->start_time);
    if (!(opt->tolerance > 0.0) || !(opt->tolerance < 1.0))
        return oqt__fail(err, OQT_EINVAL, "tolerance of a chain must be between 0 and 1, got %g",
                         opt->tolerance);
    if (opt->max_bond == 1 || opt->max_bond == 2)
        return oqt__fail(err, OQT_EINVAL, "limit of the bonds of a chain must be 0 or at least 3, got %zu",
                         opt->max_bond);
    if (opt->n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", opt->n_threads);
    return OQT_OK;
}

static oqt_status check_product(const oqt_chain *chain, const oqt_complex *initial, oqt_error *err)
{
    for (size_t i = 0; i < chain->n; i++) {
        size_t d = chain->dim[i];

        for (size_t k = 0; k < d * d; k++)
            if (!isfinite(initial[k].re) || !isfinite(initial[k].im))
                return oqt__fail(err, OQT_EINVAL,
                                 "initial state of site %zu has an element that is not finite", i);
        if (oqt__hermiticity_defect(initial, d) > 1e-10)
            return oqt__fail(err, OQT_EINVAL, "initial state of site %zu is not Hermitian", i);
        initial += d * d;
    }
    return OQT_OK;
}

static oqt_status start_state(oqt_tebd *run, const oqt_complex *initial, oqt_error *err)
{
    const size_t *d = run->chain->dim;
    size_t n = run->chain->n, total = 0;
    double *x;
    oqt_status st = check_product(run->chain, initial, err);

    if (st != OQT_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        total += d[i] * d[i];
    x = oqt__doubles(total);
    if (!x)
        return oqt__no_memory(err, "the state of a chain");
    for (size_t i = 0, at = 0; i < n; at += d[i] * d[i], i++)
        oqt__herm_from_matrix(x + at, NULL, initial + at, d[i]);
    st = oqt__mps_product(&run->mps, n, d, x, err);
    oqt__free(x);
    return st;
}

/* Turns into the eigenbasis of the first tensor and out of that of the last, unless they are the identity. */
static oqt_status make_turns(site_tensors *t, size_t d2, oqt_error *err)
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
static void product_weights(site_tensors *t, const size_t *bond)
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

static oqt_status find_weights(site_tensors *t, size_t largest, oqt_error *err)
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
        t->bond[e] = oqt__pt_slot(pt, 0).left;
    }
    if (st == OQT_OK)
        product_weights(t, t->bond);
    return st;
}

/* Go over to the bonds behind a step. */
static void advance_weights(site_tensors *t, uint64_t step)
{
    for (size_t e = 0; e < t->stepper.n_pt; e++) {
        const oqt_pt *pt = t->stepper.tensor[e].pt;

        if (pt->bond)
            t->at[e] += t->bond[e];
        t->bond[e] = oqt__pt_slot(pt, step).right;
    }
    product_weights(t, t->bond);
}

/* The process tensors begin in their first states. */
static oqt_status open_bonds(oqt_tebd *run, size_t i, oqt_error *err)
{
    oqt__chain_site *site = run->mps.site + i;
    size_t a = oqt__stepper_bonds(&run->tensors[i].stepper, 0), lr = site->l * site->r, len;
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
    site->w = run->tensors[i].w;
    return OQT_OK;
}

static oqt_status attach(oqt_tebd *run, size_t site, size_t n_pt, const oqt_pt *const *pts, double dt,
                         oqt_error *err)
{
    site_tensors *t = run->tensors + site;
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
    t->any = n_pt > 0;
    t->factor = oqt__calloc(n_pt * d * d, sizeof *t->factor);
    t->factor_scratch = oqt__doubles(3 * n_tail);
    if (!t->factor || !t->factor_scratch)
        return oqt__no_memory(err, "the process tensors of a chain");
    if (n_pt == 0)
        return OQT_OK;
    if ((st = make_turns(t, d * d, err)) != OQT_OK || (st = find_weights(t, largest, err)) != OQT_OK)
        return st;
    return open_bonds(run, site, err);
}

static oqt_status allocate_threads(oqt_tebd *run, int n_threads, oqt_error *err)
{
    size_t n;

    run->n_threads = oqt__blas_callers(n_threads, (run->mps.n + 1) / 2);
    run->n_blas = oqt__threads(n_threads, SIZE_MAX);
    n = (size_t)run->n_threads;
    run->ws = oqt__calloc(n, sizeof *run->ws);
    run->record = oqt__calloc(run->mps.n, sizeof *run->record);
    run->work = oqt__doubles(run->mps.n);
    run->widest = oqt__calloc(run->mps.n, sizeof *run->widest);
    run->ready = oqt__doubles(run->mps.n);
    run->plan = oqt__doubles(run->mps.n);
    return run->ws && run->record && run->work && run->widest && run->ready && run->plan
               ? OQT_OK
               : oqt__no_memory(err, "a chain");
}

/* From a product, or else from arrays. */
static oqt_status create(oqt_tebd **out, const oqt_chain *chain, const oqt_complex *initial,
                         const oqt_chain_state *arrays, const size_t *n_pt, const oqt_pt *const *pts,
                         const oqt_tebd_options *opt, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_tebd *run;
    oqt_status st;

    if (!out)
        return oqt__fail(err, OQT_EINVAL, "place for the run is missing");
    if ((st = check_arguments(chain, initial ? (const void *)initial : arrays, opt, err)) != OQT_OK)
        return st;
    run = oqt__calloc(1, sizeof *run);
    if (!run)
        return oqt__no_memory(err, "a chain");
    pthread_mutex_init(&run->failure_lock, NULL);
    oqt__blas_enter(&guard);
    run->rule = (oqt__trunc){.rel_tail = opt->tolerance, .max_rank = opt->max_bond};
    run->progress = opt->progress;
    run->dt = opt->dt;
    run->parallel = opt->parallel;
    run->start_time = opt->start_time;
    run->chain = oqt__chain_copy(chain);
    if (!run->chain) {
        st = oqt__no_memory(err, "a chain");
        goto done;
    }
    st = initial ? start_state(run, initial, err) : oqt__mps_from_arrays(&run->mps, run->chain, arrays, err);
    if (st != OQT_OK)
        goto done;
    run->tensors = oqt__calloc(chain->n, sizeof *run->tensors);
    if (!run->tensors) {
        st = oqt__no_memory(err, "a chain");
        goto done;
    }
    for (size_t i = 0; i < chain->n; i++) {
        size_t count = n_pt ? n_pt[i] : 0;

        if ((st = attach(run, i, count, pts, opt->dt, err)) != OQT_OK)
            goto done;
        if (count > 0)
            pts += count;
    }
    if ((st = plan_step(run, opt->order, err)) != OQT_OK ||
        (st = oqt__gates_init(&run->gates, run->chain, err)) != OQT_OK ||
        (st = make_gates(run, err)) != OQT_OK ||
        (st = copy_controls(&run->site_control, opt->site_controls, chain->n, "site", chain->dim, false,
                            err)) != OQT_OK ||
        (st = copy_controls(&run->bond_control, opt->bond_controls, chain->n - 1, "bond", chain->dim, true,
                            err)) != OQT_OK ||
        (st = allocate_threads(run, opt->n_threads, err)) != OQT_OK ||
        (st = apply_controls(run, OQT_PRE, err)) != OQT_OK)
        goto done;
    run->trace0 = oqt__mps_trace(&run->mps);
    for (size_t i = 0; i < chain->n; i++)
        if (run->mps.site[i].r > run->stats.bond_dimension)
            run->stats.bond_dimension = run->mps.site[i].r;
    *out = run;
    run = NULL;
done:
    oqt__blas_leave(&guard);
    oqt_tebd_destroy(run);
    return st;
}

oqt_status oqt_tebd_create(oqt_tebd **out, const oqt_chain *chain, const oqt_complex *initial,
                           const size_t *n_pt, const oqt_pt *const *pts, const oqt_tebd_options *opt,
                           oqt_error *err)
{
    return create(out, chain, initial, NULL, n_pt, pts, opt, err);
}

oqt_status oqt_tebd_create_from(oqt_tebd **out, const oqt_chain *chain, const oqt_chain_state *initial,
                                const size_t *n_pt, const oqt_pt *const *pts, const oqt_tebd_options *opt,
                                oqt_error *err)
{
    return create(out, chain, NULL, initial, n_pt, pts, opt, err);
}

/* ---- tasks ---- */

/* The process tensors of a site: the columns of the batch are its two bonds. */
static oqt_status apply_tensors(oqt_tebd *run, size_t i, uint64_t step, oqt__chain_ws *ws, oqt_error *err)
{
    oqt__chain_site *site = run->mps.site + i;
    site_tensors *t = run->tensors + i;
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
        oqt__gemm(false, false, d2, before, d2, 1.0, turn, d2, site->x, before, 0.0, y, before);
    else
        memcpy(y, site->x, d2 * before * sizeof *y);
    oqt__step_tensors(x, y, &t->stepper, step, t->factor, width, 1);
    if ((st = oqt__chain_site_reserve(site, d2 * after, err)) != OQT_OK)
        return st;
    turn = t->leave[step % 2];
    if (turn)
        oqt__gemm(false, false, d2, after, d2, 1.0, turn, d2, x, after, 0.0, site->x, after);
    else
        memcpy(site->x, x, d2 * after * sizeof *x);
    site->a = after / width;
    advance_weights(t, step);
    return OQT_OK;
}

/* Of the products with the process tensors of a site. */
static double tensor_flops(const oqt_tebd *run, size_t i, uint64_t step)
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

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail_run(oqt_tebd *run, const oqt_error *failure)
{
    pthread_mutex_lock(&run->failure_lock);
    if (run->failure.code == OQT_OK)
        run->failure = *failure;
    pthread_mutex_unlock(&run->failure_lock);
}

static bool has_failed(oqt_tebd *run)
{
    oqt_status code;

    pthread_mutex_lock(&run->failure_lock);
    code = run->failure.code;
    pthread_mutex_unlock(&run->failure_lock);
    return code != OQT_OK;
}

static void perform(oqt_tebd *run, const operation *op, const double *gate, uint64_t step)
{
    size_t k = (size_t)oqt__thread_index(), i = op->at;
    double begin = seconds(), taken, at;
    oqt_error err = {OQT_OK, ""};
    oqt_status st;

    if (has_failed(run))
        return;
    if (op->kind == GATE) {
        st = oqt__mps_gate(&run->mps, i, gate, &run->rule, run->ws + k, run->record + i, &err);
        run->widest[i] = run->mps.site[i].r > run->widest[i] ? run->mps.site[i].r : run->widest[i];
    } else {
        run->record[i].flops += tensor_flops(run, i, step);
        st = apply_tensors(run, i, step, run->ws + k, &err);
    }
    if (st != OQT_OK)
        fail_run(run, &err);
    taken = seconds() - begin;
    run->work[i] += taken;
    at = op->kind == GATE ? fmax(run->ready[i], run->ready[i + 1]) + taken : run->ready[i] + taken;
    run->ready[i] = at;
    if (op->kind == GATE)
        run->ready[i + 1] = at;
}

/* A task that waits for the last ones on its sites. */
static void spawn(oqt_tebd *run, const operation *op, const double *gate, uint64_t step)
{
    char *site = (char *)run->ready; /* addresses that stand for the sites */
    char *a = site + op->at, *b = op->kind == GATE ? a + 1 : a;

    (void)a;
    (void)b;
#pragma omp task default(none) firstprivate(run, op, gate, step) depend(inout : a[0], b[0])
    perform(run, op, gate, step);
}

static void spawn_steps(oqt_tebd *run, uint64_t n)
{
    double **varying = run->varying;

    for (uint64_t s = 0; s < n; s++)
        for (size_t k = 0; k < run->n_ops; k++) {
            const operation *op = run->op + k;

            spawn(run, op,
                  op->kind == TENSORS ? NULL
                  : op->gate          ? op->gate
                                      : *varying++,
                  run->stats.n_steps + s);
        }
}

/*
 * Whether the threads should go into BLAS: tasks over sites could not keep two of them busy, and the matrices
 * of the widest bond are large enough to be shared. The cost of a gate is that of decomposing its matrix.
 */
static bool blas_pays(const oqt_tebd *run)
{
    static const double LARGE = 1000.0, IDLE = 1.3;
    double *ready = run->plan, work = 0.0, span = 0.0, widest = 0.0;

    memset(ready, 0, run->mps.n * sizeof *ready);
    for (size_t k = 0; k < run->n_ops; k++) {
        size_t i = run->op[k].at;
        const oqt__chain_site *l = run->mps.site + i, *r = l + 1;
        double cost, at;

        if (run->op[k].kind == TENSORS) {
            ready[i] += tensor_flops(run, i, run->stats.n_steps);
            work += tensor_flops(run, i, run->stats.n_steps);
            continue;
        }
        double rows = (double)l->p * fmin((double)(l->a * l->l), (double)(l->p * l->r));
        double cols = (double)r->p * fmin((double)(r->a * r->r), (double)(r->p * r->l));

        cost = 10.0 * rows * cols * fmin(rows, cols);
        at = fmax(ready[i], ready[i + 1]) + cost;
        ready[i] = ready[i + 1] = at;
        work += cost;
        widest = fmax(widest, fmin(rows, cols));
    }
    for (size_t i = 0; i < run->mps.n; i++)
        span = fmax(span, ready[i]);
    return widest >= LARGE && work < IDLE * span;
}

/* n steps without controls between them. */
static oqt_status take_steps(oqt_tebd *run, uint64_t n, oqt_error *err)
{
    bool blas = run->parallel == OQT_PARALLEL_BLAS ||
                (run->parallel == OQT_PARALLEL_AUTO && run->n_threads > 1 && blas_pays(run));
    int n_tasks = blas || run->parallel == OQT_PARALLEL_NONE ? 1 : run->n_threads;
    oqt_status st = make_varying_gates(run, n, err);

    (void)n_tasks; /* a serial build has no use for it */
    if (st != OQT_OK)
        return st;
    if (blas)
        oqt__blas_widen(run->n_blas);
#pragma omp parallel default(none) shared(run, n) num_threads(n_tasks)
#pragma omp master
    spawn_steps(run, n);
    if (blas)
        oqt__blas_widen(1);
    if (run->failure.code != OQT_OK) {
        if (err)
            *err = run->failure;
        return run->failure.code;
    }
    if (run->imported)
        oqt__mps_trace_bonds(&run->mps);
    run->stats.n_steps += n;
    return OQT_OK;
}

/* How many of up to n steps go by without a control between them. */
static oqt_status steps_between_controls(uint64_t *some, const oqt_tebd *run, uint64_t n, oqt_error *err)
{
    bool any = false;

    *some = 0;
    while (*some < (run->imported ? 1 : n) && *some < STEPS_AT_ONCE && !any) {
        oqt_status st = has_controls(&any, run, run->stats.n_steps + *some + 1, OQT_PRE, err);

        if (st == OQT_OK && !any)
            st = has_controls(&any, run, run->stats.n_steps + *some + 1, OQT_POST, err);
        if (st != OQT_OK)
            return st;
        ++*some;
    }
    return OQT_OK;
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

static void gather_stats(oqt_tebd *run)
{
    oqt__trunc_record sum = {0};

    run->stats.work = 0.0;
    run->stats.span = 0.0;
    run->stats.flops = 0.0;
    for (size_t i = 0; i < run->mps.n; i++) {
        oqt__trunc_add(&sum, run->record + i);
        run->stats.work += run->work[i];
        run->stats.flops += run->record[i].flops;
        run->stats.span = fmax(run->stats.span, run->ready[i]);
        if (run->widest[i] > run->stats.bond_dimension)
            run->stats.bond_dimension = run->widest[i];
    }
    run->stats.discarded_weight = sum.discarded_weight;
    run->stats.bond_limit_hit = sum.limited;
}

oqt_status oqt_tebd_step(oqt_tebd *run, uint64_t n, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st;

    if (!run)
        return oqt__fail(err, OQT_EINVAL, "run is missing");
    if (run->failure.code != OQT_OK)
        return oqt__fail(err, run->failure.code, "the run has failed before: %s", run->failure.text);
    if (n > UINT64_MAX - run->stats.n_steps)
        return oqt__fail(err, OQT_EINVAL, "too many steps");
    if ((st = oqt__tebd_covers(run, run->stats.n_steps + n, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    for (uint64_t done = 0; done < n && st == OQT_OK;) {
        uint64_t some;

        if ((st = oqt__progress(&run->progress, "chain", (double)done / (double)n, err)) != OQT_OK ||
            (st = steps_between_controls(&some, run, n - done, err)) != OQT_OK)
            break;
        if ((st = apply_controls(run, OQT_POST, err)) != OQT_OK ||
            (st = take_steps(run, some, err)) != OQT_OK ||
            (st = apply_controls(run, OQT_PRE, err)) != OQT_OK) {
            if (run->failure.code == OQT_OK)
                oqt__fail(&run->failure, st, "step %llu was not completed",
                          (unsigned long long)run->stats.n_steps);
            break;
        }
        done += some;
    }
    gather_stats(run);
    if (run->failure.code == OQT_OK)
        run->stats.trace_drift = fabs(oqt__mps_trace(&run->mps) - run->trace0);
    oqt__blas_leave(&guard);
    return st;
}

/* ---- results ---- */

oqt_status oqt_tebd_density(oqt_complex *rho, const oqt_tebd *run, size_t n, const size_t *sites,
                            oqt_error *err)
{
    oqt__blas_guard guard = {false};
    size_t kept = 1;
    double *x = NULL;
    oqt_status st;

    if (!rho || !run || !sites || n == 0)
        return oqt__fail(err, OQT_EINVAL, "run, sites or place for the density matrix is missing");
    for (size_t i = 0; i < n; i++) {
        if (sites[i] >= run->mps.n || (i > 0 && sites[i] <= sites[i - 1]))
            return oqt__fail(err, OQT_EINVAL, "sites must ascend and be below %zu, got %zu", run->mps.n,
                             sites[i]);
        if (!oqt__mul_size(&kept, kept, run->mps.site[sites[i]].p))
            return oqt__fail(err, OQT_ERANGE, "density matrix of %zu sites is too large", n);
    }
    x = oqt__doubles(kept);
    if (!x)
        return oqt__no_memory(err, "a reduced density matrix");
    oqt__blas_enter(&guard);
    st = oqt__mps_reduced(x, &run->mps, n, sites, err);
    oqt__blas_leave(&guard);
    if (st == OQT_OK)
        st = oqt__product_to_matrix(rho, x, run->chain->dim, n, sites, err);
    oqt__free(x);
    return st;
}

oqt_status oqt_tebd_densities(oqt_complex *rho, const oqt_tebd *run, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st = OQT_OK;
    size_t largest = 1;
    double *x;

    if (!rho || !run)
        return oqt__fail(err, OQT_EINVAL, "run or place for the density matrices is missing");
    for (size_t i = 0; i < run->mps.n; i++)
        largest = run->mps.site[i].p > largest ? run->mps.site[i].p : largest;
    x = oqt__doubles(largest);
    if (!x)
        return oqt__no_memory(err, "reduced density matrices");
    oqt__blas_enter(&guard);
    for (size_t i = 0, at = 0; st == OQT_OK && i < run->mps.n; at += run->mps.site[i++].p)
        if ((st = oqt__mps_reduced(x, &run->mps, 1, &i, err)) == OQT_OK)
            oqt__herm_to_matrix(rho + at, x, NULL, run->chain->dim[i]);
    oqt__blas_leave(&guard);
    oqt__free(x);
    return st;
}

void oqt_tebd_bonds(size_t *bonds, const oqt_tebd *run)
{
    for (size_t i = 0; i + 1 < run->mps.n; i++)
        bonds[i] = run->mps.site[i].r;
}

void oqt_tebd_get_stats(oqt_tebd_stats *out, const oqt_tebd *run)
{
    *out = run->stats;
}

/* ---- for other files ---- */

oqt__tebd_view oqt__tebd_look(const oqt_tebd *run)
{
    return (oqt__tebd_view){.chain = run->chain,
                            .gates = &run->gates,
                            .rule = &run->rule,
                            .mps = (oqt__mps *)(uintptr_t)&run->mps,
                            .dt = run->dt,
                            .start_time = run->start_time,
                            .n_ops = run->n_ops,
                            .failed = run->failure.code != OQT_OK,
                            .point = {run->stats, run->trace0}};
}

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

/* The weights of the states behind so many steps. */
static void place_weights(site_tensors *t, uint64_t n_steps)
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

void oqt__tebd_stand_at(oqt_tebd *run, const oqt__tebd_point *point, oqt__mps *mps)
{
    const oqt_tebd_stats *stats = &point->stats;

    oqt__mps_release(&run->mps);
    run->mps = *mps;
    *mps = (oqt__mps){0};
    for (size_t i = 0; i < run->mps.n; i++) {
        place_weights(run->tensors + i, stats->n_steps);
        run->mps.site[i].w = run->tensors[i].w;
        run->ready[i] = stats->span;
    }
    for (size_t k = 0; k < run->mps.n; k++) {
        run->record[k] = (oqt__trunc_record){0};
        run->work[k] = 0.0;
        run->widest[k] = 0;
    }
    run->record[0].discarded_weight = stats->discarded_weight;
    run->record[0].limited = stats->bond_limit_hit != 0;
    run->record[0].flops = stats->flops;
    run->work[0] = stats->work;
    run->stats = *stats;
    run->trace0 = point->trace0;
    run->failure = (oqt_error){OQT_OK, ""};
}
