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
#include "schema/family.h"
#include "tests/testing/bybit_dialects.h"

enum { REQUESTS_MAX = 512, TEXT_BYTES = 1 << 16 };

/* The exchange's side of a connection, and the requests it received. */
typedef struct fixture {
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
} fixture;

static void on_granted(void *user, size_t topic)
{
    fixture *f = user;
    size_t at = strlen(f->granted);
    (void)snprintf(f->granted + at, sizeof f->granted - at, "%s%s", at > 0 ? "," : "",
                   f->topics[topic]);
}

static fixture *open_fixture_of(const dialect *spoken, const char *const *topics, size_t count)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.dialect = spoken;
    f.topics = topics;
    subscriber_options options = {.dialect = f.dialect,
                                  .topics = topics,
                                  .topic_count = count,
                                  .granted = on_granted,
                                  .user = &f};
    f.asks = subscriber_open(&options);
    f.answers = dialect_parser_open();
    td_buf_init(&f.out, TEXT_BYTES);
    f.now_ns = TD_NS_PER_S;
    subscriber_restart(f.asks);
    return &f;
}

static fixture *open_fixture(dialect_id spoken, const char *const *topics, size_t count)
{
    return open_fixture_of(dialect_find(spoken), topics, count);
}

static void close_fixture(fixture *f)
{
    subscriber_close(f->asks);
    dialect_parser_close(f->answers);
    td_buf_fini(&f->out);
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
static unsigned send_requests(fixture *f)
{
    unsigned taken = 0;
    for (;;) {
        subscriber_request request;
        td_buf_clear(&f->out);
        td_result rc = subscriber_next(f->asks, f->now_ns, &f->out, &request, NULL);
        if (rc == TD_EOF)
            return taken;
        assert_int_equal(rc, TD_OK);
        assert_true(f->out.size > 0);
        assert_true(f->open_count < REQUESTS_MAX);
        assert_true(strlen(request.topics) < sizeof f->open[0]);
        (void)snprintf(f->open[f->open_count], sizeof f->open[0], "%s", request.topics);
        copy_id(&f->out, f->ids[f->open_count++]);
        f->requests++;
        f->topics_asked += count_topics(request.topics);
        taken++;
    }
}

static int answer(fixture *f, const char *text)
{
    dialect_answer read;
    const char *refused = "";
    uint8_t padded[TEXT_BYTES];
    size_t size = strlen(text);
    assert_true(size + 64 < sizeof padded);
    memcpy(padded, text, size + 1);
    assert_int_equal(answer_parse(f->answers, f->dialect, td_bytes_of(padded, size), &read, NULL),
                     TD_OK);
    f->granted[0] = '\0';
    int is_taken = subscriber_answered(f->asks, &read, f->now_ns, &refused);
    if (!is_taken)
        return 0;
    (void)snprintf(f->refused, sizeof f->refused, "%s", refused);
    return 1;
}

static const char *bad_topic(const fixture *f, const char *joined)
{
    for (size_t i = 0; i < 4 && f->bad[i] != NULL; i++) {
        size_t size = strlen(f->bad[i]);
        for (const char *at = joined; (at = strstr(at, f->bad[i])) != NULL; at++)
            if ((at == joined || at[-1] == ',') && (at[size] == ',' || at[size] == '\0'))
                return f->bad[i];
    }
    return NULL;
}

/* Answers the oldest open request as B does: grants all of it, or refuses all because of one topic.
 */
static void answer_first(fixture *f)
{
    char text[512];
    const char *bad = bad_topic(f, f->open[0]);
    int length =
        bad == NULL
            ? snprintf(text, sizeof text,
                       "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\","
                       "\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                       f->ids[0])
            : snprintf(text, sizeof text,
                       "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:%s\","
                       "\"conn_id\":\"c\",\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                       bad, f->ids[0]);
    assert_true(length > 0 && (size_t)length < sizeof text);
    f->open_count--;
    memmove(f->open[0], f->open[1], f->open_count * sizeof f->open[0]);
    memmove(f->ids[0], f->ids[1], f->open_count * sizeof f->ids[0]);
    assert_int_equal(answer(f, text), 1);
}

static void answer_all(fixture *f)
{
    do {
        while (f->open_count > 0)
            answer_first(f);
    } while (send_requests(f) > 0);
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

/* OKX answers each topic. A refusal that names none is of a topic that was not granted, even after
 * the other topics of its request were requested again. */
static void refusals_without_a_name(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"books.A", "books.N", "trades.A", "trades.N"};
    static const char GRANTED[] = "{\"id\":\"sub-1\",\"event\":\"subscribe\",\"arg\":{\"channel\":"
                                  "\"%s\",\"instId\":\"A\"},\"connId\":\"c\"}";
    static const char REFUSED[] = "{\"id\":\"sub-1\",\"event\":\"error\",\"code\":\"60018\","
                                  "\"msg\":\"no such channel\",\"connId\":\"c\"}";
    char text[256];
    fixture *f = open_fixture_of(family_find(td_bytes_str("okx"))->dialect, TOPICS, 4);
    assert_int_equal(send_requests(f), 1);
    (void)snprintf(text, sizeof text, GRANTED, "books");
    assert_int_equal(answer(f, text), 1);
    assert_int_equal(answer(f, REFUSED), 1); /* of books.N: the other topics are requested again */
    (void)snprintf(text, sizeof text, GRANTED, "trades");
    (void)answer(f, text);
    (void)answer(f, REFUSED);                               /* of trades.N */
    assert_int_equal(subscriber_granted_count(f->asks), 1); /* books.A */
    assert_int_equal(subscriber_refused_count(f->asks), 0);
    close_fixture(f);
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
        fixture *f = open_fixture(DIALECT_V3, TEN, 10);
        send_requests(f);
        answer_all(f);
        assert_int_equal(subscriber_granted_count(f->asks), 10);
        f->refused[0] = '\0';
        if (answer(f, ROWS[i].answer) != (ROWS[i].count > 0) ||
            count_topics(f->refused) != ROWS[i].count)
            fail_msg("%s: withdrawn: %s", ROWS[i].answer, f->refused);
        assert_int_equal(subscriber_granted_count(f->asks), 10 - ROWS[i].count);
        assert_int_equal(send_requests(f), 0);
        f->now_ns += SUBSCRIBER_RETRY_NS;
        assert_int_equal(send_requests(f), ROWS[i].count); /* each topic in its own request */
        answer_all(f);
        assert_int_equal(subscriber_granted_count(f->asks), 10);
        close_fixture(f);
    }
}

/* B allows 10 args per request and 64 open requests; each answer allows another. */
static void requests_are_cut_and_held_back(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, many_topics(1000), 1000);
    assert_int_equal(send_requests(f), SUBSCRIBER_OPEN_MAX);
    assert_int_equal(f->topics_asked, 10 * SUBSCRIBER_OPEN_MAX);
    assert_false(subscriber_is_answered(f->asks));
    answer_first(f);
    assert_int_equal(count_topics(f->granted), 10);
    assert_int_equal(send_requests(f), 1);
    answer_all(f);
    assert_int_equal(f->requests, 100);
    assert_true(subscriber_is_answered(f->asks));
    assert_int_equal(subscriber_granted_count(f->asks), 1000);
    assert_int_equal(subscriber_due_ns(f->asks), UINT64_MAX);
    close_fixture(f);
}

static void answers_are_matched_by_id(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, many_topics(20), 20);
    assert_int_equal(send_requests(f), 2);
    assert_string_not_equal(f->ids[0], f->ids[1]);
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"success\":true,\"ret_msg\":\"\",\"req_id\":\"%s\",\"op\":\"subscribe\"}",
                   f->ids[1]);
    assert_int_equal(answer(f, text), 1);
    assert_string_equal(f->granted, f->open[1]);
    assert_int_equal(answer(f, text), 0); /* no request is left to answer */
    assert_int_equal(answer(f, "{\"success\":true,\"ret_msg\":\"\",\"req_id\":\"other\","
                               "\"op\":\"subscribe\"}"),
                     0);
    /* An answer without an id belongs to the oldest request. */
    assert_int_equal(answer(f, "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}"), 1);
    assert_string_equal(f->granted, f->open[0]);
    assert_true(subscriber_is_answered(f->asks));
    close_fixture(f);
}

/* A echoes the request: answers find their request in any order. */
static void answers_are_matched_by_echo(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_OP, many_topics(1500), 1500);
    unsigned requests = send_requests(f);
    assert_true(requests >= 2); /* 42,000 bytes of topics, 16 KiB per request */
    char text[TEXT_BYTES];
    size_t used = (size_t)snprintf(text, sizeof text,
                                   "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\","
                                   "\"request\":{\"op\":\"subscribe\",\"args\":[");
    const char *names = f->open[requests - 1];
    for (const char *at = names; *at != '\0';) {
        size_t size = strcspn(at, ",");
        used += (size_t)snprintf(text + used, sizeof text - used, "%s\"%.*s\"",
                                 at == names ? "" : ",", (int)size, at);
        at += size + (at[size] == ',');
    }
    (void)snprintf(text + used, sizeof text - used, "]}}");
    assert_int_equal(answer(f, text), 1);
    assert_string_equal(f->granted, names);
    close_fixture(f);
}

/* Finding the bad one of ten topics: 10, 5+5, 2+3 (or 3+2), 1+2, 1+1 …: at most two requests per
 * halving. */
static void the_bad_topic_ends_up_alone(void **state)
{
    (void)state; /* for each position of the bad topic */
    for (size_t bad = 0; bad < 10; bad++) {
        fixture *f = open_fixture(DIALECT_V3, TEN, 10);
        f->bad[0] = TEN[bad];
        send_requests(f);
        answer_first(f);
        assert_string_equal(f->refused, "");
        assert_false(subscriber_is_answered(f->asks));
        assert_int_equal(send_requests(f), 2);
        answer_all(f);
        assert_true(f->requests <= 1 + 2 * 4);
        assert_true(subscriber_is_answered(f->asks));
        assert_int_equal(subscriber_granted_count(f->asks), 9);
        assert_int_equal(subscriber_due_ns(f->asks), f->now_ns + SUBSCRIBER_RETRY_NS);
        close_fixture(f);
    }
}

static void it_is_tried_again_slowly(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 10);
    f->bad[0] = "t.3";
    f->bad[1] = "t.7";
    send_requests(f);
    answer_all(f);
    assert_int_equal(subscriber_granted_count(f->asks), 8);
    uint64_t wait_ns = SUBSCRIBER_RETRY_NS;
    for (int round = 0; round < 12; round++) {
        assert_int_equal(subscriber_due_ns(f->asks), f->now_ns + wait_ns);
        f->now_ns += wait_ns - 1;
        assert_int_equal(send_requests(f), 0);
        f->now_ns += 1;
        assert_int_equal(send_requests(f), 2); /* each topic in its own request */
        assert_string_equal(f->open[0], "t.3");
        assert_string_equal(f->open[1], "t.7");
        answer_first(f);
        assert_string_equal(f->refused, "t.3");
        answer_first(f);
        wait_ns = wait_ns * 2 < SUBSCRIBER_RETRY_NS_MAX ? wait_ns * 2 : SUBSCRIBER_RETRY_NS_MAX;
    }
    assert_int_equal(wait_ns, SUBSCRIBER_RETRY_NS_MAX);
    f->bad[0] = "t.7"; /* the exchange now knows t.3 */
    f->bad[1] = NULL;
    f->now_ns += wait_ns;
    send_requests(f);
    answer_first(f);
    assert_string_equal(f->granted, "t.3");
    answer_first(f);
    assert_int_equal(subscriber_granted_count(f->asks), 9);
    close_fixture(f);
}

/* Refused topics neither spoil the first request of the next connection, nor are they retried
 * sooner. */
static void a_new_connection_begins_with_the_good_ones(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 10);
    f->bad[0] = "t.0";
    send_requests(f);
    answer_all(f);
    subscriber_restart(f->asks);
    assert_int_equal(subscriber_granted_count(f->asks), 0);
    assert_int_equal(send_requests(f), 1);
    assert_string_equal(f->open[0], "t.1,t.2,t.3,t.4,t.5,t.6,t.7,t.8,t.9");
    answer_first(f);
    assert_true(subscriber_is_answered(f->asks));
    f->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(f), 1);
    assert_string_equal(f->open[0], "t.0");
    subscriber_restart(f->asks); /* during the search */
    f->open_count = 0;
    f->bad[0] = NULL;
    answer_all(f);
    assert_int_equal(subscriber_granted_count(f->asks), 10);
    close_fixture(f);
}

/* C answers for each topic by name (docs/wire.md 1). */
static void failures_by_name(void **state)
{
    (void)state;
    static const char *topics[] = {"a.1", "a.2", "a.3"};
    fixture *f = open_fixture(DIALECT_USDC, topics, 3);
    assert_int_equal(send_requests(f), 1);
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"id\":\"%s\",\"success\":true,\"conn_id\":\"c\",\"data\":{\"successTopics\":["
                   "\"a.1\",\"a.3\"],\"failTopics\":[\"a.2\"]},\"type\":\"COMMAND_RESP\"}",
                   f->ids[0]);
    assert_int_equal(answer(f, text), 1);
    assert_string_equal(f->granted, "a.1,a.3");
    assert_string_equal(f->refused, "a.2");
    assert_true(subscriber_is_answered(f->asks));
    close_fixture(f);
}

/* v1: one topic's symbols in one request; an error has no names. v2: one symbol per request. */
static void spot_requests(void **state)
{
    (void)state;
    static const char *topics[] = {"trade.BTCUSDT", "trade.ETHUSDT", "kline.1m.BTCUSDT",
                                   "kline.1m.ETHUSDT", "depth.BTCUSDT"};
    fixture *f = open_fixture(DIALECT_SPOT, topics, 5);
    assert_int_equal(send_requests(f), 3);
    assert_string_equal(f->open[0], "trade.BTCUSDT,trade.ETHUSDT");
    assert_int_equal(answer(f, "{\"topic\":\"kline_1m\",\"event\":\"sub\",\"symbol\":\"BTCUSDT,"
                               "ETHUSDT\",\"params\":{\"binary\":\"false\"},\"code\":\"0\","
                               "\"msg\":\"Success\"}"),
                     1);
    assert_string_equal(f->granted, "kline.1m.BTCUSDT,kline.1m.ETHUSDT");
    assert_int_equal(answer(f, "{\"code\":\"-100010\",\"desc\":\"Invalid Symbols!\"}"), 1);
    close_fixture(f);
    f = open_fixture(DIALECT_SPOT_V2, topics, 5);
    assert_int_equal(send_requests(f), 5);
    assert_int_equal(answer(f, "{\"topic\":\"depth\",\"event\":\"sub\",\"params\":{\"symbol\":"
                               "\"BTCUSDT\",\"binary\":\"false\",\"symbolName\":\"BTCUSDT\"},"
                               "\"code\":\"0\",\"msg\":\"Success\"}"),
                     1);
    assert_string_equal(f->granted, "depth.BTCUSDT");
    close_fixture(f);
}

static void what_is_not_answered_is_asked_again(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 10);
    send_requests(f);
    assert_int_equal(subscriber_due_ns(f->asks), f->now_ns + SUBSCRIBER_ANSWER_NS);
    f->now_ns += SUBSCRIBER_ANSWER_NS - 1;
    assert_null(subscriber_expired(f->asks, f->now_ns));
    f->now_ns += 1;
    const char *topics = subscriber_expired(f->asks, f->now_ns);
    assert_non_null(topics);
    assert_int_equal(count_topics(topics), 10);
    assert_null(subscriber_expired(f->asks, f->now_ns));
    assert_int_equal(subscriber_granted_count(f->asks), 0);
    assert_true(subscriber_is_answered(f->asks)); /* they wait for their next try */
    f->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(f), 10);
    /* The requests had been granted; only the answer was lost (docs/wire.md 1.5). */
    for (int i = 0; i < 10; i++)
        assert_int_equal(answer(f, "{\"success\":false,\"ret_msg\":\"error:already "
                                   "subscribed,topic:x\",\"op\":\"subscribe\"}"),
                         1);
    assert_int_equal(subscriber_granted_count(f->asks), 10);
    assert_true(subscriber_is_answered(f->asks));
    close_fixture(f);
}

/* A topic that the exchange ignores takes the other topics of its request with it once, and never
 * again. */
static void what_was_not_answered_is_asked_alone_on_a_new_connection(void **state)
{
    (void)state;
    static const char GRANTED[] = "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}";
    static const char REFUSED[] =
        "{\"success\":false,\"ret_msg\":\"error:handler not found\",\"op\":\"subscribe\"}";
    fixture *f = open_fixture(DIALECT_V3, TEN, 10);
    send_requests(f);
    f->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_int_equal(count_topics(subscriber_expired(f->asks, f->now_ns)), 10);
    f->now_ns += SUBSCRIBER_RETRY_NS;
    assert_int_equal(send_requests(f),
                     10); /* alone: 8 are granted, the 9th refused, the 10th ignored */
    for (int i = 0; i < 8; i++)
        assert_int_equal(answer(f, GRANTED), 1);
    assert_int_equal(answer(f, REFUSED), 1);
    f->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_string_equal(subscriber_expired(f->asks, f->now_ns), TEN[9]);
    f->open_count = 0;
    subscriber_restart(f->asks);
    assert_int_equal(send_requests(f), 3);
    assert_int_equal(count_topics(f->open[0]), 8);
    assert_string_equal(f->open[1], TEN[9]); /* at once, although its waiting time is not over */
    assert_string_equal(f->open[2], TEN[8]); /* its 10 s are over */
    char refused[128];
    (void)snprintf(refused, sizeof refused, "{\"req_id\":\"%s\",%s", f->ids[2], REFUSED + 1);
    assert_int_equal(answer(f, GRANTED), 1);
    assert_int_equal(answer(f, refused), 1);
    assert_int_equal(subscriber_granted_count(f->asks), 8);
    assert_false(subscriber_is_answered(f->asks));
    f->now_ns += SUBSCRIBER_ANSWER_NS;
    assert_string_equal(subscriber_expired(f->asks, f->now_ns), TEN[9]);
    f->now_ns += 4 * SUBSCRIBER_RETRY_NS; /* the third waiting time of both */
    assert_int_equal(send_requests(f), 2);
    assert_int_equal(answer(f, REFUSED), 1);
    assert_int_equal(answer(f, GRANTED), 1);
    assert_true(subscriber_is_answered(f->asks));
    close_fixture(f);
}

static void nothing_to_ask_for(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_SPOT_PRIVATE, NULL, 0);
    assert_true(subscriber_is_answered(f->asks));
    assert_int_equal(send_requests(f), 0);
    assert_int_equal(subscriber_due_ns(f->asks), UINT64_MAX);
    assert_int_equal(answer(f, "{\"success\":true,\"ret_msg\":\"\",\"op\":\"subscribe\"}"), 0);
    close_fixture(f);
}

/* Answers that belong to the request with this id. */
static void confirm(fixture *f, const char *id, const char *op)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"req_id\":\"%s\","
                   "\"op\":\"%s\"}",
                   id, op);
    assert_int_equal(answer(f, text), 1);
}

static void assert_next(fixture *f, request_kind kind, const char *topics)
{
    subscriber_request request = {0};
    td_buf_clear(&f->out);
    td_result rc = subscriber_next(f->asks, f->now_ns, &f->out, &request, NULL);
    assert_int_equal(rc, topics == NULL ? TD_EOF : TD_OK);
    if (topics == NULL)
        return;
    assert_int_equal(request.kind, kind);
    assert_string_equal(request.topics, topics);
    const char *op = kind == REQUEST_SUBSCRIBE ? "\"subscribe\"" : "\"unsubscribe\"";
    assert_non_null(memmem(f->out.data, f->out.size, op, strlen(op)));
}

/* Topics begin and end on an open connection. */
static void topics_are_added_and_ended(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 4);
    assert_next(f, REQUEST_SUBSCRIBE, "t.0,t.1,t.2,t.3");
    confirm(f, "sub-1", "subscribe");
    subscriber_end(f->asks, 1);
    subscriber_end(f->asks, 1);
    subscriber_add(f->asks, 4);
    subscriber_add(f->asks, 5);
    subscriber_add(f->asks, 5); /* it is subscribed */
    assert_int_equal(subscriber_wanted_count(f->asks), 5);
    assert_next(f, REQUEST_UNSUBSCRIBE, "t.1");
    assert_next(f, REQUEST_SUBSCRIBE, "t.4,t.5");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    confirm(f, "unsub-2", "unsubscribe");
    confirm(f, "sub-3", "subscribe");
    assert_string_equal(f->granted, "t.4,t.5");
    assert_int_equal(subscriber_granted_count(f->asks), 5);
    /* Again: it is subscribed as before. */
    subscriber_add(f->asks, 1);
    assert_next(f, REQUEST_SUBSCRIBE, "t.1");
    confirm(f, "sub-4", "subscribe");
    assert_string_equal(f->granted, "t.1");
    /* A new connection requests what has not ended. */
    subscriber_end(f->asks, 0);
    subscriber_end(f->asks, 3);
    subscriber_restart(f->asks);
    assert_next(f, REQUEST_SUBSCRIBE, "t.1,t.2");
    assert_next(f, REQUEST_SUBSCRIBE, "t.4,t.5");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    close_fixture(f);
}

/* The topic ends before the answer to its request. */
/* A topic is unsubscribed and subscribed again; if it ends meanwhile, it stays unsubscribed. */
static void topics_are_renewed(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 3);
    assert_false(subscriber_renew(f->asks, 1)); /* it is not granted yet */
    assert_next(f, REQUEST_SUBSCRIBE, "t.0,t.1,t.2");
    confirm(f, "sub-1", "subscribe");
    assert_true(subscriber_renew(f->asks, 1));
    assert_false(subscriber_renew(f->asks, 1));
    assert_next(f, REQUEST_UNSUBSCRIBE, "t.1");
    assert_next(f, REQUEST_SUBSCRIBE, "t.1");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    confirm(f, "unsub-2", "unsubscribe");
    confirm(f, "sub-3", "subscribe");
    assert_string_equal(f->granted, "t.1");
    assert_int_equal(subscriber_granted_count(f->asks), 3);
    assert_true(subscriber_renew(f->asks, 2));
    subscriber_end(f->asks, 2);
    assert_next(f, REQUEST_UNSUBSCRIBE, "t.2");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    /* A new connection subscribes once. */
    assert_true(subscriber_renew(f->asks, 0));
    subscriber_restart(f->asks);
    assert_next(f, REQUEST_SUBSCRIBE, "t.0,t.1");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    close_fixture(f);
}

static void a_topic_ends_while_it_is_requested(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 2);
    subscriber_end(f->asks, 0); /* still queued */
    assert_next(f, REQUEST_SUBSCRIBE, "t.1");
    subscriber_end(f->asks, 1);
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    confirm(f, "sub-1", "subscribe");
    assert_string_equal(f->granted, "");
    assert_next(f, REQUEST_UNSUBSCRIBE, "t.1");
    confirm(f, "unsub-2", "unsubscribe");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    assert_true(subscriber_is_answered(f->asks));
    assert_int_equal(subscriber_wanted_count(f->asks), 0);
    /* A refused topic that has ended is not requested again. */
    subscriber_add(f->asks, 0);
    assert_next(f, REQUEST_SUBSCRIBE, "t.0");
    assert_int_equal(answer(f,
                            "{\"success\":false,\"ret_msg\":\"error:handler not found,topic:t.0\","
                            "\"conn_id\":\"c\",\"req_id\":\"sub-3\",\"op\":\"subscribe\"}"),
                     1);
    assert_string_equal(f->refused, "t.0");
    subscriber_end(f->asks, 0);
    f->now_ns += 2 * SUBSCRIBER_RETRY_NS_MAX;
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    close_fixture(f);
}

/* Topics that begin and end again and again do not fill the queue. */
static void topics_change_often(void **state)
{
    (void)state;
    fixture *f = open_fixture(DIALECT_V3, TEN, 3);
    for (int i = 0; i < 1000; i++) {
        subscriber_end(f->asks, 1);
        subscriber_add(f->asks, 1);
    }
    assert_next(f, REQUEST_SUBSCRIBE, "t.0,t.1,t.2");
    assert_next(f, REQUEST_SUBSCRIBE, NULL);
    close_fixture(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_without_a_name),
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
        cmocka_unit_test(topics_are_added_and_ended),
        cmocka_unit_test(topics_are_renewed),
        cmocka_unit_test(a_topic_ends_while_it_is_requested),
        cmocka_unit_test(topics_change_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
