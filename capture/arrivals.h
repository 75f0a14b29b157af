/* How messages arrived, for `arrivals` events: how long the kernel had had the first byte when it
 * was read, and how long after that the last one was read. A list for each slot of a feed, of
 * consecutive messages of one connection. One thread. */
#ifndef TD_CAPTURE_ARRIVALS_H
#define TD_CAPTURE_ARRIVALS_H

#include <stdint.h>

#include "archive/event.h"
#include "capture/channel_router.h"

typedef struct arrivals arrivals;

arrivals *arrivals_open(void);
void arrivals_close(arrivals *self);

/* 1 if this inbound frame is of another connection, not the next one, or one too many for the
 * slot's list: it must be taken first. */
int arrivals_is_full(const arrivals *self, size_t slot, const feed_frame *frame, uint64_t ordinal);

/* Add an inbound frame to its slot's list. */
void arrivals_add(arrivals *self, size_t slot, const feed_frame *frame, uint64_t ordinal);

/* The event of a slot's list, valid until something is added; the list is empty then. 0: no message
 * has a time that is known. */
int arrivals_take(arrivals *self, size_t slot, event *out);

#endif
