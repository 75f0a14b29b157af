#include "tape/connection_table.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/slot_table.h"
#include "book/symbol_state.h"
#include "schema/family.h"

enum {
    /* Channels of a whole archive: bounds memory against a folder full of invented topics. At some
     * 300 bytes each this is 300 MB. */
    CHANNELS_MAX = 1 << 20,
};

/* A stream; its names are those of its first channel. */
typedef struct stream_node {
    conn_choice choice;
    const channel_info *info;
    connection_table *table;
} stream_node;

typedef struct channel_node {
    frame_channel channel;
    stream_node *stream; /* NULL: of none */
} channel_node;

struct connection_table {
    pthread_mutex_t mutex; /* of channels and streams */
    td_arena *channel_memory;
    channel_node **channels; /* by index */
    size_t channel_count;
    slot_table by_info;
    stream_node **streams; /* by number */
    size_t stream_count;
    slot_table by_stream;
    td_arena *memory; /* of sessions, feeds, slots, connections */
    tape_session **sessions;
    size_t session_count;
    session_feed *feeds;
};

connection_table *connection_table_open(void)
{
    connection_table *made = td_alloc_zero(1, sizeof *made);
    (void)pthread_mutex_init(&made->mutex, NULL); /* cannot fail with default attributes */
    made->channel_memory = td_arena_open();
    made->memory = td_arena_open();
    return made;
}

void connection_table_close(connection_table *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->stream_count; i++)
        conn_choice_fini(&r->streams[i]->choice);
    td_arena_close(r->channel_memory);
    td_arena_close(r->memory);
    (void)pthread_mutex_destroy(&r->mutex); /* it is not held */
    td_free(r->sessions);
    td_free(r->channels);
    td_free(r->streams);
    slot_table_fini(&r->by_info);
    slot_table_fini(&r->by_stream);
    td_free(r);
}

void connection_table_rewind(connection_table *r)
{
    for (size_t i = 0; i < r->stream_count; i++)
        conn_choice_fini(&r->streams[i]->choice);
    for (session_feed *feed = r->feeds; feed != NULL; feed = feed->next) {
        feed->end_ns = 0;
        feed->resumed_ns = 0;
        feed->is_overloaded = 0;
        feed->is_clock_held = 0;
        for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
            slot->now = &slot->none;
            slot->is_open = 0;
            slot->in = 0;
            slot->out = 0;
            slot->granted_ns = 0;
        }
    }
}

/* ---- channels ---- */

static uint64_t stream_hash(const channel_info *info)
{
    uint64_t hash = td_xxh64(info->feed, strlen(info->feed));
    hash = hash * 31 + td_xxh64(info->topic, strlen(info->topic));
    hash = hash * 31 + td_xxh64(info->symbol, strlen(info->symbol));
    return hash * 31 + info->line * UINT64_C(7);
}

static uint64_t hash_info(const channel_info *info)
{
    return stream_hash(info) + info->shard * UINT64_C(5) + (unsigned)info->dir;
}

static const char *keep_text(connection_table *r, const char *text)
{
    return td_arena_copy(r->channel_memory, text, strlen(text) + 1);
}

static channel_info keep_info(connection_table *r, const channel_info *from)
{
    channel_info kept = *from;
    kept.feed = keep_text(r, from->feed);
    kept.family = keep_text(r, from->family);
    kept.topic = keep_text(r, from->topic);
    kept.exchange_topic = keep_text(r, from->exchange_topic);
    kept.symbol = keep_text(r, from->symbol);
    kept.message_encoding = keep_text(r, from->message_encoding);
    return kept;
}

/* Find the row of the channel's frames. */
static void match_topic(frame_channel *channel)
{
    channel->family = family_find(td_bytes_str(channel->info.family));
    topic_match found;
    const channel_info *info = &channel->info;
    channel->role = channel_role(info);
    channel->topic = (topic_match){NULL, td_bytes_str(info->topic), td_bytes_str(info->symbol)};
    if (channel->family == NULL || channel->role != ROLE_DATA)
        return;
    const char *text = info->exchange_topic[0] == '\0' ? info->topic : info->exchange_topic;
    if (topic_match_text(channel->family->topics, channel->family->topic_count, td_bytes_str(text),
                         TOPIC_ANY_TIME, &found))
        channel->topic.row = found.row;
}

static int is_same_stream(const channel_info *a, const channel_info *b)
{
    return a->line == b->line && strcmp(a->symbol, b->symbol) == 0 &&
           strcmp(a->topic, b->topic) == 0 && strcmp(a->feed, b->feed) == 0;
}

/* The number of a channel's stream, made if it is new. */
static uint32_t get_stream(connection_table *r, const channel_info *info)
{
    uint64_t hash = stream_hash(info);
    slot_probe at = slot_probe_of(hash);
    while (slot_table_next(&r->by_stream, &at)) {
        if (is_same_stream(r->streams[at.row]->info, info))
            return at.row;
    }
    stream_node *made = td_arena_alloc(r->channel_memory, sizeof *made);
    *made = (stream_node){.info = info, .table = r};
    slot_table_put(&r->by_stream, hash, r->stream_count);
    r->streams = td_array_grow(r->streams, r->stream_count, sizeof(stream_node *));
    r->streams[r->stream_count] = made;
    return (uint32_t)r->stream_count++;
}

static td_result add_channel(connection_table *r, const channel_info *info, uint64_t hash,
                             frame_channel **out, td_err *err)
{
    if (r->channel_count == CHANNELS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d channels", CHANNELS_MAX);
    channel_node *node = td_arena_alloc(r->channel_memory, sizeof *node);
    *node = (channel_node){
        .channel = {.index = (uint32_t)r->channel_count, .info = keep_info(r, info)}};
    match_topic(&node->channel);
    /* Frames of topics make streams; answers, events and unknown ones do not. */
    node->channel.stream = FRAME_NO_STREAM;
    if (node->channel.role == ROLE_DATA) {
        node->channel.stream = get_stream(r, &node->channel.info);
        node->stream = r->streams[node->channel.stream];
    }
    slot_table_put(&r->by_info, hash, r->channel_count);
    r->channels = td_array_grow(r->channels, r->channel_count, sizeof(channel_node *));
    r->channels[r->channel_count++] = node;
    *out = &node->channel;
    return TD_OK;
}

td_result connection_table_channel(connection_table *r, const channel_info *info,
                                   frame_channel **out, td_err *err)
{
    TD_ASSERT(info->feed != NULL);
    uint64_t hash = hash_info(info);
    *out = NULL;
    pthread_mutex_lock(&r->mutex);
    slot_probe at = slot_probe_of(hash);
    while (*out == NULL && slot_table_next(&r->by_info, &at)) {
        if (channel_info_compare(&r->channels[at.row]->channel.info, info) == 0)
            *out = &r->channels[at.row]->channel;
    }
    td_result rc = *out == NULL ? add_channel(r, info, hash, out, err) : TD_OK;
    pthread_mutex_unlock(&r->mutex);
    return rc;
}

/* ---- sessions, feeds, slots ---- */

static tape_session *get_session(connection_table *r, const char *id, uint64_t start_ns)
{
    for (size_t i = 0; i < r->session_count; i++) {
        tape_session *session = r->sessions[i];
        if (session->start_ns == start_ns && strcmp(session->id, id) == 0)
            return session;
    }
    r->sessions = td_array_grow(r->sessions, r->session_count, sizeof(tape_session *));
    tape_session *made = td_arena_alloc(r->memory, sizeof *made);
    r->sessions[r->session_count++] = made;
    *made = (tape_session){.number = (uint32_t)r->session_count,
                           .start_ns = start_ns,
                           .id = td_arena_copy(r->memory, id, strlen(id) + 1)};
    return made;
}

session_feed *connection_table_get_feed(connection_table *r, const char *session, uint64_t start_ns,
                                        const char *feed)
{
    tape_session *of = get_session(r, session, start_ns);
    for (session_feed *f = r->feeds; f != NULL; f = f->next) {
        if (f->session == of && strcmp(f->name, feed) == 0)
            return f;
    }
    session_feed *made = td_arena_alloc(r->memory, sizeof *made);
    *made = (session_feed){.memory = r->memory,
                           .session = of,
                           .name = td_arena_copy(r->memory, feed, strlen(feed) + 1),
                           .next = r->feeds};
    r->feeds = made;
    return made;
}

session_slot *connection_table_get_slot(session_feed *feed, uint32_t line, uint32_t shard)
{
    for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
        if (slot->none.conn.line == line && slot->none.conn.shard == shard)
            return slot;
    }
    session_slot *made = td_arena_alloc(feed->memory, sizeof *made);
    *made = (session_slot){.none = {.slot = made,
                                    .conn = {.session = feed->session->number,
                                             .session_id = feed->session->id,
                                             .line = line,
                                             .shard = shard,
                                             .is_recorded = feed->is_recording}},
                           .now = &made->none,
                           .feed = feed,
                           .next = feed->slots};
    feed->slots = made;
    return made;
}

/* The slot has this connection now. */
static void set_conn(session_slot *slot, uint32_t number, uint64_t since_ns)
{
    if (slot->now->conn.number == number)
        return;
    session_conn *made = td_arena_copy(slot->feed->memory, &slot->none, sizeof *made);
    made->conn.number = number;
    made->conn.since_ns = since_ns;
    slot->now = made;
    slot->granted_ns = 0;
}

/* ---- streams ---- */

/* The slot of a stream's connection. NULL: a reader of earlier frames knew it, and nothing is read
 * of its session. */
static const session_slot *slot_of(const stream_node *of, const choice_conn *conn)
{
    if (conn->at != NULL)
        return ((const session_conn *)conn->at)->slot; /* its first member */
    session_feed *feed = of->table->feeds;
    while (feed != NULL && (choice_session(feed->session->id) != conn->session ||
                            strcmp(feed->name, of->info->feed) != 0))
        feed = feed->next;
    if (feed == NULL || feed->end_ns == 0)
        return NULL;
    feed->is_recording |= conn->is_recorded; /* no segment of it may be open yet */
    return connection_table_get_slot(feed, of->info->line, conn->shard);
}

/* A connection has ended by its events, or when its session has no more frames. */
static int conn_has_ended(void *user, const choice_conn *conn, uint64_t recv_ns)
{
    const session_slot *slot = slot_of(user, conn);
    if (slot == NULL)
        return 1;
    uint32_t now = slot->now->conn.number;
    if (now > 0 && (now != conn->number || !slot->is_open))
        return 1;
    return slot->feed->end_ns != 0 && recv_ns > slot->feed->end_ns;
}

void connection_table_follow(const session_slot *slot, uint64_t from_ns, frame_ref *frame)
{
    const channel_node *node = (const channel_node *)frame->channel; /* its first member */
    frame->is_late = slot->feed->is_overloaded | slot->feed->is_clock_held;
    if (node->stream == NULL)
        return;
    frame->granted_ns = slot->granted_ns;
    const int is_first = node->stream->choice.count == 0 && slot->feed->resumed_ns == 0;
    if (is_first && frame->granted_ns != 0 && frame->granted_ns < from_ns)
        frame->granted_ns = from_ns;
    conn_choice_judge(&node->stream->choice, frame, conn_has_ended, node->stream);
    (void)conn_choice_note(&node->stream->choice, frame);
}

td_result connection_table_resume(connection_table *r, const char *feed, const char *symbol,
                                  const symbol_state *state, td_err *err)
{
    const symbol_topic *topic;
    for (size_t i = 0; (topic = symbol_state_topic_at(state, i)) != NULL; i++) {
        const channel_info info = {.feed = feed,
                                   .family = "",
                                   .line = topic->line,
                                   .dir = CHANNEL_IN,
                                   .topic = topic->name,
                                   .exchange_topic = "",
                                   .symbol = symbol,
                                   .message_encoding = ""};
        frame_channel *channel = NULL;
        td_result rc = connection_table_channel(r, &info, &channel, err);
        if (rc != TD_OK)
            return rc;
        const channel_node *node = (const channel_node *)channel;
        if (node->stream != NULL)
            conn_choice_copy(&node->stream->choice, &topic->choice);
    }
    return TD_OK;
}

/* A segment begins: what it restates is so, and nothing else is open. */
static void restate(session_feed *feed, const event *ev)
{
    for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next)
        slot->is_open = 0;
    for (size_t i = 0; i < ev->slot_count; i++) {
        const event_slot *from = &ev->slots[i];
        session_slot *slot = connection_table_get_slot(feed, from->line, from->shard);
        set_conn(slot, from->conn, from->since_ns);
        slot->in = from->in;
        slot->out = from->out;
        slot->is_open = 1;
    }
}

/* Receive times are late while sockets are unread, and from a backward step of the clock on. */
static void note_lateness(session_feed *feed, const event *ev)
{
    int is_of_durability = ev->what != NULL && ev->what[0] != '\0';
    if (ev->kind == EVENT_OVERLOAD && !is_of_durability)
        feed->is_overloaded = strcmp(ev->state, "begins") == 0;
    else if (ev->kind == EVENT_CLOCK && strcmp(ev->state, "held") == 0)
        feed->is_clock_held = 1;
}

void connection_table_apply(session_feed *feed, const event *ev, uint64_t recv_ns)
{
    TD_ASSERT(ev->kind < EVENT_KIND_COUNT);
    if (ev->state != NULL)
        note_lateness(feed, ev);
    if (ev->kind == EVENT_SEGMENT)
        restate(feed, ev);
    if (ev->kind != EVENT_CONNECT && ev->kind != EVENT_DISCONNECT && ev->kind != EVENT_GRANT)
        return;
    session_slot *slot = connection_table_get_slot(feed, ev->line, ev->shard);
    if (ev->kind == EVENT_GRANT) {
        if (ev->conn == slot->now->conn.number && ev->from_ns > slot->granted_ns)
            slot->granted_ns = ev->from_ns;
        return;
    }
    slot->is_open = ev->kind == EVENT_CONNECT;
    if (ev->kind == EVENT_DISCONNECT)
        return;
    set_conn(slot, ev->conn, recv_ns);
    slot->in = 0;
    slot->out = 0;
}
