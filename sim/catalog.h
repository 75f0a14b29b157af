/* The simulated exchange's content, as data: a family is a row with tables of streams; a stream is
 * a row with its topic, its schedule, and the templates of its frames (sim/template.h). To add a
 * topic is to add a row. Constant data. */
#ifndef TD_SIM_CATALOG_H
#define TD_SIM_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "sim/candle.h"
#include "sim/instrument.h"

/* The content of a stream, which determines when it sends a frame. */
typedef enum stream_kind {
    STREAM_BOOK,        /* the best levels; lists: bids, asks, deleted, updated, inserted */
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
    STREAM_NO_TRUTH = 1 << 1,   /* the truth file has no entries with its content */
    STREAM_FETCHED = 1 << 4,    /* its snapshot is the reply to an HTTP request */
    STREAM_MS = 1 << 2,         /* its times are whole milliseconds, and strictly increase */
    /* Trades: a new subscriber gets the last trade, however old it is. Before the first trade it
     * gets nothing. */
    STREAM_LAST_FIRST = 1 << 3,
};

/* A member of a stream's row: only symbols of this product have the stream. */
#define ONLY(product) .products = 1u << (product)

typedef struct stream_row {
    const char *topic; /* without the symbol: "orderbook.50", "kline.1" */
    stream_kind kind;
    stream_scope scope;
    uint16_t flags;
    uint16_t products; /* a bit for each product whose symbols have this stream; 0: all products */
    uint32_t depth;    /* books: levels per side */
    const char *interval; /* candles: the interval, as written in the topic */
    uint32_t minutes;     /* candles: length of the interval */
    uint32_t events_max; /* a frame is sent after 1 to events_max events of its symbol, at random */
    uint32_t every_ms;   /* if events_max is 0: ms of exchange time from one frame to the next */
    const char *snapshot; /* template of the full state, a subscriber's first frame */
    const char *delta;    /* template of the changes; NULL: every frame has the full state */
} stream_row;

typedef struct stream_table {
    const stream_row *rows;
    size_t count;
} stream_table;

#define STREAM_TABLE(array)                                                                        \
    {                                                                                              \
        (array), sizeof(array) / sizeof(array)[0]                                                  \
    }

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* ROW sets the members that all rows have; the other macros make whole rows. `change` is the
 * template of deltas, or NULL. */
#define ROW(name, what, over, more, text)                                                          \
    .topic = name, .kind = what, .scope = over, .flags = more, .snapshot = text
#define BOOK_ROW(name, levels, events, more, text, change)                                         \
    {                                                                                              \
        ROW(name, STREAM_BOOK, SCOPE_SYMBOL, more, text), .depth = levels, .events_max = events,   \
                                                          .delta = change                          \
    }
#define TICKER_ROW(name, text, change)                                                             \
    {                                                                                              \
        ROW(name, STREAM_TICKER, SCOPE_SYMBOL, 0, text), .events_max = 40, .delta = change         \
    }
#define NOTICE_ROW(name, over, more, ms, text)                                                     \
    {                                                                                              \
        ROW(name, STREAM_NOTICE, over, more, text), .every_ms = ms                                 \
    }

/* Rows of candles: of one interval, and of all intervals that the simulated families have. */
#define CANDLE_ROW(name, text_of, minutes_of, text)                                                \
    {                                                                                              \
        ROW(name "." text_of, STREAM_CANDLE, SCOPE_SYMBOL, 0, text), .interval = text_of,          \
                                                                     .minutes = minutes_of         \
    }
#define CANDLES(name, text)                                                                        \
    CANDLE_ROW(name, "1", 1, text), CANDLE_ROW(name, "5", 5, text),                                \
        CANDLE_ROW(name, "60", 60, text), CANDLE_ROW(name, "D", 1440, text)
#define CANDLES_SPOT(name, text) CANDLE_ROW(name, "1m", 1, text), CANDLE_ROW(name, "1h", 60, text)

/* NOLINTEND(bugprone-macro-parentheses) */

extern const stream_table ROWS_INVERSE, ROWS_LINEAR, ROWS_COPYTRADE, ROWS_USDC_PERP; /* rows_op.c */
extern const stream_table ROWS_V5_LINEAR, ROWS_V5_SPOT, ROWS_V5_OPTION, ROWS_V5_SPREAD,
    ROWS_V5_MISC, ROWS_CONTRACT_V3;                   /* rows_v5.c */
extern const stream_table ROWS_SPOT_V1, ROWS_SPOT_V2; /* rows_spot.c */
extern const stream_table ROWS_USDC_OPTION;           /* rows_usdc.c */
extern const stream_table ACCOUNT_INVERSE, ACCOUNT_LINEAR, ACCOUNT_COPYTRADE, ACCOUNT_USDC,
    ACCOUNT_SPOT, ACCOUNT_CONTRACT_V3, ACCOUNT_V5; /* rows_account.c */

enum { CATALOG_PRODUCTS_MAX = 5 };

enum {
    CATALOG_ACK_FIRST = 1 << 0, /* the ack is sent before the first data */
    /* Order entry; the orders belong to the account of CATALOG_ORDERS_OF. */
    CATALOG_ORDERS = 1 << 1,
};

#define CATALOG_ORDERS_OF "v5-private"

/* A family as the simulated exchange serves it. */
typedef struct catalog_row {
    const char *family;
    product products[CATALOG_PRODUCTS_MAX]; /* the products of its first symbols, one each; further
                                               symbols begin with the first product again */
    uint8_t product_count;
    uint8_t flags;
    const stream_table *streams; /* public streams; NULL: the family has only an account */
    const stream_table *account; /* streams that need authentication; NULL: no account */
} catalog_row;

/* The row of a family, or NULL if it is not served. */
const catalog_row *catalog_find(const char *family);

/* All rows; *count is their number. */
const catalog_row *catalog_table(size_t *count);

/* How many symbols a family has if `wanted` are requested. A family with only private streams has
 * at most two symbols of each product; its account trades them. */
uint32_t catalog_symbol_count(const catalog_row *row, uint32_t wanted);

/* The index-th symbol of a family. */
instrument catalog_instrument(const catalog_row *row, uint32_t index);

#endif
