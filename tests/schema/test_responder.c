/* The order in which the parts of requests are checked, and the actions for granted ones. Expected
 * refusals follow docs/wire.md 1.1, 1.3 and 1.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "schema/responder.h"
#include "tests/testing/bybit_dialects.h"

/* A client, and the responder's calls for it, as letters in order. */
typedef struct fake_client {
    unsigned looks;
    char calls[32];
    refusal refused; /* of the last answer, like the following members */
    char reason_topic[16];
    char failed[16]; /* "01": by arg; empty: the whole request */
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

/* Receives the answer, which is what build() wrote. */
static void on_answer(void *user, td_bytes answer)
{
    fake_client *client = user;
    note(client, '>');
    client->refused = (refusal)answer.data[0];
    assert_true(answer.size < sizeof client->reason_topic);
    memcpy(client->reason_topic, answer.data + 1, answer.size - 1);
}

static fake_client *built_for; /* the client whose failed args build() records */

/* Replaces a dialect's build_answer: writes the refusal, and the topic that it names. */
static td_result build(td_buf *out, const dialect_request *request, const dialect_reply *reply,
                       td_err *err)
{
    uint8_t refused = (uint8_t)reply->refused;
    assert_string_equal(reply->conn_id, "c");
    for (size_t i = 0; reply->is_failed != NULL && i < request->arg_count; i++)
        built_for->failed[i] = reply->is_failed[i] ? '1' : '0';
    td_result rc = td_buf_append(out, &refused, 1, err);
    return rc == TD_OK ? td_buf_append(out, reply->topic.data, reply->topic.size, err) : rc;
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
    {DIALECT_V5, "no JSON", REFUSAL_INVALID_OP, NULL, NULL, 0, ">"},
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

static td_result respond(responder *r, dialect_id id, const char *request, fake_client *client)
{
    dialect spoken = *dialect_find(id);
    spoken.build_answer = build;
    built_for = client;
    const responder_client from = {&OPS, client, &spoken, "c"};
    return responder_answer(r, &from, td_bytes_str(request), 1000, NULL);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_wrong_signature_is_refused),
                                       cmocka_unit_test(test_large_request_gets_no_answer)};
    return cmocka_run_group_tests_name("schema/responder", tests, NULL, NULL);
}
