/* oqtempo/liouville.h - the open system without its baths: Hamiltonian and Lindblad terms.
 *
 * L rho = -i [H, rho] + sum_n rate_n (A_n rho A_n^+ - {A_n^+ A_n, rho} / 2).
 * Superoperators act on the row-major vectorization: element (i d + j, k d + l) takes rho_kl to rho_ij.
 *
 * A finished oqt_system is only read by the library and may be shared between threads.
 */
#ifndef OQT_LIOUVILLE_H
#define OQT_LIOUVILLE_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

typedef struct oqt_system oqt_system;

/**
 * A system with a constant Hamiltonian.
 *
 * @param[out] out          the system; destroy with oqt_system_destroy
 * @param[in]  d            dimension of the Hilbert space, 1 to 1024
 * @param[in]  hamiltonian  d x d, Hermitian to 1e-10 of its largest element
 * @param[out] err          message on failure, or NULL
 * @return OQT_OK, OQT_EINVAL, OQT_ERANGE (d too large) or OQT_ENOMEM
 */
OQT_API oqt_status oqt_system_create(oqt_system **out, size_t d, const oqt_complex *hamiltonian,
                                     oqt_error *err);

/** Free a system; NULL is fine. */
OQT_API void oqt_system_destroy(oqt_system *system);

/**
 * Add a Lindblad term. Negative rates are allowed (canonical time-local generators have them).
 *
 * @param[in,out] system    unchanged on failure
 * @param[in]     rate      multiplies the whole dissipator; finite
 * @param[in]     op        d x d, any matrix with finite elements
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_system_add_dissipator(oqt_system *system, double rate, const oqt_complex *op,
                                             oqt_error *err);

/** Dimension d of the Hilbert space. */
OQT_API size_t oqt_system_dimension(const oqt_system *system);

/** Largest minus smallest eigenvalue of the Hamiltonian: the fastest frequency of the closed system. */
OQT_API double oqt_system_spectral_width(const oqt_system *system);

/** The Liouvillian, d^2 x d^2, into `out`. */
OQT_API void oqt_system_liouvillian(oqt_complex *out, const oqt_system *system);

/**
 * The propagator exp(L t).
 *
 * @param[out] out  d^2 x d^2, unchanged on failure
 * @param[in]  t    time, finite
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM or OQT_ECONV
 *
 * Cost: about 20 products of d^2 x d^2 matrices.
 */
OQT_API oqt_status oqt_system_propagator(oqt_complex *out, const oqt_system *system, double t,
                                         oqt_error *err);

OQT_END_DECLS

#endif
