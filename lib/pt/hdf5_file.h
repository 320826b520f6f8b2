/* hdf5_file.h - private: what both formats of files share.
 *
 * HDF5 works in memory only: to read, on a file that is mapped; to write, on an image that goes to
 * oqt__write_file. So no failing disk leaves it with a half-closed file.
 */
#ifndef OQT_PRIV_HDF5_FILE_H
#define OQT_PRIV_HDF5_FILE_H

#include <hdf5.h>

#include "core/file.h"
#include "pt/pt_priv.h"

/** The error printing of HDF5 as it was. */
typedef struct {
    H5E_auto2_t fn;
    void *data;
} oqt__hdf5_guard;

/** What HDF5 does is between enter and leave, one thread at a time and in silence. Take the BLAS guard before
 *  or not at all, so that no two threads wait for each other. */
void oqt__hdf5_enter(oqt__hdf5_guard *guard);
void oqt__hdf5_leave(const oqt__hdf5_guard *guard);

/** The memory HDF5 works in. */
typedef struct {
    unsigned char *data;
    size_t size;
} oqt__hdf5_memory;

/** Open the HDF5 file in these bytes, read-only and without a copy; negative if it is none. Memory and bytes
 *  stay where they are until it is closed. */
hid_t oqt__hdf5_open(oqt__hdf5_memory *memory);

/** Start an HDF5 file in these bytes, zeroed before; all that is written to it has to fit. They hold it once
 * it is closed. All that is in it begins at multiples of `alignment`; HDF5 keeps a list of the gaps and looks
 * through it for each object, so let it be 1 where there are thousands. */
hid_t oqt__hdf5_create(oqt__hdf5_memory *memory, size_t alignment);

/** Files in the layout of OQuPy 0.5. Arguments are checked. */
oqt_status oqt__oqupy_read(oqt_pt **out, const char *path, oqt_error *err);
oqt_status oqt__oqupy_write(const oqt_pt *pt, const char *path, oqt_error *err);

#endif
