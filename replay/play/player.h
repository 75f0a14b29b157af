/* The player takes the frames of a tape in total order. It shows each frame to the player's user
 * when the frame is due, and passes it to the frame's stream, which checks it. The tape must read
 * at least messages (TAPE_READS_MESSAGES).
 *
 * Streams are spread over work queues by (feed, symbol), so that all topics of a symbol are in one
 * queue; frames are queued in batches, which keep their chunks in memory. Results do not depend on
 * the number of threads: streams share nothing, and are combined in order of their names. Without
 * workers everything runs inline. */
#ifndef TD_PLAY_PLAYER_H
#define TD_PLAY_PLAYER_H

#include <stdint.h>

#include "base/err.h"
#include "book/symbol_table.h"
#include "replay/play/observer.h"
#include "replay/play/pacer.h"
#include "replay/play/stream.h"
#include "tape/cursor.h"
#include "tape/silent_topics.h"

typedef struct player_options {
    td_workers *workers; /* they run streams together with the caller's thread, which helps while it
                            waits; usually cursor_workers, which the tape uses too; NULL: everything
                            runs on the caller's thread */
    pacer *pacer;        /* NULL: full speed, no deadlines */
    observer observer;   /* gets every stream's frames; ops NULL: no observer */
    uint8_t without_digests; /* 1: nothing is hashed */
    uint8_t without_audits;  /* 1: topics are not compared with each other */
    /* Called on the caller's thread, in total order, for every frame except copies and frames
     * before the selection, when the frame is due. deadline_ns: when the frame was due (0 at full
     * speed). The function may block; the tape then waits. TD_EOF ends the replay as if the tape
     * had ended; an error ends the replay with that error. May be NULL. */
    td_result (*due)(void *user, const frame_ref *frame, uint64_t deadline_ns, td_err *err);
    /* Called every few thousand frames with their number so far; 1 ends the replay. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} player_options;

/* Sums over all streams. */
typedef struct player_totals {
    /* As the archive counts them, without events: decoded + undecoded + control + out + http. */
    uint64_t frames;
    uint64_t bytes; /* bytes of `frames` */
    uint64_t out;   /* outbound frames */
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t undecoded_by[DECODE_REASON_COUNT]; /* undecoded frames by reason */
    uint64_t control;
    uint64_t http;
    uint64_t lead_in;
    uint64_t made; /* frames (lead-in included) that `cut` made (FORM_MADE) */
    uint64_t violations;
    uint64_t copies; /* part of decoded + undecoded: frames of connections that are not used for the
                        topic (book/conn_choice.h) */
    uint64_t possible_copies; /* part of decoded + undecoded: frame_ref.is_doubtful */
    uint64_t unchecked;
    uint64_t unaudited;
    uint64_t unknown_fields;
    uint64_t first_recv_ns; /* receive time of the first frame that counts; last_recv_ns: of the
                               last; 0 if absent */
    uint64_t last_recv_ns;
} player_totals;

typedef struct player player;

/* A player for one tape. It keeps the topics of its streams in the tape's channels. The options'
 * workers and pacer are borrowed until close. */
TD_NEVER_NULL player *player_open(const player_options *options);
void player_close(player *player);

/* Play one frame: wait until it is due, show it, pass it to its stream. A lead-in frame only brings
 * its book up to date. TD_OK; TD_EOF: the user, the observer or the idle function ends the replay;
 * an error of the user or the observer. */
TD_MUST_USE td_result player_on_frame(player *player, const frame_ref *frame, td_err *err);

/* Judge a frame that comes after the played ones, for the observer: apply it to the state of its
 * topic, which is of a later time then than the counts. A candle's verdict that had waited for the
 * frame is counted. Drain before; out as of tape_topic_apply. */
void player_judge(player *player, const frame_ref *frame, applied_frame *out);

/* Call before the first frame: load the states that the tape begins with (cursor_states), which
 * live as long as the player. Returns 1 if there are any. */
int player_take_states(player *player, cursor *tape);

/* Play the tape from its states to its end, or to TD_EOF of player_on_frame. A second call
 * continues with the frame that the pacer held back, which the tape must still hold. */
TD_MUST_USE td_result player_play(player *player, cursor *tape, td_err *err);

/* Wait until every frame so far was applied by its stream and seen by the observer. Playing may
 * continue afterwards. Returns the first failure of any stream so far. */
TD_MUST_USE td_result player_drain(player *player, td_err *err);

/* 1 if the replay was stopped before the end of the tape: results cover only a part. */
int player_is_stopped(const player *player);

/* Wait for the workers. Call once, before any of the functions below. */
TD_MUST_USE td_result player_finish(player *player, td_err *err);

/* The symbols with their states, at the present position of a player without workers. A topic's
 * user is its stream; NULL: it is of a state that the tape begins with, without a frame since. */
const symbol_table *player_symbols(const player *player);

/* Results: streams in the order of stream_table_sort, sums, and digests (without digests, *out is
 * unchanged). Valid until close. */
const stream_table *player_streams(const player *player);
/* Why a topic without frames in the selection has no right state: how frames before the selection
 * left it. TIME_IS_RIGHT if its state is right or unknown, or without a state. */
time_reason player_began_broken(const player *player, const silent_topic *topic);
void player_get_audits(const player *player, audit_stats *out);
void player_get_totals(const player *player, player_totals *out);
void player_digests(const player *player, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES]);

/* The greatest number of workers that were busy at the same time; 1 without workers. */
unsigned player_busy_max(const player *player);

#endif
