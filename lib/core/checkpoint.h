/* checkpoint.h - private: the frame of files in which runs are kept, and numbers that tell one run from
 * another.
 *
 * A file is 64-bit words in the order of this machine. The first three are a number of the kind of run, the
 * version of its format and the length of the file in bytes. Behind what the run keeps come zeros up to a
 * multiple of 4 words, the hash of all that, and three zeros.
 */
#ifndef OQT_PRIV_CHECKPOINT_H
#define OQT_PRIV_CHECKPOINT_H

#include "core/file.h"

/** The words before those of the run. */
enum { OQT__CHECKPOINT_HEAD = 3 };

/** What a run expects of its files. */
typedef struct {
    uint64_t kind, version; /* kind: reads otherwise on a machine of other byte order */
    const char *what;       /* "a run of TEMPO"                                       */
} oqt__checkpoint;

/** *words += a b; false if that is no size of a file. */
bool oqt__checkpoint_add(uint64_t *words, uint64_t a, uint64_t b);

/** Words of the file for `words` of head and run. */
uint64_t oqt__checkpoint_length(uint64_t words);

/** Write a file from oqt__checkpoint_length words, of which head and end are filled in: aside, then renamed.
 */
oqt_status oqt__checkpoint_write(const char *path, uint64_t *words, uint64_t length,
                                 const oqt__checkpoint *expect, oqt_error *err);

/** Map a file whose head and hash are right: OQT_EFORMAT otherwise, and as oqt__map_file. */
oqt_status oqt__checkpoint_map(oqt__map *out, const char *path, const oqt__checkpoint *expect,
                               oqt_error *err);

/** Tells one array from another, to rounding, by its product with random numbers. Start with zeros. */
typedef struct {
    double value, scale; /* scale: the size of numbers that went in */
    uint64_t seed;
} oqt__print;

void oqt__print_add(oqt__print *print, const double *x, size_t n);

/** Whether another print has this value, up to what other processors round otherwise. */
bool oqt__print_is(const oqt__print *print, double value);

#endif
