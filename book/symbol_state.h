/* The state of one symbol of a feed: of each of its topics (and lines) a track for each connection
 * at a time (book and rules), and the audit that compares the topics. Whoever follows a symbol
 * holds one of these and applies its frames in their order: replay, the live check, exports, served
 * books, regress. It can be saved and loaded: a loaded one judges what follows as the saved one
 * would have.
 *
 * Several connections may bring a topic at a time: each has an index with a track of its own, and
 * frames of those that are not followed are copies, which take no part in audits. Whoever puts the
 * frames in order judges them so (conn_choice_judge); the state notes which connection each topic
 * follows. A track restarts with each connection, and continues under another row of its topic.
 *
 * One thread; no I/O. */
#ifndef TD_BOOK_SYMBOL_STATE_H
#define TD_BOOK_SYMBOL_STATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "book/audit.h"
#include "book/continuity.h"
#include "book/conn_choice.h"
#include "book/ticker_frames.h"
#include "schema/frame.h"
#include "schema/message.h"

typedef struct symbol_state symbol_state;

/* One topic of the symbol, on one line. It lives as long as the state. Callers may set user and
 * read line, name and choice; the rest belongs to the module. */
typedef struct symbol_topic {
    symbol_state *owner;
    void *user; /* the caller's; NULL at first */
    char *name;
    uint32_t line;
    conn_choice choice;   /* its connections, and which of them it follows, after its last frame */
    uint64_t first_ns;    /* receive time of its first frame; 0: the state was loaded */
    const topic_row *row; /* of the last frame */
    audit_part part;      /* of the first row */
    uint8_t is_compared;  /* 1: row has that part */
    uint8_t is_refused;   /* 1: the audit was full */
    audit_member *member; /* NULL: none yet */
    struct topic_conn *conns;
    size_t conn_count;
} symbol_topic;

typedef enum symbol_audits { SYMBOL_WITH_AUDITS, SYMBOL_WITHOUT_AUDITS } symbol_audits;

symbol_state *symbol_state_open(symbol_audits audits);
void symbol_state_close(symbol_state *state);

/* Bytes of memory that it holds. */
size_t symbol_state_bytes(const symbol_state *state);

/* The topic of that name on that line, added if it is new. */
symbol_topic *symbol_state_topic(symbol_state *state, td_bytes name, uint32_t line);

/* From now on topics begin in the middle of a connection: a snapshot may have come before
 * (track_join). */
void symbol_state_join(symbol_state *state);

/* A frame's relation to the one before, at its index. */
typedef enum symbol_step {
    SYMBOL_BEGINS,     /* there was none */
    SYMBOL_CONTINUES,  /* same connection and topic */
    SYMBOL_RECONNECTS, /* of another connection: nothing that came before binds it */
    SYMBOL_NEW_TOPIC,  /* of another topic: the book is another one */
} symbol_step;

/* What a frame did. */
typedef struct symbol_verdict {
    verdict rules;       /* of its topic; empty if the frame is not decoded */
    struct track *track; /* that took it */
    symbol_step step;
    uint8_t is_unaudited; /* 1: the audit is full */
    audit_verdict audit;  /* of all topics; users of its members are symbol_topics */
} symbol_verdict;

/* Apply a frame with a row. Without a message (it cannot be decoded) a book is unchecked until its
 * next snapshot. */
void symbol_topic_apply(symbol_topic *topic, const frame_ref *frame, symbol_verdict *out);

/* Frames of the topic are missing before this moment. */
void symbol_topic_skip(symbol_topic *topic, uint64_t recv_ns);

/* The track of the connection at an index, and of the one that is followed; NULL: absent. */
track *symbol_topic_track_at(const symbol_topic *topic, size_t conn_index);
track *symbol_topic_track(const symbol_topic *topic);

/* The frames that the values of a ticker come from, of the connection that is followed. NULL: it is
 * no ticker with deltas, or they are not all there (ticker_frames.is_whole). */
const ticker_frames *symbol_topic_ticker(const symbol_topic *topic);

/* 0: there is a ticker with deltas whose frames are not all there. */
int symbol_state_has_tickers(const symbol_state *state);

/* The end: as audit_finish. */
void symbol_state_finish(symbol_state *state, uint64_t end_ns, audit_verdict *out);

/* Add what was compared so far. */
void symbol_state_add_stats(const symbol_state *state, audit_stats *sum);

/* Save into out, whose content is replaced and whose bound is LIMIT_STATE_BYTES or more.
 * TD_E_LIMIT: the state is larger than LIMIT_STATE_BYTES. */
TD_MUST_USE td_result symbol_state_save(symbol_state *state, td_buf *out, td_err *err);

/* Load what was saved. Topics have no users. TD_E_CORRUPT: it is malformed; TD_E_UNSUPPORTED:
 * another version, or one with topics that this one does not know. */
TD_MUST_USE td_result symbol_state_load(td_bytes bytes, symbol_audits audits, symbol_state **out,
                                        td_err *err);

/* Forget the topics that keep does not answer 1 for. Topics that were compared with one of those
 * are compared from their next frames on. */
void symbol_state_keep(symbol_state *state, int (*keep)(void *user, const symbol_topic *topic),
                       void *user);

/* Move the topics of a state into *to, which lacks all of them; NULL: *to becomes the state.
 * Objects of connections are forgotten (choice_conn), so that `to` may be of another tape. Two
 * states are put together only if both are without audits. */
void symbol_state_move(symbol_state **to, symbol_state *from);

/* The topics, in the order in which they were added; NULL: no more. */
symbol_topic *symbol_state_topic_at(const symbol_state *state, size_t index);

#endif
