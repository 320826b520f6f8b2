/* file.h - private: whole files, mapped for reading and written aside. */
#ifndef OQT_PRIV_FILE_H
#define OQT_PRIV_FILE_H

#include "core/core.h"

/** A file that is mapped into memory to be read. What another program changes in it meanwhile changes here,
 * and what it cuts off ends this process when it is touched. */
typedef struct {
    const unsigned char *data; /* NULL: none */
    size_t length;
} oqt__map;

/** Map a file: OQT_EIO if it cannot be read, OQT_EFORMAT if it is empty, OQT_ERANGE, OQT_ENOMEM. */
oqt_status oqt__map_file(oqt__map *out, const char *path, oqt_error *err);
void oqt__unmap_file(oqt__map *map);

/** Bytes of a file to be written. */
typedef struct {
    const void *data;
    size_t length;
} oqt__piece;

/** Write n pieces one behind the other, beside `path`, and rename that to it once it is on the disk. */
oqt_status oqt__write_file(const char *path, const oqt__piece *piece, size_t n, oqt_error *err);

/** XXH64 with seed 0, of data whose length is a positive multiple of 32 bytes (Y. Collet, xxHash
 * specification 0.1.1). No protection against intent. */
typedef struct {
    uint64_t lane[4], length;
} oqt__hash;

void oqt__hash_init(oqt__hash *hash);
/** More data; `length` is a multiple of 32. */
void oqt__hash_add(oqt__hash *hash, const void *data, size_t length);
uint64_t oqt__hash_value(const oqt__hash *hash);

#endif
