/* The truth file: all data that the simulated exchange sent, one JSON object per line, in order of
 * sending.
 *
 *   {"t":"frame","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}
 *       A data frame. n is its ordinal on the connection; answers to requests count, too. xxh64 is
 *       the hash of the frame's bytes, 16 hex digits.
 *   {"t":"book","path","topic","symbol","seq","u","xxh64","levels_sha1"}
 *       The book after every 100th frame of a book; xxh64 is the frame's.
 *   {"t":"trade"|"candle","path","topic","symbol","xxh64","item","values"}
 *       The values of the item-th entry of a frame, with the names of the members of messages.
 *   {"t":"request","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}
 *       A request of order entry. n is its ordinal among the frames that the client sent.
 *   {"t":"fault","path","conn","n","what","topic","symbol"}
 *       An injected fault. conn is null: faults concern all connections.
 *
 * Lines are buffered. Before a frame is written to a socket, truth_flush() must have written the
 * frame's lines. Book states come from the matching engine; book/ is not used. One thread. */
#ifndef TD_SIM_TRUTH_H
#define TD_SIM_TRUTH_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "sim/catalog_row.h"
#include "sim/value.h"
#include "sim/window.h"

typedef struct truth truth;

/* Create the truth file. TD_E_INVALID if it exists, TD_E_IO. */
TD_MUST_USE td_result truth_open(td_io io, const char *path, truth **out, td_err *err);
void truth_close(truth *t);

/* What a line is about. */
typedef struct truth_subject {
    /* The connection's path; in lines without a connection, the family's first path. */
    const char *path;
    const char *topic; /* NULL if the line is not about a frame; symbol likewise */
    const char *symbol;
    td_bytes frame;
} truth_subject;

/* These functions add a line; they do nothing if the truth is NULL.
 *
 * A message on a connection, the n-th in its direction: a "frame" that will be sent, or a received
 * "request" about an order. conn and n count from 1. */
void truth_put_message(truth *t, const char *kind, const truth_subject *about, uint64_t conn,
                       uint64_t n, uint64_t ts_ns);

/* The book, from the engine, after a frame that will be sent; u is the stream's update number. */
void truth_put_book(truth *t, const truth_subject *about, int64_t seq, int64_t u,
                    const instrument *traded, const book_window *shown);

/* The index-th entry of a frame of trades or candles that will be sent, with the values that
 * messages contain (docs/topics.md). Add the entries of one frame one after the other. */
void truth_put_entry(truth *t, const truth_subject *about, stream_kind kind, size_t index,
                     const sim_value *values);

/* A fault that was injected after n data frames of the family. If it dropped a frame, `about`
 * describes that frame; otherwise `about` has only a path. */
void truth_put_fault(truth *t, const truth_subject *about, uint64_t n, const char *what);

/* Write all lines to the operating system. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result truth_flush(truth *t, td_err *err);

/* SHA-1 of levels, as in reports. It is computed over lines "SIDE PRICE SIZE", joined by LF: Buy
 * before Sell, each side by rising price, decimals in shortest form. */
void truth_levels_sha1(const instrument *traded, const book_window *shown,
                       char out[TD_SHA1_HEX_BYTES]);

#endif
