/* nodes.c - C, eta and eta_k as sums of complex exponentials.
 *
 * Built-in spectral densities are analytic, so that their Fourier integral can be moved to a contour on which
 * exp(-iwt) decays. With nodes w_j on it and weights a_j
 *
 *     C(t)   = sum_j a_j exp(-i w_j t)
 *     eta(t) = sum_j a_j t^2 phi(i w_j t),                phi(z) = (exp(-z) - 1 + z) / z^2
 *     eta_k  = sum_j a_j G(w_j)^2 exp(-i w_j (k-1) dt),   G(w)   = (1 - exp(-i w dt)) / (i w)
 *
 * where nothing cancels at large t: one set of nodes serves all times, and the second difference is exact.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <math.h>

/* Nodes with |v| t below SMALL_PHASE are summed through their moments: SMALL_PHASE^9 / 9! < 1e-17. Nodes that
 * have decayed by so many e-folds more than the error has, against the slowest, are left out. */
static const double SMALL_PHASE = 0.05, BEYOND = 20.0;

bool oqt__node_set_alloc(oqt__node_set *set, size_t n)
{
    double complex *block = oqt__calloc(n, 3 * sizeof *block);

    if (!block)
        return false;
    set->n = n;
    set->v = block;
    set->plus = block + n;
    set->minus = block + 2 * n;
    return true;
}

static void release_set(oqt__node_set *set)
{
    oqt__free(set->v);
    oqt__free(set->moments);
    oqt__free(set->size);
    oqt__free(set->power);
}

void oqt__nodes_release(oqt__nodes *nodes)
{
    for (size_t i = 0; i < nodes->n_near; i++)
        release_set(&nodes->near[i]);
    release_set(&nodes->far);
}

/* ---- kernels ---- */

/* 1 - exp(-z) without cancellation: with z = x + iy,
 * exp(-z) - 1 = expm1(-x) cos y - 2 sin^2(y/2) - i exp(-x) sin y. */
static double complex one_minus_exp(double complex z)
{
    double x = creal(z), y = cimag(z), s = sin(0.5 * y);

    return CMPLX(2.0 * s * s - expm1(-x) * cos(y), exp(-x) * sin(y));
}

/* G(w)^2, the double integral of exp(-i w (t'-t'')) over two neighbouring steps. */
static double complex step_kernel(double complex w, double dt)
{
    double complex z = CMPLX(-cimag(w) * dt, creal(w) * dt);
    double complex g = cabs(z) == 0.0 ? dt : dt * (one_minus_exp(z) / z);

    return g * g;
}

/* phi(z); the series where the closed form would cancel. */
static double complex phi(double complex z)
{
    if (cabs(z) < 1.0) {
        double complex sum = 0.0;

        for (int m = 20; m >= 1; m--) /* sum_m (-z)^m 2 / (m+2)!, by Horner */
            sum = -z / (m + 2) * (1.0 + sum);
        return 0.5 * (1.0 + sum);
    }
    return (1.0 - one_minus_exp(z) / z) / z;
}

/* ---- sums ---- */

/* Number of leading nodes with |v| t < SMALL_PHASE. */
static size_t n_small(const oqt__node_set *set, double t)
{
    size_t lo = 0, hi = set->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (set->size[mid] * t < SMALL_PHASE)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Number of leading nodes that have not decayed at time t. */
static size_t n_alive(const oqt__node_set *set, double t)
{
    double slowest = set->n > 0 ? cimag(set->v[0]) : 0.0;
    size_t lo = 0, hi = set->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if ((cimag(set->v[mid]) - slowest) * t < -set->decayed)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

/* sums += plus (re, im) and minus (re, im) of nodes [first, end) at time t. */
static void add_exponentials(double sums[4], const oqt__node_set *set, double t, size_t first, size_t end)
{
    for (size_t j = first; j < end; j++) {
        double size = exp(cimag(set->v[j]) * t), angle = creal(set->v[j]) * t;
        double er = size * cos(angle), ei = -size * sin(angle);
        double ar = creal(set->plus[j]), ai = cimag(set->plus[j]);
        double br = creal(set->minus[j]), bi = cimag(set->minus[j]);

        sums[0] += ar * er - ai * ei;
        sums[1] += ar * ei + ai * er;
        sums[2] += br * er - bi * ei;
        sums[3] += br * ei + bi * er;
    }
}

/* The same at time k dt, from the table of powers. */
OQT__SIMD static void add_powers(double sums[4], const oqt__node_set *set, uint64_t k, size_t first,
                                 size_t end)
{
    enum { CHUNK = 64 };
    const size_t n = set->n;
    const double *weight = set->power + (size_t)set->n_digits * 32 * n;
    double pr = 0.0, pi = 0.0, mr = 0.0, mi = 0.0;

    for (size_t at = first; at < end; at += CHUNK) {
        size_t len = end - at < CHUNK ? end - at : CHUNK;
        const double *ar = weight + at, *ai = ar + n, *br = ai + n, *bi = br + n;
        double er[CHUNK], ei[CHUNK];

        for (size_t j = 0; j < len; j++) {
            er[j] = 1.0;
            ei[j] = 0.0;
        }
        for (unsigned p = 0; p < set->n_digits && k >> (4 * p); p++) {
            size_t digit = k >> (4 * p) & 15;
            const double *row = set->power + (16 * p + digit) * 2 * n + at;

            for (size_t j = 0; digit > 0 && j < len; j++) {
                double r = er[j] * row[j] - ei[j] * row[n + j];

                ei[j] = er[j] * row[n + j] + ei[j] * row[j];
                er[j] = r;
            }
        }
#pragma omp simd reduction(+ : pr, pi, mr, mi)
        for (size_t j = 0; j < len; j++) {
            pr += ar[j] * er[j] - ai[j] * ei[j];
            pi += ar[j] * ei[j] + ai[j] * er[j];
            mr += br[j] * er[j] - bi[j] * ei[j];
            mi += br[j] * ei[j] + bi[j] * er[j];
        }
    }
    sums[0] += pr;
    sums[1] += pi;
    sums[2] += mr;
    sums[3] += mi;
}

/* Whether exponent k is in the table. */
static bool in_table(const oqt__node_set *set, uint64_t k)
{
    return set->power && (set->n_digits >= 16 || k >> (4 * set->n_digits) == 0);
}

/* *re += Re sum of the plus weights, *im += Im sum of the minus weights, at time t = k dt. */
static void add_sum(double *re, double *im, const oqt__node_set *set, double t, uint64_t k)
{
    double complex plus = set->tail_plus, minus = set->tail_minus;
    double sums[4] = {0};
    size_t first = 0, end = n_alive(set, t);

    if (set->moments) {
        first = n_small(set, t);
        const double complex *m = set->moments + first * 2 * OQT__N_MOMENTS;
        double complex p = 0.0, q = 0.0;

        for (int i = OQT__N_MOMENTS - 1; i >= 0; i--) {
            p = p * t + m[i];
            q = q * t + m[OQT__N_MOMENTS + i];
        }
        plus += p;
        minus += q;
    }
    if (in_table(set, k))
        add_powers(sums, set, k, first, end);
    else
        add_exponentials(sums, set, t, first, end);
    plus += CMPLX(sums[0], sums[1]);
    minus += CMPLX(sums[2], sums[3]);
    double c = 1.0, s = 0.0;

    if (set->base != 0.0) {
        c = cos(set->base * t);
        s = sin(set->base * t);
    }

    *re += c * creal(plus) + s * cimag(plus);
    *im += c * cimag(minus) - s * creal(minus);
}

/* k: t in steps, where there is a table of powers. */
static oqt_complex correlation_at(const oqt__nodes *nodes, double t, uint64_t k)
{
    oqt_complex c = {0.0, 0.0};

    if (nodes->has_far && t >= nodes->t_far) {
        add_sum(&c.re, &c.im, &nodes->far, t, k);
        return c;
    }
    for (size_t i = 0; i < nodes->n_near; i++)
        add_sum(&c.re, &c.im, &nodes->near[i], t, k);
    return c;
}

/* The constant and the linear term of eta need every node, so there is no far set here. */
static oqt_complex eta_at(const oqt__nodes *nodes, double t)
{
    oqt_complex eta = {0.0, 0.0};

    for (size_t i = 0; i < nodes->n_near; i++) {
        const oqt__node_set *set = &nodes->near[i];
        double complex kernel = phi(CMPLX(0.0, set->base * t));

        eta.re += creal(set->tail_plus * kernel);
        eta.im += cimag(set->tail_minus * kernel);
        for (size_t j = 0; j < set->n; j++) {
            double complex v = set->v[j];

            kernel = phi(CMPLX(-cimag(v) * t, (set->base + creal(v)) * t));
            eta.re += creal(set->plus[j] * kernel);
            eta.im += cimag(set->minus[j] * kernel);
        }
    }
    eta.re *= t * t;
    eta.im *= t * t;
    return eta;
}

/* ---- preparation ---- */

static void apply_step(oqt__node_set *set, double dt)
{
    double complex kernel = step_kernel(set->base, dt);

    set->tail_plus *= kernel;
    set->tail_minus *= kernel;
    for (size_t j = 0; j < set->n; j++) {
        kernel = step_kernel(set->base + set->v[j], dt);
        set->plus[j] *= kernel;
        set->minus[j] *= kernel;
    }
}

static bool add_moments(oqt__node_set *set)
{
    const size_t row = 2 * OQT__N_MOMENTS;
    double complex *m = oqt__calloc(set->n + 1, row * sizeof *m);

    set->moments = m;
    set->size = oqt__doubles(set->n);
    if (!m || !set->size)
        return false;
    for (size_t j = 0; j < set->n; j++) {
        double complex power = 1.0, step = CMPLX(cimag(set->v[j]), -creal(set->v[j]));

        set->size[j] = cabs(set->v[j]);
        for (size_t i = 0; i < OQT__N_MOMENTS; i++) {
            m[(j + 1) * row + i] = m[j * row + i] + power * set->plus[j];
            m[(j + 1) * row + OQT__N_MOMENTS + i] = m[j * row + OQT__N_MOMENTS + i] + power * set->minus[j];
            power *= step / (double)(i + 1);
        }
    }
    return true;
}

static void complex_product(double *out, const double *a, const double *b, size_t stride, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double re = a[j] * b[j] - a[stride + j] * b[stride + j];

        out[stride + j] = a[j] * b[stride + j] + a[stride + j] * b[j];
        out[j] = re;
    }
}

/* The table of powers for k up to k_max. Of each digit 1 and 4 are computed, the others are products, so that
 * rounding does not add up. Nodes that no sum uses stay zero. */
static bool add_powers_table(oqt__node_set *set, double dt, uint64_t k_max)
{
    const size_t n = set->n, row = 2 * n;
    size_t first = set->moments ? n_small(set, (double)k_max * dt) : 0, end;
    double *weight;

    while (set->n_digits < 16 && k_max >> (4 * set->n_digits))
        set->n_digits++;
    set->power = oqt__doubles(((size_t)set->n_digits * 16 + 2) * row);
    if (!set->power)
        return false;
    for (unsigned p = 0; p < set->n_digits; p++) {
        double *table = set->power + 16 * p * row + first;
        double t = ldexp(dt, 4 * (int)p);

        end = n_alive(set, t);
        if (end <= first)
            continue;
        for (size_t j = 0; j < end - first; j++) {
            for (int d = 1; d <= 4; d += 3) {
                double size = exp(cimag(set->v[first + j]) * t * d), angle = creal(set->v[first + j]) * t * d;

                table[(size_t)d * row + j] = size * cos(angle);
                table[(size_t)d * row + n + j] = -size * sin(angle);
            }
        }
        for (size_t d = 2; d < 16; d++)
            if (d != 4) {
                size_t a = d < 4        ? d - 1
                           : d % 4 == 0 ? d - 4
                                        : d / 4 * 4,
                       b = d < 4        ? 1
                           : d % 4 == 0 ? 4
                                        : d % 4;

                complex_product(table + d * row, table + a * row, table + b * row, n, end - first);
            }
    }
    weight = set->power + (size_t)set->n_digits * 16 * row;
    for (size_t j = 0; j < n; j++) {
        weight[j] = creal(set->plus[j]);
        weight[n + j] = cimag(set->plus[j]);
        weight[2 * n + j] = creal(set->minus[j]);
        weight[3 * n + j] = cimag(set->minus[j]);
    }
    return true;
}

/* Few exponentials, or modes: one set with no need of moments. */
static oqt_status build_modes(oqt__nodes *nodes, const oqt_bath *bath, oqt_error *err)
{
    oqt__node_set *set = &nodes->near[0];

    if (!oqt__node_set_alloc(set, bath->n))
        return oqt__no_memory(err, "modes");
    nodes->n_near = 1;
    for (size_t j = 0; j < bath->n; j++) {
        set->v[j] = bath->x[j];
        set->minus[j] = bath->y[j];
        set->plus[j] =
            bath->temperature > 0.0 ? bath->y[j] / tanh(0.5 * bath->x[j] / bath->temperature) : bath->y[j];
    }
    return OQT_OK;
}

static oqt_status prepare(oqt__nodes *nodes, const oqt_bath *bath, const oqt__request *req, oqt_error *err)
{
    oqt_status st;

    if (bath->kind == OQT__BATH_MODES)
        return build_modes(nodes, bath, err);
    if ((st = oqt__contour_build(nodes, bath, req->t_min, req->t_max, req->efolds, err)) != OQT_OK)
        return st;
    if (bath->kind != OQT__BATH_POWER_LAW && bath->temperature > 0.0 && req->want != OQT__WANT_ETA)
        return oqt__matsubara_build(nodes, bath, err);
    return OQT_OK;
}

/* What speeds up the sums of a set. */
static bool speed_up(oqt__node_set *set, const oqt_bath *bath, const oqt__request *req)
{
    if (bath->kind != OQT__BATH_MODES && set->n > 1 && !add_moments(set))
        return false;
    return req->want != OQT__WANT_STEP || add_powers_table(set, req->dt, req->k_max);
}

oqt_status oqt__nodes_create(oqt__nodes *nodes, const oqt_bath *bath, const oqt__request *req, oqt_error *err)
{
    oqt__nodes next = {0};
    oqt_status st = prepare(&next, bath, req, err);
    bool ok = true;

    if (st != OQT_OK)
        goto done;
    for (size_t i = 0; i < next.n_near; i++)
        next.near[i].decayed = req->efolds + BEYOND;
    next.far.decayed = req->efolds + BEYOND;
    if (req->want == OQT__WANT_STEP) {
        next.eta_0 = eta_at(&next, req->dt);
        for (size_t i = 0; i < next.n_near; i++)
            apply_step(&next.near[i], req->dt);
        if (next.has_far)
            apply_step(&next.far, req->dt);
    }
    for (size_t i = 0; ok && i < next.n_near && req->want != OQT__WANT_ETA; i++)
        ok = speed_up(&next.near[i], bath, req);
    if (ok && next.has_far && req->want == OQT__WANT_STEP)
        ok = add_powers_table(&next.far, req->dt, req->k_max);
    if (!ok) {
        st = oqt__no_memory(err, "bath quadrature");
        goto done;
    }
    *nodes = next;
    next = (oqt__nodes){0};
done:
    oqt__nodes_release(&next);
    return st;
}

void oqt__nodes_evaluate(oqt_complex *out, const oqt__nodes *nodes, const oqt__request *req)
{
    const ptrdiff_t n = (ptrdiff_t)req->n;

#pragma omp parallel for default(none) shared(out, nodes, req, n) schedule(static)                           \
    num_threads(oqt__threads(req->n_threads, req->n)) if (n > 32)
    for (ptrdiff_t i = 0; i < n; i++) {
        if (req->want == OQT__WANT_C) {
            out[i] = correlation_at(nodes, req->t[i], UINT64_MAX);
            if (req->t[i] == 0.0)
                out[i].im = 0.0; /* else rounding */
        } else if (req->want == OQT__WANT_ETA) {
            out[i] = eta_at(nodes, req->t[i]);
        } else {
            uint64_t k = oqt__request_k(req, (size_t)i);

            out[i] = k == 0 ? nodes->eta_0 : correlation_at(nodes, (double)(k - 1) * req->dt, k - 1);
        }
    }
}
