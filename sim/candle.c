#include "sim/candle.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"

#define DAY_NS (86400u * TD_NS_PER_S)

const char *const CANDLE_NAMES[CANDLE_INTERVALS] = {"1",   "3",   "5",   "15", "30", "60", "120",
                                                    "240", "360", "720", "D",  "W",  "M"};
const char *const CANDLE_NAMES_SPOT[CANDLE_INTERVALS] = {
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w", "1M"};

/* Length of an interval; 0: it depends on the calendar. */
static const uint64_t MINUTES[CANDLE_INTERVALS] = {
    [CANDLE_1] = 1,     [CANDLE_3] = 3,     [CANDLE_5] = 5,     [CANDLE_15] = 15,
    [CANDLE_30] = 30,   [CANDLE_60] = 60,   [CANDLE_120] = 120, [CANDLE_240] = 240,
    [CANDLE_360] = 360, [CANDLE_720] = 720, [CANDLE_D] = 1440,  [CANDLE_W] = 10080,
};

/* Start of the month that contains ns. */
static uint64_t month_start(uint64_t ns)
{
    unsigned year, month, day;
    td_time_date(ns, &year, &month, &day);
    return ns / DAY_NS * DAY_NS - (day - 1) * DAY_NS;
}

static void set_bounds(candle *c, candle_interval interval, uint64_t ns)
{
    TD_ASSERT(interval < CANDLE_INTERVALS);
    if (interval == CANDLE_M) {
        c->start_ns = month_start(ns);
        c->end_ns = month_start(c->start_ns + 31 * DAY_NS); /* always in the next month */
        return;
    }
    /* 1970 began on a Thursday: weeks are counted from the Monday before. */
    uint64_t shift = interval == CANDLE_W ? 3 * DAY_NS : 0;
    uint64_t length = MINUTES[interval] * 60 * TD_NS_PER_S;
    c->start_ns = (ns + shift) / length * length - shift;
    c->end_ns = c->start_ns + length;
}

void candle_open(candle_pair *pair, candle_interval interval, uint64_t ns, int64_t price)
{
    *pair = (candle_pair){.now = {.open = price, .high = price, .low = price, .close = price}};
    set_bounds(&pair->now, interval, ns);
    TD_ASSERT(pair->now.start_ns <= ns);
    TD_ASSERT(ns < pair->now.end_ns);
}

int candle_roll(candle_pair *pair, candle_interval interval, uint64_t ns)
{
    if (ns < pair->now.end_ns)
        return 0;
    candle closed = pair->now;
    candle_open(pair, interval, ns, closed.close);
    pair->closed = closed;
    return 1;
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
