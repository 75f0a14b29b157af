/* Which frames a check is of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "regress/baseline_selection.h"
#include "base/alloc.h"

static const char *const OTHERS[] = {"orderbook*"};
static const char *const FEEDS[] = {"inverse"};

/* What is stored of a selection is read as the same. */
static void test_round_trip(void **state)
{
    (void)state;
    static const char *const QUOTED[] = {"trade", "it's", "'", "x y"};
    const selection saved = {.feeds = {FEEDS, 1}, .topics = {QUOTED, 4}};
    const selection_window window = {UINT64_C(1618677785489609000), UINT64_C(1618677799000000000)};
    const selection none = {.has_from = 0};
    baseline_selection s;
    td_err err;
    char *text = baseline_selection_text(&saved, window);
    assert_non_null(text);
    assert_int_equal(baseline_selection_init(&s, text, &none, NULL, &err), TD_OK);
    assert_int_equal(s.wanted.feeds.count, 1);
    assert_string_equal(s.wanted.feeds.items[0], "inverse");
    assert_int_equal(s.wanted.topics.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(s.wanted.topics.items[i], QUOTED[i]);
    assert_int_equal(s.wanted.symbols.count, 0);
    assert_int_equal(s.wanted.from.ns, window.from_ns);
    assert_int_equal(s.wanted.to.ns, window.to_ns);
    assert_int_equal(s.is_part, 0);
    baseline_selection_fini(&s);
    td_free(text);
}

static void test_all(void **state)
{
    (void)state;
    const selection none = {.has_from = 0};
    baseline_selection s;
    td_err err;
    assert_int_equal(baseline_selection_init(&s, "", &none, NULL, &err), TD_OK);
    assert_int_equal(s.wanted.feeds.count + s.wanted.topics.count + s.wanted.symbols.count, 0);
    assert_false(s.wanted.has_from || s.wanted.has_to || s.is_part);
    baseline_selection_fini(&s);
}

/* Globs of the command line replace those of their kind; times are clipped. */
static void test_narrowed(void **state)
{
    (void)state;
    selection given = {.topics = {OTHERS, 1},
                       .from = {TD_TIME_ABSOLUTE, UINT64_C(1618680000000000000)},
                       .to = {TD_TIME_ABSOLUTE, UINT64_C(1718680000000000000)},
                       .has_from = 1,
                       .has_to = 1};
    static const char TEXT[] = "--feed 'inverse' --topic 'trade' --from 2021-04-17T00:00:00Z "
                               "--to 2021-04-18T00:00:00Z";
    baseline_selection s;
    td_err err;
    assert_int_equal(baseline_selection_init(&s, TEXT, &given, NULL, &err), TD_OK);
    assert_string_equal(s.wanted.feeds.items[0], "inverse");
    assert_string_equal(s.wanted.topics.items[0], "orderbook*");
    assert_string_equal(s.covered.topics.items[0], "trade");
    assert_int_equal(s.wanted.from.ns, UINT64_C(1618680000000000000));
    assert_int_equal(s.wanted.to.ns, UINT64_C(1618704000000000000));
    assert_int_equal(s.is_part, 1);
    baseline_selection_fini(&s);

    given.from.ns = UINT64_C(1618704000000000000); /* after all that the baseline has */
    assert_int_equal(baseline_selection_init(&s, TEXT, &given, NULL, &err), TD_E_INVALID);
    assert_string_equal(err.hint, "it was saved with --from 2021-04-17T00:00:00.000000000Z "
                                  "--to 2021-04-18T00:00:00.000000000Z");
    baseline_selection_fini(&s);
}

static void test_wrong_text(void **state)
{
    static const char *const ROWS[] = {"--feed",          "--feed 'a",  "feed 'a'",  "--from x",
                                       "--feed a --to",   "--symbol '", "--depth 3", "x",
                                       "--feed 'a' junk", "--feed ''x"};
    (void)state;
    const selection none = {.has_from = 0};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        baseline_selection s;
        td_err err;
        if (baseline_selection_init(&s, ROWS[i], &none, NULL, &err) != TD_E_CORRUPT)
            fail_msg("%s", ROWS[i]);
        baseline_selection_fini(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_narrowed),
        cmocka_unit_test(test_wrong_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
