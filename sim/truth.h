/* The truth file: what the simulated exchange really sent, one JSON object a line, in order of
 * sending.
 *
 *   {"t":"frame","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}   each data frame: n
 * is its ordinal on that connection, control frames counted; xxh64 is 16 hex digits
 *   {"t":"book","path","topic","symbol","seq","levels_sha1"}   every 100th frame of a book: the
 * book after the frame of that cross_seq
 *   {"t":"fault","path","conn","n","what"}   each injected fault; conn null if it is about all
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
#include "sim/instrument.h"
#include "sim/market.h"

typedef struct truth truth;

/* A new file, which must not be there yet. TD_E_INVALID if it is, TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result truth_open(td_io io, const char *path, truth **out, td_err *err);
void truth_close(truth *t);

typedef struct truth_frame {
    const char *path;
    uint64_t conn; /* from 1, over the server's life */
    uint64_t n;
    const char *topic;
    const char *symbol;
    td_bytes bytes;
    uint64_t ts_ns;
} truth_frame;

/* A data frame is about to be sent. TD_E_NOMEM, TD_E_LIMIT (flush more often). */
TD_MUST_USE td_result truth_put_frame(truth *t, const truth_frame *frame, td_err *err);

/* The book behind the frame of that seq, as the engine has it now. */
TD_MUST_USE td_result truth_put_book(truth *t, const char *path, const char *topic,
                                     const char *symbol, int64_t seq, const instrument *traded,
                                     const market *m, uint32_t depth, td_err *err);

/* A fault was injected before the frame after the n-th of the path; conn 0: on all connections. */
TD_MUST_USE td_result truth_put_fault(truth *t, const char *path, uint64_t conn, uint64_t n,
                                      const char *what, td_err *err);

/* Hand all lines to the operating system. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result truth_flush(truth *t, td_err *err);

/* SHA-1 of a market's best levels as reports state it: lines "SIDE PRICE SIZE" joined by LF, Buy
 * then Sell, each by ascending price, shortest decimals. */
TD_MUST_USE td_result truth_levels_sha1(const instrument *traded, const market *m, uint32_t depth,
                                        char out[TD_SHA1_HEX_BYTES], td_err *err);

#endif
