/*
 * hdf5_scan.c - a reader of the few forms that h5py gives the data sets of OQuPy's files.
 *
 * HDF5 itself is not fit for altered files: of 10 000 single bit flips and truncations of a file of OQuPy,
 * read by libhdf5 1.10.8 from memory and without attributes, 10 ended the process, 10 never ended, and the
 * address sanitizer stopped 14 at reads beyond buffers. Files of our own are hashed before HDF5 sees them;
 * those of OQuPy carry no hash.
 *
 * So foreign files are read here, every offset being checked, and in the forms of the HDF5 File Format
 * Specification 2.0 that come from h5py's defaults only: superblock version 0 (II.A), groups as symbol tables
 * (III.A to III.D), object headers version 1 (IV.A.1), contiguous data sets, data sets of rank 1 in chunks
 * without filters (layout version 3, B-trees version 1), and sequences of variable length in global heaps
 * (III.E). Anything else is refused.
 */
#include "pt/hdf5_scan.h"

#include <string.h>

/* Of nested trees, continued headers, and nodes of a tree of names: files of OQuPy have 11 of these. */
enum { MAX_DEPTH = 16, MAX_BLOCKS = 64, MAX_NODES = 256 };

/* Lengths of structures, in bytes. */
enum {
    SUPERBLOCK = 96,
    ADDRESS = 8,
    TREE_HEADER = 24,
    SYMBOL_HEADER = 8,
    SYMBOL_ENTRY = 40,
    HEAP_HEADER = 32
};
enum { OBJECT_HEADER = 16, MESSAGE_HEADER = 8, GLOBAL_HEADER = 16, REFERENCE = 16 };

/* Messages of an object header. */
enum {
    DATASPACE = 1,
    DATATYPE = 3,
    EXTERNAL = 7,
    LAYOUT = 8,
    FILTERS = 11,
    CONTINUED = 16,
    SYMBOL_TABLE = 17
};

/* ---- bytes ---- */

static uint64_t number(const unsigned char *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = n; i-- > 0;)
        x = x << 8 | p[i];
    return x;
}

int32_t oqt__scan_int(const unsigned char *p)
{
    uint32_t bits = (uint32_t)number(p, 4);
    int32_t x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

double oqt__scan_double(const unsigned char *p)
{
    uint64_t bits = number(p, 8);
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

/* n bytes at an offset; NULL if they are not all in the file. */
static const unsigned char *bytes(const oqt__map *file, uint64_t at, uint64_t n)
{
    return at <= file->length && n <= file->length - at ? file->data + at : NULL;
}

/* The same where a structure begins with four letters. */
static const unsigned char *structure(const oqt__map *file, uint64_t at, uint64_t n, const char *letters)
{
    const unsigned char *p = bytes(file, at, n);

    return p && memcmp(p, letters, 4) == 0 ? p : NULL;
}

/* ---- messages of an object header ---- */

/* Message i (counted among those of its type) of the object at an offset. */
static const unsigned char *find_message(size_t *length, const oqt__map *file, uint64_t object, unsigned type)
{
    const unsigned char *head = bytes(file, object, OBJECT_HEADER);
    uint64_t begin[MAX_BLOCKS], end[MAX_BLOCKS];
    size_t n_blocks = 1;

    if (!head || head[0] != 1)
        return NULL;
    begin[0] = object + OBJECT_HEADER;
    end[0] = begin[0] + number(head + 8, 4);
    for (size_t b = 0; b < n_blocks; b++)
        for (uint64_t at = begin[b]; at + MESSAGE_HEADER <= end[b];) {
            const unsigned char *p = bytes(file, at, MESSAGE_HEADER);
            size_t n = p ? (size_t)number(p + 2, 2) : 0;

            if (!p || n > end[b] - at - MESSAGE_HEADER || !bytes(file, at, MESSAGE_HEADER + n))
                return NULL;
            p += MESSAGE_HEADER;
            if (number(p - MESSAGE_HEADER, 2) == type) {
                *length = n;
                return p;
            }
            if (number(p - MESSAGE_HEADER, 2) == CONTINUED && n >= 16) {
                if (n_blocks == MAX_BLOCKS || !bytes(file, number(p, 8), number(p + 8, 8)))
                    return NULL;
                begin[n_blocks] = number(p, 8);
                end[n_blocks] = begin[n_blocks] + number(p + 8, 8);
                n_blocks++;
            }
            at += MESSAGE_HEADER + n;
        }
    return NULL;
}

/* ---- names in the root group ---- */

/* A node of a tree: its header, and what is behind it. */
static const unsigned char *tree_node(const oqt__map *file, uint64_t at, unsigned type, size_t key, size_t *n)
{
    const unsigned char *p = structure(file, at, TREE_HEADER, "TREE");

    if (!p || p[4] != type)
        return NULL;
    *n = (size_t)number(p + 6, 2);
    return bytes(file, at, TREE_HEADER + *n * (key + ADDRESS) + key);
}

static bool is_name(const oqt__map *file, uint64_t names, uint64_t length, uint64_t offset, const char *name)
{
    size_t n = strlen(name) + 1;

    return offset <= length && n <= length - offset && memcmp(file->data + names + offset, name, n) == 0;
}

struct names {
    uint64_t at, length;
    size_t nodes; /* visited */
};

/* The address of the object with a name; 0 if there is none. */
static uint64_t find_symbol(const oqt__map *file, const struct names *names, uint64_t at, const char *name)
{
    const unsigned char *p = structure(file, at, SYMBOL_HEADER, "SNOD");
    size_t n = p ? (size_t)number(p + 6, 2) : 0;

    if (!p || !bytes(file, at, SYMBOL_HEADER + n * SYMBOL_ENTRY))
        return 0;
    p += SYMBOL_HEADER;
    for (size_t i = 0; i < n; i++, p += SYMBOL_ENTRY)
        if (is_name(file, names->at, names->length, number(p, 8), name))
            return number(p + 8, 8);
    return 0;
}

static uint64_t find_in_tree(const oqt__map *file, struct names *names, uint64_t at, const char *name,
                             unsigned depth)
{
    size_t n = 0;
    const unsigned char *p = tree_node(file, at, 0, ADDRESS, &n);
    uint64_t found = 0;

    if (!p || depth == 0 || ++names->nodes > MAX_NODES)
        return 0;
    for (size_t i = 0; i < n && found == 0; i++) {
        uint64_t child = number(p + TREE_HEADER + i * 2 * ADDRESS + ADDRESS, 8);

        found = p[5] > 0 ? find_in_tree(file, names, child, name, depth - 1)
                         : find_symbol(file, names, child, name);
    }
    return found;
}

bool oqt__scan_is_hdf5(const oqt__map *file)
{
    static const unsigned char signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    return file->length >= SUPERBLOCK && memcmp(file->data, signature, sizeof signature) == 0;
}

/* Version 0 with offsets and lengths of 8 bytes, no user block, and a file as long as it says. */
static uint64_t root_group(const oqt__map *file)
{
    const unsigned char *p = file->data;
    static const unsigned char start[] = {0, 0, 0, 0, 0, 8, 8, 0};

    if (!oqt__scan_is_hdf5(file) || memcmp(p + 8, start, sizeof start) != 0 || number(p + 24, 8) != 0 ||
        number(p + 40, 8) > file->length)
        return 0;
    return number(p + 64, 8);
}

static uint64_t find_object(const oqt__map *file, const char *name)
{
    size_t length = 0;
    uint64_t root = root_group(file);
    const unsigned char *table = root ? find_message(&length, file, root, SYMBOL_TABLE) : NULL, *heap;
    struct names names;

    if (!table || length < 16 || !(heap = structure(file, number(table + 8, 8), HEAP_HEADER, "HEAP")))
        return 0;
    names = (struct names){number(heap + 24, 8), number(heap + 8, 8), 0};
    if (!bytes(file, names.at, names.length))
        return 0;
    return find_in_tree(file, &names, number(table, 8), name, MAX_DEPTH);
}

bool oqt__scan_has(const oqt__map *file, const char *name)
{
    return find_object(file, name) != 0;
}

/* ---- data sets ---- */

#define INT_TYPE           0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0
#define DOUBLE_TYPE        0x11, 0x20, 0x3f, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 3, 0, 0
#define MEMBER(letter, at) letter, 0, 0, 0, 0, 0, 0, 0, at, 0, 0, 0, NO_DIMENSIONS, DOUBLE_TYPE
#define NO_DIMENSIONS      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define COMPLEX_TYPE       0x16, 2, 0, 0, 16, 0, 0, 0, MEMBER('r', 0), MEMBER('i', 8)
#define SEQUENCE           0x19, 0, 0, 0, 16, 0, 0, 0

static const unsigned char int_type[] = {INT_TYPE}, double_type[] = {DOUBLE_TYPE},
                           complex_type[] = {COMPLEX_TYPE}, ints_type[] = {SEQUENCE, INT_TYPE},
                           complexes_type[] = {SEQUENCE, COMPLEX_TYPE};

/* Datatype messages by oqt__scan_type: there is one way only in which h5py writes each. */
static const struct {
    const unsigned char *message;
    size_t length, element, member; /* member: of a sequence */
} types[] = {{int_type, sizeof int_type, 4, 0},
             {double_type, sizeof double_type, 8, 0},
             {complex_type, sizeof complex_type, 16, 0},
             {ints_type, sizeof ints_type, REFERENCE, 4},
             {complexes_type, sizeof complexes_type, REFERENCE, 16}};

static bool read_shape(oqt__scan_set *set, uint64_t object)
{
    size_t length = 0;
    const unsigned char *p = find_message(&length, set->file, object, DATASPACE);

    if (!p || length < 8 || p[0] != 1 || p[1] < 1 || p[1] > 2 || length < 8 + 8 * (size_t)p[1])
        return false;
    set->rank = p[1];
    set->n = 1;
    for (size_t i = 0; i < set->rank; i++) {
        uint64_t size = number(p + 8 + 8 * i, 8);

        if (size > set->file->length)
            return false;
        set->size[i] = (size_t)size;
        if (set->size[i] > 0 && set->n > set->file->length / set->size[i])
            return false;
        set->n *= set->size[i];
    }
    /* elements lie in the file one by one */
    return set->n <= set->file->length / types[set->type].element;
}

static bool read_layout(oqt__scan_set *set, uint64_t object)
{
    size_t length = 0, element = types[set->type].element;
    const unsigned char *p = find_message(&length, set->file, object, LAYOUT);

    if (!p || length < 18 || p[0] != 3)
        return false;
    set->chunked = p[1] == 2;
    if (!set->chunked) {
        set->at = (size_t)number(p + 2, 8);
        return p[1] == 1 && number(p + 10, 8) == set->n * element &&
               bytes(set->file, set->at, set->n * element);
    }
    set->at = (size_t)number(p + 3, 8);
    set->chunk = length < 19 ? 0 : (size_t)number(p + 11, 4);
    return set->rank == 1 && p[2] == 2 && set->chunk > 0 && number(p + 15, 4) == element;
}

bool oqt__scan_open(oqt__scan_set *set, const oqt__map *file, const char *name, oqt__scan_type type)
{
    uint64_t object = find_object(file, name);
    size_t length = 0;
    const unsigned char *p;

    *set = (oqt__scan_set){.file = file, .type = type};
    if (object == 0 || !(p = find_message(&length, file, object, DATATYPE)) || length < types[type].length ||
        memcmp(p, types[type].message, types[type].length) != 0)
        return false;
    return !find_message(&length, file, object, FILTERS) && !find_message(&length, file, object, EXTERNAL) &&
           read_shape(set, object) && read_layout(set, object);
}

/* ---- elements ---- */

/* Keys of a tree of chunks: size in bytes, mask of filters, offset in elements, and 0 within an element. */
enum { CHUNK_KEY = 24 };

/* The address of the chunk that begins with an element; 0 if there is none. */
static uint64_t find_chunk(const oqt__scan_set *set, uint64_t at, uint64_t first, unsigned depth)
{
    size_t n = 0, bytes_of_chunk = set->chunk * types[set->type].element;
    const unsigned char *p = tree_node(set->file, at, 1, CHUNK_KEY, &n);

    if (!p || depth == 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *key = p + TREE_HEADER + i * (CHUNK_KEY + ADDRESS);
        uint64_t child = number(key + CHUNK_KEY, 8), here = number(key + 8, 8);

        if (p[5] > 0 && here <= first &&
            (i + 1 == n || first < number(key + 2 * CHUNK_KEY + ADDRESS - 16, 8)))
            return find_chunk(set, child, first, depth - 1);
        if (p[5] == 0 && here == first)
            return number(key, 4) == bytes_of_chunk && number(key + 4, 4) == 0 && number(key + 16, 8) == 0
                       ? child
                       : 0;
    }
    return 0;
}

const unsigned char *oqt__scan_element(const oqt__scan_set *set, size_t i)
{
    size_t element = types[set->type].element;
    uint64_t at = set->at;

    if (i >= set->n)
        return NULL;
    if (!set->chunked)
        return bytes(set->file, at + i * element, element);
    at = find_chunk(set, at, i - i % set->chunk, MAX_DEPTH);
    return at == 0 || at > set->file->length ? NULL
                                             : bytes(set->file, at + i % set->chunk * element, element);
}

const unsigned char *oqt__scan_sequence(size_t *length, const oqt__scan_set *set, size_t i)
{
    const unsigned char *p = oqt__scan_element(set, i), *heap;
    uint64_t n = p ? number(p, 4) * types[set->type].member : 0, collection = p ? number(p + 4, 8) : 0, end,
             size;

    if (!p)
        return NULL;
    *length = (size_t)number(p, 4);
    if (*length == 0)
        return p; /* nothing to point at */
    heap = structure(set->file, collection, GLOBAL_HEADER, "GCOL");
    if (!heap || heap[4] != 1 || !bytes(set->file, collection, number(heap + 8, 8)))
        return NULL;
    end = collection + number(heap + 8, 8);
    for (uint64_t at = collection + GLOBAL_HEADER; at + GLOBAL_HEADER <= end;
         at += GLOBAL_HEADER + (size + 7) / 8 * 8) {
        const unsigned char *object = set->file->data + at;

        size = number(object + 8, 8);
        if (number(object, 2) == 0 || size > end - at - GLOBAL_HEADER)
            return NULL;
        if (number(object, 2) == number(p + 12, 4))
            return size == n ? object + GLOBAL_HEADER : NULL;
    }
    return NULL;
}
