/* options.c - options of callers that were compiled for an earlier version. */
#include "core/core.h"

#include <string.h>

oqt_status oqt__options_read(void *out, const void *given, const void *defaults, size_t first, size_t size,
                             const char *what, oqt_error *err)
{
    size_t n = size;

    if (given)
        memcpy(&n, given, sizeof n);
    if (n < first)
        return oqt__fail(err, OQT_EINVAL, "%s options of %zu bytes, at least %zu expected", what, n, first);
    if (n > size)
        return oqt__fail(err, OQT_EINVAL,
                         "%s options of %zu bytes are of a later version, this one knows %zu", what, n, size);
    memcpy(out, defaults, size);
    if (given)
        memcpy(out, given, n);
    memcpy(out, &size, sizeof size);
    return OQT_OK;
}
