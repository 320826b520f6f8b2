/* oqtempo/dynamics.h - reduced dynamics of a system under process tensors, and stationary states.
 *
 * One step is: half a step of the system, the process tensors one after the other, half a step of the
 * system. Step n covers [t_n, t_n + dt], t_n = start + n dt; controls act at t_n. The work is done for a
 * batch: every column is one system with one initial state, and all columns share the process tensors.
 *
 * One handle, one thread at a time. Results do not depend on the number of threads, and on the
 * other columns only by rounding.
 */
#ifndef OQT_DYNAMICS_H
#define OQT_DYNAMICS_H

#include <oqtempo/control.h>
#include <oqtempo/pt.h>

OQT_BEGIN_DECLS

typedef struct oqt_dynamics oqt_dynamics;

typedef struct {
    size_t struct_size;
    double dt; /* needed without process tensors; 0: that of the process tensors */
    oqt_split split;
    int n_threads; /* 0: OpenMP's default */
    oqt_progress progress;
    double start_time;           /* t_0 of systems that depend on time and of controls given by a time      */
    oqt_propagation propagation; /* of systems that depend on time                                          */
    size_t n_controls;           /* 0: none; 1: the same for all columns; else one for each                 */
    const oqt_control *const *controls; /* n_controls of them, NULL where there is none; copied             */
    const double *const *parameters;    /* NULL, or n pointers to rows of parameters, 2 n and 2 n + 1 for the
                                           halves of step n; NULL where a system has no parameters; borrowed
                                           until the run is destroyed                                       */
    uint64_t n_parameter_steps;         /* steps that the rows of parameters cover                          */
} oqt_dynamics_options;
#define OQT_DYNAMICS_OPTIONS_INIT                                                                            \
    {                                                                                                        \
        sizeof(oqt_dynamics_options), 0.0, OQT_SPLIT_SYMMETRIC, 0, {NULL, NULL}, 0.0, OQT_PROPAGATE_MAGNUS,  \
            0, NULL, NULL, 0                                                                                 \
    }

/** Figures of a run so far. */
typedef struct {
    uint64_t n_steps;
    size_t bond_dimension; /* product of the bonds of all process tensors             */
    double trace_drift; /* largest |tr rho - tr rho_0| over columns and steps taken; where a control changes
                           the trace, what it leaves takes the place of tr rho_0           */
    double norm_excess; /* largest excess of the root of tr rho^2 over tr rho_0, which no state has: over
                           columns that began as states, and steps recorded or at the end of a call. More
                           than error estimates says that a process tensor is not good enough */
} oqt_dynamics_stats;

/**
 * Start a batch of n columns.
 *
 * @param[out] out       the run; destroy with oqt_dynamics_destroy
 * @param[in]  n_pt      number of process tensors, may be 0
 * @param[in]  pts       borrowed until the run is destroyed; equal dimension and dt
 * @param[in]  n         number of columns, >= 1
 * @param[in]  systems   n systems (pointers may repeat), copied
 * @param[in]  initial   n matrices d x d, any finite matrix: propagated linearly
 * @param[in]  opt       NULL for defaults
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE, OQT_ECONV
 *
 * A closed form (OQT_PT_DEPHASING) needs systems and controls that commute with its coupling.
 *
 * Memory: n d^2 times the product of the bonds (two columns if the initial state is not Hermitian or a
 * control does not keep it so), and 3 d^4 for each distinct system, 5 d^4 if the order of several process
 * tensors alternates; with systems that depend on time or with controls 4 d^4 and a sample for each of the
 * steps that are taken in a row, at most 128, and for each distinct system with its controls and parameters.
 */
OQT_API oqt_status oqt_dynamics_create(oqt_dynamics **out, size_t n_pt, const oqt_pt *const *pts, size_t n,
                                       const oqt_system *const *systems, const oqt_complex *initial,
                                       const oqt_dynamics_options *opt, oqt_error *err);

/** Free a run; NULL is fine. */
OQT_API void oqt_dynamics_destroy(oqt_dynamics *dyn);

/**
 * Take n steps.
 *
 * @return OQT_OK, OQT_EINVAL (beyond the steps that process tensors or parameters cover), OQT_ECANCELED, and
 *         for systems that depend on time or with controls OQT_ECALLBACK, OQT_ECONV, OQT_ENOMEM
 *
 * Progress is reported before the first step and then after every few of them. Callbacks of systems are
 * called by this thread, for some steps in advance. On failure the run stands after the last step before it,
 * and may be continued. Cost of a step: 2 d (2 d - 1) bond^2 n flops for each process tensor, times the bonds
 * of the others, and 2 d^4 bond n for the system.
 */
OQT_API oqt_status oqt_dynamics_step(oqt_dynamics *dyn, uint64_t n, oqt_error *err);

/** The current state of one column, d x d, with the control before the record of the step to come. The caller
 *  keeps column < n. */
OQT_API void oqt_dynamics_state(oqt_complex *rho, const oqt_dynamics *dyn, size_t column);

/**
 * Record the current state and those after each of n steps.
 *
 * @param[out] rho  (n + 1) x columns x d x d
 * @return as oqt_dynamics_step; rho then holds the steps that were done
 */
OQT_API oqt_status oqt_dynamics_record(oqt_complex *rho, oqt_dynamics *dyn, uint64_t n, oqt_error *err);

/** Figures so far. */
OQT_API void oqt_dynamics_get_stats(oqt_dynamics_stats *out, const oqt_dynamics *dyn);

/* ---- stationary states ---- */

typedef struct {
    size_t struct_size;
    double dt; /* needed without process tensors; 0: that of the process tensors */
    oqt_split split;
    double tolerance; /* relative error of the augmented state that the iteration may leave */
    size_t max_steps; /* limit of the steps that each of two solves may take */
    int n_threads;    /* 0: OpenMP's default */
    oqt_progress progress;
    double start_time;           /* time at which the period begins */
    oqt_propagation propagation; /* of systems that depend on time  */
} oqt_steady_options;
#define OQT_STEADY_OPTIONS_INIT                                                                              \
    {                                                                                                        \
        sizeof(oqt_steady_options), 0.0, OQT_SPLIT_SYMMETRIC, 1e-9, 10000000, 0, {NULL, NULL}, 0.0,          \
            OQT_PROPAGATE_MAGNUS                                                                             \
    }

/** How a stationary state was found. */
typedef struct {
    size_t bond_dimension; /* product of the bonds of all process tensors                        */
    size_t n_steps;        /* steps taken, those that show that there is no other state included */
    double residual;       /* relative change of the augmented state over one period             */
    double error;          /* estimated relative error of the augmented state                    */
} oqt_steady_stats;

/**
 * The state that a system reaches at long times, or the states that it goes through in each period of a
 * periodic drive, without propagation through the time of relaxation.
 *
 * @param[out] rho       n_period x d x d: the state at the beginning of each step of the period, of trace 1
 * @param[out] stats     or NULL
 * @param[in]  n_pt      number of process tensors, may be 0
 * @param[in]  pts       equal dimension and dt, without end (oqt_pt_info::n_steps is SIZE_MAX); their leg
 *                       factors are taken at their limit for late steps
 * @param[in]  n_period  steps of the period; 1 for a constant system
 * @param[in]  systems   the system during each step: for one that depends on time, n_period times the same,
 *                       whose step n_period must be as its step 0. None may have parameters
 * @param[in]  opt       NULL for defaults
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE, OQT_ECANCELED, OQT_ECALLBACK, or OQT_ECONV: there is
 * more than one stationary state (something is conserved), or the tolerance was not reached
 *
 * If the order of several process tensors alternates, the period is even: with an odd n_period the states
 * returned are those of the first half of 2 n_period steps, which begins in list order.
 *
 * Rounding limits the error to about 1e-16 / (1 - w), w being the second largest eigenvalue of a period. The
 * error of the process tensors themselves comes on top; where relaxation is slow it counts against the rates.
 * Cost: some thousand steps, whatever the time of relaxation. Memory: up to 400 augmented states, fewer (but
 * 60) where they take more than 128 MB, and d^4 for each step of the period. Source: docs/theory.md,
 * section 10.
 */
OQT_API oqt_status oqt_steady_state(oqt_complex *rho, oqt_steady_stats *stats, size_t n_pt,
                                    const oqt_pt *const *pts, size_t n_period,
                                    const oqt_system *const *systems, const oqt_steady_options *opt,
                                    oqt_error *err);

OQT_END_DECLS

#endif
