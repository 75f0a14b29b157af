/* Verifies that an archive is sound: reads and checks every byte of every segment.
 *
 * In each segment it checks:
 *   - the structure and every CRC (in our profile a zero CRC is damage)
 *   - the chain, and that the chain continues from the feed's previous segment
 *   - that ordinals of each connection have no holes, that frames received = written + dropped at
 *     every chunk, and that receive times rise strictly
 *   - every message index and the summary, against the chunks
 *   - that nothing follows the closing magic
 * It also checks the journal's own chain; that every segment in the journal exists and is as
 * listed; and the catalog against the segments. Other gaps in the ledger are ignored. Writes
 * nothing.
 *
 * A segment that is left out is not read: it is checked that it exists, that it has the size in the
 * journal, and that the next segment continues the chain value in the journal. */
#ifndef TD_ARCHIVE_VERIFY_H
#define TD_ARCHIVE_VERIFY_H

#include <stdint.h>

#include "base/err.h"
#include "base/time_span.h"
#include "archive/archive.h"

typedef enum verify_severity {
    VERIFY_SOUND,       /* notes: an unexpected file in the folder, a live segment */
    VERIFY_RECOVERABLE, /* sound after recover or reindex */
    VERIFY_DAMAGED,     /* something that was recorded is lost or changed */
} verify_severity;

/* Stable name ("sound"). */
const char *verify_severity_name(verify_severity severity);

typedef struct verify_finding {
    verify_severity severity;
    const char *segment; /* path below the archive; "" for the archive as a whole */
    uint64_t offset;     /* in that file; 0 for the whole file */
    const char *what;    /* one line */
} verify_finding;

typedef struct verify_report {
    verify_severity verdict; /* the worst finding */
    uint64_t segments;       /* that were read */
    uint64_t segments_left_out;
    uint64_t journal_bytes; /* for since_bytes of the next time */
    uint64_t chunks;
    uint64_t frames;
    uint64_t bytes;
    uint64_t findings[3]; /* by severity */
} verify_report;

typedef struct verify_options {
    time_span time;       /* segments without a frame of this time are left out */
    uint64_t since_bytes; /* segments that the journal lists as finished before this offset are
                             left out; 0: none */
    unsigned threads;     /* 1 to LIMIT_THREADS; findings and their order do not depend on it */
    /* Receives each finding, in order of path and offset. Strings are valid during the call. */
    void (*finding)(void *user, const verify_finding *finding);
    /* Called after each segment; may be NULL. */
    void (*progress)(void *user, uint64_t bytes_done, uint64_t bytes_total);
    void *user;
} verify_options;

/* Verify an archive or a single file. TD_OK whatever the verdict; TD_E_IO if it cannot be read. */
TD_MUST_USE td_result archive_verify(archive *archive, const verify_options *options,
                                     verify_report *report, td_err *err);

#endif
