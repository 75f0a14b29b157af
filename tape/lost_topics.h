/* Topics whose connection is lost at a moment: they are asked for, although no grant is in force.
 * Known from the ledger and from the grants of the connections that were lost. One thread. */
#ifndef TD_TAPE_LOST_TOPICS_H
#define TD_TAPE_LOST_TOPICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "archive/archive_view.h"
#include "archive/gap_index.h"
#include "schema/topic.h"
#include "tape/selection.h"

typedef struct lost_topic {
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char topic[LIMIT_TOPIC_BYTES];
    char symbol[LIMIT_SYMBOL_BYTES]; /* "" if absent */
    char exchange_topic[LIMIT_TOPIC_BYTES];
    const topic_row *row; /* NULL: unknown */
    uint32_t line, shard; /* of the lost connection */
    uint64_t until_ns;    /* it is missing until then */
} lost_topic;

typedef struct lost_topic_list {
    lost_topic *rows;
    size_t count;
} lost_topic_list;

/* Find the selected topics that were granted on a connection of which a gap of the ledger lasts at
 * at_ns. The caller frees the rows with td_free, also after a failure. TD_E_IO. */
TD_MUST_USE td_result lost_topics_find(archive_view *view, const gap_list *ledger,
                                       const selection *wanted, uint64_t at_ns,
                                       lost_topic_list *out, td_err *err);

/* A time for lost_topics_find: when the connection of a topic is lost that had its last frame at
 * last_ns, by the first gap that lasts beyond after_ns. 0: it is not lost. */
uint64_t lost_topics_next_ns(const gap_index *ledger, const channel_info *topic, uint64_t last_ns,
                             uint64_t after_ns);

/* The row of a topic and symbol of a feed, or NULL. */
const lost_topic *lost_topic_list_find(const lost_topic_list *list, const char *feed,
                                       const char *topic, const char *symbol);

/* Until when a feed was asked for that no longer has frames: the last message of the archive, of
 * any feed, while the feed's latest session ran. Of an imported feed 0. */
uint64_t feed_asked_until_ns(archive_view *view, const char *feed);

#endif
