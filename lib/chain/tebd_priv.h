/* tebd_priv.h - private: the inside of a run of a chain, shared by the files that make, plan and take steps.
 */
#ifndef OQT_PRIV_TEBD_H
#define OQT_PRIV_TEBD_H

#include <pthread.h>

#include "chain/chain_priv.h"
#include "dynamics/dyn_priv.h"
#include "liouville/control_priv.h"

/* Steps that are handed out before progress is reported. */
enum { OQT__STEPS_AT_ONCE = 8 };

/* A gate on bond `at`, or the process tensors of site `at`. */
typedef struct {
    enum { OQT__GATE, OQT__TENSORS } kind;
    size_t at;
    double from, to;    /* part of the step that a gate covers           */
    const double *gate; /* its matrix; NULL: another one in every step   */
    double *own;        /* the same, where it is not that of one before  */
} oqt__operation;

/* An operation of a step, or a record of a site or of a set of sites. An operation waits for all tasks before
 * it on its sites, a record for the operations among them. */
typedef struct {
    const oqt__operation *op; /* NULL: a record                               */
    const double *gate;
    uint64_t step;      /* of the operation; of a record its row                     */
    size_t first, last; /* sites                                                     */
    size_t set;         /* of a record; SIZE_MAX: of a site                          */
    size_t index;       /* in the order in which they are equal to one after the other */
    double cost;        /* expected, in floating-point operations                    */
    double rank;        /* the same of all that wait for each other, from this one on */
    double taken;       /* seconds, when it is done                                  */
} oqt__task;

/* Where records go. */
typedef struct {
    oqt_tebd_records to;
    size_t *site_at;      /* n + 1: where the state of a site begins in a row */
    size_t *set_at;       /* n_sets + 1: the same of sets in rows of theirs   */
    const size_t **sites; /* n_sets: the sites of each set                    */
} oqt__records;

/* The process tensors of a site. */
typedef struct {
    oqt__stepper stepper;
    bool any;
    double *enter[2], *leave[2]; /* turns into and out of eigenbases in even and odd steps; NULL: none */
    oqt_complex *factor;         /* n_pt x d^2 */
    double *factor_scratch;
    double **weight; /* n_pt: weights of the states of each tensor, bond after bond */
    size_t *at;      /* n_pt: where those of the present bond begin                 */
    size_t *bond;    /* n_pt: the present bonds                                     */
    double *w;       /* of the product of the present bonds                         */
} oqt__site_tensors;

struct oqt_tebd {
    oqt_chain *chain;
    oqt__mps mps;
    oqt__site_tensors *tensors; /* of each site */
    oqt__gates gates;
    size_t n_ops;
    oqt__operation *op; /* those of a step                                            */
    size_t n_varying;   /* gates that are made for every step ..                      */
    double **varying;   /* .. OQT__STEPS_AT_ONCE x n_varying                               */
    oqt_control **site_control, **bond_control; /* copies; NULL: none, or none there */
    double dt, start_time;
    bool imported; /* some process tensor conserves traces up to its own truncation only */
    oqt__trunc rule;
    oqt_parallel parallel;
    int n_threads;             /* of tasks */
    int n_blas;                /* in BLAS instead */
    oqt__chain_ws *ws;         /* n_threads */
    oqt__trunc_record *record; /* of each bond, at its left site */
    double *work;              /* of each site: seconds of tasks */
    double *plan;              /* 2 of each site: scratch of the cost model */
    size_t n_tasks,
        task_room; /* those of the last steps that were taken at once, in the order of their ranks */
    oqt__task *task;
    double *ready;  /* of each site: end of the longest chain of tasks that changes it, then the same with
                       records */
    size_t *widest; /* of each site */
    oqt_progress progress;
    pthread_mutex_t failure_lock;
    oqt_error failure; /* of a task; the run is over */
    oqt_tebd_stats stats;
    double trace0;
};

/* ---- process tensors of sites: site_tensors.c ---- */

void oqt__site_tensors_release(oqt__site_tensors *t);

/** Attach process tensors to a site, with weights of their states at the present step. */
oqt_status oqt__tebd_attach(oqt_tebd *run, size_t site, size_t n_pt, const oqt_pt *const *pts, double dt,
                            oqt_error *err);

/** Give all sites of the state the bonds of their process tensors, which begin in their first states unless
 * the state holds others. */
oqt_status oqt__tebd_open(oqt_tebd *run, oqt_error *err);

/** The step of the process tensors of a site. */
oqt_status oqt__tebd_apply_tensors(oqt_tebd *run, size_t i, uint64_t step, oqt__chain_ws *ws, oqt_error *err);

/** Floating-point operations of that. */
double oqt__tebd_tensor_flops(const oqt_tebd *run, size_t i, uint64_t step);

/** The weights of the states behind so many steps. */
void oqt__site_tensors_place(oqt__site_tensors *t, uint64_t n_steps);

/* ---- controls: controls.c ---- */

/** Copies of controls of n sites, or bonds (pairs), into *out. */
oqt_status oqt__tebd_copy_controls(oqt_control ***out, const oqt_control *const *controls, size_t n,
                                   const char *what, const size_t *dim, bool pairs, oqt_error *err);

/** All controls at the present step: those of sites, then those of bonds. They need not conserve the trace.
 */
oqt_status oqt__tebd_apply_controls(oqt_tebd *run, oqt_when when, oqt_error *err);

/** Whether any control acts at a step. */
oqt_status oqt__tebd_has_controls(bool *any, const oqt_tebd *run, uint64_t step, oqt_when when,
                                  oqt_error *err);

/* ---- the operations of a step: operations.c ---- */

oqt_status oqt__tebd_plan(oqt_tebd *run, int order, oqt_error *err);

/** Matrices of the gates that do not depend on time, those of equal bond and length once. */
oqt_status oqt__tebd_make_gates(oqt_tebd *run, oqt_error *err);

/** The gates of n steps from the present one on that depend on time; made: of how many steps they are there,
 *  fewer if one cannot be made. Callbacks are called here only. */
oqt_status oqt__tebd_make_varying_gates(uint64_t *made, oqt_tebd *run, uint64_t n, oqt_error *err);

/* ---- records: records.c ---- */

/** Zero it first; release in any case. Places and sets are checked and borrowed. */
oqt_status oqt__records_init(oqt__records *r, const oqt_tebd *run, const oqt_tebd_records *to,
                             oqt_error *err);
void oqt__records_release(oqt__records *r);

/** Record what there is of a site, or a set of sites, in a row. They touch these sites only. */
oqt_status oqt__record_site(const oqt__records *r, const oqt_tebd *run, size_t i, uint64_t row,
                            oqt_error *err);
oqt_status oqt__record_set(const oqt__records *r, const oqt_tebd *run, size_t k, uint64_t row,
                           oqt_error *err);

/* ---- tasks: graph.c, tasks.c ---- */

/** Make room for the tasks of so many steps, records included. */
oqt_status oqt__graph_reserve(oqt_tebd *run, const oqt__records *r, oqt_error *err);

/** Add the tasks of a step; gate: its next one that depends on time. */
void oqt__graph_add_step(oqt_tebd *run, uint64_t step, double *const **gate);

/** Add those of the records in a row. */
void oqt__graph_add_records(oqt_tebd *run, const oqt__records *r, uint64_t row);

/** What is expected of tasks. */
typedef struct {
    double work, span; /* floating-point operations          */
    double widest;     /* side of the largest matrix of a gate */
} oqt__outlook;

/** Rank the tasks from `begin` on, and put those that others wait for the longest first. */
oqt__outlook oqt__graph_rank(oqt_tebd *run, size_t begin);

/** Add what truncations and tasks of all sites did up in the figures of the run. */
void oqt__tebd_gather_stats(oqt_tebd *run);

#endif
