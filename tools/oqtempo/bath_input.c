/* bath_input.c - the section `baths` of an input file. */
#include "datafile.h"
#include "input.h"

#include <stdlib.h>
#include <string.h>

/* Those of baths of one system begin at the second. */
static const char *const bath_keys[] = {
    "site", "coupling", "spectral_density", "temperature", "process_tensor", "correlation_table", NULL};
static const char *const forms[] = {"power_law", "drude_lorentz", "lorentzian", "modes", "table", NULL};
enum { POWER_LAW, DRUDE_LORENTZ, LORENTZIAN, MODES, TABLE };

/* Print a failure of the library at a node. */
static int library_fail(const struct node *node, const oqt_error *err)
{
    char path[PATH_SIZE];

    node_fail(node, "%s: %s", node_path(path, node), err->text);
    return exit_code_of(err->code);
}

/* ---- spectral densities ---- */

static int power_law(oqt_bath **out, struct tree *tree, struct node *map, double temperature, oqt_error *err)
{
    static const char *const keys[] = {"form", "alpha", "zeta", "cutoff", "cutoff_form", NULL};
    static const char *const cutoffs[] = {"hard", "exponential", "gaussian", NULL};
    static const oqt_cutoff values[] = {OQT_CUTOFF_HARD, OQT_CUTOFF_EXPONENTIAL, OQT_CUTOFF_GAUSSIAN};
    double alpha, zeta, cutoff;
    size_t form;
    int code;

    if ((code = check_keys(map, keys, NULL)) ||
        (code = get_number(&alpha, tree, map, "alpha", NOT_NEGATIVE, NULL)) ||
        (code = get_number(&zeta, tree, map, "zeta", POSITIVE, "1")) ||
        (code = get_number(&cutoff, tree, map, "cutoff", POSITIVE, NULL)) ||
        (code = get_choice(&form, tree, map, "cutoff_form", cutoffs, NULL, "exponential")))
        return code;
    oqt_bath_create_power_law(out, alpha, zeta, cutoff, values[form], temperature, err);
    return CLI_OK;
}

static int drude_lorentz(oqt_bath **out, struct tree *tree, struct node *map, double temperature,
                         oqt_error *err)
{
    static const char *const keys[] = {"form", "reorganization", "rate", NULL};
    double reorganization, rate;
    int code;

    if ((code = check_keys(map, keys, NULL)) ||
        (code = get_number(&reorganization, tree, map, "reorganization", NOT_NEGATIVE, NULL)) ||
        (code = get_number(&rate, tree, map, "rate", POSITIVE, NULL)))
        return code;
    oqt_bath_create_drude_lorentz(out, reorganization, rate, temperature, err);
    return CLI_OK;
}

static int lorentzian(oqt_bath **out, struct tree *tree, struct node *map, double temperature, oqt_error *err)
{
    static const char *const keys[] = {"form", "reorganization", "frequency", "damping", NULL};
    double reorganization, frequency, damping;
    int code;

    if ((code = check_keys(map, keys, NULL)) ||
        (code = get_number(&reorganization, tree, map, "reorganization", NOT_NEGATIVE, NULL)) ||
        (code = get_number(&frequency, tree, map, "frequency", POSITIVE, NULL)) ||
        (code = get_number(&damping, tree, map, "damping", POSITIVE, NULL)))
        return code;
    oqt_bath_create_lorentzian(out, reorganization, frequency, damping, temperature, err);
    return CLI_OK;
}

static int read_mode(double *frequency, double *coupling, const struct node *node)
{
    char path[PATH_SIZE], found[QUOTED_SIZE];
    int code;

    if (node->kind != NODE_LIST || node->n != 2)
        return node_fail(node, "%s is %s; expected [frequency, coupling]", node_path(path, node),
                         node->kind == NODE_LIST ? "a list of another length" : describe(found, node));
    code = read_number(frequency, node->child[0], POSITIVE);
    return code ? code : read_number(coupling, node->child[1], ANY_NUMBER);
}

static int modes(oqt_bath **out, struct node *map, double temperature, oqt_error *err)
{
    static const char *const keys[] = {"form", "modes", NULL};
    const struct node *list;
    double *value;
    int code = check_keys(map, keys, NULL);

    if (code)
        return code;
    list = node_get(map, "modes");
    if (!list)
        return missing_key(map, "modes", "a list of [frequency, coupling]");
    if ((code = expect_list(list, "a list of [frequency, coupling]")))
        return code;
    if (list->n == 0)
        return node_fail(list, "the list of modes is empty; expected [frequency, coupling]");
    value = malloc(2 * list->n * sizeof *value);
    if (!value)
        return fail_memory();
    for (size_t i = 0; i < list->n && code == CLI_OK; i++)
        code = read_mode(value + i, value + list->n + i, list->child[i]);
    if (code == CLI_OK)
        oqt_bath_create_modes(out, list->n, value, value + list->n, temperature, err);
    free(value);
    return code;
}

/* The columns of a datafile, one after the other; NULL if out of memory. */
static double *transpose(const struct datafile *data, size_t n_columns)
{
    double *out = malloc(data->n_rows * n_columns * sizeof *out);

    for (size_t i = 0; out && i < data->n_rows * n_columns; i++)
        out[i % n_columns * data->n_rows + i / n_columns] = data->value[i];
    return out;
}

static int table(oqt_bath **out, struct node *map, double temperature, const char *path, oqt_error *err)
{
    static const char *const keys[] = {"form", "file", NULL};
    struct datafile data;
    double *column;
    int code;

    if ((code = check_keys(map, keys, NULL)) || (code = datafile_of_key(&data, map, "file", 2, path)))
        return code;
    column = transpose(&data, 2);
    if (column) {
        oqt_bath_create_table(out, data.n_rows, column, column + data.n_rows, temperature, err);
    } else {
        code = fail_memory();
    }
    free(column);
    datafile_release(&data);
    return code;
}

/* The helpers above give CLI_OK with *out left NULL if the library refused; the message is in `err`. */
static int read_density(oqt_bath **out, struct tree *tree, struct node *map, const char *path)
{
    struct node *density = node_get(map, "spectral_density");
    oqt_error err = {OQT_OK, ""};
    double temperature;
    size_t form;
    int code;

    if ((code = expect_map(density)) ||
        (code = get_choice(&form, tree, density, "form", forms, NULL, NULL)) ||
        (code = get_number(&temperature, tree, map, "temperature", NOT_NEGATIVE, NULL)))
        return code;
    *out = NULL;
    switch (form) {
    case POWER_LAW:
        code = power_law(out, tree, density, temperature, &err);
        break;
    case DRUDE_LORENTZ:
        code = drude_lorentz(out, tree, density, temperature, &err);
        break;
    case LORENTZIAN:
        code = lorentzian(out, tree, density, temperature, &err);
        break;
    case MODES:
        code = modes(out, density, temperature, &err);
        break;
    default:
        code = table(out, density, temperature, path, &err);
        break;
    }
    return code || *out ? code : library_fail(density, &err);
}

static int read_correlation(oqt_bath **out, const struct node *map, const char *path)
{
    const struct node *node = node_get(map, "correlation_table");
    oqt_error err;
    struct datafile data;
    double *time;
    oqt_complex *c;
    int code = datafile_of_key(&data, map, "correlation_table", 3, path);

    if (code)
        return code;
    time = malloc(data.n_rows * sizeof *time);
    c = malloc(data.n_rows * sizeof *c);
    if (!time || !c) {
        code = fail_memory();
    } else {
        for (size_t i = 0; i < data.n_rows; i++) {
            time[i] = data.value[3 * i];
            c[i] = (oqt_complex){data.value[3 * i + 1], data.value[3 * i + 2]};
        }
        if (oqt_bath_create_correlation_table(out, data.n_rows, time, c, &err) != OQT_OK)
            code = library_fail(node, &err);
    }
    free(time);
    free(c);
    datafile_release(&data);
    return code;
}

/* ---- one bath ---- */

/* Of the three ways to give a bath exactly one, and the keys that go with it. */
static int check_bath_keys(const struct node *map, bool of_chain)
{
    static const char *const ways[] = {"spectral_density", "process_tensor", "correlation_table"};
    const struct node *found = NULL, *coupling = node_get(map, "coupling");
    const struct node *temperature = node_get(map, "temperature");
    char path[PATH_SIZE];
    int code;

    if ((code = expect_map(map)) || (code = check_keys(map, bath_keys + !of_chain, NULL)))
        return code;
    for (size_t i = 0; i < 3; i++) {
        const struct node *node = node_get(map, ways[i]);

        if (node && found)
            return key_fail(node, "%s is given twice, by %s and by %s; expected one of them",
                            node_path(path, map), found->key, node->key);
        found = node ? node : found;
    }
    if (!found)
        return node_fail(map, "%s has no spectral_density, process_tensor or correlation_table",
                         node_path(path, map));
    if (coupling && strcmp(found->key, "process_tensor") == 0)
        return key_fail(coupling, "%s is part of the process tensor and cannot be changed",
                        node_path(path, coupling));
    if (temperature && strcmp(found->key, "spectral_density") != 0)
        return key_fail(temperature, "%s goes with spectral_density only; the %s contains it",
                        node_path(path, temperature), found->key);
    if (!coupling && strcmp(found->key, "process_tensor") != 0)
        return missing_key(map, "coupling", "a Hermitian operator");
    return CLI_OK;
}

static int read_tensor(struct bath_input *out, const struct node *map, const char *input_path)
{
    const struct node *node = node_get(map, "process_tensor");
    char *path = NULL;
    oqt_error err;
    int code = path_of_key(&path, map, "process_tensor", input_path);

    if (code)
        return code;
    if (oqt_pt_read(&out->pt, path, &err) != OQT_OK)
        code = library_fail(node, &err);
    free(path);
    return code;
}

int baths_read_tensors(struct input *in, const char *path)
{
    const struct node *list = node_get(in->tree.root, "baths");
    int code = CLI_OK;

    if (!list)
        return CLI_OK;
    if ((code = expect_list(list, "a list of baths")))
        return code;
    in->bath = calloc(list->n + 1, sizeof *in->bath);
    if (!in->bath)
        return fail_memory();
    in->n_baths = list->n;
    for (size_t i = 0; i < list->n && code == CLI_OK; i++) {
        code = check_bath_keys(list->child[i], in->task == TASK_CHAIN);
        if (code == CLI_OK && node_get(list->child[i], "process_tensor"))
            code = read_tensor(&in->bath[i], list->child[i], path);
    }
    return code;
}

/* A process tensor from a file fits the system. */
static int check_tensor(const struct bath_input *bath, size_t d, const struct node *map)
{
    const struct node *node = node_get(map, "process_tensor");
    oqt_pt_info info;
    char path[PATH_SIZE];

    oqt_pt_get_info(&info, bath->pt);
    if (info.dimension != d)
        return node_fail(node, "%s has dimension %zu, but the system has %zu", node_path(path, node),
                         info.dimension, d);
    return CLI_OK;
}

/* The sites of a chain that have the bath, and their dimension. */
static int read_bath_sites(size_t *d, struct bath_input *bath, const struct input *in, const struct node *map)
{
    const struct node *node = node_get(map, "site");
    char path[PATH_SIZE];
    int code;

    if (!node)
        return missing_key(map, "site", "the number of a site, a list of them, or all");
    if ((code = places_read(&bath->site, node, in->chain.n)))
        return code;
    *d = in->chain.d[bath->site.at[0]];
    for (size_t i = 1; i < bath->site.n; i++) {
        if (in->chain.d[bath->site.at[i]] != *d)
            return node_fail(node, "%s names sites of dimensions %zu and %zu; expected equal ones",
                             node_path(path, node), *d, in->chain.d[bath->site.at[i]]);
    }
    return CLI_OK;
}

int baths_read(struct input *in, const char *path)
{
    const struct node *list = node_get(in->tree.root, "baths");
    int code = CLI_OK;

    for (size_t i = 0; i < in->n_baths && code == CLI_OK; i++) {
        struct bath_input *bath = &in->bath[i];
        size_t d = in->d;

        if (in->task == TASK_CHAIN && (code = read_bath_sites(&d, bath, in, list->child[i])))
            break;
        if (bath->pt) {
            code = check_tensor(bath, d, list->child[i]);
            continue;
        }
        code = operator_read_hermitian(&bath->coupling, node_get(list->child[i], "coupling"), d);
        if (code)
            break;
        phase_start(&in->bath_phase);
        code = node_get(list->child[i], "spectral_density")
                   ? read_density(&bath->bath, &in->tree, list->child[i], path)
                   : read_correlation(&bath->bath, list->child[i], path);
        phase_stop(&in->bath_phase);
    }
    return code;
}

/* The same keys and values, in any order of the keys; the key `site` does not count. */
static bool alike(const struct node *a, const struct node *b)
{
    if (a->kind != b->kind || a->n != b->n)
        return false;
    if (a->kind == NODE_SCALAR)
        return strcmp(a->text, b->text) == 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct node *x = a->child[i], *y = a->kind == NODE_MAP ? node_get(b, x->key) : b->child[i];

        if (!y || ((a->kind != NODE_MAP || strcmp(x->key, "site") != 0) && !alike(x, y)))
            return false;
    }
    return true;
}

size_t bath_like(const struct input *in, size_t i)
{
    const struct node *list = node_get(in->tree.root, "baths");

    for (size_t k = 0; k < i; k++) {
        if (!in->bath[k].pt && alike(list->child[k], list->child[i]) &&
            in->bath[k].coupling.d == in->bath[i].coupling.d)
            return k;
    }
    return i;
}

void baths_release(struct input *in)
{
    for (size_t i = 0; i < in->n_baths; i++) {
        oqt_bath_destroy(in->bath[i].bath);
        oqt_pt_destroy(in->bath[i].pt);
        matrix_release(&in->bath[i].coupling);
        places_release(&in->bath[i].site);
    }
    free(in->bath);
    in->bath = NULL;
    in->n_baths = 0;
}
