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

/** All elements off the diagonal are 0. */
bool oqt__is_diagonal(const oqt_complex *a, size_t d);

/** Real form of a Hermiticity-preserving superoperator (d^2 x d^2, row-major vectorization). */
void oqt__herm_superop(double *out, const oqt_complex *superop, size_t d);

/** The inverse of oqt__herm_superop. */
void oqt__herm_superop_to_complex(oqt_complex *out, const double *superop, size_t d);

/** Real form of rho -> u^+ rho u, an orthogonal d^2 x d^2 matrix. */
void oqt__herm_rotation(double *out, const oqt_complex *u, size_t d);

/** The real generator of the constant terms of a system, d^2 x d^2. */
void oqt__system_generator(double *out, const oqt_system *system);

/** The real generator of all terms at a time, for a system without parameters. */
oqt_status oqt__system_generator_at(double *out, const oqt_system *system, double t, oqt_error *err);

/** The real propagator exp(L t) of a constant system, d^2 x d^2. */
oqt_status oqt__system_propagator(double *out, const oqt_system *system, double t, oqt_error *err);

/** A copy, or NULL. Callbacks and their contexts are borrowed. */
oqt_system *oqt__system_copy(const oqt_system *system);

/* ---- systems that are not constant: propagate.c ----
 *
 * L = L_0 + sum_j s_j L_j + L_rest with constant L_0 and L_j. A point is the numbers s_j and, if there are
 * terms without a constant L_j, the d^4 of L_rest. A sample has the points that half a step needs. */

/** Scratch of one thread for some systems of equal dimension. Zero it first; release in any case. */
typedef struct {
    size_t d;
    size_t point; /* numbers of the largest point */
    double *mem;
} oqt__halves_ws;

oqt_status oqt__halves_ws_init(oqt__halves_ws *ws, size_t n, const oqt_system *const *systems,
                               oqt_error *err);
void oqt__halves_ws_release(oqt__halves_ws *ws);

/** Numbers in the sample of half a step; 0 for a constant system. */
size_t oqt__system_sample_len(const oqt_system *system, oqt_propagation how);

/** Call the callbacks for half a step of length h from t. row: its parameters, or NULL. */
oqt_status oqt__system_sample(double *sample, const oqt_system *system, double t, double h, const double *row,
                              oqt_propagation how, oqt__halves_ws *ws, oqt_error *err);

/** The times in [t, t + h] at which the fourth-order Magnus step looks at the generator. */
void oqt__magnus_times(double at[2], double t, double h);

/**
 * The propagator of such a step of length h, n x n, from the generators at its two times, which are
 * overwritten. expm: oqt__expm_small_len(n) numbers. False if something overflows. docs/theory.md,
 * section 13.
 */
bool oqt__magnus(double *out, double *one, double *two, double h, size_t n, double *expm);

/** The real propagator of half a step of length h from its sample. Calls no callback, allocates nothing. */
oqt_status oqt__system_half(double *out, const oqt_system *system, const double *sample, double h,
                            oqt_propagation how, oqt__halves_ws *ws, oqt_error *err);

/**
 * Both halves of the step that begins at start + step dt: 2 x d^2 x d^2, in real form.
 *
 * @param[in]  rows  the two rows of parameters of this step, or NULL
 * @param[out] halves  undefined on failure
 */
oqt_status oqt__system_halves(double *halves, const oqt_system *system, double start, double dt,
                              uint64_t step, const double *rows, oqt_propagation how, oqt__halves_ws *ws,
                              oqt_error *err);

/** The arguments of a propagation make sense; a system with parameters has them. */
oqt_status oqt__check_propagation(const oqt_system *system, const double *parameters, oqt_propagation how,
                                  oqt_error *err);

/**
 * A constant system in the place of one that depends on time: with the mean of L over a duration, and the
 * mean spectral width. The leg rate is the mean of oqt__system_leg_rate. Terms of parameters are left out,
 * but the rate is 0 only if nothing in the system can leave a leg.
 */
oqt_status oqt__system_mean(oqt_system **out, double *leg_rate, const oqt_system *system, const double *o,
                            const oqt_complex *u, double start, double duration, oqt_error *err);

/** The fastest frequency of a system at time t: the largest of |H - c| and of all |rate| |A|, in spectral
 * norms and with c in the middle of the spectrum of H. Terms of parameters are left out. */
oqt_status oqt__system_frequency(double *f, const oqt_system *system, double t, oqt_error *err);

/**
 * The rate at which a system leaves the legs (i, j) of a coupling with eigenvalues o and eigenbasis u: the
 * largest row sum of |L| between legs with different eigenvalues. Exactly 0 if the system commutes with the
 * coupling, to 1e-12 of |L|. Of terms that are not constant, those with a constant operator count with factor
 * one, and one whose operator is a callback does not commute.
 */
oqt_status oqt__system_leg_rate(double *rate, const oqt_system *system, const double *o, const oqt_complex *u,
                                oqt_error *err);

#endif
