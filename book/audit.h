/* Compares the topics of one symbol of a feed, to find losses that no single topic shows.
 *
 * books_agree: two books of the symbol (25 and 200 levels, say) that are at the same sequence
 * number show the same levels, to the depth of the shallower one. A lost update makes one of them
 * differ until its level changes again.
 *
 * lines_agree: as books_agree, for one topic that is received over two lines (redundant
 * connections).
 *
 * best_agrees: a ticker's best bid and ask equal the book's best prices at the ticker's sequence
 * number. If the book has no state with that number, the ticker's prices usually equal the book's
 * state just before or just after it. A difference then counts only as a statistic, whatever the
 * row's strength.
 *
 * trades_complete: a candle's volume (and turnover) grows from one reading to the next by the sum
 * of consecutive trades, like a running checksum. A reading may be older or newer than the trades
 * received so far; a newer reading waits for its trades. The comparison begins at the start of a
 * candle that began after trades were subscribed, or at a reading that was made after that. It
 * never begins at the first reading of a connection, because that reading is old. A difference is
 * skipped while the symbol's trades are unsubscribed, and if they were granted between the two
 * readings; the comparison then begins again.
 *
 * The topics' schema rows (schema/topic.h) have the rules: they decide which topics take part, and
 * how strong each rule is. docs/wire.md 6.7 has the exchange's documentation about these rules, and
 * measurements.
 *
 * Memory is bounded: per book the last LIMIT_AUDIT_STATES states as hashes, per line the last
 * LIMIT_AUDIT_TRADES trades as running sums. Comparisons with older data are counted as skipped.
 *
 * An audit belongs to one thread at a time, and gets its frames in the order of arrival. No I/O. */
#ifndef TD_BOOK_AUDIT_H
#define TD_BOOK_AUDIT_H

#include <stdint.h>

#include "base/attr.h"
#include "base/time_span.h"
#include "book/continuity.h"
#include "book/state_io.h"
#include "schema/message.h"
#include "schema/topic.h"
#include "schema/trade_grants.h"

/* A topic's part in an audit. */
typedef enum audit_part {
    AUDIT_NONE,
    AUDIT_BOOK,    /* RULE_BOOKS_AGREE */
    AUDIT_BEST,    /* RULE_BEST_AGREES: a ticker */
    AUDIT_TRADES,  /* trades of one symbol */
    AUDIT_CANDLES, /* RULE_TRADES_COMPLETE */
    AUDIT_PARTS,
} audit_part;

/* What a schema row's topic is in the audit of its symbol; AUDIT_NONE: the topic is not audited. */
audit_part audit_part_of(const topic_row *row);

/* Parts that have a partner to compare with, as bits (1 << part). counts: for each part, the number
 * of the symbol's topics that have it; a topic on two lines counts twice. A topic without a partner
 * needs no audit. */
uint32_t audit_useful_parts(const uint32_t counts[AUDIT_PARTS]);

typedef struct audit audit;

/* One topic of the symbol, on one line, that takes part in the audit. */
typedef struct audit_member {
    void *user; /* for the caller */
    uint32_t index;
    audit_part part;
    const topic_row *row;
    uint32_t line;
    /* The other members are private. */
    audit *owner;
    msg_member rule_member; /* message member that the rule compares */
    rule_strength strength;
    uint64_t connection; /* of the last frame, if has_connection */
    uint32_t shard;
    uint32_t conn;
    trade_grant grant; /* audit_frame.trades of the last frame; not saved */
    uint8_t has_connection;
    union { /* history, by part */
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

/* Add a member; audit_part_of(row) is not AUDIT_NONE. The member lives as long as the audit; user
 * is for the caller. NULL: the audit has LIMIT_AUDIT_MEMBERS members already. */
TD_MUST_USE audit_member *audit_join(audit *a, const topic_row *row, uint32_t line, void *user);

/* Bytes of memory that the audit holds, with its members. */
size_t audit_bytes(const audit *a);

/* Set the new row of the member's topic, as track_set_row. A row with another part is ignored. */
void audit_member_set_row(audit_member *member, const topic_row *row);

/* Save the audit without its statistics, or load it into an audit that has the same members in the
 * same order. */
void audit_serialize(audit *a, state_io *io);

/* Members by index, and their number. */
audit_member *audit_member_at(audit *a, uint32_t index);
uint32_t audit_member_count(const audit *a);

/* Origin and time of a frame. */
typedef struct audit_frame {
    uint64_t recv_ns;
    uint64_t connection; /* any number that differs for each connection of one line */
    uint32_t shard;
    uint32_t conn;
    uint64_t granted_ns; /* the topic is complete since then; 0: unknown */
    trade_grant trades;  /* of the symbol, on this connection */
    uint8_t is_lead_in;  /* 1: statistics begin after this frame */
} audit_frame;

typedef enum audit_event {
    AUDIT_DIFFERS, /* a rule is broken */
    AUDIT_AGREES,  /* two books that differed are equal again */
} audit_event;

/* A topic in a finding, with the origin of its last frame. */
typedef struct audit_party {
    const audit_member *member;
    uint32_t line, shard, conn;
} audit_party;

/* One finding. */
typedef struct audit_item {
    audit_event event;
    verdict_item verdict; /* expected and found: for books, the numbers of the last equal state and
                             of this one; for best, prices; for trades, the growth of the candle and
                             the sum of the trades, in units of 10^-8 */
    audit_party about; /* the topic that may have the loss: the trades that a candle sums; a ticker;
                          of two books, the one that joined the audit first */
    audit_party against; /* the other book, which may have the loss instead; member is NULL if no
                            two books were compared. An AUDIT_AGREES has the same parties and
                            begin as its AUDIT_DIFFERS */
    time_span time;      /* of the loss: receive times, from the one at which they last agreed */
} audit_item;

/* All findings of one frame, or of the end. There are at most a few hundred (limits.h): one for
 * each pair of books, and one for each ticker or candle reading that waits. */
typedef struct audit_verdict {
    uint32_t count;
    audit_item *items; /* owned by the audit; valid until the next call that sets a verdict */
} audit_verdict;

/* Apply a decoded frame of a member. t is the member's track, which has applied the frame already.
 * Sets *out. */
void audit_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                 track *t, audit_verdict *out);

/* Skip a frame of the member that could not be decoded: its content is unknown. */
void audit_skip(audit *a, audit_member *member, uint64_t recv_ns);

/* Finish the audit: check candle readings that still wait for their trades, if they were received
 * long enough before end_ns. */
void audit_finish(audit *a, uint64_t end_ns, audit_verdict *out);

/* Comparisons, by rule. */
typedef struct audit_count {
    uint64_t compared; /* pairs of states, tickers, candle readings */
    uint64_t differed; /* how many of these differed */
    uint64_t skipped;  /* not comparable: too old, a broken book, an unknown beginning */
} audit_count;

typedef struct audit_stats {
    audit_count books; /* books_agree and lines_agree */
    audit_count best;
    audit_count trades;
} audit_stats;

/* Add statistics, or an audit's, to *sum. */
void audit_stats_add(audit_stats *sum, const audit_stats *more);
void audit_add_stats(const audit *a, audit_stats *sum);

#endif
