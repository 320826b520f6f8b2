/*
 * state.c - states of chains from arrays in any complex gauge, and back.
 *
 * Hermitian coordinates of a density matrix are real, so the real part of a product of complex tensors in
 * such coordinates is the whole: the pair (Re, Im) of a complex state of a bond is a real state of twice the
 * size, and canonicalization brings that back, as for process tensors (docs/theory.md, section 15). Of a pure
 * state the pairs of states of a bond, one of psi and one of its conjugate, are Hermitian themselves.
 */
#include <math.h>
#include <string.h>

#include "chain/tebd_priv.h"

/* Singular values of this share are rounding. */
static const double NEGLIGIBLE = 1e-13;

/* Norm of the part that is not Hermitian, relative to the other one. */
static const double NOT_HERMITIAN = 1e-9;

/* ---- arguments ---- */

/* States of process tensors that a tensor carries. */
static size_t bath_of(const oqt_chain_tensor *t)
{
    return t->bath > 0 ? t->bath : 1;
}

static oqt_status check_tensor(const oqt_tebd *run, const oqt_chain_state *state, size_t i, oqt_error *err)
{
    enum { BOND_LIMIT = 1 << 16, PURE_LIMIT = 1 << 12 };
    const oqt_chain *chain = run->chain;
    const oqt_chain_tensor *t = state->site + i;
    size_t d = chain->dim[i], legs = state->pure ? d : d * d, before = i > 0 ? t[-1].right : 1, len,
           bath = oqt__tebd_states(run, i, run->stats.n_steps);

    if (!t->data || t->left == 0 || t->right == 0)
        return oqt__fail(err, OQT_EINVAL, "tensor of site %zu is missing or empty", i);
    if (t->left != before)
        return oqt__fail(err, OQT_EINVAL, "tensor of site %zu has a left bond of %zu, expected %zu", i,
                         t->left, before);
    if (i + 1 == chain->n && t->right != 1)
        return oqt__fail(err, OQT_EINVAL, "the last tensor has a right bond of %zu, expected 1", t->right);
    if (bath_of(t) > 1 && (state->pure || t->bath != bath))
        return oqt__fail(err, OQT_EINVAL,
                         "tensor of site %zu has %zu states of process tensors, expected %zu", i, t->bath,
                         state->pure ? 1 : bath);
    if (t->right > (state->pure ? PURE_LIMIT : BOND_LIMIT) ||
        !oqt__mul_size(&len, t->left * legs, t->right) || !oqt__mul_size(&len, len, bath_of(t)))
        return oqt__fail(err, OQT_ERANGE, "tensor of site %zu is too large", i);
    for (size_t k = 0; k < len; k++)
        if (!isfinite(t->data[k].re) || !isfinite(t->data[k].im))
            return oqt__fail(err, OQT_EINVAL, "tensor of site %zu has an element that is not finite", i);
    if (state->schmidt && i + 1 < chain->n && state->schmidt[i])
        for (size_t r = 0; r < t->right; r++)
            if (!(state->schmidt[i][r] > 0.0) || !isfinite(state->schmidt[i][r]))
                return oqt__fail(err, OQT_EINVAL, "number %zu between sites %zu and %zu must be positive", r,
                                 i, i + 1);
    return OQT_OK;
}

/* ---- Hermitian coordinates ---- */

/* Elements of the leg z [outer][d x d][inner] to coordinates; turned: of the side that is contracted with
 * them, which takes the conjugate. */
static void leg_to_coordinates(oqt_complex *z, size_t outer, size_t d, size_t inner, bool turned)
{
    double sign = turned ? -M_SQRT1_2 : M_SQRT1_2;

    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < d; i++)
            for (size_t j = i + 1; j < d; j++) {
                oqt_complex *a = z + (o * d * d + i * d + j) * inner,
                            *b = z + (o * d * d + j * d + i) * inner;

                for (size_t k = 0; k < inner; k++) { /* (a + b) / sqrt2 and -+ i (a - b) / sqrt2 */
                    oqt_complex p = a[k], q = b[k];

                    a[k] = (oqt_complex){M_SQRT1_2 * (p.re + q.re), M_SQRT1_2 * (p.im + q.im)};
                    b[k] = (oqt_complex){sign * (p.im - q.im), -sign * (p.re - q.re)};
                }
            }
}

/* z [p][a][l][r] of a density operator; weight: what each state a counts for, or NULL. */
static void load_density(oqt_complex *z, const oqt_chain_tensor *t, const double *schmidt,
                         const double *weight, size_t d)
{
    size_t p = d * d, bath = bath_of(t);

    for (size_t l = 0; l < t->left; l++)
        for (size_t k = 0; k < p * bath; k++)
            for (size_t r = 0; r < t->right; r++) {
                oqt_complex v = t->data[(l * p * bath + k) * t->right + r];
                double s = (schmidt ? schmidt[r] : 1.0) * (weight ? weight[k % bath] : 1.0);

                z[(k * t->left + l) * t->right + r] = (oqt_complex){s * v.re, s * v.im};
            }
    leg_to_coordinates(z, 1, d, bath * t->left * t->right, false);
}

/* z [p][l l'][r r'] of psi x conj(psi), which is real in coordinates of all three legs. */
static void load_pure(oqt_complex *z, const oqt_chain_tensor *t, const double *schmidt, size_t d)
{
    size_t m = t->left, n = t->right;

    for (size_t k = 0; k < d * d; k++)
        for (size_t l = 0; l < m * m; l++)
            for (size_t r = 0; r < n * n; r++) {
                oqt_complex v = t->data[(l / m * d + k / d) * n + r / n];
                oqt_complex w = t->data[(l % m * d + k % d) * n + r % n];
                double s = schmidt ? schmidt[r / n] * schmidt[r % n] : 1.0;

                z[(k * m * m + l) * n * n + r] =
                    (oqt_complex){s * (v.re * w.re + v.im * w.im), s * (v.im * w.re - v.re * w.im)};
            }
    leg_to_coordinates(z, 1, d, m * m * n * n, false);
    leg_to_coordinates(z, d * d, m, n * n, false);
    leg_to_coordinates(z, d * d * m * m, n, 1, true);
}

/* Site i of the real (part 0) or imaginary (part 1) part of the product, from z [p][l][r]. */
static void put_site(oqt__chain_site *s, const oqt_complex *z, size_t l, size_t r, size_t part)
{
    size_t parts_l = s->l / l, parts_r = s->r / r;

    for (size_t p = 0; p < s->p; p++)
        for (size_t cl = 0; cl < parts_l; cl++)
            for (size_t cr = 0; cr < parts_r; cr++)
                for (size_t a = 0; a < l; a++)
                    for (size_t b = 0; b < r; b++) {
                        oqt_complex v = z[(p * l + a) * r + b];
                        size_t to = parts_r == 1 ? part : cr; /* (1, i)(Re, Im; -Im, Re) */
                        double x = cl == to ? v.re : cl < to ? v.im : -v.im;

                        s->x[((p * parts_l + cl) * l + a) * s->r + cr * r + b] = x;
                    }
}

/* ---- from arrays ---- */

static oqt_status load_site(oqt_complex **out, const oqt_tebd *run, const oqt_chain_state *state, size_t i,
                            oqt_error *err)
{
    const oqt_chain_tensor *t = state->site + i;
    const double *schmidt = state->schmidt && i + 1 < run->chain->n ? state->schmidt[i] : NULL;
    size_t d = run->chain->dim[i], len = t->left * t->right;

    if (state->pure && !oqt__mul_size(&len, len, len))
        len = SIZE_MAX;
    *out = oqt__mul_size(&len, len, d * d * bath_of(t)) ? oqt__calloc(len, sizeof **out) : NULL;
    if (!*out)
        return oqt__no_memory(err, "the state of a chain");
    if (state->pure)
        load_pure(*out, t, schmidt, d);
    else
        load_density(*out, t, schmidt, bath_of(t) > 1 ? run->tensors[i].w : NULL, d);
    return OQT_OK;
}

/* One part of the product; parts: states of a bond for each of the given ones. Those of process tensors
 * belong to the legs p. */
static oqt_status make_part(oqt__mps *out, const oqt_tebd *run, const oqt_chain_state *state, size_t part,
                            size_t parts, oqt_error *err)
{
    oqt__mps mps = {.n = run->chain->n};
    oqt_status st = OQT_OK;

    mps.site = oqt__calloc(mps.n, sizeof *mps.site);
    mps.bond = oqt__calloc(mps.n, sizeof *mps.bond);
    if (!mps.site || !mps.bond)
        st = oqt__no_memory(err, "the state of a chain");
    for (size_t i = 0; st == OQT_OK && i < mps.n; i++) {
        oqt__chain_site *s = mps.site + i;
        size_t d = run->chain->dim[i], l = state->site[i].left, r = state->site[i].right, len;
        oqt_complex *z = NULL;

        l *= state->pure ? l : 1;
        r *= state->pure ? r : 1;
        *s = (oqt__chain_site){.d = d,
                               .p = d * d * bath_of(state->site + i),
                               .a = 1,
                               .l = i > 0 ? parts * l : l,
                               .r = i + 1 < mps.n ? parts * r : r};
        if (!oqt__mul_size(&len, s->l * s->r, s->p))
            st = oqt__fail(err, OQT_ERANGE, "tensor of site %zu is too large", i);
        else if ((st = load_site(&z, run, state, i, err)) == OQT_OK &&
                 (st = oqt__chain_site_reserve(s, len, err)) == OQT_OK)
            put_site(s, z, l, r, part);
        oqt__free(z);
        if (st == OQT_OK && i + 1 < mps.n)
            st = oqt__chain_bond_reserve(mps.bond + i, s->r, err);
    }
    if (st == OQT_OK)
        *out = mps;
    else
        oqt__mps_release(&mps);
    return st;
}

static bool all_real(const oqt_chain *chain, const oqt_chain_state *state)
{
    for (size_t i = 0; i < chain->n; i++) {
        const oqt_chain_tensor *t = state->site + i;
        size_t d = chain->dim[i], inner = bath_of(t) * t->right;

        for (size_t l = 0; l < t->left; l++)
            for (size_t r = 0; r < inner; r++)
                for (size_t k = 0; k < d * d; k++) { /* every matrix is Hermitian */
                    const oqt_complex *z = t->data + l * d * d * inner + r;
                    oqt_complex a = z[k * inner], b = z[(k % d * d + k / d) * inner];

                    if (a.re != b.re || a.im != -b.im)
                        return false;
                }
    }
    return true;
}

/* Part the states of process tensors from the legs again, and take out what they count for. */
static void part_legs(oqt__mps *mps, const oqt_tebd *run, const oqt_chain_state *state)
{
    for (size_t i = 0; i < mps->n; i++) {
        oqt__chain_site *s = mps->site + i;
        size_t bath = bath_of(state->site + i), lr = s->l * s->r;

        if (bath == 1)
            continue;
        for (size_t k = 0; k < s->p * lr; k++)
            s->x[k] /= run->tensors[i].w[k / lr % bath];
        s->a = bath;
        s->p /= bath;
    }
    oqt__mps_trace_bonds(mps);
}

oqt_status oqt__mps_from_arrays(oqt__mps *out, const oqt_tebd *run, const oqt_chain_state *state,
                                oqt_error *err)
{
    size_t parts;
    oqt__mps mps = {0}, rest = {0};
    double norm, wrong = 0.0;
    oqt_status st = OQT_OK;

    if (!state->site)
        return oqt__fail(err, OQT_EINVAL, "tensors of the initial state are missing");
    for (size_t i = 0; st == OQT_OK && i < run->chain->n; i++)
        st = check_tensor(run, state, i, err);
    if (st != OQT_OK)
        return st;
    parts = state->pure || all_real(run->chain, state) ? 1 : 2;
    if ((st = make_part(&mps, run, state, 0, parts, err)) != OQT_OK)
        return st;
    if (parts == 2 && (st = make_part(&rest, run, state, 1, parts, err)) == OQT_OK)
        st = oqt__mps_sweep_right(&wrong, &rest, err);
    if (st == OQT_OK)
        st = oqt__mps_canonicalize(&norm, &mps, NEGLIGIBLE, err);
    if (st == OQT_OK && wrong > NOT_HERMITIAN * norm)
        st = oqt__fail(err, OQT_EINVAL, "initial state is not Hermitian: %g of its norm", wrong / norm);
    oqt__mps_release(&rest);
    if (st == OQT_OK) {
        part_legs(&mps, run, state);
        *out = mps;
    } else {
        oqt__mps_release(&mps);
    }
    return st;
}

/* ---- to arrays ---- */

void oqt_tebd_bath_states(size_t *states, const oqt_tebd *run)
{
    for (size_t i = 0; i < run->mps.n; i++)
        states[i] = run->mps.site[i].a;
}

oqt_status oqt_tebd_tensor(oqt_complex *out, const oqt_tebd *run, size_t site, int augmented, oqt_error *err)
{
    const oqt__chain_site *s;
    size_t bath;
    oqt_status st;

    if (!out || !run)
        return oqt__fail(err, OQT_EINVAL, "run or place for the tensor is missing");
    if ((st = oqt__tebd_stands(run, err)) != OQT_OK)
        return st;
    if (site >= run->mps.n)
        return oqt__fail(err, OQT_EINVAL, "site %zu is beyond the last one, %zu", site, run->mps.n - 1);
    s = run->mps.site + site;
    bath = augmented ? s->a : 1;
    for (size_t l = 0; l < s->l; l++)
        for (size_t k = 0; k < s->p; k++)
            for (size_t a = 0; a < bath; a++)
                for (size_t r = 0; r < s->r; r++) {
                    size_t i = k / s->d, j = k % s->d, low = i < j ? k : j * s->d + i,
                           high = j * s->d + i + k - low;
                    double re = s->x[((low * s->a + a) * s->l + l) * s->r + r];
                    double im = s->x[((high * s->a + a) * s->l + l) * s->r + r];

                    out[((l * s->p + k) * bath + a) * s->r + r] =
                        i == j ? (oqt_complex){re, 0.0}
                               : (oqt_complex){M_SQRT1_2 * re, i < j ? M_SQRT1_2 * im : -M_SQRT1_2 * im};
                }
    return OQT_OK;
}
