/* test_influence.c - leg classes, and the influence functional on a path. */
#include "influence/influence.h"
#include "support.h"

/* Number of distinct (|om|, sp) for spectra with known degeneracies. */
START_TEST(classes_join_legs_of_equal_influence)
{
    static const struct {
        size_t d, n_class;
        double o[5], shift;
    } cases[] = {
        {2, 3, {0.5, -0.5}, 0.0},      {2, 3, {0.0, 1.0}, 0.5},
        {3, 4, {1.0, 1.0, 2.0}, 1.5},  {3, 6, {1.0, 0.0, -1.0}, 0.0},
        {2, 1, {0.7, 0.7}, 0.7},       {1, 1, {3.1}, 3.1},
        {3, 6, {0.5, -0.5, 0.0}, 0.0}, {5, 15, {1, 0.5, 0, -0.5, -1}, 0.0},
    };

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        oqt__legs legs;
        double total = 0.0;

        ck_assert_int_eq(oqt__legs_create(&legs, cases[c].o, cases[c].d, NULL), OQT_OK);
        if (cases[c].n_class != 4) /* diag(1,1,2): uu, dd, ud as for two levels */
            ck_assert_msg(legs.n_class == cases[c].n_class, "case %zu: %zu classes", c, legs.n_class);
        else
            ck_assert_uint_eq(legs.n_class, 3);
        ck_assert_double_eq_tol(legs.shift, cases[c].shift, 1e-15);
        for (size_t k = 0; k < legs.n_class; k++)
            total += legs.weight[k];
        ck_assert_double_eq_tol(total, 1.0, 1e-14);
        for (size_t a = 0; a < cases[c].d * cases[c].d; a++) {
            double o_i = cases[c].o[a / cases[c].d], o_j = cases[c].o[a % cases[c].d];

            ck_assert_double_eq_tol(legs.sign[a] * legs.om[legs.cls[a]], o_i - o_j, 1e-14);
            ck_assert_double_eq_tol(legs.sp[legs.cls[a]], o_i + o_j - 2.0 * legs.shift, 1e-14);
        }
        oqt__legs_release(&legs);
    }
}
END_TEST

/* Two levels: the two diagonal classes are reflections, the other is its own. */
START_TEST(reflected_classes_are_kept_once)
{
    const double two[2] = {0.8, 0.1}, three[3] = {1.3, 0.2, -0.9}, skew[3] = {1.3, 0.1, -0.9};
    oqt__legs legs;

    ck_assert_int_eq(oqt__legs_create(&legs, two, 2, NULL), OQT_OK);
    ck_assert(legs.symmetric);
    ck_assert_int_eq(legs.kind[legs.cls[0]], OQT__CLASS_REAL);
    ck_assert_int_eq(legs.kind[legs.cls[3]], OQT__CLASS_MIRROR);
    ck_assert_uint_eq(legs.mirror[legs.cls[3]], legs.cls[0]);
    ck_assert_int_eq(legs.kind[legs.cls[1]], OQT__CLASS_GAUGED);
    ck_assert_double_eq_tol(legs.weight[legs.cls[0]], 0.5, 1e-15);
    ck_assert(legs.weight[legs.cls[3]] == 0.0);
    oqt__legs_release(&legs);

    ck_assert_int_eq(oqt__legs_create(&legs, three, 3, NULL), OQT_OK);
    ck_assert(legs.symmetric); /* the middle of the spectrum is 0.2 */
    ck_assert_int_eq(legs.kind[legs.cls[4]], OQT__CLASS_REAL);
    ck_assert_int_eq(legs.kind[legs.cls[1]], OQT__CLASS_COMPLEX);
    ck_assert_int_eq(legs.kind[legs.cls[5]], OQT__CLASS_MIRROR); /* |om| = 1.1 as leg (0,1), sp opposite */
    ck_assert_uint_eq(legs.mirror[legs.cls[5]], legs.cls[1]);
    ck_assert_int_eq(legs.kind[legs.cls[2]], OQT__CLASS_GAUGED);
    oqt__legs_release(&legs);

    ck_assert_int_eq(oqt__legs_create(&legs, skew, 3, NULL), OQT_OK);
    ck_assert(!legs.symmetric);
    for (size_t k = 0; k < legs.n_class; k++)
        ck_assert_int_eq(legs.kind[k], legs.om[k] > 0.0 ? OQT__CLASS_COMPLEX : OQT__CLASS_REAL);
    oqt__legs_release(&legs);
}
END_TEST

START_TEST(nearly_equal_eigenvalues_are_one)
{
    const double o[3] = {0.3, 0.3 + 1e-13, -0.3};
    oqt__legs legs;

    ck_assert_int_eq(oqt__legs_create(&legs, o, 3, NULL), OQT_OK);
    ck_assert_uint_eq(legs.n_class, 3);
    ck_assert_int_eq(legs.sign[1], 0); /* leg (0,1) */
    oqt__legs_release(&legs);
}
END_TEST

/* Influence matrices of the spin-boson case A at dt = 0.05, to the digits printed by the reference: paths
 * that share their slots with themselves, divided by the on-site factors. */
START_TEST(path_functional_gives_reference_influence_matrices)
{
    const double o[2] = {0.5, -0.5};
    oqt__legs legs;
    oqt_bath *bath = NULL;
    oqt_complex eta[3], log_f[3];
    oqt_error err;

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), err);
    ASSERT_OK(oqt_bath_eta(eta, bath, 0.05, 3, NULL, 0, &err), err);
    ck_assert_int_eq(oqt__legs_create(&legs, o, 2, NULL), OQT_OK);

    oqt__path_log(log_f, &legs, (size_t[]){1, 1}, 2, eta);
    ck_assert_double_eq_tol(exp(log_f[0].re), 0.9818854703025, 1e-9);
    ck_assert_double_eq_tol(exp(log_f[1].re - 2 * log_f[0].re), 0.9697134159723, 1e-9);
    ck_assert_double_eq_tol(log_f[1].im, 0.0, 1e-15);
    oqt__path_log(log_f, &legs, (size_t[]){1, 2}, 2, eta);
    ck_assert_double_eq_tol(exp(log_f[1].re - 2 * log_f[0].re), 1.0312325100682, 1e-9);
    oqt__path_log(log_f, &legs, (size_t[]){0, 1}, 2, eta);
    double complex i_01 = cexp(log_f[1].re + log_f[1].im * (double complex)I) / 0.9818854703025;
    ck_assert_double_eq_tol(creal(i_01), 0.9998754063674, 1e-9);
    ck_assert_double_eq_tol(cimag(i_01), 0.0157851747417, 1e-9);
    oqt__path_log(log_f, &legs, (size_t[]){3, 1}, 2, eta);
    ck_assert_double_eq_tol(cimag(cexp(log_f[1].re + log_f[1].im * (double complex)I)) / 0.9818854703025,
                            -0.0157851747417, 1e-9);
    oqt__path_log(log_f, &legs, (size_t[]){1, 0, 3}, 3, eta); /* diagonal legs add nothing */
    ck_assert(log_f[2].re == log_f[0].re);
    oqt__legs_release(&legs);
    oqt_bath_destroy(bath);
}
END_TEST

/* The same at a separation of two slots: legs with O- = 0 between feel nothing and act by their O+. */
START_TEST(path_functional_gives_reference_influence_over_two_slots)
{
    const double o[2] = {0.5, -0.5};
    oqt__legs legs;
    oqt_bath *bath = NULL;
    oqt_complex eta[3], near[2], idle[3], both[3];
    oqt_error err;

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), err);
    ASSERT_OK(oqt_bath_eta(eta, bath, 0.05, 3, NULL, 0, &err), err);
    ck_assert_int_eq(oqt__legs_create(&legs, o, 2, NULL), OQT_OK);
    oqt__path_log(near, &legs, (size_t[]){0, 1}, 2, eta);
    oqt__path_log(idle, &legs, (size_t[]){0, 0, 1}, 3, eta);
    oqt__path_log(both, &legs, (size_t[]){1, 0, 1}, 3, eta);

    double complex i_01 = cexp(to_c99(idle[2]) - to_c99(near[1]));
    double complex i_11 = cexp(to_c99(both[2]) - to_c99(near[1]) - to_c99(both[0]));

    ck_assert_double_eq_tol(creal(i_01), 0.9997288172638, 1e-9);
    ck_assert_double_eq_tol(cimag(i_01), 0.0232871623949, 1e-9);
    ck_assert_double_eq_tol(creal(i_11), 0.9817940748962, 1e-9);
    ck_assert_double_eq_tol(cimag(i_11), 0.0, 1e-12);
    oqt__legs_release(&legs);
    oqt_bath_destroy(bath);
}
END_TEST

/* OQuPy: I[1,1] = exp(-Re eta) of the oldest slot kept, for a memory of 3 steps of 0.1. */
START_TEST(ends_of_a_cut_memory_are_those_of_the_reference)
{
    static const double added[2] = {0.1, INFINITY};
    static const double expected[2][3] = {{1.0158001010308, 1.0332458890204, 1.0332458890204},
                                          {1.0158001010308, 1.0332458890204, 1.0480871052887}};
    oqt_bath *bath = NULL;
    oqt_complex eta[6], end[3];
    oqt_error err;

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), err);
    ASSERT_OK(oqt_bath_eta(eta, bath, 0.1, 6, NULL, 0, &err), err);
    for (size_t i = 0; i < 2; i++) {
        ASSERT_OK(oqt__memory_ends(end, 3, bath, eta, 3, added[i], 0.1, 1, &err), err);
        for (size_t m = 0; m < 3; m++)
            ck_assert_double_eq_tol(exp(-end[m].re), expected[i][m], 1e-9);
    }
    oqt_bath_destroy(bath);
}
END_TEST

static oqt_status make_legs(void *ctx)
{
    oqt__legs legs;
    oqt_status st = oqt__legs_create(&legs, ctx, 3, NULL);

    if (st == OQT_OK)
        oqt__legs_release(&legs);
    return st;
}

START_TEST(every_allocation_of_legs_may_fail)
{
    double o[3] = {0.1, 0.4, 0.9};

    ck_assert_uint_eq(check_every_allocation(make_legs, o), 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("influence");
    TCase *tc = tcase_create("legs");

    tcase_add_test(tc, classes_join_legs_of_equal_influence);
    tcase_add_test(tc, reflected_classes_are_kept_once);
    tcase_add_test(tc, nearly_equal_eigenvalues_are_one);
    tcase_add_test(tc, path_functional_gives_reference_influence_matrices);
    tcase_add_test(tc, path_functional_gives_reference_influence_over_two_slots);
    tcase_add_test(tc, ends_of_a_cut_memory_are_those_of_the_reference);
    tcase_add_test(tc, every_allocation_of_legs_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
