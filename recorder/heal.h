/* Topics that the live check found broken or silent, or near the end of what their fetched snapshot
 * shows, and when each is requested again: at once, then at growing intervals while it stays so.
 * Pure state: callers pass monotonic time. Network thread only. */
#ifndef TD_RECORDER_HEAL_H
#define TD_RECORDER_HEAL_H

#include <stdint.h>

#include "base/clock.h"

/* The time between two requests for one topic: at first, and at most. It doubles each time, and
 * begins again once the topic was whole for as long. */
#define HEAL_WAIT_NS     (60 * TD_NS_PER_S)
#define HEAL_WAIT_NS_MAX (3600 * TD_NS_PER_S)

/* How many topics are remembered; further ones wait for their next connection. */
enum { HEAL_TOPICS_MAX = 4096 };

typedef struct heal heal;

/* A topic of a feed, by its number in the subscription, on a line. */
typedef struct heal_topic {
    uint16_t feed_index;
    uint32_t line;
    size_t number;
} heal_topic;

/* At first no topic is broken. */
heal *heal_open(void);
void heal_close(heal *self); /* NULL is fine */

/* The topic is broken, or whole again. wait_ns: the wait after the first request, usually
 * HEAL_WAIT_NS. */
void heal_broken(heal *self, const heal_topic *topic, uint64_t mono_ns, uint64_t wait_ns);
void heal_whole(heal *self, const heal_topic *topic);

/* Get a topic that is to be requested now. 0: none. */
int heal_next(heal *self, uint64_t mono_ns, heal_topic *out);

#endif
