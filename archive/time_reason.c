#include "archive/time_reason.h"

#include "base/assert.h"

static const char *const NAMES[TIME_REASON_COUNT] = {
    [GAP_DISCONNECT] = "disconnect",
    [GAP_STALE] = "stale",
    [GAP_OVERLOAD] = "overload",
    [GAP_RESTART] = "restart",
    [GAP_CRASH] = "crash",
    [GAP_CORRUPT] = "corrupt",
    [GAP_SEQUENCE] = "sequence",
    [GAP_AGGREGATE] = "aggregate",
    [GAP_PRUNED] = "pruned",
    [GAP_NOT_SUBSCRIBED] = "not_subscribed",
    [DOUBT_RULE] = "rule",
    [DOUBT_UNDECODED] = "undecoded",
    [DOUBT_CONNECTION] = "connection",
    [DOUBT_NO_SNAPSHOT] = "no_snapshot",
    [DOUBT_LATE] = "late",
    [DOUBT_SILENT] = "silent",
    [DOUBT_DAMAGE] = "damage",
};

const char *time_reason_name(time_reason reason)
{
    TD_ASSERT(reason < TIME_REASON_COUNT);
    return NAMES[reason];
}

int gap_reason_parse(td_bytes name, time_reason *out)
{
    for (unsigned i = 0; i < GAP_REASON_COUNT; i++) {
        if (td_bytes_is(name, NAMES[i])) {
            *out = (time_reason)i;
            return 1;
        }
    }
    return 0;
}
