/* support.c - what the tests share. */
#include "support.h"

#include <unistd.h>

double random_uniform(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) * 0x1p-53;
}

double random_normal(uint64_t *state)
{
    double u = random_uniform(state), v = random_uniform(state);

    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void random_fill(double *out, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        out[i] = random_normal(state);
}

void random_complex(oqt_complex *out, size_t n, uint64_t *state)
{
    for (size_t i = 0; i < n; i++) {
        out[i].re = random_normal(state);
        out[i].im = random_normal(state);
    }
}

void random_hermitian(oqt_complex *out, size_t d, uint64_t *state)
{
    for (size_t i = 0; i < d; i++) {
        out[i * d + i] = (oqt_complex){random_normal(state), 0.0};
        for (size_t j = i + 1; j < d; j++) {
            oqt_complex z = {random_normal(state), random_normal(state)};

            out[i * d + j] = z;
            out[j * d + i] = (oqt_complex){z.re, -z.im};
        }
    }
}

void random_state(oqt_complex *out, size_t d, uint64_t *state)
{
    oqt_complex *a = malloc(d * d * sizeof *a);
    double trace = 0.0;

    random_complex(a, d * d, state);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < d; k++)
                sum += to_c99(a[i * d + k]) * conj(to_c99(a[j * d + k]));
            out[i * d + j] = from_c99(sum);
            if (i == j)
                trace += creal(sum);
        }
    scale_complex(out, 1.0 / trace, out, d * d);
    free(a);
}

double max_diff(const double *a, const double *b, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++) {
        double diff = fabs(a[i] - b[i]);

        if (!(diff <= largest))
            largest = diff;
    }
    return largest;
}

double max_diff_complex(const oqt_complex *a, const oqt_complex *b, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++) {
        double diff = hypot(a[i].re - b[i].re, a[i].im - b[i].im);

        if (!(diff <= largest))
            largest = diff;
    }
    return largest;
}

const oqt_complex sigma_x[4] = {{0, 0}, {1, 0}, {1, 0}, {0, 0}};
const oqt_complex sigma_y[4] = {{0, 0}, {0, -1}, {0, 1}, {0, 0}};
const oqt_complex sigma_z[4] = {{1, 0}, {0, 0}, {0, 0}, {-1, 0}};
const oqt_complex sigma_minus[4] = {{0, 0}, {0, 0}, {1, 0}, {0, 0}};

void scale_complex(oqt_complex *out, double c, const oqt_complex *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (oqt_complex){c * a[i].re, c * a[i].im};
}

/* ---- failing allocations ---- */

struct failing {
    size_t fail_at; /* 1 is the first; 0 never */
    size_t n_calls;
    long n_live;
};

static void *failing_alloc(size_t alignment, size_t size, void *ctx)
{
    struct failing *f = ctx;
    size_t call = __atomic_add_fetch(&f->n_calls, 1, __ATOMIC_RELAXED);
    void *ptr;

    if (call == f->fail_at)
        return NULL;
    ptr = aligned_alloc(alignment, size);
    if (ptr)
        __atomic_add_fetch(&f->n_live, 1, __ATOMIC_RELAXED);
    return ptr;
}

static void failing_free(void *ptr, void *ctx)
{
    struct failing *f = ctx;

    __atomic_sub_fetch(&f->n_live, 1, __ATOMIC_RELAXED);
    free(ptr);
}

size_t check_every_allocation(fallible_call call, void *ctx)
{
    for (size_t n = 1;; n++) {
        struct failing f = {.fail_at = n};
        oqt_allocator allocator = {failing_alloc, failing_free, &f};
        oqt_status st;

        oqt_set_allocator(&allocator);
        st = call(ctx);
        oqt_set_allocator(NULL);
        ck_assert_msg(f.n_live == 0, "%ld allocations left behind when number %zu fails", f.n_live, n);
        if (f.n_calls < n) {
            ck_assert_msg(st == OQT_OK, "status %d without a failing allocation", (int)st);
            return f.n_calls;
        }
        ck_assert_msg(st == OQT_ENOMEM, "status %d when allocation %zu fails", (int)st, n);
    }
}

double complex trace_product(const oqt_complex *a, const oqt_complex *b, size_t d)
{
    double complex sum = 0.0;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            sum += to_c99(a[i * d + j]) * to_c99(b[j * d + i]);
    return sum;
}

oqt_bath *ohmic_bath(double alpha, double cutoff, double temperature)
{
    oqt_bath *bath = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, alpha, 1.0, cutoff, OQT_CUTOFF_EXPONENTIAL, temperature, &err),
              err);
    return bath;
}

oqt_pt_info info_of(const oqt_pt *pt)
{
    oqt_pt_info info;

    oqt_pt_get_info(&info, pt);
    return info;
}

struct place new_place(void)
{
    struct place p = {.dir = "/tmp/oqt_test_XXXXXX"};

    ck_assert_ptr_nonnull(mkdtemp(p.dir));
    snprintf(p.path, sizeof p.path, "%s/file", p.dir);
    return p;
}

void remove_place(const struct place *p)
{
    unlink(p->path);
    ck_assert_int_eq(rmdir(p->dir), 0);
}

int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
