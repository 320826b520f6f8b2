/*
 * forecast.c - how long the last steps of a chain would take with more threads.
 *
 * A simulation of the tasks with the times that were measured: a thread that is free takes the task that has
 * been waiting for the longest, as OpenMP's do, and one that was handed out earlier before one that was
 * handed out later. What it leaves out is what threads cost each other: memory, caches, the handing out.
 */
#include <string.h>

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
    size_t n;
    size_t *at;      /* n + 1: where the followers of a task begin                            */
    size_t *next;    /* the next task on each of its sites, n where there is none             */
    size_t *waits;   /* n: sites on which a task is not the first                             */
    size_t *missing; /* n: the same, less those on which the one before is done               */
    entry *ready, *busy;
} simulation;

static void link_tasks(simulation *s, size_t *last, size_t n_sites)
{
    for (size_t i = 0; i < n_sites; i++)
        last[i] = SIZE_MAX; /* where in `next` the last task on the site waits for its follower */
    for (size_t k = 0; k < s->n; k++)
        for (size_t i = s->task[k].first; i <= s->task[k].last; i++) {
            if (last[i] < SIZE_MAX) {
                s->next[last[i]] = k;
                s->waits[k]++;
            }
            last[i] = s->at[k] + i - s->task[k].first;
            s->next[last[i]] = s->n;
        }
}

/* Seconds from the first to the last. */
static double simulate(simulation *s, size_t threads)
{
    size_t n_ready = 0, n_busy = 0;
    double now = 0.0;

    memcpy(s->missing, s->waits, s->n * sizeof *s->missing);
    for (size_t k = 0; k < s->n; k++)
        if (s->missing[k] == 0)
            push(s->ready, &n_ready, 0.0, k);
    while (n_ready + n_busy > 0) {
        while (n_ready > 0 && n_busy < threads) {
            size_t k = pop(s->ready, &n_ready).task;

            push(s->busy, &n_busy, now + s->task[k].taken, k);
        }
        entry done = pop(s->busy, &n_busy);

        now = done.key;
        for (size_t i = s->at[done.task]; i < s->at[done.task + 1]; i++)
            if (s->next[i] < s->n && --s->missing[s->next[i]] == 0)
                push(s->ready, &n_ready, now, s->next[i]);
    }
    return now;
}

oqt_status oqt_tebd_forecast(double *speedup, const oqt_tebd *run, size_t n, const int *threads,
                             oqt_error *err)
{
    simulation s = {0};
    size_t n_links = 0, *last = NULL;
    double work = 0.0;
    oqt_status st = OQT_OK;

    if (!speedup || !run || !threads)
        return oqt__fail(err, OQT_EINVAL, "run, numbers of threads or place for the forecast is missing");
    for (size_t i = 0; i < n; i++)
        if (threads[i] < 1)
            return oqt__fail(err, OQT_EINVAL, "number of threads must be positive, got %d", threads[i]);
    s.task = run->task;
    s.n = run->n_tasks;
    s.at = oqt__calloc(s.n + 1, sizeof *s.at);
    for (size_t k = 0; s.at && k < s.n; k++) {
        n_links += s.task[k].last + 1 - s.task[k].first;
        s.at[k + 1] = n_links;
        work += s.task[k].taken;
    }
    s.next = oqt__calloc(n_links, sizeof *s.next);
    s.waits = oqt__calloc(s.n, sizeof *s.waits);
    s.missing = oqt__calloc(s.n, sizeof *s.missing);
    s.ready = oqt__calloc(s.n, sizeof *s.ready);
    s.busy = oqt__calloc(s.n, sizeof *s.busy);
    last = oqt__calloc(run->mps.n, sizeof *last);
    if (s.at && s.next && s.waits && s.missing && s.ready && s.busy && last) {
        link_tasks(&s, last, run->mps.n);
        for (size_t i = 0; i < n; i++) {
            double time = simulate(&s, (size_t)threads[i]);

            speedup[i] = time > 0.0 ? work / time : 1.0;
        }
    } else {
        st = oqt__no_memory(err, "a forecast");
    }
    oqt__free(s.at);
    oqt__free(s.next);
    oqt__free(s.waits);
    oqt__free(s.missing);
    oqt__free(s.ready);
    oqt__free(s.busy);
    oqt__free(last);
    return st;
}
