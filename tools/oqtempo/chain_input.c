/* chain_input.c - the section `chain` of an input file, and states and observables of chains. */
#include "input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 10000, MAX_SITE_DIMENSION = 32, MAX_PAIRED = 128 };

struct space chain_space(const struct chain_input *chain, bool of_bond, size_t place)
{
    return (struct space){chain->d[place], of_bond ? chain->d[place + 1] : 0};
}

/* ---- numbers of sites and bonds ---- */

void places_release(struct places *places)
{
    free(places->at);
    *places = (struct places){0};
}

/* Each but once: a bath, a control or a term would be there twice. */
static int check_distinct(const struct places *places, const struct node *node, size_t count)
{
    bool *seen = calloc(count, sizeof *seen);
    char path[PATH_SIZE];
    int code = seen ? CLI_OK : fail_memory();

    for (size_t i = 0; i < places->n && !code; i++) {
        if (seen[places->at[i]])
            code = node_fail(node, "%s names %zu twice; expected distinct numbers", node_path(path, node),
                             places->at[i]);
        seen[places->at[i]] = true;
    }
    free(seen);
    return code;
}

int places_read(struct places *out, const struct node *node, size_t count)
{
    bool all = node->kind == NODE_SCALAR && strcmp(node->text, "all") == 0, list = node->kind == NODE_LIST;
    struct places places = {.n = all ? count : list ? node->n : 1};
    char path[PATH_SIZE];
    int code = CLI_OK;

    if (places.n == 0)
        return node_fail(node, "%s is an empty list; expected whole numbers from 0 to %zu",
                         node_path(path, node), count - 1);
    if (!(places.at = malloc(places.n * sizeof *places.at)))
        return fail_memory();
    for (size_t i = 0; i < places.n && code == CLI_OK; i++) {
        uint64_t x = i;

        if (!all)
            code = read_integer(&x, list ? node->child[i] : node, 0, count - 1);
        places.at[i] = (size_t)x;
    }
    if (!code)
        code = check_distinct(&places, node, count);
    if (code) {
        places_release(&places);
    } else {
        *out = places;
    }
    return code;
}

/* ---- terms of sites and bonds ---- */

/* An element of the list `sites` or `bonds`. */
struct entry {
    struct node *map;
    struct places places;
};

/* Sites, or bonds, and what is said about them. */
struct part {
    bool of_bond;
    const char *key, *every; /* the list, and the Hamiltonian of every one */
    const char *place;       /* the key that tells which of them           */
    size_t count;
    const struct node *common; /* NULL if there is none */
    size_t n;
    struct entry *entry;
};

static int read_entry(struct entry *out, const struct part *part, struct node *map)
{
    const char *keys[] = {part->place, "hamiltonian", "drive", "dissipators", NULL};
    const struct node *place;
    int code;

    if ((code = expect_map(map)) || (code = check_keys(map, keys, NULL)))
        return code;
    if (!(place = node_get(map, part->place)))
        return missing_key(map, part->place, "a number, a list of them, or all");
    out->map = map;
    return places_read(&out->places, place, part->count);
}

static bool contains(const struct places *places, size_t place)
{
    for (size_t i = 0; i < places->n; i++) {
        if (places->at[i] == place)
            return true;
    }
    return false;
}

/* The Hamiltonian of one place: that of the last entry which has one, else that of all. */
static int create_system(oqt_system **out, const struct input *in, const struct part *part, size_t place)
{
    struct space space = chain_space(&in->chain, part->of_bond, place);
    const struct node *node = part->common;
    struct matrix matrix = {0};
    oqt_error err;
    int code;

    for (size_t i = 0; i < part->n; i++) {
        const struct node *own = node_get(part->entry[i].map, "hamiltonian");

        if (own && contains(&part->entry[i].places, place))
            node = own;
    }
    code = node ? space_operator_read_hermitian(&matrix, node, space)
                : matrix_create(&matrix, space_dimension(space));
    if (code == CLI_OK && oqt_system_create(out, matrix.d, matrix.element, &err) != OQT_OK) {
        node_fail(node ? node : in->tree.root, "chain: %s", err.text);
        code = exit_code_of(err.code);
    }
    matrix_release(&matrix);
    return code;
}

static int add_place(struct input *in, const struct part *part, size_t place, const char *path)
{
    struct space space = chain_space(&in->chain, part->of_bond, place);
    oqt_system *system = NULL;
    oqt_error err;
    oqt_status st;
    int code = create_system(&system, in, part, place);

    for (size_t i = 0; i < part->n && code == CLI_OK; i++) {
        if (contains(&part->entry[i].places, place))
            code = terms_read(system, in, space, part->entry[i].map, path);
    }
    if (code == CLI_OK) {
        st = (part->of_bond ? oqt_chain_add_bond : oqt_chain_add_site)(in->chain.chain, place, system, &err);
        if (st != OQT_OK)
            code = fail_at(exit_code_of(st), in->tree.root->origin, 0, 0, "chain: %s", err.text);
    }
    oqt_system_destroy(system);
    return code;
}

static int read_part(struct input *in, struct part *part, const struct node *map, const char *path)
{
    const struct node *list = node_get(map, part->key);
    int code = list ? expect_list(list, "a list of mappings") : CLI_OK;

    if (code)
        return code;
    part->common = node_get(map, part->every);
    if (!(part->entry = calloc((list ? list->n : 0) + 1, sizeof *part->entry)))
        return fail_memory();
    for (size_t i = 0; list && i < list->n && code == CLI_OK; i++)
        code = read_entry(&part->entry[part->n++], part, list->child[i]);
    for (size_t i = 0; (part->common || part->n > 0) && i < part->count && code == CLI_OK; i++)
        code = add_place(in, part, i, path);
    for (size_t i = 0; i < part->n; i++)
        places_release(&part->entry[i].places);
    free(part->entry);
    return code;
}

/* ---- the chain ---- */

/* A number for every site, or a list of numbers. */
static int read_dimensions(struct input *in, struct node *map)
{
    struct chain_input *chain = &in->chain;
    struct node *node = node_get(map, "dimensions");
    char path[PATH_SIZE];
    uint64_t d = 2;
    int code = CLI_OK;

    if (!(chain->d = malloc(chain->n * sizeof *chain->d)))
        return fail_memory();
    if (node && node->kind == NODE_LIST && node->n != chain->n)
        return node_fail(node, "%s has %zu elements; expected %zu, one for each site", node_path(path, node),
                         node->n, chain->n);
    if (!node || node->kind != NODE_LIST)
        code = get_integer(&d, &in->tree, map, "dimensions", 2, MAX_SITE_DIMENSION, "2");
    for (size_t i = 0; i < chain->n && code == CLI_OK; i++) {
        if (node && node->kind == NODE_LIST)
            code = read_integer(&d, node->child[i], 2, MAX_SITE_DIMENSION);
        chain->d[i] = (size_t)d;
    }
    return code;
}

int chain_read(struct input *in, const char *path)
{
    static const char *const keys[] = {
        "length", "dimensions", "site_hamiltonian", "bond_hamiltonian", "sites", "bonds", NULL};
    struct part sites = {.key = "sites", .every = "site_hamiltonian", .place = "site"};
    struct part bonds = {.key = "bonds", .every = "bond_hamiltonian", .place = "bond", .of_bond = true};
    const struct node *system = node_get(in->tree.root, "system");
    struct node *map;
    oqt_error err;
    uint64_t n;
    int code;

    if (system)
        return key_fail(system,
                        "system is not of the task chain; expected chain.site_hamiltonian and others");
    if ((code = get_section(&map, &in->tree, "chain", false)) || (code = check_keys(map, keys, NULL)) ||
        (code = get_integer(&n, &in->tree, map, "length", 2, MAX_LENGTH, NULL)))
        return code;
    in->chain.n = sites.count = (size_t)n;
    bonds.count = (size_t)n - 1;
    if ((code = read_dimensions(in, map)))
        return code;
    if (oqt_chain_create(&in->chain.chain, in->chain.n, in->chain.d, &err) != OQT_OK) {
        node_fail(map, "chain: %s", err.text);
        return exit_code_of(err.code);
    }
    code = read_part(in, &sites, map, path);
    return code ? code : read_part(in, &bonds, map, path);
}

void chain_release(struct chain_input *chain)
{
    for (size_t i = 0; chain->site_control && i < chain->n; i++)
        oqt_control_destroy(chain->site_control[i]);
    for (size_t i = 0; chain->bond_control && i + 1 < chain->n; i++)
        oqt_control_destroy(chain->bond_control[i]);
    free(chain->site_control);
    free(chain->bond_control);
    oqt_chain_destroy(chain->chain);
    free(chain->checkpoint);
    free(chain->initial);
    free(chain->d);
    *chain = (struct chain_input){0};
}

/* ---- initial states ---- */

/* One state for all sites, or a list of them. A matrix is two lists deep, and a list of states is not. */
int chain_read_states(struct input *in)
{
    const struct node *node = node_get(in->tree.root, "initial_state");
    struct chain_input *chain = &in->chain;
    size_t size = 0, n = 0;
    bool list;
    int code = CLI_OK;

    in->hermitian = true;
    if (!node)
        return missing_key(in->tree.root, "initial_state", "a state, or a list of them");
    list = node->kind == NODE_LIST && list_depth(node) != 2;
    if (list && node->n != chain->n)
        return node_fail(node, "initial_state has %zu elements; expected %zu, one for each site", node->n,
                         chain->n);
    for (size_t i = 0; i < chain->n; i++)
        size += chain->d[i] * chain->d[i];
    if (!(chain->initial = malloc(size * sizeof *chain->initial)))
        return fail_memory();
    for (size_t i = 0; i < chain->n && code == CLI_OK; i++) {
        struct matrix state = {0};

        code = state_read_hermitian(&state, list ? node->child[i] : node, chain->d[i]);
        if (code == CLI_OK)
            memcpy(chain->initial + n, state.element, state.d * state.d * sizeof *state.element);
        n += state.d * state.d;
        matrix_release(&state);
    }
    return code;
}

/* ---- observables ---- */

/* One column: an operator on n sites, 1 or 2. */
static int add_column(struct input *in, const struct node *node, const struct node *op, const char *name,
                      size_t n, const size_t *site)
{
    struct observable *grown = realloc(in->observable, (in->n_observables + 1) * sizeof *grown), *out;
    struct space space = {in->chain.d[site[0]], n == 2 ? in->chain.d[site[1]] : 0};
    size_t i, j;
    int code;

    if (!grown)
        return fail_memory();
    in->observable = grown;
    out = grown + in->n_observables;
    *out = (struct observable){.n_sites = n, .site = {site[0], n == 2 ? site[1] : 0}};
    out->column =
        n == 2 ? format_text("%s[%zu,%zu]", name, site[0], site[1]) : format_text("%s[%zu]", name, site[0]);
    if (!out->column)
        return fail_memory();
    out->name = out->column;
    if ((code = space_operator_read(&out->op, op, space)) == CLI_OK) {
        out->hermitian = matrix_is_hermitian(&out->op, &i, &j);
        code = add_observable(in, node);
    }
    if (code) {
        matrix_release(&out->op);
        free(out->column);
    }
    return code;
}

/* The name that was given, or that of the operator: NAME, or LEFT*RIGHT of two names. */
static int find_name_of(char **out, const struct node *node, const struct node *op)
{
    const struct node *given = node->kind == NODE_MAP ? node_get(node, "name") : NULL;
    const char *text = op->kind == NODE_SCALAR ? op->text : NULL;
    bool names = op->kind == NODE_LIST && op->n == 2 && op->child[0]->kind == NODE_SCALAR &&
                 op->child[1]->kind == NODE_SCALAR;
    int code;

    if (given && (code = get_text(&text, node, "name", "the name of the column")))
        return code;
    if (!text && !names)
        return missing_key(node, "name", "the name of the column");
    *out =
        text ? copy_text(text, strlen(text)) : format_text("%s*%s", op->child[0]->text, op->child[1]->text);
    if (!*out)
        return fail_memory();
    code = check_observable_name(given ? given : op, *out);
    if (code == CLI_OK &&
        (strcmp(*out, "bond") == 0 || strcmp(*out, "entropy") == 0 || strcmp(*out, "rho") == 0))
        code = node_fail(given ? given : op, "\"%s\" cannot be the name of an observable of a chain", *out);
    if (code)
        free(*out);
    return code;
}

static int add_all_pairs(struct input *in, const struct node *node, const struct node *op, const char *name)
{
    const struct node *sites = node_get(node, "sites");
    char path[PATH_SIZE];
    int code = CLI_OK;

    if (in->chain.n > MAX_PAIRED)
        return node_fail(sites, "%s is all of %zu sites; expected %d at most", node_path(path, sites),
                         in->chain.n, MAX_PAIRED);
    for (size_t i = 0; i < in->chain.n; i++) {
        for (size_t j = i + 1; j < in->chain.n && code == CLI_OK; j++)
            code = add_column(in, node, op, name, 2, (const size_t[2]){i, j});
    }
    return code;
}

/* On any two sites, in ascending order, or on all pairs of them. */
static int add_pair(struct input *in, const struct node *node, const struct node *op, const char *name)
{
    const struct node *sites = node_get(node, "sites");
    char path[PATH_SIZE];
    struct places places;
    int code;

    if (sites->kind == NODE_SCALAR && strcmp(sites->text, "all") == 0)
        return add_all_pairs(in, node, op, name);
    if ((code = expect_list(sites, "a list of two sites, or all")) ||
        (code = places_read(&places, sites, in->chain.n)))
        return code;
    if (places.n != 2 || places.at[0] >= places.at[1]) {
        code = node_fail(sites, "%s has %zu elements; expected two, in ascending order",
                         node_path(path, sites), places.n);
    } else {
        code = add_column(in, node, op, name, 2, places.at);
    }
    places_release(&places);
    return code;
}

/* On the sites or bonds that a key names; all sites without one. */
static int add_places(struct input *in, const struct node *node, const struct node *op, const char *name,
                      const struct node *where, bool of_bond)
{
    struct places places = {0};
    int code = where ? places_read(&places, where, in->chain.n - of_bond) : CLI_OK;
    size_t n = where ? places.n : in->chain.n;

    for (size_t i = 0; i < n && code == CLI_OK; i++) {
        size_t first = where ? places.at[i] : i, site[2] = {first, first + 1};

        code = add_column(in, node, op, name, of_bond ? 2 : 1, site);
    }
    places_release(&places);
    return code;
}

/* Of the keys that say where at most one. */
static int find_where(const struct node **out, const struct node *map)
{
    static const char *const ways[] = {"site", "bond", "sites"};
    char path[PATH_SIZE];

    *out = NULL;
    for (size_t i = 0; i < 3; i++) {
        const struct node *node = node_get(map, ways[i]);

        if (node && *out)
            return key_fail(node, "%s has a %s and a %s; expected one of them", node_path(path, map),
                            (*out)->key, node->key);
        *out = node ? node : *out;
    }
    return CLI_OK;
}

static int read_chain_observable(struct input *in, const struct node *node)
{
    static const char *const keys[] = {"name", "operator", "site", "bond", "sites", NULL};
    const struct node *op = node, *where = NULL;
    char path[PATH_SIZE], *name;
    int code;

    if (node->kind == NODE_LIST)
        return node_fail(node, "%s is a list; expected the name of an operator or {name, operator, site}",
                         node_path(path, node));
    if (node->kind == NODE_MAP) {
        if ((code = check_keys(node, keys, NULL)) || (code = find_where(&where, node)))
            return code;
        if (!(op = node_get(node, "operator")))
            return missing_key(node, "operator", "an operator");
    }
    if ((code = find_name_of(&name, node, op)))
        return code;
    if (where && strcmp(where->key, "sites") == 0) {
        code = add_pair(in, node, op, name);
    } else {
        code = add_places(in, node, op, name, where, where && strcmp(where->key, "bond") == 0);
    }
    free(name);
    return code;
}

int chain_read_observables(struct input *in, const struct node *list)
{
    int code = CLI_OK;

    for (size_t i = 0; i < list->n && code == CLI_OK; i++) {
        code = read_chain_observable(in, list->child[i]);
        if (i == 0 && code == CLI_OK && in->n_observables == in->chain.n && in->observable[0].hermitian)
            in->chain.n_image = in->chain.n;
    }
    return code;
}
