/* influence.h - private: legs of the influence functional and its exact value on a path.
 *
 * In the eigenbasis of the coupling, with eigenvalues o_i, the composite leg a = i d + j has the difference
 * om_a = o_i - o_j and the shifted sum sp_a = o_i + o_j - 2 c. With c the middle of the spectrum the
 * functional is
 *
 *     F(a_0 .. a_{N-1}) = exp(- sum_{n >= m} om_n [Re eta_{n-m} om_m + i Im eta_{n-m} sp_m])
 *                         times prod_n exp(-2 i c om_n Phi_n),  Phi_n = sum_{j <= n} Im eta_j,
 *
 * and the second line stays outside the process tensor.
 */
#ifndef OQT_PRIV_INFLUENCE_H
#define OQT_PRIV_INFLUENCE_H

#include <oqtempo/bath.h>

#include "core/core.h"

/**
 * What the tensor F of a class is made of.
 *
 * Reflecting the spectrum, o -> 2 c - o, takes class (|om|, sp) to (|om|, -sp). Where the spectrum is its own
 * reflection, F of the one is Pi conj(F of the other) Pi with the parity Pi of the number of bath quanta. So
 * one of two classes is enough; and a class that is its own reflection (sp = 0) is T F' T^-1 with T =
 * i^parity and a real F', whose blocks of equal parity are Re F, odd to even Im F, even to odd -Im F.
 */
typedef enum {
    OQT__CLASS_REAL,    /* om = 0                                                */
    OQT__CLASS_COMPLEX, /* om > 0                                                */
    OQT__CLASS_GAUGED,  /* om > 0, sp = 0, symmetric spectrum: the real F'       */
    OQT__CLASS_MIRROR   /* reflection of an earlier class: nothing is kept       */
} oqt__class_kind;

/** Legs that have equal (|om|, sp) share one tensor: a class. Legs with om < 0 use its complex conjugate. */
typedef struct {
    size_t d, n_class;
    double shift;          /* c                                                       */
    double *om, *sp;       /* n_class: |om| and sp of the class                       */
    double *weight;        /* n_class: share of the d^2 legs, with that of its reflection; 0 for a mirror */
    oqt__class_kind *kind; /* n_class                                                 */
    size_t *mirror;        /* n_class: the reflection (itself without one)            */
    bool symmetric;        /* the spectrum is its own reflection                      */
    size_t *cls;           /* d^2: class of a leg                                     */
    signed char *sign;     /* d^2: sign of om, 0 for om = 0                           */
} oqt__legs;

/** Classes of the legs of a coupling with eigenvalues o; differences below 1e-11 of the largest |o| are zero.
 *  Classes are ordered by the first leg that belongs to them. */
oqt_status oqt__legs_create(oqt__legs *legs, const double *o, size_t d, oqt_error *err);
void oqt__legs_release(oqt__legs *legs);

/** log F of the first 1 .. n slots of a path of legs, without the shift factor; out has n elements. O(n^2).
 */
void oqt__path_log(oqt_complex *out, const oqt__legs *legs, const size_t *path, size_t n,
                   const oqt_complex *eta);

/* ---- memory that ends ---- */

/**
 * What slot m does to slot m + K, K = memory, the oldest that is kept: end_m is eta_K, and with an added
 * correlation time also what slots before m did, up to that time, eta_(K+1) + .. + eta_(K+m) at most. See
 * docs/theory.md, eq. (17).
 *
 * @param[out] end    n_end numbers, from m = 0; unchanged on failure
 * @param[in]  eta    up to eta_(K + n_end - 1), but not beyond eta_(K + added / dt)
 * @param[in]  added  the time, >= 0, may be infinity
 */
oqt_status oqt__memory_ends(oqt_complex *end, size_t n_end, const oqt_bath *bath, const oqt_complex *eta,
                            size_t memory, double added, double dt, int n_threads, oqt_error *err);

/** From this m on end_m is always the same, if it is below n_end. */
size_t oqt__memory_special(double added, double dt, size_t n_end);

#endif
