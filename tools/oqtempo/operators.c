/* operators.c - operators and states as they are written in input files. */
#include "operators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- matrices ---- */

void matrix_release(struct matrix *matrix)
{
    free(matrix->element);
    *matrix = (struct matrix){0};
}

int matrix_create(struct matrix *out, size_t d)
{
    oqt_complex *element = calloc(d * d, sizeof *element);

    if (!element)
        return fail_memory();
    *out = (struct matrix){d, element};
    return CLI_OK;
}

bool matrix_is_hermitian(const struct matrix *matrix, size_t *row, size_t *column)
{
    const oqt_complex *a = matrix->element;
    size_t d = matrix->d;
    double largest = 0.0;

    for (size_t i = 0; i < d * d; i++)
        largest = fmax(largest, hypot(a[i].re, a[i].im));
    for (size_t i = 0; i < d; i++) {
        for (size_t j = i; j < d; j++) {
            oqt_complex x = a[i * d + j], y = a[j * d + i];

            if (!(hypot(x.re - y.re, x.im + y.im) <= 1e-10 * largest)) {
                *row = i;
                *column = j;
                return false;
            }
        }
    }
    return true;
}

/* ---- names ---- */

/* Say why the library refused a name: it is unknown, or does not exist in this dimension. */
static int refuse_name(const struct node *node, bool is_key, const char *what, const char *const *names,
                       const oqt_error *err)
{
    int (*complain)(const struct node *, const char *, ...) = is_key ? key_fail : node_fail;
    const char *name = is_key ? node->key : node->text;
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (err->code == OQT_ERANGE)
        return complain(node, "%s", err->text);
    suggest(&hint, name, names);
    complain(node, "unknown %s %s%s", what, quote(quoted, name), hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}

/* matrix += c times the operator whose name is the key or the value of a node. */
static int add_named(struct matrix *matrix, oqt_complex c, const struct node *node, bool is_key)
{
    const char *name = is_key ? node->key : node->text;
    oqt_error err;

    if (oqt_op_add(matrix->element, matrix->d, c, name, &err) == OQT_OK)
        return CLI_OK;
    return refuse_name(node, is_key, "operator", oqt_op_names(), &err);
}

/* ---- reading ---- */

static int read_rows(struct matrix *matrix, const struct node *node, const char *what)
{
    size_t d = matrix->d;
    char path[PATH_SIZE], found[QUOTED_SIZE];

    if (node->n != d)
        return node_fail(node, "%s has %zu rows; expected %zu, the dimension of the system",
                         node_path(path, node), node->n, d);
    for (size_t i = 0; i < d; i++) {
        const struct node *row = node->child[i];

        if (row->kind != NODE_LIST)
            return node_fail(row, "row %zu of %s is %s; expected a list of %zu numbers", i,
                             node_path(path, node), describe(found, row), d);
        if (row->n != d)
            return node_fail(row, "row %zu of %s has %zu elements; expected %zu, as the %s is square", i,
                             node_path(path, node), row->n, d, what);
        for (size_t j = 0; j < d; j++) {
            int code = read_complex(matrix->element + i * d + j, row->child[j]);

            if (code)
                return code;
        }
    }
    return CLI_OK;
}

static int read_sum(struct matrix *matrix, const struct node *node)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct node *term = node->child[i];
        oqt_complex c = {0.0, 0.0};
        int code = add_named(matrix, c, term, true); /* the name first: it stands first */

        if (code == CLI_OK)
            code = read_complex(&c, term);
        if (code == CLI_OK)
            code = add_named(matrix, c, term, true);
        if (code)
            return code;
    }
    return CLI_OK;
}

int operator_read(struct matrix *out, const struct node *node, size_t d)
{
    const oqt_complex one = {1.0, 0.0};
    struct matrix matrix;
    int code = matrix_create(&matrix, d);

    if (code)
        return code;
    if (node->kind == NODE_LIST) {
        code = read_rows(&matrix, node, "operator");
    } else if (node->kind == NODE_MAP) {
        code = read_sum(&matrix, node);
    } else {
        code = add_named(&matrix, one, node, false);
    }
    if (code) {
        matrix_release(&matrix);
    } else {
        *out = matrix;
    }
    return code;
}

/* What was read from a node, if that gave CLI_OK, into *out if it is Hermitian. */
static int keep_hermitian(struct matrix *out, struct matrix *matrix, const struct node *node, int code)
{
    size_t d = matrix->d, i, j;

    if (code == CLI_OK && !matrix_is_hermitian(matrix, &i, &j)) {
        bool rows = node->kind == NODE_LIST && list_depth(node) == 2 && node->n == d;
        const struct node *at = rows && node->child[i]->n == d ? node->child[i]->child[j] : node;
        oqt_complex x = matrix->element[i * d + j], y = matrix->element[j * d + i];
        char path[PATH_SIZE];

        node_path(path, node);
        if (i == j) {
            code = node_fail(at, "%s is not Hermitian: element (%zu,%zu) is %g%+gi; expected a real number",
                             path, i, j, x.re, x.im);
        } else {
            code = node_fail(at,
                             "%s is not Hermitian: element (%zu,%zu) is %g%+gi and (%zu,%zu) is %g%+gi; "
                             "expected complex conjugates",
                             path, i, j, x.re, x.im, j, i, y.re, y.im);
        }
    }
    if (code) {
        matrix_release(matrix);
    } else {
        *out = *matrix;
    }
    return code;
}

int operator_read_hermitian(struct matrix *out, const struct node *node, size_t d)
{
    struct matrix matrix = {0};
    int code = operator_read(&matrix, node, d);

    return keep_hermitian(out, &matrix, node, code);
}

int state_read_hermitian(struct matrix *out, const struct node *node, size_t d)
{
    struct matrix matrix = {0};
    int code = state_read(&matrix, node, d);

    return keep_hermitian(out, &matrix, node, code);
}

oqt_complex matrix_expectation(const struct matrix *op, const oqt_complex *rho)
{
    size_t d = op->d;
    oqt_complex sum = {0.0, 0.0};

    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < d; j++) {
            oqt_complex o = op->element[i * d + j], r = rho[j * d + i];

            sum.re += o.re * r.re - o.im * r.im;
            sum.im += o.re * r.im + o.im * r.re;
        }
    }
    return sum;
}

/* ---- two sites ---- */

size_t space_dimension(struct space space)
{
    return space.right ? space.left * space.right : space.left;
}

size_t list_depth(const struct node *node)
{
    size_t depth = 0;

    for (; node->kind == NODE_LIST && node->n > 0; node = node->child[0])
        depth++;
    return depth;
}

/* sum += left (x) right. */
static int add_product(struct matrix *sum, const struct node *pair, struct space space)
{
    struct matrix left = {0}, right = {0};
    char path[PATH_SIZE], found[QUOTED_SIZE];
    int code;

    if (pair->kind != NODE_LIST || pair->n != 2)
        return node_fail(pair, "%s is %s; expected two operators, [left, right]", node_path(path, pair),
                         pair->kind == NODE_LIST ? "a list of another length" : describe(found, pair));
    if ((code = operator_read(&left, pair->child[0], space.left)) == CLI_OK)
        code = operator_read(&right, pair->child[1], space.right);
    for (size_t i = 0; code == CLI_OK && i < sum->d * sum->d; i++) {
        size_t row = i / sum->d, column = i % sum->d, n = space.right;
        oqt_complex a = left.element[row / n * space.left + column / n];
        oqt_complex b = right.element[row % n * n + column % n];

        sum->element[i].re += a.re * b.re - a.im * b.im;
        sum->element[i].im += a.re * b.im + a.im * b.re;
    }
    matrix_release(&left);
    matrix_release(&right);
    return code;
}

/* The left operator of a term is no list, or a list of rows, so that the depth tells a term from a list of
 * terms; a matrix has at least four rows, a term two elements. */
static int read_joint(struct matrix *out, const struct node *node, struct space space)
{
    size_t depth = list_depth(node);
    char path[PATH_SIZE], found[QUOTED_SIZE];
    int code = CLI_OK;

    if (depth == 0 || depth > 4)
        return node_fail(node, "%s is %s; expected [left, right], a list of such terms, or a matrix",
                         node_path(path, node),
                         depth > 4 ? "a list of something else" : describe(found, node));
    if (depth % 2 == 1)
        return add_product(out, node, space);
    if (depth == 2 && node->child[0]->n != 2)
        return read_rows(out, node, "operator");
    for (size_t i = 0; i < node->n && code == CLI_OK; i++)
        code = add_product(out, node->child[i], space);
    return code;
}

int space_operator_read(struct matrix *out, const struct node *node, struct space space)
{
    struct matrix matrix;
    int code;

    if (!space.right)
        return operator_read(out, node, space.left);
    if ((code = matrix_create(&matrix, space_dimension(space))))
        return code;
    if ((code = read_joint(&matrix, node, space))) {
        matrix_release(&matrix);
    } else {
        *out = matrix;
    }
    return code;
}

int space_operator_read_hermitian(struct matrix *out, const struct node *node, struct space space)
{
    struct matrix matrix = {0};
    int code = space_operator_read(&matrix, node, space);

    return keep_hermitian(out, &matrix, node, code);
}

static int named_state(struct matrix *matrix, const struct node *node)
{
    oqt_error err;

    if (oqt_state_by_name(matrix->element, matrix->d, node->text, &err) == OQT_OK)
        return CLI_OK;
    return refuse_name(node, false, "state", oqt_state_names(), &err);
}

int state_read(struct matrix *out, const struct node *node, size_t d)
{
    struct matrix matrix;
    char path[PATH_SIZE];
    int code = matrix_create(&matrix, d);

    if (code)
        return code;
    if (node->kind == NODE_LIST) {
        code = read_rows(&matrix, node, "state");
    } else if (node->kind == NODE_SCALAR) {
        code = named_state(&matrix, node);
    } else {
        code = node_fail(node, "%s is a mapping; expected the name of a state or a matrix",
                         node_path(path, node));
    }
    if (code) {
        matrix_release(&matrix);
    } else {
        *out = matrix;
    }
    return code;
}

/* ---- dimension ---- */

/* 2 for what exists there and not for three levels, else 0. */
static size_t implied_dimension(oqt_status (*by_name)(oqt_complex *, size_t, const char *, oqt_error *),
                                const char *name)
{
    oqt_complex place[9];

    return by_name(place, 3, name, NULL) != OQT_OK && by_name(place, 2, name, NULL) == OQT_OK ? 2 : 0;
}

size_t operator_dimension(const struct node *node)
{
    size_t d = 0;

    if (!node)
        return 0;
    if (node->kind == NODE_LIST)
        return node->n;
    if (node->kind == NODE_SCALAR)
        return implied_dimension(oqt_op_by_name, node->text);
    for (size_t i = 0; i < node->n && d == 0; i++)
        d = implied_dimension(oqt_op_by_name, node->child[i]->key);
    return d;
}

size_t state_dimension(const struct node *node)
{
    if (!node || node->kind == NODE_MAP)
        return 0;
    return node->kind == NODE_LIST ? node->n : implied_dimension(oqt_state_by_name, node->text);
}
