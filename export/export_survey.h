/* The survey before an export: which topic each book is taken from. It reads no frames: the read
 * plan knows the channels of each chunk, and of chunks at the edge of the selection the message
 * indexes do. What cannot be read is passed over: the tape reports it. One thread. */
#ifndef TD_EXPORT_EXPORT_SURVEY_H
#define TD_EXPORT_EXPORT_SURVEY_H

#include "base/err.h"
#include "archive/archive.h"
#include "export/export_choice.h"
#include "export/export_table.h"
#include "tape/selection.h"

/* Offer the topics with books of a selection, which begins and ends with window, to out.
 * TD_E_LIMIT: too many books; the errors of reading. */
TD_MUST_USE td_result export_survey_run(const export_spec *spec, archive *from,
                                        const selection *wanted, selection_window window,
                                        export_choices *out, td_err *err);

#endif
