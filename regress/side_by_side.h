/* What of two decodes of one frame is shown beside each other: the fields that differ, and their
 * neighbours, which are the other values of the same object. Not the 400 levels that are equal.
 * One thread per arena. */
#ifndef TD_REGRESS_SIDE_BY_SIDE_H
#define TD_REGRESS_SIDE_BY_SIDE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "regress/field_diff.h"

/* Bytes of a value's JSON text; in the place of a longer one is a string with its size. */
enum { SIDE_VALUE_BYTES = 1024 };

/* A value, as JSON texts; in the arena. */
typedef struct side_row {
    const char *path;
    const char *was, *is; /* NULL: absent */
    uint8_t is_different; /* 0: a neighbour, which both have */
} side_row;

/* Rows for the differences that field_diff() found between the JSON object was and another one; at
 * most rows_max, *left_out counts the differences without a row. TD_E_INVALID: was is no JSON;
 * TD_E_NOMEM. */
TD_MUST_USE td_result side_by_side(td_bytes was, const field_difference *differences, size_t count,
                                   size_t rows_max, td_arena *arena, const side_row **out,
                                   size_t *row_count, size_t *left_out, td_err *err);

#endif
