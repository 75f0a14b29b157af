/* What a finished segment holds, without its frames: its index, and what its events and chain
 * records say of gaps, connections and the topics that these were granted. The catalog keeps these
 * rows; if it lacks them, they are read from the file. */
#ifndef TD_ARCHIVE_SEGMENT_ROWS_H
#define TD_ARCHIVE_SEGMENT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "format/segment_index.h"

struct event_reader;

/* A connection of a slot. */
typedef struct conn_row {
    uint32_t line, shard, conn;
    uint64_t since_ns;    /* recv_ns of its connect event; 0: no event shows that it was open */
    uint64_t to_ns;       /* of its end; 0: it was open at the segment's end */
    uint64_t frames_in;   /* received since it began, as the chain records count them */
    uint64_t complete_ns; /* all that the peer had sent before was received then; 0: not known */
} conn_row;

/* A topic that a connection was granted, or refused: then it ends when it begins. */
typedef struct grant_row {
    uint64_t conn;     /* its place in the segment's list */
    const char *topic; /* as the exchange writes it, or EVENT_GRANT_ALL */
    uint64_t from_ns;
    uint64_t to_ns;     /* 0: granted until its connection's end, or the segment's */
    const char *source; /* EVENT_GRANT_ANSWERED, EVENT_GRANT_SEEN; "": refused */
    const char *reason; /* of the grant_end event; "" without one */
} grant_row;

/* Rows of one list: an hour in which a slot connects each second has 3,600 connections. */
enum { SEGMENT_ROWS_MAX = 1 << 16 };

typedef struct segment_rows {
    segment_index index;
    gap_list gaps;
    conn_row *conns; /* in the order in which the segment shows them */
    size_t conn_count;
    grant_row *grants; /* likewise */
    size_t grant_count;
    /* From then on connections and grants may lack rows: topics that are not followed
     * (EVENT_LIMIT_GRANTS), lists that are full, events that cannot be read (then 1: all of the
     * segment). 0: they lack none. */
    uint64_t unknown_ns;
} segment_rows;

/* What the ledger needs of a segment, unless the feed has imports: a short row, which the catalog
 * keeps apart, because a question about ten seconds needs that of every segment. */
typedef struct segment_brief {
    const char *path;
    uint64_t file_bytes;
    char chain_hex[33];
    uint64_t first_in_ns; /* of its first and last received frame; 0: it has none */
    uint64_t last_in_ns;
    uint64_t last_ns;       /* of its last message of any kind */
    uint64_t channels_hash; /* of its channels' feeds, topics and symbols */
    uint32_t is_capture;    /* 1: imported */
    const gap_row *gaps;
    size_t gap_count;
} segment_brief;

/* The brief of the rows (INDEX_FULL); it borrows from them. */
segment_brief segment_rows_brief(const segment_rows *rows);

/* Read all rows from the segment at path, below the archive. Fails as archive_read_index does;
 * events that cannot be read are no failure: verify reports them. *out is the caller's, for
 * segment_rows_fini, also after a failure: what could be read. */
TD_MUST_USE td_result segment_rows_read(archive *archive, const char *path, segment_rows *out,
                                        td_err *err);
void segment_rows_fini(segment_rows *rows);

/* Add what one more chunk shows to the lists that are not the index, for the segment's writer. */
void segment_rows_add_chunk(segment_rows *rows, struct event_reader *events,
                            const sealed_chunk *chunk);

/* Append a row; its texts are copied, NULL as "". 0: its list is full. */
int segment_rows_add_conn(segment_rows *rows, const conn_row *row);
int segment_rows_add_grant(segment_rows *rows, const grant_row *row);

#endif
