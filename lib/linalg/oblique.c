/* oblique.c - the states that matter in two metrics at once. */
#include "linalg/linalg.h"

#include <math.h>

void oqt__oblique_release(oqt__oblique *p)
{
    oqt__free(p->right);
    oqt__free(p->left);
    oqt__free(p->weight);
    *p = (oqt__oblique){0};
}

oqt_status oqt__oblique_create(oqt__oblique *out, oqt__svd_ws *ws, double *left, const double *left_scale,
                               double *right, const double *right_scale, size_t n, const oqt__trunc *rule,
                               oqt__trunc_record *record, oqt_error *err)
{
    double *cross = oqt__doubles(n * n), *x = left, *y = right;
    oqt__oblique p = {.n = n};
    oqt__svd svd;
    oqt_status st;

    if (!cross)
        return oqt__no_memory(err, "a truncation");
    if ((st = oqt__psd_factor(y, right, n, right_scale, n, err)) != OQT_OK ||
        (st = oqt__psd_factor(x, left, n, left_scale, n, err)) != OQT_OK)
        goto done;
    oqt__gemm(true, false, n, n, n, 1.0, x, n, y, n, 0.0, cross, n);
    if ((st = oqt__svd_trunc(&svd, ws, cross, n, n, rule, record, err)) != OQT_OK)
        goto done;
    p.rank = svd.rank;
    p.right = oqt__doubles(n * p.rank);
    p.left = oqt__doubles(p.rank * n);
    p.weight = oqt__copy(svd.s, p.rank, sizeof *svd.s);
    if (!p.right || !p.left || !p.weight) {
        st = oqt__no_memory(err, "a truncation");
        goto done;
    }
    oqt__gemm(false, true, n, p.rank, n, 1.0, y, n, svd.vt, n, 0.0, p.right, p.rank);
    oqt__gemm(true, true, p.rank, n, n, 1.0, svd.u, p.rank, x, n, 0.0, p.left, n);
    for (size_t k = 0; k < p.rank; k++) {
        double root = 1.0 / sqrt(p.weight[k]);

        for (size_t i = 0; i < n; i++) {
            p.right[i * p.rank + k] *= root;
            p.left[k * n + i] *= root;
        }
    }
    *out = p;
    p = (oqt__oblique){0};
done:
    oqt__oblique_release(&p);
    oqt__free(cross);
    return st;
}
