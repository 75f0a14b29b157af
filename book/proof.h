/* How much a topic's own data can prove about lost frames (docs/completeness.md). What it cannot
 * prove is left to the ledger. Any thread. */
#ifndef TD_BOOK_PROOF_H
#define TD_BOOK_PROOF_H

#include "schema/topic.h"

typedef enum topic_proof {
    PROOF_PROVEN, /* every lost frame breaks a rule of strength error */
    PROOF_WARNED, /* most lost frames break a rule, or they break a rule of a lesser strength */
    PROOF_UNVERIFIABLE, /* no rule shows a lost frame; only the ledger does */
    TOPIC_PROOFS,
} topic_proof;

/* The name of a proof in reports. */
const char *topic_proof_name(topic_proof proof);

/* What the frames of a topic prove by themselves. row may be NULL: an unknown topic. */
topic_proof topic_proof_of(const topic_row *row);

/* What this topic proves about the trades of its symbol: candles can, other topics cannot. */
topic_proof topic_proof_of_trades(const topic_row *row);

/* The time over which a topic of candles shows that its symbol had no trades. Zero-initialise. */
typedef struct quiet_time {
    uint64_t first_ns, last_ns; /* receive times of the first and the last frame; 0: no frame */
    uint8_t has_volume; /* 1: a candle had a volume, or could not be read, or frames paused for
                           longer than a candle lasts: there may have been trades */
} quiet_time;

/* Add the next frame of candles; of NULL: it could not be decoded. */
void quiet_time_add(quiet_time *self, uint64_t recv_ns, const message *of);

/* 1 if there were no trades between two times. The first and the last candle may come up to
 * TOPIC_SILENCE_NS after the begin and before the end. */
int quiet_time_has(const quiet_time *self, uint64_t from_ns, uint64_t to_ns);

#endif
