/* When the topics of one feed were asked for: from the grants in its segments, session by session.
 *
 * A topic is asked for from its grant until it is unsubscribed. If its connection is lost, it is
 * asked for until a later connection of the slot is granted topics without it, or else until the
 * session ends. Grants that name no single topic ("*", lists) do not count, nor do grants of frames
 * that came before the answer to a request for several topics. One thread. */
#ifndef TD_ARCHIVE_ASKED_TOPICS_H
#define TD_ARCHIVE_ASKED_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/time_span.h"
#include "archive/name_index.h"
#include "archive/segment_rows.h"

/* A time in which a slot of a session asked for a topic. */
typedef struct asked_span {
    size_t session; /* the caller's number */
    time_span time; /* without an end, while the session is read and it has not ended */
    uint32_t line, shard, conn;
    uint64_t conn_end_ns; /* of the last connection that was granted it; 0: unknown */
} asked_span;

typedef struct asked_topic {
    char *name; /* as the exchange writes it */
    asked_span *spans;
    size_t span_count;
} asked_topic;

/* Zero-initialise. */
typedef struct asked_topics {
    asked_topic *rows;
    size_t count;
    name_index by_name;
} asked_topics;

/* Add the grants of a segment. Segments of a session follow each other, by their numbers. A segment
 * that was granted the same topics as the one before it, and in which none ended
 * (segment_brief.has_ended_grants), need not be added. */
void asked_topics_add(asked_topics *self, size_t session, const segment_rows *rows);

/* The session ended, or its last frame came, at end_ns. */
void asked_topics_end_session(asked_topics *self, size_t session, uint64_t end_ns);

void asked_topics_fini(asked_topics *self);

#endif
