#include "base/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "base/assert.h"
#include "base/utf8.h"

/* Write the next character of text, or its escape. *taken: its bytes in text. Returns the size of
 * the output. */
static size_t next_piece(td_bytes text, char piece[TD_ESCAPE_BYTES], size_t *taken)
{
    TD_ASSERT(text.size > 0);
    size_t size = td_utf8_bytes(text.data, text.size);
    uint32_t code = size == 0 ? text.data[0] : td_utf8_code(text.data, size);
    *taken = size == 0 ? 1 : size;
    if (size == 0 || (size == 1 && td_utf8_is_control(code)))
        return (size_t)snprintf(piece, TD_ESCAPE_BYTES, "\\x%02x", code & 0xff);
    if (td_utf8_is_control(code))
        return (size_t)snprintf(piece, TD_ESCAPE_BYTES, "\\u%04x", code & 0xffff);
    memcpy(piece, text.data, size);
    return size;
}

td_bytes td_escape_next(td_bytes *text, char piece[TD_ESCAPE_BYTES])
{
    size_t taken = 0; /* leading bytes that need no escape: printable ASCII, which is nearly all */
    while (taken < text->size && text->data[taken] >= 0x20 && text->data[taken] < 0x7f)
        taken++;
    td_bytes out = td_bytes_of(text->data, taken);
    if (taken == 0)
        out = td_bytes_of(piece, next_piece(*text, piece, &taken));
    *text = td_bytes_of(text->data + taken, text->size - taken);
    return out;
}

int td_escape(td_bytes text, char *out, size_t out_bytes)
{
    size_t used = 0;
    int fits = 1;
    TD_ASSERT(out_bytes > 0);
    while (fits && text.size > 0) {
        char piece[TD_ESCAPE_BYTES];
        td_bytes next = td_escape_next(&text, piece);
        size_t space = out_bytes - 1 - used;
        fits = next.size <= space;
        if (!fits) /* plain text may be cut anywhere, an escape not at all */
            next.size = next.data == (const uint8_t *)piece ? 0 : space;
        memcpy(out + used, next.data, next.size);
        used += next.size;
    }
    out[used] = '\0';
    return fits;
}
