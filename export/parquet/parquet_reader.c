#include "export/parquet/parquet_reader.h"

#include <string.h>

#include <zstd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/parquet/thrift.h"

#define MAGIC "PAR1"

enum {
    LENGTH_BYTES = 4,
    VARINT_BITS = 64,
    PAGE_BYTES_MAX = 64 << 20, /* enough for a dictionary with the largest instrument's text */
};

/* ---- Thrift's compact protocol ---- */

/* Type numbers in field headers. */
enum {
    TYPE_TRUE = 1,
    TYPE_FALSE = 2,
    TYPE_BYTE = 3,
    TYPE_I16 = 4,
    TYPE_I64 = 6,
    TYPE_LIST = 9,
};

/* A position in Thrift bytes. After malformed bytes `left` is empty, and all further values read as
 * 0. */
typedef struct reader {
    td_bytes left;
    uint8_t is_bad;
} reader;

static void give_up(reader *from)
{
    from->is_bad = 1;
    from->left.size = 0;
}

static td_bytes read_bytes(reader *from, uint64_t size)
{
    td_bytes taken = td_bytes_of(from->left.data, (size_t)size);
    if (size > from->left.size) {
        give_up(from);
        return td_bytes_of(from->left.data, 0);
    }
    from->left = td_bytes_of(from->left.data + size, from->left.size - (size_t)size);
    return taken;
}

static unsigned read_byte(reader *from)
{
    td_bytes one = read_bytes(from, 1);
    return one.size == 0 ? 0 : one.data[0];
}

static uint64_t read_varint(reader *from)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < VARINT_BITS; shift += 7) {
        unsigned byte = read_byte(from);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    give_up(from);
    return 0;
}

static int64_t read_number(reader *from)
{
    uint64_t zigzag = read_varint(from);
    return (int64_t)(zigzag >> 1 ^ (~(zigzag & 1) + 1));
}

static td_bytes read_text(reader *from)
{
    uint64_t size = read_varint(from);
    return read_bytes(from, size);
}

/* Reads a list's header. Returns the number of elements, at most one per remaining byte. */
static uint64_t read_list(reader *from, unsigned *type)
{
    unsigned head = read_byte(from);
    uint64_t count = head >> 4;
    *type = head & 0xf;
    if (count == 0xf)
        count = read_varint(from);
    if (count > from->left.size)
        give_up(from);
    return from->is_bad ? 0 : count;
}

/* Reads the header of a struct's next field. *id: the previous field's id on entry, this one's on
 * return. 0 at the struct's end. */
static int next_field(reader *from, int *id, unsigned *type)
{
    unsigned head = read_byte(from);
    *type = head & 0xf;
    if (head == 0)
        return 0;
    *id = head >> 4 != 0 ? *id + (int)(head >> 4) : (int)(read_number(from) & INT16_MAX);
    return !from->is_bad;
}

static void skip(reader *from, unsigned type, unsigned depth);

static void skip_list(reader *from, unsigned depth)
{
    unsigned type;
    uint64_t count = read_list(from, &type);
    for (uint64_t i = 0; i < count && !from->is_bad; i++)
        if (type == TYPE_TRUE || type == TYPE_FALSE)
            (void)read_byte(from);
        else
            skip(from, type, depth);
}

static void skip_struct(reader *from, unsigned depth)
{
    int id = 0;
    unsigned type;
    while (next_field(from, &id, &type))
        skip(from, type, depth);
}

static void skip(reader *from, unsigned type, unsigned depth)
{
    if (type == TYPE_BYTE)
        (void)read_byte(from);
    else if (type >= TYPE_I16 && type <= TYPE_I64)
        (void)read_varint(from);
    else if (type == THRIFT_TEXT)
        (void)read_text(from);
    else if (type == TYPE_LIST && depth < THRIFT_DEPTH_MAX)
        skip_list(from, depth + 1);
    else if (type == THRIFT_STRUCT && depth < THRIFT_DEPTH_MAX)
        skip_struct(from, depth + 1);
    else if (type != TYPE_TRUE && type != TYPE_FALSE)
        give_up(from);
}

/* Skips to a list of structs in a struct; returns the number of its elements, 0 if the field is
 * absent or has another type. */
static uint64_t find_list(reader *from, int wanted)
{
    int id = 0;
    unsigned type;
    while (next_field(from, &id, &type) && id != wanted)
        skip(from, type, 0);
    if (id != wanted || type != TYPE_LIST)
        return 0;
    uint64_t count = read_list(from, &type);
    if (type != THRIFT_STRUCT)
        give_up(from);
    return count;
}

/* ---- the footer ---- */

static td_result refuse(td_err *err)
{
    return td_err_set(err, TD_E_INVALID, "it is not a complete Parquet file of this program");
}

td_result parquet_footer_size(const uint8_t tail[PARQUET_TAIL_BYTES], uint64_t file_bytes,
                              uint64_t *out, td_err *err)
{
    *out = (uint64_t)td_le32(tail) + PARQUET_TAIL_BYTES;
    if (memcmp(tail + LENGTH_BYTES, MAGIC, LENGTH_BYTES) != 0 || *out + LENGTH_BYTES > file_bytes)
        return refuse(err);
    return TD_OK;
}

/* Finds a metadata value in a footer. *out is the value with its length prefix. 0 if the key is
 * absent. */
static int find_metadata(reader *from, const char *key, td_bytes *out)
{
    uint64_t count = find_list(from, 5);
    for (uint64_t i = 0; i < count; i++) {
        int id = 0;
        int is_wanted = 0;
        unsigned type;
        while (next_field(from, &id, &type)) {
            const uint8_t *at = from->left.data;
            if (type != THRIFT_TEXT)
                give_up(from);
            td_bytes text = read_text(from);
            is_wanted |= id == 1 && td_bytes_is(text, key);
            *out = td_bytes_of(at, (size_t)(from->left.data - at));
            if (id == 2 && is_wanted)
                return !from->is_bad;
        }
    }
    return 0;
}

td_result parquet_footer_set(td_buf *footer, parquet_key_value entry, td_err *err)
{
    uint8_t size[LENGTH_BYTES];
    td_bytes old;
    TD_ASSERT(footer->size >= PARQUET_TAIL_BYTES);
    reader from = {.left = td_bytes_of(footer->data, footer->size - PARQUET_TAIL_BYTES)};
    int is_there = find_metadata(&from, entry.key, &old);
    if (from.is_bad)
        return refuse(err);
    if (!is_there)
        return TD_OK;
    td_buf changed;
    td_buf_init(&changed, footer->size_max);
    size_t before = (size_t)(old.data - footer->data);
    size_t after = footer->size - PARQUET_TAIL_BYTES - before - old.size;
    td_buf_add(&changed, footer->data, before);
    thrift to = {.out = &changed};
    thrift_item_text(&to, td_bytes_str(entry.value));
    td_buf_add(&changed, old.data + old.size, after);
    td_put_le32(size, (uint32_t)changed.size);
    td_buf_add(&changed, size, sizeof size);
    td_buf_add(&changed, MAGIC, LENGTH_BYTES);
    td_buf_fini(footer);
    *footer = changed;
    return TD_OK;
}

/* ---- a row ---- */

/* The offsets of a column's pages. */
typedef struct chunk_offsets {
    uint64_t data;
    uint64_t dictionary; /* 0 without a dictionary */
} chunk_offsets;

/* Reads a ColumnChunk. */
static chunk_offsets read_chunk(reader *from)
{
    chunk_offsets found = {0, 0};
    int id = 0;
    unsigned type;
    while (next_field(from, &id, &type)) {
        int meta_id = 0;
        if (id != 3 || type != THRIFT_STRUCT) {
            skip(from, type, 0);
            continue;
        }
        while (next_field(from, &meta_id, &type))
            if (type == TYPE_I64 && (meta_id == 9 || meta_id == 11))
                *(meta_id == 9 ? &found.data : &found.dictionary) = (uint64_t)read_number(from);
            else
                skip(from, type, 0);
    }
    return found;
}

/* Reads the page at an offset and decompresses it into *out, which is allocated. */
static td_result read_page(td_bytes file, uint64_t offset, uint8_t **out, size_t *size, td_err *err)
{
    int id = 0;
    unsigned type;
    int64_t sizes[2] = {0, 0}; /* sizes of the page: uncompressed, compressed */
    if (offset >= file.size)
        return refuse(err);
    reader from = {.left = td_bytes_of(file.data + offset, file.size - (size_t)offset)};
    while (next_field(&from, &id, &type))
        if (type == THRIFT_I32 && (id == 2 || id == 3))
            sizes[id - 2] = read_number(&from);
        else
            skip(&from, type, 0);
    td_bytes packed = read_bytes(&from, (uint64_t)sizes[1]);
    if (from.is_bad || sizes[0] < 0 || sizes[0] > PAGE_BYTES_MAX ||
        ZSTD_getFrameContentSize(packed.data, packed.size) != (uint64_t)sizes[0])
        return refuse(err);
    *size = (size_t)sizes[0];
    *out = td_alloc(*size + 1);
    if (ZSTD_decompress(*out, *size, packed.data, packed.size) == *size)
        return TD_OK;
    td_free(*out);
    return refuse(err);
}

/* Reads a dictionary's first entry. */
static int first_text(td_bytes page, parquet_value *out)
{
    reader from = {.left = page};
    td_bytes size = read_bytes(&from, LENGTH_BYTES);
    td_bytes text = read_bytes(&from, from.is_bad ? 0 : td_le32(size.data));
    if (from.is_bad)
        return 0;
    out->text = td_strndup((const char *)text.data, text.size);
    out->text_bytes = text.size;
    return 1;
}

/* Reads the first number of a page, encoded as its kind requires. */
static int first_number(td_bytes page, parquet_kind kind, parquet_value *out)
{
    reader from = {.left = page};
    if (kind == PARQUET_BOOL || kind == PARQUET_U8) {
        out->integer = (int64_t)read_byte(&from); /* a BOOLEAN's bit, or the low byte of an INT32 */
        out->integer &= kind == PARQUET_BOOL ? 1 : UINT8_MAX;
        return !from.is_bad;
    }
    for (unsigned i = 0; i < 3; i++) /* skip block size, miniblock count, value count */
        (void)read_varint(&from);
    out->integer = read_number(&from);
    return !from.is_bad;
}

static td_result read_value(td_bytes file, chunk_offsets at, const parquet_column *column,
                            parquet_value *out, td_err *err)
{
    int is_text = column->kind == PARQUET_TEXT;
    uint8_t *page = NULL;
    size_t size = 0;
    TD_ASSERT(is_text || !column->is_optional);
    TD_ASSERT(is_text || column->kind <= PARQUET_TIME_NS);
    *out = (parquet_value){.is_null = is_text && at.dictionary == 0};
    if (out->is_null)
        return column->is_optional ? TD_OK : refuse(err);
    td_result rc = read_page(file, is_text ? at.dictionary : at.data, &page, &size, err);
    if (rc != TD_OK)
        return rc;
    td_bytes content = td_bytes_of(page, size);
    if (is_text ? !first_text(content, out) : !first_number(content, column->kind, out))
        rc = refuse(err);
    td_free(page);
    return rc;
}

td_result parquet_read_row(td_bytes file, const parquet_column *columns, size_t column_count,
                           parquet_value *values, td_err *err)
{
    uint64_t footer_bytes = 0;
    if (file.size < PARQUET_TAIL_BYTES)
        return refuse(err);
    td_result rc = parquet_footer_size(file.data + file.size - PARQUET_TAIL_BYTES, file.size,
                                       &footer_bytes, err);
    if (rc != TD_OK)
        return rc;
    reader from = {.left = td_bytes_of(file.data + file.size - footer_bytes,
                                       (size_t)footer_bytes - PARQUET_TAIL_BYTES)};
    if (find_list(&from, 4) == 0 || find_list(&from, 1) != column_count)
        return refuse(err);
    size_t read = 0;
    for (; rc == TD_OK && read < column_count; read++) {
        chunk_offsets at = read_chunk(&from);
        rc = from.is_bad ? refuse(err) : read_value(file, at, &columns[read], &values[read], err);
        if (rc != TD_OK)
            break;
    }
    for (size_t i = 0; rc != TD_OK && i < read; i++)
        td_free(values[i].text);
    return rc;
}
