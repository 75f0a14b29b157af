/* Whether a frame, and the state right after it, is derived rightly: the one answer to that. (The
 * other question of trust, whether anything is missing in a time, is tape/coverage.h's.)
 *
 * Of a topic without a state (topic_row_has_state) a frame is trusted if it can be decoded and
 * breaks no rule, whatever came before it. Else it must lie in a stretch. One begins at a snapshot,
 * or a saved state that was right, and continues over the frames of its connection until
 *   - another connection brings the next one,
 *   - the ledger has a gap. One that ends a connection (gap_reason_ends_connection) begins at its
 *     last proof, but the connection kept the order up to its last frame: the stretch lasts to
 *     that. After others, in whose time any frame may lack, it ends with the first frame behind
 *     their beginning; of an overload or damage no stretch begins inside,
 *   - stored frames could not be read (frame_ref.damaged_until_ns),
 *   - a frame cannot be decoded, or
 *   - a frame breaks a rule of its topic (book/symbol_state.h).
 * A frame that lies in a stretch is trusted. Late receive times change nothing of that.
 *
 * One topic_trust per stream (book/conn_choice.h), with a stretch for each of its connections. One
 * thread. */
#ifndef TD_TAPE_TOPIC_TRUST_H
#define TD_TAPE_TOPIC_TRUST_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/symbol_state.h"
#include "schema/frame.h"

/* Why a stretch ended. */
typedef enum trust_break_cause {
    BREAK_NONE,
    BREAK_CONNECTION,  /* another connection began */
    BREAK_GAP,         /* the ledger has a gap */
    BREAK_DAMAGE,      /* stored frames could not be read */
    BREAK_UNDECODED,   /* a frame could not be decoded */
    BREAK_RULE,        /* a rule of continuity was broken */
    BREAK_NO_SNAPSHOT, /* nothing ended: no stretch has begun yet */
    BREAK_CAUSE_COUNT
} trust_break_cause;

/* Stable name ("gap"). */
const char *trust_break_cause_name(trust_break_cause cause);

/* An interruption of a topic. */
typedef struct trust_break {
    trust_break_cause cause;
    rule_id rule;      /* BREAK_RULE */
    gap_reason reason; /* BREAK_GAP */
    uint64_t from_ns;  /* of the last frame that was trusted; 0: none was */
    uint64_t doubt_ns; /* the state may be wrong since then: the gap's beginning, else from_ns */
    uint64_t to_ns;    /* of the frame with which it begins again; 0: not yet */
} trust_break;

/* The verdict on a frame. What it points to is valid until the next frame. */
typedef struct trust_answer {
    uint8_t is_trusted;    /* 1: the frame, and the state after it, is right */
    uint8_t was_alive;     /* 1: the state was right before, too */
    uint8_t is_snapshot;   /* 1: it has replaced all of the topic's state */
    uint8_t is_taken_over; /* 1: the state is right, and another connection's than before: a reader
                              of the frames before needs all of it */
    uint8_t needs_copies;  /* 1: taken over since the last snapshot, so those who read the frames
                              that are no copies do not have the state */
    const trust_break *broke; /* cause BREAK_NONE: no stretch ended between the frame before and
                                 this one, or with it */
    const trust_break *lacks; /* of a frame that is not trusted: why, and since when; else of cause
                                 BREAK_NONE */
} trust_answer;

struct trust_slot;

/* Zero-initialise. */
typedef struct topic_trust {
    struct trust_slot *slots; /* of the connections */
    size_t slot_count;
    size_t followed; /* slot of the last frame that was no copy; only if has_followed */
    uint8_t has_followed;
    uint8_t needs_copies;
} topic_trust;

void topic_trust_fini(topic_trust *trust);

/* Begin at a state: the topic of info as the frames before left it, none of them damaged. */
void topic_trust_resume(topic_trust *trust, const gap_list *gaps, const channel_info *info,
                        const symbol_topic *topic);

/* Take the next frame with a row, of whatever connection, with what was found (not NULL). gaps: the
 * whole ledger, in its order, the same each time. The answer to a copy is about its own connection.
 */
trust_answer topic_trust_apply(topic_trust *trust, const gap_list *gaps, const frame_ref *frame,
                               const symbol_verdict *found);

/* The ledger has grown: what was `before` is `now`. Gaps that were noted are not noted again; a new
 * one counts at the next frame, also if it began earlier. */
void topic_trust_renew(topic_trust *trust, const gap_list *before, const gap_list *now);

/* The end of the stretch that the last frame lies in, before at_ns. damaged_until_ns: as
 * cursor_damaged_until_ns has it then. Its cause is BREAK_NONE if the state is right at at_ns, or
 * was not right with that frame. */
trust_break topic_trust_end(const topic_trust *trust, const gap_list *gaps,
                            uint64_t damaged_until_ns, uint64_t at_ns);

/* 1 if the state with the last frame is right. */
int topic_trust_is_right(const topic_trust *trust);

/* 1 if it is, and at at_ns still: no gap began, and nothing was damaged, between them. */
int topic_trust_holds(const topic_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                      uint64_t at_ns);

#endif
