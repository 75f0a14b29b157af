/* Import: writes a capture of another tool to an archive, as one session. docs/import.md specifies
 * the formats, and what becomes of each line.
 *
 * The file is read twice. The first reading finds its connections, their families and their
 * secrets; nothing is written before these are known. The second reading writes the frames in order
 * of time (import_order.h). Receive times are the file's own, raised where necessary so that they
 * strictly rise. Memory is bounded by the window, a line and a chunk. */
#ifndef TD_IMPORT_IMPORT_H
#define TD_IMPORT_IMPORT_H

#include <stdint.h>

#include "recorder/import/import_line.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "recorder/capture/feed_writer.h"
#include "schema/family.h"

typedef struct import_options {
    td_io io;
    td_clock clock;
    const td_log *log; /* may be NULL */
    const char *archive_path;
    const char *catalog_path; /* NULL: in the archive (archive/archive.h) */
    const char *version;
    import_format format;
    const char *path;              /* the file */
    const char *const *more_paths; /* files that continue it, in order */
    size_t more_count;
    const family *family; /* NULL: found by the capture's URLs */
    const char *feed;     /* NULL: the family's name */
    uint8_t is_again;     /* 1: import even if the feed has this content already */
} import_options;

/* A line that cannot be read. */
typedef struct import_problem {
    uint64_t line;
    char reason[160];
} import_problem;

/* Counts of what was written to a feed. */
typedef struct import_feed_counts {
    feed_counts frames;
    uint64_t connections;
    uint64_t gaps; /* gaps written, most between two connections of a slot */
    uint64_t first_ns, last_ns;
} import_feed_counts;

typedef struct import_feed_report {
    char name[LIMIT_NAME_BYTES]; /* as the option names it, else as the file does, else the family's
                                    name */
    const family *family;
    import_feed_counts counts;
} import_feed_report;

typedef struct import_report {
    uint64_t lines;
    uint64_t malformed; /* lines that could not be read; damaged compression counts as one */
    uint64_t
        adjusted; /* frames whose time was raised, because times must rise (docs/design.md, P3) */
    uint64_t adjusted_ns_max;
    uint64_t untimed;        /* frames of lines without a time; the exchange's time is used */
    const char *compression; /* import_source_compression */
    uint8_t is_written;      /* 0: there were no frames, and no session was made */
    char session[16];
    import_feed_report feeds[LIMIT_FEEDS];
    uint32_t feed_count;
    import_problem *problems; /* the first malformed lines */
    size_t problem_count;
} import_report;

enum { IMPORT_PROBLEMS_MAX = 1000 };

/* Free the report's problems. */
void import_report_fini(import_report *report);

/* Import one capture. Malformed lines are counted in the report, with TD_OK. TD_E_INVALID: the
 * family is unknown, a name is invalid, the content was imported before, or a line is too far out
 * of order. TD_E_LIMIT: a line is too long, or there are too many connections. With these two
 * errors nothing was written. Others are TD_E_NOTFOUND, TD_E_BUSY, TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result import_run(const import_options *options, import_report *report, td_err *err);

#endif
