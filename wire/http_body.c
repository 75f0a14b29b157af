#include "wire/http_body.h"

#include <stdlib.h>
#include <string.h>

/* Maximum bytes of a line: a chunk's size or a trailer. */
enum { LINE_BYTES_MAX = 1024 };

void http_body_init(http_body *self, int64_t length, int is_chunked, size_t bytes_max)
{
    *self = (http_body){.length = is_chunked ? -1 : length,
                        .is_chunked = (uint8_t)is_chunked,
                        .bytes_max = bytes_max};
    td_buf_init(&self->bytes, SIZE_MAX);
}

/* Parse a chunk's hexadecimal size in a line that ends with CR, ignoring chunk extensions. 0:
 * malformed. */
static int read_chunk_size(const char *line, size_t *out)
{
    static const char AFTER[] = {'\r', ';', ' '};
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    *out = digits == 0 ? 0 : strtoul(line, NULL, 16);
    return digits > 0 && digits < 9 && memchr(AFTER, line[digits], sizeof AFTER) != NULL;
}

/* Append the chunk at *at to the body, or skip a trailer. If the chunk is incomplete, *at does not
 * change. */
static body_result read_chunk(http_body *self, size_t *at)
{
    size_t size = 0;
    const char *line = (const char *)self->bytes.data + *at;
    size_t left = self->bytes.size - *at;
    const char *end = memmem(line, left < LINE_BYTES_MAX ? left : LINE_BYTES_MAX, "\r\n", 2);
    if (end == NULL)
        return left < LINE_BYTES_MAX ? BODY_MORE : BODY_MALFORMED;
    if (self->is_last && end == line)
        return BODY_WHOLE;
    if (!self->is_last && !read_chunk_size(line, &size))
        return BODY_MALFORMED;
    if (size > self->bytes_max - self->size)
        return BODY_TOO_LARGE;
    const char *chunk = end + 2;
    size_t chunk_bytes = size == 0 ? 0 : size + 2;
    if (left - (size_t)(chunk - line) < chunk_bytes)
        return BODY_MORE;
    if (size > 0 && memcmp(chunk + size, "\r\n", 2) != 0)
        return BODY_MALFORMED;
    memmove(self->bytes.data + self->size, chunk, size);
    self->size += size;
    self->is_last = size == 0;
    *at += (size_t)(chunk - line) + chunk_bytes;
    return BODY_MORE;
}

static body_result read_chunks(http_body *self, td_bytes bytes)
{
    size_t at = self->size;
    size_t before;
    body_result rc;
    td_buf_add(&self->bytes, bytes.data, bytes.size);
    do {
        before = at;
        rc = read_chunk(self, &at);
    } while (rc == BODY_MORE && at > before);
    /* Keep an incomplete chunk right after the body. */
    size_t left = self->bytes.size - at;
    memmove(self->bytes.data + self->size, self->bytes.data + at, left);
    self->bytes.size = self->size + left;
    return rc;
}

body_result http_body_read(http_body *self, td_bytes bytes)
{
    if (self->is_chunked)
        return bytes.size == 0 ? BODY_MORE : read_chunks(self, bytes);
    if (self->length >= 0 && bytes.size > (size_t)self->length - self->size)
        bytes.size = (size_t)self->length - self->size;
    if (bytes.size > self->bytes_max - self->size)
        return BODY_TOO_LARGE;
    td_buf_add(&self->bytes, bytes.data, bytes.size);
    self->size += bytes.size;
    return self->length == (int64_t)self->size ? BODY_WHOLE : BODY_MORE;
}

int http_body_ends_here(const http_body *self)
{
    td_bytes body = http_body_view(self);
    size_t depth = 0;
    int is_string = 0;
    if (self->is_chunked || self->length >= 0)
        return 0;
    if (body.size == 0 || (body.data[0] != '{' && body.data[0] != '['))
        return 1;
    for (size_t i = 0; i < body.size; i++) {
        uint8_t c = body.data[i];
        if (is_string) {
            i += c == '\\';
            is_string = c != '"';
        } else if (c == '"') {
            is_string = 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (--depth == 0)
                return 1; /* the rest is ignored */
        }
    }
    return 0;
}
