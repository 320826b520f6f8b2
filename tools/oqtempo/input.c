/* input.c - from the tree of an input file to what is to be computed. */
#include "input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIMENSION = 512 };

static const char *const top_keys[] = {"task",   "system",      "initial_state", "baths", "time",
                                       "method", "observables", "output",        NULL};
static const char *const planned_top_keys[] = {"controls", "chain", NULL};
const char *const task_names[] = {"dynamics", "process-tensor", "steady-state", NULL};
static const char *const planned_tasks[] = {
    "correlations", "mean-field", "thermal-state", "gradient", "bath-dynamics", "chain", NULL};

/* ---- system ---- */

static size_t dissipator_dimension(const struct node *system)
{
    const struct node *list = node_get(system, "dissipators");
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
        inferred = bath_dimension(in);
    if (inferred == 0)
        inferred = state_dimension(node_get(root, "initial_state"));
    if (inferred == 0)
        inferred = dissipator_dimension(system);
    if (inferred == 0)
        inferred = observable_dimension(node_get(root, "observables"));
    if (inferred > MAX_DIMENSION && !node_get(system, "dimension"))
        return node_fail(root, "a matrix has %zu rows; expected at most %d", inferred, MAX_DIMENSION);
    snprintf(text, sizeof text, "%zu", inferred);
    int code = get_integer(&d, &in->tree, system, "dimension", 1, MAX_DIMENSION, inferred ? text : NULL);
    in->d = code ? 0 : (size_t)d;
    return code;
}

static int add_dissipator(struct input *in, struct node *node)
{
    static const char *const keys[] = {"rate", "operator", NULL};
    const struct node *op;
    struct matrix matrix = {0};
    oqt_error err;
    double rate;
    int code;

    if ((code = expect_map(node)) || (code = check_keys(node, keys, NULL)) ||
        (code = get_number(&rate, &in->tree, node, "rate", ANY_NUMBER, NULL)))
        return code;
    if (!(op = node_get(node, "operator")))
        return missing_key(node, "operator", "an operator");
    if ((code = operator_read(&matrix, op, in->d)))
        return code;
    if (oqt_system_add_dissipator(in->system, rate, matrix.element, &err) != OQT_OK) {
        node_fail(node, "%s", err.text);
        code = exit_code_of(err.code);
    }
    matrix_release(&matrix);
    return code;
}

static int read_hamiltonian(struct input *in, const struct node *system)
{
    const struct node *node = node_get(system, "hamiltonian");
    struct matrix matrix = {0};
    oqt_error err;
    int code = node ? operator_read_hermitian(&matrix, node, in->d) : matrix_create(&matrix, in->d);

    in->has_hamiltonian = node != NULL;
    if (code == CLI_OK && oqt_system_create(&in->system, in->d, matrix.element, &err) != OQT_OK) {
        node_fail(node ? node : system, "system.hamiltonian: %s", err.text);
        code = exit_code_of(err.code);
    }
    matrix_release(&matrix);
    return code;
}

static int read_system(struct input *in)
{
    static const char *const keys[] = {"dimension", "hamiltonian", "dissipators", NULL};
    static const char *const planned[] = {"drive", NULL};
    struct node *system, *list;
    int code;

    if ((code = get_section(&system, &in->tree, "system", true)) ||
        (code = check_keys(system, keys, planned)) || (code = find_dimension(in, system)) ||
        (code = read_hamiltonian(in, system)))
        return code;
    list = node_get(system, "dissipators");
    if (list && (code = expect_list(list, "a list of {rate, operator}")))
        return code;
    for (size_t i = 0; list && i < list->n && code == CLI_OK; i++)
        code = add_dissipator(in, list->child[i]);
    return code;
}

static int read_initial_state(struct input *in)
{
    const struct node *node = node_get(in->tree.root, "initial_state");
    size_t i, j;
    int code;

    in->initial_hermitian = true;
    if (!node && in->task != TASK_DYNAMICS)
        return CLI_OK;
    if (!node)
        return missing_key(in->tree.root, "initial_state", "the name of a state or a matrix");
    if ((code = state_read(&in->initial, node, in->d)))
        return code;
    in->initial_hermitian = in->task == TASK_STEADY_STATE || matrix_is_hermitian(&in->initial, &i, &j);
    return CLI_OK;
}

/* ---- time ---- */

/* The step of the first process tensor that was read from a file, or 0; *i tells which. */
static double step_of_tensors(const struct input *in, size_t *i)
{
    for (*i = 0; *i < in->n_baths; ++*i) {
        if (in->bath[*i].pt) {
            oqt_pt_info info;

            oqt_pt_get_info(&info, in->bath[*i].pt);
            return info.dt;
        }
    }
    return 0.0;
}

/* Every process tensor from a file has this step and enough of them. */
static int check_steps(const struct input *in)
{
    const struct node *list = node_get(in->tree.root, "baths");

    for (size_t i = 0; i < in->n_baths; i++) {
        const struct node *node = in->bath[i].pt ? node_get(list->child[i], "process_tensor") : NULL;
        char path[PATH_SIZE];
        oqt_pt_info info;

        if (!node)
            continue;
        oqt_pt_get_info(&info, in->bath[i].pt);
        if (fabs(info.dt - in->step) > 1e-12 * in->step)
            return node_fail(node, "%s has time step %.17g, but time.step is %.17g", node_path(path, node),
                             info.dt, in->step);
        if (info.n_steps != SIZE_MAX && in->n_steps > info.n_steps)
            return node_fail(node, "%s covers %zu steps, but time.steps is %llu", node_path(path, node),
                             info.n_steps, (unsigned long long)in->n_steps);
    }
    return CLI_OK;
}

static int read_time(struct input *in)
{
    static const char *const keys[] = {"start", "step", "steps", NULL};
    const uint64_t most = SIZE_MAX / (64 * sizeof(oqt_complex)) / MAX_DIMENSION / MAX_DIMENSION;
    struct node *time;
    char text[32];
    size_t i;
    double step = step_of_tensors(in, &i);
    int code;

    snprintf(text, sizeof text, "%.17g", step);
    if ((code = get_section(&time, &in->tree, "time", false)) || (code = check_keys(time, keys, NULL)) ||
        (code = get_number(&in->start, &in->tree, time, "start", ANY_NUMBER, "0")) ||
        (code = get_number(&in->step, &in->tree, time, "step", POSITIVE, step > 0.0 ? text : NULL)))
        return code;
    if (in->task == TASK_DYNAMICS || node_get(time, "steps"))
        code = get_integer(&in->n_steps, &in->tree, time, "steps", 1, most, NULL);
    if (in->task == TASK_STEADY_STATE)
        in->n_steps = 0;
    return code ? code : check_steps(in);
}

/* ---- method ---- */

/* The end of the memory, which only a finite process tensor has. */
static int read_memory(struct input *in, struct node *map)
{
    static const char *const keys[] = {"memory_steps", "added_correlation_time"};
    const struct node *added = node_get(map, "added_correlation_time");
    uint64_t steps = 0;
    int code = CLI_OK;

    for (size_t i = 0; i < 2 && in->method != METHOD_PT_TEMPO; i++)
        if (node_get(map, keys[i]))
            return node_fail(node_get(map, keys[i]), "method.%s is of the method pt-tempo only", keys[i]);
    if (in->method == METHOD_PT_TEMPO && in->task == TASK_STEADY_STATE)
        return node_fail(node_get(map, "name"),
                         "method.name is pt-tempo, but a steady state needs process tensors without "
                         "end; expected auto or uniform");
    if (in->method == METHOD_PT_TEMPO && in->n_steps == 0)
        return node_fail(map, "method.name is pt-tempo, which needs the number time.steps");
    if (node_get(map, "memory_steps"))
        code = get_integer(&steps, &in->tree, map, "memory_steps", 1, 1000000000, NULL);
    else if (added)
        return missing_key(map, "memory_steps", "the number of steps after which the memory is cut");
    if (code == CLI_OK && added && added->kind == NODE_SCALAR && strcmp(added->text, "infinite") == 0)
        in->added_correlation_time = INFINITY;
    else if (code == CLI_OK && added)
        code = read_number(&in->added_correlation_time, added, NOT_NEGATIVE);
    in->memory_steps = (size_t)steps;
    return code;
}

static int read_method(struct input *in)
{
    static const char *const keys[] = {"name",     "tolerance", "accuracy",     "path_rate",
                                       "max_bond", "splitting", "memory_steps", "added_correlation_time",
                                       NULL};
    static const char *const names[] = {"auto", "uniform", "pt-tempo", NULL};
    static const char *const planned_names[] = {"tempo", NULL};
    static const enum method methods[] = {METHOD_AUTO, METHOD_UNIFORM, METHOD_PT_TEMPO};
    static const char *const splittings[] = {"symmetric", "list", NULL};
    struct node *map;
    const struct node *accuracy;
    size_t name, splitting = 0;
    uint64_t max_bond = 0;
    int code;

    if ((code = get_section(&map, &in->tree, "method", true)) || (code = check_keys(map, keys, NULL)) ||
        (code = get_choice(&name, &in->tree, map, "name", names, planned_names, "auto")))
        return code;
    accuracy = node_get(map, "accuracy");
    if (accuracy && node_get(map, "tolerance"))
        return node_fail(accuracy, "method has a tolerance and an accuracy; expected one of them");
    if (accuracy)
        code = get_number(&in->accuracy, &in->tree, map, "accuracy", BETWEEN_0_AND_1, NULL);
    else
        code = get_number(&in->tolerance, &in->tree, map, "tolerance", BETWEEN_0_AND_1, "1e-06");
    if (code)
        return code;
    if (node_get(map, "path_rate"))
        code = get_number(&in->path_rate, &in->tree, map, "path_rate", POSITIVE, NULL);
    if (code == CLI_OK && node_get(map, "max_bond"))
        code = get_integer(&max_bond, &in->tree, map, "max_bond", 1, 1000000, NULL);
    if (code == CLI_OK && (in->n_baths > 1 || node_get(map, "splitting")))
        code = get_choice(&splitting, &in->tree, map, "splitting", splittings, NULL, "symmetric");
    in->method = methods[name];
    in->max_bond = (size_t)max_bond;
    in->splitting = splitting == 0 ? OQT_SPLIT_SYMMETRIC : OQT_SPLIT_LIST;
    return code ? code : read_memory(in, map);
}

/* ---- observables and output ---- */

/* The same name, or one that is a column of the other: NAME_re, NAME_im. */
static bool names_clash(const char *a, const char *b)
{
    const char *longer = strlen(a) > strlen(b) ? a : b, *shorter = longer == a ? b : a;
    size_t n = strlen(shorter);
    const char *rest = longer + n;

    if (strncmp(longer, shorter, n) != 0)
        return false;
    return *rest == '\0' || strcmp(rest, "_re") == 0 || strcmp(rest, "_im") == 0;
}

/* Names become columns of tables, titles of plots and data sets of HDF5 files. */
static int check_name(const struct input *in, const struct node *node, const char *name)
{
    char text[QUOTED_SIZE];
    size_t length = strlen(name);

    if (length == 0 || length > 100)
        return node_fail(node, "the name %s of an observable has %zu bytes; expected 1 to 100",
                         quote(text, name), length);
    for (const char *p = name; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f || strchr("/\"", *p))
            return node_fail(node, "the name %s of an observable has a slash, a quote or a control character",
                             quote(text, name));
    }
    if (name[0] == '#' || name[0] == ' ' || name[length - 1] == ' ' || strcmp(name, "t") == 0 ||
        strcmp(name, ".") == 0 || (strncmp(name, "rho_", 4) == 0 && strchr("0123456789", name[4])))
        return node_fail(node, "%s cannot be the name of an observable", quote(text, name));
    for (size_t i = 0; i < in->n_observables; i++) {
        char other[QUOTED_SIZE];

        if (names_clash(in->observable[i].name, name))
            return node_fail(node, "observables %s and %s would share a column; expected distinct names",
                             quote(other, in->observable[i].name), quote(text, name));
    }
    return CLI_OK;
}

static int read_observable(struct input *in, const struct node *node)
{
    static const char *const keys[] = {"name", "operator", NULL};
    struct observable *out = &in->observable[in->n_observables];
    const struct node *op = node, *name = node;
    size_t i, j;
    int code;

    if (node->kind == NODE_MAP) {
        if ((code = check_keys(node, keys, NULL)) ||
            (code = get_text(&out->name, node, "name", "the name of the column")))
            return code;
        name = node_get(node, "name");
        if (!(op = node_get(node, "operator")))
            return missing_key(node, "operator", "an operator");
    } else if (node->kind == NODE_LIST) {
        char path[PATH_SIZE];

        return node_fail(node, "%s is a list; expected the name of an operator or {name, operator}",
                         node_path(path, node));
    } else {
        out->name = node->text;
    }
    if ((code = check_name(in, name, out->name)) || (code = operator_read(&out->op, op, in->d)))
        return code;
    out->hermitian = matrix_is_hermitian(&out->op, &i, &j);
    in->n_observables++;
    return CLI_OK;
}

static int read_observables(struct input *in)
{
    const struct node *list = node_get(in->tree.root, "observables");
    int code;

    if (!list)
        return CLI_OK;
    if ((code = expect_list(list, "a list of observables")))
        return code;
    in->observable = calloc(list->n + 1, sizeof *in->observable);
    if (!in->observable)
        return fail_memory();
    for (size_t i = 0; i < list->n && code == CLI_OK; i++)
        code = read_observable(in, list->child[i]);
    return code;
}

/* Without observables the states are what is left to write. */
static int read_output(struct input *in)
{
    static const char *const keys[] = {"states", NULL};
    struct node *map;
    int code;

    if (in->task == TASK_PROCESS_TENSOR && !node_get(in->tree.root, "output"))
        return CLI_OK;
    if ((code = get_section(&map, &in->tree, "output", true)) || (code = check_keys(map, keys, NULL)))
        return code;
    return get_bool(&in->states, &in->tree, map, "states", in->n_observables ? "false" : "true");
}

/* ---- all of it ---- */

static int check_task(struct input *in, bool build)
{
    size_t task;
    int code = get_choice(&task, &in->tree, in->tree.root, "task", task_names, planned_tasks, "dynamics");

    if (code)
        return code;
    in->task = build ? TASK_PROCESS_TENSOR : (enum task)task;
    return check_keys(in->tree.root, top_keys, planned_top_keys);
}

/* A process tensor is built of exactly one bath. */
static int check_bath_count(const struct input *in)
{
    const struct node *list = node_get(in->tree.root, "baths");

    if (in->task != TASK_PROCESS_TENSOR)
        return CLI_OK;
    if (!list)
        return missing_key(in->tree.root, "baths", "a list of one bath");
    if (in->n_baths != 1)
        return node_fail(list, "baths has %zu elements; expected exactly one to build a process tensor",
                         in->n_baths);
    if (in->bath[0].pt)
        return node_fail(list->child[0], "baths.0 is a process tensor already");
    return CLI_OK;
}

int input_read(struct input *out, const char *path, const char *const *set, size_t n_set, bool build)
{
    struct input in = {0};
    int code = tree_read(&in.tree, path);

    for (size_t i = 0; i < n_set && code == CLI_OK; i++)
        code = tree_set(&in.tree, set[i]);
    if (code || (code = check_task(&in, build)) || (code = baths_read_tensors(&in, path)) ||
        (code = check_bath_count(&in)) || (code = read_system(&in)) || (code = read_initial_state(&in)) ||
        (code = baths_read(&in, path)) || (code = read_time(&in)) || (code = read_method(&in)) ||
        (code = read_observables(&in)) || (code = read_output(&in))) {
        input_release(&in);
        return code;
    }
    *out = in;
    return CLI_OK;
}

void input_release(struct input *in)
{
    for (size_t i = 0; i < in->n_observables; i++)
        matrix_release(&in->observable[i].op);
    free(in->observable);
    baths_release(in);
    matrix_release(&in->initial);
    oqt_system_destroy(in->system);
    tree_release(&in->tree);
    *in = (struct input){0};
}
