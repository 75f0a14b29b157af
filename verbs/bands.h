/* Coverage over time as bands of characters, for people who read a verb's result on a terminal. */
#ifndef TD_VERBS_BANDS_H
#define TD_VERBS_BANDS_H

#include "verbs/verb_run.h"

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
