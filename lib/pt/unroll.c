/* unroll.c - a finite piece of any process tensor. */
#include "pt/pt_priv.h"

#include <string.h>

#include "core/numbers.h"

/* A slot with as many rows and columns as its bonds: e_0 closes both ends. */
static void copy_slot(double *f, const oqt_pt *pt, uint64_t step, size_t left, size_t right)
{
    oqt__slot slot = oqt__pt_slot(pt, step);

    for (size_t b = 0; b < oqt__pt_blocks(pt); b++)
        for (size_t l = 0; l < left; l++)
            memcpy(f + (b * left + l) * right, slot.f + (b * slot.left + l) * slot.right, right * sizeof *f);
}

/* Multiply the class of each leg (i,j) with om >= 0 by its factor. */
static void scale_slot(double *f, const oqt_pt *pt, const oqt_complex *factor, size_t len)
{
    for (size_t c = 0; c < pt->legs.n_class; c++) {
        oqt_complex z = {1.0, 0.0};
        double *re = f + 2 * c * len, *im = re + len;

        for (size_t a = 0; a < pt->d * pt->d; a++)
            if (pt->legs.cls[a] == c && pt->legs.sign[a] > 0)
                z = factor[a];
        for (size_t i = 0; i < len; i++) {
            oqt_complex y = oqt__mul(z, (oqt_complex){re[i], im[i]});

            re[i] = y.re;
            im[i] = y.im;
        }
    }
}

static oqt_status fill(oqt_pt *to, const oqt_pt *pt, oqt_error *err)
{
    size_t n = to->info.n_steps, *bond = oqt__calloc(n + 1, sizeof *bond);
    oqt_complex *factor = oqt__calloc(pt->d * pt->d, sizeof *factor);
    double *scratch = oqt__doubles(3 * pt->n_tail);
    oqt_status st = bond && factor && scratch ? OQT_OK : oqt__no_memory(err, "a process tensor");

    for (size_t k = 0; st == OQT_OK && k <= n; k++)
        bond[k] = k == 0 || k == n ? 1 : oqt__pt_slot(pt, k).left;
    if (st == OQT_OK)
        st = oqt__pt_set_bonds(to, bond, err);
    for (size_t k = 0; st == OQT_OK && k < n; k++) {
        copy_slot(to->f + to->offset[k], pt, k, bond[k], bond[k + 1]);
        if (oqt__pt_has_factors(pt)) {
            oqt__pt_factors(factor, pt->d * pt->d, pt, k, 1, scratch);
            scale_slot(to->f + to->offset[k], pt, factor, bond[k] * bond[k + 1]);
        }
    }
    oqt__free(bond);
    oqt__free(factor);
    oqt__free(scratch);
    return st;
}

oqt_status oqt_pt_unroll(oqt_pt **out, const oqt_pt *pt, size_t n_steps, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_pt *to = NULL;
    oqt_status st;

    if (!pt || n_steps < 1 || n_steps == SIZE_MAX || n_steps > pt->info.n_steps)
        return oqt__fail(err, OQT_EINVAL, "process tensor covers %zu steps, %zu asked for",
                         pt ? pt->info.n_steps : 0, n_steps);
    oqt__blas_enter(&guard);
    if ((st = oqt__pt_copy_shell(&to, pt, err)) == OQT_OK) {
        to->info.n_steps = n_steps;
        st = fill(to, pt, err);
    }
    if (st == OQT_OK) {
        /* they are inside */
        oqt__free(to->slope);
        oqt__free(to->tail_c);
        oqt__free(to->tail_b);
        oqt__free(to->tail_power);
        to->slope = NULL;
        to->tail_c = to->tail_b = to->tail_power = NULL;
        to->n_slope = to->n_tail = 0;
        *out = to;
        to = NULL;
    }
    oqt_pt_destroy(to);
    oqt__blas_leave(&guard);
    return st;
}
