/* metric.c - environments of a bond on correlated paths. */
#include "pt/metric.h"

#include <string.h>

oqt_status oqt__environment_alloc(oqt__environment *env, size_t n, const oqt__legs *legs, oqt_error *err)
{
    oqt__environment next = {.n = n, .mat = oqt__calloc(legs->n_class, sizeof *next.mat)};
    bool ok = next.mat != NULL;

    for (size_t k = 0; ok && k < legs->n_class; k++)
        if (legs->kind[k] != OQT__CLASS_MIRROR)
            ok = (next.mat[k] = oqt__doubles(oqt__environment_width(legs, k, n) * n)) != NULL;
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
            add_even(out, legs->weight[k], env->mat[k], oqt__environment_width(legs, k, n), parity, n);
}

/* One side and one class: the tensor in the layout of its products, and room for them. */
struct job {
    bool real; /* real or gauged */
    size_t n;
    double weight;
    double theta;
    double *f;  /* real: F, n x n; complex: [P | Q], n x 2n                     */
    double *jf; /* complex: [-Q | P]                                            */
    double *r2; /* complex: [[Rs, Ra], [-Ra, Rs]], 2n x 2n                      */
    double *t;  /* F R, as f                                                    */
    double *y;  /* theta F R F^+, as f                                          */
    double *r;  /* the environment, borrowed                                    */
};

static void job_release(struct job *job)
{
    oqt__free(job->f);
    oqt__free(job->jf);
    oqt__free(job->r2);
    oqt__free(job->t);
    oqt__free(job->y);
}

static bool job_init(struct job *job, const oqt__level *level, const oqt__legs *legs, size_t cls,
                     bool transpose, const oqt__environment *env, double theta)
{
    size_t n = level->n, nn = n * n;
    const double *p = level->re[cls], *q = level->im[cls];

    *job = (struct job){.real = legs->kind[cls] != OQT__CLASS_COMPLEX,
                        .n = n,
                        .weight = legs->weight[cls],
                        .theta = theta,
                        .r = env->mat[cls]};
    size_t width = job->real ? n : 2 * n;

    job->f = oqt__doubles(n * width);
    job->t = oqt__doubles(n * width);
    job->y = oqt__doubles(n * width);
    if (!job->real) {
        job->jf = oqt__doubles(2 * nn);
        job->r2 = oqt__doubles(4 * nn);
    }
    if (!job->f || !job->t || !job->y || (!job->real && (!job->jf || !job->r2)))
        return false;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            size_t from = transpose ? j * n + i : i * n + j;

            job->f[i * width + j] = p[from];
            if (!job->real) {
                job->f[i * width + n + j] = q[from];
                job->jf[i * width + j] = -q[from];
                job->jf[i * width + n + j] = p[from];
            }
        }
    return true;
}

/* y = theta F R F^+. For a complex class with F = P + iQ and R = Rs + i Ra,
 * T = F R = [P | Q] [[Rs, Ra], [-Ra, Rs]] and Y = [T . [P | Q]^T | T . [-Q | P]^T]. */
static void job_apply(const struct job *job)
{
    size_t n = job->n;

    if (job->real) {
        oqt__gemm(false, false, n, n, n, job->theta, job->f, n, job->r, n, 0.0, job->t, n);
        oqt__gemm(false, true, n, n, n, 1.0, job->t, n, job->f, n, 0.0, job->y, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const double *r = job->r + i * 2 * n;
        double *upper = job->r2 + i * 2 * n, *lower = job->r2 + (n + i) * 2 * n;

        memcpy(upper, r, 2 * n * sizeof *upper);
        memcpy(lower + n, r, n * sizeof *lower);
        for (size_t j = 0; j < n; j++)
            lower[j] = -r[n + j];
    }
    oqt__gemm(false, false, n, 2 * n, 2 * n, job->theta, job->f, 2 * n, job->r2, 2 * n, 0.0, job->t, 2 * n);
    oqt__gemm(false, true, n, n, 2 * n, 1.0, job->t, 2 * n, job->f, 2 * n, 0.0, job->y, 2 * n);
    oqt__gemm(false, true, n, n, 2 * n, 1.0, job->t, 2 * n, job->jf, 2 * n, 0.0, job->y + n, 2 * n);
}

/* Mix the classes of one side: R = lam Y + (1 - lam) S, exactly symmetric or antisymmetric. */
static void mix(struct job *jobs, size_t n_job, double lam, const unsigned char *parity, double *sum)
{
    size_t n = jobs[0].n;
    double norm, rest = 1.0 - lam;

    memset(sum, 0, n * n * sizeof *sum);
    for (size_t k = 0; k < n_job; k++)
        add_even(sum, jobs[k].weight, jobs[k].y, jobs[k].real ? n : 2 * n, parity, n);
    norm = 1.0 / sum[0]; /* the vacuum element of lam Y + (1 - lam) S, averaged */
    for (size_t k = 0; k < n_job; k++) {
        size_t ld = jobs[k].real ? n : 2 * n;
        const double *y = jobs[k].y;
        double *r = jobs[k].r;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double even = 0.5 * lam * (y[i * ld + j] + y[j * ld + i]) +
                              0.5 * rest * (sum[i * n + j] + sum[j * n + i]);

                r[i * ld + j] = r[j * ld + i] = norm * even;
                if (!jobs[k].real) {
                    double odd = 0.5 * lam * (y[i * ld + n + j] - y[j * ld + n + i]);

                    r[i * ld + n + j] = norm * odd;
                    r[j * ld + n + i] = -norm * odd;
                }
            }
    }
}

oqt_status oqt__metric_iterate(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                               const oqt__metric_chain *chain, oqt_error *err)
{
    size_t n_class = chain->legs->n_class, n_job = 0, nn = level->n * level->n;
    struct job *jobs = oqt__calloc(2 * n_class, sizeof *jobs);
    double *sums = oqt__doubles(2 * nn);
    /* below that size a product takes less time than a barrier */
    int n_threads = level->n < 48 ? 1 : oqt__blas_callers(chain->n_threads, 2 * n_class);
    bool ok = jobs && sums;
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
    for (size_t it = 0; it < chain->n_iter; it++) {
        double part = (double)it / (double)chain->n_iter;

        st = oqt__progress(chain->progress, "process tensor", chain->done + chain->share * part, err);
        if (st != OQT_OK)
            goto done;
#pragma omp parallel for default(none) shared(jobs, n_job) schedule(dynamic) num_threads(n_threads)
        for (size_t k = 0; k < n_job; k++)
            job_apply(&jobs[k]);
#pragma omp parallel for default(none) shared(jobs, n_job, chain, sums, nn, level) num_threads(n_threads)
        for (size_t side = 0; side < 2; side++)
            mix(jobs + side * (n_job / 2), n_job / 2, chain->lam, level->parity, sums + side * nn);
    }
done:
    for (size_t k = 0; jobs && k < n_job; k++)
        job_release(&jobs[k]);
    oqt__free(jobs);
    oqt__free(sums);
    return st;
}
