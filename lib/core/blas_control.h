/* blas_control.h - private to core: the thread controls of the BLAS in use. */
#ifndef OQT_PRIV_BLAS_CONTROL_H
#define OQT_PRIV_BLAS_CONTROL_H

#include <oqtempo/core.h>

typedef struct {
    oqt_blas_kind kind;
    char name[32];
    int (*get_threads)(void);   /* NULL if unknown */
    void (*set_threads)(int n); /* NULL if unknown */
} oqt__blas_control;

/** Found once, at the first call. Thread-safe. */
const oqt__blas_control *oqt__blas_control_get(void);

#endif
