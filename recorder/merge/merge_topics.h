/* Which topics an archive was to receive of a feed, and when: granted, or with frames, until they
 * were unsubscribed, or until a session began that does not have them. Times rise from call to
 * call. One thread. */
#ifndef TD_MERGE_MERGE_TOPICS_H
#define TD_MERGE_MERGE_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "archive/archive.h"
#include "archive/event.h"
#include "archive/gap.h"
#include "archive/name_index.h"

typedef struct merge_topic {
    char *key;         /* name, and topic and symbol if it has frames, a line each */
    size_t name_size;  /* of the name in key, as the exchange writes it */
    uint64_t from_ns;  /* when it was first wanted */
    uint64_t until_ns; /* UINT64_MAX: it still is */
    uint32_t session;  /* number of the last session that had it */
} merge_topic;

/* All zero is empty. */
typedef struct merge_topics {
    merge_topic *items;
    size_t count;
    name_index by_key;
    uint32_t session; /* number */
    char session_id[SESSION_ID_BYTES];
} merge_topics;

/* Free all topics. */
void merge_topics_fini(merge_topics *self);

/* A frame of the channel, or an event, was received in a session. */
void merge_topics_frame(merge_topics *self, const char *session, const channel_info *info,
                        uint64_t recv_ns);
void merge_topics_event(merge_topics *self, const char *session, const event *of, uint64_t recv_ns);

/* The topic as the exchange writes it. */
td_bytes merge_topics_name(const merge_topic *topic);

/* 1 if the topic was wanted during a row. */
int merge_topics_is_wanted(const merge_topic *topic, const gap_row *row);

/* 1 if the archive has frames of a row's topic and symbol, or the row is of a whole connection. */
int merge_topics_has_row(const merge_topics *self, const gap_row *row);

#endif
