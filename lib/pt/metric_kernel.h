/* metric_kernel.h - the products behind a metric in one precision, for metric.c and metric_single.c, which
 * say what `real`, `square_product` and `improve` are. */

/* One class: a power of its tensor, and on both sides (right, left) an environment and what the power makes
 * of it. All matrices are padded (oqt__padded); a complex one is two, the imaginary part after the real one.
 */
struct job {
    bool is_real;   /* real or gauged */
    size_t n, size; /* size: of one matrix, padded */
    real weight;
    real *f, *ft; /* sqrt(theta) F to the power 2^j, and its transpose */
    real *next;   /* the power after it                                */
    real *r[2];   /* the environment                                   */
    real *t[2];   /* F R                                               */
    real *y[2];   /* F R F^+, its lower part                           */
    real *mem;
};

static void copy_block(real *to, size_t ld_to, const double *from, size_t ld, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            to[i * ld_to + j] = (real)from[i * ld + j];
}

static void transpose(real *to, const real *from, size_t n)
{
    size_t ld = oqt__padded(n);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            to[j * ld + i] = from[i * ld + j];
}

static size_t parts_of(const struct job *job)
{
    return job->is_real ? 1 : 2;
}

static bool job_init(struct job *job, const oqt__legs *legs, size_t cls, const oqt__environment *right,
                     const oqt__environment *left)
{
    size_t n = right->n, ld = oqt__padded(n), n_parts = oqt__class_parts(legs, cls), step = n_parts * ld * ld;
    const oqt__environment *sides[2] = {right, left};

    *job = (struct job){.is_real = n_parts == 1, .n = n, .size = ld * ld, .weight = (real)legs->weight[cls]};
    job->mem = oqt__calloc(9 * step, sizeof *job->mem);
    if (!job->mem)
        return false;
    job->f = job->mem;
    job->ft = job->f + step;
    job->next = job->ft + step;
    for (size_t side = 0; side < 2; side++) {
        job->r[side] = job->next + (1 + 3 * side) * step;
        job->t[side] = job->r[side] + step;
        job->y[side] = job->t[side] + step;
        for (size_t part = 0; part < n_parts; part++)
            copy_block(job->r[side] + part * job->size, ld, sides[side]->mat[cls] + part * n, n_parts * n, n);
    }
    return true;
}

static void job_finish(const struct job *job, size_t side, double *mat)
{
    size_t n = job->n, ld = oqt__padded(n), n_parts = parts_of(job);

    for (size_t part = 0; part < n_parts; part++)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                mat[(i * n_parts + part) * n + j] = job->r[side][part * job->size + i * ld + j];
}

/* The first power of the tensor. */
static void job_load(struct job *job, const oqt__level *level, size_t cls, double theta)
{
    const double *parts[2] = {level->re[cls], level->im[cls]};
    double root = sqrt(theta);
    size_t n = job->n, ld = oqt__padded(n);

    for (size_t part = 0; part < parts_of(job); part++) {
        real *f = job->f + part * job->size;

        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                f[i * ld + j] = (real)(root * parts[part][i * n + j]);
        transpose(job->ft + part * job->size, f, n);
    }
}

/* next = F^2. */
static void job_square(const struct job *job)
{
    size_t n = job->n, im = job->size;
    const real *f = job->f;

    square_product(job->next, 1, f, f, 0, n, false);
    if (job->is_real)
        return;
    square_product(job->next, -1, f + im, f + im, 1, n, false);
    square_product(job->next + im, 1, f, f + im, 0, n, false);
    square_product(job->next + im, 1, f + im, f, 1, n, false);
}

static void job_take_next(struct job *job)
{
    real *swap = job->f;

    job->f = job->next;
    job->next = swap;
    for (size_t part = 0; part < parts_of(job); part++)
        transpose(job->ft + part * job->size, job->f + part * job->size, job->n);
}

/* y = F R F^+ on the right side, F^T R F^* on the left. With F = P + iQ and R = Rs + i Ra, T = F R:
 * T = (P Rs - Q Ra) + i (P Ra + Q Rs),  Y = (Tr P^T + Ti Q^T) + i (Ti P^T - Tr Q^T). */
static void job_apply(const struct job *job, size_t side)
{
    size_t n = job->n, im = job->size;
    const real *f = side == 0 ? job->f : job->ft, *ft = side == 0 ? job->ft : job->f, *r = job->r[side];
    real *t = job->t[side], *y = job->y[side];

    square_product(t, 1, f, r, 0, n, false);
    if (!job->is_real) {
        square_product(t, -1, f + im, r + im, 1, n, false);
        square_product(t + im, 1, f, r + im, 0, n, false);
        square_product(t + im, 1, f + im, r, 1, n, false);
    }
    square_product(y, 1, t, ft, 0, n, true);
    if (!job->is_real) {
        square_product(y, 1, t + im, ft + im, 1, n, true);
        square_product(y + im, 1, t + im, ft, 0, n, true);
        square_product(y + im, -1, t, ft + im, 1, n, true);
    }
}

/* The upper part from the lower one; symmetry: 1, or -1 for an antisymmetric matrix. */
static void mirror(real *a, size_t n, real symmetry)
{
    size_t ld = oqt__padded(n);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            a[j * ld + i] = symmetry * a[i * ld + j];
}

/* r += share y, in the lower part. */
OQT__SIMD static void add_lower(real *r, const real *y, real share, size_t n)
{
    size_t ld = oqt__padded(n);

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            r[i * ld + j] += share * y[i * ld + j];
}

/* The upper parts of r, so that it is Hermitian to the last digit. */
static void job_mirror(const struct job *job, size_t side)
{
    for (size_t part = 0; part < parts_of(job); part++)
        mirror(job->r[side] + part * job->size, job->n, part ? -1 : 1);
}

/* r += share y. */
static void job_add(const struct job *job, size_t side, real share)
{
    for (size_t part = 0; part < parts_of(job); part++)
        add_lower(job->r[side] + part * job->size, job->y[side] + part * job->size, share, job->n);
    job_mirror(job, side);
}

/* Mix the classes of one side: r = lam Y + (1 - lam) S, S = sum_mu w_mu Re Y_mu within each parity, with 1
 * for the vacuum. sign: 1 for even states, -1 for odd ones. */
OQT__SIMD static void mix(struct job *jobs, size_t n_job, size_t side, real lam, const real *sign, real *sum)
{
    const real rest = (1 - lam) / 2;
    size_t n = jobs[0].n, ld = oqt__padded(n);
    real norm;

    for (size_t i = 0; i < n; i++) {
        real *row = sum + i * ld;

        memset(row, 0, (i + 1) * sizeof *row);
        for (size_t k = 0; k < n_job; k++) {
            const real *y = jobs[k].y[side] + i * ld;

            for (size_t j = 0; j <= i; j++)
                row[j] += jobs[k].weight * y[j];
        }
    }
    norm = 1 / sum[0];
    for (size_t k = 0; k < n_job; k++) {
        for (size_t i = 0; i < n; i++) {
            real *r = jobs[k].r[side] + i * ld;
            const real *y = jobs[k].y[side] + i * ld, *row = sum + i * ld;

            for (size_t j = 0; j <= i; j++)
                r[j] = norm * (lam * y[j] + rest * (1 + sign[i] * sign[j]) * row[j]);
            for (size_t j = 0; !jobs[k].is_real && j <= i; j++)
                r[jobs[k].size + j] = norm * lam * y[jobs[k].size + j];
        }
        job_mirror(&jobs[k], side);
    }
}

/* 1 for the vacuum, averaged over classes. */
static void normalize(struct job *jobs, size_t n_job, size_t side)
{
    real vacuum = 0;

    for (size_t k = 0; k < n_job; k++)
        vacuum += jobs[k].weight * jobs[k].r[side][0];
    for (size_t k = 0; k < n_job; k++)
        for (size_t i = 0; i < parts_of(&jobs[k]) * jobs[k].size; i++)
            jobs[k].r[side][i] /= vacuum;
}

/* What runs the products of all classes. */
struct runner {
    struct job *jobs;
    size_t n_job, size; /* size: of a matrix, padded */
    real *sign;
    real *sums; /* one matrix for each side */
    const oqt__metric_chain *chain;
    int n_threads;
    double done, step; /* progress */
};

static oqt_status report(struct runner *run, oqt_error *err)
{
    run->done += run->step;
    return oqt__progress(run->chain->progress, "process tensor", run->done, err);
}

/* One step of the iteration. Items of the parallel loops are independent. */
static void iterate(const struct runner *run, real lam)
{
    struct job *jobs = run->jobs;
    size_t n_job = run->n_job, size = run->size;
    real *sums = run->sums, *sign = run->sign;

#pragma omp parallel for default(none) shared(jobs, n_job) schedule(dynamic) num_threads(run->n_threads)
    for (size_t k = 0; k < 2 * n_job; k++)
        job_apply(&jobs[k / 2], k % 2);
#pragma omp parallel for default(none) shared(jobs, n_job, lam, sign, sums, size) num_threads(run->n_threads)
    for (size_t side = 0; side < 2; side++)
        mix(jobs, n_job, side, lam, sign, sums + side * size);
}

/* r <- r + weight f r f^+, f <- f^2. */
static void double_stay(const struct runner *run, real weight, bool last)
{
    struct job *jobs = run->jobs;
    size_t n_job = run->n_job;

#pragma omp parallel for default(none) shared(jobs, n_job, weight, last) schedule(dynamic)                   \
    num_threads(run->n_threads)
    for (size_t k = 0; k < 3 * n_job; k++)
        if (k % 3 < 2) {
            job_apply(&jobs[k / 3], k % 3);
            job_add(&jobs[k / 3], k % 3, weight);
        } else if (!last) {
            job_square(&jobs[k / 3]);
        }
    for (size_t k = 0; !last && k < n_job; k++)
        job_take_next(&jobs[k]);
}

static void load_tensors(struct job *jobs, const oqt__level *level, const oqt__metric_chain *chain)
{
    for (size_t k = 0, i = 0; k < chain->legs->n_class; k++)
        if (chain->legs->kind[k] != OQT__CLASS_MIRROR)
            job_load(&jobs[i++], level, k, chain->theta[k]);
}

/* Whole stays at once, then one slot after the other. */
static oqt_status run_chain(struct runner *run, const oqt__level *level, oqt_error *err)
{
    const oqt__metric_chain *chain = run->chain;
    size_t n_double = oqt__metric_doublings(chain->lam);
    double weight = chain->lam;
    oqt_status st = OQT_OK;

    run->step = chain->share / (double)(n_double + chain->n_iter + 1);
    load_tensors(run->jobs, level, chain);
    iterate(run, 0);
    for (size_t j = 1; st == OQT_OK && j <= n_double; j++, weight *= weight) {
        double_stay(run, (real)weight, j == n_double);
        st = report(run, err);
    }
    for (size_t side = 0; side < 2; side++)
        normalize(run->jobs, run->n_job, side);
    if (chain->n_iter > 0 && n_double > 0)
        load_tensors(run->jobs, level, chain);
    for (size_t i = 0; st == OQT_OK && i < chain->n_iter; i++) {
        iterate(run, (real)chain->lam);
        st = report(run, err);
    }
    return st;
}

oqt_status improve(oqt__environment *right, oqt__environment *left, const oqt__level *level,
                   const oqt__metric_chain *chain, oqt_error *err)
{
    size_t n_class = chain->legs->n_class, ld = oqt__padded(level->n);
    struct runner run = {.jobs = oqt__calloc(n_class, sizeof *run.jobs),
                         .size = ld * ld,
                         .sign = oqt__calloc(level->n, sizeof *run.sign),
                         .sums = oqt__calloc(2 * ld * ld, sizeof *run.sums),
                         .chain = chain,
                         .done = chain->done};
    bool ok = run.jobs && run.sign && run.sums;
    oqt_status st;

    /* below that size a product takes less time than a barrier */
    run.n_threads = level->n < 48 ? 1 : oqt__blas_callers(chain->n_threads, 3 * n_class);
    for (size_t k = 0; ok && k < n_class; k++)
        if (chain->legs->kind[k] != OQT__CLASS_MIRROR)
            ok = job_init(&run.jobs[run.n_job++], chain->legs, k, right, left);
    for (size_t i = 0; ok && i < level->n; i++)
        run.sign[i] = level->parity[i] ? -1 : 1;
    st = ok ? run_chain(&run, level, err) : oqt__no_memory(err, "the metric of a bond");
    for (size_t k = 0, i = 0; st == OQT_OK && k < n_class; k++)
        if (chain->legs->kind[k] != OQT__CLASS_MIRROR) {
            job_finish(&run.jobs[i], 0, right->mat[k]);
            job_finish(&run.jobs[i++], 1, left->mat[k]);
        }
    for (size_t i = 0; i < run.n_job; i++)
        oqt__free(run.jobs[i].mem);
    oqt__free(run.jobs);
    oqt__free(run.sign);
    oqt__free(run.sums);
    return st;
}
