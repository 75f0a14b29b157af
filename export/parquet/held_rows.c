#include "export/parquet/held_rows.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "export/parquet/thrift.h"

/* An entry of the buffer begins with 16 bits: the column and a code. The codes up to NUMBER_BYTES
 * are a number's size; the number is the difference from the column's last number, which is small
 * in times, sequences and prices. */
enum {
    NUMBER_BYTES = 8,
    CODE_NULL = NUMBER_BYTES + 1,
    CODE_BYTES, /* 32 bits with the size, and the bytes */
    CODE_SCALE, /* a byte: the scale of the column's numbers from here on, at first 0 */
    CODE_BITS = 4,
    HEAD_BYTES = 2,
    SIZE_BYTES = 4,
    ENTRY_BYTES_MAX = 2 * HEAD_BYTES + 1 + NUMBER_BYTES, /* of a number */
    ROW_END = UINT16_MAX,                                /* instead of an entry */
    FIRST_BYTES = 64 << 10,                              /* of the buffer: growing copies it */
    BUFFER_BYTES_MAX = 1 << 30,
};
_Static_assert(HELD_COLUMNS_MAX << CODE_BITS < ROW_END, "no entry is a row's end");

void held_rows_init(held_rows *rows, size_t column_count)
{
    TD_ASSERT(column_count <= HELD_COLUMNS_MAX);
    *rows = (held_rows){.column_count = column_count};
    rows->columns = td_alloc_zero(column_count, sizeof *rows->columns);
    td_buf_init(&rows->buf, BUFFER_BYTES_MAX);
}

void held_rows_fini(held_rows *rows)
{
    td_buf_fini(&rows->buf);
    td_free(rows->columns);
}

void held_rows_clear(held_rows *rows)
{
    memset(rows->columns, 0, rows->column_count * sizeof *rows->columns);
    rows->row_count = 0;
    td_buf_fini(&rows->buf);
}

/* ---- values ---- */

static uint8_t *add_head(uint8_t *to, size_t column, unsigned code)
{
    td_put_le16(to, (uint16_t)(column << CODE_BITS | code));
    return to + HEAD_BYTES;
}

static held_column *begin_run(held_rows *rows, size_t column, held_kind kind)
{
    held_column *to = &rows->columns[column];
    to->kind = kind;
    to->word = NULL;
    to->run_count++;
    return to;
}

/* Apart, so that the function below need not save registers, which took a third of its time. */
static __attribute__((noinline)) void grow_and_put(held_rows *rows, size_t column, td_decimal value)
{
    td_buf_grow_slow(&rows->buf, rows->buf.capacity == 0 ? FIRST_BYTES : ENTRY_BYTES_MAX);
    held_rows_put_number(rows, column, value);
}

void held_rows_put_number(held_rows *rows, size_t column, td_decimal value)
{
    if (TD_UNLIKELY(rows->buf.capacity - rows->buf.size < ENTRY_BYTES_MAX)) {
        grow_and_put(rows, column, value);
        return;
    }
    held_column *to = begin_run(rows, column, HELD_NUMBER);
    uint64_t step =
        thrift_zigzag((int64_t)((uint64_t)value.mantissa - (uint64_t)to->last.mantissa));
    unsigned size = step == 0 ? 0 : NUMBER_BYTES - (unsigned)__builtin_clzll(step) / 8;
    uint8_t *at = rows->buf.data + rows->buf.size;
    if (value.scale != to->last.scale) {
        at = add_head(at, column, CODE_SCALE);
        *at++ = value.scale;
    }
    at = add_head(at, column, size);
    td_put_le64(at, step); /* always 8 bytes, as next_number reads them */
    rows->buf.size = (size_t)(at + size - rows->buf.data);
    to->last = value;
    rows->put_count++;
}

void held_rows_put_bytes(held_rows *rows, size_t column, td_bytes value)
{
    held_column *to = &rows->columns[column];
    uint8_t head[HEAD_BYTES + SIZE_BYTES];
    rows->put_count++;
    if (to->kind == HELD_BYTES) {
        const uint8_t *last = rows->buf.data + to->bytes;
        if (td_bytes_equal(td_bytes_of(last + SIZE_BYTES, td_le32(last)), value))
            return;
    }
    (void)begin_run(rows, column, HELD_BYTES);
    td_put_le32(add_head(head, column, CODE_BYTES), (uint32_t)value.size);
    td_buf_add(&rows->buf, head, sizeof head);
    to->bytes = (uint32_t)(rows->buf.size - SIZE_BYTES);
    td_buf_add(&rows->buf, value.data, value.size);
    to->last = (td_decimal){0};
}

void held_rows_put_null(held_rows *rows, size_t column)
{
    uint8_t head[HEAD_BYTES];
    rows->put_count++;
    if (rows->columns[column].kind == HELD_NULL)
        return;
    (void)begin_run(rows, column, HELD_NULL);
    (void)add_head(head, column, CODE_NULL);
    td_buf_add(&rows->buf, head, sizeof head);
}

void held_rows_end_row(held_rows *rows)
{
    uint8_t end[HEAD_BYTES];
    TD_ASSERT(rows->put_count == rows->column_count);
    td_put_le16(end, ROW_END);
    td_buf_add(&rows->buf, end, sizeof end);
    rows->put_count = 0;
    rows->row_count++;
}

/* ---- runs ---- */

static int64_t next_number(const uint8_t *at, unsigned size)
{
    uint64_t mask = ~(UINT64_MAX << 4 * size << 4 * size); /* two shifts: size may be 8 */
    uint64_t step = td_le64(at) & mask; /* the buffer has 8 bytes from here, see put_number */
    return (int64_t)(step >> 1 ^ (0 - (step & 1)));
}

/* Orders the entries by column: each column has as many runs as it has counted. */
held_run *held_rows_runs(const held_rows *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->column_count; i++)
        count += rows->columns[i].run_count;
    held_run *runs = td_alloc(count * sizeof *runs);
    held_run *next = runs;
    /* A column's last run so far, whose number and scale are the base of the next one; where that
     * one is written. */
    struct {
        held_run last, *next;
    } *columns = td_alloc_zero(rows->column_count, sizeof *columns);
    for (size_t i = 0; i < rows->column_count; i++) {
        columns[i].next = next;
        next += rows->columns[i].run_count;
    }
    const uint8_t *at = rows->buf.data;
    for (uint32_t row = 0; row < rows->row_count;) {
        unsigned head = td_le16(at);
        at += HEAD_BYTES;
        if (head == ROW_END) {
            row++;
            continue;
        }
        unsigned code = head & ((1U << CODE_BITS) - 1);
        held_run *run = &columns[head >> CODE_BITS].last;
        held_run *to = columns[head >> CODE_BITS].next;
        if (code == CODE_SCALE) {
            run->scale = *at++;
            continue;
        }
        run->row = row;
        if (code == CODE_NULL) {
            run->kind = HELD_NULL;
        } else if (code == CODE_BYTES) {
            run->kind = HELD_BYTES;
        } else {
            run->kind = HELD_NUMBER;
            run->number = (int64_t)((uint64_t)run->number + (uint64_t)next_number(at, code));
            at += code;
        }
        *to = *run;
        if (code == CODE_BYTES) {
            to->number = at - rows->buf.data;
            at += SIZE_BYTES + td_le32(at);
            run->number = 0;
            run->scale = 0;
        }
        columns[head >> CODE_BITS].next++;
    }
    td_free(columns);
    return runs;
}

td_bytes held_rows_bytes(const held_rows *rows, const held_run *run)
{
    const uint8_t *at = rows->buf.data + run->number;
    return td_bytes_of(at + SIZE_BYTES, td_le32(at));
}
