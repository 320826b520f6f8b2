/* test_drive.c - systems that depend on time or on parameters, and their propagators. */
#include "linalg/linalg.h"
#include "liouville/hermitian.h"
#include "support.h"

enum { D_MAX = 4, N_MAX = D_MAX * D_MAX };

static const double dt = 0.1;

static const oqt_complex zero[N_MAX];

/* ---- callbacks ---- */

static int cosine(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = cos(3.0 * t);
    return 0;
}

static int sine(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = sin(3.0 * t);
    return 0;
}

/* cos(3t) sigma_x + sin(3t) sigma_z */
static int rotating(oqt_complex *op, double t, void *ctx)
{
    (void)ctx;
    op[0].re = sin(3.0 * t);
    op[1].re = op[2].re = cos(3.0 * t);
    op[3].re = -sin(3.0 * t);
    return 0;
}

static int ramp(double *value, double t, void *ctx)
{
    *value = *(double *)ctx * t;
    return 0;
}

static int minus(oqt_complex *op, double t, void *ctx)
{
    (void)t, (void)ctx;
    op[2].re = 1.0;
    return 0;
}

/* A random smooth matrix: a + b sin(1.7 t) + c t^2, Hermitian if a, b and c are. */
struct smooth {
    size_t n;
    oqt_complex a[N_MAX], b[N_MAX], c[N_MAX];
};

static int smooth_op(oqt_complex *op, double t, void *ctx)
{
    struct smooth *s = ctx;

    for (size_t i = 0; i < s->n; i++) {
        op[i].re = s->a[i].re + sin(1.7 * t) * s->b[i].re + t * t * s->c[i].re;
        op[i].im = s->a[i].im + sin(1.7 * t) * s->b[i].im + t * t * s->c[i].im;
    }
    return 0;
}

static int smooth_rate(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 0.2 + 0.1 * cos(2.3 * t);
    return 0;
}

/* ---- systems ---- */

static oqt_system *empty_system(size_t d)
{
    oqt_system *system = NULL;
    oqt_error err;

    ASSERT_OK(oqt_system_create(&system, d, zero, &err), err);
    return system;
}

/* H(t) = cos(3t) sigma_x + sin(3t) sigma_z, from drives or from one callback. */
static oqt_system *rotating_system(bool drives)
{
    oqt_system *system = empty_system(2);
    oqt_error err;

    if (drives) {
        ASSERT_OK(oqt_system_add_drive(system, cosine, NULL, sigma_x, &err), err);
        ASSERT_OK(oqt_system_add_drive(system, sine, NULL, sigma_z, &err), err);
    } else {
        ASSERT_OK(oqt_system_add_hamiltonian_fn(system, rotating, NULL, &err), err);
    }
    return system;
}

/* Constant terms and callbacks of all kinds; s holds what the callbacks borrow. */
static oqt_system *smooth_system(struct smooth s[2], size_t d, uint64_t *seed)
{
    oqt_complex h[N_MAX], op[N_MAX];
    oqt_system *system = NULL;
    oqt_error err;

    random_hermitian(h, d, seed);
    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    random_complex(op, d * d, seed);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.1, op, &err), err);
    s[0].n = s[1].n = d * d;
    random_hermitian(s[0].a, d, seed);
    random_hermitian(s[0].b, d, seed);
    random_hermitian(s[0].c, d, seed);
    random_complex(s[1].a, d * d, seed);
    random_complex(s[1].b, d * d, seed);
    random_complex(s[1].c, d * d, seed);
    ASSERT_OK(oqt_system_add_hamiltonian_fn(system, smooth_op, &s[0], &err), err);
    ASSERT_OK(oqt_system_add_dissipator_fn(system, smooth_rate, NULL, smooth_op, &s[1], &err), err);
    random_hermitian(h, d, seed);
    ASSERT_OK(oqt_system_add_drive(system, sine, NULL, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, smooth_rate, NULL, op, &err), err);
    return system;
}

static void between(oqt_complex *u, const oqt_system *system, double from, double to, oqt_propagation how)
{
    oqt_error err;

    ASSERT_OK(oqt_system_propagator_between(u, system, from, to, NULL, how, &err), err);
}

static void multiply(oqt_complex *out, const oqt_complex *a, const oqt_complex *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < n; k++)
                sum += to_c99(a[i * n + k]) * to_c99(b[k * n + j]);
            out[i * n + j] = from_c99(sum);
        }
}

/* ---- numbers of the reference ---- */

static void check_row(const oqt_complex *u, double first, double re, double im, double last, double tol)
{
    ck_assert_double_eq_tol(u[0].re, first, tol);
    ck_assert_double_eq_tol(u[1].re, re, tol);
    ck_assert_double_eq_tol(u[1].im, im, tol);
    ck_assert_double_eq_tol(u[2].re, re, tol);
    ck_assert_double_eq_tol(u[2].im, -im, tol);
    ck_assert_double_eq_tol(u[3].re, last, tol);
}

START_TEST(half_steps_of_a_rotating_field_are_those_of_the_reference)
{
    for (int drives = 0; drives < 2; drives++) {
        oqt_system *system = rotating_system(drives);
        oqt_complex u[16];

        between(u, system, dt, 1.5 * dt, OQT_PROPAGATE_AVERAGE);
        check_row(u, 0.99784124100870, 8.4974490999525e-4, 4.6404489917554e-2, 2.1587589913029e-3, 1e-13);
        between(u, system, dt, 1.5 * dt, OQT_PROPAGATE_MIDPOINT);
        check_row(u, 0.99783719215531, 8.5133864629201e-4, 4.6447877555711e-2, 2.1628078446940e-3, 1e-13);
        oqt_system_destroy(system);
    }
}
END_TEST

START_TEST(half_steps_of_a_ramp_are_those_of_the_reference)
{
    double half = 0.5, tenth = 0.1;
    oqt_system *system = empty_system(2);
    oqt_complex u[16];
    oqt_error err;

    ASSERT_OK(oqt_system_add_drive(system, ramp, &half, sigma_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_fn(system, ramp, &tenth, minus, NULL, &err), err);
    for (int how = OQT_PROPAGATE_AVERAGE; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        between(u, system, dt, 1.5 * dt, (oqt_propagation)how);
        ck_assert_double_eq_tol(u[0].re, 0.99936543679721, 2e-14);
        between(u, system, 1.5 * dt, 2.0 * dt, (oqt_propagation)how);
        ck_assert_double_eq_tol(u[0].re, 0.99910626172903, 2e-14);
    }
    oqt_system_destroy(system);
}
END_TEST

/* ---- accuracy ---- */

/* The propagator by many small steps of the classical Runge-Kutta method for dU/dt = L(t) U. */
static void runge_kutta(oqt_complex *u, const oqt_system *system, double from, double to, size_t n_steps)
{
    size_t d = oqt_system_dimension(system), n = d * d, nn = n * n;
    double h = (to - from) / (double)n_steps;
    oqt_complex l[N_MAX * N_MAX], k[N_MAX * N_MAX], at[N_MAX * N_MAX], sum[N_MAX * N_MAX];
    oqt_error err;

    for (size_t i = 0; i < nn; i++)
        u[i] = (oqt_complex){i % (n + 1) == 0, 0.0};
    for (size_t s = 0; s < n_steps; s++) {
        static const double shift[4] = {0.0, 0.5, 0.5, 1.0}, weight[4] = {1 / 6., 1 / 3., 1 / 3., 1 / 6.};

        memcpy(sum, u, nn * sizeof *u);
        for (int stage = 0; stage < 4; stage++) {
            ASSERT_OK(oqt_system_liouvillian_at(l, system, from + ((double)s + shift[stage]) * h, NULL, &err),
                      err);
            for (size_t i = 0; i < nn; i++)
                at[i] = from_c99(to_c99(u[i]) + (stage ? shift[stage] * h * to_c99(k[i]) : 0.0));
            multiply(k, l, at, n);
            for (size_t i = 0; i < nn; i++)
                sum[i] = from_c99(to_c99(sum[i]) + weight[stage] * h * to_c99(k[i]));
        }
        memcpy(u, sum, nn * sizeof *u);
    }
}

/* Error over a fixed time of n half steps. */
static double scheme_error(const oqt_complex *exact, const oqt_system *system, size_t n, oqt_propagation how)
{
    size_t d = oqt_system_dimension(system), d2 = d * d, d4 = d2 * d2;
    const double from = 0.21, time = 0.8;
    oqt_complex u[N_MAX * N_MAX], half[N_MAX * N_MAX], next[N_MAX * N_MAX];

    for (size_t k = 0; k < n; k++) {
        between(half, system, from + time * (double)k / (double)n, from + time * (double)(k + 1) / (double)n,
                how);
        if (k > 0)
            multiply(next, half, u, d2);
        memcpy(u, k > 0 ? next : half, d4 * sizeof *u);
    }
    return max_diff_complex(u, exact, d4);
}

START_TEST(schemes_converge_with_their_order)
{
    static const double order[] = {4.0, 2.0, 2.0};
    uint64_t seed = 41;

    for (size_t d = 2; d <= 3; d++) {
        struct smooth s[2];
        oqt_system *system = smooth_system(s, d, &seed);
        oqt_complex exact[N_MAX * N_MAX];

        runge_kutta(exact, system, 0.21, 1.01, 600);
        for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
            double coarse = scheme_error(exact, system, 12, (oqt_propagation)how);
            double fine = scheme_error(exact, system, 24, (oqt_propagation)how);

            ck_assert_double_eq_tol(log2(coarse / fine), order[how], 0.25);
            ck_assert_double_ge(fine, 1e-9); /* far above the error of what is compared with */
        }
        oqt_system_destroy(system);
    }
}
END_TEST

static int square_pulse(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = t >= 0.1234567 && t < 0.1434567 ? 7.0 : 0.0;
    return 0;
}

static int short_pulse(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 300.0 * exp(-0.5 * pow((t - 0.117) / 5e-4, 2.0));
    return 0;
}

/* For one operator the integral of the amplitude is all that counts: exp(-i theta sigma_x). The nodes of a
 * piece stay 0.4 % away from its ends, where a jump goes unseen. */
START_TEST(averages_see_jumps_and_short_pulses)
{
    const double theta[2] = {7.0 * 0.02, 300.0 * 5e-4 * sqrt(8.0 * atan(1.0))};

    for (int which = 0; which < 2; which++) {
        oqt_system *system = empty_system(2);
        oqt_complex u[16];
        oqt_error err;

        ASSERT_OK(oqt_system_add_drive(system, which ? short_pulse : square_pulse, NULL, sigma_x, &err), err);
        between(u, system, 0.1, 0.15, OQT_PROPAGATE_AVERAGE);
        ck_assert_double_eq_tol(u[0].re, pow(cos(theta[which]), 2.0), which ? 1e-8 : 1e-5);
        oqt_system_destroy(system);
    }
}
END_TEST

static int tail(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = exp(-0.5 * (t / 0.01) * (t / 0.01));
    return 0;
}

/* Down to numbers whose squares, and which themselves, are no longer normal. */
START_TEST(averages_take_tails_of_pulses_that_underflow)
{
    oqt_system *system = empty_system(2);
    oqt_complex u[16], identity[16] = {{0}};
    oqt_error err;

    for (int i = 0; i < 4; i++)
        identity[5 * i].re = 1.0;
    ASSERT_OK(oqt_system_add_drive(system, tail, NULL, sigma_x, &err), err);
    for (int k = 20; k < 100; k++) {
        between(u, system, 0.005 * k, 0.005 * (k + 1), OQT_PROPAGATE_AVERAGE);
        ck_assert_double_lt(max_diff_complex(u, identity, 16), 1e-15);
    }
    oqt_system_destroy(system);
}
END_TEST

static int noise(double *value, double t, void *ctx)
{
    uint64_t *seed = ctx;

    (void)t;
    *value = random_normal(seed);
    return 0;
}

START_TEST(an_integral_without_end_is_given_up)
{
    uint64_t seed = 5;
    oqt_system *system = empty_system(2);
    oqt_complex u[16] = {{7, 7}};
    oqt_error err;

    ASSERT_OK(oqt_system_add_drive(system, noise, &seed, sigma_x, &err), err);
    ck_assert_int_eq(oqt_system_propagator_between(u, system, 0.1, 0.2, NULL, OQT_PROPAGATE_AVERAGE, &err),
                     OQT_ECONV);
    ck_assert_ptr_nonnull(strstr(err.text, "0.1"));
    ck_assert(u[0].re == 7.0);
    oqt_system_destroy(system);
}
END_TEST

/* The exponential against that of LAPACK, for all degrees and with squarings. */
START_TEST(small_exponentials_are_those_of_higham)
{
    uint64_t seed = 17;

    for (size_t n = 1; n <= 25; n += n < 10 ? 1 : 5)
        for (int e = -30; e <= 5; e++) {
            double a[625], x[625], y[625], ws[7 * 625], largest = 0.0;
            oqt_error err;

            random_fill(a, n * n, &seed);
            for (size_t i = 0; i < n * n; i++)
                a[i] = ldexp(a[i] / (double)n, e);
            ck_assert(oqt__expm_small(x, a, n, ws));
            ASSERT_OK(oqt__expm(y, a, n, &err), err);
            for (size_t i = 0; i < n * n; i++)
                largest = fmax(largest, fabs(y[i]));
            ck_assert_double_le(max_diff(x, y, n * n), 1e-14 * fmax(1.0, ldexp(1.0, e)) * largest);
        }
    ck_assert(!oqt__expm_small((double[1]){0}, (double[1]){NAN}, 1, (double[7]){0}));
    ck_assert(!oqt__expm_small((double[1]){0}, (double[1]){1e4}, 1, (double[7]){0}));
}
END_TEST

/* ---- what a system is made of ---- */

START_TEST(terms_add_up_to_the_liouvillian)
{
    const double t = 0.37, rate = 0.2 + 0.1 * cos(2.3 * t);
    uint64_t seed = 23;
    struct smooth s[2];
    oqt_complex h[9], b[9], op[9], at[9] = {{0}}, l[81], expected[81];
    oqt_system *system = NULL, *frozen = NULL;
    oqt_error err;

    random_hermitian(h, 3, &seed);
    random_hermitian(b, 3, &seed);
    random_complex(op, 9, &seed);
    s[0].n = 9;
    random_complex(s[0].a, 9, &seed);
    random_complex(s[0].b, 9, &seed);
    random_complex(s[0].c, 9, &seed);
    ASSERT_OK(oqt_system_create(&system, 3, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_fn(system, smooth_rate, NULL, smooth_op, &s[0], &err), err);
    ASSERT_OK(oqt_system_add_drive(system, sine, NULL, b, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, smooth_rate, NULL, op, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.3, op, &err), err); /* constant ones may come later */
    ASSERT_OK(oqt_system_liouvillian_at(l, system, t, NULL, &err), err);

    for (size_t i = 0; i < 9; i++)
        h[i] = from_c99(to_c99(h[i]) + sin(3.0 * t) * to_c99(b[i]));
    smooth_op(at, t, &s[0]);
    ASSERT_OK(oqt_system_create(&frozen, 3, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(frozen, rate, at, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(frozen, rate + 0.3, op, &err), err);
    oqt_system_liouvillian(expected, frozen);
    ck_assert_double_le(max_diff_complex(l, expected, 81), 1e-13);
    ck_assert(!oqt_system_is_constant(system));
    ck_assert(oqt_system_is_constant(frozen));
    ck_assert_int_eq(oqt_system_propagator(l, system, 0.1, &err), OQT_EINVAL);
    oqt_system_destroy(system);
    oqt_system_destroy(frozen);
}
END_TEST

START_TEST(a_constant_system_has_the_same_halves_in_all_schemes)
{
    uint64_t seed = 29;
    oqt_complex h[9], op[9], u[81], expected[81];
    oqt_system *system = NULL;
    oqt_error err;

    random_hermitian(h, 3, &seed);
    random_complex(op, 9, &seed);
    ASSERT_OK(oqt_system_create(&system, 3, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.3, op, &err), err);
    ASSERT_OK(oqt_system_propagator(expected, system, 0.2, &err), err);
    for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        between(u, system, 0.9, 1.1, (oqt_propagation)how);
        ck_assert_double_le(max_diff_complex(u, expected, 81), 1e-14);
    }
    oqt_system_destroy(system);
}
END_TEST

START_TEST(halves_of_a_step_are_those_of_its_times)
{
    uint64_t seed = 31;
    struct smooth s[2];
    oqt_system *system = smooth_system(s, 3, &seed), *copy = oqt__system_copy(system);
    const oqt_system *const list[1] = {copy};
    oqt__halves_ws ws = {0};
    double halves[2 * 81];
    oqt_complex u[81], expected[81];
    oqt_error err;

    ck_assert_ptr_nonnull(copy);
    ASSERT_OK(oqt__halves_ws_init(&ws, 1, list, &err), err);
    for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        ASSERT_OK(oqt__system_halves(halves, copy, -0.3, dt, 7, NULL, (oqt_propagation)how, &ws, &err), err);
        for (size_t k = 0; k < 2; k++) {
            oqt__herm_superop_to_complex(u, halves + k * 81, 3);
            between(expected, system, 0.4 + 0.05 * (double)k, 0.45 + 0.05 * (double)k, (oqt_propagation)how);
            ck_assert_double_le(max_diff_complex(u, expected, 81), 1e-13);
        }
    }
    oqt__halves_ws_release(&ws);
    oqt_system_destroy(copy);
    oqt_system_destroy(system);
}
END_TEST

/* ---- parameters: numbers of the reference for gradients ---- */

static int field(oqt_complex *op, const double *p, void *ctx)
{
    (void)ctx;
    op[0].re = 0.5 * p[1];
    op[1].re = op[2].re = 0.5 * p[0];
    op[3].re = -0.5 * p[1];
    return 0;
}

static int parameter_rate(double *value, const double *p, void *ctx)
{
    (void)ctx;
    *value = p[2];
    return 0;
}

static int parameter_minus(oqt_complex *op, const double *p, void *ctx)
{
    (void)p;
    return minus(op, 0.0, ctx);
}

START_TEST(half_steps_of_parameters_are_those_of_the_reference)
{
    const double row[3] = {1.2, 0.4, 0.1};
    oqt_complex half_x[4], half_z[4], u[16];
    oqt_error err;

    scale_complex(half_x, 0.5, sigma_x, 4);
    scale_complex(half_z, 0.5, sigma_z, 4);
    for (int callbacks = 0; callbacks < 2; callbacks++) {
        oqt_system *system = empty_system(2);

        ASSERT_OK(oqt_system_set_parameters(system, 3, &err), err);
        if (callbacks) {
            ASSERT_OK(oqt_system_add_parameter_hamiltonian(system, field, NULL, &err), err);
            ASSERT_OK(oqt_system_add_parameter_dissipator(system, parameter_rate, NULL, parameter_minus, NULL,
                                                          &err),
                      err);
        } else {
            ASSERT_OK(oqt_system_add_parameter(system, 1, half_z, &err), err);
            ASSERT_OK(oqt_system_add_parameter(system, 0, half_x, &err), err);
            ASSERT_OK(oqt_system_add_dissipator(system, 0.1, sigma_minus, &err), err);
        }
        ck_assert_uint_eq(oqt_system_n_parameters(system), 3);
        for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
            ASSERT_OK(oqt_system_propagator_between(u, system, dt, 1.5 * dt, row, (oqt_propagation)how, &err),
                      err);
            ck_assert_double_eq_tol(u[0].re, 0.99411801503441, 2e-14);
            ck_assert_double_eq_tol(u[1].re, 2.9890207439880e-4, 1e-16);
            ck_assert_double_eq_tol(u[1].im, 0.029867796053119, 1e-15);
            ck_assert_double_eq_tol(u[3].re, 8.9745420121683e-4, 1e-16);
        }
        ck_assert_int_eq(
            oqt_system_propagator_between(u, system, dt, 1.5 * dt, NULL, OQT_PROPAGATE_MAGNUS, &err),
            OQT_EINVAL);
        oqt_system_destroy(system);
    }
}
END_TEST

/* ---- rates of a coupling ---- */

START_TEST(a_driven_system_has_the_rates_of_its_mean)
{
    const double o[2] = {0.5, -0.5};
    const oqt_complex identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    double slope = 0.8, rate;
    oqt_complex h[4], l[16], expected[16];
    oqt_system *system = empty_system(2), *mean = NULL, *frozen = NULL;
    oqt_error err;

    /* H = 0.8 t sigma_x over [1, 3]: the row sum is 2 |b|, the width too; both grow linearly */
    ASSERT_OK(oqt_system_add_drive(system, ramp, &slope, sigma_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.0, sigma_minus, &err), err);
    ASSERT_OK(oqt__system_mean(&mean, &rate, system, o, identity, 1.0, 2.0, &err), err);
    ck_assert_double_eq_tol(rate, 2.0 * 0.8 * 2.0, 1e-13);
    ck_assert_double_eq_tol(oqt_system_spectral_width(mean), 2.0 * 0.8 * 2.0, 1e-13);
    ck_assert(oqt_system_is_constant(mean));
    scale_complex(h, 1.6, sigma_x, 4);
    ASSERT_OK(oqt_system_create(&frozen, 2, h, &err), err);
    oqt_system_liouvillian(l, mean);
    oqt_system_liouvillian(expected, frozen);
    ck_assert_double_le(max_diff_complex(l, expected, 16), 1e-13);
    oqt_system_destroy(frozen);
    oqt_system_destroy(mean);
    oqt_system_destroy(system);

    system = empty_system(2);
    ASSERT_OK(oqt_system_add_drive(system, ramp, &slope, sigma_z, &err), err);
    ASSERT_OK(oqt__system_mean(&mean, &rate, system, o, identity, 1.0, 2.0, &err), err);
    ck_assert_double_eq(rate, 0.0);
    ck_assert_double_eq_tol(oqt_system_spectral_width(mean), 2.0 * 0.8 * 2.0, 1e-13);
    oqt_system_destroy(mean);
    /* a callback might leave the legs, and is not believed to stay */
    ASSERT_OK(oqt_system_add_hamiltonian_fn(system, rotating, NULL, &err), err);
    ASSERT_OK(oqt__system_leg_rate(&rate, system, o, identity, &err), err);
    ck_assert(rate > 0.0);
    oqt_system_destroy(system);
}
END_TEST

/* ---- failures ---- */

static int fails_late(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 1.0;
    return t > 0.5;
}

static int not_finite(double *value, double t, void *ctx)
{
    (void)t, (void)ctx;
    *value = INFINITY;
    return 0;
}

static int not_hermitian(oqt_complex *op, double t, void *ctx)
{
    (void)t, (void)ctx;
    op[1].re = 1.0;
    op[2].re = 1.0 + 1e-9;
    return 0;
}

static void refused(const oqt_system *system, double t, oqt_status status, const char *text)
{
    for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        oqt_complex u[16] = {{7, 7}};
        oqt_error err = {0};

        ck_assert_int_eq(
            oqt_system_propagator_between(u, system, t, t + 0.01, NULL, (oqt_propagation)how, &err), status);
        ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
        ck_assert(u[0].re == 7.0 && u[0].im == 7.0);
    }
}

START_TEST(bad_callbacks_are_named_with_their_time)
{
    oqt_system *system = empty_system(2);
    oqt_complex u[16];
    oqt_error err;

    ASSERT_OK(oqt_system_add_drive(system, fails_late, NULL, sigma_x, &err), err);
    between(u, system, 0.1, 0.2, OQT_PROPAGATE_MAGNUS);
    refused(system, 0.7, OQT_ECALLBACK, "t = 0.70");
    oqt_system_destroy(system);

    system = empty_system(2);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, not_finite, NULL, sigma_x, &err), err);
    refused(system, 0.7, OQT_ECALLBACK, "rate at t = 0.70");
    oqt_system_destroy(system);

    system = empty_system(2);
    ASSERT_OK(oqt_system_add_hamiltonian_fn(system, not_hermitian, NULL, &err), err);
    refused(system, 0.7, OQT_ECALLBACK, "t = 0.70");
    oqt_system_destroy(system);
}
END_TEST

START_TEST(bad_terms_leave_the_system)
{
    const oqt_complex lopsided[4] = {{0, 0}, {1, 0}, {0, 0}, {0, 0}}, nan[4] = {{NAN, 0}};
    oqt_system *system = empty_system(2);
    oqt_error err;

    ck_assert_int_eq(oqt_system_add_drive(system, sine, NULL, lopsided, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_drive(system, NULL, NULL, sigma_x, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_drive(system, sine, NULL, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_drive(NULL, sine, NULL, sigma_x, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_dissipator_rate(system, sine, NULL, nan, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_hamiltonian_fn(system, NULL, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_dissipator_fn(system, sine, NULL, NULL, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_parameter(system, 0, sigma_x, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_parameter_hamiltonian(system, field, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(
        oqt_system_add_parameter_dissipator(system, parameter_rate, NULL, parameter_minus, NULL, &err),
        OQT_EINVAL);
    ck_assert_int_eq(oqt_system_set_parameters(system, 0, &err), OQT_EINVAL);
    ck_assert(oqt_system_is_constant(system));
    ASSERT_OK(oqt_system_set_parameters(system, 2, &err), err);
    ck_assert_int_eq(oqt_system_set_parameters(system, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_parameter(system, 2, sigma_x, &err), OQT_EINVAL);
    ck_assert(oqt_system_is_constant(system));
    oqt_system_destroy(system);
}
END_TEST

START_TEST(bad_propagations_are_refused)
{
    oqt_system *system = rotating_system(true);
    oqt_complex u[16] = {{7, 7}};
    oqt_error err;

    ck_assert_int_eq(oqt_system_propagator_between(u, system, 0, 1, NULL, (oqt_propagation)9, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(oqt_system_propagator_between(u, system, NAN, 1, NULL, OQT_PROPAGATE_MAGNUS, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(oqt_system_propagator_between(u, NULL, 0, 1, NULL, OQT_PROPAGATE_MAGNUS, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(oqt_system_liouvillian_at(u, system, INFINITY, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_liouvillian_at(NULL, system, 0.0, NULL, &err), OQT_EINVAL);
    ck_assert(u[0].re == 7.0);
    oqt_system_destroy(system);
}
END_TEST

static oqt_status build_and_propagate(void *ctx)
{
    oqt_system *system = NULL, *copy = NULL;
    oqt_complex u[16];
    oqt_status st;

    (void)ctx;
    if ((st = oqt_system_create(&system, 2, sigma_z, NULL)) != OQT_OK ||
        (st = oqt_system_add_drive(system, sine, NULL, sigma_x, NULL)) != OQT_OK ||
        (st = oqt_system_add_hamiltonian_fn(system, rotating, NULL, NULL)) != OQT_OK ||
        (st = oqt_system_add_dissipator_rate(system, smooth_rate, NULL, sigma_minus, NULL)) != OQT_OK)
        goto done;
    copy = oqt__system_copy(system);
    if (!copy) {
        st = OQT_ENOMEM;
        goto done;
    }
    if ((st = oqt_system_propagator_between(u, copy, 0.0, 0.1, NULL, OQT_PROPAGATE_AVERAGE, NULL)) == OQT_OK)
        st = oqt_system_liouvillian_at(u, copy, 0.0, NULL, NULL);
done:
    oqt_system_destroy(copy);
    oqt_system_destroy(system);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_uint_ge(check_every_allocation(build_and_propagate, NULL), 20);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("drive");
    TCase *t = tcase_create("drive");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, half_steps_of_a_rotating_field_are_those_of_the_reference);
    tcase_add_test(t, half_steps_of_a_ramp_are_those_of_the_reference);
    tcase_add_test(t, schemes_converge_with_their_order);
    tcase_add_test(t, averages_see_jumps_and_short_pulses);
    tcase_add_test(t, averages_take_tails_of_pulses_that_underflow);
    tcase_add_test(t, an_integral_without_end_is_given_up);
    tcase_add_test(t, small_exponentials_are_those_of_higham);
    tcase_add_test(t, terms_add_up_to_the_liouvillian);
    tcase_add_test(t, a_constant_system_has_the_same_halves_in_all_schemes);
    tcase_add_test(t, halves_of_a_step_are_those_of_its_times);
    tcase_add_test(t, half_steps_of_parameters_are_those_of_the_reference);
    tcase_add_test(t, a_driven_system_has_the_rates_of_its_mean);
    tcase_add_test(t, bad_callbacks_are_named_with_their_time);
    tcase_add_test(t, bad_terms_leave_the_system);
    tcase_add_test(t, bad_propagations_are_refused);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
