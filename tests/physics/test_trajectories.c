/* test_trajectories.c - whole runs against published trajectories and sums over paths.
 *
 * Numbers marked OQuPy were made with OQuPy 0.5.0 at an SVD tolerance of 1e-11 or smaller unless said
 * otherwise; they carry the error of its bath integrals, about 1e-9. */
#include "published.h"

static oqt_pt_options tolerance(double tol)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.tolerance = tol;
    opt.n_threads = 1;
    return opt;
}

START_TEST(spin_boson_matches_published_trajectory)
{
    oqt_complex rho[21 * 4];
    oqt_dynamics_stats stats;

    run_case(rho, NULL, &stats, &case_a, tolerance(1e-8), OQT_SPLIT_SYMMETRIC);
    assert_qubits(rho, published_a, 10, 1e-6);
    /* the value that the reference publishes for t = 1 is good to 1e-5 */
    assert_qubit(rho + 4 * 20, 0.7809559, -0.09456333, 0.16671419, 2e-5);
    ck_assert_double_le(stats.trace_drift, 1e-12);
}
END_TEST

START_TEST(defaults_give_four_digits)
{
    oqt_complex rho[21 * 4];
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    run_case(rho, NULL, NULL, &case_a, opt, OQT_SPLIT_SYMMETRIC);
    assert_qubit(rho + 4 * 10, 0.90569996635508, -0.03887801364129, 0.15150130685477, 1e-4);
}
END_TEST

/* Qutrit, Lindblad terms, all eigenvalues distinct. The reference cut its memory at 10 steps, which the first
 * 10 do not notice. */
START_TEST(qutrit_matches_published_trajectory)
{
    oqt_complex rho[6 * 9];

    run_case(rho, NULL, NULL, &qutrit, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    assert_elements(rho, 3, published_qutrit, N_QUTRIT, 3e-6);
}
END_TEST

START_TEST(coupling_that_is_not_diagonal_matches_published_trajectory)
{
    oqt_complex rho[6 * 4];

    run_case(rho, NULL, NULL, &rotated, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    assert_qubits(rho, published_rotated, 5, 3e-6);
}
END_TEST

START_TEST(degenerate_coupling_matches_published_populations)
{
    oqt_complex rho[21 * 9];

    run_case(rho, NULL, NULL, &degenerate, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    assert_degenerate(rho + 9 * 20);
}
END_TEST

START_TEST(two_baths_in_list_order_match_published_trajectories)
{
    struct test_case c = two_baths;
    oqt_complex rho[4 * 4];

    run_case(rho, NULL, NULL, &c, tolerance(1e-7), OQT_SPLIT_LIST);
    assert_qubits(rho, published_xz, 3, 3e-6);
    c.bath[0] = two_baths.bath[1];
    c.bath[1] = two_baths.bath[0];
    run_case(rho, NULL, NULL, &c, tolerance(1e-7), OQT_SPLIT_LIST);
    assert_qubits(rho, published_zx, 3, 3e-6);
}
END_TEST

/* State at t = 1.6. */
static void run_split(oqt_complex *rho, oqt_split split, size_t n_steps)
{
    struct test_case c = two_baths;
    oqt_complex *all = malloc((n_steps + 1) * 4 * sizeof *all);

    c.dt = 1.6 / (double)n_steps;
    c.n_steps = n_steps;
    run_case(all, NULL, NULL, &c, tolerance(3e-6), split);
    memcpy(rho, all + 4 * n_steps, 4 * sizeof *rho);
    free(all);
}

/* Measured against 128 steps: list order 1.1e-3 and 5.3e-4 at 32 and 64 steps, symmetric 7.8e-4, 1.6e-4. */
START_TEST(symmetric_splitting_is_of_second_order_and_list_order_of_first)
{
    oqt_complex fine[4], rho[4];
    double error[2][2];

    run_split(fine, OQT_SPLIT_SYMMETRIC, 128);
    for (int split = 0; split < 2; split++)
        for (size_t k = 0; k < 2; k++) {
            run_split(rho, split ? OQT_SPLIT_LIST : OQT_SPLIT_SYMMETRIC, (size_t)32 << k);
            error[split][k] = max_diff_complex(rho, fine, 4);
        }
    ck_assert_msg(error[0][0] / error[0][1] > 3.3, "symmetric: %.2e, then %.2e", error[0][0], error[0][1]);
    ck_assert_msg(error[1][0] / error[1][1] < 3.0, "list order: %.2e, then %.2e", error[1][0], error[1][1]);
    ck_assert_double_lt(error[0][1], error[1][1]);
}
END_TEST

/* Any Hamiltonian, dissipators, coupling and state: the sum over all paths is an independent route. */
START_TEST(random_systems_match_sum_over_paths)
{
    uint64_t seed = 20260131;

    for (size_t d = 2; d <= 3; d++) {
        oqt_complex coupling[9], rho[5 * 9], exact[9];
        struct test_case c = {.d = d, .n_dissipators = 2, .rate = {0.37, 0.081}, .n_baths = 1, .dt = 0.137};

        c.n_steps = d == 2 ? 4 : 3;
        random_hermitian(coupling, d, &seed);
        scale_complex(coupling, 0.25, coupling, d * d);
        random_hermitian(c.hamiltonian, d, &seed);
        random_complex(c.lindblad[0], d * d, &seed);
        random_complex(c.lindblad[1], d * d, &seed);
        random_state(c.initial, d, &seed);
        c.bath[0] = (struct test_bath){0.213, 1.0, 3.7, OQT_CUTOFF_EXPONENTIAL, 0.31, coupling};
        run_case(rho, NULL, NULL, &c, tolerance(1e-6), OQT_SPLIT_SYMMETRIC);
        for (size_t n = 1; n <= c.n_steps; n++) {
            brute_force(exact, &c, n);
            ck_assert_double_le(max_diff_complex(rho + n * d * d, exact, d * d), 1e-5);
        }
    }
}
END_TEST

START_TEST(published_sum_over_paths_is_reproduced)
{
    oqt_complex rho[4];

    brute_force(rho, &case_a, 2);
    ck_assert_double_eq_tol(rho[0].re, 0.98765525317623, 1e-9);
    ck_assert_double_eq_tol(rho[1].re, -3.7681737853027e-4, 1e-9);
    ck_assert_double_eq_tol(rho[1].im, 4.7099798067e-2, 1e-9);
}
END_TEST

/* Two baths on one coupling act as one of their summed strength. */
START_TEST(two_halves_make_one_bath)
{
    struct test_case one = case_a, two = case_a;
    oqt_complex rho_one[21 * 4], rho_two[21 * 4];

    two.n_baths = 2;
    two.bath[0].alpha = 0.11;
    two.bath[1] = two.bath[0];
    two.bath[1].alpha = 0.19;
    run_case(rho_one, NULL, NULL, &one, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    run_case(rho_two, NULL, NULL, &two, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(max_diff_complex(rho_one, rho_two, 21 * 4), 3e-6);
}
END_TEST

/* A rotation of everything changes nothing: sigma_y coupling with sigma_z Hamiltonian is sigma_z coupling
 * with sigma_x Hamiltonian, x -> y -> z -> x. */
START_TEST(rotated_problem_has_rotated_solution)
{
    struct test_case c = rotated;
    oqt_complex rho[6 * 4], turned[6 * 4];

    run_case(rho, NULL, NULL, &rotated, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    memcpy(c.hamiltonian, half_x, sizeof half_x);
    c.bath[0].coupling = half_z;
    memcpy(c.initial, (oqt_complex[4]){{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}}, 4 * sizeof(oqt_complex));
    run_case(turned, NULL, NULL, &c, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    for (size_t k = 0; k <= 5; k++) {
        double x = 2 * rho[4 * k + 1].re, y = -2 * rho[4 * k + 1].im, z = rho[4 * k].re - rho[4 * k + 3].re;
        double x2 = 2 * turned[4 * k + 1].re, y2 = -2 * turned[4 * k + 1].im;
        double z2 = turned[4 * k].re - turned[4 * k + 3].re;

        ck_assert_double_eq_tol(y2, x, 1e-6);
        ck_assert_double_eq_tol(z2, y, 1e-6);
        ck_assert_double_eq_tol(x2, z, 1e-6);
    }
}
END_TEST

/* A shifted coupling adds a phase per step that stays outside the tensor; brute force knows nothing of it. */
START_TEST(shifted_coupling_matches_sum_over_paths_and_long_runs)
{
    static const oqt_complex coupling[4] = {{0, 0}, {0, 0}, {0, 0}, {1, 0}};
    struct test_case c = case_a;
    oqt_complex rho[21 * 4], exact[4];

    c.bath[0].coupling = coupling;
    run_case(rho, NULL, NULL, &c, tolerance(1e-7), OQT_SPLIT_SYMMETRIC);
    for (size_t n = 1; n <= 5; n++) {
        brute_force(exact, &c, n);
        ck_assert_double_le(max_diff_complex(rho + n * 4, exact, 4), 2e-6);
    }
}
END_TEST

START_TEST(states_stay_hermitian_with_unit_trace)
{
    oqt_complex rho[21 * 4];

    run_case(rho, NULL, NULL, &case_a, tolerance(1e-3), OQT_SPLIT_SYMMETRIC);
    for (size_t k = 0; k <= 20; k++) {
        ck_assert_double_eq_tol(rho[4 * k].re + rho[4 * k + 3].re, 1.0, 1e-13);
        ck_assert(rho[4 * k + 1].re == rho[4 * k + 2].re && rho[4 * k + 1].im == -rho[4 * k + 2].im);
        ck_assert(rho[4 * k].im == 0.0 && rho[4 * k + 3].im == 0.0);
    }
}
END_TEST

/* In a hot bath coherences die long before the system turns; with paths as slow as the system alone would
 * have them, the error was 7e-4. The reference has other paths and a hundredth of the tolerance. */
START_TEST(paths_in_a_hot_bath_are_as_fast_as_coherences_die)
{
    enum { N = 400 };
    static const struct test_case hot = {.d = 2,
                                         .hamiltonian = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}},
                                         .initial = {{0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}},
                                         .n_baths = 1,
                                         .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 2.0, half_z}},
                                         .dt = 0.05,
                                         .n_steps = N};
    oqt_complex *rho = malloc((N + 1) * 4 * sizeof *rho),
                *reference = malloc((N + 1) * 4 * sizeof *reference);
    oqt_pt_options fine = tolerance(1e-7);
    oqt_pt_info info;

    fine.path_rate = 1.0;
    run_case(rho, &info, NULL, &hot, tolerance(1e-5), OQT_SPLIT_SYMMETRIC);
    run_case(reference, NULL, NULL, &hot, fine, OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(max_diff_complex(rho, reference, (N + 1) * 4), 1.5e-4);
    ck_assert_double_ge(info.path_rate, 1.0);
    ck_assert_double_le(info.path_rate, 2.0 + 1e-9); /* not more than twice the width */
    free(rho);
    free(reference);
}
END_TEST

/* At some tolerances the step map of a tensor of this bath has an eigenvalue of 1 + 1e-3 or so, which the
 * paths of its test are too short to feel. */
static const struct test_case strong = {.d = 2,
                                        .hamiltonian = {{0.05, 0}, {0.005, 0}, {0.005, 0}, {-0.05, 0}},
                                        .initial = {{0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}},
                                        .n_baths = 1,
                                        .bath = {{2.0, 1.0, 3.0, OQT_CUTOFF_EXPONENTIAL, 0.05, half_z}},
                                        .dt = 0.1,
                                        .n_steps = 20000};

/* A run that grows by more than a tenth: one of a few tolerances near the one at which that was seen first.
 */
static double run_growing(oqt_complex *rho, oqt_pt_info *info, oqt_dynamics_stats *stats)
{
    static const double tolerances[] = {6e-7, 5e-7, 7e-7, 4e-7, 8e-7, 3e-7, 1e-6, 2e-7, 1.5e-6, 2e-6};

    for (size_t i = 0; i < sizeof tolerances / sizeof *tolerances; i++) {
        run_case(rho, info, stats, &strong, tolerance(tolerances[i]), OQT_SPLIT_SYMMETRIC);
        if (stats->norm_excess > 0.1)
            return tolerances[i];
    }
    ck_abort_msg("no tensor grows");
    return 0.0;
}

START_TEST(state_that_leaves_the_density_matrices_is_told)
{
    oqt_complex *rho = malloc((strong.n_steps + 1) * 4 * sizeof *rho), usual[21 * 4];
    oqt_dynamics_stats stats;
    oqt_pt_info info;
    double largest = 0.0;

    run_growing(rho, &info, &stats);
    for (size_t k = 0; k <= strong.n_steps; k++) {
        double purity = 0.0;

        for (size_t a = 0; a < 4; a++)
            purity += rho[4 * k + a].re * rho[4 * k + a].re + rho[4 * k + a].im * rho[4 * k + a].im;
        largest = fmax(largest, sqrt(purity) - 1.0);
    }
    ck_assert_double_eq_tol(stats.norm_excess, largest, 1e-12 * largest);
    run_case(usual, NULL, &stats, &case_a, tolerance(1e-6), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(stats.norm_excess, 1e-12);
    free(rho);
}
END_TEST

START_TEST(growth_is_in_the_estimate_and_an_accuracy_avoids_it)
{
    oqt_complex *rho = malloc((strong.n_steps + 1) * 4 * sizeof *rho);
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_dynamics_stats stats;
    oqt_pt_info info;
    double tol = run_growing(rho, &info, &stats);

    ck_assert_double_le(info.path_error, 20 * tol);
    ck_assert_double_ge(info.error_estimate, fmin(stats.norm_excess, 1.0));
    opt.accuracy = tol / 0.03; /* for which that tolerance is tried first */
    run_case(rho, &info, &stats, &strong, opt, OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(info.error_estimate, opt.accuracy);
    ck_assert_double_le(stats.norm_excess, opt.accuracy);
    free(rho);
}
END_TEST

/* The vacuum of the bond is never truncated, so the trace has rounding errors only, which must not add up. */
START_TEST(trace_is_exact_after_a_million_steps_at_any_tolerance)
{
    static const double tolerances[] = {1e-2, 1e-3, 1e-4, 1e-6};
    static const oqt_complex three_levels[9] = {[0] = {1, 0}, [4] = {0.2, 0}};
    static const struct test_case three = {
        .d = 3,
        .hamiltonian = {{1, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0, 0}},
        .initial = {[4] = {1, 0}},
        .n_baths = 1,
        .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.4, three_levels}},
        .dt = 0.05};
    double tol = tolerances[_i / 2];
    const struct test_case *c = _i % 2 == 0 ? &case_a : &three;
    oqt_system *system = test_system(c);
    oqt_bath *bath = test_bath_create(&c->bath[0]);
    oqt_pt_options opt = tolerance(tol);
    oqt_dynamics *dyn = NULL;
    oqt_dynamics_stats stats;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.system = system;
    ASSERT_OK(oqt_pt_create(&pt, bath, c->d, c->bath[0].coupling, c->dt, &opt, &err), err);
    ASSERT_OK(oqt_dynamics_create(&dyn, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system},
                                  c->initial, NULL, &err),
              err);
    ASSERT_OK(oqt_dynamics_step(dyn, 1000000, &err), err);
    oqt_dynamics_get_stats(&stats, dyn);
    ck_assert_msg(stats.trace_drift < 1e-9, "d = %zu, tolerance %g: trace drift %.2e", c->d, tol,
                  stats.trace_drift);
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trajectories");
    TCase *tc = tcase_create("published");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, spin_boson_matches_published_trajectory);
    tcase_add_test(tc, defaults_give_four_digits);
    tcase_add_test(tc, qutrit_matches_published_trajectory);
    tcase_add_test(tc, coupling_that_is_not_diagonal_matches_published_trajectory);
    tcase_add_test(tc, degenerate_coupling_matches_published_populations);
    tcase_add_test(tc, two_baths_in_list_order_match_published_trajectories);
    tcase_add_test(tc, published_sum_over_paths_is_reproduced);
    suite_add_tcase(suite, tc);
    tc = tcase_create("consistency");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, symmetric_splitting_is_of_second_order_and_list_order_of_first);
    tcase_add_test(tc, random_systems_match_sum_over_paths);
    tcase_add_test(tc, two_halves_make_one_bath);
    tcase_add_test(tc, rotated_problem_has_rotated_solution);
    tcase_add_test(tc, shifted_coupling_matches_sum_over_paths_and_long_runs);
    tcase_add_test(tc, states_stay_hermitian_with_unit_trace);
    tcase_add_test(tc, state_that_leaves_the_density_matrices_is_told);
    tcase_add_test(tc, growth_is_in_the_estimate_and_an_accuracy_avoids_it);
    tcase_add_test(tc, paths_in_a_hot_bath_are_as_fast_as_coherences_die);
    tcase_add_loop_test(tc, trace_is_exact_after_a_million_steps_at_any_tolerance, 0, 8);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
