/* The segments of an archive as the source of a cursor.
 *
 * The plan of segments and chunks is from archive/read_plan.h. A segment without a wanted chunk is
 * not opened. The others are opened when the cursor reaches their time, and closed after their last
 * chunk, so that few files are open whatever the length of the archive. Two kinds of chunks are
 * read: chunks that overlap the window and hold a wanted channel, and chunks with events. The
 * second kind is also read before the window, because events show which connection a frame belongs
 * to. Each segment begins with an event that restates the open connections, so events of unopened
 * segments are not missed. */
#ifndef TD_TAPE_SEGMENTS_H
#define TD_TAPE_SEGMENTS_H

#include "archive/archive_view.h"
#include "tape/source.h"

/* Plan from a view, which is borrowed for the call. Its archive and everything in options are
 * borrowed until close. TD_E_*. A segment that cannot be opened later is logged, counted and left
 * out. */
TD_MUST_USE td_result segments_open(archive_view *view, const source_options *options, source *out,
                                    td_err *err);

#endif
