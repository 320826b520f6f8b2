/* plot.c - plots of tables, made by gnuplot.
 *
 * gnuplot reads its script from a pipe and writes the picture to its standard output, which is our file: no
 * name of a file is part of the script. Names of columns stand in single quotes, in which gnuplot knows no
 * escapes but ''. */
#include "plot.h"

#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void write_quoted(FILE *script, const char *name, size_t n)
{
    fputc('\'', script);
    for (size_t i = 0; i < n; i++)
        fputs(name[i] == '\'' ? "''" : (char[]){name[i], '\0'}, script);
    fputc('\'', script);
}

typedef void script_fn(FILE *script, const struct table *table, size_t n);

static void write_lines(FILE *script, const struct table *table, size_t n)
{
    fprintf(script, "set terminal pngcairo noenhanced size 960,600\n"
                    "set xlabel 't'\nset grid\nset key outside right\n$data << OQTEMPO_END\n");
    for (size_t row = 0; row < table->n_rows && !ferror(script); row++) {
        for (size_t i = 0; i <= n; i++)
            fprintf(script, "%.9g%c", table->column[i].value[row], i < n ? ' ' : '\n');
    }
    fprintf(script, "OQTEMPO_END\nplot ");
    for (size_t i = 1; i <= n; i++) {
        fprintf(script, "$data using 1:%zu with lines linewidth 2 title ", i + 1);
        write_quoted(script, table->column[i].name, strlen(table->column[i].name));
        fputs(i < n ? ", " : "\n", script);
    }
}

static void write_image(FILE *script, const struct table *table, size_t n)
{
    fprintf(script, "set terminal pngcairo noenhanced size 960,600\n"
                    "set xlabel 'site'\nset ylabel 't'\nset autoscale fix\nset tics out\nset cblabel ");
    write_quoted(script, table->column[1].name, strlen(table->column[1].name) - strlen("[0]"));
    fprintf(script, "\n$data << OQTEMPO_END\n");
    for (size_t row = 0; row < table->n_rows && !ferror(script); row++) {
        for (size_t i = 1; i <= n; i++)
            fprintf(script, "%zu %.9g %.9g\n", i - 1, table->column[0].value[row],
                    table->column[i].value[row]);
    }
    fprintf(script, "OQTEMPO_END\nplot $data using 1:2:3 with image notitle\n");
}

/* Start gnuplot; *script is its input. */
static int start(pid_t *pid, FILE **script, int picture)
{
    static char name[] = "gnuplot", no_init[] = "-d", from_stdin[] = "-";
    char *argv[] = {name, no_init, from_stdin, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2], error;

    if (pipe(ends) != 0)
        return fail(CLI_FAILED, "cannot start gnuplot: %s", strerror(errno));
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    error = posix_spawn_file_actions_init(&actions);
    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
        error = error ? error : posix_spawn_file_actions_adddup2(&actions, picture, STDOUT_FILENO);
        error = error ? error : posix_spawn_file_actions_addclose(&actions, ends[0]);
        error = error ? error : posix_spawnp(pid, name, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[0]);
    if (error) {
        close(ends[1]);
        return fail(CLI_FAILED, error == ENOENT
                                    ? "the plot was not made: gnuplot is not installed, or not in PATH"
                                    : "the plot was not made: gnuplot cannot be started");
    }
    *script = fdopen(ends[1], "w");
    if (!*script) {
        close(ends[1]);
        waitpid(*pid, NULL, 0);
        return fail_memory();
    }
    return CLI_OK;
}

static int run_gnuplot(FILE *picture, const struct table *table, size_t n, script_fn *write_script)
{
    FILE *script;
    pid_t pid;
    int status = 0, code = start(&pid, &script, fileno(picture));
    bool written;

    if (code)
        return code;
    write_script(script, table, n);
    written = !ferror(script);
    written = fclose(script) == 0 && written;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return fail(CLI_FAILED, "the plot was not made: lost track of gnuplot");
    }
    if (!written || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return fail(CLI_FAILED, "the plot was not made: gnuplot failed");
    return CLI_OK;
}

static int plot(const char *path, const struct table *table, size_t n, script_fn *write_script)
{
    struct outfile out = {0};
    int code = outfile_open(&out, path);

    if (code)
        return code;
    code = run_gnuplot(out.stream, table, n, write_script);
    if (code == CLI_OK && (code = outfile_finish(&out)) == CLI_OK)
        code = outfile_commit(&out);
    outfile_discard(&out);
    return code;
}

int plot_table(const char *path, const struct table *table, size_t n)
{
    return plot(path, table, n, write_lines);
}

int plot_image(const char *path, const struct table *table, size_t n)
{
    return plot(path, table, n, write_image);
}
