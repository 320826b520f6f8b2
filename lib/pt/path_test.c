/* path_test.c - the error of a finished tensor on random paths. */
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"

enum { PATHS = 40, SLOTS = 256, MIN_PATHS = 12 };

static double uniform(uint64_t *state)
{
    return (double)(oqt__random_bits(state) >> 11) * 0x1p-53;
}

static void draw_path(size_t *path, size_t n, size_t n_legs, size_t first, double lam, uint64_t seed)
{
    path[0] = first;
    for (size_t k = 1; k < n; k++)
        path[k] = uniform(&seed) < lam ? path[k - 1] : (size_t)(uniform(&seed) * (double)n_legs);
}

/* err2[k] = |F - exact|^2 after slot k. x: 4 bonds. */
static void run_path(double *err2, const oqt_pt *pt, const size_t *path, size_t n, const oqt_complex *log_f,
                     double *x)
{
    size_t chi = pt->chi;
    double *re = x, *im = x + chi, *re_new = x + 2 * chi, *im_new = x + 3 * chi;

    memset(x, 0, 2 * chi * sizeof *x);
    re[0] = 1.0;
    for (size_t k = 0; k < n; k++) {
        size_t cls = pt->legs.cls[path[k]];
        oqt__slot slot = oqt__pt_slot(pt, k);
        double sign = pt->legs.sign[path[k]], size = exp(log_f[k].re);

        oqt__gemv(true, chi, chi, 1.0, oqt__slot_real(&slot, cls), chi, re, 0.0, re_new);
        oqt__gemv(true, chi, chi, 1.0, oqt__slot_real(&slot, cls), chi, im, 0.0, im_new);
        if (sign != 0.0) {
            oqt__gemv(true, chi, chi, -sign, oqt__slot_imag(&slot, cls), chi, im, 1.0, re_new);
            oqt__gemv(true, chi, chi, sign, oqt__slot_imag(&slot, cls), chi, re, 1.0, im_new);
        }
        memcpy(x, re_new, 2 * chi * sizeof *x);
        double d_re = re[0] - size * cos(log_f[k].im), d_im = im[0] - size * sin(log_f[k].im);

        err2[k] = d_re * d_re + d_im * d_im;
    }
}

oqt_status oqt__path_test(double *error, const oqt_pt *pt, const oqt_complex *eta, size_t n, double lam,
                          int n_threads, oqt_error *err)
{
    size_t n_legs = pt->d * pt->d, n_paths = PATHS * SLOTS / n;
    double *err2, *x, largest = 0.0;
    size_t *path;
    oqt_complex *log_f;

    if (n_paths > PATHS)
        n_paths = PATHS;
    if (n_paths < MIN_PATHS)
        n_paths = MIN_PATHS;
    if (lam >= 1.0 && n_paths > n_legs)
        n_paths = n_legs; /* one for each leg is all there are */
    err2 = oqt__doubles(n_paths * n);
    x = oqt__doubles(n_paths * 4 * pt->chi);
    path = oqt__calloc(n_paths * n, sizeof *path);
    log_f = oqt__calloc(n_paths * n, sizeof *log_f);
    if (err2 && x && path && log_f) {
        n_threads = oqt__blas_callers(n_threads, n_paths);
#pragma omp parallel for default(none) shared(n_paths, n, n_legs, path, log_f, err2, x, pt, eta, lam)        \
    schedule(dynamic) num_threads(n_threads)
        for (size_t p = 0; p < n_paths; p++) {
            /* paths start on all legs, or are spread over them */
            size_t first = n_paths < n_legs ? p * n_legs / n_paths : p % n_legs;

            draw_path(path + p * n, n, n_legs, first, lam, 4711 + p);
            oqt__path_log(log_f + p * n, &pt->legs, path + p * n, n, eta);
            run_path(err2 + p * n, pt, path + p * n, n, log_f + p * n, x + p * 4 * pt->chi);
        }
        for (size_t k = 0; k < n; k++) {
            double sum = 0.0;

            for (size_t p = 0; p < n_paths; p++)
                sum += err2[p * n + k];
            if (isnan(sum) || sum / (double)n_paths > largest)
                largest = sum / (double)n_paths; /* and a NaN stays */
        }
        *error = sqrt(largest);
    }
    bool ok = err2 && x && path && log_f;

    oqt__free(err2);
    oqt__free(x);
    oqt__free(path);
    oqt__free(log_f);
    return ok ? OQT_OK : oqt__no_memory(err, "the path test");
}
