/* shape.h - functions of time as they are written in input files: amplitudes of drives, rates. */
#ifndef CLI_SHAPE_H
#define CLI_SHAPE_H

#include "schema.h"

/* In the order of the names. */
enum shape_form { SHAPE_CONSTANT, SHAPE_RAMP, SHAPE_SINE, SHAPE_GAUSSIAN, SHAPE_SECH, SHAPE_TABLE };

/** One function. The numbers are those of the keys, in the order of the table in shape.c. */
struct shape {
    const struct node *node; /* where it was read */
    enum shape_form form;
    double number[4];
    size_t n;                     /* rows of a table                   */
    double *time, *value, *slope; /* increasing times; value' at them */
};

/** Read {form: ..., ...}; files are relative to the folder of the input file `path`. */
int shape_read(struct shape *out, struct tree *tree, struct node *node, const char *path);
void shape_release(struct shape *shape);

/** An oqt_rate_fn; ctx is a struct shape, which is only read. */
int shape_value(double *value, double t, void *ctx);

/** Whether the function repeats itself after this time. */
bool shape_repeats(const struct shape *shape, double period);

#endif
