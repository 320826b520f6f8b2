/* legs.c - classes of legs, and the influence functional on one path. */
#include "influence/influence.h"

#include <math.h>

#include "liouville/hermitian.h"

void oqt__legs_release(oqt__legs *legs)
{
    oqt__free(legs->om);
    oqt__free(legs->sp);
    oqt__free(legs->weight);
    oqt__free(legs->kind);
    oqt__free(legs->mirror);
    oqt__free(legs->cls);
    oqt__free(legs->sign);
    *legs = (oqt__legs){0};
}

static size_t find_class(oqt__legs *legs, double om, double sp, double tol)
{
    size_t k = 0;

    while (k < legs->n_class && (fabs(legs->om[k] - om) > tol || fabs(legs->sp[k] - sp) > tol))
        k++;
    if (k == legs->n_class) {
        legs->om[k] = om;
        for (size_t m = 0; m < k; m++)
            if (fabs(legs->om[m] - om) <= tol)
                legs->om[k] = legs->om[m];
        legs->sp[k] = fabs(sp) <= tol ? 0.0 : sp;
        legs->n_class++;
    }
    return k;
}

/* Reflections, if every class has one; else each class stands for itself. */
static void classify(oqt__legs *legs, double tol)
{
    legs->symmetric = true;
    for (size_t k = 0; k < legs->n_class; k++) {
        size_t m = 0;

        while (m < legs->n_class && (legs->om[m] != legs->om[k] || fabs(legs->sp[m] + legs->sp[k]) > tol))
            m++;
        legs->mirror[k] = m;
        legs->symmetric = legs->symmetric && m < legs->n_class;
    }
    for (size_t k = 0; k < legs->n_class; k++) {
        size_t m = legs->symmetric ? legs->mirror[k] : k;

        legs->mirror[k] = m;
        legs->kind[k] = legs->om[k] == 0.0 ? OQT__CLASS_REAL : OQT__CLASS_COMPLEX;
        if (m < k) {
            legs->kind[k] = OQT__CLASS_MIRROR;
            legs->weight[m] += legs->weight[k];
            legs->weight[k] = 0.0;
        } else if (m == k && legs->symmetric && legs->om[k] > 0.0) {
            legs->kind[k] = OQT__CLASS_GAUGED;
        }
    }
}

oqt_status oqt__legs_create(oqt__legs *legs, const double *o, size_t d, oqt_error *err)
{
    size_t n = d * d;
    double low = o[0], high = o[0], scale, tol;
    oqt__legs next = {.d = d};

    next.om = oqt__doubles(n);
    next.sp = oqt__doubles(n);
    next.weight = oqt__doubles(n);
    next.kind = oqt__calloc(n, sizeof *next.kind);
    next.mirror = oqt__calloc(n, sizeof *next.mirror);
    next.cls = oqt__calloc(n, sizeof *next.cls);
    next.sign = oqt__calloc(n, sizeof *next.sign);
    if (!next.om || !next.sp || !next.weight || !next.kind || !next.mirror || !next.cls || !next.sign) {
        oqt__legs_release(&next);
        return oqt__no_memory(err, "the legs of a coupling");
    }
    for (size_t i = 1; i < d; i++) {
        low = fmin(low, o[i]);
        high = fmax(high, o[i]);
    }
    scale = fmax(fabs(low), fabs(high));
    tol = OQT__DEGENERACY_TOLERANCE * scale;
    next.shift = 0.5 * (low + high);
    if (fabs(next.shift) <= tol)
        next.shift = 0.0;
    for (size_t a = 0; a < n; a++) {
        double om = o[a / d] - o[a % d], sp = o[a / d] + o[a % d] - 2.0 * next.shift;

        if (fabs(om) <= tol)
            om = 0.0;
        next.sign[a] = (signed char)((om > 0.0) - (om < 0.0));
        next.cls[a] = find_class(&next, fabs(om), sp, tol);
        next.weight[next.cls[a]] += 1.0 / (double)n;
    }
    classify(&next, 4.0 * tol);
    *legs = next;
    return OQT_OK;
}

void oqt__path_log(oqt_complex *out, const oqt__legs *legs, const size_t *path, size_t n,
                   const oqt_complex *eta)
{
    double re = 0.0, im = 0.0;

    for (size_t k = 0; k < n; k++) {
        double om = legs->sign[path[k]] * legs->om[legs->cls[path[k]]];

        if (om != 0.0) {
            double sum_re = 0.0, sum_im = 0.0;

            for (size_t m = 0; m <= k; m++) {
                size_t cls = legs->cls[path[m]];

                sum_re += eta[k - m].re * legs->sign[path[m]] * legs->om[cls];
                sum_im += eta[k - m].im * legs->sp[cls];
            }
            re -= om * sum_re;
            im -= om * sum_im;
        }
        out[k] = (oqt_complex){re, im};
    }
}
