/* phase.h - wall and CPU time of the phases of a run. */
#ifndef CLI_PHASE_H
#define CLI_PHASE_H

/** Seconds spent, once stopped; may be started and stopped again and then adds up. */
struct phase {
    double wall, cpu;
};

void phase_start(struct phase *phase);
void phase_stop(struct phase *phase);

/** Seconds of a clock that only goes forward. */
double wall_clock(void);

#endif
