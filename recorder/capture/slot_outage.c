#include "recorder/capture/slot_outage.h"

#include "base/assert.h"

void slot_outage_begin(slot_outage *self, uint32_t conn, uint64_t from_ns, const char *cause)
{
    TD_ASSERT(from_ns != 0);
    if (self->from_ns == 0)
        *self = (slot_outage){from_ns, conn, cause};
}

int slot_outage_end(slot_outage *self, const char *feed, uint32_t shard, uint64_t recv_ns,
                    event *out)
{
    if (self->from_ns == 0)
        return 0;
    *out = (event){.kind = EVENT_GAP,
                   .gap = gap_row_of(GAP_DISCONNECT, feed, self->from_ns, recv_ns, self->cause)};
    out->gap.shard = shard;
    out->gap.conn = self->conn;
    self->from_ns = 0;
    return 1;
}
