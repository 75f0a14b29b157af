/* The end of an MCAP file, collected while its data section is written: channels, indexes of
 * chunks, metadata and checkpoints, statistics. The same content always gives the same bytes, so
 * that recovery recognizes a half-written end. Memory grows with the file's chunks and channels, up
 * to SUMMARY_BYTES_MAX. Owned by one writer, one thread. */
#ifndef TD_FORMAT_MCAP_SUMMARY_H
#define TD_FORMAT_MCAP_SUMMARY_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "format/checkpoint.h"
#include "format/mcap.h"
#include "format/mcap_source.h"
#include "format/sealed_chunk.h"

/* Maximum bytes of a summary's records, for files of other writers. */
#define SUMMARY_BYTES_MAX ((size_t)256 << 20)

typedef struct mcap_summary {
    td_buf schemas, channels, chunks, metadata, checkpoints; /* encoded records, by group */
    td_buf counts; /* uint64_t messages by channel id; read through mcap_summary_count */
    td_buf pack;   /* scratch */
    uint8_t known[(UINT16_MAX + 1) / 8]; /* bitmap of the ids passed to mcap_summary_note_channel */
    td_buf definitions;                  /* uint32_t CRC of each known Channel record, by id */
    uint64_t message_count;
    uint16_t schema_count;
    uint32_t channel_count, attachment_count, metadata_count, chunk_count;
    uint64_t start_ns, end_ns; /* of all messages; 0 without messages */
} mcap_summary;

/* Make an empty summary; allocates nothing. Free with fini. */
void mcap_summary_init(mcap_summary *summary);
void mcap_summary_fini(mcap_summary *summary);

/* Add a Channel record of the data section, unless its id is known. The record's opcode and length
 * must precede its content in memory. TD_OK; TD_E_CORRUPT, also if the id was defined differently
 * before, because messages could belong to either definition; TD_E_LIMIT: SUMMARY_BYTES_MAX. */
TD_MUST_USE td_result mcap_summary_note_channel(mcap_summary *summary, const mcap_record *record,
                                                td_err *err);

/* 1 if mcap_summary_note_channel added a channel of that id. */
int mcap_summary_has_channel(const mcap_summary *summary, uint16_t id);

/* Add copies of `count` whole Channel records, each id once. */
void mcap_summary_add_channels(mcap_summary *summary, td_bytes records, uint32_t count);

/* Add a Schema record. */
void mcap_summary_add_schema(mcap_summary *summary, const mcap_schema *schema);

/* Add a chunk written at offset: its index, messages and new channels. */
void mcap_summary_add_sealed(mcap_summary *summary, const sealed_chunk *chunk, uint64_t offset);

/* Add a Chunk Index or Metadata Index record. */
void mcap_summary_add_chunk(mcap_summary *summary, const mcap_chunk_index *index);
void mcap_summary_add_metadata(mcap_summary *summary, const mcap_metadata_index *index);

/* Read a Metadata record of the data section, and add its index. TD_OK, TD_E_CORRUPT, TD_E_LIMIT,
 * TD_E_IO. */
TD_MUST_USE td_result mcap_summary_note_metadata(mcap_summary *summary, mcap_source *source,
                                                 const mcap_location *location, td_err *err);

/* Add a checkpoint's index. mcap_summary_note_checkpoint reads it from a Checkpoint record of the
 * data section: TD_OK, TD_E_CORRUPT, TD_E_LIMIT, TD_E_IO. */
void mcap_summary_add_checkpoint(mcap_summary *summary, const segment_checkpoint *checkpoint);
TD_MUST_USE td_result mcap_summary_note_checkpoint(mcap_summary *summary, mcap_source *source,
                                                   const mcap_location *location, td_err *err);

/* Add `count` messages of a channel. */
void mcap_summary_count_messages(mcap_summary *summary, uint16_t id, uint64_t count,
                                 uint64_t first_ns, uint64_t last_ns);

/* Messages counted for a channel. */
uint64_t mcap_summary_count(const mcap_summary *summary, uint16_t id);

/* Append everything from Data End to the closing magic to buf. at: file offset of the Data End;
 * data_crc: CRC-32 of the file up to `at`. */
void mcap_summary_append_end(mcap_summary *summary, td_buf *buf, uint64_t at, uint32_t data_crc);

#endif
