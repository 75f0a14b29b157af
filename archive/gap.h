/* Gaps: rows of the ledger. In a gap something that the exchange sent, or may have sent, is missing
 * from the archive. Plain records and constant tables; any thread. */
#ifndef TD_ARCHIVE_GAP_H
#define TD_ARCHIVE_GAP_H

#include <stdint.h>

#include "base/channel.h"
#include "base/limits.h"
#include "base/time_span.h"
#include "base/json/json_write.h"
#include "archive/time_reason.h"

/* 1 if nothing was expected in the time of such a row, so that it is no loss: neither is it
 * complete. */
int gap_reason_is_hole(time_reason reason);

/* 1 if frames were received in the time of such a row, and cannot be trusted because one of them is
 * missing: the time is degraded, not missing. */
int gap_reason_is_doubt(time_reason reason);

/* 1 if gaps of this reason are between two connections, between two grants of a topic, or between
 * two stored segments. Then everything that was received before is stored, however early the row
 * begins, because a connection keeps the order of frames. In other gaps a frame may be missing at
 * any time. */
int gap_reason_ends_connection(time_reason reason);

/* Causes that several files write or look for. */
#define GAP_CAUSE_SILENT    "ceased"    /* GAP_STALE of a topic whose connection delivers */
#define GAP_CAUSE_WITHDRAWN "withdrawn" /* GAP_DISCONNECT of a topic whose connection stays */
/* GAP_DISCONNECT of a connection whose end the exchange had announced (schema/end_notice.h) */
#define GAP_CAUSE_ANNOUNCED "announced"
#define GAP_CAUSE_CRASH     "recorder ended without a stop"
#define GAP_CAUSE_IMPORT    "import ended before its end" /* the next import ends the gap */
#define GAP_CAUSE_JOURNAL   "entries of the journal are lost"

/* Details of rows that show where a gap comes from (gap_row_origin). */
#define GAP_DETAIL_CLOSE_CODE       "close code "
#define GAP_DETAIL_PINGS_ANSWERED   "pings were answered, and no data came"
#define GAP_DETAIL_INSTRUMENT_ENDED "instrument ended"
/* The row ended where its topic or feed was no longer asked for. gap_detail_removed adds it to the
 * detail that the row has, and the caller frees the text; gap_row_is_removed: 1 if it is there. */
#define GAP_DETAIL_REMOVED "removed from the configuration"

/* covered_by of a row that answered pings of its own connection disprove (disproved_gaps.h). */
#define GAP_COVERED_BY_PONGS "its pongs"

#define GAP_OPEN           UINT64_C(0) /* to_ns of a gap that has no end yet */
#define GAP_FRAMES_UNKNOWN UINT64_MAX  /* frames_lost is unknown */

/* One row. Strings are NUL-terminated and borrowed from the maker of the row; "" is null. Natural
 * key: feed, line, shard, conn, topic, symbol, reason, from_ns. Rows with the same key are one gap:
 * each other field takes the greatest value of all of them (null is least), so that the order of
 * the rows does not matter. For example, an end closes an open gap. */
typedef struct gap_row {
    time_reason reason;
    const char *feed;
    uint32_t line;
    uint32_t shard;
    uint32_t conn;      /* connection number of the slot within its session; 0 = null */
    const char *topic;  /* "" = the whole connection */
    const char *symbol; /* "" = all of the topic */
    uint64_t from_ns;
    uint64_t to_ns;       /* GAP_OPEN while the gap has no end */
    uint64_t frames_lost; /* or GAP_FRAMES_UNKNOWN */
    const char *covered_by;
    const char *cause;
    const char *detail;
} gap_row;

/* The row in which every member is absent, or 0. */
extern const gap_row GAP_ROW_EMPTY;

/* How a member of a row is stored. */
typedef enum gap_member_type {
    GAP_MEMBER_REASON, /* time_reason; in text, its name */
    GAP_MEMBER_U32,
    GAP_MEMBER_U64,
    GAP_MEMBER_TEXT, /* const char *; "" means absent, unless required */
} gap_member_type;

/* A member of a row as it is named in reports, in the journal and in events. */
typedef struct gap_member {
    const char *key;
    size_t offset; /* in gap_row */
    gap_member_type type;
    uint8_t is_required; /* 1: never absent, whatever its value is */
    uint64_t absent;     /* of a number: the value that means "absent" */
    size_t text_bytes;   /* of a text: limit in the ledger, with the NUL; longer ones are cut */
} gap_member;

/* Every member, in the order in which it is written everywhere (docs/archive.md, FORMAT.md). */
enum { GAP_MEMBER_COUNT = 13 };
extern const gap_member GAP_MEMBERS[GAP_MEMBER_COUNT];

enum { GAP_LONG_TEXT_BYTES = 4096 }; /* limit of a cause or a detail */

/* Sum of all text_bytes. */
enum {
    GAP_TEXTS_BYTES =
        2 * LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES + 2 * GAP_LONG_TEXT_BYTES
};

/* 1 if the row has no value for the member: reports write null, the journal omits it. */
int gap_member_is_absent(const gap_row *row, const gap_member *member);

/* 1 if the member is written as text: a text or the reason. */
int gap_member_is_text(const gap_member *member);

/* Value of a member that is written as text; value of a number. */
const char *gap_member_text(const gap_row *row, const gap_member *member);
uint64_t gap_member_number(const gap_row *row, const gap_member *member);

/* Set a text (borrowed) or a number. A 32-bit member takes the low bits of the number. */
void gap_member_set_text(gap_row *row, const gap_member *member, const char *text);
void gap_member_set_number(gap_row *row, const gap_member *member, uint64_t number);

/* Its time: without an end while the gap is open; a moment (time_span_of) if it has no length. */
time_span gap_row_span(const gap_row *row);

/* 1 if the row is a loss, not a hole (gap_reason_is_hole), and no other line covers it. */
int gap_row_is_loss(const gap_row *row);

/* 1 if nothing is missing although the row was written (GAP_COVERED_BY_PONGS). It is no loss. */
int gap_row_is_disproved(const gap_row *row);

char *gap_detail_removed(const char *detail);
int gap_row_is_removed(const gap_row *row);

/* Where the gap comes from, as far as its reason, cause and detail show: "us" (the recorder, its
 * machine or its user), "network", "exchange_planned" (it closed the connection in order,
 * or announced that), "exchange" (it failed, or sent something wrong), "instrument_ended",
 * "unknown". */
const char *gap_row_origin(const gap_row *row);

/* Copy a row and its texts, which must not be NULL. gap_row_fini frees the copy. */
gap_row gap_row_copy(const gap_row *row);

/* Free the texts of a copy. */
void gap_row_fini(gap_row *row);

/* A row for slot 0/0 (line/shard) of a feed and all topics, with an unknown loss: the caller
 * changes what differs. feed and cause are borrowed. */
gap_row gap_row_of(time_reason reason, const char *feed, uint64_t from_ns, uint64_t to_ns,
                   const char *cause);

/* <0, 0, >0 by natural key, with from_ns directly after the feed: the order of lists. */
int gap_row_compare(const gap_row *a, const gap_row *b);

/* 1 if frames of this topic and symbol of the row's feed may be missing because of the gap. A gap
 * of a whole connection affects all topics, a gap of a topic without a symbol all of its symbols.
 * Symbol "*" matches every symbol; topic "" matches only gaps of a whole connection. For globs:
 * selection_has_gap (tape/selection.h). */
int gap_row_affects_topic(const gap_row *row, const char *topic, const char *symbol);

/* 1 if frames of a channel may be missing because of the gap, unless it is marked as covered by
 * another line (covered_by). A gap affects its shard, whatever its line: readers make one stream of
 * the lines, and a gap that no other line covers is a gap of that stream. A gap of slot 0/0 without
 * a connection, which no recorder wrote, affects all shards. */
int gap_row_affects_channel(const gap_row *row, const channel_info *channel);

/* Rows in memory, merged by key and sorted. */
typedef struct gap_list {
    gap_row *rows; /* strings owned by the list */
    size_t count;
} gap_list;

/* Add a copy of the row, or merge it into the row of the same key. */
void gap_list_add(gap_list *list, const gap_row *row);

/* Add a copy of each row of another list. */
void gap_list_join(gap_list *list, const gap_list *from);

/* Add copies of many rows: append each, then call gap_list_merge once to sort and merge. In between
 * no other function may be called on the list. */
void gap_list_append(gap_list *list, const gap_row *row);
void gap_list_merge(gap_list *list);

/* The row with the same key, valid until the list changes, or NULL. */
const gap_row *gap_list_find(const gap_list *list, const gap_row *key);

/* Free all rows; the list is empty afterwards. */
void gap_list_fini(gap_list *list);

/* Write a gap's members and its origin, with the keys and the order of docs/json.md, into an object
 * that the caller has opened. Absent values are null. The same for every report that lists gaps. */
void gap_json_members(json_writer *json, const gap_row *row);

#endif
