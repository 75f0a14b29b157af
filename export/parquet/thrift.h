/* Writes structs in Thrift's compact protocol, which Parquet's headers and footer use
 * (parquet.thrift; thrift-compact-protocol.md). Field ids must ascend. Zero-initialise, and set the
 * member `out`; the buffer must have space for everything that is written (asserted). One
 * thread. */
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
    size_t depth;               /* structs open inside the outermost one */
} thrift;

/* Writes an unsigned number in groups of 7 bits, the lowest first. */
void thrift_varint(td_buf *out, uint64_t value);

/* Maps a signed number to an unsigned one, which is small if the magnitude of the signed number is
 * small. */
static inline uint64_t thrift_zigzag(int64_t value)
{
    uint64_t twice = (uint64_t)value << 1;
    return value < 0 ? ~twice : twice;
}

/* Write a field. */
void thrift_bool(thrift *to, int id, int value);
void thrift_i8(thrift *to, int id, int8_t value);
void thrift_i32(thrift *to, int id, int32_t value);
void thrift_i64(thrift *to, int id, int64_t value);
void thrift_text(thrift *to, int id, td_bytes text);

/* Begins a struct as a field. Then write the struct's fields and call thrift_end. */
void thrift_begin(thrift *to, int id);

/* Begins a list of `count` items. For each item, call thrift_item, write the item's fields and call
 * thrift_end; or call the function below for the item's type. */
void thrift_list(thrift *to, int id, thrift_type items, size_t count);
void thrift_item(thrift *to);
void thrift_item_i32(thrift *to, int32_t value);
void thrift_item_text(thrift *to, td_bytes text);

/* Ends a struct, also the outermost one. */
void thrift_end(thrift *to);

#endif
