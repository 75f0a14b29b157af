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

static int is_same_slot(const follow_conn *a, const follow_conn *b)
{
    return a->session == b->session && a->shard == b->shard;
}

/* The connection's own place, or that of the connection before it in its slot; count: none. */
static uint32_t find_place(const follow *stream, const follow_conn *now)
{
    uint32_t at = 0;
    while (at < stream->count && !is_same_slot(&stream->conns[at], now))
        at++;
    return at;
}

/* The place of a connection that has ended; count: none. */
static uint32_t find_ended(const follow *stream, const follow_conn *now, follow_ended_fn *has_ended,
                           void *user)
{
    uint32_t at = 0;
    while (at < stream->count && !has_ended(user, &stream->conns[at], now->last_ns))
        at++;
    return at;
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

static uint32_t add_place(follow *stream)
{
    if (stream->count == LIMIT_FOLLOW_CONNECTIONS)
        return find_silent(stream);
    stream->conns = td_array_grow(stream->conns, stream->count, sizeof *stream->conns);
    stream->conns[stream->count] = (follow_conn){0};
    return stream->count++;
}

/* Grants from before the stream followed the connection hold since it does. */
static uint64_t granted_ns_of(const follow *stream, const follow_conn *now)
{
    int is_before = now->granted_ns != 0 && now->granted_ns < stream->since_ns;
    return is_before ? stream->since_ns : now->granted_ns;
}

/* 1 if both are of sessions of the recorder, and not of the same. */
static int is_other_recording(const follow_conn *a, const follow_conn *b)
{
    return a->is_recorded && b->is_recorded && a->session != b->session;
}

/* 1 if the stream must leave the connection that it follows for the one at this place. */
static int must_leave(const follow *stream, const follow_conn *now, uint32_t place,
                      follow_ended_fn *has_ended, void *user)
{
    const follow_conn *followed = &stream->conns[stream->followed];
    if (place == stream->followed)
        return 0;
    return is_other_recording(followed, now) || has_ended(user, followed, now->last_ns) ||
           (now->last_ns > followed->last_ns &&
            now->last_ns - followed->last_ns > FOLLOW_SILENCE_NS);
}

follow_answer follow_take(follow *stream, const follow_conn *now, follow_ended_fn *has_ended,
                          void *user)
{
    TD_ASSERT(now->slot != NULL);
    if (TD_LIKELY(stream->count > 0)) {
        follow_conn *followed = &stream->conns[stream->followed];
        if (TD_LIKELY(followed->slot == now->slot && followed->conn == now->conn)) {
            followed->last_ns = now->last_ns;
            return (follow_answer){.place = stream->followed,
                                   .granted_ns = granted_ns_of(stream, now)};
        }
    }
    uint32_t place = find_place(stream, now);
    if (place == stream->count)
        place = find_ended(stream, now, has_ended, user);
    int is_first = stream->count == 0;
    if (place == stream->count)
        place = add_place(stream);
    int is_known =
        is_same_slot(&stream->conns[place], now) && stream->conns[place].conn == now->conn;
    follow_conn *followed = &stream->conns[stream->followed];
    int is_interleaved = !is_first && place != stream->followed &&
                         is_other_recording(followed, now) &&
                         !has_ended(user, followed, now->last_ns);
    if (is_first || must_leave(stream, now, place, has_ended, user))
        stream->followed = place;
    int is_copy = place != stream->followed;
    if (!is_copy)
        stream->since_ns = is_known ? now->last_ns : 0;
    stream->conns[place] = *now;
    return (follow_answer){.place = place,
                           .is_copy = (uint8_t)is_copy,
                           .is_interleaved = (uint8_t)is_interleaved,
                           .granted_ns = is_copy ? 0 : granted_ns_of(stream, now)};
}
