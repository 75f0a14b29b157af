/* When each session of a feed received frames, and what lies between them. Sessions overlap, touch
 * or leave stretches, in whatever order they came into the archive; so these stretches are no
 * entries of the ledger: they follow from the segments at each reading. One thread at a time per
 * archive. */
#ifndef TD_ARCHIVE_SESSION_SPANS_H
#define TD_ARCHIVE_SESSION_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_past.h"
#include "archive/gap.h"

/* One session of a feed: receive times of its first and last received frame. A session without any
 * message in a whole hour of UTC is two spans: an open connection has pongs, so frames may be
 * missing in that hour. */
typedef struct session_span {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t end_ns; /* of its last message of any kind; >= last_ns */
    /* 1: imported: it proves nothing about topics that it lacks. */
    uint8_t is_capture;
    /* Of a feed that has captures: what was received, as "TOPIC" NUL "SYMBOL" NUL one after the
     * other, in no order, each once. Else empty. */
    td_buf topics;
} session_span;

typedef struct session_spans {
    session_span *rows; /* by feed, then first_ns */
    size_t count;
} session_spans;

/* Read the spans: from the catalog where it has a segment as it is on disk, and else from the first
 * and last chunks of each session and feed. A session that received nothing has no row; a segment
 * that cannot be read counts as missing. A single file has no spans. *out is the caller's, for
 * session_spans_fini. */
void session_spans_read(archive_view *view, session_spans *out);
void session_spans_fini(session_spans *spans);

/* Add a row for each stretch between spans of a feed that no row of the list covers. A row of a
 * whole connection covers its time; if it begins between a session's last frame and its last
 * message, it describes the end of that session and covers from the last frame on. Pruned time is
 * not a gap, nor is the stretch after it. A topic that is missing from some capture of the feed
 * gets rows of its own, between the sessions that have it. A recorded session that began after
 * these counts as having the topic: its configuration left the topic out. */
void session_spans_add_gaps(const session_spans *spans, const archive_past *past, gap_list *ledger);

#endif
