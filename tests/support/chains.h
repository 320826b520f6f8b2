/* chains.h - parts of random and published chains, and their joint space. */
#ifndef OQT_TEST_CHAINS_H
#define OQT_TEST_CHAINS_H

#include "support.h"

/** The finite process tensor of an ohmic bath with exponential cutoff. */
oqt_pt *ohmic_tensor(size_t d, const oqt_complex *coupling, double dt, size_t n_steps, double alpha,
                     double cutoff, double temperature, double tolerance);

/** A system with one dissipator. */
oqt_system *damped_system(size_t d, const oqt_complex *h, double rate, const oqt_complex *a);

/** A chain of n <= 8 two-level systems with random terms and losses on every site and bond, and a drive by
 * sigma_x on one site. The state of the random numbers goes on. */
oqt_chain *driven_chain(size_t n, size_t driven, uint64_t *seed);

/** A run from a product state. */
oqt_tebd *product_run(const oqt_chain *chain, const oqt_complex *initial, const size_t *n_pt,
                      const oqt_pt *const *pts, double dt, int order, double tolerance, int n_threads);

/** out = 1 (x) .. (x) a (x) .. (x) 1 with a on sites first .. last of n, on the space of all of them. */
void embed(oqt_complex *out, size_t n, const size_t *dim, size_t first, size_t last, const oqt_complex *a);

/** The density matrix of all n sites, at most 8. */
void whole_density(oqt_complex *rho, const oqt_tebd *run, size_t n);

#endif
