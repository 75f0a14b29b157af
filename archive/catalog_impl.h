/* Inside of the catalog: what catalog*.c share. */
#ifndef TD_ARCHIVE_CATALOG_IMPL_H
#define TD_ARCHIVE_CATALOG_IMPL_H

#include "base/buf.h"
#include "base/database.h"
#include "archive/catalog.h"

/* Columns of the tables, in the order in which they are written, read and dumped. */
#define SESSION_COLUMNS "session, start_ns, stop_ns, state, verb, version"
#define SEGMENT_COLUMNS                                                                            \
    "path, is_open, session, session_start_ns, feed, family, verb, version, number, "              \
    "previous_segment, chain, file_bytes, messages, chunks, first_ns, last_ns, row_checksum, "     \
    "channel_checksum, chunk_checksum, gap_checksum"
#define CHANNEL_COLUMNS                                                                            \
    "feed, family, line, shard, dir, topic, exchange_topic, symbol, opcode, message_encoding, "    \
    "schema_name"
#define CHUNK_COLUMNS                                                                              \
    "number, offset, chunk_bytes, index_bytes, uncompressed_bytes, first_ns, last_ns, messages, "  \
    "bitmap"
#define GAP_COLUMNS                                                                                \
    "feed, from_ns, line, shard, conn, topic, symbol, reason, told_by, to_ns, frames_lost, "       \
    "covered_by, cause, detail"
#define NOTE_COLUMNS "time_ns, from_ns, to_ns, feed, text"

/* Statements that are prepared once and kept. Their text is in catalog.c. */
typedef enum catalog_statement {
    STATEMENT_PUT_META,
    STATEMENT_GET_META,
    STATEMENT_PUT_SESSION,
    STATEMENT_END_SESSION,
    STATEMENT_PUT_SEGMENT,
    STATEMENT_FIND_SEGMENT,
    STATEMENT_DROP_SEGMENT,
    STATEMENT_DROP_CHUNKS,
    STATEMENT_DROP_SEGMENT_CHANNELS,
    STATEMENT_DROP_GAPS,
    STATEMENT_FIND_CHANNEL,
    STATEMENT_PUT_CHANNEL,
    STATEMENT_PUT_SEGMENT_CHANNEL,
    STATEMENT_PUT_CHUNK,
    STATEMENT_PUT_GAP,
    STATEMENT_FIND_GAP,
    STATEMENT_GET_GAP_CHECKSUM,
    STATEMENT_SET_GAP_CHECKSUM,
    STATEMENT_PUT_NOTE,
    STATEMENT_LOAD_SEGMENT,
    STATEMENT_LOAD_CHANNELS,
    STATEMENT_LOAD_CHUNKS,
    STATEMENT_EACH_SEGMENT,
    STATEMENT_COUNT_SEGMENTS,
    STATEMENT_LOAD_GAPS,
    STATEMENT_COUNT,
} catalog_statement;

struct catalog {
    database *db;
};

/* A gap row as STATEMENT_LOAD_GAPS and STATEMENT_FIND_GAP give it; strings are valid until the next
 * row. TD_E_CORRUPT if its reason is none. */
TD_MUST_USE td_result catalog_read_gap(const database_query *query, gap_row *out, td_err *err);

/* The gaps in a segment's events (path: as the catalog has it), added to list, which may be NULL;
 * *sum is what their checksum must be. */
TD_MUST_USE td_result catalog_read_gaps(catalog *catalog, const char *path, gap_list *list,
                                        uint64_t *sum, td_err *err);

/* ---- checksums (catalog_checksum.c); FORMAT.md defines them ---- */

/* Those of a segment's row. Sums are modulo 2^64. */
typedef struct segment_checksums {
    uint64_t row;
    uint64_t channels;
    uint64_t chunks;
    uint64_t gaps;
} segment_checksums;

/* What a sum over rows of the segment begins with. path: as the catalog has it. */
uint64_t checksum_begin(const char *path);

/* Of one row: add them to a sum. */
uint64_t checksum_channel(const segment_channel *channel);
uint64_t checksum_chunk(size_t number, const segment_chunk *chunk, const uint8_t *bitmap);
uint64_t checksum_gap(const gap_row *row);

/* Of the segment's own row: what segment_index holds but channels and chunks. */
uint64_t checksum_segment(const char *path, const segment_index *index, uint64_t chunk_count);

/* Row, channels and chunks of a finished segment; gaps is left alone. */
void checksum_index(const char *path, const segment_index *index, segment_checksums *out);

/* Statements of catalog.sql by version, element 0 leading to version 1: made by the build. */
extern const char *const catalog_sql_versions[CATALOG_SCHEMA_VERSION];

#endif
