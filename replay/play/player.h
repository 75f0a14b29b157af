/* The player: takes the frames of a tape in total order, shows each to its user when it is due, and
 * passes it to the stream that it belongs to, which judges it. The tape reads at least messages
 * (TAPE_READS_MESSAGES); with workers, the tape has them, too.
 *
 * Streams are spread over work queues by (feed, symbol), so that all topics of a symbol are in one
 * queue; frames go there in batches that keep their chunk's memory. What comes out does not depend
 * on the number of threads: streams share nothing, and are put together in order of their names.
 * Without workers everything runs inline. */
#ifndef TD_PLAY_PLAYER_H
#define TD_PLAY_PLAYER_H

#include <stdint.h>

#include "base/err.h"
#include "replay/play/observer.h"
#include "replay/play/pacer.h"
#include "replay/play/stream.h"
#include "tape/cursor.h"

typedef struct player_options {
    td_workers *workers; /* that follow streams, beside the caller's thread, which helps them while
                            it waits (cursor_workers); NULL: all runs on the caller's thread */
    pacer *pacer;        /* NULL: full speed, no deadlines */
    observer observer;   /* of every stream; ops NULL: none */
    uint8_t without_digests; /* 1: nothing is hashed */
    uint8_t without_audits;  /* 1: topics are not compared with each other */
    /* Called for every frame in total order, on the caller's thread, when the frame is due, which
     * was at deadline_ns (0: at full speed): neither for copies, nor for frames before the
     * selection. It may block, which holds the tape back. TD_EOF ends the replay as if the tape had
     * ended, an error with that error. May be NULL. */
    td_result (*due)(void *user, const frame_ref *frame, uint64_t deadline_ns, td_err *err);
    /* Called now and then with the number of frames so far; 1 ends the replay. May be NULL. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} player_options;

/* Sums over all streams. */
typedef struct player_totals {
    /* As the archive counts them, without events: decoded + undecoded + control + out + http. */
    uint64_t frames;
    uint64_t bytes; /* of these */
    uint64_t out;   /* outbound frames */
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t undecoded_by[DECODE_REASON_COUNT]; /* of these, by reason */
    uint64_t control;
    uint64_t http;
    uint64_t lead_in;
    uint64_t made; /* of all and the lead-in: what `cut` made (FORM_MADE) */
    uint64_t violations;
    uint64_t copies; /* of decoded + undecoded: what no stream follows (book/conn_choice.h) */
    uint64_t unchecked;
    uint64_t unaudited;
    uint64_t unknown_fields;
    uint64_t first_recv_ns; /* of the first and last frame that counts; 0 if absent */
    uint64_t last_recv_ns;
} player_totals;

typedef struct player player;

/* A player for one tape: it keeps streams in the user pointers of the tape's channels.
 * The options' workers and pacer are borrowed until close. */
TD_NEVER_NULL player *player_open(const player_options *options);
void player_close(player *player);

/* Play one frame: wait until it is due, show it, pass it on. A frame of the lead-in brings its book
 * up to date and nothing else. TD_OK; TD_EOF: the user, the observer or the idle function ends the
 * replay; an error of the user or the observer. */
TD_MUST_USE td_result player_on_frame(player *player, const frame_ref *frame, td_err *err);

/* Before the first frame: the states that the tape begins with (cursor_states); it lives as
 * long as the player. 1 if it begins with any. */
int player_take_states(player *player, cursor *tape);

/* Everything on a tape, from its states up to its end or TD_EOF of player_on_frame. Called again,
 * it continues with the frame that the pacer did not let go, which the tape must still hold. */
TD_MUST_USE td_result player_play(player *player, cursor *tape, td_err *err);

/* Wait until every frame that was taken has been worked on by its stream and seen by the observer.
 * The play continues afterwards. The first failure of any stream so far. */
TD_MUST_USE td_result player_drain(player *player, td_err *err);

/* 1 if the replay was stopped before the end of the tape: results cover a part of it. */
int player_is_stopped(const player *player);

/* Wait for the workers. Once, before any question below. */
TD_MUST_USE td_result player_finish(player *player, td_err *err);

/* Streams in the order of stream_table_sort, sums, the digests (out stays without_digests). Valid
 * until close. */
const stream_table *player_streams(const player *player);
void player_get_audits(const player *player, audit_stats *out);
void player_get_totals(const player *player, player_totals *out);
void player_digests(const player *player, char out[DIGEST_PARTS][TD_HASH128_HEX_BYTES]);

/* The most workers that were busy at one moment; 1 inline. */
unsigned player_busy_max(const player *player);

#endif
