/* MCAP files of any profile, as other programs write them. Chunked or not, stored or zstd; all
 * CRCs, message indexes and a complete summary are written always. (The recorder's segments have
 * their own path: chunk_builder and segment_writer.)
 *
 * Not durable before finish; a file without finish has no end and is to be thrown away. One thread.
 */
#ifndef TD_TESTS_TESTING_MCAP_WRITER_H
#define TD_TESTS_TESTING_MCAP_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/codec.h"
#include "tests/testing/mcap_records.h"

typedef enum mcap_layout { MCAP_CHUNKED, MCAP_UNCHUNKED } mcap_layout;

typedef struct mcap_writer_options {
    const char *profile; /* "" if none */
    const char *library; /* the program's name and version */
    mcap_layout layout;
    codec_kind compression; /* of chunks */
    int level;              /* zstd's; 0 = 1 */
    size_t chunk_bytes;     /* chunk closes at this size; 0 = LIMIT_CHUNK_TARGET_BYTES */
} mcap_writer_options;

typedef struct mcap_writer mcap_writer;

/* Create the file at path. TD_OK; TD_E_INVALID if it is there already; TD_E_IO, TD_E_NOSPACE.
 * After any failure of a later call that is TD_E_IO or TD_E_NOSPACE, only close makes sense. */
TD_MUST_USE td_result mcap_writer_open(td_io io, const char *path,
                                       const mcap_writer_options *options, mcap_writer **out,
                                       td_err *err);

/* Close and free; without finish the file stays incomplete. NULL is fine. */
void mcap_writer_close(mcap_writer *writer);

/* Add a schema; *id counts from 1. TD_OK, TD_E_LIMIT (65,535), TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result mcap_writer_schema(mcap_writer *writer, td_bytes name, td_bytes encoding,
                                         td_bytes data, uint16_t *id, td_err *err);

/* Add a channel (schema_id 0 = none); *id counts from 1. TD_E_INVALID: unknown schema. As above. */
TD_MUST_USE td_result mcap_writer_channel(mcap_writer *writer, td_bytes topic, uint16_t schema_id,
                                          td_bytes message_encoding, const mcap_pair *metadata,
                                          size_t metadata_count, uint16_t *id, td_err *err);

/* Append a message. TD_OK; TD_E_INVALID: unknown channel; TD_E_LIMIT: larger than
 * LIMIT_FRAME_BYTES; TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result mcap_writer_message(mcap_writer *writer, const mcap_message *message,
                                          td_err *err);

/* Append an attachment (its crc field is computed), a metadata record, or a private one (opcode
 * from 0x80). They stand outside of chunks; the open chunk is closed first. */
TD_MUST_USE td_result mcap_writer_attachment(mcap_writer *writer, const mcap_attachment *attachment,
                                             td_err *err);
TD_MUST_USE td_result mcap_writer_metadata(mcap_writer *writer, td_bytes name,
                                           const mcap_pair *pairs, size_t pair_count, td_err *err);
TD_MUST_USE td_result mcap_writer_private(mcap_writer *writer, uint8_t opcode, td_bytes content,
                                          td_err *err);

/* Close the open chunk now. */
TD_MUST_USE td_result mcap_writer_flush(mcap_writer *writer, td_err *err);

/* Write the end of the file and make it durable. Nothing but close may follow. */
TD_MUST_USE td_result mcap_writer_finish(mcap_writer *writer, td_err *err);

#endif
