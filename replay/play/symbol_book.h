/* The book of a symbol beside a frame of another topic, such as a trade or an order: the book of
 * the symbol's deepest topic with prices that are not grouped, and whether it is right there
 * (tape/topic_trust.h). Reads the states that a player keeps anyway. Call on the player's thread;
 * the player has no workers. */
#ifndef TD_PLAY_SYMBOL_BOOK_H
#define TD_PLAY_SYMBOL_BOOK_H

#include "replay/play/player.h"

typedef struct symbol_book {
    const char *feed, *topic; /* owned by the player; topic NULL: no book */
    uint8_t is_ambiguous;     /* 1: several feeds have a book of the symbol, so topic is NULL */
    const book *book;         /* NULL: there is no topic, or the book is not right */
    trust_break lacks;        /* why it is not right; reason TIME_IS_RIGHT if it is, or without a
                                 topic */
} symbol_book;

/* Find the book of a symbol of this feed after the player's last frame, received at at_ns; if feed
 * is NULL, of the only feed that has one. tape: the player's; ledger: the observer's. */
symbol_book symbol_book_find(const player *of, const cursor *tape, const gap_list *ledger,
                             const char *feed, const char *symbol, uint64_t at_ns);

#endif
