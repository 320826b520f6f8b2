/* density.c - values of J(w), on the real axis and continued into the complex plane. */
#include "bath/bath_priv.h"

#include <math.h>

#include <gsl/gsl_interp.h>

static const double TWO_OVER_PI = 0.63661977236758134308;

double complex oqt__density_analytic(const oqt_bath *bath, double complex w)
{
    const double lambda = bath->strength, gamma = bath->width, w0 = bath->frequency;

    if (bath->kind == OQT__BATH_POWER_LAW) {
        double complex x = w / bath->cutoff;
        double complex exponent = bath->exponent * clog(x);

        if (bath->form == OQT_CUTOFF_EXPONENTIAL)
            exponent -= x;
        else if (bath->form == OQT_CUTOFF_GAUSSIAN)
            exponent -= x * x;
        return bath->strength * bath->cutoff * cexp(exponent);
    }
    /* Divided by the larger of numerator and denominator, so that large w does not overflow. */
    if (bath->kind == OQT__BATH_DRUDE_LORENTZ)
        return TWO_OVER_PI * lambda / (w / gamma + gamma / w);
    double complex detuning = (w / w0 - w0 / w) * w;

    return TWO_OVER_PI * lambda / (detuning / gamma * (detuning / w) + gamma * w / (w0 * w0));
}

static double power_law(const oqt_bath *bath, double w)
{
    const double x = w / bath->cutoff, j = bath->strength * bath->cutoff * pow(x, bath->exponent);

    switch (bath->form) {
    case OQT_CUTOFF_HARD:
        return x < 1.0 ? j : 0.0;
    case OQT_CUTOFF_EXPONENTIAL:
        return j * exp(-x);
    case OQT_CUTOFF_GAUSSIAN:
        return j * exp(-x * x);
    }
    return NAN;
}

int oqt__density_real(double *j, const oqt_bath *bath, double w)
{
    switch (bath->kind) {
    case OQT__BATH_POWER_LAW:
        *j = power_law(bath, w);
        return 0;
    case OQT__BATH_DRUDE_LORENTZ:
    case OQT__BATH_LORENTZIAN:
        *j = w > 0.0 ? creal(oqt__density_analytic(bath, w)) : 0.0;
        return 0;
    case OQT__BATH_TABLE: {
        size_t last = bath->n - 1, i = gsl_interp_bsearch(bath->x, w, 0, last);

        *j = w < bath->x[0] || w > bath->x[last] ? 0.0 : oqt__hermite(bath->x, bath->y, bath->slope, i, w);
        return 0;
    }
    case OQT__BATH_CUSTOM:
        *j = 0.0;
        return w > 0.0 && w < bath->w_max ? bath->density(j, w, bath->ctx) : 0;
    default: /* modes and C(t) have no density; the caller has checked */
        *j = NAN;
        return 0;
    }
}
