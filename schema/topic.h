/* Topics as rows of a table. A row has all facts about a topic: its name pattern, the paths of its
 * entries in a frame, each field with JSON key, type, unit and scale, how its symbol, exchange time
 * and sequence are found, and which continuity rules apply, with their strength. The row-driven
 * decoder, the JSON Schema of exports, topic listings and the continuity checks all read the same
 * row, so adding a topic is adding a row.
 *
 * Constant data only; any thread. */
#ifndef TD_SCHEMA_TOPIC_H
#define TD_SCHEMA_TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/channel.h"
#include "base/clock.h"
#include "schema/message.h"

/* How a field's JSON value is read: the word in documents, the name in listings, and the type of
 * the value. Numbers may be JSON numbers or strings, because families differ; "", "None" and null
 * mean absent. */
#define FIELD_TYPES(X)                                                                             \
    X(TEXT, "text", "text", TEXT) /* string, unchanged */                                          \
    /* number or numeric string, exact. scale_e10 > 0: an integer that is the value times          \
     * 10^scale_e10. If an entry has a scaled and a plain field for the same member, the plain one \
     * is used, unless it just repeats the integer */                                              \
    X(DECIMAL, "decimal", "decimal", DECIMAL)                                                      \
    X(INTEGER, "integer", "integer", INTEGER) /* whole number, signed 64 bits */                   \
    X(BOOL, "bool", "bool", BOOL)             /* true, false, "true", "False", 0, 1 */             \
    X(SIDE, "side", "side", SIDE)             /* "Buy" or "Sell", also "BUY" and "SELL" */         \
    /* as FIELD_SIDE, but any other text gives SIDE_NONE instead of an error */                    \
    X(ANY_SIDE, "any_side", "side", SIDE)                                                          \
    X(TIME, "time", "time", TIME_NS) /* a time; unit is its form */                                \
    /* a side as a boolean, true is Buy and false Sell: spot's "m" */                              \
    X(IS_BUY, "is_buy", "is_buy", SIDE)                                                            \
    /* "buy" or "sell", also "b", "bid", and "s", "ask", "offer" */                                \
    X(LOWER_SIDE, "lower_side", "side", SIDE)                                                      \
    /* an object, array or scalar without a fixed structure: kept as JSON text without white       \
     * space, members of objects sorted by key */                                                  \
    X(JSON, "json", "json", JSON)                                                                  \
    /* a side as a boolean, true is Sell: Binance's "m", "the buyer is the maker" */               \
    X(IS_SELL, "is_sell", "is_sell", SIDE)                                                         \
    /* as FIELD_SIDE, but of the order that was in the book: "Buy" is a Sell */                    \
    X(MAKER_SIDE, "maker_side", "maker_side", SIDE)                                                \
    /* as FIELD_LOWER_SIDE, but the other side: "buy" is a Sell */                                 \
    X(LOWER_MAKER_SIDE, "lower_maker_side", "maker_side", SIDE)

#define FIELD_TYPE_ENUMERATOR(id, word, name, value) FIELD_##id,
typedef enum field_type { FIELD_TYPES(FIELD_TYPE_ENUMERATOR) } field_type;
#undef FIELD_TYPE_ENUMERATOR

/* Unit of a number, or form of a time, and its name. */
#define FIELD_UNITS(X)                                                                             \
    X(PRICE, "price")       /* quote currency for one base unit */                                 \
    X(QUANTITY, "quantity") /* contracts (inverse) or base units (linear, spot) */                 \
    X(MONEY, "money")       /* an amount of the settlement coin */                                 \
    X(RATE, "rate")         /* a fraction: 0.0001 = 1 basis point */                               \
    /* Times: seconds, milli-, micro-, nanoseconds since 1970, or RFC 3339 text. */                \
    X(S, "s")                                                                                      \
    X(MS, "ms")                                                                                    \
    X(US, "us")                                                                                    \
    X(NS, "ns")                                                                                    \
    X(RFC3339, "rfc3339")

#define FIELD_UNIT_ENUMERATOR(id, name) UNIT_##id,
typedef enum field_unit { UNIT_NONE, FIELD_UNITS(FIELD_UNIT_ENUMERATOR) UNIT_COUNT } field_unit;
#undef FIELD_UNIT_ENUMERATOR

/* One field of a topic's entries (or of the envelope around them). */
typedef struct field_row {
    msg_member member; /* its meaning: one member per meaning, however families spell it */
    /* JSON key, case-sensitive. Of the envelope it is a path; of an entry that is an object it may
     * lead into an object in it, "descr.pair". */
    const char *key;
    field_type type;
    field_unit unit;
    uint8_t scale_e10; /* for decimals sent as scaled integers, the power of ten: 4 for "_e4" */
    uint8_t flags;     /* FIELD_* below */
} field_row;

enum {
    FIELD_REQUIRED = 1 << 0, /* a frame without it cannot be decoded */
    /* Used instead of another field with the same member, if both are present. */
    FIELD_PREFERRED = 1 << 1,
    FIELD_REQUIRED_TO_SET = 1 << 2, /* as FIELD_REQUIRED, except in a delete */
    /* The field is in one of the objects around the entry (a coin's account, a leg's order), not in
     * the entry itself: each entry gets the field's value, from the innermost object that has the
     * field. The frame's own object does not count; its fields are the envelope. An entry may have
     * another field with the same key. If such an object contains no entry, it counts as an entry
     * that has only these fields. */
    FIELD_INHERITED = 1 << 3,
    /* For some symbols the exchange scales this integer by another power of ten than the one in the
     * key's name. If the plain field is missing, the scale is therefore a guess, and the value is
     * marked (msg_value.is_scale_assumed). */
    FIELD_SCALE_VARIES = 1 << 4,
    /* The number is one above the value: a frame that names its own first number follows the frame
     * with the number below it. */
    FIELD_NEXT_NUMBER = 1 << 5,
    /* The time at which a connection sends the frame, at the top of it: two connections bring one
     * frame with different ones, so it is no part of a frame's identity (tape/lines.h). */
    FIELD_PER_CONNECTION = 1 << 6,
    /* The value may be a list, of which the first element counts. */
    FIELD_LISTED = 1 << 7,
};

/* The value of a number of a FIELD_NEXT_NUMBER. */
static inline int64_t field_number_below(int64_t number)
{
    return number - (number != INT64_MIN);
}

/* Where a frame has entries: a path of keys from the top, and the meaning of the entries there. If
 * a value on the path or at its end is an array, each of its elements is used; an object at the end
 * is one entry. Frames of the row's kind must have entries at every path. Null, an empty array or a
 * missing value is an error (DECODE_MISSING_FIELD) unless a flag allows it, because the frame would
 * otherwise decode as a message that changes nothing. One path may continue another ("data",
 * "data.legs"): then both have entries, in the order of the row. */
typedef struct items_row {
    const char *path;  /* "data", "data.order_book", "data.delete"; "" is the frame itself */
    msg_action action; /* effect of its entries */
    frame_kind kind;   /* only frames of this kind have entries here; FRAME_ANY: all frames */
    uint8_t flags;     /* ITEMS_* below */
} items_row;

enum {
    /* If there are no entries, the exchange omits the path or sends null. */
    ITEMS_OPTIONAL = 1 << 0,
    /* Entries are arrays; the key of a field is its index in the array: "0", "1". */
    ITEMS_POSITIONAL = 1 << 1,
    ITEMS_BUY = 1 << 2,          /* the entries at this path are bids */
    ITEMS_SELL = 1 << 3,         /* the entries at this path are asks */
    ITEMS_ZERO_DELETES = 1 << 4, /* an entry of size 0 deletes its level; if it has a
                                    MEMBER_RPI_SIZE, that must be 0 as well */
    ITEMS_BEST = 1 << 5,  /* an entry has the best price of both sides: its BID1 and ASK1 price and
                             size become two levels; a side without a price gives no level */
    ITEMS_LIST = 1 << 6,  /* entries are here only if the value is a list; if it is an object, the
                             entries are at a longer path inside it */
    ITEMS_EMPTY = 1 << 7, /* if there are no entries, the exchange sends an empty list */
};

/* Continuity rules. A row lists the rules of its topic with their strength. The rules' exact
 * meaning and the evidence for them are documented at the functions in book/continuity.c (rules of
 * one topic) and book/audit.h (rules across topics of a symbol). The list has their names, too. */
#define RULE_IDS(X)                                                                                \
    /* Rules for the order of frames. The number that they compare is the rule's member:           \
     * MEMBER_CROSS_SEQ, _U, _SEQ or _VERSION. */                                                  \
    X(SEQ_STRICT, "seq_strict") /* sequence rises from frame to frame */                           \
    X(SEQ_WEAK, "seq_weak")     /* sequence never falls */                                         \
    /* sequence rises by exactly one; a snapshot or the number 1 restarts it */                    \
    X(SEQ_DENSE, "seq_dense")                                                                      \
    /* sequence stays or rises by one: topics that repeat an unchanged state */                    \
    X(SEQ_STEP, "seq_step")                                                                        \
    X(SEQ_FRAME_EQUAL, "seq_frame_equal") /* all entries of one frame share their sequence */      \
    X(TIME_STRICT, "time_strict")         /* exchange time rises from frame to frame */            \
    X(TIME_WEAK, "time_weak")             /* exchange time never falls */                          \
    /* MEMBER_VERSION, a text, differs from the frame before */                                    \
    X(VERSION_DIFFERS, "version_differs")                                                          \
    /* the numbers in MEMBER_VERSION, compared part by part, never fall: a hint */                 \
    X(VERSION_WEAK, "version_weak")                                                                \
    /* Rules for the order of entries in topics of a coin and private topics, separately for each  \
     * symbol, category and position that the entries name. A rule compares its member of each     \
     * entry; with MEMBER_NONE a time rule compares the exchange time. Entries without the number, \
     * or with a negative one, are skipped. */                                                     \
    X(ENTRY_SEQ_STRICT, "entry_seq_strict")                                                        \
    X(ENTRY_SEQ_WEAK, "entry_seq_weak")                                                            \
    X(ENTRY_TIME_WEAK, "entry_time_weak")                                                          \
    /* Identity of entries. The rule's member is MEMBER_TRADE_ID or MEMBER_EXEC_ID. */             \
    X(ID_UNIQUE, "id_unique")       /* differs from the last LIMIT_TRACK_IDS ids of the topic */   \
    X(ID_ASCENDING, "id_ascending") /* decimal ids of any length, rising from entry to entry */    \
    X(ID_DENSE, "id_dense")         /* decimal ids that rise by one from entry to entry */         \
    /* Identity of frames, for topics without a number or id by which a repeated frame would be    \
     * noticed. */                                                                                 \
    /* differs from the last LIMIT_TRACK_FRAMES messages of the topic */                           \
    X(FRAME_UNIQUE, "frame_unique")                                                                \
    /* Books. */                                                                                   \
    X(ANCHORED, "anchored")               /* no delta before the first snapshot */                 \
    X(DELTA_NOT_EMPTY, "delta_not_empty") /* a delta has entries */                                \
    X(DELETE_EXISTS, "delete_exists")     /* a delete hits an existing level */                    \
    X(UPDATE_EXISTS, "update_exists")     /* an update hits an existing level */                   \
    /* an update, or a delta that sets a level, changes the level's size */                        \
    X(UPDATE_CHANGES, "update_changes")                                                            \
    X(INSERT_NEW, "insert_new")         /* an insert adds a level that did not exist */            \
    X(NOT_CROSSED, "not_crossed")       /* best bid below best ask */                              \
    X(DEPTH, "depth")                   /* each side has exactly the topic's number of levels */   \
    X(DEPTH_MAX, "depth_max")           /* each side has at most the topic's number of levels */   \
    X(SYMBOL_MATCHES, "symbol_matches") /* every entry names the topic's symbol */                 \
    X(SIZE_POSITIVE, "size_positive")   /* a level that is set has a size above 0 */               \
    /* no level was dropped because the book reached its limits; checked for every book */         \
    X(BOOK_FITS, "book_fits")                                                                      \
    /* statistic: a snapshot that is not the first; counted for every topic with RULE_ANCHORED */  \
    X(SNAPSHOT_RESET, "snapshot_reset")                                                            \
    /* statistic: a snapshot with the same number (member) as the frame before; the exchange       \
     * repeats level 1 when nothing changes */                                                     \
    X(SNAPSHOT_REPEAT, "snapshot_repeat")                                                          \
    /* Candles. */                                                                                 \
    X(KLINE_START, "kline_start")     /* the start of a candle never falls */                      \
    X(KLINE_CONFIRM, "kline_confirm") /* a closed candle never changes */                          \
    /* Frames that name the frame before them. */                                                  \
    /* MEMBER_CHECKSUM is that of the book after the frame (topic_row.checksum) */                 \
    X(CHECKSUM, "checksum")                                                                        \
    /* The number of each frame of the connection rises by one (schema/conn_counter.h). It is      \
     * judged where frames are received, and a break is a gap of the whole connection. */          \
    X(CONN_DENSE, "conn_dense")                                                                    \
    /* MEMBER_PREV_SEQ is the number (topic_row_number) of the frame before */                     \
    X(PREV_LINKS, "prev_links")                                                                    \
    /* Across the topics of one feed's symbol (book/audit.h). */                                   \
    /* a rule of each book of the symbol that takes part: where two books have the same number     \
     * (member), their common levels are equal */                                                  \
    X(BOOKS_AGREE, "books_agree")                                                                  \
    /* as RULE_BOOKS_AGREE, for one topic that is recorded over two lines (redundant connections); \
     * checked for every topic with RULE_BOOKS_AGREE */                                            \
    X(LINES_AGREE, "lines_agree")                                                                  \
    /* a rule of tickers: bid1 and ask1 equal the best prices of the symbol's books with           \
     * RULE_BOOKS_AGREE, where ticker and book have the same number */                             \
    X(BEST_AGREES, "best_agrees")                                                                  \
    /* a rule of candles: volume and turnover increase by the sum of the symbol's trades. member   \
     * is MEMBER_TURNOVER to check both, MEMBER_VOLUME for the volume only */                      \
    X(TRADES_COMPLETE, "trades_complete")

#define RULE_ID_ENUMERATOR(id, name) RULE_##id,
typedef enum rule_id { RULE_NONE, RULE_IDS(RULE_ID_ENUMERATOR) RULE_COUNT } rule_id;
#undef RULE_ID_ENUMERATOR

typedef enum rule_strength {
    STRENGTH_ERROR,     /* a violation: data is missing, repeated or reordered */
    STRENGTH_WARNING,   /* worth investigating */
    STRENGTH_STATISTIC, /* counted, proves nothing */
} rule_strength;

typedef struct rule_row {
    rule_id rule;
    rule_strength strength;
    msg_member member; /* the number or id that the rule checks; MEMBER_NONE: cross_seq */
} rule_row;

/* The text of which an exchange computes a book's checksum: the levels' prices and sizes, as it
 * writes them. */
typedef enum checksum_order {
    CHECKSUM_NONE,
    CHECKSUM_ALTERNATING,    /* "bid:size:ask:size:bid:...", a bid and an ask by turns; a side that
                                ends is left out (OKX) */
    CHECKSUM_ASKS_THEN_BIDS, /* digits without points and leading zeros, and nothing between them
                                (Kraken v1) */
    CHECKSUM_ORDERS, /* so each order of these levels, the first in the queue first (Kraken v2) */
} checksum_order;

typedef struct checksum_recipe {
    size_t levels; /* the best of each side, at most CHECKSUM_LEVELS_MAX; 0: there is no checksum */
    checksum_order order;
} checksum_recipe;

/* Four times what an exchange is known to use: all are written for each frame. */
enum { CHECKSUM_LEVELS_MAX = 100 };

/* When frames follow a topic's grant. It decides whether the silence of a granted topic is overdue.
 */
typedef enum topic_speech {
    SPEAKS_UNSTATED,
    SPEAKS_AT_ONCE,         /* the first frame follows the grant, whatever the market does */
    SPEAKS_STEADILY,        /* of a market that trades, a frame comes within TOPIC_SILENCE_NS */
    SPEAKS_WHEN_IT_HAPPENS, /* liquidations, private topics, notices: any silence is usual */
} topic_speech;

/* What the requests of a topic of order entry do with orders. */
typedef enum order_action {
    ORDER_UNSTATED, /* something else, or with orders that they do not name: no update of an order
                       is expected */
    ORDER_PLACED,
    ORDER_CHANGED,
    ORDER_CANCELLED,
} order_action;

/* A granted topic that speaks at once or steadily, and sent no frame for so long, is overdue. */
#define TOPIC_SILENCE_NS (60 * TD_NS_PER_S)

/* A book whose snapshot is fetched lacks it at the begin of each connection. If it stays away for
 * longer than this, the time is a gap. */
#define TOPIC_UNANCHORED_NS (10 * TD_NS_PER_S)

/* A word for a frame's kind. "true" and "false" also match JSON booleans; null and "" count as no
 * kind. */
typedef struct kind_word {
    const char *text;
    frame_kind kind;
} kind_word;

/* Where a topic's sequence number is found. */
typedef enum seq_source {
    SEQ_NONE,
    SEQ_ENVELOPE, /* member of the frame itself */
    SEQ_ITEM,     /* member of each entry */
} seq_source;

enum {
    TOPIC_ITEMS_MAX = 6,
    TOPIC_RULES_MAX = 20,
    TOPIC_FIELDS_MAX = 128, /* per entry; orders have the most, some 60 */
    TOPIC_ENVELOPE_MAX = 16,
    KIND_WORDS_MAX = 12,
};

typedef struct topic_row {
    const char *name; /* the topic without its symbol: "orderBook_200.100ms" */
    /* While its document is read: the words that replace "{each}", a row for each; then
     * NULL. */
    const char *const *each;
    const char *pattern; /* as the exchange writes it: "orderBook_200.100ms.{symbol}". Other
                            placeholders ("{interval}") become part of the topic's name. A symbol is
                            the rest of a topic, including dots (XRP-5JUL23-0.5-C), or has no dot
                            and ends before a text (topic_row_end). {coin}: a coin instead of a
                            symbol; the entries name their symbols. With a text after it
                            ("trades.{kind}.{coin}.raw") the match's topic is the whole text, and
                            its symbol "*" */
    msg_type type;
    const char *title; /* one line for people */
    /* The exchange sometimes changes a topic without renaming it: this row applies to frames
     * received from valid_from on and before valid_until, each "2025-04-01" (UTC) or NULL
     * (unlimited). Rows of one pattern do not overlap in time. */
    const char *valid_from;
    const char *valid_until;
    /* The day (UTC) of the newest real frame that is known to be as this row has it; NULL: it is
     * known from documentation only. */
    const char *seen;
    /* For topics that are not one string on the wire (spot): the paths of the topic's parts, from
     * the top of the frame. The topic is composed of the frame's "topic" and these parts, in the
     * order of the pattern. NULL: the part is in the frame's "topic" itself. */
    const char *parameter_path; /* of the placeholder other than the symbol: "params.klineType" */
    const char *symbol_path;    /* "symbol", "params.symbol" */
    /* The frame's "topic" then, if it is not the pattern's beginning, as it is in requests; NULL:
     * it is. */
    const char *frame_topic;
    /* 1: other topics of the family have the same frames, which do not say of which topic they are:
     * the one that their connection asked for (classification.is_open). */
    uint8_t shares_frames;
    /* How the frame's topic is spelled; NULL: as the pattern is. */
    const struct topic_spelling *spelling;
    const struct list_names *list; /* its family's */
    /* The keys of its exchange, if that has bare frames (schema/bare_frame.h); else NULL. */
    const struct frame_keys *bare;
    /* 1: frames that are not bare may have the client's key in place of their topic (the events of
     * an account at Binance's /private/stream). */
    uint8_t may_have_key;
    /* A book whose frames are deltas only begins with the reply to an HTTP request: the request's
     * path and query, in which "{symbol}" is replaced by the symbol and "{category}" by the
     * family's category (family_market). NULL: frames bring the snapshot. */
    const char *snapshot_request;
    /* The most levels of a side that the reply has, if the request has no "limit"; 0: it has all.
     */
    size_t snapshot_levels;
    /* The reply's members. A row with the same pattern, type and rules, without a topic (topic_key
     * is ""): a reply does not name its topic. NULL: no snapshot_request, or this is such a row. */
    const struct topic_row *snapshot_reply;
    /* Another topic of the same symbol that reveals losses of this one, written with its parameter
     * and without the symbol ("klineV2.1" for trades, another depth for a book); NULL: no such
     * topic. Feeds with `audit: true` also subscribe to it. */
    const char *audit;
    /* With what the paths of the addresses begin at which the exchange sends the topic, "/market";
     * NULL: it sends it at all of the family's. */
    const char *path;
    topic_speech speaks;
    order_action does;        /* only of MSG_ORDER_ENTRY */
    checksum_recipe checksum; /* for RULE_CHECKSUM */
    uint32_t book_depth;      /* levels per side of a book topic; 0: unbounded, or not a book */
    uint8_t truncates;        /* 1: clients drop the levels beyond book_depth after each frame; the
                                 exchange        does not delete them */
    uint8_t is_grouped;       /* 1: prices of levels are rounded to groups, so that the topic is not
                                 the market's book, nor its best prices */
    seq_source sequence;
    msg_member time_member;  /* the member that is the exchange time: of the envelope, else of the
                                first entry, or, of a book, the latest of its levels'; may be a
                                number of the envelope (topic_row_time_unit_ns). MEMBER_NONE: the
                                topic has no time */
    msg_member newest_first; /* lists of entries are newest first: the member that orders them
                                (schema/entry_order.h); MEMBER_NONE: rows are as listed */
    items_row items[TOPIC_ITEMS_MAX]; /* ends with path NULL, or with the end of the array */
    uint8_t is_event; /* 1: a frame is a list of events, or a single event (spot's private topics);
                         each event names its topic */
    const char *topic_key;     /* key of the topic in the frame or event; NULL: the default
                                  (topic_row_topic_key()) */
    const char *snapshot_path; /* frames with a value at this path are snapshots, whatever else;
                                  NULL: the kind is not told so */
    const char *kind_key; /* path of the frame's kind; NULL: the default (topic_row_kind_key()) */
    const kind_word *kind_words; /* the exchange's words for kinds, ending with text NULL; NULL:
                                    "snapshot" and "delta" */
    frame_kind default_kind;   /* kind of frames that do not state it; FRAME_SNAPSHOT if every such
                                  frame has the full state */
    const field_row *envelope; /* fields of the frame itself besides topic and kind; a key may be a
                                  path ("data.u") */
    size_t envelope_count;
    const field_row *fields; /* fields of one entry */
    size_t field_count;
    rule_row rules[TOPIC_RULES_MAX]; /* ends with RULE_NONE, or with the end of the array */
} topic_row;

/* The row and the parts of a topic string. Views point into the string, or into the row. */
typedef struct topic_match {
    const topic_row *row; /* NULL: unknown topic */
    td_bytes topic;  /* without the symbol: "klineV2.1"; a view of the row's name, "book.raw", if
                        text follows the symbol */
    td_bytes symbol; /* "BTCUSD"; "*" if only the entries name symbols; empty if neither does */
} topic_match;

/* A topic is matched against the rows that are valid at a time: ns since 1970 (a frame's receive
 * time), or one of these values. */
#define TOPIC_NOW      UINT64_C(0) /* the rows that are valid without end */
#define TOPIC_ANY_TIME UINT64_MAX  /* all rows; of several rows with one pattern, the latest */

/* Match a topic ("klineV2.1.BTCUSD") against the rows that are valid at at_ns. A topic of spot must
 * be composed of its parts, as at topic_row.symbol_path. Compares whole dot-separated parts, so
 * "order" never matches "orderBook". A placeholder for a symbol matches all the rest of the topic;
 * any other placeholder matches the rest of its part, which must not be empty. The first matching
 * row is used. If the row's pattern has no symbol, but the row's entries name symbols, the symbol
 * is
 * "*". Returns 1 and fills *out, or 0. */
int topic_match_text(const topic_row *rows, size_t row_count, td_bytes text, uint64_t at_ns,
                     topic_match *out);

/* 1 if a text and a placeholder are the first part of the row's pattern:
 * "candle{interval}.{symbol}".
 */
static inline int topic_row_is_joined(const topic_row *row)
{
    const char *brace = strchr(row->pattern, '{');
    return brace != NULL && brace > row->pattern && brace[-1] != '.';
}

/* The frame's "topic" of a topic that is composed of it and other members; of a joined row only its
 * beginning. */
static inline td_bytes topic_row_frame_topic(const topic_row *row)
{
    const size_t size = strcspn(row->pattern, "{");
    const size_t before = size == 0 || topic_row_is_joined(row) ? size : size - 1;
    return row->frame_topic != NULL ? td_bytes_str(row->frame_topic)
                                    : td_bytes_of(row->pattern, before);
}

/* 1 if a text is the frame's "topic" of a composed topic, or, with name data NULL, of any topic of
 * the row. name: the topic without its symbol. */
static inline int topic_row_is_frame_topic(const topic_row *row, td_bytes name, td_bytes text)
{
    const td_bytes begin = topic_row_frame_topic(row);
    if (!topic_row_is_joined(row))
        return td_bytes_equal(text, begin);
    return name.data != NULL
               ? td_bytes_equal(text, name)
               : text.size > begin.size && memcmp(text.data, begin.data, begin.size) == 0 &&
                     memchr(text.data, '.', text.size) == NULL;
}

/* 1 if frames do not say of which of two topics they are: their symbols are in the same place,
 * their names there are equal, and nothing else distinguishes them. */
int topic_rows_share_frames(const topic_row *a, const topic_row *b);

/* The key of the topic in a frame. */
static inline const char *topic_row_topic_key(const topic_row *row)
{
    return row->topic_key == NULL ? "topic" : row->topic_key;
}

/* The path of the kind in a frame. */
static inline const char *topic_row_kind_key(const topic_row *row)
{
    return row->kind_key == NULL ? "type" : row->kind_key;
}

/* The row by which a topic's frame is decoded: snapshot_reply for a reply. form: FORM_* of its
 * channel. row may be NULL. */
static inline const topic_row *topic_row_of_form(const topic_row *row, uint32_t form)
{
    return TD_UNLIKELY((form & FORM_FETCHED) != 0) && row != NULL && row->snapshot_reply != NULL
               ? row->snapshot_reply
               : row;
}

/* A date ("2025-04-01") in ns since 1970; `otherwise` if it is NULL, 0 if it is not a date. */
uint64_t topic_date_ns(const char *date, uint64_t otherwise);

/* 1 if the row is limited in time. */
static inline int topic_row_is_dated(const topic_row *row)
{
    return row->valid_from != NULL || row->valid_until != NULL;
}

/* 1 if the row applies to frames received at at_ns (TOPIC_ANY_TIME: always). */
int topic_row_is_valid(const topic_row *row, uint64_t at_ns);

/* Set type, row and names in the head of a message, in which everything is absent: it is all
 * zero. */
void msg_head_init(msg_head *head, const topic_match *topic);

/* Among the family's rows, the row with the same pattern and type that is valid at at_ns; if there
 * is no such row, row itself. */
const topic_row *topic_row_at(const topic_row *rows, size_t row_count, const topic_row *row,
                              uint64_t at_ns);

/* 1 if the row's pattern has a symbol or a coin. */
int topic_row_has_symbol(const topic_row *row);

/* 1 if the row's pattern has a coin; the entries then name their symbols. */
int topic_row_has_coin(const topic_row *row);

/* The text after the symbol or coin in the row's pattern, ".raw" of "book.{symbol}.raw", in which
 * no other placeholder is; "" if the symbol is the rest of the topic, or if there is no symbol. */
const char *topic_row_end(const topic_row *row);

/* Write the topic of a name and a symbol as the exchange writes it: "NAME.SYMBOL", or, if it is the
 * name of one of the rows with text after the symbol, by the row's pattern. Returns the number of
 * bytes and cuts the text as snprintf() does. */
int topic_write(const topic_row *rows, size_t row_count, const char *name, td_bytes symbol,
                char *out, size_t out_bytes);

/* Levels per side of a book topic; UINT32_MAX: all. */
static inline uint32_t topic_row_depth(const topic_row *row)
{
    return row->book_depth == 0 ? UINT32_MAX : row->book_depth;
}

/* The first row of a rule; NULL if the topic, or NULL, does not have it. */
const rule_row *topic_rule(const topic_row *row, rule_id rule);

/* 1 if a frame depends on the earlier ones since the last snapshot. 0 if row is NULL. */
int topic_row_has_state(const topic_row *row);

/* The first of a row's fields with this member; NULL: none has it. */
const field_row *topic_field(const field_row *fields, size_t count, msg_member member);

/* The member of the envelope that numbers the row's frames: cross_seq, else seq, else u, as
 * msg_head_number(); MEMBER_NONE: they have no number. */
msg_member topic_row_number(const topic_row *row);

/* If the topic's time is a number of the envelope, such as u, the ns per unit of that number; else
 * 0. */
uint64_t topic_row_time_unit_ns(const topic_row *row);

/* Names of types and units in topic listings ("decimal", "us"). */
const char *field_type_name(field_type type);
const char *field_unit_name(field_unit unit);

/* ns per unit of time; 0 for RFC 3339 and for units of other quantities. */
uint64_t field_unit_ns(field_unit unit);

/* The type of the values that a field of this type gives. */
value_type field_value_type(field_type type);

/* Stable names of a rule ("seq_strict") and of a strength ("error"), for reports. */
const char *rule_name(rule_id rule);
const char *rule_strength_name(rule_strength strength);

/* The name of an order in documents ("alternating"); order is not CHECKSUM_NONE. */
const char *checksum_order_name(checksum_order order);

/* The word in documents, "at once"; NULL: unstated. */
const char *topic_speech_name(topic_speech speaks);

/* 1 if a granted topic without a frame for TOPIC_SILENCE_NS lacks what it should have sent. row may
 * be NULL: an unknown topic. */
static inline int topic_row_must_speak(const topic_row *row)
{
    return row != NULL && (row->speaks == SPEAKS_AT_ONCE || row->speaks == SPEAKS_STEADILY);
}

#endif
