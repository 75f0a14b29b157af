#include "export/npz.h"

#include <stdio.h>

#define ZLIB_CONST /* makes zlib's input pointer const */
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"

/* Constants of the zip format (APPNOTE.TXT 6.3, sections 4.3 and 4.5). The sizes of a member are
 * unknown when its header is written; they are in a descriptor after its data (flag 8), and in the
 * directory. */
enum {
    LOCAL_SIGNATURE = 0x04034b50,
    DESCRIPTOR_SIGNATURE = 0x08074b50,
    DIRECTORY_SIGNATURE = 0x02014b50,
    END_SIGNATURE = 0x06054b50,
    END64_SIGNATURE = 0x06064b50,
    LOCATOR_SIGNATURE = 0x07064b50,
    VERSION = 20,
    VERSION_ZIP64 = 45,
    FLAG_DESCRIPTOR = 8,
    METHOD_DEFLATE = 8,
    DATE_1980 = 0x21,
    ZIP64_FIELD = 1,
    ZIP64_FIELD_BYTES = 20,
    END64_BYTES = 44, /* size of the ZIP64 end record without its signature and size field */
};

/* Members of at least this size use ZIP64. It is less than 4 GiB, because deflate may enlarge
 * data. */
static const uint64_t ZIP64_BYTES = 0xF0000000;
static const uint32_t IN_ZIP64 = 0xFFFFFFFF;

static const char MEMBER[] = "data.npy";

/* Constants of numpy's format. numpy leaves space for a count of 21 digits in the header. */
enum { NPY_PREFIX_BYTES = 10, NPY_ALIGNMENT = 64, NPY_COUNT_DIGITS = 21 };

enum {
    STEP_BYTES = 16 << 10, /* output space for zlib at a time */
    MEMORY_LEVEL = 8,      /* zlib's default: 256 KiB per stream */
};

struct npz_writer {
    z_stream stream;
    size_t record_bytes;
    uint64_t left; /* records still to be added */
    uint64_t packed_bytes;
    uint64_t plain_bytes;
    uint64_t offset; /* of the packed bytes in the file */
    uint32_t crc;
    uint8_t is_zip64;
};

/* ---- numbers ---- */

typedef struct zip_field {
    size_t bytes;
    uint64_t value;
} zip_field;

/* Writes numbers of a header, little-endian. */
static void put_fields(td_buf *out, const zip_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        td_buf_add(out, &fields[i].value, fields[i].bytes);
}

#define PUT(out, ...)                                                                              \
    put_fields(out, (const zip_field[]){__VA_ARGS__},                                              \
               sizeof((const zip_field[]){__VA_ARGS__}) / sizeof(zip_field))

/* ---- the member ---- */

/* Allocates memory for zlib with td_alloc, which does not fail. */
static void *alloc_memory(void *opaque, uInt count, uInt size)
{
    return td_alloc_hook(opaque, (size_t)count * size);
}

static void pack(npz_writer *npz, const void *bytes, size_t size, int flush, td_buf *out)
{
    z_stream *stream = &npz->stream;
    int rc;
    npz->crc = td_crc32(npz->crc, bytes, size);
    npz->plain_bytes += size;
    stream->next_in = bytes;
    stream->avail_in = (uInt)size;
    do {
        td_buf_grow(out, STEP_BYTES);
        stream->next_out = out->data + out->size;
        stream->avail_out = STEP_BYTES;
        rc = deflate(stream, flush);
        TD_ASSERT(rc != Z_STREAM_ERROR);
        out->size += STEP_BYTES - stream->avail_out;
        npz->packed_bytes += STEP_BYTES - stream->avail_out;
    } while (stream->avail_out == 0 || (flush == Z_FINISH && rc != Z_STREAM_END));
    TD_ASSERT(stream->avail_in == 0);
}

/* Writes the fields from the version to the name's length that the member's header and its entry in
 * the directory have in common. */
static void put_common(const npz_writer *npz, uint64_t plain_bytes, uint64_t packed_bytes,
                       td_buf *out)
{
    PUT(out, {2, npz->is_zip64 ? VERSION_ZIP64 : VERSION}, {2, FLAG_DESCRIPTOR},
        {2, METHOD_DEFLATE}, {2, 0}, {2, DATE_1980}, {4, npz->crc}, /* time: midnight */
        {4, npz->is_zip64 ? IN_ZIP64 : packed_bytes}, {4, npz->is_zip64 ? IN_ZIP64 : plain_bytes},
        {2, sizeof MEMBER - 1}, {2, npz->is_zip64 ? ZIP64_FIELD_BYTES : 0});
}

/* Writes the name and the field of ZIP64 after it. */
static void put_name(const npz_writer *npz, uint64_t plain_bytes, uint64_t packed_bytes,
                     td_buf *out)
{
    td_buf_add(out, MEMBER, sizeof MEMBER - 1);
    if (npz->is_zip64)
        PUT(out, {2, ZIP64_FIELD}, {2, 2 * sizeof(uint64_t)}, {8, plain_bytes}, {8, packed_bytes});
}

static void put_local_header(const npz_writer *npz, td_buf *out)
{
    PUT(out, {4, LOCAL_SIGNATURE});
    put_common(npz, 0, 0, out);
    put_name(npz, 0, 0, out);
}

/* Writes numpy's header, padded to the length that the largest count needs, then to a multiple of
 * 64. */
static void npy_header(const char *descr, uint64_t count, td_buf *header)
{
    static const char MAGIC[] = "\x93NUMPY\x01";
    char digits[NPY_COUNT_DIGITS + 1];
    int digit_count = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    td_buf_add(header, MAGIC, sizeof MAGIC); /* with its NUL: version 1.0 */
    PUT(header, {2, 0});
    td_result rc = td_buf_printf(
        header, NULL, "{'descr': %s, 'fortran_order': False, 'shape': (%s,), }", descr, digits);
    TD_ASSERT(rc == TD_OK); /* the buffer is unbounded */
    size_t most = header->size + (size_t)(NPY_COUNT_DIGITS - digit_count) + 1;
    size_t total = (most + NPY_ALIGNMENT - 1) / NPY_ALIGNMENT * NPY_ALIGNMENT;
    while (header->size < total - 1)
        td_buf_add(header, " ", 1);
    td_buf_add(header, "\n", 1);
    td_put_le16(header->data + NPY_PREFIX_BYTES - 2, (uint16_t)(total - NPY_PREFIX_BYTES));
}

npz_writer *npz_open(const char *descr, size_t record_bytes, uint64_t count, td_buf *out)
{
    npz_writer *made = td_alloc_zero(1, sizeof *made);
    td_buf header;
    *made = (npz_writer){.record_bytes = record_bytes,
                         .left = count,
                         .is_zip64 = count >= ZIP64_BYTES / record_bytes,
                         .stream = {.zalloc = alloc_memory, .zfree = td_free_hook}};
    int rc = deflateInit2(&made->stream, Z_BEST_SPEED, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL,
                          Z_DEFAULT_STRATEGY);
    TD_ASSERT(rc == Z_OK); /* fails only if memory runs out */
    size_t before = out->size;
    put_local_header(made, out);
    made->offset = out->size - before;
    td_buf_init(&header, SIZE_MAX);
    npy_header(descr, count, &header);
    pack(made, header.data, header.size, Z_NO_FLUSH, out);
    td_buf_fini(&header);
    return made;
}

void npz_add(npz_writer *npz, const void *records, size_t count, td_buf *out)
{
    TD_ASSERT(count <= npz->left);
    npz->left -= count;
    pack(npz, records, count * npz->record_bytes, Z_NO_FLUSH, out);
}

/* ---- the end ---- */

static void put_descriptor(const npz_writer *npz, td_buf *out)
{
    const size_t bytes = npz->is_zip64 ? 8 : 4;
    PUT(out, {4, DESCRIPTOR_SIGNATURE}, {4, npz->crc}, {bytes, npz->packed_bytes},
        {bytes, npz->plain_bytes});
}

static void put_directory(const npz_writer *npz, td_buf *out)
{
    PUT(out, {4, DIRECTORY_SIGNATURE}, {2, npz->is_zip64 ? VERSION_ZIP64 : VERSION}); /* made by */
    put_common(npz, npz->plain_bytes, npz->packed_bytes, out);
    /* length of a comment, number of the disk, attributes, offset of the member */
    PUT(out, {2, 0}, {2, 0}, {2, 0}, {4, 0}, {4, 0});
    put_name(npz, npz->plain_bytes, npz->packed_bytes, out);
}

static void put_zip64_end(uint64_t at, uint64_t size, td_buf *out)
{
    PUT(out, {4, END64_SIGNATURE}, {8, END64_BYTES}, {2, VERSION_ZIP64}, {2, VERSION_ZIP64}, {4, 0},
        {4, 0}, {8, 1}, {8, 1}, {8, size}, {8, at});                  /* one member on one disk */
    PUT(out, {4, LOCATOR_SIGNATURE}, {4, 0}, {8, at + size}, {4, 1}); /* number of disks */
}

void npz_finish(npz_writer *npz, td_buf *out)
{
    TD_ASSERT(npz->left == 0);
    pack(npz, "", 0, Z_FINISH, out);
    size_t before = out->size;
    put_descriptor(npz, out);
    uint64_t at = npz->offset + npz->packed_bytes + (out->size - before);
    before = out->size;
    put_directory(npz, out);
    size_t size = out->size - before;
    if (npz->is_zip64)
        put_zip64_end(at, size, out);
    /* Numbers of this disk and the directory's, members on this disk and in total, ..., comment. */
    PUT(out, {4, END_SIGNATURE}, {2, 0}, {2, 0}, {2, 1}, {2, 1}, {4, size},
        {4, npz->is_zip64 ? IN_ZIP64 : at}, {2, 0});
}

void npz_close(npz_writer *npz)
{
    if (npz == NULL)
        return;
    (void)deflateEnd(&npz->stream); /* also frees an unfinished stream */
    td_free(npz);
}
