/* Which connection a stream follows: the one definition, for replay, exports and the live check.
 *
 * A stream is a topic and symbol of a feed, on one line. Its frames may come over several
 * connections at the same time: a capture with two connections of one topic, sessions that overlap,
 * a wildcard beside a single topic. The stream follows the connection that its first frame comes
 * over, until
 *   - that connection has ended, or
 *   - it has sent no frame of the stream for more than FOLLOW_SILENCE_NS;
 * then the connection that brings the next frame of the stream is followed. Frames of the others
 * are copies: recorded, decoded, and judged by the rules of their own connection, but no part of
 * the stream. A feed is one account, so this holds for private topics as well.
 *
 * Sessions of a recorder have no copies of each other: it records one at a time, so where the times
 * of two overlap, the clock of one was wrong. Frames of both are parts of the stream then.
 *
 * Each connection of a stream has a place, a small number: state that belongs to one connection (a
 * book) is kept by place. A connection that follows another one in its slot has the place of that
 * one; so may any that begins after it ended. One thread. */
#ifndef TD_BOOK_FOLLOW_H
#define TD_BOOK_FOLLOW_H

#include <stdint.h>

/* Two connections bring the same frame within a second or so, else one of them is closed as stale.
 * This is the longest stretch of a stream that is lost to its readers if a topic moves from one
 * open connection to another; books and trades of a symbol that trades have frames every second. */
#define FOLLOW_SILENCE_NS (UINT64_C(5) * UINT64_C(1000000000))

/* A connection: its slot, and its number there. */
typedef struct follow_conn {
    const void *slot; /* the caller's, one address a slot */
    uint64_t session; /* follow_session of the one that recorded it; with shard: the slot */
    uint32_t shard;
    uint32_t conn;
    uint64_t last_ns;    /* receive time of its last frame of the stream */
    uint64_t granted_ns; /* of its last grant; 0: unknown */
    uint8_t is_recorded; /* 1: the session is a recorder's */
} follow_conn;

/* The number of a session, by its id (NULL: there is one only). */
uint64_t follow_session(const char *id);

/* State of a stream. Zero-initialise. */
typedef struct follow {
    follow_conn *conns; /* by place */
    uint32_t count;
    uint32_t followed; /* place; only if count > 0 */
    uint64_t since_ns; /* it is followed since its frame of then; those before were copies. 0: it
                          had none */
} follow;

/* What a frame is to its stream. */
typedef struct follow_answer {
    uint32_t place;
    uint8_t is_copy;
    uint8_t is_interleaved; /* the frame before was of another session of the recorder, which has
                               later frames, too: their clocks differ */
    uint64_t granted_ns;    /* the stream has every frame of its topic since then; 0: unknown */
} follow_answer;

/* 1 if the connection has ended by the time recv_ns. */
typedef int follow_ended_fn(void *user, const follow_conn *conn, uint64_t recv_ns);

/* Take the next frame of a stream: it came over this connection (last_ns: when). */
follow_answer follow_take(follow *stream, const follow_conn *now, follow_ended_fn *has_ended,
                          void *user);
void follow_fini(follow *stream);

#endif
