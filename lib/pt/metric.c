/* metric.c - environments of a bond on correlated paths. */
#include "pt/metric.h"

#include <string.h>

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

/* One side and one class. All matrices are padded (oqt__padded); a complex one is two, the imaginary part
 * after the real one. */
struct job {
    bool real;      /* real or gauged */
    size_t n, size; /* size: of one matrix, padded */
    double weight;
    double theta;
    double *f, *ft; /* the tensor and its transpose  */
    double *r;      /* the environment               */
    double *t;      /* theta F R                     */
    double *y;      /* theta F R F^+, its lower part */
    double *mem;
};

static void copy_block(double *to, size_t ld_to, const double *from, size_t ld, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * ld_to, from + i * ld, n * sizeof *to);
}

static void copy_transposed(double *to, size_t ld_to, const double *from, size_t ld, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            to[i * ld_to + j] = from[j * ld + i];
}

static bool job_init(struct job *job, const oqt__level *level, const oqt__legs *legs, size_t cls,
                     bool transpose, const oqt__environment *env, double theta)
{
    size_t n = level->n, ld = oqt__padded(n), size = ld * ld, n_parts = oqt__class_parts(legs, cls);
    const double *parts[2] = {level->re[cls], level->im[cls]};

    *job = (struct job){.real = legs->kind[cls] != OQT__CLASS_COMPLEX,
                        .n = n,
                        .size = size,
                        .weight = legs->weight[cls],
                        .theta = theta};

    job->mem = oqt__doubles(5 * n_parts * size);
    if (!job->mem)
        return false;
    job->f = job->mem;
    job->ft = job->f + n_parts * size;
    job->r = job->ft + n_parts * size;
    job->t = job->r + n_parts * size;
    job->y = job->t + n_parts * size;
    for (size_t part = 0; part < n_parts; part++) {
        copy_block(transpose ? job->ft + part * size : job->f + part * size, ld, parts[part], n, n);
        copy_transposed(transpose ? job->f + part * size : job->ft + part * size, ld, parts[part], n, n);
        copy_block(job->r + part * size, ld, env->mat[cls] + part * n, n_parts * n, n);
    }
    return true;
}

static void job_finish(const struct job *job, double *mat)
{
    size_t n = job->n, n_parts = job->real ? 1 : 2;

    for (size_t part = 0; part < n_parts; part++)
        copy_block(mat + part * n, n_parts * n, job->r + part * job->size, oqt__padded(n), n);
}

/* y = theta F R F^+. For a complex class with F = P + iQ and R = Rs + i Ra, T = F R. */
static void job_apply(const struct job *job)
{
    size_t n = job->n, im = job->size;
    double theta = job->theta;
    const double *f = job->f, *ft = job->ft, *r = job->r;
    double *t = job->t, *y = job->y;

    oqt__square_product(t, theta, f, r, 0.0, n, false);
    if (!job->real) {
        oqt__square_product(t, -theta, f + im, r + im, 1.0, n, false);
        oqt__square_product(t + im, theta, f, r + im, 0.0, n, false);
        oqt__square_product(t + im, theta, f + im, r, 1.0, n, false);
    }
    oqt__square_product(y, 1.0, t, ft, 0.0, n, true);
    if (!job->real) {
        oqt__square_product(y, 1.0, t + im, ft + im, 1.0, n, true);
        oqt__square_product(y + im, 1.0, t + im, ft, 0.0, n, true);
        oqt__square_product(y + im, -1.0, t, ft + im, 1.0, n, true);
    }
}

/* Mix the classes of one side: R = lam Y + (1 - lam) S, exactly symmetric or antisymmetric. sign: 1 for even
 * states, -1 for odd ones. */
OQT__SIMD static void mix(struct job *jobs, size_t n_job, double lam, const double *sign, double *sum)
{
    size_t n = jobs[0].n, ld = oqt__padded(n);
    double norm, rest;

    for (size_t i = 0; i < n; i++) {
        double *row = sum + i * ld;

        memset(row, 0, (i + 1) * sizeof *row);
        for (size_t k = 0; k < n_job; k++) {
            const double *y = jobs[k].y + i * ld;

            for (size_t j = 0; j <= i; j++)
                row[j] += jobs[k].weight * y[j];
        }
        for (size_t j = 0; j <= i; j++)
            row[j] *= 0.5 * (1.0 + sign[i] * sign[j]);
    }
    norm = 1.0 / sum[0]; /* the vacuum element of lam Y + (1 - lam) S, averaged */
    rest = norm * (1.0 - lam);
    lam *= norm;
    for (size_t k = 0; k < n_job; k++)
        for (size_t i = 0; i < n; i++) {
            const double *y = jobs[k].y + i * ld, *y_im = y + jobs[k].size;
            double *r = jobs[k].r, *r_im = r + jobs[k].size;

            for (size_t j = 0; j <= i; j++)
                r[i * ld + j] = lam * y[j] + rest * sum[i * ld + j];
            for (size_t j = 0; j < i; j++)
                r[j * ld + i] = r[i * ld + j];
            for (size_t j = 0; !jobs[k].real && j < i; j++) {
                r_im[i * ld + j] = lam * y_im[j];
                r_im[j * ld + i] = -r_im[i * ld + j];
            }
        }
}

double oqt__metric_flops(const oqt__level *level, const oqt__metric_chain *chain)
{
    double n = (double)level->n, products = 0.0;

    for (size_t k = 0; k < chain->legs->n_class; k++)
        products += (double)(oqt__class_parts(chain->legs, k) * oqt__class_parts(chain->legs, k));
    return 2.0 * (double)chain->n_iter * 3.0 * n * n * n * products;
}

oqt_status oqt__metric_iterate(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                               const oqt__metric_chain *chain, oqt_error *err)
{
    size_t n_class = chain->legs->n_class, n_job = 0, size = oqt__padded(level->n) * oqt__padded(level->n);
    struct job *jobs = oqt__calloc(2 * n_class, sizeof *jobs);
    double *sums = oqt__doubles(2 * size), *sign = oqt__doubles(level->n);
    /* below that size a product takes less time than a barrier */
    int n_threads = level->n < 48 ? 1 : oqt__blas_callers(chain->n_threads, 2 * n_class);
    bool ok = jobs && sums && sign;
    oqt_status st = OQT_OK;

    (void)n_threads; /* a serial build has no use for it */
    /* first the classes of the right side, then those of the left */
    for (size_t k = 0; ok && k < 2 * n_class; k++)
        if (chain->legs->kind[k % n_class] != OQT__CLASS_MIRROR)
            ok = job_init(&jobs[n_job++], level, chain->legs, k % n_class, k >= n_class,
                          k < n_class ? right : left, chain->theta[k % n_class]);
    if (!ok) {
        st = oqt__no_memory(err, "the metric of a bond");
        goto done;
    }
    for (size_t i = 0; i < level->n; i++)
        sign[i] = level->parity[i] ? -1.0 : 1.0;
    for (size_t it = 0; it < chain->n_iter; it++) {
        double part = (double)it / (double)chain->n_iter;

        st = oqt__progress(chain->progress, "process tensor", chain->done + chain->share * part, err);
        if (st != OQT_OK)
            goto done;
#pragma omp parallel for default(none) shared(jobs, n_job) schedule(dynamic) num_threads(n_threads)
        for (size_t k = 0; k < n_job; k++)
            job_apply(&jobs[k]);
#pragma omp parallel for default(none) shared(jobs, n_job, chain, sums, size, sign) num_threads(n_threads)
        for (size_t side = 0; side < 2; side++)
            mix(jobs + side * (n_job / 2), n_job / 2, chain->lam, sign, sums + side * size);
    }
    n_job = 0;
    for (size_t k = 0; k < 2 * n_class; k++)
        if (chain->legs->kind[k % n_class] != OQT__CLASS_MIRROR)
            job_finish(&jobs[n_job++], (k < n_class ? right : left)->mat[k % n_class]);
done:
    for (size_t k = 0; jobs && k < 2 * n_class; k++)
        oqt__free(jobs[k].mem);
    oqt__free(jobs);
    oqt__free(sums);
    oqt__free(sign);
    return st;
}
