/*
 * tasks.c - steps of a chain: the graph of tasks that gates and process tensors form.
 *
 * A step is a list of operations, each on one or two sites. An operation waits for the last ones that touched
 * its sites, for nothing else; so tasks of several layers, and of several steps, are at work at once. Each is
 * deterministic, and so is the whole.
 */
#include <math.h>
#include <string.h>
#include <time.h>

#include "chain/tebd_priv.h"

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

static void perform(oqt_tebd *run, const oqt__operation *op, const double *gate, uint64_t step)
{
    size_t k = (size_t)oqt__thread_index(), i = op->at;
    double begin = seconds(), taken, at;
    oqt_error err = {OQT_OK, ""};
    oqt_status st;

    if (has_failed(run))
        return;
    if (op->kind == OQT__GATE) {
        st = oqt__mps_gate(&run->mps, i, gate, &run->rule, run->ws + k, run->record + i, &err);
        run->widest[i] = run->mps.site[i].r > run->widest[i] ? run->mps.site[i].r : run->widest[i];
    } else {
        run->record[i].flops += oqt__tebd_tensor_flops(run, i, step);
        st = oqt__tebd_apply_tensors(run, i, step, run->ws + k, &err);
    }
    if (st != OQT_OK)
        fail_run(run, &err);
    taken = seconds() - begin;
    run->work[i] += taken;
    at = op->kind == OQT__GATE ? fmax(run->ready[i], run->ready[i + 1]) + taken : run->ready[i] + taken;
    run->ready[i] = at;
    if (op->kind == OQT__GATE)
        run->ready[i + 1] = at;
}

/* A task that waits for the last ones on its sites. */
static void spawn(oqt_tebd *run, const oqt__operation *op, const double *gate, uint64_t step)
{
    char *site = (char *)run->ready; /* addresses that stand for the sites */
    char *a = site + op->at, *b = op->kind == OQT__GATE ? a + 1 : a;

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
            const oqt__operation *op = run->op + k;

            spawn(run, op,
                  op->kind == OQT__TENSORS ? NULL
                  : op->gate               ? op->gate
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

        if (run->op[k].kind == OQT__TENSORS) {
            ready[i] += oqt__tebd_tensor_flops(run, i, run->stats.n_steps);
            work += oqt__tebd_tensor_flops(run, i, run->stats.n_steps);
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
    oqt_status st = oqt__tebd_make_varying_gates(run, n, err);

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
    while (*some < (run->imported ? 1 : n) && *some < OQT__STEPS_AT_ONCE && !any) {
        oqt_status st = oqt__tebd_has_controls(&any, run, run->stats.n_steps + *some + 1, OQT_PRE, err);

        if (st == OQT_OK && !any)
            st = oqt__tebd_has_controls(&any, run, run->stats.n_steps + *some + 1, OQT_POST, err);
        if (st != OQT_OK)
            return st;
        ++*some;
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
        if ((st = oqt__tebd_apply_controls(run, OQT_POST, err)) != OQT_OK ||
            (st = take_steps(run, some, err)) != OQT_OK ||
            (st = oqt__tebd_apply_controls(run, OQT_PRE, err)) != OQT_OK) {
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
