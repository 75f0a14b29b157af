/* The time between two connections of a slot, as a gap of the ledger: from the end of a connection
 * until a later one receives a frame. For the tap and import, whose connections others open; a
 * recorder's gaps are in recorder/open_gaps.h. One thread. */
#ifndef TD_CAPTURE_SLOT_OUTAGE_H
#define TD_CAPTURE_SLOT_OUTAGE_H

#include <stdint.h>

#include "archive/event.h"

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

#endif
