/* Which frames baselines cover, and in which streams: a table of the header's sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "regress/covered.h"

typedef struct covered_case {
    const char *name;
    channel_dir dir;
    frame_role role;
    uint8_t is_lead_in;
    uint8_t has_row;
    uint8_t has_book;
    const char *frame_topic; /* as an unknown frame calls it; NULL: it was not classified */
    const char *topic;       /* NULL: not covered */
    const char *symbol;
    const char *exchange_topic;
} covered_case;

static const covered_case CASES[] = {
    {"book", CHANNEL_IN, ROLE_DATA, 0, 1, 1, NULL, "book", "BTCUSD", "book.BTCUSD"},
    {"trade", CHANNEL_IN, ROLE_DATA, 0, 1, 0, NULL, "book", "BTCUSD", "book.BTCUSD"},
    {"lead-in", CHANNEL_IN, ROLE_DATA, 1, 1, 1, NULL, NULL, NULL, NULL},
    {"no row at its time", CHANNEL_IN, ROLE_DATA, 0, 0, 0, NULL, "", "", "book.BTCUSD"},
    {"unknown", CHANNEL_IN, ROLE_UNKNOWN, 0, 0, 0, "new.BTCUSD", "", "", "new.BTCUSD"},
    {"unknown, without a topic", CHANNEL_IN, ROLE_UNKNOWN, 0, 0, 0, "", "", "", ""},
    {"unknown, of another decoder", CHANNEL_IN, ROLE_UNKNOWN, 0, 0, 0, NULL, "", "", "book.BTCUSD"},
    {"control", CHANNEL_IN, ROLE_CONTROL, 0, 0, 0, NULL, "_control", "", "book.BTCUSD"},
    {"sent", CHANNEL_OUT, ROLE_OUT, 0, 0, 0, NULL, NULL, NULL, NULL},
    {"HTTP", CHANNEL_HTTP, ROLE_HTTP, 0, 0, 0, NULL, NULL, NULL, NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const covered_case *c = &CASES[i];
        char feed[] = "inverse", topic[] = "book", symbol[] = "BTCUSD";
        char exchange_topic[] = "book.BTCUSD", of_family[] = "v5-linear";
        const stream of = {.feed = feed,
                           .topic = topic,
                           .symbol = symbol,
                           .exchange_topic = exchange_topic,
                           .family = of_family,
                           .dir = c->dir};
        const topic_row row = {.type = c->has_book ? MSG_BOOK_CHANGE : MSG_TRADE};
        const classification what = {.exchange_topic = td_bytes_str(c->frame_topic)};
        const frame_content content = {.what = c->frame_topic == NULL ? NULL : &what};
        const stream_frame frame = {.role = c->role,
                                    .is_lead_in = c->is_lead_in,
                                    .row = c->has_row ? &row : NULL,
                                    .content = &content};
        covered_stream found;
        int is_covered = covered_find(&of, &frame, &found);
        if (is_covered != (c->topic != NULL))
            fail_msg("%s: covered is %d", c->name, is_covered);
        if (!is_covered)
            continue;
        if (strcmp(found.topic, c->topic) != 0 || strcmp(found.symbol, c->symbol) != 0 ||
            !td_bytes_is(found.exchange_topic, c->exchange_topic) ||
            found.has_book != c->has_book || strcmp(found.feed, feed) != 0 ||
            strcmp(found.family, of_family) != 0)
            fail_msg("%s: %s/%s/%.*s", c->name, found.topic, found.symbol,
                     (int)found.exchange_topic.size, (const char *)found.exchange_topic.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
