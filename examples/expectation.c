/* An observable of states computed before: cc expectation.c $(pkg-config --cflags --libs oqtempo)
 *     oqtempo run spin-boson.yaml --set output.states=true -o states.tsv
 *     ./a.out states.tsv sigma_y                                          t, Re tr(O rho), Im tr(O rho) */
#include <oqtempo/oqtempo.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    oqt_trajectory *states = NULL;
    oqt_error err = {OQT_OK, ""};

    if (argc == 3 && oqt_trajectory_read(&states, argv[1], &err) == OQT_OK) {
        size_t n = oqt_trajectory_length(states), d = oqt_trajectory_dimension(states);
        oqt_complex *op = malloc(d * d * sizeof *op), *value = malloc((n + 1) * sizeof *value);

        if (op && value && oqt_op_by_name(op, d, argv[2], &err) == OQT_OK) {
            oqt_trajectory_expect(value, states, op);
            for (size_t k = 0; k < n; k++)
                printf("%.17g\t%.17g\t%.17g\n", oqt_trajectory_times(states)[k], value[k].re, value[k].im);
        }
        free(value);
        free(op);
    }
    if (!states || err.code != OQT_OK)
        fprintf(stderr, "%s\n", err.code != OQT_OK ? err.text : "usage: expectation TABLE OPERATOR");
    oqt_trajectory_destroy(states);
    return !states || err.code != OQT_OK;
}
