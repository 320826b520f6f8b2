/* chain_priv.h - private: the model of a chain, its augmented matrix-product state, and gates on it.
 *
 * A site is x[p][a][l][r]: Hermitian coordinate, states of its process tensors, bond to the left, bond to the
 * right. The state is the product of the sites (Hastings form): apart from the non-orthogonality of the last
 * maps every site but the first is right-canonical, sum_{p a r} x x^T = 1, and the Schmidt values of a bond
 * stand beside it. So a gate weights its left site by the Schmidt values to its left, and nothing is ever
 * divided by a Schmidt value.
 */
#ifndef OQT_PRIV_CHAIN_H
#define OQT_PRIV_CHAIN_H

#include <oqtempo/chain.h>

#include "linalg/linalg.h"

/* ---- the model ---- */

typedef struct {
    size_t at; /* site, or left site of a bond */
    oqt_system *system;
} oqt__chain_term;

struct oqt_chain {
    size_t n;
    size_t *dim;
    size_t n_site_terms, n_bond_terms;
    oqt__chain_term *site_term, *bond_term;
};

oqt_chain *oqt__chain_copy(const oqt_chain *chain);

/** What gates are made of. Used by one thread at a time. */
typedef struct {
    const oqt_chain *chain;
    double **basis;    /* n - 1: product_basis of each bond                          */
    double **constant; /* n - 1: its generator, NULL if that depends on time         */
    size_t largest;    /* of p_l p_r                                                 */
    double *mem;       /* scratch: four matrices of that size, and for exponentials  */
} oqt__gates;

/** Zero it first; release in any case. The chain is borrowed. */
oqt_status oqt__gates_init(oqt__gates *g, const oqt_chain *chain, oqt_error *err);
void oqt__gates_release(oqt__gates *g);

/**
 * The propagator of a bond from one time to another, in Hermitian coordinates [(q_l q_r)][(p_l p_r)]. The
 * terms of a site are shared between its two bonds by halves, but the outer bonds have all of their outer
 * sites. Where the generator depends on time, it is a fourth-order Magnus step (oqt__magnus).
 */
oqt_status oqt__gates_make(double *gate, oqt__gates *g, size_t bond, double from, double to, oqt_error *err);

/** A superoperator of the joint space of a bond, given in its Hermitian coordinates, in product coordinates.
 */
void oqt__gates_from_joint(double *out, oqt__gates *g, size_t bond, const double *joint);

/** Coordinates [p_first] .. [p_last] of a product basis to a matrix, D x D, the first site being the most
 *  significant. */
oqt_status oqt__product_to_matrix(oqt_complex *rho, const double *x, const size_t *dim, size_t n,
                                  const size_t *sites, oqt_error *err);

/* ---- the state ---- */

typedef struct {
    size_t d;          /* dimension of the site              */
    size_t p, a, l, r; /* sizes, p = d^2                     */
    double *x;         /* p x a x l x r                      */
    size_t room;       /* numbers that fit into x            */
    double *w;         /* what each of the a states counts for in truncations; NULL: 1 */
} oqt__chain_site;

/** A bond i | i + 1, site[i].r numbers each. */
typedef struct {
    double *s;   /* Schmidt values                     */
    double *l;   /* everything to the left, traced     */
    double *r;   /* everything to the right, traced    */
    size_t room; /* numbers that fit                   */
} oqt__chain_bond;

typedef struct {
    size_t n;
    oqt__chain_site *site; /* n     */
    oqt__chain_bond *bond; /* n - 1 */
} oqt__mps;

void oqt__mps_release(oqt__mps *mps);

/** Product of vectors of coordinates, d^2 of each site, one behind the other. */
oqt_status oqt__mps_product(oqt__mps *out, size_t n, const size_t *d, const double *x, oqt_error *err);

/** A copy; closed: only of the vacuum of process tensors, whose bonds are then one. */
oqt_status oqt__mps_copy(oqt__mps *out, const oqt__mps *from, bool closed, oqt_error *err);

/** The 2-norm of a state without bonds of process tensors, in any gauge, by a sweep of QR: all sites but the
 *  last are left-canonical then. */
oqt_status oqt__mps_sweep_right(double *norm, oqt__mps *mps, oqt_error *err);

/**
 * Bring such a state into the form that gates keep. Schmidt values whose 2-norm is at most tol times the
 * largest are dropped, and no bond grows. Cost: O(n p bond^3). After a failure it can only be released.
 */
oqt_status oqt__mps_canonicalize(double *norm, oqt__mps *mps, double tol, oqt_error *err);

/** The state given by arrays, checked, in the form that gates keep; for a run that knows its process tensors.
 */
oqt_status oqt__mps_from_arrays(oqt__mps *out, const oqt_tebd *run, const oqt_chain_state *state,
                                oqt_error *err);

/** Trace everything to the left and to the right of every bond, into l and r of the bonds. */
void oqt__mps_trace_bonds(oqt__mps *mps);

/** Trace of a site in the vacuum of its process tensors, and of all to one side of it: out, on the bond to
 * its right, from `trace` on that to its left (left: true), or the other way round. NULL at the end of the
 * chain: 1. */
void oqt__site_trace(double *out, const oqt__chain_site *s, bool left, const double *trace);

/** Make room for len numbers in a site; what it held is lost if it has to grow, even if that fails. */
oqt_status oqt__chain_site_reserve(oqt__chain_site *site, size_t len, oqt_error *err);

/** Make room for len Schmidt values of a bond and what goes with them; what they held is lost. */
oqt_status oqt__chain_bond_reserve(oqt__chain_bond *bond, size_t len, oqt_error *err);

/** Workspace of one thread; grows, never shrinks. Start with zeros. */
typedef struct {
    oqt__svd_ws svd;
    double *mem;
    size_t len;
} oqt__chain_ws;

void oqt__chain_ws_release(oqt__chain_ws *ws);
oqt_status oqt__chain_ws_reserve(oqt__chain_ws *ws, size_t len, oqt_error *err);

/**
 * Apply a gate to sites bond and bond + 1 and truncate their bond.
 *
 * The right basis that is kept holds, besides the leading singular vectors, the trace of everything to the
 * right and what is left of the state when everything to the left is traced. So the reduced density matrices
 * of either side, and the trace, are not changed by the truncation: only correlations across the bond are.
 * (After C. D. White et al., Phys. Rev. B 97, 035127 (2018), there with a few sites on either side.) Gates,
 * process tensors and truncations conserve traces, so the traced rest of a bond changes with its own basis
 * only, and is kept there.
 *
 * @param[in]     gate    [(q_l q_r)][(p_l p_r)]
 * @param[in,out] record  what was dropped, relative to the sum of squares, is added
 *
 * Where the states of process tensors and the outer bond are more than the rest can tell apart, they are
 * split off by QR first. Cost: 2 p_l k_l p_r k_r (m + p_l p_r + m') and the decomposition of p_l k_l x p_r
 * k_r, k being a l, or p m if that is less.
 */
oqt_status oqt__mps_gate(oqt__mps *mps, size_t bond, const double *gate, const oqt__trunc *rule,
                         oqt__chain_ws *ws, oqt__trunc_record *record, oqt_error *err);

/* ---- what the states of a process tensor count for ---- */

/**
 * Root mean square of what is left of a state of the bond before a step, over paths that begin there and stay
 * on a leg with probability lam, relative to that of the vacuum.
 *
 * @param[out] w  for a uniform tensor chi numbers; else for one bond behind the other
 */
oqt_status oqt__pt_state_weights(double *w, const oqt_pt *pt, double lam, oqt_error *err);

/* ---- the inside of a run ---- */

/** How far a run is. */
typedef struct {
    oqt_tebd_stats stats;
    double trace0; /* the first trace */
} oqt__tebd_point;

/** What other files see of a run; pointers are borrowed. */
typedef struct {
    const oqt_chain *chain;
    const oqt__gates *gates;
    const oqt__trunc *rule;
    oqt__mps *mps;
    double dt, start_time;
    size_t n_ops; /* gates and sites with process tensors in a step */
    oqt__tebd_point point;
} oqt__tebd_view;

oqt__tebd_view oqt__tebd_look(const oqt_tebd *run);

/** OQT_OK, or what the run has failed with: there is no state any more. */
oqt_status oqt__tebd_stands(const oqt_tebd *run, oqt_error *err);

/** Process tensor e of a site, NULL if it has not so many. */
const oqt_pt *oqt__tebd_pt(const oqt_tebd *run, size_t site, size_t e);

/** Whether all process tensors cover so many steps: OQT_EINVAL if not. */
oqt_status oqt__tebd_covers(const oqt_tebd *run, uint64_t n_steps, oqt_error *err);

/** States of all process tensors of a site after so many steps, which they cover. */
size_t oqt__tebd_states(const oqt_tebd *run, size_t site, uint64_t n_steps);

/** Let the run stand at a point, with a state that fits it and is taken over. Failures are forgotten. */
void oqt__tebd_stand_at(oqt_tebd *run, const oqt__tebd_point *point, oqt__mps *mps);

/** Operators of all sites, one behind the other, are finite. */
oqt_status oqt__chain_check_operators(const oqt_chain *chain, const oqt_complex *op, oqt_error *err);

/* ---- sums over it ---- */

double oqt__mps_trace(const oqt__mps *mps);

/** Reduced coordinates of ascending sites, [p_first] .. [p_last], the bonds of process tensors closed. */
oqt_status oqt__mps_reduced(double *out, const oqt__mps *mps, size_t n, const size_t *sites, oqt_error *err);

#endif
