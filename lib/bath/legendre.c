/* legendre.c - Gauss-Legendre quadrature and spherical Bessel functions. */
#include "bath/bath_priv.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

void oqt__gauss_legendre(double *x, double *weight, int n)
{
    for (int i = 0; i < (n + 1) / 2; i++) {
        double z = cos(PI * (i + 0.75) / (n + 0.5)), slope = 1.0;

        for (int iteration = 0; iteration < 8; iteration++) { /* Newton; four suffice */
            double p0 = 1.0, p1 = z;

            for (int l = 2; l <= n; l++) {
                double p2 = ((2 * l - 1) * z * p1 - (l - 1) * p0) / l;

                p0 = p1;
                p1 = p2;
            }
            slope = n * (z * p1 - p0) / (z * z - 1.0);
            z -= p1 / slope;
        }
        x[i] = -z;
        x[n - 1 - i] = z;
        weight[i] = weight[n - 1 - i] = 2.0 / ((1.0 - z * z) * slope * slope);
    }
}

/* j_l(x) = x^l/(2l+1)!! [1 - x^2/2/(2l+3) + ..], for x < 1/2. */
static int bessel_series(double *j, int n, double x)
{
    double lead = 1.0, q = -0.5 * x * x;

    for (int l = 0; l < n; l++) {
        double sum = 1.0;

        for (int m = 6; m >= 1; m--)
            sum = 1.0 + sum * q / (m * (2.0 * l + 2.0 * m + 1.0));
        j[l] = lead * sum;
        lead *= x / (2 * l + 3);
        if (lead < 1e-20)
            return l + 1;
    }
    return n;
}

int oqt__spherical_bessel(double *j, int n, double x)
{
    enum { MARGIN = 24 };

    if (x < 0.5)
        return bessel_series(j, n, x);

    const double inverse = 1.0 / x, j0 = sin(x) * inverse, j1 = (j0 - cos(x)) * inverse;

    if (x >= n) { /* upward recurrence is stable while l < x */
        j[0] = j0;
        j[1] = j1;
        for (int l = 1; l + 1 < n; l++)
            j[l + 1] = (2 * l + 1) * inverse * j[l] - j[l - 1];
        return n;
    }
    /* Miller: downward from an order where j_l is negligible, then scaled by the larger of j_0 and j_1. */
    double above = 0.0, here = 1e-200, scale;

    for (int l = n + MARGIN; l > 0; l--) {
        double below = (2 * l + 1) * inverse * here - above;

        above = here;
        here = below;
        if (l <= n)
            j[l - 1] = here;
    }
    scale = fabs(j0) > fabs(j1) ? j0 / j[0] : j1 / j[1];
    for (int l = 0; l < n; l++)
        j[l] *= scale;
    return n;
}
