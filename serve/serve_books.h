/* The books of one client's tape, followed so that a book which the client subscribes to late, or
 * whose snapshot lies before the selection, begins with a snapshot all the same: the exchange sends
 * one with each subscription.
 *
 * Followed are the topics that are kept by deltas on a snapshot (RULE_ANCHORED), each channel of
 * the tape on its own. A book is current for a client that has had its snapshot, recorded or made,
 * and every frame since; only then do deltas mean something to it. At most LIMIT_SERVE_BOOKS. One
 * thread. */
#ifndef TD_SERVE_SERVE_BOOKS_H
#define TD_SERVE_SERVE_BOOKS_H

#include "base/buf.h"
#include "serve/snapshot.h"
#include "tape/content.h"
#include "tape/tape.h"
#include "schema/filters.h"

typedef struct serve_book serve_book;

typedef struct serve_books {
    serve_book *first, **end; /* in the order of their first frames; zero-initialise to start */
    size_t count;
    uint64_t unfollowed; /* frames of books beyond the limit */
} serve_books;

/* Forget all; before or after the tape closes. */
void serve_books_fini(serve_books *books);

typedef enum book_delivery { BOOK_NOT_SENT, BOOK_SENT } book_delivery;

/* A data frame of the tape, which the client got or did not get. Frames of other topics are passed
 * over. TD_E_NOMEM. The channel's user pointer is this module's. */
TD_MUST_USE td_result serve_books_take(serve_books *books, content_reader *reader,
                                       const tape_frame *frame, book_delivery delivery,
                                       td_err *err);

/* The client gave topics up: books that its filters do not cover are not current any more. */
void serve_books_unsubscribed(serve_books *books, const topic_filters *filters);

/* The next book after another one (NULL: from the start) that the filters cover, that is not
 * current, and whose snapshot is known; NULL: none. */
serve_book *serve_books_next_stale(const serve_books *books, const serve_book *behind,
                                   const topic_filters *filters);

/* Append a snapshot of the book as it is now; the book counts as current from now on, even if none
 * could be made (TD_E_UNSUPPORTED), for trying again would not help. Results as snapshot_make. */
TD_MUST_USE td_result serve_book_make(serve_book *book, snapshot_maker *maker, td_buf *out,
                                      td_err *err);

/* Its topic as it stands in frames; valid while the tape is open. */
const char *serve_book_topic(const serve_book *book);

#endif
