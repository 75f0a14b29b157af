/* Snapshots of books, made from a followed book: for a client that subscribes to a book in the
 * middle of a tape, where the exchange would send one.
 *
 * A made snapshot is a copy of the last recorded one with three things replaced: its levels by
 * those of the book, each in the form of a recorded level; its numbers and times by those of the
 * topic's last frame, so that the next delta follows it. Everything else (member order, text or
 * number, names) is as recorded. Works for every topic whose row has the paths of its levels.
 * One thread. */
#ifndef TD_SERVE_SNAPSHOT_H
#define TD_SERVE_SNAPSHOT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "book/book.h"
#include "schema/topic.h"

typedef struct snapshot_maker snapshot_maker;

TD_NEVER_NULL snapshot_maker *snapshot_maker_open(void);
void snapshot_maker_close(snapshot_maker *maker);

typedef struct snapshot_source {
    const topic_row *row; /* the topic's row, of a book */
    td_bytes model;       /* the last recorded snapshot */
    td_bytes last;        /* the last frame applied to the book; may be the model */
    const book *levels;
    const book *retail; /* the same levels with the sizes of their retail orders; NULL: the topic
                           has none */
} snapshot_source;

/* Append a snapshot to out. TD_E_UNSUPPORTED: none can be made, because a frame is not JSON
 * (a compressed one) or no recorded level shows the form; out is unchanged then. TD_E_LIMIT.
 */
TD_MUST_USE td_result snapshot_make(snapshot_maker *maker, const snapshot_source *from, td_buf *out,
                                    td_err *err);

#endif
