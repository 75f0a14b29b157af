/* The truth file: what the simulated exchange really sent, one JSON object a line, in order of
 * sending.
 *
 *   {"t":"frame","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}   each data frame: n
 * is its ordinal on that connection, control frames counted; xxh64 is 16 hex digits
 *   {"t":"book","path","topic","symbol","seq","u","xxh64","levels_sha1"}   every 100th frame of a
 * book: the book after that frame (xxh64: of its bytes)
 *   {"t":"trade"|"candle","path","topic","symbol","xxh64","item","values"}   what
 * the item-th entry of a frame has, by the names that messages have
 *   {"t":"request","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}   a request of order
 * entry: n is its ordinal among what the client sent
 *   {"t":"fault","path","conn","n","what","topic","symbol"}
 *                                            each injected fault; conn null if it is about all
 *
 * Lines are buffered until truth_flush, which must have returned before the frames they are about
 * are handed to a socket. Book states are computed here from the matching engine; nothing of book/
 * takes part. One thread. */
#ifndef TD_SIM_TRUTH_H
#define TD_SIM_TRUTH_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "sim/catalog.h"
#include "sim/value.h"
#include "sim/window.h"

typedef struct truth truth;

/* Create the file. TD_E_INVALID if it exists, TD_E_IO. */
TD_MUST_USE td_result truth_open(td_io io, const char *path, truth **out, td_err *err);
void truth_close(truth *t);

/* What a line is about. */
typedef struct truth_subject {
    const char *path;  /* the connection's path; for other lines the family's first one */
    const char *topic; /* NULL: no frame; likewise symbol */
    const char *symbol;
    td_bytes frame;
} truth_subject;

/* These functions add a line; without a truth (NULL) they do nothing.
 *
 * A message passes on a connection, as the n-th in its direction: a "frame" that is about to be
 * sent, or a "request" about an order that came. conn and n count from 1. */
void truth_put_message(truth *t, const char *kind, const truth_subject *about, uint64_t conn,
                       uint64_t n, uint64_t ts_ns);

/* The book after a frame that is about to be sent, from the engine; u is the update number of
 * the stream. */
void truth_put_book(truth *t, const truth_subject *about, int64_t seq, int64_t u,
                    const instrument *traded, const book_window *shown);

/* The index-th entry of a frame of trades or a candle, which is about to be sent: the values that
 * messages have names for (docs/topics.md). Entries of one frame follow each other. */
void truth_put_entry(truth *t, const truth_subject *about, stream_kind kind, size_t index,
                     const sim_value *values);

/* A fault was injected after n data frames of the family; about: the dropped or repeated frame,
 * or no frame. */
void truth_put_fault(truth *t, const truth_subject *about, uint64_t n, const char *what);

/* Write all lines to the operating system. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result truth_flush(truth *t, td_err *err);

/* SHA-1 of levels as in reports: lines "SIDE PRICE SIZE" joined by LF, Buy then Sell, each by
 * ascending price, shortest decimals. */
void truth_levels_sha1(const instrument *traded, const book_window *shown,
                       char out[TD_SHA1_HEX_BYTES]);

#endif
