/* Which members of decoded frames are compared: all, only some (--only), or all but some
 * (--ignore), by their names in the messages that `decode` prints, at any depth. "book" is the book
 * after the frame. Pure functions; any thread. */
#ifndef TD_REGRESS_MEMBER_MASK_H
#define TD_REGRESS_MEMBER_MASK_H

#include "base/cli/options.h"

/* Zero-initialise: all. */
typedef struct member_mask {
    options_list only, ignored;
} member_mask;

/* 1: some members are not compared. */
int member_mask_is_given(const member_mask *mask);

/* 1 if the book after a frame is compared. */
int member_mask_has_book(const member_mask *mask);

/* 1 if two messages as lines of JSON have the same members. Those of --only that neither has are
 * the same; *seen becomes 1 if one of them has any. */
int member_mask_equal(const member_mask *mask, const char *a, const char *b, int *seen);

#endif
