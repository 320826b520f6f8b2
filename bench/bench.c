/* bench.c - what the benchmarks share. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void fail(const char *text)
{
    fprintf(stderr, "%s: %s\n", bench_name, text);
    exit(1);
}

void check(oqt_status status, const oqt_error *err)
{
    if (status != OQT_OK)
        fail(err->text);
}

double clock_of(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double dgemm_speed(int n)
{
    size_t len = (size_t)n * (size_t)n;
    double *a = calloc(3 * len, sizeof *a), one = 1.0, zero = 0.0, best = 0.0;

    if (!a)
        fail("out of memory");
    for (size_t i = 0; i < 2 * len; i++)
        a[i] = (double)(i % 17) - 8.0;
    for (int k = 0; k < 12; k++) {
        double begin = clock_of(CLOCK_PROCESS_CPUTIME_ID);

        dgemm_("N", "N", &n, &n, &n, &one, a, &n, a + len, &n, &zero, a + 2 * len, &n, 1, 1);
        best = fmax(best, 2.0 * (double)n * (double)len / (clock_of(CLOCK_PROCESS_CPUTIME_ID) - begin));
    }
    free(a);
    return best;
}
