/* pt_command.c - `oqtempo pt`: process tensors in files. */
#include "run.h"
#include "text.h"

#include <string.h>

static const char pt_help[] =
    "Usage: oqtempo pt build FILE.yaml -o PT.h5 [--report FILE] [--threads N] [--quiet] [--dry-run]\n"
    "                        [--set KEY=VALUE ...]\n"
    "       oqtempo pt info PT.h5\n"
    "\n"
    "build  makes the process tensor of the one bath of an input file and writes it; options as for\n"
    "       `oqtempo run`. An input file uses it as baths: [{process_tensor: PT.h5}].\n"
    "info   prints what a file holds and its error estimates.\n";

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

static int info(int argc, char **argv)
{
    const char *path;
    bool help = false;
    size_t n;
    const struct option options[] = {{"--help", OPTION_FLAG, &help}, {NULL, OPTION_FLAG, NULL}};
    oqt_pt *pt = NULL;
    oqt_error err;
    int code = options_parse(argc, argv, options, &path, 1, &n);

    if (code)
        return code;
    if (help) {
        fputs(pt_help, stdout);
        return CLI_OK;
    }
    if (n == 0)
        return fail(CLI_INPUT, "expected oqtempo pt info PT.h5");
    if (oqt_pt_read(&pt, path, &err) != OQT_OK)
        return fail_at(exit_code_of(err.code), path, 0, 0, "%s", err.text);
    code = print_tensor(stdout, pt);
    oqt_pt_destroy(pt);
    return code;
}

int command_pt(int argc, char **argv)
{
    static const char *const names[] = {"build", "info", NULL};
    static const char *const planned[] = {"convert", "check", NULL};
    struct text hint = {0};
    char quoted[QUOTED_SIZE];

    if (argc < 2)
        return fail(CLI_INPUT, "expected oqtempo pt build or oqtempo pt info");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(pt_help, stdout);
        return CLI_OK;
    }
    if (strcmp(argv[1], "build") == 0)
        return build(argc - 1, argv + 1);
    if (strcmp(argv[1], "info") == 0)
        return info(argc - 1, argv + 1);
    if (planned[find_name(argv[1], planned)])
        return fail(CLI_INPUT, "pt %s is not available in this version", argv[1]);
    suggest(&hint, argv[1], names);
    fail(CLI_INPUT, "unknown command %s of \"pt\"%s", quote(quoted, argv[1]), hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}
