/* level.c - the tensors of all leg classes at one stage of the construction. */
#include "pt/level.h"

#include <string.h>

oqt_status oqt__level_alloc(oqt__level *level, size_t n, const oqt__legs *legs, oqt_error *err)
{
    oqt__level next = {.n = n};

    next.re = oqt__calloc(legs->n_class, sizeof *next.re);
    next.im = oqt__calloc(legs->n_class, sizeof *next.im);
    next.weight = oqt__doubles(n);
    next.parity = oqt__calloc(n, sizeof *next.parity);
    bool ok = next.re && next.im && next.weight && next.parity;

    for (size_t k = 0; ok && k < legs->n_class; k++) {
        if (legs->kind[k] == OQT__CLASS_MIRROR)
            continue;
        ok = (next.re[k] = oqt__doubles(n * n)) != NULL;
        if (ok && legs->kind[k] == OQT__CLASS_COMPLEX)
            ok = (next.im[k] = oqt__doubles(n * n)) != NULL;
    }
    if (!ok) {
        oqt__level_release(&next, legs->n_class);
        return oqt__no_memory(err, "the tensors of a level");
    }
    *level = next;
    return OQT_OK;
}

void oqt__level_release(oqt__level *level, size_t n_class)
{
    for (size_t k = 0; k < n_class; k++) {
        if (level->re)
            oqt__free(level->re[k]);
        if (level->im)
            oqt__free(level->im[k]);
    }
    oqt__free(level->re);
    oqt__free(level->im);
    oqt__free(level->weight);
    oqt__free(level->parity);
    *level = (oqt__level){0};
}

/* F of a class from F' in the gauge of the parity. */
static void leave_gauge(double *re, double *im, const double *f, const unsigned char *parity, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double x = f[i * n + j];

            re[i * n + j] = parity[i] == parity[j] ? x : 0.0;
            im[i * n + j] = parity[i] == parity[j] ? 0.0 : parity[i] ? x : -x;
        }
}

/* Pi conj(F) Pi. */
static void reflect(double *re, double *im, const double *from_re, const double *from_im,
                    const unsigned char *parity, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sign = parity[i] == parity[j] ? 1.0 : -1.0;

            re[i * n + j] = sign * from_re[i * n + j];
            im[i * n + j] = -sign * from_im[i * n + j];
        }
}

void oqt__level_expand(double *out, const oqt__level *level, const oqt__legs *legs)
{
    size_t nn = level->n * level->n;

    for (size_t k = 0; k < legs->n_class; k++) {
        double *re = out + 2 * k * nn, *im = re + nn;
        const double *first =
            out + 2 * legs->mirror[k] * nn; /* of the class it mirrors, which is before it */

        switch (legs->kind[k]) {
        case OQT__CLASS_REAL:
            memcpy(re, level->re[k], nn * sizeof *re);
            memset(im, 0, nn * sizeof *im);
            break;
        case OQT__CLASS_COMPLEX:
            memcpy(re, level->re[k], nn * sizeof *re);
            memcpy(im, level->im[k], nn * sizeof *im);
            break;
        case OQT__CLASS_GAUGED:
            leave_gauge(re, im, level->re[k], level->parity, level->n);
            break;
        case OQT__CLASS_MIRROR:
            reflect(re, im, first, first + nn, level->parity, level->n);
            break;
        }
    }
}
