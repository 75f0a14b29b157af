/* Encodes MCAP records. Each function appends one whole record (opcode, length, content) to a
 * buffer; callers bound the sizes by the limits of base/limits.h. Any thread. */
#ifndef TD_FORMAT_MCAP_ENCODE_H
#define TD_FORMAT_MCAP_ENCODE_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "format/mcap.h"

/* Append the eight bytes that a file begins and ends with. */
void mcap_encode_magic(td_buf *buf);

/* Append one record. */
void mcap_encode_header(td_buf *buf, const mcap_header *in);
void mcap_encode_footer(td_buf *buf, const mcap_footer *in);
void mcap_encode_schema(td_buf *buf, const mcap_schema *in);
void mcap_encode_channel(td_buf *buf, const mcap_channel *in);
void mcap_encode_chunk_index(td_buf *buf, const mcap_chunk_index *in);
void mcap_encode_statistics(td_buf *buf, const mcap_statistics *in);
void mcap_encode_metadata(td_buf *buf, const mcap_metadata *in);
void mcap_encode_metadata_index(td_buf *buf, const mcap_metadata_index *in);
void mcap_encode_summary_offset(td_buf *buf, const mcap_summary_offset *in);
void mcap_encode_data_end(td_buf *buf, const mcap_data_end *in);

/* Append an entry of a map, for an mcap_packed member of a record. */
void mcap_pack_pair(td_buf *buf, td_bytes key, td_bytes value);
void mcap_pack_count(td_buf *buf, uint16_t key, uint64_t value);

/* Write a record's opcode and length: MCAP_PREFIX_BYTES at p. */
static inline void mcap_write_prefix(uint8_t *p, uint8_t opcode, uint64_t content_bytes)
{
    p[0] = opcode;
    td_put_le64(p + 1, content_bytes);
}

/* Append a Message record. Inline: it is called for each frame. */
static inline void mcap_encode_message(td_buf *buf, const mcap_message *in)
{
    td_buf_grow(buf, MCAP_MESSAGE_OVERHEAD_BYTES + in->data.size);
    uint8_t *p = buf->data + buf->size;
    mcap_write_prefix(p, MCAP_MESSAGE, MCAP_MESSAGE_FIELDS_BYTES + in->data.size);
    td_put_le16(p + 9, in->channel_id);
    td_put_le32(p + 11, in->sequence);
    td_put_le64(p + 15, in->log_ns);
    td_put_le64(p + 23, in->publish_ns);
    if (in->data.size > 0)
        memcpy(p + MCAP_MESSAGE_OVERHEAD_BYTES, in->data.data, in->data.size);
    buf->size += MCAP_MESSAGE_OVERHEAD_BYTES + in->data.size;
}

#endif
