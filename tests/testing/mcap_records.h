/* Records of other programs' MCAP files, which the product reads and never writes in this form (its
 * chunks have a path of their own: chunk_builder). As format/mcap_encode.h: each function appends
 * one whole record. */
#ifndef TD_TESTS_TESTING_MCAP_RECORDS_H
#define TD_TESTS_TESTING_MCAP_RECORDS_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "format/mcap.h"

void mcap_encode_message(td_buf *buf, const mcap_message *in);
void mcap_encode_chunk(td_buf *buf, const mcap_chunk *in);
void mcap_encode_message_index(td_buf *buf, const mcap_message_index *in);

typedef struct mcap_attachment {
    uint64_t log_ns, create_ns;
    td_bytes name, media_type, data;
} mcap_attachment;

/* An attachment; its CRC is computed, in->crc is not looked at. */
void mcap_encode_attachment(td_buf *buf, const mcap_attachment *in);

/* Any other record, such as a private one or one of a later specification, as it is. */
void mcap_encode_raw(td_buf *buf, uint8_t opcode, td_bytes content);

/* An entry of a message index. */
void mcap_pack_entry(td_buf *buf, uint64_t log_ns, uint64_t offset);

#endif
