/* metric.c - environments of a bond on correlated paths. */
#include "pt/metric.h"

#include <math.h>
#include <string.h>

typedef double real;
#define square_product oqt__square_product
#define improve        oqt__metric_improve
#include "pt/metric_kernel.h"

oqt_status oqt__environment_alloc(oqt__environment *env, size_t n, const oqt__legs *legs, oqt_error *err)
{
    oqt__environment next = {.n = n, .mat = oqt__calloc(legs->n_class, sizeof *next.mat)};
    bool ok = next.mat != NULL;

    for (size_t k = 0; ok && k < legs->n_class; k++)
        if (legs->kind[k] != OQT__CLASS_MIRROR)
            ok = (next.mat[k] = oqt__doubles(oqt__class_parts(legs, k) * n * n)) != NULL;
    if (!ok) {
        oqt__environment_release(&next, legs->n_class);
        return oqt__no_memory(err, "an environment");
    }
    *env = next;
    return OQT_OK;
}

void oqt__environment_release(oqt__environment *env, size_t n_class)
{
    for (size_t k = 0; env->mat && k < n_class; k++)
        oqt__free(env->mat[k]);
    oqt__free(env->mat);
    *env = (oqt__environment){0};
}

/* sum += w a within each parity; rows of a have length ld. */
static void add_even(double *sum, double w, const double *a, size_t ld, const unsigned char *parity, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (parity[i] == parity[j])
                sum[i * n + j] += w * a[i * ld + j];
}

void oqt__metric_average(double *out, const oqt__environment *env, const unsigned char *parity,
                         const oqt__legs *legs)
{
    size_t n = env->n;

    memset(out, 0, n * n * sizeof *out);
    for (size_t k = 0; k < legs->n_class; k++)
        if (legs->kind[k] != OQT__CLASS_MIRROR)
            add_even(out, legs->weight[k], env->mat[k], oqt__class_parts(legs, k) * n, parity, n);
}

size_t oqt__metric_doublings(double lam)
{
    return lam > 0.0 && lam < 1.0 ? (size_t)fmax(ceil(log2(3.0 / -log(lam))), 1.0) : 0;
}

double oqt__metric_flops(const oqt__level *level, const oqt__metric_chain *chain)
{
    double n = (double)level->n, products = 0.0, n_double = (double)oqt__metric_doublings(chain->lam);

    for (size_t k = 0; k < chain->legs->n_class; k++)
        products += (double)(oqt__class_parts(chain->legs, k) * oqt__class_parts(chain->legs, k));
    return (6.0 * (n_double + (double)chain->n_iter + 1.0) + 2.0 * fmax(n_double - 1.0, 0.0)) * n * n * n *
           products;
}

oqt_status oqt__metric_iterate(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                               const oqt__metric_chain *chain, oqt_error *err)
{
    return chain->single ? oqt__metric_improve_single(right, left, level, chain, err)
                         : oqt__metric_improve(right, left, level, chain, err);
}
