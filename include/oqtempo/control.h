/* oqtempo/control.h - superoperators that act on a system at single steps: pulses, measurements,
 * preparations.
 *
 * Step n covers [t_n, t_n + dt], t_n = start + n dt. A control acts at t_n, before or after the state there
 * is recorded. Superoperators act on the row-major vectorization and may be any matrices: those that do not
 * keep matrices Hermitian (operators from one side, as in correlation functions) as well.
 *
 * Several controls at one place act one after the other. Before the record: those given by a time, in
 * ascending order of time, then those given by the step. After it: those given by the step, then those given
 * by a time. Of those at the same step or at exactly the same time, one added later acts after the others.
 *
 * A finished oqt_control is only read by the library and may be shared between threads.
 */
#ifndef OQT_CONTROL_H
#define OQT_CONTROL_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

typedef struct oqt_control oqt_control;

/** Before or after the state of the step is recorded. */
typedef enum { OQT_PRE = 0, OQT_POST = 1 } oqt_when;

/**
 * No controls yet, for systems of dimension d.
 *
 * @param[out] out  destroy with oqt_control_destroy
 * @param[in]  d    1 to 1024
 * @return OQT_OK, OQT_EINVAL, OQT_ERANGE (d too large) or OQT_ENOMEM
 */
OQT_API oqt_status oqt_control_create(oqt_control **out, size_t d, oqt_error *err);

/** Free it; NULL is fine. */
OQT_API void oqt_control_destroy(oqt_control *control);

/**
 * Let a superoperator act at a step.
 *
 * @param[in,out] control  unchanged on failure
 * @param[in]     superop  d^2 x d^2, finite; copied
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_control_add(oqt_control *control, uint64_t step, oqt_when when,
                                   const oqt_complex *superop, oqt_error *err);

/** The same at a time: at the step (time - start) / dt, rounded to the nearest whole number, half to even.
 *  What rounds to a negative step never acts. */
OQT_API oqt_status oqt_control_add_at(oqt_control *control, double time, oqt_when when,
                                      const oqt_complex *superop, oqt_error *err);

/** Dimension d of the Hilbert space. */
OQT_API size_t oqt_control_dimension(const oqt_control *control);

OQT_END_DECLS

#endif
