/* input.h - what an input file asks for, checked and turned into objects of the library. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "operators.h"
#include "phase.h"
#include "shape.h"

enum { MAX_DIMENSION = 512 };

/* In the order of task_names. */
enum task { TASK_DYNAMICS, TASK_PROCESS_TENSOR, TASK_STEADY_STATE };
extern const char *const task_names[];

enum method { METHOD_AUTO, METHOD_UNIFORM, METHOD_PT_TEMPO, METHOD_TEMPO };

/** A bath to build a process tensor of, or a process tensor that was read. */
struct bath_input {
    oqt_bath *bath;
    struct matrix coupling;
    oqt_pt *pt; /* NULL if there is a bath */
};

struct observable {
    const char *name; /* belongs to the tree */
    struct matrix op;
    bool hermitian;
};

struct input {
    struct tree tree; /* with the options of the command line and the defaults in it */
    enum task task;
    size_t d;
    oqt_system *system;
    size_t n_shapes;
    struct shape **shape; /* of its drives and rates, which point to them */
    bool has_hamiltonian;
    struct matrix initial; /* read, but not used by steady states */
    bool hermitian;        /* all states are                      */
    size_t n_baths;
    struct bath_input *bath;
    struct phase bath_phase; /* time taken to make the baths */
    double start, step;
    uint64_t n_steps;     /* 0: not given (process tensors only), or without meaning (steady states) */
    uint64_t n_period;    /* of a steady state: steps after which the drive repeats itself, 1 without one */
    oqt_control *control; /* NULL if there is none */
    enum method method;
    double tolerance, accuracy; /* one of them is 0 */
    double path_rate;
    size_t max_bond;
    size_t memory_steps; /* as in the options of the library: 0 is full memory */
    double added_correlation_time;
    oqt_split splitting;
    oqt_propagation propagation;
    size_t n_observables;
    struct observable *observable;
    bool states;
};

/**
 * Read and check an input file.
 *
 * @param[in] set    n_set texts KEY=VALUE that override it
 * @param[in] build  for `pt build`: whatever task the file names, its process tensor is wanted
 */
int input_read(struct input *out, const char *path, const char *const *set, size_t n_set, bool build);
void input_release(struct input *in);

/** The section `system`, with its dimension from wherever it can be known. Files are relative to `path`. */
int system_read(struct input *in, const char *path);
void system_release(struct input *in);

/** The list `controls`, once time and dimension are known. */
int controls_read(struct input *in);

/** The baths of the tree into in->bath: first the process tensors in files, then, once the dimension of the
 *  system is known, the rest. */
int baths_read_tensors(struct input *in, const char *path);
int baths_read(struct input *in, const char *path);
void baths_release(struct input *in);

#endif
