/* sim/sim_family: a running market's frames are what the exchange would send, for every family and
 * topic of its tables. Checked with the schema's decoders and with book/ and its continuity rules,
 * which share no code with sim/: every frame decodes, no rule is broken, and books built from the
 * frames have the engine's SHA-1. */
#include "sim/sim_family.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "book/book.h"
#include "book/continuity.h"
#include "schema/decode.h"
#include "tests/testing/decode_fixture.h"
#include "sim/catalog.h"
#include "sim/flow.h"
#include "sim/truth.h"

enum { SLOTS = 5000, SYMBOLS = 7, STREAMS_MAX = SYMBOLS * SIM_SYMBOL_STREAMS_MAX };

static const uint64_t START_NS = 1795174069000000000u;

/* Steps are so far apart that minutes pass. */
#define STEP_NS (80 * TD_NS_PER_MS)

/* A reader of frames: decoder, and a track for each stream. */
typedef struct reader {
    const family *family;
    decoder *decoder;
    track *tracks[STREAMS_MAX];
    uint64_t frames[STREAMS_MAX];
    uint64_t marks;
} reader;

static void reader_init(reader *r, const char *family_name)
{
    *r = (reader){.family = family_find(td_bytes_str(family_name))};
    assert_non_null(r->family);
    r->decoder = decoder_open();
}

static void reader_fini(reader *r)
{
    for (size_t i = 0; i < STREAMS_MAX; i++)
        track_close(r->tracks[i]);
    decoder_close(r->decoder);
}

/* Decodes a frame, and judges it with its topic's track. */
static void read_frame(reader *r, const sim_family *v, const sim_frame *frame)
{
    classification what;
    message decoded;
    decode_error why;
    verdict found;
    sim_stream stream = sim_family_stream_at(v, frame->stream);
    static uint8_t padded[SIM_FRAME_BYTES_MAX + DECODE_PADDING_BYTES];
    r->frames[frame->stream]++;
    memcpy(padded, frame->bytes.data, frame->bytes.size);
    td_bytes bytes = td_bytes_of(padded, frame->bytes.size);
    classify_as_named(r->decoder, r->family, bytes, TOPIC_NOW, stream.topic, &what);
    if (what.topic.row == NULL)
        fail_msg("no topic: %.*s", (int)bytes.size, (const char *)bytes.data);
    assert_int_equal(what.frame_class, CLASS_DATA);
    if (!td_bytes_is(what.topic.topic, stream.topic) ||
        (!td_bytes_is(what.topic.symbol, stream.symbol) && !td_bytes_is(what.topic.symbol, "*")))
        fail_msg("%s: read as topic %.*s, symbol %.*s", stream.exchange_topic,
                 (int)what.topic.topic.size, (const char *)what.topic.topic.data,
                 (int)what.topic.symbol.size, (const char *)what.topic.symbol.data);
    if (r->tracks[frame->stream] == NULL)
        r->tracks[frame->stream] = track_open(what.topic.row);
    topic_match topic = what.topic;
    if (!decoder_decode(r->decoder, &topic, bytes, DECODE_PATH_FAST, &decoded, &why))
        fail_msg("%s at %zu: %.*s", decode_reason_name(why.reason), why.offset, (int)bytes.size,
                 (const char *)bytes.data);
    if (decoded.head.unknown_fields != 0)
        fail_msg("%u unknown fields: %.*s", (unsigned)decoded.head.unknown_fields, (int)bytes.size,
                 (const char *)bytes.data);
    track_apply(r->tracks[frame->stream], &decoded, &found);
    for (size_t i = 0; i < found.count; i++)
        if (found.items[i].strength == STRENGTH_ERROR)
            fail_msg("%s: %.*s", rule_name(found.items[i].rule), (int)bytes.size,
                     (const char *)bytes.data);
}

/* Checks that the book after a frame equals the engine's. */
static void check_book(reader *r, const sim_family *v, const sim_frame *frame)
{
    char engine[TD_SHA1_HEX_BYTES];
    char book_text[TD_SHA1_HEX_BYTES];
    const book_window *shown = sim_family_stream_at(v, frame->stream).book;
    if (shown == NULL || r->tracks[frame->stream] == NULL ||
        track_book(r->tracks[frame->stream]) == NULL || r->frames[frame->stream] % 20 != 0)
        return;
    const book *built = track_book(r->tracks[frame->stream]);
    truth_levels_sha1(sim_family_stream_at(v, frame->stream).traded, shown, engine);
    book_levels_sha1(built, book_text);
    if (strcmp(engine, book_text) != 0)
        fail_msg("%s: not the engine's book",
                 sim_family_stream_at(v, frame->stream).exchange_topic);
    r->marks++;
}

/* Read the reply with a stream's snapshot: it makes the book whole. */
static void read_reply(reader *r, const sim_family *v, const sim_frame *reply)
{
    const td_bytes name = td_bytes_str(sim_family_stream_at(v, reply->stream).exchange_topic);
    static uint8_t padded[SIM_FRAME_BYTES_MAX + DECODE_PADDING_BYTES];
    topic_match topic;
    message decoded;
    decode_error why;
    verdict found;
    assert_true(
        topic_match_text(r->family->topics, r->family->topic_count, name, TOPIC_NOW, &topic));
    if (r->tracks[reply->stream] == NULL)
        r->tracks[reply->stream] = track_open(topic.row);
    topic.row = topic.row->snapshot_reply;
    memcpy(padded, reply->bytes.data, reply->bytes.size);
    assert_true(decoder_decode(r->decoder, &topic, td_bytes_of(padded, reply->bytes.size),
                               DECODE_PATH_WHOLE, &decoded, &why));
    assert_int_equal(decoded.head.unknown_fields, 0);
    track_apply(r->tracks[reply->stream], &decoded, &found);
    assert_true(found.is_spliced);
    assert_int_equal(found.count, 0);
}

static void read_snapshots(reader *r, sim_family *v)
{
    sim_frame frame;
    for (uint32_t i = 0; i < sim_family_stream_count(v); i++) {
        if (sim_family_snapshot(v, i, &frame))
            read_frame(r, v, &frame);
        else if (sim_family_reply(v, i, &frame))
            read_reply(r, v, &frame);
    }
}

static sim_family *open_family(const catalog_row *row, uint64_t seed)
{
    sim_family *v = NULL;
    const sim_family_options options = {.row = row,
                                        .symbol_count = catalog_symbol_count(row, SYMBOLS),
                                        .seed = seed,
                                        .start_ns = START_NS};
    v = sim_family_open(&options);
    assert_true(sim_family_stream_count(v) <= STREAMS_MAX);
    return v;
}

static void want_all(sim_family *v)
{
    for (uint32_t i = 0; i < sim_family_stream_count(v); i++)
        sim_family_subscribe(v, i);
}

static void run_slots(reader *r, sim_family *v, uint64_t from, uint64_t to)
{
    sim_frame frame;
    for (uint64_t i = from; i < to; i++) {
        if (!sim_family_next(v, START_NS + i * STEP_NS, &frame))
            continue;
        read_frame(r, v, &frame);
        check_book(r, v, &frame);
    }
}

static uint64_t frames_of_row(const reader *r, const sim_family *v, const stream_row *row)
{
    uint64_t count = 0;
    uint32_t streams = 0;
    for (uint32_t i = 0; i < sim_family_stream_count(v); i++) {
        if (sim_family_stream_at(v, i).row != row)
            continue;
        streams++;
        count += r->frames[i];
    }
    return streams == 0 ? 1 : count; /* no symbol here has the row's class */
}

static void check_family(const catalog_row *row)
{
    static reader r;
    sim_family *v = open_family(row, 42);
    want_all(v);
    reader_init(&r, row->of->name);
    read_snapshots(&r, v);
    run_slots(&r, v, 1, SLOTS);
    for (size_t i = 0; i < row->public_count; i++)
        if (frames_of_row(&r, v, &row->streams[i]) == 0)
            fail_msg("%s: nothing came of %s", row->of->name, row->streams[i].topic);
    for (uint32_t i = 0; i < sim_family_stream_count(v); i++) {
        sim_stream of = sim_family_stream_at(v, i);
        if (of.is_private && r.frames[i] == 0)
            fail_msg("%s: %s", row->of->name, of.exchange_topic);
    }
    print_message("  %s: %u streams, %llu book marks\n", row->of->name, sim_family_stream_count(v),
                  (unsigned long long)r.marks);
    reader_fini(&r);
    sim_family_close(v);
}

static void test_families(void **state)
{
    (void)state;
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++)
        if (catalog_find(*name) != NULL)
            check_family(catalog_find(*name));
}

/* A late subscriber can continue from its snapshot. */
static void test_late_subscriber(void **state)
{
    (void)state;
    static const char *const FAMILIES[] = {"inverse", "v5-linear", "v5-spot", "spot-v1"};
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        static reader r;
        sim_frame frame;
        sim_family *v = open_family(catalog_find(FAMILIES[i]), 5);
        want_all(v);
        reader_init(&r, FAMILIES[i]);
        for (uint64_t k = 1; k <= 5000; k++)
            (void)sim_family_next(v, START_NS + k * STEP_NS, &frame);
        read_snapshots(&r, v);
        run_slots(&r, v, 5001, 10000);
        reader_fini(&r);
        sim_family_close(v);
    }
}

/* The frames of a seed, public and private, as one digest. */
static uint64_t digest_of(const catalog_row *row, uint64_t seed)
{
    sim_frame frame;
    sim_family *v = open_family(row, seed);
    uint64_t digest = 0;
    want_all(v);
    for (uint64_t i = 1; i <= 500; i++)
        if (sim_family_next(v, START_NS + i * STEP_NS, &frame))
            digest = digest * 31 + td_xxh64(frame.bytes.data, frame.bytes.size);
    sim_family_close(v);
    return digest;
}

static void test_seed(void **state)
{
    (void)state;
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++) {
        const catalog_row *row = catalog_find(*name);
        if (row == NULL)
            continue;
        uint64_t digest = digest_of(row, 1);
        assert_int_equal(digest_of(row, 1), digest);
        if (row->products[0] != PRODUCT_NONE)
            assert_int_not_equal(digest_of(row, 2), digest);
    }
}

/* Only subscribed topics are sent; each begins with the state at its subscription. */
static void test_only_subscribed(void **state)
{
    (void)state;
    sim_family *v = open_family(catalog_find("v5-linear"), 9);
    sim_frame frame;
    static reader r;
    assert_int_equal(sim_family_next(v, START_NS + STEP_NS, &frame), 0);
    uint32_t trades = sim_family_find(v, td_bytes_str("publicTrade.BTCUSDT"));
    assert_true(trades < sim_family_stream_count(v));
    assert_int_equal(sim_family_find(v, td_bytes_str("publicTrade")), sim_family_stream_count(v));
    sim_family_subscribe(v, trades);
    for (uint64_t i = 2; i < 4000; i++)
        if (sim_family_next(v, START_NS + i * STEP_NS, &frame))
            assert_int_equal(frame.stream, trades);
    reader_init(&r, "v5-linear");
    uint32_t minute = sim_family_find(v, td_bytes_str("kline.1.BTCUSDT"));
    uint32_t shown = sim_family_find(v, td_bytes_str("orderbook.50.BTCUSDT"));
    sim_family_subscribe(v, minute);
    sim_family_subscribe(v, shown);
    assert_int_equal(sim_family_snapshot(v, minute, &frame), 1);
    read_frame(&r, v, &frame);
    assert_int_equal(sim_family_snapshot(v, shown, &frame), 1);
    read_frame(&r, v, &frame);
    run_slots(&r, v, 4000, 8000);
    assert_true(r.frames[minute] > 10);
    assert_true(r.marks > 10);
    reader_fini(&r);
    sim_family_close(v);
}

/* The id of the last trade in a frame. */
static void last_trade_id(td_bytes frame, char out[64])
{
    static const char KEY[] = "\"trade_id\":\"";
    out[0] = '\0';
    for (size_t at = 0; at + sizeof KEY + 36 <= frame.size; at++)
        if (memcmp(frame.data + at, KEY, sizeof KEY - 1) == 0)
            (void)snprintf(out, 64, "%.36s", (const char *)frame.data + at + sizeof KEY - 1);
}

/* docs/wire.md 5.9: the first frame for a subscriber of linear trades has the last trade, even if
 * the topic had no subscriber before. Not so for inverse. */
static void test_old_first_trade(void **state)
{
    (void)state;
    static const struct {
        const char *family, *topic;
        int has_first;
    } ROWS[] = {{"linear", "trade.BTCUSDT", 1}, {"inverse", "trade.BTCUSD", 0}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        sim_family *v = open_family(catalog_find(ROWS[i].family), 9);
        sim_frame frame;
        char first[64];
        char next[64];
        uint32_t trades = sim_family_find(v, td_bytes_str(ROWS[i].topic));
        for (uint64_t n = 1; n < 2000; n++)
            (void)sim_family_next(v, START_NS + n * STEP_NS, &frame);
        sim_family_subscribe(v, trades);
        assert_int_equal(sim_family_snapshot(v, trades, &frame), ROWS[i].has_first);
        if (ROWS[i].has_first) {
            last_trade_id(frame.bytes, first);
            assert_int_equal(strlen(first), 36);
            uint64_t step = 2000;
            while (!sim_family_next(v, START_NS + step * STEP_NS, &frame))
                step++;
            last_trade_id(frame.bytes, next);
            assert_string_not_equal(next, first); /* it is sent only once */
        }
        sim_family_close(v);
    }
}

/* A subscriber's first frame has the trade that was sent last, at any moment: also between the
 * frames of an event with several trades. So the next frame repeats no trade. */
static void check_no_trade_repeats(const catalog_row *row)
{
    static int64_t newest[STREAMS_MAX];
    sim_family *v = open_family(row, 3);
    sim_frame frame;
    memset(newest, 0, sizeof newest);
    want_all(v);
    for (uint64_t n = 1; n <= SLOTS; n++) {
        if (!sim_family_next(v, START_NS + n * STEP_NS, &frame))
            continue;
        const uint32_t at = frame.stream;
        const sim_stream of = sim_family_stream_at(v, at);
        if (of.row->kind != STREAM_TRADE && of.row->kind != STREAM_TRADE_EACH)
            continue;
        const int64_t next = sim_family_item(v, 0)[SIM_TRADE_NUMBER].n;
        if (next <= newest[at])
            fail_msg("%s: a trade after the first frame repeats it", of.exchange_topic);
        if (sim_family_snapshot(v, at, &frame))
            newest[at] = sim_family_item(v, 0)[SIM_TRADE_NUMBER].n;
    }
    sim_family_close(v);
}

static void test_first_trade_not_repeated(void **state)
{
    (void)state;
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++)
        if (catalog_find(*name) != NULL)
            check_no_trade_repeats(catalog_find(*name));
}

/* A long run of the other traders, like days of a busy market: the books stay deep and near their
 * price, however far it moves; orders do not pile up at one price. */
static void test_books_stay_deep(void **state)
{
    (void)state;
    static const product PRODUCTS[] = {PRODUCT_INVERSE, PRODUCT_OPTION};
    for (size_t p = 0; p < sizeof PRODUCTS / sizeof PRODUCTS[0]; p++) {
        instrument traded = instrument_make(PRODUCTS[p], 0);
        market *m = NULL;
        flow f;
        m = market_open(0);
        flow_init(&f, &traded, 5);
        flow_fill(&f, &traded, m);
        for (uint64_t i = 1; i <= 500000; i++) {
            flow_step(&f, m);
            if (i < 10000 || i % 16 != 0)
                continue;
            for (int side = MARKET_BUY; side <= MARKET_SELL; side++) {
                size_t count = market_level_count(m, (market_side)side);
                int64_t best = market_level_at(m, (market_side)side, 0).price;
                int64_t worst = market_level_at(m, (market_side)side, count - 1).price;
                assert_true(count >= 200);
                assert_true(market_level_at(m, (market_side)side, 0).size <
                            1000 * traded.lots_typical);
                assert_true(best - worst < 4000);
                assert_true(worst - best < 4000);
            }
        }
        market_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_late_subscriber),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_only_subscribed),
        cmocka_unit_test(test_books_stay_deep),
        cmocka_unit_test(test_old_first_trade),
        cmocka_unit_test(test_first_trade_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
