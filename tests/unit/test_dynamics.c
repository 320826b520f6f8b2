/* test_dynamics.c - propagation of batches under process tensors. */
#include "pt/pt_priv.h"
#include "support.h"

enum { D_MAX = 5, N_MAX = D_MAX * D_MAX, STEPS = 17 };

static const double dt = 0.0731;

/* ---- systems, tensors, runs ---- */

static oqt_system *new_system(size_t d, const oqt_complex *h)
{
    oqt_system *system = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    return system;
}

/* Hamiltonian and two Lindblad terms, one of them of negative rate. */
static oqt_system *random_system(size_t d, uint64_t *seed)
{
    oqt_complex h[N_MAX], op[N_MAX];
    oqt_system *system;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    system = new_system(d, h);
    random_complex(op, d * d, seed);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.13, op, &err), err);
    random_complex(op, d * d, seed);
    ASSERT_OK(oqt_system_add_dissipator(system, -0.02, op, &err), err);
    return system;
}

static oqt_pt *make_pt(size_t d, const oqt_complex *coupling, double alpha, double step, size_t n_steps,
                       double tol)
{
    oqt_bath *bath = NULL;
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, alpha, 1.0, 2.385, OQT_CUTOFF_EXPONENTIAL, 0.31, &err), err);
    opt.tolerance = tol;
    if (n_steps > 0)
        opt.method = OQT_PT_DEPHASING;
    opt.n_steps = n_steps;
    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, step, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

static oqt_pt *diagonal_pt(size_t d, const double *o, double alpha, double tol)
{
    oqt_complex coupling[N_MAX] = {{0}};

    for (size_t i = 0; i < d; i++)
        coupling[i * d + i].re = o[i];
    return make_pt(d, coupling, alpha, dt, 0, tol);
}

static oqt_dynamics *new_run(size_t n_pt, oqt_pt *const *pts, size_t n, oqt_system *const *systems,
                             const oqt_complex *initial, const oqt_dynamics_options *opt)
{
    oqt_dynamics_options defaults = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn = NULL;
    oqt_error err = {0};

    defaults.dt = dt;
    ASSERT_OK(oqt_dynamics_create(&dyn, n_pt, (const oqt_pt *const *)pts, n,
                                  (const oqt_system *const *)systems, initial, opt ? opt : &defaults, &err),
              err);
    return dyn;
}

/* States of all columns at the end of n steps. */
static void run_steps(oqt_complex *rho, size_t n_pt, oqt_pt *const *pts, size_t n, oqt_system *const *systems,
                      const oqt_complex *initial, const oqt_dynamics_options *opt, uint64_t steps)
{
    oqt_dynamics *dyn = new_run(n_pt, pts, n, systems, initial, opt);
    size_t d = oqt_system_dimension(systems[0]);
    oqt_error err = {0};

    ASSERT_OK(oqt_dynamics_step(dyn, steps, &err), err);
    for (size_t i = 0; i < n; i++)
        oqt_dynamics_state(rho + i * d * d, dyn, i);
    oqt_dynamics_destroy(dyn);
}

static oqt_dynamics_stats stats_of(const oqt_dynamics *dyn)
{
    oqt_dynamics_stats stats;

    oqt_dynamics_get_stats(&stats, dyn);
    return stats;
}

/* out = m v for a complex n x n matrix. */
static void apply(double complex *out, const oqt_complex *m, const double complex *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < n; j++)
            out[i] += to_c99(m[i * n + j]) * v[j];
    }
}

/* ---- without process tensors ---- */

/* Twice STEPS matrix products on norms of about one: 1e-13. */
START_TEST(without_tensors_it_is_the_propagator)
{
    uint64_t seed = 1;

    for (size_t d = 1; d <= D_MAX; d++) {
        oqt_system *system = random_system(d, &seed);
        oqt_complex rho0[N_MAX], rho[N_MAX], propagator[N_MAX * N_MAX];
        double complex x[N_MAX], y[N_MAX];
        oqt_dynamics *dyn;
        oqt_error err = {0};

        random_state(rho0, d, &seed);
        ASSERT_OK(oqt_system_propagator(propagator, system, dt, &err), err);
        for (size_t i = 0; i < d * d; i++)
            x[i] = to_c99(rho0[i]);
        dyn = new_run(0, NULL, 1, &system, rho0, NULL);
        ck_assert_uint_eq(stats_of(dyn).bond_dimension, 1);
        for (size_t n = 0; n < STEPS; n++) {
            ASSERT_OK(oqt_dynamics_step(dyn, 1, &err), err);
            oqt_dynamics_state(rho, dyn, 0);
            apply(y, propagator, x, d * d);
            memcpy(x, y, sizeof x);
            for (size_t i = 0; i < d * d; i++)
                ck_assert_double_le(cabs(to_c99(rho[i]) - x[i]), 1e-13);
        }
        ck_assert_double_le(stats_of(dyn).trace_drift, 1e-13);
        oqt_dynamics_destroy(dyn);
        oqt_system_destroy(system);
    }
}
END_TEST

/* ---- with process tensors, against the definition ---- */

enum { BOND_MAX = 400, SMALL = 3, PERIOD_MAX = 4 };

/* rho -> u^+ rho u, or back. */
static void rotate(double complex *rho, const oqt_complex *u, size_t d, bool back)
{
    double complex out[N_MAX] = {0};

    for (size_t i = 0; i < d * d; i++)
        for (size_t k = 0; k < d * d; k++) {
            double complex left = to_c99(back ? u[i / d * d + k / d] : u[k / d * d + i / d]);
            double complex right = to_c99(back ? u[i % d * d + k % d] : u[k % d * d + i % d]);

            out[i] += (back ? left * conj(right) : conj(left) * right) * rho[k];
        }
    memcpy(rho, out, sizeof out);
}

/* One tensor on its bond: x[before][chi][after][d^2], with the public functions only. */
static void apply_tensor(double complex (*x)[N_MAX], const oqt_pt *pt, uint64_t step, size_t before,
                         size_t after)
{
    static oqt_complex legs[SMALL * SMALL][BOND_MAX];
    static double complex out[BOND_MAX][N_MAX];
    oqt_pt_info info;
    oqt_complex factors[N_MAX], u[N_MAX];
    oqt_error err = {0};

    oqt_pt_get_info(&info, pt);
    size_t d = info.dimension, chi = info.bond_dimension;

    ck_assert(d <= SMALL && chi * chi <= BOND_MAX && before * chi * after <= BOND_MAX);
    oqt_pt_eigenbasis(NULL, u, pt);
    ASSERT_OK(oqt_pt_leg_factors(factors, pt, step, &err), err);
    for (size_t a = 0; a < d * d; a++)
        ASSERT_OK(oqt_pt_leg(legs[a], pt, 0, a, &err), err);
    memset(out, 0, sizeof out);
    for (size_t i = 0; i < before * chi * after; i++)
        rotate(x[i], u, d, false);
    for (size_t p = 0; p < before; p++)
        for (size_t k = 0; k < chi; k++)
            for (size_t l = 0; l < chi; l++)
                for (size_t q = 0; q < after; q++)
                    for (size_t a = 0; a < d * d; a++)
                        out[(p * chi + l) * after + q][a] += to_c99(legs[a][k * chi + l]) *
                                                             to_c99(factors[a]) *
                                                             x[(p * chi + k) * after + q][a];
    memcpy(x, out, before * chi * after * sizeof *x);
    for (size_t i = 0; i < before * chi * after; i++)
        rotate(x[i], u, d, true);
}

/* rho after `steps` steps, straight from the definition; the systems take turns. */
static void by_definition(oqt_complex *rho, size_t n_pt, oqt_pt *const *pts, size_t n_period,
                          oqt_system *const *systems, const oqt_complex *initial, oqt_split split,
                          size_t steps)
{
    static double complex x[BOND_MAX][N_MAX];
    size_t d = oqt_system_dimension(systems[0]), bonds = 1;
    static oqt_complex half[PERIOD_MAX][N_MAX * N_MAX];
    oqt_error err = {0};
    oqt_pt_info info[3];

    ck_assert_uint_le(n_period, PERIOD_MAX);
    for (size_t k = 0; k < n_period; k++)
        ASSERT_OK(oqt_system_propagator(half[k], systems[k], 0.5 * dt, &err), err);
    for (size_t e = 0; e < n_pt; e++) {
        oqt_pt_get_info(&info[e], pts[e]);
        bonds *= info[e].bond_dimension;
    }
    memset(x, 0, sizeof x);
    for (size_t a = 0; a < d * d; a++)
        x[0][a] = to_c99(initial[a]);
    for (size_t n = 0; n < steps; n++)
        for (size_t part = 0; part < n_pt + 2; part++) {
            if (part == 0 || part == n_pt + 1) {
                for (size_t b = 0; b < bonds; b++) {
                    double complex y[N_MAX];

                    apply(y, half[n % n_period], x[b], d * d);
                    memcpy(x[b], y, d * d * sizeof *y);
                }
                continue;
            }
            size_t e = split == OQT_SPLIT_SYMMETRIC && n % 2 == 1 ? n_pt - part : part - 1;
            size_t before = 1, after = 1;

            for (size_t f = 0; f < e; f++)
                before *= info[f].bond_dimension;
            for (size_t f = e + 1; f < n_pt; f++)
                after *= info[f].bond_dimension;
            apply_tensor(x, pts[e], n, before, after);
        }
    for (size_t a = 0; a < d * d; a++)
        rho[a] = from_c99(x[0][a]);
}

static const oqt_complex tilted[4] = {{0.9, 0}, {0.2, -0.3}, {0.2, 0.3}, {-0.4, 0}};
static const oqt_complex occupation[4] = {{0, 0}, {0, 0}, {0, 0}, {1, 0}};

START_TEST(a_step_is_half_system_tensors_half_system)
{
    uint64_t seed = 2;
    oqt_complex half_z[4];
    oqt_system *system = random_system(2, &seed);
    oqt_complex rho0[4], rho[4], expected[4];

    scale_complex(half_z, 0.5, sigma_z, 4);

    oqt_pt *pts[3] = {make_pt(2, tilted, 0.0137, dt, 0, 1e-2), make_pt(2, half_z, 0.1, dt, 0, 1e-3),
                      make_pt(2, occupation, 0.05, dt, 0, 1e-2)};

    random_complex(rho0, 4, &seed);
    for (size_t n_pt = 1; n_pt <= 3; n_pt++)
        for (int split = 0; split < 2; split++)
            for (size_t steps = 1; steps <= 8; steps++) {
                oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

                opt.split = split ? OQT_SPLIT_LIST : OQT_SPLIT_SYMMETRIC;
                run_steps(rho, n_pt, pts, 1, &system, rho0, &opt, steps);
                by_definition(expected, n_pt, pts, 1, &system, rho0, opt.split, steps);
                ck_assert_msg(max_diff_complex(rho, expected, 4) <= 1e-13,
                              "%zu tensors, split %d, %zu steps: %.2e", n_pt, split, steps,
                              max_diff_complex(rho, expected, 4));
            }
    for (size_t e = 0; e < 3; e++)
        oqt_pt_destroy(pts[e]);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(a_step_of_three_levels_in_a_rotated_basis)
{
    uint64_t seed = 3;
    oqt_complex coupling[9], rho0[9], rho[9], expected[9];
    oqt_system *system = random_system(3, &seed);

    random_hermitian(coupling, 3, &seed);
    scale_complex(coupling, 0.3, coupling, 9);

    oqt_pt *pt = make_pt(3, coupling, 0.05, dt, 0, 1e-3);

    random_state(rho0, 3, &seed);
    run_steps(rho, 1, &pt, 1, &system, rho0, NULL, 9);
    by_definition(expected, 1, &pt, 1, &system, rho0, OQT_SPLIT_SYMMETRIC, 9);
    ck_assert_double_le(max_diff_complex(rho, expected, 9), 1e-13);
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(splittings_differ_where_couplings_do_not_commute)
{
    uint64_t seed = 4;
    oqt_system *system = random_system(2, &seed);
    oqt_pt *pts[2] = {make_pt(2, sigma_x, 0.0137, dt, 0, 1e-2), make_pt(2, sigma_z, 0.0137, dt, 0, 1e-2)};
    oqt_complex rho0[4], a[4], b[4];
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

    random_state(rho0, 2, &seed);
    run_steps(a, 2, pts, 1, &system, rho0, &opt, 2);
    opt.split = OQT_SPLIT_LIST;
    run_steps(b, 2, pts, 1, &system, rho0, &opt, 2);
    ck_assert_double_gt(max_diff_complex(a, b, 4), 1e-8);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(a_tensor_of_no_coupling_changes_nothing)
{
    uint64_t seed = 5;
    oqt_complex coupling[9], rho0[9], a[9], b[9];
    oqt_system *system = random_system(3, &seed);

    random_hermitian(coupling, 3, &seed);

    oqt_pt *pt = make_pt(3, coupling, 0.0, dt, 0, 1e-6);

    random_state(rho0, 3, &seed);
    run_steps(a, 1, &pt, 1, &system, rho0, NULL, STEPS);
    run_steps(b, 0, NULL, 1, &system, rho0, NULL, STEPS);
    ck_assert_double_le(max_diff_complex(a, b, 9), 1e-13); /* rotations there and back */
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(commuting_couplings_may_come_in_any_order)
{
    static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    uint64_t seed = 6;
    oqt_system *system = random_system(3, &seed);
    oqt_pt *pts[3] = {diagonal_pt(3, (double[3]){0.5, -0.5, 0.13}, 0.05, 1e-2),
                      diagonal_pt(3, (double[3]){0.0, 0.3, 1.0}, 0.03, 1e-2),
                      diagonal_pt(3, (double[3]){0.2, 0.2, -0.7}, 0.1, 1e-2)};
    oqt_complex rho0[9], first[9], rho[9];
    size_t bonds = 1;

    random_state(rho0, 3, &seed);
    for (size_t e = 0; e < 3; e++) {
        oqt_pt_info info;

        oqt_pt_get_info(&info, pts[e]);
        ck_assert_uint_gt(info.bond_dimension, 1);
        bonds *= info.bond_dimension;
    }
    for (size_t i = 0; i < 6; i++) {
        oqt_pt *list[3] = {pts[orders[i][0]], pts[orders[i][1]], pts[orders[i][2]]};
        oqt_dynamics *dyn = new_run(3, list, 1, &system, rho0, NULL);
        oqt_error err = {0};

        ck_assert_uint_eq(stats_of(dyn).bond_dimension, bonds);
        ASSERT_OK(oqt_dynamics_step(dyn, STEPS, &err), err);
        oqt_dynamics_state(i == 0 ? first : rho, dyn, 0);
        if (i > 0)
            ck_assert_double_le(max_diff_complex(first, rho, 9), 1e-13);
        oqt_dynamics_destroy(dyn);
    }
    for (size_t e = 0; e < 3; e++)
        oqt_pt_destroy(pts[e]);
    oqt_system_destroy(system);
}
END_TEST

/* ---- bonds that change from step to step ---- */

/* g: chi x n, its first columns 1 (+) random, more of them random; h: n x chi with g h = 1. Both keep e_0. */
static void random_gauge(double *g, double *h, size_t chi, size_t n, uint64_t *seed)
{
    double *t = calloc(chi * chi, sizeof *t), *inverse = calloc(chi * chi, sizeof *inverse);
    oqt_error err = {0};

    for (size_t i = 0; i < chi * chi; i++) {
        bool inside = i / chi > 0 && i % chi > 0;

        t[i] = (i / chi == i % chi) + (inside ? 0.3 * random_normal(seed) / sqrt((double)chi) : 0.0);
        inverse[i] = i / chi == i % chi;
    }
    ASSERT_OK(oqt__solve(inverse, t, chi, chi, &err), err);
    for (size_t i = 0; i < chi; i++)
        for (size_t j = 0; j < n; j++) {
            g[i * n + j] = j < chi ? t[i * chi + j] : random_normal(seed);
            h[j * chi + i] = j < chi ? inverse[j * chi + i] : 0.0;
        }
    free(t), free(inverse);
}

/* The first n steps of a uniform tensor with other states, and more of them, on each bond, and one at the
 * ends: the same influence. */
static oqt_pt *with_changing_bonds(const oqt_pt *uniform, const oqt_complex *coupling, size_t n,
                                   uint64_t *seed)
{
    size_t chi = uniform->chi, most = chi + 4, *bond = calloc(n + 1, sizeof *bond), size = chi * most;
    double *g = calloc(2 * size, sizeof *g), *h = calloc(2 * size, sizeof *h), *fg = calloc(size, sizeof *fg);
    oqt_error err = {0};
    oqt_pt *pt = NULL;

    ASSERT_OK(oqt__pt_alloc(&pt, uniform->d, coupling, uniform->dt, &err), err);
    pt->info.n_steps = n;
    pt->info.bond_dimension = most;
    for (size_t k = 0; k <= n; k++)
        bond[k] = k == 0 || k == n ? 1 : chi + k * k % 5;
    ASSERT_OK(oqt__pt_set_bonds(pt, bond, &err), err);
    for (size_t k = 0; k < n; k++) {
        size_t left = bond[k], right = bond[k + 1], n_left = k == 0 ? 1 : left;
        double *g_right = g + (k + 1) % 2 * size, *h_right = h + (k + 1) % 2 * size;
        double first[1 + BOND_MAX] = {1.0}, *h_left = k == 0 ? first : h + k % 2 * size;

        if (k + 1 < n) {
            random_gauge(g_right, h_right, chi, right, seed);
        } else {
            memset(g_right, 0, size * sizeof *g_right);
            g_right[0] = 1.0;
        }
        for (size_t m = 0; m < 2 * pt->legs.n_class; m++) {
            double *f = pt->f + pt->offset[k] + m * left * right;

            oqt__gemm(false, false, chi, right, chi, 1.0, uniform->f + m * chi * chi, chi, g_right, right,
                      0.0, fg, right);
            oqt__gemm(false, false, n_left, right, chi, 1.0, h_left, chi, fg, right, 0.0, f, right);
        }
    }
    free(bond), free(g), free(h), free(fg);
    return pt;
}

/* One system (vectors), a batch (blocks of columns), alone and before and after another tensor, by steps of
 * different length. The gauges amplify rounding a little. */
START_TEST(bonds_may_change_from_step_to_step)
{
    enum { COLUMNS = 11 };
    static const double o[3] = {0.5, -0.5, 0.0};
    uint64_t seed = 41;
    oqt_complex coupling[9] = {{0.5, 0}, {0, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
    oqt_pt *uniform = diagonal_pt(3, o, 0.1, 1e-3),
           *other = diagonal_pt(3, (double[3]){0.2, 0.3, -0.4}, 0.05, 1e-2);
    oqt_pt *changing = with_changing_bonds(uniform, coupling, STEPS, &seed);
    oqt_system *systems[COLUMNS];
    oqt_complex initial[COLUMNS * 9], rho[COLUMNS * 9], expected[COLUMNS * 9];

    for (size_t i = 0; i < COLUMNS; i++) {
        systems[i] = random_system(3, &seed);
        random_state(initial + 9 * i, 3, &seed);
    }
    ck_assert_uint_gt(uniform->chi, 3);
    for (size_t n = 1; n <= COLUMNS; n += COLUMNS - 1)
        for (size_t k = 0; k < 3; k++) {
            oqt_pt *a[2] = {k == 2 ? other : uniform, k == 2 ? uniform : other};
            oqt_pt *b[2] = {k == 2 ? other : changing, k == 2 ? changing : other};
            size_t n_pt = k == 0 ? 1 : 2;
            oqt_error err = {0};

            run_steps(expected, n_pt, a, n, systems, initial, NULL, STEPS);

            oqt_dynamics *dyn = new_run(n_pt, b, n, systems, initial, NULL);

            for (uint64_t steps = 1; stats_of(dyn).n_steps < STEPS; steps += 4)
                ASSERT_OK(oqt_dynamics_step(
                              dyn,
                              steps < STEPS - stats_of(dyn).n_steps ? steps : STEPS - stats_of(dyn).n_steps,
                              &err),
                          err);
            for (size_t i = 0; i < n; i++)
                oqt_dynamics_state(rho + 9 * i, dyn, i);
            ck_assert_double_le(stats_of(dyn).trace_drift, 1e-12);
            oqt_dynamics_destroy(dyn);
            ck_assert_msg(max_diff_complex(rho, expected, 9 * n) <= 1e-12, "%zu columns, list %zu: %.2e", n,
                          k, max_diff_complex(rho, expected, 9 * n));
        }
    for (size_t i = 0; i < COLUMNS; i++)
        oqt_system_destroy(systems[i]);
    oqt_pt_destroy(uniform);
    oqt_pt_destroy(other);
    oqt_pt_destroy(changing);
}
END_TEST

/* ---- batches ---- */

/* A batch takes other shapes of GEMM than single runs, which may round in another order: 1e-13. */
START_TEST(columns_of_a_batch_are_single_runs)
{
    enum { COLUMNS = 9 };
    uint64_t seed = 7;

    for (size_t d = 2; d <= 3; d++)
        for (int same = 0; same < 2; same++) {
            size_t d2 = d * d;
            oqt_complex coupling[9], initial[COLUMNS * 9], rho[COLUMNS * 9], single[9];
            oqt_system *systems[COLUMNS], *distinct[3];
            oqt_pt *pts[2];

            for (size_t s = 0; s < 3; s++)
                distinct[s] = random_system(d, &seed);
            for (size_t e = 0; e < 2; e++) {
                random_hermitian(coupling, d, &seed);
                scale_complex(coupling, 0.3, coupling, d2);
                pts[e] = make_pt(d, coupling, 0.05, dt, 0, 1e-2);
            }
            for (size_t i = 0; i < COLUMNS; i++) {
                systems[i] = distinct[same ? 1 : (2 * i) % 3];
                if (i % 4 == 1)
                    random_complex(initial + i * d2, d2, &seed);
                else
                    random_state(initial + i * d2, d, &seed);
            }
            run_steps(rho, 2, pts, COLUMNS, systems, initial, NULL, STEPS);
            for (size_t i = 0; i < COLUMNS; i++) {
                run_steps(single, 2, pts, 1, &systems[i], initial + i * d2, NULL, STEPS);
                ck_assert_msg(max_diff_complex(single, rho + i * d2, d2) <= 1e-13, "column %zu of %zu: %.2e",
                              i, d, max_diff_complex(single, rho + i * d2, d2));
            }
            for (size_t s = 0; s < 3; s++)
                oqt_system_destroy(distinct[s]);
            oqt_pt_destroy(pts[0]);
            oqt_pt_destroy(pts[1]);
        }
}
END_TEST

START_TEST(propagation_is_linear)
{
    uint64_t seed = 8;
    oqt_pt *pt = make_pt(2, tilted, 0.0137, dt, 0, 1e-3);
    oqt_system *systems[5], *system = random_system(2, &seed);
    oqt_complex initial[20] = {{0}}, rho[20];
    double complex c[4];

    for (size_t i = 0; i < 5; i++)
        systems[i] = system;
    /* |i><j| in turn, and a random matrix that is the sum of c_ij |i><j| */
    for (size_t i = 0; i < 4; i++)
        initial[i * 4 + i].re = 1.0;
    random_complex(initial + 16, 4, &seed);
    for (size_t i = 0; i < 4; i++)
        c[i] = to_c99(initial[16 + i]);
    run_steps(rho, 1, &pt, 5, systems, initial, NULL, STEPS);
    for (size_t a = 0; a < 4; a++) {
        double complex sum = 0.0;

        for (size_t i = 0; i < 4; i++)
            sum += c[i] * to_c99(rho[i * 4 + a]);
        ck_assert_double_le(cabs(sum - to_c99(rho[16 + a])), 1e-13);
        /* the image of |1><0| is the conjugate transpose of that of |0><1| */
        ck_assert_double_le(cabs(to_c99(rho[4 + a]) - conj(to_c99(rho[8 + a % 2 * 2 + a / 2]))), 1e-13);
    }
    oqt_system_destroy(system);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(the_input_may_be_destroyed_after_the_start)
{
    uint64_t seed = 9;
    oqt_pt *pt = make_pt(2, tilted, 0.0137, dt, 0, 1e-2);
    oqt_system *system = random_system(2, &seed);
    oqt_complex rho0[4], rho[4], expected[4];
    oqt_error err = {0};

    random_state(rho0, 2, &seed);
    run_steps(expected, 1, &pt, 1, &system, rho0, NULL, STEPS);

    oqt_dynamics *dyn = new_run(1, &pt, 1, &system, rho0, NULL);

    oqt_system_destroy(system);
    memset(rho0, 0xff, sizeof rho0);
    ASSERT_OK(oqt_dynamics_step(dyn, STEPS, &err), err);
    oqt_dynamics_state(rho, dyn, 0);
    ck_assert_int_eq(memcmp(rho, expected, sizeof rho), 0);
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- records and figures ---- */

START_TEST(a_record_is_what_single_steps_give)
{
    uint64_t seed = 10;
    oqt_pt *pt = make_pt(2, occupation, 0.1, dt, 0, 1e-3);
    oqt_system *systems[2] = {random_system(2, &seed), random_system(2, &seed)};
    oqt_complex initial[8], rho[(STEPS + 1) * 8], one[8];
    oqt_error err = {0};
    oqt_pt_info info;

    random_state(initial, 2, &seed);
    random_complex(initial + 4, 4, &seed);
    oqt_pt_get_info(&info, pt);

    oqt_dynamics *a = new_run(1, &pt, 2, systems, initial, NULL);
    oqt_dynamics *b = new_run(1, &pt, 2, systems, initial, NULL);
    double drift = 0.0;

    /* two records, the second of them begins where the first ended */
    ASSERT_OK(oqt_dynamics_record(rho, a, 5, &err), err);
    ASSERT_OK(oqt_dynamics_record(rho + 5 * 8, a, STEPS - 5, &err), err);
    ck_assert_double_le(max_diff_complex(rho, initial, 8), 1e-15);
    for (size_t n = 0; n <= STEPS; n++) {
        oqt_dynamics_stats stats = stats_of(b);

        for (size_t i = 0; i < 2; i++)
            oqt_dynamics_state(one + 4 * i, b, i);
        ck_assert_int_eq(memcmp(one, rho + 8 * n, sizeof one), 0);
        ck_assert_uint_eq(stats.n_steps, n);
        ck_assert_uint_eq(stats.bond_dimension, info.bond_dimension);
        /* the drift is that of real columns; a matrix that is not Hermitian has two */
        drift = fmax(drift, fabs(one[0].re + one[3].re - initial[0].re - initial[3].re));
        ck_assert_double_ge(stats.trace_drift, 0.5 * drift);
        ck_assert_double_le(stats.trace_drift, 1e-13);
        ASSERT_OK(oqt_dynamics_step(b, 1, &err), err);
    }
    ck_assert_uint_eq(stats_of(a).n_steps, STEPS);
    oqt_dynamics_destroy(a);
    oqt_dynamics_destroy(b);
    oqt_system_destroy(systems[0]);
    oqt_system_destroy(systems[1]);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(no_steps_are_no_change)
{
    uint64_t seed = 11;
    oqt_pt *pt = make_pt(2, occupation, 0.1, dt, 0, 1e-2);
    oqt_system *system = random_system(2, &seed);
    oqt_complex rho0[4], before[4], after[4];
    oqt_error err = {0};

    random_state(rho0, 2, &seed);

    oqt_dynamics *dyn = new_run(1, &pt, 1, &system, rho0, NULL);

    ASSERT_OK(oqt_dynamics_step(dyn, 0, &err), err);
    ck_assert_uint_eq(stats_of(dyn).n_steps, 0);
    oqt_dynamics_state(before, dyn, 0);
    ck_assert_double_le(max_diff_complex(before, rho0, 4), 1e-16);
    ASSERT_OK(oqt_dynamics_record(after, dyn, 0, &err), err);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    ASSERT_OK(oqt_dynamics_step(dyn, 3, &err), err);
    oqt_dynamics_state(before, dyn, 0);
    ASSERT_OK(oqt_dynamics_step(dyn, 0, &err), err);
    oqt_dynamics_state(after, dyn, 0);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    ck_assert_uint_eq(stats_of(dyn).n_steps, 3);
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- closed forms ---- */

/* rho_01(t) = rho_01(0) exp(-i e t - om (om Re eta + i op Im eta)). */
START_TEST(closed_form_gives_the_exact_coherence)
{
    oqt_complex h[4] = {{0.7, 0}, {0, 0}, {0, 0}, {-0.1, 0}};
    oqt_complex rho0[4] = {{0.6, 0}, {0.3, 0.1}, {0.3, -0.1}, {0.4, 0}}, rho[(STEPS + 1) * 4];
    oqt_system *system = new_system(2, h);
    oqt_pt *pt = make_pt(2, occupation, 0.1, dt, STEPS, 1e-6);
    oqt_bath *bath = NULL;
    oqt_error err = {0};
    oqt_dynamics *dyn = new_run(1, &pt, 1, &system, rho0, NULL);

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.1, 1.0, 2.385, OQT_CUTOFF_EXPONENTIAL, 0.31, &err), err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, STEPS, &err), err);
    for (size_t n = 0; n <= STEPS; n++) {
        double t = (double)n * dt;
        oqt_complex eta;
        double complex exact;

        ASSERT_OK(oqt_bath_eta_function(&eta, bath, 1, &t, 0, &err), err);
        exact = to_c99(rho0[1]) * cexp(-(double complex)I * 0.8 * t + (double complex)I * eta.im - eta.re);
        ck_assert_double_le(cabs(to_c99(rho[4 * n + 1]) - exact), 1e-14);
        ck_assert_double_eq_tol(rho[4 * n].re, 0.6, 1e-14);
    }
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
}
END_TEST

static void check_refused(size_t n_pt, oqt_pt *const *pts, size_t n, oqt_system *const *systems,
                          const oqt_complex *initial, const oqt_dynamics_options *opt, const char *text)
{
    oqt_dynamics *mark = (oqt_dynamics *)&n_pt, *out = mark;
    oqt_error err = {0};
    oqt_status st = oqt_dynamics_create(&out, n_pt, (const oqt_pt *const *)pts, n,
                                        (const oqt_system *const *)systems, initial, opt, &err);

    ck_assert_msg(st == OQT_EINVAL, "\"%s\" expected, status %d", text, (int)st);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" expected, got \"%s\"", text, err.text);
    ck_assert(out == mark);
}

START_TEST(closed_forms_are_for_commuting_systems_only)
{
    uint64_t seed = 12;
    oqt_complex along[4] = {{0.7, 0}, {0, 0}, {0, 0}, {-0.1, 0}}, three[9] = {{0.4, 0}}, initial[16];
    oqt_system *good = new_system(2, along), *bad = new_system(2, sigma_x);
    oqt_pt *closed = make_pt(2, occupation, 0.1, dt, STEPS, 1e-6), *list[2];
    oqt_pt *across = make_pt(2, sigma_x, 0.1, dt, 0, 1e-2), *with = make_pt(2, sigma_z, 0.1, dt, 0, 1e-2);
    oqt_pt *larger = make_pt(3, three, 0.1, dt, 0, 1e-2);

    for (size_t i = 0; i < 4; i++)
        random_state(initial + 4 * i, 2, &seed);
    check_refused(1, &closed, 1, &bad, initial, NULL, "system 0 does not commute");
    check_refused(1, &closed, 2, (oqt_system *[2]){good, bad}, initial, NULL, "system 1 does not commute");
    /* the column is named, not the distinct system */
    check_refused(1, &closed, 4, (oqt_system *[4]){good, good, good, bad}, initial, NULL,
                  "system 3 does not commute");
    /* a coupling of another dimension is never compared */
    check_refused(2, (oqt_pt *[2]){closed, larger}, 1, &good, initial, NULL,
                  "process tensor 1 has dimension 3");
    for (size_t i = 0; i < 2; i++) {
        list[i] = closed;
        list[1 - i] = across;
        check_refused(2, list, 1, &good, initial, NULL,
                      i ? "the coupling of process tensor 0" : "the coupling of process tensor 1");
    }
    list[0] = closed;
    list[1] = with;
    oqt_dynamics_destroy(new_run(2, list, 1, &good, initial, NULL));
    oqt_pt_destroy(closed);
    oqt_pt_destroy(across);
    oqt_pt_destroy(with);
    oqt_pt_destroy(larger);
    oqt_system_destroy(good);
    oqt_system_destroy(bad);
}
END_TEST

START_TEST(steps_beyond_a_closed_form_leave_the_run)
{
    uint64_t seed = 13;
    oqt_complex along[4] = {{0.7, 0}, {0, 0}, {0, 0}, {-0.1, 0}}, initial[4], before[4], after[4];
    oqt_complex rho[(STEPS + 2) * 4], mark[(STEPS + 2) * 4];
    oqt_system *system = new_system(2, along);
    oqt_pt *pt = make_pt(2, occupation, 0.1, dt, STEPS, 1e-6);
    oqt_error err = {0};

    random_state(initial, 2, &seed);
    memset(rho, 0x5a, sizeof rho);
    memcpy(mark, rho, sizeof rho);

    oqt_dynamics *dyn = new_run(1, &pt, 1, &system, initial, NULL);

    ck_assert_int_eq(oqt_dynamics_step(dyn, STEPS + 1, &err), OQT_EINVAL);
    ck_assert(strstr(err.text, "covers 17 steps; 0 were taken and 18 more"));
    ck_assert_uint_eq(stats_of(dyn).n_steps, 0);
    ASSERT_OK(oqt_dynamics_step(dyn, 5, &err), err);
    oqt_dynamics_state(before, dyn, 0);
    ck_assert_int_eq(oqt_dynamics_step(dyn, STEPS - 4, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_dynamics_step(dyn, UINT64_MAX, NULL), OQT_EINVAL);
    ck_assert_int_eq(oqt_dynamics_record(rho, dyn, STEPS + 1, &err), OQT_EINVAL);
    ck_assert_int_eq(memcmp(rho, mark, sizeof rho), 0);
    oqt_dynamics_state(after, dyn, 0);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    ck_assert_uint_eq(stats_of(dyn).n_steps, 5);
    ASSERT_OK(oqt_dynamics_step(dyn, STEPS - 5, &err), err); /* the rest is allowed */
    ck_assert_int_eq(oqt_dynamics_step(dyn, 1, &err), OQT_EINVAL);
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- failures ---- */

START_TEST(bad_arguments_are_named)
{
    uint64_t seed = 14;
    oqt_system *two = random_system(2, &seed), *three = random_system(3, &seed);
    oqt_complex initial[18], bad[18];
    oqt_pt *pt = make_pt(2, occupation, 0.0137, dt, 0, 1e-2);
    oqt_pt *slower = make_pt(2, occupation, 0.0137, 2.0 * dt, 0, 1e-2);
    oqt_pt *larger = diagonal_pt(3, (double[3]){0.1, 0.2, 0.5}, 0.0137, 1e-2);
    static const double times[] = {0.0, -0.1, NAN, INFINITY};
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

    random_complex(initial, 18, &seed);
    check_refused(1, &pt, 0, &two, initial, NULL, "at least one system");
    check_refused(1, &pt, 1, NULL, initial, NULL, "at least one system");
    check_refused(1, &pt, 1, &two, NULL, NULL, "at least one system");
    check_refused(1, NULL, 1, &two, initial, NULL, "at least one system");
    check_refused(0, NULL, 1, &two, initial, NULL, "time step must be positive");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        opt.dt = times[i];
        check_refused(0, NULL, 1, &two, initial, &opt, "time step must be positive");
        if (i > 0)
            check_refused(1, &pt, 1, &two, initial, &opt, "time step must be positive");
    }
    opt.dt = nextafter(dt, 1.0);
    check_refused(1, &pt, 1, &two, initial, &opt, "differs from that of the process tensors");
    opt.dt = dt;
    opt.struct_size = 8;
    check_refused(1, &pt, 1, &two, initial, &opt, "options of 8 bytes");
    opt.struct_size = sizeof opt + 8;
    check_refused(1, &pt, 1, &two, initial, &opt, "later version");
    check_refused(1, &pt, 2, (oqt_system *[2]){two, three}, initial, NULL,
                  "system 1 has dimension 3, the first 2");
    check_refused(1, &pt, 1, &three, initial, NULL, "process tensor 0 has dimension 2, the system 3");
    check_refused(2, (oqt_pt *[2]){pt, larger}, 1, &two, initial, NULL, "process tensor 1 has dimension 3");
    check_refused(2, (oqt_pt *[2]){pt, slower}, 1, &two, initial, NULL, "process tensor 1 has time step");
    for (size_t i = 0; i < 8; i++) {
        memcpy(bad, initial, sizeof bad);
        *(i % 2 ? &bad[i].im : &bad[i].re) = i % 3 ? NAN : -INFINITY;
        check_refused(1, &pt, 2, (oqt_system *[2]){two, two}, bad, NULL,
                      i < 4 ? "initial state 0 has an element" : "initial state 1 has an element");
    }
    oqt_pt_destroy(pt);
    oqt_pt_destroy(slower);
    oqt_pt_destroy(larger);
    oqt_system_destroy(two);
    oqt_system_destroy(three);
    oqt_dynamics_destroy(NULL);
}
END_TEST

static int stop_in_time(const char *phase, double fraction, void *ctx)
{
    size_t *left = ctx;

    ck_assert_str_eq(phase, "dynamics");
    ck_assert(fraction >= 0.0 && fraction <= 1.0);
    return *left > 0 ? --*left == 0 : 0;
}

START_TEST(a_canceled_run_can_go_on)
{
    enum { LONG = 500 };
    uint64_t seed = 15;
    oqt_pt *pts[2] = {make_pt(2, tilted, 0.0137, dt, 0, 1e-2), make_pt(2, sigma_y, 0.0137, dt, 0, 1e-2)};
    oqt_system *system = random_system(2, &seed);
    oqt_complex rho0[4], whole[(LONG + 1) * 4], rho[(LONG + 1) * 4];
    oqt_error err = {0};
    size_t before = 0, n_canceled = 0;

    random_state(rho0, 2, &seed);

    oqt_dynamics *dyn = new_run(2, pts, 1, &system, rho0, NULL);

    ASSERT_OK(oqt_dynamics_record(whole, dyn, LONG, &err), err);
    oqt_dynamics_destroy(dyn);
    for (;; n_canceled++) {
        size_t left = n_canceled + 1, done;
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_status st;

        opt.progress = (oqt_progress){stop_in_time, &left};
        dyn = new_run(2, pts, 1, &system, rho0, &opt);
        st = oqt_dynamics_record(rho, dyn, LONG, &err);
        done = stats_of(dyn).n_steps;
        /* the first call comes before any step, later ones after more steps */
        ck_assert(n_canceled == 0 ? done == 0 : done > before);
        ck_assert_int_eq(st, done < LONG ? OQT_ECANCELED : OQT_OK);
        ck_assert_int_eq(memcmp(rho, whole, (done + 1) * 4 * sizeof *rho), 0);
        ASSERT_OK(oqt_dynamics_record(rho + done * 4, dyn, LONG - done, &err), err);
        ck_assert_int_eq(memcmp(rho, whole, sizeof rho), 0);
        oqt_dynamics_destroy(dyn);
        if (st == OQT_OK)
            break;
        before = done;
    }
    ck_assert_uint_ge(n_canceled, 2);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_system_destroy(system);
}
END_TEST

struct batch {
    size_t n_pt;
    oqt_pt *pts[3];
    oqt_system *systems[2];
    oqt_complex initial[8];
};

static oqt_status run_batch(void *ctx)
{
    const struct batch *b = ctx;
    oqt_dynamics *mark = (oqt_dynamics *)&b, *out = mark;
    oqt_status st = oqt_dynamics_create(&out, b->n_pt, (const oqt_pt *const *)b->pts, 2,
                                        (const oqt_system *const *)b->systems, b->initial, NULL, NULL);

    if (st != OQT_OK) {
        ck_assert(out == mark);
        return st;
    }
    st = oqt_dynamics_step(out, 3, NULL);
    oqt_dynamics_destroy(out);
    return st;
}

/* ---- stationary states ---- */

static oqt_status steady(oqt_complex *rho, size_t n_pt, oqt_pt *const *pts, size_t n_period,
                         oqt_system *const *systems, const oqt_steady_options *opt, oqt_error *err)
{
    return oqt_steady_state(rho, NULL, n_pt, (const oqt_pt *const *)pts, n_period,
                            (const oqt_system *const *)systems, opt, err);
}

static oqt_system *two_levels(double bias, double tunneling)
{
    oqt_complex h[4] = {{0.5 * bias, 0}, {0.5 * tunneling, 0}, {0.5 * tunneling, 0}, {-0.5 * bias, 0}};

    return new_system(2, h);
}

/* Hamiltonian and one Lindblad term, of positive rate. */
static oqt_system *damped_system(size_t d, uint64_t *seed)
{
    oqt_complex h[N_MAX], op[N_MAX];
    oqt_system *system;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    system = new_system(d, h);
    random_complex(op, d * d, seed);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.2, op, &err), err);
    return system;
}

/* L rho = 0 and tr rho = 1, by elimination. */
static void null_vector(double complex *rho, const oqt_system *system)
{
    static oqt_complex l[N_MAX * N_MAX];
    static double complex a[N_MAX][N_MAX + 1];
    size_t d = oqt_system_dimension(system), n = d * d;

    oqt_system_liouvillian(l, system);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            a[i][j] = i == 0 ? (j % (d + 1) == 0) : to_c99(l[i * n + j]);
        a[i][n] = i == 0;
    }
    for (size_t k = 0; k < n; k++) {
        size_t pivot = k;

        for (size_t i = k; i < n; i++)
            pivot = cabs(a[i][k]) > cabs(a[pivot][k]) ? i : pivot;
        for (size_t j = 0; j <= n; j++) {
            double complex swap = a[k][j];

            a[k][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        for (size_t i = 0; i < n; i++) {
            double complex factor = i == k ? 0.0 : a[i][k] / a[k][k];

            for (size_t j = k; j <= n; j++)
                a[i][j] -= factor * a[k][j];
        }
    }
    for (size_t k = 0; k < n; k++)
        rho[k] = a[k][n] / a[k][k];
}

START_TEST(without_baths_the_steady_state_solves_the_master_equation)
{
    uint64_t seed = 31;

    for (size_t d = 1; d <= D_MAX; d++)
        for (int with_tensor = 0; with_tensor < 2; with_tensor++) {
            oqt_system *system = damped_system(d, &seed);
            oqt_complex rho[N_MAX], coupling[N_MAX];
            double complex expected[N_MAX];
            oqt_steady_options opt = OQT_STEADY_OPTIONS_INIT;
            oqt_error err = {0};

            random_hermitian(coupling, d, &seed);

            oqt_pt *pt = make_pt(d, coupling, 0.0, dt, 0, 1e-6);

            opt.dt = dt;
            opt.tolerance = 1e-12;
            ASSERT_OK(steady(rho, (size_t)with_tensor, &pt, 1, &system, &opt, &err), err);
            null_vector(expected, system);
            for (size_t i = 0; i < d * d; i++)
                ck_assert_double_le(cabs(to_c99(rho[i]) - expected[i]), 1e-12);
            oqt_pt_destroy(pt);
            oqt_system_destroy(system);
        }
}
END_TEST

/* Against so many steps from a random state; the slow ones need a million. */
START_TEST(the_steady_state_is_where_long_runs_end)
{
    static const struct {
        double alpha, bias, tunneling;
        const oqt_complex *coupling;
        uint64_t n_steps;
    } cases[] = {{0.1, 0.4, 1.0, sigma_z, 4000},
                 {0.1, 0.4, 1.0, tilted, 400000}, /* leg factors, whose limit is slow to come */
                 {0.2, 0.3, 1.0, occupation, 400000},
                 {0.05, 0.1, 0.02, sigma_z, 1000000}};
    uint64_t seed = 32;

    for (size_t k = 0; k < 4; k++) {
        oqt_system *system = two_levels(cases[k].bias, cases[k].tunneling);
        oqt_pt *pt = make_pt(2, cases[k].coupling, cases[k].alpha, dt, 0, 1e-5);
        oqt_complex rho[4], start[4], end[4];
        oqt_steady_stats stats;
        oqt_error err = {0};

        random_state(start, 2, &seed);
        ASSERT_OK(oqt_steady_state(rho, &stats, 1, (const oqt_pt *const[]){pt}, 1,
                                   (const oqt_system *const[]){system}, NULL, &err),
                  err);
        run_steps(end, 1, &pt, 1, &system, start, NULL, cases[k].n_steps);
        ck_assert_msg(max_diff_complex(rho, end, 4) <= 1e-8, "case %zu: %.2e", k,
                      max_diff_complex(rho, end, 4));
        ck_assert_double_eq_tol(rho[0].re + rho[3].re, 1.0, 1e-13);
        ck_assert(stats.residual <= 1e-12 && stats.error <= 1e-9);
        ck_assert(stats.n_steps > 0 && stats.n_steps < 20000);
        oqt_pt_destroy(pt);
        oqt_system_destroy(system);
    }
}
END_TEST

/* A weak bath brings a system to its Gibbs state, up to terms of first order in alpha: here within alpha. */
START_TEST(a_weak_bath_gives_the_gibbs_state)
{
    static const double temperature = 0.31, alphas[] = {1e-3, 1e-5};
    double bias = 0.3, tunneling = 0.4, e = hypot(bias, tunneling), p = tanh(0.5 * e / temperature) / e;

    for (size_t k = 0; k < 2; k++) {
        oqt_system *system = two_levels(bias, tunneling);
        oqt_pt *pt = make_pt(2, sigma_z, alphas[k], dt, 0, 1e-9);
        oqt_complex rho[4];
        oqt_error err = {0};

        ASSERT_OK(steady(rho, 1, &pt, 1, &system, NULL, &err), err);
        ck_assert_double_eq_tol(rho[0].re - rho[3].re, -p * bias, 10.0 * alphas[k] + 1e-4);
        ck_assert_double_eq_tol(2.0 * rho[1].re, -p * tunneling, 10.0 * alphas[k] + 1e-4);
        oqt_pt_destroy(pt);
        oqt_system_destroy(system);
    }
}
END_TEST

/* All phases, for one and two tensors, both orders, and periods odd and even: with alternating order an odd
 * period takes two rounds. Against the definition; the random systems relax within 720 steps. */
START_TEST(a_periodic_drive_has_a_periodic_state)
{
    uint64_t seed = 33;
    oqt_pt *pts[2] = {make_pt(2, sigma_z, 0.05, dt, 0, 1e-2), make_pt(2, sigma_y, 0.02, dt, 0, 1e-2)};
    oqt_system *systems[PERIOD_MAX];

    for (size_t k = 0; k < PERIOD_MAX; k++)
        systems[k] = damped_system(2, &seed);
    for (size_t n_pt = 1; n_pt <= 2; n_pt++)
        for (int split = 0; split < (n_pt == 2 ? 2 : 1); split++)
            for (size_t n_period = 1; n_period <= PERIOD_MAX; n_period++) {
                oqt_complex rho[PERIOD_MAX * 4], start[4], expected[4];
                oqt_steady_options opt = OQT_STEADY_OPTIONS_INIT;
                oqt_error err = {0};

                opt.split = split ? OQT_SPLIT_LIST : OQT_SPLIT_SYMMETRIC;
                opt.tolerance = 1e-11;
                ASSERT_OK(steady(rho, n_pt, pts, n_period, systems, &opt, &err), err);
                random_state(start, 2, &seed);
                for (size_t k = 0; k<n_period; k += n_period> 1 ? n_period - 1 : 1) {
                    by_definition(expected, n_pt, pts, n_period, systems, start, opt.split, 720 + k);
                    ck_assert_msg(max_diff_complex(rho + 4 * k, expected, 4) <= 1e-9,
                                  "%zu tensors, split %d, phase %zu of %zu: %.2e", n_pt, split, k, n_period,
                                  max_diff_complex(rho + 4 * k, expected, 4));
                }
            }
    for (size_t k = 0; k < PERIOD_MAX; k++)
        oqt_system_destroy(systems[k]);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
}
END_TEST

START_TEST(the_steady_state_does_not_depend_on_the_number_of_threads)
{
    uint64_t seed = 34;
    static const double o[3] = {0.5, -0.5, 0.13};
    oqt_pt *pts[2] = {diagonal_pt(3, o, 0.1, 1e-4), diagonal_pt(3, o, 0.02, 1e-2)};
    oqt_system *system = damped_system(3, &seed);
    oqt_complex rho[2][9];
    oqt_error err = {0};

    for (int i = 0; i < 2; i++) {
        oqt_steady_options opt = OQT_STEADY_OPTIONS_INIT;

        opt.n_threads = i + 1;
        ASSERT_OK(steady(rho[i], 2, pts, 1, &system, &opt, &err), err);
    }
    ck_assert_int_eq(memcmp(rho[0], rho[1], sizeof *rho), 0);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_system_destroy(system);
}
END_TEST

static void check_no_steady_state(size_t n_pt, oqt_pt *const *pts, size_t n_period,
                                  oqt_system *const *systems, const oqt_steady_options *opt,
                                  oqt_status expected, const char *text)
{
    oqt_complex rho[N_MAX] = {{7.0, 8.0}};
    oqt_steady_stats stats = {.n_steps = 99};
    oqt_error err = {0};
    oqt_status st = oqt_steady_state(rho, &stats, n_pt, (const oqt_pt *const *)pts, n_period,
                                     (const oqt_system *const *)systems, opt, &err);

    ck_assert_msg(st == expected, "\"%s\" expected, status %d: %s", text, (int)st, err.text);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" expected, got \"%s\"", text, err.text);
    ck_assert(rho[0].re == 7.0 && rho[0].im == 8.0 && stats.n_steps == 99);
}

START_TEST(conserved_quantities_are_reported)
{
    oqt_complex h3[9] = {{0.2, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {-0.2, 0}, {0, 0}, {0, 0}, {0, 0}, {0.1, 0}};
    oqt_system *along = two_levels(0.7, 0.0), *across = two_levels(0.3, 0.8), *apart = new_system(3, h3);
    oqt_pt *pt = make_pt(2, sigma_z, 0.1, dt, 0, 1e-5);
    oqt_pt *level = diagonal_pt(3, (double[3]){0.5, -0.5, 0.0}, 0.1, 1e-4);
    oqt_steady_options opt = OQT_STEADY_OPTIONS_INIT;
    oqt_error err = {0};
    oqt_complex rho[4];

    opt.dt = dt;
    /* populations, energy, and the weight of a level that nothing leads to */
    check_no_steady_state(1, &pt, 1, &along, &opt, OQT_ECONV, "not unique");
    check_no_steady_state(0, NULL, 1, &across, &opt, OQT_ECONV, "not unique");
    check_no_steady_state(1, &level, 1, &apart, &opt, OQT_ECONV, "not unique");
    ASSERT_OK(steady(rho, 1, &pt, 1, &across, &opt, &err), err);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(level);
    oqt_system_destroy(along);
    oqt_system_destroy(across);
    oqt_system_destroy(apart);
}
END_TEST

static int stop_steady(const char *phase, double fraction, void *ctx)
{
    size_t *left = ctx;

    ck_assert_str_eq(phase, "steady state");
    ck_assert(fraction >= 0.0 && fraction <= 1.0);
    return --*left == 0;
}

START_TEST(steady_states_that_cannot_be_are_refused)
{
    oqt_complex along[4] = {{0.7, 0}, {0, 0}, {0, 0}, {-0.1, 0}};
    oqt_system *system = two_levels(0.3, 0.8), *commuting = new_system(2, along), *list[2] = {system, NULL};
    oqt_pt *pt = make_pt(2, sigma_z, 0.1, dt, 0, 1e-3),
           *closed = make_pt(2, occupation, 0.1, dt, STEPS, 1e-6);
    oqt_pt *larger = diagonal_pt(3, (double[3]){0.1, 0.2, 0.5}, 0.0137, 1e-2);
    oqt_steady_options opt = OQT_STEADY_OPTIONS_INIT;
    size_t left = 2;

    check_no_steady_state(1, &pt, 0, &system, NULL, OQT_EINVAL, "at least one system");
    check_no_steady_state(1, &pt, 1, NULL, NULL, OQT_EINVAL, "at least one system");
    check_no_steady_state(1, NULL, 1, &system, NULL, OQT_EINVAL, "at least one system");
    check_no_steady_state(1, &pt, 2, list, NULL, OQT_EINVAL, "system 1 is missing");
    check_no_steady_state(0, NULL, 1, &system, NULL, OQT_EINVAL, "time step must be positive");
    check_no_steady_state(1, &closed, 1, &commuting, NULL, OQT_EINVAL, "covers 17 steps");
    check_no_steady_state(1, &larger, 1, &system, NULL, OQT_EINVAL, "process tensor 0 has dimension 3");
    opt.struct_size = 8;
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_EINVAL, "options of 8 bytes");
    opt = (oqt_steady_options)OQT_STEADY_OPTIONS_INIT;
    opt.tolerance = 0.0;
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_EINVAL, "tolerance");
    opt.tolerance = 1e-300;
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_ECONV, "error about");
    opt.tolerance = 1e-9;
    opt.max_steps = 0;
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_EINVAL, "limit of steps");
    opt.max_steps = 20;
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_ECONV, "residual");
    opt = (oqt_steady_options)OQT_STEADY_OPTIONS_INIT;
    opt.progress = (oqt_progress){stop_steady, &left};
    check_no_steady_state(1, &pt, 1, &system, &opt, OQT_ECANCELED, "");
    oqt_pt_destroy(pt);
    oqt_pt_destroy(closed);
    oqt_pt_destroy(larger);
    oqt_system_destroy(system);
    oqt_system_destroy(commuting);
}
END_TEST

static oqt_status run_steady(void *ctx)
{
    const struct batch *b = ctx;
    oqt_complex rho[8];

    return steady(rho, b->n_pt, b->pts, 2, b->systems, NULL, NULL);
}

START_TEST(every_allocation_may_fail)
{
    uint64_t seed = 16;
    oqt_complex along[4] = {{0.7, 0}, {0, 0}, {0, 0}, {-0.1, 0}};
    struct batch uniform = {.n_pt = 2}, closed = {.n_pt = 1};

    uniform.pts[0] = make_pt(2, tilted, 0.0137, dt, 0, 1e-2);
    uniform.pts[1] = make_pt(2, occupation, 0.0137, dt, 0, 1e-2);
    uniform.systems[0] = random_system(2, &seed);
    uniform.systems[1] = random_system(2, &seed);
    closed.pts[0] = make_pt(2, occupation, 0.0137, dt, 3, 1e-2);
    closed.systems[0] = closed.systems[1] = new_system(2, along);
    random_complex(uniform.initial, 8, &seed);
    memcpy(closed.initial, uniform.initial, sizeof closed.initial);
    ck_assert_uint_ge(check_every_allocation(run_batch, &uniform), 15);
    ck_assert_uint_ge(check_every_allocation(run_batch, &closed), 15);
    ck_assert_uint_ge(check_every_allocation(run_steady, &uniform), 15);
    oqt_pt_destroy(uniform.pts[0]);
    oqt_pt_destroy(uniform.pts[1]);
    oqt_pt_destroy(closed.pts[0]);
    oqt_system_destroy(uniform.systems[0]);
    oqt_system_destroy(uniform.systems[1]);
    oqt_system_destroy(closed.systems[0]);
}
END_TEST

/* Blocks of one system and of several, matrices that are Hermitian or not, in an order that parts all of
 * them; the same for any number of threads, and each column as if it were alone. */
START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    enum { COLUMNS = 150, DISTINCT = 12 };
    static const double o[3] = {0.5, -0.5, 0.13};
    static oqt_complex initial[COLUMNS * 9], rho[3][COLUMNS * 9];
    uint64_t seed = 17;
    oqt_system *systems[COLUMNS], *distinct[DISTINCT];
    oqt_pt *pts[2] = {diagonal_pt(3, o, 0.1, 1e-4), diagonal_pt(3, o, 0.02, 1e-2)};
    oqt_complex single[9];

    for (size_t s = 0; s < DISTINCT; s++)
        distinct[s] = random_system(3, &seed);
    for (size_t i = 0; i < COLUMNS; i++) { /* half of the columns have the first system */
        systems[i] = distinct[i % 2 ? i * i % DISTINCT : 0];
        if (i % 5 == 3)
            random_complex(initial + 9 * i, 9, &seed);
        else
            random_state(initial + 9 * i, 3, &seed);
    }
    for (int i = 0; i < 3; i++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

        opt.n_threads = i + 1;
        run_steps(rho[i], 2, pts, COLUMNS, systems, initial, &opt, STEPS);
        ck_assert_int_eq(memcmp(rho[0], rho[i], sizeof *rho), 0);
    }
    for (size_t i = 0; i < COLUMNS; i += 7) {
        run_steps(single, 2, pts, 1, &systems[i], initial + 9 * i, NULL, STEPS);
        ck_assert_double_le(max_diff_complex(single, rho[0] + 9 * i, 9), 1e-13);
    }
    for (size_t i = 0; i < 2; i++)
        oqt_pt_destroy(pts[i]);
    for (size_t s = 0; s < DISTINCT; s++)
        oqt_system_destroy(distinct[s]);
}
END_TEST

/* A large tensor of random numbers: no influence of any bath, but as good for linear algebra. */
static oqt_pt *random_pt(const oqt_complex *coupling, size_t chi, uint64_t *seed)
{
    oqt_error err = {0};
    oqt_pt *pt = NULL;

    ASSERT_OK(oqt__pt_alloc(&pt, 2, coupling, dt, &err), err);
    pt->chi = pt->info.bond_dimension = chi;
    pt->info.method = OQT_PT_UNIFORM;
    pt->f = oqt__doubles(pt->legs.n_class * 2 * chi * chi);
    for (size_t c = 0; c < pt->legs.n_class; c++)
        for (size_t i = 0; i < (pt->legs.om[c] > 0.0 ? 2 : 1) * chi * chi; i++)
            pt->f[2 * c * chi * chi + i] = random_normal(seed) / sqrt((double)chi);
    return pt;
}

/* Few columns of a large tensor are threads' work by pieces of the bond, many by columns: the same numbers.
 * Classes with both signs of the eigenvalue difference, and one of four legs. */
START_TEST(large_bonds_are_shared_among_threads)
{
    enum { CHI = 331, COLUMNS = 9, N = 3 };
    static const double levels[3][2] = {{0.7, -0.2}, {-0.4, 0.5}, {0.3, 0.3}};
    uint64_t seed = 18;
    oqt_system *systems[COLUMNS], *system = random_system(2, &seed);
    oqt_complex initial[COLUMNS * 4], one[4], rho[COLUMNS * 4];

    random_state(initial, 2, &seed);
    for (size_t i = 0; i < COLUMNS; i++) {
        systems[i] = system;
        for (size_t k = 0; k < 4; k++)
            initial[4 * i + k] = initial[k];
    }
    for (size_t k = 0; k < 3; k++) {
        oqt_complex coupling[4] = {{levels[k][0], 0}, {0, 0}, {0, 0}, {levels[k][1], 0}};
        oqt_pt *pt = random_pt(coupling, CHI, &seed);

        for (int i = 0; i < 2; i++) {
            oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
            oqt_complex again[4];

            opt.n_threads = i + 1;
            run_steps(i == 0 ? one : again, 1, &pt, 1, &system, initial, &opt, N);
            if (i > 0)
                ck_assert_int_eq(memcmp(one, again, sizeof one), 0);
        }
        run_steps(rho, 1, &pt, COLUMNS, systems, initial, NULL, N);
        for (size_t i = 0; i < COLUMNS; i++)
            ck_assert_double_le(max_diff_complex(one, rho + 4 * i, 4), 1e-13);
        oqt_pt_destroy(pt);
    }
    oqt_system_destroy(system);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dynamics");
    TCase *tc = tcase_create("steps");

    tcase_add_test(tc, without_tensors_it_is_the_propagator);
    tcase_add_test(tc, a_step_is_half_system_tensors_half_system);
    tcase_add_test(tc, a_step_of_three_levels_in_a_rotated_basis);
    tcase_add_test(tc, splittings_differ_where_couplings_do_not_commute);
    tcase_add_test(tc, a_tensor_of_no_coupling_changes_nothing);
    tcase_add_test(tc, commuting_couplings_may_come_in_any_order);
    tcase_add_test(tc, bonds_may_change_from_step_to_step);
    suite_add_tcase(suite, tc);

    tc = tcase_create("batches");
    tcase_add_test(tc, columns_of_a_batch_are_single_runs);
    tcase_add_test(tc, propagation_is_linear);
    tcase_add_test(tc, the_input_may_be_destroyed_after_the_start);
    tcase_add_test(tc, results_do_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, large_bonds_are_shared_among_threads);
    suite_add_tcase(suite, tc);

    tc = tcase_create("records");
    tcase_add_test(tc, a_record_is_what_single_steps_give);
    tcase_add_test(tc, no_steps_are_no_change);
    suite_add_tcase(suite, tc);

    tc = tcase_create("closed forms");
    tcase_add_test(tc, closed_form_gives_the_exact_coherence);
    tcase_add_test(tc, closed_forms_are_for_commuting_systems_only);
    tcase_add_test(tc, steps_beyond_a_closed_form_leave_the_run);
    suite_add_tcase(suite, tc);

    tc = tcase_create("stationary states");
    tcase_add_test(tc, without_baths_the_steady_state_solves_the_master_equation);
    tcase_add_test(tc, the_steady_state_is_where_long_runs_end);
    tcase_add_test(tc, a_weak_bath_gives_the_gibbs_state);
    tcase_add_test(tc, a_periodic_drive_has_a_periodic_state);
    tcase_add_test(tc, the_steady_state_does_not_depend_on_the_number_of_threads);
    tcase_add_test(tc, conserved_quantities_are_reported);
    tcase_add_test(tc, steady_states_that_cannot_be_are_refused);
    suite_add_tcase(suite, tc);

    tc = tcase_create("failures");
    tcase_add_test(tc, bad_arguments_are_named);
    tcase_add_test(tc, a_canceled_run_can_go_on);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
