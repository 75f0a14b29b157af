#include "recorder/subscription.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static char *join(const char *topic, const char *symbol)
{
    char text[LIMIT_TOPIC_BYTES];
    int length = snprintf(text, sizeof text, "%s.%s", topic, symbol);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    return td_strdup(text);
}

static td_result fill(const feed_config *feed, subscription *out, td_err *err)
{
    size_t symbols = feed->symbols.count;
    for (size_t t = 0; t < feed->topics.count; t++) {
        for (size_t s = 0; s < (symbols == 0 ? 1 : symbols); s++) {
            char *topic = symbols == 0 ? td_strdup(feed->topics.items[t])
                                       : join(feed->topics.items[t], feed->symbols.items[s]);
            if (topic == NULL)
                return td_err_set(err, TD_E_NOMEM, "no memory for the topics of '%s'", feed->name);
            out->topics[out->topic_count++] = topic;
        }
    }
    return TD_OK;
}

td_result subscription_open(const feed_config *feed, subscription *out, td_err *err)
{
    memset(out, 0, sizeof *out);
    size_t count = feed->topics.count * (feed->symbols.count == 0 ? 1 : feed->symbols.count);
    TD_ASSERT(count > 0);
    size_t per_shard = feed->max_topics_per_connection;
    if (per_shard == 0 || per_shard > count)
        per_shard = count;
    size_t shards = (count + per_shard - 1) / per_shard;
    if (shards > LIMIT_FEED_SLOTS)
        return td_err_set(err, TD_E_LIMIT,
                          "feed '%s' would need %zu connections for %zu topics: at most %u are "
                          "allowed; raise max_topics_per_connection",
                          feed->name, shards, count, LIMIT_FEED_SLOTS);
    out->topics = td_alloc_zero(count, sizeof *out->topics);
    if (out->topics == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu topics", count);
    out->topics_per_shard = per_shard;
    out->shard_count = (uint32_t)shards;
    td_result rc = fill(feed, out, err);
    if (rc != TD_OK)
        subscription_fini(out);
    return rc;
}

void subscription_fini(subscription *self)
{
    for (size_t i = 0; i < self->topic_count; i++)
        td_free(self->topics[i]);
    td_free(self->topics);
    memset(self, 0, sizeof *self);
}

const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count)
{
    TD_ASSERT(shard < self->shard_count);
    size_t first = shard * self->topics_per_shard;
    size_t left = self->topic_count - first;
    *count = left < self->topics_per_shard ? left : self->topics_per_shard;
    return (const char *const *)self->topics + first;
}
