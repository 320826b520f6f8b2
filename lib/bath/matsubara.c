/* matsubara.c - Drude-Lorentz and Lorentzian baths as sums of decaying exponentials.
 *
 * Closing the Fourier integral of a rational J in the lower half plane leaves the poles -ip of J, with
 * residues R_p, and those of coth(w/2T) at -i nu_n, nu_n = 2 pi n T:
 *
 *     Re C(t) =  pi sum_p R_p cot(p/2T) exp(-pt) - 2 pi i T sum_n J(-i nu_n) exp(-nu_n t)
 *     Im C(t) = -pi sum_p R_p exp(-pt)
 *
 * C falls exponentially, which a contour from w = 0 cannot resolve relative to its own terms; this sum can,
 * at all times that are not short against 1/T.
 *
 * Where two poles meet, their terms diverge and cancel: p near a nu_n, or the two p of a Lorentzian at
 * critical damping. C itself is analytic in gamma there, and so it is the mean over a circle around gamma in
 * the complex plane, on which the poles stay apart.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* The far set begins where nu_1 t = FAR, and has terms up to exp(-REACH) there. */
static const double FAR = 0.2, REACH = 60.0;

/* Poles nearer than this, in units of 2 pi T, are treated together. Apart from it the cancellation costs
 * eps/NEAR^2; on the circle exp(-pt) grows by exp(2 NEAR nu_1 t), which matters at the very end only. */
static const double NEAR = 5e-3;

enum { N_CIRCLE = 32 };

/* The poles p of J, and their residues. */
static int poles(double complex p[2], double complex residue[2], const oqt_bath *bath, double complex gamma)
{
    const double lambda = bath->strength, w0 = bath->frequency;

    if (bath->kind == OQT__BATH_DRUDE_LORENTZ) {
        p[0] = gamma;
        residue[0] = lambda * gamma / PI;
        return 1;
    }
    /* p^2 - gamma p + w0^2 = 0; the smaller one from the product, so that nothing cancels. */
    double complex root = csqrt(0.25 * gamma * gamma - w0 * w0);

    p[0] = 0.5 * gamma + root;
    p[1] = w0 * w0 / p[0];
    residue[0] = -lambda * w0 * w0 / (2.0 * PI * root);
    residue[1] = -residue[0];
    return 2;
}

/* i J(-i nu). */
static double complex matsubara_density(const oqt_bath *bath, double complex gamma, double nu)
{
    const double w0 = bath->frequency;
    double complex c = 2.0 / PI * bath->strength * gamma * nu;

    if (bath->kind == OQT__BATH_DRUDE_LORENTZ)
        return c / ((gamma - nu) * (gamma + nu));
    double a = nu * nu + w0 * w0;

    return c * w0 * w0 / ((a - gamma * nu) * (a + gamma * nu));
}

/* Radius of the circle of gamma, 0 where the poles are well apart. */
static double circle_radius(const oqt_bath *bath)
{
    const double spacing = 2.0 * PI * bath->temperature, gamma = bath->width;
    double radius = 0.0;
    double complex p[2], residue[2];

    if (bath->kind == OQT__BATH_LORENTZIAN && fabs(gamma - 2.0 * bath->frequency) < 1e-6 * gamma)
        return 1e-5 * gamma;
    int n = poles(p, residue, bath, gamma);

    for (int i = 0; i < n; i++) {
        double nearest = fmax(1.0, round(creal(p[i]) / spacing)) * spacing;

        if (cabs(p[i] - nearest) < NEAR * spacing) {
            double slope = n == 1 ? 1.0 : cabs(p[i] / (2.0 * p[i] - gamma)); /* |dp/dgamma| */

            radius = fmax(radius, 2.0 * NEAR * spacing / slope);
        }
    }
    return radius;
}

static double complex on_circle(const oqt_bath *bath, double radius, size_t c)
{
    return bath->width + radius * cexp(CMPLX(0.0, 2.0 * PI * ((double)c + 0.5) / N_CIRCLE));
}

/* Insert an exponential exp(-pt) into the first n, ordered by decay. */
static void insert(oqt__node_set *set, size_t n, double complex p, double complex plus, double complex minus)
{
    size_t j = n;
    double complex v = CMPLX(cimag(p), -creal(p));

    for (; j > 0 && cimag(set->v[j - 1]) < cimag(v); j--) {
        set->v[j] = set->v[j - 1];
        set->plus[j] = set->plus[j - 1];
        set->minus[j] = set->minus[j - 1];
    }
    set->v[j] = v;
    set->plus[j] = plus;
    set->minus[j] = minus;
}

oqt_status oqt__matsubara_build(oqt__nodes *nodes, const oqt_bath *bath, oqt_error *err)
{
    const double temperature = bath->temperature, radius = circle_radius(bath);
    const size_t n_circle = radius > 0.0 ? N_CIRCLE : 1, n_matsubara = (size_t)(REACH / FAR);
    oqt__node_set *set = &nodes->far;
    const double share = PI / (double)n_circle;
    size_t n = n_matsubara;

    if (!oqt__node_set_alloc(set, n_matsubara + 2 * n_circle))
        return oqt__no_memory(err, "bath exponentials");
    for (size_t i = 0; i < n_matsubara; i++)
        set->v[i] = CMPLX(0.0, -2.0 * PI * temperature * (double)(i + 1));
    for (size_t c = 0; c < n_circle; c++) {
        double complex gamma = on_circle(bath, radius, c);

        for (size_t i = 0; i < n_matsubara; i++) {
            double nu = 2.0 * PI * temperature * (double)(i + 1);

            set->plus[i] -= 2.0 * share * temperature * matsubara_density(bath, gamma, nu);
        }
    }
    for (size_t c = 0; c < n_circle; c++) {
        double complex gamma = on_circle(bath, radius, c);
        double complex p[2], residue[2];
        int n_poles = poles(p, residue, bath, gamma);

        for (int i = 0; i < n_poles; i++, n++) {
            double complex a = share * residue[i];

            insert(set, n, p[i], a / ctan(0.5 * p[i] / temperature), CMPLX(cimag(a), -creal(a)));
        }
    }
    set->n = n;
    nodes->has_far = true;
    nodes->t_far = FAR / (2.0 * PI * temperature);
    return OQT_OK;
}
