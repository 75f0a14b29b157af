/* What was received over time as bands of characters, for people who read a result on a terminal.
 * One thread. */
#ifndef TD_PLAY_BANDS_H
#define TD_PLAY_BANDS_H

#include "archive/archive.h"
#include "base/cli/result.h"
#include "tape/selection.h"

/* Describe bands of the selected topics in the open object of a result, one for each topic of a
 * feed, or for each feed if the topics are too many, with their gaps: the list "bands", whose text
 * is BANDS_PATTERN. Selected time before the first frame and after the last one is not shown. The
 * list is empty on a pipe or a file, on a narrow terminal, and if nothing was recorded; JSON has no
 * such list. TD_E_IO; TD_E_* of the selection. */
TD_MUST_USE td_result bands_describe(result_writer *r, archive *from, const selection *wanted,
                                     td_err *err);

#define BANDS_PATTERN                                                                              \
    "[{bands?}\nFrames over time, {bands_step} a character (x: gap), from {bands_from} "           \
    "UTC\n{bands}]"

#endif
