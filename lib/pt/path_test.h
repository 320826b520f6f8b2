/* path_test.h - private to pt: the error of a finished tensor on random paths. */
#ifndef OQT_PT_PATH_TEST_H
#define OQT_PT_PATH_TEST_H

#include "pt/pt_priv.h"

/**
 * Compare the tensor with the exact functional on random paths of legs.
 *
 * Paths start on each leg in turn and change to a random one with probability 1 - lam at every slot, with a
 * fixed seed. error is the root mean square over paths of |F - exact|, the largest over the length of paths.
 *
 * @param[in] eta  n_steps exact memory coefficients
 *
 * Cost: about 40 paths of 256 slots, 8 bond^2 flops a slot.
 */
oqt_status oqt__path_test(double *error, const oqt_pt *pt, const oqt_complex *eta, size_t n_steps, double lam,
                          int n_threads, oqt_error *err);

#endif
