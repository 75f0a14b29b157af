/* A stream: all frames of one (feed, topic, symbol, direction), over all slots and connections. It
 * applies them to its symbol's state (book/symbol_state.h), counts the findings, and updates
 * digests. Copies (book/conn_choice.h) are checked with the books of their own connections and only
 * enter the digest of frames. An observer (replay/play/observer.h) then sees each frame. Streams
 * share nothing, so different threads may work on different streams; one stream belongs to one
 * thread at a time, and gets its frames in the tape's order. */
#ifndef TD_PLAY_STREAM_H
#define TD_PLAY_STREAM_H

#include <stdint.h>

#include "base/err.h"
#include "book/proof.h"
#include "book/symbol_state.h"
#include "replay/play/digest.h"
#include "replay/play/observer.h"
#include "archive/gap.h"
#include "tape/stream_index.h"
#include "tape/tape_topic.h"

/* Identifies a frame. */
typedef struct frame_position {
    uint64_t position, recv_ns, ordinal;
    uint32_t line, shard, conn;
} frame_position;

typedef struct stream_counts {
    uint64_t frames;
    uint64_t bytes;
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t undecoded_by[DECODE_REASON_COUNT]; /* undecoded frames by reason */
    uint64_t snapshots;                         /* frames that are snapshots */
    uint64_t deltas;
    uint64_t items;           /* levels, trades, updates */
    uint64_t unknown_fields;  /* members that the topic's row does not list */
    uint64_t made;            /* frames that `cut` made (FORM_MADE), lead-in included */
    uint64_t copies;          /* frames of connections that are not used for the topic */
    uint64_t possible_copies; /* frames that may be copies (frame_ref.is_doubtful) */
    uint64_t unchecked;       /* frames applied to a book that was broken before */
    uint64_t unaudited;       /* frames that the audit ignored because it was full */
    uint64_t lead_in;         /* frames before the selection, counted only here and in made */
} stream_counts;

/* The first broken rule. */
typedef struct stream_violation {
    uint8_t is_set;
    rule_id rule;
    int64_t expected;
    int64_t found;
    int64_t seq; /* the frame's own number: cross_seq, else seq, else u; valid if has_seq */
    uint8_t has_seq;
    frame_position at;
} stream_violation;

/* The first frame that could not be decoded. */
typedef struct stream_undecoded {
    uint8_t is_set;
    decode_reason reason;
    size_t offset;
    const char *field; /* name of the field that failed, a constant; NULL: unknown */
    frame_position at;
} stream_undecoded;

/* All frames of one (feed, topic, symbol, direction). Its texts belong to the channel of the first
 * frame. */
typedef struct stream {
    const char *feed;
    const char *topic;
    const char *symbol;
    const char *exchange_topic; /* the exchange's name of the topic; "" if it is the same */
    const char *family;
    channel_dir dir;
    frame_role role;   /* role of all its frames */
    tape_topic tape;   /* its topic; with trust if the observer has a ledger; set by the player */
    uint32_t queue;    /* index in work_queues; set by the player */
    observer observer; /* ops NULL: no observer; set by the player */
    void *observed;    /* the observer's state */
    digest digest;     /* opened by the player; zero: no digests */
    stream_counts counts;
    quiet_time quiet; /* of candles */
    /* How often each rule was broken. A frame counts with its first error, and with each of its
     * warnings and statistics. */
    uint64_t rules[STRENGTH_STATISTIC + 1][RULE_COUNT];
    stream_violation violated;
    stream_undecoded undecoded;
    uint64_t lacking_ns;  /* receive time of the first frame of a book that had no snapshot yet;
                             0: it has one, or no frame */
    uint8_t began_broken; /* 1: its state was not right when the selection began */
    gap_list gaps;    /* in which an audit found frames of this stream missing, nothing came after a
                         grant, a snapshot came late, or only copies came: up to LIMIT_TOPIC_GAPS; for
                         later ones of audits only the broken rule is counted */
    time_span copied; /* what is missing if only copies come until the end; from_ns 0: nothing */
    const symbol_topic *last; /* topic of the last frame that has a row and is no copy, or NULL */
} stream;

/* Apply a frame that is not counted; only a candle's verdict that had waited for it is. */
void stream_judge(stream *stream, const frame_ref *frame, applied_frame *out);

/* Apply the next frame. Any content succeeds; only the observer can fail. */
TD_MUST_USE td_result stream_apply(stream *stream, const frame_ref *frame, td_err *err);

/* Call after the last frame, unless the stream is closed next. */
void stream_finish(stream *stream);

/* Add an audit's findings at a frame of the stream `own` (NULL: at the end of the tape). A finding
 * counts in `own` or, if `own` is NULL, in the stream that the finding is about. If the finding is
 * that frames are missing, a gap is added to the stream that lacks them. stream_apply calls this
 * for each frame. */
void stream_note_audit(stream *own, const audit_verdict *found, const frame_position *at);

/* The track of the stream's last frame that was no copy, or NULL. */
const track *stream_last_track(const stream *stream);

/* All streams of a replay, found by name. The table only grows while the tape plays; streams never
 * move, so that workers may keep pointers to them. One thread, the player's. */
typedef struct stream_table {
    stream **items; /* in the order of their first frames */
    size_t count;
    stream_index by_name;
} stream_table;

/* Zero-initialise to start. fini closes all streams. */
void stream_table_fini(stream_table *table);

/* Find or make the stream of a channel. A new stream has no frames, and borrows the channel's
 * texts. */
TD_NEVER_NULL stream *stream_table_get(stream_table *table, const frame_channel *channel);

/* The stream with a name, whose line is 0, or NULL. */
stream *stream_table_find(const stream_table *table, const stream_name *name);

/* Sort items by feed, topic, symbol, direction, the order of reports and digests. */
void stream_table_sort(stream_table *table);

#endif
