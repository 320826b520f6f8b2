/* memory.c - what a memory that is cut off makes of the coefficients at its end. */
#include "influence/influence.h"

/* Correlations of one slot with a stretch of length dt f <= dt that begins at t: the double integral of C
 * over a rectangle as a second difference of eta(t). */
static oqt_status stretch(oqt_complex *out, const oqt_bath *bath, double t, double f, double dt,
                          int n_threads, oqt_error *err)
{
    const double times[4] = {t + f * dt, t, t + f * dt - dt, t - dt};
    oqt_complex v[4];
    oqt_status st = oqt_bath_eta_function(v, bath, 4, times, n_threads, err);

    if (st == OQT_OK)
        *out = (oqt_complex){v[0].re - v[1].re - v[2].re + v[3].re, v[0].im - v[1].im - v[2].im + v[3].im};
    return st;
}

/* Whole steps of the added time, at most n_end, and the rest. */
static size_t whole_steps(double *rest, double steps, size_t n_end)
{
    size_t whole = n_end;

    *rest = 0.0;
    if (steps < (double)n_end) {
        whole = (size_t)steps;
        *rest = steps - (double)whole;
    }
    return whole;
}

size_t oqt__memory_special(double added, double dt, size_t n_end)
{
    double rest;
    size_t whole = whole_steps(&rest, added / dt, n_end), special = whole + (rest > 0.0);

    return special < n_end ? special : n_end;
}

oqt_status oqt__memory_ends(oqt_complex *end, size_t n_end, const oqt_bath *bath, const oqt_complex *eta,
                            size_t memory, double added, double dt, int n_threads, oqt_error *err)
{
    double rest;
    size_t whole = whole_steps(&rest, added / dt, n_end);
    oqt_complex more = {0.0, 0.0}, sum = {0.0, 0.0};

    if (rest > 0.0 && whole + 1 < n_end) {
        oqt_status st = stretch(&more, bath, (double)(memory + whole + 1) * dt, rest, dt, n_threads, err);

        if (st != OQT_OK)
            return st;
    }
    for (size_t m = 0; m < n_end; m++) {
        if (m <= whole) {
            sum.re += eta[memory + m].re;
            sum.im += eta[memory + m].im;
        } else if (m == whole + 1) {
            sum.re += more.re;
            sum.im += more.im;
        }
        end[m] = sum;
    }
    return OQT_OK;
}
