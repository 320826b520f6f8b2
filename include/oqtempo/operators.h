/* oqtempo/operators.h - operators, states and superoperators by name or by construction.
 *
 * Everything is written into arrays of the caller, which must not overlap with the inputs: operators and
 * states d x d, superoperators d^2 x d^2 for the row-major vectorization. For d = 2 the first basis vector is
 * "up". The first basis vector of a spin j, d = 2j + 1, has the largest m; that of an oscillator no quanta.
 * Nothing is kept between calls, so that any thread may call. Cost: that of filling the array, but for a
 * product of d x d matrices in dissipators and unitaries and a diagonalization in thermal states.
 */
#ifndef OQT_OPERATORS_H
#define OQT_OPERATORS_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

/* ---- operators ---- */

/**
 * An operator by name.
 *
 * - identity: 1
 * - sigma_x, sigma_y, sigma_z, sigma_plus, sigma_minus: Pauli matrices, d = 2; sigma_minus takes up to down
 * - create, destroy, number: truncated ladder operators a^+ and a of an oscillator; 0 .. d - 1
 * - position, momentum: (a + a^+) / sqrt2 and -i (a - a^+) / sqrt2
 * - spin_x, spin_y, spin_z, spin_plus, spin_minus: spin j = (d - 1) / 2, spin_z = diag(j .. -j)
 * - ket_bra(i,j): the matrix unit with a one in row i, column j
 *
 * @param[out] op    d x d, unchanged on failure
 * @return OQT_OK, OQT_EINVAL (unknown name; the message names those that exist) or OQT_ERANGE (another
 *         dimension than 2, or an index beyond the dimension)
 */
OQT_API oqt_status oqt_op_by_name(oqt_complex *op, size_t d, const char *name, oqt_error *err);

/** op += c times the operator of a name: a Hamiltonian is a sum of such terms. Otherwise as
 *  oqt_op_by_name. */
OQT_API oqt_status oqt_op_add(oqt_complex *op, size_t d, oqt_complex c, const char *name, oqt_error *err);

/** The names as in the table, and NULL behind them. Borrowed, valid for ever. */
OQT_API const char *const *oqt_op_names(void);

/** |i><j|, d x d. OQT_ERANGE if an index is not below d. */
OQT_API oqt_status oqt_op_ket_bra(oqt_complex *op, size_t d, size_t i, size_t j, oqt_error *err);

/** The tensor product a (x) b, da db x da db: element (i db + k, j db + l) is a_ij b_kl. */
OQT_API void oqt_op_tensor(oqt_complex *op, size_t da, const oqt_complex *a, size_t db, const oqt_complex *b);

/* ---- states ---- */

/**
 * A density matrix by name: up, down, x+, x-, y+, y-, z+, z- for d = 2 (z+ is up); mixed (1/d) and basis(i),
 * the basis vector i counted from 0, for any d.
 *
 * @param[out] rho   d x d, unchanged on failure
 * @return as oqt_op_by_name
 */
OQT_API oqt_status oqt_state_by_name(oqt_complex *rho, size_t d, const char *name, oqt_error *err);

/** The names of states, and NULL behind them. Borrowed, valid for ever. */
OQT_API const char *const *oqt_state_names(void);

/** |psi><psi| / <psi|psi>. OQT_EINVAL if psi is zero or not finite. */
OQT_API oqt_status oqt_state_pure(oqt_complex *rho, size_t d, const oqt_complex *psi, oqt_error *err);

/**
 * exp(-H/T) / tr exp(-H/T).
 *
 * @param[out] rho          d x d, unchanged on failure
 * @param[in]  hamiltonian  d x d, Hermitian to 1e-10 of its largest element
 * @param[in]  temperature  >= 0; at 0 the ground state, or the equal mixture of ground states within 1e-12 of
 *                          the largest eigenvalue
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM or OQT_ECONV
 */
OQT_API oqt_status oqt_state_thermal(oqt_complex *rho, size_t d, const oqt_complex *hamiltonian,
                                     double temperature, oqt_error *err);

/** The coherent state of an oscillator, sum_n alpha^n / sqrt(n!) |n>, cut at d levels and normalized.
 *  OQT_EINVAL if alpha is not finite; OQT_ENOMEM. */
OQT_API oqt_status oqt_state_coherent(oqt_complex *rho, size_t d, oqt_complex alpha, oqt_error *err);

/** The spin-coherent state: the spin j = (d - 1) / 2 points in the direction (sin theta cos phi,
 *  sin theta sin phi, cos theta). OQT_EINVAL if an angle is not finite or d > 1024; OQT_ENOMEM. */
OQT_API oqt_status oqt_state_spin(oqt_complex *rho, size_t d, double theta, double phi, oqt_error *err);

/* ---- superoperators, d^2 x d^2 ---- */

/** rho -> A rho: A (x) 1. */
OQT_API void oqt_super_left(oqt_complex *out, size_t d, const oqt_complex *a);

/** rho -> rho A: 1 (x) A^T. */
OQT_API void oqt_super_right(oqt_complex *out, size_t d, const oqt_complex *a);

/** rho -> A rho B: A (x) B^T. */
OQT_API void oqt_super_left_right(oqt_complex *out, size_t d, const oqt_complex *a, const oqt_complex *b);

/** rho -> A rho - rho A. */
OQT_API void oqt_super_commutator(oqt_complex *out, size_t d, const oqt_complex *a);

/** rho -> A rho + rho A. */
OQT_API void oqt_super_anticommutator(oqt_complex *out, size_t d, const oqt_complex *a);

/** rho -> A rho A^+ - (A^+ A rho + rho A^+ A) / 2. */
OQT_API void oqt_super_dissipator(oqt_complex *out, size_t d, const oqt_complex *a);

/** rho -> U rho U^+. OQT_EINVAL unless |U^+ U - 1| <= 1e-10 in every element. */
OQT_API oqt_status oqt_super_unitary(oqt_complex *out, size_t d, const oqt_complex *u, oqt_error *err);

/** rho -> sum over n of K_n rho K_n^+.
 *
 * @param[in] kraus  n x d x d; any matrices, so that outcomes of a measurement can be picked
 */
OQT_API void oqt_super_kraus(oqt_complex *out, size_t d, size_t n, const oqt_complex *kraus);

/** rho -> tr(rho) sigma: forgets the state and prepares another, vec(sigma) vec(1)^T. */
OQT_API void oqt_super_preparation(oqt_complex *out, size_t d, const oqt_complex *sigma);

/* ---- superoperators of two sites, da^2 db^2 x da^2 db^2 ----
 *
 * A acts on the left site, B on the right one. A site has the index row d + column, and two sites together
 * (index of the left) db^2 + (index of the right). That is not the vectorization of the joint density matrix.
 */

/** rho -> (A1 (x) B1) rho (A2 (x) B2): (A1 (x) A2^T) (x) (B1 (x) B2^T). */
OQT_API void oqt_super_cross_left_right(oqt_complex *out, size_t da, const oqt_complex *a1,
                                        const oqt_complex *a2, size_t db, const oqt_complex *b1,
                                        const oqt_complex *b2);

/** rho -> [A (x) B, rho]. */
OQT_API void oqt_super_cross_commutator(oqt_complex *out, size_t da, const oqt_complex *a, size_t db,
                                        const oqt_complex *b);

/** rho -> {A (x) B, rho}. */
OQT_API void oqt_super_cross_anticommutator(oqt_complex *out, size_t da, const oqt_complex *a, size_t db,
                                            const oqt_complex *b);

OQT_END_DECLS

#endif
