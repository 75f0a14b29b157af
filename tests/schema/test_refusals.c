/* The order in which requests are judged. Expected refusals follow docs/wire.md 1.1, 1.3 and 1.5.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "schema/refusals.h"
#include "tests/testing/bybit_dialects.h"

/* A server with the topics "known", "mine" (held), "secret" (needs auth) and, for other symbols,
 * "other". */
static topic_standing look(void *user, td_bytes topic)
{
    unsigned *looks = user;
    (*looks)++;
    return (topic_standing){
        .is_known = td_bytes_is(topic, "known") || td_bytes_is(topic, "mine") ||
                    td_bytes_is(topic, "secret"),
        .is_symbol_unknown = td_bytes_is(topic, "other") != 0,
        .needs_auth = td_bytes_is(topic, "secret") != 0,
        .is_held = td_bytes_is(topic, "mine") != 0,
    };
}

#define ELEVEN "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\""

typedef struct refusal_case {
    dialect_id dialect;
    const char *request;
    refusal refused;
    const char *blamed; /* NULL: none */
    const char *failed; /* "01": by arg; NULL: the request as a whole */
    unsigned looks;
} refusal_case;

static const refusal_case CASES[] = {
    {DIALECT_V5, "no JSON", REFUSAL_INVALID_OP, NULL, NULL, 0},
    {DIALECT_V5, "{\"op\":\"dance\"}", REFUSAL_INVALID_OP, NULL, NULL, 0},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":5}", REFUSAL_INVALID_ARGS, NULL, NULL, 0},
    {DIALECT_V5, "{\"op\":\"subscribe\"}", REFUSAL_INVALID_ARGS, NULL, NULL, 0},
    {DIALECT_V5, "{\"op\":\"unsubscribe\",\"args\":[]}", REFUSAL_INVALID_ARGS, NULL, NULL, 0},
    {DIALECT_V5, "{\"op\":\"ping\"}", REFUSAL_NONE, NULL, NULL, 0},
    {DIALECT_V5_SPOT, "{\"op\":\"subscribe\",\"args\":[" ELEVEN "]}", REFUSAL_TOO_MANY, NULL, NULL,
     0},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[" ELEVEN "]}", REFUSAL_UNKNOWN_TOPIC, "1", NULL,
     1},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"known\",\"no\",\"other\"]}",
     REFUSAL_UNKNOWN_TOPIC, "no", NULL, 2},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"other\"]}", REFUSAL_UNKNOWN_SYMBOL, "other",
     NULL, 1},
    {DIALECT_V3, "{\"op\":\"subscribe\",\"args\":[\"other\"]}", REFUSAL_UNKNOWN_TOPIC, "other",
     NULL, 1},
    {DIALECT_OP, "{\"op\":\"unsubscribe\",\"args\":[\"no\"]}", REFUSAL_UNKNOWN_TOPIC, "no", NULL,
     1},
    {DIALECT_V5, "{\"op\":\"subscribe\",\"args\":[\"mine\"]}", REFUSAL_REPEATED, "mine", NULL, 1},
    {DIALECT_V5, "{\"op\":\"unsubscribe\",\"args\":[\"mine\"]}", REFUSAL_NONE, NULL, NULL, 1},
    {DIALECT_OP, "{\"op\":\"subscribe\",\"args\":[\"mine\"]}", REFUSAL_NONE, NULL, NULL, 1},
    {DIALECT_OP, "{\"op\":\"subscribe\",\"args\":[\"secret\"]}", REFUSAL_NEEDS_AUTH, "secret", NULL,
     1},
    {DIALECT_USDC, "{\"op\":\"subscribe\",\"args\":[\"no\",\"known\",\"secret\"]}", REFUSAL_NONE,
     NULL, "101", 3},
};

static void run_case(const refusal_case *c, dialect_parser *parser)
{
    const dialect *spoken = dialect_find(c->dialect);
    dialect_request request;
    dialect_reply reply = {.conn_id = "c"};
    td_buf failed;
    td_err err;
    unsigned looks = 0;
    td_buf_init(&failed, DIALECT_ARGS_MAX);
    td_result parsed = request_parse(parser, spoken, td_bytes_str(c->request), &request, &err);
    td_result rc = refusals_judge(spoken, &request, parsed, look, &looks, &failed, &reply, &err);
    assert_int_equal(rc, TD_OK);
    if (reply.refused != c->refused || looks != c->looks)
        fail_msg("%s: refused %d after %u looks", c->request, (int)reply.refused, looks);
    if (c->blamed != NULL)
        assert_true(td_bytes_is(reply.topic, c->blamed));
    assert_int_equal(reply.is_failed != NULL, c->failed != NULL);
    for (size_t i = 0; c->failed != NULL && c->failed[i] != '\0'; i++)
        assert_int_equal(reply.is_failed[i], c->failed[i] == '1');
    td_buf_fini(&failed);
}

static void test_order(void **state)
{
    (void)state;
    dialect_parser *parser = NULL;
    assert_int_equal(dialect_parser_open(&parser, NULL), TD_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        run_case(&CASES[i], parser);
    dialect_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests_name("schema/refusals", tests, NULL, NULL);
}
