/* A small sound archive for fuzz targets to damage: one feed with one segment, crashed or finished,
 * a journal and a catalog. It is on a simulated disk, except for the catalog, which is in a
 * temporary folder because SQLite does its own I/O. Everything except the session's id is always
 * the same. */
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
    io_fault *disk; /* must stay undamaged; damage a copy (fuzz_archive_copy) */
    clock_sim *clock;
    char folder[64];                /* temporary; removed when the process exits normally */
    char catalog_path[128];         /* of the archive's catalog */
    char segment[LIMIT_PATH_BYTES]; /* path of the segment on the disk */
} fuzz_archive;

/* Make an archive. With WRITER_STOP its last segment is finished and its session stopped; otherwise
 * they are as after a crash. */
fuzz_archive *fuzz_archive_make(writer_end end);

/* Another disk with the same files, without the catalog. */
io_fault *fuzz_archive_copy(const fuzz_archive *from);

/* Open the archive on a disk. */
td_result fuzz_archive_open(const fuzz_archive *from, io_fault *disk, archive_mode mode,
                            archive **out);

/* The verdict of verify for the archive on a disk; VERIFY_DAMAGED if it is missing. */
verify_severity fuzz_archive_verify(const fuzz_archive *from, io_fault *disk);

/* Run all readers: verify, a replay of everything, and recover twice, where the second run must
 * find nothing to do. Their findings are not checked, but that they end, free their memory and
 * close their files. */
void fuzz_archive_use(const fuzz_archive *from, io_fault *disk);

#endif
