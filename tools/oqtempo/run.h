/* run.h - doing what an input file asks for and writing the results. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "options.h"

struct run_options {
    const char *file, *output, *report, *plot;
    int n_threads;
    bool quiet, dry_run, resume;
    bool build; /* `pt build`: the process tensor, whatever the task */
    struct text_list set;
};

int run(const struct run_options *options);

/** Print what is known about a process tensor, as "key: value" lines. */
int print_tensor(FILE *stream, const oqt_pt *pt);

#endif
