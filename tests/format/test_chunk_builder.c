/* Chunks, and where segments end. Expected: the contract in format/chunk_builder.h and the rules of
 * docs/design.md, "Archive on disk" (UTC hour, 1 GiB, 4,096 chunks, 16,384 channels); the chunk's
 * bytes are read back by mcap_decode. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/limits.h"
#include "format/chunk_builder.h"
#include "format/chunk_codec.h"
#include "format/mcap_decode.h"
#include "tests/testing/channel_numbers.h"
#include "tests/testing/segment_fixture.h"

static const uint64_t HOUR = 3600 * TD_NS_PER_S;
/* A whole hour, UTC. */
static const uint64_t START = UINT64_C(1795154400) * TD_NS_PER_S;

typedef struct fixture {
    chunk_builder *builder;
    sealed_chunk *sealed;
    channel_numbers channels;
    uint64_t ordinal;
} fixture;

static fixture open_fixture(const chunk_builder_options *options)
{
    fixture f = {.sealed = sealed_chunk_open()};
    assert_non_null(f.sealed);
    f.builder = chunk_builder_open(options);
    return f;
}

static void close_fixture(fixture *f)
{
    sealed_chunk_close(f->sealed);
    chunk_builder_close(f->builder);
    channel_numbers_fini(&f->channels);
}

static channel_info info_of(const char *topic, const char *symbol)
{
    return (channel_info){.feed = "f",
                          .family = "inverse",
                          .dir = CHANNEL_IN,
                          .topic = topic,
                          .exchange_topic = topic,
                          .symbol = symbol,
                          .opcode = OPCODE_TEXT,
                          .message_encoding = "json"};
}

/* A frame of connection 1 on the channel. */
static feed_frame channel_of(fixture *f, const char *topic, const char *symbol)
{
    channel_info info = info_of(topic, symbol);
    feed_frame frame = {.conn = 1};
    channel_numbers_set(&f->channels, &info, &frame);
    return frame;
}

static td_result append(fixture *f, feed_frame frame, uint64_t recv_ns, size_t size)
{
    static const uint8_t payload[4096] = {'{'};
    frame.ordinal = f->ordinal + 1;
    frame.recv_ns = frame.publish_ns = recv_ns;
    frame.bytes = td_bytes_of(payload, size);
    td_result rc = chunk_builder_append(f->builder, &frame, NULL);
    if (rc == TD_OK)
        f->ordinal++;
    return rc;
}

static void seal(fixture *f)
{
    assert_true(chunk_builder_seal(f->builder, f->sealed));
}

/* Parses the sealed bytes: one chunk, then one message index per channel. */
static void test_sealed_bytes(void **state)
{
    (void)state;
    fixture f = open_fixture(NULL);
    fixture_append(f.builder, 0, 100);
    assert_int_equal(chunk_builder_pending_count(f.builder), 100);
    seal(&f);
    assert_int_equal(f.sealed->first_ns, FIXTURE_START_NS);
    const sealed_chunk *s = f.sealed;
    assert_int_equal(chunk_builder_pending_count(f.builder), 0);
    assert_false(chunk_builder_seal(f.builder, f.sealed));
    fixture_append(f.builder, 100, 200);
    seal(&f);
    assert_int_equal(s->message_count, 100);
    assert_int_equal(s->frame_count, 90);
    assert_int_equal(s->channel_count, 5);
    assert_int_equal(s->new_channel_count, 0);
    assert_int_equal(s->totals.frames_written, 180);
    assert_int_equal(s->totals.events_written, 20);
    assert_int_equal(s->conns[0].in, 160);
    assert_int_equal(s->conns[0].out, 20);

    size_t at = 0;
    mcap_record record;
    td_bytes bytes = td_buf_view(&s->bytes);
    assert_int_equal(mcap_next_record(bytes, &at, &record, NULL), TD_OK);
    assert_int_equal(record.opcode, MCAP_CHUNK);
    assert_int_equal(at, s->chunk_bytes);
    mcap_chunk chunk;
    assert_int_equal(mcap_decode_chunk(record.content, &chunk, NULL), TD_OK);
    assert_true(td_bytes_is(chunk.compression, "zstd"));
    assert_int_equal(chunk.start_ns, FIXTURE_START_NS + 100 * FIXTURE_STEP_NS);
    assert_int_equal(chunk.end_ns, FIXTURE_START_NS + 199 * FIXTURE_STEP_NS);
    td_buf unpacked;
    codec *coder = codec_open();
    td_buf_init(&unpacked, LIMIT_CHUNK_BYTES);
    assert_int_equal(chunk_decompress(coder, &chunk, 0, &unpacked, NULL), TD_OK);
    const uint8_t *raw = unpacked.data;
    for (uint32_t i = 0; i < s->channel_count; i++) {
        mcap_message_index index;
        assert_int_equal(at, s->chunk_bytes + s->channels[i].index_offset);
        assert_int_equal(mcap_next_record(bytes, &at, &record, NULL), TD_OK);
        assert_int_equal(mcap_decode_message_index(record.content, &index, NULL), TD_OK);
        assert_int_equal(index.channel_id, s->channels[i].id);
        uint64_t log_ns, offset, count = 0;
        while (mcap_next_entry(&index.entries, &log_ns, &offset)) {
            assert_int_equal(raw[offset], MCAP_MESSAGE);
            assert_int_equal(td_le16(raw + offset + 9), index.channel_id);
            assert_int_equal(td_le64(raw + offset + 15), log_ns);
            count++;
        }
        assert_int_equal(count, s->channels[i].message_count);
    }
    assert_int_equal(at, s->chunk_bytes + s->index_bytes);
    codec_close(coder);
    td_buf_fini(&unpacked);
    close_fixture(&f);
}

/* The number of records with an opcode in the last sealed chunk. */
static uint32_t count_records(const fixture *f, uint8_t opcode)
{
    size_t at = 0;
    mcap_record record;
    mcap_chunk chunk;
    assert_int_equal(mcap_next_record(td_buf_view(&f->sealed->bytes), &at, &record, NULL), TD_OK);
    assert_int_equal(mcap_decode_chunk(record.content, &chunk, NULL), TD_OK);
    td_buf raw;
    codec *coder = codec_open();
    td_buf_init(&raw, LIMIT_CHUNK_BYTES);
    assert_int_equal(chunk_decompress(coder, &chunk, 0, &raw, NULL), TD_OK);
    uint32_t count = 0;
    at = 0;
    while (mcap_next_record(td_buf_view(&raw), &at, &record, NULL) == TD_OK)
        count += record.opcode == opcode;
    codec_close(coder);
    td_buf_fini(&raw);
    return count;
}

/* format/FORMAT.md, "Channels": the 1st, 2nd, 4th, 8th chunk of a channel have its definition; the
 * summary has it once, and a new segment starts over. */
static void test_repeated_definitions(void **state)
{
    (void)state;
    fixture f = open_fixture(NULL);
    channel_info info = info_of("trade", "A");
    feed_frame one = {.conn = 1}, two = {.conn = 1};
    channel_numbers_set(&f.channels, &info, &one);
    info.symbol = "B";
    channel_numbers_set(&f.channels, &info, &two);
    uint64_t now_ns = START;
    for (uint32_t n = 1; n <= 20; n++) {
        uint32_t in_segment = n <= 17 ? n : n - 17;
        uint32_t of_two = in_segment > 2 ? in_segment - 2 : 0; /* its first chunk is the third */
        if (n == 18)
            chunk_builder_end_segment(f.builder);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(append(&f, one, ++now_ns, 10), TD_OK);
            if (of_two > 0)
                assert_int_equal(append(&f, two, ++now_ns, 10), TD_OK);
        }
        seal(&f);
        uint32_t first = __builtin_popcount(in_segment) == 1;
        uint32_t second = __builtin_popcount(of_two) == 1;
        assert_int_equal(count_records(&f, MCAP_CHANNEL), first + second);
        assert_int_equal(f.sealed->new_channel_count, (in_segment == 1) + (of_two == 1));
    }
    close_fixture(&f);
}

/* When a chunk must be sealed, and when a segment begins. */
static void test_rotation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        chunk_builder_options options;
        uint64_t step_ns; /* between the chunks' frames */
        uint32_t frames;  /* of the first chunk */
        int wants_seal, starts;
    } rows[] = {
        {"nothing", {0}, 1000, 10, 0, 0},
        {"chunk by size", {.target_bytes = 10000}, 1000, 10, 1, 0},
        {"chunk by time", {.interval_ns = 20000}, 20000, 10, 1, 0},
        {"hour", {0}, 3600 * TD_NS_PER_S, 10, 1, 1},
        {"no hours", {.spans_hours = 1}, 3600 * TD_NS_PER_S, 10, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f = open_fixture(&rows[i].options);
        feed_frame channel = channel_of(&f, "t", "s");
        assert_true(chunk_builder_starts_segment(f.builder, START));
        for (uint32_t k = 0; k < rows[i].frames; k++)
            assert_int_equal(append(&f, channel, START + k, 1000), TD_OK);
        uint64_t next = START + rows[i].step_ns;
        if (chunk_builder_wants_seal(f.builder, next) != rows[i].wants_seal)
            fail_msg("%s: wants_seal is %d", rows[i].name, !rows[i].wants_seal);
        assert_false(chunk_builder_starts_segment(f.builder, next));
        seal(&f);
        assert_true(f.sealed->starts_segment);
        assert_int_equal(f.sealed->segment_first_ns, START);
        if (chunk_builder_starts_segment(f.builder, next) != rows[i].starts)
            fail_msg("%s: starts_segment is %d", rows[i].name, !rows[i].starts);
        assert_int_equal(append(&f, channel, next, 10), TD_OK);
        seal(&f);
        assert_int_equal(f.sealed->starts_segment, rows[i].starts);
        assert_int_equal(f.sealed->segment_number, 1 + rows[i].starts);
        assert_int_equal(f.sealed->new_channel_count, rows[i].starts);
        close_fixture(&f);
    }
}

static void test_segment_limits(void **state)
{
    (void)state;
    static const struct {
        chunk_builder_options small;
        uint32_t chunks; /* 0: any number; each has frames of two channels */
    } rows[] = {
        {{.segment_chunks_max = 2}, 2},
        {{.segment_bytes_max = 300}, 0},
        {{.segment_index_max = 6}, 3},
        {{.segment_index_max = 5}, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture f = open_fixture(&rows[i].small);
        uint64_t now = START;
        uint32_t chunks = 0;
        do {
            assert_int_equal(append(&f, channel_of(&f, "t", "other"), ++now, 10), TD_OK);
            assert_int_equal(append(&f, channel_of(&f, "t", "s"), ++now, 10), TD_OK);
            seal(&f);
            chunks++;
        } while (!chunk_builder_starts_segment(f.builder, now + 1));
        assert_int_equal(f.sealed->segment_number, 1);
        assert_int_equal(chunks, rows[i].chunks == 0 ? chunks : rows[i].chunks);
        assert_int_equal(append(&f, channel_of(&f, "t", "s"), ++now, 10), TD_OK);
        seal(&f);
        assert_int_equal(f.sealed->segment_number, 2);
        chunk_builder_end_segment(f.builder);
        assert_true(chunk_builder_starts_segment(f.builder, now + 1));
        close_fixture(&f);
    }
}

/* A frame of the next segment is refused until the chunk is sealed. */
static void test_append_checks(void **state)
{
    (void)state;
    fixture f = open_fixture(&(chunk_builder_options){.target_bytes = 5000});
    feed_frame channel = channel_of(&f, "t", "s");
    assert_int_equal(append(&f, channel, START, 10), TD_OK);
    assert_int_equal(append(&f, channel, START, 10), TD_E_INVALID); /* an equal time */
    assert_int_equal(append(&f, channel, START - 1, 10), TD_E_INVALID);
    assert_int_equal(append(&f, channel, START + HOUR, 10), TD_E_LIMIT);
    feed_frame frame = channel;
    frame.channel = LIMIT_SEGMENT_CHANNELS;
    assert_int_equal(append(&f, frame, START + 1, 10), TD_E_LIMIT);
    frame = channel;
    frame.ordinal = 1;
    frame.recv_ns = START + 1;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_E_INVALID); /* ordinal */
    frame.ordinal = 2;
    frame.conn = 0;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_E_INVALID);
    frame.conn = 2;
    frame.bytes = td_bytes_of("x", LIMIT_FRAME_BYTES + 1);
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_E_LIMIT);
    assert_int_equal(chunk_builder_pending_count(f.builder), 1);
    assert_int_equal(append(&f, channel, START + 2, 4096), TD_OK);
    assert_int_equal(append(&f, channel, START + 3, 4096), TD_OK);
    assert_true(chunk_builder_wants_seal(f.builder, START + 4));
    assert_int_equal(append(&f, channel, START + 4, 10), TD_E_LIMIT);
    seal(&f);
    assert_int_equal(append(&f, channel, START + 4, 10), TD_OK);
    close_fixture(&f);
}

/* Holes in ordinals are dropped frames; after a new connection of the slot, the old one is listed
 * once more. */
static void test_connections(void **state)
{
    (void)state;
    fixture f = open_fixture(NULL);
    feed_frame frame = channel_of(&f, "t", "s");
    frame.ordinal = 1;
    frame.recv_ns = START;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_OK);
    frame.ordinal = 5;
    frame.recv_ns++;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_OK);
    assert_int_equal(chunk_builder_note_ordinals(f.builder, 0, 0, 1, 7, 2, NULL), TD_OK);
    assert_int_equal(chunk_builder_note_ordinals(f.builder, 0, 0, 1, 6, 2, NULL), TD_E_INVALID);
    frame.conn = 2;
    frame.ordinal = 1;
    frame.recv_ns++;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_OK);
    frame.conn = 1;
    frame.ordinal = 8;
    frame.recv_ns++;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL),
                     TD_OK); /* still in this chunk */
    seal(&f);
    const sealed_chunk *s = f.sealed;
    assert_int_equal(s->totals.frames_written, 4);
    assert_int_equal(s->totals.frames_dropped, 7);
    assert_int_equal(s->totals.frames_in, 11);
    assert_int_equal(s->conn_count, 2);
    assert_int_equal(s->conns[0].conn, 1);
    assert_int_equal(s->conns[0].in, 3);
    assert_int_equal(s->conns[0].in_ordinal, 8);
    assert_int_equal(s->conns[0].out_ordinal, 2);
    assert_int_equal(s->conns[1].conn, 2);
    assert_int_equal(s->conns[1].in, 1);
    /* Now the first connection is over. */
    frame.ordinal = 9;
    frame.recv_ns++;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_E_INVALID);
    frame.conn = 2;
    frame.ordinal = 2;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_OK);
    seal(&f);
    assert_int_equal(s->conns[0].late_ms, 0);
    /* It ends later, complete until 5 ms before; the chain record lists it although it had no
     * frame. */
    channel_info events = info_of("_events", "");
    events.dir = CHANNEL_EVENT;
    feed_frame ended = {.recv_ns = frame.recv_ns + 8000000};
    channel_numbers_set(&f.channels, &events, &ended);
    assert_int_equal(chunk_builder_append(f.builder, &ended, NULL), TD_OK);
    chunk_builder_note_closed(f.builder, 0, 0, ended.recv_ns - 4500000);
    seal(&f);
    assert_int_equal(s->conn_count, 1);
    assert_int_equal(s->conns[0].conn, 2);
    assert_int_equal(s->conns[0].late_ms, 5);
    frame.recv_ns = ended.recv_ns;
    frame.conn = 3;
    frame.ordinal = 1;
    frame.recv_ns++;
    assert_int_equal(chunk_builder_append(f.builder, &frame, NULL), TD_OK);
    seal(&f);
    assert_int_equal(s->conn_count, 1);
    assert_int_equal(s->conns[0].conn, 3);
    close_fixture(&f);
}

/* If ids for the exchange's topics run out, the recorder's own topics still get ids. */
static void test_channel_limit(void **state)
{
    (void)state;
    enum { MAX = 64, RESERVED = MAX / 4 };
    fixture f = open_fixture(&(chunk_builder_options){.segment_channels_max = MAX});
    uint64_t now = START;
    char symbol[16];
    for (int i = 0; i < MAX - RESERVED; i++) {
        snprintf(symbol, sizeof symbol, "S%d", i);
        assert_int_equal(append(&f, channel_of(&f, "t", symbol), ++now, 10), TD_OK);
    }
    feed_frame extra = channel_of(&f, "t", "extra");
    assert_int_equal(append(&f, extra, ++now, 10), TD_E_LIMIT);
    assert_int_equal(append(&f, channel_of(&f, CHANNEL_TOPIC_UNKNOWN, ""), now, 10), TD_OK);
    assert_int_equal(append(&f, channel_of(&f, CHANNEL_TOPIC_CONTROL, ""), ++now, 10), TD_OK);
    seal(&f);
    assert_int_equal(f.sealed->channel_count, MAX - RESERVED + 2);
    td_buf bitmap;
    td_buf_init(&bitmap, 100);
    sealed_chunk_bitmap(f.sealed, &bitmap);
    assert_int_equal(bitmap.size, (MAX - RESERVED + 2) / 8 + 1);
    assert_int_equal(bitmap.data[0], 0xfe);
    td_buf_fini(&bitmap);
    close_fixture(&f);
}

/* Numbers are per segment: in the next one the same number may be another channel. */
static void test_numbers_of_a_segment(void **state)
{
    (void)state;
    static const char *const SYMBOLS[] = {"first", "second", "first"};
    fixture f = open_fixture(NULL);
    for (uint64_t hour = 0; hour < 3; hour++) {
        const channel_info info = info_of("t", SYMBOLS[hour]);
        const feed_frame frame = {.info = &info, .conn = 1};
        assert_int_equal(append(&f, frame, START + hour * HOUR, 10), TD_OK);
        assert_int_equal(append(&f, frame, START + hour * HOUR + 1, 10), TD_OK);
        seal(&f);
        assert_int_equal(f.sealed->channel_count, 1);
        assert_int_equal(f.sealed->new_channel_count, 1);
        assert_int_equal(f.sealed->new_channels[0].id, 1); /* ids start over */
        assert_string_equal(f.sealed->new_channels[0].info.symbol, SYMBOLS[hour]);
    }
    close_fixture(&f);
}

/* A refused channel does not use up its number. */
static void test_bad_channels(void **state)
{
    (void)state;
    fixture f = open_fixture(NULL);
    char longer[LIMIT_SYMBOL_BYTES + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    channel_info rows[] = {info_of("", "s"), info_of("t", longer), info_of("t", "s")};
    rows[2].feed = "";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const feed_frame frame = {.info = &rows[i], .conn = 1};
        assert_int_equal(append(&f, frame, START, 10), TD_E_INVALID);
    }
    assert_int_equal(chunk_builder_pending_count(f.builder), 0);
    assert_int_equal(append(&f, channel_of(&f, "t", "s"), START, 10), TD_OK);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sealed_bytes),  cmocka_unit_test(test_repeated_definitions),
        cmocka_unit_test(test_rotation),      cmocka_unit_test(test_segment_limits),
        cmocka_unit_test(test_append_checks), cmocka_unit_test(test_connections),
        cmocka_unit_test(test_channel_limit), cmocka_unit_test(test_numbers_of_a_segment),
        cmocka_unit_test(test_bad_channels),
    };
    return cmocka_run_group_tests_name("format/chunk_builder", tests, NULL, NULL);
}
