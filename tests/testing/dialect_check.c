#include "tests/testing/dialect_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "schema/decode.h"
#include "base/json/json.h"
#include "schema/dialect.h"
#include "schema/filters.h"
#include "tests/testing/bybit_dialects.h"

enum { TEXT_BYTES_MAX = 16 << 20, TOPICS_MAX = 512 };

struct dialect_check {
    dialect_parser *requests;
    dialect_parser *answers;
    decoder *decoder;
    json_parser *json;
    td_buf request, answer, texts;
    const char *topics[TOPICS_MAX];
};

static void expect_ok(td_result rc)
{
    TD_ASSERT(rc == TD_OK);
}

dialect_check *dialect_check_open(void)
{
    dialect_check *check = td_alloc_zero(1, sizeof *check);
    check->requests = dialect_parser_open();
    check->answers = dialect_parser_open();
    check->decoder = decoder_open();
    check->json = json_parser_open(0);
    td_buf_init(&check->request, TEXT_BYTES_MAX);
    td_buf_init(&check->answer, TEXT_BYTES_MAX);
    td_buf_init(&check->texts, TEXT_BYTES_MAX);
    return check;
}

void dialect_check_close(dialect_check *check)
{
    dialect_parser_close(check->requests);
    dialect_parser_close(check->answers);
    decoder_close(check->decoder);
    json_parser_close(check->json);
    td_buf_fini(&check->request);
    td_buf_fini(&check->answer);
    td_buf_fini(&check->texts);
    td_free(check);
}

/* Copies the args to C strings; 0 if there are too many, or one contains a NUL. */
static int copy_topics(dialect_check *check, const dialect_request *request)
{
    size_t bytes = 0;
    if (request->arg_count > TOPICS_MAX)
        return 0;
    for (size_t i = 0; i < request->arg_count; i++) {
        bytes += request->args[i].size + 1;
        if (request->args[i].size > 0 &&
            memchr(request->args[i].data, '\0', request->args[i].size) != NULL)
            return 0;
    }
    td_buf_clear(&check->texts);
    expect_ok(td_buf_reserve(&check->texts, bytes + 1, NULL));
    for (size_t i = 0; i < request->arg_count; i++) {
        check->topics[i] = (const char *)check->texts.data + check->texts.size;
        expect_ok(td_buf_printf(&check->texts, NULL, "%.*s", (int)request->args[i].size,
                                (const char *)request->args[i].data));
        expect_ok(td_buf_append(&check->texts, "", 1, NULL));
    }
    return 1;
}

/* ---- a request that a server reads ---- */

static int is_about_topics(request_kind kind)
{
    return kind == REQUEST_SUBSCRIBE || kind == REQUEST_UNSUBSCRIBE;
}

/* Checks that the client recognizes its request in the answer, and each topic's result. */
static void check_fits(dialect_check *check, const dialect_request *request,
                       const dialect_answer *answer, refusal refused)
{
    char id[64] = "";
    if (!is_about_topics(request->kind) || request->arg_count == 0 ||
        request->id.size >= sizeof id || !copy_topics(check, request))
        return;
    if (request->id.size > 0)
        memcpy(id, request->id.data, request->id.size);
    if (strlen(id) != request->id.size)
        return;
    const dialect_ask ask = {.kind = request->kind,
                             .topics = check->topics,
                             .count = request->arg_count,
                             .id = id[0] == '\0' ? NULL : id};
    TD_ASSERT(dialect_answer_fits(answer, &ask));
    for (size_t i = 0; i < ask.count; i++)
        TD_ASSERT(dialect_answer_grants(answer, ask.topics[i]) == (refused == REFUSAL_NONE));
}

/* Checks that the answer is JSON, and that classifier and client recognize it. */
static void check_answer(dialect_check *check, const dialect *spoken,
                         const dialect_request *request, refusal refused)
{
    const dialect_reply reply = {.conn_id = "c",
                                 .now_ms = UINT64_MAX,
                                 .refused = refused,
                                 .topic =
                                     request->arg_count > 0 ? request->args[0] : td_bytes_str("")};
    td_buf_clear(&check->answer);
    expect_ok(dialect_build_answer(&check->answer, request, &reply, NULL));
    td_bytes text = td_buf_view(&check->answer);
    if (text.size == 0)
        return;
    json_value root;
    expect_ok(json_parse(check->json, text, JSON_COPIED, &root, NULL));
    expect_ok(td_buf_reserve(&check->answer, DECODE_PADDING_BYTES, NULL));
    memset(check->answer.data + text.size, 0, DECODE_PADDING_BYTES);
    text = td_buf_view(&check->answer);
    classification found;
    decoder_classify(check->decoder, NULL, text, CHANNEL_IN, TOPIC_NOW, &found);
    TD_ASSERT(frame_class_is_control(found.frame_class));
    dialect_answer answer;
    td_result rc = answer_parse(check->answers, spoken, text, &answer, NULL);
    if (rc == TD_E_LIMIT)
        return; /* escapes may make the answer, which repeats the request, too large */
    expect_ok(rc);
    /* where clients place orders, an answer that names no op may be an order's */
    TD_ASSERT(answer.kind != ANSWER_NONE || spoken->order_id != NULL);
    check_fits(check, request, &answer, refused);
}

/* Checks that subscribed topics match the filters until they are unsubscribed. */
static void check_filters(const dialect *spoken, const dialect_request *request)
{
    topic_filters filters;
    topic_filters_init(&filters, spoken);
    for (size_t i = 0; i < request->arg_count && i < TOPICS_MAX; i++) {
        td_bytes topic = request->args[i];
        if (topic_filters_add(&filters, topic, NULL) == TD_OK && !dialect_has_lists(spoken))
            TD_ASSERT(topic_filters_cover(&filters, topic));
    }
    for (size_t i = 0; i < request->arg_count && i < TOPICS_MAX; i++)
        topic_filters_remove(&filters, request->args[i]);
    TD_ASSERT(filters.count == 0);
    TD_ASSERT(filters.text_count == 0);
    topic_filters_fini(&filters);
}

static void check_request(dialect_check *check, const dialect *spoken, td_bytes frame)
{
    dialect_request request;
    td_result rc = request_parse(check->requests, spoken, frame, &request, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_LIMIT);
    TD_ASSERT(rc == TD_OK || request.arg_count == 0);
    TD_ASSERT(request.arg_count <= DIALECT_ARGS_MAX);
    check_answer(check, spoken, &request, REFUSAL_INVALID_ARGS);
    if (rc != TD_OK)
        return;
    if (request.kind == REQUEST_AUTH)
        (void)dialect_check_auth(&request, "secret", 1); /* any result will do */
    check_answer(check, spoken, &request, REFUSAL_NONE);
    check_answer(check, spoken, &request, REFUSAL_UNKNOWN_TOPIC);
    if (is_about_topics(request.kind))
        check_filters(spoken, &request);
}

/* ---- an answer that a client reads ---- */

static void check_inbound(dialect_check *check, td_bytes frame)
{
    static const char *const TOPICS[] = {"trade.A", "depth.A"};
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 2, .id = "1"};
    dialect_answer answer;
    td_result rc = answer_parse(check->answers, dialect_find(DIALECT_OP), frame, &answer, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT);
    TD_ASSERT(rc == TD_OK || answer.kind == ANSWER_NONE);
    TD_ASSERT(answer.success >= -1 && answer.success <= 1);
    TD_ASSERT(answer.granted_count + answer.failed_count <= DIALECT_ARGS_MAX);
    if (dialect_answer_fits(&answer, &ask))
        TD_ASSERT(answer.kind == ANSWER_TOPICS);
    if (!dialect_answer_names(&answer, REQUEST_SUBSCRIBE, TOPICS[0]))
        TD_ASSERT(dialect_answer_grants(&answer, TOPICS[0]) == (answer.success == 1));
}

/* ---- topics that a client asks for ---- */

/* Splits the lines into topics that can be written and read back: ASCII, and without the comma of
 * spot, which would separate topics. */
static size_t split_lines(dialect_check *check, const dialect *spoken, td_bytes lines)
{
    size_t count = 0;
    td_buf_clear(&check->texts);
    expect_ok(td_buf_reserve(&check->texts, lines.size + 1, NULL));
    for (size_t i = 0; i < lines.size; i++) {
        char c = (char)(lines.data[i] & 0x7f);
        if (c == ',' && spoken == dialect_find(DIALECT_SPOT))
            c = ';';
        check->texts.data[i] = (uint8_t)(c == '\n' ? '\0' : c == '\0' ? '0' : c);
    }
    check->texts.data[lines.size] = '\0';
    for (size_t at = 0; at < lines.size && count < TOPICS_MAX;) {
        check->topics[count] = (const char *)check->texts.data + at;
        at += strlen(check->topics[count++]) + 1;
    }
    return count;
}

static void check_ask(dialect_check *check, const dialect *spoken, const dialect_ask *ask)
{
    dialect_request request;
    td_buf_clear(&check->request);
    td_result rc = dialect_ask_topics(spoken, &check->request, ask, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_LIMIT);
    if (rc != TD_OK)
        return;
    rc = request_parse(check->requests, spoken, td_buf_view(&check->request), &request, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_LIMIT);
    if (rc != TD_OK)
        return;
    TD_ASSERT(request.kind == ask->kind);
    TD_ASSERT(request.arg_count == ask->count);
    for (size_t i = 0; i < ask->count; i++)
        TD_ASSERT(td_bytes_is(request.args[i], ask->topics[i]));
}

static void check_topics(dialect_check *check, const dialect *spoken, td_bytes lines)
{
    size_t count = split_lines(check, spoken, lines);
    for (size_t at = 0; at < count && spoken->ask_topics != NULL;) {
        const dialect_ask ask = {.kind = at % 2 == 0 ? REQUEST_SUBSCRIBE : REQUEST_UNSUBSCRIBE,
                                 .topics = check->topics + at,
                                 .count = dialect_fit(spoken, check->topics + at, count - at),
                                 .id = at % 3 == 0 ? NULL : "id"};
        TD_ASSERT(ask.count > 0);
        TD_ASSERT(ask.count <= count - at);
        check_ask(check, spoken, &ask);
        at += ask.count;
    }
}

void dialect_check_input(dialect_check *check, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    const dialect *spoken = dialect_find((dialect_id)(data[0] % 16 % DIALECT_COUNT));
    td_bytes rest = td_bytes_of(data + 1, size - 1);
    switch (data[0] / 16 % 3) {
    case 0:
        check_request(check, spoken, rest);
        break;
    case 1:
        check_inbound(check, rest);
        break;
    default:
        check_topics(check, spoken, rest);
        break;
    }
}
