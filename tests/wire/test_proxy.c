/* Proxies and NO_PROXY. Expected values by hand from RFC 3986 and wire/proxy.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/proxy.h"

static void test_proxy_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *credentials;
        unsigned port;
        td_result rc;
    } ROWS[] = {
        {"http://proxy.corp:3128", "proxy.corp", "", 3128, TD_OK},
        {"proxy.corp:3128", "proxy.corp", "", 3128, TD_OK},
        {"HTTP://proxy.corp", "proxy.corp", "", 80, TD_OK},
        {"http://proxy.corp/", "proxy.corp", "", 80, TD_OK},
        {"http://u:p%40ss%3A:x@10.0.0.1:1/", "10.0.0.1", "u:p@ss::x", 1, TD_OK},
        {"http://a%25b@h", "h", "a%b:", 80, TD_OK},
        {"http://[fd00::1]:8080", "fd00::1", "", 8080, TD_OK},
        {"http://[fd00::1]", "fd00::1", "", 80, TD_OK},
        {"https://proxy.corp", "", "", 0, TD_E_INVALID},
        {"socks5://proxy.corp", "", "", 0, TD_E_INVALID},
        {"socks4://proxy.corp", "", "", 0, TD_E_INVALID},
        {"http://a%3Ab:c@h", "", "", 0, TD_E_INVALID},
        {"http://u:p%4@h", "", "", 0, TD_E_INVALID},
        {"http://u:p%@h", "", "", 0, TD_E_INVALID},
        {"http://u:p%00@h", "", "", 0, TD_E_INVALID},
        {"http://", "", "", 0, TD_E_INVALID},
        {"http://h:99999", "", "", 0, TD_E_INVALID},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        wire_proxy proxy;
        assert_int_equal(wire_proxy_parse(ROWS[i].text, &proxy, NULL), ROWS[i].rc);
        assert_int_equal(proxy.is_used, ROWS[i].rc == TD_OK);
        if (ROWS[i].rc != TD_OK)
            continue;
        assert_string_equal(proxy.host, ROWS[i].host);
        assert_string_equal(proxy.credentials, ROWS[i].credentials);
        assert_int_equal(proxy.port, ROWS[i].port);
    }
}

/* Errors quote the faulty part, and never a password. */
#define HUNTER_64  "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-"
#define HUNTER_256 HUNTER_64 HUNTER_64 HUNTER_64 HUNTER_64

static void test_errors_hide_secrets(void **state)
{
    (void)state;
    static const char *const PROXIES[] = {"http://u:hunter2@h:x", "socks5://u:hunter2@h",
                                          "http://u:hunter2/@h:x", "http://u:hunter2%@h:1",
                                          "http://u:" HUNTER_256 HUNTER_256 "@h:1"};
    td_err err;
    for (size_t i = 0; i < sizeof PROXIES / sizeof *PROXIES; i++) {
        wire_proxy proxy;
        if (wire_proxy_parse(PROXIES[i], &proxy, &err) == TD_OK)
            fail_msg("%s is no proxy", PROXIES[i]);
        if (strstr(err.text, "hunter2") != NULL)
            fail_msg("%s", err.text);
    }
}

static void clear_environment(void)
{
    static const char *const NAMES[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
                                        "NO_PROXY",    "no_proxy",    "http_proxy"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        assert_int_equal(unsetenv(NAMES[i]), 0);
}

static void test_proxy_of_environment(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *no_proxy, *url, *host; /* host "": without a proxy */
    } ROWS[] = {
        {"HTTPS_PROXY", "http://a:1", NULL, "wss://stream.bybit.com/", "a"},
        {"https_proxy", "http://a:1", NULL, "wss://stream.bybit.com/", "a"},
        {"ALL_PROXY", "http://a:1", NULL, "wss://stream.bybit.com/", "a"},
        {"ALL_PROXY", "http://a:1", NULL, "ws://stream.bybit.com/", "a"},
        {"HTTPS_PROXY", "http://a:1", NULL, "ws://stream.bybit.com/", ""},
        {"http_proxy", "http://a:1", NULL, "ws://stream.bybit.com/", ""},
        {"HTTPS_PROXY", "", NULL, "wss://stream.bybit.com/", ""},
        {"HTTPS_PROXY", "http://a:1", "bybit.com", "wss://stream.bybit.com/", ""},
        {"HTTPS_PROXY", "http://a:1", NULL, "wss://localhost:1/", ""},
        {"HTTPS_PROXY", "http://a:1", NULL, "wss://127.0.0.2/", ""},
        {"HTTPS_PROXY", "http://a:1", NULL, "wss://[::1]/", ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        clear_environment();
        assert_int_equal(setenv(ROWS[i].name, ROWS[i].value, 1), 0);
        if (ROWS[i].no_proxy != NULL)
            assert_int_equal(setenv("NO_PROXY", ROWS[i].no_proxy, 1), 0);
        td_server_url url;
        wire_proxy proxy;
        assert_int_equal(td_url_parse(ROWS[i].url, &url, NULL), TD_OK);
        assert_int_equal(wire_proxy_of_environment(&url, &proxy, NULL), TD_OK);
        if (strcmp(proxy.host, ROWS[i].host) != 0)
            fail_msg("row %zu: proxy '%s', not '%s'", i, proxy.host, ROWS[i].host);
    }
    clear_environment();
    td_err err;
    td_server_url url;
    wire_proxy proxy;
    assert_int_equal(setenv("ALL_PROXY", "socks5://a", 1), 0);
    assert_int_equal(td_url_parse("wss://h/", &url, NULL), TD_OK);
    assert_int_equal(wire_proxy_of_environment(&url, &proxy, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "ALL_PROXY"));
    clear_environment();
}

static void test_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *list, *url;
        int covers;
    } ROWS[] = {
        {"*", "wss://h/", 1},
        {"bybit.com", "wss://stream.bybit.com/", 1},
        {".bybit.com", "wss://stream.bybit.com/", 1},
        {"bybit.com", "wss://bybit.com/", 1},
        {"BYBIT.com", "wss://Stream.bybit.COM/", 1},
        {"bybit.com", "wss://notbybit.com/", 0},
        {"it.com", "wss://bybit.com/", 0},
        {"a.com, b.com,c.com", "wss://b.com/", 1},
        {"a.com,,", "wss://b.com/", 0},
        {"", "wss://b.com/", 0},
        {"b.com:444", "wss://b.com/", 0},
        {"b.com:443", "wss://b.com/", 1},
        {"10.0.0.1", "wss://10.0.0.1/", 1},
        {"[fd00::1]:443", "wss://[fd00::1]/", 1},
        {"fd00::1", "wss://[fd00::1]/", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_server_url url;
        assert_int_equal(td_url_parse(ROWS[i].url, &url, NULL), TD_OK);
        if (wire_no_proxy_covers(ROWS[i].list, &url) != ROWS[i].covers)
            fail_msg("row %zu: '%s' and %s", i, ROWS[i].list, ROWS[i].url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proxy_parts),
        cmocka_unit_test(test_errors_hide_secrets),
        cmocka_unit_test(test_proxy_of_environment),
        cmocka_unit_test(test_no_proxy),
    };
    return cmocka_run_group_tests_name("wire/proxy", tests, NULL, NULL);
}
