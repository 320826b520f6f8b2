/* compute.h - the computation that an input asks for, and what is known about its accuracy. */
#ifndef CLI_COMPUTE_H
#define CLI_COMPUTE_H

#include "input.h"
#include "progress.h"
#include "table.h"

enum { N_FORECASTS = 7 };

struct result {
    size_t n_tensors; /* one for each bath */
    const oqt_pt **tensor;
    oqt_pt **built; /* those of them that are ours to destroy, else NULL */
    bool has_run;   /* the dynamics was computed */
    oqt_dynamics_stats stats;
    bool has_tempo; /* it was that of TEMPO */
    oqt_tempo_stats tempo;
    bool has_steady; /* the steady state was found */
    oqt_steady_stats steady;
    bool has_chain; /* the chain was run */
    oqt_tebd_stats chain;
    double speedup[N_FORECASTS]; /* of 2, 4, 8 .. threads */
    struct table table;
    struct phase process_tensor, dynamics;
    struct facts warnings;
};

/** Build the process tensors, then compute the dynamics, the steady state or the chain if that is the task.
 *  Warnings go to stderr as well. */
int compute(struct result *out, const struct input *in, int n_threads, struct progress *progress);
void result_release(struct result *result);

/** The chain of the input, once its process tensors are there. */
int run_chain(struct result *out, const struct input *in, int n_threads, struct progress *progress);

/** Say what failed in the library, or that a signal came; returns the exit code. */
int compute_fail(const char *what, const oqt_error *err, struct progress *progress);

/** The baths and couplings of an input as the library takes them; to be freed by the caller, also on failure.
 */
int gather_baths(const oqt_bath ***baths, oqt_complex **couplings, const struct input *in);

/** The options that an input gives to its process tensors and to its dynamics. */
void tensor_options(oqt_pt_options *out, const struct input *in, int n_threads, struct progress *progress);
void dynamics_options(oqt_dynamics_options *out, const struct input *in, int n_threads,
                      struct progress *progress);

/** What is known about a process tensor. Keys begin with `prefix`. */
void tensor_facts(struct facts *out, const char *prefix, const oqt_pt *pt);

/** Names and numbers of the error estimates of a result, for the head of a table. */
void result_facts(struct facts *out, const struct result *result);

/** Short name of a method, such as "uniform". */
const char *pt_method_name(oqt_pt_method method);

#endif
