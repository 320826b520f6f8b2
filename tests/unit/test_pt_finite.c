/* test_pt_finite.c - finite process tensors: the functional of a memory that ends, the vacuum. */
#include "support.h"

#include "pt/chain.h"

enum { D_MAX = 3, LEGS_MAX = D_MAX * D_MAX, STEPS_MAX = 64 };

static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const double dt = 0.0731;

static void diagonal(oqt_complex *out, size_t d, const double *values)
{
    memset(out, 0, d * d * sizeof *out);
    for (size_t i = 0; i < d; i++)
        out[i * d + i].re = values[i];
}

static oqt_pt_options options(double tolerance, size_t n_steps, size_t memory, double added)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.method = OQT_PT_TEMPO;
    opt.tolerance = tolerance;
    opt.n_steps = n_steps;
    opt.memory_steps = memory;
    opt.added_correlation_time = added;
    return opt;
}

static oqt_pt *new_pt(const oqt_bath *bath, size_t d, const oqt_complex *coupling, const oqt_pt_options *opt)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, dt, opt, &err), err);
    return pt;
}

/* ---- the functional ---- */

/* f_a of one step, to be freed. */
static oqt_complex *leg_of(const oqt_pt *pt, uint64_t step, size_t leg, size_t *left, size_t *right)
{
    oqt_error err = {0};
    oqt_complex *f;

    ASSERT_OK(oqt_pt_bonds(left, right, pt, step, &err), err);
    f = malloc(*left * *right * sizeof *f);
    ASSERT_OK(oqt_pt_leg(f, pt, step, leg, &err), err);
    return f;
}

/* The tensor on a path of n slots, leg factors included, closed by e_0 behind them. */
static double complex contract(const oqt_pt *pt, const size_t *path, size_t n)
{
    size_t chi = info_of(pt).bond_dimension;
    double complex *x = calloc(2 * chi, sizeof *x), *y = x + chi, value = 1.0;
    oqt_complex factors[LEGS_MAX];
    oqt_error err = {0};

    x[0] = 1.0;
    for (size_t k = 0; k < n; k++) {
        size_t left, right;
        oqt_complex *f = leg_of(pt, k, path[k], &left, &right);

        for (size_t j = 0; j < right; j++) {
            y[j] = 0.0;
            for (size_t i = 0; i < left; i++)
                y[j] += x[i] * to_c99(f[i * right + j]);
        }
        memcpy(x, y, right * sizeof *x);
        ASSERT_OK(oqt_pt_leg_factors(factors, pt, k, &err), err);
        value *= to_c99(factors[path[k]]);
        free(f);
    }
    value *= x[0];
    free(x);
    return value;
}

/* Double integral of C(t' - t'') over [t1, t2] x [0, step], as physics.md has it. */
static double complex rectangle(const oqt_bath *bath, double t1, double t2, double step)
{
    const double t[4] = {t2, t1, t2 - step, t1 - step};
    oqt_complex v[4];
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_eta_function(v, bath, 4, t, 0, &err), err);
    return to_c99(v[0]) - to_c99(v[1]) - to_c99(v[2]) + to_c99(v[3]);
}

struct memory {
    double complex eta[STEPS_MAX][STEPS_MAX]; /* [k][m]: what slot m does to slot k */
};

/* A memory of `memory` slots (0: full). */
static struct memory *new_memory(const oqt_bath *bath, size_t n, size_t memory, double added)
{
    struct memory *out = calloc(1, sizeof *out);
    oqt_complex eta[STEPS_MAX];
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_eta(eta, bath, dt, n, NULL, 0, &err), err);
    for (size_t k = 0; k < n; k++)
        for (size_t m = 0; m <= k; m++)
            if (memory == 0 || k - m < memory)
                out->eta[k][m] = to_c99(eta[k - m]);
    for (size_t m = 0; memory > 0 && m + memory < n; m++)
        out->eta[m + memory][m] = rectangle(bath, (double)memory * dt,
                                            (double)memory * dt + fmin((double)(m + 1) * dt, dt + added), dt);
    return out;
}

static double complex functional(const double *o, size_t d, const size_t *path, size_t n,
                                 const struct memory *memory)
{
    double complex sum = 0.0;

    for (size_t k = 0; k < n; k++)
        for (size_t m = 0; m <= k; m++) {
            double om_k = o[path[k] / d] - o[path[k] % d], om_m = o[path[m] / d] - o[path[m] % d];
            double op_m = o[path[m] / d] + o[path[m] % d];
            double complex eta = memory->eta[k][m];

            sum += om_k * (creal(eta) * om_m + (double complex)I * cimag(eta) * op_m);
        }
    return cexp(-sum);
}

static bool next_path(size_t *path, size_t n, size_t n_legs)
{
    for (size_t k = 0; k < n; k++) {
        if (++path[k] < n_legs)
            return true;
        path[k] = 0;
    }
    return false;
}

/* Largest |tensor - functional| over all paths of n slots, and over all of their beginnings. */
static double worst_path(const oqt_pt *pt, const oqt_bath *bath, const double *o, size_t n, size_t memory,
                         double added)
{
    size_t d = info_of(pt).dimension, path[STEPS_MAX] = {0};
    struct memory *eta = new_memory(bath, n, memory, added);
    double worst = 0.0;

    do
        for (size_t k = 1; k <= n; k++) {
            double diff = cabs(contract(pt, path, k) - functional(o, d, path, k, eta));

            if (!(diff <= worst))
                worst = diff;
        }
    while (next_path(path, n, d * d));
    free(eta);
    return worst;
}

/* Nothing is dropped that matters at a tolerance of 1e-12; eta by its closed form and by differences agree to
 * 1e-12 or so. Couplings: symmetric, shifted, without symmetry, degenerate. */
START_TEST(short_paths_have_the_exact_functional)
{
    static const struct {
        size_t d, n_steps, memory;
        double o[D_MAX], added;
    } cases[] = {{2, 1, 0, {0.5, -0.5}, 0},
                 {2, 2, 0, {0.5, -0.5}, 0},
                 {2, 5, 0, {0.5, -0.5}, 0},
                 {2, 5, 1, {0.5, -0.5}, 0},
                 {2, 5, 2, {0, 1}, 0},
                 {2, 5, 0, {0, 1}, 0},
                 {2, 5, 2, {0, 1}, 1.5 * dt},
                 {2, 5, 1, {0.7, -0.2}, 2.0 * dt},
                 {2, 5, 1, {0, 1}, INFINITY},
                 {2, 5, 2, {0.5, -0.5}, 0.3 * dt},
                 {2, 5, 4, {0, 1}, INFINITY},
                 {2, 5, 9, {0, 1}, 1.0},
                 {3, 3, 0, {0.5, -0.5, 0.13}, 0},
                 {3, 3, 1, {0.5, -0.5, 0.13}, 0.9 * dt},
                 {3, 3, 1, {1, 1, 2}, INFINITY},
                 {3, 3, 1, {0.5, 0, -0.5}, dt}};
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oqt_pt_options opt = options(1e-12, cases[i].n_steps, cases[i].memory, cases[i].added);
        size_t memory = cases[i].memory < cases[i].n_steps ? cases[i].memory : 0;
        oqt_complex coupling[LEGS_MAX];
        double worst;
        oqt_pt *pt;

        diagonal(coupling, cases[i].d, cases[i].o);
        pt = new_pt(bath, cases[i].d, coupling, &opt);
        worst = worst_path(pt, bath, cases[i].o, cases[i].n_steps, memory, cases[i].added);
        ck_assert_msg(worst < 1e-11, "case %zu: %.2e", i, worst);
        ck_assert_uint_eq(info_of(pt).n_steps, cases[i].n_steps);
        ck_assert_int_eq(info_of(pt).method, OQT_PT_TEMPO);
        oqt_pt_destroy(pt);
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* Slow and strong noise, for which a row alone would be far from a physical functional: the chain is squared.
 */
START_TEST(strong_coupling_is_squared_from_a_weaker_one)
{
    oqt_bath *bath = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, 40.0, 0.5, 2.385, OQT_CUTOFF_EXPONENTIAL, 1.0, &err), err);
    for (size_t memory = 0; memory < 3; memory += 2) {
        const double o[2] = {0.0, 1.0};
        oqt_pt_options opt = options(1e-11, 5, memory, 0.0);
        oqt_complex coupling[4];
        double worst;
        oqt_pt *pt;

        diagonal(coupling, 2, o);
        pt = new_pt(bath, 2, coupling, &opt);
        ck_assert_uint_ge(info_of(pt).n_squarings, 1);
        worst = worst_path(pt, bath, o, 5, memory, 0.0);
        ck_assert_msg(worst < 1e-8, "memory %zu: %.2e", memory, worst);
        oqt_pt_destroy(pt);
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* Every number of steps is another way to split it into blocks. */
START_TEST(any_number_of_steps_and_any_memory_fit_long_paths)
{
    oqt_bath *bath = ohmic_bath(0.05, 2.385, 0.31);
    const double o[2] = {0.0, 1.0};
    oqt_complex coupling[4];
    uint64_t seed = 7;

    diagonal(coupling, 2, o);
    for (size_t n = 6; n <= 25; n += n < 9 ? 1 : 8)
        for (size_t memory = 0; memory < n; memory += memory < 2 ? 1 : 7)
            for (int a = 0; a < (memory ? 3 : 1); a++) {
                double added = a == 0 ? 0.0 : a == 1 ? 4.3 * dt : INFINITY;
                oqt_pt_options opt = options(1e-8, n, memory, added);
                struct memory *eta = new_memory(bath, n, memory, added);
                oqt_pt *pt = new_pt(bath, 2, coupling, &opt);

                for (size_t p = 0; p < 10; p++) {
                    size_t path[STEPS_MAX], length = 1 + (size_t)(random_uniform(&seed) * (double)n);
                    double diff;

                    for (size_t k = 0; k < n; k++)
                        path[k] = k > 0 && random_uniform(&seed) < 0.7
                                      ? path[k - 1]
                                      : (size_t)(4.0 * random_uniform(&seed));
                    diff = cabs(contract(pt, path, length) - functional(o, 2, path, length, eta));
                    ck_assert_msg(diff < 3e-6, "%zu steps, memory %zu, added %g: %.2e", n, memory, added,
                                  diff);
                }
                free(eta);
                oqt_pt_destroy(pt);
            }
    oqt_bath_destroy(bath);
}
END_TEST

/* The numbers of physics.md P.6.2. */
START_TEST(published_elements_are_reproduced)
{
    static const struct {
        size_t path[3];
        double re, im;
    } expected[] = {{{0, 0, 0}, 1, 0},
                    {{1, 1, 1}, 0.69980825567362, 0},
                    {{1, 2, 1}, 0.94389893096340, 0},
                    {{1, 1, 2}, 0.82155784815890, 0},
                    {{0, 1, 2}, 0.94187375202731, 0.00991380961262}};
    oqt_bath *bath = NULL;
    oqt_pt_options opt = options(1e-12, 3, 0, 0.0);
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.3, 1.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.2, &err), err);
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, half_z, 0.1, &opt, &err), err);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        ck_assert_double_le(
            cabs(contract(pt, expected[i].path, 3) - (expected[i].re + expected[i].im * (double complex)I)),
            1e-9); /* the error of the bath integrals there */
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
}
END_TEST

/* The path test ends after 2048 steps, but errors of a coherence that does not die go on growing. A path that
 * stays on one leg with O- = 1 has F = exp(-Re eta(t)). */
START_TEST(the_error_estimate_goes_on_behind_the_path_test)
{
    enum { N = 8192, MEMORY = 20 };
    static const double step = 0.1, end = N * 0.1;
    oqt_pt_options opt = options(1e-3, N, MEMORY, 0.0);
    size_t *path = calloc(N, sizeof *path);
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};
    oqt_complex eta;
    double error;

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.01, 3.0, 5.0, OQT_CUTOFF_EXPONENTIAL, 0.0, &err), err);
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, half_z, step, &opt, &err), err);
    ASSERT_OK(oqt_bath_eta_function(&eta, bath, 1, &end, 0, &err), err);
    for (size_t k = 0; k < N; k++)
        path[k] = 1;
    error = cabs(contract(pt, path, N) - exp(-eta.re));
    ck_assert_uint_lt(info_of(pt).path_steps, N);
    ck_assert_double_gt(error, 4.0 * (info_of(pt).path_error + info_of(pt).cutoff_error));
    ck_assert_double_ge(info_of(pt).error_estimate, error);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
    free(path);
}
END_TEST

/* Steps so long that all coherence is lost within one: exp(-2 Re eta_0) runs from 1e-190 to where it
 * underflows. */
START_TEST(very_long_steps_leave_the_dephased_tensor)
{
    oqt_pt_options opt = options(1e-5, 8, 5, 0.0);
    oqt_bath *bath = ohmic_bath(0.1, 2.385, 0.5);
    const size_t path[8] = {0, 1, 3, 2, 0, 0, 3, 3};

    for (double step = 700.0; step < 1700.0; step += 50.0) {
        oqt_error err = {0};
        oqt_pt *pt = NULL;

        ASSERT_OK(oqt_pt_create(&pt, bath, 2, half_z, step, &opt, &err), err);
        ck_assert_double_lt(cabs(contract(pt, path, 8)), 1e-90);
        ck_assert_double_eq(cabs(contract(pt, path, 1) - 1.0), 0.0);
        oqt_pt_destroy(pt);
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- structure ---- */

/* However coarse: bonds fit, and a leg without difference takes e_0 to e_0, bit by bit. */
START_TEST(the_vacuum_is_exact_at_any_tolerance)
{
    oqt_bath *bath = ohmic_bath(1.37, 2.385, 0.31);
    oqt_complex coupling[9];

    diagonal(coupling, 3, (double[3]){0.9, -0.5, 0.13});
    for (int i = 0; i < 3; i++) {
        oqt_pt_options opt = options(i == 0 ? 1e-1 : i == 1 ? 1e-3 : 1e-5, 21, i == 1 ? 6 : 0, 0.0);
        size_t before = 1;
        oqt_pt *pt = new_pt(bath, 3, coupling, &opt);

        for (size_t k = 0; k < 21; k++)
            for (size_t a = 0; a < 9; a++) {
                size_t left, right;
                oqt_complex *f = leg_of(pt, k, a, &left, &right);

                ck_assert_uint_eq(left, before);
                ck_assert_uint_le(right, info_of(pt).bond_dimension);
                for (size_t l = 0; a % 4 == 0 && l < left; l++)
                    ck_assert(f[l * right].re == (l == 0 ? 1.0 : 0.0) && f[l * right].im == 0.0);
                if (a == 8)
                    before = right;
                free(f);
            }
        ck_assert_uint_eq(before, 1);
        oqt_pt_destroy(pt);
    }
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(a_limit_on_the_bond_is_kept_and_told)
{
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31);

    for (size_t limit = 1; limit <= 9; limit += 4) {
        oqt_pt_options opt = options(1e-8, 20, 0, 0.0);
        oqt_pt *pt;

        opt.max_bond = limit;
        pt = new_pt(bath, 2, half_z, &opt);
        ck_assert_uint_eq(info_of(pt).bond_dimension, limit);
        ck_assert_int_eq(info_of(pt).state_limit_hit, 1);
        oqt_pt_destroy(pt);
    }
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(bonds_and_errors_follow_the_tolerance)
{
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31);
    size_t bond = 0;
    double error = 1.0;

    for (int i = 2; i <= 8; i += 2) {
        oqt_pt_options opt = options(pow(10.0, -i), 40, 0, 0.0);
        oqt_pt *pt = new_pt(bath, 2, half_z, &opt);

        ck_assert_uint_gt(info_of(pt).bond_dimension, bond);
        ck_assert_double_lt(info_of(pt).path_error, 0.3 * error);
        ck_assert_double_eq(info_of(pt).cutoff_error, 0.0);
        ck_assert_int_eq(info_of(pt).state_limit_hit, 0);
        bond = info_of(pt).bond_dimension;
        error = info_of(pt).path_error;
        oqt_pt_destroy(pt);
    }
    ck_assert_double_lt(error, 3e-5); /* measured: 1.1e-5 */
    oqt_bath_destroy(bath);
}
END_TEST

/* With a system that never leaves its legs, the path test takes the constant path of each leg. */
START_TEST(cutoff_error_is_that_of_constant_paths_for_a_commuting_system)
{
    enum { N = 30, MEMORY = 7 };
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31);
    oqt_system *system = NULL;
    oqt_pt_options opt = options(1e-6, N, MEMORY, 2.4 * dt);
    struct memory *cut = new_memory(bath, N, MEMORY, 2.4 * dt), *full = new_memory(bath, N, 0, 0.0);
    const double o[2] = {0.5, -0.5};
    double cutoff = 0.0, most = 0.0, last = 0.0;
    oqt_error err = {0};
    oqt_pt *pt;

    ASSERT_OK(oqt_system_create(&system, 2, sigma_z, &err), err);
    opt.system = system;
    pt = new_pt(bath, 2, half_z, &opt);
    for (size_t a = 0; a < 4; a++) {
        double worst_cut = 0.0, worst = 0.0;
        size_t path[N];

        for (size_t k = 0; k < N; k++)
            path[k] = a;
        for (size_t n = 1; n <= N; n++) {
            double complex exact = functional(o, 2, path, n, cut);
            double diff = cabs(exact - contract(pt, path, n));

            worst_cut = fmax(worst_cut, cabs(exact - functional(o, 2, path, n, full)));
            worst = fmax(worst, diff);
            last += n == N ? diff * diff / 4.0 : 0.0;
        }
        cutoff += worst_cut * worst_cut / 4.0;
        most += worst * worst / 4.0;
    }
    ck_assert_uint_eq(info_of(pt).memory_steps, MEMORY);
    ck_assert_double_eq(info_of(pt).added_correlation_time, 2.4 * dt);
    /* it looks at some slots, the last among them, where what is cut off has grown most */
    ck_assert_double_gt(sqrt(cutoff), 1e-4);
    ck_assert_double_eq_tol(info_of(pt).cutoff_error, sqrt(cutoff), 1e-10);
    ck_assert_double_le(info_of(pt).path_error, sqrt(most) + 1e-12);
    ck_assert_double_ge(info_of(pt).path_error, sqrt(last) - 1e-12);
    free(cut);
    free(full);
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
    oqt_bath_destroy(bath);
}
END_TEST

START_TEST(couplings_to_one_and_baths_without_coupling_do_nothing)
{
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31), *empty = ohmic_bath(0.0, 2.385, 0.31);
    static const double same[3] = {1.37, 1.37, 1.37}, different[3] = {0.31, -1.2, 0.4};

    for (size_t d = 1; d <= 3; d++)
        for (int i = 0; i < 2; i++) {
            oqt_pt_options opt = options(1e-6, 9, 0, 0.0);
            oqt_complex coupling[9];
            size_t path[9];
            oqt_pt *pt;

            diagonal(coupling, d, i ? different : same);
            pt = new_pt(i ? empty : bath, d, coupling, &opt);
            ck_assert_uint_eq(info_of(pt).bond_dimension, 1);
            for (size_t k = 0; k < 9; k++)
                path[k] = (3 * k + 1) % (d * d);
            ck_assert_double_le(cabs(contract(pt, path, 9) - 1.0), 1e-14);
            oqt_pt_destroy(pt);
        }
    oqt_bath_destroy(bath);
    oqt_bath_destroy(empty);
}
END_TEST

static bool same_tensor(const oqt_pt *x, const oqt_pt *y)
{
    oqt_pt_info a = info_of(x), b = info_of(y);
    bool same = a.method == b.method && a.n_steps == b.n_steps && a.dimension == b.dimension &&
                a.bond_dimension == b.bond_dimension && a.memory_steps == b.memory_steps &&
                a.added_correlation_time == b.added_correlation_time && a.path_error == b.path_error &&
                a.cutoff_error == b.cutoff_error && a.discarded_weight == b.discarded_weight;

    for (size_t k = 0; same && k < a.n_steps; k++) {
        oqt_complex factors[2][LEGS_MAX];
        oqt_error err = {0};

        for (size_t leg = 0; leg < a.dimension * a.dimension; leg++) {
            size_t left[2], right[2];
            oqt_complex *f = leg_of(x, k, leg, &left[0], &right[0]),
                        *g = leg_of(y, k, leg, &left[1], &right[1]);

            same = same && left[0] == left[1] && right[0] == right[1] &&
                   memcmp(f, g, left[0] * right[0] * sizeof *f) == 0;
            free(f);
            free(g);
        }
        ASSERT_OK(oqt_pt_leg_factors(factors[0], x, k, &err), err);
        ASSERT_OK(oqt_pt_leg_factors(factors[1], y, k, &err), err);
        same = same && memcmp(factors[0], factors[1], a.dimension * a.dimension * sizeof **factors) == 0;
    }
    return same;
}

START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    oqt_bath *bath = ohmic_bath(0.37, 2.385, 0.31);
    oqt_pt *pts[2];

    for (int i = 0; i < 2; i++) {
        oqt_pt_options opt = options(1e-5, 24, 9, 1.0);

        opt.n_threads = i + 1;
        pts[i] = new_pt(bath, 2, half_z, &opt);
    }
    ck_assert(same_tensor(pts[0], pts[1]));
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- failures ---- */

START_TEST(bad_arguments_are_named)
{
    static const struct {
        oqt_pt_method method;
        size_t n_steps, memory;
        double added;
        const char *text;
    } cases[] = {{OQT_PT_TEMPO, 0, 3, 0.0, "needs the number of steps"},
                 {OQT_PT_TEMPO, 9, 3, -0.1, "added correlation time"},
                 {OQT_PT_TEMPO, 9, 3, NAN, "added correlation time"},
                 {OQT_PT_TEMPO, 9, 0, 1.0, "needs a cut"},
                 {OQT_PT_UNIFORM, 9, 3, 0.0, "only a finite"},
                 {OQT_PT_AUTO, 9, 3, 1.0, "only a finite"}};
    oqt_bath *bath = ohmic_bath(0.137, 2.385, 0.31);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        oqt_pt_options opt = options(1e-4, cases[i].n_steps, cases[i].memory, cases[i].added);
        oqt_pt *pt = NULL;
        oqt_error err = {0};

        opt.method = cases[i].method;
        ck_assert_int_eq(oqt_pt_create(&pt, bath, 2, half_z, dt, &opt, &err), OQT_EINVAL);
        ck_assert_msg(strstr(err.text, cases[i].text) != NULL, "%s", err.text);
        ck_assert(pt == NULL);
    }
    oqt_bath_destroy(bath);
}
END_TEST

static oqt_pt *shifted_pt(double tolerance)
{
    static const oqt_complex coupling[4] = {{0.9, 0}, {0.2, -0.3}, {0.2, 0.3}, {-0.4, 0}};
    oqt_bath *bath = ohmic_bath(0.137, 2.385, 0.31);
    oqt_pt_options opt = options(tolerance, 12, 5, INFINITY);
    oqt_pt *pt = new_pt(bath, 2, coupling, &opt);

    oqt_bath_destroy(bath);
    return pt;
}

START_TEST(steps_beyond_the_end_are_refused)
{
    oqt_pt *pt = shifted_pt(1e-2);
    size_t left = 77, right = 78;
    oqt_complex f = {3, 4};
    oqt_error err = {0};

    ck_assert_int_eq(oqt_pt_bonds(&left, &right, pt, 12, &err), OQT_EINVAL);
    ck_assert(strstr(err.text, "covers 12 steps"));
    ck_assert_int_eq(oqt_pt_leg(&f, pt, UINT64_MAX, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_leg(&f, pt, 11, 4, &err), OQT_EINVAL);
    ck_assert(left == 77 && right == 78 && f.re == 3.0 && f.im == 4.0);
    oqt_pt_destroy(pt);
}
END_TEST

static int stop(const char *phase, double fraction, void *ctx)
{
    size_t *calls_left = ctx;

    (void)phase;
    ck_assert(fraction >= 0.0 && fraction <= 1.0);
    return --*calls_left == 0;
}

START_TEST(a_build_can_be_canceled_at_every_call)
{
    oqt_bath *bath = ohmic_bath(0.137, 2.385, 0.31);
    oqt_status st = OQT_ECANCELED;
    size_t at = 1;

    for (; st != OQT_OK; at++) {
        oqt_pt_options opt = options(1e-3, 12, 3, 2.2 * dt);
        size_t calls_left = at;
        oqt_pt *mark = (oqt_pt *)&opt, *out = mark;
        oqt_error err = {0};

        opt.progress = (oqt_progress){stop, &calls_left};
        st = oqt_pt_create(&out, bath, 2, half_z, dt, &opt, &err);
        ck_assert(st == OQT_OK || (st == OQT_ECANCELED && out == mark));
        if (st == OQT_OK)
            oqt_pt_destroy(out);
    }
    ck_assert_uint_ge(at, 7); /* the memory, and each of the blocks that are not alike */
    oqt_bath_destroy(bath);
}
END_TEST

struct build {
    const oqt_bath *bath;
    const oqt_complex *coupling;
};

static oqt_status build_and_destroy(void *ctx)
{
    const struct build *b = ctx;
    oqt_pt_options opt = options(1e-2, 5, 2, 1.3 * dt);
    oqt_pt *mark = (oqt_pt *)&opt, *out = mark;
    oqt_status st;

    opt.n_threads = 1;
    st = oqt_pt_create(&out, b->bath, 2, b->coupling, dt, &opt, NULL);
    if (st == OQT_OK)
        oqt_pt_destroy(out);
    else
        ck_assert(out == mark);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    oqt_bath *bath = ohmic_bath(0.137, 2.385, 0.31);
    struct build b = {bath, sigma_z};

    ck_assert_uint_ge(check_every_allocation(build_and_destroy, &b), 100);
    oqt_bath_destroy(bath);
}
END_TEST

/* Slow strong noise needs large bonds for ever, but small ones at first. */
START_TEST(an_accuracy_that_the_uniform_builder_misses_is_met_by_this_one)
{
    static const double o[2] = {0.5, -0.5};
    static const oqt_complex h[4] = {{0, 0}, {0.5, 0}, {0.5, 0}, {0, 0}};
    enum { N = 5 };
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_system *system = NULL;
    oqt_bath *bath = NULL;
    oqt_complex coupling[4];
    size_t calls_left = SIZE_MAX;
    oqt_error err = {0};
    oqt_pt *pt = NULL;

    ASSERT_OK(oqt_system_create(&system, 2, h, &err), err);
    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.3, 0.5, 4.0, OQT_CUTOFF_EXPONENTIAL, 1.0, &err), err);
    diagonal(coupling, 2, o);
    opt.accuracy = 1e-4;
    opt.max_bond = 40;
    opt.n_steps = N;
    opt.system = system;
    opt.method = OQT_PT_UNIFORM;
    opt.progress = (oqt_progress){stop, &calls_left};
    ck_assert_int_eq(oqt_pt_create(&pt, bath, 2, coupling, dt, &opt, &err), OQT_ECONV);
    /* canceled in the first of the calls that follow */
    calls_left = SIZE_MAX - calls_left + 1;
    opt.method = OQT_PT_AUTO;
    ck_assert_int_eq(oqt_pt_create(&pt, bath, 2, coupling, dt, &opt, &err), OQT_ECANCELED);
    ck_assert(pt == NULL && err.code == OQT_ECANCELED);
    opt.progress = (oqt_progress){NULL, NULL};
    pt = new_pt(bath, 2, coupling, &opt);
    ck_assert_int_eq(info_of(pt).method, OQT_PT_TEMPO);
    ck_assert_double_le(info_of(pt).error_estimate, 1e-4);
    ck_assert_double_le(worst_path(pt, bath, o, N, 0, 0.0), 1e-4);
    oqt_pt_destroy(pt);
    oqt_bath_destroy(bath);
    oqt_system_destroy(system);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pt_finite");
    TCase *tc = tcase_create("functional");

    tcase_add_test(tc, short_paths_have_the_exact_functional);
    tcase_add_test(tc, strong_coupling_is_squared_from_a_weaker_one);
    tcase_add_test(tc, any_number_of_steps_and_any_memory_fit_long_paths);
    tcase_add_test(tc, published_elements_are_reproduced);
    tcase_add_test(tc, the_error_estimate_goes_on_behind_the_path_test);
    tcase_add_test(tc, very_long_steps_leave_the_dephased_tensor);
    suite_add_tcase(suite, tc);
    tc = tcase_create("structure");
    tcase_add_test(tc, the_vacuum_is_exact_at_any_tolerance);
    tcase_add_test(tc, a_limit_on_the_bond_is_kept_and_told);
    tcase_add_test(tc, bonds_and_errors_follow_the_tolerance);
    tcase_add_test(tc, cutoff_error_is_that_of_constant_paths_for_a_commuting_system);
    tcase_add_test(tc, couplings_to_one_and_baths_without_coupling_do_nothing);
    tcase_add_test(tc, results_do_not_depend_on_the_number_of_threads);
    suite_add_tcase(suite, tc);
    tc = tcase_create("failures");
    tcase_add_test(tc, bad_arguments_are_named);
    tcase_add_test(tc, steps_beyond_the_end_are_refused);
    tcase_add_test(tc, a_build_can_be_canceled_at_every_call);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, an_accuracy_that_the_uniform_builder_misses_is_met_by_this_one);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
