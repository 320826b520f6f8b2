/* check.c - what a run is given makes sense together. */
#include <math.h>

#include "core/numbers.h"
#include "dynamics/dyn_priv.h"
#include "liouville/hermitian.h"

oqt_status oqt__dynamics_options(oqt_dynamics_options *out, const oqt_dynamics_options *given, oqt_error *err)
{
    static const oqt_dynamics_options defaults = OQT_DYNAMICS_OPTIONS_INIT;

    return oqt__options_read(out, given, &defaults, sizeof *out, sizeof *out, "dynamics", err);
}

oqt_status oqt__check_batch(size_t n_pt, const oqt_pt *const *pts, size_t n, const oqt_system *const *systems,
                            double dt, oqt_split split, int n_threads, oqt_error *err)
{
    if (split != OQT_SPLIT_SYMMETRIC && split != OQT_SPLIT_LIST)
        return oqt__fail(err, OQT_EINVAL, "unknown order of process tensors %d", (int)split);
    if (n_threads < 0)
        return oqt__fail(err, OQT_EINVAL, "number of threads must not be negative, got %d", n_threads);
    for (size_t i = 0; i < n; i++)
        if (!systems[i])
            return oqt__fail(err, OQT_EINVAL, "system %zu is missing", i);
    for (size_t e = 0; e < n_pt; e++)
        if (!pts[e])
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu is missing", e);
    if (!(dt >= 0.0) || !isfinite(dt) || (n_pt == 0 && dt == 0.0))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", dt);
    if (n_pt > 0 && dt != 0.0 && dt != pts[0]->dt)
        return oqt__fail(err, OQT_EINVAL, "time step %.17g differs from that of the process tensors, %.17g",
                         dt, pts[0]->dt);
    size_t d = oqt_system_dimension(systems[0]);

    for (size_t i = 0; i < n; i++)
        if (oqt_system_dimension(systems[i]) != d)
            return oqt__fail(err, OQT_EINVAL, "system %zu has dimension %zu, the first %zu", i,
                             oqt_system_dimension(systems[i]), d);
    return OQT_OK;
}

/* Two couplings commute if the one, as a Hamiltonian, never leaves the legs of the other. */
static oqt_status coupling_leg_rate(double *rate, const oqt_pt *pt, const oqt_pt *other, oqt_error *err)
{
    size_t d = other->d;
    oqt_complex *coupling = oqt__calloc(d * d, sizeof *coupling);
    oqt_system *system = NULL;
    oqt_status st;

    if (!coupling)
        return oqt__no_memory(err, "a coupling operator");
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++) {
                oqt_complex z = oqt__mul(other->u[i * d + k], oqt__conj(other->u[j * d + k]));

                coupling[i * d + j].re += other->o[k] * z.re;
                coupling[i * d + j].im += other->o[k] * z.im;
            }
    if ((st = oqt_system_create(&system, d, coupling, err)) == OQT_OK)
        st = oqt__system_leg_rate(rate, system, pt->o, pt->u, err);
    oqt_system_destroy(system);
    oqt__free(coupling);
    return st;
}

/* A closed form holds only where paths never change legs. */
static oqt_status check_closed_form(size_t e, size_t n_pt, const oqt_pt *const *pts, size_t n,
                                    const oqt_system *const *systems, oqt_error *err)
{
    double leg_rate;
    oqt_status st;

    for (size_t i = 0; i < n; i++) {
        if (!systems[i])
            continue;
        if ((st = oqt__system_leg_rate(&leg_rate, systems[i], pts[e]->o, pts[e]->u, err)) != OQT_OK)
            return st;
        if (leg_rate > 0.0)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu is the closed form for commuting systems, but system %zu "
                             "does not commute with its coupling",
                             e, i);
    }
    for (size_t f = 0; f < n_pt; f++) {
        if (pts[f]->info.general_legs)
            leg_rate = INFINITY; /* there is no one coupling */
        else if ((st = coupling_leg_rate(&leg_rate, pts[e], pts[f], err)) != OQT_OK)
            return st;
        if (leg_rate > 0.0)
            return oqt__fail(err, OQT_EINVAL,
                             "process tensor %zu is the closed form for commuting systems, but the coupling "
                             "of process tensor %zu does not commute with its own",
                             e, f);
    }
    return OQT_OK;
}

oqt_status oqt__check_tensors(size_t n_pt, const oqt_pt *const *pts, size_t n,
                              const oqt_system *const *systems, oqt_error *err)
{
    size_t d = oqt_system_dimension(systems[0]);

    /* shapes first: couplings are compared below */
    for (size_t e = 0; e < n_pt; e++) {
        if (pts[e]->d != d)
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu has dimension %zu, the system %zu", e,
                             pts[e]->d, d);
        if (pts[e]->dt != pts[0]->dt)
            return oqt__fail(err, OQT_EINVAL, "process tensor %zu has time step %.17g, the first %.17g", e,
                             pts[e]->dt, pts[0]->dt);
    }
    for (size_t e = 0; e < n_pt; e++) {
        oqt_status st = pts[e]->info.method == OQT_PT_DEPHASING
                            ? check_closed_form(e, n_pt, pts, n, systems, err)
                            : OQT_OK;

        if (st != OQT_OK)
            return st;
    }
    return OQT_OK;
}
