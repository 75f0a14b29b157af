/* sim/venue: what comes out of a running market is what the exchange would send. Checked with the
 * schema's decoders and with book/ and its continuity rules, which share no code with sim/: every
 * frame decodes, no rule is broken, and the books that are built from the frames have the SHA-1
 * that the matching engine says. What holds for all recorded frames (docs/wire.md 6.1 to 6.3) is
 * checked frame by frame. */
#include "sim/venue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "book/book.h"
#include "book/continuity.h"
#include "schema/decode.h"
#include "sim/truth.h"

enum { FRAMES = 30000, SYMBOLS = 4, STREAMS = SYMBOLS * VENUE_TOPICS };

static const uint64_t START_NS = 1618677786000000000u;

/* A reader of frames: decoder, and a track for each stream. */
typedef struct reader {
    const family *family;
    decoder *decoder;
    track *tracks[STREAMS];
    uint64_t frames[STREAMS];
    uint64_t marks;
} reader;

static void reader_init(reader *r, const char *family_name)
{
    *r = (reader){.family = family_find(td_bytes_str(family_name))};
    assert_non_null(r->family);
    assert_int_equal(decoder_open(&r->decoder, NULL), TD_OK);
}

static void reader_fini(reader *r)
{
    for (size_t i = 0; i < STREAMS; i++)
        track_close(r->tracks[i]);
    decoder_close(r->decoder);
}

/* Decode a frame both ways and let its stream's track judge it. */
static void read_frame(reader *r, const venue *v, const venue_frame *frame)
{
    classification what;
    message decoded;
    decode_error why;
    verdict found;
    venue_stream stream = venue_stream_at(v, frame->stream);
    static uint8_t padded[300 << 10];
    assert_true(frame->bytes.size + DECODE_PADDING_BYTES <= sizeof padded);
    memcpy(padded, frame->bytes.data, frame->bytes.size);
    td_bytes bytes = td_bytes_of(padded, frame->bytes.size);
    decoder_classify(r->decoder, r->family, bytes, DIR_IN, TOPIC_NOW, &what);
    assert_int_equal(what.frame_class, CLASS_DATA);
    assert_true(td_bytes_is(what.topic.topic, stream.topic));
    assert_true(td_bytes_is(what.topic.symbol, stream.symbol));
    if (r->tracks[frame->stream] == NULL)
        assert_int_equal(track_open(what.topic.row, &r->tracks[frame->stream], NULL), TD_OK);
    topic_match topic = {.row = what.topic.row,
                         .topic = td_bytes_str(stream.topic),
                         .symbol = td_bytes_str(stream.symbol)};
    if (!decoder_decode(r->decoder, &topic, bytes, DECODE_PATH_HOT, &decoded, &why))
        fail_msg("%s at %zu: %.*s", decode_reason_name(why.reason), why.offset, (int)bytes.size,
                 (const char *)bytes.data);
    assert_int_equal(decoded.head.unknown_fields, 0);
    track_apply(r->tracks[frame->stream], &decoded, &found);
    if (found.count > 0)
        fail_msg("%s: %.*s", rule_name(found.items[0].rule), (int)bytes.size,
                 (const char *)bytes.data);
    r->frames[frame->stream]++;
}

/* The book behind a frame is the engine's. */
static void check_book(reader *r, const venue *v, const venue_frame *frame)
{
    char engine[TD_SHA1_HEX_BYTES];
    char book_text[TD_SHA1_HEX_BYTES];
    uint32_t depth = venue_stream_at(v, frame->stream).book_depth;
    if (depth == 0 || r->frames[frame->stream] % 20 != 0)
        return;
    const book *built = track_book(r->tracks[frame->stream]);
    assert_int_equal(truth_levels_sha1(venue_instrument(v, frame->stream),
                                       venue_market(v, frame->stream), depth, engine, NULL),
                     TD_OK);
    assert_int_equal(book_levels_sha1(built, book_text, NULL), TD_OK);
    assert_string_equal(engine, book_text);
    assert_int_equal(book_level_count(built, SIDE_BUY), depth);
    assert_int_equal(book_level_count(built, SIDE_SELL), depth);
    r->marks++;
}

static venue *open_venue(frame_shape shape, uint64_t seed)
{
    venue *v = NULL;
    const venue_options options = {
        .shape = shape, .symbol_count = SYMBOLS, .seed = seed, .start_ns = START_NS};
    assert_int_equal(venue_open(&options, &v, NULL), TD_OK);
    assert_int_equal(venue_stream_count(v), STREAMS);
    return v;
}

static void check_venue(frame_shape shape, const char *family_name)
{
    reader r;
    venue_frame frame;
    venue *v = open_venue(shape, 42);
    reader_init(&r, family_name);
    for (uint32_t i = 0; i < STREAMS; i++)
        if (venue_snapshot(v, i, &frame))
            read_frame(&r, v, &frame);
    for (uint64_t i = 1; i <= FRAMES; i++) {
        venue_next(v, START_NS + i * 1000, &frame);
        read_frame(&r, v, &frame);
        check_book(&r, v, &frame);
    }
    for (uint32_t i = 0; i < STREAMS; i++)
        assert_true(r.frames[i] > 10); /* no stream is left out */
    assert_true(r.marks > FRAMES / 100);
    reader_fini(&r);
    venue_close(v);
}

static void test_inverse(void **state)
{
    (void)state; /* none */
    check_venue(SHAPE_INVERSE, "inverse");
}

static void test_linear(void **state)
{
    (void)state; /* none */
    check_venue(SHAPE_LINEAR, "linear");
}

/* A subscriber that comes later can go on from its snapshot. */
static void test_late_subscriber(void **state)
{
    (void)state; /* none */
    reader r;
    venue_frame frame;
    venue *v = open_venue(SHAPE_INVERSE, 5);
    reader_init(&r, "inverse");
    for (uint64_t i = 1; i <= 5000; i++)
        venue_next(v, START_NS + i * 1000, &frame);
    for (uint32_t i = 0; i < STREAMS; i++)
        if (venue_snapshot(v, i, &frame))
            read_frame(&r, v, &frame);
    for (uint64_t i = 5001; i <= 10000; i++) {
        venue_next(v, START_NS + i * 1000, &frame);
        read_frame(&r, v, &frame);
        check_book(&r, v, &frame);
    }
    assert_true(r.marks > 50);
    reader_fini(&r);
    venue_close(v);
}

/* Frames of a seed, as one number. */
static uint64_t digest_of(uint64_t seed)
{
    venue_frame frame;
    venue *v = open_venue(SHAPE_LINEAR, seed);
    uint64_t digest = 0;
    for (uint64_t i = 1; i <= 2000; i++) {
        venue_next(v, START_NS + i * 1000, &frame);
        digest = digest * 31 + td_xxh64(frame.bytes.data, frame.bytes.size);
    }
    venue_close(v);
    return digest;
}

static void test_seed(void **state)
{
    (void)state; /* none */
    assert_int_equal(digest_of(1), digest_of(1));
    assert_int_not_equal(digest_of(1), digest_of(2));
}

/* A long walk: the books stay deep however far the price goes. */
static void test_long_walk(void **state)
{
    (void)state; /* none */
    venue_frame frame;
    venue *v = open_venue(SHAPE_INVERSE, 3);
    for (uint64_t i = 1; i <= 200000; i++) {
        venue_next(v, START_NS + i * 1000, &frame);
        const market *m = venue_market(v, frame.stream);
        assert_true(market_level_count(m, MARKET_BUY) >= 200);
        assert_true(market_level_count(m, MARKET_SELL) >= 200);
    }
    venue_close(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse),         cmocka_unit_test(test_linear),
        cmocka_unit_test(test_late_subscriber), cmocka_unit_test(test_seed),
        cmocka_unit_test(test_long_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
