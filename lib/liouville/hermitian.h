/* hermitian.h - private: the Hermitian operator basis in which everything inside is real.
 *
 * Coordinates x of a Hermitian d x d matrix rho, at the positions of its elements: x[i d + i] = rho_ii; for
 * i < j, x[i d + j] = sqrt2 Re rho_ij and x[j d + i] = sqrt2 Im rho_ij. Orthonormal: x.y = tr(rho sigma).
 * A matrix that is not Hermitian is rho = A + iB with A, B Hermitian: two columns.
 */
#ifndef OQT_PRIV_HERMITIAN_H
#define OQT_PRIV_HERMITIAN_H

#include <oqtempo/liouville.h>

#include "core/core.h"

/** Eigenvalues of a coupling closer than this times the largest |o| count as equal, wherever it matters: in
 * the classes of legs and in deciding whether a system commutes with a coupling. */
#define OQT__DEGENERACY_TOLERANCE 1e-11

/** Coordinates of (rho + rho^+)/2 into x and of (rho - rho^+)/2i into y, d^2 each; y may be NULL. */
void oqt__herm_from_matrix(double *x, double *y, const oqt_complex *rho, size_t d);

/** rho = matrix of x plus i times that of y; y may be NULL. */
void oqt__herm_to_matrix(oqt_complex *rho, const double *x, const double *y, size_t d);

/** Largest |element of a - a^+| / largest |element| of a; 0 for a = 0. */
double oqt__hermiticity_defect(const oqt_complex *a, size_t d);

/** Real form of a Hermiticity-preserving superoperator (d^2 x d^2, row-major vectorization). */
void oqt__herm_superop(double *out, const oqt_complex *superop, size_t d);

/** The inverse of oqt__herm_superop. */
void oqt__herm_superop_to_complex(oqt_complex *out, const double *superop, size_t d);

/** Real form of rho -> u^+ rho u, an orthogonal d^2 x d^2 matrix. */
void oqt__herm_rotation(double *out, const oqt_complex *u, size_t d);

/** The real generator of a system, d^2 x d^2. */
void oqt__system_generator(double *out, const oqt_system *system);

/** The real propagator exp(L t), d^2 x d^2. */
oqt_status oqt__system_propagator(double *out, const oqt_system *system, double t, oqt_error *err);

/** A copy, or NULL. */
oqt_system *oqt__system_copy(const oqt_system *system);

/**
 * The rate at which a system leaves the legs (i, j) of a coupling with eigenvalues o and eigenbasis u: the
 * largest row sum of |L| between legs with different eigenvalues. Exactly 0 if the system commutes with the
 * coupling, to 1e-12 of |L|.
 */
oqt_status oqt__system_leg_rate(double *rate, const oqt_system *system, const double *o, const oqt_complex *u,
                                oqt_error *err);

#endif
