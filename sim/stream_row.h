/* What the simulated exchange serves, as data: a family is a row with a table of streams, a stream
 * a row with its topic, when it is pushed, and the templates of its frames (sim/template.h). Adding
 * a topic is adding a row. Constant data. */
#ifndef TD_SIM_STREAM_ROW_H
#define TD_SIM_STREAM_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "sim/candle.h"
#include "sim/instrument.h"

/* What a stream tells of, which is what decides when it has something to say. */
typedef enum stream_kind {
    STREAM_BOOK,        /* the best levels; lists bids, asks, rising, deleted, updated, inserted */
    STREAM_TRADE,       /* trades of a matching event, at once; list trades */
    STREAM_TRADE_EACH,  /* likewise, a frame for each */
    STREAM_TICKER,      /* the ticker's values, when one of them changed */
    STREAM_CANDLE,      /* a candle, when it changed or closed; list candles */
    STREAM_LIQUIDATION, /* when a position was liquidated; list liquidations */
    STREAM_NOTICE,      /* said again and again, changed or not; list symbols */
    /* Of the simulated account (sim/account.h). */
    STREAM_ORDER,
    STREAM_STOP_ORDER,
    STREAM_EXECUTION,
    STREAM_POSITION,
    STREAM_WALLET,
    STREAM_SILENT, /* can be subscribed to, and never says anything */
} stream_kind;

/* What stands behind the topic, and so how many streams a row makes. */
typedef enum stream_scope {
    SCOPE_SYMBOL,
    SCOPE_COIN,            /* the base coin: one stream for all its symbols */
    SCOPE_SETTLE,          /* the settlement coin, or "inverse" */
    SCOPE_COIN_EXPIRY,     /* "BTC_USD.25DEC26" */
    SCOPE_SYMBOL_INTERVAL, /* "BTCUSD.1m": of old candles, which have the interval last */
    SCOPE_ALL,             /* nothing: one stream */
} stream_scope;

enum {
    STREAM_WHOLE = 1 << 0,       /* every frame is the snapshot template: no deltas */
    STREAM_NO_INITIAL = 1 << 1,  /* a new subscriber gets nothing at first */
    STREAM_REPEATED = 1 << 2,    /* a book without a change for 3 s is sent again, same u */
    STREAM_RPI = 1 << 3,         /* a book with retail price improvement */
    STREAM_CLOSE_ALONE = 1 << 4, /* a candle's last frame does not hold the next candle too */
    STREAM_NO_MARK = 1 << 5,     /* the truth says nothing of its content */
    STREAM_MS = 1 << 6,          /* its times are milliseconds, and rise */
    /* Of an account: a new subscriber gets what there is; lists orders and positions. */
    STREAM_OLD_FIRST = 1 << 7,
    STREAM_OWN_WORDS = 1 << 8, /* orders have other names for their states than elsewhere */
    STREAM_NUMBERED = 1 << 9,  /* and numbers for ids */
    /* Trades: a new subscriber gets the last one there was, however old, and nothing before the
     * first. */
    STREAM_LAST_FIRST = 1 << 10,
};

/* How often a stream is shown, as one number: after 1 to so many events of its symbol, or every so
 * many milliseconds of exchange time. */
#define EVERY_EVENTS(n) .events_max = (n)
#define EVERY_MS(n)     .every_ms = (n)

typedef struct stream_row {
    const char *topic; /* canonical, without the symbol: "orderbook.50" */
    stream_kind kind;
    stream_scope scope;
    uint8_t classes; /* CLASS_… of the instruments that have it; 0: any */
    uint16_t flags;
    uint8_t with_stops; /* orders: stop orders are told of in the same topic */
    uint16_t products;  /* bits of the markets that have it; 0: any */
    uint32_t depth;     /* levels a side of a book */
    uint32_t merge;     /* of a book: prices are multiples of so many units of the last place */
    candle_interval interval;
    uint32_t events_max;
    uint32_t every_ms;
    const char *snapshot; /* the state; first frame of a subscriber, unless it gets none */
    const char *delta;    /* what changed; NULL with STREAM_WHOLE */
} stream_row;

typedef struct stream_table {
    const stream_row *rows;
    size_t count;
} stream_table;

enum { CATALOG_MARKETS_MAX = 5 };

enum {
    CATALOG_ACK_FIRST = 1 << 0, /* the ack goes out before the first data */
};

/* A family as the simulated exchange serves it. */
typedef struct catalog_row {
    const char *family;
    product traded;
    uint8_t flags;
    const stream_table *streams; /* public ones; NULL: the family has only an account */
    const stream_table *account; /* streams that need auth; NULL: none */
    /* The family that the account's streams belong to, if that is another one. */
    const char *account_family;
    /* Of such a family: whose markets its account trades in, ending with NULL. */
    const char *markets[CATALOG_MARKETS_MAX + 1];
} catalog_row;

/* The row of a family's name, or NULL if it is not served. */
const catalog_row *catalog_find(const char *family);

/* All of them; *count. */
const catalog_row *catalog_table(size_t *count);

#endif
