#include "book/follow.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

void follow_fini(follow *stream)
{
    td_free(stream->conns);
    *stream = (follow){0};
}

uint64_t follow_session(const char *id)
{
    return id == NULL ? 0 : td_xxh64(id, strlen(id));
}

static follow_conn conn_of(const frame_conn *now)
{
    return (follow_conn){.at = now,
                         .session = follow_session(now->session_id),
                         .shard = now->shard,
                         .number = now->number,
                         .is_recorded = now->is_recorded};
}

static int is_same_slot(const follow_conn *a, const follow_conn *b)
{
    return a->session == b->session && a->shard == b->shard;
}

static int is_same(const follow_conn *a, const follow_conn *b)
{
    return is_same_slot(a, b) && a->number == b->number;
}

/* At the bound: the one that has been silent for longest, except the one that is followed. */
static uint32_t find_silent(const follow *stream)
{
    uint32_t found = stream->followed == 0;
    for (uint32_t at = 0; at < stream->count; at++) {
        if (at != stream->followed && stream->conns[at].last_ns < stream->conns[found].last_ns)
            found = at;
    }
    return found;
}

/* The connection's own place, or that of the connection before it in its slot; else that of one
 * that has ended, or a new one. */
static uint32_t find_place(const follow *stream, const follow_conn *now, uint64_t recv_ns,
                           follow_ended_fn *has_ended, void *user)
{
    for (uint32_t at = 0; at < stream->count; at++) {
        if (is_same_slot(&stream->conns[at], now))
            return at;
    }
    for (uint32_t at = 0; at < stream->count; at++) {
        if (has_ended(user, &stream->conns[at], recv_ns))
            return at;
    }
    return stream->count == LIMIT_FOLLOW_CONNECTIONS ? find_silent(stream) : stream->count;
}

/* Grants from before the stream followed the connection hold since it does. */
static uint64_t later_grant(const follow_conn *known, uint64_t granted_ns, uint64_t since_ns)
{
    uint64_t last_ns = granted_ns > known->granted_ns ? granted_ns : known->granted_ns;
    return last_ns != 0 && last_ns < since_ns ? since_ns : last_ns;
}

/* Of a frame that did not come over the connection that is followed. */
static void judge_other(const follow *stream, frame_ref *frame, follow_ended_fn *has_ended,
                        void *user)
{
    const follow_conn now = conn_of(frame->conn);
    uint64_t recv_ns = frame->recv_ns;
    uint32_t place = find_place(stream, &now, recv_ns, has_ended, user);
    uint64_t since_ns = stream->since_ns;
    frame->place = place;
    frame->is_copy = 0;
    frame->is_interleaved = 0;
    if (stream->count > 0 && place != stream->followed) {
        const follow_conn *followed = &stream->conns[stream->followed];
        int is_over = has_ended(user, followed, recv_ns);
        int is_other_recording =
            followed->is_recorded && now.is_recorded && followed->session != now.session;
        int is_silent =
            recv_ns > followed->last_ns && recv_ns - followed->last_ns > FOLLOW_SILENCE_NS;
        frame->is_interleaved = (uint8_t)(is_other_recording && !is_over);
        frame->is_copy = (uint8_t)(!is_other_recording && !is_over && !is_silent);
        since_ns = frame->is_copy ? 0 : recv_ns;
    }
    if (place < stream->count && is_same(&stream->conns[place], &now))
        frame->granted_ns = later_grant(&stream->conns[place], frame->granted_ns, since_ns);
}

void follow_judge(const follow *stream, frame_ref *frame, follow_ended_fn *has_ended, void *user)
{
    const follow_conn *followed = stream->count == 0 ? NULL : &stream->conns[stream->followed];
    if (TD_UNLIKELY(followed == NULL || !follow_is_at(followed, frame->conn))) {
        judge_other(stream, frame, has_ended, user);
        return;
    }
    frame->place = stream->followed;
    frame->is_copy = 0;
    frame->is_interleaved = 0;
    frame->granted_ns = later_grant(followed, frame->granted_ns, stream->since_ns);
}

int follow_move(follow *stream, const frame_ref *frame)
{
    TD_ASSERT(frame->place < LIMIT_FOLLOW_CONNECTIONS);
    const follow_conn now = conn_of(frame->conn);
    int is_known = frame->place < stream->count && is_same(&stream->conns[frame->place], &now);
    for (; stream->count <= frame->place; stream->count++) {
        stream->conns = td_array_grow(stream->conns, stream->count, sizeof *stream->conns);
        stream->conns[stream->count] = (follow_conn){0};
    }
    if (!is_known)
        stream->conns[frame->place] = now;
    stream->conns[frame->place].at = frame->conn;
    if (!frame->is_copy && (frame->place != stream->followed || !is_known)) {
        stream->followed = frame->place;
        stream->since_ns = is_known ? frame->recv_ns : 0;
    }
    return is_known;
}

void follow_copy(follow *to, const follow *from)
{
    follow_conn *conns = NULL;
    for (uint32_t i = 0; i < from->count; i++) {
        conns = td_array_grow(conns, i, sizeof *conns);
        conns[i] = from->conns[i];
        conns[i].at = NULL;
    }
    follow_fini(to);
    *to = *from;
    to->conns = conns;
}

void follow_walk(follow *stream, state_io *io)
{
    enum { CONN_BYTES = 33 };
    uint32_t count = state_count(io, stream->count, LIMIT_FOLLOW_CONNECTIONS, CONN_BYTES);
    for (uint32_t i = 0; i < count; i++) {
        if (state_is_loading(io)) {
            stream->conns = td_array_grow(stream->conns, i, sizeof *stream->conns);
            stream->conns[i] = (follow_conn){0};
            stream->count = i + 1;
        }
        follow_conn *conn = &stream->conns[i];
        state_u64(io, &conn->session);
        state_u32(io, &conn->shard);
        state_u32(io, &conn->number);
        state_u64(io, &conn->last_ns);
        state_u64(io, &conn->granted_ns);
        state_flag(io, &conn->is_recorded);
    }
    state_u32(io, &stream->followed);
    state_u64(io, &stream->since_ns);
    state_check(io, stream->followed < count || stream->followed == 0);
}
