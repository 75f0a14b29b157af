/* Which members of decoded frames are compared: all, only the named members (--only), or all but
 * the named members (--ignore). Names are those in the messages that `decode` prints, at any depth;
 * "book" is the book after the frame. Pure functions; any thread. */
#ifndef TD_REGRESS_MEMBER_MASK_H
#define TD_REGRESS_MEMBER_MASK_H

#include "base/cli/options.h"

/* Zero-initialise to compare all. */
typedef struct member_mask {
    options_list only, ignored;
} member_mask;

/* 1 if --only or --ignore was given. */
int member_mask_is_given(const member_mask *mask);

/* 1 if the book after a frame is compared. */
int member_mask_has_book(const member_mask *mask);

/* 1 if two messages, given as lines of JSON, are equal in the compared members. A member of
 * --only that both messages lack counts as equal. *seen is set to 1 if at least one of the messages
 * has a member of --only. */
int member_mask_equal(const member_mask *mask, const char *a, const char *b, int *seen);

#endif
