/* Reads a feed's list of instruments before the session begins, because the session's first
 * subscription needs it. The replies are not recorded: the feed requests the list again as soon as
 * it is live. */
#ifndef TD_RECORDER_FIRST_LISTING_H
#define TD_RECORDER_FIRST_LISTING_H

#include <stdatomic.h>

#include "base/err.h"
#include "recorder/config.h"
#include "recorder/instruments.h"
#include "wire/loop.h"

/* Read the list, in a loop that has no other work: at most two attempts of 10 s a page.
 * is_stopped: another thread sets it to end the reading; NULL: no thread does.
 * TD_E_NETWORK: no reply; TD_E_BUSY: stopped; TD_E_INVALID, TD_E_LIMIT: as instruments_take, or no
 * listed instrument is chosen. */
TD_MUST_USE td_result first_listing_read(wire_loop *loop, const feed_config *feed,
                                         const atomic_int *is_stopped, instruments *into,
                                         td_err *err);

#endif
