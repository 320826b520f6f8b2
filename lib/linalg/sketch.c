/* sketch.c - randomized range finder for large matrices of small rank. */
#include "linalg/svd_priv.h"

bool oqt__svd_sketch_applies(size_t m, size_t n, const oqt__trunc *rule)
{
    (void)m;
    (void)n;
    (void)rule;
    return false;
}

oqt_status oqt__svd_sketch(oqt__svd *out, oqt__svd_ws *ws, const double *a, size_t m, size_t n,
                           double largest, const oqt__trunc *rule, oqt__trunc_record *record, bool *accepted,
                           oqt_error *err)
{
    (void)out, (void)ws, (void)a, (void)m, (void)n, (void)largest, (void)rule, (void)record, (void)err;
    *accepted = false;
    return OQT_OK;
}
