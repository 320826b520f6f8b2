/*
 * row.c - one slot more: a row of influences on all slots before, and truncation.
 *
 * From the oldest slot to the newest, the row multiplies the bonds of the matrix product by the number of
 * horizontal values, and each site is cut to the range of what it has to carry, with an isometry left behind.
 * Back from the newest to the oldest, singular values are truncated; what is left of them is then exact. See
 * docs/theory.md, section 14.
 */
#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "tempo/tempo_priv.h"

#define SQRT_HALF 0.70710678118654752440
#define SQRT_TWO  1.41421356237309504880

/* Error of ranges on the way to the newest slot, in units of epsrel. */
static const double RANGE_SHARE = 0.6;

/* Weight of what later slots can feel of a leg, in units of the largest they can make of it, and the least.
 * Measured: errors are smallest at equal work from 0.25 to 1; docs/theory.md, eq. (23). */
static const double WEIGHT = 0.5, LEAST_WEIGHT = 1e-3;

/* Places in the workspace. */
enum { CARRY, NEXT_CARRY, PRODUCT, THETA, TURNED };

void oqt__train_release(oqt__train *train)
{
    for (size_t i = 0; train->site && i < train->cap; i++)
        oqt__free(train->site[i].a);
    oqt__free(train->site);
    *train = (oqt__train){0};
}

void oqt__row_ws_release(oqt__row_ws *ws)
{
    for (size_t i = 0; i < sizeof ws->mem / sizeof *ws->mem; i++)
        oqt__free(ws->mem[i]);
    oqt__range_ws_release(&ws->range);
    oqt__svd_ws_release(&ws->svd);
    *ws = (oqt__row_ws){0};
}

size_t oqt__train_bond(const oqt__train *train)
{
    size_t bond = 1;

    for (size_t i = 1; i < train->n; i++)
        bond = train->site[i].left > bond ? train->site[i].left : bond;
    return bond;
}

/* ---- room ---- */

/* Room for rows x cols numbers in *mem; what was there is lost. */
static oqt_status reserve(double **mem, size_t *cap, size_t rows, size_t cols, oqt_error *err)
{
    size_t n;
    double *more;

    if (!oqt__mul_size(&n, rows, cols) || n > SIZE_MAX / 32)
        return oqt__fail(err, OQT_ERANGE, "a slot of %zu x %zu numbers is too large", rows, cols);
    if (n <= *cap)
        return OQT_OK;
    more = oqt__doubles(n + n / 2);
    if (!more)
        return oqt__no_memory(err, "the slots of a run");
    oqt__free(*mem);
    *mem = more;
    *cap = n + n / 2;
    return OQT_OK;
}

static oqt_status room(oqt__row_ws *ws, int place, size_t rows, size_t cols, oqt_error *err)
{
    return reserve(&ws->mem[place], &ws->cap[place], rows, cols, err);
}

oqt_status oqt__site_resize(oqt__site *site, size_t left, size_t leg, size_t right, oqt_error *err)
{
    oqt_status st = reserve(&site->a, &site->cap, left * leg, right, err);

    if (st == OQT_OK) {
        site->left = left;
        site->leg = leg;
        site->right = right;
    }
    return st;
}

oqt_status oqt__train_room(oqt__train *train, size_t n, oqt_error *err)
{
    size_t cap = n + n / 2;
    oqt__site *site;

    if (n <= train->cap)
        return OQT_OK;
    site = oqt__calloc(cap, sizeof *site);
    if (!site)
        return oqt__no_memory(err, "the slots of a run");
    if (train->cap > 0)
        memcpy(site, train->site, train->cap * sizeof *site);
    oqt__free(train->site);
    train->site = site;
    train->cap = cap;
    return OQT_OK;
}

/* The first n sites go to the end, where their memory waits for new ones. */
static void drop_first(oqt__train *train, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        oqt__site first = train->site[0];

        memmove(train->site, train->site + 1, (train->n - 1) * sizeof first);
        train->site[--train->n] = first;
    }
}

/* ---- sums over past legs ---- */

/* out = v A, the leg summed; in the coordinates of a class with O- != 0 the sum is (sqrt2, 0). */
static void close_site(double *out, const double *v, const oqt__site *site, const oqt__group *g)
{
    memset(out, 0, site->right * sizeof *out);
    for (size_t l = 0; l < site->left; l++)
        for (size_t c = 0; c < g->n_north; c++) {
            const double *row = site->a + (l * site->leg + g->north_first[c]) * site->right;
            double f = v[l] * (g->north_west[c] > 0 ? SQRT_TWO : 1.0);

            for (size_t r = 0; r < site->right; r++)
                out[r] += f * row[r];
        }
}

static void close_sites(double *out, double *scratch, const oqt__train *train, size_t n,
                        const oqt__group *group)
{
    scratch[0] = 1.0;
    for (size_t i = 0; i < n; i++) {
        close_site(out, scratch, &train->site[i], &group[train->site[i].group]);
        memcpy(scratch, out, train->site[i].right * sizeof *out);
    }
    if (n == 0)
        out[0] = 1.0;
}

void oqt__train_close(double *out, double *scratch, const oqt__train *train, const oqt__group *group)
{
    close_sites(out, scratch, train, train->n, group);
}

/* ---- influence ---- */

/*
 * Influence between a class of a site and a horizontal value, n numbers at each of their coordinates: with J
 * = [[0, -1], [1, 0]] on a pair of coordinates, which is the imaginary unit,
 *
 *     class of one coordinate:  f0 + f1 J_west,
 *     class of two:             f0 + f1 J_west + f2 J_north J_west - f3 J_north.
 *
 * in, out: [coordinate of the class][coordinate of the value].
 */
static void influence_one(double *const out[2], const double *const in[2], const double *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[0][i] = f[0] * in[0][i] - f[1] * in[1][i];
        out[1][i] = f[0] * in[1][i] + f[1] * in[0][i];
    }
}

static void influence_two(double *const out[4], const double *const in[4], const double *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double pp = in[0][i], pq = in[1][i], qp = in[2][i], qq = in[3][i];

        out[0][i] = f[0] * pp - f[1] * pq + f[2] * qq + f[3] * qp;
        out[1][i] = f[0] * pq + f[1] * pp - f[2] * qp + f[3] * qq;
        out[2][i] = f[0] * qp - f[1] * qq - f[2] * pq - f[3] * pp;
        out[3][i] = f[0] * qq + f[1] * qp + f[2] * pp - f[3] * pq;
    }
}

/* theta[a][west][r] from product[west][a][r] at one left index. factors: NULL where the site does not feel
 * the row; leg then counts. */
static void influence(double *theta, const double *product, const oqt__group *g, const double *factors,
                      size_t leg, size_t n_west, size_t r)
{
    size_t ld = n_west * r;

    if (!factors) {
        for (size_t a = 0; a < leg; a++)
            for (size_t w = 0; w < n_west; w++)
                memcpy(theta + a * ld + w * r, product + (w * leg + a) * r, r * sizeof *theta);
        return;
    }
    for (size_t c = 0; c < g->n_north; c++) {
        size_t a = g->north_first[c];
        bool two = g->north_west[c] > 0;

        for (size_t k = 0; k < 1 + (size_t)two; k++)
            memcpy(theta + (a + k) * ld, product + (a + k) * r, r * sizeof *theta);
        for (size_t w = 1; w < g->n_west; w++) {
            const double *f = factors + (c * g->n_west + w) * 4, *in[4];
            double *out[4];

            for (size_t k = 0; k < 4; k++) {
                in[k] = product + ((2 * w - 1 + k % 2) * leg + a + (two ? k / 2 : 0)) * r;
                out[k] = theta + (a + (two ? k / 2 : 0)) * ld + (2 * w - 1 + k % 2) * r;
            }
            if (two)
                influence_two(out, in, f, r);
            else
                influence_one(out, in, f, r);
        }
    }
}

/* ---- what later slots can feel ---- */

static double leg_weight(const oqt__site *site, const oqt__row *row)
{
    const oqt__group *g = &row->group[site->group];
    size_t at = row->step - site->step;
    double w = WEIGHT * g->reach[at < g->n_eta ? at : g->n_eta - 1];

    return w > 1.0 ? 1.0 : w < LEAST_WEIGHT ? LEAST_WEIGHT : w;
}

/*
 * The leg of left x leg x n numbers times P + w (1 - P), P being the projection on what is summed when the
 * leg is closed.
 */
static void weigh_leg(double *a, size_t left, size_t leg, size_t n, double w, const oqt__group *g,
                      double *sum)
{
    double size = 0.0;

    if (w == 1.0)
        return;
    for (size_t c = 0; c < g->n_north; c++)
        size += g->north_west[c] > 0 ? 2.0 : 1.0;
    for (size_t l = 0; l < left; l++) {
        double *row = a + l * leg * n;

        memset(sum, 0, n * sizeof *sum);
        for (size_t c = 0; c < g->n_north; c++) {
            const double *x = row + g->north_first[c] * n;
            double f = (1.0 - w) / size * (g->north_west[c] > 0 ? SQRT_TWO : 1.0);

            for (size_t i = 0; i < n; i++)
                sum[i] += f * x[i];
        }
        for (size_t i = 0; i < leg * n; i++)
            row[i] *= w;
        for (size_t c = 0; c < g->n_north; c++) {
            double *x = row + g->north_first[c] * n, f = g->north_west[c] > 0 ? SQRT_TWO : 1.0;

            for (size_t i = 0; i < n; i++)
                x[i] += f * sum[i];
        }
    }
}

/* ---- the new slot ---- */

/* The horizontal value is that of the leg: row[x] from theta[west][x], for one column of d^2. */
static void tie_west(double *row, const double *theta, const oqt__group *g, size_t ld)
{
    for (size_t k = 0; k < g->n_leg; k++) {
        size_t p = g->leg_re[k], q = g->leg_im[k], w = g->north_west[g->leg_north[k]];

        if (w == 0) {
            row[p] = theta[p];
            row[q] = theta[q];
        } else {
            const double *re = theta + (2 * w - 1) * ld, *im = re + ld;
            double s = g->leg_sign[k];

            row[p] = SQRT_HALF * (re[p] - s * im[q]);
            row[q] = SQRT_HALF * (re[q] + s * im[p]);
        }
    }
}

/* What a slot does to itself, times row; then site[a][x] with the past leg tied to the system. */
static void tie_north(double *site, const double *row, const oqt__group *g, size_t ld)
{
    for (size_t k = 0; k < g->n_leg; k++) {
        size_t p = g->leg_re[k], q = g->leg_im[k], c = g->leg_north[k], a = g->north_first[c];
        double s = g->leg_sign[k], size = 0.0, angle = 0.0, re, im;

        if (g->north_west[c] == 0) {
            site[a * ld + p] = row[p];
            site[a * ld + q] = row[q];
            continue;
        }
        for (size_t e = 0; e < g->n_baths; e++) {
            double om = s * g->om[c * g->n_baths + e];

            size -= om * om * g->eta[e][0].re;
            angle -= om * g->sp[c * g->n_baths + e] * g->eta[e][0].im;
        }
        re = SQRT_HALF * exp(size) * (cos(angle) * row[p] - sin(angle) * row[q]);
        im = SQRT_HALF * exp(size) * (sin(angle) * row[p] + cos(angle) * row[q]);
        site[a * ld + p] = re;
        site[a * ld + q] = im;
        site[(a + 1) * ld + p] = s * im;
        site[(a + 1) * ld + q] = -s * re;
    }
}

/* ---- one site on the way to the newest ---- */

static const oqt__trunc_record no_record;

static void count(oqt_tempo_stats *stats, const oqt__svd *svd, const oqt__trunc_record *rec, size_t m,
                  size_t n)
{
    stats->n_svd++;
    stats->flops += oqt__svd_flops(m, n, rec);
    if (svd->rank > 0)
        stats->discarded_weight += rec->discarded_weight / (svd->s[0] * svd->s[0]);
    stats->limit_hit = stats->limit_hit || rec->limited;
}

static void gemm(oqt_tempo_stats *stats, bool ta, bool tb, size_t m, size_t n, size_t k, const double *a,
                 size_t lda, const double *b, size_t ldb, double *c, size_t ldc)
{
    oqt__gemm(ta, tb, m, n, k, 1.0, a, lda, b, ldb, 0.0, c, ldc);
    stats->flops += 2.0 * (double)m * (double)n * (double)k;
}

/* site = isometry of theta, (left leg) x n, and the carry what is left of it. */
static oqt_status cut_range(oqt__site *site, size_t left, size_t leg, size_t n, size_t guess, oqt__row_ws *ws,
                            const oqt__row *row, oqt_tempo_stats *stats, oqt_error *err)
{
    size_t m = left * leg, k;
    const double *q;
    oqt_status st = oqt__range(&q, &k, &ws->range, ws->mem[THETA], m, n, RANGE_SHARE * row->epsrel, guess,
                               2 * row->max_bond, &stats->flops, err);

    if (st != OQT_OK || (st = oqt__site_resize(site, left, leg, k, err)) != OQT_OK ||
        (st = room(ws, NEXT_CARRY, k, n, err)) != OQT_OK)
        return st;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            site->a[i * k + j] = q[j * m + i];
    gemm(stats, false, false, k, n, m, q, m, ws->mem[THETA], n, ws->mem[NEXT_CARRY], n);
    return OQT_OK;
}

static void swap_carry(oqt__row_ws *ws)
{
    double *mem = ws->mem[CARRY];
    size_t cap = ws->cap[CARRY];

    ws->mem[CARRY] = ws->mem[NEXT_CARRY];
    ws->cap[CARRY] = ws->cap[NEXT_CARRY];
    ws->mem[NEXT_CARRY] = mem;
    ws->cap[NEXT_CARRY] = cap;
}

/* The row passes the site `old`, whose elements are a; the carry has `left` rows before. For the last site
 * the horizontal value is tied to the system. */
static oqt_status pass_site(oqt__site *site, const oqt__site *old, const double *a, size_t right, size_t left,
                            bool last, const oqt__row *row, const double *factors, oqt__row_ws *ws,
                            oqt_tempo_stats *stats, oqt_error *err)
{
    const oqt__group *g = &row->group[row->which];
    size_t n_west = g->west_dim, leg = old->leg, n = n_west * right, d2 = g->d * g->d;
    oqt__site made = {.leg = leg, .group = old->group, .step = old->step};
    size_t guess = right + right / 4;
    oqt_status st;

    if ((st = room(ws, PRODUCT, left * n_west, leg * right, err)) != OQT_OK ||
        (st = room(ws, THETA, left * leg, n, err)) != OQT_OK)
        return st;
    gemm(stats, false, false, left * n_west, leg * right, old->left, ws->mem[CARRY], old->left, a,
         leg * right, ws->mem[PRODUCT], leg * right);
    for (size_t l = 0; l < left; l++)
        influence(ws->mem[THETA] + l * leg * n, ws->mem[PRODUCT] + l * n_west * leg * right, g, factors, leg,
                  n_west, right);
    if (last) { /* in place: a row of theta becomes shorter */
        double *tied = ws->mem[PRODUCT];

        for (size_t i = 0; i < left * leg; i++)
            for (size_t c = 0; c < right; c += d2)
                tie_west(tied + i * right + c, ws->mem[THETA] + i * n + c, g, right);
        memcpy(ws->mem[THETA], tied, left * leg * right * sizeof *tied);
        n = right;
    }
    if ((st = room(ws, NEXT_CARRY, n, 1, err)) != OQT_OK)
        return st;
    weigh_leg(ws->mem[THETA], left, leg, n, leg_weight(old, row), &row->group[old->group],
              ws->mem[NEXT_CARRY]);
    made.a = site->a;
    made.cap = site->cap;
    *site = made;
    if ((st = cut_range(site, left, leg, n, guess, ws, row, stats, err)) != OQT_OK)
        return st;
    swap_carry(ws);
    return OQT_OK;
}

/* ---- back ---- */

/* The leg of a site as it is, after truncation. */
static oqt_status unweigh(oqt__site *site, const oqt__row *row, oqt__row_ws *ws, oqt_error *err)
{
    oqt_status st = room(ws, NEXT_CARRY, site->right, 1, err);

    if (st == OQT_OK)
        weigh_leg(site->a, site->left, site->leg, site->right, 1.0 / leg_weight(site, row),
                  &row->group[site->group], ws->mem[NEXT_CARRY]);
    return st;
}

static oqt_status sweep_back(oqt__train *train, const oqt__row *row, oqt__row_ws *ws, oqt_tempo_stats *stats,
                             oqt_error *err)
{
    oqt__trunc rule = {.rel_tail = row->epsrel, .max_rank = row->max_bond};

    for (size_t i = train->n; i-- > 1;) {
        oqt__site *site = &train->site[i], *before = site - 1;
        size_t m = site->left, n = site->leg * site->right, rows = before->left * before->leg, k;
        oqt__trunc_record rec = no_record;
        oqt__svd svd;
        oqt_status st = oqt__svd_trunc(&svd, &ws->svd, site->a, m, n, &rule, &rec, err);

        if (st != OQT_OK)
            return st;
        count(stats, &svd, &rec, m, n);
        k = svd.rank;
        if (k == 0)
            continue;
        memcpy(site->a, svd.vt, k * n * sizeof *site->a);
        site->left = k;
        if ((st = unweigh(site, row, ws, err)) != OQT_OK)
            return st;
        if ((st = room(ws, PRODUCT, rows, k, err)) != OQT_OK)
            return st;
        for (size_t l = 0; l < m; l++)
            for (size_t j = 0; j < k; j++)
                svd.u[l * k + j] *= svd.s[j];
        gemm(stats, false, false, rows, k, m, before->a, m, svd.u, k, ws->mem[PRODUCT], k);
        memcpy(before->a, ws->mem[PRODUCT], rows * k * sizeof *before->a);
        before->right = k;
    }
    return unweigh(&train->site[0], row, ws, err);
}

/* ---- the row ---- */

/* Sites that the row does not reach any more. */
static size_t count_old(const oqt__train *from, const oqt__row *row)
{
    size_t n = 0;

    while (n < from->n && row->step - from->site[n].step > row->memory)
        n++;
    return n;
}

/* The row begins with all horizontal values, summed, times the closed sites v. */
static oqt_status begin(oqt__row_ws *ws, const double *v, size_t n, const oqt__group *g, oqt_error *err)
{
    oqt_status st = room(ws, CARRY, g->west_dim, n, err);

    for (size_t w = 0; w < g->west_dim && st == OQT_OK; w++)
        for (size_t i = 0; i < n; i++)
            ws->mem[CARRY][w * n + i] = w == 0 ? v[i] : w % 2 == 1 ? SQRT_TWO * v[i] : 0.0;
    return st;
}

/* The last site in the legs of the new slot. */
static oqt_status turn_site(oqt__row_ws *ws, const oqt__site *site, const oqt__row *row,
                            oqt_tempo_stats *stats, oqt_error *err)
{
    size_t rows = site->left * site->leg;
    oqt_status st = room(ws, TURNED, rows, row->n_x, err);

    if (st == OQT_OK)
        gemm(stats, false, true, rows, row->n_x, row->n_old, site->a, row->n_old, row->turn, row->n_old,
             ws->mem[TURNED], row->n_x);
    return st;
}

/* The new site from its left x n_x system numbers. */
static oqt_status add_site(oqt__train *to, const double *rows, size_t left, const oqt__row *row,
                           oqt__row_ws *ws, oqt_error *err)
{
    const oqt__group *g = &row->group[row->which];
    oqt__site *site = &to->site[to->n];
    size_t leg = g->north_dim, n_x = row->n_x;
    oqt_status st = oqt__site_resize(site, left, leg, n_x, err);

    if (st != OQT_OK || (st = room(ws, NEXT_CARRY, n_x, 1, err)) != OQT_OK)
        return st;
    site->group = row->which;
    site->step = row->step;
    memset(site->a, 0, left * leg * n_x * sizeof *site->a);
    for (size_t l = 0; l < left; l++)
        for (size_t c = 0; c < n_x; c += g->d * g->d)
            tie_north(site->a + l * leg * n_x + c, rows + l * n_x + c, g, n_x);
    weigh_leg(site->a, left, leg, n_x, leg_weight(site, row), g, ws->mem[NEXT_CARRY]);
    to->n++;
    return OQT_OK;
}

/* A slot whose row reaches no other. */
static oqt_status first_site(oqt__train *to, const double *v, const oqt__row *row, oqt__row_ws *ws,
                             oqt_error *err)
{
    oqt_status st = room(ws, CARRY, 1, row->n_x, err);

    if (st != OQT_OK)
        return st;
    for (size_t x = 0; x < row->n_x; x++) {
        double sum = 0.0;

        for (size_t y = 0; y < row->n_old; y++)
            sum += row->turn[x * row->n_old + y] * v[y];
        ws->mem[CARRY][x] = sum;
    }
    if ((st = add_site(to, ws->mem[CARRY], 1, row, ws, err)) != OQT_OK)
        return st;
    return unweigh(&to->site[0], row, ws, err);
}

static oqt_status pass_all(oqt__train *to, const oqt__train *from, size_t skip, const oqt__row *row,
                           oqt__row_ws *ws, oqt_tempo_stats *stats, oqt_error *err)
{
    const oqt__group *g = &row->group[row->which];
    size_t n = from->n - skip, left = 1;
    oqt_status st = OQT_OK;

    for (size_t i = 0; i < n; i++) {
        const oqt__site *old = &from->site[skip + i];
        bool last = i + 1 == n;
        const double *factors = NULL, *a = old->a;

        if (old->group == row->which) {
            if ((st = room(ws, NEXT_CARRY, g->n_north * g->n_west, 4, err)) != OQT_OK)
                return st;
            factors =
                oqt__group_factors(ws->mem[NEXT_CARRY], g, row->step, row->step - old->step, row->memory);
        }
        if (last) {
            if ((st = turn_site(ws, old, row, stats, err)) != OQT_OK)
                return st;
            a = ws->mem[TURNED];
        }
        if ((st = pass_site(&to->site[i], old, a, last ? row->n_x : old->right, left, last, row, factors, ws,
                            stats, err)) != OQT_OK)
            return st;
        left = to->site[i].right;
    }
    to->n = n;
    return add_site(to, ws->mem[CARRY], left, row, ws, err);
}

oqt_status oqt__row_apply(oqt__train *to, const oqt__train *from, const oqt__row *row, const double *start,
                          oqt__row_ws *ws, oqt_tempo_stats *stats, oqt_error *err)
{
    size_t skip = count_old(from, row), widest = row->n_old, n_v;
    double *v;
    oqt_status st;

    for (size_t i = 0; i < from->n; i++)
        widest = from->site[i].right > widest ? from->site[i].right : widest;
    if ((st = oqt__train_room(to, from->n - skip + 1, err)) != OQT_OK ||
        (st = room(ws, TURNED, 2, widest, err)) != OQT_OK)
        return st;
    v = ws->mem[TURNED];
    close_sites(v, v + widest, from, skip, row->group);
    n_v = skip > 0 ? from->site[skip - 1].right : 1;
    if (skip == from->n) {
        to->n = 0;
        return first_site(to, skip > 0 ? v : start, row, ws, err);
    }
    if (to == from) {
        drop_first(to, skip);
        skip = 0;
    }

    if ((st = begin(ws, v, n_v, &row->group[row->which], err)) != OQT_OK ||
        (st = pass_all(to, from, skip, row, ws, stats, err)) != OQT_OK)
        return st;

    return sweep_back(to, row, ws, stats, err);
}
