/* published.h - problems whose numbers others published, and these numbers.
 *
 * All were made with OQuPy 0.5.0 at an SVD tolerance of 1e-10 or smaller unless said otherwise; they carry
 * the error of its bath integrals, about 1e-9. */
#ifndef OQT_TEST_PUBLISHED_H
#define OQT_TEST_PUBLISHED_H

#include "physics.h"

/** Pauli matrices over 2. */
extern const oqt_complex half_x[4], half_y[4], half_z[4];

/** All elements of a state of two levels with trace 1; re and im are those of rho01. */
void assert_qubit(const oqt_complex *rho, double rho00, double re, double im, double tol);

/** The states of steps 1 .. n of a trajectory; a row is rho00, Re rho01, Im rho01. */
void assert_qubits(const oqt_complex *rho, const double expected[][3], size_t n, double tol);

/** Case A with full memory: rho00, Re rho01, Im rho01 of steps 1 .. 10. */
extern const double published_a[10][3];

/** Case A with dt = 0.1 and a memory that ends: the last state. The last run has no memory at all. */
struct published_cut {
    size_t memory, steps;
    double added, rho00, re, im;
};
enum { N_CUTS = 5 };
extern const struct published_cut published_cuts[N_CUTS];

/** A qutrit with Lindblad terms, all eigenvalues of the coupling distinct; memory of 10 steps, which the
 * first 10 do not notice. The late ones are of step 20, made at 1e-8. */
struct published_element {
    size_t step, element;
    double re, im;
};
enum { N_QUTRIT = 16, N_QUTRIT_LATE = 6 };
void assert_elements(const oqt_complex *rho, size_t d, const struct published_element *expected, size_t n,
                     double tol);
extern const struct test_case qutrit;
extern const struct published_element published_qutrit[N_QUTRIT], published_qutrit_late[N_QUTRIT_LATE];

/** An independent boson model with a memory of two steps: Im rho01 with it, with the end correction, and in
 * closed form. */
struct published_boson {
    size_t step;
    double cut, corrected, exact;
};
enum { N_BOSON = 6 };
extern const struct test_case boson;
extern const struct published_boson published_boson[N_BOSON];

/** A coupling that is not diagonal: rho00, Re rho01, Im rho01 of steps 1 .. 5. */
extern const struct test_case rotated;
extern const double published_rotated[5][3];

/** A coupling with two equal eigenvalues, and the populations of its last state, made at 1e-7: OQuPy's two
 * variants differ by 2e-5. */
extern const struct test_case degenerate;
void assert_degenerate(const oqt_complex *rho);

/** Two baths, of couplings that do not commute, in list order: rho00, Re rho01, Im rho01 of steps 1 .. 3, and
 * those of the baths in the other order. */
extern const struct test_case two_baths;
extern const double published_xz[3][3], published_zx[3][3];

#endif
