/* Who is on a tape: its channels, each one object whatever segment it is met in, the sessions, and
 * for each slot of a session's feed the connection that its frames come over at the moment. Objects
 * live until the roster is closed. One thread. */
#ifndef TD_TAPE_ROSTER_H
#define TD_TAPE_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "archive/event.h"
#include "tape/follow.h"
#include "tape/tape.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A session: one run of a recorder, one import; a file that says none is one of its own. */
typedef struct roster_session {
    uint32_t number; /* 1, 2 … in order of first sight */
    uint64_t start_ns;
    char *id; /* 8 hex digits, or the file's name */
} roster_session;

/* One slot of a feed in a session: what its events have said so far. */
typedef struct roster_slot {
    uint32_t line, shard;
    uint32_t conn; /* 0: no event has said */
    uint8_t is_open;
    uint64_t in, out;  /* ordinals of the last frames, 64 bit */
    uint64_t since_ns; /* when the connection began */
    const struct roster_feed *feed;
    struct roster_slot *next; /* of the same feed and session */
} roster_slot;

/* A feed in a session. */
typedef struct roster_feed {
    roster_session *session;
    char *name;
    uint8_t is_recording; /* 1: a recorder made it, as its segments say */
    /* Of its last frame, by its segments; UINT64_MAX: one may grow; 0: not known. */
    uint64_t end_ns;
    roster_slot *slots;
    struct roster_feed *next;
} roster_feed;

typedef struct roster roster;

/* Empty; NULL without memory. */
TD_MUST_USE roster *roster_open(void);
void roster_close(roster *roster);

/* The channel with this identity (channel_info_compare), made if it is new; info is copied. The
 * schema text is left out. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result roster_channel(roster *roster, const channel_info *info, tape_channel **out,
                                     td_err *err);

/* The session, and a feed in it, made if it is new. TD_E_NOMEM. */
TD_MUST_USE td_result roster_get_feed(roster *roster, const char *session, uint64_t start_ns,
                                      const char *feed, roster_feed **out, td_err *err);

/* A slot of a feed, made if it is new. TD_E_NOMEM. */
TD_MUST_USE td_result roster_get_slot(roster_feed *feed, uint32_t line, uint32_t shard,
                                      roster_slot **out, td_err *err);

/* Take in what an event says about its feed's connections. TD_E_NOMEM. */
TD_MUST_USE td_result roster_apply(roster_feed *feed, const event *said, uint64_t recv_ns,
                                   td_err *err);

/* 1 if the slot's connection of this number has ended by recv_ns: events say so, or the session has
 * no more frames. */
int roster_has_ended(const roster_slot *slot, uint32_t conn, uint64_t recv_ns);

/* What the frame that a slot's present connection brought over a channel is to the channel's
 * stream. TD_E_NOMEM. */
TD_MUST_USE td_result roster_follow(const tape_channel *channel, const roster_slot *slot,
                                    uint64_t recv_ns, follow_answer *out, td_err *err);

/* Feeds of all sessions, linked by next; NULL if there are none. */
const roster_feed *roster_feeds(const roster *roster);

/* The 64-bit ordinal whose low half is sequence, next to the last one of its direction. */
static inline uint64_t roster_ordinal(uint64_t last, uint32_t sequence)
{
    uint64_t ordinal = (last & ~UINT64_C(0xffffffff)) | sequence;
    if (ordinal + (UINT64_C(1) << 31) < last)
        ordinal += UINT64_C(1) << 32;
    return ordinal;
}

#ifdef __cplusplus
}
#endif

#endif
