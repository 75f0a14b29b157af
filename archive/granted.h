/* What a feed's connections are granted at a moment, from its events up to there ("grant",
 * "grant_end", and the ends of connections, segments and sessions). Each segment begins with what
 * is granted. One thread. */
#ifndef TD_ARCHIVE_GRANTED_H
#define TD_ARCHIVE_GRANTED_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"
#include "archive/event.h"

typedef struct granted granted;

/* Of one feed; empty. */
TD_NEVER_NULL granted *granted_open(void);
void granted_close(granted *self); /* NULL is fine */

/* Take in the feed's next event, of this session. */
void granted_add(granted *self, uint32_t session, const event *said);

/* Read what is granted at to_ns from the segments of that time: of each session that has any in
 * [from_ns, to_ns), the last one. What cannot be read makes everything unknown. TD_E_IO. On success
 * *out is the caller's, for granted_close. */
TD_MUST_USE td_result granted_read(archive_view *view, const char *feed, uint64_t from_ns,
                                   uint64_t to_ns, granted **out, td_err *err);

/* 1 if a connection that has not ended is granted the topic, or one that covers it (covers as in
 * schema/dialect.h, NULL: none does). Also 1 if that is unknown, because more topics were
 * granted than events say, or some cannot be read. */
int granted_has(const granted *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
