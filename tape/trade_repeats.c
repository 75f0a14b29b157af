#include "tape/trade_repeats.h"

#include "base/hash.h"

/* Ids may be numbered by symbol, and a topic may have several. */
static uint64_t id_of(const msg_trade *trade)
{
    uint64_t id = td_xxh64(trade->trade_id.data, trade->trade_id.size);
    if (trade->symbol.size > 0)
        id += UINT64_C(31) * td_xxh64(trade->symbol.data, trade->symbol.size);
    return id;
}

/* 1 if an earlier connection of the topic, before the tape's frames, had the trade. */
static int is_older(const trade_repeats *self, const frame_ref *frame, const msg_trade *trade)
{
    const int is_first = self->conn != frame->conn || self->first_ordinal == frame->ordinal;
    return is_first && frame->conn_index > 0 && trade->exchange_ns != 0 &&
           trade->exchange_ns < frame->read_from_ns && trade->exchange_ns < frame->conn->since_ns;
}

int trade_repeats_has(const trade_repeats *self, const frame_ref *frame, const msg_trade *trade)
{
    if (frame->content.message->head.kind != FRAME_SNAPSHOT || trade->trade_id.size == 0)
        return 0;
    if (is_older(self, frame, trade))
        return 1;
    if (!self->has_deltas)
        return 0;
    const uint64_t id = id_of(trade);
    for (uint64_t i = 0; i < self->count && i < TRADE_REPEATS_MAX; i++)
        if (self->ids[i] == id)
            return 1;
    return 0;
}

void trade_repeats_add(trade_repeats *self, const frame_ref *frame, const msg_trade *trade)
{
    if (self->conn != frame->conn) {
        self->conn = frame->conn;
        self->first_ordinal = frame->ordinal;
    }
    self->has_deltas |= frame->content.message->head.kind == FRAME_DELTA;
    if (trade->trade_id.size > 0)
        self->ids[self->count++ % TRADE_REPEATS_MAX] = id_of(trade);
}
