/* schema.h - checked values out of a tree. Every function prints a located message when it fails. */
#ifndef CLI_SCHEMA_H
#define CLI_SCHEMA_H

#include "yaml_tree.h"

#include <stdint.h>

/** Which numbers are accepted; all are finite. */
enum range { ANY_NUMBER, POSITIVE, NOT_NEGATIVE, BETWEEN_0_AND_1 };

/** Refuse keys that are in neither list. Those of `planned`, which may be NULL, are refused as not available
 *  in this version. Lists end with NULL. */
int check_keys(const struct node *map, const char *const *known, const char *const *planned);

/** Refuse a node that is not a mapping or not a list. */
int expect_map(const struct node *node);
int expect_list(const struct node *node, const char *of_what);

/** The mapping under a key of the root. Missing: an empty one if `optional`, else an error. */
int get_section(struct node **out, struct tree *tree, const char *key, bool optional);
/** The same under a key of a mapping. */
int get_map(struct node **out, struct tree *tree, struct node *map, const char *key, bool optional);

/** A node as a number, a whole number or a complex number such as 0.5-0.25i. */
int read_number(double *out, const struct node *node, enum range range);
int read_integer(uint64_t *out, const struct node *node, uint64_t least, uint64_t most);
int read_complex(oqt_complex *out, const struct node *node);

/* Values of keys. `otherwise` is put into the tree for a missing key; if it is NULL the key must be there. */
int get_number(double *out, struct tree *tree, struct node *map, const char *key, enum range range,
               const char *otherwise);
int get_integer(uint64_t *out, struct tree *tree, struct node *map, const char *key, uint64_t least,
                uint64_t most, const char *otherwise);
int get_bool(bool *out, struct tree *tree, struct node *map, const char *key, const char *otherwise);
/** Position of a word in `names`; those of `planned` are refused as not available in this version. */
int get_choice(size_t *out, struct tree *tree, struct node *map, const char *key, const char *const *names,
               const char *const *planned, const char *otherwise);
/** A scalar that is not empty; the text belongs to the tree. */
int get_text(const char **out, const struct node *map, const char *key, const char *expected);

/** Say that a key is missing. */
int missing_key(const struct node *map, const char *key, const char *expected);

/** What a node is, for messages: its text in quotes, "a list", "a mapping", "empty". Returns `out`. */
const char *describe(char out[QUOTED_SIZE], const struct node *node);

#endif
