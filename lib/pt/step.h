/* step.h - private: one step of a block of columns, shared by propagation, steady states, chains and the test
 * of growth.
 *
 * The state of a block is x[coordinate][bond_1]..[bond_E][column], coordinates being those of the Hermitian
 * basis in the eigenbasis of the coupling that acted last. A step turns it by W = R_next U1 U2 R_last^T
 * (d^2 x d^2) and applies the tensors. The state in the system basis is W_exit = U2 R_last^T times row 0 of
 * the bonds, where the closing vectors e_0 pick it.
 */
#ifndef OQT_PT_STEP_H
#define OQT_PT_STEP_H

#include "pt/pt_priv.h"

/** A process tensor with what its steps need. */
typedef struct {
    const oqt_pt *pt;
    double *rotation; /* d^2 x d^2 of rho -> u^+ rho u, or NULL for the identity          */
    double *change; /* d^2 x d^2 from the eigenbasis of the tensor before in the list to this one, or NULL */
    size_t *leg;    /* legs (i, j) with i <= j, class by class                          */
    size_t *first;  /* n_class + 1: where the legs of a class begin                     */
    bool factors;   /* has leg factors other than one                                   */
} oqt__step_tensor;

/** The tensors of a run; only read by steps. */
typedef struct {
    size_t d, n_pt;
    oqt_split split;
    oqt__step_tensor *tensor; /* n_pt */
} oqt__stepper;

/** Zero it first; release in any case. */
oqt_status oqt__stepper_init(oqt__stepper *s, size_t d, size_t n_pt, const oqt_pt *const *pts,
                             oqt_split split, oqt_error *err);
void oqt__stepper_release(oqt__stepper *s);

/** Whether the order of the tensors changes from step to step, and with it the first and last eigenbasis. */
bool oqt__stepper_alternates(const oqt__stepper *s);

/** Number of states of all bonds before and after a step. */
size_t oqt__stepper_bonds(const oqt__stepper *s, uint64_t step);
size_t oqt__stepper_bonds_after(const oqt__stepper *s, uint64_t step);

/** The largest number of states of all bonds at any time; OQT_ERANGE if it is too large. */
oqt_status oqt__stepper_largest(size_t *bonds, const oqt__stepper *s, oqt_error *err);

/** Leg factors of the limit of late steps, n_pt x d^2. */
oqt_status oqt__stepper_late_factors(oqt_complex *factors, const oqt__stepper *s, oqt_error *err);

/** Matrices of the system, d^2 x d^2, from half-step propagators; scratch has twice the size.
 *  enter: R_first U before a step; leave: U R_last^T after a step. */
void oqt__turn_enter(double *w, const oqt__stepper *s, uint64_t step, const double *half);
void oqt__turn_leave(double *w, const oqt__stepper *s, uint64_t step, const double *half);
/** next: from after one step to before the next, R_first U2 U1 R_last^T. */
void oqt__turn_next(double *w, double *scratch, const oqt__stepper *s, uint64_t step, const double *half,
                    const double *next_half);

/** y = W x for a matrix of the system, d2 x d2, and len numbers for each coordinate: what turns a state. */
void oqt__turn(double *y, const double *x, const double *w, size_t d2, size_t len);

/**
 * Apply the tensors of one step to the turned state in y. The result is in x; both are overwritten.
 *
 * @param[in] factors  n_pt x d^2 leg factors of this step
 * @param[in] width    columns of the block
 */
void oqt__step_tensors(double *x, double *y, const oqt__stepper *s, uint64_t step, const oqt_complex *factors,
                       size_t width, int n_threads);

#endif
