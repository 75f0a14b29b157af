/* Explains why a selection, or a name in it, has no frame, in the same words for every verb: a name
 * that the archive lacks, with similar names, or a time in which nothing was recorded. One thread.
 */
#ifndef TD_TAPE_EMPTY_SELECTION_H
#define TD_TAPE_EMPTY_SELECTION_H

#include "base/err.h"
#include "archive/archive.h"
#include "tape/cursor_stats.h"
#include "tape/selection.h"

/* The error for a selection without frames: TD_E_NOTFOUND with a hint; TD_E_CORRUPT if a segment or
 * chunk that may have selected frames cannot be read; or the error of reading the archive. Never
 * TD_OK. read: stats of the cursor that returned no frame, or NULL if no frames were read. */
TD_MUST_USE td_result selection_why_empty(archive *archive, const selection *wanted,
                                          const cursor_stats *read, td_err *err);

/* TD_OK if the archive has, at any time, the selection's feeds, and frames of its topics and
 * symbols in them; else as selection_why_empty. A selection without names is TD_OK. */
TD_MUST_USE td_result selection_check_names(archive *archive, const selection *wanted, td_err *err);

/* Of several feeds, topics or symbols the archive needs each that is no pattern, together with the
 * names of the other kinds: frames, a topic that was asked for, or a gap of it. Else TD_E_NOTFOUND:
 * the rest would be called complete. TD_OK if a segment cannot be read, which may have them.
 * TD_E_INVALID as selection_check. */
TD_MUST_USE td_result selection_check_each_name(archive *archive, const selection *wanted,
                                                td_err *err);

#endif
