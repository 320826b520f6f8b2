/* hdf5_scan.h - private: data sets of a foreign HDF5 file, found in its bytes without HDF5.
 *
 * See hdf5_scan.c for why, and for what there can be in such a file.
 */
#ifndef OQT_PRIV_HDF5_SCAN_H
#define OQT_PRIV_HDF5_SCAN_H

#include "core/file.h"

/** Types of elements, little-endian. */
typedef enum {
    OQT__SCAN_INT,     /* 32 bit                                      */
    OQT__SCAN_DOUBLE,  /* 64 bit                                      */
    OQT__SCAN_COMPLEX, /* two doubles, r and i                        */
    OQT__SCAN_INTS,    /* sequences of any length of one of the above */
    OQT__SCAN_COMPLEXES
} oqt__scan_type;

/** A data set in a file. */
typedef struct {
    const oqt__map *file;
    oqt__scan_type type;
    size_t rank, size[2]; /* of rank 1 or 2                                       */
    size_t n;             /* elements in all, not more than the file has room for */
    bool chunked;         /* then of rank 1                                       */
    size_t at;            /* of the elements, or of the tree of chunks            */
    size_t chunk;         /* elements in a chunk                                  */
} oqt__scan_set;

/** Whether the bytes are those of an HDF5 file. */
bool oqt__scan_is_hdf5(const oqt__map *file);

/** The data set of that name in the root group, if there is one of that type. */
bool oqt__scan_open(oqt__scan_set *set, const oqt__map *file, const char *name, oqt__scan_type type);

/** Whether the root group has that name. */
bool oqt__scan_has(const oqt__map *file, const char *name);

/** The bytes of element i < n; NULL if they are not all in the file. Of a sequence, use the next one. */
const unsigned char *oqt__scan_element(const oqt__scan_set *set, size_t i);

/** The bytes of sequence i < n, of `length` elements, and NULL if they are not all in the file. */
const unsigned char *oqt__scan_sequence(size_t *length, const oqt__scan_set *set, size_t i);

int32_t oqt__scan_int(const unsigned char *p);
double oqt__scan_double(const unsigned char *p);

#endif
