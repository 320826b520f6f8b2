/* path_test.h - private to pt: the error of a finished tensor on random paths. */
#ifndef OQT_PT_PATH_TEST_H
#define OQT_PT_PATH_TEST_H

#include "pt/pt_priv.h"

/**
 * Compare the tensor with the exact functional on random paths of legs.
 *
 * Paths start on each leg in turn and change to a random one with probability 1 - lam at every slot, with a
 * fixed seed; stays are rounded to 2^j slots.
 *
 * @param[out] error  root mean square over paths of the largest |F - exact| along the path; the same over the
 *                    first half of the path
 * @param[in]  eta    n_steps exact memory coefficients
 * @param[in]  lam    0 for stays of all lengths
 *
 * Cost: 16 paths or one for each leg, up to 40, with a few products of 8 bond^2 flops for each stay; and
 * log2(longest stay) squares of the tensor.
 */
oqt_status oqt__path_test(double error[2], const oqt_pt *pt, const oqt_complex *eta, size_t n_steps,
                          double lam, int n_threads, oqt_error *err);

/**
 * The same for long runs of slow systems: paths of n_steps slots that change their leg only after multiples
 * of 2^q slots, 256 times at most. error is 0 for systems that change it faster, whose errors do not wait
 * that long. Errors of the bath are passed on.
 */
oqt_status oqt__path_test_long(double *error, const oqt_pt *pt, const oqt_bath *bath, size_t n_steps,
                               double lam, int n_threads, oqt_error *err);

#endif
