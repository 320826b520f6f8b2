/* outfile.c - files that appear only when they are complete. */
#include "outfile.h"

#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_write(const char *path)
{
    return fail_at(CLI_FILE, path, 0, 0, "cannot be written: %s", strerror(errno));
}

static int fail_finish(struct outfile *out)
{
    int code = fail_write(out->name);

    outfile_discard(out);
    return code;
}

/* A new file beside the target with the permissions that a plain fopen would give, or those of the old file.
 */
static int open_aside(struct outfile *out, const struct stat *old)
{
    const char *slash = strrchr(out->target, '/');
    size_t folder = slash ? (size_t)(slash - out->target) + 1 : 0;
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    out->temporary = format_text("%.*s.oqtempo-XXXXXX", (int)folder, out->target);
    if (!out->temporary)
        return fail_memory();
    fd = mkstemp(out->temporary);
    if (fd < 0) {
        free(out->temporary);
        out->temporary = NULL;
        return fail_write(out->name);
    }
    if (fchmod(fd, old ? old->st_mode & 0777 : 0666 & ~mask) != 0 || !(out->stream = fdopen(fd, "wb"))) {
        close(fd);
        return fail_write(out->name);
    }
    return CLI_OK;
}

int outfile_open(struct outfile *out, const char *path)
{
    struct outfile file = {.name = path};
    struct stat old;
    bool exists;
    int code = CLI_OK;

    if (strcmp(path, "-") == 0) {
        *out = (struct outfile){.name = "standard output", .stream = stdout};
        return CLI_OK;
    }
    exists = stat(path, &old) == 0;
    file.target = exists ? realpath(path, NULL) : copy_text(path, strlen(path));
    if (!file.target)
        return fail_memory();
    if (exists && S_ISDIR(old.st_mode)) {
        code = fail_at(CLI_FILE, path, 0, 0, "cannot be written: it is a folder");
    } else if (exists && !S_ISREG(old.st_mode)) {
        if (!(file.stream = fopen(path, "wb")))
            code = fail_write(path);
    } else if (exists && access(path, W_OK) != 0) {
        code = fail_write(path);
    } else {
        code = open_aside(&file, exists ? &old : NULL);
    }
    if (code) {
        outfile_discard(&file);
    } else {
        *out = file;
    }
    return code;
}

int outfile_finish(struct outfile *out)
{
    FILE *stream = out->stream;
    bool failed;

    if (!stream)
        return CLI_OK;
    failed = ferror(stream) || fflush(stream) != 0;
    out->stream = NULL;
    if (stream != stdout && fclose(stream) != 0)
        failed = true;
    return failed ? fail_finish(out) : CLI_OK;
}

int outfile_commit(struct outfile *out)
{
    if (out->temporary && rename(out->temporary, out->target) != 0)
        return fail_finish(out);
    free(out->temporary);
    out->temporary = NULL;
    outfile_discard(out);
    return CLI_OK;
}

void outfile_discard(struct outfile *out)
{
    if (out->stream && out->stream != stdout)
        fclose(out->stream);
    if (out->temporary)
        unlink(out->temporary);
    free(out->temporary);
    free(out->target);
    *out = (struct outfile){0};
}

int outfile_probe(const char *path)
{
    struct outfile out = {0};
    struct stat old;
    int code;

    /* Opening a pipe or a device may block or do something. */
    if (strcmp(path, "-") == 0 || (stat(path, &old) == 0 && !S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode)))
        return CLI_OK;
    code = outfile_open(&out, path);
    outfile_discard(&out);
    return code;
}
