/* When each session of a feed received frames, and what lies between them. Sessions overlap, touch
 * or leave stretches, in whatever order they came into the archive; so these stretches are no
 * entries of the ledger: they follow from the segments at each reading. One thread at a time per
 * archive. */
#ifndef TD_FORMAT_SESSION_SPANS_H
#define TD_FORMAT_SESSION_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "format/archive.h"
#include "format/gap.h"

/* One session of a feed: receive times of its first and last received frame. Where a whole hour of
 * UTC has no message of it, it is two: a connection that stands has pongs, so it is unknown what
 * was lost there. */
typedef struct session_span {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint64_t first_ns;
    uint64_t last_ns;
    uint64_t end_ns; /* of its last message of any kind; >= last_ns */
    /* 1: not recorded by us, so it answers for no topic that it does not have. */
    uint8_t is_capture;
    /* Of a feed that has captures: what was received, as "TOPIC" NUL "SYMBOL" NUL one after the
     * other, in no order, each once. Else empty. */
    td_buf topics;
} session_span;

typedef struct session_spans {
    session_span *rows; /* by feed, then first_ns */
    size_t count;
} session_spans;

/* Read them from the segments that are there: of each session and feed its first and its last
 * chunks. A session that received nothing has no row; a segment that cannot be read counts as one
 * that is not there. Nothing for a single file. *out is the caller's, for session_spans_fini, also
 * after a failure. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result session_spans_read(archive *archive, session_spans *out, td_err *err);
void session_spans_fini(session_spans *spans);

/* Add a row for each stretch between spans of a feed that no row of the list covers. A row
 * covers what it spans if it is about a whole connection; one that begins between a session's
 * last frame and its last message is that session's own account of its end, and covers from the
 * last frame on. What was pruned is no gap, and neither is the stretch after it. A topic that some
 * capture of the feed lacks gets rows of its own, for what lies between those that have it; a
 * recorded session that began after them answers for it as well, for its configuration was meant.
 * Reads the journal. */
TD_MUST_USE td_result session_spans_add_gaps(const session_spans *spans, archive *archive,
                                             gap_list *ledger, td_err *err);

#endif
