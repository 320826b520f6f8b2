/* oqtempo/liouville.h - the open system without its baths: Hamiltonian and Lindblad terms.
 *
 * L rho = -i [H, rho] + sum_n rate_n (A_n rho A_n^+ - {A_n^+ A_n, rho} / 2).
 * Superoperators act on the row-major vectorization: element (i d + j, k d + l) takes rho_kl to rho_ij.
 *
 * A system begins constant. Terms that depend on time, or on parameters of which every half step has a row of
 * its own, are added to it; they are callbacks with contexts, which are borrowed as long as the system or a
 * copy within another object lives. The library calls them only from the thread that called it, one after
 * the other. It never keeps more than it has asked for, so they may be asked for the same time again.
 *
 * A finished oqt_system is only read by the library and may be shared between threads, if its callbacks may.
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

/**
 * Add any constant generator: L += generator.
 *
 * @param[in,out] system     unchanged on failure
 * @param[in]     generator  d^2 x d^2, row-major vectorization; keeps matrices Hermitian and conserves the
 * trace, both to 1e-10 of its largest element
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_system_add_generator(oqt_system *system, const oqt_complex *generator, oqt_error *err);

/* ---- terms that depend on time ---- */

/** A matrix d x d into op (zeroed before) at time t. Non-zero aborts: OQT_ECALLBACK. */
typedef int (*oqt_operator_fn)(oqt_complex *op, double t, void *ctx);

/** A number at time t. Non-zero aborts: OQT_ECALLBACK. */
typedef int (*oqt_rate_fn)(double *value, double t, void *ctx);

/**
 * H(t) += amplitude(t) op: the cheapest way to say what depends on time.
 *
 * @param[in,out] system     unchanged on failure
 * @param[in]     amplitude  its values must be finite
 * @param[in]     op         d x d, Hermitian to 1e-10 of its largest element
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_system_add_drive(oqt_system *system, oqt_rate_fn amplitude, void *ctx,
                                        const oqt_complex *op, oqt_error *err);

/** H(t) += hamiltonian(t), which must be Hermitian to 1e-10. Returns as oqt_system_add_drive. */
OQT_API oqt_status oqt_system_add_hamiltonian_fn(oqt_system *system, oqt_operator_fn hamiltonian, void *ctx,
                                                 oqt_error *err);

/** A Lindblad term of a constant operator with a rate that depends on time. Returns as oqt_system_add_drive.
 */
OQT_API oqt_status oqt_system_add_dissipator_rate(oqt_system *system, oqt_rate_fn rate, void *ctx,
                                                  const oqt_complex *op, oqt_error *err);

/** A Lindblad term whose operator depends on time as well. Returns as oqt_system_add_drive. */
OQT_API oqt_status oqt_system_add_dissipator_fn(oqt_system *system, oqt_rate_fn rate, void *rate_ctx,
                                                oqt_operator_fn op, void *op_ctx, oqt_error *err);

/* ---- terms that depend on parameters ----
 *
 * Who propagates such a system gives two rows of parameters for every step: row 2 n for the first half of
 * step n, row 2 n + 1 for the second. Within half a step they do not change. */

/** As oqt_operator_fn and oqt_rate_fn, of one row of parameters. */
typedef int (*oqt_parameter_operator_fn)(oqt_complex *op, const double *parameters, void *ctx);
typedef int (*oqt_parameter_rate_fn)(double *value, const double *parameters, void *ctx);

/**
 * Let a system have n parameters; before terms that need them, and once.
 *
 * @return OQT_OK or OQT_EINVAL (n is 0 or above 65536, or the system has parameters already)
 */
OQT_API oqt_status oqt_system_set_parameters(oqt_system *system, size_t n, oqt_error *err);

/** Number of parameters, 0 for most systems. */
OQT_API size_t oqt_system_n_parameters(const oqt_system *system);

/** H += p op with the parameter number `parameter`. op as for oqt_system_add_drive. */
OQT_API oqt_status oqt_system_add_parameter(oqt_system *system, size_t parameter, const oqt_complex *op,
                                            oqt_error *err);

/** H += hamiltonian(parameters). */
OQT_API oqt_status oqt_system_add_parameter_hamiltonian(oqt_system *system,
                                                        oqt_parameter_operator_fn hamiltonian, void *ctx,
                                                        oqt_error *err);

/** A Lindblad term whose rate and operator depend on parameters. */
OQT_API oqt_status oqt_system_add_parameter_dissipator(oqt_system *system, oqt_parameter_rate_fn rate,
                                                       void *rate_ctx, oqt_parameter_operator_fn op,
                                                       void *op_ctx, oqt_error *err);

/* ---- what a system is ---- */

/** Dimension d of the Hilbert space. */
OQT_API size_t oqt_system_dimension(const oqt_system *system);

/** 1 if no term depends on time or on parameters. */
OQT_API int oqt_system_is_constant(const oqt_system *system);

/** Largest minus smallest eigenvalue of the constant part of the Hamiltonian: the fastest frequency of the
 *  closed system if nothing else is in it. */
OQT_API double oqt_system_spectral_width(const oqt_system *system);

/** The Liouvillian of the constant terms, d^2 x d^2, into `out`. */
OQT_API void oqt_system_liouvillian(oqt_complex *out, const oqt_system *system);

/**
 * The Liouvillian of all terms.
 *
 * @param[out] out         d^2 x d^2, unchanged on failure
 * @param[in]  parameters  one row, NULL for a system without parameters
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ECALLBACK
 */
OQT_API oqt_status oqt_system_liouvillian_at(oqt_complex *out, const oqt_system *system, double t,
                                             const double *parameters, oqt_error *err);

/* ---- propagation ---- */

/**
 * The propagator exp(L t) of a constant system.
 *
 * @param[out] out  d^2 x d^2, unchanged on failure
 * @param[in]  t    time, finite
 * @return OQT_OK, OQT_EINVAL (also if the system is not constant), OQT_ENOMEM or OQT_ECONV
 *
 * Cost: about 20 products of d^2 x d^2 matrices.
 */
OQT_API oqt_status oqt_system_propagator(oqt_complex *out, const oqt_system *system, double t,
                                         oqt_error *err);

/** How half a step of length h is made from L(t). The local error is what one half step adds. */
typedef enum {
    OQT_PROPAGATE_MAGNUS =
        0, /* two exponentials of L at two Gauss points, commutator-free: error of order h^5 */
    OQT_PROPAGATE_AVERAGE = 1, /* one exponential of the integral of L, to 2^-26 of it: h^3; pulses shorter
                                  than h are seen whole */
    OQT_PROPAGATE_MIDPOINT = 2 /* one exponential of h L in the middle: h^3, one call of each callback */
} oqt_propagation;

/**
 * One half step: the propagator from one time to another, in one piece.
 *
 * @param[out] out         d^2 x d^2, unchanged on failure
 * @param[in]  parameters  one row, NULL for a system without parameters
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ECALLBACK, OQT_ECONV
 *
 * Source: docs/theory.md, section 13.
 */
OQT_API oqt_status oqt_system_propagator_between(oqt_complex *out, const oqt_system *system, double from,
                                                 double to, const double *parameters, oqt_propagation how,
                                                 oqt_error *err);

OQT_END_DECLS

#endif
