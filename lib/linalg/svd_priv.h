/* svd_priv.h - private to lib/linalg: the parts of the truncation kernel. */
#ifndef OQT_PRIV_SVD_H
#define OQT_PRIV_SVD_H

#include "linalg/linalg.h"

/** Which LAPACK driver computes the dense decomposition. */
typedef enum {
    OQT__SVD_DIVIDE,      /* dgesdd; dgesvd if it does not converge */
    OQT__SVD_QR_ITERATION /* dgesvd at once, as if dgesdd had failed (for tests)        */
} oqt__svd_driver;

/** Whether a triangular factor is split off before the decomposition, in the column-major view. */
typedef enum { OQT__SVD_DIRECT, OQT__SVD_QR_FIRST, OQT__SVD_LQ_FIRST } oqt__svd_shape;

/** Sizes of one dense decomposition, and where its parts lie in n_mem doubles of memory. */
typedef struct {
    oqt__svd_shape shape;
    size_t m, n, k; /* k = min(m, n) */
    size_t factor, tau, core, left, right, long_side, s, work;
    size_t n_work, n_mem, n_int;
} oqt__svd_plan;

/** OQT_ERANGE if the sizes overflow. */
oqt_status oqt__svd_plan_init(oqt__svd_plan *plan, size_t m, size_t n, oqt_error *err);

/** Decompose finite a and truncate, in the given memory. rest: norm of a part of the matrix that is not in a
 *  and counts as dropped. */
oqt_status oqt__svd_dense(oqt__svd *out, const oqt__svd_plan *plan, double *mem, int *iwork, const double *a,
                          const oqt__trunc *rule, double rest, oqt__trunc_record *record,
                          oqt__svd_driver driver, oqt_error *err);

/** Make room for n doubles and n_int integers; what the workspace held is lost. */
oqt_status oqt__svd_ws_reserve(oqt__svd_ws *ws, size_t n, size_t n_int, oqt_error *err);

/** Apply the rule to the values s (decreasing, k of them) and write kept, discarded_weight, largest_dropped
 *  and limited of the record. rest as above. */
size_t oqt__trunc_rank(const oqt__trunc *rule, const double *s, size_t k, double rest,
                       oqt__trunc_record *record);

/** *largest = max |a_i|; false if an element is not finite. */
bool oqt__largest_element(double *largest, const double *a, size_t n);

/** Whether the randomized path is worth trying. */
bool oqt__svd_sketch_applies(size_t m, size_t n, const oqt__trunc *rule);

/** The randomized path; *accepted says whether out and record were written. largest: that of |a_ij|. */
oqt_status oqt__svd_sketch(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                           double largest, const oqt__trunc *rule, oqt__trunc_record *record, bool *accepted,
                           oqt_error *err);

/** Whether the kernel for small matrices is meant for this one. largest: that of |a_ij|. */
bool oqt__svd_jacobi_applies(size_t m, size_t n, double largest, const oqt__trunc *rule);

/** The kernel for small matrices; *accepted says whether out and record were written. */
oqt_status oqt__svd_jacobi(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                           const oqt__trunc *rule, oqt__trunc_record *record, bool *accepted, oqt_error *err);

#endif
