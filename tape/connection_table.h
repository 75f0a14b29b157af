/* The connections of a tape: its sessions; the current connection of each slot of a session's feed;
 * and for each stream the connection whose frames it uses (book/conn_choice.h). Objects live until
 * the table is closed. One thread, but any thread may call connection_table_channel. */
#ifndef TD_TAPE_CONNECTION_TABLE_H
#define TD_TAPE_CONNECTION_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "archive/event.h"
#include "schema/frame.h"
#include "tape/channel_table.h"

/* One run of a recorder, or one import. A file without session metadata is a session of its own. */
typedef struct tape_session {
    uint32_t number; /* 1, 2 … in order of appearance */
    uint64_t start_ns;
    char *id; /* 8 hex digits, or the file's name */
} tape_session;

/* A connection of a slot. */
typedef struct session_conn {
    frame_conn conn;
    struct session_slot *slot;
    struct session_conn *epoch; /* used by tape/lines; NULL at first */
    uint64_t complete_ns; /* it has ended, and everything was received until then: the gap after it
                             begins there, or another connection had taken over. Else 0 */
} session_conn;

/* One slot of a feed in a session, after the events so far. */
typedef struct session_slot {
    session_conn none; /* number 0: no connection, or an unknown one. Constant. */
    session_conn *now; /* its current connection, or &none */
    uint8_t is_open;
    uint64_t in, out;    /* ordinals of the last frames, 64 bit */
    uint64_t granted_ns; /* start of its connection's last grant, or 0 */
    trade_grants trades; /* of its connection */
    const struct session_feed *feed;
    struct session_slot *next; /* next slot of the same feed and session */
} session_slot;

/* A feed in a session. */
typedef struct session_feed {
    struct connection_table *table;
    tape_session *session;
    char *name;
    uint8_t is_recording;  /* 1: written by a recorder, according to segment metadata; set before
                              slots are made */
    uint8_t has_lines;     /* 1: a slot of a line other than 0 is known */
    uint8_t is_overloaded; /* 1: sockets were left unread, so receive times are late */
    uint8_t is_clock_held; /* 1: the wall clock stepped back, so receive times are late until the
                              session ends */
    uint64_t damaged_until_ns; /* as in frame_ref */
    uint64_t *lost_until_ns;   /* likewise, of segments: for frames after that time */
    size_t lost_count;
    uint64_t resumed_ns; /* the feed's states at this time were loaded (cursor_states); 0: no
                            states */
    /* Time of its last frame, from its segments. UINT64_MAX: a segment may grow; 0: unknown. */
    uint64_t end_ns;
    session_slot *slots;
    struct session_feed *next;
} session_feed;

typedef struct connection_table connection_table;
struct symbol_state; /* book/symbol_state.h */

/* A new table is empty. channels: borrowed, and shared by several tapes; NULL: the new table has
 * its own. */
TD_NEVER_NULL connection_table *connection_table_open(channel_table *channels);
void connection_table_close(connection_table *connections);

/* Reset the state of slots and streams, to read from another time. Objects stay. */
void connection_table_rewind(connection_table *connections);

/* As channel_table_get. */
TD_MUST_USE td_result connection_table_channel(connection_table *connections,
                                               const channel_info *info, frame_channel **out,
                                               td_err *err);

/* A feed of a session; both are created if new. */
session_feed *connection_table_get_feed(connection_table *connections, const char *session,
                                        uint64_t start_ns, const char *feed);

/* Frames of a segment before until_ns cannot be read: frames that come later are after damage. */
void connection_table_add_lost(session_feed *feed, uint64_t until_ns);

/* The slot of a feed, created if new. */
session_slot *connection_table_get_slot(session_feed *feed, uint32_t line, uint32_t shard);

/* Update the feed's slots from one of its events. of: the feed's family; NULL: unknown. */
void connection_table_apply(session_feed *feed, const family *of, const event *ev,
                            uint64_t recv_ns);

/* 1 if a connection of a line is open for the shard. */
int connection_table_is_open(const session_feed *feed, uint32_t shard);

/* Set how a frame on the slot's current connection relates to its channel's stream. If no state of
 * the stream was loaded, the connection's grant counts from from_ns at the earliest, because
 * earlier frames were not read. */
void connection_table_follow(const session_slot *slot, uint64_t from_ns, frame_ref *frame);

/* As cursor_resume. */
TD_MUST_USE td_result connection_table_resume(connection_table *connections, const char *feed,
                                              const char *symbol, const struct symbol_state *state,
                                              td_err *err);

/* As connection_table_resume, after frames that were removed: the stream's next frame gets the
 * topic's state (frame_ref.saved), which the caller keeps until the table is rewound. */
TD_MUST_USE td_result connection_table_restore(connection_table *connections, const char *feed,
                                               const char *symbol, const struct symbol_state *state,
                                               td_err *err);

/* The 64-bit ordinal with the low half `sequence` that is nearest to `last`, the last ordinal of
 * the same direction. */
static inline uint64_t session_slot_ordinal(uint64_t last, uint32_t sequence)
{
    uint64_t ordinal = (last & ~UINT64_C(0xffffffff)) | sequence;
    if (ordinal + (UINT64_C(1) << 31) < last)
        ordinal += UINT64_C(1) << 32;
    return ordinal;
}

#endif
