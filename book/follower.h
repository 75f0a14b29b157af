/* One topic of a symbol, followed frame by frame over one connection at a time: its track (book and
 * rules) restarts with each connection, continues under another row, and takes each message.
 * Replay, exports, served books and the live check all follow topics by this.
 *
 * Several connections may bring a topic at a time (book/follow.h): then each has a follower. What a
 * symbol's topics say about each other is the audit's (book/audit.h); a topic is one
 * member of it, whichever of its connections is followed. One thread; no I/O. */
#ifndef TD_BOOK_FOLLOWER_H
#define TD_BOOK_FOLLOWER_H

#include <stdint.h>

#include "base/attr.h"
#include "book/audit.h"
#include "book/continuity.h"
#include "schema/message.h"
#include "schema/topic.h"

/* A connection, as followers distinguish them. */
typedef struct follower_conn {
    uint32_t session; /* that recorded it; 0 where there is one only */
    uint32_t shard;   /* of its slot */
    uint32_t conn;    /* its number there */
} follower_conn;

/* Zero-initialise; close with follower_close. */
typedef struct follower {
    struct track *track; /* NULL before the first frame */
    const topic_row *row;
    follower_conn from;
} follower;

/* A frame's relation to the one before. */
typedef enum follower_step {
    FOLLOWER_BEGINS,     /* there was none */
    FOLLOWER_GOES_ON,    /* same connection and topic */
    FOLLOWER_RECONNECTS, /* of another connection: nothing that came before binds it */
    FOLLOWER_TURNS,      /* of another topic: the book is another one */
} follower_step;

/* 1 if the two are the same connection. */
static inline int follower_conn_is(const follower_conn *a, const follower_conn *b)
{
    return a->conn == b->conn && a->shard == b->shard && a->session == b->session;
}

/* The slow path of follower_meet: the frame's connection or row is another one than before. */
follower_step follower_turn(follower *f, const follower_conn *from, const topic_row *row);

/* Get ready for a frame of this connection, read by this row. Inline, because nearly every frame
 * continues the one before. */
static inline follower_step follower_meet(follower *f, const follower_conn *from,
                                          const topic_row *row)
{
    if (TD_LIKELY(f->row == row && follower_conn_is(&f->from, from)))
        return FOLLOWER_GOES_ON;
    return follower_turn(f, from, row);
}

/* Take the frame's message; NULL: unknown, and a book is unchecked until its next snapshot. out is
 * the verdict (of NULL an empty one). */
void follower_take(follower *f, const message *m, verdict *out);

void follower_close(follower *f);

/* A topic's part in the audit of its symbol. Zero-initialise; it is freed with the audit. */
typedef struct follower_member {
    audit_member *member; /* NULL: none yet */
    uint8_t is_refused;   /* 1: the audit is full */
} follower_member;

/* Let the audit compare the frame that the follower has just taken; m as there. The topic joins the
 * audit at its first frame; line and user: as in audit_join. answered_ns: as in audit_frame. 1: out
 * is the audit's verdict; 0: nothing was compared, because the audit is full. */
int follower_compare(const follower *f, follower_member *member, audit *of, uint32_t line,
                     void *user, uint64_t recv_ns, uint64_t answered_ns, const message *m,
                     audit_verdict *out);

#endif
