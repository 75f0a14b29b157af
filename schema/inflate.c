#include "schema/inflate.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    /* Size of the output at first, enough for most frames; doubled for larger ones. */
    FIRST_OUTPUT_BYTES = 64 << 10,
    /* windowBits of zlib.h: 15 is the largest window; 32 added detects gzip and zlib; a negative
     * value means raw deflate. */
    WINDOW_ANY = 15 + 32,
    WINDOW_RAW = -15,
};

struct inflater {
    size_t bytes_max;
    size_t padding;
    uint8_t *output;
    size_t capacity; /* of output, without the padding */
    size_t size;     /* size of the last output */
};

/* td_alloc for zlib. */
static void *allocate(void *opaque, unsigned count, unsigned size)
{
    return td_alloc_hook(opaque, (size_t)count * size);
}

inflater *inflater_open(size_t bytes_max, size_t padding)
{
    TD_ASSERT(bytes_max > 0);
    inflater *made = td_alloc_zero(1, sizeof *made);
    made->bytes_max = bytes_max;
    made->padding = padding;
    return made;
}

void inflater_close(inflater *self)
{
    if (self == NULL)
        return;
    td_free(self->output);
    td_free(self);
}

/* 1 if a stream begins as gzip (1f 8b) or as zlib (method 8, a window, and a check sum of both
 * bytes). */
static int has_head(td_bytes stream)
{
    if (stream.size < 2)
        return 0;
    unsigned first = stream.data[0];
    unsigned second = stream.data[1];
    return (first == 0x1f && second == 0x8b) ||
           ((first & 0x0f) == 8 && first >> 4 <= 7 && (first << 8 | second) % 31 == 0);
}

/* Enlarge the output: first FIRST_OUTPUT_BYTES, then twice the size, up to bytes_max + 1. The
 * additional byte shows that the output exceeds bytes_max. */
static void grow(inflater *self)
{
    TD_ASSERT(self->capacity <= self->bytes_max);
    size_t wanted = self->capacity == 0 ? FIRST_OUTPUT_BYTES : self->capacity * 2;
    if (wanted > self->bytes_max + 1)
        wanted = self->bytes_max + 1;
    self->output = td_realloc(self->output, wanted + self->padding, 1);
    self->capacity = wanted;
}

/* Inflate until the stream ends. *size is the number of bytes in the output. */
static td_result run(inflater *self, z_stream *z, size_t *size, td_err *err)
{
    for (*size = 0;;) {
        if (*size == self->capacity)
            grow(self);
        z->next_out = self->output + *size;
        z->avail_out = (uInt)(self->capacity - *size);
        int rc = inflate(z, Z_NO_FLUSH);
        *size = self->capacity - z->avail_out;
        TD_ASSERT(*size <= self->capacity);
        if (*size > self->bytes_max) {
            *size = self->bytes_max;
            return td_err_set(err, TD_E_LIMIT, "a compressed message of more than %zu bytes",
                              self->bytes_max);
        }
        if (rc == Z_STREAM_END)
            return TD_OK;
        if (rc != Z_OK && rc != Z_BUF_ERROR)
            return td_err_set(err, TD_E_CORRUPT, "not a compressed message: %s",
                              z->msg == NULL ? "wrong format" : z->msg);
        if (z->avail_in == 0 && z->avail_out != 0)
            return td_err_set(err, TD_E_TRUNCATED, "a compressed message that ends too early");
    }
}

td_result inflater_run(inflater *self, td_bytes stream, td_bytes *out, td_err *err)
{
    *out = td_bytes_of(NULL, 0);
    self->size = 0;
    if (stream.size == 0)
        return td_err_set(err, TD_E_TRUNCATED, "a compressed message of no bytes");
    if (stream.size > UINT32_MAX)
        return td_err_set(err, TD_E_LIMIT, "a compressed message of %zu bytes", stream.size);
    z_stream z = {.zalloc = allocate, .zfree = td_free_hook};
    /* zlib's next_in lacks const, but zlib does not write there. */
    memcpy(&z.next_in, &stream.data, sizeof z.next_in);
    z.avail_in = (uInt)stream.size;
    int is_ready = inflateInit2(&z, has_head(stream) ? WINDOW_ANY : WINDOW_RAW);
    TD_ASSERT(is_ready == Z_OK);
    size_t size = 0;
    td_result rc = run(self, &z, &size, err);
    self->size = size;
    if (rc == TD_OK && z.avail_in != 0)
        rc = td_err_set(err, TD_E_CORRUPT, "%u bytes after the end of a compressed message",
                        z.avail_in);
    inflateEnd(&z);
    if (rc != TD_OK)
        return rc;
    if (self->capacity == 0) /* even an empty output needs memory for its padding */
        grow(self);
    memset(self->output + size, 0, self->padding);
    *out = td_bytes_of(self->output, size);
    return TD_OK;
}

uint8_t *inflater_output(inflater *self, size_t *size)
{
    *size = self->size;
    return self->output;
}
