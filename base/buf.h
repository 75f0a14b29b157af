/* A growing byte buffer with a bound. Owns its memory; one thread at a time. The capacity doubles,
 * so appending is amortised O(1); after td_buf_reserve, appends within the reserved space do not
 * allocate. A failure leaves the buffer unchanged. */
#ifndef TD_BASE_BUF_H
#define TD_BASE_BUF_H

#include "base/bytes.h"
#include "base/err.h"

typedef struct td_buf {
    uint8_t *data;
    size_t size;     /* bytes in use */
    size_t capacity; /* bytes allocated */
    size_t size_max; /* maximum size, set by td_buf_init */
} td_buf;

/* Make an empty buffer for at most size_max bytes. Allocates nothing. */
void td_buf_init(td_buf *buf, size_t size_max);

/* Free the memory; the buffer is empty afterwards, as after td_buf_init. */
void td_buf_fini(td_buf *buf);

/* Remove the content, keep the memory. */
static inline void td_buf_clear(td_buf *buf)
{
    buf->size = 0;
}

/* Make space for `extra` further bytes. TD_OK, TD_E_LIMIT. */
TD_MUST_USE td_result td_buf_reserve(td_buf *buf, size_t extra, td_err *err);

/* Append bytes. TD_OK, TD_E_LIMIT. */
TD_MUST_USE td_result td_buf_append(td_buf *buf, const void *bytes, size_t size, td_err *err);

/* As td_buf_reserve and td_buf_append, for content that other limits keep below size_max
 * (asserted). */
void td_buf_grow_slow(td_buf *buf, size_t extra);
static inline void td_buf_grow(td_buf *buf, size_t extra)
{
    if (TD_UNLIKELY(extra > buf->capacity - buf->size))
        td_buf_grow_slow(buf, extra);
}
static inline void td_buf_add(td_buf *buf, const void *bytes, size_t size)
{
    if (TD_UNLIKELY(size == 0)) /* bytes may be NULL */
        return;
    td_buf_grow(buf, size);
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
}

/* Append formatted text, without a NUL. TD_OK, TD_E_LIMIT. */
TD_MUST_USE td_result td_buf_printf(td_buf *buf, td_err *err, const char *format, ...)
    TD_PRINTF(3, 4);
/* The same, as td_buf_add. */
void td_buf_print(td_buf *buf, const char *format, ...) TD_PRINTF(2, 3);

/* A view of the content, valid until the next call that changes the buffer. */
static inline td_bytes td_buf_view(const td_buf *buf)
{
    return td_bytes_of(buf->data, buf->size);
}

#endif
