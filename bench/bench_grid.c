/* bench_grid.c - how error and tolerance, or error and accuracy, go together over a grid of problems.
 *
 *   bench_grid [PROBLEMS [FIRST]]
 *
 * Problems are drawn from alpha 0.02 .. 1, T 0 .. 2, zeta 0.5, 1, 3, H = Omega sigma_x / 2 with Omega 0 .. 4,
 * dt 0.02 .. 0.2; cutoff 5, exponential; coupling sigma_z / 2; up to t = 12, or 20 for Omega = 0.25. Two
 * initial states, up and x+. The reference is the closed form for Omega = 0, else the same method at
 * tolerance 2e-7 with the system named; its own estimate is printed, and rows with an error below three of
 * these say little. Rows:
 *
 *   known    tolerance, system named          unknown   tolerance, no system
 *   accuracy wanted error instead of a tolerance, system named
 *
 * Columns ratio = error / tolerance (or accuracy), and true = error / estimate. */
#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char bench_name[] = "bench_grid";

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex initial[8] = {{1, 0},   {0, 0},   {0, 0},   {0, 0},
                                       {0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}};

struct problem {
    double alpha, temperature, zeta, omega, dt;
    size_t n_steps;
};

/* A problem of the grid; zeta and Omega take turns, the rest is random. */
static struct problem draw(uint64_t id)
{
    static const double alpha[4] = {0.02, 0.1, 0.3, 1}, temperature[4] = {0, 0.2, 0.5, 2},
                        zeta[3] = {0.5, 1, 3}, omega[4] = {0, 0.25, 1, 4}, dt[4] = {0.02, 0.05, 0.1, 0.2};
    uint64_t s = 88172645463325252u + id * 0x9E3779B97F4A7C15u;
    size_t r[5];

    for (size_t i = 0; i < 5; i++) {
        s = (s ^ s >> 30) * 0xBF58476D1CE4E5B9u;
        s = (s ^ s >> 27) * 0x94D049BB133111EBu;
        s ^= s >> 31;
        r[i] = (size_t)(s >> 40) % 4;
    }
    struct problem p = {alpha[r[0]], temperature[r[1]], zeta[id % 3], omega[id / 3 % 4], dt[r[4]], 0};

    p.n_steps = (size_t)((p.omega == 0.25 ? 20 : 12) / p.dt + 0.5);
    return p;
}

/* rho of both columns; false if the tensor could not be built. */
static int run(oqt_complex *rho, oqt_pt_info *info, double *cpu, const struct problem *p,
               const oqt_bath *bath, const oqt_system *system, const oqt_pt_options *opt)
{
    oqt_dynamics_options dyn_opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn;
    oqt_pt *pt;
    oqt_error err;
    double start = clock_of(CLOCK_PROCESS_CPUTIME_ID);

    if (oqt_pt_create(&pt, bath, 2, half_z, p->dt, opt, &err) != OQT_OK) {
        fprintf(stderr, "bench_grid: %s\n", err.text);
        return 0;
    }
    *cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - start;
    oqt_pt_get_info(info, pt);
    dyn_opt.n_threads = 1;
    check(oqt_dynamics_create(&dyn, 1, (const oqt_pt *[]){pt}, 2, (const oqt_system *[]){system, system},
                              initial, &dyn_opt, &err),
          &err);
    check(oqt_dynamics_record(rho, dyn, p->n_steps, &err), &err);
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    return 1;
}

static void row(uint64_t id, const char *kind, double wanted, const oqt_complex *reference,
                const struct problem *p, const oqt_bath *bath, const oqt_system *system,
                const oqt_pt_options *opt)
{
    size_t n = 8 * (p->n_steps + 1);
    oqt_complex *rho = malloc(n * sizeof *rho);
    oqt_pt_info info;
    double error = 0.0, cpu;

    if (rho && run(rho, &info, &cpu, p, bath, system, opt)) {
        for (size_t i = 0; i < n; i++)
            error = fmax(error, hypot(rho[i].re - reference[i].re, rho[i].im - reference[i].im));
        printf("%llu\t%s\t%.0e\t%.1e\t%.1f\t%.2f\t%zu\t%zu\t%.4f\n", (unsigned long long)id, kind, wanted,
               error, error / wanted, error / info.error_estimate, info.bond_dimension, info.n_builds, cpu);
        fflush(stdout);
    }
    free(rho);
}

static void run_problem(uint64_t id)
{
    struct problem p = draw(id);
    oqt_complex h[4] = {{0, 0}, {p.omega / 2, 0}, {p.omega / 2, 0}, {0, 0}};
    oqt_complex *reference = malloc(8 * (p.n_steps + 1) * sizeof *reference);
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt_info info;
    oqt_system *system;
    oqt_bath *bath;
    oqt_error err;
    double cpu;

    check(oqt_system_create(&system, 2, h, &err), &err);
    check(oqt_bath_create_power_law(&bath, p.alpha, p.zeta, 5, OQT_CUTOFF_EXPONENTIAL, p.temperature, &err),
          &err);
    opt.n_steps = p.n_steps;
    opt.system = system;
    opt.n_threads = 1;
    opt.tolerance = p.zeta < 1 ? 2e-6 : 2e-7; /* sub-ohmic baths are expensive */
    opt.max_bond = 300;
    if (reference && run(reference, &info, &cpu, &p, bath, system, &opt)) {
        printf("# %llu: alpha %g T %g zeta %g Omega %g dt %g, reference: bond %zu, estimate %.1e, %.1f s\n",
               (unsigned long long)id, p.alpha, p.temperature, p.zeta, p.omega, p.dt, info.bond_dimension,
               info.error_estimate, cpu);
        opt.method = OQT_PT_UNIFORM;
        for (int e = 2; e <= 4; e++) {
            opt.tolerance = pow(10.0, -e);
            opt.accuracy = 0.0;
            opt.system = system;
            row(id, "known", opt.tolerance, reference, &p, bath, system, &opt);
            opt.system = NULL;
            row(id, "unknown", opt.tolerance, reference, &p, bath, system, &opt);
            opt.system = system;
            opt.accuracy = opt.tolerance;
            row(id, "accuracy", opt.accuracy, reference, &p, bath, system, &opt);
        }
    }
    free(reference);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 36, first = argc > 2 ? atol(argv[2]) : 0;

    if (n < 1 || first < 0) {
        fprintf(stderr, "usage: bench_grid [PROBLEMS [FIRST]]\n");
        return 2;
    }
    printf("# problem\trow\twanted\terror\tratio\ttrue\tbond\tbuilds\tcpu_s\n");
    for (long i = 0; i < n; i++)
        run_problem((uint64_t)(first + i));
    return 0;
}
