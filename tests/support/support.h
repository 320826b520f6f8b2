/* support.h - what the tests share: random numbers, comparison, failing allocations, files, the runner. */
#ifndef OQT_TEST_SUPPORT_H
#define OQT_TEST_SUPPORT_H

#include <check.h>
#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <oqtempo/oqtempo.h>

/** Deterministic random numbers (splitmix64); the state is the caller's seed. */
double random_uniform(uint64_t *state); /* in (0, 1) */
double random_normal(uint64_t *state);

/** n real or complex numbers, normally distributed. */
void random_fill(double *out, size_t n, uint64_t *state);
void random_hermitian(oqt_complex *out, size_t d, uint64_t *state);
void random_complex(oqt_complex *out, size_t n, uint64_t *state);
/** A density matrix of full rank. */
void random_state(oqt_complex *out, size_t d, uint64_t *state);

/** Largest |a_i - b_i|; NaN if any difference is NaN. */
double max_diff(const double *a, const double *b, size_t n);
double max_diff_complex(const oqt_complex *a, const oqt_complex *b, size_t n);

static inline double complex to_c99(oqt_complex z)
{
    return z.re + z.im * (double complex)I;
}

static inline oqt_complex from_c99(double complex z)
{
    return (oqt_complex){creal(z), cimag(z)};
}

/** Pauli matrices over 1, for brevity. */
extern const oqt_complex sigma_x[4], sigma_y[4], sigma_z[4], sigma_minus[4];

/** out = c a, n elements. */
void scale_complex(oqt_complex *out, double c, const oqt_complex *a, size_t n);

/** tr(a b), d x d. */
double complex trace_product(const oqt_complex *a, const oqt_complex *b, size_t d);

/** J = 2 alpha w exp(-w / cutoff). */
oqt_bath *ohmic_bath(double alpha, double cutoff, double temperature);

oqt_pt_info info_of(const oqt_pt *pt);

/** Check that st is OQT_OK, printing the message otherwise. */
#define ASSERT_OK(st, err)                                                                                   \
    do {                                                                                                     \
        oqt_status st_ = (st);                                                                               \
        ck_assert_msg(st_ == OQT_OK, "%s: %s", oqt_status_text(st_), (err).text);                            \
    } while (0)

/** A call that can be made to fail: returns its status, and leaves nothing allocated if that is not OQT_OK.
 *  On OQT_OK it must free what it made. */
typedef oqt_status (*fallible_call)(void *ctx);

/**
 * Make the first, second, .. allocation of a call fail in turn until it succeeds. Every failing run must give
 * OQT_ENOMEM, and no run may leave memory behind. Returns the number of allocations of the successful run.
 */
size_t check_every_allocation(fallible_call call, void *ctx);

/** An empty directory of our own, and a path in it. Removing fails if anything else was left in it. */
struct place {
    char dir[32], path[64];
};
struct place new_place(void);
void remove_place(const struct place *p);

/** Run one suite as this program: exit status 0 only if all pass. CK_RUN_CASE etc. work as usual. */
int run_suite(Suite *suite);

#endif
