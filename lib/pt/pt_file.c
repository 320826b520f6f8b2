/*
 * pt_file.c - process tensors in HDF5 files.
 *
 * Layout, version 2. A user block of 512 bytes holds a magic text, the length of the rest and its FNV-1a
 * hash, so that a truncated or altered file is refused before HDF5 parses it. Then, in the root group,
 *
 *     one number each  those of oqt_pt_info, by name, and format_version
 *     coupling_values  d
 *     coupling_vectors d x d x 2 (real, imaginary)
 *     tensors          classes x 2 x bond x bond: real and imaginary part for each class of legs; of a finite
 *                      tensor one such array, classes x 2 x left bond x right bond, behind the other
 *     bonds            n_steps + 1 bonds of a finite tensor; absent if one slot serves all steps
 *     slope            n x 2: partial sums of eta outside the tensor; absent if there are none
 *     tail_a, tail_b, tail_c  memory model that continues them; absent if there is none
 *
 * The classes follow from coupling_values. All data sets are contiguous and without filters: they can be
 * mapped into memory, the hash covers them all, and least of HDF5 is at work on a file that may be hostile.
 * The attribute library_version is for people; nothing is read from attributes, since HDF5 1.10 reads beyond
 * its buffers in altered ones.
 */
#include "pt/pt_priv.h"

#include "config.h"

#ifndef OQT_HAVE_HDF5

oqt_status oqt_pt_write(const oqt_pt *pt, const char *path, oqt_error *err)
{
    (void)pt;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot write %s: built without HDF5", path);
}

oqt_status oqt_pt_read(oqt_pt **out, const char *path, oqt_error *err)
{
    (void)out;
    return oqt__fail(err, OQT_EUNSUPPORTED, "cannot read %s: built without HDF5", path);
}

#else

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { USER_BLOCK = 512, FORMAT_VERSION = 2, MAX_DIMENSION = 256, MAX_RANK = 4 };

static const char MAGIC[] = "oqtempo process tensor\n";

/* Debian's HDF5 is not thread-safe, and its error printing is process-wide. */
static pthread_mutex_t hdf5_lock = PTHREAD_MUTEX_INITIALIZER;

struct quiet {
    H5E_auto2_t fn;
    void *data;
};

static void enter_hdf5(struct quiet *q)
{
    pthread_mutex_lock(&hdf5_lock);
    H5Eget_auto2(H5E_DEFAULT, &q->fn, &q->data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static void leave_hdf5(const struct quiet *q)
{
    H5Eset_auto2(H5E_DEFAULT, q->fn, q->data);
    pthread_mutex_unlock(&hdf5_lock);
}

/* ---- images of files ---- */

struct seal {
    char magic[sizeof MAGIC];
    char text[64]; /* "length %llu hash %016llx\n" */
};

/* The seal of an image, from what follows its user block. */
static void make_seal(struct seal *seal, const unsigned char *image, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = USER_BLOCK; i < length; i++)
        hash = (hash ^ image[i]) * 0x100000001b3u;
    memset(seal, 0, sizeof *seal);
    memcpy(seal->magic, MAGIC, sizeof MAGIC);
    snprintf(seal->text, sizeof seal->text, "length %llu hash %016llx\n",
             (unsigned long long)(length - USER_BLOCK), (unsigned long long)hash);
}

static oqt_status read_image(unsigned char **image, size_t *length, const char *path, oqt_error *err)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data = NULL;
    struct seal seal;
    long size;
    oqt_status st = OQT_OK;

    if (!file)
        return oqt__fail(err, OQT_EIO, "cannot open %s: %s", path, strerror(errno));
    if (fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
        st = oqt__fail(err, OQT_EIO, "cannot read %s: %s", path, strerror(errno));
        goto done;
    }
    /* What it is, before memory is taken for all of it. */
    if (fread(&seal, sizeof seal, 1, file) != 1 || memcmp(seal.magic, MAGIC, sizeof MAGIC) != 0 ||
        size <= USER_BLOCK) {
        st = ferror(file) ? oqt__fail(err, OQT_EIO, "cannot read %s: %s", path, strerror(errno))
                          : oqt__fail(err, OQT_EFORMAT, "%s is not a process-tensor file of oqtempo", path);
        goto done;
    }
    data = oqt__calloc((size_t)size, 1);
    if (!data) {
        st = oqt__no_memory(err, "reading a file");
        goto done;
    }
    rewind(file);
    if (fread(data, (size_t)size, 1, file) != 1) {
        st = oqt__fail(err, OQT_EIO, "cannot read %s: %s", path, strerror(errno));
        goto done;
    }
    make_seal(&seal, data, (size_t)size);
    if (memcmp(&seal, data, sizeof seal) != 0) {
        st = oqt__fail(err, OQT_EFORMAT, "%s is truncated or altered: its checksum does not match", path);
        goto done;
    }
    *image = data;
    *length = (size_t)size;
    data = NULL;
done:
    oqt__free(data);
    fclose(file);
    return st;
}

/* Write an image beside its place and rename it there. */
static oqt_status write_image(const char *path, const unsigned char *image, size_t length, oqt_error *err)
{
    enum { ATTEMPTS = 100, SUFFIX = 16 };
    size_t room = strlen(path) + SUFFIX;
    char *aside = oqt__calloc(room, 1);
    int fd = -1;
    FILE *file;
    bool ok;
    oqt_status st = OQT_OK;

    if (!aside)
        return oqt__no_memory(err, "a file name");
    for (int i = 0; fd < 0 && i < ATTEMPTS; i++) {
        snprintf(aside, room, "%s.part%d", path, i);
        fd = open(aside, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (!file) {
        st = oqt__fail(err, OQT_EIO, "cannot write beside %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(aside);
        }
        oqt__free(aside);
        return st;
    }
    ok = fwrite(image, length, 1, file) == 1 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    ok = fclose(file) == 0 && ok;
    if (!ok || rename(aside, path) != 0) {
        st = oqt__fail(err, OQT_EIO, "cannot write %s: %s", path, strerror(errno));
        unlink(aside);
    }
    oqt__free(aside);
    return st;
}

/* ---- numbers by name ---- */

struct number {
    const char *name;
    double value;
};

enum { N_NUMBERS = 18 };

static void numbers_of(struct number out[N_NUMBERS], const oqt_pt *pt)
{
    const oqt_pt_info *i = &pt->info;
    const struct number list[N_NUMBERS] = {
        {"format_version", FORMAT_VERSION},
        {"method", (double)i->method},
        {"dimension", (double)i->dimension},
        {"dt", i->dt},
        {"n_steps", i->n_steps == SIZE_MAX ? -1.0 : (double)i->n_steps},
        {"bond_dimension", (double)i->bond_dimension},
        {"tolerance", i->tolerance},
        {"path_rate", i->path_rate},
        {"n_modes", (double)i->n_modes},
        {"n_squarings", (double)i->n_squarings},
        {"fit_error", i->fit_error},
        {"discarded_weight", i->discarded_weight},
        {"path_error", i->path_error},
        {"path_steps", (double)i->path_steps},
        {"state_limit_hit", (double)i->state_limit_hit},
        {"memory_steps", (double)i->memory_steps},
        {"added_correlation_time", isinf(i->added_correlation_time) ? -1.0 : i->added_correlation_time},
        {"cutoff_error", i->cutoff_error},
    };

    memcpy(out, list, sizeof list);
}

static bool is_count(double x, double limit)
{
    return x >= 0.0 && x <= limit && x == floor(x);
}

static bool numbers_to(oqt_pt_info *i, const struct number n[N_NUMBERS])
{
    static const double MANY = 9007199254740992.0; /* 2^53 */
    static const size_t counts[] = {2, 5, 8, 9, 13, 14, 15};
    static const oqt_pt_method methods[] = {OQT_PT_UNIFORM, OQT_PT_DEPHASING, OQT_PT_TEMPO};
    oqt_pt_method method = OQT_PT_AUTO;

    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
        if (!is_count(n[counts[k]].value, MANY))
            return false;
    for (size_t k = 0; k < sizeof methods / sizeof *methods; k++)
        if (n[1].value == (double)methods[k])
            method = methods[k];
    if (n[0].value != FORMAT_VERSION || method == OQT_PT_AUTO || !(n[2].value >= 1.0) ||
        !(n[2].value <= MAX_DIMENSION) || !(n[3].value > 0.0) || !isfinite(n[3].value) ||
        !(n[4].value == -1.0 || (n[4].value >= 1.0 && is_count(n[4].value, MANY))) || !(n[5].value >= 1.0) ||
        !(n[5].value <= 1e6) || (method == OQT_PT_UNIFORM && n[4].value >= 0.0))
        return false;
    *i = (oqt_pt_info){.method = method,
                       .dimension = (size_t)n[2].value,
                       .dt = n[3].value,
                       .n_steps = n[4].value < 0.0 ? SIZE_MAX : (size_t)n[4].value,
                       .bond_dimension = (size_t)n[5].value,
                       .tolerance = n[6].value,
                       .path_rate = n[7].value,
                       .n_modes = (size_t)n[8].value,
                       .n_squarings = (size_t)n[9].value,
                       .fit_error = n[10].value,
                       .discarded_weight = n[11].value,
                       .path_error = n[12].value,
                       .path_steps = (size_t)n[13].value,
                       .state_limit_hit = n[14].value != 0.0,
                       .memory_steps = (size_t)n[15].value,
                       .added_correlation_time = n[16].value < 0.0 ? INFINITY : n[16].value,
                       .cutoff_error = n[17].value};
    return true;
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

static bool write_array(hid_t file, const char *name, int rank, const size_t *size, const double *data)
{
    hsize_t dims[MAX_RANK];
    hid_t space, plist = H5Pcreate(H5P_DATASET_CREATE), set = -1;
    bool ok = H5Pset_obj_track_times(plist, false) >= 0;

    for (int i = 0; i < rank; i++)
        dims[i] = size[i];
    space = H5Screate_simple(rank, dims, NULL);
    ok = ok && (set = H5Dcreate2(file, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, plist, H5P_DEFAULT)) >= 0 &&
         H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (set >= 0)
        ok = H5Dclose(set) >= 0 && ok;
    H5Sclose(space);
    H5Pclose(plist);
    return ok;
}

/* bonds: those of a finite tensor, else NULL. */
static bool write_tensors(hid_t file, const oqt_pt *pt, const double *bonds)
{
    size_t n = pt->info.n_steps;

    if (!bonds)
        return write_array(file, "tensors", 4, (size_t[]){pt->legs.n_class, 2, pt->chi, pt->chi}, pt->f);
    return write_array(file, "bonds", 1, (size_t[]){n + 1}, bonds) &&
           write_array(file, "tensors", 1, (size_t[]){pt->offset[n]}, pt->f);
}

static bool write_contents(hid_t file, const oqt_pt *pt, const double *bonds)
{
    struct number numbers[N_NUMBERS];
    size_t d = pt->d, n = pt->n_tail;
    bool ok = write_text(file, "library_version", oqt_version());

    numbers_of(numbers, pt);
    for (size_t i = 0; ok && i < N_NUMBERS; i++)
        ok = write_array(file, numbers[i].name, 1, (size_t[]){1}, &numbers[i].value);
    ok = ok && write_array(file, "coupling_values", 1, (size_t[]){d}, pt->o) &&
         write_array(file, "coupling_vectors", 3, (size_t[]){d, d, 2}, &pt->u[0].re) &&
         write_tensors(file, pt, bonds);
    if (ok && pt->n_slope > 0)
        ok = write_array(file, "slope", 2, (size_t[]){pt->n_slope, 2}, &pt->slope[0].re);
    if (ok && n > 0)
        ok = write_array(file, "tail_a", 2, (size_t[]){n, n}, pt->tail_power) &&
             write_array(file, "tail_b", 1, (size_t[]){n}, pt->tail_b) &&
             write_array(file, "tail_c", 1, (size_t[]){n}, pt->tail_c);
    return ok;
}

/* The file as HDF5 makes it in memory, behind room for the user block: no failing disk can leave HDF5 with a
 * half-closed file. */
static oqt_status make_image(unsigned char **image, size_t *length, const oqt_pt *pt, const double *bonds,
                             oqt_error *err)
{
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    unsigned char *data = NULL;
    ssize_t size = -1;
    bool ok = H5Pset_obj_track_times(create, false) >= 0 && H5Pset_fapl_core(access, 1 << 20, false) >= 0 &&
              (file = H5Fcreate("image", H5F_ACC_TRUNC, create, access)) >= 0 &&
              write_contents(file, pt, bonds) && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0 &&
              (size = H5Fget_file_image(file, NULL, 0)) > 0 &&
              (data = oqt__calloc(USER_BLOCK + (size_t)size, 1)) != NULL &&
              H5Fget_file_image(file, data + USER_BLOCK, (size_t)size) == size;

    if (file >= 0)
        H5Fclose(file);
    H5Pclose(access);
    H5Pclose(create);
    if (!ok) {
        bool no_memory = size > 0 && !data;

        oqt__free(data);
        return no_memory ? oqt__no_memory(err, "a file") : oqt__fail(err, OQT_EIO, "HDF5 cannot make a file");
    }
    *image = data;
    *length = USER_BLOCK + (size_t)size;
    return OQT_OK;
}

oqt_status oqt_pt_write(const oqt_pt *pt, const char *path, oqt_error *err)
{
    unsigned char *image = NULL;
    size_t length = 0;
    double *bonds = NULL;
    struct quiet quiet;
    struct seal seal;
    oqt_status st;

    if (pt->bond && (bonds = oqt__doubles(pt->info.n_steps + 1)) == NULL)
        return oqt__no_memory(err, "a file");
    for (size_t k = 0; bonds && k <= pt->info.n_steps; k++)
        bonds[k] = (double)pt->bond[k];
    enter_hdf5(&quiet);
    st = make_image(&image, &length, pt, bonds, err);
    leave_hdf5(&quiet);
    oqt__free(bonds);
    if (st != OQT_OK)
        return st;
    make_seal(&seal, image, length);
    memcpy(image, &seal, sizeof seal);
    st = write_image(path, image, length, err);
    oqt__free(image);
    return st;
}

/* ---- reading ---- */

struct reader {
    hid_t file;
    size_t length; /* of the file, bounds every allocation */
    bool no_memory;
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

/* The array of that name if it has that shape, no more bytes than the file, and finite elements; else NULL.
 * size[0] = 0 takes any number of rows and stores it. */
static double *read_array(struct reader *r, const char *name, int rank, size_t *size)
{
    hsize_t dims[MAX_RANK];
    size_t n = 1;
    hid_t set = H5Dopen2(r->file, name, H5P_DEFAULT), space = -1;
    double *data = NULL;
    bool ok = set >= 0 && is_inside(r->file, name, set) && (space = H5Dget_space(set)) >= 0 &&
              H5Sget_simple_extent_ndims(space) == rank &&
              H5Sget_simple_extent_dims(space, dims, NULL) == rank;

    for (int i = 0; ok && i < rank; i++) {
        if (i == 0 && size[0] == 0)
            size[0] = (size_t)dims[0];
        ok = dims[i] == size[i] && dims[i] > 0 && oqt__mul_size(&n, n, size[i]);
    }
    ok = ok && n <= r->length / sizeof(double);
    if (ok && (data = oqt__doubles(n)) == NULL)
        r->no_memory = true;
    ok = ok && data && H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = isfinite(data[i]);
    if (!ok) {
        oqt__free(data);
        data = NULL;
    }
    if (space >= 0)
        H5Sclose(space);
    if (set >= 0)
        H5Dclose(set);
    return data;
}

static bool read_number(struct reader *r, struct number *n)
{
    double *value = read_array(r, n->name, 1, (size_t[]){1});

    if (!value)
        return false;
    n->value = *value;
    oqt__free(value);
    return true;
}

static bool read_tail(oqt_pt *pt, struct reader *r)
{
    size_t n = 0, nn;
    double *a;

    if (H5Lexists(r->file, "tail_b", H5P_DEFAULT) <= 0)
        return true;
    pt->tail_b = read_array(r, "tail_b", 1, &n);
    pt->tail_c = read_array(r, "tail_c", 1, (size_t[]){n});
    a = read_array(r, "tail_a", 2, (size_t[]){n, n});
    nn = n * n;
    if (pt->tail_b && pt->tail_c && a && n < 1024 &&
        (pt->tail_power = oqt__doubles(OQT__POWERS * nn)) == NULL)
        r->no_memory = true;
    if (pt->tail_power) {
        memcpy(pt->tail_power, a, nn * sizeof *a);
        oqt__pt_fill_powers(pt->tail_power, n);
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

static bool read_sequence(oqt_pt *pt, struct reader *r)
{
    size_t n = pt->info.n_steps, room = r->length / sizeof(double), len = 0, *bond = NULL;
    double *bonds, *f = NULL;
    bool ok;

    if (n < 1 || n >= room)
        return false;
    bonds = read_array(r, "bonds", 1, (size_t[]){n + 1});
    if (!bonds || !are_bonds(bonds, n, pt->chi)) {
        oqt__free(bonds);
        return false;
    }
    bond = oqt__calloc(n + 1, sizeof *bond);
    for (size_t k = 0; bond && k <= n; k++) {
        bond[k] = (size_t)bonds[k];
        /* bonds are at most 1e6 and classes 2^16, so that the product does not overflow */
        len += k > 0 && len <= room ? 2 * pt->legs.n_class * bond[k - 1] * bond[k] : 0;
    }
    oqt__free(bonds);
    /* the array of the file first: it bounds what is allocated for it */
    if (bond && len <= room && (f = read_array(r, "tensors", 1, (size_t[]){len})) != NULL) {
        ok = oqt__pt_set_bonds(pt, bond, NULL) == OQT_OK;
        if (ok)
            memcpy(pt->f, f, len * sizeof *f);
        r->no_memory = r->no_memory || !ok;
    }
    r->no_memory = r->no_memory || !bond;
    oqt__free(bond);
    oqt__free(f);
    return pt->f != NULL;
}

static bool read_contents(oqt_pt *pt, struct reader *r)
{
    struct number numbers[N_NUMBERS];
    size_t d, chi;

    numbers_of(numbers, pt); /* for the names */
    for (size_t i = 0; i < N_NUMBERS; i++)
        if (!read_number(r, &numbers[i]))
            return false;
    if (!numbers_to(&pt->info, numbers))
        return false;
    pt->d = d = pt->info.dimension;
    pt->chi = chi = pt->info.bond_dimension;
    pt->dt = pt->info.dt;
    pt->o = read_array(r, "coupling_values", 1, (size_t[]){d});
    pt->u = (oqt_complex *)read_array(r, "coupling_vectors", 3, (size_t[]){d, d, 2});
    if (!pt->o || !pt->u)
        return false;
    if (oqt__legs_create(&pt->legs, pt->o, d, NULL) != OQT_OK) {
        r->no_memory = true;
        return false;
    }
    for (size_t i = 0; i < d * d; i++)
        pt->rotated = pt->rotated || pt->u[i].re != (i % (d + 1) == 0 ? 1.0 : 0.0) || pt->u[i].im != 0.0;
    if (pt->info.method == OQT_PT_TEMPO) {
        if (!read_sequence(pt, r))
            return false;
    } else {
        pt->f = read_array(r, "tensors", 4, (size_t[]){pt->legs.n_class, 2, chi, chi});
        if (!pt->f)
            return false;
    }
    if (H5Lexists(r->file, "slope", H5P_DEFAULT) > 0) {
        size_t shape[2] = {0, 2};

        pt->slope = (oqt_complex *)read_array(r, "slope", 2, shape);
        if (!pt->slope)
            return false;
        pt->n_slope = shape[0];
    }
    if (pt->info.method == OQT_PT_DEPHASING && pt->n_slope != pt->info.n_steps)
        return false;
    return read_tail(pt, r);
}

oqt_status oqt_pt_read(oqt_pt **out, const char *path, oqt_error *err)
{
    struct reader r = {.file = -1};
    struct quiet quiet;
    oqt__blas_guard guard = {false};
    unsigned char *image = NULL;
    hid_t access;
    oqt_pt *pt;
    bool ok;
    oqt_status st = read_image(&image, &r.length, path, err);

    if (st != OQT_OK)
        return st;
    pt = oqt__calloc(1, sizeof *pt);
    if (!pt) {
        oqt__free(image);
        return oqt__no_memory(err, "a process tensor");
    }
    oqt__blas_enter(&guard); /* always before HDF5, so that no two threads wait for each other */
    enter_hdf5(&quiet);
    access = H5Pcreate(H5P_FILE_ACCESS);
    ok = H5Pset_fapl_core(access, 1 << 20, false) >= 0 &&
         H5Pset_file_image(access, image + USER_BLOCK, r.length - USER_BLOCK) >= 0 &&
         (r.file = H5Fopen("image", H5F_ACC_RDONLY, access)) >= 0 && read_contents(pt, &r);
    if (r.file >= 0)
        H5Fclose(r.file);
    H5Pclose(access);
    leave_hdf5(&quiet);
    oqt__blas_leave(&guard);
    oqt__free(image);
    if (!ok) {
        oqt_pt_destroy(pt);
        if (r.no_memory)
            return oqt__no_memory(err, "a process tensor");
        return oqt__fail(err, OQT_EFORMAT, "%s does not hold a process tensor of format version %d", path,
                         FORMAT_VERSION);
    }
    *out = pt;
    return OQT_OK;
}

#endif
