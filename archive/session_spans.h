/* The times in which each session of a feed received frames, the gaps between them, and the pruned
 * stretches between frames that were kept. Sessions may overlap, touch or leave time uncovered, and
 * enter the archive in any order (imports). So these gaps are not stored in the ledger, but derived
 * from the segments whenever it is read. */
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

/* Receive times of the first and last received frame of one session of a feed (of one segment,
 * before segments are joined). A session without any message in a whole UTC hour makes two spans:
 * an open connection has pongs, so frames may be missing in that hour. */
typedef struct session_span {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    size_t session_number; /* in session_spans.sessions */
    uint32_t number;       /* of its first segment */
    uint64_t first_s;      /* from the names of its first and last segment */
    uint64_t last_s;
    uint64_t first_ns; /* 0: nothing was received */
    uint64_t last_ns;
    uint64_t end_ns;    /* of its last message of any kind; >= last_ns */
    uint8_t is_capture; /* 1: imported: it proves nothing about topics that it lacks */
    uint8_t is_pruned;  /* 1: its segments were removed */
} session_span;

/* Names that consist of three texts, each with its NUL, by number. */
typedef struct span_names {
    name_index by_name;
    char **texts;
    size_t count;
} span_names;

/* The sessions that had a topic: a bit for each. */
typedef struct topic_sessions {
    uint8_t *bits;
    size_t bytes;
} topic_sessions;

/* Limit of topics: the channels of 16 full segments. */
#define SPAN_TOPICS_MAX ((size_t)16 * LIMIT_SEGMENT_CHANNELS)

/* All zero is an empty value. */
typedef struct session_spans {
    session_span *rows;
    size_t count;
    span_names sessions; /* names: feed, session, "" */
    span_names topics;   /* names: feed, topic, symbol */
    topic_sessions *had; /* for each name in topics, the sessions that had it */
    size_t had_capacity;
    span_names captures; /* feeds that have captures: feed, "", "" */
    uint8_t is_full;     /* 1: SPAN_TOPICS_MAX was reached; further topics get no gaps */
} session_spans;

/* session_spans_add adds the received range of a segment; the order of the segments does not
 * matter. session_spans_add_topics adds a segment's topics, from its index with INDEX_FULL, once.
 * Topics matter only for a feed that has imports. */
void session_spans_add(session_spans *spans, const segment_name *name, const segment_brief *brief);
void session_spans_add_topics(session_spans *spans, const segment_name *name,
                              const segment_index *index);

/* 1 if an added segment of the feed is imported. */
int session_spans_has_captures(const session_spans *spans, const char *feed);

void session_spans_fini(session_spans *spans);

/* After all segments were added: add a gap for each time between spans of a feed that no gap of the
 * ledger covers. A gap of a whole connection covers its time. A gap that begins between a session's
 * last frame and the session's last message describes the end of that session, and covers from the
 * last frame on. Time that was pruned, with the time after it until the next frame, gets a row of
 * reason pruned if the feed has frames before and after it; before the feed's first frame it gets
 * none. If some capture of the feed lacks a topic, the topic gets gaps of its own, between the
 * sessions that have it. A recorded session that began after the end of these sessions counts as
 * having the topic: the topic was not configured any more. */
void session_spans_add_gaps(session_spans *spans, const archive_history *past, gap_list *ledger);

/* Receive times of a feed's first and last received frame in readable segments, or 0. */
void archive_feed_range(archive_view *view, const char *feed, uint64_t *first_ns,
                        uint64_t *last_ns);

#endif
