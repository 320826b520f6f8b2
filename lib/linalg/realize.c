/* realize.c - state-space models from samples of a decaying sequence, and factors of weighted matrices. */
#include "linalg/linalg.h"

#include <math.h>
#include <string.h>

/* Poles this far outside the unit circle are rounding (undamped modes lie on it); they are pulled inside by
 * as much. Poles farther out are noise that was taken for a mode. */
static const double POLE_MARGIN = 1e-10;

void oqt__state_space_release(oqt__state_space *model)
{
    oqt__free(model->a);
    oqt__free(model->b);
    oqt__free(model->c);
    oqt__free(model->gain);
    *model = (oqt__state_space){0};
}

/* Quadrature weight of sample i on the integers: half the distance between its neighbors. */
static double spacing(const uint64_t *idx, size_t n, size_t i)
{
    size_t low = i > 0 ? i - 1 : 0, high = i + 1 < n ? i + 1 : i;

    return high > low ? (double)(idx[high] - idx[low]) / (double)(high - low) : 1.0;
}

/*
 * The balanced model of order n from W H0 W = U s V^T:
 * A = q^-1 U^T (W H1 W) V q^-1, B = q^-1 U^T W H0[:, 0], C = H0[0, :] W V q^-1 with q = sqrt(s).
 * The first row and column of H0 are the samples themselves and carry no weight of their own index.
 */
static void balanced_model(oqt__state_space *model, const oqt__svd *svd, size_t n, size_t n_idx, size_t n_in,
                           const double *h0, const double *wh1, const double *w, double *work)
{
    size_t cols = n_idx * n_in;

    model->n = n;
    for (size_t i = 0; i < n; i++)
        model->gain[i] = svd->s[i];
    /* work = (W H1 W) V, cols of V being the first n rows of vt */
    oqt__gemm(false, true, n_idx, n, cols, 1.0, wh1, cols, svd->vt, cols, 0.0, work, n);
    oqt__gemm(true, false, n, n, n_idx, 1.0, svd->u, svd->rank, work, n, 0.0, model->a, n);
    for (size_t i = 0; i < n; i++) {
        double qi = sqrt(svd->s[i]), c = 0.0;

        for (size_t j = 0; j < n; j++)
            model->a[i * n + j] /= qi * sqrt(svd->s[j]);
        for (size_t j = 0; j < cols; j++)
            c += h0[j] * w[j / n_in] * svd->vt[i * cols + j];
        model->c[i] = c / qi;
        for (size_t q = 0; q < n_in; q++) {
            double b = 0.0;

            for (size_t j = 0; j < n_idx; j++)
                b += svd->u[j * svd->rank + i] * w[j] * h0[j * cols + q];
            model->b[i * n_in + q] = b / qi;
        }
    }
}

static oqt_status spectral_radius(double *radius, const oqt__state_space *model, oqt_complex *poles,
                                  oqt_error *err)
{
    oqt_status st = oqt__eigvals(poles, model->a, model->n, err);

    *radius = 0.0;
    for (size_t i = 0; st == OQT_OK && i < model->n; i++)
        *radius = fmax(*radius, hypot(poles[i].re, poles[i].im));
    return st;
}

oqt_status oqt__realize(oqt__state_space *model, size_t n_idx, const uint64_t *idx, size_t n_in,
                        const double *h0, const double *h1, double tol, oqt_error *err)
{
    size_t cols = n_idx * n_in, order;
    double *w = oqt__doubles(n_idx), *wh0 = oqt__doubles(n_idx * cols), *wh1 = oqt__doubles(n_idx * cols);
    double *work = oqt__doubles(n_idx * cols);
    oqt_complex *poles = oqt__calloc(cols, sizeof *poles);
    oqt__svd_ws ws = {0};
    oqt__svd svd;
    oqt__trunc rule = {.abs_tol = tol};
    oqt__trunc_record record = {0};
    oqt__state_space next = {0};
    oqt_status st = OQT_OK;

    if (!w || !wh0 || !wh1 || !work || !poles) {
        st = oqt__no_memory(err, "a sampled Hankel matrix");
        goto done;
    }
    for (size_t i = 0; i < n_idx; i++)
        w[i] = sqrt(spacing(idx, n_idx, i));
    for (size_t i = 0; i < n_idx; i++)
        for (size_t j = 0; j < cols; j++) {
            wh0[i * cols + j] = w[i] * h0[i * cols + j] * w[j / n_in];
            wh1[i * cols + j] = w[i] * h1[i * cols + j] * w[j / n_in];
        }
    if ((st = oqt__svd_trunc(&svd, &ws, wh0, n_idx, cols, &rule, &record, err)) != OQT_OK)
        goto done;
    order = svd.rank;
    next = (oqt__state_space){.n_in = n_in,
                              .a = oqt__doubles(order * order),
                              .b = oqt__doubles(order * n_in),
                              .c = oqt__doubles(order),
                              .gain = oqt__doubles(order)};
    if (!next.a || !next.b || !next.c || !next.gain) {
        st = oqt__no_memory(err, "a state-space model");
        goto done;
    }
    for (;; order--) {
        double radius;

        balanced_model(&next, &svd, order, n_idx, n_in, h0, wh1, w, work);
        if ((st = spectral_radius(&radius, &next, poles, err)) != OQT_OK)
            goto done;
        if (radius <= 1.0 + POLE_MARGIN || order == 0) {
            double limit = 1.0 - 1e-13;

            for (size_t i = 0; radius > limit && i < order * order; i++)
                next.a[i] *= limit / radius;
            break;
        }
    }
    oqt__state_space_release(model);
    *model = next;
    next = (oqt__state_space){0};
done:
    oqt__state_space_release(&next);
    oqt__svd_ws_release(&ws);
    oqt__free(poles);
    oqt__free(work);
    oqt__free(wh1);
    oqt__free(wh0);
    oqt__free(w);
    return st;
}
