/* What a market (a book and the trades of a symbol) did in MARKET_COLUMNS equal steps of time: the
 * depth of the book at each price, the best prices, trades, and how late frames were. The page
 * draws it as a picture: a step is a column, a range of prices a row.
 *
 * Depth is kept as runs: in the columns first to last, the largest size that one price level of the
 * row had at any time in the column was the run's size. A price without a run had no level. A tile
 * of two tiles, or with larger rows, is made by taking the largest sizes again, so it equals the
 * tile that the frames would give.
 *
 * One thread. */
#ifndef TD_VIEW_MARKET_TILE_H
#define TD_VIEW_MARKET_TILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/err.h"

enum {
    MARKET_COLUMNS = 256,
    MARKET_LATENCIES = 160,         /* buckets: see market_latency_bucket */
    MARKET_RUNS_MAX = 1 << 20,      /* in a tile */
    MARKET_RUNS_SENT_MAX = 1 << 18, /* to the page */
    MARKET_TRADES_SENT_MAX = 1 << 16,
};

/* What is known of a column, as bits. */
enum {
    MARKET_BOOK_KNOWN = 1,     /* the book was known in a part of the column */
    MARKET_BOOK_UNKNOWN = 2,   /* it was not known in a part: before a snapshot, in a gap */
    MARKET_BOOK_UNTRUSTED = 4, /* the book that is shown may be wrong in a part (topic_trust.h) */
    MARKET_TRADES_MISSING = 8, /* trades may be missing */
};

typedef struct market_column {
    double bid, ask;          /* best prices at the column's end; NAN: none */
    double spread, imbalance; /* means over book_frames; imbalance of the best levels: (bid size
                                 - ask size) / (bid size + ask size) */
    double open, high, low, close; /* of trades; NAN: no trade */
    double buy, sell;              /* traded size by side of the taker */
    uint32_t book_frames;          /* frames after which the book had both sides */
    uint32_t frames;               /* of the book and of trades */
    uint32_t trades;
    uint32_t state; /* bits MARKET_* */
} market_column;

/* Depth of a row in columns first to last. */
typedef struct market_run {
    int64_t row; /* prices p with floor(p / bin) == row */
    double size;
    uint8_t first, last;
} market_run;

/* The trades of a row in a column. */
typedef struct market_trades {
    int64_t row;
    double buy, sell;
    uint32_t count;
    uint8_t column;
} market_trades;

typedef struct market_tile {
    td_decimal bin; /* height of a row, > 0 */
    int64_t tick;   /* greatest common divisor of all prices, in units of 10^-tick_scale; 0: no
                       price */
    uint8_t tick_scale;
    uint8_t may_grow; /* 1: the archive is still being written for this time */
    market_column columns[MARKET_COLUMNS];
    uint32_t latencies[MARKET_COLUMNS][MARKET_LATENCIES]; /* frames by bucket */
    market_run *runs; /* by row, then column; at most one for a cell */
    size_t run_count;
    market_trades *trades; /* by row, then column; one for a cell */
    size_t trades_count;
} market_tile;

/* A tile with nothing in it. The caller frees it with fini. */
void market_tile_init(market_tile *self, td_decimal bin);
void market_tile_fini(market_tile *self);

/* Append a run of a row at or after the row's previous runs. *last: the number + 1 of the row's
 * last run, or 0; updated. In a column that both runs have, the larger size counts. TD_E_LIMIT. */
TD_MUST_USE td_result market_tile_add_run(market_tile *self, market_run run, size_t *last,
                                          td_err *err);

/* Sort runs and trades, which were added in any order, and join the trades of a cell. */
void market_tile_sort(market_tile *self);

/* Set the tick of a tile whose rows are prices (its bin is 10^-scale). */
void market_tile_find_tick(market_tile *self);

/* Make a tile of columns that are twice as long from two tiles one after the other, which may have
 * different rows. TD_E_LIMIT: too many runs, or a price does not fit in 64 bits of rows. */
TD_MUST_USE td_result market_tile_join(const market_tile *left, const market_tile *right,
                                       td_decimal bin, market_tile *out, td_err *err);

/* Make the same tile with other rows. The new bin is a multiple of the old one, or finer than all
 * prices differ. TD_E_LIMIT. */
TD_MUST_USE td_result market_tile_rebin(const market_tile *from, td_decimal bin, market_tile *out,
                                        td_err *err);

/* The bucket of a time from the exchange's stamp to reception: 8 for each power of two from 2^16 ns
 * on; the first and the last one also have shorter and longer times. */
size_t market_latency_bucket(uint64_t ns);

/* Write a tile for this program on this machine; read it. TD_E_CORRUPT: not such bytes. */
void market_tile_save(const market_tile *self, td_buf *out);
TD_MUST_USE td_result market_tile_load(td_bytes bytes, market_tile *out, td_err *err);

/* Append the page's form: docs in view/answers.h. TD_E_LIMIT: more runs or trades than may be sent.
 */
TD_MUST_USE td_result market_tile_answer(const market_tile *self, const char *trades, td_buf *out,
                                         td_err *err);

#endif
