/* test_control.c - superoperators at single steps: what acts where, and in which order. */
#include "liouville/control_priv.h"
#include "liouville/hermitian.h"
#include "support.h"

enum { N = 4, NN = 16 };

static const double start = -0.3, dt = 0.1;

static void multiply(oqt_complex *out, const oqt_complex *a, const oqt_complex *b)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < N; k++)
                sum += to_c99(a[i * N + k]) * to_c99(b[k * N + j]);
            out[i * N + j] = from_c99(sum);
        }
}

static oqt_control *new_control(void)
{
    oqt_control *control = NULL;
    oqt_error err;

    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    return control;
}

/* The superoperator that acts, as a complex matrix. */
static oqt__control_kind find(oqt_complex *out, const oqt_control *control, uint64_t step, oqt_when when)
{
    double s1[NN], s2[NN];
    oqt_complex one[NN], two[NN];
    oqt__control_kind kind, only;
    oqt_error err;

    ASSERT_OK(oqt__control_find(&kind, s1, s2, control, step, when, start, dt, &err), err);
    ASSERT_OK(oqt__control_find(&only, NULL, NULL, control, step, when, start, dt, &err), err);
    ck_assert_int_eq(kind, only);
    if (kind == OQT__CONTROL_NONE)
        return kind;
    oqt__herm_superop_to_complex(one, s1, 2);
    oqt__herm_superop_to_complex(two, s2, 2);
    for (size_t i = 0; i < NN; i++)
        out[i] = from_c99(to_c99(one[i]) + I * to_c99(two[i]));
    return kind;
}

static void add(oqt_control *control, uint64_t step, oqt_when when, const oqt_complex *s)
{
    oqt_error err;

    ASSERT_OK(oqt_control_add(control, step, when, s, &err), err);
}

static void add_at(oqt_control *control, double time, oqt_when when, const oqt_complex *s)
{
    oqt_error err;

    ASSERT_OK(oqt_control_add_at(control, time, when, s, &err), err);
}

START_TEST(any_superoperator_comes_back)
{
    uint64_t seed = 3;
    oqt_complex s[NN], found[NN];
    oqt_control *control = new_control();

    random_complex(s, NN, &seed);
    add(control, 5, OQT_POST, s);
    ck_assert_int_eq(find(found, control, 5, OQT_POST), OQT__CONTROL_COMPLEX);
    ck_assert_double_le(max_diff_complex(found, s, NN), 1e-14);
    ck_assert_int_eq(find(found, control, 5, OQT_PRE), OQT__CONTROL_NONE);
    ck_assert_int_eq(find(found, control, 4, OQT_POST), OQT__CONTROL_NONE);
    ck_assert_int_eq(find(found, NULL, 5, OQT_POST), OQT__CONTROL_NONE);
    ck_assert(!oqt__control_is_real(control));
    ck_assert_uint_eq(oqt__control_next_complex(control, 0, start, dt), 5);
    ck_assert_uint_eq(oqt__control_next_complex(control, 5, start, dt), 5);
    ck_assert(oqt__control_next_complex(control, 6, start, dt) == UINT64_MAX);
    ck_assert_uint_eq(oqt_control_dimension(control), 2);
    oqt_control_destroy(control);
    oqt_control_destroy(NULL);
}
END_TEST

/* rho -> sigma_x rho sigma_x is a permutation of the elements, and real. */
START_TEST(what_keeps_matrices_hermitian_is_real)
{
    oqt_complex flip[NN] = {{0}}, found[NN];
    oqt_control *control = new_control();

    for (size_t i = 0; i < N; i++)
        flip[i * N + 3 - i].re = 1.0;
    add(control, 2, OQT_PRE, flip);
    ck_assert_int_eq(find(found, control, 2, OQT_PRE), OQT__CONTROL_REAL);
    ck_assert_double_le(max_diff_complex(found, flip, NN), 1e-15);
    ck_assert(oqt__control_is_real(control));
    ck_assert(oqt__control_next_complex(control, 0, start, dt) == UINT64_MAX);
    oqt_control_destroy(control);
}
END_TEST

/* Before: times ascending, then the step. After: the step, then times ascending. Later ones of one place
 * last. Times -0.149 and -0.101 both belong to step 2 for dt = 0.1 from -0.3. */
START_TEST(controls_act_in_the_order_of_the_reference)
{
    uint64_t seed = 7;
    oqt_complex s[5][NN], a[NN], b[NN], found[NN];
    oqt_control *control = new_control(), *copy;

    for (size_t i = 0; i < 5; i++)
        random_complex(s[i], NN, &seed);
    for (int when = OQT_PRE; when <= OQT_POST; when++) {
        add(control, 2, (oqt_when)when, s[0]);
        add_at(control, -0.101, (oqt_when)when, s[1]);
        add_at(control, -0.149, (oqt_when)when, s[2]);
        add_at(control, -0.101, (oqt_when)when, s[3]);
        add(control, 2, (oqt_when)when, s[4]);
        add(control, 3, (oqt_when)when, s[4]);
        add_at(control, -0.26, (oqt_when)when, s[4]);
    }
    copy = oqt__control_copy(control);
    ck_assert_ptr_nonnull(copy);
    oqt_control_destroy(control);
    /* times: s3 s1 s2, step: s4 s0 */
    multiply(a, s[1], s[2]);
    multiply(b, s[3], a); /* times */
    multiply(a, s[4], s[0]);
    multiply(found, a, b);
    memcpy(s[0], found, sizeof found);
    find(found, copy, 2, OQT_PRE);
    ck_assert_double_le(max_diff_complex(found, s[0], NN), 1e-11);
    multiply(s[0], b, a);
    find(found, copy, 2, OQT_POST);
    ck_assert_double_le(max_diff_complex(found, s[0], NN), 1e-11);
    find(found, copy, 3, OQT_PRE);
    ck_assert_double_le(max_diff_complex(found, s[4], NN), 1e-13);
    find(found, copy, 0, OQT_PRE);
    ck_assert_double_le(max_diff_complex(found, s[4], NN), 1e-13);
    ck_assert_int_eq(find(found, copy, 1, OQT_PRE), OQT__CONTROL_NONE);
    oqt_control_destroy(copy);
}
END_TEST

/* Half to even, as Python's round. 2^-2 is exact in binary. */
START_TEST(times_round_to_the_nearest_step)
{
    static const double times[] = {0.125, 0.375, 0.6251, -0.125, -0.13};
    static const uint64_t steps[] = {0, 2, 3, 0, UINT64_MAX};
    oqt_complex identity[NN] = {{0}};
    double s1[NN], s2[NN];
    oqt_error err;

    for (size_t i = 0; i < N; i++)
        identity[i * N + i].re = 1.0;
    for (size_t k = 0; k < sizeof times / sizeof *times; k++) {
        oqt_control *control = new_control();

        add_at(control, times[k], OQT_PRE, identity);
        for (uint64_t step = 0; step < 5; step++) {
            oqt__control_kind kind;

            ASSERT_OK(oqt__control_find(&kind, s1, s2, control, step, OQT_PRE, 0.0, 0.25, &err), err);
            ck_assert_int_eq(kind, step == steps[k] ? OQT__CONTROL_REAL : OQT__CONTROL_NONE);
        }
        oqt_control_destroy(control);
    }
}
END_TEST

START_TEST(bad_controls_are_refused)
{
    oqt_complex s[NN] = {{0}}, found[NN];
    oqt_control *control = NULL;
    oqt_error err;

    ck_assert_int_eq(oqt_control_create(&control, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_control_create(NULL, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_control_create(&control, 5000, &err), OQT_ERANGE);
    ck_assert_ptr_null(control);
    control = new_control();
    ck_assert_int_eq(oqt_control_add(control, 1, (oqt_when)2, s, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_control_add(control, 1, OQT_PRE, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_control_add(NULL, 1, OQT_PRE, s, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_control_add_at(control, NAN, OQT_PRE, s, &err), OQT_EINVAL);
    s[5].im = INFINITY;
    ck_assert_int_eq(oqt_control_add(control, 1, OQT_PRE, s, &err), OQT_EINVAL);
    ck_assert_int_eq(find(found, control, 1, OQT_PRE), OQT__CONTROL_NONE);
    oqt_control_destroy(control);
}
END_TEST

static oqt_status build_and_find(void *ctx)
{
    static const oqt_complex s[NN] = {{1, 0}, {0, 0}, {0, 2}};
    oqt_control *control = NULL, *copy = NULL;
    double s1[NN], s2[NN];
    oqt__control_kind kind;
    oqt_status st;

    (void)ctx;
    if ((st = oqt_control_create(&control, 2, NULL)) != OQT_OK ||
        (st = oqt_control_add(control, 3, OQT_PRE, s, NULL)) != OQT_OK ||
        (st = oqt_control_add(control, 3, OQT_PRE, s, NULL)) != OQT_OK ||
        (st = oqt_control_add_at(control, 0.0, OQT_PRE, s, NULL)) != OQT_OK)
        goto done;
    copy = oqt__control_copy(control);
    st = copy ? oqt__control_find(&kind, s1, s2, copy, 3, OQT_PRE, start, dt, NULL) : OQT_ENOMEM;
done:
    oqt_control_destroy(copy);
    oqt_control_destroy(control);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_uint_ge(check_every_allocation(build_and_find, NULL), 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("control");
    TCase *t = tcase_create("control");

    tcase_add_test(t, any_superoperator_comes_back);
    tcase_add_test(t, what_keeps_matrices_hermitian_is_real);
    tcase_add_test(t, controls_act_in_the_order_of_the_reference);
    tcase_add_test(t, times_round_to_the_nearest_step);
    tcase_add_test(t, bad_controls_are_refused);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
