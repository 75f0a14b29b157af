/* What a finished segment holds, without its frames: its index, and the gaps that its events open
 * or close. The catalog keeps these rows; if it lacks them, they are read from the file. */
#ifndef TD_ARCHIVE_SEGMENT_ROWS_H
#define TD_ARCHIVE_SEGMENT_ROWS_H

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "format/segment_index.h"

struct event;
struct event_reader;
struct segment_message;

typedef struct segment_rows {
    segment_index index;
    gap_list gaps;
} segment_rows;

/* Read all rows from the segment at path, below the archive. Fails as archive_read_index does. On
 * success *out is the caller's, for segment_rows_fini. */
TD_MUST_USE td_result segment_rows_read(archive *archive, const char *path, segment_rows *out,
                                        td_err *err);
void segment_rows_fini(segment_rows *rows);

/* Add what the events of one more chunk tell, for the writer of the segment, whose rows have the
 * feed. */
void segment_rows_take_chunk(segment_rows *rows, struct event_reader *events,
                             const sealed_chunk *chunk);

/* Called with each event of a segment, in the order of the file; of: its message. Both are valid
 * during the call. */
typedef void segment_event_fn(void *user, const struct event *found,
                              const struct segment_message *of);

/* Read the events of the segment at path. What cannot be read of them is left out, for verify
 * reports it, and *is_damaged is 1 then (NULL: not asked). TD_E_IO, or why the segment cannot be
 * opened. */
TD_MUST_USE td_result segment_events(archive *archive, const char *path, segment_event_fn *fn,
                                     void *user, int *is_damaged, td_err *err);

/* Add the gaps that the events of one segment open or close to a list, also after a failure those
 * that were found. As segment_events. */
TD_MUST_USE td_result segment_gaps(archive *archive, const char *path, gap_list *into, td_err *err);

#endif
