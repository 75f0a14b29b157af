/* Any bytes as a canonical form, as a decoder in another process sends it. The first byte chooses
 * how they are taken: 'f' the form as it is; else in hexadecimal, with white space and lines that
 * begin with '#' between the digits, so that seeds can be read and changed by hand. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "tests/testing/canonical_check.h"
#include "tests/testing/fuzz_input.h"

/* The value of a digit, or -1. */
static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t read_hex(const uint8_t *text, size_t size, uint8_t *out)
{
    size_t count = 0;
    int high = -1;
    int is_comment = 0;
    for (size_t i = 0; i < size; i++) {
        is_comment = text[i] == '#' || (is_comment && text[i] != '\n');
        int digit = is_comment ? -1 : digit_of(text[i]);
        if (digit < 0)
            continue;
        if (high >= 0)
            out[count++] = (uint8_t)(high << 4 | digit);
        high = high >= 0 ? -1 : digit;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static canonical_check *check;
    if (check == NULL)
        check = canonical_check_open();
    if (size == 0)
        return 0;
    int is_hex = data[0] != 'f';
    size_t form_bytes = is_hex ? size / 2 : size - 1;
    uint8_t *form = malloc(form_bytes == 0 ? 1 : form_bytes); /* exact, for sanitizers */
    TD_ASSERT(form != NULL);
    if (is_hex) {
        form_bytes = read_hex(data, size, form);
        form = realloc(form, form_bytes == 0 ? 1 : form_bytes);
        TD_ASSERT(form != NULL);
    } else if (form_bytes > 0) {
        memcpy(form, data + 1, form_bytes);
    }
    (void)canonical_check_form(check, td_bytes_of(form, form_bytes)); /* either is right */
    free(form);
    return 0;
}
