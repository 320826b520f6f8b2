/* test_dynamics_drive.c - dynamics of systems that depend on time or on parameters, and with controls. */
#include "physics.h"

enum { D = 2, D2 = 4, D4 = 16 };

static const oqt_complex zero[9];
static const oqt_complex up[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}};
static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};

/* ---- callbacks ---- */

static int ramp(double *value, double t, void *ctx)
{
    *value = *(double *)ctx * t;
    return 0;
}

static int pulse(double *value, double t, void *ctx)
{
    const double *p = ctx; /* area, middle, width */

    *value = p[0] * exp(-0.5 * pow((t - p[1]) / p[2], 2.0));
    return 0;
}

/* ---- runs ---- */

static oqt_system *new_system(size_t d, const oqt_complex *h)
{
    oqt_system *system = NULL;
    oqt_error err;

    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    return system;
}

/* 0.2 sigma_z, a pulse on sigma_x, and decay. */
static oqt_system *driven(double *p)
{
    oqt_complex h[4];
    oqt_system *system;
    oqt_error err;

    scale_complex(h, 0.2, sigma_z, 4);
    system = new_system(2, h);
    ASSERT_OK(oqt_system_add_drive(system, pulse, p, sigma_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.1, sigma_minus, &err), err);
    return system;
}

static oqt_pt *make_pt(double alpha, double cutoff, double temperature, double dt, size_t n_steps,
                       const oqt_complex *coupling, double tol)
{
    struct test_bath b = {alpha, 1.0, cutoff, OQT_CUTOFF_EXPONENTIAL, temperature, coupling};
    oqt_bath *bath = test_bath_create(&b);
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *pt = NULL;
    oqt_error err;

    opt.tolerance = tol;
    opt.n_steps = n_steps;
    opt.method = n_steps > 0 ? OQT_PT_TEMPO : OQT_PT_AUTO;
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, coupling, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

static oqt_dynamics *start(size_t n_pt, oqt_pt *const *pts, size_t n, oqt_system *const *systems,
                           const oqt_complex *initial, const oqt_dynamics_options *opt)
{
    oqt_dynamics *dyn = NULL;
    oqt_error err;

    ASSERT_OK(oqt_dynamics_create(&dyn, n_pt, (const oqt_pt *const *)pts, n,
                                  (const oqt_system *const *)systems, initial, opt, &err),
              err);
    return dyn;
}

/* (steps + 1) x n x d x d */
static void record(oqt_complex *rho, size_t n_pt, oqt_pt *const *pts, size_t n, oqt_system *const *systems,
                   const oqt_complex *initial, const oqt_dynamics_options *opt, uint64_t steps)
{
    oqt_dynamics *dyn = start(n_pt, pts, n, systems, initial, opt);
    oqt_error err;

    ASSERT_OK(oqt_dynamics_record(rho, dyn, steps, &err), err);
    oqt_dynamics_destroy(dyn);
}

static oqt_control *new_control(size_t d)
{
    oqt_control *control = NULL;
    oqt_error err;

    ASSERT_OK(oqt_control_create(&control, d, &err), err);
    return control;
}

static void add(oqt_control *control, uint64_t step, oqt_when when, const oqt_complex *s)
{
    oqt_error err;

    ASSERT_OK(oqt_control_add(control, step, when, s, &err), err);
}

/* rho -> a rho b */
static void left_right(oqt_complex *s, const oqt_complex *a, const oqt_complex *b)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            s[i * 4 + j] = from_c99(to_c99(a[i / 2 * 2 + j / 2]) * to_c99(b[j % 2 * 2 + i % 2]));
}

static void check_state(const oqt_complex *rho, double rho00, double re, double im, double tol)
{
    ck_assert_double_eq_tol(rho[0].re, rho00, tol);
    ck_assert_double_eq_tol(rho[1].re, re, tol);
    ck_assert_double_eq_tol(rho[1].im, im, tol);
}

/* ---- numbers of the reference ---- */

/* Its memory coefficients have errors of 1e-9. All terms commute within a half step, up to O(dt^3) of the
 * commutators of different times, which its scheme leaves out. */
START_TEST(a_ramp_of_everything_is_that_of_the_reference)
{
    static const struct {
        size_t step;
        double rho00, re, im;
    } expected[] = {{1, 0.9998746199618, 0, 0.0006219170691},
                    {2, 0.9994939618716, -0.0000193392406, 0.0024630273130},
                    {5, 0.9966490625546, -0.0011834564022, 0.0144871318608},
                    {10, 0.9842944926219, -0.0113992782130, 0.0493892334734}};
    double half = 0.5, slow = 0.1, fast = 0.2;
    oqt_system *system = new_system(2, zero);
    oqt_pt *pt = make_pt(0.3, 5.0, 0.2, 0.05, 10, half_z, 1e-11);
    oqt_complex rho[11 * 4];
    oqt_error err;

    ASSERT_OK(oqt_system_add_drive(system, ramp, &half, sigma_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, ramp, &slow, sigma_minus, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(system, ramp, &fast, sigma_z, &err), err);
    for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

        opt.propagation = (oqt_propagation)how;
        record(rho, 1, &pt, 1, &system, up, &opt, 10);
        for (size_t k = 0; k < sizeof expected / sizeof *expected; k++)
            check_state(rho + 4 * expected[k].step, expected[k].rho00, expected[k].re, expected[k].im,
                        how == OQT_PROPAGATE_MAGNUS ? 3e-7 : 3e-9);
    }
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
}
END_TEST

static oqt_control *flips(bool pre, bool post)
{
    oqt_control *control = new_control(2);
    oqt_complex flip[D4];

    left_right(flip, sigma_x, sigma_x);
    if (pre)
        add(control, 2, OQT_PRE, flip);
    if (post)
        add(control, 2, OQT_POST, flip);
    return control;
}

/* H = 2.5 sigma_x, flips at step 2 before the record, after it, both. Some rows by hand: a flip exchanges
 * rho00 and rho11, and conjugates the coherence. */
START_TEST(flips_before_and_after_a_record_are_those_of_the_reference)
{
    oqt_complex h[4], rho[6 * 4 * 4], initial[4 * 4];
    oqt_pt *pt = make_pt(0.1, 3.0, 1.0, 0.1, 5, half_z, 1e-11);
    oqt_control *control[4] = {NULL, flips(true, false), flips(false, true), flips(true, true)};
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_system *systems[4];

    scale_complex(h, 2.5, sigma_x, 4);
    systems[0] = new_system(2, h);
    for (size_t i = 0; i < 4; i++) {
        systems[i] = systems[0];
        memcpy(initial + 4 * i, up, sizeof up);
    }
    opt.n_controls = 4;
    opt.controls = (const oqt_control *const *)control;
    record(rho, 1, &pt, 4, systems, initial, &opt, 5);
    const double tol = 3e-9;
#define AT(k, column) (rho + ((k)*4 + (column)) * 4)
    check_state(AT(1, 0), 0.9391201911545, 0, 0.2384246525380, tol);
    check_state(AT(2, 0), 0.7724928134226, -0.0020153559346, 0.4141410402990, tol);
    check_state(AT(3, 0), 0.5436020096317, -0.0086141309727, 0.4822679891949, tol);
    check_state(AT(4, 0), 0.3113402083590, -0.0196725547069, 0.4273429362732, tol);
    check_state(AT(5, 0), 0.1342447721158, -0.0334050483080, 0.2662189958859, tol);
    check_state(AT(2, 1), 0.2275071865774, -0.0020153559346, -0.4141410402990, tol);
    check_state(AT(2, 2), 0.7724928134226, -0.0020153559346, 0.4141410402990, tol);
    check_state(AT(2, 3), 0.2275071865774, -0.0020153559346, -0.4141410402990, tol);
    for (size_t one = 1; one <= 2; one++) { /* before or after the record is one and the same later on */
        check_state(AT(3, one), 0.4599471243980, 0.0047210793549, -0.4961675244248, tol);
        check_state(AT(5, one), 0.8855510830596, 0.0127820111240, -0.2798429332372, tol);
    }
    for (size_t k = 3; k <= 5; k++) /* two flips are none */
        ck_assert_double_le(max_diff_complex(AT(k, 3), AT(k, 0), 4), 1e-14);
#undef AT
    for (size_t i = 0; i < 4; i++)
        oqt_control_destroy(control[i]);
    oqt_pt_destroy(pt);
    oqt_system_destroy(systems[0]);
}
END_TEST

/* Gradients of the reference use this run: three steps with a row of fields for each half. */
START_TEST(rows_of_parameters_are_those_of_the_reference)
{
    static const double rows[12] = {1, 0.2, 1.1, 0.3, 1.2, 0.4, 1.3, 0.5, 1.4, 0.6, 1.5, 0.7};
    static const double wrong[12] = {0};
    oqt_complex half_x[4], rho[4 * 2 * 4], initial[8];
    oqt_system *systems[2] = {new_system(2, zero), NULL};
    oqt_pt *pt = make_pt(0.3, 5.0, 0.2, 0.1, 3, half_z, 1e-11);
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn;
    oqt_error err;

    scale_complex(half_x, 0.5, sigma_x, 4);
    ASSERT_OK(oqt_system_set_parameters(systems[0], 2, &err), err);
    ASSERT_OK(oqt_system_add_parameter(systems[0], 0, half_x, &err), err);
    ASSERT_OK(oqt_system_add_parameter(systems[0], 1, half_z, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(systems[0], 0.1, sigma_minus, &err), err);
    systems[1] = systems[0];
    memcpy(initial, up, sizeof up);
    memcpy(initial + 4, up, sizeof up);
    opt.parameters = (const double *const[]){rows, wrong}; /* one system, two sets of rows */
    opt.n_parameter_steps = 3;
    record(rho, 1, &pt, 2, systems, initial, &opt, 3);
    check_state(rho + 3 * 8, 0.9399156345267, -0.00560310065, 0.15387194539913, 3e-9);
    ck_assert_double_eq_tol(rho[3 * 8 + 4].re, exp(-0.1 * 0.3), 1e-9); /* no field: decay */

    dyn = start(0, NULL, 2, systems, initial,
                &(oqt_dynamics_options){sizeof opt,
                                        0.1,
                                        OQT_SPLIT_SYMMETRIC,
                                        1,
                                        {NULL, NULL},
                                        0.0,
                                        OQT_PROPAGATE_MAGNUS,
                                        0,
                                        NULL,
                                        opt.parameters,
                                        3});
    ck_assert_int_eq(oqt_dynamics_step(dyn, 4, &err), OQT_EINVAL);
    ASSERT_OK(oqt_dynamics_step(dyn, 3, &err), err);
    ck_assert_int_eq(oqt_dynamics_step(dyn, 1, &err), OQT_EINVAL);
    oqt_dynamics_destroy(dyn);
    oqt_pt_destroy(pt);
    oqt_system_destroy(systems[0]);
}
END_TEST

/* Two baths that do not commute, in list order, with a flip at step 1: the same from a system of one drive.
 */
START_TEST(two_baths_in_list_order_with_a_drive_are_those_of_the_reference)
{
    static const double xz[3][3] = {{0.545136055272, -0.018054422109, -0.434398401746},
                                    {0.572167405452, -0.033641821733, -0.314501313674},
                                    {0.583130513146, -0.048692271976, -0.218374251275}};
    static const double zx[2][3] = {{0.572636441193, -0.033170269866, -0.314524350805},
                                    {0.584715791073, -0.047637855509, -0.218482179584}};
    const oqt_complex y_plus[4] = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}};
    oqt_complex half_x[4], h[4], rho[4 * 4];
    double area[3] = {0.5, 0.0, 1e9}; /* as good as constant */
    oqt_system *system;
    oqt_pt *pts[3];
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_error err;

    scale_complex(half_x, 0.5, sigma_x, 4);
    scale_complex(h, 0.2, sigma_z, 4);
    system = new_system(2, h);
    ASSERT_OK(oqt_system_add_drive(system, pulse, area, sigma_x, &err), err);
    pts[0] = pts[2] = make_pt(0.3, 5.0, 0.2, 0.1, 3, half_x, 1e-11);
    pts[1] = make_pt(0.3, 5.0, 0.2, 0.1, 3, half_z, 1e-11);
    opt.split = OQT_SPLIT_LIST;
    record(rho, 2, pts, 1, &system, y_plus, &opt, 3);
    for (size_t k = 0; k < 3; k++)
        check_state(rho + 4 * (k + 1), xz[k][0], xz[k][1], xz[k][2], 3e-9);
    record(rho, 2, pts + 1, 1, &system, y_plus, &opt, 3);
    check_state(rho + 4, xz[0][0], xz[0][1], xz[0][2], 3e-9);
    for (size_t k = 0; k < 2; k++)
        check_state(rho + 4 * (k + 2), zx[k][0], zx[k][1], zx[k][2], 3e-9);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_system_destroy(system);
}
END_TEST

/* ---- mixtures ---- */

/* Finite, uniform and trivial tensors in one run, the order of the first two alternating. A control that does
 * nothing takes the way of those that do something, and is nothing. */
START_TEST(mixtures_of_tensors_and_idle_controls_change_nothing)
{
    enum { STEPS = 30 };
    oqt_complex h[4], rho[4][(STEPS + 1) * 4], idle[D4] = {{0}};
    oqt_pt *pts[3] = {make_pt(0.1, 4.0, 0.3, 0.1, STEPS, half_z, 1e-6),
                      make_pt(0.1, 3.0, 0.3, 0.1, 0, sigma_x, 1e-3), NULL},
           *with[3];
    oqt_control *control = new_control(2);
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_system *system;
    oqt_error err;

    ASSERT_OK(oqt_pt_create_trivial(&pts[2], 2, 0.1, &err), err);
    for (size_t a = 0; a < D2; a++)
        idle[a * D2 + a].re = 1.0;
    add(control, 7, OQT_POST, idle);
    add(control, 12, OQT_PRE, idle);
    scale_complex(h, 0.7, sigma_y, 4);
    system = new_system(2, h);
    with[0] = pts[0], with[1] = pts[2], with[2] = pts[1];
    record(rho[0], 2, pts, 1, &system, up, &opt, STEPS);
    record(rho[1], 3, with, 1, &system, up, &opt, STEPS);
    opt.n_controls = 1;
    opt.controls = (const oqt_control *const *)&control;
    record(rho[2], 2, pts, 1, &system, up, &opt, STEPS);
    record(rho[3], 3, with, 1, &system, up, &opt, STEPS);
    for (size_t i = 1; i < 4; i++)
        ck_assert_double_le(max_diff_complex(rho[0], rho[i], (STEPS + 1) * 4), 1e-13);
    for (size_t i = 0; i < 3; i++)
        oqt_pt_destroy(pts[i]);
    oqt_control_destroy(control);
    oqt_system_destroy(system);
}
END_TEST

/* ---- sums over paths ---- */

/* One step of the brute-force sum: half steps of the system and controls around it. */
struct slot {
    oqt_complex u1[D4], u2[D4];        /* propagators of the halves        */
    const oqt_complex *before, *after; /* controls of the step, or NULL    */
};

static void multiply(double complex *v, const oqt_complex *m)
{
    double complex out[D2] = {0};

    if (!m)
        return;
    for (size_t a = 0; a < D2; a++)
        for (size_t b = 0; b < D2; b++)
            out[a] += to_c99(m[a * D2 + b]) * v[b];
    memcpy(v, out, sizeof out);
}

/* The state after n steps and the control before the record of step n: sum over all paths of legs a_0, ..
 * with the influence functional of a coupling sigma_z / 2 for each. */
static void sum_over_paths(oqt_complex *rho, const struct slot *slot, size_t n, const oqt_complex *eta,
                           const oqt_complex *initial)
{
    static const double diff[D2] = {0, 1, -1, 0}, sum[D2] = {1, 0, 0, -1};
    double complex total[D2] = {0};

    for (size_t p = 0; p < (size_t)1 << (2 * n); p++) {
        double complex v[D2], exponent = 0.0;

        for (size_t a = 0; a < D2; a++)
            v[a] = to_c99(initial[a]);
        for (size_t k = 0; k < n; k++) {
            size_t leg = p >> (2 * k) & 3;

            multiply(v, slot[k].before);
            multiply(v, slot[k].after);
            multiply(v, slot[k].u1);
            for (size_t a = 0; a < D2; a++)
                v[a] = a == leg ? v[a] : 0.0;
            multiply(v, slot[k].u2);
            for (size_t m = 0; m <= k; m++) {
                size_t early = p >> (2 * m) & 3;

                exponent -= diff[leg] * (eta[k - m].re * diff[early] + I * eta[k - m].im * sum[early]);
            }
        }
        multiply(v, slot[n].before);
        for (size_t a = 0; a < D2; a++)
            total[a] += cexp(exponent) * v[a];
    }
    for (size_t a = 0; a < D2; a++)
        rho[a] = from_c99(total[a]);
}

enum { N_SLOTS = 5 };

/* A driven system under a strong bath with all kinds of controls, at the first step and at the last as well,
 * as columns of a batch with others that have none. */
START_TEST(controls_of_all_kinds_are_those_of_the_sum_over_paths)
{
    enum { COLUMNS = 20 };
    const double dt = 0.17, t0 = -0.2;
    double p[3] = {1.3, 0.2, 0.3};
    uint64_t seed = 3;
    oqt_system *plain = driven(p), *systems[COLUMNS];
    struct test_bath b = {0.3, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, 0.3, half_z};
    oqt_bath *bath = test_bath_create(&b);
    oqt_pt *pt = make_pt(0.3, 4.0, 0.3, dt, N_SLOTS, half_z, 1e-12);
    oqt_complex eta[N_SLOTS], rho[COLUMNS * 4 * (N_SLOTS + 1)], initial[COLUMNS * 4], flip[D4], left[D4],
        any[D4], expected[4];
    oqt_control *control[COLUMNS] = {NULL};
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    struct slot slot[COLUMNS][N_SLOTS + 1];
    const oqt_complex identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}},
                      a[4] = {{1, 0.3}, {0.2, -1}, {0, 0.5}, {0.7, 0}};
    oqt_error err;

    memset(slot, 0, sizeof slot);
    ASSERT_OK(oqt_bath_eta(eta, bath, dt, N_SLOTS, NULL, 0, &err), err);
    left_right(flip, sigma_x, sigma_x);
    left_right(left, a, identity);
    random_complex(any, D4, &seed);
    for (size_t i = 0; i < COLUMNS; i++) {
        const oqt_complex *kinds[] = {flip, left, any};

        systems[i] = plain;
        random_state(initial + 4 * i, 2, &seed);
        if (i % 4 == 3)
            random_complex(initial + 4 * i, 4, &seed);
        for (size_t k = 0; k < N_SLOTS; k++)
            for (size_t h = 0; h < 2; h++) {
                double t = t0 + ((double)k + 0.5 * (double)h) * dt;

                ASSERT_OK(oqt_system_propagator_between(h ? slot[i][k].u2 : slot[i][k].u1, plain, t,
                                                        t + 0.5 * dt, NULL, OQT_PROPAGATE_MAGNUS, &err),
                          err);
            }
        if (i % 5 == 0)
            continue;
        control[i] = new_control(2);
        for (size_t k = 0; k <= N_SLOTS;
             k++) { /* each column has other places, and one of three kinds there */
            if (random_uniform(&seed) < 0.5) {
                slot[i][k].before = kinds[(i + k) % 3];
                add(control[i], k, OQT_PRE, slot[i][k].before);
            }
            if (random_uniform(&seed) < 0.5) {
                slot[i][k].after = kinds[(i + 2 * k) % 3];
                add(control[i], k, OQT_POST, slot[i][k].after);
            }
        }
    }
    opt.start_time = t0;
    opt.n_controls = COLUMNS;
    opt.controls = (const oqt_control *const *)control;
    record(rho, 1, &pt, COLUMNS, systems, initial, &opt, N_SLOTS);
    for (size_t i = 0; i < COLUMNS; i++)
        for (size_t n = 0; n <= N_SLOTS; n++) {
            double scale = 1.0;

            sum_over_paths(expected, slot[i], n, eta, initial + 4 * i);
            for (size_t e = 0; e < 4; e++)
                scale = fmax(scale, cabs(to_c99(expected[e])));
            ck_assert_double_le(max_diff_complex(rho + (n * COLUMNS + i) * 4, expected, 4), 1e-9 * scale);
        }
    /* alone, where a column is a block of its own or two, in single steps, the same */
    for (size_t i = 0; i < COLUMNS; i++) {
        oqt_complex single[4 * (N_SLOTS + 1)];
        oqt_dynamics *dyn;

        opt.n_controls = 1;
        opt.controls = (const oqt_control *const *)control + i;
        record(single, 1, &pt, 1, systems, initial + 4 * i, &opt, N_SLOTS);
        dyn = start(1, &pt, 1, systems, initial + 4 * i, &opt);
        for (size_t n = 0; n <= N_SLOTS; n++) {
            const oqt_complex *together = rho + (n * COLUMNS + i) * 4;
            oqt_complex stepped[4];

            oqt_dynamics_state(stepped, dyn, 0);
            ck_assert_double_le(max_diff_complex(single + 4 * n, together, 4), 1e-11);
            ck_assert_double_le(max_diff_complex(stepped, together, 4), 1e-11);
            if (n < N_SLOTS)
                ASSERT_OK(oqt_dynamics_step(dyn, 1, &err), err);
        }
        oqt_dynamics_destroy(dyn);
    }
    for (size_t i = 0; i < COLUMNS; i++)
        oqt_control_destroy(control[i]);
    oqt_bath_destroy(bath);
    oqt_pt_destroy(pt);
    oqt_system_destroy(plain);
}
END_TEST

/* ---- time ---- */

/* The closed system in steps of the scheme against the same in much smaller ones. */
START_TEST(steps_converge_with_the_order_of_the_scheme)
{
    static const double order[] = {4.0, 2.0, 2.0};
    double p[3] = {1.7, 0.9, 0.35};
    oqt_system *system = driven(p);
    oqt_complex exact[4], rho[2][4];

    for (int how = OQT_PROPAGATE_MAGNUS; how <= OQT_PROPAGATE_MIDPOINT; how++) {
        for (int fine = -1; fine < 2; fine++) {
            oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
            uint64_t n = fine < 0 ? 4000 : fine ? 40 : 20;
            oqt_dynamics *dyn;
            oqt_error err;

            opt.propagation = fine < 0 ? OQT_PROPAGATE_MAGNUS : (oqt_propagation)how;
            opt.dt = 2.0 / (double)n;
            dyn = start(0, NULL, 1, &system, up, &opt);
            ASSERT_OK(oqt_dynamics_step(dyn, n, &err), err);
            oqt_dynamics_state(fine < 0 ? exact : rho[fine], dyn, 0);
            oqt_dynamics_destroy(dyn);
        }
        double ratio = max_diff_complex(rho[0], exact, 4) / max_diff_complex(rho[1], exact, 4);

        ck_assert_double_eq_tol(log2(ratio), order[how], 0.3);
    }
    oqt_system_destroy(system);
}
END_TEST

/* A shift of the clock and of the pulse is no change, and a constant drive is a constant system. */
START_TEST(start_time_shifts_the_clock)
{
    double p[3] = {1.3, 0.5, 0.3}, q[3] = {1.3, -1.5, 0.3};
    oqt_system *systems[2] = {driven(p), driven(q)};
    oqt_pt *pt = make_pt(0.1, 4.0, 0.3, 0.1, 0, half_z, 1e-5);
    oqt_complex rho[2][21 * 4];

    for (size_t i = 0; i < 2; i++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;

        opt.start_time = i ? -2.0 : 0.0;
        record(rho[i], 1, &pt, 1, systems + i, up, &opt, 20);
        oqt_system_destroy(systems[i]);
    }
    oqt_pt_destroy(pt);
    ck_assert_double_le(max_diff_complex(rho[0], rho[1], 21 * 4), 1e-13);
}
END_TEST

/* Distinct pulses, repeated ones, constant systems, controls of two kinds: any number of threads gives the
 * same, and each column is what it is alone. More steps than one row has. */
START_TEST(results_do_not_depend_on_the_number_of_threads)
{
    enum { COLUMNS = 70, STEPS = 150 };
    static oqt_complex initial[COLUMNS * 4], rho[3][COLUMNS * 4], s[2][D4];
    static double p[COLUMNS][3];
    uint64_t seed = 11;
    oqt_system *systems[COLUMNS];
    oqt_control *control[COLUMNS];
    oqt_pt *pts[2] = {make_pt(0.1, 4.0, 0.3, 0.1, 0, half_z, 1e-4),
                      make_pt(0.1, 3.0, 0.3, 0.1, 0, sigma_x, 1e-2)};
    oqt_complex single[4], h[4];
    oqt_error err;

    scale_complex(h, 0.4, sigma_x, 4);
    left_right(s[0], sigma_x, sigma_x);
    left_right(s[1], sigma_y, half_z);
    for (size_t i = 0; i < COLUMNS; i++) {
        p[i][0] = random_uniform(&seed);
        p[i][1] = 15.0 * random_uniform(&seed);
        p[i][2] = 0.5 + random_uniform(&seed);
        systems[i] = i % 6 == 5 ? systems[i - 1] : i % 7 == 3 ? new_system(2, h) : driven(p[i]);
        control[i] = i % 3 ? NULL : new_control(2);
        for (size_t k = 0; control[i] && k < 3; k++)
            add(control[i], (31 * i + 57 * k) % STEPS, k % 2 ? OQT_PRE : OQT_POST, s[i % 2]);
        random_state(initial + 4 * i, 2, &seed);
    }
    for (int i = 0; i < 3; i++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_dynamics *dyn;

        opt.n_threads = i + 1;
        opt.n_controls = COLUMNS;
        opt.controls = (const oqt_control *const *)control;
        dyn = start(2, pts, COLUMNS, systems, initial, &opt);
        ASSERT_OK(oqt_dynamics_step(dyn, STEPS, &err), err);
        for (size_t c = 0; c < COLUMNS; c++)
            oqt_dynamics_state(rho[i] + 4 * c, dyn, c);
        oqt_dynamics_destroy(dyn);
        ck_assert_int_eq(memcmp(rho[0], rho[i], sizeof *rho), 0);
    }
    for (size_t c = 0; c < COLUMNS; c += 5) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_dynamics *dyn;

        opt.n_controls = 1;
        opt.controls = (const oqt_control *const *)control + c;
        dyn = start(2, pts, 1, systems + c, initial + 4 * c, &opt);
        ASSERT_OK(oqt_dynamics_step(dyn, STEPS, &err), err);
        oqt_dynamics_state(single, dyn, 0);
        oqt_dynamics_destroy(dyn);
        ck_assert_double_le(max_diff_complex(single, rho[0] + 4 * c, 4), 1e-12);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        oqt_control_destroy(control[i]);
        if (i % 6 != 5)
            oqt_system_destroy(systems[i]);
    }
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
}
END_TEST

/* ---- periods ---- */

static int periodic(double *value, double t, void *ctx)
{
    *value = 0.8 * cos(t * *(double *)ctx);
    return 0;
}

/* Twelve steps of 0.1: where a long run with the same drive ends, in each of them. */
START_TEST(a_periodic_drive_has_a_periodic_state)
{
    enum { PERIOD = 12, LONG = 3600 };
    double frequency = 6.283185307179586 / 1.2;
    static oqt_complex rho[(LONG + PERIOD + 1) * 4];
    oqt_complex h[4], state[PERIOD * 4];
    oqt_pt *pts[2] = {make_pt(0.1, 4.0, 0.3, 0.1, 0, half_z, 1e-4),
                      make_pt(0.1, 3.0, 0.3, 0.1, 0, sigma_x, 1e-2)};
    oqt_system *system, *systems[PERIOD];
    oqt_error err = {0};

    scale_complex(h, 0.3, sigma_z, 4);
    system = new_system(2, h);
    ASSERT_OK(oqt_system_add_drive(system, periodic, &frequency, sigma_x, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(system, 0.1, sigma_minus, &err), err);
    for (size_t k = 0; k < PERIOD; k++)
        systems[k] = system;
    for (size_t n_pt = 1; n_pt <= 2; n_pt++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_steady_options steady = OQT_STEADY_OPTIONS_INIT;

        opt.start_time = steady.start_time = 0.37;
        ASSERT_OK(oqt_steady_state(state, NULL, n_pt, (const oqt_pt *const *)pts, PERIOD,
                                   (const oqt_system *const *)systems, &steady, &err),
                  err);
        record(rho, n_pt, pts, 1, &system, up, &opt, LONG + PERIOD);
        for (size_t k = 0; k < PERIOD; k++)
            ck_assert_double_le(max_diff_complex(state + 4 * k, rho + 4 * (LONG + k), 4), 1e-8);
        ck_assert_double_ge(max_diff_complex(state, state + 4 * (PERIOD / 2), 4), 0.05);
    }
    ck_assert_int_eq(oqt_steady_state(state, NULL, 1, (const oqt_pt *const *)pts, PERIOD - 1,
                                      (const oqt_system *const *)systems, NULL, &err),
                     OQT_EINVAL);
    ck_assert_msg(strstr(err.text, "period") != NULL, "%s", err.text);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_system_destroy(system);
}
END_TEST

/* ---- process tensors for a driven system ---- */

/* A drive along the coupling never changes legs, and has a closed form; one across it does. */
START_TEST(process_tensors_know_which_drives_commute)
{
    double p[3] = {1.3, 0.5, 0.3};
    oqt_bath *bath = test_bath_create(&case_a.bath[0]);
    const oqt_complex *along[2] = {sigma_z, sigma_x};
    oqt_complex rho[2][11 * 4], y_plus[4] = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}};
    oqt_error err;

    for (int i = 0; i < 2; i++) {
        oqt_system *system = new_system(2, zero);
        oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
        oqt_dynamics_options run = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_pt_info info;
        oqt_pt *pt = NULL;

        run.start_time = opt.start_time = -0.2;
        ASSERT_OK(oqt_system_add_drive(system, pulse, p, along[i], &err), err);
        opt.system = system;
        ck_assert_int_eq(oqt_pt_create(&pt, bath, 2, half_z, 0.1, &opt, &err), OQT_EINVAL);
        opt.n_steps = 10;
        ASSERT_OK(oqt_pt_create(&pt, bath, 2, half_z, 0.1, &opt, &err), err);
        oqt_pt_get_info(&info, pt);
        ck_assert_int_eq(info.method, i ? OQT_PT_UNIFORM : OQT_PT_DEPHASING);
        record(rho[0], 1, &pt, 1, &system, y_plus, &run, 10);
        oqt_pt_destroy(pt);
        pt = make_pt(0.3, 5.0, 0.2, 0.1, 10, half_z, 1e-10);
        record(rho[1], 1, &pt, 1, &system, y_plus, &run, 10);
        oqt_pt_destroy(pt);
        ck_assert_double_le(max_diff_complex(rho[0], rho[1], 11 * 4), i ? 1e-4 : 1e-8);
        oqt_system_destroy(system);
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- traces ---- */

START_TEST(controls_that_change_the_trace_are_no_drift)
{
    const oqt_complex project[4] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}},
                      identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    oqt_complex h[4], measure[D4], insert[D4];
    oqt_pt *pt = make_pt(0.1, 4.0, 0.3, 0.1, 0, half_z, 1e-5);
    oqt_system *system;
    oqt_control *control[3] = {new_control(2), new_control(2), new_control(2)};

    scale_complex(h, 0.8, sigma_x, 4);
    system = new_system(2, h);
    left_right(measure, project, project);
    left_right(insert, sigma_x, identity);
    add(control[0], 7, OQT_PRE, measure);
    add(control[0], 9, OQT_POST, measure);
    add(control[1], 0, OQT_POST, insert);
    add(control[1], 7, OQT_PRE, insert);
    add(control[2], 5, OQT_PRE, measure);
    for (size_t i = 0; i < 3; i++) {
        oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
        oqt_dynamics_stats stats;
        oqt_complex rho[21 * 4];
        oqt_dynamics *dyn;
        oqt_error err;

        opt.n_controls = 1;
        opt.controls = (const oqt_control *const *)control + i;
        dyn = start(1, &pt, 1, &system, up, &opt);
        ASSERT_OK(oqt_dynamics_record(rho, dyn, 20, &err), err);
        oqt_dynamics_get_stats(&stats, dyn);
        ck_assert_double_le(stats.trace_drift, 1e-12);
        ck_assert_double_le(stats.norm_excess, 1e-6);
        if (i != 1) { /* the trace of a measurement is what is left */
            const oqt_complex *last = rho + 20 * 4;

            ck_assert_double_le(last[0].re + last[3].re, 0.99);
            ck_assert_double_ge(last[0].re + last[3].re, 0.1);
        }
        oqt_dynamics_destroy(dyn);
        oqt_control_destroy(control[i]);
    }
    oqt_pt_destroy(pt);
    oqt_system_destroy(system);
}
END_TEST

/* ---- failures ---- */

static int fails_late(double *value, double t, void *ctx)
{
    *value = 1.0;
    return t > *(double *)ctx;
}

/* With steps of 0.1 the callback fails in step 13: thirteen steps are done and stay. */
START_TEST(a_failing_callback_leaves_the_steps_before_it)
{
    double limit = 1.32;
    oqt_system *system = new_system(2, zero), *fine = new_system(2, sigma_x);
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn;
    oqt_dynamics_stats stats;
    oqt_complex rho[31 * 4], expected[31 * 4], state[4];
    oqt_error err = {0};

    ASSERT_OK(oqt_system_add_drive(system, fails_late, &limit, sigma_x, &err), err);
    opt.dt = 0.1;
    record(expected, 0, NULL, 1, &fine, up, &opt, 30);
    dyn = start(0, NULL, 1, &system, up, &opt);
    for (size_t i = 0; i < 31 * 4; i++)
        rho[i].re = 7.0;
    ck_assert_int_eq(oqt_dynamics_record(rho, dyn, 30, &err), OQT_ECALLBACK);
    ck_assert_msg(strstr(err.text, "t = 1.3") != NULL, "%s", err.text);
    oqt_dynamics_get_stats(&stats, dyn);
    ck_assert_uint_eq(stats.n_steps, 13);
    ck_assert_double_le(max_diff_complex(rho, expected, 14 * 4), 1e-14);
    for (size_t i = 14 * 4; i < 31 * 4; i++)
        ck_assert(rho[i].re == 7.0);
    ck_assert_int_eq(oqt_dynamics_step(dyn, 1, &err), OQT_ECALLBACK);
    oqt_dynamics_state(state, dyn, 0);
    ck_assert_double_le(max_diff_complex(state, expected + 13 * 4, 4), 1e-14);
    limit = 100.0; /* and the run goes on from there */
    ASSERT_OK(oqt_dynamics_step(dyn, 17, &err), err);
    oqt_dynamics_state(state, dyn, 0);
    ck_assert_double_le(max_diff_complex(state, expected + 30 * 4, 4), 1e-14);
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
    oqt_system_destroy(fine);
}
END_TEST

static int overflows_late(double *value, double t, void *ctx)
{
    *value = t > *(double *)ctx ? -1e300 : 0.25; /* a negative rate: exp(1e300) */
    return 0;
}

/* The same for a propagator that overflows in step 13, in the second of three columns; a control that is not
 * real waits at the end of the row. */
START_TEST(a_propagator_that_overflows_leaves_the_steps_before_it)
{
    double limit = 1.32, never = 100.0;
    oqt_system *bad = new_system(2, sigma_x), *fine = new_system(2, sigma_x);
    oqt_system *systems[3] = {fine, bad, fine}, *good[3] = {fine, fine, fine};
    oqt_complex insert[D4], identity[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}}, initial[12];
    oqt_complex rho[31 * 12], expected[31 * 12], state[4];
    oqt_control *control = new_control(2);
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics_stats stats;
    oqt_dynamics *dyn;
    oqt_error err = {0};

    ASSERT_OK(oqt_system_add_dissipator_rate(bad, overflows_late, &limit, sigma_minus, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(fine, overflows_late, &never, sigma_minus, &err), err);
    left_right(insert, sigma_x, identity);
    add(control, 20, OQT_PRE, insert);
    for (size_t c = 0; c < 3; c++)
        memcpy(initial + 4 * c, up, sizeof up);
    opt.dt = 0.1;
    opt.n_controls = 1;
    opt.controls = (const oqt_control *const *)&control;
    record(expected, 0, NULL, 3, good, initial, &opt, 30);
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        limit = 1.32;
        opt.n_threads = n_threads;
        dyn = start(0, NULL, 3, systems, initial, &opt);
        for (size_t i = 0; i < 31 * 12; i++)
            rho[i].re = 7.0;
        ck_assert_int_eq(oqt_dynamics_record(rho, dyn, 30, &err), OQT_ECONV);
        ck_assert_msg(strstr(err.text, "overflows") != NULL, "%s", err.text);
        oqt_dynamics_get_stats(&stats, dyn);
        ck_assert_uint_eq(stats.n_steps, 13);
        ck_assert_double_le(max_diff_complex(rho, expected, 14 * 12), 1e-14);
        for (size_t i = 14 * 12; i < 31 * 12; i++)
            ck_assert(rho[i].re == 7.0);
        ck_assert_int_eq(oqt_dynamics_step(dyn, 1, &err), OQT_ECONV);
        limit = 100.0; /* and the run goes on from there */
        ASSERT_OK(oqt_dynamics_step(dyn, 17, &err), err);
        for (size_t c = 0; c < 3; c++) {
            oqt_dynamics_state(state, dyn, c);
            ck_assert_double_le(max_diff_complex(state, expected + 30 * 12 + 4 * c, 4), 1e-14);
        }
        oqt_dynamics_destroy(dyn);
    }
    oqt_control_destroy(control);
    oqt_system_destroy(bad);
    oqt_system_destroy(fine);
}
END_TEST

static void refused(oqt_system *system, oqt_pt *pt, const oqt_dynamics_options *opt, const char *text)
{
    oqt_dynamics *dyn = NULL;
    oqt_error err = {0};
    oqt_pt *pts[1] = {pt};

    ck_assert_int_eq(oqt_dynamics_create(&dyn, pt ? 1 : 0, (const oqt_pt *const *)pts, 1,
                                         (const oqt_system *const[]){system}, up, opt, &err),
                     OQT_EINVAL);
    ck_assert_msg(strstr(err.text, text) != NULL, "%s", err.text);
    ck_assert_ptr_null(dyn);
}

START_TEST(bad_arguments_are_named)
{
    double p[3] = {1, 1, 1};
    oqt_system *system = driven(p), *rows = new_system(2, zero), *still = new_system(2, sigma_z);
    oqt_control *large = new_control(3), *flip = flips(true, false);
    const oqt_control *controls[2] = {large, NULL};
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT, next;
    oqt_bath *bath = test_bath_create(&case_a.bath[0]);
    oqt_pt_options pt_opt = OQT_PT_OPTIONS_INIT;
    oqt_pt *closed = NULL;
    oqt_error err;

    opt.dt = 0.1;
    ASSERT_OK(oqt_system_set_parameters(rows, 1, &err), err);
    ASSERT_OK(oqt_system_add_parameter(rows, 0, sigma_x, &err), err);
    refused(rows, NULL, &opt, "parameters");
    next = opt;
    next.start_time = NAN;
    refused(system, NULL, &next, "start time");
    next = opt;
    next.propagation = (oqt_propagation)7;
    refused(system, NULL, &next, "scheme");
    next = opt;
    next.n_controls = 2;
    next.controls = controls;
    refused(system, NULL, &next, "2 controls");
    next.n_controls = 1;
    refused(system, NULL, &next, "dimension 3");
    next.controls = NULL;
    refused(system, NULL, &next, "missing");

    pt_opt.method = OQT_PT_DEPHASING;
    pt_opt.n_steps = 5;
    ASSERT_OK(oqt_pt_create(&closed, bath, 2, half_z, 0.1, &pt_opt, &err), err);
    refused(system, closed, &opt, "does not commute");
    next.controls = (const oqt_control *const[]){flip};
    refused(still, closed, &next, "control 0 does not commute");
    oqt_pt_destroy(closed);
    oqt_bath_destroy(bath);
    oqt_control_destroy(large);
    oqt_control_destroy(flip);
    oqt_system_destroy(system);
    oqt_system_destroy(rows);
    oqt_system_destroy(still);
}
END_TEST

struct batch {
    oqt_system *systems[3];
    oqt_pt *pt;
    oqt_control *controls[3];
};

static oqt_status run_batch(void *ctx)
{
    struct batch *b = ctx;
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn = NULL;
    oqt_complex initial[12] = {{1, 0}};
    oqt_status st;

    opt.n_controls = 3;
    opt.controls = (const oqt_control *const *)b->controls;
    st = oqt_dynamics_create(&dyn, 1, (const oqt_pt *const *)&b->pt, 3, (const oqt_system *const *)b->systems,
                             initial, &opt, NULL);
    if (st == OQT_OK)
        st = oqt_dynamics_step(dyn, 5, NULL);
    oqt_dynamics_destroy(dyn);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    double p[3] = {1, 1, 1};
    struct batch b = {{driven(p), driven(p), new_system(2, sigma_x)}, NULL, {NULL, NULL, NULL}};
    oqt_complex s[D4] = {{1, 0}, {0, 1}};
    oqt_error err;

    b.pt = make_pt(0.1, 4.0, 0.3, 0.1, 0, sigma_x, 1e-2);
    b.controls[1] = flips(true, true);
    b.controls[2] = flips(true, false);
    add(b.controls[2], 2, OQT_POST, s);
    ASSERT_OK(oqt_control_add_at(b.controls[2], 0.2, OQT_POST, s, &err), err);
    ck_assert_uint_ge(check_every_allocation(run_batch, &b), 60);
    oqt_pt_destroy(b.pt);
    for (size_t i = 0; i < 3; i++) {
        oqt_system_destroy(b.systems[i]);
        oqt_control_destroy(b.controls[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dynamics_drive");
    TCase *t = tcase_create("dynamics_drive");

    tcase_add_test(t, a_ramp_of_everything_is_that_of_the_reference);
    tcase_add_test(t, flips_before_and_after_a_record_are_those_of_the_reference);
    tcase_add_test(t, rows_of_parameters_are_those_of_the_reference);
    tcase_add_test(t, two_baths_in_list_order_with_a_drive_are_those_of_the_reference);
    tcase_add_test(t, mixtures_of_tensors_and_idle_controls_change_nothing);
    tcase_add_test(t, controls_of_all_kinds_are_those_of_the_sum_over_paths);
    tcase_add_test(t, steps_converge_with_the_order_of_the_scheme);
    tcase_add_test(t, start_time_shifts_the_clock);
    tcase_add_test(t, results_do_not_depend_on_the_number_of_threads);
    tcase_add_test(t, a_periodic_drive_has_a_periodic_state);
    tcase_add_test(t, process_tensors_know_which_drives_commute);
    tcase_add_test(t, controls_that_change_the_trace_are_no_drift);
    tcase_add_test(t, a_failing_callback_leaves_the_steps_before_it);
    tcase_add_test(t, a_propagator_that_overflows_leaves_the_steps_before_it);
    tcase_add_test(t, bad_arguments_are_named);
    tcase_add_test(t, every_allocation_may_fail);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
