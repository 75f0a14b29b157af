/* The simulated exchange's content: a family is a row with tables of streams; a stream is a row
 * with its topic, its schedule, and the templates of its frames (schema/template.h). Plain data. */
#ifndef TD_SIM_CATALOG_ROW_H
#define TD_SIM_CATALOG_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "schema/family.h"
#include "sim/instrument.h"

/* The content of a stream, which determines when it sends a frame. */
typedef enum stream_kind {
    STREAM_BOOK,        /* the best levels; lists: bids, asks, deleted, updated, inserted */
    STREAM_BOOK_ORDERS, /* the orders of the best levels; lists: bids, asks */
    STREAM_TRADE,       /* trades of a matching event, sent at once; list: trades */
    STREAM_TRADE_EACH,  /* as STREAM_TRADE, with one frame per trade */
    STREAM_TICKER,      /* the ticker, when a value changed */
    STREAM_CANDLE,      /* a candle, when it changed or closed; list: candles */
    STREAM_LIQUIDATION, /* trades of a liquidated position */
    STREAM_NOTICE,      /* sent periodically, changed or not */
    /* The rest show the simulated account (sim/account.h). */
    STREAM_ORDER,
    STREAM_STOP_ORDER,
    STREAM_EXECUTION,
    STREAM_POSITION,
    STREAM_WALLET,
    STREAM_KINDS,
} stream_kind;

/* The text after the row's topic in a stream's name. A row has one stream for each such text. */
typedef enum stream_scope {
    SCOPE_SYMBOL,
    SCOPE_COIN,          /* the base coin, with one stream for all its symbols */
    SCOPE_SETTLE,        /* the settlement coin, or "inverse" */
    SCOPE_COIN_EXPIRY,   /* "BTC_USD.25DEC26" */
    SCOPE_SYMBOL_MINUTE, /* "BTCUSD.1m", for old candles, whose topics end with the interval */
    SCOPE_ALL,           /* nothing: the row has one stream */
} stream_scope;

enum {
    STREAM_NO_INITIAL = 1 << 0, /* a new subscriber gets no snapshot */
    STREAM_FETCHED = 1 << 1,    /* its snapshot is the reply to an HTTP request */
    STREAM_MS = 1 << 2,         /* its times are whole milliseconds, and strictly increase */
    /* Trades: a new subscriber gets the last trade, however old it is. Before the first trade it
     * gets nothing. */
    STREAM_LAST_FIRST = 1 << 3,
};

enum {
    /* Limit of the streams that show events of one symbol, and so of a family's rows. */
    SIM_SYMBOL_STREAMS_MAX = 64,
    SIM_FRAME_BYTES_MAX = 1 << 20,
    STREAM_TOPIC_BYTES_MAX = 56, /* without the interval and the symbol */
    CATALOG_PRODUCTS_MAX = 5,
    CATALOG_SPELLING_BYTES_MAX = 24, /* with a coin's name in place of {coin} a symbol fits */
    CATALOG_ACCOUNT_SYMBOLS = 2,     /* of each product, that an account trades: the first ones */
};

/* Places in spellings. */
#define CATALOG_COIN       "{coin}"
#define CATALOG_LOWER_COIN "{lower_coin}"

typedef struct stream_row {
    const char *topic; /* without the symbol: "orderbook.50", "kline.1" */
    stream_kind kind;
    stream_scope scope;
    uint8_t is_private; /* 1: a stream of the account, which needs authentication */
    uint16_t flags;
    uint16_t products; /* a bit for each product whose symbols have this stream; 0: all products */
    size_t depth;      /* books: levels per side */
    const char *interval; /* candles: the interval, as written in the topic */
    uint32_t minutes;     /* candles: length of the interval */
    size_t events_max; /* a frame is sent after 1 to events_max events of its symbol, at random */
    size_t every_ms;   /* if events_max is 0: ms of exchange time from one frame to the next */
    const struct template *snapshot; /* the full state, a subscriber's first frame */
    const struct template *delta;    /* the changes; NULL: every frame has the full state */
} stream_row;

/* The reply to HTTP requests (sim/http_replies.h). */
typedef struct reply_row {
    const char *path;         /* NULL ends a list of replies */
    const char *query;        /* a part that the request's query has, "NAME=VALUE"; NULL: none */
    const char *const *lists; /* families whose instruments it lists; ends with NULL */
    /* Names of parameters that select instruments; NULL: there is no such parameter. */
    const char *coin;   /* the base coin */
    const char *status; /* the status */
    const char *page_size;
    const char *page; /* as the page before it names it */
    const struct template *text;
} reply_row;

/* Order entry. The topics of requests are NULL if there is no such request. */
typedef struct orders_row {
    const char *of; /* the family whose account has the orders; NULL: no order entry */
    const char *place;
    const char *change;
    const char *cancel;
} orders_row;

/* Another name that an exchange has for a coin. */
typedef struct coin_name {
    const char *coin; /* as instrument_make() names it; NULL ends a list */
    const char *name;
} coin_name;

/* A family as the simulated exchange serves it. */
typedef struct catalog_row {
    const family *of;
    /* How the symbols of each product are spelled, with {coin} or {lower_coin} in place of the
     * coin, and the coins with other names; NULL: as instrument_make() does. */
    const char *spellings[PRODUCT_NONE];
    const coin_name *coins;
    product products[CATALOG_PRODUCTS_MAX]; /* the products of its first symbols, one each; further
                                               symbols begin with the first product again */
    uint8_t product_count;
    uint8_t is_ack_first; /* 1: the ack is sent before the first data */
    orders_row orders;
    const stream_row *streams; /* public ones, and then the account's */
    size_t public_count;
    size_t stream_count;
    const reply_row *replies;
    const struct catalog_row *next; /* of the rows that were read (sim/catalog.h) */
} catalog_row;

#endif
