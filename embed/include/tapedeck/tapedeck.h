/* libtapedeck: the decoders, rules and order books of a replay in a program of your own.
 *
 *   cc mine.c $(pkg-config --cflags --libs tapedeck) -o mine
 *
 * docs/examples/best_price.c is a complete program. A reader decodes the frames of one connection,
 * in order of receipt. tapedeck/plugin.h has its frames, entries, values, verdicts and books; the
 * functions of tapedeck_reader_host read them. tapedeck/archive.h reads archives.
 *
 * Threads: a reader is for one thread at a time; readers are independent. A failed allocation ends
 * the program. */
#ifndef TAPEDECK_TAPEDECK_H
#define TAPEDECK_TAPEDECK_H

#include "tapedeck/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TAPEDECK_API __attribute__((visibility("default")))
#else
#define TAPEDECK_API
#endif

typedef struct tapedeck_reader tapedeck_reader;

/* What a reader decodes besides. */
enum {
    /* Values of books and trades that tapedeck_level and tapedeck_trade have no member for. Without
     * it they are not decoded, which is faster. */
    TAPEDECK_WANTS_EVERY_VALUE = 1,
};

/* A reader for a family of the exchange ("inverse", "v5-linear": `tapedeck topics` lists them);
 * NULL if unknown. wants: TAPEDECK_WANTS_EVERY_VALUE, or 0. */
TAPEDECK_API tapedeck_reader *tapedeck_reader_open(const char *family, uint32_t wants);
TAPEDECK_API void tapedeck_reader_close(tapedeck_reader *reader);

/* The functions that read its frames and books, valid until close. fail and log are NULL. */
TAPEDECK_API const tapedeck_host *tapedeck_reader_host(const tapedeck_reader *reader);

/* Decode a frame, check it by the rules of its topic, and apply it to its book. bytes are copied.
 * recv_ns: when it was received, for topics that changed over the years; 0: now. The result is
 * valid until the next call; its book is valid until close. Members about a recording (feed,
 * session, connection) are empty; ordinal counts the frames of the connection from 1. */
TAPEDECK_API const tapedeck_frame *
tapedeck_reader_decode(tapedeck_reader *reader, const void *bytes, size_t size, uint64_t recv_ns);

/* A new connection: the rules start over, and books wait for their snapshots. */
TAPEDECK_API void tapedeck_reader_reconnect(tapedeck_reader *reader);

/* Called once, on the thread whose allocation failed, before the program is aborted: to print or
 * log; it must not allocate. */
TAPEDECK_API void tapedeck_on_out_of_memory(void (*handler)(size_t bytes));

/* Of this header. What is promised of versions: docs/library.md. */
#define TAPEDECK_VERSION_MAJOR 0
#define TAPEDECK_VERSION_MINOR 2
#define TAPEDECK_VERSION_PATCH 0

/* Of the library that is running: "0.2.0". */
TAPEDECK_API const char *tapedeck_version(void);

#ifdef __cplusplus
}
#endif

#endif
