#include "replay/last_frame.h"

#include "base/limits.h"

void last_frame_init(last_frame *self)
{
    *self = (last_frame){0};
    td_buf_init(&self->bytes, LIMIT_FRAME_BYTES);
    td_buf_init(&self->levels, SIZE_MAX);
}

void last_frame_fini(last_frame *self)
{
    td_buf_fini(&self->bytes);
    td_buf_fini(&self->levels);
}

void last_frame_clear(last_frame *self)
{
    self->is_set = 0;
    self->track = NULL;
}

static void note(last_frame *self, const observed_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    self->is_set = 1;
    self->is_copy = frame->is_copy;
    self->recv_ns = frame->recv_ns;
    self->ordinal = frame->ordinal;
    self->connection = frame->conn->number;
    self->channel = &frame->channel->info;
    self->undecoded = frame_role_is_of_topic(frame->channel->role) && m == NULL
                          ? decode_reason_name(frame->content.why.reason)
                          : NULL;
    self->rules.count = 0;
    self->track = NULL;
    if (seen->found != NULL) {
        self->rules = seen->found->rules;
        self->track = seen->found->track;
    }
    td_buf_clear(&self->bytes);
    td_buf_add(&self->bytes, frame->bytes.data, frame->bytes.size);
    td_buf_clear(&self->levels);
    for (size_t i = 0; m != NULL && m->head.type == MSG_BOOK_CHANGE && i < m->book.level_count; i++)
        td_buf_add(&self->levels, &m->book.levels[i], sizeof m->book.levels[i]);
}

static td_result observe(void *ctx, const struct stream *of, void **state,
                         const observed_frame *seen, td_err *err)
{
    last_frame *self = ctx;
    if (!seen->frame->is_lead_in)
        note(self, seen);
    return self->next.ops == NULL ? TD_OK
                                  : self->next.ops->frame(self->next.ctx, of, state, seen, err);
}

static void close_state(void *ctx, void *state)
{
    const last_frame *self = ctx;
    self->next.ops->close(self->next.ctx, state);
}

observer last_frame_observer(last_frame *self)
{
    static const observer_ops OPS = {.name = "last frame", .frame = observe, .close = close_state};
    return (observer){&OPS, self};
}

static void write_best(json_writer *json, const char *key, const book *b, msg_side side)
{
    book_level best;
    json_write_key(json, key);
    if (!book_level_at(b, side, 0, &best)) {
        json_write_null(json);
        return;
    }
    json_write_array_begin(json);
    json_write_decimal(json, best.price);
    json_write_decimal(json, best.size);
    json_write_array_end(json);
}

void last_frame_json(const last_frame *self, json_writer *json)
{
    const verdict_item *broken = verdict_violation(&self->rules);
    const book *b = self->track == NULL ? NULL : track_book(self->track);
    json_write_member_text(json, "feed", self->channel->feed);
    json_write_member_text(json, "topic", self->channel->topic);
    json_write_member_text(json, "symbol", self->channel->symbol);
    json_write_member_u64(json, "conn", self->connection);
    json_write_member_u64(json, "ordinal", self->ordinal);
    json_write_member_u64(json, "recv_ns", self->recv_ns);
    json_write_member_text(json, "undecoded", self->undecoded);
    json_write_member_text(json, "rule", broken == NULL ? NULL : rule_name(broken->rule));
    json_write_key(json, "book");
    if (b == NULL) {
        json_write_null(json);
        return;
    }
    char sha1[TD_SHA1_HEX_BYTES];
    book_levels_sha1(b, sha1);
    json_write_object_begin(json);
    write_best(json, "bid", b, SIDE_BUY);
    write_best(json, "ask", b, SIDE_SELL);
    json_write_member_bool(json, "broken", track_is_broken(self->track));
    json_write_member_text(json, "levels_sha1", sha1);
    json_write_object_end(json);
}
