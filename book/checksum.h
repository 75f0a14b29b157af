/* The checksum of a book's best levels, as exchanges send it with a frame: a CRC-32 of the levels'
 * text. Prices and sizes count as the exchange wrote them, trailing zeros included. Any thread. */
#ifndef TD_BOOK_CHECKSUM_H
#define TD_BOOK_CHECKSUM_H

#include <stdint.h>

#include "book/book.h"
#include "schema/topic.h"

/* Compute the checksum by a topic's recipe (schema/topic.h), of a book that keeps how its levels
 * were written (book_keep_written), or its orders. Sides with fewer levels count with those that
 * they have. Returns 0 if one of the levels was set before the book kept that. */
int book_checksum(const book *book, const checksum_recipe *recipe, uint32_t *out);

#endif
