/* chain_input.h - what an input file says about a chain. */
#ifndef CLI_CHAIN_INPUT_H
#define CLI_CHAIN_INPUT_H

#include "operators.h"

/** Numbers of sites or of bonds. */
struct places {
    size_t n, *at;
};

/** A number from 0 to count - 1, a list of them, or `all`; never none. */
int places_read(struct places *out, const struct node *node, size_t count);
void places_release(struct places *places);

struct chain_input {
    size_t n, *d; /* sites and their dimensions; n is 0 for other tasks */
    oqt_chain *chain;
    oqt_complex *initial; /* d x d of each site, one behind the other */
    int order;
    double tolerance; /* of the bonds between sites */
    size_t max_bond;
    oqt_parallel parallel;
    oqt_control **site_control, **bond_control; /* n and n - 1 of them, NULL where there is none */
    size_t n_image;        /* columns of the first observable if it is one of all sites, else 0 */
    bool bonds, entropies; /* are written                                          */
    char *checkpoint;      /* file for the state of an interrupted run, or NULL    */
    bool resume;           /* go on from there; an option of the command line      */
};

/** The space of a site, or of the two sites of a bond. */
struct space chain_space(const struct chain_input *chain, bool of_bond, size_t place);

#endif
