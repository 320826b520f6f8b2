/* system_input.c - the section `system` of an input file. */
#include "input.h"

#include <stdlib.h>

/* ---- dimension ---- */

/* Of the operators in a list of mappings. */
static size_t list_dimension(const struct node *list)
{
    size_t d = 0;

    for (size_t i = 0; list && list->kind == NODE_LIST && i < list->n && d == 0; i++) {
        if (list->child[i]->kind == NODE_MAP)
            d = operator_dimension(node_get(list->child[i], "operator"));
    }
    return d;
}

static size_t bath_dimension(const struct input *in)
{
    const struct node *list = node_get(in->tree.root, "baths");
    size_t d = 0;

    for (size_t i = 0; i < in->n_baths && d == 0; i++) {
        if (in->bath[i].pt) {
            oqt_pt_info info;

            oqt_pt_get_info(&info, in->bath[i].pt);
            d = info.dimension;
        } else {
            d = operator_dimension(node_get(list->child[i], "coupling"));
        }
    }
    return d;
}

static size_t observable_dimension(const struct node *list)
{
    size_t d = 0;

    for (size_t i = 0; list && list->kind == NODE_LIST && i < list->n && d == 0; i++) {
        const struct node *node = list->child[i];

        if (node->kind == NODE_SCALAR) {
            d = operator_dimension(node);
        } else if (node->kind == NODE_MAP) {
            d = operator_dimension(node_get(node, "operator"));
        }
    }
    return d;
}

/* The dimension given, else the first that something implies. Contradictions show when the rest is read. */
static int find_dimension(struct input *in, struct node *system)
{
    const struct node *root = in->tree.root;
    char text[32];
    uint64_t d;
    size_t inferred = operator_dimension(node_get(system, "hamiltonian"));

    if (inferred == 0)
        inferred = list_dimension(node_get(system, "drive"));
    if (inferred == 0)
        inferred = bath_dimension(in);
    if (inferred == 0)
        inferred = state_dimension(node_get(root, "initial_state"));
    if (inferred == 0)
        inferred = list_dimension(node_get(system, "dissipators"));
    if (inferred == 0)
        inferred = observable_dimension(node_get(root, "observables"));
    if (inferred > MAX_DIMENSION && !node_get(system, "dimension"))
        return node_fail(root, "a matrix has %zu rows; expected at most %d", inferred, MAX_DIMENSION);
    snprintf(text, sizeof text, "%zu", inferred);
    int code = get_integer(&d, &in->tree, system, "dimension", 1, MAX_DIMENSION, inferred ? text : NULL);
    in->d = code ? 0 : (size_t)d;
    return code;
}

/* ---- terms ---- */

/* A shape in memory of its own: the system borrows it as the context of a callback. */
static int keep_shape(struct shape **out, struct input *in, struct node *node, const char *path)
{
    struct shape **grown = realloc(in->shape, (in->n_shapes + 1) * sizeof *grown);
    struct shape *shape;
    int code;

    if (!grown)
        return fail_memory();
    in->shape = grown;
    shape = malloc(sizeof *shape);
    if (!shape)
        return fail_memory();
    if ((code = shape_read(shape, &in->tree, node, path))) {
        free(shape);
        return code;
    }
    in->shape[in->n_shapes++] = shape;
    *out = shape;
    return CLI_OK;
}

/* The key `operator` of a mapping. */
static int read_operator(struct matrix *out, struct space space, const struct node *map, bool hermitian)
{
    const struct node *op = node_get(map, "operator");

    if (!op)
        return missing_key(map, "operator", "an operator");
    return hermitian ? space_operator_read_hermitian(out, op, space) : space_operator_read(out, op, space);
}

static int library_fail(const struct node *node, const oqt_error *err)
{
    node_fail(node, "%s", err->text);
    return exit_code_of(err->code);
}

/* The rate is a number or a shape. */
static int add_dissipator(oqt_system *system, struct input *in, struct space space, struct node *node,
                          const char *path)
{
    static const char *const keys[] = {"rate", "operator", NULL};
    struct matrix op = {0};
    struct shape *shape = NULL;
    struct node *rate;
    oqt_error err;
    oqt_status st;
    double number = 0.0;
    int code;

    if ((code = expect_map(node)) || (code = check_keys(node, keys, NULL)))
        return code;
    rate = node_get(node, "rate");
    code = rate && rate->kind == NODE_MAP ? keep_shape(&shape, in, rate, path)
                                          : get_number(&number, &in->tree, node, "rate", ANY_NUMBER, NULL);
    if (code || (code = read_operator(&op, space, node, false)))
        return code;
    st = shape ? oqt_system_add_dissipator_rate(system, shape_value, shape, op.element, &err)
               : oqt_system_add_dissipator(system, number, op.element, &err);
    if (st != OQT_OK)
        code = library_fail(node, &err);
    matrix_release(&op);
    return code;
}

static int add_drive(oqt_system *system, struct input *in, struct space space, struct node *node,
                     const char *path)
{
    static const char *const keys[] = {"operator", "shape", NULL};
    struct matrix op = {0};
    struct shape *shape = NULL;
    struct node *map;
    oqt_error err;
    int code;

    if ((code = expect_map(node)) || (code = check_keys(node, keys, NULL)))
        return code;
    if (!(map = node_get(node, "shape")))
        return missing_key(node, "shape", "a mapping such as {form: gaussian, ...}");
    if ((code = read_operator(&op, space, node, true)))
        return code;
    code = keep_shape(&shape, in, map, path);
    if (code == CLI_OK && oqt_system_add_drive(system, shape_value, shape, op.element, &err) != OQT_OK)
        code = library_fail(node, &err);
    matrix_release(&op);
    return code;
}

static int read_hamiltonian(struct input *in, const struct node *system)
{
    const struct node *node = node_get(system, "hamiltonian");
    struct matrix matrix = {0};
    oqt_error err;
    int code = node ? operator_read_hermitian(&matrix, node, in->d) : matrix_create(&matrix, in->d);

    in->has_hamiltonian = node || node_get(system, "drive");
    if (code == CLI_OK && oqt_system_create(&in->system, in->d, matrix.element, &err) != OQT_OK) {
        node_fail(node ? node : system, "system.hamiltonian: %s", err.text);
        code = exit_code_of(err.code);
    }
    matrix_release(&matrix);
    return code;
}

/* Every element of the list under a key. */
static int read_list(oqt_system *system, struct input *in, struct space space, const struct node *map,
                     const char *key, const char *of_what, const char *path,
                     int (*add)(oqt_system *, struct input *, struct space, struct node *, const char *))
{
    const struct node *list = node_get(map, key);
    int code = list ? expect_list(list, of_what) : CLI_OK;

    for (size_t i = 0; list && code == CLI_OK && i < list->n; i++)
        code = add(system, in, space, list->child[i], path);
    return code;
}

int terms_read(oqt_system *system, struct input *in, struct space space, const struct node *map,
               const char *path)
{
    int code = read_list(system, in, space, map, "drive", "a list of {operator, shape}", path, add_drive);

    if (code)
        return code;
    return read_list(system, in, space, map, "dissipators", "a list of {rate, operator}", path,
                     add_dissipator);
}

int system_read(struct input *in, const char *path)
{
    static const char *const keys[] = {"dimension", "hamiltonian", "drive", "dissipators", NULL};
    struct node *system;
    int code;

    if ((code = get_section(&system, &in->tree, "system", true)) || (code = check_keys(system, keys, NULL)) ||
        (code = find_dimension(in, system)) || (code = read_hamiltonian(in, system)))
        return code;
    return terms_read(in->system, in, (struct space){in->d, 0}, system, path);
}

void system_release(struct input *in)
{
    oqt_system_destroy(in->system);
    for (size_t i = 0; i < in->n_shapes; i++) {
        shape_release(in->shape[i]);
        free(in->shape[i]);
    }
    free(in->shape);
}
