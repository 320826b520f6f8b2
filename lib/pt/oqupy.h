/* oqupy.h - private to pt: files in the layout of OQuPy. */
#ifndef OQT_PRIV_OQUPY_H
#define OQT_PRIV_OQUPY_H

#include "core/file.h"
#include "pt/pt_priv.h"

/** Read the bytes of such a file; path is for messages. */
oqt_status oqt__oqupy_parse(oqt_pt **out, const oqt__map *map, const char *path, oqt_error *err);

#endif
