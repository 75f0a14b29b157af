/* Topics as only documents of users have them: their frames decode, and the fast path gives the
 * message that the row gives, or leaves the frame to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "schema/decode.h"
#include "schema/family_file.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/decode_fixture.h"

enum { DOCUMENT_BYTES = 1 << 14 };

/* A family with one topic; what follows is the rest of its set of fields, and of the topic. */
#define BEGIN                                                                                      \
    "family: made\nexchange: bybit\ndialect: v5\nsets:\n  entry:\n"                                \
    "    - p price decimal price required\n"

static int find_text(void *user, td_bytes name, td_bytes *text)
{
    *text = td_bytes_str(user);
    return td_bytes_is(name, "made");
}

/* Read a document, and decode a frame of its only topic on both paths, which must agree. */
static decode_reason try_decode(decode_fixture *f, td_arena *memory, const char *yaml,
                                const char *channel, const char *frame, message *out)
{
    char text[DOCUMENT_BYTES];
    family made;
    td_err err;
    topic_match topic;
    decode_error why;
    snprintf(text, sizeof text, BEGIN "%s", yaml);
    const family_texts texts = {.find = find_text, .exchange = find_bybit, .user = text};
    if (family_file_read(&texts, "made", memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_true(
        topic_match_text(made.topics, made.topic_count, td_bytes_str(channel), TOPIC_NOW, &topic));
    (void)decode_fixture_frame(f, &topic, td_bytes_str(frame), out, &why);
    return why.reason;
}

static void decode(decode_fixture *f, td_arena *memory, const char *yaml, const char *channel,
                   const char *frame, message *out)
{
    assert_int_equal(try_decode(f, memory, yaml, channel, frame, out), DECODE_OK);
}

static void test_side_of_a_level(void **state)
{
    td_arena *memory = td_arena_open();
    message m;
    decode(*state, memory,
           "    - s size decimal quantity required_to_set\n    - m side is_buy required\n"
           "topics:\n  - topic: \"book.{symbol}\"\n    message: book_change\n    title: Books\n"
           "    fields: entry\n    entries: [data set any]\n",
           "book.BTCUSDT",
           "{\"topic\":\"book.BTCUSDT\",\"data\":[{\"p\":\"1\",\"s\":\"2\",\"m\":0},"
           "{\"p\":\"3\",\"s\":\"2\",\"m\":\"false\"},{\"p\":\"4\",\"s\":\"2\",\"m\":1}]}",
           &m);
    assert_int_equal(message_level(&m, 0).side, SIDE_SELL);
    assert_int_equal(message_level(&m, 1).side, SIDE_SELL);
    assert_int_equal(message_level(&m, 2).side, SIDE_BUY);
    td_arena_close(memory);
}

static void test_number_and_time_of_a_level(void **state)
{
    td_arena *memory = td_arena_open();
    message m;
    decode(*state, memory,
           "    - s size decimal quantity required_to_set\n    - S side side required\n"
           "    - t exchange_ns time ms\n    - q cross_seq integer\n"
           "topics:\n  - topic: \"book.{symbol}\"\n    message: book_change\n    title: Books\n"
           "    fields: entry\n    time: exchange_ns\n    sequence: entry\n"
           "    entries: [data set any]\n",
           "book.BTCUSDT",
           "{\"topic\":\"book.BTCUSDT\",\"data\":[{\"p\":\"1\",\"s\":\"2\",\"S\":\"Buy\","
           "\"t\":1700000000000,\"q\":5}]}",
           &m);
    assert_int_equal(m.head.exchange_ns, UINT64_C(1700000000000000000));
    assert_true(m.head.has_cross_seq);
    assert_int_equal(m.head.cross_seq, 5);
    td_arena_close(memory);
}

/* The time of a book is that of the frame, wherever it is, or else the latest of its levels. */
static void test_time_of_a_book(void **state)
{
    static const char YAML[] =
        "    - s size decimal quantity required_to_set\n    - S side side required\n"
        "    - t exchange_ns time ms\n  head:\n    - ts exchange_ns time ms\n"
        "topics:\n  - topic: \"book.{symbol}\"\n    message: book_change\n    title: Books\n"
        "    envelope: head\n    fields: entry\n    time: exchange_ns\n    entries: [data set "
        "any]\n";
#define LEVELS                                                                                     \
    "\"data\":[{\"p\":\"1\",\"s\":\"2\",\"S\":\"Buy\",\"t\":1700000000002},"                       \
    "{\"p\":\"2\",\"s\":\"2\",\"S\":\"Sell\",\"t\":1700000000001}]"
    static const struct {
        const char *frame;
        uint64_t ms;
    } ROWS[] = {
        {"{\"topic\":\"book.X\"," LEVELS "}", 2},
        {"{\"topic\":\"book.X\"," LEVELS ",\"ts\":1700000000000}", 0},
        {"{\"topic\":\"book.X\",\"ts\":1700000000000," LEVELS "}", 0},
        {"{\"topic\":\"book.X\",\"ts\":0," LEVELS "}", 2},
        {"{\"topic\":\"book.X\",\"ts\":null," LEVELS "}", 2},
    };
#undef LEVELS
    td_arena *memory = td_arena_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        message m;
        decode(*state, memory, YAML, "book.X", ROWS[i].frame, &m);
        assert_int_equal(m.head.exchange_ns, UINT64_C(1700000000000000000) + ROWS[i].ms * 1000000);
    }
    td_arena_close(memory);
}

/* Lists that are values are read on the fast path, but for one with an object, whose keys are
 * sorted. */
static void test_lists_as_values(void **state)
{
    static const struct {
        const char *value, *text;
        int is_slow;
    } ROWS[] = {
        {"[\"1.5\",1,[true,null,[]]]", "[\"1.5\",1,[true,null,[]]]", 0},
        {"[]", "[]", 0},
        {"[\"1.5\", 1]", "[\"1.5\",1]", 1},
        {"[{\"b\":1,\"a\":2}]", "[{\"a\":2,\"b\":1}]", 1},
        {"[\"{\"]", "[\"{\"]", 1},
    };
    decode_fixture *f = *state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char frame[256];
        message m;
        decode_error why;
        const uint64_t slow = decoder_slow_count(f->decoders.fast);
        snprintf(frame, sizeof frame, "[1,{\"a\":%s},\"ticker\",\"XBT/USD\"]", ROWS[i].value);
        assert_true(decode_fixture_text(*state, "kraken-v1", "ticker.XBT/USD", frame, &m, &why));
        assert_true(td_bytes_is(m.record.items[0].values[0].as.text, ROWS[i].text));
        assert_int_equal(decoder_slow_count(f->decoders.fast) > slow, ROWS[i].is_slow);
    }
}

/* A member of an entry that is both a field and the frame's kind, and a trade that lacks the symbol
 * by which its frame is known. */
static void test_members_with_two_meanings(void **state)
{
    td_arena *memory = td_arena_open();
    message m;
    decode(*state, memory,
           "    - type event_type text\n"
           "topics:\n  - topic: \"tick.{symbol}\"\n    message: ticker\n    title: Tickers\n"
           "    kind_key: data.type\n    fields: entry\n    entries: [data none any]\n",
           "tick.BTCUSDT", "{\"topic\":\"tick.BTCUSDT\",\"data\":{\"p\":\"1\",\"type\":\"delta\"}}",
           &m);
    assert_int_equal(m.head.kind, FRAME_DELTA);
    assert_int_equal(m.record.items[0].value_count, 2);
    decode_reason reason =
        try_decode(*state, memory,
                   "    - v size decimal quantity required\n    - S side side required\n"
                   "    - s symbol text\n"
                   "topics:\n  - topic: \"trade.{symbol}\"\n    message: trade\n    title: Trades\n"
                   "    symbol: data.s\n    fields: entry\n    entries: [data none any]\n",
                   "trade.BTCUSDT",
                   "{\"topic\":\"trade\",\"data\":[{\"p\":\"1\",\"v\":\"2\",\"S\":\"Buy\"}]}", &m);
    assert_int_equal(reason, DECODE_MISSING_FIELD);
    td_arena_close(memory);
}

/* The fast path keeps the second of the last time in RFC 3339: other forms, and what is no time, do
 * not change the next one. */
static void test_times_of_a_second(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns; /* 0: no time */
    } ROWS[] = {
        {"2026-08-09T21:05:48.026294Z", UINT64_C(1786309548026294000)},
        {"2026-08-09T21:05:48Z", UINT64_C(1786309548000000000)},
        {"2026-08-09T25:05:48.1Z", 0},
        {"2026-08-09T21:05:48.123456789Z", UINT64_C(1786309548123456789)},
        {"2026-08-09T21:05:48.1234567891Z", 0},
        {"2026-08-09T21:05:48.Z", 0},
        {"2026-08-09T23:05:48.5+02:00", UINT64_C(1786309548500000000)},
        {"2026-08-09T21:05:48.1+00:00", UINT64_C(1786309548100000000)},
        {"9999-08-09T21:05:48.1Z", 0},
        {"2026-08-09T21:05:48.000001Z", UINT64_C(1786309548000001000)},
        {"2026-08-09T21:05Z", UINT64_C(1786309500000000000)},
        {"2026-08-09T21:05:49.9Z", UINT64_C(1786309549900000000)},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char frame[512];
        message m;
        decode_error why;
        snprintf(frame, sizeof frame,
                 "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/USD\","
                 "\"bids\":[{\"price\":1.50,\"qty\":0.00}],\"asks\":[],\"checksum\":1,"
                 "\"timestamp\":\"%s\"}]}",
                 ROWS[i].text);
        int is_decoded =
            decode_fixture_text(*state, "kraken-v2", "book-10.BTC/USD", frame, &m, &why);
        assert_int_equal(is_decoded, ROWS[i].ns != 0);
        if (is_decoded)
            assert_int_equal(m.head.exchange_ns, ROWS[i].ns);
    }
}

/* The topic has no symbol: that of the entries is the frame's. */
static void test_symbol_of_a_trade(void **state)
{
    td_arena *memory = td_arena_open();
    message m;
    decode(*state, memory,
           "    - v size decimal quantity required\n    - S side side required\n"
           "    - s symbol text\n"
           "topics:\n  - topic: \"trade\"\n    message: trade\n    title: Trades\n"
           "    fields: entry\n    entries: [data none any]\n",
           "trade",
           "{\"topic\":\"trade\",\"data\":[{\"p\":\"1\",\"v\":\"2\",\"S\":\"Buy\","
           "\"s\":\"BTCUSDT\"}]}",
           &m);
    assert_true(td_bytes_is(m.head.symbol, "BTCUSDT"));
    assert_int_equal(m.head.foreign_symbols, 0);
    td_arena_close(memory);
}

/* Only a book adds the two sizes, so elsewhere they may be beyond 64 bits. */
static void test_big_sizes(void **state)
{
    td_arena *memory = td_arena_open();
    message m;
    decode(*state, memory,
           "    - v size decimal quantity\n    - r rpi_size decimal quantity\n"
           "topics:\n  - topic: \"tick.{symbol}\"\n    message: ticker\n    title: Tickers\n"
           "    fields: entry\n    entries: [data none any]\n",
           "tick.BTCUSDT",
           "{\"topic\":\"tick.BTCUSDT\",\"data\":{\"p\":\"1\",\"r\":\"1\","
           "\"v\":\"123456789012345678901234567890\"}}",
           &m);
    assert_int_equal(m.record.items[0].value_count, 3);
    assert_int_equal(m.record.items[0].values[1].type, VALUE_BIG_DECIMAL);
    td_arena_close(memory);
}

/* Small entries, which inherit a hundred values each. */
static void test_many_inherited(void **state)
{
    enum { FIELDS = 100, ENTRIES = 5000 };
    static char yaml[DOCUMENT_BYTES / 2], frame[FIELDS * 16 + ENTRIES * 8 + 100];
    td_arena *memory = td_arena_open();
    message m;
    size_t used = 0, size = 0;
    size += (size_t)snprintf(frame, sizeof frame, "{\"topic\":\"t.BTCUSDT\",\"data\":{");
    for (int i = 0; i < FIELDS; i++) {
        used += (size_t)snprintf(yaml + used, sizeof yaml - used,
                                 "    - a%d last_price decimal price inherited\n", i);
        size += (size_t)snprintf(frame + size, sizeof frame - size, "\"a%d\":1,", i);
    }
    (void)snprintf(yaml + used, sizeof yaml - used,
                   "topics:\n  - topic: \"t.{symbol}\"\n    message: ticker\n    title: T\n"
                   "    fields: entry\n    entries: [data.l none any]\n");
    size += (size_t)snprintf(frame + size, sizeof frame - size, "\"l\":[{\"p\":1}");
    for (int i = 1; i < ENTRIES; i++)
        size += (size_t)snprintf(frame + size, sizeof frame - size, ",{\"p\":1}");
    (void)snprintf(frame + size, sizeof frame - size, "]}}");
    assert_int_equal(try_decode(*state, memory, yaml, "t.BTCUSDT", frame, &m), DECODE_LIMIT);
    td_arena_close(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_inherited, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_big_sizes, decode_fixture_open, decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_symbol_of_a_trade, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_members_with_two_meanings, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_times_of_a_second, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_time_of_a_book, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_lists_as_values, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_number_and_time_of_a_level, decode_fixture_open,
                                        decode_fixture_close),
        cmocka_unit_test_setup_teardown(test_side_of_a_level, decode_fixture_open,
                                        decode_fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
