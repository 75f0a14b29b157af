/* URLs and HOST:PORT. Expected values by hand from RFC 3986 and RFC 6455 section 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/url.h"

/* A missing part is empty. */
static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *url, *scheme, *user, *authority, *host, *port, *path, *query;
    } ROWS[] = {
        {"wss://h", "wss", "", "h", "h", "", "", ""},
        {"wss://h/", "wss", "", "h", "h", "", "/", ""},
        {"wss://h:443/a/b?x=1&y#z", "wss", "", "h:443", "h", "443", "/a/b", "x=1&y"},
        {"wss://h?x=/y?z", "wss", "", "h", "h", "", "", "x=/y?z"},
        {"wss://h#f?x", "wss", "", "h", "h", "", "", ""},
        {"wss://h:/p", "wss", "", "h:", "h", "", "/p", ""},
        {"wss://u:p@h:1/q", "wss", "u:p", "h:1", "h", "1", "/q", ""},
        {"wss://u@h", "wss", "u", "h", "h", "", "", ""},
        {"wss://@h", "wss", "", "h", "h", "", "", ""},
        {"wss://h/a@b?c@d", "wss", "", "h", "h", "", "/a@b", "c@d"},
        {"wss://[::1]:9/p", "wss", "", "[::1]:9", "::1", "9", "/p", ""},
        {"wss://[::1]/p", "wss", "", "[::1]", "::1", "", "/p", ""},
        {"wss://[::1", "wss", "", "[::1", "::1", "", "", ""},
        {"h:1/p", "", "", "h:1", "h", "1", "/p", ""},
        {"u:p@h:1", "", "u:p", "h:1", "h", "1", "", ""},
        {"/p?q", "", "", "", "", "", "/p", "q"},
        {"h/p://x", "", "", "h", "h", "", "/p://x", ""},
        /* malformed: a password with '/' or '?', wrong slashes */
        {"wss://u:a/b?c@h/p?q", "wss", "u:a/b?c", "h", "h", "", "/p", "q"},
        {"wss:///u:p@h/", "wss", "u:p", "h", "h", "", "/", ""},
        {"wss:/u:p@h/", "", "u:p", "h", "h", "", "/", ""},
        {"wss:///h/p", "wss", "", "", "", "", "/h/p", ""},
        {"://h", "", "", "h", "h", "", "", ""},
        {"wss://", "wss", "", "", "", "", "", ""},
        {"", "", "", "", "", "", "", ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_url url = td_url_split(td_bytes_str(ROWS[i].url));
        const td_bytes got[] = {url.scheme, url.user, url.authority, url.host,
                                url.port,   url.path, url.query};
        const char *const wanted[] = {ROWS[i].scheme, ROWS[i].user, ROWS[i].authority, ROWS[i].host,
                                      ROWS[i].port,   ROWS[i].path, ROWS[i].query};
        for (size_t k = 0; k < sizeof got / sizeof *got; k++)
            if (!td_bytes_is(got[k], wanted[k]))
                fail_msg("'%s': part %zu is '%.*s', not '%s'", ROWS[i].url, k, (int)got[k].size,
                         (const char *)got[k].data, wanted[k]);
    }
    assert_null(td_url_split(td_bytes_str("wss://h/p")).query.data);
    assert_non_null(td_url_split(td_bytes_str("wss://h/p?")).query.data);
    assert_null(td_url_split(td_bytes_str("wss://h")).port.data);
    assert_non_null(td_url_split(td_bytes_str("wss://h:")).port.data);
    assert_true(td_bytes_is(td_url_without_query(td_bytes_str("wss://h/p?x=1#f")), "wss://h/p"));
    assert_true(td_bytes_is(td_url_without_query(td_bytes_str("wss://h#f")), "wss://h"));
    assert_true(td_bytes_is(td_url_without_query(td_bytes_str("")), ""));
}

static void test_params(void **state)
{
    (void)state;
    static const struct {
        const char *query, *params;
    } ROWS[] = {
        {"a=1&b=2", "a:1 b:2 "},
        {"a=&=b&c==d", "a: :b c:=d "},
        {"a&b&c=1&", "c:1 "},
        {"&&a=1", "a:1 "},
        {"a=1#b=2", "a:1 b:2 "},
        {"a", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char got[64] = "";
        td_bytes query = td_bytes_str(ROWS[i].query);
        td_bytes name;
        td_bytes value;
        while (td_url_next_param(&query, &name, &value)) {
            size_t size = strlen(got);
            (void)snprintf(got + size, sizeof got - size, "%.*s:%.*s ", (int)name.size,
                           (const char *)name.data, (int)value.size, (const char *)value.data);
        }
        assert_string_equal(got, ROWS[i].params);
    }
}

static void test_url_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *authority, *target;
        unsigned port, is_tls, is_numeric, is_ipv6;
    } ROWS[] = {
        {"wss://stream.bybit.com/realtime", "stream.bybit.com", "stream.bybit.com", "/realtime",
         443, 1, 0, 0},
        {"ws://localhost:8080", "localhost", "localhost:8080", "/", 8080, 0, 0, 0},
        {"ws://h:80/", "h", "h", "/", 80, 0, 0, 0},
        {"wss://h:80/", "h", "h:80", "/", 80, 1, 0, 0},
        {"wss://h?api_key=x&y=/z", "h", "h", "/?api_key=x&y=/z", 443, 1, 0, 0},
        {"wss://127.0.0.1:65535/a/b?c", "127.0.0.1", "127.0.0.1:65535", "/a/b?c", 65535, 1, 1, 0},
        {"wss://[::1]:9/x", "::1", "[::1]:9", "/x", 9, 1, 1, 1},
        {"wss://[2001:db8::2]", "2001:db8::2", "[2001:db8::2]", "/", 443, 1, 1, 1},
        {"ws://h/p#fragment", "h", "h", "/p", 80, 0, 0, 0},
        {"ws://h/p?q=a@b", "h", "h", "/p?q=a@b", 80, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_server_url url;
        td_err err;
        if (td_url_parse(ROWS[i].text, &url, &err) != TD_OK)
            fail_msg("%s: %s", ROWS[i].text, err.text);
        assert_string_equal(url.host, ROWS[i].host);
        assert_string_equal(url.authority, ROWS[i].authority);
        assert_string_equal(url.target, ROWS[i].target);
        assert_int_equal(url.port, ROWS[i].port);
        assert_int_equal(url.is_tls, ROWS[i].is_tls);
        assert_int_equal(url.is_numeric, ROWS[i].is_numeric);
        assert_int_equal(url.is_ipv6, ROWS[i].is_ipv6);
    }
}

static void test_url_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } ROWS[] = {
        {"", "neither ws:// nor wss://"},
        {"https://h/", "neither ws:// nor wss://"},
        {"wss://", "the host is missing"},
        {"wss://:80/", "the host is missing"},
        {"wss://user:secret@h/", "user name"},
        {"wss://[::1/", "without ']'"},
        {"wss://[h]/", "not an IPv6 address"},
        {"wss://h:/", "not a port"},
        {"wss://h:65536/", "not a port"},
        {"wss://h:123456/", "not a port"},
        {"wss://h:0/", "port 0"},
        {"wss://h:1x/", "not a port"},
        {"wss://[::1]x/", "only a port can follow"},
        {"wss://h h/", "' ' cannot be in a host name"},
        {"wss://h/a b", "space or control"},
        {"wss://h/\r\nX: y", "space or control"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        td_server_url url;
        td_err err;
        assert_int_equal(td_url_parse(ROWS[i].text, &url, &err), TD_E_INVALID);
        if (strstr(err.text, ROWS[i].says) == NULL)
            fail_msg("'%s' gave '%s', not '%s'", ROWS[i].text, err.text, ROWS[i].says);
    }
}

/* A query may hold a signature. */
static void test_url_error_hides_the_query(void **state)
{
    (void)state;
    td_server_url url;
    td_err err;
    assert_int_equal(td_url_parse("wss://h:x/?signature=deadbeef", &url, &err), TD_E_INVALID);
    assert_int_equal(td_url_parse("http://h/?signature=deadbeef", &url, &err), TD_E_INVALID);
    assert_null(strstr(err.text, "deadbeef"));
}

static void test_url_too_long(void **state)
{
    (void)state;
    char text[4096] = "wss://h/";
    memset(text + 8, 'a', sizeof text - 9);
    text[sizeof text - 1] = '\0';
    td_server_url url;
    assert_int_equal(td_url_parse(text, &url, NULL), TD_E_INVALID);
    char host[512] = "wss://";
    memset(host + 6, 'a', 200);
    assert_int_equal(td_url_parse(host, &url, NULL), TD_E_INVALID);
}

static void test_host_port(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port; /* -1: refused */
    } ROWS[] = {
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"[::1]:8080", "::1", 8080},
        {"localhost:1", "localhost", 1},
        {"127.0.0.1", "", -1},
        {":80", "", -1},
        {"h:80x", "", -1},
        {"::1:80", "", -1},
        {"h:-1", "", -1},
        {"[::1]x:1", "", -1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char host[TD_HOST_BYTES];
        uint16_t port = 0;
        td_result rc = td_host_port_parse(ROWS[i].text, host, &port, NULL);
        assert_int_equal(rc, ROWS[i].port < 0 ? TD_E_INVALID : TD_OK);
        if (rc != TD_OK)
            continue;
        assert_string_equal(host, ROWS[i].host);
        assert_int_equal(port, ROWS[i].port);
    }
}

static void urls_of_http(void **state)
{
    (void)state;
    td_server_url url;
    td_err err;
    assert_int_equal(td_url_parse_http("https://api.bybit.com/v5/x?a=b", &url, NULL), TD_OK);
    assert_int_equal(url.is_tls, 1);
    assert_int_equal(url.port, 443);
    assert_string_equal(url.authority, "api.bybit.com");
    assert_string_equal(url.target, "/v5/x?a=b");
    assert_int_equal(td_url_parse_http("http://h", &url, NULL), TD_OK);
    assert_int_equal(url.port, 80);
    assert_string_equal(url.target, "/");
    assert_int_equal(td_url_parse_http("wss://h/?secret", &url, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "https://"));
    assert_null(strstr(err.text, "secret"));
}

/* Names in docs/wire.md 1.1; whole names only, and not in the path, where a key is known by its
 * form. */
static void test_secrets_of_a_query(void **state)
{
    (void)state;
    static const struct {
        const char *url, *secrets; /* each followed by a LF */
    } ROWS[] = {
        {"wss://h/realtime?api_key=kk11&expires=5&signature=ss22", "kk11\nss22\n"},
        {"https://h/v5?category=linear&sign=aa&api_key=", "aa\n\n"},
        {"wss://h/api_key=1&signature=2", ""},
        {"wss://h/p?my_api_key=1&%73ecret=2&x&Access-Key=3&designs=4&symbol=5", "1\n2\n3\n"},
        {"wss://h/p?", ""},
        {"wss://user:pass%21@h/p?Token=tt&x=1#&sign=no", "pass%21\ntt\nno\n"},
        {"wss://onetoken@h/", "onetoken\n"},
        {"wss://h/p?listenKey=ll&access_token=aa", "ll\naa\n"},
        {"wss://h/user:pass@x", ""},
        {"wss://h/p?a=1;api_key=kk;b=2&sign=ss;c=3", "kk\nss\n"},
        {"wss://h/ws/pqia91ma19a5s61cv6a81va65sdf19v8/x?token=t",
         "pqia91ma19a5s61cv6a81va65sdf19v8\nt\n"},
        {"wss://h/ws/a_19-pqia91ma19a5s61cv6a81va65sd/b_19-pqia91ma19a5s61cv6a81va65sd",
         "a_19-pqia91ma19a5s61cv6a81va65sd\nb_19-pqia91ma19a5s61cv6a81va65sd\n"},
        {"wss://h/ws/pqia91ma19a5s61cv6a81va65sdf19v/1000shibusdt@trade", ""},
        {"wss://h/apathofmanyletterswithoutanydigitinit/btcusdt@depth20@100ms123456789", ""},
        {"wss://h/p?a=1;b;token=k;k;;x&y;sign=ss;#z", "k;k;;x\nss;\n"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char found[128] = "";
        size_t at = 0;
        td_bytes secret;
        while (td_url_next_secret(td_bytes_str(ROWS[i].url), &at, &secret)) {
            size_t size = strlen(found);
            (void)snprintf(found + size, sizeof found - size, "%.*s\n", (int)secret.size,
                           (const char *)secret.data);
        }
        assert_string_equal(found, ROWS[i].secrets);
    }
}

/* The hidden parts of a URL or a proxy, also of a malformed one. */
static void test_hidden_parts(void **state)
{
    (void)state;
    static const struct {
        const char *url, *shown;
    } ROWS[] = {
        {"wss://stream.bybit.com/realtime", "wss://stream.bybit.com/realtime"},
        {"wss://user:hunter2@h/p", "wss://************@h/p"},
        {"wss://token@h:1/p", "wss://*****@h:1/p"},
        {"user:hunter2@proxy:3128", "************@proxy:3128"},
        {"wss://u:hun@ter2@h/", "wss://**********@h/"},
        {"wss://u:hun/ter2@h/", "wss://**********@h/"},
        {"wss://u:hun?ter#2@h/", "wss://***********@h/"},
        {"wss://h:443/stream@trade", "wss://h:443/stream@trade"},
        {"wss://[::1]:9/a@b", "wss://[::1]:9/a@b"},
        {"wss://h/p?token=abc&x=1&SIGN=defg", "wss://h/p?token=***&x=1&SIGN=****"},
        {"wss://u:p@h/?api_key=k", "wss://***@h/?api_key=*"},
        {"wss://h/ws/pqia91ma19a5s61cv6a81va65sdf19v8",
         "wss://h/ws/********************************"},
        {"", ""},
        {"@", "@"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char shown[128];
        assert_string_equal(td_url_redacted(ROWS[i].url, shown, sizeof shown), ROWS[i].shown);
    }
    char plain[128];
    assert_string_equal(td_url_redacted_plain("wss://u:p@h/?token=k#f", plain, sizeof plain),
                        "wss://***@h/");
    char small[12];
    assert_string_equal(td_url_redacted("wss://user:hunter2@h/", small, sizeof small),
                        "(21 bytes)");
}

/* Errors quote the faulty part, and never a password or part of a query. */
static void test_errors_hide_secrets(void **state)
{
    (void)state;
    static const char *const URLS[] = {
        "wss://user:hunter2@h/",      "wss://user:hun/hunter2@h/", "wss://h:99999/?api_key=hunter2",
        "wss://h!?signature=hunter2", "xss://u:hunter2@h/",        "wss://:hunter2@/",
        "wss://u:p?hunter2@h:x/",     "wss:/u:hunter2@h/",         "wss:///u:hunter2@h/",
        "wss://u:/hunter2@h/",        "wss://u:hunter2@h/?x=a://b"};
    td_err err;
    for (size_t i = 0; i < sizeof URLS / sizeof *URLS; i++) {
        td_server_url url;
        assert_int_equal(td_url_parse(URLS[i], &url, &err), TD_E_INVALID);
        if (strstr(err.text, "hunter2") != NULL)
            fail_msg("%s", err.text);
    }
}

/* Parts of URLs with %XX. */
static void test_codes(void **state)
{
    (void)state;
    static const struct {
        const char *part, *text, *encoded;
    } ROWS[] = {
        {"%42%54CUSDT", "BTCUSDT", "BTCUSDT"},
        {"%E5%b8%81USDT", "\xe5\xb8\x81USDT", "%E5%B8%81USDT"},
        {"A%2", "A%2", "A%2"},
        {"A%zzB%00", "A%zzB%00", "A%zzB%00"},
        {"A%2FB", "A/B", "A%2FB"},
    };
    char out[16];
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        assert_true(td_url_decode(td_bytes_str(ROWS[i].part), out, sizeof out));
        assert_string_equal(out, ROWS[i].text);
        char encoded[64];
        assert_true(td_url_encode(out, encoded, sizeof encoded));
        assert_string_equal(encoded, ROWS[i].encoded);
    }
    assert_true(td_url_decode(td_bytes_str("0123456789abcde"), out, sizeof out));
    assert_false(td_url_decode(td_bytes_str("0123456789abcdef"), out, sizeof out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_params),
        cmocka_unit_test(urls_of_http),
        cmocka_unit_test(test_url_parts),
        cmocka_unit_test(test_url_refused),
        cmocka_unit_test(test_url_error_hides_the_query),
        cmocka_unit_test(test_secrets_of_a_query),
        cmocka_unit_test(test_url_too_long),
        cmocka_unit_test(test_host_port),
        cmocka_unit_test(test_hidden_parts),
        cmocka_unit_test(test_errors_hide_secrets),
    };
    return cmocka_run_group_tests_name("base/url", tests, NULL, NULL);
}
