/* Formats sizes and counts for people, not for JSON. Pure functions; any thread. */
#ifndef TD_CLI_UNITS_H
#define TD_CLI_UNITS_H

#include <stdint.h>

enum { UNIT_TEXT_BYTES = 64 };

/* A formatted quantity, returned by value: format_size(n).text is valid until the end of the full
 * expression, such as a call that prints it. */
typedef struct unit_text {
    char text[UNIT_TEXT_BYTES];
} unit_text;

/* Format a size: "1.2 GiB", "800 B". */
unit_text format_size(uint64_t bytes);

/* Format a count: "1,016,334". Numbers that a user may copy (offsets, lines, sequence numbers,
 * limits) are printed plain instead. */
unit_text format_count(uint64_t count);

/* Format a count with its noun: "1 segment", "1,016,334 frames". */
unit_text format_counted(uint64_t count, const char *noun);

#endif
