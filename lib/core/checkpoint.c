/* checkpoint.c - the frame of files in which runs are kept. */
#include "core/checkpoint.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"

enum { BLOCK = 4 };

bool oqt__checkpoint_add(uint64_t *words, uint64_t a, uint64_t b)
{
    static const uint64_t MOST = SIZE_MAX / 64;

    if (a > 0 && b > MOST / a)
        return false;
    *words += a * b;
    return *words <= MOST;
}

uint64_t oqt__checkpoint_length(uint64_t words)
{
    return (words + BLOCK - 1) / BLOCK * BLOCK + BLOCK;
}

static uint64_t hash_of(const void *data, size_t length)
{
    oqt__hash hash;

    oqt__hash_init(&hash);
    oqt__hash_add(&hash, data, length);
    return oqt__hash_value(&hash);
}

oqt_status oqt__checkpoint_write(const char *path, uint64_t *words, uint64_t length,
                                 const oqt__checkpoint *expect, oqt_error *err)
{
    size_t bytes = (size_t)length * sizeof *words;

    words[0] = expect->kind;
    words[1] = expect->version;
    words[2] = bytes;
    words[length - BLOCK] = hash_of(words, bytes - BLOCK * sizeof *words);
    return oqt__write_file(path, &(oqt__piece){words, bytes}, 1, err);
}

static oqt_status check(const oqt__map *map, const char *path, const oqt__checkpoint *expect, oqt_error *err)
{
    const uint64_t *w = (const uint64_t *)(const void *)map->data;
    size_t n = map->length / sizeof *w;

    if (n < OQT__CHECKPOINT_HEAD + 1 || w[0] != expect->kind)
        return oqt__fail(err, OQT_EFORMAT, "%s is not the file of %s on this kind of machine", path,
                         expect->what);
    if (w[1] != expect->version)
        return oqt__fail(err, OQT_EFORMAT, "%s has format version %llu, expected %llu", path,
                         (unsigned long long)w[1], (unsigned long long)expect->version);
    if (w[2] != map->length || map->length % (BLOCK * sizeof *w) != 0 || n < 2 * BLOCK)
        return oqt__fail(err, OQT_EFORMAT, "%s is cut off or altered: %zu bytes", path, map->length);
    n -= BLOCK;
    if (hash_of(w, n * sizeof *w) != w[n] || w[n + 1] != 0 || w[n + 2] != 0 || w[n + 3] != 0)
        return oqt__fail(err, OQT_EFORMAT, "%s is altered: the checksum does not match", path);
    return OQT_OK;
}

oqt_status oqt__checkpoint_map(oqt__map *out, const char *path, const oqt__checkpoint *expect, oqt_error *err)
{
    oqt__map map = {NULL, 0};
    oqt_status st = oqt__map_file(&map, path, err);

    if (st == OQT_OK)
        st = check(&map, path, expect, err);
    if (st == OQT_OK)
        *out = map;
    else
        oqt__unmap_file(&map);
    return st;
}

void oqt__print_add(oqt__print *print, const double *x, size_t n)
{
    double norm = 0.0;

    for (size_t i = 0; i < n; i++) {
        print->value += x[i] * ((double)(oqt__random_bits(&print->seed) >> 11) * 0x1p-52 - 1.0);
        norm += x[i] * x[i];
    }
    print->scale += sqrt(norm);
}

bool oqt__print_is(const oqt__print *print, double value)
{
    static const double ROUNDING = 1e-10;

    return fabs(print->value - value) <= ROUNDING * print->scale;
}
