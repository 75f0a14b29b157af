/* The rows of a batch: frames, with their trades, levels, bytes and messages. Rows are as wide as
 * the request wants. The arrays are used again for each batch. One thread. */
#ifndef TD_EMBED_BATCH_ROWS_H
#define TD_EMBED_BATCH_ROWS_H

#include "base/attr.h"
#include "book/book.h"
#include "embed/include/tapedeck/archive.h"
#include "embed/tape_request.h"
#include "embed/tape_streams.h"
#include "embed/trade_coverage.h"
#include "schema/frame.h"
#include "tape/topic_trust.h"

typedef struct batch_rows batch_rows;

/* The request, the streams and coverage (NULL: without TAPEDECK_WITH_COVERAGE) of the tape are
 * borrowed. Closing NULL is allowed. */
TD_NEVER_NULL batch_rows *batch_rows_open(const tape_request *request, tape_streams *streams,
                                          trade_coverage *trades);
void batch_rows_close(batch_rows *self);

/* Begin a batch, with the tape's window. */
void batch_rows_begin(batch_rows *self, selection_window window);

/* 1 if the batch is large enough: its rows then fit into a level 2 cache, from which the caller
 * copies them. */
int batch_rows_is_full(const batch_rows *self);

/* Add a frame that was applied to its stream, if it was received in the window, or has a selected
 * trade. Returns 1 if it was added. trust: NULL if it has no state. */
int batch_rows_add_frame(batch_rows *self, const tape_stream *of, const frame_ref *frame,
                         const trust_answer *trust);

/* Add a row for a whole book: its best levels, as many as the request wants. The row has all
 * members, without the members of its entries. */
void batch_rows_add_book(batch_rows *self, const tapedeck_frame_row *row, const book *levels);

/* Get the rows, valid until the next batch begins. Returns TAPEDECK_TAPE_BATCH, or
 * TAPEDECK_TAPE_END if there are no frames. */
int batch_rows_get(const batch_rows *self, tapedeck_batch *out);

#endif
