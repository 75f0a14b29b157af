/* UTF-8, as far as JSON needs it. Pure function; any thread. */
#ifndef TD_SCHEMA_JSON_UTF8_H
#define TD_SCHEMA_JSON_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Length of the UTF-8 sequence at p (1 to 4), or 0 if the bytes there are none. Table 3-7 of the
 * Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF. */
static inline size_t json_utf8_bytes(const uint8_t *p, size_t left)
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

#endif
