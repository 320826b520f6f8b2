/* check_json.c - reads stdin and fails unless it is one JSON object or array, by the grammar of RFC 8259. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static char text[1 << 20];
static const char *at = text;

static bool value(int depth);

static void blanks(void)
{
    at += strspn(at, " \t\r\n");
}

static bool take(char c)
{
    blanks();
    if (*at != c)
        return false;
    at++;
    return true;
}

static bool string(void)
{
    if (!take('"'))
        return false;
    for (; *at != '"'; at++) {
        if ((unsigned char)*at < 0x20)
            return false;
        if (*at == '\\') {
            at++;
            if (*at == 'u') {
                for (int i = 0; i < 4; i++) {
                    if (!isxdigit((unsigned char)*++at))
                        return false;
                }
            } else if (*at == '\0' || !strchr("\"\\/bfnrt", *at)) {
                return false;
            }
        }
    }
    at++;
    return true;
}

static bool digits(void)
{
    size_t n = strspn(at, "0123456789");

    at += n;
    return n > 0;
}

static bool number(void)
{
    at += *at == '-';
    if (*at == '0' ? (at++, false) : !digits())
        return false;
    if (*at == '.' && (at++, !digits()))
        return false;
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        return digits();
    }
    return true;
}

static bool word(const char *expected)
{
    size_t n = strlen(expected);
    bool same = strncmp(at, expected, n) == 0;

    at += same ? n : 0;
    return same;
}

static bool members(char end, bool named, int depth)
{
    at++;
    if (take(end))
        return true;
    do {
        if (named && (!string() || !take(':')))
            return false;
        if (!value(depth + 1))
            return false;
    } while (take(','));
    return take(end);
}

static bool value(int depth)
{
    blanks();
    if (depth > 100)
        return false;
    if (*at == '{')
        return members('}', true, depth);
    if (*at == '[')
        return members(']', false, depth);
    if (*at == '"')
        return string();
    return word("true") || word("false") || word("null") || number();
}

int main(void)
{
    size_t n = fread(text, 1, sizeof text - 1, stdin);
    bool valid;

    text[n] = '\0';
    blanks();
    valid = (*at == '{' || *at == '[') && value(0);
    blanks();
    if (!valid || *at != '\0') {
        fprintf(stderr, "not JSON at byte %zu of %zu\n", (size_t)(at - text), n);
        return 1;
    }
    return 0;
}
