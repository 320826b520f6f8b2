/* datafile.h - tables of numbers in text files: lines of columns, # begins a comment. */
#ifndef CLI_DATAFILE_H
#define CLI_DATAFILE_H

#include "schema.h"

/** The numbers of a file: n_rows x n_columns, row-major. */
struct datafile {
    size_t n_rows;
    double *value;
};

/** Read a file of n_columns <= 8 finite numbers per line, separated by blanks, tabs or commas. */
int datafile_read(struct datafile *out, const char *path, size_t n_columns);
void datafile_release(struct datafile *data);

/** The path of `name`, which is relative to the folder of the file `beside`; NULL if out of memory. */
char *path_beside(const char *beside, const char *name);

/** The path that a key of an input file names, relative to its folder, and the numbers of such a file. */
int path_of_key(char **out, const struct node *map, const char *key, const char *input_path);
int datafile_of_key(struct datafile *out, const struct node *map, const char *key, size_t n_columns,
                    const char *input_path);

#endif
