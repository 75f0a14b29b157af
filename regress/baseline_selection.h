/* The selection of a baseline: the text that it holds of it, and what a check plays and compares,
 * which is the same narrowed by the command line. One thread. */
#ifndef TD_REGRESS_BASELINE_SELECTION_H
#define TD_REGRESS_BASELINE_SELECTION_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "cli/option_groups.h"
#include "tape/selection.h"

typedef struct baseline_selection {
    char *text;                /* of wanted, as baseline_meta.selection */
    char *words;               /* the baseline's, cut; NULL: absent */
    selection_options options; /* of those words, which it borrows */
    selection covered;         /* by the baseline; borrows options */
    selection wanted;          /* what is played; borrows options and the command line */
    uint8_t is_part;           /* 1: less time than the baseline covers */
} baseline_selection;

/* The text of a selection (baseline_meta.selection): one line, the options that give it, with the
 * window in place of its times. Free it with td_free. */
TD_NEVER_NULL char *baseline_selection_text(const selection *wanted, selection_window window);

/* The selection of a command line with its times made absolute, and its text for a new baseline
 * (baseline_meta.selection): the options that give it. given is borrowed. As cursor_find_window. */
TD_MUST_USE td_result baseline_selection_fix(baseline_selection *out, const selection *given,
                                             archive *from, td_err *err);

/* Read a baseline's selection (baseline_meta.selection), and narrow it by that of a command line:
 * globs replace the baseline's of their kind, and a time that is outside of the baseline's is moved
 * to its edge. given is borrowed. The archive `from` resolves times that count from its first
 * frame. TD_E_CORRUPT: the text is no selection; TD_E_INVALID: globs that cannot be read, or no
 * time is left. baseline_selection_fini() frees, also after an error. */
TD_MUST_USE td_result baseline_selection_init(baseline_selection *out, const char *text,
                                              const selection *given, archive *from, td_err *err);
void baseline_selection_fini(baseline_selection *s);

#endif
