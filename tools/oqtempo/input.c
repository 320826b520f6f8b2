/* input.c - from the tree of an input file to what is to be computed. */
#include "input.h"
#include "datafile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const top_keys[] = {"task",   "system",   "chain",       "initial_state", "baths", "time",
                                       "method", "controls", "observables", "output",        NULL};
const char *const task_names[] = {"dynamics", "process-tensor", "steady-state", "chain", NULL};
static const char *const planned_tasks[] = {"correlations", "mean-field",    "thermal-state",
                                            "gradient",     "bath-dynamics", NULL};

/* ---- initial state ---- */

static int read_initial_state(struct input *in)
{
    const struct node *node = node_get(in->tree.root, "initial_state");
    size_t i, j;
    int code;

    in->hermitian = true;
    if (!node && in->task != TASK_DYNAMICS)
        return CLI_OK;
    if (!node)
        return missing_key(in->tree.root, "initial_state", "the name of a state or a matrix");
    if ((code = state_read(&in->initial, node, in->d)))
        return code;
    in->hermitian = in->task == TASK_STEADY_STATE || matrix_is_hermitian(&in->initial, &i, &j);
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

/* A steady state is that of a drive that repeats itself, after period_steps steps or in any time. */
static int read_period(struct input *in, struct node *time)
{
    const struct node *node = node_get(time, "period_steps");
    char path[PATH_SIZE];
    int code = CLI_OK;

    in->n_period = 1;
    if (node && in->task != TASK_STEADY_STATE)
        return key_fail(node, "%s is of the task steady-state only", node_path(path, node));
    if (node)
        code = get_integer(&in->n_period, &in->tree, time, "period_steps", 1, 1000000, NULL);
    for (size_t i = 0; code == CLI_OK && in->task == TASK_STEADY_STATE && i < in->n_shapes; i++) {
        double period = (double)in->n_period * in->step;

        if (!shape_repeats(in->shape[i], period))
            code = node_fail(in->shape[i]->node,
                             "%s does not repeat itself after a time of %.10g; expected a "
                             "sine with a period of time.period_steps times time.step",
                             node_path(path, in->shape[i]->node), period);
    }
    return code;
}

static int read_time(struct input *in)
{
    static const char *const keys[] = {"start", "step", "steps", "period_steps", NULL};
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
    if (in->task == TASK_DYNAMICS || in->task == TASK_CHAIN || node_get(time, "steps"))
        code = get_integer(&in->n_steps, &in->tree, time, "steps", 1, most, NULL);
    if (in->task == TASK_STEADY_STATE)
        in->n_steps = 0;
    if (code || (code = read_period(in, time)))
        return code;
    return check_steps(in);
}

/* ---- method ---- */

/* The finite methods need a number of steps, and TEMPO the baths themselves. */
static int check_finite(const struct input *in, struct node *map)
{
    static const char *const names[] = {"auto", "uniform", "pt-tempo", "tempo"};
    const struct node *name = node_get(map, "name"), *list = node_get(in->tree.root, "baths");
    const struct node *rate = node_get(map, "path_rate"), *accuracy = node_get(map, "accuracy");

    if (in->task == TASK_STEADY_STATE)
        return node_fail(name,
                         "method.name is %s, but a steady state needs process tensors without end; expected "
                         "auto or uniform",
                         names[in->method]);
    if (in->n_steps == 0)
        return node_fail(map, "method.name is %s, which needs the number time.steps", names[in->method]);
    if (in->method != METHOD_TEMPO)
        return CLI_OK;
    if (in->task == TASK_PROCESS_TENSOR)
        return node_fail(name, "method.name is tempo, which makes no process tensor");
    if (in->n_baths == 0)
        return node_fail(name, "method.name is tempo, which needs at least one bath");
    if (accuracy)
        return node_fail(accuracy, "method.accuracy is of process tensors; expected a tolerance for tempo");
    if (rate)
        return node_fail(rate, "method.path_rate is of process tensors, which tempo does not use");
    for (size_t i = 0; i < in->n_baths; i++) {
        if (in->bath[i].pt)
            return node_fail(list->child[i], "baths.%zu is a process tensor; the method tempo needs the bath",
                             i);
    }
    return CLI_OK;
}

/* The end of the memory, which the finite methods may have. */
static int read_memory(struct input *in, struct node *map)
{
    static const char *const keys[] = {"memory_steps", "added_correlation_time"};
    const struct node *added = node_get(map, "added_correlation_time");
    bool finite = in->method == METHOD_PT_TEMPO || in->method == METHOD_TEMPO;
    char path[PATH_SIZE];
    uint64_t steps = 0;
    int code = finite ? check_finite(in, map) : CLI_OK;

    for (size_t i = 0; i < 2 && !finite; i++) {
        if (node_get(map, keys[i]))
            return node_fail(node_get(map, keys[i]), "%s is of the methods pt-tempo and tempo only",
                             node_path(path, node_get(map, keys[i])));
    }
    if (code == CLI_OK && node_get(map, "memory_steps")) {
        code = get_integer(&steps, &in->tree, map, "memory_steps", in->method == METHOD_TEMPO ? 0 : 1,
                           1000000000, NULL);
        if (code == CLI_OK && steps == 0)
            steps = OQT_NO_MEMORY;
    } else if (code == CLI_OK && added) {
        return missing_key(map, "memory_steps", "the number of steps after which the memory is cut");
    }
    if (code == CLI_OK && added && added->kind == NODE_SCALAR && strcmp(added->text, "infinite") == 0)
        in->added_correlation_time = INFINITY;
    else if (code == CLI_OK && added)
        code = read_number(&in->added_correlation_time, added, NOT_NEGATIVE);
    in->memory_steps = (size_t)steps;
    return code;
}

/* Whether the errors are to be known: a tolerance or an accuracy, of which --set overrides the other one. */
static int choose_tolerance(const struct node **accuracy, struct node *map)
{
    struct node *wanted = node_get(map, "accuracy"), *tolerance = node_get(map, "tolerance");
    char path[PATH_SIZE];

    *accuracy = wanted;
    if (!wanted || !tolerance)
        return CLI_OK;
    if (node_is_set(wanted) == node_is_set(tolerance))
        return node_fail(wanted, "%s has a tolerance and an accuracy; expected one of them",
                         node_path(path, map));
    if (node_is_set(wanted)) {
        node_remove(map, tolerance);
    } else {
        node_remove(map, wanted);
        *accuracy = NULL;
    }
    return CLI_OK;
}

static int read_max_bond(size_t *out, struct input *in, struct node *map, uint64_t least)
{
    uint64_t max_bond = 0;
    int code = CLI_OK;

    if (node_get(map, "max_bond"))
        code = get_integer(&max_bond, &in->tree, map, "max_bond", least, 1000000, NULL);
    *out = (size_t)max_bond;
    return code;
}

/* How process tensors are made. */
static int read_tensor_method(struct input *in, struct node *map, const char *const *names)
{
    static const enum method methods[] = {METHOD_AUTO, METHOD_UNIFORM, METHOD_PT_TEMPO, METHOD_TEMPO};
    const struct node *accuracy;
    size_t name;
    int code = get_choice(&name, &in->tree, map, "name", names, NULL, "auto");

    if (code)
        return code;
    if ((code = choose_tolerance(&accuracy, map)))
        return code;
    if (accuracy)
        code = get_number(&in->accuracy, &in->tree, map, "accuracy", BETWEEN_0_AND_1, NULL);
    else
        code = get_number(&in->tolerance, &in->tree, map, "tolerance", BETWEEN_0_AND_1, "1e-06");
    if (code)
        return code;
    if (node_get(map, "path_rate"))
        code = get_number(&in->path_rate, &in->tree, map, "path_rate", POSITIVE, NULL);
    if (code == CLI_OK)
        code = read_max_bond(&in->max_bond, in, map, 1);
    if (code)
        return code;
    in->method = methods[name];
    return read_memory(in, map);
}

static int read_method(struct input *in)
{
    static const char *const keys[] = {"name",        "tolerance", "accuracy",     "path_rate",
                                       "max_bond",    "splitting", "memory_steps", "added_correlation_time",
                                       "propagation", NULL};
    static const char *const names[] = {"auto", "uniform", "pt-tempo", "tempo", NULL};
    static const char *const splittings[] = {"symmetric", "list", NULL};
    static const char *const propagations[] = {"magnus", "average", "midpoint", NULL};
    static const oqt_propagation hows[] = {OQT_PROPAGATE_MAGNUS, OQT_PROPAGATE_AVERAGE,
                                           OQT_PROPAGATE_MIDPOINT};
    struct node *map;
    size_t splitting = 0, propagation = 0;
    int code;

    if ((code = get_section(&map, &in->tree, "method", true)) || (code = check_keys(map, keys, NULL)) ||
        (code = read_tensor_method(in, map, names)))
        return code;
    if (in->n_baths > 1 || node_get(map, "splitting"))
        code = get_choice(&splitting, &in->tree, map, "splitting", splittings, NULL, "symmetric");
    if (code == CLI_OK && (in->n_shapes > 0 || node_get(map, "propagation")))
        code = get_choice(&propagation, &in->tree, map, "propagation", propagations, NULL, "magnus");
    if (code)
        return code;
    in->propagation = hows[propagation];
    in->splitting = splitting == 0 ? OQT_SPLIT_SYMMETRIC : OQT_SPLIT_LIST;
    return CLI_OK;
}

/* Of the chain, and of its process tensors in a mapping of their own. */
static int read_chain_method(struct input *in)
{
    static const char *const keys[] = {"order", "tolerance", "max_bond", "parallel", "process_tensor", NULL};
    static const char *const ways[] = {"auto", "sites", "blas", "none", NULL};
    static const oqt_parallel parallel[] = {OQT_PARALLEL_AUTO, OQT_PARALLEL_SITES, OQT_PARALLEL_BLAS,
                                            OQT_PARALLEL_NONE};
    static const char *const tensor_keys[] = {
        "name", "tolerance", "accuracy", "path_rate", "max_bond", "memory_steps", "added_correlation_time",
        NULL};
    static const char *const names[] = {"auto", "uniform", "pt-tempo", NULL};
    struct node *map, *tensor;
    size_t way = 0;
    uint64_t order;
    int code;

    if ((code = get_section(&map, &in->tree, "method", true)) || (code = check_keys(map, keys, NULL)) ||
        (code = get_integer(&order, &in->tree, map, "order", 1, 4, "2")) ||
        (code = get_number(&in->chain.tolerance, &in->tree, map, "tolerance", BETWEEN_0_AND_1, "1e-06")) ||
        (code = read_max_bond(&in->chain.max_bond, in, map, 3)) ||
        (code = get_map(&tensor, &in->tree, map, "process_tensor", true)) ||
        (code = check_keys(tensor, tensor_keys, NULL)))
        return code;
    if (order == 3)
        return node_fail(node_get(map, "order"), "method.order is 3; expected 1, 2 or 4");
    in->chain.order = (int)order;
    if (node_get(map, "parallel") && (code = get_choice(&way, &in->tree, map, "parallel", ways, NULL, NULL)))
        return code;
    in->chain.parallel = parallel[way];
    return read_tensor_method(in, tensor, names);
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
int check_observable_name(const struct node *node, const char *name)
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
    return CLI_OK;
}

int add_observable(struct input *in, const struct node *node)
{
    const char *name = in->observable[in->n_observables].name;

    for (size_t i = 0; i < in->n_observables; i++) {
        char text[QUOTED_SIZE], other[QUOTED_SIZE];

        if (names_clash(in->observable[i].name, name))
            return node_fail(node, "observables %s and %s would share a column; expected distinct names",
                             quote(other, in->observable[i].name), quote(text, name));
    }
    in->n_observables++;
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
    if ((code = check_observable_name(name, out->name)) || (code = operator_read(&out->op, op, in->d)))
        return code;
    out->hermitian = matrix_is_hermitian(&out->op, &i, &j);
    if ((code = add_observable(in, name)))
        matrix_release(&out->op);
    return code;
}

static int read_observables(struct input *in)
{
    const struct node *list = node_get(in->tree.root, "observables");
    int code;

    if (!list)
        return CLI_OK;
    if ((code = expect_list(list, "a list of observables")))
        return code;
    if (in->task == TASK_CHAIN)
        return chain_read_observables(in, list);
    in->observable = calloc(list->n + 1, sizeof *in->observable);
    if (!in->observable)
        return fail_memory();
    for (size_t i = 0; i < list->n && code == CLI_OK; i++)
        code = read_observable(in, list->child[i]);
    return code;
}

/* Without observables the states are what is left to write. */
static int read_output(struct input *in, const char *path)
{
    /* Those of one system begin at the fourth. */
    static const char *const keys[] = {"bonds", "entropies", "checkpoint", "states", NULL};
    bool of_chain = in->task == TASK_CHAIN;
    struct node *map;
    int code;

    if (in->task == TASK_PROCESS_TENSOR && !node_get(in->tree.root, "output"))
        return CLI_OK;
    if ((code = get_section(&map, &in->tree, "output", true)) ||
        (code = check_keys(map, keys + (of_chain ? 0 : 3), NULL)))
        return code;
    if (of_chain && ((code = get_bool(&in->chain.bonds, &in->tree, map, "bonds", "false")) ||
                     (code = get_bool(&in->chain.entropies, &in->tree, map, "entropies", "false"))))
        return code;
    if (node_get(map, "checkpoint") && (code = path_of_key(&in->chain.checkpoint, map, "checkpoint", path)))
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
    in->task = (enum task)task;
    if (build && in->task == TASK_CHAIN)
        return node_fail(node_get(in->tree.root, "task"),
                         "the task is chain; expected an input of one system to build a process tensor of");
    if (in->task != TASK_CHAIN && node_get(in->tree.root, "chain"))
        return key_fail(node_get(in->tree.root, "chain"), "chain is of the task chain only");
    in->task = build ? TASK_PROCESS_TENSOR : in->task;
    return check_keys(in->tree.root, top_keys, NULL);
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
        (code = check_bath_count(&in)) ||
        (code = (in.task == TASK_CHAIN ? chain_read : system_read)(&in, path)) ||
        (code = (in.task == TASK_CHAIN ? chain_read_states : read_initial_state)(&in)) ||
        (code = baths_read(&in, path)) || (code = read_time(&in)) || (code = controls_read(&in)) ||
        (code = (in.task == TASK_CHAIN ? read_chain_method : read_method)(&in)) ||
        (code = read_observables(&in)) || (code = read_output(&in, path))) {
        input_release(&in);
        return code;
    }
    *out = in;
    return CLI_OK;
}

void input_release(struct input *in)
{
    for (size_t i = 0; i < in->n_observables; i++) {
        matrix_release(&in->observable[i].op);
        free(in->observable[i].column);
    }
    free(in->observable);
    baths_release(in);
    matrix_release(&in->initial);
    system_release(in);
    chain_release(&in->chain);
    oqt_control_destroy(in->control);
    tree_release(&in->tree);
    *in = (struct input){0};
}
