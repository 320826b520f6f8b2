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
    size_t room;                   /* limit of the numbers that all tensors become; 0: none */
} oqt__mpo;

/** The vector that closes the tensors before a step, from that behind it: the input is a maximally mixed
 * state, the output traced. Shapes are checked. */
oqt_status oqt__mpo_cap(oqt_complex *cap, const oqt__mpo *mpo, size_t step, const oqt_complex *next,
                        oqt_error *err);

/** Shapes follow one another and numbers are finite: OQT_OK, OQT_EINVAL, or OQT_ERANGE. */
oqt_status oqt__mpo_check(const oqt__mpo *mpo, oqt_error *err);

/** oqt_pt_create_mpo with the arguments in one place. */
oqt_status oqt__pt_import(oqt_pt **out, const oqt__mpo *mpo, oqt_error *err);

#endif
