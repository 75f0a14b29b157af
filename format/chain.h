/* The chain record: tapedeck's own MCAP record (opcode 0x80) that proves a file's content.
 *
 * One follows each chunk and its message indexes (in the journal: each entry). It holds running
 * totals and, in its last 16 bytes, the chain value: XXH3-128 over the previous record's value and
 * every byte of the file from covers_from up to these 16 bytes. covers_from is the end of the
 * previous chain record, or 0 in the first one, so exactly one record covers each byte of the data
 * section. The first record continues from the last value of the feed's previous segment, all zero
 * if absent.
 *
 * Content, little-endian: magic "TDCHAIN1" (8), covers_from (8), chunk_count (8), frames_in (8),
 * frames_written (8), frames_dropped (8), bytes_written (8), events_written (8), connection count
 * (4), connections (48 each: line 4, shard 4, conn 4, late_ms 4, in 8, out 8, in_ordinal 8,
 * out_ordinal 8), value (16). Any thread. */
#ifndef TD_FORMAT_CHAIN_H
#define TD_FORMAT_CHAIN_H

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/limits.h"

#define CHAIN_MAGIC "TDCHAIN1"

enum {
    CHAIN_OPCODE = 0x80,
    CHAIN_FIXED_BYTES = 68,
    CHAIN_CONN_BYTES = 48,
    CHAIN_VALUE_BYTES = 16,
    /* Connections in one record: the open ones, and those closed since the previous record. */
    CHAIN_CONNS_MAX = 2 * LIMIT_FEED_SLOTS,
    CHAIN_RECORD_BYTES_MAX =
        9 + CHAIN_FIXED_BYTES + CHAIN_CONNS_MAX * CHAIN_CONN_BYTES + CHAIN_VALUE_BYTES,
};

/* What the archive has of one connection once this record is durable. */
typedef struct chain_conn {
    uint32_t line, shard, conn;
    /* The archive has everything that the peer sent until late_ms before the end of the record's
     * chunk. 0: unknown, as in imports and in files of older versions. */
    uint32_t late_ms;
    uint64_t in, out;                 /* frames written, since the connection began */
    uint64_t in_ordinal, out_ordinal; /* ordinal of the last frame counted, dropped ones included */
} chain_conn;

/* Running totals of a feed's session; frames_in = frames_written + frames_dropped. */
typedef struct chain_totals {
    uint64_t frames_in;      /* counted on connections, both directions */
    uint64_t frames_written; /* in the archive */
    uint64_t frames_dropped; /* discarded by overload */
    uint64_t bytes_written;  /* payload of frames_written */
    uint64_t events_written; /* messages on _events, not counted as frames */
} chain_totals;

typedef struct chain_record {
    uint64_t covers_from; /* file offset */
    uint64_t chunk_count; /* in this segment so far */
    chain_totals totals;
    const chain_conn *conns; /* encode: the caller's; decode: see chain_decode */
    uint32_t conn_count;     /* at most CHAIN_CONNS_MAX */
    td_hash128 value;        /* decode only; chain_append_value computes it */
} chain_record;

/* To write a record: chain_append_fields; then chain_start, and td_hasher_update over every byte
 * from covers_from to the end of these fields; then chain_append_value. */

/* Append opcode, length and all fields except the value to buf; reserves space for the value. */
void chain_append_fields(td_buf *buf, const chain_record *record);

/* Reset the hasher and add the previous value. */
void chain_start(td_hasher *hasher, td_hash128 previous);

/* Append the hasher's value after the fields, and return it. */
td_hash128 chain_append_value(td_buf *buf, const td_hasher *hasher);

/* Decode a record's content. conns (space for CHAIN_CONNS_MAX) becomes out->conns; if NULL, the
 * connections are checked but not stored. TD_OK, TD_E_CORRUPT. */
TD_MUST_USE td_result chain_decode(td_bytes content, chain_conn *conns, chain_record *out,
                                   td_err *err);

/* The value of a record that follows `previous` and covers these bytes (from covers_from to the
 * record's own value). */
td_hash128 chain_value(td_hasher *hasher, td_hash128 previous, td_bytes covered);

/* Parse 32 hex digits. 1, or 0 if hex is anything else. */
int chain_value_parse(td_bytes hex, td_hash128 *out);

#endif
