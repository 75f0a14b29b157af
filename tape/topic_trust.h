/* Decides whether a frame, and the topic's state after the frame, are right. (The other question of
 * trust, whether anything is missing in a time, is answered by tape/coverage.h.)
 *
 * If the topic has no state (topic_row_has_state), a frame is trusted if it can be decoded and
 * breaks no rule, whatever came before it. Otherwise it must be in a stretch. A stretch can begin
 * at a snapshot, or at a saved state that was right, and continues over the frames of its
 * connection until
 *   - the next frame is of another connection,
 *   - the ledger has a gap. A gap that ends a connection (gap_reason_ends_connection) can begin at
 *     the connection's last proof of completeness, but its frames were received in order, so the
 *     stretch lasts until the last of them. In other gaps any frame may be missing: the stretch
 *     ends with the first frame after the gap's start. Inside an overload or damage no stretch
 *     can begin,
 *   - stored frames could not be read (frame_ref.damaged_until_ns),
 *   - a frame cannot be decoded, or may be a copy (frame_ref.is_doubtful), or
 *   - a frame breaks a rule of its topic (book/symbol_state.h).
 * A frame in a stretch is trusted, even if receive times are late.
 *
 * One topic_trust per stream (book/conn_choice.h), with a stretch for each of its connections. One
 * thread. */
#ifndef TD_TAPE_TOPIC_TRUST_H
#define TD_TAPE_TOPIC_TRUST_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/symbol_state.h"
#include "schema/frame.h"

/* An interruption of a topic. */
typedef struct trust_break {
    time_reason reason; /* why the stretch ended, or DOUBT_NO_SNAPSHOT: none has begun yet */
    rule_id rule;       /* of DOUBT_RULE; of GAP_SEQUENCE if the frame broke one, else RULE_NONE */
    uint64_t from_ns;   /* time of the last trusted frame, or 0 */
    uint64_t doubt_ns;  /* the state may be wrong from then on: the gap's start, else from_ns */
    uint64_t to_ns;     /* time of the frame that begins a stretch again, or 0 */
} trust_break;

/* Name of a break by this reason: "gap" for all reasons of gaps, else the reason's own. */
const char *trust_break_name(time_reason reason);

/* The verdict on a frame. Its pointers are valid until the next frame. */
typedef struct trust_answer {
    uint8_t is_trusted;    /* 1: the frame, and the state after it, are right */
    uint8_t was_alive;     /* 1: the state before the frame was right, too */
    uint8_t is_snapshot;   /* 1: the frame replaces all of the topic's state */
    uint8_t is_in_book;    /* 1: all of the state may be new, and is in the book, not in the frame:
                              is_taken_over, or the snapshot has deltas after it */
    uint8_t is_unused;     /* 1: the state has what the frame brings already, and maybe more */
    uint8_t is_taken_over; /* 1: the state is right, but from another connection than before, or
                              from a checkpoint: a reader of the earlier frames needs the whole
                              state */
    uint8_t needs_copies;  /* 1: the state was taken over since the last snapshot, so readers of
                              frames that are not copies lack it */
    uint8_t needs_saved;   /* 1: likewise, from a checkpoint: no frames of the tape have it */
    uint64_t exchange_ns;  /* of the state after the frame (verdict.exchange_ns) */
    const trust_break *broke; /* reason TIME_IS_RIGHT if no stretch ended after the previous frame,
                                 or with this frame */
    const trust_break *lacks; /* why the frame is not trusted, and since when; reason TIME_IS_RIGHT
                                 if the frame is trusted */
    const trust_break *began_broken; /* the selection's first frame of a topic that began before the
                                        selection: why the state was not right when the selection
                                        began; else reason TIME_IS_RIGHT */
} trust_answer;

struct trust_conn;

/* Zero-initialise. */
typedef struct topic_trust {
    struct trust_conn *conns; /* the stretches, one for each connection */
    size_t conn_count;
    size_t followed; /* index of the connection of the last frame that was not a copy, if
                        has_followed */
    uint8_t has_followed;
    uint8_t needs_copies, needs_saved;
    uint8_t is_restored; /* 1: topic_trust_restore was called, and no frame of the topic since */
    trust_break removed; /* if is_restored: how the stretch before ended; reason TIME_IS_RIGHT if it
                            had ended before */
    uint8_t is_earlier;  /* 1: a frame before the selection, or a saved state, was applied, and no
                            frame of the selection yet */
} topic_trust;

/* Free the memory. The topic has no trust until it begins again. */
void topic_trust_fini(topic_trust *trust);

/* Begin with a saved state: `topic` is the state of info's topic after the earlier frames, and no
 * earlier frame was damaged. What was removed before it was saved is part of it. */
void topic_trust_resume(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                        const symbol_topic *topic);

/* Continue with a saved state (frame_ref.saved), before its frame is applied to the topic. */
void topic_trust_restore(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                         const symbol_topic *topic);

/* Apply the next frame with a row in the schema, of any connection. found: its verdict, not NULL.
 * gaps: the whole ledger, sorted; the same in each call. For a copy, the answer is about the copy's
 * connection. */
void topic_trust_apply(topic_trust *trust, const gap_list *gaps, const frame_ref *frame,
                       const symbol_verdict *found, trust_answer *out);

/* The ledger has grown from `before` to `now`. A new gap takes effect at the next frame, even if it
 * began earlier. */
void topic_trust_renew(topic_trust *trust, const gap_list *before, const gap_list *now);

/* How the stretch of the last frame ended between that frame and at_ns. damaged_until_ns: as
 * cursor_damaged_until_ns at the time at_ns. The reason is TIME_IS_RIGHT if the state is still
 * right at at_ns, or was not right after the last frame. */
trust_break topic_trust_end(const topic_trust *trust, const gap_list *gaps,
                            uint64_t damaged_until_ns, uint64_t at_ns);

/* Why the state after the last frame is not right; its reason is TIME_IS_RIGHT if it is, or if the
 * topic has no state. */
const trust_break *topic_trust_lacks(const topic_trust *trust);

/* 1 if the state after the last frame is right. */
int topic_trust_is_right(const topic_trust *trust);

/* 1 if the state after the last frame is right, and still is at at_ns: no gap or damage began in
 * between. */
int topic_trust_holds(const topic_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                      uint64_t at_ns);

#endif
