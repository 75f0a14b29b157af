/* A stream: all frames of one (feed, topic, symbol, direction), over all slots and connections. It
 * applies them to the state of its symbol (book/symbol_state.h), counts what that finds, and
 * digests. Copies (book/conn_choice.h) are judged by the books of their own connections; of the
 * digests they are in that of frames alone. An observer (replay/play/observer.h) sees each frame
 * once all of that is done. Streams share nothing, so each may be worked on by another thread; a
 * stream itself belongs to one thread at a time, and gets its frames in the tape's order. */
#ifndef TD_PLAY_STREAM_H
#define TD_PLAY_STREAM_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "book/symbol_state.h"
#include "replay/play/digest.h"
#include "replay/play/observer.h"
#include "archive/gap.h"
#include "schema/decode.h"
#include "tape/cursor.h"
#include "tape/topic_trust.h"

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

/* Texts are those of the channel of the first frame. */
typedef struct stream {
    const char *feed;
    const char *topic;
    const char *symbol;
    const char *exchange_topic; /* as the exchange calls it; "" if it has none */
    const char *family;
    channel_dir dir;
    frame_role role;         /* of all its frames */
    symbol_state *of_symbol; /* of its feed's symbol; the player's */
    uint32_t queue;          /* of work_queues; the player's */
    observer observer;       /* ops NULL: none; the player's */
    void *observed;          /* the observer's */
    topic_trust trust;       /* of its frames, if the observer has a ledger */
    digest digest;           /* of the player; zero: none is made */
    stream_counts counts;
    /* For each frame the first error (or none), and every warning and statistic. */
    uint64_t rules[STRENGTH_STATISTIC + 1][RULE_COUNT];
    stream_violation violated;
    stream_undecoded undecoded;
    gap_list gaps;      /* in which an audit found something of this stream missing, up to
                           LIMIT_STREAM_GAPS; more are in the verdicts alone */
    symbol_topic *last; /* of the last frame with a row that was no copy; NULL before */
} stream;

/* Apply the next frame. Whatever is in it, this succeeds; only the observer can fail. */
TD_MUST_USE td_result stream_apply(stream *stream, const frame_ref *frame, td_err *err);

/* Take over what an audit found at a place of a stream (NULL: at the end of the tape): verdicts go
 * to that stream, gaps to the one that lacks something, whose topic the item's member is.
 * stream_apply does it for each frame. */
void stream_note_audit(stream *own, const audit_verdict *found, const stream_place *at);

/* The track that saw the stream's last frame that was no copy, or NULL. */
const track *stream_last_track(const stream *stream);

/* All streams of a replay, found by name. The table only grows while the tape plays; streams never
 * move, so that workers may hold them. One thread (the one that runs the player). */
typedef struct stream_table {
    stream **items; /* in order of first sight */
    size_t count;
    slot_table by_key;
} stream_table;

/* Zero-initialise to start. Closes all streams. */
void stream_table_fini(stream_table *table);

/* The stream of a channel, which outlives it; without frames if it is new. */
TD_NEVER_NULL stream *stream_table_get(stream_table *table, const frame_channel *channel);

/* Bring items into the order of feed, topic, symbol, direction, in which reports and digests have
 * them; only finding is wrong afterwards, so do it last. */
void stream_table_sort(stream_table *table);

#endif
