/* Rewrites a finished segment with other chunks: packed ones (pack/pack.h), or again as a recorder
 * writes them. Messages, channels, checkpoints, metadata and totals stay as they are; the new file
 * names the last chain value of the segment as it was recorded (segment_session.source_chain), from
 * which the feed's next segment continues. Memory: two chunks, whatever the segment's size. */
#ifndef TD_FORMAT_SEGMENT_REPACK_H
#define TD_FORMAT_SEGMENT_REPACK_H

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/segment_writer.h"

/* Packed chunks join chunks of the source up to this many bytes, and this length of time.
 * Larger ones pack better, and a reader of ten seconds must unpack them whole. */
#define LIMIT_PACKED_CHUNK_BYTES ((size_t)4 << 20)
#define LIMIT_PACKED_CHUNK_NS    UINT64_C(60000000000)

/* Write the finished segment at `from` to the new file at `to`, which grows as `to`.open, and is
 * durable on TD_OK. totals: of the new file. TD_E_CORRUPT, TD_E_TRUNCATED: `from`
 * is damaged or not finished; TD_E_UNSUPPORTED: it has records that this version does not know;
 * TD_E_NOTFOUND; TD_E_NOSPACE, TD_E_IO. After a failure `to`.open may remain. */
TD_MUST_USE td_result segment_repack(td_io io, const char *from, const char *to, chunk_form form,
                                     segment_totals *totals, td_err *err);

/* Bytes of chunks with their indexes, as they are and as they would be. */
typedef struct repack_trial {
    uint64_t old_bytes, new_bytes;
} repack_trial;

/* Pack the chunks in the middle of the finished segment that would become one, write nothing, and
 * add their bytes to *out. The results of segment_reader_open and segment_reader_read. */
TD_MUST_USE td_result segment_repack_try(td_io io, const char *path, chunk_form form,
                                         repack_trial *out, td_err *err);

/* Read both segments as any reader does, and compare all that does not depend on their chunks:
 * session, family, channels, each message with its times and place, checkpoints, and the last chain
 * record's totals and connections. TD_E_CORRUPT: they differ, err tells where; the results of
 * segment_reader_open. */
TD_MUST_USE td_result segment_compare(td_io io, const char *left, const char *right, td_err *err);

#endif
