/* oqtempo/tempo.h - TEMPO: one system with its baths, step by step, with a memory that may end.
 *
 * The state is a matrix product over the slots that are still remembered. One step is: half a step of the
 * system, a slot of every bath, half a step of the system. Nothing is built beforehand, so that memory and
 * time of a run do not depend on how long it will be; for many runs under one bath a process tensor (pt.h) is
 * cheaper.
 *
 * One handle, one thread at a time. Results do not depend on the number of threads.
 */
#ifndef OQT_TEMPO_H
#define OQT_TEMPO_H

#include <oqtempo/bath.h>
#include <oqtempo/control.h>
#include <oqtempo/liouville.h>

OQT_BEGIN_DECLS

typedef struct oqt_tempo oqt_tempo;

/** For oqt_tempo_options::memory_steps: slots feel themselves only. */
#define OQT_NO_MEMORY SIZE_MAX

typedef struct {
    size_t struct_size;
    double epsrel;   /* truncation, above 0 and below 1: the root of the sum of squares of the singular values
                        dropped from a bond is at most epsrel times the largest. Past legs count in it by what
                        later slots can feel of them. Errors of states are 1 to 100 times epsrel, and more
                        where the step resolves far more than the memory needs: compare two values        */
    size_t max_bond; /* limit of the bonds; 0: none                                                    */
    size_t memory_steps; /* slots farther apart than this many steps (dkmax) do not feel each other; 0: full
                            memory; OQT_NO_MEMORY: each slot only itself                                  */
    double added_correlation_time; /* correlations beyond memory_steps, up to this time farther, count for the
                                      oldest slot that is kept; infinity: all of them                     */
    oqt_split split;               /* order of baths whose couplings do not commute                       */
    int n_threads;                 /* of the integrals over the baths; 0: OpenMP's default                */
    oqt_progress progress;
    double start_time;           /* t_0 of a system that depends on time and of controls given by a time    */
    oqt_propagation propagation; /* of a system that depends on time                                        */
    const oqt_control *control;  /* NULL: none; copied                                                      */
    const double *parameters;    /* NULL, or rows of parameters, 2 n and 2 n + 1 for the halves of step n;
                                    borrowed until the run is destroyed                                     */
    uint64_t n_parameter_steps;  /* steps that the rows of parameters cover                                 */
} oqt_tempo_options;
#define OQT_TEMPO_OPTIONS_INIT                                                                               \
    {                                                                                                        \
        sizeof(oqt_tempo_options), 1e-6, 0, 0, 0.0, OQT_SPLIT_SYMMETRIC, 0, {NULL, NULL}, 0.0,               \
            OQT_PROPAGATE_MAGNUS, NULL, NULL, 0                                                              \
    }

/** Figures of a run so far. */
typedef struct {
    uint64_t n_steps;
    size_t bond_dimension;   /* the largest bond between two slots now                                      */
    size_t largest_bond;     /* at any time so far                                                          */
    double discarded_weight; /* sum over all truncations of squares of dropped singular values, each relative
                                to the largest of its bond                                                */
    int limit_hit;           /* 1 if max_bond cut above epsrel                                              */
    double trace_drift; /* largest |tr rho - tr rho_0| over the steps taken, less what controls do to it */
    uint64_t n_svd;     /* singular value decompositions                                               */
    double flops;       /* floating-point operations of products and decompositions, about             */
} oqt_tempo_stats;

/**
 * Start a run.
 *
 * @param[out] out        the run; destroy with oqt_tempo_destroy
 * @param[in]  n_baths    at least 1
 * @param[in]  baths      borrowed until the run is destroyed
 * @param[in]  couplings  n_baths x d x d, each Hermitian to 1e-10 of its largest element, diagonal or not
 * @param[in]  system     copied
 * @param[in]  initial    d x d, any finite matrix: propagated linearly
 * @param[in]  dt         time step, > 0
 * @param[in]  opt        NULL for defaults
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE or OQT_ECONV
 *
 * Baths next to each other in the list whose couplings commute act at once, at the cost of one. A state that
 * is not Hermitian, at first or by a control, is two real columns: the cost of a larger system leg only.
 */
OQT_API oqt_status oqt_tempo_create(oqt_tempo **out, size_t n_baths, const oqt_bath *const *baths,
                                    const oqt_complex *couplings, const oqt_system *system,
                                    const oqt_complex *initial, double dt, const oqt_tempo_options *opt,
                                    oqt_error *err);

/** Free a run; NULL is fine. */
OQT_API void oqt_tempo_destroy(oqt_tempo *tempo);

/**
 * Take n steps.
 *
 * @return OQT_OK, OQT_ENOMEM, OQT_ERANGE, OQT_ECONV, OQT_ECALLBACK, OQT_EINVAL (beyond the steps that have
 *         parameters, or the state has overflowed), or OQT_ECANCELED
 *
 * Progress is reported before each step. On failure the run stands after the last complete step, and may go
 * on. Cost of a step: about 200 bond^3 flops for each slot remembered of a two-level system. Memory: twice
 * the slots remembered, bond^2 times the number of different (O-, O+) each, in doubles.
 */
OQT_API oqt_status oqt_tempo_step(oqt_tempo *tempo, uint64_t n, oqt_error *err);

/** The current state, d x d. */
OQT_API void oqt_tempo_state(oqt_complex *rho, const oqt_tempo *tempo);

/**
 * Record the current state and those after each of n steps.
 *
 * @param[out] rho  (n + 1) x d x d
 * @return as oqt_tempo_step; rho then holds the steps that were done
 */
OQT_API oqt_status oqt_tempo_record(oqt_complex *rho, oqt_tempo *tempo, uint64_t n, oqt_error *err);

/** Figures so far. */
OQT_API void oqt_tempo_get_stats(oqt_tempo_stats *out, const oqt_tempo *tempo);

/**
 * Save a run in a file, from which oqt_tempo_restore goes on; written beside `path` and then renamed.
 *
 * @return OQT_OK, OQT_EINVAL (nothing given), OQT_ENOMEM, OQT_ERANGE or OQT_EIO; a file that was there is
 *         then as it was
 *
 * Files hold for machines of the same byte order, and a hash of their contents. Memory: a copy of the state.
 */
OQT_API oqt_status oqt_tempo_save(const oqt_tempo *tempo, const char *path, oqt_error *err);

/**
 * Let a run stand where that of a file was saved, figures included.
 *
 * @param[in,out] tempo  made with the arguments of the run that was saved; the number of threads, the
 * progress function and the number of parameters may be others. Its own state is replaced. Unchanged on
 * failure
 * @return OQT_OK, OQT_EINVAL (the file was made with something else, and the text says with what),
 * OQT_ENOMEM, OQT_EIO, OQT_EFORMAT (no such file, cut off or altered), or what the functions of baths and
 * system give: OQT_ERANGE, OQT_ECONV, OQT_ECALLBACK
 *
 * The steps that follow have the same bits as without the break, if the run has not gone farther itself
 * before. Of a system that depends on time, parameters and controls the last step is compared.
 */
OQT_API oqt_status oqt_tempo_restore(oqt_tempo *tempo, const char *path, oqt_error *err);

OQT_END_DECLS

#endif
