#include "tests/testing/sim_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "schema/decode.h"
#include "sim/catalog.h"
#include "sim/sim_family.h"
#include "tests/testing/filled.h"

enum { STREAMS_MAX = 512, BYTES_MAX = 96 << 20 };
static const uint64_t START_NS = 1795174069000000000u;
#define DELAY_NS (100 * TD_NS_PER_MS)

struct sim_feed {
    sim_feed_options options;
    sim_family *market;
    const family *family;
    frame_channel channels[STREAMS_MAX];
    uint8_t is_wanted[STREAMS_MAX];
    frame_channel control[2]; /* channels of control frames: sent, received */
    uint8_t bytes[SIM_FRAME_BYTES_MAX + DECODE_PADDING_BYTES];
    uint64_t step;
    uint64_t recv_ns;
    uint64_t in;
    uint32_t greeted; /* number of control frames and first frames of topics returned so far */
};

static int is_wanted(const sim_feed *feed, sim_stream stream)
{
    if (feed->options.topics == NULL || stream.is_private)
        return !stream.is_private || feed->options.with_private;
    for (size_t i = 0; feed->options.topics[i] != NULL; i++) {
        if (strcmp(feed->options.topics[i], stream.topic) == 0)
            return 1;
    }
    return 0;
}

static void open_channel(sim_feed *feed, uint32_t stream)
{
    sim_stream of = sim_family_stream_at(feed->market, stream);
    frame_channel *channel = &feed->channels[stream];
    feed->is_wanted[stream] = (uint8_t)is_wanted(feed, of);
    if (feed->is_wanted[stream])
        sim_family_subscribe(feed->market, stream);
    *channel = (frame_channel){.index = stream,
                               .family = feed->family,
                               .info = {.feed = feed->family->name,
                                        .family = feed->family->name,
                                        .dir = CHANNEL_IN,
                                        .topic = of.topic,
                                        .exchange_topic = of.exchange_topic,
                                        .symbol = of.symbol,
                                        .opcode = OPCODE_TEXT}};
    char name[256];
    snprintf(name, sizeof name, "%s%s%s", of.topic, of.symbol[0] == '\0' ? "" : ".", of.symbol);
    if (topic_match_text(feed->family->topics, feed->family->topic_count, td_bytes_str(name),
                         TOPIC_ANY_TIME, &channel->topic)) {
        channel->topic.topic = td_bytes_str(of.topic);
        channel->topic.symbol = td_bytes_str(of.symbol);
    }
}

sim_feed *sim_feed_open(const sim_feed_options *options)
{
    sim_feed *feed = td_alloc_zero(1, sizeof *feed);
    assert_non_null(feed);
    feed->options = *options;
    feed->family = family_find(td_bytes_str(options->family));
    const catalog_row *row = catalog_find(options->family);
    assert_true(feed->family != NULL && row != NULL);
    const sim_family_options family_is = {.row = row,
                                          .symbol_count = options->symbol_count,
                                          .seed = options->seed,
                                          .start_ns = START_NS};
    feed->market = sim_family_open(&family_is);
    assert_true(sim_family_stream_count(feed->market) <= STREAMS_MAX);
    for (uint32_t i = 0; i < sim_family_stream_count(feed->market); i++)
        open_channel(feed, i);
    for (int i = 0; i < 2; i++)
        feed->control[i] = (frame_channel){.family = feed->family,
                                           .info = {.feed = feed->family->name,
                                                    .family = feed->family->name,
                                                    .dir = i == 0 ? CHANNEL_OUT : CHANNEL_IN,
                                                    .topic = CHANNEL_TOPIC_CONTROL,
                                                    .exchange_topic = "",
                                                    .symbol = "",
                                                    .opcode = OPCODE_TEXT}};
    return feed;
}

void sim_feed_close(sim_feed *feed)
{
    sim_family_close(feed->market);
    td_free(feed);
}

static void make_frame(sim_feed *feed, frame_channel *channel, uint64_t made_ns, td_bytes bytes,
                       frame_ref *out)
{
    assert_true(bytes.size <= SIM_FRAME_BYTES_MAX);
    if (bytes.data != NULL)
        memcpy(feed->bytes, bytes.data, bytes.size);
    memset(feed->bytes + bytes.size, 0, DECODE_PADDING_BYTES);
    uint64_t recv_ns = made_ns + DELAY_NS;
    feed->recv_ns = recv_ns > feed->recv_ns ? recv_ns : feed->recv_ns + 1;
    *out = (frame_ref){.channel = channel,
                       .recv_ns = feed->recv_ns,
                       .publish_ns = made_ns,
                       .ordinal = ++feed->in,
                       .position = feed->in,
                       .conn = frame_conn_of(1, 1),
                       .granted_ns = START_NS + DELAY_NS + 1, /* the answer's receive time */
                       .bytes = td_bytes_of(feed->bytes, bytes.size)};
}

/* Returns the frames that a client receives first. 0 after the last of them. */
static int greet(sim_feed *feed, frame_ref *out)
{
    static const char *const CONTROL[] = {
        "{\"op\":\"subscribe\",\"args\":[\"all\"]}",
        "{\"success\":true,\"ret_msg\":\"\",\"conn_id\":\"c\",\"req_id\":\"\",\"op\":"
        "\"subscribe\"}",
    };
    if (feed->greeted < 2) {
        make_frame(feed, &feed->control[feed->greeted], START_NS,
                   td_bytes_str(CONTROL[feed->greeted]), out);
        feed->greeted++;
        return 1;
    }
    while (feed->greeted - 2 < sim_family_stream_count(feed->market)) {
        uint32_t stream = feed->greeted++ - 2;
        sim_frame frame;
        if (!feed->is_wanted[stream] || !sim_family_snapshot(feed->market, stream, &frame))
            continue;
        make_frame(feed, &feed->channels[stream], START_NS, frame.bytes, out);
        return 1;
    }
    return 0;
}

void sim_feed_next(sim_feed *feed, frame_ref *out)
{
    if (greet(feed, out))
        return;
    for (;;) {
        sim_frame frame;
        uint64_t made_ns = START_NS + ++feed->step * feed->options.step_ns;
        if (!sim_family_next(feed->market, made_ns, &frame) || !feed->is_wanted[frame.stream])
            continue;
        make_frame(feed, &feed->channels[frame.stream], made_ns, frame.bytes, out);
        return;
    }
}

static const char *keep(const char *text)
{
    char *copy = td_strdup(text);
    assert_non_null(copy);
    return copy;
}

/* Copies a channel so that it outlives the feed. */
static void keep_channel(const frame_channel *from, frame_channel *to)
{
    *to = *from;
    to->info.topic = keep(from->info.topic);
    to->info.exchange_topic = keep(from->info.exchange_topic);
    to->info.symbol = keep(from->info.symbol);
    to->topic.topic = td_bytes_str(to->info.topic);
    to->topic.symbol = td_bytes_str(to->info.symbol);
}

void sim_feed_record(const sim_feed_options *options, size_t frame_count, capture_tape *out)
{
    sim_feed *feed = sim_feed_open(options);
    uint32_t streams = sim_family_stream_count(feed->market);
    *out = (capture_tape){.channels = td_alloc_zero(streams + 2, sizeof *out->channels),
                          .channel_count = streams + 2,
                          .bytes = td_alloc(BYTES_MAX), /* most of it stays untouched */
                          .frames = td_alloc_zero(frame_count, sizeof *out->frames)};
    assert_non_null(out->channels);
    assert_non_null(out->bytes);
    assert_non_null(out->frames);
    for (uint32_t i = 0; i < streams; i++)
        keep_channel(&feed->channels[i], &out->channels[i]);
    keep_channel(&feed->control[0], &out->channels[streams]);
    keep_channel(&feed->control[1], &out->channels[streams + 1]);
    size_t used = 0;
    while (out->frame_count < frame_count) {
        frame_ref *frame = &out->frames[out->frame_count++];
        sim_feed_next(feed, frame);
        size_t at = frame->channel == &feed->control[0] ? streams
                    : frame->channel == &feed->control[1]
                        ? streams + 1
                        : (size_t)(frame->channel - feed->channels);
        frame->channel = &out->channels[at];
        assert_true(used + frame->bytes.size + DECODE_PADDING_BYTES <= BYTES_MAX);
        memcpy(out->bytes + used, frame->bytes.data, frame->bytes.size);
        memset(out->bytes + used + frame->bytes.size, 0, DECODE_PADDING_BYTES);
        frame->bytes.data = out->bytes + used;
        used += frame->bytes.size + DECODE_PADDING_BYTES;
    }
    sim_feed_close(feed);
}
