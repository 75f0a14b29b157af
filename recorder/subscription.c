#include "recorder/subscription.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/name_index.h"
#include "schema/dialect.h"

/* Topics being collected, without repetitions. */
typedef struct collection {
    const feed_config *feed;
    const dialect *dialect;
    subscription *out;
    name_index by_name;
} collection;

/* ---- single topics ---- */

/* Check that the dialect can express the topic, by building a request. */
static td_result check_topic(const collection *all, const char *topic, td_err *err)
{
    const char *last = strrchr(topic, '.');
    last = last == NULL ? topic : last + 1;
    int is_list = strpbrk(last, "*|") != NULL;
    if (is_list && !all->dialect->has_lists) {
        td_err_set(err, TD_E_INVALID,
                   "topic '%s': family '%s' needs one symbol per topic, no list and no '*'", topic,
                   all->feed->family->name);
        td_err_hint(err, "give symbols, or symbols_file, a file with one symbol a line");
        return TD_E_INVALID;
    }
    td_buf request;
    td_buf_init(&request, (size_t)4 * DIALECT_REQUEST_BYTES);
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = &topic, .count = 1};
    td_result rc = all->dialect->build_topics(&request, &ask, err);
    td_buf_fini(&request);
    return rc;
}

static td_result add_topic(collection *all, const char *topic, td_err *err)
{
    if (name_index_find(&all->by_name, td_bytes_str(topic)) != NAME_INDEX_NONE)
        return TD_OK;
    if (all->out->topic_count == LIMIT_FEED_TOPICS)
        return td_err_set(err, TD_E_LIMIT, "more than %u topics", LIMIT_FEED_TOPICS);
    td_result rc = check_topic(all, topic, err);
    if (rc != TD_OK)
        return rc;
    char *copy = td_strdup(topic);
    size_t index = all->out->topic_count++;
    all->out->topics[index] = copy;
    name_index_put(&all->by_name, td_bytes_str(copy), index);
    return TD_OK;
}

static td_result add_joined(collection *all, const char *topic, const char *symbol, td_err *err)
{
    char text[LIMIT_TOPIC_BYTES];
    int length = snprintf(text, sizeof text, "%s.%s", topic, symbol);
    if (length < 0 || (size_t)length >= sizeof text)
        return td_err_set(err, TD_E_INVALID, "topic '%s' with symbol '%s': over %u characters",
                          topic, symbol, LIMIT_TOPIC_BYTES - 1);
    return add_topic(all, text, err);
}

/* ---- all of them ---- */

/* 1 if a topic is subscribed as it is, not once per symbol: it has no symbol ("wallet"), or names
 * one already ("recenttrades.BTC"). Some topics only look as if they named one:
 * "instrument_info.all". */
static int is_whole(const feed_config *feed, const char *topic)
{
    td_bytes symbol;
    const topic_row *row = family_topic_row(feed->family, topic, &symbol);
    if (row == NULL)
        return 0;
    return !topic_row_has_symbol(row) ||
           (symbol.size > 0 && family_topic_named(feed->family, topic) == NULL);
}

/* Refuse a topic that needs a symbol and has none, unless the dialect can subscribe to all symbols.
 */
static td_result refuse_bare(const collection *all, const char *topic, td_err *err)
{
    td_bytes symbol;
    const topic_row *row = family_topic_row(all->feed->family, topic, &symbol);
    if (all->dialect->has_lists || row == NULL || symbol.size > 0 || !topic_row_has_symbol(row))
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "topic '%s' needs a symbol", topic);
    td_err_hint(err, "give symbols (--symbol NAME), or append it to the topic: %s.NAME", topic);
    return TD_E_INVALID;
}

static td_result add_wanted(collection *all, const symbol_list *symbols, td_err *err)
{
    for (size_t t = 0; t < all->feed->topics.count; t++) {
        const char *topic = all->feed->topics.items[t];
        td_result rc = TD_OK;
        if (symbols->count == 0 || is_whole(all->feed, topic)) {
            rc = refuse_bare(all, topic, err);
            if (rc == TD_OK)
                rc = add_topic(all, topic, err);
            if (rc != TD_OK)
                return rc;
            continue;
        }
        for (size_t s = 0; s < symbols->count && rc == TD_OK; s++)
            rc = add_joined(all, topic, symbols->items[s], err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result add_audits(collection *all, td_err *err)
{
    size_t wanted = all->out->topic_count;
    for (size_t i = 0; i < wanted; i++) {
        td_bytes symbol;
        const topic_row *row = family_topic_row(all->feed->family, all->out->topics[i], &symbol);
        if (row == NULL || row->audit == NULL)
            continue;
        char text[LIMIT_TOPIC_BYTES]; /* a longer list of symbols is cut: add_joined refuses it */
        td_result rc;
        if (symbol.size == 0) {
            rc = add_topic(all, row->audit, err);
        } else {
            size_t size = symbol.size < sizeof text ? symbol.size : sizeof text - 1;
            memcpy(text, symbol.data, size);
            text[size] = '\0';
            rc = add_joined(all, row->audit, text, err);
        }
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* ---- connections ---- */

static size_t smaller_limit(size_t a, size_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

/* Distribute the topics over connections: fill one after the other. */
static td_result spread(const collection *all, td_err *err)
{
    subscription *out = all->out;
    size_t topics_max =
        smaller_limit(all->feed->max_topics_per_connection, all->dialect->connection_topics_max);
    size_t bytes_max = all->dialect->connection_bytes_max;
    size_t bytes = 0;
    out->shard_count = 1;
    for (size_t i = 0; i < out->topic_count; i++) {
        size_t more = strlen(out->topics[i]) + 3; /* two quotes and a comma */
        size_t first = out->shards[out->shard_count - 1];
        TD_ASSERT(first <= i);
        int is_full = (topics_max != 0 && i - first == topics_max) ||
                      (bytes_max != 0 && i > first && bytes + more > bytes_max);
        if (is_full && out->shard_count == LIMIT_FEED_SLOTS)
            return td_err_set(err, TD_E_LIMIT,
                              "%zu topics need more than %u connections: raise "
                              "max_topics_per_connection, or split the feed",
                              out->topic_count, LIMIT_FEED_SLOTS);
        if (is_full) {
            out->shards[out->shard_count++] = i;
            bytes = 0;
        }
        bytes += more;
    }
    out->shards[out->shard_count] = out->topic_count;
    return TD_OK;
}

static td_result collect(collection *all, const symbol_list *symbols, td_err *err)
{
    if (all->dialect->subscribes_with_auth) { /* such a dialect has no requests */
        all->out->shard_count = 1;
        return TD_OK;
    }
    td_result rc = add_wanted(all, symbols, err);
    if (rc == TD_OK && all->feed->is_audited)
        rc = add_audits(all, err);
    return rc == TD_OK ? spread(all, err) : rc;
}

td_result subscription_open(const feed_config *feed, const symbol_list *symbols, subscription *out,
                            td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    memset(out, 0, sizeof *out);
    collection all = {.feed = feed, .dialect = feed->family->dialect, .out = out};
    out->topics = td_alloc_zero(LIMIT_FEED_TOPICS, sizeof(char *));
    td_result rc = collect(&all, symbols, err);
    name_index_fini(&all.by_name);
    if (rc == TD_OK)
        return TD_OK;
    subscription_fini(out);
    return td_err_add(err, rc, "feed '%s'", feed->name);
}

void subscription_fini(subscription *self)
{
    for (size_t i = 0; self->topics != NULL && i < self->topic_count; i++)
        td_free(self->topics[i]);
    td_free(self->topics);
    memset(self, 0, sizeof *self);
}

const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count)
{
    TD_ASSERT(shard < self->shard_count);
    TD_ASSERT(self->shards[shard] <= self->shards[shard + 1]);
    *count = self->shards[shard + 1] - self->shards[shard];
    return (const char *const *)self->topics + self->shards[shard];
}
