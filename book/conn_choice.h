/* Decides which connection a stream follows, for replay, exports and the live check alike.
 *
 * A stream is a topic and symbol of a feed, on one line (one of several redundant sets of
 * connections). Several connections may bring its frames at the same time: a capture with two
 * connections of one topic, sessions that overlap, a wildcard besides a single topic. The stream
 * follows the connection of its first frame, until
 *   - that connection has ended, or
 *   - it has sent no frame of the stream for more than CONN_CHOICE_SILENCE_NS;
 * then it follows the connection of the stream's next frame. Frames of other connections are
 * copies: recorded, decoded, and checked by the rules of their own connection, but not a part of
 * the stream. A feed is one account, so this holds for private topics as well. Answers to requests
 * (MSG_ORDER_ENTRY) are not copies: only the connection that asked gets them.
 *
 * What copies had while the followed connection sent nothing is missing in the stream, unless that
 * connection continues: copied_since_ns of the frames tells.
 *
 * A recorder runs one session at a time. If the times of two of its sessions overlap, a clock was
 * wrong: then the frames of both are parts of the stream.
 *
 * Each connection of a stream has an index, a small number. State of one connection (a book) is
 * kept by index. A connection takes the index of its predecessor in the same slot, or of any
 * connection that has ended.
 *
 * For each frame the merger decides (conn_choice_set), stores the decision in the frame, and notes
 * the frame (conn_choice_note). Other users (a symbol's state, book/symbol_state.h) only note the
 * frame, and so have the same state of the stream. One thread. */
#ifndef TD_BOOK_CONN_CHOICE_H
#define TD_BOOK_CONN_CHOICE_H

#include <stdint.h>

#include "base/attr.h"
#include "book/state_io.h"
#include "schema/frame.h"

/* How long the followed connection may be silent. Two connections bring the same frame within about
 * a second, or else one of them is closed as stale. Readers of a stream lose at most this time if a
 * topic moves from one open connection to another; books and trades of an active symbol have frames
 * every second. */
#define CONN_CHOICE_SILENCE_NS (UINT64_C(5) * UINT64_C(1000000000))

/* A connection of a stream. */
typedef struct choice_conn {
    const frame_conn *at; /* NULL: no frame of this connection since the stream was loaded or
                             moved */
    uint64_t session; /* choice_session of its session; identifies the slot together with shard */
    uint32_t shard;
    uint32_t number;      /* frame_conn_key */
    uint64_t last_ns;     /* receive time of its last frame of the stream */
    uint64_t granted_ns;  /* time of its last grant, or 0 */
    uint64_t snapshot_ns; /* time of its last frame that replaced all earlier ones, or 0; set by the
                             symbol's state */
    uint8_t is_recorded;  /* as in frame_conn */
} choice_conn;

/* A session's number, from its id (NULL: the only session). */
uint64_t choice_session(const char *id);

/* State of a stream. Zero-initialise. */
typedef struct conn_choice {
    choice_conn *conns; /* by index */
    uint32_t count;
    uint32_t followed; /* index; valid if count > 0 */
    uint64_t since_ns; /* time of the frame with which the stream began to follow the connection, if
                          the connection's earlier frames were copies; else 0 */
} conn_choice;

/* 1 if the connection has ended by recv_ns. */
typedef int choice_ended_fn(void *user, const choice_conn *conn, uint64_t recv_ns);

/* Set the relation of the next frame to its stream: conn_index, is_copy, is_interleaved,
 * copied_since_ns, and granted_ns, the time of its connection's last grant (0: unknown). */
void conn_choice_set(const conn_choice *stream, frame_ref *frame, choice_ended_fn *has_ended,
                     void *user);

/* 1 if both are the same connection. The object alone does not tell: a live slot reuses its object
 * with a new number. */
static inline int conn_choice_is_at(const choice_conn *conn, const frame_conn *now)
{
    return conn->at == now && conn->number == frame_conn_key(now);
}

/* Slow path of conn_choice_note: the frame has another connection, or another index, than the last
 * frame. */
int conn_choice_move(conn_choice *stream, const frame_ref *frame);

/* Note a frame after conn_choice_set. 1 if the previous frame at its index came over the same
 * connection. */
static inline int conn_choice_note(conn_choice *stream, const frame_ref *frame)
{
    int is_known = 1;
    if (TD_UNLIKELY((!frame->is_copy && frame->conn_index != stream->followed) ||
                    frame->conn_index >= stream->count ||
                    !conn_choice_is_at(&stream->conns[frame->conn_index], frame->conn)))
        is_known = conn_choice_move(stream, frame);
    choice_conn *conn = &stream->conns[frame->conn_index];
    conn->last_ns = frame->recv_ns;
    if (frame->granted_ns > conn->granted_ns)
        conn->granted_ns = frame->granted_ns;
    return is_known;
}

/* 1 if the stream follows this connection. */
int conn_choice_follows(const conn_choice *stream, const frame_conn *conn);

/* Forget the connections' objects. The next frames are from another tape, where the same
 * connections have other objects. */
void conn_choice_forget_objects(conn_choice *stream);

/* Replace the stream `to` by a copy of `from`, without the connections' objects. */
void conn_choice_copy(conn_choice *to, const conn_choice *from);

/* Save or load the stream (book/state_io.h). */
void conn_choice_serialize(conn_choice *stream, state_io *io);
void conn_choice_fini(conn_choice *stream);

#endif
