/* oqtempo/types.h - status codes, messages, complex numbers, progress.
 *
 * Conventions of the whole library: hbar = k_B = 1; energies, rates and temperatures share one unit, times
 * use its inverse. Matrices are row-major. rho_ij has vectorization index i d + j.
 *
 * Options are structs that begin as their initializer, OQT_.._OPTIONS_INIT, which sets struct_size. Later
 * versions may append fields. A program compiled for an earlier version of the same soname goes on working:
 * the fields that it does not know have their defaults. Options of a later version than the library are
 * OQT_EINVAL. Structs that a call fills in change with the soname only.
 *
 * In version 0 every function is experimental: it may change in a minor version.
 */
#ifndef OQT_TYPES_H
#define OQT_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define OQT_BEGIN_DECLS extern "C" {
#define OQT_END_DECLS   }
#else
#define OQT_BEGIN_DECLS
#define OQT_END_DECLS
#endif

#if defined(__GNUC__)
#define OQT_API __attribute__((visibility("default")))
#else
#define OQT_API
#endif

OQT_BEGIN_DECLS

/** Outcome of a call. Meant to be branched on; oqt_error::text explains. */
#define OQT_STATUS_LIST(X)                                                                                   \
    X(OQT_OK, 0, "success")                                                                                  \
    X(OQT_EINVAL, 1, "invalid argument")                                                                     \
    X(OQT_ENOMEM, 2, "out of memory")                                                                        \
    X(OQT_ERANGE, 3, "size exceeds what can be addressed")                                                   \
    X(OQT_ECONV, 4, "iteration or decomposition did not converge")                                           \
    X(OQT_ECALLBACK, 5, "user callback reported failure")                                                    \
    X(OQT_EIO, 6, "file could not be read or written")                                                       \
    X(OQT_EFORMAT, 7, "file is not valid")                                                                   \
    X(OQT_ECANCELED, 8, "canceled by the user")                                                              \
    X(OQT_EUNSUPPORTED, 9, "not supported by this build")

typedef enum {
#define X(name, value, text) name = value,
    OQT_STATUS_LIST(X)
#undef X
} oqt_status;

/** Status with one line of text. Needs no allocation. Every function that can fail takes an optional one as
 *  its last argument; it is written on failure only. */
typedef struct {
    oqt_status code;
    char text[256];
} oqt_error;

/** A complex number, laid out as C99's double complex and C++'s std::complex<double>. */
typedef struct {
    double re, im;
} oqt_complex;

/** Order in which several baths act within a step. */
typedef enum {
    OQT_SPLIT_SYMMETRIC = 0, /* list order and its reverse in turn: second order in dt  */
    OQT_SPLIT_LIST = 1       /* list order in every step: first order if they do not commute */
} oqt_split;

/** Called now and then during long work, from the calling thread only. `fraction` grows from 0 to 1 within
 *  a phase, and starts anew should the phase be tried again. Return 0 to go on; non-zero cancels: the call
 *  returns OQT_ECANCELED with its outputs unchanged, or as its documentation says.
 *  The callback must not call back into the object being worked on, nor wait for another thread that uses the
 *  library. */
typedef int (*oqt_progress_fn)(const char *phase, double fraction, void *ctx);

/** A progress callback with its context; {NULL, NULL} for none. */
typedef struct {
    oqt_progress_fn fn;
    void *ctx;
} oqt_progress;

OQT_END_DECLS

#endif
