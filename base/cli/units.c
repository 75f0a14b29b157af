#include "base/cli/units.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"

unit_text format_size(uint64_t bytes)
{
    unit_text out;
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    uint64_t scale = 1;
    while (bytes / scale >= 1024 && unit + 1 < sizeof UNITS / sizeof UNITS[0]) {
        scale <<= 10;
        unit++;
    }
    char tenths = (char)('0' + bytes % scale * 10 / scale);
    if (unit == 0)
        snprintf(out.text, sizeof out.text, "%" PRIu64 " B", bytes);
    else
        snprintf(out.text, sizeof out.text, "%" PRIu64 ".%c %s", bytes / scale, tenths,
                 UNITS[unit]);
    return out;
}

unit_text format_count(uint64_t count)
{
    unit_text out;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    TD_ASSERT(length > 0);
    size_t at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    TD_ASSERT(at < sizeof out.text);
    out.text[at] = '\0';
    return out;
}

unit_text format_counted(uint64_t count, const char *noun)
{
    unit_text out;
    int length = snprintf(out.text, sizeof out.text, "%s %s%s", format_count(count).text, noun,
                          count == 1 ? "" : "s");
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof out.text);
    return out;
}
