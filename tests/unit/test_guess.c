/* test_guess.c - proposed parameters, and estimates of the errors that settings make. */
#include "support.h"

static oqt_system *system_of(double c, const oqt_complex *op, double shift)
{
    oqt_complex h[4];
    oqt_system *system = NULL;
    oqt_error err = {0};

    scale_complex(h, c, op, 4);
    h[0].re += shift;
    h[3].re += shift;
    ASSERT_OK(oqt_system_create(&system, 2, h, &err), err);
    return system;
}

static oqt_guess guess(const oqt_bath *bath, const oqt_system *system, double end, double tolerance)
{
    oqt_guess_options opt = OQT_GUESS_OPTIONS_INIT;
    oqt_guess out = {0};
    oqt_error err = {0};

    opt.tolerance = tolerance;
    ASSERT_OK(oqt_guess_parameters(&out, 1, &bath, system, 0.0, end, &opt, &err), err);
    return out;
}

static void expect(oqt_guess g, double dt, size_t memory_steps, double epsrel, oqt_guess_limit limit)
{
    ck_assert_msg(g.dt == dt && g.memory_steps == memory_steps && g.epsrel == epsrel && g.limited_by == limit,
                  "found dt %.17g, %zu steps, epsrel %.17g, limited by %d", g.dt, g.memory_steps, g.epsrel,
                  (int)g.limited_by);
}

/* ---- proposals ---- */

/* spec/physics.md, P.12: numbers of OQuPy 0.5.0. */
START_TEST(the_bath_gives_the_numbers_of_the_reference)
{
    oqt_bath *warm = ohmic_bath(0.8, 2.5, 0.2), *cold = ohmic_bath(0.3, 5.0, 0.0);

    expect(guess(warm, NULL, 5.0, 0.01), 0.125, 20, 6.903e-5, OQT_LIMIT_BATH);
    expect(guess(warm, NULL, 5.0, 3.9e-3), 0.0625, 47, 6.513e-6, OQT_LIMIT_BATH);
    expect(guess(cold, NULL, 2.0, 3.9e-3), 0.05, 38, 9.27e-6, OQT_LIMIT_BATH);
    ck_assert_int_eq(guess(cold, NULL, 2.0, 3.9e-3).grid_limit_hit, 0);
    expect(guess(cold, NULL, 2.0, 1e-5), 0.0125, 161, 2.16e-9, OQT_LIMIT_BATH);
    ck_assert_int_eq(guess(cold, NULL, 2.0, 1e-5).grid_limit_hit, 1);
    oqt_bath_destroy(warm);
    oqt_bath_destroy(cold);
}
END_TEST

START_TEST(the_defaults_are_those_of_the_reference)
{
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);
    oqt_guess g = {0};
    oqt_error err = {0};

    ASSERT_OK(oqt_guess_parameters(&g, 1, (const oqt_bath *const *)&bath, NULL, -2.0, 3.0, NULL, &err), err);
    expect(g, 0.0625, 47, 6.513e-6, OQT_LIMIT_BATH);
    ck_assert_double_eq_tol(g.tolerance, 3.9e-5, 1e-18);
    oqt_bath_destroy(bath);
}
END_TEST

/* P.12 has H = 4 sigma_x, whose squared norm 16 is a norm here; 9 is that of the pulse below at its maximum.
 */
START_TEST(a_system_gives_the_numbers_of_the_reference_for_the_square_root_of_its_norm)
{
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);
    oqt_system *fast = system_of(16.0, sigma_x, 0.0), *slower = system_of(9.0, sigma_y, 0.0);
    oqt_error err = {0};

    ASSERT_OK(oqt_system_add_dissipator(fast, 0.08, sigma_minus, &err), err);
    expect(guess(bath, fast, 5.0, 0.01), 0.03125, 80, 6.903e-6, OQT_LIMIT_SYSTEM);
    expect(guess(bath, slower, 5.0, 0.01), 0.05556, 45, 1.795e-5, OQT_LIMIT_SYSTEM);
    oqt_system_destroy(fast);
    oqt_system_destroy(slower);
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(half_a_radian_of_the_fastest_part_is_a_step)
{
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);
    oqt_system *system = system_of(4.0, sigma_x, 0.0), *shifted = system_of(8.0, sigma_x, 77.0);
    oqt_system *none = system_of(0.0, sigma_x, 0.0);
    oqt_complex triple[4];
    oqt_error err = {0};

    /* 0.5 / 4 is the step of the bath. */
    expect(guess(bath, system, 5.0, 0.01), 0.125, 20, 6.903e-5, OQT_LIMIT_BATH);
    ck_assert_double_eq(guess(bath, shifted, 5.0, 0.01).dt, 0.0625);
    expect(guess(bath, none, 5.0, 0.01), 0.125, 20, 6.903e-5, OQT_LIMIT_BATH);
    /* |-3| times the norm 3 of 3 sigma_minus, then 2 of it: the largest counts. */
    scale_complex(triple, 3.0, sigma_minus, 4);
    ASSERT_OK(oqt_system_add_dissipator(system, -3.0, triple, &err), err);
    ck_assert_double_eq(guess(bath, system, 5.0, 0.01).dt, 0.05556);
    ASSERT_OK(oqt_system_add_dissipator(system, 2.0, triple, &err), err);
    ck_assert_double_eq(guess(bath, system, 5.0, 0.01).dt, 0.05556);
    oqt_system_destroy(system);
    oqt_system_destroy(shifted);
    oqt_system_destroy(none);
    oqt_bath_destroy(bath);
}
END_TEST

struct pulse {
    double height, center, width;
};

static int gaussian(double *value, double t, void *ctx)
{
    const struct pulse *p = ctx;
    double x = (t - p->center) / p->width;

    *value = p->height * exp(-x * x);
    return 0;
}

static int broken_rate(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 1.0;
    return t > 4.0;
}

/* P.12 has H = 3 exp(-t^2) sigma_x, whose square is 9 exp(-2 t^2) = 9 exp(-(t / sqrt(1/2))^2). */
START_TEST(a_pulse_gives_the_numbers_of_the_reference_for_the_square_root_of_its_norm)
{
    struct pulse pulse = {9.0, 0.0, sqrt(0.5)};
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);
    oqt_system *system = system_of(0.0, sigma_x, 0.0);
    oqt_error err = {0};

    ASSERT_OK(oqt_system_add_drive(system, gaussian, &pulse, sigma_x, &err), err);
    expect(guess(bath, system, 5.0, 0.01), 0.05556, 45, 1.795e-5, OQT_LIMIT_SYSTEM);
    ck_assert_int_eq(guess(bath, system, 5.0, 0.01).sample_limit_hit, 0);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}
END_TEST

/* Pulses between the first eleven samples are found, to what is left between two rows of samples that agree;
 * rates as well. */
START_TEST(samples_are_refined_until_the_largest_frequency_is_found)
{
    struct pulse drive = {20.0, 1.77, 0.3}, rate = {-40.0, 3.31, 0.2};
    struct pulse narrow = {30.0, 5.0 / 21.0, 1e-3}; /* zero at the first eleven samples, not at the next 22 */
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);
    oqt_system *system = system_of(1.0, sigma_z, 3.0);
    oqt_guess_options opt = OQT_GUESS_OPTIONS_INIT;
    oqt_guess g = {0};
    oqt_error err = {0};

    ASSERT_OK(oqt_system_add_drive(system, gaussian, &drive, sigma_z, &err), err);
    ck_assert_double_eq_tol(guess(bath, system, 5.0, 0.01).dt, 0.5 / 21.0, 0.02 * 0.5 / 21.0);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, gaussian, &rate, sigma_minus, &err), err);
    ck_assert_double_eq_tol(guess(bath, system, 5.0, 0.01).dt, 0.5 / 40.0, 0.02 * 0.5 / 40.0);
    oqt_system_destroy(system);
    system = system_of(0.0, sigma_z, 0.0);
    ASSERT_OK(oqt_system_add_drive(system, gaussian, &narrow, sigma_z, &err), err);
    expect(guess(bath, system, 5.0, 0.01), 0.01667, 150, 2.43e-6, OQT_LIMIT_SYSTEM);
    opt.max_samples = 15;
    ASSERT_OK(oqt_guess_parameters(&g, 1, (const oqt_bath *const *)&bath, system, 0.0, 5.0, &opt, &err), err);
    ck_assert_int_eq(g.sample_limit_hit, 1);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, broken_rate, NULL, sigma_minus, &err), err);
    ck_assert_int_eq(
        oqt_guess_parameters(&g, 1, (const oqt_bath *const *)&bath, system, 0.0, 5.0, NULL, &err),
        OQT_ECALLBACK);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}
END_TEST

/* A slow bath needs the longer memory, a fast one the shorter step. */
START_TEST(several_baths_share_the_shortest_step_and_the_longest_memory)
{
    oqt_bath *slow = ohmic_bath(0.1, 1.0, 0.3), *fast = ohmic_bath(0.4, 9.0, 0.0);
    const oqt_bath *pair[2][2] = {{slow, fast}, {fast, slow}};
    oqt_guess s = guess(slow, NULL, 9.0, 0.01), f = guess(fast, NULL, 9.0, 0.01);
    oqt_guess_options opt = OQT_GUESS_OPTIONS_INIT;
    oqt_error err = {0};
    size_t steps = (size_t)ceil((double)s.memory_steps * s.dt / f.dt);

    ck_assert_double_lt(f.dt, s.dt);
    ck_assert_uint_gt(steps, f.memory_steps);
    opt.tolerance = 0.01;
    for (size_t i = 0; i < 2; i++) {
        oqt_guess g = {0};

        ASSERT_OK(oqt_guess_parameters(&g, 2, pair[i], NULL, 0.0, 9.0, &opt, &err), err);
        ck_assert_double_eq(g.dt, f.dt);
        ck_assert_uint_eq(g.memory_steps, steps);
    }
    oqt_bath_destroy(slow);
    oqt_bath_destroy(fast);
}
END_TEST

/* The share of the integral of |C| up to 10 that lies beyond t, for the bath below. */
static double rest_of_memory(double t)
{
    enum { POINTS = 4000 };
    double time[POINTS], beyond = 0.0, all = 0.0;
    static oqt_complex c[POINTS];
    oqt_bath *bath = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, 0.2, 1.5, 0.7, &err), err);
    for (int i = 0; i < POINTS; i++)
        time[i] = 10.0 / POINTS * (i + 0.5);
    ASSERT_OK(oqt_bath_correlation(c, bath, POINTS, time, 1, &err), err);
    for (int i = 0; i < POINTS; i++) {
        all += hypot(c[i].re, c[i].im);
        beyond += time[i] > t ? hypot(c[i].re, c[i].im) : 0.0;
    }
    oqt_bath_destroy(bath);
    return beyond / all;
}

/* C(0) of an overdamped oscillator is infinite. Counting time in other units scales the step. */
START_TEST(a_diverging_correlation_function_is_no_trouble)
{
    oqt_guess g[2];
    double rest;

    for (int i = 0; i < 2; i++) {
        double unit = i == 0 ? 1.0 : 1000.0;
        oqt_bath *bath = NULL;
        oqt_error err = {0};

        ASSERT_OK(oqt_bath_create_drude_lorentz(&bath, 0.2 * unit, 1.5 * unit, 0.7 * unit, &err), err);
        g[i] = guess(bath, NULL, 10.0 / unit, 0.01);
        oqt_bath_destroy(bath);
    }
    ck_assert_double_eq_tol(g[1].dt * 1000.0, g[0].dt, 1e-15);
    ck_assert_uint_eq(g[1].memory_steps, g[0].memory_steps);
    ck_assert_int_eq(g[0].grid_limit_hit, 0);
    /* Each grid, of step 1, 1/2, .. dt, left out up to the tolerance of the integral of |C|. */
    rest = rest_of_memory((double)(g[0].memory_steps - 1) * g[0].dt);
    ck_assert_double_lt(rest, 0.01 * (1.0 - log2(g[0].dt)));
    ck_assert_double_gt(rest, 0.005);
}
END_TEST

/* exp(-2t), times a phase that is the context. */
static int decay(oqt_complex *c, double t, void *ctx)
{
    double phase = *(const double *)ctx;

    *c = (oqt_complex){exp(-2.0 * t) * cos(phase), exp(-2.0 * t) * sin(phase)};
    return 0;
}

START_TEST(real_and_imaginary_parts_count_alike)
{
    double phase[2] = {0.0, -2.0 * atan(1.0)};
    oqt_guess g[2];

    for (int i = 0; i < 2; i++) {
        oqt_bath *bath = NULL;
        oqt_error err = {0};

        ASSERT_OK(oqt_bath_create_correlation(&bath, decay, &phase[i], &err), err);
        g[i] = guess(bath, NULL, 9.0, 1e-3);
        oqt_bath_destroy(bath);
    }
    ck_assert_double_eq(g[1].dt, g[0].dt);
    ck_assert_uint_eq(g[1].memory_steps, g[0].memory_steps);
    ck_assert_double_lt(g[0].dt, 0.3);
}
END_TEST

START_TEST(a_bath_that_does_nothing_has_no_memory)
{
    oqt_bath *bath = ohmic_bath(0.0, 2.5, 0.2);
    oqt_guess g = guess(bath, NULL, 5.0, 0.01);

    ck_assert_double_eq(g.dt, 0.5);
    ck_assert_uint_eq(g.memory_steps, 2);
    oqt_bath_destroy(bath);
}
END_TEST

static int refuse(oqt_complex *c, double t, void *ctx)
{
    (void)c, (void)t, (void)ctx;
    return 1;
}

START_TEST(wrong_arguments_are_refused_and_change_nothing)
{
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2), *broken = NULL, *none = NULL;
    oqt_system *fast = system_of(1e300, sigma_x, 0.0);
    oqt_guess g = {.dt = 42.0};
    oqt_guess_options opt[5] = {OQT_GUESS_OPTIONS_INIT, OQT_GUESS_OPTIONS_INIT, OQT_GUESS_OPTIONS_INIT,
                                OQT_GUESS_OPTIONS_INIT, OQT_GUESS_OPTIONS_INIT};
    oqt_error err = {0};

#define GUESS(n, baths, start, end, options)                                                                 \
    oqt_guess_parameters(&g, n, (const oqt_bath *const *)(baths), NULL, start, end, options, &err)
    opt[0].tolerance = 0.0;
    opt[1].tolerance = (double)NAN;
    opt[2].max_samples = 10;
    opt[3].n_threads = -1;
    opt[4].struct_size = 8;
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(GUESS(1, &bath, 0.0, 1.0, &opt[i]), OQT_EINVAL);
    ck_assert_int_eq(GUESS(0, &bath, 0.0, 1.0, NULL), OQT_EINVAL);
    ck_assert_int_eq(GUESS(1, NULL, 0.0, 1.0, NULL), OQT_EINVAL);
    ck_assert_int_eq(GUESS(1, &none, 0.0, 1.0, NULL), OQT_EINVAL);
    ck_assert_int_eq(GUESS(1, &bath, 1.0, 1.0, NULL), OQT_EINVAL);
    ck_assert_int_eq(GUESS(1, &bath, 0.0, (double)INFINITY, NULL), OQT_EINVAL);
    ck_assert_int_eq(GUESS(1, &bath, (double)NAN, 1.0, NULL), OQT_EINVAL);
    ck_assert_int_eq(oqt_guess_parameters(&g, 1, (const oqt_bath *const *)&bath, fast, 0.0, 1.0, NULL, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(
        oqt_guess_parameters(NULL, 1, (const oqt_bath *const *)&bath, NULL, 0.0, 1.0, NULL, NULL),
        OQT_EINVAL);
    ASSERT_OK(oqt_bath_create_correlation(&broken, refuse, NULL, &err), err);
    ck_assert_int_eq(GUESS(1, &broken, 0.0, 1.0, NULL), OQT_ECALLBACK);
#undef GUESS
    ck_assert_double_eq(g.dt, 42.0);
    oqt_bath_destroy(bath);
    oqt_bath_destroy(broken);
    oqt_system_destroy(fast);
}
END_TEST

static oqt_status guess_once(void *ctx)
{
    oqt_guess g;

    return oqt_guess_parameters(&g, 1, ctx, NULL, 0.0, 5.0, NULL, NULL);
}

START_TEST(no_memory_leaves_nothing_behind)
{
    oqt_bath *bath = ohmic_bath(0.8, 2.5, 0.2);

    ck_assert_uint_ge(check_every_allocation(guess_once, &bath), 1);
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- estimates ---- */

/* A spin with H = sigma_x and one oscillator at T = 0, coupled by g sigma_z (b + b^+): exact states by a
 * Taylor series in the space of both. */
enum { LEVELS = 24, SIZE = 2 * LEVELS, STEPS = 12 };
static const double mode_frequency = 1.3, mode_coupling = 0.5, step = 0.2;

static void apply_hamiltonian(double complex *out, const double complex *psi)
{
    for (int s = 0; s < 2; s++)
        for (int n = 0; n < LEVELS; n++) {
            double g = s == 0 ? mode_coupling : -mode_coupling;
            double complex sum = mode_frequency * n * psi[s * LEVELS + n] + psi[(1 - s) * LEVELS + n];

            if (n > 0)
                sum += g * sqrt(n) * psi[s * LEVELS + n - 1];
            if (n + 1 < LEVELS)
                sum += g * sqrt(n + 1.0) * psi[s * LEVELS + n + 1];
            out[s * LEVELS + n] = sum;
        }
}

static void propagate(double complex *psi, double t)
{
    double complex term[SIZE], next[SIZE];

    memcpy(term, psi, sizeof term);
    for (int k = 1; k < 80; k++) {
        apply_hamiltonian(next, term);
        for (int i = 0; i < SIZE; i++) {
            term[i] = -(double complex)I * t / k * next[i];
            psi[i] += term[i];
        }
    }
}

static void exact_states(oqt_complex *rho)
{
    double complex psi[SIZE] = {1.0};

    for (int k = 0; k <= STEPS; k++) {
        for (int i = 0; i < 4; i++) {
            double complex sum = 0.0;

            for (int n = 0; n < LEVELS; n++)
                sum += psi[i / 2 * LEVELS + n] * conj(psi[i % 2 * LEVELS + n]);
            rho[4 * k + i] = from_c99(sum);
        }
        propagate(psi, step);
    }
}

struct mode {
    oqt_bath *bath;
    oqt_system *system;
    oqt_pt_options pt;
};

static const oqt_complex up[4] = {{1.0, 0.0}};

static struct mode new_mode(double tolerance)
{
    struct mode m = {NULL, NULL, OQT_PT_OPTIONS_INIT};
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_modes(&m.bath, 1, &mode_frequency, &mode_coupling, 0.0, &err), err);
    m.system = system_of(1.0, sigma_x, 0.0);
    m.pt.method = OQT_PT_TEMPO;
    m.pt.tolerance = tolerance;
    return m;
}

static void destroy_mode(struct mode *m)
{
    oqt_bath_destroy(m->bath);
    oqt_system_destroy(m->system);
}

static oqt_status verify(oqt_guess_check *out, const struct mode *m, double dt, size_t n, double wanted,
                         oqt_error *err)
{
    return oqt_guess_verify(out, 1, (const oqt_bath *const *)&m->bath, sigma_z, m->system, up, dt, n, wanted,
                            &m->pt, NULL, err);
}

/* The largest deviation of a run from the exact states. */
static double true_error(const struct mode *m, double dt, size_t n, double tolerance, size_t stride)
{
    oqt_complex exact[4 * (STEPS + 1)], *rho = malloc(4 * (n + 1) * sizeof *rho);
    oqt_pt_options opt = m->pt;
    const oqt_system *system = m->system;
    oqt_dynamics *dyn = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};
    double worst = 0.0;

    ck_assert_ptr_nonnull(rho);
    opt.tolerance = tolerance;
    opt.system = system;
    opt.n_steps = n;
    exact_states(exact);
    ASSERT_OK(oqt_pt_create(&pt, m->bath, 2, sigma_z, dt, &opt, &err), err);
    ASSERT_OK(oqt_dynamics_create(&dyn, 1, (const oqt_pt *const *)&pt, 1, &system, up, NULL, &err), err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, n, &err), err);
    for (size_t k = 0; k <= n / stride; k++)
        worst = fmax(worst, max_diff_complex(rho + 4 * k * stride, exact + 4 * k, 4));
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    free(rho);
    return worst;
}

START_TEST(the_error_of_the_step_is_estimated_to_a_tenth)
{
    struct mode m = new_mode(1e-8);
    double error = true_error(&m, step, STEPS, 1e-8, 1);
    oqt_guess_check check = {0};
    oqt_error err = {0};

    ASSERT_OK(verify(&check, &m, step, STEPS, 1e-5, &err), err);
    ck_assert_double_gt(error, 1e-3); /* there is an error to estimate */
    ck_assert_double_eq_tol(check.step_error / error, 1.0, 0.1);
    ck_assert_double_lt(check.tolerance_error, 1e-5);
    destroy_mode(&m);
}
END_TEST

/* The proposals, run: what was wanted came out, and not much less. */
START_TEST(the_proposed_step_and_tolerance_give_the_wanted_error)
{
    const double wanted = 2e-4;
    struct mode m = new_mode(1e-5);
    oqt_guess_check check = {0};
    oqt_error err = {0};
    double error;
    size_t stride;

    ASSERT_OK(verify(&check, &m, step, STEPS, wanted, &err), err);
    ck_assert_double_lt(check.dt, step);
    stride = (size_t)ceil(step / check.dt);
    error = true_error(&m, step / (double)stride, STEPS * stride, check.tolerance, stride);
    ck_assert_double_lt(error, 1.1 * wanted);
    ck_assert_double_gt(error, 0.1 * wanted);
    destroy_mode(&m);
}
END_TEST

/* A coarse tolerance at a fine step: the estimate is what the coarse tolerance does. */
START_TEST(the_error_of_the_tolerance_is_told_apart)
{
    struct mode m = new_mode(3e-3);
    const double dt = 0.1 * step;
    oqt_guess_check check = {0};
    oqt_error err = {0};
    double error = true_error(&m, dt, 10 * STEPS, 3e-3, 10);

    ASSERT_OK(verify(&check, &m, dt, 10 * STEPS, 1e-5, &err), err);
    ck_assert_double_gt(error, 1e-4);
    ck_assert_double_gt(check.tolerance_error, 0.5 * error);
    ck_assert_double_lt(check.tolerance_error, 2.0 * error);
    ck_assert_double_lt(check.tolerance, 3e-3);
    destroy_mode(&m);
}
END_TEST

/* The estimates are differences of three runs, here made by hand; with half the step the same time is
 * remembered. */
START_TEST(a_cut_memory_keeps_its_length_in_time)
{
    const double dt = 0.25;
    const size_t n = 6;
    oqt_bath *bath = ohmic_bath(0.2, 3.0, 0.5);
    oqt_system *system = system_of(0.8, sigma_x, 0.0);
    const oqt_system *borrowed = system;
    oqt_complex rho[3][4 * 13];
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_guess_check check = {0};
    oqt_error err = {0};
    double change = 0.0;

    opt.method = OQT_PT_TEMPO;
    opt.system = system;
    for (size_t run = 0; run < 3; run++) {
        size_t finer = run < 2 ? 1 : 2;
        oqt_pt *pt = NULL;
        oqt_dynamics *dyn = NULL;

        opt.tolerance = run == 0 ? 1e-4 : 1e-5;
        opt.n_steps = n * finer;
        opt.memory_steps = 2 * finer;
        ASSERT_OK(oqt_pt_create(&pt, bath, 2, sigma_z, dt / (double)finer, &opt, &err), err);
        ASSERT_OK(oqt_dynamics_create(&dyn, 1, (const oqt_pt *const *)&pt, 1, &borrowed, up, NULL, &err),
                  err);
        ASSERT_OK(oqt_dynamics_record(rho[run], dyn, n * finer, &err), err);
        oqt_dynamics_destroy(dyn);
        oqt_pt_destroy(pt);
    }
    for (size_t k = 0; k <= n; k++)
        for (size_t i = 0; i < 4; i++) {
            oqt_complex x = rho[1][4 * k + i], y = rho[2][8 * k + i];

            change = fmax(change, hypot(x.re - y.re, x.im - y.im));
        }
    opt.tolerance = 1e-4;
    opt.memory_steps = 2;
    opt.system = NULL;
    ASSERT_OK(oqt_guess_verify(&check, 1, (const oqt_bath *const *)&bath, sigma_z, system, up, dt, n, 1e-4,
                               &opt, NULL, &err),
              err);
    ck_assert_double_eq_tol(check.step_error, 4.0 / 3.0 * change, 1e-12);
    ck_assert_double_gt(check.step_error, 1e-3);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}
END_TEST

/* Without baths any step is exact; the proposals go no further than the runs can tell. */
START_TEST(without_errors_the_step_at_most_doubles)
{
    oqt_system *system = system_of(0.7, sigma_x, 0.0);
    oqt_guess_check check = {0};
    oqt_error err = {0};

    ASSERT_OK(oqt_guess_verify(&check, 0, NULL, NULL, system, up, 0.25, 10, 1e-4, NULL, NULL, &err), err);
    ck_assert_double_lt(check.step_error, 1e-13);
    ck_assert_double_eq(check.tolerance_error, 0.0);
    ck_assert_double_eq(check.dt, 0.5);
    ck_assert_double_eq(check.tolerance, 1e-6);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(a_check_refuses_what_makes_no_sense)
{
    struct mode m = new_mode(1e-6);
    const oqt_bath *const *baths = (const oqt_bath *const *)&m.bath;
    oqt_guess_check out = {.dt = 42.0};
    oqt_dynamics_options dynamics = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_control *control = NULL;
    oqt_error err = {0};

    ck_assert_int_eq(verify(&out, &m, 0.0, 5, 1e-4, &err), OQT_EINVAL);
    ck_assert_int_eq(verify(&out, &m, (double)INFINITY, 5, 1e-4, &err), OQT_EINVAL);
    ck_assert_int_eq(verify(&out, &m, 0.1, 0, 1e-4, &err), OQT_EINVAL);
    ck_assert_int_eq(verify(&out, &m, 0.1, SIZE_MAX, 1e-4, &err), OQT_EINVAL);
    ck_assert_int_eq(verify(&out, &m, 0.1, 5, 0.0, &err), OQT_EINVAL);
    ck_assert_int_eq(verify(NULL, &m, 0.1, 5, 1e-4, NULL), OQT_EINVAL);
    dynamics.n_controls = 1;
    dynamics.controls = (const oqt_control *const *)&control;
    ck_assert_int_eq(
        oqt_guess_verify(&out, 1, baths, sigma_z, m.system, up, 0.1, 5, 1e-4, NULL, &dynamics, &err),
        OQT_EINVAL);
    m.pt.accuracy = 1e-4;
    ck_assert_int_eq(verify(&out, &m, 0.1, 5, 1e-4, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_guess_verify(&out, 1, baths, NULL, m.system, up, 0.1, 5, 1e-4, NULL, NULL, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(oqt_guess_verify(&out, 1, baths, sigma_z, NULL, up, 0.1, 5, 1e-4, NULL, NULL, &err),
                     OQT_EINVAL);
    ck_assert_int_eq(
        oqt_guess_verify(&out, 1, baths, sigma_minus, m.system, up, 0.1, 5, 1e-4, NULL, NULL, &err),
        OQT_EINVAL);
    ck_assert_double_eq(out.dt, 42.0);
    destroy_mode(&m);
}
END_TEST

static oqt_status verify_once(void *ctx)
{
    oqt_guess_check out;

    return oqt_guess_verify(&out, 0, NULL, NULL, ctx, up, 0.3, 2, 1e-3, NULL, NULL, NULL);
}

START_TEST(a_check_without_memory_leaves_nothing_behind)
{
    oqt_system *system = system_of(0.7, sigma_x, 0.0);

    ck_assert_uint_ge(check_every_allocation(verify_once, system), 10);
    oqt_system_destroy(system);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guess");
    TCase *proposals = tcase_create("proposals"), *estimates = tcase_create("estimates");

    tcase_add_test(proposals, the_bath_gives_the_numbers_of_the_reference);
    tcase_add_test(proposals, the_defaults_are_those_of_the_reference);
    tcase_add_test(proposals, a_system_gives_the_numbers_of_the_reference_for_the_square_root_of_its_norm);
    tcase_add_test(proposals, half_a_radian_of_the_fastest_part_is_a_step);
    tcase_add_test(proposals, a_pulse_gives_the_numbers_of_the_reference_for_the_square_root_of_its_norm);
    tcase_add_test(proposals, samples_are_refined_until_the_largest_frequency_is_found);
    tcase_add_test(proposals, several_baths_share_the_shortest_step_and_the_longest_memory);
    tcase_add_test(proposals, a_diverging_correlation_function_is_no_trouble);
    tcase_add_test(proposals, real_and_imaginary_parts_count_alike);
    tcase_add_test(proposals, a_bath_that_does_nothing_has_no_memory);
    tcase_add_test(proposals, wrong_arguments_are_refused_and_change_nothing);
    tcase_add_test(proposals, no_memory_leaves_nothing_behind);
    suite_add_tcase(suite, proposals);
    tcase_add_test(estimates, the_error_of_the_step_is_estimated_to_a_tenth);
    tcase_add_test(estimates, the_proposed_step_and_tolerance_give_the_wanted_error);
    tcase_add_test(estimates, the_error_of_the_tolerance_is_told_apart);
    tcase_add_test(estimates, a_cut_memory_keeps_its_length_in_time);
    tcase_add_test(estimates, without_errors_the_step_at_most_doubles);
    tcase_add_test(estimates, a_check_refuses_what_makes_no_sense);
    tcase_add_test(estimates, a_check_without_memory_leaves_nothing_behind);
    suite_add_tcase(suite, estimates);
    return run_suite(suite);
}
