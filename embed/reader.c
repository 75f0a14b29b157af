/* Implements embed/include/tapedeck/tapedeck.h. */
#include "embed/include/tapedeck/tapedeck.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "base/version.h"
#include "embed/frame_view.h"
#include "schema/decode.h"
#include "tape/tape_topic.h"

/* A topic and symbol; frames point to its texts and book. */
struct tapedeck_book {
    char *exchange_topic;
    char *symbol;
    tape_topic tape; /* of a symbol state of its own */
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
    frame_conn conn;       /* the present connection */
    frame_channel channel; /* of all frames */
    uint64_t ordinal;
    frame_ref frame; /* the last frame of a topic */
    /* The last frame: */
    frame_view view;
    message message;
    applied_frame applied;
};

/* The track of a topic; NULL before its first frame. */
static track *track_of(const tapedeck_book *of)
{
    return of == NULL ? NULL : symbol_topic_track(of->tape.state);
}

static size_t book_level_count_of(const tapedeck_book *of, uint32_t side)
{
    return frame_view_level_count(track_of(of), side);
}

static size_t book_levels_of(const tapedeck_book *of, uint32_t side, size_t first, size_t max,
                             tapedeck_book_level *out)
{
    return frame_view_levels(track_of(of), side, first, max, out);
}

static int book_is_broken_of(const tapedeck_book *of)
{
    const track *on = track_of(of);
    return on == NULL || track_is_broken(on);
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
    r->frame = (frame_ref){.channel = &r->channel, .conn = &r->conn};
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
        symbol_state_close(r->topics[i]->tape.symbol);
        td_free(r->topics[i]->exchange_topic);
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
    made->symbol = copy_of(what->topic.symbol);
    made->tape.symbol = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    made->tape.state = symbol_state_topic(made->tape.symbol, what->topic.topic, 0);
    r->topics = td_array_grow(r->topics, r->topic_count, sizeof(tapedeck_book *));
    r->topics[r->topic_count] = made;
    row_table_put(&r->by_name, hash, r->topic_count++);
    return made;
}

/* Decode and check a frame of a topic with a row. */
static void on_data(tapedeck_reader *r, const classification *what, td_bytes bytes)
{
    tapedeck_frame *out = &r->view.frame;
    tapedeck_book *topic = topic_of(r, what);
    frame_ref *frame = &r->frame;
    decode_path path =
        (r->wants & TAPEDECK_WANTS_EVERY_VALUE) != 0 ? DECODE_PATH_WHOLE : DECODE_PATH_FAST;
    const int is_decoded =
        decoder_decode(r->decoder, &what->topic, bytes, path, &r->message, &frame->content.why);
    frame->recv_ns = out->recv_ns;
    frame->row = what->topic.row;
    frame->bytes = bytes;
    frame->content.message = is_decoded ? &r->message : NULL;
    tape_topic_apply(&topic->tape, frame, &r->applied);
    out->topic = topic->tape.state->name;
    out->symbol = topic->symbol;
    out->exchange_topic = tapedeck_text_of(topic->exchange_topic);
    out->book = track_book(track_of(topic)) == NULL ? NULL : topic;
    if (!is_decoded) {
        out->reason = decode_reason_name(frame->content.why.reason);
        frame_view_set_verdict(&r->view, NULL, track_of(topic));
        return;
    }
    out->content = frame_view_content(&r->message);
    frame_view_set_message(&r->view, &r->message);
    frame_view_set_verdict(&r->view, &r->applied.verdict.rules, track_of(topic));
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
    r->conn.number++;
    for (size_t i = 0; i < r->topic_count; i++)
        track_reset(track_of(r->topics[i]));
}

void tapedeck_on_out_of_memory(void (*handler)(size_t bytes))
{
    td_set_out_of_memory_handler(handler);
}

const char *tapedeck_version(void)
{
    return TAPEDECK_VERSION;
}
