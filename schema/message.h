/* Typed messages: the content of a frame, with exact decimals. One meaning has one member, however
 * the families spell it. Order books and trades, the most frequent, are plain structs; every other
 * type is a record: a list of (member, value) pairs per entry.
 *
 * All views point into the frame or the decoder's arena: a message is valid until the decoder's
 * next call, and as long as the frame's bytes are. */
#ifndef TD_SCHEMA_MESSAGE_H
#define TD_SCHEMA_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "schema/message_members.h"

struct topic_row;

typedef enum msg_type {
    MSG_RAW, /* unknown, or not decodable: the bytes are all there is */
    MSG_BOOK_CHANGE,
    MSG_TRADE,
    MSG_TICKER,
    MSG_KLINE,
    MSG_LIQUIDATION,
    MSG_INSURANCE,
    MSG_ORDER,
    MSG_STOP_ORDER,
    MSG_EXECUTION,
    MSG_POSITION,
    MSG_WALLET,
    MSG_GREEKS,
    MSG_INDEX,
    MSG_NOTICE,
    MSG_ORDER_ENTRY, /* a client's request about orders, or its answer */
    MSG_CONTROL,     /* acks, pongs, errors of the connection itself */
    MSG_REQUEST,     /* a client's own frame */
    MSG_TYPE_COUNT,
} msg_type;

/* A frame's own "type". FRAME_UNTYPED: it has none. FRAME_ANY: in tables only. */
typedef enum frame_kind { FRAME_UNTYPED, FRAME_SNAPSHOT, FRAME_DELTA, FRAME_ANY } frame_kind;

typedef enum msg_side { SIDE_BUY, SIDE_SELL, SIDE_NONE } msg_side;

/* What an entry does to the state that its topic keeps. */
typedef enum msg_action {
    ACTION_NONE, /* an event: a trade, a candle */
    ACTION_SET,  /* part of a full picture, or put this level whatever was there */
    ACTION_DELETE,
    ACTION_UPDATE,
    ACTION_INSERT,
} msg_action;

/* Every meaning that a field of any topic can have, in the order of their names; the list is in
 * schema/message_members.h. The numbers are never stored. */
#define MEMBER_ENUMERATOR(member, name) MEMBER_##member,
typedef enum msg_member { MEMBER_NONE, MEMBERS(MEMBER_ENUMERATOR) MEMBER_COUNT } msg_member;
#undef MEMBER_ENUMERATOR

/* Head of every message. */
typedef struct msg_head {
    msg_type type;
    frame_kind kind;
    const struct topic_row *row; /* NULL for raw, control and request */
    td_bytes topic;              /* without the symbol */
    td_bytes symbol;             /* empty if the topic has none; "*" if entries name several */
    td_bytes version;            /* MEMBER_VERSION where it is text; empty if absent */
    uint64_t exchange_ns;        /* the exchange's own time; 0 = the frame has none */
    uint64_t match_ns;           /* MEMBER_MATCH_TIME of the envelope; 0 = absent */
    int64_t cross_seq;           /* valid if has_cross_seq; likewise below */
    int64_t u;
    int64_t seq;
    uint8_t has_cross_seq;
    uint8_t has_u;
    uint8_t has_seq;
    uint32_t unknown_fields;  /* fields that the row does not name, repeated keys, and times that
                                 cannot be read: counted, not fatal */
    uint32_t foreign_symbols; /* entries that name another symbol than the topic does */
} msg_head;

/* One level of an order book change. Prices and sizes keep the scale they were written with. */
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
    const msg_level *levels; /* in order of application: deletes, updates, inserts */
    size_t level_count;
    /* Of each level, where the topic separates retail orders (MEMBER_RPI_SIZE); NULL elsewhere.
     * The level's own size includes them. */
    const td_decimal *rpi_sizes;
} msg_book;

typedef struct msg_trade {
    td_decimal price;
    td_decimal size;
    uint64_t exchange_ns;
    int64_t cross_seq; /* valid if has_cross_seq */
    int64_t seq;       /* valid if has_seq */
    td_bytes symbol;   /* that the entry names; empty if that is the topic's, or none */
    td_bytes trade_id;
    td_bytes tick_direction; /* empty if absent */
    uint8_t side;            /* taker's, msg_side */
    uint8_t has_cross_seq;
    uint8_t has_seq;
    int8_t is_block_trade; /* 1, 0, or -1: not stated; likewise below */
    int8_t is_rpi_trade;
} msg_trade;

typedef struct msg_trades {
    msg_head head;
    const msg_trade *trades;
    size_t trade_count;
} msg_trades;

/* A value of a field, by the type that the row gives it. */
typedef enum value_type {
    VALUE_ABSENT,
    VALUE_TEXT,
    VALUE_DECIMAL,
    VALUE_INTEGER,
    VALUE_BOOL,
    VALUE_SIDE,
    VALUE_TIME_NS,
    VALUE_JSON,       /* as.text: JSON text, see FIELD_JSON */
    VALUE_BIG_DECIMAL /* as.text: an exact decimal beyond 64 bits and 18 places (leveraged tokens
                         have them), at most LIMIT_BIG_DECIMAL_DIGITS, in shortest form. Not in
                         books and trades */
} value_type;

typedef struct msg_value {
    msg_member member;
    value_type type;
    uint8_t is_scale_assumed; /* a decimal from a scaled integer alone, where symbols differ in the
                                 scale: it may be a power of ten off. Not in the digest */
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
    const msg_value *values; /* in the order of the row's fields, absent ones left out; a member
                                once at most, likewise below */
    size_t value_count;
    uint64_t fields; /* of a ticker: a bit for each of the row's fields that the frame's text has,
                        the last bit for all from MSG_FIELD_BITS - 1 on; 0: unknown */
} msg_item;

enum { MSG_FIELD_BITS = 64 };

/* Messages of all other types. */
typedef struct msg_record {
    msg_head head;
    const msg_value *values; /* of the envelope, besides what the head has */
    size_t value_count;
    const msg_item *items;
    size_t item_count;
} msg_record;

/* Members of a frame of books or trades that their plain structs have no place for. */
typedef struct msg_beside {
    const msg_value *values; /* of the envelope, besides what the head has */
    size_t value_count;
    const msg_item *items; /* one for each entry of the message */
} msg_beside;

/* The message of a frame: head is valid for all types. */
typedef struct message {
    union {
        msg_head head;
        msg_book book;     /* MSG_BOOK_CHANGE */
        msg_trades trades; /* MSG_TRADE */
        msg_record record; /* all other types */
    };
    /* Of a plain struct that was decoded whole, where it has no place for some members. NULL
     * elsewhere. */
    const msg_beside *beside;
} message;

/* 1 if the message is a record: its type has no plain struct. */
static inline int message_is_record(const message *m)
{
    return m->head.type != MSG_BOOK_CHANGE && m->head.type != MSG_TRADE;
}

/* The number that a report names a frame by: its cross_seq, else its seq, else its u. 0: it has
 * none; *out is unchanged. */
int msg_head_number(const msg_head *head, int64_t *out);

/* Number of entries (levels, trades, updates). */
size_t message_item_count(const message *m);

/* 1 if the plain struct of a type (MSG_BOOK_CHANGE, MSG_TRADE) has a place for a member of its
 * entries. */
int msg_struct_has(msg_type type, msg_member member);

/* One entry of a book change or of trades (head.type says which). index < message_item_count(). */
msg_level message_level(const message *m, size_t index);
msg_trade message_trade(const message *m, size_t index);

/* 1 if fits says so of the price and the size of an entry; NULL: the entry has none. */
int message_any_entry(const message *m,
                      int (*fits)(void *user, const td_decimal *price, const td_decimal *size),
                      void *user);

/* 1 if an entry has its price and its size in these ranges; of a range without bounds an entry need
 * not have the value. */
int message_has_entry(const message *m, const td_decimal_range *price,
                      const td_decimal_range *size);

/* A level's whole size: its size without retail orders and that of the retail orders. 1, or 0: the
 * sum is beyond 64 bits. */
int msg_size_with_rpi(td_decimal size, td_decimal rpi, td_decimal *out);

/* The plain struct of an entry from its values, which are of the types that a row gives them. Of a
 * level 1 and the size of its retail orders, 0 if it names none; or 0: its sizes have no sum. A
 * trade names its symbol only where that is not own. */
int msg_level_of(const msg_item *item, msg_level *out, td_decimal *rpi);
msg_trade msg_trade_of(const msg_item *item, td_bytes own);

/* The size of the retail orders at a level, where the topic separates them; else 0. Then the size
 * without them is the level's less this. */
td_decimal message_level_rpi(const message *m, size_t index);

/* The value of a member among count values; NULL if it is absent. */
const msg_value *msg_value_find(const msg_value *values, size_t count, msg_member member);

/* Names as in reports and JSON ("book_change", "snapshot", "Buy", "insert", "price"). */
const char *msg_type_name(msg_type type);
const char *frame_kind_name(frame_kind kind);
const char *msg_side_name(msg_side side);
const char *msg_action_name(msg_action action);
const char *msg_member_name(msg_member member);

/* The same with its size, which need not be counted. A NUL follows. */
td_bytes msg_member_text(msg_member member);

/* The member of that name; MEMBER_NONE if absent. */
msg_member msg_member_find(td_bytes name);

#endif
