/*
 * correlate.c - correlations of operators at several times.
 *
 * An operator that acts from one side makes a state that is not Hermitian, S rho = S1 rho + i S2 rho with S1
 * and S2 that keep matrices Hermitian. All that follows is linear, so S1 rho and S2 rho go on as two states
 * of the ordinary kind, one after the other: exact, each truncated by its own Schmidt values, with nothing
 * for gates and process tensors to know. k insertions take 2^k runs; nearly always k is one. (One state with
 * an index for (1, i) on the site would cost as much or more: its bonds are those of both together.)
 */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "core/numbers.h"
#include "liouville/hermitian.h"

enum { MAX_INSERTIONS = 16, AT_ONCE = 16 /* steps that are recorded */ };

struct job {
    oqt_tebd *run;
    size_t n;
    const oqt_tebd_insertion *insertion;
    const oqt_complex *op;
    uint64_t n_steps;
    oqt_complex *sum; /* (n_steps + 1) x n_sites */
    size_t size;      /* of the states of all sites */
    oqt_complex *rho; /* AT_ONCE + 1 times as many  */
};

/* ---- insertions ---- */

/* 2-norm of the state, as far as its form is canonical. */
static double state_norm(const oqt__mps *mps, size_t site)
{
    const oqt__chain_site *s = mps->site + site;
    const double *schmidt = site > 0 ? mps->bond[site - 1].s : NULL, *x = s->x;
    double sum = 0.0;

    for (size_t p = 0; p < s->p; p++)
        for (size_t a = 0; a < s->a; a++)
            for (size_t l = 0; l < s->l; l++)
                for (size_t r = 0; r < s->r; r++, x++) {
                    double v = *x * (schmidt ? schmidt[l] : 1.0) * (s->w ? s->w[a] : 1.0);

                    sum += v * v;
                }
    return sqrt(sum);
}

/* Let part 0 or 1 of a superoperator act; *gone: nothing but rounding is left. */
static oqt_status insert(bool *gone, const struct job *job, const oqt_tebd_insertion *ins, int part,
                         oqt_error *err)
{
    static const double NEGLIGIBLE = 1e-13;
    oqt__mps *mps = oqt__tebd_look(job->run).mps;
    oqt__chain_site *s = mps->site + ins->site;
    size_t n = s->p, rest = s->a * s->l * s->r;
    double before = state_norm(mps, ins->site), size = 0.0, *real = oqt__doubles(n * n);
    double *x = oqt__copy(s->x, n * rest, sizeof *x);
    oqt_complex *super = oqt__copy(ins->superop, n * n, sizeof *super);
    bool ok = real && x && super;

    if (ok) {
        for (size_t i = 0; i < n * n; i++) {
            size += super[i].re * super[i].re + super[i].im * super[i].im;
            if (part == 1)
                super[i] = (oqt_complex){super[i].im, -super[i].re};
        }
        oqt__herm_superop(real, super, s->d); /* takes the real part */
        oqt__gemm(false, false, n, rest, n, 1.0, real, n, x, rest, 0.0, s->x, rest);
        *gone = !(state_norm(mps, ins->site) > NEGLIGIBLE * sqrt(size) * before);
        oqt__mps_trace_bonds(mps);
    }
    oqt__free(real);
    oqt__free(x);
    oqt__free(super);
    return ok ? OQT_OK : oqt__no_memory(err, "an insertion");
}

/* ---- the tree of runs ---- */

/* sum += factor tr(A rho), for all sites. */
static void add_expectations(oqt_complex *sum, oqt_complex factor, const struct job *job,
                             const oqt_complex *rho)
{
    const oqt_chain *chain = oqt__tebd_look(job->run).chain;
    const oqt_complex *op = job->op;

    for (size_t i = 0; i < chain->n; i++) {
        size_t d = chain->dim[i];

        for (size_t k = 0; k < d * d; k++) {
            oqt_complex z = oqt__mul(factor, oqt__mul(op[k], rho[k % d * d + k / d]));

            sum[i].re += z.re;
            sum[i].im += z.im;
        }
        op += d * d;
        rho += d * d;
    }
}

/* What is measured behind the last insertion, with the factor of this branch. */
static oqt_status record(const struct job *job, oqt_complex factor, oqt_error *err)
{
    size_t n = oqt__tebd_look(job->run).mps->n;
    oqt_tebd_records records = OQT_TEBD_RECORDS_INIT;
    oqt_status st = OQT_OK;

    records.densities = job->rho;
    for (uint64_t done = 0, some = 0, first = 0; st == OQT_OK && first <= job->n_steps; done += some) {
        some = job->n_steps - done < AT_ONCE ? job->n_steps - done : AT_ONCE;
        st = oqt_tebd_record(&records, job->run, some, err);
        for (; st == OQT_OK && first <= done + some; first++)
            add_expectations(job->sum + first * n, factor, job, job->rho + (first - done) * job->size);
    }
    return st;
}

static oqt_status keep(oqt__mps *state, oqt__tebd_point *point, const oqt_tebd *run, oqt_error *err)
{
    oqt__tebd_view view = oqt__tebd_look(run);

    *point = view.point;
    return oqt__mps_copy(state, view.mps, false, err);
}

/* From insertion k on; the run is left anywhere. */
static oqt_status branch(const struct job *job, size_t k, oqt_complex factor, oqt_error *err)
{
    const oqt_tebd_insertion *ins = job->insertion + k;
    oqt__mps state = {0};
    oqt__tebd_point point;
    oqt_status st;

    if (k == job->n)
        return record(job, factor, err);
    if ((st = oqt_tebd_step(job->run, ins->step - oqt__tebd_look(job->run).point.stats.n_steps, err)) !=
            OQT_OK ||
        (st = keep(&state, &point, job->run, err)) != OQT_OK)
        return st;
    for (int part = 0; st == OQT_OK && part < 2; part++) {
        bool gone = false;

        if (part == 1) {
            oqt__tebd_stand_at(job->run, &point, &state);
            factor = (oqt_complex){-factor.im, factor.re};
        }
        if ((st = insert(&gone, job, ins, part, err)) == OQT_OK && !gone)
            st = branch(job, k + 1, factor, err);
    }
    oqt__mps_release(&state);
    return st;
}

/* ---- from outside ---- */

static oqt_status check_insertions(const oqt_tebd *run, size_t n, const oqt_tebd_insertion *ins,
                                   uint64_t n_steps, oqt_error *err)
{
    oqt__tebd_view view = oqt__tebd_look(run);
    uint64_t at = view.point.stats.n_steps;
    oqt_status st = oqt__tebd_stands(run, err);

    if (st != OQT_OK)
        return st;
    if (n < 1 || n > MAX_INSERTIONS)
        return oqt__fail(err, OQT_EINVAL, "there must be 1 to %d insertions, got %zu", MAX_INSERTIONS, n);
    for (size_t k = 0; k < n; k++) {
        size_t d;

        if (ins[k].site >= view.mps->n)
            return oqt__fail(err, OQT_EINVAL, "insertion %zu is on site %zu, the last one is %zu", k,
                             ins[k].site, view.mps->n - 1);
        if (ins[k].step < at)
            return oqt__fail(err, OQT_EINVAL, "insertion %zu is at step %llu, before step %llu", k,
                             (unsigned long long)ins[k].step, (unsigned long long)at);
        if (!ins[k].superop)
            return oqt__fail(err, OQT_EINVAL, "superoperator of insertion %zu is missing", k);
        d = view.chain->dim[ins[k].site];
        for (size_t i = 0; i < d * d * d * d; i++)
            if (!isfinite(ins[k].superop[i].re) || !isfinite(ins[k].superop[i].im))
                return oqt__fail(err, OQT_EINVAL, "insertion %zu has an element that is not finite", k);
        at = ins[k].step;
    }
    if (n_steps > UINT64_MAX - at)
        return oqt__fail(err, OQT_EINVAL, "too many steps");
    return oqt__tebd_covers(run, at + n_steps, err);
}

oqt_status oqt_tebd_correlations(oqt_complex *out, oqt_tebd *run, size_t n,
                                 const oqt_tebd_insertion *insertions, const oqt_complex *op,
                                 uint64_t n_steps, oqt_error *err)
{
    struct job job = {.run = run, .n = n, .insertion = insertions, .op = op, .n_steps = n_steps};
    oqt__mps state = {0};
    oqt__tebd_point point;
    size_t n_sites, len;
    oqt_status st;

    if (!out || !run || !insertions || !op)
        return oqt__fail(err, OQT_EINVAL, "run, insertions, operators or place for correlations is missing");
    if ((st = check_insertions(run, n, insertions, n_steps, err)) != OQT_OK ||
        (st = oqt__chain_check_operators(oqt__tebd_look(run).chain, op, err)) != OQT_OK)
        return st;
    n_sites = oqt__tebd_look(run).mps->n;
    if (n_steps >= SIZE_MAX || !oqt__mul_size(&len, (size_t)n_steps + 1, n_sites))
        return oqt__fail(err, OQT_ERANGE, "correlations at so many steps are too many");
    job.sum = oqt__calloc(len, sizeof *job.sum);
    for (size_t i = 0; i < n_sites; i++)
        job.size += oqt__tebd_look(run).mps->site[i].p;
    job.rho = oqt__calloc((AT_ONCE + 1) * job.size, sizeof *job.rho);
    st = job.sum && job.rho ? keep(&state, &point, run, err) : oqt__no_memory(err, "correlations");
    if (st == OQT_OK) {
        oqt__blas_guard guard = {false};

        oqt__blas_enter(&guard);
        st = branch(&job, 0, (oqt_complex){1.0, 0.0}, err);
        oqt__blas_leave(&guard);
        oqt__tebd_stand_at(run, &point, &state);
    }
    if (st == OQT_OK)
        memcpy(out, job.sum, len * sizeof *out);
    oqt__free(job.sum);
    oqt__free(job.rho);
    return st;
}
