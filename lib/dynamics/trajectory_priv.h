/* trajectory_priv.h - private: the trajectory and the two kinds of files it is kept in. */
#ifndef OQT_PRIV_TRAJECTORY_H
#define OQT_PRIV_TRAJECTORY_H

#include <oqtempo/trajectory.h>

#include "core/file.h"

struct oqt_trajectory {
    size_t d, n, capacity;
    double *time;
    oqt_complex *state; /* capacity x d x d */
};

/** The largest dimension, which is that of systems, and room for the name of a column. */
enum { OQT__MAX_TRAJECTORY_DIMENSION = 1024, OQT__COLUMN_NAME = 64 };

/** The name of column k of states: rho_00_re, rho_00_im, rho_01_re .. */
void oqt__column_name(char name[OQT__COLUMN_NAME], size_t d, size_t k);

/** A trajectory without states, of a dimension that is allowed; NULL if out of memory. */
oqt_trajectory *oqt__trajectory_new(size_t d);
/** Room for that many states in all; false if out of memory. */
bool oqt__trajectory_reserve(oqt_trajectory *trajectory, size_t capacity);
/** Add at the end, in order or not; false if out of memory. */
bool oqt__trajectory_append(oqt_trajectory *trajectory, double time, const oqt_complex *state);
/** Put in order of time, equal ones as they are; false if out of memory. */
bool oqt__trajectory_sort(oqt_trajectory *trajectory);

/** The text of a trajectory, and a trajectory from a text. */
oqt_status oqt__trajectory_to_text(const oqt_trajectory *trajectory, const char *path, char separator,
                                   oqt_error *err);
oqt_status oqt__trajectory_from_text(oqt_trajectory **out, const oqt__map *map, const char *path,
                                     oqt_error *err);

/** The same for HDF5. */
bool oqt__is_hdf5(const oqt__map *map);
oqt_status oqt__trajectory_to_hdf5(const oqt_trajectory *trajectory, const char *path, oqt_error *err);
oqt_status oqt__trajectory_from_hdf5(oqt_trajectory **out, const oqt__map *map, const char *path,
                                     oqt_error *err);

#endif
