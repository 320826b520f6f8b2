/* control_priv.h - private: controls in real form. */
#ifndef OQT_PRIV_CONTROL_H
#define OQT_PRIV_CONTROL_H

#include <oqtempo/control.h>

#include "core/core.h"

/** What acts at a place: nothing, a superoperator that keeps matrices Hermitian, or any other. */
typedef enum { OQT__CONTROL_NONE, OQT__CONTROL_REAL, OQT__CONTROL_COMPLEX } oqt__control_kind;

/**
 * All that acts before or after the record of a step, S = S1 + i S2 with S1 and S2 in real form.
 *
 * @param[out] s1, s2   d^2 x d^2 each; undefined if *kind is NONE, and s2 is zero if it is REAL. Both may be
 *                      NULL if only the kind is wanted
 * @param[in]  control  may be NULL: nothing acts
 * @return OQT_OK or OQT_ENOMEM (only where several controls meet). Finds them by bisection.
 */
oqt_status oqt__control_find(oqt__control_kind *kind, double *s1, double *s2, const oqt_control *control,
                             uint64_t step, oqt_when when, double start, double dt, oqt_error *err);

/** Whether no control is of the COMPLEX kind, at any step. */
bool oqt__control_is_real(const oqt_control *control);

/** The first step >= `step` with a control of the COMPLEX kind; UINT64_MAX if there is none. */
uint64_t oqt__control_next_complex(const oqt_control *control, uint64_t step, double start, double dt);

/** Above 0 if some control leads from one leg of a coupling to another: as oqt__system_leg_rate. */
oqt_status oqt__control_leg_rate(double *rate, const oqt_control *control, const double *o,
                                 const oqt_complex *u, oqt_error *err);

/** A copy, or NULL. */
oqt_control *oqt__control_copy(const oqt_control *control);

#endif
