/* pt_priv.h - private: inside of a process tensor, shared by its builders, its file format and dynamics. */
#ifndef OQT_PT_PRIV_H
#define OQT_PT_PRIV_H

#include <oqtempo/pt.h>

#include "core/file.h"
#include "influence/influence.h"
#include "linalg/linalg.h"

/** What every builder and recompression keeps to: weights of states are meaningful down to about 1e-14, and
 * the first level works at 2^-6 of the tolerance; limits of bonds and of the length of tested paths. */
#define OQT__TOLERANCE_MIN 1e-12
enum { OQT__BOND_LIMIT = 1 << 20, OQT__PATH_STEPS_MAX = 2048 };

/** Probability to stay on a leg where no system and no rate is known. */
#define OQT__LAM_DEFAULT 0.92

/** Errors of elements of density matrices are this many path errors in 19 of 20 problems of the grid of
 *  docs/theory.md. */
#define OQT__PATH_ERRORS 4.0

/** Number of stored powers A^(2^j) of the memory model; from step 2^21 on nothing is left of the start. */
enum { OQT__POWERS = 21 };

struct oqt_pt {
    size_t d;
    double dt;
    double *o;      /* d eigenvalues of the coupling                                              */
    oqt_complex *u; /* d x d eigenvectors in columns                                              */
    bool rotated;   /* u is not the identity                                                      */
    oqt__legs legs;
    size_t chi;     /* the bond, or the largest of them                                           */
    size_t *bond;   /* NULL: one slot serves all steps; else the n_steps + 1 bonds of a finite sequence */
    size_t *offset; /* n_steps + 1: where each of its slots starts in f; NULL with bond           */
    double *f; /* for each slot n_class x 2 x left x right: real and imaginary part of each class, the factor
                  of the slot with itself included; past on the left, boundary vectors e_0. With general legs
                  d^2 x d^2 x left x right: what each Hermitian coordinate of the system becomes, from before
                  to; u is then the identity, and the classes mean nothing */
    oqt__map map; /* the file in which f lies, only to be read then; else f is memory                */
    /* Scalars outside the tensor: sum_{j <= n} eta_j, for n < n_slope from the bath; for later n the
     * imaginary part goes on by the model, Phi_n = Phi_last + tail_c A^n tail_b - tail_c A^last tail_b. */
    size_t n_slope;
    oqt_complex *slope;
    size_t n_tail;
    double *tail_c, *tail_b;
    double *tail_power;  /* OQT__POWERS x n_tail x n_tail */
    double path_growth;  /* of the path error, from half the length of the paths to all of it */
    double growth_error; /* of what the map of a step grows on, at the end of the run */
    oqt_pt_info info;
};

/** Options in full, see oqt__options_read. */
static inline oqt_status oqt__pt_options(oqt_pt_options *out, const oqt_pt_options *given, oqt_error *err)
{
    static const oqt_pt_options defaults = OQT_PT_OPTIONS_INIT;

    return oqt__options_read(out, given, &defaults, sizeof *out, sizeof *out, "process-tensor", err);
}

/** A zeroed tensor with its coupling diagonalized and its legs classified. */
oqt_status oqt__pt_alloc(oqt_pt **out, size_t d, const oqt_complex *coupling, double dt, oqt_error *err);

/** Matrices left x right in a slot. */
static inline size_t oqt__pt_blocks(const oqt_pt *pt)
{
    return pt->info.general_legs ? pt->d * pt->d * pt->d * pt->d : 2 * pt->legs.n_class;
}

/** Everything of a tensor but its slots. */
oqt_status oqt__pt_copy_shell(oqt_pt **out, const oqt_pt *pt, oqt_error *err);

/** The tensors of one step: f is n_class x 2 x left x right, real and imaginary part (zeros for a real class)
 *  of each class, with the past on the left. The vector that closes the right bond is e_0. */
typedef struct {
    size_t left, right;
    const double *f;
} oqt__slot;

/** The step must be covered. */
static inline oqt__slot oqt__pt_slot(const oqt_pt *pt, uint64_t step)
{
    if (!pt->bond)
        return (oqt__slot){pt->chi, pt->chi, pt->f};
    return (oqt__slot){pt->bond[step], pt->bond[step + 1], pt->f + pt->offset[step]};
}

/** Make room for a finite sequence: its bonds (info.n_steps + 1 of them, copied), offsets, and zeroed f. */
oqt_status oqt__pt_set_bonds(oqt_pt *pt, const size_t *bond, oqt_error *err);
/** The same without f. */
oqt_status oqt__pt_lay_out(oqt_pt *pt, const size_t *bond, oqt_error *err);

static inline const double *oqt__slot_real(const oqt__slot *slot, size_t cls)
{
    return slot->f + 2 * cls * slot->left * slot->right;
}
/** The matrix by which coordinate `from` goes to coordinate `to`, of general legs. */
static inline const double *oqt__slot_general(const oqt__slot *slot, size_t d, size_t from, size_t to)
{
    return slot->f + (from * d * d + to) * slot->left * slot->right;
}
static inline const double *oqt__slot_imag(const oqt__slot *slot, size_t cls)
{
    return slot->f + (2 * cls + 1) * slot->left * slot->right;
}

/** A bond of one and ones for all legs: what a tensor is whose influence lies outside it, or that has none.
 */
oqt_status oqt__pt_set_unit(oqt_pt *pt, oqt_error *err);

/** Whether any step has leg factors other than one. */
bool oqt__pt_has_factors(const oqt_pt *pt);

/** Leg factors of n steps from `step` on, d^2 numbers each, `ld` apart; scratch of 3 n_tail. The steps are
 *  covered. From step 2^21 + 2^7 on they are those of the limit. What a step gets does not depend on n. */
void oqt__pt_factors(oqt_complex *out, size_t ld, const oqt_pt *pt, uint64_t step, size_t n, double *scratch);

/** Fill the powers A^2, A^4, .. behind A, n x n each, OQT__POWERS in all. */
void oqt__pt_fill_powers(double *power, size_t n);

/** x <- A^n x for x of m x cols, from the powers of A; y is scratch of the same size. Zero for n >=
 * 2^OQT__POWERS. */
void oqt__pt_apply_power(double *x, double *y, const double *power, size_t m, size_t cols, uint64_t n);

/** Parameters of the uniform builder; tests set them one by one, oqt_pt_create by rule. */
typedef struct {
    double tolerance;
    double lam;     /* probability that a path stays on its leg from one slot to the next    */
    size_t n_iter;  /* iterations of the metric per level, after the sum over stays          */
    double lam_min; /* where coherences die faster, lam falls to this at most; 0: not at all  */
    size_t n_squarings;
    double presel; /* pairs of weight below presel times the tolerance of a level are left out */
    size_t max_bond;
    double path_lam; /* probability to stay on a leg, for the path test; 0: all of them */
    size_t path_steps;
    size_t n_steps; /* 0: not known                                                            */
    int n_threads;
    oqt_progress progress;
} oqt__uniform_params;

/** Build the uniform tensor into pt (from oqt__pt_alloc). */
oqt_status oqt__pt_build_uniform(oqt_pt *pt, const oqt_bath *bath, const oqt__uniform_params *par,
                                 oqt_error *err);

/** Parameters of the finite builder. */
typedef struct {
    double tolerance;
    size_t n_steps;                /* of the tensor, at least 1                                        */
    size_t memory_steps;           /* 0: full memory                                                   */
    double added_correlation_time; /* see oqt_pt_options                                               */
    size_t max_bond;
    double lam; /* see oqt__uniform_params                                                        */
    double path_lam;
    size_t path_steps;
    int n_threads;
    oqt_progress progress;
} oqt__finite_params;

/** Build a finite tensor into pt (from oqt__pt_alloc). */
oqt_status oqt__pt_build_finite(oqt_pt *pt, const oqt_bath *bath, const oqt__finite_params *par,
                                oqt_error *err);

#endif
