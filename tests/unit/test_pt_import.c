/* test_pt_import.c - process tensors from arrays and from OQuPy's files, finite pieces, and general legs. */
#include "support.h"

#include "config.h"

#include <unistd.h>

#include "physics.h"
#include "pt/import.h"
#include "pt/oqupy.h"

static const double dt = 0.1;
static const oqt_complex tilted[4] = {{0.9, 0}, {0.2, -0.3}, {0.2, 0.3}, {-0.4, 0}};
static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
static const oqt_complex qutrit[9] = {{0.5, 0}, {0.1, 0.2}, {0, 0},   {0.1, -0.2}, {-0.5, 0},
                                      {0.3, 0}, {0, 0},     {0.3, 0}, {0.13, 0}};
enum { STEPS = 8, MAX_LEGS = 9 };

/* ---- tensors and trajectories ---- */

static oqt_pt *new_pt(oqt_pt_method method, size_t d, const oqt_complex *coupling, size_t n_steps)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath = ohmic_bath(0.3, 5.0, 0.2);
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.method = method;
    opt.tolerance = 1e-3;
    opt.n_steps = n_steps;
    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

/* The system of the data in tests/data/oqupy, or a random one. */
static oqt_system *new_system(size_t d)
{
    oqt_complex h[9] = {{0.2, 0}, {0.5, 0}, {0.5, 0}, {-0.2, 0}};
    oqt_system *system = NULL;
    oqt_error err = {0};
    uint64_t seed = 5;

    if (d != 2)
        random_hermitian(h, d, &seed);
    ASSERT_OK(oqt_system_create(&system, d, h, &err), err);
    if (d == 2)
        ASSERT_OK(oqt_system_add_dissipator(system, 0.1, sigma_minus, &err), err);
    return system;
}

/* rho: (n + 1) x d x d. */
static void trajectory_of(oqt_complex *rho, size_t n_pt, const oqt_pt *const *pts, oqt_split split, size_t n)
{
    size_t d = info_of(pts[0]).dimension;
    oqt_complex initial[9] = {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}};
    oqt_system *system = new_system(d);
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_dynamics *dyn = NULL;
    oqt_error err = {0};
    uint64_t seed = 6;

    if (d != 2)
        random_state(initial, d, &seed);
    opt.split = split;
    ASSERT_OK(
        oqt_dynamics_create(&dyn, n_pt, pts, 1, (const oqt_system *const *)&system, initial, &opt, &err),
        err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, n, &err), err);
    oqt_dynamics_destroy(dyn);
    oqt_system_destroy(system);
}

static void trajectory(oqt_complex *rho, const oqt_pt *pt, size_t n)
{
    trajectory_of(rho, 1, &pt, OQT_SPLIT_LIST, n);
}

static void ck_bonds_equal(const oqt_pt *a, const oqt_pt *b, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t p[2], q[2];
        oqt_error err = {0};

        ASSERT_OK(oqt_pt_bonds(&p[0], &p[1], a, k, &err), err);
        ASSERT_OK(oqt_pt_bonds(&q[0], &q[1], b, k, &err), err);
        ck_assert_uint_eq(p[0], q[0]);
        ck_assert_uint_eq(p[1], q[1]);
    }
}

/* ---- arrays ---- */

struct arrays {
    size_t d, n;
    oqt_mpo_tensor tensor[STEPS];
    oqt_complex *data[STEPS], *cap[STEPS + 1], *in, *out;
};

static void arrays_free(struct arrays *a)
{
    for (size_t k = 0; k < STEPS; k++)
        free(a->data[k]);
    for (size_t k = 0; k <= STEPS; k++)
        free(a->cap[k]);
    free(a->in);
    free(a->out);
}

static oqt_complex *new_complex(size_t n)
{
    oqt_complex *z = calloc(n > 0 ? n : 1, sizeof *z);

    ck_assert(z != NULL);
    return z;
}

/* A finite tensor as OQuPy would keep it: rank 3, transforms, caps (e_0, since the trace is exact). */
static void arrays_of(struct arrays *a, const oqt_pt *pt)
{
    size_t d = info_of(pt).dimension, d2 = d * d;
    oqt_complex u[MAX_LEGS], factor[MAX_LEGS];
    oqt_error err = {0};

    *a = (struct arrays){
        .d = d, .n = info_of(pt).n_steps, .in = new_complex(d2 * d2), .out = new_complex(d2 * d2)};
    oqt_pt_eigenbasis(NULL, u, pt);
    for (size_t s = 0; s < d2; s++)
        for (size_t p = 0; p < d2; p++) {
            double complex z = conj(to_c99(u[s / d * d + p / d])) * to_c99(u[s % d * d + p % d]);

            a->in[s * d2 + p] = from_c99(z);
            a->out[p * d2 + s] = from_c99(conj(z));
        }
    for (size_t k = 0; k < a->n; k++) {
        size_t left, right;

        ASSERT_OK(oqt_pt_bonds(&left, &right, pt, k, &err), err);
        ASSERT_OK(oqt_pt_leg_factors(factor, pt, k, &err), err);
        a->data[k] = new_complex(left * right * d2);
        oqt_complex *f = new_complex(left * right);

        for (size_t leg = 0; leg < d2; leg++) {
            ASSERT_OK(oqt_pt_leg(f, pt, k, leg, &err), err);
            for (size_t b = 0; b < left * right; b++)
                a->data[k][b * d2 + leg] = from_c99(to_c99(f[b]) * to_c99(factor[leg]));
        }
        free(f);
        a->tensor[k] = (oqt_mpo_tensor){left, right, d2, 0, a->data[k]};
        a->cap[k] = new_complex(left);
        a->cap[k][0].re = 1.0;
    }
    a->cap[a->n] = new_complex(1);
    a->cap[a->n][0].re = 1.0;
}

/* Rank 4, with a delta between the legs. */
static void to_rank_4(struct arrays *a, size_t k)
{
    size_t d2 = a->d * a->d, len = a->tensor[k].past * a->tensor[k].future;
    oqt_complex *z = new_complex(len * d2 * d2);

    for (size_t b = 0; b < len; b++)
        for (size_t leg = 0; leg < d2; leg++)
            z[b * d2 * d2 + leg * (d2 + 1)] = a->data[k][b * d2 + leg];
    free(a->data[k]);
    a->data[k] = z;
    a->tensor[k].out = d2;
    a->tensor[k].data = z;
}

/*
 * Another gauge: bond k is multiplied by x = 1 + c (random complex matrix) on its left and by the inverse on
 * its right, found by elimination.
 */
static void turn_bond(struct arrays *a, size_t k, double c, uint64_t *seed)
{
    size_t n = a->tensor[k].past, width = a->tensor[k].in * (a->tensor[k].out > 0 ? a->tensor[k].out : 1);
    size_t before = a->tensor[k - 1].past, cols = a->tensor[k].future * width;
    oqt_complex *x = new_complex(n * n), *old = new_complex(before * n * width);

    random_complex(x, n * n, seed);
    for (size_t i = 0; i < n * n; i++)
        x[i] = from_c99(c * to_c99(x[i]) + (i % (n + 1) == 0 ? 1.0 : 0.0));
    memcpy(old, a->data[k - 1], before * n * width * sizeof *old);
    for (size_t l = 0; l < before; l++)
        for (size_t r = 0; r < n; r++)
            for (size_t w = 0; w < width; w++) {
                double complex sum = 0.0;

                for (size_t m = 0; m < n; m++)
                    sum += to_c99(old[(l * n + m) * width + w]) * to_c99(x[m * n + r]);
                a->data[k - 1][(l * n + r) * width + w] = from_c99(sum);
            }
    /* x y = right side, in place: diagonally dominant enough to do without pivots */
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < n; i++) {
            double complex f = to_c99(x[i * n + p]) / to_c99(x[p * n + p]);

            if (i == p)
                continue;
            for (size_t j = 0; j < n; j++)
                x[i * n + j] = from_c99(to_c99(x[i * n + j]) - f * to_c99(x[p * n + j]));
            for (size_t j = 0; j < cols; j++)
                a->data[k][i * cols + j] =
                    from_c99(to_c99(a->data[k][i * cols + j]) - f * to_c99(a->data[k][p * cols + j]));
            a->cap[k][i] = from_c99(to_c99(a->cap[k][i]) - f * to_c99(a->cap[k][p]));
        }
    for (size_t p = 0; p < n; p++) {
        double complex pivot = to_c99(x[p * n + p]);

        for (size_t j = 0; j < cols; j++)
            a->data[k][p * cols + j] = from_c99(to_c99(a->data[k][p * cols + j]) / pivot);
        a->cap[k][p] = from_c99(to_c99(a->cap[k][p]) / pivot);
    }
    free(x);
    free(old);
}

static oqt_status try_import(oqt_pt **out, const struct arrays *a, bool caps, oqt_error *err)
{
    return oqt_pt_create_mpo(out, a->d, dt, a->n, a->tensor, a->in, a->out,
                             caps ? (const oqt_complex *const *)a->cap : NULL, err);
}

static oqt_pt *import(const struct arrays *a, bool caps)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(try_import(&pt, a, caps, &err), err);
    return pt;
}

static void ck_same_dynamics(const oqt_pt *pt, const oqt_pt *other, size_t n, double tol)
{
    size_t d = info_of(pt).dimension, len = (n + 1) * d * d;
    oqt_complex *p = new_complex(len), *q = new_complex(len);

    trajectory(p, pt, n);
    trajectory(q, other, n);
    ck_assert_double_le(max_diff_complex(p, q, len), tol);
    free(p);
    free(q);
}

START_TEST(arrays_in_any_gauge_give_the_same_dynamics)
{
    const oqt_complex *couplings[] = {half_z, tilted, qutrit};
    size_t d = _i < 4 ? 2 : 3;
    const oqt_complex *coupling = couplings[_i / 2];
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, d, coupling, STEPS);
    struct arrays a;
    uint64_t seed = 11;

    arrays_of(&a, pt);
    for (size_t k = 1; k < STEPS; k++)
        turn_bond(&a, k, _i % 2 == 0 ? 0.0 : 0.1, &seed);
    for (int caps = 0; caps < 2; caps++) {
        oqt_pt *copy = import(&a, caps);

        ck_assert_int_eq(info_of(copy).general_legs, 0);
        ck_assert_int_eq(info_of(copy).method, OQT_PT_IMPORTED);
        ck_bonds_equal(pt, copy, STEPS);
        ck_same_dynamics(pt, copy, STEPS, 1e-12);
        oqt_pt_destroy(copy);
    }
    arrays_free(&a);
    oqt_pt_destroy(pt);
}
END_TEST

/* Rank 4 and transforms that are not of a unitary: in = (in x), and x^-1 goes into the tensors. */
START_TEST(general_legs_give_the_same_dynamics)
{
    size_t d = _i == 2 ? 3 : 2, d2 = d * d;
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, d, _i == 2 ? qutrit : tilted, d == 3 ? 4 : STEPS), *copy;
    struct arrays a;
    uint64_t seed = 12;

    arrays_of(&a, pt);
    for (size_t k = 0; k < a.n; k++)
        if (_i != 1)
            to_rank_4(&a, k);
    for (size_t p = 0; _i == 1 && p < d2; p++) { /* a diagonal x */
        for (size_t s = 0; s < d2; s++)
            a.in[s * d2 + p] = from_c99(to_c99(a.in[s * d2 + p]) * (1.0 + 0.5 * (double)p));
        for (size_t k = 0; k < a.n; k++)
            for (size_t b = 0; b < a.tensor[k].past * a.tensor[k].future; b++)
                a.data[k][b * d2 + p] = from_c99(to_c99(a.data[k][b * d2 + p]) / (1.0 + 0.5 * (double)p));
    }
    for (size_t k = 1; k < a.n; k++)
        turn_bond(&a, k, 0.1, &seed);
    copy = import(&a, true);
    ck_assert_int_eq(info_of(copy).general_legs, 1);
    ck_bonds_equal(pt, copy, a.n);
    ck_same_dynamics(pt, copy, a.n, 1e-12);
    oqt_pt_destroy(copy);
    arrays_free(&a);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(general_legs_stand_beside_others)
{
    static const oqt_split splits[] = {OQT_SPLIT_LIST, OQT_SPLIT_SYMMETRIC};
    oqt_pt *z = new_pt(OQT_PT_TEMPO, 2, half_z, STEPS), *x = new_pt(OQT_PT_TEMPO, 2, tilted, STEPS), *general;
    oqt_complex p[4 * (STEPS + 1)], q[4 * (STEPS + 1)];
    struct arrays a;

    arrays_of(&a, x);
    to_rank_4(&a, 3); /* one is enough */
    general = import(&a, true);
    ck_assert_int_eq(info_of(general).general_legs, 1);
    for (size_t i = 0; i < 2; i++) {
        const oqt_pt *diagonal[] = {z, x, z}, *mixed[] = {z, general, z}, *last[] = {x, z},
                     *last_mixed[] = {general, z};

        trajectory_of(p, 3, diagonal, splits[i], STEPS);
        trajectory_of(q, 3, mixed, splits[i], STEPS);
        ck_assert_double_le(max_diff_complex(p, q, 4 * (STEPS + 1)), 1e-12);
        trajectory_of(p, 2, last, splits[i], STEPS);
        trajectory_of(q, 2, last_mixed, splits[i], STEPS);
        ck_assert_double_le(max_diff_complex(p, q, 4 * (STEPS + 1)), 1e-12);
    }
    oqt_pt_destroy(general);
    arrays_free(&a);
    oqt_pt_destroy(z);
    oqt_pt_destroy(x);
}
END_TEST

/* The first steps of a longer product end with an open bond, which the caps close. */
START_TEST(caps_close_an_open_bond)
{
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, 2, tilted, STEPS), *copy = NULL;
    struct arrays a;
    uint64_t seed = 13;
    oqt_error err = {0};

    arrays_of(&a, pt);
    for (size_t k = 1; k < STEPS; k++)
        turn_bond(&a, k, 0.1, &seed);
    a.n = 3;
    copy = import(&a, true);
    ck_assert_uint_eq(info_of(copy).n_steps, 3);
    ck_same_dynamics(pt, copy, 3, 1e-12);
    oqt_pt_destroy(copy);
    ck_assert_int_eq(try_import(&copy, &a, false, &err), OQT_EINVAL);
    arrays_free(&a);
    oqt_pt_destroy(pt);
}
END_TEST

/* A map of the legs as a superoperator, against oqt_pt_tensor: rho -> a rho a^+ in one step. */
START_TEST(a_map_without_memory_is_itself)
{
    oqt_complex kraus[4] = {{0.6, 0.1}, {0.2, -0.5}, {-0.3, 0.4}, {0.7, 0}}, z[16], back[16];
    oqt_mpo_tensor tensor = {1, 1, 4, 4, z};
    oqt_pt *pt = NULL;
    oqt_error err = {0};
    oqt_complex cap0 = {1, 0}, cap1 = {1, 0};
    const oqt_complex *caps[] = {&cap0, &cap1};

    for (size_t from = 0; from < 4; from++)
        for (size_t to = 0; to < 4; to++)
            z[from * 4 + to] =
                from_c99(to_c99(kraus[to / 2 * 2 + from / 2]) * conj(to_c99(kraus[to % 2 * 2 + from % 2])));
    ASSERT_OK(oqt_pt_create_mpo(&pt, 2, dt, 1, &tensor, NULL, NULL, caps, &err), err);
    ASSERT_OK(oqt_pt_tensor(back, pt, 0, &err), err);
    ck_assert_double_le(max_diff_complex(z, back, 16), 1e-15);
    ck_assert_int_eq(oqt_pt_leg(back, pt, 0, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_tensor(back, pt, 1, &err), OQT_EINVAL);
    oqt_pt *out = NULL;
    ck_assert_int_eq(oqt_pt_compress(&out, pt, 1e-6, 0, 1, &err), OQT_EUNSUPPORTED);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(bad_arrays_are_refused)
{
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, 2, tilted, STEPS), *out = NULL;
    struct arrays a;
    oqt_error err = {0};
    oqt_complex keep;
    double nan_or_not[] = {NAN, INFINITY};

    arrays_of(&a, pt);
    ck_assert_int_eq(oqt_pt_create_mpo(&out, 0, dt, a.n, a.tensor, a.in, a.out, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_create_mpo(&out, 2, 0.0, a.n, a.tensor, a.in, a.out, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_create_mpo(&out, 2, dt, 0, a.tensor, a.in, a.out, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_create_mpo(&out, 3, dt, a.n, a.tensor, NULL, NULL, NULL, &err), OQT_EINVAL);
    for (size_t i = 0; i < 2; i++) {
        keep = a.data[4][5];
        a.data[4][5].im = nan_or_not[i];
        ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
        ck_assert_ptr_nonnull(strstr(err.text, "step 4"));
        a.data[4][5] = keep;
        keep = a.cap[2][1];
        a.cap[2][1].re = nan_or_not[i];
        ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
        a.cap[2][1] = keep;
    }
    a.tensor[3].past++;
    ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "step 3"));
    a.tensor[3].past--;
    /* a functional that is not conjugation symmetric, in the tensors and in a cap */
    a.data[5][1].im += 1e-3;
    ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "Hermitian"));
    a.data[5][1].im -= 1e-3;
    a.cap[4][1].im += 1e-2;
    ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "Hermitian"));
    a.cap[4][1].im = 0.0;
    memset(a.cap[4], 0, sizeof *a.cap[4]); /* e_0 before */
    ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "cap 4"));
    a.cap[4][0].re = 1.0;
    memset(a.data[2], 0, a.tensor[2].past * a.tensor[2].future * 4 * sizeof *a.data[2]);
    ck_assert_int_eq(try_import(&out, &a, true, &err), OQT_EINVAL);
    ck_assert(out == NULL);
    arrays_free(&a);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- finite pieces ---- */

START_TEST(a_piece_has_the_same_dynamics)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_TEMPO};
    size_t steps[] = {1, 5, STEPS};
    oqt_error err = {0};

    for (size_t m = 0; m < 2; m++) {
        oqt_pt *pt = new_pt(methods[m], 2, tilted, STEPS); /* a spectrum with a shift has factors */

        for (size_t i = 0; i < 3; i++) {
            oqt_pt *piece = NULL;
            oqt_complex ones[4];
            size_t left = 0, right = 0;

            ASSERT_OK(oqt_pt_unroll(&piece, pt, steps[i], &err), err);
            ck_assert_uint_eq(info_of(piece).n_steps, steps[i]);
            ASSERT_OK(oqt_pt_bonds(&left, &right, piece, 0, &err), err);
            ck_assert_uint_eq(left, 1);
            ASSERT_OK(oqt_pt_bonds(&left, &right, piece, steps[i] - 1, &err), err);
            ck_assert_uint_eq(right, 1);
            ASSERT_OK(oqt_pt_leg_factors(ones, piece, 0, &err), err);
            for (size_t leg = 0; leg < 4; leg++)
                ck_assert(ones[leg].re == 1.0 && ones[leg].im == 0.0);
            ck_same_dynamics(pt, piece, steps[i], 1e-14);
            oqt_pt_destroy(piece);
        }
        oqt_pt_destroy(pt);
    }
}
END_TEST

START_TEST(a_piece_of_what_is_not_there_is_refused)
{
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, 2, tilted, STEPS), *out = NULL;
    oqt_error err = {0};

    ck_assert_int_eq(oqt_pt_unroll(&out, pt, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_unroll(&out, pt, STEPS + 1, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_unroll(&out, pt, SIZE_MAX, &err), OQT_EINVAL);
    ck_assert(out == NULL);
    oqt_pt_destroy(pt);
}
END_TEST

#ifdef OQT_HAVE_HDF5

/* ---- files ---- */

static oqt_pt *read_pt(const char *path)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_read(&pt, path, &err), err);
    return pt;
}

static const char *const names[] = {"example", "rank3", "rank4", "own"};

/* Where Debian has h5py, and where the user may have it. */
static const char *const pythons[] = {"/usr/bin/python3", "python3"};

/* A Python that has OQuPy, or NULL. */
static const char *find_oqupy(void)
{
    char line[128];

    for (size_t i = 0; i < sizeof pythons / sizeof *pythons; i++) {
        snprintf(line, sizeof line, "%s -c 'import oqupy' 2>/dev/null", pythons[i]);
        if (system(line) == 0)
            return pythons[i];
    }
    return NULL;
}

/* Run make.py of the data. */
static void run_oqupy(const char *command, const char *file, const char *out)
{
    char line[4096];

    snprintf(line, sizeof line, "%s '" TEST_DATA "/oqupy/make.py' %s '%s' '%s' >/dev/null 2>&1", find_oqupy(),
             command, file, out);
    ck_assert_msg(system(line) == 0, "failed: %s", line);
}

static void data_path(char *path, const char *name, const char *ending)
{
    snprintf(path, 4096, TEST_DATA "/oqupy/%s.%s", name, ending);
}

/* Later states only: OQuPy's first one has the factor of the first cap. */
static void ck_reference(const oqt_pt *pt, const char *name, double tol)
{
    oqt_complex reference[4 * (STEPS + 1)], rho[4 * (STEPS + 1)];
    char path[4096];
    size_t n;

    data_path(path, name, "txt");
    n = read_reference(reference, STEPS + 1, 2, path) - 1;
    ck_assert_uint_eq(n, info_of(pt).n_steps);
    trajectory(rho, pt, n);
    ck_assert_double_le(max_diff_complex(reference + 4, rho + 4, 4 * n), tol);
}

START_TEST(files_give_the_dynamics_of_the_reference)
{
    char path[4096];

    data_path(path, names[_i], "hdf5");
    oqt_pt *pt = read_pt(path);

    ck_assert_int_eq(info_of(pt).general_legs, strcmp(names[_i], "rank4") == 0);
    ck_reference(pt, names[_i], 1e-12);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(written_files_are_read_back)
{
    char path[4096], copy[] = "/tmp/test_pt_import.XXXXXX";
    int fd = mkstemp(copy);
    oqt_error err = {0};

    ck_assert_int_ge(fd, 0);
    close(fd);
    data_path(path, names[_i], "hdf5");
    oqt_pt *pt = read_pt(path), *again;

    ASSERT_OK(oqt_pt_write(pt, copy, OQT_FILE_OQUPY, &err), err);
    again = read_pt(copy);
    ck_bonds_equal(pt, again, info_of(pt).n_steps);
    ck_same_dynamics(pt, again, info_of(pt).n_steps, 1e-13);
    ck_reference(again, names[_i], 1e-12);
    unlink(copy);
    oqt_pt_destroy(again);
    oqt_pt_destroy(pt);
}
END_TEST

struct exchange {
    char folder[32], file[64], table[64];
};

static void exchange_begin(struct exchange *x)
{
    strcpy(x->folder, "/tmp/test_pt_import.XXXXXX");
    ck_assert(mkdtemp(x->folder) != NULL);
    snprintf(x->file, sizeof x->file, "%s/pt.hdf5", x->folder);
    snprintf(x->table, sizeof x->table, "%s/rho.txt", x->folder);
}

static void exchange_end(const struct exchange *x)
{
    unlink(x->file);
    unlink(x->table);
    rmdir(x->folder);
}

/* The states in the table against those of a process tensor, from row `first` on. */
static void ck_table(const struct exchange *x, const oqt_pt *pt, size_t first)
{
    oqt_complex reference[4 * (STEPS + 1)], rho[4 * (STEPS + 1)];
    size_t n = read_reference(reference, STEPS + 1, 2, x->table) - 1;

    ck_assert_uint_eq(n, STEPS);
    trajectory(rho, pt, n);
    ck_assert_double_le(max_diff_complex(reference + 4 * first, rho + 4 * first, 4 * (n + 1 - first)), 1e-12);
}

/* A finite tensor, a piece of a uniform one with leg factors, and general legs. */
START_TEST(oqupy_reads_what_is_written)
{
    oqt_pt *whole = new_pt(_i == 1 ? OQT_PT_UNIFORM : OQT_PT_TEMPO, 2, tilted, STEPS), *pt = NULL;
    struct exchange x;
    struct arrays a;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_unroll(&pt, whole, STEPS, &err), err);
    if (_i == 2) {
        arrays_of(&a, whole);
        to_rank_4(&a, 0);
        oqt_pt_destroy(pt);
        pt = import(&a, true);
        arrays_free(&a);
    }
    exchange_begin(&x);
    ASSERT_OK(oqt_pt_write(pt, x.file, OQT_FILE_OQUPY, &err), err);
    run_oqupy("trajectory", x.file, x.table);
    ck_table(&x, pt, 0);
    exchange_end(&x);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(whole);
}
END_TEST

START_TEST(what_oqupy_writes_is_read)
{
    struct exchange x;
    oqt_pt *pt;

    exchange_begin(&x);
    run_oqupy("build", x.file, x.table);
    pt = read_pt(x.file);
    ck_table(&x, pt, 1);
    oqt_pt_destroy(pt);
    exchange_end(&x);
}
END_TEST

/* A tensor whose trace is not exact is compressed as any other. */
START_TEST(what_is_read_can_be_compressed)
{
    char path[4096];
    oqt_pt *small = NULL, *same = NULL;
    oqt_error err = {0};

    data_path(path, "rank3", "hdf5");
    oqt_pt *pt = read_pt(path);

    ASSERT_OK(oqt_pt_compress(&same, pt, 1e-12, 0, 1, &err), err);
    ck_same_dynamics(pt, same, STEPS, 1e-13);
    ASSERT_OK(oqt_pt_compress(&small, pt, 1e-3, 0, 1, &err), err);
    ck_assert_uint_lt(info_of(small).bond_dimension, info_of(pt).bond_dimension);
    ck_assert_double_gt(info_of(small).path_error, 1e-6);
    ck_same_dynamics(pt, small, STEPS, 4.0 * info_of(small).path_error);
    oqt_pt_destroy(small);
    oqt_pt_destroy(same);
    oqt_pt_destroy(pt);
}
END_TEST

/* spec: P(0,0,0) = 1 and so on; bonds 1, 4, 3, 1. */
START_TEST(worked_numbers_come_out)
{
    static const struct {
        size_t path[3];
        double re, im;
    } worked[] = {{{0, 0, 0}, 1, 0},
                  {{1, 1, 1}, 0.69980825567362, 0},
                  {{1, 2, 1}, 0.94389893096340, 0},
                  {{1, 1, 2}, 0.82155784815890, 0},
                  {{0, 1, 2}, 0.94187375202731, 0.00991380961262}};
    static const size_t bonds[] = {1, 4, 3, 1};
    char path[4096];
    oqt_error err = {0};

    data_path(path, "example", "hdf5");
    oqt_pt *pt = read_pt(path);

    ck_assert_uint_eq(info_of(pt).n_steps, 3);
    for (size_t i = 0; i < sizeof worked / sizeof *worked; i++) {
        double complex row[4] = {1.0}, next[4];

        for (size_t k = 0; k < 3; k++) {
            size_t left, right;
            oqt_complex f[16];

            ASSERT_OK(oqt_pt_bonds(&left, &right, pt, k, &err), err);
            ck_assert_uint_eq(left, bonds[k]);
            ck_assert_uint_eq(right, bonds[k + 1]);
            ASSERT_OK(oqt_pt_leg(f, pt, k, worked[i].path[k], &err), err);
            for (size_t r = 0; r < right; r++) {
                next[r] = 0.0;
                for (size_t l = 0; l < left; l++)
                    next[r] += row[l] * to_c99(f[l * right + r]);
            }
            memcpy(row, next, sizeof row);
        }
        ck_assert_double_le(cabs(row[0] - worked[i].re - worked[i].im * (double complex)I), 5e-14);
    }
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(what_the_layout_cannot_hold_is_refused)
{
    oqt_pt *uniform = new_pt(OQT_PT_UNIFORM, 2, half_z, STEPS),
           *closed = new_pt(OQT_PT_DEPHASING, 2, half_z, STEPS);
    oqt_error err = {0};

    ck_assert_int_eq(oqt_pt_write(uniform, "/nonexistent/file", OQT_FILE_OQUPY, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_pt_write(closed, "/nonexistent/file", OQT_FILE_OQUPY, &err), OQT_EUNSUPPORTED);
    oqt_pt_destroy(uniform);
    oqt_pt_destroy(closed);
}
END_TEST

/* ---- damaged files ---- */

static unsigned char *load(size_t *length, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data;
    long size;

    ck_assert(file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) > 0);
    rewind(file);
    data = malloc((size_t)size);
    ck_assert(data && fread(data, (size_t)size, 1, file) == 1);
    fclose(file);
    *length = (size_t)size;
    return data;
}

/* Half of the changes hit bytes that are not zero, where most of the meaning is. */
static size_t pick(const unsigned char *data, size_t n, uint64_t *seed)
{
    size_t at = (size_t)((double)n * random_uniform(seed));

    if (random_uniform(seed) < 0.5)
        while (data[at] == 0)
            at = (at + 1) % n;
    return at;
}

/* Changes of a file, each read from memory of just its size. `own`: it has a hash. The time step of other
 * files is not told by anything else in them. */
static void damage(const char *name, bool own, size_t n_flips)
{
    char path[4096];
    size_t length, steps, refused = 0;
    uint64_t seed = 17;
    oqt_complex before[4 * (STEPS + 1)], after[4 * (STEPS + 1)];

    data_path(path, name, "hdf5");
    unsigned char *data = load(&length, path), *copy = malloc(length);
    oqt_pt *pt = read_pt(path);

    ck_assert(copy != NULL);
    steps = info_of(pt).n_steps;
    trajectory(before, pt, steps);
    oqt_pt_destroy(pt);
    for (size_t i = 0; i < n_flips; i++) {
        bool cut = i % 10 == 9;
        size_t at = pick(data, length, &seed), n = cut ? at : length;
        oqt__map map = {copy + (length - n), n}; /* ends with the memory */
        oqt_error err = {0};
        oqt_status st;

        memcpy(copy + (length - n), data, n);
        if (!cut)
            copy[at] ^= (unsigned char)(1u << (unsigned)(8 * random_uniform(&seed)));
        pt = NULL;
        st = oqt__oqupy_parse(&pt, &map, path, &err);
        ck_assert_msg(st == OQT_OK || st == OQT_EFORMAT, "byte %zu: %s", at, err.text);
        ck_assert(st != OQT_OK || !cut);
        refused += st != OQT_OK;
        if (st == OQT_OK && (own || info_of(pt).dt == dt)) {
            ck_assert_uint_eq(info_of(pt).n_steps, steps);
            trajectory(after, pt, steps);
            ck_assert_double_le(max_diff_complex(before, after, 4 * (steps + 1)), own ? 0.0 : 1e-7);
        }
        oqt_pt_destroy(pt);
    }
    ck_assert_uint_gt(refused, n_flips / 10);
    free(copy);
    free(data);
}

START_TEST(damaged_files_are_refused_or_the_same)
{
    damage("example", false, 10000);
}
END_TEST

START_TEST(damaged_files_of_our_own_are_refused_or_the_same)
{
    damage("own", true, 3000);
}
END_TEST

static void put_number(unsigned char *p, uint64_t x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(x >> 8 * i);
}

/* The next structure that begins with these bytes. */
static unsigned char *find_bytes(unsigned char *data, size_t from, size_t length, const char *what, size_t n)
{
    for (size_t at = from; at + n <= length; at++)
        if (memcmp(data + at, what, n) == 0)
            return data + at;
    ck_abort_msg("no such bytes");
    return NULL;
}

/* Loops and sizes that would take for ever, or all memory, where they are believed. */
START_TEST(hostile_files_are_refused)
{
    char path[4096];
    size_t length;

    data_path(path, "example", "hdf5");
    for (int i = 0; i < 6; i++) {
        unsigned char *data = load(&length, path), *p;
        oqt__map map = {data, length};
        oqt_pt *pt = NULL;
        oqt_error err = {0};

        switch (i) {
        case 0: /* a tree of names all of whose many children are itself */
        case 1: /* and one of chunks */
            p = find_bytes(data, 0, length, i == 0 ? "TREE\0" : "TREE\1", 5);
            p[5] = 15;
            put_number(p + 6, 2000, 2);
            for (size_t k = 0; k < 2000; k++)
                put_number(p + 24 + k * (i == 0 ? 16 : 32) + (i == 0 ? 8 : 24), (uint64_t)(p - data), 8);
            break;
        case 2: /* a header that goes on in itself */
            p = find_bytes(data, 96, length, "\x10\0\x10\0", 4);
            put_number(p + 8, (uint64_t)(p - data), 8);
            put_number(p + 16, 24, 8);
            break;
        case 3: /* more steps than the file has bytes: extent and limit of mpo_tensors_shape, N = 3 */
            for (p = data; p + 24 < data + length; p++)
                if (memcmp(p, "\1\1\1\0\0\0\0\0\3\0\0\0\0\0\0\0", 16) == 0)
                    put_number(p + 8, UINT64_C(1) << 60, 8);
            break;
        case 4: /* a collection larger than the file */
            for (p = data; p + 16 < data + length; p++)
                if (memcmp(p, "GCOL", 4) == 0)
                    put_number(p + 8, UINT64_MAX - 8, 8);
            break;
        default: /* a heap of names likewise */
            p = find_bytes(data, 0, length, "HEAP", 4);
            put_number(p + 8, UINT64_MAX - 8, 8);
        }
        ck_assert_int_eq(oqt__oqupy_parse(&pt, &map, path, &err), OQT_EFORMAT);
        ck_assert(pt == NULL);
        free(data);
    }
}
END_TEST

#endif

/* A few transformed legs become d^4 real ones, which a reader of files limits. */
START_TEST(tensors_take_no_more_than_their_room)
{
    oqt_pt *whole = new_pt(OQT_PT_TEMPO, 2, tilted, STEPS), *pt = NULL;
    size_t needed = 0;
    struct arrays a;
    oqt__mpo mpo;
    oqt_error err = {0};

    arrays_of(&a, whole);
    to_rank_4(&a, 0);
    mpo = (oqt__mpo){.d = 2, .n_steps = a.n, .dt = 0.1, .tensor = a.tensor, .in = a.in, .out = a.out};
    for (size_t k = 0; k < a.n; k++)
        needed += a.tensor[k].past * a.tensor[k].future * 16;
    mpo.room = needed - 1;
    ck_assert_int_eq(oqt__pt_import(&pt, &mpo, &err), OQT_ERANGE);
    ck_assert(pt == NULL);
    mpo.room = needed;
    ASSERT_OK(oqt__pt_import(&pt, &mpo, &err), err);
    ck_assert_int_eq(info_of(pt).general_legs, 1);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(whole);
    arrays_free(&a);
}
END_TEST

/* ---- failing allocations ---- */

static oqt_status import_and_destroy(void *ctx)
{
    oqt_pt *mark = (oqt_pt *)ctx, *out = mark;
    oqt_error err = {0};
    oqt_status st = try_import(&out, ctx, true, &err);

    if (st == OQT_OK)
        oqt_pt_destroy(out);
    else
        ck_assert(out == mark);
    return st;
}

static oqt_status unroll_and_destroy(void *ctx)
{
    oqt_pt *out = NULL;
    oqt_error err = {0};
    oqt_status st = oqt_pt_unroll(&out, ctx, 3, &err);

    oqt_pt_destroy(out);
    return st;
}

#ifdef OQT_HAVE_HDF5
static oqt_status read_and_destroy(void *ctx)
{
    oqt_pt *out = NULL;
    oqt_error err = {0};
    oqt_status st = oqt_pt_read(&out, ctx, &err);

    oqt_pt_destroy(out);
    return st;
}

static oqt_status write_piece(void *ctx)
{
    oqt_error err = {0};

    return oqt_pt_write(ctx, "/dev/null/none", OQT_FILE_OQUPY, &err) == OQT_ENOMEM ? OQT_ENOMEM : OQT_OK;
}
#endif

START_TEST(every_allocation_may_fail)
{
    oqt_pt *pt = new_pt(OQT_PT_TEMPO, 2, tilted, 3), *uniform = new_pt(OQT_PT_UNIFORM, 2, tilted, 3);
    struct arrays a;

    arrays_of(&a, pt);
    ck_assert_uint_ge(check_every_allocation(import_and_destroy, &a), 30);
    to_rank_4(&a, 1);
    ck_assert_uint_ge(check_every_allocation(import_and_destroy, &a), 30);
    ck_assert_uint_ge(check_every_allocation(unroll_and_destroy, uniform), 10);
#ifdef OQT_HAVE_HDF5
    char path[4096];

    ck_assert_uint_ge(check_every_allocation(write_piece, pt), 20);
    data_path(path, "example", "hdf5");
    ck_assert_uint_ge(check_every_allocation(read_and_destroy, path), 30);
#endif
    arrays_free(&a);
    oqt_pt_destroy(uniform);
    oqt_pt_destroy(pt);
}
END_TEST

#ifdef OQT_HAVE_HDF5
static int run_with_oqupy(void)
{
    enum { SKIPPED = 77 }; /* for Meson */
    Suite *suite = suite_create("pt_import with OQuPy");
    TCase *tc = tcase_create("exchange");

    tcase_add_loop_test(tc, oqupy_reads_what_is_written, 0, 3);
    tcase_add_test(tc, what_oqupy_writes_is_read);
    suite_add_tcase(suite, tc);
    return find_oqupy() ? run_suite(suite) : SKIPPED;
}
#endif

/* With the argument `oqupy`: the tests that need a Python with OQuPy, and no others. */
int main(int argc, char **argv)
{
    Suite *suite;
    TCase *tc;

#ifdef OQT_HAVE_HDF5
    if (argc == 2 && strcmp(argv[1], "oqupy") == 0)
        return run_with_oqupy();
#endif
    (void)argc;
    (void)argv;
    suite = suite_create("pt_import");
    tc = tcase_create("arrays");
    tcase_add_loop_test(tc, arrays_in_any_gauge_give_the_same_dynamics, 0, 6);
    tcase_add_loop_test(tc, general_legs_give_the_same_dynamics, 0, 3);
    tcase_add_test(tc, general_legs_stand_beside_others);
    tcase_add_test(tc, caps_close_an_open_bond);
    tcase_add_test(tc, a_map_without_memory_is_itself);
    tcase_add_test(tc, bad_arrays_are_refused);
    suite_add_tcase(suite, tc);
    tc = tcase_create("pieces");
    tcase_add_test(tc, a_piece_has_the_same_dynamics);
    tcase_add_test(tc, a_piece_of_what_is_not_there_is_refused);
    suite_add_tcase(suite, tc);
#ifdef OQT_HAVE_HDF5
    tc = tcase_create("files");
    tcase_add_loop_test(tc, files_give_the_dynamics_of_the_reference, 0, 4);
    tcase_add_loop_test(tc, written_files_are_read_back, 0, 4);
    tcase_add_test(tc, what_is_read_can_be_compressed);
    tcase_add_test(tc, worked_numbers_come_out);
    tcase_add_test(tc, what_the_layout_cannot_hold_is_refused);
    suite_add_tcase(suite, tc);
#endif
    tc = tcase_create("failures");
#ifdef OQT_HAVE_HDF5
    tcase_add_test(tc, damaged_files_are_refused_or_the_same);
    tcase_add_test(tc, damaged_files_of_our_own_are_refused_or_the_same);
    tcase_add_test(tc, hostile_files_are_refused);
#endif
    tcase_add_test(tc, tensors_take_no_more_than_their_room);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
