/* main.c - the oqtempo program: commands, messages, exit codes. */
#include "cli.h"
#include "text.h"

#include <string.h>

static const char help[] =
    "Usage: oqtempo COMMAND [ARGUMENT ...]\n"
    "Numerically exact dynamics of open quantum systems with memory.\n"
    "\n"
    "  run FILE.yaml                 compute what an input file asks for\n"
    "  guess FILE.yaml              propose a time step and a tolerance, estimate errors\n"
    "  pt build FILE.yaml -o PT.h5   make a process tensor and keep it\n"
    "  pt info PT.h5                 what a process-tensor file holds\n"
    "  pt check PT.h5                whether it holds a process tensor\n"
    "  pt compress IN.h5 OUT.h5      the same process tensor with smaller bonds\n"
    "  pt convert IN.h5 OUT.h5       the same process tensor in another format\n"
    "  info [--json]                 version, threads, BLAS, features\n"
    "\n"
    "  COMMAND --help                the options of a command\n"
    "  --version, --help\n"
    "\n"
    "Results go to stdout, messages to stderr. Exit codes: 0 done; 1 the computation failed; 2 the command\n"
    "line or the input is wrong; 3 a file could not be read or written; 130, 143 interrupted.\n";

static const char *const commands[] = {"run", "pt", "guess", "info", "--help", "--version", NULL};
static const char *const planned[] = {"sweep", NULL};

int vfail_at(int code, const char *origin, size_t line, size_t column, const char *format, va_list args)
{
    fprintf(stderr, "%s:", origin);
    if (line > 0)
        fprintf(stderr, "%zu:", line);
    if (line > 0 && column > 0)
        fprintf(stderr, "%zu:", column);
    fputc(' ', stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    return code;
}

int fail_at(int code, const char *origin, size_t line, size_t column, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfail_at(code, origin, line, column, format, args);
    va_end(args);
    return code;
}

int fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfail_at(code, "oqtempo", 0, 0, format, args);
    va_end(args);
    return code;
}

int fail_memory(void)
{
    return fail(CLI_FAILED, "out of memory");
}

int exit_code_of(oqt_status status)
{
    switch (status) {
    case OQT_OK:
        return CLI_OK;
    case OQT_EINVAL:
    case OQT_EFORMAT:
        return CLI_INPUT;
    case OQT_EIO:
        return CLI_FILE;
    default:
        return CLI_FAILED;
    }
}

static int unknown_command(const char *name)
{
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (planned[find_name(name, planned)])
        return fail(CLI_INPUT, "the command \"%s\" is not available in this version", name);
    suggest(&hint, name, commands);
    fail(CLI_INPUT, "unknown command %s%s", quote(quoted, name), hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        fputs(help, stderr);
        return CLI_INPUT;
    }
    switch (find_name(argv[1], commands)) {
    case 0:
        return command_run(argc - 1, argv + 1);
    case 1:
        return command_pt(argc - 1, argv + 1);
    case 2:
        return command_guess(argc - 1, argv + 1);
    case 3:
        return command_info(argc - 1, argv + 1);
    case 4:
        fputs(help, stdout);
        return CLI_OK;
    case 5:
        printf("oqtempo %s\n", oqt_version());
        return CLI_OK;
    default:
        return unknown_command(argv[1]);
    }
}

int main(int argc, char **argv)
{
    int code = dispatch(argc, argv);

    if (fflush(stdout) != 0 && code == CLI_OK)
        code = fail(CLI_FILE, "standard output cannot be written");
    return code;
}
