/* shape.c - functions of time as they are written in input files. */
#include "shape.h"

#include "datafile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static const char *const forms[] = {"constant", "ramp", "sine", "gaussian", "sech", "table", NULL};

/* What a form needs; a key without a default must be there. */
struct key {
    const char *name;
    enum range range;
    const char *otherwise;
};
static const struct key keys_of[][4] = {
    [SHAPE_CONSTANT] = {{"value", ANY_NUMBER, NULL}},
    [SHAPE_RAMP] = {{"from", ANY_NUMBER, "0"},
                    {"to", ANY_NUMBER, NULL},
                    {"begin", ANY_NUMBER, "0"},
                    {"end", ANY_NUMBER, NULL}},
    [SHAPE_SINE] = {{"amplitude", ANY_NUMBER, NULL},
                    {"frequency", ANY_NUMBER, NULL},
                    {"phase", ANY_NUMBER, "0"}},
    [SHAPE_GAUSSIAN] = {{"area", ANY_NUMBER, NULL}, {"center", ANY_NUMBER, NULL}, {"width", POSITIVE, NULL}},
    [SHAPE_SECH] = {{"area", ANY_NUMBER, NULL}, {"center", ANY_NUMBER, NULL}, {"width", POSITIVE, NULL}},
    [SHAPE_TABLE] = {{NULL, ANY_NUMBER, NULL}},
};

/* ---- values ---- */

/* The monotone-preserving cubic of Steffen (Astron. Astrophys. 239, 443 (1990)): between two points it does
 * not leave the values there. */
static double slope_inside(double left, double h_left, double right, double h_right)
{
    double p = (left * h_right + right * h_left) / (h_left + h_right);
    double least = fmin(fmin(fabs(left), fabs(right)), 0.5 * fabs(p));

    return left * right <= 0.0 ? 0.0 : copysign(2.0 * least, left);
}

static double slope_at_end(double near, double h_near, double far, double h_far)
{
    double p = near + (near - far) * h_near / (h_near + h_far);

    if (p * near <= 0.0)
        return 0.0;
    return fabs(p) > 2.0 * fabs(near) ? 2.0 * near : p;
}

static void fill_slopes(struct shape *s)
{
    const double *t = s->time, *y = s->value;
    size_t n = s->n;

#define H(i)     (t[(i) + 1] - t[i])
#define SLOPE(i) ((y[(i) + 1] - y[i]) / H(i))
    if (n == 2) {
        s->slope[0] = s->slope[1] = SLOPE(0);
        return;
    }
    s->slope[0] = slope_at_end(SLOPE(0), H(0), SLOPE(1), H(1));
    for (size_t i = 1; i + 1 < n; i++)
        s->slope[i] = slope_inside(SLOPE(i - 1), H(i - 1), SLOPE(i), H(i));
    s->slope[n - 1] = slope_at_end(SLOPE(n - 2), H(n - 2), SLOPE(n - 3), H(n - 3));
#undef SLOPE
#undef H
}

/* Outside of the table its first and last values hold. */
static double table_value(const struct shape *s, double t)
{
    size_t low = 0, high = s->n - 1;
    double h, x, a, b;

    if (t <= s->time[low])
        return s->value[low];
    if (t >= s->time[high])
        return s->value[high];
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (s->time[middle] <= t)
            low = middle;
        else
            high = middle;
    }
    h = s->time[high] - s->time[low];
    x = (t - s->time[low]) / h;
    /* Hermite's cubic: value + x (slope h) + x^2 a + x^3 b. */
    a = 3.0 * (s->value[high] - s->value[low]) - h * (2.0 * s->slope[low] + s->slope[high]);
    b = h * (s->slope[low] + s->slope[high]) - 2.0 * (s->value[high] - s->value[low]);
    return s->value[low] + x * (h * s->slope[low] + x * (a + x * b));
}

int shape_value(double *value, double t, void *ctx)
{
    const struct shape *s = ctx;
    const double *p = s->number;
    double x;

    switch (s->form) {
    case SHAPE_CONSTANT:
        *value = p[0];
        break;
    case SHAPE_RAMP:
        x = fmin(fmax((t - p[2]) / (p[3] - p[2]), 0.0), 1.0);
        *value = p[0] + (p[1] - p[0]) * x;
        break;
    case SHAPE_SINE:
        *value = p[0] * sin(p[1] * t + p[2]);
        break;
    case SHAPE_GAUSSIAN:
        x = (t - p[1]) / p[2];
        *value = p[0] / (p[2] * sqrt(2.0 * pi)) * exp(-0.5 * x * x);
        break;
    case SHAPE_SECH:
        x = (t - p[1]) / p[2];
        *value = p[0] / (pi * p[2]) / cosh(x);
        break;
    case SHAPE_TABLE:
        *value = table_value(s, t);
        break;
    }
    return 0;
}

bool shape_repeats(const struct shape *s, double period)
{
    double turns = s->number[1] * period / (2.0 * pi);

    if (s->form == SHAPE_SINE)
        return fabs(turns - round(turns)) <= 1e-9 * fmax(1.0, fabs(turns));
    return s->form == SHAPE_CONSTANT;
}

/* ---- reading ---- */

static int create_table(struct shape *s, size_t n)
{
    s->time = malloc(n * sizeof *s->time);
    s->value = malloc(n * sizeof *s->value);
    s->slope = malloc(n * sizeof *s->slope);
    s->n = n;
    return s->time && s->value && s->slope ? CLI_OK : fail_memory();
}

static int read_file(struct shape *s, const struct node *map, const char *path)
{
    struct datafile data;
    int code = datafile_of_key(&data, map, "file", 2, path);

    if (code)
        return code;
    code = create_table(s, data.n_rows);
    for (size_t i = 0; code == CLI_OK && i < data.n_rows; i++) {
        s->time[i] = data.value[2 * i];
        s->value[i] = data.value[2 * i + 1];
    }
    datafile_release(&data);
    return code;
}

static int read_rows(struct shape *s, const struct node *list)
{
    char path[PATH_SIZE], found[QUOTED_SIZE];
    int code;

    if ((code = expect_list(list, "a list of [time, value]")) || (code = create_table(s, list->n)))
        return code;
    for (size_t i = 0; i < list->n && code == CLI_OK; i++) {
        const struct node *row = list->child[i];

        if (row->kind != NODE_LIST || row->n != 2)
            return node_fail(row, "%s is %s; expected [time, value]", node_path(path, row),
                             row->kind == NODE_LIST ? "a list of another length" : describe(found, row));
        if ((code = read_number(&s->time[i], row->child[0], ANY_NUMBER)) == CLI_OK)
            code = read_number(&s->value[i], row->child[1], ANY_NUMBER);
    }
    return code;
}

static int read_table(struct shape *s, const struct node *map, const char *path)
{
    static const char *const keys[] = {"form", "file", "rows", NULL};
    const struct node *file, *rows;
    char where[PATH_SIZE];
    int code = check_keys(map, keys, NULL);

    if (code)
        return code;
    file = node_get(map, "file");
    rows = node_get(map, "rows");
    if (file && rows)
        return key_fail(rows, "%s has a file and rows; expected one of them", node_path(where, map));
    if (!file && !rows)
        return missing_key(map, "rows", "a list of [time, value], or a file");
    if ((code = file ? read_file(s, map, path) : read_rows(s, rows)))
        return code;
    if (s->n < 2)
        return node_fail(file ? file : rows, "%s has fewer than 2 rows",
                         node_path(where, file ? file : rows));
    for (size_t i = 1; i < s->n; i++) {
        if (!(s->time[i] > s->time[i - 1]) || !isfinite(s->time[i] - s->time[i - 1]))
            return node_fail(file ? file : rows->child[i],
                             "times must increase, but %.10g follows %.10g in row %zu of %s", s->time[i],
                             s->time[i - 1], i, node_path(where, file ? file : rows));
    }
    fill_slopes(s);
    return CLI_OK;
}

static int read_numbers(struct shape *s, struct tree *tree, struct node *map)
{
    const struct key *key = keys_of[s->form];
    const char *names[6] = {"form"};
    size_t n = 0;
    int code;

    for (; n < 4 && key[n].name; n++)
        names[n + 1] = key[n].name;
    if ((code = check_keys(map, names, NULL)))
        return code;
    for (size_t i = 0; i < n && code == CLI_OK; i++)
        code = get_number(&s->number[i], tree, map, key[i].name, key[i].range, key[i].otherwise);
    if (code == CLI_OK && s->form == SHAPE_RAMP && !(s->number[3] > s->number[2])) {
        char path[PATH_SIZE];
        const struct node *end = node_get(map, "end");

        return node_fail(end, "%s is %.10g; expected a time after its begin, %.10g", node_path(path, end),
                         s->number[3], s->number[2]);
    }
    return code;
}

int shape_read(struct shape *out, struct tree *tree, struct node *node, const char *path)
{
    struct shape shape = {.node = node};
    size_t form;
    int code;

    if ((code = expect_map(node)) || (code = get_choice(&form, tree, node, "form", forms, NULL, NULL)))
        return code;
    shape.form = (enum shape_form)form;
    code = shape.form == SHAPE_TABLE ? read_table(&shape, node, path) : read_numbers(&shape, tree, node);
    if (code) {
        shape_release(&shape);
    } else {
        *out = shape;
    }
    return code;
}

void shape_release(struct shape *shape)
{
    free(shape->time);
    free(shape->value);
    free(shape->slope);
    *shape = (struct shape){0};
}
