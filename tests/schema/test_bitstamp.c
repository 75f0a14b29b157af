/* Bitstamp, an exchange in two documents: a request for each topic, whose name ends before the last
 * "_". Expected texts are of the exchange's documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/responder.h"
#include "tests/testing/answer_text.h"

static const family *bitstamp(void)
{
    const family *of = family_find(td_bytes_str("bitstamp"));
    assert_non_null(of);
    return of;
}

static void test_asks(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"diff_order_book.btcusd", "live_trades.btcusd"};
    const dialect_ask ask = {
        .kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 1, .id = "sub-1"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_fit(bitstamp()->dialect, TOPICS, 2), 1);
    assert_int_equal(dialect_ask_topics(bitstamp()->dialect, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"event\":\"bts:subscribe\",\"data\":{\"channel\":"
                                   "\"diff_order_book_btcusd\"}}");
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        int fits; /* a request for the book of btcusd */
    } ROWS[] = {
        {"{\"event\":\"bts:subscription_succeeded\",\"channel\":\"diff_order_book_btcusd\","
         "\"data\":{}}",
         ANSWER_TOPICS, 1},
        {"{\"event\":\"bts:subscription_succeeded\",\"channel\":\"diff_order_book_ethusd\","
         "\"data\":{}}",
         ANSWER_TOPICS, 0},
        {"{\"event\":\"bts:error\",\"channel\":\"diff_order_book_btcusd\",\"data\":{\"code\":null,"
         "\"message\":\"no\"}}",
         ANSWER_TOPICS, 1},
        {"{\"event\":\"bts:heartbeat\",\"channel\":\"\",\"data\":{\"status\":\"success\"}}",
         ANSWER_PONG, 0},
        {"{\"data\":{\"status\":\"success\"},\"channel\":\"\",\"event\":\"bts:heartbeat\"}",
         ANSWER_PONG, 0},
        {"{\"event\":\"bts:request_reconnect\",\"channel\":\"\",\"data\":null}", ANSWER_PING, 0},
        {"{\"event\":\"bts:subscription_succeeded\",\"channel\":\"private-my_orders_btcusd-1\","
         "\"data\":{}}",
         ANSWER_TOPICS, 0},
        {"{\"data\":{},\"channel\":\"diff_order_book_btcusd\",\"event\":\"data\"}", ANSWER_NONE, 0},
    };
    static const char *const TOPICS[] = {"diff_order_book.btcusd"};
    const dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 1};
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        assert_int_equal(
            answer_parse(parser, bitstamp()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        assert_int_equal(answer.kind, ROWS[i].kind);
        assert_false(frame_begins_as_data(bitstamp(), td_bytes_str(ROWS[i].frame)));
        if (answer.kind == ANSWER_TOPICS)
            assert_int_equal(dialect_answer_fits(&answer, &ask), ROWS[i].fits);
    }
    dialect_parser_close(parser);
}

/* A server reads the request, and answers with the topic as it was asked for. */
static void test_server(void **state)
{
    (void)state;
    static const char REQUEST[] =
        "{\"event\":\"bts:subscribe\",\"data\":{\"channel\":\"live_trades_btcusd\"}}";
    dialect_parser *parser = dialect_parser_open();
    dialect_request request;
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(
        request_parse(parser, bitstamp()->dialect, td_bytes_str(REQUEST), &request, NULL), TD_OK);
    assert_int_equal(request.arg_count, 1);
    assert_text(request.args[0], "live_trades.btcusd");
    const dialect_reply reply = {.conn_id = "x"};
    assert_int_equal(dialect_build_answer(&out, &request, &reply, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"event\":\"bts:subscription_succeeded\",\"channel\":"
                                   "\"live_trades_btcusd\",\"data\":{}}");
    td_buf_fini(&out);
    dialect_parser_close(parser);
}

/* The symbol is in the path of the request for a snapshot. */
static void test_snapshot_request(void **state)
{
    (void)state;
    static const struct {
        const char *path, *symbol; /* NULL: it is another request */
    } ROWS[] = {{"/api/v2/order_book/btcusd", "btcusd"},
                {"/api/v2/order_book/btcusd/", "btcusd"},
                {"/api/v2/order_book/%62tcusd", "btcusd"},
                {"/api/v2/order_book/BTCUSD", "BTCUSD"}, /* frames have no lower case of it */
                {"/api/v2/order_book/", NULL},
                {"/api/v2/order_book", NULL},
                {"/api/v2/ticker/btcusd", NULL},
                {"", NULL}};
    const topic_row *row = family_topic_named(bitstamp(), "diff_order_book");
    char path[64] = "";
    family_snapshot_path(bitstamp(), row, td_bytes_str("btcusd"), path, sizeof path);
    assert_string_equal(path, "/api/v2/order_book/btcusd");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char symbol[LIMIT_TOPIC_BYTES];
        assert_int_equal(family_is_snapshot_request(bitstamp(), row, td_bytes_str(ROWS[i].path),
                                                    td_bytes_str(""), symbol),
                         ROWS[i].symbol != NULL);
        if (ROWS[i].symbol != NULL)
            assert_string_equal(symbol, ROWS[i].symbol);
    }
}

/* The number of a book's frame is its time. */
static void test_time_of_books(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        uint64_t exchange_ns;
    } ROWS[] = {{"\"1641394559000001\"", UINT64_C(1641394559000001000)},
                {"\"-1\"", 0},
                {"\"9223372036854775807\"", 0}};
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[512] = "";
        classification what;
        message m;
        decode_error why;
        const int size =
            snprintf(text, sizeof text - DECODE_PADDING_BYTES,
                     "{\"data\":{\"timestamp\":\"1641394558\",\"microtimestamp\":%s,\"bids\":[],"
                     "\"asks\":[[\"2\",\"1\"]]},\"channel\":\"diff_order_book_btcusd\",\"event\":"
                     "\"data\"}",
                     ROWS[i].number);
        const td_bytes frame = td_bytes_of(text, (size_t)size);
        decoder_classify(d, bitstamp(), frame, CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.exchange_ns, ROWS[i].exchange_ns);
        for (decode_path path = DECODE_PATH_FAST; path <= DECODE_PATH_ROWS; path++) {
            assert_int_equal(decoder_decode(d, &what.topic, frame, path, &m, &why), 1);
            assert_int_equal(m.head.exchange_ns, ROWS[i].exchange_ns);
            assert_int_equal(m.head.has_u, 1);
        }
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),          cmocka_unit_test(test_answers),
        cmocka_unit_test(test_server),        cmocka_unit_test(test_snapshot_request),
        cmocka_unit_test(test_time_of_books),
    };
    return cmocka_run_group_tests_name("schema/bitstamp", tests, NULL, NULL);
}
