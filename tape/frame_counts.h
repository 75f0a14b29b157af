/* How many frames are in each step of time: counted by reading them, where a timeline only
 * estimates (timeline_cell.is_estimate).
 *
 * One thread at a time. */
#ifndef TD_TAPE_FRAME_COUNTS_H
#define TD_TAPE_FRAME_COUNTS_H

#include "base/err.h"
#include "archive/archive.h"
#include "tape/selection.h"
#include "tape/timeline.h"

typedef struct frame_counts frame_counts;

/* Count the frames of the selected feeds, topics and symbols in a grid, over all connections.
 * wanted gets the grid's time as its window. TD_E_CORRUPT if a part of the time cannot be read;
 * TD_E_* of a cursor. */
TD_MUST_USE td_result frame_counts_read(archive *from, selection *wanted, timeline_grid grid,
                                        frame_counts **out, td_err *err);
void frame_counts_close(frame_counts *self);

/* Replace the estimates in cells that timeline_fill made for the first cell_count steps of the
 * grid. Rows of frames that were not classified when they were recorded keep theirs, because such
 * frames are counted by the topic that they have now. */
void frame_counts_replace(const frame_counts *self, const timeline *over_time,
                          const uint32_t *band_of, size_t cell_count, timeline_cell *cells);

#endif
