/* Topics that a feed subscribes to, as canonical texts ("orderbook.50.BTCUSDT", "depth.BTCUSDT"),
 * and their distribution over connections. */
#ifndef TD_RECORDER_SUBSCRIPTION_H
#define TD_RECORDER_SUBSCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "recorder/config.h"
#include "recorder/symbols.h"

typedef struct subscription {
    char **topics; /* owned, without repetitions */
    size_t topic_count;
    size_t shards[LIMIT_FEED_SLOTS + 1]; /* shard k has topics [shards[k], shards[k + 1]) */
    uint32_t shard_count;                /* at least 1, even without topics */
} subscription;

/* Make the topics of a finished feed configuration: each topic for each symbol ("publicTrade"
 * and "BTCUSDT" give "publicTrade.BTCUSDT"), or, without symbols, each topic as given
 * ("publicTrade.BTCUSDT").
 * A topic whose row has no symbol ("wallet") is used once, as it is. With `audit`, the topics that
 * audit these are appended (topic_row.audit). A connection gets at most max_topics_per_connection
 * topics, and no more topics or text than the dialect allows.
 *
 * TD_E_INVALID: a topic that the dialect cannot express, or a list or '*' in a dialect without
 * lists; TD_E_LIMIT: more shards than LIMIT_FEED_SLOTS, or more topics than LIMIT_FEED_TOPICS. */
TD_MUST_USE td_result subscription_open(const feed_config *feed, const symbol_list *symbols,
                                        subscription *out, td_err *err);
void subscription_fini(subscription *self);

/* The *count topics of a shard; valid until fini. */
const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count);

#endif
