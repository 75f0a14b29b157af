#include "replay/sink_jsonl.h"

#include "base/alloc.h"
#include "schema/decode.h"
#include "schema/message_json.h"

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

static void write_data(sink_jsonl *self, json_writer *w, const sink_frame *shown)
{
    const tape_frame *frame = shown->tape;
    message m;
    decode_error why;
    if (decoder_decode(self->decoder, &shown->topic, frame->bytes, DECODE_PATH_HOT, &m, &why))
        message_json_members(w, &m);
    else
        message_json_raw(w, td_bytes_str(frame->channel->info.exchange_topic), &why);
}

static void write_control(sink_jsonl *self, json_writer *w, const sink_frame *shown)
{
    const tape_frame *frame = shown->tape;
    classification what = {.frame_class = shown->role == ROLE_OUT ? CLASS_REQUEST : CLASS_UNKNOWN,
                           .success = -1};
    if (frame->channel->family != NULL)
        decoder_classify(self->decoder, frame->channel->family, frame->bytes,
                         shown->role == ROLE_OUT ? DIR_OUT : DIR_IN, frame->recv_ns, &what);
    message_json_control(w, &what, frame->bytes);
}

static td_result take_frame(void *ctx, const sink_frame *shown, td_err *err)
{
    sink_jsonl *self = ctx;
    if (shown->role == ROLE_HTTP)
        return TD_OK;
    if (output_is_broken(self->output))
        return TD_EOF; /* nobody reads any more; output_finish says why */
    const tape_frame *frame = shown->tape;
    json_writer *w = output_json_begin(self->output);
    json_write_object_begin(w);
    if (shown->role == ROLE_CONTROL || shown->role == ROLE_OUT)
        write_control(self, w, shown);
    else
        write_data(self, w, shown);
    json_write_member_text(w, "feed", frame->channel->info.feed);
    json_write_member_u64(w, "conn", frame->conn);
    json_write_member_u64(w, "ordinal", frame->ordinal);
    json_write_member_u64(w, "recv_ns", frame->recv_ns);
    json_write_object_end(w);
    output_json_end(self->output);
    if (shown->deadline_ns != 0)
        output_flush(self->output); /* paced: a reader of the pipe sees each line when it is due */
    (void)err;
    return TD_OK;
}

sink sink_jsonl_get(sink_jsonl *self)
{
    static const sink_ops OPS = {.name = "messages", .frame = take_frame};
    return (sink){&OPS, self};
}
