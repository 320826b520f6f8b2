/* cli.h - exit codes, messages and commands of the oqtempo program. */
#ifndef CLI_H
#define CLI_H

#include <oqtempo/oqtempo.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(string, first) __attribute__((format(printf, string, first)))
#else
#define PRINTF_LIKE(string, first)
#endif

/** Exit codes; functions that can fail return one of them after printing their message. Interrupted runs end
 *  with 128 + the number of the signal. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1, /* the computation failed                    */
    CLI_INPUT = 2,  /* the command line or an input file is wrong */
    CLI_FILE = 3    /* a file could not be read or written       */
};

/** Print "oqtempo: TEXT" to stderr; returns `code`. */
int fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/** Print "ORIGIN:LINE:COLUMN: TEXT" to stderr, without the numbers that are 0; returns `code`. */
int fail_at(int code, const char *origin, size_t line, size_t column, const char *format, ...)
    PRINTF_LIKE(5, 6);
int vfail_at(int code, const char *origin, size_t line, size_t column, const char *format, va_list args);

/** Say that memory ran out; returns CLI_FAILED. */
int fail_memory(void);

/** The exit code for a failed call of the library. */
int exit_code_of(oqt_status status);

/* Commands: argv[0] is the name of the command. They return the exit code. */
int command_run(int argc, char **argv);
int command_pt(int argc, char **argv);
int command_guess(int argc, char **argv);
int command_info(int argc, char **argv);

#endif
