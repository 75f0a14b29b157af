/* Views of bytes, and little-endian numbers. A td_bytes borrows: the function that returns it
 * documents how long it is valid. Not NUL-terminated. */
#ifndef TD_BASE_BYTES_H
#define TD_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct td_bytes {
    const uint8_t *data;
    size_t size; /* bytes */
} td_bytes;

/* A view of size bytes at data. */
static inline td_bytes td_bytes_of(const void *data, size_t size)
{
    td_bytes view = {(const uint8_t *)data, size};
    return view;
}

/* A view of a C string without its NUL; NULL gives an empty view. */
static inline td_bytes td_bytes_str(const char *text)
{
    return td_bytes_of(text, text == NULL ? 0 : strlen(text));
}

/* 1 if both have the same bytes, else 0. */
static inline int td_bytes_equal(td_bytes a, td_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* 1 if the view equals this C string. */
static inline int td_bytes_is(td_bytes a, const char *text)
{
    return td_bytes_equal(a, td_bytes_str(text));
}

/* 1 if the view equals a text of the list, which ends with NULL. */
static inline int td_bytes_is_any(td_bytes a, const char *const *texts)
{
    while (*texts != NULL && !td_bytes_is(a, *texts))
        texts++;
    return *texts != NULL;
}

/* 1 if the texts are equal, or both NULL. */
static inline int td_text_is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Cut the next part off *rest: the bytes before the separator, or all. Returns 0 after the last
 * part. A view of NULL has no part, an empty text has one, which is empty. */
static inline int td_bytes_next(td_bytes *rest, uint8_t separator, td_bytes *part)
{
    if (rest->data == NULL)
        return 0;
    const void *end = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    const size_t size = end == NULL ? rest->size : (size_t)((const uint8_t *)end - rest->data);
    *part = td_bytes_of(rest->data, size);
    *rest = end == NULL ? td_bytes_of(NULL, 0)
                        : td_bytes_of(rest->data + size + 1, rest->size - size - 1);
    return 1;
}

/* The value of a hexadecimal digit, or -1. */
static inline int td_hex_digit(uint8_t c)
{
    uint8_t lower = c | 0x20;
    if (c >= '0' && c <= '9')
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Compare as memcmp does; a view that is a prefix of the other one is less. <0, 0, >0. */
static inline int td_bytes_compare(td_bytes a, td_bytes b)
{
    size_t shorter = a.size < b.size ? a.size : b.size;
    int order = shorter == 0 ? 0 : memcmp(a.data, b.data, shorter);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* Little-endian numbers at p, which need not be aligned. Uses memcpy, because gcc 12 compiles
 * shifts to eight stores of one byte (measured: a tenth of a replay's time). */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are copied as they are");

static inline uint16_t td_le16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t td_le32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t td_le64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void td_put_le16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void td_put_le32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void td_put_le64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

#endif
