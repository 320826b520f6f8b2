/* fock.c - the weak-coupling base of the squaring construction. */
#include "pt/fock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTICLES = 8, NO_STATE = -1 };

/* A state is the sorted list of its particles' modes; byte p of `key` is 1 + mode of particle p. */
struct state {
    uint64_t key;
    double weight;
    size_t last; /* mode of the last particle       */
    size_t particles;
};

struct fock {
    size_t n, n_modes;
    struct state *state;
    ptrdiff_t *up;   /* n x n_modes: index of the state with one more particle, or NO_STATE */
    double *up_coef; /* n x n_modes: sqrt of the occupation after                            */
};

static uint64_t key_add(uint64_t key, size_t mode, size_t *occupation)
{
    unsigned char list[MAX_PARTICLES + 1];
    size_t n = 0, at = 0;
    uint64_t out = 0;

    for (; key; key >>= 8)
        list[n++] = (unsigned char)(key & 0xff);
    while (at < n && list[at] <= mode + 1)
        at++;
    memmove(list + at + 1, list + at, n - at);
    list[at] = (unsigned char)(mode + 1);
    *occupation = 0;
    for (size_t i = n + 1; i-- > 0;) {
        out = out << 8 | list[i];
        *occupation += list[i] == mode + 1;
    }
    return out;
}

static size_t occupation_of(uint64_t key, size_t mode)
{
    size_t n = 0;

    for (; key; key >>= 8)
        n += (key & 0xff) == mode + 1;
    return n;
}

static int by_weight(const void *a, const void *b)
{
    const struct state *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return (x->key > y->key) - (x->key < y->key);
}

static oqt_status push_state(struct state **list, size_t *n, size_t *cap, struct state s)
{
    if (*n == *cap) {
        size_t grown = *cap ? 2 * *cap : 64;
        struct state *next = oqt__calloc(grown, sizeof *next);

        if (!next)
            return OQT_ENOMEM;
        if (*n > 0)
            memcpy(next, *list, *n * sizeof *next);
        oqt__free(*list);
        *list = next;
        *cap = grown;
    }
    (*list)[(*n)++] = s;
    return OQT_OK;
}

/* All states of weight above threshold, by decreasing weight. The set is closed downwards, because the weight
 * per particle is below one and states are made by adding modes in order. */
static oqt_status enumerate(struct fock *fock, const oqt__state_space *model, double delta, double threshold,
                            size_t max_states, bool *limited)
{
    size_t cap = 0, first = 0;
    oqt_status st = push_state(&fock->state, &fock->n, &cap, (struct state){.weight = 1.0});

    for (size_t p = 0; st == OQT_OK && p < MAX_PARTICLES; p++) {
        size_t end = fock->n;

        for (size_t i = first; i < end; i++)
            for (size_t mode = fock->state[i].last; mode < model->n; mode++) {
                double weight = fock->state[i].weight * fmin(2.0 * delta * model->gain[mode], 0.5);
                size_t occupation;

                if (weight <= threshold)
                    continue; /* gains need not decrease */
                if ((st = push_state(&fock->state, &fock->n, &cap,
                                     (struct state){.key = key_add(fock->state[i].key, mode, &occupation),
                                                    .weight = weight,
                                                    .last = mode,
                                                    .particles = p + 1})) != OQT_OK)
                    return st;
                if (fock->n / 8 > max_states)
                    goto sort; /* far beyond what will be kept */
            }
        first = end;
    }
    if (st != OQT_OK)
        return st;
sort:
    qsort(fock->state, fock->n, sizeof *fock->state, by_weight);
    if (fock->n > max_states) {
        fock->n = max_states;
        *limited = true;
    }
    return OQT_OK;
}

struct indexed_key {
    uint64_t key;
    ptrdiff_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct indexed_key *x = a, *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static oqt_status link_states(struct fock *fock)
{
    struct indexed_key *sorted = oqt__calloc(fock->n, sizeof *sorted);

    fock->up = oqt__calloc(fock->n * (fock->n_modes + 1), sizeof *fock->up);
    fock->up_coef = oqt__doubles(fock->n * (fock->n_modes + 1));
    if (!sorted || !fock->up || !fock->up_coef) {
        oqt__free(sorted);
        return OQT_ENOMEM;
    }
    for (size_t i = 0; i < fock->n; i++)
        sorted[i] = (struct indexed_key){fock->state[i].key, (ptrdiff_t)i};
    qsort(sorted, fock->n, sizeof *sorted, by_key);
    for (size_t i = 0; i < fock->n; i++)
        for (size_t mode = 0; mode < fock->n_modes; mode++) {
            struct indexed_key wanted = {0, NO_STATE}, *found = NULL;
            size_t occupation = 0, at = i * fock->n_modes + mode;

            if (fock->state[i].particles < MAX_PARTICLES) {
                wanted.key = key_add(fock->state[i].key, mode, &occupation);
                found = bsearch(&wanted, sorted, fock->n, sizeof *sorted, by_key);
            }
            fock->up[at] = found ? found->index : NO_STATE;
            fock->up_coef[at] = sqrt((double)occupation);
        }
    oqt__free(sorted);
    return OQT_OK;
}

/* Second quantization of A: the row of a state comes from that of the state without its last particle. States
 * are ordered by weight, so that one stands before. */
static void second_quantize(double *gamma, const struct fock *fock, const oqt__state_space *model,
                            const ptrdiff_t *parent)
{
    size_t n = fock->n;

    gamma[0] = 1.0;
    for (size_t i = 1; i < n; i++) {
        size_t mode = fock->state[i].last;
        double scale = 1.0 / sqrt((double)occupation_of(fock->state[i].key, mode));
        const double *from = gamma + (size_t)parent[i] * n;

        for (size_t s = 0; s < n; s++) {
            if (from[s] == 0.0)
                continue;
            for (size_t j = 0; j < fock->n_modes; j++) {
                ptrdiff_t to = fock->up[s * fock->n_modes + j];

                if (to != NO_STATE)
                    gamma[i * n + (size_t)to] += scale * model->a[j * model->n + mode] * from[s] *
                                                 fock->up_coef[s * fock->n_modes + j];
            }
        }
    }
}

/* The row of each state's parent: the one that `up` leads from. */
static void find_parents(ptrdiff_t *parent, const struct fock *fock)
{
    for (size_t i = 0; i < fock->n; i++)
        for (size_t j = 0; j < fock->n_modes; j++) {
            ptrdiff_t to = fock->up[i * fock->n_modes + j];

            if (to != NO_STATE && fock->state[to].last == j)
                parent[to] = (ptrdiff_t)i;
        }
}

/* out[s, t] = sum_j amplitude_j <emission of j>, or its transpose for absorption. */
static void ladder(double *out, const struct fock *fock, const double *amplitude, size_t stride, double scale,
                   bool absorb)
{
    size_t n = fock->n;

    memset(out, 0, n * n * sizeof *out);
    for (size_t s = 0; s < n; s++)
        for (size_t j = 0; j < fock->n_modes; j++) {
            ptrdiff_t to = fock->up[s * fock->n_modes + j];

            if (to != NO_STATE) {
                size_t at = absorb ? (size_t)to * n + s : s * n + (size_t)to;

                out[at] += scale * amplitude[j * stride] * fock->up_coef[s * fock->n_modes + j];
            }
        }
}

/* x <- x (m_re + i m_im) / k on split complex matrices; t is scratch of two matrices. */
static void multiply_right(double *x_re, double *x_im, const double *m_re, const double *m_im, double factor,
                           double *t, size_t n)
{
    double *t_re = t, *t_im = t + n * n;

    oqt__gemm(false, false, n, n, n, factor, x_re, n, m_re, n, 0.0, t_re, n);
    oqt__gemm(false, false, n, n, n, -factor, x_im, n, m_im, n, 1.0, t_re, n);
    oqt__gemm(false, false, n, n, n, factor, x_re, n, m_im, n, 0.0, t_im, n);
    oqt__gemm(false, false, n, n, n, factor, x_im, n, m_re, n, 1.0, t_im, n);
    memcpy(x_re, t_re, n * n * sizeof *x_re);
    memcpy(x_im, t_im, n * n * sizeof *x_im);
}

/* f <- f exp(m) for a nilpotent complex m; work holds 4 matrices. */
static void times_exp(double *f_re, double *f_im, const double *m_re, const double *m_im, double *work,
                      size_t n)
{
    double *x_re = work, *x_im = work + n * n, *t = work + 2 * n * n;

    memcpy(x_re, f_re, n * n * sizeof *x_re);
    memcpy(x_im, f_im, n * n * sizeof *x_im);
    for (size_t k = 1; k <= MAX_PARTICLES + 1; k++) {
        multiply_right(x_re, x_im, m_re, m_im, 1.0 / (double)k, t, n);
        for (size_t i = 0; i < n * n; i++) {
            f_re[i] += x_re[i];
            f_im[i] += x_im[i];
        }
    }
}

/* One leg class. work: 10 matrices, the last of which may be im. */
static void base_tensor(double *re, double *im, const struct fock *fock, const oqt__state_space *model,
                        const double *gamma, double om, double sp, double delta, double *work)
{
    size_t n = fock->n, nn = n * n;
    double *f_re = work, *f_im = work + nn, *m_re = work + 2 * nn, *m_im = work + 3 * nn;
    double *t_re = work + 4 * nn, *t_im = work + 5 * nn, root = sqrt(delta);

    /* F = exp(absorb) Gamma exp(emit), from the identity on the left. */
    memset(f_re, 0, 2 * nn * sizeof *f_re);
    for (size_t i = 0; i < n; i++)
        f_re[i * n + i] = 1.0;
    if (om != 0.0) {
        memset(m_re, 0, nn * sizeof *m_re);
        ladder(m_im, fock, model->c, 1, root * om, true);
        times_exp(f_re, f_im, m_re, m_im, work + 5 * nn, n);
    }
    oqt__gemm(false, false, n, n, n, 1.0, f_re, n, gamma, n, 0.0, t_re, n);
    oqt__gemm(false, false, n, n, n, 1.0, f_im, n, gamma, n, 0.0, t_im, n);
    memcpy(f_re, t_re, 2 * nn * sizeof *f_re);
    ladder(m_re, fock, model->b + 1, 2, root * sp, false);
    ladder(m_im, fock, model->b, 2, root * om, false);
    times_exp(f_re, f_im, m_re, m_im, work + 5 * nn, n);
    memcpy(re, f_re, nn * sizeof *re);
    memcpy(im, f_im, nn * sizeof *im);
}

/* F' of a class that is its own reflection: Re F within a parity, Im F from odd to even, -Im F back. */
static void apply_gauge(double *re, const double *im, const unsigned char *parity, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (parity[i] != parity[j])
                re[i * n + j] = parity[i] ? im[i * n + j] : -im[i * n + j];
}

oqt_status oqt__fock_base(oqt__level *out, const oqt__state_space *model, const oqt__legs *legs, double delta,
                          double threshold, size_t max_states, bool *limited, oqt_error *err)
{
    struct fock fock = {.n_modes = model->n};
    double *gamma = NULL, *work = NULL;
    ptrdiff_t *parent = NULL;
    oqt__level level = {0};
    oqt_status st;

    if (model->n > 254)
        return oqt__fail(err, OQT_ECONV, "memory needs %zu modes, more than 254", model->n);
    if ((st = enumerate(&fock, model, delta, threshold, max_states, limited)) != OQT_OK ||
        (st = link_states(&fock)) != OQT_OK) {
        st = oqt__no_memory(err, "the Fock base");
        goto done;
    }
    if ((st = oqt__level_alloc(&level, fock.n, legs, err)) != OQT_OK)
        goto done;
    gamma = oqt__doubles(fock.n * fock.n);
    work = oqt__doubles(10 * fock.n * fock.n);
    parent = oqt__calloc(fock.n, sizeof *parent);
    if (!gamma || !work || !parent) {
        st = oqt__no_memory(err, "the Fock base");
        goto done;
    }
    find_parents(parent, &fock);
    second_quantize(gamma, &fock, model, parent);
    for (size_t i = 0; i < fock.n; i++) {
        level.weight[i] = fock.state[i].weight;
        level.parity[i] = legs->symmetric ? fock.state[i].particles % 2 : 0;
    }
    for (size_t k = 0; k < legs->n_class; k++) {
        double *im = level.im[k] ? level.im[k] : work + 9 * fock.n * fock.n;

        if (legs->kind[k] == OQT__CLASS_MIRROR)
            continue;
        base_tensor(level.re[k], im, &fock, model, gamma, legs->om[k], legs->sp[k], delta, work);
        if (legs->kind[k] == OQT__CLASS_GAUGED)
            apply_gauge(level.re[k], im, level.parity, fock.n);
    }
    *out = level;
    level = (oqt__level){0};
done:
    oqt__level_release(&level, legs->n_class);
    oqt__free(gamma);
    oqt__free(work);
    oqt__free(parent);
    oqt__free(fock.state);
    oqt__free(fock.up);
    oqt__free(fock.up_coef);
    return st;
}
