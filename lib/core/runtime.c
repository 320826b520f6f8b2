/* runtime.c - version and what the process runs on. */
#include "core/blas_control.h"
#include "core/core.h"

#include <oqtempo/version.h>

#include "config.h"

const char *oqt_version(void)
{
    return OQT_VERSION;
}

void oqt_get_runtime(oqt_runtime *out)
{
    const oqt__blas_control *blas = oqt__blas_control_get();

    *out = (oqt_runtime){
        .version = OQT_VERSION,
#ifdef OQT_HAVE_OPENMP
        .threading = "openmp",
#else
        .threading = "serial",
#endif
        .max_threads = oqt__threads(0, SIZE_MAX),
        .blas = blas->name,
        .blas_kind = blas->kind,
        .blas_threads = blas->get_threads ? blas->get_threads() : 0,
#ifdef OQT_HAVE_HDF5
        .hdf5 = 1,
#else
        .hdf5 = 0,
#endif
    };
}
