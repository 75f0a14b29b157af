/* Topics that a feed subscribes to, as canonical texts ("orderbook.50.BTCUSDT", "depth.BTCUSDT"),
 * and their distribution over connections. Topics may be added and ended while the feed records;
 * their numbers and shards stay. */
#ifndef TD_RECORDER_SUBSCRIPTION_H
#define TD_RECORDER_SUBSCRIPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/name_index.h"
#include "recorder/config.h"
#include "recorder/symbols.h"

typedef struct subscription {
    char **topics;     /* owned, without repetitions; the array does not move */
    uint8_t *is_ended; /* by topic: 1: not subscribed now */
    size_t topic_count;
    name_index by_name;
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

/* What earlier recordings have of a topic. */
typedef struct past_load {
    uint64_t frames; /* over some time; 0: unknown */
    uint32_t shard;  /* that had it last; SUBSCRIPTION_NO_SHARD: unknown */
} past_load;
#define SUBSCRIPTION_NO_SHARD UINT32_MAX

/* Redistribute the topics over the connections, before the first one connects: each connection
 * gets about the same number of frames. past: by topic. A topic without a number counts as the
 * least of the others of its kind ("tickers"). Topics of one kind are dealt to all connections, so
 * a subscription without known numbers is balanced, too. Topics stay on their shards as long as the
 * fullest shard has at most a quarter more frames than it would have otherwise. */
void subscription_balance(subscription *self, const feed_config *feed, const past_load *past);

/* Numbers of topics. */
typedef struct topic_numbers {
    size_t *items; /* ascending; owned */
    size_t count;
} topic_numbers;

/* Subscribe the feed's topics for more symbols. Topics that the subscription lacks are added to the
 * last shard, as far as they fit on its connection, then to new shards; topics that have ended
 * continue on their shard. *changed gets the numbers of all of them, also after a failure.
 * TD_E_INVALID, TD_E_LIMIT: as subscription_open; the rest is not added. */
TD_MUST_USE td_result subscription_add(subscription *self, const feed_config *feed,
                                       const symbol_list *symbols, topic_numbers *changed,
                                       td_err *err);

/* End the feed's topics for these symbols. *changed gets their numbers. */
void subscription_end(subscription *self, const feed_config *feed, const symbol_list *symbols,
                      topic_numbers *changed);

/* Change the topics to those of another subscription, whose topics the dialect can express: end all
 * others, and add what is missing as subscription_add does. *begun and *ended get their numbers,
 * also after a failure. TD_E_LIMIT: as subscription_open; the rest is not added. */
TD_MUST_USE td_result subscription_change(subscription *self, const feed_config *feed,
                                          const subscription *wanted, topic_numbers *begun,
                                          topic_numbers *ended, td_err *err);

/* The shard of a topic. */
uint32_t subscription_shard_of(const subscription *self, size_t topic);

/* The *count topics of a shard; valid until fini. */
const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count);

#endif
