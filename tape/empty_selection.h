/* Why a selection has no frame, in the same words for every verb: a name that the archive does not
 * have, with those that are like it, or a time in which nothing was recorded. One thread. */
#ifndef TD_TAPE_EMPTY_SELECTION_H
#define TD_TAPE_EMPTY_SELECTION_H

#include "base/err.h"
#include "archive/archive.h"
#include "tape/cursor.h"
#include "tape/selection.h"

/* The error of a selection that no frame matches: TD_E_NOTFOUND with a hint, TD_E_CORRUPT if a
 * segment or a chunk of it cannot be read, or why the archive could not be read. Never TD_OK. read:
 * of the cursor that gave no frame, or NULL if the catalog alone was asked. */
TD_MUST_USE td_result selection_why_empty(archive *archive, const selection *wanted,
                                          const cursor_stats *read, td_err *err);

/* TD_OK if the archive has, at any time, the selection's feeds, and frames of its topics and
 * symbols in them; else as selection_why_empty. A selection without names: TD_OK. */
TD_MUST_USE td_result selection_check_names(archive *archive, const selection *wanted, td_err *err);

#endif
