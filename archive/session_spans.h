/* When each session of a feed received frames, and what lies between them. Sessions overlap, touch
 * or leave stretches, in whatever order they came into the archive; so these stretches are no
 * entries of the ledger: they follow from the segments at each reading. */
#ifndef TD_ARCHIVE_SESSION_SPANS_H
#define TD_ARCHIVE_SESSION_SPANS_H

#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/gap.h"
#include "archive/name_index.h"
#include "archive/segment_rows.h"
#include "format/segment_index.h"

/* One session of a feed (at first one segment of it): receive times of its first and last received
 * frame. A session without any message in a whole hour of UTC is two spans: an open connection has
 * pongs, so frames may be missing in that hour. */
typedef struct session_span {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    size_t session_number; /* in session_spans.sessions */
    uint32_t number;       /* of its first segment */
    uint64_t first_s;      /* by the names of its first and last segment */
    uint64_t last_s;
    uint64_t first_ns; /* 0: nothing was received */
    uint64_t last_ns;
    uint64_t end_ns;    /* of its last message of any kind; >= last_ns */
    uint8_t is_capture; /* 1: imported: it proves nothing about topics that it lacks */
} session_span;

/* Names of three texts, each with its NUL, by number. */
typedef struct span_names {
    name_index by_name;
    char **texts;
    size_t count;
} span_names;

/* Which sessions had a topic: a bit for each. */
typedef struct topic_sessions {
    uint8_t *bits;
    size_t bytes;
} topic_sessions;

/* As many as the channels of so many segments. */
#define SPAN_TOPICS_MAX ((size_t)16 * LIMIT_SEGMENT_CHANNELS)

/* All zero is an empty one. */
typedef struct session_spans {
    session_span *rows;
    size_t count;
    span_names sessions; /* feed, session, "" */
    span_names topics;   /* feed, topic, symbol */
    topic_sessions *had; /* by topic */
    size_t had_capacity;
    span_names captures; /* feeds that have some: feed, "", "" */
    uint8_t is_full;     /* 1: there are SPAN_TOPICS_MAX, and perhaps more, which get no rows */
} session_spans;

/* Add what a segment received, in any order; and its topics, of its INDEX_FULL, once. These count
 * only for a feed that has imports. */
void session_spans_add(session_spans *spans, const segment_name *name, const segment_brief *brief);
void session_spans_add_topics(session_spans *spans, const segment_name *name,
                              const segment_index *index);

/* 1 if a segment of the feed that was added is imported. */
int session_spans_has_captures(const session_spans *spans, const char *feed);

void session_spans_fini(session_spans *spans);

/* Once all segments are added: add a row for each stretch between spans of a feed that no row of
 * the list covers. A row of a whole connection covers its time; if it begins between a session's
 * last frame and its last message, it describes the end of that session and covers from the last
 * frame on. Pruned time is not a gap, nor is the stretch after it. A topic that is missing from
 * some capture of the feed gets rows of its own, between the sessions that have it. A recorded
 * session that began after these counts as having the topic: its configuration left the topic out.
 */
void session_spans_add_gaps(session_spans *spans, const archive_history *past, gap_list *ledger);

/* Receive times of a feed's first and last received frame, in the segments that can be read; 0 and
 * 0: no segment of the feed can be read. */
void archive_feed_range(archive_view *view, const char *feed, uint64_t *first_ns,
                        uint64_t *last_ns);

#endif
