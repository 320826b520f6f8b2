/* operators.h - operators and states as they are written in input files. */
#ifndef CLI_OPERATORS_H
#define CLI_OPERATORS_H

#include "schema.h"

/** A square matrix, row-major; element is NULL for none. */
struct matrix {
    size_t d;
    oqt_complex *element;
};

void matrix_release(struct matrix *matrix);
/** All zero. */
int matrix_create(struct matrix *out, size_t d);
/** Hermitian to 1e-10 of the largest element, as the library demands. If not, *row and *column tell where. */
bool matrix_is_hermitian(const struct matrix *matrix, size_t *row, size_t *column);

/** A name, a mapping name: coefficient, or a list of rows. */
int operator_read(struct matrix *out, const struct node *node, size_t d);
/** The same; refuses what is not Hermitian. */
int operator_read_hermitian(struct matrix *out, const struct node *node, size_t d);
/** The space that an operator acts on: one system of dimension `left`, or two sites of a chain. */
struct space {
    size_t left, right; /* right is 0 for one system */
};

size_t space_dimension(struct space space);
/** An operator on a space. On two sites it is [left, right], two operators whose product is meant; a list of
 *  such terms, which are added; or the rows of a matrix, the left site being the more significant index. */
int space_operator_read(struct matrix *out, const struct node *node, struct space space);
/** The same; refuses what is not Hermitian. */
int space_operator_read_hermitian(struct matrix *out, const struct node *node, struct space space);

/** Tr(O rho). */
oqt_complex matrix_expectation(const struct matrix *op, const oqt_complex *rho);

/** A name or a list of rows; any matrix. */
int state_read(struct matrix *out, const struct node *node, size_t d);
/** The same; refuses what is not Hermitian. */
int state_read_hermitian(struct matrix *out, const struct node *node, size_t d);

/** How many lists stand inside each other where the first element of each is followed. */
size_t list_depth(const struct node *node);

/** The dimension that an operator or a state implies, or 0 if it fits several. NULL is fine. */
size_t operator_dimension(const struct node *node);
size_t state_dimension(const struct node *node);

#endif
