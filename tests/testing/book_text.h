/* Order book frames and books as short texts, for tests.
 *
 *
 * A frame: "S B100.5x10 A101x5" or "D -B100 =B99.5x3 +A102x1 B98x7": S is a snapshot, D a delta;
 * then levels, each with its action (- delete, = update, + insert, nothing for set), its side (B
 * buy, A sell), its price, and its size after an "x". A book: "B100.5x10,B100x3|A101x5,A102x1",
 * each side from the best price, decimals in shortest form. */
#ifndef TD_TESTS_TESTING_BOOK_TEXT_H
#define TD_TESTS_TESTING_BOOK_TEXT_H

#include "base/buf.h"
#include "book/book.h"

enum { BOOK_TEXT_LEVELS_MAX = 64 };

typedef struct book_frame {
    msg_level levels[BOOK_TEXT_LEVELS_MAX];
    msg_book message;
} book_frame;

/* Parse a frame; fails the test if the text is malformed. frame->message points into frame. */
void book_frame_parse(const char *text, book_frame *frame);

/* Append a book's text and a NUL (which is not counted in out->size). */
void book_to_text(const book *book, td_buf *out);

#endif
