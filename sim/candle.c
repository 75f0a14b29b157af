#include "sim/candle.h"

#include "base/assert.h"
#include "base/clock.h"

void candle_open(candle_pair *pair, uint32_t minutes, uint64_t ns, int64_t price)
{
    uint64_t length = (uint64_t)minutes * 60 * TD_NS_PER_S;
    uint64_t start_ns = ns / length * length;
    *pair = (candle_pair){.now = {.start_ns = start_ns,
                                  .end_ns = start_ns + length,
                                  .open = price,
                                  .high = price,
                                  .low = price,
                                  .close = price}};
}

void candle_roll(candle_pair *pair, uint32_t minutes, uint64_t ns)
{
    if (ns < pair->now.end_ns)
        return;
    candle closed = pair->now;
    candle_open(pair, minutes, ns, closed.close);
    pair->closed = closed;
    pair->closed.is_closed = 1;
}

void candle_add(candle_pair *pair, int64_t price, int64_t volume, int64_t turnover)
{
    candle *c = &pair->now;
    TD_ASSERT(volume > 0);
    c->high = price > c->high ? price : c->high;
    c->low = price < c->low ? price : c->low;
    c->close = price;
    c->volume += volume;
    c->turnover += turnover;
}
