/* test_chain_tasks.c - what is recorded while a chain goes on, the order of its tasks, forecasts. */
#include "chain/tebd_priv.h"
#include "chains.h"

enum { N = 7, STEPS = 13, N_SETS = 5, SET_LEN = 16 + 16 + 64 + 16 + 4 };

static const size_t set_size[N_SETS] = {2, 2, 3, 2, 1};
static const size_t set_sites[] = {0, 1, 2, 5, 1, 2, 3, 0, 6, 4};

/* ---- models ---- */

/* What other programs make: traces hold up to their truncation only. */
static oqt_pt *imported_tensor(void)
{
    const oqt_complex data[4] = {{1.01, 0.0}, {0.9, 0.1}, {0.9, -0.1}, {0.98, 0.0}};
    oqt_mpo_tensor tensor[STEPS];
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    for (size_t k = 0; k < STEPS; k++)
        tensor[k] = (oqt_mpo_tensor){1, 1, 4, 0, data};
    ASSERT_OK(oqt_pt_create_mpo(&pt, 2, 0.2, STEPS, tensor, NULL, NULL, NULL, &err), err);
    ck_assert_int_eq(info_of(pt).method, OQT_PT_IMPORTED);
    return pt;
}

/* Controls before and after records, on a site and on a bond, that act at steps 3, 4, 9 and 13. */
struct controls {
    oqt_control *site, *bond;
    const oqt_control *sites[N], *bonds[N - 1];
};

static void make_controls(struct controls *c)
{
    oqt_complex pulse[16], joint[16] = {0}, wide[256];
    oqt_error err = {0};

    *c = (struct controls){0};
    for (size_t i = 0; i < 4; i++)
        joint[i * 4 + 3 - i] = (oqt_complex){1.0, 0.0}; /* sigma_x sigma_x */
    ASSERT_OK(oqt_super_unitary(pulse, 2, sigma_x, &err), err);
    ASSERT_OK(oqt_super_unitary(wide, 4, joint, &err), err);
    ASSERT_OK(oqt_control_create(&c->site, 2, &err), err);
    ASSERT_OK(oqt_control_create(&c->bond, 4, &err), err);
    ASSERT_OK(oqt_control_add(c->site, 3, OQT_PRE, pulse, &err), err);
    ASSERT_OK(oqt_control_add(c->site, 4, OQT_POST, pulse, &err), err);
    ASSERT_OK(oqt_control_add(c->bond, 9, OQT_PRE, wide, &err), err);
    ASSERT_OK(oqt_control_add(c->bond, 9, OQT_POST, wide, &err), err);
    ASSERT_OK(oqt_control_add(c->bond, STEPS, OQT_PRE, wide, &err), err);
    c->sites[2] = c->site;
    c->bonds[3] = c->bond;
}

/* ---- records ---- */

struct table {
    oqt_complex rho[STEPS + 1][4 * N], set[STEPS + 1][SET_LEN];
    size_t bond[STEPS + 1][N - 1];
    double trace[STEPS + 1];
};

static oqt_tebd_records records_of(struct table *t, uint64_t row)
{
    oqt_tebd_records r = OQT_TEBD_RECORDS_INIT;

    r.densities = t->rho[row];
    r.bonds = t->bond[row];
    r.traces = t->trace + row;
    r.n_sets = N_SETS;
    r.set_size = set_size;
    r.set_sites = set_sites;
    r.set_densities = t->set[row];
    return r;
}

/* One step after the other, each asked for what there is. */
static void ask(struct table *t, oqt_tebd *run)
{
    oqt_error err = {0};

    for (size_t row = 0; row <= STEPS; row++) {
        oqt_complex *set = t->set[row];

        if (row > 0)
            ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
        ASSERT_OK(oqt_tebd_densities(t->rho[row], run, &err), err);
        oqt_tebd_bonds(t->bond[row], run);
        t->trace[row] = oqt_tebd_trace(run);
        for (size_t k = 0, at = 0; k < N_SETS; at += set_size[k++]) {
            ASSERT_OK(oqt_tebd_density(set, run, set_size[k], set_sites + at, &err), err);
            set += (size_t)1 << 2 * set_size[k];
        }
        ck_assert_ptr_eq(set, t->set[row] + SET_LEN);
    }
}

/* A bath on site 0 and another on site 5: of one kind or the other. */
static oqt_tebd *start(const oqt_chain *chain, const oqt_pt *pt, const struct controls *c, int n_threads)
{
    const oqt_pt *pts[2] = {pt, pt};
    const size_t n_pt[N] = {1, 0, 0, 0, 0, 1};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_complex initial[4 * N];
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    uint64_t seed = 91;

    for (size_t i = 0; i < N; i++)
        random_state(initial + 4 * i, 2, &seed);
    opt.dt = 0.2;
    opt.tolerance = 1e-3;
    opt.n_threads = n_threads;
    if (c) {
        opt.site_controls = c->sites;
        opt.bond_controls = c->bonds;
    }
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    return run;
}

static void check_same(const struct table *a, const struct table *b, size_t first, size_t rows)
{
    ck_assert_mem_eq(a->rho[first], b->rho[first], rows * sizeof *a->rho);
    ck_assert_mem_eq(a->set[first], b->set[first], rows * sizeof *a->set);
    ck_assert_mem_eq(a->bond[first], b->bond[first], rows * sizeof *a->bond);
    ck_assert_mem_eq(a->trace + first, b->trace + first, rows * sizeof *a->trace);
}

/* Bit for bit, for any number of threads and any grouping of steps; with a finite tensor and an imported one,
 * with controls on both sides of records, and without. */
START_TEST(records_are_what_single_steps_show)
{
    oqt_complex coupling[4];
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    struct controls c;
    oqt_pt *pts[2];
    struct table *wanted = calloc(1, sizeof *wanted), *got = calloc(1, sizeof *got);
    oqt_error err = {0};

    scale_complex(coupling, 0.5, sigma_y, 4);
    pts[0] = ohmic_tensor(2, coupling, 0.2, STEPS, 0.32, 4.0, 1.6, 1e-3);
    pts[1] = imported_tensor();
    make_controls(&c);
    for (int kind = 0; kind < 4; kind++) {
        const struct controls *controls = kind % 2 ? &c : NULL;
        oqt_tebd *run = start(chain, pts[kind / 2], controls, 1);

        ask(wanted, run);
        oqt_tebd_destroy(run);
        ck_assert(max_diff_complex(wanted->rho[0], wanted->rho[STEPS], 4 * N) > 0.1);
        for (int threads = 1; threads <= 4; threads++) {
            uint64_t group = (const uint64_t[]){STEPS, STEPS, 5, 1}[threads - 1];

            memset(got, 0, sizeof *got);
            run = start(chain, pts[kind / 2], controls, threads);
            for (uint64_t row = 0, n; row < STEPS; row += n) {
                oqt_tebd_records r = records_of(got, row);

                n = STEPS - row < group ? STEPS - row : group;
                ASSERT_OK(oqt_tebd_record(&r, run, n, &err), err);
            }
            check_same(wanted, got, 0, STEPS + 1);
            oqt_tebd_destroy(run);
        }
    }
    oqt_control_destroy(c.site);
    oqt_control_destroy(c.bond);
    oqt_pt_destroy(pts[0]);
    oqt_pt_destroy(pts[1]);
    oqt_chain_destroy(chain);
    free(wanted);
    free(got);
}
END_TEST

/* Only what is wanted is written. */
START_TEST(records_may_be_left_out)
{
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_pt *pt = imported_tensor();
    struct table *wanted = calloc(1, sizeof *wanted), *got = calloc(1, sizeof *got),
                 *none = calloc(1, sizeof *none);
    oqt_error err = {0};

    for (int part = 0; part < 5; part++) {
        oqt_tebd_records r = OQT_TEBD_RECORDS_INIT, all = records_of(got, 0);
        oqt_tebd *run = start(chain, pt, NULL, 2);

        if (part == 0) {
            all = records_of(wanted, 0);
            r = all;
        }
        memset(got, 0, sizeof *got);
        r.densities = part == 1 || part == 0 ? all.densities : NULL;
        r.bonds = part == 2 || part == 0 ? all.bonds : NULL;
        r.traces = part == 3 || part == 0 ? all.traces : NULL;
        if (part == 4)
            r = (oqt_tebd_records){sizeof r, NULL,     NULL,      NULL,
                                   N_SETS,   set_size, set_sites, all.set_densities};
        ASSERT_OK(oqt_tebd_record(&r, run, STEPS, &err), err);
        if (part > 0) {
            ck_assert_mem_eq(got->rho, part == 1 ? wanted->rho : none->rho, sizeof got->rho);
            ck_assert_mem_eq(got->bond, part == 2 ? wanted->bond : none->bond, sizeof got->bond);
            ck_assert_mem_eq(got->trace, part == 3 ? wanted->trace : none->trace, sizeof got->trace);
            ck_assert_mem_eq(got->set, part == 4 ? wanted->set : none->set, sizeof got->set);
        }
        oqt_tebd_destroy(run);
    }
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    free(wanted);
    free(got);
    free(none);
}
END_TEST

static int second_time(const char *phase, double fraction, void *ctx)
{
    (void)phase;
    (void)fraction;
    return ++*(int *)ctx == 2;
}

/* Rows of the steps that were done are there, those behind are as they were, and the run goes on. */
START_TEST(canceled_records_hold_what_was_done)
{
    const size_t n_pt[N] = {1};
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_complex coupling[4], initial[4 * N];
    struct table *wanted = calloc(1, sizeof *wanted), *got = calloc(1, sizeof *got),
                 *none = calloc(1, sizeof *none);
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd_records r = records_of(got, 0);
    oqt_tebd_stats stats;
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    uint64_t seed = 91;
    int calls = 0;

    scale_complex(coupling, 0.5, sigma_y, 4);
    oqt_pt *pt = ohmic_tensor(2, coupling, 0.2, STEPS, 0.32, 4.0, 1.6, 1e-3);
    const oqt_pt *pts[1] = {pt};

    for (size_t i = 0; i < N; i++)
        random_state(initial + 4 * i, 2, &seed);
    opt.dt = 0.2;
    opt.tolerance = 1e-3;
    opt.n_threads = 2;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    ask(wanted, run);
    oqt_tebd_destroy(run);
    opt.progress = (oqt_progress){second_time, &calls};
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    ck_assert_int_eq(oqt_tebd_record(&r, run, STEPS, &err), OQT_ECANCELED);
    oqt_tebd_get_stats(&stats, run);
    ck_assert(stats.n_steps > 0 && stats.n_steps < STEPS);
    check_same(wanted, got, 0, (size_t)stats.n_steps + 1);
    check_same(none, got, (size_t)stats.n_steps + 1, STEPS - (size_t)stats.n_steps);
    r = records_of(got, stats.n_steps);
    ASSERT_OK(oqt_tebd_record(&r, run, STEPS - stats.n_steps, &err), err);
    check_same(wanted, got, 0, STEPS + 1);
    oqt_tebd_destroy(run);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    free(wanted);
    free(got);
    free(none);
}
END_TEST

START_TEST(bad_records_are_refused)
{
    static const size_t zero[1] = {0}, one[1] = {1}, two[1] = {2}, beyond[1] = {N}, falling[2] = {3, 2};
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_pt *pt = imported_tensor();
    oqt_tebd *run = start(chain, pt, NULL, 1);
    struct table *got = calloc(1, sizeof *got), *none = calloc(1, sizeof *none);
    oqt_complex place[16];
    const struct {
        const size_t *size, *sites;
        oqt_complex *to;
    } bad[] = {{zero, beyond, place},  {one, beyond, place}, {two, falling, place},
               {NULL, falling, place}, {one, NULL, place},   {one, zero, NULL}};
    oqt_tebd_records r;
    oqt_tebd_stats stats;
    oqt_error err = {0};

    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        r = records_of(got, 0);
        r.n_sets = 1;
        r.set_size = bad[k].size;
        r.set_sites = bad[k].sites;
        r.set_densities = bad[k].to;
        ck_assert_int_eq(oqt_tebd_record(&r, run, 2, &err), OQT_EINVAL);
    }
    r = records_of(got, 0);
    r.struct_size--;
    ck_assert_int_eq(oqt_tebd_record(&r, run, 2, &err), OQT_EINVAL);
    r = records_of(got, 0);
    ck_assert_int_eq(oqt_tebd_record(&r, run, STEPS + 1, &err), OQT_EINVAL); /* more than the tensor covers */
    ck_assert_int_eq(oqt_tebd_record(&r, NULL, 2, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_record(NULL, run, 2, &err), OQT_EINVAL);
    ck_assert_mem_eq(got, none, sizeof *got);
    oqt_tebd_get_stats(&stats, run);
    ck_assert_uint_eq(stats.n_steps, 0);
    ASSERT_OK(oqt_tebd_record(&r, run, 2, &err), err);
    oqt_tebd_destroy(run);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    free(got);
    free(none);
}
END_TEST

/* ---- the order of tasks ---- */

/* They have a site in common, and are not both records, which only look. */
static bool one_waits(const oqt__task *a, const oqt__task *b)
{
    return a->first <= b->last && b->first <= a->last && (a->op || b->op);
}

/* The rank is the longest way from a task to the end, found here by going over all pairs; and no task stands
 * before one that it waits for. */
START_TEST(tasks_are_in_the_order_of_their_ranks)
{
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_pt *pt = imported_tensor();
    const oqt_pt *pts[1] = {pt};
    const size_t n_pt[N] = {0, 0, 0, 0, 0, 0, 1};
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_complex initial[4 * N] = {{0.0, 0.0}};
    struct table *got = calloc(1, sizeof *got);
    oqt_tebd_records r = records_of(got, 0);
    oqt__records records = {0};
    oqt_tebd *run = NULL;
    oqt_error err = {0};
    double *const *gate;
    double longest = 0.0, sum = 0.0;

    for (size_t i = 0; i < N; i++)
        initial[4 * i].re = 1.0;
    opt.dt = 0.2;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    ASSERT_OK(oqt_tebd_step(run, 3, &err), err);
    ASSERT_OK(oqt__records_init(&records, run, &r, &err), err);
    ASSERT_OK(oqt__graph_reserve(run, &records, &err), err);
    gate = run->varying;
    for (uint64_t s = 0; s < 3; s++) {
        oqt__graph_add_step(run, s, &gate);
        oqt__graph_add_records(run, &records, s);
    }
    ck_assert_uint_eq(run->n_tasks, 3 * (run->n_ops + N + N_SETS));
    oqt__outlook outlook = oqt__graph_rank(run, 0);
    const oqt__task *task = run->task;

    for (size_t k = 0; k < run->n_tasks; k++) {
        double behind = 0.0;

        for (size_t i = 0; i < run->n_tasks; i++)
            if (one_waits(task + k, task + i) && task[i].index > task[k].index) {
                ck_assert_uint_gt(i, k);
                behind = fmax(behind, task[i].rank);
            }
        ck_assert_double_gt(task[k].cost, 0.0);
        ck_assert_double_eq_tol(task[k].rank, task[k].cost + behind, 1e-9 * task[k].rank);
        ck_assert(k == 0 || task[k].rank <= task[k - 1].rank);
        longest = fmax(longest, task[k].rank);
        sum += task[k].cost;
    }
    ck_assert_double_eq(outlook.span, longest);
    ck_assert_double_eq_tol(outlook.work, sum, 1e-12 * sum);
    oqt__records_release(&records);
    oqt_tebd_destroy(run);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    free(got);
}
END_TEST

/* ---- forecasts ---- */

/* Three gates in each of four layers, all of one length. */
START_TEST(equal_gates_are_shared_evenly)
{
    static const int threads[4] = {1, 2, 3, 64};
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_complex initial[4 * N] = {{0.0, 0.0}};
    oqt_tebd *run = NULL;
    double speedup[4];
    oqt_error err = {0};

    for (size_t i = 0; i < N; i++)
        initial[4 * i].re = 1.0;
    opt.dt = 0.2;
    opt.order = 1;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, &err), err);
    ASSERT_OK(oqt_tebd_forecast(speedup, run, 4, threads, &err), err);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(speedup[i], 1.0);
    ASSERT_OK(oqt_tebd_step(run, 1, &err), err);
    ck_assert_uint_eq(run->n_tasks, 12);
    for (size_t k = 0; k < run->n_tasks; k++) {
        ck_assert_double_gt(run->task[k].taken, 0.0);
        run->task[k].taken = 0.25;
    }
    ASSERT_OK(oqt_tebd_forecast(speedup, run, 4, threads, &err), err);
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq(speedup[i], fmin(threads[i], 3.0));
    oqt_tebd_destroy(run);
    oqt_chain_destroy(chain);
}
END_TEST

/* Seconds on the longest way from a task to the end, those behind it being known. */
static double seconds_from(const oqt__task *task, size_t n, size_t k, const double *from)
{
    double behind = 0.0;

    for (size_t i = k + 1; i < n; i++)
        if (one_waits(task + k, task + i))
            behind = fmax(behind, from[i]);
    return behind + task[k].taken;
}

/* Tasks of any length: as long as the longest way with threads for all; work / p + (1 - 1 / p) span at most
 * with p of them (R. L. Graham, SIAM J. Appl. Math. 17, 416 (1969)), which no order of tasks can break. */
START_TEST(forecasts_keep_the_bounds_of_lists)
{
    static const int threads[6] = {1, 2, 3, 4, 8, 1000};
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});
    oqt_pt *pt = imported_tensor();
    oqt_tebd *run = start(chain, pt, NULL, 1);
    struct table *got = calloc(1, sizeof *got);
    oqt_tebd_records r = records_of(got, 0);
    double *from, work = 0.0, span = 0.0, speedup[6] = {-1.0};
    oqt_error err = {0};
    uint64_t seed = 8;

    ck_assert_int_eq(oqt_tebd_forecast(speedup, run, 1, &(int){0}, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_tebd_forecast(NULL, run, 1, threads, &err), OQT_EINVAL);
    ck_assert_double_eq(speedup[0], -1.0);
    run->imported = false; /* which would take one step at a time */
    ASSERT_OK(oqt_tebd_record(&r, run, 6, &err), err);
    ck_assert_uint_eq(run->n_tasks, 6 * (run->n_ops + N + N_SETS));
    from = calloc(run->n_tasks, sizeof *from);
    for (size_t k = 0; k < run->n_tasks; k++) {
        run->task[k].taken = pow(random_uniform(&seed), 4.0);
        work += run->task[k].taken;
    }
    for (size_t k = run->n_tasks; k-- > 0;) {
        from[k] = seconds_from(run->task, run->n_tasks, k, from);
        span = fmax(span, from[k]);
    }
    ASSERT_OK(oqt_tebd_forecast(speedup, run, 6, threads, &err), err);
    ck_assert_double_eq_tol(speedup[0], 1.0, 1e-12);
    ck_assert_double_eq_tol(speedup[5], work / span, 1e-12 * work / span);
    for (int i = 0; i < 6; i++) {
        double p = threads[i], time = work / speedup[i];

        ck_assert_double_le(time, (work / p + (1.0 - 1.0 / p) * span) * (1.0 + 1e-12));
        ck_assert_double_ge(time, fmax(work / p, span) * (1.0 - 1e-12));
    }
    oqt_tebd_destroy(run);
    oqt_pt_destroy(pt);
    oqt_chain_destroy(chain);
    free(from);
    free(got);
}
END_TEST

/* ---- failures ---- */

static oqt_status record_two_steps(void *ctx)
{
    const oqt_chain *chain = ctx;
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_complex initial[4 * N] = {{0.0, 0.0}};
    struct table *got = calloc(1, sizeof *got);
    oqt_tebd_records r = records_of(got, 0);
    oqt_tebd *run = NULL;
    double speedup;
    oqt_status st;

    for (size_t i = 0; i < N; i++)
        initial[4 * i].re = 1.0;
    opt.dt = 0.2;
    opt.n_threads = 1;
    if ((st = oqt_tebd_create(&run, chain, initial, NULL, NULL, &opt, NULL)) == OQT_OK)
        st = oqt_tebd_record(&r, run, 1, NULL);
    if (st == OQT_OK)
        st = oqt_tebd_forecast(&speedup, run, 1, &(int){2}, NULL);
    oqt_tebd_destroy(run);
    free(got);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    oqt_chain *chain = driven_chain(N, 4, &(uint64_t){17});

    ck_assert_uint_ge(check_every_allocation(record_two_steps, chain), 60);
    oqt_chain_destroy(chain);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("chain_tasks");
    TCase *tc = tcase_create("chain_tasks");

    tcase_add_test(tc, records_are_what_single_steps_show);
    tcase_add_test(tc, records_may_be_left_out);
    tcase_add_test(tc, canceled_records_hold_what_was_done);
    tcase_add_test(tc, bad_records_are_refused);
    tcase_add_test(tc, tasks_are_in_the_order_of_their_ranks);
    tcase_add_test(tc, equal_gates_are_shared_evenly);
    tcase_add_test(tc, forecasts_keep_the_bounds_of_lists);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
