/* tebd.c - PT-TEBD: runs of chains, from outside and for other files. */
#include <math.h>
#include <string.h>

#include "chain/tebd_priv.h"
#include "liouville/hermitian.h"

/* ---- destruction ---- */

void oqt_tebd_destroy(oqt_tebd *run)
{
    size_t n = run && run->chain ? run->chain->n : 0;

    if (!run)
        return;
    for (size_t i = 0; run->tensors && i < n; i++)
        oqt__site_tensors_release(run->tensors + i);
    for (size_t k = 0; run->op && k < run->n_ops; k++)
        oqt__free(run->op[k].own);
    for (size_t k = 0; run->varying && k < OQT__STEPS_AT_ONCE * run->n_varying; k++)
        oqt__free(run->varying[k]);
    for (size_t i = 0; i < n; i++) {
        if (run->site_control)
            oqt_control_destroy(run->site_control[i]);
        if (run->bond_control && i + 1 < n)
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
    oqt__free(run->task);
    oqt__free(run->widest);
    pthread_mutex_destroy(&run->failure_lock);
    oqt__free(run);
}

/* ---- creation ---- */

static oqt_status check_options(const oqt_tebd_options *opt, oqt_error *err)
{
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
    run->ready = oqt__doubles(2 * run->mps.n);
    run->plan = oqt__doubles(2 * run->mps.n);
    return run->ws && run->record && run->work && run->widest && run->ready && run->plan
               ? OQT_OK
               : oqt__no_memory(err, "a chain");
}

/* From a product, or else from arrays. */
static oqt_status create(oqt_tebd **out, const oqt_chain *chain, const oqt_complex *initial,
                         const oqt_chain_state *arrays, const size_t *n_pt, const oqt_pt *const *pts,
                         const oqt_tebd_options *given, oqt_error *err)
{
    static const oqt_tebd_options defaults = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd_options full, *opt = &full;
    oqt__blas_guard guard = {false};
    oqt_tebd *run;
    oqt_status st;

    if (!out || !chain || !given || (!initial && !arrays))
        return oqt__fail(err, OQT_EINVAL, "chain, initial state, options or place for the run is missing");
    for (size_t i = 0; n_pt && !pts && i < chain->n; i++)
        if (n_pt[i] > 0)
            return oqt__fail(err, OQT_EINVAL, "process tensors of site %zu are missing", i);
    if ((st = oqt__options_read(&full, given, &defaults, sizeof full, sizeof full, "chain", err)) != OQT_OK ||
        (st = check_options(opt, err)) != OQT_OK)
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
    run->stats.n_steps = opt->start_step;
    run->chain = oqt__chain_copy(chain);
    if (!run->chain) {
        st = oqt__no_memory(err, "a chain");
        goto done;
    }
    run->tensors = oqt__calloc(chain->n, sizeof *run->tensors);
    if (!run->tensors) {
        st = oqt__no_memory(err, "a chain");
        goto done;
    }
    for (size_t i = 0; i < chain->n; i++) {
        size_t count = n_pt ? n_pt[i] : 0;

        if ((st = oqt__tebd_attach(run, i, count, pts, opt->dt, err)) != OQT_OK)
            goto done;
        if (count > 0)
            pts += count;
    }
    st = initial ? start_state(run, initial, err) : oqt__mps_from_arrays(&run->mps, run, arrays, err);
    if (st != OQT_OK || (st = oqt__tebd_open(run, err)) != OQT_OK)
        goto done;
    if ((st = oqt__tebd_plan(run, opt->order, err)) != OQT_OK ||
        (st = oqt__gates_init(&run->gates, run->chain, err)) != OQT_OK ||
        (st = oqt__tebd_make_gates(run, err)) != OQT_OK ||
        (st = oqt__tebd_copy_controls(&run->site_control, opt->site_controls, chain->n, "site", chain->dim,
                                      false, err)) != OQT_OK ||
        (st = oqt__tebd_copy_controls(&run->bond_control, opt->bond_controls, chain->n - 1, "bond",
                                      chain->dim, true, err)) != OQT_OK ||
        (st = allocate_threads(run, opt->n_threads, err)) != OQT_OK ||
        (st = oqt__tebd_apply_controls(run, OQT_PRE, err)) != OQT_OK)
        goto done;
    run->trace0 = oqt__mps_trace(&run->mps);
    for (size_t i = 0; i < chain->n; i++)
        run->widest[i] = run->mps.site[i].r > run->widest[i] ? run->mps.site[i].r : run->widest[i];
    oqt__tebd_gather_stats(run); /* controls may have truncated already */
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

void oqt_tebd_get_stats(oqt_tebd_stats *out, const oqt_tebd *run)
{
    *out = run->stats;
}

/* ---- for other files ---- */

oqt_status oqt__tebd_stands(const oqt_tebd *run, oqt_error *err)
{
    if (run->failure.code != OQT_OK)
        return oqt__fail(err, run->failure.code, "the run has failed before: %s", run->failure.text);
    return OQT_OK;
}

oqt__tebd_view oqt__tebd_look(const oqt_tebd *run)
{
    return (oqt__tebd_view){.chain = run->chain,
                            .gates = &run->gates,
                            .rule = &run->rule,
                            .mps = (oqt__mps *)(uintptr_t)&run->mps,
                            .dt = run->dt,
                            .start_time = run->start_time,
                            .n_ops = run->n_ops,
                            .point = {run->stats, run->trace0}};
}

void oqt__tebd_stand_at(oqt_tebd *run, const oqt__tebd_point *point, oqt__mps *mps)
{
    const oqt_tebd_stats *stats = &point->stats;

    oqt__mps_release(&run->mps);
    run->mps = *mps;
    *mps = (oqt__mps){0};
    for (size_t i = 0; i < run->mps.n; i++) {
        oqt__site_tensors_place(run->tensors + i, stats->n_steps);
        run->mps.site[i].w = run->tensors[i].w;
        run->ready[i] = run->ready[run->mps.n + i] = stats->span;
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
