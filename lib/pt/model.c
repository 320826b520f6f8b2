/* model.c - how long a bath remembers, and a state-space model of it. */
#include "pt/model.h"

#include <math.h>
#include <string.h>

enum {
    N_DENSE = 8,      /* first indices taken one by one            */
    PER_DECADE = 8,   /* then so many for each decade              */
    MAX_DENSITY = 8,  /* or up to so many times as many of both    */
    MIN_MEMORY = 128, /* steps                                     */
    MAX_MEMORY = 1 << 20,
    PROBES = 16, /* indices looked at in each octave          */
    MAX_SAMPLES = MAX_DENSITY * (N_DENSE + 6 * PER_DECADE)
};

/* A bath that keeps this share of its memory to the end has modes without damping. */
static const double LASTING = 0.3;

/* Errors of a fit, in units of its smallest gain: what samples that are dense enough give, and what may come
 * of those that are not before more are taken. */
static const double GOOD_FIT = 30.0;

uint64_t oqt__memory_limit(size_t n_steps)
{
    /* Nobody sees what is farther back than the first step. */
    if (n_steps == 0 || n_steps >= MAX_MEMORY / 2)
        return MAX_MEMORY;
    return 2 * n_steps > MIN_MEMORY ? 2 * n_steps : MIN_MEMORY;
}

/* Root-mean-square weights of the two inputs over all legs. */
static void input_weights(double r[2], const oqt__legs *legs)
{
    double om2 = 0.0, sp2 = 0.0;

    for (size_t k = 0; k < legs->n_class; k++) {
        om2 += legs->weight[k] * legs->om[k] * legs->om[k];
        sp2 += legs->weight[k] * legs->sp[k] * legs->sp[k];
    }
    r[0] = sqrt(om2);
    r[1] = fmax(sqrt(sp2), 1e-3 * r[0]);
}

/* |eta| in the units of the gains. */
static double size_of(double re, double im, const double r[2])
{
    return r[0] * hypot(r[0] * re, r[1] * im);
}

/* Steps after which k |eta_k| stays below tol: a power of two, behind the last octave that is not quiet. All
 * octaves are looked at, since memories can come back. */
static oqt_status memory_length(size_t *out, size_t limit, const oqt__memory *bath, const double r[2],
                                double tol, double *last, oqt_error *err)
{
    static const double GOLDEN = 0.6180339887498949;
    uint64_t k[PROBES];
    oqt_complex eta[PROBES];

    *out = MIN_MEMORY;
    *last = 0.0;
    for (size_t start = MIN_MEMORY; start < limit; start *= 2) {
        oqt_status st;

        for (size_t i = 0; i < PROBES; i++) {
            k[i] = (uint64_t)((double)start * exp2(fmod((double)i * GOLDEN, 1.0)));
            if (k[i] > limit)
                k[i] = limit;
        }
        if ((st = oqt__memory_eta(eta, bath, PROBES, k, err)) != OQT_OK)
            return st;
        *last = 0.0;
        for (size_t i = 0; i < PROBES; i++) {
            double size = size_of(eta[i].re, eta[i].im, r);

            *last = fmax(*last, size);
            if ((double)k[i] * size > 0.1 * tol)
                *out = 2 * start;
        }
    }
    if (*out > limit)
        *out = limit;
    return OQT_OK;
}

/* A bath that never forgets has no memory that ends; it can be fitted for a known number of steps only. */
static oqt_status check_lasting(const oqt__memory *bath, const double r[2], double last, oqt_error *err)
{
    uint64_t one = 1;
    oqt_complex eta;
    oqt_status st = oqt__memory_eta(&eta, bath, 1, &one, err);

    if (st == OQT_OK && (oqt__memory_lasts(bath) || last > LASTING * size_of(eta.re, eta.im, r)))
        st = oqt__fail(err, OQT_EINVAL, "bath does not forget; the number of steps must be given");
    return st;
}

static size_t sample_indices(uint64_t *idx, size_t memory, size_t density)
{
    size_t n = 0, half = memory / 2, n_dense = N_DENSE * density;
    double ratio = (double)half / (double)n_dense;
    size_t n_log = ratio > 1.0 ? (size_t)((double)(PER_DECADE * density) * log10(ratio)) + 1 : 0;

    while (n < n_dense && n < half) {
        idx[n] = n;
        n++;
    }
    for (size_t i = 0; i <= n_log && n_log > 0; i++) {
        uint64_t k = (uint64_t)llround((double)n_dense * pow(ratio, (double)i / (double)n_log));

        if (k > idx[n - 1])
            idx[n++] = k;
    }
    return n;
}

/* Largest |eta_k - model|, in the units of the gains, for k = 1 .. 64 and then on a geometric grid that
 * misses the samples and goes on to the limit, also where the memory was taken to have ended. */
static oqt_status measure_fit(double *out, const oqt__state_space *m, const oqt__memory *bath,
                              const double r[2], size_t limit, oqt_error *err)
{
    enum { MAX_PROBES = 256 };
    uint64_t k[MAX_PROBES];
    oqt_complex eta[MAX_PROBES];
    size_t n = 0;
    double *power = oqt__doubles(OQT__POWERS * m->n * m->n);
    double *x = oqt__copy(m->b, 2 * m->n, sizeof *x), *y = oqt__doubles(2 * m->n);
    oqt_status st = OQT_OK;

    if (!power || !x || !y) {
        st = oqt__no_memory(err, "a fit");
        goto done;
    }
    while (n < 64 && n < limit) {
        k[n] = n + 1;
        n++;
    }
    while (n < MAX_PROBES && (double)k[n - 1] * 1.11 + 2.0 < (double)limit) {
        k[n] = (uint64_t)((double)k[n - 1] * 1.11) + 2;
        n++;
    }
    if ((st = oqt__memory_eta(eta, bath, n, k, err)) != OQT_OK)
        goto done;
    memcpy(power, m->a, m->n * m->n * sizeof *power);
    oqt__pt_fill_powers(power, m->n);
    *out = 0.0;
    for (size_t i = 0; i < n; i++) { /* x = A^(k-1) B, n x 2 */
        double re = 0.0, im = 0.0;

        oqt__pt_apply_power(x, y, power, m->n, 2, i == 0 ? 0 : k[i] - k[i - 1]);
        for (size_t j = 0; j < m->n; j++) {
            re += m->c[j] * x[2 * j];
            im -= m->c[j] * x[2 * j + 1];
        }
        *out = fmax(*out, size_of(eta[i].re - re, eta[i].im - im, r));
    }
done:
    oqt__free(power);
    oqt__free(x);
    oqt__free(y);
    return st;
}

/* h0 and h1 from eta at the sums of samples, each of which is asked for once. */
static oqt_status sampled_hankel(double *h0, double *h1, const uint64_t *idx, size_t n, const double r[2],
                                 const oqt__memory *bath, oqt_error *err)
{
    size_t n_k = 0;
    uint64_t *k = oqt__calloc(n * (n + 1), sizeof *k);
    uint32_t *place = oqt__calloc(2 * (size_t)idx[n - 1] + 3, sizeof *place); /* of a sum in k, from 1 */
    oqt_complex *eta = oqt__calloc(n * (n + 1), sizeof *eta);
    oqt_status st = OQT_OK;

    if (!k || !place || !eta) {
        st = oqt__no_memory(err, "memory coefficients");
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            for (uint64_t sum = idx[i] + idx[j] + 1; sum < idx[i] + idx[j] + 3; sum++)
                if (place[sum] == 0) {
                    k[n_k++] = sum;
                    place[sum] = (uint32_t)n_k;
                }
    if ((st = oqt__memory_eta(eta, bath, n_k, k, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (uint64_t shift = 0; shift < 2; shift++) {
                oqt_complex e = eta[place[idx[i] + idx[j] + 1 + shift] - 1];
                double *h = (shift ? h1 : h0) + 2 * (i * n + j);

                h[0] = r[0] * r[0] * e.re;
                h[1] = -r[0] * r[1] * e.im;
            }
done:
    oqt__free(k);
    oqt__free(place);
    oqt__free(eta);
    return st;
}

/* The model from samples of one density, and its error. */
static oqt_status fit(oqt__state_space *model, double *error, const oqt__memory *bath, const double r[2],
                      size_t memory, size_t limit, size_t density, double tol, oqt_error *err)
{
    uint64_t idx[MAX_SAMPLES];
    size_t n = sample_indices(idx, memory, density);
    double *h0 = oqt__doubles(2 * n * n), *h1 = oqt__doubles(2 * n * n);
    oqt_status st = OQT_OK;

    if (!h0 || !h1) {
        st = oqt__no_memory(err, "a sampled Hankel matrix");
        goto done;
    }
    if ((st = sampled_hankel(h0, h1, idx, n, r, bath, err)) != OQT_OK ||
        (st = oqt__realize(model, n, idx, 2, h0, h1, tol, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < model->n; i++) {
        model->c[i] /= r[0];
        model->b[2 * i] /= r[0];
        model->b[2 * i + 1] /= r[1];
    }
    st = measure_fit(error, model, bath, r, limit, err);
done:
    oqt__free(h0);
    oqt__free(h1);
    return st;
}

oqt_status oqt__memory_model(oqt__state_space *model, double *fit_error, const oqt__memory *bath,
                             const oqt__legs *legs, size_t n_steps, double tol, oqt_error *err)
{
    double r[2], last, error;
    size_t memory = 0, limit = oqt__memory_limit(n_steps);
    oqt__state_space next = {0};
    oqt_status st;

    input_weights(r, legs);
    if ((st = memory_length(&memory, limit, bath, r, tol, &last, err)) != OQT_OK ||
        (n_steps == 0 && (st = check_lasting(bath, r, last, err)) != OQT_OK))
        return st;
    *fit_error = INFINITY;
    /* Tails that oscillate need denser samples than those that only decay. */
    for (size_t density = 1; density <= MAX_DENSITY && !(*fit_error < GOOD_FIT * tol); density *= 2) {
        if ((st = fit(&next, &error, bath, r, memory, limit, density, tol, err)) != OQT_OK)
            break;
        if (error < *fit_error) {
            oqt__state_space swap = *model;

            *model = next;
            next = swap;
            *fit_error = error;
        }
    }
    oqt__state_space_release(&next);
    return st;
}
