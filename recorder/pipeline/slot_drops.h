/* Frames of a slot that an overload made the recorder count and drop, and their gap.
 *
 * Two places drop frames: the intake, if the disk is too slow, and the encoder, if compressed
 * frames take too long. Gaps of a slot with equal from_ns would be one gap in the ledger. So each
 * gap of the intake begins later than the one before, at the time until which the connection is
 * known to be complete or after it, and the encoder's n-th gap begins n ns before that time. One
 * thread for each place. */
#ifndef TD_PIPELINE_SLOT_DROPS_H
#define TD_PIPELINE_SLOT_DROPS_H

#include <stdint.h>

#include "archive/event.h"

typedef enum drop_place { DROP_IN_INTAKE, DROP_IN_ENCODER } drop_place;

/* The frames that one place drops. Zero-initialise. */
typedef struct slot_drops {
    uint64_t count;   /* frames dropped since the latest gap began; 0: it has ended */
    uint64_t from_ns; /* begin of the latest gap */
    uint64_t last_ns; /* receive time of the last dropped frame */
    uint32_t conn;
    uint32_t gaps; /* number of gaps so far */
} slot_drops;

/* Count a dropped frame of connection conn, complete until complete_ns. Returns 1 if a gap begins
 * with it. */
int slot_drops_add(slot_drops *self, drop_place place, uint32_t conn, uint64_t complete_ns,
                   uint64_t recv_ns);

/* The gap of feed, line and shard that has begun, as an event. */
event slot_drops_begun(const slot_drops *self, drop_place place, const char *feed, uint32_t line,
                       uint32_t shard);

/* No frame is dropped any more: returns 1 if a gap ends, which *out gets. */
int slot_drops_end(slot_drops *self, drop_place place, const char *feed, uint32_t line,
                   uint32_t shard, event *out);

#endif
