#include "recorder/pipeline/slot_drops.h"

#include "base/assert.h"

int slot_drops_add(slot_drops *self, drop_place place, uint32_t conn, uint64_t complete_ns,
                   uint64_t recv_ns)
{
    self->last_ns = recv_ns;
    if (self->count++ > 0)
        return 0;
    self->conn = conn;
    self->gaps++;
    if (place == DROP_IN_ENCODER)
        self->from_ns = complete_ns - self->gaps;
    else
        self->from_ns = complete_ns > self->from_ns ? complete_ns : self->from_ns + 1;
    return 1;
}

event slot_drops_begun(const slot_drops *self, drop_place place, const char *feed, uint32_t line,
                       uint32_t shard)
{
    TD_ASSERT(self->count > 0);
    event gap = {.kind = EVENT_GAP,
                 .gap = gap_row_of(GAP_OVERLOAD, feed, self->from_ns, GAP_OPEN,
                                   place == DROP_IN_ENCODER ? "compressed frames took too long"
                                                            : "disk too slow")};
    gap.gap.line = line;
    gap.gap.shard = shard;
    gap.gap.conn = self->conn;
    return gap;
}

int slot_drops_end(slot_drops *self, drop_place place, const char *feed, uint32_t line,
                   uint32_t shard, event *out)
{
    if (self->count == 0)
        return 0;
    *out = slot_drops_begun(self, place, feed, line, shard);
    out->gap.to_ns = self->last_ns;
    out->gap.frames_lost = self->count;
    self->count = 0;
    return 1;
}
