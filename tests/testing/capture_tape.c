#include "tests/testing/capture_tape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "schema/decode.h"
#include "tests/testing/capture.h"
#include "tests/testing/filled.h"

enum { CHANNELS_MAX = 256, FRAMES_MAX = 8192, BYTES_MAX = 16 << 20 };

typedef struct loader {
    capture_tape *tape;
    const family *family;
    decoder *decoder;
    size_t bytes_used;
    uint64_t recv_ns;
    uint64_t granted_ns; /* time of the connection's last granted subscription; 0 if none */
    uint64_t in;
    uint64_t out;
    uint32_t conn;
} loader;

static td_bytes keep_bytes(loader *l, td_bytes frame)
{
    assert_true(l->bytes_used + frame.size + DECODE_PADDING_BYTES <= BYTES_MAX);
    uint8_t *at = l->tape->bytes + l->bytes_used;
    memcpy(at, frame.data, frame.size);
    memset(at + frame.size, 0, DECODE_PADDING_BYTES);
    l->bytes_used += frame.size + DECODE_PADDING_BYTES;
    return td_bytes_of(at, frame.size);
}

static const char *keep_name(td_bytes name)
{
    char *copy = td_strndup(name.size == 0 ? "" : (const char *)name.data, name.size);
    assert_non_null(copy);
    return copy;
}

/* Finds or makes the channel of a direction and an exchange topic; "" for control frames. */
static frame_channel *channel_of(loader *l, const classification *what, channel_dir dir)
{
    capture_tape *made = l->tape;
    int is_data = what->frame_class == CLASS_DATA;
    td_bytes name = is_data ? what->exchange_topic : td_bytes_str("");
    for (size_t i = 0; i < made->channel_count; i++) {
        frame_channel *known = &made->channels[i];
        if (known->info.dir == dir && td_bytes_is(name, known->info.exchange_topic))
            return known;
    }
    assert_true(made->channel_count < CHANNELS_MAX);
    frame_channel *channel = &made->channels[made->channel_count];
    td_bytes topic = is_data ? what->topic.topic : td_bytes_str(CHANNEL_TOPIC_CONTROL);
    *channel = (frame_channel){.index = (uint32_t)made->channel_count,
                               .family = l->family,
                               .info = {.feed = l->family->name,
                                        .family = l->family->name,
                                        .dir = dir,
                                        .topic = keep_name(topic),
                                        .exchange_topic = keep_name(name),
                                        .symbol = keep_name(is_data ? what->topic.symbol : name),
                                        .opcode = OPCODE_TEXT}};
    (void)topic_match_text(l->family->topics, l->family->topic_count,
                           td_bytes_str(channel->info.exchange_topic), TOPIC_ANY_TIME,
                           &channel->topic); /* control frames match no topic */
    made->channel_count++;
    return channel;
}

static void add_line(loader *l, const capture_line *line)
{
    if (line->kind == CAPTURE_CONNECT) {
        l->conn++;
        l->in = 0;
        l->out = 0;
        l->granted_ns = 0;
    }
    if (line->kind != CAPTURE_IN && line->kind != CAPTURE_OUT)
        return;
    int is_in = line->kind == CAPTURE_IN;
    l->recv_ns = line->recv_ns > l->recv_ns ? line->recv_ns : l->recv_ns + 1;
    td_bytes bytes = keep_bytes(l, line->frame);
    classification what;
    decoder_classify(l->decoder, l->family, bytes, is_in ? CHANNEL_IN : CHANNEL_OUT, TOPIC_NOW,
                     &what);
    if (is_in && what.frame_class == CLASS_ACK)
        l->granted_ns = l->recv_ns;
    assert_true(l->tape->frame_count < FRAMES_MAX);
    size_t position = l->tape->frame_count++;
    l->tape->frames[position] =
        (frame_ref){.channel = channel_of(l, &what, is_in ? CHANNEL_IN : CHANNEL_OUT),
                    .recv_ns = l->recv_ns,
                    .publish_ns = what.exchange_ns,
                    .ordinal = is_in ? ++l->in : ++l->out,
                    .conn = frame_conn_of(1, l->conn),
                    .position = position,
                    .granted_ns = l->granted_ns,
                    .bytes = bytes};
}

void capture_tape_load(capture_tape *made, const char *name, const char *family_name)
{
    const char *path = capture_path_or_skip(name);
    *made = (capture_tape){.channels = td_alloc_zero(CHANNELS_MAX, sizeof *made->channels),
                           .bytes = td_alloc(BYTES_MAX), /* most of it stays untouched */
                           .frames = td_alloc_zero(FRAMES_MAX, sizeof *made->frames)};
    assert_true(made->channels != NULL && made->bytes != NULL && made->frames != NULL);
    loader l = {.tape = made, .family = family_find(td_bytes_str(family_name))};
    assert_non_null(l.family);
    l.decoder = decoder_open();
    capture *from = capture_open(path);
    capture_line line;
    while (capture_next(from, &line))
        add_line(&l, &line);
    capture_close(from);
    decoder_close(l.decoder);
    assert_true(made->frame_count > 0);
}

void capture_tape_fini(capture_tape *made)
{
    for (size_t i = 0; i < made->channel_count; i++) {
        td_free((char *)made->channels[i].info.topic);
        td_free((char *)made->channels[i].info.exchange_topic);
        td_free((char *)made->channels[i].info.symbol);
    }
    td_free(made->channels);
    td_free(made->bytes);
    td_free(made->frames);
    *made = (capture_tape){0};
}

void capture_tape_rewind(capture_tape *made)
{
    for (size_t i = 0; i < made->channel_count; i++)
        made->channels[i].tape = NULL;
}
