#include "book/conn_choice.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

/* Two connections bring the same frame within this time. */
#define COPY_DELAY_NS UINT64_C(1000000000)

void conn_choice_fini(conn_choice *stream)
{
    td_free(stream->conns);
    *stream = (conn_choice){0};
}

uint64_t choice_session(const char *id)
{
    return id == NULL ? 0 : td_xxh64(id, strlen(id));
}

static choice_conn conn_of(const frame_conn *now)
{
    return (choice_conn){.at = now,
                         .session = choice_session(now->session_id),
                         .shard = now->shard,
                         .number = frame_conn_key(now),
                         .is_recorded = now->is_recorded};
}

static int is_same_slot(const choice_conn *a, const choice_conn *b)
{
    return a->session == b->session && a->shard == b->shard;
}

static int is_same(const choice_conn *a, const choice_conn *b)
{
    return is_same_slot(a, b) && a->number == b->number;
}

/* 1 if both are of a recorder, in sessions of their own: then none has copies of the other. */
static int is_other_recording(const choice_conn *a, const choice_conn *b)
{
    return a->is_recorded && b->is_recorded && a->session != b->session;
}

/* 1 if another connection brought copies later than the last frame of the followed one, by more
 * than connections are apart. */
static int has_later_copies(const conn_choice *stream)
{
    const choice_conn *followed = &stream->conns[stream->followed];
    for (uint32_t at = 0; at < stream->count; at++) {
        const choice_conn *other = &stream->conns[at];
        if (other->last_ns > followed->last_ns + COPY_DELAY_NS &&
            !is_other_recording(followed, other))
            return 1;
    }
    return 0;
}

/* The index of the connection or of its predecessor in the slot, else of a connection that has
 * ended, else a new one. If all are in use: the index of the connection that was silent longest,
 * except the followed one. */
static uint32_t find_index(const conn_choice *stream, const choice_conn *now, uint64_t recv_ns,
                           choice_ended_fn *has_ended, void *user)
{
    for (uint32_t at = 0; at < stream->count; at++) {
        if (is_same_slot(&stream->conns[at], now))
            return at;
    }
    for (uint32_t at = 0; at < stream->count; at++) {
        if (has_ended(user, &stream->conns[at], recv_ns))
            return at;
    }
    if (stream->count < LIMIT_CHOICE_CONNECTIONS)
        return stream->count;
    uint32_t silent = stream->followed == 0;
    for (uint32_t at = 0; at < stream->count; at++) {
        if (at != stream->followed && stream->conns[at].last_ns < stream->conns[silent].last_ns)
            silent = at;
    }
    return silent;
}

/* The time of the last grant. A grant from before the stream followed the connection counts from
 * since_ns on. */
static uint64_t later_grant(const choice_conn *known, uint64_t granted_ns, uint64_t since_ns)
{
    uint64_t last_ns = granted_ns > known->granted_ns ? granted_ns : known->granted_ns;
    return last_ns != 0 && last_ns < since_ns ? since_ns : last_ns;
}

/* Set the relation of a frame that is not from the followed connection. */
static void set_other(const conn_choice *stream, frame_ref *frame, choice_ended_fn *has_ended,
                      void *user)
{
    const choice_conn now = conn_of(frame->conn);
    uint64_t recv_ns = frame->recv_ns;
    uint32_t conn_index = find_index(stream, &now, recv_ns, has_ended, user);
    uint64_t since_ns = stream->since_ns;
    frame->conn_index = conn_index;
    frame->is_copy = 0;
    frame->is_interleaved = 0;
    frame->copied_since_ns = 0;
    if (stream->count > 0 && conn_index != stream->followed) {
        const choice_conn *followed = &stream->conns[stream->followed];
        int is_over = has_ended(user, followed, recv_ns);
        int is_other = is_other_recording(followed, &now);
        int is_silent =
            recv_ns > followed->last_ns && recv_ns - followed->last_ns > CONN_CHOICE_SILENCE_NS;
        frame->is_interleaved = (uint8_t)(is_other && !is_over);
        int is_own = frame->row != NULL && frame->row->type == MSG_ORDER_ENTRY;
        frame->is_copy = (uint8_t)(!is_other && !is_over && !is_silent && !is_own);
        if (!is_own && (frame->is_copy ? recv_ns > followed->last_ns + COPY_DELAY_NS
                                       : has_later_copies(stream)))
            frame->copied_since_ns = followed->last_ns;
        since_ns = frame->is_copy ? 0 : recv_ns;
    }
    if (conn_index < stream->count && is_same(&stream->conns[conn_index], &now))
        frame->granted_ns = later_grant(&stream->conns[conn_index], frame->granted_ns, since_ns);
}

void conn_choice_set(const conn_choice *stream, frame_ref *frame, choice_ended_fn *has_ended,
                     void *user)
{
    const choice_conn *followed = stream->count == 0 ? NULL : &stream->conns[stream->followed];
    if (TD_UNLIKELY(followed == NULL || !conn_choice_is_at(followed, frame->conn))) {
        set_other(stream, frame, has_ended, user);
        return;
    }
    frame->conn_index = stream->followed;
    frame->is_copy = 0;
    frame->is_interleaved = 0;
    frame->copied_since_ns = 0;
    frame->granted_ns = later_grant(followed, frame->granted_ns, stream->since_ns);
}

int conn_choice_move(conn_choice *stream, const frame_ref *frame)
{
    TD_ASSERT(frame->conn_index < LIMIT_CHOICE_CONNECTIONS);
    const choice_conn now = conn_of(frame->conn);
    int is_known =
        frame->conn_index < stream->count && is_same(&stream->conns[frame->conn_index], &now);
    for (; stream->count <= frame->conn_index; stream->count++) {
        stream->conns = td_array_grow(stream->conns, stream->count, sizeof *stream->conns);
        stream->conns[stream->count] = (choice_conn){0};
    }
    if (!is_known)
        stream->conns[frame->conn_index] = now;
    stream->conns[frame->conn_index].at = frame->conn;
    if (!frame->is_copy && (frame->conn_index != stream->followed || !is_known)) {
        stream->followed = frame->conn_index;
        stream->since_ns = is_known ? frame->recv_ns : 0;
    }
    return is_known;
}

int conn_choice_follows(const conn_choice *stream, const frame_conn *conn)
{
    const choice_conn now = conn_of(conn);
    return stream->count > 0 && is_same(&stream->conns[stream->followed], &now);
}

void conn_choice_forget_objects(conn_choice *stream)
{
    for (uint32_t i = 0; i < stream->count; i++)
        stream->conns[i].at = NULL;
}

void conn_choice_copy(conn_choice *to, const conn_choice *from)
{
    choice_conn *conns = NULL;
    for (uint32_t i = 0; i < from->count; i++) {
        conns = td_array_grow(conns, i, sizeof *conns);
        conns[i] = from->conns[i];
        conns[i].at = NULL;
    }
    conn_choice_fini(to);
    *to = *from;
    to->conns = conns;
}

void conn_choice_serialize(conn_choice *stream, state_io *io)
{
    enum { CONN_BYTES = 41 };
    uint32_t count = state_count(io, stream->count, LIMIT_CHOICE_CONNECTIONS, CONN_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        if (state_is_loading(io)) {
            stream->conns = td_array_grow(stream->conns, i, sizeof *stream->conns);
            stream->conns[i] = (choice_conn){0};
            stream->count = i + 1;
        }
        choice_conn *conn = &stream->conns[i];
        state_u64(io, &conn->session);
        state_u32(io, &conn->shard);
        state_u32(io, &conn->number);
        state_u64(io, &conn->last_ns);
        state_u64(io, &conn->granted_ns);
        state_u64(io, &conn->snapshot_ns);
        state_flag(io, &conn->is_recorded);
    }
    state_u32(io, &stream->followed);
    state_u64(io, &stream->since_ns);
    state_check(io, stream->followed < count || stream->followed == 0);
}
