/* Implements embed/include/tapedeck/tapedeck.h. */
#include "embed/include/tapedeck/tapedeck.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "base/version.h"
#include "embed/frame_view.h"
#include "schema/decode.h"

/* A topic and symbol; frames point to its texts and book. */
struct tapedeck_book {
    char *exchange_topic;
    char *topic;
    char *symbol;
    track *track;
};

struct tapedeck_reader {
    const family *family;
    tapedeck_host host;
    uint32_t wants;
    decoder *decoder;
    td_buf bytes; /* copy of the frame, with padding */
    tapedeck_book **topics;
    size_t topic_count;
    row_table by_name;
    uint64_t ordinal;
    /* The last frame: */
    frame_view view;
    message message;
    verdict verdict;
};

static size_t book_level_count_of(const tapedeck_book *of, uint32_t side)
{
    return frame_view_level_count(of == NULL ? NULL : of->track, side);
}

static size_t book_levels_of(const tapedeck_book *of, uint32_t side, size_t first, size_t max,
                             tapedeck_book_level *out)
{
    return frame_view_levels(of == NULL ? NULL : of->track, side, first, max, out);
}

static int book_is_broken_of(const tapedeck_book *of)
{
    return of == NULL || track_is_broken(of->track);
}

tapedeck_reader *tapedeck_reader_open(const char *family_name, uint32_t wants)
{
    const family *of = family_find(td_bytes_str(family_name));
    if (of == NULL)
        return NULL;
    tapedeck_reader *r = td_alloc_zero(1, sizeof *r);
    r->family = of;
    r->wants = wants;
    r->decoder = decoder_open();
    td_buf_init(&r->bytes, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
    r->host = (tapedeck_host){.abi = TAPEDECK_PLUGIN_ABI,
                              .size = sizeof r->host,
                              .version = TAPEDECK_VERSION,
                              .book_level_count = book_level_count_of,
                              .book_levels = book_levels_of,
                              .book_is_broken = book_is_broken_of};
    frame_view_set_host(&r->host);
    return r;
}

void tapedeck_reader_close(tapedeck_reader *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->topic_count; i++) {
        track_close(r->topics[i]->track);
        td_free(r->topics[i]->exchange_topic);
        td_free(r->topics[i]->topic);
        td_free(r->topics[i]->symbol);
        td_free(r->topics[i]);
    }
    td_free(r->topics);
    row_table_fini(&r->by_name);
    td_buf_fini(&r->bytes);
    decoder_close(r->decoder);
    td_free(r);
}

const tapedeck_host *tapedeck_reader_host(const tapedeck_reader *r)
{
    return &r->host;
}

static char *copy_of(td_bytes text)
{
    return td_strndup((const char *)text.data, text.size);
}

/* Find or make a frame's topic. */
static tapedeck_book *topic_of(tapedeck_reader *r, const classification *what)
{
    uint64_t hash = td_xxh64(what->exchange_topic.data, what->exchange_topic.size);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&r->by_name, &at))
        if (td_bytes_is(what->exchange_topic, r->topics[at.row]->exchange_topic))
            return r->topics[at.row];
    tapedeck_book *made = td_alloc_zero(1, sizeof *made);
    made->exchange_topic = copy_of(what->exchange_topic);
    made->topic = copy_of(what->topic.topic);
    made->symbol = copy_of(what->topic.symbol);
    made->track = track_open(what->topic.row);
    r->topics = td_array_grow(r->topics, r->topic_count, sizeof(tapedeck_book *));
    r->topics[r->topic_count] = made;
    row_table_put(&r->by_name, hash, r->topic_count++);
    return made;
}

/* Decode and check a frame of a topic with a row. */
static void on_data(tapedeck_reader *r, const classification *what, td_bytes frame)
{
    tapedeck_frame *out = &r->view.frame;
    tapedeck_book *topic = topic_of(r, what);
    decode_path path =
        (r->wants & TAPEDECK_WANTS_EVERY_VALUE) != 0 ? DECODE_PATH_WHOLE : DECODE_PATH_FAST;
    decode_error why;
    out->topic = topic->topic;
    out->symbol = topic->symbol;
    out->exchange_topic = tapedeck_text_of(topic->exchange_topic);
    out->book = track_book(topic->track) == NULL ? NULL : topic;
    if (track_row(topic->track) != what->topic.row)
        track_set_row(topic->track, what->topic.row);
    if (!decoder_decode(r->decoder, &what->topic, frame, path, &r->message, &why)) {
        out->reason = decode_reason_name(why.reason);
        track_skip(topic->track);
        frame_view_set_verdict(&r->view, NULL, topic->track);
        return;
    }
    track_apply(topic->track, &r->message, &r->verdict);
    out->content = frame_view_content(&r->message);
    frame_view_set_message(&r->view, &r->message);
    frame_view_set_verdict(&r->view, &r->verdict, topic->track);
}

const tapedeck_frame *tapedeck_reader_decode(tapedeck_reader *r, const void *bytes, size_t size,
                                             uint64_t recv_ns)
{
    static const uint8_t PADDING[DECODE_PADDING_BYTES];
    tapedeck_frame *out = &r->view.frame;
    classification what = {.frame_class = CLASS_UNKNOWN};
    decode_error why = {.reason = DECODE_LIMIT};
    td_buf_clear(&r->bytes);
    int fits = size <= LIMIT_FRAME_BYTES && td_buf_append(&r->bytes, bytes, size, NULL) == TD_OK &&
               td_buf_append(&r->bytes, PADDING, sizeof PADDING, NULL) == TD_OK;
    td_bytes frame = td_bytes_of(r->bytes.data, fits ? size : 0);
    r->view = (frame_view){.frame = {.size = sizeof r->view.frame,
                                     .own = &r->view,
                                     .feed = "",
                                     .family = r->family->name,
                                     .topic = "",
                                     .symbol = "",
                                     .session = "",
                                     .ordinal = ++r->ordinal,
                                     .recv_ns = recv_ns,
                                     .bytes = frame.data,
                                     .byte_count = frame.size,
                                     .content = TAPEDECK_UNDECODED,
                                     .type = msg_type_name(MSG_RAW),
                                     .reason = ""}};
    if (fits)
        decoder_classify(r->decoder, r->family, frame, CHANNEL_IN, recv_ns, &what);
    if (frame_class_is_control(what.frame_class)) {
        out->content = TAPEDECK_CONTROL;
        out->type = msg_type_name(MSG_CONTROL);
    } else if (what.topic.row != NULL) {
        on_data(r, &what, frame);
    } else {
        out->exchange_topic =
            (tapedeck_text){(const char *)what.exchange_topic.data, what.exchange_topic.size};
        if (fits)
            (void)decoder_decode(r->decoder, &what.topic, frame, DECODE_PATH_FAST, &r->message,
                                 &why); /* without a row this call only sets the reason */
        out->reason = decode_reason_name(why.reason);
    }
    return out;
}

void tapedeck_reader_reconnect(tapedeck_reader *r)
{
    r->ordinal = 0;
    for (size_t i = 0; i < r->topic_count; i++)
        track_reset(r->topics[i]->track);
}

void tapedeck_on_out_of_memory(void (*handler)(size_t bytes))
{
    td_set_out_of_memory_handler(handler);
}

const char *tapedeck_version(void)
{
    return TAPEDECK_VERSION;
}
