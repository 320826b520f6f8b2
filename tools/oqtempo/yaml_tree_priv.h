/* yaml_tree_priv.h - what the two sources of the tree share. */
#ifndef CLI_YAML_TREE_PRIV_H
#define CLI_YAML_TREE_PRIV_H

#include "yaml_tree.h"

void node_destroy(struct node *node);
/** A node without text or children; NULL if out of memory. */
struct node *node_create(enum node_kind kind, const char *origin, size_t line, size_t column);
/** False if out of memory; the child is then still the caller's. */
bool node_append(struct node *parent, struct node *child);

/**
 * Build the nodes of a text.
 *
 * @param[out] root     the first node, or NULL if there is none; the caller's also on failure
 * @param[in]  located  lines and columns of the text mean something to the user
 */
int yaml_parse(struct node **root, struct tree *tree, const char *origin, bool located, const char *bytes,
               size_t n);

#endif
