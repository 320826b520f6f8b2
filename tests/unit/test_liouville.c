/* test_liouville.c - the real form of states and superoperators, and systems. */
#include "liouville/hermitian.h"
#include "support.h"

enum { D_MAX = 5, N_MAX = D_MAX * D_MAX };

/* ---- coordinates ---- */

START_TEST(coordinates_are_orthonormal)
{
    uint64_t seed = 1;

    for (size_t d = 1; d <= D_MAX; d++) {
        oqt_complex a[N_MAX], b[N_MAX];
        double x[N_MAX], y[N_MAX], dot = 0.0;
        double complex trace = 0.0;

        random_hermitian(a, d, &seed);
        random_hermitian(b, d, &seed);
        oqt__herm_from_matrix(x, NULL, a, d);
        oqt__herm_from_matrix(y, NULL, b, d);
        for (size_t i = 0; i < d * d; i++) {
            dot += x[i] * y[i];
            trace += to_c99(a[i]) * to_c99(b[i % d * d + i / d]);
        }
        ck_assert_double_eq_tol(dot, creal(trace), 1e-13);
    }
}
END_TEST

START_TEST(coordinates_lie_at_the_positions_of_their_elements)
{
    oqt_complex rho[4] = {{0.7, 0}, {0.1, -0.2}, {0.1, 0.2}, {0.3, 0}};
    double x[4], r = sqrt(2.0);

    oqt__herm_from_matrix(x, NULL, rho, 2);
    ck_assert_double_le(max_diff(x, (double[4]){0.7, 0.1 * r, -0.2 * r, 0.3}, 4), 1e-16);
}
END_TEST

START_TEST(any_matrix_is_two_columns)
{
    uint64_t seed = 2;

    for (size_t d = 1; d <= D_MAX; d++) {
        oqt_complex a[N_MAX], back[N_MAX];
        double x[N_MAX], y[N_MAX];

        random_complex(a, d * d, &seed);
        oqt__herm_from_matrix(x, y, a, d);
        oqt__herm_to_matrix(back, x, y, d);
        ck_assert_double_le(max_diff_complex(a, back, d * d), 1e-15);
        random_hermitian(a, d, &seed);
        oqt__herm_from_matrix(x, y, a, d);
        for (size_t i = 0; i < d * d; i++)
            ck_assert_double_eq(y[i], 0.0);
        oqt__herm_to_matrix(back, x, NULL, d);
        ck_assert_double_le(max_diff_complex(a, back, d * d), 1e-15);
    }
}
END_TEST

START_TEST(hermiticity_defect_is_relative)
{
    oqt_complex a[4] = {{4, 0}, {1, 0.5}, {1, -0.1}, {0, 0}};

    ck_assert_double_eq_tol(oqt__hermiticity_defect(a, 2), 0.1, 1e-15);
    ck_assert_double_eq(oqt__hermiticity_defect(sigma_y, 2), 0.0);
    a[0].im = 3.0;
    ck_assert_double_eq_tol(oqt__hermiticity_defect(a, 2), 6.0 / 5.0, 1e-15);
    memset(a, 0, sizeof a);
    ck_assert_double_eq(oqt__hermiticity_defect(a, 2), 0.0);
    a[3].re = NAN;
    ck_assert(isnan(oqt__hermiticity_defect(a, 2)));
}
END_TEST

/* ---- superoperators ---- */

/* out = s v with n x n complex s. */
static void apply(oqt_complex *out, const oqt_complex *s, const oqt_complex *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double complex sum = 0.0;

        for (size_t j = 0; j < n; j++)
            sum += to_c99(s[i * n + j]) * to_c99(v[j]);
        out[i] = from_c99(sum);
    }
}

static void apply_real(double *out, const double *s, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < n; j++)
            out[i] += s[i * n + j] * v[j];
    }
}

/* rho -> A rho A^+ - 0.4 B rho B^+, neither symmetric nor trace preserving. */
static void random_superop(oqt_complex *s, size_t d, uint64_t *seed)
{
    oqt_complex a[2][N_MAX];
    size_t n = d * d;

    random_complex(a[0], n, seed);
    random_complex(a[1], n, seed);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double complex sum = 0.0;

            for (size_t t = 0; t < 2; t++)
                sum += (t ? -0.4 : 1.0) * to_c99(a[t][i / d * d + j / d]) *
                       conj(to_c99(a[t][i % d * d + j % d]));
            s[i * n + j] = from_c99(sum);
        }
}

START_TEST(real_form_acts_as_the_complex_one)
{
    uint64_t seed = 3;

    for (size_t d = 1; d <= D_MAX; d++) {
        size_t n = d * d;
        oqt_complex s[N_MAX * N_MAX], back[N_MAX * N_MAX], rho[N_MAX], out[N_MAX], expected[N_MAX];
        double real[N_MAX * N_MAX], x[N_MAX], y[N_MAX], rx[N_MAX], ry[N_MAX];

        random_superop(s, d, &seed);
        oqt__herm_superop(real, s, d);
        oqt__herm_superop_to_complex(back, real, d);
        ck_assert_double_le(max_diff_complex(s, back, n * n), 1e-14);

        random_complex(rho, n, &seed); /* not Hermitian: two columns */
        oqt__herm_from_matrix(x, y, rho, d);
        apply_real(rx, real, x, n);
        apply_real(ry, real, y, n);
        oqt__herm_to_matrix(out, rx, ry, d);
        apply(expected, s, rho, n);
        ck_assert_double_le(max_diff_complex(out, expected, n), 1e-12);
    }
}
END_TEST

/* A unitary from Gram-Schmidt on random columns. */
static void random_unitary(oqt_complex *u, size_t d, uint64_t *seed)
{
    random_complex(u, d * d, seed);
    for (size_t j = 0; j < d; j++)
        for (size_t k = 0; k <= j; k++) {
            double complex overlap = 0.0;

            for (size_t i = 0; i < d; i++)
                overlap += conj(to_c99(u[i * d + k])) * to_c99(u[i * d + j]);
            for (size_t i = 0; i < d; i++)
                u[i * d + j] = from_c99(k < j ? to_c99(u[i * d + j]) - overlap * to_c99(u[i * d + k])
                                              : to_c99(u[i * d + j]) / sqrt(creal(overlap)));
        }
}

START_TEST(rotation_is_u_dagger_rho_u_and_orthogonal)
{
    uint64_t seed = 4;

    for (size_t d = 1; d <= D_MAX; d++) {
        size_t n = d * d;
        oqt_complex u[N_MAX], rho[N_MAX], expected[N_MAX], out[N_MAX];
        double r[N_MAX * N_MAX], x[N_MAX], y[N_MAX];

        random_unitary(u, d, &seed);
        random_hermitian(rho, d, &seed);
        for (size_t i = 0; i < n; i++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < n; k++)
                sum += conj(to_c99(u[k / d * d + i / d])) * to_c99(rho[k]) * to_c99(u[k % d * d + i % d]);
            expected[i] = from_c99(sum);
        }
        oqt__herm_rotation(r, u, d);
        oqt__herm_from_matrix(x, NULL, rho, d);
        apply_real(y, r, x, n);
        oqt__herm_to_matrix(out, y, NULL, d);
        ck_assert_double_le(max_diff_complex(out, expected, n), 1e-13);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double dot = 0.0;

                for (size_t k = 0; k < n; k++)
                    dot += r[i * n + k] * r[j * n + k];
                ck_assert_double_eq_tol(dot, i == j, 1e-13);
            }
    }
}
END_TEST

/* ---- systems ---- */

static oqt_system *new_system(size_t d, const oqt_complex *h)
{
    oqt_system *system = NULL;
    oqt_error err;

    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    return system;
}

static void add(oqt_system *system, double rate, const oqt_complex *op)
{
    oqt_error err;

    ASSERT_OK(oqt_system_add_dissipator(system, rate, op, &err), err);
}

/* Case A of the reference: H = sigma_x / 2, rates 0.1 on sigma_minus and 0.2 on sigma_z. */
static oqt_system *case_a(void)
{
    oqt_complex h[4];
    oqt_system *system;

    scale_complex(h, 0.5, sigma_x, 4);
    system = new_system(2, h);
    add(system, 0.1, sigma_minus);
    add(system, 0.2, sigma_z);
    return system;
}

START_TEST(liouvillian_of_case_a)
{
    static const oqt_complex expected[16] = {{-0.1, 0}, {0, 0.5},  {0, -0.5}, {0, 0}, {0, 0.5},   {-0.45, 0},
                                             {0, 0},    {0, -0.5}, {0, -0.5}, {0, 0}, {-0.45, 0}, {0, 0.5},
                                             {0.1, 0},  {0, -0.5}, {0, 0.5},  {0, 0}};
    oqt_system *system = case_a();
    oqt_complex l[16];

    ck_assert_uint_eq(oqt_system_dimension(system), 2);
    ck_assert_double_eq_tol(oqt_system_spectral_width(system), 1.0, 1e-15);
    oqt_system_liouvillian(l, system);
    ck_assert_double_le(max_diff_complex(l, expected, 16), 1e-16);
    oqt_system_destroy(system);
}
END_TEST

/* Printed by OQuPy 0.5.0 to 13 digits or so: half a step of 0.05. */
START_TEST(propagator_of_case_a)
{
    oqt_system *system = case_a();
    oqt_complex u[16];
    oqt_error err;

    ASSERT_OK(oqt_system_propagator(u, system, 0.025, &err), err);
    ck_assert_double_eq_tol(u[0].re, 0.99734785389898, 5e-15);
    ck_assert_double_eq_tol(u[1].im, 0.0124131037132, 5e-14);
    ck_assert_double_eq_tol(u[2].im, -0.0124131037132, 5e-14);
    ck_assert_double_eq_tol(u[3].re, 1.5552785172883e-4, 2e-16);
    ck_assert_double_eq_tol(u[5].re, 0.98865809902962, 5e-15);
    ck_assert_double_eq_tol(u[6].re, 1.5494558160907e-4, 2e-16);
    ck_assert_double_eq_tol(u[7].im, -0.0124286564984, 5e-14);
    ck_assert_double_eq_tol(u[12].re, 2.6521461010226e-3, 2e-16);
    oqt_system_destroy(system);
}
END_TEST

static oqt_system *random_system(size_t d, uint64_t *seed)
{
    oqt_complex h[N_MAX], op[N_MAX];
    oqt_system *system;

    random_hermitian(h, d, seed);
    system = new_system(d, h);
    random_complex(op, d * d, seed);
    add(system, 0.13, op);
    random_complex(op, d * d, seed);
    add(system, -0.04, op);
    return system;
}

/* The generator against the definition, acting on a state. */
START_TEST(liouvillian_is_the_lindblad_form)
{
    uint64_t seed = 5;

    for (size_t d = 1; d <= D_MAX; d++) {
        size_t n = d * d;
        oqt_complex h[N_MAX], a[N_MAX], rho[N_MAX], l[N_MAX * N_MAX], out[N_MAX];
        oqt_system *system;

        random_hermitian(h, d, &seed);
        random_complex(a, n, &seed);
        random_complex(rho, n, &seed);
        system = new_system(d, h);
        add(system, 0.7, a);
        oqt_system_liouvillian(l, system);
        apply(out, l, rho, n);
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < d; j++) {
                double complex sum = 0.0;

                for (size_t k = 0; k < d; k++) {
                    sum -= I * (to_c99(h[i * d + k]) * to_c99(rho[k * d + j]) -
                                to_c99(rho[i * d + k]) * to_c99(h[k * d + j]));
                    for (size_t m = 0; m < d; m++) {
                        sum +=
                            0.7 * to_c99(a[i * d + k]) * to_c99(rho[k * d + m]) * conj(to_c99(a[j * d + m]));
                        sum -=
                            0.35 * conj(to_c99(a[k * d + i])) * to_c99(a[k * d + m]) * to_c99(rho[m * d + j]);
                        sum -=
                            0.35 * to_c99(rho[i * d + k]) * conj(to_c99(a[m * d + k])) * to_c99(a[m * d + j]);
                    }
                }
                ck_assert_double_le(cabs(sum - to_c99(out[i * d + j])), 1e-12);
            }
        oqt_system_destroy(system);
    }
}
END_TEST

/* The complex exponential by its series, in small steps. */
START_TEST(propagator_matches_the_complex_series)
{
    uint64_t seed = 6;

    for (size_t d = 1; d <= D_MAX; d++) {
        size_t n = d * d;
        oqt_system *system = random_system(d, &seed);
        oqt_complex l[N_MAX * N_MAX], u[N_MAX * N_MAX], rho[N_MAX], expected[N_MAX], out[N_MAX];
        double real[N_MAX * N_MAX], x[N_MAX], y[N_MAX];
        const double t = 0.37;
        oqt_error err;

        random_state(rho, d, &seed);
        memcpy(expected, rho, sizeof expected);
        oqt_system_liouvillian(l, system);
        for (int step = 0; step < 64; step++) {
            oqt_complex term[N_MAX], next[N_MAX];

            memcpy(term, expected, sizeof term);
            for (int k = 1; k < 25; k++) {
                apply(next, l, term, n);
                scale_complex(term, t / 64 / k, next, n);
                for (size_t i = 0; i < n; i++)
                    expected[i] = from_c99(to_c99(expected[i]) + to_c99(term[i]));
            }
        }
        ASSERT_OK(oqt_system_propagator(u, system, t, &err), err);
        apply(out, u, rho, n);
        ck_assert_double_le(max_diff_complex(out, expected, n), 1e-12);

        ASSERT_OK(oqt__system_propagator(real, system, t, &err), err);
        oqt__herm_from_matrix(x, NULL, rho, d);
        apply_real(y, real, x, n);
        oqt__herm_to_matrix(out, y, NULL, d);
        ck_assert_double_le(max_diff_complex(out, expected, n), 1e-12);
        oqt_system_destroy(system);
    }
}
END_TEST

START_TEST(trace_is_preserved)
{
    uint64_t seed = 7;

    for (size_t d = 1; d <= D_MAX; d++) {
        size_t n = d * d;
        oqt_system *system = random_system(d, &seed);
        double generator[N_MAX * N_MAX], u[N_MAX * N_MAX];
        oqt_error err;

        oqt__system_generator(generator, system);
        ASSERT_OK(oqt__system_propagator(u, system, 0.9, &err), err);
        for (size_t j = 0; j < n; j++) {
            double rate = 0.0, weight = 0.0, largest = 1.0;

            for (size_t i = 0; i < d; i++) {
                rate += generator[(i * d + i) * n + j];
                weight += u[(i * d + i) * n + j];
                largest = fmax(largest, fabs(u[(i * d + i) * n + j]));
            }
            ck_assert_double_eq_tol(rate, 0.0, 1e-13);
            ck_assert_double_eq_tol(weight, j % (d + 1) == 0, 1e-13 * largest * (double)n);
        }
        oqt_system_destroy(system);
    }
}
END_TEST

START_TEST(copy_is_independent)
{
    oqt_system *system = case_a(), *copy = oqt__system_copy(system);
    oqt_complex before[16], after[16];

    ck_assert_ptr_nonnull(copy);
    oqt_system_liouvillian(before, copy);
    add(system, 1.0, sigma_x);
    oqt_system_liouvillian(after, copy);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    oqt_system_destroy(system);
    oqt_system_liouvillian(after, copy);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    oqt_system_destroy(copy);
    oqt_system_destroy(NULL);
}
END_TEST

/* ---- commutation with the coupling ---- */

static double leg_rate(const oqt_system *system, const double *o, const oqt_complex *u)
{
    oqt_error err;
    double rate = -1.0;

    ASSERT_OK(oqt__system_leg_rate(&rate, system, o, u, &err), err);
    return rate;
}

/* L of H = b sigma_x connects each leg with two others at b, and one of rate r by sigma_minus at r. */
START_TEST(leg_rate_sums_what_leaves_a_leg)
{
    const double b = 0.37, r = 0.21, o[2] = {0.5, -0.5};
    const oqt_complex identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    oqt_complex h[4];
    oqt_system *system = NULL;
    oqt_error err;

    scale_complex(h, b, sigma_x, 4);
    ASSERT_OK(oqt_system_create(&system, 2, h, &err), err);
    ck_assert_double_eq_tol(leg_rate(system, o, identity), 2.0 * b, 1e-15);
    ASSERT_OK(oqt_system_add_dissipator(system, r, sigma_minus, &err), err);
    ck_assert_double_eq_tol(leg_rate(system, o, identity), 2.0 * b + r, 1e-15);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(diagonal_systems_commute_with_a_diagonal_coupling)
{
    static const oqt_complex identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    static const double o[2] = {0.5, -0.5};
    oqt_complex h[4];
    oqt_system *system;

    scale_complex(h, 0.83, sigma_z, 4);
    system = new_system(2, h);
    ck_assert(leg_rate(system, o, identity) == 0.0);
    add(system, 0.3, sigma_z);
    ck_assert(leg_rate(system, o, identity) == 0.0);
    add(system, 0.01, sigma_minus);
    ck_assert(leg_rate(system, o, identity) > 0.0);
    ck_assert(leg_rate(system, (double[2]){0.7, 0.7}, identity) == 0.0);
    oqt_system_destroy(system);

    system = new_system(2, sigma_x);
    ck_assert(leg_rate(system, o, identity) > 0.0);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(mixing_within_a_degenerate_block_commutes)
{
    static const double o[3] = {1, 1, 2};
    oqt_complex identity[9] = {{0, 0}}, h[9] = {{0, 0}};
    oqt_system *system;

    for (size_t i = 0; i < 3; i++)
        identity[4 * i].re = 1.0;
    h[0].re = 0.4;
    h[1] = (oqt_complex){0.3, 0.8};
    h[3] = (oqt_complex){0.3, -0.8};
    h[8].re = -2.0;
    system = new_system(3, h);
    ck_assert(leg_rate(system, o, identity) == 0.0);
    oqt_system_destroy(system);
    h[2].re = h[6].re = 1e-3;
    system = new_system(3, h);
    ck_assert(leg_rate(system, o, identity) > 0.0);
    oqt_system_destroy(system);
}
END_TEST

/* H = f(O) in a random basis commutes; another Hamiltonian does not. */
START_TEST(commutation_in_a_rotated_basis)
{
    static const double o[4] = {-1.3, -1.3, 0.4, 2.2}, f[4] = {0.7, 0.7, -3.0, 1.1};
    uint64_t seed = 8;
    oqt_complex u[16], h[16];
    oqt_system *system;

    random_unitary(u, 4, &seed);
    for (size_t i = 0; i < 16; i++) {
        double complex sum = 0.0;

        for (size_t k = 0; k < 4; k++)
            sum += to_c99(u[i / 4 * 4 + k]) * f[k] * conj(to_c99(u[i % 4 * 4 + k]));
        h[i] = from_c99(sum);
    }
    system = new_system(4, h);
    ck_assert(leg_rate(system, o, u) == 0.0);
    oqt_system_destroy(system);
    random_hermitian(h, 4, &seed);
    system = new_system(4, h);
    ck_assert(leg_rate(system, o, u) > 0.0);
    oqt_system_destroy(system);
}
END_TEST

/* ---- failures ---- */

START_TEST(bad_hamiltonians_are_refused)
{
    oqt_complex h[4];
    oqt_system *system = (oqt_system *)h; /* any value, to see that it stays */
    oqt_error err;

    memcpy(h, sigma_x, sizeof h);
    ck_assert_int_eq(oqt_system_create(&system, 0, h, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_create(&system, 2, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_create(NULL, 2, h, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_create(&system, 100000, h, &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_system_create(&system, SIZE_MAX, h, &err), OQT_ERANGE);
    h[1].re += 0.3;
    ck_assert_int_eq(oqt_system_create(&system, 2, h, &err), OQT_EINVAL);
    ck_assert_str_eq(
        err.text, "hamiltonian is not Hermitian: element (0,1) differs from the conjugate of (1,0) by 0.3");
    memcpy(h, sigma_x, sizeof h);
    h[3].im = 0.25;
    ck_assert_int_eq(oqt_system_create(&system, 2, h, &err), OQT_EINVAL);
    ck_assert_str_eq(err.text,
                     "hamiltonian is not Hermitian: diagonal element (1,1) has imaginary part 0.25");
    h[3].im = INFINITY;
    ck_assert_int_eq(oqt_system_create(&system, 2, h, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "not finite"));
    ck_assert_ptr_eq(system, h);
    h[3].im = 1e-11; /* rounding of the user's is fine */
    ASSERT_OK(oqt_system_create(&system, 2, h, &err), err);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(bad_dissipators_leave_the_system)
{
    oqt_system *system = case_a();
    oqt_complex op[4], before[16], after[16];
    oqt_error err;

    memcpy(op, sigma_minus, sizeof op);
    oqt_system_liouvillian(before, system);
    ck_assert_int_eq(oqt_system_add_dissipator(system, NAN, op, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_dissipator(system, 0.1, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_add_dissipator(NULL, 0.1, op, &err), OQT_EINVAL);
    op[2].re = 1e200;
    ck_assert_int_eq(oqt_system_add_dissipator(system, 0.1, op, &err), OQT_EINVAL);
    ck_assert_str_eq(err.text, "dissipator of rate 0.1 overflows");
    op[2].re = NAN;
    ck_assert_int_eq(oqt_system_add_dissipator(system, 0.1, op, &err), OQT_EINVAL);
    oqt_system_liouvillian(after, system);
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
    oqt_system_destroy(system);
}
END_TEST

START_TEST(bad_times_leave_the_propagator)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1e308};
    oqt_complex h[4], u[16];
    oqt_system *system;
    oqt_error err;

    scale_complex(h, 100.0, sigma_x, 4);
    system = new_system(2, h);
    u[5].re = 17.0;
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(oqt_system_propagator(u, system, bad[i], &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_propagator(NULL, system, 1.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_system_propagator(u, NULL, 1.0, &err), OQT_EINVAL);
    ck_assert_double_eq(u[5].re, 17.0);
    add(system, -30.0, sigma_minus); /* grows without bound */
    ck_assert_int_eq(oqt_system_propagator(u, system, 1e3, &err), OQT_ECONV);
    ck_assert_double_eq(u[5].re, 17.0);
    oqt_system_destroy(system);
}
END_TEST

static oqt_status use_system(void *ctx)
{
    oqt_system *system = NULL, *copy = NULL;
    oqt_complex u[16];
    oqt_status st = oqt_system_create(&system, 2, sigma_x, NULL);

    (void)ctx;
    if (st == OQT_OK)
        st = oqt_system_add_dissipator(system, 0.1, sigma_minus, NULL);
    if (st == OQT_OK)
        st = oqt_system_propagator(u, system, 0.3, NULL);
    if (st == OQT_OK && !(copy = oqt__system_copy(system)))
        st = OQT_ENOMEM;
    oqt_system_destroy(copy);
    oqt_system_destroy(system);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_uint_ge(check_every_allocation(use_system, NULL), 10);
}
END_TEST

/* A generator given whole is the Hamiltonian and the dissipator that it was made of, also in the propagator.
 */
START_TEST(generators_add_up)
{
    enum { D = 3, N = D * D };
    oqt_complex h[N], a[N], whole[N * N], other[N * N], zero[N] = {{0.0, 0.0}};
    oqt_system *one = NULL, *two = NULL;
    oqt_error err = {0};
    uint64_t seed = 8;

    random_hermitian(h, D, &seed);
    random_complex(a, N, &seed);
    ASSERT_OK(oqt_system_create(&one, D, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(one, 0.3, a, &err), err);
    oqt_system_liouvillian(whole, one);
    ASSERT_OK(oqt_system_create(&two, D, zero, &err), err);
    ASSERT_OK(oqt_system_add_generator(two, whole, &err), err);
    oqt_system_liouvillian(other, two);
    ck_assert_double_le(max_diff_complex(whole, other, N * N), 1e-14);
    ASSERT_OK(oqt_system_propagator(whole, one, 0.7, &err), err);
    ASSERT_OK(oqt_system_propagator(other, two, 0.7, &err), err);
    ck_assert_double_le(max_diff_complex(whole, other, N * N), 1e-14);

    oqt_system_liouvillian(whole, one);
    oqt_system_liouvillian(other, two);
    whole[1].im += 1e-3; /* not Hermitian any more */
    ck_assert_int_eq(oqt_system_add_generator(two, whole, &err), OQT_EINVAL);
    oqt_system_liouvillian(whole, one);
    whole[0].re += 1e-3; /* the trace grows */
    ck_assert_int_eq(oqt_system_add_generator(two, whole, &err), OQT_EINVAL);
    whole[0].re = NAN;
    ck_assert_int_eq(oqt_system_add_generator(two, whole, &err), OQT_EINVAL);
    oqt_system_liouvillian(whole, two);
    ck_assert_mem_eq(whole, other, sizeof whole);
    oqt_system_destroy(one);
    oqt_system_destroy(two);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("liouville");
    TCase *tc = tcase_create("real form");

    tcase_add_test(tc, coordinates_are_orthonormal);
    tcase_add_test(tc, coordinates_lie_at_the_positions_of_their_elements);
    tcase_add_test(tc, any_matrix_is_two_columns);
    tcase_add_test(tc, hermiticity_defect_is_relative);
    tcase_add_test(tc, real_form_acts_as_the_complex_one);
    tcase_add_test(tc, rotation_is_u_dagger_rho_u_and_orthogonal);
    tcase_add_test(tc, generators_add_up);
    suite_add_tcase(suite, tc);

    tc = tcase_create("system");
    tcase_add_test(tc, liouvillian_of_case_a);
    tcase_add_test(tc, propagator_of_case_a);
    tcase_add_test(tc, liouvillian_is_the_lindblad_form);
    tcase_add_test(tc, propagator_matches_the_complex_series);
    tcase_add_test(tc, trace_is_preserved);
    tcase_add_test(tc, copy_is_independent);
    tcase_add_test(tc, diagonal_systems_commute_with_a_diagonal_coupling);
    tcase_add_test(tc, leg_rate_sums_what_leaves_a_leg);
    tcase_add_test(tc, mixing_within_a_degenerate_block_commutes);
    tcase_add_test(tc, commutation_in_a_rotated_basis);
    suite_add_tcase(suite, tc);

    tc = tcase_create("failures");
    tcase_add_test(tc, bad_hamiltonians_are_refused);
    tcase_add_test(tc, bad_dissipators_leave_the_system);
    tcase_add_test(tc, bad_times_leave_the_propagator);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
