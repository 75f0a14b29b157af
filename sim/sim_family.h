/* One family of the simulated exchange: its symbols' markets, and the stream of data frames that
 * they produce. Frames are made one after the other, for all topics and symbols, with or without
 * clients; the same seed and subscriptions give the same frames (except for times, which the caller
 * gives). Topics and frames are defined by the tables of sim/catalog.h.
 *
 * A market shows a trade frame for each event with trades, at once; books, tickers and candles
 * every few events or milliseconds, in their state at that time; and the account's events. So
 * sequences rise strictly in each topic, and no frame is ahead of the trades before it. One
 * thread. */
#ifndef TD_SIM_SIM_FAMILY_H
#define TD_SIM_SIM_FAMILY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sim/catalog.h"
#include "sim/value.h"
#include "sim/window.h"

typedef struct sim_family sim_family;

enum {
    SIM_SYMBOL_STREAMS_MAX = 64, /* streams that show one symbol's events */
    SIM_FRAME_BYTES_MAX = 1 << 20,
};

typedef struct sim_family_options {
    const catalog_row *row; /* the family */
    uint32_t symbol_count;  /* 1 to INSTRUMENTS_MAX */
    uint64_t seed;
    uint64_t start_ns; /* exchange time of the first books */
} sim_family_options;

/* One topic of one symbol, coin or family. Texts are valid until close. */
typedef struct sim_stream {
    const char *exchange_topic; /* "orderBookL2_25.BTCUSD" */
    const char *topic;          /* "orderBookL2_25" */
    const char *symbol;         /* or coin; empty if the topic has neither */
    const stream_row *row;
    const instrument *traded;
    const book_window *book; /* the levels as last shown; NULL: it shows none */
    uint8_t is_private;      /* it is one of the account's */
} sim_stream;

/* A data frame. bytes are valid until the next call. */
typedef struct sim_frame {
    uint32_t stream;
    int64_t seq; /* the matching event that the frame shows */
    int64_t u;   /* update number of the stream */
    uint64_t ts_ns;
    td_bytes bytes;
} sim_frame;

sim_family *sim_family_open(const sim_family_options *options);
void sim_family_close(sim_family *v);

/* Show a stream from now on: it was subscribed to. Before, it takes no frames. */
void sim_family_subscribe(sim_family *v, uint32_t stream);

/* Advance the markets to the next frame, at exchange time ts_ns: at least 1,000 above that of
 * the frame before. Returns 0 if some events passed and none of them is shown. */
int sim_family_next(sim_family *v, uint64_t ts_ns, sim_frame *out);

/* The first frame of a new subscriber of a stream: the state that the next delta follows.
 * Returns 0 if the topic has no such frame. */
int sim_family_snapshot(sim_family *v, uint32_t stream, sim_frame *out);

uint32_t sim_family_stream_count(const sim_family *v);
sim_stream sim_family_stream_at(const sim_family *v, uint32_t stream);

/* The stream of an exchange topic, or sim_family_stream_count. */
uint32_t sim_family_find(const sim_family *v, td_bytes exchange_topic);

/* ---- for order entry ---- */

/* The account; NULL: the family has none. */
struct account *sim_family_account(sim_family *v);

/* The index-th symbol that the account trades in; NULL: there are no more. */
const struct sim_symbol *sim_family_traded(const sim_family *v, uint32_t index);

/* ---- for the truth ---- */

/* The values of the index-th trade or candle of the last frame of sim_family_next;
 * NULL: no more. Valid until the next call. */
const sim_value *sim_family_item(sim_family *v, size_t index);

#endif
