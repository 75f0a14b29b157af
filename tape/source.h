/* One segment's part of a plan: opening it, telling its channels apart, choosing its chunks. */
#ifndef TD_TAPE_SOURCE_H
#define TD_TAPE_SOURCE_H

#include "tape/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A source for a segment of the archive's plan, not open yet. TD_E_NOMEM. */
TD_MUST_USE td_result source_make(const plan_segment *segment, tape_source **out, td_err *err);
void source_free(tape_source *source);

/* Open the segment if one of its chunks is wanted, map its channels, choose and sort its chunks.
 * TD_OK: next_ns is that of the first chunk (or nothing is wanted: order_count 0). Any td_result of
 * segment_reader_open. */
TD_MUST_USE td_result source_open(tape_source *source, td_io io, connection_table *connections,
                                  const plan_options *options, tape_stats *stats, td_err *err);

/* Take in what was appended since. TD_OK, TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result source_refresh(tape_source *source, connection_table *connections,
                                     const plan_options *options, tape_stats *stats, td_err *err);

/* Forget file, channels and chunks; the name stays, to know the segment again. */
void source_shut(tape_source *source);

#ifdef __cplusplus
}
#endif

#endif
