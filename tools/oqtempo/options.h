/* options.h - the options of a command line. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"

enum option_kind {
    OPTION_FLAG,     /* bool                                          */
    OPTION_TEXT,     /* const char *                                  */
    OPTION_THREADS,  /* int, 1 or more                                */
    OPTION_FRACTION, /* double, above 0 and below 1 */
    OPTION_LIST      /* struct text_list: may be given several times  */
};

struct text_list {
    size_t n;
    const char **text;
};

/** One option and where its value goes; a list ends with a name NULL. */
struct option {
    const char *name; /* "--report" or "-o" */
    enum option_kind kind;
    void *value;
};

/**
 * Read the arguments argv[1] .. into options and at most `most` others, which are counted in *n.
 *
 * Values may follow their option or an equals sign ("--report=FILE", "-oFILE"); "--" ends the options.
 * --help stops the reading; it must be an option. Lists are released with text_list_release also on failure.
 */
int options_parse(int argc, char **argv, const struct option *options, const char **others, size_t most,
                  size_t *n);
void text_list_release(struct text_list *list);

#endif
