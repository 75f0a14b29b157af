/* The segments of an archive as the source of a cursor.
 *
 * Which segments and chunks matter comes from archive/read_plan.h: from the catalog where it has
 * a segment as it is on disk, else from the segment. A segment without a wanted chunk is not
 * opened; the others are opened when the cursor gets to their time, and closed when their last
 * chunk is done, so that an archive of any length is read with few files open. Within a segment the
 * chunks are those that overlap the window and hold a wanted channel, and those with events, also
 * before the window: they say which connection a frame came over. Each segment begins with an event
 * that restates the open connections, so events of segments that are not opened are not missed. */
#ifndef TD_TAPE_SEGMENTS_H
#define TD_TAPE_SEGMENTS_H

#include "archive/archive_view.h"
#include "tape/source.h"

/* Plan from a view, borrowed for the call. Its archive and what options point to are borrowed until
 * close. TD_E_*. A segment that cannot be opened later is logged, counted, and left out. */
TD_MUST_USE td_result segments_open(archive_view *view, const source_options *options, source *out,
                                    td_err *err);

#endif
