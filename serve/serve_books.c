#include "serve/serve_books.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "book/symbol_state.h"

static void book_free(serve_book *b)
{
    symbol_state_close(b->state);
    book_close(b->retail);
    td_buf_fini(&b->model);
    td_buf_fini(&b->last);
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
    td_buf_init(&b->model, LIMIT_FRAME_BYTES);
    td_buf_init(&b->last, LIMIT_FRAME_BYTES);
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

/* Keep the same levels with the sizes of retail orders in a second book. */
static void apply_retail(serve_book *b, const message *m, int is_snapshot)
{
    if (b->retail == NULL)
        b->retail = book_open(b->row->book_depth);
    size_t count = message_item_count(m);
    msg_level *levels = td_alloc_zero(count + 1, sizeof *levels);
    for (size_t i = 0; i < count; i++) {
        td_decimal size = message_level_rpi(m, i);
        levels[i] = message_level(m, i);
        levels[i].size = size.mantissa;
        levels[i].size_scale = size.scale;
    }
    const msg_book retail = {.head = m->head, .levels = levels, .level_count = count};
    book_outcome outcome = {0}; /* the state judges the frame */
    if (is_snapshot)
        book_replace(b->retail, &retail, &outcome);
    else
        book_apply(b->retail, &retail, &outcome);
    td_free(levels);
}

static td_result keep(td_buf *out, td_bytes bytes, td_err *err)
{
    td_buf_clear(out);
    return td_buf_append(out, bytes.data, bytes.size, err);
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
    b->row = frame->row;
    symbol_topic_apply(b->topic, &read, &found);
    if (found.step == SYMBOL_RECONNECTS)
        b->has_snapshot = 0;
    *is_snapshot = m != NULL && found.rules.is_snapshot;
    if (m == NULL)
        return TD_OK;
    if (m->book.rpi_sizes != NULL)
        apply_retail(b, m, *is_snapshot);
    td_result rc = *is_snapshot ? keep(&b->model, frame->bytes, err) : TD_OK;
    if (rc == TD_OK)
        rc = keep(&b->last, frame->bytes, err);
    b->has_snapshot |= (uint8_t)*is_snapshot;
    return rc;
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
    const snapshot_source from = {.row = b->row,
                                  .model = td_buf_view(&b->model),
                                  .last = td_buf_view(&b->last),
                                  .levels = track_book(symbol_topic_track(b->topic)),
                                  .retail = b->retail};
    return snapshot_make(maker, &from, out, err);
}
