/* The order in which the parts of requests are checked, and the actions for granted ones. Expected
 * refusals follow docs/wire.md 1.1, 1.3 and 1.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/document.h"
#include "schema/dialect_values.h"
#include "schema/family.h"
#include "schema/responder.h"
#include "schema/template.h"
#include "tests/testing/bybit_dialects.h"

/* A client, and the responder's calls for it, as letters in order. */
typedef struct fake_client {
    unsigned looks;
    char calls[32];
    refusal refused; /* of the last answer, like the following members */
    char reason_topic[16];
    char failed[16]; /* "01": by arg; empty: the whole request */
    char answer[1024];
    size_t answer_bytes;
} fake_client;

static void note(fake_client *client, char call)
{
    size_t at = strlen(client->calls);
    assert_true(at + 1 < sizeof client->calls);
    client->calls[at] = call;
}

/* A server with the topics "known", "full" (no space left), "mine" (already held), "secret" (needs
 * auth) and, for any other symbol, "other". */
static topic_standing on_standing(void *user, td_bytes topic)
{
    fake_client *client = user;
    client->looks++;
    return (topic_standing){
        .is_known = td_bytes_is(topic, "known") || td_bytes_is(topic, "mine") ||
                    td_bytes_is(topic, "secret") || td_bytes_is(topic, "full"),
        .is_symbol_unknown = td_bytes_is(topic, "other") != 0,
        .needs_auth = td_bytes_is(topic, "secret") != 0,
        .is_held = td_bytes_is(topic, "mine") != 0,
    };
}

static void on_prepare(void *user, const dialect_request *request)
{
    (void)request;
    note(user, 'p');
}

static int on_subscribe(void *user, td_bytes topic)
{
    note(user, 's');
    return !td_bytes_is(topic, "full");
}

static void on_unsubscribe(void *user, td_bytes topic)
{
    assert_true(topic.size > 0);
    note(user, 'u');
}

static void on_unsubscribe_all(void *user)
{
    note(user, 'U');
}

static void on_changed(void *user, request_kind kind)
{
    assert_true(kind <= REQUEST_UNSUBSCRIBE_ALL);
    note(user, 'c');
}

/* Answers orders that have an id. */
static int on_order(void *user, const dialect_request *request)
{
    note(user, 'o');
    return request->has_id;
}

static void on_authenticated(void *user)
{
    note(user, 'a');
}

/* Receives the answer, of which respond() reads the refusal. */
static void on_answer(void *user, td_bytes answer)
{
    fake_client *client = user;
    note(client, '>');
    assert_true(answer.size < sizeof client->answer);
    memcpy(client->answer, answer.data, answer.size);
    client->answer_bytes = answer.size;
}

static const responder_ops OPS = {
    .prepare = on_prepare,
    .standing = on_standing,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .unsubscribe_all = on_unsubscribe_all,
    .changed = on_changed,
    .order = on_order,
    .send = on_answer,
    .authenticated = on_authenticated,
};

#define ELEVEN "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\""

typedef struct refusal_case {
    dialect_id dialect;
    const char *request;
    refusal refused;
    const char *reason_topic; /* NULL if no topic is named */
    const char *failed;       /* "01": by arg; NULL: the whole request */
    unsigned looks;
    const char *calls;
} refusal_case;

static const refusal_case CASES[] = {
    {DIALECT_V5, "no JSON", REFUSAL_INVALID_JSON, NULL, NULL, 0, ">"},
    {DIALECT_V5, "{\"op\":\"dance\"}", REFUSAL_INVALID_OP, NULL, NULL, 0, ">"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":5}", REFUSAL_INVALID_ARGS, NULL, NULL, 0, ">"},
    {DIALECT_V5, "{\"op\":\"subscribe\"}", REFUSAL_INVALID_ARGS, NULL, NULL, 0, ">"},
    {DIALECT_V5, "{\"op\":\"unsubscribe\",\"args\":[]}", REFUSAL_INVALID_ARGS, NULL, NULL, 0, ">"},
    {DIALECT_V5, "{\"op\":\"ping\"}", REFUSAL_NONE, NULL, NULL, 0, ">"},
    {DIALECT_V5_SPOT, "{\"op\":\"subscribe\",\"args\":[" ELEVEN "]}", REFUSAL_TOO_MANY, NULL, NULL,
     0, "p>"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[" ELEVEN "]}", REFUSAL_UNKNOWN_TOPIC, "1", NULL,
     1, "p>"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"known\",\"no\",\"other\"]}",
     REFUSAL_UNKNOWN_TOPIC, "no", NULL, 2, "p>"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"other\"]}", REFUSAL_UNKNOWN_SYMBOL, "other",
     NULL, 1, "p>"},
    {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[\"other\"]}", REFUSAL_UNKNOWN_TOPIC, "other",
     NULL, 1, "p>"},
    {DIALECT_OP, "{\"op\":\"unsubscribe\",\"args\":[\"no\"]}", REFUSAL_UNKNOWN_TOPIC, "no", NULL, 1,
     "p>"},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"mine\"]}", REFUSAL_REPEATED, "mine", NULL, 1,
     "p>"},
    {DIALECT_V5, "{\"op\":\"unsubscribe\",\"args\":[\"mine\"]}", REFUSAL_NONE, NULL, NULL, 1,
     "puc>"},
    {DIALECT_OP, "{\"op\":\"subscribe\",\"args\":[\"mine\",\"known\"]}", REFUSAL_NONE, NULL, NULL,
     2, "pssc>"},
    {DIALECT_OP, "{\"op\":\"subscribe\",\"args\":[\"secret\"]}", REFUSAL_NEEDS_AUTH, "secret", NULL,
     1, "p>"},
    {DIALECT_USDC, "{\"op\":\"subscribe\",\"args\":[\"no\",\"known\",\"secret\"]}", REFUSAL_NONE,
     NULL, "101", 3, "psc>"},
    {DIALECT_USDC, "{\"op\":\"unsubscribe\",\"args\":[\"no\",\"mine\"]}", REFUSAL_NONE, NULL, "10",
     2, "puc>"},
    /* no space for a granted topic */
    {DIALECT_OP, "{\"op\":\"subscribe\",\"args\":[\"full\",\"known\"]}", REFUSAL_TOO_MANY, "full",
     NULL, 2, "pss>"},
    {DIALECT_USDC, "{\"op\":\"subscribe\",\"args\":[\"known\",\"full\"]}", REFUSAL_NONE, "full",
     "01", 2, "pssc>"},
    /* credentials: without a secret any key is accepted */
    {DIALECT_V5, "{\"op\":\"auth\",\"args\":[\"key\",1,\"signature\"]}", REFUSAL_NONE, NULL, NULL,
     0, ">a"},
    {DIALECT_V5, "{\"op\":\"auth\",\"args\":[]}", REFUSAL_INVALID_ARGS, NULL, NULL, 0, ">"},
    /* orders */
    {DIALECT_V5_TRADE, "{\"reqId\":\"1\",\"op\":\"order.amend\",\"args\":[{}]}", REFUSAL_NONE, NULL,
     NULL, 0, "o"},
    {DIALECT_V5_TRADE, "{\"op\":\"order.amend\",\"args\":[{}]}", REFUSAL_INVALID_OP, NULL, NULL, 0,
     "o>"},
    {DIALECT_V5_TRADE, "{\"reqId\":\"1\",\"op\":\"order.\",\"args\":[]}", REFUSAL_INVALID_OP, NULL,
     NULL, 0, ">"},
};

/* The dialect's answers become [REFUSAL, "TOPIC", [ARG, ...], [REFUSED ARG, ...]]. */
static dialect with_plain_answers(const dialect *of, td_arena *memory)
{
    static const document_word VALUES[] = {{"code", REPLY_CODE},
                                           {"reason", REPLY_REASON},
                                           {"args", REPLY_ARGS},
                                           {"failed", REPLY_FAILED}};
    static const template_names NAMES = {.values = VALUES, .value_count = 4};
    static const char *const CODES[REFUSAL_COUNT] = {"0", "1", "2", "3", "4",  "5",
                                                     "6", "7", "8", "9", "10", "11"};
    dialect spoken = *of;
    spoken.answers[0] = (answer_text){.kinds = ~0U};
    assert_int_equal(template_compile(memory, "[$code,$reason,$args,$failed]", &NAMES,
                                      &spoken.answers[0].text, NULL),
                     TD_OK);
    spoken.answer_count = 1;
    for (int i = 0; i < REFUSAL_COUNT; i++)
        spoken.refusals[i] = (refusal_text){CODES[i], "{topic}"};
    return spoken;
}

/* "101": the first and the third arg were refused. */
static void read_failed(json_value args, json_value failed, char *out)
{
    json_value arg, other;
    for (json_iter it = json_iter_of(args); json_next(&it, NULL, &arg); out++) {
        *out = '0';
        for (json_iter list = json_iter_of(failed); json_next(&list, NULL, &other);)
            if (td_bytes_equal(json_raw(arg), json_raw(other)))
                *out = '1';
    }
}

static void read_answer(const dialect *spoken, fake_client *client)
{
    json_parser *json = json_parser_open(0);
    json_value root, items[4] = {{0}};
    td_bytes topic;
    uint64_t code = 0;
    size_t count = 0;
    assert_int_equal(json_parse(json, td_bytes_of(client->answer, client->answer_bytes),
                                JSON_COPIED, &root, NULL),
                     TD_OK);
    for (json_iter it = json_iter_of(root); count < 4 && json_next(&it, NULL, &items[count]);)
        count++;
    assert_int_equal(count, 4);
    assert_true(json_u64(items[0], &code));
    assert_true(json_text(items[1], &topic));
    client->refused = (refusal)code;
    memcpy(client->reason_topic, topic.data, topic.size);
    if (spoken->answers_topics && code == REFUSAL_NONE)
        read_failed(items[2], items[3], client->failed);
    json_parser_close(json);
}

static td_result respond(responder *r, dialect_id id, const char *request, fake_client *client)
{
    td_arena *memory = td_arena_open();
    const dialect spoken = with_plain_answers(dialect_find(id), memory);
    const responder_client from = {&OPS, client, &spoken, "c"};
    td_result rc = responder_answer(r, &from, td_bytes_str(request), 1000, NULL);
    if (client->answer_bytes > 0)
        read_answer(&spoken, client);
    td_arena_close(memory);
    return rc;
}

static void test_order(void **state)
{
    (void)state;
    responder *r = responder_open(NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const refusal_case *c = &CASES[i];
        fake_client client = {0};
        assert_int_equal(respond(r, c->dialect, c->request, &client), TD_OK);
        if (client.refused != c->refused || client.looks != c->looks)
            fail_msg("%s: refused %d after %u looks", c->request, (int)client.refused,
                     client.looks);
        if (strcmp(client.calls, c->calls) != 0)
            fail_msg("%s: calls %s", c->request, client.calls);
        if (c->reason_topic != NULL)
            assert_string_equal(client.reason_topic, c->reason_topic);
        assert_string_equal(client.failed, c->failed == NULL ? "" : c->failed);
    }
    responder_close(r);
}

/* With a secret, a wrong signature is refused, and nothing is granted. */
static void test_wrong_signature_is_refused(void **state)
{
    (void)state;
    responder *r = NULL;
    fake_client client = {0};
    r = responder_open("secret");
    assert_int_equal(respond(r, DIALECT_V5,
                             "{\"op\":\"auth\",\"args\":[\"key\",99999999999999,\"wrong\"]}",
                             &client),
                     TD_OK);
    assert_int_equal(client.refused, REFUSAL_BAD_KEY);
    assert_string_equal(client.calls, ">");
    responder_close(r);
}

static void test_large_request_gets_no_answer(void **state)
{
    (void)state;
    responder *r = responder_open(NULL);
    fake_client client = {0};
    td_buf large;
    td_buf_init(&large, 4 << 20);
    assert_int_equal(td_buf_append(&large, "{\"op\":\"", 7, NULL), TD_OK);
    for (size_t i = 0; i < 3 << 20; i++)
        assert_int_equal(td_buf_append(&large, "x", 1, NULL), TD_OK);
    assert_int_equal(td_buf_append(&large, "\"}", 3, NULL), TD_OK); /* with its NUL */
    assert_int_equal(respond(r, DIALECT_V5, (const char *)large.data, &client), TD_E_LIMIT);
    assert_string_equal(client.calls, "");
    td_buf_fini(&large);
    responder_close(r);
}

/* What a server answers in the words of its exchange, and does for it. */
static void test_words_of_exchanges(void **state)
{
    static const struct {
        const char *family, *request;
        const char *answer; /* a part of it */
        const char *calls;
    } ROWS[] = {
        /* granted, but nothing is subscribed to */
        {"binance-spot", "{\"method\":\"SUBSCRIBE\",\"params\":[\"no\"],\"id\":7}",
         "{\"result\":null,\"id\":7}", "pc>"},
        {"binance-spot", "{\"method\":\"SUBSCRIBE\",\"params\":[\"no\",\"known\"],\"id\":7}",
         "{\"result\":null,\"id\":7}", "psc>"},
        {"bitstamp", "{\"event\":\"bts:subscribe\",\"data\":{\"channel\":\"no\"}}",
         "{\"event\":\"bts:subscription_succeeded\",\"channel\":\"no\",\"data\":{}}", "pc>"},
        {"bitstamp", "{\"event\":\"bts:subscribe\",\"data\":{}}",
         "\"channel\":\"\",\"data\":{\"code\":null,\"message\":\"Bad subscription string.\"", ">"},
        /* each topic has its own refusal */
        {"okx", "{\"op\":\"subscribe\",\"args\":[{\"channel\":\"secret\"}]}",
         "\"code\":\"60011\",\"msg\":\"Please log in\"", "pc>"},
        {"kraken-v2",
         "{\"method\":\"subscribe\",\"params\":{\"channel\":\"ticker\",\"symbol\":[\"A/B\"]}}",
         "\"error\":\"Subscription name invalid\"", "pc>"},
        /* the client's own words */
        {"binance-usdm", "{\"method\":\"DANCE\",\"id\":1}", "unknown variant `DANCE`, expected",
         ">"},
        {"binance-usdm", "{\"id\":1}", "unknown variant ``", ">"},
        {"okx", "{\"op\":\"dan", "\"Illegal request: {\\\"op\\\":\\\"dan\"", ">"},
        {"okx", "\xff\xc3", "\"Illegal request: \xef\xbf\xbd\xef\xbf\xbd\"", ">"},
    };
    (void)state;
    responder *r = responder_open(NULL);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        fake_client client = {0};
        const dialect *spoken = family_find(td_bytes_str(ROWS[i].family))->dialect;
        const responder_client from = {&OPS, &client, spoken, "c"};
        assert_int_equal(responder_answer(r, &from, td_bytes_str(ROWS[i].request), 1000, NULL),
                         TD_OK);
        if (memmem(client.answer, client.answer_bytes, ROWS[i].answer, strlen(ROWS[i].answer)) ==
            NULL)
            fail_msg("%s: %.*s", ROWS[i].request, (int)client.answer_bytes, client.answer);
        if (strcmp(client.calls, ROWS[i].calls) != 0)
            fail_msg("%s: calls %s", ROWS[i].request, client.calls);
    }
    responder_close(r);
}

/* A long request is cut between two characters. */
static void test_long_words(void **state)
{
    enum { SIZE = 3000 };
    char request[SIZE + 1];
    fake_client client = {0};
    (void)state;
    for (size_t i = 0; i < SIZE; i += 3)
        memcpy(request + i, "\xe2\x82\xac", 3);
    request[SIZE] = '\0';
    responder *r = responder_open(NULL);
    const responder_client from = {&OPS, &client, family_find(td_bytes_str("okx"))->dialect, "c"};
    assert_int_equal(responder_answer(r, &from, td_bytes_str(request + 1), 1000, NULL), TD_OK);
    assert_non_null(memmem(client.answer, client.answer_bytes, "\xe2\x82\xac\"", 4));
    responder_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_words_of_exchanges),
        cmocka_unit_test(test_long_words), cmocka_unit_test(test_wrong_signature_is_refused),
        cmocka_unit_test(test_large_request_gets_no_answer)};
    return cmocka_run_group_tests_name("schema/responder", tests, NULL, NULL);
}
