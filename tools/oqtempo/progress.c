/* progress.c - the progress bar, and stopping at a signal. */
#include "progress.h"

#include "phase.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---- signals ---- */

static volatile sig_atomic_t caught, times;

/* One signal may come twice (timeout sends it to the program and to its group), so only the third one ends a
 * program that does not get to its next report. */
static void note_signal(int number)
{
    caught = number;
    if (++times >= 3) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void signals_watch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, old;

    memset(&action, 0, sizeof action);
    action.sa_handler = note_signal;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        /* What the caller ignores (nohup, a background job) stays ignored. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    /* A reader that goes away is a failed write, not the end of the program. */
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

int interrupted(void)
{
    return caught ? 128 + (int)caught : 0;
}

/* ---- the bar ---- */

enum { BAR_WIDTH = 30 };

void progress_init(struct progress *progress, bool quiet)
{
    *progress = (struct progress){.shown = !quiet && isatty(STDERR_FILENO), .span = 1.0};
}

void progress_phase(struct progress *progress, const char *phase, uint64_t n_steps)
{
    progress->phase = phase;
    progress->n_steps = n_steps;
    progress->base = 0.0;
    progress->span = 1.0;
    progress->started = wall_clock();
    progress->current[0] = '\0';
}

void progress_clear(struct progress *progress)
{
    if (progress->shown && progress->drawn > 0.0)
        fprintf(stderr, "\r\033[K");
    progress->drawn = 0.0;
}

/* A short text of a time, such as 1:05 or 2:00:00. */
static void format_time(char *out, size_t size, double seconds)
{
    unsigned long s = seconds < 1e8 ? (unsigned long)(seconds + 0.5) : 100000000UL;

    if (s >= 3600) {
        snprintf(out, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    } else {
        snprintf(out, size, "%lu:%02lu", s / 60, s % 60);
    }
}

static void draw(struct progress *p, const char *phase, double fraction, double now)
{
    double elapsed = now - p->started, rate = elapsed > 0.0 ? fraction / elapsed : 0.0;
    char bar[BAR_WIDTH + 1], left[32] = "-:--", speed[40] = "";
    int filled = (int)(fraction * BAR_WIDTH);

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[BAR_WIDTH] = '\0';
    if (rate > 0.0 && elapsed > 0.2) {
        format_time(left, sizeof left, (1.0 - fraction) / rate);
        if (p->n_steps > 0) {
            snprintf(speed, sizeof speed, ", %.3g steps/s", rate * (double)p->n_steps);
        } else {
            snprintf(speed, sizeof speed, ", %.3g %%/s", 100.0 * rate);
        }
    }
    fprintf(stderr, "\r\033[K[%s] %3.0f %% %s%s, %s left", bar, 100.0 * fraction, phase, speed, left);
    fflush(stderr);
    p->drawn = now;
}

int progress_report(const char *phase, double fraction, void *ctx)
{
    struct progress *p = ctx;
    double now;

    if (caught)
        return 1;
    if (!p->shown)
        return 0;
    now = wall_clock();
    phase = p->phase ? p->phase : phase;
    fraction = p->base + p->span * fraction;
    fraction = fraction > 0.0 ? fraction < 1.0 ? fraction : 1.0 : 0.0; /* NaN becomes 0 */
    if (strncmp(p->current, phase, sizeof p->current - 1) != 0) {
        snprintf(p->current, sizeof p->current, "%s", phase);
        p->started = now;
        p->drawn = 0.0;
    }
    if (now - p->drawn >= 0.1)
        draw(p, phase, fraction, now);
    return 0;
}
