/* Expected values: the keys and bounds of recorder/config.h; lines counted by hand in the texts
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
                               "    strict: yes\n"
                               "  - name: usdt\n"
                               "    url: wss://stream.bybit.com/realtime_public\n"
                               "    topics:\n"
                               "      - trade.BTCUSDT\n";
    (void)state;
    td_err err;
    recorder_config *config = td_alloc(sizeof *config);
    if (load(config, TEXT, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(config->commit_interval_ns, 500 * TD_NS_PER_MS);
    assert_int_equal(config->overload, OVERLOAD_DROP);
    assert_int_equal(config->ring_bytes, 128 << 20);
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

static void faults_are_named_by_line_and_key(void **state)
{
    static const struct {
        const char *name, *text, *line, *says, *allowed;
    } ROWS[] = {
        {"unknown key", "feeds:\n  - family: inverse\n    topixs: [trade]\n", ":3: ", "topixs",
         "topics"},
        {"unknown key at the top", "feed: []\n", ":1: ", "'feed'", "commit_interval"},
        {"value out of bounds", "commit_interval: 5ms\nfeeds: []\n", ":1: ", "commit_interval",
         "10 ms"},
        {"no duration", "feeds:\n  - family: inverse\n    stale_after: soon\n",
         ":3: ", "stale_after", "soon"},
        {"no choice", "overload: panic\nfeeds: []\n", ":1: ", "overload", "pause"},
        {"list for a value", "feeds:\n  - family: [a, b]\n", ":2: ", "family", "plain value"},
        {"mapping for a list", "feeds:\n  - family: inverse\n    topics: {a: b}\n",
         ":3: ", "topics", "list"},
        {"unknown family", "feeds:\n  - topics: [trade]\n    family: invers\n", ":3: ", "invers",
         ""},
        {"family of a dialect that is not there yet",
         "feeds:\n  - topics: [executionReport]\n    family: spot-private\n",
         ":3: ", "spot-private", "not spoken"},
        {"URL of such a family",
         "feeds:\n  - url: wss://stream.bybit.com/spot/ws\n    topics: [a]\n",
         ":2: ", "spot-private", "not spoken"},
        {"no topics", "feeds:\n  - family: inverse\n", ":2: ", "topic", ""},
        {"two of one name",
         "feeds:\n  - family: inverse\n    topics: [a]\n  - family: inverse\n    topics: [a]\n",
         ":4: ", "inverse", "another name"},
        {"key twice", "overload: drop\noverload: pause\nfeeds: []\n", ":2: ", "overload", "line 1"},
        {"no YAML", "feeds: [\n", ":2: ", "", ""},
        {"nothing", "", "", "empty", "feeds"},
        {"no feeds", "overload: drop\n", ":1: ", "feeds", ""},
        {"foreign URL", "feeds:\n  - url: wss://example.com/x\n    topics: [a]\n",
         ":2: ", "example.com", ""},
        {"auth without key", "feeds:\n  - family: inverse\n    auth: op\n    topics: [order]\n",
         ":3: ", "auth", "api_key_env"},
        {"name that is a path",
         "feeds:\n  - family: inverse\n    name: ../x\n    topics: [trade]\n", ":3: ", "../x",
         "letters"},
    };
    (void)state;
    recorder_config *config = td_alloc(sizeof *config);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_err err = {0};
        td_result rc = load(config, ROWS[i].text, &err);
        if (rc == TD_OK || strstr(err.text, ROWS[i].line) == NULL ||
            strstr(err.text, ROWS[i].says) == NULL || strstr(err.text, ROWS[i].allowed) == NULL)
            fail_msg("%s: %d '%s'", ROWS[i].name, rc, err.text);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file_is_read),
        cmocka_unit_test(faults_are_named_by_line_and_key),
        cmocka_unit_test(a_missing_file_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
