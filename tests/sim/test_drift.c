/* Drifted frames of the simulated exchange. Expected values: the frames as they are written here,
 * in the forms of docs/wire.md, with the change that sim/drift.h describes made by hand. */
#include "sim/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/family.h"

typedef struct drift_case {
    const char *family, *topic;
    fault_kind kind;
    const char *from, *to;
} drift_case;

#define TRADE(topic, member, rest)                                                                 \
    "{\"topic\":\"" topic "trade.BTCUSD\",\"data\":[{" member                                      \
    "\"timestamp\":\"2021-04-17T00:00:00.000Z\"," rest                                             \
    "\"side\":\"Buy\"},{\"symbol\":\"EOSUSD\"}]}"
#define BOOK(bids)                                                                                 \
    "{\"topic\":\"orderbook.50.BTCUSDT\",\"type\":\"snapshot\",\"ts\":1,\"data\":{\"s\":"          \
    "\"BTCUSDT\",\"b\":[" bids "],\"a\":[],\"u\":1,\"seq\":2}}"
#define DELTA(member)                                                                              \
    "{\"topic\":\"orderBookL2_25.BTCUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],"             \
    "\"update\":[{" member "\"price\":\"61.5\",\"side\":\"Sell\",\"size\":4}],\"insert\":[]}}"

static const drift_case CASES[] = {
    {"inverse", "trade.BTCUSD", FAULT_NEW_FIELD, TRADE("", "", "\"symbol\":\"BTCUSD\","),
     TRADE("", "\"simulated\":\"1\",", "\"symbol\":\"BTCUSD\",")},
    {"inverse", "trade.BTCUSD", FAULT_NEW_TOPIC, TRADE("", "", "\"symbol\":\"BTCUSD\","),
     TRADE("new_", "", "\"symbol\":\"BTCUSD\",")},
    /* The first that is required is the price. */
    {"inverse", "trade.BTCUSD", FAULT_LOST_FIELD, TRADE("", "", "\"price\":61,"),
     TRADE("", "", "")},
    {"inverse", "trade.BTCUSD", FAULT_NEW_TYPE, TRADE("", "", "\"price\":61.5,"),
     TRADE("", "", "\"price\":\"61.5\",")},
    {"inverse", "trade.BTCUSD", FAULT_NEW_TYPE, TRADE("", "", "\"price\":\"61.5\","),
     TRADE("", "", "\"price\":61.5,")},
    {"inverse", "trade.BTCUSD", FAULT_NEW_TYPE, TRADE("", "", "\"price\":\"061\","),
     TRADE("", "", "\"price\":[\"061\"],")},
    /* Positional entries. */
    {"v5-linear", "orderbook.50.BTCUSDT", FAULT_NEW_FIELD, BOOK("[\"1\",\"2\"],[\"3\",\"4\"]"),
     BOOK("[\"1\",\"2\",\"1\"],[\"3\",\"4\"]")},
    {"v5-linear", "orderbook.50.BTCUSDT", FAULT_LOST_FIELD, BOOK("[\"1\",\"2\"],[\"3\",\"4\"]"),
     BOOK("[\"1\"],[\"3\",\"4\"]")},
    {"v5-linear", "orderbook.50.BTCUSDT", FAULT_NEW_TYPE, BOOK("[\"1\",\"2\"]"), BOOK("[\"1\",2]")},
    /* A delta has its entries elsewhere than a snapshot. */
    {"inverse", "orderBookL2_25.BTCUSD", FAULT_NEW_FIELD, DELTA(""), DELTA("\"simulated\":\"1\",")},
    /* A book without bids and asks: the frame itself, which has no required field of an entry. */
    {"v5-linear", "orderbook.50.BTCUSDT", FAULT_LOST_FIELD, BOOK(""), BOOK("")},
    {"inverse", "no.such.topic", FAULT_NEW_FIELD, "{\"topic\":\"no\"}", "{\"topic\":\"no\"}"},
};

static void test_changes(void **state)
{
    (void)state; /* none */
    drift_maker maker = {0};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const drift_case *c = &CASES[i];
        const family *of = family_find(td_bytes_str(c->family));
        td_bytes out;
        td_err err;
        assert_non_null(of);
        if (drift_make(&maker, c->kind, of, c->topic, td_bytes_str(c->from), &out, &err) != TD_OK)
            fail_msg("case %zu: %s", i, err.text);
        if (!td_bytes_is(out, c->to))
            fail_msg("case %zu:\n  is     %.*s\n  wanted %s", i, (int)out.size,
                     (const char *)out.data, c->to);
    }
    drift_maker_fini(&maker);
}

/* Two changes of one frame: the second takes what the first made. */
static void test_two_changes(void **state)
{
    (void)state; /* none */
    drift_maker maker = {0};
    const family *of = family_find(td_bytes_str("inverse"));
    td_bytes out = td_bytes_str(TRADE("", "", "\"price\":61,"));
    assert_int_equal(drift_make(&maker, FAULT_NEW_TOPIC, of, "trade.BTCUSD", out, &out, NULL),
                     TD_OK);
    assert_int_equal(drift_make(&maker, FAULT_NEW_FIELD, of, "trade.BTCUSD", out, &out, NULL),
                     TD_OK);
    assert_true(td_bytes_is(out, TRADE("new_", "\"simulated\":\"1\",", "\"price\":61,")));
    drift_maker_fini(&maker);
}

static void test_parse(void **state)
{
    (void)state; /* none */
    fault got;
    assert_int_equal(fault_parse("new-type@7:trade", &got, NULL), TD_OK);
    assert_int_equal(got.kind, FAULT_NEW_TYPE);
    assert_int_equal(got.at, 7);
    assert_string_equal(got.topic, "trade");
    assert_int_equal(fault_parse("lost-field@1", &got, NULL), TD_OK);
    assert_null(got.topic);
    static const char *const WRONG[] = {"drop@5:trade", "new-field@5:", "new-field@5trade",
                                        "new-field@0", "new-field"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        assert_int_equal(fault_parse(WRONG[i], &got, NULL), TD_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_two_changes),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
