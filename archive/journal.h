/* The journal of acts on the archive, in journal.mcap.open: an MCAP file of Metadata records (name
 * = the act, a map of strings), each followed by a chain record and made durable before the call
 * returns. It is never rewritten. An entry at the end that a crash cut short is kept in torn/ and
 * cut off by the next writer.
 *
 * Damaged entries are skipped: reading continues with the next sound entry, and delivers an entry
 * of act JOURNAL_DAMAGED for the bytes in between. A writer leaves such bytes and appends. If an
 * archive has segments but its journal was lost, a new journal begins with a written entry of that
 * act (bytes 0).
 *
 * An appender and a maintainer both write the journal. A writer locks it to read to the end, append
 * an entry and sync. */
#ifndef TD_ARCHIVE_JOURNAL_H
#define TD_ARCHIVE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "format/segment_writer.h"

#define JOURNAL_FILE "journal.mcap.open" /* below the archive */

/* Acts, each with its keys (FORMAT.md). */
#define JOURNAL_SESSION_START   "session_start"   /* session start_ns verb version pid */
#define JOURNAL_SESSION_STOP    "session_stop"    /* session stop_ns */
#define JOURNAL_SESSION_CRASHED "session_crashed" /* session */
#define JOURNAL_SEGMENT_OPENED  "segment_opened"  /* segment feed session */
#define JOURNAL_SEGMENT_FINISHED                                                                   \
    "segment_finished"                /* segment feed session chain messages bytes chunks */
#define JOURNAL_RECOVERED "recovered" /* as segment_finished */
#define JOURNAL_DISCARDED "discarded" /* segment feed session; nothing durable was in it */
#define JOURNAL_PRUNED    "pruned"    /* as segment_finished, and first_ns last_ns until_ns why */
#define JOURNAL_MOVED     "moved"     /* as pruned, and store */
#define JOURNAL_REPACKED  "repacked"  /* as segment_finished, and old_chain old_bytes packed */
#define JOURNAL_CORRUPT   "corrupt"   /* segment feed session chunks */
#define JOURNAL_GAP       "gap"       /* fields of a gap_row */
#define JOURNAL_IMPORTED  "imported"  /* session feed text_bytes text_hash */
#define JOURNAL_NOTE      "note"      /* made_ns from_ns to_ns feed topic symbol text */

/* JOURNAL_DAMAGED: unreadable bytes (key bytes: how many; 0 for a whole journal).
 * JOURNAL_LOSS_ACCEPTED: a user has accepted all damage before the entry. */
#define JOURNAL_DAMAGED       "damaged"
#define JOURNAL_LOSS_ACCEPTED "loss_accepted"

enum { JOURNAL_FIELDS_MAX = 16 };

/* One key and its value; both borrowed. */
typedef struct journal_field {
    td_bytes key;
    td_bytes value;
} journal_field;

typedef struct journal_entry {
    uint64_t offset; /* in the journal */
    td_bytes act;
    const journal_field *fields;
    size_t field_count;
} journal_entry;

/* Value of a key; empty if absent. */
td_bytes journal_get(const journal_entry *entry, const char *key);

/* Value as an unsigned number, or fallback if it is absent or not a number. */
uint64_t journal_get_u64(const journal_entry *entry, const char *key, uint64_t fallback);

/* Copy of a value in out, cut to out_bytes - 1, with a NUL. */
void journal_get_text(const journal_entry *entry, const char *key, char *out, size_t out_bytes);

/* Receives an entry, valid during the call. A result other than TD_OK ends the reading. */
typedef td_result journal_fn(void *user, const journal_entry *entry, td_err *err);

/* Result of reading. */
typedef struct journal_state {
    uint64_t file_bytes;  /* size of the file as found */
    uint64_t valid_bytes; /* up to the end of the last valid entry */
    uint64_t entry_count; /* of sound entries */
    uint8_t is_present;
} journal_state;

/* Read the journal of an archive, oldest entry first. If it does not exist: TD_OK and is_present 0.
 * Damage and bytes after the last valid entry are reported in state and are not an error. fn may be
 * NULL. */
TD_MUST_USE td_result journal_read(archive *archive, journal_fn *fn, void *user,
                                   journal_state *state, td_err *err);

typedef struct journal journal;

/* Open for writing, for an appender or maintainer: creates the file, cuts off a torn tail (kept in
 * torn/). Never TD_E_CORRUPT: damaged bytes stay, and entries follow them. fn gets the entries as
 * in journal_read, but not an entry that journal_open itself writes. fn and state may be NULL. */
TD_MUST_USE td_result journal_open(archive *archive, journal_fn *fn, void *user,
                                   journal_state *state, journal **out, td_err *err);
void journal_close(journal *journal);

/* A field from C strings; from a number, whose digits are stored in text. */
journal_field journal_text(const char *key, const char *value);
journal_field journal_u64(const char *key, uint64_t value, char text[24]);

/* A session, by id. */
typedef enum session_state { SESSION_OPEN, SESSION_STOPPED, SESSION_CRASHED } session_state;
const char *session_state_name(session_state state);
typedef struct session_row {
    char session[SESSION_ID_BYTES];
    uint64_t pid; /* of its process; 0 if unknown */
    uint64_t start_ns;
    uint64_t stop_ns; /* 0 if it has not stopped */
    session_state state;
    char verb[LIMIT_NAME_BYTES];
    char version[LIMIT_NAME_BYTES];
} session_row;

/* The session that an entry `session_start` begins. */
void journal_get_session(const journal_entry *entry, session_row *out);

/* 1 if an entry `gap` can be read; texts is memory for its strings. */
int journal_get_gap(const journal_entry *entry, char texts[GAP_TEXTS_BYTES], gap_row *out);

/* Append an entry and make it durable. If a failure left part of an entry, the next call first cuts
 * it off. TD_E_NOSPACE (nothing was written), TD_E_IO, TD_E_LIMIT, TD_E_BUSY; TD_E_NOTFOUND as
 * journal_check_place. */
TD_MUST_USE td_result journal_append(journal *journal, const char *act, const journal_field *fields,
                                     size_t field_count, td_err *err);

/* As journal_append, for `session_start` and `gap`. */
TD_MUST_USE td_result journal_append_session(journal *journal, const session_row *row, td_err *err);
TD_MUST_USE td_result journal_append_gap(journal *journal, const gap_row *row, td_err *err);

/* The segment of an entry. */
typedef struct journal_segment {
    const char *path; /* without ".open" */
    const char *feed;
    const char *session;
    const segment_totals *totals; /* of a finished segment; NULL: the entry has no totals */
} journal_segment;

/* As journal_append, for an act on a segment; `more` fields follow the segment's fields. */
TD_MUST_USE td_result journal_append_segment(journal *journal, const char *act,
                                             const journal_segment *segment,
                                             const journal_field *more, size_t more_count,
                                             td_err *err);

/* Check that the file still has its name, and all entries that this writer has read or written.
 * TD_E_NOTFOUND if another program removed, renamed, replaced or cut it; TD_E_IO. */
TD_MUST_USE td_result journal_check_place(journal *journal, td_err *err);

/* Current size of the journal, with other writers' entries. TD_E_NOTFOUND as
 * journal_check_place. */
TD_MUST_USE td_result journal_size(const journal *journal, uint64_t *bytes, td_err *err);

#endif
