/* The books of a feed whose snapshots a client requests over HTTP (topic_row.snapshot_request), and
 * the slot on which each was requested or has frames. import and tap see all of a client's HTTP
 * replies: one that is the snapshot of a book becomes a frame of the book's topic, on the
 * connection of that slot, as record writes it. One thread. */
#ifndef TD_CAPTURE_FETCHED_BOOKS_H
#define TD_CAPTURE_FETCHED_BOOKS_H

#include "base/url.h"
#include "schema/decode.h"
#include "schema/dialect.h"

typedef struct fetched_book {
    char *topic; /* as the exchange writes it; lives as long as the list */
    uint32_t shard;
    uint8_t has_slot; /* 0: the slot's connection has ended */
} fetched_book;

/* Zero-initialise, but for the family. */
typedef struct fetched_books {
    const family *family;
    fetched_book *items;
    size_t count;
} fetched_books;

/* Free what it has. */
void fetched_books_fini(fetched_books *books);

/* A topic has a frame on this slot. A topic without such a snapshot is ignored. */
void fetched_books_note(fetched_books *books, const char *topic, uint32_t shard);

/* A client sent this request, or has topics by its URL (request_of_url): it may ask for a snapshot
 * before the first frame comes. */
void fetched_books_note_request(fetched_books *books, const dialect_request *request,
                                uint32_t shard);

/* The connection of a slot has ended. */
void fetched_books_leave(fetched_books *books, uint32_t shard);

/* The book whose snapshot a reply to this URL is, or NULL. DECODE_PADDING_BYTES must follow the
 * reply. */
const fetched_book *fetched_books_find(const fetched_books *books, decoder *reading, td_bytes url,
                                       td_bytes reply);

#endif
