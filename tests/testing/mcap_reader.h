/* Any MCAP file from its first record to its last, in file order: what segments are compared with,
 * and sharing no walk with segment_reader. It shows every record, also those of later
 * specifications and private ones, and checks each CRC on the way: chunks, attachments, data
 * section, summary.
 *
 * Memory: one record or chunk (LIMIT_RECORD_BYTES, LIMIT_CHUNK_BYTES); attachments above that are
 * passed over with their CRC checked. One thread. */
#ifndef TD_TESTS_TESTING_MCAP_READER_H
#define TD_TESTS_TESTING_MCAP_READER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/io.h"
#include "format/mcap.h"

/* What becomes of a Chunk record. */
typedef enum mcap_chunks {
    MCAP_CHUNKS_WHOLE,    /* it is returned as it is; its CRC is not checked */
    MCAP_CHUNKS_EXPANDED, /* the records in it are returned instead */
} mcap_chunks;

/* Where in the file a record was. */
typedef enum mcap_section {
    MCAP_SECTION_DATA,
    MCAP_SECTION_CHUNK,
    MCAP_SECTION_SUMMARY
} mcap_section;

/* What was read so far. */
typedef struct mcap_reader_stats {
    uint64_t record_count, message_count;
    uint64_t crc_checked_count,
        crc_missing_count; /* missing: zero, which the specification allows */
} mcap_reader_stats;

typedef struct mcap_reader mcap_reader;

/* Open the file at path and read magic and header. TD_OK; TD_E_NOTFOUND, TD_E_IO, TD_E_NOMEM;
 * TD_E_CORRUPT, TD_E_TRUNCATED if it does not begin as MCAP; TD_E_UNSUPPORTED for another major
 * version. */
TD_MUST_USE td_result mcap_reader_open(td_io io, const char *path, mcap_chunks chunks,
                                       mcap_reader **out, td_err *err);
void mcap_reader_close(mcap_reader *reader);

/* The file's header; valid until close. */
const mcap_header *mcap_reader_header(const mcap_reader *reader);

/* The next record after the header. Its content is valid until the next call; it is {NULL, 0} for
 * an attachment too large to hold. TD_OK; TD_EOF after the closing magic; TD_E_CORRUPT for a CRC
 * or a chunk that is wrong, TD_E_UNSUPPORTED for a compression, TD_E_LIMIT for a record too large:
 * the next call goes on after it; TD_E_TRUNCATED where the file ends early, or bytes follow its
 * end: the last result; TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result mcap_reader_next(mcap_reader *reader, mcap_record *out, td_err *err);

/* Where the last record was, and in which chunk (file offset; 0 outside of chunks). */
mcap_section mcap_reader_section(const mcap_reader *reader);
uint64_t mcap_reader_chunk_offset(const mcap_reader *reader);

mcap_reader_stats mcap_reader_get_stats(const mcap_reader *reader);

#endif
