/* Expected values: the rules in schema/sent_secrets.h.
 * tests/e2e/hostile/secrets_hidden.test.mjs tests the forms of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "recorder/capture/redact.h"

enum { TEXT_BYTES = 1 << 16 };

/* Shows the text with its secrets overwritten, and the values that are hidden everywhere. */
static void show(sent_secrets *sent, const char *text, char *shown, char *values)
{
    size_t at = 0;
    td_bytes value;
    assert_true(strlen(text) < TEXT_BYTES);
    memcpy(shown, text, strlen(text) + 1);
    (void)sent_secrets_hide(sent, (uint8_t *)shown, strlen(text), 0);
    *values = '\0';
    while (sent_secrets_next(sent, &at, &value)) {
        size_t size = strlen(values);
        (void)snprintf(values + size, TEXT_BYTES - size, " %.*s", (int)value.size,
                       (const char *)value.data); /* fits */
    }
}

static void test_places_and_values(void **state)
{
    static const struct {
        const char *text, *shown, *values;
    } ROWS[] = {
        /* Arguments: times are kept, other numbers are not. */
        {"{\"op\":\"auth\",\"args\":[\"k3yK3yk3y\",1700000000000,\"opsigned\"]}",
         "{\"op\":\"auth\",\"args\":[\"*********\",1700000000000,\"********\"]}",
         " k3yK3yk3y opsigned"},
        {"{\"op\":\"auth\",\"args\":[1700000000,123456,1234567890123,-1.5e3,true,null,\"\"]}",
         "{\"op\":\"auth\",\"args\":[1700000000,******,*************,******,true,null,\"\"]}", ""},
        {"{\"op\":\"auth\",\"args\":[\"orderbook.50.BTCUSDT\",\"short\",\"1700000000000\"]}",
         "{\"op\":\"auth\",\"args\":[\"********************\",\"*****\",\"1700000000000\"]}", ""},
        {"{\"op\":\"login\",\"args\":[\"1700000000\",\"1700000000.020\",\"1700000000.0200000000\","
         "\"17000000000\",\"1700000000.0.1\",\"1400000000\",{\"apiKey\":\"1700000000\"}]}",
         "{\"op\":\"login\",\"args\":[\"1700000000\",\"1700000000.020\",\"*********************\","
         "\"***********\",\"**************\",\"**********\",{\"apiKey\":\"**********\"}]}",
         " 1700000000"},
        {"{\"method\":\"public/"
         "auth\",\"params\":{\"grant_type\":\"refresh_token\",\"refresh_token\":\"t.1\","
         "\"client_id\":\"small_letters\"}}",
         "{\"method\":\"public/"
         "auth\",\"params\":{\"grant_type\":\"*************\",\"refresh_token\":\"***\","
         "\"client_id\":\"*************\"}}",
         " small_letters"},
        {"{\"op\":\"auth\",\"args\":[\"k3yK3yk3y:s1gns1gns1gn\"]}",
         "{\"op\":\"auth\",\"args\":[\"**********************\"]}",
         " k3yK3yk3y:s1gns1gns1gn k3yK3yk3y s1gns1gns1gn"},
        {"{\"op\":\"subscribe\",\"args\":[\"k3yK3yk3y\"]}",
         "{\"op\":\"subscribe\",\"args\":[\"k3yK3yk3y\"]}", ""},
        /* Names that are certainly secrets, and others. */
        {"{\"apiKey\":\"abcd\",\"secret\":\"abc\",\"password\":12345678,\"signature\":1234567}",
         "{\"apiKey\":\"****\",\"secret\":\"***\",\"password\":********,\"signature\":*******}",
         " abcd 12345678"},
        {"{\"token\":\"USDT\",\"key\":\"BTCUSDT-26DEC25\",\"sign\":\"publicTrade\"}",
         "{\"token\":\"****\",\"key\":\"***************\",\"sign\":\"***********\"}", ""},
        {"{\"token\":\"t0kent0ken\",\"auth\":{\"time\":1700000000,\"id\":7}}",
         "{\"token\":\"**********\",\"auth\":{\"time\":1700000000,\"id\":*}}", " t0kent0ken"},
        {"{\"signature\":{\"type\":\"ed25519\",\"symbol\":\"BTCUSDT\",\"v\":\"s1gns1gns1gn\"}}",
         "{\"signature\":{\"type\":\"*******\",\"symbol\":\"*******\",\"v\":\"************\"}}",
         " s1gns1gns1gn"},
        /* A login of OKX: its time, a text, is no secret. */
        {"{\"op\":\"login\",\"args\":[{\"apiKey\":\"k3yK3yk3y\",\"passphrase\":\"pA55\","
         "\"timestamp\":"
         "\"1704876947\",\"sign\":\"s1gns1gn/s1gn+=\"}]}",
         "{\"op\":\"login\",\"args\":[{\"apiKey\":\"*********\",\"passphrase\":\"****\","
         "\"timestamp\":"
         "\"1704876947\",\"sign\":\"***************\"}]}",
         " k3yK3yk3y pA55 s1gns1gn/s1gn+= s1gns1gn/s1gn+ s1gns1gn/s1gn+"},
        /* Escapes are resolved, also zero bytes. */
        {"{\"\\u0061piKey\":\"\\u0061b\\/\\\"c\"}", "{\"\\u0061piKey\":\"************\"}",
         " ab/\"c"},
        /* Texts that contain members. */
        {"{\"x\":\"{\\\"apiKey\\\":\\\"k3yK3yk3y\\\"}\"}", "{\"x\":\"**************************\"}",
         " k3yK3yk3y"},
        {"{\"x\":\"u?api_key=k3yK3yk3yK3y&a=1\"}", "{\"x\":\"**************************\"}",
         " k3yK3yk3yK3y"},
        {"{\"x\":\"a=1\",\"y\":\"my secret\",\"z\":\"[1]\"}",
         "{\"x\":\"a=1\",\"y\":\"my secret\",\"z\":\"[1]\"}", ""},
        /* Not JSON. */
        {"key=k3yK3yk3yK3y", "****************", " k3yK3yk3yK3y"},
        {"{\"op\":\"auth\",\"args\":[\"BTCUSDT\",\"orderbook\",\"k3yK3yk3yK3y\"",
         "*********************************************************", " k3yK3yk3yK3y"},
        {"k3yK3yk3yK3y", "k3yK3yk3yK3y", ""},
        {"  \xef\xbb\xbf ", "  \xef\xbb\xbf ", ""},
        {"  \xef\xbb\xbf {\"secret\":\"abcd\"} ", "  \xef\xbb\xbf {\"secret\":\"****\"} ", " abcd"},
    };
    static char shown[TEXT_BYTES];
    static char values[TEXT_BYTES];
    (void)state;
    sent_secrets *sent = sent_secrets_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        show(sent, ROWS[i].text, shown, values);
        if (strcmp(shown, ROWS[i].shown) != 0 || strcmp(values, ROWS[i].values) != 0)
            fail_msg("%s\n%s\n%s", ROWS[i].text, shown, values);
    }
    sent_secrets_close(sent);
}

static void test_fields(void **state)
{
    (void)state;
    size_t at = 0;
    td_bytes value;
    sent_secrets *sent = sent_secrets_open();
    sent_secrets_find_fields(sent, "Origin: https://h0st.example\r\nX-BAPI-API-KEY: k3yK3yk3y\r\n"
                                   "authorization:Bearer t0kent0ken\r\nnone\r\nEmpty:\r\n"
                                   "Cookie: theme=dark; sid=c00kiec00kie\r\n");
    static const char *const VALUES[] = {"k3yK3yk3y",
                                         "k3yK3yk3y",
                                         "Bearer t0kent0ken",
                                         "t0kent0ken",
                                         "theme=dark; sid=c00kiec00kie",
                                         "c00kiec00kie"};
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        assert_true(sent_secrets_next(sent, &at, &value));
        assert_int_equal(value.size, strlen(VALUES[i]));
        assert_memory_equal(value.data, VALUES[i], value.size);
    }
    assert_false(sent_secrets_next(sent, &at, &value));
    sent_secrets_close(sent);
}

/* Secrets in the exchange's frames: of certain names only, and only of JSON. */
static void test_issued(void **state)
{
    static const struct {
        const char *text, *values;
    } ROWS[] = {
        {"{\"result\":{\"access_token\":\"158.t0ken\",\"refresh_token\":\"r3fresh\",\"scope\":"
         "\"a\"}}",
         " 158.t0ken r3fresh"},
        {"{\"listenKey\":\"l1sten\"}", " l1sten"},
        {"{\"a\":\"xK oke w x h\",\"api_key\":\"k3yK3yk3y\"}", " k3yK3yk3y"},
        {"{\"passphrase\":\"phr4sephr4se\"}", " phr4sephr4se"},
        {"{\"password\":\"w0rdw0rdw0rd\"}", " w0rdw0rdw0rd"},
        {"{\"client_secret\":\"s3cret3\"}", " s3cret3"},
        {"{\"a\":[{\"apiKey\":\"k3yK3yk3y\",\"secret\":12345678}]}", " k3yK3yk3y 12345678"},
        {"{\"token\":\"t0kent0kent0kent0kent0kent0ken\",\"key\":\"k3yK3yk3y\"}", ""},
        {"{\"event\":\"login\",\"data\":[\"k3yK3yk3y\"],\"Key\":1}", ""},
        {"[\"auth\",\"k3yK3yk3yKey\"]", ""},
        {"{\"x\":\"u?api_key=k3yK3yk3yK3y&a=1\"}", ""},
        {"{\"apiKey\":\"k3yK3yk3y\"", ""},
        {"K", ""},
        {"", ""},
    };
    (void)state;
    sent_secrets *sent = sent_secrets_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char values[256] = "";
        size_t at = 0;
        td_bytes value;
        const int is_found = sent_secrets_find_issued(sent, td_bytes_str(ROWS[i].text));
        while (sent_secrets_next(sent, &at, &value)) {
            const size_t used = strlen(values);
            (void)snprintf(values + used, sizeof values - used, " %.*s", (int)value.size,
                           (const char *)value.data);
        }
        assert_string_equal(values, ROWS[i].values);
        assert_int_equal(is_found, values[0] != '\0');
        assert_int_equal(sent_secrets_find_answer(sent, td_bytes_str(ROWS[i].text), 0), is_found);
    }
    /* The answer to a request with credentials: of vague names, too. */
    assert_int_equal(sent_secrets_find_answer(sent, td_bytes_str(ROWS[3].text), 1), 1);
    sent_secrets_close(sent);
}

/* One request cannot make a redactor forget all other values. */
static void test_many_values(void **state)
{
    (void)state;
    static char text[TEXT_BYTES] = "{\"op\":\"auth\",\"args\":[\"first-s1gn\"";
    for (size_t i = 0; i < 2 * REDACT_SIGNATURES_MAX; i++) {
        size_t size = strlen(text);
        (void)snprintf(text + size, sizeof text - size, ",\"value-%zu\"", i); /* fits */
    }
    memcpy(text + strlen(text), "]}", 3);
    size_t at = 0;
    size_t count = 0;
    td_bytes value;
    sent_secrets *sent = sent_secrets_open();
    assert_int_equal(sent_secrets_find(sent, td_bytes_str(text), 0).count,
                     2 * REDACT_SIGNATURES_MAX + 1);
    while (sent_secrets_next(sent, &at, &value))
        count++;
    assert_int_equal(count, REDACT_SIGNATURES_MAX / 2);
    sent_secrets_close(sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_and_values),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_issued),
        cmocka_unit_test(test_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
