/* libtapedeck: the decoders, rules and order books of a replay in a program of your own.
 *
 *   cc mine.c $(pkg-config --cflags --libs tapedeck) -o mine
 *
 * docs/examples/best_price.c is a complete program. A reader decodes the frames of one connection,
 * in order of receipt. tapedeck/plugin.h defines frames, entries, values, verdicts and books; the
 * functions of tapedeck_reader_host read them. tapedeck/archive.h reads archives.
 *
 * Threads: use a reader from one thread at a time; readers are independent. A failed allocation
 * ends the program. */
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

/* Options of a reader. */
enum {
    /* Also decode values of books and trades that tapedeck_level and tapedeck_trade lack. Without
     * it decoding is faster. */
    TAPEDECK_WANTS_EVERY_VALUE = 1,
};

/* Open a reader for a family of the exchange ("inverse", "v5-linear"; `tapedeck topics` lists
 * them). NULL: unknown family. wants: TAPEDECK_WANTS_EVERY_VALUE, or 0. */
TAPEDECK_API tapedeck_reader *tapedeck_reader_open(const char *family, uint32_t wants);
TAPEDECK_API void tapedeck_reader_close(tapedeck_reader *reader);

/* Functions that read the reader's frames and books, valid until close. fail and log are NULL. */
TAPEDECK_API const tapedeck_host *tapedeck_reader_host(const tapedeck_reader *reader);

/* Decode a frame, check it by the rules of its topic, and apply it to the book. bytes are copied.
 * recv_ns: time of receipt, which selects the definition of a topic that changed over the years; 0:
 * now. The result is valid until the next call, its book until close. Members about a recording
 * (feed, session) are empty; ordinal counts the frames of the connection from 1. */
TAPEDECK_API const tapedeck_frame *
tapedeck_reader_decode(tapedeck_reader *reader, const void *bytes, size_t size, uint64_t recv_ns);

/* A new connection begins: rules start over, and books wait for their snapshots. */
TAPEDECK_API void tapedeck_reader_reconnect(tapedeck_reader *reader);

/* Set a function that is called once, on the thread whose allocation failed, before the program
 * aborts. It may print or log, and must not allocate. */
TAPEDECK_API void tapedeck_on_out_of_memory(void (*handler)(size_t bytes));

/* Version of this header. docs/library.md states what versions promise. */
#define TAPEDECK_VERSION_MAJOR 0
#define TAPEDECK_VERSION_MINOR 2
#define TAPEDECK_VERSION_PATCH 0

/* Version of the running library: "0.2.0". */
TAPEDECK_API const char *tapedeck_version(void);

#ifdef __cplusplus
}
#endif

#endif
