/* test_chain_state.c - states of chains: what is measured, how they are given and taken, checkpoints. */
#include <fcntl.h>
#include <unistd.h>

#include "chain/chain_priv.h"
#include "chains.h"
#include "core/file.h"
#include "linalg/linalg.h"

enum { MAX_SITES = 5, MAX_D = 24 };

/* ---- models ---- */

struct model {
    size_t n, dim[MAX_SITES], d; /* d: of all sites together */
    oqt_chain *chain;
    oqt_complex initial[MAX_SITES * 9];
    oqt_pt *pt;
};

/* An ohmic bath of a two-level system: a finite tensor of ten steps. */
static oqt_pt *small_bath(double dt)
{
    oqt_complex coupling[4];

    scale_complex(coupling, 0.5, sigma_y, 4);
    return ohmic_tensor(2, coupling, dt, 10, 0.32, 4.0, 1.6, 1e-7);
}

static void add_terms(struct model *m, bool is_bond, size_t at, uint64_t *seed)
{
    size_t d = is_bond ? m->dim[at] * m->dim[at + 1] : m->dim[at];
    oqt_complex h[81], a[81];
    oqt_system *s;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    random_complex(a, d * d, seed);
    s = damped_system(d, h, 0.1, a);
    ASSERT_OK(is_bond ? oqt_chain_add_bond(m->chain, at, s, &err) : oqt_chain_add_site(m->chain, at, s, &err),
              err);
    oqt_system_destroy(s);
}

static void make_model(struct model *m, size_t n, const size_t *dim, uint64_t seed)
{
    oqt_complex *at = m->initial;
    oqt_error err = {0};

    *m = (struct model){.n = n, .d = 1};
    for (size_t i = 0; i < n; i++) {
        m->dim[i] = dim[i];
        m->d *= dim[i];
        random_state(at, dim[i], &seed);
        at += dim[i] * dim[i];
    }
    ASSERT_OK(oqt_chain_create(&m->chain, n, dim, &err), err);
    for (size_t i = 0; i < n; i++)
        add_terms(m, false, i, &seed);
    for (size_t i = 0; i + 1 < n; i++)
        add_terms(m, true, i, &seed);
    m->pt = small_bath(0.2);
}

static void free_model(struct model *m)
{
    oqt_chain_destroy(m->chain);
    oqt_pt_destroy(m->pt);
}

static oqt_tebd_options options(double tolerance, int n_threads)
{
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;

    opt.dt = 0.2;
    opt.tolerance = tolerance;
    opt.n_threads = n_threads;
    return opt;
}

/* With a bath on the first site of dimension two, or without. */
static oqt_tebd *start(const struct model *m, bool bath, const oqt_tebd_options *opt)
{
    size_t n_pt[MAX_SITES] = {0};
    const oqt_pt *pts[1] = {m->pt};
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < m->n && bath; i++)
        if (m->dim[i] == 2) {
            n_pt[i] = 1;
            break;
        }
    ASSERT_OK(oqt_tebd_create(&run, m->chain, m->initial, n_pt, pts, opt, &err), err);
    return run;
}

static oqt_tebd *stepped(const struct model *m, bool bath, double tolerance, uint64_t steps)
{
    oqt_tebd_options opt = options(tolerance, 1);
    oqt_tebd *run = start(m, bath, &opt);
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_step(run, steps, &err), err);
    return run;
}

static const struct {
    size_t n, dim[MAX_SITES];
} shapes[] = {{2, {3, 2}}, {3, {2, 3, 2}}, {4, {2, 1, 3, 2}}, {4, {2, 2, 3, 2}}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* ---- measurements ---- */

static void product(oqt_complex *out, const oqt_complex *a, const oqt_complex *b, size_t d)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double complex sum = 0.0;

            for (size_t k = 0; k < d; k++)
                sum += to_c99(a[i * d + k]) * to_c99(b[k * d + j]);
            out[i * d + j] = from_c99(sum);
        }
}

/* Operators that are not Hermitian, on sites of different dimensions, with and without a bath. */
START_TEST(expectations_and_correlators_equal_traces_with_the_whole)
{
    for (size_t c = 0; c < N_SHAPES; c++)
        for (int bath = 0; bath < 2; bath++) {
            struct model m;
            oqt_complex a[MAX_SITES * 9], b[MAX_SITES * 9], one[MAX_SITES], all[MAX_SITES * MAX_SITES];
            oqt_complex rho[MAX_D * MAX_D], x[MAX_D * MAX_D], y[MAX_D * MAX_D], xy[MAX_D * MAX_D];
            oqt_error err = {0};
            uint64_t seed = 31 + c;

            make_model(&m, shapes[c].n, shapes[c].dim, 5 + c);
            random_complex(a, MAX_SITES * 9, &seed);
            random_complex(b, MAX_SITES * 9, &seed);
            oqt_tebd *run = stepped(&m, bath, 1e-9, 3);

            whole_density(rho, run, m.n);
            ASSERT_OK(oqt_tebd_expectations(one, run, a, &err), err);
            ASSERT_OK(oqt_tebd_correlators(all, run, a, b, &err), err);
            for (size_t i = 0, at = 0; i < m.n; at += m.dim[i] * m.dim[i], i++) {
                embed(x, m.n, m.dim, i, i, a + at);
                ck_assert(cabs(to_c99(one[i]) - trace_product(x, rho, m.d)) < 1e-12);
                for (size_t j = 0, to = 0; j < m.n; to += m.dim[j] * m.dim[j], j++) {
                    embed(y, m.n, m.dim, j, j, b + to);
                    product(xy, x, y, m.d);
                    ck_assert(cabs(to_c99(all[i * m.n + j]) - trace_product(xy, rho, m.d)) < 1e-11);
                }
            }
            oqt_tebd_destroy(run);
            free_model(&m);
        }
}
END_TEST

/* Entropy and norm of the Schmidt values of rho across a bond, from the eigenvalues of M M^+. */
static double dense_entropy(double *norm, const oqt_complex *rho, size_t dl, size_t dr)
{
    size_t n = dl * dl, d = dl * dr;
    oqt_complex *mm = calloc(n * n, sizeof *mm), *v = calloc(n * n, sizeof *v);
    double *w = calloc(n, sizeof *w), total = 0.0, sum = 0.0;
    oqt_error err = {0};

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double complex z = 0.0;

            for (size_t k = 0; k < dr * dr; k++) {
                size_t p = (i / dl * dr + k / dr) * d + i % dl * dr + k % dr;
                size_t q = (j / dl * dr + k / dr) * d + j % dl * dr + k % dr;

                z += to_c99(rho[p]) * conj(to_c99(rho[q]));
            }
            mm[i * n + j] = from_c99(z);
        }
    ASSERT_OK(oqt__eigh_complex(w, v, mm, n, &err), err);
    for (size_t i = 0; i < n; i++)
        total += w[i];
    for (size_t i = 0; i < n; i++)
        sum -= w[i] > 0.0 ? w[i] / total * log(w[i] / total) : 0.0;
    *norm = sqrt(total);
    free(mm);
    free(v);
    free(w);
    return sum;
}

START_TEST(entropies_equal_those_of_the_dense_matrix)
{
    for (size_t c = 0; c < N_SHAPES; c++)
        for (int bath = 0; bath < 2; bath++) {
            struct model m;
            oqt_complex rho[MAX_D * MAX_D];
            double entropy[MAX_SITES], norm, exact_norm;
            oqt_error err = {0};

            make_model(&m, shapes[c].n, shapes[c].dim, 5 + c);
            oqt_tebd *run = stepped(&m, bath, 1e-6, 3);

            whole_density(rho, run, m.n);
            ASSERT_OK(oqt_tebd_entropies(entropy, &norm, run, &err), err);
            for (size_t b = 0, dl = m.dim[0]; b + 1 < m.n; dl *= m.dim[++b]) {
                double exact = dense_entropy(&exact_norm, rho, dl, m.d / dl);

                ck_assert_double_eq_tol(entropy[b], exact, 1e-10);
                ck_assert_double_eq_tol(norm, exact_norm, 1e-12);
                ck_assert((c == 2 && b < 2) || exact > 1e-3); /* a site of one state couples nothing */
            }
            ck_assert_double_eq_tol(oqt_tebd_trace(run), 1.0, 1e-10);
            oqt_tebd_destroy(run);
            free_model(&m);
        }
}
END_TEST

/* ---- states from arrays ---- */

struct arrays {
    oqt_chain_tensor site[MAX_SITES];
    oqt_complex *data[MAX_SITES];
    double *schmidt[MAX_SITES];
};

static void free_arrays(struct arrays *a)
{
    for (size_t i = 0; i < MAX_SITES; i++) {
        free(a->data[i]);
        free(a->schmidt[i]);
    }
}

/* Random tensors with bonds of m, legs[i] wide. */
static void random_arrays(struct arrays *a, size_t n, const size_t *legs, size_t m, uint64_t seed)
{
    *a = (struct arrays){0};
    for (size_t i = 0; i < n; i++) {
        size_t l = i > 0 ? m : 1, r = i + 1 < n ? m : 1;

        a->data[i] = malloc(l * legs[i] * r * sizeof *a->data[i]);
        random_complex(a->data[i], l * legs[i] * r, &seed);
        a->site[i] = (oqt_chain_tensor){l, r, a->data[i], 1};
        a->schmidt[i] = malloc(r * sizeof *a->schmidt[i]);
        for (size_t k = 0; k < r; k++)
            a->schmidt[i][k] = 0.5 + random_uniform(&seed);
    }
}

/* The product of all tensors: [legs of 0][legs of 1].. */
static void contract(oqt_complex *out, const struct arrays *a, size_t n, const size_t *legs, bool schmidt)
{
    enum { LARGEST = MAX_D * MAX_D * 8 };
    static oqt_complex next[LARGEST];
    size_t rows = 1;

    out[0] = (oqt_complex){1.0, 0.0};
    for (size_t i = 0; i < n; i++) {
        size_t l = a->site[i].left, r = a->site[i].right;

        for (size_t o = 0; o < rows; o++)
            for (size_t p = 0; p < legs[i]; p++)
                for (size_t k = 0; k < r; k++) {
                    double complex sum = 0.0;

                    for (size_t j = 0; j < l; j++)
                        sum += to_c99(out[o * l + j]) * to_c99(a->site[i].data[(j * legs[i] + p) * r + k]);
                    if (schmidt && i + 1 < n)
                        sum *= a->schmidt[i][k];
                    next[(o * legs[i] + p) * r + k] = from_c99(sum);
                }
        rows *= legs[i];
        memcpy(out, next, rows * r * sizeof *out);
    }
}

/* The form of the engine: right-canonical, Schmidt values, traces. */
static void check_canonical(const oqt_tebd *run)
{
    const oqt__mps *mps = oqt__tebd_look(run).mps;

    for (size_t i = 1; i < mps->n; i++) {
        const oqt__chain_site *s = mps->site + i;

        for (size_t a = 0; a < s->l; a++)
            for (size_t b = 0; b < s->l; b++) {
                double sum = 0.0;

                for (size_t p = 0; p < s->p; p++)
                    for (size_t r = 0; r < s->r; r++)
                        sum +=
                            s->x[(p * s->a * s->l + a) * s->r + r] * s->x[(p * s->a * s->l + b) * s->r + r];
                ck_assert_double_eq_tol(sum, a == b, 1e-12);
            }
    }
}

/* Elements of psi x psi^* with Schmidt numbers, and without, as density matrix. */
START_TEST(pure_states_become_their_density_matrix)
{
    for (size_t c = 0; c < N_SHAPES; c++)
        for (int schmidt = 0; schmidt < 2; schmidt++) {
            struct model m;
            struct arrays a;
            static oqt_complex psi[MAX_D * 8];
            oqt_complex rho[MAX_D * MAX_D], exact[MAX_D * MAX_D];
            oqt_tebd_options opt = options(1e-9, 1);
            oqt_tebd *run = NULL;
            size_t bonds[MAX_SITES];
            double scale = 0.0, norm;
            oqt_error err = {0};

            make_model(&m, shapes[c].n, shapes[c].dim, 5 + c);
            random_arrays(&a, m.n, m.dim, 2, 71 + c);
            contract(psi, &a, m.n, m.dim, schmidt);
            for (size_t i = 0; i < m.d; i++)
                for (size_t j = 0; j < m.d; j++) {
                    exact[i * m.d + j] = from_c99(to_c99(psi[i]) * conj(to_c99(psi[j])));
                    scale = fmax(scale, cabs(to_c99(exact[i * m.d + j])));
                }
            oqt_chain_state state = {1, a.site, schmidt ? (const double *const *)a.schmidt : NULL};

            ASSERT_OK(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), err);
            whole_density(rho, run, m.n);
            ck_assert_double_lt(max_diff_complex(rho, exact, m.d * m.d), 1e-12 * scale);
            oqt_tebd_bonds(bonds, run);
            for (size_t i = 0; i + 1 < m.n; i++)
                ck_assert_uint_le(bonds[i], 4);
            check_canonical(run);
            ASSERT_OK(oqt_tebd_entropies(NULL, &norm, run, &err), err);
            ck_assert_double_eq_tol(norm, oqt_tebd_trace(run), 1e-12 * norm); /* tr rho^2 = (tr rho)^2 */
            oqt_tebd_destroy(run);
            free_arrays(&a);
            free_model(&m);
        }
}
END_TEST

/* w [left][p][right] <- g^-1 w h with diagonal complex g, h: another gauge. */
static void change_gauge(struct arrays *a, size_t n, const size_t *legs, uint64_t *seed)
{
    double complex *g = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t l = a->site[i].left, r = a->site[i].right;
        double complex *h = malloc(r * sizeof *h);

        for (size_t k = 0; k < r; k++)
            h[k] = i + 1 < n ? (0.5 + random_uniform(seed)) * cexp(6.0 * random_uniform(seed) * I) : 1.0;
        for (size_t e = 0; e < l * legs[i] * r; e++)
            a->data[i][e] = from_c99(to_c99(a->data[i][e]) * h[e % r] / (g ? g[e / (r * legs[i])] : 1.0));
        free(g);
        g = h;
    }
    free(g);
}

/* A state that a run has reached, taken out, put into another gauge and back in: the same matrix with the
 * same bonds; and both runs go on alike. */
START_TEST(states_travel_in_any_gauge)
{
    for (size_t c = 0; c < N_SHAPES; c++) {
        struct model m;
        struct arrays a = {0};
        oqt_complex before[MAX_D * MAX_D], after[MAX_D * MAX_D];
        size_t bonds[MAX_SITES], again[MAX_SITES], legs[MAX_SITES];
        oqt_tebd_options opt = options(1e-13, 1);
        oqt_tebd *run, *other = NULL;
        oqt_error err = {0};
        uint64_t seed = 4;

        make_model(&m, shapes[c].n, shapes[c].dim, 5 + c);
        run = stepped(&m, false, 1e-13, 2);
        whole_density(before, run, m.n);
        oqt_tebd_bonds(bonds, run);
        for (size_t i = 0; i < m.n; i++) {
            size_t l = i > 0 ? bonds[i - 1] : 1, r = i + 1 < m.n ? bonds[i] : 1;

            legs[i] = m.dim[i] * m.dim[i];
            a.data[i] = malloc(l * legs[i] * r * sizeof *a.data[i]);
            ASSERT_OK(oqt_tebd_tensor(a.data[i], run, i, 0, &err), err);
            a.site[i] = (oqt_chain_tensor){l, r, a.data[i], 1};
        }
        oqt_chain_state state = {0, a.site, NULL};

        for (int turned = 0; turned < 2; turned++) {
            if (turned)
                change_gauge(&a, m.n, legs, &seed);
            ASSERT_OK(oqt_tebd_create_from(&other, m.chain, &state, NULL, NULL, &opt, &err), err);
            whole_density(after, other, m.n);
            ck_assert_double_lt(max_diff_complex(before, after, m.d * m.d), 1e-12);
            oqt_tebd_bonds(again, other);
            ck_assert_mem_eq(bonds, again, (m.n - 1) * sizeof *bonds);
            check_canonical(other);
            if (turned) {
                ASSERT_OK(oqt_tebd_step(other, 2, &err), err);
                ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
                whole_density(before, run, m.n);
                whole_density(after, other, m.n);
                ck_assert_double_lt(max_diff_complex(before, after, m.d * m.d), 1e-11);
            }
            oqt_tebd_destroy(other);
            other = NULL;
        }
        oqt_tebd_destroy(run);
        free_arrays(&a);
        free_model(&m);
    }
}
END_TEST

/* A bath on the first site begins with a state of many bonds just as with a product. */
START_TEST(baths_act_on_given_states)
{
    static const size_t dim[3] = {2, 2, 3};
    struct model m;
    struct arrays a = {0};
    oqt_complex before[MAX_D * MAX_D], after[MAX_D * MAX_D], wide[2][17];
    oqt_tebd_options opt = options(1e-10, 1);
    size_t n_pt[3] = {1, 0, 0};
    const oqt_pt *pts[1];
    oqt_tebd *run, *other = NULL;
    oqt_error err = {0};

    make_model(&m, 3, dim, 9);
    pts[0] = m.pt;
    /* the product state with a bond of two, half of it on each: rho_0 (1, 1) .. (1/2, 1/2) */
    for (size_t k = 0; k < 4; k++)
        wide[0][2 * k] = wide[0][2 * k + 1] = m.initial[k];
    for (size_t k = 0; k < 8; k++)
        wide[1][k] = from_c99(0.5 * to_c99(m.initial[4 + k % 4]));
    a.site[0] = (oqt_chain_tensor){1, 2, wide[0], 1};
    a.site[1] = (oqt_chain_tensor){2, 1, wide[1], 1};
    a.site[2] = (oqt_chain_tensor){1, 1, m.initial + 8, 1};
    oqt_chain_state state = {0, a.site, NULL};

    run = start(&m, true, &opt);
    ASSERT_OK(oqt_tebd_create_from(&other, m.chain, &state, n_pt, pts, &opt, &err), err);
    ASSERT_OK(oqt_tebd_step(run, 4, &err), err);
    ASSERT_OK(oqt_tebd_step(other, 4, &err), err);
    whole_density(before, run, 3);
    whole_density(after, other, 3);
    ck_assert_double_lt(max_diff_complex(before, after, m.d * m.d), 1e-9);
    oqt_tebd_destroy(run);
    oqt_tebd_destroy(other);
    free_model(&m);
}
END_TEST

START_TEST(bad_states_are_refused)
{
    static const size_t dim[2] = {2, 2}, legs[2] = {4, 4};
    struct model m;
    struct arrays a;
    double zero[3] = {1.0, 0.0, 1.0};
    const double *numbers[1] = {zero};
    oqt_tebd_options opt = options(1e-9, 1);
    oqt_tebd *run = NULL;
    oqt_complex place[64];
    oqt_error err = {0};

    make_model(&m, 2, dim, 9);
    random_arrays(&a, 2, legs, 3, 5);
    oqt_chain_state state = {0, a.site, NULL};

    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert(strstr(err.text, "Hermitian"));
    a.site[1].left = 2;
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    a.site[1].left = 3;
    a.data[1][3].im = INFINITY;
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    memset(a.data[1], 0, 12 * sizeof *a.data[1]);
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_ECONV);
    state.pure = 1;
    state.schmidt = numbers;
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert(strstr(err.text, "positive"));
    a.site[0].data = NULL;
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_create_from(&run, m.chain, NULL, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert_ptr_null(run);
    run = start(&m, false, &opt);
    ck_assert_int_eq(oqt_tebd_tensor(place, run, 2, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_expectations(place, run, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlators(NULL, run, place, place, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_entropies(NULL, NULL, run, &err), OQT_EINVAL);
    memset(place, 0, sizeof place);
    place[5].re = NAN;
    ck_assert_int_eq(oqt_tebd_expectations(place + 10, run, place, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlators(place + 10, run, place, place, &err), OQT_EINVAL);
    oqt_tebd_destroy(run);
    free_arrays(&a);
    free_model(&m);
}
END_TEST

/* ---- checkpoints ---- */

/* Four sites, a finite tensor on one, that and a uniform one on another. */
struct baths {
    struct model m;
    oqt_pt *uniform;
    const oqt_pt *pts[3];
    size_t n_pt[4];
    oqt_control *control;
    const oqt_control *controls[4];
};

static int wave(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = cos(2.0 * t);
    return 0;
}

static void make_baths(struct baths *b)
{
    static const size_t dim[4] = {2, 3, 2, 2};
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex pulse[16];
    oqt_bath *bath = NULL;
    oqt_system *s = NULL;
    oqt_error err = {0};

    make_model(&b->m, 4, dim, 3);
    opt.tolerance = 1e-4;
    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.1, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, 1.0, &err), err);
    ASSERT_OK(oqt_pt_create(&b->uniform, bath, 2, sigma_z, 0.2, &opt, &err), err);
    oqt_bath_destroy(bath);
    ASSERT_OK(oqt_system_create(&s, 2, sigma_z, &err), err);
    ASSERT_OK(oqt_system_add_drive(s, wave, NULL, sigma_x, &err), err);
    ASSERT_OK(oqt_chain_add_site(b->m.chain, 3, s, &err), err);
    oqt_system_destroy(s);
    b->control = NULL;
    memset(b->controls, 0, sizeof b->controls);
    oqt_super_left_right(pulse, 2, sigma_x, sigma_x);
    ASSERT_OK(oqt_control_create(&b->control, 2, &err), err);
    ASSERT_OK(oqt_control_add(b->control, 4, OQT_PRE, pulse, &err),
              err); /* a file is written between these */
    ASSERT_OK(oqt_control_add(b->control, 4, OQT_POST, pulse, &err), err);
    ASSERT_OK(oqt_control_add(b->control, 0, OQT_PRE, pulse, &err), err);
    b->controls[2] = b->control;
    b->pts[0] = b->m.pt;
    b->pts[1] = b->uniform;
    b->pts[2] = b->m.pt;
    b->n_pt[0] = 1;
    b->n_pt[1] = b->n_pt[3] = 0;
    b->n_pt[2] = 2;
}

static void free_baths(struct baths *b)
{
    oqt_control_destroy(b->control);
    oqt_pt_destroy(b->uniform);
    free_model(&b->m);
}

static oqt_tebd *run_of(const struct baths *b, const oqt_tebd_options *given)
{
    oqt_tebd_options opt = *given;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    opt.site_controls = b->controls;
    ASSERT_OK(oqt_tebd_create(&run, b->m.chain, b->m.initial, b->n_pt, b->pts, &opt, &err), err);
    return run;
}

/* Everything that a state is, to the bit. */
static bool same_state(const oqt_tebd *a, const oqt_tebd *b)
{
    const oqt__mps *x = oqt__tebd_look(a).mps, *y = oqt__tebd_look(b).mps;
    bool same = true;

    for (size_t i = 0; i < x->n && same; i++) {
        const oqt__chain_site *s = x->site + i, *t = y->site + i;

        same = s->a == t->a && s->l == t->l && s->r == t->r &&
               memcmp(s->x, t->x, s->p * s->a * s->l * s->r * sizeof *s->x) == 0;
        if (same && i + 1 < x->n)
            same = memcmp(x->bond[i].s, y->bond[i].s, s->r * sizeof *s->x) == 0 &&
                   memcmp(x->bond[i].l, y->bond[i].l, s->r * sizeof *s->x) == 0 &&
                   memcmp(x->bond[i].r, y->bond[i].r, s->r * sizeof *s->x) == 0;
    }
    return same;
}

START_TEST(runs_go_on_from_files_bit_for_bit)
{
    static const uint64_t stops[] = {0, 1, 4, 10};
    struct place place = new_place();
    struct baths b;
    oqt_tebd_options opt = options(1e-4, 1);
    oqt_tebd_stats before, after;
    oqt_tebd *whole_run;
    oqt_error err = {0};

    make_baths(&b);
    opt.max_bond = 12;
    whole_run = run_of(&b, &opt);
    ASSERT_OK(oqt_tebd_step(whole_run, 10, &err), err);
    oqt_tebd_get_stats(&before, whole_run);
    ck_assert_int_eq(before.bond_limit_hit, 1);
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) {
        oqt_tebd_options other = opt;
        oqt_tebd *first = run_of(&b, &opt), *second;

        ASSERT_OK(oqt_tebd_step(first, stops[k], &err), err);
        ASSERT_OK(oqt_tebd_save(first, place.path, &err), err);
        other.n_threads = (int)k % 3 + 1;
        second = run_of(&b, &other);
        if (k == 2) /* where it stood does not matter */
            ASSERT_OK(oqt_tebd_step(second, 7, &err), err);
        ASSERT_OK(oqt_tebd_restore(second, place.path, &err), err);
        ck_assert(same_state(first, second));
        ASSERT_OK(oqt_tebd_step(second, 10 - stops[k], &err), err);
        ck_assert(same_state(second, whole_run));
        oqt_tebd_get_stats(&after, second);
        ck_assert_uint_eq(after.n_steps, 10);
        ck_assert_uint_eq(after.bond_dimension, before.bond_dimension);
        ck_assert_int_eq(after.bond_limit_hit, 1);
        ck_assert_double_eq_tol(after.discarded_weight, before.discarded_weight,
                                1e-13 * before.discarded_weight);
        ck_assert(after.trace_drift == before.trace_drift);
        ck_assert_int_eq(oqt_tebd_step(second, 1, &err), OQT_EINVAL); /* tensors of ten steps */
        oqt_tebd_destroy(first);
        oqt_tebd_destroy(second);
    }
    oqt_tebd_destroy(whole_run);
    free_baths(&b);
    remove_place(&place);
}
END_TEST

/* What must be refused, and what the text has to name. */
static void refuse(const struct baths *b, const oqt_tebd_options *opt, const char *path, const char *word)
{
    oqt_tebd *run = run_of(b, opt);
    oqt_tebd *untouched = run_of(b, opt);
    oqt_error err = {0};

    ck_assert_int_eq(oqt_tebd_restore(run, path, &err), OQT_EINVAL);
    ck_assert_msg(strstr(err.text, word) != NULL, "%s: %s", word, err.text);
    ck_assert(same_state(run, untouched));
    oqt_tebd_destroy(run);
    oqt_tebd_destroy(untouched);
}

START_TEST(files_of_another_model_are_refused)
{
    static const size_t dim[4] = {2, 2, 2, 2}, short_dim[3] = {2, 3, 2};
    struct place place = new_place();
    struct baths b, c;
    oqt_tebd_options opt = options(1e-4, 1), changed;
    oqt_tebd *run;
    oqt_error err = {0};
    uint64_t seed = 1;

    make_baths(&b);
    run = run_of(&b, &opt);
    ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
    ASSERT_OK(oqt_tebd_save(run, place.path, &err), err);
    changed = opt;
    changed.tolerance = 1e-5;
    refuse(&b, &changed, place.path, "tolerance");
    changed = opt;
    changed.max_bond = 100;
    refuse(&b, &changed, place.path, "largest bond");
    changed = opt;
    changed.order = 4;
    refuse(&b, &changed, place.path, "order");
    changed = opt;
    changed.start_time = 1.0;
    refuse(&b, &changed, place.path, "from");
    c = b;
    c.pts[0] = b.uniform;
    c.pts[1] = b.m.pt;
    refuse(&c, &opt, place.path, "process tensors of site 0"); /* another bond */
    c = b;
    c.pts[1] = b.m.pt;
    c.pts[2] = b.uniform;
    refuse(&c, &opt, place.path, "other process tensors on site 2"); /* another order of them */
    c = b;
    c.n_pt[2] = 0;
    refuse(&c, &opt, place.path, "other sites with process tensors");
    c = b;
    add_terms(&c.m, false, 1, &seed);
    refuse(&c, &opt, place.path, "terms of bond 0");
    c = b;
    c.m.chain = NULL;
    ASSERT_OK(oqt_chain_create(&c.m.chain, 4, dim, &err), err);
    memcpy(c.m.initial + 4, c.m.initial, 4 * sizeof *c.m.initial);
    memcpy(c.m.initial + 8, c.m.initial, 8 * sizeof *c.m.initial);
    refuse(&c, &opt, place.path, "site 1 has dimension 3");
    oqt_chain_destroy(c.m.chain);
    c = b;
    ASSERT_OK(oqt_chain_create(&c.m.chain, 3, short_dim, &err), err);
    refuse(&c, &opt, place.path, "4 sites");
    oqt_chain_destroy(c.m.chain);
    oqt_tebd_destroy(run);
    free_baths(&b);
    remove_place(&place);
}
END_TEST

/* Write bytes at .. at + n of data to their place in a file. */
static void poke(int fd, const unsigned char *data, size_t at, size_t n)
{
    ck_assert_int_eq(pwrite(fd, data + at, n, (off_t)at), (ssize_t)n);
}

/* The hash of a file that was altered is made right again. */
static void seal(unsigned char *data, size_t length)
{
    oqt__hash hash;
    uint64_t sum;

    oqt__hash_init(&hash);
    oqt__hash_add(&hash, data, length - 32);
    sum = oqt__hash_value(&hash);
    memcpy(data + length - 32, &sum, sizeof sum);
}

/* Cut off at every eighth byte, bits turned at random, and any word set to what is worst with the hash set
 * right. */
START_TEST(damaged_files_are_refused)
{
    enum { FLIPS = 2000 };
    static const size_t dim[2] = {2, 2};
    struct place place = new_place();
    struct model m;
    oqt_tebd_options opt = options(1e-3, 1);
    oqt_tebd *run, *other;
    oqt__map map = {NULL, 0};
    unsigned char *data;
    size_t length;
    int fd;
    oqt_error err = {0};
    uint64_t seed = 7, worst[4] = {0, UINT64_MAX, (uint64_t)1 << 62, 0x7ff0000000000000u};

    make_model(&m, 2, dim, 3);
    run = start(&m, true, &opt);
    other = start(&m, true, &opt);
    ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
    ASSERT_OK(oqt_tebd_save(run, place.path, &err), err);
    ASSERT_OK(oqt__map_file(&map, place.path, &err), err);
    length = map.length;
    data = calloc(length + 64, 1);
    memcpy(data, map.data, length);
    oqt__unmap_file(&map);
    fd = open(place.path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    poke(fd, data, length, 64); /* zeros at the end */
    ck_assert_int_eq(oqt_tebd_restore(other, place.path, &err), OQT_EFORMAT);
    for (size_t cut = length; cut > 0; cut -= 8) {
        ck_assert_int_eq(ftruncate(fd, (off_t)cut - 8), 0);
        ck_assert_int_eq(oqt_tebd_restore(other, place.path, &err), OQT_EFORMAT);
    }
    poke(fd, data, 0, length);
    for (int k = 0; k < FLIPS; k++) {
        size_t bit = (size_t)(random_uniform(&seed) * 8.0 * (double)length);

        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        poke(fd, data, bit / 8, 1);
        ck_assert_int_eq(oqt_tebd_restore(other, place.path, &err), OQT_EFORMAT);
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        poke(fd, data, bit / 8, 1);
    }
    for (size_t at = 0; at < length - 32; at += 8) {
        for (int k = 0; k < 4; k++) {
            uint64_t kept;
            oqt_status st;

            memcpy(&kept, data + at, sizeof kept);
            memcpy(data + at, worst + k, sizeof kept);
            seal(data, length);
            poke(fd, data, at, 8);
            poke(fd, data, length - 32, 8);
            st = oqt_tebd_restore(other, place.path, &err);
            if (k == 3) /* infinite, where it is a number */
                ck_assert_msg(st == OQT_EFORMAT || st == OQT_EINVAL, "word %zu", at / 8);
            else
                ck_assert(st == OQT_OK || st == OQT_EFORMAT || st == OQT_EINVAL);
            if (k == 0 && st == OQT_OK) /* whatever comes of it */
                (void)oqt_tebd_step(other, 1, NULL);
            memcpy(data + at, &kept, sizeof kept);
        }
        poke(fd, data, at, 8);
    }
    seal(data, length);
    poke(fd, data, length - 32, 8);
    close(fd);
    ASSERT_OK(oqt_tebd_restore(other, place.path, &err), err);
    ck_assert(same_state(run, other));
    ck_assert_int_eq(oqt_tebd_restore(other, "/nowhere/at/all", &err), OQT_EIO);
    ck_assert_int_eq(oqt_tebd_save(other, "/nowhere/at/all", &err), OQT_EIO);
    ck_assert_int_eq(oqt_tebd_save(NULL, place.path, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_restore(other, NULL, &err), OQT_EINVAL);
    free(data);
    oqt_tebd_destroy(run);
    oqt_tebd_destroy(other);
    free_model(&m);
    remove_place(&place);
}
END_TEST

static oqt_status save_and_restore(void *ctx)
{
    const struct model *m = ((void **)ctx)[0];
    const char *path = ((void **)ctx)[1];
    oqt_tebd_options opt = options(1e-6, 1);
    oqt_tebd *run = NULL;
    oqt_status st = oqt_tebd_create(&run, m->chain, m->initial, NULL, NULL, &opt, NULL);

    if (st == OQT_OK && (st = oqt_tebd_save(run, path, NULL)) == OQT_OK)
        st = oqt_tebd_restore(run, path, NULL);
    oqt_tebd_destroy(run);
    return st;
}

static oqt_status measure_everything(void *ctx)
{
    const oqt_chain_state *state = ((void **)ctx)[0];
    const struct model *m = ((void **)ctx)[1];
    const size_t n_pt[2] = {1, 0};
    const oqt_pt *pts[1] = {m->pt};
    oqt_tebd_options opt = options(1e-6, 1);
    oqt_complex out[4];
    double entropy[1];
    oqt_tebd *run = NULL;
    oqt_status st;

    if ((st = oqt_tebd_create_from(&run, m->chain, state, n_pt, pts, &opt, NULL)) == OQT_OK &&
        (st = oqt_tebd_expectations(out, run, m->initial, NULL)) == OQT_OK &&
        (st = oqt_tebd_correlators(out, run, m->initial, m->initial, NULL)) == OQT_OK)
        st = oqt_tebd_entropies(entropy, NULL, run, NULL);
    oqt_tebd_destroy(run);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    static const size_t dim[2] = {2, 2};
    struct model m;
    struct arrays a;

    make_model(&m, 2, dim, 9);
    random_arrays(&a, 2, dim, 2, 5);
    oqt_chain_state pure = {1, a.site, NULL};
    oqt_chain_tensor product[2] = {{1, 1, m.initial, 0}, {1, 1, m.initial + 4, 0}};
    oqt_chain_state density = {0, product, NULL};

    ck_assert_uint_ge(check_every_allocation(measure_everything, (void *[]){&pure, &m}), 40);
    ck_assert_uint_ge(check_every_allocation(measure_everything, (void *[]){&density, &m}), 40);
    struct place place = new_place();

    ck_assert_uint_ge(check_every_allocation(save_and_restore, (void *[]){&m, place.path}), 20);
    remove_place(&place);
    free_arrays(&a);
    free_model(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_state");
    TCase *tc = tcase_create("chain_state");

    tcase_add_test(tc, expectations_and_correlators_equal_traces_with_the_whole);
    tcase_add_test(tc, entropies_equal_those_of_the_dense_matrix);
    tcase_add_test(tc, pure_states_become_their_density_matrix);
    tcase_add_test(tc, states_travel_in_any_gauge);
    tcase_add_test(tc, baths_act_on_given_states);
    tcase_add_test(tc, bad_states_are_refused);
    tcase_add_test(tc, runs_go_on_from_files_bit_for_bit);
    tcase_add_test(tc, files_of_another_model_are_refused);
    tcase_add_test(tc, damaged_files_are_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
