/* json.c - writing JSON. */
#include "json.h"

#include <math.h>

/* The comma, the new line and the name before a value. */
static void begin_value(struct json *json, const char *name)
{
    if (json->has_elements)
        text_puts(&json->text, ",");
    if (json->depth > 0)
        text_printf(&json->text, "\n%*s", 2 * json->depth, "");
    if (name) {
        text_add_json_string(&json->text, name);
        text_puts(&json->text, ": ");
    }
    json->has_elements = true;
}

static void begin_group(struct json *json, const char *name, const char *bracket)
{
    begin_value(json, name);
    text_puts(&json->text, bracket);
    json->depth++;
    json->has_elements = false;
}

static void end_group(struct json *json, const char *bracket)
{
    json->depth--;
    if (json->has_elements)
        text_printf(&json->text, "\n%*s", 2 * json->depth, "");
    text_puts(&json->text, bracket);
    json->has_elements = true;
    if (json->depth == 0)
        text_puts(&json->text, "\n");
}

void json_begin_object(struct json *json, const char *name)
{
    begin_group(json, name, "{");
}

void json_end_object(struct json *json)
{
    end_group(json, "}");
}

void json_begin_array(struct json *json, const char *name)
{
    begin_group(json, name, "[");
}

void json_end_array(struct json *json)
{
    end_group(json, "]");
}

void json_string(struct json *json, const char *name, const char *value)
{
    begin_value(json, name);
    text_add_json_string(&json->text, value);
}

void json_number(struct json *json, const char *name, double value)
{
    begin_value(json, name);
    if (isfinite(value)) {
        text_printf(&json->text, "%.17g", value);
    } else {
        text_puts(&json->text, "null");
    }
}

void json_integer(struct json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    text_printf(&json->text, "%llu", (unsigned long long)value);
}

void json_bool(struct json *json, const char *name, bool value)
{
    begin_value(json, name);
    text_puts(&json->text, value ? "true" : "false");
}
