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

/* gram = sum_{k < 2^n_double} M^k S M^kT with S in it at first; power (M) is overwritten, work is n x n. */
static void sum_powers(double *gram, double *power, double *work, size_t n, unsigned n_double)
{
    for (unsigned i = 0; i < n_double; i++) {
        oqt__gemm(false, false, n, n, n, 1.0, power, n, gram, n, 0.0, work, n);
        oqt__gemm(false, true, n, n, n, 1.0, work, n, power, n, 1.0, gram, n);
        oqt__gemm(false, false, n, n, n, 1.0, power, n, power, n, 0.0, work, n);
        memcpy(power, work, n * n * sizeof *work);
    }
}

/* Factors x^T and y of the Gramians of observability and of controllability over 2^n_double steps. */
static oqt_status gram_factors(double *x, double *y, double *power, double *work, const oqt__state_space *m,
                               unsigned n_double, oqt_error *err)
{
    size_t n = m->n;
    oqt_status st;

    memcpy(power, m->a, n * n * sizeof *power);
    oqt__gemm(false, true, n, n, m->n_in, 1.0, m->b, m->n_in, m->b, m->n_in, 0.0, y, n);
    sum_powers(y, power, work, n, n_double);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            power[i * n + j] = m->a[j * n + i];
            x[i * n + j] = m->c[i] * m->c[j];
        }
    sum_powers(x, power, work, n, n_double);
    if ((st = oqt__psd_factor(y, y, n, m->gain, n, err)) == OQT_OK)
        st = oqt__psd_factor(x, x, n, m->gain, n, err);
    return st;
}

/*
 * Balance a model that samples balanced only roughly, since their weights are a coarse quadrature: with the
 * Gramians P = Y Y^T and Q = X X^T, and X^T Y = U s V^T, the state becomes s^(-1/2) U^T X^T times it.
 */
static oqt_status balance(oqt__state_space *model, uint64_t horizon, oqt__svd_ws *ws, oqt_error *err)
{
    size_t n = model->n, n_in = model->n_in;
    double *x = oqt__doubles(n * (6 * n + n_in)), *y, *cross, *to, *back, *work;
    oqt__trunc rule = {0};
    oqt__svd svd;
    unsigned n_double = 0;
    oqt_status st;

    if (!x)
        return oqt__no_memory(err, "a state-space model");
    y = x + n * n;
    cross = y + n * n;
    to = cross + n * n;
    back = to + n * n;
    work = back + n * n;
    while (n_double < 63 && horizon >> (n_double + 1))
        n_double++;
    if ((st = gram_factors(x, y, cross, work, model, n_double, err)) != OQT_OK)
        goto done;
    oqt__gemm(true, false, n, n, n, 1.0, x, n, y, n, 0.0, cross, n);
    if ((st = oqt__svd_trunc(&svd, ws, cross, n, n, &rule, NULL, err)) != OQT_OK)
        goto done;
    oqt__gemm(true, true, n, n, n, 1.0, svd.u, n, x, n, 0.0, to, n);
    oqt__gemm(false, true, n, n, n, 1.0, y, n, svd.vt, n, 0.0, back, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            to[i * n + j] /= sqrt(svd.s[i]);
            back[i * n + j] /= sqrt(svd.s[j]);
        }
    memcpy(model->gain, svd.s, n * sizeof *svd.s);
    oqt__gemm(false, false, n, n, n, 1.0, to, n, model->a, n, 0.0, work, n);
    oqt__gemm(false, false, n, n, n, 1.0, work, n, back, n, 0.0, model->a, n);
    oqt__gemm(false, false, n, n_in, n, 1.0, to, n, model->b, n_in, 0.0, work, n_in);
    memcpy(model->b, work, n * n_in * sizeof *work);
    oqt__gemm(false, false, 1, n, n, 1.0, model->c, n, back, n, 0.0, work, n);
    memcpy(model->c, work, n * sizeof *work);
done:
    oqt__free(x);
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
    if (order > 0 && (st = balance(&next, idx[n_idx - 1], &ws, err)) != OQT_OK)
        goto done;
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
