/* status.c - status codes, failure text, progress. */
#include "core/core.h"

#include <stdarg.h>
#include <stdio.h>

const char *oqt_status_text(oqt_status status)
{
    switch (status) {
#define X(name, value, text)                                                                                 \
    case name:                                                                                               \
        return text;
        OQT_STATUS_LIST(X)
#undef X
    }
    return "unknown status";
}

oqt_status oqt__fail(oqt_error *err, oqt_status code, const char *format, ...)
{
    if (err) {
        va_list args;

        err->code = code;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

oqt_status oqt__no_memory(oqt_error *err, const char *what)
{
    return oqt__fail(err, OQT_ENOMEM, "out of memory for %s", what);
}

oqt_status oqt__progress(const oqt_progress *progress, const char *phase, double fraction, oqt_error *err)
{
    if (progress->fn && progress->fn(phase, fraction, progress->ctx) != 0)
        return oqt__fail(err, OQT_ECANCELED, "canceled at %.0f %% of phase \"%s\"", 100.0 * fraction, phase);
    return OQT_OK;
}
