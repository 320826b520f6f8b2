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
 *   run      256 steps with all states recorded, from the options to the table: a constant Hamiltonian, 50 of
 *            them, a gaussian pulse, 50 of them; and how often that fits into the time of OQuPy 0.5.0
 *   pulse    what the propagators of a pulse cost: 256 steps more than with a constant Hamiltonian, as a
 * share of the run, and of the run with the making of the tensor
 */
#include "bench.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

const char bench_name[] = "bench_dynamics";

enum { N_BATCH = 1000, PEAK_SIZE = 1000 };

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex upper[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}};

static double *doubles(size_t n)
{
    double *x = malloc(n * sizeof *x);

    if (!x)
        fail("out of memory");
    for (size_t i = 0; i < n; i++)
        x[i] = 1e-3 * (double)(i % 7);
    return x;
}

/* Time of the processor with one thread, so that other programs disturb less; else of the clock. */
static double seconds(int n_threads)
{
    return clock_of(n_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC);
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

/* A tensor of this bond, or a little less: a tolerance, tight if it is 0, and a limit. *bond is what it
 * became. */
static oqt_pt *tensor(size_t *bond, double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath;
    oqt_pt_info info;
    oqt_pt *pt;
    oqt_error err;

    opt.tolerance = tolerance > 0.0 ? tolerance : *bond <= 64 ? 1e-9 : 1e-11;
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

static int gaussian(double *value, double t, void *ctx)
{
    const double *middle = ctx;

    *value = exp(-0.5 * (t - *middle) * (t - *middle));
    return 0;
}

/* A pulse in place of the constant field. */
static oqt_system *pulse_of(double *middle)
{
    static const oqt_complex h[4] = {{0.1, 0}, {0, 0}, {0, 0}, {-0.1, 0}},
                             x[4] = {{0, 0}, {1, 0}, {1, 0}, {0, 0}};
    oqt_system *system;
    oqt_error err;

    check(oqt_system_create(&system, 2, h, &err), &err);
    check(oqt_system_add_drive(system, gaussian, middle, x, &err), &err);
    return system;
}

/* Seconds of a whole run of 256 steps with n systems, the best of some runs. */
static double run_time(const oqt_pt *pt, size_t n, bool pulse, int n_threads, int n_runs)
{
    enum { STEPS = 256, MOST = 50 };
    static oqt_complex rho[(STEPS + 1) * MOST * 4], initial[MOST * 4];
    static double middle[MOST];
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_system *systems[MOST];
    double best = INFINITY;
    oqt_error err;

    for (size_t i = 0; i < n; i++) {
        middle[i] = 3.0 + 0.1 * (double)i;
        systems[i] = pulse ? pulse_of(middle + i) : system_of(i);
        initial[4 * i] = upper[0];
    }
    opt.n_threads = n_threads;
    for (int i = 0; i < 20 * n_runs; i++) {
        double start = seconds(n_threads);
        oqt_dynamics *dyn;

        check(oqt_dynamics_create(&dyn, 1, &pt, n, (const oqt_system *const *)systems, initial, &opt, &err),
              &err);
        check(oqt_dynamics_record(rho, dyn, STEPS, &err), &err);
        oqt_dynamics_destroy(dyn);
        best = fmin(best, seconds(n_threads) - start);
    }
    for (size_t i = 0; i < n; i++)
        oqt_system_destroy(systems[i]);
    return best;
}

/* Seconds that OQuPy 0.5.0 takes for the runs that it was measured with, at bond 26. */
static void runs(int n_threads, int n_runs)
{
    static const struct {
        const char *name;
        size_t n;
        bool pulse;
        double reference;
    } kinds[] = {{"constant", 1, false, 0.38},
                 {"constant", 50, false, 19.8},
                 {"pulse", 1, true, 3.3},
                 {"pulse", 50, true, NAN}};
    size_t bond = 26;
    oqt_pt *pt = tensor(&bond, 0.0);

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        double time = run_time(pt, kinds[i].n, kinds[i].pulse, n_threads, n_runs);

        printf("run\t%s\t%zu\t%zu\t%.3f\t%.0f\n", kinds[i].name, kinds[i].n, bond, 1e3 * time,
               kinds[i].reference / time);
    }
    oqt_pt_destroy(pt);
}

static void pulse_share(size_t bond, double tolerance, int n_threads, int n_runs)
{
    double start = seconds(n_threads), build, constant, pulse;
    oqt_pt *pt = tensor(&bond, tolerance);

    build = seconds(n_threads) - start;
    constant = run_time(pt, 1, false, n_threads, n_runs);
    pulse = run_time(pt, 1, true, n_threads, n_runs);
    printf("pulse\t%zu\t%.3f\t%.3f\t%.3f\t%.3f\t%.4f\n", bond, 1e3 * build, 1e3 * constant, 1e3 * pulse,
           (pulse - constant) / pulse, (pulse - constant) / (pulse + build));
    oqt_pt_destroy(pt);
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
    oqt_pt *pt = tensor(&bond, 0.0);
    double step = step_time(pt, 1, 2000 + 20000000 / (bond * bond), n_threads, n_runs);
    double read = stream(sum, 4 * bond * bond, n_threads, n_runs);

    printf("one\t%zu\t%.3f\t%.3f\t%.2f\n", bond, 1e6 * step, 1e6 * read, step / read);
    fflush(stdout);
    oqt_pt_destroy(pt);
}

static void batch(size_t bond, int n_threads, int n_runs)
{
    oqt_pt *pt = tensor(&bond, 0.0);
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
    oqt_pt *pt = tensor(&bond, 0.0);

    printf("# million\tbond\tseconds\n");
    printf("million\t%zu\t%.3f\n", bond, 1e6 * step_time(pt, 1, 1000000, n_threads, 1));
    oqt_pt_destroy(pt);
    printf("# run\tkind\tsystems\tbond\tms\ttimes_OQuPy\n");
    runs(n_threads, n_runs);
    printf("# pulse\tbond\tbuild_ms\tconstant_ms\tpulse_ms\tshare_of_run\tshare_with_build\n");
    pulse_share(32, 1e-6, n_threads, n_runs);
    pulse_share(64, 1e-8, n_threads, n_runs);
    return sum == 42.0; /* never */
}
