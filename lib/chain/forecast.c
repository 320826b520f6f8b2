/*
 * forecast.c - how long the last steps of a chain would take with more threads.
 *
 * A simulation of the tasks with the times that were measured: a thread that is free takes the task that has
 * been waiting for the longest, as OpenMP's do, and one that was handed out earlier before one that was
 * handed out later. What it leaves out is what threads cost each other: memory, caches, the handing out.
 */
#include "chain/tebd_priv.h"

/* ---- heaps of tasks, the smallest key first ---- */

typedef struct {
    double key;
    size_t task;
} entry;

static bool before(const entry *a, const entry *b)
{
    return a->key < b->key || (a->key == b->key && a->task < b->task);
}

static void push(entry *heap, size_t *n, double key, size_t task)
{
    entry e = {key, task};
    size_t i = (*n)++;

    for (; i > 0 && before(&e, heap + (i - 1) / 2); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = e;
}

static entry pop(entry *heap, size_t *n)
{
    entry top = heap[0], e = heap[--*n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && before(heap + child + 1, heap + child))
            child++;
        if (!before(heap + child, &e))
            break;
        heap[i] = heap[child];
    }
    heap[i] = e;
    return top;
}

/* ---- the simulation ---- */

typedef struct {
    const oqt__task *task;
    size_t n, n_sites;
    size_t *at, *queue; /* n_sites + 1: where the tasks of a site begin, in their order, in the queue */
    size_t *next;       /* of each site: the first in the queue that may not begin yet       */
    size_t *active;     /* of each site: those that may and are not done                     */
    size_t *missing;    /* of each task: its sites on which it may not begin yet             */
    entry *ready, *busy;
    size_t n_ready, n_busy;
    double now;
} simulation;

static void queue_up(simulation *s)
{
    for (size_t k = 0; k < s->n; k++)
        for (size_t i = s->task[k].first; i <= s->task[k].last; i++)
            s->at[i + 1]++;
    for (size_t i = 0; i < s->n_sites; i++) {
        s->at[i + 1] += s->at[i];
        s->next[i] = s->at[i];
    }
    for (size_t k = 0; k < s->n; k++)
        for (size_t i = s->task[k].first; i <= s->task[k].last; i++)
            s->queue[s->next[i]++] = k;
}

/* Let the next tasks of a site begin: an operation alone, or records. */
static void let_begin(simulation *s, size_t site)
{
    for (; s->next[site] < s->at[site + 1]; s->next[site]++) {
        size_t k = s->queue[s->next[site]];

        if (s->active[site] > 0 && (s->task[k].op || s->task[s->queue[s->next[site] - 1]].op))
            break;
        s->active[site]++;
        if (--s->missing[k] == 0)
            push(s->ready, &s->n_ready, s->now, k);
    }
}

/* Seconds from the first to the last. */
static double simulate(simulation *s, size_t threads)
{
    s->now = 0.0;
    for (size_t k = 0; k < s->n; k++)
        s->missing[k] = s->task[k].last + 1 - s->task[k].first;
    for (size_t i = 0; i < s->n_sites; i++) {
        s->next[i] = s->at[i];
        let_begin(s, i);
    }
    while (s->n_ready + s->n_busy > 0) {
        while (s->n_ready > 0 && s->n_busy < threads) {
            size_t k = pop(s->ready, &s->n_ready).task;

            push(s->busy, &s->n_busy, s->now + s->task[k].taken, k);
        }
        entry done = pop(s->busy, &s->n_busy);
        const oqt__task *t = s->task + done.task;

        s->now = done.key;
        for (size_t i = t->first; i <= t->last; i++) {
            s->active[i]--;
            let_begin(s, i);
        }
    }
    return s->now;
}

static oqt_status allocate(simulation *s, oqt_error *err)
{
    size_t n_places = 0;

    for (size_t k = 0; k < s->n; k++)
        n_places += s->task[k].last + 1 - s->task[k].first;
    s->at = oqt__calloc(s->n_sites + 1, sizeof *s->at);
    s->queue = oqt__calloc(n_places, sizeof *s->queue);
    s->next = oqt__calloc(s->n_sites, sizeof *s->next);
    s->active = oqt__calloc(s->n_sites, sizeof *s->active);
    s->missing = oqt__calloc(s->n, sizeof *s->missing);
    s->ready = oqt__calloc(s->n, sizeof *s->ready);
    s->busy = oqt__calloc(s->n, sizeof *s->busy);
    return s->at && s->queue && s->next && s->active && s->missing && s->ready && s->busy
               ? OQT_OK
               : oqt__no_memory(err, "a forecast");
}

static void release(simulation *s)
{
    oqt__free(s->at);
    oqt__free(s->queue);
    oqt__free(s->next);
    oqt__free(s->active);
    oqt__free(s->missing);
    oqt__free(s->ready);
    oqt__free(s->busy);
}

oqt_status oqt_tebd_forecast(double *speedup, const oqt_tebd *run, size_t n, const int *threads,
                             oqt_error *err)
{
    simulation s = {0};
    double work = 0.0;
    oqt_status st;

    if (!speedup || !run || !threads)
        return oqt__fail(err, OQT_EINVAL, "run, numbers of threads or place for the forecast is missing");
    for (size_t i = 0; i < n; i++)
        if (threads[i] < 1)
            return oqt__fail(err, OQT_EINVAL, "number of threads must be positive, got %d", threads[i]);
    s.task = run->task;
    s.n = run->n_tasks;
    s.n_sites = run->mps.n;
    for (size_t k = 0; k < s.n; k++)
        work += s.task[k].taken;
    if ((st = allocate(&s, err)) == OQT_OK) {
        queue_up(&s);
        for (size_t i = 0; i < n; i++) {
            double time = simulate(&s, (size_t)threads[i]);

            speedup[i] = time > 0.0 ? work / time : 1.0;
        }
    }
    release(&s);
    return st;
}
