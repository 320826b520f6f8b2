/* test_trajectory.c - states at times: order, expectation values, files. */
#include "dynamics/trajectory_priv.h"
#include "support.h"

#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#ifdef OQT_HAVE_HDF5
#include <hdf5.h>
#endif

enum { D_MAX = 12, N_MAX = D_MAX * D_MAX };

static const oqt_table_format formats[] = {OQT_TABLE_TSV, OQT_TABLE_CSV, OQT_TABLE_HDF5};

static bool has_hdf5(void)
{
    oqt_runtime runtime;

    oqt_get_runtime(&runtime);
    return runtime.hdf5 != 0;
}

static size_t n_formats(void)
{
    return has_hdf5() ? 3 : 2;
}

static oqt_trajectory *new_trajectory(size_t d, size_t n, const double *times, const oqt_complex *states)
{
    oqt_trajectory *trajectory = NULL;
    oqt_error err;

    ASSERT_OK(oqt_trajectory_create(&trajectory, d, n, times, states, 0, &err), err);
    return trajectory;
}

static oqt_trajectory *random_trajectory(size_t d, size_t n, uint64_t *seed)
{
    double times[64];
    oqt_complex *states = malloc((n * d * d + 1) * sizeof *states);
    oqt_trajectory *trajectory;

    for (size_t k = 0; k < n; k++)
        times[k] = (double)k / 3.0 - 1.0;
    random_complex(states, n * d * d, seed);
    trajectory = new_trajectory(d, n, times, states);
    free(states);
    return trajectory;
}

/* The same to the bit. */
static bool are_same(const oqt_trajectory *a, const oqt_trajectory *b)
{
    size_t n = oqt_trajectory_length(a), d = oqt_trajectory_dimension(a);

    return n == oqt_trajectory_length(b) && d == oqt_trajectory_dimension(b) &&
           (n == 0 || (memcmp(oqt_trajectory_times(a), oqt_trajectory_times(b), n * sizeof(double)) == 0 &&
                       memcmp(oqt_trajectory_states(a), oqt_trajectory_states(b),
                              n * d * d * sizeof(oqt_complex)) == 0));
}

/* ---- the object ---- */

/* Times in disorder, with equal ones; the state tells which it was. */
START_TEST(times_are_in_order_and_equal_ones_as_they_came)
{
    static const double times[] = {1.0, 0.5, 1.0, -2.0, 0.5, 3.0, 1.0};
    static const double order[] = {3, 1, 4, 0, 2, 6, 5};
    oqt_trajectory *at_once, *added = new_trajectory(1, 0, NULL, NULL);
    oqt_complex states[7];
    oqt_error err;

    for (size_t k = 0; k < 7; k++) {
        states[k] = (oqt_complex){(double)k, -1.0};
        ASSERT_OK(oqt_trajectory_add(added, times[k], &states[k], &err), err);
    }
    at_once = new_trajectory(1, 7, times, states);
    ck_assert(are_same(at_once, added));
    for (size_t k = 0; k < 7; k++) {
        ck_assert_double_eq(oqt_trajectory_states(added)[k].re, order[k]);
        ck_assert_double_eq(oqt_trajectory_times(added)[k], times[(size_t)order[k]]);
    }
    oqt_trajectory_destroy(at_once);
    oqt_trajectory_destroy(added);
}
END_TEST

/* Beside a plain insertion, over many reallocations. */
START_TEST(a_thousand_states_in_random_order)
{
    enum { N = 1000, D = 2 };
    static double times[N];
    static oqt_complex states[N * D * D];
    oqt_trajectory *at_once, *added = new_trajectory(D, 0, NULL, NULL);
    uint64_t seed = 1;
    oqt_error err;

    random_complex(states, N * D * D, &seed);
    for (size_t k = 0; k < N; k++) {
        times[k] = floor(50.0 * random_uniform(&seed));
        ASSERT_OK(oqt_trajectory_add(added, times[k], states + k * D * D, &err), err);
    }
    at_once = new_trajectory(D, N, times, states);
    ck_assert(are_same(at_once, added));
    for (size_t k = 1; k < N; k++)
        ck_assert_double_le(oqt_trajectory_times(added)[k - 1], oqt_trajectory_times(added)[k]);
    oqt_trajectory_destroy(at_once);
    oqt_trajectory_destroy(added);
}
END_TEST

/* A spin that precesses, and its mirror image: <sigma_x> = cos wt, <sigma_y> = +- sin wt. */
START_TEST(columns_of_a_run_become_trajectories)
{
    enum { N = 20, COLUMNS = 2 };
    const double w = 1.3, dt = 0.1;
    const oqt_complex h[4] = {{0.5 * w, 0}, {0, 0}, {0, 0}, {-0.5 * w, 0}};
    oqt_complex initial[2 * 4], mirror[4], rho[(N + 1) * COLUMNS * 4], value[N + 1];
    double times[N + 1];
    oqt_system *system[2] = {NULL, NULL};
    oqt_dynamics *run = NULL;
    oqt_dynamics_options opt = OQT_DYNAMICS_OPTIONS_INIT;
    oqt_error err;

    scale_complex(mirror, -1.0, h, 4);
    ASSERT_OK(oqt_system_create(&system[0], 2, h, &err), err);
    ASSERT_OK(oqt_system_create(&system[1], 2, mirror, &err), err);
    for (size_t c = 0; c < COLUMNS; c++)
        ASSERT_OK(oqt_state_by_name(initial + 4 * c, 2, "x+", &err), err);
    opt.dt = dt;
    ASSERT_OK(
        oqt_dynamics_create(&run, 0, NULL, COLUMNS, (const oqt_system *const *)system, initial, &opt, &err),
        err);
    ASSERT_OK(oqt_dynamics_record(rho, run, N, &err), err);
    for (size_t k = 0; k <= N; k++)
        times[k] = (double)k * dt;
    for (size_t c = 0; c < COLUMNS; c++) {
        oqt_trajectory *trajectory = NULL;

        ASSERT_OK(oqt_trajectory_create(&trajectory, 2, N + 1, times, rho + 4 * c, 4 * COLUMNS, &err), err);
        oqt_trajectory_expect(value, trajectory, sigma_y);
        for (size_t k = 0; k <= N; k++)
            ck_assert_double_eq_tol(value[k].re, (c ? -1.0 : 1.0) * sin(w * times[k]), 1e-13);
        oqt_trajectory_expect(value, trajectory, NULL);
        for (size_t k = 0; k <= N; k++)
            ck_assert_double_le(cabs(to_c99(value[k]) - 1.0), 1e-14);
        oqt_trajectory_destroy(trajectory);
    }
    oqt_dynamics_destroy(run);
    oqt_system_destroy(system[0]);
    oqt_system_destroy(system[1]);
}
END_TEST

START_TEST(expectations_are_traces_of_products)
{
    enum { D = 3, N = 5 };
    uint64_t seed = 2;
    oqt_trajectory *trajectory = random_trajectory(D, N, &seed);
    const oqt_complex *rho = oqt_trajectory_states(trajectory);
    oqt_complex op[D * D], value[N];

    random_complex(op, D * D, &seed);
    oqt_trajectory_expect(value, trajectory, op);
    for (size_t k = 0; k < N; k++) {
        double complex sum = 0.0;

        for (size_t i = 0; i < D * D; i++)
            sum += to_c99(op[i]) * to_c99(rho[k * D * D + i % D * D + i / D]);
        ck_assert_double_le(cabs(to_c99(value[k]) - sum), 1e-14);
    }
    oqt_trajectory_destroy(trajectory);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    oqt_trajectory *trajectory = NULL, *full;
    const double times[2] = {0.0, NAN};
    oqt_complex states[8] = {{1, 0}};
    oqt_error err;

    ck_assert_int_eq(oqt_trajectory_create(NULL, 2, 0, NULL, NULL, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_create(&trajectory, 0, 0, NULL, NULL, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_create(&trajectory, 2, 1, NULL, states, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_create(&trajectory, 2, 1, times, NULL, 0, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_create(&trajectory, 2, 2, times, states, 0, &err), OQT_EINVAL);
    ck_assert_str_eq(err.text, "time or state 1 of a trajectory is not finite");
    ck_assert_int_eq(oqt_trajectory_create(&trajectory, 1025, 0, NULL, NULL, 0, &err), OQT_ERANGE);
    ck_assert_int_eq(oqt_trajectory_read(&trajectory, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_read(NULL, "x", &err), OQT_EINVAL);
    ck_assert_ptr_null(trajectory);
    full = new_trajectory(2, 1, times, states);
    ck_assert_int_eq(oqt_trajectory_add(full, NAN, states, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_add(full, 0.0, NULL, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_add(NULL, 0.0, states, &err), OQT_EINVAL);
    states[3].im = INFINITY;
    ck_assert_int_eq(oqt_trajectory_add(full, 1.0, states, &err), OQT_EINVAL);
    ck_assert_uint_eq(oqt_trajectory_length(full), 1);
    ck_assert_int_eq(oqt_trajectory_write(NULL, "x", OQT_TABLE_TSV, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_write(full, NULL, OQT_TABLE_TSV, &err), OQT_EINVAL);
    ck_assert_int_eq(oqt_trajectory_write(full, "x", (oqt_table_format)7, &err), OQT_EINVAL);
    oqt_trajectory_destroy(full);
    oqt_trajectory_destroy(NULL);
}
END_TEST

/* ---- files ---- */

static void spill(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    fclose(file);
}

/* With a zero byte behind the content. */
static unsigned char *slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    unsigned char *data;

    ck_assert_ptr_nonnull(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    data = calloc(*size + 1, 1);
    ck_assert_uint_eq(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static void write_to(const struct place *p, const oqt_trajectory *trajectory, oqt_table_format format)
{
    oqt_error err;

    ASSERT_OK(oqt_trajectory_write(trajectory, p->path, format, &err), err);
}

static oqt_trajectory *read_from(const struct place *p)
{
    oqt_trajectory *trajectory = NULL;
    oqt_error err;

    ASSERT_OK(oqt_trajectory_read(&trajectory, p->path, &err), err);
    return trajectory;
}

START_TEST(files_give_back_every_bit)
{
    static const size_t dimensions[] = {1, 2, 3, 10, 11, 12};
    struct place p = new_place();
    uint64_t seed = 3;

    for (size_t f = 0; f < n_formats(); f++)
        for (size_t i = 0; i < 6; i++) {
            oqt_trajectory *trajectory = random_trajectory(dimensions[i], 7, &seed), *back;

            write_to(&p, trajectory, formats[f]);
            back = read_from(&p);
            ck_assert_msg(are_same(trajectory, back), "format %d, d = %zu", (int)formats[f], dimensions[i]);
            oqt_trajectory_destroy(trajectory);
            oqt_trajectory_destroy(back);
        }
    remove_place(&p);
}
END_TEST

START_TEST(files_give_back_numbers_at_the_ends_of_their_range)
{
    static const double times[3] = {-1.7976931348623157e308, -0.0, 4.9406564584124654e-324};
    static const oqt_complex states[3] = {{-0.0, 2.2250738585072014e-308},
                                          {1.7976931348623157e308, 0.1},
                                          {-4.9406564584124654e-324, 1.0 / 3.0}};
    struct place p = new_place();
    oqt_trajectory *trajectory = new_trajectory(1, 3, times, states);

    for (size_t f = 0; f < n_formats(); f++) {
        oqt_trajectory *back;

        write_to(&p, trajectory, formats[f]);
        back = read_from(&p);
        ck_assert(are_same(trajectory, back));
        oqt_trajectory_destroy(back);
    }
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

START_TEST(files_keep_an_empty_trajectory_and_its_dimension)
{
    struct place p = new_place();

    for (size_t f = 0; f < n_formats(); f++)
        for (size_t d = 1; d <= D_MAX; d += 11) {
            oqt_trajectory *trajectory = new_trajectory(d, 0, NULL, NULL), *back;

            write_to(&p, trajectory, formats[f]);
            back = read_from(&p);
            ck_assert(are_same(trajectory, back));
            oqt_trajectory_destroy(trajectory);
            oqt_trajectory_destroy(back);
        }
    remove_place(&p);
}
END_TEST

START_TEST(text_is_laid_out_as_documented)
{
    static const double times[2] = {0.0, 0.25};
    const oqt_complex states[8] = {{1, 0},       {0, 0}, {0, 0}, {0, 0}, /**/
                                   {0.75, 1e-9}, {0, 1}, {0, 2}, {0.25, -3}};
    struct place p = new_place();
    oqt_trajectory *trajectory = new_trajectory(2, 2, times, states);
    char expected[512];
    size_t size;
    unsigned char *data;

    snprintf(
        expected, sizeof expected,
        "# program: oqtempo %s\n# t,rho_00_re,rho_00_im,rho_01_re,rho_01_im,rho_10_re,rho_10_im,rho_11_re,"
        "rho_11_im\n0,1,0,0,0,0,0,0,0\n0.25,0.75,1.0000000000000001e-09,0,1,0,2,0.25,-3\n",
        oqt_version());
    write_to(&p, trajectory, OQT_TABLE_CSV);
    data = slurp(p.path, &size);
    ck_assert_str_eq((char *)data, expected);
    free(data);
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

/* What a user or the program may have written: the second row of each is the state -0.5+2i of t = 1. */
START_TEST(tables_of_others_are_understood)
{
    static const char *const texts[] = {
        /* observables before the states, as the program writes them; not a number, but not ours either */
        ("# program: oqtempo 0.1.0\n# time.step: 0.1\n# t\tsigma_z\ta, b_re\trho_00_re\trho_00_im\n"
         "0\t1\tnan\t1\t0\n1\t1\t0\t-0.5\t2\n"),
        "# t,sigma_z,\"a, b_re\",\"a, b_im\",rho_00_re,rho_00_im\n0,1,2,3,1,0\n1,0,0,0,-0.5,2\n",
        "# t\trho_00_re\trho_00_im\tlater\r\n0\t1\t0\tx\r\n\r\n1\t-0.5\t2\ty\r\n",
        "# t\trho_00_re\trho_00_im\n1\t-5e-1\t2.0\n# in between\n\n0\t1\t0\n",
        "# t,rho_00_re,x,rho_00_im\n0,1,,0\n1,-0.5,,2\n# end\n",
    };
    struct place p = new_place();

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        oqt_trajectory *trajectory;
        const oqt_complex *state;

        spill(p.path, texts[i], strlen(texts[i]));
        trajectory = read_from(&p);
        state = oqt_trajectory_states(trajectory);
        ck_assert_uint_eq(oqt_trajectory_dimension(trajectory), 1);
        ck_assert_uint_eq(oqt_trajectory_length(trajectory), 2);
        ck_assert_double_eq(oqt_trajectory_times(trajectory)[1], 1.0);
        ck_assert(state[0].re == 1.0 && state[0].im == 0.0 && state[1].re == -0.5 && state[1].im == 2.0);
        oqt_trajectory_destroy(trajectory);
    }
    remove_place(&p);
}
END_TEST

static void check_refused(const char *path, oqt_status expected, const char *message)
{
    oqt_trajectory *trajectory = NULL;
    oqt_error err = {OQT_OK, ""};
    oqt_status st = oqt_trajectory_read(&trajectory, path, &err);

    ck_assert_msg(st == expected, "status %d (%s) where %s was expected", (int)st, err.text, message);
    ck_assert_msg(strstr(err.text, message) != NULL, "\"%s\" does not contain \"%s\"", err.text, message);
    ck_assert_ptr_null(trajectory);
}

START_TEST(bad_texts_are_refused_with_their_line)
{
#define NAMES "# t\trho_00_re\trho_00_im\n"
    static const struct {
        const char *text, *message;
    } list[] = {
        {"", "is empty"},
        {"\n", "line 0: expected a line \"# t ..\""},
        {"0\t1\t2\n", "expected a line \"# t ..\""},
        {"# t\n", "line 1: names 0 columns of states"},
        {"# title\n# t\tsigma_z\n0\t1\n", "line 2: names 0 columns of states (rho_00_re ..), expected 2 d^2"},
        {"# t\trho_00_re\n0\t1\n", "line 1: names 1 columns"},
        {"# t\trho_00_re\trho_00_im\trho_01_re\trho_01_im\n", "line 1: names 4 columns"},
        {"# x\trho_00_re\trho_00_im\n", "line 1: the first column is not t"},
        {"# t\trho_00_im\trho_00_re\n", "line 1: expected the column rho_00_re after 0 of states"},
        {"# t\trho_00_re\trho_01_im\n", "line 1: expected the column rho_00_im after 1 of states"},
        {NAMES "0\t1\n", "line 2, column 3: expected a finite number"},
        {NAMES "0\t1\t2\t3\n", "line 2, column 4: expected no more numbers"},
        {NAMES "0\t1\t2\t\n", "line 2, column 4: expected no more numbers"},
        {NAMES "0\t1\t\n", "line 2, column 3: expected a finite number"},
        {NAMES "\t1\t2\n", "line 2, column 1: expected a finite number"},
        {NAMES "0\t1\t2\n1\tx\t2\n", "line 3, column 2: expected a finite number"},
        {NAMES "0\t1\tnan\n", "line 2, column 3: expected a finite number"},
        {NAMES "0\tinf\t1\n", "line 2, column 2: expected a finite number"},
        {NAMES "0\t1e999\t1\n", "line 2, column 2: expected a finite number"},
        {NAMES "0\t1 \t1\n", "line 2, column 2: expected a finite number"},
        {NAMES "0,1,1\n", "line 2, column 1: expected a finite number"},
        {NAMES "0\t1\t2", "line 2: has no end"},
        {NAMES "0\t1\t0.00000000000000000000000000000000000000000000000000000000000000001\n",
         "line 2, column 3: expected a finite number"},
    };
    static const char zero[] = NAMES "0\t1\0001\t2\n";
    struct place p = new_place();

    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        spill(p.path, list[i].text, strlen(list[i].text));
        check_refused(p.path, OQT_EFORMAT, list[i].message);
    }
    spill(p.path, zero, sizeof zero - 1);
    check_refused(p.path, OQT_EFORMAT, "line 2, column 2");
    remove_place(&p);
}
END_TEST

START_TEST(files_that_cannot_be_opened_are_told)
{
    struct place p = new_place();
    oqt_trajectory *trajectory = new_trajectory(1, 0, NULL, NULL);
    char path[160];
    oqt_error err;

    check_refused(p.path, OQT_EIO, "cannot open");
    check_refused(p.dir, OQT_EIO, "cannot read");
    snprintf(path, sizeof path, "%s/missing/table", p.dir);
    for (size_t f = 0; f < n_formats(); f++) {
        ck_assert_int_eq(oqt_trajectory_write(trajectory, path, formats[f], &err), OQT_EIO);
        ck_assert_int_eq(oqt_trajectory_write(trajectory, p.dir, formats[f], &err), OQT_EIO);
    }
    if (!has_hdf5()) {
        ck_assert_int_eq(oqt_trajectory_write(trajectory, p.path, OQT_TABLE_HDF5, &err), OQT_EUNSUPPORTED);
        spill(p.path, "\x89HDF\r\n\x1a\n", 8);
        check_refused(p.path, OQT_EUNSUPPORTED, "built without HDF5");
    }
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

/* Where such a locale is installed. */
START_TEST(numbers_have_a_point_in_every_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    struct place p = new_place();
    uint64_t seed = 4;
    oqt_trajectory *trajectory = random_trajectory(2, 3, &seed), *back;
    bool found = false;

    for (size_t i = 0; i < 4 && !found; i++)
        found = setlocale(LC_NUMERIC, names[i]) != NULL;
    if (!found)
        printf("numbers_have_a_point_in_every_locale: no locale with a decimal comma is installed\n");
    write_to(&p, trajectory, OQT_TABLE_CSV);
    back = read_from(&p);
    ck_assert(are_same(trajectory, back));
    if (found)
        ck_assert_ptr_nonnull(strchr(localeconv()->decimal_point, ','));
    setlocale(LC_NUMERIC, "C");
    oqt_trajectory_destroy(trajectory);
    oqt_trajectory_destroy(back);
    remove_place(&p);
}
END_TEST

/* ---- damaged files ---- */

/* a is b, or b without its last states. */
static bool begins_as(const oqt_trajectory *a, const oqt_trajectory *b)
{
    size_t n = oqt_trajectory_length(a), d = oqt_trajectory_dimension(a);

    return d == oqt_trajectory_dimension(b) && n <= oqt_trajectory_length(b) &&
           (n == 0 || (memcmp(oqt_trajectory_times(a), oqt_trajectory_times(b), n * sizeof(double)) == 0 &&
                       memcmp(oqt_trajectory_states(a), oqt_trajectory_states(b),
                              n * d * d * sizeof(oqt_complex)) == 0));
}

/* Read a copy of these bytes that ends where its memory ends, without the detour of a file. */
static oqt_status read_bytes(oqt_trajectory **out, const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size + (size == 0));
    const oqt__map map = {copy, size};
    oqt_status st;

    memcpy(copy, data, size);
    st = oqt__is_hdf5(&map) ? oqt__trajectory_from_hdf5(out, &map, "bytes", NULL)
                            : oqt__trajectory_from_text(out, &map, "bytes", NULL);
    free(copy);
    ck_assert_msg((st == OQT_OK && *out) || (st == OQT_EFORMAT && !*out), "status %d", (int)st);
    return st;
}

/* A text that ends behind a line is a shorter table; any other is refused. */
START_TEST(truncated_texts_are_refused_or_shorter)
{
    struct place p = new_place();
    uint64_t seed = 5;
    oqt_trajectory *trajectory = random_trajectory(2, 4, &seed);
    size_t size, shorter = 0;
    unsigned char *data;

    write_to(&p, trajectory, OQT_TABLE_TSV);
    data = slurp(p.path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        oqt_trajectory *read = NULL;

        if (read_bytes(&read, data, cut) == OQT_OK) {
            ck_assert(cut > 0 && data[cut - 1] == '\n');
            ck_assert(begins_as(read, trajectory));
            shorter++;
        }
        oqt_trajectory_destroy(read);
    }
    ck_assert_uint_eq(shorter, 4); /* without states, and with 1 to 3 */
    free(data);
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

/* Whatever a file holds, reading ends with finite numbers or with OQT_EFORMAT. */
static void check_reading(const unsigned char *data, size_t size)
{
    oqt_trajectory *read = NULL;

    if (read_bytes(&read, data, size) == OQT_OK) {
        size_t n = oqt_trajectory_length(read), d = oqt_trajectory_dimension(read);

        for (size_t k = 0; k < n; k++)
            ck_assert(isfinite(oqt_trajectory_times(read)[k]));
        for (size_t i = 0; i < n * d * d; i++)
            ck_assert(isfinite(oqt_trajectory_states(read)[i].re) &&
                      isfinite(oqt_trajectory_states(read)[i].im));
    }
    oqt_trajectory_destroy(read);
}

START_TEST(altered_texts_do_no_harm)
{
    enum { CHANGES = 3000 };
    static const char likely[] = "\n\t,#\"0-e. tr_\0\x7f";
    struct place p = new_place();
    uint64_t seed = 6;
    oqt_trajectory *trajectory = random_trajectory(2, 3, &seed);

    for (size_t f = 0; f < 2; f++) {
        size_t size;
        unsigned char *data;

        write_to(&p, trajectory, formats[f]);
        data = slurp(p.path, &size);
        for (size_t i = 0; i < CHANGES; i++) {
            unsigned char *copy = malloc(size);
            size_t n = 1 + i % 4;

            memcpy(copy, data, size);
            for (size_t k = 0; k < n; k++) {
                size_t at = (size_t)(random_uniform(&seed) * (double)size);

                copy[at] = i % 2 ? (unsigned char)likely[(size_t)(random_uniform(&seed) * sizeof likely)]
                                 : (unsigned char)(random_uniform(&seed) * 256.0);
            }
            check_reading(copy, size);
            free(copy);
        }
        free(data);
    }
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

#ifdef OQT_HAVE_HDF5

enum { USER_BLOCK = 512 };

START_TEST(truncated_or_altered_hdf5_files_are_refused)
{
    enum { FLIPS = 3000, SEAL = 79 };
    struct place p = new_place();
    uint64_t seed = 7;
    oqt_trajectory *trajectory = random_trajectory(2, 5, &seed);
    size_t size, harmless = 0;
    unsigned char *data;

    write_to(&p, trajectory, OQT_TABLE_HDF5);
    data = slurp(p.path, &size);
    for (size_t cut = 0; cut < size; cut++) {
        oqt_trajectory *read = NULL;

        ck_assert_int_eq(read_bytes(&read, data, cut), OQT_EFORMAT);
    }
    for (size_t i = 0; i < FLIPS; i++) {
        size_t at = (size_t)(random_uniform(&seed) * (double)(i % 2 ? USER_BLOCK : size));
        unsigned char bit = (unsigned char)(1u << (unsigned)(random_uniform(&seed) * 8.0));
        oqt_trajectory *read = NULL;

        data[at] ^= bit;
        if (read_bytes(&read, data, size) == OQT_OK) {
            ck_assert_msg(are_same(trajectory, read) && at >= SEAL && at < USER_BLOCK, "byte %zu", at);
            harmless++;
        }
        data[at] ^= bit;
        oqt_trajectory_destroy(read);
    }
    ck_assert_uint_gt(harmless, 0);
    ck_assert_uint_lt(harmless, FLIPS / 2);
    free(data);
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

/* ---- HDF5 files of the program, and others with a seal ---- */

/* The user block of docs/conventions.md. */
static void seal(const char *path)
{
    uint64_t hash = 0xcbf29ce484222325u;
    size_t size;
    unsigned char *data = slurp(path, &size);

    for (size_t i = USER_BLOCK; i < size; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    memcpy(data, "oqtempo table\n", 15);
    snprintf((char *)data + 15, 100, "length %zu hash %016llx\n", size - USER_BLOCK,
             (unsigned long long)hash);
    spill(path, data, size);
    free(data);
}

struct column {
    const char *name;
    double value[2];
};

static const struct column columns[] = {{"t", {0.5, 1.5}},
                                        {"sigma_z", {9, 9}},
                                        {"rho_00_re", {1, 0.25}},
                                        {"rho_00_im", {-0.0, 3}},
                                        {"a, b_re", {7, 7}}};
enum { N_COLUMNS = sizeof columns / sizeof *columns };

/* What to do otherwise than the program does. */
enum twist {
    NONE,
    CHUNKED,
    FLOATS,
    TWO_DIMENSIONS,
    SHORT_COLUMN,
    SOFT_LINK,
    EXTERNAL,
    NOT_FINITE,
    NO_TIME,
    HUGE_SIZE
};

static void add_attribute(hid_t file)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute;

    H5Tset_size(type, 8);
    attribute = H5Acreate2(file, "program", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, "oqtempo");
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

/* rho_00_im is twisted. */
static void add_column(hid_t file, const struct column *c, enum twist twist)
{
    bool twisted = strcmp(c->name, "rho_00_im") == 0;
    hsize_t size[2] = {twisted && twist == SHORT_COLUMN ? 1 : 2, 1}, chunk[2] = {1, 1};
    int rank = twisted && twist == TWO_DIMENSIONS ? 2 : 1;
    const double bad[2] = {0, NAN};
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space, set;

    if (twisted && twist == CHUNKED)
        H5Pset_chunk(plist, 1, chunk);
    if (twisted && twist == EXTERNAL)
        H5Pset_external(plist, "/etc/hostname", 0, 16);
    if (twist == HUGE_SIZE)
        size[0] = (hsize_t)1 << 50; /* never written, so that it takes no room */
    space = H5Screate_simple(rank, size, NULL);
    set = H5Dcreate2(file, c->name, twisted && twist == FLOATS ? H5T_IEEE_F32LE : H5T_IEEE_F64LE, space,
                     H5P_DEFAULT, plist, H5P_DEFAULT);
    ck_assert(set >= 0);
    if (twist != EXTERNAL && twist != HUGE_SIZE)
        ck_assert(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           twisted && twist == NOT_FINITE ? bad : c->value) >= 0);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(plist);
}

/* As tools/oqtempo/table_hdf5.c does it. */
static void make_hdf5_table(const char *path, enum twist twist)
{
    hid_t create = H5Pcreate(H5P_FILE_CREATE), access = H5Pcreate(H5P_FILE_ACCESS), file;

    H5Pset_userblock(create, USER_BLOCK);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_LATEST);
    file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    ck_assert(file >= 0);
    add_attribute(file);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        if (twist == SOFT_LINK && strcmp(columns[i].name, "rho_00_im") == 0) {
            ck_assert(H5Lcreate_soft("/rho_00_re", file, "rho_00_im", H5P_DEFAULT, H5P_DEFAULT) >= 0);
        } else if (twist != NO_TIME || i > 0) {
            add_column(file, &columns[i], twist);
        }
    }
    H5Fclose(file);
    H5Pclose(access);
    H5Pclose(create);
    seal(path);
}

START_TEST(hdf5_tables_of_the_program_are_understood)
{
    struct place p = new_place();
    oqt_trajectory *trajectory;
    const oqt_complex expected[2] = {{1, -0.0}, {0.25, 3}};

    make_hdf5_table(p.path, NONE);
    trajectory = read_from(&p);
    ck_assert_uint_eq(oqt_trajectory_dimension(trajectory), 1);
    ck_assert_uint_eq(oqt_trajectory_length(trajectory), 2);
    ck_assert_int_eq(memcmp(oqt_trajectory_states(trajectory), expected, sizeof expected), 0);
    ck_assert_double_eq(oqt_trajectory_times(trajectory)[1], 1.5);
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

START_TEST(hdf5_files_of_other_content_are_refused)
{
    struct place p = new_place();

    for (enum twist twist = CHUNKED; twist <= HUGE_SIZE; twist++) {
        make_hdf5_table(p.path, twist);
        check_refused(p.path, OQT_EFORMAT, "does not hold the columns");
    }
    spill(p.path, "\x89HDF\r\n\x1a\n", 8);
    check_refused(p.path, OQT_EFORMAT, "has no checksum");
    remove_place(&p);
}
END_TEST

#endif

/* ---- failing allocations ---- */

static oqt_status make_and_grow(void *ctx)
{
    static const double times[3] = {2.0, 1.0, 0.0};
    static const oqt_complex states[100];
    oqt_trajectory *trajectory = NULL;
    oqt_status st = oqt_trajectory_create(&trajectory, 1, 3, times, states, 0, NULL);

    (void)ctx;
    for (size_t k = 0; st == OQT_OK && k < 100; k++) {
        size_t n = oqt_trajectory_length(trajectory);

        st = oqt_trajectory_add(trajectory, (double)(k % 7), &states[k], NULL);
        ck_assert_uint_eq(oqt_trajectory_length(trajectory), st == OQT_OK ? n + 1 : n);
    }
    oqt_trajectory_destroy(trajectory);
    return st;
}

struct file_call {
    const char *path;
    const oqt_trajectory *trajectory;
    oqt_table_format format;
};

static oqt_status write_and_read(void *ctx)
{
    const struct file_call *call = ctx;
    oqt_trajectory *read = NULL;
    oqt_status st = oqt_trajectory_write(call->trajectory, call->path, call->format, NULL);

    if (st == OQT_OK)
        st = oqt_trajectory_read(&read, call->path, NULL);
    oqt_trajectory_destroy(read);
    return st;
}

/* A table whose rows are in disorder has to be sorted as well. */
static oqt_status read_only(void *ctx)
{
    oqt_trajectory *read = NULL;
    oqt_status st = oqt_trajectory_read(&read, ctx, NULL);

    oqt_trajectory_destroy(read);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    static const char text[] = "# t\trho_00_re\trho_00_im\n1\t0\t0\n0\t1\t2\n";
    struct place p = new_place();
    uint64_t seed = 9;
    oqt_trajectory *trajectory = random_trajectory(2, 4, &seed);

    ck_assert_uint_ge(check_every_allocation(make_and_grow, NULL), 8);
    for (size_t f = 0; f < n_formats(); f++) {
        struct file_call call = {p.path, trajectory, formats[f]};

        ck_assert_uint_ge(check_every_allocation(write_and_read, &call), 6);
    }
    spill(p.path, text, sizeof text - 1);
    ck_assert_uint_ge(check_every_allocation(read_only, p.path), 7);
    oqt_trajectory_destroy(trajectory);
    remove_place(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("trajectory");
    TCase *tc = tcase_create("object");

    tcase_add_test(tc, times_are_in_order_and_equal_ones_as_they_came);
    tcase_add_test(tc, a_thousand_states_in_random_order);
    tcase_add_test(tc, columns_of_a_run_become_trajectories);
    tcase_add_test(tc, expectations_are_traces_of_products);
    tcase_add_test(tc, bad_arguments_are_refused);
    suite_add_tcase(suite, tc);

    tc = tcase_create("files");
    tcase_add_test(tc, files_give_back_every_bit);
    tcase_add_test(tc, files_give_back_numbers_at_the_ends_of_their_range);
    tcase_add_test(tc, files_keep_an_empty_trajectory_and_its_dimension);
    tcase_add_test(tc, text_is_laid_out_as_documented);
    tcase_add_test(tc, tables_of_others_are_understood);
    tcase_add_test(tc, bad_texts_are_refused_with_their_line);
    tcase_add_test(tc, files_that_cannot_be_opened_are_told);
    tcase_add_test(tc, numbers_have_a_point_in_every_locale);
    tcase_add_test(tc, truncated_texts_are_refused_or_shorter);
    tcase_add_test(tc, altered_texts_do_no_harm);
#ifdef OQT_HAVE_HDF5
    tcase_add_test(tc, truncated_or_altered_hdf5_files_are_refused);
    tcase_add_test(tc, hdf5_tables_of_the_program_are_understood);
    tcase_add_test(tc, hdf5_files_of_other_content_are_refused);
#endif
    suite_add_tcase(suite, tc);

    tc = tcase_create("failures");
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
