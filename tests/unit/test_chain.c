/* test_chain.c - chains: gates against dense superoperators, process tensors, truncation, tasks. */
#include <oqtempo/chain.h>

#include "chain/chain_priv.h"
#include "chains.h"

enum { MAX_SITES = 8, LONG = 64, MAX_DENSE = 12 };

/* ---- models ---- */

/* Kronecker product of da x da and db x db, times c, added to out. */
static void add_kron(oqt_complex *out, double c, const oqt_complex *a, size_t da, const oqt_complex *b,
                     size_t db)
{
    size_t d = da * db;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            double complex z = to_c99(a[i / db * da + j / db]) * to_c99(b[i % db * db + j % db]);

            out[i * d + j].re += c * creal(z);
            out[i * d + j].im += c * cimag(z);
        }
}

/* The chain of the reference: S_z on every site, couplings J S_a S_a. */
static oqt_chain *xyz_chain(size_t n)
{
    static const double j[3] = {1.3, 0.7, 1.2};
    const oqt_complex *sigma[3] = {sigma_x, sigma_y, sigma_z};
    size_t dim[LONG];
    oqt_complex site[4], bond[16] = {0};
    oqt_system *s = NULL, *b = NULL;
    oqt_chain *chain = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < n; i++)
        dim[i] = 2;
    for (int a = 0; a < 3; a++)
        add_kron(bond, 0.25 * j[a], sigma[a], 2, sigma[a], 2);
    scale_complex(site, 0.5, sigma_z, 4);
    ASSERT_OK(oqt_chain_create(&chain, n, dim, &err), err);
    ASSERT_OK(oqt_system_create(&s, 2, site, &err), err);
    ASSERT_OK(oqt_system_create(&b, 4, bond, &err), err);
    for (size_t i = 0; i < n; i++)
        ASSERT_OK(oqt_chain_add_site(chain, i, s, &err), err);
    for (size_t i = 0; i + 1 < n; i++)
        ASSERT_OK(oqt_chain_add_bond(chain, i, b, &err), err);
    oqt_system_destroy(s);
    oqt_system_destroy(b);
    return chain;
}

static const oqt_complex UP[4] = {{1.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}};
static const oqt_complex DOWN[4] = {{0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {1.0, 0.0}};
static const oqt_complex MIXED[4] = {{0.5, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {0.5, 0.0}};

static void set_state(oqt_complex *initial, size_t site, const oqt_complex *rho)
{
    memcpy(initial + 4 * site, rho, 4 * sizeof *rho);
}

/* ---- numbers of the reference ---- */

START_TEST(closed_chain_gives_reference_numbers)
{
    static const struct {
        int order;
        double up[3][3];
    } cases[] = {{1,
                  {{0.9900505037625, 0.0107654172846, 0.0009343976423},
                   {0.9608459661802, 0.0416731788985, 0.0038656619980},
                   {0.9142842247608, 0.0889736789358, 0.0090733100720}}},
                 {2,
                  {{0.9900591886754, 0.0107880889566, 0.0009061396723},
                   {0.9608882645261, 0.0418600032723, 0.0036652721079},
                   {0.9143943284561, 0.0895975876670, 0.0084382615382}}}};
    oqt_chain *chain = xyz_chain(3);
    oqt_complex initial[12], rho[12], pair[16];
    oqt_error err = {0};

    set_state(initial, 0, UP);
    set_state(initial, 1, DOWN);
    set_state(initial, 2, DOWN);
    for (int c = 0; c < 2; c++) {
        oqt_tebd *run = product_run(chain, initial, NULL, NULL, 0.2, cases[c].order, 1e-12, 1);
        size_t bonds[2], near[2] = {0, 1}, far[2] = {0, 2};

        for (int step = 0; step < 3; step++) {
            ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
            ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
            for (int i = 0; i < 3; i++)
                ck_assert_double_eq_tol(rho[4 * i].re, cases[c].up[step][i], 2e-12);
        }
        oqt_tebd_bonds(bonds, run);
        ck_assert_uint_eq(bonds[0], 4);
        ck_assert_uint_eq(bonds[1], 4);
        if (cases[c].order == 2) {
            const double diag[4] = {0.0062150888308, 0.9081792396254, 0.0833824988363, 0.0022231727075};

            ASSERT_OK(oqt_tebd_density(pair, run, 2, near, &err), err);
            for (int i = 0; i < 4; i++)
                ck_assert_double_eq_tol(pair[5 * i].re, diag[i], 2e-12);
            ck_assert_double_eq_tol(pair[6].re, 0.0505700568813, 2e-12);
            ck_assert_double_eq_tol(pair[6].im, 0.2704975484884, 2e-12);
            ASSERT_OK(oqt_tebd_density(pair, run, 2, far, &err), err);
            ck_assert_double_eq_tol(pair[10].re, 0.0022231727075, 2e-12);
            ck_assert_double_eq_tol(pair[6].re, -0.0448037965588, 2e-12);
            ck_assert_double_eq_tol(pair[6].im, 0.0034145443244, 2e-12);
        }
        oqt_tebd_destroy(run);
    }
    oqt_chain_destroy(chain);
}
END_TEST

/* Ohmic bath on S_y, the finite tensor of three steps. */
static oqt_pt *reference_bath(void)
{
    oqt_complex coupling[4];

    scale_complex(coupling, 0.5, sigma_y, 4);
    return ohmic_tensor(2, coupling, 0.2, 3, 0.32, 4.0, 1.6, 1e-12);
}

/* Another run, which goes on from step n of this one; of three sites. */
static oqt_tebd *take_over(oqt_tebd *run, const oqt_chain *chain, uint64_t n, const size_t *n_pt,
                           const oqt_pt *const *pts)
{
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_chain_tensor site[3];
    oqt_complex *data[3];
    size_t bonds[4] = {1, 0, 0, 1}, bath[3];
    oqt_tebd *next = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_step(run, n, &err), err);
    oqt_tebd_bonds(bonds + 1, run);
    oqt_tebd_bath_states(bath, run);
    for (size_t i = 0; i < 3; i++) {
        data[i] = malloc(bonds[i] * 4 * bath[i] * bonds[i + 1] * sizeof *data[i]);
        ASSERT_OK(oqt_tebd_tensor(data[i], run, i, 1, &err), err);
        site[i] = (oqt_chain_tensor){bonds[i], bonds[i + 1], data[i], bath[i]};
    }
    oqt_tebd_destroy(run);
    opt.dt = 0.2;
    opt.tolerance = 1e-12;
    opt.start_step = n;
    ASSERT_OK(oqt_tebd_create_from(&next, chain, &(oqt_chain_state){0, site, NULL}, n_pt, pts, &opt, &err),
              err);
    for (size_t i = 0; i < 3; i++)
        free(data[i]);
    return next;
}

/* The printed numbers carry the error of the reference's quadrature, about 1e-9. */
START_TEST(baths_give_reference_numbers)
{
    static const struct {
        int order;
        double up[3][3];
    } cases[] = {{1,
                  {{0.8946963033663, 0.4995177074184, 0.0054389184758},
                   {0.7284043036835, 0.4957607240230, 0.0214795916401},
                   {0.5963305871524, 0.4854700093099, 0.0472720218351}}},
                 {2,
                  {{0.8946917802497, 0.4995357404650, 0.0054274464620},
                   {0.7283907549386, 0.4959016695368, 0.0214048896881},
                   {0.5963217800875, 0.4858880854504, 0.0470605326680}}}};
    static const double both[3] = {0.5964807495053, 0.4977410600574, 0.3224728380875};
    oqt_chain *chain = xyz_chain(3);
    oqt_pt *pt = reference_bath();
    const oqt_pt *pts[2] = {pt, pt};
    size_t one[3] = {1, 0, 0}, two[3] = {1, 0, 1};
    oqt_complex initial[12], rho[12];
    oqt_error err = {0};

    set_state(initial, 0, UP);
    set_state(initial, 1, MIXED);
    set_state(initial, 2, DOWN);
    for (int c = 0; c < 2; c++) {
        oqt_tebd *run = product_run(chain, initial, one, pts, 0.2, cases[c].order, 1e-12, 1);

        for (int step = 0; step < 3; step++) {
            ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
            ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
            for (int i = 0; i < 3; i++)
                ck_assert_double_eq_tol(rho[4 * i].re, cases[c].up[step][i], 3e-9);
        }
        ck_assert_int_eq(oqt_tebd_step(run, 1, &err), OQT_EINVAL); /* the tensor covers three steps */
        oqt_tebd_destroy(run);
    }
    for (int whole = 0; whole < 2; whole++) { /* in one go, or taken up at step 1 by another run */
        oqt_tebd *run = product_run(chain, initial, two, pts, 0.2, 2, 1e-12, 1);

        if (!whole)
            run = take_over(run, chain, 1, two, pts);
        ASSERT_OK(oqt_tebd_step(run, whole ? 3 : 2, &err), err);
        ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
        for (int i = 0; i < 3; i++)
            ck_assert_double_eq_tol(rho[4 * i].re, both[i], 3e-9);
        oqt_tebd_destroy(run);
    }
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
}
END_TEST

/* A pulse sigma_x . sigma_x on the middle site at step 1, before and after the record. */
START_TEST(pulses_give_reference_numbers)
{
    static const double middle[2][4] = {{0.0, 0.9892119110434, 0.9673611739020, 0.9270155881692},
                                        {0.0, 0.0107880889566, 0.9673611739020, 0.9270155881692}};
    oqt_chain *chain = xyz_chain(3);
    oqt_complex initial[12], rho[12], pulse[16];
    oqt_error err = {0};

    set_state(initial, 0, UP);
    set_state(initial, 1, DOWN);
    set_state(initial, 2, DOWN);
    ASSERT_OK(oqt_super_unitary(pulse, 2, sigma_x, &err), err);
    for (int when = 0; when < 2; when++)
        for (int two_sites = 0; two_sites < 2; two_sites++) {
            oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
            oqt_control *control = NULL;
            const oqt_control *controls[3] = {NULL, NULL, NULL};
            oqt_tebd *run = NULL;

            ASSERT_OK(oqt_control_create(&control, two_sites ? 4 : 2, &err), err);
            if (two_sites) { /* sigma_x on the right one of sites 0 and 1 */
                oqt_complex joint[16] = {0}, wide[256];
                const oqt_complex one[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};

                add_kron(joint, 1.0, one, 2, sigma_x, 2);
                ASSERT_OK(oqt_super_unitary(wide, 4, joint, &err), err);
                ASSERT_OK(oqt_control_add(control, 1, when ? OQT_POST : OQT_PRE, wide, &err), err);
                controls[0] = control;
                opt.bond_controls = controls;
            } else {
                ASSERT_OK(oqt_control_add_at(control, 5.2, when ? OQT_POST : OQT_PRE, pulse, &err), err);
                controls[1] = control;
                opt.site_controls = controls;
            }
            opt.dt = 0.2;
            opt.start_time = 5.0;
            opt.tolerance = 1e-12;
            ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
            oqt_control_destroy(control);
            for (int step = 0; step < 4; step++) {
                if (step > 0)
                    ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
                ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
                ck_assert_double_eq_tol(rho[4].re, middle[when][step], 2e-12);
            }
            oqt_tebd_destroy(run);
        }
    oqt_chain_destroy(chain);
}
END_TEST

/* A projection is not trace preserving: what is left has the probability as its trace. */
START_TEST(controls_may_change_the_trace)
{
    oqt_chain *chain = xyz_chain(3);
    oqt_complex initial[12], rho[12], other[12], projection[16];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_control *control = NULL;
    const oqt_control *controls[3] = {NULL, NULL, NULL};
    oqt_tebd *run = NULL, *free_run;
    oqt_error err = {0};

    set_state(initial, 0, UP);
    set_state(initial, 1, DOWN);
    set_state(initial, 2, DOWN);
    oqt_super_left_right(projection, 2, UP, UP);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 2, OQT_PRE, projection, &err), err);
    controls[1] = control;
    opt.site_controls = controls;
    opt.dt = 0.2;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
    free_run = product_run(chain, initial, NULL, NULL, 0.2, 2, 1e-6, 1);
    ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
    ASSERT_OK(oqt_tebd_step(free_run, 2, &err), err);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    ASSERT_OK(oqt_tebd_densities(other, free_run, &err), err);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(rho[4 * i].re + rho[4 * i + 3].re, other[4].re, 1e-9);
    ASSERT_OK(oqt_tebd_step(run, 5, &err), err);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq_tol(rho[4 * i].re + rho[4 * i + 3].re, other[4].re, 1e-9);
    oqt_control_destroy(control);
    oqt_tebd_destroy(free_run);
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}
END_TEST

/* A gate that entangles two sites wholly: four states of equal weight, of which a limit of three leaves one,
 * traces aside. Figures know of it wherever it acts. */
START_TEST(controls_count_in_figures)
{
    const double h = M_SQRT1_2;
    const oqt_complex bell[16] = {{h, 0}, {0, 0}, {h, 0}, {0, 0},  {0, 0}, {h, 0}, {0, 0},  {h, 0},
                                  {0, 0}, {h, 0}, {0, 0}, {-h, 0}, {h, 0}, {0, 0}, {-h, 0}, {0, 0}};
    const size_t dim[2] = {2, 2};
    oqt_complex initial[8], super[256];
    oqt_chain *chain = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_chain_create(&chain, 2, dim, &err), err);
    ASSERT_OK(oqt_super_unitary(super, 4, bell, &err), err);
    set_state(initial, 0, UP);
    set_state(initial, 1, UP);
    for (uint64_t at = 0; at < 2; at++)
        for (int limited = 0; limited < 2; limited++) {
            oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
            oqt_control *control = NULL;
            const oqt_control *controls[1];
            oqt_tebd_stats stats;
            oqt_tebd *run = NULL;

            ASSERT_OK(oqt_control_create(&control, 4, &err), err);
            ASSERT_OK(oqt_control_add(control, at, OQT_PRE, super, &err), err);
            controls[0] = control;
            opt.bond_controls = controls;
            opt.dt = 0.2;
            opt.max_bond = limited ? 3 : 0;
            ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
            if (at > 0)
                ASSERT_OK(oqt_tebd_step(run, at, &err), err);
            oqt_tebd_get_stats(&stats, run);
            if (!limited)
                ck_assert_uint_eq(stats.bond_dimension, 4);
            ck_assert_int_eq(stats.bond_limit_hit, limited);
            ck_assert_double_eq_tol(stats.discarded_weight, limited ? 0.75 : 0.0, 1e-12);
            ck_assert_double_gt(stats.flops, 0.0);
            oqt_control_destroy(control);
            oqt_tebd_destroy(run);
        }
    oqt_chain_destroy(chain);
}
END_TEST

/* ---- dense superoperators ---- */

enum { DENSE = MAX_DENSE * MAX_DENSE };

/* A random chain with dissipation, and generators of its bonds on the whole space, those of sites shared as
 * in the gates. */
struct dense_chain {
    size_t n, dim[4], d;
    oqt_chain *chain;
    oqt_complex *bond[3]; /* d^2 x d^2 */
};

/* Random terms on a site, or on a bond. */
static void add_random_terms(struct dense_chain *m, bool is_bond, size_t at, uint64_t *seed)
{
    size_t d = is_bond ? m->dim[at] * m->dim[at + 1] : m->dim[at], last = is_bond ? at + 1 : at;
    size_t n = m->d * m->d;
    oqt_complex h[36], a[36], wide_h[DENSE], wide_a[DENSE], *l = malloc(n * n * sizeof *l);
    oqt_system *own, *whole;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    random_complex(a, d * d, seed);
    own = damped_system(d, h, 0.2, a);
    ASSERT_OK(is_bond ? oqt_chain_add_bond(m->chain, at, own, &err)
                      : oqt_chain_add_site(m->chain, at, own, &err),
              err);
    embed(wide_h, m->n, m->dim, at, last, h);
    embed(wide_a, m->n, m->dim, at, last, a);
    whole = damped_system(m->d, wide_h, 0.2, wide_a);
    oqt_system_liouvillian(l, whole);
    for (size_t bond = 0; bond + 1 < m->n; bond++) {
        bool outer = (at == 0 && bond == 0) || (at == m->n - 1 && bond == m->n - 2);
        double share = is_bond ? bond == at : at != bond && at != bond + 1 ? 0.0 : outer ? 1.0 : 0.5;

        for (size_t i = 0; i < n * n; i++) {
            m->bond[bond][i].re += share * l[i].re;
            m->bond[bond][i].im += share * l[i].im;
        }
    }
    oqt_system_destroy(own);
    oqt_system_destroy(whole);
    free(l);
}

static void make_dense(struct dense_chain *m, size_t n, const size_t *dim, uint64_t seed)
{
    oqt_error err = {0};

    *m = (struct dense_chain){.n = n, .d = 1};
    for (size_t i = 0; i < n; i++) {
        m->dim[i] = dim[i];
        m->d *= dim[i];
    }
    ASSERT_OK(oqt_chain_create(&m->chain, n, dim, &err), err);
    for (size_t i = 0; i + 1 < n; i++)
        m->bond[i] = calloc(m->d * m->d * m->d * m->d, sizeof *m->bond[i]);
    for (size_t i = 0; i < n; i++)
        add_random_terms(m, false, i, &seed);
    for (size_t i = 0; i + 1 < n; i++)
        add_random_terms(m, true, i, &seed);
}

static void free_dense(struct dense_chain *m)
{
    for (size_t i = 0; i + 1 < m->n; i++)
        free(m->bond[i]);
    oqt_chain_destroy(m->chain);
}

/* rho <- exp(L h) rho by its series, in pieces of small norm. */
static void evolve(oqt_complex *rho, const oqt_complex *l, size_t n, double h)
{
    enum { PIECES = 8, TERMS = 20 };
    oqt_complex term[DENSE], next[DENSE];

    for (int piece = 0; piece < PIECES; piece++) {
        memcpy(term, rho, n * sizeof *term);
        for (int k = 1; k <= TERMS; k++) {
            for (size_t i = 0; i < n; i++) {
                double complex sum = 0.0;

                for (size_t j = 0; j < n; j++)
                    sum += to_c99(l[i * n + j]) * to_c99(term[j]);
                next[i] = from_c99(sum * h / (PIECES * k));
            }
            memcpy(term, next, n * sizeof *term);
            for (size_t i = 0; i < n; i++) {
                rho[i].re += term[i].re;
                rho[i].im += term[i].im;
            }
        }
    }
}

/* The product of all states, and its parts one behind the other. */
static void random_product(oqt_complex *whole, oqt_complex *parts, const struct dense_chain *m, uint64_t seed)
{
    oqt_complex joint[DENSE] = {{1, 0}}, next[DENSE];
    size_t d = 1;

    for (size_t i = 0; i < m->n; i++) {
        random_state(parts, m->dim[i], &seed);
        memset(next, 0, sizeof next);
        add_kron(next, 1.0, joint, d, parts, m->dim[i]);
        d *= m->dim[i];
        memcpy(joint, next, sizeof joint);
        parts += m->dim[i] * m->dim[i];
    }
    memcpy(whole, joint, d * d * sizeof *whole);
}

static void half_step(oqt_complex *rho, const struct dense_chain *m, int order, double h)
{
    static const double cube_root = 1.5874010519681994748; /* of 4 */
    double p = 1.0 / (4.0 - cube_root), part[5] = {p, p, 1.0 - 4.0 * p, p, p};
    size_t n = m->d * m->d;

    if (order == 1) {
        for (size_t parity = 0; parity < 2; parity++)
            for (size_t b = parity; b + 1 < m->n; b += 2)
                evolve(rho, m->bond[b], n, h);
        return;
    }
    for (int k = 0; k < (order == 4 ? 5 : 1); k++)
        for (int layer = 0; layer < 3; layer++)
            for (size_t b = (size_t)layer % 2; b + 1 < m->n; b += 2)
                evolve(rho, m->bond[b], n, (order == 4 ? part[k] : 1.0) * (layer == 1 ? h : 0.5 * h));
}

/* Sites of different dimensions, dissipation on sites and bonds, every order: the same product of dense
 * exponentials. */
START_TEST(chains_equal_dense_products)
{
    static const struct {
        size_t n, dim[4];
    } shapes[] = {{2, {3, 2}}, {2, {2, 2}}, {3, {2, 3, 2}}, {3, {3, 1, 2}}, {4, {1, 2, 2, 3}}};
    static const int orders[3] = {1, 2, 4};
    struct dense_chain m;
    oqt_error err = {0};

    for (size_t c = 0; c < sizeof shapes / sizeof *shapes; c++) {
        oqt_complex whole[DENSE], exact[DENSE], parts[DENSE], rho[DENSE];

        make_dense(&m, shapes[c].n, shapes[c].dim, 11 + c);
        random_product(whole, parts, &m, 77 + c);
        for (int k = 0; k < 3; k++) {
            oqt_tebd *run = product_run(m.chain, parts, NULL, NULL, 0.3, orders[k], 1e-14, 1);

            memcpy(exact, whole, sizeof exact);
            for (int step = 0; step < 2; step++) {
                half_step(exact, &m, orders[k], 0.15);
                half_step(exact, &m, orders[k], 0.15);
            }
            ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
            whole_density(rho, run, m.n);
            ck_assert_msg(max_diff_complex(rho, exact, m.d * m.d) < 1e-11, "shape %zu, order %d: %g", c,
                          orders[k], max_diff_complex(rho, exact, m.d * m.d));
            oqt_tebd_destroy(run);
        }
        free_dense(&m);
    }
}
END_TEST

START_TEST(errors_fall_with_the_order)
{
    static const size_t dim[3] = {2, 3, 2};
    static const int orders[3] = {1, 2, 4};
    struct dense_chain m;
    oqt_complex whole[DENSE], exact[DENSE], parts[DENSE], rho[DENSE], *sum;
    size_t n;
    oqt_error err = {0};

    make_dense(&m, 3, dim, 5);
    random_product(whole, parts, &m, 6);
    n = m.d * m.d;
    sum = calloc(n * n, sizeof *sum);
    for (size_t b = 0; b < 2; b++)
        for (size_t i = 0; i < n * n; i++) {
            sum[i].re += m.bond[b][i].re;
            sum[i].im += m.bond[b][i].im;
        }
    memcpy(exact, whole, sizeof exact);
    evolve(exact, sum, n, 0.4);
    for (int k = 0; k < 3; k++) {
        double error[2];

        for (int fine = 0; fine < 2; fine++) {
            oqt_tebd *run = product_run(m.chain, parts, NULL, NULL, fine ? 0.05 : 0.1, orders[k], 1e-14, 1);

            ASSERT_OK(oqt_tebd_step(run, fine ? 8 : 4, &err), err);
            whole_density(rho, run, 3);
            error[fine] = max_diff_complex(rho, exact, n);
            oqt_tebd_destroy(run);
        }
        double slope = log2(error[0] / error[1]);

        ck_assert_msg(fabs(slope - orders[k]) < 0.3, "order %d: %g", orders[k], slope);
    }
    free(sum);
    free_dense(&m);
}
END_TEST

/* ---- terms that depend on time ---- */

static int ramp(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = cos(3.0 * t);
    return 0;
}

/* Two sites have no Trotter error: the joint system of dimension 4, propagated in fine steps. */
START_TEST(drives_equal_the_joint_system)
{
    size_t dim[2] = {2, 2};
    oqt_complex initial[8], rho[16], joint[16], h[16] = {0}, wide[16] = {0}, u[256], vec[16], next[16];
    const oqt_complex one[4] = {{1, 0}, {0, 0}, {0, 0}, {1, 0}};
    oqt_chain *chain = NULL;
    oqt_system *site = NULL, *bond = NULL, *whole = NULL;
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd *run = NULL;
    size_t sites[2] = {0, 1};
    enum { FINE = 400 };
    oqt_error err = {0};
    uint64_t seed = 3;

    random_state(initial, 2, &seed);
    random_state(initial + 4, 2, &seed);
    memset(joint, 0, sizeof joint);
    add_kron(joint, 1.0, initial, 2, initial + 4, 2);
    add_kron(h, 0.8, sigma_z, 2, sigma_x, 2);
    ASSERT_OK(oqt_chain_create(&chain, 2, dim, &err), err);
    ASSERT_OK(oqt_system_create(&site, 2, sigma_z, &err), err);
    ASSERT_OK(oqt_system_add_drive(site, ramp, NULL, sigma_x, &err), err);
    ASSERT_OK(oqt_system_create(&bond, 4, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(bond, ramp, NULL, h, &err), err);
    ASSERT_OK(oqt_chain_add_site(chain, 1, site, &err), err);
    ASSERT_OK(oqt_chain_add_bond(chain, 0, bond, &err), err);

    ASSERT_OK(oqt_system_create(&whole, 4, h, &err), err);
    oqt_system_destroy(whole);
    add_kron(wide, 1.0, one, 2, sigma_z, 2);
    for (size_t i = 0; i < 16; i++) {
        wide[i].re += h[i].re;
        wide[i].im += h[i].im;
    }
    ASSERT_OK(oqt_system_create(&whole, 4, wide, &err), err);
    memset(wide, 0, sizeof wide);
    add_kron(wide, 1.0, one, 2, sigma_x, 2);
    ASSERT_OK(oqt_system_add_drive(whole, ramp, NULL, wide, &err), err);
    ASSERT_OK(oqt_system_add_dissipator_rate(whole, ramp, NULL, h, &err), err);
    memcpy(vec, joint, sizeof vec);
    for (int k = 0; k < FINE; k++) {
        ASSERT_OK(oqt_system_propagator_between(u, whole, 0.5 + 0.4 * k / FINE, 0.5 + 0.4 * (k + 1) / FINE,
                                                NULL, OQT_PROPAGATE_MAGNUS, &err),
                  err);
        for (size_t i = 0; i < 16; i++) {
            double complex sum = 0.0;

            for (size_t j = 0; j < 16; j++)
                sum += to_c99(u[i * 16 + j]) * to_c99(vec[j]);
            next[i] = from_c99(sum);
        }
        memcpy(vec, next, sizeof vec);
    }
    double error[2];

    for (int fine = 0; fine < 2; fine++) {
        opt.dt = fine ? 0.05 : 0.1;
        opt.start_time = 0.5;
        opt.tolerance = 1e-13;
        ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
        ASSERT_OK(oqt_tebd_step(run, fine ? 8 : 4, &err), err);
        ASSERT_OK(oqt_tebd_density(rho, run, 2, sites, &err), err);
        error[fine] = max_diff_complex(rho, vec, 16);
        oqt_tebd_destroy(run);
    }
    ck_assert_double_lt(error[1], 1e-6);
    ck_assert_double_gt(log2(error[0] / error[1]), 3.7); /* fourth order */
    oqt_system_destroy(site);
    oqt_system_destroy(bond);
    oqt_system_destroy(whole);
    oqt_chain_destroy(chain);
}
END_TEST

static int fail_late(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 1.0;
    return t > 2.0;
}

/* The run stands after the last step before the failure, with records and controls up to there. */
START_TEST(failing_callbacks_leave_the_steps_before)
{
    enum { DONE = 10 }; /* the step from t = 2 fails */
    oqt_chain *chain = xyz_chain(3);
    oqt_complex initial[12], flip[16], rho[(DONE + 4) * 12], wanted[(DONE + 1) * 12];
    const oqt_control *controls[3] = {NULL};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd_records records = OQT_TEBD_RECORDS_INIT;
    oqt_control *control = NULL;
    oqt_system *site = NULL;
    oqt_tebd_stats stats;
    oqt_error err = {0};
    oqt_tebd *run = NULL;

    for (size_t i = 0; i < 3; i++)
        set_state(initial, i, UP);
    ASSERT_OK(oqt_system_create(&site, 2, sigma_z, &err), err);
    ASSERT_OK(oqt_system_add_drive(site, fail_late, NULL, sigma_x, &err), err);
    ASSERT_OK(oqt_chain_add_site(chain, 1, site, &err), err);
    ASSERT_OK(oqt_super_unitary(flip, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    for (uint64_t step = DONE; step < DONE + 2;
         step++) /* after the record, before the failing step: not yet */
        ASSERT_OK(oqt_control_add(control, step, step == DONE ? OQT_POST : OQT_PRE, flip, &err), err);
    controls[2] = control;
    opt.dt = 0.2;
    opt.n_threads = 2;
    for (int late = 0; late < 2; late++) {
        opt.site_controls = late ? controls : NULL;
        for (int fails = 0; fails < 2; fails++) {
            ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
            records.densities = fails ? rho : wanted;
            if (fails)
                ck_assert_int_eq(oqt_tebd_record(&records, run, DONE + 3, &err), OQT_ECALLBACK);
            else
                ASSERT_OK(oqt_tebd_record(&records, run, DONE, &err), err);
            oqt_tebd_get_stats(&stats, run);
            ck_assert_uint_eq(stats.n_steps, DONE);
            if (fails) {
                ck_assert_mem_eq(rho, wanted, sizeof wanted);
                ck_assert_int_eq(oqt_tebd_step(run, 1, &err), OQT_ECALLBACK);
                ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
                ck_assert_mem_eq(rho, wanted + (size_t)DONE * 12, 12 * sizeof *rho);
            }
            oqt_tebd_destroy(run);
        }
    }
    oqt_control_destroy(control);
    oqt_system_destroy(site);
    oqt_chain_destroy(chain);
}
END_TEST

START_TEST(failed_runs_have_no_state)
{
    const oqt_complex nothing[16] = {{0, 0}};
    oqt_chain *chain = xyz_chain(3);
    oqt_complex initial[12], out[256];
    const oqt_control *controls[3] = {NULL};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_control *control = NULL;
    oqt_error err = {0};
    oqt_tebd *run = NULL;
    double entropy[2];

    for (size_t i = 0; i < 3; i++)
        set_state(initial, i, UP);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 2, OQT_POST, nothing, &err), err);
    controls[1] = control;
    opt.dt = 0.2;
    opt.site_controls = controls;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
    ck_assert_int_eq(oqt_tebd_step(run, 4, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_step(run, 1, &err), OQT_ECONV);
    ck_assert_ptr_nonnull(strstr(err.text, "failed before"));
    ck_assert_int_eq(oqt_tebd_density(out, run, 1, (size_t[]){0}, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_densities(out, run, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_expectations(out, run, initial, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_correlators(out, run, initial, initial, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_entropies(entropy, NULL, run, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_tensor(out, run, 0, 0, &err), OQT_ECONV);
    ck_assert_int_eq(oqt_tebd_save(run, "never-written", &err), OQT_ECONV);
    ck_assert(isnan(oqt_tebd_trace(run)));
    oqt_tebd_destroy(run);
    oqt_control_destroy(control);
    oqt_chain_destroy(chain);
}
END_TEST

/* ---- truncation ---- */

/* Truncations, however coarse, leave every trace as it is. Without them the bond would be 64. */
START_TEST(truncation_conserves_traces)
{
    oqt_chain *chain = xyz_chain(6);
    oqt_complex initial[24], rho[24];
    oqt_error err = {0};
    oqt_tebd *run;
    oqt_tebd_stats stats;

    for (size_t i = 0; i < 6; i++)
        set_state(initial, i, i % 2 ? DOWN : UP);
    run = product_run(chain, initial, NULL, NULL, 0.2, 2, 0.1, 1);
    ASSERT_OK(oqt_tebd_step(run, 30, &err), err);
    oqt_tebd_get_stats(&stats, run);
    ck_assert(stats.discarded_weight > 1e-4);
    ck_assert(stats.bond_dimension < 64);
    ck_assert(stats.trace_drift < 1e-13);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    for (size_t i = 0; i < 6; i++)
        ck_assert_double_eq_tol(rho[4 * i].re + rho[4 * i + 3].re, 1.0, 1e-13);
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}
END_TEST

/* The trace over the sites to one side is a vector of length 2^(n/2), which multiplies rounding errors. One
 * that leaves out of a bond what looks like nothing in the state lost 3e-8 here. */
START_TEST(traces_of_long_chains_hold)
{
    oqt_chain *chain = xyz_chain(LONG);
    oqt_complex initial[4 * LONG], rho[4 * LONG];
    oqt_error err = {0};
    oqt_tebd *run;
    oqt_tebd_stats stats;

    for (size_t i = 0; i < LONG; i++)
        set_state(initial, i, i ? DOWN : UP);
    run = product_run(chain, initial, NULL, NULL, 0.2, 4, 1e-2, 1);
    ASSERT_OK(oqt_tebd_step(run, 12, &err), err);
    oqt_tebd_get_stats(&stats, run);
    ck_assert_double_lt(stats.trace_drift, 1e-11);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    for (size_t i = 0; i < LONG; i++)
        ck_assert_double_eq_tol(rho[4 * i].re + rho[4 * i + 3].re, 1.0, 1e-11);
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}
END_TEST

/* The limit holds with the states that keep the traces, and they keep them. */
START_TEST(limits_of_bonds_hold)
{
    oqt_chain *chain = xyz_chain(6);
    oqt_complex initial[24];
    oqt_error err = {0};

    for (size_t i = 0; i < 6; i++)
        set_state(initial, i, i % 2 ? DOWN : UP);
    for (size_t limit = 3; limit < 12; limit += 4) {
        oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
        oqt_tebd_stats stats;
        oqt_tebd *run = NULL;

        opt.dt = 0.2;
        opt.max_bond = limit;
        ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
        ASSERT_OK(oqt_tebd_step(run, 10, &err), err);
        oqt_tebd_get_stats(&stats, run);
        ck_assert_uint_eq(stats.bond_dimension, limit);
        ck_assert(stats.bond_limit_hit);
        ck_assert_double_lt(stats.trace_drift, 1e-13);
        oqt_tebd_destroy(run);
    }
    oqt_chain_destroy(chain);
}
END_TEST

/* One gate that does nothing but truncate: the reduced states of either side stay, those across do not. */
START_TEST(truncation_leaves_either_side_alone)
{
    oqt_chain *chain = xyz_chain(4);
    static const size_t sides[3][2] = {{0, 1}, {2, 3}, {1, 2}};
    const oqt__trunc coarse = {.rel_tail = 0.3};
    oqt_error err = {0};
    oqt__mps mps;
    oqt__chain_ws ws = {0};
    oqt__trunc_record record = {0};
    oqt__gates gates = {0};
    double gate[256] = {0}, x[16], before[3][16], coordinates[16] = {0}, evolved[256];
    size_t d[4] = {2, 2, 2, 2};

    for (size_t i = 0; i < 16; i++)
        gate[17 * i] = 1.0;
    for (size_t i = 0; i < 4; i++)
        coordinates[4 * i + (i % 2 ? 3 : 0)] = 1.0;
    ASSERT_OK(oqt__gates_init(&gates, chain, &err), err);
    ASSERT_OK(oqt__mps_product(&mps, 4, d, coordinates, &err), err);
    for (int k = 0; k < 4; k++)
        for (size_t b = 0; b < 3; b++) {
            ASSERT_OK(oqt__gates_make(evolved, &gates, b, 0.0, 0.4, &err), err);
            ASSERT_OK(oqt__mps_gate(&mps, b, evolved, &(oqt__trunc){.rel_tail = 1e-14}, &ws, &record, &err),
                      err);
        }
    for (int k = 0; k < 3; k++)
        ASSERT_OK(oqt__mps_reduced(before[k], &mps, 2, sides[k], &err), err);
    record = (oqt__trunc_record){0};
    ASSERT_OK(oqt__mps_gate(&mps, 1, gate, &coarse, &ws, &record, &err), err);
    ck_assert(record.discarded_weight > 1e-3);
    for (int k = 0; k < 3; k++) {
        ASSERT_OK(oqt__mps_reduced(x, &mps, 2, sides[k], &err), err);
        if (k < 2)
            ck_assert_double_lt(max_diff(x, before[k], 16), 1e-13);
        else
            ck_assert_double_gt(max_diff(x, before[k], 16), 1e-4);
    }
    oqt__gates_release(&gates);
    oqt__mps_release(&mps);
    oqt__chain_ws_release(&ws);
    oqt_chain_destroy(chain);
}
END_TEST

/* ---- tasks ---- */

static void run_with_bath(oqt_complex *rho, oqt_tebd_stats *stats, const oqt_chain *chain, const oqt_pt *pt,
                          int n_threads, uint64_t at_once)
{
    size_t n_pt[MAX_SITES] = {1, 0, 0, 1};
    const oqt_pt *pts[2] = {pt, pt};
    oqt_complex initial[4 * MAX_SITES];
    oqt_error err = {0};
    oqt_tebd *run;

    for (size_t i = 0; i < MAX_SITES; i++)
        set_state(initial, i, i % 3 ? DOWN : UP);
    run = product_run(chain, initial, n_pt, pts, 0.2, 2, 1e-4, n_threads);
    for (uint64_t done = 0; done < 10; done += at_once)
        ASSERT_OK(oqt_tebd_step(run, at_once, &err), err);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    if (stats)
        oqt_tebd_get_stats(stats, run);
    oqt_tebd_destroy(run);
}

static oqt_pt *uniform_bath(void)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex coupling[4];
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    scale_complex(coupling, 0.5, sigma_y, 4);
    opt.tolerance = 1e-4;
    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.32, 1.0, 4.0, OQT_CUTOFF_EXPONENTIAL, 1.6, &err), err);
    ASSERT_OK(oqt_pt_create(&pt, bath, 2, coupling, 0.2, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

START_TEST(results_do_not_depend_on_threads_or_grouping)
{
    oqt_chain *chain = xyz_chain(MAX_SITES);
    oqt_pt *pt = uniform_bath();
    oqt_complex one[4 * MAX_SITES], other[4 * MAX_SITES];
    static const struct {
        int threads;
        uint64_t at_once;
    } runs[] = {{2, 10}, {4, 10}, {1, 1}, {3, 5}};
    oqt_tebd_stats stats;

    run_with_bath(one, &stats, chain, pt, 1, 10);
    ck_assert_uint_eq(stats.n_steps, 10);
    ck_assert(stats.work >= stats.span && stats.span > 0.0);
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++) {
        run_with_bath(other, NULL, chain, pt, runs[k].threads, runs[k].at_once);
        ck_assert_mem_eq(one, other, sizeof one);
    }
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
}
END_TEST

/* Threads in BLAS change rounding, which may keep a state at the tolerance or not; everything else nothing.
 */
START_TEST(what_threads_do_does_not_matter)
{
    oqt_chain *chain = xyz_chain(MAX_SITES);
    oqt_complex initial[4 * MAX_SITES], rho[4][4 * MAX_SITES];
    oqt_error err = {0};

    for (size_t i = 0; i < MAX_SITES; i++)
        set_state(initial, i, i % 3 ? DOWN : UP);
    for (int mode = OQT_PARALLEL_AUTO; mode <= OQT_PARALLEL_NONE; mode++) {
        oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
        oqt_tebd_stats stats;
        oqt_tebd *run = NULL;

        opt.dt = 0.2;
        opt.tolerance = 1e-7;
        opt.n_threads = 2;
        opt.parallel = (oqt_parallel)mode;
        ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
        ASSERT_OK(oqt_tebd_step(run, 12, &err), err);
        ASSERT_OK(oqt_tebd_densities(rho[mode], run, &err), err);
        oqt_tebd_get_stats(&stats, run);
        ck_assert_double_gt(stats.flops, 0.0);
        oqt_tebd_destroy(run);
    }
    ck_assert_mem_eq(rho[OQT_PARALLEL_AUTO], rho[OQT_PARALLEL_SITES], sizeof rho[0]);
    ck_assert_mem_eq(rho[OQT_PARALLEL_NONE], rho[OQT_PARALLEL_SITES], sizeof rho[0]);
    ck_assert_double_lt(max_diff_complex(rho[OQT_PARALLEL_BLAS], rho[OQT_PARALLEL_SITES], 4 * MAX_SITES),
                        1e-7);
    oqt_chain_destroy(chain);
}
END_TEST

/* ---- bad input ---- */

START_TEST(bad_input_is_refused)
{
    oqt_chain *chain = xyz_chain(3), *none = NULL;
    oqt_pt *pt = reference_bath();
    const oqt_pt *pts[1] = {pt};
    oqt_complex initial[12], wrong[12], rho[16];
    size_t one[3] = {1, 0, 0}, dims[2] = {2, 0}, sites[2] = {1, 1};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd *run = NULL;
    oqt_system *s = NULL;
    oqt_error err = {0};

    for (size_t i = 0; i < 3; i++)
        set_state(initial, i, UP);
    ck_assert_int_eq(oqt_chain_create(&none, 1, dims, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_chain_create(&none, 2, dims, &err), OQT_EINVAL);
    ck_assert_ptr_null(none);
    ASSERT_OK(oqt_system_create(&s, 2, sigma_x, &err), err);
    ck_assert_int_eq(oqt_chain_add_site(chain, 3, s, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_chain_add_bond(chain, 0, s, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_chain_add_bond(chain, 2, s, &err), OQT_EINVAL);
    oqt_system_destroy(s);

    opt.dt = 0.2;
    memcpy(wrong, initial, sizeof wrong);
    wrong[1].re = 1.0;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, wrong, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.dt = 0.1;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, one, pts, &opt, &err), OQT_EINVAL);
    opt.dt = 0.0;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.dt = 0.2;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, one, NULL, &opt, &err), OQT_EINVAL);
    opt.order = 3;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.order = 2;
    opt.struct_size += 8;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "later version"));
    opt.struct_size = 8;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.struct_size = sizeof opt;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, NULL, &err), OQT_EINVAL);
    opt.parallel = (oqt_parallel)17;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.parallel = OQT_PARALLEL_AUTO;
    opt.tolerance = 0.0;
    ck_assert_int_eq(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), OQT_EINVAL);
    ck_assert_ptr_null(run);
    opt.tolerance = 1e-6;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
    ck_assert_int_eq(oqt_tebd_density(rho, run, 2, sites, &err), OQT_EINVAL);
    oqt_tebd_destroy(run);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
}
END_TEST

static oqt_status make_and_step(void *ctx)
{
    const size_t n_pt[3] = {0, 1, 0};
    const oqt_pt *pts[1] = {ctx};
    size_t dim[3] = {2, 2, 2}, sites[2] = {0, 2};
    oqt_complex initial[12], rho[16], bond[16] = {0};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_chain *chain = NULL;
    oqt_system *s = NULL;
    oqt_tebd *run = NULL;
    oqt_status st;

    for (size_t i = 0; i < 3; i++)
        set_state(initial, i, UP);
    add_kron(bond, 1.0, sigma_x, 2, sigma_x, 2);
    opt.dt = 0.2;
    opt.n_threads = 2;
    if ((st = oqt_chain_create(&chain, 3, dim, NULL)) == OQT_OK &&
        (st = oqt_system_create(&s, 4, bond, NULL)) == OQT_OK &&
        (st = oqt_chain_add_bond(chain, 0, s, NULL)) == OQT_OK &&
        (st = oqt_chain_add_bond(chain, 1, s, NULL)) == OQT_OK &&
        (st = oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, NULL)) == OQT_OK &&
        (st = oqt_tebd_step(run, 2, NULL)) == OQT_OK && (st = oqt_tebd_densities(rho, run, NULL)) == OQT_OK)
        st = oqt_tebd_density(rho, run, 2, sites, NULL);
    oqt_tebd_destroy(run);
    oqt_system_destroy(s);
    oqt_chain_destroy(chain);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    oqt_pt *pt = reference_bath();

    ck_assert_uint_ge(check_every_allocation(make_and_step, pt), 40);
    oqt_pt_destroy(pt);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain");
    TCase *tc = tcase_create("chain");

    tcase_add_test(tc, closed_chain_gives_reference_numbers);
    tcase_add_test(tc, baths_give_reference_numbers);
    tcase_add_test(tc, pulses_give_reference_numbers);
    tcase_add_test(tc, controls_may_change_the_trace);
    tcase_add_test(tc, controls_count_in_figures);
    tcase_add_test(tc, drives_equal_the_joint_system);
    tcase_add_test(tc, failing_callbacks_leave_the_steps_before);
    tcase_add_test(tc, failed_runs_have_no_state);
    tcase_add_test(tc, chains_equal_dense_products);
    tcase_add_test(tc, errors_fall_with_the_order);
    tcase_add_test(tc, truncation_conserves_traces);
    tcase_add_test(tc, traces_of_long_chains_hold);
    tcase_add_test(tc, limits_of_bonds_hold);
    tcase_add_test(tc, truncation_leaves_either_side_alone);
    tcase_add_test(tc, results_do_not_depend_on_threads_or_grouping);
    tcase_add_test(tc, what_threads_do_does_not_matter);
    tcase_add_test(tc, bad_input_is_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
