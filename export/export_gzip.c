#include "export/export_gzip.h"

#define ZLIB_CONST /* zlib then takes its input as what it is: not to be written */
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    STEP_BYTES = 16 << 10,     /* space made for what comes out */
    WINDOW_BITS_GZIP = 16,     /* zlib: plus the window's bits = a gzip member around it */
    MEMORY_LEVEL = 8,          /* zlib's default: 256 KiB a stream */
    PIECE_BYTES_MAX = 1 << 30, /* zlib counts in 32 bits */
};

struct export_gzip {
    z_stream stream;
    uint8_t is_finished;
};

/* zlib's memory comes from td_alloc, which does not fail. */
static void *take_memory(void *opaque, uInt count, uInt size)
{
    (void)opaque;
    return td_alloc_zero(count, size);
}

/* The other half of take_memory. */
static void give_memory(void *opaque, void *memory)
{
    (void)opaque;
    td_free(memory);
}

export_gzip *export_gzip_open(void)
{
    export_gzip *made = td_alloc_zero(1, sizeof *made);
    made->stream.zalloc = take_memory;
    made->stream.zfree = give_memory;
    /* zlib writes a header without name and with time 0 of its own accord. */
    int rc = deflateInit2(&made->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                          MAX_WBITS + WINDOW_BITS_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    TD_ASSERT(rc == Z_OK); /* it fails without memory alone */
    return made;
}

void export_gzip_close(export_gzip *self)
{
    if (self == NULL)
        return;
    /* An unfinished stream is reported as such, and freed all the same. */
    (void)deflateEnd(&self->stream);
    td_free(self);
}

/* Let zlib work until it wants neither space nor input any more. */
static td_result work(export_gzip *self, int flush, td_buf *out, td_err *err)
{
    int rc;
    do {
        td_result reserved = td_buf_reserve(out, STEP_BYTES, err);
        if (reserved != TD_OK)
            return reserved;
        self->stream.next_out = out->data + out->size;
        self->stream.avail_out = STEP_BYTES;
        rc = deflate(&self->stream, flush);
        TD_ASSERT(rc != Z_STREAM_ERROR);
        out->size += STEP_BYTES - self->stream.avail_out;
    } while (self->stream.avail_out == 0 || (flush == Z_FINISH && rc != Z_STREAM_END));
    TD_ASSERT(self->stream.avail_in == 0);
    return TD_OK;
}

td_result export_gzip_add(export_gzip *self, td_bytes bytes, td_buf *out, td_err *err)
{
    TD_ASSERT(!self->is_finished);
    TD_ASSERT(bytes.size <= PIECE_BYTES_MAX);
    if (bytes.size == 0)
        return TD_OK;
    self->stream.next_in = bytes.data;
    self->stream.avail_in = (uInt)bytes.size;
    return work(self, Z_NO_FLUSH, out, err);
}

td_result export_gzip_finish(export_gzip *self, td_buf *out, td_err *err)
{
    TD_ASSERT(!self->is_finished);
    self->is_finished = 1;
    return work(self, Z_FINISH, out, err);
}
