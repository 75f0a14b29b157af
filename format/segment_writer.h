/* One capture segment on its way to disk: NAME.mcap.open while it grows, NAME.mcap once finished.
 *
 * Layout: magic, header (profile `tapedeck`), metadata `tapedeck.session`, then per chunk its
 * checkpoint, if it has one, the Chunk record, its Message Index records and a chain record
 * (chain.h); finish adds Data End, summary,
 * summary offsets, footer, magic. Order of durability: create, sync the folder | append, fdatasync
 * | … | append the end, fdatasync, rename, sync the folder. What segment_writer_sync returned TD_OK
 * for is durable; nothing else may be announced.
 *
 * TD_E_NOSPACE leaves the writer as before the call (what was half written is cut off again) and
 * the call may be repeated. Any other failure of append, sync or finish makes the writer dead:
 * every later call fails with TD_E_IO, the file is left for recover. One thread at a time. */
#ifndef TD_FORMAT_SEGMENT_WRITER_H
#define TD_FORMAT_SEGMENT_WRITER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "format/chunk_builder.h"
#include "format/mcap_summary.h"
#include "format/segment_index.h"

/* Name of the session's metadata. */
#define SEGMENT_SESSION_METADATA "tapedeck.session"

/* The first record after the header. Strings are borrowed; "" = none. */
typedef struct segment_session {
    const char *session; /* 8 hex digits */
    uint64_t start_ns;   /* when the session began */
    const char *feed, *family;
    const char *previous_segment; /* file name of the feed's segment before, or "" */
    td_hash128 previous_chain;    /* its last chain value, all zero if absent */
    const char *verb;             /* "record", "import" … */
    const char *version;          /* of the program */
    uint8_t is_private;           /* 1: only the file's owner may read it */
} segment_session;

/* What a segment holds, so far or at its end. */
typedef struct segment_totals {
    uint64_t file_bytes;
    uint64_t first_ns, last_ns; /* of its messages; 0 without any */
    uint64_t message_count;     /* frames and events */
    uint32_t chunk_count, channel_count;
    td_hash128 chain; /* last value: seeds the feed's next segment */
} segment_totals;

/* Those of a file with that summary. */
segment_totals segment_totals_of(const mcap_summary *summary, uint64_t file_bytes,
                                 td_hash128 chain);

typedef struct segment_writer segment_writer;

/* Create path + ".open" (path: the final name, ends in .mcap; its folder exists) and write header
 * and session into it. TD_OK; TD_E_INVALID if it is there already; TD_E_IO, TD_E_NOSPACE.
 */
TD_MUST_USE td_result segment_writer_open(td_io io, const char *path,
                                          const segment_session *session, segment_writer **out,
                                          td_err *err);

/* Close without finishing (after finish: just free). NULL is fine. */
void segment_writer_close(segment_writer *writer);

/* What an index says of a chunk that was written, the bitmap excepted. */
typedef struct segment_written {
    segment_chunk chunk;
    segment_checkpoint checkpoint; /* bytes 0: it has none */
} segment_written;

/* Write a sealed chunk and its chain record; written may be NULL. Chunks must come in the order
 * they were sealed, the segment's first one first. TD_OK, TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result segment_writer_append(segment_writer *writer, sealed_chunk *chunk,
                                            segment_written *written, td_err *err);

/* When a segment's chunks become durable. */
typedef enum segment_sync {
    SYNC_CHUNKS,   /* each at once */
    SYNC_SEGMENTS, /* with their segment's end: for a source that can be read again after a power
                      cut */
} segment_sync;

/* fdatasync: on TD_OK every chunk appended so far is durable, in a file that is where readers look
 * for it and has just what was written. TD_E_NOTFOUND if another program removed, renamed, replaced
 * or changed it; TD_E_IO. On failure the writer is dead. */
TD_MUST_USE td_result segment_writer_sync(segment_writer *writer, td_err *err);

/* Check that the file is where readers look for it, as segment_writer_sync does, without a sync. */
TD_MUST_USE td_result segment_writer_check_place(segment_writer *writer, td_err *err);

/* Write the end of the file, sync, rename to the final name, sync the folder. TD_OK, TD_E_NOSPACE
 * (may be tried again), TD_E_IO (dead). totals (may be NULL) gets the final state. */
TD_MUST_USE td_result segment_writer_finish(segment_writer *writer, segment_totals *totals,
                                            td_err *err);

/* State now; appended chunks count, durable or not. */
segment_totals segment_writer_totals(const segment_writer *writer);

#endif
