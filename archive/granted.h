/* What a feed's connections are granted at a moment, from its events up to there ("grant",
 * "grant_end", and the ends of connections, segments and sessions). Begin with the events of a
 * segment, or with those of a connection. One thread. */
#ifndef TD_ARCHIVE_GRANTED_H
#define TD_ARCHIVE_GRANTED_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "archive/event.h"

typedef struct granted granted;

/* Of one feed; empty. */
TD_NEVER_NULL granted *granted_open(void);
void granted_close(granted *self); /* NULL is fine */

/* Take in the feed's next event, of this session. */
void granted_add(granted *self, uint32_t session, const event *said);

/* 1 if a connection that has not ended is granted the topic, or one that covers it (covers as in
 * schema/dialect.h, NULL: none does). Also 1 if that is unknown, because more topics were
 * granted than events say. */
int granted_has(const granted *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
