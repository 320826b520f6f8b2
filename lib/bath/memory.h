/* memory.h - private: memory coefficients of one bath and time step, for those who ask more than once. */
#ifndef OQT_BATH_MEMORY_H
#define OQT_BATH_MEMORY_H

#include "core/core.h"

#include <oqtempo/bath.h>

typedef struct oqt__memory oqt__memory;

/** Prepare for coefficients eta_k, k <= k_max; what depends on neither k is computed once. The bath is
 *  borrowed. accuracy: of the coefficients of a built-in density, relative to the first of them; less than
 * that of rounding takes less time. n_threads: as of oqt_bath_eta, for all requests. */
oqt_status oqt__memory_create(oqt__memory **out, const oqt_bath *bath, double dt, uint64_t k_max,
                              double accuracy, int n_threads, oqt_error *err);
void oqt__memory_destroy(oqt__memory *memory);

/** Whether the bath consists of undamped modes, and never forgets. */
bool oqt__memory_lasts(const oqt__memory *memory);

/** Compute the first n coefficients now, once, for all who ask later. */
oqt_status oqt__memory_keep(oqt__memory *memory, size_t n, oqt_error *err);

/** As oqt_bath_eta. */
oqt_status oqt__memory_eta(oqt_complex *eta, const oqt__memory *memory, size_t n, const uint64_t *k,
                           oqt_error *err);

#endif
