/* Which symbols begin and end as the exchange's list changes. Replies are written by hand from the
 * exchange's documents. Expected: the rules in recorder/instruments.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/instruments.h"
#include "schema/family.h"

enum { TEXT_BYTES = 8192 };

/* A reply with these instruments, "SYMBOL" or "SYMBOL/STATUS", separated by blanks. */
static td_bytes reply_of(const char *listed, const char *page, char out[TEXT_BYTES])
{
    size_t at = (size_t)snprintf(out, TEXT_BYTES,
                                 "{\"retCode\":0,\"result\":{\"category\":\"linear\","
                                 "\"nextPageCursor\":\"%s\",\"list\":[",
                                 page);
    const char *comma = "";
    while (*listed != '\0') {
        int size = (int)strcspn(listed, " ");
        const char *slash = memchr(listed, '/', (size_t)size);
        int symbol = slash == NULL ? size : (int)(slash - listed);
        at += (size_t)snprintf(
            out + at, TEXT_BYTES - at, "%s{\"symbol\":\"%.*s\",\"status\":\"%.*s\"}", comma, symbol,
            listed, slash == NULL ? 7 : size - symbol - 1, slash == NULL ? "Trading" : slash + 1);
        comma = ",";
        listed += size + (listed[size] == ' ');
    }
    at += (size_t)snprintf(out + at, TEXT_BYTES - at, "]}}");
    return td_bytes_of(out, at);
}

static void open_patterns(options_list *symbols, const char *const *patterns)
{
    *symbols = (options_list){0};
    for (size_t i = 0; patterns[i] != NULL; i++)
        symbols->items[symbols->count++] = patterns[i];
}

static instruments *open_with(options_list *symbols, const char *const *patterns)
{
    open_patterns(symbols, patterns);
    return instruments_open(family_find(td_bytes_str("v5-linear")), symbols);
}

/* "+BEGUN -ENDED", and "?" if the reading is to be repeated. */
static const char *changes(const instruments *self)
{
    static char text[1024];
    size_t at = 0;
    size_t count = 0;
    text[0] = '\0';
    const char *const *names = instruments_begun(self, &count);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "+%s ", names[i]);
    names = instruments_ended(self, &count);
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "-%s ", names[i]);
    (void)snprintf(text + at, sizeof text - at, "%s", instruments_is_unsure(self) ? "?" : "");
    return text;
}

static const char *read_list(instruments *self, const char *listed)
{
    char text[TEXT_BYTES];
    const char *page = NULL;
    instruments_begin(self);
    assert_int_equal(instruments_take(self, reply_of(listed, "", text), &page, NULL), TD_OK);
    assert_null(page);
    return changes(self);
}

static void patterns_choose(void **state)
{
    (void)state;
    static const struct {
        const char *patterns[4];
        const char *begun;
    } ROWS[] = {
        {{"all"}, "+BTCUSDT +BTCPERP +ETHUSDT +BTC-USD "},
        {{"*"}, "+BTCUSDT +BTCPERP +ETHUSDT +BTC-USD "},
        {{"*USDT"}, "+BTCUSDT +ETHUSDT "},
        {{"BTC*", "!*PERP"}, "+BTCUSDT +BTC-USD "},
        {{"!BTC*", "*"}, "+ETHUSDT "},
        {{"?TCUSDT", "*-USD"}, "+BTCUSDT +BTC-USD "},
        {{"ETHUSDT", "*PERP"}, "+BTCPERP "}, /* a symbol is no pattern */
        {{"XRP*"}, ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        options_list symbols;
        instruments *self = open_with(&symbols, ROWS[i].patterns);
        assert_string_equal(read_list(self, "BTCUSDT BTCPERP ETHUSDT BTC-USD"), ROWS[i].begun);
        assert_int_equal(instruments_listed_count(self), 4);
        instruments_close(self);
    }
    assert_false(instruments_is_pattern("BTCUSDT"));
    assert_true(instruments_is_pattern("!BTCUSDT"));
}

static void a_symbol_begins_when_it_is_traded(void **state)
{
    (void)state;
    options_list symbols;
    instruments *self = open_with(&symbols, (const char *const[]){"*", NULL});
    assert_string_equal(read_list(self, "A B/PreLaunch C/Closed"), "+A ");
    assert_string_equal(read_list(self, "A B/PreLaunch C/Closed"), "");
    assert_string_equal(read_list(self, "A B C/Closed D"), "+B +D ");
    /* Deliveries still have frames. */
    assert_string_equal(read_list(self, "A B/Delivering C/Closed D/Closed"), "-D ");
    assert_int_equal(instruments_traded_count(self), 1);
    /* Listed again. */
    assert_string_equal(read_list(self, "A B/Delivering C D"), "+C +D ");
    instruments_close(self);
}

/* A list that changes while it is read may lack a symbol in one reading. */
static void a_symbol_ends_when_two_readings_lack_it(void **state)
{
    (void)state;
    options_list symbols;
    instruments *self = open_with(&symbols, (const char *const[]){"*", NULL});
    assert_string_equal(read_list(self, "A B"), "+A +B ");
    assert_string_equal(read_list(self, "A"), "?");
    assert_string_equal(read_list(self, "A B"), "");
    assert_string_equal(read_list(self, "B"), "?");
    assert_string_equal(read_list(self, "B"), "-A ");
    assert_string_equal(read_list(self, "B"), "");
    instruments_close(self);
}

static void other_patterns_keep_what_still_matches(void **state)
{
    (void)state;
    options_list symbols;
    options_list other;
    instruments *self = open_with(&symbols, (const char *const[]){"*", "!C", NULL});
    instruments_close(open_with(&other, (const char *const[]){"*", "!A", NULL}));
    assert_string_equal(read_list(self, "A B C"), "+A +B ");
    instruments_choose(self, &other);
    assert_string_equal(changes(self), "+B "); /* all that are begun */
    assert_string_equal(read_list(self, "A B C"), "+C ");
    assert_string_equal(read_list(self, "A B C"), "");
    instruments_choose(self, &symbols);
    assert_string_equal(changes(self), "+B ");
    assert_string_equal(read_list(self, "A B C"), "+A ");
    instruments_close(self);
}

static void recorded_symbols_replace_a_list_until_it_is_read(void **state)
{
    (void)state;
    options_list symbols;
    instruments *self = open_with(&symbols, (const char *const[]){"*", "!C", NULL});
    for (const char *const *name = (const char *const[]){"A", "B", "A", "C", "", "X Y", NULL};
         *name != NULL; name++)
        instruments_assume(self, *name);
    assert_string_equal(changes(self), "+A +B ");
    assert_int_equal(instruments_traded_count(self), 2);
    assert_int_equal(instruments_listed_count(self), 0);
    assert_string_equal(read_list(self, "B C D"), "+D ?");
    assert_string_equal(read_list(self, "B C D"), "-A ");
    instruments_close(self);
}

static td_result take(instruments *self, const char *listed, const char *next, const char **page,
                      td_err *err)
{
    char text[TEXT_BYTES];
    return instruments_take(self, reply_of(listed, next, text), page, err);
}

static void a_list_has_pages(void **state)
{
    (void)state;
    options_list symbols;
    const char *page = NULL;
    instruments *self = open_with(&symbols, (const char *const[]){"*", NULL});
    instruments_begin(self);
    assert_int_equal(take(self, "A B", "p%3D2 x", &page, NULL), TD_OK);
    assert_string_equal(page, "&cursor=p%3D2%20x");
    assert_string_equal(changes(self), "");
    assert_int_equal(take(self, "C", "", &page, NULL), TD_OK);
    assert_null(page);
    assert_string_equal(changes(self), "+A +B +C ");
    /* A reading that is not finished changes nothing, and does not count as lacking C. */
    instruments_begin(self);
    assert_int_equal(take(self, "A B D", "p%3D2", &page, NULL), TD_OK);
    assert_string_equal(read_list(self, "A B"), "?");
    assert_string_equal(read_list(self, "A B C"), "");
    instruments_close(self);
}

/* Read all lists of coins, whose instruments are "COIN-1" and, on a second page, "COIN-2". Returns
 * what was appended to the URLs. */
static const char *read_coins(instruments *self)
{
    static char queries[1024];
    size_t at = 0;
    const char *query = instruments_begin(self);
    while (query != NULL) {
        char listed[64];
        char coin[16] = "";
        int is_second = strstr(query, "&cursor=") != NULL;
        assert_int_equal(sscanf(query, "&baseCoin=%15[A-Z]", coin), 1);
        at += (size_t)snprintf(queries + at, sizeof queries - at, "%s ", query);
        (void)snprintf(listed, sizeof listed, "%s-%d", coin, is_second ? 2 : 1);
        assert_int_equal(take(self, listed, is_second ? "" : "next", &query, NULL), TD_OK);
    }
    return queries;
}

static void each_coin_has_a_list(void **state)
{
    (void)state;
    static const struct {
        const char *patterns[4];
        const char *queries, *begun;
    } ROWS[] = {
        {{"BTC-*"}, "&baseCoin=BTC &baseCoin=BTC&cursor=next ", "+BTC-1 +BTC-2 "},
        {{"SOL-1*", "M*", "!MNT-2"},
         "&baseCoin=SOL &baseCoin=SOL&cursor=next &baseCoin=MNT &baseCoin=MNT&cursor=next ",
         "+SOL-1 +MNT-1 "},
        /* no coin matches: the first list shows what there is */
        {{"HYPE-*"}, "&baseCoin=BTC &baseCoin=BTC&cursor=next ", ""},
    };
    options_list symbols;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        open_patterns(&symbols, ROWS[i].patterns);
        instruments *self = instruments_open(family_find(td_bytes_str("v5-option")), &symbols);
        for (int again = 0; again < 2; again++)
            assert_string_equal(read_coins(self), ROWS[i].queries);
        assert_string_equal(changes(self), "");
        instruments_close(self);
        self = instruments_open(family_find(td_bytes_str("v5-option")), &symbols);
        (void)read_coins(self);
        assert_string_equal(changes(self), ROWS[i].begun);
        instruments_close(self);
    }
    open_patterns(&symbols, (const char *const[]){"*", NULL});
    instruments *self = instruments_open(family_find(td_bytes_str("v5-option")), &symbols);
    (void)read_coins(self);
    assert_string_equal(changes(self), "+BTC-1 +BTC-2 +ETH-1 +ETH-2 +SOL-1 +SOL-2 +XRP-1 +XRP-2 "
                                       "+MNT-1 +MNT-2 +DOGE-1 +DOGE-2 ");
    instruments_close(self);
}

static void bad_lists_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *words;
    } ROWS[] = {
        {"{\"retCode\":0,\"result\":{\"list\":[]}}", "the list has no instrument"},
        {"{\"retCode\":10006,\"retMsg\":\"Too many visits!\",\"result\":{}}", "Too many visits!"},
        {"<html>blocked</html>", ""},
        {"", ""},
        {"{\"result\":{\"list\":[{\"symbol\":\"A B\"}]}}",
         "no instrument that can be recorded, but A B"},
        {"{\"result\":{\"list\":[{\"symbol\":\"A\\\",\\\"B\"}]}}",
         "no instrument that can be recorded, but A\",\"B"},
        {"{\"result\":{\"list\":[{\"price\":\"1\"}]}}", "the list has no instrument"},
    };
    options_list symbols;
    const char *page = NULL;
    instruments *self = open_with(&symbols, (const char *const[]){"*", NULL});
    assert_string_equal(read_list(self, "A B"), "+A +B ");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_err err;
        instruments_begin(self);
        if (instruments_take(self, td_bytes_str(ROWS[i].reply), &page, &err) != TD_E_INVALID)
            fail_msg("%s was taken", ROWS[i].reply);
        if (strstr(err.text, ROWS[i].words) == NULL)
            fail_msg("'%s' lacks '%s'", err.text, ROWS[i].words);
        assert_null(page);
    }
    assert_string_equal(read_list(self, "A B"), "");
    /* Names that are no symbols are left out, and reported when their number changes. */
    size_t count;
    for (size_t i = 0; i < 3; i++) {
        static const char ODD[] = "{\"result\":{\"list\":[{\"symbol\":\"A B\"},{\"symbol\":\"A\"},"
                                  "{\"symbol\":\"C\"},{\"symbol\":\"*\"}]}}";
        instruments_begin(self);
        assert_int_equal(instruments_take(self, td_bytes_str(ODD), &page, NULL), TD_OK);
        assert_int_equal(instruments_listed_count(self), 2);
        const char *odd = instruments_odd(self, &count);
        assert_int_equal(count, 2);
        if (i == 0)
            assert_string_equal(odd, "A B");
        else
            assert_null(odd);
        (void)instruments_begun(self, &count);
        assert_int_equal(count, i == 0); /* C */
    }
    /* A page that leads to itself would be read for ever. */
    td_err err;
    instruments_begin(self);
    assert_int_equal(take(self, "A", "2", &page, NULL), TD_OK);
    assert_int_equal(take(self, "B", "2", &page, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "the same page"));
    instruments_close(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_choose),
        cmocka_unit_test(a_symbol_begins_when_it_is_traded),
        cmocka_unit_test(a_symbol_ends_when_two_readings_lack_it),
        cmocka_unit_test(other_patterns_keep_what_still_matches),
        cmocka_unit_test(recorded_symbols_replace_a_list_until_it_is_read),
        cmocka_unit_test(a_list_has_pages),
        cmocka_unit_test(each_coin_has_a_list),
        cmocka_unit_test(bad_lists_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
