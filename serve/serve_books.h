/* The books of one client's tape. A book that the client subscribes to late, or whose snapshot lies
 * before the selection, starts with a snapshot made from them: the exchange sends a snapshot with
 * each subscription.
 *
 * Topics kept by deltas on a snapshot (RULE_ANCHORED) are followed, each channel of the tape
 * separately, at most LIMIT_SERVE_BOOKS. A book is current for a client that received its
 * snapshot, recorded or made, and every frame since; only then can the client apply deltas. One
 * thread. */
#ifndef TD_SERVE_SERVE_BOOKS_H
#define TD_SERVE_SERVE_BOOKS_H

#include "base/buf.h"
#include "serve/snapshot.h"
#include "tape/content.h"
#include "tape/cursor.h"
#include "schema/filters.h"

typedef struct serve_book serve_book;

typedef struct serve_books {
    serve_book *first, **end; /* in the order of their first frames; zero-initialise */
    size_t count;
    uint64_t unfollowed; /* frames of books beyond the limit */
} serve_books;

/* Free all books; before or after the tape closes. */
void serve_books_fini(serve_books *books);

typedef enum book_delivery { BOOK_NOT_SENT, BOOK_SENT } book_delivery;

/* Follow a data frame of the tape, which the client got or not. Frames of other topics are
 * ignored. The channel's user pointer belongs to this module. */
TD_MUST_USE td_result serve_books_apply(serve_books *books, content_reader *reader,
                                        const frame_ref *frame, book_delivery delivery,
                                        td_err *err);

/* The client gave topics up: books that its filters no longer cover are not current. */
void serve_books_unsubscribed(serve_books *books, const topic_filters *filters);

/* The next book after `after` (NULL: the first) that the filters cover, that is not current,
 * and that has a snapshot; NULL: none. */
serve_book *serve_books_next_stale(const serve_books *books, const serve_book *after,
                                   const topic_filters *filters);

/* Append a snapshot of the book's present state. The book counts as current from then on, even
 * if none could be made (TD_E_UNSUPPORTED), because another attempt would fail too. Results as
 * snapshot_make. */
TD_MUST_USE td_result serve_book_make(serve_book *book, snapshot_maker *maker, td_buf *out,
                                      td_err *err);

/* Its exchange topic; valid while the tape is open. */
const char *serve_book_topic(const serve_book *book);

#endif
