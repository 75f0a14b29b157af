/* Exchanges: every row is valid; the rules that distinguish control frames from data; a frame's
 * first bytes agree with its classification. Expected classes follow docs/wire.md 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "tests/testing/row_faults.h"

/* Checks that topics are read by the same keys as frames are classified. */
static void check_topic_keys(const family *of)
{
    const frame_keys *keys = &exchange_of(of)->frames;
    for (size_t i = 0; i < of->topic_count; i++) {
        const topic_row *row = &of->topics[i];
        const int is_op = row->type == MSG_ORDER_ENTRY;
        td_bytes key = keys->names[row->is_event ? keys->event : is_op ? keys->op : keys->topic];
        const char *own = topic_row_topic_key(row);
        assert_true(!is_op || of->op_is_topic);
        if (keys->topic_path != NULL && !is_op ? strcmp(own, keys->topic_path) != 0
                                               : !td_bytes_is(key, own))
            fail_msg("%s %s: %s", of->name, row->name, topic_row_topic_key(row));
    }
}

static void test_rows(void **state)
{
    (void)state;
    size_t count = 0;
    const family *const *families = family_table(&count);
    assert_ptr_equal(exchange_of(NULL), families[0]->exchange);
    for (size_t i = 0; i < count; i++) {
        const exchange_row *row = exchange_of(families[i]);
        const char *fault = exchange_row_fault(row);
        if (fault != NULL)
            fail_msg("%s: %s", row->name, fault);
        assert_non_null(families[i]->dialect);
        check_topic_keys(families[i]);
        /* With the maximum number of feeds, each has its own reserve (recorder/backoff.h). */
        assert_true(row->connects.count / 2 / LIMIT_FEEDS > 0);
    }
}

enum { RULES = 3 };

static const td_bytes NAMES[] = {FRAME_TEXT("id"), FRAME_TEXT("op"), FRAME_TEXT("data"),
                                 FRAME_TEXT("kind"), FRAME_TEXT("topic")};
static const char *const NO_HOSTS[] = {NULL};
static const char *const DONE[] = {"true", "done", NULL};
static const char *const FAIL[] = {"fail", NULL};

#define NO_TEXT                                                                                    \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

static const control_rule SOUND_RULES[RULES] = {
    {1, FRAME_TEXT("pong"), NO_TEXT, CLASS_PONG, CLASS_PONG, 0, SUCCESS_NOT_STATED, 0, 0},
    {3, FRAME_TEXT("answer"), NO_TEXT, CLASS_ACK, CLASS_ERROR, 0, SUCCESS_CODE, 0, 0},
    {0, NO_TEXT, FRAME_TEXT("login"), CLASS_AUTH, CLASS_AUTH, 0, SUCCESS_WORD, 0, 0},
};

static exchange_row sound_row(const control_rule *rules)
{
    return (exchange_row){
        .name = "made-up",
        .other_hosts = NO_HOSTS,
        .connects = {10, 1},
        .frames = {.names = NAMES,
                   .count = 5,
                   .first_of_size = {0, 0, 0, 2, 2, 4, 5, 5, 5, 5, 5, 5, 5, 5},
                   .topic = 4,
                   .data = 2,
                   .event = FRAME_KEY_NONE,
                   .event_time = FRAME_KEY_NONE,
                   .op = 1,
                   .request = 0,
                   .shared = 3,
                   .shared_first = 1,
                   .shared_count = 1,
                   .data_start = FRAME_TEXT("{\"topic\":\""),
                   .success_words = DONE,
                   .failure_words = FAIL,
                   .rules = rules,
                   .rule_count = RULES},
    };
}

/* The rules of a made-up exchange, applied to members given as JSON: the key's number and its
 * value. */
static void test_rules(void **state)
{
    static const struct {
        const char *name, *json[5], *op;
        frame_class is;
        int8_t success;
    } ROWS[] = {
        {"no member", {NULL}, "", CLASS_UNKNOWN, -1},
        {"a topic and data", {NULL, NULL, "{}", NULL, "\"t\""}, "", CLASS_UNKNOWN, -1},
        {"pong", {NULL, "\"pong\""}, "pong", CLASS_PONG, -1},
        {"data's kind", {NULL, NULL, NULL, "\"delta\""}, "", CLASS_UNKNOWN, -1},
        {"an answer that says nothing", {NULL, NULL, NULL, "\"answer\""}, "", CLASS_ACK, -1},
        {"an answer of success", {"0", NULL, NULL, "\"answer\""}, "", CLASS_ACK, 1},
        {"the same as text", {"\"0\"", NULL, NULL, "\"answer\""}, "", CLASS_ACK, 1},
        {"an answer of failure", {"7", NULL, NULL, "\"answer\""}, "", CLASS_ERROR, 0},
        {"the first rule that fits", {"7", "\"pong\"", NULL, "\"answer\""}, "", CLASS_PONG, -1},
        {"to a login", {"true"}, "login", CLASS_AUTH, 1},
        {"to a login, as a word", {"\"fail\""}, "login", CLASS_AUTH, 0},
        {"to a login, as a word of success", {"\"done\""}, "login", CLASS_AUTH, 1},
        {"to a login, in a word of another exchange", {"\"success\""}, "login", CLASS_AUTH, -1},
        {"to a login, in no known word", {"\"?\""}, "login", CLASS_AUTH, -1},
        {"to another request", {"true"}, "logout", CLASS_UNKNOWN, -1},
    };
    (void)state;
    exchange_row row = sound_row(SOUND_RULES);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        frame_words words = {.op = td_bytes_str(ROWS[i].op)};
        for (size_t k = 0; k < 5; k++) {
            const char *json = ROWS[i].json[k];
            if (json == NULL)
                continue;
            words.json[k] = td_bytes_str(json);
            if (json[0] == '"')
                words.text[k] = td_bytes_of(json + 1, strlen(json) - 2);
        }
        int8_t success = 5;
        frame_class is = control_find(&row.frames, &words, &success);
        if (is != ROWS[i].is || success != ROWS[i].success)
            fail_msg("%s: %s, success %d", ROWS[i].name, frame_class_name(is), success);
    }
}

/* In every dialect, a frame that begins like data is not a control frame, so a recorder need not
 * read further. Spot's answers are an exception, in dialects that echo topics. */
static void test_data_is_not_control(void **state)
{
    enum { SPOTS_ANSWER = 3 };
    static const char *const FRAMES[] = {
        "{\"topic\":\"trade.BTCUSD\",\"data\":[]}",
        "{\"topic\":\"trade.BTCUSD\",\"type\":\"snapshot\",\"data\":[]}",
        "{\"topic\":\"t\"}",
        "{\"topic\":\"trade\",\"event\":\"sub\",\"symbol\":\"A\",\"code\":\"0\",\"msg\":\"ok\"}",
        "{\"success\":true,\"ret_msg\":\"\",\"request\":{\"op\":\"subscribe\",\"args\":[]}}",
        "{\"op\":\"pong\",\"args\":[\"1\"]}",
        "{\"type\":\"COMMAND_RESP\",\"topic\":\"t\"}",
        "{\"pong\":1}",
        "[{\"e\":\"ticketInfo\"}]",
        "{ \"topic\":\"t\",\"data\":1}",
        "",
    };
    (void)state;
    decoder *d = decoder_open();
    size_t count = 0;
    size_t data = 0;
    const family *const *families = family_table(&count);
    for (size_t f = 0; f < count; f++) {
        for (size_t i = 0; i < sizeof FRAMES / sizeof FRAMES[0]; i++) {
            uint8_t padded[256] = {0};
            classification found;
            td_bytes frame = td_bytes_of(padded, strlen(FRAMES[i]));
            memcpy(padded, FRAMES[i], frame.size);
            decoder_classify(d, families[f], frame, CHANNEL_IN, TOPIC_NOW, &found);
            int begins = frame_begins_as_data(families[f], frame);
            data += (size_t)begins;
            if (begins && frame_class_is_control(found.frame_class) && i != SPOTS_ANSWER)
                fail_msg("%s: %s begins as data", families[f]->name, FRAMES[i]);
            if (begins)
                assert_false(families[f]->dialect->echoes_topics);
        }
    }
    decoder_close(d);
    assert_true(data > 0);
}

/* What each family's exchange answers to a ping is a pong for the recorder and for readers: it is
 * not inflated, and does not begin as data. */
static void test_pong_is_not_data(void **state)
{
    (void)state;
    decoder *d = decoder_open();
    dialect_parser *parser = dialect_parser_open();
    td_buf ping, pong;
    size_t count = 0;
    const family *const *families = family_table(&count);
    td_buf_init(&ping, 1 << 10);
    td_buf_init(&pong, 1 << 10);
    for (size_t f = 0; f < count; f++) {
        const dialect *spoken = families[f]->dialect;
        const dialect_reply reply = {.conn_id = "c", .now_ms = 7};
        uint8_t padded[(1 << 10) + DECODE_PADDING_BYTES] = {0};
        dialect_request request;
        dialect_answer answer;
        classification found;
        td_buf_clear(&ping);
        td_buf_clear(&pong);
        assert_int_equal(dialect_heartbeat(&ping, spoken->ping, 7, NULL), TD_OK);
        assert_int_equal(request_parse(parser, spoken, td_buf_view(&ping), &request, NULL), TD_OK);
        assert_int_equal(dialect_build_answer(&pong, &request, &reply, NULL), TD_OK);
        assert_in_range(pong.size, 1, 1 << 10);
        memcpy(padded, pong.data, pong.size);
        const td_bytes frame = td_bytes_of(padded, pong.size);
        decoder_classify(d, families[f], frame, CHANNEL_IN, TOPIC_NOW, &found);
        assert_int_equal(answer_parse(parser, spoken, frame, &answer, NULL), TD_OK);
        if (found.frame_class != CLASS_PONG || answer.kind != ANSWER_PONG ||
            decoder_inflates(families[f], frame) || frame_begins_as_data(families[f], frame))
            fail_msg("%s: %.*s is not a pong", families[f]->name, (int)frame.size,
                     (const char *)frame.data);
    }
    td_buf_fini(&ping);
    td_buf_fini(&pong);
    dialect_parser_close(parser);
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_data_is_not_control),
        cmocka_unit_test(test_pong_is_not_data),
    };
    return cmocka_run_group_tests_name("schema/exchange", tests, NULL, NULL);
}
