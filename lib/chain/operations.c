/* operations.c - what a step of a chain consists of, and the matrices of its gates. */
#include <math.h>

#include "chain/tebd_priv.h"

/* Add a gate, or lengthen the last one on the bond if nothing else has touched its sites since. */
static void add_gate(oqt_tebd *run, size_t *last, size_t bond, double from, double to)
{
    if (last[bond] < SIZE_MAX && last[bond] == last[bond + 1] && run->op[last[bond]].kind == OQT__GATE) {
        run->op[last[bond]].to = to;
        return;
    }
    last[bond] = last[bond + 1] = run->n_ops;
    run->op[run->n_ops++] = (oqt__operation){.kind = OQT__GATE, .at = bond, .from = from, .to = to};
}

/* From the middle outwards: wide bonds, which others wait for the longest, begin first. */
static void add_layer(oqt_tebd *run, size_t *last, size_t parity, double from, double to)
{
    size_t count = (run->mps.n - parity) / 2, middle = (count - 1) / 2;

    for (size_t k = 0; k < count; k++)
        add_gate(run, last, parity + 2 * (k % 2 ? middle + (k + 1) / 2 : middle - k / 2), from, to);
}

/* Second order: even, odd, even. */
static void add_symmetric(oqt_tebd *run, size_t *last, double from, double to)
{
    double middle = 0.5 * (from + to);

    add_layer(run, last, 0, from, middle);
    add_layer(run, last, 1, from, to);
    add_layer(run, last, 0, middle, to);
}

/* Half a step of the chain in one of the orders. */
static void add_half_step(oqt_tebd *run, size_t *last, int order, double from)
{
    double to = from + 0.5, at = from;

    if (order == 1) {
        add_layer(run, last, 0, from, to);
        add_layer(run, last, 1, from, to);
    } else if (order == 2) {
        add_symmetric(run, last, from, to);
    } else { /* Suzuki: p, p, 1 - 4p, p, p of the second order */
        double p = 1.0 / (4.0 - cbrt(4.0));
        double part[5] = {p, p, 1.0 - 4.0 * p, p, p};

        for (int k = 0; k < 5; k++) {
            double next = k < 4 ? at + 0.5 * part[k] : to;

            add_symmetric(run, last, at, next);
            at = next;
        }
    }
}

oqt_status oqt__tebd_plan(oqt_tebd *run, int order, oqt_error *err)
{
    size_t n = run->mps.n, room = (order == 4 ? 31 : 7) * n;
    size_t *last = oqt__calloc(n, sizeof *last);

    run->op = oqt__calloc(room, sizeof *run->op);
    if (!last || !run->op) {
        oqt__free(last);
        return oqt__no_memory(err, "the gates of a chain");
    }
    for (size_t i = 0; i < n; i++)
        last[i] = SIZE_MAX;
    add_half_step(run, last, order, 0.0);
    for (size_t i = 0; i < n; i++) {
        if (!run->tensors[i].any)
            continue;
        last[i] = run->n_ops;
        run->op[run->n_ops++] = (oqt__operation){.kind = OQT__TENSORS, .at = i};
    }
    add_half_step(run, last, order, 0.5);
    oqt__free(last);
    return OQT_OK;
}

/* Matrices of the gates that do not depend on time, those of equal bond and length once. */
oqt_status oqt__tebd_make_gates(oqt_tebd *run, oqt_error *err)
{
    oqt_status st;

    for (size_t k = 0; k < run->n_ops; k++) {
        oqt__operation *op = run->op + k;
        size_t n = run->mps.site[op->at].p;

        if (op->kind != OQT__GATE)
            continue;
        if (!run->gates.constant[op->at]) {
            run->n_varying++;
            continue;
        }
        for (size_t i = 0; i < k && !op->gate; i++) {
            const oqt__operation *before = run->op + i;

            if (before->own && before->at == op->at &&
                fabs((before->to - before->from) - (op->to - op->from)) < 1e-14)
                op->gate = before->own;
        }
        if (op->gate)
            continue;
        n *= run->mps.site[op->at + 1].p;
        op->gate = op->own = oqt__doubles(n * n);
        if (!op->own)
            return oqt__no_memory(err, "the gates of a chain");
        if ((st = oqt__gates_make(op->own, &run->gates, op->at, run->dt * op->from, run->dt * op->to, err)) !=
            OQT_OK)
            return st;
    }
    run->varying = oqt__calloc(OQT__STEPS_AT_ONCE * run->n_varying, sizeof *run->varying);
    if (!run->varying)
        return oqt__no_memory(err, "the gates of a chain");
    for (size_t s = 0, v = 0; s < OQT__STEPS_AT_ONCE; s++)
        for (size_t k = 0; k < run->n_ops; k++) {
            const oqt__operation *op = run->op + k;
            size_t n = run->mps.site[op->at].p;

            if (op->kind != OQT__GATE || op->gate)
                continue;
            n *= run->mps.site[op->at + 1].p;
            run->varying[v] = oqt__doubles(n * n);
            if (!run->varying[v++])
                return oqt__no_memory(err, "the gates of a chain");
        }
    return OQT_OK;
}

oqt_status oqt__tebd_make_varying_gates(uint64_t *made, oqt_tebd *run, uint64_t n, oqt_error *err)
{
    double **gate = run->varying;
    oqt_status st;

    for (*made = run->n_varying > 0 ? 0 : n; *made < n; ++*made)
        for (size_t k = 0; k < run->n_ops; k++) {
            const oqt__operation *op = run->op + k;
            double t = run->start_time + (double)(run->stats.n_steps + *made) * run->dt;

            if (op->kind == OQT__GATE && !op->gate &&
                (st = oqt__gates_make(*gate++, &run->gates, op->at, t + op->from * run->dt,
                                      t + op->to * run->dt, err)) != OQT_OK)
                return st;
        }
    return OQT_OK;
}
