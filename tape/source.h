/* One segment of a source queue: opens it, maps its channels, chooses its chunks. */
#ifndef TD_TAPE_SOURCE_H
#define TD_TAPE_SOURCE_H

#include "tape/source_queue.h"

/* What the options say about a channel: the selection's answer, narrowed by wants_channel. */
selection_answer source_options_ask(const source_options *options, const channel_info *info);

/* A source for a segment of a read plan, not open yet. */
TD_NEVER_NULL tape_source *source_make(const planned_segment *segment);
void source_free(tape_source *source);

/* Open the segment if one of its chunks is wanted, map its channels, choose and sort its chunks.
 * TD_OK: next_ns is that of the first chunk (or nothing is wanted: order_count 0). Any td_result of
 * segment_reader_open. */
TD_MUST_USE td_result source_open(tape_source *source, td_io io, connection_table *connections,
                                  const source_options *options, tape_stats *stats, td_err *err);

/* Add the chunks appended since. TD_OK, TD_E_IO. */
TD_MUST_USE td_result source_refresh(tape_source *source, connection_table *connections,
                                     const source_options *options, td_err *err);

/* Release file, channels and chunks; keep the name, to recognize the segment later. */
void source_shut(tape_source *source);

#endif
