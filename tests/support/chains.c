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

static int shake(double *value, double t, void *ctx)
{
    (void)ctx;
    *value = 0.4 * cos(2.3 * t);
    return 0;
}

oqt_chain *driven_chain(size_t n, size_t driven, uint64_t *seed)
{
    const size_t dim[8] = {2, 2, 2, 2, 2, 2, 2, 2};
    oqt_complex h[16], a[16];
    oqt_chain *chain = NULL;
    oqt_error err = {0};
    oqt_system *s = NULL;

    ck_assert_uint_le(n, 8);
    ASSERT_OK(oqt_chain_create(&chain, n, dim, &err), err);
    for (size_t k = 0; k < 2 * n - 1; k++) {
        size_t d = k < n ? 2 : 4;

        random_hermitian(h, d, seed);
        random_complex(a, d * d, seed);
        s = damped_system(d, h, 0.05, a);
        ASSERT_OK(k < n ? oqt_chain_add_site(chain, k, s, &err) : oqt_chain_add_bond(chain, k - n, s, &err),
                  err);
        oqt_system_destroy(s);
    }
    ASSERT_OK(oqt_system_create(&s, 2, sigma_z, &err), err);
    ASSERT_OK(oqt_system_add_drive(s, shake, NULL, sigma_x, &err), err);
    ASSERT_OK(oqt_chain_add_site(chain, driven, s, &err), err);
    oqt_system_destroy(s);
    return chain;
}

oqt_tebd *product_run(const oqt_chain *chain, const oqt_complex *initial, const size_t *n_pt,
                      const oqt_pt *const *pts, double dt, int order, double tolerance, int n_threads)
{
    oqt_tebd_options opt = OQT_TEBD_OPTIONS_INIT;
    oqt_tebd *run = NULL;
    oqt_error err = {0};

    opt.dt = dt;
    opt.order = order;
    opt.tolerance = tolerance;
    opt.n_threads = n_threads;
    ASSERT_OK(oqt_tebd_create(&run, chain, initial, n_pt, pts, &opt, &err), err);
    return run;
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
