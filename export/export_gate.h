/* Decides whether a frame of a book can be trusted. A gate keeps a topic's book as continuity sees
 * it (book/continuity.h) and adds what continuity cannot know: gaps of the ledger, and damage of
 * the archive. Once a book is not trusted, nothing of it counts until its next snapshot.
 *
 * One gate per stream (book/follow.h), with a book for each of its connections. One thread. */
#ifndef TD_EXPORT_EXPORT_GATE_H
#define TD_EXPORT_EXPORT_GATE_H

#include <stdint.h>

#include "archive/gap.h"
#include "book/symbol_state.h"
#include "schema/message.h"
#include "tape/cursor.h"

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

typedef struct export_gate export_gate;

/* Without copies the book of a connection that is followed again waits for its snapshot. */
typedef enum gate_copies { GATE_WITHOUT_COPIES, GATE_WITH_COPIES } gate_copies;

/* gaps: the whole ledger, in its order; borrowed. copies: will they be taken, too? */
export_gate *export_gate_open(const gap_list *gaps, gate_copies copies);
void export_gate_close(export_gate *gate);

/* Take the next frame, of whatever connection. damaged_until_ns as cursor_stats has it now. Copies
 * keep the book of their connection up to date, so that it is right when the stream follows it: the
 * answer to a copy is about that book. */
gate_answer export_gate_take(export_gate *gate, const frame_ref *frame, uint64_t damaged_until_ns);

/* The book after the last frame that was no copy; NULL before the first. */
const book *export_gate_book(const export_gate *gate);

#endif
