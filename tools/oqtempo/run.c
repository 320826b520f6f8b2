/* run.c - doing what an input file asks for and writing the results. */
#include "run.h"

#include "outfile.h"
#include "plot.h"
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- before ---- */

static bool is_stdout(const char *path)
{
    return !path || strcmp(path, "-") == 0;
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;

    return strcmp(a, b) == 0 || (stat(a, &x) == 0 && stat(b, &y) == 0 && S_ISREG(x.st_mode) &&
                                 x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Everything about the outputs that can be known before the computation. */
static int check_outputs(const struct run_options *o, const struct input *in)
{
    bool hdf5 = o->output && table_format_of(o->output) == TABLE_HDF5;
    const char *paths[] = {o->output, o->report, o->plot, in->chain.checkpoint};
    enum { N_PATHS = sizeof paths / sizeof *paths };
    int code = CLI_OK;

    if (in->task == TASK_PROCESS_TENSOR && o->plot)
        return fail(CLI_INPUT, "--plot needs a table, but a process tensor is what is built");
    if (in->task == TASK_STEADY_STATE && in->n_period == 1 && o->plot)
        return fail(CLI_INPUT, "--plot needs more than one row, but a steady state is what is computed");
    if (in->task == TASK_PROCESS_TENSOR && o->output && !hdf5)
        return fail(CLI_INPUT, "a process tensor is written as HDF5; expected -o with a name ending in .h5");
    if (o->resume && !in->chain.checkpoint)
        return fail(CLI_INPUT, "--resume needs output.checkpoint, which the task chain has");
    if (hdf5 && !table_has_hdf5())
        return fail(CLI_INPUT, "this build has no HDF5 and cannot write %s", o->output);
    for (size_t i = 0; i < N_PATHS; i++) {
        if (is_stdout(paths[i]))
            continue;
        if (same_file(paths[i], o->file))
            return fail(CLI_INPUT, "%s is the input; it would be lost if it were an output as well",
                        paths[i]);
        for (size_t j = i + 1; j < N_PATHS; j++) {
            if (paths[j] && same_file(paths[i], paths[j]))
                return fail(CLI_INPUT, "%s is named for two outputs", paths[i]);
        }
    }
    if (o->dry_run)
        return CLI_OK;
    for (size_t i = 0; i < N_PATHS && code == CLI_OK; i++) {
        if (paths[i])
            code = outfile_probe(paths[i]);
    }
    return code;
}

static int summarize(const struct input *in)
{
    struct facts options = {0};
    bool failed;

    printf("task: %s\n", task_names[in->task]);
    if (in->task == TASK_CHAIN)
        printf("sites: %zu\ndimensions:", in->chain.n);
    for (size_t i = 0; i < in->chain.n; i++)
        printf(" %zu%s", in->chain.d[i], i + 1 < in->chain.n ? "" : "\n");
    if (in->task != TASK_CHAIN)
        printf("dimension: %zu\n", in->d);
    printf("baths: %zu\nobservables: %zu\n", in->n_baths, in->n_observables);
    printf("step: %.17g\n", in->step);
    if (in->n_shapes > 0)
        printf("functions of time: %zu\n", in->n_shapes);
    if (in->n_steps > 0)
        printf("steps: %llu\ntime: %.17g .. %.17g\n", (unsigned long long)in->n_steps, in->start,
               in->start + (double)in->n_steps * in->step);
    printf("options:\n");
    tree_flatten(&options, &in->tree);
    for (size_t i = 0; i < options.n; i++)
        printf("  %s: %s\n", options.key[i], options.value[i]);
    failed = options.failed;
    facts_release(&options);
    if (failed)
        return fail_memory();
    return fflush(stdout) == 0 ? CLI_OK : fail(CLI_FILE, "standard output cannot be written");
}

/* ---- after ---- */

static int write_table(struct outfile *out, const struct run_options *o, const struct input *in,
                       const struct result *result)
{
    const char *path = o->output ? o->output : "-";
    enum table_format format = table_format_of(path);
    struct facts comments = {0};
    oqt_runtime runtime;
    int code = outfile_open(out, path);

    oqt_get_runtime(&runtime);
    facts_add(&comments, "program", "oqtempo %s", oqt_version());
    tree_flatten(&comments, &in->tree);
    facts_add(&comments, "threads", "%d", o->n_threads > 0 ? o->n_threads : runtime.max_threads);
    result_facts(&comments, result);
    if (code == CLI_OK && comments.failed) {
        code = fail_memory();
    } else if (code == CLI_OK && format == TABLE_HDF5) {
        if (out->temporary) {
            code = table_write_hdf5(out->temporary, &result->table, &comments);
        } else {
            code = fail_at(CLI_FILE, path, 0, 0, "is not a regular file, which HDF5 needs");
        }
    } else if (code == CLI_OK) {
        table_write_text(out->stream, &result->table, &comments, format);
    }
    if (code == CLI_OK)
        code = outfile_finish(out);
    facts_release(&comments);
    return code;
}

static int write_report(struct outfile *out, const struct run_options *o, const struct input *in,
                        const struct result *result, const struct phase *output)
{
    struct text text = {0};
    int code = outfile_open(out, o->report);

    if (code == CLI_OK) {
        report_run(&text, in, result, output, o->n_threads);
        if (text.failed) {
            code = fail_memory();
        } else {
            fputs(text.data, out->stream);
            code = outfile_finish(out);
        }
    }
    text_release(&text);
    return code;
}

int print_tensor(FILE *stream, const oqt_pt *pt)
{
    struct facts facts = {0};
    oqt_pt_info info;
    double *value;
    bool failed;

    oqt_pt_get_info(&info, pt);
    tensor_facts(&facts, "", pt);
    value = malloc(info.dimension * sizeof *value);
    failed = facts.failed || !value;
    if (!failed) {
        for (size_t i = 0; i < facts.n; i++)
            fprintf(stream, "%s: %s\n", facts.key[i], facts.value[i]);
        oqt_pt_eigenbasis(value, NULL, pt);
        fprintf(stream, "coupling_eigenvalues:");
        for (size_t i = 0; i < info.dimension; i++)
            fprintf(stream, " %.17g", value[i]);
        fprintf(stream, "\n");
    }
    free(value);
    facts_release(&facts);
    if (failed)
        return fail_memory();
    return fflush(stream) == 0 && !ferror(stream) ? CLI_OK
                                                  : fail(CLI_FILE, "standard output cannot be written");
}

static int write_tensor(const struct run_options *o, const struct result *result)
{
    oqt_error err;

    if (o->output && oqt_pt_write(result->tensor[0], o->output, OQT_FILE_OQTEMPO, &err) != OQT_OK)
        return fail_at(exit_code_of(err.code), o->output, 0, 0, "%s", err.text);
    return print_tensor(stdout, result->tensor[0]);
}

/* A chain as an image; else observables if there are any, or all of the state. */
static int plot(const char *path, const struct input *in, const struct table *table)
{
    size_t n = 0;

    if (in->chain.n_image > 2)
        return plot_image(path, table, in->chain.n_image);
    for (size_t i = 0; i < in->n_observables; i++)
        n += in->observable[i].hermitian && in->hermitian ? 1 : 2;
    return plot_table(path, table, n > 0 ? n : table->n_columns - 1);
}

/* The table and the report are both complete before either takes its name. */
static int write_results(const struct run_options *o, const struct input *in, const struct result *result)
{
    struct outfile table = {0}, report = {0};
    struct phase output = {0.0, 0.0};
    int code = CLI_OK;

    phase_start(&output);
    code = in->task == TASK_PROCESS_TENSOR ? write_tensor(o, result) : write_table(&table, o, in, result);
    phase_stop(&output);
    if (code == CLI_OK && o->report)
        code = write_report(&report, o, in, result, &output);
    if (code == CLI_OK && interrupted())
        code = fail(interrupted(), "interrupted; nothing was written");
    if (code == CLI_OK)
        code = outfile_commit(&table);
    if (code == CLI_OK)
        code = outfile_commit(&report);
    outfile_discard(&table);
    outfile_discard(&report);
    if (code == CLI_OK && o->plot) {
        code = plot(o->plot, in, &result->table);
    }
    return code;
}

int run(const struct run_options *o)
{
    struct progress progress;
    struct input in;
    struct result result = {0};
    int code = input_read(&in, o->file, o->set.text, o->set.n, o->build);

    if (code)
        return code;
    in.chain.resume = o->resume;
    code = check_outputs(o, &in);
    if (code == CLI_OK && o->dry_run) {
        code = summarize(&in);
    } else if (code == CLI_OK) {
        signals_watch();
        progress_init(&progress, o->quiet);
        code = compute(&result, &in, o->n_threads, &progress);
        if (code == CLI_OK)
            code = write_results(o, &in, &result);
        result_release(&result);
    }
    input_release(&in);
    return code;
}

static const char run_help[] =
    "Usage: oqtempo run FILE.yaml [OPTION ...]\n"
    "Compute what an input file asks for: the dynamics of an open system, its steady state, a chain of open\n"
    "systems, or a process tensor.\n"
    "\n"
    "  -o OUT            write to OUT instead of stdout: FILE.csv with commas, FILE.h5 as HDF5,\n"
    "                    any other name with tabs\n"
    "  --report FILE     write times, error estimates and options as JSON; - is stdout\n"
    "  --plot PNG        plot the observables with gnuplot; of a chain an image over site and time\n"
    "  --set KEY=VALUE   override a scalar of the file by its dotted path, such as time.steps=50;\n"
    "                    may be given several times\n"
    "  --threads N       number of threads\n"
    "  --resume          go on from output.checkpoint if that file is there\n"
    "  --dry-run         only check the input and say what would be done\n"
    "  --quiet           no progress bar\n"
    "  --help            this text\n"
    "\n"
    "Exit codes: 0 done; 1 the computation failed; 2 the command line or the input is wrong; 3 a file\n"
    "could not be read or written; 130, 143 interrupted.\n";

int command_run(int argc, char **argv)
{
    struct run_options o = {0};
    bool help = false;
    size_t n;
    const struct option options[] = {{"-o", OPTION_TEXT, &o.output},
                                     {"--output", OPTION_TEXT, &o.output},
                                     {"--report", OPTION_TEXT, &o.report},
                                     {"--plot", OPTION_TEXT, &o.plot},
                                     {"--set", OPTION_LIST, &o.set},
                                     {"--threads", OPTION_THREADS, &o.n_threads},
                                     {"--dry-run", OPTION_FLAG, &o.dry_run},
                                     {"--quiet", OPTION_FLAG, &o.quiet},
                                     {"--resume", OPTION_FLAG, &o.resume},
                                     {"--help", OPTION_FLAG, &help},
                                     {NULL, OPTION_FLAG, NULL}};
    int code = options_parse(argc, argv, options, &o.file, 1, &n);

    if (code == CLI_OK && help) {
        fputs(run_help, stdout);
    } else if (code == CLI_OK && n == 0) {
        code = fail(CLI_INPUT, "no input file; expected oqtempo run FILE.yaml");
    } else if (code == CLI_OK) {
        code = run(&o);
    }
    text_list_release(&o.set);
    return code;
}
