/* Conditions on frames, in which a replay stops (`--break`), or which `when` looks for: one or more
 * terms, separated by spaces, that must all hold.
 *
 *   topic=GLOB symbol=GLOB              the frame's own
 *   rule=GLOB                           it broke such a rule of strength error ("crossed" is
 *                                       not_crossed)
 *   undecoded                           it could not be decoded
 *   price>=N size<N                     one entry (trade, level, order) has both
 *   seq>=N time>=TIME                   its number (as reports have it), its receive time
 *   bid>=N ask>=N spread>=N             best prices of its book after it, unless that is broken
 *   gap                                 the first frame after the beginning of a gap; alone
 *
 * Numbers compare by = != < <= > >=. A condition on numbers, times and books alone is met when it
 * begins to hold: by the first frame of its stream for which it does, and again after one for which
 * it does not. One thread; frames come in the order of the tape. */
#ifndef TD_REPLAY_CONDITION_H
#define TD_REPLAY_CONDITION_H

#include "base/decimal.h"
#include "base/err.h"
#include "archive/gap.h"
#include "base/cli/options.h"
#include "replay/play/observer.h"
#include "tape/selection.h"

enum { CONDITION_TERMS_MAX = 8, CONDITIONS_MAX = 16, CONDITIONS_MET_MAX = 1 << 20 };

typedef struct condition_term {
    const struct condition_field *field;
    uint8_t op;
    char *text;       /* a glob */
    td_decimal value; /* else; of times: ns */
} condition_term;

typedef struct condition {
    const char *text; /* as it was given; borrowed */
    condition_term terms[CONDITION_TERMS_MAX];
    size_t count;
    uint8_t has_entry; /* 1: terms on an entry's price or size */
    uint8_t is_gap;
    uint8_t begins; /* 1: met when it begins to hold */
    uint8_t *held;  /* whether it held at the last frame of a channel, by its index */
    size_t held_count;
} condition;

/* A frame that met a condition. */
typedef struct condition_met {
    uint64_t at; /* its number on the tape, from 1 */
    const char *text;
} condition_met;

typedef struct conditions {
    condition items[CONDITIONS_MAX];
    size_t count;
    gap_list gaps;    /* of the selection */
    uint64_t last_ns; /* receive time of the last frame that was judged; 0: none was */
    uint64_t at;      /* number of the last frame */
    uint64_t judged;  /* frames up to there are in met if they met a condition */
    condition_met *met;
    size_t met_count;
} conditions;

/* Parse and add a condition. now_ns is for times. TD_E_INVALID. self begins zeroed, and
 * is the caller's for conditions_fini also after a failure. */
TD_MUST_USE td_result conditions_add(conditions *self, const char *text, uint64_t now_ns,
                                     td_err *err);
void conditions_fini(conditions *self);

/* Take what conditions need besides frames: the gaps of the selection, out of the ledger. */
void conditions_take_gaps(conditions *self, const gap_list *ledger, const selection *wanted,
                          selection_window window);

/* The first condition that the tape's next frame meets, as text; NULL: none. Frames of the lead-in
 * and copies meet none. A frame that was played before meets what it met then, if it was among the
 * first CONDITIONS_MET_MAX that met something. */
const char *conditions_met(conditions *self, const observed_frame *seen);

/* The tape goes back to where so many frames were played. */
void conditions_rewind(conditions *self, uint64_t frames);

#endif
