/* Reads a segment from its first record to its last as the MCAP specification requires
 * (https://mcap.dev/spec), to compare with the reader, recovery and verification of format/. It
 * shares no code with them: it parses the bytes itself and calls zstd and zlib directly. It checks
 * every CRC (chunks, data section, summary). The whole file is in memory. One thread. */
#ifndef TD_TESTS_TESTING_MCAP_READER_H
#define TD_TESTS_TESTING_MCAP_READER_H

#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "format/mcap.h"

/* Counts of what was read. */
typedef struct mcap_reader_stats {
    uint64_t message_count;
    uint64_t crc_checked_count,
        crc_missing_count; /* CRCs that are zero, which the specification allows */
} mcap_reader_stats;

typedef struct mcap_reader mcap_reader;

/* Open a file's bytes, which are borrowed until close. TD_OK; TD_E_CORRUPT if it does not begin
 * with the magic and a header. */
TD_MUST_USE td_result mcap_reader_open(td_bytes file, mcap_reader **out);
void mcap_reader_close(mcap_reader *reader);

/* Read the next record after the header; of a chunk, the records in it. The content is valid until
 * the next call. TD_OK; TD_EOF after the closing magic; TD_E_CORRUPT: a wrong CRC, or a chunk that
 * cannot be decompressed (the next call continues after it); TD_E_TRUNCATED: the structure is
 * broken, or the file does not end with the closing magic (no further calls). */
TD_MUST_USE td_result mcap_reader_next(mcap_reader *reader, mcap_record *out);

/* Get the fields of a Message record; 0 if it is too short. */
int mcap_reader_message(const mcap_record *record, mcap_message *out);

/* Read a whole file. TD_OK if it is correct, else the first failure of open or next, or
 * TD_E_CORRUPT for a message without a preceding channel. The stats may be NULL. */
TD_MUST_USE td_result mcap_reader_check(td_bytes file, mcap_reader_stats *stats);

/* Read the file at path and compare its messages with segment_reader's, in order and byte for byte;
 * a difference fails an assertion. Returns the number of messages, or -1 if they cannot be
 * compared, because a CRC is missing or the file is not correct. */
int64_t mcap_reader_compare(td_io io, const char *path);

#endif
