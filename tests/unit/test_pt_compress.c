/* test_pt_compress.c - recompression of process tensors. */
#include "support.h"

#include "pt/path_test.h"

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex shifted[4] = {{0.9, 0}, {0.2, -0.3}, {0.2, 0.3}, {-0.4, 0}};
static const oqt_complex qutrit[9] = {[0] = {0.5, 0}, [4] = {-0.5, 0}, [8] = {0.13, 0}};
static const double dt = 0.0731;
enum { STEPS = 60 };

static oqt_bath *new_bath(void)
{
    return ohmic_bath(0.137, 2.385, 0.31);
}

static oqt_pt *new_pt(oqt_pt_method method, size_t d, const oqt_complex *coupling, double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath = new_bath();
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.method = method;
    opt.tolerance = tolerance;
    opt.n_steps = STEPS;
    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

static oqt_pt *compressed(const oqt_pt *pt, double tolerance, size_t max_bond)
{
    oqt_pt *out = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_compress(&out, pt, tolerance, max_bond, 1, &err), err);
    return out;
}

static void trajectory(oqt_complex *rho, const oqt_pt *pt, double *drift)
{
    oqt_complex h[9] = {{0}}, up[9] = {{1, 0}};
    size_t d = info_of(pt).dimension;
    oqt_system *system = NULL;
    oqt_dynamics *dyn = NULL;
    oqt_dynamics_stats stats;
    oqt_error err = {0};

    for (size_t i = 0; i + 1 < d; i++)
        h[i * d + i + 1].re = h[(i + 1) * d + i].re = 0.5;
    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    ASSERT_OK(oqt_dynamics_create(&dyn, 1, (const oqt_pt *[]){pt}, 1, (const oqt_system *[]){system}, up,
                                  NULL, &err),
              err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, STEPS, &err), err);
    oqt_dynamics_get_stats(&stats, dyn);
    *drift = stats.trace_drift;
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
}

/* From a tensor that is a hundred times better: as good, and nearly as small, as one built at that tolerance,
 * which uses the same measure of what matters. */
START_TEST(compression_reaches_the_bond_and_error_of_a_build)
{
    static const struct {
        oqt_pt_method method;
        size_t d;
        const oqt_complex *coupling;
        double tolerance;
    } cases[] = {{OQT_PT_UNIFORM, 2, half_z, 1e-5}, {OQT_PT_UNIFORM, 2, shifted, 1e-5},
                 {OQT_PT_UNIFORM, 3, qutrit, 1e-4}, {OQT_PT_TEMPO, 2, half_z, 1e-5},
                 {OQT_PT_TEMPO, 2, shifted, 1e-5},  {OQT_PT_TEMPO, 3, qutrit, 1e-4}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oqt_pt *fine = new_pt(cases[i].method, cases[i].d, cases[i].coupling, 1e-2 * cases[i].tolerance);
        oqt_pt *built = new_pt(cases[i].method, cases[i].d, cases[i].coupling, cases[i].tolerance);
        oqt_pt *small = compressed(fine, cases[i].tolerance, 0);
        oqt_complex rho[2][(STEPS + 1) * 9], eta[STEPS];
        size_t bond = info_of(small).bond_dimension, built_bond = info_of(built).bond_dimension;
        double drift, error[2], deviation, estimate = info_of(small).path_error;
        oqt_bath *bath = new_bath();
        oqt_error err = {0};

        /* the metric of a uniform tensor is iterated further than when it is built: up to 1.4 times the bond
         * for a third of the error */
        ck_assert_msg(10 * bond <= 15 * built_bond && 10 * bond >= 8 * built_bond,
                      "case %zu: bond %zu, built %zu", i, bond, built_bond);
        ck_assert_double_eq(info_of(small).tolerance, cases[i].tolerance);
        ck_assert_int_eq(info_of(small).state_limit_hit, 0);
        ck_assert_double_gt(info_of(small).discarded_weight, info_of(fine).discarded_weight);
        /* the estimate adds the distance measured, so that it is a bound of the path test against exact
         * values */
        ASSERT_OK(oqt_bath_eta(eta, bath, dt, STEPS, NULL, 0, &err), err);
        ASSERT_OK(oqt__path_test(error, small, eta, STEPS, exp(-info_of(fine).path_rate * dt), 1, &err), err);
        ck_assert_msg(error[0] <= 1.0001 * estimate, "case %zu: error %.2e, estimate %.2e", i, error[0],
                      estimate);
        ck_assert_msg(estimate <= 50.0 * cases[i].tolerance, "case %zu: estimate %.2e", i, estimate);
        trajectory(rho[0], fine, &drift);
        trajectory(rho[1], small, &drift);
        deviation = max_diff_complex(rho[0], rho[1], (STEPS + 1) * cases[i].d * cases[i].d);
        ck_assert_msg(deviation <= 50.0 * cases[i].tolerance && deviation > 0.0, "case %zu: deviation %.2e",
                      i, deviation);
        ck_assert_double_le(drift, 1e-13);
        oqt_bath_destroy(bath);
        oqt_pt_destroy(fine);
        oqt_pt_destroy(built);
        oqt_pt_destroy(small);
    }
}
END_TEST

/* ---- redundant states ---- */

/* g f h for one matrix: g is m x k, f k x l, h l x n. */
static void sandwich(double *out, const double *g, const double *f, const double *h, size_t m, size_t k,
                     size_t l, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0.0;

            for (size_t a = 0; a < k; a++)
                for (size_t b = 0; b < l; b++)
                    sum += g[i * k + a] * f[a * l + b] * h[b * n + j];
            out[i * n + j] = sum;
        }
}

enum { EXTRA = 5 };

/*
 * A change of basis with EXTRA states more: up is chi x (chi + EXTRA), down the other way round, up down = 1,
 * and e_0 is mapped to e_0 by both. up = [1, a], down = [1 - a b; b] with random a and b.
 */
static void redundant_basis(double *up, double *down, size_t chi, uint64_t *seed)
{
    size_t n = chi + EXTRA;

    memset(up, 0, chi * n * sizeof *up);
    memset(down, 0, chi * n * sizeof *down);
    for (size_t i = 0; i < chi; i++)
        up[i * n + i] = 1.0;
    for (size_t i = 1; i < chi; i++)
        for (size_t e = 0; e < EXTRA; e++) {
            up[i * n + chi + e] = 0.3 * random_normal(seed);
            down[(chi + e) * chi + i] = 0.3 * random_normal(seed);
        }
    for (size_t i = 0; i < chi; i++)
        for (size_t j = 0; j < chi; j++) {
            down[i * chi + j] = i == j ? 1.0 : 0.0;
            for (size_t e = 0; e < EXTRA; e++)
                down[i * chi + j] -= up[i * n + chi + e] * down[(chi + e) * chi + j];
        }
}

/* The same uniform tensor with EXTRA states that are combinations of the others. */
static void pad_uniform(oqt_pt *pt)
{
    size_t chi = pt->chi, n = chi + EXTRA;
    double *up = malloc(chi * n * sizeof *up), *down = malloc(chi * n * sizeof *down);
    double *f = oqt__doubles(2 * pt->legs.n_class * n * n);
    uint64_t seed = 5;

    redundant_basis(up, down, chi, &seed);
    for (size_t c = 0; c < 2 * pt->legs.n_class; c++)
        sandwich(f + c * n * n, down, pt->f + c * chi * chi, up, n, chi, chi, n);
    oqt__free(pt->f);
    pt->f = f;
    pt->chi = pt->info.bond_dimension = n;
    free(up);
    free(down);
}

static void pad_finite(oqt_pt *pt)
{
    size_t bond[STEPS + 1], *old = pt->bond, *offset = pt->offset;
    double *up[STEPS + 1], *down[STEPS + 1], *f = pt->f;
    uint64_t seed = 6;
    oqt_error err = {0};

    for (size_t k = 0; k <= STEPS; k++) {
        bool end = k == 0 || k == STEPS;

        bond[k] = old[k] + (end ? 0 : EXTRA);
        up[k] = malloc(old[k] * (old[k] + EXTRA) * sizeof **up);
        down[k] = malloc(old[k] * (old[k] + EXTRA) * sizeof **down);
        if (end)
            up[k][0] = down[k][0] = 1.0;
        else
            redundant_basis(up[k], down[k], old[k], &seed);
    }
    ASSERT_OK(oqt__pt_set_bonds(pt, bond, &err), err);
    for (size_t k = 0; k < STEPS; k++)
        for (size_t c = 0; c < 2 * pt->legs.n_class; c++)
            sandwich(pt->f + pt->offset[k] + c * bond[k] * bond[k + 1], down[k],
                     f + offset[k] + c * old[k] * old[k + 1], up[k + 1], bond[k], old[k], old[k + 1],
                     bond[k + 1]);
    for (size_t k = 0; k <= STEPS; k++) {
        free(up[k]);
        free(down[k]);
    }
    oqt__free(f);
    oqt__free(old);
    oqt__free(offset);
}

/* At a tolerance far below the weight of any true state, exactly the redundant ones go. */
START_TEST(redundant_states_are_found)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO};

    for (size_t i = 0; i < 2; i++)
        for (int shift = 0; shift < 2; shift++) {
            oqt_pt *pt = new_pt(methods[i], 2, shift ? shifted : half_z, 1e-4);
            oqt_pt *padded = new_pt(methods[i], 2, shift ? shifted : half_z, 1e-4), *small;
            oqt_error err = {0};
            double distance = 1.0;

            if (pt->bond)
                pad_finite(padded);
            else
                pad_uniform(padded);
            ck_assert_uint_eq(padded->chi, pt->chi + EXTRA);
            small = compressed(padded, 1e-9, 0);
            ck_assert_uint_eq(small->chi, pt->chi);
            for (size_t k = 0; pt->bond && k <= STEPS; k++)
                ck_assert_msg(small->bond[k] <= pt->bond[k], "bond %zu: %zu, before %zu", k, small->bond[k],
                              pt->bond[k]);
            ASSERT_OK(oqt__path_distance(&distance, pt, small, STEPS, 0.9, 1, &err), err);
            ck_assert_double_le(distance, 1e-11);
            oqt_pt_destroy(pt);
            oqt_pt_destroy(padded);
            oqt_pt_destroy(small);
        }
}
END_TEST

/* ---- the rest ---- */

START_TEST(a_limit_on_the_bond_is_kept_and_told)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO};

    for (size_t i = 0; i < 2; i++) {
        oqt_pt *pt = new_pt(methods[i], 2, half_z, 1e-6);

        for (size_t limit = 1; limit <= 9; limit += 4) {
            oqt_pt *small = compressed(pt, 1e-6, limit);

            ck_assert_uint_eq(info_of(small).bond_dimension, limit);
            ck_assert_int_eq(info_of(small).state_limit_hit, 1);
            ck_assert_double_gt(info_of(small).path_error, info_of(pt).path_error);
            oqt_pt_destroy(small);
        }
        oqt_pt_destroy(pt);
    }
}
END_TEST

/* e_0 closes every bond, bit by bit, and nothing but the slots has changed. */
START_TEST(the_vacuum_and_all_else_are_kept)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO};

    for (size_t i = 0; i < 2; i++) {
        oqt_pt *pt = new_pt(methods[i], 2, shifted, 1e-6), *small = compressed(pt, 1e-3, 0);
        oqt_complex factors[2][4], u[2][4], *f = malloc(pt->chi * pt->chi * sizeof *f);
        double o[2][2];
        oqt_error err = {0};

        for (uint64_t k = 0; k < (i == 0 ? 4000 : STEPS); k += i == 0 ? 371 : 1) {
            size_t left, right;

            ASSERT_OK(oqt_pt_bonds(&left, &right, small, k, &err), err);
            for (size_t a = 0; a < 4; a += 3) {
                ASSERT_OK(oqt_pt_leg(f, small, k, a, &err), err);
                for (size_t l = 0; l < left; l++)
                    ck_assert(f[l * right].re == (l == 0 ? 1.0 : 0.0) && f[l * right].im == 0.0);
            }
            ASSERT_OK(oqt_pt_leg_factors(factors[0], pt, k, &err), err);
            ASSERT_OK(oqt_pt_leg_factors(factors[1], small, k, &err), err);
            ck_assert_int_eq(memcmp(factors[0], factors[1], sizeof factors[0]), 0);
        }
        oqt_pt_eigenbasis(o[0], u[0], pt);
        oqt_pt_eigenbasis(o[1], u[1], small);
        ck_assert_int_eq(memcmp(o[0], o[1], sizeof o[0]), 0);
        ck_assert_int_eq(memcmp(u[0], u[1], sizeof u[0]), 0);
        ck_assert_int_eq(info_of(small).method, methods[i]);
        ck_assert_uint_eq(info_of(small).n_steps, info_of(pt).n_steps);
        free(f);
        oqt_pt_destroy(pt);
        oqt_pt_destroy(small);
    }
}
END_TEST

START_TEST(a_bond_of_one_stays)
{
    static const oqt_complex one[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO, OQT_PT_DEPHASING};

    for (size_t i = 0; i < 3; i++) {
        oqt_pt *pt = new_pt(methods[i], 2, i < 2 ? one : shifted, 1e-6), *small = compressed(pt, 1e-3, 0);
        oqt_complex f;

        ck_assert_uint_eq(info_of(small).bond_dimension, 1);
        ck_assert_double_eq(info_of(small).path_error, info_of(pt).path_error);
        ck_assert_int_eq(oqt_pt_leg(&f, small, 7, 1, NULL), OQT_OK);
        ck_assert(f.re == 1.0 && f.im == 0.0);
        oqt_pt_destroy(pt);
        oqt_pt_destroy(small);
    }
}
END_TEST

START_TEST(bad_arguments_are_named)
{
    static const double tolerances[] = {0.0, -1e-6, 1.0, NAN, 1e-13};
    oqt_pt *pt = new_pt(OQT_PT_UNIFORM, 2, half_z, 1e-2), *mark = (oqt_pt *)&pt, *out = mark;
    oqt_error err = {0};

    for (size_t i = 0; i < sizeof tolerances / sizeof *tolerances; i++) {
        ck_assert_int_eq(oqt_pt_compress(&out, pt, tolerances[i], 0, 1, &err), OQT_EINVAL);
        ck_assert(strstr(err.text, "tolerance must be"));
    }
    ck_assert_int_eq(oqt_pt_compress(&out, NULL, 1e-6, 0, 1, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_compress(&out, pt, 1e-6, 0, -1, &err), OQT_EINVAL);
    ck_assert(strstr(err.text, "threads"));
    ck_assert(out == mark);
    oqt_pt_destroy(pt);
}
END_TEST

/* Slow noise needs more than two states. */
START_TEST(a_copy_of_which_nothing_is_left_is_refused)
{
    oqt_complex coupling[9] = {[0] = {1.0, 0}, [4] = {0.3, 0}, [8] = {-1.0, 0}};
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *pt = NULL, *mark = (oqt_pt *)&pt, *out = mark;
    oqt_bath *bath = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.05, 0.5, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, &err), err);
    opt.tolerance = 1e-3;
    opt.n_steps = 300;
    ASSERT_OK(oqt_pt_create(&pt, bath, 3, coupling, 0.1, &opt, &err), err);
    ck_assert_int_eq(oqt_pt_compress(&out, pt, 1e-3, 2, 1, &err), OQT_ECONV);
    ck_assert(strstr(err.text, "bond 2") && out == mark);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
}
END_TEST

static oqt_status compress_and_destroy(void *ctx)
{
    oqt_pt *mark = (oqt_pt *)&ctx, *out = mark;
    oqt_status st = oqt_pt_compress(&out, ctx, 1e-2, 0, 1, NULL);

    if (st == OQT_OK)
        oqt_pt_destroy(out);
    else
        ck_assert(out == mark);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO};

    for (size_t i = 0; i < 2; i++) {
        oqt_pt *pt = new_pt(methods[i], 2, shifted, 1e-2);

        ck_assert_uint_ge(check_every_allocation(compress_and_destroy, pt), 30);
        oqt_pt_destroy(pt);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pt_compress");
    TCase *tc = tcase_create("errors");

    tcase_add_test(tc, compression_reaches_the_bond_and_error_of_a_build);
    tcase_add_test(tc, redundant_states_are_found);
    tcase_add_test(tc, a_limit_on_the_bond_is_kept_and_told);
    suite_add_tcase(suite, tc);
    tc = tcase_create("structure");
    tcase_add_test(tc, the_vacuum_and_all_else_are_kept);
    tcase_add_test(tc, a_bond_of_one_stays);
    suite_add_tcase(suite, tc);
    tc = tcase_create("failures");
    tcase_add_test(tc, bad_arguments_are_named);
    tcase_add_test(tc, a_copy_of_which_nothing_is_left_is_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
