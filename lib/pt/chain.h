/* chain.h - private to pt: finite sequences of tensors, their products slot by slot, and their compression.
 */
#ifndef OQT_PT_CHAIN_H
#define OQT_PT_CHAIN_H

#include "pt/environment.h"

/** A matrix product. State 0 of a bond is the vacuum: a tensor with O- = 0 takes e_0 to e_0 exactly, so that
 * e_0 closes every bond. */
typedef struct {
    size_t n;        /* sites                                                   */
    size_t *bond;    /* n + 1, 1 at both ends                                   */
    double **site;   /* n: left x legs x right                                  */
    double **weight; /* n + 1: Schmidt values of the bond, 1 for the vacuum     */
} oqt__chain;

/** Room for n sites; bonds are 0, sites and weights NULL. */
oqt_status oqt__chain_alloc(oqt__chain *out, size_t n, oqt_error *err);
void oqt__chain_release(oqt__chain *chain);

/** f, classes x 2 x left x right as in an oqt__slot and zero before, from a site, left x legs x right. */
void oqt__site_to_slot(double *f, const double *site, size_t left, size_t right, const oqt__real_legs *real);

typedef struct {
    double tolerance;    /* of the weight of a state, 1 being that of the vacuum                      */
    double lam;          /* probability that a path stays on its leg from one slot to the next        */
    double presel;       /* pairs of weight below presel times the tolerance are left out             */
    size_t n_own;        /* sites from here on have a weight that lies outside the product:         */
    const double *theta; /* n_class: its square; NULL: none                                          */
    size_t max_bond;     /* at least 1                                                                */
} oqt__chain_rule;

/**
 * The first n sites of a, or of the product of a with b translated by `shift` sites, compressed.
 *
 * The vacuum is kept exactly. Where a or b has ended, or b not yet begun, it is 1; both are closed by e_0 at
 * site n.
 *
 * @param[out]    out     released by the caller; unchanged on failure
 * @param[in]     a       without weights (NULL) if b is NULL and no pairs are chosen
 * @param[in]     b       NULL: a alone
 * @param[in,out] record  what was dropped is added to it, relative to the vacuum
 *
 * Cost: about 50 D^3 for each site of a two-level system, D being the pairs of states that are chosen.
 */
oqt_status oqt__chain_compress(oqt__chain *out, const oqt__chain *a, const oqt__chain *b, size_t shift,
                               size_t n, const oqt__real_legs *legs, const oqt__chain_rule *rule,
                               oqt__trunc_record *record, oqt_error *err);

#endif
