/* Sink: compares what was recorded with what a simulated exchange says that it sent. Each recorded
 * connection is matched with one of the exchange's; its data frames must be the very ones that were
 * sent, in order, none left out; at each of the exchange's marks our book must be its book; and
 * what a frame says of trades, candles, orders and accounts, read by our decoders, must be what the
 * exchange's engine says.
 *
 * Frames after the last recorded one of a connection were on their way when the recorder left, or
 * are lost with a crash: they are counted apart, for the ledger is to say so. */
#ifndef TD_REPLAY_SINK_TRUTH_H
#define TD_REPLAY_SINK_TRUTH_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "play/sink.h"
#include "play/truth_result.h"

typedef struct sink_truth sink_truth;

/* Read the truth file. As truth_table_open. */
TD_MUST_USE td_result sink_truth_open(td_io io, const char *path, sink_truth **out, td_err *err);
void sink_truth_close(sink_truth *self);

/* The sink for a player; valid until close. */
sink sink_truth_get(sink_truth *self);

/* What came out, after the tape has ended. */
void sink_truth_result(const sink_truth *self, truth_result *out);

#endif
