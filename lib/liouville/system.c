/* system.c - Hamiltonian, Lindblad terms, and the propagator of a constant system. */
#include "core/numbers.h"
#include "linalg/linalg.h"
#include "liouville/system_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The Liouvillian of a larger one would need 16 TiB; vectors of this length fit on the stack. */
enum { MAX_DIMENSION = 1024 };

/* Relative to the largest element. */
#define HERMITICITY_TOLERANCE 1e-10
#define COMMUTATION_TOLERANCE 1e-12

/* ---- input ---- */

oqt_status oqt__check_finite(const oqt_complex *a, size_t rows, const char *what, oqt_error *err)
{
    for (size_t i = 0; i < rows * rows; i++)
        if (!isfinite(a[i].re) || !isfinite(a[i].im))
            return oqt__fail(err, OQT_EINVAL, "%s is not finite: element (%zu,%zu) is %g%+gi", what, i / rows,
                             i % rows, a[i].re, a[i].im);
    return OQT_OK;
}

oqt_status oqt__check_hermitian(const oqt_complex *h, size_t d, const char *what, oqt_error *err)
{
    double largest = 0.0;

    if (!(oqt__hermiticity_defect(h, d) > HERMITICITY_TOLERANCE))
        return OQT_OK;
    for (size_t i = 0; i < d * d; i++)
        largest = fmax(largest, hypot(h[i].re, h[i].im));
    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d; j++) {
            oqt_complex p = h[i * d + j], q = h[j * d + i];
            double diff = hypot(p.re - q.re, p.im + q.im);

            if (!(diff > HERMITICITY_TOLERANCE * largest))
                continue;
            if (i == j)
                return oqt__fail(err, OQT_EINVAL,
                                 "%s is not Hermitian: diagonal element (%zu,%zu) has imaginary part %g",
                                 what, i, j, p.im);
            return oqt__fail(
                err, OQT_EINVAL,
                "%s is not Hermitian: element (%zu,%zu) differs from the conjugate of (%zu,%zu) by %g", what,
                i, j, j, i, diff);
        }
    return oqt__fail(err, OQT_EINVAL, "%s is not Hermitian", what);
}

/* ---- the object ---- */

void oqt__add_commutator(oqt_complex *out, oqt_complex c, const oqt_complex *h, size_t d)
{
    size_t n = d * d;

    /* c (H_ik delta_jl - delta_ik H_lj) */
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            oqt_complex *row = out + (i * d + j) * n;

            for (size_t k = 0; k < d; k++) {
                oqt_complex z = oqt__mul(c, h[i * d + k]);

                row[k * d + j].re += z.re;
                row[k * d + j].im += z.im;
            }
            for (size_t l = 0; l < d; l++) {
                oqt_complex z = oqt__mul(c, h[l * d + j]);

                row[i * d + l].re -= z.re;
                row[i * d + l].im -= z.im;
            }
        }
}

oqt_status oqt__eigenbasis(double *w, oqt_complex *v, const oqt_complex *h, size_t d, oqt_error *err)
{
    oqt__blas_guard guard = {false};
    oqt_status st;

    oqt__blas_enter(&guard);
    st = oqt__eigh_complex(w, v, h, d, err);
    oqt__blas_leave(&guard);
    return st;
}

static oqt_status spectral_width(double *width, const oqt_complex *h, size_t d, oqt_error *err)
{
    double *w = oqt__doubles(d);
    oqt_complex *v = oqt__calloc(d * d, sizeof *v);
    oqt_status st;

    if (!w || !v) {
        st = oqt__no_memory(err, "the eigenvalues of a Hamiltonian");
        goto done;
    }
    st = oqt__eigenbasis(w, v, h, d, err);
    if (st == OQT_OK)
        *width = w[d - 1] - w[0];
done:
    oqt__free(v);
    oqt__free(w);
    return st;
}

oqt_status oqt_system_create(oqt_system **out, size_t d, const oqt_complex *hamiltonian, oqt_error *err)
{
    oqt_system *system = NULL;
    oqt_status st;

    if (!out || !hamiltonian)
        return oqt__fail(err, OQT_EINVAL, "hamiltonian or place for the system is missing");
    if (d == 0)
        return oqt__fail(err, OQT_EINVAL, "dimension of the Hilbert space must be at least 1");
    if (d > MAX_DIMENSION)
        return oqt__fail(err, OQT_ERANGE, "dimension %zu of the Hilbert space exceeds %d", d, MAX_DIMENSION);
    if ((st = oqt__check_finite(hamiltonian, d, "hamiltonian", err)) != OQT_OK ||
        (st = oqt__check_hermitian(hamiltonian, d, "hamiltonian", err)) != OQT_OK)
        return st;

    system = oqt__calloc(1, sizeof *system);
    if (!system)
        return oqt__no_memory(err, "a system");
    system->d = d;
    if ((st = spectral_width(&system->width, hamiltonian, d, err)) != OQT_OK)
        goto fail;
    system->hamiltonian = oqt__copy(hamiltonian, d * d, sizeof *hamiltonian);
    system->liouvillian = oqt__calloc(d * d * d * d, sizeof *system->liouvillian);
    if (!system->hamiltonian || !system->liouvillian) {
        st = oqt__no_memory(err, "a Liouvillian");
        goto fail;
    }
    oqt__add_commutator(system->liouvillian, (oqt_complex){0.0, -1.0}, hamiltonian, d);
    *out = system;
    return OQT_OK;
fail:
    oqt_system_destroy(system);
    return st;
}

static void term_release(oqt__term *term)
{
    oqt__free(term->generator);
    oqt__free(term->op_matrix);
}

void oqt_system_destroy(oqt_system *system)
{
    if (!system)
        return;
    for (size_t i = 0; system->term && i < system->n_term; i++)
        term_release(system->term + i);
    oqt__free(system->term);
    oqt__free(system->generator);
    oqt__free(system->hamiltonian);
    oqt__free(system->liouvillian);
    oqt__free(system);
}

/* The arrays of a term by copies of them; false, with none, if there is no memory. */
static bool term_copy(oqt__term *term, size_t d)
{
    oqt__term own = *term;

    own.generator = term->generator ? oqt__copy(term->generator, d * d * d * d, sizeof(double)) : NULL;
    own.op_matrix = term->op_matrix ? oqt__copy(term->op_matrix, d * d, sizeof(oqt_complex)) : NULL;
    if ((term->generator && !own.generator) || (term->op_matrix && !own.op_matrix)) {
        term_release(&own);
        return false;
    }
    *term = own;
    return true;
}

oqt_system *oqt__system_copy(const oqt_system *system)
{
    oqt_system *copy = oqt__copy(system, 1, sizeof *system);
    size_t n = system->d * system->d, n_term = 0;
    bool ok;

    if (!copy)
        return NULL;
    copy->liouvillian = oqt__copy(system->liouvillian, n * n, sizeof *copy->liouvillian);
    copy->hamiltonian = oqt__copy(system->hamiltonian, n, sizeof *copy->hamiltonian);
    copy->generator = system->generator ? oqt__copy(system->generator, n * n, sizeof(double)) : NULL;
    copy->term = oqt__copy(system->term, system->n_term, sizeof *copy->term);
    ok = copy->liouvillian && copy->hamiltonian && copy->term && (copy->generator || !system->generator);
    while (ok && n_term < system->n_term)
        if ((ok = term_copy(copy->term + n_term, system->d)))
            n_term++;
    copy->n_term = n_term; /* arrays of those behind belong to the original */
    if (ok)
        return copy;
    oqt_system_destroy(copy);
    return NULL;
}

oqt_complex oqt__square_element(const oqt_complex *op, size_t d, size_t i, size_t k)
{
    oqt_complex sum = {0.0, 0.0};

    for (size_t m = 0; m < d; m++) {
        oqt_complex z = oqt__mul(oqt__conj(op[m * d + i]), op[m * d + k]);

        sum = (oqt_complex){sum.re + z.re, sum.im + z.im};
    }
    return sum;
}

/* out += rate (A_ik conj(A_jl) - ((A^+A)_ik delta_jl + delta_ik (A^+A)_lj) / 2) */
void oqt__add_dissipator(oqt_complex *out, double rate, const oqt_complex *op, size_t d)
{
    size_t n = d * d;

    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k < d; k++) {
            oqt_complex square = oqt__square_element(op, d, i, k);

            for (size_t j = 0; j < d; j++) {
                oqt_complex *left = out + (i * d + j) * n + k * d + j,
                            *right = out + (j * d + k) * n + j * d + i;

                for (size_t l = 0; l < d; l++) {
                    oqt_complex z = oqt__mul(op[i * d + k], oqt__conj(op[j * d + l]));

                    out[(i * d + j) * n + k * d + l].re += rate * z.re;
                    out[(i * d + j) * n + k * d + l].im += rate * z.im;
                }
                left->re -= 0.5 * rate * square.re; /* A^+A rho */
                left->im -= 0.5 * rate * square.im;
                right->re -= 0.5 * rate * square.re; /* rho A^+A */
                right->im -= 0.5 * rate * square.im;
            }
        }
}

/* The largest eigenvalue of A^+A is its square. */
oqt_status oqt__operator_norm(double *norm, const oqt_complex *op, size_t d, oqt_error *err)
{
    double *w = oqt__doubles(d);
    oqt_complex *square = oqt__calloc(d * d, sizeof *square);
    oqt_status st;

    if (!w || !square) {
        st = oqt__no_memory(err, "the norm of an operator");
        goto done;
    }
    for (size_t i = 0; i < d * d; i++)
        square[i] = oqt__square_element(op, d, i / d, i % d);
    st = oqt__eigenbasis(w, square, square, d, err);
    if (st == OQT_OK)
        *norm = sqrt(fmax(w[d - 1], 0.0));
done:
    oqt__free(square);
    oqt__free(w);
    return st;
}

/* Take over another Liouvillian of the constant terms. */
static void set_liouvillian(oqt_system *system, oqt_complex *liouvillian, double rate_norm)
{
    oqt__free(system->liouvillian);
    system->liouvillian = liouvillian;
    system->rate_norm = fmax(system->rate_norm, rate_norm);
    if (system->generator)
        oqt__system_generator(system->generator, system);
}

oqt_status oqt_system_add_dissipator(oqt_system *system, double rate, const oqt_complex *op, oqt_error *err)
{
    size_t d, n;
    oqt_complex *sum;
    double norm = 0.0;
    oqt_status st;

    if (!system || !op)
        return oqt__fail(err, OQT_EINVAL, "system or operator of the dissipator is missing");
    d = system->d;
    n = d * d;
    if (!isfinite(rate))
        return oqt__fail(err, OQT_EINVAL, "rate of a dissipator must be finite, got %g", rate);
    if ((st = oqt__check_finite(op, d, "operator of a dissipator", err)) != OQT_OK)
        return st;
    sum = oqt__copy(system->liouvillian, n * n, sizeof *sum);
    if (!sum)
        return oqt__no_memory(err, "a dissipator");
    oqt__add_dissipator(sum, rate, op, d);
    st = oqt__check_finite(sum, n, "", NULL) == OQT_OK
             ? oqt__operator_norm(&norm, op, d, err)
             : oqt__fail(err, OQT_EINVAL, "dissipator of rate %g overflows", rate);
    if (st == OQT_OK)
        set_liouvillian(system, sum, fabs(rate) * norm);
    else
        oqt__free(sum);
    return st;
}

/* Row ij of L has to be the conjugate of row ji, and rows ii add up to nothing. */
static oqt_status check_generator(double *largest, const oqt_complex *l, size_t d, oqt_error *err)
{
    size_t n = d * d;
    double asymmetry = 0.0, leak = 0.0;

    *largest = 0.0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            for (size_t k = 0; k < d; k++)
                for (size_t m = 0; m < d; m++) {
                    oqt_complex a = l[(i * d + j) * n + k * d + m], b = l[(j * d + i) * n + m * d + k];

                    *largest = fmax(*largest, hypot(a.re, a.im));
                    asymmetry = fmax(asymmetry, hypot(a.re - b.re, a.im + b.im));
                }
    for (size_t k = 0; k < n; k++) {
        double re = 0.0, im = 0.0;

        for (size_t i = 0; i < d; i++) {
            re += l[(i * d + i) * n + k].re;
            im += l[(i * d + i) * n + k].im;
        }
        leak = fmax(leak, hypot(re, im));
    }
    if (asymmetry > HERMITICITY_TOLERANCE * *largest)
        return oqt__fail(err, OQT_EINVAL, "generator does not keep matrices Hermitian: off by %g", asymmetry);
    if (leak > HERMITICITY_TOLERANCE * *largest)
        return oqt__fail(err, OQT_EINVAL, "generator does not conserve the trace: off by %g", leak);
    return OQT_OK;
}

oqt_status oqt_system_add_generator(oqt_system *system, const oqt_complex *generator, oqt_error *err)
{
    size_t n;
    oqt_complex *sum;
    double largest;
    oqt_status st;

    if (!system || !generator)
        return oqt__fail(err, OQT_EINVAL, "system or generator is missing");
    n = system->d * system->d;
    if ((st = oqt__check_finite(generator, n, "generator", err)) != OQT_OK ||
        (st = check_generator(&largest, generator, system->d, err)) != OQT_OK)
        return st;
    sum = oqt__copy(system->liouvillian, n * n, sizeof *sum);
    if (!sum)
        return oqt__no_memory(err, "a generator");
    for (size_t i = 0; i < n * n; i++) {
        sum[i].re += generator[i].re;
        sum[i].im += generator[i].im;
    }
    set_liouvillian(system, sum, largest);
    return OQT_OK;
}

int oqt_system_is_constant(const oqt_system *system)
{
    return system->n_term == 0;
}

size_t oqt_system_n_parameters(const oqt_system *system)
{
    return system->n_parameters;
}

size_t oqt_system_dimension(const oqt_system *system)
{
    return system->d;
}

double oqt_system_spectral_width(const oqt_system *system)
{
    return system->width;
}

void oqt_system_liouvillian(oqt_complex *out, const oqt_system *system)
{
    size_t n = system->d * system->d;

    memcpy(out, system->liouvillian, n * n * sizeof *out);
}

/* ---- propagation ---- */

void oqt__system_generator(double *out, const oqt_system *system)
{
    oqt__herm_superop(out, system->liouvillian, system->d);
}

oqt_status oqt__system_propagator(double *out, const oqt_system *system, double t, oqt_error *err)
{
    size_t n = system->d * system->d;
    double *generator;
    oqt__blas_guard guard = {false};
    oqt_status st;

    if (!isfinite(t))
        return oqt__fail(err, OQT_EINVAL, "time of a propagator must be finite, got %g", t);
    if (system->n_term > 0)
        return oqt__fail(err, OQT_EINVAL, "a system that is not constant has no propagator exp(L t)");
    generator = oqt__doubles(n * n);
    if (!generator)
        return oqt__no_memory(err, "a propagator");
    oqt__system_generator(generator, system);
    for (size_t i = 0; i < n * n; i++)
        generator[i] *= t;
    oqt__blas_enter(&guard);
    st = oqt__expm(out, generator, n, err);
    oqt__blas_leave(&guard);
    oqt__free(generator);
    return st;
}

oqt_status oqt_system_propagator(oqt_complex *out, const oqt_system *system, double t, oqt_error *err)
{
    size_t n;
    double *real;
    oqt_status st;

    if (!out || !system)
        return oqt__fail(err, OQT_EINVAL, "system or place for the propagator is missing");
    n = system->d * system->d;
    real = oqt__doubles(n * n);
    if (!real)
        return oqt__no_memory(err, "a propagator");
    st = oqt__system_propagator(real, system, t, err);
    if (st == OQT_OK)
        oqt__herm_superop_to_complex(out, real, system->d);
    oqt__free(real);
    return st;
}

/* ---- how fast a system leaves the eigenspaces of a coupling ---- */

oqt_status oqt__leg_rate_of(double *rate, const double *generator, const double *o, const oqt_complex *u,
                            size_t d, oqt_error *err)
{
    size_t n = d * d;
    double *real = oqt__doubles(n * n), *rotation = oqt__doubles(n * n), *work = oqt__doubles(n * n);
    oqt_complex *rotated = oqt__calloc(n * n, sizeof *rotated);
    double largest = 0.0, scale = 0.0, span = 0.0;
    oqt__blas_guard guard = {false};
    bool ok = real && rotation && work && rotated;

    if (ok) {
        oqt__blas_enter(&guard);
        oqt__herm_rotation(rotation, u, d);
        oqt__gemm(false, false, n, n, n, 1.0, rotation, n, generator, n, 0.0, work, n);
        oqt__gemm(false, true, n, n, n, 1.0, work, n, rotation, n, 0.0, real, n);
        oqt__blas_leave(&guard);
        oqt__herm_superop_to_complex(rotated, real, d);
        for (size_t i = 0; i < d; i++)
            span = fmax(span, fabs(o[i]));
        for (size_t a = 0; a < n; a++) {
            double sum = 0.0;

            for (size_t b = 0; b < n; b++) {
                double size = hypot(rotated[a * n + b].re, rotated[a * n + b].im);

                scale = fmax(scale, size);
                if (fabs(o[a / d] - o[b / d]) > OQT__DEGENERACY_TOLERANCE * span ||
                    fabs(o[a % d] - o[b % d]) > OQT__DEGENERACY_TOLERANCE * span)
                    sum += size;
            }
            largest = fmax(largest, sum);
        }
        *rate = largest > COMMUTATION_TOLERANCE * scale ? largest : 0.0;
    }
    oqt__free(real);
    oqt__free(rotation);
    oqt__free(work);
    oqt__free(rotated);
    return ok ? OQT_OK : oqt__no_memory(err, "the rates of a system");
}

oqt_status oqt__system_leg_rate(double *rate, const oqt_system *system, const double *o, const oqt_complex *u,
                                oqt_error *err)
{
    size_t d = system->d;
    double *generator = oqt__doubles(d * d * d * d), sum, more = 0.0;
    oqt_status st;

    if (!generator)
        return oqt__no_memory(err, "the rates of a system");
    oqt__system_generator(generator, system);
    st = oqt__leg_rate_of(&sum, generator, o, u, d, err);
    for (size_t i = 0; i < system->n_term && st == OQT_OK; i++) {
        more = DBL_MIN;
        if (system->term[i].generator)
            st = oqt__leg_rate_of(&more, system->term[i].generator, o, u, d, err);
        sum += more;
    }
    if (st == OQT_OK)
        *rate = sum;
    oqt__free(generator);
    return st;
}
