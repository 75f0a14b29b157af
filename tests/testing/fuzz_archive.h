/* A small sound archive for fuzz targets to spoil: one feed, one crashed segment or a finished one,
 * a journal, a catalog. On a simulated disk; the catalog in a temporary folder, because SQLite does
 * its own I/O. Everything but the session's id is the same each time. */
#ifndef TD_TESTS_TESTING_FUZZ_ARCHIVE_H
#define TD_TESTS_TESTING_FUZZ_ARCHIVE_H

#include "tests/testing/clock_sim.h"
#include "tests/testing/io_fault.h"
#include "archive/archive.h"
#include "archive/archive_writer.h"
#include "archive/verify.h"
#include "archive/event.h"

#define FUZZ_ARCHIVE_PATH "archive"

typedef struct fuzz_archive {
    io_fault *disk; /* as it was made; spoil a copy (fuzz_archive_copy) */
    clock_sim *clock;
    char folder[64];                /* temporary, removed when the process ends well */
    char catalog_path[128];         /* of the archive's catalog */
    char segment[LIMIT_PATH_BYTES]; /* on the disk */
} fuzz_archive;

/* The archive; its last segment is finished and the session stopped (WRITER_STOP), or neither. */
fuzz_archive *fuzz_archive_make(writer_end end);

/* Another disk with the same on it, and no catalog. */
io_fault *fuzz_archive_copy(const fuzz_archive *from);

/* Open it on a disk. */
td_result fuzz_archive_open(const fuzz_archive *from, io_fault *disk, archive_mode mode,
                            archive **out);

/* The verdict over the archive on a disk; VERIFY_DAMAGED if there is none. */
verify_severity fuzz_archive_verify(const fuzz_archive *from, io_fault *disk);

/* Everything that reads: verify, then a replay of all that there is, then recover, twice: the
 * second one has nothing to do. What they find is their business; that they end, free all and close
 * all files is checked. */
void fuzz_archive_use(const fuzz_archive *from, io_fault *disk);

#endif
