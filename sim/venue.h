/* One family of the simulated exchange: its symbols' markets, and the stream of data frames that
 * comes out of them. Frames are made one after the other, for all topics and symbols, whether
 * somebody listens or not; the same seed gives the same frames (but for the times, which the caller
 * gives).
 *
 * What happens in a market shows as: a trade frame for each event that traded, at once; books and
 * instrument_info every few events, as the difference between what was shown last and what is. So
 * cross_seq rises strictly in each topic, and a book is never ahead of the trades before it. One
 * thread. */
#ifndef TD_SIM_VENUE_H
#define TD_SIM_VENUE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sim/instrument.h"
#include "sim/market.h"

typedef struct venue venue;

enum { VENUE_TOPICS = 4 }; /* trade, two books, instrument_info: streams of each symbol */

typedef struct venue_options {
    frame_shape shape;
    uint32_t symbol_count; /* 1 to INSTRUMENTS_MAX */
    uint64_t seed;
    uint64_t start_ns; /* exchange time of the books as they are at the beginning */
} venue_options;

/* One topic of one symbol. */
typedef struct venue_stream {
    const char *exchange_topic; /* "orderBookL2_25.BTCUSD" */
    const char *topic;          /* "orderBookL2_25" */
    const char *symbol;
    uint32_t book_depth; /* levels a side; 0: no book */
} venue_stream;

/* A data frame. bytes are valid until the next call. */
typedef struct venue_frame {
    uint32_t stream;
    int64_t seq; /* cross_seq */
    uint64_t ts_ns;
    td_bytes bytes;
} venue_frame;

TD_MUST_USE td_result venue_open(const venue_options *options, venue **out, td_err *err);
void venue_close(venue *v);

/* Let the markets go on until there is something to show, at exchange time ts_ns: at least 1,000
 * above that of the frame before. */
void venue_next(venue *v, uint64_t ts_ns, venue_frame *out);

/* What a new subscriber of a stream gets first: the state that the next delta starts from. Returns
 * 0 if the topic has no such thing (trade). */
int venue_snapshot(venue *v, uint32_t stream, venue_frame *out);

uint32_t venue_stream_count(const venue *v);
venue_stream venue_stream_at(const venue *v, uint32_t stream);

/* For the truth: the market and the instrument behind a stream. */
const market *venue_market(const venue *v, uint32_t stream);
const instrument *venue_instrument(const venue *v, uint32_t stream);

#endif
