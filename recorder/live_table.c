#include "recorder/live_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"

void live_table_init(live_table *table, size_t max_bytes)
{
    TD_ASSERT(max_bytes > 0);
    memset(table, 0, sizeof *table);
    table->max_bytes = max_bytes;
}

static int has_space(const live_table *table, size_t bytes)
{
    return table->used_bytes <= table->max_bytes && bytes <= table->max_bytes - table->used_bytes;
}

/* ---- finding ---- */

static uint32_t bucket_of(uint16_t feed_index, const char *name)
{
    uint64_t hash = td_xxh64(name, strlen(name)) + feed_index * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ (hash >> 32)) & (LIVE_TABLE_BUCKETS - 1);
}

/* Slots of a feed, and parameters of one exchange topic, share a bucket. */
static uint32_t channel_bucket(uint16_t feed_index, const channel_info *info)
{
    return bucket_of(feed_index,
                     info->exchange_topic[0] != '\0' ? info->exchange_topic : info->symbol);
}

static int is_same(const channel_info *a, const channel_info *b)
{
    return a->line == b->line && a->shard == b->shard && a->dir == b->dir &&
           strcmp(a->topic, b->topic) == 0 && strcmp(a->exchange_topic, b->exchange_topic) == 0 &&
           strcmp(a->symbol, b->symbol) == 0;
}

static live_channel *find(const live_table *table, uint16_t feed_index, const channel_info *info)
{
    live_channel *at = table->buckets[channel_bucket(feed_index, info)];
    while (at != NULL && (at->feed_index != feed_index || !is_same(&at->info, info)))
        at = at->next;
    return at;
}

/* ---- adding ---- */

/* Copies of the names that findings need, in one piece of memory. */
static void copy_info(live_channel *to, const channel_info *info)
{
    const char *const from[] = {info->feed, info->family, info->topic, info->exchange_topic,
                                info->symbol};
    const char **into[] = {&to->info.feed, &to->info.family, &to->info.topic,
                           &to->info.exchange_topic, &to->info.symbol};
    enum { FIELDS = sizeof from / sizeof from[0] };
    size_t total = 0;
    for (int i = 0; i < FIELDS; i++)
        total += strlen(from[i]) + 1;
    char *at = to->text = td_alloc(total);
    to->info = (channel_info){
        .line = info->line, .shard = info->shard, .dir = info->dir, .opcode = info->opcode};
    for (int i = 0; i < FIELDS; i++) {
        size_t size = strlen(from[i]) + 1;
        memcpy(at, from[i], size);
        *into[i] = at;
        at += size;
    }
    to->info.message_encoding = to->info.schema_name = "";
}

/* What a channel costs besides its track. */
static size_t channel_bytes(const live_channel *channel)
{
    const channel_info *info = &channel->info;
    return sizeof *channel + sizeof(live_channel *) + sizeof(follow_conn) + strlen(info->feed) +
           strlen(info->family) + strlen(info->topic) + strlen(info->exchange_topic) +
           strlen(info->symbol) + 5;
}

live_channel *live_table_get(live_table *table, uint16_t feed_index, const channel_info *info)
{
    TD_ASSERT(feed_index < LIMIT_FEEDS);
    live_channel *known = find(table, feed_index, info);
    if (known != NULL)
        return known;
    live_channel *made = td_alloc_zero(1, sizeof *made);
    copy_info(made, info);
    if (!has_space(table, channel_bytes(made))) {
        td_free(made->text);
        td_free(made);
        table->feeds[feed_index].has_holes = 1;
        return NULL;
    }
    uint32_t bucket = channel_bucket(feed_index, info);
    made->feed_index = feed_index;
    made->segment = table->feeds[feed_index].segment;
    made->next = table->buckets[bucket];
    made->place = table->count;
    table->all = td_array_grow(table->all, table->count, sizeof(live_channel *));
    table->buckets[bucket] = made;
    table->all[table->count++] = made;
    table->used_bytes += channel_bytes(made);
    return made;
}

void live_table_touch(live_table *table, live_channel *channel)
{
    channel->segment = table->feeds[channel->feed_index].segment;
    if (channel->symbol != NULL)
        channel->symbol->segment = channel->segment;
}

/* ---- tracks ---- */

static void close_track(live_table *table, live_channel *channel)
{
    TD_ASSERT(table->used_bytes >= channel->track_bytes);
    table->used_bytes -= channel->track_bytes;
    channel->track_bytes = 0;
    follower_close(&channel->follower);
}

/* Drop its track until memory is free again. */
static void leave_unchecked(live_table *table, live_channel *channel)
{
    close_track(table, channel);
    channel->is_unchecked = 1;
    table->feeds[channel->feed_index].has_holes = 1;
}

int live_table_charge_track(live_table *table, live_channel *channel)
{
    TD_ASSERT(channel->follower.track != NULL);
    size_t bytes = track_bytes(channel->follower.track);
    if (TD_LIKELY(bytes == channel->track_bytes))
        return 1;
    table->used_bytes += bytes - channel->track_bytes; /* modulo 2^64: it may have shrunk */
    channel->track_bytes = bytes;
    if (table->used_bytes <= table->max_bytes)
        return 1;
    leave_unchecked(table, channel);
    return 0;
}

int live_table_meet(live_table *table, live_channel *channel, uint32_t conn)
{
    const follower_conn from = {.shard = channel->info.shard, .conn = conn};
    follower_step step = follower_meet(&channel->follower, &from, channel->topic.row);
    if (TD_LIKELY(step != FOLLOWER_BEGINS))
        return 1;
    /* Without the snapshot that perhaps came before, nothing can be judged until the next one. */
    if (table->feeds[channel->feed_index].has_holes)
        track_join(channel->follower.track);
    return live_table_charge_track(table, channel);
}

/* ---- audits ---- */

static live_symbol *find_symbol(live_table *table, const live_channel *channel)
{
    uint32_t bucket = bucket_of(channel->feed_index, channel->info.symbol);
    for (live_symbol *symbol = table->symbols[bucket]; symbol != NULL; symbol = symbol->next) {
        if (symbol->feed_index == channel->feed_index &&
            strcmp(symbol->name, channel->info.symbol) == 0)
            return symbol;
    }
    live_symbol *made;
    if (!has_space(table, sizeof *made))
        return NULL;
    made = td_alloc_zero(1, sizeof *made);
    made->name = channel->info.symbol;
    made->feed_index = channel->feed_index;
    made->segment = channel->segment;
    made->next = table->symbols[bucket];
    table->symbols[bucket] = made;
    table->used_bytes += sizeof *made;
    return made;
}

static void close_audit(live_table *table, live_symbol *symbol)
{
    TD_ASSERT(table->used_bytes >= symbol->audit_bytes);
    table->used_bytes -= symbol->audit_bytes;
    symbol->audit_bytes = 0;
    audit_close(symbol->audit);
    symbol->audit = NULL;
}

int live_table_charge_audit(live_table *table, live_symbol *symbol)
{
    TD_ASSERT(symbol->audit != NULL);
    size_t bytes = audit_bytes(symbol->audit);
    if (TD_LIKELY(bytes == symbol->audit_bytes))
        return 1;
    table->used_bytes += bytes - symbol->audit_bytes;
    symbol->audit_bytes = bytes;
    if (table->used_bytes <= table->max_bytes)
        return 1;
    close_audit(table, symbol);
    symbol->is_unaudited = 1;
    for (live_stream *stream = symbol->streams; stream != NULL; stream = stream->next)
        stream->member.member = NULL;
    return 0;
}

/* The stream of a channel of the symbol. 1: it is new. */
static int join_stream(live_table *table, live_symbol *symbol, live_channel *channel)
{
    const channel_info *info = &channel->info;
    live_stream *stream = symbol->streams;
    while (stream != NULL &&
           (stream->info->line != info->line || strcmp(stream->info->topic, info->topic) != 0))
        stream = stream->next;
    channel->stream = stream;
    if (stream != NULL || !has_space(table, sizeof *stream))
        return 0;
    stream = td_alloc_zero(1, sizeof *stream);
    stream->info = info;
    stream->next = symbol->streams;
    symbol->streams = stream;
    channel->stream = stream;
    table->used_bytes += sizeof *stream;
    return 1;
}

/* Free what a symbol has besides its audit. */
static void free_symbol(live_table *table, live_symbol *symbol)
{
    while (symbol->streams != NULL) {
        live_stream *next = symbol->streams->next;
        follow_fini(&symbol->streams->follow);
        td_free(symbol->streams);
        table->used_bytes -= sizeof *next;
        symbol->streams = next;
    }
    table->used_bytes -= sizeof *symbol;
    td_free(symbol);
}

static int channel_has_ended(void *user, const follow_conn *conn, uint64_t recv_ns)
{
    (void)user;
    (void)recv_ns;
    const live_channel *channel = conn->slot;
    return channel->follower.from.conn != conn->conn || channel->ended_conn == conn->conn;
}

follow_answer live_channel_follow(live_channel *channel, uint64_t recv_ns)
{
    TD_ASSERT(channel->stream != NULL);
    const follow_conn now = {
        .slot = channel, .conn = channel->follower.from.conn, .last_ns = recv_ns};
    return follow_take(&channel->stream->follow, &now, channel_has_ended, NULL);
}

void live_table_end_connection(live_table *table, uint16_t feed_index, uint32_t line,
                               uint32_t shard, uint32_t conn)
{
    for (uint32_t i = 0; i < table->count; i++) {
        live_channel *channel = table->all[i];
        if (channel->feed_index == feed_index && channel->info.line == line &&
            channel->info.shard == shard)
            channel->ended_conn = conn;
    }
}

void live_table_join_symbol(live_table *table, live_channel *channel)
{
    channel->part = audit_part_of(channel->topic.row);
    if (channel->part == AUDIT_NONE)
        return;
    live_symbol *symbol = channel->symbol = find_symbol(table, channel);
    if (symbol == NULL)
        return;
    symbol->segment = channel->segment;
    if (!join_stream(table, symbol, channel))
        return;
    symbol->parts[channel->part]++;
    symbol->useful = audit_useful_parts(symbol->parts);
    if (symbol->useful == 0 || symbol->audit != NULL || symbol->is_unaudited)
        return;
    symbol->audit = audit_open();
    (void)live_table_charge_audit(table, symbol); /* beyond the budget there is none */
}

/* ---- forgetting ---- */

static void free_channel(live_table *table, live_channel *channel)
{
    live_channel **link = &table->buckets[channel_bucket(channel->feed_index, &channel->info)];
    while (*link != channel)
        link = &(*link)->next;
    *link = channel->next;
    table->all[channel->place] = table->all[--table->count];
    table->all[channel->place]->place = channel->place;
    if (channel->follower.track != NULL)
        close_track(table, channel);
    table->used_bytes -= channel_bytes(channel);
    td_free(channel->text);
    td_free(channel);
}

/* 1 if neither it nor, where topics are compared, any topic of its symbol had a frame. */
static int is_unused(const live_table *table, const live_channel *channel)
{
    uint32_t segment = channel->symbol != NULL ? channel->symbol->segment : channel->segment;
    return segment != table->feeds[channel->feed_index].segment;
}

/* Symbols go before their channels: the symbol is a channel's. */
static void forget_symbols(live_table *table, uint16_t feed_index)
{
    for (uint32_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        live_symbol **link = &table->symbols[i];
        while (*link != NULL) {
            live_symbol *symbol = *link;
            if (symbol->feed_index != feed_index ||
                symbol->segment == table->feeds[feed_index].segment) {
                link = &symbol->next;
                continue;
            }
            *link = symbol->next;
            if (symbol->audit != NULL)
                close_audit(table, symbol);
            free_symbol(table, symbol);
        }
    }
}

static uint32_t forget_unused(live_table *table, uint16_t feed_index)
{
    uint32_t broken = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        live_channel *channel = table->all[i];
        channel->is_leaving = channel->feed_index == feed_index && is_unused(table, channel);
        broken += channel->is_leaving && channel->broken_from_ns != 0;
    }
    forget_symbols(table, feed_index);
    for (uint32_t i = 0; i < table->count;) {
        if (!table->all[i]->is_leaving) {
            i++;
            continue;
        }
        free_channel(table, table->all[i]); /* another one has its place now */
        table->feeds[feed_index].has_holes = 1;
    }
    return broken;
}

/* Check dropped tracks again. */
static void retry(live_table *table, uint16_t feed_index)
{
    for (uint32_t i = 0; i < table->count; i++) {
        live_channel *channel = table->all[i];
        if (channel->feed_index != feed_index)
            continue;
        if (channel->is_unchecked)
            channel->is_unchecked = channel->is_met = 0;
    }
}

uint32_t live_table_begin_segment(live_table *table, uint16_t feed_index)
{
    TD_ASSERT(feed_index < LIMIT_FEEDS);
    uint32_t broken = 0;
    if (table->used_bytes > table->max_bytes / 2)
        broken = forget_unused(table, feed_index);
    if (table->used_bytes <= table->max_bytes / 2)
        retry(table, feed_index);
    table->feeds[feed_index].segment++;
    return broken;
}

void live_table_fini(live_table *table)
{
    for (uint32_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        while (table->symbols[i] != NULL) {
            live_symbol *symbol = table->symbols[i];
            table->symbols[i] = symbol->next;
            audit_close(symbol->audit);
            free_symbol(table, symbol);
        }
    }
    for (uint32_t i = 0; i < table->count; i++) {
        follower_close(&table->all[i]->follower);
        td_free(table->all[i]->text);
        td_free(table->all[i]);
    }
    td_free(table->all);
    *table = (live_table){0};
}
