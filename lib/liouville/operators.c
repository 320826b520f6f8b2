/* operators.c - operators, states and superoperators by name or by construction. */
#include <oqtempo/operators.h>

#include "core/numbers.h"
#include "linalg/linalg.h"
#include "liouville/system_priv.h"

#include <math.h>
#include <string.h>

/* Where binomial coefficients and their weights still are doubles. */
enum { MAX_SPIN_DIMENSION = 1024 };

/* Relative to the largest element. */
#define HERMITICITY_TOLERANCE 1e-10
#define UNITARITY_TOLERANCE   1e-10
#define GROUND_TOLERANCE      1e-12

static const oqt_complex one = {1.0, 0.0};

/* ---- names ---- */

enum {
    IDENTITY,
    SIGMA_X,
    SIGMA_Y,
    SIGMA_Z,
    SIGMA_PLUS,
    SIGMA_MINUS,
    CREATE,
    DESTROY,
    NUMBER,
    POSITION,
    MOMENTUM,
    SPIN_X,
    SPIN_Y,
    SPIN_Z,
    SPIN_PLUS,
    SPIN_MINUS,
    KET_BRA
};
static const char *const op_names[] = {"identity",    "sigma_x",      "sigma_y", "sigma_z", "sigma_plus",
                                       "sigma_minus", "create",       "destroy", "number",  "position",
                                       "momentum",    "spin_x",       "spin_y",  "spin_z",  "spin_plus",
                                       "spin_minus",  "ket_bra(i,j)", NULL};

enum { UP, DOWN, X_PLUS, X_MINUS, Y_PLUS, Y_MINUS, Z_PLUS, Z_MINUS, MIXED, BASIS };
static const char *const state_names[] = {"up", "down", "x+",    "x-",       "y+", "y-",
                                          "z+", "z-",   "mixed", "basis(i)", NULL};

const char *const *oqt_op_names(void)
{
    return op_names;
}

const char *const *oqt_state_names(void)
{
    return state_names;
}

/* A whole number in decimal, possibly with blanks around it; moves *at behind it. */
static bool take_index(size_t *out, const char **at)
{
    const char *p = *at + strspn(*at, " ");
    size_t n = 0;

    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        n = n < SIZE_MAX / 20 ? 10 * n + (size_t)(*p - '0') : SIZE_MAX / 2;
    *at = p + strspn(p, " ");
    *out = n;
    return true;
}

/* Whether text is like a pattern such as "ket_bra(i,j)", in which i and j stand for whole numbers. */
static bool matches(size_t index[2], const char *text, const char *pattern)
{
    size_t head = strcspn(pattern, "(") + 1;

    if (strncmp(text, pattern, head) != 0)
        return false;
    if (pattern[head - 1] == '\0')
        return true;
    for (text += head, pattern += head; *pattern; pattern++) {
        if (*pattern == 'i' || *pattern == 'j') {
            if (!take_index(&index[*pattern - 'i'], &text))
                return false;
        } else if (*text++ != *pattern) {
            return false;
        }
    }
    return *text == '\0';
}

/* Position of a name in a list, and the numbers in it; checked against d if the name has any. */
static oqt_status find(size_t *which, size_t index[2], const char *name, const char *const *names, size_t d,
                       const char *what, oqt_error *err)
{
    char list[200] = "";
    size_t n = 0;

    if (!name || d == 0)
        return oqt__fail(err, OQT_EINVAL, "the name of the %s is missing, or the dimension is zero", what);
    index[0] = index[1] = 0;
    while (names[n] && !matches(index, name, names[n]))
        n++;
    if (!names[n]) {
        for (size_t i = 0; names[i]; i++) {
            strcat(list, i ? ", " : "");
            strcat(list, names[i]);
        }
        return oqt__fail(err, OQT_EINVAL, "unknown %s \"%.40s\"; expected one of %s", what, name, list);
    }
    if (index[0] >= d || index[1] >= d)
        return oqt__fail(err, OQT_ERANGE, "\"%.40s\" has an index beyond dimension %zu; the first is 0", name,
                         d);
    *which = n;
    return OQT_OK;
}

static oqt_status need_qubit(size_t d, const char *name, const char *what, oqt_error *err)
{
    if (d == 2)
        return OQT_OK;
    return oqt__fail(err, OQT_ERANGE, "%s \"%s\" needs dimension 2, but the dimension is %zu", what, name, d);
}

/* ---- operators ---- */

static void add_product(oqt_complex *to, oqt_complex a, oqt_complex b)
{
    oqt_complex z = oqt__mul(a, b);

    to->re += z.re;
    to->im += z.im;
}

/* Row and column n of an operator with three bands: the elements (n, n+1), (n, n) and (n+1, n). */
struct bands {
    oqt_complex above, diagonal, below;
};

/* <n|J+|n+1> = sqrt((n + 1)(d - 1 - n)), as m = (d - 1)/2 - n. */
static struct bands spin_bands(size_t which, double d, double n)
{
    double m = 0.5 * (d - 1.0) - n, ladder = sqrt((n + 1.0) * (d - 1.0 - n));

    switch (which) {
    case SPIN_X:
        return (struct bands){.above = {0.5 * ladder, 0.0}, .below = {0.5 * ladder, 0.0}};
    case SPIN_Y:
        return (struct bands){.above = {0.0, -0.5 * ladder}, .below = {0.0, 0.5 * ladder}};
    case SPIN_Z:
        return (struct bands){.diagonal = {m, 0.0}};
    case SPIN_PLUS:
        return (struct bands){.above = {ladder, 0.0}};
    default: /* SPIN_MINUS */
        return (struct bands){.below = {ladder, 0.0}};
    }
}

static struct bands bands_of(size_t which, double d, double n)
{
    double root = sqrt(n + 1.0), half = root * sqrt(0.5);

    switch (which) {
    case IDENTITY:
        return (struct bands){.diagonal = {1.0, 0.0}};
    case NUMBER:
        return (struct bands){.diagonal = {n, 0.0}};
    case CREATE:
        return (struct bands){.below = {root, 0.0}};
    case DESTROY:
        return (struct bands){.above = {root, 0.0}};
    case POSITION:
        return (struct bands){.above = {half, 0.0}, .below = {half, 0.0}};
    case MOMENTUM:
        return (struct bands){.above = {0.0, -half}, .below = {0.0, half}};
    default:
        return spin_bands(which, d, n);
    }
}

static void add_bands(oqt_complex *op, size_t d, oqt_complex c, size_t which)
{
    for (size_t n = 0; n < d; n++) {
        struct bands b = bands_of(which, (double)d, (double)n);

        add_product(op + n * d + n, c, b.diagonal);
        if (n + 1 < d) {
            add_product(op + n * d + n + 1, c, b.above);
            add_product(op + (n + 1) * d + n, c, b.below);
        }
    }
}

oqt_status oqt_op_add(oqt_complex *op, size_t d, oqt_complex c, const char *name, oqt_error *err)
{
    size_t which, index[2];
    oqt_status st = find(&which, index, name, op_names, d, "operator", err);

    if (st != OQT_OK)
        return st;
    if (which == KET_BRA) {
        add_product(op + index[0] * d + index[1], c, one);
        return OQT_OK;
    }
    if (which >= SIGMA_X && which <= SIGMA_MINUS) {
        if ((st = need_qubit(d, name, "operator", err)) != OQT_OK)
            return st;
        /* Twice the spin 1/2, but for the ladder operators. */
        if (which <= SIGMA_Z)
            c = (oqt_complex){2.0 * c.re, 2.0 * c.im};
        which += SPIN_X - SIGMA_X;
    }
    add_bands(op, d, c, which);
    return OQT_OK;
}

oqt_status oqt_op_by_name(oqt_complex *op, size_t d, const char *name, oqt_error *err)
{
    size_t which, index[2];
    oqt_status st = find(&which, index, name, op_names, d, "operator", err);

    if (st == OQT_OK && which >= SIGMA_X && which <= SIGMA_MINUS)
        st = need_qubit(d, name, "operator", err);
    if (st != OQT_OK)
        return st;
    memset(op, 0, d * d * sizeof *op);
    return oqt_op_add(op, d, one, name, err);
}

oqt_status oqt_op_ket_bra(oqt_complex *op, size_t d, size_t i, size_t j, oqt_error *err)
{
    if (i >= d || j >= d)
        return oqt__fail(err, OQT_ERANGE, "|%zu><%zu| does not exist in dimension %zu; the first is 0", i, j,
                         d);
    memset(op, 0, d * d * sizeof *op);
    op[i * d + j] = one;
    return OQT_OK;
}

void oqt_op_tensor(oqt_complex *op, size_t da, const oqt_complex *a, size_t db, const oqt_complex *b)
{
    for (size_t i = 0; i < da; i++)
        for (size_t k = 0; k < db; k++)
            for (size_t j = 0; j < da; j++)
                for (size_t l = 0; l < db; l++)
                    *op++ = oqt__mul(a[i * da + j], b[k * db + l]);
}

/* ---- states ---- */

oqt_status oqt_state_by_name(oqt_complex *rho, size_t d, const char *name, oqt_error *err)
{
    static const char *const axis[] = {"sigma_z", "sigma_z", "sigma_x", "sigma_x",
                                       "sigma_y", "sigma_y", "sigma_z", "sigma_z"};
    size_t which, index[2];
    oqt_status st = find(&which, index, name, state_names, d, "state", err);

    if (st == OQT_OK && which < MIXED)
        st = need_qubit(d, name, "state", err);
    if (st != OQT_OK)
        return st;
    if (which == BASIS)
        return oqt_op_ket_bra(rho, d, index[0], index[0], err);
    memset(rho, 0, d * d * sizeof *rho);
    for (size_t i = 0; i < d; i++)
        rho[i * d + i].re = 1.0 / (double)d;
    if (which == MIXED)
        return OQT_OK;
    return oqt_op_add(rho, d, (oqt_complex){which % 2 ? -0.5 : 0.5, 0.0}, axis[which], err);
}

oqt_status oqt_state_pure(oqt_complex *rho, size_t d, const oqt_complex *psi, oqt_error *err)
{
    double largest = 0.0, norm = 0.0;

    for (size_t i = 0; i < d; i++) {
        double size = hypot(psi[i].re, psi[i].im);

        largest = isfinite(size) ? fmax(largest, size) : INFINITY;
    }
    if (!(largest > 0.0) || !isfinite(largest))
        return oqt__fail(err, OQT_EINVAL, "a pure state needs a finite vector other than zero");
    for (size_t i = 0; i < d; i++) {
        oqt_complex z = {psi[i].re / largest, psi[i].im / largest};

        norm += z.re * z.re + z.im * z.im;
    }
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            oqt_complex z = {psi[i].re / largest, psi[i].im / largest};
            oqt_complex w = {psi[j].re / largest, -psi[j].im / largest};

            z = oqt__mul(z, w);
            rho[i * d + j] = (oqt_complex){z.re / norm, z.im / norm};
        }
    return OQT_OK;
}

/* psi_n = size_n exp(i n phase), size in psi_n.re */
static oqt_status state_of_sizes(oqt_complex *rho, size_t d, oqt_complex *psi, double phase, oqt_error *err)
{
    for (size_t n = 0; n < d; n++) {
        double size = psi[n].re, angle = (double)n * phase;

        psi[n] = (oqt_complex){size * cos(angle), size * sin(angle)};
    }
    return oqt_state_pure(rho, d, psi, err);
}

oqt_status oqt_state_coherent(oqt_complex *rho, size_t d, oqt_complex alpha, oqt_error *err)
{
    double size = hypot(alpha.re, alpha.im), largest = 0.0;
    oqt_complex *psi;
    oqt_status st;

    if (d == 0 || !isfinite(size))
        return oqt__fail(err, OQT_EINVAL, "a coherent state needs a finite amplitude and at least one level");
    if (size == 0.0)
        return oqt_op_ket_bra(rho, d, 0, 0, err);
    psi = oqt__calloc(d, sizeof *psi);
    if (!psi)
        return oqt__no_memory(err, "a coherent state");
    /* Logarithms: exp(|alpha|^2) need not be a double. */
    for (size_t n = 1; n < d; n++) {
        psi[n].re = psi[n - 1].re + log(size) - 0.5 * log((double)n);
        largest = fmax(largest, psi[n].re);
    }
    for (size_t n = 0; n < d; n++)
        psi[n].re = exp(psi[n].re - largest);
    st = state_of_sizes(rho, d, psi, atan2(alpha.im, alpha.re), err);
    oqt__free(psi);
    return st;
}

oqt_status oqt_state_spin(oqt_complex *rho, size_t d, double theta, double phi, oqt_error *err)
{
    double c = cos(0.5 * theta), s = sin(0.5 * theta), binomial = 1.0;
    oqt_complex *psi;
    oqt_status st;

    if (!isfinite(theta) || !isfinite(phi))
        return oqt__fail(err, OQT_EINVAL, "the direction of a spin must be finite, got (%g, %g)", theta, phi);
    if (d == 0 || d > MAX_SPIN_DIMENSION)
        return oqt__fail(err, OQT_EINVAL, "a spin-coherent state needs dimension 1 to %d, got %zu",
                         MAX_SPIN_DIMENSION, d);
    psi = oqt__calloc(d, sizeof *psi);
    if (!psi)
        return oqt__no_memory(err, "a spin-coherent state");
    /* sqrt(binomial(2j, n)) cos(theta/2)^(2j - n) sin(theta/2)^n exp(i n phi) */
    for (size_t n = 0; n < d; n++) {
        double left = (double)(d - 1 - n);

        psi[n].re = sqrt(binomial) * pow(c, left) * pow(s, (double)n);
        binomial *= left / ((double)n + 1.0);
    }
    st = state_of_sizes(rho, d, psi, phi, err);
    oqt__free(psi);
    return st;
}

/* rho = sum_k p_k |v_k><v_k| with normalized weights of the energies w; v_k are columns. */
static void mix_eigenstates(oqt_complex *rho, size_t d, const double *w, const oqt_complex *v, double *p,
                            double temperature)
{
    double sum = 0.0, range = fmax(fabs(w[0]), fabs(w[d - 1]));

    for (size_t k = 0; k < d; k++) {
        p[k] =
            temperature > 0.0 ? exp(-(w[k] - w[0]) / temperature) : w[k] - w[0] <= GROUND_TOLERANCE * range;
        sum += p[k];
    }
    memset(rho, 0, d * d * sizeof *rho);
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++) {
                oqt_complex z = {v[i * d + k].re * p[k] / sum, v[i * d + k].im * p[k] / sum};

                add_product(&rho[i * d + j], z, oqt__conj(v[j * d + k]));
            }
}

oqt_status oqt_state_thermal(oqt_complex *rho, size_t d, const oqt_complex *hamiltonian, double temperature,
                             oqt_error *err)
{
    double *w = NULL, *p = NULL;
    oqt_complex *v = NULL;
    oqt_status st;

    if (d == 0 || !(temperature >= 0.0) || !isfinite(temperature))
        return oqt__fail(err, OQT_EINVAL, "a thermal state needs a temperature >= 0, got %g", temperature);
    for (size_t i = 0; i < d * d; i++)
        if (!isfinite(hamiltonian[i].re) || !isfinite(hamiltonian[i].im))
            return oqt__fail(err, OQT_EINVAL, "the Hamiltonian of a thermal state is not finite");
    if (oqt__hermiticity_defect(hamiltonian, d) > HERMITICITY_TOLERANCE)
        return oqt__fail(err, OQT_EINVAL, "the Hamiltonian of a thermal state is not Hermitian");
    w = oqt__doubles(d);
    p = oqt__doubles(d);
    v = oqt__calloc(d * d, sizeof *v);
    if (!w || !p || !v) {
        st = oqt__no_memory(err, "a thermal state");
        goto done;
    }
    st = oqt__eigenbasis(w, v, hamiltonian, d, err);
    if (st == OQT_OK)
        mix_eigenstates(rho, d, w, v, p, temperature);
done:
    oqt__free(v);
    oqt__free(p);
    oqt__free(w);
    return st;
}

/* ---- superoperators ---- */

/* Element (i, k) of a matrix, which is 1 if there is none. */
static oqt_complex element(const oqt_complex *a, size_t d, size_t i, size_t k)
{
    return a ? a[i * d + k] : (oqt_complex){i == k, 0.0};
}

/* Element (i d + j, k d + l) of rho -> A rho B. */
static oqt_complex map_element(const oqt_complex *a, const oqt_complex *b, size_t d, size_t row,
                               size_t column)
{
    return oqt__mul(element(a, d, row / d, column / d), element(b, d, column % d, row % d));
}

/* out += c times rho -> (A1 (x) B1) rho (A2 (x) B2) of two sites; NULL is the identity. One site: db = 1. */
static void add_map(oqt_complex *out, double c, size_t da, const oqt_complex *a1, const oqt_complex *a2,
                    size_t db, const oqt_complex *b1, const oqt_complex *b2)
{
    size_t na = da * da, nb = db * db;

    for (size_t p = 0; p < na; p++)
        for (size_t q = 0; q < na; q++) {
            oqt_complex a = map_element(a1, a2, da, p, q);

            a = (oqt_complex){c * a.re, c * a.im};
            if (a.re == 0.0 && a.im == 0.0)
                continue;
            for (size_t r = 0; r < nb; r++)
                for (size_t s = 0; s < nb; s++)
                    add_product(&out[(p * nb + r) * na * nb + q * nb + s], a, map_element(b1, b2, db, r, s));
        }
}

static void clear(oqt_complex *out, size_t d)
{
    memset(out, 0, d * d * d * d * sizeof *out);
}

void oqt_super_left_right(oqt_complex *out, size_t d, const oqt_complex *a, const oqt_complex *b)
{
    clear(out, d);
    add_map(out, 1.0, d, a, b, 1, NULL, NULL);
}

void oqt_super_left(oqt_complex *out, size_t d, const oqt_complex *a)
{
    oqt_super_left_right(out, d, a, NULL);
}

void oqt_super_right(oqt_complex *out, size_t d, const oqt_complex *a)
{
    oqt_super_left_right(out, d, NULL, a);
}

void oqt_super_commutator(oqt_complex *out, size_t d, const oqt_complex *a)
{
    clear(out, d);
    oqt__add_commutator(out, (oqt_complex){1.0, 0.0}, a, d);
}

void oqt_super_anticommutator(oqt_complex *out, size_t d, const oqt_complex *a)
{
    oqt_super_left(out, d, a);
    add_map(out, 1.0, d, NULL, a, 1, NULL, NULL);
}

/* out += rho -> K rho K^+. */
static void add_kraus(oqt_complex *out, size_t d, const oqt_complex *k)
{
    size_t n = d * d;

    for (size_t p = 0; p < n; p++)
        for (size_t q = 0; q < n; q++)
            add_product(&out[p * n + q], k[p / d * d + q / d], oqt__conj(k[p % d * d + q % d]));
}

void oqt_super_dissipator(oqt_complex *out, size_t d, const oqt_complex *a)
{
    clear(out, d);
    oqt__add_dissipator(out, 1.0, a, d);
}

void oqt_super_kraus(oqt_complex *out, size_t d, size_t n, const oqt_complex *kraus)
{
    clear(out, d);
    for (size_t k = 0; k < n; k++)
        add_kraus(out, d, kraus + k * d * d);
}

oqt_status oqt_super_unitary(oqt_complex *out, size_t d, const oqt_complex *u, oqt_error *err)
{
    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k < d; k++) {
            oqt_complex z = oqt__square_element(u, d, i, k);
            double defect = hypot(z.re - (i == k), z.im);

            if (!(defect <= UNITARITY_TOLERANCE))
                return oqt__fail(err, OQT_EINVAL,
                                 "not a unitary matrix: element (%zu,%zu) of U^+ U is %g%+gi", i, k, z.re,
                                 z.im);
        }
    oqt_super_kraus(out, d, 1, u);
    return OQT_OK;
}

void oqt_super_preparation(oqt_complex *out, size_t d, const oqt_complex *sigma)
{
    size_t n = d * d;

    clear(out, d);
    for (size_t p = 0; p < n; p++)
        for (size_t k = 0; k < d; k++)
            out[p * n + k * d + k] = sigma[p];
}

void oqt_super_cross_left_right(oqt_complex *out, size_t da, const oqt_complex *a1, const oqt_complex *a2,
                                size_t db, const oqt_complex *b1, const oqt_complex *b2)
{
    clear(out, da * db);
    add_map(out, 1.0, da, a1, a2, db, b1, b2);
}

void oqt_super_cross_commutator(oqt_complex *out, size_t da, const oqt_complex *a, size_t db,
                                const oqt_complex *b)
{
    oqt_super_cross_left_right(out, da, a, NULL, db, b, NULL);
    add_map(out, -1.0, da, NULL, a, db, NULL, b);
}

void oqt_super_cross_anticommutator(oqt_complex *out, size_t da, const oqt_complex *a, size_t db,
                                    const oqt_complex *b)
{
    oqt_super_cross_left_right(out, da, a, NULL, db, b, NULL);
    add_map(out, 1.0, da, NULL, a, db, NULL, b);
}
