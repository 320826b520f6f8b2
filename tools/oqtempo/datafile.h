/* datafile.h - tables of numbers in text files: lines of columns, # begins a comment. */
#ifndef CLI_DATAFILE_H
#define CLI_DATAFILE_H

#include "cli.h"

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

#endif
