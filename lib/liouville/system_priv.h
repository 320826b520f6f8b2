/* system_priv.h - private: what a system is made of, for those who propagate it. */
#ifndef OQT_PRIV_SYSTEM_H
#define OQT_PRIV_SYSTEM_H

#include "liouville/hermitian.h"

/** What a term depends on, and what its callbacks take. */
typedef enum { OQT__OF_TIME, OQT__OF_PARAMETERS } oqt__argument;

/**
 * A term that is not constant: scale(argument) generator, or the commutator with op(argument), or
 * scale(argument) times the dissipator of op(argument). Callbacks are borrowed with their contexts.
 */
typedef struct {
    oqt__argument of;
    bool dissipator;        /* op is a Lindblad operator, else a Hamiltonian             */
    double *generator;      /* d^4, real form of the part for scale = 1; NULL: from op    */
    oqt_complex *op_matrix; /* the operator of a generator                            */
    size_t parameter;       /* the scale is this parameter if there is no callback for it */
    oqt_rate_fn scale;
    oqt_operator_fn op;
    oqt_parameter_rate_fn scale_of;
    oqt_parameter_operator_fn op_of;
    void *scale_ctx, *op_ctx;
} oqt__term;

struct oqt_system {
    size_t d;
    double width;             /* of the spectrum of the constant Hamiltonian          */
    double rate_norm;         /* the largest |rate| |A| of the constant dissipators   */
    oqt_complex *hamiltonian; /* d x d, constant part                                 */
    oqt_complex *liouvillian; /* d^2 x d^2, constant terms                            */
    double *generator;        /* the same in real form, once there are other terms    */
    size_t n_parameters, n_term;
    size_t n_scaled; /* terms with a generator; they come first              */
    oqt__term *term;
};

/** out += c [h, .], and out += rate times the dissipator of op. */
void oqt__add_commutator(oqt_complex *out, oqt_complex c, const oqt_complex *h, size_t d);
void oqt__add_dissipator(oqt_complex *out, double rate, const oqt_complex *op, size_t d);

/** Element (i, k) of A^+ A. */
oqt_complex oqt__square_element(const oqt_complex *op, size_t d, size_t i, size_t k);

/** As oqt__eigh_complex, for who has not entered the BLAS guard. */
oqt_status oqt__eigenbasis(double *w, oqt_complex *v, const oqt_complex *h, size_t d, oqt_error *err);

/** The spectral norm of a matrix d x d. */
oqt_status oqt__operator_norm(double *norm, const oqt_complex *op, size_t d, oqt_error *err);

/** OQT_EINVAL, naming an element, if a is not finite or h not Hermitian to 1e-10 of its largest element. */
oqt_status oqt__check_finite(const oqt_complex *a, size_t rows, const char *what, oqt_error *err);
oqt_status oqt__check_hermitian(const oqt_complex *h, size_t d, const char *what, oqt_error *err);

/** As oqt__system_leg_rate, of one real generator, with 1e-12 of its largest element as zero. */
oqt_status oqt__leg_rate_of(double *rate, const double *generator, const double *o, const oqt_complex *u,
                            size_t d, oqt_error *err);

#endif
