/* gate.c - a two-site gate on an augmented matrix-product state. */
#include <math.h>
#include <string.h>

#include "chain/chain_priv.h"

/* From this ratio on, splitting off what the rest cannot tell apart pays. */
#define SPLIT_RATIO 1.25

/* ---- workspace ---- */

void oqt__chain_ws_release(oqt__chain_ws *ws)
{
    oqt__svd_ws_release(&ws->svd);
    oqt__free(ws->mem);
    *ws = (oqt__chain_ws){0};
}

oqt_status oqt__chain_ws_reserve(oqt__chain_ws *ws, size_t len, oqt_error *err)
{
    if (len <= ws->len)
        return OQT_OK;
    oqt__free(ws->mem); /* first: its contents may be lost, and peaks are lower */
    ws->len = 0;
    ws->mem = oqt__doubles(len);
    if (!ws->mem)
        return oqt__no_memory(err, "a step of a chain");
    ws->len = len;
    return OQT_OK;
}

/* ---- one gate ---- */

/*
 * Left site = q_l core_l with core_l [p_l][k_l][m], right site = core_r q_r with core_r [p_r][m][k_r]. Where
 * nothing is split off, k_l = a_l l and q_l = 1, and core_l is the site itself; k_r = a_r r likewise.
 */
typedef struct {
    size_t pl, al, l, m, pr, ar, r;
    size_t kl, kr;
    bool split_l, split_r;
    const double *w_l, *w_r; /* what states of process tensors count for; NULL: 1 */
    const double *core_l, *core_r;
    double *own_l, *own_r; /* room for the cores, where they are not the sites             */
    double *q_l;           /* (a_l l) x k_l                                                */
    double *t_l;   /* k_l x k_l: q_l weighted by the Schmidt values to the left is isometry times t_l */
    double *q_r;   /* k_r x (a_r r)                                                          */
    double *c;     /* (p_l k_l) x (p_r k_r)                                                  */
    double *theta; /* the same weighted from the left; then the right basis. Two rows more */
    double *s;     /* what each vector of the basis counts for                             */
    double *scratch;
    size_t room; /* numbers that fit into scratch */
} split_gate;

/* dst[j][i][rest] = src[i][j][rest] */
static void swap_axes(double *dst, const double *src, size_t n_i, size_t n_j, size_t rest)
{
    for (size_t i = 0; i < n_i; i++)
        for (size_t j = 0; j < n_j; j++)
            memcpy(dst + (j * n_i + i) * rest, src + (i * n_j + j) * rest, rest * sizeof *dst);
}

static size_t padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/* The most singular vectors that there can be. */
static size_t side_of(const split_gate *g)
{
    size_t rows = g->pl * g->kl, cols = g->pr * g->kr;

    return rows < cols ? rows : cols;
}

static size_t largest_of(size_t a, size_t b, size_t c)
{
    size_t ab = a > b ? a : b;

    return ab > c ? ab : c;
}

/* The next len numbers of the workspace. */
static double *take(double **at, size_t len)
{
    double *mine = *at;

    *at += padded(len);
    return mine;
}

/* Decide what is split off, and lay the arrays out in the workspace: no more than is needed, since it is as
 * large as several sites. */
static oqt_status lay_out(split_gate *g, oqt__chain_ws *ws, oqt_error *err)
{
    size_t rows = g->al * g->l, cols = g->ar * g->r, len, theta, side, q_l, t_l, q_r, own_l, own_r;
    double *at;
    oqt_status st;

    g->split_l = (double)rows > SPLIT_RATIO * (double)(g->pl * g->m);
    g->split_r = (double)cols > SPLIT_RATIO * (double)(g->pr * g->m);
    g->kl = g->split_l ? g->pl * g->m : rows;
    g->kr = g->split_r ? g->pr * g->m : cols;
    if (!oqt__mul_size(&len, g->pl * g->kl, g->pr * g->kr) || len > SIZE_MAX / 64)
        return oqt__fail(err, OQT_ERANGE, "bond of %zu states between sites is too large", g->m);
    side = side_of(g) + 2; /* two for traces */
    q_l = g->split_l ? rows * g->kl : 0;
    t_l = g->split_l ? g->kl * g->kl : 0;
    q_r = g->split_r ? g->kr * cols : 0;
    own_l = g->split_l ? g->pl * g->kl * g->m : 0;
    own_r = g->split_r || g->ar > 1 ? g->pr * g->m * g->kr : 0;
    theta = largest_of(len + 2 * g->pr * g->kr, q_l, 0); /* it holds what is split off on the left before */
    /* permuted sites, what is weighted, products for one p, and vectors */
    g->room = largest_of(q_l, g->split_r ? cols * g->pr * g->m : 0, g->split_l ? g->kl * side : 0);
    g->room = largest_of(g->room, cols, g->pr * g->kr + 4 * g->pl * g->kl + side);
    if ((st = oqt__chain_ws_reserve(ws,
                                    padded(len) + padded(theta) + padded(side) + padded(g->room) +
                                        padded(q_l) + padded(t_l) + padded(q_r) + padded(own_l) +
                                        padded(own_r),
                                    err)) != OQT_OK)
        return st;
    at = ws->mem;
    g->c = take(&at, len);
    g->theta = take(&at, theta);
    g->s = take(&at, side);
    g->scratch = take(&at, g->room);
    g->q_l = take(&at, q_l);
    g->t_l = take(&at, t_l);
    g->q_r = take(&at, q_r);
    g->own_l = take(&at, own_l);
    g->own_r = take(&at, own_r);
    return OQT_OK;
}

/* What row (a, l) of the left site counts for. */
static double row_weight(const split_gate *g, const double *schmidt, size_t row)
{
    return (schmidt ? schmidt[row % g->l] : 1.0) * (g->w_l ? g->w_l[row / g->l] : 1.0);
}

/* core_l, with q_l and t_l if something is split off. schmidt: of the bond to the left, NULL at the end. */
static oqt_status split_left(split_gate *g, const double *x, const double *schmidt, oqt__chain_ws *ws,
                             oqt_error *err)
{
    size_t rows = g->al * g->l, cols = g->pl * g->m;
    double *weighted = g->scratch;
    oqt_status st;

    if (!g->split_l) {
        g->core_l = x;
        return OQT_OK;
    }
    swap_axes(g->scratch, x, g->pl, rows, g->m);
    /* r is [k][p_l][m] */
    if ((st = oqt__qr(g->q_l, g->theta, &ws->svd, g->scratch, rows, cols, err)) != OQT_OK)
        return st;
    swap_axes(g->own_l, g->theta, g->kl, g->pl, g->m);
    g->core_l = g->own_l;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < g->kl; k++)
            weighted[i * g->kl + k] = row_weight(g, schmidt, i) * g->q_l[i * g->kl + k];
    return oqt__qr(g->theta, g->t_l, &ws->svd, weighted, rows, g->kl, err);
}

/* core_r, with q_r if something is split off; both hold the weights of states of process tensors. */
static oqt_status split_right(split_gate *g, const double *x, oqt__chain_ws *ws, oqt_error *err)
{
    size_t cols = g->ar * g->r;
    double *sorted = g->split_r ? g->scratch : g->own_r;

    if (g->ar == 1 && !g->split_r) {
        g->core_r = x;
        return OQT_OK;
    }
    for (size_t p = 0; p < g->pr; p++) /* [p][a][m][r] -> [p][m][a][r] */
        swap_axes(sorted + p * g->m * cols, x + p * g->m * cols, g->ar, g->m, g->r);
    for (size_t i = 0; g->w_r && i < g->pr * g->m; i++)
        for (size_t a = 0; a < g->ar; a++)
            for (size_t r = 0; r < g->r; r++)
                sorted[(i * g->ar + a) * g->r + r] *= g->w_r[a];
    g->core_r = g->own_r;
    if (!g->split_r)
        return OQT_OK;
    /* l is [p][m][k] as wanted */
    return oqt__lq(g->own_r, g->q_r, &ws->svd, g->scratch, g->pr * g->m, cols, err);
}

/* c [p_l][k_l][p_r][k_r], with the gate applied, and theta, the same weighted from the left. */
static void join(split_gate *g, const double *gate, const double *schmidt)
{
    size_t pl = g->pl, pr = g->pr, kl = g->kl, kr = g->kr, m = g->m, pp = pl * pr;

    for (size_t p = 0; p < pl; p++)
        for (size_t q = 0; q < pr; q++)
            oqt__gemm(false, false, kl, kr, m, 1.0, g->core_l + p * kl * m, m, g->core_r + q * m * kr, kr,
                      0.0, g->c + (p * pr + q) * kl * kr, kr);
    oqt__gemm(false, false, pp, kl * kr, pp, 1.0, gate, pp, g->c, kl * kr, 0.0, g->theta, kl * kr);
    for (size_t p = 0; p < pl; p++)
        swap_axes(g->c + p * kl * pr * kr, g->theta + p * pr * kl * kr, pr, kl, kr);
    for (size_t p = 0; p < pl; p++) {
        const double *c = g->c + p * kl * pr * kr;
        double *theta = g->theta + p * kl * pr * kr;

        if (g->split_l) {
            oqt__gemm(false, false, kl, pr * kr, kl, 1.0, g->t_l, kl, c, pr * kr, 0.0, theta, pr * kr);
            continue;
        }
        for (size_t k = 0; k < kl; k++) {
            double w = row_weight(g, schmidt, k);

            for (size_t i = 0; i < pr * kr; i++)
                theta[k * pr * kr + i] = w * c[k * pr * kr + i];
        }
    }
}

/* The right basis: rows v [rank][p_r k_r], orthonormal; s: what each counts for. */
typedef struct {
    size_t rank;
    double *v, *s;
} right_basis;

/* Rows of v q_r for one p, [m'][a_r][r], go to [a_r][m'][r]. */
static void place_rows(const split_gate *g, double *x, const double *rows, size_t stride, size_t n, size_t m)
{
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < g->ar; a++) {
            const double *from = rows + i * stride + a * g->r;
            double *to = x + (a * m + i) * g->r, w = g->w_r ? 1.0 / g->w_r[a] : 1.0;

            for (size_t r = 0; r < g->r; r++)
                to[r] = w * from[r];
        }
}

/* The right site is v [m'][p_r][k_r] q_r, in order [p_r][a_r][m'][r]. A gate may make many states of few,
 * more than fit into scratch with all columns of q_r, so they go there some at a time. */
static oqt_status put_right(const split_gate *g, oqt__chain_site *site, const right_basis *basis,
                            oqt_error *err)
{
    size_t cols = g->ar * g->r, m = basis->rank, n = g->pr * g->kr, most = g->room / cols;
    oqt_status st;

    if ((st = oqt__chain_site_reserve(site, g->pr * cols * m, err)) != OQT_OK)
        return st;
    for (size_t p = 0; p < g->pr; p++) {
        double *x = site->x + p * cols * m;

        if (!g->split_r)
            place_rows(g, x, basis->v + p * g->kr, n, m, m);
        for (size_t i = 0, some; g->split_r && i < m; i += some) {
            some = m - i < most ? m - i : most;
            oqt__gemm(false, false, some, cols, g->kr, 1.0, basis->v + i * n + p * g->kr, n, g->q_r, cols,
                      0.0, g->scratch, cols);
            place_rows(g, x + i * g->r, g->scratch, cols, some, m);
        }
    }
    site->l = m;
    return OQT_OK;
}

/* The left site is q_l c v^T, in order [p_l][a_l][l][m']. */
static oqt_status put_left(const split_gate *g, oqt__chain_site *site, const right_basis *basis,
                           oqt_error *err)
{
    size_t rows = g->al * g->l, m = basis->rank, inner = g->pr * g->kr;
    oqt_status st;

    if ((st = oqt__chain_site_reserve(site, g->pl * rows * m, err)) != OQT_OK)
        return st;
    for (size_t p = 0; g->split_l && p < g->pl; p++) {
        oqt__gemm(false, true, g->kl, m, inner, 1.0, g->c + p * g->kl * inner, inner, basis->v, inner, 0.0,
                  g->scratch, m);
        oqt__gemm(false, false, rows, m, g->kl, 1.0, g->q_l, g->kl, g->scratch, m, 0.0,
                  site->x + p * rows * m, m);
    }
    if (!g->split_l)
        oqt__gemm(false, true, g->pl * rows, m, inner, 1.0, g->c, inner, basis->v, inner, 0.0, site->x, m);
    site->r = m;
    return OQT_OK;
}

/* ---- the right basis ---- */

/* Take what lies in the rows of v out of x, twice for the sake of rounding; the norm that is left. */
static double project_out(double *x, double *overlap, const double *v, size_t rank, size_t n)
{
    double sum = 0.0;

    for (int pass = 0; pass < 2; pass++) {
        oqt__gemv(false, rank, n, 1.0, v, n, x, 0.0, overlap);
        oqt__gemv(true, rank, n, -1.0, v, n, overlap, 1.0, x);
    }
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* The trace over the right site and all beyond, as a vector over [p_r][k_r]. */
static void trace_beyond(double *out, const split_gate *g, size_t d, const double *right)
{
    memset(out, 0, g->pr * g->kr * sizeof *out);
    for (size_t i = 0; i < d; i++) {
        double *at = out + (i * d + i) * g->kr;

        if (g->split_r && right) /* the first g->r columns are those of the vacuum */
            oqt__gemv(false, g->kr, g->r, 1.0, g->q_r, g->ar * g->r, right, 0.0, at);
        else if (g->split_r)
            for (size_t k = 0; k < g->kr; k++)
                at[k] = g->q_r[k * g->ar * g->r];
        else if (right)
            memcpy(at, right, g->r * sizeof *at);
        else
            at[0] = 1.0;
    }
}

/* What is left of c [p_l][k_l][p_r k_r] when the left site and all before it are traced. */
static void trace_before(double *out, double *scratch, const split_gate *g, size_t d, const double *left)
{
    size_t n = g->pr * g->kr;

    memset(out, 0, n * sizeof *out);
    memset(scratch, 0, g->kl * sizeof *scratch);
    if (g->split_l && left)
        oqt__gemv(true, g->l, g->kl, 1.0, g->q_l, g->kl, left, 0.0, scratch);
    else if (g->split_l)
        memcpy(scratch, g->q_l, g->kl * sizeof *scratch);
    else if (left)
        memcpy(scratch, left, g->l * sizeof *scratch);
    else
        scratch[0] = 1.0;
    for (size_t i = 0; i < d; i++)
        oqt__gemv(true, g->kl, n, 1.0, g->c + (i * d + i) * g->kl * n, n, scratch, 1.0, out);
}

/* Append a direction to the basis unless it lies in it; the length of the part that does not, 0 if nothing is
 * appended. */
static double append(right_basis *b, double *overlap, const double *x, size_t n)
{
    static const double NEGLIGIBLE = 1e-14;
    double *row = b->v + b->rank * n, part;

    if (b->rank == n)
        return 0.0;
    memcpy(row, x, n * sizeof *row);
    part = project_out(row, overlap, b->v, b->rank, n);
    if (!(part > NEGLIGIBLE * oqt__norm(x, n)))
        return 0.0;
    for (size_t i = 0; i < n; i++)
        row[i] /= part;
    (void)project_out(row, overlap, b->v, b->rank, n);
    b->rank++;
    return part;
}

/* y [count][p_l k_l] = u c^T weighted from the left, which is u theta^T. u: rows [p_r k_r]; out: as large as
 * y. */
static void weighted_columns(double *out, double *y, const double *u, size_t count, const split_gate *g,
                             const double *schmidt)
{
    size_t rows = g->pl * g->kl, n = g->pr * g->kr;

    oqt__gemm(false, true, count, rows, n, 1.0, u, n, g->c, n, 0.0, g->split_l ? y : out, rows);
    if (g->split_l)
        oqt__gemm(false, true, count * g->pl, g->kl, g->kl, 1.0, y, g->kl, g->t_l, g->kl, 0.0, out, g->kl);
    else
        for (size_t i = 0; i < count * rows; i++)
            out[i] *= row_weight(g, schmidt, i % g->kl);
}

/* Turn the last two rows such that theta v^T has orthogonal columns, and find what they count for. Those
 * before are singular vectors, to which the new ones are orthogonal in this sense too. */
static void weigh_appended(right_basis *b, double *y, const split_gate *g, const double *schmidt,
                           size_t first)
{
    size_t rows = g->pl * g->kl, n = g->pr * g->kr, count = b->rank - first;
    double aa = 0.0, bb = 0.0, ab = 0.0, angle, cosine, sine;

    if (count == 0)
        return;
    weighted_columns(y, y + 2 * rows, b->v + first * n, count, g, schmidt);
    if (count == 2) {
        double *u = b->v + first * n, *v = u + n, *p = y, *q = y + rows;

        for (size_t i = 0; i < rows; i++) {
            aa += p[i] * p[i];
            bb += q[i] * q[i];
            ab += p[i] * q[i];
        }
        angle = 0.5 * atan2(2.0 * ab, aa - bb);
        cosine = cos(angle);
        sine = sin(angle);
        for (size_t i = 0; i < n; i++) {
            double x = u[i];

            u[i] = cosine * x + sine * v[i];
            v[i] = cosine * v[i] - sine * x;
        }
        for (size_t i = 0; i < rows; i++) {
            double x = p[i];

            p[i] = cosine * x + sine * q[i];
            q[i] = cosine * q[i] - sine * x;
        }
    }
    for (size_t k = 0; k < count; k++)
        b->s[first + k] = oqt__norm(y + k * rows, rows);
}

/*
 * Whether nothing rests on the last vector u of the basis, appended for the trace over the right, x, of which
 * it is `part`. That theta u is zero is not enough: rounding turns the other vectors a little towards u, and
 * traces multiply that by u.x, which is up to 2^(n/2) for n two-level systems beyond. With u in the basis all
 * that cancels.
 */
static bool is_idle(const right_basis *b, double *y, double *overlap, const double *x, double part,
                    const split_gate *g, const double *schmidt)
{
    static const double ROUNDING = 1e-15, HARMLESS = 10.0;
    size_t rows = g->pl * g->kl, n = g->pr * g->kr, last = b->rank - 1;
    double traced = 0.0;

    weighted_columns(y, y + 2 * rows, b->v + last * n, 1, g, schmidt);
    if (oqt__norm(y, rows) > ROUNDING * b->s[0])
        return false;
    oqt__gemv(false, last, n, 1.0, b->v, n, x, 0.0, overlap);
    for (size_t i = 0; i < last; i++)
        traced += b->s[i] * b->s[i] * overlap[i] * overlap[i];
    return part * b->s[0] <= HARMLESS * sqrt(traced); /* |theta x| */
}

/* Add to the singular vectors what traces of either side need. */
static void complete_basis(right_basis *b, const split_gate *g, const oqt__chain_site *left,
                           const oqt__chain_site *right, const double *schmidt, const double *trace_left,
                           const double *trace_right)
{
    size_t n = g->pr * g->kr, first = b->rank;
    double *x = g->scratch, *y = x + n, *overlap = y + 4 * g->pl * g->kl, part;

    trace_beyond(x, g, right->d, trace_right);
    part = append(b, overlap, x, n);
    if (part > 0.0 && is_idle(b, y, overlap, x, part, g, schmidt))
        b->rank--;
    trace_before(x, y, g, left->d, trace_left);
    (void)append(b, overlap, x, n);
    weigh_appended(b, y, g, schmidt, first);
}

/* Products, factors that are split off, and the decomposition. */
static double gate_flops(const split_gate *g, const right_basis *basis, const oqt__trunc_record *rec)
{
    double rows = (double)(g->pl * g->kl), cols = (double)(g->pr * g->kr), m = (double)g->m;
    double sum = 2.0 * rows * cols * (m + (double)(g->pl * g->pr) + (double)basis->rank) + rec->flops;
    double outer_l = (double)(g->al * g->l), outer_r = (double)(g->ar * g->r);

    if (g->split_l)
        sum += 6.0 * outer_l * (double)(g->kl * g->kl) + 2.0 * (double)g->kl * rows * cols +
               2.0 * (double)g->pl * outer_l * (double)g->kl * (double)basis->rank;
    if (g->split_r)
        sum += 4.0 * outer_r * (double)(g->kr * g->kr) +
               2.0 * (double)g->pr * outer_r * (double)g->kr * (double)basis->rank;
    return sum;
}

oqt_status oqt__mps_gate(oqt__mps *mps, size_t bond, const double *gate, const oqt__trunc *rule,
                         oqt__chain_ws *ws, oqt__trunc_record *record, oqt_error *err)
{
    oqt__chain_site *left = mps->site + bond, *right = left + 1;
    split_gate g = {.pl = left->p,
                    .al = left->a,
                    .l = left->l,
                    .m = left->r,
                    .pr = right->p,
                    .ar = right->a,
                    .r = right->r,
                    .w_l = left->w,
                    .w_r = right->w};
    const oqt__chain_bond *outer_l = bond > 0 ? mps->bond + bond - 1 : NULL;
    const oqt__chain_bond *outer_r = bond + 2 < mps->n ? mps->bond + bond + 1 : NULL;
    const double *schmidt = outer_l ? outer_l->s : NULL;
    oqt__chain_bond *own = mps->bond + bond;
    oqt__trunc_record rec = {0};
    oqt__trunc within = *rule;
    right_basis basis;
    double total = 0.0;
    oqt_status st;

    if ((st = lay_out(&g, ws, err)) != OQT_OK || (st = split_left(&g, left->x, schmidt, ws, err)) != OQT_OK ||
        (st = split_right(&g, right->x, ws, err)) != OQT_OK)
        return st;
    join(&g, gate, schmidt);
    if (rule->max_rank > 0) /* of at least 3: two states are for the traces */
        within.max_rank = rule->max_rank - 2;
    basis = (right_basis){0, g.theta, g.s};
    if ((st = oqt__svd_right(&basis.rank, basis.s, basis.v, &ws->svd, g.pl * g.kl, g.pr * g.kr, &within, &rec,
                             err)) != OQT_OK)
        return st;
    if (basis.rank == 0)
        return oqt__fail(err, OQT_ECONV, "the state of the chain vanished at bond %zu", bond);
    for (size_t i = 0; i < basis.rank; i++)
        total += basis.s[i] * basis.s[i];
    rec.discarded_weight /= total + rec.discarded_weight;
    rec.largest_dropped /= basis.s[0];
    complete_basis(&basis, &g, left, right, schmidt, outer_l ? outer_l->l : NULL,
                   outer_r ? outer_r->r : NULL);
    if ((st = put_right(&g, right, &basis, err)) != OQT_OK ||
        (st = put_left(&g, left, &basis, err)) != OQT_OK ||
        (st = oqt__chain_bond_reserve(own, basis.rank, err)) != OQT_OK)
        return st;
    memcpy(own->s, basis.s, basis.rank * sizeof *own->s);
    oqt__site_trace(own->l, left, true, outer_l ? outer_l->l : NULL);
    oqt__site_trace(own->r, right, false, outer_r ? outer_r->r : NULL);
    rec.flops = gate_flops(&g, &basis, &rec);
    oqt__trunc_add(record, &rec);
    return OQT_OK;
}
