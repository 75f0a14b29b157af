#include "format/chunk_builder_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

enum { BUCKETS_PER_CHANNEL = 2 };

td_result channel_table_init(channel_table *table, uint32_t channels_max, td_err *err)
{
    TD_ASSERT(channels_max > 0);
    /* Smaller segments are divided as the largest one is. */
    uint32_t reserved = channels_max / (LIMIT_SEGMENT_CHANNELS / LIMIT_OWN_CHANNELS);
    *table = (channel_table){.free_first = NONE, .ids_max = {channels_max - reserved, reserved}};
    /* Twice the ids of a segment: those of the segment before are still known. */
    uint32_t buckets = 1;
    while (buckets < channels_max)
        buckets *= 2;
    table->bucket_count = buckets * BUCKETS_PER_CHANNEL;
    table->buckets = td_alloc(table->bucket_count * sizeof *table->buckets);
    if (table->buckets == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a table of %u channels", channels_max);
    for (uint32_t i = 0; i < table->bucket_count; i++)
        table->buckets[i] = NONE;
    return TD_OK;
}

void channel_table_fini(channel_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        td_free(table->channels[i].text);
    for (uint32_t i = 0; i < table->schema_count; i++) {
        td_free(table->schemas[i].name);
        td_free(table->schemas[i].text);
    }
    td_free(table->channels);
    td_free(table->schemas);
    td_free(table->buckets);
    *table = (channel_table){0};
}

static uint32_t bucket_of(const channel_table *table, const channel_info *info)
{
    /* Slots and directions of one topic and symbol share a bucket; there are few. */
    uint64_t hash = td_xxh64(info->topic, strlen(info->topic)) * 31;
    hash += td_xxh64(info->symbol, strlen(info->symbol));
    hash += ((uint64_t)info->line * 131 + info->shard) * 131 + info->dir;
    return (uint32_t)(hash ^ (hash >> 32)) & (table->bucket_count - 1);
}

/* Same channel: everything that its record in the segment would say, but the schema's text. */
static int is_same(const channel_info *a, const channel_info *b)
{
    return channel_info_compare(a, b) == 0 && strcmp(a->family, b->family) == 0 &&
           strcmp(a->exchange_topic, b->exchange_topic) == 0 &&
           strcmp(a->message_encoding, b->message_encoding) == 0 &&
           strcmp(a->schema_name, b->schema_name) == 0;
}

/* Index of the channel that says the same as info, or NONE. */
static uint32_t find_same(const channel_table *table, const channel_info *info)
{
    uint32_t index = table->buckets[bucket_of(table, info)];
    while (index != NONE && !is_same(&table->channels[index].info, info))
        index = table->channels[index].next;
    return index;
}

/* Our own topics: where frames go when there is no room left for others. */
static int is_reserved_topic(const char *topic)
{
    return strcmp(topic, CHANNEL_TOPIC_CONTROL) == 0 || strcmp(topic, CHANNEL_TOPIC_UNKNOWN) == 0 ||
           strcmp(topic, CHANNEL_TOPIC_EVENTS) == 0;
}

/* Names have room for their NUL in a limit of base/limits.h. */
static td_result check_name(const char *what, const char *name, size_t limit, td_err *err)
{
    size_t size = strlen(name);
    if (size >= limit)
        return td_err_set(err, TD_E_INVALID, "channel %s of %zu bytes: at most %zu are allowed",
                          what, size, limit - 1);
    return TD_OK;
}

/* Names at their limits must fit the room that is reserved for a channel's records. */
static td_result check_info(const channel_info *info, td_err *err)
{
    if (info->feed[0] == '\0' || info->topic[0] == '\0')
        return td_err_set(err, TD_E_INVALID, "channel without feed or topic");
    td_result rc = check_name("feed", info->feed, LIMIT_NAME_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("family", info->family, LIMIT_NAME_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("topic", info->topic, LIMIT_TOPIC_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("exchange topic", info->exchange_topic, LIMIT_TOPIC_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("symbol", info->symbol, LIMIT_SYMBOL_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("encoding", info->message_encoding, LIMIT_NAME_BYTES, err);
    if (rc == TD_OK)
        rc = check_name("schema name", info->schema_name, LIMIT_TOPIC_BYTES, err);
    if (rc == TD_OK && info->schema.size > SCHEMA_BYTES_MAX)
        rc = td_err_set(err, TD_E_INVALID, "schema %s of %zu bytes: at most %d are allowed",
                        info->schema_name, info->schema.size, SCHEMA_BYTES_MAX);
    return rc;
}

static int is_same_schema(const schema_state *schema, const channel_info *info)
{
    return schema->use_count > 0 && strcmp(schema->name, info->schema_name) == 0 &&
           td_bytes_equal(td_bytes_of(schema->text, schema->text_bytes), info->schema);
}

/* Copy name and text; nothing changes without memory for both. */
static td_result fill_schema(schema_state *schema, const channel_info *info, td_err *err)
{
    char *name = td_strdup(info->schema_name);
    uint8_t *text = (uint8_t *)td_strndup((const char *)info->schema.data, info->schema.size);
    if (name == NULL || text == NULL) {
        td_free(name);
        td_free(text);
        return td_err_set(err, TD_E_NOMEM, "no memory for schema %s", info->schema_name);
    }
    *schema =
        (schema_state){.name = name, .text = text, .text_bytes = info->schema.size, .use_count = 1};
    return TD_OK;
}

/* Index of the schema of info, with one more use; NONE for a channel without. */
static td_result acquire_schema(channel_table *table, const channel_info *info, uint32_t *out,
                                td_err *err)
{
    *out = NONE;
    if (info->schema_name[0] == '\0')
        return TD_OK;
    uint32_t free_at = table->schema_count;
    for (uint32_t i = 0; i < table->schema_count; i++) {
        if (is_same_schema(&table->schemas[i], info)) {
            table->schemas[i].use_count++;
            *out = i;
            return TD_OK;
        }
        if (table->schemas[i].use_count == 0)
            free_at = i;
    }
    if (free_at == table->schema_count) {
        schema_state *grown = td_array_room(table->schemas, free_at, sizeof *grown);
        if (grown == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for %u schemas", free_at + 1);
        table->schemas = grown;
    }
    td_result rc = fill_schema(&table->schemas[free_at], info, err);
    if (rc != TD_OK)
        return rc;
    if (free_at == table->schema_count)
        table->schema_count++;
    *out = free_at;
    return TD_OK;
}

/* The last channel that uses a schema takes it along. */
static void release_schema(channel_table *table, uint32_t index)
{
    if (index == NONE)
        return;
    schema_state *schema = &table->schemas[index];
    TD_ASSERT(schema->use_count > 0);
    if (--schema->use_count > 0)
        return;
    td_free(schema->name);
    td_free(schema->text);
    *schema = (schema_state){0};
}

/* Copy the strings of info into one piece of memory and point out at the copies. */
static char *copy_info(const channel_info *info, channel_info *out)
{
    const char *const from[] = {info->feed,           info->family, info->topic,
                                info->exchange_topic, info->symbol, info->message_encoding};
    const char **to[] = {&out->feed,           &out->family, &out->topic,
                         &out->exchange_topic, &out->symbol, &out->message_encoding};
    enum { FIELDS = sizeof from / sizeof from[0] };
    size_t total = 0;
    for (int i = 0; i < FIELDS; i++)
        total += strlen(from[i]) + 1;
    char *text = td_alloc(total);
    if (text == NULL)
        return NULL;
    *out = *info;
    char *at = text;
    for (int i = 0; i < FIELDS; i++) {
        size_t size = strlen(from[i]) + 1;
        memcpy(at, from[i], size);
        *to[i] = at;
        at += size;
    }
    TD_ASSERT(at == text + total);
    return text;
}

/* A free place: from the free list, or a new one behind the others. */
static td_result take_place(channel_table *table, uint32_t *out, td_err *err)
{
    if (table->free_first != NONE) {
        *out = table->free_first;
        table->free_first = table->channels[*out].next;
        return TD_OK;
    }
    channel_state *grown = td_array_room(table->channels, table->count, sizeof *grown);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u channels", table->count + 1);
    table->channels = grown;
    *out = table->count++;
    table->channels[*out] = (channel_state){.next = NONE};
    return TD_OK;
}

static void give_place(channel_table *table, uint32_t index)
{
    TD_ASSERT(index < table->count);
    table->channels[index].next = table->free_first;
    table->free_first = index;
}

/* Make the place that channel's: strings copied, schema shared, found by its bucket. */
static td_result fill_place(channel_table *table, uint32_t index, const channel_info *info,
                            td_err *err)
{
    TD_ASSERT(!table->channels[index].is_live);
    uint32_t schema;
    td_result rc = acquire_schema(table, info, &schema, err);
    if (rc != TD_OK)
        return rc;
    channel_info copy;
    char *text = copy_info(info, &copy);
    if (text == NULL) {
        release_schema(table, schema);
        return td_err_set(err, TD_E_NOMEM, "no memory for channel %s", info->topic);
    }
    copy.schema_name = schema == NONE ? "" : table->schemas[schema].name;
    copy.schema = schema == NONE
                      ? td_bytes_of(NULL, 0)
                      : td_bytes_of(table->schemas[schema].text, table->schemas[schema].text_bytes);
    uint32_t bucket = bucket_of(table, info);
    table->channels[index] =
        (channel_state){.info = copy,
                        .text = text,
                        .generation = table->channels[index].generation + 1,
                        .next = table->buckets[bucket],
                        .schema = schema,
                        .is_live = 1,
                        .is_frame = info->dir == CHANNEL_IN || info->dir == CHANNEL_OUT,
                        .is_reserved = (uint8_t)is_reserved_topic(info->topic)};
    table->buckets[bucket] = index;
    table->live_count[table->channels[index].is_reserved]++;
    return TD_OK;
}

/* A channel that is not known yet. */
static td_result add(channel_table *table, const channel_info *info, uint32_t *out, td_err *err)
{
    td_result rc = check_info(info, err);
    if (rc != TD_OK)
        return rc;
    /* This segment's channels and those of the one before may be known at once. */
    int is_reserved = is_reserved_topic(info->topic);
    if (table->live_count[is_reserved] >= 2 * table->ids_max[is_reserved])
        return td_err_set(err, TD_E_LIMIT, "%u channels are known: no room for %s/%s",
                          table->live_count[is_reserved], info->topic, info->symbol);
    uint32_t index;
    rc = take_place(table, &index, err);
    if (rc != TD_OK)
        return rc;
    rc = fill_place(table, index, info, err);
    if (rc != TD_OK) {
        give_place(table, index);
        return rc;
    }
    *out = index;
    return TD_OK;
}

td_result channel_table_get(channel_table *table, const channel_info *info, uint32_t segment_number,
                            chunk_channel *out, td_err *err)
{
    uint32_t index = find_same(table, info);
    if (index == NONE) {
        td_result rc = add(table, info, &index, err);
        if (rc != TD_OK)
            return rc;
    }
    channel_state *channel = &table->channels[index];
    TD_ASSERT(channel->is_live);
    channel->last_segment = segment_number;
    *out = (chunk_channel){.index = index, .generation = channel->generation};
    return TD_OK;
}

channel_state *channel_table_find(channel_table *table, chunk_channel channel)
{
    if (channel.index >= table->count)
        return NULL;
    channel_state *state = &table->channels[channel.index];
    return state->is_live && state->generation == channel.generation ? state : NULL;
}

/* Take it out of its bucket's list. */
static void unlink_channel(channel_table *table, uint32_t index)
{
    uint32_t *link = &table->buckets[bucket_of(table, &table->channels[index].info)];
    while (*link != index) {
        TD_ASSERT(*link != NONE);
        link = &table->channels[*link].next;
    }
    *link = table->channels[index].next;
}

void channel_table_age(channel_table *table, uint32_t segment_number)
{
    for (uint32_t i = 0; i < table->count; i++) {
        channel_state *channel = &table->channels[i];
        TD_ASSERT(channel->pending_count == 0);
        if (!channel->is_live || channel->last_segment >= segment_number)
            continue;
        unlink_channel(table, i);
        table->live_count[channel->is_reserved]--;
        release_schema(table, channel->schema);
        td_free(channel->text);
        *channel = (channel_state){.generation = channel->generation};
        give_place(table, i);
    }
}
