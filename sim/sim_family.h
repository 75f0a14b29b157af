/* One family of the simulated exchange: the markets of its symbols, and their data frames. Frames
 * are made one after the other, for all topics and symbols, with or without clients; the same seed
 * and subscriptions give the same frames, except for times, which the caller sets. The rows of
 * sim/catalog.h define topics and frames.
 *
 * Each event with trades is shown at once, as a frame of trades. Books, tickers and candles are
 * shown every few events or milliseconds, in their state at that time. The account's events are
 * shown, too. So sequences rise in each topic, and no frame shows a state before the trades that
 * led to it were shown. One thread. */
#ifndef TD_SIM_SIM_FAMILY_H
#define TD_SIM_SIM_FAMILY_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "sim/catalog_row.h"
#include "sim/value.h"
#include "sim/window.h"

typedef struct sim_family sim_family;

typedef struct sim_family_options {
    const catalog_row *row; /* the family */
    uint32_t symbol_count;  /* 1 to INSTRUMENTS_MAX */
    uint64_t seed;
    uint64_t start_ns; /* exchange time of the first state of the books */
} sim_family_options;

/* The stream of one topic and one symbol, coin or family. Texts are valid until close. */
typedef struct sim_stream {
    const char *exchange_topic; /* "orderbook.50.BTCUSDT" */
    const char *topic;          /* "orderbook.50" */
    const char *symbol;         /* the symbol or coin; empty if the topic has neither */
    const stream_row *row;
    const instrument *traded;
    const book_window *book; /* the levels as last shown; NULL: the stream is not a book */
    uint8_t is_private;      /* 1: a stream of the account */
} sim_stream;

/* A data frame. bytes is valid until the next call. */
typedef struct sim_frame {
    uint32_t stream;
    int64_t seq; /* number of the matching event that the frame shows */
    int64_t u;   /* update number of the stream */
    uint64_t ts_ns;
    td_bytes bytes;
} sim_frame;

/* Open the family's markets. Never fails. Close accepts NULL. */
sim_family *sim_family_open(const sim_family_options *options);
void sim_family_close(sim_family *v);

/* Make frames of this stream from now on, because a client subscribed to it. Other streams get no
 * frames. */
void sim_family_subscribe(sim_family *v, uint32_t stream);

/* Advance the markets to the next frame, at exchange time ts_ns, which must be at least 1,000 ns
 * after the previous frame's. Returns 0 if no stream shows the next events. */
int sim_family_next(sim_family *v, uint64_t ts_ns, sim_frame *out);

/* Make the first frame of a stream for a new subscriber: the state to which the next delta applies.
 * Returns 0 if the stream has no such frame. */
int sim_family_snapshot(sim_family *v, uint32_t stream, sim_frame *out);

/* Make the reply to the HTTP request for a stream's snapshot: the state as last shown, or of a
 * stream that is not subscribed to the present one. Returns 0 if the stream has no such snapshot.
 */
int sim_family_reply(sim_family *v, uint32_t stream, sim_frame *out);

/* Number of streams, and the stream with an index. */
uint32_t sim_family_stream_count(const sim_family *v);
sim_stream sim_family_stream_at(const sim_family *v, uint32_t stream);

/* Index of the stream with this exchange topic; sim_family_stream_count() if absent. */
uint32_t sim_family_find(const sim_family *v, td_bytes exchange_topic);

/* ---- for order entry ---- */

/* The account; NULL if the family has no account. */
struct account *sim_family_account(sim_family *v);

/* The index-th symbol that the account trades; NULL at the end. */
const struct sim_symbol *sim_family_traded(const sim_family *v, uint32_t index);

/* ---- for the truth ---- */

/* The values of the index-th trade or candle in the last frame that was made; NULL at the
 * end. Valid until the next call. */
const sim_value *sim_family_item(sim_family *v, size_t index);

#endif
