#include "tape/connection_table.h"

#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "book/symbol_state.h"
#include "book/conn_choice.h"

struct connection_table {
    channel_table *channels;
    channel_table *own;   /* NULL: the channels are shared with other tapes */
    conn_choice *choices; /* by stream; zero before the stream's first frame */
    size_t choice_capacity;
    symbol_topic **saved; /* by stream: the state for its next frame, or NULL */
    size_t saved_capacity, saved_count;
    td_arena *memory; /* of sessions, feeds, slots, connections */
    tape_session **sessions;
    size_t session_count;
    session_feed *feeds;
};

connection_table *connection_table_open(channel_table *channels)
{
    connection_table *made = td_alloc_zero(1, sizeof *made);
    made->own = channels == NULL ? channel_table_open() : NULL;
    made->channels = channels == NULL ? made->own : channels;
    made->memory = td_arena_open();
    return made;
}

static void forget_choices(connection_table *r)
{
    for (size_t i = 0; i < r->choice_capacity; i++)
        conn_choice_fini(&r->choices[i]);
    td_free(r->saved);
    r->saved = NULL;
    r->saved_capacity = r->saved_count = 0;
}

/* Give a stream's frame the state that was kept for it. */
static void give_saved(connection_table *r, frame_ref *frame)
{
    const uint32_t stream = frame->channel->stream;
    if (stream >= r->saved_capacity || r->saved[stream] == NULL)
        return;
    frame->saved = r->saved[stream];
    r->saved[stream] = NULL;
    r->saved_count--;
}

void connection_table_close(connection_table *r)
{
    if (r == NULL)
        return;
    forget_choices(r);
    for (session_feed *feed = r->feeds; feed != NULL; feed = feed->next) {
        td_free(feed->lost_until_ns);
        for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next)
            trade_grants_fini(&slot->trades);
    }
    channel_table_close(r->own);
    td_arena_close(r->memory);
    td_free(r->sessions);
    td_free(r->choices);
    td_free(r);
}

void connection_table_rewind(connection_table *r)
{
    forget_choices(r);
    for (session_feed *feed = r->feeds; feed != NULL; feed = feed->next) {
        feed->end_ns = 0;
        feed->resumed_ns = 0;
        feed->is_overloaded = 0;
        feed->is_clock_held = 0;
        feed->damaged_until_ns = 0;
        for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
            slot->now = &slot->none;
            slot->is_open = 0;
            slot->in = 0;
            slot->out = 0;
            slot->granted_ns = 0;
            trade_grants_fini(&slot->trades);
        }
    }
}

td_result connection_table_channel(connection_table *r, const channel_info *info,
                                   frame_channel **out, td_err *err)
{
    return channel_table_get(r->channels, info, out, err);
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
    *made = (session_feed){.table = r,
                           .session = of,
                           .name = td_arena_copy(r->memory, feed, strlen(feed) + 1),
                           .next = r->feeds};
    r->feeds = made;
    return made;
}

void connection_table_add_lost(session_feed *feed, uint64_t until_ns)
{
    feed->lost_until_ns =
        td_array_grow(feed->lost_until_ns, feed->lost_count, sizeof feed->lost_until_ns[0]);
    feed->lost_until_ns[feed->lost_count++] = until_ns;
}

session_slot *connection_table_get_slot(session_feed *feed, uint32_t line, uint32_t shard)
{
    for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next) {
        if (slot->none.conn.line == line && slot->none.conn.shard == shard)
            return slot;
    }
    session_slot *made = td_arena_alloc(feed->table->memory, sizeof *made);
    feed->has_lines |= line > 0;
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

/* Set the slot's current connection. */
static void set_conn(session_slot *slot, uint32_t number, uint64_t since_ns)
{
    if (slot->now->conn.number == number)
        return;
    session_conn *made = td_arena_copy(slot->feed->table->memory, &slot->none, sizeof *made);
    made->conn.number = number;
    made->conn.since_ns = since_ns;
    slot->now = made;
    slot->granted_ns = 0;
    trade_grants_fini(&slot->trades);
}

/* ---- streams ---- */

/* A stream of a table, given by one of its channels. */
typedef struct stream_of {
    const connection_table *table;
    const channel_info *info;
} stream_of;

/* The slot of a connection. NULL if the connection is from a saved state, and nothing is read from
 * its session. */
static const session_slot *slot_of(const stream_of *of, const choice_conn *conn)
{
    if (conn->at != NULL)
        return ((const session_conn *)conn->at)->slot; /* conn is session_conn's first member */
    session_feed *feed = of->table->feeds;
    while (feed != NULL && (choice_session(feed->session->id) != conn->session ||
                            strcmp(feed->name, of->info->feed) != 0))
        feed = feed->next;
    if (feed == NULL || feed->end_ns == 0)
        return NULL;
    feed->is_recording |= conn->is_recorded; /* its segments may not be open yet */
    return connection_table_get_slot(feed, of->info->line, conn->shard);
}

/* 1 if events show the end of the connection, or if its session has no more frames. */
static int conn_has_ended(void *user, const choice_conn *conn, uint64_t recv_ns)
{
    const session_slot *slot = slot_of(user, conn);
    if (slot == NULL)
        return 1;
    const frame_conn *now = &slot->now->conn;
    if (now->number > 0 && (frame_conn_key(now) != conn->number || !slot->is_open))
        return 1;
    return slot->feed->end_ns != 0 && recv_ns > slot->feed->end_ns;
}

static conn_choice *choice_of(connection_table *r, uint32_t stream)
{
    td_array_ensure((void **)&r->choices, &r->choice_capacity, stream, sizeof *r->choices);
    return &r->choices[stream];
}

void connection_table_follow(const session_slot *slot, uint64_t from_ns, frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    frame->is_late = slot->feed->is_overloaded | slot->feed->is_clock_held;
    frame->damaged_until_ns = slot->feed->damaged_until_ns;
    for (size_t i = 0; TD_UNLIKELY(i < slot->feed->lost_count); i++) {
        const uint64_t until_ns = slot->feed->lost_until_ns[i];
        if (until_ns < frame->recv_ns && until_ns > frame->damaged_until_ns)
            frame->damaged_until_ns = until_ns;
    }
    if (channel->stream == FRAME_NO_STREAM)
        return;
    conn_choice *choice = choice_of(slot->feed->table, channel->stream);
    stream_of of = {.table = slot->feed->table, .info = &channel->info};
    frame->granted_ns = slot->granted_ns;
    const topic_row *row = channel->topic.row;
    const int is_compared = row != NULL && (row->type == MSG_TRADE || row->type == MSG_KLINE);
    frame->trades = is_compared
                        ? trade_grants_find(&slot->trades, td_bytes_str(channel->info.symbol))
                        : (trade_grant){0};
    const int is_first = choice->count == 0 && slot->feed->resumed_ns == 0;
    if (is_first && frame->granted_ns != 0 && frame->granted_ns < from_ns)
        frame->granted_ns = from_ns;
    conn_choice_set(choice, frame, conn_has_ended, &of);
    (void)conn_choice_note(choice, frame);
    if (TD_UNLIKELY(slot->feed->table->saved_count > 0))
        give_saved(slot->feed->table, frame);
}

static void keep_saved(connection_table *r, uint32_t stream, symbol_topic *topic)
{
    r->saved = td_array_reach(r->saved, &r->saved_capacity, stream, sizeof(symbol_topic *));
    r->saved_count += r->saved[stream] == NULL;
    r->saved[stream] = topic;
}

typedef void with_stream_fn(connection_table *r, uint32_t stream, symbol_topic *topic);

/* Copy the choice of each topic of a state, and call `with`, unless it is NULL. */
static td_result copy_choices(connection_table *r, const char *feed, const char *symbol,
                              const symbol_state *state, with_stream_fn *with, td_err *err)
{
    symbol_topic *topic;
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
        if (channel->stream == FRAME_NO_STREAM)
            continue;
        conn_choice_copy(choice_of(r, channel->stream), &topic->choice);
        if (with != NULL)
            with(r, channel->stream, topic);
    }
    return TD_OK;
}

td_result connection_table_resume(connection_table *r, const char *feed, const char *symbol,
                                  const symbol_state *state, td_err *err)
{
    return copy_choices(r, feed, symbol, state, NULL, err);
}

td_result connection_table_restore(connection_table *r, const char *feed, const char *symbol,
                                   const symbol_state *state, td_err *err)
{
    return copy_choices(r, feed, symbol, state, keep_saved, err);
}

int connection_table_is_open(const session_feed *feed, uint32_t shard)
{
    for (const session_slot *slot = feed->slots; slot != NULL; slot = slot->next)
        if (slot->none.conn.shard == shard && slot->is_open)
            return 1;
    return 0;
}

/* A gap of a connection opens. */
static void note_gap(session_feed *feed, const gap_row *gap)
{
    if (gap->to_ns != GAP_OPEN || gap->topic[0] != '\0' || gap->symbol[0] != '\0')
        return;
    session_conn *conn = connection_table_get_slot(feed, gap->line, gap->shard)->now;
    if (conn->conn.number > 0 && conn->conn.number == gap->conn && gap->from_ns > conn->complete_ns)
        conn->complete_ns = gap->from_ns;
}

void connection_table_apply(session_feed *feed, const family *of, const event *ev, uint64_t recv_ns)
{
    TD_ASSERT(ev->kind < EVENT_KIND_COUNT);
    const int is_of_durability = ev->what != NULL && ev->what[0] != '\0';
    if (ev->kind == EVENT_OVERLOAD && ev->state != NULL && !is_of_durability)
        feed->is_overloaded = strcmp(ev->state, "begins") == 0;
    if (ev->kind == EVENT_CLOCK && ev->state != NULL && strcmp(ev->state, "held") == 0)
        feed->is_clock_held = 1;

    if (ev->kind == EVENT_SEGMENT) {
        const int is_beside = ev->state != NULL && strcmp(ev->state, EVENT_STATE_BESIDE) == 0;
        for (session_slot *slot = feed->slots; slot != NULL; slot = slot->next)
            slot->is_open = (uint8_t)(slot->is_open && is_beside); /* else it lists all open ones */
        for (size_t i = 0; i < ev->slot_count; i++) {
            const event_slot *from = &ev->slots[i];
            session_slot *slot = connection_table_get_slot(feed, from->line, from->shard);
            set_conn(slot, from->conn, from->since_ns);
            slot->in = from->in;
            slot->out = from->out;
            slot->is_open = 1;
        }
    }

    if (ev->kind == EVENT_GAP)
        note_gap(feed, &ev->gap);
    if (ev->kind != EVENT_CONNECT && ev->kind != EVENT_DISCONNECT && ev->kind != EVENT_GRANT &&
        ev->kind != EVENT_GRANT_END)
        return;
    session_slot *slot = connection_table_get_slot(feed, ev->line, ev->shard);
    if (ev->kind == EVENT_GRANT) {
        if (ev->conn == slot->now->conn.number && ev->from_ns > slot->granted_ns)
            slot->granted_ns = ev->from_ns;
    }
    if (ev->kind == EVENT_GRANT || ev->kind == EVENT_GRANT_END) {
        const int is_grant = ev->kind == EVENT_GRANT;
        if (ev->conn == slot->now->conn.number && ev->topic != NULL)
            trade_grants_note(&slot->trades, of, td_bytes_str(ev->topic),
                              (trade_grant){.granted_ns = is_grant ? ev->from_ns : 0,
                                            .ended_ns = is_grant ? 0 : recv_ns});
        return;
    }
    slot->is_open = ev->kind == EVENT_CONNECT;
    if (ev->kind == EVENT_DISCONNECT) {
        if (ev->cause != NULL && strcmp(ev->cause, EVENT_CAUSE_REPLACED) == 0)
            slot->now->complete_ns = recv_ns;
        return;
    }
    set_conn(slot, ev->conn, recv_ns);
    slot->in = 0;
    slot->out = 0;
}
