/*
 * import.c - process tensors from arrays in any complex gauge.
 *
 * In Hermitian coordinates of its legs the influence is a real multilinear map, whatever the gauge of the
 * bonds. So the real part of the given product is the whole, and the pair (Re, Im) of a complex state of a
 * bond a real state of twice the size. Two sweeps bring that back to the size of the complex one: the first,
 * from the left, makes the tensors isometries, the second, from the right, truncates to what the rest of the
 * product and the caps feel, which has no larger rank than the complex bond. No small number is divided by.
 * At last each bond is turned so that its cap is e_0. See docs/theory.md, section 15.
 */
#include "pt/import.h"

#include <math.h>
#include <string.h>

#include "core/numbers.h"
#include "liouville/hermitian.h"
#include "pt/chain.h"

/* Transforms this close to those of a unitary are taken for them. */
static const double UNITARY = 1e-13;

/* Part of the influence that may change sign under exchange of the branches, relative to the whole. */
static const double ASYMMETRY = 1e-9;

/* Imaginary parts below this share of the largest number are rounding. */
static const double ROUNDING = 4e-16;

/* States that weigh no more than this beside the heaviest are rounding, too. */
static const double NOISE = 1e-15;

/* One step in Hermitian coordinates: left x legs x right, real and imaginary part. */
struct site {
    size_t left, right;
    double *re, *im;
};

struct job {
    const oqt__mpo *mpo;
    size_t d, n, legs; /* legs: real ones of a step, d^2 if they are diagonal, else d^4 */
    bool general;
    oqt__real_legs real;
    struct site *site;         /* n                                                    */
    double **cap_re, **cap_im; /* n + 1, as long as the bonds                          */
    size_t parts;              /* 2, or 1 where all imaginary parts are zero           */
    double *scale;             /* n: what a step is to be multiplied with               */
    oqt__svd_ws ws;
};

/* ---- arguments ---- */

static bool all_finite(const oqt_complex *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(z[i].re) || !isfinite(z[i].im))
            return false;
    return true;
}

static size_t legs_in(const oqt__mpo *m)
{
    return m->tensor[0].in;
}

static size_t legs_out(const oqt__mpo *m)
{
    return m->tensor[0].out > 0 ? m->tensor[0].out : m->tensor[0].in;
}

static oqt_status check_tensor(const oqt__mpo *m, size_t k, oqt_error *err)
{
    const oqt_mpo_tensor *t = m->tensor + k;
    size_t out = t->out > 0 ? t->out : t->in, len = t->past;

    if (!t->data || t->past == 0 || t->future == 0 || t->in == 0)
        return oqt__fail(err, OQT_EINVAL, "tensor of step %zu is missing or empty", k);
    if (t->past != (k == 0 ? 1 : t[-1].future))
        return oqt__fail(err, OQT_EINVAL, "tensor of step %zu has a past bond of %zu, expected %zu", k,
                         t->past, k == 0 ? 1 : t[-1].future);
    if (t->in != legs_in(m) || out != legs_out(m))
        return oqt__fail(err, OQT_EINVAL, "tensor of step %zu has %zu and %zu legs, the first %zu and %zu", k,
                         t->in, out, legs_in(m), legs_out(m));
    if (t->past > OQT__BOND_LIMIT || t->future > OQT__BOND_LIMIT || !oqt__mul_size(&len, len, t->future) ||
        !oqt__mul_size(&len, len, t->in) || !oqt__mul_size(&len, len, t->out > 0 ? t->out : 1))
        return oqt__fail(err, OQT_ERANGE, "tensor of step %zu is too large", k);
    if (!all_finite(t->data, len))
        return oqt__fail(err, OQT_EINVAL, "tensor of step %zu has an element that is not finite", k);
    return OQT_OK;
}

static oqt_status check_caps(const oqt__mpo *m, oqt_error *err)
{
    size_t last = m->tensor[m->n_steps - 1].future;

    if (!m->cap && last != 1)
        return oqt__fail(err, OQT_EINVAL, "last bond is %zu: the caps must be given", last);
    for (size_t k = 0; m->cap && k <= m->n_steps; k++) {
        size_t len = k == 0 ? 1 : m->tensor[k - 1].future;
        double norm = 0.0;

        if (!m->cap[k] || !all_finite(m->cap[k], len))
            return oqt__fail(err, OQT_EINVAL, "cap %zu is missing or not finite", k);
        for (size_t i = 0; i < len; i++)
            norm = fmax(norm, fmax(fabs(m->cap[k][i].re), fabs(m->cap[k][i].im)));
        if (norm == 0.0)
            return oqt__fail(err, OQT_EINVAL, "cap %zu is zero", k);
    }
    return OQT_OK;
}

oqt_status oqt__mpo_check(const oqt__mpo *m, oqt_error *err)
{
    size_t d2 = m->d * m->d;
    oqt_status st = OQT_OK;

    if (m->d < 1 || m->d > 256)
        return oqt__fail(err, OQT_EINVAL, "dimension must be 1 to 256, got %zu", m->d);
    if (!(m->dt > 0.0) || !isfinite(m->dt))
        return oqt__fail(err, OQT_EINVAL, "time step must be positive and finite, got %g", m->dt);
    if (m->n_steps < 1 || m->n_steps == SIZE_MAX || !m->tensor)
        return oqt__fail(err, OQT_EINVAL, "tensors of at least one step must be given");
    for (size_t k = 0; k < m->n_steps && st == OQT_OK; k++)
        st = check_tensor(m, k, err);
    if (st != OQT_OK)
        return st;
    if ((!m->in && legs_in(m) != d2) || (!m->out && legs_out(m) != d2))
        return oqt__fail(err, OQT_EINVAL,
                         "without transforms the tensors must have %zu legs, got %zu and %zu", d2, legs_in(m),
                         legs_out(m));
    if ((m->in && (legs_in(m) > 1 << 16 || !all_finite(m->in, d2 * legs_in(m)))) ||
        (m->out && (legs_out(m) > 1 << 16 || !all_finite(m->out, d2 * legs_out(m)))))
        return oqt__fail(err, OQT_EINVAL, "a transform is not finite or too large");
    return check_caps(m, err);
}

/* ---- caps ---- */

/* weight[p][q] of leg p of the input and q of the output in a cap, over d. */
static void cap_weights(oqt_complex *in, oqt_complex *out, const oqt__mpo *m)
{
    size_t d = m->d, n_in = legs_in(m), n_out = legs_out(m);

    for (size_t i = 0; i < d; i++) {
        for (size_t p = 0; p < n_in; p++) {
            oqt_complex z = m->in ? m->in[i * (d + 1) * n_in + p] : (oqt_complex){p == i * (d + 1), 0.0};

            in[p].re += z.re / (double)d;
            in[p].im += z.im / (double)d;
        }
        for (size_t q = 0; q < n_out; q++) {
            oqt_complex z = m->out ? m->out[q * d * d + i * (d + 1)] : (oqt_complex){q == i * (d + 1), 0.0};

            out[q].re += z.re;
            out[q].im += z.im;
        }
    }
}

static void add_product(oqt_complex *sum, oqt_complex a, oqt_complex b)
{
    oqt_complex z = oqt__mul(a, b);

    sum->re += z.re;
    sum->im += z.im;
}

/* Sum over the legs of one element of the bonds. */
static oqt_complex close_legs(const oqt_mpo_tensor *t, const oqt_complex *z, const oqt_complex *in,
                              const oqt_complex *out)
{
    oqt_complex sum = {0.0, 0.0};

    for (size_t p = 0; p < t->in; p++) {
        oqt_complex row = {0.0, 0.0};

        if (t->out == 0)
            add_product(&row, z[p], out[p]);
        for (size_t q = 0; q < t->out; q++)
            add_product(&row, z[p * t->out + q], out[q]);
        add_product(&sum, row, in[p]);
    }
    return sum;
}

oqt_status oqt__mpo_cap(oqt_complex *cap, const oqt__mpo *m, size_t step, const oqt_complex *next,
                        oqt_error *err)
{
    oqt_complex *in = oqt__calloc(legs_in(m), sizeof *in), *out = oqt__calloc(legs_out(m), sizeof *out);
    const oqt_mpo_tensor *t = m->tensor + step;
    size_t len = t->in * (t->out > 0 ? t->out : 1);
    oqt_status st = in && out ? OQT_OK : oqt__no_memory(err, "caps");

    if (st == OQT_OK)
        cap_weights(in, out, m);
    for (size_t l = 0; st == OQT_OK && l < t->past; l++) {
        cap[l] = (oqt_complex){0.0, 0.0};
        for (size_t r = 0; r < t->future; r++)
            add_product(&cap[l], close_legs(t, t->data + (l * t->future + r) * len, in, out), next[r]);
    }
    oqt__free(in);
    oqt__free(out);
    return st;
}

/* ---- transforms ---- */

/* The largest deviation of the transforms from those of u. */
static double transform_defect(const oqt__mpo *m, const oqt_complex *u)
{
    size_t d = m->d, d2 = d * d;
    double defect = 0.0;

    for (size_t a = 0; a < d2; a++)
        for (size_t p = 0; p < d2; p++) {
            size_t k = a / d, l = a % d, i = p / d, j = p % d;
            oqt_complex z = oqt__mul(oqt__conj(u[k * d + i]), u[l * d + j]); /* u^+ rho u */
            oqt_complex in = m->in[a * d2 + p], out = m->out[p * d2 + a];

            defect = fmax(defect, fmax(fabs(in.re - z.re), fabs(in.im - z.im)));
            defect = fmax(defect, fmax(fabs(out.re - z.re), fabs(out.im + z.im))); /* u rho u^+ */
        }
    return defect;
}

static double unitarity_defect(const oqt_complex *u, size_t d)
{
    double defect = 0.0;

    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++) {
            oqt_complex sum = {i == j ? -1.0 : 0.0, 0.0};

            for (size_t k = 0; k < d; k++)
                add_product(&sum, oqt__conj(u[k * d + i]), u[k * d + j]);
            defect = fmax(defect, hypot(sum.re, sum.im));
        }
    return defect;
}

/*
 * The unitary whose transforms are given, if there is one. Column (0,j) of that into the tensors is
 * conj(u_k0) u_lj at (k,l): from the row k of the largest u_k0, made real, it gives u_lj.
 */
static bool find_unitary(oqt_complex *u, const oqt__mpo *m)
{
    size_t d = m->d, d2 = d * d, k = 0;
    double size;

    if (!m->in && !m->out) {
        for (size_t i = 0; i < d; i++)
            u[i * d + i].re = 1.0;
        return true;
    }
    if (!m->in || !m->out || legs_in(m) != d2 || legs_out(m) != d2)
        return false;
    for (size_t i = 1; i < d; i++)
        if (m->in[i * (d + 1) * d2].re > m->in[k * (d + 1) * d2].re)
            k = i;
    if (!((size = sqrt(m->in[k * (d + 1) * d2].re)) > 0.0))
        return false;
    for (size_t l = 0; l < d; l++)
        for (size_t j = 0; j < d; j++) {
            oqt_complex z = m->in[(k * d + l) * d2 + j];

            u[l * d + j] = (oqt_complex){z.re / size, z.im / size};
        }
    return transform_defect(m, u) <= UNITARY && unitarity_defect(u, d) <= UNITARY * (double)d;
}

/* ---- Hermitian coordinates ---- */

/* A leg (i,j) and its partner (j,i) are P + iQ and P - iQ. */
static void diagonal_site(struct site *s, const struct job *job, const oqt_mpo_tensor *t,
                          const oqt__legs *legs)
{
    size_t d = job->d, d2 = d * d;

    for (size_t l = 0; l < s->left; l++)
        for (size_t r = 0; r < s->right; r++) {
            const oqt_complex *z = t->data + (l * s->right + r) * d2;

            for (size_t i = 0; i < d; i++)
                for (size_t j = i; j < d; j++) {
                    oqt_complex f = z[i * d + j], g = z[j * d + i];
                    size_t at = (l * d2 + job->real.first[legs->cls[i * d + j]]) * s->right + r;

                    s->re[at] = 0.5 * (f.re + g.re);
                    s->im[at] = 0.5 * (f.im + g.im);
                    if (i != j) {
                        s->re[at + s->right] = 0.5 * (f.im - g.im);
                        s->im[at + s->right] = 0.5 * (g.re - f.re);
                    }
                }
        }
}

/* super[o][i] = sum_pq in[i][p] z[p][q] out[q][o] for one element of the bonds; half: legs_out x d^2. */
static void transformed(oqt_complex *super, oqt_complex *half, const oqt__mpo *m, const oqt_mpo_tensor *t,
                        const oqt_complex *z)
{
    size_t d2 = m->d * m->d, n_in = t->in, n_out = legs_out(m);

    memset(half, 0, n_out * d2 * sizeof *half);
    memset(super, 0, d2 * d2 * sizeof *super);
    for (size_t p = 0; p < n_in; p++)
        for (size_t q = t->out > 0 ? 0 : p; q < (t->out > 0 ? n_out : p + 1); q++) {
            oqt_complex c = t->out > 0 ? z[p * n_out + q] : z[p];

            for (size_t i = 0; m->in && i < d2; i++)
                add_product(&half[q * d2 + i], c, m->in[i * n_in + p]);
            if (!m->in)
                half[q * d2 + p] = c;
        }
    for (size_t q = 0; q < n_out; q++)
        for (size_t o = m->out ? 0 : q; o < (m->out ? d2 : q + 1); o++)
            for (size_t i = 0; i < d2; i++)
                add_product(&super[o * d2 + i], half[q * d2 + i],
                            m->out ? m->out[q * d2 + o] : (oqt_complex){1.0, 0.0});
}

/* The real form takes the real part of coordinates; that of -i S is the imaginary part. */
static oqt_status general_site(struct site *s, const struct job *job, const oqt_mpo_tensor *t, oqt_error *err)
{
    size_t d2 = job->d * job->d, d4 = d2 * d2, len = t->in * (t->out > 0 ? t->out : 1);
    oqt_complex *super = oqt__calloc(d4, sizeof *super),
                *half = oqt__calloc(legs_out(job->mpo) * d2, sizeof *half);
    double *re = oqt__doubles(d4), *im = oqt__doubles(d4);
    oqt_status st = super && half && re && im ? OQT_OK : oqt__no_memory(err, "a tensor");

    for (size_t b = 0; st == OQT_OK && b < s->left * s->right; b++) {
        transformed(super, half, job->mpo, t, t->data + b * len);
        oqt__herm_superop(re, super, job->d);
        for (size_t i = 0; i < d4; i++)
            super[i] = (oqt_complex){super[i].im, -super[i].re};
        oqt__herm_superop(im, super, job->d);
        for (size_t i = 0; i < d2; i++)
            for (size_t o = 0; o < d2; o++) {
                size_t at = ((b / s->right) * d4 + i * d2 + o) * s->right + b % s->right;

                s->re[at] = re[o * d2 + i];
                s->im[at] = im[o * d2 + i];
            }
    }
    oqt__free(super);
    oqt__free(half);
    oqt__free(re);
    oqt__free(im);
    return st;
}

static bool is_rounding(const double *re, const double *im, size_t n)
{
    double largest = 0.0, imaginary = 0.0;

    for (size_t i = 0; i < n; i++) {
        largest = fmax(largest, fabs(re[i]));
        imaginary = fmax(imaginary, fabs(im[i]));
    }
    return imaginary <= ROUNDING * largest;
}

static oqt_status make_sites(struct job *job, const oqt__legs *legs, oqt_error *err)
{
    size_t room = job->mpo->room > 0 ? job->mpo->room : SIZE_MAX;
    oqt_status st = OQT_OK;

    for (size_t k = 0; k < job->n && st == OQT_OK; k++) {
        const oqt_mpo_tensor *t = job->mpo->tensor + k;
        struct site *s = job->site + k;
        size_t len;

        *s = (struct site){.left = t->past, .right = t->future};
        if (!oqt__mul_size(&len, s->left * s->right, job->legs) || len > room)
            return oqt__fail(err, OQT_ERANGE, "tensor of step %zu is too large", k);
        room -= len;
        s->re = oqt__doubles(len);
        s->im = oqt__doubles(len);
        if (!s->re || !s->im)
            return oqt__no_memory(err, "a process tensor");
        if (job->general)
            st = general_site(s, job, t, err);
        else
            diagonal_site(s, job, t, legs);
        if (!is_rounding(s->re, s->im, len))
            job->parts = 2;
    }
    return st;
}

static oqt_status make_caps(struct job *job, oqt_error *err)
{
    const oqt__mpo *m = job->mpo;
    oqt_complex **own = oqt__calloc(job->n + 1, sizeof *own);
    const oqt_complex *const *caps = m->cap ? m->cap : (const oqt_complex *const *)own;
    oqt_status st = own ? OQT_OK : oqt__no_memory(err, "caps");

    for (size_t k = 0; k <= job->n && st == OQT_OK; k++) {
        size_t len = k == 0 ? 1 : m->tensor[k - 1].future;

        job->cap_re[k] = oqt__doubles(len);
        job->cap_im[k] = oqt__doubles(len);
        own[k] = oqt__calloc(len, sizeof **own);
        if (!job->cap_re[k] || !job->cap_im[k] || !own[k])
            st = oqt__no_memory(err, "caps");
    }
    if (st == OQT_OK)
        own[job->n][0] = (oqt_complex){1.0, 0.0};
    for (size_t k = job->n; st == OQT_OK && !m->cap && k-- > 0;)
        st = oqt__mpo_cap(own[k], m, k, own[k + 1], err);
    for (size_t k = 0; k <= job->n && st == OQT_OK; k++) {
        size_t len = k == 0 ? 1 : m->tensor[k - 1].future;

        for (size_t i = 0; i < len; i++) {
            job->cap_re[k][i] = caps[k][i].re;
            job->cap_im[k][i] = caps[k][i].im;
        }
        if (!is_rounding(job->cap_re[k], job->cap_im[k], len))
            job->parts = 2;
    }
    for (size_t k = 0; own && k <= job->n; k++)
        oqt__free(own[k]);
    oqt__free(own);
    return st;
}

/* ---- the sweep from the left ---- */

/* (x + iy) A = (x Re A - y Im A) + i (x Im A + y Re A): real matrices on pairs (x, y). */
static double *embedded(const struct job *job, const struct site *s)
{
    size_t parts = job->parts, left = s->left, right = s->right, legs = job->legs;
    double *out = oqt__doubles(parts * left * legs * parts * right);

    for (size_t i = 0; out && i < left * legs; i++) {
        size_t row = parts * right;

        memcpy(out + i * row, s->re + i * right, right * sizeof *out);
        if (parts == 1)
            continue;
        memcpy(out + i * row + right, s->im + i * right, right * sizeof *out);
        for (size_t r = 0; r < right; r++) {
            out[(left * legs + i) * row + r] = -s->im[i * right + r];
            out[(left * legs + i) * row + right + r] = s->re[i * right + r];
        }
    }
    return out;
}

/* Replace a cap by what it is on the states `root`, n x (parts len), of its bond; its real part is it all. */
static oqt_status turn_cap(struct job *job, size_t k, const double *root, size_t n, size_t len,
                           oqt_error *err)
{
    double *re = oqt__doubles(n), *im = oqt__doubles(n), defect;
    const double *c = job->cap_re[k], *s = job->cap_im[k];

    if (!re || !im) {
        oqt__free(re);
        oqt__free(im);
        return oqt__no_memory(err, "caps");
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < len; j++) {
            double x = root[i * job->parts * len + j],
                   y = job->parts == 2 ? root[i * 2 * len + len + j] : 0.0;

            re[i] += x * c[j] - y * s[j];
            im[i] += job->parts == 2 ? x * s[j] + y * c[j] : 0.0;
        }
    defect = oqt__norm(im, n) / oqt__norm(re, n);
    oqt__free(job->cap_re[k]);
    job->cap_re[k] = re;
    oqt__free(im);
    if (!(defect <= ASYMMETRY))
        return oqt__fail(
            err, OQT_EINVAL,
            "process tensor does not keep density matrices Hermitian: relative defect %.1e at step "
            "%zu",
            defect, k);
    return OQT_OK;
}

/* Site k becomes an isometry from (left, legs) to its right bond; *root, from the states of that bond in the
 * new basis to pairs (x, y), goes on to the next. */
static oqt_status left_step(struct job *job, size_t k, double **root, size_t *n_root, oqt_error *err)
{
    struct site *s = job->site + k;
    size_t width = job->parts * s->right, rows = *n_root * job->legs, rank = rows < width ? rows : width;
    double *e = embedded(job, s), *m = oqt__doubles(rows * width), *q = oqt__doubles(rows * rank),
           *next = oqt__doubles(rank * width);
    oqt_status st = e && m && q && next ? OQT_OK : oqt__no_memory(err, "a process tensor");

    if (st != OQT_OK || (st = oqt__lapack_size(rows * width, "a process tensor", err)) != OQT_OK)
        goto done;
    oqt__gemm(false, false, *n_root, job->legs * width, job->parts * s->left, 1.0, *root,
              job->parts * s->left, e, job->legs * width, 0.0, m, job->legs * width);
    if ((st = oqt__qr(q, next, &job->ws, m, rows, width, err)) != OQT_OK)
        goto done;
    if (!((job->scale[k] = oqt__norm(next, rank * width)) > 0.0)) {
        st = oqt__fail(err, OQT_EINVAL, "process tensor vanishes at step %zu", k);
        goto done;
    }
    for (size_t i = 0; i < rank * width; i++)
        next[i] /= job->scale[k];
    oqt__free(s->re);
    s->re = q;
    s->left = *n_root;
    oqt__free(*root);
    *root = next;
    *n_root = rank;
    q = next = NULL;
    st = turn_cap(job, k + 1, *root, rank, s->right, err);
    s->right = rank;
done:
    oqt__free(s->im);
    s->im = NULL;
    oqt__free(e);
    oqt__free(m);
    oqt__free(q);
    oqt__free(next);
    return st;
}

static oqt_status sweep_left_to_right(struct job *job, oqt_error *err)
{
    size_t n_root = 1;
    double *root = oqt__doubles(job->parts); /* the first state is real */
    oqt_status st = root ? OQT_OK : oqt__no_memory(err, "a process tensor");

    if (st == OQT_OK) {
        root[0] = 1.0;
        st = turn_cap(job, 0, root, 1, 1, err);
    }
    for (size_t k = 0; k < job->n && st == OQT_OK; k++)
        st = left_step(job, k, &root, &n_root, err);
    oqt__free(root);
    return st;
}

/* ---- the sweep from the right ---- */

/*
 * Site k with the states w (right x kept) of its right bond, and its cap as one more column, is U S V^T: V^T
 * is the new site, and U S / |S| goes on to the left. The cap weighs as much as the rest.
 */
static oqt_status right_step(struct job *job, size_t k, double **w, size_t *n_w, size_t limit, oqt_error *err)
{
    struct site *s = job->site + k;
    size_t left = s->left, legs = job->legs, kept = *n_w, width = legs * kept + 1, rank;
    double *m = oqt__doubles(left * legs * kept), *c = oqt__doubles(left * width), *next = NULL, weight, size;
    oqt__trunc rule = {.max_rank = limit};
    oqt__trunc_record record;
    oqt__svd svd;
    oqt_status st = m && c ? OQT_OK : oqt__no_memory(err, "a process tensor");

    if (st != OQT_OK)
        goto done;
    oqt__gemm(false, false, left * legs, kept, s->right, 1.0, s->re, s->right, *w, kept, 0.0, m, kept);
    size = oqt__norm(m, left * legs * kept);
    weight = size / oqt__norm(job->cap_re[k], left);
    for (size_t i = 0; i < left; i++) {
        memcpy(c + i * width, m + i * legs * kept, legs * kept * sizeof *c);
        c[i * width + legs * kept] = weight * job->cap_re[k][i];
    }
    if ((st = oqt__svd_trunc(&svd, &job->ws, c, left, width, &rule, &record, err)) != OQT_OK)
        goto done;
    rank = svd.rank;
    while (rank > 1 && svd.s[rank - 1] <= NOISE * svd.s[0])
        rank--;
    size = oqt__norm(svd.s, rank);
    if (!(sqrt(record.discarded_weight) <= ASYMMETRY * size)) {
        st =
            oqt__fail(err, OQT_EINVAL,
                      "process tensor does not keep density matrices Hermitian: relative defect %.1e at step "
                      "%zu",
                      sqrt(record.discarded_weight) / size, k);
        goto done;
    }
    job->scale[k] *= size;
    next = oqt__doubles(left * rank);
    oqt__free(s->re);
    s->re = oqt__doubles(rank * legs * kept);
    if (!next || !s->re) {
        st = oqt__no_memory(err, "a process tensor");
        goto done;
    }
    for (size_t i = 0; i < rank; i++) {
        memcpy(s->re + i * legs * kept, svd.vt + i * width, legs * kept * sizeof *m);
        job->cap_re[k][i] = size / weight * svd.vt[i * width + legs * kept];
        for (size_t l = 0; l < left; l++)
            next[l * rank + i] = svd.u[l * svd.rank + i] * svd.s[i] / size;
    }
    s->left = rank;
    s->right = kept;
    oqt__free(*w);
    *w = next;
    *n_w = rank;
    next = NULL;
done:
    oqt__free(m);
    oqt__free(c);
    oqt__free(next);
    return st;
}

/* The last bond is closed by its cap alone. */
static oqt_status sweep_right_to_left(struct job *job, oqt_error *err)
{
    size_t n = job->n, rank = job->site[n - 1].right, n_w = 1;
    double size = oqt__norm(job->cap_re[n], rank), *w = oqt__doubles(rank);
    oqt_status st = w ? OQT_OK : oqt__no_memory(err, "a process tensor");

    for (size_t i = 0; w && i < rank; i++)
        w[i] = job->cap_re[n][i] / size;
    job->cap_re[n][0] = size;
    for (size_t k = n; k-- > 0 && st == OQT_OK;)
        st = right_step(job, k, &w, &n_w, job->mpo->tensor[k].past, err);
    if (st == OQT_OK) /* a sign */
        job->scale[0] *= w[0];
    oqt__free(w);
    return st;
}

/* ---- caps to e_0 ---- */

/* The mirror that takes e_0 to c / |c|, as 1 - v v^T with |v|^2 = 2; v may be 0. Returns |c|. */
static double mirror(double *v, const double *c, size_t n)
{
    double size = oqt__norm(c, n), rest = n > 1 ? oqt__norm(c + 1, n - 1) : 0.0, first = c[0], length;

    /* c_0 - |c| without cancellation */
    v[0] = first > 0.0 ? -rest * (rest / (first + size)) : first - size;
    memcpy(v + 1, c + 1, (n - 1) * sizeof *v);
    length = oqt__norm(v, n);
    for (size_t i = 0; i < n && length > 0.0; i++)
        v[i] *= sqrt(2.0) / length;
    return size;
}

/* x <- (1 - v v^T) x for a left x cols matrix, and x (1 - v v^T) for a rows x right one. */
static void reflect_left(double *x, const double *v, size_t left, size_t cols, double *scratch)
{
    memset(scratch, 0, cols * sizeof *scratch);
    for (size_t i = 0; i < left; i++)
        for (size_t j = 0; j < cols; j++)
            scratch[j] += v[i] * x[i * cols + j];
    for (size_t i = 0; i < left; i++)
        for (size_t j = 0; j < cols; j++)
            x[i * cols + j] -= v[i] * scratch[j];
}

static void reflect_right(double *x, const double *v, size_t rows, size_t right)
{
    for (size_t i = 0; i < rows; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < right; j++)
            sum += x[i * right + j] * v[j];
        for (size_t j = 0; j < right; j++)
            x[i * right + j] -= sum * v[j];
    }
}

/* States in units of the caps, which become e_0. The first cap stays in the first tensor: products begin with
 * 1, and so it counts from the first step on. */
static oqt_status turn_bonds(struct job *job, oqt_error *err)
{
    double before = 1.0;

    for (size_t k = 1; k <= job->n; k++) {
        struct site *left = job->site + k - 1, *right = k < job->n ? job->site + k : NULL;
        size_t n = left->right, cols = right ? job->legs * right->right : 0;
        double *v = oqt__doubles(n), *scratch = oqt__doubles(cols), size;

        if (!v || !scratch) {
            oqt__free(v);
            oqt__free(scratch);
            return oqt__no_memory(err, "a process tensor");
        }
        size = mirror(v, job->cap_re[k], n);
        reflect_right(left->re, v, left->left * job->legs, n);
        job->scale[k - 1] *= size / before;
        if (right)
            reflect_left(right->re, v, n, cols, scratch);
        before = size;
        oqt__free(v);
        oqt__free(scratch);
    }
    return OQT_OK;
}

/* ---- the result ---- */

static oqt_status fill_slots(oqt_pt *pt, const struct job *job, oqt_error *err)
{
    size_t *bond = oqt__calloc(job->n + 1, sizeof *bond);
    oqt_status st;

    if (!bond)
        return oqt__no_memory(err, "a process tensor");
    bond[0] = 1;
    for (size_t k = 0; k < job->n; k++)
        bond[k + 1] = job->site[k].right;
    st = oqt__pt_set_bonds(pt, bond, err);
    oqt__free(bond);
    for (size_t k = 0; st == OQT_OK && k < job->n; k++) {
        const struct site *s = job->site + k;
        double *f = pt->f + pt->offset[k];

        for (size_t i = 0; i < s->left * job->legs * s->right; i++)
            s->re[i] *= job->scale[k];
        if (!job->general)
            oqt__site_to_slot(f, s->re, s->left, s->right, &job->real);
        for (size_t b = 0; job->general && b < job->legs; b++)
            for (size_t l = 0; l < s->left; l++)
                memcpy(f + (b * s->left + l) * s->right, s->re + (l * job->legs + b) * s->right,
                       s->right * sizeof *f);
    }
    return st;
}

static void job_release(struct job *job)
{
    for (size_t k = 0; job->site && k < job->n; k++) {
        oqt__free(job->site[k].re);
        oqt__free(job->site[k].im);
    }
    for (size_t k = 0; job->cap_re && job->cap_im && k <= job->n; k++) {
        oqt__free(job->cap_re[k]);
        oqt__free(job->cap_im[k]);
    }
    oqt__free(job->site);
    oqt__free(job->cap_re);
    oqt__free(job->cap_im);
    oqt__free(job->scale);
    oqt__real_legs_release(&job->real);
    oqt__svd_ws_release(&job->ws);
}

static oqt_status job_init(struct job *job, const oqt_pt *pt, oqt_error *err)
{
    size_t n = job->n;

    job->site = oqt__calloc(n, sizeof *job->site);
    job->cap_re = oqt__calloc(n + 1, sizeof *job->cap_re);
    job->cap_im = oqt__calloc(n + 1, sizeof *job->cap_im);
    job->scale = oqt__doubles(n);
    if (!job->site || !job->cap_re || !job->cap_im || !job->scale)
        return oqt__no_memory(err, "a process tensor");
    return oqt__real_legs_create(&job->real, &pt->legs, err);
}

/* Eigenvalues of the coupling are not known: labels stand for them, so that no two legs are alike. */
static oqt_status alloc_imported(oqt_pt **out, const oqt__mpo *m, bool *general, oqt_error *err)
{
    size_t d = m->d;
    oqt_complex *labels = oqt__calloc(d * d, sizeof *labels), *u = oqt__calloc(d * d, sizeof *u);
    oqt_pt *pt = NULL;
    oqt_status st = labels && u ? OQT_OK : oqt__no_memory(err, "a process tensor");

    for (size_t i = 0; labels && i < d; i++)
        labels[i * d + i].re = (double)(d - 1 - i);
    if (st == OQT_OK)
        st = oqt__pt_alloc(&pt, d, labels, m->dt, err);
    if (st == OQT_OK) {
        *general = false;
        for (size_t k = 0; k < m->n_steps; k++)
            *general = *general || m->tensor[k].out > 0;
        *general = *general || !find_unitary(u, m);
        pt->info.general_legs = *general;
        pt->rotated = !*general && m->in;
        if (pt->rotated)
            memcpy(pt->u, u, d * d * sizeof *u);
        pt->info.method = OQT_PT_IMPORTED;
        pt->info.n_steps = m->n_steps;
        *out = pt;
    }
    oqt__free(labels);
    oqt__free(u);
    return st;
}

oqt_status oqt__pt_import(oqt_pt **out, const oqt__mpo *mpo, oqt_error *err)
{
    struct job job = {.mpo = mpo, .d = mpo->d, .n = mpo->n_steps, .parts = 1};
    oqt__blas_guard guard = {false};
    oqt_pt *pt = NULL;
    oqt_status st = oqt__mpo_check(mpo, err);

    if (st != OQT_OK)
        return st;
    oqt__blas_enter(&guard);
    if ((st = alloc_imported(&pt, mpo, &job.general, err)) != OQT_OK ||
        (st = job_init(&job, pt, err)) != OQT_OK)
        goto done;
    job.legs = job.general ? job.d * job.d * job.d * job.d : job.d * job.d;
    if ((st = make_sites(&job, &pt->legs, err)) != OQT_OK || (st = make_caps(&job, err)) != OQT_OK ||
        (st = sweep_left_to_right(&job, err)) != OQT_OK || (st = sweep_right_to_left(&job, err)) != OQT_OK ||
        (st = turn_bonds(&job, err)) != OQT_OK || (st = fill_slots(pt, &job, err)) != OQT_OK)
        goto done;
    *out = pt;
    pt = NULL;
done:
    job_release(&job);
    oqt_pt_destroy(pt);
    oqt__blas_leave(&guard);
    return st;
}

oqt_status oqt_pt_create_mpo(oqt_pt **out, size_t d, double dt, size_t n_steps, const oqt_mpo_tensor *tensors,
                             const oqt_complex *transform_in, const oqt_complex *transform_out,
                             const oqt_complex *const *caps, oqt_error *err)
{
    oqt__mpo mpo = {.d = d,
                    .n_steps = n_steps,
                    .dt = dt,
                    .tensor = tensors,
                    .in = transform_in,
                    .out = transform_out,
                    .cap = caps};

    return oqt__pt_import(out, &mpo, err);
}
