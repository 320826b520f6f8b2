/* bench.h - what the benchmarks share: how they fail, clocks, and the speed of BLAS. */
#ifndef OQT_BENCH_H
#define OQT_BENCH_H

#include <oqtempo/oqtempo.h>

#include <time.h>

void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc, size_t len_a, size_t len_b);

/** The name of the program, which defines it. */
extern const char bench_name[];

/** End the program with its name and this text on standard error. */
_Noreturn void fail(const char *text);

/** Fail unless status is OQT_OK. */
void check(oqt_status status, const oqt_error *err);

/** Seconds of a clock. */
double clock_of(clockid_t id);

/** Most flops per CPU second of products of n x n matrices, best of 12. */
double dgemm_speed(int n);

#endif
