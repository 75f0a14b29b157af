/* Each feed's past, from the journal and the segments: the segment that its chain continues, and
 * how the session that wrote it ended. Read once when a writer or a recovery begins. */
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

/* How far a segment that the journal knows has come. */
typedef enum past_stage {
    PAST_OPENED,    /* and nothing more: being written, or left by a crash */
    PAST_FINISHED,  /* finished or recovered */
    PAST_DISCARDED, /* nothing durable was in it; it is in torn/ */
    PAST_PRUNED,    /* removed on purpose, or about to be */
} past_stage;

typedef struct past_segment {
    char *path; /* below the archive, without ".open" */
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    past_stage stage;
    uint8_t is_recovered; /* finished, and not by its writer */
    td_hash128 chain;     /* of a finished or pruned one */
    uint64_t chunk_count;
    uint64_t file_bytes;
    uint64_t first_ns, last_ns; /* of its messages; of a pruned one only */
    uint64_t until_ns;          /* up to here nothing of the feed is left; of a pruned one only */
    uint64_t announced_chunks;  /* durable ones when its writer found that another program had
                                 * removed or changed it; else 0 */
    uint8_t is_corrupt;         /* 1: its writer has journaled that it is lost */
    uint8_t is_lost;            /* for its reader's own use: it is missing, or cannot be read */
} past_segment;

/* Where entries of the journal cannot be read. */
typedef struct past_damage {
    uint64_t offset;      /* in the journal */
    uint64_t bytes;       /* 0: all of an earlier journal */
    size_t segment_count; /* of the segments and sessions that entries before it are about */
    size_t session_count;
    uint8_t is_accepted; /* 1: by a user; what may be lost is in the ledger as a gap */
} past_damage;

typedef struct archive_history {
    past_segment *segments; /* in the order in which they were opened */
    size_t segment_count;
    session_row *sessions; /* in the order in which they began */
    size_t session_count;
    name_index by_path;
    slot_table by_session; /* of sessions, by hash of the id */
    past_damage *damages;  /* of the journal, in its order */
    size_t damage_count;
    journal_state journal;  /* as it was read */
    struct journal *writer; /* NULL unless archive_history_open */
} archive_history;

/* Read the journal. *out is the caller's, for archive_history_fini, also after a failure. */
TD_MUST_USE td_result archive_history_read(archive *archive, archive_history *out, td_err *err);
void archive_history_fini(archive_history *past);

/* The same, and open the journal for writing, in one reading: past->writer, until
 * archive_history_fini. A past that is open is read again if the journal has grown since; another
 * one is {0}. */
TD_MUST_USE td_result archive_history_open(archive *archive, archive_history *past, td_err *err);

/* Add one entry of the journal, for callers that read it for something else, too. */
void archive_history_apply(archive_history *past, const journal_entry *entry);

/* After archive_history_read: an archive that has segments and no entry in its journal has lost it,
 * and that is a damage. */
void archive_history_check(archive_history *past, const archive *archive,
                           const archive_listing *listing);

/* 1 if the journal is damaged, and no user has accepted that. */
int archive_history_is_damaged(const archive_history *past);

/* Add a gap of reason corrupt and this cause for each feed and each damage that is not accepted:
 * the time that lost entries may have been about. It begins with the feed's last segment before
 * the damage, and ends with the first one after it whose session wrote its open gaps after the
 * damage, or had done so before; open if absent. */
#define PAST_CAUSE_JOURNAL "entries of the journal are lost"
void archive_history_damage_gaps(const archive_history *past, const archive_listing *listing,
                                 gap_list *into);

/* 1 if what the feed had at that moment was pruned. */
int archive_history_is_pruned(const archive_history *past, const char *feed, uint64_t ns);

/* The segment of that path (without ".open"), or NULL. */
past_segment *archive_history_segment(const archive_history *past, const char *path);

/* Add a session that the journal does not know; and its row, from a segment of it. */
void archive_history_add_session(archive_history *past, const session_row *row);
session_row archive_history_session_of(const segment_index *index);

/* Put the sessions in the order of their beginning by the clock, then of their ids. */
void archive_history_sort_sessions(archive_history *past);

/* The session of that id, or NULL. */
session_row *archive_history_session(const archive_history *past, const char *session);

/* 1 if the session ended without a stop, or the journal does not know it: then something is missing
 * after its last durable message. For sessions that are not live. */
int archive_history_is_crashed(const archive_history *past, const char *session);

/* 1 if the session took captures of other tools. */
int archive_history_is_import(const archive_history *past, const char *session);

/* Called for each segment that the journal knows, neither as pruned nor as discarded, and that is
 * not listed nor on the disk after all (it may have been renamed meanwhile), under neither of its
 * names, nor in torn/; valid during the call. One that the journal knows as finished is missing
 * where only its unfinished file is left. */
typedef void missing_fn(void *user, past_segment *segment);
void archive_each_missing(archive *archive, const archive_history *past,
                          const archive_listing *listing, missing_fn *fn, void *user);

/* 1 if a segment has another size than its writer, or recovery, finished it with, or fewer chunks
 * than its writer announced. chunk_count: of an unfinished one. */
int archive_history_is_cut(const archive_history *past, const archive_segment *segment,
                           uint64_t chunk_count);

/* 1 if rows of the catalog, with these bytes and this chain, describe a segment (row: the
 * journal's, or NULL): its file has file_bytes, and so have they; and they have the chain that its
 * writer, or recovery, journaled. */
int archive_history_is_same(const past_segment *row, uint64_t file_bytes, uint64_t known_bytes,
                            const char *known_chain_hex);

/* The segment that a feed's chain continues. */
typedef struct feed_link {
    char segment[LIMIT_PATH_BYTES]; /* file name of the last segment, without ".open"; "": the
                                       feed's first segment is still to come */
    td_hash128 chain;
} feed_link;

/* The last segment of a feed in order of writing that has anything durable. If the journal knows
 * none, the segments themselves are read. */
TD_MUST_USE td_result archive_history_link(archive *archive, const archive_history *past,
                                           const char *feed, feed_link *out, td_err *err);

/* 1 if an unfinished recovery left the only copy of the segment in torn/: the journal lacks just
 * `discarded`. torn gets its path. */
int archive_history_is_quarantined(archive *archive, const past_segment *segment,
                                   char torn[LIMIT_PATH_BYTES]);

#endif
