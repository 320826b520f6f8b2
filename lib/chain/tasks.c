/*
 * tasks.c - steps of a chain, as tasks.
 *
 * Gates and process tensors wait for the last tasks that touched their sites, records for the last that
 * changed them, and for nothing else; so tasks of several layers, and of several steps, are at work at once.
 * Each is deterministic, and so is the whole.
 */
#include <math.h>
#include <time.h>

#include "chain/tebd_priv.h"

/* Of the processor, for this thread, so that what others do on the machine does not count; but that clock
 * costs half a microsecond, too much for short tasks. */
static double seconds(const oqt__task *task)
{
    static const double LONG = 2e6; /* floating-point operations */
    struct timespec t;

    clock_gettime(task->cost < LONG ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
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

static oqt_status do_task(oqt_tebd *run, const oqt__task *t, const oqt__records *records, oqt_error *err)
{
    oqt__chain_ws *ws = run->ws + oqt__thread_index();
    size_t i = t->first;
    oqt_status st;

    if (!t->op)
        return t->set == SIZE_MAX ? oqt__record_site(records, run, i, t->step, err)
                                  : oqt__record_set(records, run, t->set, t->step, err);
    if (t->op->kind == OQT__TENSORS) {
        run->record[i].flops += oqt__tebd_tensor_flops(run, i, t->step);
        return oqt__tebd_apply_tensors(run, i, t->step, ws, err);
    }
    st = oqt__mps_gate(&run->mps, i, t->gate, &run->rule, ws, run->record + i, err);
    run->widest[i] = run->mps.site[i].r > run->widest[i] ? run->mps.site[i].r : run->widest[i];
    return st;
}

static void perform(oqt_tebd *run, oqt__task *t, const oqt__records *records)
{
    double begin = seconds(t);
    oqt_error err = {OQT_OK, ""};

    if (has_failed(run))
        return;
    if (do_task(run, t, records, &err) != OQT_OK)
        fail_run(run, &err);
    t->taken = seconds(t) - begin;
}

/* Operations wait for all tasks before them on their sites, records for the operations; bytes stand for
 * sites. */
static void spawn(oqt_tebd *run, oqt__task *t, const oqt__records *rec)
{
    char *site = (char *)run->ready + t->first;
    size_t n = t->last + 1 - t->first;

    (void)site;
    (void)n;
    if (!t->op) {
#pragma omp task default(none) firstprivate(run, t, rec) depend(iterator(size_t k = 0 : n), in : site[k])
        perform(run, t, rec);
        return;
    }
#pragma omp task default(none) firstprivate(run, t, rec) depend(iterator(size_t k = 0 : n), inout : site[k])
    perform(run, t, rec);
}

/* Add the tasks from `begin` on, which are done, to work and span. */
static void account(oqt_tebd *run, size_t begin)
{
    double *changed = run->ready, *left = changed + run->mps.n;

    for (size_t k = begin; k < run->n_tasks; k++) {
        const oqt__task *t = run->task + k;
        double at = 0.0;

        for (size_t i = t->first; i <= t->last; i++)
            at = fmax(at, t->op ? left[i] : changed[i]);
        at += t->taken;
        for (size_t i = t->first; i <= t->last; i++) {
            left[i] = fmax(left[i], at);
            changed[i] = t->op ? at : changed[i];
        }
        run->work[t->first] += t->taken;
    }
}

/* Tasks over sites could not keep two threads busy, and the matrices of the widest bond are large enough to
 * be shared. */
static bool blas_pays(const oqt__outlook *outlook)
{
    static const double LARGE = 1000.0, IDLE = 1.3;

    return outlook->widest >= LARGE && outlook->work < IDLE * outlook->span;
}

/* The tasks from `begin` on. */
static oqt_status do_tasks(oqt_tebd *run, size_t begin, const oqt__records *records, oqt_error *err)
{
    oqt__outlook outlook = oqt__graph_rank(run, begin);
    bool blas = run->parallel == OQT_PARALLEL_BLAS ||
                (run->parallel == OQT_PARALLEL_AUTO && run->n_threads > 1 && blas_pays(&outlook));
    int n_tasks = blas || run->parallel == OQT_PARALLEL_NONE ? 1 : run->n_threads;

    (void)n_tasks; /* a serial build has no use for it */
    if (blas)
        oqt__blas_widen(run->n_blas);
#pragma omp parallel default(none) shared(run, begin, records) num_threads(n_tasks)
#pragma omp master
    for (size_t k = begin; k < run->n_tasks && !has_failed(run); k++)
        spawn(run, run->task + k, records);
    account(run, begin);
    if (blas)
        oqt__blas_widen(1);
    if (run->failure.code != OQT_OK && err)
        *err = run->failure;
    return run->failure.code;
}

/* ---- steps ---- */

/* Records of a call, and how many of its steps are done: the last row. */
typedef struct {
    const oqt__records *records; /* NULL: none */
    uint64_t done;
} recording;

/* n steps without controls between them, whose gates are there. The last of them is recorded only if nothing
 * else changes it. */
static oqt_status take_steps(oqt_tebd *run, uint64_t n, bool finished, const recording *rec, oqt_error *err)
{
    double *const *gate = run->varying;
    oqt_status st;

    run->n_tasks = 0;
    for (uint64_t s = 0; s < n; s++) {
        oqt__graph_add_step(run, run->stats.n_steps + s, &gate);
        if (rec->records && (s + 1 < n || finished))
            oqt__graph_add_records(run, rec->records, rec->done + s + 1);
    }
    if ((st = do_tasks(run, 0, rec->records, err)) != OQT_OK)
        return st;
    if (run->imported)
        oqt__mps_trace_bonds(&run->mps);
    run->stats.n_steps += n;
    return OQT_OK;
}

/* The record of what there is at present. */
static oqt_status record_now(oqt_tebd *run, const oqt__records *records, uint64_t row, oqt_error *err)
{
    size_t begin = run->n_tasks;

    if (!records)
        return OQT_OK;
    oqt__graph_add_records(run, records, row);
    return do_tasks(run, begin, records, err);
}

/* How many of n steps are taken at once: as many as in the other parts of about equal size. */
static uint64_t share(uint64_t n)
{
    uint64_t parts = n / OQT__STEPS_AT_ONCE + (n % OQT__STEPS_AT_ONCE > 0);

    return n / parts + (n % parts > 0);
}

/* How many of up to n steps go by without a control between them, and whether one acts before the record of
 * the last. */
static oqt_status steps_between_controls(uint64_t *some, bool *before, const oqt_tebd *run, uint64_t n,
                                         oqt_error *err)
{
    bool after = false;

    *some = 0;
    *before = false;
    n = run->imported ? 1 : share(n);
    while (*some < n && !*before && !after) {
        oqt_status st = oqt__tebd_has_controls(before, run, run->stats.n_steps + *some + 1, OQT_PRE, err);

        if (st == OQT_OK && !*before)
            st = oqt__tebd_has_controls(&after, run, run->stats.n_steps + *some + 1, OQT_POST, err);
        if (st != OQT_OK)
            return st;
        ++*some;
    }
    return OQT_OK;
}

/* Some steps with the controls and records that go with them, or those before one whose gates fail: gates are
 * made before anything changes, so that the run stands then. */
static oqt_status advance(oqt_tebd *run, uint64_t some, bool before, recording *rec, oqt_error *err)
{
    uint64_t wanted = some;
    oqt_status gates = oqt__tebd_make_varying_gates(&some, run, wanted, err), st;
    bool later = run->imported || (before && some == wanted);

    if (some == 0)
        return gates;
    if ((st = oqt__tebd_apply_controls(run, OQT_POST, err)) != OQT_OK ||
        (st = take_steps(run, some, !later, rec, err)) != OQT_OK ||
        (st = oqt__tebd_apply_controls(run, OQT_PRE, err)) != OQT_OK ||
        (later && (st = record_now(run, rec->records, rec->done + some, err)) != OQT_OK)) {
        if (run->failure.code == OQT_OK)
            oqt__fail(&run->failure, st, "step %llu was not completed",
                      (unsigned long long)run->stats.n_steps);
        return st;
    }
    rec->done += some;
    return gates;
}

void oqt__tebd_gather_stats(oqt_tebd *run)
{
    oqt__trunc_record sum = {0};

    run->stats.work = 0.0;
    run->stats.span = 0.0;
    run->stats.flops = 0.0;
    for (size_t i = 0; i < run->mps.n; i++) {
        oqt__trunc_add(&sum, run->record + i);
        run->stats.work += run->work[i];
        run->stats.flops += run->record[i].flops;
        run->stats.span = fmax(run->stats.span, run->ready[run->mps.n + i]);
        if (run->widest[i] > run->stats.bond_dimension)
            run->stats.bond_dimension = run->widest[i];
    }
    run->stats.discarded_weight = sum.discarded_weight;
    run->stats.bond_limit_hit = sum.limited;
}

/* n steps; records: NULL if nothing is recorded. */
static oqt_status steps(oqt_tebd *run, uint64_t n, const oqt__records *records, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    recording rec = {records, 0};
    oqt_status st;

    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    if (n > UINT64_MAX - run->stats.n_steps)
        return oqt__fail(err, OQT_EINVAL, "too many steps");
    if ((st = oqt__tebd_covers(run, run->stats.n_steps + n, err)) != OQT_OK ||
        (st = oqt__graph_reserve(run, records, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    st = record_now(run, records, 0, err);
    while (rec.done < n && st == OQT_OK) {
        uint64_t some;
        bool before;

        if ((st = oqt__progress(&run->progress, "chain", (double)rec.done / (double)n, err)) != OQT_OK ||
            (st = steps_between_controls(&some, &before, run, n - rec.done, err)) != OQT_OK)
            break;
        st = advance(run, some, before, &rec, err);
    }
    oqt__tebd_gather_stats(run);
    if (run->failure.code == OQT_OK)
        run->stats.trace_drift = fabs(oqt__mps_trace(&run->mps) - run->trace0);
    oqt__blas_leave(&guard);
    return st;
}

oqt_status oqt_tebd_step(oqt_tebd *run, uint64_t n, oqt_error *err)
{
    if (!run)
        return oqt__fail(err, OQT_EINVAL, "run is missing");
    return steps(run, n, NULL, err);
}

oqt_status oqt_tebd_record(const oqt_tebd_records *out, oqt_tebd *run, uint64_t n, oqt_error *err)
{
    oqt__records records = {0};
    oqt_status st;

    if (!out || !run)
        return oqt__fail(err, OQT_EINVAL, "run or places for records are missing");
    if ((st = oqt__records_init(&records, run, out, err)) == OQT_OK)
        st = steps(run, n, &records, err);
    oqt__records_release(&records);
    return st;
}
