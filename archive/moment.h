/* The connections of feeds that were open at a time, and their granted topics. One thread. */
#ifndef TD_ARCHIVE_MOMENT_H
#define TD_ARCHIVE_MOMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"

/* A session that was running at that time. */
typedef struct moment_session {
    segment_rows rows; /* of the segment that it was writing then */
    /* Its last checkpoint that is not later than the time; and the path of its file on disk. NULL
     * if there is no checkpoint, or if sessions of the feed overlap, so that its states are not the
     * feed's. */
    segment_checkpoint checkpoint;
    char *checkpoint_path;
} moment_session;

/* All zero if nothing was recorded. */
typedef struct moment {
    uint64_t at_ns;
    moment_session *sessions;
    size_t count;
    uint8_t is_unknown; /* 1: some segments cannot be read */
    uint8_t with_live;  /* 1: read with moment_read_live */
} moment;

/* Read the state at at_ns, before the events of that time, of each running session of the wanted
 * feeds. Unreadable segments set is_unknown. The caller releases *out with moment_fini, also after
 * a failure. TD_E_IO. */
TD_MUST_USE td_result moment_read(archive_view *view, int (*wants_feed)(void *, const char *),
                                  void *user, uint64_t at_ns, moment *out, td_err *err);
/* The same for a tape that follows a recording: a live session also continues after its last
 * frame. */
TD_MUST_USE td_result moment_read_live(archive_view *view, int (*wants_feed)(void *, const char *),
                                       void *user, uint64_t at_ns, moment *out, td_err *err);
void moment_fini(moment *self);

/* Start of the oldest connection that was open, of one session or of all, or at_ns. */
uint64_t moment_session_oldest_ns(const moment *self, const moment_session *session);
uint64_t moment_oldest_ns(const moment *self);

/* 1 if a connection was granted the topic, or another that covers it (covers as in
 * schema/dialect.h; NULL: topics cover only themselves), or if that is unknown. */
int moment_has_topic(const moment *self, td_bytes topic, int (*covers)(td_bytes, td_bytes));

#endif
