/* Reads a feed's list of instruments before the session begins, because the session's first
 * subscription needs it. The replies are not recorded: the feed requests the list again as soon as
 * it is live. */
#ifndef TD_RECORDER_FIRST_LISTING_H
#define TD_RECORDER_FIRST_LISTING_H

#include "base/err.h"
#include "recorder/config.h"
#include "recorder/instruments.h"
#include "wire/loop.h"

/* Read the list, in a loop that has no other work: at most two attempts of 10 s a page.
 * TD_E_NETWORK: no reply; TD_E_INVALID, TD_E_LIMIT: as instruments_take, or no listed instrument is
 * chosen. */
TD_MUST_USE td_result first_listing_read(wire_loop *loop, const feed_config *feed,
                                         instruments *into, td_err *err);

#endif
