/* model.c - the sites and bonds of a chain, and its gates in real form. */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"
#include "core/numbers.h"
#include "liouville/hermitian.h"

/* ---- the object ---- */

static void release_terms(oqt__chain_term *term, size_t n)
{
    for (size_t i = 0; term && i < n; i++)
        oqt_system_destroy(term[i].system);
    oqt__free(term);
}

void oqt_chain_destroy(oqt_chain *chain)
{
    if (!chain)
        return;
    release_terms(chain->site_term, chain->n_site_terms);
    release_terms(chain->bond_term, chain->n_bond_terms);
    oqt__free(chain->dim);
    oqt__free(chain);
}

oqt_status oqt_chain_create(oqt_chain **out, size_t n, const size_t *dim, oqt_error *err)
{
    enum {
        MAX_DIMENSION = 64
    }; /* a gate of two such sites would need 2 PiB: it is refused where it is made */
    oqt_chain *chain;

    if (!out || !dim)
        return oqt__fail(err, OQT_EINVAL, "dimensions or place for the chain are missing");
    if (n < 2)
        return oqt__fail(err, OQT_EINVAL, "a chain has at least 2 sites, got %zu", n);
    for (size_t i = 0; i < n; i++)
        if (dim[i] < 1 || dim[i] > MAX_DIMENSION)
            return oqt__fail(err, dim[i] < 1 ? OQT_EINVAL : OQT_ERANGE,
                             "dimension of site %zu must be from 1 to %d, got %zu", i, MAX_DIMENSION, dim[i]);
    chain = oqt__calloc(1, sizeof *chain);
    if (!chain)
        return oqt__no_memory(err, "a chain");
    chain->n = n;
    chain->dim = oqt__copy(dim, n, sizeof *dim);
    if (!chain->dim) {
        oqt__free(chain);
        return oqt__no_memory(err, "a chain");
    }
    *out = chain;
    return OQT_OK;
}

/* One more term behind the others. */
static oqt_status add_term(oqt__chain_term **list, size_t *n, size_t at, const oqt_system *system,
                           oqt_error *err)
{
    oqt__chain_term *longer = oqt__calloc(*n + 1, sizeof *longer);
    oqt_system *copy = oqt__system_copy(system);

    if (!longer || !copy) {
        oqt__free(longer);
        oqt_system_destroy(copy);
        return oqt__no_memory(err, "a term of a chain");
    }
    if (*n > 0)
        memcpy(longer, *list, *n * sizeof *longer);
    longer[*n] = (oqt__chain_term){at, copy};
    oqt__free(*list);
    *list = longer;
    *n += 1;
    return OQT_OK;
}

oqt_status oqt_chain_add_site(oqt_chain *chain, size_t site, const oqt_system *system, oqt_error *err)
{
    if (!chain || !system)
        return oqt__fail(err, OQT_EINVAL, "chain or system of a site is missing");
    if (oqt_system_n_parameters(system) > 0)
        return oqt__fail(err, OQT_EINVAL, "systems with parameters cannot be part of a chain");
    if (site >= chain->n)
        return oqt__fail(err, OQT_EINVAL, "site %zu is beyond the last one, %zu", site, chain->n - 1);
    if (oqt_system_dimension(system) != chain->dim[site])
        return oqt__fail(err, OQT_EINVAL, "site %zu has dimension %zu, its system %zu", site,
                         chain->dim[site], oqt_system_dimension(system));
    return add_term(&chain->site_term, &chain->n_site_terms, site, system, err);
}

oqt_status oqt_chain_add_bond(oqt_chain *chain, size_t bond, const oqt_system *system, oqt_error *err)
{
    if (!chain || !system)
        return oqt__fail(err, OQT_EINVAL, "chain or system of a bond is missing");
    if (oqt_system_n_parameters(system) > 0)
        return oqt__fail(err, OQT_EINVAL, "systems with parameters cannot be part of a chain");
    if (bond + 1 >= chain->n)
        return oqt__fail(err, OQT_EINVAL, "bond %zu is beyond the last one, %zu", bond, chain->n - 2);
    if (oqt_system_dimension(system) != chain->dim[bond] * chain->dim[bond + 1])
        return oqt__fail(err, OQT_EINVAL, "sites of bond %zu have dimensions %zu and %zu, their system %zu",
                         bond, chain->dim[bond], chain->dim[bond + 1], oqt_system_dimension(system));
    return add_term(&chain->bond_term, &chain->n_bond_terms, bond, system, err);
}

oqt_chain *oqt__chain_copy(const oqt_chain *chain)
{
    oqt_chain *copy = NULL;
    oqt_status st = oqt_chain_create(&copy, chain->n, chain->dim, NULL);

    for (size_t i = 0; st == OQT_OK && i < chain->n_site_terms; i++)
        st = oqt_chain_add_site(copy, chain->site_term[i].at, chain->site_term[i].system, NULL);
    for (size_t i = 0; st == OQT_OK && i < chain->n_bond_terms; i++)
        st = oqt_chain_add_bond(copy, chain->bond_term[i].at, chain->bond_term[i].system, NULL);
    if (st == OQT_OK)
        return copy;
    oqt_chain_destroy(copy);
    return NULL;
}

/* ---- gates ---- */

/* Columns of t are the joint Hermitian coordinates of the products X_a (x) X_b of Hermitian basis operators:
 * an orthogonal matrix, since both bases are orthonormal. */
static oqt_status product_basis(double *t, size_t dl, size_t dr, oqt_error *err)
{
    size_t d = dl * dr, n = d * d;
    oqt_complex *xl = oqt__calloc(dl * dl, sizeof *xl), *xr = oqt__calloc(dr * dr, sizeof *xr);
    oqt_complex *joint = oqt__calloc(n, sizeof *joint);
    double *unit = oqt__doubles(n), *column = oqt__doubles(n);
    bool ok = xl && xr && joint && unit && column;

    for (size_t a = 0; ok && a < dl * dl; a++)
        for (size_t b = 0; b < dr * dr; b++) {
            unit[a] = 1.0;
            oqt__herm_to_matrix(xl, unit, NULL, dl);
            unit[a] = 0.0;
            unit[b] = 1.0;
            oqt__herm_to_matrix(xr, unit, NULL, dr);
            unit[b] = 0.0;
            for (size_t i = 0; i < d; i++)
                for (size_t j = 0; j < d; j++)
                    joint[i * d + j] = oqt__mul(xl[i / dr * dl + j / dr], xr[i % dr * dr + j % dr]);
            oqt__herm_from_matrix(column, NULL, joint, d);
            for (size_t i = 0; i < n; i++)
                t[i * n + a * dr * dr + b] = column[i];
        }
    oqt__free(xl);
    oqt__free(xr);
    oqt__free(joint);
    oqt__free(unit);
    oqt__free(column);
    return ok ? OQT_OK : oqt__no_memory(err, "a basis of two sites");
}

/* g += weight L (x) 1 or weight 1 (x) L. */
static void add_site_generator(double *g, const double *l, double weight, size_t pl, size_t pr, bool is_left)
{
    size_t n = pl * pr, own = is_left ? pl : pr, other = is_left ? pr : pl;

    for (size_t i = 0; i < own; i++)
        for (size_t j = 0; j < own; j++)
            for (size_t k = 0; k < other; k++) {
                size_t row = is_left ? i * pr + k : k * pr + i, col = is_left ? j * pr + k : k * pr + j;

                g[row * n + col] += weight * l[i * own + j];
            }
}

void oqt__gates_release(oqt__gates *g)
{
    for (size_t b = 0; g->chain && b + 1 < g->chain->n; b++) {
        if (g->basis)
            oqt__free(g->basis[b]);
        if (g->constant)
            oqt__free(g->constant[b]);
    }
    oqt__free(g->basis);
    oqt__free(g->constant);
    oqt__free(g->mem);
    *g = (oqt__gates){0};
}

static size_t gate_size(const oqt_chain *chain, size_t bond)
{
    return chain->dim[bond] * chain->dim[bond] * chain->dim[bond + 1] * chain->dim[bond + 1];
}

/* The generator of a bond at a time; one is scratch of its size, joint another. */
static oqt_status bond_generator(double *out, oqt__gates *g, size_t bond, double t, double *joint,
                                 oqt_error *err)
{
    const oqt_chain *chain = g->chain;
    size_t pl = chain->dim[bond] * chain->dim[bond], pr = chain->dim[bond + 1] * chain->dim[bond + 1];
    size_t n = pl * pr;
    oqt_status st = OQT_OK;

    memset(out, 0, n * n * sizeof *out);
    for (size_t i = 0; st == OQT_OK && i < chain->n_bond_terms; i++) {
        if (chain->bond_term[i].at != bond)
            continue;
        if ((st = oqt__system_generator_at(joint, chain->bond_term[i].system, t, err)) != OQT_OK)
            return st;
        oqt__gates_from_joint(joint, g, bond, joint);
        for (size_t k = 0; k < n * n; k++)
            out[k] += joint[k];
    }
    for (size_t i = 0; st == OQT_OK && i < chain->n_site_terms; i++) {
        size_t at = chain->site_term[i].at;
        bool outer = (at == 0 && bond == 0) || (at == chain->n - 1 && bond == chain->n - 2);

        if (at != bond && at != bond + 1)
            continue;
        if ((st = oqt__system_generator_at(joint, chain->site_term[i].system, t, err)) == OQT_OK)
            add_site_generator(out, joint, outer ? 1.0 : 0.5, pl, pr, at == bond);
    }
    return st;
}

static bool bond_is_constant(const oqt_chain *chain, size_t bond)
{
    for (size_t i = 0; i < chain->n_bond_terms; i++)
        if (chain->bond_term[i].at == bond && !oqt_system_is_constant(chain->bond_term[i].system))
            return false;
    for (size_t i = 0; i < chain->n_site_terms; i++)
        if ((chain->site_term[i].at == bond || chain->site_term[i].at == bond + 1) &&
            !oqt_system_is_constant(chain->site_term[i].system))
            return false;
    return true;
}

void oqt__gates_from_joint(double *out, oqt__gates *g, size_t bond, const double *joint)
{
    size_t n = gate_size(g->chain, bond);
    double *work = g->mem; /* the first of the four */

    oqt__gemm(false, false, n, n, n, 1.0, joint, n, g->basis[bond], n, 0.0, work, n);
    oqt__gemm(true, false, n, n, n, 1.0, g->basis[bond], n, work, n, 0.0, out, n);
}

oqt_status oqt__gates_init(oqt__gates *g, const oqt_chain *chain, oqt_error *err)
{
    enum { LARGEST = 4096 }; /* a gate of that size is 128 MB */
    size_t nn;
    oqt_status st;

    g->chain = chain;
    for (size_t b = 0; b + 1 < chain->n; b++) {
        size_t n = gate_size(chain, b);

        if (n > LARGEST)
            return oqt__fail(err, OQT_ERANGE, "a gate of %zu x %zu numbers on bond %zu is too large", n, n,
                             b);
        g->largest = n > g->largest ? n : g->largest;
    }
    nn = g->largest * g->largest;
    g->basis = oqt__calloc(chain->n - 1, sizeof *g->basis);
    g->constant = oqt__calloc(chain->n - 1, sizeof *g->constant);
    g->mem = oqt__doubles(4 * nn + oqt__expm_small_len(g->largest));
    if (!g->basis || !g->constant || !g->mem)
        return oqt__no_memory(err, "the gates of a chain");
    for (size_t b = 0; b + 1 < chain->n; b++) {
        size_t n = gate_size(chain, b);

        g->basis[b] = oqt__doubles(n * n);
        if (!g->basis[b])
            return oqt__no_memory(err, "the gates of a chain");
        if ((st = product_basis(g->basis[b], chain->dim[b], chain->dim[b + 1], err)) != OQT_OK)
            return st;
        if (!bond_is_constant(chain, b))
            continue;
        g->constant[b] = oqt__doubles(n * n);
        if (!g->constant[b])
            return oqt__no_memory(err, "the gates of a chain");
        if ((st = bond_generator(g->constant[b], g, b, 0.0, g->mem + nn, err)) != OQT_OK)
            return st;
    }
    return OQT_OK;
}

oqt_status oqt__gates_make(double *gate, oqt__gates *g, size_t bond, double from, double to, oqt_error *err)
{
    size_t n = gate_size(g->chain, bond), nn = n * n;
    double h = to - from, at[2], *joint = g->mem + nn, *one = joint + nn, *two = one + nn;
    double *expm = g->mem + 4 * g->largest * g->largest;
    bool ok;
    oqt_status st;

    if (g->constant[bond]) {
        for (size_t i = 0; i < nn; i++)
            one[i] = h * g->constant[bond][i];
        ok = oqt__expm_small(gate, one, n, expm);
    } else {
        oqt__magnus_times(at, from, h);
        if ((st = bond_generator(one, g, bond, at[0], joint, err)) != OQT_OK ||
            (st = bond_generator(two, g, bond, at[1], joint, err)) != OQT_OK)
            return st;
        ok = oqt__magnus(gate, one, two, h, n, expm);
    }
    return ok ? OQT_OK : oqt__fail(err, OQT_ECONV, "a gate on bond %zu overflows", bond);
}

/* ---- matrices ---- */

/* Coordinates of one leg to elements of matrices; z is [outer][d x d][inner]. */
static void leg_to_elements(oqt_complex *z, size_t outer, size_t d, size_t inner)
{
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < d; i++)
            for (size_t j = i + 1; j < d; j++) {
                oqt_complex *a = z + (o * d * d + i * d + j) * inner,
                            *b = z + (o * d * d + j * d + i) * inner;

                for (size_t k = 0; k < inner; k++) { /* (a + i b) / sqrt2 and (a - i b) / sqrt2 */
                    oqt_complex p = a[k], q = b[k];

                    a[k] = (oqt_complex){M_SQRT1_2 * (p.re - q.im), M_SQRT1_2 * (p.im + q.re)};
                    b[k] = (oqt_complex){M_SQRT1_2 * (p.re + q.im), M_SQRT1_2 * (p.im - q.re)};
                }
            }
}

oqt_status oqt__product_to_matrix(oqt_complex *rho, const double *x, const size_t *dim, size_t n,
                                  const size_t *sites, oqt_error *err)
{
    size_t total = 1, d = 1;
    oqt_complex *z;

    for (size_t s = 0; s < n; s++)
        d *= dim[sites[s]];
    z = oqt__calloc(d * d, sizeof *z);
    if (!z)
        return oqt__no_memory(err, "a density matrix");
    for (size_t i = 0; i < d * d; i++)
        z[i].re = x[i];
    for (size_t s = 0, inner = d * d; s < n; s++) {
        size_t own = dim[sites[s]] * dim[sites[s]];

        inner /= own;
        leg_to_elements(z, total, dim[sites[s]], inner);
        total *= own;
    }
    for (size_t e = 0; e < d * d; e++) { /* e = (i_1 j_1 i_2 j_2 ..) */
        size_t row = 0, col = 0, rest = e, scale = 1;

        for (size_t s = n; s-- > 0;) {
            size_t own = dim[sites[s]], leg = rest % (own * own);

            row += leg / own * scale;
            col += leg % own * scale;
            rest /= own * own;
            scale *= own;
        }
        rho[row * d + col] = z[e];
    }
    oqt__free(z);
    return OQT_OK;
}
