/* operators.c - operators and states as they are written in input files. */
#include "operators.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Names with a hint how the rest is written; ket_bra is looked for before. */
static const char *const operator_names[] = {
    "identity", "sigma_x",  "sigma_y", "sigma_z", "sigma_plus", "sigma_minus",      "create", "destroy",
    "number",   "position", "spin_x",  "spin_y",  "spin_z",     "\"ket_bra(i,j)\"", NULL};
enum {
    IDENTITY,
    SIGMA_X,
    SIGMA_Y,
    SIGMA_Z,
    SIGMA_PLUS,
    SIGMA_MINUS,
    CREATE,
    DESTROY,
    NUMBER,
    POSITION,
    SPIN_X,
    SPIN_Y,
    SPIN_Z
};

static const char *const state_names[] = {"up", "down", "x+",    "x-",           "y+", "y-",
                                          "z+", "z-",   "mixed", "\"basis(i)\"", NULL};

/* Qubit states in the order of state_names. */
static const oqt_complex qubit_states[8][4] = {
    {{1, 0}, {0, 0}, {0, 0}, {0, 0}},          {{0, 0}, {0, 0}, {0, 0}, {1, 0}},
    {{0.5, 0}, {0.5, 0}, {0.5, 0}, {0.5, 0}},  {{0.5, 0}, {-0.5, 0}, {-0.5, 0}, {0.5, 0}},
    {{0.5, 0}, {0, -0.5}, {0, 0.5}, {0.5, 0}}, {{0.5, 0}, {0, 0.5}, {0, -0.5}, {0.5, 0}},
    {{1, 0}, {0, 0}, {0, 0}, {0, 0}},          {{0, 0}, {0, 0}, {0, 0}, {1, 0}},
};
enum { STATE_MIXED = 8 };

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

static void add(oqt_complex *to, oqt_complex c, double re, double im)
{
    to->re += c.re * re - c.im * im;
    to->im += c.re * im + c.im * re;
}

/* matrix += c times the ladder operator with elements up(n) at (n+1, n) and down(n) at (n, n+1). */
static void add_ladder(struct matrix *matrix, oqt_complex c, size_t name)
{
    size_t d = matrix->d;

    for (size_t n = 0; n + 1 < d; n++) {
        oqt_complex *raise = matrix->element + (n + 1) * d + n; /* row n + 1, column n */
        oqt_complex *lower = matrix->element + n * d + n + 1;
        double root = sqrt((double)n + 1.0);
        /* Spin j = (d - 1)/2 with the largest m first: <n|J_x|n+1> = sqrt((n + 1)(d - 1 - n))/2. */
        double spin = 0.5 * sqrt(((double)n + 1.0) * ((double)d - 1.0 - (double)n));

        if (name == CREATE || name == POSITION)
            add(raise, c, name == CREATE ? root : root * sqrt(0.5), 0.0);
        if (name == DESTROY || name == POSITION)
            add(lower, c, name == DESTROY ? root : root * sqrt(0.5), 0.0);
        if (name == SPIN_X) {
            add(raise, c, spin, 0.0);
            add(lower, c, spin, 0.0);
        }
        if (name == SPIN_Y) {
            add(raise, c, 0.0, spin);
            add(lower, c, 0.0, -spin);
        }
    }
}

static void add_sigma(struct matrix *matrix, oqt_complex c, size_t name)
{
    static const oqt_complex sigma[5][4] = {{{0, 0}, {1, 0}, {1, 0}, {0, 0}},
                                            {{0, 0}, {0, -1}, {0, 1}, {0, 0}},
                                            {{1, 0}, {0, 0}, {0, 0}, {-1, 0}},
                                            {{0, 0}, {1, 0}, {0, 0}, {0, 0}},
                                            {{0, 0}, {0, 0}, {1, 0}, {0, 0}}};

    for (size_t i = 0; i < 4; i++)
        add(matrix->element + i, c, sigma[name - SIGMA_X][i].re, sigma[name - SIGMA_X][i].im);
}

static void add_diagonal(struct matrix *matrix, oqt_complex c, size_t name)
{
    size_t d = matrix->d;

    for (size_t n = 0; n < d; n++) {
        double value = name == NUMBER   ? (double)n
                       : name == SPIN_Z ? 0.5 * ((double)d - 1.0) - (double)n
                                        : 1.0;

        add(matrix->element + n * d + n, c, value, 0.0);
    }
}

/* A whole number in decimal, possibly with blanks around it; moves *at behind it. */
static bool take_index(size_t *out, const char **at)
{
    const char *p = *at + strspn(*at, " ");
    size_t n = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        n = n < 1000000 ? 10 * n + (size_t)(*p - '0') : n;
    *at = p + strspn(p, " ");
    *out = n;
    return true;
}

/* "NAME(i,j)" or "NAME(i)": the number of indices, or 0 if it is not that. */
static int parse_indices(size_t index[2], const char *text, const char *name, int n)
{
    size_t length = strlen(name);

    if (strncmp(text, name, length) != 0 || text[length] != '(')
        return 0;
    text += length + 1;
    for (int i = 0; i < n; i++) {
        if (!take_index(&index[i], &text) || *text++ != (i + 1 < n ? ',' : ')'))
            return 0;
    }
    return *text == '\0' ? n : 0;
}

static int index_too_large(bool is_key, const struct node *node, const char *name, size_t d)
{
    char text[QUOTED_SIZE];

    return (is_key ? key_fail : node_fail)(node, "%s has an index beyond dimension %zu; the first is 0",
                                           quote(text, name), d);
}

/* matrix += c times the operator of a name; messages at the key or at the value of `node`. */
static int add_named(struct matrix *matrix, oqt_complex c, const char *name, const struct node *node,
                     bool is_key)
{
    int (*complain)(const struct node *, const char *, ...) = is_key ? key_fail : node_fail;
    size_t which = find_name(name, operator_names), d = matrix->d, index[2];
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (parse_indices(index, name, "ket_bra", 2)) {
        if (index[0] >= d || index[1] >= d)
            return index_too_large(is_key, node, name, d);
        add(matrix->element + index[0] * d + index[1], c, 1.0, 0.0);
        return CLI_OK;
    }
    if (which > SPIN_Z) {
        suggest(&hint, name, operator_names);
        complain(node, "unknown operator %s%s", quote(quoted, name), hint.failed ? "" : hint.data);
        text_release(&hint);
        return CLI_INPUT;
    }
    if (which >= SIGMA_X && which <= SIGMA_MINUS) {
        if (d != 2)
            return complain(node, "operator \"%s\" needs dimension 2, but the system has dimension %zu", name,
                            d);
        add_sigma(matrix, c, which);
    } else if (which == IDENTITY || which == NUMBER || which == SPIN_Z) {
        add_diagonal(matrix, c, which);
    } else {
        add_ladder(matrix, c, which);
    }
    return CLI_OK;
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
        int code = add_named(matrix, c, term->key, term, true); /* the name first: it stands first */

        if (code == CLI_OK)
            code = read_complex(&c, term);
        if (code == CLI_OK)
            code = add_named(matrix, c, term->key, term, true);
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
        code = add_named(&matrix, one, node->text, node, false);
    }
    if (code) {
        matrix_release(&matrix);
    } else {
        *out = matrix;
    }
    return code;
}

int operator_read_hermitian(struct matrix *out, const struct node *node, size_t d)
{
    struct matrix matrix = {0};
    size_t i, j;
    int code = operator_read(&matrix, node, d);

    if (code == CLI_OK && !matrix_is_hermitian(&matrix, &i, &j)) {
        const struct node *at = node->kind == NODE_LIST ? node->child[i]->child[j] : node;
        oqt_complex x = matrix.element[i * d + j], y = matrix.element[j * d + i];
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
        matrix_release(&matrix);
    } else {
        *out = matrix;
    }
    return code;
}

static int named_state(struct matrix *matrix, const struct node *node)
{
    size_t which = find_name(node->text, state_names), d = matrix->d, index[2];
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (parse_indices(index, node->text, "basis", 1)) {
        if (index[0] >= d)
            return index_too_large(false, node, node->text, d);
        matrix->element[index[0] * d + index[0]].re = 1.0;
        return CLI_OK;
    }
    if (which > STATE_MIXED) {
        suggest(&hint, node->text, state_names);
        node_fail(node, "unknown state %s%s", quote(quoted, node->text), hint.failed ? "" : hint.data);
        text_release(&hint);
        return CLI_INPUT;
    }
    if (which == STATE_MIXED) {
        for (size_t i = 0; i < d; i++)
            matrix->element[i * d + i].re = 1.0 / (double)d;
        return CLI_OK;
    }
    if (d != 2)
        return node_fail(node, "state \"%s\" needs dimension 2, but the system has dimension %zu", node->text,
                         d);
    memcpy(matrix->element, qubit_states[which], sizeof qubit_states[which]);
    return CLI_OK;
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

static bool is_sigma(const char *name)
{
    return strncmp(name, "sigma_", 6) == 0;
}

size_t operator_dimension(const struct node *node)
{
    if (!node)
        return 0;
    if (node->kind == NODE_LIST)
        return node->n;
    if (node->kind == NODE_SCALAR)
        return is_sigma(node->text) ? 2 : 0;
    for (size_t i = 0; i < node->n; i++) {
        if (is_sigma(node->child[i]->key))
            return 2;
    }
    return 0;
}

size_t state_dimension(const struct node *node)
{
    size_t which;

    if (!node || node->kind == NODE_MAP)
        return 0;
    if (node->kind == NODE_LIST)
        return node->n;
    which = find_name(node->text, state_names);
    return which < STATE_MIXED ? 2 : 0;
}
