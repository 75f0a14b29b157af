/* Decides whether a frame of a book can be trusted: what the stream's state found
 * (play/observer.h), and what that cannot know: gaps of the ledger, and damage of the archive. Once
 * a book is not trusted, nothing of it counts until its next snapshot.
 *
 * One gate per stream (book/follow.h), with a book for each of its connections. One thread. */
#ifndef TD_EXPORT_EXPORT_GATE_H
#define TD_EXPORT_EXPORT_GATE_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/symbol_state.h"
#include "play/observer.h"

/* Why a book ceased to be trusted. */
typedef enum export_break_cause {
    BREAK_NONE,
    BREAK_CONNECTION, /* another connection began */
    BREAK_GAP,        /* the ledger has a gap */
    BREAK_DAMAGE,     /* stored frames could not be read */
    BREAK_UNDECODED,  /* a frame could not be decoded */
    BREAK_RULE,       /* a rule of continuity was broken */
    BREAK_CAUSE_COUNT
} export_break_cause;

/* Stable name ("gap"). */
const char *export_break_cause_name(export_break_cause cause);

/* An interruption of a book. */
typedef struct export_break {
    export_break_cause cause;
    rule_id rule;      /* BREAK_RULE */
    gap_reason reason; /* BREAK_GAP */
    uint64_t from_ns;  /* of the last frame that was trusted */
    uint64_t to_ns;    /* of the snapshot with which it begins again; 0: not yet */
} export_break;

/* The verdict of a gate on a frame. */
typedef struct gate_answer {
    uint8_t is_trusted; /* 1: the book is right with this frame */
    uint8_t was_alive;  /* 1: it was right before, too */
    uint8_t is_snapshot;
    uint8_t is_taken_over; /* 1: the book is right, and another connection's than before: a reader
                              of the frames before needs all of it */
    export_break broke;    /* cause BREAK_NONE: did not break at this frame */
} gate_answer;

/* Without copies the book of a connection that is followed again waits for its snapshot: those who
 * read the frames that are no copies do not have it. */
typedef enum gate_copies { GATE_WITH_COPIES, GATE_WITHOUT_COPIES } gate_copies;

struct gate_slot;

/* Zero-initialise. */
typedef struct export_gate {
    struct gate_slot *slots; /* of the connections */
    size_t slot_count;
    size_t followed; /* slot of the last frame that was no copy; only if has_followed */
    uint8_t has_followed;
} export_gate;

void export_gate_fini(export_gate *gate);

/* Take the next frame with a row, of whatever connection, with what was found (not NULL). gaps: the
 * whole ledger, in its order, the same each time. damaged_until_ns as cursor_damaged_until_ns has
 * it now. The answer to a copy is about the book of its own connection. */
gate_answer export_gate_take(export_gate *gate, gate_copies copies, const gap_list *gaps,
                             const observed_frame *seen, uint64_t damaged_until_ns);

#endif
