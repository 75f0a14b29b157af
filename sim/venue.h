/* One family of the simulated exchange: its symbols' markets, and the stream of data frames that
 * comes out of them. Frames are made one after the other, for all topics and symbols, whether
 * there is a client at the moment or not; the same seed and subscriptions give the same frames (but
 * for the times, which the caller gives). What the topics are, and how their frames look, is in the
 * tables of sim/catalog.h.
 *
 * What happens in a market shows as: a trade frame for each event that traded, at once; books,
 * tickers and candles every few events or milliseconds, as they are then; and what becomes of the
 * account's orders. So sequences rise strictly in each topic, and nothing is ever ahead of the
 * trades before it. One thread. */
#ifndef TD_SIM_VENUE_H
#define TD_SIM_VENUE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sim/catalog.h"
#include "sim/value.h"
#include "sim/window.h"

typedef struct venue venue;

enum {
    VENUE_SYMBOL_STREAMS_MAX = 64, /* streams that one symbol's events can show in */
    VENUE_FRAME_BYTES_MAX = 1 << 20,
};

typedef struct venue_options {
    const catalog_row *row; /* the family */
    uint32_t symbol_count;  /* 1 to INSTRUMENTS_MAX */
    uint64_t seed;
    uint64_t start_ns; /* exchange time of the books as they are at the beginning */
} venue_options;

/* One topic of one symbol, coin or family. Texts are valid until close. */
typedef struct venue_stream {
    const char *exchange_topic; /* "orderBookL2_25.BTCUSD" */
    const char *topic;          /* "orderBookL2_25" */
    const char *symbol;         /* or coin; empty if the topic has none */
    const stream_row *row;
    uint8_t is_private; /* of the account */
} venue_stream;

/* A data frame. bytes are valid until the next call. */
typedef struct venue_frame {
    uint32_t stream;
    int64_t seq; /* the matching event that it shows */
    int64_t u;   /* update number of the stream */
    uint64_t ts_ns;
    td_bytes bytes;
} venue_frame;

TD_MUST_USE td_result venue_open(const venue_options *options, venue **out, td_err *err);
void venue_close(venue *v);

/* A stream is subscribed to: from now on it is shown. Before, it takes no frames. */
void venue_want(venue *v, uint32_t stream);

/* Let the markets go on until there is something to show, at exchange time ts_ns: at least 1,000
 * above that of the frame before. 0: some events went by and nothing of them is shown. */
int venue_next(venue *v, uint64_t ts_ns, venue_frame *out);

/* What a new subscriber of a stream gets first: the state that the next delta starts from. Returns
 * 0 if the topic has no such thing. */
int venue_snapshot(venue *v, uint32_t stream, venue_frame *out);

uint32_t venue_stream_count(const venue *v);
venue_stream venue_stream_at(const venue *v, uint32_t stream);

/* The stream of that exchange topic, or venue_stream_count. */
uint32_t venue_find(const venue *v, td_bytes exchange_topic);

/* ---- for the truth ---- */

/* The levels of a book stream as they were shown last; NULL if it is no book. */
const book_window *venue_book(const venue *v, uint32_t stream);

/* What a stream of a symbol is about. */
const instrument *venue_instrument(const venue *v, uint32_t stream);

/* The values of the index-th trade, candle or state of the account in the frame that venue_next
 * made last; NULL: it has no more. Valid until the next call. */
const sim_value *venue_item(venue *v, size_t index);

#endif
