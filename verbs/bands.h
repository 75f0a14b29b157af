/* Coverage over time as bands of characters, for people who read a verb's result on a terminal. */
#ifndef TD_VERBS_BANDS_H
#define TD_VERBS_BANDS_H

#include "tape/timeline.h"
#include "verbs/verb_run.h"

/* Rows of a timeline in bands, one for each topic of a feed, or for each feed if the topics are too
 * many. */
typedef struct bands {
    timeline *from;
    const timeline_row *rows;
    size_t row_count;
    uint32_t *band_of; /* for each row */
    char **names;      /* for each band, sorted */
    uint32_t count;
    size_t name_bytes;       /* of the longest name */
    selection_window window; /* of the selection */
    timeline_grid grid;      /* after bands_fill */
    timeline_cell *cells;    /* grid.count for each band */
} bands;

/* Find the bands of the selected topics, at most topics_max of them or else one for each feed. The
 * caller releases *out with bands_fini, also after a failure. TD_E_IO; TD_E_* of the selection. */
TD_MUST_USE td_result bands_find(verb_run *verb, const selection *wanted, size_t topics_max,
                                 bands *out);
void bands_fini(bands *self);

/* Fill step_count cells for each band, from the first to the last frame in the window. 0: there are
 * no frames. */
int bands_fill(bands *self, size_t step_count);

/* Columns that a terminal needs to get bands. */
enum { BANDS_COLUMNS_MIN = 60 };

/* Describe bands of the selected topics in the open object of the verb's result, one for each topic
 * of a feed, or for each feed if the topics are too many, with their gaps: the list "bands", whose
 * text is BANDS_PATTERN. Selected time before the first frame and after the last one is not shown.
 * The list is empty on a pipe or a file, on a narrow terminal, and if nothing was recorded; JSON
 * has no such list. TD_E_IO. */
TD_MUST_USE td_result bands_describe(verb_run *verb, const selection *wanted);

#define BANDS_PATTERN                                                                              \
    "[{bands?}\nFrames over time, {bands_step} a character (x: gap), from {bands_from} "           \
    "UTC\n{bands}]"

#endif
