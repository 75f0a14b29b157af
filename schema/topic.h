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

#include "base/bytes.h"
#include "schema/message.h"

/* How a field's JSON value is read. Numbers may be JSON numbers or strings, because families
 * differ; "", "None" and null mean absent. */
typedef enum field_type {
    FIELD_TEXT,     /* string, unchanged */
    FIELD_DECIMAL,  /* number or numeric string, exact; scale_e10 > 0: an integer times
                       10^-scale_e10. If an entry has a scaled and a plain field for a member, the
                       plain one counts, unless it repeats the integer */
    FIELD_INTEGER,  /* whole number, signed 64 bits */
    FIELD_BOOL,     /* true, false, "true", "False", 0, 1 */
    FIELD_SIDE,     /* "Buy" or "Sell", also "BUY" and "SELL" */
    FIELD_ANY_SIDE, /* likewise, but any other text gives SIDE_NONE instead of an error */
    FIELD_TIME,     /* a time; unit is its form */
    FIELD_IS_BUY,   /* a side as true (Buy) or false (Sell): spot's "m" */
    FIELD_JSON, /* an object, array or scalar without fixed fields: kept as JSON text without white
                   space, members of objects sorted by key */
} field_type;

/* Unit of a number, or form of a time. */
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
    msg_member member; /* its meaning: one member per meaning, however families spell it */
    const char *key;   /* JSON key, case-sensitive */
    field_type type;
    field_unit unit;
    uint8_t scale_e10; /* decimals sent as scaled integers: "_e4" = 4 */
    uint8_t flags;     /* FIELD_* below */
} field_row;

enum {
    FIELD_REQUIRED = 1 << 0,        /* a frame without it cannot be decoded */
    FIELD_PREFERRED = 1 << 1,       /* wins over another key with the same member */
    FIELD_REQUIRED_TO_SET = 1 << 2, /* as FIELD_REQUIRED, except in a delete */
    /* A field of the objects around the entry (a coin's account, a leg's order), not of the entry
     * itself: each entry gets its value, from the innermost object that has it. Does not apply to
     * the frame's own object, whose fields are the envelope. An entry may have its own field with
     * the same key. An object around without any entries counts as an entry that has only its
     * inherited fields. */
    FIELD_INHERITED = 1 << 3,
    /* For some symbols the exchange scales this integer by another power of ten than the key's name
     * shows: without the plain field the scale is a guess, and the value is marked
     * (msg_value.is_scale_assumed). */
    FIELD_SCALE_VARIES = 1 << 4,
};

/* Where a frame has entries: a path of keys from the top, and what entries there mean. An array on
 * the path or at its end is replaced by its elements; an object at its end is one entry. Frames of
 * the row's kind must have entries at every path: null, an empty array or a missing value is an
 * error (DECODE_MISSING_FIELD) unless a flag allows it, because the frame would otherwise decode as
 * a message that changes nothing. One path may continue another ("data", "data.legs"): then both
 * have entries, in the order of the row. */
typedef struct items_row {
    const char *path;  /* "data", "data.order_book", "data.delete"; "" is the frame itself */
    msg_action action; /* effect of its entries */
    frame_kind kind;   /* only in frames of this kind; FRAME_ANY: in all */
    uint8_t flags;     /* ITEMS_* below */
} items_row;

enum {
    ITEMS_OPTIONAL = 1 << 0,     /* without entries, the exchange omits the path or sends null */
    ITEMS_POSITIONAL = 1 << 1,   /* entries are arrays; a field's key is its position: "0", "1" */
    ITEMS_BUY = 1 << 2,          /* the path implies the side: bids */
    ITEMS_SELL = 1 << 3,         /* likewise: asks */
    ITEMS_ZERO_DELETES = 1 << 4, /* an entry of size 0 deletes its level; its MEMBER_RPI_SIZE, if
                                    any, must be 0 as well */
    ITEMS_BEST = 1 << 5,  /* an entry has the best of both sides: its BID1 and ASK1 price and size
                             become two levels; a side without a price gives no level */
    ITEMS_LIST = 1 << 6,  /* only a list holds entries here; in frames without the list, an object
                             here leads to other entries */
    ITEMS_EMPTY = 1 << 7, /* without entries, the exchange sends an empty list */
};

/* Continuity rules. Their exact meaning and the evidence for them are documented at the functions
 * in book/continuity.c (rules of one topic) and in book/audit.h (rules across topics of a
 * symbol). A row lists the rules of its topic with their strength. */
typedef enum rule_id {
    RULE_NONE,
    /* Order of frames. The rule's member is the number: MEMBER_CROSS_SEQ, _U, _SEQ or _VERSION. */
    RULE_SEQ_STRICT, /* sequence rises from frame to frame */
    RULE_SEQ_WEAK,   /* sequence never falls */
    RULE_SEQ_DENSE,  /* sequence rises by exactly one; a snapshot or the number 1 restarts it */
    RULE_SEQ_STEP,   /* sequence stays or rises by one: topics that repeat an unchanged state */
    RULE_SEQ_FRAME_EQUAL, /* all entries of one frame share their sequence */
    RULE_TIME_STRICT,     /* exchange time rises from frame to frame */
    RULE_TIME_WEAK,       /* exchange time never falls */
    RULE_VERSION_DIFFERS, /* MEMBER_VERSION, a text, differs from the frame before */
    RULE_VERSION_WEAK,    /* the numbers in that text, part by part, never fall: a hint */
    /* Order of entries, separately for each symbol, category and position that they name: topics of
     * a coin, private topics. The rule's member is the number in each entry (time rules:
     * MEMBER_NONE, the exchange time). Entries without the number, or with a negative one, are
     * skipped. */
    RULE_ENTRY_SEQ_STRICT,
    RULE_ENTRY_SEQ_WEAK,
    RULE_ENTRY_TIME_WEAK,
    /* Identity of entries; member: MEMBER_TRADE_ID or MEMBER_EXEC_ID. */
    RULE_ID_UNIQUE,    /* differs from the last LIMIT_TRACK_IDS ids of the topic */
    RULE_ID_ASCENDING, /* decimal ids of any length, rising from entry to entry */
    /* Identity of frames, for topics without a number or id that would show a repeat. */
    RULE_FRAME_UNIQUE, /* differs from the last LIMIT_TRACK_FRAMES messages of the topic */
    /* Books. */
    RULE_ANCHORED,        /* no delta before the first snapshot */
    RULE_DELTA_NOT_EMPTY, /* a delta has entries */
    RULE_DELETE_EXISTS,   /* a delete hits an existing level */
    RULE_UPDATE_EXISTS,   /* an update hits an existing level */
    RULE_UPDATE_CHANGES,  /* an update, or a delta that sets a level, changes the level's size */
    RULE_INSERT_NEW,      /* an insert adds a level that did not exist */
    RULE_NOT_CROSSED,     /* best bid below best ask */
    RULE_DEPTH,           /* each side has exactly the topic's number of levels */
    RULE_DEPTH_MAX,       /* each side has at most the topic's number of levels */
    RULE_SYMBOL_MATCHES,  /* every entry's symbol is the topic's */
    RULE_SIZE_POSITIVE,   /* a level that is set has a size above 0 */
    RULE_BOOK_FITS,       /* no level was dropped at the book's bounds; checked for every book */
    RULE_SNAPSHOT_RESET,  /* statistic, counted for every topic with RULE_ANCHORED: a snapshot after
                             the first one */
    RULE_SNAPSHOT_REPEAT, /* statistic: a snapshot with the same member as the frame before; level 1
                             is repeated when nothing changes */
    /* Candles. */
    RULE_KLINE_START,   /* the start of a candle never falls */
    RULE_KLINE_CONFIRM, /* a closed candle never changes */
    /* Across the topics of one feed's symbol (book/audit.h). */
    RULE_BOOKS_AGREE, /* on every participating book of the symbol: where two books have the same
                         number (member), levels within both are equal */
    RULE_LINES_AGREE, /* as RULE_BOOKS_AGREE, for one topic recorded on two lines; checked for every
                         topic with RULE_BOOKS_AGREE */
    RULE_BEST_AGREES, /* on tickers: where the numbers are equal, bid1 and ask1 match the symbol's
                         books that take part in RULE_BOOKS_AGREE */
    RULE_TRADES_COMPLETE, /* on candles: their increase equals the sum of the symbol's trades.
                             member is MEMBER_TURNOVER for volume and turnover, MEMBER_VOLUME for
                             volume only */
    RULE_COUNT,
} rule_id;

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

/* A word for a frame's kind. "true" and "false" also match JSON booleans; null and "" name no
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
    TOPIC_FIELDS_MAX = 128, /* per entry; the widest, an order, has some 60 */
    TOPIC_ENVELOPE_MAX = 16,
    KIND_WORDS_MAX = 12,
};

typedef struct topic_row {
    const char *name;    /* the topic without its symbol: "orderBook_200.100ms" */
    const char *pattern; /* as the exchange writes it: "orderBook_200.100ms.{symbol}"; other
                            placeholders ("{interval}") become part of the topic's name. A symbol is
                            the rest of a topic, dots included (XRP-5JUL23-0.5-C). {coin}: a coin
                            instead of a symbol; the entries name their symbols */
    msg_type type;
    const char *title; /* one line for people */
    /* The exchange sometimes changes a topic without renaming it: this row applies to frames
     * received from valid_from on and before valid_until, each "2025-04-01" (UTC) or NULL
     * (unlimited). Rows of one pattern do not overlap in time. */
    const char *valid_from;
    const char *valid_until;
    /* If the topic is not one string on the wire (spot), it is composed in the order of the
     * pattern: the frame's "topic", then the values at these paths from the top. NULL: part of the
     * topic's own text. */
    const char *parameter_path; /* of the other placeholder: "params.klineType" */
    const char *symbol_path;    /* "symbol", "params.symbol" */
    /* The topic of the same symbol that reveals losses of this one, without its symbol but with its
     * parameter ("klineV2.1" for trades, another depth for a book); NULL: no such topic. Feeds with
     * `audit: true` also subscribe to it. */
    const char *audit;
    uint32_t book_depth; /* levels per side of a book topic; 0: unbounded, or not a book */
    seq_source sequence;
    msg_member time_member; /* the exchange time: a member of the envelope or of the first entry;
                               MEMBER_NONE: the topic has no time */
    const items_row items[TOPIC_ITEMS_MAX]; /* ends with path NULL or the array */
    uint8_t is_event; /* 1: a frame is a list of events, each of which names the topic, or a single
                         event (spot's private topics) */
    const char *topic_key; /* key of the topic in the frame or event; NULL: topic_row_topic_key() */
    const char *kind_key;  /* path of the frame's kind; NULL: topic_row_kind_key() */
    const kind_word *kind_words; /* the exchange's words for kinds, ending with text NULL; NULL:
                                    "snapshot" and "delta" */
    frame_kind default_kind;     /* of frames without a kind: FRAME_SNAPSHOT if each is complete */
    const field_row *envelope; /* fields of the frame itself besides topic and kind; a key may be a
                                  path ("data.u") */
    size_t envelope_count;
    const field_row *fields; /* fields of one entry */
    size_t field_count;
    const rule_row rules[TOPIC_RULES_MAX]; /* ends with RULE_NONE or the array */
} topic_row;

/* The row and the parts of a topic string. Views point into the string. */
typedef struct topic_match {
    const topic_row *row; /* NULL: unknown topic */
    td_bytes topic;       /* without the symbol: "klineV2.1" */
    td_bytes symbol; /* "BTCUSD"; "*" if only the entries name symbols; empty if neither does */
} topic_match;

/* A topic is matched for a time: ns since 1970 (a frame's receive time), or one of these. */
#define TOPIC_NOW      UINT64_C(0) /* rows that are still valid */
#define TOPIC_ANY_TIME UINT64_MAX  /* all rows; the latest row of each pattern */

/* Match a topic ("klineV2.1.BTCUSD"; spot's in composed form) against the rows that are valid at
 * at_ns. Compares whole dot-separated parts, so "order" never matches "orderBook". A placeholder
 * matches one part that is not empty, a symbol everything that follows. The first matching row is
 * used. A row without a symbol whose entries name symbols gives "*". Returns 1 and fills *out, or
 * 0. */
int topic_match_text(const topic_row *rows, size_t row_count, td_bytes text, uint64_t at_ns,
                     topic_match *out);

/* The key of a frame's topic. */
static inline const char *topic_row_topic_key(const topic_row *row)
{
    return row->topic_key == NULL ? "topic" : row->topic_key;
}

/* The path of a frame's kind. */
static inline const char *topic_row_kind_key(const topic_row *row)
{
    return row->kind_key == NULL ? "type" : row->kind_key;
}

/* 1 if the row is limited in time. */
static inline int topic_row_is_dated(const topic_row *row)
{
    return row->valid_from != NULL || row->valid_until != NULL;
}

/* 1 if the row applies to frames received at at_ns (TOPIC_ANY_TIME: always). */
int topic_row_is_valid(const topic_row *row, uint64_t at_ns);

/* Initialize the head of a message from its topic; everything else is absent. */
void msg_head_init(msg_head *head, const topic_match *topic);

/* The row of the same pattern and type that is valid at at_ns, among the family's. If there is no
 * such row, row itself: the topic's frames are then read as before. */
const topic_row *topic_row_at(const topic_row *rows, size_t row_count, const topic_row *row,
                              uint64_t at_ns);

/* 1 if the row's pattern has a symbol or a coin. */
int topic_row_has_symbol(const topic_row *row);

/* 1 if the pattern has a coin, so that entries name symbols of their own. */
int topic_row_has_coin(const topic_row *row);

/* 1 if a frame depends on earlier ones, back to a snapshot. row NULL: 0. */
int topic_row_has_state(const topic_row *row);

/* Names of types and units in topic listings ("decimal", "us"). */
const char *field_type_name(field_type type);
const char *field_unit_name(field_unit unit);

/* Stable names of a rule ("seq_strict") and of a strength ("error"), for reports. */
const char *rule_name(rule_id rule);
const char *rule_strength_name(rule_strength strength);

#endif
