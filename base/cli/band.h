/* A band: quantities over time as one line of characters, one character a step. Pure functions; any
 * thread. */
#ifndef TD_CLI_BAND_H
#define TD_CLI_BAND_H

#include <stddef.h>
#include <stdint.h>

/* One step. */
typedef struct band_step {
    double quantity;    /* >= 0 */
    uint8_t is_watched; /* 1: something was recorded, even if the quantity is 0 */
    uint8_t is_marked;
} band_step;

/* Characters of a band: blocks of eight heights, or ASCII signs for a terminal without them. The
 * height is the quantity's share of the greatest one. A step without a quantity is "x" if it is
 * marked, else a dot if it is watched, else a space. */
typedef enum band_style { BAND_BLOCKS, BAND_ASCII } band_style;

enum { BAND_STEP_BYTES = 3 };

/* Write a band of `count` steps; write the line below it, "x" for each marked step that has a
 * quantity, "" without such steps. out: count * BAND_STEP_BYTES + 1 bytes. quantity_max: the
 * greatest quantity of all bands that are compared. */
void band_text(const band_step *steps, size_t count, double quantity_max, band_style style,
               char *out);
void band_marks(const band_step *steps, size_t count, char *out);

#endif
