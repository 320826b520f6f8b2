/* metric.h - private to pt: how much each state of a bond matters, on correlated paths. */
#ifndef OQT_PT_METRIC_H
#define OQT_PT_METRIC_H

#include "pt/fock.h"

/** Environments of a bond, one for each leg class of the neighboring slot. The Hermitian matrix re + i im of
 * a complex class is kept as one n x 2n matrix [re | im]; that of a real class, or of a gauged one in its
 * gauge, as n x n; that of a mirror not at all. */
typedef struct {
    size_t n;
    double **mat; /* n_class */
} oqt__environment;

/** Number of real matrices that make up that of a class: 0 for a mirror. */
static inline size_t oqt__class_parts(const oqt__legs *legs, size_t cls)
{
    return legs->kind[cls] == OQT__CLASS_MIRROR ? 0 : legs->kind[cls] == OQT__CLASS_COMPLEX ? 2 : 1;
}

oqt_status oqt__environment_alloc(oqt__environment *env, size_t n, const oqt__legs *legs, oqt_error *err);
void oqt__environment_release(oqt__environment *env, size_t n_class);

/** The chain of legs that the metric averages over, and what runs it. */
typedef struct {
    const oqt__legs *legs;
    double lam;          /* probability to stay on a leg                                */
    const double *theta; /* n_class: weight of a slot with itself                       */
    size_t n_iter;
    bool single; /* products in single precision: half the time, and six digits of what each state counts for
                  */
    int n_threads;
    const oqt_progress *progress; /* reported often, from done to done + share */
    double done, share;
} oqt__metric_chain;

/**
 * Improve the environments of both sides.
 *
 *     right: Y = theta F R F^+,   left: Y = theta F^T R F^*   (the transpose of the left environment)
 *     R <- lam Y + (1 - lam) S,   S = sum_mu w_mu Re Y_mu,    normalized to 1 for the vacuum
 *
 * Whole stays on a leg are summed at once first, R = (1 - lam) sum_k lam^k G^k S G^k+ with G = sqrt(theta) F
 * and k up to three times the mean, by J = log2(4 / -log lam) doublings:
 *
 *     U_0 = S,   U_(j+1) = U_j + lam^(2^j) G^(2^j) U_j G^(2^j)^+.
 *
 * Then come n_iter steps of the iteration. Classes and their reflections together make the sum even: it
 * connects no states of different parity.
 * Cost: (8 J + 6 n_iter + 4) n^3 flops for each real or gauged class, four times that for each complex one.
 */
oqt_status oqt__metric_iterate(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                               const oqt__metric_chain *chain, oqt_error *err);

/** That in double and in single precision. */
oqt_status oqt__metric_improve(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                               const oqt__metric_chain *chain, oqt_error *err);
oqt_status oqt__metric_improve_single(oqt__environment *right, oqt__environment *left,
                                      const oqt__level *level, const oqt__metric_chain *chain,
                                      oqt_error *err);

/** Doublings that sum a stay: longer ones than three times the mean are left out. */
size_t oqt__metric_doublings(double lam);

/** Floating-point operations of that, about. */
double oqt__metric_flops(const oqt__level *level, const oqt__metric_chain *chain);

/** The metric itself: out = sum_mu w_mu Re R_mu, n x n, without elements between different parities. */
void oqt__metric_average(double *out, const oqt__environment *env, const unsigned char *parity,
                         const oqt__legs *legs);

#endif
