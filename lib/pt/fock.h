/* fock.h - private to pt: the influence functional of a weakened coupling in a small Fock space. */
#ifndef OQT_PT_FOCK_H
#define OQT_PT_FOCK_H

#include "pt/level.h"

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
