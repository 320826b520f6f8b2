/* plot.h - plots of tables, made by gnuplot. */
#ifndef CLI_PLOT_H
#define CLI_PLOT_H

#include "table.h"

/** Plot the first n columns after t into a PNG file. */
int plot_table(const char *path, const struct table *table, size_t n);

/** The same as an image: the columns are sites, named NAME[0] and so on, and the rows times. */
int plot_image(const char *path, const struct table *table, size_t n);

#endif
