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

/* 1 if a message has a candle that does not show a volume of 0: there may have been trades. */
int candles_have_volume(const message *of);

#endif
