/* The truth file: what the simulated exchange really sent, one JSON object a line, in order of
 * sending.
 *
 *   {"t":"frame","path","conn","n","topic","symbol","bytes","xxh64","ts_ns"}   each data frame: n
 * is its ordinal on that connection, control frames counted; xxh64 is 16 hex digits
 *   {"t":"book","path","topic","symbol","seq","u","xxh64","levels_sha1"}   every 100th frame of a
 * book: the book after that frame (xxh64: of its bytes)
 *   {"t":"trade"|"candle"|"order"|"account","path","topic","symbol","xxh64","item","values"}   what
 * the item-th entry of a frame tells, by the names that messages have
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
#include "sim/instrument.h"
#include "sim/value.h"
#include "sim/window.h"

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

typedef struct truth_book {
    const char *path; /* of the market's family */
    const char *topic;
    const char *symbol;
    int64_t seq;
    int64_t u;      /* update number of the stream */
    td_bytes frame; /* behind which the book is so */
    const instrument *traded;
    const book_window *shown;
} truth_book;

/* The book behind a frame that is about to be sent, as the engine has it. */
TD_MUST_USE td_result truth_put_book(truth *t, const truth_book *book, td_err *err);

/* A value of an entry: the name that messages have for it (docs/topics.md), and what it must be. */
typedef enum truth_form {
    TRUTH_TEXT,    /* a string */
    TRUTH_DECIMAL, /* a string with the shortest decimal */
    TRUTH_WHOLE,   /* a number: n without its places */
    TRUTH_BOOL,
} truth_form;

typedef struct truth_value {
    const char *name;
    truth_form form;
    sim_value value;
} truth_value;

/* One entry of a frame. */
typedef struct truth_entry {
    const char *kind; /* "trade", "candle", "order", "account" */
    const char *path; /* of the market's family */
    const char *topic;
    const char *symbol;
    td_bytes frame;
    size_t index;
    const truth_value *values;
    size_t value_count;
} truth_entry;

/* What an entry of a frame that is about to be sent tells. Entries of one frame follow each other.
 */
TD_MUST_USE td_result truth_put_entry(truth *t, const truth_entry *entry, td_err *err);

/* An injected fault. */
typedef struct truth_fault {
    const char *path;
    uint64_t conn; /* 0: it is about all connections */
    uint64_t n;    /* data frames of the market so far, that one included */
    const char *what;
    const char *topic; /* of the frame that was dropped or repeated; NULL: it is about no frame */
    const char *symbol;
} truth_fault;

/* A fault was injected. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result truth_put_fault(truth *t, const truth_fault *injected, td_err *err);

/* Hand all lines to the operating system. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result truth_flush(truth *t, td_err *err);

/* SHA-1 of levels as reports state it: lines "SIDE PRICE SIZE" joined by LF, Buy then Sell, each by
 * ascending price, shortest decimals. */
TD_MUST_USE td_result truth_levels_sha1(const instrument *traded, const book_window *shown,
                                        char out[TD_SHA1_HEX_BYTES], td_err *err);

#endif
