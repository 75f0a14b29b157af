/* Runs a decoder in a shared object, called in this process: nothing slows it down, and a debugger
 * can be used. */
#include "regress/decoder_kind.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "regress/crash_note.h"
#include "regress/decoder_file.h"
#include "schema/message_build.h"

typedef struct library_instance {
    tapedeck_answer to; /* first member, because the decoder's calls get a pointer to it */
    decoder_file file;
    message_builder *builder;
    uint8_t has_failed; /* 1: the decoder called fail */
    char failure[DECODER_FAILURE_BYTES];
} library_instance;

/* ---- calls from the decoder ---- */

static td_bytes bytes_of(tapedeck_text text)
{
    return td_bytes_of(text.data, text.size);
}

static tapedeck_text text_of(const char *text)
{
    return (tapedeck_text){text, strlen(text)};
}

static message_builder *builder_of(tapedeck_answer *to)
{
    return ((library_instance *)to)->builder;
}

static void call_head(tapedeck_answer *to, tapedeck_text name, tapedeck_text value)
{
    const written_value written = {.type = JSON_STRING, .text = bytes_of(value)};
    message_build_head(builder_of(to), bytes_of(name), &written);
}

static void call_value(tapedeck_answer *to, tapedeck_text name, tapedeck_text value)
{
    const written_value written = {.type = JSON_STRING, .text = bytes_of(value)};
    message_build_member(builder_of(to), bytes_of(name), &written);
}

static void call_head_time(tapedeck_answer *to, tapedeck_text name, uint64_t ns)
{
    const written_value written = written_time(ns);
    message_build_head(builder_of(to), bytes_of(name), &written);
}

static void call_value_time(tapedeck_answer *to, tapedeck_text name, uint64_t ns)
{
    const written_value written = written_time(ns);
    message_build_member(builder_of(to), bytes_of(name), &written);
}

static void call_item(tapedeck_answer *to, tapedeck_text action)
{
    message_build_entry(builder_of(to));
    call_value(to, text_of("action"), action);
}

static void call_level(tapedeck_answer *to, tapedeck_text action, tapedeck_text side,
                       tapedeck_text price, tapedeck_text size)
{
    message_build_level(builder_of(to), bytes_of(action), bytes_of(side), bytes_of(price),
                        bytes_of(size));
}

static void call_trade(tapedeck_answer *to, tapedeck_text side, tapedeck_text price,
                       tapedeck_text size, uint64_t exchange_ns, tapedeck_text trade_id)
{
    message_build_trade(builder_of(to), bytes_of(side), bytes_of(price), bytes_of(size),
                        exchange_ns, bytes_of(trade_id));
}

static void call_fail(tapedeck_answer *to, tapedeck_text why)
{
    library_instance *own = (library_instance *)to;
    size_t size = why.size < sizeof own->failure - 1 ? why.size : sizeof own->failure - 1;
    if (own->has_failed)
        return;
    if (size > 0)
        memcpy(own->failure, why.data, size);
    own->failure[size] = '\0';
    own->has_failed = 1;
}

static const tapedeck_answer_calls CALLS = {
    .size = sizeof(tapedeck_answer_calls),
    .head = call_head,
    .level = call_level,
    .trade = call_trade,
    .item = call_item,
    .value = call_value,
    .fail = call_fail,
    .head_time = call_head_time,
    .value_time = call_value_time,
};

/* ---- decoding ---- */

static tapedeck_frame frame_of(const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    return (tapedeck_frame){
        .size = sizeof(tapedeck_frame),
        .feed = info->feed,
        .family = info->family,
        .topic = info->topic,
        .symbol = info->symbol,
        .exchange_topic = text_of(info->exchange_topic),
        .type = frame->row == NULL ? "" : msg_type_name(frame->row->type),
        .session = frame->conn->session_id,
        .ordinal = frame->ordinal,
        .recv_ns = frame->recv_ns,
        .bytes = frame->bytes.data,
        .byte_count = frame->bytes.size,
        .is_binary = info->opcode == OPCODE_BINARY,
        .reason = "",
        .version = {"", 0},
    };
}

static void call_decoder(library_instance *own, const frame_ref *frame)
{
    const tapedeck_frame shown = frame_of(frame);
    crash_note_begin(frame, own->file.path);
    own->file.table.decode(own->file.self, &shown, &own->to);
    crash_note_end();
}

static td_result library_decode(void *self, const frame_ref *frame, td_arena *arena,
                                frame_content *answer, char failure_text[DECODER_FAILURE_BYTES],
                                td_err *err)
{
    library_instance *own = self;
    const channel_info *info = &frame->channel->info;
    const message_subject subject = {frame->row, td_bytes_str(info->topic),
                                     td_bytes_str(info->symbol)};
    message *made = td_arena_alloc(arena, sizeof *made);
    td_err why;
    own->has_failed = 0;
    message_build_begin(own->builder, &subject, frame->bytes, arena);
    call_decoder(own, frame);
    (void)err;
    if (own->has_failed) {
        answer->why.reason = decoder_reason_of(td_bytes_str(own->failure));
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "%s", own->failure); /* fits */
    } else if (message_build_end(own->builder, made, &why) == TD_OK) {
        answer->message = made;
    } else {
        answer->why.reason = DECODE_GARBAGE;
        (void)snprintf(failure_text, DECODER_FAILURE_BYTES, "%.*s", DECODER_FAILURE_BYTES - 1,
                       why.text);
    }
    return TD_OK;
}

/* ---- instances ---- */

static void free_instance(library_instance *own)
{
    decoder_file_close(&own->file);
    message_builder_close(own->builder);
    td_free(own);
}

static td_result library_begin(const decoder_environment *environment, void **self, td_err *err)
{
    library_instance *own = td_alloc_zero(1, sizeof *own);
    own->to.calls = &CALLS;
    own->builder = message_builder_open();
    td_result rc = decoder_file_open(environment->name, environment->log, &own->file, err);
    if (rc == TD_OK)
        rc = decoder_file_begin(&own->file, err);
    if (rc != TD_OK) {
        free_instance(own);
        return rc;
    }
    crash_note_install(environment->timeout_ns);
    *self = own;
    return TD_OK;
}

static void library_end(void *self)
{
    library_instance *own = self;
    decoder_file_end(&own->file);
    free_instance(own);
}

const decoder_kind DECODER_LIBRARY = {
    .begin = library_begin, .end = library_end, .decode = library_decode};
