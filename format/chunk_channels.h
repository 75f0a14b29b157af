/* The Chunk Channels record: tapedeck's own MCAP record (opcode 0x83) after a packed chunk, in
 * place of Message Index records. It has what read plans, recovery and counts need of these, in a
 * few bytes for each channel instead of 16 for each message (FORMAT.md, "Packed segments").
 *
 * Content, little-endian: an entry for each channel with messages in the chunk, by increasing id:
 * id (2), messages (4), first_ns (8), last_ns (8). */
#ifndef TD_FORMAT_CHUNK_CHANNELS_H
#define TD_FORMAT_CHUNK_CHANNELS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/sealed_chunk.h"

enum {
    CHUNK_CHANNELS_OPCODE = 0x83,
    CHUNK_CHANNELS_ENTRY_BYTES = 22,
};

/* Append the record of these channels, which are sorted by id. */
void chunk_channels_encode(td_buf *out, const sealed_channel *channels, uint32_t count);

/* Append the channels of a record's content to out, as sealed_channel with index_offset 0.
 * TD_E_CORRUPT: no whole entries, ids that do not increase, a channel without messages, or times
 * that decrease; TD_E_LIMIT: out is full. After a failure out may have some of them. */
TD_MUST_USE td_result chunk_channels_decode(td_bytes content, td_buf *out, td_err *err);

#endif
