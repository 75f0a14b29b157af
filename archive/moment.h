/* What was open at a moment: connections of feeds, and the topics that they were granted. One
 * thread. */
#ifndef TD_ARCHIVE_MOMENT_H
#define TD_ARCHIVE_MOMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"

/* A session that continues then. */
typedef struct moment_session {
    segment_rows rows; /* of the segment that it was writing */
    /* Its last checkpoint whose states are those of the moment or of an earlier one; and the file,
     * as it is on disk. NULL: it has none, or sessions of the feed overlap, so that its states are
     * not the feed's. */
    segment_checkpoint checkpoint;
    char *checkpoint_path;
} moment_session;

/* All zero: nothing was recorded. */
typedef struct moment {
    uint64_t at_ns;
    moment_session *sessions;
    size_t count;
    uint8_t is_unknown; /* 1: there are segments that cannot be read */
    uint8_t with_live;  /* 1: by moment_read_live */
} moment;

/* Read what was open at at_ns, before the events of that time, on the feeds that are wanted, of
 * each session that continues then. What cannot be read makes it unknown. TD_E_IO. *out is the
 * caller's, for moment_fini, also after a failure. */
TD_MUST_USE td_result moment_read(archive_view *view, int (*wants_feed)(void *, const char *),
                                  void *user, uint64_t at_ns, moment *out, td_err *err);
/* The same for a tape that follows: a session that is recorded now continues after its last frame,
 * too. */
TD_MUST_USE td_result moment_read_live(archive_view *view, int (*wants_feed)(void *, const char *),
                                       void *user, uint64_t at_ns, moment *out, td_err *err);
void moment_fini(moment *self);

/* When the oldest of the connections that were open began, of one session or of all; at_ns if none
 * was. */
uint64_t moment_session_oldest_ns(const moment *self, const moment_session *session);
uint64_t moment_oldest_ns(const moment *self);

/* 1 if a connection was granted the topic, or one that covers it (covers as in schema/dialect.h,
 * NULL: none does), or if that is unknown. */
int moment_has_topic(const moment *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
