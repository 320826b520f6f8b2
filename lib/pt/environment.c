/* environment.c - environments of a bond and the projectors that they make. See docs/theory.md, sections
 * 6, 7. */
#include "pt/environment.h"

#include <math.h>
#include <string.h>

/* ---- real legs ---- */

void oqt__real_legs_release(oqt__real_legs *legs)
{
    oqt__free(legs->first);
    oqt__free(legs->twice);
    oqt__free(legs->weight);
    *legs = (oqt__real_legs){0};
}

oqt_status oqt__real_legs_create(oqt__real_legs *out, const oqt__legs *legs, oqt_error *err)
{
    oqt__real_legs next = {.n_class = legs->n_class};
    size_t n_legs = legs->d * legs->d;

    next.first = oqt__calloc(legs->n_class, sizeof *next.first);
    next.twice = oqt__calloc(legs->n_class, sizeof *next.twice);
    next.weight = oqt__doubles(legs->n_class);
    if (!next.first || !next.twice || !next.weight) {
        oqt__real_legs_release(&next);
        return oqt__no_memory(err, "the legs of a coupling");
    }
    for (size_t a = 0; a < n_legs; a++)
        next.weight[legs->cls[a]] += 1.0 / (double)n_legs;
    for (size_t c = 0; c < legs->n_class; c++) {
        next.first[c] = next.n;
        next.twice[c] = legs->om[c] > 0.0;
        next.n += next.twice[c] ? 2 : 1;
    }
    *out = next;
    return OQT_OK;
}

/* ---- environments ---- */

static void env_release(oqt__env *env)
{
    oqt__free(env->mat);
    oqt__free(env->metric);
}

void oqt__sweep_release(oqt__sweep *s)
{
    env_release(&s->env);
    env_release(&s->next);
    oqt__free(s->t);
    oqt__free(s->u);
    oqt__free(s->stack);
    oqt__free(s->work);
    oqt__svd_ws_release(&s->ws);
    *s = (oqt__sweep){0};
}

oqt_status oqt__sweep_init(oqt__sweep *s, const oqt__real_legs *legs, double lam, size_t n_max,
                           oqt_error *err)
{
    size_t nn, all;
    oqt__env *envs[2] = {&s->env, &s->next};

    *s = (oqt__sweep){.legs = legs, .lam = lam, .n_max = n_max};
    if (!oqt__mul_size(&nn, n_max, n_max) || !oqt__mul_size(&all, nn, legs->n > 4 ? legs->n : 4))
        return oqt__no_memory(err, "the metric of a bond");
    for (int i = 0; i < 2; i++) {
        envs[i]->mat = oqt__doubles(legs->n * nn);
        envs[i]->metric = oqt__doubles(nn);
    }
    s->t = oqt__doubles(2 * nn);
    s->u = oqt__doubles(2 * nn);
    s->stack = oqt__doubles(4 * nn);
    s->work = oqt__doubles(2 * nn);
    if (!s->env.mat || !s->env.metric || !s->next.mat || !s->next.metric || !s->t || !s->u || !s->stack ||
        !s->work) {
        oqt__sweep_release(s);
        return oqt__no_memory(err, "the metric of a bond");
    }
    return OQT_OK;
}

void oqt__sweep_start(oqt__sweep *s, size_t n)
{
    s->env.n = n;
    memset(s->env.mat, 0, s->legs->n * n * n * sizeof *s->env.mat);
    memset(s->env.metric, 0, n * n * sizeof *s->env.metric);
    s->env.metric[0] = 1.0;
    for (size_t c = 0; c < s->legs->n_class; c++)
        s->env.mat[s->legs->first[c] * n * n] = 1.0;
}

static void weigh_classes(oqt__sweep *s)
{
    size_t nn = s->next.n * s->next.n;

    for (size_t c = 0; s->theta && c < s->legs->n_class; c++) {
        double *y = s->next.mat + s->legs->first[c] * nn;

        for (size_t i = 0; s->legs->twice[c] && i < 2 * nn; i++)
            y[i] *= s->theta[c];
    }
}

/* Mix the classes of s->next, which hold Y: lam Y + (1 - lam) S, exactly symmetric or antisymmetric. */
static void mix(oqt__sweep *s)
{
    const oqt__real_legs *legs = s->legs;
    size_t n = s->next.n, nn = n * n;
    double *sum = s->next.metric, norm;
    oqt__env env = s->env;

    weigh_classes(s);
    memset(sum, 0, nn * sizeof *sum);
    for (size_t c = 0; c < legs->n_class; c++) {
        const double *y = s->next.mat + legs->first[c] * nn;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++)
                sum[i * n + j] += 0.5 * legs->weight[c] * (y[i * n + j] + y[j * n + i]);
    }
    norm = 1.0 / sum[0];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            sum[j * n + i] = sum[i * n + j] *= norm;
    for (size_t c = 0; c < legs->n_class; c++) {
        double *re = s->next.mat + legs->first[c] * nn, *im = re + nn;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double even = 0.5 * norm * (re[i * n + j] + re[j * n + i]);

                re[i * n + j] = re[j * n + i] = s->lam * even + (1.0 - s->lam) * sum[i * n + j];
                if (legs->twice[c]) {
                    double odd = 0.5 * norm * (im[i * n + j] - im[j * n + i]);

                    im[i * n + j] = s->lam * odd;
                    im[j * n + i] = -s->lam * odd;
                }
            }
    }
    s->env = s->next;
    s->next = env;
}

/* Y = F R F^+ of a complex class, F = P + iQ, R = Rs + i Ra: T = F R = [P | Q] [[Rs, Ra], [-Ra, Rs]], and
 * Y = [T . [P | Q]^T | [Ti | -Tr] . [P | Q]^T]. [P | Q] are rows of the site, ld doubles apart. */
static void complex_right(oqt__sweep *s, double *y, const double *f, size_t ld, const double *r, size_t left,
                          size_t right)
{
    size_t n = right, rr = right * right;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            s->stack[i * 2 * n + j] = s->stack[(n + i) * 2 * n + n + j] = r[i * n + j];
            s->stack[i * 2 * n + n + j] = r[rr + i * n + j];
            s->stack[(n + i) * 2 * n + j] = -r[rr + i * n + j];
        }
    oqt__gemm(false, false, left, 2 * n, 2 * n, 1.0, f, ld, s->stack, 2 * n, 0.0, s->t, 2 * n);
    for (size_t i = 0; i < left; i++)
        for (size_t j = 0; j < n; j++) {
            s->u[i * 2 * n + j] = s->t[i * 2 * n + n + j];
            s->u[i * 2 * n + n + j] = -s->t[i * 2 * n + j];
        }
    oqt__gemm(false, true, left, left, 2 * n, 1.0, s->t, 2 * n, f, ld, 0.0, y, left);
    oqt__gemm(false, true, left, left, 2 * n, 1.0, s->u, 2 * n, f, ld, 0.0, y + left * left, left);
}

void oqt__sweep_right_env(oqt__sweep *s, const double *site, size_t left, size_t right)
{
    size_t ld = s->legs->n * right;

    s->next.n = left;
    for (size_t c = 0; c < s->legs->n_class; c++) {
        size_t leg = s->legs->first[c];
        const double *f = site + leg * right, *r = s->env.mat + leg * right * right;
        double *y = s->next.mat + leg * left * left;

        if (s->legs->twice[c]) {
            complex_right(s, y, f, ld, r, left, right);
        } else {
            oqt__gemm(false, false, left, right, right, 1.0, f, ld, r, right, 0.0, s->t, right);
            oqt__gemm(false, true, left, left, right, 1.0, s->t, right, f, ld, 0.0, y, left);
        }
    }
    mix(s);
}

/* Y = F^T L F^* of a complex class: V = L F^* = [Ls P + La Q | La P - Ls Q], Y = [P^T Vr - Q^T Vi | P^T Vi +
 * Q^T Vr].
 */
static void complex_left(oqt__sweep *s, double *y, const double *f, size_t ld, const double *l, size_t left,
                         size_t right)
{
    const double *p = f, *q = f + right, *la = l + left * left;
    double *vr = s->t, *vi = s->u, *yi = y + right * right;

    oqt__gemm(false, false, left, right, left, 1.0, l, left, p, ld, 0.0, vr, right);
    oqt__gemm(false, false, left, right, left, 1.0, la, left, q, ld, 1.0, vr, right);
    oqt__gemm(false, false, left, right, left, 1.0, la, left, p, ld, 0.0, vi, right);
    oqt__gemm(false, false, left, right, left, -1.0, l, left, q, ld, 1.0, vi, right);
    oqt__gemm(true, false, right, right, left, 1.0, p, ld, vr, right, 0.0, y, right);
    oqt__gemm(true, false, right, right, left, -1.0, q, ld, vi, right, 1.0, y, right);
    oqt__gemm(true, false, right, right, left, 1.0, p, ld, vi, right, 0.0, yi, right);
    oqt__gemm(true, false, right, right, left, 1.0, q, ld, vr, right, 1.0, yi, right);
}

void oqt__sweep_left_env(oqt__sweep *s, const double *site, size_t left, size_t right)
{
    size_t ld = s->legs->n * right;

    s->next.n = right;
    for (size_t c = 0; c < s->legs->n_class; c++) {
        size_t leg = s->legs->first[c];
        const double *f = site + leg * right, *l = s->env.mat + leg * left * left;
        double *y = s->next.mat + leg * right * right;

        if (s->legs->twice[c]) {
            complex_left(s, y, f, ld, l, left, right);
        } else {
            oqt__gemm(false, false, left, right, left, 1.0, l, left, f, ld, 0.0, s->t, right);
            oqt__gemm(true, false, right, right, left, 1.0, f, ld, s->t, right, 0.0, y, right);
        }
    }
    mix(s);
}

void oqt__sweep_project(oqt__sweep *s, const double *p, size_t kept)
{
    size_t n = s->env.n;
    oqt__env env = s->env;

    s->next.n = kept;
    for (size_t a = 0; a < s->legs->n; a++) {
        oqt__gemm(false, false, n, kept, n, 1.0, s->env.mat + a * n * n, n, p, kept, 0.0, s->t, kept);
        oqt__gemm(true, false, kept, kept, n, 1.0, p, kept, s->t, kept, 0.0, s->next.mat + a * kept * kept,
                  kept);
    }
    s->env = s->next;
    s->next = env;
}

/* ---- projectors ---- */

void oqt__projectors_release(oqt__projectors *p)
{
    oqt__free(p->right);
    oqt__free(p->left);
    oqt__free(p->weight);
    *p = (oqt__projectors){0};
}

/* A metric between all states but the vacuum; its elements scale as the roots of the diagonal. False if no
 * state matters. */
static bool without_vacuum(double *to, double *scale, const double *metric, size_t n)
{
    size_t m = n - 1;
    double largest = 0.0;

    for (size_t i = 0; i < m; i++) {
        memcpy(to + i * m, metric + (i + 1) * n + 1, m * sizeof *to);
        scale[i] = to[i * m + i];
        largest = fmax(largest, scale[i]);
    }
    for (size_t i = 0; i < m; i++)
        scale[i] = fmax(scale[i], 1e-30 * largest);
    return largest > 1e-100; /* products of smaller scales underflow */
}

/* The vacuum beside the projectors of the other states. */
static oqt_status with_vacuum(oqt__projectors *out, const oqt__oblique *rest, size_t n, oqt_error *err)
{
    size_t kept = 1 + rest->rank;
    oqt__projectors p = {.n = n, .kept = kept};

    p.right = oqt__doubles(n * kept);
    p.left = oqt__doubles(kept * n);
    p.weight = oqt__doubles(kept);
    if (!p.right || !p.left || !p.weight) {
        oqt__projectors_release(&p);
        return oqt__no_memory(err, "a truncation");
    }
    p.right[0] = p.left[0] = p.weight[0] = 1.0;
    for (size_t k = 1; k < kept; k++) {
        p.weight[k] = rest->weight[k - 1];
        for (size_t i = 1; i < n; i++) {
            p.right[i * kept + k] = rest->right[(i - 1) * rest->rank + k - 1];
            p.left[k * n + i] = rest->left[(k - 1) * rest->n + i - 1];
        }
    }
    *out = p;
    return OQT_OK;
}

oqt_status oqt__projectors_create(oqt__projectors *out, const double *left, const double *right, size_t n,
                                  double tolerance, size_t max_bond, oqt__svd_ws *ws,
                                  oqt__trunc_record *record, oqt_error *err)
{
    size_t m = n - 1;
    /* a rank of 0 would be no limit */
    oqt__trunc rule = {.abs_tol = max_bond > 1 ? tolerance : INFINITY, .max_rank = max_bond - 1};
    oqt__trunc_record one = {0};
    double *x = oqt__doubles(m * m), *y = oqt__doubles(m * m), *scale = oqt__doubles(2 * m);
    oqt__oblique rest = {0};
    oqt_status st = OQT_OK;

    if (!x || !y || !scale) {
        st = oqt__no_memory(err, "a truncation");
        goto done;
    }
    bool left_matters = without_vacuum(x, scale, left, n),
         right_matters = without_vacuum(y, scale + m, right, n);

    if (left_matters && right_matters &&
        (st = oqt__oblique_create(&rest, ws, x, scale, y, scale + m, m, &rule, &one, err)) != OQT_OK)
        goto done;
    one.limited = one.limited || (max_bond == 1 && one.largest_dropped > tolerance);
    if ((st = with_vacuum(out, &rest, n, err)) == OQT_OK)
        oqt__trunc_add(record, &one);
done:
    oqt__oblique_release(&rest);
    oqt__free(x);
    oqt__free(y);
    oqt__free(scale);
    return st;
}
