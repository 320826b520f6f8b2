/* progress.h - the progress bar, and stopping at a signal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli.h"

#include <stdint.h>

/** What the bar shows. The library's callback fills base .. base + span of it. */
struct progress {
    bool shown;
    const char *phase; /* NULL: as the library calls it                  */
    uint64_t n_steps;  /* for the rate in steps per second; 0: per cent  */
    double base, span;
    double started, drawn; /* times */
    char current[40];      /* phase that was drawn last */
};

/** A bar on stderr if that is a terminal, unless `quiet`. */
void progress_init(struct progress *progress, bool quiet);
/** Begin a phase of the run: a fresh bar. */
void progress_phase(struct progress *progress, const char *phase, uint64_t n_steps);
/** Remove the bar, before anything else is printed. */
void progress_clear(struct progress *progress);
/** An oqt_progress_fn; `ctx` is a struct progress. Cancels after a signal. */
int progress_report(const char *phase, double fraction, void *ctx);

/** From here on SIGINT, SIGTERM and SIGHUP ask the run to stop; a second one of a kind ends it at once. */
void signals_watch(void);
/** 128 + the signal that came, or 0. */
int interrupted(void);

#endif
