/* dyn_priv.h - private: what the arguments of all kinds of runs have to fulfil. */
#ifndef OQT_PRIV_DYNAMICS_H
#define OQT_PRIV_DYNAMICS_H

#include <oqtempo/dynamics.h>

#include "pt/step.h"

/** Options in full, see oqt__options_read. */
oqt_status oqt__dynamics_options(oqt_dynamics_options *out, const oqt_dynamics_options *given,
                                 oqt_error *err);

/** Options and pointers of a run make sense, and the systems have one dimension. The arrays are there. */
oqt_status oqt__check_batch(size_t n_pt, const oqt_pt *const *pts, size_t n, const oqt_system *const *systems,
                            double dt, oqt_split split, int n_threads, oqt_error *err);

/** Dimensions and time steps agree, and closed forms are used with systems (n pointers, NULL to skip one) and
 *  couplings that commute with their own only. */
oqt_status oqt__check_tensors(size_t n_pt, const oqt_pt *const *pts, size_t n,
                              const oqt_system *const *systems, oqt_error *err);

#endif
