#include "tests/testing/segment_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"

/* Writes an event that opens or closes a gap (archive/event.h). closed 0: the gap is open. */
static size_t write_gap(uint64_t opened, uint64_t closed, char out[FIXTURE_FRAME_BYTES])
{
    char end[64] = "";
    if (closed != 0)
        (void)snprintf(end, sizeof end, ",\"to_ns\":%" PRIu64 ",\"detail\":\"came back\"",
                       FIXTURE_START_NS + FIXTURE_STEP_NS * closed);
    return (size_t)snprintf(out, FIXTURE_FRAME_BYTES,
                            "{\"event\":\"gap\",\"reason\":\"disconnect\",\"line\":0,\"shard\":0,"
                            "\"conn\":1,\"from_ns\":%" PRIu64 ",\"cause\":\"closed_by_peer\"%s}",
                            FIXTURE_START_NS + FIXTURE_STEP_NS * opened, end);
}

void fixture_get(uint64_t i, fixture_frame *out)
{
    uint64_t tens = i / 10, digit = i % 10;
    *out = (fixture_frame){
        .recv_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * i, .dir = CHANNEL_IN, .symbol = ""};
    out->publish_ns = out->recv_ns - 1000;
    if (digit == 0) {
        out->dir = CHANNEL_EVENT;
        out->topic = CHANNEL_TOPIC_EVENTS;
    } else if (digit == 1) {
        out->dir = CHANNEL_OUT;
        out->topic = CHANNEL_TOPIC_CONTROL;
        out->ordinal = tens + 1;
    } else {
        out->ordinal = tens * 8 + digit - 1;
        out->topic = digit == 2 ? CHANNEL_TOPIC_CONTROL : digit % 2 == 1 ? "trade" : "book";
        out->symbol = digit == 2 ? "" : digit % 2 == 1 ? "BTCUSD" : "EOSUSD";
    }
    /* Some incompressible bytes, so that chunks differ. */
    uint64_t noise = i * UINT64_C(0x9e3779b97f4a7c15);
    out->size =
        (size_t)snprintf(out->text, sizeof out->text,
                         "{\"topic\":\"%s.%s\",\"n\":%" PRIu64 ",\"noise\":\"%016" PRIx64 "\"}",
                         out->topic, out->symbol, i, noise);
    if (i % 100 == 50)
        out->size = write_gap(i, 0, out->text);
    else if (i % 100 == 60)
        out->size = write_gap(i - 10, i, out->text);
}

enum { EVENTS, SENT, CONTROL, TRADES, BOOKS, CHANNELS };

static uint32_t channel_of(const fixture_frame *frame)
{
    if (frame->dir != CHANNEL_IN)
        return frame->dir == CHANNEL_EVENT ? EVENTS : SENT;
    return frame->topic[0] == '_' ? CONTROL : frame->topic[0] == 't' ? TRADES : BOOKS;
}

/* The channel of a frame. The fixture's topics and symbols are constants. */
static const channel_info *info_of(const fixture_frame *frame)
{
    static channel_info infos[CHANNELS];
    channel_info *info = &infos[channel_of(frame)];
    *info = (channel_info){.feed = FIXTURE_FEED,
                           .family = "inverse",
                           .dir = frame->dir,
                           .topic = frame->topic,
                           .exchange_topic = frame->topic[0] == '_' ? "" : frame->topic,
                           .symbol = frame->symbol,
                           .opcode = OPCODE_TEXT,
                           .message_encoding = "json"};
    return info;
}

void fixture_append(chunk_builder *builder, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        fixture_frame frame;
        fixture_get(i, &frame);
        feed_frame in = {.channel = channel_of(&frame),
                         .info = info_of(&frame),
                         .conn = frame.dir == CHANNEL_EVENT ? 0 : 1,
                         .ordinal = frame.ordinal,
                         .recv_ns = frame.recv_ns,
                         .publish_ns = frame.publish_ns,
                         .bytes = td_bytes_of(frame.text, frame.size)};
        td_err err;
        if (chunk_builder_append(builder, &in, &err) != TD_OK)
            fail_msg("frame %" PRIu64 ": %s", i, err.text);
    }
}

segment_session fixture_session(const fixture_spec *spec)
{
    return (segment_session){.session = "3f2a9c01",
                             .start_ns = FIXTURE_START_NS - 5,
                             .feed = FIXTURE_FEED,
                             .family = "inverse",
                             .previous_segment =
                                 spec->previous_segment == NULL ? "" : spec->previous_segment,
                             .previous_chain = spec->previous_chain,
                             .verb = "record",
                             .version = "0.1"};
}

/* Adds the states of two symbols; a third one is marked as left out. */
static void add_checkpoint(sealed_chunk *sealed)
{
    checkpoint_builder building;
    checkpoint_builder_init(&building);
    checkpoint_builder_add(&building, td_bytes_str("BTCUSD"), td_bytes_str("one"));
    checkpoint_builder_add(&building, td_bytes_str("ETHUSD"), td_bytes_of(NULL, 0));
    checkpoint_builder_add(&building, td_bytes_str("EOSUSD"), td_bytes_str("another"));
    checkpoint_builder_finish(&building, sealed->first_ns, &sealed->checkpoint);
    checkpoint_builder_fini(&building);
}

static void write_chunks(segment_writer *writer, const fixture_spec *spec)
{
    chunk_builder *builder;
    sealed_chunk *sealed = sealed_chunk_open();
    assert_non_null(sealed);
    builder = chunk_builder_open(NULL);
    for (uint64_t from = 0; from < spec->frame_count; from += spec->frames_per_chunk) {
        uint64_t to = from + spec->frames_per_chunk;
        fixture_append(builder, from, to < spec->frame_count ? to : spec->frame_count);
        td_err err;
        assert_true(chunk_builder_seal(builder, sealed));
        if (from / spec->frames_per_chunk % 3 == 1)
            add_checkpoint(sealed);
        if (segment_writer_append(writer, sealed, NULL, &err) != TD_OK)
            fail_msg("%s", err.text);
        if (spec->end != FIXTURE_WRITTEN)
            assert_int_equal(segment_writer_sync(writer, &err), TD_OK);
    }
    sealed_chunk_close(sealed);
    chunk_builder_close(builder);
}

segment_totals fixture_write(td_io io, const fixture_spec *spec)
{
    segment_session session = fixture_session(spec);
    segment_writer *writer;
    td_err err;
    if (segment_writer_open(io, spec->path, &session, &writer, &err) != TD_OK)
        fail_msg("%s", err.text);
    write_chunks(writer, spec);
    segment_totals totals = segment_writer_totals(writer);
    if (spec->end == FIXTURE_FINISHED)
        assert_int_equal(segment_writer_finish(writer, &totals, &err), TD_OK);
    segment_writer_close(writer);
    return totals;
}
