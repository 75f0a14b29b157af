/* Trades that a topic had already. The first frame of a connection, or of a subscription, may be a
 * snapshot of the latest trades (Coinbase: 100; Bybit's spot v1: 60), before deltas. After a
 * reconnection most of them were received before, and those that the loss took come late. Bybit's
 * v5 calls each frame of trades a snapshot, and sends no delta.
 *
 * Earlier trades are known by their ids. A tape that begins in the middle lacks the ids of trades
 * from before: in the first frame of a later connection, a trade is one of these if it is older
 * than the tape's first frames and than the connection. */
#ifndef TD_TAPE_TRADE_REPEATS_H
#define TD_TAPE_TRADE_REPEATS_H

#include <stdint.h>

#include "schema/frame.h"
#include "schema/message.h"

enum { TRADE_REPEATS_MAX = 1024 }; /* remembered trades: the latest ones */

/* All zero: no trades yet. */
typedef struct trade_repeats {
    const frame_conn *conn; /* of the last trade */
    uint64_t first_ordinal; /* of its first frame with trades */
    uint8_t has_deltas;
    uint64_t count;
    uint64_t ids[TRADE_REPEATS_MAX]; /* hashes */
} trade_repeats;

/* 1 if the frame is a snapshot, and the trade came before. In other frames a repeated id breaks a
 * rule. Trades without an id are never repeats. */
int trade_repeats_has(const trade_repeats *self, const frame_ref *frame, const msg_trade *trade);

/* Remember a trade of a frame. */
void trade_repeats_add(trade_repeats *self, const frame_ref *frame, const msg_trade *trade);

#endif
