/* threads.c - thread counts, and the only code that touches the thread count of BLAS. */
#include "core/blas_control.h"
#include "core/core.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#ifdef OQT_HAVE_OPENMP
#include <omp.h>
#endif

int oqt__threads(int n, size_t n_items)
{
#ifdef OQT_HAVE_OPENMP
    int limit = 4 * omp_get_num_procs();

    if (n <= 0)
        n = omp_get_max_threads();
    if (n > limit)
        n = limit;
    return (size_t)n <= n_items ? n : n_items > 0 ? (int)n_items : 1;
#else
    (void)n;
    (void)n_items;
    return 1;
#endif
}

int oqt__thread_index(void)
{
#ifdef OQT_HAVE_OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

int oqt__blas_callers(int n, size_t n_items)
{
    return oqt__blas_control_get()->kind == OQT_BLAS_SERIAL ? 1 : oqt__threads(n, n_items);
}

/* ---- which BLAS ---- */

static oqt__blas_control control;
static pthread_once_t control_once = PTHREAD_ONCE_INIT;

#ifdef OQT_HAVE_OPENBLAS
/* Strong references, so that they are found in a static link as well. */
int openblas_get_parallel(void);
int openblas_get_num_threads(void);
void openblas_set_num_threads(int n);
char *openblas_get_config(void);

static void find_openblas(int (**parallel)(void), char *(**config)(void))
{
    *parallel = openblas_get_parallel;
    *config = openblas_get_config;
    control.get_threads = openblas_get_num_threads;
    control.set_threads = openblas_set_num_threads;
}
#else
/* An interface library may turn out to be OpenBLAS when the program runs. POSIX lets dlsym return functions
 * through void *, which ISO C does not; the copy keeps the compiler content. */
static void find_symbol(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_DEFAULT, name);

    memcpy(function, &symbol, sizeof symbol);
}

static void find_openblas(int (**parallel)(void), char *(**config)(void))
{
    find_symbol(parallel, "openblas_get_parallel");
    find_symbol(config, "openblas_get_config");
    find_symbol(&control.get_threads, "openblas_get_num_threads");
    find_symbol(&control.set_threads, "openblas_set_num_threads");
}
#endif

static void find_control(void)
{
    int (*parallel)(void) = NULL;
    char *(*config)(void) = NULL;

    find_openblas(&parallel, &config);
    if (!parallel || !control.get_threads || !control.set_threads) {
        control.get_threads = NULL;
        control.set_threads = NULL;
        control.kind = OQT_BLAS_UNKNOWN;
        snprintf(control.name, sizeof control.name, "generic");
        return;
    }
    switch (parallel()) {
    case 0:
        control.kind = OQT_BLAS_SERIAL;
        break;
    case 1:
        control.kind = OQT_BLAS_PTHREAD;
        break;
    default:
        control.kind = OQT_BLAS_OPENMP;
    }
    /* The text begins with "OpenBLAS 0.3.21 ..."; name and version are enough. */
    const char *text = config ? config() : "OpenBLAS";
    const char *space = strchr(text, ' ');
    size_t length = space ? strcspn(space + 1, " ") + (size_t)(space + 1 - text) : strlen(text);

    snprintf(control.name, sizeof control.name, "%.*s", (int)length, text);
}

const oqt__blas_control *oqt__blas_control_get(void)
{
    pthread_once(&control_once, find_control);
    return &control;
}

/* ---- the guard ---- */

static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t guard_depth;
static int saved_blas_threads;

static pthread_once_t serial_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t serial_lock;

static void init_serial_lock(void)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&serial_lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

/* OpenBLAS on OpenMP sets OpenMP's own thread count along with its own; that one belongs to the user. */
static void set_blas_threads(int n)
{
#ifdef OQT_HAVE_OPENMP
    int omp_threads = omp_get_max_threads();

    control.set_threads(n);
    omp_set_num_threads(omp_threads);
#else
    control.set_threads(n);
#endif
}

void oqt__blas_enter(oqt__blas_guard *guard)
{
    guard->active = true;
    if (oqt__blas_control_get()->kind == OQT_BLAS_SERIAL) {
        pthread_once(&serial_once, init_serial_lock);
        pthread_mutex_lock(&serial_lock);
        return;
    }
    if (!control.set_threads)
        return;
    pthread_mutex_lock(&guard_lock);
    if (guard_depth++ == 0) {
        saved_blas_threads = control.get_threads();
        if (saved_blas_threads != 1)
            set_blas_threads(1);
    }
    pthread_mutex_unlock(&guard_lock);
}

void oqt__blas_leave(oqt__blas_guard *guard)
{
    if (!guard->active)
        return;
    guard->active = false;
    if (control.kind == OQT_BLAS_SERIAL) {
        pthread_mutex_unlock(&serial_lock);
        return;
    }
    if (!control.set_threads)
        return;
    pthread_mutex_lock(&guard_lock);
    if (--guard_depth == 0 && saved_blas_threads != 1)
        set_blas_threads(saved_blas_threads);
    pthread_mutex_unlock(&guard_lock);
}

void oqt__blas_widen(int n)
{
    if (control.kind == OQT_BLAS_SERIAL || !control.set_threads)
        return;
    pthread_mutex_lock(&guard_lock);
    if (guard_depth == 1 || n == 1)
        set_blas_threads(n);
    pthread_mutex_unlock(&guard_lock);
}
