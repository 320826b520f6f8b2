/* oqtempo/guess.h - time step, memory and tolerance for a problem: proposals, and what they cost in error.
 *
 * oqt_guess_parameters looks at the bath and the system only and takes no time; its numbers are rules of
 * thumb. oqt_guess_verify runs the problem at two settings and estimates the errors that were made.
 */
#ifndef OQT_GUESS_H
#define OQT_GUESS_H

#include <oqtempo/dynamics.h>

OQT_BEGIN_DECLS

/** What a proposed time step comes from. */
typedef enum {
    OQT_LIMIT_BATH = 0,  /* resolves the correlation function of a bath         */
    OQT_LIMIT_SYSTEM = 1 /* resolves the system, half a radian of it in a step */
} oqt_guess_limit;

typedef struct {
    size_t struct_size;
    double tolerance;   /* wanted, from above 0 to below 1            */
    size_t max_samples; /* limit of the times at which a system that depends on time is looked at */
    int n_threads;      /* 0: OpenMP's default                         */
} oqt_guess_options;
#define OQT_GUESS_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        sizeof(oqt_guess_options), 3.9e-3, 5000, 0                                                           \
    }

/** Proposed parameters; dt and epsrel are rounded to four digits. */
typedef struct {
    double dt;
    double
        tolerance; /* oqt_pt_options::tolerance, for uniform process tensors: a hundredth of the wanted one */
    size_t memory_steps; /* of the finite methods (dkmax)                                 */
    double epsrel;       /* truncation tolerance of the finite methods at that memory     */
    oqt_guess_limit limited_by;
    int grid_limit_hit;   /* 1: a bath needs more than 256 points; dt is too large for the wanted tolerance */
    int sample_limit_hit; /* 1: max_samples were not enough to find the largest frequency of the system     */
} oqt_guess;

/**
 * Propose a time step, a memory and tolerances for a run from start to end.
 *
 * @param[out] out      unchanged on failure
 * @param[in]  n_baths  at least 1
 * @param[in]  baths    n_baths baths
 * @param[in]  system   or NULL, to look at the baths only
 * @param[in]  start    of the run, finite; it matters for systems that depend on time
 * @param[in]  end      > start
 * @param[in]  opt      NULL for defaults
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ECONV, OQT_ECALLBACK
 *
 * The algorithm is that of OQuPy 0.5.0 (guess_tempo_parameters): halve a grid on [0, end - start] until the
 * trapezoidal rule for C(t) is right to the tolerance in each interval, in units of the integral of |C|, and
 * leave out of each grid the end that holds less than the tolerance of that integral. memory_steps is the
 * number of points left, dt their distance, or 0.5 / f if that is less. epsrel is tolerance * 10^(-log4
 * memory_steps).
 *
 * What differs: f is the largest of |rate| |A| of the Lindblad terms and of |H - c|, in spectral norms and
 * with c in the middle of the spectrum, where OQuPy takes the square of the norm of H: H = 4 sigma_x counts
 * as 4, not as 16, and a shift of all energies does not count. The change of f in a refinement of the samples
 * is relative, and the largest of all samples counts. With several baths the shortest step and the longest
 * memory count. Where C(0) diverges a mean over short times stands for it.
 */
OQT_API oqt_status oqt_guess_parameters(oqt_guess *out, size_t n_baths, const oqt_bath *const *baths,
                                        const oqt_system *system, double start, double end,
                                        const oqt_guess_options *opt, oqt_error *err);

/** Errors that a run would have, in elements of density matrices, and settings for the wanted one. Half of it
 *  is for the step, whose error is of second order, and half for the tolerance, whose error is taken to grow
 *  with it and with the number of steps. */
typedef struct {
    double step_error;      /* of the time step: 4/3 of the largest change when it is halved */
    double tolerance_error; /* of the tolerance: the largest change when it is a tenth       */
    double dt;              /* proposed, at most twice that of the run                       */
    double tolerance;       /* proposed, at most that of the run                             */
} oqt_guess_check;

/**
 * Estimate the errors of a run with uniform process tensors, or those of another method, by three runs.
 *
 * @param[out] out        unchanged on failure
 * @param[in]  n_baths    0 or more
 * @param[in]  baths      n_baths baths
 * @param[in]  couplings  n_baths x d x d, as for oqt_pt_create
 * @param[in]  system     its dimension is d
 * @param[in]  initial    d x d
 * @param[in]  dt         time step of the run, > 0
 * @param[in]  n_steps    its length, >= 1; a run that reaches the first maxima of the changes is long enough
 * @param[in]  wanted     error wanted, > 0
 * @param[in]  pt         how the tensors are built, tolerance and memory_steps being those of the run;
 * system, start_time and n_steps are filled in, accuracy must be 0. NULL for defaults
 * @param[in]  dynamics   NULL for defaults; dt is filled in. Controls and parameters belong to steps, of
 * which there are twice as many in one of the runs; there must be none
 * @return OQT_OK, OQT_EINVAL, or as oqt_pt_create and oqt_dynamics_create
 *
 * Runs of n_steps steps of dt at the tolerance and at a tenth of it, and of 2 n_steps steps of dt/2 at a
 * tenth. Where truncations dominate, step_error holds about a fifth of tolerance_error: an upper bound.
 */
OQT_API oqt_status oqt_guess_verify(oqt_guess_check *out, size_t n_baths, const oqt_bath *const *baths,
                                    const oqt_complex *couplings, const oqt_system *system,
                                    const oqt_complex *initial, double dt, size_t n_steps, double wanted,
                                    const oqt_pt_options *pt, const oqt_dynamics_options *dynamics,
                                    oqt_error *err);

OQT_END_DECLS

#endif
