/* Which answers a saved page has: what the page asks for at its first picture, and closer pictures
 * as long as they fit. One thread. */
#ifndef TD_VIEW_SAVED_ANSWERS_H
#define TD_VIEW_SAVED_ANSWERS_H

#include "base/err.h"
#include "base/cli/stop_signal.h"
#include "tape/selection.h"
#include "view/answers.h"
#include "view/saved_page.h"

/* What the page is about. All pointers are borrowed. */
typedef struct saved_answers_of {
    view_answers *answers; /* which was asked nothing yet */
    const selection *wanted;
    selection_window window;
    const char *book; /* topic of the market that is saved, too; NULL: none */
    stop_signal *signals;
} saved_answers_of;

/* Save, of the selected topics, symbols and time: the archive's description, the newest gaps, the
 * calendar, the notes, the timeline of topics in up to 4,096 steps and its coarser levels; the
 * market of a book in the same levels, with one height of rows. These must fit: TD_E_LIMIT. Then,
 * as long as it fits: the timeline of each topic's symbols in the same levels, and up to four
 * closer levels. TD_E_NOTFOUND: there is no frame, or no such book; TD_E_INVALID: several symbols
 * have it, or the selection has too many globs. TD_E_IO: also after a signal. */
TD_MUST_USE td_result saved_answers_add(saved_page *page, const saved_answers_of *of, td_err *err);

#endif
