/* table.h - columns of numbers with comments, as text or HDF5. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "text.h"

struct column {
    char *name;
    double *value;
};

/** Columns of equal length; the first is t. */
struct table {
    size_t n_rows, n_columns;
    struct column *column;
};

enum table_format { TABLE_TSV, TABLE_CSV, TABLE_HDF5 };

/** An empty table of n_rows rows that can take `capacity` columns. */
int table_create(struct table *out, size_t n_rows, size_t capacity);
/** Add a column named by a format; NULL if out of memory. The caller stays within the capacity. */
double *table_add_column(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
void table_release(struct table *table);

/** The format that the ending of a file name asks for: .csv, .h5 or .hdf5, else tabs. */
enum table_format table_format_of(const char *path);

/** Comments "# key: value", the names of the columns, the rows. Errors show in the stream. */
void table_write_text(FILE *stream, const struct table *table, const struct facts *comments,
                      enum table_format format);

/** A data set for each column and an attribute of the root for each comment. CLI_INPUT if built without. */
int table_write_hdf5(const char *path, const struct table *table, const struct facts *comments);

/** True if this program can write HDF5 tables. */
bool table_has_hdf5(void);

#endif
