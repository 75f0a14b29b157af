/* Decides whether a frame of a book can be trusted: what the symbol's state found
 * (book/symbol_state.h), and what that cannot know: gaps of the ledger, and damage of the archive.
 * Once a book is not trusted, nothing of it counts until its next snapshot.
 *
 * One book_trust per stream (book/conn_choice.h), with a book for each of its connections. One
 * thread. */
#ifndef TD_TAPE_BOOK_TRUST_H
#define TD_TAPE_BOOK_TRUST_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/symbol_state.h"
#include "schema/frame.h"

/* Why a book ceased to be trusted. */
typedef enum trust_break_cause {
    BREAK_NONE,
    BREAK_CONNECTION, /* another connection began */
    BREAK_GAP,        /* the ledger has a gap */
    BREAK_DAMAGE,     /* stored frames could not be read */
    BREAK_UNDECODED,  /* a frame could not be decoded */
    BREAK_RULE,       /* a rule of continuity was broken */
    BREAK_CAUSE_COUNT
} trust_break_cause;

/* Stable name ("gap"). */
const char *trust_break_cause_name(trust_break_cause cause);

/* An interruption of a book. */
typedef struct trust_break {
    trust_break_cause cause;
    rule_id rule;      /* BREAK_RULE */
    gap_reason reason; /* BREAK_GAP */
    uint64_t from_ns;  /* of the last frame that was trusted */
    uint64_t to_ns;    /* of the snapshot with which it begins again; 0: not yet */
} trust_break;

/* The verdict on a frame. */
typedef struct trust_answer {
    uint8_t is_trusted; /* 1: the book is right with this frame */
    uint8_t was_alive;  /* 1: it was right before, too */
    uint8_t is_snapshot;
    uint8_t is_taken_over; /* 1: the book is right, and another connection's than before: a reader
                              of the frames before needs all of it */
    uint8_t needs_copies;  /* 1: taken over since the last snapshot, so those who read the frames
                              that are no copies do not have the book */
    trust_break broke;     /* cause BREAK_NONE: did not break at this frame */
} trust_answer;

struct trust_slot;

/* Zero-initialise. */
typedef struct book_trust {
    struct trust_slot *slots; /* of the connections */
    size_t slot_count;
    size_t followed; /* slot of the last frame that was no copy; only if has_followed */
    uint8_t has_followed;
    uint8_t needs_copies;
} book_trust;

void book_trust_fini(book_trust *trust);

/* Begin at a state: the topic of info as the frames before left it, none of them damaged. */
void book_trust_resume(book_trust *trust, const gap_list *gaps, const channel_info *info,
                       const symbol_topic *topic);

/* Apply the next frame with a row, of whatever connection, with what was found (not NULL). gaps:
 * the whole ledger, in its order, the same each time. damaged_until_ns as cursor_damaged_until_ns
 * has it now. The answer to a copy is about the book of its own connection. */
trust_answer book_trust_apply(book_trust *trust, const gap_list *gaps, const frame_ref *frame,
                              const symbol_verdict *found, uint64_t damaged_until_ns);

/* The interruption of the book that is followed after its last frame and before at_ns. Its cause is
 * BREAK_NONE if the book is right at at_ns, or was not right with that frame. */
trust_break book_trust_end(const book_trust *trust, const gap_list *gaps, uint64_t damaged_until_ns,
                           uint64_t at_ns);

/* 1 if the book that is followed is right with its last frame, and no gap began between that and
 * at_ns. */
int book_trust_holds(const book_trust *trust, const gap_list *gaps, uint64_t at_ns);

#endif
