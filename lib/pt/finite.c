/*
 * finite.c - process tensors of a number of steps, with a memory that may end (PT-TEMPO).
 *
 * The functional is a product of rows, one for each slot m: what slot m does to itself and to the slots
 * m + 1 .. m + K. All rows are the same but for their place (and for the end correction of the first few), so
 * 2^j rows are made from 2^(j-1) of them, multiplied with a copy of themselves 2^(j-1) slots later, and
 * compressed. See docs/theory.md, section 11.
 */
#include "pt/chain.h"
#include "pt/path_test.h"

#include <math.h>
#include <string.h>

/* Pairs of states whose weight is below that share of the tolerance are not formed. */
static const double PRESELECTION = 0.3;

/* Rows are weak enough if the exponent of one is at most about that. */
static const double ROW_EXPONENT = 1.0;

enum { MAX_SQUARINGS = 14 };

struct builder {
    const oqt__legs *legs;
    const oqt__finite_params *par;
    oqt__real_legs real;
    size_t n;         /* slots                                                     */
    size_t memory;    /* K < n, slots that a row reaches                           */
    oqt_complex *eta; /* n                                                         */
    oqt_complex *end; /* n - K: what slot m does to slot m + K                     */
    size_t n_squarings;
    double coupling;  /* 2^-n_squarings, of the rows                               */
    double *theta;    /* classes: square of what a slot does to itself            */
    size_t n_special; /* rows from here on have the same end                       */
    oqt__trunc_record record;
};

/* ---- memory ---- */

/*
 * A row alone is no physical functional: on a path that alternates it can be as large as exp(om^2 sum of |Re
 * eta_k|), which only the other rows make up for. So rows are those of a weaker coupling if that is large,
 * and the whole of them is squared.
 */
static void choose_squarings(struct builder *b)
{
    double largest = 0.0, sum = 0.0;

    for (size_t c = 0; c < b->legs->n_class; c++)
        largest = fmax(largest, b->legs->om[c]);
    for (size_t k = 1; k < b->memory; k++)
        sum += fabs(b->eta[k].re);
    if (b->memory > 0)
        sum += fabs(b->end[b->n - b->memory - 1].re);
    b->n_squarings = 0;
    while (ldexp(largest * largest * sum, -(int)b->n_squarings) > ROW_EXPONENT &&
           b->n_squarings < MAX_SQUARINGS)
        b->n_squarings++;
    b->coupling = ldexp(1.0, -(int)b->n_squarings);
}

static oqt_status prepare(struct builder *b, const oqt_pt *pt, const oqt_bath *bath, oqt_error *err)
{
    const oqt__finite_params *par = b->par;
    size_t n_end;
    oqt_status st;

    b->n = par->n_steps;
    b->memory = par->memory_steps > 0 && par->memory_steps < b->n ? par->memory_steps : b->n - 1;
    b->eta = oqt__calloc(b->n, sizeof *b->eta);
    b->end = oqt__calloc(b->n - b->memory, sizeof *b->end);
    b->theta = oqt__doubles(pt->legs.n_class);
    if (!b->eta || !b->end || !b->theta)
        return oqt__no_memory(err, "memory coefficients");
    if ((st = oqt__progress(&par->progress, "bath memory", 0.0, err)) != OQT_OK ||
        (st = oqt_bath_eta(b->eta, bath, pt->dt, b->n, NULL, par->n_threads, err)) != OQT_OK)
        return st;
    n_end = b->n - b->memory;
    b->n_special = oqt__memory_special(par->added_correlation_time, pt->dt, n_end);
    if ((st = oqt__memory_ends(b->end, n_end, bath, b->eta, b->memory, par->added_correlation_time, pt->dt,
                               par->n_threads, err)) != OQT_OK)
        return st;
    choose_squarings(b);
    for (size_t c = 0; c < pt->legs.n_class; c++)
        b->theta[c] = exp(-2.0 * b->coupling * pt->legs.om[c] * pt->legs.om[c] * b->eta[0].re);
    return OQT_OK;
}

/* ---- rows ---- */

/*
 * What a leg of the row's slot, carried on the bond as a state, multiplies a later slot with. In real form
 * the two signs of a class with om > 0 are one pair of states, (1, +-i) / sqrt(2), on which
 *
 *     diag(exp(-om' [Re eta om + i Im eta sp]), exp(-om' [-Re eta om + i Im eta sp]))
 *         = exp(-i om' Im eta sp) [[cosh x, -i sinh x], [i sinh x, cosh x]],    x = om' om Re eta.
 *
 * re and im: n x n, n the number of states, which are numbered as the real legs.
 */
static void row_matrix(double *re, double *im, const struct builder *b, double om, oqt_complex eta)
{
    size_t n = b->real.n;

    memset(re, 0, n * n * sizeof *re);
    memset(im, 0, n * n * sizeof *im);
    for (size_t c = 0; c < b->real.n_class; c++) {
        size_t i = b->real.first[c];
        double angle = -b->coupling * om * eta.im * b->legs->sp[c];
        double x = b->coupling * om * eta.re * b->legs->om[c];

        re[i * n + i] = cosh(x) * cos(angle);
        im[i * n + i] = cosh(x) * sin(angle);
        if (b->real.twice[c]) {
            double s_re = sinh(x) * sin(angle), s_im = -sinh(x) * cos(angle); /* -i sinh x exp(i angle) */

            re[(i + 1) * n + i + 1] = re[i * n + i];
            im[(i + 1) * n + i + 1] = im[i * n + i];
            re[i * n + i + 1] = s_re;
            im[i * n + i + 1] = s_im;
            re[(i + 1) * n + i] = -s_re;
            im[(i + 1) * n + i] = -s_im;
        }
    }
}

/* Closing vector of a row before the change of basis below: what the states are without influence. */
static double closing(const struct builder *b, size_t c, size_t part)
{
    return part > 0 ? 0.0 : b->real.twice[c] ? sqrt(2.0) : 1.0;
}

/*
 * m <- S^-1 m S with S = 1 but for its column 0, which is the closing vector k: the closing vector becomes
 * e_0, and state 0, an O- = 0 class, the vacuum. scratch: n.
 */
static void to_vacuum(double *m, const struct builder *b, double *k)
{
    size_t n = b->real.n;

    for (size_t c = 0; c < b->real.n_class; c++)
        for (size_t part = 0; part < 1 + (size_t)b->real.twice[c]; part++)
            k[b->real.first[c] + part] = closing(b, c, part);
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < n; j++)
            sum += m[i * n + j] * k[j];
        m[i * n] = sum;
    }
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; j < n; j++)
            m[i * n + j] -= k[i] * m[j];
}

/* The slot of the row itself: each leg makes its state, times the influence of the slot on itself. */
static void fill_source(double *site, size_t right, const struct builder *b)
{
    for (size_t c = 0; c < b->real.n_class; c++) {
        size_t leg = b->real.first[c];
        double om = b->legs->om[c], size = exp(-b->coupling * om * om * b->eta[0].re);
        double angle = -b->coupling * om * b->legs->sp[c] * b->eta[0].im;
        double re = size * cos(angle), im = size * sin(angle);
        double *row_re = site + leg * right, *row_im = row_re + right;

        row_re[0] = re;
        if (b->real.twice[c])
            row_im[0] = im;
        if (right == 1 || leg == 0)
            continue;
        if (!b->real.twice[c]) {
            row_re[leg] = re;
            continue;
        }
        row_re[leg] = sqrt(0.5) * re; /* (1, i) / sqrt(2) times the factor */
        row_re[leg + 1] = -sqrt(0.5) * im;
        row_im[leg] = sqrt(0.5) * im;
        row_im[leg + 1] = sqrt(0.5) * re;
    }
}

/* A later slot; the last one, with a right bond of 1, closes the row. re, im, k: scratch. */
static void fill_target(double *site, size_t right, const struct builder *b, oqt_complex eta, double *re,
                        double *im, double *k)
{
    size_t n = b->real.n;

    for (size_t c = 0; c < b->real.n_class; c++) {
        size_t leg = b->real.first[c];

        row_matrix(re, im, b, b->legs->om[c], eta);
        to_vacuum(re, b, k);
        to_vacuum(im, b, k);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < right; j++) {
                site[(i * n + leg) * right + j] = re[i * n + j];
                if (b->real.twice[c])
                    site[(i * n + leg + 1) * right + j] = im[i * n + j];
            }
    }
}

/* The row of slot m, up to the last slot. */
static oqt_status make_row(oqt__chain *out, const struct builder *b, size_t m, oqt_error *err)
{
    size_t n = b->real.n, sites = b->memory + 1 < b->n - m ? b->memory + 1 : b->n - m;
    oqt__chain row = {0};
    double *re = oqt__doubles(n * n), *im = oqt__doubles(n * n), *k = oqt__doubles(n);
    oqt_status st = oqt__chain_alloc(&row, sites, err);

    if (st != OQT_OK)
        goto done;
    row.bond[0] = 1;
    for (size_t j = 0; j < sites; j++) {
        row.bond[j + 1] = j + 1 < sites ? n : 1;
        row.site[j] = oqt__doubles(row.bond[j] * n * row.bond[j + 1]);
        if (!row.site[j] || !re || !im || !k) {
            st = oqt__no_memory(err, "a process tensor");
            goto done;
        }
        if (j == 0)
            fill_source(row.site[j], row.bond[1], b);
        else
            fill_target(row.site[j], row.bond[j + 1], b, j == b->memory ? b->end[m] : b->eta[j], re, im, k);
    }
    *out = row;
    row = (oqt__chain){0};
done:
    oqt__chain_release(&row);
    oqt__free(re);
    oqt__free(im);
    oqt__free(k);
    return st;
}

/* ---- blocks of rows ---- */

/* Blocks of 2^j rows in the order of their place. The last one stands for all behind it as well, unless there
 * is nothing behind it. */
struct level {
    size_t n;
    oqt__chain *block;
};

static void level_release(struct level *level)
{
    for (size_t i = 0; level->block && i < level->n; i++)
        oqt__chain_release(&level->block[i]);
    oqt__free(level->block);
    *level = (struct level){0};
}

/* How many blocks of `rows` rows differ. */
static size_t count_blocks(const struct builder *b, size_t rows)
{
    size_t special = (b->n_special + rows - 1) / rows, all = (b->n + rows - 1) / rows;

    return special + 1 < all ? special + 1 : all;
}

static oqt_status level_alloc(struct level *level, const struct builder *b, size_t rows, oqt_error *err)
{
    level->n = count_blocks(b, rows);
    level->block = oqt__calloc(level->n, sizeof *level->block);
    return level->block ? OQT_OK : oqt__no_memory(err, "a process tensor");
}

static const oqt__chain *block_at(const struct level *level, size_t i)
{
    return &level->block[i < level->n ? i : level->n - 1];
}

static oqt_status compress_rows(struct level *level, struct builder *b, const oqt__chain_rule *rule,
                                oqt_error *err)
{
    oqt_status st = level_alloc(level, b, 1, err);

    for (size_t i = 0; i < level->n && st == OQT_OK; i++) {
        oqt__chain row;

        if ((st = make_row(&row, b, i, err)) != OQT_OK)
            break;
        st = oqt__chain_compress(&level->block[i], &row, NULL, 0, row.n, &b->real, rule, &b->record, err);
        oqt__chain_release(&row);
    }
    return st;
}

/* Blocks of 2 `rows` rows from pairs of those of `rows`. */
static oqt_status join_blocks(struct level *to, const struct level *from, struct builder *b, size_t rows,
                              const oqt__chain_rule *rule, double done, double share, oqt_error *err)
{
    oqt_status st = level_alloc(to, b, 2 * rows, err);

    for (size_t i = 0; i < to->n && st == OQT_OK; i++) {
        const oqt__chain *first = block_at(from, 2 * i), *second = NULL;
        size_t room = b->n - 2 * i * rows, n = first->n;

        if (room > rows) {
            second = block_at(from, 2 * i + 1);
            n = second->n + rows;
        }
        n = n < room ? n : room;
        st =
            oqt__progress(&b->par->progress, "process tensor", done + share * (double)i / (double)to->n, err);
        if (st == OQT_OK)
            st = oqt__chain_compress(&to->block[i], first, second, rows, n, &b->real, rule, &b->record, err);
    }
    return st;
}

/* Tolerance of blocks that will be joined n times: their 2^n copies make independent errors, so to speak. */
static double block_tolerance(const struct builder *b, size_t n)
{
    return b->coupling * b->par->tolerance * pow(0.5, 0.5 * (double)n);
}

/* All rows as one chain. */
static oqt_status join_all(oqt__chain *out, struct builder *b, oqt_error *err)
{
    oqt__chain_rule rule = {.lam = b->par->lam,
                            .presel = PRESELECTION,
                            .n_own = 1,
                            .theta = b->theta,
                            .max_bond = b->par->max_bond};
    struct level level = {0}, next = {0};
    size_t n_levels = 0;
    oqt_status st;

    while ((b->n - 1) >> n_levels)
        n_levels++;
    rule.tolerance = block_tolerance(b, n_levels);
    st = compress_rows(&level, b, &rule, err);
    for (size_t j = 0; j < n_levels && st == OQT_OK; j++) {
        double share = 0.5 * ldexp(b->coupling, -(int)(n_levels - 1 - j));

        rule.tolerance = block_tolerance(b, n_levels - 1 - j);
        rule.n_own = (size_t)2 << j;
        if ((st = join_blocks(&next, &level, b, (size_t)1 << j, &rule, share, share, err)) != OQT_OK)
            break;
        level_release(&level);
        level = next;
        next = (struct level){0};
    }
    if (st == OQT_OK) {
        *out = level.block[0];
        level.block[0] = (oqt__chain){0};
    }
    level_release(&level);
    level_release(&next);
    return st;
}

/* The chain at full coupling from that of all rows. */
static oqt_status square_all(oqt__chain *chain, struct builder *b, oqt_error *err)
{
    oqt__chain_rule rule = {.lam = b->par->lam, .presel = PRESELECTION, .max_bond = b->par->max_bond};
    oqt_status st = OQT_OK;

    for (size_t j = b->n_squarings; j > 0 && st == OQT_OK; j--) {
        oqt__chain square;

        rule.tolerance =
            ldexp(b->par->tolerance, -(int)(j - 1)); /* an error doubles at every later squaring */
        if ((st = oqt__progress(&b->par->progress, "process tensor", ldexp(1.0, -(int)j), err)) != OQT_OK ||
            (st = oqt__chain_compress(&square, chain, chain, 0, chain->n, &b->real, &rule, &b->record,
                                      err)) != OQT_OK)
            break;
        oqt__chain_release(chain);
        *chain = square;
    }
    return st;
}

/* ---- the whole ---- */

static oqt_status fill_tensor(oqt_pt *pt, const oqt__chain *chain, const oqt__real_legs *real, oqt_error *err)
{
    oqt_status st = oqt__pt_set_bonds(pt, chain->bond, err);

    for (size_t k = 0; st == OQT_OK && k < chain->n; k++)
        oqt__site_to_slot(pt->f + pt->offset[k], chain->site[k], chain->bond[k], chain->bond[k + 1], real);
    return st;
}

/* Sums of all that reaches a slot, which the shift of the coupling multiplies outside the tensor. */
static oqt_status keep_slope(oqt_pt *pt, const struct builder *b, oqt_error *err)
{
    oqt_complex sum = {0.0, 0.0};

    pt->slope = oqt__calloc(b->n, sizeof *pt->slope);
    if (!pt->slope)
        return oqt__no_memory(err, "memory coefficients");
    pt->n_slope = b->n;
    for (size_t k = 0; k < b->n; k++) {
        if (k < b->memory) {
            sum.re += b->eta[k].re;
            sum.im += b->eta[k].im;
            pt->slope[k] = sum;
        } else {
            pt->slope[k] =
                (oqt_complex){sum.re + b->end[k - b->memory].re, sum.im + b->end[k - b->memory].im};
        }
    }
    return OQT_OK;
}

oqt_status oqt__pt_build_finite(oqt_pt *pt, const oqt_bath *bath, const oqt__finite_params *par,
                                oqt_error *err)
{
    struct builder b = {.legs = &pt->legs, .par = par};
    oqt__blas_guard guard = {false};
    oqt__chain chain = {0};
    double error[2] = {0.0, 0.0}, cutoff_error[2] = {0.0, 0.0}, half;
    oqt_status st;

    oqt__blas_enter(&guard);
    pt->info.n_steps = par->n_steps;
    if ((st = prepare(&b, pt, bath, err)) != OQT_OK ||
        (st = oqt__real_legs_create(&b.real, &pt->legs, err)) != OQT_OK ||
        (st = join_all(&chain, &b, err)) != OQT_OK || (st = square_all(&chain, &b, err)) != OQT_OK ||
        (st = fill_tensor(pt, &chain, &b.real, err)) != OQT_OK)
        goto done;
    if (pt->legs.shift != 0.0 && (st = keep_slope(pt, &b, err)) != OQT_OK)
        goto done;
    if (b.memory < b.n - 1) {
        pt->info.memory_steps = b.memory;
        pt->info.added_correlation_time = par->added_correlation_time;
    }
    pt->info.n_squarings = b.n_squarings;
    pt->info.discarded_weight = b.record.discarded_weight;
    pt->info.state_limit_hit = b.record.limited;
    pt->info.path_steps = par->path_steps;
    pt->info.path_rate = -log(par->lam) / pt->dt;
    oqt__cutoff cut = {b.memory, b.end};

    st = oqt__path_test_cut(error, cutoff_error, pt, b.eta, pt->info.memory_steps > 0 ? &cut : NULL,
                            par->path_steps, par->path_lam, par->n_threads, err);
    pt->info.path_error = error[0];
    pt->info.cutoff_error = cutoff_error[0];
    half = error[1] + cutoff_error[1];
    pt->path_growth = half > 0.0 ? (error[0] + cutoff_error[0]) / half : 2.0;
    if (st == OQT_OK && !(pt->info.path_error < 1.0))
        st = oqt__fail(err, OQT_ECONV,
                       "process tensor is useless: path error %.1e at bond %zu; try another tolerance",
                       pt->info.path_error, pt->chi);
done:
    oqt__chain_release(&chain);
    oqt__real_legs_release(&b.real);
    oqt__free(b.eta);
    oqt__free(b.end);
    oqt__free(b.theta);
    oqt__blas_leave(&guard);
    return st;
}
