/* Snapshots of books, made from a followed book, and of tickers, made from their deltas: for a
 * client that subscribes to a book in the middle of a tape, where the exchange would send one, and
 * for the beginning of a cut.
 *
 * A made snapshot is a copy of the last recorded one with three things replaced: its levels by
 * those of the book, each in the form of a recorded level; its numbers and times by those of the
 * topic's last frame, so that the next delta follows it. Everything else (member order, text or
 * number, names) is as recorded. Works for every topic whose row has the paths of its levels.
 * One thread. */
#ifndef TD_PLAY_SNAPSHOT_H
#define TD_PLAY_SNAPSHOT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive.h"
#include "book/book.h"
#include "book/ticker_frames.h"
#include "schema/frame.h"

typedef struct snapshot_maker snapshot_maker;
struct symbol_topic; /* book/symbol_state.h */

TD_NEVER_NULL snapshot_maker *snapshot_maker_open(void);
void snapshot_maker_close(snapshot_maker *maker);

/* What a book's frames have beside its levels. */
typedef struct snapshot_source {
    const topic_row *row; /* of the last frame */
    td_buf model;         /* the last recorded snapshot */
    td_buf last;          /* the last frame; may be the model */
    book *retail; /* the same levels with the sizes of their retail orders; NULL: the topic has
                     none */
} snapshot_source;

void snapshot_source_init(snapshot_source *source);
void snapshot_source_fini(snapshot_source *source);

/* Keep what a frame with a message shows, which the book took. TD_E_LIMIT. */
TD_MUST_USE td_result snapshot_source_note(snapshot_source *source, const frame_ref *frame,
                                           int is_snapshot, td_err *err);

/* Read from the archive what the source has after the topic's last frame, for a book that a
 * checkpoint has: its last snapshot and that frame, and those between if they have sizes of retail
 * orders. TD_E_UNSUPPORTED: the snapshot is missing; TD_E_* as cursor_open. */
TD_MUST_USE td_result snapshot_source_read(snapshot_source *source, archive *from, const char *feed,
                                           const char *symbol, const struct symbol_topic *topic,
                                           td_err *err);

/* Set out to a ticker's snapshot with the values of all frames since; the first of them is the
 * snapshot. TD_E_UNSUPPORTED, and out is empty: the frames are missing (NULL), a delta has members
 * that the snapshot lacks, or one is not JSON. TD_E_LIMIT. */
TD_MUST_USE td_result snapshot_make_ticker(snapshot_maker *maker, const ticker_frames *from,
                                           td_buf *out, td_err *err);

/* Append a snapshot of the book to out. TD_E_UNSUPPORTED: none can be made, because a frame is not
 * JSON (a compressed one) or no recorded level shows the form; out is unchanged then. TD_E_LIMIT.
 */
TD_MUST_USE td_result snapshot_make(snapshot_maker *maker, const snapshot_source *from,
                                    const book *levels, td_buf *out, td_err *err);

#endif
