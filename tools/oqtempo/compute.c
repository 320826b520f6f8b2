/* compute.c - the computation that an input asks for, and what is known about its accuracy. */
#include "compute.h"

#include <math.h>
#include <stdlib.h>

/* Estimated errors of a process tensor above this are worth a warning. */
#define LARGE_PATH_ERROR 1e-3

/* So is a state whose root of tr rho^2 is above one by more than this. */
#define LARGE_NORM_EXCESS 1e-2

/* ---- process tensors ---- */

int compute_fail(const char *what, const oqt_error *err, struct progress *progress)
{
    progress_clear(progress);
    if (err->code == OQT_ECANCELED && interrupted())
        return fail(interrupted(), "interrupted; nothing was written");
    return fail(exit_code_of(err->code), "%s: %s", what, err->text);
}

/* The closed form serves one system that commutes with the coupling. It is looked for where that is known: in
 * a run with one bath. A tensor that is kept, or joined by others, is to serve any system. */
static oqt_pt_method choose_method(const struct input *in)
{
    if (in->method == METHOD_AUTO && in->task == TASK_DYNAMICS && in->n_baths == 1 && !in->control)
        return OQT_PT_AUTO;
    return in->method == METHOD_PT_TEMPO || in->method == METHOD_TEMPO ? OQT_PT_TEMPO : OQT_PT_UNIFORM;
}

void tensor_options(oqt_pt_options *out, const struct input *in, int n_threads, struct progress *progress)
{
    oqt_pt_options options = OQT_PT_OPTIONS_INIT;

    options.method = choose_method(in);
    if (in->accuracy > 0.0)
        options.accuracy = in->accuracy / (double)in->n_baths; /* errors of baths add up */
    else
        options.tolerance = in->tolerance;
    options.system = in->task != TASK_PROCESS_TENSOR || in->has_hamiltonian ? in->system : NULL;
    options.n_steps =
        (size_t)(in->task == TASK_STEADY_STATE && in->n_shapes > 0 ? in->n_period : in->n_steps);
    options.path_rate = in->path_rate;
    options.max_bond = in->max_bond;
    options.memory_steps = in->memory_steps;
    options.added_correlation_time = in->added_correlation_time;
    options.start_time = in->start;
    options.n_threads = n_threads;
    options.progress = (oqt_progress){progress_report, progress};
    *out = options;
}

static int build(oqt_pt **out, const struct input *in, size_t i, int n_threads, struct progress *progress)
{
    const struct bath_input *bath = &in->bath[i];
    oqt_pt_options options;
    oqt_error err;
    char what[64];

    tensor_options(&options, in, n_threads, progress);
    progress_phase(progress, NULL, 0);
    if (oqt_pt_create(out, bath->bath, bath->coupling.d, bath->coupling.element, in->step, &options, &err) !=
        OQT_OK) {
        snprintf(what, sizeof what, "process tensor of baths.%zu", i);
        return compute_fail(what, &err, progress);
    }
    return CLI_OK;
}

/* `method` is the path of the section that tells how it was built. */
static void check_tensor(struct facts *warnings, const oqt_pt *pt, size_t i, const char *method)
{
    oqt_pt_info info;

    oqt_pt_get_info(&info, pt);
    if (!(info.path_error <= LARGE_PATH_ERROR) && info.method != OQT_PT_DEPHASING)
        facts_add(
            warnings, "warning",
            "the process tensor of baths.%zu has an estimated path error of %.2g; results may be off by as "
            "much. A smaller %s.tolerance, or %s.accuracy in its place, may help",
            i, info.path_error, method, method);
    if (!(info.cutoff_error <= LARGE_PATH_ERROR))
        facts_add(warnings, "warning",
                  "the memory of baths.%zu is cut after %zu steps, at an estimated error of %.2g; a larger "
                  "%s.memory_steps, or %s.added_correlation_time, may help",
                  i, info.memory_steps, info.cutoff_error, method, method);
    if (info.state_limit_hit)
        facts_add(warnings, "warning",
                  "the process tensor of baths.%zu was cut at the limit of states, above its tolerance", i);
}

static int build_all(struct result *out, const struct input *in, int n_threads, struct progress *progress)
{
    int code = CLI_OK;

    out->tensor = calloc(in->n_baths + 1, sizeof *out->tensor);
    out->built = calloc(in->n_baths + 1, sizeof *out->built);
    if (!out->tensor || !out->built)
        return fail_memory();
    out->n_tensors = in->n_baths;
    phase_start(&out->process_tensor);
    for (size_t i = 0; i < in->n_baths && code == CLI_OK; i++) {
        size_t like = bath_like(in, i); /* built already if that is not i */

        if (!in->bath[i].pt && like == i)
            code = build(&out->built[i], in, i, n_threads, progress);
        out->tensor[i] = in->bath[i].pt ? in->bath[i].pt : like == i ? out->built[i] : out->tensor[like];
        if (code == CLI_OK && like == i)
            check_tensor(&out->warnings, out->tensor[i], i,
                         in->task == TASK_CHAIN ? "method.process_tensor" : "method");
    }
    phase_stop(&out->process_tensor);
    return code;
}

/* ---- tables ---- */

static int add_columns(struct table *table, const struct input *in, size_t n_rows)
{
    size_t capacity = 1 + 2 * in->n_observables + (in->states ? 2 * in->d * in->d : 0);
    int code = table_create(table, n_rows, capacity);
    bool done = code == CLI_OK && table_add_column(table, "t");

    for (size_t i = 0; i < in->n_observables && done; i++) {
        const struct observable *o = &in->observable[i];

        if (o->hermitian && in->hermitian) {
            done = table_add_column(table, "%s", o->name);
        } else {
            done = table_add_column(table, "%s_re", o->name) && table_add_column(table, "%s_im", o->name);
        }
    }
    for (size_t i = 0; in->states && done && i < in->d * in->d; i++) {
        /* From d = 11 on "rho_110" could be two elements. */
        const char *gap = in->d > 10 ? "_" : "";

        done = table_add_column(table, "rho_%zu%s%zu_re", i / in->d, gap, i % in->d) &&
               table_add_column(table, "rho_%zu%s%zu_im", i / in->d, gap, i % in->d);
    }
    if (code == CLI_OK && !done)
        code = fail_memory();
    return code;
}

static void fill_row(struct table *table, const struct input *in, size_t row, double t,
                     const oqt_complex *rho)
{
    struct column *column = table->column;

    (column++)->value[row] = t;
    for (size_t i = 0; i < in->n_observables; i++) {
        const struct observable *o = &in->observable[i];
        oqt_complex value = matrix_expectation(&o->op, rho);

        (column++)->value[row] = value.re;
        if (!o->hermitian || !in->hermitian)
            (column++)->value[row] = value.im;
    }
    for (size_t i = 0; in->states && i < in->d * in->d; i++) {
        (column++)->value[row] = rho[i].re;
        (column++)->value[row] = rho[i].im;
    }
}

static bool is_finite(const oqt_complex *rho, size_t n)
{
    bool finite = true;

    for (size_t i = 0; i < n; i++)
        finite = finite && isfinite(rho[i].re) && isfinite(rho[i].im);
    return finite;
}

/* ---- dynamics ---- */

/* What takes the steps: one of the two. */
struct engine {
    oqt_dynamics *dynamics;
    oqt_tempo *tempo;
};

static oqt_status record(oqt_complex *rho, const struct engine *engine, uint64_t n, oqt_error *err)
{
    return engine->tempo ? oqt_tempo_record(rho, engine->tempo, n, err)
                         : oqt_dynamics_record(rho, engine->dynamics, n, err);
}

/* Take all steps, in pieces that bound the memory for states. `rho` holds piece + 1 states. */
static int take_steps(struct table *table, const struct input *in, const struct engine *engine,
                      oqt_complex *rho, uint64_t piece, struct progress *progress)
{
    size_t size = in->d * in->d;
    oqt_error err;

    for (uint64_t done = 0; done < in->n_steps;) {
        uint64_t n = in->n_steps - done < piece ? in->n_steps - done : piece;

        progress->base = (double)done / (double)in->n_steps;
        progress->span = (double)n / (double)in->n_steps;
        err = (oqt_error){OQT_ECANCELED, ""};
        if (interrupted() || record(rho, engine, n, &err) != OQT_OK)
            return compute_fail("dynamics", &err, progress);
        if (done == 0) /* a control may have changed the initial state */
            fill_row(table, in, 0, in->start, rho);
        for (uint64_t k = 1; k <= n; k++) {
            if (!is_finite(rho + k * size, size)) {
                progress_clear(progress);
                return fail(CLI_FAILED, "dynamics: the state is not finite after step %llu",
                            (unsigned long long)(done + k));
            }
            fill_row(table, in, (size_t)(done + k), in->start + (double)(done + k) * in->step,
                     rho + k * size);
        }
        done += n;
        progress_report("dynamics", done < in->n_steps ? 0.0 : 1.0, progress);
    }
    return CLI_OK;
}

void dynamics_options(oqt_dynamics_options *out, const struct input *in, int n_threads,
                      struct progress *progress)
{
    oqt_dynamics_options options = OQT_DYNAMICS_OPTIONS_INIT;

    options.dt = in->step;
    options.split = in->splitting;
    options.n_threads = n_threads;
    options.progress = (oqt_progress){progress_report, progress};
    options.start_time = in->start;
    options.propagation = in->propagation;
    options.n_controls = in->control ? 1 : 0;
    options.controls = (const oqt_control *const *)&in->control;
    *out = options;
}

/* Under the process tensors that were built. */
static int run_tensors(struct result *out, const struct input *in, oqt_complex *rho, uint64_t piece,
                       int n_threads, struct progress *progress)
{
    const oqt_system *system = in->system;
    struct engine engine = {NULL, NULL};
    oqt_dynamics_options options;
    oqt_error err;
    int code;

    dynamics_options(&options, in, n_threads, progress);
    if (oqt_dynamics_create(&engine.dynamics, out->n_tensors, out->tensor, 1, &system, in->initial.element,
                            &options, &err) != OQT_OK)
        return compute_fail("dynamics", &err, progress);
    code = take_steps(&out->table, in, &engine, rho, piece, progress);
    oqt_dynamics_get_stats(&out->stats, engine.dynamics);
    out->has_run = code == CLI_OK;
    if (!(out->stats.norm_excess <= LARGE_NORM_EXCESS))
        facts_add(&out->warnings, "warning",
                  "the run left the density matrices by %.2g: its process tensors are not good enough. A "
                  "smaller method.tolerance or another method.path_rate may help",
                  out->stats.norm_excess);
    oqt_dynamics_destroy(engine.dynamics);
    return code;
}

int gather_baths(const oqt_bath ***baths, oqt_complex **couplings, const struct input *in)
{
    size_t size = in->d * in->d;

    *baths = malloc((in->n_baths + 1) * sizeof **baths);
    *couplings = malloc((in->n_baths + 1) * size * sizeof **couplings);
    if (!*baths || !*couplings)
        return fail_memory();
    for (size_t i = 0; i < in->n_baths; i++) {
        (*baths)[i] = in->bath[i].bath;
        for (size_t k = 0; k < size; k++)
            (*couplings)[i * size + k] = in->bath[i].coupling.element[k];
    }
    return CLI_OK;
}

/* Without process tensors. */
static int run_tempo(struct result *out, const struct input *in, oqt_complex *rho, uint64_t piece,
                     int n_threads, struct progress *progress)
{
    oqt_tempo_options options = OQT_TEMPO_OPTIONS_INIT;
    struct engine engine = {NULL, NULL};
    const oqt_bath **baths = NULL;
    oqt_complex *couplings = NULL;
    oqt_error err;
    int code = gather_baths(&baths, &couplings, in);

    options.epsrel = in->tolerance;
    options.start_time = in->start;
    options.propagation = in->propagation;
    options.control = in->control;
    options.max_bond = in->max_bond;
    options.memory_steps = in->memory_steps;
    options.added_correlation_time = in->added_correlation_time;
    options.split = in->splitting;
    options.n_threads = n_threads;
    options.progress = (oqt_progress){progress_report, progress};
    if (code == CLI_OK && oqt_tempo_create(&engine.tempo, in->n_baths, baths, couplings, in->system,
                                           in->initial.element, in->step, &options, &err) != OQT_OK)
        code = compute_fail("dynamics", &err, progress);
    if (code == CLI_OK) {
        code = take_steps(&out->table, in, &engine, rho, piece, progress);
        oqt_tempo_get_stats(&out->tempo, engine.tempo);
        out->has_tempo = code == CLI_OK;
        if (out->tempo.limit_hit)
            facts_add(&out->warnings, "warning", "the run was cut at method.max_bond, above its tolerance");
    }
    oqt_tempo_destroy(engine.tempo);
    free(couplings);
    free(baths);
    return code;
}

static int run_dynamics(struct result *out, const struct input *in, int n_threads, struct progress *progress)
{
    uint64_t piece = ((size_t)1 << 16) / (in->d * in->d);
    oqt_complex *rho;
    int code = add_columns(&out->table, in, (size_t)in->n_steps + 1);

    if (code)
        return code;
    piece = piece < 1 ? 1 : piece > 256 ? 256 : piece;
    rho = malloc((size_t)(piece + 1) * in->d * in->d * sizeof *rho);
    if (!rho)
        return fail_memory();
    progress_phase(progress, "dynamics", in->n_steps);
    phase_start(&out->dynamics);
    code = (in->method == METHOD_TEMPO ? run_tempo : run_tensors)(out, in, rho, piece, n_threads, progress);
    phase_stop(&out->dynamics);
    free(rho);
    return code;
}

static void check_trace(struct facts *warnings, const struct input *in)
{
    double trace = 0.0;

    for (size_t i = 0; i < in->d; i++)
        trace += in->initial.element[i * in->d + i].re;
    if (in->hermitian && fabs(trace - 1.0) > 1e-9)
        facts_add(warnings, "warning", "the initial state is Hermitian but its trace is %.10g, not 1", trace);
}

/* ---- steady state ---- */

/* One row, at t = inf, or those of one period. */
static int find_steady_state(struct result *out, const struct input *in, int n_threads,
                             struct progress *progress)
{
    oqt_steady_options options = OQT_STEADY_OPTIONS_INIT;
    size_t n = (size_t)in->n_period, size = in->d * in->d;
    const oqt_system **systems = malloc(n * sizeof *systems);
    oqt_complex *rho = calloc(n, size * sizeof *rho);
    oqt_error err;
    int code = systems && rho ? add_columns(&out->table, in, n) : fail_memory();

    if (code)
        goto done;
    for (size_t i = 0; i < n; i++)
        systems[i] = in->system;
    options.dt = in->step;
    options.split = in->splitting;
    options.n_threads = n_threads;
    options.progress = (oqt_progress){progress_report, progress};
    options.start_time = in->start;
    options.propagation = in->propagation;
    progress_phase(progress, "steady state", 0);
    phase_start(&out->dynamics);
    if (oqt_steady_state(rho, &out->steady, out->n_tensors, out->tensor, n, systems, &options, &err) !=
        OQT_OK) {
        code = compute_fail("steady-state", &err, progress);
    } else {
        for (size_t i = 0; i < n; i++)
            fill_row(&out->table, in, i, n > 1 ? in->start + (double)i * in->step : (double)INFINITY,
                     rho + i * size);
        out->has_steady = true;
    }
    phase_stop(&out->dynamics);
done:
    free(rho);
    free(systems);
    return code;
}

int compute(struct result *out, const struct input *in, int n_threads, struct progress *progress)
{
    struct result result = {0};
    int code = in->method == METHOD_TEMPO ? CLI_OK : build_all(&result, in, n_threads, progress);

    if (code == CLI_OK && in->task == TASK_DYNAMICS) {
        check_trace(&result.warnings, in);
        code = run_dynamics(&result, in, n_threads, progress);
    } else if (code == CLI_OK && in->task == TASK_STEADY_STATE) {
        code = find_steady_state(&result, in, n_threads, progress);
    } else if (code == CLI_OK && in->task == TASK_CHAIN) {
        code = run_chain(&result, in, n_threads, progress);
    }
    progress_clear(progress);
    if (code == CLI_OK && result.warnings.failed)
        code = fail_memory();
    if (code) {
        result_release(&result);
        return code;
    }
    for (size_t i = 0; i < result.warnings.n; i++)
        fprintf(stderr, "oqtempo: warning: %s\n", result.warnings.value[i]);
    *out = result;
    return CLI_OK;
}

void result_release(struct result *result)
{
    for (size_t i = 0; i < result->n_tensors; i++)
        oqt_pt_destroy(result->built[i]);
    free(result->tensor);
    free(result->built);
    table_release(&result->table);
    facts_release(&result->warnings);
    *result = (struct result){0};
}

/* ---- what is known about it ---- */

const char *pt_method_name(oqt_pt_method method)
{
    switch (method) {
    case OQT_PT_UNIFORM:
        return "uniform";
    case OQT_PT_DEPHASING:
        return "dephasing";
    case OQT_PT_TEMPO:
        return "pt-tempo";
    case OQT_PT_IMPORTED:
        return "imported";
    case OQT_PT_AUTO:
        break;
    }
    return "unknown";
}

void tensor_facts(struct facts *out, const char *prefix, const oqt_pt *pt)
{
    oqt_pt_info info;
    char key[96];

    oqt_pt_get_info(&info, pt);
#define FACT(name, ...) (snprintf(key, sizeof key, "%s%s", prefix, name), facts_add(out, key, __VA_ARGS__))
    FACT("method", "%s", pt_method_name(info.method));
    FACT("dimension", "%zu", info.dimension);
    FACT("dt", "%.17g", info.dt);
    if (info.n_steps == SIZE_MAX) {
        FACT("steps", "any");
    } else {
        FACT("steps", "%zu", info.n_steps);
    }
    FACT("bond_dimension", "%zu", info.bond_dimension);
    FACT("tolerance", "%g", info.tolerance);
    FACT("path_rate", "%g", info.path_rate);
    FACT("modes", "%zu", info.n_modes);
    FACT("squarings", "%zu", info.n_squarings);
    FACT("fit_error", "%.3g", info.fit_error);
    FACT("discarded_weight", "%.3g", info.discarded_weight);
    FACT("path_error", "%.3g", info.path_error);
    FACT("path_steps", "%zu", info.path_steps);
    FACT("error_estimate", "%.3g", info.error_estimate);
    FACT("accuracy", "%g", info.accuracy);
    FACT("builds", "%zu", info.n_builds);
    if (info.memory_steps > 0) {
        FACT("memory_steps", "%zu", info.memory_steps);
        FACT("added_correlation_time", "%g", info.added_correlation_time);
        FACT("cutoff_error", "%.3g", info.cutoff_error);
    }
    FACT("state_limit_hit", "%s", info.state_limit_hit ? "yes" : "no");
#undef FACT
}

void result_facts(struct facts *out, const struct result *result)
{
    char prefix[48];

    for (size_t i = 0; i < result->n_tensors; i++) {
        snprintf(prefix, sizeof prefix, "process_tensors.%zu.", i);
        tensor_facts(out, prefix, result->tensor[i]);
    }
    if (result->has_run) {
        facts_add(out, "run.bond_dimension", "%zu", result->stats.bond_dimension);
        facts_add(out, "run.trace_drift", "%.3g", result->stats.trace_drift);
        facts_add(out, "run.norm_excess", "%.3g", result->stats.norm_excess);
    }
    if (result->has_tempo) {
        facts_add(out, "run.largest_bond", "%zu", result->tempo.largest_bond);
        facts_add(out, "run.discarded_weight", "%.3g", result->tempo.discarded_weight);
        facts_add(out, "run.trace_drift", "%.3g", result->tempo.trace_drift);
    }
    if (result->has_steady) {
        facts_add(out, "run.bond_dimension", "%zu", result->steady.bond_dimension);
        facts_add(out, "run.steps", "%zu", result->steady.n_steps);
        facts_add(out, "run.residual", "%.3g", result->steady.residual);
        facts_add(out, "run.error", "%.3g", result->steady.error);
    }
    if (result->has_chain) {
        facts_add(out, "run.bond_dimension", "%zu", result->chain.bond_dimension);
        facts_add(out, "run.discarded_weight", "%.3g", result->chain.discarded_weight);
        facts_add(out, "run.trace_drift", "%.3g", result->chain.trace_drift);
    }
    for (size_t i = 0; i < result->warnings.n; i++) {
        snprintf(prefix, sizeof prefix, "warnings.%zu", i);
        facts_add(out, prefix, "%s", result->warnings.value[i]);
    }
}
