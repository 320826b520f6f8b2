/* contour.c - nodes on a contour in the lower half plane for the built-in spectral densities.
 *
 * Re C(t) = Re integral_0^inf J(w) coth(w/2T) exp(-iwt) dw,   Im C(t) = Im integral_0^inf J(w) exp(-iwt) dw.
 *
 * Both integrands are analytic for -pi/2 < arg w <= 0, apart from poles of J. The path is turned to
 * w = exp(s - i theta), where exp(-iwt) decays, and the trapezoidal rule in s is exponentially accurate:
 * its error is exp(-2 pi d/h), d the distance in angle to the next singularity or to the real axis, where the
 * decay ends. A step in log w resolves all times at once, and the singularity w^(zeta-1) at 0 is only a slow
 * exponential in s, whose tail is a geometric series. (Steepest descent: e.g. D. Huybrechs and S. Vandewalle,
 * SIAM J. Numer. Anal. 44, 1026 (2006); sums of exponentials: G. Beylkin and L. Monzon, Appl. Comput. Harmon.
 * Anal. 28, 131 (2010).)
 *
 * A hard cutoff gives the circular arc w = wc u/(1 + u), u = exp(s - i theta), from 0 to wc.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

/* The upper end is where the weights have fallen by so many e-folds more than the error has. */
static const double BEYOND = 10.0;

/* The exponent of |w| J(w) at small w. */
static double low_exponent(const oqt_bath *bath)
{
    return 1.0 + (bath->kind == OQT__BATH_POWER_LAW ? bath->exponent : 1.0);
}

/* The step of the trapezoidal rule for singularities at the angle d. On the edge of the strip towards the
 * real axis exp(-iwt) no longer decays; at a small angle below it the integral is larger than C(t) by that
 * angle to the power -(1 + zeta), hence the exponent in it. With 40 e-folds the error that remains is about
 * 1e-15 relative. */
static double log_step(const oqt_bath *bath, double d, double efolds)
{
    return 2.0 * PI * d / fmax(efolds, efolds - 6.0 + 3.3 * low_exponent(bath));
}

static double slowest_scale(const oqt_bath *bath, double t_max)
{
    double w = bath->cutoff; /* the smallest frequency on which J changes its form */

    if (bath->kind == OQT__BATH_DRUDE_LORENTZ)
        w = bath->width;
    else if (bath->kind == OQT__BATH_LORENTZIAN)
        w = fmin(bath->frequency, bath->frequency * (bath->frequency / bath->width));
    if (bath->temperature > 0.0)
        w = fmin(w, bath->temperature);
    return t_max > 0.0 ? fmin(w, 1.0 / t_max) : w;
}

/* Nodes below this share of the slowest scale act as one at w = 0. Their weights are a power of w, that of J
 * less one at T > 0, up to a relative error of the order of that share. */
static double slow_share(const oqt_bath *bath, double efolds)
{
    return exp(-(efolds + 1.5) / low_exponent(bath));
}

/* coth(w/2T), 1 at T = 0. */
static double complex thermal_factor(const oqt_bath *bath, double complex w)
{
    return bath->temperature > 0.0 ? 1.0 / ctanh(0.5 * w / bath->temperature) : 1.0;
}

static void set_node(oqt__node_set *set, size_t j, const oqt_bath *bath, double complex w,
                     double complex weight)
{
    set->minus[j] = weight * oqt__density_analytic(bath, w);
    set->plus[j] = set->minus[j] * thermal_factor(bath, w);
}

/* The nodes before the first one, a geometric series. At T > 0 coth(w/2T) takes one power of w away. */
static void add_low_tail(oqt__node_set *set, const oqt_bath *bath, double h)
{
    double p = low_exponent(bath);

    set->tail_minus = set->minus[0] / expm1(h * p);
    set->tail_plus = set->plus[0] / expm1(h * (bath->temperature > 0.0 ? p - 1.0 : p));
}

/* ---- the arc of a hard cutoff ---- */

/* Two sets, each measured from its end of the arc, since times of the order 1/|v| are resolved at both. */
static oqt_status build_arc(oqt__nodes *nodes, const oqt_bath *bath, double t_max, double efolds,
                            oqt_error *err)
{
    const double wc = bath->cutoff, theta = 0.25 * PI, h = log_step(bath, theta, efolds);
    const double low = log(slow_share(bath, efolds) * slowest_scale(bath, t_max) / wc);
    const double high = log(1e-10 * (t_max > 0.0 ? fmin(1.0, 1.0 / (wc * t_max)) : 1.0));
    const size_t n_low = (size_t)ceil(-low / h) + 1, n_high = (size_t)ceil(-high / h);
    oqt__node_set *a = &nodes->near[0], *b = &nodes->near[1];

    nodes->n_near = 2;
    if (!oqt__node_set_alloc(a, n_low) || !oqt__node_set_alloc(b, n_high))
        return oqt__no_memory(err, "bath quadrature");
    b->base = wc;
    for (size_t j = 0; j < n_low; j++) { /* s = -(n_low - 1) h .. 0 */
        double complex u = cexp(CMPLX(-(double)(n_low - 1 - j) * h, -theta));

        a->v[j] = wc * u / (1.0 + u);
        set_node(a, j, bath, a->v[j], h * a->v[j] / (1.0 + u));
    }
    add_low_tail(a, bath, h);
    for (size_t j = 0; j < n_high; j++) { /* s = n_high h .. h */
        double complex r = cexp(CMPLX(-(double)(n_high - j) * h, theta));

        b->v[j] = -wc * r / (1.0 + r);
        set_node(b, j, bath, wc / (1.0 + r), -h * b->v[j] / (1.0 + r));
    }
    b->tail_minus = b->minus[0] / expm1(h);
    b->tail_plus = b->plus[0] / expm1(h);
    return OQT_OK;
}

/* ---- the ray of everything else ---- */

/* Where the ray of a soft power law may end: |w J| = x^(1+zeta) exp(-x cos theta), or with a Gaussian
 * exp(-x^2 cos 2 theta), x = |w|/wc, has fallen enough from its maximum. */
static double soft_end(const oqt_bath *bath, double theta, double efolds)
{
    const double p = 1.0 + bath->exponent, q = bath->form == OQT_CUTOFF_GAUSSIAN ? 2.0 : 1.0;
    const double c = cos(q * theta), x_top = pow(p / (q * c), 1.0 / q);
    const double top = p * log(x_top) - p / q;
    double x = x_top;

    do
        x *= 1.125;
    while (p * log(x) - c * pow(x, q) > top - (efolds + BEYOND));
    return x * bath->cutoff;
}

/* A rational J only decays algebraically. w J/w, the integrand of the term of eta that decays least, has
 * fallen enough after 20 decades; but C(t) of Drude-Lorentz, J = O(1/w), relies on exp(-iwt) at short
 * times. */
static double rational_end(const oqt_bath *bath, double theta, double t_min, double efolds)
{
    double end = 1e20 * fmax(bath->frequency, bath->width);

    return t_min > 0.0 ? fmax(end, 2.0 * (efolds + BEYOND) / (t_min * sin(theta))) : end;
}

/* A sharp Lorentzian has its pole W - i gamma/2 between the real axis and the ray: a node of its own with
 * weight -2 pi i Res J. With w^2 = w0^2 - i gamma w at the pole, Res J = i lambda w0^2 / (2 pi W). */
static oqt_status add_pole(oqt__nodes *nodes, const oqt_bath *bath, double complex pole, oqt_error *err)
{
    oqt__node_set *set = &nodes->near[1];

    nodes->n_near = 2;
    if (!oqt__node_set_alloc(set, 1))
        return oqt__no_memory(err, "bath quadrature");
    set->v[0] = pole;
    set->minus[0] = bath->strength * bath->frequency * (bath->frequency / creal(pole));
    set->plus[0] = set->minus[0] * thermal_factor(bath, pole);
    return OQT_OK;
}

static oqt_status build_ray(oqt__nodes *nodes, const oqt_bath *bath, double t_min, double t_max,
                            double efolds, oqt_error *err)
{
    double theta = 0.25 * PI, d = 0.25 * PI, end;
    double complex pole = 0.0;
    oqt__node_set *set = &nodes->near[0];

    if (bath->kind == OQT__BATH_POWER_LAW && bath->form == OQT_CUTOFF_GAUSSIAN)
        theta = d = 0.125 * PI; /* exp(-w^2) does not decay beyond pi/4 */
    if (bath->kind == OQT__BATH_LORENTZIAN && bath->width < 2.0 * bath->frequency) {
        double half = 0.5 * bath->width;
        double angle = asin(half / bath->frequency);

        /* Middle between the pole and whichever side is farther, the real or the imaginary axis. */
        if (angle < 0.25 * PI) {
            pole = CMPLX(sqrt((bath->frequency - half) * (bath->frequency + half)), -half);
            theta = 0.5 * (angle + 0.5 * PI);
            d = 0.5 * PI - theta;
        } else {
            theta = d = 0.5 * angle;
        }
    }
    end = bath->kind == OQT__BATH_POWER_LAW ? soft_end(bath, theta, efolds)
                                            : rational_end(bath, theta, t_min, efolds);

    const double h = log_step(bath, d, efolds),
                 start = log(slow_share(bath, efolds) * slowest_scale(bath, t_max));
    const size_t n = (size_t)ceil((log(end) - start) / h) + 1;

    nodes->n_near = 1;
    if (!oqt__node_set_alloc(set, n))
        return oqt__no_memory(err, "bath quadrature");
    for (size_t j = 0; j < n; j++) {
        set->v[j] = cexp(CMPLX(start + (double)j * h, -theta));
        set_node(set, j, bath, set->v[j], h * set->v[j]);
    }
    add_low_tail(set, bath, h);
    return creal(pole) > 0.0 ? add_pole(nodes, bath, pole, err) : OQT_OK;
}

oqt_status oqt__contour_build(oqt__nodes *nodes, const oqt_bath *bath, double t_min, double t_max,
                              double efolds, oqt_error *err)
{
    if (bath->kind == OQT__BATH_POWER_LAW && bath->form == OQT_CUTOFF_HARD)
        return build_arc(nodes, bath, t_max, efolds, err);
    return build_ray(nodes, bath, t_min, t_max, efolds, err);
}
