/* chain_compute.c - the run of a chain, step by step, into a table. */
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

/* The value of one observable; `rho` holds the states of the sites. */
static oqt_status measure(oqt_complex *out, const struct observable *o, const struct input *in,
                          const oqt_tebd *run, const oqt_complex *rho, oqt_error *err)
{
    oqt_complex *joint;
    oqt_status st;

    if (o->n_sites == 1) {
        for (size_t i = 0; i < o->site[0]; i++)
            rho += in->chain.d[i] * in->chain.d[i];
        *out = matrix_expectation(&o->op, rho);
        return OQT_OK;
    }
    joint = malloc(o->op.d * o->op.d * sizeof *joint);
    if (!joint) {
        *err = (oqt_error){OQT_ENOMEM, "out of memory"};
        return OQT_ENOMEM;
    }
    if ((st = oqt_tebd_density(joint, run, 2, o->site, err)) == OQT_OK)
        *out = matrix_expectation(&o->op, joint);
    free(joint);
    return st;
}

/* Places for what is measured in one step. */
struct measured {
    oqt_complex *rho; /* states of all sites */
    size_t *bond;
    double *entropy;
};

static int measured_create(struct measured *out, const struct chain_input *chain)
{
    size_t size = 0;

    for (size_t i = 0; i < chain->n; i++)
        size += chain->d[i] * chain->d[i];
    out->rho = malloc(size * sizeof *out->rho);
    out->bond = malloc(chain->n * sizeof *out->bond);
    out->entropy = malloc(chain->n * sizeof *out->entropy);
    return out->rho && out->bond && out->entropy ? CLI_OK : fail_memory();
}

static void measured_release(struct measured *measured)
{
    free(measured->rho);
    free(measured->bond);
    free(measured->entropy);
}

static oqt_status fill_row(struct table *table, const struct input *in, size_t row, const oqt_tebd *run,
                           struct measured *m, oqt_error *err)
{
    const oqt_complex *rho = m->rho;
    struct column *column = table->column;
    oqt_status st = oqt_tebd_densities(m->rho, run, err);

    (column++)->value[row] = in->start + (double)row * in->step;
    for (size_t i = 0; i < in->n_observables && st == OQT_OK; i++) {
        const struct observable *o = &in->observable[i];
        oqt_complex value = {0.0, 0.0};

        st = measure(&value, o, in, run, rho, err);
        (column++)->value[row] = value.re;
        if (!o->hermitian)
            (column++)->value[row] = value.im;
    }
    if (st == OQT_OK && in->chain.entropies)
        st = oqt_tebd_entropies(m->entropy, NULL, run, err);
    if (st != OQT_OK)
        return st;
    oqt_tebd_bonds(m->bond, run);
    for (size_t i = 0; in->chain.bonds && i + 1 < in->chain.n; i++)
        (column++)->value[row] = (double)m->bond[i];
    for (size_t i = 0; in->chain.entropies && i + 1 < in->chain.n; i++)
        (column++)->value[row] = m->entropy[i];
    for (; column < table->column + table->n_columns; rho++) { /* the states, if they are wanted */
        (column++)->value[row] = rho->re;
        (column++)->value[row] = rho->im;
    }
    return OQT_OK;
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

static int take_steps(struct table *table, const struct input *in, oqt_tebd *run, struct progress *progress)
{
    struct measured measured = {0};
    oqt_error err;
    size_t row = 0;
    int code = measured_create(&measured, &in->chain);

    if (code == CLI_OK && in->chain.resume)
        code = checkpoint_read(&row, in, run, table);
    for (; code == CLI_OK && row <= in->n_steps; row++) {
        progress->base = (double)(row > 0 ? row - 1 : 0) / (double)in->n_steps;
        progress->span = 1.0 / (double)in->n_steps;
        err = (oqt_error){OQT_ECANCELED, ""};
        if (interrupted() || (row > 0 && oqt_tebd_step(run, 1, &err) != OQT_OK) ||
            fill_row(table, in, row, run, &measured, &err) != OQT_OK) {
            code = stop(in, run, table, row, &err, progress);
        } else if (!row_is_finite(table, row)) {
            progress_clear(progress);
            code = fail(CLI_FAILED, "chain: the state is not finite after step %zu", row);
        }
    }
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
        out->has_chain = true;
        if (out->chain.bond_limit_hit)
            facts_add(&out->warnings, "warning", "the run was cut at method.max_bond, above its tolerance");
    }
    oqt_tebd_destroy(run);
    return code;
}
