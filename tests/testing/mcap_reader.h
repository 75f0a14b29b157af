/* A segment from its first record to its last, read as https://mcap.dev/spec says: what the reader,
 * recovery and verification of format/ are compared with. It shares no code with them: it parses
 * the bytes itself, and calls zstd and zlib directly. It checks every CRC (chunks, data section,
 * summary). The whole file is in memory. One thread. */
#ifndef TD_TESTS_TESTING_MCAP_READER_H
#define TD_TESTS_TESTING_MCAP_READER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "format/mcap.h"

/* What was read so far. */
typedef struct mcap_reader_stats {
    uint64_t message_count;
    uint64_t crc_checked_count,
        crc_missing_count; /* missing: zero, which the specification allows */
} mcap_reader_stats;

typedef struct mcap_reader mcap_reader;

/* Read a file's bytes, which are borrowed until close. TD_OK; TD_E_CORRUPT if it does not begin
 * with the magic and a header. */
TD_MUST_USE td_result mcap_reader_open(td_bytes file, mcap_reader **out);
void mcap_reader_close(mcap_reader *reader);

/* The next record after the header, or of a chunk in place of the chunk. Its content is valid until
 * the next call. TD_OK; TD_EOF after the closing magic; TD_E_CORRUPT for a CRC that is wrong or a
 * chunk that cannot be expanded: the next call continues after it; TD_E_TRUNCATED, the last result,
 * where the structure is broken or the file does not end just after the closing magic. */
TD_MUST_USE td_result mcap_reader_next(mcap_reader *reader, mcap_record *out);

/* The fields of a Message record; 0 if it is too short. */
int mcap_reader_message(const mcap_record *record, mcap_message *out);

/* Read all of a file. TD_OK if nothing in it is wrong, else the first failure:
 * as open and next return it, and TD_E_CORRUPT for a message without its channel before it. The
 * stats may be NULL. */
TD_MUST_USE td_result mcap_reader_check(td_bytes file, mcap_reader_stats *stats);

/* Read the file at path, and compare its messages with those that segment_reader gives, in order
 * and byte for byte: a difference fails an assertion. Returns their number; -1 if no comparison is
 * due, because a CRC of the file is missing or something is wrong in it. */
int64_t mcap_reader_compare(td_io io, const char *path);

#endif
