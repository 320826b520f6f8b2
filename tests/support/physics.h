/* physics.h - one open system with its baths, run from bath to trajectory. */
#ifndef OQT_TEST_PHYSICS_H
#define OQT_TEST_PHYSICS_H

#include "support.h"

enum { MAX_BATHS = 2, MAX_D = 5 };

/** A power-law bath on one coupling operator. */
struct test_bath {
    double alpha, zeta, cutoff;
    oqt_cutoff form;
    double temperature;
    const oqt_complex *coupling;
};

struct test_case {
    size_t d;
    oqt_complex hamiltonian[MAX_D * MAX_D];
    size_t n_dissipators;
    double rate[2];
    oqt_complex lindblad[2][MAX_D * MAX_D];
    oqt_complex initial[MAX_D * MAX_D];
    size_t n_baths;
    struct test_bath bath[MAX_BATHS];
    double dt;
    size_t n_steps;
};

/** The spin-boson model with two Lindblad terms that the reference data call case A. */
extern const struct test_case case_a;

oqt_system *test_system(const struct test_case *c);
oqt_bath *test_bath_create(const struct test_bath *b);

/** rho: (n_steps + 1) x d x d. opt->system and n_steps are filled in. infos: n_baths, or NULL. */
void run_case(oqt_complex *rho, oqt_pt_info *infos, oqt_dynamics_stats *stats, const struct test_case *c,
              oqt_pt_options opt, oqt_split split);

/** Exact state after n steps by the sum over all (d^2)^n paths; one bath, any coupling. */
void brute_force(oqt_complex *rho, const struct test_case *c, size_t n);

/** Columns of a reference table: t and all elements of rho, row-major; returns the number of rows. */
size_t read_reference(oqt_complex *rho, size_t max_rows, size_t d, const char *name);

#endif
