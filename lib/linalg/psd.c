/* psd.c - factors of graded positive semidefinite matrices. */
#include "linalg/fortran.h"
#include "linalg/linalg.h"

#include <math.h>

oqt_status oqt__psd_factor(double *z, const double *m, size_t ld, const double *scale, size_t n,
                           oqt_error *err)
{
    oqt_status st = oqt__lapack_size(n, "a metric", err);
    double *copy = NULL, mean = 0.0;
    int size = 0, info = 1;

    if (st != OQT_OK || n == 0)
        return st;
    size = lapack_int(n);
    copy = oqt__doubles(n * n);
    if (!copy)
        return oqt__no_memory(err, "a metric");
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            copy[i * n + j] = m[i * ld + j] / sqrt(scale[i] * scale[j]);
    for (size_t i = 0; i < n; i++)
        mean += copy[i * n + i] / (double)n;
    /* The lower triangle by rows is the upper one by columns, M = U^T U, so Z = U^T. */
    for (double shift = 1e-14; info > 0 && shift < 1e-3; shift *= 10.0) {
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                z[i * n + j] = j <= i ? copy[i * n + j] + (i == j ? shift * mean : 0.0) : 0.0;
        dpotrf_("U", &size, z, &size, &info, 1);
    }
    oqt__free(copy);
    if (info != 0)
        return oqt__fail(err, OQT_ECONV, "metric of %zu states is not positive semidefinite", n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            z[i * n + j] *= sqrt(scale[i]);
    return OQT_OK;
}
