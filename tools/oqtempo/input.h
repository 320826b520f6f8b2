/* input.h - what an input file asks for, checked and turned into objects of the library. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "chain_input.h"
#include "operators.h"
#include "phase.h"
#include "shape.h"

enum { MAX_DIMENSION = 512 };

/* In the order of task_names. */
enum task { TASK_DYNAMICS, TASK_PROCESS_TENSOR, TASK_STEADY_STATE, TASK_CHAIN };
extern const char *const task_names[];

enum method { METHOD_AUTO, METHOD_UNIFORM, METHOD_PT_TEMPO, METHOD_TEMPO };

/** A bath to build a process tensor of, or a process tensor that was read. */
struct bath_input {
    oqt_bath *bath;
    struct matrix coupling;
    oqt_pt *pt;         /* NULL if there is a bath    */
    struct places site; /* of a chain that have it */
};

struct observable {
    const char *name; /* belongs to the tree, or is `column` */
    struct matrix op;
    bool hermitian;
    char *column; /* of a chain: the name with the sites in it */
    size_t n_sites, site[2];
};

struct input {
    struct tree tree; /* with the options of the command line and the defaults in it */
    enum task task;
    struct chain_input chain; /* of the task chain; d, system and initial are then not used */
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
/** The lists `drive` and `dissipators` of a mapping into a system. */
int terms_read(oqt_system *system, struct input *in, struct space space, const struct node *map,
               const char *path);

/** The list `controls`, once time and dimension are known. */
int controls_read(struct input *in);

/** Refuse what cannot be the name of an observable. */
int check_observable_name(const struct node *node, const char *name);
/** Count the observable that was put behind the last one, unless its name would share a column. */
int add_observable(struct input *in, const struct node *node);

/** The section `chain`, then the initial states, and the observables, once the chain is known. */
int chain_read(struct input *in, const char *path);
int chain_read_states(struct input *in);
int chain_read_observables(struct input *in, const struct node *list);
void chain_release(struct chain_input *chain);

/** The baths of the tree into in->bath: first the process tensors in files, then, once the dimension of the
 *  system is known, the rest. */
int baths_read_tensors(struct input *in, const char *path);
int baths_read(struct input *in, const char *path);
void baths_release(struct input *in);
/** The first bath that is written like number i, but for the sites of a chain; i if there is none before it.
 */
size_t bath_like(const struct input *in, size_t i);

#endif
