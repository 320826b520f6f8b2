/* import.h - private to pt: a process tensor that is given as arrays. */
#ifndef OQT_PT_IMPORT_H
#define OQT_PT_IMPORT_H

#include "pt/pt_priv.h"

/** What oqt_pt_create_mpo is given. */
typedef struct {
    size_t d, n_steps;
    double dt;
    const oqt_mpo_tensor *tensor;  /* n_steps                         */
    const oqt_complex *in, *out;   /* transforms, NULL for identities */
    const oqt_complex *const *cap; /* n_steps + 1, or NULL            */
} oqt__mpo;

/** The vectors that close the tensors before each step: inputs are maximally mixed states, outputs traced.
 *  caps: n_steps + 1, as long as the bonds; behind the last step it is 1, for a bond of 1. */
oqt_status oqt__mpo_caps(oqt_complex *const *caps, const oqt__mpo *mpo, oqt_error *err);

/** oqt_pt_create_mpo with the arguments in one place. */
oqt_status oqt__pt_import(oqt_pt **out, const oqt__mpo *mpo, oqt_error *err);

#endif
