/*
 * uniform.c - the uniform process tensor, by squaring.
 *
 * F is the exponential of a quadratic form of commuting numbers, so F(full coupling) is the elementwise
 * 2^m-th power of F(2^-m of it). The base is a small Fock space; each squaring is followed by an optimal
 * truncation of the infinite matrix product in a metric of correlated paths. The vacuum (state 0) is never
 * mixed, which keeps the trace of every state exact. See docs/theory.md.
 */
#include "pt/metric.h"
#include "pt/model.h"
#include "pt/path_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights of states are about one at most; a truncated tensor can have a spurious mode that grows under many
 * iterations on long paths, and then they are not. */
static const double WEIGHT_LIMIT = 100.0;

/* Above this tolerance the metric is made in single precision. It says which states are kept, not what they
 * are: errors and bonds are the same down to 1e-7, and below 1e-8 some states seem to count that do not. */
static const double SINGLE_LIMIT = 3e-8;

enum { MAX_ATTEMPTS = 5, MAX_SQUARINGS = 14 };

/* The tensors of one level and the environments of its bond. */
struct bond {
    oqt__level level;
    oqt__environment right, left; /* left is transposed, see metric.h */
};

struct builder {
    const oqt__legs *legs;
    const oqt__uniform_params *par;
    oqt_complex eta0;
    struct bond bond;
    oqt__svd_ws ws[2]; /* one for each parity                  */
    oqt__trunc_record record;
    double discarded; /* weighted to the final coupling       */
    double flops;
    size_t max_bond; /* of the truncation at hand            */
    bool limited;
    bool diverged; /* the metric grew out of bounds        */
};

static void bond_release(struct bond *bond, size_t n_class)
{
    oqt__level_release(&bond->level, n_class);
    oqt__environment_release(&bond->right, n_class);
    oqt__environment_release(&bond->left, n_class);
}

static oqt_status bond_alloc(struct bond *bond, size_t n, const oqt__legs *legs, oqt_error *err)
{
    struct bond next = {{0}, {0}, {0}};
    oqt_status st;

    if ((st = oqt__level_alloc(&next.level, n, legs, err)) != OQT_OK ||
        (st = oqt__environment_alloc(&next.right, n, legs, err)) != OQT_OK ||
        (st = oqt__environment_alloc(&next.left, n, legs, err)) != OQT_OK) {
        bond_release(&next, legs->n_class);
        return st;
    }
    *bond = next;
    return OQT_OK;
}

/* Move next into place. */
static void bond_replace(struct bond *bond, struct bond *next, size_t n_class)
{
    bond_release(bond, n_class);
    *bond = *next;
    *next = (struct bond){{0}, {0}, {0}};
}

static double level_tolerance(const oqt__uniform_params *par, size_t level)
{
    /* An error made at one level doubles at each that follows. */
    return ldexp(par->tolerance, -(int)(par->n_squarings - 1 - level));
}

/* Threads for n_items operations on the matrices of a level; below that size they take less time than a
 * barrier. */
static int threads_for(const struct builder *b, size_t n_items)
{
    enum { MANY_STATES = 96 };

    return b->bond.level.n < MANY_STATES ? 1 : oqt__blas_callers(b->par->n_threads, n_items);
}

/* ---- truncation ---- */

/* The states of one parity, without the vacuum, and what is kept of them. */
struct block {
    size_t n, kept; /* kept: at most the rank of p */
    size_t *state;  /* n */
    oqt__oblique p;
    oqt__trunc_record record;
    bool diverged;
};

static void block_release(struct block *block)
{
    oqt__free(block->state);
    oqt__oblique_release(&block->p);
}

/* The metric between the states of a block. */
static void gather_block(double *to, const struct block *block, const double *metric, size_t n)
{
    for (size_t i = 0; i < block->n; i++)
        for (size_t j = 0; j < block->n; j++)
            to[i * block->n + j] = metric[block->state[i] * n + block->state[j]];
}

static oqt_status truncate_block(struct block *block, const struct builder *b, oqt__svd_ws *ws,
                                 const double *right, const double *left, double tol, oqt_error *err)
{
    size_t m = block->n, n = b->bond.level.n;
    double *x = oqt__doubles(m * m), *y = oqt__doubles(m * m), *scale = oqt__doubles(m);
    oqt__trunc rule = {.abs_tol = tol, .max_rank = b->max_bond};
    oqt_status st;

    if (!x || !y || !scale) {
        st = oqt__no_memory(err, "a truncation");
        goto done;
    }
    gather_block(x, block, left, n);
    gather_block(y, block, right, n);
    for (size_t i = 0; i < m; i++)
        scale[i] = b->bond.level.weight[block->state[i]];
    st = oqt__oblique_create(&block->p, ws, x, scale, y, scale, m, &rule, &block->record, err);
    /* A metric that grew is not positive, not finite, or has weights far above one. */
    if (st == OQT_ECONV || st == OQT_EINVAL ||
        (st == OQT_OK && block->p.rank > 0 && !(block->p.weight[0] < WEIGHT_LIMIT))) {
        block->diverged = true;
        st = oqt__fail(err, OQT_ECONV, "metric of correlated paths diverges at %zu states", n);
    }
    block->kept = block->p.rank;
done:
    oqt__free(x);
    oqt__free(y);
    oqt__free(scale);
    return st;
}

/* Projectors with P_L P_R = 1 that keep the states of weight above tol; the vacuum stays as it is. */
struct projectors {
    size_t n, kept;
    double *right;         /* n x kept    */
    double *left;          /* kept x n    */
    double *weight;        /* kept, 1 first */
    unsigned char *parity; /* kept        */
};

static void projectors_release(struct projectors *p)
{
    oqt__free(p->right);
    oqt__free(p->left);
    oqt__free(p->weight);
    oqt__free(p->parity);
}

/* The vacuum, then what is kept of each block. */
static oqt_status assemble_projectors(struct projectors *out, const struct block *blocks, size_t n,
                                      oqt_error *err)
{
    struct projectors p = {.n = n, .kept = 1 + blocks[0].kept + blocks[1].kept};
    size_t at = 1;

    p.right = oqt__doubles(n * p.kept);
    p.left = oqt__doubles(p.kept * n);
    p.weight = oqt__doubles(p.kept);
    p.parity = oqt__calloc(p.kept, sizeof *p.parity);
    if (!p.right || !p.left || !p.weight || !p.parity) {
        projectors_release(&p);
        return oqt__no_memory(err, "a truncation");
    }
    p.right[0] = p.left[0] = p.weight[0] = 1.0;
    for (unsigned char parity = 0; parity < 2; parity++) {
        const struct block *block = &blocks[parity];

        for (size_t k = 0; k < block->kept; k++, at++) {
            p.weight[at] = block->p.weight[k];
            p.parity[at] = parity;
            for (size_t i = 0; i < block->n; i++) {
                p.right[block->state[i] * p.kept + at] = block->p.right[i * block->p.rank + k];
                p.left[at * n + block->state[i]] = block->p.left[k * block->n + i];
            }
        }
    }
    *out = p;
    return OQT_OK;
}

static oqt_status make_projectors(struct projectors *out, struct builder *b, double tol, oqt_error *err)
{
    size_t n = b->bond.level.n;
    double *right = oqt__doubles(n * n), *left = oqt__doubles(n * n);
    struct block blocks[2] = {{0}, {0}};
    oqt_status states[2] = {OQT_OK, OQT_OK}, st = OQT_OK;
    oqt_error errors[2];
    int n_threads = threads_for(b, 2);

    (void)n_threads; /* a serial build has no use for it */
    for (int parity = 0; parity < 2; parity++)
        blocks[parity].state = oqt__calloc(n, sizeof *blocks[parity].state);
    if (!right || !left || !blocks[0].state || !blocks[1].state) {
        st = oqt__no_memory(err, "a truncation");
        goto done;
    }
    oqt__metric_average(right, &b->bond.right, b->bond.level.parity, b->legs);
    oqt__metric_average(left, &b->bond.left, b->bond.level.parity, b->legs);
    for (size_t i = 1; i < n; i++) {
        struct block *block = &blocks[b->bond.level.parity[i]];

        block->state[block->n++] = i;
    }
#pragma omp parallel for default(none) shared(blocks, b, right, left, tol, states, errors)                   \
    num_threads(n_threads)
    for (int parity = 0; parity < 2; parity++)
        states[parity] =
            truncate_block(&blocks[parity], b, &b->ws[parity], right, left, tol, &errors[parity]);
    for (int parity = 0; parity < 2; parity++) {
        double m = (double)blocks[parity].n;

        b->diverged = b->diverged || blocks[parity].diverged;
        if (states[parity] != OQT_OK) {
            st = oqt__fail(err, states[parity], "%s", errors[parity].text);
            goto done;
        }
        oqt__trunc_add(&b->record, &blocks[parity].record);
        b->flops += (8.0 / 3.0) * m * m * m + 4.0 * m * m * (double)blocks[parity].p.rank +
                    oqt__svd_flops(blocks[parity].n, blocks[parity].n, &blocks[parity].record);
    }
    while (1 + blocks[0].kept + blocks[1].kept > b->max_bond) {
        struct block *even = &blocks[0], *odd = &blocks[1];
        bool drop_odd = even->kept == 0 ||
                        (odd->kept > 0 && odd->p.weight[odd->kept - 1] < even->p.weight[even->kept - 1]);

        if (even->kept + odd->kept == 0)
            break;
        struct block *shorter = drop_odd ? odd : even;
        double weight = shorter->p.weight[--shorter->kept];

        b->record.discarded_weight += weight * weight;
        b->limited = true;
    }
    st = assemble_projectors(out, blocks, n, err);
done:
    for (int parity = 0; parity < 2; parity++)
        block_release(&blocks[parity]);
    oqt__free(right);
    oqt__free(left);
    return st;
}

/* to = a from b for one n x n matrix inside rows of length ld; to is kept x kept with row length ld_to. */
static void project(double *to, size_t ld_to, const double *a, bool ta, const double *from, size_t ld,
                    const double *b, bool tb, size_t n, size_t kept, double *work)
{
    oqt__gemm(ta, false, kept, n, n, 1.0, a, ta ? kept : n, from, ld, 0.0, work, n);
    oqt__gemm(false, tb, kept, kept, n, 1.0, work, n, b, tb ? n : kept, 0.0, to, ld_to);
}

/* One of the tensor (0), the right (1) and the left (2) environment of a class. */
static void project_class(struct bond *to, const struct bond *from, const struct projectors *p,
                          const oqt__legs *legs, size_t cls, size_t which, double *work)
{
    size_t n = p->n, kept = p->kept, n_parts = oqt__class_parts(legs, cls);

    for (size_t part = 0; part < n_parts; part++) {
        size_t at = part * n, at_to = part * kept;

        if (which == 0)
            project(part ? to->level.im[cls] : to->level.re[cls], kept, p->left, false,
                    part ? from->level.im[cls] : from->level.re[cls], n, p->right, false, n, kept, work);
        else if (which == 1)
            project(to->right.mat[cls] + at_to, n_parts * kept, p->left, false, from->right.mat[cls] + at,
                    n_parts * n, p->left, true, n, kept, work);
        else
            project(to->left.mat[cls] + at_to, n_parts * kept, p->right, true, from->left.mat[cls] + at,
                    n_parts * n, p->right, false, n, kept, work);
    }
}

static oqt_status apply_projectors(struct builder *b, const struct projectors *p, oqt_error *err)
{
    const oqt__legs *legs = b->legs;
    size_t n = p->n, kept = p->kept, n_items = 3 * legs->n_class;
    struct bond next = {{0}, {0}, {0}};
    int n_threads = threads_for(b, n_items);
    double *work = oqt__doubles((size_t)n_threads * kept * n);
    oqt_status st = work ? bond_alloc(&next, kept, legs, err) : oqt__no_memory(err, "a truncation");

    if (st != OQT_OK)
        goto done;
    memcpy(next.level.weight, p->weight, kept * sizeof *p->weight);
    memcpy(next.level.parity, p->parity, kept * sizeof *p->parity);
#pragma omp parallel for default(none) shared(next, b, p, work, n, kept, n_items, legs) schedule(dynamic)    \
    num_threads(n_threads)
    for (size_t item = 0; item < n_items; item++)
        if (legs->kind[item / 3] != OQT__CLASS_MIRROR)
            project_class(&next, &b->bond, p, legs, item / 3, item % 3,
                          work + (size_t)oqt__thread_index() * kept * n);
    for (size_t k = 0; k < legs->n_class; k++)
        b->flops += 6.0 * (double)(oqt__class_parts(legs, k) * n * kept) * (double)(n + kept);
    bond_replace(&b->bond, &next, legs->n_class);
done:
    bond_release(&next, legs->n_class);
    oqt__free(work);
    return st;
}

/* Improve the metric at 2^-squarings_left of the coupling, then drop what it says is below tol. */
static oqt_status truncate_level(struct builder *b, size_t squarings_left, double tol, double lam,
                                 size_t n_iter, oqt_error *err)
{
    const oqt__legs *legs = b->legs;
    double *theta = oqt__doubles(legs->n_class);
    /* The cost doubles or more from level to level; so does the progress. */
    double share = 0.5 * ldexp(1.0, -(int)squarings_left);
    oqt__metric_chain chain = {.legs = legs,
                               .lam = lam,
                               .theta = theta,
                               .n_iter = n_iter,
                               .single = b->par->tolerance > SINGLE_LIMIT,
                               .n_threads = b->par->n_threads,
                               .progress = &b->par->progress,
                               .done = share,
                               .share = share};
    struct projectors p = {0};
    oqt_status st;

    if (!theta)
        return oqt__no_memory(err, "the metric of a bond");
    b->flops += oqt__metric_flops(&b->bond.level, &chain);
    for (size_t k = 0; k < legs->n_class; k++)
        theta[k] = exp(-2.0 * ldexp(b->eta0.re, -(int)squarings_left) * legs->om[k] * legs->om[k]);
    if ((st = oqt__metric_iterate(&b->bond.right, &b->bond.left, &b->bond.level, &chain, err)) == OQT_OK &&
        (st = make_projectors(&p, b, tol, err)) == OQT_OK)
        st = apply_projectors(b, &p, err);
    projectors_release(&p);
    oqt__free(theta);
    return st;
}

/* White paths tell what is far below the tolerance; without it correlated ones cost a fraction. Which states
 * a limit leaves is for the correlated ones to say: all pairs that were formed go through the white ones. */
static oqt_status compress(struct builder *b, size_t squarings_left, double tol, oqt_error *err)
{
    enum { MANY_STATES = 56 };
    static const double thin = 0.3;
    oqt_status st = OQT_OK;

    b->max_bond = b->bond.level.n;
    if (b->bond.level.n >= MANY_STATES)
        st = truncate_level(b, squarings_left, thin * tol, 0.0, 0, err);
    b->max_bond = b->par->max_bond;
    return st == OQT_OK ? truncate_level(b, squarings_left, tol, b->par->lam, b->par->n_iter, err) : st;
}

/* ---- squaring ---- */

struct pair {
    size_t i, j;
    double weight; /* product of the two weights */
    bool odd;      /* both members are odd       */
};

static int pair_order(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    if (x->i != y->i)
        return x->i < y->i ? -1 : 1;
    return (x->j > y->j) - (x->j < y->j);
}

/* Pairs i <= j of weight above threshold, heaviest first; (0, 0) is the heaviest. */
static oqt_status select_pairs(struct pair **out, size_t *n_out, const oqt__level *level, double threshold,
                               size_t max_states, bool *limited, oqt_error *err)
{
    size_t n = 0;
    struct pair *pairs;

    for (size_t i = 0; i < level->n; i++)
        for (size_t j = i; j < level->n; j++)
            n += level->weight[i] * level->weight[j] > threshold || (i == 0 && j == 0);
    pairs = oqt__calloc(n, sizeof *pairs);
    if (!pairs)
        return oqt__no_memory(err, "pairs of states");
    n = 0;
    for (size_t i = 0; i < level->n; i++)
        for (size_t j = i; j < level->n; j++) {
            double weight = level->weight[i] * level->weight[j];

            if (weight > threshold || (i == 0 && j == 0))
                pairs[n++] = (struct pair){i, j, weight, level->parity[i] && level->parity[j]};
        }
    qsort(pairs + 1, n - 1, sizeof *pairs, pair_order); /* the vacuum stays first */
    if (n > max_states) {
        n = max_states;
        *limited = true;
    }
    *out = pairs;
    *n_out = n;
    return OQT_OK;
}

/*
 * The symmetric square of a matrix, real or complex:
 * new[(I,J), (K,L)] = root (f[I,K] f[J,L] + f[I,L] f[J,K]), root = sqrt(1/2) for each of I = J and K = L.
 * Both together give exactly 1/2, so that the vacuum keeps its unit element. In the gauge T = i^parity, a
 * pair of odd states costs a sign, because i i is -1 times the gauge of the even pair that it makes. Row
 * lengths ld (old) and ld_new; the imaginary parts are NULL for a real matrix.
 */
static void square_matrix(double *re_new, double *im_new, size_t ld_new, const double *re, const double *im,
                          size_t ld, bool gauged, const struct pair *pairs, size_t n)
{
    const double roots[3] = {1.0, sqrt(0.5), 0.5};

    for (size_t r = 0; r < n; r++) {
        int r_equal = pairs[r].i == pairs[r].j;
        const double *re_i = re + pairs[r].i * ld, *re_j = re + pairs[r].j * ld;

        for (size_t s = 0; s < n; s++) {
            size_t k = pairs[s].i, l = pairs[s].j;
            double root = roots[r_equal + (k == l)];
            double sum = re_i[k] * re_j[l] + re_i[l] * re_j[k];

            if (gauged && pairs[r].odd != pairs[s].odd)
                root = -root;
            if (im) {
                const double *im_i = im + pairs[r].i * ld, *im_j = im + pairs[r].j * ld;

                sum -= im_i[k] * im_j[l] + im_i[l] * im_j[k];
                im_new[r * ld_new + s] =
                    root * (re_i[k] * im_j[l] + im_i[k] * re_j[l] + re_i[l] * im_j[k] + im_i[l] * re_j[k]);
            }
            re_new[r * ld_new + s] = root * sum;
        }
    }
}

/* One of the tensor (0), the right (1) and the left (2) environment of a class. */
static void square_class(struct bond *to, const struct bond *from, const oqt__legs *legs, size_t cls,
                         size_t which, const struct pair *pairs)
{
    size_t n = from->level.n, n_new = to->level.n, n_parts = which == 0 ? 1 : oqt__class_parts(legs, cls);
    bool gauged = legs->kind[cls] == OQT__CLASS_GAUGED;

    if (which == 0) {
        square_matrix(to->level.re[cls], to->level.im[cls], n_new, from->level.re[cls], from->level.im[cls],
                      n, gauged, pairs, n_new);
    } else {
        double *mat = which == 1 ? to->right.mat[cls] : to->left.mat[cls];
        const double *old = which == 1 ? from->right.mat[cls] : from->left.mat[cls];

        square_matrix(mat, n_parts > 1 ? mat + n_new : NULL, n_parts * n_new, old,
                      n_parts > 1 ? old + n : NULL, n_parts * n, gauged, pairs, n_new);
    }
}

static oqt_status square(struct builder *b, double threshold, oqt_error *err)
{
    const oqt__legs *legs = b->legs;
    size_t n = 0, n_items = 3 * legs->n_class;
    struct pair *pairs = NULL;
    struct bond next = {{0}, {0}, {0}};
    int n_threads;
    oqt_status st =
        select_pairs(&pairs, &n, &b->bond.level, threshold, 5 * b->par->max_bond / 2 + 1, &b->limited, err);

    if (st != OQT_OK || (st = bond_alloc(&next, n, legs, err)) != OQT_OK)
        goto done;
    n_threads = threads_for(b, n_items);
    (void)n_threads; /* a serial build has no use for it */
    for (size_t i = 0; i < n; i++) {
        next.level.weight[i] = pairs[i].weight;
        next.level.parity[i] = b->bond.level.parity[pairs[i].i] ^ b->bond.level.parity[pairs[i].j];
    }
#pragma omp parallel for default(none) shared(next, b, legs, pairs, n_items) schedule(dynamic)               \
    num_threads(n_threads)
    for (size_t item = 0; item < n_items; item++)
        if (legs->kind[item / 3] != OQT__CLASS_MIRROR)
            square_class(&next, &b->bond, legs, item / 3, item % 3, pairs);
    bond_replace(&b->bond, &next, legs->n_class);
done:
    bond_release(&next, legs->n_class);
    oqt__free(pairs);
    return st;
}

/* ---- the whole ---- */

static void release_levels(struct builder *b)
{
    bond_release(&b->bond, b->legs->n_class);
    b->record = (oqt__trunc_record){0};
    b->discarded = 0.0;
    b->limited = false;
}

/* Diagonal environments of the prior weights, to iterate from. */
static oqt_status start_environments(struct builder *b, oqt_error *err)
{
    size_t n = b->bond.level.n;
    oqt_status st = oqt__environment_alloc(&b->bond.right, n, b->legs, err);

    if (st == OQT_OK)
        st = oqt__environment_alloc(&b->bond.left, n, b->legs, err);
    for (size_t k = 0; st == OQT_OK && k < b->legs->n_class; k++) {
        size_t ld = oqt__class_parts(b->legs, k) * n;

        for (size_t i = 0; i < n && b->legs->kind[k] != OQT__CLASS_MIRROR; i++)
            b->bond.right.mat[k][i * ld + i] = b->bond.left.mat[k][i * ld + i] = b->bond.level.weight[i];
    }
    return st;
}

static oqt_status run_levels(struct builder *b, const oqt__state_space *model, oqt_error *err)
{
    const oqt__uniform_params *par = b->par;
    double delta = ldexp(1.0, -(int)par->n_squarings);
    double tol0 = 0.5 * delta * par->tolerance;
    oqt_status st = oqt__fock_base(&b->bond.level, model, b->legs, delta, par->presel * tol0, par->max_bond,
                                   &b->limited, err);

    if (st != OQT_OK || (st = start_environments(b, err)) != OQT_OK ||
        (st = compress(b, par->n_squarings, tol0, err)) != OQT_OK)
        return st;
    /* amplitudes double at every later squaring, their squares grow fourfold */
    b->discarded = ldexp(b->record.discarded_weight, 2 * (int)par->n_squarings);
    for (size_t j = 0; j < par->n_squarings; j++) {
        double tol = level_tolerance(par, j);
        double before = b->record.discarded_weight;

        if ((st = square(b, par->presel * tol, err)) != OQT_OK ||
            (st = compress(b, par->n_squarings - 1 - j, tol, err)) != OQT_OK)
            return st;
        b->discarded += ldexp(b->record.discarded_weight - before, 2 * (int)(par->n_squarings - 1 - j));
    }
    return OQT_OK;
}

/* Put the tensors of all classes into the process tensor, with the factor of each slot with itself. */
static oqt_status finish(oqt_pt *pt, const struct builder *b, oqt_error *err)
{
    const oqt__legs *legs = b->legs;
    const oqt__level *level = &b->bond.level;
    size_t n = level->n, nn = n * n;

    pt->f = oqt__doubles(2 * legs->n_class * nn);
    if (!pt->f)
        return oqt__no_memory(err, "the process tensor");
    pt->chi = n;
    oqt__level_expand(pt->f, level, legs);
    for (size_t k = 0; k < legs->n_class; k++) {
        double size = exp(-legs->om[k] * legs->om[k] * b->eta0.re);
        double angle = -legs->om[k] * legs->sp[k] * b->eta0.im;
        double c = size * cos(angle), s = size * sin(angle), *re = pt->f + 2 * k * nn, *im = re + nn;

        for (size_t i = 0; legs->om[k] > 0.0 && i < nn; i++) {
            double x = re[i], y = im[i];

            re[i] = c * x - s * y;
            im[i] = c * y + s * x;
        }
    }
    return OQT_OK;
}

/* What goes on outside the tensor after the exact partial sums of eta end. */
static oqt_status keep_tail(oqt_pt *pt, const oqt__state_space *model, oqt_error *err)
{
    size_t n = model->n, nn = n * n;
    double *one_minus_a, *b;
    oqt_status st;

    if (n == 0)
        return OQT_OK;
    one_minus_a = oqt__doubles(nn);
    b = oqt__doubles(n);
    pt->tail_c = oqt__copy(model->c, n, sizeof *model->c);
    pt->tail_power = oqt__doubles(OQT__POWERS * nn);
    if (!one_minus_a || !b || !pt->tail_c || !pt->tail_power) {
        oqt__free(one_minus_a);
        oqt__free(b);
        return oqt__no_memory(err, "the memory model");
    }
    for (size_t i = 0; i < n; i++) {
        b[i] = model->b[2 * i + 1];
        for (size_t j = 0; j < n; j++)
            one_minus_a[i * n + j] = (i == j ? 1.0 : 0.0) - model->a[i * n + j];
    }
    memcpy(pt->tail_power, model->a, nn * sizeof *model->a);
    oqt__pt_fill_powers(pt->tail_power, n);
    st = oqt__solve(b, one_minus_a, n, 1, err);
    oqt__free(one_minus_a);
    if (st != OQT_OK) {
        oqt__free(b);
        return st;
    }
    pt->tail_b = b;
    pt->n_tail = n;
    return OQT_OK;
}

/*
 * Where coherences die before the system turns, paths that stay on such a leg for long matter to nobody. With
 * n slots for the system to turn (half of the mean stay), their rate is the mean over legs of om^2 times the
 * growth of Re eta(t) from n to 2 n slots; the first n are the fast beginning, which every coherence survives
 * in part.
 */
static double dephasing_rate(const oqt__legs *legs, const oqt_complex *eta, size_t n_eta, double lam)
{
    size_t n = (size_t)fmax(round(-0.5 / log(lam)), 1.0);
    double slope = 0.0, growth = 0.0, om2 = 0.0, share = 0.0;

    if (2 * n > n_eta)
        return 0.0;
    for (size_t j = 0; j < 2 * n; j++) {
        slope += eta[j].re;
        growth += j < n ? 0.0 : slope;
    }
    for (size_t k = 0; k < legs->n_class; k++)
        if (legs->om[k] > 0.0) {
            om2 += legs->weight[k] * legs->om[k] * legs->om[k];
            share += legs->weight[k];
        }
    return om2 / share * growth / (double)n;
}

/*
 * Gains are those of white paths. Along a stay on one leg a slow mode gathers more, by the number of slots
 * over which it remembers, up to the length of the stay: what matters for the states that the construction
 * starts from if stays are much longer than usual. Gains no longer decrease after it; returns the largest.
 */
static double count_long_stays(oqt__state_space *model, double lam)
{
    static const double usual_stay = 50.0;
    double largest = 0.0;

    for (size_t i = 0; i < model->n; i++) {
        double memory = 1.0 / fmax(1.0 - fabs(model->a[i * model->n + i]), 1.0 - lam);

        model->gain[i] *= fmax(memory / usual_stay, 1.0);
        largest = fmax(largest, model->gain[i]);
    }
    return largest;
}

oqt_status oqt__pt_build_uniform(oqt_pt *pt, const oqt_bath *bath, const oqt__uniform_params *params,
                                 oqt_error *err)
{
    oqt__uniform_params par = *params;
    struct builder b = {.legs = &pt->legs, .par = &par};
    oqt__state_space model = {0};
    oqt__blas_guard guard = {false};
    oqt__memory *memory = NULL;
    oqt_complex *eta = NULL;
    double path_error[2] = {0.0, 0.0}, gain;
    bool acts = false;
    oqt_status st;

    for (size_t k = 0; k < pt->legs.n_class; k++)
        acts = acts || pt->legs.om[k] > 0.0;
    if (!acts)
        return oqt__pt_set_unit(pt, err); /* all eigenvalues are equal */
    oqt__reserve((size_t)8 << 20);
    oqt__blas_enter(&guard);
    eta = oqt__calloc(par.path_steps, sizeof *eta);
    if (!eta) {
        st = oqt__no_memory(err, "memory coefficients");
        goto done;
    }
    if ((st = oqt__memory_create(&memory, bath, pt->dt, oqt__memory_limit(par.n_steps) + 2,
                                 1e-6 * par.tolerance, par.n_threads, err)) != OQT_OK ||
        (st = oqt__memory_keep(memory, par.path_steps, err)) != OQT_OK ||
        (st = oqt__memory_eta(eta, memory, par.path_steps, NULL, err)) != OQT_OK ||
        (st = oqt__progress(&par.progress, "bath memory", 0.0, err)) != OQT_OK ||
        (st = oqt__memory_model(&model, &pt->info.fit_error, memory, &pt->legs, par.n_steps,
                                1e-2 * par.tolerance, err)) != OQT_OK)
        goto done;
    if (!(pt->info.fit_error < par.tolerance)) {
        st = oqt__fail(err, OQT_ECONV,
                       "memory of the bath does not fit a model of %zu modes: error %.1e at tolerance %.1e",
                       model.n, pt->info.fit_error, par.tolerance);
        goto done;
    }
    if (par.lam_min > 0.0)
        par.lam =
            fmin(par.lam, fmax(exp(-dephasing_rate(&pt->legs, eta, par.path_steps, par.lam)), par.lam_min));
    gain = count_long_stays(&model, par.lam);
    /* Each weak copy should have less than about 1/16 of a particle. */
    while (ldexp(2.0 * gain, -(int)par.n_squarings) > 1.0 / 16.0)
        if (++par.n_squarings > MAX_SQUARINGS) {
            st = oqt__fail(err, OQT_ECONV,
                           "coupling is too strong: %.1e quanta in the bath at a time step of %g", gain,
                           pt->dt);
            goto done;
        }
    b.eta0 = eta[0];
    for (int attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        release_levels(&b);
        b.diverged = false;
        st = run_levels(&b, &model, err);
        if (st == OQT_OK || !b.diverged)
            break;
        /* Look at shorter paths. */
        par.lam = fmin(par.lam, fmax(0.5, 1.0 - 2.0 * (1.0 - par.lam)));
    }
    if (st != OQT_OK || (st = finish(pt, &b, err)) != OQT_OK)
        goto done;
    if (pt->legs.shift != 0.0) {
        if ((st = keep_tail(pt, &model, err)) != OQT_OK)
            goto done;
        pt->slope = oqt__copy(eta, par.path_steps, sizeof *eta);
        if (!pt->slope) {
            st = oqt__no_memory(err, "memory coefficients");
            goto done;
        }
        pt->n_slope = par.path_steps;
        for (size_t n = 1; n < pt->n_slope; n++) {
            pt->slope[n].re += pt->slope[n - 1].re;
            pt->slope[n].im += pt->slope[n - 1].im;
        }
    }
    pt->info.bond_dimension = pt->chi;
    pt->info.n_modes = model.n;
    pt->info.n_squarings = par.n_squarings;
    pt->info.discarded_weight = b.discarded;
    pt->info.flops = b.flops;
    pt->info.state_limit_hit = b.limited || b.record.limited;
    pt->info.path_steps = par.path_steps;
    pt->info.path_rate = -log(par.lam) / pt->dt;
    st = oqt__path_test(path_error, pt, eta, par.path_steps, par.path_lam, par.n_threads, err);
    pt->info.path_error = path_error[0];
    pt->path_growth = path_error[1] > 0.0 ? path_error[0] / path_error[1] : 2.0;
    /* |F| is at most one, so nothing is left of a tensor with an error of that size. */
    if (st == OQT_OK && !(pt->info.path_error < 1.0))
        st = oqt__fail(err, OQT_ECONV,
                       "process tensor is useless: path error %.1e at bond %zu; try another tolerance",
                       pt->info.path_error, pt->chi);
done:
    oqt__memory_destroy(memory);
    oqt__free(eta);
    oqt__state_space_release(&model);
    release_levels(&b);
    for (int parity = 0; parity < 2; parity++)
        oqt__svd_ws_release(&b.ws[parity]);
    oqt__blas_leave(&guard);
    return st;
}
