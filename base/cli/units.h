/* Sizes and counts as people read them, everywhere but in JSON. Pure functions; any thread. */
#ifndef TD_CLI_UNITS_H
#define TD_CLI_UNITS_H

#include <stdint.h>

enum { UNIT_TEXT_BYTES = 64 };

/* A quantity as people read it, returned by value: format_size(n).text may be an argument of the
 * function that prints, and lives as long as that call. */
typedef struct unit_text {
    char text[UNIT_TEXT_BYTES];
} unit_text;

/* "1.2 GiB", "800 B". */
unit_text format_size(uint64_t bytes);

/* "1,016,334". For what is counted; numbers that a user may copy (offsets, lines, sequence
 * numbers, limits) are printed plain. */
unit_text format_count(uint64_t count);

/* The count and the word that is counted: "1 segment", "1,016,334 frames". */
unit_text format_counted(uint64_t count, const char *noun);

#endif
