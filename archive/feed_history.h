/* The history of each feed, from the journal and the segments: the feed's last segment, whose chain
 * its next segment continues, and how the session of that last segment ended. Read once when a
 * writer or a recovery begins. */
#ifndef TD_ARCHIVE_FEED_HISTORY_H
#define TD_ARCHIVE_FEED_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "archive/journal.h"
#include "archive/name_index.h"
#include "format/segment_index.h"

/* State of a segment according to the journal. */
typedef enum past_stage {
    PAST_OPENED,    /* being written, or left by a crash */
    PAST_FINISHED,  /* finished or recovered */
    PAST_DISCARDED, /* nothing durable was in it; it is in torn/ */
    PAST_PRUNED,    /* removed on purpose, or about to be removed; of one that was moved to a store,
                       see archive_history_find_moved */
} past_stage;

/* What the journal knows of a finished segment's file. */
typedef struct past_file {
    td_hash128 chain; /* last chain value */
    uint64_t bytes;   /* 0: not known */
} past_file;

typedef struct past_segment {
    char *path; /* below the archive, without ".open" */
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    past_stage stage;
    uint8_t is_recovered; /* finished by a recovery, not by its writer */
    past_file file;       /* of a finished or pruned segment */
    past_file
        old_file;    /* of a rewritten segment: the file that was there before; either is right */
    td_hash128 link; /* from which the feed's next segment continues (segment_totals) */
    chunk_form form;
    uint64_t chunk_count;
    uint64_t finished_at; /* offset in the journal of the entry that it is finished or rewritten */
    uint64_t first_ns, last_ns; /* of its messages; only of a pruned segment. first_ns of one that
                                   is_chained: messages may be missing from then on */
    uint64_t until_ns; /* only of a pruned segment: the archive has no frames of the feed from its
                          start until then */
    uint64_t announced_chunks; /* durable chunks when its writer found that another program had
                                  removed or changed it; else 0 */
    char *store;               /* URL of the store that it was moved to; NULL: it was not moved */
    uint8_t is_corrupt;        /* 1: its writer has journaled its loss */
    uint8_t is_lost;           /* set by the reader of the history: it is missing or unreadable */
    uint8_t is_chained;        /* 1: the journal lacks it, and a later segment continues its chain
                                  (feed_unlisted.h) */
} past_segment;

/* A range of the journal that cannot be read. */
typedef struct past_damage {
    uint64_t offset;      /* in the journal */
    uint64_t bytes;       /* 0: a whole earlier journal */
    size_t segment_count; /* number of segments, and of sessions, in the entries before it */
    size_t session_count;
    uint8_t is_accepted; /* 1: by a user; the possible loss is a gap in the ledger */
} past_damage;

typedef struct archive_history {
    past_segment *segments; /* in the order in which they were opened */
    size_t segment_count;
    session_row *sessions; /* in the order in which they began */
    size_t session_count;
    name_index by_path;
    row_table by_session; /* indexes in sessions, by hash of the id */
    past_damage *damages; /* of the journal, in file order */
    size_t damage_count;
    journal_state journal;  /* its state when it was read */
    struct journal *writer; /* NULL unless archive_history_open */
} archive_history;

/* Read the journal. The caller releases *out with archive_history_fini, also after a failure. */
TD_MUST_USE td_result archive_history_read(archive *archive, archive_history *out, td_err *err);
void archive_history_fini(archive_history *past);

/* As archive_history_read, and keep the journal open for writing: past->writer, until
 * archive_history_fini. *past is {0}, or an open history, which is read again if the journal has
 * grown. */
TD_MUST_USE td_result archive_history_open(archive *archive, archive_history *past, td_err *err);

/* Add one entry of the journal, for callers that also read it for something else. */
void archive_history_apply(archive_history *past, const journal_entry *entry);

/* Call after archive_history_read. If the archive has segments but its journal has no entries, the
 * journal is lost, and a damage is added. Includes archive_history_find_moved. */
void archive_history_check(archive_history *past, const archive *archive,
                           const archive_listing *listing);

/* A segment that was moved to a store is finished if its file is listed, or the archive is in a
 * store, which has the same journal and must have the file; else it is pruned. */
void archive_history_find_moved(archive_history *past, const archive *archive,
                                const archive_listing *listing);

/* 1 if the journal has damage that no user has accepted. */
int archive_history_is_damaged(const archive_history *past);

/* 1 if the feed's frames of that time were pruned. */
int archive_history_is_pruned(const archive_history *past, const char *feed, uint64_t ns);

/* The segment with this path (without ".open"), or NULL. */
past_segment *archive_history_segment(const archive_history *past, const char *path);

/* The form of the segment's chunks, if its file has this size. Of a size that the journal does not
 * list: CHUNKS_RECORDED. */
chunk_form archive_history_form(const archive_history *past, const char *path, uint64_t file_bytes);

/* Add a segment that the journal lacks, and get it. */
past_segment *archive_history_add_segment(archive_history *past, const char *path, const char *feed,
                                          const char *session);

/* Add a session that the journal lacks. archive_history_session_of gets the session's row from one
 * of its segments. */
void archive_history_add_session(archive_history *past, const session_row *row);
session_row archive_history_session_of(const segment_index *index);

/* Sort the sessions by start, then by id. */
void archive_history_sort_sessions(archive_history *past);

/* The session with this id, or NULL. */
session_row *archive_history_session(const archive_history *past, const char *session);

/* 1 if the session ended without a stop, or the journal lacks it: frames may be missing after its
 * last durable message. For sessions that are not live. */
int archive_history_is_crashed(const archive_history *past, const char *session);

/* 1 if the session imported captures of other tools. */
int archive_history_is_import(const archive_history *past, const char *session);

/* Until when a feed was asked for that the session `next` does not record: until the stop of the
 * last session before it that recorded the feed. A session that was killed may have recorded it
 * until the next one began. 0: no session recorded it, apart from imports. */
uint64_t archive_history_asked_until_ns(const archive_history *past, const char *feed,
                                        const char *next);

/* 1 if the segment, a row of the history, is its session's last one of the feed, apart from
 * discarded and lost ones. */
int archive_history_is_last(const archive_history *past, const past_segment *segment);

/* Receives each missing segment, valid during the call. A segment is missing if the history has it
 * as opened or finished, but it is not listed, not on disk under either of its names (it may have
 * been renamed since the listing), and not in torn/. A finished segment is also missing if only its
 * unfinished file is left. */
typedef void missing_fn(void *user, past_segment *segment);

void archive_each_missing(archive *archive, const archive_history *past,
                          const archive_listing *listing, missing_fn *fn, void *user);

/* What shows that a segment is missing: "the journal lists it, but it is not on disk". */
const char *past_segment_missing_text(const past_segment *segment);

/* 1 if a segment has another size than when it was finished, recovered or rewritten, or fewer
 * chunks than its writer announced. index: of the file; NULL if it was not read, or for one with
 * its final name from the catalog. A file that was rewritten after the journal was read or copied
 * shows that by its index. */
int archive_history_is_cut(const archive_history *past, const archive_segment *segment,
                           const segment_index *index);

/* 1 if rows of the catalog with known_bytes and known_chain_hex describe a segment: its file has
 * the same size, and its journal entry (row, or NULL) the same size and chain. */
int archive_history_is_same(const past_segment *row, uint64_t file_bytes, uint64_t known_bytes,
                            const char *known_chain_hex);

/* The segment that a feed's chain continues. */
typedef struct feed_link {
    char segment[LIMIT_PATH_BYTES]; /* file name of the last segment, without ".open"; "" if the
                                       feed has no segment yet */
    td_hash128 chain;
} feed_link;

/* Get the feed's last written segment that has durable chunks. If the journal has no such segment,
 * the segments themselves are read. */
TD_MUST_USE td_result archive_history_link(archive *archive, const archive_history *past,
                                           const char *feed, feed_link *out, td_err *err);

/* 1 if an unfinished recovery left the only copy of the segment in torn/, and the journal only
 * lacks the entry `discarded`. torn gets the path of the copy. */
int archive_history_is_quarantined(archive *archive, const past_segment *segment,
                                   char torn[LIMIT_PATH_BYTES]);

#endif
