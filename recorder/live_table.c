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

static live_symbol **bucket_of(live_table *table, uint16_t feed_index, const char *name)
{
    uint64_t hash = td_xxh64(name, strlen(name)) + feed_index * UINT64_C(0x9e3779b97f4a7c15);
    return &table->symbols[(hash ^ hash >> 32) & (LIVE_TABLE_BUCKETS - 1)];
}

static live_symbol *find_symbol(live_table *table, uint16_t feed_index, const char *name)
{
    live_symbol *at = *bucket_of(table, feed_index, name);
    while (at != NULL && (at->feed_index != feed_index || strcmp(at->name, name) != 0))
        at = at->next;
    return at;
}

static live_channel *find_channel(live_symbol *symbol, const channel_info *info)
{
    live_channel *at = symbol->channels;
    while (at != NULL && (at->info.line != info->line || at->info.shard != info->shard ||
                          strcmp(at->info.topic, info->topic) != 0 ||
                          strcmp(at->info.exchange_topic, info->exchange_topic) != 0))
        at = at->next;
    return at;
}

/* ---- adding ---- */

static size_t text_bytes(const channel_info *info)
{
    return strlen(info->feed) + strlen(info->family) + strlen(info->topic) +
           strlen(info->exchange_topic) + strlen(info->symbol) + 5;
}

/* Copies of the names that findings need, in one piece of memory. */
static void copy_info(live_channel *to, const channel_info *info)
{
    const char *const from[] = {info->feed, info->family, info->topic, info->exchange_topic,
                                info->symbol};
    const char **into[] = {&to->info.feed, &to->info.family, &to->info.topic,
                           &to->info.exchange_topic, &to->info.symbol};
    char *at = to->text = td_alloc(text_bytes(info));
    to->info = (channel_info){
        .line = info->line, .shard = info->shard, .dir = info->dir, .opcode = info->opcode};
    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        size_t size = strlen(from[i]) + 1;
        memcpy(at, from[i], size);
        *into[i] = at;
        at += size;
    }
    to->info.message_encoding = to->info.schema_name = "";
}

static void open_state(live_table *table, live_symbol *symbol)
{
    symbol->state = symbol_state_open(SYMBOL_WITH_AUDITS);
    symbol->state_bytes = symbol_state_bytes(symbol->state);
    table->used_bytes += symbol->state_bytes;
}

static live_symbol *add_symbol(live_table *table, uint16_t feed_index, const char *name)
{
    live_symbol **bucket = bucket_of(table, feed_index, name);
    size_t name_bytes = strlen(name) + 1;
    live_symbol *made = td_alloc_zero(1, sizeof *made + name_bytes);
    memcpy(made->name, name, name_bytes);
    made->feed_index = feed_index;
    made->segment = table->feeds[feed_index].segment;
    made->bytes = sizeof *made + name_bytes;
    made->next = *bucket;
    *bucket = made;
    table->used_bytes += made->bytes;
    open_state(table, made);
    return made;
}

live_channel *live_table_get(live_table *table, uint16_t feed_index, const channel_info *info,
                             const topic_match *topic)
{
    TD_ASSERT(feed_index < LIMIT_FEEDS);
    live_symbol *symbol = find_symbol(table, feed_index, info->symbol);
    live_channel *known = symbol == NULL ? NULL : find_channel(symbol, info);
    if (known != NULL)
        return known;
    size_t bytes = sizeof(live_channel) + text_bytes(info);
    if (!has_space(table, bytes + sizeof *symbol + strlen(info->symbol) + 1)) {
        table->feeds[feed_index].has_holes = 1;
        return NULL;
    }
    if (symbol == NULL)
        symbol = add_symbol(table, feed_index, info->symbol);
    live_channel *made = td_alloc_zero(1, sizeof *made);
    copy_info(made, info);
    made->topic = *topic;
    made->conn = (frame_conn){.line = info->line, .shard = info->shard};
    made->symbol = symbol;
    made->next = symbol->channels;
    symbol->channels = made;
    symbol->bytes += bytes;
    table->used_bytes += bytes;
    return made;
}

/* ---- the state of a symbol ---- */

static int channel_has_ended(void *user, const follow_conn *conn, uint64_t recv_ns)
{
    (void)user;
    (void)recv_ns;
    const live_channel *channel = conn->slot;
    return channel->conn.number != conn->conn || channel->ended_conn == conn->conn;
}

int live_table_meet(live_table *table, live_channel *channel, uint32_t conn, uint64_t recv_ns,
                    uint64_t granted_ns, follow_answer *out)
{
    live_symbol *symbol = channel->symbol;
    symbol->segment = table->feeds[symbol->feed_index].segment;
    if (symbol->state == NULL)
        return 0;
    if (table->feeds[symbol->feed_index].has_holes && !symbol->is_joined)
        symbol_state_join(symbol->state);
    symbol->is_joined = table->feeds[symbol->feed_index].has_holes;
    if (channel->state == NULL) {
        td_bytes topic = td_bytes_str(channel->info.topic);
        channel->state = symbol_state_topic(symbol->state, topic, channel->info.line);
        if (symbol_topic_user(channel->state) == NULL)
            symbol_topic_set_user(channel->state, channel);
    }
    channel->conn.number = conn;
    const follow_conn now = {.slot = channel,
                             .shard = channel->info.shard,
                             .conn = conn,
                             .last_ns = recv_ns,
                             .granted_ns = granted_ns};
    live_channel *first = symbol_topic_user(channel->state);
    *out = follow_take(&first->follow, &now, channel_has_ended, NULL);
    return 1;
}

static void drop_state(live_table *table, live_symbol *symbol)
{
    table->feeds[symbol->feed_index].has_holes = 1;
    table->used_bytes -= symbol->state_bytes;
    symbol_state_close(symbol->state);
    symbol->state = NULL;
    symbol->state_bytes = 0;
    symbol->is_joined = 0;
    for (live_channel *at = symbol->channels; at != NULL; at = at->next) {
        at->state = NULL;
        follow_fini(&at->follow);
    }
}

int live_table_charge(live_table *table, live_symbol *symbol)
{
    size_t bytes = symbol_state_bytes(symbol->state);
    table->used_bytes += bytes - symbol->state_bytes; /* modulo 2^64: it may have shrunk */
    symbol->state_bytes = bytes;
    if (TD_LIKELY(table->used_bytes <= table->max_bytes))
        return 1;
    drop_state(table, symbol);
    return 0;
}

void live_table_end_connection(live_table *table, uint16_t feed_index, uint32_t line,
                               uint32_t shard, uint32_t conn)
{
    for (size_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        for (live_symbol *symbol = table->symbols[i]; symbol != NULL; symbol = symbol->next) {
            for (live_channel *at = symbol->channels; at != NULL; at = at->next)
                if (symbol->feed_index == feed_index && at->info.line == line &&
                    at->info.shard == shard)
                    at->ended_conn = conn;
        }
    }
}

void live_table_skip(live_table *table, uint64_t recv_ns)
{
    for (size_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        for (live_symbol *symbol = table->symbols[i]; symbol != NULL; symbol = symbol->next) {
            for (live_channel *at = symbol->channels; at != NULL; at = at->next)
                if (at->state != NULL)
                    symbol_topic_skip(at->state, recv_ns);
        }
    }
}

/* ---- forgetting ---- */

/* Free a symbol that is in no bucket any more. Returns how many of its channels have a broken book.
 */
static uint32_t free_symbol(live_table *table, live_symbol *symbol)
{
    uint32_t broken = 0;
    table->used_bytes -= symbol->bytes + symbol->state_bytes;
    while (symbol->channels != NULL) {
        live_channel *next = symbol->channels->next;
        broken += symbol->channels->broken_from_ns != 0;
        follow_fini(&symbol->channels->follow);
        td_free(symbol->channels->text);
        td_free(symbol->channels);
        symbol->channels = next;
    }
    symbol_state_close(symbol->state);
    td_free(symbol);
    return broken;
}

static uint32_t forget_unused(live_table *table, uint16_t feed_index)
{
    uint32_t broken = 0;
    for (size_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        live_symbol **link = &table->symbols[i];
        while (*link != NULL) {
            live_symbol *symbol = *link;
            if (symbol->feed_index != feed_index ||
                symbol->segment == table->feeds[feed_index].segment) {
                link = &symbol->next;
                continue;
            }
            *link = symbol->next;
            broken += free_symbol(table, symbol);
            table->feeds[feed_index].has_holes = 1;
        }
    }
    return broken;
}

/* Check dropped symbols again. */
static void retry(live_table *table, uint16_t feed_index)
{
    for (size_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        for (live_symbol *symbol = table->symbols[i]; symbol != NULL; symbol = symbol->next) {
            if (symbol->feed_index == feed_index && symbol->state == NULL)
                open_state(table, symbol);
        }
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
    for (size_t i = 0; i < LIVE_TABLE_BUCKETS; i++) {
        while (table->symbols[i] != NULL) {
            live_symbol *symbol = table->symbols[i];
            table->symbols[i] = symbol->next;
            (void)free_symbol(table, symbol); /* nothing is counted any more */
        }
    }
}
