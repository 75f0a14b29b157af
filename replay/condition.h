/* Conditions on frames: a replay stops at a frame that meets a condition (`--break`), and `when`
 * finds such frames. A condition is one or more terms, separated by spaces, that must all hold.
 *
 *   topic=GLOB symbol=GLOB              the frame's topic, symbol
 *   rule=GLOB                           the frame broke a matching rule of strength error,
 *                                       or the rule of this name (without a wildcard)
 *                                       ("crossed" means not_crossed)
 *   undecoded                           the frame could not be decoded
 *   price>=N size<N                     one entry (trade, level, order) meets both terms
 *   seq>=N u>=N time>=TIME              the frame's number (as in reports), its update id, its
 *                                       receive time
 *   bid>=N ask>=N spread>=N             best prices of the frame's book after the frame, unless the
 *                                       book is broken
 *   gap                                 the first frame after a gap began; allows no other terms
 *
 * Numbers compare by = != < <= > >=. A condition with a term on seq, u, time or the book, and
 * without terms on rules, undecoded frames or entries, is met only when it begins to hold: by the
 * first frame of a topic for which it holds, and again by the first such frame after one for which
 * it does not hold. One thread; frames must come in the order of the tape. */
#ifndef TD_REPLAY_CONDITION_H
#define TD_REPLAY_CONDITION_H

#include "base/decimal.h"
#include "base/err.h"
#include "base/limits.h"
#include "archive/gap.h"
#include "replay/play/observer.h"
#include "tape/selection.h"

enum { CONDITION_TERMS_MAX = 8, CONDITIONS_MAX = 16, CONDITIONS_MET_MAX = 1 << 20 };

typedef struct condition_term {
    const struct condition_field *field;
    uint8_t op;
    char *text;       /* value of a term on names: a glob */
    td_decimal value; /* value of other terms; times in ns */
} condition_term;

typedef struct condition {
    const char *text; /* as given; borrowed */
    condition_term terms[CONDITION_TERMS_MAX];
    size_t count;
    uint8_t has_entry; /* 1: it has terms on an entry's price or size */
    uint8_t is_gap;
    uint8_t begins; /* 1: it is met only when it begins to hold */
    uint8_t *held;  /* by the channel's index: 1 if it held at the channel's last frame */
    size_t held_count;
} condition;

/* A frame that met a condition. */
typedef struct condition_met {
    uint64_t at;        /* its number on the tape, from 1 */
    uint32_t condition; /* index in conditions.items */
    uint32_t gap;       /* of a condition on gaps: index in conditions.gaps */
} condition_met;

/* What met a condition. */
typedef struct condition_match {
    const char *text; /* the condition */
    const gap_row
        *gap; /* the gap that began before the frame; NULL: the condition is not on gaps */
    /* The first entry that fits a condition on entries. */
    uint8_t has_price, has_size;
    td_decimal price, size;
    char symbol[LIMIT_SYMBOL_BYTES]; /* of the frame's topic; if that may have several, which that
                                        entry, or else the first one, names; "": unknown */
} condition_match;

enum { CONDITION_MATCH_BYTES = 160 };

typedef struct conditions {
    condition items[CONDITIONS_MAX];
    size_t count;
    gap_list gaps;      /* gaps that overlap the selection */
    uint64_t last_ns;   /* receive time of the last evaluated frame; 0: no frame yet */
    uint64_t at;        /* number of the last frame */
    uint64_t evaluated; /* number of the last evaluated frame */
    condition_met *met;
    size_t met_count;
    condition_match match; /* of the last frame that met a condition */
} conditions;

/* Parse and add a condition. now_ns: for relative times. TD_E_INVALID. Initialise self with zeros;
 * the caller frees it with conditions_fini, also after a failure. */
TD_MUST_USE td_result conditions_add(conditions *self, const char *text, uint64_t now_ns,
                                     td_err *err);
void conditions_fini(conditions *self);

/* Add the ledger's gaps that overlap the selection; the term `gap` needs them. */
void conditions_add_gaps(conditions *self, const gap_list *ledger, const selection *wanted,
                         selection_window window);

/* Evaluate the tape's next frame: return what met the first condition, valid until the next call,
 * or NULL.
 * Lead-in frames and copies meet no condition. A frame that is played again gives the same result
 * as before; but only the first CONDITIONS_MET_MAX frames that met a condition are remembered. */
const condition_match *conditions_met(conditions *self, const applied_frame *seen);

/* Write what met the condition, besides the frame, as text: "price 100, size 2", or the reason of a
 * gap, its feed and beginning; "" if that is the frame alone. */
void condition_match_format(const condition_match *match, char text[CONDITION_MATCH_BYTES]);

/* The tape went back to the position after this many frames. */
void conditions_rewind(conditions *self, uint64_t frames);

#endif
