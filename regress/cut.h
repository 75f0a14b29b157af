/* Writes a tape of one frame: the shortest complete file in which the frame has the
 * decode, and the book after it, that it has in the archive.
 *
 * It holds the frame; of a topic with a book, the frames of that topic and symbol on the same
 * connection from the last snapshot before it on (without one: from the connection's beginning);
 * the gaps between them that touch the topic; and a `segment` event that names session and
 * connection. Bytes, times, ordinals and channels are those of the archive. What other topics
 * received, and what the client sent (it may have logged in), is left out, so ordinals have holes.
 *
 * The archive is read twice at most: for the snapshot, and for what is written. Memory does not
 * depend on how far the snapshot is. One thread. */
#ifndef TD_REGRESS_CUT_H
#define TD_REGRESS_CUT_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "regress/run.h"
#include "tape/decoding.h"

typedef struct cut_options {
    archive *archive;
    const tape_decoding *decoding; /* says what a snapshot is; NULL: the built-in decoder */
    unsigned threads;              /* that read ahead; 0 or 1: none */
    const char *path;              /* of the file; its folder exists. An existing one is replaced */
} cut_options;

typedef struct cut_result {
    uint64_t frames;      /* written */
    uint8_t has_snapshot; /* 1: a snapshot of the book is in the file */
} cut_result;

/* Write the file of a stream's first difference, which has a frame: under the name with ".open" at
 * its end, renamed once it is whole and synced. TD_E_NOTFOUND: the archive does not have the frame;
 * TD_E_LIMIT: there is more than one file may hold; TD_E_IO, TD_E_NOSPACE. After a failure nothing
 * is left. */
TD_MUST_USE td_result cut_write(const cut_options *options, const regress_stream *of,
                                cut_result *out, td_err *err);

#endif
