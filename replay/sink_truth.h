/* Sink: compares a recording with the truth file of a simulated exchange. Each recorded connection
 * is matched with one of the exchange's; its data frames must be the ones that were sent, in order
 * and complete; at each mark of the exchange our book must be its book; and trades, candles, orders
 * and accounts, as our decoders read them, must be those of the exchange's engine.
 *
 * Frames after the last recorded one of a connection were under way when the recorder left, or were
 * lost in a crash: they are counted apart, and are the ledger's to report. */
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
