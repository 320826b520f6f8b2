/*
 * pt_file.c - process tensors in HDF5 files of our own.
 *
 * Layout, version 3. A user block of 512 bytes holds the seal: a magic text, the version, and length and
 * XXH64 of the two parts of the rest, so that a truncated or altered file is refused before HDF5 parses it.
 * The tensors are the second part, then zeros up to the next multiple of 64 bytes and 64 more. In the root
 * group are
 *
 *     one number each  those of oqt_pt_info, by name, path_growth and growth_error; -1: any number of steps,
 * an infinite time coupling_values  d coupling_vectors d x d x 2 (real, imaginary) tensors          classes x
 * 2 x bond x bond: real and imaginary part for each class of legs; of a finite tensor one such array, classes
 * x 2 x left bond x right bond, behind the other bonds            n_steps + 1 bonds of a finite tensor;
 * absent if one slot serves all steps slope            n x 2: partial sums of eta outside the tensor; absent
 * if there are none tail_a, tail_b, tail_c  memory model that continues them; absent if there is none
 * initial_tensor left bond x d^2 x 2: correlations of the initial state with the bath. No version writes it
 * yet; it is refused.
 *
 * The classes follow from coupling_values. All data sets are little-endian doubles, contiguous and without
 * filters, and least of HDF5 is at work on a file that may be hostile. A tensor is used where it lies in the
 * mapped file and is never copied, so that it may be larger than memory. The attribute library_version is for
 * people; nothing is read from attributes, since HDF5 1.10 reads beyond its buffers in altered ones.
 */
#include "pt/pt_priv.h"

#include "config.h"

#ifndef OQT_HAVE_HDF5

oqt_status oqt_pt_write(const oqt_pt *pt, const char *path, oqt_file_format format, oqt_error *err)
{
    (void)pt;
    (void)format;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot write %s: built without HDF5", path);
}

oqt_status oqt_pt_read(oqt_pt **out, const char *path, oqt_error *err)
{
    (void)out;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot read %s: built without HDF5", path);
}

#else

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "pt/hdf5_file.h"

enum { USER_BLOCK = 512, FORMAT_VERSION = 3, MAX_DIMENSION = 256, MAX_RANK = 4, UNIT = 64 };

static const char MAGIC[] = "oqtempo process tensor\n";

/* ---- the seal ---- */

/* What follows the user block: two parts, whose lengths are multiples of UNIT. */
struct parts {
    uint64_t head, head_hash, tensors, tensors_hash;
};

struct seal {
    char magic[sizeof MAGIC];
    char text[128];
};

static void make_seal(struct seal *seal, const struct parts *p)
{
    memset(seal, 0, sizeof *seal);
    memcpy(seal->magic, MAGIC, sizeof MAGIC);
    snprintf(seal->text, sizeof seal->text,
             "version %d\nhead %" PRIu64 " %016" PRIx64 "\ntensors %" PRIu64 " %016" PRIx64 "\n",
             FORMAT_VERSION, p->head, p->head_hash, p->tensors, p->tensors_hash);
}

static bool has_magic(const oqt__map *map)
{
    return map->length >= sizeof MAGIC && memcmp(map->data, MAGIC, sizeof MAGIC) == 0;
}

/* The parts that the seal names, if they are those of the file and the head has its hash. */
static oqt_status read_seal(struct parts *p, const oqt__map *map, const char *path, oqt_error *err)
{
    struct seal seal, found;
    oqt__hash hash;
    int version = 0;

    if (map->length <= USER_BLOCK)
        return oqt__fail(err, OQT_EFORMAT, "%s is truncated", path);
    memcpy(&found, map->data, sizeof found);
    found.text[sizeof found.text - 1] = '\0';
    if (sscanf(found.text, "version %d", &version) == 1 && version != FORMAT_VERSION)
        return oqt__fail(err, OQT_EFORMAT, "%s has format version %d, expected %d", path, version,
                         FORMAT_VERSION);
    if (sscanf(found.text, "version %*d head %" SCNu64 " %" SCNx64 " tensors %" SCNu64 " %" SCNx64, &p->head,
               &p->head_hash, &p->tensors, &p->tensors_hash) == 4 &&
        p->head > 0 && p->head <= map->length - USER_BLOCK && p->head % UNIT == 0 && p->tensors % UNIT == 0 &&
        p->tensors == map->length - USER_BLOCK - p->head) {
        oqt__hash_init(&hash);
        oqt__hash_add(&hash, map->data + USER_BLOCK, (size_t)p->head);
        make_seal(&seal, p);
        if (memcmp(&seal, map->data, sizeof seal) == 0 && oqt__hash_value(&hash) == p->head_hash)
            return OQT_OK;
    }
    return oqt__fail(err, OQT_EFORMAT, "%s is truncated or altered: its checksum does not match", path);
}

/* ---- numbers by name ---- */

enum kind {
    REAL,
    COUNT,
    FLAG,   /* an int               */
    METHOD, /* an oqt_pt_method     */
    STEPS,  /* -1 means any number  */
    TIME    /* -1 means for ever    */
};

static const struct number {
    const char *name;
    enum kind kind;
    size_t at;
} numbers[] = {
    {"method", METHOD, offsetof(oqt_pt, info.method)},
    {"dimension", COUNT, offsetof(oqt_pt, info.dimension)},
    {"dt", REAL, offsetof(oqt_pt, info.dt)},
    {"n_steps", STEPS, offsetof(oqt_pt, info.n_steps)},
    {"bond_dimension", COUNT, offsetof(oqt_pt, info.bond_dimension)},
    {"general_legs", FLAG, offsetof(oqt_pt, info.general_legs)},
    {"tolerance", REAL, offsetof(oqt_pt, info.tolerance)},
    {"path_rate", REAL, offsetof(oqt_pt, info.path_rate)},
    {"n_modes", COUNT, offsetof(oqt_pt, info.n_modes)},
    {"n_squarings", COUNT, offsetof(oqt_pt, info.n_squarings)},
    {"fit_error", REAL, offsetof(oqt_pt, info.fit_error)},
    {"discarded_weight", REAL, offsetof(oqt_pt, info.discarded_weight)},
    {"path_error", REAL, offsetof(oqt_pt, info.path_error)},
    {"path_steps", COUNT, offsetof(oqt_pt, info.path_steps)},
    {"path_growth", REAL, offsetof(oqt_pt, path_growth)},
    {"growth_error", REAL, offsetof(oqt_pt, growth_error)},
    {"state_limit_hit", FLAG, offsetof(oqt_pt, info.state_limit_hit)},
    {"flops", REAL, offsetof(oqt_pt, info.flops)},
    {"error_estimate", REAL, offsetof(oqt_pt, info.error_estimate)},
    {"accuracy", REAL, offsetof(oqt_pt, info.accuracy)},
    {"n_builds", COUNT, offsetof(oqt_pt, info.n_builds)},
    {"memory_steps", COUNT, offsetof(oqt_pt, info.memory_steps)},
    {"added_correlation_time", TIME, offsetof(oqt_pt, info.added_correlation_time)},
    {"cutoff_error", REAL, offsetof(oqt_pt, info.cutoff_error)},
};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static double get_number(const oqt_pt *pt, const struct number *n)
{
    const void *at = (const char *)pt + n->at;

    switch (n->kind) {
    case COUNT:
        return (double)*(const size_t *)at;
    case STEPS:
        return *(const size_t *)at == SIZE_MAX ? -1.0 : (double)*(const size_t *)at;
    case FLAG:
        return (double)*(const int *)at;
    case METHOD:
        return (double)*(const oqt_pt_method *)at;
    case TIME:
        return isinf(*(const double *)at) ? -1.0 : *(const double *)at;
    default:
        return *(const double *)at;
    }
}

static bool is_count(double x, double limit)
{
    return x >= 0.0 && x <= limit && x == floor(x);
}

/* Whether the number can be one of its kind; it is stored then. */
static bool set_number(oqt_pt *pt, const struct number *n, double x)
{
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_DEPHASING, OQT_PT_TEMPO, OQT_PT_IMPORTED};
    static const double MANY = 9007199254740992.0; /* 2^53 */
    void *at = (char *)pt + n->at;
    bool ok = true;

    switch (n->kind) {
    case COUNT:
    case STEPS:
        ok = is_count(x, MANY) || (n->kind == STEPS && x == -1.0);
        if (ok)
            *(size_t *)at = x < 0.0 ? SIZE_MAX : (size_t)x;
        break;
    case FLAG:
        *(int *)at = x != 0.0;
        break;
    case METHOD:
        ok = false;
        for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
            if (x == (double)methods[k]) {
                *(oqt_pt_method *)at = methods[k];
                ok = true;
            }
        break;
    case TIME:
        *(double *)at = x < 0.0 ? INFINITY : x;
        break;
    default:
        *(double *)at = x;
    }
    return ok;
}

/* Sizes that later products may rely on, and what can be at all. */
static bool is_sane(const oqt_pt_info *i)
{
    return i->dimension >= 1 && i->dimension <= MAX_DIMENSION && i->dt > 0.0 && i->n_steps >= 1 &&
           i->bond_dimension >= 1 && i->bond_dimension <= 1000000 &&
           (i->n_steps != SIZE_MAX || i->method == OQT_PT_UNIFORM) &&
           (!i->general_legs || i->method == OQT_PT_IMPORTED);
}

/* ---- writing ---- */

static bool write_text(hid_t file, const char *name, const char *text)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attr = -1;
    bool ok = H5Tset_size(type, strlen(text)) >= 0 &&
              (attr = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT)) >= 0 &&
              H5Awrite(attr, type, text) >= 0;

    if (attr >= 0)
        H5Aclose(attr);
    H5Sclose(space);
    H5Tclose(type);
    return ok;
}

/* A new data set, for which the file has no room yet. */
static hid_t new_array(hid_t file, const char *name, int rank, const size_t *size)
{
    hsize_t dims[MAX_RANK];
    hid_t space, plist = H5Pcreate(H5P_DATASET_CREATE), set = -1;

    for (int i = 0; i < rank; i++)
        dims[i] = size[i];
    space = H5Screate_simple(rank, dims, NULL);
    if (H5Pset_obj_track_times(plist, false) >= 0 && H5Pset_alloc_time(plist, H5D_ALLOC_TIME_LATE) >= 0 &&
        H5Pset_fill_time(plist, H5D_FILL_TIME_NEVER) >= 0)
        set = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Sclose(space);
    H5Pclose(plist);
    return set;
}

static bool write_array(hid_t file, const char *name, int rank, const size_t *size, const double *data)
{
    hid_t set = new_array(file, name, rank, size);

    return set >= 0 && H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0 &&
           H5Dclose(set) >= 0;
}

/* The data set of all tensors, still without room. */
static hid_t new_tensors(hid_t file, const oqt_pt *pt)
{
    if (!pt->bond)
        return new_array(file, "tensors", 4, (size_t[]){pt->legs.n_class, 2, pt->chi, pt->chi});
    return new_array(file, "tensors", 1, (size_t[]){pt->offset[pt->info.n_steps]});
}

static size_t tensors_length(const oqt_pt *pt)
{
    return pt->bond ? pt->offset[pt->info.n_steps] : oqt__pt_blocks(pt) * pt->chi * pt->chi;
}

/* bonds: those of a finite tensor, else NULL. */
static bool write_arrays(hid_t file, const oqt_pt *pt, const double *bonds)
{
    size_t d = pt->d, n = pt->n_tail;
    bool ok = write_text(file, "library_version", oqt_version());

    for (size_t i = 0; ok && i < N_NUMBERS; i++) {
        double value = get_number(pt, &numbers[i]);

        ok = write_array(file, numbers[i].name, 1, (size_t[]){1}, &value);
    }
    ok = ok && write_array(file, "coupling_values", 1, (size_t[]){d}, pt->o) &&
         write_array(file, "coupling_vectors", 3, (size_t[]){d, d, 2}, &pt->u[0].re) &&
         (!bonds || write_array(file, "bonds", 1, (size_t[]){pt->info.n_steps + 1}, bonds));
    if (ok && pt->n_slope > 0)
        ok = write_array(file, "slope", 2, (size_t[]){pt->n_slope, 2}, &pt->slope[0].re);
    if (ok && n > 0)
        ok = write_array(file, "tail_a", 2, (size_t[]){n, n}, pt->tail_power) &&
             write_array(file, "tail_b", 1, (size_t[]){n}, pt->tail_b) &&
             write_array(file, "tail_c", 1, (size_t[]){n}, pt->tail_c);
    return ok;
}

/* The first element; with it the data set gets its room. */
static bool write_first(hid_t set, const double *data, int rank)
{
    hsize_t start[MAX_RANK] = {0}, count[MAX_RANK] = {1, 1, 1, 1};
    hid_t space = H5Dget_space(set), one = H5Screate(H5S_SCALAR);
    bool ok = H5Sget_simple_extent_ndims(space) == rank &&
              H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
              H5Dwrite(set, H5T_NATIVE_DOUBLE, one, space, H5P_DEFAULT, data) >= 0;

    H5Sclose(one);
    H5Sclose(space);
    return ok;
}

/* Bytes of the head, at most: headers and names of data sets, rounded up, and what is in them. */
static size_t head_room(const oqt_pt *pt)
{
    enum { HEADERS = 1 << 16 };
    size_t n = pt->d + 2 * pt->d * pt->d + 2 * pt->n_slope + pt->n_tail * (pt->n_tail + 2) +
               (pt->bond ? pt->info.n_steps + 1 : 0);

    return HEADERS + n * sizeof(double);
}

/*
 * All of the file but the user block and the tensors. They come last and get their room last, so that the
 * HDF5 file ends with them, and all that HDF5 has to say about them lies before.
 */
static oqt_status make_head(oqt__hdf5_memory *head, const oqt_pt *pt, const double *bonds, oqt_error *err)
{
    size_t bytes = tensors_length(pt) * sizeof(double);
    hsize_t size = 0;
    haddr_t at = HADDR_UNDEF;
    hid_t file = oqt__hdf5_create(head, UNIT), set = -1;
    bool ok = file >= 0 && (set = new_tensors(file, pt)) >= 0 && write_arrays(file, pt, bonds) &&
              write_first(set, pt->f, pt->bond ? 1 : 4) && (at = H5Dget_offset(set)) != HADDR_UNDEF &&
              H5Fget_filesize(file, &size) >= 0;

    if (set >= 0)
        H5Dclose(set);
    if (file >= 0)
        ok = H5Fclose(file) >= 0 && ok;
    if (!ok || size > at + bytes + UNIT || at > head->size || at % UNIT != 0)
        return oqt__fail(err, OQT_EIO, "HDF5 cannot make a file");
    head->size = (size_t)at;
    return OQT_OK;
}

static uint64_t hash_of(const oqt__piece *piece, size_t n)
{
    oqt__hash hash;

    oqt__hash_init(&hash);
    for (size_t i = 0; i < n; i++)
        oqt__hash_add(&hash, piece[i].data, piece[i].length);
    return oqt__hash_value(&hash);
}

static bool is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;

    memcpy(&first, &one, 1);
    return first == 1;
}

/* User block, head, whole units of the tensors, and the rest of them with zeros behind it. */
static oqt_status write_parts(const char *path, const oqt__hdf5_memory *head, const double *f, size_t n,
                              oqt_error *err)
{
    unsigned char block[USER_BLOCK] = {0}, end[2 * UNIT] = {0};
    size_t bytes = n * sizeof *f, rest = bytes % UNIT;
    oqt__piece piece[] = {{block, sizeof block},
                          {head->data, head->size},
                          {f, bytes - rest},
                          {end, rest > 0 ? 2 * UNIT : UNIT}};
    struct parts parts = {.head = head->size, .tensors = piece[2].length + piece[3].length};
    struct seal seal;

    memcpy(end, (const char *)f + (bytes - rest), rest);
    parts.head_hash = hash_of(piece + 1, 1);
    parts.tensors_hash = hash_of(piece + 2, 2);
    make_seal(&seal, &parts);
    memcpy(block, &seal, sizeof seal);
    return oqt__write_file(path, piece, 4, err);
}

static oqt_status write_own(const oqt_pt *pt, const char *path, oqt_error *err)
{
    oqt__hdf5_memory head = {NULL, head_room(pt)};
    size_t n = tensors_length(pt);
    double *bonds = NULL, *swapped = NULL;
    oqt__hdf5_guard guard;
    oqt_status st;

    head.data = oqt__calloc(head.size, 1);
    if (pt->bond)
        bonds = oqt__doubles(pt->info.n_steps + 1);
    if (!is_little_endian())
        swapped = oqt__doubles(n);
    if (!head.data || (pt->bond && !bonds) || (!is_little_endian() && !swapped)) {
        st = oqt__no_memory(err, "a file");
        goto done;
    }
    for (size_t k = 0; bonds && k <= pt->info.n_steps; k++)
        bonds[k] = (double)pt->bond[k];
    for (size_t i = 0; swapped && i < n * sizeof *swapped; i++)
        ((char *)swapped)[i] = ((const char *)pt->f)[i ^ (sizeof *swapped - 1)];
    oqt__hdf5_enter(&guard);
    st = make_head(&head, pt, bonds, err);
    oqt__hdf5_leave(&guard);
    if (st == OQT_OK)
        st = write_parts(path, &head, swapped ? swapped : pt->f, n, err);
done:
    oqt__free(head.data);
    oqt__free(bonds);
    oqt__free(swapped);
    return st;
}

oqt_status oqt_pt_write(const oqt_pt *pt, const char *path, oqt_file_format format, oqt_error *err)
{
    if (format != OQT_FILE_OQTEMPO && format != OQT_FILE_OQUPY)
        return oqt__fail(err, OQT_EINVAL, "unknown format of files %d", (int)format);
    return format == OQT_FILE_OQTEMPO ? write_own(pt, path, err) : oqt__oqupy_write(pt, path, err);
}

/* ---- reading ---- */

struct reader {
    hid_t file;
    const oqt__map *map;
    const struct parts *parts;
    bool no_memory;
    bool initial_tensor;
};

/* Whether a name is that of a data set in this very file: no links or raw data elsewhere. */
static bool is_inside(hid_t file, const char *name, hid_t set)
{
    H5L_info_t link;
    hid_t plist = H5Dget_create_plist(set);
    bool inside = H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD &&
                  H5Pget_layout(plist) == H5D_CONTIGUOUS && H5Pget_external_count(plist) == 0;

    H5Pclose(plist);
    return inside;
}

/* Whether the elements are what this format has; HDF5 would make a buffer for one element of any other size.
 */
static bool has_doubles(hid_t set)
{
    hid_t type = H5Dget_type(set);
    bool ok = type >= 0 && H5Tequal(type, H5T_IEEE_F64LE) > 0;

    if (type >= 0)
        H5Tclose(type);
    return ok;
}

/* The data set of that name if it has that shape and no more bytes than the file, which has `n` elements;
 * else negative. size[0] = 0 takes any number of rows and stores it. */
static hid_t open_array(size_t *n, struct reader *r, const char *name, int rank, size_t *size)
{
    hsize_t dims[MAX_RANK];
    hid_t set = H5Dopen2(r->file, name, H5P_DEFAULT), space = -1;
    bool ok = set >= 0 && is_inside(r->file, name, set) && has_doubles(set) &&
              (space = H5Dget_space(set)) >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
              H5Sget_simple_extent_dims(space, dims, NULL) == rank;

    *n = 1;
    for (int i = 0; ok && i < rank; i++) {
        if (i == 0 && size[0] == 0)
            size[0] = (size_t)dims[0];
        ok = dims[i] == size[i] && dims[i] > 0 && oqt__mul_size(n, *n, size[i]);
    }
    ok = ok && *n <= r->map->length / sizeof(double);
    if (space >= 0)
        H5Sclose(space);
    if (!ok && set >= 0)
        H5Dclose(set);
    return ok ? set : -1;
}

/* Its elements if they are finite; else NULL. */
static double *load_array(struct reader *r, hid_t set, size_t n)
{
    double *data = oqt__doubles(n);
    bool ok;

    if (!data) {
        r->no_memory = true;
        return NULL;
    }
    ok = H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = isfinite(data[i]);
    if (!ok) {
        oqt__free(data);
        data = NULL;
    }
    return data;
}

static double *read_array(struct reader *r, const char *name, int rank, size_t *size)
{
    size_t n;
    hid_t set = open_array(&n, r, name, rank, size);
    double *data = set >= 0 ? load_array(r, set, n) : NULL;

    if (set >= 0)
        H5Dclose(set);
    return data;
}

/* Whether a data set is the part of the tensors, in the numbers of this machine and with zeros behind it. */
static bool can_map(const struct reader *r, hid_t set, size_t n)
{
    return is_little_endian() && H5Dget_offset(set) == r->parts->head && r->parts->tensors >= UNIT &&
           n <= (r->parts->tensors - UNIT) / sizeof(double);
}

/* Tensors stay in the file where they can; whether they are finite is then looked at with their hash. */
static bool read_tensors(oqt_pt *pt, struct reader *r, int rank, size_t *size)
{
    size_t n;
    hid_t set = open_array(&n, r, "tensors", rank, size);

    if (set < 0)
        return false;
    if (can_map(r, set, n)) {
        pt->f = (double *)(uintptr_t)(r->map->data + USER_BLOCK + r->parts->head);
        pt->map = *r->map;
    } else {
        pt->f = load_array(r, set, n);
    }
    H5Dclose(set);
    return pt->f != NULL;
}

static bool read_numbers(oqt_pt *pt, struct reader *r)
{
    for (size_t i = 0; i < N_NUMBERS; i++) {
        double *value = read_array(r, numbers[i].name, 1, (size_t[]){1});
        bool ok = value && set_number(pt, &numbers[i], *value);

        oqt__free(value);
        if (!ok)
            return false;
    }
    return is_sane(&pt->info);
}

/* The powers are left for later. */
static bool read_tail(oqt_pt *pt, struct reader *r)
{
    size_t n = 0;
    double *a;

    if (H5Lexists(r->file, "tail_b", H5P_DEFAULT) <= 0)
        return true;
    pt->tail_b = read_array(r, "tail_b", 1, &n);
    pt->tail_c = read_array(r, "tail_c", 1, (size_t[]){n});
    a = read_array(r, "tail_a", 2, (size_t[]){n, n});
    if (pt->tail_b && pt->tail_c && a && n < 1024 &&
        (pt->tail_power = oqt__doubles(OQT__POWERS * n * n)) == NULL)
        r->no_memory = true;
    if (pt->tail_power) {
        memcpy(pt->tail_power, a, n * n * sizeof *a);
        pt->n_tail = n;
    }
    oqt__free(a);
    return pt->tail_power != NULL;
}

/* Bonds that are counts, 1 at both ends and at most as large as the file says. */
static bool are_bonds(const double *bonds, size_t n, size_t largest)
{
    bool ok = bonds[0] == 1.0 && bonds[n] == 1.0, met = false;

    for (size_t k = 0; ok && k <= n; k++) {
        ok = bonds[k] >= 1.0 && is_count(bonds[k], (double)largest);
        met = met || bonds[k] == (double)largest;
    }
    return ok && met;
}

/* Numbers in all slots, or more than `room`. */
static size_t sequence_length(const oqt_pt *pt, const size_t *bond, size_t room)
{
    size_t sum = 0;

    for (size_t k = 0; k < pt->info.n_steps && sum <= room; k++) {
        size_t len = oqt__pt_blocks(pt);

        if (!oqt__mul_size(&len, len, bond[k]) || !oqt__mul_size(&len, len, bond[k + 1]) || len > room)
            return room + 1;
        sum += len;
    }
    return sum;
}

static bool read_sequence(oqt_pt *pt, struct reader *r)
{
    size_t n = pt->info.n_steps, room = r->map->length / sizeof(double), len = 0, *bond;
    double *bonds;
    bool ok;

    if (n >= room)
        return false;
    bonds = read_array(r, "bonds", 1, (size_t[]){n + 1});
    if (!bonds || !are_bonds(bonds, n, pt->chi)) {
        oqt__free(bonds);
        return false;
    }
    bond = oqt__calloc(n + 1, sizeof *bond);
    for (size_t k = 0; bond && k <= n; k++)
        bond[k] = (size_t)bonds[k];
    oqt__free(bonds);
    ok = bond && (len = sequence_length(pt, bond, room)) <= room;
    r->no_memory = !bond || (ok && oqt__pt_lay_out(pt, bond, NULL) != OQT_OK);
    oqt__free(bond);
    return ok && !r->no_memory && read_tensors(pt, r, 1, (size_t[]){len});
}

static bool read_slope(oqt_pt *pt, struct reader *r)
{
    size_t shape[2] = {0, 2};

    if (H5Lexists(r->file, "slope", H5P_DEFAULT) > 0) {
        pt->slope = (oqt_complex *)read_array(r, "slope", 2, shape);
        if (!pt->slope)
            return false;
        pt->n_slope = shape[0];
    }
    /* a slot for all of so many steps is that of the closed form */
    if (!pt->bond && pt->info.n_steps != SIZE_MAX)
        return pt->info.method == OQT_PT_DEPHASING && pt->n_slope == pt->info.n_steps;
    return !pt->info.general_legs || pt->n_slope == 0;
}

static bool read_contents(oqt_pt *pt, struct reader *r)
{
    size_t d, chi;

    if (!read_numbers(pt, r))
        return false;
    r->initial_tensor = H5Lexists(r->file, "initial_tensor", H5P_DEFAULT) > 0;
    pt->d = d = pt->info.dimension;
    pt->chi = chi = pt->info.bond_dimension;
    pt->dt = pt->info.dt;
    pt->o = read_array(r, "coupling_values", 1, (size_t[]){d});
    pt->u = (oqt_complex *)read_array(r, "coupling_vectors", 3, (size_t[]){d, d, 2});
    if (r->initial_tensor || !pt->o || !pt->u)
        return false;
    if (oqt__legs_create(&pt->legs, pt->o, d, NULL) != OQT_OK) {
        r->no_memory = true;
        return false;
    }
    for (size_t i = 0; i < d * d; i++)
        pt->rotated = pt->rotated || pt->u[i].re != (i % (d + 1) == 0 ? 1.0 : 0.0) || pt->u[i].im != 0.0;
    if (pt->info.general_legs && pt->rotated)
        return false;
    return (H5Lexists(r->file, "bonds", H5P_DEFAULT) > 0
                ? read_sequence(pt, r)
                : read_tensors(pt, r, 4, (size_t[]){pt->legs.n_class, 2, chi, chi})) &&
           read_slope(pt, r) && read_tail(pt, r);
}

/* Look once at the tensors in the file: their hash, and whether the numbers used from there are finite. */
static bool verify_tensors(const oqt_pt *pt, const struct parts *parts, const oqt__map *map, bool *finite)
{
    enum { PIECE = 1 << 17 };
    static const uint64_t EXPONENT = (uint64_t)0x7ff << 52;
    const unsigned char *data = map->data + USER_BLOCK + parts->head;
    size_t left = (size_t)parts->tensors, used = pt->map.data ? tensors_length(pt) * sizeof(double) : 0;
    uint64_t bad = 0;
    oqt__hash hash;

    oqt__hash_init(&hash);
    while (left > 0) {
        size_t n = left < PIECE ? left : PIECE, m = used < n ? used : n;

        oqt__hash_add(&hash, data, n);
        for (size_t i = 0; i < m; i += sizeof(uint64_t)) {
            uint64_t bits;

            memcpy(&bits, data + i, sizeof bits);
            bad |= (uint64_t)((bits & EXPONENT) == EXPONENT);
        }
        data += n;
        left -= n;
        used -= m;
    }
    *finite = bad == 0;
    return oqt__hash_value(&hash) == parts->tensors_hash;
}

static oqt_status no_tensor(const struct reader *r, const char *path, oqt_error *err)
{
    if (r->no_memory)
        return oqt__no_memory(err, "a process tensor");
    if (r->initial_tensor)
        return oqt__fail(err, OQT_EUNSUPPORTED,
                         "%s has an initial tensor, which this version cannot make use of", path);
    return oqt__fail(err, OQT_EFORMAT, "%s does not hold a process tensor of format version %d", path,
                     FORMAT_VERSION);
}

/* Takes the map if the tensor stays in it. */
static oqt_status read_own(oqt_pt **out, oqt__map *map, const char *path, oqt_error *err)
{
    struct parts parts;
    struct reader r = {.file = -1, .map = map, .parts = &parts};
    oqt__hdf5_memory memory;
    oqt__hdf5_guard guard;
    oqt__blas_guard blas = {false};
    bool ok, finite;
    oqt_pt *pt = NULL;
    oqt_status st = read_seal(&parts, map, path, err);

    if (st != OQT_OK)
        return st;
    pt = oqt__calloc(1, sizeof *pt);
    if (!pt)
        return oqt__no_memory(err, "a process tensor");
    memory =
        (oqt__hdf5_memory){(unsigned char *)(uintptr_t)(map->data + USER_BLOCK), map->length - USER_BLOCK};
    oqt__hdf5_enter(&guard);
    ok = (r.file = oqt__hdf5_open(&memory)) >= 0 && read_contents(pt, &r);
    if (r.file >= 0)
        H5Fclose(r.file);
    oqt__hdf5_leave(&guard);
    if (!ok) {
        st = no_tensor(&r, path, err);
    } else if (!verify_tensors(pt, &parts, map, &finite)) {
        st = oqt__fail(err, OQT_EFORMAT, "%s is altered: the checksum of its tensors does not match", path);
    } else if (!finite) {
        st = oqt__fail(err, OQT_EFORMAT, "%s has numbers that are not finite", path);
    } else {
        oqt__blas_enter(&blas);
        if (pt->n_tail > 0)
            oqt__pt_fill_powers(pt->tail_power, pt->n_tail);
        oqt__blas_leave(&blas);
        *out = pt;
        return OQT_OK;
    }
    pt->f = pt->map.data ? NULL : pt->f;
    pt->map = (oqt__map){NULL, 0}; /* stays with the caller */
    oqt_pt_destroy(pt);
    return st;
}

oqt_status oqt_pt_read(oqt_pt **out, const char *path, oqt_error *err)
{
    static const unsigned char HDF5[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    oqt__map map = {NULL, 0};
    oqt_pt *pt = NULL;
    oqt_status st = oqt__map_file(&map, path, err);

    if (st != OQT_OK)
        return st;
    if (has_magic(&map)) {
        st = read_own(&pt, &map, path, err);
    } else if (map.length >= sizeof HDF5 && memcmp(map.data, HDF5, sizeof HDF5) == 0) {
        st = oqt__oqupy_read(&pt, path, err);
    } else {
        st = oqt__fail(err, OQT_EFORMAT, "%s is not a process-tensor file", path);
    }
    if (st == OQT_OK)
        *out = pt;
    if (st != OQT_OK || !pt->map.data)
        oqt__unmap_file(&map);
    return st;
}

#endif
