/* bench_pt.c - error, time and arithmetic of uniform process tensors, over baths and tolerances.
 *
 * One row for each case and tolerance: the largest error of an element of rho over all steps against a
 * converged trajectory (reference/), the error estimate of the tensor, wall and CPU seconds of building
 * (memory coefficients and fit included) and of propagating, the bond, and the speed of the builder beside
 * that of dgemm. Then, for each case, the least CPU seconds of building that keep the error below 1e-2, 1e-3,
 * 1e-4. docs/benchmarks.md says how to read it. */
#include "bench.h"
#include "config.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char bench_name[] = "bench_pt";

enum { MAX_D = 5, MAX_STEPS = 500, MAX_RUNS = 99, MAX_GRID = 64, N_LIMITS = 3, MAX_DISSIPATORS = 2 };

static const double limits[N_LIMITS] = {1e-2, 1e-3, 1e-4};

struct dissipator {
    double rate;
    double op[9];
};

/* All matrices are real; the coupling is diagonal. H has the given diagonal and first off-diagonal. */
struct bench_case {
    const char *name;
    double alpha, zeta, cutoff;
    oqt_cutoff form;
    double temperature, dt;
    size_t n_steps, d;
    double coupling[MAX_D], diagonal[MAX_D], beside[MAX_D - 1];
    size_t initial, n_dissipators;
    struct dissipator dissipators[MAX_DISSIPATORS];
};

/* PT5 is the qutrit of the reference code's worked numbers, here with full memory. PT6 is a spin 2 turned by
 * S_x / 2; <m|S_x|m-1> = sqrt(6 - m (m - 1)) / 2. */
static const struct bench_case cases[] = {
    {.name = "PT1",
     .alpha = 0.1,
     .zeta = 1,
     .cutoff = 5,
     .form = OQT_CUTOFF_EXPONENTIAL,
     .temperature = 0.0,
     .dt = 0.0625,
     .n_steps = 256,
     .d = 2,
     .coupling = {0.5, -0.5},
     .beside = {0.5}},
    {.name = "PT2",
     .alpha = 0.1,
     .zeta = 1,
     .cutoff = 3,
     .form = OQT_CUTOFF_EXPONENTIAL,
     .temperature = 0.5,
     .dt = 0.1,
     .n_steps = 256,
     .d = 2,
     .coupling = {0.5, -0.5},
     .beside = {0.5}},
    {.name = "PT3",
     .alpha = 0.126,
     .zeta = 3,
     .cutoff = 3.04,
     .form = OQT_CUTOFF_GAUSSIAN,
     .temperature = 0.6545,
     .dt = 0.1,
     .n_steps = 256,
     .d = 2,
     .coupling = {1, 0},
     .beside = {0.5}},
    {.name = "PT4",
     .alpha = 0.7,
     .zeta = 1,
     .cutoff = 5,
     .form = OQT_CUTOFF_EXPONENTIAL,
     .temperature = 0.2,
     .dt = 0.05,
     .n_steps = 200,
     .d = 2,
     .coupling = {0.5, -0.5},
     .beside = {0.5}},
    {.name = "PT5",
     .alpha = 0.3,
     .zeta = 1,
     .cutoff = 5,
     .form = OQT_CUTOFF_EXPONENTIAL,
     .temperature = 0.0,
     .dt = 0.05,
     .n_steps = 500,
     .d = 3,
     .coupling = {0.5, -0.5, 0},
     .diagonal = {1, 0.5, 0},
     .beside = {0.5, 0.5},
     .initial = 1,
     .n_dissipators = 2,
     .dissipators = {{0.1, {[7] = 1}}, {0.2, {[0] = 0.5, [4] = -0.5}}}},
    {.name = "PT6",
     .alpha = 0.05,
     .zeta = 1,
     .cutoff = 5,
     .form = OQT_CUTOFF_EXPONENTIAL,
     .temperature = 0.2,
     .dt = 0.05,
     .n_steps = 200,
     .d = 5,
     .coupling = {1, 0.5, 0, -0.5, -1},
     .beside = {0.5, 0.61237243569579452, 0.61237243569579452, 0.5}},
};
enum { N_CASES = sizeof cases / sizeof *cases };

struct setup {
    int n_threads;
    size_t n_runs;
    size_t per_decade;
    double peak; /* flops per second of dgemm */
};

struct sample {
    double tolerance, error, cpu;
    size_t bond;
};

/* Times of one run, in seconds, and what came out. */
struct outcome {
    double build_wall, build_cpu, run_wall, run_cpu;
    oqt_pt_info info;
    oqt_complex rho[(MAX_STEPS + 1) * MAX_D * MAX_D];
};

#ifdef OQT_HAVE_OPENBLAS
void openblas_set_num_threads(int n);
#endif

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_size);
    return x[n / 2];
}

static void hamiltonian(oqt_complex *out, const struct bench_case *c)
{
    memset(out, 0, c->d * c->d * sizeof *out);
    for (size_t i = 0; i < c->d; i++)
        out[i * c->d + i].re = c->diagonal[i];
    for (size_t i = 0; i + 1 < c->d; i++)
        out[i * c->d + i + 1].re = out[(i + 1) * c->d + i].re = c->beside[i];
}

static oqt_system *make_system(const struct bench_case *c)
{
    oqt_complex op[MAX_D * MAX_D];
    oqt_system *system;
    oqt_error err;

    hamiltonian(op, c);
    check(oqt_system_create(&system, c->d, op, &err), &err);
    for (size_t n = 0; n < c->n_dissipators; n++) {
        for (size_t i = 0; i < c->d * c->d; i++)
            op[i] = (oqt_complex){c->dissipators[n].op[i], 0.0};
        check(oqt_system_add_dissipator(system, c->dissipators[n].rate, op, &err), &err);
    }
    return system;
}

static oqt_bath *make_bath(const struct bench_case *c)
{
    oqt_bath *bath;
    oqt_error err;

    check(oqt_bath_create_power_law(&bath, c->alpha, c->zeta, c->cutoff, c->form, c->temperature, &err),
          &err);
    return bath;
}

static oqt_pt *build(const struct bench_case *c, const oqt_system *system, double tolerance, double path_rate,
                     int n_threads)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex coupling[MAX_D * MAX_D] = {{0, 0}};
    oqt_bath *bath = make_bath(c);
    oqt_error err;
    oqt_pt *pt;

    for (size_t i = 0; i < c->d; i++)
        coupling[i * c->d + i].re = c->coupling[i];
    opt.tolerance = tolerance;
    opt.system = system;
    opt.path_rate = path_rate;
    opt.n_steps = c->n_steps;
    opt.n_threads = n_threads;
    check(oqt_pt_create(&pt, bath, c->d, coupling, c->dt, &opt, &err), &err);
    oqt_bath_destroy(bath);
    return pt;
}

static void run(struct outcome *out, const struct bench_case *c, double tolerance, double path_rate,
                int n_threads)
{
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_complex initial[MAX_D * MAX_D] = {{0, 0}};
    oqt_system *system = make_system(c);
    double wall = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    oqt_dynamics *dyn;
    oqt_error err;
    oqt_pt *pt;

    pt = build(c, system, tolerance, path_rate, n_threads);
    out->build_wall = clock_of(CLOCK_MONOTONIC) - wall;
    out->build_cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    oqt_pt_get_info(&out->info, pt);

    opt.n_threads = n_threads;
    initial[c->initial * (c->d + 1)].re = 1.0;
    wall = clock_of(CLOCK_MONOTONIC);
    cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    check(oqt_dynamics_create(&dyn, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system}, initial,
                              &opt, &err),
          &err);
    check(oqt_dynamics_record(out->rho, dyn, c->n_steps, &err), &err);
    out->run_wall = clock_of(CLOCK_MONOTONIC) - wall;
    out->run_cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
}

/* A row of a reference holds t and the upper triangle of rho, row by row: one number on the diagonal, real
 * and imaginary part beside it, without the last element, which follows from the trace. */
static bool read_state(FILE *file, oqt_complex *rho, size_t d)
{
    double skip, trace = 0.0;
    bool good = fscanf(file, "%lf", &skip) == 1;

    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d && good; j++) {
            oqt_complex *x = &rho[i * d + j];

            *x = (oqt_complex){0.0, 0.0};
            if (j > i)
                good = fscanf(file, "%lf %lf", &x->re, &x->im) == 2;
            else if (i + 1 < d)
                good = fscanf(file, "%lf", &x->re) == 1;
            else
                x->re = 1.0 - trace;
            trace += i == j ? x->re : 0.0;
        }
    return good;
}

static void read_reference(oqt_complex *out, const struct bench_case *c)
{
    char path[512], line[1024];
    size_t rows = 0;
    FILE *file;
    long start = 0;

    snprintf(path, sizeof path, REFERENCE "/%s.txt", c->name);
    file = fopen(path, "r");
    if (!file)
        fail(path);
    while (fgets(line, sizeof line, file) && line[0] == '#')
        start = ftell(file);
    fseek(file, start, SEEK_SET);
    while (rows <= c->n_steps && read_state(file, out + rows * c->d * c->d, c->d))
        rows++;
    fclose(file);
    if (rows != c->n_steps + 1)
        fail(path);
}

static void write_states(const oqt_complex *rho, const struct bench_case *c)
{
    size_t d = c->d;

    for (size_t k = 0; k <= c->n_steps; k++, rho += d * d) {
        printf("%.10g", (double)k * c->dt);
        for (size_t i = 0; i + 1 < d; i++)
            for (size_t j = i; j < d; j++) {
                printf("\t%.10g", rho[i * d + j].re);
                if (j > i)
                    printf("\t%.10g", rho[i * d + j].im);
            }
        printf("\n");
    }
}

/* Largest |element| of the difference, over the upper triangle and all steps. */
static double distance(const oqt_complex *a, const oqt_complex *b, const struct bench_case *c)
{
    size_t d = c->d;
    double largest = 0.0;

    for (size_t k = 0; k <= c->n_steps; k++)
        for (size_t i = 0; i < d; i++)
            for (size_t j = i; j < d; j++) {
                size_t at = (k * d + i) * d + j;

                largest = fmax(largest, hypot(a[at].re - b[at].re, a[at].im - b[at].im));
            }
    return largest;
}

static struct sample measure(const struct bench_case *c, double tolerance, const oqt_complex *reference,
                             const struct setup *s)
{
    static struct outcome out;
    double build_wall[MAX_RUNS], build_cpu[MAX_RUNS], run_wall[MAX_RUNS], run_cpu[MAX_RUNS];
    struct sample row = {.tolerance = tolerance};

    for (size_t i = 0; i < s->n_runs; i++) {
        run(&out, c, tolerance, 0.0, s->n_threads);
        build_wall[i] = out.build_wall;
        build_cpu[i] = out.build_cpu;
        run_wall[i] = out.run_wall;
        run_cpu[i] = out.run_cpu;
    }
    row.error = distance(out.rho, reference, c);
    row.bond = out.info.bond_dimension;
    row.cpu = median(build_cpu, s->n_runs);
    printf("%s\t%.1e\t%.1e\t%.1e\t%zu\t%.5f\t%.5f\t%.5f\t%.5f", c->name, tolerance, row.error,
           out.info.error_estimate, row.bond, median(build_wall, s->n_runs), row.cpu,
           median(run_wall, s->n_runs), median(run_cpu, s->n_runs));
    if (out.info.flops > 0.0)
        printf("\t%.1f\t%.0f%%\n", 1e-9 * out.info.flops / row.cpu,
               100.0 * out.info.flops / row.cpu / s->peak);
    else
        printf("\t-\t-\n");
    fflush(stdout);
    return row;
}

/* The least time of rows below the limit; if `lasting`, all finer tolerances must be below it, too. */
static const struct sample *cheapest(const struct sample *row, size_t n, double limit, bool lasting)
{
    const struct sample *best = NULL;

    for (size_t i = n; i-- > 0;) {
        if (row[i].error < limit && (!best || row[i].cpu < best->cpu))
            best = &row[i];
        if (lasting && !(row[i].error < limit))
            break;
    }
    return best;
}

static void print_times(const struct bench_case *c, const struct sample *row, size_t n)
{
    for (size_t i = 0; i < N_LIMITS; i++) {
        const struct sample *safe = cheapest(row, n, limits[i], true);
        const struct sample *any = cheapest(row, n, limits[i], false);

        printf("%s\t%.0e", c->name, limits[i]);
        if (safe)
            printf("\t%.5f\t%zu\t%.1e", safe->cpu, safe->bond, safe->tolerance);
        else
            printf("\t-\t-\t-");
        if (any)
            printf("\t%.5f\t%zu\t%.1e\n", any->cpu, any->bond, any->tolerance);
        else
            printf("\t-\t-\t-\n");
    }
}

static void bench(const bool *chosen, const struct setup *s)
{
    static struct sample rows[N_CASES][MAX_GRID];
    static oqt_complex reference[(MAX_STEPS + 1) * MAX_D * MAX_D];
    size_t n_rows = 5 * s->per_decade + 1;

    printf("# case\ttolerance\terror\testimate\tbond\tbuild_wall_s\tbuild_cpu_s\trun_wall_s\trun_cpu_s\t"
           "Gflop/s\tof_dgemm\n");
    for (size_t i = 0; i < N_CASES; i++) {
        static struct outcome warm;

        if (!chosen[i])
            continue;
        read_reference(reference, &cases[i]);
        run(&warm, &cases[i], 1e-3, 0.0, s->n_threads);
        for (size_t k = 0; k < n_rows; k++)
            rows[i][k] =
                measure(&cases[i], pow(10.0, -2.0 - (double)k / (double)s->per_decade), reference, s);
    }
    printf(
        "\n# CPU seconds of building, of the cheapest tolerance at and beyond which all errors are below the "
        "limit;\n# then of the cheapest one with an error below it\n"
        "# case\tlimit\tcpu_s\tbond\ttolerance\tany_cpu_s\tany_bond\tany_tolerance\n");
    for (size_t i = 0; i < N_CASES; i++)
        if (chosen[i])
            print_times(&cases[i], rows[i], n_rows);
}

/* A converged trajectory, with what coarser tolerances and half the path rate change in it. */
static void write_reference(const struct bench_case *c, double tolerance, double path_rate, int n_threads)
{
    static struct outcome out, other;
    double coarse, rate;

    run(&out, c, tolerance, path_rate, n_threads);
    path_rate = out.info.path_rate;
    run(&other, c, 10.0 * tolerance, path_rate, n_threads);
    coarse = distance(out.rho, other.rho, c);
    run(&other, c, 4.0 * tolerance, 0.5 * path_rate, n_threads);
    rate = distance(out.rho, other.rho, c);
    printf("# %s, full memory; made by bench_pt -c %s -w %.0e -l %.3g: uniform process tensor of oqtempo %s, "
           "bond "
           "%zu. Largest difference to tolerance %.0e: %.1e; to tolerance %.0e and path rate %.3g: %.1e\n",
           c->name, c->name, tolerance, path_rate, oqt_version(), out.info.bond_dimension, 10.0 * tolerance,
           coarse, 4.0 * tolerance, 0.5 * path_rate, rate);
    printf(
        "# t, then the upper triangle of rho, row by row, without its last element (trace 1): rho_ii, Re and "
        "Im rho_ij\n");
    write_states(out.rho, c);
}

static void print_real(const char *name, const double *x, size_t n)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < n; i++)
        printf("%s%.17g", i ? ", " : "", x[i]);
    printf("]");
}

/* The case as JSON with its reference and n memory coefficients, for bench/peers. */
static void export(const struct bench_case *c, size_t n)
{
    static oqt_complex rho[(MAX_STEPS + 1) * MAX_D * MAX_D];
    oqt_complex *eta = malloc(n * sizeof *eta), op[MAX_D * MAX_D];
    oqt_bath *bath = make_bath(c);
    oqt_error err;
    double real[MAX_D * MAX_D];

    if (!eta)
        fail("out of memory");
    check(oqt_bath_eta(eta, bath, c->dt, n, NULL, 1, &err), &err);
    hamiltonian(op, c);
    for (size_t i = 0; i < c->d * c->d; i++)
        real[i] = op[i].re;
    read_reference(rho, c);
    printf("{\"name\": \"%s\", \"dt\": %.17g, \"n_steps\": %zu, \"d\": %zu, \"initial\": %zu", c->name, c->dt,
           c->n_steps, c->d, c->initial);
    print_real("coupling", c->coupling, c->d);
    print_real("hamiltonian", real, c->d * c->d);
    printf(", \"dissipators\": [");
    for (size_t i = 0; i < c->n_dissipators; i++) {
        printf("%s{\"rate\": %.17g", i ? ", " : "", c->dissipators[i].rate);
        print_real("op", c->dissipators[i].op, c->d * c->d);
        printf("}");
    }
    printf("]");
    print_real("eta", &eta->re, 2 * n);
    print_real("reference", &rho->re, 2 * (c->n_steps + 1) * c->d * c->d);
    printf("}\n");
    oqt_bath_destroy(bath);
    free(eta);
}

static void usage(void)
{
    fprintf(
        stderr,
        "usage: bench_pt [-t THREADS] [-r RUNS] [-p TOLERANCES_PER_DECADE] [-c CASE]... [-q]\n"
        "       bench_pt -c CASE -w TOLERANCE [-l PATH_RATE]   write a reference\n"
        "       bench_pt [-c CASE]... -x N                    cases as JSON, with N memory coefficients\n");
    exit(2);
}

static void choose(bool *chosen, const char *name)
{
    for (size_t i = 0; i < N_CASES; i++)
        if (strcmp(name, cases[i].name) == 0) {
            chosen[i] = true;
            return;
        }
    usage();
}

static long number(const char *text, long low, long high)
{
    long n = strtol(text, NULL, 10);

    if (n < low || n > high)
        usage();
    return n;
}

static void print_head(struct setup *s)
{
    double small = dgemm_speed(256), large = dgemm_speed(512);
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    s->peak = fmax(small, large);
    printf("# oqtempo %s, %s, %d thread(s), median of %zu run(s)\n", runtime.version, runtime.blas,
           s->n_threads, s->n_runs);
    printf("# dgemm on one thread: %.1f Gflop/s (256), %.1f Gflop/s (512)\n", 1e-9 * small, 1e-9 * large);
}

int main(int argc, char **argv)
{
    struct setup s = {.n_threads = 1, .n_runs = 5, .per_decade = 3};
    bool chosen[N_CASES] = {false}, any = false;
    double tolerance = 0.0, path_rate = 0.0;
    size_t n_eta = 0;
    int option;

    while ((option = getopt(argc, argv, "t:r:p:c:w:l:x:q")) != -1) {
        if (option == 't')
            s.n_threads = (int)number(optarg, 1, 1024);
        else if (option == 'r')
            s.n_runs = (size_t)number(optarg, 1, MAX_RUNS);
        else if (option == 'p')
            s.per_decade = (size_t)number(optarg, 1, (MAX_GRID - 1) / 5);
        else if (option == 'x')
            n_eta = (size_t)number(optarg, 1, 1 << 20);
        else if (option == 'w')
            tolerance = strtod(optarg, NULL);
        else if (option == 'l')
            path_rate = strtod(optarg, NULL);
        else if (option == 'c')
            choose(chosen, optarg);
        else if (option == 'q')
            s.n_runs = s.per_decade = 1;
        else
            usage();
    }
    if (optind < argc)
        usage();
    for (size_t i = 0; i < N_CASES; i++)
        any = any || chosen[i];
    for (size_t i = 0; i < N_CASES; i++) {
        chosen[i] = chosen[i] || !any;
        if (chosen[i] && tolerance > 0.0)
            write_reference(&cases[i], tolerance, path_rate, s.n_threads);
        else if (chosen[i] && n_eta > 0)
            export(&cases[i], n_eta);
    }
    if (tolerance > 0.0 || n_eta > 0)
        return 0;
#ifdef OQT_HAVE_OPENBLAS
    openblas_set_num_threads(1);
#endif
    print_head(&s);
    bench(chosen, &s);
    return 0;
}
