/* test_core.c - status texts, checked sizes, memory, the BLAS guard. */
#include "core/blas_control.h"
#include "core/core.h"
#include "support.h"

START_TEST(every_status_has_a_text)
{
    ck_assert_str_eq(oqt_status_text(OQT_OK), "success");
    ck_assert_str_eq(oqt_status_text(OQT_ENOMEM), "out of memory");
    ck_assert_str_eq(oqt_status_text((oqt_status)4711), "unknown status");
}
END_TEST

START_TEST(failure_writes_code_and_cut_text)
{
    oqt_error err;
    char longer[400];

    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(oqt__fail(&err, OQT_EINVAL, "step %d of %s", 3, longer), OQT_EINVAL);
    ck_assert_int_eq(err.code, OQT_EINVAL);
    ck_assert_uint_eq(strlen(err.text), sizeof err.text - 1);
    ck_assert_int_eq(strncmp(err.text, "step 3 of xxx", 13), 0);
    ck_assert_int_eq(oqt__fail(NULL, OQT_EIO, "no place for it"), OQT_EIO);
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    size_t out = 17;

    ck_assert(oqt__mul_size(&out, SIZE_MAX / 3, 3));
    ck_assert_uint_eq(out, SIZE_MAX / 3 * 3);
    ck_assert(!oqt__mul_size(&out, SIZE_MAX / 3 + 1, 3));
    ck_assert_uint_eq(out, SIZE_MAX / 3 * 3);
    ck_assert_ptr_null(oqt__calloc(SIZE_MAX / 4, 8));
    ck_assert_ptr_null(oqt__calloc(SIZE_MAX - 100, 1));
}
END_TEST

START_TEST(memory_is_aligned_zeroed_and_padded)
{
    for (size_t n = 0; n < 40; n += 13) {
        double *p = oqt__doubles(n);

        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n + 8; i++) /* 64 bytes beyond the end are ours as well */
            ck_assert(p[i] == 0.0);
        oqt__free(p);
    }
    oqt__free(NULL);
}
END_TEST

/* The same options in three versions of a library. */
struct first_options {
    size_t struct_size;
    double tolerance;
};
struct second_options {
    size_t struct_size;
    double tolerance, cutoff;
};
struct third_options {
    size_t struct_size;
    double tolerance, cutoff;
    void *ctx;
};

static oqt_status read_second(struct second_options *out, const void *given, oqt_error *err)
{
    static const struct second_options defaults = {sizeof defaults, 1e-3, 7.5};

    return oqt__options_read(out, given, &defaults, sizeof(struct first_options), sizeof *out, "test", err);
}

START_TEST(options_of_an_earlier_version_are_read_with_defaults_for_the_rest)
{
    struct first_options *earlier = malloc(sizeof *earlier); /* so that reading more is seen by sanitizers */
    struct second_options now = {sizeof now, 0.25, 0.5}, out = {0, 0.0, 0.0};
    oqt_error err = {0};

    ck_assert_ptr_nonnull(earlier);
    *earlier = (struct first_options){sizeof *earlier, 0.125};
    ASSERT_OK(read_second(&out, earlier, &err), err);
    ck_assert(out.struct_size == sizeof out && out.tolerance == 0.125 && out.cutoff == 7.5);
    ASSERT_OK(read_second(&out, &now, &err), err);
    ck_assert(out.struct_size == sizeof out && out.tolerance == 0.25 && out.cutoff == 0.5);
    ASSERT_OK(read_second(&out, NULL, &err), err);
    ck_assert(out.struct_size == sizeof out && out.tolerance == 1e-3 && out.cutoff == 7.5);
    free(earlier);
}
END_TEST

START_TEST(options_of_a_later_version_or_without_a_size_are_refused)
{
    struct third_options later = {sizeof later, 0.25, 0.5, NULL};
    struct second_options none = {0, 0.25, 0.5}, out = {11, 22.0, 33.0};
    oqt_error err = {0};

    ck_assert_int_eq(read_second(&out, &later, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "later version"));
    ck_assert_int_eq(read_second(&out, &none, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "test options of 0 bytes"));
    none.struct_size = sizeof(struct first_options) - 1;
    ck_assert_int_eq(read_second(&out, &none, &err), OQT_EINVAL);
    ck_assert(out.struct_size == 11 && out.tolerance == 22.0 && out.cutoff == 33.0);
}
END_TEST

static oqt_status allocate_three(void *ctx)
{
    double *a = oqt__doubles(3), *b = oqt__doubles(5), *c = oqt__copy("abc", 4, 1);
    oqt_status st = a && b && c ? OQT_OK : OQT_ENOMEM;

    (void)ctx;
    oqt__free(a);
    oqt__free(b);
    oqt__free(c);
    return st;
}

START_TEST(each_allocation_can_be_made_to_fail)
{
    ck_assert_uint_eq(check_every_allocation(allocate_three, NULL), 3);
}
END_TEST

START_TEST(runtime_names_the_build)
{
    oqt_runtime run;

    oqt_get_runtime(&run);
    ck_assert_str_eq(run.version, OQT_VERSION);
    ck_assert_str_eq(run.version, oqt_version());
    ck_assert_int_ge(run.max_threads, 1);
    ck_assert(run.blas_kind == OQT_BLAS_UNKNOWN || strncmp(run.blas, "OpenBLAS", 8) == 0);
}
END_TEST

START_TEST(blas_guard_nests_and_restores)
{
    const oqt__blas_control *blas = oqt__blas_control_get();
    oqt__blas_guard outer = {false}, inner = {false};
    int before;

    if (!blas->set_threads || blas->kind == OQT_BLAS_SERIAL)
        return; /* nothing to restore */
    blas->set_threads(2);
    before = blas->get_threads();
    oqt__blas_enter(&outer);
    ck_assert_int_eq(blas->get_threads(), 1);
    oqt__blas_enter(&inner);
    oqt__blas_leave(&inner);
    ck_assert_int_eq(blas->get_threads(), 1);
    oqt__blas_leave(&outer);
    ck_assert_int_eq(blas->get_threads(), before);
    oqt__blas_leave(&outer); /* a second leave does nothing */
    ck_assert_int_eq(blas->get_threads(), before);
}
END_TEST

START_TEST(serial_blas_gets_one_caller)
{
    int expected = oqt__blas_control_get()->kind == OQT_BLAS_SERIAL ? 1 : oqt__threads(2, 5);

    ck_assert_int_eq(oqt__blas_callers(2, 5), expected);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core");
    TCase *tc = tcase_create("core");

    tcase_add_test(tc, every_status_has_a_text);
    tcase_add_test(tc, failure_writes_code_and_cut_text);
    tcase_add_test(tc, sizes_that_overflow_are_refused);
    tcase_add_test(tc, memory_is_aligned_zeroed_and_padded);
    tcase_add_test(tc, options_of_an_earlier_version_are_read_with_defaults_for_the_rest);
    tcase_add_test(tc, options_of_a_later_version_or_without_a_size_are_refused);
    tcase_add_test(tc, each_allocation_can_be_made_to_fail);
    tcase_add_test(tc, runtime_names_the_build);
    tcase_add_test(tc, blas_guard_nests_and_restores);
    tcase_add_test(tc, serial_blas_gets_one_caller);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
