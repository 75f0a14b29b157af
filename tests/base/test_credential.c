/* Names in docs/wire.md 1.1 and 3.8, and in the documents of other exchanges' WebSocket APIs; names
 * in the subscriptions and orders of docs/wire.md must not be among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/credential.h"

static void expect_kinds(const char *const *names, td_name_kind kind)
{
    for (; *names != NULL; names++)
        if (td_name_kind_of(td_bytes_str(*names)) != kind)
            fail_msg("%s", *names);
}

static void test_names(void **state)
{
    static const char *const SECRET[] = {
        "api_key",       "apiKey",         "APIKEY",        "X-BAPI-API-KEY",
        "X-BAPI-SIGN",   "OK-ACCESS-SIGN", "AccessKeyId",   "secret",
        "client_secret", "signature",      "Signature",     "passphrase",
        "Password",      "listenKey",      "Authorization", "Cookie",
        "access_token",  "X-MBX-APIKEY",   "api%5fkey",     "\\u0061pikey",
        "api key",       "sessionKey",     "apiKeyId",      NULL,
    };
    static const char *const VAGUE[] = {"key",         "KEY",     "sign",    "SIGN",   "auth",
                                        "token",       "wsToken", "authSig", "x-sign", "userSign",
                                        "authPayload", "jwt",     NULL};
    static const char *const PLAIN[] = {"symbol",
                                        "topic",
                                        "args",
                                        "op",
                                        "design",
                                        "assign",
                                        "signal",
                                        "keyword",
                                        "sortKey",
                                        "monkey",
                                        "tokens",
                                        "tokenId",
                                        "config",
                                        "author",
                                        "orderLinkId",
                                        "expires",
                                        "pass_x",
                                        "timestamp",
                                        "category",
                                        "depth",
                                        "side",
                                        "X-BAPI-TIMESTAMP",
                                        "Referer",
                                        "Sec-WebSocket-Key",
                                        "",
                                        "_",
                                        NULL};
    static char name[4096];
    (void)state;
    expect_kinds(SECRET, TD_NAME_SECRET);
    expect_kinds(VAGUE, TD_NAME_VAGUE);
    expect_kinds(PLAIN, TD_NAME_PLAIN);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(td_name_kind_of(td_bytes_str(name)), TD_NAME_PLAIN);
    memcpy(name + 4000, "Api-Key", 7);
    assert_int_equal(td_name_kind_of(td_bytes_str(name)), TD_NAME_SECRET);
}

static void test_requests(void **state)
{
    (void)state;
    static const char *const AUTH[] = {"auth",        "AUTH",           "public/auth",
                                       "login",       "session.logon",  "sign-in",
                                       "user.signIn", "authKeyExpires", NULL};
    static const char *const OTHER[] = {"subscribe", "order.create", "ping", "", NULL};
    for (size_t i = 0; AUTH[i] != NULL; i++)
        assert_true(td_is_auth_name(td_bytes_str(AUTH[i])));
    for (size_t i = 0; OTHER[i] != NULL; i++)
        assert_false(td_is_auth_name(td_bytes_str(OTHER[i])));
}

static void test_texts(void **state)
{
    (void)state;
    static const char *const MENTION[] = {
        "{'op':'auth'", "api_key=1",   "x-mbx-apikey: 1",        "sign=1",
        "key: 1",       "API-KEY",     "a%70i%4bey=1",           "token=1",
        "my-key=1",     "login me in", "x\\u006bey, passphrase", NULL};
    static const char *const OTHER[] = {"a monkey designs", "signal", "ping", "", "{\"op\":", NULL};
    for (size_t i = 0; MENTION[i] != NULL; i++)
        if (!td_mentions_credential(td_bytes_str(MENTION[i])))
            fail_msg("%s", MENTION[i]);
    for (size_t i = 0; OTHER[i] != NULL; i++)
        if (td_mentions_credential(td_bytes_str(OTHER[i])))
            fail_msg("%s", OTHER[i]);
    assert_true(td_mentions_credential(td_bytes_of("a\0u\0t\0h", 8)));
    assert_false(td_mentions_credential(td_bytes_of("\xff key \xfe", 7))); /* not text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
