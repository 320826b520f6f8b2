/* model.h - private to pt: the memory of a bath as a state-space model. */
#ifndef OQT_PT_MODEL_H
#define OQT_PT_MODEL_H

#include "bath/memory.h"
#include "pt/pt_priv.h"

/** Steps after which the memory of a bath plays no role, at most; n_steps: number of interest, 0 for any. */
uint64_t oqt__memory_limit(size_t n_steps);

/**
 * Model with Re eta_k = C A^(k-1) b_1 and -Im eta_k = C A^(k-1) b_2, balanced for the weights r1, r2 of the
 * two inputs, so that its gains are those of the influence functional.
 *
 * @param[out] fit_error  largest |eta_k - model| on k that were not fitted, in the units of the gains:
 *                        r1 |(r1 Re, r2 Im)|
 * @param[in]  bath       prepared for 2 steps beyond oqt__memory_limit(n_steps)
 * @param[in]  tol        keep gains above it
 */
oqt_status oqt__memory_model(oqt__state_space *model, double *fit_error, const oqt__memory *bath,
                             const oqt__legs *legs, size_t n_steps, double tol, oqt_error *err);

#endif
