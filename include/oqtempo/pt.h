/* oqtempo/pt.h - process tensors: the influence of one bath on one coupling operator, as a matrix product.
 *
 * F(a_0 .. a_{N-1}) = e_0^T f_{a_0} f_{a_1} .. f_{a_{N-1}} e_0 times the scalars of oqt_pt_leg_factors, where
 * a = i d + j is a pair of eigenstates of the coupling and e_0 the first unit vector. e_0 closes the product
 * behind every step. A uniform tensor has the same f_a at every step and no length; a finite one covers
 * oqt_pt_info::n_steps steps, and its f_a are rectangular, with a bond of 1 at both ends.
 *
 * A finished oqt_pt is immutable and may be shared between threads.
 */
#ifndef OQT_PT_H
#define OQT_PT_H

#include <oqtempo/bath.h>
#include <oqtempo/liouville.h>
#include <oqtempo/types.h>

OQT_BEGIN_DECLS

typedef struct oqt_pt oqt_pt;

/** How a process tensor is made. */
typedef enum {
    OQT_PT_AUTO = 0,      /* dephasing if the system given commutes with the coupling, else uniform      */
    OQT_PT_UNIFORM = 1,   /* full memory, any number of steps, any system                                */
    OQT_PT_DEPHASING = 2, /* closed form; only for systems that commute with the coupling, n_steps steps */
    OQT_PT_TEMPO = 3,     /* finite: n_steps steps, any system, the memory cut off if wanted            */
    OQT_PT_IMPORTED = 4   /* from arrays or from a file of another program; not for oqt_pt_create       */
} oqt_pt_method;

/** Options of oqt_pt_create; set with OQT_PT_OPTIONS_INIT, then change what is wanted. */
typedef struct {
    size_t struct_size;
    oqt_pt_method method;
    double
        tolerance; /* truncation tolerance, from 1e-12 to below 1; trajectory errors are 2 .. 100 times it */
    const oqt_system
        *system;    /* the system it will be used with, if known: sets path_rate, finds closed forms    */
    size_t n_steps; /* number of steps it will be used for; 0: not known. The memory is then at least twice
                       that long; baths that never forget need it                             */
    double
        path_rate; /* rate at which paths change legs (half the spectral width of H, say); 0: from system  */
    size_t max_bond;     /* limit of the bond; 0: 640  */
    size_t memory_steps; /* of OQT_PT_TEMPO: slots farther apart than this many steps (dkmax) do not feel each
                            other; 0: full memory                                                     */
    double
        added_correlation_time; /* of OQT_PT_TEMPO: correlations beyond memory_steps, up to this time
                                   farther, count for the oldest slot that is kept; infinity: all of them */
    int n_threads; /* 0: OpenMP's default                                                              */
    oqt_progress progress;
    double accuracy;   /* wanted error of elements of density matrices, from 1e-8 to below 1: the tolerance is
                          then chosen to meet it, whatever it says above; 0: use the tolerance              */
    double start_time; /* time of the first step: from there on, over n_steps, the rates of a system that
                          depends on time are averaged. Its terms of parameters do not count           */
} oqt_pt_options;
#define OQT_PT_OPTIONS_INIT                                                                                  \
    {                                                                                                        \
        sizeof(oqt_pt_options), OQT_PT_AUTO, 1e-6, NULL, 0, 0.0, 0, 0, 0.0, 0, {NULL, NULL}, 0.0, 0.0        \
    }

/** What a process tensor is and how good it is. */
typedef struct {
    oqt_pt_method method; /* how it was made, never OQT_PT_AUTO                                         */
    size_t dimension;     /* of the system, d                                                           */
    double dt;
    size_t n_steps;        /* steps it covers; SIZE_MAX: any number                                      */
    size_t bond_dimension; /* the largest of all steps                                            */
    int general_legs;      /* 1 if legs are not diagonal in an eigenbasis: only of imported ones  */
    double tolerance;
    double path_rate;
    size_t n_modes; /* order of the state-space model of the memory                               */
    size_t n_squarings;
    double fit_error;        /* largest |eta_k - model| times the mean square of o_i - o_j, off the samples */
    double discarded_weight; /* sum of squares of dropped singular values, weighted to the final coupling  */
    double path_error;       /* path test: rms over random paths of |F - exact|, largest over their length;
                                exact within the cut memory if there is one                              */
    size_t path_steps;       /* length of those paths                                                      */
    int state_limit_hit;     /* 1 if max_bond cut off states above the tolerance                           */
    double flops; /* floating-point operations of its products and decompositions, about; 0: unknown */
    double error_estimate; /* of elements of density matrices: four path errors (and cutoff errors), continued
                              to the number of steps where paths are shorter; at least 60 fit errors,
                              and for a uniform tensor of a known system what its map of a step grows on.
                              0: closed form */
    double accuracy;       /* what the options asked for                                                 */
    size_t n_builds;       /* tensors built to meet it                                             */
    size_t memory_steps;   /* as in the options: 0 if the memory is full                                 */
    double added_correlation_time;
    double cutoff_error; /* of a cut memory: as path_error, of the cut functional against the full one; that
                            of a tensor is then about the sum of both                                  */
} oqt_pt_info;

/**
 * Process tensor of a bath coupled through a Hermitian operator.
 *
 * @param[out] out       the tensor; destroy with oqt_pt_destroy
 * @param[in]  bath      not kept
 * @param[in]  d         dimension of the system
 * @param[in]  coupling  d x d, Hermitian to 1e-10 of its largest element, diagonal or not; eigenvalues closer
 *                       than 1e-11 of the largest one count as equal
 * @param[in]  dt        time step, > 0
 * @param[in]  opt       NULL for defaults
 * @return OQT_OK, OQT_EINVAL (also OQT_PT_TEMPO, or a bath with undamped modes,
 *         without a number of steps), OQT_ENOMEM,
 *         OQT_ERANGE, OQT_ECONV (the memory does not fit a small model, the tensor is useless, or the
 * accuracy was not reached), OQT_ECALLBACK, OQT_ECANCELED
 *
 * With an accuracy, tensors are built at finer and finer tolerances until the error estimate meets it; mostly
 * two or three. Over a wide grid of problems the error was below the estimate in 19 of 20 and at most 2.5
 * times it (docs/theory.md, section 9). Without n_steps it is that of path_steps steps, without a system that
 * of any; name both where they are known. The error of the time step is not part of it. With OQT_PT_AUTO and
 * at most 256 steps the finite builder has its turn where the uniform one does not get there.
 *
 * Cost (uniform): about log2(1/coupling) truncations of O(bond^3) each, whatever the number of steps.
 * Cost (finite): log2(n_steps) products of O(bond^3) for each of up to n_steps slots.
 * Source: squaring construction, and products of rows, docs/theory.md.
 */
OQT_API oqt_status oqt_pt_create(oqt_pt **out, const oqt_bath *bath, size_t d, const oqt_complex *coupling,
                                 double dt, const oqt_pt_options *opt, oqt_error *err);

/** The tensor of one step of oqt_pt_create_mpo. */
typedef struct {
    size_t past, future;     /* bonds                                                                 */
    size_t in;               /* legs from the system                                                  */
    size_t out;              /* legs to the system; 0: they are those from it (a delta between them)  */
    const oqt_complex *data; /* past x future x in (x out, if that is not 0), row-major           */
} oqt_mpo_tensor;

/**
 * A finite process tensor from arrays, in any complex gauge: one made by another program.
 *
 * @param[out] out      destroy with oqt_pt_destroy; unchanged on failure
 * @param[in]  d        dimension of the system
 * @param[in]  dt       time step, > 0
 * @param[in]  n_steps  at least 1
 * @param[in]  tensors  n_steps; bonds follow one another, the first is 1, and all have the same legs
 * @param[in]  transform_in   d^2 x in: legs of the system (row-major matrices) to those of the tensors; NULL:
 *                            the identity
 * @param[in]  transform_out  out x d^2: back; NULL: the identity
 * @param[in]  caps     n_steps + 1 vectors that close the product before each step and behind the last, as
 *                      long as the bonds; NULL: those that maximally mixed inputs and traced outputs give,
 *                      1 behind the last
 * @return OQT_OK, OQT_EINVAL (also where the product does not map Hermitian to Hermitian matrices),
 * OQT_ENOMEM, OQT_ERANGE, OQT_ECONV
 *
 * The result is real, and its bonds are those given, less states that weigh nothing. Legs are diagonal if all
 * tensors have out = 0 and the transforms are those of one unitary (rho -> u^+ rho u and back, to 1e-13),
 * else general. Eigenvalues of the coupling are not known: oqt_pt_eigenbasis gives d - 1, .., 0. Errors are
 * not known either: oqt_pt_info::tolerance, path_error and error_estimate are 0. Tensors that were truncated
 * give a state that depends on where the product is closed; it is that of the caps, but for the first, which
 * counts from the first step on. Cost: O(bond^3) for each step, times d^2, or d^4 with general legs. Source:
 * docs/theory.md, section 15.
 */
OQT_API oqt_status oqt_pt_create_mpo(oqt_pt **out, size_t d, double dt, size_t n_steps,
                                     const oqt_mpo_tensor *tensors, const oqt_complex *transform_in,
                                     const oqt_complex *transform_out, const oqt_complex *const *caps,
                                     oqt_error *err);

/**
 * The first n_steps steps of a process tensor as a finite one, with its leg factors inside.
 *
 * @return OQT_OK, OQT_EINVAL (no steps, or more than pt covers), OQT_ENOMEM
 */
OQT_API oqt_status oqt_pt_unroll(oqt_pt **out, const oqt_pt *pt, size_t n_steps, oqt_error *err);

/**
 * The process tensor of no environment: a bond of one, the coupling zero, for any number of steps.
 *
 * @param[in] d   dimension of the system
 * @param[in] dt  time step, > 0
 * @return OQT_OK, OQT_EINVAL or OQT_ENOMEM
 */
OQT_API oqt_status oqt_pt_create_trivial(oqt_pt **out, size_t d, double dt, oqt_error *err);

/**
 * A copy of a process tensor with smaller bonds.
 *
 * @param[out] out        destroy with oqt_pt_destroy; unchanged on failure
 * @param[in]  pt         made by any method, with diagonal legs
 * @param[in]  tolerance  as in oqt_pt_options; states of a weight up to it are dropped
 * @param[in]  max_bond   limit of the bond; 0: none
 * @param[in]  n_threads  0: OpenMP's default
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ECONV (the copy would be useless: a path error of 1 or more),
 *         OQT_EUNSUPPORTED (general legs)
 *
 * The trace stays what it is. oqt_pt_info::path_error of the copy is that of pt plus the measured distance of
 * the two, discarded_weight adds up, and tolerance is the larger of the two. Cost: O(bond^3) for each step of
 * a finite tensor, some hundred times O(bond^3) for a uniform one.
 */
OQT_API oqt_status oqt_pt_compress(oqt_pt **out, const oqt_pt *pt, double tolerance, size_t max_bond,
                                   int n_threads, oqt_error *err);

/** Free a process tensor; NULL is fine. */
OQT_API void oqt_pt_destroy(oqt_pt *pt);

/** Facts and error estimates. */
OQT_API void oqt_pt_get_info(oqt_pt_info *out, const oqt_pt *pt);

/** Eigenvalues (d) and eigenvectors (d x d, in columns) of the coupling; either may be NULL. */
OQT_API void oqt_pt_eigenbasis(double *values, oqt_complex *vectors, const oqt_pt *pt);

/**
 * Bonds on the two sides of one step.
 *
 * @return OQT_OK or OQT_EINVAL (step beyond oqt_pt_info::n_steps)
 */
OQT_API oqt_status oqt_pt_bonds(size_t *left, size_t *right, const oqt_pt *pt, uint64_t step, oqt_error *err);

/**
 * The matrix f_a of one step and leg, left bond x right bond, the past on the left (row) side.
 *
 * @param[in] step  below oqt_pt_info::n_steps; all steps of a uniform tensor are the same
 * @param[in] leg   a = i d + j < d^2, in the eigenbasis of the coupling
 * @return OQT_OK or OQT_EINVAL (also where legs are general)
 */
OQT_API oqt_status oqt_pt_leg(oqt_complex *out, const oqt_pt *pt, uint64_t step, size_t leg, oqt_error *err);

/**
 * The tensor of one step with any legs, without its leg factors: left bond x right bond x d^2 x d^2, legs
 * from the system before those to it.
 *
 * Diagonal legs are those of the eigenbasis of the coupling, with f_a on the diagonal of the last two;
 * general ones those of the system's basis.
 *
 * @return OQT_OK, OQT_EINVAL (step beyond oqt_pt_info::n_steps) or OQT_ENOMEM
 */
OQT_API oqt_status oqt_pt_tensor(oqt_complex *out, const oqt_pt *pt, uint64_t step, oqt_error *err);

/**
 * The d^2 scalars that multiply the legs of one step.
 *
 * @return OQT_OK, OQT_EINVAL (step beyond oqt_pt_info::n_steps) or OQT_ENOMEM
 */
OQT_API oqt_status oqt_pt_leg_factors(oqt_complex *out, const oqt_pt *pt, uint64_t step, oqt_error *err);

/** How far a process tensor is from what every one of them is; see oqt_pt_check. */
typedef struct {
    size_t n_not_finite; /* elements that are no numbers; the others are then 0                         */
    double trace; /* largest change of the influence of a path that stays on its leg when a leg (i, i) is put
                     behind it: how much the trace changes in a step, and the end of the product matters to
                     what was before it. With general legs: of the trace of an idle system */
    double hermiticity; /* largest |f_(i,j) - conj f_(j,i)|, by element                                */
    double growth;      /* by which the influence of a path that stays on its leg grows from step to step,
                           the largest over the legs: of a uniform tensor the spectral radius of f_a, of a
                           finite one |F|^(1/n_steps). 1 is exact: legs with i = j neither grow nor decay; 1 where
                           legs are general */
} oqt_pt_defects;

/**
 * Whether a process tensor conserves the trace, takes Hermitian to Hermitian matrices, and has no path that
 * grows.
 *
 * @return OQT_OK or OQT_ENOMEM
 *
 * Reads the tensor once for each leg and once more. Cost: O(bond^2) for each step and leg of a finite tensor,
 * 24 products of bond x bond matrices for each leg of a uniform one.
 */
OQT_API oqt_status oqt_pt_check(oqt_pt_defects *out, const oqt_pt *pt, oqt_error *err);

/** Layouts of process-tensor files. */
typedef enum {
    OQT_FILE_OQTEMPO = 0, /* our own: exact, checked when it is read, used without loading it          */
    OQT_FILE_OQUPY = 1    /* of OQuPy's FileProcessTensor, for exchange                                */
} oqt_file_format;

/**
 * Write a process tensor to an HDF5 file, aside first, then renamed over `path`.
 *
 * @return OQT_OK, OQT_EINVAL (unknown format, or no number of steps in that of OQuPy), OQT_EIO, OQT_ENOMEM,
 * or OQT_EUNSUPPORTED (built without HDF5, or a closed form in the format of OQuPy)
 *
 * Our own format takes no memory beside that of the tensor; that of OQuPy takes up to four times as much. In
 * OQuPy use import_process_tensor(path, "file").
 *
 * Thread rule for both file functions: they take turns among themselves, but HDF5 is one for the process, so
 * no other thread may use an HDF5 that is not thread-safe at the same time.
 */
OQT_API oqt_status oqt_pt_write(const oqt_pt *pt, const char *path, oqt_file_format format, oqt_error *err);

/**
 * Read a process tensor from a file of either format.
 *
 * @return OQT_OK, OQT_EIO, OQT_EFORMAT (also truncated or altered), OQT_ENOMEM, OQT_ERANGE, or
 * OQT_EUNSUPPORTED (built without HDF5, or an initial tensor)
 *
 * A tensor in our own format is checked in one pass and then used where it lies in the mapped file, so that
 * it may be larger than memory. Until it is destroyed the file must not be written to or cut short: its
 * numbers would change, or the process be ended (SIGBUS). Replacing or removing it, as oqt_pt_write does, is
 * fine.
 *
 * A file of OQuPy becomes a tensor as by oqt_pt_create_mpo, with its caps. Those of OQuPy itself have no
 * checksum: damage is found where numbers no longer fit together, which the time step takes no part in.
 */
OQT_API oqt_status oqt_pt_read(oqt_pt **out, const char *path, oqt_error *err);

OQT_END_DECLS

#endif
