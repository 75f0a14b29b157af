/* Features of rows beyond lists of objects, with rows and frames made for the test: inheritance,
 * entries in entries, the best of both sides, retail orders, JSON kept as text, large decimals,
 * coins, symbols with dots, dates, compressed frames, and invalid input with its reasons. Expected
 * values are written by hand from schema/topic.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "base/buf.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "base/json/json_write.h"
#include "schema/message_json.h"
#include "schema/topic_check.h"
#include "tests/testing/decode_fixture.h"
#include "tests/testing/message_round.h"

enum { TEXT_MAX = 4 << 20 };

static const field_row WALLET[] = {
    {MEMBER_COIN, "coin", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_WALLET_BALANCE, "walletBalance", FIELD_DECIMAL, UNIT_MONEY, 0, 0},
    {MEMBER_CATEGORY, "accountType", FIELD_TEXT, UNIT_NONE, 0, FIELD_INHERITED},
};

static const field_row LEGS[] = {
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_ORDER_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_ORDER_LINK_ID, "orderId", FIELD_TEXT, UNIT_NONE, 0, FIELD_INHERITED},
    {MEMBER_TITLE, "fees", FIELD_JSON, UNIT_NONE, 0, 0},
};

static const field_row BEST[] = {
    {MEMBER_BID1_PRICE, "bp", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_BID1_SIZE, "bq", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
    {MEMBER_ASK1_PRICE, "ap", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ASK1_SIZE, "aq", FIELD_DECIMAL, UNIT_QUANTITY, 0, 0},
};

static const field_row RPI_LEVEL[] = {
    {MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_RPI_SIZE, "2", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
};

static const field_row TRADE[] = {
    {MEMBER_SYMBOL, "s", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "p", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
    {MEMBER_SIZE, "q", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    {MEMBER_SIDE, "m", FIELD_IS_BUY, UNIT_NONE, 0, FIELD_REQUIRED},
};

static const field_row INNER[] = {
    {MEMBER_ORDER_ID, "id", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    {MEMBER_SYMBOL, "descr.pair", FIELD_TEXT, UNIT_NONE, 0, 0},
    {MEMBER_PRICE, "descr.price", FIELD_DECIMAL, UNIT_PRICE, 0, 0},
    {MEMBER_ATTACHED_ORDERS, "close.order", FIELD_JSON, UNIT_NONE, 0, 0},
};

static const field_row NAV[] = {
    {MEMBER_LAST_PRICE, "nav", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
};

#define FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof(table)[0]
#define EVENTS(path)  .items = {{path, ACTION_NONE, FRAME_ANY, 0}}
#define SIDE(at, flags)                                                                            \
    {                                                                                              \
        at, ACTION_SET, FRAME_ANY, ITEMS_POSITIONAL | ITEMS_ZERO_DELETES | (flags)                 \
    }

static const topic_row ROWS[] = {
    {.name = "wallet",
     .pattern = "wallet",
     .type = MSG_WALLET,
     .title = "-",
     .items = {{"data.coin", ACTION_NONE, FRAME_ANY, ITEMS_EMPTY}},
     FIELDS(WALLET)},
    {.name = "legs",
     .pattern = "legs",
     .type = MSG_ORDER,
     .title = "-",
     .items = {{"data", ACTION_NONE, FRAME_ANY, 0},
               {"data.legs", ACTION_NONE, FRAME_ANY, ITEMS_OPTIONAL}},
     FIELDS(LEGS)},
    {.name = "best",
     .pattern = "best.{symbol}",
     .type = MSG_BOOK_CHANGE,
     .title = "-",
     .items = {{"data", ACTION_SET, FRAME_ANY, ITEMS_BEST}},
     .default_kind = FRAME_SNAPSHOT,
     FIELDS(BEST)},
    {.name = "rpi",
     .pattern = "rpi.{symbol}",
     .type = MSG_BOOK_CHANGE,
     .title = "-",
     .items = {SIDE("data.b", ITEMS_BUY), SIDE("data.a", ITEMS_SELL)},
     FIELDS(RPI_LEVEL)},
    {.name = "kline",
     .pattern = "kline.{interval}.{symbol}",
     .type = MSG_TRADE,
     .title = "-",
     .symbol_path = "params.symbol",
     .parameter_path = "params.klineType",
     EVENTS("data"),
     FIELDS(TRADE)},
    {.name = "trades",
     .pattern = "trades.{coin}",
     .type = MSG_TRADE,
     .title = "-",
     EVENTS("data"),
     FIELDS(TRADE)},
    {.name = "nav",
     .pattern = "nav.{symbol}",
     .type = MSG_TICKER,
     .title = "-",
     EVENTS("data"),
     FIELDS(NAV)},
    {.name = "old",
     .pattern = "old.{symbol}",
     .type = MSG_TICKER,
     .title = "before",
     .valid_until = "2022-01-01",
     EVENTS("was"),
     FIELDS(NAV)},
    {.name = "old",
     .pattern = "old.{symbol}",
     .type = MSG_TICKER,
     .title = "since",
     .valid_from = "2022-01-01",
     EVENTS("data"),
     FIELDS(NAV)},
    {.name = "event",
     .pattern = "event",
     .type = MSG_TICKER,
     .title = "-",
     EVENTS(""),
     .is_event = 1,
     .topic_key = "e",
     FIELDS(NAV)},
    {.name = "inner",
     .pattern = "inner",
     .type = MSG_ORDER,
     .title = "-",
     .items = {{"data", ACTION_NONE, FRAME_ANY, 0}},
     FIELDS(INNER)},
};

static family made_up(void)
{
    return (family){.name = "made-up",
                    .exchange = exchange_of(NULL),
                    .topics = ROWS,
                    .topic_count = sizeof ROWS / sizeof ROWS[0]};
}

typedef struct fixture {
    decoder_pair decoders;
    uint8_t *text;
    td_buf out;
} fixture;

static int fixture_open(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->decoders = decoder_pair_open();
    f->text = calloc(1, TEXT_MAX + DECODE_PADDING_BYTES);
    assert_non_null(f->text);
    td_buf_init(&f->out, TEXT_MAX);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    fixture *f = *state;
    decoder_pair_close(&f->decoders);
    free(f->text);
    td_buf_fini(&f->out);
    free(f);
    return 0;
}

/* The decoded frame as JSON, or why it cannot be decoded; both paths must agree. NUL-terminated. */
static const char *decoded_json(fixture *f, td_bytes frame, uint64_t at_ns)
{
    assert_true(frame.size <= TEXT_MAX);
    memcpy(f->text, frame.data, frame.size);
    memset(f->text + frame.size, '"', DECODE_PADDING_BYTES);
    frame.data = f->text;
    classification what;
    message m;
    message fast;
    decode_error why;
    json_writer w;
    const family of = made_up();
    decoder_classify(f->decoders.rows, &of, frame, CHANNEL_IN, at_ns, &what);
    int is_decoded = decoder_pair_decode(&f->decoders, &what.topic, frame, &fast, &m, &why);
    td_buf_clear(&f->out);
    json_write_begin(&w, &f->out);
    json_write_object_begin(&w);
    if (is_decoded)
        message_json_entries(&w, &m);
    else
        message_json_raw(&w, &what.topic, what.exchange_topic, &why);
    json_write_object_end(&w);
    assert_int_equal(json_write_end(&w, NULL), TD_OK);
    assert_int_equal(td_buf_append(&f->out, "", 1, NULL), TD_OK);
    return (const char *)f->out.data;
}

static void test_entries(void **state)
{
    static const struct {
        const char *frame;
        const char *json;
    } rows[] = {
        /* coins inherit from their account; an account without coins is an entry itself */
        {"{\"topic\":\"wallet\",\"data\":[{\"accountType\":\"A\",\"coin\":[{\"coin\":\"BTC\"},"
         "{\"walletBalance\":\"2.50\",\"coin\":\"ETH\"}]},{\"coin\":[],\"accountType\":\"B\"}]}",
         "{\"items\":[{\"coin\":\"BTC\",\"category\":\"A\"},{\"coin\":\"ETH\",\"wallet_balance\":"
         "\"2.5\",\"category\":\"A\"},{\"category\":\"B\"}]}"},
        /* entries in entries: the inner ones inherit the outer's id; JSON in its canonical form */
        {"{\"topic\":\"legs\",\"data\":[{\"symbol\":\"X\",\"orderId\":7,\"fees\":{ \"b\":1,\"a\":[ "
         "1,{}]},\"legs\":[{\"symbol\":\"Y\",\"orderId\":\"8\"}]}]}",
         "{\"items\":[{\"symbol\":\"X\",\"order_id\":\"7\",\"title\":{\"a\":[1,{}],\"b\":1}},"
         "{\"symbol\":\"Y\",\"order_id\":\"8\",\"order_link_id\":\"7\"}]}"},
        {"{\"topic\":\"legs\",\"data\":[{\"symbol\":\"X\",\"fees\":\"\"}]}",
         "{\"items\":[{\"symbol\":\"X\"}]}"},
        /* fields in objects of an entry, which may lack them */
        {"{\"topic\":\"inner\",\"data\":[{\"id\":\"1\",\"descr\":{\"price\":\"2\",\"pair\":\"A/"
         "B\"},"
         "\"close\":{\"order\":{\"b\":1,\"a\":2}}},{\"descr\":null,\"id\":2},{\"id\":3}]}",
         "{\"items\":[{\"order_id\":\"1\",\"symbol\":\"A/B\",\"price\":\"2\",\"attached_orders\":{"
         "\"a\":2,\"b\":1}},{\"order_id\":\"2\"},{\"order_id\":\"3\"}]}"},
        /* the best of both sides, and of one */
        {"{\"topic\":\"best.A\",\"data\":{\"bp\":\"1.0\",\"bq\":\"2\",\"ap\":1.5,\"aq\":3}}",
         "{\"levels\":[{\"action\":\"set\",\"side\":\"Buy\",\"price\":\"1\",\"size\":\"2\"},{"
         "\"action\":\"set\",\"side\":\"Sell\",\"price\":\"1.5\",\"size\":\"3\"}]}"},
        {"{\"topic\":\"best.A\",\"data\":{\"bp\":\"\",\"bq\":\"\",\"ap\":\"-1.5\",\"aq\":3}}",
         "{\"levels\":[{\"action\":\"set\",\"side\":\"Sell\",\"price\":\"-1.5\",\"size\":\"3\"}]}"},
        /* a level is deleted only if both of its sizes are 0 */
        {"{\"topic\":\"rpi.A\",\"data\":{\"b\":[[\"5\",\"0\",\"0.2\"],[\"4\",\"0\",\"0.0\"]],\"a\":"
         "[[\"6\",\"1.5\",\"0\"],[\"7\",\"1\",\"0.25\"]]}}",
         "{\"levels\":[{\"action\":\"set\",\"side\":\"Buy\",\"price\":\"5\",\"size\":\"0\",\"rpi_"
         "size\":\"0.2\"},{\"action\":\"delete\",\"side\":\"Buy\",\"price\":\"4\",\"size\":null},{"
         "\"action\":\"set\",\"side\":\"Sell\",\"price\":\"6\",\"size\":\"1.5\",\"rpi_size\":\"0\"}"
         ",{\"action\":\"set\",\"side\":\"Sell\",\"price\":\"7\",\"size\":\"1\",\"rpi_size\":\"0."
         "25\"}]}"},
        /* a topic in three parts, in any order; a side that is a boolean */
        {"{\"data\":{\"m\":\"True\",\"p\":1,\"q\":2},\"params\":{\"klineType\":\"1m\",\"symbol\":"
         "\"A\"},\"topic\":\"kline\"}",
         "{\"trades\":[{\"side\":\"Buy\",\"price\":\"1\",\"size\":\"2\",\"exchange_ns\":null,"
         "\"trade_id\":null,\"tick_direction\":null}]}"},
        /* in a coin's topic each entry has its own symbol */
        {"{\"topic\":\"trades.BTC\",\"data\":[{\"s\":\"BTC-1\",\"p\":1,\"q\":2,\"m\":false}]}",
         "{\"trades\":[{\"symbol\":\"BTC-1\",\"side\":\"Sell\",\"price\":\"1\",\"size\":\"2\","
         "\"exchange_ns\":null,\"trade_id\":null,\"tick_direction\":null}]}"},
        /* beyond 64 bits, but still exact */
        {"{\"topic\":\"nav.A.B\",\"data\":{\"nav\":\"18969.417302856190774523000\"}}",
         "{\"items\":[{\"last_price\":\"18969.417302856190774523\"}]}"},
        {"{\"topic\":\"nav.A\",\"data\":{\"nav\":-12345678901234567890}}",
         "{\"items\":[{\"last_price\":\"-12345678901234567890\"}]}"},
        {"[{\"e\":\"event\",\"nav\":1},{\"nav\":2,\"e\":\"event\"}]",
         "{\"items\":[{\"last_price\":\"1\"},{\"last_price\":\"2\"}]}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(decoded_json(*state, td_bytes_str(rows[i].frame), TOPIC_NOW),
                            rows[i].json);
}

static void test_reasons(void **state)
{
    static const struct {
        const char *frame;
        const char *reason;
        const char *topic; /* NULL without a topic */
    } rows[] = {
        {"{\"nav\":1}", "no_topic", NULL},
        {"[]", "no_topic", NULL},
        {"hello", "not_json", NULL},
        {"\x03\x80\xff\x01", "not_inflated", NULL},
        {"{\"topic\":\"wallet\",\"data\":[],\"x\":\"\xc3\x28\"}", "not_utf8", "wallet"},
        {"{\"topic\":\"wallet\",\"data\":[],\"x\":\"\\udc00\"}", "not_json", "wallet"},
        {"{\"topic\":\"purse\",\"data\":[]}", "unknown_topic", "purse"},
        {"{\"topic\":\"rpj.A\",\"data\":{}}", "unknown_topic", "rpj.A"},
        {"{\"topic\":\"kline\",\"params\":{\"symbol\":\"A\"},\"data\":[]}", "unknown_topic",
         "kline"},
        {"{\"topic\":\"rpi.A\",\"data\":{\"b\":[[\"5\",\"1\"]]}}", "missing_field", "rpi.A"},
        {"{\"topic\":\"rpi.A\",\"data\":{\"b\":[[\"5\",\"9000000000000000000\","
         "\"900000000000000000\"]"
         "]}}",
         "bad_number", "rpi.A"},
        {"{\"topic\":\"rpi.A\",\"data\":{\"b\":[[\"12345678901234567890\",\"1\",\"1\"]]}}",
         "bad_number", "rpi.A"},
        {"{\"topic\":\"best.A\",\"data\":{\"bp\":\"1\"}}", "missing_field", "best.A"},
        {"{\"topic\":\"best.A\",\"type\":\"whole\",\"data\":{}}", "bad_kind", "best.A"},
        {"{\"topic\":\"nav.A\",\"data\":{\"nav\":\"1e40\"}}", "bad_number", "nav.A"},
        {"{\"topic\":\"nav.A\",\"data\":{\"nav\":\"0012345678901234567890\"}}", "bad_number",
         "nav.A"},
        {"[{\"e\":\"event\",\"nav\":1},{\"nav\":2,\"e\":\"other\"}]", "topic_mismatch", "event"},
        {"{\"topic\":\"inner\",\"data\":[{\"id\":1,\"descr\":[]}]}", "wrong_type", "inner"},
        {"{\"topic\":\"inner\",\"data\":[{\"id\":1,\"descr\":\"\"}]}", "wrong_type", "inner"},
        {"{\"topic\":\"inner\",\"data\":[{\"descr\":{\"id\":1}}]}", "missing_field", "inner"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char reason[64];
        char topic[64];
        const char *json = decoded_json(*state, td_bytes_str(rows[i].frame), TOPIC_NOW);
        snprintf(reason, sizeof reason, "\"reason\":\"%s\"", rows[i].reason);
        if (rows[i].topic == NULL)
            snprintf(topic, sizeof topic, "\"topic\":null");
        else
            snprintf(topic, sizeof topic, "\"topic\":\"%s\"", rows[i].topic);
        if (strstr(json, reason) == NULL || strstr(json, topic) == NULL)
            fail_msg("%s: expected %s, %s: %s", rows[i].frame, reason, topic, json);
    }
}

/* Numbers of a million digits and endless nesting give a reason, and the decoder can be used again.
 */
static void test_huge_values(void **state)
{
    enum { DIGITS = 1000000 };
    static const char HEAD[] = "{\"topic\":\"nav.A\",\"data\":{\"nav\":";
    char *frame = malloc(DIGITS + 100);
    assert_non_null(frame);
    size_t head = sizeof HEAD - 1;
    memcpy(frame, HEAD, head);
    memset(frame + head, '7', DIGITS);
    memcpy(frame + head + DIGITS, "}}", 3);
    const char *json = decoded_json(*state, td_bytes_str(frame), TOPIC_NOW);
    assert_non_null(strstr(json, "\"reason\":\"bad_number\""));
    assert_non_null(strstr(json, "\"field\":\"nav\""));
    memset(frame + head, '[', DIGITS);
    assert_non_null(
        strstr(decoded_json(*state, td_bytes_str(frame), TOPIC_NOW), "\"reason\":\"limit\""));
    free(frame);
    json =
        decoded_json(*state, td_bytes_str("{\"topic\":\"nav.A\",\"data\":{\"nav\":1}}"), TOPIC_NOW);
    assert_string_equal(json, "{\"items\":[{\"last_price\":\"1\"}]}");
}

/* A compressed frame decodes like its content; its bytes are unchanged. */
static void test_compressed_frames(void **state)
{
    static const char FRAME[] = "{\"topic\":\"nav.A\",\"data\":{\"nav\":\"1.50\"}}";
    static const int WINDOWS[] = {15, 31, -15}; /* zlib.h: zlib, gzip, raw */
    for (size_t i = 0; i < sizeof WINDOWS / sizeof WINDOWS[0]; i++) {
        uint8_t bytes[256];
        z_stream z = {.next_out = bytes, .avail_out = sizeof bytes};
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, WINDOWS[i], 8, Z_DEFAULT_STRATEGY), Z_OK);
        uint8_t input[sizeof FRAME];
        memcpy(input, FRAME, sizeof FRAME);
        z.next_in = input;
        z.avail_in = sizeof FRAME - 1;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        size_t size = sizeof bytes - z.avail_out;
        deflateEnd(&z);
        assert_string_equal(decoded_json(*state, td_bytes_of(bytes, size), TOPIC_NOW),
                            "{\"items\":[{\"last_price\":\"1.5\"}]}");
        const char *cut = decoded_json(*state, td_bytes_of(bytes, size - 3), TOPIC_NOW);
        assert_non_null(strstr(cut, "\"reason\":\"not_inflated\""));
    }
}

/* The row valid at the given time is used: half-open intervals, UTC; without a time the current
 * row. */
static void test_dates(void **state)
{
    static const uint64_t TURN = UINT64_C(1640995200000000000); /* 2022-01-01T00:00:00Z */
    static const char BEFORE[] = "{\"topic\":\"old.A\",\"was\":{\"nav\":1},\"data\":{\"nav\":2}}";
    fixture *f = *state;
    static const struct {
        uint64_t at_ns;
        const char *title;
    } rows[] = {{1, "before"},       {TURN - 1, "before"}, {TURN, "since"},
                {TURN + 1, "since"}, {TOPIC_NOW, "since"}, {TOPIC_ANY_TIME, "since"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        topic_match match;
        assert_true(topic_match_text(ROWS, sizeof ROWS / sizeof ROWS[0], td_bytes_str("old.A"),
                                     rows[i].at_ns, &match));
        assert_string_equal(match.row->title, rows[i].title);
        const topic_row *other =
            topic_row_at(ROWS, sizeof ROWS / sizeof ROWS[0], &ROWS[7], rows[i].at_ns);
        if (rows[i].at_ns != TOPIC_ANY_TIME)
            assert_ptr_equal(other, match.row);
        int is_before = rows[i].title[0] == 'b';
        assert_string_equal(decoded_json(f, td_bytes_str(BEFORE), rows[i].at_ns),
                            is_before ? "{\"items\":[{\"last_price\":\"1\"}]}"
                                      : "{\"items\":[{\"last_price\":\"2\"}]}");
    }
    size_t at = 0;
    td_bytes where;
    assert_null(topic_list_fault(ROWS, sizeof ROWS / sizeof ROWS[0], &at));
    topic_row overlapping[] = {ROWS[7], ROWS[8]};
    overlapping[1].valid_from = "2021-12-31";
    assert_non_null(topic_list_fault(overlapping, 2, &at));
    assert_int_equal(at, 1);
    overlapping[1].valid_from = "2021-02-30";
    assert_non_null(topic_fault(&overlapping[1], &where));
    assert_true(td_bytes_is(where, "2021-02-30"));
}

/* A frame, and what reading it gives. */
typedef struct other_frame {
    const char *frame, *reason, *field;
    int is_slow;
} other_frame;

static void read_others(fixture *f, const topic_match *match, const other_frame *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        message m;
        decode_error why;
        td_bytes frame = td_bytes_str(rows[i].frame);
        memcpy(f->text, frame.data, frame.size);
        memset(f->text + frame.size, '"', DECODE_PADDING_BYTES);
        frame.data = f->text;
        uint64_t slow = decoder_slow_count(f->decoders.fast);
        (void)decoder_pair_decode(&f->decoders, match, frame, &m, NULL, &why);
        assert_string_equal(decode_reason_name(why.reason), rows[i].reason);
        assert_true((why.field == NULL) == (rows[i].field == NULL));
        if (why.field != NULL)
            assert_string_equal(why.field, rows[i].field);
        assert_int_equal(decoder_slow_count(f->decoders.fast) > slow, rows[i].is_slow);
    }
}

/* A row with its own keys is read like others: on the fast path, with its parts checked. */
static void test_other_keys(void **state)
{
    static const topic_row ROW = {.name = "deals",
                                  .pattern = "deals.{symbol}",
                                  .type = MSG_TRADE,
                                  .title = "-",
                                  .symbol_path = "market",
                                  .topic_key = "channel",
                                  .kind_key = "kind",
                                  EVENTS("payload"),
                                  FIELDS(TRADE)};
    static const other_frame rows[] = {
        {"{\"channel\":\"deals\",\"market\":\"A\",\"kind\":\"delta\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "ok", NULL, 0},
        {"{\"channel\":\"deals\",\"market\":\"B\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "topic_mismatch", "market", 1},
        {"{\"channel\":\"deals\",\"market\":\"A\",\"kind\":\"half\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "bad_kind", "kind", 1},
        {"[{\"channel\":\"deals\",\"market\":\"A\",\"payload\":[]}]", "missing_field", "channel",
         1},
    };
    const topic_match match = {&ROW, td_bytes_str("deals"), td_bytes_str("A")};
    td_bytes where;
    assert_null(topic_fault(&ROW, &where));
    read_others(*state, &match, rows, sizeof rows / sizeof rows[0]);
}

/* A parameter that a text begins, before a symbol in another member: the frame's topic has it. */
static void test_joined_parameter(void **state)
{
    static const topic_row ROW = {.name = "deals{size}",
                                  .pattern = "deals{size}.{symbol}",
                                  .type = MSG_TRADE,
                                  .title = "-",
                                  .symbol_path = "market",
                                  .topic_key = "channel",
                                  EVENTS("payload"),
                                  FIELDS(TRADE)};
    static const other_frame rows[] = {
        {"{\"channel\":\"deals5\",\"market\":\"A\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "ok", NULL, 0},
        {"{\"channel\":\"deals50\",\"market\":\"A\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "topic_mismatch", "channel", 1},
        {"{\"channel\":\"deals5\",\"market\":\"B\",\"payload\":"
         "[{\"p\":\"1\",\"q\":\"2\",\"m\":true}]}",
         "topic_mismatch", "market", 1},
    };
    static const struct {
        const char *pattern, *parameter_path, *fault;
    } FAULTS[] = {
        {"deals{size}.{kind}.{symbol}", NULL, "a text begins the part of a placeholder"},
        {"deals.x{size}.{symbol}", NULL, "a text begins the part of a placeholder"},
        {"deals{size}.{symbol}", "size", "a text begins the part of a placeholder"},
    };
    const topic_match match = {&ROW, td_bytes_str("deals5"), td_bytes_str("A")};
    td_bytes where;
    assert_null(topic_fault(&ROW, &where));
    read_others(*state, &match, rows, sizeof rows / sizeof rows[0]);
    assert_true(topic_row_is_frame_topic(&ROW, (td_bytes){0}, td_bytes_str("deals50")));
    assert_false(topic_row_is_frame_topic(&ROW, (td_bytes){0}, td_bytes_str("deals")));
    assert_false(topic_row_is_frame_topic(&ROW, (td_bytes){0}, td_bytes_str("deals5.A")));
    assert_false(topic_row_is_frame_topic(&ROW, (td_bytes){0}, td_bytes_str("deaf5")));
    for (size_t i = 0; i < sizeof FAULTS / sizeof FAULTS[0]; i++) {
        topic_row row = ROW;
        row.pattern = FAULTS[i].pattern;
        row.parameter_path = FAULTS[i].parameter_path;
        const char *fault = topic_fault(&row, &where);
        assert_non_null(fault);
        assert_non_null(strstr(fault, FAULTS[i].fault));
    }
}

/* The number of the frame before, and the book's checksum: both decoders have them in the head. */
static void test_chained_books(void **state)
{
    static const field_row ENVELOPE[] = {
        {MEMBER_FIRST_SEQ, "data.U", FIELD_INTEGER, UNIT_NONE, 0, 0},
        {MEMBER_SEQ, "data.seqId", FIELD_INTEGER, UNIT_NONE, 0, FIELD_REQUIRED},
        {MEMBER_PREV_SEQ, "data.prevSeqId", FIELD_INTEGER, UNIT_NONE, 0, 0},
        {MEMBER_CHECKSUM, "data.c", FIELD_INTEGER, UNIT_NONE, 0, 0},
    };
    static const field_row LEVEL[] = {
        {MEMBER_PRICE, "0", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED},
        {MEMBER_SIZE, "1", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED},
    };
    static const topic_row ROW = {.name = "chain",
                                  .pattern = "chain.{symbol}",
                                  .type = MSG_BOOK_CHANGE,
                                  .title = "-",
                                  .sequence = SEQ_ENVELOPE,
                                  .items = {SIDE("data.b", ITEMS_BUY)},
                                  .envelope = ENVELOPE,
                                  .envelope_count = sizeof ENVELOPE / sizeof ENVELOPE[0],
                                  FIELDS(LEVEL)};
    static const struct {
        const char *data;
        const char *json; /* from the number on */
        int is_slow;
    } rows[] = {
        {"\"b\":[[\"5\",\"1\"]],\"seqId\":15,\"prevSeqId\":10,\"c\":-914047754",
         "\"seq\":15,\"prev_seq\":10,\"checksum\":-914047754,", 0},
        /* as a text, beyond 31 bits */
        {"\"b\":[[\"5\",\"1\"]],\"seqId\":15,\"prevSeqId\":-1,\"c\":\"4105471083\"",
         "\"seq\":15,\"prev_seq\":-1,\"checksum\":4105471083,", 0},
        {"\"U\":11, \"b\":[[\"5\",\"1\"]],\"c\":0,\"prevSeqId\":15,\"seqId\":15",
         "\"seq\":15,\"prev_seq\":15,\"checksum\":0,", 1},
        {"\"b\":[[\"5\",\"1\"]],\"seqId\":15", "\"seq\":15,\"levels\"", 0},
    };
    const topic_match match = {&ROW, td_bytes_str("chain"), td_bytes_str("A")};
    fixture *f = *state;
    message_round *round = message_round_open();
    td_bytes where;
    assert_null(topic_fault(&ROW, &where));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        message m;
        decode_error why;
        json_writer w;
        int size = snprintf((char *)f->text, TEXT_MAX, "{\"topic\":\"chain.A\",\"data\":{%s}}",
                            rows[i].data);
        memset(f->text + size, '"', DECODE_PADDING_BYTES);
        uint64_t slow = decoder_slow_count(f->decoders.fast);
        assert_true(decoder_pair_decode(&f->decoders, &match, td_bytes_of(f->text, (size_t)size),
                                        &m, NULL, &why));
        assert_int_equal(decoder_slow_count(f->decoders.fast) > slow, rows[i].is_slow);
        td_buf_clear(&f->out);
        json_write_begin(&w, &f->out);
        json_write_object_begin(&w);
        message_json_members(&w, &m);
        json_write_object_end(&w);
        assert_int_equal(json_write_end(&w, NULL), TD_OK);
        assert_int_equal(td_buf_append(&f->out, "", 1, NULL), TD_OK);
        const char *found = strstr((const char *)f->out.data, "\"seq\"");
        assert_non_null(found);
        assert_memory_equal(found, rows[i].json, strlen(rows[i].json));
        message_round_check(round, &match, &m);
    }
    message_round_close(round);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_huge_values),
        cmocka_unit_test(test_compressed_frames),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_joined_parameter),
        cmocka_unit_test(test_chained_books),
    };
    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
