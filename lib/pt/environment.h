/* environment.h - private to pt: which states of a bond matter on paths that stay on their legs for a while,
 * for slots of any shape. The builder of uniform tensors has its own (metric.h), which knows of reflections.
 */
#ifndef OQT_PT_ENVIRONMENT_H
#define OQT_PT_ENVIRONMENT_H

#include "pt/pt_priv.h"

/** Real legs: one for a class with om = 0, two next to each other (real, imaginary part) for any other. */
typedef struct {
    size_t n_class, n;
    size_t *first;  /* n_class: the real leg, or the first of two */
    bool *twice;    /* n_class: two legs                          */
    double *weight; /* n_class: share of the class in the d^2 legs */
} oqt__real_legs;

oqt_status oqt__real_legs_create(oqt__real_legs *out, const oqt__legs *legs, oqt_error *err);
void oqt__real_legs_release(oqt__real_legs *legs);

/** Environment of a bond for each class of the leg on its other side: a Hermitian matrix re + i im, in the
 * place of its real legs, n x n each. */
typedef struct {
    size_t n;
    double *mat;    /* legs x n x n */
    double *metric; /* n x n: average over classes */
} oqt__env;

/** Environments of bonds up to n_max, and scratch for steps between them. */
typedef struct {
    const oqt__real_legs *legs;
    double lam;          /* probability to stay on a leg */
    const double *theta; /* n_class: weight of each class at the next slots; NULL: 1 */
    size_t n_max;
    oqt__env env, next;
    double *t, *u, *stack, *work;
    oqt__svd_ws ws;
} oqt__sweep;

oqt_status oqt__sweep_init(oqt__sweep *s, const oqt__real_legs *legs, double lam, size_t n_max,
                           oqt_error *err);
void oqt__sweep_release(oqt__sweep *s);

/** The environment of a closed bond: e_0 e_0^T for all classes. */
void oqt__sweep_start(oqt__sweep *s, size_t n);

/**
 * s->env from that on the right (left) side of a slot to that on its left (right) side; site is left x legs x
 * right.
 *
 *     right: Y = theta F R F^+,   left: Y = theta F^T L F^*,   env <- lam Y + (1 - lam) sum_mu w_mu Re Y_mu,
 *
 * normalized to 1 for the vacuum. Cost: 4 n^3 flops for a real class, 16 n^3 for a complex one.
 */
void oqt__sweep_right_env(oqt__sweep *s, const double *site, size_t left, size_t right);
void oqt__sweep_left_env(oqt__sweep *s, const double *site, size_t left, size_t right);

/** s->env <- P^T env P, P n x kept. */
void oqt__sweep_project(oqt__sweep *s, const double *p, size_t kept);

/** Projectors with left right = 1 that keep the vacuum: e_0 stays the closing vector. */
typedef struct {
    size_t n, kept;
    double *right;  /* n x kept             */
    double *left;   /* kept x n             */
    double *weight; /* kept, 1 for the vacuum */
} oqt__projectors;

void oqt__projectors_release(oqt__projectors *p);

/**
 * Projectors for a bond with these metrics of the states to its left and right, n x n each, 1 for the vacuum.
 *
 * States of weight up to tolerance are dropped, and more if there are more than max_bond.
 *
 * @param[in,out] record  what was dropped is added to it
 */
oqt_status oqt__projectors_create(oqt__projectors *out, const double *left, const double *right, size_t n,
                                  double tolerance, size_t max_bond, oqt__svd_ws *ws,
                                  oqt__trunc_record *record, oqt_error *err);

#endif
