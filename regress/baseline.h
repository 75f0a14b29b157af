/* A baseline: for every frame of a selection, a hash of the frame and a hash of the decoded frame
 * (docs/regress.md). A baseline is a file (.tdb) of blocks of rows, with an index at the end.
 *
 * A row does not name a frame: the row's position in the stream and the hash of the frame identify
 * the frame. So a baseline remains valid when the archive is imported again, merged or reindexed.
 * Each block has a checksum. A file PATH is always complete: a baseline is written as PATH.open,
 * then renamed to PATH. */
#ifndef TD_REGRESS_BASELINE_H
#define TD_REGRESS_BASELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "tape/selection.h"

enum { BASELINE_BLOCK_ROWS = 1024 };

/* The hashes of one frame. */
typedef struct baseline_row {
    uint64_t bytes;  /* XXH64 of the frame */
    uint64_t decode; /* canonical_hash, canonical_control or canonical_failure */
    uint64_t book;   /* track_hash_best of the whole book after the frame; 0: no book, or an
                        incomplete one */
} baseline_row;

/* The frames of one topic and symbol of a feed. Frames of unknown topics have the topic "", and a
 * stream for each exchange_topic. */
typedef struct baseline_stream {
    const char *feed, *topic, *symbol, *exchange_topic;
    uint64_t rows;
} baseline_stream;

/* Successive rows of a stream; only the last block has fewer than BASELINE_BLOCK_ROWS. */
typedef struct baseline_block {
    uint64_t first_ns, last_ns; /* receive times */
    size_t count;
    baseline_row *rows; /* owned by the caller; for reading, space for BASELINE_BLOCK_ROWS */
} baseline_block;

/* How a baseline was made. Texts are never NULL. */
typedef struct baseline_meta {
    uint8_t is_damaged;  /* 1: chunks of the archive could not be read */
    const char *version; /* of tapedeck */
    const char *decoder; /* "built-in", or the option's text */
    const char *archive; /* path of the archive */
    selection scope;     /* with absolute times */
} baseline_meta;

typedef struct baseline baseline;

/* Create a baseline, to be filled. meta's texts are borrowed. Replaces a PATH.open that another run
 * left. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result baseline_create(const char *path, const baseline_meta *meta, baseline **out,
                                      td_err *err);

/* Open a complete baseline for reading. TD_E_NOTFOUND; TD_E_UNSUPPORTED: not a baseline, or of
 * another version; TD_E_CORRUPT: damaged; TD_E_IO. */
TD_MUST_USE td_result baseline_open(const char *path, baseline **out, td_err *err);

/* Close; removes an unfinished baseline. NULL is allowed. */
void baseline_close(baseline *b);

/* How the baseline was made; valid until close. */
const baseline_meta *baseline_get_meta(const baseline *b);

/* ---- filling; any thread ---- */

/* Add a stream; names are copied. TD_E_LIMIT. */
TD_MUST_USE td_result baseline_add_stream(baseline *b, const baseline_stream *names,
                                          baseline_stream **out, td_err *err);

/* Add the next frame of a stream; one thread at a time per stream. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result baseline_add_row(baseline *b, baseline_stream *of, const baseline_row *row,
                                       uint64_t recv_ns, td_err *err);

/* Complete the file, make it durable and rename it; it can be read afterwards. is_damaged: chunks
 * of the archive could not be read. */
TD_MUST_USE td_result baseline_finish(baseline *b, int is_damaged, uint64_t *file_bytes,
                                      td_err *err);

/* ---- reading ---- */

/* Streams in the order of baseline_compare_names. Valid until close. Any thread. */
size_t baseline_stream_count(const baseline *b);
const baseline_stream *baseline_stream_at(const baseline *b, size_t index);

/* Compare the names of two streams for sorting; 0: the same stream. exchange_topic is compared only
 * if there is no topic, because the exchange may have several names for a topic ("order",
 * "order.linear"), and which of them comes first depends on where a run begins. */
int baseline_compare_names(const baseline_stream *a, const baseline_stream *b);

/* The baseline's stream that has the same frames, or NULL. If only one of the two streams has a
 * topic, their exchange topics are compared. Any thread. */
const baseline_stream *baseline_find_stream(const baseline *b, const baseline_stream *names);

/* Copy names into an arena. */
baseline_stream baseline_keep_names(td_arena *in, const baseline_stream *names);

/* Read a block (number counts from 0) into out->rows. TD_EOF: the stream has no such block.
 * TD_E_CORRUPT: its checksum fails. Any thread. */
TD_MUST_USE td_result baseline_read_block(baseline *b, const baseline_stream *of, uint32_t number,
                                          baseline_block *out, td_err *err);

#endif
