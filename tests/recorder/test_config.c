/* Expected: the keys and bounds in recorder/config.h; line numbers are counted by hand in the texts
 * below. */
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
#include "base/clock.h"
#include "base/io_posix.h"
#include "recorder/config.h"

typedef struct yaml_file {
    char path[64];
} yaml_file;

static void write_yaml(yaml_file *file, const char *text)
{
    snprintf(file->path, sizeof file->path, "/tmp/tapedeck-config-XXXXXX");
    int fd = mkstemp(file->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static td_result load(recorder_config *config, const char *text, td_err *err)
{
    yaml_file file;
    config_init(config);
    write_yaml(&file, text);
    td_result rc = config_load(config, io_posix(), file.path, err);
    if (rc == TD_OK)
        rc = config_finish(config, err);
    unlink(file.path);
    return rc;
}

static void a_whole_file_is_read(void **state)
{
    static const char TEXT[] = "commit_interval: 500ms\n"
                               "overload: drop\n"
                               "ring: 128MiB\n"
                               "feeds:\n"
                               "  - family: inverse\n"
                               "    topics: [trade, orderBookL2_25]\n"
                               "    symbols: [BTCUSD, EOSUSD]\n"
                               "    stale_after: 2m\n"
                               "    strict: true\n"
                               "  - name: usdt\n"
                               "    url: wss://stream.bybit.com/realtime_public\n"
                               "    topics:\n"
                               "      - trade.BTCUSDT\n";
    (void)state;
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    if (load(config, TEXT, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(config->pipeline.commit_interval_ns, 500 * TD_NS_PER_MS);
    assert_int_equal(config->pipeline.overload, OVERLOAD_DROP);
    assert_int_equal(config->pipeline.ring_bytes, 128 << 20);
    assert_int_equal(config->feed_count, 2);
    const feed_config *first = &config->feeds[0];
    assert_string_equal(first->name, "inverse");
    assert_string_equal(first->url, "wss://stream.bybit.com/realtime");
    assert_int_equal(first->topics.count, 2);
    assert_string_equal(first->topics.items[1], "orderBookL2_25");
    assert_int_equal(first->symbols.count, 2);
    assert_int_equal(first->stale_after_ns, 120 * TD_NS_PER_S);
    assert_int_equal(first->is_strict, 1);
    assert_string_equal(config->feeds[1].name, "usdt");
    assert_string_equal(config->feeds[1].family->name, "linear");
    config_fini(config);
    td_free(config);
}

static const struct {
    const char *name, *text, *line, *says, *allowed;
} FAULTS[] = {
    {"unknown key", "feeds:\n  - family: inverse\n    topixs: [trade]\n", ":3: ", "topixs",
     "unknown key"},
    {"unknown key at the top", "feed: []\n", ":1: ", "'feed'", "unknown key"},
    {"value out of bounds", "commit_interval: 5ms\nfeeds: []\n", ":1: ", "commit_interval",
     "10 ms"},
    {"no duration", "feeds:\n  - family: inverse\n    stale_after: soon\n", ":3: ", "stale_after",
     "soon"},
    {"no choice", "overload: panic\nfeeds: []\n", ":1: ", "overload", "pause"},
    {"list for a value", "feeds:\n  - family: [a, b]\n", ":2: ", "family", "plain value"},
    {"mapping for a list", "feeds:\n  - family: inverse\n    topics: {a: b}\n", ":3: ", "topics",
     "list"},
    {"unknown family", "feeds:\n  - topics: [trade]\n    family: invers\n", ":3: ", "invers", ""},
    {"private family without credentials",
     "feeds:\n  - family: spot-private\n    topics: [executionReport]\n", ":2: ", "spot-private",
     "needs credentials"},
    {"private URL without credentials",
     "feeds:\n  - url: wss://stream.bybit.com/v5/private\n    topics: [order]\n",
     ":2: ", "v5-private", "needs credentials"},
    {"half of the credentials",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    api_key_env: A\n",
     ":2: ", "a key and a secret", "one is missing"},
    {"no passphrase where keys have one",
     "feeds:\n  - family: okx\n    topics: [account]\n    api_key_env: A\n    api_secret_env: B\n",
     ":4: ", "keys of family 'okx' have a passphrase", "it is missing"},
    {"a passphrase where keys have no passphrase",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    api_key_env: A\n    api_secret_env: B\n"
     "    api_passphrase_env: C\n",
     ":4: ", "inverse", "have no passphrase"},
    {"compressed frames where there are none",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    binary: true\n", ":4: ", "inverse",
     "has no compressed frames"},
    {"HTTP that is no list", "feeds:\n  - family: inverse\n    topics: [trade]\n    http: {a: b}\n",
     ":4: ", "http", "list"},
    {"HTTP of another kind",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    http: [\"a=wss://h/\"]\n",
     ":4: ", "wss://h/", "https://"},
    {"HTTP too often",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    http:\n"
     "      - a@1s=https://h/\n      - b@2s=https://h/\n",
     ":5: ", "1.5 HTTP requests a second", "may have one"},
    {"HTTP more often than is allowed at all",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    http: [a@10ms=https://h/]\n",
     ":4: ", "every", "1 s"},
    {"two HTTP requests of one name",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    http:\n"
     "      - a=https://h/\n      - a=https://h/\n",
     ":5: ", "'a'", "two HTTP"},
    {"HTTP name that is a path",
     "feeds:\n  - family: inverse\n    topics: [trade]\n    http: [a/b=https://h/]\n",
     ":4: ", "a/b", "letters"},
    {"pattern without a list of instruments",
     "feeds:\n  - family: contract-v3\n    topics: [tickers]\n    symbols: [\"*\"]\n",
     ":4: ", "contract-v3", "no list of instruments"},
    {"only patterns that exclude",
     "feeds:\n  - family: v5-linear\n    topics: [tickers]\n    symbols: [\"!BTC*\"]\n",
     ":4: ", "exclude", ""},
    {"no topics", "feeds:\n  - family: inverse\n", ":2: ", "topic", ""},
    {"two of one name",
     "feeds:\n  - family: inverse\n    topics: [a]\n  - family: inverse\n    topics: [a]\n",
     ":4: ", "inverse", "another name"},
    {"key twice", "overload: drop\noverload: pause\nfeeds: []\n", ":2: ", "overload",
     "given twice"},
    {"no YAML", "feeds: [\n", ":2: ", "", ""},
    {"a tag with a prefix", "%TAG !a! x\n---\nfeeds: [!a!b c]\n", "", "%TAG", ""},
    {"nothing", "", "", "expected", "feeds"},
    {"no feeds", "overload: drop\n", ":1: ", "feeds", ""},
    {"foreign URL", "feeds:\n  - url: wss://example.com/x\n    topics: [a]\n",
     ":2: ", "example.com", ""},
    {"foreign URL with a password and a key",
     "feeds:\n  - url: wss://user:hunter2@example.com/x?api_key=k\n    topics: [a]\n",
     ":2: ", "'wss://************@example.com/x'", ""},
    {"name that is a path", "feeds:\n  - family: inverse\n    name: ../x\n    topics: [trade]\n",
     ":3: ", "../x", "letters"},
};

static void faults_are_named_by_line_and_key(void **state)
{
    (void)state;
    recorder_config *config = td_alloc(sizeof *config);
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        td_err err = {0};
        td_result rc = load(config, FAULTS[i].text, &err);
        if (rc == TD_OK || strstr(err.text, FAULTS[i].line) == NULL ||
            strstr(err.text, FAULTS[i].says) == NULL || strstr(err.text, FAULTS[i].allowed) == NULL)
            fail_msg("%s: %d '%s'", FAULTS[i].name, rc, err.text);
        config_fini(config);
    }
    td_free(config);
}

static void a_missing_file_is_said(void **state)
{
    (void)state;
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    config_init(config);
    assert_int_equal(config_load(config, io_posix(), "/tmp/tapedeck-no-such-file.yaml", &err),
                     TD_E_NOTFOUND);
    assert_non_null(strstr(err.text, "tapedeck-no-such-file.yaml"));
    config_fini(config);
    td_free(config);
}

static feed_config *one_feed(recorder_config *config, const char *family_name)
{
    config_init(config);
    config_feed_init(&config->feeds[0]);
    config->feeds[0].family_name = family_name;
    config->feed_count = 1;
    return &config->feeds[0];
}

/* The addresses of a family: docs/wire.md 1.1, 1.4. */
static void credentials_choose_the_address(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        int has_credentials;
        const char *url;
    } ROWS[] = {
        {"inverse", 0, "wss://stream.bybit.com/realtime"},
        {"inverse", 1, "wss://stream.bybit.com/realtime"},
        {"linear", 0, "wss://stream.bybit.com/realtime_public"},
        {"linear", 1, "wss://stream.bybit.com/realtime_private"},
        {"v5-private", 1, "wss://stream.bybit.com/v5/private"},
        {"usdc-private", 1, "wss://stream.bybit.com/trade/option/usdc/private/v1"},
        {"spot-private", 1, "wss://stream.bybit.com/spot/ws"},
    };
    recorder_config *config = td_alloc(sizeof *config);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_err err;
        feed_config *feed = one_feed(config, ROWS[i].family);
        if (ROWS[i].has_credentials) {
            feed->api_key_env = "A";
            feed->api_secret_env = "B";
        }
        if (strcmp(ROWS[i].family, "spot-private") != 0) /* "order" comes without a request */
            feed->topics = (options_list){.items = {"order"}, .count = 1};
        if (config_finish(config, &err) != TD_OK)
            fail_msg("%s: %s", ROWS[i].family, err.text);
        assert_string_equal(feed->url, ROWS[i].url);
    }
    td_err err;
    /* The path of a topic is all of an address's. */
    static const struct {
        const char *topic, *url;
        int has_credentials;
    } TOPICS[] = {
        {"trades", "wss://ws.okx.com:8443/ws/v5/public", 0},
        {"books-l2-tbt", "wss://ws.okx.com:8443/ws/v5/public", 1},
        {"candle1m", "wss://ws.okx.com:8443/ws/v5/business", 0},
        {"account", "wss://ws.okx.com:8443/ws/v5/private", 1},
    };
    for (size_t i = 0; i < sizeof TOPICS / sizeof *TOPICS; i++) {
        feed_config *okx = one_feed(config, "okx");
        okx->topics = (options_list){.items = {TOPICS[i].topic}, .count = 1};
        if (TOPICS[i].has_credentials) {
            okx->api_key_env = "A";
            okx->api_secret_env = "B";
            okx->api_passphrase_env = "C";
        }
        if (config_finish(config, &err) != TD_OK)
            fail_msg("%s: %s", TOPICS[i].topic, err.text);
        assert_string_equal(okx->url, TOPICS[i].url);
    }
    feed_config *feed = one_feed(config, "v5-private");
    feed->topics = (options_list){.items = {"order"}, .count = 1};
    assert_int_equal(config_finish(config, &err), TD_E_INVALID);
    assert_non_null(strstr(err.hint, "api_key_env"));
    td_free(config);
}

/* 1 if the feed requests the URL. */
static int asks_for(const feed_config *feed, const char *wanted)
{
    char url[LIMIT_URL_BYTES];
    for (size_t i = 0; i < feed->http_count; i++) {
        config_http_url(feed, &feed->http[i], url);
        if (strcmp(url, wanted) == 0)
            return 1;
    }
    return 0;
}

/* The requests of ccxt's loadMarkets, from the sources of versions 4.5 and 1.95. */
static void http_presets_are_requests(void **state)
{
    static const char *const QUERIES[] = {"category=spot", "category=linear&limit=1000",
                                          "category=inverse&limit=1000&status=PreLaunch",
                                          "category=option&baseCoin=DOGE"};
    (void)state;
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    static const char TEXT[] = "feeds:\n  - family: v5-linear\n    topics: [publicTrade.A]\n"
                               "    http: [a=https://h/x]\n    http_preset: ccxt\n";
    if (load(config, TEXT, &err) != TD_OK)
        fail_msg("%s", err.text);
    feed_config *feed = &config->feeds[0];
    assert_int_equal(feed->http_count, 13);
    assert_true(asks_for(feed, "https://h/x"));
    assert_true(asks_for(feed, "https://api.bybit.com/v5/market/time"));
    for (size_t i = 0; i < sizeof QUERIES / sizeof *QUERIES; i++) {
        char url[128];
        snprintf(url, sizeof url, "https://api.bybit.com/v5/market/instruments-info?%s",
                 QUERIES[i]);
        if (!asks_for(feed, url))
            fail_msg("not requested: %s", url);
    }
    feed->net = NET_TEST;
    assert_int_equal(config_finish(config, &err), TD_E_INVALID);
    config_fini(config);
    static const struct {
        const char *family, *url, *expected;
        const char *preset;
        size_t count;
    } CASES[] = {
        {"v5-linear", NULL, "https://api.bybit.com/v5/market/time", "bybit-api", 1},
        {"inverse", NULL, "https://api.bybit.com/v2/public/time", "bybit-api", 1},
        {"linear", NULL, "https://api.bybit.com/v2/public/symbols", "ccxt", 3},
        {"v5-linear", "wss://stream.bytick.com/v5/public/linear",
         "https://api.bybit.com/v5/market/time", "ccxt", 12},
        /* another server, such as sim and serve: requests go to it */
        {"v5-linear", "wss://[::1]:9443/v5/public/linear", "https://[::1]:9443/v5/market/time",
         "ccxt", 12},
        {"v5-linear", "ws://h/x", "http://h/v5/market/time", "bybit-api", 1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        feed = one_feed(config, CASES[i].family);
        feed->url = CASES[i].url;
        feed->topics = (options_list){.items = {"trade"}, .count = 1};
        feed->http_preset = CASES[i].preset;
        if (config_finish(config, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_int_equal(feed->http_count, CASES[i].count);
        assert_true(asks_for(feed, CASES[i].expected));
    }
    /* another exchange's requests are never sent */
    feed = one_feed(config, "okx");
    feed->topics = (options_list){.items = {"trades"}, .count = 1};
    feed->http_preset = "ccxt";
    assert_int_equal(config_finish(config, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "no requests of 'ccxt' are known for family 'okx'"));
    td_free(config);
}

/* The list of instruments is one HTTP request of the feed, at the exchange's host for its network.
 */
static void the_list_of_instruments_is_requested(void **state)
{
    (void)state;
    static const struct {
        const char *url, *expected;
        const char *preset;
        size_t count;
    } CASES[] = {
        {NULL, "https://api.bybit.com/v5/market/instruments-info?category=linear&limit=1000", NULL,
         1},
        {NULL, "https://api.bybit.com/v5/market/instruments-info?category=linear&limit=1000",
         "ccxt", 12},
        {"wss://stream-testnet.bybit.com/v5/public/linear",
         "https://api-testnet.bybit.com/v5/market/instruments-info?category=linear&limit=1000",
         NULL, 1},
        {"wss://[::1]:9443/v5/public/linear",
         "https://[::1]:9443/v5/market/instruments-info?category=linear&limit=1000", NULL, 1},
    };
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char url[LIMIT_URL_BYTES];
        feed_config *feed = one_feed(config, "v5-linear");
        feed->url = CASES[i].url;
        feed->topics = (options_list){.items = {"publicTrade"}, .count = 1};
        feed->symbols = (options_list){.items = {"*USDT"}, .count = 1};
        feed->http_preset = CASES[i].preset;
        feed->instruments_every_ns = 7 * TD_NS_PER_S;
        if (config_finish(config, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_int_equal(feed->http_count, CASES[i].count);
        assert_in_range(feed->listing, 0, feed->http_count - 1);
        config_http_url(feed, &feed->http[feed->listing], url);
        assert_string_equal(url, CASES[i].expected);
        assert_int_equal(feed->http[feed->listing].every_ns, 7 * TD_NS_PER_S);
    }
    td_free(config);
}

static void http_requests_are_read(void **state)
{
    (void)state;
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    feed_config *feed = one_feed(config, "inverse");
    feed->topics = (options_list){.items = {"trade"}, .count = 1};
    feed->http_texts = (options_list){
        .items = {"instruments@30m=https://h/v5/x?a=b@c", "status=http://h:81/"}, .count = 2};
    if (config_finish(config, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(feed->http_count, 2);
    assert_string_equal(feed->http[0].name, "instruments");
    assert_string_equal(feed->http[0].url, "https://h/v5/x?a=b@c");
    assert_int_equal(feed->http[0].every_ns, 1800 * TD_NS_PER_S);
    assert_string_equal(feed->http[1].name, "status");
    assert_int_equal(feed->http[1].every_ns, 3600 * TD_NS_PER_S);
    static const char TEXT[] =
        "feeds:\n  - family: inverse\n    topics: [trade]\n    http:\n"
        "      - instruments@1d=https://h/x\n      - b=https://h/y\n    symbols: [A]\n";
    if (load(config, TEXT, &err) != TD_OK)
        fail_msg("%s", err.text);
    feed = &config->feeds[0];
    assert_int_equal(feed->http_count, 2);
    assert_string_equal(feed->http[0].name, "instruments");
    assert_string_equal(feed->http[0].url, "https://h/x");
    assert_int_equal(feed->http[0].every_ns, 86400 * TD_NS_PER_S);
    assert_string_equal(feed->http[1].name, "b");
    assert_int_equal(feed->symbols.count, 1);
    config_fini(config);
    static const char *const WRONG[] = {"https://h/x",       "=https://h/",      "a@=https://h/",
                                        "a@soon=https://h/", "a@31d=https://h/", "a=h",
                                        "a=https:///"};
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        feed = one_feed(config, "inverse");
        feed->topics = (options_list){.items = {"trade"}, .count = 1};
        feed->http_texts = (options_list){.items = {WRONG[i]}, .count = 1};
        if (config_finish(config, &err) != TD_E_INVALID)
            fail_msg("taken: %s", WRONG[i]);
    }
    td_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(faults_are_named_by_line_and_key),
        cmocka_unit_test(a_missing_file_is_said),
        cmocka_unit_test(credentials_choose_the_address),
        cmocka_unit_test(http_requests_are_read),
        cmocka_unit_test(the_list_of_instruments_is_requested),
        cmocka_unit_test(http_presets_are_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
