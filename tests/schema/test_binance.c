/* Binance USD-M futures, an exchange in two documents: topics that are spelled "symbol@name" in
 * lower case, requests with numbers as ids, and intervals inside a part of a topic. Expected texts
 * are of the exchange's documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/bare_frame.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "tests/testing/answer_text.h"
#include "tests/testing/message_compare.h"

static const family *binance(void)
{
    const family *of = family_find(td_bytes_str("binance-usdm"));
    assert_non_null(of);
    return of;
}

/* ---- spellings ---- */

static void test_spellings(void **state)
{
    (void)state;
    static const struct {
        const char *spelling, *topic, *spelled;
        const char *read; /* of the spelled text; NULL: the topic */
    } ROWS[] = {
        {"{lower_symbol}@{name}", "depth@100ms.BTCUSDT", "btcusdt@depth@100ms", NULL},
        {"{lower_symbol}@{name}", "kline_1m.BTCUSDT_260327", "btcusdt_260327@kline_1m", NULL},
        {"{symbol}-{name}", "book.Btc", "Btc-book", NULL},
        {"{name}@{symbol}", "book.BTC-USD", "book@BTC-USD", NULL},
        {"{name}::{lower_symbol}", "a.b.X1", "a.b::x1", NULL},
        {"{name}_{symbol}", "diff_order_book.btcusd", "diff_order_book_btcusd", NULL},
        {"{name}::{symbol}", "a:.b", "a:::b", NULL},
        /* What is not spelled so stays. */
        {"{lower_symbol}@{name}", NULL, "depth", "depth"},
        {"{lower_symbol}@{name}", NULL, "", ""},
        {"{lower_symbol}@{name}", NULL, "@", "."},
        {"{lower_symbol}@{name}", NULL, "!ticker@arr", "arr.!TICKER"},
        {"{lower_symbol}@{name} or !*", "!ticker@arr", "!ticker@arr", NULL},
        {"{lower_symbol}@{name} or !*", "ticker.BTCUSDT", "btcusdt@ticker", NULL},
        {"{name}@{symbol} or all:*", "all:x.y", "all:x.y", NULL},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        topic_spelling spelling;
        char plain[64];
        td_buf out;
        td_buf_init(&out, 64);
        assert_null(topic_spelling_parse(ROWS[i].spelling, &spelling));
        if (ROWS[i].topic != NULL) {
            assert_int_equal(topic_spell(&spelling, ROWS[i].topic, &out, NULL), TD_OK);
            assert_text(td_buf_view(&out), ROWS[i].spelled);
        }
        const size_t size = topic_read_spelling(&spelling, td_bytes_str(ROWS[i].spelled), plain);
        assert_text(td_bytes_of(plain, size), ROWS[i].read == NULL ? ROWS[i].topic : ROWS[i].read);
        td_buf_fini(&out);
    }
}

static void test_spellings_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "{name}",
        "{name}{symbol}",
        "x{name}@{symbol}",
        "{name}@",
        "{symbol}@{symbol}",
        "{name}12345678{symbol}",
        "{name}@{symbol}x",
        "{name}@{symbol} or ",
        "{name}@{symbol} or *",
        "{name}@{symbol} or !",
        "{name}@{symbol} or !*x",
        "{name}@{symbol} or 12345678*",
    };
    topic_spelling spelling;
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        assert_non_null(topic_spelling_parse(TEXTS[i], &spelling));
    td_err err;
    td_buf out;
    td_buf_init(&out, 64);
    assert_null(topic_spelling_parse("{lower_symbol}@{name}", &spelling));
    assert_int_equal(topic_spell(&spelling, "btcusdt@depth", &out, &err), TD_E_INVALID);
    assert_string_equal(err.hint, "write it as 'depth.BTCUSDT'");
    assert_int_equal(topic_spell(&spelling, "depth.", &out, &err), TD_E_INVALID);
    td_buf_fini(&out);
}

/* ---- a client ---- */

static void test_asks(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"depth@100ms.BTCUSDT", "aggTrade.1000PEPEUSDT"};
    const dialect *spoken = binance()->dialect;
    dialect_ask ask = {.kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 2, .id = "sub-7"};
    td_buf out;
    td_buf_init(&out, 4096);
    assert_int_equal(dialect_ask_topics(spoken, &out, &ask, NULL), TD_OK);
    assert_text(td_buf_view(&out), "{\"method\":\"SUBSCRIBE\",\"params\":[\"btcusdt@depth@100ms\","
                                   "\"1000pepeusdt@aggTrade\"],\"id\":7}");
    td_buf_fini(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *reason;
        frame_class is;
        int fits; /* the request sub-7 */
    } ROWS[] = {
        {"{\"result\":null,\"id\":7}", "", CLASS_ACK, 1},
        {"{\"result\":null,\"id\":17}", "", CLASS_ACK, 0},
        {"{\"result\":[\"btcusdt@depth@100ms\"],\"id\":0}", "", CLASS_PONG, 0},
        {"{\"error\":{\"code\":2,\"msg\":\"Invalid request\"},\"id\":7}", "Invalid request",
         CLASS_ERROR, 1},
        {"{\"code\":3,\"msg\":\"Invalid JSON\"}", "Invalid JSON", CLASS_ERROR, 1},
    };
    static const char *const TOPICS[] = {"depth@100ms.BTCUSDT"};
    const dialect_ask ask = {
        .kind = REQUEST_SUBSCRIBE, .topics = TOPICS, .count = 1, .id = "sub-7"};
    dialect_parser *parser = dialect_parser_open();
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_answer answer;
        classification what;
        char padded[256] = "";
        (void)snprintf(padded, sizeof padded, "%s", ROWS[i].frame);
        decoder_classify(d, binance(), td_bytes_str(padded), CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.frame_class, ROWS[i].is);
        assert_int_equal(
            answer_parse(parser, binance()->dialect, td_bytes_str(padded), &answer, NULL), TD_OK);
        assert_text(answer.reason, ROWS[i].reason);
        assert_int_equal(dialect_answer_fits(&answer, &ask), ROWS[i].fits);
    }
    decoder_close(d);
    dialect_parser_close(parser);
}

/* ---- frames ---- */

static void test_topics(void **state)
{
    (void)state;
    static const struct {
        const char *stream, *topic, *symbol;
        int is_known;
    } ROWS[] = {
        {"btcusdt@depth@100ms", "depth@100ms", "BTCUSDT", 1},
        {"btcusdt@kline_15m", "kline_15m", "BTCUSDT", 1},
        {"btcusdt@kline_", "kline_.BTCUSDT", "", 0},
        {"btcusdt@klines", "klines.BTCUSDT", "", 0},
        {"!ticker@arr", "!ticker@arr", "*", 1},
        {"!other@arr", "!other@arr", "", 0},
        {"plain", "plain", "", 0},
        {"btc\\u0075sdt@aggTrade", "aggTrade", "BTCUSDT", 1},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char frame[256] = "";
        classification what;
        (void)snprintf(frame, sizeof frame, "{\"stream\":\"%s\",\"data\":{\"E\":5,\"T\":6}}",
                       ROWS[i].stream);
        decoder_classify(d, binance(), td_bytes_str(frame), CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.frame_class, CLASS_DATA);
        assert_text(what.topic.topic, ROWS[i].topic);
        assert_text(what.topic.symbol, ROWS[i].symbol);
        assert_int_equal(what.topic.row != NULL, ROWS[i].is_known);
    }
    decoder_close(d);
}

/* A frame of another symbol, and a topic that is spelled in another case. */
static void test_own_topic(void **state)
{
    (void)state;
    static const struct {
        const char *stream;
        int is_decoded;
    } ROWS[] = {{"btcusdt", 1}, {"ethusdt", 0}, {"", 0}};
    const family *of = binance();
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        for (int path = DECODE_PATH_FAST; path <= DECODE_PATH_ROWS; path++) {
            char frame[512] = "";
            message decoded;
            decode_error why;
            const topic_match topic = {family_topic_named(of, "depth@100ms"),
                                       td_bytes_str("depth@100ms"), td_bytes_str("BTCUSDT")};
            (void)snprintf(
                frame, sizeof frame,
                "{\"stream\":\"%s@depth@100ms\",\"data\":{\"e\":\"depthUpdate\",\"E\":5,"
                "\"T\":5,\"s\":\"BTCUSDT\",\"U\":3,\"u\":4,\"pu\":2,\"b\":[[\"1\",\"2\"]],"
                "\"a\":[]}}",
                ROWS[i].stream);
            assert_int_equal(
                decoder_decode(d, &topic, td_bytes_str(frame), (decode_path)path, &decoded, &why),
                ROWS[i].is_decoded);
            if (!ROWS[i].is_decoded)
                assert_int_equal(why.reason, DECODE_TOPIC_MISMATCH);
        }
    decoder_close(d);
}

/* ---- bare frames ---- */

/* What is known of a bare frame's topic. */
static void test_bare_topics(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *topic; /* NULL: it is no data */
        int is_known, is_open;
    } ROWS[] = {
        {"{\"e\":\"aggTrade\",\"s\":\"BTCUSDT\"}", "aggTrade.BTCUSDT", 1, 0},
        {"{\"e\":\"kline\",\"s\":\"BTCUSDT\",\"k\":{\"i\":\"1m\"}}", "kline_1m.BTCUSDT", 1, 0},
        {"{\"s\":\"BTCUSDT\",\"e\":\"depthUpdate\",\"u\":1}", "depth.BTCUSDT", 0, 1},
        {"{\"e\":\"markPriceUpdate\",\"s\":\"BTCUSDT\"}", "markPrice.BTCUSDT", 0, 1},
        {"{\"u\":400900217,\"s\":\"BNBUSDT\",\"b\":\"25.3\"}", "bookTicker.BNBUSDT", 1, 0},
        {"{\"e\":\"forceOrder\",\"o\":{\"s\":\"BTCUSDT\"}}", "forceOrder.BTCUSDT", 1, 0},
        {"{\"e\":\"kline\",\"s\":\"BTCUSDT\",\"k\":{}}", NULL, 0, 1},
        {"[{\"e\":\"24hrTicker\",\"s\":\"BTCUSDT\"}]", NULL, 0, 1},
        {"{\"lastUpdateId\":1,\"bids\":[],\"asks\":[]}", NULL, 0, 1},
        {"[1", NULL, 0, 0},
        {"{\"data\":{},\"e\":\"aggTrade\",\"s\":\"A\",\"stream\":\"btcusdt@aggTrade\"}",
         "aggTrade.BTCUSDT", 1, 0},
        {"{\"e\":\"ORDER_TRADE_UPDATE\",\"s\":\"BTCUSDT\"}", "ORDER_TRADE_UPDATE", 0, 0},
        {"{\"event\":{\"e\":\"balanceUpdate\"}}", "balanceUpdate", 0, 0},
        {"{\"e\":\"aggTrade\",\"s\":\"a\\\"b\"}", NULL, 0, 1},
        {"{\"e\":\"aggTrade\",\"s\":{}}", NULL, 0, 1},
        {"{\"e\":\"aggTrade\",\"s\":\"BTCUSDT\"", NULL, 0, 0},
    };
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char frame[256] = "";
        classification what;
        (void)snprintf(frame, sizeof frame, "%s", ROWS[i].frame);
        decoder_classify(d, binance(), td_bytes_str(frame), CHANNEL_IN, TOPIC_NOW, &what);
        assert_int_equal(what.frame_class, ROWS[i].topic == NULL ? CLASS_UNKNOWN : CLASS_DATA);
        if (ROWS[i].topic != NULL)
            assert_text(what.exchange_topic, ROWS[i].topic);
        assert_int_equal(what.topic.row != NULL, ROWS[i].is_known);
        assert_int_equal(what.is_open, ROWS[i].is_open);
    }
    decoder_close(d);
}

static void read_golden(const char *name, char *out, size_t out_bytes)
{
    char path[128];
    (void)snprintf(path, sizeof path, "tests/golden/%s.json", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    memset(out, 0, out_bytes);
    const size_t size = fread(out, 1, out_bytes - DECODE_PADDING_BYTES, file);
    (void)fclose(file);
    for (char *end = out + size; end > out && end[-1] == '\n'; end--)
        end[-1] = '\0';
}

/* A bare frame is decoded as the same frame with the object around it. */
static void test_bare_frames(void **state)
{
    (void)state;
    static const struct {
        const char *family, *frame;
    } ROWS[] = {{"binance-usdm", "binance-usdm/aggTrade"},
                {"binance-usdm", "binance-usdm/bookTicker"},
                {"binance-usdm", "binance-usdm/depth-100ms.delta"},
                {"binance-usdm", "binance-usdm/kline_1m"},
                {"binance-usdm", "binance-usdm/markPrice-1s"},
                {"binance-spot", "binance-spot/aggTrade"},
                {"binance-spot", "binance-spot/bookTicker"},
                {"binance-spot", "binance-spot/depth-100ms.delta"},
                {"binance-spot", "binance-spot/kline_1m"},
                {"binance-spot", "binance-spot/trade"}};
    decoder *one = decoder_open();
    decoder *other = decoder_open();
    json_parser *parser = json_parser_open(0);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        for (int path = DECODE_PATH_FAST; path <= DECODE_PATH_ROWS; path++) {
            static char wrapped[65536], bare[65536];
            const family *of = family_find(td_bytes_str(ROWS[i].family));
            const frame_keys *keys = &exchange_of(of)->frames;
            classification what, bare_what;
            message expected, got;
            decode_error why;
            read_golden(ROWS[i].frame, wrapped, sizeof wrapped);
            const td_bytes frame = td_bytes_str(wrapped);
            memset(bare, 0, sizeof bare);
            const td_bytes data = bare_frame_strip(keys, parser, frame);
            assert_true(data.size > 0 && data.size < frame.size);
            memcpy(bare, data.data, data.size);
            assert_false(bare_frame_is(keys, parser, frame));
            assert_true(bare_frame_is(keys, parser, td_bytes_str(bare)));
            assert_text(bare_frame_strip(keys, parser, td_bytes_str(bare)), bare);
            decoder_classify(one, of, frame, CHANNEL_IN, TOPIC_NOW, &what);
            decoder_classify(other, of, td_bytes_str(bare), CHANNEL_IN, TOPIC_NOW, &bare_what);
            if (bare_what.is_open) {
                const char *stream = wrapped + strlen("{\"stream\":\"");
                decoder_classify_as(other, of, td_bytes_of(stream, strcspn(stream, "\"")),
                                    td_bytes_str(bare), TOPIC_NOW, &bare_what);
            }
            assert_ptr_equal(bare_what.topic.row, what.topic.row);
            assert_int_equal(bare_what.exchange_ns, what.exchange_ns);
            assert_true(td_bytes_equal(bare_what.exchange_topic, what.exchange_topic));
            assert_int_equal(
                decoder_decode(one, &what.topic, frame, (decode_path)path, &expected, &why), 1);
            assert_int_equal(decoder_decode(other, &what.topic, td_bytes_str(bare),
                                            (decode_path)path, &got, &why),
                             1);
            assert_messages_equal(&expected, &got);
        }
    json_parser_close(parser);
    decoder_close(one);
    decoder_close(other);
}

/* ---- URLs ---- */

static void test_topics_of_urls(void **state)
{
    (void)state;
    static const struct {
        const char *names, *query;
        const char *topics[4];
    } ROWS[] = {
        {"",
         "streams=btcusdt@aggTrade/btcusdt@depth@100ms",
         {"aggTrade.BTCUSDT", "depth@100ms.BTCUSDT"}},
        {"", "x=1&streams=%62tcusdt%40aggTrade//&y=2", {"aggTrade.BTCUSDT"}},
        {"btcusdt@trade/ethusdt@trade", "", {"trade.BTCUSDT", "trade.ETHUSDT"}},
        {"btcusdt@trade", "streams=ethusdt@trade", {"trade.BTCUSDT", "trade.ETHUSDT"}},
        {"********/btcusdt@trade", "", {"trade.BTCUSDT"}},
        {"", "stream=btcusdt@trade", {0}},
        {"", "", {0}},
        {"!ticker@arr", "", {"!ticker@arr"}},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request got;
        size_t k = 0;
        assert_int_equal(request_of_url(parser, binance()->dialect, td_bytes_str(ROWS[i].names),
                                        td_bytes_str(ROWS[i].query), &got, NULL),
                         TD_OK);
        assert_int_equal(got.kind, REQUEST_SUBSCRIBE);
        for (; k < got.arg_count; k++)
            assert_text(got.args[k], ROWS[i].topics[k]);
        assert_null(ROWS[i].topics[k]);
    }
    dialect_parser_close(parser);
}

/* A URL or a request that names no event of the account is for all of them. */
static void test_account(void **state)
{
    (void)state;
    static const struct {
        const char *family, *query, *request; /* request NULL: the URL's topics */
        request_kind kind;
        const char *topics[3];
    } ROWS[] = {
        {"binance-usdm-private", "listenKey=****", NULL, REQUEST_SUBSCRIBE, {"*"}},
        {"binance-usdm-private",
         "listenKey=****&events=ORDER_TRADE_UPDATE/ACCOUNT_UPDATE",
         NULL,
         REQUEST_SUBSCRIBE,
         {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"}},
        {"binance-spot-private", "", NULL, REQUEST_SUBSCRIBE, {0}},
        {"binance-spot-private",
         NULL,
         "{\"id\":1,\"method\":\"userDataStream.subscribe.signature\",\"params\":{\"apiKey\":\"k\"}"
         "}",
         REQUEST_SUBSCRIBE,
         {"*"}},
        {"binance-spot-private",
         NULL,
         "{\"id\":2,\"method\":\"userDataStream.subscribe\"}",
         REQUEST_SUBSCRIBE,
         {"*"}},
        {"binance-spot-private",
         NULL,
         "{\"id\":3,\"method\":\"userDataStream.unsubscribe\",\"params\":{}}",
         REQUEST_UNSUBSCRIBE,
         {"*"}},
    };
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        dialect_request got;
        char padded[256];
        size_t k = 0;
        const dialect *spoken = family_find(td_bytes_str(ROWS[i].family))->dialect;
        (void)snprintf(padded, sizeof padded, "%s", ROWS[i].request == NULL ? "" : ROWS[i].request);
        assert_int_equal(ROWS[i].request == NULL
                             ? request_of_url(parser, spoken, td_bytes_str(""),
                                              td_bytes_str(ROWS[i].query), &got, NULL)
                             : request_parse(parser, spoken, td_bytes_str(padded), &got, NULL),
                         TD_OK);
        assert_int_equal(got.kind, ROWS[i].kind);
        for (; k < got.arg_count; k++)
            assert_text(got.args[k], ROWS[i].topics[k]);
        assert_null(ROWS[i].topics[k]);
        assert_true(spoken->covers(td_bytes_str("*"), td_bytes_str("executionReport")));
        assert_false(spoken->covers(td_bytes_str("executionReport"), td_bytes_str("listStatus")));
    }
    dialect_parser_close(parser);
}

/* Names may follow the path of a bare address, and no other one. */
static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *url, *path, *names; /* path NULL: another address */
        int is_bare;
    } ROWS[] = {
        {"wss://fstream.binance.com/stream", "/stream", "", 0},
        {"wss://fstream.binance.com/stream/btcusdt@trade", NULL, "", 0},
        {"wss://fstream.binance.com/ws", "/ws", "", 1},
        {"wss://fstream.binance.com/public/stream", "/public/stream", "", 0},
        {"wss://fstream.binance.com/market/ws/a@b", "/market/ws", "a@b", 1},
        {"wss://fstream.binance.com/ws/", "/ws", "", 1},
        {"wss://fstream.binance.com/ws/a@b/c@d", "/ws", "a@b/c@d", 1},
        {"wss://fstream.binance.com/wss/a@b", NULL, "", 0},
        {"wss://fstream.binance.com/w", NULL, "", 0},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        unsigned accesses;
        const td_bytes path = td_bytes_str(family_url_path(ROWS[i].url));
        const char *own = family_find_path(binance(), path, &accesses);
        assert_ptr_equal(family_find_by_url(td_bytes_str(ROWS[i].url)),
                         ROWS[i].path == NULL ? NULL : binance());
        assert_int_equal(own != NULL, ROWS[i].path != NULL);
        if (own == NULL)
            continue;
        assert_string_equal(own, ROWS[i].path);
        assert_text(family_path_names(own, path), ROWS[i].names);
        assert_int_equal(family_path_is_bare(binance(), own), ROWS[i].is_bare);
    }
}

/* A bare path with names is another exchange's, if that has exactly this path. */
static void test_paths_of_several(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t is; /* 0: Binance's, 1: OKX's, 2: Deribit's, 3: none's */
    } ROWS[] = {{"/ws/btcusdt@trade", 0}, {"/ws", 0},    {"/ws/v5/public", 1},
                {"/ws/api/v2", 2},        {"/ws/v5", 0}, {"/wss", 3}};
    const family *const families[] = {binance(), family_find(td_bytes_str("okx")),
                                      family_find(td_bytes_str("deribit"))};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        assert_int_equal(family_choose_by_path(families, 3, td_bytes_str(ROWS[i].path)),
                         ROWS[i].is);
}

/* ---- the request for a snapshot ---- */

/* Symbols are percent-encoded in requests. Requests of others name them in any case, as the
 * exchange's streams do. */
static void test_snapshot_request(void **state)
{
    (void)state;
    static const struct {
        const char *query, *symbol;
    } ROWS[] = {{"symbol=%E5%B8%81USDT&limit=5", "\xe5\xb8\x81USDT"},
                {"limit=5&symbol=%42tcUSDT", "BTCUSDT"},
                {"symbol=btcusdt", "BTCUSDT"},
                {"symbol=", NULL}};
    const topic_row *row = family_topic_named(binance(), "depth@100ms");
    char path[96] = "";
    family_snapshot_path(binance(), row, td_bytes_str(ROWS[0].symbol), path, sizeof path);
    assert_string_equal(path, "/fapi/v1/depth?symbol=%E5%B8%81USDT&limit=1000");
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char symbol[LIMIT_TOPIC_BYTES];
        assert_int_equal(family_is_snapshot_request(binance(), row, td_bytes_str("/fapi/v1/depth"),
                                                    td_bytes_str(ROWS[i].query), symbol),
                         ROWS[i].symbol != NULL);
        if (ROWS[i].symbol != NULL)
            assert_string_equal(symbol, ROWS[i].symbol);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_spellings_refused),
        cmocka_unit_test(test_asks),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_own_topic),
        cmocka_unit_test(test_bare_topics),
        cmocka_unit_test(test_bare_frames),
        cmocka_unit_test(test_topics_of_urls),
        cmocka_unit_test(test_account),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_paths_of_several),
        cmocka_unit_test(test_snapshot_request),
    };
    return cmocka_run_group_tests_name("schema/binance", tests, NULL, NULL);
}
