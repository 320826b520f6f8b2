/* test_chain_state.c - states of chains: what is measured, how they are given and taken, checkpoints. */
#include "chain/chain_priv.h"
#include "linalg/linalg.h"
#include "support.h"

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
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex coupling[4];
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    scale_complex(coupling, 0.5, sigma_y, 4);
    opt.method = OQT_PT_TEMPO;
    opt.n_steps = 10;
    opt.tolerance = 1e-7;
    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.32, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, 1.6, &err), err);
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, coupling, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

static void add_terms(struct model *m, bool is_bond, size_t at, uint64_t *seed)
{
    size_t d = is_bond ? m->dim[at] * m->dim[at + 1] : m->dim[at];
    oqt_complex h[81], a[81];
    oqt_system *s = NULL;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    random_complex(a, d * d, seed);
    ASSERT_OK(oqt_system_create(&s, d, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(s, 0.1, a, &err), err);
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

static void whole(oqt_complex *rho, const oqt_tebd *run, size_t n)
{
    size_t sites[MAX_SITES] = {0, 1, 2, 3, 4};
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_density(rho, run, n, sites, &err), err);
}

static const struct {
    size_t n, dim[MAX_SITES];
} shapes[] = {{2, {3, 2}}, {3, {2, 3, 2}}, {4, {2, 1, 3, 2}}, {4, {2, 2, 3, 2}}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* ---- measurements ---- */

/* out = 1 (x) .. (x) a (x) .. (x) 1 */
static void embed(oqt_complex *out, const struct model *m, size_t site, const oqt_complex *a)
{
    size_t after = 1, own = m->dim[site];

    for (size_t i = site + 1; i < m->n; i++)
        after *= m->dim[i];
    for (size_t i = 0; i < m->d; i++)
        for (size_t j = 0; j < m->d; j++) {
            bool same = i % after == j % after && i / (after * own) == j / (after * own);

            out[i * m->d + j] = same ? a[i / after % own * own + j / after % own] : (oqt_complex){0, 0};
        }
}

static double complex trace_of_product(const oqt_complex *a, const oqt_complex *b, size_t d)
{
    double complex sum = 0.0;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            sum += to_c99(a[i * d + j]) * to_c99(b[j * d + i]);
    return sum;
}

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

            whole(rho, run, m.n);
            ASSERT_OK(oqt_tebd_expectations(one, run, a, &err), err);
            ASSERT_OK(oqt_tebd_correlators(all, run, a, b, &err), err);
            for (size_t i = 0, at = 0; i < m.n; at += m.dim[i] * m.dim[i], i++) {
                embed(x, &m, i, a + at);
                ck_assert(cabs(to_c99(one[i]) - trace_of_product(x, rho, m.d)) < 1e-12);
                for (size_t j = 0, to = 0; j < m.n; to += m.dim[j] * m.dim[j], j++) {
                    embed(y, &m, j, b + to);
                    product(xy, x, y, m.d);
                    ck_assert(cabs(to_c99(all[i * m.n + j]) - trace_of_product(xy, rho, m.d)) < 1e-11);
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

            whole(rho, run, m.n);
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

int main(void)
{
    Suite *suite = suite_create("chain_state");
    TCase *tc = tcase_create("chain_state");

    tcase_add_test(tc, expectations_and_correlators_equal_traces_with_the_whole);
    tcase_add_test(tc, entropies_equal_those_of_the_dense_matrix);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
