/* outfile.h - files that appear only when they are complete.
 *
 * A file is written aside, in the same folder, and renamed when it is committed. What is not a regular file
 * (a device, a pipe) is written directly. */
#ifndef CLI_OUTFILE_H
#define CLI_OUTFILE_H

#include "cli.h"

struct outfile {
    FILE *stream;
    const char *name; /* as given, for messages; borrowed */
    char *target;     /* with symbolic links followed     */
    char *temporary;  /* NULL if written directly         */
};

/** Open for writing; "-" is stdout. */
int outfile_open(struct outfile *out, const char *path);
/** Write out what is buffered; the file is still aside. */
int outfile_finish(struct outfile *out);
/** Rename to the final name, after outfile_finish. */
int outfile_commit(struct outfile *out);
/** Close and remove what was not committed; {0} is fine. */
void outfile_discard(struct outfile *out);

/** Find out, before a long computation, whether a file can be written. Leaves nothing behind. */
int outfile_probe(const char *path);

#endif
