/* oqtempo/bath.h - spectral densities and bath memory.
 *
 * Convention: H = H_S + O (x) sum_k g_k (b_k + b_k^+) + sum_k w_k b_k^+ b_k, no counter-term,
 * J(w) = sum_k g_k^2 delta(w - w_k), and with temperature T
 *
 *     C(t)   = integral_0^inf J(w) [coth(w/2T) cos(wt) - i sin(wt)] dw
 *     eta(t) = integral_0^t dt' integral_0^t' dt'' C(t' - t'')
 *     eta_0  = eta(dt),   eta_k = eta((k+1) dt) - 2 eta(k dt) + eta((k-1) dt)   for k >= 1.
 *
 * There is no factor 1/pi. A bath is immutable and may be shared between threads; a callback inside it must
 * allow that.
 */
#ifndef OQT_BATH_H
#define OQT_BATH_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

typedef struct oqt_bath oqt_bath;

/** How a power law ends: theta(wc - w), exp(-w/wc), exp(-(w/wc)^2). */
typedef enum { OQT_CUTOFF_HARD = 0, OQT_CUTOFF_EXPONENTIAL = 1, OQT_CUTOFF_GAUSSIAN = 2 } oqt_cutoff;

/** J(w) for w > 0. Store the value, return 0; non-zero aborts and becomes OQT_ECALLBACK.
 *  May be called from several threads at once: ctx must be read-only or synchronized. */
typedef int (*oqt_spectral_density_fn)(double *j, double w, void *ctx);

/** C(t) for t >= 0. Store the value, return 0; non-zero aborts and becomes OQT_ECALLBACK.
 *  May be called from several threads at once: ctx must be read-only or synchronized. */
typedef int (*oqt_correlation_fn)(oqt_complex *c, double t, void *ctx);

/**
 * J(w) = 2 alpha w^zeta wc^(1-zeta) X(w/wc).
 *
 * @param[in] alpha        dimensionless coupling, >= 0
 * @param[in] zeta         exponent, > 0 (1 is ohmic)
 * @param[in] cutoff       wc, > 0
 * @param[in] form         X
 * @param[in] temperature  >= 0
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_bath_create_power_law(oqt_bath **out, double alpha, double zeta, double cutoff,
                                             oqt_cutoff form, double temperature, oqt_error *err);

/**
 * Overdamped oscillator, J(w) = (2/pi) lambda gamma w / (w^2 + gamma^2).
 *
 * @param[in] reorganization  lambda = integral J(w)/w dw, >= 0
 * @param[in] rate            gamma, > 0
 * @param[in] temperature     >= 0
 *
 * C(0) of this bath diverges logarithmically; eta does not.
 */
OQT_API oqt_status oqt_bath_create_drude_lorentz(oqt_bath **out, double reorganization, double rate,
                                                 double temperature, oqt_error *err);

/**
 * Underdamped oscillator, J(w) = (2/pi) lambda gamma w0^2 w / ((w^2 - w0^2)^2 + gamma^2 w^2).
 *
 * @param[in] reorganization  lambda = integral J(w)/w dw, >= 0
 * @param[in] frequency       w0, > 0
 * @param[in] damping         gamma, > 0 (also beyond critical damping)
 * @param[in] temperature     >= 0
 */
OQT_API oqt_status oqt_bath_create_lorentzian(oqt_bath **out, double reorganization, double frequency,
                                              double damping, double temperature, oqt_error *err);

/** Finitely many oscillators of frequency w_k > 0 with coupling g_k, J = sum_k g_k^2 delta(w - w_k).
 *  The arrays of length n >= 1 are copied. */
OQT_API oqt_status oqt_bath_create_modes(oqt_bath **out, size_t n, const double *w, const double *g,
                                         double temperature, oqt_error *err);

/** J(w) given at n >= 4 increasing frequencies w_0 >= 0; between them a monotone-preserving (Steffen) cubic,
 *  zero outside. Values must be finite and >= 0; J(0) > 0 is refused at a temperature above 0, where
 *  J coth(w/2T) would not be integrable. The arrays are copied. */
OQT_API oqt_status oqt_bath_create_table(oqt_bath **out, size_t n, const double *w, const double *j,
                                         double temperature, oqt_error *err);

/**
 * J(w) given by a function, on 0 < w < w_max.
 *
 * @param[in] w_scale  a frequency typical for J (such as its cutoff), > 0; quadrature starts from it
 * @param[in] w_max    J is taken to be zero beyond; may be infinity if J decays at least as fast as
 *                     exp(-w/w_scale)
 *
 * J is first looked at when an integral is asked for. OQT_ECONV then follows if J coth(w/2T) is not
 * integrable at w = 0 (J must vanish there at a temperature above 0), if w_max is infinite and J has not
 * decayed within a few thousand w_scale, or if J is too rough to be resolved.
 */
OQT_API oqt_status oqt_bath_create_custom(oqt_bath **out, oqt_spectral_density_fn fn, void *ctx,
                                          double w_scale, double w_max, double temperature, oqt_error *err);

/** C(t) given by a function of t >= 0. */
OQT_API oqt_status oqt_bath_create_correlation(oqt_bath **out, oqt_correlation_fn fn, void *ctx,
                                               oqt_error *err);

/** C(t) given at n >= 4 increasing times, the first of them 0; cubic splines between, zero beyond.
 *  The arrays are copied. */
OQT_API oqt_status oqt_bath_create_correlation_table(oqt_bath **out, size_t n, const double *t,
                                                     const oqt_complex *c, oqt_error *err);

/** Free a bath; NULL is fine. */
OQT_API void oqt_bath_destroy(oqt_bath *bath);

/** Temperature, or -1 where C(t) was given instead of J(w). */
OQT_API double oqt_bath_temperature(const oqt_bath *bath);

/**
 * The spectral density at n frequencies.
 *
 * @param[out] j  n values, unchanged on failure
 * @return OQT_OK, OQT_EINVAL (a negative frequency; or the bath has modes or C(t) only), OQT_ECALLBACK
 */
OQT_API oqt_status oqt_bath_density(double *j, const oqt_bath *bath, size_t n, const double *w,
                                    oqt_error *err);

/**
 * C(t) at n times.
 *
 * @param[out] c  n complex numbers, unchanged on failure
 * @param[in]  t  n times >= 0
 * @param[in]  n_threads  0: OpenMP's default
 * @return OQT_OK, OQT_EINVAL (also where C diverges), OQT_ENOMEM, OQT_ECONV, OQT_ECALLBACK
 *
 * Accuracy: 1e-10 relative for the built-in densities with t up to 1e4 cutoff times (zeta up to 10; with a
 * Gaussian cutoff at T > 0 and odd zeta C falls exponentially, and 1e-16 of C(0) is left); for callbacks and
 * tables of J, 1e-12 of C(0). Callbacks of J are made by the calling thread. Threads: OpenMP over times.
 */
OQT_API oqt_status oqt_bath_correlation(oqt_complex *c, const oqt_bath *bath, size_t n, const double *t,
                                        int n_threads, oqt_error *err);

/** eta(t), the double time integral of C, at n times >= 0; otherwise as oqt_bath_correlation. */
OQT_API oqt_status oqt_bath_eta_function(oqt_complex *eta, const oqt_bath *bath, size_t n, const double *t,
                                         int n_threads, oqt_error *err);

/**
 * Memory coefficients eta_k of a grid of step dt, at n chosen k.
 *
 * @param[out] eta  n complex numbers, unchanged on failure
 * @param[in]  dt   time step, > 0
 * @param[in]  k    n indices in any order, or NULL for 0 .. n-1
 * @param[in]  n_threads  0: OpenMP's default
 * @return as oqt_bath_correlation
 *
 * The second difference is taken inside the integrals, so there is no cancellation at large k.
 * Accuracy: 1e-10 relative for the built-in densities, k dt up to 1e4 cutoff times; for callbacks and tables
 * of J, 1e-12 of |eta_0|. Threads: OpenMP over k.
 */
OQT_API oqt_status oqt_bath_eta(oqt_complex *eta, const oqt_bath *bath, double dt, size_t n,
                                const uint64_t *k, int n_threads, oqt_error *err);

/** Reorganization energy, integral J(w)/w dw = - Im integral_0^inf C(t) dt; NaN where C(t) was given, or
 * where the integral fails. For a table or a function of J it is integrated anew at each call, else it is
 * known. */
OQT_API double oqt_bath_reorganization(const oqt_bath *bath);

OQT_END_DECLS

#endif
