/* The topic of a stream (book/conn_choice.h) for one reader of a tape: its state at the reader's
 * position (book/symbol_state.h), and whether that is right (tape/topic_trust.h). A cursor only
 * returns frames; a reader applies each of them to its topic and gets the verdicts: at once, in the
 * order of the tape, or on a worker (replay/play/work_queues.h).
 *
 * A reader has one object for each stream, and may keep it in frame_channel.tape. One thread at a
 * time for all topics of a symbol. */
#ifndef TD_TAPE_TAPE_TOPIC_H
#define TD_TAPE_TAPE_TOPIC_H

#include "archive/gap.h"
#include "base/channel.h"
#include "book/symbol_state.h"
#include "schema/frame.h"
#include "tape/topic_trust.h"

/* The reader sets symbol, ledger and user before the first frame, or state if it knows it; the rest
 * is zero. */
typedef struct tape_topic {
    symbol_state *symbol;   /* the state of the stream's symbol, of the reader */
    const gap_list *ledger; /* the whole ledger, sorted; NULL: trust is not kept */
    void *user;             /* the reader's own object of the stream, also the user of state; not
                               NULL if there is a ledger */
    symbol_topic *state;    /* on the line of the last frame that has a row in the schema; NULL
                               before the first one */
    topic_trust trust;      /* if there is a ledger */
} tape_topic;

/* A frame that was applied. Its pointers are valid until the topic's next frame, and point into
 * this object, which must not be copied. */
typedef struct applied_frame {
    const frame_ref *frame;
    const symbol_verdict *found; /* NULL: not applied (not data, or no row) */
    const trust_answer *trust;   /* NULL if found is NULL, or without a ledger */
    symbol_verdict verdict;      /* *found */
    trust_answer answer;         /* *trust */
} applied_frame;

/* Free the trust, and forget the state, which belongs to the symbol. */
void tape_topic_fini(tape_topic *topic);

/* Find the topic of a channel, on its line, in the symbol's state, where a checkpoint may have left
 * it, and continue from there. */
void tape_topic_find(tape_topic *topic, const channel_info *info);

/* Apply the stream's next frame. The topic is found at its first frame on a line. */
void tape_topic_apply(tape_topic *topic, const frame_ref *frame, applied_frame *out);

#endif
