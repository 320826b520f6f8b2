/* bench_tempo.c - error, time and arithmetic of TEMPO on case A: a spin-boson model with two Lindblad terms.
 *
 * One row for each epsrel: the largest error of an element of rho over all steps against a run with a much
 * smaller one, wall and CPU seconds, the largest bond, and the speed beside that of dgemm; then the same for
 * the last tenth of the steps, when the chain of slots has its full length. The run with the smallest epsrel
 * is itself compared with a process tensor. docs/benchmarks.md says how to read it. */
#include "bench.h"
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char bench_name[] = "bench_tempo";

enum { MAX_STEPS = 1000, MAX_RUNS = 99 };

struct setup {
    double alpha, dt;
    size_t n_steps, memory;
    size_t n_runs;
    double peak;
};

static oqt_complex reference[(MAX_STEPS + 1) * 4];

/* ---- case A ---- */

static oqt_bath *make_bath(const struct setup *s)
{
    oqt_bath *bath = NULL;
    oqt_error err;

    check(oqt_bath_create_power_law(&bath, s->alpha, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), &err);
    return bath;
}

static oqt_system *make_system(void)
{
    static const oqt_complex h[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
    static const oqt_complex lower[4] = {{0, 0}, {0, 0}, {1, 0}, {0, 0}};
    static const oqt_complex sigma_z[4] = {{1, 0}, {0, 0}, {0, 0}, {-1, 0}};
    oqt_system *system = NULL;
    oqt_error err;

    check(oqt_system_create(&system, 2, h, &err), &err);
    check(oqt_system_add_dissipator(system, 0.1, lower, &err), &err);
    check(oqt_system_add_dissipator(system, 0.2, sigma_z, &err), &err);
    return system;
}

struct outcome {
    oqt_complex rho[(MAX_STEPS + 1) * 4];
    double wall, cpu, late_cpu, late_flops;
    oqt_tempo_stats stats;
};

/* Memory coefficients are part of the time. */
static void run(struct outcome *out, const struct setup *s, double epsrel)
{
    static const oqt_complex coupling[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}}, initial[4] = {{1, 0}};
    oqt_bath *bath = make_bath(s);
    oqt_system *system = make_system();
    const oqt_bath *baths[1] = {bath};
    oqt_tempo_options opt = OQT_TEMPO_OPTIONS_INIT;
    oqt_tempo *tempo = NULL;
    size_t late = s->n_steps / 10;
    oqt_error err;

    opt.epsrel = epsrel;
    opt.memory_steps = s->memory;
    opt.n_threads = 1;
    out->wall = clock_of(CLOCK_MONOTONIC);
    out->cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    check(oqt_tempo_create(&tempo, 1, baths, coupling, system, initial, s->dt, &opt, &err), &err);
    check(oqt_tempo_record(out->rho, tempo, s->n_steps - late, &err), &err);
    oqt_tempo_get_stats(&out->stats, tempo);
    out->late_flops = out->stats.flops;
    out->late_cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    check(oqt_tempo_record(out->rho + 4 * (s->n_steps - late), tempo, late, &err), &err);
    oqt_tempo_get_stats(&out->stats, tempo);
    out->late_cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - out->late_cpu;
    out->late_flops = out->stats.flops - out->late_flops;
    out->cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - out->cpu;
    out->wall = clock_of(CLOCK_MONOTONIC) - out->wall;
    oqt_tempo_destroy(tempo);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}

static double distance(const oqt_complex *a, const oqt_complex *b, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, hypot(a[i].re - b[i].re, a[i].im - b[i].im));
    return largest;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
    return x[n / 2];
}

static void measure(const struct setup *s, double epsrel)
{
    static struct outcome out;
    double wall[MAX_RUNS], cpu[MAX_RUNS], late[MAX_RUNS], steps = (double)(s->n_steps / 10);

    for (size_t i = 0; i < s->n_runs; i++) {
        run(&out, s, epsrel);
        wall[i] = out.wall;
        cpu[i] = out.cpu;
        late[i] = out.late_cpu;
    }
    double t = median(cpu, s->n_runs), t_late = median(late, s->n_runs);

    printf("%.1e\t%.1e\t%zu\t%.4f\t%.4f\t%.1f\t%.0f%%\t%.3f\t%.1f\t%.1f\n", epsrel,
           distance(out.rho, reference, 4 * (s->n_steps + 1)), out.stats.largest_bond,
           median(wall, s->n_runs), t, 1e-9 * out.stats.flops / t, 100.0 * out.stats.flops / t / s->peak,
           1e3 * t_late / steps, 1e-9 * out.late_flops / t_late, s->peak * t_late / out.late_flops);
    fflush(stdout);
}

/* A process tensor of the same cut memory, another method altogether. */
static double other_method(const struct setup *s, const oqt_complex *rho, double tolerance)
{
    static const oqt_complex coupling[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}}, initial[4] = {{1, 0}};
    static oqt_complex other[(MAX_STEPS + 1) * 4];
    oqt_bath *bath = make_bath(s);
    oqt_system *system = make_system();
    const oqt_system *systems[1] = {system};
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *pt = NULL;
    const oqt_pt *pts[1];
    oqt_dynamics *dyn = NULL;
    oqt_error err;

    opt.method = OQT_PT_TEMPO;
    opt.tolerance = tolerance;
    opt.system = system;
    opt.n_steps = s->n_steps;
    opt.memory_steps = s->memory;
    check(oqt_pt_create(&pt, bath, 2, coupling, s->dt, &opt, &err), &err);
    pts[0] = pt;
    check(oqt_dynamics_create(&dyn, 1, pts, 1, systems, initial, NULL, &err), &err);
    check(oqt_dynamics_record(other, dyn, s->n_steps, &err), &err);
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
    return distance(rho, other, 4 * (s->n_steps + 1));
}

static void usage(void)
{
    fprintf(
        stderr,
        "usage: bench_tempo [-a ALPHA] [-n STEPS] [-k MEMORY_STEPS] [-r RUNS] [-e EPSREL]... [-p TOLERANCE]\n"
        "  -p: compare the reference with a process tensor of this tolerance (slow)\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct setup s = {.alpha = 0.3, .dt = 0.05, .n_steps = 100, .memory = 40, .n_runs = 3};
    double epsrel[32], tolerance = 0.0, smallest = 1.0;
    static struct outcome out;
    size_t n = 0;
    int option;

    while ((option = getopt(argc, argv, "a:n:k:r:e:p:")) != -1) {
        if (option == 'a')
            s.alpha = strtod(optarg, NULL);
        else if (option == 'n')
            s.n_steps = (size_t)strtoul(optarg, NULL, 10);
        else if (option == 'k')
            s.memory = (size_t)strtoul(optarg, NULL, 10);
        else if (option == 'r')
            s.n_runs = (size_t)strtoul(optarg, NULL, 10);
        else if (option == 'e' && n < 32)
            epsrel[n++] = strtod(optarg, NULL);
        else if (option == 'p')
            tolerance = strtod(optarg, NULL);
        else
            usage();
    }
    if (optind < argc || s.n_steps < 10 || s.n_steps > MAX_STEPS || s.n_runs < 1 || s.n_runs > MAX_RUNS)
        usage();
    if (n == 0)
        for (double e = 1e-4; e > 5e-10; e *= n % 2 ? 0.3 : 1.0 / 3.0)
            epsrel[n++] = e;
    for (size_t i = 0; i < n; i++)
        smallest = fmin(smallest, epsrel[i]);
#ifdef OQT_HAVE_OPENBLAS
    void openblas_set_num_threads(int);
    openblas_set_num_threads(1);
#endif
    s.peak = fmax(dgemm_speed(256), dgemm_speed(512));
    printf("# oqtempo %s; alpha %g, dt %g, %zu steps, memory of %zu; dgemm on one thread: %.1f Gflop/s\n",
           oqt_version(), s.alpha, s.dt, s.n_steps, s.memory, 1e-9 * s.peak);
    run(&out, &s, 0.3 * smallest);
    memcpy(reference, out.rho, sizeof reference);
    printf("# reference: epsrel %.1e, bond %zu, %.2f s\n", 0.3 * smallest, out.stats.largest_bond, out.cpu);
    if (tolerance > 0.0)
        printf("# from a process tensor of tolerance %.1e it differs by %.1e\n", tolerance,
               other_method(&s, reference, tolerance));
    printf("# "
           "epsrel\terror\tbond\twall_s\tcpu_s\tGflop/s\tof_dgemm\tlate_step_ms\tlate_Gflop/"
           "s\ttime_over_peak\n");
    for (size_t i = 0; i < n; i++)
        measure(&s, epsrel[i]);
    return 0;
}
