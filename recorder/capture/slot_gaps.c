#include "recorder/capture/slot_gaps.h"

#include "base/assert.h"

/* ---- frames that an overload dropped ---- */

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

/* ---- the time between two connections ---- */

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

/* ---- missing before a frame ---- */

event slot_gap_before(const feed_frame *frame, const char *feed, uint64_t from_ns, rule_id rule)
{
    event lost = {.kind = EVENT_GAP,
                  .gap = gap_row_of(GAP_SEQUENCE, feed, from_ns, frame->recv_ns, rule_name(rule))};
    lost.gap.line = frame->line;
    lost.gap.shard = frame->shard;
    lost.gap.conn = frame->conn;
    return lost;
}
