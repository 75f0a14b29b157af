/* A book with a fault, for one test: the comparison with the exchange's truth is also linked with
 * this wrapper of book_apply (the linker's --wrap), and must detect it. Every hundredth frame loses
 * its last level. */
#include "book/book.h"

#include "base/assert.h"

enum { BREAK_EACH = 100 };

void __real_book_apply(book *b, const msg_book *change, book_outcome *outcome);
void __wrap_book_apply(book *b, const msg_book *change, book_outcome *outcome);

void __wrap_book_apply(book *b, const msg_book *change, book_outcome *outcome)
{
    static _Thread_local unsigned count; /* in a test program, which is never installed */
    msg_book less = *change;
    TD_ASSERT(BREAK_EACH > 1);
    if (++count % BREAK_EACH == 0 && less.level_count > 0)
        less.level_count--;
    __real_book_apply(b, &less, outcome);
}
