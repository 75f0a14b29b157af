#include "format/chunk_channels.h"

#include "base/assert.h"
#include "format/mcap_encode.h"

void chunk_channels_encode(td_buf *out, const sealed_channel *channels, uint32_t count)
{
    const size_t content_bytes = (size_t)count * CHUNK_CHANNELS_ENTRY_BYTES;
    td_buf_grow(out, MCAP_PREFIX_BYTES + content_bytes);
    uint8_t *p = out->data + out->size;
    mcap_write_prefix(p, CHUNK_CHANNELS_OPCODE, content_bytes);
    p += MCAP_PREFIX_BYTES;
    for (uint32_t i = 0; i < count; i++, p += CHUNK_CHANNELS_ENTRY_BYTES) {
        TD_ASSERT(channels[i].message_count <= UINT32_MAX);
        td_put_le16(p, channels[i].id);
        td_put_le32(p + 2, (uint32_t)channels[i].message_count);
        td_put_le64(p + 6, channels[i].first_ns);
        td_put_le64(p + 14, channels[i].last_ns);
    }
    out->size += MCAP_PREFIX_BYTES + content_bytes;
}

td_result chunk_channels_decode(td_bytes content, td_buf *out, td_err *err)
{
    uint32_t least_id = 0;
    if (content.size % CHUNK_CHANNELS_ENTRY_BYTES != 0)
        return td_err_set(err, TD_E_CORRUPT, "Chunk Channels record of %zu bytes", content.size);
    for (size_t at = 0; at < content.size; at += CHUNK_CHANNELS_ENTRY_BYTES) {
        const uint8_t *p = content.data + at;
        const sealed_channel channel = {.id = td_le16(p),
                                        .message_count = td_le32(p + 2),
                                        .first_ns = td_le64(p + 6),
                                        .last_ns = td_le64(p + 14)};
        if (channel.id < least_id || channel.message_count == 0 ||
            channel.last_ns < channel.first_ns)
            return td_err_set(err, TD_E_CORRUPT,
                              "Chunk Channels record: channel %u is out of order, or has no "
                              "messages, or ends before it begins",
                              channel.id);
        least_id = channel.id + 1u;
        td_result rc = td_buf_append(out, &channel, sizeof channel, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}
