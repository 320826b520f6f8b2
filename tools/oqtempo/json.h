/* json.h - writing JSON. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "text.h"

#include <stdint.h>

/** JSON being written; starts as {0}. Names are NULL for elements of arrays and the outermost value. */
struct json {
    struct text text;
    int depth;
    bool has_elements;
};

void json_begin_object(struct json *json, const char *name);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *name);
void json_end_array(struct json *json);
void json_string(struct json *json, const char *name, const char *value);
/** %.17g; what is not finite becomes null. */
void json_number(struct json *json, const char *name, double value);
void json_integer(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);

#endif
