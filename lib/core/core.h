/* core.h - private: failure text, checked sizes, aligned memory, threads and the BLAS guard. */
#ifndef OQT_PRIV_CORE_H
#define OQT_PRIV_CORE_H

#include <stdbool.h>

#include <oqtempo/core.h>

#if defined(__GNUC__)
#define OQT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define OQT_PRINTF(fmt, args)
#endif

/** For a function whose loops gain from wide vectors: compiled for several processors, chosen at load time.
 */
#ifdef OQT_TARGET_CLONES
#define OQT__SIMD __attribute__((target_clones("default", "fma")))
#else
#define OQT__SIMD
#endif

/** For a part of such a function, compiled into it with what it is compiled for. */
#if defined(__GNUC__)
#define OQT__SIMD_PART static inline __attribute__((always_inline))
#else
#define OQT__SIMD_PART static inline
#endif

/* ---- status ---- */

/** Write code and text into err, if there is one, and return code. */
oqt_status oqt__fail(oqt_error *err, oqt_status code, const char *format, ...) OQT_PRINTF(3, 4);

/** The out-of-memory failure, with what the memory was for. */
oqt_status oqt__no_memory(oqt_error *err, const char *what);

/** Report progress; OQT_ECANCELED if the callback says stop. */
oqt_status oqt__progress(const oqt_progress *progress, const char *phase, double fraction, oqt_error *err);

/* ---- options ---- */

/**
 * Options in full, from those of a caller: what an earlier version lacked has its default. types.h has the
 * rule.
 *
 * @param[out] out    as defaults; begins with size_t struct_size, as all options do. Unchanged on failure
 * @param[in]  given  struct_size bytes are read; NULL: the defaults
 * @param[in]  first  their size in the first version that had them
 * @param[in]  size   their size in this one
 * @param[in]  what   whose options they are, for the message
 * @return OQT_OK, or OQT_EINVAL: smaller than first or larger than size
 */
oqt_status oqt__options_read(void *out, const void *given, const void *defaults, size_t first, size_t size,
                             const char *what, oqt_error *err);

/* ---- sizes and memory ---- */

/** *out = a b; false on overflow. */
bool oqt__mul_size(size_t *out, size_t a, size_t b);

/** Memory aligned to 64 bytes with a cache line of padding behind it, for n elements of `size` bytes; zeroed.
 *  NULL if out of memory or n size overflows. n = 0 gives memory that may not be read. */
void *oqt__calloc(size_t n, size_t size);

/** Free what oqt__calloc gave; NULL is fine. */
void oqt__free(void *ptr);

/** Let the usual allocator keep about so many bytes for matrices that come and go. That of glibc maps blocks
 * of 128 KiB anew every time, and gives the space of smaller ones back, until a larger block was freed once.
 */
void oqt__reserve(size_t bytes);

/** n doubles, zeroed. */
double *oqt__doubles(size_t n);

/** A copy of n elements of `size` bytes, or NULL. */
void *oqt__copy(const void *src, size_t n, size_t size);

/* ---- threads ---- */

/** The number of threads for an option and n_items pieces of work: n if positive, else OpenMP's default; at
 * most one for each piece and 4 for each processor; 1 in a serial build. */
int oqt__threads(int n, size_t n_items);

/** As oqt__threads, for a region whose threads call BLAS: 1 if this BLAS must not be called concurrently. */
int oqt__blas_callers(int n, size_t n_items);

/** Index of the calling thread within a parallel region; 0 in a serial build. */
int oqt__thread_index(void);

/** What is needed to undo oqt__blas_enter. */
typedef struct {
    bool active;
} oqt__blas_guard;

/**
 * Keep BLAS to one thread until the matching leave. Counted: the first to enter saves the process-wide thread
 * count, the last to leave restores it. With a serial OpenBLAS, whose LAPACK is wrong when called from two
 * threads at once, entering also takes a lock that other user threads wait for. The same thread may nest.
 */
void oqt__blas_enter(oqt__blas_guard *guard);
void oqt__blas_leave(oqt__blas_guard *guard);

/** Within a guard, and if no other one is held: let BLAS have n threads; 1 takes it back. */
void oqt__blas_widen(int n);

#endif
