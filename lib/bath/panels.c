/* panels.c - baths with J(w) from a table or a function.
 *
 * The frequency axis is cut into panels on which J is a Legendre series; its Fourier integral is then known
 * for every t (Filon; on a panel of centre c and half width r)
 *
 *     integral f(w) exp(-iwt) dw = r exp(-ict) sum_l f_l 2 (-i)^l j_l(r t),
 *
 * so that one set of panels, as fine as J but not as fine as exp(-iwt), serves all times. For the memory
 * coefficients the series is of J(w) (2 sin(w dt/2)/w)^2. For eta(t) it is of J(w)/w^2 on panels where w t is
 * large, and the rest is a plain sum over the nodes. Panels shrink by halves towards w = 0, since
 * J(w) coth(w/2T) may be singular there.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <gsl/gsl_integration.h>
#include <gsl/gsl_sf_bessel.h>
#include <gsl/gsl_sf_legendre.h>

/* N is an order that GSL has a table of: its alloc then takes no memory and cannot abort. */
enum { N = 20, MAX_DEPTH = 60, MAX_HALVINGS = 1000, MAX_PANELS = 50000 };

/* Absolute tolerances relative to the whole integral: of one panel, and of what is left out at the ends. */
static const double PANEL_TOLERANCE = 2e-15, END_TOLERANCE = 2e-16;

/* eta(t): a panel whose upper end times t is below this is summed over its nodes. */
static const double DIRECT_PHASE = 4.0;

typedef struct {
    double centre, half;
    double value[2][N]; /* f at the nodes times their weights, with and without coth */
    double series[2][N];
    int n_terms;   /* of the series; the others are negligible */
    double over_w; /* eta(t): sum of value[1] / w */
} panel;

typedef struct {
    const oqt_bath *bath;
    oqt__want want;
    bool over_w; /* integrate J/w instead, for the reorganization energy */
    double dt, t_max;
    double x[N], weight[N], legendre[N][N]; /* (2l+1) P_l(x_i) (-1)^(l/2), row l */
    double total;                           /* integral of |f|, so far */
    panel *panels;
    size_t n, capacity;
    oqt_error *err;
} builder;

/* ---- one panel ---- */

/* What multiplies J(w) in the integrals that must be accurate. */
static double step_factor(const builder *b, double w)
{
    if (b->over_w)
        return 1.0 / w;
    if (b->want == OQT__WANT_ETA)
        return 1.0 / (w * w + 1.0 / (b->t_max * b->t_max));
    if (b->want == OQT__WANT_C)
        return 1.0;
    double half = 0.5 * w * b->dt, sinc = half > 1e-9 ? sin(half) / half : 1.0;

    return b->dt * sinc * b->dt * sinc;
}

/* The panel [lo, hi]: values, and the integral of |f| and the size of the last coefficients, times 2 r. */
static oqt_status sample(builder *b, panel *p, double lo, double hi, double *integral, double *rest)
{
    const oqt_bath *bath = b->bath;

    p->centre = 0.5 * (lo + hi);
    p->half = 0.5 * (hi - lo);
    *integral = *rest = 0.0;
    for (int i = 0; i < N; i++) {
        double w = p->centre + p->half * b->x[i], j;

        if (oqt__density_real(&j, bath, w) != 0)
            return oqt__fail(b->err, OQT_ECALLBACK, "the function for J reported failure at w = %g", w);
        if (!isfinite(j))
            return oqt__fail(b->err, OQT_ECALLBACK,
                             "the function for J gave a value that is not finite at w = %g", w);
        double coth = bath->temperature > 0.0 && !b->over_w ? 1.0 / tanh(0.5 * w / bath->temperature) : 1.0;

        j *= p->half * b->weight[i] * step_factor(b, w);
        p->value[0][i] = j * coth;
        p->value[1][i] = j;
        *integral += fabs(j * coth);
    }
    for (int part = 0; part < 2; part++)
        for (int l = N - 3; l < N; l++) {
            double sum = 0.0;

            for (int i = 0; i < N; i++)
                sum += b->legendre[l][i] * p->value[part][i];
            *rest = fmax(*rest, fabs(sum));
        }
    return OQT_OK;
}

static oqt_status append(builder *b, const panel *p)
{
    if (b->n == b->capacity) {
        size_t capacity = b->capacity ? 2 * b->capacity : 128;
        panel *grown;

        if (b->n >= MAX_PANELS)
            return oqt__fail(b->err, OQT_ECONV, "J(w) is not resolved by %zu panels, the last one at w = %g",
                             b->n, p->centre);
        grown = oqt__calloc(capacity, sizeof *grown);
        if (!grown)
            return oqt__no_memory(b->err, "bath quadrature");
        if (b->n > 0)
            memcpy(grown, b->panels, b->n * sizeof *grown);
        oqt__free(b->panels);
        b->panels = grown;
        b->capacity = capacity;
    }
    b->panels[b->n++] = *p;
    return OQT_OK;
}

/* Replace panel i by halves until its series has converged. */
static oqt_status refine(builder *b, size_t i)
{
    struct {
        double lo, hi;
    } stack[MAX_DEPTH + 1];
    int depth = 0;
    bool first = true;
    double lo = b->panels[i].centre - b->panels[i].half, hi = b->panels[i].centre + b->panels[i].half;

    stack[depth].lo = lo;
    stack[depth++].hi = hi;
    while (depth > 0) {
        panel p;
        double integral, rest, middle;
        oqt_status st;

        lo = stack[--depth].lo;
        hi = stack[depth].hi;
        middle = 0.5 * (lo + hi);
        if ((st = sample(b, &p, lo, hi, &integral, &rest)) != OQT_OK)
            return st;
        if (rest > PANEL_TOLERANCE * b->total && integral > PANEL_TOLERANCE * b->total && lo < middle &&
            middle < hi && depth + 2 <= MAX_DEPTH) {
            stack[depth].lo = middle;
            stack[depth++].hi = hi;
            stack[depth].lo = lo;
            stack[depth++].hi = middle;
            continue;
        }
        if (first)
            b->panels[i] = p;
        else if ((st = append(b, &p)) != OQT_OK)
            return st;
        first = false;
    }
    return OQT_OK;
}

/* ---- the axis ---- */

static oqt_status add_panel(builder *b, double lo, double hi, double *integral)
{
    panel p;
    double rest;
    oqt_status st = sample(b, &p, lo, hi, integral, &rest);

    b->total += *integral;
    return st == OQT_OK ? append(b, &p) : st;
}

/* [lo, hi] with lo > 0, in panels no longer than their distance from 0. */
static oqt_status add_range(builder *b, double lo, double hi)
{
    double integral;
    oqt_status st = OQT_OK;

    for (; hi > 2.0 * lo && st == OQT_OK; lo *= 2.0)
        st = add_panel(b, lo, 2.0 * lo, &integral);
    return st == OQT_OK ? add_panel(b, lo, hi, &integral) : st;
}

/* [0, hi], halving until the rest is negligible, as seen from the ratio of two contributions. */
static oqt_status add_low(builder *b, double hi)
{
    double before = INFINITY, integral;

    for (int m = 0; m < MAX_HALVINGS; m++, hi *= 0.5) {
        oqt_status st = add_panel(b, 0.5 * hi, hi, &integral);
        double ratio = before > 0.0 ? integral / before : 0.0;

        if (st != OQT_OK)
            return st;
        before = integral;
        if (m < 8 || (b->want == OQT__WANT_ETA && hi * b->t_max > 0.01) || ratio > 0.999)
            continue;
        if (integral * ratio <= END_TOLERANCE * b->total * (1.0 - ratio))
            return add_panel(b, 0.0, 0.5 * hi, &integral);
    }
    return oqt__fail(b->err, OQT_ECONV, "the integral over J(w) does not converge at w = 0");
}

/* [lo, inf): doubling until nothing is left. */
static oqt_status add_high(builder *b, double lo)
{
    int negligible = 0;

    for (int m = 0; m < 12; m++, lo *= 2.0) {
        double integral;
        oqt_status st = add_panel(b, lo, 2.0 * lo, &integral);

        if (st != OQT_OK)
            return st;
        negligible = integral <= END_TOLERANCE * b->total ? negligible + 1 : 0;
        if (negligible == 2 && m >= 4)
            return OQT_OK;
    }
    return oqt__fail(b->err, OQT_ECONV, "J(w) has not decayed at w = %g", lo);
}

static oqt_status add_axis(builder *b)
{
    const oqt_bath *bath = b->bath;
    oqt_status st = OQT_OK;

    if (bath->kind == OQT__BATH_TABLE) {
        size_t first = bath->x[0] > 0.0 ? 0 : 1;

        for (size_t i = first; i + 1 < bath->n && st == OQT_OK; i++)
            st = add_range(b, bath->x[i], bath->x[i + 1]);
        return st == OQT_OK && first == 1 ? add_low(b, bath->x[1]) : st;
    }
    double low = fmin(bath->w_scale, bath->w_max);

    if (isinf(bath->w_max))
        st = add_high(b, low);
    else if (bath->w_max > low)
        st = add_range(b, low, bath->w_max);
    return st == OQT_OK ? add_low(b, low) : st;
}

/* ---- series ---- */

/* Turn values into the series that add_filon wants; for eta(t) of J/w^2, values back into those of J. */
static void expand(const builder *b, panel *p)
{
    const double negligible = PANEL_TOLERANCE * b->total / (double)b->n;

    p->n_terms = 1;
    p->over_w = 0.0;
    for (int part = 0; part < 2; part++) {
        double f[N];

        for (int i = 0; i < N; i++) {
            double w = p->centre + p->half * b->x[i];

            f[i] = p->value[part][i];
            if (b->want == OQT__WANT_ETA) {
                p->value[part][i] /= step_factor(b, w);
                f[i] = p->value[part][i] / (w * w);
                if (part == 1)
                    p->over_w += p->value[part][i] / w;
            }
        }
        for (int l = 0; l < N; l++) {
            double sum = 0.0;

            for (int i = 0; i < N; i++)
                sum += b->legendre[l][i] * f[i];
            p->series[part][l] = sum;
            if (fabs(sum) > negligible && l >= p->n_terms)
                p->n_terms = l + 1;
        }
    }
}

static oqt_status build(builder *b)
{
    oqt_status st;
    size_t n;
    const gsl_integration_glfixed_table *nodes = gsl_integration_glfixed_table_alloc(N);

    assert(nodes->precomputed);
    for (size_t i = 0; i < N; i++) {
        double p[N];

        gsl_integration_glfixed_point(-1.0, 1.0, i, &b->x[i], &b->weight[i], nodes);
        gsl_sf_legendre_Pl_array(N - 1, b->x[i], p);
        for (int l = 0; l < N; l++)
            b->legendre[l][i] = (l % 4 < 2 ? 1.0 : -1.0) * (2 * l + 1) * p[l];
    }
    if ((st = add_axis(b)) != OQT_OK)
        return st;
    n = b->n;
    for (size_t i = 0; i < n && st == OQT_OK; i++)
        st = refine(b, i);
    for (size_t i = 0; i < b->n && st == OQT_OK; i++)
        expand(b, &b->panels[i]);
    return st;
}

/* j_0 .. j_{n-1} of x >= 0, room for two at least; returns how many are not negligible, and only these. */
static int spherical_bessel(double *j, int n, double x)
{
    if (x < n) {
        double size = 1.0; /* x^l / (2l+1)!!, a bound of j_l */
        int l = 0;

        for (; l < n && size > 1e-20; l++)
            size *= x / (2 * l + 3);
        /* Good for all x, but in O(x) steps, and beyond 20000 of them it would abort. */
        gsl_sf_bessel_jl_steed_array(l - 1, x, j);
        return l;
    }
    const double inverse = 1.0 / x;

    j[0] = sin(x) * inverse;
    j[1] = (j[0] - cos(x)) * inverse;
    for (int l = 1; l + 1 < n; l++) /* stable while l < x */
        j[l + 1] = (2 * l + 1) * inverse * j[l] - j[l - 1];
    return n;
}

/* *re += Re integral f_0 exp(-iwt), *im += Im integral f_1 exp(-iwt); the signs of (-i)^l = 1, -i, -1, i ..
 * beyond that of -i for odd l are in the series. */
static void add_filon(double *re, double *im, const panel *p, double t)
{
    double j[N], even[2] = {0.0, 0.0}, odd[2] = {0.0, 0.0};
    const int n = spherical_bessel(j, p->n_terms, p->half * t);
    const double c = cos(p->centre * t), s = sin(p->centre * t);

    for (int part = 0; part < 2; part++) {
        for (int l = 0; l < n; l += 2)
            even[part] += p->series[part][l] * j[l];
        for (int l = 1; l < n; l += 2)
            odd[part] += p->series[part][l] * j[l];
    }
    *re += c * even[0] - s * odd[0];
    *im -= s * even[1] + c * odd[1];
}

/* ---- sums over panels ---- */

static oqt_complex transform_at(const builder *b, double t)
{
    oqt_complex c = {0.0, 0.0};

    for (size_t i = 0; i < b->n; i++)
        add_filon(&c.re, &c.im, &b->panels[i], t);
    return c;
}

/* sin x - x. */
static double sin_minus(double x)
{
    double sum = 0.0, q = -x * x;

    if (x > 1.0)
        return sin(x) - x;
    for (int m = 9; m >= 1; m--)
        sum = q / ((2 * m) * (2 * m + 1)) * (1.0 + sum);
    return x * sum;
}

static oqt_complex eta_at(const builder *b, double t)
{
    oqt_complex eta = {0.0, 0.0};

    for (size_t i = 0; i < b->n; i++) {
        const panel *p = &b->panels[i];

        if ((p->centre + p->half) * t < DIRECT_PHASE) {
            for (int k = 0; k < N; k++) {
                double w = p->centre + p->half * b->x[k], s = sin(0.5 * w * t) / w;

                eta.re += p->value[0][k] * 2.0 * s * s;
                eta.im += p->value[1][k] * (sin_minus(w * t) / w) / w;
            }
        } else { /* the integrals of J coth (1 - cos wt)/w^2 and of J (sin wt - wt)/w^2, term by term */
            double re = 0.0, im = 0.0;

            add_filon(&re, &im, p, t);
            eta.re += p->series[0][0] - re;
            eta.im -= t * p->over_w + im;
        }
    }
    return eta;
}

/* ---- entry points ---- */

static oqt_status first_coefficient(oqt_complex *eta, const oqt_bath *bath, double dt, oqt_error *err)
{
    builder b = {.bath = bath, .want = OQT__WANT_ETA, .t_max = dt, .err = err};
    oqt_status st = build(&b);

    if (st == OQT_OK)
        *eta = eta_at(&b, dt);
    oqt__free(b.panels);
    return st;
}

oqt_status oqt__panels_evaluate(oqt_complex *out, const oqt_bath *bath, const oqt__request *req,
                                oqt_error *err)
{
    builder b = {.bath = bath, .want = req->want, .dt = req->dt, .t_max = req->t_max, .err = err};
    oqt_complex eta_0 = {0.0, 0.0};
    const ptrdiff_t n = (ptrdiff_t)req->n;
    oqt_status st = OQT_OK;

    if (req->want == OQT__WANT_ETA && req->t_max == 0.0)
        return OQT_OK; /* eta(0) = 0, and out is zeroed */
    if (req->want == OQT__WANT_STEP && req->has_zero)
        st = first_coefficient(&eta_0, bath, req->dt, err);
    if (st != OQT_OK || (st = build(&b)) != OQT_OK)
        goto done;
#pragma omp parallel for default(none) shared(out, b, req, eta_0, n) schedule(static)                        \
    num_threads(oqt__threads(req->n_threads, req->n)) if (n > 8)
    for (ptrdiff_t i = 0; i < n; i++) {
        if (req->want == OQT__WANT_C) {
            out[i] = transform_at(&b, req->t[i]);
        } else if (req->want == OQT__WANT_ETA) {
            out[i] = eta_at(&b, req->t[i]);
        } else {
            uint64_t k = oqt__request_k(req, (size_t)i);

            out[i] = k == 0 ? eta_0 : transform_at(&b, (double)k * req->dt);
        }
    }
done:
    oqt__free(b.panels);
    return st;
}

double oqt__panels_reorganization(const oqt_bath *bath)
{
    builder b = {.bath = bath, .want = OQT__WANT_C, .over_w = true};
    double sum = NAN;

    if (build(&b) == OQT_OK) {
        sum = 0.0;
        for (size_t i = 0; i < b.n; i++)
            for (int k = 0; k < N; k++)
                sum += b.panels[i].value[1][k];
    }
    oqt__free(b.panels);
    return sum;
}
