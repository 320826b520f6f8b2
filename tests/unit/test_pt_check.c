/* test_pt_check.c - the trivial process tensor, and defects of tensors. */
#include "support.h"

#include "pt/pt_priv.h"

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const double dt = 0.0731;

static oqt_pt *new_pt(oqt_pt_method method, double tolerance, size_t n_steps)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath = ohmic_bath(0.137, 2.385, 0.31);
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.method = method;
    opt.tolerance = tolerance;
    opt.n_steps = n_steps;
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, half_z, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

static oqt_pt *trivial(size_t d)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_create_trivial(&pt, d, dt, &err), err);
    return pt;
}

static oqt_pt_defects defects_of(const oqt_pt *pt)
{
    oqt_pt_defects defects;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_check(&defects, pt, &err), err);
    return defects;
}

/* ---- the trivial tensor ---- */

START_TEST(no_environment_is_ones_on_a_bond_of_one)
{
    for (size_t d = 1; d <= 4; d++) {
        oqt_pt *pt = trivial(d);
        oqt_complex leg, factors[16];
        oqt_pt_info info;
        double values[4];

        oqt_pt_get_info(&info, pt);
        ck_assert(info.dimension == d && info.dt == dt && info.n_steps == SIZE_MAX &&
                  info.bond_dimension == 1);
        ck_assert(info.error_estimate == 0.0);
        oqt_pt_eigenbasis(values, NULL, pt);
        for (size_t a = 0; a < d * d; a++) {
            ck_assert_int_eq(oqt_pt_leg(&leg, pt, (uint64_t)1 << 60, a, NULL), OQT_OK);
            ck_assert(leg.re == 1.0 && leg.im == 0.0);
            ck_assert_int_eq(oqt_pt_leg_factors(factors, pt, 1000, NULL), OQT_OK);
            ck_assert(factors[a].re == 1.0 && factors[a].im == 0.0 && values[a / d] == 0.0);
        }
        oqt_pt_destroy(pt);
    }
}
END_TEST

/* States of n steps, with n + 1 of them. */
static void run(oqt_complex *rho, size_t n_pt, const oqt_pt *const *pts, oqt_split split, size_t n)
{
    static const oqt_complex h[4] = {{0.13, 0}, {0.5, 0.2}, {0.5, -0.2}, {-0.4, 0}};
    static const oqt_complex initial[4] = {{0.7, 0}, {0.1, 0.2}, {0.1, -0.2}, {0.3, 0}};
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn = NULL;
    oqt_system *system = NULL;
    oqt_error err = {0};

    opt.dt = dt;
    opt.split = split;
    ASSERT_OK(oqt_system_create(&system, 2, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.23, sigma_minus, &err), err);
    ASSERT_OK(oqt_dynamics_create(&dyn, n_pt, pts, 1, (const oqt_system *[]){system}, initial, &opt, &err),
              err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, n, &err), err);
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
}

START_TEST(no_environment_changes_nothing_in_any_place)
{
    enum { N = 40, LEN = 4 * (N + 1) };
    oqt_pt *none = trivial(2), *pt = new_pt(OQT_PT_UNIFORM, 1e-4, 60),
           *finite = new_pt(OQT_PT_TEMPO, 1e-4, N);
    static const oqt_split splits[] = {OQT_SPLIT_SYMMETRIC, OQT_SPLIT_LIST};
    oqt_complex without[LEN], with[LEN];

    run(without, 0, NULL, OQT_SPLIT_SYMMETRIC, N);
    run(with, 1, (const oqt_pt *[]){none}, OQT_SPLIT_SYMMETRIC, N);
    ck_assert_double_le(max_diff_complex(without, with, LEN), 1e-14);
    for (size_t s = 0; s < 2; s++) {
        const oqt_pt *lists[][3] = {
            {none, pt, NULL}, {pt, none, NULL}, {none, pt, none}, {none, finite, none}};

        for (size_t i = 0; i < 4; i++) {
            run(without, 1, &lists[i][lists[i][0] == none], splits[s], N);
            run(with, lists[i][2] ? 3 : 2, lists[i], splits[s], N);
            ck_assert_double_le(max_diff_complex(without, with, LEN), 1e-13);
        }
    }
    oqt_pt_destroy(none);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(finite);
}
END_TEST

/* ---- defects ---- */

START_TEST(tensors_that_are_built_have_no_defects)
{
    oqt_pt *tensors[] = {new_pt(OQT_PT_UNIFORM, 1e-3, 0),   new_pt(OQT_PT_UNIFORM, 1e-6, 400),
                         new_pt(OQT_PT_TEMPO, 1e-3, 30),    new_pt(OQT_PT_TEMPO, 1e-6, 1),
                         new_pt(OQT_PT_DEPHASING, 1e-6, 9), trivial(3)};

    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        oqt_pt_defects defects = defects_of(tensors[i]);

        ck_assert_uint_eq(defects.n_not_finite, 0);
        ck_assert_double_le(defects.trace, 1e-13);
        ck_assert(defects.hermiticity == 0.0);
        /* legs with i = j neither grow nor decay */
        ck_assert_double_le(fabs(defects.growth - 1.0), 1e-12);
        oqt_pt_destroy(tensors[i]);
    }
}
END_TEST

/* A uniform tensor of bond 2 whose classes are the unit matrix, to be spoiled. Legs (0,0), (0,1), (1,1). */
static oqt_pt *unit_pt(void)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt__pt_alloc(&pt, 2, half_z, dt, &err), err);
    ck_assert_uint_eq(pt->legs.n_class, 3);
    pt->info.method = OQT_PT_UNIFORM;
    pt->chi = pt->info.bond_dimension = 2;
    pt->f = oqt__doubles(3 * 2 * 4);
    for (size_t c = 0; c < 3; c++)
        pt->f[c * 8] = pt->f[c * 8 + 3] = 1.0;
    return pt;
}

static void set_class(oqt_pt *pt, size_t c, const double complex m[4])
{
    for (size_t i = 0; i < 4; i++) {
        pt->f[c * 8 + i] = creal(m[i]);
        pt->f[c * 8 + 4 + i] = cimag(m[i]);
    }
}

START_TEST(growth_is_the_largest_eigenvalue)
{
    static const struct {
        double complex m[4];
        double radius;
    } cases[] = {
        {{0.3, 0.0, 0.0, 0.8}, 1.0},               /* the other legs */
        {{0.3, 1e6, 0.0, 1.07}, 1.07},             /* far from normal */
        {{0.0, 1.21, 1.0, 0.0}, 1.1},              /* of both signs */
        {{0.9, -1.2, 1.2, 0.9}, 1.5},              /* 0.9 +- 1.2 i */
        {{0.6 * I, 0.7, 0.0, 1.2 * I - 0.5}, 1.3}, /* complex */
        {{1.0, 1.0, 0.0, 1.0}, 1.0},               /* a Jordan block, which grows, but not exponentially */
        {{1e-200, 0.0, 0.0, 1e-200}, 1.0},
        {{0.0, 1.0, 0.0, 0.0}, 1.0}, /* nothing is left of it */
        {{1e100, 0.0, 0.0, 0.0}, 1e100},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oqt_pt *pt = unit_pt();
        oqt_pt_defects defects;

        set_class(pt, 1, cases[i].m);
        defects = defects_of(pt);
        ck_assert_msg(fabs(defects.growth / cases[i].radius - 1.0) < 2e-7, "case %zu: %.12g", i,
                      defects.growth);
        ck_assert(defects.trace == 0.0 && defects.hermiticity == 0.0 && defects.n_not_finite == 0);
        oqt_pt_destroy(pt);
    }
}
END_TEST

START_TEST(growth_of_a_finite_tensor_is_that_of_its_influence)
{
    /* bonds 1, 2, 2, 1; on leg (0,1) F = (1, 2i) M (3, 1)^T with M = (0.5, -i; 0.25, 1) */
    static const size_t bonds[] = {1, 2, 2, 1};
    double complex f = 1.0 * (0.5 * 3.0 - I * 1.0) + 2.0 * I * (0.25 * 3.0 + 1.0);
    oqt_pt *pt = NULL;
    oqt_pt_defects defects;
    oqt_error err = {0};

    ASSERT_OK(oqt__pt_alloc(&pt, 2, half_z, dt, &err), err);
    pt->info.method = OQT_PT_TEMPO;
    pt->info.n_steps = 3;
    ASSERT_OK(oqt__pt_set_bonds(pt, bonds, &err), err);
    for (size_t c = 0; c < 3; c++) {
        double *left = pt->f + 4 * c, *mid = pt->f + pt->offset[1] + 8 * c,
               *right = pt->f + pt->offset[2] + 4 * c;

        left[0] = right[0] = mid[0] = mid[3] = 1.0;
        if (c != 1)
            continue;
        left[3] = 2.0; /* 2i at the second bond state */
        mid[0] = 0.5;
        mid[5] = -1.0;
        mid[2] = 0.25;
        right[0] = 3.0;
        right[1] = 1.0;
    }
    defects = defects_of(pt);
    ck_assert_double_eq_tol(defects.growth, cbrt(cabs(f)), 1e-14);
    ck_assert(defects.trace == 0.0 && defects.hermiticity == 0.0);
    /* the trace is changed by what comes from the second state of the first bond, 2i on leg (0,1) */
    pt->f[pt->offset[1] + 8 * 2 + 2] = -0.125;
    ck_assert_double_eq_tol(defects_of(pt).trace, 0.25, 1e-15);
    oqt_pt_destroy(pt);
}
END_TEST

/* The finite tensor with its legs made general, by what it does to matrices in the eigenbasis. */
START_TEST(general_legs_have_the_trace_of_diagonal_ones)
{
    enum { N = 12, LEGS = 4 };
    oqt_mpo_tensor mpo[N];
    oqt_pt *finite = new_pt(OQT_PT_TEMPO, 1e-3, N), *pt = NULL;
    oqt_pt_defects defects;
    oqt_error err = {0};

    for (size_t k = 0; k < N; k++) {
        size_t l = finite->bond[k], r = finite->bond[k + 1];
        oqt_complex *all = malloc(l * r * LEGS * LEGS * sizeof *all);

        ASSERT_OK(oqt_pt_tensor(all, finite, k, &err), err);
        mpo[k] = (oqt_mpo_tensor){l, r, LEGS, LEGS, all};
    }
    ASSERT_OK(oqt_pt_create_mpo(&pt, 2, dt, N, mpo, NULL, NULL, NULL, &err), err);
    ck_assert(pt->info.general_legs);
    defects = defects_of(pt);
    ck_assert_double_le(defects.trace, 1e-12);
    ck_assert(defects.hermiticity == 0.0 && defects.n_not_finite == 0 && defects.growth == 1.0);
    /* from (0,0) before to (1,1) behind, at e_0: all that an idle system has in the first step */
    pt->f[3 * pt->bond[1]] += 0.25;
    ck_assert_double_eq_tol(defects_of(pt).trace, 0.25, 1e-12);
    for (size_t k = 0; k < N; k++)
        free((void *)(uintptr_t)mpo[k].data);
    oqt_pt_destroy(finite);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(each_defect_is_seen_by_its_own_number)
{
    oqt_pt *pt = unit_pt();
    oqt_pt_defects defects;

    pt->f[2] =
        0.25; /* row 1, column 0 of leg (0,0): what comes from there is in the trace, but nothing does */
    ck_assert(defects_of(pt).trace == 0.0);
    pt->f[8] = 0.5; /* leg (0,1) goes there, to (1/2, 3/2) and then (1/4, 9/4) .. below a limit of 3 */
    pt->f[8 + 1] = 1.5;
    defects = defects_of(pt);
    ck_assert_double_eq_tol(defects.trace, 0.75, 1e-14);
    ck_assert(defects.hermiticity == 0.0);
    pt->f[2] = 0.0;
    pt->f[1] = 0.75;    /* row 0, column 1: the trace feeds the bond, as it may */
    pt->f[8 + 2] = 0.5; /* coherences are not in the trace */
    ck_assert_double_le(defects_of(pt).trace, 1e-14);
    pt->f[16 + 4 + 1] = -0.375; /* leg (1,1) is its own mirror image */
    defects = defects_of(pt);
    ck_assert(defects.hermiticity == 0.375);
    pt->f[3] = NAN;
    pt->f[11] = INFINITY;
    defects = defects_of(pt);
    ck_assert(defects.n_not_finite == 2 && defects.trace == 0.0 && defects.growth == 0.0);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- failures ---- */

START_TEST(bad_arguments_are_named)
{
    static const struct {
        size_t d;
        double dt;
        const char *text;
    } cases[] = {{0, 0.1, "dimension"},  {257, 0.1, "dimension"}, {2, 0.0, "time step"},
                 {2, -0.1, "time step"}, {2, NAN, "time step"},   {2, INFINITY, "time step"}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oqt_pt *pt = NULL;
        oqt_error err = {0};

        ck_assert_int_eq(oqt_pt_create_trivial(&pt, cases[i].d, cases[i].dt, &err), OQT_EINVAL);
        ck_assert(pt == NULL && strstr(err.text, cases[i].text));
    }
}
END_TEST

static oqt_status make_trivial(void *ctx)
{
    oqt_pt *mark = ctx, *out = mark;
    oqt_status st = oqt_pt_create_trivial(&out, 3, dt, NULL);

    if (st == OQT_OK)
        oqt_pt_destroy(out);
    else
        ck_assert(out == mark);
    return st;
}

static oqt_status check_pt(void *ctx)
{
    oqt_pt_defects defects = {77, 77.0, 77.0, 77.0};
    oqt_status st = oqt_pt_check(&defects, ctx, NULL);

    ck_assert(st == OQT_OK || defects.growth == 77.0);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    oqt_pt *pt = new_pt(OQT_PT_UNIFORM, 1e-3, 0);

    ck_assert_uint_ge(check_every_allocation(make_trivial, &pt), 8);
    ck_assert_uint_ge(check_every_allocation(check_pt, pt), 1);
    oqt_pt_destroy(pt);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pt_check");
    TCase *tc = tcase_create("trivial");

    tcase_add_test(tc, no_environment_is_ones_on_a_bond_of_one);
    tcase_add_test(tc, no_environment_changes_nothing_in_any_place);
    suite_add_tcase(suite, tc);
    tc = tcase_create("defects");
    tcase_add_test(tc, tensors_that_are_built_have_no_defects);
    tcase_add_test(tc, growth_is_the_largest_eigenvalue);
    tcase_add_test(tc, growth_of_a_finite_tensor_is_that_of_its_influence);
    tcase_add_test(tc, general_legs_have_the_trace_of_diagonal_ones);
    tcase_add_test(tc, each_defect_is_seen_by_its_own_number);
    suite_add_tcase(suite, tc);
    tc = tcase_create("failures");
    tcase_add_test(tc, bad_arguments_are_named);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
