/* A condition is parsed completely, or refused with an error that names the fault. Expected:
 * replay/condition.h, docs/replay.md ("Conditions"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "replay/condition.h"

#define NOW_NS (UINT64_C(1795154400) * TD_NS_PER_S)

typedef struct parse_case {
    const char *text;
    const char *error; /* part of the error; NULL: valid */
    size_t terms;
    uint8_t begins; /* 1: it is met when it starts to hold */
} parse_case;

static const parse_case CASES[] = {
    {"topic=trade", NULL, 1, 0},
    {"  topic=trade   symbol=BTC*  ", NULL, 2, 0},
    {"rule=crossed", NULL, 1, 0},
    {"rule=not_crossed topic=orderBook*", NULL, 2, 0},
    {"undecoded symbol=BTC*", NULL, 2, 0},
    {"gap", NULL, 1, 0},
    {"price>=60000 price<=60000.5 size=1", NULL, 3, 0},
    {"seq>=12", NULL, 1, 1},
    {"u>=12 topic=orderbook*", NULL, 2, 1},
    {"u>=x", "u: ", 0, 0},
    {"symbol=BTCUSDT spread > 0.5", NULL, 2, 1},
    {"bid<-1.5", NULL, 1, 1},
    {"ask!=0", NULL, 1, 1},
    {"time>=2026-11-22T03:12", NULL, 1, 1},
    {"time>=yesterday", NULL, 1, 1},
    {"", "expected topic, symbol", 0, 0},
    {"   ", "expected topic, symbol", 0, 0},
    {"spraed>1", "'spraed': expected topic", 0, 0},
    {"Topic=trade", "'Topic': expected topic", 0, 0},
    {"=1", "'': expected topic", 0, 0},
    {"gap=1", "'': expected topic", 0, 0},
    {"topic=", "topic: expected a value", 0, 0},
    {"topic=trade symbol=", "symbol: expected a value", 0, 0},
    {"topic", "topic: expected =", 0, 0},
    {"topic!=trade", "topic: expected =", 0, 0},
    {"topic=[a", "topic: '[a' is not a glob", 0, 0},
    {"symbol=[a", "symbol: '[a' is not a glob", 0, 0},
    {"rule=crosed", "no such rule", 0, 0},
    {"rule=[", "no such rule", 0, 0},
    {"price>5 size!=1", NULL, 2, 0},
    {"price<5 price=>5", "price: expected =, !=, <, <=, > or >=", 0, 0},
    {"price=5x", "price: ", 0, 0},
    {"size>=1e5", NULL, 1, 0},
    {"spread=>1", "spread: expected =, !=, <, <=, > or >=", 0, 0},
    {"spread==1", "spread: expected", 0, 0},
    {"spread>", "spread: expected a value", 0, 0},
    {"spread>99999999999999999999", "spread: ", 0, 0},
    {"seq>=0x10", "seq: ", 0, 0},
    {"time>=+3s", "expected an absolute time", 0, 0},
    {"time>=noon", "time: ", 0, 0},
    {"gap symbol=X", "gap: no other terms", 0, 0},
    {"symbol=X gap", "gap: no other terms", 0, 0},
    {"seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1 seq=1", "more than 8 terms", 0, 0},
};

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const parse_case *row = &CASES[i];
        conditions made = {0};
        td_err err;
        td_err_clear(&err);
        td_result rc = conditions_add(&made, row->text, NOW_NS, &err);
        if (row->error == NULL && rc != TD_OK)
            fail_msg("'%s': %s", row->text, err.text);
        if (row->error != NULL && (rc != TD_E_INVALID || strstr(err.text, row->error) == NULL))
            fail_msg("'%s': '%s', expected '%s'", row->text, err.text, row->error);
        if (rc == TD_OK &&
            (made.items[0].count != row->terms || made.items[0].begins != row->begins))
            fail_msg("'%s': %zu terms, begins %d", row->text, made.items[0].count,
                     made.items[0].begins);
        conditions_fini(&made);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    conditions made = {0};
    td_err err;
    for (int i = 0; i < CONDITIONS_MAX; i++)
        assert_int_equal(conditions_add(&made, "gap", NOW_NS, &err), TD_OK);
    assert_int_equal(conditions_add(&made, "gap", NOW_NS, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "more than 16 conditions"));
    conditions_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse),
                                       cmocka_unit_test(test_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
