/* Which connection a stream follows: the one definition, for replay, exports and the live check.
 *
 * A stream is a topic and symbol of a feed, on one line. Its frames may come over several
 * connections at the same time: a capture with two connections of one topic, sessions that overlap,
 * a wildcard beside a single topic. The stream follows the connection that its first frame comes
 * over, until
 *   - that connection has ended, or
 *   - it has sent no frame of the stream for more than CONN_CHOICE_SILENCE_NS;
 * then the connection that brings the next frame of the stream is followed. Frames of the others
 * are copies: recorded, decoded, and judged by the rules of their own connection, but no part of
 * the stream. A feed is one account, so this holds for private topics as well. Answers to requests
 * (MSG_ORDER_ENTRY) are no copies: only the connection that asked gets them.
 *
 * Sessions of a recorder have no copies of each other: it records one at a time, so where the times
 * of two overlap, the clock of one was wrong. Frames of both are parts of the stream then.
 *
 * Each connection of a stream has an index, a small number: state that belongs to one connection (a
 * book) is kept by index. A connection that follows another one in its slot has the index of that
 * one; so may any that begins after it ended.
 *
 * Whoever puts frames in order judges each, and notes it; whoever only receives them (the state of
 * a symbol, book/symbol_state.h) notes what they say, and so knows the same of the stream. One
 * thread. */
#ifndef TD_BOOK_CONN_CHOICE_H
#define TD_BOOK_CONN_CHOICE_H

#include <stdint.h>

#include "base/attr.h"
#include "book/state_io.h"
#include "schema/frame.h"

/* Two connections bring the same frame within a second or so, else one of them is closed as stale.
 * This is the longest stretch of a stream that is lost to its readers if a topic moves from one
 * open connection to another; books and trades of a symbol that trades have frames every second. */
#define CONN_CHOICE_SILENCE_NS (UINT64_C(5) * UINT64_C(1000000000))

/* A connection of a stream. */
typedef struct choice_conn {
    const frame_conn *at; /* NULL: the stream was loaded, and no frame came over it since */
    uint64_t session;     /* choice_session of its session; with shard: the slot */
    uint32_t shard;
    uint32_t number;
    uint64_t last_ns;     /* receive time of its last frame of the stream */
    uint64_t granted_ns;  /* of its last grant; 0: unknown */
    uint64_t snapshot_ns; /* of its last frame that replaced all that was before; the state of the
                             symbol sets it; 0: it had none */
    uint8_t is_recorded;  /* as in frame_conn */
} choice_conn;

/* The number of a session, by its id (NULL: there is one only). */
uint64_t choice_session(const char *id);

/* State of a stream. Zero-initialise. */
typedef struct conn_choice {
    choice_conn *conns; /* by index */
    uint32_t count;
    uint32_t followed; /* index; only if count > 0 */
    uint64_t since_ns; /* it is followed since its frame of then; those before were copies. 0: it
                          had none */
} conn_choice;

/* 1 if the connection has ended by the time recv_ns. */
typedef int choice_ended_fn(void *user, const choice_conn *conn, uint64_t recv_ns);

/* Set what the next frame is to its stream: index, is_copy, is_interleaved, and granted_ns, which
 * is the time of its connection's last grant before (0: unknown). */
void conn_choice_judge(const conn_choice *stream, frame_ref *frame, choice_ended_fn *has_ended,
                       void *user);

/* 1 if it is this connection, by its object. A live slot's object is renumbered. */
static inline int conn_choice_is_at(const choice_conn *conn, const frame_conn *now)
{
    return conn->at == now && conn->number == now->number;
}

/* The slow path of conn_choice_note: another connection, or the frame before was at another index.
 */
int conn_choice_move(conn_choice *stream, const frame_ref *frame);

/* Note a frame that was judged. 1: the one before at its index came over the same connection. */
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

/* 1 if it follows this connection. */
int conn_choice_follows(const conn_choice *stream, const frame_conn *conn);

/* Its next frames are of another tape, where the same connections are other objects. */
void conn_choice_forget_objects(conn_choice *stream);

/* Make a stream, which may have frames, the same as another, without its connections' objects. */
void conn_choice_copy(conn_choice *to, const conn_choice *from);

/* Save or load it (book/state_io.h). */
void conn_choice_serialize(conn_choice *stream, state_io *io);
void conn_choice_fini(conn_choice *stream);

#endif
