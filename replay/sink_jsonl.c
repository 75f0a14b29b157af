#include "replay/sink_jsonl.h"

#include "base/alloc.h"
#include "replay/message_line.h"
#include "schema/decode.h"
#include "schema/message_json.h"
#include "tape/frame_json.h"

struct sink_jsonl {
    output_stream *output;
    decoder *decoder;
};

td_result sink_jsonl_open(output_stream *output, sink_jsonl **out, td_err *err)
{
    sink_jsonl *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a sink");
    made->output = output;
    td_result rc = decoder_open(&made->decoder, err);
    if (rc != TD_OK) {
        sink_jsonl_close(made);
        return rc;
    }
    *out = made;
    return TD_OK;
}

void sink_jsonl_close(sink_jsonl *self)
{
    if (self == NULL)
        return;
    decoder_close(self->decoder);
    td_free(self);
}

/* What one frame says, with every member. Memory that ran out is not what it says. */
typedef struct frame_content {
    int is_control;
    classification what; /* if is_control */
    int is_decoded;
    message message;
    decode_error why;
} frame_content;

/* What is filed under _control and is none any more (a family or a frame that this version does not
 * know) is looked at like the rest. */
static td_result read_control(sink_jsonl *self, const sink_frame *shown, frame_content *out,
                              td_err *err)
{
    const tape_frame *frame = shown->tape;
    out->what = (classification){
        .frame_class = shown->role == ROLE_OUT ? CLASS_REQUEST : CLASS_UNKNOWN, .success = -1};
    if (frame->channel->family != NULL)
        decoder_classify(self->decoder, frame->channel->family, frame->bytes,
                         shown->role == ROLE_OUT ? DIR_OUT : DIR_IN, frame->recv_ns, &out->what);
    out->is_control = frame_class_is_control(out->what.frame_class);
    return classification_result(&out->what, err);
}

static td_result read_content(sink_jsonl *self, const sink_frame *shown, frame_content *out,
                              td_err *err)
{
    td_result rc = TD_OK;
    out->is_control = 0;
    if (shown->role == ROLE_CONTROL || shown->role == ROLE_OUT)
        rc = read_control(self, shown, out, err);
    if (rc != TD_OK || out->is_control)
        return rc;
    out->is_decoded = decoder_decode(self->decoder, &shown->topic, shown->tape->bytes,
                                     DECODE_PATH_WHOLE, &out->message, &out->why);
    return out->is_decoded ? TD_OK : decode_error_result(&out->why, err);
}

static td_result write_content(sink_jsonl *self, json_writer *w, const sink_frame *shown,
                               const frame_content *content, td_err *err)
{
    const tape_frame *frame = shown->tape;
    if (content->is_control)
        message_json_control(w, &content->what, frame->bytes);
    else if (content->is_decoded)
        message_json_members(w, &content->message);
    else
        return message_line_raw(w, self->decoder, frame, &shown->topic, &content->why, err);
    return TD_OK;
}

static td_result take_frame(void *ctx, const sink_frame *shown, td_err *err)
{
    sink_jsonl *self = ctx;
    if (shown->role == ROLE_HTTP)
        return TD_OK;
    if (output_is_broken(self->output))
        return TD_EOF; /* nobody reads any more; output_finish says why */
    const tape_frame *frame = shown->tape;
    frame_content content;
    td_result rc = read_content(self, shown, &content, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed %s, %s", frame->channel->info.feed,
                          frame->channel->info.exchange_topic);
    json_writer *w = output_json_begin(self->output);
    json_write_object_begin(w);
    rc = write_content(self, w, shown, &content, err);
    if (rc != TD_OK)
        return rc;
    frame_json_place(w, frame);
    json_write_object_end(w);
    output_json_end(self->output);
    if (shown->deadline_ns != 0)
        output_flush(self->output); /* paced: a reader of the pipe sees each line when it is due */
    return TD_OK;
}

sink sink_jsonl_get(sink_jsonl *self)
{
    static const sink_ops OPS = {.name = "messages", .frame = take_frame};
    return (sink){&OPS, self};
}
