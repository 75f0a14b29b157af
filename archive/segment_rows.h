/* The content of a finished segment without its frames: its index; and gaps, connections and their
 * granted topics, from its events and chain records. The catalog keeps these rows; if it lacks
 * them, they are read from the file. */
#ifndef TD_ARCHIVE_SEGMENT_ROWS_H
#define TD_ARCHIVE_SEGMENT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "format/segment_index.h"

struct event_reader;

/* A connection of a slot. */
typedef struct conn_row {
    uint32_t line, shard, conn;
    uint64_t since_ns;    /* recv_ns of its connect event; 0: no event shows it open */
    uint64_t to_ns;       /* time of its end; 0: still open at the segment's end */
    uint32_t is_replaced; /* 1: another connection had taken over when it ended */
    uint64_t frames_in;   /* frames received since it began, from the chain records */
    uint64_t complete_ns; /* all that the peer sent before this time was received; 0: unknown */
} conn_row;

/* A topic that a connection was granted or refused; if refused, from_ns and to_ns are equal. */
typedef struct grant_row {
    uint64_t conn;     /* index in the segment's list of connections */
    const char *topic; /* as the exchange writes it, or EVENT_GRANT_ALL */
    uint64_t from_ns;
    uint64_t to_ns;     /* 0: until the end of its connection or of the segment */
    const char *source; /* EVENT_GRANT_ANSWERED, EVENT_GRANT_SEEN; "": refused */
    const char *reason; /* of the grant_end event; "" without one */
} grant_row;

/* 1 if a granted topic is this topic of frames, both as the exchange writes them, or everything, or
 * if it covers the topic by the exchange's rule (schema/family.h, family_covers). */
typedef int grant_covers_fn(td_bytes granted, td_bytes topic);
int grant_covers(td_bytes granted, td_bytes topic, grant_covers_fn *covers);

/* 1 if a grant is of one topic of one symbol; 0: of a list of them ("trade.BTCUSD|XRPUSD"), or with
 * a wildcard. */
int grant_row_names_one(const grant_row *grant);

/* 1 if a grant ended while its connection was open: the topic was unsubscribed or withdrawn. */
int grant_row_is_ended(const grant_row *grant, const conn_row *conn);

/* Limit of one list: a slot that connects every second has 3,600 connections in an hour. */
enum { SEGMENT_ROWS_MAX = 1 << 16 };

typedef struct segment_rows {
    segment_index index;
    gap_list gaps;
    conn_row *conns; /* in the order of the segment */
    size_t conn_count;
    grant_row *grants; /* in the order of the segment */
    size_t grant_count;
    /* From this time on, rows of connections and grants may be missing, because further topics got
     * no grants (EVENT_LIMIT_GRANTS), a list is full, or an event cannot be read (then 1, so the
     * whole segment). 0: complete. */
    uint64_t unknown_ns;
} segment_rows;

/* The rows of a segment that the ledger needs, unless the feed has imports. They are short, and the
 * catalog keeps them apart, because a query for ten seconds reads them for all segments. */
typedef struct segment_brief {
    const char *path;
    uint64_t file_bytes;
    char chain_hex[33];
    uint64_t first_in_ns; /* of its first and last received frame, or 0 */
    uint64_t last_in_ns;
    uint64_t last_ns;       /* of its last message of any kind */
    uint64_t channels_hash; /* of the set of its channels' feeds, topics and symbols */
    uint64_t granted_hash;  /* of the set of topics that were granted in it; 0: none, or unknown */
    uint32_t has_ended_grants; /* 1: a topic was granted in it, and then not any more, although its
                                  slot had a connection */
    uint32_t is_capture;       /* 1: imported */
    const gap_row *gaps;
    size_t gap_count;
} segment_brief;

/* The brief of rows with INDEX_FULL; it borrows from them. */
segment_brief segment_rows_brief(const segment_rows *rows);

/* Answers to the first requests of a connection come within this time of the first one, as far as
 * it is known. The first one may come late, because the exchange or the recorder is slow. */
#define CONN_ANSWERS_NS (TD_NS_PER_S / 2)

/* The connections that were granted topics by answers of the exchange, and lasted long enough for
 * all answers (CONN_ANSWERS_NS); by slot and number. */
typedef struct answered_conns {
    const conn_row **rows; /* in the segment's rows */
    size_t count;
    uint64_t *first_ns; /* of each connection of the segment: its first grant by an answer, or 0 */
} answered_conns;

/* Find them; the caller releases them with answered_conns_fini. answered_conns_after returns the
 * next one of a connection's slot after it, or NULL. */
answered_conns answered_conns_find(const segment_rows *rows);
void answered_conns_fini(answered_conns *self);
const conn_row *answered_conns_after(const answered_conns *self, const conn_row *conn);

/* Read all rows from the segment at path, below the archive. Fails as archive_read_index does.
 * Unreadable events are not a failure: verify reports them. After a failure *out has the part that
 * could be read. The caller releases it with segment_rows_fini, also then. */
TD_MUST_USE td_result segment_rows_read(archive *archive, const char *path, segment_rows *out,
                                        td_err *err);
void segment_rows_fini(segment_rows *rows);

/* Add one more chunk to the lists outside the index, for the segment's writer. */
void segment_rows_add_chunk(segment_rows *rows, struct event_reader *events,
                            const sealed_chunk *chunk);

/* Append a row; its texts are copied, NULL as "". 0 if its list is full. */
int segment_rows_add_conn(segment_rows *rows, const conn_row *row);
int segment_rows_add_grant(segment_rows *rows, const grant_row *row);

#endif
