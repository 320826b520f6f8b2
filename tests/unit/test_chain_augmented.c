/* test_chain_augmented.c - runs that begin at a later step, from tensors that carry states of process
 * tensors. */
#include "chain/chain_priv.h"
#include "chains.h"

enum { N = 3, D = 8, STEPS = 7, MAX_PT = 3 };

/* Random terms, a drive on site 1, pulses at steps 2, 5 and 6; process tensors of two kinds. */
struct model {
    oqt_chain *chain;
    oqt_control *control;
    const oqt_control *controls[N];
    oqt_complex initial[4 * N];
    oqt_pt *finite, *uniform;
};

static void make_model(struct model *m)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex coupling[4], pulse[16];
    oqt_bath *bath = ohmic_bath(0.32, 4.0, 1.6);
    oqt_error err = {0};
    uint64_t seed = 23;

    *m = (struct model){0};
    m->chain = driven_chain(N, 1, &seed);
    for (size_t i = 0; i < N; i++)
        random_state(m->initial + 4 * i, 2, &seed);
    scale_complex(coupling, 0.5, sigma_y, 4);
    m->finite = ohmic_tensor(2, coupling, 0.2, STEPS, 0.32, 4.0, 1.6, 1e-2);
    scale_complex(coupling, 0.5, sigma_z, 4);
    opt.tolerance = 3e-2;
    ASSERT_OK(oqt_pt_create(&m->uniform, bath, 2, coupling, 0.2, &opt, &err), err);
    oqt_bath_destroy(bath);
    ASSERT_OK(oqt_super_unitary(pulse, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&m->control, 2, &err), err);
    ASSERT_OK(oqt_control_add(m->control, 2, OQT_PRE, pulse, &err), err);
    ASSERT_OK(oqt_control_add(m->control, 5, OQT_POST, pulse, &err), err);
    ASSERT_OK(oqt_control_add(m->control, 6, OQT_PRE, pulse, &err), err);
    m->controls[2] = m->control;
}

static void free_model(struct model *m)
{
    oqt_chain_destroy(m->chain);
    oqt_control_destroy(m->control);
    oqt_pt_destroy(m->finite);
    oqt_pt_destroy(m->uniform);
}

static oqt_tebd_options options_of(const struct model *m)
{
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;

    opt.dt = 0.2;
    opt.tolerance = 1e-14;
    opt.start_time = 0.7;
    opt.site_controls = m->controls;
    return opt;
}

/* A finite one on site 0; a uniform one there; two on site 0 and one on site 2. */
struct baths {
    size_t n_pt[N];
    const oqt_pt *pts[MAX_PT];
};
enum { N_BATHS = 4 };

static struct baths baths_of(const struct model *m, int kind)
{
    return (const struct baths[N_BATHS]){{{1, 0, 0}, {m->finite}},
                                         {{1, 0, 0}, {m->uniform}},
                                         {{2, 0, 1}, {m->uniform, m->finite, m->finite}},
                                         {{0, 0, 0}, {NULL}}}[kind];
}

static oqt_tebd *after_three_steps(const struct model *m, int kind)
{
    struct baths b = baths_of(m, kind);
    oqt_tebd_options opt = options_of(m);
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_create(&run, m->chain, m->initial, b.n_pt, b.pts, &opt, &err), err);
    ASSERT_OK(oqt_tebd_step(run, 3, &err), err);
    return run;
}

/* ---- tensors ---- */

struct tensors {
    oqt_chain_tensor site[N];
    oqt_complex *data[N];
};

static void take_out(struct tensors *t, const oqt_tebd *run)
{
    size_t bonds[N - 1], states[N];
    oqt_error err = {0};

    oqt_tebd_bonds(bonds, run);
    oqt_tebd_bath_states(states, run);
    for (size_t i = 0; i < N; i++) {
        size_t l = i > 0 ? bonds[i - 1] : 1, r = i + 1 < N ? bonds[i] : 1;

        t->data[i] = malloc(l * 4 * states[i] * r * sizeof *t->data[i]);
        ASSERT_OK(oqt_tebd_tensor(t->data[i], run, i, 1, &err), err);
        t->site[i] = (oqt_chain_tensor){l, r, t->data[i], states[i]};
    }
}

static void free_tensors(struct tensors *t)
{
    for (size_t i = 0; i < N; i++)
        free(t->data[i]);
}

/* Phases on all bonds: the tensors are no longer real in any basis. */
static void change_phases(struct tensors *t)
{
    for (size_t i = 0; i < N; i++) {
        size_t l = t->site[i].left, r = t->site[i].right, rows = 4 * t->site[i].bath;

        for (size_t e = 0; e < l * rows * r; e++) {
            double turn =
                (i + 1 < N ? (double)(e % r) * 0.7 : 0.0) - (i > 0 ? (double)(e / (rows * r)) * 0.7 : 0.0);

            t->data[i][e] = from_c99(to_c99(t->data[i][e]) * cexp(I * turn));
        }
    }
}

/* ---- later steps ---- */

/* Controls without those that have acted before the record of a step. */
static oqt_control *later_controls(uint64_t step)
{
    oqt_complex pulse[16];
    oqt_control *control = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_super_unitary(pulse, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&control, 2, &err), err);
    ASSERT_OK(oqt_control_add(control, 5, OQT_POST, pulse, &err), err);
    if (step < 2)
        ASSERT_OK(oqt_control_add(control, 2, OQT_PRE, pulse, &err), err);
    if (step < 6)
        ASSERT_OK(oqt_control_add(control, 6, OQT_PRE, pulse, &err), err);
    return control;
}

/* A run from the tensors of another one goes on as that one does: at even and odd steps, where the controls
 * act, in another gauge; and the traced tensors are the density matrix. */
START_TEST(augmented_tensors_carry_the_whole_state)
{
    struct model m;

    make_model(&m);
    for (int kind = 0; kind < N_BATHS; kind++)
        for (uint64_t step = 0; step <= STEPS; step++) {
            struct baths b = baths_of(&m, kind);
            oqt_tebd_options opt = options_of(&m);
            oqt_control *later = later_controls(step);
            const oqt_control *controls[N] = {NULL, NULL, later};
            oqt_complex rho[D * D], wanted[D * D];
            oqt_tebd *run = NULL, *other = NULL;
            oqt_tebd_stats stats;
            struct tensors t;
            oqt_error err = {0};

            ASSERT_OK(oqt_tebd_create(&run, m.chain, m.initial, b.n_pt, b.pts, &opt, &err), err);
            ASSERT_OK(oqt_tebd_step(run, step, &err), err);
            take_out(&t, run);
            ck_assert(kind == 3 || step == 0 || step == STEPS || t.site[0].bath > 1);
            if (step % 3 == 2)
                change_phases(&t);
            opt.start_step = step;
            opt.site_controls = controls;
            ASSERT_OK(oqt_tebd_create_from(&other, m.chain, &(oqt_chain_state){0, t.site, NULL}, b.n_pt,
                                           b.pts, &opt, &err),
                      err);
            for (uint64_t k = step;; k++) {
                whole_density(wanted, run, N);
                whole_density(rho, other, N);
                ck_assert_msg(max_diff_complex(rho, wanted, D * D) < 1e-12,
                              "kind %d, from step %d, at step %d: %g", kind, (int)step, (int)k,
                              max_diff_complex(rho, wanted, D * D));
                oqt_tebd_get_stats(&stats, other);
                ck_assert_uint_eq(stats.n_steps, k);
                if (k == STEPS)
                    break;
                ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
                ASSERT_OK(oqt_tebd_step(other, 1, &err), err);
            }
            oqt_tebd_destroy(run);
            oqt_tebd_destroy(other);
            oqt_control_destroy(later);
            free_tensors(&t);
        }
    free_model(&m);
}
END_TEST

/* The first state of process tensors is what tracing leaves. */
START_TEST(first_states_are_the_traced_tensor)
{
    struct model m;
    struct tensors t;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    make_model(&m);
    run = after_three_steps(&m, 2);
    take_out(&t, run);
    for (size_t i = 0; i < N; i++) {
        const oqt_chain_tensor *site = t.site + i;
        oqt_complex *traced = malloc(site->left * 4 * site->right * sizeof *traced);

        ASSERT_OK(oqt_tebd_tensor(traced, run, i, 0, &err), err);
        for (size_t row = 0; row < site->left * 4; row++)
            ck_assert_mem_eq(traced + row * site->right, t.data[i] + row * site->bath * site->right,
                             site->right * sizeof *traced);
        free(traced);
    }
    oqt_tebd_destroy(run);
    free_tensors(&t);
    free_model(&m);
}
END_TEST

/* Without process tensors, step k of a run that begins with it is step 0 of one that begins at its time. */
START_TEST(later_steps_come_at_later_times)
{
    enum { FIRST = 3 };
    struct model m;
    oqt_tebd_options opt;
    oqt_control *shifted = NULL;
    const oqt_control *controls[N] = {NULL, NULL, NULL};
    oqt_complex pulse[16], rho[D * D], wanted[D * D];
    oqt_tebd *run = NULL, *other = NULL;
    oqt_error err = {0};

    make_model(&m);
    opt = options_of(&m);
    opt.start_step = FIRST;
    ASSERT_OK(oqt_tebd_create(&run, m.chain, m.initial, NULL, NULL, &opt, &err), err);
    ASSERT_OK(oqt_super_unitary(pulse, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_control_create(&shifted, 2, &err), err);
    ASSERT_OK(oqt_control_add(shifted, 5 - FIRST, OQT_POST, pulse, &err), err);
    ASSERT_OK(oqt_control_add(shifted, 6 - FIRST, OQT_PRE, pulse, &err), err);
    controls[2] = shifted;
    opt.start_step = 0;
    opt.start_time += FIRST * opt.dt;
    opt.site_controls = controls;
    ASSERT_OK(oqt_tebd_create(&other, m.chain, m.initial, NULL, NULL, &opt, &err), err);
    for (int k = 0; k < 5; k++) {
        whole_density(wanted, other, N);
        whole_density(rho, run, N);
        ck_assert_double_lt(max_diff_complex(rho, wanted, D * D), 1e-13);
        ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
        ASSERT_OK(oqt_tebd_step(other, 1, &err), err);
    }
    ck_assert(max_diff_complex(rho, m.initial, 4) > 1e-2);
    oqt_tebd_destroy(run);
    oqt_tebd_destroy(other);
    oqt_control_destroy(shifted);
    free_model(&m);
}
END_TEST

/* A control before the record of the first step acts on the initial state. */
START_TEST(controls_of_the_first_step_act_at_once)
{
    struct model m;
    oqt_tebd_options opt;
    oqt_complex rho[4 * N];
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    make_model(&m);
    opt = options_of(&m);
    opt.start_step = 6;
    ASSERT_OK(oqt_tebd_create(&run, m.chain, m.initial, NULL, NULL, &opt, &err), err);
    ASSERT_OK(oqt_tebd_densities(rho, run, &err), err);
    ck_assert_double_eq_tol(rho[8].re, m.initial[11].re, 1e-15); /* sigma_x turns up and down over */
    ck_assert_double_eq_tol(rho[11].re, m.initial[8].re, 1e-15);
    oqt_tebd_destroy(run);
    free_model(&m);
}
END_TEST

START_TEST(states_that_do_not_fit_are_refused)
{
    struct model m;
    struct baths b;
    struct tensors t;
    oqt_tebd_options opt;
    oqt_tebd *run = NULL, *none = NULL;
    oqt_chain_state state;
    oqt_error err = {0};

    make_model(&m);
    b = baths_of(&m, 0);
    opt = options_of(&m);
    run = after_three_steps(&m, 0);
    take_out(&t, run);
    state = (oqt_chain_state){0, t.site, NULL};

    /* other states than those of the step; none at all where there are some; a pure state has none */
    opt.start_step = 3;
    t.site[0].bath--;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    t.site[0].bath = 0;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_create(&none, m.chain, m.initial, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    oqt_tebd_bath_states(&t.site[0].bath, run);
    state.pure = 1;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    state.pure = 0;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, NULL, NULL, &opt, &err), OQT_EINVAL);
    opt.start_step = STEPS + 1;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    ck_assert_ptr_null(none);
    /* an element of a later state of the bath that breaks Hermiticity */
    opt.start_step = 3;
    t.data[0][(1 * t.site[0].bath + 1) * t.site[0].right].im += 1e3;
    ck_assert_int_eq(oqt_tebd_create_from(&none, m.chain, &state, b.n_pt, b.pts, &opt, &err), OQT_EINVAL);
    ck_assert_ptr_null(none);
    oqt_tebd_destroy(run);
    free_tensors(&t);
    free_model(&m);
}
END_TEST

/* ---- failures ---- */

struct job {
    const struct model *m;
    const struct tensors *t;
};

static oqt_status go_on(void *ctx)
{
    const struct job *job = ctx;
    struct baths b = baths_of(job->m, 0);
    oqt_tebd_options opt = options_of(job->m);
    oqt_tebd *run = NULL;
    oqt_status st;

    opt.start_step = 3;
    opt.n_threads = 1;
    st = oqt_tebd_create_from(&run, job->m->chain, &(oqt_chain_state){0, job->t->site, NULL}, b.n_pt, b.pts,
                              &opt, NULL);
    oqt_tebd_destroy(run);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    struct model m;
    struct tensors t;
    oqt_tebd *run = NULL;

    make_model(&m);
    run = after_three_steps(&m, 0);
    take_out(&t, run);
    oqt_tebd_destroy(run);
    ck_assert_uint_ge(check_every_allocation(go_on, &(struct job){&m, &t}), 40);
    free_tensors(&t);
    free_model(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_augmented");
    TCase *tc = tcase_create("chain_augmented");

    tcase_add_test(tc, augmented_tensors_carry_the_whole_state);
    tcase_add_test(tc, first_states_are_the_traced_tensor);
    tcase_add_test(tc, later_steps_come_at_later_times);
    tcase_add_test(tc, controls_of_the_first_step_act_at_once);
    tcase_add_test(tc, states_that_do_not_fit_are_refused);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
