#include "serve/serve_books.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "book/symbol_state.h"
#include "serve/serve_replies.h"

void serve_books_fini(serve_books *books)
{
    while (books->first != NULL) {
        serve_book *b = books->first;
        books->first = b->next;
        snapshot_source_fini(&b->source);
        td_free(b);
    }
    for (size_t i = 0; i < books->symbol_count; i++)
        symbol_state_close(books->symbols[i].state);
    td_free(books->symbols);
    td_free(books->of_stream);
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

static symbol_state *add_symbol(serve_books *books, const char *feed, const char *symbol,
                                symbol_state *state)
{
    books->symbols = td_array_grow(books->symbols, books->symbol_count, sizeof *books->symbols);
    books->symbols[books->symbol_count++] = (serve_symbol){feed, symbol, state};
    return state;
}

static symbol_state *state_of(serve_books *books, const channel_info *info)
{
    for (size_t i = 0; i < books->symbol_count; i++) {
        const serve_symbol *known = &books->symbols[i];
        if (strcmp(known->symbol, info->symbol) == 0 && strcmp(known->feed, info->feed) == 0)
            return known->state;
    }
    return add_symbol(books, info->feed, info->symbol, symbol_state_open(SYMBOL_WITHOUT_AUDITS));
}

static serve_book *add_book(serve_books *books, symbol_topic *topic, const char *feed,
                            const char *symbol, const char *exchange_topic)
{
    serve_book *b = td_alloc_zero(1, sizeof *b);
    snapshot_source_init(&b->source);
    b->topic = topic;
    b->feed = feed;
    b->symbol = symbol;
    b->exchange_topic = exchange_topic;
    *(books->first == NULL ? &books->first : books->end) = b;
    books->end = &b->next;
    b->number = books->count++;
    return b;
}

static int is_book(void *user, const symbol_topic *topic)
{
    (void)user;
    return topic->line == 0 && is_followed(topic->row);
}

static void add_saved(serve_books *books, const serve_feeds *feeds, const cursor_state *of,
                      symbol_topic *topic)
{
    const track *followed = symbol_topic_track(topic);
    const char *exchange_topic = serve_feeds_topic(feeds, of->feed, topic->name, of->symbol);
    if (followed == NULL || exchange_topic == NULL || books->count == LIMIT_SERVE_BOOKS)
        return;
    const choice_conn *conn = &topic->choice.conns[topic->choice.followed];
    serve_book *b = add_book(books, topic, of->feed, of->symbol, exchange_topic);
    b->shard = conn->shard;
    b->has_snapshot = track_has_snapshot(followed) != 0;
    books->expected++;
}

void serve_books_begin(serve_books *books, const serve_feeds *feeds, cursor *tape)
{
    cursor_state next;
    symbol_topic *topic;
    while (cursor_next_state(tape, &next)) {
        symbol_state_keep(next.state, is_book, NULL);
        add_symbol(books, next.feed, next.symbol, next.state);
        for (size_t i = 0; (topic = symbol_state_topic_at(next.state, i)) != NULL; i++)
            add_saved(books, feeds, &next, topic);
    }
}

/* The book of a stream that had no frame yet; NULL: there are too many. */
static serve_book *find_book(serve_books *books, const channel_info *info)
{
    if (books->count == LIMIT_SERVE_BOOKS && books->expected == 0)
        return NULL;
    symbol_topic *topic =
        symbol_state_topic(state_of(books, info), td_bytes_str(info->topic), info->line);
    serve_book *b = books->expected > 0 ? books->first : NULL;
    while (b != NULL && b->topic != topic)
        b = b->next;
    books->expected -= b != NULL;
    if (b != NULL || books->count == LIMIT_SERVE_BOOKS)
        return b;
    return add_book(books, topic, info->feed, info->symbol, info->exchange_topic);
}

/* The book of a frame, or NULL. */
static serve_book *book_of(serve_books *books, const frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    if (channel->stream == FRAME_NO_STREAM)
        return NULL;
    books->of_stream = td_array_reach(books->of_stream, &books->stream_count, channel->stream,
                                      sizeof(serve_book *));
    serve_book **b = &books->of_stream[channel->stream];
    if (*b != NULL || !is_followed(frame->row))
        return *b;
    *b = find_book(books, &channel->info);
    books->unfollowed += *b == NULL;
    return *b;
}

/* A frame that cannot be decoded leaves the book unchanged, as it does at a client. */
static td_result apply(serve_book *b, content_reader *reader, const frame_ref *frame,
                       uint8_t *is_snapshot, td_err *err)
{
    symbol_verdict found;
    frame_ref read = *frame; /* the tape reads no content: most frames of it are of no book */
    content_read(reader, &read);
    const message *m = read.content.message;
    symbol_topic_apply(b->topic, &read, &found);
    *is_snapshot = m != NULL && found.rules.is_snapshot;
    b->has_snapshot = track_has_snapshot(found.track) != 0;
    b->shard = frame->channel->info.shard;
    return m == NULL ? TD_OK : snapshot_source_note(&b->source, &read, *is_snapshot, err);
}

td_result serve_books_apply(serve_books *books, content_reader *reader, const frame_ref *frame,
                            serve_book **out, uint8_t *is_snapshot, td_err *err)
{
    *is_snapshot = 0;
    *out = book_of(books, frame);
    return *out == NULL ? TD_OK : apply(*out, reader, frame, is_snapshot, err);
}

td_result serve_book_make(serve_book *b, archive *from, snapshot_maker *maker, td_buf *out,
                          td_err *err)
{
    snapshot_source *source = &b->source;
    const book *levels = track_book(symbol_topic_track(b->topic));
    td_result rc = TD_OK;
    TD_ASSERT(b->has_snapshot);
    if (source->model.size == 0)
        rc = snapshot_source_read(source, from, b->feed, b->symbol, b->topic, err);
    return rc == TD_OK ? snapshot_make(maker, source, levels, out, err) : rc;
}
