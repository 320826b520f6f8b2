/* between.c - the system between slots. With R for the turn into the eigenbasis of a group, U1 and U2 for the
 * halves of step n, P and Q for the controls before and after the record at its beginning, P' for those
 * before the next one, a step is
 *
 *     R U1 Q (P U2 R^T of the step before),  R R_last^T for each group more,  P' U2 R_last^T. */
#include <string.h>

#include "tempo/tempo_priv.h"

void oqt__between_release(oqt__between *b)
{
    oqt_system_destroy(b->system);
    oqt_control_destroy(b->control);
    oqt__halves_ws_release(&b->ws);
    oqt__free(b->halves);
    oqt__free(b->s);
    oqt__free(b->turn);
    oqt__free(b->close);
    oqt__free(b->leave);
    oqt__free(b->after);
    oqt__free(b->before);
    oqt__free(b->work);
    *b = (oqt__between){0};
}

static oqt_status fill_halves(oqt__between *b, uint64_t step, oqt_error *err)
{
    const double *rows = b->parameters;

    if (rows && step >= b->n_parameter_steps)
        return oqt__fail(err, OQT_EINVAL, "parameters cover %llu steps, and one more was asked for",
                         (unsigned long long)b->n_parameter_steps);
    if (rows)
        rows += 2 * step * oqt_system_n_parameters(b->system);
    return oqt__system_halves(b->halves, b->system, b->start, b->dt, step, rows, b->how, &b->ws, err);
}

oqt_status oqt__between_init(oqt__between *b, const oqt_system *system, const oqt_control *control,
                             oqt_error *err)
{
    size_t d2 = b->d * b->d, n_x = b->n_col * d2, n = n_x * n_x;
    oqt_status st;

    b->system = oqt__system_copy(system);
    b->control = control ? oqt__control_copy(control) : NULL;
    b->halves = oqt__doubles(2 * d2 * d2);
    b->s = oqt__doubles(2 * d2 * d2);
    b->turn = oqt__doubles(n);
    b->close = oqt__doubles(n);
    b->leave = oqt__doubles(n);
    b->after = oqt__doubles(n);
    b->before = oqt__doubles(n);
    b->work = oqt__doubles(n);
    if (!b->system || (control && !b->control) || !b->halves || !b->s || !b->turn || !b->close || !b->leave ||
        !b->after || !b->before || !b->work)
        return oqt__no_memory(err, "a run");
    if ((st = oqt__halves_ws_init(&b->ws, 1, &system, err)) != OQT_OK)
        return st;
    return oqt_system_is_constant(b->system) ? fill_halves(b, 0, err) : OQT_OK;
}

/* S1 for one column; [[S1, -S2], [S2, S1]] for two. */
static oqt_status find_control(double *out, oqt__between *b, uint64_t step, oqt_when when, oqt_error *err)
{
    size_t d2 = b->d * b->d, n_x = b->n_col * d2;
    oqt__control_kind kind = OQT__CONTROL_NONE;
    oqt_status st = OQT_OK;

    if (b->control)
        st = oqt__control_find(&kind, b->s, b->s + d2 * d2, b->control, step, when, b->start, b->dt, err);
    if (st != OQT_OK)
        return st;
    memset(out, 0, n_x * n_x * sizeof *out);
    if (kind == OQT__CONTROL_NONE) {
        for (size_t i = 0; i < n_x; i++)
            out[i * n_x + i] = 1.0;
        return OQT_OK;
    }
    for (size_t r = 0; r < b->n_col; r++)
        for (size_t c = 0; c < b->n_col; c++)
            for (size_t i = 0; i < d2 * d2; i++) {
                double x = r == c ? b->s[i] : b->s[d2 * d2 + i];

                out[(r * d2 + i / d2) * n_x + c * d2 + i % d2] = r < c ? -x : x;
            }
    return OQT_OK;
}

oqt_status oqt__between_start(oqt__between *b, oqt_error *err)
{
    return find_control(b->before, b, 0, OQT_PRE, err);
}

oqt_status oqt__between_step(oqt__between *b, uint64_t step, oqt_error *err)
{
    oqt_status st = oqt_system_is_constant(b->system) ? OQT_OK : fill_halves(b, step, err);

    if (st == OQT_OK)
        st = find_control(b->after, b, step, OQT_POST, err);
    return st == OQT_OK ? find_control(b->before, b, step + 1, OQT_PRE, err) : st;
}

/* ---- products ---- */

/* out = a b with one a, d^2 x d^2, for all columns; NULL: 1. */
static void from_left(double *out, const double *a, const double *x, const oqt__between *b)
{
    size_t d2 = b->d * b->d, n_x = b->n_col * d2;

    if (!a)
        memcpy(out, x, n_x * n_x * sizeof *out);
    for (size_t c = 0; a && c < b->n_col; c++)
        oqt__gemm(false, false, d2, n_x, d2, 1.0, a, d2, x + c * d2 * n_x, n_x, 0.0, out + c * d2 * n_x, n_x);
}

/* out: one a, d^2 x d^2 times the turn R^T out of a group, for all columns. a: NULL for 1. */
static void out_of(double *out, const double *a, const oqt__group *g, const oqt__between *b)
{
    size_t d2 = b->d * b->d, n_x = b->n_col * d2;

    memset(out, 0, n_x * n_x * sizeof *out);
    for (size_t i = 0; i < d2; i++)
        for (size_t j = 0; j < d2; j++) {
            double sum = 0.0;

            if (!g->rotation)
                sum = a ? a[i * d2 + j] : i == j ? 1.0 : 0.0;
            else if (!a)
                sum = g->rotation[j * d2 + i];
            else
                for (size_t k = 0; k < d2; k++)
                    sum += a[i * d2 + k] * g->rotation[j * d2 + k];
            for (size_t c = 0; c < b->n_col; c++)
                out[(c * d2 + i) * n_x + c * d2 + j] = sum;
        }
}

static void product(double *out, const double *a, const double *x, size_t n)
{
    oqt__gemm(false, false, n, n, n, 1.0, a, n, x, n, 0.0, out, n);
}

void oqt__between_enter(oqt__between *b, uint64_t step, const oqt__group *g)
{
    size_t n_x = b->n_col * b->d * b->d;

    if (step == 0)
        memcpy(b->turn, b->after, n_x * n_x * sizeof *b->turn);
    else
        product(b->turn, b->after, b->leave, n_x);
    from_left(b->work, b->halves, b->turn, b);
    from_left(b->turn, g->rotation, b->work, b);
}

void oqt__between_turn(oqt__between *b, const oqt__group *g, const oqt__group *last)
{
    out_of(b->work, NULL, last, b);
    from_left(b->turn, g->rotation, b->work, b);
}

void oqt__between_close(oqt__between *b, const oqt__group *last)
{
    size_t d2 = b->d * b->d;

    out_of(b->close, b->halves + d2 * d2, last, b);
    product(b->leave, b->before, b->close, b->n_col * d2);
}
