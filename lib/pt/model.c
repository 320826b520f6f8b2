/* model.c - how long a bath remembers, and a state-space model of it. */
#include "pt/model.h"

#include "bath/bath_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_DENSE = 32,     /* first indices taken one by one            */
    PER_DECADE = 24,  /* then so many for each decade              */
    MIN_MEMORY = 128, /* steps                                     */
    MAX_MEMORY = 1 << 20,
    PROBES = 16, /* indices looked at in each octave          */
    MAX_SAMPLES = N_DENSE + 8 * PER_DECADE
};

/* A bath that keeps this share of its memory to the end has modes without damping. */
static const double LASTING = 0.3;

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
static oqt_status memory_length(size_t *out, size_t limit, const oqt_bath *bath, double dt, const double r[2],
                                double tol, int n_threads, double *last, oqt_error *err)
{
    static const double GOLDEN = 0.6180339887498949;
    uint64_t k[PROBES];
    oqt_complex eta[PROBES];

    *out = MIN_MEMORY;
    *last = 0.0;
    for (size_t start = MIN_MEMORY; start < limit; start *= 2) {
        oqt_status st;

        for (size_t i = 0; i < PROBES; i++)
            k[i] = (uint64_t)((double)start * exp2(fmod((double)i * GOLDEN, 1.0)));
        if ((st = oqt_bath_eta(eta, bath, dt, PROBES, k, n_threads, err)) != OQT_OK)
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
static oqt_status check_lasting(const oqt_bath *bath, double dt, const double r[2], double last,
                                oqt_error *err)
{
    uint64_t one = 1;
    oqt_complex eta;
    oqt_status st = oqt_bath_eta(&eta, bath, dt, 1, &one, 1, err);

    if (st == OQT_OK && (bath->kind == OQT__BATH_MODES || last > LASTING * size_of(eta.re, eta.im, r)))
        st = oqt__fail(err, OQT_EINVAL, "bath does not forget; the number of steps must be given");
    return st;
}

static size_t sample_indices(uint64_t *idx, size_t memory)
{
    size_t n = 0, half = memory / 2;
    double ratio = (double)half / N_DENSE;
    size_t n_log = ratio > 1.0 ? (size_t)(PER_DECADE * log10(ratio)) + 1 : 0;

    while (n < N_DENSE && n < half) {
        idx[n] = n;
        n++;
    }
    for (size_t i = 0; i <= n_log && n_log > 0; i++) {
        uint64_t k = (uint64_t)llround(N_DENSE * pow(ratio, (double)i / (double)n_log));

        if (k > idx[n - 1])
            idx[n++] = k;
    }
    return n;
}

/* Largest |eta_k - model|, in the units of the gains, for k = 1 .. 64 and then on a geometric grid that
 * misses the samples and goes on to the limit, also where the memory was taken to have ended. */
static oqt_status measure_fit(double *out, const oqt__state_space *m, const oqt_bath *bath, double dt,
                              const double r[2], size_t limit, int n_threads, oqt_error *err)
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
    if ((st = oqt_bath_eta(eta, bath, dt, n, k, n_threads, err)) != OQT_OK)
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

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Sums of two samples plus 1 and plus 2, each once, in order. */
static size_t distinct_sums(uint64_t *k, const uint64_t *idx, size_t n)
{
    size_t n_all = 0, n_distinct = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            for (uint64_t shift = 1; shift <= 2; shift++)
                k[n_all++] = idx[i] + idx[j] + shift;
    qsort(k, n_all, sizeof *k, by_size);
    for (size_t i = 0; i < n_all; i++)
        if (n_distinct == 0 || k[i] != k[n_distinct - 1])
            k[n_distinct++] = k[i];
    return n_distinct;
}

/* h0 and h1 from eta at the sums of samples. */
static oqt_status sampled_hankel(double *h0, double *h1, const uint64_t *idx, size_t n, const double r[2],
                                 const oqt_bath *bath, double dt, int n_threads, oqt_error *err)
{
    uint64_t *k = oqt__calloc(n * (n + 1), sizeof *k);
    oqt_complex *eta = oqt__calloc(n * (n + 1), sizeof *eta);
    size_t n_k;
    oqt_status st = OQT_OK;

    if (!k || !eta) {
        st = oqt__no_memory(err, "memory coefficients");
        goto done;
    }
    n_k = distinct_sums(k, idx, n);
    if ((st = oqt_bath_eta(eta, bath, dt, n_k, k, n_threads, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (uint64_t shift = 0; shift < 2; shift++) {
                uint64_t wanted = idx[i] + idx[j] + 1 + shift;
                const uint64_t *found = bsearch(&wanted, k, n_k, sizeof *k, by_size);
                oqt_complex e = eta[found - k];
                double *h = (shift ? h1 : h0) + 2 * (i * n + j);

                h[0] = r[0] * r[0] * e.re;
                h[1] = -r[0] * r[1] * e.im;
            }
done:
    oqt__free(k);
    oqt__free(eta);
    return st;
}

oqt_status oqt__memory_model(oqt__state_space *model, double *fit_error, const oqt_bath *bath, double dt,
                             const oqt__legs *legs, size_t n_steps, double tol, int n_threads, oqt_error *err)
{
    uint64_t idx[MAX_SAMPLES];
    double r[2], last, *h0 = NULL, *h1 = NULL;
    size_t memory = 0, limit = MAX_MEMORY, n;
    oqt_status st;

    input_weights(r, legs);
    /* Nobody sees what is farther back than the first step. */
    if (n_steps > 0 && n_steps < limit / 2)
        limit = 2 * n_steps > MIN_MEMORY ? 2 * n_steps : MIN_MEMORY;
    if ((st = memory_length(&memory, limit, bath, dt, r, tol, n_threads, &last, err)) != OQT_OK ||
        (n_steps == 0 && (st = check_lasting(bath, dt, r, last, err)) != OQT_OK))
        return st;
    n = sample_indices(idx, memory);
    h0 = oqt__doubles(2 * n * n);
    h1 = oqt__doubles(2 * n * n);
    if (!h0 || !h1) {
        st = oqt__no_memory(err, "a sampled Hankel matrix");
        goto done;
    }
    if ((st = sampled_hankel(h0, h1, idx, n, r, bath, dt, n_threads, err)) != OQT_OK ||
        (st = oqt__realize(model, n, idx, 2, h0, h1, tol, err)) != OQT_OK)
        goto done;
    for (size_t i = 0; i < model->n; i++) {
        model->c[i] /= r[0];
        model->b[2 * i] /= r[0];
        model->b[2 * i + 1] /= r[1];
    }
    st = measure_fit(fit_error, model, bath, dt, r, limit, n_threads, err);
done:
    oqt__free(h0);
    oqt__free(h1);
    return st;
}
