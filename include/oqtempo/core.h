/* oqtempo/core.h - version, allocator, and what the library found at run time. */
#ifndef OQT_CORE_H
#define OQT_CORE_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

/** Version of the library in use, "major.minor.patch". Borrowed, valid for ever. */
OQT_API const char *oqt_version(void);

/** Short name of a status, for example "out of memory". Borrowed, valid for ever. */
OQT_API const char *oqt_status_text(oqt_status status);

/** Memory functions, with the contracts of C11's aligned_alloc and free. `alloc` may return NULL. */
typedef struct {
    void *(*alloc)(size_t alignment, size_t size, void *ctx);
    void (*free)(void *ptr, void *ctx);
    void *ctx;
} oqt_allocator;

/**
 * Use other memory functions for everything allocated from here on.
 *
 * @param[in] allocator  NULL for the default, by malloc and free
 *
 * Process-wide. Call it while no object of the library exists; it is not thread-safe.
 */
OQT_API void oqt_set_allocator(const oqt_allocator *allocator);

/** How the BLAS library in use runs. */
typedef enum {
    OQT_BLAS_UNKNOWN = 0, /* not OpenBLAS: threads are set by the environment only        */
    OQT_BLAS_SERIAL = 1,  /* OpenBLAS without threads: only one thread may call it at once */
    OQT_BLAS_PTHREAD = 2, /* OpenBLAS with its own threads                                 */
    OQT_BLAS_OPENMP = 3   /* OpenBLAS on OpenMP                                            */
} oqt_blas_kind;

/** What this build and this process have. Strings are borrowed and valid for ever. */
typedef struct {
    const char *version;
    const char *threading; /* "openmp" or "serial"                            */
    int max_threads;       /* threads used when an option says 0              */
    const char *blas;      /* for example "OpenBLAS 0.3.21", or "generic"     */
    oqt_blas_kind blas_kind;
    int blas_threads; /* threads BLAS would use now; 0 if unknown        */
    int hdf5;         /* 1 if files can be read and written              */
} oqt_runtime;

/** Fill in what the library found. Thread-safe. */
OQT_API void oqt_get_runtime(oqt_runtime *out);

OQT_END_DECLS

#endif
