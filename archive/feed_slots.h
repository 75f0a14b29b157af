/* The last frame and the topics of each slot of a feed, from the rows of segments, newest first.
 * New sessions and recoveries begin gaps at these last frames. */
#ifndef TD_ARCHIVE_FEED_SLOTS_H
#define TD_ARCHIVE_FEED_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive_view.h"
#include "archive/name_index.h"

/* How many segments are searched: two days, at one per hour. More only while no slot was found. */
enum { FEED_SLOTS_SEGMENTS_MAX = 48 };

typedef struct feed_slots_query {
    const char *feed;
    const char *session;     /* NULL: all recorded sessions */
    uint64_t before_ns;      /* later frames are ignored: the clock was ahead */
    uint32_t shard_count;    /* the search continues until a slot of each of these is found */
    uint8_t is_control_data; /* 1: pongs and answers count as data (see past_slot) */
} feed_slots_query;

typedef struct past_slot {
    uint32_t line, shard;
    uint32_t conn; /* number of its last connection in `session`; 0 if unknown */
    char session[SESSION_ID_BYTES];
    uint8_t is_crashed;   /* 1: the journal has no end of that session, or lacks the session */
    uint64_t last_ns;     /* of its last data frame, or 0 */
    uint64_t last_any_ns; /* of its last received frame */
    uint64_t replaced_ns; /* end of its last connection that another slot took over from, or 0 */
    uint64_t complete_ns; /* as in conn_row, of its last connection */
} past_slot;

/* A topic and symbol as in channels, and the slot that last received it. */
typedef struct past_topic {
    char *name;         /* "TOPIC.SYMBOL" */
    size_t topic_bytes; /* length of "TOPIC." */
    size_t slot;
    uint64_t last_ns;
    uint64_t frames; /* received, in the segments that were searched */
} past_topic;

typedef struct feed_slots {
    past_slot *slots;
    size_t slot_count;
    past_topic **topics;
    size_t topic_count;
    name_index by_name;
} feed_slots;

/* Read a feed's slots. Without a session in the query, imports are ignored: a capture need not be
 * complete. An unreadable segment is skipped with a warning in the archive's log. TD_E_IO: the
 * query names a session, and one of its segments cannot be read because of an I/O error, or could
 * not be listed. The caller releases *out with feed_slots_fini, also after a failure. */
TD_MUST_USE td_result feed_slots_read(archive_view *view, const feed_slots_query *query,
                                      feed_slots *out, td_err *err);
void feed_slots_fini(feed_slots *slots);

/* Start of a gap after the slot's last frame: the time of its last data frame or, if it has no data
 * frame, of its last frame of any kind. It is at most complete_ns, because frames may be received
 * long after they were sent. 0 if nothing was received. */
uint64_t past_slot_end_ns(const past_slot *slot);

/* 1 if another slot had taken over when the slot's last connection ended, and its frames are there:
 * nothing is missing after the slot's last frame. */
int past_slot_is_replaced(const feed_slots *slots, const past_slot *slot);

/* The slot, or NULL. */
const past_slot *feed_slots_find(const feed_slots *slots, uint32_t line, uint32_t shard);

#endif
