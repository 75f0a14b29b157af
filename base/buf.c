#include "base/buf.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { FIRST_CAPACITY_BYTES = 256, STEP_BYTES = 64 << 10 };

void td_buf_init(td_buf *buf, size_t size_max)
{
    *buf = (td_buf){.size_max = size_max};
}

void td_buf_fini(td_buf *buf)
{
    td_free(buf->data);
    td_buf_init(buf, buf->size_max);
}

td_result td_buf_reserve(td_buf *buf, size_t extra, td_err *err)
{
    TD_ASSERT(buf->size <= buf->capacity || buf->capacity == 0);
    if (extra <= buf->capacity - buf->size)
        return TD_OK;
    if (extra > buf->size_max - buf->size)
        return td_err_set(err, TD_E_LIMIT, "buffer of %zu bytes cannot take %zu more: limit %zu",
                          buf->size, extra, buf->size_max);
    size_t needed = buf->size + extra;
    size_t capacity = buf->capacity < FIRST_CAPACITY_BYTES ? FIRST_CAPACITY_BYTES : buf->capacity;
    if (buf->size == 0 && needed > STEP_BYTES) /* a large first request is usually the final size */
        capacity = (needed / STEP_BYTES + 1) * STEP_BYTES;
    while (capacity < needed)
        capacity = capacity > buf->size_max / 2 ? buf->size_max : capacity * 2;
    if (capacity > buf->size_max)
        capacity = buf->size_max;
    TD_ASSERT(capacity >= needed);
    TD_ASSERT(capacity <= buf->size_max);
    buf->data = td_realloc(buf->data, capacity, 1);
    buf->capacity = capacity;
    return TD_OK;
}

td_result td_buf_append(td_buf *buf, const void *bytes, size_t size, td_err *err)
{
    if (size == 0)
        return TD_OK;
    td_result rc = td_buf_reserve(buf, size, err);
    if (rc != TD_OK)
        return rc;
    memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    TD_ASSERT(buf->size <= buf->capacity);
    return TD_OK;
}

void td_buf_grow_slow(td_buf *buf, size_t extra)
{
    td_result rc = td_buf_reserve(buf, extra, NULL);
    TD_ASSERT(rc == TD_OK);
}

static td_result print_values(td_buf *buf, td_err *err, const char *format, va_list values)
{
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    td_result rc = TD_OK;
    if (length < 0)
        rc = td_err_set(err, TD_E_INVALID, "text cannot be formatted");
    if (rc == TD_OK)
        rc = td_buf_reserve(buf, (size_t)length + 1, err);
    if (rc == TD_OK) {
        vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
    return rc;
}

td_result td_buf_printf(td_buf *buf, td_err *err, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    td_result rc = print_values(buf, err, format, values);
    va_end(values);
    return rc;
}

void td_buf_print(td_buf *buf, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    td_result rc = print_values(buf, NULL, format, values);
    va_end(values);
    TD_ASSERT(rc == TD_OK);
}
