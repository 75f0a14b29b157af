/* The lines of a feed, for tests that give frames to tape/lines.h. Errors fail the running cmocka
 * test. One thread. */
#ifndef TD_TESTS_TESTING_LINE_SLOTS_H
#define TD_TESTS_TESTING_LINE_SLOTS_H

#include <stdint.h>

#include "tape/connection_table.h"

/* Get the feed "v5-linear" of a session, and for each of `count` lines its slot, and the channel of
 * a topic of BTCUSDT. All are valid until the table closes. */
session_feed *line_slots_get(connection_table *of, const char *topic, uint32_t count,
                             session_slot **slots, frame_channel **channels);

#endif
