/* UTF-8 for JSON and screens. Pure functions; any thread. */
#ifndef TD_BASE_UTF8_H
#define TD_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* Length of the UTF-8 sequence at p (1 to 4), or 0 if it is invalid. By table 3-7 of the Unicode
 * standard: no overlong forms, no surrogates, nothing above U+10FFFF. */
static inline size_t td_utf8_bytes(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || size > left)
        return 0;
    uint8_t second_min = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t second_max = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < second_min || p[1] > second_max)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* State of a check of UTF-8 that arrives in pieces. All zero at the start. */
typedef struct utf8_check {
    uint8_t left;     /* bytes missing of the current character; 0: between characters */
    uint8_t min, max; /* if left > 0: allowed range of the next byte */
} utf8_check;

/* Skip ASCII bytes from p, in whole words: stops at or before the first byte that is not ASCII. */
static inline const uint8_t *td_utf8_skip_ascii(const uint8_t *p, const uint8_t *end)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    while (end - p >= 32 &&
           ((td_le64(p) | td_le64(p + 8) | td_le64(p + 16) | td_le64(p + 24)) & high_bits) == 0)
        p += 32;
    while (end - p >= 8 && (td_le64(p) & high_bits) == 0)
        p += 8;
    return p;
}

/* Check the next piece, by the rules of td_utf8_bytes. 0: the text is not UTF-8, whatever follows.
 */
static inline int utf8_check_add(utf8_check *check, td_bytes piece)
{
    const uint8_t *end = piece.data + piece.size;
    for (const uint8_t *p = piece.data; p < end; p++) {
        if (check->left > 0) {
            if (*p < check->min || *p > check->max)
                return 0;
            *check = (utf8_check){(uint8_t)(check->left - 1), 0x80, 0xbf};
            continue;
        }
        p = td_utf8_skip_ascii(p, end);
        if (p == end)
            break;
        if (*p < 0x80)
            continue;
        if (*p < 0xc2 || *p > 0xf4)
            return 0;
        check->left = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        check->min = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
        check->max = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
    }
    return 1;
}

/* 1 if the text does not end within a character. */
static inline int utf8_check_is_whole(const utf8_check *check)
{
    return check->left == 0;
}

/* 1 if all bytes are UTF-8. */
static inline int td_utf8_is_text(td_bytes text)
{
    utf8_check check = {0};
    return text.size == 0 || (utf8_check_add(&check, text) && utf8_check_is_whole(&check));
}

/* Copy a text to capacity (at least 1) bytes, with a NUL. Stops after the last whole character that
 * fits, at a NUL, and at bytes that are not UTF-8. */
static inline void td_utf8_copy(char *to, size_t capacity, td_bytes text)
{
    size_t size = 0;
    while (size < text.size && text.data[size] != '\0') {
        size_t bytes = td_utf8_bytes(text.data + size, text.size - size);
        if (bytes == 0 || size + bytes >= capacity)
            break;
        size += bytes;
    }
    if (size > 0)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

/* The code point of the valid sequence of size bytes at p. */
static inline uint32_t td_utf8_code(const uint8_t *p, size_t size)
{
    static const uint8_t LEAD_BITS[] = {0, 0x7f, 0x1f, 0x0f, 0x07}; /* by size */
    uint32_t code = p[0] & LEAD_BITS[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (p[i] & 0x3f);
    return code;
}

/* 1 if a terminal may act on the code point instead of showing it: C0, DEL and C1 controls, line
 * and paragraph separators, and bidirectional controls (Unicode, UAX #9). */
static inline int td_utf8_is_control(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        return 1;
    return code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

#endif
