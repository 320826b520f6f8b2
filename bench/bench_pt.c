/* bench_pt.c - error and time of uniform process tensors, over baths and tolerances.
 *
 *   bench_pt [THREADS [RUNS]]
 *
 * One row for each case and tolerance: the largest error of an element of rho over all steps against a
 * converged trajectory (reference/), the bond, and the median wall time of building (memory coefficients and
 * fit included) and of propagating. */
#include <oqtempo/oqtempo.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_STEPS = 256, MAX_RUNS = 99 };

static const oqt_complex half_x[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex upper[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}};

struct bench_case {
    const char *name;
    double alpha, zeta, cutoff;
    oqt_cutoff form;
    double temperature;
    const oqt_complex *coupling;
    double dt;
    size_t n_steps;
};

static const struct bench_case cases[] = {
    {"PT1", 0.1, 1, 5, OQT_CUTOFF_EXPONENTIAL, 0.0, half_z, 0.0625, 256},
    {"PT2", 0.1, 1, 3, OQT_CUTOFF_EXPONENTIAL, 0.5, half_z, 0.1, 256},
    {"PT3", 0.126, 3, 3.04, OQT_CUTOFF_GAUSSIAN, 0.6545, upper, 0.1, 256},
    {"PT4", 0.7, 1, 5, OQT_CUTOFF_EXPONENTIAL, 0.2, half_z, 0.05, 200},
};

static void check(oqt_status status, const oqt_error *err)
{
    if (status != OQT_OK) {
        fprintf(stderr, "bench_pt: %s\n", err->text);
        exit(1);
    }
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

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

/* Columns t, rho_00, Re rho_01, Im rho_01. */
static void read_reference(double (*out)[3], const struct bench_case *c)
{
    char path[512], line[256];
    size_t rows = 0;
    FILE *file;

    snprintf(path, sizeof path, REFERENCE "/%s.txt", c->name);
    file = fopen(path, "r");
    while (file && rows <= c->n_steps && fgets(line, sizeof line, file))
        if (line[0] != '#' &&
            sscanf(line, "%*f %lf %lf %lf", &out[rows][0], &out[rows][1], &out[rows][2]) == 3)
            rows++;
    if (rows != c->n_steps + 1) {
        fprintf(stderr, "bench_pt: %s does not hold %zu rows\n", path, c->n_steps + 1);
        exit(1);
    }
    fclose(file);
}

static void run(const struct bench_case *c, double tolerance, int n_threads, size_t n_runs)
{
    static oqt_complex rho[(MAX_STEPS + 1) * 4];
    static double reference[MAX_STEPS + 1][3];
    double build[MAX_RUNS], propagate[MAX_RUNS], error = 0.0;
    oqt_system *system;
    oqt_pt_info info;
    oqt_error err;

    read_reference(reference, c);
    check(oqt_system_create(&system, 2, half_x, &err), &err);
    for (size_t i = 0; i < n_runs; i++) {
        oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
        oqt_dynamics_options dyn_opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_bath *bath;
        oqt_pt *pt;
        oqt_dynamics *dyn;
        double start = seconds();

        opt.tolerance = tolerance;
        opt.system = system;
        opt.n_steps = c->n_steps;
        opt.n_threads = dyn_opt.n_threads = n_threads;
        check(oqt_bath_create_power_law(&bath, c->alpha, c->zeta, c->cutoff, c->form, c->temperature, &err),
              &err);
        check(oqt_pt_create(&pt, bath, 2, c->coupling, c->dt, &opt, &err), &err);
        build[i] = seconds() - start;
        start = seconds();
        check(oqt_dynamics_create(&dyn, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system}, upper,
                                  &dyn_opt, &err),
              &err);
        check(oqt_dynamics_record(rho, dyn, c->n_steps, &err), &err);
        propagate[i] = seconds() - start;
        oqt_pt_get_info(&info, pt);
        oqt_dynamics_destroy(dyn);
        oqt_pt_destroy(pt);
        oqt_bath_destroy(bath);
    }
    for (size_t k = 0; k <= c->n_steps; k++) {
        error = fmax(error, fabs(rho[4 * k].re - reference[k][0]));
        error = fmax(error, hypot(rho[4 * k + 1].re - reference[k][1], rho[4 * k + 1].im - reference[k][2]));
    }
    printf("%s\t%.0e\t%.1e\t%.1e\t%zu\t%.4f\t%.4f\n", c->name, tolerance, error, info.path_error,
           info.bond_dimension, median(build, n_runs), median(propagate, n_runs));
    fflush(stdout);
    oqt_system_destroy(system);
}

int main(int argc, char **argv)
{
    int n_threads = argc > 1 ? atoi(argv[1]) : 1;
    int n_runs = argc > 2 ? atoi(argv[2]) : 5;
    oqt_runtime runtime;

    if (n_threads < 1 || n_runs < 1 || n_runs > MAX_RUNS) {
        fprintf(stderr, "usage: bench_pt [THREADS [RUNS]]\n");
        return 2;
    }
    oqt_get_runtime(&runtime);
    printf("# oqtempo %s, %s, %d thread(s), median of %d runs\n", runtime.version, runtime.blas, n_threads,
           n_runs);
    printf("# case\ttolerance\terror\testimate\tbond\tbuild_s\tpropagate_s\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int exponent = 3; exponent <= 8; exponent++)
            run(&cases[i], pow(10.0, -exponent), n_threads, (size_t)n_runs);
    return 0;
}
