/* sim/value: each format of values once; expected texts follow from the header. */
#include "sim/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Three levels for any list but asks, the middle one without a size. */
static int next_level(void *user, sim_list_id list, size_t index, sim_value *values)
{
    (void)user;
    if (list == SIM_LIST_ASKS || index == 3)
        return 0;
    values[SIM_PRICE] = sim_number(6060000 + (int64_t)index * 50, 2);
    values[SIM_SIZE] = sim_number(index == 1 ? 0 : 1500, index == 1 ? 0 : 3);
    return 1;
}

static void set_values(sim_value *values)
{
    memset(values, 0, SIM_COUNT * sizeof *values);
    values[SIM_TOPIC] = sim_text("orderbook.50.BTCUSDT");
    values[SIM_COIN] = sim_text("BTC");
    values[SIM_LAST] = sim_number(6060050, 2);
    values[SIM_PCNT_24H] = sim_number(-5, 8);
    values[SIM_U] = sim_number(17, 0);
    values[SIM_TRADE_NUMBER] = sim_number(2290000000000000000, 0);
    values[SIM_CONFIRM] = sim_number(1, 0);
    values[SIM_TS] = sim_time(1795174069042007008u);
}

static void expect(const char *text, const sim_value *shown, const char *expected)
{
    const template *made = NULL;
    sim_value values[SIM_COUNT];
    td_buf out;
    td_arena *memory = td_arena_open();
    td_buf_init(&out, 1 << 16);
    set_values(values);
    assert_int_equal(template_compile(memory, text, &SIM_NAMES, &made, NULL), TD_OK);
    sim_source source = {.values = values, .shown = shown, .next_item = next_level};
    int is_put = sim_render(made, &source, &out);
    td_arena_close(memory);
    assert_int_equal(is_put, expected != NULL);
    size_t size = expected == NULL ? 0 : strlen(expected);
    if (out.size != size || (size > 0 && memcmp(out.data, expected, size) != 0))
        fail_msg("%s\nwrote    %.*s\nexpected %s", text, (int)out.size, out.data, expected);
    td_buf_fini(&out);
}

static void test_forms(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *expected;
    } rows[] = {
        {"", ""},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"topic\":\"$topic\"}", "{\"topic\":\"orderbook.50.BTCUSDT\"}"},
        {"$last|$last:s|$last:e4|$last:e0", "60600.50|60600.5|606005000|60600"},
        {"$pcnt_24h|$pcnt_24h:s|$pcnt_24h:e8", "-0.00000005|-0.00000005|-5"},
        {"$u:$u", "17:17"},
        {"$last:d1|$last:d3|$ts:d0|$ts:d3", "60600.5|60600.500|1795174069|1795174069.042"},
        {"$trade_number:e9|$trade_number:d1", "9223372036854775807|922337203685477580.7"},
        {"$confirm:b", "true"},
        {"$ts:e0,$ts:e3,$ts:e6,$ts:e9",
         "1795174069,1795174069042,1795174069042007,1795174069042007008"},
        {"$ts:i0 $ts:i3 $ts:i6 $ts:i9",
         "2026-11-20T11:27:49Z 2026-11-20T11:27:49.042Z 2026-11-20T11:27:49.042007Z "
         "2026-11-20T11:27:49.042007008Z"},
        {"[@bids([\"$price\",\"$size\"])],[@asks($price)]",
         "[[\"60600.00\",\"1.500\"],[\"60600.50\",\"0\"],[\"60601.00\",\"1.500\"]],[]"},
        {"{\"s\":1~(,\"u\":$u)~(,\"x\":\"\")}", "{\"s\":1,\"u\":17,\"x\":\"\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(rows[i].text, NULL, rows[i].expected);
}

/* Optional parts: omitted depending on the values shown last. */
static void test_optional_parts(void **state)
{
    (void)state;
    sim_value shown[SIM_COUNT];
    set_values(shown);
    static const char TEXT[] =
        "{\"s\":$u~(,\"last\":$last)~(,\"coin\":\"$coin\",\"u\":$u)~(,\"x\":\"\")}";
    expect(TEXT, shown, NULL);
    shown[SIM_LAST].n--;
    expect(TEXT, shown, "{\"s\":17,\"last\":60600.50}");
    shown[SIM_COIN].text = "ETH";
    expect(TEXT, shown, "{\"s\":17,\"last\":60600.50,\"coin\":\"BTC\",\"u\":17}");
    expect(TEXT, NULL, "{\"s\":17,\"last\":60600.50,\"coin\":\"BTC\",\"u\":17,\"x\":\"\"}");
    /* This has no optional part, so it is always written. */
    set_values(shown);
    expect("{\"s\":$u}", shown, "{\"s\":17}");
}

static void test_errors_are_named(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *error;
        const char *hint;
    } rows[] = {
        {"{\"p\":\"$pirce\"}", "there is no value 'pirce'",
         "did you mean 'price'? allowed: topic, "},
        {"{\"p\":\"$Price\"}", "there is no value 'Price'",
         "did you mean 'price'? allowed: topic, "},
        {"{\"p\":\"$xyzw\"}", "there is no value 'xyzw'", "allowed: topic, symbol, "},
        {"{\"p\":\"$\"}", "there is no value ''", "allowed: topic, symbol, "},
        {"[@bid($price)]", "there is no list 'bid'", "did you mean 'bids'? allowed: bids, asks, "},
        {"$ts:x3,", "unknown format before ':x3,': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT",
         ""},
        {"$ts:e", "unknown format before ':e': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT", ""},
        {"$ts:e12", "unknown format before ':e12': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT",
         ""},
        {"$u:short", "unknown format before ':short': expected :s, :b, :dDIGIT, :eDIGIT or :iDIGIT",
         ""},
        {"[@bids[$price]]", "'(' expected before '[$price]]'", ""},
        {"~(,\"u\":$u", "')' expected before ''", ""},
        {"{\"u\":$u)}", "no '(' for ')}'", ""},
        {"{\"u\":(1)}", "'@NAME' or '~' expected before '(1)}'", ""},
        {"@bids($price@asks($size))", "a list is in a list, before '@asks($size))'", ""},
        {"~(~(~(~(~(1)))))", "more than 4 brackets, one in the other", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const template *made = NULL;
        td_arena *memory = td_arena_open();
        td_err err;
        td_err_clear(&err);
        assert_int_equal(template_compile(memory, rows[i].text, &SIM_NAMES, &made, &err),
                         TD_E_INVALID);
        td_arena_close(memory);
        assert_null(made);
        assert_string_equal(err.text, rows[i].error);
        assert_int_equal(strncmp(err.hint, rows[i].hint, strlen(rows[i].hint)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_optional_parts),
        cmocka_unit_test(test_errors_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
