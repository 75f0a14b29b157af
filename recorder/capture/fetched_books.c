#include "recorder/capture/fetched_books.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"

void fetched_books_fini(fetched_books *books)
{
    for (size_t i = 0; i < books->count; i++)
        td_free(books->items[i].topic);
    td_free(books->items);
    *books = (fetched_books){.family = books->family};
}

void fetched_books_note(fetched_books *books, const char *topic, uint32_t shard)
{
    td_bytes symbol;
    const topic_row *row = family_topic_row(books->family, topic, &symbol);
    size_t i = 0;
    if (row == NULL || row->snapshot_request == NULL)
        return;
    while (i < books->count && strcmp(books->items[i].topic, topic) != 0)
        i++;
    if (i == LIMIT_TOPIC_CHANNELS)
        return; /* a segment has no channels for more */
    if (i == books->count) {
        books->items = td_array_grow(books->items, books->count++, sizeof *books->items);
        books->items[i].topic = td_strdup(topic);
    }
    books->items[i].shard = shard;
    books->items[i].has_slot = 1;
}

void fetched_books_note_request(fetched_books *books, const dialect_request *request,
                                uint32_t shard)
{
    char topic[LIMIT_TOPIC_BYTES];
    for (size_t i = 0; request->kind == REQUEST_SUBSCRIBE && i < request->arg_count; i++) {
        const td_bytes arg = request->args[i];
        if (arg.size == 0 || arg.size >= sizeof topic)
            continue;
        memcpy(topic, arg.data, arg.size);
        topic[arg.size] = '\0';
        fetched_books_note(books, topic, shard);
    }
}

void fetched_books_leave(fetched_books *books, uint32_t shard)
{
    for (size_t i = 0; i < books->count; i++)
        if (books->items[i].shard == shard)
            books->items[i].has_slot = 0;
}

/* 1 if the reply to this URL is the snapshot of a topic. */
static int is_snapshot_of(const family *of, const char *topic, decoder *reading, td_bytes url,
                          td_bytes reply)
{
    const td_url parts = td_url_split(url);
    char asked[LIMIT_TOPIC_BYTES];
    td_bytes symbol;
    const topic_row *row = family_topic_row(of, topic, &symbol);
    message decoded;
    decode_error ignored;
    if (!family_is_snapshot_request(of, row, parts.path, parts.query, asked) ||
        !td_bytes_is(symbol, asked))
        return 0;
    const topic_match match = {row->snapshot_reply, td_bytes_str(row->name), symbol};
    return decoder_decode(reading, &match, reply, DECODE_PATH_WHOLE, &decoded, &ignored);
}

const fetched_book *fetched_books_find(const fetched_books *books, decoder *reading, td_bytes url,
                                       td_bytes reply)
{
    for (size_t i = 0; i < books->count; i++) {
        const fetched_book *book = &books->items[i];
        if (book->has_slot && is_snapshot_of(books->family, book->topic, reading, url, reply))
            return book;
    }
    return NULL;
}
