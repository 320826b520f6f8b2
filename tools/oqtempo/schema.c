/* schema.c - checked values out of a tree. */
#include "schema.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *describe(char out[QUOTED_SIZE], const struct node *node)
{
    if (node->kind == NODE_LIST)
        return "a list";
    if (node->kind == NODE_MAP)
        return "a mapping";
    if (node->plain && node->text[0] == '\0')
        return "empty";
    return quote(out, node->text);
}

static int wrong(const struct node *node, const char *expected)
{
    char path[PATH_SIZE], found[QUOTED_SIZE];

    return node_fail(node, "%s is %s; expected %s", node_path(path, node), describe(found, node), expected);
}

int missing_key(const struct node *map, const char *key, const char *expected)
{
    char path[PATH_SIZE];

    node_path(path, map);
    return node_fail(map, "%s%s%s is missing; expected %s", path, path[0] ? "." : "", key, expected);
}

/* ---- keys ---- */

static int unknown_key(const struct node *node, const char *const *known)
{
    char path[PATH_SIZE], name[QUOTED_SIZE];
    struct text hint = {0};
    bool top = node->parent->parent == NULL;

    suggest(&hint, node->key, known);
    key_fail(node, "unknown key %s%s%s%s", quote(name, node->key), top ? "" : " in ",
             node_path(path, node->parent), hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}

int check_keys(const struct node *map, const char *const *known, const char *const *planned)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct node *child = map->child[i];
        char path[PATH_SIZE];

        if (known[find_name(child->key, known)])
            continue;
        if (planned && planned[find_name(child->key, planned)])
            return key_fail(child, "%s is not available in this version", node_path(path, child));
        return unknown_key(child, known);
    }
    return CLI_OK;
}

int expect_map(const struct node *node)
{
    return node->kind == NODE_MAP ? CLI_OK : wrong(node, "a mapping, key: value");
}

int expect_list(const struct node *node, const char *of_what)
{
    return node->kind == NODE_LIST ? CLI_OK : wrong(node, of_what);
}

int get_map(struct node **out, struct tree *tree, struct node *map, const char *key, bool optional)
{
    struct node *node = node_get(map, key);

    if (!node && !optional)
        return missing_key(map, key, "a mapping");
    if (!node && !(node = node_add_default(tree, map, key, NULL)))
        return fail_memory();
    *out = node;
    return expect_map(node);
}

int get_section(struct node **out, struct tree *tree, const char *key, bool optional)
{
    return get_map(out, tree, tree->root, key, optional);
}

/* The node of a key, made from `otherwise` where it is missing. */
static int find_or_add(const struct node **out, struct tree *tree, struct node *map, const char *key,
                       const char *otherwise, const char *expected)
{
    *out = node_get(map, key);
    if (*out)
        return CLI_OK;
    if (!otherwise)
        return missing_key(map, key, expected);
    *out = node_add_default(tree, map, key, otherwise);
    return *out ? CLI_OK : fail_memory();
}

/* ---- numbers ---- */

static const char *range_text(enum range range)
{
    switch (range) {
    case POSITIVE:
        return "a number > 0";
    case NOT_NEGATIVE:
        return "a number >= 0";
    case BETWEEN_0_AND_1:
        return "a number > 0 and < 1";
    case ANY_NUMBER:
        break;
    }
    return "a number";
}

static bool in_range(double x, enum range range)
{
    switch (range) {
    case POSITIVE:
        return x > 0.0;
    case NOT_NEGATIVE:
        return x >= 0.0;
    case BETWEEN_0_AND_1:
        return x > 0.0 && x < 1.0;
    case ANY_NUMBER:
        break;
    }
    return true;
}

/* The number at the start of a text, and what follows it. No locale is ever set, so the point is a point. */
static bool leading_number(double *out, const char *text, char **end)
{
    if (*text == '\0' || !strchr("+-.0123456789", *text))
        return false;
    *out = strtod(text, end);
    return *end != text && isfinite(*out);
}

int read_number(double *out, const struct node *node, enum range range)
{
    double x;
    char *end;

    if (node->kind != NODE_SCALAR || !leading_number(&x, node->text, &end) || *end != '\0' ||
        !in_range(x, range))
        return wrong(node, range_text(range));
    *out = x;
    return CLI_OK;
}

/* "a", "a+bi", "bi", "i"; j serves for i. */
static bool parse_complex(oqt_complex *out, const char *text)
{
    oqt_complex z = {0.0, 0.0};
    bool have_re = false;

    for (;;) {
        double x, sign = *text == '-' ? -1.0 : 1.0;
        char *end;

        if (leading_number(&x, text, &end)) {
            text = end;
        } else { /* a bare unit: i, +i, -i */
            x = sign;
            text += *text == '+' || *text == '-';
            if (*text != 'i' && *text != 'j')
                return false;
        }
        if (*text == 'i' || *text == 'j') {
            z.im = x;
            *out = z;
            return text[1] == '\0';
        }
        if (have_re)
            return false;
        z.re = x;
        have_re = true;
        if (*text == '\0') {
            *out = z;
            return true;
        }
        if (*text != '+' && *text != '-')
            return false;
    }
}

int read_complex(oqt_complex *out, const struct node *node)
{
    if (node->kind != NODE_SCALAR || !parse_complex(out, node->text))
        return wrong(node, "a number such as 0.5 or 0.5-0.25i");
    return CLI_OK;
}

int get_number(double *out, struct tree *tree, struct node *map, const char *key, enum range range,
               const char *otherwise)
{
    const struct node *node;
    int code = find_or_add(&node, tree, map, key, otherwise, range_text(range));

    return code ? code : read_number(out, node, range);
}

static bool parse_integer(uint64_t *out, const char *text)
{
    unsigned long long x;
    char *end;

    if (*text < '0' || *text > '9') /* strtoull would take a sign */
        return false;
    errno = 0;
    x = strtoull(text, &end, 10);
    if (errno || *end != '\0')
        return false;
    *out = x;
    return true;
}

static void integer_text(char out[80], uint64_t least, uint64_t most)
{
    snprintf(out, 80, "a whole number from %llu to %llu", (unsigned long long)least,
             (unsigned long long)most);
}

int read_integer(uint64_t *out, const struct node *node, uint64_t least, uint64_t most)
{
    char expected[80];
    uint64_t x;

    integer_text(expected, least, most);
    if (node->kind != NODE_SCALAR || !parse_integer(&x, node->text) || x < least || x > most)
        return wrong(node, expected);
    *out = x;
    return CLI_OK;
}

int get_integer(uint64_t *out, struct tree *tree, struct node *map, const char *key, uint64_t least,
                uint64_t most, const char *otherwise)
{
    const struct node *node;
    char expected[80];
    int code;

    integer_text(expected, least, most);
    code = find_or_add(&node, tree, map, key, otherwise, expected);
    return code ? code : read_integer(out, node, least, most);
}

/* ---- words ---- */

int get_bool(bool *out, struct tree *tree, struct node *map, const char *key, const char *otherwise)
{
    const struct node *node;
    int code = find_or_add(&node, tree, map, key, otherwise, "true or false");

    if (code)
        return code;
    if (node->kind == NODE_SCALAR && strcmp(node->text, "true") == 0) {
        *out = true;
    } else if (node->kind == NODE_SCALAR && strcmp(node->text, "false") == 0) {
        *out = false;
    } else {
        return wrong(node, "true or false");
    }
    return CLI_OK;
}

int get_choice(size_t *out, struct tree *tree, struct node *map, const char *key, const char *const *names,
               const char *const *planned, const char *otherwise)
{
    const struct node *node;
    char path[PATH_SIZE], found[QUOTED_SIZE];
    struct text hint = {0};
    int code = find_or_add(&node, tree, map, key, otherwise, "a name");

    if (code)
        return code;
    if (node->kind == NODE_SCALAR) {
        *out = find_name(node->text, names);
        if (names[*out])
            return CLI_OK;
        if (planned && planned[find_name(node->text, planned)])
            return node_fail(node, "%s \"%s\" is not available in this version", node_path(path, node),
                             node->text);
        suggest(&hint, node->text, names);
    } else {
        suggest(&hint, "", names);
    }
    code = node_fail(node, "%s is %s%s", node_path(path, node), describe(found, node),
                     hint.failed ? "" : hint.data);
    text_release(&hint);
    return code;
}

int get_text(const char **out, const struct node *map, const char *key, const char *expected)
{
    const struct node *node = node_get(map, key);

    if (!node)
        return missing_key(map, key, expected);
    if (node->kind != NODE_SCALAR || node->text[0] == '\0')
        return wrong(node, expected);
    *out = node->text;
    return CLI_OK;
}
