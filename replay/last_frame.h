/* What a replay played last: a copy of the frame that lasts until the next one is played, its
 * verdict, and the track that took it. It is an observer of a player with one thread. */
#ifndef TD_REPLAY_LAST_FRAME_H
#define TD_REPLAY_LAST_FRAME_H

#include "base/buf.h"
#include "base/cli/result.h"
#include "replay/play/observer.h"
#include "replay/play/pacer.h"
#include "replay/play/stream.h"

typedef struct last_frame {
    uint8_t is_set;
    frame_ref frame;       /* without content and block; its channel is the tape's */
    const char *undecoded; /* the reason; NULL: decoded, or not to be decoded */
    verdict rules;         /* empty: not judged */
    const track *track;    /* of the player; NULL: none */
    uint8_t is_trusted;    /* 1: the track's state is right after it (tape/topic_trust.h) */
    td_buf bytes;          /* of the frame */
    td_buf levels;         /* of a book change: msg_levels */
    /* What it is compared with; NULL: nothing. If it meets a condition, that function is called,
     * whose TD_EOF ends the play, as an observer's. */
    struct conditions *conditions;
    td_result (*is_met)(void *user);
    void *user;
    const char *condition; /* that it met; NULL: none */
} last_frame;

void last_frame_init(last_frame *self);
void last_frame_fini(last_frame *self);

/* Nothing was played: before the tape and the player close. Its conditions stay. */
void last_frame_clear(last_frame *self);

/* The observer. ledger: as an observer's. */
observer last_frame_observer(last_frame *self, const gap_list *ledger);

/* Describe the frame's place, verdict and book: an object, as text two lines. */
void last_frame_describe(const last_frame *self, result_writer *r, const char *name);

#endif
