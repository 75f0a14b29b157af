/* Gaps of a slot that its frames show, as events: frames that an overload dropped, the time between
 * two connections, and what is missing before a frame. The gaps of a recorder's lost connections
 * and silent topics are in recorder/open_gaps.h. Rows borrow their texts. One thread for each
 * struct. */
#ifndef TD_CAPTURE_SLOT_GAPS_H
#define TD_CAPTURE_SLOT_GAPS_H

#include <stdint.h>

#include "archive/event.h"
#include "format/chunk_builder.h"
#include "schema/topic.h"

/* ---- frames that an overload dropped ----
 *
 * Two places drop frames: the intake, if the disk is too slow, and the encoder, if compressed
 * frames take too long. Gaps of a slot with equal from_ns would be one gap in the ledger. So each
 * gap of the intake begins later than the one before, at the time until which the connection is
 * known to be complete or after it, and the encoder's n-th gap begins n ns before that time. */

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

/* The gap of feed, line and shard that has begun. */
event slot_drops_begun(const slot_drops *self, drop_place place, const char *feed, uint32_t line,
                       uint32_t shard);

/* No frame is dropped any more: returns 1 if a gap ends, which *out gets. */
int slot_drops_end(slot_drops *self, drop_place place, const char *feed, uint32_t line,
                   uint32_t shard, event *out);

/* ---- the time between two connections ----
 *
 * From the end of a connection until a later one receives a frame. For the tap and import, whose
 * connections others open. */

/* Zero-initialise. */
typedef struct slot_outage {
    uint64_t from_ns;  /* until when the slot was complete; 0: no outage */
    uint32_t conn;     /* the connection that ended then */
    const char *cause; /* why it ended; a constant */
} slot_outage;

/* A connection ended, complete until from_ns. If it received nothing, the earlier outage
 * continues. */
void slot_outage_begin(slot_outage *self, uint32_t conn, uint64_t from_ns, const char *cause);

/* The slot received a frame at recv_ns. Returns 1 if an outage ends with it: *out gets its gap. */
int slot_outage_end(slot_outage *self, const char *feed, uint32_t shard, uint64_t recv_ns,
                    event *out);

/* ---- missing before a frame ---- */

/* A frame breaks a rule: after from_ns its connection lost what came before it. The caller adds
 * what else it knows. */
event slot_gap_before(const feed_frame *frame, const char *feed, uint64_t from_ns, rule_id rule);

#endif
