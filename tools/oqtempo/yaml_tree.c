/* yaml_tree.c - nodes that know where they stand: reading, overriding, writing out. */
#include "yaml_tree_priv.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILE_MIB = 16 };

/* ---- nodes ---- */

void node_destroy(struct node *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->n; i++)
        node_destroy(node->child[i]);
    free(node->child);
    free(node->text);
    free(node->key);
    free(node);
}

struct node *node_create(enum node_kind kind, const char *origin, size_t line, size_t column)
{
    struct node *node = calloc(1, sizeof *node);

    if (node) {
        node->kind = kind;
        node->origin = origin;
        node->line = line;
        node->column = column;
    }
    return node;
}

bool node_append(struct node *parent, struct node *child)
{
    if (parent->n == parent->capacity) {
        size_t capacity = parent->capacity ? 2 * parent->capacity : 4;
        struct node **grown = realloc(parent->child, capacity * sizeof *grown);

        if (!grown)
            return false;
        parent->child = grown;
        parent->capacity = capacity;
    }
    parent->child[parent->n++] = child;
    child->parent = parent;
    return true;
}

struct node *node_get(const struct node *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++) {
        if (map->child[i]->key && strcmp(map->child[i]->key, key) == 0)
            return map->child[i];
    }
    return NULL;
}

/* Takes `node` and `key` over. */
static bool attach_key(struct node *map, struct node *node, char *key)
{
    free(node->key);
    node->key = key;
    if (key && node_append(map, node))
        return true;
    node_destroy(node);
    return false;
}

struct node *node_add_default(struct tree *tree, struct node *map, const char *key, const char *text)
{
    struct node *node = node_create(text ? NODE_SCALAR : NODE_MAP, map->origin, map->line, map->column);

    if (!node)
        return NULL;
    node->is_default = true;
    node->plain = true;
    node->key_line = map->line;
    node->key_column = map->column;
    if (text && !(node->text = copy_text(text, strlen(text)))) {
        node_destroy(node);
        return NULL;
    }
    tree->n_nodes++;
    return attach_key(map, node, copy_text(key, strlen(key))) ? node : NULL;
}

void node_remove(struct node *map, struct node *child)
{
    size_t i = 0;

    while (map->child[i] != child)
        i++;
    for (map->n--; i < map->n; i++)
        map->child[i] = map->child[i + 1];
    node_destroy(child);
}

/* Whatever comes from a file has a line. */
bool node_is_set(const struct node *node)
{
    return node->line == 0 && !node->is_default;
}

const char *node_path(char out[PATH_SIZE], const struct node *node)
{
    size_t end = PATH_SIZE - 1; /* filled from the end, as the way goes from the leaf to the root */
    bool last = true;

    out[end] = '\0';
    for (; node->parent; node = node->parent) {
        char number[32];
        const char *name = node->key;
        size_t n;

        if (!name) {
            size_t i = 0;

            while (node->parent->child[i] != node)
                i++;
            snprintf(number, sizeof number, "%zu", i);
            name = number;
        }
        n = strlen(name);
        if (n + 8 > end) {
            memcpy(out + end - 3, "...", 3);
            end -= 3;
            break;
        }
        if (!last)
            out[--end] = '.';
        memcpy(out + end - n, name, n);
        end -= n;
        last = false;
    }
    for (size_t i = end; out[i]; i++) {
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = '?';
    }
    memmove(out, out + end, PATH_SIZE - end);
    return out;
}

int node_fail(const struct node *node, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfail_at(CLI_INPUT, node->origin, node->line, node->column, format, args);
    va_end(args);
    return CLI_INPUT;
}

int key_fail(const struct node *node, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfail_at(CLI_INPUT, node->origin, node->key_line, node->key_column, format, args);
    va_end(args);
    return CLI_INPUT;
}

/* ---- files ---- */

static const char *keep_origin(struct tree *tree, const char *text)
{
    char **grown = realloc(tree->origin, (tree->n_origins + 1) * sizeof *grown);
    char *copy;

    if (!grown)
        return NULL;
    tree->origin = grown;
    copy = copy_text(text, strlen(text));
    if (copy)
        tree->origin[tree->n_origins++] = copy;
    return copy;
}

static int read_stream(struct text *out, FILE *file, const char *path)
{
    const size_t limit = (size_t)MAX_FILE_MIB << 20;
    char buffer[16384];
    struct stat facts;
    size_t n;

    if (fstat(fileno(file), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > (off_t)limit)
        return fail_at(CLI_INPUT, path, 1, 1, "the file is larger than %d MiB; expected an input file",
                       MAX_FILE_MIB);
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        text_add(out, buffer, n);
        if (out->failed)
            return fail_memory();
        if (out->length > limit)
            return fail_at(CLI_INPUT, path, 1, 1, "the file is larger than %d MiB; expected an input file",
                           MAX_FILE_MIB);
    }
    if (ferror(file))
        return fail_at(CLI_FILE, path, 0, 0, "cannot be read: %s", strerror(errno));
    return CLI_OK;
}

int tree_read(struct tree *out, const char *path)
{
    struct text bytes = {0};
    struct tree tree = {0};
    const char *origin = keep_origin(&tree, path);
    FILE *file = fopen(path, "rb");
    int code;

    if (!origin) {
        code = fail_memory();
    } else if (!file) {
        code = fail_at(CLI_FILE, path, 0, 0, "cannot be read: %s", strerror(errno));
    } else {
        code = read_stream(&bytes, file, path);
    }
    if (code == CLI_OK)
        code = yaml_parse(&tree.root, &tree, origin, true, bytes.data ? bytes.data : "", bytes.length);
    if (code == CLI_OK && !tree.root)
        code = fail_at(CLI_INPUT, path, 1, 1, "the file is empty; expected a mapping such as \"time: ...\"");
    if (code == CLI_OK && tree.root->kind != NODE_MAP)
        code = node_fail(tree.root, "the file holds %s; expected a mapping such as \"time: ...\"",
                         tree.root->kind == NODE_LIST ? "a list" : "one text");
    if (file)
        fclose(file);
    text_release(&bytes);
    if (code == CLI_OK) {
        *out = tree;
    } else {
        tree_release(&tree);
    }
    return code;
}

void tree_release(struct tree *tree)
{
    node_destroy(tree->root);
    for (size_t i = 0; i < tree->n_origins; i++)
        free(tree->origin[i]);
    free(tree->origin);
    *tree = (struct tree){0};
}

/* ---- --set ---- */

/* The element of a list or mapping that a part of a path names, or NULL. */
static struct node *step_into(const struct node *node, const char *part)
{
    char *end;
    unsigned long long i;

    if (node->kind == NODE_MAP)
        return node_get(node, part);
    if (node->kind != NODE_LIST || part[0] < '0' || part[0] > '9')
        return NULL;
    i = strtoull(part, &end, 10);
    return *end == '\0' && i < node->n ? node->child[i] : NULL;
}

/* Put a new mapping or scalar (taken over) under a key. */
static int put_key(struct node *map, struct node *node, const char *key)
{
    if (!node)
        return fail_memory();
    return attach_key(map, node, copy_text(key, strlen(key))) ? CLI_OK : fail_memory();
}

/* Walk the parts of `path` (cut up on the way), then put `value`, which is taken over. */
static int put_value(struct tree *tree, char *path, const char *origin, struct node *value)
{
    struct node *at = tree->root;
    char *part = path, *next;
    int code = CLI_OK;

    for (; code == CLI_OK; part = next) {
        struct node *inside = NULL;
        char name[QUOTED_SIZE], where[PATH_SIZE];

        next = strchr(part, '.');
        if (next)
            *next++ = '\0';
        if (*part == '\0') {
            code = fail_at(CLI_INPUT, origin, 0, 0, "a part of the key is empty; expected KEY=VALUE");
        } else if (!(inside = step_into(at, part)) && at->kind != NODE_MAP) {
            code = fail_at(CLI_INPUT, origin, 0, 0, "%s is %s and has no element %s", node_path(where, at),
                           at->kind == NODE_LIST ? "a list" : "a scalar", quote(name, part));
        } else if (next && !inside) {
            inside = node_create(NODE_MAP, origin, 0, 0);
            code = put_key(at, inside, part);
        } else if (next) {
            /* go on inside */
        } else if (!inside) {
            return put_key(at, value, part);
        } else if (inside->kind != NODE_SCALAR) {
            code = fail_at(CLI_INPUT, origin, 0, 0, "%s is %s; only scalars can be set",
                           node_path(where, inside), inside->kind == NODE_LIST ? "a list" : "a mapping");
        } else {
            free(inside->text);
            inside->text = value->text;
            value->text = NULL;
            inside->plain = value->plain;
            inside->origin = origin;
            inside->line = inside->key_line = 0;
            break;
        }
        at = inside;
    }
    node_destroy(value);
    return code;
}

int tree_set(struct tree *tree, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    const char *origin = NULL;
    struct node *value = NULL;
    char *label = NULL, *path = NULL;
    int code;

    if (!equals || equals == assignment)
        return fail_at(CLI_INPUT, "--set", 0, 0, "%s is not of the form KEY=VALUE", assignment);
    path = copy_text(assignment, (size_t)(equals - assignment));
    if (path && (label = format_text("--set %s", path)))
        origin = keep_origin(tree, label);
    free(label);
    if (!origin) {
        free(path);
        return fail_memory();
    }
    code = yaml_parse(&value, tree, origin, false, equals + 1, strlen(equals + 1));
    if (code == CLI_OK && (!value || value->kind != NODE_SCALAR)) {
        char text[QUOTED_SIZE];

        code =
            fail_at(CLI_INPUT, origin, 0, 0, "the value is %s; expected a scalar", quote(text, equals + 1));
    }
    if (code == CLI_OK) {
        code = put_value(tree, path, origin, value);
        value = NULL;
    }
    node_destroy(value);
    free(path);
    return code;
}

/* ---- back to text ---- */

static bool has_mapping(const struct node *node)
{
    if (node->kind == NODE_MAP)
        return true;
    for (size_t i = 0; i < node->n; i++) {
        if (has_mapping(node->child[i]))
            return true;
    }
    return false;
}

static void add_flow(struct text *out, const struct node *node)
{
    if (node->kind == NODE_SCALAR) {
        if (node->plain && !strpbrk(node->text, "\n\t")) {
            text_puts(out, node->text);
        } else {
            text_add_json_string(out, node->text);
        }
        return;
    }
    text_puts(out, "[");
    for (size_t i = 0; i < node->n; i++) {
        if (i)
            text_puts(out, ", ");
        add_flow(out, node->child[i]);
    }
    text_puts(out, "]");
}

static void flatten(struct facts *out, const struct node *node)
{
    struct text value = {0};
    char path[PATH_SIZE];

    if (has_mapping(node)) {
        for (size_t i = 0; i < node->n; i++)
            flatten(out, node->child[i]);
        return;
    }
    add_flow(&value, node);
    if (value.failed) {
        out->failed = true;
    } else {
        facts_add(out, node_path(path, node), "%s", value.data);
    }
    text_release(&value);
}

void tree_flatten(struct facts *out, const struct tree *tree)
{
    flatten(out, tree->root);
}
