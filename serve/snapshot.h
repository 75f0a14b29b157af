/* Snapshots of books, made from the book that is kept: for a client that subscribes to a book in
 * the middle of a tape, where the exchange would send one.
 *
 * A made snapshot is a copy of the last recorded one with three things replaced: its levels by
 * those of the book, each in the form of a recorded level; its numbers and times by those of the
 * last frame of the topic, so that the next delta follows on it. Everything else (member order,
 * what is text and what a number, names) is as recorded. Works for every topic whose row says where
 * its levels are. One thread. */
#ifndef TD_SERVE_SNAPSHOT_H
#define TD_SERVE_SNAPSHOT_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "book/book.h"
#include "schema/topic.h"

typedef struct snapshot_maker snapshot_maker;

/* TD_E_NOMEM. */
TD_MUST_USE td_result snapshot_maker_open(snapshot_maker **out, td_err *err);
void snapshot_maker_close(snapshot_maker *maker);

typedef struct snapshot_source {
    const topic_row *row; /* of the topic: a book */
    td_bytes model;       /* the last recorded snapshot */
    td_bytes last;        /* the frame that the book has reached; may be the model */
    const book *levels;
    const book *retail; /* the same levels with the size of their retail orders; NULL where the
                           topic does not tell those apart */
} snapshot_source;

/* Append a snapshot to out. TD_E_UNSUPPORTED: it cannot be made, because a frame is no JSON text (a
 * compressed one) or the model has no level to go by; out is as before then. TD_E_LIMIT,
 * TD_E_NOMEM. */
TD_MUST_USE td_result snapshot_make(snapshot_maker *maker, const snapshot_source *from, td_buf *out,
                                    td_err *err);

#endif
