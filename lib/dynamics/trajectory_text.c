/*
 * trajectory_text.c - trajectories as text, in the layout of the tables of the program.
 *
 * Lines that begin with # are comments; the last one before the numbers names the columns. Every line ends
 * with a line feed, also the last, which shows that no number is cut.
 */
#include "dynamics/trajectory_priv.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "-1.2345678901234567e-308" and what separates it from the next; the longest number that is read. */
enum { NUMBER_WIDTH = 25, NUMBER_ROOM = 64, HEADER_ROOM = 256 };

/* d > 10: "rho_110" could be two elements. */
void oqt__column_name(char name[OQT__COLUMN_NAME], size_t d, size_t k)
{
    size_t i = k / 2 / d, j = k / 2 % d;

    snprintf(name, OQT__COLUMN_NAME, d > 10 ? "rho_%zu_%zu_%s" : "rho_%zu%zu_%s", i, j, k % 2 ? "im" : "re");
}

/* The calling thread writes and reads numbers with a point, whatever locale the program has set. */
struct points {
    locale_t ours, before;
};

static bool enter_points(struct points *p)
{
    p->ours = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (p->ours == (locale_t)0)
        return false;
    p->before = uselocale(p->ours);
    return true;
}

static void leave_points(const struct points *p)
{
    uselocale(p->before);
    freelocale(p->ours);
}

/* ---- writing ---- */

static size_t fill_text(char *text, const oqt_trajectory *trajectory, char separator)
{
    size_t d = trajectory->d, n_columns = 2 * d * d;
    char *at = text, name[OQT__COLUMN_NAME];

    at += sprintf(at, "# program: oqtempo %s\n# t", oqt_version());
    for (size_t k = 0; k < n_columns; k++) {
        oqt__column_name(name, d, k);
        at += sprintf(at, "%c%s", separator, name);
    }
    *at++ = '\n';
    for (size_t row = 0; row < trajectory->n; row++) {
        const double *value = &trajectory->state[row * d * d].re;

        at += sprintf(at, "%.17g", trajectory->time[row]);
        for (size_t k = 0; k < n_columns; k++)
            at += sprintf(at, "%c%.17g", separator, value[k]);
        *at++ = '\n';
    }
    return (size_t)(at - text);
}

oqt_status oqt__trajectory_to_text(const oqt_trajectory *trajectory, const char *path, char separator,
                                   oqt_error *err)
{
    size_t n_columns = 2 * trajectory->d * trajectory->d + 1, room = 0;
    struct points points;
    char *text = NULL;
    oqt_status st;

    if (!oqt__mul_size(&room, trajectory->n + 1, NUMBER_WIDTH * n_columns))
        return oqt__fail(err, OQT_ERANGE, "the text of a trajectory is too long");
    text = oqt__calloc(room + HEADER_ROOM, 1);
    if (!text || !enter_points(&points)) {
        oqt__free(text);
        return oqt__no_memory(err, "the text of a trajectory");
    }
    room = fill_text(text, trajectory, separator);
    leave_points(&points);
    st = oqt__write_file(path, &(oqt__piece){text, room}, 1, err);
    oqt__free(text);
    return st;
}

/* ---- lines ---- */

/* A part of the file. */
struct span {
    const char *at;
    size_t length;
};

struct reader {
    struct span rest; /* behind the line */
    size_t line;      /* from 1 */
    const char *path;
    oqt_error *err;
};

static oqt_status fail_line(const struct reader *r, const char *what)
{
    return oqt__fail(r->err, OQT_EFORMAT, "%s, line %zu: %s", r->path, r->line, what);
}

/* The next line without its end. */
static oqt_status next_line(struct span *line, struct reader *r)
{
    const char *end = memchr(r->rest.at, '\n', r->rest.length);
    size_t length = end ? (size_t)(end - r->rest.at) : 0;

    r->line++;
    if (!end)
        return fail_line(r, "has no end: the file was cut off");
    *line = (struct span){r->rest.at, length};
    r->rest = (struct span){end + 1, r->rest.length - length - 1};
    if (length > 0 && end[-1] == '\r')
        line->length--;
    return OQT_OK;
}

/* Cut what stands before the next separator off a line; a name with a separator in it is in quotes. False if
 * the line is used up. */
static bool next_cell(struct span *cell, struct span *line, char separator)
{
    const char *end, *from;
    size_t quoted = 0, length;

    if (!line->at)
        return false;
    if (line->length > 1 && *line->at == '"' && (end = memchr(line->at + 1, '"', line->length - 1)) != NULL)
        quoted = (size_t)(end - line->at);
    from = line->at + quoted;
    end = memchr(from, separator, line->length - quoted);
    length = end ? (size_t)(end - line->at) : line->length;
    *cell = (struct span){line->at, length};
    *line = end ? (struct span){end + 1, line->length - length - 1} : (struct span){NULL, 0};
    return true;
}

static bool is_text(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}

static bool is_state_column(struct span name)
{
    return name.length > 4 && memcmp(name.at, "rho_", 4) == 0 && isdigit((unsigned char)name.at[4]);
}

/* ---- columns ---- */

/* What the columns hold: place[c] is where the number of column c goes, 0 for t and k + 1 for number k of the
 * state, or SKIP. */
struct columns {
    char separator;
    size_t n, d, *place;
    double *row;
};

static const size_t SKIP = SIZE_MAX;

static void release(struct columns *c)
{
    oqt__free(c->place);
    oqt__free(c->row);
}

/* d of n = 2 d^2 columns, or 0. */
static size_t dimension_of(size_t n)
{
    size_t d = (size_t)lround(sqrt(0.5 * (double)n));

    return 2 * d * d == n && d <= OQT__MAX_TRAJECTORY_DIMENSION ? d : 0;
}

static void count_columns(size_t *all, size_t *states, struct span line, char separator)
{
    struct span cell;

    *all = *states = 0;
    while (next_cell(&cell, &line, separator)) {
        ++*all;
        *states += is_state_column(cell);
    }
}

/* Understand the line that names the columns, "# t", separator, .. */
static oqt_status read_names(struct columns *c, struct span line, const struct reader *r)
{
    char expected[OQT__COLUMN_NAME];
    struct span cell;
    size_t states, k = 0;

    if (line.length < 3 || memcmp(line.at, "# ", 2) != 0)
        return fail_line(r, "expected a line \"# t ..\" with the names of the columns before the numbers");
    line = (struct span){line.at + 2, line.length - 2};
    c->separator = memchr(line.at, '\t', line.length) ? '\t' : ',';
    count_columns(&c->n, &states, line, c->separator);
    c->d = dimension_of(states);
    if (c->d == 0)
        return oqt__fail(r->err, OQT_EFORMAT,
                         "%s, line %zu: names %zu columns of states (rho_00_re ..), expected 2 d^2 of them",
                         r->path, r->line, states);
    c->place = oqt__calloc(c->n, sizeof *c->place);
    c->row = oqt__doubles(1 + states);
    if (!c->place || !c->row)
        return oqt__no_memory(r->err, "the columns of a table");
    for (size_t i = 0; next_cell(&cell, &line, c->separator); i++) {
        c->place[i] = i == 0 ? 0 : SKIP;
        if (i == 0 && !is_text(cell, "t"))
            return fail_line(r, "the first column is not t");
        if (!is_state_column(cell))
            continue;
        oqt__column_name(expected, c->d, k);
        if (!is_text(cell, expected))
            return oqt__fail(r->err, OQT_EFORMAT, "%s, line %zu: expected the column %s after %zu of states",
                             r->path, r->line, expected, k);
        c->place[i] = ++k;
    }
    return OQT_OK;
}

/* ---- numbers ---- */

static bool read_number(double *out, struct span cell)
{
    char text[NUMBER_ROOM], *end;

    if (cell.length == 0 || cell.length >= sizeof text)
        return false;
    memcpy(text, cell.at, cell.length);
    text[cell.length] = '\0';
    *out = strtod(text, &end);
    return end == text + cell.length && isfinite(*out);
}

static oqt_status read_row(oqt_trajectory *trajectory, const struct columns *c, struct span line,
                           const struct reader *r)
{
    struct span cell;
    size_t i = 0;
    bool ok = true;

    while (ok && next_cell(&cell, &line, c->separator)) {
        ok = i < c->n && (c->place[i] == SKIP || read_number(&c->row[c->place[i]], cell));
        i += ok;
    }
    if (!ok || i < c->n)
        return oqt__fail(r->err, OQT_EFORMAT, "%s, line %zu, column %zu: expected %s", r->path, r->line,
                         i + 1, i < c->n ? "a finite number" : "no more numbers");
    /* c->row[1..] is laid out as complex numbers */
    if (!oqt__trajectory_append(trajectory, c->row[0], (const oqt_complex *)(const void *)(c->row + 1)))
        return oqt__no_memory(r->err, "a trajectory");
    return OQT_OK;
}

/* The trajectory that the names of the columns promise. */
static oqt_status begin(oqt_trajectory **out, struct columns *c, struct span names, const struct reader *r)
{
    oqt_status st = read_names(c, names, r);

    if (st == OQT_OK && (*out = oqt__trajectory_new(c->d)) == NULL)
        st = oqt__no_memory(r->err, "a trajectory");
    return st;
}

static oqt_status read_lines(oqt_trajectory **out, struct columns *c, struct reader *r)
{
    struct reader at_names = *r;
    struct span line = {"", 0}, names = line; /* the last comment before the numbers */
    oqt_status st = OQT_OK;

    while (st == OQT_OK && r->rest.length > 0) {
        if ((st = next_line(&line, r)) != OQT_OK || line.length == 0)
            continue;
        if (*line.at == '#') {
            if (!*out) {
                names = line;
                at_names = *r;
            }
            continue;
        }
        if (!*out)
            st = begin(out, c, names, &at_names);
        if (st == OQT_OK)
            st = read_row(*out, c, line, r);
    }
    if (st == OQT_OK && !*out)
        st = begin(out, c, names, &at_names);
    return st;
}

oqt_status oqt__trajectory_from_text(oqt_trajectory **out, const oqt__map *map, const char *path,
                                     oqt_error *err)
{
    struct reader r = {.rest = {(const char *)map->data, map->length}, .path = path, .err = err};
    struct columns columns = {.place = NULL};
    oqt_trajectory *trajectory = NULL;
    struct points points;
    oqt_status st;

    if (!enter_points(&points))
        return oqt__no_memory(err, "a table");
    st = read_lines(&trajectory, &columns, &r);
    leave_points(&points);
    release(&columns);
    if (st == OQT_OK) {
        *out = trajectory;
    } else {
        oqt_trajectory_destroy(trajectory);
    }
    return st;
}
