/*
 * records.c - reduced density matrices of a chain, now or as records behind steps.
 *
 * Truncations keep the traces of both sides of a bond, so the state of some sites is made of their tensors
 * and what the two bonds around them hold: a record touches these sites and nothing else.
 */
#include "chain/tebd_priv.h"

/* ---- one matrix ---- */

/* *kept: coordinates of the state of these sites. */
static oqt_status check_sites(size_t *kept, const oqt_tebd *run, size_t n, const size_t *sites,
                              oqt_error *err)
{
    *kept = 1;
    for (size_t i = 0; i < n; i++) {
        if (sites[i] >= run->mps.n || (i > 0 && sites[i] <= sites[i - 1]))
            return oqt__fail(err, OQT_EINVAL, "sites must ascend and be below %zu, got %zu", run->mps.n,
                             sites[i]);
        if (!oqt__mul_size(kept, *kept, run->mps.site[sites[i]].p))
            return oqt__fail(err, OQT_ERANGE, "density matrix of %zu sites is too large", n);
    }
    return OQT_OK;
}

static oqt_status reduced_density(oqt_complex *rho, const oqt_tebd *run, size_t n, const size_t *sites,
                                  oqt_error *err)
{
    size_t kept;
    double *x;
    oqt_status st = check_sites(&kept, run, n, sites, err);

    if (st != OQT_OK)
        return st;
    x = oqt__doubles(kept);
    if (!x)
        return oqt__no_memory(err, "a reduced density matrix");
    st = oqt__mps_reduced(x, &run->mps, n, sites, err);
    if (st == OQT_OK)
        st = oqt__product_to_matrix(rho, x, run->chain->dim, n, sites, err);
    oqt__free(x);
    return st;
}

oqt_status oqt_tebd_density(oqt_complex *rho, const oqt_tebd *run, size_t n, const size_t *sites,
                            oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st;

    if (!rho || !run || !sites || n == 0)
        return oqt__fail(err, OQT_EINVAL, "run, sites or place for the density matrix is missing");
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    st = reduced_density(rho, run, n, sites, err);
    oqt__blas_leave(&guard);
    return st;
}

oqt_status oqt_tebd_densities(oqt_complex *rho, const oqt_tebd *run, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st;

    if (!rho || !run)
        return oqt__fail(err, OQT_EINVAL, "run or place for the density matrices is missing");
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    for (size_t i = 0; st == OQT_OK && i < run->mps.n; rho += run->mps.site[i++].p)
        st = reduced_density(rho, run, 1, &i, err);
    oqt__blas_leave(&guard);
    return st;
}

void oqt_tebd_bonds(size_t *bonds, const oqt_tebd *run)
{
    for (size_t i = 0; i + 1 < run->mps.n; i++)
        bonds[i] = run->mps.site[i].r;
}

/* ---- records ---- */

static oqt_status check_records(const oqt_tebd_records *to, oqt_error *err)
{
    if (to->n_sets > 0 && (!to->set_size || !to->set_sites || !to->set_densities))
        return oqt__fail(err, OQT_EINVAL, "sets of sites or place for their density matrices are missing");
    for (size_t k = 0; k < to->n_sets; k++)
        if (to->set_size[k] == 0)
            return oqt__fail(err, OQT_EINVAL, "set %zu has no sites", k);
    return OQT_OK;
}

oqt_status oqt__records_init(oqt__records *r, const oqt_tebd *run, const oqt_tebd_records *given,
                             oqt_error *err)
{
    static const oqt_tebd_records defaults = OQT_TEBD_RECORDS_INIT;
    const oqt_tebd_records *to = &r->to;
    size_t n = run->mps.n, kept;
    oqt_status st;

    if ((st = oqt__options_read(&r->to, given, &defaults, sizeof *to, sizeof *to, "record", err)) != OQT_OK ||
        (st = check_records(to, err)) != OQT_OK)
        return st;
    r->site_at = oqt__calloc(n + 1, sizeof *r->site_at);
    r->set_at = oqt__calloc(to->n_sets + 1, sizeof *r->set_at);
    r->sites = oqt__calloc(to->n_sets + 1, sizeof *r->sites);
    if (!r->site_at || !r->set_at || !r->sites)
        return oqt__no_memory(err, "records of a chain");
    for (size_t i = 0; i < n; i++)
        r->site_at[i + 1] = r->site_at[i] + run->mps.site[i].p;
    for (size_t k = 0, at = 0; k < to->n_sets; at += to->set_size[k++]) {
        r->sites[k] = to->set_sites + at;
        if ((st = check_sites(&kept, run, to->set_size[k], r->sites[k], err)) != OQT_OK)
            return st;
        r->set_at[k + 1] = r->set_at[k] + kept;
    }
    return OQT_OK;
}

void oqt__records_release(oqt__records *r)
{
    oqt__free(r->site_at);
    oqt__free(r->set_at);
    oqt__free(r->sites);
}

oqt_status oqt__record_site(const oqt__records *r, const oqt_tebd *run, size_t i, uint64_t row,
                            oqt_error *err)
{
    const oqt_tebd_records *to = &r->to;
    size_t n = run->mps.n;

    if (to->bonds && i + 1 < n)
        to->bonds[row * (n - 1) + i] = run->mps.site[i].r;
    if (to->traces && i == 0)
        to->traces[row] = oqt__mps_trace(&run->mps);
    if (!to->densities)
        return OQT_OK;
    return reduced_density(to->densities + row * r->site_at[n] + r->site_at[i], run, 1, &i, err);
}

oqt_status oqt__record_set(const oqt__records *r, const oqt_tebd *run, size_t k, uint64_t row, oqt_error *err)
{
    oqt_complex *rho = r->to.set_densities + row * r->set_at[r->to.n_sets] + r->set_at[k];

    return reduced_density(rho, run, r->to.set_size[k], r->sites[k], err);
}
