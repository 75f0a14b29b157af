#include "serve/serve_books.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "book/symbol_state.h"

static void book_free(serve_book *b)
{
    symbol_state_close(b->state);
    snapshot_source_fini(&b->source);
    td_free(b);
}

void serve_books_fini(serve_books *books)
{
    while (books->first != NULL) {
        serve_book *b = books->first;
        books->first = b->next;
        b->channel->user = NULL;
        book_free(b);
    }
    *books = (serve_books){0};
}

/* ---- following ---- */

static int is_followed(const topic_row *row)
{
    if (row == NULL || row->type != MSG_BOOK_CHANGE)
        return 0;
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        if (row->rules[i].rule == RULE_ANCHORED)
            return 1;
    }
    return 0;
}

static serve_book *book_new(serve_books *books, const frame_ref *frame)
{
    serve_book *b = td_alloc_zero(1, sizeof *b);
    snapshot_source_init(&b->source);
    b->channel = frame->channel;
    b->state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    b->topic = symbol_state_topic(b->state, td_bytes_str(frame->channel->info.topic), 0);
    *(books->first == NULL ? &books->first : books->end) = b;
    books->end = &b->next;
    b->number = books->count++;
    frame->channel->user = b;
    return b;
}

/* The book of a frame, or NULL. */
static serve_book *book_of(serve_books *books, const frame_ref *frame)
{
    if (frame->channel->user != NULL)
        return frame->channel->user;
    if (!is_followed(frame->row))
        return NULL;
    if (books->count < LIMIT_SERVE_BOOKS)
        return book_new(books, frame);
    books->unfollowed++;
    return NULL;
}

/* A frame that cannot be decoded leaves the book unchanged, as it does at a client. */
static td_result apply(serve_book *b, content_reader *reader, const frame_ref *frame,
                       uint8_t *is_snapshot, td_err *err)
{
    symbol_verdict found;
    frame_ref read = *frame; /* the tape reads no content: most frames of it are of no book */
    content_read(reader, &read);
    const message *m = read.content.message;
    read.conn_index = 0; /* one connection of the slot at a time */
    symbol_topic_apply(b->topic, &read, &found);
    if (found.step == SYMBOL_RECONNECTS)
        b->has_snapshot = 0;
    *is_snapshot = m != NULL && found.rules.is_snapshot;
    b->has_snapshot |= *is_snapshot;
    return m == NULL ? TD_OK : snapshot_source_note(&b->source, &read, *is_snapshot, err);
}

td_result serve_books_apply(serve_books *books, content_reader *reader, const frame_ref *frame,
                            serve_book **out, uint8_t *is_snapshot, td_err *err)
{
    *is_snapshot = 0;
    *out = book_of(books, frame);
    return *out == NULL ? TD_OK : apply(*out, reader, frame, is_snapshot, err);
}

td_result serve_book_make(const serve_book *b, snapshot_maker *maker, td_buf *out, td_err *err)
{
    TD_ASSERT(b->has_snapshot);
    const book *levels = track_book(symbol_topic_track(b->topic));
    return snapshot_make(maker, &b->source, levels, out, err);
}
