/* Topics as rows of a table. A row has all facts about a topic: its name pattern, where
 * its entries stand in a frame, each field with JSON key, type, unit and scale, how its symbol,
 * exchange time and sequence are found, and which continuity rules hold with which strength. The
 * row-driven decoder, the JSON Schema, the list of topics for people and the continuity checks all
 * read the same row, so adding a topic is adding a row.
 *
 * Constant data only; any thread. */
#ifndef TD_SCHEMA_TOPIC_H
#define TD_SCHEMA_TOPIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "schema/message.h"

/* How a field's JSON value is read. Numbers are accepted as JSON numbers and as strings, because
 * the families differ in it; "", "None" and null mean absent. */
typedef enum field_type {
    FIELD_TEXT,     /* string, unchanged */
    FIELD_DECIMAL,  /* number or numeric string, exact; scale_e10 > 0: an integer times
                       10^-scale_e10.  Of a scaled field and a plain one with the same member the
                       plain one counts,  unless it repeats the integer */
    FIELD_INTEGER,  /* whole number, 64 bit signed */
    FIELD_BOOL,     /* true, false, "true", "False", 0, 1 */
    FIELD_SIDE,     /* "Buy" or "Sell", also "BUY" and "SELL" */
    FIELD_ANY_SIDE, /* likewise, and any other text is SIDE_NONE: a trade happened */
    FIELD_TIME,     /* a moment; unit says how it is written */
    FIELD_IS_BUY,   /* a side as true (Buy) or false (Sell): spot's "m" */
    FIELD_JSON, /* an object, array or scalar kept as JSON text, without white space and with the
                   members of objects in order of their keys: what has no fixed fields */
} field_type;

/* What a number counts, or how a time is written. */
typedef enum field_unit {
    UNIT_NONE,
    UNIT_PRICE,    /* quote currency for one base unit */
    UNIT_QUANTITY, /* contracts (inverse) or base units (linear, spot) */
    UNIT_MONEY,    /* an amount of the settlement coin */
    UNIT_RATE,     /* a fraction: 0.0001 = 1 basis point */
    UNIT_S,        /* times: seconds, milli-, micro-, nanoseconds since 1970, or RFC 3339 text */
    UNIT_MS,
    UNIT_US,
    UNIT_NS,
    UNIT_RFC3339,
} field_unit;

/* One field of a topic's entries (or of the envelope around them). */
typedef struct field_row {
    msg_member member; /* what it means: one meaning, one member, however families spell it */
    const char *key;   /* JSON key, case-sensitive */
    field_type type;
    field_unit unit;
    uint8_t scale_e10; /* decimals sent as scaled integers: "_e4" = 4 */
    uint8_t flags;     /* FIELD_* below */
} field_row;

enum {
    FIELD_REQUIRED = 1 << 0,        /* a frame without it is not decodable */
    FIELD_PREFERRED = 1 << 1,       /* of two keys with the same member this one wins */
    FIELD_REQUIRED_TO_SET = 1 << 2, /* as FIELD_REQUIRED, but not of a delete */
    /* Not of the entry itself but of the objects around it (a coin's account, a leg's order): each
     * entry has its value, the innermost object's first. The frame's own object is the envelope's.
     * An entry may have a field of its own under the same key. An object around that turns out to
     * hold no entry is one, of its inherited fields alone. */
    FIELD_INHERITED = 1 << 3,
    /* Some symbols scale this integer by another power of ten than its key names, so that the
     * integer alone leaves the scale open: its value is marked (msg_value.is_scale_assumed). */
    FIELD_SCALE_VARIES = 1 << 4,
};

/* Where entries stand: a path of keys from the top, and what being there means. An array on the
 * way, or at its end, stands for its elements; an object at its end is one entry. A frame of the
 * row's kind has entries at every path: null, an empty array or a missing value is an error
 * (DECODE_MISSING_FIELD) unless a flag allows it, because the frame would decode as a message that
 * changes nothing. A path may continue another one ("data", "data.legs"): then the entries of both
 * are entries, in the order of the row. */
typedef struct items_row {
    const char *path;  /* "data", "data.order_book", "data.delete"; "" is the frame itself */
    msg_action action; /* what its entries do */
    frame_kind kind;   /* only in frames of this kind; FRAME_ANY: in all */
    uint8_t flags;     /* ITEMS_* below */
} items_row;

enum {
    ITEMS_OPTIONAL = 1 << 0,   /* the exchange leaves the path out, or sends null, if it has none */
    ITEMS_POSITIONAL = 1 << 1, /* entries are arrays; a field's key is its position: "0", "1" */
    ITEMS_BUY = 1 << 2,        /* entries name no side, the path does: bids */
    ITEMS_SELL = 1 << 3,       /* likewise: asks */
    ITEMS_ZERO_DELETES = 1 << 4, /* an entry of size 0 deletes its level; where it has a
                                    MEMBER_RPI_SIZE that must be 0 as well */
    ITEMS_BEST = 1 << 5,  /* an entry is the best of both sides: its BID1 and ASK1 price and size
                             become two levels; a side without price has no level */
    ITEMS_LIST = 1 << 6,  /* only a list holds entries here; an object is on the way to other ones,
                             which a frame with the list does not have */
    ITEMS_EMPTY = 1 << 7, /* the exchange sends an empty list if it has none */
};

/* Continuity rules. What each means exactly, and the evidence for it, is beside its function in
 * book/continuity_rules.c (rules of one topic) and in book/audit.h (rules across topics of a
 * symbol). A row names those that hold for its topic, with their strength. */
typedef enum rule_id {
    RULE_NONE,
    /* Order of frames. The number is the rule's member: MEMBER_CROSS_SEQ, _U, _SEQ or _VERSION. */
    RULE_SEQ_STRICT,      /* sequence strictly up from frame to frame */
    RULE_SEQ_WEAK,        /* sequence never down */
    RULE_SEQ_DENSE,       /* sequence exactly one up; 1 and a snapshot restart it */
    RULE_SEQ_STEP,        /* sequence the same or one up: topics that repeat an unchanged state */
    RULE_SEQ_FRAME_EQUAL, /* all entries of one frame share their sequence */
    RULE_TIME_STRICT,     /* exchange time strictly up from frame to frame */
    RULE_TIME_WEAK,       /* exchange time never down */
    RULE_VERSION_DIFFERS, /* MEMBER_VERSION as text is another than in the frame before */
    RULE_VERSION_WEAK,    /* the numbers in that text, part by part, are not down: a hint */
    /* Order of entries, each symbol that they name on its own, and of it each category and
     * position: topics of a coin, private topics. The number is the rule's member in each entry (of
     * times MEMBER_NONE: the exchange's). An entry without it, or with a negative one, is passed
     * over. */
    RULE_ENTRY_SEQ_STRICT,
    RULE_ENTRY_SEQ_WEAK,
    RULE_ENTRY_TIME_WEAK,
    /* Identity of entries; member: MEMBER_TRADE_ID or MEMBER_EXEC_ID. */
    RULE_ID_UNIQUE,    /* not among the last LIMIT_TRACK_IDS ids of the topic */
    RULE_ID_ASCENDING, /* decimal ids of any length that rise from entry to entry */
    /* Identity of frames, where no number or id of an entry shows a repeat. */
    RULE_FRAME_UNIQUE, /* the message is not one of the last LIMIT_TRACK_FRAMES of the topic */
    /* Books. */
    RULE_ANCHORED,        /* no delta before the snapshot */
    RULE_DELTA_NOT_EMPTY, /* a delta has entries */
    RULE_DELETE_EXISTS,   /* a delete hits an existing level */
    RULE_UPDATE_EXISTS,   /* an update hits an existing level */
    RULE_UPDATE_CHANGES,  /* an update changes the size of its level; so does a level that is set by
                             a delta */
    RULE_INSERT_NEW,      /* an insert makes a level that was not there */
    RULE_NOT_CROSSED,     /* best bid below best ask */
    RULE_DEPTH,           /* as many levels a side as the topic has */
    RULE_DEPTH_MAX,       /* never more levels a side than the topic has */
    RULE_SYMBOL_MATCHES,  /* every entry's symbol is the topic's */
    RULE_SIZE_POSITIVE,   /* a level that is set has a size above 0 */
    RULE_BOOK_FITS,       /* no level was beyond the book's bounds; checked for every book */
    RULE_SNAPSHOT_RESET,  /* statistic, counted for every RULE_ANCHORED topic: a snapshot on a topic
                             that had one already */
    RULE_SNAPSHOT_REPEAT, /* statistic: a snapshot with the member of the frame before; level 1 is
                             sent again when nothing changes */
    /* Candles. */
    RULE_KLINE_START,   /* the start of a candle never falls */
    RULE_KLINE_CONFIRM, /* a candle is closed once, and not changed after that */
    /* Across the topics of one feed's symbol (book/audit.h). */
    RULE_BOOKS_AGREE, /* on every book of the symbol that takes part: where two books have the
                         same number (member), levels that both show are equal */
    RULE_LINES_AGREE, /* as RULE_BOOKS_AGREE, for one topic received twice; checked for every topic
                         of RULE_BOOKS_AGREE */
    RULE_BEST_AGREES, /* on tickers: bid1 and ask1 are the best of the symbol's books that take
                         part in RULE_BOOKS_AGREE, where the numbers are equal */
    RULE_TRADES_COMPLETE, /* on candles: what they add is what the symbol's trades add; member:
                             MEMBER_TURNOVER: volume and turnover, MEMBER_VOLUME: volume only */
    RULE_COUNT,
} rule_id;

typedef enum rule_strength {
    STRENGTH_ERROR,     /* a violation: data is missing, repeated or reordered */
    STRENGTH_WARNING,   /* look at it */
    STRENGTH_STATISTIC, /* counted, proves nothing */
} rule_strength;

typedef struct rule_row {
    rule_id rule;
    rule_strength strength;
    msg_member member; /* which number or id the rule is about; MEMBER_NONE: cross_seq */
} rule_row;

/* A word for the kind of a frame. "true" and "false" are the JSON values as well; null and ""
 * name no kind. */
typedef struct kind_word {
    const char *text;
    frame_kind kind;
} kind_word;

/* Where the number that a topic's sequence rules look at is found. */
typedef enum seq_source {
    SEQ_NONE,
    SEQ_ENVELOPE, /* member of the frame itself */
    SEQ_ITEM,     /* member of each entry */
} seq_source;

enum {
    TOPIC_ITEMS_MAX = 6,
    TOPIC_RULES_MAX = 20,
    TOPIC_FIELDS_MAX = 128, /* of an entry; the widest, an order, has some 60 */
    TOPIC_ENVELOPE_MAX = 16,
    KIND_WORDS_MAX = 12,
};

typedef struct topic_row {
    const char *name;    /* the topic without its symbol: "orderBook_200.100ms" */
    const char *pattern; /* as the exchange writes it: "orderBook_200.100ms.{symbol}"; other
                            placeholders ("{interval}") become part of the topic's name. A symbol is
                            the rest of a topic, dots included (XRP-5JUL23-0.5-C). {coin}: a coin
                            in the symbol's place, whose entries name symbols of their own */
    msg_type type;
    const char *title; /* one line for people */
    /* The exchange changes topics under their names: this row is about frames that were received
     * from valid_from on and before valid_until, each "2025-04-01" (UTC) or NULL: no end on that
     * side. Rows of one pattern do not overlap. */
    const char *valid_from;
    const char *valid_until;
    /* Where the topic is not one string on the wire (spot), its parts are put together in the order
     * of the pattern: the frame's "topic", then these. Paths from the top; NULL: part of the
     * topic's own text. */
    const char *parameter_path; /* of the placeholder that is not the symbol: "params.klineType" */
    const char *symbol_path;    /* "symbol", "params.symbol" */
    /* The topic of the same symbol that shows what this one lost, without its symbol, its parameter
     * given ("klineV2.1" for trades, another depth for a book); NULL: none. A feed that is recorded
     * with `audit: true` is subscribed to it as well. */
    const char *audit;
    uint32_t book_depth; /* levels a side of a book topic, 0 = unbounded or no book */
    seq_source sequence;
    msg_member time_member; /* the exchange time: this member of the envelope, or of the first
                               entry; MEMBER_NONE: the topic has none */
    const items_row items[TOPIC_ITEMS_MAX]; /* ends with path NULL or the array */
    uint8_t is_event; /* 1: a frame is a list of events, each of which names the topic, or one event
                         bare (spot's private ones) */
    const char *topic_key; /* of the frame's topic, or an event's; NULL: topic_row_topic_key() */
    const char *kind_key;  /* path of the frame's kind; NULL: topic_row_kind_key() */
    const kind_word *kind_words; /* the exchange's words for it, ending with text NULL; NULL:
                                    "snapshot" and "delta" */
    frame_kind default_kind;   /* of a frame that names none: FRAME_SNAPSHOT where each is whole */
    const field_row *envelope; /* fields of the frame itself besides topic and kind; a key may be a
                                  path ("data.u") */
    size_t envelope_count;
    const field_row *fields; /* fields of one entry */
    size_t field_count;
    const rule_row rules[TOPIC_RULES_MAX]; /* ends with RULE_NONE or the array */
} topic_row;

/* The row of a topic string, and its parts. Views point into the string. */
typedef struct topic_match {
    const topic_row *row; /* NULL: no row of the family fits */
    td_bytes topic;       /* without the symbol: "klineV2.1" */
    td_bytes symbol;      /* "BTCUSD"; "*" if only the entries name any; empty if nothing does */
} topic_match;

/* The moment that a topic is matched for, in ns since 1970 (a frame's receive time), or one of
 * these. */
#define TOPIC_NOW      UINT64_C(0) /* rows without an end */
#define TOPIC_ANY_TIME UINT64_MAX  /* all rows; of one pattern's the last */

/* Match a topic ("klineV2.1.BTCUSD"; spot's in its canonical spelling) against the rows that are
 * valid at at_ns. Whole dot-separated parts are compared, so "order" never matches "orderBook"; a
 * placeholder takes one part that is not empty, a symbol all that follows. The first row
 * that fits is taken; a row without placeholders fits its own pattern only. A row without a symbol
 * whose entries name one gives "*". Returns 1 and fills *out, or 0. */
int topic_match_text(const topic_row *rows, size_t row_count, td_bytes text, uint64_t at_ns,
                     topic_match *out);

/* The key of the frame's topic. */
static inline const char *topic_row_topic_key(const topic_row *row)
{
    return row->topic_key == NULL ? "topic" : row->topic_key;
}

/* The path of the frame's kind. */
static inline const char *topic_row_kind_key(const topic_row *row)
{
    return row->kind_key == NULL ? "type" : row->kind_key;
}

/* 1 if the row is about frames of some time only. */
static inline int topic_row_is_dated(const topic_row *row)
{
    return row->valid_from != NULL || row->valid_until != NULL;
}

/* 1 if the row is about frames received at at_ns (TOPIC_ANY_TIME: always). */
int topic_row_is_valid(const topic_row *row, uint64_t at_ns);

/* Fill the head of a message of a topic that has a row: everything else is absent. */
void msg_head_init(msg_head *head, const topic_match *topic);

/* The row of the same pattern and type that is valid at at_ns, among the family's; row itself if
 * none is: the topic's frames are then read as before. */
const topic_row *topic_row_at(const topic_row *rows, size_t row_count, const topic_row *row,
                              uint64_t at_ns);

/* 1 if the row's pattern has a symbol (or a coin in its place). */
int topic_row_has_symbol(const topic_row *row);

/* 1 if that is a coin, so that entries name symbols of their own. */
int topic_row_has_coin(const topic_row *row);

/* 1 if a frame needs those before it, back to a snapshot. NULL: 0. */
int topic_row_has_state(const topic_row *row);

/* Names of types and units as topic listings print them ("decimal", "us"). */
const char *field_type_name(field_type type);
const char *field_unit_name(field_unit unit);

/* Stable name of a rule for reports ("seq_strict"), and of a strength ("error"). */
const char *rule_name(rule_id rule);
const char *rule_strength_name(rule_strength strength);

#endif
