/* growth.h - private to pt: whether the map of a step grows. */
#ifndef OQT_PT_GROWTH_H
#define OQT_PT_GROWTH_H

#include "pt/pt_priv.h"

/**
 * The error after n_steps steps of what the map of a step, made of a uniform tensor and a system, grows on.
 *
 * A random augmented state tells whether anything grows: within half of the run mostly, 64 to 1024 steps, and
 * up to 2^15 where it seems to. If so, a random state is followed until its norm is beyond that of any state
 * (2^15 steps at most), and its size at the end of the run is taken to be that at the rate of its last
 * growth. 1 at most; 0 where nothing grows, or so slowly that a run of 2^9 steps is not changed by it.
 *
 * Cost: 4 d^2 bond^2 multiplications for each step.
 */
oqt_status oqt__growth_error(double *error, const oqt_pt *pt, const oqt_system *system, size_t n_steps,
                             oqt_error *err);

#endif
