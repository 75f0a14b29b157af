/* Finds which gaps of one line of a feed another line covers: its connection was live before the
 * gap began, and is known to be complete beyond the gap's end (intake_slot.complete_ns). The latter
 * is known only after the gap has ended, when the connection answers a ping, which is sent for
 * that. The row is then written again with covered_by. Until then, and if the connection ends
 * before, the gap counts as not covered. Network thread only. */
#ifndef TD_RECORDER_COVERED_GAPS_H
#define TD_RECORDER_COVERED_GAPS_H

#include <stdint.h>

#include "archive/gap.h"
#include "recorder/connection.h"

typedef struct covered_gaps covered_gaps;

/* How many rows wait for an answer; further ones are not covered. */
enum { COVERED_GAPS_MAX = 4096 };

/* emit gets the rows that are covered. Closing NULL is allowed. */
covered_gaps *covered_gaps_open(void (*emit)(void *user, uint16_t feed_index, const gap_row *row),
                                void *user);
void covered_gaps_close(covered_gaps *self);

/* A row of a line has ended. other: the slot of another line with the same topics; outlives self.
 */
void covered_gaps_add(covered_gaps *self, uint16_t feed_index, const gap_row *row,
                      connection *other);

/* The connection has answered a ping. */
void covered_gaps_proven(covered_gaps *self, const connection *by);

#endif
