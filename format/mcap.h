/* The records of the MCAP container (https://mcap.dev/spec, major version 0x30), as plain structs.
 *
 * Every record is an opcode (1 byte), the content's length (8 bytes), and the content. Numbers are
 * little-endian; strings follow their 4-byte length. The structs hold views into the bytes that
 * they were decoded from. mcap_encode.h writes records, mcap_decode.h reads them. */
#ifndef TD_FORMAT_MCAP_H
#define TD_FORMAT_MCAP_H

#include <stdint.h>

#include "base/bytes.h"

/* First and last eight bytes of a file (section "Magic"). */
#define MCAP_MAGIC "\x89MCAP0\r\n"

enum {
    MCAP_MAGIC_BYTES = 8,
    MCAP_PREFIX_BYTES = 9, /* opcode and content length */
    MCAP_DATA_END_CONTENT_BYTES = 4,
    MCAP_FOOTER_CONTENT_BYTES = 20, /* the specification never extends the footer */
    MCAP_FOOTER_BYTES = MCAP_PREFIX_BYTES + MCAP_FOOTER_CONTENT_BYTES,
    MCAP_MESSAGE_FIELDS_BYTES = 22, /* channel, sequence and two times before the data */
    MCAP_MESSAGE_OVERHEAD_BYTES = MCAP_PREFIX_BYTES + MCAP_MESSAGE_FIELDS_BYTES,
    MCAP_INDEX_OVERHEAD_BYTES = MCAP_PREFIX_BYTES + 2 + 4, /* a Message Index without entries */
    MCAP_COUNT_BYTES = 10,                                 /* an entry of a map uint16 -> uint64 */
    MCAP_INDEX_ENTRY_BYTES = 16,
};

/* Opcodes (section "Records"). Applications may define 0x80 and above. */
typedef enum mcap_opcode {
    MCAP_HEADER = 0x01,
    MCAP_FOOTER = 0x02,
    MCAP_SCHEMA = 0x03,
    MCAP_CHANNEL = 0x04,
    MCAP_MESSAGE = 0x05,
    MCAP_CHUNK = 0x06,
    MCAP_MESSAGE_INDEX = 0x07,
    MCAP_CHUNK_INDEX = 0x08,
    MCAP_ATTACHMENT = 0x09,
    MCAP_ATTACHMENT_INDEX = 0x0a,
    MCAP_STATISTICS = 0x0b,
    MCAP_METADATA = 0x0c,
    MCAP_METADATA_INDEX = 0x0d,
    MCAP_SUMMARY_OFFSET = 0x0e,
    MCAP_DATA_END = 0x0f,
    MCAP_PRIVATE_FIRST = 0x80,
} mcap_opcode;

/* One record of a file or a chunk. */
typedef struct mcap_record {
    uint8_t opcode;
    uint64_t offset;  /* of the opcode, in the file or in the uncompressed chunk */
    td_bytes content; /* without opcode and length */
} mcap_record;

/* An encoded map or array; mcap_decode.h has the iterators. */
typedef struct mcap_packed {
    td_bytes bytes; /* without the 4-byte length */
} mcap_packed;

typedef struct mcap_header {
    td_bytes profile, library;
} mcap_header;

typedef struct mcap_footer {
    uint64_t summary_start, summary_offset_start; /* 0 = absent */
    uint32_t summary_crc;                         /* 0 = not available */
} mcap_footer;

typedef struct mcap_schema {
    uint16_t id;
    td_bytes name, encoding, data;
} mcap_schema;

typedef struct mcap_channel {
    uint16_t id;
    uint16_t schema_id; /* 0 = no schema */
    td_bytes topic, message_encoding;
    mcap_packed metadata; /* string -> string */
} mcap_channel;

typedef struct mcap_message {
    uint16_t channel_id;
    uint32_t sequence;
    uint64_t log_ns, publish_ns;
    td_bytes data;
} mcap_message;

typedef struct mcap_chunk {
    uint64_t start_ns, end_ns; /* of its messages; both 0 without messages */
    uint64_t uncompressed_bytes;
    uint32_t uncompressed_crc; /* 0 = not available */
    td_bytes compression;      /* "zstd" */
    td_bytes records;          /* compressed */
} mcap_chunk;

typedef struct mcap_message_index {
    uint16_t channel_id;
    mcap_packed entries; /* (log_ns, offset in the uncompressed chunk), 16 bytes each */
} mcap_message_index;

typedef struct mcap_chunk_index {
    uint64_t start_ns, end_ns;
    uint64_t chunk_offset, chunk_bytes; /* the whole Chunk record */
    mcap_packed index_offsets;          /* uint16 channel -> uint64 offset in the file */
    uint64_t index_bytes;               /* of all its Message Index records */
    td_bytes compression;
    uint64_t compressed_bytes, uncompressed_bytes;
} mcap_chunk_index;

typedef struct mcap_statistics {
    uint64_t message_count;
    uint16_t schema_count;
    uint32_t channel_count, attachment_count, metadata_count, chunk_count;
    uint64_t start_ns, end_ns;
    mcap_packed channel_counts; /* uint16 channel -> uint64 messages; empty = not available */
} mcap_statistics;

typedef struct mcap_metadata {
    td_bytes name;
    mcap_packed pairs; /* string -> string */
} mcap_metadata;

typedef struct mcap_metadata_index {
    uint64_t offset, length;
    td_bytes name;
} mcap_metadata_index;

typedef struct mcap_summary_offset {
    uint8_t group_opcode;
    uint64_t group_start, group_bytes;
} mcap_summary_offset;

typedef struct mcap_data_end {
    uint32_t data_section_crc; /* 0 = not available */
} mcap_data_end;

/* A key and its value in a map of strings. */
typedef struct mcap_pair {
    td_bytes key, value;
} mcap_pair;

#endif
