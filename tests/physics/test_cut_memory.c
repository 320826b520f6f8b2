/* test_cut_memory.c - whole runs with finite process tensors, most of them with a memory that ends, against
 * published trajectories. Numbers marked OQuPy were made with OQuPy 0.5.0 at an SVD tolerance of 1e-10 or
 * smaller unless said otherwise; they carry the error of its bath integrals, about 1e-9. */
#include "physics.h"

static const oqt_complex half_y[4] = {{0, 0}, {0, -0.5}, {0, 0.5}, {0, 0}};
static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};

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

static void assert_qubit(const oqt_complex *rho, double rho00, double re, double im, double tol)
{
    ck_assert_double_eq_tol(rho[0].re, rho00, tol);
    ck_assert_double_eq_tol(rho[1].re, re, tol);
    ck_assert_double_eq_tol(rho[1].im, im, tol);
    ck_assert_double_eq_tol(rho[3].re, 1.0 - rho00, tol);
}

START_TEST(cutoffs_and_end_corrections_match_published_states)
{
    static const struct {
        size_t memory, steps;
        double added, rho00, re, im;
    } expected[] = {/* OQuPy */
                    {3, 8, 0.0, 0.830334137365, -0.055714352897, 0.172777379896},
                    {3, 8, 0.1, 0.830314020441, -0.064342740822, 0.173347687499},
                    {3, 8, INFINITY, 0.830048496145, -0.071876313877, 0.175897212592},
                    {1, 5, 0.0, 0.9053834275302, -0.011606967362, 0.15613202050698}};

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct test_case c = case_a;
        oqt_complex rho[9 * 4];
        oqt_dynamics_stats stats;

        c.dt = 0.1;
        c.n_steps = expected[i].steps;
        run_case(rho, NULL, &stats, &c, finite_options(1e-11, expected[i].memory, expected[i].added),
                 OQT_SPLIT_SYMMETRIC);
        assert_qubit(rho + 4 * c.n_steps, expected[i].rho00, expected[i].re, expected[i].im, 3e-9);
        ck_assert_double_le(stats.trace_drift, 1e-13);
    }
}
END_TEST

START_TEST(full_memory_matches_published_trajectory)
{
    static const double expected[10][3] = {
        /* OQuPy: rho00, Re rho01, Im rho01 for k = 1 .. 10 */
        {0.99440094535407, 0.0, 0.02436473249527},
        {0.98765525317623, -0.00037681737853, 0.04709979806696},
        {0.97986301556282, -0.00179383886856, 0.06768454215143},
        {0.97114190290609, -0.00458672995876, 0.08591272584545},
        {0.96161403126239, -0.00868462228759, 0.10178739962010},
        {0.95139778342395, -0.01380776231738, 0.11542995981742},
        {0.94060340096514, -0.01963680108050, 0.12702132528666},
        {0.92933099712037, -0.02589272443367, 0.13676444244796},
        {0.91767008209229, -0.03235896667859, 0.14486144235211},
        {0.90569996635508, -0.03887801364129, 0.15150130685477},
    };
    oqt_complex rho[21 * 4];

    run_case(rho, NULL, NULL, &case_a, finite_options(1e-8, 0, 0.0), OQT_SPLIT_SYMMETRIC);
    for (size_t k = 1; k <= 10; k++)
        assert_qubit(rho + 4 * k, expected[k - 1][0], expected[k - 1][1], expected[k - 1][2], 3e-7);
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
    static const oqt_complex coupling[9] = {{0.5, 0}, {0, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
    static const struct test_case c = {
        .d = 3,
        .hamiltonian = {{1, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}, {0, 0}, {0.5, 0}, {0, 0}},
        .n_dissipators = 2,
        .rate = {0.1, 0.2},
        .lindblad = {{[7] = {1, 0}}, {[0] = {0.5, 0}, [4] = {-0.5, 0}}},
        .initial = {[4] = {1, 0}},
        .n_baths = 1,
        .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, coupling}},
        .dt = 0.05,
        .n_steps = 20,
    };
    /* OQuPy at 1e-8 */
    static const struct {
        size_t element;
        double re, im;
    } expected[] = {{0, 0.12576654, 0},           {4, 0.61315913, 0},
                    {8, 0.26107434, 0},           {1, -0.11739955, -0.14312022},
                    {2, 0.12211451, -0.05963574}, {5, -0.06636822, 0.26917275}};
    oqt_complex rho[21 * 9];

    run_case(rho, NULL, NULL, &c, finite_options(1e-7, 10, 0.0), OQT_SPLIT_SYMMETRIC);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ck_assert_double_eq_tol(rho[9 * 20 + expected[i].element].re, expected[i].re, 3e-6);
        ck_assert_double_eq_tol(rho[9 * 20 + expected[i].element].im, expected[i].im, 3e-6);
    }
}
END_TEST

/* Cut memory makes an unphysical tail, the end correction repairs it: both columns, and the closed form. */
START_TEST(independent_boson_with_cut_memory_matches_published_coherence)
{
    static const struct {
        size_t step;
        double cut, corrected, exact;
    } expected[] = {{1, -0.255343091683, -0.255343091683, -0.255343091683},
                    {2, -0.265991999144, -0.265991999144, -0.265991999140},
                    {3, -0.270228645134, -0.270228645134, -0.270228645125},
                    {5, -0.278905452246, -0.272812607398, -0.272812607449},
                    {10, -0.301836012900, -0.273997587521, -0.273997587529},
                    {25, -0.382572024302, -0.274340047362, -0.274340047510}};
    static const struct test_case c = {
        .d = 2,
        .initial = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}},
        .n_baths = 1,
        .bath = {{0.3, 3.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, half_z}},
        .dt = 0.4,
        .n_steps = 25,
    };
    oqt_complex cut[26 * 4], corrected[26 * 4];
    oqt_pt_info info;

    run_case(cut, &info, NULL, &c, finite_options(1e-11, 2, 0.0), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_gt(info.cutoff_error, 0.01); /* and the report says so */
    run_case(corrected, &info, NULL, &c, finite_options(1e-11, 2, INFINITY), OQT_SPLIT_SYMMETRIC);
    ck_assert_double_lt(info.cutoff_error, 1e-9);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        /* 1e-8: the tolerance times its usual factor; the reference carries 1e-10 of its quadrature */
        ck_assert_double_eq_tol(cut[4 * expected[i].step + 1].im, expected[i].cut, 1e-8);
        ck_assert_double_eq_tol(corrected[4 * expected[i].step + 1].im, expected[i].corrected, 1e-8);
        ck_assert_double_eq_tol(corrected[4 * expected[i].step + 1].im, expected[i].exact, 1e-8);
    }
}
END_TEST

START_TEST(coupling_that_is_not_diagonal_matches_published_trajectory)
{
    static const double expected[5][3] = {
        /* OQuPy, memory of 30 steps, which 5 do not notice */
        {0.5000000000000, 0.4652071785635, -0.0483006161517},
        {0.4960301620972, 0.3970313503294, -0.0914485051647},
        {0.4861563746427, 0.3322498060948, -0.1279429801182},
        {0.4724711485271, 0.2780498945901, -0.1584834197616},
        {0.4570804359657, 0.2328305363271, -0.1840487493003},
    };
    static const struct test_case c = {
        .d = 2,
        .hamiltonian = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}},
        .initial = {{0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}},
        .n_baths = 1,
        .bath = {{0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, half_y}},
        .dt = 0.1,
        .n_steps = 5,
    };
    oqt_complex rho[6 * 4];

    run_case(rho, NULL, NULL, &c, finite_options(1e-11, 30, 0.0), OQT_SPLIT_SYMMETRIC);
    for (size_t k = 1; k <= 5; k++)
        assert_qubit(rho + 4 * k, expected[k - 1][0], expected[k - 1][1], expected[k - 1][2], 1e-9);
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
