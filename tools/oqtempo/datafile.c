/* datafile.c - tables of numbers in text files. */
#include "datafile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 4096, MAX_ROWS = 10000000 };

static bool parse_row(double *row, const char *line, size_t n_columns)
{
    for (size_t i = 0; i < n_columns; i++) {
        char *end;

        row[i] = strtod(line, &end);
        if (end == line || !isfinite(row[i]))
            return false;
        line = end + strspn(end, " \t\r\n");
        if (*line == ',' && i + 1 < n_columns) {
            line++;
        } else if (line == end && *line != '\0') {
            return false; /* two numbers run into each other */
        }
    }
    return *line == '\0';
}

static int read_lines(struct datafile *data, FILE *file, const char *path, size_t n_columns)
{
    char line[MAX_LINE], found[QUOTED_SIZE];
    size_t capacity = 0;

    for (size_t number = 1; fgets(line, sizeof line, file); number++) {
        const char *start = line + strspn(line, " \t\r\n");
        size_t length = strlen(line);

        if (length == sizeof line - 1 && line[length - 1] != '\n')
            return fail_at(CLI_INPUT, path, number, 0,
                           "the line is longer than %d bytes; expected %zu numbers", MAX_LINE - 2, n_columns);
        if (*start == '\0' || *start == '#')
            continue;
        if (data->n_rows == MAX_ROWS)
            return fail_at(CLI_INPUT, path, number, 0, "the file has more than %d rows", MAX_ROWS);
        if (data->n_rows == capacity) {
            double *grown;

            capacity = capacity ? 2 * capacity : 256;
            grown = realloc(data->value, capacity * n_columns * sizeof *grown);
            if (!grown)
                return fail_memory();
            data->value = grown;
        }
        if (!parse_row(data->value + data->n_rows * n_columns, start, n_columns)) {
            line[strcspn(line, "\r\n")] = '\0';
            return fail_at(CLI_INPUT, path, number, 0, "found %s; expected %zu finite numbers",
                           quote(found, start), n_columns);
        }
        data->n_rows++;
    }
    if (ferror(file))
        return fail_at(CLI_FILE, path, 0, 0, "cannot be read: %s", strerror(errno));
    if (data->n_rows == 0)
        return fail_at(CLI_INPUT, path, 1, 0, "the file has no rows; expected %zu numbers in each",
                       n_columns);
    return CLI_OK;
}

int datafile_read(struct datafile *out, const char *path, size_t n_columns)
{
    struct datafile data = {0};
    FILE *file = fopen(path, "r");
    int code;

    if (!file)
        return fail_at(CLI_FILE, path, 0, 0, "cannot be read: %s", strerror(errno));
    code = read_lines(&data, file, path, n_columns);
    fclose(file);
    if (code) {
        datafile_release(&data);
    } else {
        *out = data;
    }
    return code;
}

void datafile_release(struct datafile *data)
{
    free(data->value);
    *data = (struct datafile){0};
}

char *path_beside(const char *beside, const char *name)
{
    const char *slash = strrchr(beside, '/');

    if (name[0] == '/' || !slash)
        return copy_text(name, strlen(name));
    return format_text("%.*s/%s", (int)(slash - beside), beside, name);
}

/* ---- files that keys name ---- */

int path_of_key(char **out, const struct node *map, const char *key, const char *input_path)
{
    const char *name;
    int code = get_text(&name, map, key, "the name of a file");

    if (code)
        return code;
    *out = path_beside(input_path, name);
    return *out ? CLI_OK : fail_memory();
}

int datafile_of_key(struct datafile *out, const struct node *map, const char *key, size_t n_columns,
                    const char *input_path)
{
    char *path = NULL;
    int code = path_of_key(&path, map, key, input_path);

    if (code == CLI_OK && (code = datafile_read(out, path, n_columns)) != CLI_OK) {
        char where[PATH_SIZE];
        const struct node *node = node_get(map, key);

        node_fail(node, "%s is a file that cannot be used", node_path(where, node));
    }
    free(path);
    return code;
}
