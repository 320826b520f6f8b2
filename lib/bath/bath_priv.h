/* bath_priv.h - private: the bath object and the three ways of integrating it.
 *
 *   nodes        built-in J: C(t) as a sum of complex exponentials, good at all times   (nodes.c, contour.c)
 *   panels       J by callback or table: Legendre series on panels, Filon integration   (panels.c)
 *   correlation  C(t) by callback or table: integrated over time                        (correlation.c)
 */
#ifndef OQT_PRIV_BATH_H
#define OQT_PRIV_BATH_H

#include <complex.h>
#include <stdbool.h>

#include <oqtempo/bath.h>

/* Some versions of glibc keep this C11 macro from clang, though the builtin is there. */
#ifndef CMPLX
#define CMPLX(x, y) __builtin_complex((double)(x), (double)(y))
#endif

typedef enum {
    OQT__BATH_POWER_LAW,
    OQT__BATH_DRUDE_LORENTZ,
    OQT__BATH_LORENTZIAN,
    OQT__BATH_MODES,
    OQT__BATH_TABLE,
    OQT__BATH_CUSTOM,
    OQT__BATH_CORRELATION,
    OQT__BATH_CORRELATION_TABLE
} oqt__bath_kind;

struct oqt_bath {
    oqt__bath_kind kind;
    double temperature; /* -1 where C(t) is given */

    /* Power law: J = strength wc (w/wc)^exponent X(w/wc), strength = 2 alpha.
     * Drude-Lorentz: strength = lambda, width = gamma. Lorentzian: and frequency = w0. */
    double strength, exponent, cutoff, frequency, width;
    oqt_cutoff form;

    /* Modes: x = w_k, y = g_k^2. Tables: x = w or t, y = J or Re C, y2 = Im C, with the spline's slopes. */
    size_t n;
    double *x, *y, *y2, *slope, *slope2;

    oqt_spectral_density_fn density;
    oqt_correlation_fn correlation;
    void *ctx;
    double w_scale, w_max;
};

/* ---- requests ---- */

/** What is asked for: C(t_i), eta(t_i), or the memory coefficient eta_{k_i} of step dt. */
typedef enum { OQT__WANT_C, OQT__WANT_ETA, OQT__WANT_STEP } oqt__want;

typedef struct {
    oqt__want want;
    size_t n;
    const double *t;   /* C and eta */
    const uint64_t *k; /* step; NULL for 0 .. n-1 */
    double dt;         /* step */
    uint64_t k_max;    /* step: of all requests that the nodes will serve */
    double t_min;      /* shortest and longest time that enters */
    double t_max;
    bool has_zero; /* step: eta_0 is among the wanted */
    double efolds; /* of quadratures that leave a relative error of exp(3 - efolds) */
    int n_threads; /* as of the public functions      */
} oqt__request;

static inline uint64_t oqt__request_k(const oqt__request *req, size_t i)
{
    return req->k ? req->k[i] : (uint64_t)i;
}

/** For rounding errors only. */
#define OQT__EFOLDS 40.0

/** Fill out[0 .. n-1]; on failure its content is arbitrary. */
oqt_status oqt__panels_evaluate(oqt_complex *out, const oqt_bath *bath, const oqt__request *req,
                                oqt_error *err);
oqt_status oqt__correlation_evaluate(oqt_complex *out, const oqt_bath *bath, const oqt__request *req,
                                     oqt_error *err);

/** integral J(w)/w dw of a bath with a table or a function for J; NaN if that fails. */
double oqt__panels_reorganization(const oqt_bath *bath);

/* ---- densities ---- */

/** J(w) of a bath with J on the real axis, w >= 0; for a callback its status, else 0. */
int oqt__density_real(double *j, const oqt_bath *bath, double w);

/** The analytic continuation of a built-in J; of a hard cutoff that of the power law alone. */
double complex oqt__density_analytic(const oqt_bath *bath, double complex w);

/* ---- sums of exponentials ---- */

enum { OQT__N_MOMENTS = 9 };

/**
 * sum_j a_j exp(-i (base + v_j) t), once with the weights of Re C and once with those of Im C:
 *
 *     Re C(t) = Re sum_j plus_j exp(..),   Im C(t) = Im sum_j minus_j exp(..).
 *
 * The v_j decay the faster the later they come (-Im v_j does not decrease).
 */
typedef struct {
    size_t n;
    double base;
    double complex *v, *plus, *minus;
    double complex tail_plus, tail_minus; /* weights of v = 0, for nodes too slow to be resolved */

    double decayed; /* nodes that have lost so many e-folds against the slowest are left out */

    /* Moments sum_{i<j} a_i (-i v_i)^m / m! of all nodes before the j-th, of plus then of minus; or NULL.
     * Then also |v|. */
    double complex *moments;
    double *size;

    /* For many multiples k of one time step, or NULL: exp(-i v_j dt d 16^p) in row 16 p + d, n real parts,
     * then n imaginary ones; after n_digits of these 16 rows each, two rows with plus and minus. */
    unsigned n_digits;
    double *power;
} oqt__node_set;

/** The sets that make up one bath: `near` at all times; `far`, if there is one, instead of it from t_far on.
 */
typedef struct {
    size_t n_near;
    oqt__node_set near[2];
    bool has_far;
    double t_far;
    oqt__node_set far;
    oqt_complex eta_0; /* of steps */
} oqt__nodes;

/** Nodes for all that a request may ask: C, eta, or steps up to k_max. */
oqt_status oqt__nodes_create(oqt__nodes *nodes, const oqt_bath *bath, const oqt__request *req,
                             oqt_error *err);

/** Fill out[0 .. n-1] from nodes made for this request or one that reaches farther. */
void oqt__nodes_evaluate(oqt_complex *out, const oqt__nodes *nodes, const oqt__request *req);

/** Room for n nodes; false if out of memory. */
bool oqt__node_set_alloc(oqt__node_set *set, size_t n);
void oqt__nodes_release(oqt__nodes *nodes);

/** Nodes for times between t_min and t_max. */
oqt_status oqt__contour_build(oqt__nodes *nodes, const oqt_bath *bath, double t_min, double t_max,
                              double efolds, oqt_error *err);

/** The set `far` of a Drude-Lorentz or Lorentzian bath of positive temperature. */
oqt_status oqt__matsubara_build(oqt__nodes *nodes, const oqt_bath *bath, oqt_error *err);

/* ---- interpolation ---- */

/** Slopes at the knots of Steffen's monotone cubic, M. Steffen, Astron. Astrophys. 239, 443 (1990). */
void oqt__steffen_slopes(double *slope, const double *x, const double *y, size_t n);

/** Slopes at the knots of the not-a-knot cubic spline, n >= 4; false if out of memory. */
bool oqt__spline_slopes(double *slope, const double *x, const double *y, size_t n);

/** The cubic through knots i and i + 1 with the given slopes. */
double oqt__hermite(const double *x, const double *y, const double *slope, size_t i, double at);

#endif
