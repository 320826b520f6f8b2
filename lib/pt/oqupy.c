/*
 * oqupy.c - process tensors in the HDF5 layout of OQuPy 0.5 (FileProcessTensor).
 *
 * Data sets of the root group, complex numbers being pairs r, i of doubles:
 *
 *     hs_dim, dt                     one number each
 *     transform_in, transform_out    d^2 x legs, legs x d^2; one NaN: the identity
 *     initial_tensor_data, _shape    one NaN: none
 *     mpo_tensors_data, _shape       for each step, past x future x legs (x legs)
 *     cap_tensors_data, _shape       for each step and the end, what closes the product there
 *
 * Such files have no checksum. What is read has to fit together: caps follow from tensors, and the whole maps
 * Hermitian to Hermitian matrices. Files from here have the hash of all contents in one more data set, which
 * OQuPy ignores.
 */
#include "pt/oqupy.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "pt/hdf5_file.h"
#include "pt/hdf5_scan.h"
#include "pt/import.h"

/* How far caps may be from those of the tensors, relative to the largest element: OQuPy computes them so. */
static const double CAP_TOLERANCE = 1e-10;

static const char HASH[] = "oqtempo_hash";

/* Numbers that tensors of general legs may become, for each byte of the file and besides: d^4 for an element
 * of bonds, of which a small file with transforms to a few legs could ask for more than there is memory. */
enum { NUMBERS_PER_BYTE = 64, NUMBERS_BESIDES = 1 << 22 };

/* ---- contents and their hash ---- */

struct contents {
    oqt__mpo mpo;
    size_t in, out; /* legs of the transforms */
    oqt_mpo_tensor *tensor;
    oqt_complex *transform_in, *transform_out;
    oqt_complex **data, **cap; /* n_steps, n_steps + 1 */
};

static void release(struct contents *c)
{
    for (size_t k = 0; c->data && k < c->mpo.n_steps; k++)
        oqt__free(c->data[k]);
    for (size_t k = 0; c->cap && k <= c->mpo.n_steps; k++)
        oqt__free(c->cap[k]);
    oqt__free(c->tensor);
    oqt__free(c->transform_in);
    oqt__free(c->transform_out);
    oqt__free(c->data);
    oqt__free(c->cap);
}

static size_t tensor_length(const oqt_mpo_tensor *t)
{
    return t->past * t->future * t->in * (t->out > 0 ? t->out : 1);
}

static size_t cap_length(const struct contents *c, size_t k)
{
    return k == 0 ? 1 : c->tensor[k - 1].future;
}

/* Little-endian words of 64 bits, in units of 32 bytes. */
struct hasher {
    oqt__hash hash;
    unsigned char unit[32];
    size_t filled;
};

static void add_word(struct hasher *h, uint64_t word)
{
    for (size_t i = 0; i < 8; i++)
        h->unit[h->filled++] = (unsigned char)(word >> 8 * i);
    if (h->filled == sizeof h->unit) {
        oqt__hash_add(&h->hash, h->unit, sizeof h->unit);
        h->filled = 0;
    }
}

static void add_double(struct hasher *h, double x)
{
    uint64_t word;

    memcpy(&word, &x, sizeof word);
    add_word(h, word);
}

static void add_array(struct hasher *h, const oqt_complex *z, size_t n)
{
    add_word(h, n);
    for (size_t i = 0; i < n; i++) {
        add_double(h, z[i].re);
        add_double(h, z[i].im);
    }
}

static uint64_t hash_of(const struct contents *c)
{
    size_t d2 = c->mpo.d * c->mpo.d;
    struct hasher h = {.filled = 0};

    oqt__hash_init(&h.hash);
    add_word(&h, c->mpo.d);
    add_word(&h, c->mpo.n_steps);
    add_double(&h, c->mpo.dt);
    add_array(&h, c->transform_in, c->transform_in ? d2 * c->in : 0);
    add_array(&h, c->transform_out, c->transform_out ? d2 * c->out : 0);
    for (size_t k = 0; k < c->mpo.n_steps; k++) {
        const oqt_mpo_tensor *t = c->tensor + k;

        add_word(&h, t->past);
        add_word(&h, t->future);
        add_word(&h, t->in);
        add_word(&h, t->out);
        add_array(&h, c->data[k], tensor_length(t));
    }
    for (size_t k = 0; k <= c->mpo.n_steps; k++)
        add_array(&h, c->cap[k], cap_length(c, k));
    while (h.filled > 0)
        add_word(&h, 0);
    return oqt__hash_value(&h.hash);
}

/* ---- reading ---- */

struct reader {
    const oqt__map *map;
    const char *path;
    size_t room; /* bytes of the file that sequences have not used yet */
    oqt_error *err;
};

static oqt_status damaged(struct reader *r, const char *what)
{
    return oqt__fail(r->err, OQT_EFORMAT, "%s is no process tensor of OQuPy, or damaged: %s", r->path, what);
}

/* n complex numbers from their bytes. */
static oqt_status copy_complex(oqt_complex **out, const unsigned char *p, size_t n, struct reader *r)
{
    oqt_complex *z = oqt__calloc(n, sizeof *z);

    if (!z)
        return oqt__no_memory(r->err, "a process tensor");
    for (size_t i = 0; i < n; i++)
        z[i] = (oqt_complex){oqt__scan_double(p + 16 * i), oqt__scan_double(p + 16 * i + 8)};
    *out = z;
    return OQT_OK;
}

/* What OQuPy writes for None. */
static bool is_none(const unsigned char *p, size_t n)
{
    return n == 1 && isnan(oqt__scan_double(p));
}

static oqt_status read_numbers(struct contents *c, struct reader *r)
{
    oqt__scan_set dimension, dt;
    const unsigned char *d, *t;

    if (!oqt__scan_open(&dimension, r->map, "hs_dim", OQT__SCAN_INT) || dimension.rank != 1 ||
        dimension.n != 1 || !(d = oqt__scan_element(&dimension, 0)) || oqt__scan_int(d) < 1 ||
        oqt__scan_int(d) > 256)
        return damaged(r, "hs_dim");
    if (!oqt__scan_open(&dt, r->map, "dt", OQT__SCAN_DOUBLE) || dt.rank != 1 || dt.n != 1 ||
        !(t = oqt__scan_element(&dt, 0)))
        return damaged(r, "dt");
    c->mpo.d = (size_t)oqt__scan_int(d);
    c->mpo.dt = oqt__scan_double(t);
    if (isnan(c->mpo.dt))
        return oqt__fail(r->err, OQT_EFORMAT, "%s has no time step", r->path);
    return OQT_OK;
}

/* A transform of which one side is d^2; *out stays NULL for the identity. */
static oqt_status read_transform(oqt_complex **out, size_t *legs, const char *name, bool in, size_t d,
                                 struct reader *r)
{
    oqt__scan_set set;
    const unsigned char *p;

    if (!oqt__scan_open(&set, r->map, name, OQT__SCAN_COMPLEX) || set.chunked || set.n == 0 ||
        !(p = oqt__scan_element(&set, 0)))
        return damaged(r, name);
    if (set.rank == 1)
        return is_none(p, set.n) ? OQT_OK : damaged(r, name);
    *legs = set.size[in ? 1 : 0];
    if (set.size[in ? 0 : 1] != d * d)
        return damaged(r, name);
    return copy_complex(out, p, set.n, r);
}

/* Data sets of sequences: what is in them, and shapes. */
struct pair {
    oqt__scan_set data, shape;
};

static bool open_pair(struct pair *p, const oqt__map *map, const char *data, const char *shape)
{
    return oqt__scan_open(&p->data, map, data, OQT__SCAN_COMPLEXES) && p->data.rank == 1 &&
           oqt__scan_open(&p->shape, map, shape, OQT__SCAN_INTS) && p->shape.rank == 1 &&
           p->data.n == p->shape.n;
}

/* Sequence i, of as many numbers as its shape says, all of them bytes that no other sequence had. */
static const unsigned char *next_array(size_t size[4], size_t *rank, size_t *n, const struct pair *p,
                                       size_t i, struct reader *r)
{
    const unsigned char *data = oqt__scan_sequence(n, &p->data, i);
    const unsigned char *shape = oqt__scan_sequence(rank, &p->shape, i);
    size_t total = 1;

    if (!data || !shape || *rank > 4 || *n > r->room / 16)
        return NULL;
    for (size_t k = 0; k < *rank; k++) {
        int32_t x = oqt__scan_int(shape + 4 * k);

        if (x < 1 || total > *n / (size_t)x)
            return NULL;
        size[k] = (size_t)x;
        total *= size[k];
    }
    r->room -= *n * 16;
    return total == *n ? data : NULL;
}

static oqt_status read_initial(struct reader *r)
{
    struct pair p;
    size_t size[4], rank = 0, n = 0;
    const unsigned char *data;

    if (!open_pair(&p, r->map, "initial_tensor_data", "initial_tensor_shape") || p.data.n != 1 ||
        !(data = next_array(size, &rank, &n, &p, 0, r)))
        return damaged(r, "initial_tensor");
    if (is_none(data, n))
        return OQT_OK;
    if (n == 1)
        return damaged(r, "initial_tensor");
    return oqt__fail(r->err, OQT_EUNSUPPORTED, "%s has an initial tensor, which is not supported", r->path);
}

static oqt_status read_tensors(struct contents *c, struct reader *r)
{
    struct pair p;
    size_t n_steps;
    oqt_status st = OQT_OK;

    if (!open_pair(&p, r->map, "mpo_tensors_data", "mpo_tensors_shape") || p.data.n == 0)
        return damaged(r, "mpo_tensors");
    c->mpo.n_steps = n_steps = p.data.n;
    c->tensor = oqt__calloc(n_steps, sizeof *c->tensor);
    c->data = oqt__calloc(n_steps, sizeof *c->data);
    if (!c->tensor || !c->data)
        return oqt__no_memory(r->err, "a process tensor");
    for (size_t k = 0; k < n_steps && st == OQT_OK; k++) {
        size_t size[4], rank = 0, n = 0;
        const unsigned char *data = next_array(size, &rank, &n, &p, k, r);

        if (data && is_none(data, n))
            return oqt__fail(r->err, OQT_EFORMAT, "%s has no tensor for step %zu", r->path, k);
        if (!data || rank < 3)
            return damaged(r, "mpo_tensors");
        if ((st = copy_complex(&c->data[k], data, n, r)) == OQT_OK)
            c->tensor[k] = (oqt_mpo_tensor){size[0], size[1], size[2], rank == 4 ? size[3] : 0, c->data[k]};
    }
    return st;
}

/* Without any caps, those of the tensors. */
static oqt_status read_caps(struct contents *c, struct reader *r)
{
    struct pair p;
    size_t n = c->mpo.n_steps;
    oqt_status st = OQT_OK;

    if (!open_pair(&p, r->map, "cap_tensors_data", "cap_tensors_shape") ||
        (p.data.n != 0 && p.data.n != n + 1))
        return damaged(r, "cap_tensors");
    if (p.data.n == 0)
        return OQT_OK;
    c->cap = oqt__calloc(n + 1, sizeof *c->cap);
    if (!c->cap)
        return oqt__no_memory(r->err, "a process tensor");
    for (size_t k = 0; k <= n && st == OQT_OK; k++) {
        size_t size[4], rank = 0, len = 0;
        const unsigned char *data = next_array(size, &rank, &len, &p, k, r);

        if (!data || rank != 1 || len != cap_length(c, k))
            return damaged(r, "cap_tensors");
        st = copy_complex(&c->cap[k], data, len, r);
    }
    c->mpo.cap = (const oqt_complex *const *)c->cap;
    return st;
}

static oqt_status check_cap(const struct contents *c, size_t k, struct reader *r)
{
    size_t n = cap_length(c, k);
    oqt_complex *own = oqt__calloc(n, sizeof *own);
    double largest = 0.0, difference = 0.0;
    oqt_status st = own ? oqt__mpo_cap(own, &c->mpo, k, c->cap[k + 1], r->err)
                        : oqt__no_memory(r->err, "a process tensor");

    for (size_t i = 0; st == OQT_OK && i < n; i++) {
        largest = fmax(largest, hypot(c->cap[k][i].re, c->cap[k][i].im));
        difference = fmax(difference, hypot(c->cap[k][i].re - own[i].re, c->cap[k][i].im - own[i].im));
    }
    oqt__free(own);
    if (st == OQT_OK && !(difference <= CAP_TOLERANCE * largest))
        st = damaged(r, "caps do not belong to the tensors");
    return st;
}

/* Caps of truncated tensors that were imported before agree in the states that matter only: where there is a
 * hash, it says more. */
static oqt_status check_caps(const struct contents *c, struct reader *r)
{
    oqt_status st = OQT_OK;

    for (size_t k = 0; k < c->mpo.n_steps && c->cap && st == OQT_OK; k++)
        st = check_cap(c, k, r);
    return st;
}

static oqt_status check_hash(const struct contents *c, struct reader *r)
{
    oqt__scan_set set;
    uint64_t hash = 0;

    if (!c->cap || !oqt__scan_open(&set, r->map, HASH, OQT__SCAN_INT) || set.rank != 1 || set.n != 2)
        return damaged(r, HASH);
    for (size_t i = 0; i < 2; i++) {
        const unsigned char *p = oqt__scan_element(&set, i);

        if (!p)
            return damaged(r, HASH);
        hash = hash << 32 | (uint32_t)oqt__scan_int(p);
    }
    return hash == hash_of(c) ? OQT_OK : damaged(r, "its checksum does not match");
}

static oqt_status read_contents(struct contents *c, struct reader *r)
{
    oqt_status st;

    if ((st = read_numbers(c, r)) != OQT_OK ||
        (st = read_transform(&c->transform_in, &c->in, "transform_in", true, c->mpo.d, r)) != OQT_OK ||
        (st = read_transform(&c->transform_out, &c->out, "transform_out", false, c->mpo.d, r)) != OQT_OK ||
        (st = read_initial(r)) != OQT_OK || (st = read_tensors(c, r)) != OQT_OK ||
        (st = read_caps(c, r)) != OQT_OK)
        return st;
    c->mpo.tensor = c->tensor;
    c->mpo.in = c->transform_in;
    c->mpo.out = c->transform_out;
    c->mpo.room = r->map->length < SIZE_MAX / (2 * NUMBERS_PER_BYTE)
                      ? NUMBERS_PER_BYTE * r->map->length + NUMBERS_BESIDES
                      : 0;
    if ((c->transform_in && c->in != c->tensor[0].in) ||
        (c->transform_out && c->out != (c->tensor[0].out > 0 ? c->tensor[0].out : c->tensor[0].in)))
        return damaged(r, "transforms do not fit the tensors");
    if ((st = oqt__mpo_check(&c->mpo, r->err)) != OQT_OK)
        return st;
    return oqt__scan_has(r->map, HASH) ? check_hash(c, r) : check_caps(c, r);
}

oqt_status oqt__oqupy_parse(oqt_pt **out, const oqt__map *map, const char *path, oqt_error *err)
{
    struct contents c = {.in = 0};
    struct reader r = {map, path, map->length, err};
    oqt_error why;
    oqt_status st = read_contents(&c, &r);

    if (st == OQT_OK && (st = oqt__pt_import(out, &c.mpo, &why)) != OQT_OK)
        oqt__fail(err, st, "%s", why.text);
    if (st == OQT_EINVAL || st == OQT_ERANGE) {
        if (err)
            why = *err;
        st = oqt__fail(err, OQT_EFORMAT, "%s: %.160s", path, err ? why.text : "");
    }
    release(&c);
    return st;
}

oqt_status oqt__oqupy_read(oqt_pt **out, const char *path, oqt_error *err)
{
    oqt__map map = {NULL, 0};
    oqt_status st = oqt__map_file(&map, path, err);

    if (st == OQT_OK)
        st = oqt__oqupy_parse(out, &map, path, err);
    oqt__unmap_file(&map);
    return st;
}

/* ---- what is written ---- */

/* rho -> u^+ rho u, and back. */
static void fill_transforms(struct contents *c, const oqt_pt *pt)
{
    size_t d = pt->d, d2 = d * d;

    for (size_t a = 0; a < d2; a++)
        for (size_t p = 0; p < d2; p++) {
            oqt_complex z = oqt__mul(oqt__conj(pt->u[a / d * d + p / d]), pt->u[a % d * d + p % d]);

            c->transform_in[a * d2 + p] = z;
            c->transform_out[p * d2 + a] = oqt__conj(z);
        }
}

static oqt_status fill_tensor(struct contents *c, const oqt_pt *pt, size_t k, oqt_error *err)
{
    oqt__slot slot = oqt__pt_slot(pt, k);
    size_t d2 = pt->d * pt->d, len = slot.left * slot.right;
    oqt_complex *z = oqt__calloc(len * (pt->info.general_legs ? d2 * d2 : d2), sizeof *z);

    if (!z)
        return oqt__no_memory(err, "a file");
    c->data[k] = z;
    c->tensor[k] = (oqt_mpo_tensor){slot.left, slot.right, d2, pt->info.general_legs ? d2 : 0, z};
    if (pt->info.general_legs)
        return oqt_pt_tensor(z, pt, k, err);
    for (size_t b = 0; b < len; b++)
        for (size_t a = 0; a < d2; a++)
            z[b * d2 + a] = (oqt_complex){oqt__slot_real(&slot, pt->legs.cls[a])[b],
                                          pt->legs.sign[a] * oqt__slot_imag(&slot, pt->legs.cls[a])[b]};
    return OQT_OK;
}

/* Caps are e_0; the first is what the tensor behind it makes of that, for truncated tensors not quite 1. */
static oqt_status fill_contents(struct contents *c, const oqt_pt *pt, oqt_error *err)
{
    size_t n = pt->info.n_steps, d2 = pt->d * pt->d;
    oqt_status st = OQT_OK;

    c->mpo = (oqt__mpo){.d = pt->d, .n_steps = n, .dt = pt->dt};
    c->in = c->out = d2;
    c->tensor = oqt__calloc(n, sizeof *c->tensor);
    c->data = oqt__calloc(n, sizeof *c->data);
    c->cap = oqt__calloc(n + 1, sizeof *c->cap);
    if (pt->rotated) {
        c->transform_in = oqt__calloc(d2 * d2, sizeof *c->transform_in);
        c->transform_out = oqt__calloc(d2 * d2, sizeof *c->transform_out);
    }
    if (!c->tensor || !c->data || !c->cap || (pt->rotated && (!c->transform_in || !c->transform_out)))
        return oqt__no_memory(err, "a file");
    if (pt->rotated)
        fill_transforms(c, pt);
    c->mpo.tensor = c->tensor;
    c->mpo.in = c->transform_in;
    c->mpo.out = c->transform_out;
    for (size_t k = 0; k < n && st == OQT_OK; k++)
        st = fill_tensor(c, pt, k, err);
    for (size_t k = 0; k <= n && st == OQT_OK; k++) {
        c->cap[k] = oqt__calloc(cap_length(c, k), sizeof **c->cap);
        if (c->cap[k])
            c->cap[k][0].re = 1.0;
        else
            st = oqt__no_memory(err, "a file");
    }
    return st == OQT_OK ? oqt__mpo_cap(c->cap[0], &c->mpo, 0, c->cap[1], err) : st;
}

/* ---- writing ---- */

/* Types of elements, in memory and in the file; negative where HDF5 failed. */
struct types {
    hid_t text, flag, pair, ints, pairs;
};

static struct types make_types(void)
{
    struct types t;
    signed char value = 0;

    t.text = H5Tcopy(H5T_C_S1);
    H5Tset_size(t.text, H5T_VARIABLE);
    H5Tset_cset(t.text, H5T_CSET_UTF8);
    t.flag = H5Tenum_create(H5T_STD_I8LE);
    H5Tenum_insert(t.flag, "FALSE", &value);
    value = 1;
    H5Tenum_insert(t.flag, "TRUE", &value);
    t.pair = H5Tcreate(H5T_COMPOUND, sizeof(oqt_complex));
    H5Tinsert(t.pair, "r", offsetof(oqt_complex, re), H5T_NATIVE_DOUBLE);
    H5Tinsert(t.pair, "i", offsetof(oqt_complex, im), H5T_NATIVE_DOUBLE);
    t.ints = H5Tvlen_create(H5T_NATIVE_INT32);
    t.pairs = H5Tvlen_create(t.pair);
    return t;
}

static void close_types(const struct types *t)
{
    H5Tclose(t->text);
    H5Tclose(t->flag);
    H5Tclose(t->pair);
    H5Tclose(t->ints);
    H5Tclose(t->pairs);
}

static bool write_attribute(hid_t file, const char *name, hid_t type, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR), attr = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = attr >= 0 && H5Awrite(attr, type, value) >= 0;

    if (attr >= 0)
        H5Aclose(attr);
    H5Sclose(space);
    return ok;
}

/* In chunks without a limit if `grows`, as h5py writes them. */
static bool write_set(hid_t file, const char *name, hid_t type, int rank, const size_t *size, bool grows,
                      const void *data)
{
    hsize_t dims[2], limit = H5S_UNLIMITED, chunk = 1024;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space, set = -1;
    bool ok = H5Pset_obj_track_times(plist, false) >= 0 && (!grows || H5Pset_chunk(plist, 1, &chunk) >= 0);

    for (int i = 0; i < rank; i++)
        dims[i] = size[i];
    space = H5Screate_simple(rank, dims, grows ? &limit : NULL);
    ok = ok && (set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT)) >= 0 &&
         H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0;
    if (set >= 0)
        ok = H5Dclose(set) >= 0 && ok;
    H5Sclose(space);
    H5Pclose(plist);
    return ok;
}

static bool write_transform(hid_t file, const struct types *t, const char *name, const oqt_complex *z,
                            size_t n)
{
    static const oqt_complex none = {NAN, 0.0};

    return z ? write_set(file, name, t->pair, 2, (size_t[]){n, n}, false, z)
             : write_set(file, name, t->pair, 1, (size_t[]){1}, false, &none);
}

/* What the data sets of sequences hold; their memory is that of the contents, and numbers. */
struct sequences {
    size_t n; /* steps */
    hvl_t *tensor, *tensor_shape, *cap, *cap_shape;
    int32_t *number; /* 4 for each tensor, 1 for each cap */
};

static void sequences_release(struct sequences *s)
{
    oqt__free(s->tensor);
    oqt__free(s->tensor_shape);
    oqt__free(s->cap);
    oqt__free(s->cap_shape);
    oqt__free(s->number);
}

static oqt_status make_sequences(struct sequences *s, const struct contents *c, oqt_error *err)
{
    size_t n = s->n = c->mpo.n_steps;

    s->tensor = oqt__calloc(n, sizeof *s->tensor);
    s->tensor_shape = oqt__calloc(n, sizeof *s->tensor_shape);
    s->cap = oqt__calloc(n + 1, sizeof *s->cap);
    s->cap_shape = oqt__calloc(n + 1, sizeof *s->cap_shape);
    s->number = oqt__calloc(5 * n + 1, sizeof *s->number);
    if (!s->tensor || !s->tensor_shape || !s->cap || !s->cap_shape || !s->number)
        return oqt__no_memory(err, "a file");
    for (size_t k = 0; k < n; k++) {
        const oqt_mpo_tensor *t = c->tensor + k;
        int32_t *shape = s->number + 4 * k;

        shape[0] = (int32_t)t->past; /* bonds are below 2^31, since LAPACK's integers hold them */
        shape[1] = (int32_t)t->future;
        shape[2] = (int32_t)t->in;
        shape[3] = (int32_t)t->out;
        s->tensor[k] = (hvl_t){tensor_length(t), c->data[k]};
        s->tensor_shape[k] = (hvl_t){t->out > 0 ? 4 : 3, shape};
    }
    for (size_t k = 0; k <= n; k++) {
        int32_t *shape = s->number + 4 * n + k;

        *shape = (int32_t)cap_length(c, k);
        s->cap[k] = (hvl_t){cap_length(c, k), c->cap[k]};
        s->cap_shape[k] = (hvl_t){1, shape};
    }
    return OQT_OK;
}

static bool write_sequences(hid_t file, const struct types *t, const struct sequences *s)
{
    oqt_complex none = {NAN, 0.0};
    int32_t one = 1;
    hvl_t data = {1, &none}, shape = {1, &one};
    size_t unit[] = {1}, steps[] = {s->n}, times[] = {s->n + 1};

    return write_set(file, "initial_tensor_data", t->pairs, 1, unit, false, &data) &&
           write_set(file, "initial_tensor_shape", t->ints, 1, unit, false, &shape) &&
           write_set(file, "mpo_tensors_data", t->pairs, 1, steps, true, s->tensor) &&
           write_set(file, "mpo_tensors_shape", t->ints, 1, steps, true, s->tensor_shape) &&
           write_set(file, "cap_tensors_data", t->pairs, 1, times, true, s->cap) &&
           write_set(file, "cap_tensors_shape", t->ints, 1, times, true, s->cap_shape);
}

static bool write_all(hid_t file, const struct contents *c, const struct sequences *s)
{
    const char *version = "0.5.0", *name = "__unnamed__", *description = "__no_description__";
    const signed char writing = 0;
    int32_t d = (int32_t)c->mpo.d, hash[2];
    uint64_t value = hash_of(c);
    size_t unit[] = {1}, d2 = c->mpo.d * c->mpo.d;
    struct types t = make_types();
    uint32_t half[2] = {(uint32_t)(value >> 32), (uint32_t)value};
    bool ok;

    memcpy(hash, half, sizeof hash);
    ok = write_attribute(file, "oqupy_version", t.text, &version) &&
         write_attribute(file, "name", t.text, &name) &&
         write_attribute(file, "description", t.text, &description) &&
         write_attribute(file, "writing", t.flag, &writing) &&
         write_set(file, "hs_dim", H5T_NATIVE_INT32, 1, unit, false, &d) &&
         write_set(file, "dt", H5T_NATIVE_DOUBLE, 1, unit, false, &c->mpo.dt) &&
         write_transform(file, &t, "transform_in", c->transform_in, d2) &&
         write_transform(file, &t, "transform_out", c->transform_out, d2) && write_sequences(file, &t, s) &&
         write_set(file, HASH, H5T_NATIVE_INT32, 1, (size_t[]){2}, false, hash);
    close_types(&t);
    return ok;
}

/* Bytes of a sequence in a heap, at most: small ones fill half of a heap at least, large ones have their own.
 */
static size_t sequence_room(size_t bytes)
{
    enum { SMALL = 2048, HEAP = 4096 };

    return bytes < SMALL ? 2 * (bytes + 32) : bytes + HEAP + 128;
}

static size_t file_room(const struct contents *c)
{
    enum { HEADERS = 1 << 17, CHUNK = 16384 + 64, TREE = 4096 };
    size_t n = c->mpo.n_steps, d2 = c->mpo.d * c->mpo.d, room = HEADERS + 2 * 16 * d2 * d2;

    for (size_t k = 0; k < n; k++)
        room += sequence_room(16 * tensor_length(c->tensor + k)) + 2 * sequence_room(16);
    for (size_t k = 0; k <= n; k++)
        room += sequence_room(16 * cap_length(c, k));
    return room + (n / 1024 + 2) * 4 * CHUNK + (n / 16384 + 2) * 4 * TREE;
}

static oqt_status make_file(oqt__hdf5_memory *memory, size_t *length, const struct contents *c,
                            const struct sequences *s, oqt_error *err)
{
    hid_t file = oqt__hdf5_create(memory, 1);
    hsize_t size = 0;
    bool ok = file >= 0 && write_all(file, c, s) && H5Fflush(file, H5F_SCOPE_LOCAL) >= 0 &&
              H5Fget_filesize(file, &size) >= 0;

    if (file >= 0)
        ok = H5Fclose(file) >= 0 && ok;
    if (!ok || size > memory->size)
        return oqt__fail(err, OQT_EIO, "HDF5 cannot make a file");
    *length = (size_t)size;
    return OQT_OK;
}

static oqt_status write_finite(const oqt_pt *pt, const char *path, oqt_error *err)
{
    struct contents c = {.in = 0};
    struct sequences s = {.n = 0};
    oqt__hdf5_memory memory = {NULL, 0};
    oqt__hdf5_guard guard;
    oqt__piece piece = {NULL, 0};
    oqt_status st;

    if ((st = fill_contents(&c, pt, err)) != OQT_OK || (st = make_sequences(&s, &c, err)) != OQT_OK)
        goto done;
    memory.size = file_room(&c);
    memory.data = oqt__calloc(memory.size, 1);
    if (!memory.data) {
        st = oqt__no_memory(err, "a file");
        goto done;
    }
    oqt__hdf5_enter(&guard);
    st = make_file(&memory, &piece.length, &c, &s, err);
    oqt__hdf5_leave(&guard);
    piece.data = memory.data;
    if (st == OQT_OK)
        st = oqt__write_file(path, &piece, 1, err);
done:
    oqt__free(memory.data);
    sequences_release(&s);
    release(&c);
    return st;
}

oqt_status oqt__oqupy_write(const oqt_pt *pt, const char *path, oqt_error *err)
{
    oqt_pt *finite = NULL;
    oqt_status st;

    if (pt->info.method == OQT_PT_DEPHASING)
        return oqt__fail(err, OQT_EUNSUPPORTED,
                         "the closed form holds for commuting systems only, which files of OQuPy cannot say");
    if (pt->info.n_steps == SIZE_MAX)
        return oqt__fail(err, OQT_EINVAL,
                         "process tensors in files of OQuPy have a number of steps: unroll it");
    if (pt->bond && !oqt__pt_has_factors(pt))
        return write_finite(pt, path, err);
    if ((st = oqt_pt_unroll(&finite, pt, pt->info.n_steps, err)) == OQT_OK)
        st = write_finite(finite, path, err);
    oqt_pt_destroy(finite);
    return st;
}
