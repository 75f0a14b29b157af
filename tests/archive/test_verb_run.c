/* What the archive's verbs share: which gaps belong to a selection, and how times are shown.
 * Expected values are written from docs/design.md ("Gaps"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "archive/verb_run.h"

static const gap_row CONNECTION_GAP = {.reason = GAP_DISCONNECT,
                                       .feed = "inverse",
                                       .conn = 2,
                                       .topic = "",
                                       .symbol = "",
                                       .from_ns = 100,
                                       .to_ns = 200,
                                       .frames_lost = GAP_FRAMES_UNKNOWN,
                                       .covered_by = "",
                                       .cause = "peer closed",
                                       .detail = ""};

static const gap_row TOPIC_GAP = {.reason = GAP_OVERLOAD,
                                  .feed = "inverse",
                                  .line = 1,
                                  .topic = "trade",
                                  .symbol = "BTCUSD",
                                  .from_ns = 100,
                                  .to_ns = GAP_OPEN,
                                  .frames_lost = 7,
                                  .covered_by = "",
                                  .cause = "",
                                  .detail = ""};

static const char *const TRADE[] = {"trade"};
static const char *const BOOK[] = {"orderBook*"};
static const char *const BTC[] = {"BTC*"};
static const char *const EOS[] = {"EOSUSD"};
static const char *const LINEAR[] = {"linear"};

typedef struct wants_row {
    const char *name;
    selection wanted;
    selection_window window;
    int wants_connection; /* the gap of a whole connection */
    int wants_topic;      /* the gap of trade.BTCUSD, which is still open */
} wants_row;

static const wants_row WANTS[] = {
    {"everything", {.has_from = 0}, {0, UINT64_MAX}, 1, 1},
    {"its topic", {.topics = {TRADE, 1}}, {0, UINT64_MAX}, 1, 1},
    {"another topic", {.topics = {BOOK, 1}}, {0, UINT64_MAX}, 1, 0},
    {"its symbol", {.symbols = {BTC, 1}}, {0, UINT64_MAX}, 1, 1},
    {"another symbol", {.symbols = {EOS, 1}}, {0, UINT64_MAX}, 1, 0},
    {"another feed", {.feeds = {LINEAR, 1}}, {0, UINT64_MAX}, 0, 0},
    {"before both", {.has_from = 0}, {0, 100}, 0, 0},
    {"their first moment", {.has_from = 0}, {0, 101}, 1, 1},
    {"behind the one that has an end", {.has_from = 0}, {201, UINT64_MAX}, 0, 1},
    {"across the end", {.has_from = 0}, {150, 160}, 1, 1},
};

static void test_gaps_of_a_selection(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WANTS / sizeof WANTS[0]; i++) {
        const wants_row *row = &WANTS[i];
        if (verb_run_wants_gap(&row->wanted, &row->window, &CONNECTION_GAP) !=
                row->wants_connection ||
            verb_run_wants_gap(&row->wanted, &row->window, &TOPIC_GAP) != row->wants_topic)
            fail_msg("%s", row->name);
    }
}

static void test_short_time(void **state)
{
    (void)state;
    char text[SHORT_TIME_BYTES];
    verb_run_format_time(UINT64_C(1618677785489609000), text);
    assert_string_equal(text, "2021-04-17 16:43:05.489");
    verb_run_format_time(0, text);
    assert_string_equal(text, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps_of_a_selection),
        cmocka_unit_test(test_short_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
