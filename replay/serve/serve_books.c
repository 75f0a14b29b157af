#include "replay/serve/serve_books.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

void serve_books_fini(serve_books *books)
{
    while (books->first != NULL) {
        serve_book *b = books->first;
        books->first = b->next;
        snapshot_source_fini(&b->source);
        td_free(b);
    }
    symbol_table_fini(&books->symbols);
    td_free(books->of_stream);
    *books = (serve_books){.wants = books->wants, .user = books->user};
}

/* ---- following ---- */

serve_book *serve_books_find(const serve_books *books, const char *feed, const char *exchange_topic)
{
    serve_book *b = books->first;
    while (b != NULL &&
           (strcmp(b->exchange_topic, exchange_topic) != 0 || strcmp(b->feed, feed) != 0))
        b = b->next;
    return b;
}

int serve_books_follow(const topic_row *row)
{
    return row != NULL && (msg_type_has_book(row->type) || row->type == MSG_TICKER) &&
           (row->snapshot_request != NULL || topic_rule(row, RULE_ANCHORED) != NULL);
}

static serve_book *add_book(serve_books *books, symbol_topic *topic, const char *feed,
                            const char *symbol, const char *exchange_topic)
{
    serve_book *b = td_alloc_zero(1, sizeof *b);
    snapshot_source_init(&b->source);
    b->tape.state = topic;
    b->feed = feed;
    b->symbol = symbol;
    b->exchange_topic = exchange_topic;
    *(books->first == NULL ? &books->first : books->end) = b;
    books->end = &b->next;
    b->number = books->count++;
    return b;
}

/* A symbol whose state comes from a checkpoint or from another tape. */
typedef struct saved_books {
    serve_books *books;
    const serve_feeds *feeds;
    symbol_entry *entry;
} saved_books;

static int is_wanted_book(void *user, const symbol_topic *topic)
{
    const saved_books *saved = user;
    if (topic->line != 0 || !serve_books_follow(topic->row) || symbol_topic_track(topic) == NULL)
        return 0;
    const served_topic *served =
        serve_feeds_topic(saved->feeds, saved->entry->feed, topic->name, saved->entry->symbol);
    return served != NULL &&
           saved->books->wants(saved->books->user, served->feed, served->exchange_topic);
}

/* 1 if the state has what a made snapshot needs. A checkpoint may lack the frames of a ticker; the
 * frames of a book are read when they are needed. */
static uint8_t has_snapshot(const symbol_topic *topic)
{
    const track *followed = symbol_topic_track(topic);
    if (topic->row->snapshot_request != NULL)
        return 0; /* clients request it over HTTP */
    return track_has_snapshot(followed) &&
           (track_book(followed) != NULL || symbol_topic_ticker(topic) != NULL);
}

/* Add books for the symbol's wanted topics. If no topic is wanted, drop the symbol's state. */
static void add_saved(serve_books *books, const serve_feeds *feeds, symbol_entry *of)
{
    saved_books saved = {.books = books, .feeds = feeds, .entry = of};
    symbol_topic *topic;
    size_t i = 0;
    symbol_state_keep(of->state, is_wanted_book, &saved);
    for (;
         (topic = symbol_state_topic_at(of->state, i)) != NULL && books->count < LIMIT_SERVE_BOOKS;
         i++) {
        const served_topic *served = serve_feeds_topic(feeds, of->feed, topic->name, of->symbol);
        serve_book *b =
            add_book(books, topic, served->feed, served->symbol, served->exchange_topic);
        b->shard = topic->choice.conns[topic->choice.followed].shard;
        b->has_snapshot = has_snapshot(topic);
        books->expected++;
    }
    if (i > 0)
        return;
    symbol_state_close(of->state);
    of->state = NULL;
}

static void take_states(serve_books *books, const serve_feeds *feeds, symbol_table *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (from->items[i]->state != NULL)
            add_saved(books, feeds, from->items[i]);
    symbol_table_take(&books->symbols, from);
}

void serve_books_begin(serve_books *books, const serve_feeds *feeds, cursor *tape)
{
    take_states(books, feeds, cursor_states(tape));
}

void serve_books_add(serve_books *books, const serve_feeds *feeds, serve_books *from)
{
    take_states(books, feeds, &from->symbols);
    for (size_t i = 0; i < books->stream_count; i++)
        books->of_stream[i].is_skipped = 0;
    books->may_lack_books = 0;
}

/* Find a book that comes from a checkpoint and whose topic had no frame so far, or NULL. */
static serve_book *find_expected(serve_books *books, const channel_info *info)
{
    serve_book *b = books->expected > 0 ? books->first : NULL;
    while (b != NULL &&
           (info->line != b->tape.state->line || strcmp(info->topic, b->tape.state->name) != 0 ||
            strcmp(info->symbol, b->symbol) != 0 || strcmp(info->feed, b->feed) != 0))
        b = b->next;
    books->expected -= b != NULL;
    return b;
}

/* Find or add the book of a new stream. NULL: the stream gets no book. */
static serve_book *begin_book(serve_books *books, const channel_info *info, stream_book *of)
{
    of->book = find_expected(books, info);
    if (of->book != NULL || books->may_lack_books)
        return of->book;
    of->is_skipped = !books->wants(books->user, info->feed, info->exchange_topic);
    if (of->is_skipped)
        return NULL;
    if (books->count == LIMIT_SERVE_BOOKS) {
        books->unfollowed++;
        return NULL;
    }
    symbol_topic *topic = symbol_table_topic(&books->symbols, info, SYMBOL_WITHOUT_AUDITS);
    of->book = add_book(books, topic, info->feed, info->symbol, info->exchange_topic);
    return of->book;
}

/* Find the book of a frame, or NULL. */
static serve_book *book_of(serve_books *books, const frame_ref *frame)
{
    const frame_channel *channel = frame->channel;
    if (channel->stream == FRAME_NO_STREAM)
        return NULL;
    books->of_stream = td_array_reach(books->of_stream, &books->stream_count, channel->stream,
                                      sizeof *books->of_stream);
    stream_book *of = &books->of_stream[channel->stream];
    if (of->book != NULL || of->is_skipped || !serve_books_follow(frame->row))
        return of->book;
    return begin_book(books, &channel->info, of);
}

/* Apply a frame to its book. A frame that cannot be decoded leaves the book unchanged, as in a
 * client. */
static td_result apply(serve_book *b, content_reader *reader, const frame_ref *frame,
                       uint8_t *is_snapshot, td_err *err)
{
    applied_frame seen;
    frame_ref read = *frame; /* the tape does not decode, because most of its frames have no book */
    content_read(reader, &read);
    const message *m = read.content.message;
    b->has_ended = 0;
    tape_topic_apply(&b->tape, &read, &seen);
    *is_snapshot = m != NULL && seen.found->rules.is_snapshot;
    if (m != NULL && seen.found->rules.is_unused)
        return TD_OK;
    b->has_snapshot = has_snapshot(b->tape.state);
    b->shard = frame->channel->info.shard;
    return m == NULL || read.row->type == MSG_TICKER
               ? TD_OK
               : snapshot_source_note(&b->source, &read, *is_snapshot, err);
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
    const book *levels = track_book(symbol_topic_track(b->tape.state));
    td_result rc = TD_OK;
    TD_ASSERT(b->has_snapshot || b->tape.state->row->snapshot_request != NULL);
    if (levels == NULL)
        return snapshot_make_ticker(maker, symbol_topic_ticker(b->tape.state), out, err);
    if (source->model.size == 0)
        rc = snapshot_source_read(source, from, b->feed, b->symbol, b->tape.state, err);
    return rc == TD_OK ? snapshot_make(maker, source, levels, out, err) : rc;
}
