/* pt_command.c - `oqtempo pt`: process tensors in files. */
#include "run.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const char pt_help[] =
    "Usage: oqtempo pt build FILE.yaml -o PT.h5 [--report FILE] [--threads N] [--quiet] [--dry-run]\n"
    "                        [--set KEY=VALUE ...]\n"
    "       oqtempo pt info PT.h5\n"
    "       oqtempo pt check PT.h5\n"
    "       oqtempo pt compress IN.h5 OUT.h5 [--tolerance X] [--max-bond N] [--threads N]\n"
    "       oqtempo pt convert IN.h5 OUT.h5 [--format oqtempo|oqupy] [--steps N]\n"
    "\n"
    "build  makes the process tensor of the one bath of an input file and writes it; options as for\n"
    "       `oqtempo run`. An input file uses it as baths: [{process_tensor: PT.h5}].\n"
    "info   prints what a file holds, its error estimates and, of a finite tensor, bonds as step:bond.\n"
    "check  reads all of a file and prints how far it is from a process tensor, a line for each property;\n"
    "       exit code 1 if it is none.\n"
    "compress  writes the same process tensor with smaller bonds: states of a weight up to the tolerance "
    "are\n"
    "       dropped, and more of them if there are more than N. At least one of the two must be given.\n"
    "convert  writes the same process tensor in our own format or that of OQuPy, or N steps of it, which "
    "the\n"
    "       latter needs of a tensor for any number of steps.\n";

static int build(int argc, char **argv)
{
    struct run_options o = {.build = true};
    bool help = false;
    size_t n;
    const struct option options[] = {{"-o", OPTION_TEXT, &o.output},
                                     {"--output", OPTION_TEXT, &o.output},
                                     {"--report", OPTION_TEXT, &o.report},
                                     {"--set", OPTION_LIST, &o.set},
                                     {"--threads", OPTION_THREADS, &o.n_threads},
                                     {"--dry-run", OPTION_FLAG, &o.dry_run},
                                     {"--quiet", OPTION_FLAG, &o.quiet},
                                     {"--help", OPTION_FLAG, &help},
                                     {NULL, OPTION_FLAG, NULL}};
    int code = options_parse(argc, argv, options, &o.file, 1, &n);

    if (code == CLI_OK && help) {
        fputs(pt_help, stdout);
    } else if (code == CLI_OK && (n == 0 || (!o.output && !o.dry_run))) {
        code = fail(CLI_INPUT, "expected oqtempo pt build FILE.yaml -o PT.h5");
    } else if (code == CLI_OK) {
        code = run(&o);
    }
    text_list_release(&o.set);
    return code;
}

/* The file of a command that takes one, and no options; NULL if help was asked for. */
static int one_file(const char **path, int argc, char **argv)
{
    bool help = false;
    size_t n;
    const struct option options[] = {{"--help", OPTION_FLAG, &help}, {NULL, OPTION_FLAG, NULL}};
    int code = options_parse(argc, argv, options, path, 1, &n);

    if (code)
        return code;
    if (help) {
        *path = NULL;
        fputs(pt_help, stdout);
        return CLI_OK;
    }
    return n > 0 ? CLI_OK : fail(CLI_INPUT, "expected oqtempo pt %s PT.h5", argv[0]);
}

/* The files and options of a command that makes a tensor of another; help, one of the options, is given. */
static int two_files(const char **path, const bool *help, int argc, char **argv, const struct option *options)
{
    size_t n;
    int code = options_parse(argc, argv, options, path, 2, &n);

    if (code)
        return code;
    if (*help) {
        fputs(pt_help, stdout);
        return CLI_OK;
    }
    if (n < 2)
        return fail(CLI_INPUT, "expected oqtempo pt %s IN.h5 OUT.h5", argv[0]);
    if (table_format_of(path[1]) != TABLE_HDF5)
        return fail(CLI_INPUT,
                    "a process tensor is written as HDF5; expected an output with a name ending in .h5");
    return CLI_OK;
}

/* Some of the bonds of a finite tensor, at most POINTS + 1, as step:bond. */
static int print_bonds(const oqt_pt *pt)
{
    enum { POINTS = 20 };
    oqt_pt_info about;
    size_t n, points;

    oqt_pt_get_info(&about, pt);
    n = about.n_steps;
    if (n == SIZE_MAX)
        return CLI_OK;
    points = n < POINTS ? n : POINTS;
    printf("bonds:");
    for (size_t i = 0; i <= points; i++) {
        size_t left, right, step = (size_t)((double)n * (double)i / (double)points);

        if (oqt_pt_bonds(&left, &right, pt, step < n ? step : n - 1, NULL) == OQT_OK)
            printf(" %zu:%zu", step, step < n ? left : right);
    }
    printf("\n");
    return fflush(stdout) == 0 ? CLI_OK : fail(CLI_FILE, "standard output cannot be written");
}

static int info(int argc, char **argv)
{
    const char *path = NULL;
    oqt_pt *pt = NULL;
    oqt_error err;
    int code = one_file(&path, argc, argv);

    if (code || !path)
        return code;
    if (oqt_pt_read(&pt, path, &err) != OQT_OK)
        return fail_at(exit_code_of(err.code), path, 0, 0, "%s", err.text);
    code = print_tensor(stdout, pt);
    if (code == CLI_OK)
        code = print_bonds(pt);
    oqt_pt_destroy(pt);
    return code;
}

/* A line of `pt check`; false if the number is above its limit or none. */
static bool print_check(const char *name, double value, double limit)
{
    bool ok = value <= limit;

    printf("%s: %.3g (%s, at most %g)\n", name, value, ok ? "good" : "bad", limit);
    return ok;
}

/* Tensors that are built here are exact to rounding in all of these, if they are good for any number of
 * steps. Other programs truncate what closes a tensor as well. */
static bool print_defects(const oqt_pt *pt, const oqt_pt_defects *defects)
{
    oqt_pt_info about;
    bool ok = true;

    oqt_pt_get_info(&about, pt);
    ok &= print_check("not_finite", (double)defects->n_not_finite, 0.0);
    ok &= print_check("trace", defects->trace, about.method == OQT_PT_IMPORTED ? 1e-2 : 1e-9);
    ok &= print_check("hermiticity", defects->hermiticity, 1e-12);
    ok &= print_check("growth", defects->growth - 1.0, 1e-9);
    return ok;
}

/* What is wrong in a file is a result here, like what is wrong in a tensor. */
static int check(int argc, char **argv)
{
    const char *path = NULL;
    oqt_pt_defects defects;
    oqt_pt *pt = NULL;
    oqt_error err;
    int code = one_file(&path, argc, argv);

    if (code || !path)
        return code;
    if (oqt_pt_read(&pt, path, &err) != OQT_OK)
        return fail_at(err.code == OQT_EFORMAT ? CLI_FAILED : exit_code_of(err.code), path, 0, 0, "%s",
                       err.text);
    if (oqt_pt_check(&defects, pt, &err) != OQT_OK) {
        code = fail_at(exit_code_of(err.code), path, 0, 0, "%s", err.text);
    } else {
        printf("file: good\n");
        code = print_defects(pt, &defects) ? CLI_OK : CLI_FAILED;
        if (fflush(stdout) != 0)
            code = fail(CLI_FILE, "standard output cannot be written");
    }
    oqt_pt_destroy(pt);
    return code;
}

/* A number with nothing behind it. */
static bool parse_number(double *out, const char *text)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

struct compression {
    const char *path[2], *tolerance, *max_bond;
    int n_threads;
};

/* Without a tolerance only the limit counts. */
static int read_limits(double *tolerance, size_t *max_bond, const struct compression *c)
{
    char quoted[QUOTED_SIZE];
    double bond = 0.0;

    *tolerance = 1e-12;
    if (!c->tolerance && !c->max_bond)
        return fail(CLI_INPUT, "nothing to do; expected --tolerance or --max-bond");
    if (c->tolerance &&
        (!parse_number(tolerance, c->tolerance) || !(*tolerance >= 1e-12) || !(*tolerance < 1.0)))
        return fail(CLI_INPUT, "option --tolerance is %s; expected a number from 1e-12 to below 1",
                    quote(quoted, c->tolerance));
    if (c->max_bond && (!parse_number(&bond, c->max_bond) || !(bond >= 1.0) || !(bond <= 1e6) ||
                        bond != (double)(size_t)bond))
        return fail(CLI_INPUT, "option --max-bond is %s; expected a whole number from 1 to 1000000",
                    quote(quoted, c->max_bond));
    *max_bond = (size_t)bond;
    return CLI_OK;
}

static int compress_file(const struct compression *c, double tolerance, size_t max_bond)
{
    oqt_pt *pt = NULL, *small = NULL;
    oqt_error err;
    int code = CLI_OK;

    if (oqt_pt_read(&pt, c->path[0], &err) != OQT_OK)
        return fail_at(exit_code_of(err.code), c->path[0], 0, 0, "%s", err.text);
    if (oqt_pt_compress(&small, pt, tolerance, max_bond, c->n_threads, &err) != OQT_OK ||
        oqt_pt_write(small, c->path[1], OQT_FILE_OQTEMPO, &err) != OQT_OK)
        code = fail_at(exit_code_of(err.code), c->path[small ? 1 : 0], 0, 0, "%s", err.text);
    else
        code = print_tensor(stdout, small);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(small);
    return code;
}

static int compress(int argc, char **argv)
{
    struct compression c = {{NULL, NULL}, NULL, NULL, 0};
    bool help = false;
    double tolerance = 0.0;
    size_t max_bond = 0;
    const struct option options[] = {{"--tolerance", OPTION_TEXT, &c.tolerance},
                                     {"--max-bond", OPTION_TEXT, &c.max_bond},
                                     {"--threads", OPTION_THREADS, &c.n_threads},
                                     {"--help", OPTION_FLAG, &help},
                                     {NULL, OPTION_FLAG, NULL}};
    int code = two_files(c.path, &help, argc, argv, options);

    if (code || help)
        return code;
    code = read_limits(&tolerance, &max_bond, &c);
    return code ? code : compress_file(&c, tolerance, max_bond);
}

struct conversion {
    const char *path[2], *format, *steps;
};

/* The number of steps, 0 for all of them. */
static int read_conversion(oqt_file_format *format, size_t *n_steps, const struct conversion *c)
{
    static const char *const formats[] = {"oqtempo", "oqupy", NULL};
    char quoted[QUOTED_SIZE];
    double steps = 0.0;

    *format = OQT_FILE_OQTEMPO;
    if (c->format && !formats[find_name(c->format, formats)])
        return fail(CLI_INPUT, "option --format is %s; expected oqtempo or oqupy", quote(quoted, c->format));
    if (c->format && strcmp(c->format, "oqupy") == 0)
        *format = OQT_FILE_OQUPY;
    if (c->steps && (!parse_number(&steps, c->steps) || !(steps >= 1.0) || !(steps <= 1e9) ||
                     steps != (double)(size_t)steps))
        return fail(CLI_INPUT, "option --steps is %s; expected a whole number from 1 to 1000000000",
                    quote(quoted, c->steps));
    *n_steps = (size_t)steps;
    return CLI_OK;
}

/* All of a tensor or a piece of it. */
static int write_converted(const oqt_pt *pt, const struct conversion *c, oqt_file_format format,
                           size_t n_steps)
{
    const oqt_pt *whole = pt;
    oqt_pt *piece = NULL;
    oqt_pt_info about;
    oqt_error err;
    int code = CLI_OK;

    oqt_pt_get_info(&about, pt);
    if (format == OQT_FILE_OQUPY && n_steps == 0 && about.n_steps == SIZE_MAX)
        return fail_at(CLI_INPUT, c->path[0], 0, 0,
                       "is for any number of steps, which files of OQuPy are not; expected --steps N");
    if (n_steps > 0) {
        if (oqt_pt_unroll(&piece, pt, n_steps, &err) != OQT_OK)
            return fail_at(exit_code_of(err.code), c->path[0], 0, 0, "%s", err.text);
        whole = piece;
    }
    if (oqt_pt_write(whole, c->path[1], format, &err) != OQT_OK)
        code = fail_at(exit_code_of(err.code), c->path[1], 0, 0, "%s", err.text);
    oqt_pt_destroy(piece);
    return code;
}

static int convert(int argc, char **argv)
{
    struct conversion c = {{NULL, NULL}, NULL, NULL};
    bool help = false;
    size_t n_steps = 0;
    const struct option options[] = {{"--format", OPTION_TEXT, &c.format},
                                     {"--steps", OPTION_TEXT, &c.steps},
                                     {"--help", OPTION_FLAG, &help},
                                     {NULL, OPTION_FLAG, NULL}};
    oqt_file_format format;
    oqt_pt *pt = NULL;
    oqt_error err;
    int code = two_files(c.path, &help, argc, argv, options);

    if (code || help)
        return code;
    if ((code = read_conversion(&format, &n_steps, &c)))
        return code;
    if (oqt_pt_read(&pt, c.path[0], &err) != OQT_OK)
        return fail_at(exit_code_of(err.code), c.path[0], 0, 0, "%s", err.text);
    code = write_converted(pt, &c, format, n_steps);
    oqt_pt_destroy(pt);
    return code;
}

int command_pt(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"build", build}, {"info", info}, {"check", check}, {"compress", compress}, {"convert", convert}};
    enum { N_COMMANDS = sizeof commands / sizeof *commands };
    const char *names[N_COMMANDS + 1] = {NULL};
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (argc < 2)
        return fail(CLI_INPUT, "expected oqtempo pt build, info, check, compress or convert");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(pt_help, stdout);
        return CLI_OK;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], names[i]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    suggest(&hint, argv[1], names);
    fail(CLI_INPUT, "unknown command %s of \"pt\"%s", quote(quoted, argv[1]), hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}
