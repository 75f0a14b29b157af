/* Gaps that reading the frames shows, whether the ledger has them or not. Rows borrow their texts.
 * Any thread. */
#ifndef TD_TAPE_FOUND_GAPS_H
#define TD_TAPE_FOUND_GAPS_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/audit.h"
#include "schema/frame.h"
#include "tape/topic_trust.h"

/* The time in which a topic's state was not right, of reason sequence. */
gap_row found_gap_of_break(const channel_info *topic, const trust_break *broke);

/* The time in which candles show that trades of a topic are missing, of reason aggregate. A row
 * that a recorder's live check wrote for the same finding has the same key. detail: of the row. */
gap_row found_gap_of_trades(const channel_info *topic, const audit_item *item, const char *detail);

/* The time in which only copies of a topic came (frame_ref.is_copy), which readers leave out, while
 * the followed connection did not continue: of reason sequence. */
gap_row found_gap_of_copies(const channel_info *topic, uint64_t from_ns, uint64_t to_ns);

/* The frame ends the time since lacking_ns in which the topic, whose snapshot is fetched, had none
 * on the frame's connection. Returns 1 if that took too long: *out is that time, of reason
 * sequence. A row that a recorder's live check wrote for it has the same key. */
int found_gap_of_unanchored(const frame_ref *frame, uint64_t lacking_ns, gap_row *out);

/* The frame is its connection's first one of its topic. Returns 1 if the topic, which speaks at
 * once, was silent for too long after the grant: *out is that time. */
int found_gap_of_silence(const frame_ref *frame, gap_row *out);

/* The time between the end of one archive's recording of a feed and the begin of another one's. */
gap_row found_gap_between(const char *feed, time_span time);

#endif
