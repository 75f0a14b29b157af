/* Shared by audit.c (members), audit_books.c (books, tickers) and audit_trades.c (candles); private
 * to them. */
#ifndef TD_BOOK_AUDIT_IMPL_H
#define TD_BOOK_AUDIT_IMPL_H

#include "base/limits.h"
#include "book/audit.h"
#include "base/decimal.h"
#include "book/state_io.h"

/* Depths at which one book is compared with others: one for each other depth of the symbol. */
enum { AUDIT_DEPTHS_MAX = 8 };

/* A book at one time. */
typedef struct book_state {
    int64_t seq;
    uint64_t recv_ns;
    uint64_t hashes[AUDIT_DEPTHS_MAX]; /* of its best levels, at the depths of its history */
    td_decimal best[2];                /* by msg_side; 0: the side is empty */
} book_state;

/* Comparison of one book with another. */
typedef struct book_pair {
    int64_t equal_seq; /* last number at which both were equal */
    uint64_t equal_ns; /* 0: not equal so far */
    uint64_t from_ns;  /* if differs: start of the finding */
    struct {
        uint32_t shard, conn; /* likewise: origin of the last frames of both */
    } own, theirs;
    uint8_t differs; /* 1: they differ since a number after equal_seq */
} book_pair;

/* History of one book: its last states, with rising numbers; the oldest is overwritten. */
typedef struct book_history {
    book_state states[LIMIT_AUDIT_STATES];
    uint32_t count;                    /* states held */
    uint32_t newest;                   /* index of the last one, if count > 0 */
    uint32_t depths[AUDIT_DEPTHS_MAX]; /* 0 = all levels */
    uint32_t depth_count;
    book_pair with[LIMIT_AUDIT_MEMBERS]; /* by the index of the other book, which joined later */
    uint64_t since_ns;                   /* first state of this history */
} book_history;

enum { AUDIT_TICKERS_MAX = 8 }; /* that wait for the book's next state */

/* Best prices of a ticker, until the book has the state of their number. */
typedef struct best_waiting {
    int64_t seq;
    uint64_t recv_ns;
    td_decimal price[2]; /* by msg_side; 0: no price */
} best_waiting;

typedef struct best_history {
    best_waiting waiting[AUDIT_TICKERS_MAX]; /* oldest first */
    uint32_t count;
    td_decimal price[2]; /* the current ones: a delta only has changes */
} best_history;

__extension__ typedef __int128 sum128;

/* In units of 10^-18, which are exact for every price and size on the wire. */
typedef struct trade_sum {
    sum128 volume;
    sum128 turnover; /* price times size */
} trade_sum;

/* One trade, and the sum of all trades up to it. */
typedef struct trade_mark {
    trade_sum sum;
    int64_t exchange_ns;
} trade_mark;

/* Trades of one symbol and line as running sums: the sum between two of them costs a subtraction. A
 * position is the number of trades before it since the store was created. Grows by doubling up to
 * LIMIT_AUDIT_TRADES. */
typedef struct trade_store {
    trade_mark *marks; /* consecutive trades, beginning with first */
    trade_sum before;  /* all trades before first */
    uint64_t first;    /* position of the first mark */
    uint32_t count;
    size_t capacity;
    uint64_t since_ns; /* receive time since which no trade is missing, unless a loss is undetected;
                          0: unknown */
} trade_store;

enum { READINGS_MAX = 8 }; /* that wait for their trades; candles are sent every second or so */

/* A reading of a candle. */
typedef struct reading {
    int64_t start_ns; /* of the candle */
    int64_t end_ns;   /* last time in it; INT64_MAX: unknown */
    int64_t made_ns;  /* exchange time of the reading; 0: unknown */
    uint64_t recv_ns;
    trade_sum sum;
    uint8_t has_turnover;
} reading;

/* Where the next comparison begins: at the end of the last one. */
typedef enum base_kind {
    BASE_NONE,
    BASE_START,   /* the candle's first trade */
    BASE_READING, /* a reading: at a trade near its time */
    BASE_KNOWN,   /* the end of the last comparison */
} base_kind;

typedef struct candle_chain {
    base_kind kind;
    reading base; /* start_ns is valid while kind is BASE_NONE, too, if has_base */
    /* base.recv_ns before the base's frame, or 0: one frame ends a candle and begins the next one,
     * whose first trades precede that frame. */
    uint64_t frame_before_ns;
    uint64_t low; /* BASE_KNOWN: possible positions in the trades; nearly always one */
    uint64_t high;
    reading waiting[READINGS_MAX]; /* oldest first */
    uint32_t count;
    uint8_t has_base;
    uint8_t had_reading; /* 1: this connection had a reading */
} candle_chain;

struct audit {
    audit_member *members[LIMIT_AUDIT_MEMBERS];
    uint32_t member_count;
    int64_t delay_ns_min; /* least receive time minus exchange time of trades and candles */
    audit_stats stats;
};

/* Add an item about a member to a verdict. Beyond AUDIT_ITEMS_MAX it replaces the last item; the
 * statistics count all. Returns the item; the caller sets its verdict's expected and found. */
static inline audit_item *audit_emit(audit_verdict *out, audit_event event, rule_id rule,
                                     const audit_member *from, const audit_member *about,
                                     uint64_t from_ns, uint64_t to_ns)
{
    /* When full, the last item is replaced. */
    uint32_t at = out->count < AUDIT_ITEMS_MAX ? out->count++ : AUDIT_ITEMS_MAX - 1;
    out->items[at] = (audit_item){
        .event = event,
        .verdict = {.rule = rule, .strength = from->strength},
        .about = {.member = about, .line = about->line, .shard = about->shard, .conn = about->conn},
        .from_ns = from_ns,
        .to_ns = to_ns};
    return &out->items[at];
}

/* ---- audit_books.c ---- */

/* A book joined the audit: recompute the comparison depths. */
void audit_books_joined(audit *a);

/* Apply a frame of a book; of a ticker. */
void audit_books_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                       track *t, audit_verdict *out);
void audit_best_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                      audit_verdict *out);

/* Save or load the history of a member. count: members of the audit. */
void book_history_serialize(book_history *past, size_t count, uint32_t own_index, state_io *io);
void best_history_serialize(best_history *past, state_io *io);

/* ---- audit_trades.c ---- */

/* The same; and after all members were loaded: 0 if a chain refers to trades that the store
 * lacks. */
void trade_store_serialize(trade_store *store, state_io *io);
void candle_chain_serialize(candle_chain *chain, state_io *io);
int audit_chains_fit(const audit *a);

/* The member's next frame is from another connection. */
void audit_trades_connect(audit *a, const audit_member *member);
void audit_trades_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                        audit_verdict *out);
void audit_candles_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                         audit_verdict *out);
void audit_trades_skip(audit *a, audit_member *member, uint64_t recv_ns);
void audit_candles_finish(audit *a, audit_member *member, uint64_t end_ns, audit_verdict *out);

#endif
