/* Requests, answers, and the result for each topic. Answers are written by hand from docs/wire.md
 * 1, 1.3 and 1.5; a model of the exchange (below) refuses a whole request if it does not know one
 * of the topics, as A and B do. Expected: the rules in recorder/subscriber.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/subscriber.h"
#include "tests/testing/bybit_dialects.h"

enum { REQUESTS_MAX = 512, TEXT_BYTES = 1 << 16 };

/* The exchange's side of a connection, and the requests it received. */
typedef struct scene {
    const dialect *dialect;
    subscriber *asks;
    dialect_parser *answers;
    td_buf out;
    const char *bad[4]; /* unknown topics */
    unsigned requests;
    unsigned topics_asked;
    char open[REQUESTS_MAX][20 << 10]; /* topics of unanswered requests */
    char ids[REQUESTS_MAX][32];
    unsigned open_count;
    const char *const *topics;
    char granted[TEXT_BYTES], refused[TEXT_BYTES];
    uint64_t now_ns;
} scene;

static void on_granted(void *user, size_t topic)
{
    scene *s = user;
    size_t at = strlen(s->granted);
    (void)snprintf(s->granted + at, sizeof s->granted - at, "%s%s", at > 0 ? "," : "",
                   s->topics[topic]);
}

static scene *open_scene(dialect_id spoken, const char *const *topics, size_t count)
{
    static scene s;
    memset(&s, 0, sizeof s);
    s.dialect = dialect_find(spoken);
    s.topics = topics;
    subscriber_options options = {.dialect = s.dialect,
                                  .topics = topics,
                                  .topic_count = count,
                                  .granted = on_granted,
                                  .user = &s};
    s.asks = subscriber_open(&options);
    s.answers = dialect_parser_open();
    td_buf_init(&s.out, TEXT_BYTES);
    s.now_ns = TD_NS_PER_S;
    subscriber_restart(s.asks);
    return &s;
}

static void close_scene(scene *s)
{
    subscriber_close(s->asks);
    dialect_parser_close(s->answers);
    td_buf_fini(&s->out);
}

/* Copies a request's id, as in its JSON, or "". */
static void copy_id(const td_buf *request, char out[32])
{
    static const char *const KEYS[] = {"\"req_id\":\"", "\"id\":\""};
    out[0] = '\0';
    for (size_t i = 0; i < 2; i++) {
        const char *at = memmem(request->data, request->size, KEYS[i], strlen(KEYS[i]));
        if (at == NULL)
            continue;
        at += strlen(KEYS[i]);
        (void)snprintf(out, 32, "%.*s", (int)strcspn(at, "\""), at);
        return;
    }
}

static unsigned count_topics(const char *joined)
{
    unsigned count = joined[0] != '\0';
    for (const char *c = joined; *c != '\0'; c++)
        count += *c == ',';
    return count;
}

/* Takes all requests that may be sent now. */
static unsigned send_requests(scene *s)
{
    unsigned taken = 0;
    const char *topics;
    for (;;) {
        td_buf_clear(&s->out);
        td_result rc = subscriber_next(s->asks, s->now_ns, &s->out, &topics, NULL);
        if (rc == TD_EOF)
            return taken;
        assert_int_equal(rc, TD_OK);
        assert_true(s->out.size > 0);
        assert_true(s->open_count < REQUESTS_MAX);
        assert_true(strlen(topics) < sizeof s->open[0]);
        (void)snprintf(s->open[s->open_count], sizeof s->open[0], "%s", topics);
        copy_id(&s->out, s->ids[s->open_count++]);
        s->requests++;
        s->topics_asked += count_topics(topics);
        taken++;
    }
}

static int answer(scene *s, const char *text)
{
    dialect_answer read;
    const char *refused = "";
    uint8_t padded[TEXT_BYTES];
    size_t size = strlen(text);
    assert_true(size + 64 < sizeof padded);
    memcpy(padded, text, size + 1);
    assert_int_equal(answer_parse(s->answers, s->dialect, td_bytes_of(padded, size), &read, NULL),
                     TD_OK);
    s->granted[0] = '\0';
    int is_taken = subscriber_answered(s->asks, &read, s->now_ns, &refused);
    if (!is_taken)
        return 0;
    (void)snprintf(s->refused, sizeof s->refused, "%s", refused);
    return 1;
}

static const char *bad_topic(const scene *s, const char *joined)
{
    for (size_t i = 0; i < 4 && s->bad[i] != NULL; i++) {
        size_t size = strlen(s->bad[i]);
        for (const char *at = joined; (at = strstr(at, s->bad[i])) != NULL; at++)
            if ((at == joined || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
                return s->bad[i];
    }
    return NULL;
}

/* Answers the oldest open request as B does: grants all of it, or refuses all because of one topic.
 */
static void answer_first(scene *s)
{
    char text[512];
    const char *bad = bad_topic(s, s->open[0]);
    int length =
        bad == NULL
            ? snprintf(text, sizeof text,
                       "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\","
                       "\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                       s->ids[0])
            : snprintf(text, sizeof text,
                       "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:%s\","
                       "\"conn_id\":\"c\",\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                       bad, s->ids[0]);
    assert_true(length > 0 && (size_t)length < sizeof text);
    s->open_count--;
    memmove(s->open[0], s->open[1], s->open_count * sizeof s->open[0]);
    memmove(s->ids[0], s->ids[1], s->open_count * sizeof s->ids[0]);
    assert_int_equal(answer(s, text), 1);
}

static void answer_all(scene *s)
{
    do {
        while (s->open_count > 0)
            answer_first(s);
    } while (send_requests(s) > 0);
}

/* ---- tests ---- */

static const char *TEN[10] = {"t.0", "t.1", "t.2", "t.3", "t.4", "t.5", "t.6", "t.7", "t.8", "t.9"};

static const char *const *many_topics(size_t count)
{
    static char names[1500][64];
    static const char *topics[1500];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof names[i], "orderBookL2_25.SYMBOL%04zu", i);
        topics[i] = names[i];
    }
    return topics;
}

/* An answer without an open request withdraws grants: of the topics that it names, or all. */
static void what_was_granted_may_be_withdrawn(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        unsigned count; /* number of withdrawn topics, one of them t.3 */
    } ROWS[] = {
        {"{\"success\":false,\"ret_msg\":\"error:handler not found,topic:t.3\",\"conn_id\":\"c\","
         "\"req_id\":\"sub-1\",\"op\":\"subscribe\"}",
         1},
        {"{\"success\":false,\"ret_msg\":\"error:no\",\"conn_id\":\"c\",\"req_id\":\"sub-1\","
         "\"op\":\"subscribe\"}",
         10},
        {"{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"op\":\"unsubscribe\"}", 10},
        {"{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":{\"op\":\"unsubscribe\","
         "\"args\":[\"t.3\"]}}",
         1},
        /* A repeated acknowledgement, a repeated topic, other requests and other topics. */
        {"{\"success\":true,\"ret_msg\":\"\",\"req_id\":\"sub-1\",\"op\":\"subscribe\"}", 0},
        {"{\"success\":false,\"ret_msg\":\"error:already "
         "subscribed,topic:t.3\",\"req_id\":\"sub-1\","
         "\"op\":\"subscribe\"}",
         0},
        {"{\"success\":false,\"ret_msg\":\"no\",\"conn_id\":\"c\",\"op\":\"unsubscribe\"}", 0},
        {"{\"success\":false,\"ret_msg\":\"no\",\"conn_id\":\"c\",\"op\":\"auth\"}", 0},
        {"{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"request\":{\"op\":\"unsubscribe\","
         "\"args\":[\"t.77\"]}}",
         0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        scene *s = open_scene(DIALECT_V3, TEN, 10);
        send_requests(s);
        answer_all(s);
        assert_int_equal(subscriber_granted_count(s->asks), 10);
        s->refused[0] = '\0';
        if (answer(s, ROWS[i].answer) != (ROWS[i].count > 0) ||
            count_topics(s->refused) != ROWS[i].count)
            fail_msg("%s: withdrawn: %s", ROWS[i].answer, s->refused);
        assert_int_equal(subscriber_granted_count(s->asks), 10 - ROWS[i].count);
        assert_int_equal(send_requests(s), 0);
        s->now_ns += SUBSCRIBER_RETRY_NS;
        assert_int_equal(send_requests(s), ROWS[i].count); /* each topic in its own request */
        answer_all(s);
        assert_int_equal(subscriber_granted_count(s->asks), 10);
        close_scene(s);
    }
}

/* B allows 10 args per request and 64 open requests; each answer allows another. */
static void requests_are_cut_and_held_back(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_V3, many_topics(1000), 1000);
    assert_int_equal(send_requests(s), SUBSCRIBER_OPEN_MAX);
    assert_int_equal(s->topics_asked, 10 * SUBSCRIBER_OPEN_MAX);
    assert_false(subscriber_is_answered(s->asks));
    answer_first(s);
    assert_int_equal(count_topics(s->granted), 10);
    assert_int_equal(send_requests(s), 1);
    answer_all(s);
    assert_int_equal(s->requests, 100);
    assert_true(subscriber_is_answered(s->asks));
    assert_int_equal(subscriber_granted_count(s->asks), 1000);
    assert_int_equal(subscriber_due_ns(s->asks), UINT64_MAX);
    close_scene(s);
}

static void answers_are_matched_by_id(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_V3, many_topics(20), 20);
    assert_int_equal(send_requests(s), 2);
    assert_string_not_equal(s->ids[0], s->ids[1]);
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"success\":true,\"ret_msg\":\"\",\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                   s->ids[1]);
    assert_int_equal(answer(s, text), 1);
    assert_string_equal(s->granted, s->open[1]);
    assert_int_equal(answer(s, text), 0); /* no request is left to answer */
    assert_int_equal(answer(s, "{\"success\":true,\"ret_msg\":\"\",\"req_id\":\"other\","
                               "\"op\":\"subscribe\"}"),
                     0);
    /* An answer without an id belongs to the oldest request. */
    assert_int_equal(answer(s, "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}"), 1);
    assert_string_equal(s->granted, s->open[0]);
    assert_true(subscriber_is_answered(s->asks));
    close_scene(s);
}

/* A echoes the request: answers find their request in any order. */
static void answers_are_matched_by_echo(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_OP, many_topics(1500), 1500);
    unsigned requests = send_requests(s);
    assert_true(requests >= 2); /* 42,000 bytes of topics, 16 KiB per request */
    char text[TEXT_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\","
                                   "\"request\":{\"op\":\"subscribe\",\"args\":[");
    const char *names = s->open[requests - 1];
    for (const char *at = names; *at != '\0';) {
        size_t size = strcspn(at, ",");
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%.*s\"",
                                 at == names ? "" : ",", (int)size, at);
        at += size + (at[size] == ',');
    }
    (void)snprintf(text + used, sizeof text - used, "]}}");
    assert_int_equal(answer(s, text), 1);
    assert_string_equal(s->granted, names);
    close_scene(s);
}

/* Finding the bad one of ten topics: 10, 5+5, 2+3 (or 3+2), 1+2, 1+1 …: at most two requests per
 * halving. */
static void the_bad_topic_ends_up_alone(void **state)
{
    (void)state; /* for each position of the bad topic */
    for (size_t bad = 0; bad < 10; bad++) {
        scene *s = open_scene(DIALECT_V3, TEN, 10);
        s->bad[0] = TEN[bad];
        send_requests(s);
        answer_first(s);
        assert_string_equal(s->refused, "");
        assert_false(subscriber_is_answered(s->asks));
        assert_int_equal(send_requests(s), 2);
        answer_all(s);
        assert_true(s->requests <= 1 + 2 * 4);
        assert_true(subscriber_is_answered(s->asks));
        assert_int_equal(subscriber_granted_count(s->asks), 9);
        assert_int_equal(subscriber_due_ns(s->asks), s->now_ns + SUBSCRIBER_RETRY_NS);
        close_scene(s);
    }
}

static void it_is_tried_again_slowly(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_V3, TEN, 10);
    s->bad[0] = "t.3";
    s->bad[1] = "t.7";
    send_requests(s);
    answer_all(s);
    assert_int_equal(subscriber_granted_count(s->asks), 8);
    uint64_t wait_ns = SUBSCRIBER_RETRY_NS;
    for (int round = 0; round < 12; round++) {
        assert_int_equal(subscriber_due_ns(s->asks), s->now_ns + wait_ns);
        s->now_ns += wait_ns - 1;
        assert_int_equal(send_requests(s), 0);
        s->now_ns += 1;
        assert_int_equal(send_requests(s), 2); /* each topic in its own request */
        assert_string_equal(s->open[0], "t.3");
        assert_string_equal(s->open[1], "t.7");
        answer_first(s);
        assert_string_equal(s->refused, "t.3");
        answer_first(s);
        wait_ns = wait_ns * 2 < SUBSCRIBER_RETRY_NS_MAX ? wait_ns * 2 : SUBSCRIBER_RETRY_NS_MAX;
    }
    assert_int_equal(wait_ns, SUBSCRIBER_RETRY_NS_MAX);
    s->bad[0] = "t.7"; /* the exchange now knows t.3 */
    s->bad[1] = NULL;
    s->now_ns += wait_ns;
    send_requests(s);
    answer_first(s);
    assert_string_equal(s->granted, "t.3");
    answer_first(s);
    assert_int_equal(subscriber_granted_count(s->asks), 9);
    close_scene(s);
}

/* Refused topics neither spoil the first request of the next connection, nor are they retried
 * sooner. */
static void a_new_connection_begins_with_the_good_ones(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_V3, TEN, 10);
    s->bad[0] = "t.0";
    send_requests(s);
    answer_all(s);
    subscriber_restart(s->asks);
    assert_int_equal(subscriber_granted_count(s->asks), 0);
    assert_int_equal(send_requests(s), 1);
    assert_string_equal(s->open[0], "t.1,t.2,t.3,t.4,t.5,t.6,t.7,t.8,t.9");
    answer_first(s);
    assert_true(subscriber_is_answered(s->asks));
    s->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(s), 1);
    assert_string_equal(s->open[0], "t.0");
    subscriber_restart(s->asks); /* during the search */
    s->open_count = 0;
    s->bad[0] = NULL;
    answer_all(s);
    assert_int_equal(subscriber_granted_count(s->asks), 10);
    close_scene(s);
}

/* C answers for each topic by name (docs/wire.md 1). */
static void failures_by_name(void **state)
{
    (void)state;
    static const char *topics[] = {"a.1", "a.2", "a.3"};
    scene *s = open_scene(DIALECT_USDC, topics, 3);
    assert_int_equal(send_requests(s), 1);
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"id\":\"%s\",\"success\":true,\"conn_id\":\"c\",\"data\":{\"successTopics\":["
                   "\"a.1\",\"a.3\"],\"failTopics\":[\"a.2\"]},\"type\":\"COMMAND_RESP\"}",
                   s->ids[0]);
    assert_int_equal(answer(s, text), 1);
    assert_string_equal(s->granted, "a.1,a.3");
    assert_string_equal(s->refused, "a.2");
    assert_true(subscriber_is_answered(s->asks));
    close_scene(s);
}

/* v1: one topic's symbols in one request; an error has no names. v2: one symbol per request. */
static void spot_requests(void **state)
{
    (void)state;
    static const char *topics[] = {"trade.BTCUSDT", "trade.ETHUSDT", "kline.1m.BTCUSDT",
                                   "kline.1m.ETHUSDT", "depth.BTCUSDT"};
    scene *s = open_scene(DIALECT_SPOT, topics, 5);
    assert_int_equal(send_requests(s), 3);
    assert_string_equal(s->open[0], "trade.BTCUSDT,trade.ETHUSDT");
    assert_int_equal(answer(s, "{\"topic\":\"kline_1m\",\"event\":\"sub\",\"symbol\":\"BTCUSDT,"
                               "ETHUSDT\",\"params\":{\"binary\":\"false\"},\"code\":\"0\","
                               "\"msg\":\"Success\"}"),
                     1);
    assert_string_equal(s->granted, "kline.1m.BTCUSDT,kline.1m.ETHUSDT");
    assert_int_equal(answer(s, "{\"code\":\"-100010\",\"desc\":\"Invalid Symbols!\"}"), 1);
    close_scene(s);
    s = open_scene(DIALECT_SPOT_V2, topics, 5);
    assert_int_equal(send_requests(s), 5);
    assert_int_equal(answer(s, "{\"topic\":\"depth\",\"event\":\"sub\",\"params\":{\"symbol\":"
                               "\"BTCUSDT\",\"binary\":\"false\",\"symbolName\":\"BTCUSDT\"},"
                               "\"code\":\"0\",\"msg\":\"Success\"}"),
                     1);
    assert_string_equal(s->granted, "depth.BTCUSDT");
    close_scene(s);
}

static void what_is_not_answered_is_asked_again(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_V3, TEN, 10);
    send_requests(s);
    assert_int_equal(subscriber_due_ns(s->asks), s->now_ns + SUBSCRIBER_ANSWER_NS);
    s->now_ns += SUBSCRIBER_ANSWER_NS - 1;
    assert_null(subscriber_expired(s->asks, s->now_ns));
    s->now_ns += 1;
    const char *topics = subscriber_expired(s->asks, s->now_ns);
    assert_non_null(topics);
    assert_int_equal(count_topics(topics), 10);
    assert_null(subscriber_expired(s->asks, s->now_ns));
    assert_int_equal(subscriber_granted_count(s->asks), 0);
    assert_true(subscriber_is_answered(s->asks)); /* they wait for their next try */
    s->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(s), 10);
    /* The requests had been granted; only the answer was lost (docs/wire.md 1.5). */
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer(s, "{\"success\":false,\"ret_msg\":\"error:already "
                                   "subscribed,topic:x\",\"op\":\"subscribe\"}"),
                         1);
    assert_int_equal(subscriber_granted_count(s->asks), 10);
    assert_true(subscriber_is_answered(s->asks));
    close_scene(s);
}

/* A topic that the exchange ignores takes the other topics of its request with it once, and never
 * again. */
static void what_was_not_answered_is_asked_alone_on_a_new_connection(void **state)
{
    (void)state;
    static const char GRANTED[] = "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}";
    static const char REFUSED[] =
        "{\"success\":false,\"ret_msg\":\"error:handler not found\",\"op\":\"subscribe\"}";
    scene *s = open_scene(DIALECT_V3, TEN, 10);
    send_requests(s);
    s->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_int_equal(count_topics(subscriber_expired(s->asks, s->now_ns)), 10);
    s->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(s),
                     10); /* alone: 8 are granted, the 9th refused, the 10th ignored */
    for (int i = 0; i < 8; i++)
        assert_int_equal(answer(s, GRANTED), 1);
    assert_int_equal(answer(s, REFUSED), 1);
    s->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_string_equal(subscriber_expired(s->asks, s->now_ns), TEN[9]);
    s->open_count = 0;
    subscriber_restart(s->asks);
    assert_int_equal(send_requests(s), 3);
    assert_int_equal(count_topics(s->open[0]), 8);
    assert_string_equal(s->open[1], TEN[9]); /* at once, although its waiting time is not over */
    assert_string_equal(s->open[2], TEN[8]); /* its 10 s are over */
    char refused[128];
    (void)snprintf(refused, sizeof refused, "{\"req_id\":\"%s\",%s", s->ids[2], REFUSED + 1);
    assert_int_equal(answer(s, GRANTED), 1);
    assert_int_equal(answer(s, refused), 1);
    assert_int_equal(subscriber_granted_count(s->asks), 8);
    assert_false(subscriber_is_answered(s->asks));
    s->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_string_equal(subscriber_expired(s->asks, s->now_ns), TEN[9]);
    s->now_ns += 4 * SUBSCRIBER_RETRY_NS; /* the third waiting time of both */
    assert_int_equal(send_requests(s), 2);
    assert_int_equal(answer(s, REFUSED), 1);
    assert_int_equal(answer(s, GRANTED), 1);
    assert_true(subscriber_is_answered(s->asks));
    close_scene(s);
}

static void nothing_to_ask_for(void **state)
{
    (void)state;
    scene *s = open_scene(DIALECT_SPOT_PRIVATE, NULL, 0);
    assert_true(subscriber_is_answered(s->asks));
    assert_int_equal(send_requests(s), 0);
    assert_int_equal(subscriber_due_ns(s->asks), UINT64_MAX);
    assert_int_equal(answer(s, "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}"), 0);
    close_scene(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_granted_may_be_withdrawn),
        cmocka_unit_test(requests_are_cut_and_held_back),
        cmocka_unit_test(answers_are_matched_by_id),
        cmocka_unit_test(answers_are_matched_by_echo),
        cmocka_unit_test(the_bad_topic_ends_up_alone),
        cmocka_unit_test(it_is_tried_again_slowly),
        cmocka_unit_test(a_new_connection_begins_with_the_good_ones),
        cmocka_unit_test(failures_by_name),
        cmocka_unit_test(spot_requests),
        cmocka_unit_test(what_is_not_answered_is_asked_again),
        cmocka_unit_test(what_was_not_answered_is_asked_alone_on_a_new_connection),
        cmocka_unit_test(nothing_to_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
