/* model.c - how long a bath remembers, and a state-space model of it. */
#include "pt/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_DENSE = 32,     /* first indices taken one by one            */
    PER_DECADE = 24,  /* then so many for each decade              */
    MIN_MEMORY = 128, /* steps                                     */
    MAX_MEMORY = 1 << 20,
    PROBES = 4, /* indices looked at in each octave          */
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

/* Steps after which k |eta_k| is below tol: the first power of two whose octave is quiet. */
static oqt_status memory_length(size_t *out, const oqt_bath *bath, double dt, const double r[2],
                                size_t n_steps, double tol, int n_threads, oqt_error *err)
{
    size_t limit = MAX_MEMORY, octave = 0;
    double largest = 0.0;
    uint64_t k[PROBES];
    oqt_complex eta[PROBES];

    /* Nobody sees what is farther back than the first step. */
    if (n_steps > 0 && n_steps < limit / 2)
        limit = 2 * n_steps > MIN_MEMORY ? 2 * n_steps : MIN_MEMORY;
    for (octave = 7; ((size_t)1 << octave) < limit; octave++) {
        oqt_status st;

        largest = 0.0;
        for (size_t i = 0; i < PROBES; i++)
            k[i] = (uint64_t)((double)((size_t)1 << octave) * exp2((double)i / PROBES)) + i;
        if ((st = oqt_bath_eta(eta, bath, dt, PROBES, k, n_threads, err)) != OQT_OK)
            return st;
        for (size_t i = 0; i < PROBES; i++)
            largest = fmax(largest, (double)k[i] * hypot(r[0] * eta[i].re, r[1] * eta[i].im) * r[0]);
        if (largest < 0.1 * tol)
            break;
    }
    if (n_steps == 0 && ((size_t)1 << octave) >= limit) {
        oqt_status st;

        k[0] = 1;
        if ((st = oqt_bath_eta(eta, bath, dt, 1, k, n_threads, err)) != OQT_OK)
            return st;
        if (largest > LASTING * (double)limit * r[0] * hypot(r[0] * eta[0].re, r[1] * eta[0].im))
            return oqt__fail(err, OQT_EINVAL,
                             "bath still remembers after %zu steps; the number of steps must be given",
                             limit);
    }
    *out = (size_t)1 << octave;
    if (*out > limit)
        *out = limit;
    return OQT_OK;
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

/* Largest |eta_k - model| for k = 1 .. 64 and then on a geometric grid that misses the samples. */
static oqt_status measure_fit(double *out, const oqt__state_space *m, const oqt_bath *bath, double dt,
                              size_t memory, int n_threads, oqt_error *err)
{
    enum { MAX_PROBES = 256 };
    uint64_t k[MAX_PROBES];
    oqt_complex eta[MAX_PROBES];
    size_t n = 0, power_of = 0;
    double *power = oqt__doubles(m->n * m->n), *next = oqt__doubles(m->n * m->n);
    double *x = oqt__doubles(2 * m->n), *y = oqt__doubles(2 * m->n);
    oqt_status st = OQT_OK;

    if (!power || !next || !x || !y) {
        st = oqt__no_memory(err, "a fit");
        goto done;
    }
    while (n < 64 && n < memory) {
        k[n] = n + 1;
        n++;
    }
    while (n < MAX_PROBES && (double)k[n - 1] * 1.11 + 2.0 < (double)memory) {
        k[n] = (uint64_t)((double)k[n - 1] * 1.11) + 2;
        n++;
    }
    if ((st = oqt_bath_eta(eta, bath, dt, n, k, n_threads, err)) != OQT_OK)
        goto done;
    *out = 0.0;
    memcpy(x, m->b, 2 * m->n * sizeof *x); /* x = A^(k-1) B, n x 2 */
    for (size_t i = 0; i < n; i++) {
        uint64_t gap = i == 0 ? 0 : k[i] - k[i - 1];
        double re = 0.0, im = 0.0;

        /* x <- A^gap x by the binary powers of A; they are formed anew only when the gap grows. */
        for (power_of = 0; gap >> power_of; power_of++) {
            if (power_of == 0) {
                memcpy(power, m->a, m->n * m->n * sizeof *power);
            } else {
                oqt__gemm(false, false, m->n, m->n, m->n, 1.0, power, m->n, power, m->n, 0.0, next, m->n);
                memcpy(power, next, m->n * m->n * sizeof *power);
            }
            if ((gap >> power_of) & 1) {
                oqt__gemm(false, false, m->n, 2, m->n, 1.0, power, m->n, x, 2, 0.0, y, 2);
                memcpy(x, y, 2 * m->n * sizeof *x);
            }
        }
        for (size_t j = 0; j < m->n; j++) {
            re += m->c[j] * x[2 * j];
            im -= m->c[j] * x[2 * j + 1];
        }
        *out = fmax(*out, hypot(eta[i].re - re, eta[i].im - im));
    }
done:
    oqt__free(power);
    oqt__free(next);
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
    double r[2], *h0 = NULL, *h1 = NULL;
    size_t memory = 0, n;
    oqt_status st;

    input_weights(r, legs);
    if ((st = memory_length(&memory, bath, dt, r, n_steps, tol, n_threads, err)) != OQT_OK)
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
    st = measure_fit(fit_error, model, bath, dt, memory, n_threads, err);
done:
    oqt__free(h0);
    oqt__free(h1);
    return st;
}
