/*
 * trajectory_hdf5.c - trajectories in HDF5 files, laid out as the tables of the program.
 *
 * A user block of 512 bytes holds the seal: a magic text, the length of the rest and its FNV-1a hash, so that
 * a truncated or altered file is refused before HDF5 parses it. HDF5 1.10 reads beyond its buffers in altered
 * attributes and leaves memory and open objects behind in others, so that files without a seal are refused
 * and no attribute is read. The root group holds t and rho_00_re, rho_00_im .., each n doubles, contiguous.
 */
#include "dynamics/trajectory_priv.h"

#include "config.h"

#include <string.h>

static const char MAGIC[] = "oqtempo table\n", SIGNATURE[] = "\x89HDF\r\n\x1a\n";

static bool begins_with(const oqt__map *map, const char *magic)
{
    size_t n = strlen(magic);

    return map->length >= n && memcmp(map->data, magic, n) == 0;
}

bool oqt__is_hdf5(const oqt__map *map)
{
    return begins_with(map, MAGIC) || begins_with(map, SIGNATURE);
}

#ifndef OQT_HAVE_HDF5

oqt_status oqt__trajectory_to_hdf5(const oqt_trajectory *trajectory, const char *path, oqt_error *err)
{
    (void)trajectory;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot write %s: built without HDF5", path);
}

oqt_status oqt__trajectory_from_hdf5(oqt_trajectory **out, const oqt__map *map, const char *path,
                                     oqt_error *err)
{
    (void)out;
    (void)map;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot read %s: built without HDF5", path);
}

#else

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "pt/hdf5_file.h"

enum { USER_BLOCK = 512 };

/* ---- the seal ---- */

struct seal {
    char magic[sizeof MAGIC];
    char text[64];
};

/* The seal of what stands behind the user block. */
static void make_seal(struct seal *seal, const unsigned char *data, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    memset(seal, 0, sizeof *seal);
    memcpy(seal->magic, MAGIC, sizeof MAGIC);
    snprintf(seal->text, sizeof seal->text, "length %zu hash %016" PRIx64 "\n", length, hash);
}

static oqt_status check_seal(const oqt__map *map, const char *path, oqt_error *err)
{
    struct seal seal;

    if (!begins_with(map, MAGIC))
        return oqt__fail(err, OQT_EFORMAT, "%s is not a table of oqtempo: it has no checksum", path);
    if (map->length > USER_BLOCK) {
        make_seal(&seal, map->data + USER_BLOCK, map->length - USER_BLOCK);
        if (memcmp(&seal, map->data, sizeof seal) == 0)
            return OQT_OK;
    }
    return oqt__fail(err, OQT_EFORMAT, "%s is truncated or altered: its checksum does not match", path);
}

/* ---- writing ---- */

static bool write_column(hid_t file, const char *name, size_t n, const double *data)
{
    hsize_t size = n;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &size, NULL), set = -1;
    bool ok = H5Pset_obj_track_times(plist, false) >= 0 &&
              (set = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT)) >= 0 &&
              H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;

    if (set >= 0)
        ok = H5Dclose(set) >= 0 && ok;
    H5Sclose(space);
    H5Pclose(plist);
    return ok;
}

static bool write_columns(hid_t file, const oqt_trajectory *trajectory, double *column)
{
    size_t n = trajectory->n, n_columns = 2 * trajectory->d * trajectory->d;
    bool ok = write_column(file, "t", n, n > 0 ? trajectory->time : column);
    char name[OQT__COLUMN_NAME];

    for (size_t k = 0; ok && k < n_columns; k++) {
        for (size_t row = 0; row < n; row++)
            column[row] = (&trajectory->state[row * n_columns / 2].re)[k];
        oqt__column_name(name, trajectory->d, k);
        ok = write_column(file, name, n, column);
    }
    return ok;
}

/* Headers, names and their index take less than 1 KB for each data set. */
static bool file_room(size_t *out, const oqt_trajectory *trajectory)
{
    enum { ROOT = 1 << 16, HEADER = 1 << 10 };
    size_t n_columns = 2 * trajectory->d * trajectory->d + 1, room;

    if (!oqt__mul_size(&room, n_columns, trajectory->n * sizeof(double) + HEADER) || room > SIZE_MAX - ROOT)
        return false;
    *out = ROOT + room;
    return true;
}

oqt_status oqt__trajectory_to_hdf5(const oqt_trajectory *trajectory, const char *path, oqt_error *err)
{
    unsigned char block[USER_BLOCK] = {0};
    oqt__hdf5_memory memory = {NULL, 0};
    double *column = oqt__doubles(trajectory->n);
    oqt__hdf5_guard guard;
    struct seal seal;
    hsize_t size = 0;
    hid_t file;
    bool ok = file_room(&memory.size, trajectory);
    oqt_status st;

    if (ok)
        memory.data = oqt__calloc(memory.size, 1);
    if (!memory.data || !column) {
        st = oqt__no_memory(err, "an HDF5 file");
        goto done;
    }
    oqt__hdf5_enter(&guard);
    file = oqt__hdf5_create(&memory, 1);
    ok = file >= 0 && write_columns(file, trajectory, column) && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0 &&
         H5Fget_filesize(file, &size) >= 0;
    if (file >= 0)
        ok = H5Fclose(file) >= 0 && ok;
    oqt__hdf5_leave(&guard);
    if (!ok || size > memory.size) {
        st = oqt__fail(err, OQT_EIO, "HDF5 cannot make a file");
        goto done;
    }
    make_seal(&seal, memory.data, (size_t)size);
    memcpy(block, &seal, sizeof seal);
    st = oqt__write_file(path, (oqt__piece[]){{block, sizeof block}, {memory.data, (size_t)size}}, 2, err);
done:
    oqt__free(column);
    oqt__free(memory.data);
    return st;
}

/* ---- reading ---- */

/* Doubles in one dimension, in this very file: no links or raw data elsewhere. */
static bool is_plain(hid_t file, const char *name, hid_t set, hsize_t *n)
{
    hid_t plist = H5Dget_create_plist(set), type = H5Dget_type(set), space = H5Dget_space(set);
    H5L_info_t link;
    bool ok = plist >= 0 && type >= 0 && space >= 0 && H5Lget_info(file, name, &link, H5P_DEFAULT) >= 0 &&
              link.type == H5L_TYPE_HARD && H5Pget_layout(plist) == H5D_CONTIGUOUS &&
              H5Pget_external_count(plist) == 0 && H5Tequal(type, H5T_IEEE_F64LE) > 0 &&
              H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, n, NULL) == 1;

    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (plist >= 0)
        H5Pclose(plist);
    return ok;
}

/* A column of finite numbers: n of them into data, or n is found if there is no data. */
static bool read_column(hid_t file, const char *name, size_t *n, double *data)
{
    hsize_t size = 0;
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
    bool ok = set >= 0 && is_plain(file, name, set, &size);

    if (ok && !data)
        *n = (size_t)size;
    ok = ok && size == *n &&
         (!data || H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    for (size_t i = 0; ok && data && i < *n; i++)
        ok = isfinite(data[i]);
    if (set >= 0)
        H5Dclose(set);
    return ok;
}

/* d, from the elements of the diagonal that there are, in the style of d <= 10 or that of larger ones; 0 for
 * none. */
static size_t find_dimension(hid_t file)
{
    enum { SHORT = 10 };
    char name[OQT__COLUMN_NAME];
    size_t most = H5Lexists(file, "rho_00_re", H5P_DEFAULT) > 0 ? SHORT : OQT__MAX_TRAJECTORY_DIMENSION, d;

    for (d = 0; d < most; d++) {
        oqt__column_name(name, most, 2 * (d * most + d));
        if (H5Lexists(file, name, H5P_DEFAULT) <= 0)
            break;
    }
    return most == SHORT || d > SHORT ? d : 0;
}

/* All columns; n and d are those of the file, and fit into it. */
static bool read_states(oqt_trajectory *trajectory, hid_t file, double *column)
{
    size_t n = trajectory->n, n_columns = 2 * trajectory->d * trajectory->d;
    bool ok = read_column(file, "t", &n, trajectory->time);
    char name[OQT__COLUMN_NAME];

    for (size_t k = 0; ok && k < n_columns; k++) {
        oqt__column_name(name, trajectory->d, k);
        ok = read_column(file, name, &n, column);
        for (size_t row = 0; ok && row < n; row++)
            (&trajectory->state[row * n_columns / 2].re)[k] = column[row];
    }
    return ok;
}

/* OQT_EFORMAT without a text. */
static oqt_status read_file(oqt_trajectory **out, hid_t file, size_t length)
{
    size_t n = 0, d = find_dimension(file);
    oqt_trajectory *trajectory;
    double *column;
    oqt_status st = OQT_ENOMEM;

    if (d == 0 || !read_column(file, "t", &n, NULL) || n > length / sizeof(double) / (2 * d * d + 1))
        return OQT_EFORMAT;
    trajectory = oqt__trajectory_new(d);
    column = oqt__doubles(n);
    if (trajectory && column && oqt__trajectory_reserve(trajectory, n)) {
        trajectory->n = n;
        st = n == 0 || read_states(trajectory, file, column) ? OQT_OK : OQT_EFORMAT;
    }
    oqt__free(column);
    if (st == OQT_OK) {
        *out = trajectory;
    } else {
        oqt_trajectory_destroy(trajectory);
    }
    return st;
}

oqt_status oqt__trajectory_from_hdf5(oqt_trajectory **out, const oqt__map *map, const char *path,
                                     oqt_error *err)
{
    oqt__hdf5_memory memory;
    oqt__hdf5_guard guard;
    hid_t file;
    oqt_status st = check_seal(map, path, err);

    if (st != OQT_OK)
        return st;
    /* HDF5 takes bytes that may be written to; opened to be read, it leaves them alone. */
    memory = (oqt__hdf5_memory){(unsigned char *)(uintptr_t)map->data + USER_BLOCK, map->length - USER_BLOCK};
    st = OQT_EFORMAT;
    oqt__hdf5_enter(&guard);
    file = oqt__hdf5_open(&memory);
    if (file >= 0) {
        st = read_file(out, file, memory.size);
        H5Fclose(file);
    }
    oqt__hdf5_leave(&guard);
    if (st == OQT_ENOMEM)
        return oqt__no_memory(err, "a trajectory");
    if (st == OQT_EFORMAT)
        return oqt__fail(err, OQT_EFORMAT, "%s does not hold the columns t and rho_00_re .. of a trajectory",
                         path);
    return st;
}

#endif
