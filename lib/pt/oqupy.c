/* oqupy.c - process tensors in the HDF5 layout of OQuPy. */
#include "pt/hdf5_file.h"

oqt_status oqt__oqupy_read(oqt_pt **out, const char *path, oqt_error *err)
{
    (void)out;
    return oqt__fail(err, OQT_EUNSUPPORTED, "%s: files of OQuPy cannot be read by this version", path);
}

oqt_status oqt__oqupy_write(const oqt_pt *pt, const char *path, oqt_error *err)
{
    (void)pt;
    return oqt__fail(err, OQT_EUNSUPPORTED, "%s: files of OQuPy cannot be written by this version", path);
}
