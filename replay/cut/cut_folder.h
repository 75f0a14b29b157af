/* Writes a cut of several feeds and sessions, as an archive: a folder with a segment for each feed
 * and session (replay/cut/cut.h), numbered SEGMENT_NUMBER_CUT, and a journal that lists them. Each
 * session has the id, the start and the end that it has in the archive.
 *
 * Of a feed, the session that was running when the selection begins has the feed's checkpoint. Each
 * HTTP reply from before the selection is in a segment of its feed, or in the first segment if its
 * feed has no selected channel. Gaps of a selected feed without a segment are in the journal.
 *
 * One thread. */
#ifndef TD_CUT_CUT_FOLDER_H
#define TD_CUT_CUT_FOLDER_H

#include "base/err.h"
#include "base/io.h"
#include "replay/cut/cut.h"

/* 1 if a cut with this path is a folder: the name does not end in .mcap. */
int cut_path_is_folder(const char *path);

/* Write a cut, a file or a folder by its path. A folder has the name with ".open" appended until it
 * is complete. Errors as cut_write, but never because of several feeds or sessions; TD_E_INVALID:
 * the folder with ".open" exists. A failure leaves nothing. */
TD_MUST_USE td_result cut_write_any(const cut_options *options, cut_result *out, td_err *err);

/* Remove a cut, a file or a folder with all that is in it. Failures are ignored, because it may not
 * exist. */
void cut_remove(td_io io, const char *path);

#endif
