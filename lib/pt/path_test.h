/* path_test.h - private to pt: the error of a finished tensor on random paths. */
#ifndef OQT_PT_PATH_TEST_H
#define OQT_PT_PATH_TEST_H

#include "pt/pt_priv.h"

/**
 * Compare the tensor with the exact functional on random paths of legs.
 *
 * Paths start on each leg in turn and change to a random one with probability 1 - lam at every slot, with a
 * fixed seed; stays are rounded to 2^j slots.
 *
 * @param[out] error  root mean square over paths of the largest |F - exact| along the path; the same over the
 *                    first half of the path
 * @param[in]  eta    n_steps exact memory coefficients
 * @param[in]  lam    0 for stays of all lengths
 *
 * Cost: 16 paths or one for each leg, up to 40, with a few products of 8 bond^2 flops for each stay; and
 * log2(longest stay) squares of the tensor.
 */
oqt_status oqt__path_test(double error[2], const oqt_pt *pt, const oqt_complex *eta, size_t n_steps,
                          double lam, int n_threads, oqt_error *err);

/**
 * The same for long runs of slow systems: paths of n_steps slots that change their leg only after multiples
 * of 2^q slots, 256 times at most. error is 0 for systems that change it faster, whose errors do not wait
 * that long. Errors of the bath are passed on.
 */
oqt_status oqt__path_test_long(double *error, const oqt_pt *pt, const oqt_bath *bath, size_t n_steps,
                               double lam, int n_threads, oqt_error *err);

/* ---- parts, shared with path_compare.c ---- */

struct oqt__piece {
    size_t leg, start;
    unsigned log2_length;
    size_t first; /* piece of its stay */
};

struct oqt__path {
    size_t n;                 /* pieces                 */
    struct oqt__piece *piece; /* at most one for a slot */
};

/** Number of paths. */
size_t oqt__path_count(size_t n_legs, double lam);

/** A path of n_slots slots that begins on leg `first`; piece has room for n_slots of them. */
void oqt__path_draw(struct oqt__path *path, size_t n_slots, size_t n_legs, size_t first, double lam,
                    uint64_t seed);

/** An exact functional. */
typedef struct {
    const oqt__legs *legs;
    const oqt_complex *square; /* E(k) for k = 0 .. number of slots                       */
    size_t memory;             /* where it ends, with end                                 */
    const oqt_complex *end;    /* sums of oqt__cutoff::end over m < k; NULL: full memory  */
} oqt__exact;

/** Add what piece p does to the exponent log_f of a path; felt is carried from piece to piece, 0 at first. */
void oqt__path_exponent(oqt_complex *log_f, oqt_complex *felt, const oqt__exact *exact,
                        const struct oqt__path *path, size_t p);

/** y = x (re + i sign im) with the matrices of a class; x and y are a real and an imaginary part. */
void oqt__path_apply(double *y_re, double *y_im, const double *x_re, const double *x_im,
                     const oqt__slot *slot, size_t cls, double sign);

/* ---- path_compare.c ---- */

/** A memory that ends: slots more than `steps` apart do not feel each other, and slot m feels slot m + steps
 * by end_m instead of eta_steps. */
typedef struct {
    size_t steps;
    const oqt_complex *end; /* for each m with m + steps < number of steps */
} oqt__cutoff;

/** As oqt__path_test, for a memory that ends: error is against the functional of that memory, cutoff_error
 * the same measure of how far that one is from the full memory, both followed by the same over the first
 * half of the path. cut: NULL for the full memory, cutoff_error is then not written. Slot by slot. */
oqt_status oqt__path_test_cut(double error[2], double cutoff_error[2], const oqt_pt *pt,
                              const oqt_complex *eta, const oqt__cutoff *cut, size_t n_steps, double lam,
                              int n_threads, oqt_error *err);

/** The same measure of how far two tensors with the same legs are from each other. */
oqt_status oqt__path_distance(double *distance, const oqt_pt *a, const oqt_pt *b, size_t n_steps, double lam,
                              int n_threads, oqt_error *err);

#endif
