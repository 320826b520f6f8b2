/* yaml_parse.c - from the events of libyaml to nodes. */
#include "yaml_tree_priv.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum {
    MAX_DEPTH = 32,
    MAX_NODES = 200000, /* a matrix of 400 x 400 fits              */
    MAX_KEYS = 2000     /* of one mapping; looking for repeats is quadratic */
};

struct builder {
    struct tree *tree;
    const char *origin;
    bool located; /* lines and columns mean something */
    struct node *root, *open;
    char *key; /* read, its value not yet */
    size_t key_line, key_column;
    size_t depth;
    bool had_document;
};

static int fail_mark(const struct builder *b, yaml_mark_t mark, const char *format, ...) PRINTF_LIKE(3, 4);

static int fail_mark(const struct builder *b, yaml_mark_t mark, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfail_at(CLI_INPUT, b->origin, b->located ? mark.line + 1 : 0, mark.column + 1, format, args);
    va_end(args);
    return CLI_INPUT;
}

static int take_key(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    char name[QUOTED_SIZE];

    if (b->open->n >= MAX_KEYS)
        return fail_mark(b, event->start_mark, "a mapping has more than %d keys", MAX_KEYS);
    for (size_t i = 0; i < b->open->n; i++) {
        if (strcmp(b->open->child[i]->key, text) == 0)
            return fail_mark(b, event->start_mark, "key %s is given twice; first in line %zu",
                             quote(name, text), b->open->child[i]->key_line);
    }
    b->key = copy_text(text, event->data.scalar.length);
    b->key_line = b->located ? event->start_mark.line + 1 : 0;
    b->key_column = event->start_mark.column + 1;
    return b->key ? CLI_OK : fail_memory();
}

static int add_node(struct builder *b, enum node_kind kind, const yaml_event_t *event)
{
    struct node *node;

    if (++b->tree->n_nodes > MAX_NODES)
        return fail_mark(b, event->start_mark, "the file has more than %d values", MAX_NODES);
    node = node_create(kind, b->origin, b->located ? event->start_mark.line + 1 : 0,
                       event->start_mark.column + 1);
    if (!node)
        return fail_memory();
    if (kind == NODE_SCALAR) {
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text = copy_text((const char *)event->data.scalar.value, event->data.scalar.length);
        if (!node->text) {
            node_destroy(node);
            return fail_memory();
        }
    }
    node->key = b->key;
    node->key_line = b->key_line;
    node->key_column = b->key_column;
    b->key = NULL;
    if (!b->open) {
        b->root = node;
    } else if (!node_append(b->open, node)) {
        node_destroy(node);
        return fail_memory();
    }
    if (kind != NODE_SCALAR) {
        b->open = node;
        if (++b->depth > MAX_DEPTH)
            return fail_mark(b, event->start_mark, "more than %d lists and mappings inside each other",
                             MAX_DEPTH);
    }
    return CLI_OK;
}

static int take_scalar(struct builder *b, const yaml_event_t *event)
{
    if (strlen((const char *)event->data.scalar.value) != event->data.scalar.length)
        return fail_mark(b, event->start_mark, "a text contains a zero byte");
    if (b->open && b->open->kind == NODE_MAP && !b->key)
        return take_key(b, event);
    return add_node(b, NODE_SCALAR, event);
}

static int take_collection(struct builder *b, enum node_kind kind, const yaml_event_t *event)
{
    if (b->open && b->open->kind == NODE_MAP && !b->key)
        return fail_mark(b, event->start_mark, "a key is %s; expected a name",
                         kind == NODE_LIST ? "a list" : "a mapping");
    return add_node(b, kind, event);
}

static int refuse(const struct builder *b, const yaml_event_t *event, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (anchor)
        return fail_mark(b, event->start_mark, "anchors (&name) are not accepted; write the value out");
    if (tag)
        return fail_mark(b, event->start_mark, "tags (!name) are not accepted; write the plain value");
    return CLI_OK;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
    int code;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (b->had_document)
            return fail_mark(b, event->start_mark, "a second document begins; expected only one");
        b->had_document = true;
        return CLI_OK;
    case YAML_ALIAS_EVENT:
        return fail_mark(b, event->start_mark, "aliases (*name) are not accepted; write the value out");
    case YAML_SCALAR_EVENT:
        code = refuse(b, event, event->data.scalar.anchor, event->data.scalar.tag);
        return code ? code : take_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        code = refuse(b, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
        return code ? code : take_collection(b, NODE_LIST, event);
    case YAML_MAPPING_START_EVENT:
        code = refuse(b, event, event->data.mapping_start.anchor, event->data.mapping_start.tag);
        return code ? code : take_collection(b, NODE_MAP, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->open = b->open->parent;
        b->depth--;
        return CLI_OK;
    default:
        return CLI_OK;
    }
}

/* The place of a byte: libyaml gives only its offset if the bytes are not text at all. */
static yaml_mark_t mark_of_offset(const char *bytes, size_t n, size_t offset)
{
    yaml_mark_t mark = {offset, 0, 0};

    for (size_t i = 0; i < offset && i < n; i++) {
        mark.column++;
        if (bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int fail_parser(const struct builder *b, const yaml_parser_t *parser, const char *bytes, size_t n)
{
    const char *problem = parser->problem ? parser->problem : "cannot be read";

    if (parser->error == YAML_MEMORY_ERROR)
        return fail_memory();
    if (parser->error == YAML_READER_ERROR)
        return fail_mark(b, mark_of_offset(bytes, n, parser->problem_offset), "not YAML text: %s", problem);
    return fail_mark(b, parser->problem_mark, "not valid YAML: %s%s%s", problem, parser->context ? " " : "",
                     parser->context ? parser->context : "");
}

int yaml_parse(struct node **root, struct tree *tree, const char *origin, bool located, const char *bytes,
               size_t n)
{
    struct builder b = {.tree = tree, .origin = origin, .located = located};
    yaml_parser_t parser;
    bool done = false;
    int code = CLI_OK;

    if (!yaml_parser_initialize(&parser))
        return fail_memory();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, n);
    while (!done && code == CLI_OK) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            code = fail_parser(&b, &parser, bytes, n);
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        code = take_event(&b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    free(b.key);
    *root = b.root;
    return code;
}
