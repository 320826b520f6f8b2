/* report.h - a run in figures, as JSON. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "compute.h"
#include "json.h"

/** The library and machine in use: version, threading, BLAS. For reports and `info --json`. */
void report_runtime(struct json *json);

/** The report of a run into `out`; n_threads as given on the command line, 0 for the default. */
void report_run(struct text *out, const struct input *in, const struct result *result,
                const struct phase *output, int n_threads);

#endif
