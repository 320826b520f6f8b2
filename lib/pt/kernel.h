/* kernel.h - private: sums over few columns, which are too small for BLAS or read a matrix only once.
 *
 * None of them allocates. Each element of a result is summed in the order of the index summed over, so it
 * does not depend on how the others are cut into calls.
 */
#ifndef OQT_PT_KERNEL_H
#define OQT_PT_KERNEL_H

#include "core/core.h"

/** z[r] += sum_l c[l] f[l ld + r] for l < rows and r < n: rows of a matrix, added up. */
void oqt__add_rows(double *z, const double *c, const double *f, size_t ld, size_t rows, size_t n);

/** The same for complex numbers re + i im and matrices P + i Q; every element of P and Q is loaded once. */
void oqt__add_complex_rows(double *z_re, double *z_im, const double *re, const double *im, const double *p,
                           const double *q, size_t ld, size_t rows, size_t n);

/** y[a][l][b] = sum_c w[a][c][b] x[c][l][b] for a, c < m, l < len and b < width: a matrix of its own for each
 *  column b. */
void oqt__turn_columns(double *y, const double *x, const double *w, size_t m, size_t len, size_t width);

#endif
