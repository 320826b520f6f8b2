/* text.c - growing strings, lists of named texts, and the nearest of several names. */
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- growing strings ---- */

static bool reserve(struct text *text, size_t more)
{
    size_t capacity = text->capacity ? text->capacity : 256;
    char *data;

    if (text->failed || more >= SIZE_MAX / 2 - text->length) {
        text->failed = true;
        return false;
    }
    while (capacity < text->length + more + 1)
        capacity *= 2;
    if (capacity == text->capacity)
        return true;
    data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void text_add(struct text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void text_puts(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

static void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0) {
        text->failed = true;
        return;
    }
    if (!reserve(text, (size_t)n))
        return;
    vsnprintf(text->data + text->length, (size_t)n + 1, format, args);
    text->length += (size_t)n;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

void text_add_json_string(struct text *text, const char *string)
{
    text_puts(text, "\"");
    for (const char *p = string; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\') {
            text_printf(text, "\\%c", c);
        } else if (c == '\n') {
            text_puts(text, "\\n");
        } else if (c == '\t') {
            text_puts(text, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            text_printf(text, "\\u%04x", c);
        } else {
            text_add(text, p, 1);
        }
    }
    text_puts(text, "\"");
}

void text_release(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

char *copy_text(const char *bytes, size_t n)
{
    char *copy = malloc(n + 1);

    if (copy) {
        memcpy(copy, bytes, n);
        copy[n] = '\0';
    }
    return copy;
}

char *format_text(const char *format, ...)
{
    struct text text = {0};
    va_list args;

    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    if (text.failed)
        text_release(&text);
    return text.data;
}

/* ---- named values ---- */

static bool grow_facts(struct facts *facts)
{
    size_t capacity = facts->capacity ? 2 * facts->capacity : 32;
    char **key = realloc(facts->key, capacity * sizeof *key);
    char **value;

    if (!key)
        return false;
    facts->key = key;
    value = realloc(facts->value, capacity * sizeof *value);
    if (!value)
        return false;
    facts->value = value;
    facts->capacity = capacity;
    return true;
}

void facts_add(struct facts *facts, const char *key, const char *format, ...)
{
    struct text value = {0};
    char *name = copy_text(key, strlen(key));
    va_list args;

    va_start(args, format);
    text_vprintf(&value, format, args);
    va_end(args);
    if (facts->failed || !name || value.failed || (facts->n == facts->capacity && !grow_facts(facts))) {
        facts->failed = true;
        free(name);
        text_release(&value);
        return;
    }
    facts->key[facts->n] = name;
    facts->value[facts->n] = value.data;
    facts->n++;
}

void facts_release(struct facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        free(facts->key[i]);
        free(facts->value[i]);
    }
    free(facts->key);
    free(facts->value);
    *facts = (struct facts){0};
}

/* ---- words in messages ---- */

const char *quote(char out[QUOTED_SIZE], const char *string)
{
    const size_t limit = QUOTED_SIZE - 6; /* two quotes, three dots, the zero byte */
    size_t n = strlen(string);
    bool shortened = n > limit;

    if (shortened) {
        n = limit;
        while (n > 0 && ((unsigned char)string[n] & 0xc0) == 0x80) /* not inside a UTF-8 sequence */
            n--;
    }
    out[0] = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)string[i];

        out[i + 1] = c < 0x20 || c == 0x7f ? '?' : string[i];
    }
    memcpy(out + n + 1, shortened ? "...\"" : "\"", shortened ? 5 : 2);
    return out;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Number of insertions, deletions, replacements and swaps of neighbours between two words. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t rows[3][LONGEST + 1];
    size_t na = strlen(a), nb = strlen(b);

    if (na > LONGEST || nb > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = rows[i % 3], *before = rows[(i - 1) % 3], *earlier = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = smaller(before[j], now[j - 1]) + 1;
            now[j] = smaller(now[j], before[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = smaller(now[j], earlier[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

const char *nearest_name(const char *word, const char *const *names)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;

    for (; *names; names++) {
        size_t distance = edit_distance(word, *names);

        if (distance < least) {
            least = distance;
            best = *names;
        }
    }
    return least <= 2 || least <= strlen(word) / 3 ? best : NULL;
}

size_t find_name(const char *word, const char *const *names)
{
    size_t i = 0;

    while (names[i] && strcmp(word, names[i]) != 0)
        i++;
    return i;
}

void suggest(struct text *out, const char *word, const char *const *names)
{
    const char *near = nearest_name(word, names);

    if (near) {
        text_printf(out, "; did you mean \"%s\"?", near);
        return;
    }
    text_puts(out, names[1] ? "; expected one of " : "; expected ");
    for (size_t i = 0; names[i]; i++)
        text_printf(out, "%s%s", i ? ", " : "", names[i]);
}
