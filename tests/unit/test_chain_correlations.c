/* test_chain_correlations.c - correlations of several times on chains. */
#include "chain/chain_priv.h"
#include "chains.h"

static oqt_system *system_of(size_t d, const oqt_complex *h)
{
    oqt_system *s = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_system_create(&s, d, h, &err), err);
    return s;
}

static double off(oqt_complex z, double re, double im)
{
    return hypot(z.re - re, z.im - im);
}

/* ---- numbers of the reference for one site ---- */

/* The site of interest is the second of two that are not coupled. The printed numbers carry the error of the
 * reference's quadrature, about 1e-9. */
START_TEST(a_site_alone_gives_reference_numbers)
{
    static const double complex ordered[4][4] = {
        {0.0, -0.476849305076 * I, -0.828299208844 * I, -0.964708042972 * I},
        {0.0, -0.476849305076 * I, -0.00201535593463 - 0.837564543598 * I,
         -0.00811352168493 - 0.987253382111 * I},
        {0.0, 0.0, -0.828282080598 * I, -0.00420712225393 - 0.987252148517 * I},
        {0.0, 0.0, 0.0, -0.964535978390 * I}};
    static const double complex anti[4][4] = {
        {0.0},
        {0.0, -0.476849305076 * I},
        {-0.00403071186927, -0.00201535593463 - 0.467566842076 * I, -0.828282080598 * I},
        {-0.0172282619454, -0.0128212532266 - 0.453566345380 * I, -0.00420712225393 - 0.805565910471 * I,
         -0.964535978390 * I}};
    static const double complex four[3] = {4.5600166953e-5 - 5.3653426232e-3 * I,
                                           5.19232876569e-3 - 9.16627451340e-3 * I,
                                           9.44281608040e-3 - 1.85346868245e-2 * I};
    size_t dim[2] = {2, 2}, n_pt[2] = {0, 1};
    oqt_complex h[4], coupling[4], initial[8] = {{1, 0}, {0, 0}, {0, 0}, {0, 0}, {1, 0}}, op[8] = {{0, 0}};
    oqt_complex s[3][16], out[8];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_chain *chain = NULL;
    oqt_system *site;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    scale_complex(h, 2.5, sigma_x, 4);
    scale_complex(coupling, 0.5, sigma_z, 4);
    oqt_pt *pt = ohmic_tensor(2, coupling, 0.1, 5, 0.1, 3.0, 1.0, 1e-12);
    const oqt_pt *pts[1] = {pt};

    site = system_of(2, h);
    ASSERT_OK(oqt_chain_create(&chain, 2, dim, &err), err);
    ASSERT_OK(oqt_chain_add_site(chain, 1, site, &err), err);
    opt.dt = 0.1;
    opt.tolerance = 1e-13;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    for (uint64_t at = 0; at < 4; at++) {
        oqt_tebd_insertion ins = {at, 1, s[0]};

        oqt_super_left(s[0], 2, sigma_x);
        memcpy(op + 4, sigma_z, sizeof sigma_z);
        ASSERT_OK(oqt_tebd_correlations(out, run, 1, &ins, op, 3 - at, &err), err);
        for (uint64_t t = at; t < 4; t++)
            ck_assert_double_lt(off(out[2 * (t - at) + 1], creal(ordered[at][t]), cimag(ordered[at][t])),
                                3e-9);
        oqt_super_right(s[0], 2, sigma_z);
        memcpy(op + 4, sigma_x, sizeof sigma_x);
        ASSERT_OK(oqt_tebd_correlations(out, run, 1, &ins, op, 3 - at, &err), err);
        for (uint64_t t = at; t < 4; t++)
            ck_assert_double_lt(off(out[2 * (t - at) + 1], creal(anti[t][at]), cimag(anti[t][at])), 3e-9);
    }
    oqt_super_left(s[0], 2, sigma_x);
    oqt_super_right(s[1], 2, sigma_y);
    oqt_super_left(s[2], 2, sigma_z);
    oqt_tebd_insertion three[3] = {{1, 1, s[0]}, {2, 1, s[1]}, {2, 1, s[2]}};

    ASSERT_OK(oqt_tebd_correlations(out, run, 3, three, op, 3, &err), err);
    for (int t = 1; t <= 3; t++)
        ck_assert_double_lt(off(out[2 * t + 1], creal(four[t - 1]), cimag(four[t - 1])), 3e-9);
    oqt_tebd_destroy(run);
    oqt_system_destroy(site);
    oqt_chain_destroy(chain);
    oqt_pt_destroy(pt);
}
END_TEST

/* ---- the joint system ---- */

enum { MAX_JOINT = 12, N_STEPS = 6 };

/* A chain and the same as one system, whose gates commute, so that there is no Trotter error. */
struct pair {
    size_t n, dim[3], d;
    oqt_chain *chain;
    oqt_system *joint;
    size_t n_terms;
    oqt_complex h[MAX_JOINT * MAX_JOINT], term[5][MAX_JOINT * MAX_JOINT]; /* dissipators */
    oqt_complex initial[27], whole[MAX_JOINT * MAX_JOINT];
    size_t n_pt[3];
    oqt_complex pulse[16]; /* on site 0 at step 2, before and after the record */
    oqt_pt *pt, *joint_pt; /* of the bath on the site `bath` */
};

/* Like embed, for a superoperator of one site. */
static void embed_super(oqt_complex *out, const struct pair *m, size_t site, const oqt_complex *s)
{
    size_t after = 1, own = m->dim[site], d2 = m->d * m->d;

    for (size_t i = site + 1; i < m->n; i++)
        after *= m->dim[i];
    for (size_t row = 0; row < d2; row++)
        for (size_t col = 0; col < d2; col++) {
            size_t i = row / m->d, j = row % m->d, k = col / m->d, l = col % m->d;
            bool same = i % after == k % after && i / (after * own) == k / (after * own) &&
                        j % after == l % after && j / (after * own) == l / (after * own);
            size_t from = k / after % own * own + l / after % own,
                   to = i / after % own * own + j / after % own;

            out[row * d2 + col] = same ? s[to * own * own + from] : (oqt_complex){0, 0};
        }
}

/* Any Hamiltonian and dissipator, or diagonal ones. */
static void add_terms(struct pair *m, size_t first, size_t last, bool diagonal, uint64_t *seed)
{
    size_t d = first == last ? m->dim[first] : m->dim[first] * m->dim[last];
    oqt_complex h[36], a[36], wide[MAX_JOINT * MAX_JOINT];
    oqt_system *s;
    oqt_error err = {0};

    random_hermitian(h, d, seed);
    random_complex(a, d * d, seed);
    for (size_t i = 0; i < d * d && diagonal; i++)
        if (i % (d + 1) != 0)
            h[i] = a[i] = (oqt_complex){0, 0};
    s = damped_system(d, h, 0.1, a);
    ASSERT_OK(first == last ? oqt_chain_add_site(m->chain, first, s, &err)
                            : oqt_chain_add_bond(m->chain, first, s, &err),
              err);
    embed(wide, m->n, m->dim, first, last, h);
    for (size_t i = 0; i < m->d * m->d; i++) {
        m->h[i].re += wide[i].re;
        m->h[i].im += wide[i].im;
    }
    oqt_system_destroy(s);
    embed(m->term[m->n_terms++], m->n, m->dim, first, last, a);
}

/* A bath on sigma_x of a site of two levels. */
static void make_pair(struct pair *m, size_t n, const size_t *dim, size_t bath, bool diagonal, uint64_t seed)
{
    const oqt_complex turn[4] = {{0.8, 0.0}, {0.0, 0.6}, {0.0, 0.6}, {0.8, 0.0}};
    oqt_complex coupling[4], wide[MAX_JOINT * MAX_JOINT], *at = m->initial;
    oqt_error err = {0};

    *m = (struct pair){.n = n, .d = 1};
    for (size_t i = 0; i < n; i++) {
        m->dim[i] = dim[i];
        m->d *= dim[i];
    }
    ASSERT_OK(oqt_chain_create(&m->chain, n, dim, &err), err);
    for (size_t i = 0; i < n; i++)
        add_terms(m, i, i, diagonal, &seed);
    for (size_t i = 0; i + 1 < n; i++)
        add_terms(m, i, i + 1, diagonal, &seed);
    m->joint = system_of(m->d, m->h);
    for (size_t k = 0; k < m->n_terms; k++)
        ASSERT_OK(oqt_system_add_dissipator(m->joint, 0.1, m->term[k], &err), err);
    for (size_t i = 0; i < m->d * m->d; i++)
        m->whole[i] = (oqt_complex){1.0, 0.0};
    for (size_t i = 0; i < n; at += dim[i] * dim[i], i++) { /* the product of all states */
        size_t after = 1;

        random_state(at, dim[i], &seed);
        for (size_t k = i + 1; k < n; k++)
            after *= dim[k];
        for (size_t k = 0; k < m->d * m->d; k++)
            m->whole[k] =
                from_c99(to_c99(m->whole[k]) *
                         to_c99(at[k / m->d / after % dim[i] * dim[i] + k % m->d / after % dim[i]]));
    }
    ASSERT_OK(oqt_super_unitary(m->pulse, 2, turn, &err), err);
    m->n_pt[bath] = 1;
    scale_complex(coupling, 0.5, sigma_x, 4);
    embed(wide, m->n, m->dim, bath, bath, coupling);
    m->pt = ohmic_tensor(2, coupling, 0.2, N_STEPS, 0.2, 4.0, 1.6, 1e-10);
    m->joint_pt = ohmic_tensor(m->d, wide, 0.2, N_STEPS, 0.2, 4.0, 1.6, 1e-10);
}

static void free_pair(struct pair *m)
{
    oqt_chain_destroy(m->chain);
    oqt_system_destroy(m->joint);
    oqt_pt_destroy(m->pt);
    oqt_pt_destroy(m->joint_pt);
}

static oqt_tebd *start(const struct pair *m, double tolerance, int n_threads)
{
    const oqt_pt *pts[1] = {m->pt};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    const oqt_control *controls[3] = {NULL, NULL, NULL};
    oqt_control *control = NULL;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    opt.dt = 0.2;
    opt.tolerance = tolerance;
    opt.n_threads = n_threads;
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 2, OQT_PRE, m->pulse, &err), err);
    ASSERT_OK(oqt_control_add(control, 2, OQT_POST, m->pulse, &err), err);
    controls[0] = control;
    opt.site_controls = controls;
    ASSERT_OK(oqt_tebd_create(&run, m->chain, m->initial, m->n_pt, pts, &opt, &err), err);
    oqt_control_destroy(control);
    return run;
}

/* The same with controls of the joint system, which may be any superoperators. */
static void joint_correlations(double complex *out, const struct pair *m, size_t n,
                               const oqt_tebd_insertion *ins, const oqt_complex *op, uint64_t n_steps)
{
    size_t d2 = m->d * m->d;
    oqt_complex *super = malloc(d2 * d2 * sizeof *super), *rho = malloc((N_STEPS + 1) * d2 * sizeof *rho);
    oqt_complex wide[MAX_JOINT * MAX_JOINT];
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    const oqt_pt *pts[1] = {m->joint_pt};
    const oqt_system *systems[1] = {m->joint};
    oqt_control *control = NULL;
    oqt_dynamics *dyn = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_control_create(&control, m->d, &err), err);
    embed_super(super, m, 0, m->pulse);
    ASSERT_OK(oqt_control_add(control, 2, OQT_PRE, super, &err), err);
    ASSERT_OK(oqt_control_add(control, 2, OQT_POST, super, &err), err);
    for (size_t k = 0; k < n; k++) {
        embed_super(super, m, ins[k].site, ins[k].superop);
        ASSERT_OK(oqt_control_add(control, ins[k].step, OQT_PRE, super, &err), err);
    }
    opt.n_controls = 1;
    opt.controls = (const oqt_control *const *)&control;
    opt.dt = 0.2;
    ASSERT_OK(oqt_dynamics_create(&dyn, 1, pts, 1, systems, m->whole, &opt, &err), err);
    ASSERT_OK(oqt_dynamics_record(rho, dyn, N_STEPS, &err), err);
    for (uint64_t t = 0; t <= n_steps; t++) {
        const oqt_complex *state = rho + (ins[n - 1].step + t) * d2, *at = op;

        for (size_t j = 0; j < m->n; at += m->dim[j] * m->dim[j], j++) {
            double complex sum = 0.0;

            embed(wide, m->n, m->dim, j, j, at);
            for (size_t i = 0; i < d2; i++)
                sum += to_c99(wide[i]) * to_c99(state[i % m->d * m->d + i / m->d]);
            out[t * m->n + j] = sum;
        }
    }
    oqt_dynamics_destroy(dyn);
    oqt_control_destroy(control);
    free(super);
    free(rho);
}

static void compare(const struct pair *m, uint64_t begin, size_t n, const oqt_tebd_insertion *ins,
                    const oqt_complex *op, uint64_t n_steps, double tol)
{
    oqt_complex out[3 * (N_STEPS + 1)];
    double complex exact[3 * (N_STEPS + 1)];
    double largest = 0.0;
    oqt_tebd *run = start(m, 1e-12, 1);
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_step(run, begin, &err), err);
    ASSERT_OK(oqt_tebd_correlations(out, run, n, ins, op, n_steps, &err), err);
    joint_correlations(exact, m, n, ins, op, n_steps);
    for (size_t i = 0; i < m->n * (n_steps + 1); i++) {
        ck_assert_msg(off(out[i], creal(exact[i]), cimag(exact[i])) < tol, "%zu: %g", i,
                      off(out[i], creal(exact[i]), cimag(exact[i])));
        largest = fmax(largest, cabs(exact[i]));
    }
    ck_assert_double_gt(largest, 1e-2);
    oqt_tebd_destroy(run);
}

/* One, two and three insertions, on one site and on several, from one side and of any kind. */
static void compare_insertions(const struct pair *m, uint64_t seed, double tol)
{
    oqt_complex op[27], a[9], left[81], right[81], any[81];
    size_t last = m->n - 1;

    random_complex(op, 27, &seed);
    random_complex(a, 9, &seed);
    oqt_super_left(left, m->dim[0], a);
    oqt_super_right(right, m->dim[last], a);
    random_complex(any, 81, &seed);
    compare(m, 0, 1, (oqt_tebd_insertion[]){{0, 0, left}}, op, N_STEPS, tol);
    compare(m, 2, 1, (oqt_tebd_insertion[]){{2, last, any}}, op, N_STEPS - 2, 10.0 * tol);
    compare(m, 1, 2, (oqt_tebd_insertion[]){{1, 0, left}, {3, last, right}}, op, N_STEPS - 3, 10.0 * tol);
    compare(m, 1, 3, (oqt_tebd_insertion[]){{2, last, right}, {4, 0, left}, {4, last, any}}, op, 2,
            10.0 * tol);
}

START_TEST(two_sites_equal_the_joint_system)
{
    static const size_t dims[2][2] = {{2, 2}, {2, 3}};

    for (size_t c = 0; c < 2; c++) {
        struct pair m;

        make_pair(&m, 2, dims[c], 0, false, 5 + c);
        compare_insertions(&m, 21 + c, 1e-10);
        free_pair(&m);
    }
}
END_TEST

START_TEST(three_sites_with_gates_that_commute_equal_the_joint_system)
{
    static const size_t dim[3] = {2, 2, 2};
    struct pair m;

    make_pair(&m, 3, dim, 1, true, 8);
    compare_insertions(&m, 33, 1e-10);
    free_pair(&m);
}
END_TEST

/* ---- free fermions ---- */

enum { LONG = 8 };

/* |<j| exp(-i h t) |i>|^2 of the hopping matrix h, by its eigenvectors. */
static double transfer(const double *w, const double *v, size_t j, size_t i, double t)
{
    double complex u = 0.0;

    for (size_t k = 0; k < LONG; k++)
        u += v[j * LONG + k] * v[i * LONG + k] * cexp(-I * w[k] * t);
    return creal(u) * creal(u) + cimag(u) * cimag(u);
}

/* Eight sites of an XX chain in random fields, begun with occupations n_k: by Wick's theorem
 * <n_j(t) n_i> = <n_j(t)> n_i + |U_ji|^2 n_i (1 - n_i), and <n_j(t)> = sum_k |U_jk|^2 n_k. */
START_TEST(long_chains_equal_free_fermions)
{
    enum { SITE = 3, STEPS = 6 };
    const double dt = 0.15;
    double h[LONG * LONG] = {0}, w[LONG], v[LONG * LONG], n[LONG];
    oqt_complex initial[4 * LONG], op[4 * LONG], occupied[4] = {{1, 0}}, exchange[16] = {{0, 0}}, s[16];
    oqt_complex out[(STEPS + 1) * LONG];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    size_t dim[LONG];
    oqt_chain *chain = NULL;
    oqt_system *bond;
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    uint64_t seed = 12;

    exchange[6].re = exchange[9].re = 0.9;
    bond = system_of(4, exchange);
    memset(initial, 0, sizeof initial);
    for (size_t i = 0; i < LONG; i++) {
        dim[i] = 2;
        n[i] = random_uniform(&seed);
        initial[4 * i].re = n[i];
        initial[4 * i + 3].re = 1.0 - n[i];
        memcpy(op + 4 * i, occupied, sizeof occupied);
    }
    ASSERT_OK(oqt_chain_create(&chain, LONG, dim, &err), err);
    for (size_t i = 0; i < LONG; i++) {
        oqt_complex field[4] = {{random_normal(&seed), 0}};
        oqt_system *site = system_of(2, field);

        ASSERT_OK(oqt_chain_add_site(chain, i, site, &err), err);
        oqt_system_destroy(site);
        h[i * (LONG + 1)] = field[0].re;
        if (i + 1 == LONG)
            break;
        ASSERT_OK(oqt_chain_add_bond(chain, i, bond, &err), err);
        h[i * LONG + i + 1] = h[(i + 1) * LONG + i] = 0.9;
    }
    ASSERT_OK(oqt__eigh(w, v, h, LONG, &err), err);
    opt.dt = dt;
    opt.order = 4;
    opt.tolerance = 1e-6;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
    oqt_super_left(s, 2, occupied);
    ASSERT_OK(oqt_tebd_correlations(out, run, 1, &(oqt_tebd_insertion){0, SITE, s}, op, STEPS, &err), err);
    for (size_t t = 0; t <= STEPS; t++)
        for (size_t j = 0; j < LONG; j++) {
            double mean = 0.0, at = dt * (double)t, own = transfer(w, v, j, SITE, at);

            for (size_t k = 0; k < LONG; k++)
                mean += transfer(w, v, j, k, at) * n[k];
            ck_assert_double_lt(off(out[t * LONG + j], mean * n[SITE] + own * n[SITE] * (1.0 - n[SITE]), 0.0),
                                1e-6);
        }
    oqt_tebd_destroy(run);
    oqt_system_destroy(bond);
    oqt_chain_destroy(chain);
}
END_TEST

/* ---- the run stays ---- */

static int stop_later(const char *phase, double fraction, void *ctx)
{
    (void)phase;
    (void)fraction;
    return --*(int *)ctx <= 0;
}

/* Whatever comes of it, the run goes on as if nothing had been. */
START_TEST(runs_stand_where_they_stood)
{
    static const size_t dim[2] = {2, 3};
    struct pair m;
    oqt_complex op[27], any[81], out[16], before[36], after[36];
    size_t sites[2] = {0, 1};
    oqt_tebd *run, *other;
    oqt_tebd_stats stats, same;
    oqt_error err = {0};
    uint64_t seed = 2;

    make_pair(&m, 2, dim, 0, false, 5);
    random_complex(op, 27, &seed);
    random_complex(any, 81, &seed);
    run = start(&m, 1e-6, 2);
    other = start(&m, 1e-6, 1);
    ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
    ASSERT_OK(oqt_tebd_step(other, 2, &err), err);
    oqt_tebd_get_stats(&stats, run);
    oqt_tebd_insertion ins[2] = {{3, 0, any}, {4, 1, any}};

    ASSERT_OK(oqt_tebd_correlations(out, run, 2, ins, op, 2, &err), err);
    oqt_tebd_get_stats(&same, run);
    ck_assert_uint_eq(same.n_steps, 2);
    ck_assert_uint_eq(same.bond_dimension, stats.bond_dimension);
    ck_assert(same.discarded_weight == stats.discarded_weight);
    ASSERT_OK(oqt_tebd_step(run, 4, &err), err);
    ASSERT_OK(oqt_tebd_step(other, 4, &err), err);
    ASSERT_OK(oqt_tebd_density(before, other, 2, sites, &err), err);
    ASSERT_OK(oqt_tebd_density(after, run, 2, sites, &err), err);
    ck_assert_mem_eq(before, after, sizeof before);
    oqt_tebd_destroy(run);
    oqt_tebd_destroy(other);
    free_pair(&m);
}
END_TEST

START_TEST(canceled_correlations_leave_the_run)
{
    static const size_t dim[2] = {2, 2};
    struct pair m;
    oqt_complex op[8], any[16], out[16], kept[16], before[8], after[8];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd *run = NULL;
    int left = 1000;
    oqt_error err = {0};
    uint64_t seed = 2;

    make_pair(&m, 2, dim, 0, false, 5);
    const oqt_pt *pts[1] = {m.pt};

    random_complex(op, 8, &seed);
    random_complex(any, 16, &seed);
    random_complex(out, 16, &seed);
    memcpy(kept, out, sizeof out);
    opt.dt = 0.2;
    opt.progress = (oqt_progress){stop_later, &left};
    ASSERT_OK(oqt_tebd_create(&run, m.chain, m.initial, m.n_pt, pts, &opt, &err), err);
    ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
    ASSERT_OK(oqt_tebd_densities(before, run, &err), err);
    oqt_tebd_insertion ins = {2, 0, any};

    for (left = 1; left < 4; left++) { /* on the way to the insertion, and in both parts of it */
        int kept_left = left;

        ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &ins, op, 4, &err), OQT_ECANCELED);
        left = kept_left;
        ck_assert_mem_eq(out, kept, sizeof out);
        ASSERT_OK(oqt_tebd_densities(after, run, &err), err);
        ck_assert_mem_eq(before, after, sizeof before);
    }
    left = 1000;
    ASSERT_OK(oqt_tebd_correlations(out, run, 1, &ins, op, 4, &err), err);
    oqt_tebd_destroy(run);
    free_pair(&m);
}
END_TEST

/* Lowering what is down leaves nothing, and a commutator with the identity neither. */
START_TEST(insertions_may_leave_nothing)
{
    static const size_t dim[2] = {2, 2};
    const oqt_complex down[4] = {{0, 0}, {0, 0}, {0, 0}, {1, 0}},
                      mixed[4] = {{0.5, 0}, {0, 0}, {0, 0}, {0.5, 0}};
    oqt_complex initial[8], op[8], s[16], out[12];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    struct pair m;
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    oqt_tebd_insertion ins = {0, 0, s};

    make_pair(&m, 2, dim, 0, false, 5);
    opt.dt = 0.2;
    memcpy(initial, down, sizeof down);
    memcpy(initial + 4, mixed, sizeof mixed);
    memcpy(op, sigma_z, sizeof sigma_z);
    memcpy(op + 4, sigma_z, sizeof sigma_z);
    ASSERT_OK(oqt_tebd_create(&run, m.chain, initial, NULL, NULL, &opt, &err), err);
    oqt_super_left(s, 2, sigma_minus);
    ASSERT_OK(oqt_tebd_correlations(out, run, 1, &ins, op, 5, &err), err);
    for (size_t i = 0; i < 12; i++)
        ck_assert(out[i].re == 0.0 && out[i].im == 0.0);
    oqt_super_left(s, 2, sigma_z); /* sigma_z rho = -rho */
    ASSERT_OK(oqt_tebd_correlations(out, run, 1, &ins, op, 5, &err), err);
    ck_assert_double_lt(off(out[0], 1.0, 0.0), 1e-14);
    for (size_t t = 0; t <= 5; t++) {
        oqt_complex one[2];

        if (t > 0)
            ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
        ASSERT_OK(oqt_tebd_expectations(one, run, op, &err), err);
        for (size_t j = 0; j < 2; j++) {
            ck_assert_double_lt(off(out[2 * t + j], -one[j].re, 0.0), 1e-13);
            ck_assert(out[2 * t + j].im == 0.0);
        }
    }
    oqt_tebd_destroy(run);
    free_pair(&m);
}
END_TEST

/* ---- bad input ---- */

START_TEST(bad_input_is_refused)
{
    static const size_t dim[2] = {2, 2};
    struct pair m;
    oqt_complex op[8], any[16], wrong[16], out[16];
    oqt_tebd *run;
    oqt_error err = {0};
    uint64_t seed = 2;

    make_pair(&m, 2, dim, 0, false, 5);
    random_complex(op, 8, &seed);
    random_complex(any, 16, &seed);
    memcpy(wrong, any, sizeof any);
    wrong[7].im = NAN;
    run = start(&m, 1e-6, 1);
    ASSERT_OK(oqt_tebd_step(run, 2, &err), err);
    oqt_tebd_insertion good = {3, 0, any}, early = {1, 0, any}, beyond = {3, 2, any}, none = {3, 0, NULL},
                       bad = {3, 0, wrong}, turned[2] = {{4, 0, any}, {3, 0, any}};

    ck_assert_int_eq(oqt_tebd_correlations(NULL, run, 1, &good, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, NULL, 1, &good, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 0, &good, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 17, &good, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &early, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &beyond, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &none, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &bad, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 2, turned, op, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &good, wrong, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &good, op, N_STEPS - 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_correlations(out, run, 1, &good, op, UINT64_MAX, &err), OQT_EINVAL);
    ASSERT_OK(oqt_tebd_correlations(out, run, 1, &good, op, N_STEPS - 3, &err), err);
    oqt_tebd_destroy(run);
    free_pair(&m);
}
END_TEST

static oqt_status make_and_correlate(void *ctx)
{
    const struct pair *m = ctx;
    const oqt_pt *pts[1] = {m->pt};
    oqt_complex s[16], out[8];
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd *run = NULL;
    oqt_status st;
    oqt_tebd_insertion ins[2] = {{0, 0, s}, {1, 1, s}};

    oqt_super_left(s, 2, sigma_x);
    opt.dt = 0.2;
    opt.n_threads = 1;
    if ((st = oqt_tebd_create(&run, m->chain, m->initial, m->n_pt, pts, &opt, NULL)) == OQT_OK)
        st = oqt_tebd_correlations(out, run, 2, ins, m->initial, 1, NULL);
    oqt_tebd_destroy(run);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    static const size_t dim[2] = {2, 2};
    struct pair m;

    make_pair(&m, 2, dim, 0, false, 5);
    ck_assert_uint_ge(check_every_allocation(make_and_correlate, &m), 60);
    free_pair(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_correlations");
    TCase *tc = tcase_create("chain_correlations");

    tcase_add_test(tc, a_site_alone_gives_reference_numbers);
    tcase_add_test(tc, two_sites_equal_the_joint_system);
    tcase_add_test(tc, three_sites_with_gates_that_commute_equal_the_joint_system);
    tcase_add_test(tc, long_chains_equal_free_fermions);
    tcase_add_test(tc, runs_stand_where_they_stood);
    tcase_add_test(tc, canceled_correlations_leave_the_run);
    tcase_add_test(tc, insertions_may_leave_nothing);
    tcase_add_test(tc, bad_input_is_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
