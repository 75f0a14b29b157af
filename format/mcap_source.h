/* A file as records: positional reads through a window that is read ahead, so that walking a file
 * costs one read per quarter megabyte. Views stay valid until the next call. Borrows the file; one
 * thread. */
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
    uint64_t size; /* of the file, as last looked up */
    td_buf window;
    uint64_t window_at; /* file offset of the window */
    uint64_t keep_from; /* set by the user: bytes from here on that it needs again, see below */
    uint64_t crc_to;    /* of a checksum that is computed while the file is read; 0: none */
    uint64_t crc_at;    /* how far it is */
    uint32_t crc;
} mcap_source;

/* Position of a record. */
typedef struct mcap_place {
    uint8_t opcode;
    uint64_t offset;     /* of the opcode */
    uint64_t content_at; /* of the content */
    uint64_t content_bytes;
    uint64_t end; /* after the content */
} mcap_place;

/* Look at file (borrowed), and find out its size. TD_OK, TD_E_IO. Free with fini. */
TD_MUST_USE td_result mcap_source_init(mcap_source *source, td_file *file, td_err *err);
void mcap_source_fini(mcap_source *source);

/* keep_from: while what is viewed ends less than this after it, the window begins no later, so that
 * a block whose records were viewed can be hashed without reading it again. A block of tapedeck has
 * a chunk of about 1 MiB. */
enum { MCAP_SOURCE_KEPT_BYTES = 4 << 20 };

/* Look up the size again; the window is forgotten. */
TD_MUST_USE td_result mcap_source_refresh(mcap_source *source, td_err *err);

/* The size bytes at at, at most LIMIT_RECORD_BYTES (else TD_E_LIMIT). TD_OK; TD_E_TRUNCATED if the
 * file ends before; TD_E_IO. */
TD_MUST_USE td_result mcap_source_view(mcap_source *source, uint64_t at, uint64_t size,
                                       td_bytes *out, td_err *err);

/* The record at at, which must fit before end. TD_OK; TD_EOF if at is end; TD_E_TRUNCATED if it
 * does not fit; TD_E_IO. Its content is not read: mcap_source_content does that. */
TD_MUST_USE td_result mcap_source_record(mcap_source *source, uint64_t at, uint64_t end,
                                         mcap_place *out, td_err *err);

/* A record's content; as mcap_source_view. */
TD_MUST_USE td_result mcap_source_content(mcap_source *source, const mcap_place *place,
                                          td_bytes *out, td_err *err);

/* Check magic and header; *end: where the header ends. TD_OK; TD_E_CORRUPT if it is not an MCAP
 * file of our profile; TD_E_TRUNCATED if it ends before; TD_E_UNSUPPORTED: another major version;
 * TD_E_IO. */
#define SEGMENT_PROFILE "tapedeck"
TD_MUST_USE td_result mcap_source_header(mcap_source *source, uint64_t *end, td_err *err);

/* The CRC-32 of the bytes [0, to), for a caller that reads them in order for something else: begin
 * before, and end after that. Only what it passed over is read again. */
void mcap_source_crc_begin(mcap_source *source, uint64_t to);
TD_MUST_USE td_result mcap_source_crc_end(mcap_source *source, uint32_t *crc, td_err *err);

/* 1 in *is_same if the bytes at at, as many as expected has, are those. As mcap_source_view. */
TD_MUST_USE td_result mcap_source_compare(mcap_source *source, uint64_t at, td_bytes expected,
                                          int *is_same, td_err *err);

/* Go on with a CRC-32, or with a hasher, over the bytes [from, to), however many. */
TD_MUST_USE td_result mcap_source_crc(mcap_source *source, uint64_t from, uint64_t to,
                                      uint32_t *crc, td_err *err);
TD_MUST_USE td_result mcap_source_hash(mcap_source *source, uint64_t from, uint64_t to,
                                       td_hasher *hasher, td_err *err);

#endif
