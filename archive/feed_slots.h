/* The last frame of each slot of a feed, and the slot's topics. New sessions and recoveries begin
 * gaps there. From the rows of segments, newest first. */
#ifndef TD_ARCHIVE_FEED_SLOTS_H
#define TD_ARCHIVE_FEED_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive_view.h"
#include "archive/name_index.h"

/* Segments to search for a slot: at one an hour, two days. If nothing at all was found, the search
 * continues. */
enum { FEED_SLOTS_SEGMENTS_MAX = 48 };

typedef struct feed_slots_query {
    const char *feed;
    const char *session;     /* NULL: of all recorded sessions */
    uint64_t before_ns;      /* frames of later times do not count: the clock was ahead */
    uint32_t shard_count;    /* of line 0; these are looked for until they are found */
    uint8_t is_control_data; /* 1: pongs and answers count as data (see past_slot) */
} feed_slots_query;

typedef struct past_slot {
    uint32_t line, shard;
    uint32_t conn; /* its last connection in that session; 0: not known */
    char session[SESSION_ID_BYTES];
    uint8_t is_crashed;   /* 1: that session has no end in the journal, nor has an unknown one */
    uint64_t last_ns;     /* of its last frame of data; 0: none was found */
    uint64_t last_any_ns; /* of its last frame that was received */
    uint64_t complete_ns; /* as conn_row has it, of its last connection */
} past_slot;

/* A topic and symbol as channels have them, and the slot on which it came last. */
typedef struct past_topic {
    char *name;         /* "TOPIC.SYMBOL" */
    size_t topic_bytes; /* of these "TOPIC." */
    size_t slot;
    uint64_t last_ns;
} past_topic;

typedef struct feed_slots {
    past_slot *slots;
    size_t slot_count;
    past_topic **topics;
    size_t topic_count;
    name_index by_name;
} feed_slots;

/* Of all sessions, imports are left out: a capture does not prove that it has all of it. A segment
 * that cannot be read is passed over, with a warning in the archive's log. TD_E_IO: a segment of
 * the one session cannot be read. *out is the caller's, for feed_slots_fini, also after a failure.
 */
TD_MUST_USE td_result feed_slots_read(archive_view *view, const feed_slots_query *query,
                                      feed_slots *out, td_err *err);
void feed_slots_fini(feed_slots *slots);

/* Where a gap after the slot's last frame begins: with that frame, of data if there was any; but
 * what comes late is read late, so not after complete_ns. 0: nothing was received. */
uint64_t past_slot_end_ns(const past_slot *slot);

/* The slot, or NULL. */
const past_slot *feed_slots_find(const feed_slots *slots, uint32_t line, uint32_t shard);

#endif
