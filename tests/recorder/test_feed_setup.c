/* What feeds share: connections are limited per host (docs/wire.md 1.3), whatever the family, path
 * and port. Servers on this machine have no limit to share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "recorder/feed_setup.h"

static void feeds_of_one_host_share_its_limit(void **state)
{
    (void)state;
    static const struct {
        const char *family, *url;
        size_t shares; /* index of the first feed with the same host */
    } ROWS[] = {
        {"v5-linear", "wss://stream.bybit.com/v5/public/linear", 0},
        {"v5-spot", "wss://stream.bybit.com/v5/public/spot", 0},
        {"inverse", "wss://STREAM.bybit.com:443/realtime?x", 0},
        {"linear", "wss://stream-testnet.bybit.com/realtime_public", 3},
        {"linear", "wss://10.0.0.1:1001/realtime_public", 4},
        {"inverse", "wss://10.0.0.1:1002/realtime", 4},
        {"inverse", "ws://[::1]:1002/realtime", 6},
        {"inverse", "wss://127.0.0.1:1001/realtime", 6},
        {"inverse", "ws://[2001:db8::2]/realtime", 8},
        {"inverse", "ws://[2001:DB8::2]:99/realtime", 8},
    };
    enum { COUNT = sizeof ROWS / sizeof *ROWS };
    static const char *const NAMES[COUNT] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    recorder_config *config = td_alloc(sizeof *config);
    config_init(config);
    for (size_t i = 0; i < COUNT; i++) {
        feed_config *feed = &config->feeds[i];
        config_feed_init(feed);
        feed->name = NAMES[i];
        feed->family_name = ROWS[i].family;
        feed->url = ROWS[i].url;
        feed->topics = (options_list){.items = {"x.BTCUSDT"}, .count = 1};
        feed->allows_unknown = 1;
    }
    config->feed_count = COUNT;
    td_err err;
    char hosts[COUNT][TD_HOST_BYTES];
    if (config_finish(config, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < COUNT; i++)
        feed_setup_host(&config->feeds[i], hosts[i]);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < COUNT; k++)
            assert_int_equal(strcmp(hosts[i], hosts[k]) == 0, ROWS[i].shares == ROWS[k].shares);
    config_fini(config);
    td_free(config);
}

static void keep_line(void *ctx, td_log_level level, const char *line)
{
    char *text = ctx;
    size_t used = strlen(text);
    if (strstr(line, "do not share its count of connections") != NULL)
        return; /* this user has no shared memory */
    assert_int_equal(level, TD_LOG_WARNING);
    (void)snprintf(text + used, 1024 - used, "%s\n", line);
}

/* A topic that the exchange has withdrawn is not unknown; a family that has ended is recorded, if
 * anyone still sends it. */
static void topics_and_families_that_have_ended_are_logged(void **state)
{
    (void)state;
    static const struct {
        const char *family, *url, *topic;
        uint8_t allows_unknown;
        const char *text;
    } ROWS[] = {
        {"v5-spot", NULL, "publicTrade.BTCUSDT", 0, ""},
        {"inverse", "wss://127.0.0.1:1/realtime", "trade.BTCUSD", 0, ""},
        {"inverse", NULL, "trade.BTCUSD", 0,
         "a: the exchange no longer sends family inverse, and its address may not answer; "
         "'tapedeck "
         "topics' shows which families it sends\n"},
        {"v5-spot", NULL, "lt.BTC3LUSDT", 0,
         "a: topic 'lt.BTC3LUSDT' was withdrawn by the exchange on 2025-07-05: its frames will be "
         "kept raw\n"},
        {"v5-spot", NULL, "lt.BTC3LUSDT", 1,
         "a: topic 'lt.BTC3LUSDT' was withdrawn by the exchange on 2025-07-05: its frames will be "
         "kept raw\n"},
        {"v5-spot", NULL, "fresh.BTCUSDT", 1,
         "a: family v5-spot has no topic 'fresh.BTCUSDT': its frames will be kept raw\n"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[1024] = "";
        const td_log log = {keep_line, text, TD_LOG_WARNING};
        recorder_config *config = td_alloc(sizeof *config);
        config_init(config);
        feed_config *feed = &config->feeds[0];
        config_feed_init(feed);
        feed->name = "a";
        feed->family_name = ROWS[i].family;
        feed->url = ROWS[i].url;
        feed->topics = (options_list){.items = {ROWS[i].topic}, .count = 1};
        feed->allows_unknown = ROWS[i].allows_unknown;
        config->feed_count = 1;
        td_err err;
        feed_setup *feeds = NULL;
        if (config_finish(config, &err) != TD_OK ||
            feed_setup_open_all(config, &(feed_setup_env){.io = io_posix(), .log = &log}, &feeds,
                                &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_string_equal(text, ROWS[i].text);
        feed_setup_close_all(feeds);
        config_fini(config);
        td_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feeds_of_one_host_share_its_limit),
        cmocka_unit_test(topics_and_families_that_have_ended_are_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
