#include "tests/testing/line_slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

session_feed *line_slots_get(connection_table *of, const char *topic, uint32_t count,
                             session_slot **slots, frame_channel **channels)
{
    session_feed *feed = connection_table_get_feed(of, "abcdef01", 1, "v5-linear");
    for (uint32_t line = 0; line < count; line++) {
        const channel_info info = {.feed = "v5-linear",
                                   .family = "v5-linear",
                                   .line = line,
                                   .dir = CHANNEL_IN,
                                   .topic = topic,
                                   .exchange_topic = topic,
                                   .symbol = "BTCUSDT",
                                   .message_encoding = "json"};
        assert_int_equal(connection_table_channel(of, &info, &channels[line], NULL), TD_OK);
        slots[line] = connection_table_get_slot(feed, line, 0);
    }
    return feed;
}
