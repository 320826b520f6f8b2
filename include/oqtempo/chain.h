/* oqtempo/chain.h - chains of open systems: process-tensor TEBD.
 *
 * The density matrix of n sites with nearest-neighbor interactions, each site with any number of process
 * tensors, is kept as a matrix-product state in Hermitian coordinates ("augmented": a site also carries the
 * bonds of its process tensors). A step is: half a step of the chain by a Trotter product of two-site gates,
 * the process tensors of every site, half a step of the chain.
 *
 * One handle, one thread at a time. Results do not depend on the number of threads.
 */
#ifndef OQT_CHAIN_H
#define OQT_CHAIN_H

#include <oqtempo/control.h>
#include <oqtempo/pt.h>

OQT_BEGIN_DECLS

/* ---- the model ---- */

typedef struct oqt_chain oqt_chain;

/**
 * A chain of n sites, without any dynamics to begin with.
 *
 * @param[out] out  the chain; destroy with oqt_chain_destroy
 * @param[in]  n    number of sites, >= 2
 * @param[in]  dim  dimension of each site, >= 1
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM or OQT_ERANGE
 */
OQT_API oqt_status oqt_chain_create(oqt_chain **out, size_t n, const size_t *dim, oqt_error *err);

/** Free a chain; NULL is fine. */
OQT_API void oqt_chain_destroy(oqt_chain *chain);

/** Add the Hamiltonian and Lindblad terms of a system of the dimension of the site; copied.
 *  Returns OQT_OK, OQT_EINVAL or OQT_ENOMEM; the chain is unchanged on failure. */
OQT_API oqt_status oqt_chain_add_site(oqt_chain *chain, size_t site, const oqt_system *system,
                                      oqt_error *err);

/** Add those of a joint system of sites `bond` and `bond` + 1, of dimension d_l d_r, the left site being the
 *  more significant index: H_l (x) H_r is the Kronecker product. */
OQT_API oqt_status oqt_chain_add_bond(oqt_chain *chain, size_t bond, const oqt_system *system,
                                      oqt_error *err);

/* ---- propagation ---- */

typedef struct oqt_tebd oqt_tebd;

/** What the threads of a run do. With tasks over sites results do not depend on their number; inside BLAS
 * they do by rounding. */
typedef enum {
    OQT_PARALLEL_AUTO = 0,  /* sites, but BLAS where few very wide bonds leave threads of tasks idle */
    OQT_PARALLEL_SITES = 1, /* tasks for gates and process tensors                                   */
    OQT_PARALLEL_BLAS = 2,  /* one task after the other, with all threads in its matrix products     */
    OQT_PARALLEL_NONE = 3   /* one thread                                                            */
} oqt_parallel;

typedef struct {
    size_t struct_size;
    double dt;         /* > 0, that of all process tensors                                                  */
    int order;         /* of the Trotter products between process tensors: 1, 2 or 4                        */
    double tolerance;  /* a truncation drops singular values whose 2-norm is at most this times the largest */
    size_t max_bond;   /* limit of the bonds between sites, at least 3; 0: none                             */
    int n_threads;     /* 0: OpenMP's default                                                               */
    double start_time; /* of step 0, even if the run begins with a later one */
    uint64_t start_step; /* the first step. Its process tensors, controls and time are the same as in a run
                            from step 0; controls before its record act on the initial state */
    const oqt_control *const *site_controls; /* of each site, of its dimension; NULL: none, or none there  */
    const oqt_control *const *bond_controls; /* of each bond (n - 1), of the joint dimension of its sites. At
                                                one place those of sites act first, from left to right     */
    oqt_parallel parallel;
    oqt_progress progress;
} oqt_tebd_options;
#define OQT_TEBD_OPTIONS_INIT                                                                                \
    {                                                                                                        \
        sizeof(oqt_tebd_options), 0.0, 2, 1e-6, 0, 0, 0.0, 0, NULL, NULL, OQT_PARALLEL_AUTO,                 \
        {                                                                                                    \
            NULL, NULL                                                                                       \
        }                                                                                                    \
    }

/** Figures of a run so far. */
typedef struct {
    uint64_t n_steps;        /* the present step: the first one and those taken since           */
    size_t bond_dimension;   /* the largest so far                                              */
    double discarded_weight; /* sum over truncations of the dropped share of the sum of squares */
    int bond_limit_hit;      /* 1 if max_bond cut off states above the tolerance                */
    double trace_drift;      /* |trace - first trace| now                                       */
    double flops;            /* floating-point operations of products and decompositions, about */
    double work, span;       /* processor seconds of all tasks, and of the longest chain of them that depend
                                on each other: work / span threads could be busy                */
} oqt_tebd_stats;

/**
 * Start from a product state. At a step other than 0 there must be no process tensors.
 *
 * @param[out] out      the run; destroy with oqt_tebd_destroy
 * @param[in]  chain    copied
 * @param[in]  initial  for each site a d x d Hermitian matrix, one behind the other
 * @param[in]  n_pt     number of process tensors of each site; NULL: none at all
 * @param[in]  pts      those of site 0, of site 1, ..; of any kind but OQT_PT_DEPHASING; borrowed until the
 *                      run is destroyed
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE, OQT_ECONV
 */
OQT_API oqt_status oqt_tebd_create(oqt_tebd **out, const oqt_chain *chain, const oqt_complex *initial,
                                   const size_t *n_pt, const oqt_pt *const *pts, const oqt_tebd_options *opt,
                                   oqt_error *err);

/**
 * Tensor of a site: [left][p][right], p being an element of the density matrix of the site (d^2, row-major),
 * or an amplitude of a pure state (d).
 *
 * A density matrix may also carry the states of the process tensors of the site, [left][p][bath][right], in
 * the gauge of these tensors: oqt_tebd_tensor gives them so.
 */
typedef struct {
    size_t left, right;
    const oqt_complex *data;
    size_t bath; /* 0 or 1: none, process tensors begin in their first states, which they do at step 0 */
} oqt_chain_tensor;

/** A matrix-product state, in any gauge: the product of all tensors, the first with a left bond of 1 and the
 *  last with a right bond of 1. */
typedef struct {
    int pure;                     /* 0: a density matrix; 1: psi, and the density matrix is |psi><psi| */
    const oqt_chain_tensor *site; /* n                                                                */
    const double *const *schmidt; /* n - 1 vectors of positive numbers between the sites, multiplied in;
                                     NULL: none, or none there                                         */
} oqt_chain_state;

/**
 * Start from a matrix-product state, without truncation; otherwise as oqt_tebd_create. It is not normalized.
 *
 * @param[in] initial  read only during the call
 * @return as oqt_tebd_create; OQT_EINVAL also if a density matrix is not Hermitian, or lacks the states of
 * process tensors at a step other than 0; OQT_ECONV if it is zero
 *
 * Cost: O(n d^2 bond^3), with bonds twice those given, or squares of those of a pure state.
 */
OQT_API oqt_status oqt_tebd_create_from(oqt_tebd **out, const oqt_chain *chain,
                                        const oqt_chain_state *initial, const size_t *n_pt,
                                        const oqt_pt *const *pts, const oqt_tebd_options *opt,
                                        oqt_error *err);

/** Free a run; NULL is fine. */
OQT_API void oqt_tebd_destroy(oqt_tebd *run);

/**
 * Take n steps.
 *
 * @return OQT_OK, OQT_EINVAL (beyond the steps a process tensor covers), OQT_ENOMEM, OQT_ECONV (also if a
 * control leaves nothing of the state), OQT_ECALLBACK, OQT_ECANCELED
 *
 * Progress is reported every few steps. On cancellation, and where a callback fails or makes a gate that is
 * not finite, the run stands after the last complete step. Of more steps than a process tensor covers none is
 * taken. After any other failure there is no state any more: the run can be destroyed, or restored from a
 * file, and whatever asks for its state fails in the same way (oqt_tebd_trace gives NaN).
 *
 * Cost of a gate: about 300 bond^3 for two-level systems. Threads: a task for each gate and each site with
 * process tensors, which waits for its neighbors only. Those that most depends on, at the present bonds, come
 * first.
 */
OQT_API oqt_status oqt_tebd_step(oqt_tebd *run, uint64_t n, oqt_error *err);

/** Where oqt_tebd_record writes, a row for each time; NULL for what is not wanted. */
typedef struct {
    size_t struct_size;
    oqt_complex *densities;     /* of all sites, as oqt_tebd_densities has them                      */
    size_t *bonds;              /* as oqt_tebd_bonds has them                                        */
    double *traces;             /* one number                                                        */
    size_t n_sets;              /* sets of sites ..                                                  */
    const size_t *set_size;     /* .. with so many sites each ..                                     */
    const size_t *set_sites;    /* .. that ascend within a set, set after set                        */
    oqt_complex *set_densities; /* of all sets, each as oqt_tebd_density has it                      */
} oqt_tebd_records;
#define OQT_TEBD_RECORDS_INIT                                                                                \
    {                                                                                                        \
        sizeof(oqt_tebd_records), NULL, NULL, NULL, 0, NULL, NULL, NULL                                      \
    }

/**
 * Record the current state and those after each of n steps.
 *
 * @param[out] out  n + 1 rows
 * @return as oqt_tebd_step, and OQT_ERANGE; the rows then hold the steps that were done
 *
 * The numbers are those that oqt_tebd_densities and so on give between single steps, bit for bit, but records
 * are tasks as well: that of a site waits for what happened there and nothing else, and the next gate there
 * for it. That of a set holds up all sites from its first to its last.
 */
OQT_API oqt_status oqt_tebd_record(const oqt_tebd_records *out, oqt_tebd *run, uint64_t n, oqt_error *err);

/**
 * Write the run to a file, from which it goes on as if it had not been interrupted, bit for bit on processors
 * for which BLAS rounds alike, with any number of threads. Written aside and renamed.
 *
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE or OQT_EIO
 *
 * Memory: a copy of the state.
 */
OQT_API oqt_status oqt_tebd_save(const oqt_tebd *run, const char *path, oqt_error *err);

/**
 * Let a run stand where that of a file was saved, figures included (sums of discarded weights to rounding).
 *
 * @param[in,out] run  made with the same chain, process tensors, time step, order, tolerance and largest
 * bond; its own state is replaced. Unchanged on failure
 * @return OQT_OK, OQT_EINVAL (the file was made with something else, and the text says with what),
 * OQT_ENOMEM, OQT_EIO (it cannot be read), OQT_EFORMAT (it is none of a run of a chain, or cut off or
 * altered)
 *
 * Terms that depend on time and controls are not compared.
 */
OQT_API oqt_status oqt_tebd_restore(oqt_tebd *run, const char *path, oqt_error *err);

/**
 * Reduced density matrix of some sites.
 *
 * @param[out] rho    D x D, D the product of the dimensions of the sites, the first being the most
 * significant
 * @param[in]  n      number of sites, >= 1
 * @param[in]  sites  in ascending order
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM or OQT_ERANGE
 *
 * Not divided by the trace, which drifts with truncation. Cost: O(n_sites bond^2), times D^2 between the
 * first and the last site.
 */
OQT_API oqt_status oqt_tebd_density(oqt_complex *rho, const oqt_tebd *run, size_t n, const size_t *sites,
                                    oqt_error *err);

/** Reduced density matrices of all sites, one behind the other, in one sweep. */
OQT_API oqt_status oqt_tebd_densities(oqt_complex *rho, const oqt_tebd *run, oqt_error *err);

/**
 * tr(A_i rho) of one operator on each site.
 *
 * @param[out] out  n numbers
 * @param[in]  op   for each site a d x d matrix, Hermitian or not, one behind the other
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 *
 * Not divided by the trace. Cost: O(d^2 bond^2) for each site.
 */
OQT_API oqt_status oqt_tebd_expectations(oqt_complex *out, const oqt_tebd *run, const oqt_complex *op,
                                         oqt_error *err);

/**
 * tr(A_i B_j rho) of all pairs of sites in one sweep.
 *
 * @param[out] out   n x n, row i for A_i, column j for B_j; on the diagonal that of the product A_i B_i
 * @param[in]  a, b  as in oqt_tebd_expectations; zeros where there is none
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM or OQT_ERANGE
 *
 * Not divided by the trace. Cost: O(n^2 bond^2).
 */
OQT_API oqt_status oqt_tebd_correlators(oqt_complex *out, const oqt_tebd *run, const oqt_complex *a,
                                        const oqt_complex *b, oqt_error *err);

/** A superoperator that acts on a site at a step, after controls that act before the record there. */
typedef struct {
    uint64_t step;
    size_t site;
    const oqt_complex
        *superop; /* d^2 x d^2, any: oqt_super_left and oqt_super_right for an operator from a side */
} oqt_tebd_insertion;

/**
 * Correlations of several times: insertions, then an operator on every site at all later steps,
 *
 *     out[t][j] = tr(A_j E_t S_n E .. S_2 E S_1 rho),
 *
 * E being what happens between steps and E_t that of t more steps. With a single B from the left at step s it
 * is <A_j(s + t) B(s)>, from the right <B(s) A_j(s + t)>.
 *
 * @param[out]    out         (n_steps + 1) x n_sites
 * @param[in,out] run         goes on from where it stands, and stands there again afterwards, whatever
 * happens
 * @param[in]     n           number of insertions, 1 to 16
 * @param[in]     insertions  in the order in which they act; steps ascend, from that of the run on
 * @param[in]     op          as in oqt_tebd_expectations
 * @param[in]     n_steps     steps after the last insertion
 * @return as oqt_tebd_step, and OQT_ERANGE
 *
 * Cost: up to 2^n runs from the first insertion on, and n + 1 copies of the state.
 */
OQT_API oqt_status oqt_tebd_correlations(oqt_complex *out, oqt_tebd *run, size_t n,
                                         const oqt_tebd_insertion *insertions, const oqt_complex *op,
                                         uint64_t n_steps, oqt_error *err);

/** The trace of the density matrix. */
OQT_API double oqt_tebd_trace(const oqt_tebd *run);

/**
 * Operator-space entanglement entropy of every bond, and the 2-norm sqrt(tr rho^2).
 *
 * The density matrix as a vector of norm one, sum_k s_k |left_k> |right_k> across a bond, has the entropy
 * -sum_k s_k^2 ln s_k^2: 0 for a product, 2 ln 2 for a pure state whose halves are one maximally entangled
 * pair of two-level systems. It is that of the density matrix alone, process tensors traced, and does not
 * depend on their gauge.
 *
 * @param[out] entropy  n - 1 numbers, or NULL
 * @param[out] norm     or NULL
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ERANGE, OQT_ECONV (the state is zero)
 *
 * Cost: O(n d^2 bond^3), less than that of a step, and a copy of the state.
 */
OQT_API oqt_status oqt_tebd_entropies(double *entropy, double *norm, const oqt_tebd *run, oqt_error *err);

/** States of all process tensors of each site (n) at present: the product of their bonds, 1 without any. */
OQT_API void oqt_tebd_bath_states(size_t *states, const oqt_tebd *run);

/**
 * Tensor of a site of the present state, as oqt_tebd_create_from takes it, without Schmidt values between
 * sites.
 *
 * @param[out] out        [left][d^2][right], the bonds being those of oqt_tebd_bonds, and 1 at the ends: the
 *                        density matrix, process tensors traced
 * @param[in]  augmented  1: [left][d^2][bath][right], with the states of process tensors, of which the first
 * is what tracing leaves
 * @return OQT_OK or OQT_EINVAL
 *
 * A run that is made of the augmented tensors of all sites, with the present step as its first, goes on as
 * this one does, up to what truncations drop. Controls before the record of that step have acted already.
 */
OQT_API oqt_status oqt_tebd_tensor(oqt_complex *out, const oqt_tebd *run, size_t site, int augmented,
                                   oqt_error *err);

/** The bonds between sites (n - 1). */
OQT_API void oqt_tebd_bonds(size_t *bonds, const oqt_tebd *run);

/** Figures so far. */
OQT_API void oqt_tebd_get_stats(oqt_tebd_stats *out, const oqt_tebd *run);

/**
 * How much faster than one thread other numbers of threads would take the steps that were last taken at once:
 * those since the last report of progress.
 *
 * @param[out] speedup  n numbers; 1 before the first step
 * @param[in]  threads  n numbers >= 1
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 *
 * By a simulation of their tasks with the times measured, which knows what waits for what, but not what
 * threads cost each other. Cost: below a microsecond for each task.
 */
OQT_API oqt_status oqt_tebd_forecast(double *speedup, const oqt_tebd *run, size_t n, const int *threads,
                                     oqt_error *err);

OQT_END_DECLS

#endif
