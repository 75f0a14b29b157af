/* The gaps of a tape's selection: the ledger's, and the damage that is found while reading. Damage,
 * in the ledger or found, is reported to the program once. One thread. */
#ifndef TD_EMBED_TAPE_GAPS_H
#define TD_EMBED_TAPE_GAPS_H

#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "archive/gap.h"
#include "base/err.h"
#include "embed/damage_report.h"
#include "tape/cursor.h"
#include "tape/selection.h"

/* The user reads and frees the ledger, and sets the selection and the archive's reports; the rest
 * is zero. */
typedef struct tape_gaps {
    gap_list ledger; /* the whole ledger */
    const selection *wanted;
    damage_report *reports;
    size_t reported_rows;   /* rows of the cursor's damage that were reported; 0 for a new cursor */
    uint8_t has_old_damage; /* 1: the ledger has damage of the selection that was not reported */
} tape_gaps;

/* The tape's first cursor was opened, with this window: search the ledger for damage (missing
 * segments, a damaged journal) of the selection. */
void tape_gaps_begin(tape_gaps *self, selection_window window);

/* 1 if damage was found that was not reported. */
int tape_gaps_has_damage(const tape_gaps *self, const cursor *at);

/* Report it, as an error (NULL: without text) and to the archive. */
void tape_gaps_report(tape_gaps *self, const cursor *at, selection_window window,
                      tapedeck_error *error);

/* Read the ledger again. *before gets the former one, for the caller to free. New damage in the
 * ledger is to be reported. TD_E_*: nothing is changed. */
TD_MUST_USE td_result tape_gaps_renew(tape_gaps *self, archive *from, selection_window window,
                                      gap_list *before, td_err *err);

/* Get the next gap of the selection, as tapedeck_tape_gap. */
int tape_gaps_next(const tape_gaps *self, selection_window window, size_t *at, tapedeck_gap *out);

#endif
