/* What to ask the exchange for: the topics of a feed as the exchange writes them, spread over
 * connections. */
#ifndef TD_RECORDER_SUBSCRIPTION_H
#define TD_RECORDER_SUBSCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "recorder/config.h"

typedef struct subscription {
    char **topics; /* owned */
    size_t topic_count;
    size_t topics_per_shard; /* shard k has topics [k * this, (k + 1) * this) */
    uint32_t shard_count;
} subscription;

/* Work out a feed's topics: each of its topics for each of its symbols ("trade" and "BTCUSD" give
 * "trade.BTCUSD"), or, without symbols, each as it is given ("trade.BTCUSD|EOSUSD", "trade.*").
 * TD_E_LIMIT: more shards than LIMIT_FEED_SLOTS; TD_E_NOMEM. */
TD_MUST_USE td_result subscription_open(const feed_config *feed, subscription *out, td_err *err);
void subscription_fini(subscription *self);

/* The topics of a shard; *count of them, valid until fini. */
const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count);

#endif
