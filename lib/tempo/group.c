/* group.c - baths that act at once: their eigenbasis, classes of legs, and memory. */
#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "influence/influence.h"
#include "liouville/hermitian.h"
#include "tempo/tempo_priv.h"

/* Memory coefficients are computed for so many steps at first, then for twice as many each time. */
enum { FIRST_STEPS = 64 };

static void release_one(oqt__group *g)
{
    for (size_t e = 0; e < g->n_baths; e++) {
        if (g->eta)
            oqt__free(g->eta[e]);
        if (g->end)
            oqt__free(g->end[e]);
    }
    oqt__free(g->bath);
    oqt__free(g->rotation);
    oqt__free(g->om);
    oqt__free(g->sp);
    oqt__free(g->north_first);
    oqt__free(g->north_west);
    oqt__free(g->west_north);
    oqt__free(g->leg_re);
    oqt__free(g->leg_im);
    oqt__free(g->leg_north);
    oqt__free(g->leg_sign);
    oqt__free(g->eta);
    oqt__free(g->end);
    oqt__free(g->factor);
    oqt__free(g->reach);
    *g = (oqt__group){0};
}

void oqt__groups_release(oqt__group *group, size_t n)
{
    for (size_t i = 0; group && i < n; i++)
        release_one(&group[i]);
    oqt__free(group);
}

/* ---- eigenbasis ---- */

static double largest_element(const oqt_complex *a, size_t n)
{
    double largest = 0.0;

    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, hypot(a[i].re, a[i].im));
    return largest;
}

/* Element (i, j) of u^+ a u. */
static oqt_complex rotated(const oqt_complex *a, const oqt_complex *u, size_t d, size_t i, size_t j)
{
    oqt_complex sum = {0.0, 0.0};

    for (size_t k = 0; k < d; k++)
        for (size_t l = 0; l < d; l++) {
            oqt_complex z = oqt__mul(oqt__mul(oqt__conj(u[k * d + i]), a[k * d + l]), u[l * d + j]);

            sum = (oqt_complex){sum.re + z.re, sum.im + z.im};
        }
    return sum;
}

/*
 * The common eigenbasis u of n couplings, if they commute: that of a combination in which they do not cancel.
 * o: n x d eigenvalues. sum, values: scratch. OQT_OK with *common = false if there is none.
 */
static oqt_status common_basis(bool *common, oqt_complex *u, double *o, const oqt_complex *couplings,
                               size_t n, size_t d, oqt_complex *sum, double *values, oqt_error *err)
{
    bool diagonal = true;

    *common = true;
    memset(sum, 0, d * d * sizeof *sum);
    memset(u, 0, d * d * sizeof *u);
    for (size_t i = 0; i < d; i++)
        u[i * d + i].re = 1.0;
    for (size_t e = 0; e < n; e++) {
        const oqt_complex *a = couplings + e * d * d;
        double size = largest_element(a, d * d),
               share = size > 0.0 ? 1.0 / sqrt(1.0 + 0.7 * (double)e) / size : 0.0;

        diagonal = diagonal && oqt__is_diagonal(a, d);
        for (size_t i = 0; i < d * d; i++)
            sum[i] = (oqt_complex){sum[i].re + share * a[i].re, sum[i].im + share * a[i].im};
    }
    if (!diagonal) {
        oqt_status st = oqt__eigh_complex(values, u, sum, d, err);

        if (st != OQT_OK)
            return st;
    }
    for (size_t e = 0; e < n; e++) {
        const oqt_complex *a = couplings + e * d * d;
        double tol = OQT__DEGENERACY_TOLERANCE * largest_element(a, d * d);

        for (size_t i = 0; i < d; i++) {
            o[e * d + i] = rotated(a, u, d, i, i).re;
            for (size_t j = i + 1; j < d && n > 1; j++) {
                oqt_complex z = rotated(a, u, d, i, j);

                *common = *common && hypot(z.re, z.im) <= tol;
            }
        }
    }
    return OQT_OK;
}

/* ---- classes ---- */

static bool same(const double *a, const double *b, double sign, const double *tol, size_t n)
{
    for (size_t e = 0; e < n; e++)
        if (fabs(a[e] - sign * b[e]) > tol[e])
            return false;
    return true;
}

/* The class of a leg with these O- and O+, and the sign of the O- against those of the class. */
static size_t find_north(signed char *sign, oqt__group *g, const double *om, const double *sp,
                         const double *tol)
{
    size_t n = g->n_baths, c = 0;
    bool zero = same(om, om, 0.0, tol, n);

    for (; c < g->n_north; c++) {
        if (!same(g->sp + c * n, sp, 1.0, tol, n))
            continue;
        *sign = zero ? 0 : same(g->om + c * n, om, 1.0, tol, n) ? 1 : -1;
        if ((zero && g->north_west[c] == 0) ||
            (!zero && g->north_west[c] > 0 && same(g->om + c * n, om, *sign, tol, n)))
            return c;
    }
    *sign = zero ? 0 : 1;
    for (size_t e = 0; e < n; e++) {
        g->om[c * n + e] = zero ? 0.0 : om[e];
        g->sp[c * n + e] = sp[e];
    }
    g->north_first[c] = g->north_dim;
    g->north_dim += zero ? 1 : 2;
    g->n_north++;
    return c;
}

/* Horizontal value of a new class: its O- with the same sign must have come before, or it is a new one. */
static void find_west(signed char *sign, oqt__group *g, size_t c, const double *tol)
{
    size_t n = g->n_baths, w = 1;

    if (*sign == 0)
        return;
    for (; w < g->n_west; w++) {
        double *om = g->om + g->west_north[w] * n;

        if (same(om, g->om + c * n, 1.0, tol, n))
            break;
        if (same(om, g->om + c * n, -1.0, tol, n)) {
            *sign = -1;
            memcpy(g->om + c * n, om, n * sizeof *om);
            break;
        }
    }
    g->north_west[c] = w;
    if (w == g->n_west) {
        g->west_north[w] = c;
        g->n_west++;
        g->west_dim += 2;
    }
}

/* o: n_baths x d; om, sp, tol: scratch of n_baths. */
static void classify(oqt__group *g, const double *o, double *om, double *sp, double *tol)
{
    size_t d = g->d, n = g->n_baths;

    g->n_west = g->west_dim = 1;
    for (size_t e = 0; e < n; e++) {
        tol[e] = 0.0;
        for (size_t i = 0; i < d; i++)
            tol[e] = fmax(tol[e], OQT__DEGENERACY_TOLERANCE * fabs(o[e * d + i]));
    }
    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d; j++) {
            size_t leg = g->n_leg++, known = g->n_north;

            for (size_t e = 0; e < n; e++) {
                om[e] = o[e * d + i] - o[e * d + j];
                sp[e] = o[e * d + i] + o[e * d + j];
            }
            g->leg_re[leg] = i * d + j;
            g->leg_im[leg] = j * d + i;
            g->leg_north[leg] = find_north(&g->leg_sign[leg], g, om, sp, tol);
            if (g->n_north > known)
                find_west(&g->leg_sign[leg], g, known, tol);
        }
}

static oqt_status allocate(oqt__group *g, oqt_error *err)
{
    size_t d2 = g->d * g->d, n = g->n_baths;

    g->bath = oqt__calloc(n, sizeof *g->bath);
    g->om = oqt__doubles(d2 * n);
    g->sp = oqt__doubles(d2 * n);
    g->north_first = oqt__calloc(d2, sizeof *g->north_first);
    g->north_west = oqt__calloc(d2, sizeof *g->north_west);
    g->west_north = oqt__calloc(d2, sizeof *g->west_north);
    g->leg_re = oqt__calloc(d2, sizeof *g->leg_re);
    g->leg_im = oqt__calloc(d2, sizeof *g->leg_im);
    g->leg_north = oqt__calloc(d2, sizeof *g->leg_north);
    g->leg_sign = oqt__calloc(d2, sizeof *g->leg_sign);
    g->eta = oqt__calloc(n, sizeof *g->eta);
    g->end = oqt__calloc(n, sizeof *g->end);
    if (!g->bath || !g->om || !g->sp || !g->north_first || !g->north_west || !g->west_north || !g->leg_re ||
        !g->leg_im || !g->leg_north || !g->leg_sign || !g->eta || !g->end)
        return oqt__no_memory(err, "the legs of a coupling");
    return OQT_OK;
}

/* scratch: at least n_baths (d + 3) numbers. */
static oqt_status create_one(oqt__group *g, const oqt_bath *const *baths, const oqt_complex *u,
                             const double *o, double *scratch, bool identity, oqt_error *err)
{
    size_t d = g->d, n = g->n_baths;
    oqt_status st = allocate(g, err);

    if (st != OQT_OK)
        return st;
    memcpy(g->bath, baths, n * sizeof *baths);
    classify(g, o, scratch, scratch + n, scratch + 2 * n);
    if (identity)
        return OQT_OK;
    g->rotation = oqt__doubles(d * d * d * d);
    if (!g->rotation)
        return oqt__no_memory(err, "the legs of a coupling");
    oqt__herm_rotation(g->rotation, u, d);
    return OQT_OK;
}

oqt_status oqt__groups_create(oqt__group **out, size_t *n_out, size_t d, size_t n_baths,
                              const oqt_bath *const *baths, const oqt_complex *couplings, oqt_error *err)
{
    oqt__group *group = oqt__calloc(n_baths, sizeof *group);
    oqt_complex *u = oqt__calloc(3 * d * d, sizeof *u), *next = u ? u + d * d : NULL;
    double *o = oqt__doubles(n_baths * (2 * d + 3) + d), *next_o = o ? o + n_baths * d : NULL;
    size_t n_group = 0;
    oqt_status st = group && u && o ? OQT_OK : oqt__no_memory(err, "the couplings");

    for (size_t first = 0, n; first < n_baths && st == OQT_OK; first += n) {
        double *scratch = o + 2 * n_baths * d;
        bool common = false;

        st = common_basis(&common, u, o, couplings + first * d * d, 1, d, next + d * d, scratch, err);
        for (n = 1; first + n < n_baths && st == OQT_OK; n++) {
            st = common_basis(&common, next, next_o, couplings + first * d * d, n + 1, d, next + d * d,
                              scratch, err);
            if (st != OQT_OK || !common)
                break;
            memcpy(u, next, d * d * sizeof *u);
            memcpy(o, next_o, (n + 1) * d * sizeof *o);
        }
        if (st != OQT_OK)
            break;
        group[n_group] = (oqt__group){.d = d, .n_baths = n};
        st = create_one(&group[n_group++], baths + first, u, o, scratch, oqt__is_diagonal(u, d), err);
    }
    oqt__free(u);
    oqt__free(o);
    if (st != OQT_OK) {
        oqt__groups_release(group, n_group);
        return st;
    }
    *out = group;
    *n_out = n_group;
    return OQT_OK;
}

/* ---- memory ---- */

/*
 * Between class c and horizontal value w, with x = sum om om' Re eta and angle = - sum om' Im eta sp over
 * baths: (cosh x, sinh x) times (cos angle, sin angle).
 */
static void fill_factor(double *factor, const oqt__group *g, oqt_complex *const *eta, size_t at)
{
    size_t n = g->n_baths;

    for (size_t c = 0; c < g->n_north; c++)
        for (size_t w = 0; w < g->n_west; w++) {
            double x = 0.0, angle = 0.0, *f = factor + (c * g->n_west + w) * 4;

            for (size_t e = 0; e < n && w > 0; e++) {
                double om = g->om[g->west_north[w] * n + e];

                x += om * g->om[c * n + e] * eta[e][at].re;
                angle -= om * g->sp[c * n + e] * eta[e][at].im;
            }
            f[0] = cosh(x) * cos(angle);
            f[1] = cosh(x) * sin(angle);
            f[2] = sinh(x) * cos(angle);
            f[3] = sinh(x) * sin(angle);
        }
}

/*
 * reach_s = sum over k > s of the largest exponents between two legs at separation k. A leg of which
 * later slots make no more than that is felt through its sum, and through all else in that proportion.
 */
static void fill_reach(double *reach, const oqt__group *g, oqt_complex *const *eta, oqt_complex *const *end,
                       size_t n_eta, size_t n_end, size_t memory)
{
    size_t n = g->n_baths;
    double sum = 0.0;

    for (size_t k = n_eta; k-- > 0;) {
        reach[k] = sum;
        for (size_t e = 0; e < n && k <= memory; e++) {
            oqt_complex z = n_end > 0 && k == memory ? end[e][n_end - 1] : eta[e][k];
            double om = 0.0, low = g->sp[e], high = g->sp[e];

            for (size_t c = 0; c < g->n_north; c++) {
                om = fmax(om, fabs(g->om[c * n + e]));
                low = fmin(low, g->sp[c * n + e]);
                high = fmax(high, g->sp[c * n + e]);
            }
            sum += om * (fabs(z.re) * om + fabs(z.im) * 0.5 * (high - low));
        }
    }
}

const double *oqt__group_factors(double *scratch, const oqt__group *g, uint64_t step, uint64_t separation,
                                 size_t memory)
{
    if (separation != memory || g->n_end == 0)
        return g->factor + separation * g->n_north * g->n_west * 4;
    fill_factor(scratch, g, g->end, step - memory < g->n_end ? (size_t)(step - memory) : g->n_end - 1);
    return scratch;
}

/* eta_k for k < n, those below n_eta copied. */
static oqt_status extend_eta(oqt_complex **out, const oqt__group *g, size_t e, size_t n, double dt,
                             int n_threads, oqt_error *err)
{
    size_t more = n - g->n_eta;
    oqt_complex *eta = oqt__calloc(n, sizeof *eta);
    uint64_t *k = oqt__calloc(more, sizeof *k);
    oqt_status st = eta && k ? OQT_OK : oqt__no_memory(err, "memory coefficients");

    for (size_t i = 0; i < more && st == OQT_OK; i++)
        k[i] = g->n_eta + i;
    if (st == OQT_OK)
        st = oqt_bath_eta(eta + g->n_eta, g->bath[e], dt, more, k, n_threads, err);
    oqt__free(k);
    if (st != OQT_OK) {
        oqt__free(eta);
        return st;
    }
    if (g->n_eta > 0)
        memcpy(eta, g->eta[e], g->n_eta * sizeof *eta);
    *out = eta;
    return OQT_OK;
}

/* New arrays for all baths of a group, taken over at once. */
typedef struct {
    size_t n_eta, n_end;
    oqt_complex **eta, **end;
    double *factor, *reach;
} update;

static oqt_status make_update(update *u, const oqt__group *g, size_t memory, double added, double dt,
                              int n_threads, oqt_error *err)
{
    size_t stride = g->n_north * g->n_west * 4;
    oqt_status st = OQT_OK;

    u->eta = oqt__calloc(g->n_baths, sizeof *u->eta);
    u->end = oqt__calloc(g->n_baths, sizeof *u->end);
    u->factor = oqt__doubles(u->n_eta * stride);
    u->reach = oqt__doubles(u->n_eta);
    if (!u->eta || !u->end || !u->factor || !u->reach)
        return oqt__no_memory(err, "memory coefficients");
    for (size_t e = 0; e < g->n_baths && st == OQT_OK; e++) {
        st = extend_eta(&u->eta[e], g, e, u->n_eta, dt, n_threads, err);
        if (st != OQT_OK || u->n_end == 0)
            continue;
        u->end[e] = oqt__calloc(u->n_end, sizeof **u->end);
        if (!u->end[e])
            return oqt__no_memory(err, "memory coefficients");
        st = oqt__memory_ends(u->end[e], u->n_end, g->bath[e], u->eta[e], memory, added, dt, n_threads, err);
    }
    for (size_t k = 0; k < u->n_eta && st == OQT_OK; k++)
        fill_factor(u->factor + k * stride, g, u->eta, k);
    if (st == OQT_OK)
        fill_reach(u->reach, g, u->eta, u->end, u->n_eta, u->n_end, memory);
    return st;
}

static void release_update(update *u, size_t n_baths)
{
    for (size_t e = 0; e < n_baths; e++) {
        if (u->eta)
            oqt__free(u->eta[e]);
        if (u->end)
            oqt__free(u->end[e]);
    }
    oqt__free(u->eta);
    oqt__free(u->end);
    oqt__free(u->factor);
    oqt__free(u->reach);
}

/* How many coefficients, and ends of the memory, `steps` steps need. Ends stop to change at some place. */
static void needs(size_t *n_eta, size_t *n_end, size_t steps, size_t memory, double added, double dt)
{
    *n_eta = steps;
    *n_end = 0;
    if (memory >= steps)
        return;
    if (memory > 0 && added > 0.0) {
        size_t room = steps - memory;

        *n_end = oqt__memory_special(added, dt, room) + 1;
        *n_end = *n_end < room ? *n_end : room;
    }
    *n_eta = memory + 1 > memory + *n_end ? memory + 1 : memory + *n_end;
}

oqt_status oqt__group_reserve(oqt__group *g, uint64_t n_steps, size_t memory, double added, double dt,
                              int n_threads, oqt_error *err)
{
    size_t steps = FIRST_STEPS, n_eta, n_end;
    update u = {0};
    oqt_status st;

    while (steps / 2 < n_steps) {
        if (steps > SIZE_MAX / 2)
            return oqt__fail(err, OQT_ERANGE, "a memory of %llu steps is too long",
                             (unsigned long long)n_steps);
        steps *= 2;
    }
    needs(&n_eta, &n_end, steps, memory, added, dt);
    if (n_eta <= g->n_eta && n_end <= g->n_end)
        return OQT_OK;
    u.n_eta = n_eta;
    u.n_end = n_end;
    st = make_update(&u, g, memory, added, dt, n_threads, err);
    if (st == OQT_OK) {
        update old = {g->n_eta, g->n_end, g->eta, g->end, g->factor, g->reach};

        g->n_eta = u.n_eta;
        g->n_end = u.n_end;
        g->eta = u.eta;
        g->end = u.end;
        g->factor = u.factor;
        g->reach = u.reach;
        u = old;
    }
    release_update(&u, g->n_baths);
    return st;
}
