/* The state of one symbol of a feed: for each of its topics (and lines) a track per connection
 * (book and rules), and the audit that compares the topics. Replay, the live check, exports, served
 * books and regress hold one per symbol and apply its frames in order. It can be saved and loaded;
 * a loaded state gives the same verdicts as the saved one.
 *
 * Several connections may bring a topic at the same time: each has an index with its own track.
 * The topic follows one of these connections (book/conn_choice.h): that connection's frames are the
 * topic's, and frames of the other connections are copies, which take no part in audits. The merger
 * chooses the connection (conn_choice_set); the state notes the merger's decisions. A track
 * restarts with each connection, and continues when its topic's row changes.
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
 * read line, name and choice; the other members are private. */
typedef struct symbol_topic {
    symbol_state *owner;
    void *user; /* for the caller; NULL at first */
    char *name;
    uint32_t line;
    conn_choice choice;   /* the topic's connections, and which of them the topic follows, after the
                             topic's last frame */
    uint64_t first_ns;    /* receive time of its first frame; 0 if the state was loaded */
    uint64_t saved_ns;    /* of a loaded state: time of its checkpoint, set by the loader; else 0 */
    const topic_row *row; /* of the last frame */
    audit_part part;      /* the topic's part in audits, by its first row */
    uint8_t is_compared;  /* 1: audits are on, and the present row has the same part as the first */
    uint8_t is_refused;   /* 1: the audit was full when the topic was to join it */
    audit_member *member; /* NULL before it joins the audit */
    struct topic_conn *conns;
    size_t conn_count;
} symbol_topic;

typedef enum symbol_audits { SYMBOL_WITH_AUDITS, SYMBOL_WITHOUT_AUDITS } symbol_audits;

/* A state without topics. Closing NULL is allowed. */
symbol_state *symbol_state_open(symbol_audits audits);
void symbol_state_close(symbol_state *state);

/* Memory of the state, in bytes. */
size_t symbol_state_bytes(const symbol_state *state);

/* The topic with this name and line, added if new. */
symbol_topic *symbol_state_topic(symbol_state *state, td_bytes name, uint32_t line);

/* From now on, topics begin in the middle of a connection: a snapshot may have come before
 * (track_join). */
void symbol_state_join(symbol_state *state);

/* A frame's relation to the previous one with the same conn_index. */
typedef enum symbol_step {
    SYMBOL_BEGINS,     /* there is no previous frame */
    SYMBOL_CONTINUES,  /* same connection and topic */
    SYMBOL_RECONNECTS, /* another connection: earlier frames do not matter */
    SYMBOL_NEW_TOPIC,  /* another topic, with another book */
} symbol_step;

/* Result of a frame. */
typedef struct symbol_verdict {
    verdict rules;       /* of its topic; empty if the frame was not decoded */
    struct track *track; /* the track that applied the frame */
    symbol_step step;
    uint64_t since_ns;    /* of a snapshot: the state needs each frame from this receive time on, of
                             which no rule shows whether one is missing */
    uint8_t is_unaudited; /* 1: the audit is full */
    audit_verdict audit;  /* of all topics; the user of a member is its symbol_topic */
} symbol_verdict;

/* Apply a frame with a row in the schema. If the frame has no message, because it could not be
 * decoded, a book is unchecked until its next snapshot. If the frame has a saved state, the topic
 * takes it first, which leaves the saved topic without tracks. */
void symbol_topic_apply(symbol_topic *topic, const frame_ref *frame, symbol_verdict *out);

/* Note that frames of the topic are missing before recv_ns. */
void symbol_topic_skip(symbol_topic *topic, uint64_t recv_ns);

/* The track of the connection at conn_index, or of the connection that the topic follows. NULL if
 * the connection has no track. */
track *symbol_topic_track_at(const symbol_topic *topic, size_t conn_index);
track *symbol_topic_track(const symbol_topic *topic);

/* The frames that determine a ticker's values, of the connection that the topic follows. NULL if
 * the topic is not a ticker with deltas, or if frames are missing (ticker_frames.is_whole). */
const ticker_frames *symbol_topic_ticker(const symbol_topic *topic);

/* 0 if a ticker with deltas lacks frames. */
int symbol_state_has_tickers(const symbol_state *state);

/* Finish the audit, as audit_finish, at the end of the frames. */
void symbol_state_finish(symbol_state *state, uint64_t end_ns, audit_verdict *out);

/* Add the audit's statistics to *sum. */
void symbol_state_add_stats(const symbol_state *state, audit_stats *sum);

/* Save into out, whose content is replaced and whose limit is at least LIMIT_STATE_BYTES.
 * TD_E_LIMIT if the state is larger than LIMIT_STATE_BYTES. */
TD_MUST_USE td_result symbol_state_save(symbol_state *state, td_buf *out, td_err *err);

/* Load a saved state. Topics have no users. TD_E_UNSUPPORTED: the state has another version.
 * TD_E_CORRUPT: the state is malformed, or this version does not have the schema row of a topic. */
TD_MUST_USE td_result symbol_state_load(td_bytes bytes, symbol_audits audits, symbol_state **out,
                                        td_err *err);

/* Remove the topics for which keep returns 0. If any is removed, the audit of the other topics
 * begins again with their next frames. */
void symbol_state_keep(symbol_state *state, int (*keep)(void *user, const symbol_topic *topic),
                       void *user);

/* Let the topics of other lines be of line 0. No two topics have one name. The audit begins again,
 * unless all are of line 0. */
void symbol_state_join_lines(symbol_state *state);

/* Move the topics of a state into *to, which must not have any of them; if *to is NULL, it becomes
 * `from`. Connection objects are forgotten (choice_conn), because `to` may be of another tape. If
 * *to is not NULL, both states must be without audits. */
void symbol_state_move(symbol_state **to, symbol_state *from);

/* The topics, in the order of addition; NULL after the last. */
symbol_topic *symbol_state_topic_at(const symbol_state *state, size_t index);

#endif
