/* Reading message JSON, as other decoders answer it. test_rows.c, test_golden.c and
 * fuzz_message_read.c check that our own messages survive a round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "schema/canonical.h"
#include "schema/family.h"
#include "schema/message_build.h"
#include "tests/testing/message_round.h"

static message_subject subject_of(const char *family_name, const char *topic)
{
    topic_match found;
    const family *of = family_find(td_bytes_str(family_name));
    assert_non_null(of);
    assert_true(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_ANY_TIME, &found));
    return (message_subject){found.row, found.topic, found.symbol};
}

#define BOOK  "inverse", "orderBookL2_25.BTCUSD"
#define TRADE "inverse", "trade.BTCUSD"

/* ---- refused texts ---- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic;
        const char *text, *why;
    } CASES[] = {
        {BOOK, "[]", "no object"},
        {BOOK, "{\"type\":\"trade\"}", "type: not the type of this topic"},
        {BOOK, "{\"type\":\"books\"}", "type: books is not of type a message"},
        {BOOK, "{\"kind\":\"any\"}", "kind: any is not of type a kind"},
        {BOOK, "{\"kind\":\"delta\",\"kind\":\"delta\"}", "kind: twice"},
        {BOOK, "{\"topic\":\"trade\"}", "topic: not that of the frame"},
        {BOOK, "{\"symbol\":\"ETHUSD\"}", "symbol: not that of the frame"},
        {BOOK, "{\"cross_seq\":1.5}", "cross_seq: 1.5 is not of type integer"},
        {BOOK, "{\"cross_seq\":1,\"cross_seq\":1}", "cross_seq: twice"},
        {BOOK, "{\"exchange_ns\":\"soon\"}", "exchange_ns: soon is not of type time"},
        {BOOK, "{\"sequence\":1}", "sequence: unknown member"},
        {BOOK, "{\"last_price\":1}", "last_price: not a member of this topic"},
        {BOOK, "{\"trades\":[]}", "trades: unknown member"},
        {BOOK, "{\"levels\":{}}", "levels: no array"},
        {BOOK, "{\"levels\":[],\"levels\":[]}", "levels: twice"},
        {BOOK, "{\"levels\":[1]}", "levels[0]: no object"},
        {BOOK, "{\"levels\":[{}]}", "levels[0]: a level without action"},
        {BOOK, "{\"levels\":[{\"action\":\"none\"}]}",
         "levels[0].action: none is not of type an action"},
        {BOOK, "{\"levels\":[{\"action\":\"set\"}]}", "levels[0]: a level without side"},
        {BOOK, "{\"levels\":[{\"action\":\"set\",\"side\":\"none\"}]}",
         "levels[0]: a level without side"},
        {BOOK, "{\"levels\":[{\"action\":\"set\",\"side\":\"bid\"}]}",
         "levels[0].side: bid is not of type side"},
        {BOOK, "{\"levels\":[{\"action\":\"set\",\"side\":\"Buy\"}]}",
         "levels[0]: a level without price"},
        {BOOK, "{\"levels\":[{\"action\":\"set\",\"side\":\"Buy\",\"price\":1}]}",
         "levels[0]: a level without size"},
        {BOOK,
         "{\"levels\":[{\"action\":\"delete\",\"side\":\"Buy\",\"price\":1},"
         "{\"action\":\"set\",\"side\":\"Buy\",\"price\":\"1\",\"px\":1}]}",
         "levels[1].px: unknown member"},
        {BOOK, "{\"levels\":[{\"price\":1,\"price\":1}]}", "levels[0].price: twice"},
        {BOOK, "{\"levels\":[{\"price\":12345678901234567890123}]}",
         "levels[0].price: 12345678901234567890123 is not of type decimal"},
        {BOOK, "{\"levels\":[{\"price\":[1]}]}", "levels[0].price: [1] is not of type decimal"},
        {BOOK,
         "{\"levels\":[{\"action\":\"set\",\"side\":\"Buy\",\"price\":1,\"size\":"
         "9223372036854775807,\"rpi_size\":1}]}",
         "levels[0]: the sum of the sizes is beyond 64 bits"},
        {BOOK, "{\"levels\":[{\"last_price\":1}]}",
         "levels[0].last_price: not a member of this topic"},
        {TRADE, "{\"trades\":[{\"action\":\"set\"}]}", "trades[0].action: unknown member"},
        {TRADE, "{\"trades\":[{\"side\":true}]}", "trades[0].side: true is not of type side"},
        {TRADE, "{\"trades\":[{\"is_block_trade\":2}]}",
         "trades[0].is_block_trade: 2 is not of type bool"},
        {TRADE, "{\"items\":[]}", "items: unknown member"},
        {"inverse", "klineV2.1.BTCUSD", "{\"items\":[{\"open\":\"1\",\"open\":\"1\"}]}",
         "items[0].open: twice"},
        {"inverse", "klineV2.1.BTCUSD", "{\"items\":[{\"open\":\"high\"}]}",
         "items[0].open: high is not of type decimal"},
    };
    message_round *round = message_round_open();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        message m;
        td_err err;
        const message_subject subject = subject_of(CASES[i].family, CASES[i].topic);
        if (message_round_read(round, &subject, td_bytes_str(CASES[i].text), &m, &err))
            fail_msg("accepted: %s", CASES[i].text);
        if (strcmp(err.text, CASES[i].why) != 0)
            fail_msg("%s\nexpected %s\nfound    %s", CASES[i].text, CASES[i].why, err.text);
    }
    message_round_close(round);
}

/* ---- equal texts ---- */

/* Texts of one message: numbers in any spelling, members in any order, and the forms of absent
 * values. */
static void test_spellings_are_equal(void **state)
{
    (void)state;
    static const char *const BOOKS[] = {
        "{\"type\":\"book_change\",\"kind\":\"delta\",\"topic\":\"orderBookL2_25\",\"symbol\":"
        "\"BTCUSD\",\"exchange_ns\":5,\"cross_seq\":7,\"levels\":[{\"action\":\"update\",\"side\":"
        "\"Buy\",\"price\":\"1.50\",\"size\":\"1000\"},{\"action\":\"delete\",\"side\":\"Sell\","
        "\"price\":\"2\",\"size\":null}]}",
        "{\"n\":9,\"levels\":[{\"size\":1e3,\"price\":1.5,\"side\":\"BUY\",\"action\":\"update\","
        "\"symbol\":\"\",\"id\":null},{\"action\":\"delete\",\"side\":\"SELL\",\"price\":2.0,"
        "\"size\":\"0\"}],\"cross_seq\":\"7\",\"exchange_ns\":\"5\",\"u\":null,\"kind\":"
        "\"d\\u0065lta\",\"unknown_fields\":3}",
    };
    message_round *round = message_round_open();
    const message_subject subject = subject_of(BOOK);
    uint64_t hashes[2];
    for (size_t i = 0; i < 2; i++) {
        message m;
        td_err err;
        if (!message_round_read(round, &subject, td_bytes_str(BOOKS[i]), &m, &err))
            fail_msg("%s", err.text);
        hashes[i] = canonical_hash(&m);
        assert_true(td_bytes_is(m.head.topic, "orderBookL2_25"));
        assert_true(td_bytes_is(m.head.symbol, "BTCUSD"));
        assert_ptr_equal(m.head.row, subject.row);
    }
    assert_true(hashes[0] == hashes[1]);
    message_round_close(round);
}

/* Symbols of entries: foreign if the topic names another one, the message's if the topic names no
 * symbol. */
static void test_symbols(void **state)
{
    (void)state;
    static const struct {
        const char *own, *text, *symbol;
        uint32_t foreign;
        uint8_t keeps;
    } CASES[] = {
        {"BTCUSD", "{\"trades\":[{\"symbol\":\"BTCUSD\"}]}", "BTCUSD", 0, 0},
        {"BTCUSD", "{\"trades\":[{\"symbol\":\"ETHUSD\"}]}", "BTCUSD", 1, 1},
        {"", "{\"trades\":[{\"symbol\":\"ETHUSD\"}]}", "ETHUSD", 0, 0},
        {"", "{\"symbol\":\"ETHUSD\",\"trades\":[{}]}", "ETHUSD", 0, 0},
        {"", "{\"trades\":[{\"symbol\":\"A\"},{\"symbol\":\"B\"}]}", "*", 0, 1},
    };
    message_round *round = message_round_open();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        message m;
        td_err err;
        message_subject subject = subject_of(TRADE);
        subject.symbol = td_bytes_str(CASES[i].own);
        if (!message_round_read(round, &subject, td_bytes_str(CASES[i].text), &m, &err))
            fail_msg("%s: %s", CASES[i].text, err.text);
        assert_true(td_bytes_is(m.head.symbol, CASES[i].symbol));
        assert_int_equal(m.head.foreign_symbols, CASES[i].foreign);
        assert_int_equal(m.trades.trades[0].symbol.size > 0, CASES[i].keeps);
    }
    message_round_close(round);
}

/* If a topic has no row, each value has the type that it has in the JSON text. */
static void test_without_row(void **state)
{
    (void)state;
    static const message_subject NO_ROW = {NULL, {NULL, 0}, {NULL, 0}};
    message_round *round = message_round_open();
    message m;
    td_err err;
    const char *text =
        "{\"items\":[{\"last_price\":1.5,\"is_first\":true,\"symbol\":\"X\",\"volume\":"
        "3}],\"topic\":\"new\",\"type\":\"ticker\"}";
    if (!message_round_read(round, &NO_ROW, td_bytes_str(text), &m, &err))
        fail_msg("%s", err.text);
    assert_int_equal(m.head.type, MSG_TICKER);
    assert_true(td_bytes_is(m.head.topic, "new"));
    assert_int_equal(m.record.items[0].values[0].type, VALUE_DECIMAL);
    assert_int_equal(m.record.items[0].values[1].type, VALUE_BOOL);
    assert_int_equal(m.record.items[0].values[2].type, VALUE_TEXT);
    assert_int_equal(m.record.items[0].values[3].type, VALUE_INTEGER);
    assert_false(
        message_round_read(round, &NO_ROW, td_bytes_str("{\"kind\":\"delta\"}"), &m, &err));
    assert_string_equal(err.text, "type: missing, of a topic that has no row");
    message_round_close(round);
}

/* ---- piece by piece ---- */

static const written_value *text(const char *from)
{
    static written_value made[8];
    static size_t next;
    next = (next + 1) % 8;
    made[next] = (written_value){.type = JSON_STRING, .text = td_bytes_str(from)};
    return &made[next];
}

/* Values that are kept as JSON may be given as texts. */
static void test_json_text(void **state)
{
    (void)state;
    static const msg_member NONE = MEMBER_NONE;
    const topic_row *row = NULL;
    msg_member member = NONE;
    size_t count = 0;
    const family *const *families = family_table(&count);
    for (size_t f = 0; f < count; f++)
        for (size_t i = 0; i < families[f]->topic_count; i++)
            for (size_t k = 0; k < families[f]->topics[i].field_count; k++)
                if (families[f]->topics[i].fields[k].type == FIELD_JSON) {
                    row = &families[f]->topics[i];
                    member = row->fields[k].member;
                }
    assert_non_null(row);
    const message_subject subject = {row, td_bytes_str("t"), td_bytes_str("S")};
    static const char *const TEXTS[] = {"{\"b\":1, \"a\":[ ]}", "{\"a\":[],\"b\":1}", "{"};
    td_bytes first = {NULL, 0};
    td_arena *arena = td_arena_open();
    assert_non_null(arena);
    message_builder *b = message_builder_open();
    for (size_t i = 0; i < 3; i++) {
        message m;
        td_err err;
        message_build_begin(b, &subject, td_bytes_of(NULL, 0), arena);
        message_build_entry(b);
        message_build_member(b, td_bytes_str(msg_member_name(member)), text(TEXTS[i]));
        assert_int_equal(message_build_end(b, &m, &err), i < 2 ? TD_OK : TD_E_INVALID);
        if (i == 0)
            first = m.record.items[0].values[0].as.text;
        if (i == 1)
            assert_true(td_bytes_equal(m.record.items[0].values[0].as.text, first));
    }
    message_builder_close(b);
    td_arena_close(arena);
}

static td_result build_trade(uint64_t head_ns, const char *other, uint64_t trade_ns, message *out,
                             td_arena *arena, td_err *err)
{
    message_builder *b = message_builder_open();
    const message_subject subject = subject_of(TRADE);
    const written_value time = written_time(head_ns);
    message_build_begin(b, &subject, td_bytes_of(NULL, 0), arena);
    message_build_head(b, td_bytes_str(other), &time);
    message_build_trade(b, td_bytes_str("Sell"), td_bytes_str("1.5"), td_bytes_str("2"), trade_ns,
                        td_bytes_str("id"));
    message_build_member(b, td_bytes_str("cross_seq"), text("7"));
    td_result rc = message_build_end(b, out, err);
    message_builder_close(b);
    return rc;
}

/* A time as a number is what its text is, and no value of another type. */
static void test_times_as_numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns, trade_ns;
        const char *name, *why;
    } CASES[] = {
        {1, UINT64_C(1) << 63, "exchange_ns", "trades[0].exchange_ns: a time is not of type time"},
        {UINT64_C(1) << 63, 1, "exchange_ns", "exchange_ns: a time is not of type time"},
        {1, 1, "cross_seq", "cross_seq: a time is not of type integer"},
        {1, 1, "kind", "kind: unknown member"},
        {1, 1, "symbol", "symbol: not a member of this topic"},
    };
    message m;
    message read;
    td_err err;
    td_arena *arena = td_arena_open();
    message_round *round = message_round_open();
    const message_subject subject = subject_of(TRADE);
    for (uint64_t ns = 0; ns <= INT64_MAX; ns += INT64_MAX) {
        char wanted[256];
        (void)snprintf(wanted, sizeof wanted,
                       "{\"exchange_ns\":%" PRIu64 ",\"trades\":[{\"side\":\"Sell\",\"price\":1.5,"
                       "\"size\":2,\"exchange_ns\":%" PRIu64
                       ",\"trade_id\":\"id\",\"cross_seq\":7}]}",
                       ns, ns);
        assert_int_equal(build_trade(ns, "exchange_ns", ns, &m, arena, &err), TD_OK);
        assert_true(message_round_read(round, &subject, td_bytes_str(wanted), &read, &err));
        assert_int_equal(canonical_hash(&m), canonical_hash(&read));
    }
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(
            build_trade(CASES[i].ns, CASES[i].name, CASES[i].trade_ns, &m, arena, &err),
            TD_E_INVALID);
        assert_string_equal(err.text, CASES[i].why);
    }
    message_round_close(round);
    td_arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_spellings_are_equal),
        cmocka_unit_test(test_symbols),   cmocka_unit_test(test_without_row),
        cmocka_unit_test(test_json_text), cmocka_unit_test(test_times_as_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
