/* Writes structs in Thrift's compact protocol, which Parquet's headers and footer use
 * (parquet.thrift; thrift-compact-protocol.md). Fields are written with ascending ids.
 * Zero-initialise, set out, which has space for all that its owner writes (asserted). One thread.
 */
#ifndef TD_PARQUET_THRIFT_H
#define TD_PARQUET_THRIFT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { THRIFT_DEPTH_MAX = 8 };

typedef enum thrift_type {
    THRIFT_I32 = 5,
    THRIFT_TEXT = 8,
    THRIFT_STRUCT = 12,
} thrift_type;

typedef struct thrift {
    td_buf *out;
    int last[THRIFT_DEPTH_MAX]; /* id of the last field of each open struct */
    size_t depth;               /* open structs within the outermost one */
} thrift;

/* An unsigned number in groups of 7 bits, the low ones first. */
void thrift_varint(td_buf *out, uint64_t value);

/* A signed number as an unsigned one that is small if its distance from 0 is. */
static inline uint64_t thrift_zigzag(int64_t value)
{
    uint64_t twice = (uint64_t)value << 1;
    return value < 0 ? ~twice : twice;
}

void thrift_bool(thrift *to, int id, int value);
void thrift_i8(thrift *to, int id, int8_t value);
void thrift_i32(thrift *to, int id, int32_t value);
void thrift_i64(thrift *to, int id, int64_t value);
void thrift_text(thrift *to, int id, td_bytes text);

/* A struct as a field; its fields, then thrift_end. */
void thrift_begin(thrift *to, int id);

/* A list; then count items: thrift_item for structs, the next two for others. */
void thrift_list(thrift *to, int id, thrift_type items, size_t count);
void thrift_item(thrift *to);
void thrift_item_i32(thrift *to, int32_t value);
void thrift_item_text(thrift *to, td_bytes text);

/* The end of a struct; of the outermost one, too. */
void thrift_end(thrift *to);

#endif
