#include "export/parquet/thrift.h"

#include "base/assert.h"

/* Type numbers that are used in field headers only, not in lists. */
enum { TYPE_TRUE = 1, TYPE_FALSE = 2, TYPE_I8 = 3, TYPE_I64 = 6, TYPE_LIST = 9 };

enum { SHORT_STEP_MAX = 15, SHORT_LIST_MAX = 14, VARINT_BYTES = 10 };

void thrift_varint(td_buf *out, uint64_t value)
{
    uint8_t bytes[VARINT_BYTES];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    td_buf_add(out, bytes, size);
}

static void add_byte(thrift *to, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    td_buf_add(to->out, &one, 1);
}

static void add_field(thrift *to, int id, unsigned type)
{
    int step = id - to->last[to->depth];
    TD_ASSERT(step >= 1);
    TD_ASSERT(step <= SHORT_STEP_MAX);
    to->last[to->depth] = id;
    add_byte(to, (unsigned)step << 4 | type);
}

void thrift_bool(thrift *to, int id, int value)
{
    add_field(to, id, value ? TYPE_TRUE : TYPE_FALSE);
}

void thrift_i8(thrift *to, int id, int8_t value)
{
    add_field(to, id, TYPE_I8);
    add_byte(to, (uint8_t)value);
}

void thrift_i32(thrift *to, int id, int32_t value)
{
    add_field(to, id, THRIFT_I32);
    thrift_item_i32(to, value);
}

void thrift_i64(thrift *to, int id, int64_t value)
{
    add_field(to, id, TYPE_I64);
    thrift_varint(to->out, thrift_zigzag(value));
}

void thrift_text(thrift *to, int id, td_bytes text)
{
    add_field(to, id, THRIFT_TEXT);
    thrift_item_text(to, text);
}

void thrift_begin(thrift *to, int id)
{
    add_field(to, id, THRIFT_STRUCT);
    thrift_item(to);
}

void thrift_list(thrift *to, int id, thrift_type items, size_t count)
{
    add_field(to, id, TYPE_LIST);
    if (count <= SHORT_LIST_MAX) {
        add_byte(to, (unsigned)count << 4 | items);
        return;
    }
    add_byte(to, 0xf0U | items);
    thrift_varint(to->out, count);
}

void thrift_item(thrift *to)
{
    TD_ASSERT(to->depth + 1 < THRIFT_DEPTH_MAX);
    to->last[++to->depth] = 0;
}

void thrift_item_i32(thrift *to, int32_t value)
{
    thrift_varint(to->out, thrift_zigzag(value));
}

void thrift_item_text(thrift *to, td_bytes text)
{
    thrift_varint(to->out, text.size);
    td_buf_add(to->out, text.data, text.size);
}

void thrift_end(thrift *to)
{
    add_byte(to, 0);
    if (to->depth > 0)
        to->depth--;
}
