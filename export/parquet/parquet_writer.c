#include "export/parquet/parquet_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/row_table.h"
#include "base/version.h"
#include "export/parquet/encoding.h"
#include "export/parquet/held_rows.h"
#include "export/parquet/thrift.h"

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

enum {
    WIDE_BYTES = 16,
    LENGTH_BYTES = 4,
    NUMBER_BYTES = sizeof(int64_t),
    COMPRESSION_LEVEL = 3,     /* zstd's default level */
    BUFFER_BYTES_MAX = 1 << 30 /* of a page, which ends after the value that fills it */
};

#define MAGIC      "PAR1"
#define CREATED_BY "tapedeck version " TAPEDECK_VERSION " (build " TAPEDECK_VERSION ")"

/* ---- kinds of columns ---- */

/* The format's numbers for physical types. */
typedef enum physical {
    TYPE_BOOLEAN = 0,
    TYPE_INT32 = 1,
    TYPE_INT64 = 2,
    TYPE_DOUBLE = 5,
    TYPE_BYTE_ARRAY = 6,
    TYPE_FIXED = 7,
} physical;

/* Fields of the union LogicalType. */
typedef enum logical {
    LOGICAL_NONE = 0,
    LOGICAL_STRING = 1,
    LOGICAL_DECIMAL = 5,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10,
} logical;

enum { NO_CONVERTED = -1, UNIT_NANOS = 3 };

typedef struct kind_row {
    physical type;
    logical meaning;
    int8_t converted; /* the meaning as an older ConvertedType */
    uint8_t detail;   /* bits of an INTEGER, unit of a TIMESTAMP, precision of a DECIMAL */
} kind_row;

static const kind_row KINDS[PARQUET_KIND_COUNT] = {
    [PARQUET_BOOL] = {TYPE_BOOLEAN, LOGICAL_NONE, NO_CONVERTED, 0},
    [PARQUET_U8] = {TYPE_INT32, LOGICAL_INTEGER, 11, 8},
    [PARQUET_U64] = {TYPE_INT64, LOGICAL_INTEGER, 14, 64},
    [PARQUET_I64] = {TYPE_INT64, LOGICAL_NONE, NO_CONVERTED, 0},
    [PARQUET_TIME_NS] = {TYPE_INT64, LOGICAL_TIMESTAMP, NO_CONVERTED, UNIT_NANOS},
    [PARQUET_DECIMAL_64] = {TYPE_INT64, LOGICAL_DECIMAL, 5, 18},
    [PARQUET_DECIMAL_128] = {TYPE_FIXED, LOGICAL_DECIMAL, 5, 38},
    [PARQUET_F64] = {TYPE_DOUBLE, LOGICAL_NONE, NO_CONVERTED, 0},
    [PARQUET_TEXT] = {TYPE_BYTE_ARRAY, LOGICAL_STRING, 0, 0},
};

/* ---- column chunks ---- */

/* The sizes of pages, headers included. */
typedef struct page_sizes {
    uint64_t uncompressed;
    uint64_t compressed;
} page_sizes;

/* Encodes the columns of a row group, one after the other. It exists only while a group is written:
 * hash tables and pages for each column of each open file would be most of an export's memory. */
typedef struct column_chunk {
    const parquet_column *column;
    const kind_row *kind;
    /* the current page: */
    td_buf numbers; /* int64_t each */
    td_buf indexes; /* index_run each: indexes in the dictionary */
    td_buf plain;   /* encoded as PLAIN */
    td_buf levels;  /* complete runs of definition levels */
    uint8_t level;  /* level of the current run: 1 for values, 0 for nulls */
    size_t run_row; /* first row of the current run */
    size_t row_count;
    /* the dictionary: its values as PLAIN, and the offset of each value */
    td_buf dictionary;
    uint32_t *entries;
    size_t entry_count, entry_capacity;
    row_table by_value;
    uint8_t is_full; /* 1: further values are PLAIN */
    /* the chunk: */
    td_buf pages; /* complete data pages with headers */
    uint64_t uncompressed_bytes;
    uint64_t rows;
    uint64_t nulls;
    unsigned encodings; /* bit set of the parquet_encoding values that its pages use */
    /* the smallest and largest value: encoded as in statistics, or as numbers */
    td_buf least, most;
    int128 least_wide, most_wide;
    int64_t least_number, most_number; /* of U64, with the highest bit flipped */
    uint8_t has_bounds, is_beyond_bounds;
    uint8_t has_fallen; /* 1 if a number is lower than its predecessor */
    /* for all columns: */
    codec *coder;
    td_buf scratch; /* bytes of the current page */
    td_buf header;  /* the header of a page */
    td_buf group;   /* the complete chunks, written together */
} column_chunk;

struct parquet_writer {
    const parquet_schema *schema;
    parquet_out out;
    held_rows held; /* the current row group */
    td_buf groups;  /* descriptions of the row groups, for the footer */
    size_t group_count;
    size_t group_rows; /* maximum rows in a row group */
    uint64_t rows;     /* number of rows in earlier row groups */
    uint64_t bytes;    /* size of the part of the file that has been written */
};

parquet_writer *parquet_open(const parquet_schema *schema, parquet_out out)
{
    parquet_writer *made = td_alloc_zero(1, sizeof *made);
    made->schema = schema;
    made->out = out;
    made->group_rows = schema->group_rows == 0 ? PARQUET_GROUP_ROWS : schema->group_rows;
    held_rows_init(&made->held, schema->column_count);
    td_buf_init(&made->groups, BUFFER_BYTES_MAX);
    return made;
}

void parquet_close(parquet_writer *writer)
{
    if (writer == NULL)
        return;
    held_rows_fini(&writer->held);
    td_buf_fini(&writer->groups);
    td_free(writer);
}

/* held_bytes: of the row group, whose pages are rarely larger. All buffers get their usual size at
 * once, because growing them copies their content: a tenth of the time for encoding. */
static void chunk_init(column_chunk *chunk, size_t held_bytes)
{
    const td_buf none = {.size_max = BUFFER_BYTES_MAX};
    const td_buf bound = {.size_max = PARQUET_BOUND_BYTES};
    *chunk = (column_chunk){.numbers = none, .indexes = none, .plain = none, .levels = none};
    chunk->dictionary = chunk->pages = chunk->scratch = chunk->header = chunk->group = none;
    chunk->least = chunk->most = bound;
    td_buf_grow(&chunk->numbers, PARQUET_PAGE_BYTES);
    td_buf_grow(&chunk->indexes, PARQUET_PAGE_BYTES);
    td_buf_grow(&chunk->dictionary,
                (size_t)3 * PARQUET_DICTIONARY_BYTES); /* with the compressed page */
    td_buf_grow(&chunk->scratch, (size_t)3 * PARQUET_PAGE_BYTES);
    td_buf_grow(&chunk->pages, held_bytes);
    td_buf_grow(&chunk->group, held_bytes);
}

static void chunk_fini(column_chunk *chunk)
{
    td_buf *const bufs[] = {&chunk->numbers,    &chunk->indexes, &chunk->plain, &chunk->levels,
                            &chunk->dictionary, &chunk->pages,   &chunk->least, &chunk->most,
                            &chunk->scratch,    &chunk->header,  &chunk->group};
    for (size_t i = 0; i < sizeof bufs / sizeof bufs[0]; i++)
        td_buf_fini(bufs[i]);
    row_table_fini(&chunk->by_value);
    td_free(chunk->entries);
}

/* ---- decimals of 128 bits, big-endian ---- */

static void write_wide(uint8_t bytes[WIDE_BYTES], int128 value)
{
    td_put_le64(bytes, __builtin_bswap64((uint64_t)(value >> 64)));
    td_put_le64(bytes + NUMBER_BYTES, __builtin_bswap64((uint64_t)value));
}

static int128 read_wide(const uint8_t bytes[WIDE_BYTES])
{
    const uint64_t upper = __builtin_bswap64(td_le64(bytes));
    return (int128)((uint128)upper << 64 | __builtin_bswap64(td_le64(bytes + NUMBER_BYTES)));
}

/* ---- the smallest and largest value ---- */

/* Compares two encoded values: doubles; texts by their bytes. */
static int compare_values(const column_chunk *chunk, td_bytes a, td_bytes b)
{
    if (chunk->kind->type == TYPE_DOUBLE) {
        double p, q;
        memcpy(&p, a.data, sizeof p);
        memcpy(&q, b.data, sizeof q);
        return (p > q) - (p < q);
    }
    return td_bytes_compare(a, b);
}

static void set_bound(td_buf *bound, td_bytes value)
{
    td_buf_clear(bound);
    td_buf_add(bound, value.data, value.size);
}

static void widen_wide(column_chunk *chunk, int128 wide)
{
    if (!chunk->has_bounds || wide < chunk->least_wide)
        chunk->least_wide = wide;
    if (!chunk->has_bounds || wide > chunk->most_wide)
        chunk->most_wide = wide;
    chunk->has_bounds = 1;
}

static void widen_bytes(column_chunk *chunk, td_bytes value)
{
    if (value.size > PARQUET_BOUND_BYTES)
        chunk->is_beyond_bounds = 1;
    if (chunk->is_beyond_bounds)
        return;
    if (!chunk->has_bounds || compare_values(chunk, value, td_buf_view(&chunk->least)) < 0)
        set_bound(&chunk->least, value);
    if (!chunk->has_bounds || compare_values(chunk, value, td_buf_view(&chunk->most)) > 0)
        set_bound(&chunk->most, value);
    chunk->has_bounds = 1;
}

static inline void widen_bounds(column_chunk *chunk, physical type, td_bytes value)
{
    if (type == TYPE_FIXED)
        widen_wide(chunk, read_wide(value.data));
    else
        widen_bytes(chunk, value);
}

static uint64_t sign_flip(const column_chunk *chunk)
{
    return chunk->column->kind == PARQUET_U64 ? UINT64_C(1) << 63 : 0;
}

static void widen_numbers(column_chunk *chunk, int64_t number)
{
    const int64_t value = (int64_t)((uint64_t)number ^ sign_flip(chunk));
    if (!chunk->has_bounds)
        chunk->least_number = chunk->most_number = value;
    chunk->has_bounds = 1;
    chunk->has_fallen |= value < chunk->most_number;
    if (value < chunk->least_number)
        chunk->least_number = value;
    if (value > chunk->most_number)
        chunk->most_number = value;
}

/* ---- pages ---- */

/* The size of a number in statistics and as PLAIN. */
static size_t number_bytes(const column_chunk *chunk)
{
    if (chunk->kind->type == TYPE_BOOLEAN)
        return 1;
    return chunk->kind->type == TYPE_INT32 ? sizeof(int32_t) : NUMBER_BYTES;
}

enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };

/* Compresses the page in `raw` and appends it to `out`, after a header. value_count: the page's
 * values and nulls, or the dictionary's entries. */
static page_sizes add_page(column_chunk *chunk, td_buf *raw, int type, parquet_encoding encoding,
                           size_t value_count, td_buf *out)
{
    td_buf *header = &chunk->header;
    size_t bound = codec_bound(raw->size);
    /* The compressed bytes follow the raw ones. */
    td_buf_grow(raw, bound);
    uint8_t *packed = raw->data + raw->size;
    size_t size = codec_compress(chunk->coder, COMPRESSION_LEVEL, td_buf_view(raw), packed, bound);
    td_buf_clear(header);
    thrift to = {.out = header};
    thrift_i32(&to, 1, type);
    thrift_i32(&to, 2, (int32_t)raw->size);
    thrift_i32(&to, 3, (int32_t)size);
    thrift_i32(&to, 4, (int32_t)td_crc32(0, packed, size));
    thrift_begin(&to, type == PAGE_DATA ? 5 : 7);
    thrift_i32(&to, 1, (int32_t)value_count);
    thrift_i32(&to, 2, (int32_t)encoding);
    if (type == PAGE_DATA) {
        thrift_i32(&to, 3, ENCODING_RLE); /* of definition levels */
        thrift_i32(&to, 4, ENCODING_RLE); /* of repetition levels, unused in flat columns */
    }
    thrift_end(&to);
    thrift_end(&to);
    td_buf_add(out, header->data, header->size);
    td_buf_add(out, packed, size);
    return (page_sizes){header->size + raw->size, header->size + size};
}

/* Ends the current run of levels, in an optional column. */
static void end_run(column_chunk *chunk)
{
    const size_t count = chunk->row_count - chunk->run_row;
    if (count > 0)
        encode_run(&chunk->levels, chunk->level, count);
    chunk->nulls += chunk->level == 0 ? count : 0;
    chunk->run_row = chunk->row_count;
}

/* Encodes the page's values as their kind requires. A page without values is PLAIN, so that readers
 * need not support the empty form of other encodings. */
static parquet_encoding encode_values(const column_chunk *chunk, td_buf *out)
{
    const int64_t *numbers = (const int64_t *)(const void *)chunk->numbers.data;
    size_t count = chunk->numbers.size / NUMBER_BYTES;
    if (count == 0 && chunk->indexes.size == 0) {
        td_buf_add(out, chunk->plain.data, chunk->plain.size);
        return ENCODING_PLAIN;
    }
    switch (chunk->kind->type) {
    case TYPE_BOOLEAN:
        encode_bits(out, numbers, count);
        return ENCODING_PLAIN;
    case TYPE_INT32:
        for (size_t i = 0; i < count; i++)
            td_buf_add(out, &numbers[i], sizeof(int32_t));
        return ENCODING_PLAIN;
    case TYPE_INT64:
        encode_deltas(out, numbers, count);
        return ENCODING_DELTA_BINARY_PACKED;
    case TYPE_DOUBLE:
    case TYPE_BYTE_ARRAY:
    case TYPE_FIXED:
        break;
    }
    encode_indexes(out, (const index_run *)(const void *)chunk->indexes.data,
                   chunk->indexes.size / sizeof(index_run));
    return ENCODING_RLE_DICTIONARY;
}

/* Ends the current page, if it has rows. */
static void end_page(column_chunk *chunk)
{
    td_buf *raw = &chunk->scratch;
    if (chunk->row_count == 0)
        return;
    td_buf_clear(raw);
    if (chunk->column->is_optional) {
        uint8_t size[LENGTH_BYTES];
        end_run(chunk);
        td_put_le32(size, (uint32_t)chunk->levels.size);
        td_buf_add(raw, size, sizeof size);
        td_buf_add(raw, chunk->levels.data, chunk->levels.size);
    }
    parquet_encoding encoding = encode_values(chunk, raw);
    chunk->uncompressed_bytes +=
        add_page(chunk, raw, PAGE_DATA, encoding, chunk->row_count, &chunk->pages).uncompressed;
    chunk->encodings |= 1U << encoding;
    chunk->rows += chunk->row_count;
    chunk->row_count = chunk->run_row = 0;
    td_buf_clear(&chunk->numbers);
    td_buf_clear(&chunk->indexes);
    td_buf_clear(&chunk->plain);
    td_buf_clear(&chunk->levels);
}

/* ---- values ---- */

/* Counts rows of the page: values (level 1) or nulls (level 0). */
static void count_rows(column_chunk *chunk, uint8_t level, size_t count)
{
    if (TD_UNLIKELY(chunk->level != level)) {
        TD_ASSERT(chunk->column->is_optional);
        end_run(chunk);
        chunk->level = level;
    }
    chunk->row_count += count;
}

static void add_numbers(column_chunk *chunk, int64_t value, size_t count)
{
    widen_numbers(chunk, value);
    while (count > 0) {
        size_t space = (PARQUET_PAGE_BYTES - chunk->numbers.size) / NUMBER_BYTES;
        size_t part = count < space ? count : space;
        td_buf_grow(&chunk->numbers, part * NUMBER_BYTES);
        int64_t *to = (int64_t *)(void *)(chunk->numbers.data + chunk->numbers.size);
        for (const int64_t *end = to + part; to < end; to++)
            *to = value;
        chunk->numbers.size += part * NUMBER_BYTES;
        count_rows(chunk, 1, part);
        if (part == space)
            end_page(chunk);
        count -= part;
    }
}

/* Appends a value as PLAIN; a text after its length. Returns the offset of the value's first
 * byte. */
static inline size_t add_plain(td_buf *to, physical type, td_bytes value)
{
    uint8_t size[LENGTH_BYTES];
    td_put_le32(size, (uint32_t)value.size);
    if (type == TYPE_BYTE_ARRAY)
        td_buf_add(to, size, sizeof size);
    size_t from = to->size;
    td_buf_add(to, value.data, value.size);
    return from;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    const uint128 product = (uint128)(hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* In a third of the time of td_xxh64. */
static inline uint64_t hash_bytes(td_bytes value)
{
    uint64_t hash = value.size;
    uint64_t last = 0;
    size_t i = 0;
    for (; i + sizeof hash <= value.size; i += sizeof hash)
        hash = mix(hash, td_le64(value.data + i));
    for (; i < value.size; i++)
        last = last << 8 | value.data[i];
    return mix(hash, last);
}

/* Returns the index of a value in the dictionary. Adds a new value. */
static inline __attribute__((always_inline)) uint32_t
dictionary_index(column_chunk *chunk, physical type, td_bytes value)
{
    const uint64_t hash = hash_bytes(value);
    row_probe probe = row_probe_of(hash);
    while (row_table_next(&chunk->by_value, &probe)) {
        const uint8_t *bytes = chunk->dictionary.data + chunk->entries[probe.row];
        const size_t size = type == TYPE_BYTE_ARRAY ? td_le32(bytes - LENGTH_BYTES) : value.size;
        if (td_bytes_equal(td_bytes_of(bytes, size), value))
            return probe.row;
    }
    td_array_ensure((void **)&chunk->entries, &chunk->entry_capacity, chunk->entry_count,
                    sizeof *chunk->entries);
    chunk->entries[chunk->entry_count] = (uint32_t)add_plain(&chunk->dictionary, type, value);
    row_table_put(&chunk->by_value, hash, chunk->entry_count);
    widen_bounds(chunk, type, value);
    return (uint32_t)chunk->entry_count++;
}

/* Adds a value that the full dictionary may lack. */
static __attribute__((noinline)) void add_plain_rows(column_chunk *chunk, td_bytes value,
                                                     size_t count)
{
    if (!chunk->is_full)
        end_page(chunk);
    chunk->is_full = 1;
    widen_bounds(chunk, chunk->kind->type, value);
    for (; count > 0; count--) {
        (void)add_plain(&chunk->plain, chunk->kind->type, value);
        count_rows(chunk, 1, 1);
        if (chunk->plain.size >= PARQUET_PAGE_BYTES)
            end_page(chunk);
    }
}

/* type: of the column. Inline, because decimals, which are most values, take two thirds of the time
 * if the compiler knows the type. */
static inline __attribute__((always_inline)) void add_bytes(column_chunk *chunk, physical type,
                                                            td_bytes value, size_t count)
{
    if (chunk->dictionary.size >= PARQUET_DICTIONARY_BYTES) {
        add_plain_rows(chunk, value, count);
        return;
    }
    const index_run run = {dictionary_index(chunk, type, value), (uint32_t)count};
    td_buf_add(&chunk->indexes, &run, sizeof run);
    count_rows(chunk, 1, count);
    if (TD_UNLIKELY(chunk->indexes.size >= PARQUET_PAGE_BYTES))
        end_page(chunk);
}

/* Adds a number in as many rows. */
static void add_number(column_chunk *chunk, td_decimal value, size_t count)
{
    const uint8_t scale = chunk->column->scale;
    uint8_t bytes[WIDE_BYTES];
    int64_t mantissa = value.mantissa;
    if (chunk->kind->type == TYPE_DOUBLE) {
        double nearest = td_decimal_double(value);
        memcpy(bytes, &nearest, sizeof nearest);
        add_bytes(chunk, TYPE_DOUBLE, td_bytes_of(bytes, sizeof nearest), count);
        return;
    }
    if (value.scale > scale)
        value = td_decimal_shortest(value);
    if (chunk->kind->type != TYPE_FIXED) {
        td_result rc = td_decimal_rescale(value, scale, &mantissa);
        TD_ASSERT(rc == TD_OK); /* parquet_put_decimal has checked it */
        add_numbers(chunk, mantissa, count);
        return;
    }
    write_wide(bytes, (int128)value.mantissa * td_power_of_ten[scale - value.scale]);
    add_bytes(chunk, TYPE_FIXED, td_bytes_of(bytes, sizeof bytes), count);
}

/* Adds all runs of the column. */
static void add_runs(column_chunk *chunk, const held_rows *held, const held_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const held_run *run = &runs[i];
        const size_t end = i + 1 < count ? runs[i + 1].row : held->row_count;
        const td_decimal number = {run->number, run->scale};
        if (run->kind == HELD_NUMBER)
            add_number(chunk, number, end - run->row);
        else if (run->kind == HELD_BYTES)
            add_bytes(chunk, chunk->kind->type, held_rows_bytes(held, run), end - run->row);
        else
            count_rows(chunk, 0, end - run->row);
    }
}

/* ---- rows ---- */

void parquet_put_null(parquet_writer *writer, size_t column)
{
    TD_ASSERT(writer->schema->columns[column].is_optional);
    held_rows_put_null(&writer->held, column);
}

void parquet_put_integer(parquet_writer *writer, size_t column, int64_t value)
{
    const parquet_column *to = &writer->schema->columns[column];
    const td_decimal number = {value, 0};
    if (held_rows_keep_number(&writer->held, column, number))
        return;
    TD_ASSERT(to->kind <= PARQUET_TIME_NS);
    TD_ASSERT(to->kind != PARQUET_U8 || (value >= 0 && value <= UINT8_MAX));
    held_rows_put_number(&writer->held, column, number);
}

void parquet_put_text(parquet_writer *writer, size_t column, td_bytes text)
{
    TD_ASSERT(writer->schema->columns[column].kind == PARQUET_TEXT);
    held_rows_put_bytes(&writer->held, column, text);
}

/* Apart, as grow_and_put: most words are those of the row before. */
static __attribute__((noinline)) void put_other_word(parquet_writer *writer, size_t column,
                                                     const char *word)
{
    parquet_put_text(writer, column, td_bytes_str(word));
    writer->held.columns[column].word = word;
}

void parquet_put_word(parquet_writer *writer, size_t column, const char *word)
{
    if (writer->held.columns[column].word == word)
        writer->held.put_count++;
    else
        put_other_word(writer, column, word);
}

int parquet_keep(parquet_writer *writer, size_t count)
{
    return held_rows_keep(&writer->held, count);
}

static td_result refuse(const parquet_column *column, const char *text, size_t size, td_err *err)
{
    return td_err_set(err, TD_E_LIMIT, "column %s: %.*s does not fit DECIMAL(%u,%u)", column->name,
                      (int)size, text, KINDS[column->kind].detail, column->scale);
}

/* Mantissas with at most 18 digits fit in an INT64 column. Every int64_t fits in a 128-bit column,
 * also with 18 decimal places. */
static int is_fit(const parquet_column *column, td_decimal value)
{
    const int64_t end = td_power_of_ten[TD_DECIMAL_SCALE_MAX];
    int64_t mantissa;
    TD_ASSERT(column->kind >= PARQUET_DECIMAL_64);
    TD_ASSERT(column->kind <= PARQUET_F64);
    if (column->kind == PARQUET_F64)
        return 1;
    if (value.scale > column->scale)
        value = td_decimal_shortest(value);
    if (value.scale > column->scale || column->kind == PARQUET_DECIMAL_128)
        return value.scale <= column->scale;
    return td_decimal_rescale(value, column->scale, &mantissa) == TD_OK && mantissa < end &&
           mantissa > -end;
}

static __attribute__((noinline)) td_result put_if_fit(parquet_writer *writer, size_t column,
                                                      td_decimal value, td_err *err)
{
    const parquet_column *to = &writer->schema->columns[column];
    char text[TD_DECIMAL_TEXT_BYTES];
    if (!is_fit(to, value))
        return refuse(to, text, td_decimal_format(value, text), err);
    held_rows_put_number(&writer->held, column, value);
    return TD_OK;
}

td_result parquet_put_decimal(parquet_writer *writer, size_t column, td_decimal value, td_err *err)
{
    const parquet_column *to = &writer->schema->columns[column];
    if (held_rows_keep_number(&writer->held, column, value))
        return TD_OK;
    if (TD_UNLIKELY(to->kind != PARQUET_DECIMAL_128 || value.scale > to->scale))
        return put_if_fit(writer, column, value, err);
    held_rows_put_number(&writer->held, column, value);
    return TD_OK;
}

td_result parquet_put_big_decimal(parquet_writer *writer, size_t column, td_bytes text, td_err *err)
{
    const parquet_column *to = &writer->schema->columns[column];
    uint8_t bytes[WIDE_BYTES];
    /* 10^38, the end of a 128-bit column's values */
    const uint128 end = (uint128)td_power_of_ten[18] * (uint128)td_power_of_ten[18] * 100;
    uint128 value = 0;
    int is_negative = text.size > 0 && text.data[0] == '-';
    size_t places = 0;
    int has_point = 0;
    if (to->kind == PARQUET_F64) {
        char copy[128];
        (void)snprintf(copy, sizeof copy, "%.*s", (int)text.size, (const char *)text.data);
        double nearest = strtod(copy, NULL);
        nearest = nearest == 0 ? 0 : nearest; /* no -0 */
        memcpy(bytes, &nearest, sizeof nearest);
        held_rows_put_bytes(&writer->held, column, td_bytes_of(bytes, sizeof nearest));
        return TD_OK;
    }
    int fits = to->kind == PARQUET_DECIMAL_128;
    for (size_t i = (size_t)is_negative; fits && (i < text.size || places < to->scale); i++) {
        if (i < text.size && text.data[i] == '.') {
            has_point = 1;
            continue;
        }
        const unsigned digit = i < text.size ? text.data[i] - '0' : 0;
        TD_ASSERT(digit <= 9);
        fits = value < end / 10;
        value = value * 10 + digit;
        places += (size_t)(has_point || i >= text.size); /* zeros follow the text */
    }
    fits = fits && places <= to->scale;
    if (!fits)
        return refuse(to, (const char *)text.data, text.size, err);
    write_wide(bytes, is_negative ? -(int128)value : (int128)value);
    held_rows_put_bytes(&writer->held, column, td_bytes_of(bytes, sizeof bytes));
    return TD_OK;
}

/* ---- row groups ---- */

static td_result write_bytes(parquet_writer *writer, td_bytes bytes, td_err *err)
{
    writer->bytes += bytes.size;
    return writer->out.write(writer->out.ctx, bytes, err);
}

/* Adds the magic at the start of the file. */
static void begin_file(const parquet_writer *writer, td_buf *to)
{
    if (writer->bytes == 0)
        td_buf_add(to, MAGIC, strlen(MAGIC));
}

static void describe_bound(thrift *to, int id, const column_chunk *chunk, int64_t number,
                           int128 wide, const td_buf *value)
{
    uint8_t bytes[WIDE_BYTES];
    td_bytes bound = td_buf_view(value);
    if (chunk->kind->type == TYPE_FIXED) {
        write_wide(bytes, wide);
        bound = td_bytes_of(bytes, WIDE_BYTES);
    } else if (chunk->kind->type < TYPE_DOUBLE) {
        td_put_le64(bytes, (uint64_t)number ^ sign_flip(chunk));
        bound = td_bytes_of(bytes, number_bytes(chunk));
    }
    thrift_text(to, id, bound);
}

static void describe_bounds(thrift *to, const column_chunk *chunk)
{
    thrift_begin(to, 12);
    thrift_i64(to, 3, (int64_t)chunk->nulls);
    if (chunk->has_bounds && !chunk->is_beyond_bounds) {
        describe_bound(to, 5, chunk, chunk->most_number, chunk->most_wide, &chunk->most);
        describe_bound(to, 6, chunk, chunk->least_number, chunk->least_wide, &chunk->least);
        thrift_bool(to, 7, 1); /* is_max_value_exact, is_min_value_exact */
        thrift_bool(to, 8, 1);
    }
    thrift_end(to);
}

/* Writes a ColumnChunk for the footer. dictionary: sizes of the dictionary page, which precedes the
 * data pages. */
static void describe_chunk(thrift *to, const column_chunk *chunk, page_sizes dictionary,
                           uint64_t file_offset)
{
    static const parquet_encoding ENCODINGS[] = {
        ENCODING_PLAIN, ENCODING_RLE, ENCODING_DELTA_BINARY_PACKED, ENCODING_RLE_DICTIONARY};
    size_t count = 0;
    for (size_t i = 0; i < sizeof ENCODINGS / sizeof ENCODINGS[0]; i++)
        count += chunk->encodings >> ENCODINGS[i] & 1U;
    thrift_item(to);
    thrift_i64(to, 2, 0);
    thrift_begin(to, 3);
    thrift_i32(to, 1, (int32_t)chunk->kind->type);
    thrift_list(to, 2, THRIFT_I32, count);
    for (size_t i = 0; i < sizeof ENCODINGS / sizeof ENCODINGS[0]; i++)
        if ((chunk->encodings >> ENCODINGS[i] & 1U) != 0)
            thrift_item_i32(to, (int32_t)ENCODINGS[i]);
    thrift_list(to, 3, THRIFT_TEXT, 1);
    thrift_item_text(to, td_bytes_str(chunk->column->name));
    thrift_i32(to, 4, 6); /* ZSTD */
    thrift_i64(to, 5, (int64_t)chunk->rows);
    thrift_i64(to, 6, (int64_t)(chunk->uncompressed_bytes + dictionary.uncompressed));
    thrift_i64(to, 7, (int64_t)(chunk->pages.size + dictionary.compressed));
    thrift_i64(to, 9, (int64_t)(file_offset + dictionary.compressed));
    if (chunk->entry_count > 0)
        thrift_i64(to, 11, (int64_t)file_offset);
    describe_bounds(to, chunk);
    thrift_end(to);
    thrift_end(to);
}

static void begin_chunk(column_chunk *chunk, const parquet_column *column)
{
    chunk->column = column;
    chunk->kind = &KINDS[column->kind];
    td_buf_clear(&chunk->dictionary);
    td_buf_clear(&chunk->pages);
    row_table_clear(&chunk->by_value);
    chunk->entry_count = 0;
    chunk->is_full = 0;
    chunk->uncompressed_bytes = 0;
    chunk->rows = 0;
    chunk->nulls = 0;
    chunk->level = 1;
    chunk->encodings = 0;
    chunk->has_bounds = 0;
    chunk->is_beyond_bounds = 0;
    chunk->has_fallen = 0;
}

/* Adds a column's pages to the group, the dictionary first, and their description for the
 * footer. */
static void end_chunk(const parquet_writer *writer, column_chunk *chunk, thrift *to,
                      page_sizes *sizes)
{
    page_sizes dictionary = {0, 0};
    const uint64_t file_offset = writer->bytes + chunk->group.size;
    end_page(chunk);
    if (chunk->column->is_optional)
        chunk->encodings |= 1U << ENCODING_RLE;
    if (chunk->entry_count > 0) {
        dictionary = add_page(chunk, &chunk->dictionary, PAGE_DICTIONARY, ENCODING_PLAIN,
                              chunk->entry_count, &chunk->group);
        chunk->encodings |= 1U << ENCODING_PLAIN | 1U << ENCODING_RLE;
    }
    td_buf_add(&chunk->group, chunk->pages.data, chunk->pages.size);
    describe_chunk(to, chunk, dictionary, file_offset);
    sizes->uncompressed += chunk->uncompressed_bytes + dictionary.uncompressed;
    sizes->compressed += chunk->pages.size + dictionary.compressed;
}

/* Encodes all columns and writes them together. */
static td_result write_chunks(parquet_writer *writer, thrift *to, page_sizes *sizes, int *is_sorted,
                              td_err *err)
{
    const parquet_schema *schema = writer->schema;
    held_run *runs = held_rows_runs(&writer->held);
    const held_run *next = runs;
    column_chunk chunk;
    chunk_init(&chunk, writer->held.buf.size);
    chunk.coder = codec_take(writer->out.coders);
    begin_file(writer, &chunk.group);
    for (size_t i = 0; i < schema->column_count; i++) {
        const size_t count = writer->held.columns[i].run_count;
        begin_chunk(&chunk, &schema->columns[i]);
        add_runs(&chunk, &writer->held, next, count);
        end_chunk(writer, &chunk, to, sizes);
        if (schema->sorted_by == (int)i)
            *is_sorted = !chunk.has_fallen;
        next += count;
    }
    td_free(runs);
    td_result rc = write_bytes(writer, td_buf_view(&chunk.group), err);
    codec_give(writer->out.coders, chunk.coder);
    chunk_fini(&chunk);
    return rc;
}

/* Ends the current row group, if it has rows. */
static td_result end_group(parquet_writer *writer, td_err *err)
{
    const parquet_schema *schema = writer->schema;
    const size_t row_count = writer->held.row_count;
    page_sizes sizes = {0, 0};
    int is_sorted = 0;
    thrift to = {.out = &writer->groups};
    if (row_count == 0)
        return TD_OK;
    const uint64_t file_offset = writer->bytes == 0 ? strlen(MAGIC) : writer->bytes;
    thrift_list(&to, 1, THRIFT_STRUCT, schema->column_count);
    td_result rc = write_chunks(writer, &to, &sizes, &is_sorted, err);
    thrift_i64(&to, 2, (int64_t)sizes.uncompressed);
    thrift_i64(&to, 3, (int64_t)row_count);
    if (is_sorted) {
        thrift_list(&to, 4, THRIFT_STRUCT, 1);
        thrift_item(&to);
        thrift_i32(&to, 1, schema->sorted_by);
        thrift_bool(&to, 2, 0); /* descending */
        thrift_bool(&to, 3, 0); /* nulls first */
        thrift_end(&to);
    }
    thrift_i64(&to, 5, (int64_t)file_offset);
    thrift_i64(&to, 6, (int64_t)sizes.compressed);
    thrift_end(&to);
    writer->rows += row_count;
    writer->group_count++;
    held_rows_clear(&writer->held);
    return rc;
}

td_result parquet_end_row(parquet_writer *writer, td_err *err)
{
    held_rows_end_row(&writer->held);
    return writer->held.row_count >= writer->group_rows ||
                   writer->held.buf.size >= PARQUET_GROUP_BYTES
               ? end_group(writer, err)
               : TD_OK;
}

/* ---- the footer ---- */

static void describe_meaning(thrift *to, const parquet_column *column)
{
    const kind_row *kind = &KINDS[column->kind];
    thrift_begin(to, 10);
    thrift_begin(to, (int)kind->meaning);
    switch (kind->meaning) {
    case LOGICAL_NONE:
    case LOGICAL_STRING:
        break;
    case LOGICAL_DECIMAL:
        thrift_i32(to, 1, column->scale);
        thrift_i32(to, 2, kind->detail);
        break;
    case LOGICAL_TIMESTAMP:
        thrift_bool(to, 1, 1); /* isAdjustedToUTC */
        thrift_begin(to, 2);
        thrift_begin(to, kind->detail);
        thrift_end(to);
        thrift_end(to);
        break;
    case LOGICAL_INTEGER:
        thrift_i8(to, 1, (int8_t)kind->detail);
        thrift_bool(to, 2, 0); /* isSigned */
        break;
    }
    thrift_end(to);
    thrift_end(to);
}

static void describe_column(thrift *to, const parquet_column *column)
{
    const kind_row *kind = &KINDS[column->kind];
    thrift_item(to);
    thrift_i32(to, 1, (int32_t)kind->type);
    if (kind->type == TYPE_FIXED)
        thrift_i32(to, 2, WIDE_BYTES);
    thrift_i32(to, 3, column->is_optional);
    thrift_text(to, 4, td_bytes_str(column->name));
    if (kind->converted != NO_CONVERTED)
        thrift_i32(to, 6, kind->converted);
    if (kind->meaning == LOGICAL_DECIMAL) {
        thrift_i32(to, 7, column->scale);
        thrift_i32(to, 8, kind->detail);
    }
    if (kind->meaning != LOGICAL_NONE)
        describe_meaning(to, column);
    thrift_end(to);
}

static void describe_file(const parquet_writer *writer, thrift *to)
{
    const parquet_schema *schema = writer->schema;
    thrift_i32(to, 1, 1); /* version */
    thrift_list(to, 2, THRIFT_STRUCT, schema->column_count + 1);
    thrift_item(to); /* the root */
    thrift_text(to, 4, td_bytes_str("schema"));
    thrift_i32(to, 5, (int32_t)schema->column_count);
    thrift_end(to);
    for (size_t i = 0; i < schema->column_count; i++)
        describe_column(to, &schema->columns[i]);
    thrift_i64(to, 3, (int64_t)writer->rows);
    thrift_list(to, 4, THRIFT_STRUCT, writer->group_count);
    td_buf_add(to->out, writer->groups.data, writer->groups.size);
    if (schema->pair_count > 0)
        thrift_list(to, 5, THRIFT_STRUCT, schema->pair_count);
    for (size_t i = 0; i < schema->pair_count; i++) {
        thrift_item(to);
        thrift_text(to, 1, td_bytes_str(schema->pairs[i].key));
        thrift_text(to, 2, td_bytes_str(schema->pairs[i].value));
        thrift_end(to);
    }
    thrift_text(to, 6, td_bytes_str(CREATED_BY));
    thrift_list(to, 7, THRIFT_STRUCT, schema->column_count);
    for (size_t i = 0; i < schema->column_count; i++) {
        thrift_item(to); /* ColumnOrder: TypeDefinedOrder */
        thrift_begin(to, 1);
        thrift_end(to);
        thrift_end(to);
    }
    thrift_end(to);
}

td_result parquet_finish(parquet_writer *writer, td_err *err)
{
    td_buf footer;
    uint8_t size[LENGTH_BYTES];
    td_result rc = end_group(writer, err);
    td_buf_init(&footer, BUFFER_BYTES_MAX);
    begin_file(writer, &footer);
    const size_t from = footer.size;
    thrift to = {.out = &footer};
    describe_file(writer, &to);
    td_put_le32(size, (uint32_t)(footer.size - from));
    td_buf_add(&footer, size, sizeof size);
    td_buf_add(&footer, MAGIC, strlen(MAGIC));
    if (rc == TD_OK)
        rc = write_bytes(writer, td_buf_view(&footer), err);
    td_buf_fini(&footer);
    return rc;
}
