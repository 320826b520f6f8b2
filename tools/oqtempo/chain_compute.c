/* chain_compute.c - the run of a chain, some steps at a time, into a table. */
#include "chain_checkpoint.h"
#include "compute.h"

#include <math.h>
#include <stdlib.h>

/* ---- the run ---- */

/* Number of tensors of each site and the tensors themselves, site after site. */
static int gather_tensors(size_t **n_pt, const oqt_pt ***pts, const struct result *result,
                          const struct input *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->n_baths; i++)
        n += in->bath[i].site.n;
    *n_pt = calloc(in->chain.n, sizeof **n_pt);
    *pts = malloc((n + 1) * sizeof **pts);
    if (!*n_pt || !*pts)
        return fail_memory();
    n = 0;
    for (size_t site = 0; site < in->chain.n; site++) {
        for (size_t i = 0; i < in->n_baths; i++) {
            for (size_t k = 0; k < in->bath[i].site.n; k++) {
                if (in->bath[i].site.at[k] == site) {
                    (*pts)[n++] = result->tensor[i];
                    (*n_pt)[site]++;
                }
            }
        }
    }
    return CLI_OK;
}

static int create_run(oqt_tebd **run, const struct result *result, const struct input *in, int n_threads,
                      struct progress *progress)
{
    oqt_tebd_options options = OQT_TEBD_OPTIONS_INIT;
    size_t *n_pt = NULL;
    const oqt_pt **pts = NULL;
    oqt_error err;
    int code = gather_tensors(&n_pt, &pts, result, in);

    options.dt = in->step;
    options.order = in->chain.order;
    options.tolerance = in->chain.tolerance;
    options.max_bond = in->chain.max_bond;
    options.n_threads = n_threads;
    options.parallel = in->chain.parallel;
    options.start_time = in->start;
    options.site_controls = (const oqt_control *const *)in->chain.site_control;
    options.bond_controls = (const oqt_control *const *)in->chain.bond_control;
    options.progress = (oqt_progress){progress_report, progress};
    if (code == CLI_OK &&
        oqt_tebd_create(run, in->chain.chain, in->chain.initial, n_pt, pts, &options, &err) != OQT_OK)
        code = compute_fail("chain", &err, progress);
    free(pts);
    free(n_pt);
    return code;
}

/* ---- the table ---- */

static int add_columns(struct table *table, const struct input *in)
{
    const struct chain_input *chain = &in->chain;
    size_t capacity = 1 + 2 * in->n_observables + (chain->bonds + chain->entropies) * (chain->n - 1);
    int code;
    bool done;

    for (size_t i = 0; in->states && i < chain->n; i++)
        capacity += 2 * chain->d[i] * chain->d[i];
    if ((code = table_create(table, (size_t)in->n_steps + 1, capacity)))
        return code;
    done = table_add_column(table, "t");
    for (size_t i = 0; i < in->n_observables && done; i++) {
        const struct observable *o = &in->observable[i];

        if (o->hermitian) {
            done = table_add_column(table, "%s", o->name);
        } else {
            done = table_add_column(table, "%s_re", o->name) && table_add_column(table, "%s_im", o->name);
        }
    }
    for (size_t i = 0; chain->bonds && done && i + 1 < chain->n; i++)
        done = table_add_column(table, "bond[%zu,%zu]", i, i + 1);
    for (size_t i = 0; chain->entropies && done && i + 1 < chain->n; i++)
        done = table_add_column(table, "entropy[%zu,%zu]", i, i + 1);
    for (size_t i = 0; in->states && done && i < chain->n; i++) {
        size_t d = chain->d[i];
        const char *gap = d > 10 ? "_" : "";

        for (size_t k = 0; k < d * d && done; k++)
            done = table_add_column(table, "rho[%zu]_%zu%s%zu_re", i, k / d, gap, k % d) &&
                   table_add_column(table, "rho[%zu]_%zu%s%zu_im", i, k / d, gap, k % d);
    }
    return done ? CLI_OK : fail_memory();
}

/* What is measured in some steps, a row for each; the rows of a step after the other. */
struct measured {
    oqt_tebd_records records;
    size_t size, set_size; /* of the states in a row                     */
    size_t *sizes, *sites; /* of the pairs of sites that observables ask for */
    double *entropy;       /* of the last row                           */
};

enum { STEPS_AT_ONCE = 16 };

/* Entropies are not recorded by the library. */
static size_t steps_at_once(const struct chain_input *chain)
{
    return chain->entropies ? 1 : STEPS_AT_ONCE;
}

static void list_pairs(struct measured *out, const struct input *in)
{
    oqt_tebd_records *r = &out->records;

    for (size_t i = 0; i < in->n_observables; i++) {
        const struct observable *o = &in->observable[i];

        if (o->n_sites != 2)
            continue;
        out->sizes[r->n_sets] = 2;
        out->sites[2 * r->n_sets] = o->site[0];
        out->sites[2 * r->n_sets++ + 1] = o->site[1];
        out->set_size += o->op.d * o->op.d;
    }
    r->set_size = out->sizes;
    r->set_sites = out->sites;
}

static int measured_create(struct measured *out, const struct input *in)
{
    const struct chain_input *chain = &in->chain;
    size_t rows = steps_at_once(chain) + 1;
    oqt_tebd_records *r = &out->records;

    *r = (oqt_tebd_records)OQT_TEBD_RECORDS_INIT;
    for (size_t i = 0; i < chain->n; i++)
        out->size += chain->d[i] * chain->d[i];
    out->sizes = malloc((in->n_observables + 1) * sizeof *out->sizes);
    out->sites = malloc((2 * in->n_observables + 1) * sizeof *out->sites);
    if (!out->sizes || !out->sites)
        return fail_memory();
    list_pairs(out, in);
    r->densities = malloc(rows * out->size * sizeof *r->densities);
    r->set_densities = malloc((rows * out->set_size + 1) * sizeof *r->set_densities);
    r->bonds = malloc(rows * (chain->n - 1) * sizeof *r->bonds);
    out->entropy = malloc(chain->n * sizeof *out->entropy);
    return r->densities && r->set_densities && r->bonds && out->entropy ? CLI_OK : fail_memory();
}

static void measured_release(struct measured *measured)
{
    free(measured->sizes);
    free(measured->sites);
    free(measured->records.densities);
    free(measured->records.set_densities);
    free(measured->records.bonds);
    free(measured->entropy);
}

/* The value of one observable; rho holds the states of all sites, *set is the next one of a pair. */
static oqt_complex measure(const oqt_complex **set, const struct observable *o, const struct input *in,
                           const oqt_complex *rho)
{
    oqt_complex value;

    if (o->n_sites == 2) {
        value = matrix_expectation(&o->op, *set);
        *set += o->op.d * o->op.d;
        return value;
    }
    for (size_t i = 0; i < o->site[0]; i++)
        rho += in->chain.d[i] * in->chain.d[i];
    return matrix_expectation(&o->op, rho);
}

/* A row of the table from row k of what was measured. */
static void fill_row(struct table *table, const struct input *in, size_t row, const struct measured *m,
                     size_t k)
{
    const oqt_complex *rho = m->records.densities + k * m->size;
    const oqt_complex *set = m->records.set_densities + k * m->set_size;
    const size_t *bonds = m->records.bonds + k * (in->chain.n - 1);
    struct column *column = table->column;

    (column++)->value[row] = in->start + (double)row * in->step;
    for (size_t i = 0; i < in->n_observables; i++) {
        oqt_complex value = measure(&set, &in->observable[i], in, rho);

        (column++)->value[row] = value.re;
        if (!in->observable[i].hermitian)
            (column++)->value[row] = value.im;
    }
    for (size_t i = 0; in->chain.bonds && i + 1 < in->chain.n; i++)
        (column++)->value[row] = (double)bonds[i];
    for (size_t i = 0; in->chain.entropies && i + 1 < in->chain.n; i++)
        (column++)->value[row] = m->entropy[i];
    for (; column < table->column + table->n_columns; rho++) { /* the states, if they are wanted */
        (column++)->value[row] = rho->re;
        (column++)->value[row] = rho->im;
    }
}

static bool row_is_finite(const struct table *table, size_t row)
{
    bool finite = true;

    for (size_t i = 0; i < table->n_columns; i++)
        finite = finite && isfinite(table->column[i].value[row]);
    return finite;
}

/* The run stands after the step of row n - 1. */
static int stop(const struct input *in, const oqt_tebd *run, const struct table *table, size_t n,
                const oqt_error *err, struct progress *progress)
{
    int code;

    if (!in->chain.checkpoint || n == 0 || err->code != OQT_ECANCELED || !interrupted())
        return compute_fail("chain", err, progress);
    progress_clear(progress);
    if ((code = checkpoint_write(in, run, table, n)))
        return code;
    return fail(interrupted(), "interrupted after step %zu; --resume goes on from %s", n - 1,
                in->chain.checkpoint);
}

/* Take some steps and fill their rows, from *row on; the run stands at the row before, or at none at all. */
static int take_some(struct table *table, size_t *row, const struct input *in, oqt_tebd *run,
                     struct measured *measured, struct progress *progress)
{
    size_t here = *row > 0 ? *row - 1 : 0, n = in->n_steps - here, most = steps_at_once(&in->chain);
    oqt_tebd_stats stats;
    oqt_error err = {OQT_OK, ""};
    oqt_status st;

    if (n > most)
        n = most;
    if (*row == 0 && in->chain.entropies) /* one row at a time */
        n = 0;
    progress->base = (double)here / (double)in->n_steps;
    progress->span = (double)n / (double)in->n_steps;
    st = oqt_tebd_record(&measured->records, run, n, &err);
    if (st != OQT_OK && st != OQT_ECANCELED)
        return compute_fail("chain", &err, progress);
    oqt_tebd_get_stats(&stats, run);
    if (in->chain.entropies && *row <= stats.n_steps &&
        oqt_tebd_entropies(measured->entropy, NULL, run, &err) != OQT_OK)
        return compute_fail("chain", &err, progress);
    for (; *row <= stats.n_steps; ++*row) {
        fill_row(table, in, *row, measured, *row - here);
        if (!row_is_finite(table, *row)) {
            progress_clear(progress);
            return fail(CLI_FAILED, "chain: the state is not finite after step %zu", *row);
        }
    }
    return st == OQT_OK ? CLI_OK : stop(in, run, table, *row, &err, progress);
}

static int take_steps(struct table *table, const struct input *in, oqt_tebd *run, struct progress *progress)
{
    struct measured measured = {0};
    size_t row = 0;
    int code = measured_create(&measured, in);

    if (code == CLI_OK && in->chain.resume)
        code = checkpoint_read(&row, in, run, table);
    while (code == CLI_OK && row <= in->n_steps)
        code = take_some(table, &row, in, run, &measured, progress);
    measured_release(&measured);
    return code;
}

/* ---- all of it ---- */

static void check_traces(struct facts *warnings, const struct chain_input *chain)
{
    const oqt_complex *rho = chain->initial;

    for (size_t i = 0; i < chain->n; i++) {
        size_t d = chain->d[i];
        double trace = 0.0;

        for (size_t k = 0; k < d; k++)
            trace += rho[k * d + k].re;
        if (fabs(trace - 1.0) > 1e-9)
            facts_add(warnings, "warning", "the initial state of site %zu has the trace %.10g, not 1", i,
                      trace);
        rho += d * d;
    }
}

/* What more threads could do. A report can do without it. */
static void forecast(double *speedup, const oqt_tebd *run)
{
    int threads[N_FORECASTS];

    for (int i = 0; i < N_FORECASTS; i++) {
        threads[i] = 2 << i;
        speedup[i] = NAN;
    }
    (void)oqt_tebd_forecast(speedup, run, N_FORECASTS, threads, NULL);
}

int run_chain(struct result *out, const struct input *in, int n_threads, struct progress *progress)
{
    oqt_tebd *run = NULL;
    int code = add_columns(&out->table, in);

    if (code)
        return code;
    check_traces(&out->warnings, &in->chain);
    progress_phase(progress, "dynamics", in->n_steps);
    phase_start(&out->dynamics);
    code = create_run(&run, out, in, n_threads, progress);
    if (code == CLI_OK)
        code = take_steps(&out->table, in, run, progress);
    phase_stop(&out->dynamics);
    if (code == CLI_OK) {
        oqt_tebd_get_stats(&out->chain, run);
        forecast(out->speedup, run);
        out->has_chain = true;
        if (out->chain.bond_limit_hit)
            facts_add(&out->warnings, "warning", "the run was cut at method.max_bond, above its tolerance");
    }
    oqt_tebd_destroy(run);
    return code;
}
