/* One feed of an import: a capture's frames and connections, written through capture/feed_writer.h,
 * and what an archive says about them beside: the session, connections that begin and end, gaps
 * between them, and the end of a gap that a killed import left. Receive times given here must rise;
 * an event may repeat the time before it. One thread. */
#ifndef TD_IMPORT_IMPORT_FEED_H
#define TD_IMPORT_IMPORT_FEED_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/feed_writer.h"
#include "archive/archive_writer.h"
#include "schema/classify.h"
#include "schema/family.h"

typedef struct import_feed import_feed;

typedef struct import_feed_options {
    archive_writer *writer; /* borrowed until close, like the rest */
    const char *session;
    const char *version;
    uint64_t start_ns; /* of the session */
    /* The ledger: gaps of the whole feed that are open end at the first frame after their
     * beginning. */
    const gap_list *earlier;
    redactor *secrets; /* NULL: nothing to hide */
    const td_log *log; /* may be NULL */
    const char *name;
    const family *family;
} import_feed_options;

/* A frame, placed and timed. */
typedef struct import_feed_frame {
    uint32_t shard; /* below LIMIT_FEED_SLOTS */
    frame_dir dir;
    uint64_t recv_ns;
    td_bytes bytes; /* DECODE_PADDING_BYTES readable after it */
    td_bytes url;   /* DIR_HTTP: the request; empty if the capture does not have it */
} import_feed_frame;

/* What went in. */
typedef struct import_feed_counts {
    feed_counts frames;
    uint64_t connections;
    uint64_t gaps; /* where a connection followed another one */
    uint64_t first_ns, last_ns;
} import_feed_counts;

/* Add the feed to the writer. TD_E_INVALID, and what archive_writer_add_feed gives. */
TD_MUST_USE td_result import_feed_open(const import_feed_options *options, import_feed **out,
                                       td_err *err);
/* What was not finished is not written. NULL is fine. */
void import_feed_close(import_feed *feed);

/* A slot's next connection begins: conn 1, 2 … url as in the capture (its query is not kept), NULL
 * if the capture has none. A previous connection has ended: that is a gap. */
TD_MUST_USE td_result import_feed_connect(import_feed *feed, uint32_t shard, uint32_t conn,
                                          uint64_t recv_ns, const char *url, td_err *err);

/* A frame on the slot's present connection; HTTP answers need none. */
TD_MUST_USE td_result import_feed_frame_put(import_feed *feed, const import_feed_frame *frame,
                                            td_err *err);

/* Write the session's end, and what is pending. */
TD_MUST_USE td_result import_feed_finish(import_feed *feed, td_err *err);

import_feed_counts import_feed_get_counts(const import_feed *feed);

#endif
