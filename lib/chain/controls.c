/* controls.c - controls of the sites and bonds of a chain. */
#include <string.h>

#include "chain/tebd_priv.h"

/* Let the control of a site act. */
static oqt_status control_site(oqt_tebd *run, size_t i, oqt_when when, bool *acted, oqt_error *err)
{
    oqt__chain_site *site = run->mps.site + i;
    size_t n = site->p, rest = site->a * site->l * site->r;
    oqt__control_kind kind = OQT__CONTROL_NONE;
    double *s, *x;
    oqt_status st;

    if ((st = oqt__chain_ws_reserve(run->ws, 2 * n * n + n * rest, err)) != OQT_OK)
        return st;
    s = run->ws->mem;
    x = s + 2 * n * n;
    st = oqt__control_find(&kind, s, s + n * n, run->site_control[i], run->stats.n_steps, when,
                           run->start_time, run->dt, err);
    if (st != OQT_OK || kind == OQT__CONTROL_NONE)
        return st;
    memcpy(x, site->x, n * rest * sizeof *x);
    oqt__gemm(false, false, n, rest, n, 1.0, s, n, x, rest, 0.0, site->x, rest);
    *acted = true;
    return OQT_OK;
}

static oqt_status control_bond(oqt_tebd *run, size_t b, oqt_when when, bool *acted, oqt_error *err)
{
    size_t n = run->mps.site[b].p * run->mps.site[b + 1].p;
    oqt__control_kind kind = OQT__CONTROL_NONE;
    double *s = oqt__doubles(2 * n * n);
    oqt_status st;

    if (!s)
        return oqt__no_memory(err, "a control of two sites");
    st = oqt__control_find(&kind, s, s + n * n, run->bond_control[b], run->stats.n_steps, when,
                           run->start_time, run->dt, err);
    if (st == OQT_OK && kind != OQT__CONTROL_NONE) {
        oqt__gates_from_joint(s, &run->gates, b, s);
        st = oqt__mps_gate(&run->mps, b, s, &run->rule, run->ws, run->record + b, err);
        run->widest[b] = run->mps.site[b].r > run->widest[b] ? run->mps.site[b].r : run->widest[b];
        *acted = true;
    }
    oqt__free(s);
    return st;
}

/* All controls at the present step: those of sites, then those of bonds. They need not conserve the trace. */
oqt_status oqt__tebd_apply_controls(oqt_tebd *run, oqt_when when, oqt_error *err)
{
    bool acted = false;
    oqt_status st = OQT_OK;

    for (size_t i = 0; run->site_control && st == OQT_OK && i < run->mps.n; i++)
        st = control_site(run, i, when, &acted, err);
    for (size_t b = 0; run->bond_control && st == OQT_OK && b + 1 < run->mps.n; b++)
        st = control_bond(run, b, when, &acted, err);
    if (acted && st == OQT_OK)
        oqt__mps_trace_bonds(&run->mps);
    return st;
}

/* Whether any control acts at a step. */
oqt_status oqt__tebd_has_controls(bool *any, const oqt_tebd *run, uint64_t step, oqt_when when,
                                  oqt_error *err)
{
    *any = false;
    for (size_t i = 0; i < 2 * run->mps.n - 1 && !*any; i++) {
        bool is_bond = i >= run->mps.n;
        oqt_control **list = is_bond ? run->bond_control : run->site_control;
        oqt__control_kind kind = OQT__CONTROL_NONE;
        oqt_status st = OQT_OK;

        if (list)
            st = oqt__control_find(&kind, NULL, NULL, list[is_bond ? i - run->mps.n : i], step, when,
                                   run->start_time, run->dt, err);
        if (st != OQT_OK)
            return st;
        *any = kind != OQT__CONTROL_NONE;
    }
    return OQT_OK;
}

oqt_status oqt__tebd_copy_controls(oqt_control ***out, const oqt_control *const *controls, size_t n,
                                   const char *what, const size_t *dim, bool pairs, oqt_error *err)
{
    if (!controls)
        return OQT_OK;
    *out = oqt__calloc(n, sizeof **out);
    if (!*out)
        return oqt__no_memory(err, "the controls of a chain");
    for (size_t i = 0; i < n; i++) {
        size_t d = pairs ? dim[i] * dim[i + 1] : dim[i];

        if (!controls[i])
            continue;
        if (oqt_control_dimension(controls[i]) != d)
            return oqt__fail(err, OQT_EINVAL, "control of %s %zu has dimension %zu, expected %zu", what, i,
                             oqt_control_dimension(controls[i]), d);
        if (!oqt__control_is_real(controls[i]))
            return oqt__fail(err, OQT_EINVAL,
                             "control of %s %zu does not keep matrices Hermitian, which a chain needs", what,
                             i);
        if (!((*out)[i] = oqt__control_copy(controls[i])))
            return oqt__no_memory(err, "the controls of a chain");
    }
    return OQT_OK;
}
