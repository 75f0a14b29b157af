/* Documents of exchanges as a user might write them: each is refused with a reason, or its dialects
 * build requests and answers, and read them. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "schema/dialect.h"
#include "schema/exchange_file.h"
#include "tests/testing/fuzz_input.h"

enum { FRAME_BYTES_MAX = 1 << 20, TOPIC_COUNT = 3 };

static const char *const TOPICS[TOPIC_COUNT] = {"kline.1m.A", "kline.1m.B", "trade.A"};

typedef struct fixture {
    dialect_parser *parser, *answers;
    td_buf request, answer;
} fixture;

/* The request's answers, for each refusal; a client reads them. */
static void answer_all(fixture *fx, const dialect *spoken, const dialect_request *request)
{
    static const uint8_t FAILED[DIALECT_ARGS_MAX] = {1};
    for (int why = REFUSAL_NONE; why < REFUSAL_COUNT; why++) {
        dialect_answer read;
        const dialect_reply reply = {.conn_id = "c",
                                     .now_ms = 1,
                                     .refused = (refusal)why,
                                     .topic = td_bytes_str("t"),
                                     .arg_refusals = spoken->answers_topics ? FAILED : NULL};
        td_buf_clear(&fx->answer);
        if (dialect_build_answer(&fx->answer, request, &reply, NULL) == TD_OK)
            TD_ASSERT(answer_parse(fx->answers, spoken, td_buf_view(&fx->answer), &read, NULL) !=
                      TD_E_INVALID);
    }
}

static void read_request(fixture *fx, const dialect *spoken, td_bytes frame)
{
    dialect_request request;
    td_result rc = request_parse(fx->parser, spoken, frame, &request, NULL);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_LIMIT);
    if (request.kind == REQUEST_AUTH && rc == TD_OK)
        (void)dialect_check_auth(&request, "secret", 1); /* any result will do */
    answer_all(fx, spoken, &request);
}

/* What a client sends is what a server reads. */
static void speak(fixture *fx, const dialect *spoken)
{
    const dialect_auth auth = {.api_key = "k", .secret = "s", .expires_ms = 1};
    for (size_t at = 0; at < TOPIC_COUNT && spoken->ask_topics != NULL;) {
        const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE,
                                 .topics = TOPICS + at,
                                 .count = dialect_fit(spoken, TOPICS + at, TOPIC_COUNT - at),
                                 .id = at == 0 ? "1" : NULL};
        TD_ASSERT(ask.count > 0);
        TD_ASSERT(ask.count <= TOPIC_COUNT - at);
        td_buf_clear(&fx->request);
        if (dialect_ask_topics(spoken, &fx->request, &ask, NULL) == TD_OK)
            read_request(fx, spoken, td_buf_view(&fx->request));
        at += ask.count;
    }
    td_buf_clear(&fx->request);
    if (spoken->ask_auth != NULL && dialect_ask_auth(spoken, &fx->request, &auth, NULL) == TD_OK)
        read_request(fx, spoken, td_buf_view(&fx->request));
    td_buf_clear(&fx->request);
    if (dialect_heartbeat(&fx->request, spoken->ping, 1, NULL) == TD_OK)
        read_request(fx, spoken, td_buf_view(&fx->request));
    read_request(fx, spoken, td_bytes_str("{\"op\":\"subscribe\",\"args\":[\"a\",1]}"));
    read_request(fx, spoken, td_bytes_str("no JSON"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fixture fx = {.parser = dialect_parser_open(), .answers = dialect_parser_open()};
    td_arena *memory = td_arena_open();
    exchange_row made;
    td_err err;
    td_err_clear(&err);
    td_buf_init(&fx.request, FRAME_BYTES_MAX);
    td_buf_init(&fx.answer, FRAME_BYTES_MAX);
    if (exchange_file_read("fuzzed", td_bytes_of(data, size), DOCUMENT_GIVEN, memory, &made,
                           &err) != TD_OK)
        TD_ASSERT(strstr(err.text, "fuzzed.yaml") != NULL);
    else
        for (size_t i = 0; i < made.dialect_count; i++)
            speak(&fx, &made.dialects[i]);
    td_buf_fini(&fx.request);
    td_buf_fini(&fx.answer);
    dialect_parser_close(fx.parser);
    dialect_parser_close(fx.answers);
    td_arena_close(memory);
    return 0;
}
