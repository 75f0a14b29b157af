/* Packs the records of a chunk into columns, and gives exactly the same bytes again
 * (format/PACK.md). Needs no document of an exchange: what frames have in common is learned from
 * the chunk's own bytes and written into it. A codec belongs to one thread and reuses its memory.
 */
#ifndef TD_PACK_PACK_H
#define TD_PACK_PACK_H

#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/codec.h"

/* How much work packing may be. */
typedef enum pack_effort {
    PACK_FAST,
    PACK_BEST,
} pack_effort;

/* Pack records of a chunk, and append the result to out: columns, or plain texts (whose headers are
 * columns) if there cannot be columns, or if they are larger with PACK_BEST. TD_E_LIMIT: out is
 * full, or the records are no whole records of MCAP, or have too many parts for this form; nothing
 * was appended. */
TD_MUST_USE td_result pack_encode(codec *coder, td_bytes records, pack_effort effort, td_buf *out,
                                  td_err *err);

/* Unpack to out, replacing its content; raw_bytes: the size of the records. Bounded in memory and
 * time by raw_bytes and the size of packed, whatever is in it. TD_E_CORRUPT. */
TD_MUST_USE td_result pack_decode(codec *coder, td_bytes packed, size_t raw_bytes,
                                  size_t padding_bytes, td_buf *out, td_err *err);

#endif
