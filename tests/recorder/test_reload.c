/* What another configuration changes. Expected: recorder/reload.h; line numbers are counted by hand
 * in the texts below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "recorder/reload.h"

static recorder_config *load(const char *text)
{
    char path[] = "/tmp/tapedeck-reload-XXXXXX";
    td_err err;
    recorder_config *made = td_alloc(sizeof *made);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    config_init(made);
    if (config_load(made, io_posix(), path, &err) != TD_OK || config_finish(made, &err) != TD_OK)
        fail_msg("%s", err.text);
    unlink(path);
    return made;
}

static void unload(recorder_config *config)
{
    config_fini(config);
    td_free(config);
}

static const char RUNNING[] = "feeds:\n"
                              "  - name: a\n"
                              "    family: v5-linear\n"
                              "    topics: [publicTrade, tickers]\n"
                              "    symbols: [BTCUSDT]\n"
                              "  - name: b\n"
                              "    family: v5-linear\n"
                              "    topics: [publicTrade]\n"
                              "    symbols: ['*']\n";

#define A(topics, symbols)                                                                         \
    "  - name: a\n    family: v5-linear\n    topics: [" topics "]\n    symbols: [" symbols "]\n"
#define SAME_A A("publicTrade, tickers", "BTCUSDT")
#define B(symbols)                                                                                 \
    "  - name: b\n    family: v5-linear\n    topics: [publicTrade]\n    symbols: [" symbols "]\n"
#define SAME_B B("'*'")

/* A plan as text: "changed RUNNING:WANTED ..., added WANTED, removed RUNNING". */
static void format_plan(const reload_plan *plan, char out[256])
{
    size_t size = 0;
    for (size_t i = 0; i < plan->changed_count; i++)
        size += (size_t)snprintf(out + size, 256 - size, "changed %zu:%zu ",
                                 plan->changed[i].running, plan->changed[i].wanted);
    for (size_t i = 0; i < plan->added_count; i++)
        size += (size_t)snprintf(out + size, 256 - size, "added %zu ", plan->added[i]);
    for (size_t i = 0; i < plan->removed_count; i++)
        size += (size_t)snprintf(out + size, 256 - size, "removed %zu ", plan->removed[i]);
    out[size] = '\0';
}

static void feeds_topics_and_symbols_may_change(void **state)
{
    static const struct {
        const char *wanted, *plan;
    } ROWS[] = {
        {"feeds:\n" SAME_A SAME_B, ""},
        {"feeds:\n" SAME_B SAME_A, ""},
        {"feeds:\n" A("publicTrade", "BTCUSDT") SAME_B, "changed 0:0 "},
        {"feeds:\n" SAME_B A("publicTrade, tickers", "BTCUSDT, ETHUSDT"), "changed 0:1 "},
        {"feeds:\n" SAME_A B("'*', '!ETH*'"), "changed 1:1 "},
        {"feeds:\n" SAME_A, "removed 1 "},
        {"feeds:\n" SAME_A "    symbols_file: list\n" SAME_B, "changed 0:0 "},
        {"feeds:\n  - name: c\n    family: v5-spot\n    topics: [publicTrade.BTCUSDT]\n" SAME_B,
         "added 0 removed 0 "},
    };
    (void)state;
    recorder_config *running = load(RUNNING);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        recorder_config *wanted = load(ROWS[i].wanted);
        reload_plan plan;
        char text[256];
        td_err err;
        assert_int_equal(reload_compare(running, wanted, &plan, &err), TD_OK);
        format_plan(&plan, text);
        if (strcmp(text, ROWS[i].plan) != 0)
            fail_msg("row %zu: '%s', expected '%s'", i, text, ROWS[i].plan);
        unload(wanted);
    }
    unload(running);
}

static void nothing_else_may_change(void **state)
{
    static const struct {
        const char *wanted, *words;
    } ROWS[] = {
        {"overload: drop\nfeeds:\n" SAME_A SAME_B, "'overload' cannot change while recording"},
        {"commit_interval: 2s\nfeeds:\n" SAME_A SAME_B, "'commit-interval' cannot change"},
        {"feeds:\n" SAME_A "    stale_after: 5s\n" SAME_B, ":6: stale_after: 'stale-after' cannot"},
        {"feeds:\n" SAME_A "    strict: true\n" SAME_B, ":6: strict: 'strict' cannot change"},
        {"feeds:\n" SAME_A "    net: test\n" SAME_B, "cannot change while the feed is recorded"},
        {"feeds:\n" SAME_A "    http: ['a=/v5/market/time']\n" SAME_B, ":6: http: 'http' cannot"},
        {"feeds:\n" SAME_A "    url: ws://127.0.0.1:1/v5/public/linear\n" SAME_B,
         ":6: url: 'url' cannot change"},
        {"feeds:\n" A("publicTrade", "'*'") SAME_B, ":5: symbols: the feed's first pattern"},
        {"feeds:\n" SAME_A B("BTCUSDT"), ":9: symbols: the feed's last pattern"},
    };
    (void)state;
    recorder_config *running = load(RUNNING);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        recorder_config *wanted = load(ROWS[i].wanted);
        reload_plan plan;
        td_err err;
        assert_int_equal(reload_compare(running, wanted, &plan, &err), TD_E_INVALID);
        if (strstr(err.text, ROWS[i].words) == NULL || err.hint[0] == '\0')
            fail_msg("row %zu: '%s' (%s) lacks '%s'", i, err.text, err.hint, ROWS[i].words);
        unload(wanted);
    }
    unload(running);
}

static void a_removed_feed_is_not_removed_again_and_does_not_return(void **state)
{
    (void)state;
    recorder_config *running = load(RUNNING);
    recorder_config *less = load("feeds:\n" SAME_A);
    recorder_config *same = load(RUNNING);
    reload_plan plan;
    td_err err;
    running->feeds[1].is_removed = 1;
    assert_int_equal(reload_compare(running, less, &plan, &err), TD_OK);
    assert_int_equal(plan.removed_count + plan.changed_count + plan.added_count, 0);
    assert_int_equal(reload_compare(running, same, &plan, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "'b' was removed from this session"));
    config_drop_removed(running);
    assert_int_equal(running->feed_count, 1);
    assert_string_equal(running->pipeline.feeds[0].name, "a");
    unload(same);
    unload(less);
    unload(running);
}

static void a_session_has_a_bounded_number_of_feeds(void **state)
{
    (void)state;
    recorder_config *running = load(RUNNING);
    recorder_config *wanted =
        load("feeds:\n" SAME_A "  - name: c\n    family: v5-spot\n    topics: [tickers.BTCUSDT]\n");
    reload_plan plan;
    td_err err;
    for (; running->feed_count < LIMIT_FEEDS; running->feed_count++) {
        running->feeds[running->feed_count] = running->feeds[1];
        running->feeds[running->feed_count].is_removed = 1;
    }
    assert_int_equal(reload_compare(running, wanted, &plan, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "a session has at most 64 feeds"));
    unload(wanted);
    unload(running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeds_topics_and_symbols_may_change),
        cmocka_unit_test(nothing_else_may_change),
        cmocka_unit_test(a_removed_feed_is_not_removed_again_and_does_not_return),
        cmocka_unit_test(a_session_has_a_bounded_number_of_feeds),
    };
    return cmocka_run_group_tests_name("recorder/reload", tests, NULL, NULL);
}
