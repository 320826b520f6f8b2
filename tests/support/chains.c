/* chains.c - parts of random and published chains, and their joint space. */
#include "chains.h"

oqt_pt *ohmic_tensor(size_t d, const oqt_complex *coupling, double dt, size_t n_steps, double alpha,
                     double cutoff, double temperature, double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_bath *bath = ohmic_bath(alpha, cutoff, temperature);
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    opt.method = OQT_PT_TEMPO;
    opt.n_steps = n_steps;
    opt.tolerance = tolerance;
    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, dt, &opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

oqt_system *damped_system(size_t d, const oqt_complex *h, double rate, const oqt_complex *a)
{
    oqt_system *s = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_system_create(&s, d, h, &err), err);
    ASSERT_OK(oqt_system_add_dissipator(s, rate, a, &err), err);
    return s;
}

void embed(oqt_complex *out, size_t n, const size_t *dim, size_t first, size_t last, const oqt_complex *a)
{
    size_t before = 1, own = 1, after = 1, d;

    for (size_t i = 0; i < n; i++)
        *(i < first ? &before : i > last ? &after : &own) *= dim[i];
    d = before * own * after;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            bool same = i % after == j % after && i / (after * own) == j / (after * own);

            out[i * d + j] = same ? a[i / after % own * own + j / after % own] : (oqt_complex){0, 0};
        }
}

void whole_density(oqt_complex *rho, const oqt_tebd *run, size_t n)
{
    const size_t sites[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    oqt_error err = {0};

    ASSERT_OK(oqt_tebd_density(rho, run, n, sites, &err), err);
}
