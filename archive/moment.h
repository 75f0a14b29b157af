/* What was open at a moment, from the events of segments up to there: connections of feeds, and the
 * topics that they were granted. Each segment begins with both. One thread. */
#ifndef TD_ARCHIVE_MOMENT_H
#define TD_ARCHIVE_MOMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"
#include "archive/event.h"

/* A connection of a slot. */
typedef struct moment_conn {
    uint32_t session; /* a number for it */
    uint32_t line, shard;
    uint64_t since_ns; /* recv_ns of its connect event */
    char **topics;     /* that are granted */
    size_t topic_count;
} moment_conn;

/* All zero is an empty one. */
typedef struct moment {
    moment_conn *conns;
    size_t count;
    uint8_t has_more;   /* 1: grants without an event */
    uint8_t is_unknown; /* 1: events that cannot be read */
} moment;

/* Take in the next event of a session. */
void moment_add(moment *self, uint32_t session, const event *found, uint64_t recv_ns);
void moment_fini(moment *self);

/* Read what was open at at_ns, before the events of that time, on the feeds that are wanted: of
 * each session that continues then, the events of the segment that was being written. What cannot
 * be read makes it unknown. TD_E_IO. *out is the caller's, for moment_fini, also after a failure.
 */
TD_MUST_USE td_result moment_read(archive_view *view, int (*wants_feed)(void *, const char *),
                                  void *user, uint64_t at_ns, moment *out, td_err *err);

/* 1 if a connection is granted the topic, or one that covers it (covers as in schema/dialect.h,
 * NULL: none does), or if that is unknown. */
int moment_has_topic(const moment *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
