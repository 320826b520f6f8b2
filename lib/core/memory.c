/* memory.c - checked sizes and aligned memory behind a replaceable allocator. */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, PADDING = 64 };

/* Aligned within what malloc gives, which is remembered in front: aligned_alloc of glibc cuts and joins
 * pieces at every call, a twentieth of the time of a small process tensor. */
static void *default_alloc(size_t alignment, size_t size, void *ctx)
{
    char *whole = size <= SIZE_MAX - alignment ? malloc(size + alignment) : NULL, *ptr;

    (void)ctx;
    if (!whole)
        return NULL;
    ptr =
        whole + alignment - (uintptr_t)whole % alignment; /* malloc aligns pointers: there is room for one */
    memcpy(ptr - sizeof whole, &whole, sizeof whole);
    return ptr;
}

static void default_free(void *ptr, void *ctx)
{
    char *whole;

    (void)ctx;
    memcpy(&whole, (char *)ptr - sizeof whole, sizeof whole);
    free(whole);
}

static const oqt_allocator default_allocator = {default_alloc, default_free, NULL};
static oqt_allocator allocator = {default_alloc, default_free, NULL};

void oqt_set_allocator(const oqt_allocator *replacement)
{
    allocator = replacement ? *replacement : default_allocator;
}

bool oqt__mul_size(size_t *out, size_t a, size_t b)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

void oqt__reserve(size_t bytes)
{
    if (allocator.alloc == default_alloc)
        oqt__free(allocator.alloc(ALIGNMENT, bytes, allocator.ctx));
}

void *oqt__calloc(size_t n, size_t size)
{
    size_t bytes;
    void *ptr;

    if (!oqt__mul_size(&bytes, n, size) || bytes > SIZE_MAX - PADDING - ALIGNMENT)
        return NULL;
    /* Some BLAS kernels read a little past the end of a matrix, hence the padding. */
    bytes = (bytes + PADDING + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ptr = allocator.alloc(ALIGNMENT, bytes, allocator.ctx);
    if (ptr)
        memset(ptr, 0, bytes);
    return ptr;
}

void oqt__free(void *ptr)
{
    if (ptr)
        allocator.free(ptr, allocator.ctx);
}

double *oqt__doubles(size_t n)
{
    return oqt__calloc(n, sizeof(double));
}

void *oqt__copy(const void *src, size_t n, size_t size)
{
    void *dst = oqt__calloc(n, size);

    if (dst && n > 0)
        memcpy(dst, src, n * size);
    return dst;
}
