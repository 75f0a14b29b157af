/* The catalog: an SQLite index of an archive, derived from its segments and its journal. Deleting
 * it loses nothing (reindex.h). What it holds of a segment counts only if the segment is finished,
 * the row describes the file on disk, and checksums show that the segment's rows are those that
 * were written: else the segment itself is read. The journal's entries are read from the journal.
 * Values out of range make the catalog unusable, not the program.
 *
 * WAL mode, so readers work while an appender writes; writing is done in short IMMEDIATE
 * transactions. On an appender's connection automatic checkpoints are off (they would fsync inside
 * a COMMIT); it checkpoints when it is closed (base/database.h).
 *
 * One thread at a time per catalog. */
#ifndef TD_ARCHIVE_CATALOG_H
#define TD_ARCHIVE_CATALOG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "format/chain.h"
#include "archive/gap.h"
#include "archive/journal.h"
#include "format/segment_index.h"

typedef struct catalog catalog;

enum { CATALOG_SCHEMA_VERSION = 4 };

typedef enum catalog_mode {
    CATALOG_READ,     /* nothing is written; works on a read-only folder */
    CATALOG_WRITE,    /* made if missing, migrated if older; automatic checkpoints */
    CATALOG_APPENDER, /* as CATALOG_WRITE, without automatic checkpoints, and short waits for locks
                       */
    CATALOG_MEMORY,   /* path is ignored; a private catalog */
} catalog_mode;

/* Open. TD_E_NOTFOUND (reading), TD_E_CORRUPT (not a catalog, or damaged), TD_E_UNSUPPORTED (made
 * by a newer version, or an older one and opened for reading), TD_E_BUSY (locked), TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result catalog_open(const char *path, catalog_mode mode, catalog **out, td_err *err);

/* Close, with a checkpoint where it was written; NULL is fine. */
void catalog_close(catalog *catalog);

/* Remove the catalog's files (database, WAL, shared memory); none there is fine. */
TD_MUST_USE td_result catalog_remove(const char *path, td_err *err);

/* ---- writing: between begin and commit ---- */

/* One transaction at a time. After any failure: catalog_abort. TD_E_BUSY, TD_E_NOSPACE, TD_E_IO,
 * TD_E_CORRUPT; TD_E_NOTFOUND if the file was removed or replaced under us. */
TD_MUST_USE td_result catalog_begin(catalog *catalog, td_err *err);
TD_MUST_USE td_result catalog_commit(catalog *catalog, td_err *err);
void catalog_abort(catalog *catalog);

/* Insert or replace a session. */
TD_MUST_USE td_result catalog_put_session(catalog *catalog, const session_row *row, td_err *err);

/* How a session ended; one that is not there stays so. */
TD_MUST_USE td_result catalog_end_session(catalog *catalog, const char *session,
                                          session_state state, uint64_t stop_ns, td_err *err);

/* Add the sessions that only segments know (a lost journal); their end is not known. */
TD_MUST_USE td_result catalog_add_segment_sessions(catalog *catalog, td_err *err);

/* Insert or replace a segment with everything in it (INDEX_FULL). A row of the same segment under
 * its other name (open, finished) goes. */
TD_MUST_USE td_result catalog_put_segment(catalog *catalog, const segment_index *index,
                                          td_err *err);

/* One more chunk of an open segment: the segment's row is made or brought up to date. index holds
 * the whole segment as it is now; chunks from first_new on, and the channels' counts, are written.
 * TD_E_CORRUPT if the row went away since the chunks before were entered. */
TD_MUST_USE td_result catalog_extend_segment(catalog *catalog, const segment_index *index,
                                             size_t first_new_chunk, td_err *err);

/* Forget a segment (path with or without ".open"), and the gaps in its events. */
TD_MUST_USE td_result catalog_drop_segment(catalog *catalog, const char *path, td_err *err);

/* Insert, or merge into the row of the same key and told_by: the segment whose events have the gap
 * (path with or without ".open"), "" for the journal. */
TD_MUST_USE td_result catalog_put_gap(catalog *catalog, const char *told_by, const gap_row *row,
                                      td_err *err);

/* A note that a user made on the archive. */
typedef struct note_row {
    uint64_t time_ns; /* when it was made */
    uint64_t from_ns; /* what it is about; 0 = no bound */
    uint64_t to_ns;
    const char *feed; /* "" = all */
    const char *text;
} note_row;
TD_MUST_USE td_result catalog_put_note(catalog *catalog, const note_row *row, td_err *err);

/* How far into the journal the catalog has read; and whether an appender could not update it. */
TD_MUST_USE td_result catalog_set_place(catalog *catalog, chain_place in_journal, td_err *err);
TD_MUST_USE td_result catalog_set_behind(catalog *catalog, int is_behind, td_err *err);

/* Remove rows, before they are read again from the journal and the segments. */
typedef enum catalog_forget {
    FORGET_ORPHANS, /* channels that no segment has */
    FORGET_STRAYS,  /* whatever belongs to a segment that has no row: reads all of it */
    FORGET_JOURNAL, /* rows from the journal, and how far it was read */
    FORGET_LEDGER,  /* sessions, notes and gaps */
    FORGET_ALL,
} catalog_forget;
TD_MUST_USE td_result catalog_forget_rows(catalog *catalog, catalog_forget what, td_err *err);

/* ---- reading ---- */

TD_MUST_USE td_result catalog_get_state(catalog *catalog, chain_place *in_journal, int *is_behind,
                                        td_err *err);

/* A segment as the catalog has it, for comparing with the disk. */
typedef struct catalog_segment {
    char *path; /* without ".open" */
    uint8_t is_open;
    uint8_t is_intact; /* 1: finished, and the row has its checksum */
    uint64_t file_bytes;
    uint64_t first_ns, last_ns;
} catalog_segment;
typedef struct known_segments {
    catalog_segment *rows; /* by path */
    size_t count;
} known_segments;

/* Every segment. *out is the caller's, for known_segments_fini, also after a failure. */
TD_MUST_USE td_result known_segments_load(catalog *catalog, known_segments *out, td_err *err);
void known_segments_fini(known_segments *known);

/* How many segments it has. */
TD_MUST_USE td_result catalog_count_segments(catalog *catalog, uint64_t *count, td_err *err);

/* What to load of a segment. */
typedef enum catalog_part { CATALOG_CHANNELS, CATALOG_CHANNELS_AND_CHUNKS } catalog_part;

/* The segment of that path (with or without ".open") as the catalog has it. TD_E_NOTFOUND;
 * TD_E_CORRUPT if it is finished and its rows are not those that were written. On success *out is
 * the caller's, for segment_index_fini. */
TD_MUST_USE td_result catalog_load_segment(catalog *catalog, const char *path, catalog_part part,
                                           segment_index *out, td_err *err);

/* The gaps in a segment's events. Failures as catalog_load_segment. On success *out is the
 * caller's, for gap_list_fini. */
TD_MUST_USE td_result catalog_load_gaps(catalog *catalog, const char *path, gap_list *out,
                                        td_err *err);

/* Every row of every table by natural key, sorted, one per line. Equal archives give equal
 * lines, whatever the order of writing. line is without LF. */
typedef td_result catalog_line_fn(void *user, td_bytes line, td_err *err);
TD_MUST_USE td_result catalog_dump(catalog *catalog, catalog_line_fn *fn, void *user, td_err *err);

/* ---- comparing (catalog_compare.c) ---- */

/* A row in which two catalogs differ, as catalog_dump prints it; empty: it is not there. */
typedef td_result catalog_differ_fn(void *user, td_bytes left, td_bytes right, td_err *err);

/* Compare every table but the chunks, row by row. */
TD_MUST_USE td_result catalog_compare(catalog *left, catalog *right, catalog_differ_fn *fn,
                                      void *user, td_err *err);

/* Forget the chunks of a segment, which keeps its other rows: for a catalog in memory that is only
 * compared. */
TD_MUST_USE td_result catalog_drop_chunks(catalog *catalog, const char *path, td_err *err);

/* What is wrong with the database itself (pages, indexes, chunks of no segment): *what is "" if
 * nothing is. Reads all of it. */
enum { CATALOG_FLAW_BYTES = 512 };
TD_MUST_USE td_result catalog_find_flaw(catalog *catalog, char what[CATALOG_FLAW_BYTES],
                                        td_err *err);

#endif
