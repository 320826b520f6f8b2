/* test_chain_physics.c - chains against free fermions, the joint Liouvillian, the joint open system, thermal
 * states and currents; what a run holds in memory. */
#include "chains.h"
#include "physics.h"

#include <stdatomic.h>

/* ---- models of spins 1/2 as lists of terms, of which chains and oracles are made ---- */

enum { MAX_SITES = 41, MAX_TERMS = 3 * MAX_SITES, MAX_JOINT = 64 };

/* On one or two neighbors; with a rate a Lindblad operator, else a part of the Hamiltonian. */
struct term {
    size_t first, n;
    double rate;
    oqt_complex op[16];
};

struct model {
    size_t n_sites, n_terms;
    struct term term[MAX_TERMS];
};

static void add_site(struct model *m, size_t site, double rate, double c, const oqt_complex *op)
{
    struct term *t = m->term + m->n_terms++;

    ck_assert_uint_le(m->n_terms, MAX_TERMS);
    *t = (struct term){.first = site, .n = 1, .rate = rate};
    scale_complex(t->op, c, op, 4);
}

/* sum_k c_k a_k (x) b_k */
static void add_bond(struct model *m, size_t bond, double rate, size_t n, const double *c,
                     const oqt_complex *const *a, const oqt_complex *const *b)
{
    struct term *t = m->term + m->n_terms++;

    ck_assert_uint_le(m->n_terms, MAX_TERMS);
    *t = (struct term){.first = bond, .n = 2, .rate = rate};
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < 16; i++) {
            oqt_complex one[16];

            oqt_op_tensor(one, 2, a[k], 2, b[k]);
            t->op[i].re += c[k] * one[i].re;
            t->op[i].im += c[k] * one[i].im;
        }
}

/* jx S_x S_x + jy S_y S_y + jz S_z S_z */
static void add_exchange(struct model *m, size_t bond, double jx, double jy, double jz)
{
    const oqt_complex *const sigma[3] = {sigma_x, sigma_y, sigma_z};
    const double c[3] = {0.25 * jx, 0.25 * jy, 0.25 * jz};

    add_bond(m, bond, 0.0, 3, c, sigma, sigma);
}

static void add_to_system(oqt_system **s, size_t d, double rate, const oqt_complex *op)
{
    static const oqt_complex zero[MAX_JOINT * MAX_JOINT];
    oqt_error err = {0};

    if (rate == 0.0) {
        ASSERT_OK(oqt_system_create(s, d, op, &err), err);
        return;
    }
    ASSERT_OK(oqt_system_create(s, d, zero, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(*s, rate, op, &err), err);
}

static oqt_chain *chain_of(const struct model *m)
{
    size_t dim[MAX_SITES];
    oqt_chain *chain = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < m->n_sites; i++)
        dim[i] = 2;
    ASSERT_OK(oqt_chain_create(&chain, m->n_sites, dim, &err), err);
    for (size_t k = 0; k < m->n_terms; k++) {
        const struct term *t = m->term + k;
        oqt_system *s = NULL;

        add_to_system(&s, t->n == 1 ? 2 : 4, t->rate, t->op);
        if (t->n == 1)
            ASSERT_OK(oqt_chain_add_site(chain, t->first, s, &err), err);
        else
            ASSERT_OK(oqt_chain_add_bond(chain, t->first, s, &err), err);
        oqt_system_destroy(s);
    }
    return chain;
}

/* 1 (x) op (x) 1 of n_sites, added to out. */
static void add_embedded(oqt_complex *out, size_t n_sites, size_t first, size_t n, const oqt_complex *op)
{
    size_t d = (size_t)1 << n, low = (size_t)1 << (n_sites - first - n), big = (size_t)1 << n_sites;

    for (size_t row = 0; row < big; row++)
        for (size_t j = 0; j < d; j++) {
            size_t i = row / low % d, col = row + j * low - i * low;

            out[row * big + col].re += op[i * d + j].re;
            out[row * big + col].im += op[i * d + j].im;
        }
}

/* The Hamiltonian of all sites. */
static void joint_hamiltonian(oqt_complex *h, const struct model *m)
{
    memset(h, 0, sizeof *h << 2 * m->n_sites);
    for (size_t k = 0; k < m->n_terms; k++)
        if (m->term[k].rate == 0.0)
            add_embedded(h, m->n_sites, m->term[k].first, m->term[k].n, m->term[k].op);
}

/* Matrix of some sites of the joint density matrix. */
static void reduce(oqt_complex *out, const oqt_complex *rho, size_t n_sites, size_t n, const size_t *sites)
{
    size_t big = (size_t)1 << n_sites, d = (size_t)1 << n, mask = 0;

    memset(out, 0, d * d * sizeof *out);
    for (size_t k = 0; k < n; k++)
        mask |= (size_t)1 << (n_sites - 1 - sites[k]);
    for (size_t row = 0; row < big; row++)
        for (size_t col = 0; col < big; col++) {
            size_t i = 0, j = 0;

            if ((row ^ col) & ~mask)
                continue;
            for (size_t k = 0; k < n; k++) {
                i = 2 * i + (row >> (n_sites - 1 - sites[k]) & 1);
                j = 2 * j + (col >> (n_sites - 1 - sites[k]) & 1);
            }
            out[i * d + j].re += rho[row * big + col].re;
            out[i * d + j].im += rho[row * big + col].im;
        }
}

static const oqt_complex up[4] = {{1.0, 0.0}};
static const oqt_complex down[4] = {{0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {1.0, 0.0}};
static const oqt_complex half_x[4] = {{0.0, 0.0}, {0.5, 0.0}, {0.5, 0.0}, {0.0, 0.0}};
static const oqt_complex half_z[4] = {{0.5, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {-0.5, 0.0}};

/* ---- free fermions ----
 *
 * sum J_i (S_x S_x + S_y S_y) + sum h_i S_z is, by Jordan and Wigner, sum J_i/2 (c_i^+ c_i+1 + h.c.) + sum
 * h_i (n_i - 1/2). With C_ij = <c_i^+ c_j> = sum_k conj(U_ik) U_jk n_k(0), U = exp(-i h t), <S_z,i> = C_ii -
 * 1/2, and <S_z,i S_z,j> = <S_z,i> <S_z,j> - |C_ij|^2 by Wick's theorem. */

enum { N_FREE = 41 };

static double hopping(size_t i)
{
    return 0.5 * (1.0 + 0.3 * cos(1.7 * (double)i));
}

static double field(size_t i)
{
    return 0.4 * sin(2.3 * (double)i);
}

static void xx_model(struct model *m)
{
    memset(m, 0, sizeof *m);
    m->n_sites = N_FREE;
    for (size_t i = 0; i < N_FREE; i++)
        add_site(m, i, 0.0, field(i), half_z);
    for (size_t i = 0; i + 1 < N_FREE; i++)
        add_exchange(m, i, 2.0 * hopping(i), 2.0 * hopping(i), 0.0);
}

/* Column k of exp(-i h t) by its Taylor series in short steps. */
static void propagate_orbital(double complex *u, size_t k, double t)
{
    enum { PARTS = 32, TERMS = 24 };
    double complex term[N_FREE], next[N_FREE];

    for (size_t i = 0; i < N_FREE; i++)
        u[i] = i == k;
    for (int part = 0; part < PARTS; part++) {
        memcpy(term, u, sizeof term);
        for (int order = 1; order <= TERMS; order++) {
            for (size_t i = 0; i < N_FREE; i++) {
                next[i] = field(i) * term[i];
                if (i > 0)
                    next[i] += hopping(i - 1) * term[i - 1];
                if (i + 1 < N_FREE)
                    next[i] += hopping(i) * term[i + 1];
            }
            for (size_t i = 0; i < N_FREE; i++) {
                term[i] = -(double complex)I * t / PARTS / order * next[i];
                u[i] += term[i];
            }
        }
    }
}

/* C from an initial state with particles where `full` says so. */
static void free_fermions(double complex *c, const bool *full, double t)
{
    double complex u[N_FREE];

    for (size_t i = 0; i < N_FREE * N_FREE; i++)
        c[i] = 0.0;
    for (size_t k = 0; k < N_FREE; k++) {
        if (!full[k])
            continue;
        propagate_orbital(u, k, t);
        for (size_t i = 0; i < N_FREE; i++)
            for (size_t j = 0; j < N_FREE; j++)
                c[i * N_FREE + j] += conj(u[i]) * u[j];
    }
}

/* Errors of <S_z> of all sites, and of <S_z S_z> of all pairs. */
static void free_errors(double error[2], const bool *full, double dt, double t, int order, double tolerance)
{
    static double complex c[N_FREE * N_FREE];
    static oqt_complex zz[N_FREE * N_FREE], z[N_FREE], op[4 * N_FREE], initial[4 * N_FREE];
    static struct model m;
    oqt_chain *chain;
    oqt_tebd *run;
    oqt_tebd_stats stats;
    oqt_error err = {0};

    xx_model(&m);
    chain = chain_of(&m);
    for (size_t i = 0; i < N_FREE; i++) {
        memcpy(initial + 4 * i, full[i] ? up : down, sizeof up);
        memcpy(op + 4 * i, half_z, sizeof half_z);
    }
    run = product_run(chain, initial, NULL, NULL, dt, order, tolerance, 1);
    ASSERT_OK(oqt_tebd_step(run, (uint64_t)lround(t / dt), &err), err);
    ASSERT_OK(oqt_tebd_expectations(z, run, op, &err), err);
    ASSERT_OK(oqt_tebd_correlators(zz, run, op, op, &err), err);
    oqt_tebd_get_stats(&stats, run);
    ck_assert_double_lt(fabs(oqt_tebd_trace(run) - 1.0), 5e-12); /* rounding of up to 4000 gates */
    free_fermions(c, full, t);
    error[0] = error[1] = 0.0;
    for (size_t i = 0; i < N_FREE; i++)
        for (size_t j = 0; j < N_FREE; j++) {
            double zi = creal(c[i * N_FREE + i]) - 0.5, zj = creal(c[j * N_FREE + j]) - 0.5;
            double complex exact = i == j ? 0.25 : zi * zj - pow(cabs(c[i * N_FREE + j]), 2);

            error[0] = fmax(error[0], cabs(to_c99(z[i]) - zi));
            error[1] = fmax(error[1], cabs(to_c99(zz[i * N_FREE + j]) - exact));
        }
    if (getenv("SHOW_TABLE"))
        fprintf(stderr, "free fermions: order %d dt %g: %.2e %.2e bond %zu, trace - 1 %.1e\n", order, dt,
                error[0], error[1], stats.bond_dimension, oqt_tebd_trace(run) - 1.0);
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}

START_TEST(closed_chain_equals_free_fermions)
{
    static const struct {
        int order;
        double dt, tolerance, bound;
    } runs[2] = {{2, 0.15, 1e-6, 1e-4}, {4, 0.5, 1e-7, 1e-6}}; /* the largest error to time 3 */
    bool wall[N_FREE];

    for (size_t i = 0; i < N_FREE; i++)
        wall[i] = i < 20;
    for (int k = 0; k < 2; k++) {
        double coarse[2], fine[2], dt = runs[k].dt;

        free_errors(coarse, wall, 2.0 * dt, 3.0, runs[k].order, runs[k].tolerance);
        free_errors(fine, wall, dt, 3.0, runs[k].order, runs[k].tolerance);
        for (int what = 0; what < 2; what++) {
            ck_assert_double_lt(fine[what], runs[k].bound);
            ck_assert_double_eq_tol(log2(coarse[what] / fine[what]), runs[k].order, 0.35);
        }
    }
}
END_TEST

START_TEST(neel_state_equals_free_fermions)
{
    bool neel[N_FREE];
    double error[2];

    for (size_t i = 0; i < N_FREE; i++)
        neel[i] = i % 2 == 0;
    free_errors(error, neel, 0.4, 1.6, 4, 1e-6);
    ck_assert_double_lt(error[0], 3e-6);
    ck_assert_double_lt(error[1], 3e-6);
}
END_TEST

/* ---- Lindblad terms ---- */

/* out = op x: rows of the joint matrix x, n columns. adjoint: with op^+. */
static void act(double complex *out, const struct term *t, bool adjoint, const double complex *x,
                size_t n_sites)
{
    size_t d = (size_t)1 << t->n, low = (size_t)1 << (n_sites - t->first - t->n), big = (size_t)1 << n_sites;

    memset(out, 0, big * big * sizeof *out);
    for (size_t row = 0; row < big; row++)
        for (size_t j = 0; j < d; j++) {
            size_t i = row / low % d, other = row + j * low - i * low;
            double complex f = adjoint ? conj(to_c99(t->op[j * d + i])) : to_c99(t->op[i * d + j]);

            for (size_t col = 0; f != 0.0 && col < big; col++)
                out[row * big + col] += f * x[other * big + col];
        }
}

static void dagger(double complex *out, const double complex *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[j * n + i] = conj(x[i * n + j]);
}

/* L of a Hermitian matrix, term by term. */
static void liouvillian(double complex *out, const struct model *m, const double complex *rho)
{
    static double complex x[MAX_JOINT * MAX_JOINT], y[MAX_JOINT * MAX_JOINT], z[MAX_JOINT * MAX_JOINT];
    size_t big = (size_t)1 << m->n_sites, len = big * big;

    memset(out, 0, len * sizeof *out);
    for (size_t k = 0; k < m->n_terms; k++) {
        const struct term *t = m->term + k;

        act(x, t, false, rho, m->n_sites);
        if (t->rate == 0.0) { /* -i H rho + h.c. */
            for (size_t i = 0; i < len; i++)
                x[i] *= -(double complex)I;
        } else { /* A rho A^+ = A (A rho)^+, and -A^+ A rho / 2 + h.c. */
            dagger(z, x, big);
            act(y, t, false, z, m->n_sites);
            for (size_t i = 0; i < len; i++)
                out[i] += t->rate * y[i];
            act(y, t, true, x, m->n_sites);
            for (size_t i = 0; i < len; i++)
                x[i] = -0.5 * t->rate * y[i];
        }
        dagger(y, x, big);
        for (size_t i = 0; i < len; i++)
            out[i] += x[i] + y[i];
    }
}

/* exp(L t) rho by the Taylor series. */
static void propagate_joint(double complex *rho, const struct model *m, double t)
{
    enum { TERMS = 40 };
    static double complex term[MAX_JOINT * MAX_JOINT], next[MAX_JOINT * MAX_JOINT];
    size_t len = (size_t)1 << 2 * m->n_sites;

    memcpy(term, rho, len * sizeof *term);
    for (int order = 1; order <= TERMS; order++) {
        liouvillian(next, m, term);
        for (size_t i = 0; i < len; i++) {
            term[i] = t / order * next[i];
            rho[i] += term[i];
        }
    }
}

static void lindblad_model(struct model *m)
{
    static const oqt_complex plus[4] = {{0.0, 0.0}, {1.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}};
    const oqt_complex *const left[2] = {sigma_minus, sigma_z}, *const right[2] = {plus, sigma_x};
    const double hop[2] = {1.0, 0.4};

    memset(m, 0, sizeof *m);
    m->n_sites = 6;
    for (size_t i = 0; i < 6; i++) {
        add_site(m, i, 0.0, 0.3 + 0.2 * (double)i, half_z);
        add_site(m, i, 0.0, 0.5 - 0.1 * (double)i, half_x);
    }
    for (size_t i = 0; i < 5; i++)
        add_exchange(m, i, 1.3 - 0.1 * (double)i, 0.7, 1.2 + 0.15 * (double)i);
    add_site(m, 0, 0.31, 1.0, sigma_minus);
    add_site(m, 2, 0.17, 1.0, sigma_z);
    add_site(m, 5, 0.23, 1.0, plus);
    add_bond(m, 3, 0.41, 2, hop, left, right); /* what leaves site 3 arrives on site 4 */
}

static void lindblad_errors(double error[2], const struct model *m, const oqt_complex *initial,
                            const oqt_complex *exact, double dt, uint64_t n_steps, int order)
{
    const oqt_complex *const sigma[3] = {sigma_x, sigma_y, sigma_z};
    oqt_chain *chain = chain_of(m);
    oqt_tebd *run = product_run(chain, initial, NULL, NULL, dt, order, 1e-11, 1);
    oqt_complex rho[24], pair[16], one[4], op[24], other[24], product[16], got[36];
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_step(run, n_steps, &err), err);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    ck_assert_double_lt(fabs(oqt_tebd_trace(run) - 1.0), 1e-11);
    error[0] = error[1] = 0.0;
    for (size_t i = 0; i < 6; i++) {
        reduce(one, exact, 6, 1, &i);
        error[0] = fmax(error[0], max_diff_complex(rho + 4 * i, one, 4));
    }
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++) {
            for (size_t i = 0; i < 6; i++) {
                memcpy(op + 4 * i, sigma[a], sizeof sigma_x);
                memcpy(other + 4 * i, sigma[b], sizeof sigma_x);
            }
            oqt_op_tensor(product, 2, sigma[a], 2, sigma[b]);
            ASSERT_OK(oqt_tebd_correlators(got, run, op, other, &err), err);
            for (size_t i = 0; i < 6; i++)
                for (size_t j = i + 1; j < 6; j++) {
                    reduce(pair, exact, 6, 2, (size_t[]){i, j});
                    error[1] = fmax(error[1], cabs(to_c99(got[6 * i + j]) - trace_product(product, pair, 4)));
                }
        }
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}

START_TEST(chain_of_lindblad_terms_equals_the_joint_liouvillian)
{
    static double complex rho[64 * 64];
    static oqt_complex exact[64 * 64], spare[64 * 64];
    static struct model m;
    static const int orders[3] = {1, 2, 4};
    static const double bound[3] = {1e-2, 1e-4, 1e-8};
    oqt_complex initial[24];
    uint64_t seed = 11;
    size_t d = 1;

    lindblad_model(&m);
    for (size_t i = 0; i < 6; i++) {
        random_state(initial + 4 * i, 2, &seed);
        if (i == 0)
            memcpy(exact, initial, sizeof up);
        else {
            oqt_op_tensor(spare, d, exact, 2, initial + 4 * i);
            memcpy(exact, spare, 4 * d * d * sizeof *exact);
        }
        d *= 2;
    }
    for (size_t i = 0; i < 64 * 64; i++)
        rho[i] = to_c99(exact[i]);
    for (int k = 0; k < 4; k++)
        propagate_joint(rho, &m, 0.3);
    for (size_t i = 0; i < 64 * 64; i++)
        exact[i] = from_c99(rho[i]);
    for (int k = 0; k < 3; k++) {
        double coarse[2], fine[2];

        lindblad_errors(coarse, &m, initial, exact, 0.2, 6, orders[k]);
        lindblad_errors(fine, &m, initial, exact, 0.1, 12, orders[k]);
        for (int what = 0; what < 2; what++) {
            ck_assert_double_lt(fine[what], bound[k]);
            ck_assert_double_eq_tol(log2(coarse[what] / fine[what]), orders[k], 0.1);
        }
    }
}
END_TEST

/* ---- baths at the ends: the joint system of dimension 2^n under the same baths is exact within a step ----
 */

enum { MAX_OPEN = 4, OPEN_JOINT = 1 << MAX_OPEN };

/* An ohmic bath on S_x + S_z / 2 of some site. */
struct end_bath {
    size_t site;
    double alpha, temperature;
};

static const oqt_complex coupling[4] = {{0.25, 0.0}, {0.5, 0.0}, {0.5, 0.0}, {-0.25, 0.0}};

static oqt_pt *end_tensor(const struct end_bath *b, size_t d, const oqt_complex *op, double dt,
                          double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.method = OQT_PT_UNIFORM;
    opt.tolerance = tolerance;
    opt.path_rate = 1.0;
    ASSERT_OK(
        oqt_bath_create_power_law(&bath, b->alpha, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, b->temperature, &err),
        err);
    ASSERT_OK(oqt_pt_create(&pt, bath, d, op, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

/* Tensors of the baths for the sites, and for the joint system. */
static void end_tensors(oqt_pt **site, oqt_pt **joint, size_t n_sites, size_t n_baths,
                        const struct end_bath *b, double dt, double tolerance)
{
    static oqt_complex op[OPEN_JOINT * OPEN_JOINT];
    size_t big = (size_t)1 << n_sites;

    for (size_t k = 0; k < n_baths; k++) {
        site[k] = end_tensor(b + k, 2, coupling, dt, tolerance);
        if (!joint)
            continue;
        memset(op, 0, big * big * sizeof *op);
        add_embedded(op, n_sites, b[k].site, 1, coupling);
        joint[k] = end_tensor(b + k, big, op, dt, tolerance);
    }
}

static void open_model(struct model *m, size_t n)
{
    memset(m, 0, sizeof *m);
    m->n_sites = n;
    for (size_t i = 0; i < n; i++)
        add_site(m, i, 0.0, 0.9 + 0.2 * (double)i, half_z);
    for (size_t i = 0; i + 1 < n; i++)
        add_exchange(m, i, 1.3, 0.7, 1.1 + 0.2 * (double)i);
}

/* Largest difference of the joint states over all steps. With a pulse, a unitary of two sites at half time,
 * they are not coupled otherwise. */
static double joint_error(size_t n, size_t n_baths, const struct end_bath *baths, double dt, size_t n_steps,
                          int order, double tolerance, const oqt_complex *pulse)
{
    static struct model m;
    static oqt_complex h[OPEN_JOINT * OPEN_JOINT], rho[OPEN_JOINT * OPEN_JOINT], got[OPEN_JOINT * OPEN_JOINT];
    oqt_complex initial[4 * MAX_OPEN];
    oqt_pt *site[2] = {NULL}, *joint[2] = {NULL};
    size_t n_pt[MAX_OPEN] = {0}, sites[MAX_OPEN] = {0, 1, 2, 3}, big = (size_t)1 << n;
    oqt_system *system = NULL;
    oqt_control *control = NULL;
    oqt_dynamics_options dyn_opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_dynamics *dyn = NULL;
    oqt_chain *chain;
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    double error = 0.0;

    open_model(&m, n);
    if (pulse)
        m.n_terms = n; /* the fields come first */
    joint_hamiltonian(h, &m);
    chain = chain_of(&m);
    for (size_t k = 0; k < n_baths; k++)
        n_pt[baths[k].site]++;
    end_tensors(site, joint, n, n_baths, baths, dt, tolerance);
    memset(rho, 0, sizeof rho);
    rho[(big / 2 - 1) * (big + 1)].re = 1.0; /* up, then down */
    for (size_t i = 0; i < n; i++)
        memcpy(initial + 4 * i, i == 0 ? up : down, sizeof up);
    if (pulse) {
        oqt_complex superop[256];

        ASSERT_OK(oqt_super_unitary(superop, 4, pulse, &err), err);
        ASSERT_OK(oqt_control_create(&control, 4, &err), err);
        ASSERT_OK(oqt_control_add(control, n_steps / 2, OQT_PRE, superop, &err), err);
    }
    dyn_opt.n_controls = pulse ? 1 : 0;
    dyn_opt.controls = (const oqt_control *[]){control};
    opt.dt = dt;
    opt.order = order;
    opt.tolerance = 1e-10;
    opt.bond_controls = pulse ? dyn_opt.controls : NULL;
    ASSERT_OK(oqt_system_create(&system, big, h, &err), err);
    ASSERT_OK(oqt_dynamics_create(&dyn, n_baths, (const oqt_pt *const *)joint, 1,
                                  (const oqt_system *[]){system}, rho, &dyn_opt, &err),
              err);
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, (const oqt_pt *const *)site, &opt, &err), err);
    for (size_t k = 0; k < n_steps; k++) {
        ASSERT_OK(oqt_dynamics_step(dyn, 1, &err), err);
        ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
        oqt_dynamics_state(rho, dyn, 0);
        ASSERT_OK(oqt_tebd_density(got, run, n, sites, &err), err);
        error = fmax(error, max_diff_complex(got, rho, big * big));
    }
    if (getenv("SHOW_TABLE")) {
        oqt_pt_info info, wide;
        oqt_tebd_stats stats;

        oqt_pt_get_info(&info, site[0]);
        oqt_pt_get_info(&wide, joint[0]);
        oqt_tebd_get_stats(&stats, run);
        fprintf(stderr, "open: %zu sites %zu baths dt %g order %d: %.2e, tensors %zu %zu bond %zu\n", n,
                n_baths, dt, order, error, info.bond_dimension, wide.bond_dimension, stats.bond_dimension);
    }
    oqt_tebd_destroy(run);
    oqt_dynamics_destroy(dyn);
    oqt_control_destroy(control);
    oqt_system_destroy(system);
    oqt_chain_destroy(chain);
    for (size_t k = 0; k < n_baths; k++) {
        oqt_pt_destroy(site[k]);
        oqt_pt_destroy(joint[k]);
    }
    return error;
}

/* One bond has no Trotter error. */
START_TEST(two_sites_equal_the_joint_open_system)
{
    const struct end_bath baths[2] = {{0, 0.1, 0.8}, {1, 0.06, 1.7}};

    ck_assert_double_lt(joint_error(2, 1, baths, 0.2, 20, 2, 1e-6, NULL), 1e-12);
    ck_assert_double_lt(joint_error(2, 2, baths, 0.2, 20, 2, 1e-6, NULL), 1e-9);
}
END_TEST

/* A gate makes 16 states of one, on sites of many states of process tensors. */
START_TEST(a_pulse_on_correlated_sites_equals_the_joint_open_system)
{
    oqt_complex swap[16] = {{0.0, 0.0}};
    const struct end_bath baths[2] = {{0, 0.1, 0.8}, {1, 0.06, 1.7}};

    swap[0].re = swap[6].re = swap[9].re = swap[15].re = 1.0;
    ck_assert_double_lt(joint_error(2, 2, baths, 0.2, 20, 2, 1e-6, swap), 1e-9);
}
END_TEST

/* Three have that of the order; with a bath on one end or on both. */
START_TEST(three_sites_converge_to_the_joint_open_system)
{
    const struct end_bath baths[2] = {{0, 0.1, 0.8}, {2, 0.06, 1.7}};
    static const int orders[3] = {1, 2, 4};
    static const double bound[3] = {7e-3, 5e-5, 1e-8};

    for (size_t n_baths = 1; n_baths <= 2; n_baths++)
        for (int k = 0; k < 3; k++) {
            double coarse = joint_error(3, n_baths, baths, 0.2, 20, orders[k], 1e-5, NULL);
            double fine = joint_error(3, n_baths, baths, 0.1, 40, orders[k], 1e-5, NULL);

            ck_assert_double_lt(fine, bound[k]);
            ck_assert_double_eq_tol(log2(coarse / fine), orders[k], 0.1);
        }
}
END_TEST

/* ---- stationary states ---- */

static void relax(oqt_complex *rho, size_t n, size_t n_baths, const struct end_bath *baths, double dt,
                  size_t n_steps, double tolerance, double *entropy)
{
    static struct model m;
    oqt_complex initial[4 * MAX_OPEN];
    oqt_pt *site[2] = {NULL};
    size_t n_pt[MAX_OPEN] = {0}, sites[MAX_OPEN] = {0, 1, 2, 3};
    oqt_chain *chain;
    oqt_tebd *run;
    oqt_error err = {0};

    open_model(&m, n);
    chain = chain_of(&m);
    for (size_t k = 0; k < n_baths; k++)
        n_pt[baths[k].site]++;
    end_tensors(site, NULL, n, n_baths, baths, dt, 1e-5);
    for (size_t i = 0; i < n; i++)
        memcpy(initial + 4 * i, down, sizeof up);
    run = product_run(chain, initial, n_pt, (const oqt_pt *const *)site, dt, 2, tolerance, 1);
    ASSERT_OK(oqt_tebd_step(run, n_steps, &err), err);
    ASSERT_OK(oqt_tebd_density(rho, run, n, sites, &err), err);
    ck_assert_double_lt(fabs(oqt_tebd_trace(run) - 1.0),
                        4e-15 * (double)n_steps); /* nine gates in a step, two roundings each */
    if (entropy)
        ASSERT_OK(oqt_tebd_entropies(entropy, NULL, run, &err), err);
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
    for (size_t k = 0; k < n_baths; k++)
        oqt_pt_destroy(site[k]);
}

/* At weak coupling the stationary state is exp(-H/T)/Z, but for terms in alpha, which two couplings tell. */
START_TEST(a_bath_at_one_end_brings_the_chain_to_its_temperature)
{
    static struct model m;
    const double temperature = 0.7, alpha = 0.02;
    oqt_complex h[16], thermal[16], rho[2][16];
    double away[2], rest = 0.0;
    oqt_error err = {0};

    open_model(&m, 2);
    joint_hamiltonian(h, &m);
    ASSERT_OK(oqt_state_thermal(thermal, 4, h, temperature, &err), err);
    for (int k = 0; k < 2; k++) {
        struct end_bath b = {0, alpha / (1 + k), temperature};

        relax(rho[k], 2, 1, &b, 0.2, (size_t)(1200 * (1 + k)), 1e-9, NULL);
        away[k] = max_diff_complex(rho[k], thermal, 16);
    }
    for (size_t i = 0; i < 16; i++)
        rest = fmax(rest, cabs(2.0 * to_c99(rho[1][i]) - to_c99(rho[0][i]) - to_c99(thermal[i])));
    if (getenv("SHOW_TABLE"))
        fprintf(stderr, "thermal: %.2e %.2e, alpha to 0: %.2e\n", away[0], away[1], rest);
    ck_assert_double_lt(away[0], 0.5 * alpha);
    ck_assert_double_eq_tol(away[0] / away[1], 2.0, 0.2);
    ck_assert_double_lt(rest, 1.5 * alpha * alpha);
}
END_TEST

/* Energy that flows into bond b from the one to its left, i [h_b-1, h_b], fields being in the right bond. */
static double energy_current(const oqt_complex *rho, size_t n, size_t b)
{
    static oqt_complex left[OPEN_JOINT * OPEN_JOINT], right[OPEN_JOINT * OPEN_JOINT];
    static oqt_complex product[OPEN_JOINT * OPEN_JOINT];
    static struct model m;
    size_t big = (size_t)1 << n;
    double complex sum = 0.0;

    open_model(&m, n);
    memset(left, 0, sizeof left);
    memset(right, 0, sizeof right);
    for (size_t k = 0; k < m.n_terms; k++) {
        const struct term *t = m.term + k;

        if (t->first == b - 1)
            add_embedded(left, n, t->first, t->n, t->op);
        if (t->first == b)
            add_embedded(right, n, t->first, t->n, t->op);
    }
    for (size_t i = 0; i < big; i++)
        for (size_t j = 0; j < big; j++) {
            double complex z = 0.0;

            for (size_t k = 0; k < big; k++)
                z += to_c99(left[i * big + k]) * to_c99(right[k * big + j]) -
                     to_c99(right[i * big + k]) * to_c99(left[k * big + j]);
            product[i * big + j] = from_c99((double complex)I * z);
        }
    sum = trace_product(product, rho, big);
    return creal(sum);
}

/* What flows into the middle bond of four sites flows out of it, up to the error of the time step. */
static void currents(double flow[2], double dt, double left, double right, double time)
{
    static oqt_complex rho[OPEN_JOINT * OPEN_JOINT];
    const struct end_bath b[2] = {{0, 0.15, left}, {3, 0.1, right}};
    double entropy[3];

    relax(rho, 4, 2, b, dt, (size_t)lround(time / dt), 1e-6, entropy);
    flow[0] = energy_current(rho, 4, 1);
    flow[1] = energy_current(rho, 4, 2);
    for (int k = 0; k < 3; k++)
        ck_assert(entropy[k] > 0.1 && entropy[k] < log(16.0));
    if (getenv("SHOW_TABLE"))
        fprintf(stderr, "currents dt %g T %g %g time %g: %.5e %.5e, entropies %.3f %.3f %.3f\n", dt, left,
                right, time, flow[0], flow[1], entropy[0], entropy[1], entropy[2]);
}

START_TEST(energy_flows_from_hot_to_cold_and_alike_everywhere)
{
    const double time = 300.0, temperatures[2][2] = {{2.0, 0.6}, {0.6, 2.0}}, sign[2] = {1.0, -1.0};

    for (int k = 0; k < 2; k++) {
        double coarse[2], fine[2], slope;

        currents(coarse, 0.4, temperatures[k][0], temperatures[k][1], time);
        currents(fine, 0.2, temperatures[k][0], temperatures[k][1], time);
        ck_assert_double_gt(sign[k] * fine[0], 0.02);
        ck_assert_double_lt(fabs(fine[0] - fine[1]), 2e-5);
        slope = log2(fabs(coarse[0] - coarse[1]) / fabs(fine[0] - fine[1]));
        ck_assert_msg(slope > 1.5 && slope < 2.5, "slope %g", slope);
    }
}
END_TEST

/* None flows between baths of one temperature, however different they are. */
START_TEST(no_energy_flows_at_one_temperature)
{
    double flow[2];

    currents(flow, 0.2, 0.6, 0.6, 300.0);
    ck_assert_double_lt(fabs(flow[0]), 1e-4);
    ck_assert_double_lt(fabs(flow[1]), 1e-4);
}
END_TEST

/* ---- memory ---- */

/* Bytes in use, and the most so far. */
struct tally {
    _Atomic size_t now, peak;
};

static void *tally_alloc(size_t alignment, size_t size, void *ctx)
{
    struct tally *t = ctx;
    char *p = aligned_alloc(alignment, size + alignment);
    size_t now, peak = t->peak;

    if (!p)
        return NULL;
    ck_assert_uint_ge(alignment, 2 * sizeof(size_t));
    p += alignment;
    ((size_t *)(void *)p)[-1] = size;
    ((size_t *)(void *)p)[-2] = alignment;
    now = atomic_fetch_add(&t->now, size) + size;
    while (now > peak && !atomic_compare_exchange_weak(&t->peak, &peak, now)) {
    }
    return p;
}

static void tally_free(void *ptr, void *ctx)
{
    struct tally *t = ctx;
    size_t *p = ptr;

    if (!p)
        return;
    atomic_fetch_sub(&t->now, p[-1]);
    free((char *)ptr - p[-2]);
}

/* Numbers in the state and the widest bond. */
static size_t state_size(size_t *widest, const oqt_tebd *run, size_t n, size_t states)
{
    size_t bonds[MAX_SITES], size = 0;

    *widest = 0;
    oqt_tebd_bonds(bonds, run);
    for (size_t i = 0; i < n; i++) {
        size_t l = i > 0 ? bonds[i - 1] : 1, r = i + 1 < n ? bonds[i] : 1;

        size += 4 * l * r * (i == 0 ? states : 1);
        *widest = r > *widest ? r : *widest;
    }
    return size;
}

/* The peak is below three times state and tensors where bonds come to about 64: that includes what gates work
 * with, one for each thread. */
static void check_memory(bool bath, int n_threads)
{
    enum { N = 21 };
    static struct model m;
    struct tally tally = {0, 0};
    const oqt_allocator allocator = {tally_alloc, tally_free, &tally};
    const struct end_bath b = {0, 0.16, 1.6};
    size_t n_pt[N] = {bath}, state = 0, tensors, widest = 0;
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_complex initial[4 * N];
    oqt_pt_info info = {.bond_dimension = 1};
    oqt_chain *chain;
    oqt_pt *pt = NULL;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    oqt_set_allocator(&allocator);
    if (bath) {
        pt = end_tensor(&b, 2, coupling, 0.2, 1e-5);
        oqt_pt_get_info(&info, pt);
    }
    tensors = tally.now;
    open_model(&m, N);
    chain = chain_of(&m);
    for (size_t i = 0; i < N; i++)
        memcpy(initial + 4 * i, i % 2 ? up : down, sizeof up);
    opt.dt = 0.2;
    opt.tolerance = 1e-5;
    opt.n_threads = n_threads;
    tally.peak = tally.now;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, (const oqt_pt *const *)&pt, &opt, &err), err);
    while (widest < 60) {
        ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
        state = 8 * state_size(&widest, run, N, info.bond_dimension);
        if (getenv("SHOW_TABLE"))
            fprintf(stderr, "memory: bond %zu state %zu tensors %zu peak %zu = %.2f of them\n", widest, state,
                    tensors, tally.peak, (double)tally.peak / (double)(state + tensors));
    }
    ck_assert_uint_lt(tally.peak, 3 * (state + tensors));
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
    oqt_pt_destroy(pt);
    ck_assert_uint_eq(tally.now, 0);
    oqt_set_allocator(NULL);
}

START_TEST(memory_is_below_three_times_the_state_and_tensors)
{
    for (int i = 0; i < 4; i++)
        check_memory(i % 2, 1 + i / 2);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("chain physics");
    TCase *tc = tcase_create("chain physics");

    if (argc > 1 && strcmp(argv[1], "slow") == 0) {
        tcase_set_timeout(tc, 600);
        tcase_add_test(tc, energy_flows_from_hot_to_cold_and_alike_everywhere);
        tcase_add_test(tc, no_energy_flows_at_one_temperature);
        tcase_add_test(tc, neel_state_equals_free_fermions);
        tcase_add_test(tc, a_bath_at_one_end_brings_the_chain_to_its_temperature);
    } else {
        tcase_set_timeout(tc, 120);
        tcase_add_test(tc, closed_chain_equals_free_fermions);
        tcase_add_test(tc, chain_of_lindblad_terms_equals_the_joint_liouvillian);
        tcase_add_test(tc, two_sites_equal_the_joint_open_system);
        tcase_add_test(tc, a_pulse_on_correlated_sites_equals_the_joint_open_system);
        tcase_add_test(tc, three_sites_converge_to_the_joint_open_system);
        tcase_add_test(tc, memory_is_below_three_times_the_state_and_tensors);
    }
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
