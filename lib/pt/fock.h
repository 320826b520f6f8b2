/* fock.h - private to pt: the influence functional of a weakened coupling in a small Fock space. */
#ifndef OQT_PT_FOCK_H
#define OQT_PT_FOCK_H

#include "pt/pt_priv.h"

/** A set of tensors, one for each leg class, row-vector convention (past on the left). */
typedef struct {
    size_t n;              /* states                                                     */
    double **re;           /* n_class: n x n; F' of a gauged class; NULL for a mirror    */
    double **im;           /* n_class: n x n for a complex class, else NULL              */
    double *weight;        /* n: prior weights (or Schmidt values); state 0, the vacuum: 1 */
    unsigned char *parity; /* n: 0 or 1; all 0 if the spectrum is not symmetric          */
} oqt__level;

oqt_status oqt__level_alloc(oqt__level *level, size_t n, const oqt__legs *legs, oqt_error *err);
void oqt__level_release(oqt__level *level, size_t n_class);

/**
 * One slot at coupling delta times the full one.
 *
 * States are the occupations of the modes of the model with weight prod (2 delta gain_i)^(n_i) above
 * threshold, at most 8 particles and max_states of them. Exact up to that selection.
 *
 *     W_a = exp(sqrt(delta) g_a C.abs) Gamma(A) exp(sqrt(delta) e_a.emi),
 *     g_a = i om_a,  e_a = i om_a b_1 + sp_a b_2.
 */
oqt_status oqt__fock_base(oqt__level *out, const oqt__state_space *model, const oqt__legs *legs, double delta,
                          double threshold, size_t max_states, bool *limited, oqt_error *err);

#endif
