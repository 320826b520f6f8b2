/*
 * graph.c - the tasks of some steps of a chain, and the order in which they are handed out.
 *
 * An operation waits for the last tasks on its sites, a record for the last operations. The rank of a task is
 * the cost that is expected of the most expensive chain of tasks which wait for each other, from it to the
 * end. Who has the largest rank goes first: wide bonds, wherever they are, and what leads to them. This order
 * is one in which nothing comes before what it waits for, and it changes no number.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chain/tebd_priv.h"

/* ---- what there is to do ---- */

oqt_status oqt__graph_reserve(oqt_tebd *run, const oqt__records *r, oqt_error *err)
{
    size_t each = run->n_ops + (r ? run->mps.n + r->to.n_sets : 0), room;

    run->n_tasks = 0;
    if (!oqt__mul_size(&room, each, OQT__STEPS_AT_ONCE))
        return oqt__no_memory(err, "the tasks of a chain");
    if (room <= run->task_room)
        return OQT_OK;
    oqt__free(run->task);
    run->task_room = 0;
    run->task = oqt__calloc(room, sizeof *run->task);
    if (!run->task)
        return oqt__no_memory(err, "the tasks of a chain");
    run->task_room = room;
    return OQT_OK;
}

static void add(oqt_tebd *run, oqt__task task)
{
    task.index = run->n_tasks;
    run->task[run->n_tasks++] = task;
}

void oqt__graph_add_step(oqt_tebd *run, uint64_t step, double *const **gate)
{
    for (size_t k = 0; k < run->n_ops; k++) {
        const oqt__operation *op = run->op + k;
        bool is_gate = op->kind == OQT__GATE;

        add(run, (oqt__task){.op = op,
                             .gate = !is_gate   ? NULL
                                     : op->gate ? op->gate
                                                : *(*gate)++,
                             .step = step,
                             .first = op->at,
                             .last = op->at + (is_gate ? 1 : 0)});
    }
}

void oqt__graph_add_records(oqt_tebd *run, const oqt__records *r, uint64_t row)
{
    const oqt_tebd_records *to = &r->to;

    for (size_t i = 0; i < run->mps.n; i++)
        if (to->densities || (to->bonds && i + 1 < run->mps.n) || (to->traces && i == 0))
            add(run, (oqt__task){.step = row, .first = i, .last = i, .set = SIZE_MAX});
    for (size_t k = 0; k < to->n_sets; k++)
        add(run,
            (oqt__task){
                .step = row, .first = r->sites[k][0], .last = r->sites[k][to->set_size[k] - 1], .set = k});
}

/* ---- what comes first ---- */

/* Of the matrix of a gate, as gate.c splits it: the decomposition is the most of it. */
static double gate_cost(const oqt__chain_site *l, double *side)
{
    const oqt__chain_site *r = l + 1;
    double rows = (double)l->p * fmin((double)(l->a * l->l), (double)(l->p * l->r));
    double cols = (double)r->p * fmin((double)(r->a * r->r), (double)(r->p * r->l));

    *side = fmin(rows, cols);
    return 10.0 * rows * cols * *side;
}

static double expected_cost(const oqt_tebd *run, const oqt__task *t, double *side)
{
    static const double LEAST = 1e4; /* what is not arithmetic */
    const oqt__chain_site *s = run->mps.site;
    double cost = 0.0;

    *side = 0.0;
    if (t->op && t->op->kind == OQT__GATE)
        cost = gate_cost(s + t->first, side);
    else if (t->op)
        cost = oqt__tebd_tensor_flops(run, t->first, run->stats.n_steps);
    for (size_t i = t->first; !t->op && i <= t->last; i++)
        cost += 2.0 * (double)(s[i].p * s[i].l * s[i].r);
    return LEAST + cost;
}

static int compare(const void *left, const void *right)
{
    const oqt__task *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

oqt__outlook oqt__graph_rank(oqt_tebd *run, size_t begin)
{
    oqt__outlook out = {0.0, 0.0, 0.0};
    size_t n = run->mps.n;
    double *ahead = run->plan, *change = ahead + n, side; /* of all tasks behind, or of operations only */

    memset(ahead, 0, 2 * n * sizeof *ahead);
    for (size_t k = run->n_tasks; k-- > begin;) {
        oqt__task *t = run->task + k;
        double rank = 0.0;

        t->cost = expected_cost(run, t, &side);
        for (size_t i = t->first; i <= t->last; i++)
            rank = fmax(rank, t->op ? ahead[i] : change[i]);
        t->rank = rank + t->cost;
        for (size_t i = t->first; i <= t->last; i++) {
            ahead[i] = fmax(ahead[i], t->rank);
            change[i] = t->op ? t->rank : change[i];
        }
        out.work += t->cost;
        out.span = fmax(out.span, t->rank);
        out.widest = fmax(out.widest, side);
    }
    qsort(run->task + begin, run->n_tasks - begin, sizeof *run->task, compare);
    return out;
}
