/* Kraken version 2: frames that do not say of which depth a book is, topics that are in an object
 * of requests and in another of answers, and refusals that name a symbol alone. Texts are of the
 * exchange, of 2024 and 2026. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/family.h"
#include "tests/testing/answer_text.h"

static const family *kraken(void)
{
    const family *of = family_find(td_bytes_str("kraken-v2"));
    assert_non_null(of);
    return of;
}

/* ---- a client ---- */

static void assert_ask(request_kind kind, const char *const *topics, size_t count,
                       const char *expected)
{
    const dialect_ask ask = {.kind = kind, .topics = topics, .count = count, .id = "sub-3"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_fit(kraken()->dialect, topics, count), count);
    assert_int_equal(dialect_ask_topics(kraken()->dialect, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), expected);
    td_buf_fini(&out);
}

static void test_asks(void **state)
{
    (void)state;
    static const char *const BOOKS[] = {"book-100.BTC/USD", "book-100.ETH/USD"};
    static const char *const ORDERS[] = {"level3-1000.BTC/USD"};
    static const char *const TICKER[] = {"ticker-bbo.BTC/USD"};
    static const char *const CANDLES[] = {"ohlc.5.BTC/USD"};
    static const char *const TRADES[] = {"trade.BTC/USD"};
    assert_ask(REQUEST_SUBSCRIBE, BOOKS, 2,
               "{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":"
               "[\"BTC/USD\",\"ETH/USD\"],\"depth\":100},\"req_id\":3}");
    assert_ask(REQUEST_SUBSCRIBE, ORDERS, 1,
               "{\"method\":\"subscribe\",\"params\":{\"channel\":\"level3\",\"symbol\":"
               "[\"BTC/USD\"],\"depth\":1000},\"req_id\":3}");
    assert_ask(REQUEST_SUBSCRIBE, TICKER, 1,
               "{\"method\":\"subscribe\",\"params\":{\"channel\":\"ticker\",\"symbol\":"
               "[\"BTC/USD\"],\"event_trigger\":\"bbo\"},\"req_id\":3}");
    assert_ask(REQUEST_SUBSCRIBE, CANDLES, 1,
               "{\"method\":\"subscribe\",\"params\":{\"channel\":\"ohlc\",\"symbol\":"
               "[\"BTC/USD\"],\"interval\":5},\"req_id\":3}");
    assert_ask(REQUEST_UNSUBSCRIBE, TRADES, 1,
               "{\"method\":\"unsubscribe\",\"params\":{\"channel\":\"trade\",\"symbol\":"
               "[\"BTC/USD\"]},\"req_id\":3}");
}

/* Topics without a symbol: a request for one, whatever follows it in the list. */
static void test_asks_without_symbol(void **state)
{
    (void)state;
    static const char *const LISTS[] = {"instrument", "trade.BTC/USD"};
    static const char *const WRONG[] = {"instrument.BTC/USD"};
    static const char *const NONE[] = {"trade"};
    const dialect_ask wrong = {.kind = REQUEST_SUBSCRIBE, .topics = WRONG, .count = 1};
    const dialect_ask none = {.kind = REQUEST_SUBSCRIBE, .topics = NONE, .count = 1};
    td_err err;
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_fit(kraken()->dialect, LISTS, 2), 1);
    assert_ask(REQUEST_SUBSCRIBE, LISTS, 1,
               "{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\"},\"req_id\":3}");
    assert_int_equal(dialect_ask_topics(kraken()->dialect, &out, &wrong, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "instrument has no symbol"));
    assert_int_equal(dialect_ask_topics(kraken()->dialect, &out, &none, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "names no symbol"));
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame;
        answer_kind kind;
        int success;
        const char *reason, *granted, *symbol;
    } ROWS[] = {
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"book\",\"depth\":100,\"snapshot\":"
         "true,\"symbol\":\"BTC/"
         "USD\"},\"success\":true,\"time_in\":\"2026-09-25T17:48:24.745996Z\","
         "\"time_out\":\"2026-09-25T17:48:24.746032Z\"}",
         ANSWER_TOPICS, 1, "", "book-100.BTC/USD ", ""},
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"ohlc\",\"interval\":1,\"snapshot\":"
         "true,\"symbol\":\"BTC/USD\",\"warnings\":[\"timestamp is "
         "deprecated\"]},\"success\":true}",
         ANSWER_TOPICS, 1, "", "ohlc.1.BTC/USD ", ""},
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"ticker\",\"snapshot\":true,"
         "\"symbol\":\"BTC/USD\"},\"success\":true}",
         ANSWER_TOPICS, 1, "", "ticker-trades.BTC/USD ", ""},
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"level3\",\"snapshot\":true,"
         "\"symbol\":\"BTC/USD\"},\"success\":true}",
         ANSWER_TOPICS, 1, "", "level3-10.BTC/USD ", ""},
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"instrument\",\"snapshot\":true},"
         "\"success\":true}",
         ANSWER_TOPICS, 1, "", "instrument ", ""},
        {"{\"method\":\"subscribe\",\"result\":{\"channel\":\"executions\",\"maxratecount\":125,"
         "\"snap_orders\":true,\"snap_trades\":true,\"snapshot\":true,\"warnings\":[]},"
         "\"success\":true}",
         ANSWER_TOPICS, 1, "", "executions ", ""},
        {"{\"error\":\"Currency pair not supported XBT/USD\",\"method\":\"subscribe\",\"success\":"
         "false,\"symbol\":\"XBT/USD\",\"time_in\":\"2026-09-25T17:48:54.701041Z\"}",
         ANSWER_TOPICS, 0, "Currency pair not supported XBT/USD", "", "XBT/USD"},
        {"{\"channel\":\"executions\",\"error\":\"ESession:Invalid session\",\"method\":"
         "\"subscribe\",\"status\":\"error\",\"success\":false}",
         ANSWER_TOPICS, 0, "ESession:Invalid session", "", ""},
        {"{\"channel\":\"heartbeat\"}", ANSWER_PING, -1, "", "", ""},
        {"{\"channel\":\"status\",\"type\":\"update\",\"data\":[{\"version\":\"2.0.10\","
         "\"system\":\"online\",\"api_version\":\"v2\",\"connection_id\":18125794168470749634,"
         "\"upcoming_maintenance\":[],\"emergency\":[]}]}",
         ANSWER_PING, -1, "", "", ""},
        {"{\"method\":\"pong\",\"req_id\":101,\"time_in\":\"2023-09-24T14:10:23.799685Z\"}",
         ANSWER_PONG, -1, "", "", ""},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        char topics[128];
        assert_int_equal(
            answer_parse(parser, kraken()->dialect, td_bytes_str(ROWS[i].frame), &answer, NULL),
            TD_OK);
        if (answer.kind != ROWS[i].kind || answer.success != ROWS[i].success)
            fail_msg("%s: kind %d, success %d", ROWS[i].frame, (int)answer.kind, answer.success);
        if (answer.kind != ANSWER_TOPICS)
            continue;
        assert_text(answer.reason, ROWS[i].reason);
        assert_text(answer.symbol, ROWS[i].symbol);
        topics_to_text(answer.granted, answer.granted_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].granted);
    }
    dialect_parser_close(parser);
}

/* A refusal of a symbol is about that topic of its request, and about no other subscription. */
static void test_refused_symbols(void **state)
{
    (void)state;
    static const char REFUSAL[] = "{\"error\":\"Currency pair not supported X/Y\",\"method\":"
                                  "\"subscribe\",\"success\":false,\"symbol\":\"X/Y\"}";
    static const char *const WITH[] = {"trade.A/B", "trade.X/Y"};
    static const char *const WITHOUT[] = {"trade.A/B", "trade.C/D"};
    const dialect_ask with = {.kind = REQUEST_SUBSCRIBE, .topics = WITH, .count = 2};
    const dialect_ask without = {.kind = REQUEST_SUBSCRIBE, .topics = WITHOUT, .count = 2};
    dialect_answer answer;
    dialect_parser *parser = dialect_parser_open();
    assert_int_equal(answer_parse(parser, kraken()->dialect, td_bytes_str(REFUSAL), &answer, NULL),
                     TD_OK);
    assert_true(dialect_answer_fits(&answer, &with));
    assert_false(dialect_answer_fits(&answer, &without));
    assert_true(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, "trade.X/Y"));
    assert_false(dialect_answer_names(&answer, REQUEST_SUBSCRIBE, "trade.A/B"));
    assert_false(dialect_answer_grants(&answer, "trade.X/Y"));
    assert_false(dialect_answer_withdraws(&answer, "book-10.X/Y"));
    dialect_parser_close(parser);
}

/* ---- a server ---- */

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *request, *topics;
    } ROWS[] = {
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/B\","
         "\"C/D\"],\"depth\":25}}",
         "book-25.A/B book-25.C/D "},
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"book\",\"symbol\":[\"A/B\"]}}",
         "book-10.A/B "},
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"ticker\",\"symbol\":[\"A/B\"]}}",
         "ticker-trades.A/B "},
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"ohlc\",\"symbol\":[\"A/B\"]}}",
         "ohlc.1.A/B "},
        {"{\"method\":\"subscribe\",\"channel\":\"book\",\"symbol\":[\"A/B\"]}", ". "},
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"instrument\",\"snapshot\":true}}",
         "instrument "},
        {"{\"method\":\"subscribe\",\"params\":{\"channel\":\"balances\",\"symbol\":[\"A\",\"B\"],"
         "\"token\":\"x\"}}",
         "balances "},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request request;
        char topics[256];
        assert_int_equal(
            request_parse(parser, kraken()->dialect, td_bytes_str(ROWS[i].request), &request, NULL),
            TD_OK);
        topics_to_text(request.args, request.arg_count, topics, sizeof topics);
        assert_string_equal(topics, ROWS[i].topics);
    }
    dialect_parser_close(parser);
}

/* ---- frames ---- */

static void test_open_frames(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *begun, *asked, *topic; /* asked NULL: unknown; topic NULL: no row */
    } ROWS[] = {
        {"{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"A/B\",\"bids\":[],"
         "\"asks\":[],\"checksum\":1,\"timestamp\":\"2024-10-03T02:46:57.050170Z\"}]}",
         "book.A/B", "book-500.A/B", "book-500"},
        {"{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"A/B\",\"bids\":[],"
         "\"asks\":[],\"checksum\":1,\"timestamp\":\"2024-10-03T02:46:57.050170Z\"}]}",
         "book.A/B", "trade.A/B", NULL},
        {"{\"channel\":\"ticker\",\"type\":\"update\",\"data\":[{\"symbol\":\"A/B\",\"timestamp\":"
         "\"2024-10-03T02:46:57.050170Z\"}]}",
         "ticker.A/B", "ticker-bbo.A/B", "ticker-bbo"},
        {"{\"channel\":\"trade\",\"type\":\"update\",\"data\":[{\"symbol\":\"A/B\",\"timestamp\":"
         "\"2024-10-03T02:46:57.050170Z\"}]}",
         NULL, NULL, "trade"},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        classification what;
        const size_t size = strlen(ROWS[i].frame);
        uint8_t *padded = td_alloc_zero(1, size + DECODE_PADDING_BYTES);
        memcpy(padded, ROWS[i].frame, size);
        const td_bytes frame = td_bytes_of(padded, size);
        decoder_classify(d, kraken(), frame, CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.is_open, ROWS[i].begun != NULL);
        if (what.is_open) {
            assert_null(what.topic.row);
            assert_text(what.exchange_topic, ROWS[i].begun);
            decoder_classify_as(d, kraken(), td_bytes_str(ROWS[i].asked), frame, TOPIC_NOW, &what);
            assert_int_equal(what.is_open, 0);
        }
        assert_int_equal(what.frame_class, CLASS_DATA);
        assert_int_equal(what.topic.row != NULL, ROWS[i].topic != NULL);
        if (what.topic.row != NULL) {
            assert_text(what.topic.topic, ROWS[i].topic);
            assert_text(what.topic.symbol, "A/B");
            assert_int_equal(what.exchange_ns, UINT64_C(1727923617050170000));
        }
        td_free(padded);
    }
    decoder_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),
        cmocka_unit_test(test_asks_without_symbol),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_refused_symbols),
        cmocka_unit_test(test_open_frames),
    };
    return cmocka_run_group_tests_name("schema/kraken_v2", tests, NULL, NULL);
}
