/* level.h - private to pt: the tensors of all leg classes at one stage of the construction. */
#ifndef OQT_PT_LEVEL_H
#define OQT_PT_LEVEL_H

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

/** Tensors of all classes, mirrors included, out of their gauges: n_class x 2 x n x n, real and imaginary
 *  parts. */
void oqt__level_expand(double *out, const oqt__level *level, const oqt__legs *legs);

#endif
