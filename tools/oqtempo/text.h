/* text.h - growing strings, lists of named texts, and the nearest of several names. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "cli.h"

/** A growing string; starts as {0}. After a failed allocation `failed` is set and additions do nothing. */
struct text {
    char *data; /* ends with a zero byte once anything was added */
    size_t length, capacity;
    bool failed;
};

void text_add(struct text *text, const char *bytes, size_t n);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
/** Add a JSON string: quotes around, control characters and quotes escaped. */
void text_add_json_string(struct text *text, const char *string);
void text_release(struct text *text);

/** A copy of n bytes as a string, or NULL. */
char *copy_text(const char *bytes, size_t n);
/** A formatted string of its own memory, or NULL. */
char *format_text(const char *format, ...) PRINTF_LIKE(1, 2);

/** Named values in order: the options of a run and what was found out about its accuracy. */
struct facts {
    size_t n, capacity;
    char **key, **value;
    bool failed;
};

void facts_add(struct facts *facts, const char *key, const char *format, ...) PRINTF_LIKE(3, 4);
void facts_release(struct facts *facts);

/** Size of the buffer for quote(). */
enum { QUOTED_SIZE = 64 };

/** A string fit for a message: in quotes, shortened, without control characters. Returns `out`. */
const char *quote(char out[QUOTED_SIZE], const char *string);

/** The name most like `word`, or NULL if none is. The list ends with NULL. */
const char *nearest_name(const char *word, const char *const *names);

/** Position of `word` in a list that ends with NULL; the length of the list if it is not there. */
size_t find_name(const char *word, const char *const *names);

/** Complete a message about a wrong word: '; did you mean "x"?' or "; expected one of x, y". */
void suggest(struct text *out, const char *word, const char *const *names);

#endif
