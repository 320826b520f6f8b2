/* table_hdf5.c - columns of numbers with comments, as HDF5. */
#include "table.h"

#include <inttypes.h>
#include <string.h>

#ifdef CLI_HAVE_HDF5

#include <hdf5.h>

bool table_has_hdf5(void)
{
    return true;
}

static bool write_column(hid_t file, const struct column *column, size_t n_rows)
{
    hsize_t n = n_rows;
    hid_t space = H5Screate_simple(1, &n, NULL);
    hid_t set = -1;
    bool done = false;

    if (space >= 0) {
        set = H5Dcreate2(file, column->name, H5T_IEEE_F64LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        done =
            set >= 0 && H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, column->value) >= 0;
    }
    if (set >= 0 && H5Dclose(set) < 0)
        done = false;
    if (space >= 0)
        H5Sclose(space);
    return done;
}

static bool write_attribute(hid_t file, const char *key, const char *value)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute = -1;
    bool done = false;

    if (type >= 0 && space >= 0 && H5Tset_size(type, strlen(value) + 1) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0) {
        attribute = H5Acreate2(file, key, type, space, H5P_DEFAULT, H5P_DEFAULT);
        done = attribute >= 0 && H5Awrite(attribute, type, value) >= 0;
    }
    if (attribute >= 0 && H5Aclose(attribute) < 0)
        done = false;
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    return done;
}

enum { USER_BLOCK = 512 };

/* Begin the user block with length and FNV-1a hash of the rest, without which oqt_trajectory_read does not
 * let HDF5 at a file. */
static bool seal(const char *path)
{
    FILE *file = fopen(path, "r+b");
    uint64_t hash = 0xcbf29ce484222325u, length = 0;
    unsigned char data[1 << 16];
    size_t n;
    bool done;

    if (!file)
        return false;
    fseek(file, USER_BLOCK, SEEK_SET);
    while ((n = fread(data, 1, sizeof data, file)) > 0) {
        length += n;
        for (size_t i = 0; i < n; i++)
            hash = (hash ^ data[i]) * 0x100000001b3u;
    }
    done = !ferror(file);
    rewind(file);
    done = done &&
           fprintf(file, "oqtempo table\n%clength %" PRIu64 " hash %016" PRIx64 "\n", 0, length, hash) > 0;
    return fclose(file) == 0 && done;
}

int table_write_hdf5(const char *path, const struct table *table, const struct facts *comments)
{
    hid_t create, access, file = -1;
    bool done = false;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* the message is ours */
    create = H5Pcreate(H5P_FILE_CREATE);
    access = H5Pcreate(H5P_FILE_ACCESS);
    /* The format of 1.8 has no limit of 64 KiB for attributes, which a long matrix would break. */
    if (create >= 0 && access >= 0 && H5Pset_userblock(create, USER_BLOCK) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST) >= 0)
        file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    if (file >= 0) {
        done = true;
        for (size_t i = 0; i < comments->n && done; i++)
            done = write_attribute(file, comments->key[i], comments->value[i]);
        for (size_t i = 0; i < table->n_columns && done; i++)
            done = write_column(file, &table->column[i], table->n_rows);
        if (H5Fclose(file) < 0)
            done = false;
    }
    if (access >= 0)
        H5Pclose(access);
    if (create >= 0)
        H5Pclose(create);
    done = done && seal(path);
    return done ? CLI_OK : fail(CLI_FILE, "the HDF5 file cannot be written");
}

#else

bool table_has_hdf5(void)
{
    return false;
}

int table_write_hdf5(const char *path, const struct table *table, const struct facts *comments)
{
    (void)table;
    (void)comments;
    return fail_at(CLI_INPUT, path, 0, 0, "this build cannot write HDF5; choose another ending");
}

#endif
