/* The books of a tape. A book that a client subscribes to late, or whose snapshot lies before the
 * selection, starts with a snapshot made from them: the exchange sends a snapshot with each
 * subscription.
 *
 * Topics kept by deltas on a snapshot (RULE_ANCHORED) are followed, each channel of the tape
 * separately, at most LIMIT_SERVE_BOOKS. One thread. */
#ifndef TD_SERVE_SERVE_BOOKS_H
#define TD_SERVE_SERVE_BOOKS_H

#include "base/buf.h"
#include "play/snapshot.h"
#include "tape/content.h"
#include "tape/cursor.h"
#include "schema/filters.h"

typedef struct serve_book {
    struct serve_book *next;
    size_t number; /* 0, 1, 2 … of its tape */
    frame_channel *channel;
    struct symbol_state *state; /* of this topic alone */
    struct symbol_topic *topic;
    snapshot_source source;
    uint8_t has_snapshot; /* a snapshot came on this connection */
} serve_book;

typedef struct serve_books {
    serve_book *first, **end; /* in the order of their first frames; zero-initialise */
    size_t count;
    uint64_t unfollowed; /* frames of books beyond the limit */
} serve_books;

/* Free all books; before the tape closes. */
void serve_books_fini(serve_books *books);

/* Follow a data frame of the tape. *out: its book, NULL for other topics; *is_snapshot: the frame
 * is one. The channel's user pointer belongs to this module. */
TD_MUST_USE td_result serve_books_apply(serve_books *books, content_reader *reader,
                                        const frame_ref *frame, serve_book **out,
                                        uint8_t *is_snapshot, td_err *err);

/* Append a snapshot of the book's present state; it has one. Results as snapshot_make. */
TD_MUST_USE td_result serve_book_make(const serve_book *book, snapshot_maker *maker, td_buf *out,
                                      td_err *err);

#endif
