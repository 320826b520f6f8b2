/* interpolate.c - piecewise cubics through tabulated values.
 *
 * Not GSL's: its interpolation and its tridiagonal solver abort the process where memory runs out.
 */
#include "bath/bath_priv.h"
#include "core/core.h"

#include <math.h>

double oqt__hermite(const double *x, const double *y, const double *slope, size_t i, double at)
{
    const double h = x[i + 1] - x[i], u = (at - x[i]) / h, v = 1.0 - u;

    return v * v * ((1.0 + 2.0 * u) * y[i] + u * h * slope[i]) +
           u * u * ((1.0 + 2.0 * v) * y[i + 1] - v * h * slope[i + 1]);
}

/* The slope at an end from the secants there (s) and next to it (next), limited to keep monotony. */
static double steffen_end(double s, double next, double h, double h_next)
{
    double p = s * (1.0 + h / (h + h_next)) - next * h / (h + h_next);

    if (p * s <= 0.0)
        return 0.0;
    return fabs(p) > 2.0 * fabs(s) ? 2.0 * s : p;
}

void oqt__steffen_slopes(double *slope, const double *x, const double *y, size_t n)
{
    double h = x[1] - x[0], s = (y[1] - y[0]) / h;

    for (size_t i = 1; i + 1 < n; i++) {
        double h_next = x[i + 1] - x[i], next = (y[i + 1] - y[i]) / h_next;
        double parabola = (s * h_next + next * h) / (h + h_next);

        if (i == 1)
            slope[0] = steffen_end(s, next, h, h_next);
        if (i + 2 == n)
            slope[n - 1] = steffen_end(next, s, h_next, h);
        slope[i] =
            s * next <= 0.0 ? 0.0 : copysign(2.0, s) * fmin(fmin(fabs(s), fabs(next)), 0.5 * fabs(parabola));
        h = h_next;
        s = next;
    }
}

/*
 * Continuity of the second derivative gives at inner knots, with h_i = x_{i+1} - x_i and secants s_i,
 *
 *     h_i m_{i-1} + 2 (h_{i-1} + h_i) m_i + h_{i-1} m_{i+1} = 3 (h_i s_{i-1} + h_{i-1} s_i),
 *
 * and "not a knot", continuity of the third derivative at x_1 and x_{n-2}, closes the system:
 *
 *     h_1 m_0 + (h_0 + h_1) m_1 = ((3 h_0 + 2 h_1) h_1 s_0 + h_0^2 s_1) / (h_0 + h_1).
 */
bool oqt__spline_slopes(double *slope, const double *x, const double *y, size_t n)
{
    double *upper = oqt__doubles(n); /* the superdiagonal after elimination */
    double h = x[1] - x[0], s = (y[1] - y[0]) / h;
    double h_next = x[2] - x[1], next = (y[2] - y[1]) / h_next;

    if (!upper)
        return false;
    upper[0] = (h + h_next) / h_next;
    slope[0] = ((3.0 * h + 2.0 * h_next) * h_next * s + h * h * next) / (h + h_next) / h_next;
    for (size_t i = 1; i + 1 < n; i++) {
        h_next = x[i + 1] - x[i];
        next = (y[i + 1] - y[i]) / h_next;
        double diagonal = 2.0 * (h + h_next) - h_next * upper[i - 1];

        upper[i] = h / diagonal;
        slope[i] = (3.0 * (h_next * s + h * next) - h_next * slope[i - 1]) / diagonal;
        if (i + 2 < n) {
            h = h_next;
            s = next;
        }
    }
    /* The last row mirrors the first: (h' + h) m_{n-2} + h' m_{n-1}, h' = h_{n-3}. */
    double right = ((3.0 * h_next + 2.0 * h) * h * next + h_next * h_next * s) / (h + h_next);

    slope[n - 1] = (right - (h + h_next) * slope[n - 2]) / (h - (h + h_next) * upper[n - 2]);
    for (size_t i = n - 1; i-- > 0;)
        slope[i] -= upper[i] * slope[i + 1];
    oqt__free(upper);
    return true;
}
