/* When a connection is replaced because the exchange announced its end (schema/end_notice.h). Each
 * connection is replaced once. The first one in a row at once; one that itself took over from an
 * announced end, or that hears of its end before it has its topics, is that old first: 30 s, then
 * twice as long each time, up to an hour. So an exchange that repeats its notice, or that tells
 * each new connection of its state, does not make the recorder connect all the time. Pure functions
 * of times. */
#ifndef TD_RECORDER_ANNOUNCED_H
#define TD_RECORDER_ANNOUNCED_H

#include <stdint.h>

#include "base/clock.h"

#define ANNOUNCED_AGE_NS     (30 * TD_NS_PER_S)
#define ANNOUNCED_AGE_MAX_NS (3600 * TD_NS_PER_S)

/* A connection ends because of the notice if it ends within this time: OKX's comes 60 s before, and
 * Binance's came 10 min before. */
#define ANNOUNCED_ENDS_NS (900 * TD_NS_PER_S)

/* Of a slot. All zeros at first. */
typedef struct announced {
    uint64_t count;          /* notices in this session */
    uint64_t heard_ns;       /* recv_ns of the open connection's last one; 0: none */
    uint64_t opened_mono_ns; /* of the open connection */
    uint32_t in_a_row; /* connections that were replaced because of one, one after the other */
} announced;

/* A connection has opened. */
void announced_opened(announced *self, uint64_t mono_ns);

/* A notice came; has_topics: 1 if all requests for topics were answered before. Returns 1 if it is
 * the connection's first: *due_mono_ns is then when the connection is to be replaced, mono_ns or
 * later. */
int announced_heard(announced *self, uint64_t recv_ns, uint64_t mono_ns, int has_topics,
                    uint64_t *due_mono_ns);

/* 1 if the open connection's end at this time was announced. */
int announced_explains(const announced *self, uint64_t end_ns);

#endif
