/* Snapshots that are made from a book. Expected: the recorded snapshot with the delta applied by
 * hand; shapes are from docs/wire.md 2.2, 3.3, 5.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"
#include "replay/play/snapshot.h"
#include "schema/decode.h"
#include "schema/family.h"

typedef struct snapshot_case {
    const char *name, *family, *topic;
    const char *model, *delta;
    const char *made; /* NULL: TD_E_UNSUPPORTED */
} snapshot_case;

#define V5(type, b, a, u)                                                                          \
    "{\"topic\":\"orderbook.50.XUSDT\",\"type\":\"" type "\",\"ts\":100" u                         \
    ",\"data\":{\"s\":\"XUSDT\",\"b\":[" b "],\"a\":[" a "],\"u\":" u ",\"seq\":7" u               \
    "},\"cts\":99" u "}"
#define OP_LEVEL(price, id, side, size)                                                            \
    "{\"price\":\"" price "\",\"symbol\":\"XUSD\",\"id\":" id ",\"side\":\"" side                  \
    "\",\"size\":" size "}"

#define L2_LEVEL(side, price, size)                                                                \
    "{\"side\":\"" side "\",\"price_level\":\"" price "\",\"new_quantity\":\"" size "\"}"
#define L2(number, type, levels)                                                                   \
    "{\"channel\":\"l2_data\",\"sequence_num\":" number ",\"events\":[{\"type\":\"" type           \
    "\",\"product_id\":\"A-B\",\"updates\":[" levels "]}]}"

static const snapshot_case CASES[] = {
    {"best first, places as recorded, numbers of the delta", "v5-linear", "orderbook.50.XUSDT",
     V5("snapshot", "[\"10.50\",\"3\"],[\"10.00\",\"1.250\"]", "[\"11.00\",\"7.5\"]", "1"),
     V5("delta", "[\"10.00\",\"0\"],[\"10.75\",\"2\"]", "[\"11.50\",\"0.001\"]", "2"),
     V5("snapshot", "[\"10.75\",\"2\"],[\"10.50\",\"3\"]",
        "[\"11.00\",\"7.5\"],[\"11.50\",\"0.001\"]", "2")},
    {"an empty book", "v5-linear", "orderbook.50.XUSDT",
     V5("snapshot", "[\"10.50\",\"3\"]", "", "1"), V5("delta", "[\"10.50\",\"0\"]", "", "2"),
     V5("snapshot", "", "", "2")},
    {"a model without levels", "v5-linear", "orderbook.50.XUSDT", V5("snapshot", "", "", "1"),
     V5("delta", "[\"10.5\",\"2\"]", "", "2"), V5("snapshot", "[\"10.5\",\"2\"]", "", "2")},
    {"rising prices, buys first, ids of five places", "inverse", "orderBookL2_25.XUSD",
     "{\"topic\":\"orderBookL2_25.XUSD\",\"type\":\"snapshot\",\"data\":[" OP_LEVEL(
         "0.28765", "28765", "Buy", "9") "," OP_LEVEL("0.28770", "28770", "Sell",
                                                      "4") "],\"cross_seq\":5,\"timestamp_e6\":50}",
     "{\"topic\":\"orderBookL2_25.XUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],\"update\":[],"
     "\"insert\":[" OP_LEVEL("0.28760", "28760", "Buy",
                             "2") "],\"transactTimeE6\":0},\"cross_seq\":6,\"timestamp_e6\":60}",
     "{\"topic\":\"orderBookL2_25.XUSD\",\"type\":\"snapshot\",\"data\":[" OP_LEVEL(
         "0.28760", "28760", "Buy",
         "2") "," OP_LEVEL("0.28765", "28765", "Buy",
                           "9") "," OP_LEVEL("0.28770", "28770", "Sell",
                                             "4") "],\"cross_seq\":6,"
                                                  "\"timestamp_e6\":60}"},
    {"words of sides, order and places as recorded", "coinbase-advanced", "level2.A-B",
     L2("7", "snapshot",
        L2_LEVEL("bid", "10.50", "3") "," L2_LEVEL("bid", "10", "1") "," L2_LEVEL("offer", "11",
                                                                                  "2")),
     L2("9", "update",
        L2_LEVEL("offer", "11.5", "4") "," L2_LEVEL("bid", "10.5", "0") "," L2_LEVEL("bid", "9",
                                                                                     "5")),
     L2("9", "snapshot",
        L2_LEVEL("bid", "10", "1") "," L2_LEVEL("bid", "9", "5") "," L2_LEVEL(
            "offer", "11", "2") "," L2_LEVEL("offer", "11.5", "4"))},
    {"a word of a side that was not recorded", "coinbase-advanced", "level2.A-B",
     L2("7", "snapshot", L2_LEVEL("bid", "10", "3")),
     L2("9", "update", L2_LEVEL("offer", "11", "4")), NULL},
    {"a list, with the times of the last frame, which has two objects", "kraken-v1", "book-10.X/Y",
     "[992,{\"as\":[[\"11.00000\",\"2.50000000\",\"1618678142.212817\"]],"
     "\"bs\":[[\"10.50000\",\"1.00000000\",\"1618678100.000001\"]]},\"book-10\",\"X/Y\"]",
     "[992,{\"a\":[[\"11.50000\",\"3.00000000\",\"1618678143.500000\",\"r\"]]},"
     "{\"b\":[[\"10.50000\",\"0.00000000\",\"1618678143.600000\"]],\"c\":\"1\"},"
     "\"book-10\",\"X/Y\"]",
     "[992,{\"as\":[[\"11.00000\",\"2.50000000\",\"1618678143.500000\"],"
     "[\"11.50000\",\"3.00000000\",\"1618678143.500000\"]],\"bs\":[]},\"book-10\",\"X/Y\"]"},
    {"no frame since the recorded snapshot", "v5-linear", "orderbook.50.XUSDT",
     V5("snapshot", "[\"10.00\",\"3\"],[\"10.5\",\"1\"]", "", "1"),
     V5("snapshot", "[\"10.00\",\"3\"],[\"10.5\",\"1\"]", "", "1"),
     V5("snapshot", "[\"10.00\",\"3\"],[\"10.5\",\"1\"]", "", "1")},
    {"ids that do not go with the price", "inverse", "orderBookL2_25.XUSD",
     "{\"topic\":\"orderBookL2_25.XUSD\",\"type\":\"snapshot\",\"data\":[" OP_LEVEL(
         "2.5", "77", "Buy", "9") "],\"cross_seq\":5,\"timestamp_e6\":50}",
     "{\"topic\":\"orderBookL2_25.XUSD\",\"type\":\"delta\",\"data\":{\"delete\":[],\"update\":[],"
     "\"insert\":[" OP_LEVEL("2.4", "76", "Buy",
                             "2") "],\"transactTimeE6\":0},\"cross_seq\":6,\"timestamp_e6\":60}",
     NULL},
};

static void apply(decoder *d, const topic_match *match, const char *frame, book *into)
{
    uint8_t padded[2048 + DECODE_PADDING_BYTES] = {0};
    message m;
    decode_error why;
    book_outcome outcome = {0};
    size_t size = (size_t)snprintf((char *)padded, 2048, "%s", frame);
    assert_true(size < 2048);
    assert_true(decoder_decode(d, match, td_bytes_of(padded, size), DECODE_PATH_FAST, &m, &why));
    book_apply(into, &m.book, &outcome);
}

static snapshot_source source_of(const topic_row *row, const char *model, const char *last)
{
    snapshot_source made;
    snapshot_source_init(&made);
    made.row = row;
    assert_int_equal(td_buf_append(&made.model, model, strlen(model), NULL), TD_OK);
    assert_int_equal(td_buf_append(&made.last, last, strlen(last), NULL), TD_OK);
    return made;
}

static void run_case(const snapshot_case *c, decoder *d, snapshot_maker *maker)
{
    const family *of = family_find(td_bytes_str(c->family));
    topic_match match;
    book *b = NULL;
    td_buf out;
    td_err err;
    print_message("%s\n", c->name);
    assert_true(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(c->topic), TOPIC_NOW, &match));
    b = book_open(match.row->book_depth);
    apply(d, &match, c->model, b);
    apply(d, &match, c->delta, b);
    td_buf_init(&out, LIMIT_FRAME_BYTES);
    snapshot_source from = source_of(match.row, c->model, c->delta);
    td_result rc = snapshot_make(maker, &from, b, &out, &err);
    assert_int_equal(rc, c->made == NULL ? TD_E_UNSUPPORTED : TD_OK);
    if (c->made == NULL)
        assert_int_equal(out.size, 0);
    else if (!td_bytes_is(td_buf_view(&out), c->made))
        fail_msg("got %.*s", (int)out.size, (const char *)out.data);
    snapshot_source_fini(&from);
    td_buf_fini(&out);
    book_close(b);
}

static void test_shapes(void **state)
{
    (void)state;
    snapshot_maker *maker = snapshot_maker_open();
    decoder *d = decoder_open();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        run_case(&CASES[i], d, maker);
    snapshot_maker_close(maker);
    decoder_close(d);
}

static void test_compressed_is_no_model(void **state)
{
    (void)state;
    snapshot_maker *maker = snapshot_maker_open();
    book *b = NULL;
    td_buf out;
    td_err err;
    topic_match match;
    const family *of = family_find(td_bytes_str("v5-linear"));
    assert_true(topic_match_text(of->topics, of->topic_count, td_bytes_str("orderbook.50.X"),
                                 TOPIC_NOW, &match));
    b = book_open(50);
    td_buf_init(&out, LIMIT_FRAME_BYTES);
    snapshot_source from = source_of(match.row, "\x1f\x8b\x08", "{}");
    assert_int_equal(snapshot_make(maker, &from, b, &out, &err), TD_E_UNSUPPORTED);
    assert_int_equal(out.size, 0);
    snapshot_source_fini(&from);
    td_buf_fini(&out);
    snapshot_maker_close(maker);
    book_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_compressed_is_no_model)};
    return cmocka_run_group_tests_name("replay/play/snapshot", tests, NULL, NULL);
}
