/* bench_dynamics.c - speed of propagation under a uniform process tensor.
 *
 *   bench_dynamics [THREADS [RUNS]]
 *
 * Two levels, so a step reads four matrices: two of the diagonal legs, real and imaginary part of the
 * coherence. Best of some runs each.
 *   one      one system: time of a step, time of adding up all numbers of the tensor, and their ratio
 *   batch    1000 systems, all of them different: speed of the products with the tensor (12 bond^2 flops for
 *            each system and step), and its share of the speed of a product of two 1000 x 1000 matrices
 *   million  10^6 steps of one system, the trace watched at every step
 */
#include <oqtempo/oqtempo.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { N_BATCH = 1000, PEAK_SIZE = 1000 };

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex upper[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}};

void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc, size_t len_a, size_t len_b);

static void check(oqt_status status, const oqt_error *err)
{
    if (status != OQT_OK) {
        fprintf(stderr, "bench_dynamics: %s\n", err->text);
        exit(1);
    }
}

static double *doubles(size_t n)
{
    double *x = malloc(n * sizeof *x);

    if (!x) {
        fprintf(stderr, "bench_dynamics: out of memory\n");
        exit(1);
    }
    for (size_t i = 0; i < n; i++)
        x[i] = 1e-3 * (double)(i % 7);
    return x;
}

/* Time of the processor with one thread, so that other programs disturb less; else of the clock. */
static double seconds(int n_threads)
{
    struct timespec now;

    clock_gettime(n_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Flops per second of BLAS, with as many threads as OPENBLAS_NUM_THREADS says. */
static double peak(int n_threads, int n_runs)
{
    const int n = PEAK_SIZE;
    const double one = 1.0, zero = 0.0;
    size_t len = (size_t)PEAK_SIZE * PEAK_SIZE;
    double *a = doubles(len), *b = doubles(len), *c = doubles(len);
    double best = INFINITY;

    for (int i = 0; i < n_runs; i++) {
        double start = seconds(n_threads);

        dgemm_("N", "N", &n, &n, &n, &one, a, &n, b, &n, &zero, c, &n, 1, 1);
        best = fmin(best, seconds(n_threads) - start);
    }
    free(a);
    free(b);
    free(c);
    return 2.0 * n * n * n / best;
}

/* Seconds for adding up n numbers; sum keeps the compiler from leaving it out. */
static double stream(double *sum, size_t n, int n_threads, int n_runs)
{
    enum { LANES = 64 };
    double *x = doubles(n), lane[LANES] = {0.0}, best = INFINITY;
    size_t repeat = 20000000 / n + 1;

    for (int i = 0; i < n_runs; i++) {
        double start = seconds(n_threads);

        for (size_t r = 0; r < repeat; r++)
            for (size_t k = 0; k + LANES <= n; k += LANES)
                for (size_t l = 0; l < LANES; l++)
                    lane[l] += x[k + l];
        best = fmin(best, (seconds(n_threads) - start) / (double)repeat);
    }
    for (size_t l = 0; l < LANES; l++)
        *sum += lane[l];
    free(x);
    return best;
}

/* A tensor of this bond, or a little less: a tight tolerance and a limit. *bond is what it became. */
static oqt_pt *tensor(size_t *bond)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath;
    oqt_pt_info info;
    oqt_pt *pt;
    oqt_error err;

    opt.tolerance = *bond <= 64 ? 1e-9 : 1e-11;
    opt.max_bond = *bond;
    check(oqt_bath_create_power_law(&bath, 0.3, 1, 5, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), &err);
    check(oqt_pt_create(&pt, bath, 2, half_z, 0.05, &opt, &err), &err);
    oqt_bath_destroy(bath);
    oqt_pt_get_info(&info, pt);
    *bond = info.bond_dimension;
    return pt;
}

static oqt_system *system_of(size_t i)
{
    double x = 0.5 + 1e-4 * (double)i;
    oqt_complex h[4] = {{0.1, 0}, {x, 0}, {x, 0}, {-0.1, 0}};
    oqt_system *system;
    oqt_error err;

    check(oqt_system_create(&system, 2, h, &err), &err);
    return system;
}

/* Seconds of one step with n systems, the best of some runs. */
static double step_time(const oqt_pt *pt, size_t n, uint64_t n_steps, int n_threads, int n_runs)
{
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    const oqt_system *systems[N_BATCH];
    static oqt_complex initial[N_BATCH * 4];
    oqt_dynamics *dyn;
    double best = INFINITY;
    oqt_error err;

    for (size_t i = 0; i < n; i++) {
        systems[i] = system_of(i);
        for (size_t a = 0; a < 4; a++)
            initial[4 * i + a] = upper[a];
    }
    opt.n_threads = n_threads;
    check(oqt_dynamics_create(&dyn, 1, &pt, n, systems, initial, &opt, &err), &err);
    for (int i = 0; i < n_runs; i++) {
        double start = seconds(n_threads);

        check(oqt_dynamics_step(dyn, n_steps, &err), &err);
        best = fmin(best, (seconds(n_threads) - start) / (double)n_steps);
    }
    oqt_dynamics_destroy(dyn);
    for (size_t i = 0; i < n; i++)
        oqt_system_destroy((oqt_system *)systems[i]);
    return best;
}

static void one_system(size_t bond, int n_threads, int n_runs, double *sum)
{
    oqt_pt *pt = tensor(&bond);
    double step = step_time(pt, 1, 2000 + 20000000 / (bond * bond), n_threads, n_runs);
    double read = stream(sum, 4 * bond * bond, n_threads, n_runs);

    printf("one\t%zu\t%.3f\t%.3f\t%.2f\n", bond, 1e6 * step, 1e6 * read, step / read);
    fflush(stdout);
    oqt_pt_destroy(pt);
}

static void batch(size_t bond, int n_threads, int n_runs)
{
    oqt_pt *pt = tensor(&bond);
    double step = step_time(pt, N_BATCH, 100 + 100000 / (bond * bond), n_threads, n_runs),
           top = peak(n_threads, n_runs);
    double speed = 12.0 * (double)(bond * bond) * N_BATCH / step;

    printf("batch\t%zu\t%.1f\t%.1f\t%.2f\n", bond, 1e6 * step, 1e-9 * speed, speed / top);
    fflush(stdout);
    oqt_pt_destroy(pt);
}

int main(int argc, char **argv)
{
    static const size_t bonds[] = {16, 32, 64, 128, 256};
    int n_threads = argc > 1 ? atoi(argv[1]) : 1;
    int n_runs = argc > 2 ? atoi(argv[2]) : 5;
    double sum = 0.0;
    oqt_runtime runtime;

    if (n_threads < 1 || n_runs < 1) {
        fprintf(stderr, "usage: bench_dynamics [THREADS [RUNS]]\n");
        return 2;
    }
    oqt_get_runtime(&runtime);
    printf("# oqtempo %s, %s, %d thread(s), best of %d runs\n", runtime.version, runtime.blas, n_threads,
           n_runs);
    printf("# one\tbond\tstep_us\tread_us\tratio\n");
    for (size_t i = 0; i < sizeof bonds / sizeof *bonds; i++)
        one_system(bonds[i], n_threads, n_runs, &sum);
    printf("# batch\tbond\tstep_us\tGFLOP/s\tshare_of_dgemm\n");
    for (size_t i = 0; i < sizeof bonds / sizeof *bonds; i++)
        batch(bonds[i], n_threads, n_runs);

    size_t bond = 32;
    oqt_pt *pt = tensor(&bond);

    printf("# million\tbond\tseconds\n");
    printf("million\t%zu\t%.3f\n", bond, 1e6 * step_time(pt, 1, 1000000, n_threads, 1));
    oqt_pt_destroy(pt);
    return sum == 42.0; /* never */
}
