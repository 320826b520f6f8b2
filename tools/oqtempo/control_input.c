/* control_input.c - the list `controls` of an input file. */
#include "input.h"

#include <math.h>
#include <stdlib.h>

static const char *const ways[] = {"unitary", "kraus", "superoperator", NULL};
enum { UNITARY, KRAUS, SUPEROPERATOR };

/* ---- superoperators ---- */

/* d^2 rows of d^2 numbers. */
static int read_superoperator(oqt_complex *out, const struct node *node, size_t d)
{
    size_t n = d * d;
    char path[PATH_SIZE], found[QUOTED_SIZE];
    int code = expect_list(node, "a list of rows");

    if (code)
        return code;
    if (node->n != n)
        return node_fail(node, "%s has %zu rows; expected %zu, the square of the dimension",
                         node_path(path, node), node->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct node *row = node->child[i];

        if (row->kind != NODE_LIST || row->n != n)
            return node_fail(row, "row %zu of %s is %s; expected a list of %zu numbers", i,
                             node_path(path, node),
                             row->kind == NODE_LIST ? "a list of another length" : describe(found, row), n);
        for (size_t j = 0; j < n && code == CLI_OK; j++)
            code = read_complex(out + i * n + j, row->child[j]);
        if (code)
            return code;
    }
    return CLI_OK;
}

static int read_kraus(oqt_complex *out, const struct node *list, struct space space)
{
    size_t d = space_dimension(space);
    struct matrix op = {0};
    oqt_complex *kraus;
    int code = expect_list(list, "a list of operators");

    if (code)
        return code;
    if (list->n == 0)
        return node_fail(list, "the list of Kraus operators is empty");
    kraus = malloc(list->n * d * d * sizeof *kraus);
    if (!kraus)
        return fail_memory();
    for (size_t k = 0; k < list->n && code == CLI_OK; k++) {
        code = space_operator_read(&op, list->child[k], space);
        for (size_t i = 0; code == CLI_OK && i < d * d; i++)
            kraus[k * d * d + i] = op.element[i];
        matrix_release(&op);
    }
    if (code == CLI_OK)
        oqt_super_kraus(out, d, list->n, kraus);
    free(kraus);
    return code;
}

static int read_unitary(oqt_complex *out, const struct node *node, struct space space)
{
    struct matrix op = {0};
    char path[PATH_SIZE];
    oqt_error err;
    int code = space_operator_read(&op, node, space);

    if (code)
        return code;
    if (oqt_super_unitary(out, op.d, op.element, &err) != OQT_OK) {
        node_fail(node, "%s: %s", node_path(path, node), err.text);
        code = exit_code_of(err.code);
    }
    matrix_release(&op);
    return code;
}

/* Of the ways to give the operation exactly one. */
static int find_way(const struct node **node, size_t *way, const struct node *map)
{
    char path[PATH_SIZE];

    *node = NULL;
    for (size_t i = 0; ways[i]; i++) {
        const struct node *found = node_get(map, ways[i]);

        if (found && *node)
            return key_fail(found, "%s is given twice, by %s and by %s; expected one of them",
                            node_path(path, map), (*node)->key, found->key);
        if (found) {
            *node = found;
            *way = i;
        }
    }
    if (!*node)
        return node_fail(map, "%s has no unitary, kraus or superoperator", node_path(path, map));
    return CLI_OK;
}

/* Whether Hermitian matrices stay so: the element that takes rho_kl to rho_ij is the conjugate of that from
 * rho_lk to rho_ji. */
static bool keeps_hermitian(const oqt_complex *s, size_t d)
{
    size_t n = d * d;
    double largest = 0.0, off = 0.0;

    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b < n; b++) {
            oqt_complex x = s[a * n + b], y = s[(a % d * d + a / d) * n + b % d * d + b / d];

            largest = fmax(largest, hypot(x.re, x.im));
            off = fmax(off, hypot(x.re - y.re, x.im + y.im));
        }
    }
    return off <= 1e-10 * largest;
}

static int read_operation(oqt_complex *out, struct input *in, struct space space, const struct node *map)
{
    const struct node *node;
    size_t d = space_dimension(space);
    size_t way = UNITARY;
    int code = find_way(&node, &way, map);

    if (code)
        return code;
    if (way == UNITARY)
        return read_unitary(out, node, space);
    if (way == KRAUS)
        return read_kraus(out, node, space);
    if ((code = read_superoperator(out, node, d)))
        return code;
    in->hermitian = in->hermitian && keeps_hermitian(out, d);
    if (in->task == TASK_CHAIN && !in->hermitian)
        return node_fail(node, "the superoperator does not keep matrices Hermitian, which a chain needs");
    return CLI_OK;
}

/* ---- places ---- */

struct place {
    bool by_time;
    uint64_t step;
    double time;
    oqt_when when;
};

/* A step or a time within the run. */
static int read_place(struct place *out, struct input *in, struct node *map)
{
    static const char *const names[] = {"pre", "post", NULL};
    const struct node *step = node_get(map, "step"), *time = node_get(map, "time");
    double end = in->start + (double)in->n_steps * in->step;
    char path[PATH_SIZE];
    size_t when;
    int code;

    if (step && time)
        return key_fail(time, "%s has a step and a time; expected one of them", node_path(path, map));
    if (!step && !time)
        return missing_key(map, "step", "a number of steps, or a time");
    out->by_time = time != NULL;
    code = time ? read_number(&out->time, time, ANY_NUMBER)
                : get_integer(&out->step, &in->tree, map, "step", 0, in->n_steps, NULL);
    if (code)
        return code;
    if (time && !(out->time >= in->start - 0.5 * in->step && out->time <= end + 0.5 * in->step))
        return node_fail(time, "%s is %.10g; expected a time from %.10g to %.10g, the end of the run",
                         node_path(path, time), out->time, in->start, end);
    code = get_choice(&when, &in->tree, map, "when", names, NULL, "pre");
    out->when = code == CLI_OK && when == 1 ? OQT_POST : OQT_PRE;
    return code;
}

/* One element of the list, for one system, site or bond. */
static int add_control(oqt_control **control, struct input *in, struct space space, struct node *map)
{
    size_t d = space_dimension(space);
    struct place place = {0};
    oqt_complex *superop;
    oqt_error err;
    oqt_status st;
    int code;

    if ((code = read_place(&place, in, map)))
        return code;
    superop = calloc(d * d * d * d, sizeof *superop);
    if (!superop)
        return fail_memory();
    if ((code = read_operation(superop, in, space, map)) == CLI_OK) {
        st = *control ? OQT_OK : oqt_control_create(control, d, &err);
        if (st == OQT_OK)
            st = place.by_time ? oqt_control_add_at(*control, place.time, place.when, superop, &err)
                               : oqt_control_add(*control, place.step, place.when, superop, &err);
        if (st != OQT_OK) {
            node_fail(map, "%s", err.text);
            code = exit_code_of(st);
        }
    }
    free(superop);
    return code;
}

/* The sites or bonds of a chain that a control acts on. */
static int add_to_chain(struct input *in, struct node *map)
{
    const struct node *site = node_get(map, "site"), *bond = node_get(map, "bond");
    struct chain_input *chain = &in->chain;
    char path[PATH_SIZE];
    struct places places;
    int code;

    if (site && bond)
        return key_fail(bond, "%s has a site and a bond; expected one of them", node_path(path, map));
    if (!site && !bond)
        return missing_key(map, "site", "the number of a site, a list of them, or all; or a bond");
    if ((code = places_read(&places, site ? site : bond, chain->n - (bond != NULL))))
        return code;
    for (size_t i = 0; i < places.n && code == CLI_OK; i++) {
        size_t at = places.at[i];

        code = add_control((bond ? chain->bond_control : chain->site_control) + at, in,
                           chain_space(chain, bond != NULL, at), map);
    }
    places_release(&places);
    return code;
}

static int read_control(struct input *in, struct node *map)
{
    /* Those of one system begin at the third. */
    static const char *const keys[] = {"site",    "bond",  "step",          "time", "when",
                                       "unitary", "kraus", "superoperator", NULL};
    bool of_chain = in->task == TASK_CHAIN;
    int code;

    if ((code = expect_map(map)) || (code = check_keys(map, keys + (of_chain ? 0 : 2), NULL)))
        return code;
    return of_chain ? add_to_chain(in, map) : add_control(&in->control, in, (struct space){in->d, 0}, map);
}

static int create_places(struct chain_input *chain)
{
    chain->site_control = calloc(chain->n, sizeof *chain->site_control);
    chain->bond_control = calloc(chain->n, sizeof *chain->bond_control);
    return chain->site_control && chain->bond_control ? CLI_OK : fail_memory();
}

int controls_read(struct input *in)
{
    struct node *list = node_get(in->tree.root, "controls");
    int code;

    if (!list)
        return CLI_OK;
    if ((code = expect_list(list, "a list of {step, when, unitary}")))
        return code;
    if (list->n == 0 || in->task == TASK_PROCESS_TENSOR)
        return CLI_OK;
    if (in->task == TASK_STEADY_STATE)
        return key_fail(list, "controls are of the task dynamics only");
    if (in->task == TASK_CHAIN && (code = create_places(&in->chain)))
        return code;
    for (size_t i = 0; i < list->n && code == CLI_OK; i++)
        code = read_control(in, list->child[i]);
    return code;
}
