/* The books of a tape, and its tickers with deltas, which are treated alike (both are called books
 * here). The exchange sends a snapshot with each subscription. A book that a client subscribes to
 * late, or whose snapshot is before the selection, therefore starts with a made snapshot.
 *
 * Topics of snapshots and deltas (RULE_ANCHORED) have a book if a client wants them, at most
 * LIMIT_SERVE_BOOKS. A book from a checkpoint has its levels at once. The recorded frames from
 * which its snapshot is made are not in the checkpoint; they are read when the snapshot is made.
 * Books that are wanted later are moved from another reader that has read up to the same position.
 * One thread. */
#ifndef TD_SERVE_SERVE_BOOKS_H
#define TD_SERVE_SERVE_BOOKS_H

#include "base/buf.h"
#include "archive/archive.h"
#include "book/symbol_table.h"
#include "replay/play/snapshot.h"
#include "replay/serve/serve_feeds.h"
#include "tape/content.h"
#include "tape/cursor.h"
#include "tape/tape_topic.h"

typedef struct serve_book {
    struct serve_book *next;
    size_t number; /* index of the book in its tape */
    const char *feed, *symbol, *exchange_topic;
    uint32_t shard;         /* shard of the connection whose frames make the book */
    uint8_t has_snapshot;   /* 1: that connection has sent a snapshot; 0 if snapshots are replies */
    uint8_t has_ended;      /* 1: that connection has ended, and no frame came since */
    tape_topic tape;        /* without trust */
    snapshot_source source; /* frames that a book's snapshot is made from; unused for tickers */
} serve_book;

typedef struct stream_book {
    serve_book *book;   /* the stream's book; NULL: no book */
    uint8_t is_skipped; /* 1: no client wants the book */
} stream_book;

typedef struct serve_books {
    int (*wants)(void *user, const char *feed, const char *exchange_topic);
    void *user;
    serve_book *first, **end; /* zero-initialise these and everything below */
    size_t count;
    size_t expected;        /* number of books from a checkpoint that had no frame so far */
    uint8_t may_lack_books; /* 1: no new book begins until the missing ones are added */
    stream_book *of_stream; /* by index of the tape's streams */
    size_t stream_count;
    symbol_table symbols;
    uint64_t unfollowed; /* frames of books beyond the limit */
} serve_books;

/* Free all books; call before the tape moves or closes. */
void serve_books_fini(serve_books *books);

/* 1 if topics of this row have books. */
int serve_books_follow(const topic_row *row);

/* The topic's book, or NULL. */
serve_book *serve_books_find(const serve_books *books, const char *feed,
                             const char *exchange_topic);

/* Take over the states that a tape begins with. feeds: the served topics. */
void serve_books_begin(serve_books *books, const serve_feeds *feeds, cursor *tape);

/* Move the books of `from` to `books`. `from` must have read the same archive up to the same
 * position, and must have only books that `books` lacks. */
void serve_books_add(serve_books *books, const serve_feeds *feeds, serve_books *from);

/* Apply a data frame of the tape to its book. *out: the book, NULL for other topics; *is_snapshot:
 * 1 if the frame is a snapshot. */
TD_MUST_USE td_result serve_books_apply(serve_books *books, content_reader *reader,
                                        const frame_ref *frame, serve_book **out,
                                        uint8_t *is_snapshot, td_err *err);

/* Append a snapshot of the present state of a book: of one whose has_snapshot is 1, or whose
 * snapshots are HTTP replies. Returns the same as snapshot_make. */
TD_MUST_USE td_result serve_book_make(serve_book *book, archive *from, snapshot_maker *maker,
                                      td_buf *out, td_err *err);

#endif
