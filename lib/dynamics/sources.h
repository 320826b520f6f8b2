/* sources.h - private: matrices of systems that depend on time or have controls, for rows of steps.
 *
 * A source is what some columns of a batch share: a system, its parameters and its controls. For step n its
 * matrices are, with P and Q for the controls before and after the record and S = S1 + i S2 for all of them,
 *
 *     leave(n) = P(n + 1) U2(n) R_last^T,     next(n) = R_first U1(n) Q(n) leave(n - 1),     leave(-1) = 1.
 *
 * The state in the system basis after step n, ready to be recorded, is leave(n) times row 0 of the bonds.
 * Controls that do not keep matrices Hermitian act at the beginning of a row only: next of its first step and
 * leave of its last one have imaginary parts then, which mix the two real columns of a matrix.
 */
#ifndef OQT_PRIV_SOURCES_H
#define OQT_PRIV_SOURCES_H

#include "dynamics/dyn_priv.h"
#include "liouville/control_priv.h"
#include "liouville/hermitian.h"

/** What the controls at a place do to traces; TRACE_COMPLEX: they are not real. */
typedef enum { OQT__NO_CONTROL, OQT__TRACE_KEPT, OQT__TRACE_CHANGED, OQT__TRACE_COMPLEX } oqt__trace_change;

typedef struct {
    oqt_system *system;   /* copies                                                                */
    oqt_control *control; /* or NULL                                                               */
    const double *rows;   /* borrowed: 2 rows of parameters for each step, or NULL                 */
    bool real;            /* controls keep matrices Hermitian                                      */
    double *half;         /* d^4: half a step of a constant system, else NULL                      */
    double *plain;        /* 2 x 3 x d^4: its enter, next and leave without controls, of even steps and of
                             odd ones                                                              */
    size_t sample_len;    /* of half a step                                                        */
    double *sample;       /* max_row x 2 x sample_len                                              */
    double *turn;         /* max_row x 2 x d^4: next and leave of the steps of a row               */
    double *last;         /* 2 x d^4: leave before the row, S1 and S2                              */
    double *next_2;       /* d^4: S2 of the first next; NULL if real                               */
    double *leave_2;      /* d^4: S2 of the last leave; NULL if real                               */
    bool next_complex, leave_complex;
    unsigned char *before; /* max_row + 1: oqt__trace_change by the control before the record of a step */
    unsigned char *after;  /* max_row: and after it                                                */
    unsigned char pending; /* before[0] of the next row                                            */
} oqt__source;

typedef struct {
    size_t d, n, max_row;
    const oqt__stepper *stepper;
    double start, dt;
    oqt_propagation how;
    int n_threads;
    oqt__source *source; /* n                                    */
    oqt__halves_ws *ws;  /* n_threads                            */
    double *scratch;     /* n_threads x 6 d^4                    */
} oqt__sources;

/** Replace the pointers to systems and controls in source[0 .. n - 1], which the caller has set to those of
 *  the user, by copies; on failure by NULL or copies. */
oqt_status oqt__sources_take(oqt__sources *s, oqt_error *err);

/** Numbers that a row needs for each step, all sources together. Needs d, n, how and what take made. */
double oqt__sources_numbers(const oqt__sources *s);

/** The rest: d, n, stepper, start, dt, how, n_threads, and rows of the sources are set. Release in any case.
 */
oqt_status oqt__sources_init(oqt__sources *s, size_t max_row, oqt_error *err);
void oqt__sources_release(oqt__sources *s);

/**
 * Matrices for the steps from `step` on. Call it for one row after the other.
 *
 * @param[in,out] n  steps wanted, 1 .. max_row; fewer if a control that is not real, or a step that fails,
 *                   comes before
 * @return OQT_OK, OQT_ECALLBACK, OQT_ECONV, OQT_ENOMEM: nothing has changed then
 */
oqt_status oqt__sources_prepare(oqt__sources *s, uint64_t step, size_t *n, oqt_error *err);

/** Apply the control before the record of step 0 to a matrix x + iy in real form; y may be NULL if the source
 *  is real. */
oqt_status oqt__source_begin(double *x, double *y, const oqt__sources *s, const oqt__source *source,
                             oqt_error *err);

#endif
