/* chain_checkpoint.h - runs of chains that are interrupted and go on later.
 *
 * A checkpoint is two files: the state as the library writes it, under the name that the input gives, and
 * with ".rows" behind it the options and the rows of the table so far, as text. */
#ifndef CLI_CHAIN_CHECKPOINT_H
#define CLI_CHAIN_CHECKPOINT_H

#include "input.h"
#include "table.h"

/** Write the run, which stands after the step of the last of n_rows rows. */
int checkpoint_write(const struct input *in, const oqt_tebd *run, const struct table *table, size_t n_rows);

/** Let the run and its table stand where a checkpoint was written; *n_rows is 0 if there is none. */
int checkpoint_read(size_t *n_rows, const struct input *in, oqt_tebd *run, struct table *table);

#endif
