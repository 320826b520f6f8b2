/* physics.c - one open system with its baths, run from bath to trajectory. */
#include "published.h"

const struct test_case case_a = {
    .d = 2,
    .hamiltonian = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}},
    .n_dissipators = 2,
    .rate = {0.1, 0.2},
    .lindblad = {{{0, 0}, {0, 0}, {1, 0}, {0, 0}}, {{1, 0}, {0, 0}, {0, 0}, {-1, 0}}},
    .initial = {{1, 0}},
    .n_baths = 1,
    .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, half_z}},
    .dt = 0.05,
    .n_steps = 20,
};

oqt_system *test_system(const struct test_case *c)
{
    oqt_system *system = NULL;
    oqt_error err;

    ASSERT_OK(oqt_system_create(&system, c->d, c->hamiltonian, &err), err);
    for (size_t i = 0; i < c->n_dissipators; i++)
        ASSERT_OK(oqt_system_add_dissipator(system, c->rate[i], c->lindblad[i], &err), err);
    return system;
}

oqt_bath *test_bath_create(const struct test_bath *b)
{
    oqt_bath *bath = NULL;
    oqt_error err;

    ASSERT_OK(oqt_bath_create_power_law(&bath, b->alpha, b->zeta, b->cutoff, b->form, b->temperature, &err),
              err);
    return bath;
}

void run_case(oqt_complex *rho, oqt_pt_info *infos, oqt_dynamics_stats *stats, const struct test_case *c,
              oqt_pt_options opt, oqt_split split)
{
    oqt_dynamics_options dyn_opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_system *system = test_system(c);
    const oqt_system *systems[1] = {system};
    oqt_pt *pt[MAX_BATHS] = {NULL};
    oqt_dynamics *dyn = NULL;
    oqt_error err;

    opt.system = system;
    opt.n_steps = c->n_steps;
    for (size_t i = 0; i < c->n_baths; i++) {
        oqt_bath *bath = test_bath_create(&c->bath[i]);

        ASSERT_OK(oqt_pt_create(&pt[i], bath, c->d, c->bath[i].coupling, c->dt, &opt, &err), err);
        oqt_bath_destroy(bath);
        if (infos)
            oqt_pt_get_info(&infos[i], pt[i]);
    }
    dyn_opt.split = split;
    dyn_opt.dt = c->dt;
    ASSERT_OK(oqt_dynamics_create(&dyn, c->n_baths, (const oqt_pt *const *)pt, 1, systems, c->initial,
                                  &dyn_opt, &err),
              err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, c->n_steps, &err), err);
    if (stats)
        oqt_dynamics_get_stats(stats, dyn);
    oqt_dynamics_destroy(dyn);
    for (size_t i = 0; i < c->n_baths; i++)
        oqt_pt_destroy(pt[i]);
    oqt_system_destroy(system);
}

/* ---- sum over paths ---- */

/* Plain complex arithmetic on the formulas of the influence functional, sharing no code with the library but
 * eta, the propagator and the eigenvectors. */
void brute_force(oqt_complex *rho, const struct test_case *c, size_t n)
{
    size_t d = c->d, d2 = d * d, n_paths = 1;
    oqt_bath *bath = test_bath_create(&c->bath[0]);
    oqt_system *system = test_system(c);
    oqt_complex half[MAX_D * MAX_D * MAX_D * MAX_D], vectors[MAX_D * MAX_D], eta[8];
    double values[MAX_D];
    double complex enter[MAX_D * MAX_D * MAX_D * MAX_D], leave[MAX_D * MAX_D * MAX_D * MAX_D];
    double complex first[MAX_D * MAX_D], sum[MAX_D * MAX_D] = {0};
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *pt = NULL;
    oqt_error err;

    ck_assert_uint_le(n, 8);
    ASSERT_OK(oqt_bath_eta(eta, bath, c->dt, n, NULL, 0, &err), err);
    ASSERT_OK(oqt_system_propagator(half, system, 0.5 * c->dt, &err), err);
    opt.tolerance = 0.1; /* only its eigenvectors are wanted */
    ASSERT_OK(oqt_pt_create(&pt, bath, d, c->bath[0].coupling, c->dt, &opt, &err), err);
    oqt_pt_eigenbasis(values, vectors, pt);
    oqt_pt_destroy(pt);
    /* leave[(i,j), (p,q)] = (U2 R), enter[(p,q), (k,l)] = (R^+ U1), R = u (x) conj(u) */
    for (size_t a = 0; a < d2; a++)
        for (size_t b = 0; b < d2; b++) {
            leave[a * d2 + b] = enter[b * d2 + a] = 0.0;
            for (size_t e = 0; e < d2; e++) {
                double complex r =
                    to_c99(vectors[e / d * d + b / d]) * conj(to_c99(vectors[e % d * d + b % d]));

                leave[a * d2 + b] += to_c99(half[a * d2 + e]) * r;
                enter[b * d2 + a] += conj(r) * to_c99(half[e * d2 + a]);
            }
        }
    for (size_t a = 0; a < d2; a++) {
        first[a] = 0.0;
        for (size_t b = 0; b < d2; b++)
            first[a] += enter[a * d2 + b] * to_c99(c->initial[b]);
    }
    for (size_t k = 0; k < n; k++)
        n_paths *= d2;
    for (size_t p = 0; p < n_paths; p++) {
        size_t path[8] = {0}, rest = p;
        double complex amplitude, exponent = 0.0;

        for (size_t k = 0; k < n; k++, rest /= d2)
            path[k] = rest % d2;
        amplitude = first[path[0]];
        for (size_t k = 1; k < n; k++) {
            double complex step = 0.0;

            for (size_t e = 0; e < d2; e++)
                step += enter[path[k] * d2 + e] * leave[e * d2 + path[k - 1]];
            amplitude *= step;
        }
        for (size_t k = 0; k < n; k++)
            for (size_t m = 0; m <= k; m++) {
                double om_k = values[path[k] / d] - values[path[k] % d];
                double om_m = values[path[m] / d] - values[path[m] % d];
                double op_m = values[path[m] / d] + values[path[m] % d];

                exponent -= om_k * (eta[k - m].re * om_m + eta[k - m].im * op_m * (double complex)I);
            }
        amplitude *= cexp(exponent);
        for (size_t a = 0; a < d2; a++)
            sum[a] += leave[a * d2 + path[n - 1]] * amplitude;
    }
    for (size_t a = 0; a < d2; a++)
        rho[a] = from_c99(sum[a]);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}

size_t read_reference(oqt_complex *rho, size_t max_rows, size_t d, const char *name)
{
    FILE *file = fopen(name, "r");
    char line[4096];
    size_t rows = 0;

    ck_assert_msg(file != NULL, "cannot open %s", name);
    while (fgets(line, sizeof line, file)) {
        char *at = line, *end;

        if (line[0] == '#')
            continue;
        ck_assert_uint_lt(rows, max_rows);
        strtod(at, &end); /* t */
        for (size_t i = 0; i < d * d; i++) {
            at = end;
            rho[rows * d * d + i].re = strtod(at, &end);
            at = end;
            rho[rows * d * d + i].im = strtod(at, &end);
            ck_assert_msg(end != at, "%s: row %zu is short", name, rows);
        }
        rows++;
    }
    fclose(file);
    return rows;
}
