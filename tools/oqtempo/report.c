/* report.c - a run in figures, as JSON. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *blas_kind_name(oqt_blas_kind kind)
{
    switch (kind) {
    case OQT_BLAS_SERIAL:
        return "serial";
    case OQT_BLAS_PTHREAD:
        return "pthread";
    case OQT_BLAS_OPENMP:
        return "openmp";
    case OQT_BLAS_UNKNOWN:
        break;
    }
    return "unknown";
}

void report_runtime(struct json *json)
{
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    json_string(json, "program", "oqtempo");
    json_string(json, "version", runtime.version);
    json_string(json, "threading", runtime.threading);
    json_integer(json, "max_threads", (uint64_t)runtime.max_threads);
    json_begin_object(json, "blas");
    json_string(json, "name", runtime.blas);
    json_string(json, "kind", blas_kind_name(runtime.blas_kind));
    json_integer(json, "threads", (uint64_t)runtime.blas_threads);
    json_end_object(json);
}

/* ---- options ---- */

/* A scalar as JSON of its kind: number, bool or string. Quoted text stays text. */
static void write_scalar(struct json *json, const struct node *node)
{
    const char *text = node->text;
    char *end;
    double x = strtod(text, &end);

    if (node->plain && *text && *end == '\0' && strchr("+-.0123456789", *text) && isfinite(x)) {
        json_number(json, node->key, x);
    } else if (node->plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        json_bool(json, node->key, text[0] == 't');
    } else {
        json_string(json, node->key, text);
    }
}

static void write_node(struct json *json, const struct node *node, const char *name)
{
    if (node->kind == NODE_SCALAR) {
        write_scalar(json, node);
        return;
    }
    if (node->kind == NODE_MAP) {
        json_begin_object(json, name);
    } else {
        json_begin_array(json, name);
    }
    for (size_t i = 0; i < node->n; i++)
        write_node(json, node->child[i], node->child[i]->key);
    if (node->kind == NODE_MAP) {
        json_end_object(json);
    } else {
        json_end_array(json);
    }
}

/* ---- results ---- */

static void write_phase(struct json *json, const char *name, const struct phase *phase)
{
    json_begin_object(json, name);
    json_number(json, "wall_seconds", phase->wall);
    json_number(json, "cpu_seconds", phase->cpu);
    json_end_object(json);
}

static void write_tensor(struct json *json, const oqt_pt *pt)
{
    oqt_pt_info info;

    oqt_pt_get_info(&info, pt);
    json_begin_object(json, NULL);
    json_string(json, "method", pt_method_name(info.method));
    json_integer(json, "dimension", info.dimension);
    json_number(json, "dt", info.dt);
    /* A tensor for any number of steps has null here. */
    json_number(json, "steps", info.n_steps == SIZE_MAX ? (double)NAN : (double)info.n_steps);
    json_integer(json, "bond_dimension", info.bond_dimension);
    json_number(json, "tolerance", info.tolerance);
    json_number(json, "path_rate", info.path_rate);
    json_integer(json, "modes", info.n_modes);
    json_integer(json, "squarings", info.n_squarings);
    json_number(json, "fit_error", info.fit_error);
    json_number(json, "discarded_weight", info.discarded_weight);
    json_number(json, "path_error", info.path_error);
    json_integer(json, "path_steps", info.path_steps);
    json_number(json, "error_estimate", info.error_estimate);
    json_number(json, "accuracy", info.accuracy);
    json_integer(json, "builds", info.n_builds);
    if (info.memory_steps > 0) {
        json_integer(json, "memory_steps", info.memory_steps);
        json_number(json, "added_correlation_time", info.added_correlation_time);
        json_number(json, "cutoff_error", info.cutoff_error);
    }
    json_bool(json, "state_limit_hit", info.state_limit_hit != 0);
    json_end_object(json);
}

static void write_run(struct json *json, const oqt_dynamics_stats *stats)
{
    json_begin_object(json, "run");
    json_integer(json, "steps", stats->n_steps);
    json_integer(json, "bond_dimension", stats->bond_dimension);
    json_number(json, "trace_drift", stats->trace_drift);
    json_number(json, "norm_excess", stats->norm_excess);
    json_end_object(json);
}

static void write_tempo(struct json *json, const oqt_tempo_stats *stats)
{
    json_begin_object(json, "run");
    json_integer(json, "steps", stats->n_steps);
    json_integer(json, "largest_bond", stats->largest_bond);
    json_number(json, "discarded_weight", stats->discarded_weight);
    json_number(json, "trace_drift", stats->trace_drift);
    json_bool(json, "limit_hit", stats->limit_hit != 0);
    json_end_object(json);
}

static void write_steady(struct json *json, const oqt_steady_stats *stats)
{
    json_begin_object(json, "run");
    json_integer(json, "steps", stats->n_steps);
    json_integer(json, "bond_dimension", stats->bond_dimension);
    json_number(json, "residual", stats->residual);
    json_number(json, "error", stats->error);
    json_end_object(json);
}

static void write_chain(struct json *json, const struct result *result, int n_threads)
{
    const oqt_tebd_stats *stats = &result->chain;

    json_begin_object(json, "run");
    json_integer(json, "steps", stats->n_steps);
    json_integer(json, "bond_dimension", stats->bond_dimension);
    json_number(json, "discarded_weight", stats->discarded_weight);
    json_bool(json, "bond_limit_hit", stats->bond_limit_hit != 0);
    json_number(json, "trace_drift", stats->trace_drift);
    json_number(json, "flops", stats->flops);
    json_number(json, "work_seconds", stats->work);
    json_number(json, "span_seconds", stats->span);
    json_number(json, "parallelism", stats->work / stats->span);
    json_integer(json, "threads", (uint64_t)n_threads);
    json_begin_object(json, "predicted_speedup");
    for (int i = 0; i < N_FORECASTS; i++) {
        char threads[16];

        snprintf(threads, sizeof threads, "%d", 2 << i);
        json_number(json, threads, result->speedup[i]);
    }
    json_end_object(json);
    json_end_object(json);
}

static uint64_t peak_memory(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (uint64_t)usage.ru_maxrss * 1024; /* given in KiB by Linux and the BSDs */
}

void report_run(struct text *out, const struct input *in, const struct result *result,
                const struct phase *output, int n_threads)
{
    struct json json = {.text = *out};
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    json_begin_object(&json, NULL);
    report_runtime(&json);
    n_threads = n_threads > 0 ? n_threads : runtime.max_threads;
    json_integer(&json, "threads", (uint64_t)n_threads);
    write_node(&json, in->tree.root, "options");
    json_begin_object(&json, "phases");
    write_phase(&json, "bath", &in->bath_phase);
    write_phase(&json, "process_tensor", &result->process_tensor);
    write_phase(&json, "dynamics", &result->dynamics);
    write_phase(&json, "output", output);
    json_end_object(&json);
    json_begin_array(&json, "process_tensors");
    for (size_t i = 0; i < result->n_tensors; i++)
        write_tensor(&json, result->tensor[i]);
    json_end_array(&json);
    if (result->has_run)
        write_run(&json, &result->stats);
    if (result->has_tempo)
        write_tempo(&json, &result->tempo);
    if (result->has_steady)
        write_steady(&json, &result->steady);
    if (result->has_chain)
        write_chain(&json, result, n_threads);
    json_integer(&json, "peak_memory_bytes", peak_memory());
    json_begin_array(&json, "warnings");
    for (size_t i = 0; i < result->warnings.n; i++)
        json_string(&json, NULL, result->warnings.value[i]);
    json_end_array(&json);
    json_end_object(&json);
    *out = json.text;
}
