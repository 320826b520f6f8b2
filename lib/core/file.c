/* file.c - whole files, mapped for reading and written aside; their hash. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static oqt_status cannot(const char *what, const char *path, oqt_error *err)
{
    return oqt__fail(err, errno == ENOMEM ? OQT_ENOMEM : OQT_EIO, "cannot %s %s: %s", what, path,
                     strerror(errno));
}

oqt_status oqt__map_file(oqt__map *out, const char *path, oqt_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    void *data;
    oqt_status st = OQT_OK;

    if (fd < 0)
        return cannot("open", path, err);
    if (fstat(fd, &about) != 0) {
        st = cannot("read", path, err);
    } else if (S_ISDIR(about.st_mode)) {
        errno = EISDIR;
        st = cannot("read", path, err);
    } else if (about.st_size <= 0) {
        st = oqt__fail(err, OQT_EFORMAT, "%s is empty", path);
    } else if ((uintmax_t)about.st_size > SIZE_MAX / 2) {
        st = oqt__fail(err, OQT_ERANGE, "%s is too large for this machine", path);
    } else if ((data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED) {
        st = cannot("map", path, err);
    } else {
        *out = (oqt__map){data, (size_t)about.st_size};
    }
    close(fd);
    return st;
}

void oqt__unmap_file(oqt__map *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->length);
    *map = (oqt__map){NULL, 0};
}

/* A new file beside `path`, whose name goes to `aside`. */
static FILE *open_aside(char *aside, size_t room, const char *path)
{
    enum { ATTEMPTS = 100 };
    FILE *file = NULL;
    int fd = -1;

    for (int i = 0; fd < 0 && i < ATTEMPTS; i++) {
        snprintf(aside, room, "%s.part%d", path, i);
        fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd >= 0 && (file = fdopen(fd, "wb")) == NULL) {
        close(fd);
        unlink(aside);
    }
    return file;
}

oqt_status oqt__write_file(const char *path, const oqt__piece *piece, size_t n, oqt_error *err)
{
    enum { SUFFIX = 16 };
    size_t room = strlen(path) + SUFFIX;
    char *aside = oqt__calloc(room, 1);
    FILE *file;
    bool ok = true;
    oqt_status st = OQT_OK;

    if (!aside)
        return oqt__no_memory(err, "a file name");
    if ((file = open_aside(aside, room, path)) == NULL) {
        st = oqt__fail(err, OQT_EIO, "cannot write beside %s: %s", path, strerror(errno));
        goto done;
    }
    for (size_t i = 0; ok && i < n; i++)
        ok = piece[i].length == 0 || fwrite(piece[i].data, piece[i].length, 1, file) == 1;
    ok = ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
    ok = fclose(file) == 0 && ok;
    if (!ok || rename(aside, path) != 0) {
        st = oqt__fail(err, OQT_EIO, "cannot write %s: %s", path, strerror(errno));
        unlink(aside);
    }
done:
    oqt__free(aside);
    return st;
}

/* ---- hash ---- */

static const uint64_t P1 = 0x9e3779b185ebca87u, P2 = 0xc2b2ae3d27d4eb4fu, P3 = 0x165667b19e3779f9u,
                      P4 = 0x85ebca77c2b2ae63u;

static uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

static uint64_t mix(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * P2, 31) * P1;
}

/* Little-endian, which compilers make one load of. */
static uint64_t word_at(const unsigned char *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

void oqt__hash_init(oqt__hash *hash)
{
    *hash = (oqt__hash){{P1 + P2, P2, 0, 0 - P1}, 0};
}

void oqt__hash_add(oqt__hash *hash, const void *data, size_t length)
{
    const unsigned char *p = data;
    uint64_t a = hash->lane[0], b = hash->lane[1], c = hash->lane[2], d = hash->lane[3];

    for (size_t i = 0; i < length; i += 32) {
        a = mix(a, word_at(p + i));
        b = mix(b, word_at(p + i + 8));
        c = mix(c, word_at(p + i + 16));
        d = mix(d, word_at(p + i + 24));
    }
    *hash = (oqt__hash){{a, b, c, d}, hash->length + length};
}

uint64_t oqt__hash_value(const oqt__hash *hash)
{
    const uint64_t *lane = hash->lane;
    uint64_t h = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);

    for (int i = 0; i < 4; i++)
        h = (h ^ mix(0, lane[i])) * P1 + P4;
    h += hash->length;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}
