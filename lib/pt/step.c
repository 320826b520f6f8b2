/* step.c - the tensors of one step, applied to a block of columns. */
#include "pt/step.h"

#include <string.h>

#include "liouville/hermitian.h"
#include "pt/kernel.h"

/* Rows of a matrix that stay in the nearest cache while all columns use them, in numbers. */
static const size_t ROW_BLOCK = 2048;

/* Columns of a matrix that are one piece of work for a thread. */
static const size_t PIECE = 128;

/* From so many vectors on, BLAS is faster than reading a matrix once. */
static const size_t FEW_VECTORS = 8;

/* Matrices of the system up to this size are applied without BLAS. */
static const size_t SMALL_TURN = 16;

/* Multiplications of one step from which on threads pay. */
static const double PARALLEL_WORK = 4e5;

/* A step from which on every leg factor is that of the limit. */
static const uint64_t LATE = (uint64_t)1 << 63;

/* ---- the object ---- */

void oqt__stepper_release(oqt__stepper *s)
{
    for (size_t e = 0; s->tensor && e < s->n_pt; e++) {
        oqt__free(s->tensor[e].rotation);
        oqt__free(s->tensor[e].change);
        oqt__free(s->tensor[e].leg);
        oqt__free(s->tensor[e].first);
    }
    oqt__free(s->tensor);
    s->tensor = NULL;
}

/* Legs with i <= j, those of one class side by side. */
static oqt_status sort_legs(oqt__step_tensor *t, oqt_error *err)
{
    const oqt__legs *legs = &t->pt->legs;
    size_t d = legs->d;

    t->leg = oqt__calloc(d * (d + 1) / 2, sizeof *t->leg);
    t->first = oqt__calloc(legs->n_class + 1, sizeof *t->first);
    if (!t->leg || !t->first)
        return oqt__no_memory(err, "the legs of a process tensor");
    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d; j++)
            t->first[legs->cls[i * d + j] + 1]++;
    for (size_t c = 0; c < legs->n_class; c++)
        t->first[c + 1] += t->first[c];
    /* a stable counting sort, with the beginnings as counters that are set back after it */
    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d; j++)
            t->leg[t->first[legs->cls[i * d + j]]++] = i * d + j;
    for (size_t c = legs->n_class; c > 0; c--)
        t->first[c] = t->first[c - 1];
    t->first[0] = 0;
    return OQT_OK;
}

/* R of this tensor times R^T of the one before; NULL if both are the identity. */
static oqt_status change_matrix(oqt__step_tensor *t, const oqt__step_tensor *before, oqt_error *err)
{
    size_t d2 = t->pt->d * t->pt->d;

    if (!t->rotation && !before->rotation)
        return OQT_OK;
    t->change = oqt__doubles(d2 * d2);
    if (!t->change)
        return oqt__no_memory(err, "a change of basis");
    if (t->rotation && before->rotation) {
        oqt__gemm(false, true, d2, d2, d2, 1.0, t->rotation, d2, before->rotation, d2, 0.0, t->change, d2);
    } else if (t->rotation) {
        memcpy(t->change, t->rotation, d2 * d2 * sizeof *t->change);
    } else {
        for (size_t a = 0; a < d2; a++)
            for (size_t b = 0; b < d2; b++)
                t->change[a * d2 + b] = before->rotation[b * d2 + a];
    }
    return OQT_OK;
}

oqt_status oqt__stepper_init(oqt__stepper *s, size_t d, size_t n_pt, const oqt_pt *const *pts,
                             oqt_split split, oqt_error *err)
{
    oqt_status st;

    s->d = d;
    s->n_pt = n_pt;
    s->split = split;
    s->tensor = oqt__calloc(n_pt, sizeof *s->tensor);
    if (!s->tensor)
        return oqt__no_memory(err, "process tensors");
    for (size_t e = 0; e < n_pt; e++) {
        oqt__step_tensor *t = s->tensor + e;

        t->pt = pts[e];
        t->factors = oqt__pt_has_factors(t->pt);
        if ((st = sort_legs(t, err)) != OQT_OK)
            return st;
        if (t->pt->rotated) {
            t->rotation = oqt__doubles(d * d * d * d);
            if (!t->rotation)
                return oqt__no_memory(err, "an eigenbasis");
            oqt__herm_rotation(t->rotation, t->pt->u, d);
        }
        if (e > 0 && (st = change_matrix(t, t - 1, err)) != OQT_OK)
            return st;
    }
    return OQT_OK;
}

bool oqt__stepper_alternates(const oqt__stepper *s)
{
    return s->n_pt > 1 && s->split == OQT_SPLIT_SYMMETRIC;
}

static bool reversed(const oqt__stepper *s, uint64_t step)
{
    return oqt__stepper_alternates(s) && step % 2 == 1;
}

/* Position in the list of the i-th tensor to act in a step. */
static size_t nth_tensor(const oqt__stepper *s, uint64_t step, size_t i)
{
    return reversed(s, step) ? s->n_pt - 1 - i : i;
}

size_t oqt__stepper_bonds(const oqt__stepper *s, uint64_t step)
{
    size_t bonds = 1;

    for (size_t e = 0; e < s->n_pt; e++)
        bonds *= oqt__pt_slot(s->tensor[e].pt, step).left;
    return bonds;
}

size_t oqt__stepper_bonds_after(const oqt__stepper *s, uint64_t step)
{
    size_t bonds = 1;

    for (size_t e = 0; e < s->n_pt; e++)
        bonds *= oqt__pt_slot(s->tensor[e].pt, step).right;
    return bonds;
}

oqt_status oqt__stepper_largest(size_t *bonds, const oqt__stepper *s, oqt_error *err)
{
    *bonds = 1;
    for (size_t e = 0; e < s->n_pt; e++)
        if (!oqt__mul_size(bonds, *bonds, s->tensor[e].pt->chi))
            return oqt__fail(err, OQT_ERANGE, "product of the bonds is too large");
    return OQT_OK;
}

oqt_status oqt__stepper_late_factors(oqt_complex *factors, const oqt__stepper *s, oqt_error *err)
{
    size_t d2 = s->d * s->d, n_tail = 0;
    double *scratch;

    for (size_t e = 0; e < s->n_pt; e++)
        n_tail = s->tensor[e].pt->n_tail > n_tail ? s->tensor[e].pt->n_tail : n_tail;
    scratch = oqt__doubles(3 * n_tail);
    if (!scratch)
        return oqt__no_memory(err, "leg factors");
    for (size_t e = 0; e < s->n_pt; e++)
        oqt__pt_factors(factors + e * d2, d2, s->tensor[e].pt, LATE, 1, scratch);
    oqt__free(scratch);
    return OQT_OK;
}

/* ---- matrices of the system ---- */

void oqt__turn_enter(double *w, const oqt__stepper *s, uint64_t step, const double *half)
{
    size_t d2 = s->d * s->d;
    const double *rotation = s->n_pt > 0 ? s->tensor[nth_tensor(s, step, 0)].rotation : NULL;

    if (rotation)
        oqt__gemm(false, false, d2, d2, d2, 1.0, rotation, d2, half, d2, 0.0, w, d2);
    else
        memcpy(w, half, d2 * d2 * sizeof *w);
}

void oqt__turn_leave(double *w, const oqt__stepper *s, uint64_t step, const double *half)
{
    size_t d2 = s->d * s->d;
    const double *rotation = s->n_pt > 0 ? s->tensor[nth_tensor(s, step, s->n_pt - 1)].rotation : NULL;

    if (rotation)
        oqt__gemm(false, true, d2, d2, d2, 1.0, half, d2, rotation, d2, 0.0, w, d2);
    else
        memcpy(w, half, d2 * d2 * sizeof *w);
}

void oqt__turn_next(double *w, double *scratch, const oqt__stepper *s, uint64_t step, const double *half,
                    const double *next_half)
{
    size_t d2 = s->d * s->d, d4 = d2 * d2;

    oqt__turn_leave(scratch, s, step, half);
    oqt__turn_enter(scratch + d4, s, step + 1, next_half);
    oqt__gemm(false, false, d2, d2, d2, 1.0, scratch + d4, d2, scratch, d2, 0.0, w, d2);
}

void oqt__turn(double *y, const double *x, const double *w, size_t d2, size_t len)
{
    if (d2 > SMALL_TURN) {
        oqt__gemm(false, false, d2, len, d2, 1.0, w, d2, x, len, 0.0, y, len);
        return;
    }
    memset(y, 0, d2 * len * sizeof *y);
    for (size_t a = 0; a < d2; a++)
        oqt__add_rows(y + a * len, w + a * d2, x, len, d2, len);
}

/* ---- one tensor ---- */

/* A tensor acting on its bond: every coordinate is [before][left or right][after]. */
typedef struct {
    const oqt__step_tensor *t;
    oqt__slot slot;
    size_t before, after;
    double *x;       /* result, coordinates before * right * after apart */
    const double *y; /* coordinates before * left * after apart          */
} product;

/* Sign of the imaginary part of the tensor on leg (i, j), i <= j. */
static double leg_sign(const product *p, size_t a)
{
    return p->t->pt->legs.sign[a];
}

/*
 * Few vectors: a piece of the columns of one class. Rows of the matrix are taken in blocks, so that it comes
 * from memory once for all legs of the class; the pair (re, im) of coordinates (i,j), (j,i) is one complex
 * number z <- (P + i s Q)^T z.
 */
static void class_piece(const product *p, size_t cls, size_t r, size_t n)
{
    size_t d = p->t->pt->d, left = p->slot.left, right = p->slot.right;
    size_t rows = ROW_BLOCK / n < 4 ? 4 : ROW_BLOCK / n / 4 * 4;

    for (size_t l = 0; l < left; l += rows)
        for (size_t m = p->t->first[cls]; m < p->t->first[cls + 1]; m++)
            for (size_t b = 0; b < p->before; b++) {
                size_t a = p->t->leg[m], partner = a % d * d + a / d,
                       some = left - l < rows ? left - l : rows;
                const double *f = oqt__slot_real(&p->slot, cls) + l * right + r;
                const double *g = oqt__slot_imag(&p->slot, cls) + l * right + r;
                const double *re = p->y + (a * p->before + b) * left + l;
                const double *im = p->y + (partner * p->before + b) * left + l;
                double *z_re = p->x + (a * p->before + b) * right + r;
                double *z_im = p->x + (partner * p->before + b) * right + r;
                double s = leg_sign(p, a);

                if (l == 0) {
                    memset(z_re, 0, n * sizeof *z_re);
                    memset(z_im, 0, n * sizeof *z_im);
                }
                if (s > 0.0) {
                    oqt__add_complex_rows(z_re, z_im, re, im, f, g, right, some, n);
                } else if (s < 0.0) { /* the conjugate: the same with re and im exchanged */
                    oqt__add_complex_rows(z_im, z_re, im, re, f, g, right, some, n);
                } else {
                    oqt__add_rows(z_re, re, f, right, some, n);
                    if (a != partner)
                        oqt__add_rows(z_im, im, f, right, some, n);
                }
            }
}

/* z = alpha f^T y + beta z for one coordinate, by BLAS. */
static void multiply(const product *p, double *z, double alpha, const double *f, const double *y, double beta)
{
    size_t left = p->slot.left, right = p->slot.right, after = p->after;

    if (after == 1) {
        oqt__gemm(false, false, p->before, right, left, alpha, y, left, f, right, beta, z, right);
        return;
    }
    for (size_t b = 0; b < p->before; b++)
        oqt__gemm(true, false, right, after, left, alpha, f, right, y + b * left * after, after, beta,
                  z + b * right * after, after);
}

/* Many vectors: one leg and its partner. */
static void leg_pair(const product *p, size_t m)
{
    size_t d = p->t->pt->d, a = p->t->leg[m], partner = a % d * d + a / d, cls = p->t->pt->legs.cls[a];
    size_t n_y = p->before * p->slot.left * p->after, n_x = p->before * p->slot.right * p->after;
    const double *f = oqt__slot_real(&p->slot, cls), *g = oqt__slot_imag(&p->slot, cls);
    const double *re = p->y + a * n_y, *im = p->y + partner * n_y;
    double *z_re = p->x + a * n_x, *z_im = p->x + partner * n_x, s = leg_sign(p, a);

    multiply(p, z_re, 1.0, f, re, 0.0);
    if (a != partner)
        multiply(p, z_im, 1.0, f, im, 0.0);
    if (s != 0.0) {
        multiply(p, z_re, -s, g, im, 1.0);
        multiply(p, z_im, s, g, re, 1.0);
    }
}

/* One coordinate of the result, with general legs. */
static void general_leg(const product *p, size_t to)
{
    size_t d = p->t->pt->d;
    size_t n_y = p->before * p->slot.left * p->after, n_x = p->before * p->slot.right * p->after;

    for (size_t from = 0; from < d * d; from++)
        multiply(p, p->x + to * n_x, 1.0, oqt__slot_general(&p->slot, d, from, to), p->y + from * n_y,
                 from > 0 ? 1.0 : 0.0);
}

/* Piece i of the work: a coordinate, a leg, or columns of a class. */
static void piece(const product *p, bool few, size_t i)
{
    if (p->t->pt->info.general_legs) {
        general_leg(p, i);
        return;
    }
    size_t right = p->slot.right, pieces = (right + PIECE - 1) / PIECE, r = i % pieces * PIECE;

    if (few)
        class_piece(p, i / pieces, r, right - r < PIECE ? right - r : PIECE);
    else
        leg_pair(p, i);
}

/* Pieces have the same shapes for any number of threads, and each number has one writer. */
static void apply_tensor(const product *p, int n_threads)
{
    size_t d = p->t->pt->d, right = p->slot.right, n_class = p->t->pt->legs.n_class;
    bool general = p->t->pt->info.general_legs, few = !general && p->after == 1 && p->before < FEW_VECTORS;
    size_t n = general ? d * d : few ? n_class * ((right + PIECE - 1) / PIECE) : d * (d + 1) / 2;
    double work = (double)(d * d * p->before * p->after) * (double)(p->slot.left * right);

    if (n_threads == 1 || work < PARALLEL_WORK) { /* a region of one thread would cost as much as a step */
        for (size_t i = 0; i < n; i++)
            piece(p, few, i);
        return;
    }
#pragma omp parallel for default(none) shared(p, n, few) schedule(dynamic) num_threads(n_threads)
    for (size_t i = 0; i < n; i++)
        piece(p, few, i);
}

/* Multiply a pair of coordinates (Re, Im) by a complex number. */
static void scale_pair(double *re, double *im, oqt_complex z, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double r = z.re * re[i] - z.im * im[i];

        im[i] = z.re * im[i] + z.im * re[i];
        re[i] = r;
    }
}

static void apply_factors(double *x, const oqt_complex *factors, size_t d, size_t block)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = i + 1; j < d; j++)
            scale_pair(x + (i * d + j) * block, x + (j * d + i) * block, factors[i * d + j], block);
}

void oqt__step_tensors(double *x, double *y, const oqt__stepper *s, uint64_t step, const oqt_complex *factors,
                       size_t width, int n_threads)
{
    size_t d2 = s->d * s->d, block = oqt__stepper_bonds(s, step) * width;
    bool reverse = reversed(s, step);

    if (s->n_pt == 0)
        memcpy(x, y, d2 * block * sizeof *x);
    for (size_t i = 0; i < s->n_pt; i++) {
        size_t e = nth_tensor(s, step, i);
        const oqt__step_tensor *t = s->tensor + e;
        const double *change = i == 0 ? NULL : s->tensor[reverse ? e + 1 : e].change;
        product p = {t, oqt__pt_slot(t->pt, step), 1, width, x, y};

        if (change) /* the other way round it is the transpose */
            oqt__gemm(reverse, false, d2, block, d2, 1.0, change, d2, x, block, 0.0, y, block);
        else if (i > 0)
            memcpy(y, x, d2 * block * sizeof *y);
        for (size_t f = 0; f < s->n_pt; f++) {
            oqt__slot slot = oqt__pt_slot(s->tensor[f].pt, step);
            bool done = reverse ? f > e : f < e;

            *(f < e ? &p.before : &p.after) *= f == e ? 1 : done ? slot.right : slot.left;
        }
        apply_tensor(&p, n_threads);
        block = p.before * p.slot.right * p.after;
        if (t->factors)
            apply_factors(x, factors + e * d2, s->d, block);
    }
}
