/* Finds which part of a gap of one line of a feed other lines have: a connection has everything
 * that was sent from its grants until the last proof that it is complete (intake_slot.complete_ns).
 * A proof beyond the gap's end is known only after that, when the connection answers a ping, which
 * is sent for it. The row is then written again with covered_by. A part that no line has is a row
 * of its own, of the same connection, written before that. If no line has anything of the gap, or
 * as long as a proof is missing, all of it counts as not covered. Network thread only. */
#ifndef TD_RECORDER_COVERED_GAPS_H
#define TD_RECORDER_COVERED_GAPS_H

#include <stdint.h>

#include "archive/gap.h"
#include "recorder/connection.h"

typedef struct covered_gaps covered_gaps;

enum {
    COVERED_GAPS_MAX = 4096,  /* rows that wait for an answer; further ones are not covered */
    COVERED_TIMES_MAX = 1024, /* connections whose time is known, the latest ones */
};

/* emit gets the rows that are covered, and the uncovered parts. Closing NULL is allowed. */
covered_gaps *covered_gaps_open(void (*emit)(void *user, uint16_t feed_index, const gap_row *row),
                                void *user);
void covered_gaps_close(covered_gaps *self);

/* A row of a line has ended. others: the slots of the other lines with the same topics; they
 * outlive self. */
void covered_gaps_add(covered_gaps *self, uint16_t feed_index, const gap_row *row,
                      connection *const *others, size_t other_count);

/* The connection has answered a ping. */
void covered_gaps_proven(covered_gaps *self, const connection *by);

#endif
