/* Writes one capture segment: NAME.mcap.open while it grows, NAME.mcap once finished.
 *
 * Layout: magic, header (profile `tapedeck`), metadata `tapedeck.session`, of some families the
 * metadata `tapedeck.family`, then per chunk an optional checkpoint, the Chunk record, its Message
 * Index records and a chain record (chain.h); finish adds Data End, summary, summary offsets,
 * footer, magic. Order of durability: create, sync the folder | append, fdatasync | … | append the
 * end, fdatasync, rename, sync the folder. Chunks are durable, and may be announced, after
 * segment_writer_sync returned TD_OK.
 *
 * TD_E_NOSPACE leaves the writer as before the call (a partial write is cut off) and the call may
 * be repeated. Any other failure of append, sync or finish makes the writer dead: every later call
 * fails with TD_E_IO, and the file is left for `recover`. One thread at a time. */
#ifndef TD_FORMAT_SEGMENT_WRITER_H
#define TD_FORMAT_SEGMENT_WRITER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/document_set.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "format/mcap_summary.h"
#include "format/segment_index.h"

/* The first record after the header, and the one after it. Strings are borrowed; "" = absent. */
typedef struct segment_session {
    const char *session; /* 8 hex digits */
    uint64_t start_ns;   /* when the session began */
    const char *feed, *family;
    const char *previous_segment; /* file name of the feed's previous segment, or "" */
    td_hash128 previous_chain;    /* that segment's last chain value; all zero if absent */
    td_hash128 source_chain; /* of a rewritten segment: the last chain value as it was recorded,
                                from which the next segment continues; all zero if absent */
    chunk_form form;
    const char *verb;              /* "record", "import" … */
    const char *version;           /* of the program */
    uint8_t is_private;            /* 1: only the file's owner may read it */
    const char *like_path;         /* instead: the file whose owner and mode it gets; or NULL */
    const document_set *documents; /* of the family (segment_family.h); NULL: not kept */
} segment_session;

/* Totals of a segment, so far or when finished. */
typedef struct segment_totals {
    uint64_t file_bytes;
    uint64_t first_ns, last_ns; /* of its messages; 0 without messages */
    uint64_t message_count;     /* frames and events */
    uint32_t chunk_count, channel_count;
    td_hash128 chain; /* last chain value */
    td_hash128 link;  /* from which the feed's next segment continues: chain, or, if the segment was
                         rewritten, segment_session.source_chain */
} segment_totals;

/* Totals of a file with this summary. source_chain: as in its session. */
segment_totals segment_totals_of(const mcap_summary *summary, uint64_t file_bytes, td_hash128 chain,
                                 td_hash128 source_chain);

/* segment_totals.link of a segment with these values. */
td_hash128 segment_link_of(td_hash128 chain, td_hash128 source_chain);

typedef struct segment_writer segment_writer;

/* Create path + ".open" (path: the final name, ends in .mcap; its folder exists) with header and
 * session. TD_OK; TD_E_INVALID: the file exists, or path is too long; TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result segment_writer_open(td_io io, const char *path,
                                          const segment_session *session, segment_writer **out,
                                          td_err *err);

/* Close without finishing; after finish, only free. NULL is fine. */
void segment_writer_close(segment_writer *writer);

/* The index entries of a written chunk, without the bitmap. */
typedef struct segment_written {
    segment_chunk chunk;
    segment_checkpoint checkpoint; /* bytes 0: no checkpoint */
} segment_written;

/* Append a sealed chunk and its chain record; written may be NULL. Chunks must be appended in the
 * order in which they were sealed, beginning with the segment's first one. TD_OK, TD_E_NOSPACE,
 * TD_E_IO. */
TD_MUST_USE td_result segment_writer_append(segment_writer *writer, sealed_chunk *chunk,
                                            segment_written *written, td_err *err);

/* When a segment's chunks become durable. */
typedef enum segment_sync {
    SYNC_CHUNKS,   /* each chunk at once */
    SYNC_SEGMENTS, /* all when the segment is finished: for a source that can be read again */
} segment_sync;

/* fdatasync. On TD_OK all appended chunks are durable, and the file at its path has exactly the
 * written bytes. TD_E_NOTFOUND if another program removed, renamed, replaced or changed the file;
 * TD_E_IO. Any failure makes the writer dead. */
TD_MUST_USE td_result segment_writer_sync(segment_writer *writer, td_err *err);

/* The checks of segment_writer_sync, without the sync. */
TD_MUST_USE td_result segment_writer_check_place(segment_writer *writer, td_err *err);

/* Write the end of the file, sync, rename to the final name, sync the folder. TD_OK, TD_E_NOSPACE
 * (may be repeated), TD_E_IO (the writer is dead). totals (may be NULL) gets the final totals. */
TD_MUST_USE td_result segment_writer_finish(segment_writer *writer, segment_totals *totals,
                                            td_err *err);

/* Current totals, including appended chunks that are not yet durable. */
segment_totals segment_writer_totals(const segment_writer *writer);

#endif
