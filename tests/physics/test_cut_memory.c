/* test_cut_memory.c - whole runs with finite process tensors, most of them with a memory that ends, against
 * published trajectories. Numbers marked OQuPy were made with OQuPy 0.5.0 at an SVD tolerance of 1e-10 or
 * smaller unless said otherwise; they carry the error of its bath integrals, about 1e-9. */
#include "published.h"

static oqt_pt_options finite_options(double tolerance, size_t memory_steps, double added)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.method = OQT_PT_TEMPO;
    opt.tolerance = tolerance;
    opt.memory_steps = memory_steps;
    opt.added_correlation_time = added;
    opt.n_threads = 1;
    return opt;
}

START_TEST(cutoffs_and_end_corrections_match_published_states)
{
    for (size_t i = 0; i + 1 < N_CUTS; i++) {
        struct test_case c = case_a;
        oqt_complex rho[9 * 4];
        oqt_dynamics_stats stats;

        c.dt = 0.1;
        c.n_steps = published_cuts[i].steps;
        run_case(rho, NULL, &stats, &c,
                 finite_options(1e-11, published_cuts[i].memory, published_cuts[i].added),
                 OQT_SPLIT_SYMMETRIC);
        assert_qubit(rho + 4 * c.n_steps, published_cuts[i].rho00, published_cuts[i].re, published_cuts[i].im,
                     3e-9);
        ck_assert_double_le(stats.trace_drift, 1e-13);
    }
}
END_TEST

START_TEST(full_memory_matches_published_trajectory)
{
    oqt_complex rho[21 * 4];

    run_case(rho, NULL, NULL, &case_a, finite_options(1e-8, 0, 0.0), OQT_SPLIT_SYMMETRIC);
    assert_qubits(rho, published_a, 10, 3e-7);
    /* good to 1e-5 */
    assert_qubit(rho + 4 * 20, 0.7809559, -0.09456333, 0.16671419, 1e-5);
}
END_TEST

/* The uniform tensor is another method altogether. */
START_TEST(finite_and_uniform_tensors_agree)
{
    oqt_complex rho[2][61 * 4];
    struct test_case c = case_a;
    oqt_pt_options uniform = OQT_PT_OPTIONS_INIT;

    c.n_steps = 60;
    uniform.tolerance = 1e-8;
    run_case(rho[0], NULL, NULL, &c, finite_options(1e-6, 0, 0.0), OQT_SPLIT_SYMMETRIC);
    run_case(rho[1], NULL, NULL, &c, uniform, OQT_SPLIT_SYMMETRIC);
    ck_assert_double_le(max_diff_complex(rho[0], rho[1], 61 * 4), 1e-5);
}
END_TEST

START_TEST(qutrit_with_cut_memory_matches_published_state)
{
    struct test_case c = qutrit;
    oqt_complex rho[21 * 9];

    c.n_steps = 20;
    run_case(rho, NULL, NULL, &c, finite_options(1e-7, 10, 0.0), OQT_SPLIT_SYMMETRIC);
    assert_elements(rho, 3, published_qutrit_late, N_QUTRIT_LATE, 3e-6);
}
END_TEST

/* Cut memory makes an unphysical tail, the end correction repairs it: both columns, and the closed form. */
START_TEST(independent_boson_with_cut_memory_matches_published_coherence)
{
    oqt_complex cut[26 * 4], corrected[26 * 4];
    oqt_pt_info info;

    run_case(cut, &info, NULL, &boson, finite_options(1e-11, 2, 0.0), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_gt(info.cutoff_error, 0.01); /* and the report says so */
    run_case(corrected, &info, NULL, &boson, finite_options(1e-11, 2, INFINITY), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_lt(info.cutoff_error, 1e-9);
    for (size_t i = 0; i < N_BOSON; i++) {
        /* 1e-8: the tolerance times its usual factor; the reference carries 1e-10 of its quadrature */
        ck_assert_double_eq_tol(cut[4 * published_boson[i].step + 1].im, published_boson[i].cut, 1e-8);
        ck_assert_double_eq_tol(corrected[4 * published_boson[i].step + 1].im, published_boson[i].corrected,
                                1e-8);
        ck_assert_double_eq_tol(corrected[4 * published_boson[i].step + 1].im, published_boson[i].exact,
                                1e-8);
    }
}
END_TEST

START_TEST(coupling_that_is_not_diagonal_matches_published_trajectory)
{
    oqt_complex rho[6 * 4];

    run_case(rho, NULL, NULL, &rotated, finite_options(1e-11, 30, 0.0), OQT_SPLIT_SYMMETRIC);
    assert_qubits(rho, published_rotated, 5, 1e-9);
}
END_TEST

/* A shift of the coupling is a phase that knows of the cut: the same physics with a shift of 10. */
START_TEST(a_shifted_coupling_changes_the_hamiltonian_only)
{
    static const oqt_complex shifted[4] = {{10.5, 0}, {0, 0}, {0, 0}, {9.5, 0}};
    struct test_case c = case_a;
    oqt_complex coupling[4], rho[21 * 4], exact[4];

    scale_complex(coupling, 0.1, shifted, 4);
    c.bath[0].coupling = coupling;
    c.n_steps = 5;
    run_case(rho, NULL, NULL, &c, finite_options(1e-11, 0, 0.0), OQT_SPLIT_SYMMETRIC);
    for (size_t n = 1; n <= 5; n++) {
        brute_force(exact, &c, n);
        ck_assert_double_le(max_diff_complex(rho + n * 4, exact, 4), 1e-9);
    }
}
END_TEST

START_TEST(the_trace_is_exact_at_any_tolerance)
{
    for (int i = 0; i < 4; i++) {
        struct test_case c = case_a;
        oqt_complex *rho = malloc(201 * 4 * sizeof *rho);
        oqt_dynamics_stats stats;

        c.n_steps = 200;
        run_case(rho, NULL, &stats, &c, finite_options(i % 2 ? 1e-4 : 1e-2, i < 2 ? 0 : 20, 0.0),
                 OQT_SPLIT_SYMMETRIC);
        ck_assert_double_le(stats.trace_drift, 1e-12);
        free(rho);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cut_memory");
    TCase *tc = tcase_create("published");

    tcase_add_test(tc, cutoffs_and_end_corrections_match_published_states);
    tcase_add_test(tc, full_memory_matches_published_trajectory);
    tcase_add_test(tc, qutrit_with_cut_memory_matches_published_state);
    tcase_add_test(tc, independent_boson_with_cut_memory_matches_published_coherence);
    tcase_add_test(tc, coupling_that_is_not_diagonal_matches_published_trajectory);
    suite_add_tcase(suite, tc);
    tc = tcase_create("consistency");
    tcase_add_test(tc, finite_and_uniform_tensors_agree);
    tcase_add_test(tc, a_shifted_coupling_changes_the_hamiltonian_only);
    tcase_add_test(tc, the_trace_is_exact_at_any_tolerance);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
