/* bench_chain.c - error, time and arithmetic of PT-TEBD on XYZ chains, closed or with a bath on site 0.
 *
 *   bench_chain [-n SITES] [-s STEPS] [-a] [-b] [-r TOLERANCE] [-m BOND] [-t THREADS] [-w r|s|n] [-x
 * V0,V1,..] TOLERANCE...
 *
 * S_z on every site, couplings (1.3, 0.7, 1.2) S_a S_a, dt 0.2, order 2, site 0 up and all others down (-a:
 * every other one up); -b: an ohmic bath (alpha 0.32, wc 4, T 1.6) on S_y of site 0. One row for each
 * tolerance: the largest error of an element of a site's density matrix over all steps against a run with the
 * tolerance of -r (its process tensor included), wall and CPU seconds, the largest bond, the speed beside
 * that of dgemm on one core, work over span, the number of threads that could be busy, and how much faster
 * than one 2, 4, 16 and 64 threads would take the last steps. -m: limit of the bonds. -w: states are recorded
 * by tasks (r), or between single steps (s), or at the end only (n). -x: the error of other final values of
 * rho_00, those of peers/peer_tebd.py. The bath's process tensor is made before and not timed. */
#include "bench.h"
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char bench_name[] = "bench_chain";

enum { MAX_SITES = 64, MAX_STEPS = 200, N_FORECASTS = 4 };

struct setup {
    size_t n;
    uint64_t steps;
    int bath, threads, alternating;
    size_t max_bond;
    char way; /* of recording */
};

/* ---- the problem ---- */

static void operator_of(oqt_complex *op, const char *name)
{
    oqt_error err = {0};

    check(oqt_op_by_name(op, 2, name, &err), &err);
}

static oqt_chain *make_chain(size_t n)
{
    static const char *const names[3] = {"spin_x", "spin_y", "spin_z"};
    static const double coupling[3] = {1.3, 0.7, 1.2};
    size_t dim[MAX_SITES];
    oqt_complex s[4], pair[16], sum[16] = {{0.0, 0.0}};
    oqt_system *site = NULL, *bond = NULL;
    oqt_chain *chain = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < n; i++)
        dim[i] = 2;
    for (int a = 0; a < 3; a++) {
        operator_of(s, names[a]);
        oqt_op_tensor(pair, 2, s, 2, s);
        for (size_t i = 0; i < 16; i++) {
            sum[i].re += coupling[a] * pair[i].re;
            sum[i].im += coupling[a] * pair[i].im;
        }
    }
    check(oqt_system_create(&site, 2, s, &err), &err); /* the last one, S_z */
    check(oqt_system_create(&bond, 4, sum, &err), &err);
    check(oqt_chain_create(&chain, n, dim, &err), &err);
    for (size_t i = 0; i < n; i++)
        check(oqt_chain_add_site(chain, i, site, &err), &err);
    for (size_t i = 0; i + 1 < n; i++)
        check(oqt_chain_add_bond(chain, i, bond, &err), &err);
    oqt_system_destroy(site);
    oqt_system_destroy(bond);
    return chain;
}

static oqt_pt *make_tensor(const struct setup *c, double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex s[4];
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    operator_of(s, "spin_y");
    opt.tolerance = tolerance;
    opt.n_steps = c->steps;
    opt.path_rate = 1.0;
    opt.method = OQT_PT_UNIFORM;
    check(oqt_bath_create_power_law(&bath, 0.32, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, 1.6, &err), &err);
    check(oqt_pt_create(&pt, bath, 2, s, 0.2, &opt, &err), &err);
    oqt_bath_destroy(bath);
    return pt;
}

/* ---- one run ---- */

struct outcome {
    double wall, cpu;
    size_t pt_bond;
    oqt_tebd_stats stats;
    double speedup[N_FORECASTS];
};

static void take_steps(oqt_complex *rho, oqt_tebd *tebd, const struct setup *c)
{
    oqt_tebd_records records = OQT_TEBD_RECORDS_INIT;
    oqt_error err = {0};

    records.densities = rho;
    if (c->way == 'r') {
        check(oqt_tebd_record(&records, tebd, c->steps, &err), &err);
        return;
    }
    for (uint64_t s = 0; s < c->steps && c->way == 's'; s++) {
        check(oqt_tebd_step(tebd, 1, &err), &err);
        check(oqt_tebd_densities(rho + 4 * c->n * (s + 1), tebd, &err), &err);
    }
    if (c->way == 'n') {
        check(oqt_tebd_step(tebd, c->steps, &err), &err);
        check(oqt_tebd_densities(rho + 4 * c->n * c->steps, tebd, &err), &err);
    }
}

/* One-site states into rho, (steps + 1) x n x 4. */
static struct outcome run(oqt_complex *rho, const struct setup *c, double tolerance)
{
    size_t n_pt[MAX_SITES] = {0};
    oqt_complex initial[4 * MAX_SITES] = {{0.0, 0.0}};
    oqt_chain *chain = make_chain(c->n);
    oqt_pt *pt = c->bath ? make_tensor(c, tolerance) : NULL;
    const oqt_pt *pts[1] = {pt};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    struct outcome out = {0};
    oqt_tebd *tebd = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < c->n; i++)
        initial[4 * i + (i == 0 || (c->alternating && i % 2 == 0) ? 0 : 3)].re = 1.0;
    if (pt) {
        oqt_pt_info info;

        oqt_pt_get_info(&info, pt);
        out.pt_bond = info.bond_dimension;
        n_pt[0] = 1;
    }
    opt.dt = 0.2;
    opt.tolerance = tolerance;
    opt.max_bond = c->max_bond;
    opt.n_threads = c->threads;
    out.wall = clock_of(CLOCK_MONOTONIC);
    out.cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    check(oqt_tebd_create(&tebd, chain, initial, n_pt, pts, &opt, &err), &err);
    take_steps(rho, tebd, c);
    out.wall = clock_of(CLOCK_MONOTONIC) - out.wall;
    out.cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - out.cpu;
    oqt_tebd_get_stats(&out.stats, tebd);
    check(oqt_tebd_forecast(out.speedup, tebd, N_FORECASTS, (const int[N_FORECASTS]){2, 4, 16, 64}, &err),
          &err);
    oqt_tebd_destroy(tebd);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    return out;
}

static double error_of(const oqt_complex *a, const oqt_complex *b, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, hypot(a[i].re - b[i].re, a[i].im - b[i].im));
    return largest;
}

static void print_row(double tolerance, double error, const struct outcome *o, double peak)
{
    printf("%9.0e %9.1e %8.3f %8.3f %5zu %5zu %7.1f %5.2f %6.1f    ", tolerance, error, o->wall, o->cpu,
           o->stats.bond_dimension, o->pt_bond, 1e-9 * o->stats.flops / o->cpu,
           o->stats.flops / o->cpu / peak, o->stats.work / o->stats.span);
    for (int i = 0; i < N_FORECASTS; i++)
        printf(" %5.2f", o->speedup[i]);
    printf("\n");
    fflush(stdout);
}

/* Error of the final rho_00 of another program. */
static void print_peer(char *values, const oqt_complex *final, size_t n)
{
    double error = 0.0;

    for (size_t i = 0; i < n; i++) {
        char *text = strtok(i == 0 ? values : NULL, ", ");

        if (!text)
            fail("fewer values than sites");
        error = fmax(error, fabs(atof(text) - final[4 * i].re));
    }
    printf("values given: error %.1e (final rho_00)\n", error);
}

int main(int argc, char **argv)
{
    struct setup c = {.n = 5, .steps = 20, .threads = 1, .way = 'r'};
    double tolerance = 1e-7, peak = dgemm_speed(1024);
    char *values = NULL;
    int option;

    while ((option = getopt(argc, argv, "n:s:abr:m:t:w:x:")) != -1)
        switch (option) {
        case 'n':
            c.n = (size_t)atoi(optarg);
            break;
        case 's':
            c.steps = (uint64_t)atoi(optarg);
            break;
        case 'a':
            c.alternating = 1;
            break;
        case 'b':
            c.bath = 1;
            break;
        case 'r':
            tolerance = atof(optarg);
            break;
        case 'm':
            c.max_bond = (size_t)atoi(optarg);
            break;
        case 'w':
            c.way = optarg[0];
            break;
        case 't':
            c.threads = atoi(optarg);
            break;
        case 'x':
            values = optarg;
            break;
        default:
            return 2;
        }
    if (c.n < 2 || c.n > MAX_SITES || c.steps < 1 || c.steps > MAX_STEPS)
        fail("2 to 64 sites, 1 to 200 steps");
    size_t len = 4 * c.n * (c.steps + 1);
    oqt_complex *reference = calloc(len, sizeof *reference), *rho = calloc(len, sizeof *rho);

    if (!reference || !rho)
        fail("out of memory");
    struct outcome o = run(reference, &c, tolerance);

    printf("# %zu sites, %llu steps, %s, dgemm %.1f Gflop/s\n", c.n, (unsigned long long)c.steps,
           c.bath ? "bath on site 0" : "closed", 1e-9 * peak);
    printf(
        "# tolerance error wall cpu bond pt_bond Gflop/s share work/span times faster with 2, 4, 16, 64\n");
    print_row(tolerance, 0.0, &o, peak);
    for (int i = optind; i < argc; i++) {
        o = run(rho, &c, atof(argv[i]));
        print_row(atof(argv[i]), error_of(rho, reference, len), &o, peak);
    }
    if (values)
        print_peer(values, reference + 4 * c.n * c.steps, c.n);
    free(reference);
    free(rho);
    return 0;
}
