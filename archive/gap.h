/* Gaps: rows of the ledger. A gap is where something that the exchange sent, or may have sent, is
 * not in the archive. Plain records; constant tables; any thread. */
#ifndef TD_ARCHIVE_GAP_H
#define TD_ARCHIVE_GAP_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/json/json_write.h"

typedef enum gap_reason {
    GAP_DISCONNECT, /* the connection ended while recording went on */
    GAP_STALE,      /* it was up and sent no data, so it was ended */
    GAP_OVERLOAD,   /* frames were counted and dropped */
    GAP_RESTART,    /* between a clean stop and the next start on the feed */
    GAP_CRASH,      /* between the last durable frame of a killed recorder and the next start */
    GAP_CORRUPT,    /* stored frames can no longer be read */
    GAP_SEQUENCE,   /* the book was broken: the exchange's own numbering shows a loss */
    GAP_AGGREGATE,  /* one message of an aggregating topic is missing */
    GAP_REASON_COUNT,
} gap_reason;

/* Stable name ("disconnect"); and back: 1, or 0 if it is not one. */
const char *gap_reason_name(gap_reason reason);
int gap_reason_parse(td_bytes name, gap_reason *out);

/* 1 if the gap is what lies between two connections, or between two grants of a topic: all that the
 * first one brought is there, however early the row begins, because a connection keeps the order.
 * Others may lack a frame anywhere in their time. */
int gap_reason_ends_connection(gap_reason reason);

#define GAP_OPEN           UINT64_C(0) /* to_ns of a gap that has no end yet */
#define GAP_FRAMES_UNKNOWN UINT64_MAX  /* frames_lost is unknown */

/* One row. Strings are NUL-terminated and borrowed from the maker of the row; "" is null.
 * Natural key: feed, line, shard, conn, topic, symbol, reason, from_ns. Rows of one key are one
 * gap: each other field is then the greatest that any of them has (null is least), so that the
 * order in which rows are met does not matter: an end closes an open gap. */
typedef struct gap_row {
    gap_reason reason;
    const char *feed;
    uint32_t line;
    uint32_t shard;
    uint32_t conn;      /* connection number of the slot within its session; 0 = null */
    const char *topic;  /* "" = the whole connection */
    const char *symbol; /* "" = all of the topic */
    uint64_t from_ns;
    uint64_t to_ns;       /* GAP_OPEN while it has no end */
    uint64_t frames_lost; /* or GAP_FRAMES_UNKNOWN */
    const char *covered_by;
    const char *cause;
    const char *detail;
} gap_row;

/* How a member of a row is stored. */
typedef enum gap_member_type {
    GAP_MEMBER_REASON, /* gap_reason; outside it is the reason's name */
    GAP_MEMBER_U32,
    GAP_MEMBER_U64,
    GAP_MEMBER_TEXT, /* const char *; "" = absent, where it may be absent */
} gap_member_type;

/* A member of a row as it is called in reports, in the journal and in events. */
typedef struct gap_member {
    const char *key;
    size_t offset; /* in gap_row */
    gap_member_type type;
    uint8_t is_required; /* 1: never absent, whatever its value is */
    uint64_t absent;     /* of a number: the value that means "absent" */
    size_t text_bytes;   /* of a text: most that the ledger keeps, with the NUL; the rest is cut */
} gap_member;

/* Every member, in the order in which it is written everywhere (docs/archive.md, FORMAT.md). */
enum { GAP_MEMBER_COUNT = 13 };
extern const gap_member GAP_MEMBERS[GAP_MEMBER_COUNT];

enum { GAP_LONG_TEXT_BYTES = 4096 }; /* a cause, a detail */

/* The greatest sum of text_bytes. */
enum {
    GAP_TEXTS_BYTES =
        2 * LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES + 2 * GAP_LONG_TEXT_BYTES
};

/* 1 if the row has no value for the member: reports write null, the journal leaves it out. */
int gap_member_is_absent(const gap_row *row, const gap_member *member);

/* 1 if the member is written as a text: a text, or the reason. */
int gap_member_is_text(const gap_member *member);

/* Value of a member that is written as a text, or of one that is not. */
const char *gap_member_text(const gap_row *row, const gap_member *member);
uint64_t gap_member_number(const gap_row *row, const gap_member *member);

/* Set a text (borrowed), or a number; a 32-bit one takes the low bits. */
void gap_member_set_text(gap_row *row, const gap_member *member, const char *text);
void gap_member_set_number(gap_row *row, const gap_member *member, uint64_t number);

/* A copy of a row and its texts, none of which is NULL: the caller's, for gap_row_fini. */
gap_row gap_row_copy(const gap_row *row);

/* Free the texts of a copy. */
void gap_row_fini(gap_row *row);

/* A row of a feed's slot 0/0 and all its topics, of which it is unknown how much was lost: the
 * caller sets what differs. feed and cause are borrowed. */
gap_row gap_row_of(gap_reason reason, const char *feed, uint64_t from_ns, uint64_t to_ns,
                   const char *cause);

/* <0, 0, >0 by natural key, from_ns first after the feed: the order in which rows are listed. */
int gap_row_compare(const gap_row *a, const gap_row *b);

/* 1 if frames of this topic and symbol of the row's feed may be missing because of the gap: one of
 * a whole connection lacks something of each topic, one of a topic without a symbol of each of its
 * symbols, and frames of the symbol "*" name any. topic "": only a gap of a whole connection is.
 * For a selection of globs: selection_has_gap (tape/selection.h). */
int gap_row_is_about(const gap_row *row, const char *topic, const char *symbol);

/* 1 if frames of a channel may be missing because of the gap, and no other line has them: a gap of
 * a whole connection is of its slot; one that no recorder wrote is of all. */
int gap_row_is_of(const gap_row *row, const channel_info *channel);

/* Rows collected in memory, merged by key and sorted. */
typedef struct gap_list {
    gap_row *rows; /* strings owned by the list */
    size_t count;
} gap_list;

/* Add a copy of the row, or merge it into the row of the same key. */
void gap_list_add(gap_list *list, const gap_row *row);

/* Add a copy of each row of another list. */
void gap_list_join(gap_list *list, const gap_list *from);

/* Add copies of many rows: each at the end, then bring the list in order once. Between the two the
 * list can only be appended to. */
void gap_list_append(gap_list *list, const gap_row *row);
void gap_list_settle(gap_list *list);

/* The row of the same key, valid until the list changes, or NULL. */
const gap_row *gap_list_find(const gap_list *list, const gap_row *key);

void gap_list_fini(gap_list *list);

/* Write a gap's members, with the keys and in the order of docs/archive.md, into an object that the
 * caller has open; absent values are null: the same in every report that lists gaps. */
void gap_json_members(json_writer *json, const gap_row *row);

#endif
