/*
 * chain.c - products of matrix products, compressed in two sweeps.
 *
 * Tensors are real arrays left x legs x right, so that both a product with a matrix on the right bond and one
 * on the left bond are a single GEMM. The sweep from the right collects the metrics of what lies there; that
 * from the left truncates bond after bond. See docs/theory.md, section 11.
 */
#include "pt/chain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- chains ---- */

void oqt__chain_release(oqt__chain *chain)
{
    for (size_t k = 0; chain->site && k < chain->n; k++)
        oqt__free(chain->site[k]);
    for (size_t k = 0; chain->weight && k <= chain->n; k++)
        oqt__free(chain->weight[k]);
    oqt__free(chain->bond);
    oqt__free(chain->site);
    oqt__free(chain->weight);
    *chain = (oqt__chain){0};
}

oqt_status oqt__chain_alloc(oqt__chain *out, size_t n, oqt_error *err)
{
    oqt__chain next = {.n = n};

    next.bond = oqt__calloc(n + 1, sizeof *next.bond);
    next.site = oqt__calloc(n, sizeof *next.site);
    next.weight = oqt__calloc(n + 1, sizeof *next.weight);
    if (!next.bond || !next.site || !next.weight) {
        oqt__chain_release(&next);
        return oqt__no_memory(err, "a process tensor");
    }
    *out = next;
    return OQT_OK;
}

void oqt__site_to_slot(double *f, const double *site, size_t left, size_t right, const oqt__real_legs *real)
{
    for (size_t c = 0; c < real->n_class; c++)
        for (size_t part = 0; part < 1 + (size_t)real->twice[c]; part++)
            for (size_t i = 0; i < left; i++)
                memcpy(f + ((2 * c + part) * left + i) * right,
                       site + (i * real->n + real->first[c] + part) * right, right * sizeof *f);
}

/* ---- the product to be compressed ---- */

struct pair {
    size_t i, j; /* state of a, of b */
    double weight;
};

struct states {
    size_t n;
    struct pair *pair; /* the vacuum, then the others, heaviest first */
};

struct product {
    const oqt__chain *a, *b;
    size_t shift, n;
    const oqt__real_legs *legs;
    double *unit;          /* legs: the tensor of a chain where it has none */
    struct states *states; /* n + 1                                         */
    bool limited;
    bool square; /* of a: symmetric pairs of states are enough */
};

static void product_release(struct product *in)
{
    for (size_t k = 0; in->states && k <= in->n; k++)
        oqt__free(in->states[k].pair);
    oqt__free(in->states);
    oqt__free(in->unit);
}

/* States of one factor on bond k of its own, of which all but the vacuum are closed at the end. */
static size_t count_states(const oqt__chain *chain, size_t k, bool end)
{
    return !chain || end || k >= chain->n ? 1 : chain->bond[k];
}

static double weight_of(const oqt__chain *chain, size_t k, size_t state)
{
    return state == 0 || !chain->weight[k] ? 1.0 : chain->weight[k][state];
}

static int pair_order(const void *x, const void *y)
{
    const struct pair *p = x, *q = y;

    if (p->weight != q->weight)
        return p->weight < q->weight ? 1 : -1;
    if (p->i != q->i)
        return p->i < q->i ? -1 : 1;
    return (p->j > q->j) - (p->j < q->j);
}

/* Pairs of states on bond k whose weight exceeds the threshold; all states of a if it is alone. */
static oqt_status choose_states(struct product *in, size_t k, double threshold, size_t limit, oqt_error *err)
{
    struct states *states = &in->states[k];
    size_t at_b = k > in->shift ? k - in->shift : 0;
    size_t n_a = count_states(in->a, k, k == in->n), n_b = count_states(in->b, at_b, k == in->n), n;

    if (!oqt__mul_size(&n, n_a, n_b) || (states->pair = oqt__calloc(n, sizeof *states->pair)) == NULL)
        return oqt__no_memory(err, "pairs of states");
    for (size_t i = 0; i < n_a; i++)
        for (size_t j = 0; j < n_b; j++) {
            double weight = weight_of(in->a, k, i) * (in->b ? weight_of(in->b, at_b, j) : 1.0);

            if (in->square && i > j)
                continue; /* the pair (j, i) */
            if (!in->b || weight > threshold || i + j == 0)
                states->pair[states->n++] = (struct pair){i, j, weight};
        }
    if (!in->b)
        return OQT_OK;
    qsort(states->pair + 1, states->n - 1, sizeof *states->pair, pair_order); /* the vacuum stays first */
    if (states->n > limit) {
        states->n = limit;
        in->limited = true;
    }
    return OQT_OK;
}

static oqt_status product_init(struct product *in, const oqt__chain_rule *rule, oqt_error *err)
{
    oqt_status st = OQT_OK;

    in->states = oqt__calloc(in->n + 1, sizeof *in->states);
    in->unit = oqt__doubles(in->legs->n);
    if (!in->states || !in->unit)
        return oqt__no_memory(err, "pairs of states");
    for (size_t c = 0; c < in->legs->n_class; c++)
        in->unit[in->legs->first[c]] = 1.0;
    for (size_t k = 0; k <= in->n && st == OQT_OK; k++)
        st = choose_states(in, k, rule->presel * rule->tolerance, 5 * rule->max_bond / 2 + 1, err);
    return st;
}

/* The tensor of one factor, left x legs x right. */
struct factor {
    const double *site;
    size_t right;
};

static struct factor factor_at(const struct product *in, const oqt__chain *chain, size_t shift, size_t k)
{
    if (!chain || k < shift || k - shift >= chain->n)
        return (struct factor){in->unit, 1};
    return (struct factor){chain->site[k - shift], chain->bond[k - shift + 1]};
}

/* One site of the product: the tensors of a class multiply as complex numbers do. */
static void form_site(double *out, const struct product *in, size_t k)
{
    const struct states *left = &in->states[k], *right = &in->states[k + 1];
    struct factor a = factor_at(in, in->a, 0, k), b = factor_at(in, in->b, in->shift, k);
    size_t p = in->legs->n;

    for (size_t l = 0; l < left->n; l++)
        for (size_t c = 0; c < in->legs->n_class; c++) {
            size_t leg = in->legs->first[c];
            const double *a_re = a.site + (left->pair[l].i * p + leg) * a.right;
            const double *b_re = b.site + (left->pair[l].j * p + leg) * b.right;
            double *re = out + (l * p + leg) * right->n;

            for (size_t r = 0; r < right->n; r++) {
                size_t i = right->pair[r].i, j = right->pair[r].j;

                re[r] = a_re[i] * b_re[j];
                if (in->legs->twice[c]) {
                    const double *a_im = a_re + a.right, *b_im = b_re + b.right;

                    re[r] -= a_im[i] * b_im[j];
                    re[right->n + r] = a_re[i] * b_im[j] + a_im[i] * b_re[j];
                }
            }
        }
}

/*
 * One site of a square, on symmetric pairs: f[I,K] f[J,L] + f[I,L] f[J,K] times sqrt(1/2) for each of I = J
 * and K = L. Both together give exactly 1/2, so that the vacuum keeps its unit element.
 */
static void form_square(double *out, const struct product *in, size_t k)
{
    const double roots[3] = {1.0, sqrt(0.5), 0.5};
    const struct states *left = &in->states[k], *right = &in->states[k + 1];
    struct factor f = factor_at(in, in->a, 0, k);
    size_t p = in->legs->n;

    for (size_t l = 0; l < left->n; l++)
        for (size_t c = 0; c < in->legs->n_class; c++) {
            size_t leg = in->legs->first[c];
            const double *x = f.site + (left->pair[l].i * p + leg) * f.right;
            const double *y = f.site + (left->pair[l].j * p + leg) * f.right;
            double *re = out + (l * p + leg) * right->n;
            int l_equal = left->pair[l].i == left->pair[l].j;

            for (size_t r = 0; r < right->n; r++) {
                size_t i = right->pair[r].i, j = right->pair[r].j;
                double root = roots[l_equal + (i == j)];

                re[r] = x[i] * y[j] + x[j] * y[i];
                if (in->legs->twice[c]) {
                    const double *x_im = x + f.right, *y_im = y + f.right;

                    re[r] -= x_im[i] * y_im[j] + x_im[j] * y_im[i];
                    re[right->n + r] =
                        root * (x[i] * y_im[j] + x_im[i] * y[j] + x[j] * y_im[i] + x_im[j] * y[i]);
                }
                re[r] *= root;
            }
        }
}

static void form(double *out, const struct product *in, size_t k)
{
    if (in->square)
        form_square(out, in, k);
    else
        form_site(out, in, k);
}

/* ---- the sweeps ---- */

struct sweeps {
    const struct product *in;
    oqt__sweep env;
    double *site, *mid; /* one tensor each, the largest there is           */
    double **metric;    /* n + 1: of the states to the right of a bond     */
};

static void sweeps_release(struct sweeps *s)
{
    for (size_t k = 0; s->metric && k <= s->in->n; k++)
        oqt__free(s->metric[k]);
    oqt__free(s->metric);
    oqt__free(s->site);
    oqt__free(s->mid);
    oqt__sweep_release(&s->env);
}

static oqt_status sweeps_init(struct sweeps *s, const struct product *in, double lam, oqt_error *err)
{
    size_t largest = 0, bond = 1;

    s->in = in;
    for (size_t k = 0; k < in->n; k++) {
        size_t len;

        if (!oqt__mul_size(&len, in->states[k].n, in->states[k + 1].n) ||
            !oqt__mul_size(&len, len, in->legs->n))
            return oqt__no_memory(err, "a truncation");
        largest = len > largest ? len : largest;
        bond = in->states[k].n > bond ? in->states[k].n : bond;
    }
    s->site = oqt__doubles(largest);
    s->mid = oqt__doubles(largest);
    s->metric = oqt__calloc(in->n + 1, sizeof *s->metric);
    if (!s->site || !s->mid || !s->metric)
        return oqt__no_memory(err, "a truncation");
    return oqt__sweep_init(&s->env, in->legs, lam, bond, err);
}

static oqt_status sweep_left(struct sweeps *s, const oqt__chain_rule *rule, oqt_error *err)
{
    const struct product *in = s->in;

    oqt__sweep_start(&s->env, 1);
    for (size_t k = in->n - 1; k > 0; k--) {
        size_t left = in->states[k].n;

        form(s->site, in, k);
        s->env.theta = k < rule->n_own ? NULL : rule->theta;
        oqt__sweep_right_env(&s->env, s->site, left, in->states[k + 1].n);
        s->metric[k] = oqt__copy(s->env.env.metric, left * left, sizeof(double));
        if (!s->metric[k])
            return oqt__no_memory(err, "a truncation");
    }
    return OQT_OK;
}

/* Truncate the bond behind site k; s->mid is the site with its left bond truncated. */
static oqt_status truncate_bond(oqt__chain *out, oqt__projectors *p, struct sweeps *s, size_t k,
                                const oqt__chain_rule *rule, oqt__trunc_record *record, oqt_error *err)
{
    size_t rows = out->bond[k] * s->in->legs->n, right = s->in->states[k + 1].n;
    oqt_status st;

    oqt__projectors_release(p);
    s->env.theta = k < rule->n_own ? NULL : rule->theta;
    oqt__sweep_left_env(&s->env, s->mid, out->bond[k], right);
    st = oqt__projectors_create(p, s->env.env.metric, s->metric[k + 1], right, rule->tolerance,
                                rule->max_bond, &s->env.ws, record, err);
    if (st != OQT_OK)
        return st;
    out->bond[k + 1] = p->kept;
    out->site[k] = oqt__doubles(rows * p->kept);
    out->weight[k + 1] = oqt__copy(p->weight, p->kept, sizeof *p->weight);
    if (!out->site[k] || !out->weight[k + 1])
        return oqt__no_memory(err, "a truncation");
    oqt__gemm(false, false, rows, p->kept, right, 1.0, s->mid, right, p->right, p->kept, 0.0, out->site[k],
              p->kept);
    oqt__sweep_project(&s->env, p->right, p->kept);
    return OQT_OK;
}

static oqt_status sweep_right(oqt__chain *out, struct sweeps *s, const oqt__chain_rule *rule,
                              oqt__trunc_record *record, oqt_error *err)
{
    const struct product *in = s->in;
    size_t p = in->legs->n;
    double one = 1.0;
    oqt__projectors projectors = {0};
    oqt_status st = OQT_OK;

    oqt__sweep_start(&s->env, 1);
    out->bond[0] = 1;
    for (size_t k = 0; k < in->n && st == OQT_OK; k++) {
        size_t left = in->states[k].n, right = in->states[k + 1].n;

        form(s->site, in, k);
        oqt__gemm(false, false, out->bond[k], p * right, left, 1.0, k > 0 ? projectors.left : &one, left,
                  s->site, p * right, 0.0, s->mid, p * right);
        if (k + 1 < in->n)
            st = truncate_bond(out, &projectors, s, k, rule, record, err);
        else if ((out->site[k] = oqt__copy(s->mid, out->bond[k] * p, sizeof(double))) == NULL)
            st = oqt__no_memory(err, "a truncation");
    }
    oqt__projectors_release(&projectors);
    out->bond[in->n] = 1;
    return st;
}

oqt_status oqt__chain_compress(oqt__chain *out, const oqt__chain *a, const oqt__chain *b, size_t shift,
                               size_t n, const oqt__real_legs *legs, const oqt__chain_rule *rule,
                               oqt__trunc_record *record, oqt_error *err)
{
    struct product in = {
        .a = a, .b = b, .shift = shift, .n = n, .legs = legs, .square = b == a && shift == 0};
    struct sweeps s = {.in = &in};
    oqt__chain next = {0};
    oqt_status st;

    if ((st = product_init(&in, rule, err)) == OQT_OK &&
        (st = sweeps_init(&s, &in, rule->lam, err)) == OQT_OK &&
        (st = oqt__chain_alloc(&next, n, err)) == OQT_OK && (st = sweep_left(&s, rule, err)) == OQT_OK)
        st = sweep_right(&next, &s, rule, record, err);
    sweeps_release(&s);
    product_release(&in);
    if (st != OQT_OK) {
        oqt__chain_release(&next);
        return st;
    }
    record->limited = record->limited || in.limited;
    *out = next;
    return OQT_OK;
}
