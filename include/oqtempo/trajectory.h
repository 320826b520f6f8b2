/* oqtempo/trajectory.h - states at times: kept in order, expectation values, files.
 *
 * A state is any d x d matrix with finite elements; nothing is normalized. One handle, one thread at a time;
 * a trajectory that is only read may be shared.
 */
#ifndef OQT_TRAJECTORY_H
#define OQT_TRAJECTORY_H

#include <oqtempo/types.h>

OQT_BEGIN_DECLS

typedef struct oqt_trajectory oqt_trajectory;

/**
 * A trajectory with n states.
 *
 * @param[out] out     destroy with oqt_trajectory_destroy
 * @param[in]  d       dimension of the states, 1 to 1024
 * @param[in]  n       may be 0; then the arrays may be NULL
 * @param[in]  times   n, finite, in any order; states of equal times stay in the order given
 * @param[in]  states  n matrices d x d, copied; state k begins at element k stride
 * @param[in]  stride  0 for d d, one behind the other. A column c of oqt_dynamics_record begins at element
 *                     c d d and has the stride (number of columns) d d
 * @return OQT_OK, OQT_EINVAL, OQT_ERANGE (d too large) or OQT_ENOMEM
 */
OQT_API oqt_status oqt_trajectory_create(oqt_trajectory **out, size_t d, size_t n, const double *times,
                                         const oqt_complex *states, size_t stride, oqt_error *err);

/** Free a trajectory; NULL is fine. */
OQT_API void oqt_trajectory_destroy(oqt_trajectory *trajectory);

/**
 * Add a state in order of time, behind those of the same time.
 *
 * @param[in,out] trajectory  unchanged on failure
 * @param[in]     state       d x d, copied
 * @return OQT_OK, OQT_EINVAL (not finite) or OQT_ENOMEM
 *
 * Cost: that of a copy at the end, on average; earlier times move all later ones.
 */
OQT_API oqt_status oqt_trajectory_add(oqt_trajectory *trajectory, double time, const oqt_complex *state,
                                      oqt_error *err);

/** Dimension d of the states. */
OQT_API size_t oqt_trajectory_dimension(const oqt_trajectory *trajectory);

/** Number of states. */
OQT_API size_t oqt_trajectory_length(const oqt_trajectory *trajectory);

/** The times, ascending, and the states, length x d x d. Borrowed until the trajectory changes; may be NULL
 * if it is empty. */
OQT_API const double *oqt_trajectory_times(const oqt_trajectory *trajectory);
OQT_API const oqt_complex *oqt_trajectory_states(const oqt_trajectory *trajectory);

/** tr(O rho) of every state.
 *
 * @param[out] values  one for each state
 * @param[in]  op      d x d, or NULL for the trace
 */
OQT_API void oqt_trajectory_expect(oqt_complex *values, const oqt_trajectory *trajectory,
                                   const oqt_complex *op);

/* ---- files ---- */

typedef enum {
    OQT_TABLE_TSV = 0, /* columns separated by tabs    */
    OQT_TABLE_CSV = 1, /* columns separated by commas  */
    OQT_TABLE_HDF5 = 2 /* one data set for each column */
} oqt_table_format;

/**
 * Write the columns t, rho_00_re, rho_00_im, rho_01_re .. (rho_0_0_re .. for d > 10), as the program does.
 *
 * Text begins with comment lines (#), the last of which names the columns; the numbers have 17 digits, so
 * that they are read back to the bit. HDF5 files have a user block with their length and hash, so that a
 * truncated or altered one is refused. The file is written beside its place and renamed there.
 *
 * @return OQT_OK, OQT_EINVAL, OQT_EIO, OQT_ENOMEM, OQT_ERANGE or OQT_EUNSUPPORTED (built without HDF5)
 *
 * Memory: that of the file, 25 bytes for each number of a text.
 */
OQT_API oqt_status oqt_trajectory_write(const oqt_trajectory *trajectory, const char *path,
                                        oqt_table_format format, oqt_error *err);

/**
 * Read what oqt_trajectory_write has written, or a table of the program with `output: {states: true}`. The
 * format is found out; columns other than t and rho_.. are skipped; rows may be in any order.
 *
 * @param[out] out  destroy with oqt_trajectory_destroy; unchanged on failure
 * @return OQT_OK, OQT_EIO, OQT_ENOMEM, OQT_EUNSUPPORTED (built without HDF5), or OQT_EFORMAT: not a table of
 *         states, a number that is none or not finite, a line without its end; the message tells the line
 *
 * A text that was cut between two lines cannot be told from a shorter one; an HDF5 file is read only if its
 * hash is right. Memory: at most 12 times the file, twice with numbers of 17 digits.
 */
OQT_API oqt_status oqt_trajectory_read(oqt_trajectory **out, const char *path, oqt_error *err);

OQT_END_DECLS

#endif
