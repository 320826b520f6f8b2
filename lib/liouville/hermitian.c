/* hermitian.c - between complex matrices and their real coordinates.
 *
 * x = T vec(rho) with T unitary. Row i d + i of T is 1 at itself. For i < j, row i d + j takes
 * (rho_ij + rho_ji) / sqrt2 and row j d + i takes -i (rho_ij - rho_ji) / sqrt2. So no row and no column has
 * more than two elements, and T S T^+ is formed block by block.
 */
#include "liouville/hermitian.h"
#include "core/numbers.h"

#include <math.h>

#define SQRT_HALF 0.70710678118654752440

/* The elements of one row or column of T. */
typedef struct {
    size_t n;
    size_t at[2];
    oqt_complex c[2];
} sparse_line;

static sparse_line basis_row(size_t a, size_t d)
{
    size_t i = a / d, j = a % d;

    if (i == j)
        return (sparse_line){1, {a, a}, {{1.0, 0.0}, {0.0, 0.0}}};
    if (i < j)
        return (sparse_line){2, {a, j * d + i}, {{SQRT_HALF, 0.0}, {SQRT_HALF, 0.0}}};
    return (sparse_line){2, {j * d + i, a}, {{0.0, -SQRT_HALF}, {0.0, SQRT_HALF}}};
}

static sparse_line basis_column(size_t a, size_t d)
{
    size_t i = a / d, j = a % d;

    if (i == j)
        return (sparse_line){1, {a, a}, {{1.0, 0.0}, {0.0, 0.0}}};
    if (i < j)
        return (sparse_line){2, {a, j * d + i}, {{SQRT_HALF, 0.0}, {0.0, -SQRT_HALF}}};
    return (sparse_line){2, {j * d + i, a}, {{SQRT_HALF, 0.0}, {0.0, SQRT_HALF}}};
}

/* ---- matrices ---- */

void oqt__herm_from_matrix(double *x, double *y, const oqt_complex *rho, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        x[i * d + i] = rho[i * d + i].re;
        if (y)
            y[i * d + i] = rho[i * d + i].im;
        for (size_t j = i + 1; j < d; j++) {
            oqt_complex p = rho[i * d + j], q = rho[j * d + i];

            x[i * d + j] = SQRT_HALF * (p.re + q.re);
            x[j * d + i] = SQRT_HALF * (p.im - q.im);
            if (y) {
                y[i * d + j] = SQRT_HALF * (p.im + q.im);
                y[j * d + i] = SQRT_HALF * (q.re - p.re);
            }
        }
    }
}

void oqt__herm_to_matrix(oqt_complex *rho, const double *x, const double *y, size_t d)
{
    for (size_t i = 0; i < d; i++) {
        rho[i * d + i] = (oqt_complex){x[i * d + i], y ? y[i * d + i] : 0.0};
        for (size_t j = i + 1; j < d; j++) {
            size_t p = i * d + j, q = j * d + i;

            rho[p] = (oqt_complex){SQRT_HALF * x[p], SQRT_HALF * x[q]};
            rho[q] = (oqt_complex){SQRT_HALF * x[p], -SQRT_HALF * x[q]};
            if (!y)
                continue;
            rho[p].re -= SQRT_HALF * y[q];
            rho[p].im += SQRT_HALF * y[p];
            rho[q].re += SQRT_HALF * y[q];
            rho[q].im += SQRT_HALF * y[p];
        }
    }
}

double oqt__hermiticity_defect(const oqt_complex *a, size_t d)
{
    double largest = 0.0, defect = 0.0;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            oqt_complex p = a[i * d + j], q = a[j * d + i];
            double size = hypot(p.re, p.im), diff = hypot(p.re - q.re, p.im + q.im);

            if (isnan(size) || isnan(diff))
                return NAN;
            largest = fmax(largest, size);
            defect = fmax(defect, diff);
        }
    return largest > 0.0 ? defect / largest : 0.0;
}

bool oqt__is_diagonal(const oqt_complex *a, size_t d)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            if (i != j && (a[i * d + j].re != 0.0 || a[i * d + j].im != 0.0))
                return false;
    return true;
}

/* ---- superoperators ---- */

void oqt__herm_superop(double *out, const oqt_complex *superop, size_t d)
{
    size_t n = d * d;

    for (size_t a = 0; a < n; a++) {
        sparse_line left = basis_row(a, d);

        for (size_t b = 0; b < n; b++) {
            sparse_line right = basis_row(b, d);
            double sum = 0.0;

            for (size_t p = 0; p < left.n; p++)
                for (size_t q = 0; q < right.n; q++) {
                    oqt_complex c = oqt__mul(left.c[p], oqt__conj(right.c[q]));
                    oqt_complex s = superop[left.at[p] * n + right.at[q]];

                    sum += c.re * s.re - c.im * s.im;
                }
            out[a * n + b] = sum;
        }
    }
}

void oqt__herm_superop_to_complex(oqt_complex *out, const double *superop, size_t d)
{
    size_t n = d * d;

    for (size_t a = 0; a < n; a++) {
        sparse_line left = basis_column(a, d);

        for (size_t b = 0; b < n; b++) {
            sparse_line right = basis_column(b, d);
            oqt_complex sum = {0.0, 0.0};

            for (size_t p = 0; p < left.n; p++)
                for (size_t q = 0; q < right.n; q++) {
                    oqt_complex c = oqt__mul(oqt__conj(left.c[p]), right.c[q]);
                    double s = superop[left.at[p] * n + right.at[q]];

                    sum.re += c.re * s;
                    sum.im += c.im * s;
                }
            out[a * n + b] = sum;
        }
    }
}

void oqt__herm_rotation(double *out, const oqt_complex *u, size_t d)
{
    size_t n = d * d;

    for (size_t a = 0; a < n; a++) {
        sparse_line left = basis_row(a, d);

        for (size_t b = 0; b < n; b++) {
            sparse_line right = basis_row(b, d);
            double sum = 0.0;

            for (size_t p = 0; p < left.n; p++)
                for (size_t q = 0; q < right.n; q++) {
                    /* u^+ rho u: element (i d + j, k d + l) = conj(u_ki) u_lj. */
                    size_t i = left.at[p] / d, j = left.at[p] % d;
                    size_t k = right.at[q] / d, l = right.at[q] % d;
                    oqt_complex c = oqt__mul(left.c[p], oqt__conj(right.c[q]));
                    oqt_complex s = oqt__mul(oqt__conj(u[k * d + i]), u[l * d + j]);

                    sum += c.re * s.re - c.im * s.im;
                }
            out[a * n + b] = sum;
        }
    }
}
