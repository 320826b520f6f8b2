/* guess_command.c - `oqtempo guess`: settings for a run, and the errors of those that it has. */
#include "compute.h"
#include "options.h"

#include <stdlib.h>

static const char guess_help[] =
    "Usage: oqtempo guess FILE.yaml [--tolerance X] [--verify] [--set KEY=VALUE ...] [--threads N] "
    "[--quiet]\n"
    "Propose a time step and a tolerance for the run that an input file describes, and a memory for the\n"
    "finite methods, from its baths, its system and its length. These are rules of thumb.\n"
    "\n"
    "  --tolerance X     wanted error; method.accuracy if left out, or else 0.0039\n"
    "  --verify          run with the step and the tolerance of the file, and with finer ones, and estimate\n"
    "                    the errors that they make in elements of the density matrix\n"
    "  --set KEY=VALUE   override a scalar of the file by its dotted path; may be given several times\n"
    "  --threads N       number of threads\n"
    "  --quiet           no progress bar\n"
    "  --help            this text\n"
    "\n"
    "dt is meant for time.step, tolerance for method.tolerance of uniform process tensors; dkmax and epsrel\n"
    "for method.memory_steps and method.tolerance of the finite methods.\n";

struct guess_options {
    const char *file;
    double wanted; /* 0: not given */
    bool verify, quiet;
    int n_threads;
    struct text_list set;
};

static int library_fail(const struct guess_options *o, const oqt_error *err)
{
    if (err->code == OQT_ECANCELED && interrupted())
        return fail(interrupted(), "interrupted");
    return fail_at(exit_code_of(err->code), o->file, 0, 0, "guess: %s", err->text);
}

static int check_input(const struct guess_options *o, const struct input *in)
{
    if (in->task == TASK_CHAIN)
        return fail_at(CLI_INPUT, o->file, 0, 0, "guess is for runs of one system; the task is chain");
    if (in->n_steps == 0)
        return fail_at(CLI_INPUT, o->file, 0, 0,
                       "guess needs the length of a run; expected time.steps and the task dynamics");
    if (in->n_baths == 0)
        return fail_at(CLI_INPUT, o->file, 0, 0, "guess needs at least one bath");
    for (size_t i = 0; i < in->n_baths; i++) {
        if (in->bath[i].pt)
            return fail_at(CLI_INPUT, o->file, 0, 0,
                           "baths.%zu is a process tensor; expected the bath that it was made of", i);
    }
    if (o->verify && !in->initial.element)
        return fail_at(CLI_INPUT, o->file, 0, 0, "--verify needs an initial_state");
    if (o->verify && in->control)
        return fail_at(CLI_INPUT, o->file, 0, 0, "--verify is for runs without controls");
    return CLI_OK;
}

static int propose(oqt_guess *out, const struct guess_options *o, const struct input *in)
{
    const oqt_bath **baths = NULL;
    oqt_complex *couplings = NULL;
    oqt_guess_options options = OQT_GUESS_OPTIONS_INIT;
    oqt_error err;
    int code = gather_baths(&baths, &couplings, in);

    options.tolerance = o->wanted;
    options.n_threads = o->n_threads;
    if (code == CLI_OK &&
        oqt_guess_parameters(out, in->n_baths, baths, in->system, in->start,
                             in->start + (double)in->n_steps * in->step, &options, &err) != OQT_OK)
        code = library_fail(o, &err);
    free(couplings);
    free(baths);
    return code;
}

static void print_proposals(const oqt_guess *g)
{
    printf("limited_by: %s\ndt: %.4g\ntolerance: %.4g\ndkmax: %zu\nepsrel: %.4g\n",
           g->limited_by == OQT_LIMIT_BATH ? "bath" : "system", g->dt, g->tolerance, g->memory_steps,
           g->epsrel);
    if (g->grid_limit_hit)
        fprintf(stderr, "oqtempo: warning: a bath has not been resolved to the wanted error; a smaller dt is "
                        "needed\n");
    if (g->sample_limit_hit)
        fprintf(stderr,
                "oqtempo: warning: the drive of the system has not been resolved; a smaller dt may be "
                "needed\n");
}

/* The settings of the file, with `tolerance` where it asks for an accuracy. */
static int verify(const struct guess_options *o, const struct input *in, double tolerance)
{
    const oqt_bath **baths = NULL;
    oqt_complex *couplings = NULL;
    struct progress progress;
    oqt_pt_options pt;
    oqt_dynamics_options dynamics;
    oqt_guess_check check;
    oqt_error err;
    int code = gather_baths(&baths, &couplings, in);

    if (code)
        goto done;
    signals_watch();
    progress_init(&progress, o->quiet);
    progress_phase(&progress, NULL, 0);
    tensor_options(&pt, in, o->n_threads, &progress);
    dynamics_options(&dynamics, in, o->n_threads, &progress);
    pt.accuracy = 0.0;
    pt.tolerance = tolerance;
    if (oqt_guess_verify(&check, in->n_baths, baths, couplings, in->system, in->initial.element, in->step,
                         (size_t)in->n_steps, o->wanted, &pt, &dynamics, &err) != OQT_OK) {
        progress_clear(&progress);
        code = library_fail(o, &err);
        goto done;
    }
    progress_clear(&progress);
    printf("verified.dt: %g\nverified.tolerance: %g\nverified.step_error: %.3g\n"
           "verified.tolerance_error: %.3g\nverified.proposed_dt: %.4g\nverified.proposed_tolerance: %.4g\n",
           in->step, tolerance, check.step_error, check.tolerance_error, check.dt, check.tolerance);
done:
    free(couplings);
    free(baths);
    return code;
}

static int guess(struct guess_options *o)
{
    const oqt_guess_options defaults = OQT_GUESS_OPTIONS_INIT;
    struct input in;
    oqt_guess g;
    int code = input_read(&in, o->file, o->set.text, o->set.n, false);

    if (code)
        return code;
    if (o->wanted == 0.0)
        o->wanted = in.accuracy > 0.0 ? in.accuracy : defaults.tolerance;
    if ((code = check_input(o, &in)) == CLI_OK && (code = propose(&g, o, &in)) == CLI_OK) {
        print_proposals(&g);
        if (o->verify)
            code = verify(o, &in, in.accuracy > 0.0 ? g.tolerance : in.tolerance);
    }
    input_release(&in);
    return code;
}

int command_guess(int argc, char **argv)
{
    struct guess_options o = {0};
    bool help = false;
    size_t n;
    const struct option options[] = {{"--tolerance", OPTION_FRACTION, &o.wanted},
                                     {"--verify", OPTION_FLAG, &o.verify},
                                     {"--set", OPTION_LIST, &o.set},
                                     {"--threads", OPTION_THREADS, &o.n_threads},
                                     {"--quiet", OPTION_FLAG, &o.quiet},
                                     {"--help", OPTION_FLAG, &help},
                                     {NULL, OPTION_FLAG, NULL}};
    int code = options_parse(argc, argv, options, &o.file, 1, &n);

    if (code == CLI_OK && help) {
        fputs(guess_help, stdout);
    } else if (code == CLI_OK && n == 0) {
        code = fail(CLI_INPUT, "no input file; expected oqtempo guess FILE.yaml");
    } else if (code == CLI_OK) {
        code = guess(&o);
    }
    text_list_release(&o.set);
    return code;
}
