/* tempo.c - the engine: arguments, the system between slots, steps, states. */
#include <math.h>
#include <string.h>

#include "tempo/tempo_priv.h"

void oqt_tempo_destroy(oqt_tempo *tempo)
{
    if (!tempo)
        return;
    oqt__groups_release(tempo->group, tempo->n_group);
    oqt__train_release(&tempo->train);
    oqt__train_release(&tempo->next);
    oqt__row_ws_release(&tempo->ws);
    oqt__between_release(&tempo->between);
    oqt__free(tempo->rho);
    oqt__free(tempo->trace0);
    oqt__free(tempo->sum);
    oqt__free(tempo);
}

/* ---- creation ---- */

static oqt_status check_options(const oqt_tempo_options *opt, double dt, oqt_error *err)
{
    if (!(dt > 0.0) || !isfinite(dt))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", dt);
    if (!(opt->epsrel > 0.0 && opt->epsrel < 1.0))
        return oqt__fail(err, OQT_EINVAL, "epsrel must be above 0 and below 1, got %g", opt->epsrel);
    if (!(opt->added_correlation_time >= 0.0))
        return oqt__fail(err, OQT_EINVAL, "added correlation time must not be negative, got %g",
                         opt->added_correlation_time);
    if (opt->added_correlation_time > 0.0 && (opt->memory_steps == 0 || opt->memory_steps == OQT_NO_MEMORY))
        return oqt__fail(err, OQT_EINVAL,
                         "an added correlation time needs a memory that ends after some steps");
    if (opt->split != OQT_SPLIT_SYMMETRIC && opt->split != OQT_SPLIT_LIST)
        return oqt__fail(err, OQT_EINVAL, "unknown order of baths %d", (int)opt->split);
    if (!isfinite(opt->start_time))
        return oqt__fail(err, OQT_EINVAL, "start time must be finite, got %g", opt->start_time);
    if (opt->n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", opt->n_threads);
    return OQT_OK;
}

static oqt_status check_matrices(size_t n_baths, const oqt_bath *const *baths, const oqt_complex *couplings,
                                 size_t d, const oqt_complex *initial, oqt_error *err)
{
    for (size_t e = 0; e < n_baths; e++) {
        const oqt_complex *a = couplings + e * d * d;
        double defect = oqt__hermiticity_defect(a, d);

        if (!baths[e])
            return oqt__fail(err, OQT_EINVAL, "bath %zu is missing", e);
        for (size_t i = 0; i < d * d; i++)
            if (!isfinite(a[i].re) || !isfinite(a[i].im))
                return oqt__fail(err, OQT_EINVAL, "coupling %zu is not finite: element (%zu,%zu)", e, i / d,
                                 i % d);
        if (!(defect <= 1e-10))
            return oqt__fail(err, OQT_EINVAL, "coupling %zu is not Hermitian: relative defect %.2g", e,
                             defect);
    }
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(initial[i].re) || !isfinite(initial[i].im))
            return oqt__fail(err, OQT_EINVAL, "initial state has an element that is not finite");
    return OQT_OK;
}

static double trace_of(const double *rho, size_t d)
{
    double sum = 0.0;

    for (size_t i = 0; i < d; i++)
        sum += rho[i * d + i];
    return sum;
}

/* Changes of the traces of x by a control, added to change. */
static void add_trace_change(double *change, const double *control, const double *x, const oqt_tempo *tp)
{
    size_t d2 = tp->d * tp->d, n_x = tp->n_col * d2;

    for (size_t c = 0; c < tp->n_col; c++) {
        double sum = 0.0;

        for (size_t i = 0; i < tp->d; i++)
            for (size_t k = 0; k < n_x; k++)
                sum += control[(c * d2 + i * tp->d + i) * n_x + k] * x[k];
        change[c] += sum - trace_of(x + c * d2, tp->d);
    }
}

static oqt_status fill(oqt_tempo *tp, const oqt_system *system, const oqt_complex *initial,
                       const oqt_tempo_options *opt, oqt_error *err)
{
    size_t d2 = tp->d * tp->d, n_x;
    double *rho;
    oqt_status st;

    tp->n_col =
        oqt__hermiticity_defect(initial, tp->d) > 1e-14 || !oqt__control_is_real(opt->control) ? 2 : 1;
    n_x = tp->n_col * d2;
    tp->between = (oqt__between){.d = tp->d,
                                 .n_col = tp->n_col,
                                 .start = opt->start_time,
                                 .dt = tp->dt,
                                 .how = opt->propagation,
                                 .parameters = opt->parameters,
                                 .n_parameter_steps = opt->n_parameter_steps};
    tp->rho = oqt__doubles(n_x);
    tp->trace0 = oqt__doubles(tp->n_col);
    if (!tp->rho || !tp->trace0)
        return oqt__no_memory(err, "a run");
    if ((st = oqt__between_init(&tp->between, system, opt->control, err)) != OQT_OK ||
        (st = oqt__between_start(&tp->between, err)) != OQT_OK)
        return st;
    rho = tp->between.work;
    oqt__herm_from_matrix(rho, tp->n_col == 2 ? rho + d2 : NULL, initial, tp->d);
    oqt__gemv(false, n_x, n_x, 1.0, tp->between.before, n_x, rho, 0.0, tp->rho);
    for (size_t c = 0; c < tp->n_col; c++)
        tp->trace0[c] = trace_of(tp->rho + c * d2, tp->d);
    return OQT_OK;
}

oqt_status oqt_tempo_create(oqt_tempo **out, size_t n_baths, const oqt_bath *const *baths,
                            const oqt_complex *couplings, const oqt_system *system,
                            const oqt_complex *initial, double dt, const oqt_tempo_options *given,
                            oqt_error *err)
{
    static const oqt_tempo_options defaults = OQT_TEMPO_OPTIONS_INIT;
    oqt_tempo_options full, *opt = &full;
    oqt__blas_guard guard = {false};
    oqt_tempo *tp = NULL;
    size_t d;
    oqt_status st;

    if (!out || n_baths == 0 || !baths || !couplings || !system || !initial)
        return oqt__fail(err, OQT_EINVAL, "system, initial state, or baths with their couplings are missing");
    d = oqt_system_dimension(system);
    if ((st = oqt__options_read(&full, given, &defaults, sizeof full, sizeof full, "TEMPO", err)) != OQT_OK ||
        (st = check_options(opt, dt, err)) != OQT_OK ||
        (st = check_matrices(n_baths, baths, couplings, d, initial, err)) != OQT_OK ||
        (st = oqt__check_propagation(system, opt->parameters, opt->propagation, err)) != OQT_OK)
        return st;
    if (opt->control && oqt_control_dimension(opt->control) != d)
        return oqt__fail(err, OQT_EINVAL, "control has dimension %zu, the system %zu",
                         oqt_control_dimension(opt->control), d);
    tp = oqt__calloc(1, sizeof *tp);
    if (!tp)
        return oqt__no_memory(err, "a run");
    tp->d = d;
    tp->dt = dt;
    tp->epsrel = opt->epsrel;
    tp->max_bond = opt->max_bond;
    tp->memory = opt->memory_steps == 0               ? SIZE_MAX
                 : opt->memory_steps == OQT_NO_MEMORY ? 0
                                                      : opt->memory_steps;
    tp->added = opt->added_correlation_time;
    tp->split = opt->split;
    tp->n_threads = opt->n_threads;
    tp->progress = opt->progress;
    tp->stats.bond_dimension = tp->stats.largest_bond = 1;
    oqt__blas_enter(&guard);
    st = oqt__groups_create(&tp->group, &tp->n_group, d, n_baths, baths, couplings, err);
    if (st == OQT_OK)
        st = fill(tp, system, initial, opt, err);
    oqt__blas_leave(&guard);
    if (st == OQT_OK)
        *out = tp;
    else
        oqt_tempo_destroy(tp);
    return st;
}

/* ---- steps ---- */

size_t oqt__tempo_group_at(const oqt_tempo *tp, uint64_t step, size_t place)
{
    return tp->split == OQT_SPLIT_SYMMETRIC && step % 2 == 1 ? tp->n_group - 1 - place : place;
}

static oqt_status reserve_sum(oqt_tempo *tp, oqt_error *err)
{
    size_t n = tp->n_col * tp->d * tp->d;

    for (size_t i = 0; i < tp->next.n; i++)
        n = tp->next.site[i].right > n ? tp->next.site[i].right : n;
    if (2 * n > tp->sum_len) {
        double *sum = oqt__doubles(4 * n);

        if (!sum)
            return oqt__no_memory(err, "a state");
        oqt__free(tp->sum);
        tp->sum = sum;
        tp->sum_len = 4 * n;
    }
    return OQT_OK;
}

/* All that can fail goes to tp->next and to stats. */
static oqt_status make_step(oqt_tempo *tp, oqt_tempo_stats *stats, oqt_error *err)
{
    uint64_t step = tp->stats.n_steps;
    size_t n_x = tp->n_col * tp->d * tp->d;
    oqt_status st = OQT_OK;

    for (size_t i = 0; i < tp->n_group && st == OQT_OK; i++)
        st = oqt__group_reserve(&tp->group[i], step + 1, tp->memory, tp->added, tp->dt, tp->n_threads, err);
    if (st == OQT_OK)
        st = oqt__between_step(&tp->between, step, err);
    for (size_t place = 0; place < tp->n_group && st == OQT_OK; place++) {
        size_t which = oqt__tempo_group_at(tp, step, place);
        oqt__row row = {.group = tp->group,
                        .which = which,
                        .step = step,
                        .memory = tp->memory,
                        .turn = tp->between.turn,
                        .n_x = n_x,
                        .n_old = n_x,
                        .epsrel = tp->epsrel,
                        .max_bond = tp->max_bond};

        if (place == 0)
            oqt__between_enter(&tp->between, step, &tp->group[which]);
        else
            oqt__between_turn(&tp->between, &tp->group[which],
                              &tp->group[oqt__tempo_group_at(tp, step, place - 1)]);
        st = oqt__row_apply(&tp->next, place == 0 ? &tp->train : &tp->next, &row, tp->rho, &tp->ws, stats,
                            err);
    }
    return st == OQT_OK ? reserve_sum(tp, err) : st;
}

/* The state and its trace, less what the controls did to it. */
static void read_state(oqt_tempo *tp)
{
    size_t d2 = tp->d * tp->d, n_x = tp->n_col * d2;
    double *v = tp->sum, *scratch = tp->sum + tp->sum_len / 2;

    add_trace_change(tp->trace0, tp->between.after, tp->rho, tp);
    oqt__train_close(v, scratch, &tp->train, tp->group);
    oqt__gemv(false, n_x, n_x, 1.0, tp->between.close, n_x, v, 0.0, scratch);
    for (size_t c = 0; c < tp->n_col; c++) {
        double change = fabs(trace_of(scratch + c * d2, tp->d) - tp->trace0[c]);

        if (!(change <= tp->stats.trace_drift)) /* a NaN stays */
            tp->stats.trace_drift = change;
    }
    add_trace_change(tp->trace0, tp->between.before, scratch, tp);
    oqt__gemv(false, n_x, n_x, 1.0, tp->between.leave, n_x, v, 0.0, tp->rho);
}

static oqt_status one_step(oqt_tempo *tp, oqt_error *err)
{
    oqt_tempo_stats stats = tp->stats;
    oqt__train train;
    size_t last = oqt__tempo_group_at(tp, stats.n_steps, tp->n_group - 1);
    oqt_status st = make_step(tp, &stats, err);

    if (st != OQT_OK)
        return st;
    train = tp->train;
    tp->train = tp->next;
    tp->next = train;
    stats.n_steps++;
    stats.bond_dimension = oqt__train_bond(&tp->train);
    if (stats.bond_dimension > stats.largest_bond)
        stats.largest_bond = stats.bond_dimension;
    tp->stats = stats;
    oqt__between_close(&tp->between, &tp->group[last]);
    read_state(tp);
    return OQT_OK;
}

static oqt_status run(oqt_tempo *tp, uint64_t n, oqt_complex *rho, oqt_error *err)
{
    size_t d2 = tp->d * tp->d;
    oqt__blas_guard guard = {false};
    oqt_status st = OQT_OK;

    oqt__blas_enter(&guard);
    for (uint64_t k = 0; k < n; k++) {
        if ((st = oqt__progress(&tp->progress, "tempo", (double)k / (double)n, err)) != OQT_OK ||
            (st = one_step(tp, err)) != OQT_OK)
            break;
        if (rho)
            oqt_tempo_state(rho + k * d2, tp);
    }
    oqt__blas_leave(&guard);
    return st;
}

oqt_status oqt_tempo_step(oqt_tempo *tempo, uint64_t n, oqt_error *err)
{
    return run(tempo, n, NULL, err);
}

oqt_status oqt_tempo_record(oqt_complex *rho, oqt_tempo *tempo, uint64_t n, oqt_error *err)
{
    oqt_tempo_state(rho, tempo);
    return run(tempo, n, rho + tempo->d * tempo->d, err);
}

void oqt_tempo_state(oqt_complex *rho, const oqt_tempo *tempo)
{
    oqt__herm_to_matrix(rho, tempo->rho, tempo->n_col == 2 ? tempo->rho + tempo->d * tempo->d : NULL,
                        tempo->d);
}

void oqt_tempo_get_stats(oqt_tempo_stats *out, const oqt_tempo *tempo)
{
    *out = tempo->stats;
}
