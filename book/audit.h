/* Comparison of the topics of one feed's symbol: it finds losses that no topic shows alone.
 *
 * books_agree: two books of the symbol (25 and 200 levels, say) that are at the same sequence
 * number show the same levels, as deep as both go. A lost update makes one of them differ until its
 * level changes again.
 *
 * lines_agree: as books_agree, for one topic that is received over two lines.
 *
 * best_agrees: a ticker's best bid and ask are those of the book at the ticker's number. Where
 * there is no such state of the book, they are mostly those of one of the two around it: a
 * difference is a statistic then, whatever the row says.
 *
 * trades_complete: what a candle's volume (and turnover) grew by, from one reading to the next, is
 * the sum of trades that came one after another: a running checksum of them. A reading may be
 * older than the trades received so far, or newer; then it waits. The count begins with a candle
 * that began after trades were subscribed, or at a reading that was made after that; never at the
 * first reading of a connection, which is an old one.
 *
 * Which topics take part, and with which strength, is data: rules of their rows (schema/topic.h).
 * What the exchange documents about them, and what was measured, is in docs/wire.md 6.7.
 *
 * Memory is bounded: per book the last LIMIT_AUDIT_STATES states as hashes, per line the last
 * LIMIT_AUDIT_TRADES trades as running sums. What could not be compared because it was too far back
 * is counted as skipped, never judged.
 *
 * An audit belongs to one thread at a time, and gets its frames in the order of arrival. No I/O. */
#ifndef TD_BOOK_AUDIT_H
#define TD_BOOK_AUDIT_H

#include <stdint.h>

#include "base/attr.h"
#include "book/continuity.h"
#include "book/state_io.h"
#include "schema/message.h"
#include "schema/topic.h"

/* A topic's part in an audit. */
typedef enum audit_part {
    AUDIT_NONE,
    AUDIT_BOOK,    /* RULE_BOOKS_AGREE */
    AUDIT_BEST,    /* RULE_BEST_AGREES: a ticker */
    AUDIT_TRADES,  /* trades of one symbol */
    AUDIT_CANDLES, /* RULE_TRADES_COMPLETE */
    AUDIT_PARTS,
} audit_part;

audit_part audit_part_of(const topic_row *row);

/* Parts that have something to compare with, as bits (1 << part), where the symbol has so many
 * topics (or lines of one) of each part. A topic without a partner needs no audit. */
uint32_t audit_useful_parts(const uint32_t counts[AUDIT_PARTS]);

typedef struct audit audit;

/* A topic of the symbol on one line, as a member of the audit. */
typedef struct audit_member {
    void *user; /* the caller's */
    uint32_t index;
    audit_part part;
    const topic_row *row;
    uint32_t line;
    /* The rest is the audit's. */
    audit *owner;
    msg_member rule_member; /* of the rule */
    rule_strength strength;
    uint64_t connection; /* of the last frame; if has_connection */
    uint32_t shard;
    uint32_t conn;
    uint8_t has_connection;
    union { /* by part */
        void *past;
        struct book_history *books;
        struct best_history *best;
        struct trade_store *trades;
        struct candle_chain *candles;
    };
} audit_member;

/* An audit without members. */
audit *audit_open(void);
void audit_close(audit *a);

/* Take part; audit_part_of(row) is not AUDIT_NONE. The member lives as long as the audit; user is
 * the caller's. NULL: there are LIMIT_AUDIT_MEMBERS. */
TD_MUST_USE audit_member *audit_join(audit *a, const topic_row *row, uint32_t line, void *user);

/* Bytes of memory that the audit holds, with its members. */
size_t audit_bytes(const audit *a);

/* The topic changed under its name, as track_set_row; a row of another part changes nothing. */
void audit_member_set_row(audit_member *member, const topic_row *row);

/* Save the audit without its statistics, or load it into one that the same members have joined, in
 * the order of their indexes. */
void audit_serialize(audit *a, state_io *io);

audit_member *audit_member_at(audit *a, uint32_t index);
uint32_t audit_member_count(const audit *a);

/* Where and when a frame came from. */
typedef struct audit_frame {
    uint64_t recv_ns;
    uint64_t connection; /* any number that differs between connections of one line */
    uint32_t shard;
    uint32_t conn;
    uint64_t granted_ns; /* the topic has every frame since then; 0: unknown */
    uint8_t is_lead_in;  /* 1: statistics begin after it */
} audit_frame;

typedef enum audit_event {
    AUDIT_DIFFERS, /* a rule was broken */
    AUDIT_AGREES,  /* two books that differed are equal again */
} audit_event;

/* A topic that a finding is about, and where its last frame came from. */
typedef struct audit_party {
    const audit_member *member;
    uint32_t line, shard, conn;
} audit_party;

/* One thing that was found. */
typedef struct audit_item {
    audit_event event;
    verdict_item verdict; /* books: numbers of the last state that was equal, and of this one; best:
                             prices; trades: what the candle grew by, and what the trades add, in
                             units of 10^-8 */
    audit_party about;   /* the topic with the loss: the trades; of two books always the same one */
    audit_party against; /* the other book, which may have the loss as well; member NULL: none. Both
                            parties, and from_ns, are the same when it ends as when it began */
    uint64_t from_ns; /* receive times: what is missing came after this (the last moment at which */
    uint64_t to_ns;   /* all was well), and before this */
} audit_item;

enum { AUDIT_ITEMS_MAX = 16 };

typedef struct audit_verdict {
    uint32_t count;
    audit_item items[AUDIT_ITEMS_MAX]; /* more than that are only counted */
} audit_verdict;

/* Apply a frame of a member, decoded; t is its track, which has applied it. Fills out. */
void audit_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                 track *t, audit_verdict *out);

/* A frame of the member could not be decoded: its content is unknown. */
void audit_skip(audit *a, audit_member *member, uint64_t recv_ns);

/* The end: candle readings that still wait for their trades are judged if they came long enough
 * before end_ns. */
void audit_finish(audit *a, uint64_t end_ns, audit_verdict *out);

/* Comparisons, by rule. */
typedef struct audit_count {
    uint64_t compared; /* pairs of states, tickers, candle readings */
    uint64_t differed; /* of these */
    uint64_t skipped;  /* not comparable: too far back, a broken book, no known beginning */
} audit_count;

typedef struct audit_stats {
    audit_count books; /* books_agree and lines_agree */
    audit_count best;
    audit_count trades;
} audit_stats;

void audit_add_stats(const audit *a, audit_stats *sum);

#endif
