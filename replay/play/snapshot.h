/* Makes snapshots of books from their state, and of tickers from their deltas. A client that
 * subscribes in the middle of a tape needs them, because the exchange would send a snapshot; a cut
 * may begin with them.
 *
 * A made snapshot is a copy of the last recorded snapshot. It has the book's levels, or its orders,
 * each in the form of a recorded one, and the numbers and times of the topic's last frame, so that
 * the next delta continues it. Everything else (member order, text or number, names) is as
 * recorded. Works for every topic whose row has the paths of its levels. One thread. */
#ifndef TD_PLAY_SNAPSHOT_H
#define TD_PLAY_SNAPSHOT_H

#include "base/buf.h"
#include "base/err.h"
#include "archive/archive.h"
#include "book/book.h"
#include "book/ticker_frames.h"
#include "schema/frame.h"

typedef struct snapshot_maker snapshot_maker;
struct symbol_topic; /* book/symbol_state.h */

/* Open a maker, which keeps its parsers from snapshot to snapshot. The caller closes it. */
TD_NEVER_NULL snapshot_maker *snapshot_maker_open(void);
void snapshot_maker_close(snapshot_maker *maker);

/* The frames that a book's snapshot is made from. */
typedef struct snapshot_source {
    const topic_row *row; /* row of the last frame's topic */
    td_buf model;         /* the last recorded snapshot */
    td_buf last;          /* the last frame; may be the same as model */
    int64_t last_u;       /* its u, if it has one */
    book *retail; /* the same levels with the sizes of retail orders; NULL: the topic has no such
                     sizes */
} snapshot_source;

/* A source without frames. fini frees its content. */
void snapshot_source_init(snapshot_source *source);
void snapshot_source_fini(snapshot_source *source);

/* Keep a frame that the book has applied; it must have a message. A snapshot that was fetched may
 * be older than the last delta. TD_E_LIMIT. */
TD_MUST_USE td_result snapshot_source_note(snapshot_source *source, const frame_ref *frame,
                                           int is_snapshot, td_err *err);

/* Fill a source from the archive for a book that was loaded from a checkpoint: read the book's last
 * snapshot, the topic's last frame and, if the topic has sizes of retail orders, the frames
 * between. TD_E_UNSUPPORTED: the snapshot is missing; other errors as cursor_open. */
TD_MUST_USE td_result snapshot_source_read(snapshot_source *source, archive *from, const char *feed,
                                           const char *symbol, const struct symbol_topic *topic,
                                           td_err *err);

/* Write a ticker's snapshot to *out: the first frame, with the values of all later frames.
 * TD_E_UNSUPPORTED, with *out empty: the frames are missing (from may be NULL), a delta has members
 * that the snapshot lacks, or a frame is not JSON. TD_E_LIMIT. */
TD_MUST_USE td_result snapshot_make_ticker(snapshot_maker *maker, const ticker_frames *from,
                                           td_buf *out, td_err *err);

/* Append a snapshot of the book to out; the recorded one if no frame came since.
 * TD_E_UNSUPPORTED, with out unchanged: a frame is not JSON (a compressed one), no recorded level
 * shows the form, or too few levels are known (book_limit). TD_E_LIMIT. */
TD_MUST_USE td_result snapshot_make(snapshot_maker *maker, const snapshot_source *from,
                                    const book *levels, td_buf *out, td_err *err);

#endif
