/* Decodes MCAP records. Each function reads one record's content (without opcode and length); views
 * in the result point into that content. Fields after the known ones are ignored, as the
 * specification requires. TD_OK; TD_E_CORRUPT: a field or map entry extends past the end. No
 * allocation, any thread. */
#ifndef TD_FORMAT_MCAP_DECODE_H
#define TD_FORMAT_MCAP_DECODE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "format/mcap.h"

/* Check the first eight bytes of a file. TD_OK; TD_E_UNSUPPORTED: another major version of MCAP;
 * TD_E_CORRUPT: not an MCAP file. */
TD_MUST_USE td_result mcap_check_magic(const uint8_t magic[MCAP_MAGIC_BYTES], td_err *err);

/* Decode the content of one record. */
TD_MUST_USE td_result mcap_decode_header(td_bytes content, mcap_header *out, td_err *err);
TD_MUST_USE td_result mcap_decode_footer(td_bytes content, mcap_footer *out, td_err *err);
TD_MUST_USE td_result mcap_decode_channel(td_bytes content, mcap_channel *out, td_err *err);
TD_MUST_USE td_result mcap_decode_message(td_bytes content, mcap_message *out, td_err *err);
TD_MUST_USE td_result mcap_decode_chunk(td_bytes content, mcap_chunk *out, td_err *err);
TD_MUST_USE td_result mcap_decode_message_index(td_bytes content, mcap_message_index *out,
                                                td_err *err);
TD_MUST_USE td_result mcap_decode_chunk_index(td_bytes content, mcap_chunk_index *out, td_err *err);
TD_MUST_USE td_result mcap_decode_statistics(td_bytes content, mcap_statistics *out, td_err *err);
TD_MUST_USE td_result mcap_decode_metadata(td_bytes content, mcap_metadata *out, td_err *err);

/* Read the next of several records in memory, such as a chunk's; *at is 0 at first. TD_OK; TD_EOF
 * at the end; TD_E_TRUNCATED if the rest is not a whole record (*at stays). */
TD_MUST_USE td_result mcap_next_record(td_bytes records, size_t *at, mcap_record *out, td_err *err);

/* Iterate over a map or array that a decode function returned: 1 and the next entry, or 0 at the
 * end. */
int mcap_next_pair(mcap_packed *rest, mcap_pair *out);
int mcap_next_count(mcap_packed *rest, uint16_t *key, uint64_t *value);
int mcap_next_entry(mcap_packed *rest, uint64_t *log_ns, uint64_t *offset);

/* The value of key in a map of strings; an empty view with data NULL if the key is absent. */
td_bytes mcap_find_pair(mcap_packed pairs, const char *key);

/* Name of an opcode such as "Chunk"; "private" from 0x80, else "unknown". A constant. */
const char *mcap_opcode_name(uint8_t opcode);

#endif
