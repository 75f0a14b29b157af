#include "recorder/subscription.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "schema/dialect.h"

typedef enum collection_kind { COLLECT_ADDED, COLLECT_ENDED } collection_kind;

/* Topics being added or ended. */
typedef struct collection {
    collection_kind kind;
    const feed_config *feed;
    const dialect *dialect;
    subscription *out;
    topic_numbers *changed;
} collection;

/* ---- single topics ---- */

/* Check that the dialect can express the topic, by building a request. */
static td_result check_topic(const collection *all, const char *topic, td_err *err)
{
    int is_list = strpbrk(topic, "*|") != NULL;
    if (is_list && !dialect_has_lists(all->dialect)) {
        td_err_set(err, TD_E_INVALID,
                   "topic '%s': family '%s' needs one symbol per topic, no list and no '*'", topic,
                   all->feed->family->name);
        td_err_hint(err, "give symbols, or symbols_file, a file with one symbol a line");
        return TD_E_INVALID;
    }
    td_buf request;
    td_buf_init(&request, (size_t)4 * DIALECT_REQUEST_BYTES);
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = &topic, .count = 1};
    td_result rc = dialect_ask_topics(all->dialect, &request, &ask, err);
    td_buf_fini(&request);
    return rc;
}

static void note_changed(collection *all, size_t topic)
{
    topic_numbers *changed = all->changed;
    changed->items = td_array_grow(changed->items, changed->count, sizeof *changed->items);
    changed->items[changed->count++] = topic;
}

static void end_topic(collection *all, const char *topic)
{
    size_t index = name_index_find(&all->out->by_name, td_bytes_str(topic));
    if (index == NAME_INDEX_NONE || all->out->is_ended[index])
        return;
    all->out->is_ended[index] = 1;
    note_changed(all, index);
}

/* Refuse a topic whose frames could be of another one that is wanted. */
static td_result refuse_shared(const collection *all, const char *topic, td_err *err)
{
    const family *of = all->feed->family;
    td_bytes symbol;
    const topic_row *row = family_topic_row(of, topic, &symbol);
    for (size_t i = 0; row != NULL && row->shares_frames && i < of->topic_count; i++) {
        char other[LIMIT_TOPIC_BYTES];
        if (!topic_rows_share_frames(row, &of->topics[i]))
            continue;
        (void)topic_write(of->topics, of->topic_count, of->topics[i].name, symbol, other,
                          sizeof other); /* a longer one was refused */
        const size_t known = name_index_find(&all->out->by_name, td_bytes_str(other));
        if (known == NAME_INDEX_NONE || all->out->is_ended[known])
            continue;
        td_err_set(err, TD_E_INVALID,
                   "topics '%s' and '%s': the exchange's frames do not tell them apart", other,
                   topic);
        td_err_hint(err, "record one of them in another feed, which has its own connections");
        return TD_E_INVALID;
    }
    return TD_OK;
}

static td_result add_topic(collection *all, const char *topic, td_err *err)
{
    size_t known = name_index_find(&all->out->by_name, td_bytes_str(topic));
    if (known != NAME_INDEX_NONE) {
        if (!all->out->is_ended[known])
            return TD_OK;
        const td_result rc = refuse_shared(all, topic, err);
        if (rc != TD_OK)
            return rc;
        note_changed(all, known);
        all->out->is_ended[known] = 0;
        return TD_OK;
    }
    if (all->out->topic_count == LIMIT_FEED_TOPICS)
        return td_err_set(err, TD_E_LIMIT, "more than %u topics", LIMIT_FEED_TOPICS);
    td_result rc = check_topic(all, topic, err);
    if (rc == TD_OK)
        rc = refuse_shared(all, topic, err);
    if (rc != TD_OK)
        return rc;
    char *copy = td_strdup(topic);
    size_t index = all->out->topic_count++;
    all->out->topics[index] = copy;
    name_index_put(&all->out->by_name, td_bytes_str(copy), index);
    note_changed(all, index);
    return TD_OK;
}

static td_result take_topic(collection *all, const char *topic, td_err *err)
{
    if (all->kind == COLLECT_ADDED)
        return add_topic(all, topic, err);
    end_topic(all, topic);
    return TD_OK;
}

static td_result take_joined(collection *all, const char *topic, const char *symbol, td_err *err)
{
    char text[LIMIT_TOPIC_BYTES];
    const family *of = all->feed->family;
    int length =
        topic_write(of->topics, of->topic_count, topic, td_bytes_str(symbol), text, sizeof text);
    if (length < 0 || (size_t)length >= sizeof text)
        return td_err_set(err, TD_E_INVALID, "topic '%s' with symbol '%s': over %u characters",
                          topic, symbol, LIMIT_TOPIC_BYTES - 1);
    return take_topic(all, text, err);
}

/* Take the topic of a symbol's coin. It stays when the symbol ends, because the coin has others. */
static td_result take_of_coin(collection *all, const char *topic, const char *symbol, td_err *err)
{
    char coin[LIMIT_SYMBOL_BYTES];
    (void)snprintf(coin, sizeof coin, "%.*s", (int)strcspn(symbol, "-"), symbol); /* fits */
    return all->kind == COLLECT_ENDED ? TD_OK : take_joined(all, topic, coin, err);
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
    if (dialect_has_lists(all->dialect) || row == NULL || symbol.size > 0 ||
        !topic_row_has_symbol(row))
        return TD_OK;
    char example[LIMIT_TOPIC_BYTES]; /* cut if too long */
    (void)topic_write(all->feed->family->topics, all->feed->family->topic_count, topic,
                      td_bytes_str("NAME"), example, sizeof example);
    td_err_set(err, TD_E_INVALID, "topic '%s' needs a symbol", topic);
    td_err_hint(err, "give symbols (--symbol NAME), or %s it to the topic: %s",
                topic_row_end(row)[0] == '\0' ? "append" : "add", example);
    return TD_E_INVALID;
}

static td_result take_wanted(collection *all, const symbol_list *symbols, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t t = 0; rc == TD_OK && t < all->feed->topics.count; t++) {
        const char *topic = all->feed->topics.items[t];
        const topic_row *row = family_topic_named(all->feed->family, topic);
        int is_of_coin =
            row != NULL && topic_row_has_coin(row) && all->feed->family->listing_coins != NULL;
        if (symbols->count > 0 && !is_whole(all->feed, topic)) {
            for (size_t s = 0; rc == TD_OK && s < symbols->count; s++)
                rc = is_of_coin ? take_of_coin(all, topic, symbols->items[s], err)
                                : take_joined(all, topic, symbols->items[s], err);
        } else if (all->kind == COLLECT_ADDED &&
                   (is_whole(all->feed, topic) || all->feed->listing == LIMIT_FEED_HTTP)) {
            rc = refuse_bare(all, topic, err);
            if (rc == TD_OK)
                rc = add_topic(all, topic, err);
        }
    }
    return rc;
}

static td_result take_audits(collection *all, td_err *err)
{
    size_t wanted = all->changed->count;
    for (size_t i = 0; i < wanted; i++) {
        td_bytes symbol;
        const topic_row *row =
            family_topic_row(all->feed->family, all->out->topics[all->changed->items[i]], &symbol);
        if (row == NULL || row->audit == NULL)
            continue;
        char text[LIMIT_TOPIC_BYTES]; /* a longer list of symbols is cut: take_joined refuses it */
        td_result rc;
        if (symbol.size == 0) {
            rc = take_topic(all, row->audit, err);
        } else {
            size_t size = symbol.size < sizeof text ? symbol.size : sizeof text - 1;
            memcpy(text, symbol.data, size);
            text[size] = '\0';
            rc = take_joined(all, row->audit, text, err);
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

/* Bytes of a topic in a request: with two quotes and a comma. */
static size_t topic_bytes(const subscription *self, size_t topic)
{
    return strlen(self->topics[topic]) + 3;
}

/* Each shard has a slot on each line. */
static uint32_t shards_max(const feed_config *feed)
{
    return LIMIT_FEED_SLOTS / config_line_numbers(feed);
}

/* Distribute the topics after the last shard's over connections: fill one after the other. */
static td_result spread(const collection *all, td_err *err)
{
    subscription *out = all->out;
    size_t topics_max =
        smaller_limit(all->feed->max_topics_per_connection, all->dialect->connection_topics_max);
    size_t bytes_max = all->dialect->connection_bytes_max;
    size_t bytes = 0;
    size_t first = out->shards[out->shard_count - 1];
    for (size_t i = first; i < out->shards[out->shard_count]; i++)
        bytes += topic_bytes(out, i);
    for (size_t i = out->shards[out->shard_count]; i < out->topic_count; i++) {
        size_t more = topic_bytes(out, i);
        int is_full = (topics_max != 0 && i - first == topics_max) ||
                      (bytes_max != 0 && i > first && bytes + more > bytes_max);
        if (is_full && out->shard_count == shards_max(all->feed))
            return td_err_set(err, TD_E_LIMIT,
                              "%zu topics need more than %u connections: raise "
                              "max_topics_per_connection, or split the feed",
                              out->topic_count, shards_max(all->feed));
        if (is_full) {
            out->shard_count++;
            first = i;
            bytes = 0;
        }
        bytes += more;
        out->shards[out->shard_count] = i + 1;
    }
    return TD_OK;
}

/* ---- balance ---- */

/* A topic while topics are distributed. */
typedef struct load {
    size_t topic;
    uint64_t frames;
    uint32_t shard;
} load;

/* What a shard has. */
typedef struct shard_load {
    size_t count, bytes;
    uint64_t frames;
} shard_load;

/* The most frames first; the topics' order otherwise. */
static int compare_loads(const void *a, const void *b)
{
    const load *left = a;
    const load *right = b;
    if (left->frames != right->frames)
        return left->frames > right->frames ? -1 : 1;
    return (left->topic > right->topic) - (left->topic < right->topic);
}

static int compare_shards(const void *a, const void *b)
{
    const load *left = a;
    const load *right = b;
    if (left->shard != right->shard)
        return left->shard > right->shard ? 1 : -1;
    return (left->topic > right->topic) - (left->topic < right->topic);
}

/* Set the frames of topics without a number to the least of the others with the same row: most of
 * them are silent, the rest is new. */
static void estimate_loads(const subscription *self, const feed_config *feed, const past_load *past,
                           load *loads)
{
    const size_t row_count = feed->family->topic_count;
    uint64_t *least = td_alloc_zero(row_count + 1, sizeof *least);
    size_t *row_of = td_alloc_zero(self->topic_count + 1, sizeof *row_of);
    for (size_t i = 0; i < self->topic_count; i++) {
        td_bytes symbol;
        const topic_row *row = family_topic_row(feed->family, self->topics[i], &symbol);
        row_of[i] = row == NULL ? row_count : (size_t)(row - feed->family->topics);
        uint64_t *of_row = &least[row_of[i]];
        if (past[i].frames > 0 && (*of_row == 0 || past[i].frames < *of_row))
            *of_row = past[i].frames;
    }
    for (size_t i = 0; i < self->topic_count; i++) {
        uint64_t of_row = least[row_of[i]] == 0 ? 1 : least[row_of[i]];
        loads[i] = (load){i, past[i].frames > 0 ? past[i].frames : of_row, 0};
    }
    td_free(least);
    td_free(row_of);
}

/* How topics are distributed over shards. */
typedef struct distribution {
    size_t topics_max, bytes_max; /* of a shard; 0: no limit */
    uint32_t shards_max;
    uint32_t count;
    shard_load shards[LIMIT_FEED_SLOTS];
} distribution;

static int has_space(const distribution *of, uint32_t shard, size_t bytes)
{
    const shard_load *at = &of->shards[shard];
    return (of->topics_max == 0 || at->count < of->topics_max) &&
           (of->bytes_max == 0 || at->count == 0 || at->bytes + bytes <= of->bytes_max);
}

static void put(distribution *to, uint32_t shard, size_t bytes, load *topic)
{
    to->shards[shard].count++;
    to->shards[shard].bytes += bytes;
    to->shards[shard].frames += topic->frames;
    to->count = shard >= to->count ? shard + 1 : to->count;
    topic->shard = shard;
}

/* The shard with the fewest frames, of those with space, or a new one. */
static uint32_t find_shard(const distribution *of, size_t bytes)
{
    uint32_t best = of->count;
    for (uint32_t k = 0; k < of->count; k++)
        if (has_space(of, k, bytes) &&
            (best == of->count || of->shards[k].frames < of->shards[best].frames))
            best = k;
    return best;
}

/* Give each topic to a shard; with past, to the one that it had. Returns the frames of the fullest
 * shard, or UINT64_MAX if that is not possible. */
static uint64_t deal(const subscription *self, const past_load *past, distribution *to, load *loads)
{
    uint64_t most = 0;
    for (size_t i = 0; i < self->topic_count; i++) {
        const uint32_t shard = past == NULL ? SUBSCRIPTION_NO_SHARD : past[loads[i].topic].shard;
        const size_t bytes = topic_bytes(self, loads[i].topic);
        loads[i].shard = SUBSCRIPTION_NO_SHARD;
        if (shard < to->shards_max && has_space(to, shard, bytes))
            put(to, shard, bytes, &loads[i]);
    }
    for (size_t i = 0; i < self->topic_count; i++) {
        const size_t bytes = topic_bytes(self, loads[i].topic);
        if (loads[i].shard != SUBSCRIPTION_NO_SHARD)
            continue;
        uint32_t shard = find_shard(to, bytes);
        if (shard == to->shards_max)
            return UINT64_MAX;
        put(to, shard, bytes, &loads[i]);
    }
    for (uint32_t k = 0; k < to->count; k++) {
        if (to->shards[k].count == 0)
            return UINT64_MAX;
        most = to->shards[k].frames > most ? to->shards[k].frames : most;
    }
    return most;
}

/* Put the topics in the order of their shards. */
static void reorder(subscription *self, load *loads, uint32_t count)
{
    char **topics = td_alloc_zero(LIMIT_FEED_TOPICS, sizeof(char *));
    qsort(loads, self->topic_count, sizeof *loads, compare_shards);
    name_index_fini(&self->by_name);
    self->by_name = (name_index){0};
    self->shard_count = count;
    for (size_t i = 0; i < self->topic_count; i++) {
        topics[i] = self->topics[loads[i].topic];
        name_index_put(&self->by_name, td_bytes_str(topics[i]), i);
        self->shards[loads[i].shard + 1] = i + 1;
    }
    td_free(self->topics);
    self->topics = topics;
}

void subscription_balance(subscription *self, const feed_config *feed, const past_load *past)
{
    const dialect *of = feed->family->dialect;
    load *kept = td_alloc_zero(self->topic_count + 1, sizeof *kept);
    load *fresh = td_alloc_zero(self->topic_count + 1, sizeof *fresh);
    distribution as_before = {
        .topics_max = smaller_limit(feed->max_topics_per_connection, of->connection_topics_max),
        .bytes_max = of->connection_bytes_max,
        .shards_max = shards_max(feed),
        .count = self->shard_count};
    distribution newly = as_before;
    if (self->shard_count > 1) {
        estimate_loads(self, feed, past, fresh);
        qsort(fresh, self->topic_count, sizeof *fresh, compare_loads);
        memcpy(kept, fresh, self->topic_count * sizeof *kept);
        uint64_t most_kept = deal(self, past, &as_before, kept);
        uint64_t most_fresh = deal(self, NULL, &newly, fresh);
        if (most_kept != UINT64_MAX &&
            (most_fresh == UINT64_MAX || most_kept <= most_fresh + most_fresh / 4))
            reorder(self, kept, as_before.count);
        else if (most_fresh != UINT64_MAX)
            reorder(self, fresh, newly.count);
    }
    td_free(kept);
    td_free(fresh);
}

/* Forget topics that are in no shard. */
static void drop_spare(collection *all)
{
    subscription *out = all->out;
    size_t kept = 0;
    for (size_t i = 0; i < all->changed->count; i++)
        if (all->changed->items[i] < out->shards[out->shard_count])
            all->changed->items[kept++] = all->changed->items[i];
    all->changed->count = kept;
    for (size_t i = out->shards[out->shard_count]; i < out->topic_count; i++)
        out->is_ended[i] = 1;
}

static int compare_numbers(const void *a, const void *b)
{
    const size_t *left = a;
    const size_t *right = b;
    return (*left > *right) - (*left < *right);
}

static td_result collect(collection *all, const symbol_list *symbols, td_err *err)
{
    if (dialect_subscribes_with_auth(all->dialect)) /* such a dialect has no requests */
        return TD_OK;
    td_result rc = take_wanted(all, symbols, err);
    if (rc == TD_OK && all->feed->is_audited)
        rc = take_audits(all, err);
    td_result placed = spread(all, rc == TD_OK ? err : NULL);
    return rc == TD_OK ? placed : rc;
}

td_result subscription_open(const feed_config *feed, const symbol_list *symbols, subscription *out,
                            td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    topic_numbers added = {0};
    memset(out, 0, sizeof *out);
    collection all = {.kind = COLLECT_ADDED,
                      .feed = feed,
                      .dialect = feed->family->dialect,
                      .out = out,
                      .changed = &added};
    out->topics = td_alloc_zero(LIMIT_FEED_TOPICS, sizeof(char *));
    out->is_ended = td_alloc_zero(LIMIT_FEED_TOPICS, 1);
    out->shard_count = 1;
    td_result rc = collect(&all, symbols, err);
    td_free(added.items);
    if (rc == TD_OK)
        return TD_OK;
    subscription_fini(out);
    return td_err_add(err, rc, "feed '%s'", feed->name);
}

td_result subscription_add(subscription *self, const feed_config *feed, const symbol_list *symbols,
                           topic_numbers *changed, td_err *err)
{
    collection all = {.kind = COLLECT_ADDED,
                      .feed = feed,
                      .dialect = feed->family->dialect,
                      .out = self,
                      .changed = changed};
    *changed = (topic_numbers){0};
    td_result rc = collect(&all, symbols, err);
    drop_spare(&all);
    if (changed->count > 0)
        qsort(changed->items, changed->count, sizeof *changed->items, compare_numbers);
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed '%s'", feed->name);
}

void subscription_end(subscription *self, const feed_config *feed, const symbol_list *symbols,
                      topic_numbers *changed)
{
    collection all = {.kind = COLLECT_ENDED,
                      .feed = feed,
                      .dialect = feed->family->dialect,
                      .out = self,
                      .changed = changed};
    *changed = (topic_numbers){0};
    (void)!collect(&all, symbols, NULL); /* a topic that cannot be composed was not added */
}

td_result subscription_change(subscription *self, const feed_config *feed,
                              const subscription *wanted, topic_numbers *begun,
                              topic_numbers *ended, td_err *err)
{
    collection all = {.feed = feed, .dialect = feed->family->dialect, .out = self};
    *begun = *ended = (topic_numbers){0};
    td_result rc = TD_OK;
    all.kind = COLLECT_ENDED;
    all.changed = ended;
    for (size_t i = 0; i < self->topic_count; i++) {
        size_t at = name_index_find(&wanted->by_name, td_bytes_str(self->topics[i]));
        if (at == NAME_INDEX_NONE || wanted->is_ended[at])
            end_topic(&all, self->topics[i]);
    }
    all.kind = COLLECT_ADDED;
    all.changed = begun;
    for (size_t i = 0; rc == TD_OK && i < wanted->topic_count; i++)
        if (!wanted->is_ended[i])
            rc = add_topic(&all, wanted->topics[i], err);
    td_result placed = spread(&all, rc == TD_OK ? err : NULL);
    drop_spare(&all);
    if (begun->count > 0)
        qsort(begun->items, begun->count, sizeof *begun->items, compare_numbers);
    rc = rc == TD_OK ? placed : rc;
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed '%s'", feed->name);
}

void subscription_fini(subscription *self)
{
    for (size_t i = 0; self->topics != NULL && i < self->topic_count; i++)
        td_free(self->topics[i]);
    td_free(self->topics);
    td_free(self->is_ended);
    name_index_fini(&self->by_name);
    memset(self, 0, sizeof *self);
}

const char *const *subscription_shard(const subscription *self, uint32_t shard, size_t *count)
{
    TD_ASSERT(shard < self->shard_count);
    TD_ASSERT(self->shards[shard] <= self->shards[shard + 1]);
    *count = self->shards[shard + 1] - self->shards[shard];
    return (const char *const *)self->topics + self->shards[shard];
}

uint32_t subscription_shard_of(const subscription *self, size_t topic)
{
    uint32_t shard = 0;
    TD_ASSERT(topic < self->shards[self->shard_count]);
    while (self->shards[shard + 1] <= topic)
        shard++;
    return shard;
}
