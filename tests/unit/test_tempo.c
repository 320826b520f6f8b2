/* test_tempo.c - TEMPO against sums over all paths, and what a run must keep: order of baths, resumption,
 * limits, failures. */
#include "support.h"

#include <unistd.h>

#include "core/checkpoint.h"
#include "linalg/linalg.h"
#include "tempo/tempo_priv.h"

enum { D_MAX = 3, LEGS_MAX = D_MAX * D_MAX, BATHS_MAX = 2, SLOTS_MAX = 8 };

static const double dt = 0.1731;

/* One problem: random system, baths given. */
struct problem {
    size_t d, n_baths;
    oqt_system *system;
    oqt_bath *bath[BATHS_MAX];
    oqt_complex coupling[BATHS_MAX * LEGS_MAX];
    oqt_complex initial[LEGS_MAX];
    oqt_tempo_options opt;
};

static oqt_bath *new_bath(double alpha, double zeta, double temperature)
{
    oqt_bath *bath = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, alpha, zeta, 2.385, OQT_CUTOFF_EXPONENTIAL, temperature, &err),
              err);
    return bath;
}

static struct problem new_problem(size_t d, size_t n_baths, uint64_t seed)
{
    struct problem p = {.d = d, .n_baths = n_baths};
    oqt_tempo_options opt = OQT_TEMPO_OPTIONS_INIT;
    oqt_complex h[LEGS_MAX], op[LEGS_MAX];
    oqt_error err = {0};

    random_hermitian(h, d, &seed);
    random_complex(op, d * d, &seed);
    ASSERT_OK(oqt_system_create(&p.system, d, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(p.system, 0.137, op, &err), err);
    for (size_t e = 0; e < n_baths; e++) {
        p.bath[e] = new_bath(0.3 - 0.1 * (double)e, e == 0 ? 1.0 : 3.0, 0.2 + (double)e);
        random_hermitian(p.coupling + e * d * d, d, &seed);
    }
    random_state(p.initial, d, &seed);
    opt.epsrel = 1e-13;
    p.opt = opt;
    return p;
}

/* Couplings of the size of a spin 1/2, so that bonds stay small. */
static struct problem small_problem(size_t n_baths, uint64_t seed)
{
    static const oqt_complex half_z[4] = {{0.5, 0}, {0, 0}, {0, 0}, {-0.5, 0}};
    struct problem p = new_problem(2, n_baths, seed);

    memcpy(p.coupling, half_z, sizeof half_z);
    if (n_baths > 1)
        scale_complex(p.coupling + 4, 0.5, sigma_x, 4);
    return p;
}

static void free_problem(struct problem *p)
{
    oqt_system_destroy(p->system);
    for (size_t e = 0; e < p->n_baths; e++)
        oqt_bath_destroy(p->bath[e]);
}

static oqt_status create(oqt_tempo **out, const struct problem *p, oqt_error *err)
{
    return oqt_tempo_create(out, p->n_baths, (const oqt_bath *const *)p->bath, p->coupling, p->system,
                            p->initial, dt, &p->opt, err);
}

static oqt_tempo *new_tempo(const struct problem *p)
{
    oqt_tempo *tempo = NULL;
    oqt_error err = {0};

    ASSERT_OK(create(&tempo, p, &err), err);
    return tempo;
}

/* All states of a run, (n + 1) x d x d, and its figures. */
static oqt_tempo_stats run(oqt_complex *rho, const struct problem *p, size_t n)
{
    oqt_tempo *tempo = new_tempo(p);
    oqt_tempo_stats stats;
    oqt_error err = {0};

    ASSERT_OK(oqt_tempo_record(rho, tempo, n, &err), err);
    oqt_tempo_get_stats(&stats, tempo);
    oqt_tempo_destroy(tempo);
    return stats;
}

static void diagonal(oqt_complex *out, size_t d, const double *values)
{
    memset(out, 0, d * d * sizeof *out);
    for (size_t i = 0; i < d; i++)
        out[i * d + i].re = values[i];
}

/* out = u diag(values) u^+ with the eigenvectors of a random matrix. */
static void turned(oqt_complex *out, size_t d, const double *values, uint64_t seed)
{
    oqt_complex h[LEGS_MAX], u[LEGS_MAX];
    double w[D_MAX];
    oqt_error err = {0};

    random_hermitian(h, d, &seed);
    ASSERT_OK(oqt__eigh_complex(w, u, h, d, &err), err);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < d; k++)
                sum += values[k] * to_c99(u[i * d + k]) * conj(to_c99(u[j * d + k]));
            out[i * d + j] = from_c99(sum);
        }
}

/* ---- sum over all paths, in plain complex arithmetic ---- */

struct slots {
    size_t n, d;
    size_t step[SLOTS_MAX], bath[SLOTS_MAX];
    double complex *map[SLOTS_MAX + 1]; /* from the legs of the slot before to those of this one, d^2 x d^2 */
    double o[BATHS_MAX][D_MAX];
    oqt_complex eta[BATHS_MAX][64];
    size_t memory;
    double added_steps; /* infinity or 0 */
};

/* c = a b, d2 x d2. */
static void multiply(double complex *c, const double complex *a, const double complex *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            c[i * n + j] = 0.0;
            for (size_t k = 0; k < n; k++)
                c[i * n + j] += a[i * n + k] * b[k * n + j];
        }
}

/* rho -> u rho u^+, or u^+ rho u. */
static void conjugation(double complex *out, const oqt_complex *u, size_t d, bool dagger)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                for (size_t l = 0; l < d; l++) {
                    double complex a = dagger ? conj(to_c99(u[k * d + i])) : to_c99(u[i * d + k]);
                    double complex b = dagger ? to_c99(u[l * d + j]) : conj(to_c99(u[j * d + l]));

                    out[(i * d + j) * d * d + k * d + l] = a * b;
                }
}

static void sum_paths(double complex *rho, const struct slots *s, size_t *path, size_t at,
                      double complex value, size_t last)
{
    size_t d2 = s->d * s->d;

    if (at == s->n || at >= SLOTS_MAX) {
        for (size_t a = 0; a < d2; a++)
            rho[a] += s->map[at][a * d2 + last] * value;
        return;
    }
    for (size_t a = 0; a < d2; a++) {
        const double *o = s->o[s->bath[at]];
        double om = o[a / s->d] - o[a % s->d];
        double complex exponent = 0.0;

        path[at] = a;
        for (size_t m = 0; m <= at; m++) {
            size_t k = s->step[at] - s->step[m];
            double om_m = o[path[m] / s->d] - o[path[m] % s->d], op_m = o[path[m] / s->d] + o[path[m] % s->d];

            if (s->bath[m] != s->bath[at] || k > s->memory)
                continue;
            for (size_t j = k; j <= (k == s->memory && s->added_steps > 0.0 ? s->step[at] : k); j++)
                exponent -= om * (s->eta[s->bath[at]][j].re * om_m +
                                  s->eta[s->bath[at]][j].im * op_m * (double complex)I);
        }
        sum_paths(rho, s, path, at + 1, value * s->map[at][a * d2 + last] * cexp(exponent), a);
    }
}

/* The exact state after n steps; list: order of the baths, else it turns round in every other step. */
static void brute_force(oqt_complex *out, const struct problem *p, size_t n)
{
    struct slots s = {.d = p->d, .memory = p->opt.memory_steps == 0 ? SIZE_MAX : p->opt.memory_steps};
    size_t d2 = p->d * p->d, path[SLOTS_MAX];
    oqt_complex u[BATHS_MAX][LEGS_MAX], half[LEGS_MAX * LEGS_MAX];
    double complex u1[LEGS_MAX * LEGS_MAX], in[LEGS_MAX * LEGS_MAX], before[LEGS_MAX * LEGS_MAX];
    double complex next[LEGS_MAX * LEGS_MAX], start[LEGS_MAX] = {0}, rho[LEGS_MAX] = {0};
    oqt_error err = {0};

    s.added_steps = p->opt.added_correlation_time;
    ASSERT_OK(oqt_system_propagator(half, p->system, 0.5 * dt, &err), err);
    for (size_t i = 0; i < d2 * d2; i++) {
        u1[i] = to_c99(half[i]);
        before[i] = i % (d2 + 1) == 0 ? 1.0 : 0.0;
    }
    for (size_t e = 0; e < p->n_baths; e++) {
        ASSERT_OK(oqt__eigh_complex(s.o[e], u[e], p->coupling + e * d2, p->d, &err), err);
        ASSERT_OK(oqt_bath_eta(s.eta[e], p->bath[e], dt, n, NULL, 1, &err), err);
    }
    for (size_t k = 0; k < n; k++) {
        multiply(next, u1, before, d2);
        memcpy(before, next, sizeof before);
        for (size_t place = 0; place < p->n_baths; place++) {
            bool turn = p->opt.split == OQT_SPLIT_SYMMETRIC && k % 2 == 1;
            size_t e = turn ? p->n_baths - 1 - place : place;

            conjugation(in, u[e], p->d, true);
            s.map[s.n] = calloc(d2 * d2, sizeof **s.map);
            multiply(s.map[s.n], in, before, d2);
            s.step[s.n] = k;
            s.bath[s.n++] = e;
            conjugation(before, u[e], p->d, false);
        }
        multiply(next, u1, before, d2);
        memcpy(before, next, sizeof before);
    }
    s.map[s.n] = before;
    for (size_t a = 0; a < d2; a++)
        start[a] = to_c99(p->initial[a]);
    /* the first map takes the initial state to all legs: d^2 starts, each with its weight */
    for (size_t b = 0; b < d2; b++)
        sum_paths(rho, &s, path, 0, start[b], b);
    for (size_t a = 0; a < d2; a++)
        out[a] = from_c99(rho[a]);
    for (size_t k = 0; k < s.n; k++)
        free(s.map[k]);
}

static void assert_exact(const struct problem *p, size_t n)
{
    oqt_complex rho[(SLOTS_MAX + 1) * LEGS_MAX], exact[LEGS_MAX];
    size_t d2 = p->d * p->d;

    run(rho, p, n);
    for (size_t k = 1; k <= n; k++) {
        brute_force(exact, p, k);
        ck_assert_double_le(max_diff_complex(rho + k * d2, exact, d2), 2e-12);
    }
}

START_TEST(a_run_is_the_sum_over_all_paths)
{
    for (size_t d = 2; d <= 3; d++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct problem p = new_problem(d, 1, seed);

            assert_exact(&p, d == 2 ? 4 : 3);
            free_problem(&p);
        }
}
END_TEST

START_TEST(degenerate_couplings_are_the_sum_over_all_paths)
{
    static const double values[4][3] = {{1, 1, 2}, {1, 0, -1}, {0.7, 0.7, 0.7}, {1.5, 0.5, 0.5}};

    for (size_t i = 0; i < 4; i++) {
        struct problem p = new_problem(3, 1, 11 + i);

        diagonal(p.coupling, 3, values[i]);
        assert_exact(&p, 3);
        turned(p.coupling, 3, values[i], 5);
        assert_exact(&p, 3);
        free_problem(&p);
    }
}
END_TEST

START_TEST(cut_memories_are_the_sum_over_all_paths)
{
    for (size_t memory = 1; memory <= 3; memory++)
        for (int added = 0; added < 2; added++) {
            struct problem p = new_problem(2, 1, 21);

            p.opt.memory_steps = memory;
            p.opt.added_correlation_time = added ? INFINITY : 0.0;
            assert_exact(&p, 5);
            free_problem(&p);
        }
}
END_TEST

START_TEST(two_baths_are_the_sum_over_all_paths)
{
    for (int split = 0; split < 2; split++)
        for (size_t memory = 0; memory < 2; memory++) {
            struct problem p = new_problem(2, 2, 31);

            p.opt.split = (oqt_split)split;
            p.opt.memory_steps = memory;
            assert_exact(&p, 3);
            free_problem(&p);
        }
}
END_TEST

/* They act at once; the sum over paths takes them one after the other. */
START_TEST(commuting_baths_are_the_sum_over_all_paths)
{
    static const double first[3] = {0.5, -0.3, 0.9}, second[3] = {1.1, 1.1, -0.4};
    struct problem p = new_problem(3, 2, 41);
    oqt_tempo_stats stats;
    oqt_complex rho[4 * LEGS_MAX];

    diagonal(p.coupling, 3, first);
    diagonal(p.coupling + 9, 3, second);
    assert_exact(&p, 2);
    stats = run(rho, &p, 3);
    ck_assert_uint_eq(stats.n_svd, 3); /* one slot in each step: 0 + 1 + 2 bonds */
    turned(p.coupling, 3, first, 7);
    turned(p.coupling + 9, 3, second, 7);
    assert_exact(&p, 2);
    stats = run(rho, &p, 3);
    ck_assert_uint_eq(stats.n_svd, 3);
    free_problem(&p);
}
END_TEST

START_TEST(any_matrix_is_propagated_linearly)
{
    uint64_t seed = 3;

    for (size_t n_baths = 1; n_baths <= 2; n_baths++) {
        struct problem p = new_problem(2, n_baths, 51);

        random_complex(p.initial, 4, &seed);
        assert_exact(&p, 3);
        free_problem(&p);
    }
}
END_TEST

START_TEST(zero_stays_zero)
{
    struct problem p = new_problem(2, 1, 52);
    oqt_complex rho[4 * 4], zero[4] = {{0, 0}};

    memset(p.initial, 0, sizeof p.initial);
    run(rho, &p, 3);
    ck_assert_double_eq(max_diff_complex(rho + 12, zero, 4), 0.0);
    free_problem(&p);
}
END_TEST

START_TEST(without_influence_the_system_is_alone)
{
    struct problem p = new_problem(3, 1, 61);
    oqt_complex rho[31 * 9], u[81], exact[9];
    oqt_tempo_stats stats;
    oqt_error err = {0};

    oqt_bath_destroy(p.bath[0]);
    p.bath[0] = new_bath(0.0, 1.0, 0.3);
    p.opt.epsrel = 1e-10;
    stats = run(rho, &p, 30);
    ck_assert_uint_eq(stats.largest_bond, 9); /* the legs of the newest slot; nothing else remembers */
    ASSERT_OK(oqt_system_propagator(u, p.system, 30 * dt, &err), err);
    for (size_t a = 0; a < 9; a++) {
        double complex sum = 0.0;

        for (size_t b = 0; b < 9; b++)
            sum += to_c99(u[a * 9 + b]) * to_c99(p.initial[b]);
        exact[a] = from_c99(sum);
    }
    ck_assert_double_le(max_diff_complex(rho + 30 * 9, exact, 9), 1e-8);
    free_problem(&p);
}
END_TEST

/* ---- classes ---- */

/* Counts of the degeneracy maps that are published for OQuPy. */
START_TEST(classes_of_legs_are_those_of_the_degeneracy_maps)
{
    static const struct {
        size_t d, north, west;
        double values[3];
    } expected[] = {{2, 4, 3, {0.5, -0.5}},
                    {3, 9, 5, {1, 0, -1}},
                    {3, 4, 3, {1, 1, 2}},
                    {3, 9, 5, {0.5, -0.5, 0}},
                    {2, 1, 1, {1, 1}}};
    oqt_bath *bath = new_bath(0.1, 1.0, 0.0);
    const oqt_bath *baths[1] = {bath};

    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        oqt_complex coupling[9];
        oqt__group *group = NULL;
        size_t n = 0;
        oqt_error err = {0};

        diagonal(coupling, expected[i].d, expected[i].values);
        ASSERT_OK(oqt__groups_create(&group, &n, expected[i].d, 1, baths, coupling, &err), err);
        ck_assert_uint_eq(n, 1);
        ck_assert_uint_eq(group->north_dim, expected[i].north);
        ck_assert_uint_eq(group->west_dim, expected[i].west);
        oqt__groups_release(group, n);
    }
    oqt_bath_destroy(bath);
}
END_TEST

/* ---- runs ---- */

START_TEST(resumption_changes_no_bit)
{
    struct problem p = small_problem(2, 71);
    oqt_complex once[31 * 4], steps[4];
    oqt_tempo *tempo;
    oqt_error err = {0};

    p.opt.epsrel = 1e-4;
    p.opt.memory_steps = 9;
    p.opt.added_correlation_time = 2.5 * dt;
    run(once, &p, 30);
    tempo = new_tempo(&p);
    for (size_t k = 0, n = 1; k < 30; k += n, n = n % 3 + 1) {
        n = k + n > 30 ? 30 - k : n;
        ASSERT_OK(oqt_tempo_step(tempo, n, &err), err);
        oqt_tempo_state(steps, tempo);
        ck_assert_int_eq(memcmp(steps, once + (k + n) * 4, sizeof steps), 0);
    }
    oqt_tempo_destroy(tempo);
    free_problem(&p);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    struct problem p = small_problem(1, 72);
    oqt_complex one[41 * 4], four[41 * 4];

    p.opt.epsrel = 1e-6;
    p.opt.n_threads = 1;
    run(one, &p, 40);
    p.opt.n_threads = 4;
    run(four, &p, 40);
    ck_assert_int_eq(memcmp(one, four, sizeof one), 0);
    free_problem(&p);
}
END_TEST

START_TEST(errors_follow_epsrel)
{
    struct problem p = small_problem(1, 73);
    oqt_complex fine[31 * 4], coarse[31 * 4];
    double last = INFINITY;
    oqt_tempo_stats stats;

    p.opt.epsrel = 1e-10;
    run(fine, &p, 30);
    for (double eps = 1e-3; eps > 1e-8; eps *= 1e-2) {
        double error;

        p.opt.epsrel = eps;
        stats = run(coarse, &p, 30);
        error = max_diff_complex(fine, coarse, 31 * 4);
        ck_assert_double_le(error, 30 * eps);
        ck_assert_double_le(error, 0.1 * last);
        ck_assert_double_le(stats.trace_drift, 30 * eps);
        ck_assert_double_gt(stats.discarded_weight, 0.0);
        ck_assert_double_le(stats.discarded_weight, (double)stats.n_svd * eps * eps);
        ck_assert_double_gt(stats.flops, 0.0);
        last = error;
    }
    free_problem(&p);
}
END_TEST

START_TEST(max_bond_is_kept_and_told)
{
    struct problem p = small_problem(1, 74);
    oqt_complex rho[31 * 4], fine[31 * 4];
    oqt_tempo_stats stats;

    p.opt.epsrel = 1e-8;
    stats = run(fine, &p, 30);
    ck_assert_int_eq(stats.limit_hit, 0);
    ck_assert_uint_gt(stats.largest_bond, 9);
    p.opt.max_bond = 9;
    stats = run(rho, &p, 30);
    ck_assert_int_eq(stats.limit_hit, 1);
    ck_assert_uint_eq(stats.largest_bond, 9);
    ck_assert_double_le(max_diff_complex(rho, fine, 31 * 4), 1e-2);
    ck_assert_double_gt(max_diff_complex(rho, fine, 31 * 4), 1e-8);
    free_problem(&p);
}
END_TEST

static int cancel_at(const char *phase, double fraction, void *ctx)
{
    int *left = ctx;

    ck_assert_str_eq(phase, "tempo");
    ck_assert(fraction >= 0.0 && fraction < 1.0);
    return (*left)-- == 0;
}

START_TEST(a_canceled_run_stands_and_goes_on)
{
    struct problem p = small_problem(1, 75);
    oqt_complex whole[11 * 4], part[11 * 4];
    int left = -1;
    oqt_tempo *tempo;
    oqt_tempo_stats stats;
    oqt_error err = {0};

    p.opt.epsrel = 1e-5;
    run(whole, &p, 10);
    p.opt.progress = (oqt_progress){cancel_at, &left};
    tempo = new_tempo(&p);
    left = 4;
    ck_assert_int_eq(oqt_tempo_record(part, tempo, 10, &err), OQT_ECANCELED);
    oqt_tempo_get_stats(&stats, tempo);
    ck_assert_uint_eq(stats.n_steps, 4);
    left = -1;
    ASSERT_OK(oqt_tempo_record(part + 4 * 4, tempo, 6, &err), err);
    ck_assert_int_eq(memcmp(whole, part, sizeof whole), 0);
    oqt_tempo_destroy(tempo);
    free_problem(&p);
}
END_TEST

/* Rows of a parameter that is always the same are a constant system. */
START_TEST(parameters_are_taken_as_far_as_they_go)
{
    struct problem p = small_problem(1, 76);
    oqt_complex h[4], constant[7 * 4], rho[7 * 4];
    double rows[12];
    oqt_tempo *tempo;
    oqt_tempo_stats stats;
    oqt_error err = {0};

    scale_complex(h, 0.37, sigma_x, 4);
    oqt_system_destroy(p.system);
    ASSERT_OK(oqt_system_create(&p.system, 2, h, &err), err);
    run(constant, &p, 6);
    oqt_system_destroy(p.system);
    memset(h, 0, sizeof h);
    ASSERT_OK(oqt_system_create(&p.system, 2, h, &err), err);
    ASSERT_OK(oqt_system_set_parameters(p.system, 1, &err), err);
    ASSERT_OK(oqt_system_add_parameter(p.system, 0, sigma_x, &err), err);
    ck_assert_int_eq(create(&tempo, &p, &err), OQT_EINVAL); /* none given */
    for (size_t i = 0; i < 12; i++)
        rows[i] = 0.37;
    p.opt.parameters = rows;
    p.opt.n_parameter_steps = 6;
    tempo = new_tempo(&p);
    ck_assert_int_eq(oqt_tempo_record(rho, tempo, 6, &err), OQT_OK);
    ck_assert_double_le(max_diff_complex(rho, constant, 7 * 4), 1e-12);
    ck_assert_int_eq(oqt_tempo_step(tempo, 1, &err), OQT_EINVAL);
    oqt_tempo_state(rho, tempo);
    ck_assert_int_eq(memcmp(rho, rho + 6 * 4, 4 * sizeof *rho), 0);
    oqt_tempo_get_stats(&stats, tempo);
    ck_assert_uint_eq(stats.n_steps, 6);
    oqt_tempo_destroy(tempo);
    free_problem(&p);
}
END_TEST

/* ---- files ---- */

static void save_at(const struct problem *p, size_t n, const char *path)
{
    oqt_tempo *tempo = new_tempo(p);
    oqt_error err = {0};

    ASSERT_OK(oqt_tempo_step(tempo, n, &err), err);
    ASSERT_OK(oqt_tempo_save(tempo, path, &err), err);
    oqt_tempo_destroy(tempo);
}

static bool same_stats(const oqt_tempo_stats *a, const oqt_tempo_stats *b)
{
    return a->n_steps == b->n_steps && a->bond_dimension == b->bond_dimension &&
           a->largest_bond == b->largest_bond && a->discarded_weight == b->discarded_weight &&
           a->limit_hit == b->limit_hit && a->trace_drift == b->trace_drift && a->n_svd == b->n_svd &&
           a->flops == b->flops;
}

/* Save after some steps, go on in another run: the states and figures of a run without a break. */
static void check_resumption(const struct problem *p, size_t n)
{
    size_t d2 = p->d * p->d;
    oqt_complex *once = calloc((n + 1) * d2, sizeof *once), *rho = calloc((n + 1) * d2, sizeof *rho);
    oqt_tempo_stats whole = run(once, p, n), stats;
    struct place place = new_place();
    oqt_error err = {0};

    for (size_t at = 0; at <= n; at += at < 3 ? 1 : n / 4) {
        oqt_tempo *tempo = new_tempo(p);

        save_at(p, at, place.path);
        ASSERT_OK(oqt_tempo_step(tempo, at / 2, &err), err); /* what it was itself does not count */
        ASSERT_OK(oqt_tempo_restore(tempo, place.path, &err), err);
        ASSERT_OK(oqt_tempo_record(rho, tempo, n - at, &err), err);
        ck_assert_int_eq(memcmp(rho, once + at * d2, (n - at + 1) * d2 * sizeof *rho), 0);
        oqt_tempo_get_stats(&stats, tempo);
        ck_assert(same_stats(&stats, &whole));
        oqt_tempo_destroy(tempo);
    }
    remove_place(&place);
    free(once);
    free(rho);
}

static int tilt(oqt_complex *h, double t, void *ctx)
{
    (void)ctx;
    scale_complex(h, 0.3 * sin(1.7 * t), sigma_y, 4);
    return 0;
}

START_TEST(runs_go_on_from_files_bit_for_bit)
{
    struct problem p = small_problem(2, 91), full = small_problem(1, 92);
    oqt_control *control = NULL;
    oqt_complex left[16];
    oqt_error err = {0};

    oqt_super_left(left, 2, sigma_y);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 3, OQT_PRE, left, &err), err);
    ASSERT_OK(oqt_control_add(control, 5, OQT_POST, left, &err), err);
    ASSERT_OK(oqt_system_add_hamiltonian_fn(p.system, tilt, NULL, &err), err);
    p.opt.epsrel = 1e-3;
    p.opt.memory_steps = 3;
    p.opt.added_correlation_time = 2.5 * dt;
    p.opt.control = control;
    check_resumption(&p, 16);
    p.opt.memory_steps = OQT_NO_MEMORY;
    p.opt.added_correlation_time = 0.0;
    check_resumption(&p, 9);
    full.opt.epsrel = 1e-3; /* and beyond the steps that coefficients are first computed for */
    check_resumption(&full, 80);
    oqt_control_destroy(control);
    free_problem(&p);
    free_problem(&full);
}
END_TEST

/* The file is refused, and the run goes on as if nothing had been. */
static void refuse(const struct problem *p, const char *path, const char *word)
{
    oqt_tempo *tempo = new_tempo(p);
    oqt_complex before[LEGS_MAX], after[LEGS_MAX], whole[4 * LEGS_MAX];
    oqt_error err = {0};

    run(whole, p, 3);
    ASSERT_OK(oqt_tempo_step(tempo, 2, &err), err);
    oqt_tempo_state(before, tempo);
    ck_assert_int_eq(oqt_tempo_restore(tempo, path, &err), OQT_EINVAL);
    ck_assert_msg(strstr(err.text, word) != NULL && strstr(err.text, path) != NULL, "%s", err.text);
    oqt_tempo_state(after, tempo);
    ck_assert_int_eq(memcmp(before, after, p->d * p->d * sizeof *before), 0);
    ASSERT_OK(oqt_tempo_step(tempo, 1, &err), err);
    oqt_tempo_state(after, tempo);
    ck_assert_int_eq(memcmp(whole + 3 * p->d * p->d, after, p->d * p->d * sizeof *after), 0);
    oqt_tempo_destroy(tempo);
}

START_TEST(files_of_other_runs_are_refused)
{
    struct problem good = small_problem(2, 93), p, other;
    struct place place = new_place();
    oqt_control *control = NULL;
    oqt_complex super[16];
    oqt_error err = {0};

    good.opt.epsrel = 1e-4;
    good.opt.memory_steps = 2;
    save_at(&good, 5, place.path);
    p = good, p.opt.epsrel = 1e-5;
    refuse(&p, place.path, "truncation");
    p = good, p.opt.max_bond = 7;
    refuse(&p, place.path, "truncation");
    p = good, p.opt.memory_steps = 3;
    refuse(&p, place.path, "memory");
    p = good, p.opt.added_correlation_time = 1.0;
    refuse(&p, place.path, "memory");
    p = good, p.opt.split = OQT_SPLIT_LIST;
    refuse(&p, place.path, "order of baths");
    p = good, p.opt.start_time = 0.1;
    refuse(&p, place.path, "start");
    p = good, p.n_baths = 1;
    refuse(&p, place.path, "baths");
    p = good, p.initial[1].re += 0.1;
    refuse(&p, place.path, "initial state");
    p = good, p.coupling[0].re += 1e-6;
    refuse(&p, place.path, "baths or couplings");
    p = good, p.bath[1] = new_bath(0.2 + 1e-6, 3.0, 1.2);
    refuse(&p, place.path, "baths or couplings");
    oqt_bath_destroy(p.bath[1]);
    p = good;
    ASSERT_OK(oqt_system_create(&p.system, 2, sigma_y, &err), err);
    refuse(&p, place.path, "another system");
    oqt_system_destroy(p.system);
    ASSERT_OK(oqt_super_unitary(super, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 5, OQT_PRE, super, &err), err);
    p = good, p.opt.control = control;
    refuse(&p, place.path, "other controls");
    oqt_control_destroy(control);
    other = new_problem(3, 2, 94);
    other.opt = good.opt;
    refuse(&other, place.path, "dimension");
    free_problem(&other);
    free_problem(&good);
    remove_place(&place);
}
END_TEST

static void spill(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

/* Cut off anywhere, bits turned at random, and any word set to what is worst with the hash made right. */
START_TEST(damaged_files_are_refused)
{
    static const double bad_number[3] = {NAN, INFINITY, -1e300};
    static const uint64_t bad_word[7] = {0, 1, 3, 1u << 20, UINT64_MAX / 8, UINT64_MAX / 2, UINT64_MAX};
    struct problem p = small_problem(2, 95);
    struct place place = new_place();
    oqt_tempo *tempo;
    oqt__map map = {NULL, 0};
    uint64_t *data, seed = 96;
    unsigned char *bytes;
    size_t length, n_refused = 0, n_taken = 0;
    oqt_error err = {0};

    p.opt.epsrel = 1e-2;
    p.opt.memory_steps = 2;
    save_at(&p, 4, place.path);
    tempo = new_tempo(&p);
    ASSERT_OK(oqt__map_file(&map, place.path, &err), err);
    length = map.length;
    data = calloc(length + 64, 1);
    bytes = (unsigned char *)data;
    memcpy(data, map.data, length);
    for (size_t cut = 1; cut < length; cut += 24) {
        spill(place.path, data, cut);
        ck_assert_int_eq(oqt_tempo_restore(tempo, place.path, &err), OQT_EFORMAT);
    }
    spill(place.path, "", 0);
    ck_assert_int_eq(oqt_tempo_restore(tempo, place.path, &err), OQT_EFORMAT);
    spill(place.path, data, length + 32);
    ck_assert_int_eq(oqt_tempo_restore(tempo, place.path, &err), OQT_EFORMAT);
    for (size_t i = 0; i < 500; i++) {
        size_t at = (size_t)(random_uniform(&seed) * (double)length);
        unsigned char bit = (unsigned char)(1u << i % 8);

        bytes[at] ^= bit;
        spill(place.path, data, length);
        ck_assert_int_eq(oqt_tempo_restore(tempo, place.path, &err), OQT_EFORMAT);
        bytes[at] ^= bit;
    }
    for (size_t at = 0; at < length / 8 - 4; at++)
        for (size_t i = 0; i < 10; i++) {
            uint64_t old = data[at], sum = data[length / 8 - 4];
            oqt__hash hash;
            oqt_status st;

            memcpy(&data[at], i < 7 ? (const void *)&bad_word[i] : (const void *)&bad_number[i - 7], 8);
            oqt__hash_init(&hash);
            oqt__hash_add(&hash, data, length - 32);
            data[length / 8 - 4] = oqt__hash_value(&hash);
            spill(place.path, data, length);
            st = oqt_tempo_restore(tempo, place.path, &err);
            ck_assert(st == OQT_OK || st == OQT_EFORMAT || st == OQT_EINVAL || st == OQT_ERANGE);
            n_refused += st != OQT_OK;
            n_taken += st == OQT_OK;
            data[at] = old;
            data[length / 8 - 4] = sum;
        }
    ck_assert_uint_gt(n_refused, 100);
    ck_assert_uint_gt(n_taken, 0); /* numbers of the state, with the hash of them */
    spill(place.path, data, length);
    ASSERT_OK(oqt_tempo_restore(tempo, place.path, &err), err);
    ASSERT_OK(oqt_tempo_step(tempo, 3, &err), err);
    ck_assert_int_eq(oqt_tempo_save(tempo, "/nowhere/at/all", &err), OQT_EIO);
    ck_assert_int_eq(oqt_tempo_restore(tempo, "/nowhere/at/all", &err), OQT_EIO);
    ck_assert_int_eq(oqt_tempo_save(NULL, place.path, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tempo_save(tempo, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tempo_restore(NULL, place.path, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tempo_restore(tempo, NULL, &err), OQT_EINVAL);
    oqt__unmap_file(&map);
    oqt_tempo_destroy(tempo);
    free_problem(&p);
    free(data);
    remove_place(&place);
}
END_TEST

struct saving {
    struct problem p;
    const char *path;
};

static oqt_status save_and_restore(void *ctx)
{
    const struct saving *s = ctx;
    oqt_tempo *tempo = NULL, *other = NULL;
    oqt_status st = create(&tempo, &s->p, NULL);

    if (st == OQT_OK && (st = oqt_tempo_step(tempo, 3, NULL)) == OQT_OK &&
        (st = oqt_tempo_save(tempo, s->path, NULL)) == OQT_OK &&
        (st = create(&other, &s->p, NULL)) == OQT_OK &&
        (st = oqt_tempo_restore(other, s->path, NULL)) == OQT_OK)
        st = oqt_tempo_step(other, 1, NULL);
    oqt_tempo_destroy(tempo);
    oqt_tempo_destroy(other);
    return st;
}

START_TEST(every_allocation_of_files_may_fail)
{
    struct place place = new_place();
    struct saving s = {small_problem(2, 97), place.path};

    s.p.opt.n_threads = 1;
    s.p.opt.epsrel = 1e-4;
    ck_assert_uint_gt(check_every_allocation(save_and_restore, &s), 50);
    free_problem(&s.p);
    remove_place(&place);
}
END_TEST

/* ---- failures ---- */

static oqt_status create_and_run(void *ctx)
{
    oqt_tempo *tempo = NULL;
    oqt_status st = create(&tempo, ctx, NULL);

    if (st == OQT_OK)
        st = oqt_tempo_step(tempo, 6, NULL);
    else
        ck_assert_ptr_null(tempo);
    oqt_tempo_destroy(tempo);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    struct problem p = small_problem(2, 81);
    oqt_control *control = NULL;
    oqt_complex left[16], flip[16];
    oqt_error err = {0};

    oqt_super_left(left, 2, sigma_y);
    ASSERT_OK(oqt_super_unitary(flip, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    for (size_t step = 0; step < 4; step += 3) { /* two that meet take memory */
        ASSERT_OK(oqt_control_add(control, step, OQT_PRE, left, &err), err);
        ASSERT_OK(oqt_control_add(control, step, OQT_PRE, flip, &err), err);
    }
    p.opt.control = control;

    p.opt.n_threads = 1;
    p.opt.epsrel = 1e-4;
    p.opt.memory_steps = 3;
    p.opt.added_correlation_time = INFINITY;
    ck_assert_uint_gt(check_every_allocation(create_and_run, &p), 50);
    oqt_control_destroy(control);
    free_problem(&p);
}
END_TEST

static void *no_memory(size_t alignment, size_t size, void *ctx)
{
    size_t *left = ctx;

    return *left > 0 && --*left > 0 ? aligned_alloc(alignment, size) : NULL;
}

static void free_memory(void *ptr, void *ctx)
{
    (void)ctx;
    free(ptr);
}

START_TEST(a_step_without_memory_changes_nothing)
{
    size_t left = SIZE_MAX;
    oqt_allocator allocator = {no_memory, free_memory, &left};
    oqt_complex whole[9 * 4], rho[4];
    struct problem p;
    oqt_tempo *tempo;
    size_t n_failed = 0;
    oqt_error err = {0};

    oqt_set_allocator(&allocator);
    p = small_problem(2, 82);
    p.opt.epsrel = 1e-6;
    run(whole, &p, 8);
    tempo = new_tempo(&p);
    for (size_t k = 1; k <= 8; k++)
        for (size_t n = 1;; n++) {
            oqt_status st;

            left = n;
            st = oqt_tempo_step(tempo, 1, &err);
            left = SIZE_MAX;
            oqt_tempo_state(rho, tempo);
            ck_assert_int_eq(memcmp(rho, whole + (st == OQT_OK ? k : k - 1) * 4, sizeof rho), 0);
            if (st == OQT_OK)
                break;
            ck_assert_int_eq(st, OQT_ENOMEM);
            n_failed++;
        }
    ck_assert_uint_gt(n_failed, 20);
    oqt_tempo_destroy(tempo);
    free_problem(&p);
    oqt_set_allocator(NULL);
}
END_TEST

static int failing_density(double *j, double w, void *ctx)
{
    (void)j, (void)w, (void)ctx;
    return 1;
}

START_TEST(a_failing_bath_fails_the_step)
{
    struct problem p = new_problem(2, 1, 83);
    oqt_complex rho[4];
    oqt_tempo *tempo;
    oqt_error err = {0};

    oqt_bath_destroy(p.bath[0]);
    ASSERT_OK(oqt_bath_create_custom(&p.bath[0], failing_density, NULL, 1.0, 5.0, 0.0, &err), err);
    tempo = new_tempo(&p);
    ck_assert_int_eq(oqt_tempo_step(tempo, 1, &err), OQT_ECALLBACK);
    oqt_tempo_state(rho, tempo);
    ck_assert_double_le(max_diff_complex(rho, p.initial, 4), 1e-15);
    oqt_tempo_destroy(tempo);
    free_problem(&p);
}
END_TEST

static void assert_refused(const struct problem *p, double step)
{
    oqt_tempo *tempo = NULL;
    oqt_error err = {0};

    ck_assert_int_eq(oqt_tempo_create(&tempo, p->n_baths, (const oqt_bath *const *)p->bath, p->coupling,
                                      p->system, p->initial, step, &p->opt, &err),
                     OQT_EINVAL);
    ck_assert_ptr_null(tempo);
    ck_assert_int_ne(err.text[0], '\0');
}

START_TEST(bad_arguments_are_refused)
{
    const struct problem good = new_problem(2, 1, 84);
    struct problem p = good;
    oqt_control *control = NULL;

    assert_refused(&p, 0.0);
    assert_refused(&p, NAN);
    assert_refused(&p, INFINITY);
    p.n_baths = 0;
    assert_refused(&p, dt);
    p = good, p.system = NULL;
    assert_refused(&p, dt);
    p = good, p.bath[0] = NULL;
    assert_refused(&p, dt);
    p = good, p.coupling[1].re += 0.1;
    assert_refused(&p, dt);
    p = good, p.coupling[0].re = NAN;
    assert_refused(&p, dt);
    p = good, p.initial[0].im = INFINITY;
    assert_refused(&p, dt);
    p = good, p.opt.struct_size--;
    assert_refused(&p, dt);
    for (size_t i = 0; i < 4; i++) {
        static const double bad[4] = {0.0, 1.0, -1e-6, NAN};

        p = good, p.opt.epsrel = bad[i];
        assert_refused(&p, dt);
    }
    p = good, p.opt.added_correlation_time = -1.0, p.opt.memory_steps = 2;
    assert_refused(&p, dt);
    p = good, p.opt.added_correlation_time = 1.0; /* of a full memory */
    assert_refused(&p, dt);
    p.opt.memory_steps = OQT_NO_MEMORY;
    assert_refused(&p, dt);
    p = good, p.opt.start_time = NAN;
    assert_refused(&p, dt);
    p = good, p.opt.propagation = (oqt_propagation)9;
    assert_refused(&p, dt);
    ck_assert_int_eq(oqt_control_create(&control, 3, NULL), OQT_OK);
    p = good, p.opt.control = control;
    assert_refused(&p, dt);
    oqt_control_destroy(control);
    p = good, p.opt.split = (oqt_split)7;
    assert_refused(&p, dt);
    p = good, p.opt.n_threads = -1;
    assert_refused(&p, dt);
    p = good;
    free_problem(&p);
    oqt_tempo_destroy(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tempo");
    TCase *tc = tcase_create("paths");

    tcase_add_test(tc, a_run_is_the_sum_over_all_paths);
    tcase_add_test(tc, degenerate_couplings_are_the_sum_over_all_paths);
    tcase_add_test(tc, cut_memories_are_the_sum_over_all_paths);
    tcase_add_test(tc, two_baths_are_the_sum_over_all_paths);
    tcase_add_test(tc, commuting_baths_are_the_sum_over_all_paths);
    tcase_add_test(tc, any_matrix_is_propagated_linearly);
    tcase_add_test(tc, zero_stays_zero);
    tcase_add_test(tc, without_influence_the_system_is_alone);
    tcase_add_test(tc, classes_of_legs_are_those_of_the_degeneracy_maps);
    suite_add_tcase(suite, tc);
    tc = tcase_create("runs");
    tcase_add_test(tc, resumption_changes_no_bit);
    tcase_add_test(tc, threads_change_no_bit);
    tcase_add_test(tc, errors_follow_epsrel);
    tcase_add_test(tc, max_bond_is_kept_and_told);
    tcase_add_test(tc, a_canceled_run_stands_and_goes_on);
    tcase_add_test(tc, parameters_are_taken_as_far_as_they_go);
    suite_add_tcase(suite, tc);
    tc = tcase_create("files");
    tcase_add_test(tc, runs_go_on_from_files_bit_for_bit);
    tcase_add_test(tc, files_of_other_runs_are_refused);
    tcase_add_test(tc, damaged_files_are_refused);
    tcase_add_test(tc, every_allocation_of_files_may_fail);
    suite_add_tcase(suite, tc);
    tc = tcase_create("failures");
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, a_step_without_memory_changes_nothing);
    tcase_add_test(tc, a_failing_bath_fails_the_step);
    tcase_add_test(tc, bad_arguments_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
