/* Typed messages: the content of a frame, with exact decimals. Each meaning has one member, however
 * families spell it. Order books and trades, the most frequent types, are plain structs; every
 * other type is a record: a list of (member, value) pairs per entry.
 *
 * All views point into the frame or the decoder's arena: a message is valid until the decoder's
 * next call and while the frame's bytes are. */
#ifndef TD_SCHEMA_MESSAGE_H
#define TD_SCHEMA_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "schema/message_members.h"

struct topic_row;

/* Types of messages, and their names. */
#define MSG_TYPES(X)                                                                               \
    X(RAW, "raw") /* unknown or not decodable: bytes only */                                       \
    X(BOOK_CHANGE, "book_change")                                                                  \
    X(TRADE, "trade")                                                                              \
    X(TICKER, "ticker")                                                                            \
    X(KLINE, "kline")                                                                              \
    X(LIQUIDATION, "liquidation")                                                                  \
    X(INSURANCE, "insurance")                                                                      \
    X(ORDER, "order")                                                                              \
    X(STOP_ORDER, "stop_order")                                                                    \
    X(EXECUTION, "execution")                                                                      \
    X(POSITION, "position")                                                                        \
    X(WALLET, "wallet")                                                                            \
    X(GREEKS, "greeks")                                                                            \
    X(INDEX, "index")                                                                              \
    X(NOTICE, "notice")                                                                            \
    X(ORDER_ENTRY, "order_entry") /* a client's request about orders, or its answer */             \
    X(BOOK_ORDERS, "book_orders") /* changes of a book, order by order */                          \
    X(CONTROL, "control")         /* acks, pongs, errors of the connection */                      \
    X(REQUEST, "request")         /* a client's own frame */

#define MSG_TYPE_ENUMERATOR(id, name) MSG_##id,
typedef enum msg_type { MSG_TYPES(MSG_TYPE_ENUMERATOR) MSG_TYPE_COUNT } msg_type;
#undef MSG_TYPE_ENUMERATOR

/* The kind of a frame, from its own "type". FRAME_UNTYPED: the frame has no kind. FRAME_ANY: only
 * in tables. */
typedef enum frame_kind { FRAME_UNTYPED, FRAME_SNAPSHOT, FRAME_DELTA, FRAME_ANY } frame_kind;

typedef enum msg_side { SIDE_BUY, SIDE_SELL, SIDE_NONE } msg_side;

/* The effect of an entry on its topic's state. */
typedef enum msg_action {
    ACTION_NONE, /* an event: a trade, a candle; in the row of MSG_BOOK_ORDERS: entries name it */
    ACTION_SET,  /* part of a snapshot, or a level that replaces any existing one */
    ACTION_DELETE,
    ACTION_UPDATE,
    ACTION_INSERT,
} msg_action;

/* All meanings of fields, sorted by name; schema/message_members.h has the list. The numbers are
 * never stored. */
#define MEMBER_ENUMERATOR(member, name, type) MEMBER_##member,
typedef enum msg_member { MEMBER_NONE, MEMBERS(MEMBER_ENUMERATOR) MEMBER_COUNT } msg_member;
#undef MEMBER_ENUMERATOR

/* Head of every message. */
typedef struct msg_head {
    msg_type type;
    frame_kind kind;
    /* The topic's row; NULL for MSG_RAW, MSG_CONTROL and MSG_REQUEST. */
    const struct topic_row *row;
    td_bytes topic;       /* without the symbol */
    td_bytes symbol;      /* empty if the topic has no symbol; "*" if its entries name several */
    td_bytes version;     /* MEMBER_VERSION if its type is text; otherwise empty */
    uint64_t exchange_ns; /* the exchange's time; 0: absent */
    uint64_t match_ns;    /* MEMBER_MATCH_TIME in the envelope; 0: absent */
    int64_t cross_seq;    /* valid if has_cross_seq is 1; the next four have such flags, too */
    int64_t u;
    int64_t seq;
    int64_t prev_seq; /* the number of the topic's frame before this one */
    int64_t checksum; /* of the book after this frame; 0: the exchange computes none */
    uint8_t has_cross_seq;
    uint8_t has_u;
    uint8_t has_seq;
    uint8_t has_prev_seq;
    uint8_t has_checksum;
    uint32_t unknown_fields;  /* number of fields that the row does not name, of repeated keys, and
                                 of unreadable times; they do not make the frame undecodable */
    uint32_t foreign_symbols; /* entries with a symbol other than the topic's */
} msg_head;

/* One level of an order book change. Price and size have as many decimal places as in the frame. */
typedef struct msg_level {
    int64_t price;
    int64_t size; /* 0 with ACTION_DELETE */
    uint8_t price_scale;
    uint8_t size_scale;
    uint8_t side;   /* msg_side */
    uint8_t action; /* msg_action */
} msg_level;

typedef struct msg_book {
    msg_head head;
    /* In the order in which they must be applied: deletes, updates, inserts. */
    const msg_level *levels;
    size_t level_count;
    /* For each level the size of its retail orders; the level's size includes it. NULL if the topic
     * does not separate them (MEMBER_RPI_SIZE). */
    const td_decimal *rpi_sizes;
} msg_book;

typedef struct msg_trade {
    td_decimal price;
    td_decimal size;
    uint64_t exchange_ns;
    int64_t cross_seq; /* valid if has_cross_seq */
    int64_t seq;       /* valid if has_seq */
    td_bytes symbol; /* the symbol that the entry names; empty if absent or equal to the topic's */
    td_bytes trade_id;
    td_bytes tick_direction; /* empty if absent */
    uint8_t side;            /* msg_side of the taker */
    uint8_t has_cross_seq;
    uint8_t has_seq;
    int8_t is_block_trade; /* 1, 0, or -1: not stated; is_rpi_trade has the same values */
    int8_t is_rpi_trade;
} msg_trade;

typedef struct msg_trades {
    msg_head head;
    const msg_trade *trades;
    size_t trade_count;
} msg_trades;

/* Type of a field's value, as its row defines it. */
typedef enum value_type {
    VALUE_ABSENT,
    VALUE_TEXT,
    VALUE_DECIMAL,
    VALUE_INTEGER,
    VALUE_BOOL,
    VALUE_SIDE,
    VALUE_TIME_NS,
    VALUE_JSON,       /* as.text: JSON text, see FIELD_JSON */
    VALUE_BIG_DECIMAL /* as.text: an exact decimal of more than 64 bits or 18 places (leveraged
                         tokens have them), of at most LIMIT_BIG_DECIMAL_DIGITS, in shortest form.
                         Never in books and trades */
} value_type;

typedef struct msg_value {
    msg_member member;
    value_type type;
    uint8_t is_scale_assumed; /* 1: the decimal may be off by a power of ten, because the scale of
                                 this integer varies by symbol and its plain twin is missing
                                 (FIELD_SCALE_VARIES). Not part of digests */
    union {
        td_bytes text;
        td_decimal decimal;
        int64_t integer;
        uint64_t time_ns;
        uint8_t side;
        uint8_t is_true;
    } as;
} msg_value;

typedef struct msg_item {
    msg_action action;
    const msg_value *values; /* without absent ones, in the order of the row's fields, each member
                                at most once. The same holds for msg_record and msg_extra */
    size_t value_count;
    uint64_t fields; /* for tickers, which fields the frame has: a bit for each of the row's fields;
                        the last bit stands for all fields from MSG_FIELD_BITS - 1 on. 0: unknown */
} msg_item;

enum { MSG_FIELD_BITS = 64 };

/* Messages of all other types. */
typedef struct msg_record {
    msg_head head;
    const msg_value *values; /* values of the envelope that have no place in head */
    size_t value_count;
    const msg_item *items;
    size_t item_count;
} msg_record;

/* Members of a book or trade frame without a place in the plain structs. */
typedef struct msg_extra {
    const msg_value *values; /* values of the envelope that have no place in head */
    size_t value_count;
    const msg_item *items; /* one for each entry of the message */
} msg_extra;

/* The message of a frame: head is valid for all types. */
typedef struct message {
    union {
        msg_head head;
        msg_book book;     /* MSG_BOOK_CHANGE */
        msg_trades trades; /* MSG_TRADE */
        msg_record record; /* all other types */
    };
    /* Not NULL if the frame was decoded with DECODE_PATH_WHOLE into a plain struct, and the struct
     * lacks some of the frame's members. */
    const msg_extra *extra;
} message;

/* 1 if the message is a record, not a plain struct. */
static inline int message_is_record(const message *m)
{
    return m->head.type != MSG_BOOK_CHANGE && m->head.type != MSG_TRADE;
}

/* 1 if messages of a type change a book. */
static inline int msg_type_has_book(msg_type type)
{
    return type == MSG_BOOK_CHANGE || type == MSG_BOOK_ORDERS;
}

/* The number by which reports identify a frame: its cross_seq, else its seq, else its u. Returns 0
 * without setting *out if the frame has no number. */
int msg_head_number(const msg_head *head, int64_t *out);

/* Where the head holds a number of the envelope, and in *has whether it is there; NULL: nowhere. */
int64_t *msg_head_place(msg_head *head, msg_member member, uint8_t **has);

/* Use a symbol that an entry names: without a symbol of its own, the frame has that of its entries,
 * "*" for several. Else other symbols are counted, but for a topic of a coin. *is_set is 1 after
 * the first symbol. */
void msg_head_note_symbol(msg_head *head, td_bytes own, int has_coin, uint8_t *is_set,
                          td_bytes symbol);

/* Store a value of the envelope, if the head has a place for it; `time` is the member that is the
 * exchange's time. Returns 0 if it lacks one. */
int msg_head_store(msg_head *head, msg_member time, const msg_value *value);

/* Number of entries (levels, trades, updates). */
size_t message_item_count(const message *m);

/* 1 if the plain struct of a type (MSG_BOOK_CHANGE, MSG_TRADE) has a place for a member of
 * entries. */
int msg_struct_has(msg_type type, msg_member member);

/* One entry of a book change or of trades, which head.type must match. index <
 * message_item_count(). */
msg_level message_level(const message *m, size_t index);
msg_trade message_trade(const message *m, size_t index);

/* The number, from 1, of the first entry for whose price and size fits() returns 1, or 0. An absent
 * value is passed as NULL. */
size_t message_any_entry(const message *m,
                         int (*fits)(void *user, const td_decimal *price, const td_decimal *size),
                         void *user);

/* The symbol that an entry of trades or of a record names; empty if absent. index <
 * message_item_count(). */
td_bytes message_entry_symbol(const message *m, size_t index);

/* 1 if at least one entry has its price and its size in these ranges. An absent value is in a range
 * only if the range has no bounds. */
int message_has_entry(const message *m, const td_decimal_range *price,
                      const td_decimal_range *size);

/* Compute the sum of a level's size without retail orders and the size of its retail orders.
 * Returns 0 if the sum exceeds 64 bits. */
int msg_size_with_rpi(td_decimal size, td_decimal rpi, td_decimal *out);

/* Complete a level, of which rpi is the size of its retail orders, or NULL: deletes have size 0,
 * and the size of others includes that of retail orders. Returns 0 if the sum exceeds 64 bits. */
static inline int msg_level_end(msg_level *level, const td_decimal *rpi)
{
    td_decimal sum = {level->size, level->size_scale};
    const int is_whole = rpi == NULL || msg_size_with_rpi(sum, *rpi, &sum);
    if (level->action == ACTION_DELETE)
        sum = (td_decimal){0, 0};
    if (rpi != NULL || level->action == ACTION_DELETE) {
        level->size = sum.mantissa;
        level->size_scale = sum.scale;
    }
    return is_whole;
}

/* Convert an entry's values, typed by a row, to the plain struct. msg_level_of() sets *rpi to the
 * size of the level's retail orders (0 if absent) and returns 1. It returns 0 if the sum of the
 * level's sizes exceeds 64 bits. */
int msg_level_of(const msg_item *item, msg_level *out, td_decimal *rpi);
msg_trade msg_trade_of(const msg_item *item);

/* Remove the frame's symbol from its trades: they keep only another one. */
void msg_trades_shorten(const msg_head *head, msg_trade *trades, size_t count);

/* The size of a level's retail orders, 0 if the topic does not separate them. Subtract it from the
 * level's size for the size without them. */
td_decimal message_level_rpi(const message *m, size_t index);

/* The value of a member among count values; NULL if it is absent. */
const msg_value *msg_value_find(const msg_value *values, size_t count, msg_member member);

/* The value of a member of an entry; NULL if it is absent. */
static inline const msg_value *msg_item_value(const msg_item *item, msg_member member)
{
    return msg_value_find(item->values, item->value_count, member);
}

/* The decimal of a member of an entry; NULL if it is absent, or of another type. */
const td_decimal *msg_item_decimal(const msg_item *item, msg_member member);

/* Names in reports and JSON ("book_change", "snapshot", "Buy", "insert", "price"). */
const char *msg_type_name(msg_type type);
const char *frame_kind_name(frame_kind kind);
const char *msg_side_name(msg_side side);
const char *msg_action_name(msg_action action);
const char *msg_member_name(msg_member member);

/* The type of a member's values, other than big decimals; VALUE_ABSENT: text or integer, depending
 * on the family. */
value_type msg_member_type(msg_member member);

/* A member's name with its size, so that callers need not measure it. A NUL follows. */
td_bytes msg_member_text(msg_member member);

/* The member with a name; MEMBER_NONE if no member has it. */
msg_member msg_member_find(td_bytes name);

#endif
