/* Verdicts as short texts, and tracks that are saved and loaded, for tests of rules. */
#ifndef TESTING_TRACK_TEXT_H
#define TESTING_TRACK_TEXT_H

#include "base/buf.h"
#include "book/continuity.h"

/* Write a verdict and a NUL in place of what `out` holds: names of the broken rules in order, with
 * spaces between; prefix "?": unchecked. */
void verdict_to_text(const verdict *v, td_buf *out);

/* Save, close and load a track of a row. `saved` is overwritten. Returns the loaded track. */
track *track_reload(track *t, const topic_row *row, td_buf *saved);

#endif
