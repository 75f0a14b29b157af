/* The checksum that exchanges send with a book's frames: a CRC-32 of the text of its best levels.
 * book/checksum.h computes it of a recorded book, the simulator (sim/sim_family.c) of its own. Any
 * thread. */
#ifndef TD_SCHEMA_CHECKSUM_H
#define TD_SCHEMA_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "schema/message.h"
#include "schema/topic.h"

/* What a book has at an index, 0 is the best. */
typedef enum checksum_level {
    CHECKSUM_LEVEL_ABSENT,
    CHECKSUM_LEVEL_THERE,
    CHECKSUM_LEVEL_UNKNOWN /* it is not known how it was written */
} checksum_level;

/* Get the index-th best level of a side, its price and its size with the places that are written.
 * With CHECKSUM_ORDERS: the index-th order of the recipe's levels. */
typedef checksum_level checksum_level_fn(const void *book, msg_side side, size_t index,
                                         td_decimal *price, td_decimal *size);

/* Compute the checksum by a topic's recipe. Sides with fewer levels count with those that they
 * have. Returns 0 if one of the levels is unknown. */
int checksum_compute(const checksum_recipe *recipe, checksum_level_fn *level, const void *book,
                     uint32_t *out);

#endif
