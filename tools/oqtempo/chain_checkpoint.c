/* chain_checkpoint.c - runs of chains that are interrupted and go on later. */
#include "chain_checkpoint.h"

#include "outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *rows_path(const struct input *in)
{
    return format_text("%s.rows", in->chain.checkpoint);
}

/* The options that must not change, as comments of the table. More steps are fine. */
static int gather_options(struct facts *out, const struct input *in)
{
    struct facts all = {0};

    tree_flatten(&all, &in->tree);
    for (size_t i = 0; i < all.n; i++) {
        if (strcmp(all.key[i], "time.steps") != 0 && strcmp(all.key[i], "output.checkpoint") != 0)
            facts_add(out, all.key[i], "%s", all.value[i]);
    }
    out->failed = out->failed || all.failed;
    facts_release(&all);
    return out->failed ? fail_memory() : CLI_OK;
}

/* ---- writing ---- */

static int write_rows(const struct input *in, const char *path, const struct table *table, size_t n_rows)
{
    struct table part = *table;
    struct facts options = {0};
    struct outfile file = {0};
    int code = gather_options(&options, in);

    part.n_rows = n_rows;
    if (code == CLI_OK && (code = outfile_open(&file, path)) == CLI_OK) {
        table_write_text(file.stream, &part, &options, TABLE_TSV);
        if ((code = outfile_finish(&file)) == CLI_OK)
            code = outfile_commit(&file);
    }
    outfile_discard(&file);
    facts_release(&options);
    return code;
}

int checkpoint_write(const struct input *in, const oqt_tebd *run, const struct table *table, size_t n_rows)
{
    const char *path = in->chain.checkpoint;
    char *rows = rows_path(in);
    oqt_error err;
    int code = rows ? write_rows(in, rows, table, n_rows) : fail_memory();

    if (code == CLI_OK && oqt_tebd_save(run, path, &err) != OQT_OK)
        code = fail(exit_code_of(err.code), "%s", err.text);
    free(rows);
    return code;
}

/* ---- reading ---- */

/* The head of the rows as it would be written now, to be freed; NULL if out of memory. */
static char *expected_head(const struct input *in, const struct table *table)
{
    struct table none = *table;
    struct facts options = {0};
    char *text = NULL;
    size_t n;
    FILE *stream = gather_options(&options, in) == CLI_OK ? open_memstream(&text, &n) : NULL;

    none.n_rows = 0;
    if (stream) {
        table_write_text(stream, &none, &options, TABLE_TSV);
        if (fclose(stream) != 0) {
            free(text);
            text = NULL;
        }
    }
    facts_release(&options);
    return text;
}

static int compare_head(FILE *file, const char *path, const char *wanted)
{
    char found[QUOTED_SIZE], expected[QUOTED_SIZE], *line = NULL, *mine;
    size_t size = 0;
    int code = CLI_OK;

    for (size_t number = 1; *wanted && code == CLI_OK; number++) {
        size_t n = strcspn(wanted, "\n");

        if (getline(&line, &size, file) < 0)
            line = line ? (line[0] = '\0', line) : NULL;
        if (line)
            line[strcspn(line, "\n")] = '\0';
        if (!line || strlen(line) != n || strncmp(line, wanted, n) != 0) {
            mine = copy_text(wanted, n);
            code = mine ? fail_at(CLI_INPUT, path, number, 0, "the checkpoint has %s, the input %s",
                                  quote(found, line ? line : ""), quote(expected, mine))
                        : fail_memory();
            free(mine);
        }
        wanted += n + 1;
    }
    free(line);
    return code;
}

static int read_numbers(struct table *table, FILE *file, const char *path, size_t n_rows)
{
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < table->n_columns; i++) {
            if (fscanf(file, "%lf", &table->column[i].value[row]) != 1)
                return fail_at(CLI_FILE, path, 0, 0, "is cut off or damaged in row %zu of %zu", row + 1,
                               n_rows);
        }
    }
    return CLI_OK;
}

static int read_rows(struct table *table, const struct input *in, const char *path, size_t n_rows)
{
    char *head = expected_head(in, table);
    FILE *file = fopen(path, "r");
    int code = head ? CLI_OK : fail_memory();

    if (code == CLI_OK && !file)
        code = fail_at(CLI_FILE, path, 0, 0, "cannot be read: %s", strerror(errno));
    if (code == CLI_OK && (code = compare_head(file, path, head)) == CLI_OK)
        code = read_numbers(table, file, path, n_rows);
    if (file)
        fclose(file);
    free(head);
    return code;
}

int checkpoint_read(size_t *n_rows, const struct input *in, oqt_tebd *run, struct table *table)
{
    const char *path = in->chain.checkpoint;
    char *rows = rows_path(in);
    FILE *file = fopen(path, "r");
    oqt_tebd_stats stats;
    oqt_error err;
    int code = rows ? CLI_OK : fail_memory();

    *n_rows = 0;
    if (file)
        fclose(file);
    if (code == CLI_OK && file && oqt_tebd_restore(run, path, &err) != OQT_OK) {
        code = fail(exit_code_of(err.code), "%s", err.text);
    } else if (code == CLI_OK && file) {
        oqt_tebd_get_stats(&stats, run);
        *n_rows = (size_t)stats.n_steps + 1;
        code = *n_rows <= table->n_rows ? read_rows(table, in, rows, *n_rows)
                                        : fail_at(CLI_INPUT, path, 0, 0,
                                                  "the checkpoint is after step %zu, but time.steps is %llu",
                                                  *n_rows - 1, (unsigned long long)in->n_steps);
    }
    free(rows);
    return code;
}
