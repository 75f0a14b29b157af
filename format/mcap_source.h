/* Reads the records of a file through a buffered window, with one read per 256 KiB in a sequential
 * walk, unless its user sets another size. Views are valid until the next call. Borrows the file;
 * one thread. */
#ifndef TD_FORMAT_MCAP_SOURCE_H
#define TD_FORMAT_MCAP_SOURCE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/io.h"
#include "format/mcap.h"

typedef struct mcap_source {
    td_file *file;
    uint64_t size; /* of the file at init or the last refresh */
    td_buf window;
    uint64_t window_at; /* file offset of the window */
    size_t read_bytes;  /* set by the user: least size of a read; 0: 256 KiB */
    uint64_t keep_from; /* set by the user: keep the bytes from here on in the window, see
                           MCAP_SOURCE_KEPT_BYTES; UINT64_MAX, as after init: none */
    uint64_t crc_at;    /* end of the bytes that crc covers so far */
    uint32_t crc;
    uint8_t has_crc; /* 1: a CRC is computed while reading */
} mcap_source;

/* Position of a record. */
typedef struct mcap_location {
    uint8_t opcode;
    uint64_t offset;     /* of the opcode */
    uint64_t content_at; /* of the content */
    uint64_t content_bytes;
    uint64_t end; /* after the content */
} mcap_location;

/* A segment's header and session record are within its first bytes: read_bytes of a user that reads
 * only these. */
enum { MCAP_SOURCE_BEGIN_BYTES = 4096 };

/* Read from file (borrowed); gets its size. TD_OK, TD_E_IO. Free with fini. */
TD_MUST_USE td_result mcap_source_init(mcap_source *source, td_file *file, td_err *err);
void mcap_source_fini(mcap_source *source);

/* Views that end at most this far after keep_from do not move the window's start past keep_from, so
 * that a block can be hashed without reading it twice. A block of tapedeck has a chunk of about 1
 * MiB. */
enum { MCAP_SOURCE_KEPT_BYTES = 4 << 20 };

/* Get the file's size again, and discard the window. */
TD_MUST_USE td_result mcap_source_refresh(mcap_source *source, td_err *err);

/* View `size` bytes at offset `at`. TD_OK; TD_E_LIMIT: size is above LIMIT_RECORD_BYTES;
 * TD_E_TRUNCATED: the file is shorter; TD_E_IO. */
TD_MUST_USE td_result mcap_source_view(mcap_source *source, uint64_t at, uint64_t size,
                                       td_bytes *out, td_err *err);

/* Locate the record at offset `at`; mcap_source_content reads its content. TD_OK; TD_EOF: `at` is
 * at or after `end`; TD_E_TRUNCATED: the record does not end at or before `end`; TD_E_IO. */
TD_MUST_USE td_result mcap_source_record(mcap_source *source, uint64_t at, uint64_t end,
                                         mcap_location *out, td_err *err);

/* View a record's content. Results as mcap_source_view. */
TD_MUST_USE td_result mcap_source_content(mcap_source *source, const mcap_location *location,
                                          td_bytes *out, td_err *err);

/* Check magic and header; *end: end of the header. TD_OK; TD_E_CORRUPT: not an MCAP file of profile
 * SEGMENT_PROFILE; TD_E_TRUNCATED: the file is shorter; TD_E_UNSUPPORTED: another major version;
 * TD_E_IO. */
#define SEGMENT_PROFILE "tapedeck"
#define SEGMENT_SESSION_METADATA                                                                   \
    "tapedeck.session" /* name of the first record after the header                                \
                        */
TD_MUST_USE td_result mcap_source_header(mcap_source *source, uint64_t *end, td_err *err);

/* Compute the CRC-32 of the bytes [0, to). Bytes that the caller views in sequence, from the file's
 * start on, between crc_begin and crc_end are not read again: crc_end reads only the rest. The
 * caller views nothing after `to`, or all is read again. */
void mcap_source_crc_begin(mcap_source *source);
TD_MUST_USE td_result mcap_source_crc_end(mcap_source *source, uint64_t to, uint32_t *crc,
                                          td_err *err);

/* Compare the bytes at offset `at` with `expected`: *is_same is 1 or 0. Results as
 * mcap_source_view. */
TD_MUST_USE td_result mcap_source_compare(mcap_source *source, uint64_t at, td_bytes expected,
                                          int *is_same, td_err *err);

/* Add the bytes [from, to) to a CRC-32 or a hasher. TD_OK, TD_E_TRUNCATED, TD_E_IO. */
TD_MUST_USE td_result mcap_source_crc(mcap_source *source, uint64_t from, uint64_t to,
                                      uint32_t *crc, td_err *err);
TD_MUST_USE td_result mcap_source_hash(mcap_source *source, uint64_t from, uint64_t to,
                                       td_hasher *hasher, td_err *err);

#endif
