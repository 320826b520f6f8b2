/* test_tempo_published.c - TEMPO against published trajectories, and against process tensors. Numbers marked
 * OQuPy were made with OQuPy 0.5.0 at an SVD tolerance of 1e-10 or smaller unless said otherwise; they carry
 * the error of its bath integrals, about 1e-9. */
#include "published.h"

static oqt_tempo_options options(double epsrel, size_t memory_steps, double added)
{
    oqt_tempo_options opt = OQT_TEMPO_OPTIONS_INIT;

    opt.epsrel = epsrel;
    opt.memory_steps = memory_steps;
    opt.added_correlation_time = added;
    opt.n_threads = 1;
    return opt;
}

/* rho: (n_steps + 1) x d x d. */
static oqt_tempo_stats run_system(oqt_complex *rho, const struct test_case *c, const oqt_system *system,
                                  oqt_tempo_options opt)
{
    oqt_bath *bath[MAX_BATHS] = {NULL};
    oqt_complex couplings[MAX_BATHS * MAX_D * MAX_D];
    oqt_tempo *tempo = NULL;
    oqt_tempo_stats stats;
    oqt_error err;

    for (size_t e = 0; e < c->n_baths; e++) {
        bath[e] = test_bath_create(&c->bath[e]);
        memcpy(couplings + e * c->d * c->d, c->bath[e].coupling, c->d * c->d * sizeof *couplings);
    }
    ASSERT_OK(oqt_tempo_create(&tempo, c->n_baths, (const oqt_bath *const *)bath, couplings, system,
                               c->initial, c->dt, &opt, &err),
              err);
    ASSERT_OK(oqt_tempo_record(rho, tempo, c->n_steps, &err), err);
    oqt_tempo_get_stats(&stats, tempo);
    oqt_tempo_destroy(tempo);
    for (size_t e = 0; e < c->n_baths; e++)
        oqt_bath_destroy(bath[e]);
    return stats;
}

static oqt_tempo_stats run_tempo(oqt_complex *rho, const struct test_case *c, oqt_tempo_options opt)
{
    oqt_system *system = test_system(c);
    oqt_tempo_stats stats = run_system(rho, c, system, opt);

    oqt_system_destroy(system);
    return stats;
}

START_TEST(full_memory_matches_published_trajectory)
{
    struct test_case c = case_a;
    oqt_complex rho[11 * 4];

    c.n_steps = 10;
    run_tempo(rho, &c, options(1e-13, 0, 0.0));
    assert_qubits(rho, published_a, 10, 1e-9);
}
END_TEST

/* OQuPy's bonds at the same epsrel: 4, 7, 18. Its values at 1e-7 are good to 1e-5. */
START_TEST(bonds_are_at_most_those_of_the_reference)
{
    static const double epsrel[3] = {1e-3, 1e-5, 1e-7};
    static const size_t bond[3] = {4, 7, 18};
    oqt_complex rho[21 * 4], fine[21 * 4];

    run_tempo(fine, &case_a, options(1e-10, 0, 0.0));
    assert_qubit(fine + 80, 0.7809559, -0.09456333, 0.16671419, 1e-5);
    for (size_t i = 0; i < 3; i++) {
        oqt_tempo_stats stats = run_tempo(rho, &case_a, options(epsrel[i], 0, 0.0));

        ck_assert_uint_le(stats.largest_bond, bond[i]);
        /* where it keeps about 10 epsrel or more of error */
        ck_assert_double_le(max_diff_complex(rho, fine, 21 * 4), 10 * epsrel[i]);
    }
}
END_TEST

START_TEST(cutoffs_and_end_corrections_match_published_states)
{
    for (size_t i = 0; i < N_CUTS; i++) {
        struct test_case c = case_a;
        oqt_complex rho[9 * 4];

        c.dt = 0.1;
        c.n_steps = published_cuts[i].steps;
        run_tempo(rho, &c, options(1e-12, published_cuts[i].memory, published_cuts[i].added));
        assert_qubit(rho + 4 * c.n_steps, published_cuts[i].rho00, published_cuts[i].re, published_cuts[i].im,
                     1e-9);
    }
}
END_TEST

START_TEST(qutrit_matches_published_trajectory)
{
    struct test_case c = qutrit;
    oqt_complex rho[21 * 9];

    run_tempo(rho, &c, options(1e-11, 10, 0.0));
    assert_elements(rho, 3, published_qutrit, N_QUTRIT, 1e-9);
    c.n_steps = 20;
    run_tempo(rho, &c, options(1e-7, 10, 0.0));
    assert_elements(rho, 3, published_qutrit_late, N_QUTRIT_LATE, 1e-6);
}
END_TEST

START_TEST(independent_boson_with_cut_memory_matches_published_coherence)
{
    oqt_complex cut[26 * 4], corrected[26 * 4];

    run_tempo(cut, &boson, options(1e-12, 2, 0.0));
    run_tempo(corrected, &boson, options(1e-12, 2, INFINITY));
    for (size_t i = 0; i < N_BOSON; i++) {
        /* 1e-9: quadrature of the reference, 25 times; the closed form is better */
        ck_assert_double_eq_tol(cut[4 * published_boson[i].step + 1].im, published_boson[i].cut, 1e-9);
        ck_assert_double_eq_tol(corrected[4 * published_boson[i].step + 1].im, published_boson[i].corrected,
                                1e-9);
        ck_assert_double_eq_tol(corrected[4 * published_boson[i].step + 1].im, published_boson[i].exact,
                                1e-11);
    }
}
END_TEST

START_TEST(coupling_that_is_not_diagonal_matches_published_trajectory)
{
    struct test_case turned = rotated;
    oqt_complex rho[6 * 4];

    run_tempo(rho, &rotated, options(1e-12, 30, 0.0));
    assert_qubits(rho, published_rotated, 5, 1e-9);
    /* x -> y -> z -> x backwards: H along x, coupling along z, initial y+ */
    memcpy(turned.hamiltonian, half_x, sizeof half_x);
    turned.bath[0].coupling = half_z;
    turned.initial[1] = (oqt_complex){0, -0.5};
    turned.initial[2] = (oqt_complex){0, 0.5};
    run_tempo(rho, &turned, options(1e-12, 30, 0.0));
    for (size_t k = 1; k <= 5; k++) {
        /* <sz> = <sy of before>, <sx> = <sz>, <sy> = <sx> */
        assert_qubit(rho + 4 * k, 0.5 - published_rotated[k - 1][2], published_rotated[k - 1][0] - 0.5,
                     -published_rotated[k - 1][1], 1e-9);
    }
}
END_TEST

START_TEST(degenerate_coupling_matches_published_populations)
{
    oqt_complex rho[21 * 9], pt[21 * 9];
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    run_tempo(rho, &degenerate, options(1e-8, 0, 0.0));
    assert_degenerate(rho + 9 * 20);
    opt.tolerance = 1e-7;
    opt.n_threads = 1;
    run_case(pt, NULL, NULL, &degenerate, opt, OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(max_diff_complex(rho, pt, 21 * 9), 1e-5);
}
END_TEST

/* ---- systems that depend on time, controls ---- */

static int linear(double *value, double t, void *ctx)
{
    *value = *(const double *)ctx * t;
    return 0;
}

START_TEST(growing_generator_matches_published_trajectory)
{
    /* OQuPy at 1e-12 */
    static const struct {
        size_t step;
        double rho00, re, im;
    } expected[] = {{1, 0.9998746199618, 0.0, 0.0006219170691},
                    {2, 0.9994939618716, -0.0000193392406, 0.0024630273130},
                    {5, 0.9966490625546, -0.0011834564022, 0.0144871318608},
                    {10, 0.9842944926219, -0.0113992782130, 0.0493892334734}};
    static const oqt_complex nothing[4] = {{0, 0}};
    double one = 1.0, first = 0.1, second = 0.2;
    struct test_case c = case_a;
    oqt_system *system = NULL;
    oqt_complex rho[11 * 4];
    oqt_error err;

    c.n_steps = 10;
    ASSERT_OK(oqt_system_create(&system, 2, nothing, &err), err);
    ASSERT_OK(oqt_system_add_drive(system, linear, &one, half_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, linear, &first, sigma_minus, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, linear, &second, sigma_z, &err), err);
    for (int how = OQT_PROPAGATE_AVERAGE; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        oqt_tempo_options opt = options(1e-12, 0, 0.0);

        opt.propagation = (oqt_propagation)how; /* both are what the reference has, for a linear generator */
        run_system(rho, &c, system, opt);
        for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
            assert_qubit(rho + 4 * expected[i].step, expected[i].rho00, expected[i].re, expected[i].im, 1e-9);
    }
    oqt_system_destroy(system);
}
END_TEST

static const struct test_case pulsed = {
    .d = 2,
    .hamiltonian = {{0, 0}, {2.5, 0}, {2.5, 0}, {0, 0}},
    .initial = {{1, 0}},
    .n_baths = 1,
    .bath = {{0.1, 1.0, 3.0, OQT_CUTOFF_EXPONENTIAL, 1.0, half_z}},
    .dt = 0.1,
    .n_steps = 5,
};

START_TEST(pulses_match_published_states)
{
    /* OQuPy at 1e-12, without, with a pulse before the record of step 2, after it, both */
    static const struct {
        int before, after;
        size_t step;
        double rho00, re, im;
    } expected[] = {{0, 0, 1, 0.9391201911545, 0.0, 0.2384246525380},
                    {0, 0, 2, 0.7724928134226, -0.0020153559346, 0.4141410402990},
                    {0, 0, 5, 0.1342447721158, -0.0334050483080, 0.2662189958859},
                    {1, 0, 2, 0.2275071865774, -0.0020153559346, -0.4141410402990},
                    {0, 1, 2, 0.7724928134226, -0.0020153559346, 0.4141410402990},
                    {1, 0, 3, 0.4599471243980, 0.0047210793549, -0.4961675244248},
                    {0, 1, 3, 0.4599471243980, 0.0047210793549, -0.4961675244248},
                    {1, 0, 5, 0.8855510830596, 0.0127820111240, -0.2798429332372},
                    {0, 1, 5, 0.8855510830596, 0.0127820111240, -0.2798429332372},
                    {1, 1, 5, 0.1342447721158, -0.0334050483080, 0.2662189958859}};
    oqt_complex flip[16], rho[6 * 4];
    oqt_error err;

    ASSERT_OK(oqt_super_unitary(flip, 2, sigma_x, &err), err);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        oqt_tempo_options opt = options(1e-12, 0, 0.0);
        oqt_control *control = NULL;
        oqt_tempo_stats stats;

        ASSERT_OK(oqt_control_create(&control, 2, &err), err);
        if (expected[i].before)
            ASSERT_OK(oqt_control_add(control, 2, OQT_PRE, flip, &err), err);
        if (expected[i].after)
            ASSERT_OK(oqt_control_add_at(control, 7.2, OQT_POST, flip, &err), err);
        opt.control = control;
        opt.start_time = 7.0;
        stats = run_tempo(rho, &pulsed, opt);
        oqt_control_destroy(control);
        assert_qubit(rho + 4 * expected[i].step, expected[i].rho00, expected[i].re, expected[i].im, 1e-9);
        ck_assert_double_le(stats.trace_drift, 1e-11);
    }
}
END_TEST

/* A operates from the left; A rho = {A, rho} / 2 + i (-i [A, rho] / 2), whose two parts keep matrices
 * Hermitian. At steps 0, in between and at the end. */
START_TEST(controls_from_one_side_are_the_sum_of_two_that_are_hermitian)
{
    static const oqt_complex a[4] = {{0.7, 0}, {0.2, -0.4}, {0.2, 0.4}, {-0.3, 0}};

    for (size_t step = 0; step <= 4; step += 2)
        for (int when = 0; when < 2; when++) {
            oqt_complex super[3][16], rho[3][5 * 4], sum[5 * 4];
            struct test_case c = pulsed;

            c.n_steps = 4;
            oqt_super_left(super[0], 2, a);
            oqt_super_anticommutator(super[1], 2, a);
            oqt_super_commutator(super[2], 2, a);
            for (size_t i = 0; i < 16; i++) {
                super[1][i] = (oqt_complex){0.5 * super[1][i].re, 0.5 * super[1][i].im};
                super[2][i] = (oqt_complex){0.5 * super[2][i].im, -0.5 * super[2][i].re};
            }
            for (size_t k = 0; k < 3; k++) {
                oqt_tempo_options opt = options(1e-12, 0, 0.0);
                oqt_control *control = NULL;
                oqt_tempo_stats stats;
                oqt_error err;

                ASSERT_OK(oqt_control_create(&control, 2, &err), err);
                ASSERT_OK(oqt_control_add(control, step, (oqt_when)when, super[k], &err), err);
                opt.control = control;
                stats = run_tempo(rho[k], &c, opt);
                ck_assert_double_le(stats.trace_drift, 1e-11);
                oqt_control_destroy(control);
            }
            size_t first = step + (size_t)when; /* states before it know nothing of the control */

            for (size_t i = 0; i < 5 * 4; i++) {
                oqt_complex x = rho[1][i], y = rho[2][i];

                sum[i] = i < 4 * first ? x : (oqt_complex){x.re - y.im, x.im + y.re};
            }
            ck_assert_double_le(max_diff_complex(sum, rho[0], 5 * 4), 1e-11);
        }
}
END_TEST

/* ---- two baths ---- */

START_TEST(two_baths_in_list_order_match_published_states)
{
    struct test_case c = two_baths;
    oqt_tempo_options opt = options(1e-12, 0, 0.0);
    oqt_complex rho[4 * 4];

    opt.split = OQT_SPLIT_LIST;
    run_tempo(rho, &c, opt);
    assert_qubits(rho, published_xz, 3, 1e-9);
    c.bath[0] = two_baths.bath[1];
    c.bath[1] = two_baths.bath[0];
    run_tempo(rho, &c, opt);
    assert_qubits(rho, published_zx, 3, 1e-9);
}
END_TEST

START_TEST(two_baths_agree_with_two_process_tensors)
{
    for (int split = 0; split < 2; split++)
        for (size_t memory = 0; memory <= 4; memory += 4) {
            struct test_case c = two_baths;
            oqt_tempo_options opt = options(1e-8, memory, memory > 0 ? 0.25 : 0.0);
            oqt_pt_options pt_opt = OQT_PT_OPTIONS_INIT;
            oqt_complex rho[9 * 4], pt[9 * 4];

            c.n_steps = 8;
            opt.split = (oqt_split)split;
            run_tempo(rho, &c, opt);
            pt_opt.method = OQT_PT_TEMPO;
            pt_opt.tolerance = 1e-6;
            pt_opt.memory_steps = memory;
            pt_opt.added_correlation_time = opt.added_correlation_time;
            pt_opt.n_threads = 1;
            run_case(pt, NULL, NULL, &c, pt_opt, (oqt_split)split);
            ck_assert_double_le(max_diff_complex(rho, pt, 9 * 4), 1e-5);
        }
}
END_TEST

/* Two halves of a bath are one. */
START_TEST(two_baths_on_one_coupling_are_their_sum)
{
    struct test_case c = case_a;
    oqt_complex one[21 * 4], two[21 * 4];
    oqt_tempo_stats stats[2];

    stats[0] = run_tempo(one, &c, options(1e-8, 0, 0.0));
    c.n_baths = 2;
    c.bath[1] = c.bath[0];
    c.bath[0].alpha = 0.1;
    c.bath[1].alpha = 0.2;
    stats[1] = run_tempo(two, &c, options(1e-8, 0, 0.0));
    ck_assert_double_le(max_diff_complex(one, two, 21 * 4), 1e-11);
    ck_assert_uint_eq(stats[0].largest_bond, stats[1].largest_bond);
}
END_TEST

/* ---- long runs ---- */

START_TEST(a_long_run_with_cut_memory_agrees_with_a_process_tensor)
{
    struct test_case c = case_a;
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    static oqt_complex rho[81 * 4], pt[81 * 4];
    oqt_tempo_stats stats;

    c.n_steps = 80;
    stats = run_tempo(rho, &c, options(1e-7, 10, 0.3));
    opt.method = OQT_PT_TEMPO;
    opt.tolerance = 1e-6;
    opt.memory_steps = 10;
    opt.added_correlation_time = 0.3;
    opt.n_threads = 1;
    run_case(pt, NULL, NULL, &c, opt, OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(max_diff_complex(rho, pt, 81 * 4), 1e-5);
    ck_assert_double_le(stats.trace_drift, 1e-6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tempo_published");
    TCase *tc = tcase_create("published");

    tcase_add_test(tc, full_memory_matches_published_trajectory);
    tcase_add_test(tc, bonds_are_at_most_those_of_the_reference);
    tcase_add_test(tc, cutoffs_and_end_corrections_match_published_states);
    tcase_add_test(tc, qutrit_matches_published_trajectory);
    tcase_add_test(tc, independent_boson_with_cut_memory_matches_published_coherence);
    tcase_add_test(tc, coupling_that_is_not_diagonal_matches_published_trajectory);
    tcase_add_test(tc, degenerate_coupling_matches_published_populations);
    suite_add_tcase(suite, tc);
    tc = tcase_create("drive");
    tcase_add_test(tc, growing_generator_matches_published_trajectory);
    tcase_add_test(tc, pulses_match_published_states);
    tcase_add_test(tc, controls_from_one_side_are_the_sum_of_two_that_are_hermitian);
    suite_add_tcase(suite, tc);
    tc = tcase_create("baths");
    tcase_add_test(tc, two_baths_in_list_order_match_published_states);
    tcase_add_test(tc, two_baths_agree_with_two_process_tensors);
    tcase_add_test(tc, two_baths_on_one_coupling_are_their_sum);
    suite_add_tcase(suite, tc);
    tc = tcase_create("long");
    tcase_add_test(tc, a_long_run_with_cut_memory_agrees_with_a_process_tensor);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
