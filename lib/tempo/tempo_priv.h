/* tempo_priv.h - private to tempo: groups of baths that act at once, and the matrix product of the slots.
 *
 * Everything is real: a leg pair (i,j), (j,i) of the system is a complex number and its conjugate, of which
 * the coordinates are (sqrt2 Re, sqrt2 Im). In the same way a class of past legs with O- != 0, and a value of
 * |O-| > 0 on a horizontal bond, has two coordinates, any other one. See docs/theory.md, section 14.
 */
#ifndef OQT_PRIV_TEMPO_H
#define OQT_PRIV_TEMPO_H

#include <oqtempo/tempo.h>

#include "linalg/linalg.h"
#include "liouville/control_priv.h"
#include "liouville/hermitian.h"

/** Baths whose couplings commute: one eigenbasis, one slot in each step. */
typedef struct {
    size_t d, n_baths;
    const oqt_bath **bath; /* n_baths                                                                 */
    double *rotation;      /* d^2 x d^2 real form of rho -> u^+ rho u, or NULL for the identity       */
    /* Classes of past legs (north): equal (O-, O+) of all baths, up to the sign of all O-. */
    size_t n_north, north_dim; /* classes, and their real coordinates                                  */
    double *om, *sp;           /* n_north x n_baths                                                    */
    size_t *north_first;       /* n_north: the coordinate, or the first of two                         */
    size_t *north_west;        /* n_north: horizontal value; 0 for O- = 0, which has one coordinate    */
    /* Horizontal values (west): distinct |O-|; the first is 0 with coordinate 0, value w has coordinates 2 w
     * - 1 and 2 w. */
    size_t n_west, west_dim;
    size_t *west_north; /* n_west: a class with that O-                                            */
    /* Legs (i, j) with i <= j */
    size_t n_leg;
    size_t *leg_re, *leg_im; /* n_leg: coordinates i d + j and j d + i                                */
    size_t *leg_north;       /* n_leg                                                                 */
    signed char *leg_sign;   /* n_leg: of O- against that of its class; 0 for O- = 0                  */
    /* Memory coefficients */
    size_t n_eta, n_end;
    oqt_complex **eta; /* n_baths: n_eta numbers                                                       */
    oqt_complex **end; /* n_baths: n_end numbers that replace eta at the end of the memory             */
    double *factor;    /* n_eta x n_north x n_west x 4, of separations below n_eta                     */
    double *reach;     /* n_eta: how much slots farther than that from one can make of its leg         */
} oqt__group;

/** Group the baths (list order); release each in any case. The array is allocated. */
oqt_status oqt__groups_create(oqt__group **out, size_t *n_out, size_t d, size_t n_baths,
                              const oqt_bath *const *baths, const oqt_complex *couplings, oqt_error *err);
void oqt__groups_release(oqt__group *group, size_t n);

/** Memory coefficients for n steps, with memory of `memory` steps (SIZE_MAX: full). */
oqt_status oqt__group_reserve(oqt__group *g, uint64_t n_steps, size_t memory, double added, double dt,
                              int n_threads, oqt_error *err);

/** The numbers that multiply a site `separation` steps back, n_north x n_west x 4. scratch: for the end. */
const double *oqt__group_factors(double *scratch, const oqt__group *g, uint64_t step, uint64_t separation,
                                 size_t memory);

/** The system between slots: halves of steps, controls, turns into eigenbases. Matrices act on all real
 * columns, n_x = n_col d^2 numbers. */
typedef struct {
    size_t d, n_col;
    oqt_system *system;
    oqt_control *control; /* or NULL */
    double start, dt;
    oqt_propagation how;
    const double *parameters;
    uint64_t n_parameter_steps;
    oqt__halves_ws ws;
    double *halves; /* 2 x d^4, of the step                                                       */
    double *s;      /* 2 x d^4, a control                                                         */
    double *turn;   /* n_x^2: from the system before a slot to its legs                           */
    double *close;  /* n_x^2: from the legs of the last slot to the end of the step               */
    double *leave;  /* n_x^2: the same with the controls before the record, for the step before   */
    double *after;  /* n_x^2: controls after the record, before the step                          */
    double *before; /* n_x^2: controls before the record, after the step                          */
    double *work;   /* n_x^2                                                                      */
} oqt__between;

/** d, n_col, start, dt, how and the parameters are set, the rest is zero. system and control (or NULL) are
 * copied. Release in any case. */
oqt_status oqt__between_init(oqt__between *b, const oqt_system *system, const oqt_control *control,
                             oqt_error *err);
void oqt__between_release(oqt__between *b);

/** Matrices of a step: halves, after and before. */
oqt_status oqt__between_step(oqt__between *b, uint64_t step, oqt_error *err);

/** turn, for the first slot of a step or for one after that of group `last`. */
void oqt__between_enter(oqt__between *b, uint64_t step, const oqt__group *g);
void oqt__between_turn(oqt__between *b, const oqt__group *g, const oqt__group *last);

/** close and leave, when a step is done. */
void oqt__between_close(oqt__between *b, const oqt__group *last);

/** The control before the record of step 0, into before. */
oqt_status oqt__between_start(oqt__between *b, oqt_error *err);

/** One slot: left x leg x right. */
typedef struct {
    double *a;
    size_t cap, left, leg, right;
    size_t group;
    uint64_t step;
} oqt__site;

/** Slots, the oldest first. The right bond of the last one is the system, in the eigenbasis of its slot. */
typedef struct {
    size_t n, cap;
    oqt__site *site;
} oqt__train;

void oqt__train_release(oqt__train *train);

/** Grows, never shrinks. Start with zeros. */
typedef struct {
    double *mem[5];
    size_t cap[5];
    oqt__range_ws range;
    oqt__svd_ws svd;
} oqt__row_ws;

void oqt__row_ws_release(oqt__row_ws *ws);

/** What a row is, and how it is truncated. */
typedef struct {
    const oqt__group *group; /* all of them                                             */
    size_t which;            /* that of the row                                         */
    uint64_t step;
    size_t memory;
    const double *turn; /* n_x x n_old: from the system before to its legs in this slot   */
    size_t n_x, n_old;  /* d^2 for each real column                                        */
    double epsrel;
    size_t max_bond;
} oqt__row;

/**
 * Apply a row: to = from with a slot more, truncated. `to` may be `from`; else `from` is only read.
 *
 * @param[in] start  the system, n_old numbers; only looked at if `from` has no slots
 */
oqt_status oqt__row_apply(oqt__train *to, const oqt__train *from, const oqt__row *row, const double *start,
                          oqt__row_ws *ws, oqt_tempo_stats *stats, oqt_error *err);

/** The system, `right` of the last site: all past legs summed. out and scratch: as long as the largest bond.
 */
void oqt__train_close(double *out, double *scratch, const oqt__train *train, const oqt__group *group);

/** The largest bond between slots. */
size_t oqt__train_bond(const oqt__train *train);

/** Room for n sites, those there kept; for a site. What was in it is lost. */
oqt_status oqt__train_room(oqt__train *train, size_t n, oqt_error *err);
oqt_status oqt__site_resize(oqt__site *site, size_t left, size_t leg, size_t right, oqt_error *err);

/** A run. */
struct oqt_tempo {
    size_t d, n_col; /* n_col: real columns, two for a matrix that is not Hermitian */
    size_t n_group;
    oqt__group *group;
    size_t memory; /* in steps; SIZE_MAX: full */
    double dt, epsrel, added;
    size_t max_bond;
    oqt_split split;
    int n_threads;
    oqt_progress progress;
    oqt__between between;
    oqt__train train, next;
    oqt__row_ws ws;
    double *rho;    /* n_col x d^2                                           */
    double *trace0; /* n_col: what the traces should be                      */
    double *sum;    /* scratch of oqt__train_close                           */
    size_t sum_len;
    oqt_tempo_stats stats;
};

/** The group that acts at a place within a step. */
size_t oqt__tempo_group_at(const oqt_tempo *tp, uint64_t step, size_t place);

#endif
