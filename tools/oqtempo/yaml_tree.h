/* yaml_tree.h - an input file as a tree of nodes that know where they stand.
 *
 * One document of plain YAML: no anchors, aliases or tags, no repeated keys, and limits on size and depth, so
 * that reading a file costs no more than its length. */
#ifndef CLI_YAML_TREE_H
#define CLI_YAML_TREE_H

#include "text.h"

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    bool plain;          /* a scalar without quotes                              */
    bool is_default;     /* not in the input: put in for a key that was left out */
    const char *origin;  /* the file, or "--set KEY"; borrowed from the tree     */
    size_t line, column; /* from 1; 0 if it has none                            */
    char *text;          /* of a scalar, else NULL                              */
    char *key;           /* in the parent, if that is a mapping, else NULL      */
    size_t key_line, key_column;
    struct node *parent;
    size_t n, capacity; /* children of a list or mapping */
    struct node **child;
};

struct tree {
    struct node *root;
    size_t n_nodes;
    char **origin; /* texts that nodes borrow */
    size_t n_origins;
};

/** Read a file; its root is a mapping. */
int tree_read(struct tree *out, const char *path);

/**
 * Apply "KEY=VALUE": KEY is a dotted path, with numbers for list elements; VALUE is a YAML scalar. Replaces a
 * scalar, or adds one together with the mappings on the way to it.
 */
int tree_set(struct tree *tree, const char *assignment);

/** Free a tree; {0} is fine. */
void tree_release(struct tree *tree);

/** The value of a key, or NULL. */
struct node *node_get(const struct node *map, const char *key);

/** Put a scalar, or with text NULL an empty mapping, for a key that was left out. NULL if out of memory. */
struct node *node_add_default(struct tree *tree, struct node *map, const char *key, const char *text);

/** Remove a value of a mapping and free it. */
void node_remove(struct node *map, struct node *child);

/** Whether --set gave the value. */
bool node_is_set(const struct node *node);

/** Print a message that begins with the place of a node, or with that of its key; returns CLI_INPUT. */
int node_fail(const struct node *node, const char *format, ...) PRINTF_LIKE(2, 3);
int key_fail(const struct node *node, const char *format, ...) PRINTF_LIKE(2, 3);

enum { PATH_SIZE = 192 };

/** The dotted path of a node, such as baths.0.temperature; shortened if very long. Returns `out`. */
const char *node_path(char out[PATH_SIZE], const struct node *node);

/** Every scalar as a fact named by its path; a list without mappings inside is one fact. */
void tree_flatten(struct facts *out, const struct tree *tree);

#endif
