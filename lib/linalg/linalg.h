/* linalg.h - private: dense real linear algebra. All matrices are row-major. */
#ifndef OQT_PRIV_LINALG_H
#define OQT_PRIV_LINALG_H

#include "linalg/blas.h"

/* ---- square matrices ---- */

/** Row length, and number of rows, of an n x n matrix padded with zeros for oqt__square_product. */
static inline size_t oqt__padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

/**
 * c = alpha a b + beta c for padded n x n matrices, which c must not share with a or b.
 *
 * The padding of a and b is zero, and that of c stays zero. With `lower` only elements on and below the
 * diagonal of c are what they should be. In cache for small n, no allocation.
 */
void oqt__square_product(double *c, double alpha, const double *a, const double *b, double beta, size_t n,
                         bool lower);

/** The same in single precision. */
void oqt__square_product_single(float *c, float alpha, const float *a, const float *b, float beta, size_t n,
                                bool lower);

/* ---- truncation: one rule, one record, one kernel ---- */

/** Keep the smallest rank r such that every condition set (> 0) holds for what is dropped. That may be 0, for
 * a matrix of zeros for example. With none set, nothing is dropped. */
typedef struct {
    double abs_tol;  /* every dropped s_i <= abs_tol                                       */
    double rel_tail; /* 2-norm of the dropped ones <= rel_tail s_0 (meaning of OQuPy's epsrel) */
    size_t max_rank; /* r <= max_rank, even if that breaks the above; 0: no limit           */
} oqt__trunc;

/** What truncations did; engines add records up with oqt__trunc_add. */
typedef struct {
    size_t kept;             /* rank of the last truncation                   */
    double discarded_weight; /* sum of squares of the dropped singular values */
    double largest_dropped;
    size_t n_fallback;   /* dgesvd taken because dgesdd did not converge  */
    size_t n_randomized; /* randomized range finder accepted              */
    bool limited;        /* max_rank cut below the tolerance              */
    double flops;        /* of engines that count them here               */
} oqt__trunc_record;

void oqt__trunc_add(oqt__trunc_record *sum, const oqt__trunc_record *one);

/** Workspace of one thread; grows, never shrinks. Start with zeros. */
typedef struct {
    double *mem;
    size_t mem_len;
    int *iwork;
    size_t iwork_len;
} oqt__svd_ws;

void oqt__svd_ws_release(oqt__svd_ws *ws);

/** A ~ u diag(s) vt: u is m x rank, vt rank x n. Views into the workspace, valid until its next use. */
typedef struct {
    size_t rank;
    double *u, *s, *vt;
} oqt__svd;

/**
 * Truncated singular value decomposition of a, m x n row-major.
 *
 * Tall or wide matrices go through QR first; dgesdd, and dgesvd if that fails. Large
 * matrices of small rank go through a randomized range finder (fixed seed, one power iteration), accepted
 * when the error left, which is measured, is well below the tolerance, else enlarged. Values near the
 * tolerance are then right to 5 %. m = 0 or n = 0 gives rank 0.
 *
 * @param[in]  a       must not lie in the workspace
 * @param[out] record  or NULL; written on success only, and not added to what it holds
 * @return OQT_OK, OQT_EINVAL (a is not finite), OQT_ENOMEM, OQT_ERANGE, OQT_ECONV
 */
oqt_status oqt__svd_trunc(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                          const oqt__trunc *rule, oqt__trunc_record *record, oqt_error *err);

/**
 * The right singular vectors alone, for matrices of which much is dropped: by a pivoted QR that ends where
 * the rule is met, hence faster the smaller the rank is, down to half the time of oqt__svd_trunc at a
 * quarter. Values near the tolerance are right to 1 %. Memory beside a: about 4 rank^2 for tolerances from
 * 1e-6 on, else 10 rank^2.
 *
 * @param[out]    rank    of the result
 * @param[out]    s       room for min(m, n) numbers: the values
 * @param[in,out] a       m x n; rank x n, the vectors, on return. Lost on failure
 * @param[out]    record  written on success only, with the flops
 * @return as oqt__svd_trunc
 */
oqt_status oqt__svd_right(size_t *rank, double *s, double *a, oqt__svd_ws *ws, size_t m, size_t n,
                          const oqt__trunc *rule, oqt__trunc_record *record, oqt_error *err);

/** Floating-point operations of oqt__svd_trunc, about. */
double oqt__svd_flops(size_t m, size_t n, const oqt__trunc_record *record);

/** Workspace of oqt__range; grows, never shrinks. Start with zeros. */
typedef struct {
    double *mem, *random;
    size_t n_mem, n_random;
} oqt__range_ws;

void oqt__range_ws_release(oqt__range_ws *ws);

/**
 * Orthonormal rows q_i, of length m, that span the columns of a: |a - q^T q a|_F <= tol |a|_F, about. For
 * where a smallest rank does not matter: some columns more than that are found, at a fraction of the cost.
 *
 * Random vectors, always the same; the error is known from eight of them, to a factor of two or so.
 *
 * @param[out]    q         rank x m, in the workspace, valid until its next use
 * @param[in]     a         m x n, finite, m, n >= 1
 * @param[in]     guess     of the rank; time is lost if it is far off
 * @param[in]     max_rank  0: no limit
 * @param[in,out] flops     what this took is added
 */
oqt_status oqt__range(const double **q, size_t *rank, oqt__range_ws *ws, const double *a, size_t m, size_t n,
                      double tol, size_t guess, size_t max_rank, double *flops, oqt_error *err);
/** a = q r without truncation: q is m x k with orthonormal columns, r k x n upper triangular, k = min(m, n).
 *  For lq, a = l q with l m x k lower triangular and q k x n with orthonormal rows. a may be anywhere but in
 *  the workspace or the results. */
oqt_status oqt__qr(double *q, double *r, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                   oqt_error *err);
oqt_status oqt__lq(double *l, double *q, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                   oqt_error *err);

/* ---- eigenvalues, exponential ---- */

/** Eigenvalues w (ascending) and eigenvectors v (in columns) of the symmetric matrix a; a may be v. */
oqt_status oqt__eigh(double *w, double *v, const double *a, size_t n, oqt_error *err);

/** The same for a Hermitian matrix. The phase of each vector is fixed: its largest element (the first of
 *  equals within 1e-8) is real and positive. Jacobi rotations, without LAPACK: for sizes up to some hundred.
 */
oqt_status oqt__eigh_complex(double *w, oqt_complex *v, const oqt_complex *a, size_t n, oqt_error *err);

/** Eigenvalues of a general real matrix. */
oqt_status oqt__eigvals(oqt_complex *w, const double *a, size_t n, oqt_error *err);

/** out = exp(a), n x n; scaling and squaring with Pade approximants (Higham 2005). out may be a. */
oqt_status oqt__expm(double *out, const double *a, size_t n, oqt_error *err);

/** out = exp(a), n x n, by a Taylor polynomial with scaling and squaring: fast for n = 4 and small norms,
 * where LAPACK would take longer than the work; loops of its own below n = 16, else BLAS. ws:
 * oqt__expm_small_len numbers. False if a or the result is not finite. out may be a. */
bool oqt__expm_small(double *out, const double *a, size_t n, double *ws);
size_t oqt__expm_small_len(size_t n);

/** c = a b for small square matrices; c is neither a nor b. */
void oqt__small_product(double *c, const double *a, const double *b, size_t n);

/** Solve A X = B, A n x n and B n x nrhs row-major; b is overwritten by X. OQT_ECONV if A is singular. */
oqt_status oqt__solve(double *b, const double *a, size_t n, size_t nrhs, oqt_error *err);

/* ---- Krylov ---- */

/** y = M x on vectors of length n. Non-zero stops with that status. */
typedef oqt_status (*oqt__apply_fn)(double *y, const double *x, void *ctx, oqt_error *err);

/** What an iteration took. */
typedef struct {
    size_t n_applied;
    double residual; /* |M x - x| / |x|                                                   */
    double error;    /* of x, relative: the last correction, which was made all the same */
} oqt__krylov_record;

/**
 * Fixed point M x = x of a map that conserves a functional: t M = t.
 *
 * Solves (1 - B + x0 t^T) x = x0 by restarted GMRES without forming M, with a B made of several products by M
 * that has the same fixed points; then t.x = t.x0. Before that, 256 power products show that M does not grow,
 * and a loose solve with a random right-hand side that no other fixed point exists. These count as well, the
 * solve with a limit of its own. Memory: up to 400 vectors, fewer (but 60) where they take more than 128 MB.
 *
 * @param[in,out] x        start with t.x != 0 on entry, the fixed point on success, unchanged on failure
 * @param[in]     t        the conserved functional, length n
 * @param[in]     power    products in B to begin with, 1 or more: more where they cost little beside 100 n
 * @param[in]     tol      relative error of x, which rounding limits to about 1e-16 / (1 - second eigenvalue)
 * @param[in]     max_apply  limit of applications
 * @return OQT_OK, OQT_EINVAL, OQT_ENOMEM, OQT_ECONV (error not reached, M grows, or the fixed point is not
 *         unique), or what apply returned
 */
oqt_status oqt__fixed_point(double *x, size_t n, const double *t, oqt__apply_fn apply, void *ctx,
                            size_t power, double tol, size_t max_apply, oqt__krylov_record *record,
                            oqt_error *err);

/* ---- exponential fit ---- */

/** y_k = C A^(k-1) B for k >= 1: one output, n_in inputs, order n. */
typedef struct {
    size_t n, n_in;
    double *a;    /* n x n                              */
    double *b;    /* n x n_in                           */
    double *c;    /* n                                  */
    double *gain; /* n Hankel singular values, decreasing */
} oqt__state_space;

void oqt__state_space_release(oqt__state_space *model);

/**
 * Balanced realization of sampled data: Kung's method on a logarithmically sampled, weighted Hankel matrix.
 *
 * @param[out] model   release with oqt__state_space_release; unchanged on failure
 * @param[in]  n_idx   number of samples I_0 = 0 < I_1 < ..
 * @param[in]  idx     the samples
 * @param[in]  h0      n_idx x n_idx x n_in, y at k = I_i + I_j + 1
 * @param[in]  h1      the same at k = I_i + I_j + 2
 * @param[in]  tol     keep gains above it (absolute)
 *
 * Poles that rounding puts on or outside the unit circle are scaled to just inside it; for those farther out
 * the order is lowered. Source: docs/theory.md, eq. (7).
 */
oqt_status oqt__realize(oqt__state_space *model, size_t n_idx, const uint64_t *idx, size_t n_in,
                        const double *h0, const double *h1, double tol, oqt_error *err);

/* ---- weighted factors ---- */

/**
 * Z with Z Z^T = m, for a positive semidefinite m whose elements scale as sqrt(scale_i scale_j).
 *
 * Lower triangular (Cholesky) after scaling, with a shift of 1e-14 of the mean diagonal that grows until the
 * factor exists; the scaling keeps weights down to 1e-14 of the largest meaningful. z may be m.
 *
 * @param[in] m      n x n with row length ld; only its lower triangle is read
 * @param[out] z     n x n, contiguous
 */
oqt_status oqt__psd_factor(double *z, const double *m, size_t ld, const double *scale, size_t n,
                           oqt_error *err);

/* ---- what matters in two metrics ---- */

/** Projectors with left right = 1. */
typedef struct {
    size_t n, rank;
    double *right;  /* n x rank         */
    double *left;   /* rank x n         */
    double *weight; /* rank, decreasing */
} oqt__oblique;

void oqt__oblique_release(oqt__oblique *p);

/**
 * With the metrics R = Y Y^T of `right` and L = X X^T of `left`, X^T Y = U s V^T, and the s that the rule
 * keeps:
 *
 *     right = Y V s^(-1/2),   left = s^(-1/2) U^T X^T,   weight = s.
 *
 * @param[out]    out     release with oqt__oblique_release; unchanged on failure
 * @param[in,out] left, right  n x n; they end as X and Y
 * @param[in]     left_scale, right_scale  as for oqt__psd_factor, n each
 * @return as oqt__psd_factor and oqt__svd_trunc
 */
oqt_status oqt__oblique_create(oqt__oblique *out, oqt__svd_ws *ws, double *left, const double *left_scale,
                               double *right, const double *right_scale, size_t n, const oqt__trunc *rule,
                               oqt__trunc_record *record, oqt_error *err);

#endif
