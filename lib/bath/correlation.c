/* correlation.c - baths given by C(t).
 *
 *     eta(t) = integral_0^t (t - u) C(u) du
 *     eta_k  = integral_{-dt}^{dt} (dt - |u|) C(k dt + u) du,  k >= 1
 *
 * by adaptive Gauss-Legendre quadrature for a function, and exactly, interval by interval, for a spline.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <assert.h>
#include <math.h>

#include <gsl/gsl_integration.h>
#include <gsl/gsl_interp.h>

enum { N = 16, N_TABLE = 4, MAX_DEPTH = 60, N_HALVINGS = 40 };

/* Relative to the integral of |(t - u) C(u)| that sets the scale. */
static const double TOLERANCE = 1e-14, ROUNDING = 4e-16;

typedef enum { FINE = 0, REPORTED_FAILURE, NOT_FINITE, NOT_CONVERGED } outcome;

typedef struct {
    const oqt_bath *bath;
    const gsl_integration_glfixed_table *nodes, *table_nodes; /* N and N_TABLE of them */
    double scale; /* the integral that errors are measured against */
} rule;

/* C(t) of a table between its knots i and i + 1. */
static double complex spline(const oqt_bath *bath, size_t i, double t)
{
    return CMPLX(oqt__hermite(bath->x, bath->y, bath->slope, i, t),
                 oqt__hermite(bath->x, bath->y2, bath->slope2, i, t));
}

static outcome value_at(double complex *c, const oqt_bath *bath, double t)
{
    if (bath->kind == OQT__BATH_CORRELATION_TABLE) {
        size_t last = bath->n - 1, i = gsl_interp_bsearch(bath->x, t, 0, last);

        *c = t > bath->x[last] ? 0.0 : spline(bath, i, t);
        return FINE;
    }
    oqt_complex value = {0.0, 0.0};

    if (bath->correlation(&value, t, bath->ctx) != 0)
        return REPORTED_FAILURE;
    if (!isfinite(value.re) || !isfinite(value.im))
        return NOT_FINITE;
    *c = CMPLX(value.re, value.im);
    return FINE;
}

/* ---- integral of |apex - u| C(u) over [a, b], on one side of the apex ---- */

typedef struct {
    double complex sum;
    double size; /* integral of the modulus */
} integral;

static outcome gauss(integral *out, const rule *r, double apex, double a, double b)
{
    *out = (integral){0.0, 0.0};
    for (size_t i = 0; i < N; i++) {
        double u, weight;
        double complex c;
        outcome o;

        gsl_integration_glfixed_point(a, b, i, &u, &weight, r->nodes);
        if ((o = value_at(&c, r->bath, u)) != FINE)
            return o;
        weight *= fabs(apex - u);
        out->sum += weight * c;
        out->size += weight * cabs(c);
    }
    return FINE;
}

/* Halve [a, b], whose integral is `whole`, until both halves together agree with it. */
static outcome adapt(double complex *sum, const rule *r, double apex, double a, double b,
                     const integral *whole, int depth)
{
    const double middle = 0.5 * (a + b);
    integral left, right;
    outcome o;

    if ((o = gauss(&left, r, apex, a, middle)) != FINE || (o = gauss(&right, r, apex, middle, b)) != FINE)
        return o;
    double difference = cabs(left.sum + right.sum - whole->sum);

    if (difference <= TOLERANCE * r->scale + ROUNDING * (left.size + right.size)) {
        *sum += left.sum + right.sum;
        return FINE;
    }
    if (depth == MAX_DEPTH)
        return NOT_CONVERGED;
    if ((o = adapt(sum, r, apex, a, middle, &left, depth + 1)) != FINE)
        return o;
    return adapt(sum, r, apex, middle, b, &right, depth + 1);
}

/* A spline times a linear function: exact with 4 nodes between neighbouring knots. */
static double complex table_part(const rule *r, double apex, double a, double b)
{
    const oqt_bath *bath = r->bath;
    double complex sum = 0.0;

    b = fmin(b, bath->x[bath->n - 1]);
    if (!(a < b))
        return 0.0;
    for (size_t i = gsl_interp_bsearch(bath->x, a, 0, bath->n - 1); i + 1 < bath->n && bath->x[i] < b; i++) {
        double lo = fmax(a, bath->x[i]), hi = fmin(b, bath->x[i + 1]);

        for (size_t j = 0; j < N_TABLE; j++) {
            double u, weight;

            gsl_integration_glfixed_point(lo, hi, j, &u, &weight, r->table_nodes);
            sum += weight * fabs(apex - u) * spline(bath, i, u);
        }
    }
    return sum;
}

static outcome add_part(double complex *sum, const rule *r, double apex, double a, double b)
{
    integral whole;
    outcome o;

    if (r->bath->kind == OQT__BATH_CORRELATION_TABLE) {
        *sum += table_part(r, apex, a, b);
        return FINE;
    }
    o = gauss(&whole, r, apex, a, b);
    return o == FINE ? adapt(sum, r, apex, a, b, &whole, 0) : o;
}

/* ---- eta ---- */

/* eta(t), on intervals that halve towards 0, where C is largest. If size is given it receives the scale. */
static outcome eta_at(double complex *eta, const rule *shared, double t, double *size)
{
    rule r = *shared;
    outcome o = FINE;
    double hi = t;
    integral part;

    *eta = 0.0;
    if (t == 0.0)
        return FINE;
    if (r.bath->kind == OQT__BATH_CORRELATION_TABLE)
        return add_part(eta, &r, t, 0.0, t);
    r.scale = 0.0;
    for (int m = 0; m <= N_HALVINGS && o == FINE; m++, hi *= 0.5) {
        o = gauss(&part, &r, t, m == N_HALVINGS ? 0.0 : 0.5 * hi, hi);
        r.scale += part.size;
    }
    hi = t;
    for (int m = 0; m <= N_HALVINGS && o == FINE; m++, hi *= 0.5)
        o = add_part(eta, &r, t, m == N_HALVINGS ? 0.0 : 0.5 * hi, hi);
    if (size)
        *size = r.scale;
    return o;
}

static outcome step_at(double complex *eta, const rule *r, double dt, uint64_t k)
{
    const double t = (double)k * dt, before = (double)(k - 1) * dt, after = ((double)k + 1.0) * dt;
    outcome o;

    *eta = 0.0;
    if ((o = add_part(eta, r, before, before, t)) != FINE)
        return o;
    return add_part(eta, r, after, t, after);
}

/* ---- entry point ---- */

static oqt_status report(outcome o, double t, oqt_error *err)
{
    switch (o) {
    case FINE:
        break;
    case REPORTED_FAILURE:
        return oqt__fail(err, OQT_ECALLBACK, "the function for C(t) reported failure, wanted for t = %g", t);
    case NOT_FINITE:
        return oqt__fail(err, OQT_ECALLBACK,
                         "the function for C(t) gave a value that is not finite, wanted for t = %g", t);
    case NOT_CONVERGED:
        return oqt__fail(err, OQT_ECONV, "the integral over C(t) does not converge for t = %g", t);
    }
    return OQT_OK;
}

static outcome evaluate_one(oqt_complex *out, const rule *r, const oqt__request *req, double complex eta_0,
                            size_t i)
{
    double complex value = eta_0;
    outcome o = FINE;

    if (req->want == OQT__WANT_C)
        o = value_at(&value, r->bath, req->t[i]);
    else if (req->want == OQT__WANT_ETA)
        o = eta_at(&value, r, req->t[i], NULL);
    else if (oqt__request_k(req, i) > 0)
        o = step_at(&value, r, req->dt, oqt__request_k(req, i));
    *out = (oqt_complex){creal(value), cimag(value)};
    return o;
}

oqt_status oqt__correlation_evaluate(oqt_complex *out, const oqt_bath *bath, const oqt__request *req,
                                     oqt_error *err)
{
    const ptrdiff_t n = (ptrdiff_t)req->n;
    /* GSL has tables of these orders, so that its alloc takes no memory and cannot abort. */
    rule r = {.bath = bath,
              .nodes = gsl_integration_glfixed_table_alloc(N),
              .table_nodes = gsl_integration_glfixed_table_alloc(N_TABLE)};
    double complex eta_0 = 0.0;
    oqt_status st = OQT_OK;
    outcome *outcomes, o;

    assert(r.nodes->precomputed && r.table_nodes->precomputed);
    if (req->want == OQT__WANT_STEP && (o = eta_at(&eta_0, &r, req->dt, &r.scale)) != FINE)
        return report(o, req->dt, err);
    outcomes = oqt__calloc(req->n, sizeof *outcomes);
    if (!outcomes)
        return oqt__no_memory(err, "bath quadrature");
#pragma omp parallel for default(none) shared(out, outcomes, r, req, eta_0, n) schedule(dynamic, 8)          \
    num_threads(oqt__threads(req->n_threads, req->n)) if (n > 8)
    for (ptrdiff_t i = 0; i < n; i++)
        outcomes[i] = evaluate_one(&out[i], &r, req, eta_0, (size_t)i);
    /* The first failure counts, so that the outcome does not depend on timing. */
    for (size_t i = 0; i < req->n && st == OQT_OK; i++)
        st = report(outcomes[i],
                    req->want == OQT__WANT_STEP ? (double)oqt__request_k(req, i) * req->dt : req->t[i], err);
    oqt__free(outcomes);
    return st;
}
