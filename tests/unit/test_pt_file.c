/* test_pt_file.c - process tensors in files: exactness, damage, hostile contents, memory. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "pt/pt_priv.h"

static const oqt_complex occupation[4] = {{0, 0}, {0, 0}, {0, 0}, {1, 0}}; /* diag(0, 1): a shift of 1/2 */
static const oqt_complex slanted[4] = {{0.9, 0}, {0.2, -0.3}, {0.2, 0.3}, {-0.4, 0}};
static const double dt = 0.0731;

/* ---- tensors ---- */

static oqt_pt *new_pt(size_t d, const oqt_complex *coupling, const oqt_pt_options *opt)
{
    oqt_bath *bath = NULL;
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_bath_create_power_law(&bath, 0.137, 1.0, 2.385, OQT_CUTOFF_EXPONENTIAL, 0.31, &err), err);
    ASSERT_OK(oqt_pt_create(&pt, bath, d, coupling, dt, opt, &err), err);
    oqt_bath_destroy(bath);
    return pt;
}

/* A shifted coupling in a rotated basis, so that every part of the format is in use. */
static oqt_pt *uniform_pt(double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.tolerance = tolerance;
    opt.n_steps = 60;
    return new_pt(2, slanted, &opt);
}

static oqt_pt *finite_pt(double tolerance)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.method = OQT_PT_TEMPO;
    opt.tolerance = tolerance;
    opt.n_steps = 12;
    opt.memory_steps = 5;
    opt.added_correlation_time = INFINITY;
    return new_pt(2, slanted, &opt);
}

static oqt_pt *dephasing_pt(void)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;

    opt.method = OQT_PT_DEPHASING;
    opt.n_steps = 37;
    return new_pt(2, occupation, &opt);
}

static oqt_pt *accurate_qutrit_pt(void)
{
    oqt_pt_options opt = OQT_PT_OPTIONS_INIT;
    oqt_complex coupling[9] = {{0}};

    coupling[0].re = 1.0;
    coupling[4].re = 0.13;
    coupling[8].re = -1.0;
    opt.accuracy = 3e-2;
    return new_pt(3, coupling, &opt);
}

static oqt_pt *trivial_pt(void)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_create_trivial(&pt, 3, dt, &err), err);
    return pt;
}

/* A finite tensor given as arrays, in the eigenbasis of its coupling: with a delta between the legs, or
 * without, so that its legs are general. */
static oqt_pt *imported_pt(bool general)
{
    enum { N = 12, LEGS = 4 };
    oqt_mpo_tensor mpo[N];
    oqt_pt *pt = finite_pt(1e-3), *out = NULL;
    oqt_error err = {0};

    for (size_t k = 0; k < N; k++) {
        size_t n = pt->bond[k] * pt->bond[k + 1];
        oqt_complex *all = malloc(n * LEGS * LEGS * sizeof *all);

        ASSERT_OK(oqt_pt_tensor(all, pt, k, &err), err);
        for (size_t i = 0; !general && i < n * LEGS; i++)
            all[i] = all[i / LEGS * LEGS * LEGS + i % LEGS * (LEGS + 1)];
        mpo[k] = (oqt_mpo_tensor){pt->bond[k], pt->bond[k + 1], LEGS, general ? LEGS : 0, all};
    }
    ASSERT_OK(oqt_pt_create_mpo(&out, 2, dt, N, mpo, NULL, NULL, NULL, &err), err);
    ck_assert(out->info.general_legs == general && out->info.method == OQT_PT_IMPORTED);
    for (size_t k = 0; k < N; k++)
        free((void *)(uintptr_t)mpo[k].data);
    oqt_pt_destroy(pt);
    return out;
}

/* The first steps of a tensor, in place of it. */
static oqt_pt *unrolled(oqt_pt *pt, size_t n_steps)
{
    oqt_pt *out = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_unroll(&out, pt, n_steps, &err), err);
    oqt_pt_destroy(pt);
    return out;
}

/* Random numbers for a tensor of any bond. */
static oqt_pt *large_pt(size_t chi)
{
    uint64_t seed = 35;
    oqt_pt *pt = NULL;
    oqt_error err = {0};
    size_t n;

    ASSERT_OK(oqt__pt_alloc(&pt, 2, occupation, dt, &err), err);
    n = 2 * pt->legs.n_class * chi * chi;
    pt->info.method = OQT_PT_UNIFORM;
    pt->chi = pt->info.bond_dimension = chi;
    pt->f = oqt__doubles(n);
    for (size_t i = 0; i < n; i++)
        pt->f[i] = random_uniform(&seed);
    return pt;
}

static size_t length_of(const oqt_pt *pt)
{
    return pt->bond ? pt->offset[pt->info.n_steps] : oqt__pt_blocks(pt) * pt->chi * pt->chi;
}

static bool same_bytes(const void *a, const void *b, size_t size)
{
    return a && b ? memcmp(a, b, size) == 0 : !a && !b;
}

#define SAME(field) (memcmp(&x->info.field, &y->info.field, sizeof x->info.field) == 0)

static bool same_tensor(const oqt_pt *x, const oqt_pt *y)
{
    size_t d = x->d, m = x->n_tail, n = x->info.n_steps;

    return SAME(method) && SAME(dimension) && SAME(dt) && SAME(n_steps) && SAME(bond_dimension) &&
           SAME(tolerance) && SAME(path_rate) && SAME(n_modes) && SAME(n_squarings) && SAME(fit_error) &&
           SAME(discarded_weight) && SAME(path_error) && SAME(path_steps) && SAME(state_limit_hit) &&
           SAME(flops) && SAME(error_estimate) && SAME(accuracy) && SAME(n_builds) && SAME(memory_steps) &&
           SAME(added_correlation_time) && SAME(cutoff_error) && SAME(general_legs) && d == y->d &&
           x->dt == y->dt && x->chi == y->chi && x->rotated == y->rotated && x->n_slope == y->n_slope &&
           m == y->n_tail && x->legs.n_class == y->legs.n_class && x->path_growth == y->path_growth &&
           x->growth_error == y->growth_error && same_bytes(x->o, y->o, d * sizeof *x->o) &&
           same_bytes(x->u, y->u, d * d * sizeof *x->u) &&
           same_bytes(x->bond, y->bond, (n + 1) * sizeof *x->bond) && length_of(x) == length_of(y) &&
           same_bytes(x->f, y->f, length_of(x) * sizeof *x->f) &&
           same_bytes(x->slope, y->slope, x->n_slope * sizeof *x->slope) &&
           same_bytes(x->tail_b, y->tail_b, m * sizeof *x->tail_b) &&
           same_bytes(x->tail_c, y->tail_c, m * sizeof *x->tail_c) &&
           same_bytes(x->tail_power, y->tail_power, OQT__POWERS * m * m * sizeof *x->tail_power);
}

/* What is read from a hostile file may be nonsense, but must be nonsense in bounds. */
static void use_pt(const oqt_pt *pt)
{
    oqt_pt_defects defects;
    size_t d2 = pt->d * pt->d;
    oqt_complex *factors = malloc(d2 * sizeof *factors);

    for (uint64_t step = 0; step < pt->info.n_steps && step < (uint64_t)1 << 40; step = 1 + 7 * step) {
        size_t left, right;
        oqt_complex *f;

        ck_assert_int_eq(oqt_pt_leg_factors(factors, pt, step, NULL), OQT_OK);
        ck_assert_int_eq(oqt_pt_bonds(&left, &right, pt, step, NULL), OQT_OK);
        f = malloc(left * right * d2 * d2 * sizeof *f);
        ck_assert_int_eq(oqt_pt_tensor(f, pt, step, NULL), OQT_OK);
        free(f);
    }
    ck_assert_int_eq(oqt_pt_check(&defects, pt, NULL), OQT_OK);
    free(factors);
}

/* ---- files ---- */

static bool have_files(const char *name)
{
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    if (!runtime.hdf5)
        printf("%s skipped: built without HDF5\n", name);
    return runtime.hdf5;
}

static size_t count_entries(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    ck_assert(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2; /* . and .. */
}

static unsigned char *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data;

    ck_assert(file != NULL);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    data = malloc(*size);
    ck_assert_uint_eq(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static void spill(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    ck_assert(file != NULL);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void write_pt(const oqt_pt *pt, const struct place *p)
{
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_write(pt, p->path, OQT_FILE_OQTEMPO, &err), err);
    ck_assert_uint_eq(count_entries(p->dir), 1);
}

static oqt_pt *read_pt(const struct place *p)
{
    oqt_pt *pt = NULL;
    oqt_error err = {0};

    ASSERT_OK(oqt_pt_read(&pt, p->path, &err), err);
    ck_assert_uint_eq(count_entries(p->dir), 1);
    return pt;
}

static void check_holds(const struct place *p, const oqt_pt *expected)
{
    oqt_pt *read = read_pt(p);

    ck_assert(same_tensor(expected, read));
    oqt_pt_destroy(read);
}

static void check_refused(const char *path, oqt_status expected, const char *what)
{
    oqt_pt *mark = (oqt_pt *)&expected, *out = mark;
    oqt_error err = {0};
    oqt_status st = oqt_pt_read(&out, path, &err);

    ck_assert_msg(st == expected, "%s: status %d, expected %d", what, (int)st, (int)expected);
    ck_assert(out == mark);
    ck_assert_int_eq(err.code, expected);
    ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0 || strstr(err.text, path), "%s", err.text);
}

/* ---- the seal ---- */

/* XXH64 as its specification has it, byte by byte, for lengths that are multiples of 32. */
static uint64_t xxh64(const unsigned char *data, size_t size)
{
    const uint64_t p1 = 11400714785074694791u, p2 = 14029467366897019727u, p3 = 1609587929392839161u,
                   p4 = 9650029242287828579u;
    const int turn[4] = {1, 7, 12, 18};
    uint64_t acc[4] = {p1 + p2, p2, 0, 0 - p1}, h = 0;

    for (size_t i = 0; i < size; i += 8) {
        uint64_t *a = &acc[i / 8 % 4], word = 0;

        for (size_t k = 0; k < 8; k++)
            word += (uint64_t)data[i + k] << 8 * k;
        *a += word * p2;
        *a = ((*a << 31) | (*a >> 33)) * p1;
    }
    for (int i = 0; i < 4; i++)
        h += (acc[i] << turn[i]) | (acc[i] >> (64 - turn[i]));
    for (int i = 0; i < 4; i++) {
        uint64_t a = acc[i] * p2;

        h ^= ((a << 31) | (a >> 33)) * p1;
        h = h * p1 + p4;
    }
    h += size;
    h = (h ^ (h >> 33)) * p2;
    h = (h ^ (h >> 29)) * p3;
    return h ^ (h >> 32);
}

START_TEST(the_hash_is_xxh64)
{
    /* XXH64(data, size, 0) of libxxhash 0.8.1 through Python's ctypes */
    static const struct {
        size_t size;
        uint64_t value;
    } known[] = {{32, 0x4e9e0d46d4c19d60},
                 {64, 0x90f91ce698fbb11c},
                 {96, 0x758fd7246b33a04a},
                 {4096, 0x64e6137226fb3262}};
    unsigned char data[4096];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * i * 7 + i * 3 + (i >> 8) * 11);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        oqt__hash hash;

        ck_assert_uint_eq(xxh64(data, known[i].size), known[i].value);
        /* in two pieces, the first of which may be empty */
        oqt__hash_init(&hash);
        oqt__hash_add(&hash, data, 32 * i);
        oqt__hash_add(&hash, data + 32 * i, known[i].size - 32 * i);
        ck_assert_uint_eq(oqt__hash_value(&hash), known[i].value);
    }
}
END_TEST

enum { BLOCK = 512, MAGIC_SIZE = 24, SEAL_SIZE = MAGIC_SIZE + 128 };

static size_t head_of(const unsigned char *data)
{
    unsigned long long head = 0;

    ck_assert_int_eq(sscanf((const char *)data + MAGIC_SIZE, "version 3 head %llu", &head), 1);
    return (size_t)head;
}

/* The seal as pt_file.c makes it. */
static void reseal(unsigned char *data, size_t size, size_t head)
{
    size_t tensors = size - BLOCK - head;

    memset(data, 0, SEAL_SIZE);
    snprintf((char *)data, SEAL_SIZE, "oqtempo process tensor\n");
    snprintf((char *)data + MAGIC_SIZE, SEAL_SIZE - MAGIC_SIZE,
             "version 3\nhead %llu %016llx\ntensors %llu %016llx\n", (unsigned long long)head,
             (unsigned long long)xxh64(data + BLOCK, head), (unsigned long long)tensors,
             (unsigned long long)xxh64(data + BLOCK + head, tensors));
}

/* ---- exactness ---- */

START_TEST(without_hdf5_files_are_refused)
{
    oqt_runtime runtime;
    oqt_pt *pt, *read = NULL;
    oqt_error err = {0};

    oqt_get_runtime(&runtime);
    if (runtime.hdf5)
        return;
    pt = dephasing_pt();
    for (int format = OQT_FILE_OQTEMPO; format <= OQT_FILE_OQUPY; format++) {
        ck_assert_int_eq(oqt_pt_write(pt, "/tmp/oqt_test_pt_never", (oqt_file_format)format, &err),
                         OQT_EUNSUPPORTED);
        ck_assert(strstr(err.text, "HDF5"));
    }
    ck_assert_int_eq(oqt_pt_read(&read, "/tmp/oqt_test_pt_never", &err), OQT_EUNSUPPORTED);
    ck_assert(read == NULL);
    oqt_pt_destroy(pt);
}
END_TEST

START_TEST(a_file_gives_back_every_bit)
{
    if (!have_files("a_file_gives_back_every_bit"))
        return;
    struct place p = new_place();
    oqt_pt *tensors[] = {uniform_pt(1e-3),
                         dephasing_pt(),
                         accurate_qutrit_pt(),
                         trivial_pt(),
                         finite_pt(1e-4),
                         imported_pt(false),
                         imported_pt(true),
                         unrolled(uniform_pt(1e-3), 17),
                         unrolled(dephasing_pt(), 9),
                         new_pt(2, (oqt_complex[4]){{1, 0}, {0, 0}, {0, 0}, {1, 0}}, NULL)};

    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        oqt_pt *read, *again;

        write_pt(tensors[i], &p);
        read = read_pt(&p);
        ck_assert_msg(same_tensor(tensors[i], read), "tensor %zu", i);
        ck_assert(read->map.data != NULL);
        /* one that lies in a file, over that very file */
        write_pt(read, &p);
        again = read_pt(&p);
        ck_assert_msg(same_tensor(tensors[i], again), "tensor %zu", i);
        ck_assert_msg(same_tensor(tensors[i], read), "tensor %zu", i);
        oqt_pt_destroy(read);
        oqt_pt_destroy(again);
        oqt_pt_destroy(tensors[i]);
    }
    remove_place(&p);
}
END_TEST

START_TEST(a_tensor_outlives_its_file)
{
    if (!have_files("a_tensor_outlives_its_file"))
        return;
    struct place p = new_place();
    oqt_pt *pt = uniform_pt(1e-3), *other = dephasing_pt(), *read;

    write_pt(pt, &p);
    read = read_pt(&p);
    write_pt(other, &p);
    ck_assert(same_tensor(pt, read));
    unlink(p.path);
    ck_assert(same_tensor(pt, read));
    oqt_pt_destroy(read);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(other);
    remove_place(&p);
}
END_TEST

/* ---- failing disks ---- */

START_TEST(a_failing_write_leaves_the_old_file)
{
    if (!have_files("a_failing_write_leaves_the_old_file"))
        return;
    struct place p = new_place();
    oqt_pt *pt = uniform_pt(1e-3), *other = dephasing_pt();
    char below[128];
    oqt_error err = {0};

    write_pt(other, &p);
    ck_assert_int_eq(oqt_pt_write(pt, p.path, (oqt_file_format)2, &err), OQT_EINVAL);
    /* a directory that does not exist */
    snprintf(below, sizeof below, "%s/none/tensor.h5", p.dir);
    ck_assert_int_eq(oqt_pt_write(pt, below, OQT_FILE_OQTEMPO, &err), OQT_EIO);
    ck_assert(strstr(err.text, below));
    /* a target that rename cannot replace */
    snprintf(below, sizeof below, "%s/taken", p.dir);
    ck_assert_int_eq(mkdir(below, 0700), 0);
    ck_assert_int_eq(oqt_pt_write(pt, below, OQT_FILE_OQTEMPO, &err), OQT_EIO);
    ck_assert_uint_eq(count_entries(p.dir), 2);
    ck_assert_int_eq(rmdir(below), 0);
    /* a directory without permission; root has every permission */
    if (geteuid() != 0) {
        ck_assert_int_eq(chmod(p.dir, 0500), 0);
        ck_assert_int_eq(oqt_pt_write(pt, p.path, OQT_FILE_OQTEMPO, &err), OQT_EIO);
        ck_assert_int_eq(chmod(p.dir, 0700), 0);
    }
    check_holds(&p, other);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(other);
    remove_place(&p);
}
END_TEST

/* A disk that is full after so many bytes. */
START_TEST(a_full_disk_is_an_error_and_no_more)
{
    if (!have_files("a_full_disk_is_an_error_and_no_more"))
        return;
    struct place p = new_place();
    oqt_pt *pt = uniform_pt(1e-3), *other = dephasing_pt();
    struct rlimit old, small;
    oqt_error err = {0};

    write_pt(other, &p);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (rlim_t limit = 0; limit < 16000; limit += 500) {
        int set, unset;
        oqt_status st;

        /* nothing of Check's own in between: it writes files as well */
        small = (struct rlimit){limit, old.rlim_max};
        set = setrlimit(RLIMIT_FSIZE, &small);
        st = oqt_pt_write(pt, p.path, OQT_FILE_OQTEMPO, &err);
        unset = setrlimit(RLIMIT_FSIZE, &old);
        ck_assert(set == 0 && unset == 0);
        ck_assert_msg(st == OQT_EIO, "status %d on a disk of %lu bytes", (int)st, (unsigned long)limit);
        ck_assert_uint_eq(count_entries(p.dir), 1);
    }
    check_holds(&p, other);
    oqt_pt_destroy(pt);
    oqt_pt_destroy(other);
    remove_place(&p);
}
END_TEST

/* ---- damage ---- */

START_TEST(files_of_other_kinds_are_refused)
{
    if (!have_files("files_of_other_kinds_are_refused"))
        return;
    struct place p = new_place();
    oqt_pt *pt = uniform_pt(1e-2);
    unsigned char noise[3000], *data;
    uint64_t seed = 31;
    size_t size;

    check_refused(p.path, OQT_EIO, "missing");
    check_refused(p.dir, OQT_EIO, "directory");
    spill(p.path, "", 0);
    check_refused(p.path, OQT_EFORMAT, "empty");
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(256.0 * random_uniform(&seed));
    spill(p.path, noise, sizeof noise);
    check_refused(p.path, OQT_EFORMAT, "noise");
    write_pt(pt, &p);
    data = slurp(p.path, &size);
    for (size_t version = 1; version < 10; version++) {
        oqt_error err = {0};
        oqt_pt *read = NULL;

        data[MAGIC_SIZE + strlen("version ")] = (unsigned char)('0' + version);
        spill(p.path, data, size);
        if (version == 3)
            continue;
        ck_assert_int_eq(oqt_pt_read(&read, p.path, &err), OQT_EFORMAT);
        ck_assert_msg(strstr(err.text, "version") != NULL, "%s", err.text);
    }
    free(data);
    oqt_pt_destroy(pt);
    remove_place(&p);
}
END_TEST

START_TEST(files_that_are_cut_anywhere_are_refused)
{
    if (!have_files("files_that_are_cut_anywhere_are_refused"))
        return;
    struct place p = new_place();
    oqt_pt *tensors[] = {uniform_pt(1e-2), finite_pt(1e-1)};

    for (size_t i = 0; i < 2; i++) {
        struct stat about;

        write_pt(tensors[i], &p);
        ck_assert_int_eq(stat(p.path, &about), 0);
        for (off_t cut = about.st_size - 1; cut >= 0; cut--) {
            ck_assert_int_eq(truncate(p.path, cut), 0);
            check_refused(p.path, OQT_EFORMAT, "truncated");
        }
        /* and grown again with zeros, as a crash may leave it */
        write_pt(tensors[i], &p);
        ck_assert_int_eq(truncate(p.path, about.st_size - 640), 0);
        ck_assert_int_eq(truncate(p.path, about.st_size), 0);
        check_refused(p.path, OQT_EFORMAT, "with a hole");
        oqt_pt_destroy(tensors[i]);
    }
    remove_place(&p);
}
END_TEST

static void put_byte(const char *path, size_t at, unsigned char byte)
{
    int fd = open(path, O_WRONLY);

    ck_assert(fd >= 0 && pwrite(fd, &byte, 1, (off_t)at) == 1);
    ck_assert_int_eq(close(fd), 0);
}

/* One flipped bit after the other: refused, or the same tensor and a bit that counts for nothing. */
static void flip_bits(const oqt_pt *pt, const struct place *p, size_t flips, uint64_t seed)
{
    size_t size, harmless = 0;
    unsigned char *data;

    write_pt(pt, p);
    data = slurp(p->path, &size);
    for (size_t i = 0; i < flips; i++) {
        /* a quarter of the flips in the block with the seal, which is a small part of the file */
        size_t at = (size_t)(random_uniform(&seed) * (double)(i % 4 ? size : BLOCK));
        unsigned char bit = (unsigned char)(1u << (unsigned)(random_uniform(&seed) * 8.0));
        oqt_pt *read = NULL;
        oqt_status st;

        put_byte(p->path, at, data[at] ^ bit);
        st = oqt_pt_read(&read, p->path, NULL);
        if (st == OQT_OK) {
            ck_assert_msg(same_tensor(pt, read), "byte %zu changes the tensor", at);
            ck_assert_msg(at >= SEAL_SIZE && at < BLOCK, "byte %zu is not looked at", at);
            oqt_pt_destroy(read);
            harmless++;
        } else {
            ck_assert_msg(st == OQT_EFORMAT, "status %d for byte %zu", (int)st, at);
            ck_assert(read == NULL);
        }
        put_byte(p->path, at, data[at]);
    }
    ck_assert_uint_gt(harmless, 0);
    ck_assert_uint_lt(harmless, flips / 4);
    ck_assert_uint_eq(count_entries(p->dir), 1);
    free(data);
}

START_TEST(flipped_bits_are_noticed_or_harmless)
{
    if (!have_files("flipped_bits_are_noticed_or_harmless"))
        return;
    struct place p = new_place();
    oqt_pt *uniform = uniform_pt(1e-2), *finite = finite_pt(1e-2);

    flip_bits(uniform, &p, 5000, 32);
    flip_bits(finite, &p, 5000, 36);
    oqt_pt_destroy(uniform);
    oqt_pt_destroy(finite);
    remove_place(&p);
}
END_TEST

/* ---- hostile contents ---- */

/* An allocator that adds up what is asked for. */
struct counter {
    size_t largest, total;
    long n_live;
};

static void *counting_alloc(size_t alignment, size_t size, void *ctx)
{
    struct counter *c = ctx;

    c->largest = size > c->largest ? size : c->largest;
    c->total += size;
    c->n_live++;
    return aligned_alloc(alignment, size);
}

static void counting_free(void *ptr, void *ctx)
{
    struct counter *c = ctx;

    c->n_live--;
    free(ptr);
}

/* HDF5 1.10 loses some kilobytes of its own when it gives up on a damaged file ("infinite loop closing
 * library" at exit); a leak sanitizer, if there is one, asks here what to pass over. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5\n";
}

/* Read and use what is there. No allocation is larger than the file, but for the 21 powers of its memory
 * model. Returns whether it was accepted. */
static bool read_hostile(const char *path, size_t size)
{
    struct counter counter = {0};
    oqt_allocator allocator = {counting_alloc, counting_free, &counter};
    oqt_pt *read = NULL;
    oqt_status st;

    oqt_set_allocator(&allocator);
    st = oqt_pt_read(&read, path, NULL);
    ck_assert_msg(st == OQT_OK || st == OQT_EFORMAT || st == OQT_EUNSUPPORTED, "status %d", (int)st);
    ck_assert_uint_le(counter.largest, OQT__POWERS * size);
    if (st == OQT_OK)
        use_pt(read);
    else
        ck_assert(read == NULL);
    oqt_pt_destroy(read);
    oqt_set_allocator(NULL);
    ck_assert_int_eq(counter.n_live, 0);
    return st == OQT_OK;
}

/* The most memory this process has had so far, in MiB. HDF5 takes its own past our allocator. */
static long most_memory(void)
{
    struct rusage usage;

    ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss / 1024;
}

/* Flipped bits and altered bytes in what HDF5 parses, or anywhere, under a seal that is right. */
static void alter(const oqt_pt *pt, const struct place *p, size_t n_files, uint64_t seed)
{
    size_t size, head, accepted = 0;
    unsigned char *data, *copy;
    long before = most_memory();

    write_pt(pt, p);
    data = slurp(p->path, &size);
    copy = malloc(size);
    head = head_of(data);
    memcpy(copy, data, size);
    reseal(copy, size, head);
    ck_assert_int_eq(memcmp(copy, data, size), 0); /* or we would test nothing */
    for (size_t i = 0; i < n_files; i++) {
        memcpy(copy, data, size);
        for (size_t k = 0; k < 1 + i % 3; k++) {
            size_t at = BLOCK + (size_t)(random_uniform(&seed) * (double)(i % 4 ? head : size - BLOCK));

            if (i % 5 == 0)
                copy[at] = 0xff;
            else
                copy[at] ^= (unsigned char)(1u << (unsigned)(random_uniform(&seed) * 8.0));
        }
        reseal(copy, size, head);
        spill(p->path, copy, size);
        accepted += read_hostile(p->path, size);
    }
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_lt(accepted, n_files);
    ck_assert_int_lt(most_memory() - before, 400); /* what a sanitizer keeps back, and more */
    ck_assert_uint_eq(count_entries(p->dir), 1);
    free(copy);
    free(data);
}

START_TEST(hostile_files_with_a_seal_do_no_harm)
{
    if (!have_files("hostile_files_with_a_seal_do_no_harm"))
        return;
    struct place p = new_place();
    oqt_pt *tensors[] = {uniform_pt(1e-2), finite_pt(1e-2), imported_pt(true)};

    for (size_t i = 0; i < 3; i++) {
        alter(tensors[i], &p, 300, 33 + i);
        oqt_pt_destroy(tensors[i]);
    }
    remove_place(&p);
}
END_TEST

/* Parts of any length under a seal that is right. */
START_TEST(hostile_parts_do_no_harm)
{
    if (!have_files("hostile_parts_do_no_harm"))
        return;
    struct place p = new_place();
    oqt_pt *pt = finite_pt(1e-2);
    unsigned char *data, *copy;
    size_t size, head;

    write_pt(pt, &p);
    data = slurp(p.path, &size);
    head = head_of(data);
    copy = calloc(2, size);
    for (size_t h = 0; h + BLOCK <= size; h += 64) {
        memcpy(copy, data, size);
        reseal(copy, size, h);
        spill(p.path, copy, size);
        ck_assert(!read_hostile(p.path, size) || h > 0);
    }
    for (size_t end = BLOCK + 64; end < size; end += 64) {
        size_t h = head < end - BLOCK ? head : end - BLOCK;

        memcpy(copy, data, size);
        reseal(copy, end, h);
        spill(p.path, copy, end);
        /* only the zeros at the end are not needed, and then the tensor cannot be left in the file */
        ck_assert(!read_hostile(p.path, end) || end + 64 >= size);
    }
    free(copy);
    free(data);
    oqt_pt_destroy(pt);
    remove_place(&p);
}
END_TEST

/* Files that are fine as files, written from tensors that are not. */
START_TEST(inconsistent_contents_are_refused)
{
    if (!have_files("inconsistent_contents_are_refused"))
        return;
    struct place p = new_place();

    for (size_t i = 0;; i++) {
        oqt_pt *pt = uniform_pt(1e-2);
        const char *what = NULL;

        if (i == 0)
            what = "dt", pt->info.dt = NAN;
        else if (i == 1)
            what = "dt", pt->info.dt = 0.0;
        else if (i == 2)
            what = "dt", pt->info.dt = INFINITY;
        else if (i == 3)
            what = "dimension", pt->info.dimension = 3;
        else if (i == 4)
            what = "dimension", pt->info.dimension = 0;
        else if (i == 5)
            what = "dimension", pt->info.dimension = 257;
        else if (i == 6)
            what = "bond", pt->info.bond_dimension++;
        else if (i == 7)
            what = "bond", pt->info.bond_dimension = 0;
        else if (i == 8)
            what = "method", pt->info.method = OQT_PT_AUTO;
        else if (i == 9)
            what = "method", pt->info.method = (oqt_pt_method)7;
        else if (i == 10)
            what = "method", pt->info.method = OQT_PT_DEPHASING; /* for ever */
        else if (i == 11)
            what = "element", pt->f[3] = NAN;
        else if (i == 12)
            what = "slope", pt->slope[2].im = INFINITY;
        else if (i == 13)
            what = "eigenvalue", pt->o[1] = NAN;
        else if (i == 14)
            what = "classes", pt->o[0] = pt->o[1];
        else if (i == 15)
            what = "tail", pt->tail_b[0] = -INFINITY;
        else if (i == 16)
            what = "tail", pt->tail_power[0] = NAN;
        else if (i == 17)
            what = "eigenvector", pt->u[2].re = NAN;
        else if (i == 18)
            what = "number of steps", pt->info.n_steps = (size_t)1 << 53; /* a uniform one has no end */
        else if (i == 19)
            what = "estimate", pt->info.error_estimate = NAN;
        else if (i == 20)
            what = "last element", pt->f[length_of(pt) - 1] = -INFINITY;
        if (what) {
            write_pt(pt, &p);
            check_refused(p.path, OQT_EFORMAT, what);
        }
        oqt_pt_destroy(pt);
        if (!what)
            break;
    }
    remove_place(&p);
}
END_TEST

START_TEST(inconsistent_imports_are_refused)
{
    if (!have_files("inconsistent_imports_are_refused"))
        return;
    struct place p = new_place();

    for (size_t i = 0; i < 3; i++) {
        oqt_pt *pt = imported_pt(true);

        if (i == 0)
            pt->info.general_legs = 0; /* tensors are then too long */
        else if (i == 1)
            pt->info.method = OQT_PT_TEMPO;
        else if (i == 2)
            pt->u[1].re = 0.5; /* there is no other basis */
        write_pt(pt, &p);
        check_refused(p.path, OQT_EFORMAT, "import");
        oqt_pt_destroy(pt);
    }
    remove_place(&p);
}
END_TEST

START_TEST(inconsistent_sequences_are_refused)
{
    if (!have_files("inconsistent_sequences_are_refused"))
        return;
    struct place p = new_place();

    for (size_t i = 0; i < 10; i++) {
        oqt_pt *pt = finite_pt(1e-2);

        ck_assert_uint_ge(pt->bond[1], 2);
        ck_assert_uint_ge(pt->chi, 2);
        if (i == 0)
            pt->bond[0] = 2;
        else if (i == 1)
            pt->bond[12] = 2;
        else if (i == 2)
            pt->bond[5] = 0;
        else if (i == 3)
            pt->bond[5] = 1000000;
        else if (i == 4)
            pt->info.bond_dimension++; /* no bond is that large */
        else if (i == 5)
            pt->bond[1]--; /* tensors are then too long */
        else if (i == 6)
            pt->f[7] = NAN;
        else if (i == 7)
            pt->info.general_legs = 1; /* none but imported ones can have them */
        else if (i == 8)
            pt->slope[3].im = INFINITY;
        else if (i == 9)
            pt->info.n_steps = 11, pt->offset[11] = pt->offset[12], pt->bond[11] = 1;
        write_pt(pt, &p);
        check_refused(p.path, OQT_EFORMAT, "sequence");
        oqt_pt_destroy(pt);
    }
    remove_place(&p);
}
END_TEST

#ifdef OQT_HAVE_HDF5

#include <hdf5.h>

/* What another program could make of a file. */
enum rewriting {
    PLAIN,
    BIG_ENDIAN_NUMBERS,
    CHUNKS,
    SOFT_LINK,
    EXTERNAL_DATA,
    INTEGERS,
    NO_TENSORS,
    INITIAL_TENSOR
};

static hid_t memory_file(const void *data, size_t size)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file;

    ck_assert(H5Pset_fapl_core(access, 1 << 16, false) >= 0);
    if (data)
        ck_assert(H5Pset_file_image(access, (void *)(uintptr_t)data, size) >= 0);
    file =
        data ? H5Fopen("old", H5F_ACC_RDONLY, access) : H5Fcreate("new", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    ck_assert(file >= 0);
    H5Pclose(access);
    return file;
}

/* The tensors of `from`, of rank 4, anew. */
static void rewrite_tensors(hid_t to, hid_t from, enum rewriting how, const char *outside)
{
    hid_t set = H5Dopen2(from, "tensors", H5P_DEFAULT), space = H5Dget_space(set), made;
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    size_t n = (size_t)H5Sget_simple_extent_npoints(space);
    double *data = malloc(n * sizeof *data);

    ck_assert(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (how == CHUNKS)
        H5Pset_chunk(plist, 4, (hsize_t[4]){1, 1, 2, 2});
    if (how == EXTERNAL_DATA)
        H5Pset_external(plist, outside, 0, n * sizeof *data);
    made = H5Dcreate2(to, how == SOFT_LINK ? "elsewhere" : "tensors",
                      how == BIG_ENDIAN_NUMBERS ? H5T_IEEE_F64BE
                      : how == INTEGERS         ? H5T_STD_I32LE
                                                : H5T_IEEE_F64LE,
                      space, H5P_DEFAULT, plist, H5P_DEFAULT);
    ck_assert(H5Dwrite(made, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    if (how == SOFT_LINK)
        ck_assert(H5Lcreate_soft("/elsewhere", to, "tensors", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Dclose(made);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(plist);
    free(data);
}

/* The file at `path` written once more by plain HDF5, and sealed. */
static void rewrite(const char *path, enum rewriting how, const char *outside)
{
    size_t size, length;
    unsigned char *old = slurp(path, &size), *new;
    hid_t from = memory_file(old + BLOCK, size - BLOCK), to = memory_file(NULL, 0);
    H5G_info_t group;

    ck_assert(H5Gget_info(from, &group) >= 0);
    for (hsize_t i = 0; i < group.nlinks; i++) {
        char name[64];

        H5Lget_name_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, sizeof name, H5P_DEFAULT);
        if (strcmp(name, "tensors") != 0) {
            ck_assert(H5Ocopy(from, name, to, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
        } else if (how != NO_TENSORS) {
            rewrite_tensors(to, from, how, outside);
        }
    }
    if (how == INITIAL_TENSOR)
        ck_assert(H5Ocopy(from, "tensors", to, "initial_tensor", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fflush(to, H5F_SCOPE_GLOBAL);
    length = ((size_t)H5Fget_file_image(to, NULL, 0) + 63) / 64 * 64;
    new = calloc(BLOCK + length + 64, 1);
    ck_assert(H5Fget_file_image(to, new + BLOCK, length) > 0);
    H5Fclose(to);
    H5Fclose(from);
    reseal(new, BLOCK + length + 64, length);
    spill(path, new, BLOCK + length + 64);
    free(new);
    free(old);
}

START_TEST(files_of_other_writers_are_loaded_or_refused)
{
    static const struct {
        enum rewriting how;
        oqt_status expected;
    } cases[] = {{PLAIN, OQT_OK},           {BIG_ENDIAN_NUMBERS, OQT_EFORMAT}, {CHUNKS, OQT_EFORMAT},
                 {SOFT_LINK, OQT_EFORMAT},  {EXTERNAL_DATA, OQT_EFORMAT},      {INTEGERS, OQT_EFORMAT},
                 {NO_TENSORS, OQT_EFORMAT}, {INITIAL_TENSOR, OQT_EUNSUPPORTED}};
    struct place p = new_place();
    oqt_pt *pt = uniform_pt(1e-2);
    char outside[128];

    snprintf(outside, sizeof outside, "%s/outside", p.dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_pt(pt, &p);
        rewrite(p.path, cases[i].how, outside);
        unlink(outside);
        if (cases[i].expected == OQT_OK) {
            oqt_pt *read = read_pt(&p);

            ck_assert(read->map.data == NULL);
            ck_assert(same_tensor(pt, read));
            oqt_pt_destroy(read);
        } else {
            check_refused(p.path, cases[i].expected, "rewritten");
        }
    }
    oqt_pt_destroy(pt);
    remove_place(&p);
}
END_TEST

/* h5py, h5dump and others see documented names and shapes, and the numbers of the tensor. */
START_TEST(a_file_is_plain_hdf5_behind_its_block)
{
    struct place p = new_place();
    oqt_pt *pt = finite_pt(1e-2);
    hid_t file, set;
    double *f = malloc(length_of(pt) * sizeof *f), bonds[13], values[2];
    size_t size;
    unsigned char *data;

    write_pt(pt, &p);
    file = H5Fopen(p.path, H5F_ACC_RDONLY, H5P_DEFAULT);
    ck_assert(file >= 0);
    ck_assert((set = H5Dopen2(file, "tensors", H5P_DEFAULT)) >= 0);
    ck_assert(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, f) >= 0);
    ck_assert(memcmp(f, pt->f, length_of(pt) * sizeof *f) == 0);
    /* aligned, and read where it lies */
    data = slurp(p.path, &size);
    ck_assert_uint_eq(H5Dget_offset(set) % 64, 0);
    ck_assert(memcmp(data + H5Dget_offset(set), pt->f, length_of(pt) * sizeof *f) == 0);
    H5Dclose(set);
    ck_assert((set = H5Dopen2(file, "bonds", H5P_DEFAULT)) >= 0);
    ck_assert(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, bonds) >= 0);
    for (size_t k = 0; k <= 12; k++)
        ck_assert(bonds[k] == (double)pt->bond[k]);
    H5Dclose(set);
    ck_assert((set = H5Dopen2(file, "coupling_values", H5P_DEFAULT)) >= 0);
    ck_assert(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    ck_assert(values[0] == pt->o[0] && values[1] == pt->o[1]);
    H5Dclose(set);
    H5Fclose(file);
    free(f);
    free(data);
    oqt_pt_destroy(pt);
    remove_place(&p);
}
END_TEST

#endif

/* ---- memory ---- */

/* How many mappings of this process are of files below a directory; 0 where that is not told. */
static size_t count_maps(const char *dir)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1024];
    size_t n = 0;

    while (maps && fgets(line, sizeof line, maps))
        n += strstr(line, dir) != NULL;
    if (maps)
        fclose(maps);
    return n;
}

START_TEST(files_take_no_memory_for_the_tensor)
{
    enum { CHI = 600 };
    if (!have_files("files_take_no_memory_for_the_tensor"))
        return;
    struct place p = new_place();
    struct counter counter = {0};
    oqt_allocator allocator = {counting_alloc, counting_free, &counter};
    oqt_pt *pt = large_pt(CHI), *read = NULL;
    size_t size = length_of(pt) * sizeof *pt->f;
    oqt_error err = {0};

    ck_assert_uint_gt(size, 17000000);
    oqt_set_allocator(&allocator);
    ASSERT_OK(oqt_pt_write(pt, p.path, OQT_FILE_OQTEMPO, &err), err);
    ck_assert_uint_lt(counter.total, size / 100);
    counter.total = 0;
    ASSERT_OK(oqt_pt_read(&read, p.path, &err), err);
    ck_assert_uint_lt(counter.total, size / 1000);
    ck_assert(same_tensor(pt, read));
    oqt_pt_destroy(read);
    oqt_set_allocator(NULL);
    ck_assert_int_eq(counter.n_live, 0);
    ck_assert_uint_eq(count_maps(p.dir), 0);
    oqt_pt_destroy(pt);
    remove_place(&p);
}
END_TEST

struct file_call {
    const oqt_pt *pt;
    const struct place *place;
};

static oqt_status write_file(void *ctx)
{
    const struct file_call *c = ctx;
    oqt_status st = oqt_pt_write(c->pt, c->place->path, OQT_FILE_OQTEMPO, NULL);

    ck_assert_uint_eq(count_entries(c->place->dir), 1);
    return st;
}

static oqt_status read_file(void *ctx)
{
    const struct file_call *c = ctx;
    oqt_pt *mark = (oqt_pt *)&c, *out = mark;
    oqt_status st = oqt_pt_read(&out, c->place->path, NULL);

    if (st == OQT_OK)
        oqt_pt_destroy(out);
    else
        ck_assert(out == mark);
    ck_assert_uint_eq(count_maps(c->place->dir), 0);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    if (!have_files("every_allocation_may_fail"))
        return;
    struct place p = new_place();
    oqt_pt *tensors[] = {uniform_pt(1e-2), finite_pt(1e-2)};

    for (size_t i = 0; i < 2; i++) {
        struct file_call call = {tensors[i], &p};

        spill(p.path, "old", 3);
        ck_assert_uint_ge(check_every_allocation(write_file, &call), 2);
        ck_assert_uint_ge(check_every_allocation(read_file, &call), 10);
        oqt_pt_destroy(tensors[i]);
    }
    remove_place(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pt_file");
    TCase *tc = tcase_create("exactness");

    tcase_add_test(tc, without_hdf5_files_are_refused);
    tcase_add_test(tc, the_hash_is_xxh64);
    tcase_add_test(tc, a_file_gives_back_every_bit);
    tcase_add_test(tc, a_tensor_outlives_its_file);
    suite_add_tcase(suite, tc);
    tc = tcase_create("disks");
    tcase_add_test(tc, a_failing_write_leaves_the_old_file);
    tcase_add_test(tc, a_full_disk_is_an_error_and_no_more);
    suite_add_tcase(suite, tc);
    tc = tcase_create("damage");
    tcase_add_test(tc, files_of_other_kinds_are_refused);
    tcase_add_test(tc, files_that_are_cut_anywhere_are_refused);
    tcase_add_test(tc, flipped_bits_are_noticed_or_harmless);
    tcase_add_test(tc, hostile_files_with_a_seal_do_no_harm);
    tcase_add_test(tc, hostile_parts_do_no_harm);
    tcase_add_test(tc, inconsistent_contents_are_refused);
    tcase_add_test(tc, inconsistent_imports_are_refused);
    tcase_add_test(tc, inconsistent_sequences_are_refused);
#ifdef OQT_HAVE_HDF5
    tcase_add_test(tc, files_of_other_writers_are_loaded_or_refused);
    tcase_add_test(tc, a_file_is_plain_hdf5_behind_its_block);
#endif
    suite_add_tcase(suite, tc);
    tc = tcase_create("memory");
    tcase_add_test(tc, files_take_no_memory_for_the_tensor);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
