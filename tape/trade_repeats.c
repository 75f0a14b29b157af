#include "tape/trade_repeats.h"

#include "base/hash.h"

/* Ids may be numbered by symbol, and a topic may have several. */
static uint64_t id_of(const msg_trade *trade)
{
    const uint64_t symbol = td_xxh64(trade->symbol.data, trade->symbol.size);
    return td_xxh64(trade->trade_id.data, trade->trade_id.size) + UINT64_C(31) * symbol;
}

int trade_repeats_has(const trade_repeats *self, const message *frame, const msg_trade *trade)
{
    if (frame->head.kind != FRAME_SNAPSHOT || !self->has_deltas || trade->trade_id.size == 0)
        return 0;
    const uint64_t id = id_of(trade);
    for (uint64_t i = 0; i < self->count && i < TRADE_REPEATS_MAX; i++)
        if (self->ids[i] == id)
            return 1;
    return 0;
}

void trade_repeats_add(trade_repeats *self, const message *frame, const msg_trade *trade)
{
    self->has_deltas |= frame->head.kind == FRAME_DELTA;
    if (trade->trade_id.size > 0)
        self->ids[self->count++ % TRADE_REPEATS_MAX] = id_of(trade);
}
