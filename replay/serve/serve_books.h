/* The books of a tape, and its tickers with deltas, which are treated alike. One that a client
 * subscribes to late, or whose snapshot lies before the selection, starts with a snapshot that is
 * made: the exchange sends a snapshot with each subscription.
 *
 * Topics kept by deltas on a snapshot (RULE_ANCHORED) are followed if a client wants them, at most
 * LIMIT_SERVE_BOOKS. Those of a checkpoint have levels at once; the recorded frames that a snapshot
 * is made from, which a checkpoint lacks, are read when it is. Books that are wanted later come
 * from the books of another tape, which has been read up to the same position. One thread. */
#ifndef TD_SERVE_SERVE_BOOKS_H
#define TD_SERVE_SERVE_BOOKS_H

#include "base/buf.h"
#include "archive/archive.h"
#include "book/symbol_table.h"
#include "replay/play/snapshot.h"
#include "replay/serve/serve_feeds.h"
#include "tape/content.h"
#include "tape/cursor.h"

typedef struct serve_book {
    struct serve_book *next;
    size_t number; /* 0, 1, 2 … of its tape */
    const char *feed, *symbol, *exchange_topic;
    uint32_t shard;       /* of the connection that is followed */
    uint8_t has_snapshot; /* a snapshot came on it */
    struct symbol_topic *topic;
    snapshot_source source; /* of a book */
} serve_book;

typedef struct stream_book {
    serve_book *book;   /* NULL: absent */
    uint8_t is_skipped; /* it is not wanted */
} stream_book;

typedef struct serve_books {
    int (*wants)(void *user, const char *feed, const char *exchange_topic);
    void *user;
    serve_book *first, **end; /* this and what follows: zero-initialise */
    size_t count;
    size_t expected;        /* of a checkpoint, without a frame since */
    uint8_t is_short;       /* 1: it may lack books that are wanted: no new one begins */
    stream_book *of_stream; /* by the streams of the tape */
    size_t stream_count;
    symbol_table symbols;
    uint64_t unfollowed; /* frames of books beyond the limit */
} serve_books;

/* Free all books; before the tape moves or closes. */
void serve_books_fini(serve_books *books);

/* 1 if books of such rows are followed. */
int serve_books_follow(const topic_row *row);

/* 1 if the topic's book is among them. */
int serve_books_have(const serve_books *books, const char *feed, const char *exchange_topic);

/* Take the states that a tape begins with. feeds: with their topics. */
void serve_books_begin(serve_books *books, const serve_feeds *feeds, cursor *tape);

/* Move the books of another tape over the same archive, at the position of the first one, which are
 * those that it lacked. */
void serve_books_add(serve_books *books, const serve_feeds *feeds, serve_books *from);

/* Follow a data frame of the tape. *out: its book, NULL for other topics; *is_snapshot: the frame
 * is one. */
TD_MUST_USE td_result serve_books_apply(serve_books *books, content_reader *reader,
                                        const frame_ref *frame, serve_book **out,
                                        uint8_t *is_snapshot, td_err *err);

/* Append a snapshot of the book's present state; it has one. Results as snapshot_make. */
TD_MUST_USE td_result serve_book_make(serve_book *book, archive *from, snapshot_maker *maker,
                                      td_buf *out, td_err *err);

#endif
