/* phase.c - wall and CPU time of the phases of a run. */
#include "phase.h"

#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec now = {0, 0};

    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double wall_clock(void)
{
    return seconds(CLOCK_MONOTONIC);
}

void phase_start(struct phase *phase)
{
    phase->wall -= wall_clock();
    phase->cpu -= seconds(CLOCK_PROCESS_CPUTIME_ID);
}

void phase_stop(struct phase *phase)
{
    phase->wall += wall_clock();
    phase->cpu += seconds(CLOCK_PROCESS_CPUTIME_ID);
}
