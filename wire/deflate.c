#include "wire/deflate.h"

#include <stdint.h>
#include <string.h>

#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"

/* These last bytes of a message's final empty block are not sent (RFC 7692, 7.2.1, 7.2.2). */
static const uint8_t TAIL[] = {0x00, 0x00, 0xff, 0xff};

enum {
    OUTPUT_FIRST_BYTES = 64 << 10,
    OUTPUT_KEPT_BYTES = 1 << 20, /* a larger buffer is freed before the next message */
    WINDOW_BYTES = 1 << DEFLATE_BITS_MAX,
    STREAMS_MAX = 1000, /* zlib streams in one message; limited because a stream of only 2 bytes
                           costs 1 us */
    LEVEL = 1,          /* feeds are sent once and read once: speed matters */
    MEMORY_LEVEL = 8,
    AT_BLOCK = 128, /* flag in data_type: the position is a block boundary (zlib.h, inflate) */
};

struct deflate_receiver {
    z_stream z;
    deflate_context context;
    unsigned stream_count; /* streams ended in the current message */
    td_buf output;
};

struct deflate_sender {
    z_stream z;
};

/* td_alloc for zlib. */
static void *allocate(void *opaque, unsigned count, unsigned size)
{
    return td_alloc_hook(opaque, (size_t)count * size);
}

/* ---- receiving ---- */

deflate_receiver *deflate_receiver_open(deflate_context context)
{
    deflate_receiver *made = td_alloc_zero(1, sizeof *made);
    made->context = context;
    made->z = (z_stream){.zalloc = allocate, .zfree = td_free_hook};
    int rc = inflateInit2(&made->z, -DEFLATE_BITS_MAX);
    TD_ASSERT(rc == Z_OK);
    td_buf_init(&made->output, SIZE_MAX);
    return made;
}

void deflate_receiver_close(deflate_receiver *self)
{
    if (self == NULL)
        return;
    inflateEnd(&self->z);
    td_buf_fini(&self->output);
    td_free(self);
}

/* The peer ended the deflate stream within a message (RFC 7692, 7.2.3.4): the next block begins
 * another stream, which may refer to data of the ended stream. */
static void begin_next_stream(deflate_receiver *self)
{
    uint8_t window[WINDOW_BYTES];
    uInt size = 0;
    int rc = inflateGetDictionary(&self->z, window, &size);
    TD_ASSERT(rc == Z_OK);
    rc = inflateReset(&self->z);
    TD_ASSERT(rc == Z_OK);
    rc = inflateSetDictionary(&self->z, window, size);
    TD_ASSERT(rc == Z_OK);
}

static deflate_result inflate_bytes(deflate_receiver *self, td_bytes bytes, size_t bytes_max)
{
    z_stream *z = &self->z;
    td_buf *output = &self->output;
    TD_ASSERT(bytes.size <= UINT32_MAX);
    /* zlib does not write through next_in, although its target is not const. */
    memcpy(&z->next_in, &bytes.data, sizeof z->next_in);
    z->avail_in = (uInt)bytes.size;
    do {
        if (output->size == output->capacity) {
            /* Allow one byte more than the bound: if zlib uses it, the message is too large. */
            size_t more = output->capacity == 0 ? OUTPUT_FIRST_BYTES : output->capacity;
            size_t more_max = bytes_max + 1 - output->size;
            td_buf_grow(output, more < more_max ? more : more_max);
        }
        size_t space = output->capacity - output->size;
        z->next_out = output->data + output->size;
        z->avail_out = (uInt)(space < UINT32_MAX ? space : UINT32_MAX);
        size_t offered = z->avail_out;
        int rc = inflate(z, Z_SYNC_FLUSH);
        output->size += offered - z->avail_out;
        if (output->size > bytes_max)
            return DEFLATE_TOO_LARGE;
        if (rc == Z_STREAM_END && ++self->stream_count <= STREAMS_MAX)
            begin_next_stream(self);
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return DEFLATE_BROKEN;
    } while (z->avail_in > 0 || z->avail_out == 0);
    return DEFLATE_OK;
}

deflate_result deflate_receive(deflate_receiver *self, td_bytes payload, size_t bytes_max,
                               td_bytes *out)
{
    if (self->output.capacity > OUTPUT_KEPT_BYTES) {
        td_buf_fini(&self->output);
        td_buf_init(&self->output, SIZE_MAX);
    }
    td_buf_clear(&self->output);
    self->stream_count = 0;
    if (self->context == DEFLATE_NO_TAKEOVER) {
        int reset = inflateReset(&self->z);
        TD_ASSERT(reset == Z_OK);
    }
    deflate_result rc = inflate_bytes(self, payload, bytes_max);
    if (rc == DEFLATE_OK)
        rc = inflate_bytes(self, td_bytes_of(TAIL, sizeof TAIL), bytes_max);
    if (rc == DEFLATE_OK && (self->z.data_type & AT_BLOCK) == 0)
        rc = DEFLATE_BROKEN;
    *out = td_buf_view(&self->output);
    return rc;
}

/* ---- sending ---- */

deflate_sender *deflate_sender_open(int window_bits)
{
    TD_ASSERT(window_bits >= DEFLATE_BITS_MIN);
    TD_ASSERT(window_bits <= DEFLATE_BITS_MAX);
    deflate_sender *made = td_alloc_zero(1, sizeof *made);
    made->z = (z_stream){.zalloc = allocate, .zfree = td_free_hook};
    int rc =
        deflateInit2(&made->z, LEVEL, Z_DEFLATED, -window_bits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    TD_ASSERT(rc == Z_OK);
    return made;
}

void deflate_sender_close(deflate_sender *self)
{
    if (self == NULL)
        return;
    deflateEnd(&self->z);
    td_free(self);
}

void deflate_send(deflate_sender *self, td_bytes message, td_buf *out)
{
    z_stream *z = &self->z;
    TD_ASSERT(message.size <= UINT32_MAX / 2);
    size_t space = deflateBound(z, message.size) + 16; /* plus the empty block */
    td_buf_grow(out, space);
    memcpy(&z->next_in, &message.data, sizeof z->next_in);
    z->avail_in = (uInt)message.size;
    z->next_out = out->data + out->size;
    z->avail_out = (uInt)space;
    int rc = deflate(z, Z_SYNC_FLUSH);
    TD_ASSERT(rc == Z_OK);
    TD_ASSERT(z->avail_in == 0);
    size_t size = space - z->avail_out;
    TD_ASSERT(size >= sizeof TAIL);
    TD_ASSERT(memcmp(out->data + out->size + size - sizeof TAIL, TAIL, sizeof TAIL) == 0);
    out->size += size - sizeof TAIL;
    rc = deflateReset(z);
    TD_ASSERT(rc == Z_OK);
}
