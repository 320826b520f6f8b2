/* options.c - the options of a command line. */
#include "options.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static int unknown_option(const char *word, const char *command, const struct option *options)
{
    const char *names[32];
    struct text hint = {0};
    char quoted[QUOTED_SIZE];
    size_t n = 0;

    for (; options[n].name && n < 31; n++)
        names[n] = options[n].name;
    names[n] = NULL;
    suggest(&hint, word, names);
    fail(CLI_INPUT, "unknown option %s of \"%s\"%s", quote(quoted, word), command,
         hint.failed ? "" : hint.data);
    text_release(&hint);
    return CLI_INPUT;
}

/* The option that an argument begins with, and its value if that is part of the argument. */
static const struct option *match(const char *argument, const struct option *options, const char **value)
{
    *value = NULL;
    for (; options->name; options++) {
        size_t n = strlen(options->name);

        if (strncmp(argument, options->name, n) != 0)
            continue;
        if (argument[n] == '\0')
            return options;
        if (options->kind == OPTION_FLAG)
            continue;
        if (argument[1] != '-' || argument[n] == '=') {
            *value = argument + n + (argument[1] == '-');
            return options;
        }
    }
    return NULL;
}

static int store(const struct option *option, const char *value)
{
    if (option->kind == OPTION_TEXT) {
        const char **text = option->value;

        if (*text)
            return fail(CLI_INPUT, "option %s is given twice", option->name);
        if (*value == '\0')
            return fail(CLI_INPUT, "option %s is empty; expected a name", option->name);
        *text = value;
    } else if (option->kind == OPTION_THREADS) {
        char *end, quoted[QUOTED_SIZE];
        long n = strtol(value, &end, 10);

        if (end == value || *end || n < 1 || n > 4096)
            return fail(CLI_INPUT, "option %s is %s; expected a whole number from 1 to 4096", option->name,
                        quote(quoted, value));
        *(int *)option->value = (int)n;
    } else if (option->kind == OPTION_FRACTION) {
        char *end, quoted[QUOTED_SIZE];
        double x = strtod(value, &end);

        if (end == value || *end || !(x > 0.0) || !(x < 1.0))
            return fail(CLI_INPUT, "option %s is %s; expected a number > 0 and < 1", option->name,
                        quote(quoted, value));
        *(double *)option->value = x;
    } else {
        struct text_list *list = option->value;
        const char **grown = realloc(list->text, (list->n + 1) * sizeof *grown);

        if (!grown)
            return fail_memory();
        list->text = grown;
        list->text[list->n++] = value;
    }
    return CLI_OK;
}

int options_parse(int argc, char **argv, const struct option *options, const char **others, size_t most,
                  size_t *n)
{
    bool only_others = false;

    *n = 0;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i], *value;
        const struct option *option;
        int code;

        if (!only_others && strcmp(argument, "--") == 0) {
            only_others = true;
        } else if (only_others || argument[0] != '-' || argument[1] == '\0') {
            char quoted[QUOTED_SIZE];

            if (*n == most)
                return fail(CLI_INPUT, "unexpected argument %s", quote(quoted, argument));
            others[(*n)++] = argument;
        } else if (!(option = match(argument, options, &value))) {
            return unknown_option(argument, argv[0], options);
        } else if (option->kind == OPTION_FLAG) {
            *(bool *)option->value = true;
            if (strcmp(option->name, "--help") == 0)
                return CLI_OK;
        } else if (!value && i + 1 == argc) {
            return fail(CLI_INPUT, "option %s needs a value", option->name);
        } else if ((code = store(option, value ? value : argv[++i]))) {
            return code;
        }
    }
    return CLI_OK;
}

void text_list_release(struct text_list *list)
{
    free(list->text);
    *list = (struct text_list){0};
}
