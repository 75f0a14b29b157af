/* Frames as the exchange writes them: key order, which values are strings, and when a delta says
 * what, as in the recordings of 2021 (docs/wire.md 2). Everything comes from tables and the two
 * shapes; nothing here keeps state. A function appends one frame to out, which has
 * SHAPE_FRAME_BYTES_MAX of room. Times are the exchange's, ns since 1970. */
#ifndef TD_SIM_SHAPE_H
#define TD_SIM_SHAPE_H

#include <stddef.h>
#include <stdint.h>

#include "sim/instrument.h"
#include "sim/market.h"
#include "sim/text_out.h"

enum {
    SHAPE_WINDOW_MAX = 200,
    SHAPE_FRAME_BYTES_MAX = 256 << 10, /* a delta that replaces all 400 levels has some 80 KiB */
};

/* The best levels of a market, as a book topic shows them: best first. */
typedef struct book_window {
    market_level levels[2][SHAPE_WINDOW_MAX]; /* by market_side */
    uint32_t counts[2];
} book_window;

/* A trade as it is reported. */
typedef struct shape_trade {
    market_trade done;
    uint64_t id[2];             /* random bits of its UUID */
    const char *tick_direction; /* "PlusTick" … */
} shape_trade;

/* Everything that an instrument_info frame can say, as whole numbers: prices in the last place of
 * the instrument, volumes in contracts (inverse) or 10^-8 coins (linear), rates in 10^-6. */
typedef enum ticker_value {
    TICKER_LAST,
    TICKER_BID1,
    TICKER_ASK1,
    TICKER_DIRECTION, /* index into tick_direction_name */
    TICKER_PREV_24H,
    TICKER_PCNT_24H,
    TICKER_HIGH_24H,
    TICKER_LOW_24H,
    TICKER_PREV_1H,
    TICKER_PCNT_1H,
    TICKER_MARK,
    TICKER_INDEX,
    TICKER_OPEN_INTEREST,
    TICKER_OPEN_VALUE,
    TICKER_TOTAL_TURNOVER,
    TICKER_TURNOVER_24H,
    TICKER_TOTAL_VOLUME,
    TICKER_VOLUME_24H,
    TICKER_FUNDING_RATE,
    TICKER_PREDICTED_RATE,
    TICKER_VALUE_COUNT,
} ticker_value;

typedef struct ticker {
    int64_t values[TICKER_VALUE_COUNT];
    int64_t seq; /* of the event that changed it last: never above the frame's own */
} ticker;

typedef enum tick_direction {
    TICK_PLUS,
    TICK_ZERO_PLUS,
    TICK_MINUS,
    TICK_ZERO_MINUS,
} tick_direction;

/* "PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick". */
const char *tick_direction_name(tick_direction direction);

/* What all frames of a symbol have. */
typedef struct shape_frame {
    frame_shape shape;
    const instrument *traded;
    const char *topic; /* with the symbol */
    int64_t seq;       /* cross_seq */
    uint64_t ts_ns;
} shape_frame;

/* The levels of a market that a window of depth levels a side shows. depth <= SHAPE_WINDOW_MAX. */
void book_window_take(book_window *window, const market *m, uint32_t depth);

/* A snapshot of a book topic: Buy before Sell, each by ascending price. */
void shape_book_snapshot(const shape_frame *frame, const book_window *window, text_out *out);

/* What changed from one window to the next, as delete, update, insert. Returns 0 and appends
 * nothing if nothing did. */
int shape_book_delta(const shape_frame *frame, const book_window *from, const book_window *to,
                     text_out *out);

/* The trades of one matching event; count > 0. */
void shape_trades(const shape_frame *frame, const shape_trade *trades, size_t count, text_out *out);

/* instrument_info: all of it, or what changed. The delta returns 0 and appends nothing if nothing
 * did. */
void shape_ticker_snapshot(const shape_frame *frame, const ticker *state, text_out *out);
int shape_ticker_delta(const shape_frame *frame, const ticker *from, const ticker *to,
                       text_out *out);

#endif
