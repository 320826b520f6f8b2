/* table.c - columns of numbers with comments, as text. */
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int table_create(struct table *out, size_t n_rows, size_t capacity)
{
    struct column *column = calloc(capacity, sizeof *column);

    if (!column)
        return fail_memory();
    *out = (struct table){.n_rows = n_rows, .column = column};
    return CLI_OK;
}

double *table_add_column(struct table *table, const char *format, ...)
{
    struct column column = {NULL, NULL};
    char name[160];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (table->n_rows <= SIZE_MAX / sizeof *column.value)
        column.value = malloc(table->n_rows * sizeof *column.value);
    column.name = copy_text(name, strlen(name));
    if (!column.value || !column.name) {
        free(column.value);
        free(column.name);
        return NULL;
    }
    table->column[table->n_columns++] = column;
    return column.value;
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        free(table->column[i].name);
        free(table->column[i].value);
    }
    free(table->column);
    *table = (struct table){0};
}

enum table_format table_format_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot && strcasecmp(dot, ".csv") == 0)
        return TABLE_CSV;
    if (dot && (strcasecmp(dot, ".h5") == 0 || strcasecmp(dot, ".hdf5") == 0))
        return TABLE_HDF5;
    return TABLE_TSV;
}

static void write_name(FILE *stream, const char *name, char separator)
{
    bool quoted = strchr(name, separator) != NULL; /* names have no quotes inside */

    fprintf(stream, quoted ? "\"%s\"" : "%s", name);
}

void table_write_text(FILE *stream, const struct table *table, const struct facts *comments,
                      enum table_format format)
{
    char separator = format == TABLE_CSV ? ',' : '\t';

    for (size_t i = 0; i < comments->n; i++)
        fprintf(stream, "# %s: %s\n", comments->key[i], comments->value[i]);
    for (size_t i = 0; i < table->n_columns; i++) {
        fputs(i == 0 ? "# " : "", stream);
        write_name(stream, table->column[i].name, separator);
        fputc(i + 1 < table->n_columns ? separator : '\n', stream);
    }
    for (size_t row = 0; row < table->n_rows && !ferror(stream); row++) {
        for (size_t i = 0; i < table->n_columns; i++)
            fprintf(stream, "%.17g%c", table->column[i].value[row],
                    i + 1 < table->n_columns ? separator : '\n');
    }
}
