/* test_operators.c - operators, states and superoperators by name and by construction. */
#include "support.h"

enum { D_MAX = 6, N_MAX = D_MAX * D_MAX };

static const oqt_complex unit = {1.0, 0.0};

static void by_name(oqt_complex *op, size_t d, const char *name)
{
    oqt_error err;

    ASSERT_OK(oqt_op_by_name(op, d, name, &err), err);
}

static void state(oqt_complex *rho, size_t d, const char *name)
{
    oqt_error err;

    ASSERT_OK(oqt_state_by_name(rho, d, name, &err), err);
}

/* out = a b, rows x inner and inner x columns. */
static void product(oqt_complex *out, const oqt_complex *a, const oqt_complex *b, size_t rows, size_t inner,
                    size_t columns)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < inner; k++)
                sum += to_c99(a[i * inner + k]) * to_c99(b[k * columns + j]);
            out[i * columns + j] = from_c99(sum);
        }
}

static void adjoint(oqt_complex *out, const oqt_complex *a, size_t d)
{
    for (size_t i = 0; i < d * d; i++)
        out[i] = from_c99(conj(to_c99(a[i % d * d + i / d])));
}

/* out += c a */
static void accumulate(oqt_complex *out, double complex c, const oqt_complex *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = from_c99(to_c99(out[i]) + c * to_c99(a[i]));
}

/* out = a b - b a */
static void bracket(oqt_complex *out, const oqt_complex *a, const oqt_complex *b, size_t d)
{
    oqt_complex ba[N_MAX];

    product(out, a, b, d, d, d);
    product(ba, b, a, d, d, d);
    accumulate(out, -1.0, ba, d * d);
}

static void check_equal(const oqt_complex *a, const oqt_complex *b, size_t n, double tolerance)
{
    ck_assert_double_le(max_diff_complex(a, b, n), tolerance);
}

/* ---- operators ---- */

START_TEST(names_give_the_pauli_matrices)
{
    static const oqt_complex plus[4] = {{0, 0}, {1, 0}, {0, 0}, {0, 0}};
    static const oqt_complex identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    oqt_complex op[4];

    by_name(op, 2, "sigma_x");
    check_equal(op, sigma_x, 4, 0.0);
    by_name(op, 2, "sigma_y");
    check_equal(op, sigma_y, 4, 0.0);
    by_name(op, 2, "sigma_z");
    check_equal(op, sigma_z, 4, 0.0);
    by_name(op, 2, "sigma_plus");
    check_equal(op, plus, 4, 0.0);
    by_name(op, 2, "sigma_minus");
    check_equal(op, sigma_minus, 4, 0.0);
    by_name(op, 2, "identity");
    check_equal(op, identity, 4, 0.0);
}
END_TEST

/* Spin 3/2 as in every textbook. */
START_TEST(spin_three_halves_is_that_of_the_books)
{
    const double r = sqrt(3.0);
    const oqt_complex x[16] = {{0, 0}, {r / 2, 0}, {0, 0},     {0, 0}, {r / 2, 0}, {0, 0},
                               {1, 0}, {0, 0},     {0, 0},     {1, 0}, {0, 0},     {r / 2, 0},
                               {0, 0}, {0, 0},     {r / 2, 0}, {0, 0}};
    const oqt_complex minus[16] = {[4] = {r, 0}, [9] = {2, 0}, [14] = {r, 0}};
    oqt_complex op[16];

    by_name(op, 4, "spin_x");
    check_equal(op, x, 16, 1e-15);
    by_name(op, 4, "spin_minus");
    check_equal(op, minus, 16, 1e-15);
    by_name(op, 4, "spin_z");
    for (size_t n = 0; n < 4; n++)
        ck_assert_double_eq(op[5 * n].re, 1.5 - (double)n);
}
END_TEST

/* [J_x, J_y] = i J_z and cyclic, J^2 = j (j + 1), J_+ = J_x + i J_y, J_- its adjoint. */
START_TEST(spins_of_every_size_have_the_algebra_of_rotations)
{
    for (size_t d = 1; d <= D_MAX; d++) {
        static const char *const names[] = {"spin_x", "spin_y", "spin_z"};
        oqt_complex j[3][N_MAX], a[N_MAX], b[N_MAX], total[N_MAX] = {{0, 0}};
        double spin = 0.5 * ((double)d - 1.0);

        for (size_t k = 0; k < 3; k++)
            by_name(j[k], d, names[k]);
        for (size_t k = 0; k < 3; k++) {
            bracket(a, j[k], j[(k + 1) % 3], d);
            accumulate(a, -I, j[(k + 2) % 3], d * d);
            check_equal(a, (oqt_complex[N_MAX]){{0, 0}}, d * d, 1e-14);
            product(a, j[k], j[k], d, d, d);
            accumulate(total, 1.0, a, d * d);
        }
        by_name(a, d, "identity");
        accumulate(total, -spin * (spin + 1.0), a, d * d);
        check_equal(total, (oqt_complex[N_MAX]){{0, 0}}, d * d, 1e-14);
        by_name(a, d, "spin_plus");
        adjoint(b, a, d);
        accumulate(a, -1.0, j[0], d * d);
        accumulate(a, -I, j[1], d * d);
        check_equal(a, (oqt_complex[N_MAX]){{0, 0}}, d * d, 1e-15);
        by_name(a, d, "spin_minus");
        check_equal(a, b, d * d, 0.0);
    }
}
END_TEST

/* destroy has sqrt(1 .. d-1) above the diagonal; [a, a^+] = 1 and [x, p] = i but for the cut level. */
START_TEST(ladder_operators_are_those_of_a_cut_oscillator)
{
    for (size_t d = 1; d <= D_MAX; d++) {
        oqt_complex a[N_MAX], up[N_MAX], number[N_MAX], x[N_MAX], p[N_MAX], b[N_MAX];

        by_name(a, d, "destroy");
        by_name(up, d, "create");
        for (size_t i = 0; i < d * d; i++)
            ck_assert_double_le(cabs(to_c99(a[i]) - (i % d == i / d + 1 ? sqrt((double)(i % d)) : 0.0)), 0.0);
        adjoint(b, a, d);
        check_equal(up, b, d * d, 0.0);
        by_name(number, d, "number");
        product(b, up, a, d, d, d);
        check_equal(number, b, d * d, 1e-15);
        by_name(x, d, "position");
        by_name(p, d, "momentum");
        bracket(b, x, p, d);
        for (size_t i = 0; i < d * d; i++) {
            double expected = i % (d + 1) != 0 ? 0.0 : i + 1 < d * d ? 1.0 : 1.0 - (double)d;

            ck_assert_double_le(cabs(to_c99(b[i]) - expected * I), 1e-14);
        }
        /* a = (x + i p)/sqrt2 */
        accumulate(x, I, p, d * d);
        accumulate(x, -sqrt(2.0), a, d * d);
        check_equal(x, (oqt_complex[N_MAX]){{0, 0}}, d * d, 1e-15);
    }
}
END_TEST

START_TEST(matrix_units_have_one_element)
{
    oqt_complex a[9], b[9] = {[5] = {1, 0}};
    oqt_error err;

    by_name(a, 3, "ket_bra(1,2)");
    check_equal(a, b, 9, 0.0);
    by_name(a, 3, "ket_bra( 1 , 2 )");
    check_equal(a, b, 9, 0.0);
    memset(a, 1, sizeof a);
    ASSERT_OK(oqt_op_ket_bra(a, 3, 1, 2, &err), err);
    check_equal(a, b, 9, 0.0);
}
END_TEST

START_TEST(terms_add_up_to_a_hamiltonian)
{
    oqt_complex h[4] = {{0.25, 0}};
    const oqt_complex expected[4] = {{0.65, 0}, {0.5, -0.2}, {0.5, 0.2}, {-0.4, 0}};
    oqt_error err;

    ASSERT_OK(oqt_op_add(h, 2, (oqt_complex){0.5, 0}, "sigma_x", &err), err);
    ASSERT_OK(oqt_op_add(h, 2, (oqt_complex){0.4, 0}, "sigma_z", &err), err);
    ASSERT_OK(oqt_op_add(h, 2, (oqt_complex){0, 0.2}, "ket_bra(1,0)", &err), err);
    ASSERT_OK(oqt_op_add(h, 2, (oqt_complex){0, -0.2}, "sigma_plus", &err), err);
    check_equal(h, expected, 4, 1e-16);
}
END_TEST

/* (a (x) b)(c (x) d) = ac (x) bd, and a small one by hand. */
START_TEST(tensor_products_act_on_each_factor)
{
    static const oqt_complex by_hand[16] = {[1] = {0, -1}, [4] = {0, 1}, [11] = {0, 1}, [14] = {0, -1}};
    enum { DA = 3, DB = 2, D = DA * DB };
    oqt_complex a[DA * DA], b[DB * DB], c[DA * DA], d[DB * DB], ac[DA * DA], bd[DB * DB];
    oqt_complex left[D * D], right[D * D], out[D * D], expected[D * D];
    uint64_t seed = 1;

    oqt_op_tensor(out, 2, sigma_z, 2, sigma_y);
    check_equal(out, by_hand, 16, 0.0);
    random_complex(a, DA * DA, &seed);
    random_complex(b, DB * DB, &seed);
    random_complex(c, DA * DA, &seed);
    random_complex(d, DB * DB, &seed);
    oqt_op_tensor(left, DA, a, DB, b);
    oqt_op_tensor(right, DA, c, DB, d);
    product(out, left, right, D, D, D);
    product(ac, a, c, DA, DA, DA);
    product(bd, b, d, DB, DB, DB);
    oqt_op_tensor(expected, DA, ac, DB, bd);
    check_equal(out, expected, D * D, 1e-13);
}
END_TEST

/* ---- states ---- */

/* Each is the eigenstate of its Pauli matrix: sigma rho = +- rho, of trace 1. */
START_TEST(qubit_states_are_eigenstates)
{
    static const struct {
        const char *name;
        const oqt_complex *sigma;
        double sign;
    } list[] = {{"up", sigma_z, 1}, {"down", sigma_z, -1}, {"z+", sigma_z, 1}, {"z-", sigma_z, -1},
                {"x+", sigma_x, 1}, {"x-", sigma_x, -1},   {"y+", sigma_y, 1}, {"y-", sigma_y, -1}};
    oqt_complex rho[4], out[4];

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        state(rho, 2, list[i].name);
        product(out, list[i].sigma, rho, 2, 2, 2);
        accumulate(out, -list[i].sign, rho, 4);
        check_equal(out, (oqt_complex[4]){{0, 0}}, 4, 0.0);
        ck_assert_double_eq(rho[0].re + rho[3].re, 1.0);
    }
    state(rho, 2, "up");
    ck_assert_double_eq(rho[0].re, 1.0); /* the first basis vector */
}
END_TEST

START_TEST(states_of_any_dimension)
{
    for (size_t d = 1; d <= D_MAX; d++) {
        oqt_complex rho[N_MAX];

        state(rho, d, "mixed");
        for (size_t i = 0; i < d * d; i++)
            ck_assert_double_le(cabs(to_c99(rho[i]) - (i % (d + 1) == 0 ? 1.0 / (double)d : 0.0)), 0.0);
        state(rho, d, "basis(0)");
        for (size_t i = 0; i < d * d; i++)
            ck_assert_double_le(cabs(to_c99(rho[i]) - (i == 0 ? 1.0 : 0.0)), 0.0);
    }
}
END_TEST

START_TEST(pure_states_are_projectors_at_any_scale)
{
    static const double scales[] = {1.0, 1e-200, 1e200};
    uint64_t seed = 2;
    oqt_complex psi[D_MAX], rho[N_MAX], square[N_MAX], scaled[D_MAX], out[D_MAX];
    oqt_error err;

    random_complex(psi, D_MAX, &seed);
    for (size_t i = 0; i < 3; i++) {
        scale_complex(scaled, scales[i], psi, D_MAX);
        ASSERT_OK(oqt_state_pure(rho, D_MAX, scaled, &err), err);
        product(square, rho, rho, D_MAX, D_MAX, D_MAX);
        check_equal(square, rho, N_MAX, 1e-15);
        product(out, rho, psi, D_MAX, D_MAX, 1);
        check_equal(out, psi, D_MAX, 1e-14);
    }
}
END_TEST

/* a rho = alpha rho where the cut does not matter, and no overflow where it does. */
START_TEST(coherent_states_are_eigenstates_of_destroy)
{
    enum { D = 40 };
    const oqt_complex alpha = {0.9, -1.3};
    static oqt_complex a[D * D], rho[D * D], out[D * D];
    double trace = 0.0;
    oqt_error err;

    ASSERT_OK(oqt_state_coherent(rho, D, alpha, &err), err);
    by_name(a, D, "destroy");
    product(out, a, rho, D, D, D);
    accumulate(out, -to_c99(alpha), rho, D * D);
    check_equal(out, (oqt_complex[D * D]){{0, 0}}, D * D, 1e-13);
    ck_assert_double_eq_tol(rho[0].re, exp(-0.81 - 1.69), 1e-15);

    ASSERT_OK(oqt_state_coherent(rho, D, (oqt_complex){1e5, 1e5}, &err), err);
    for (size_t n = 0; n < D; n++)
        trace += rho[n * (D + 1)].re;
    ck_assert_double_eq_tol(trace, 1.0, 1e-13);
    ck_assert_double_gt(rho[D * D - 1].re, 0.99);
    ASSERT_OK(oqt_state_coherent(rho, D, (oqt_complex){0, 0}, &err), err);
    ck_assert_double_eq(rho[0].re, 1.0);
}
END_TEST

/* (n . J) rho = j rho, with the direction of the Bloch vector for d = 2. */
START_TEST(spin_coherent_states_point_in_their_direction)
{
    static const double angles[][2] = {{0, 0}, {0.7, 2.1}, {3.141592653589793, -0.4}, {-2.0, 5.0}};

    for (size_t i = 0; i < 4; i++)
        for (size_t d = 1; d <= D_MAX; d++) {
            double theta = angles[i][0], phi = angles[i][1];
            const oqt_complex n[3] = {
                {sin(theta) * cos(phi), 0}, {sin(theta) * sin(phi), 0}, {cos(theta), 0}};
            oqt_complex along[N_MAX] = {{0, 0}}, rho[N_MAX], out[N_MAX];
            oqt_error err;

            ASSERT_OK(oqt_op_add(along, d, n[0], "spin_x", &err), err);
            ASSERT_OK(oqt_op_add(along, d, n[1], "spin_y", &err), err);
            ASSERT_OK(oqt_op_add(along, d, n[2], "spin_z", &err), err);
            ASSERT_OK(oqt_state_spin(rho, d, theta, phi, &err), err);
            product(out, along, rho, d, d, d);
            accumulate(out, -0.5 * ((double)d - 1.0), rho, d * d);
            check_equal(out, (oqt_complex[N_MAX]){{0, 0}}, d * d, 2e-15);
        }
}
END_TEST

/* The largest that is allowed: the mean of spin_z is j cos theta. */
START_TEST(large_spins_do_not_overflow)
{
    enum { D = 1024 };
    oqt_complex *rho = malloc(D * D * sizeof *rho);
    double mean = 0.0;
    oqt_error err;

    ASSERT_OK(oqt_state_spin(rho, D, 1.1, 0.3, &err), err);
    for (size_t n = 0; n < D; n++)
        mean += rho[n * (D + 1)].re * (511.5 - (double)n);
    ck_assert_double_eq_tol(mean, 511.5 * cos(1.1), 1e-9);
    free(rho);
}
END_TEST

/* An oscillator in the basis of its levels, and a spin along x: <sigma_x> = tanh(1/T) for H = -sigma_x. */
START_TEST(thermal_states_are_boltzmann)
{
    enum { D = 5 };
    const double w = 0.83, temperature = 0.7;
    oqt_complex h[D * D] = {{0, 0}}, rho[D * D], qubit[4];
    double z = 0.0;
    oqt_error err;

    ASSERT_OK(oqt_op_add(h, D, (oqt_complex){w, 0}, "number", &err), err);
    ASSERT_OK(oqt_state_thermal(rho, D, h, temperature, &err), err);
    for (size_t n = 0; n < D; n++)
        z += exp(-w * (double)n / temperature);
    for (size_t i = 0; i < D * D; i++) {
        double expected = i % (D + 1) == 0 ? exp(-w * (double)(i / D) / temperature) / z : 0.0;

        ck_assert_double_le(cabs(to_c99(rho[i]) - expected), 1e-15);
    }
    scale_complex(h, -1.0, sigma_x, 4);
    ASSERT_OK(oqt_state_thermal(qubit, 2, h, temperature, &err), err);
    ck_assert_double_eq_tol(2.0 * qubit[1].re, tanh(1.0 / temperature), 1e-15);
    ASSERT_OK(oqt_state_thermal(qubit, 2, h, 0.0, &err), err);
    ck_assert_double_eq_tol(qubit[1].re, 0.5, 1e-15);
    memset(h, 0, sizeof h);
    h[8].re = 1.0;
    ASSERT_OK(oqt_state_thermal(rho, 3, h, 0.0, &err), err); /* two ground states */
    ck_assert_double_eq_tol(rho[0].re, 0.5, 1e-15);
    ck_assert_double_eq_tol(rho[4].re, 0.5, 1e-15);
}
END_TEST

/* ---- superoperators ---- */

/* Check that s vec(rho) = vec(expected). */
static void check_action(const oqt_complex *s, const oqt_complex *rho, const oqt_complex *expected, size_t d)
{
    oqt_complex out[N_MAX];

    product(out, s, rho, d * d, d * d, 1);
    check_equal(out, expected, d * d, 1e-12);
}

START_TEST(superoperators_act_as_they_say)
{
    uint64_t seed = 3;

    for (size_t d = 1; d <= D_MAX; d++) {
        static oqt_complex s[N_MAX * N_MAX];
        oqt_complex a[N_MAX], b[N_MAX], rho[N_MAX], ar[N_MAX], ra[N_MAX], arb[N_MAX], out[N_MAX];

        random_complex(a, d * d, &seed);
        random_complex(b, d * d, &seed);
        random_complex(rho, d * d, &seed);
        product(ar, a, rho, d, d, d);
        product(ra, rho, a, d, d, d);
        product(arb, ar, b, d, d, d);
        oqt_super_left(s, d, a);
        check_action(s, rho, ar, d);
        oqt_super_right(s, d, a);
        check_action(s, rho, ra, d);
        oqt_super_left_right(s, d, a, b);
        check_action(s, rho, arb, d);
        memcpy(out, ar, sizeof out);
        accumulate(out, -1.0, ra, d * d);
        oqt_super_commutator(s, d, a);
        check_action(s, rho, out, d);
        accumulate(out, 2.0, ra, d * d);
        oqt_super_anticommutator(s, d, a);
        check_action(s, rho, out, d);
    }
}
END_TEST

/* Also beside the Liouvillian of a system, which is made in another place. */
START_TEST(dissipators_are_of_lindblad_form)
{
    uint64_t seed = 4;

    for (size_t d = 1; d <= 4; d++) {
        static oqt_complex s[N_MAX * N_MAX], l[N_MAX * N_MAX];
        oqt_complex a[N_MAX], up[N_MAX], rho[N_MAX], x[N_MAX], expected[N_MAX], zero[N_MAX] = {{0, 0}};
        oqt_system *system = NULL;
        oqt_error err;

        random_complex(a, d * d, &seed);
        random_complex(rho, d * d, &seed);
        adjoint(up, a, d);
        product(x, a, rho, d, d, d);
        product(expected, x, up, d, d, d);
        product(x, up, a, d, d, d); /* A^+ A */
        {
            oqt_complex y[N_MAX];

            product(y, x, rho, d, d, d);
            accumulate(expected, -0.5, y, d * d);
            product(y, rho, x, d, d, d);
            accumulate(expected, -0.5, y, d * d);
        }
        oqt_super_dissipator(s, d, a);
        check_action(s, rho, expected, d);
        ASSERT_OK(oqt_system_create(&system, d, zero, &err), err);
        ASSERT_OK(oqt_system_add_dissipator(system, 1.0, a, &err), err);
        oqt_system_liouvillian(l, system);
        check_equal(s, l, d * d * d * d, 1e-13);
        oqt_system_destroy(system);
    }
}
END_TEST

START_TEST(unitaries_and_kraus_lists)
{
    const double p = 0.3, c = cos(0.4), t = sin(0.4);
    const oqt_complex u[4] = {{c, 0}, {0, t}, {0, t}, {c, 0}};
    const oqt_complex kraus[8] = {{1, 0}, {0, 0},       {0, 0}, {sqrt(1 - p), 0},
                                  {0, 0}, {sqrt(p), 0}, {0, 0}, {0, 0}};
    const oqt_complex damped[4] = {{0.6 + 0.4 * p, 0},
                                   {0.1 * sqrt(1 - p), -0.2 * sqrt(1 - p)},
                                   {0.1 * sqrt(1 - p), 0.2 * sqrt(1 - p)},
                                   {0.4 * (1 - p), 0}};
    const oqt_complex rho[4] = {{0.6, 0}, {0.1, -0.2}, {0.1, 0.2}, {0.4, 0}};
    oqt_complex s[16], x[4], up[4], out[4];
    oqt_error err;

    ASSERT_OK(oqt_super_unitary(s, 2, u, &err), err);
    adjoint(up, u, 2);
    product(x, u, rho, 2, 2, 2);
    product(out, x, up, 2, 2, 2);
    check_action(s, rho, out, 2);
    oqt_super_kraus(s, 2, 2, kraus); /* amplitude damping into the first basis vector */
    check_action(s, rho, damped, 2);
    s[3].re = 17.0;
    ck_assert_int_eq(oqt_super_unitary(s, 2, sigma_minus, &err), OQT_EINVAL);
    ck_assert_str_eq(err.text, "not a unitary matrix: element (1,1) of U^+ U is 0+0i");
    ck_assert_double_eq(s[3].re, 17.0);
}
END_TEST

/* Rows from the physics text, and the action on a random matrix. */
START_TEST(preparation_forgets_the_state)
{
    static const oqt_complex rows[16] = {{0.5, 0}, {0, 0},    {0, 0},   {0.5, 0}, {0, -0.5}, {0, 0},
                                         {0, 0},   {0, -0.5}, {0, 0.5}, {0, 0},   {0, 0},    {0, 0.5},
                                         {0.5, 0}, {0, 0},    {0, 0},   {0.5, 0}};
    uint64_t seed = 5;
    oqt_complex s[81], sigma[9], rho[9], expected[9] = {{0, 0}};

    state(sigma, 2, "y+");
    oqt_super_preparation(s, 2, sigma);
    check_equal(s, rows, 16, 0.0);
    random_complex(sigma, 9, &seed);
    random_complex(rho, 9, &seed);
    accumulate(expected, to_c99(rho[0]) + to_c99(rho[4]) + to_c99(rho[8]), sigma, 9);
    oqt_super_preparation(s, 3, sigma);
    check_action(s, rho, expected, 3);
}
END_TEST

/* ---- two sites ---- */

enum { DL = 2, DR = 3, DLR = DL * DR, N_LR = DLR * DLR };

/* The joint matrix rho[(i k), (j l)] in site-major order: index (i j) dr^2 + (k l). */
static void site_major(oqt_complex *out, const oqt_complex *rho)
{
    for (size_t p = 0; p < DL * DL; p++)
        for (size_t q = 0; q < DR * DR; q++)
            out[p * DR * DR + q] = rho[(p / DL * DR + q / DR) * DLR + p % DL * DR + q % DR];
}

static void check_two_sites(const oqt_complex *s, const oqt_complex *rho, const oqt_complex *expected)
{
    oqt_complex x[N_LR], y[N_LR], out[N_LR];

    site_major(x, rho);
    site_major(y, expected);
    product(out, s, x, N_LR, N_LR, 1);
    check_equal(out, y, N_LR, 1e-12);
}

START_TEST(two_sites_act_as_the_joint_operators)
{
    static oqt_complex s[N_LR * N_LR];
    oqt_complex a1[DL * DL], a2[DL * DL], b1[DR * DR], b2[DR * DR];
    oqt_complex left[N_LR], right[N_LR], rho[N_LR], x[N_LR], out[N_LR];
    uint64_t seed = 6;

    random_complex(a1, DL * DL, &seed);
    random_complex(a2, DL * DL, &seed);
    random_complex(b1, DR * DR, &seed);
    random_complex(b2, DR * DR, &seed);
    random_complex(rho, N_LR, &seed);
    oqt_op_tensor(left, DL, a1, DR, b1);
    oqt_op_tensor(right, DL, a2, DR, b2);
    product(x, left, rho, DLR, DLR, DLR);
    product(out, x, right, DLR, DLR, DLR);
    oqt_super_cross_left_right(s, DL, a1, a2, DR, b1, b2);
    check_two_sites(s, rho, out);
    product(out, rho, left, DLR, DLR, DLR);
    accumulate(out, 1.0, x, N_LR);
    oqt_super_cross_anticommutator(s, DL, a1, DR, b1);
    check_two_sites(s, rho, out);
    product(x, rho, left, DLR, DLR, DLR);
    accumulate(out, -2.0, x, N_LR);
    oqt_super_cross_commutator(s, DL, a1, DR, b1);
    check_two_sites(s, rho, out);
}
END_TEST

/* The generator of bond 0 of the chain in the physics text, P.11.6: L[5,0..5] = (0.15 i, 0, 0, 0, 0, -1.5 i).
 */
START_TEST(bond_generator_of_the_reference)
{
    static const char *const names[] = {"spin_x", "spin_y", "spin_z"};
    static const double coupling[] = {1.3, 0.7, 1.2};
    static const oqt_complex expected[6] = {{0, 0.15}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, -1.5}};
    oqt_complex op[4], s[256], one[4], generator[256] = {{0, 0}};

    for (size_t k = 0; k < 3; k++) {
        by_name(op, 2, names[k]);
        oqt_super_cross_commutator(s, 2, op, 2, op);
        accumulate(generator, -I * coupling[k], s, 256);
    }
    by_name(op, 2, "spin_z");
    by_name(one, 2, "identity");
    oqt_super_cross_commutator(s, 2, op, 2, one);
    accumulate(generator, -I, s, 256);
    oqt_super_cross_commutator(s, 2, one, 2, op); /* half of it belongs to the next bond */
    accumulate(generator, -0.5 * I, s, 256);
    check_equal(generator + 5 * 16, expected, 6, 1e-15);
}
END_TEST

/* ---- failures ---- */

START_TEST(unknown_names_tell_those_that_exist)
{
    oqt_complex op[4] = {{17, 0}};
    oqt_error err;

    ck_assert_int_eq(oqt_op_by_name(op, 2, "sigma_q", &err), OQT_EINVAL);
    ck_assert_str_eq(err.text,
                     "unknown operator \"sigma_q\"; expected one of identity, sigma_x, sigma_y, "
                     "sigma_z, sigma_plus, sigma_minus, create, destroy, number, position, momentum, "
                     "spin_x, spin_y, spin_z, spin_plus, spin_minus, ket_bra(i,j)");
    ck_assert_int_eq(oqt_state_by_name(op, 2, "sideways", &err), OQT_EINVAL);
    ck_assert_str_eq(err.text,
                     "unknown state \"sideways\"; expected one of up, down, x+, x-, y+, y-, z+, z-, "
                     "mixed, basis(i)");
    ck_assert_int_eq(oqt_op_by_name(op, 2, "", &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_op_by_name(op, 2, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_op_by_name(op, 0, "identity", &err), OQT_EINVAL);
    ck_assert_double_eq(op[0].re, 17.0);
}
END_TEST

START_TEST(malformed_indices_are_unknown_names)
{
    static const char *const bad[] = {"ket_bra",     "ket_bra(",      "ket_bra(1",      "ket_bra(1,",
                                      "ket_bra(0,1", "ket_bra(0 1)",  "ket_bra(-1,0)",  "ket_bra(0,1) ",
                                      "ket_bra(,)",  "ket_bra(0,1))", "ket_bra(0,1,1)", "ket_bra(i,j)",
                                      "sigma_x ",    "sigma_",        "basis(0)"};
    oqt_complex op[4];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(oqt_op_by_name(op, 2, bad[i], NULL), OQT_EINVAL);
}
END_TEST

START_TEST(what_does_not_exist_in_a_dimension_is_refused)
{
    oqt_complex op[9] = {{17, 0}};
    oqt_error err;

    ck_assert_int_eq(oqt_op_by_name(op, 3, "sigma_x", &err), OQT_ERANGE);
    ck_assert_str_eq(err.text, "operator \"sigma_x\" needs dimension 2, but the dimension is 3");
    ck_assert_int_eq(oqt_op_add(op, 3, unit, "sigma_minus", &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_state_by_name(op, 3, "up", &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_op_by_name(op, 3, "ket_bra(2,3)", &err), OQT_ERANGE);
    ck_assert_str_eq(err.text, "\"ket_bra(2,3)\" has an index beyond dimension 3; the first is 0");
    ck_assert_int_eq(oqt_op_add(op, 3, unit, "ket_bra(99999999999999999999999,0)", &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_op_ket_bra(op, 3, 3, 0, &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_state_by_name(op, 3, "basis(3)", &err), OQT_ERANGE);
    ck_assert_double_eq(op[0].re, 17.0);
}
END_TEST

START_TEST(bad_parameters_of_states_are_refused)
{
    oqt_complex rho[4] = {{17, 0}}, psi[2] = {{0, 0}};
    oqt_error err;

    ck_assert_int_eq(oqt_state_pure(rho, 2, psi, &err), OQT_EINVAL);
    psi[1].im = NAN;
    ck_assert_int_eq(oqt_state_pure(rho, 2, psi, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_coherent(rho, 2, (oqt_complex){NAN, 0}, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_coherent(rho, 0, unit, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_spin(rho, 2, INFINITY, 0.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_spin(rho, 0, 0.0, 0.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_spin(rho, 1025, 0.0, 0.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_thermal(rho, 2, sigma_x, -1.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_thermal(rho, 2, sigma_x, NAN, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_thermal(rho, 0, sigma_x, 1.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_thermal(rho, 2, sigma_minus, 1.0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_state_thermal(rho, 2, (oqt_complex[4]){{INFINITY, 0}}, 1.0, &err), OQT_EINVAL);
    ck_assert_double_eq(rho[0].re, 17.0);
}
END_TEST

static oqt_status make_states(void *ctx)
{
    oqt_complex rho[4];
    oqt_status st = oqt_state_coherent(rho, 2, unit, NULL);

    (void)ctx;
    if (st == OQT_OK)
        st = oqt_state_spin(rho, 2, 0.3, 0.1, NULL);
    if (st == OQT_OK)
        st = oqt_state_thermal(rho, 2, sigma_x, 1.0, NULL);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_uint_ge(check_every_allocation(make_states, NULL), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operators");
    TCase *tc = tcase_create("operators");

    tcase_add_test(tc, names_give_the_pauli_matrices);
    tcase_add_test(tc, spin_three_halves_is_that_of_the_books);
    tcase_add_test(tc, spins_of_every_size_have_the_algebra_of_rotations);
    tcase_add_test(tc, ladder_operators_are_those_of_a_cut_oscillator);
    tcase_add_test(tc, matrix_units_have_one_element);
    tcase_add_test(tc, terms_add_up_to_a_hamiltonian);
    tcase_add_test(tc, tensor_products_act_on_each_factor);
    suite_add_tcase(suite, tc);

    tc = tcase_create("states");
    tcase_add_test(tc, qubit_states_are_eigenstates);
    tcase_add_test(tc, states_of_any_dimension);
    tcase_add_test(tc, pure_states_are_projectors_at_any_scale);
    tcase_add_test(tc, coherent_states_are_eigenstates_of_destroy);
    tcase_add_test(tc, spin_coherent_states_point_in_their_direction);
    tcase_add_test(tc, large_spins_do_not_overflow);
    tcase_add_test(tc, thermal_states_are_boltzmann);
    suite_add_tcase(suite, tc);

    tc = tcase_create("superoperators");
    tcase_add_test(tc, superoperators_act_as_they_say);
    tcase_add_test(tc, dissipators_are_of_lindblad_form);
    tcase_add_test(tc, unitaries_and_kraus_lists);
    tcase_add_test(tc, preparation_forgets_the_state);
    tcase_add_test(tc, two_sites_act_as_the_joint_operators);
    tcase_add_test(tc, bond_generator_of_the_reference);
    suite_add_tcase(suite, tc);

    tc = tcase_create("failures");
    tcase_add_test(tc, unknown_names_tell_those_that_exist);
    tcase_add_test(tc, malformed_indices_are_unknown_names);
    tcase_add_test(tc, what_does_not_exist_in_a_dimension_is_refused);
    tcase_add_test(tc, bad_parameters_of_states_are_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
