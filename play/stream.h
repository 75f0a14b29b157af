/* A stream: all frames of one (feed, topic, symbol, direction), over all slots and connections. It
 * applies them to the state of its symbol (book/symbol_state.h), counts what that finds, and
 * digests. Copies (book/conn_choice.h) are judged by the books of their own connections; of the
 * digests they are in that of frames alone. An observer (play/observer.h) sees each frame once all
 * of that is done. Streams share nothing, so each may be worked on by another thread; a stream
 * itself belongs to one thread at a time, and gets its frames in the tape's order. */
#ifndef TD_PLAY_STREAM_H
#define TD_PLAY_STREAM_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "book/symbol_state.h"
#include "play/digest.h"
#include "play/observer.h"
#include "play/sink.h"
#include "schema/decode.h"
#include "tape/cursor.h"

/* Where a frame is. */
typedef struct stream_place {
    uint64_t position, recv_ns, ordinal;
    uint32_t line, shard, conn;
} stream_place;

typedef struct stream_counts {
    uint64_t frames;
    uint64_t bytes;
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t undecoded_by[DECODE_REASON_COUNT]; /* of these, by reason */
    uint64_t snapshots;                         /* frames of that type */
    uint64_t deltas;
    uint64_t items;          /* levels, trades, updates */
    uint64_t unknown_fields; /* that the topic's row does not name */
    uint64_t made;           /* frames that the exchange did not send (FORM_MADE), of the lead-in
                                too */
    uint64_t copies;         /* frames of connections that the stream does not follow */
    uint64_t unchecked;      /* frames on a book that was broken before */
    uint64_t unaudited;      /* frames that the audit had no member for: it was full */
    uint64_t lead_in;        /* frames before the selection, in none of the above */
} stream_counts;

/* The first rule that was broken. */
typedef struct stream_violation {
    uint8_t is_set;
    rule_id rule;
    int64_t expected;
    int64_t found;
    int64_t seq; /* the frame's own number: cross_seq, else seq, else u; if has_seq */
    uint8_t has_seq;
    stream_place at;
} stream_violation;

/* The first frame that could not be decoded. */
typedef struct stream_undecoded {
    uint8_t is_set;
    decode_reason reason;
    size_t offset;
    const char *field; /* a constant, or NULL */
    stream_place at;
} stream_undecoded;

/* Verdicts: for each frame the first error (or none), and every warning and statistic. */
typedef struct stream_verdicts {
    uint64_t violations[RULE_COUNT];
    uint64_t warnings[RULE_COUNT];
    uint64_t statistics[RULE_COUNT];
    stream_violation first;
} stream_verdicts;

/* A stretch in which something of this stream is missing, as an audit found it. */
typedef struct stream_gap {
    uint32_t line, shard, conn;
    uint64_t from_ns, to_ns;
    rule_id rule;
    int64_t expected, found;
} stream_gap;

typedef struct stream {
    char *feed;
    char *topic;
    char *symbol;
    char *exchange_topic; /* as the exchange calls the first frame's topic; "" if it has none */
    char *family;         /* of the first frame */
    channel_dir dir;
    const topic_row *row;    /* of the first frame; NULL: frames are not decoded */
    symbol_state *of_symbol; /* of its feed's symbol; the player's */
    uint32_t queue;          /* of work_queues; the player's */
    frame_role role;         /* of all its frames; the player's */
    stream_counts counts;
    stream_verdicts verdicts;
    stream_undecoded undecoded;
    digest digest; /* zero without digests */
    uint8_t is_digested;
    uint8_t is_observed;
    observer observer;
    void *observed;        /* the observer's */
    symbol_topic *on_line; /* of the last frame; NULL before the first with a row */
    symbol_topic *last;    /* of the last one that was no copy */
    stream_gap *gaps;      /* up to LIMIT_STREAM_GAPS; more are in the verdicts alone */
    size_t gap_count;
} stream;

/* Identity of a stream. Strings are copied on open. */
typedef struct stream_key {
    const char *feed;
    td_bytes topic;
    td_bytes symbol;
    channel_dir dir;
} stream_key;

/* What else a stream begins with. Strings are copied on open; NULL is "". */
typedef struct stream_origin {
    const topic_row *row; /* of the first frame; NULL: absent */
    const char *exchange_topic;
    const char *family;
    observer observer; /* ops NULL: none */
    uint8_t without_digests;
} stream_origin;

/* A stream without frames. */
TD_NEVER_NULL stream *stream_open(const stream_key *key, const stream_origin *origin);
void stream_close(stream *stream);

/* <0, 0, >0 by feed, topic, symbol, direction: the order of reports and digests. */
int stream_compare(const stream *a, const stream *b);

/* Apply the next frame. Whatever is in it, this succeeds; only the observer can fail. */
TD_MUST_USE td_result stream_apply(stream *stream, const frame_ref *frame, td_err *err);

/* Take over what an audit found at a place of a stream (NULL: at the end of the tape): verdicts go
 * to that stream, gaps to the one that lacks something, whose topic the item's member is.
 * stream_apply does it for each frame. */
void stream_note_audit(stream *own, const audit_verdict *found, const stream_place *at);

/* The track that saw the stream's last frame that was no copy, or NULL. */
const track *stream_last_track(const stream *stream);

#endif
