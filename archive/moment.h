/* What was open at a moment: connections of feeds, and the topics that they were granted. One
 * thread. */
#ifndef TD_ARCHIVE_MOMENT_H
#define TD_ARCHIVE_MOMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"

/* The rows of the segment that each session was writing then. All zero: nothing was recorded. */
typedef struct moment {
    uint64_t at_ns;
    segment_rows *sessions;
    size_t count;
    uint8_t is_unknown; /* 1: there are segments that cannot be read */
} moment;

/* Read what was open at at_ns, before the events of that time, on the feeds that are wanted, of
 * each session that continues then. What cannot be read makes it unknown. TD_E_IO. *out is the
 * caller's, for moment_fini, also after a failure. */
TD_MUST_USE td_result moment_read(archive_view *view, int (*wants_feed)(void *, const char *),
                                  void *user, uint64_t at_ns, moment *out, td_err *err);
void moment_fini(moment *self);

/* When the oldest of the connections that were open began; at_ns if none was. */
uint64_t moment_oldest_ns(const moment *self);

/* 1 if a connection was granted the topic, or one that covers it (covers as in schema/dialect.h,
 * NULL: none does), or if that is unknown. */
int moment_has_topic(const moment *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
