#include "replay/plugin_view.h"

#include <string.h>

#include "base/assert.h"
#include "schema/message.h"

/* ---- frames ---- */

/* Of a message the type is set with it. */
static void set_content(const frame_ref *frame, tapedeck_frame *out)
{
    out->content = frame_view_content(frame->content.message);
    out->type = msg_type_name(MSG_RAW);
    if (frame->channel->role == ROLE_CONTROL) {
        out->content = TAPEDECK_CONTROL;
        out->type = msg_type_name(MSG_CONTROL);
    } else if (frame->channel->role == ROLE_OUT) {
        out->content = TAPEDECK_SENT;
        out->type = msg_type_name(MSG_REQUEST);
    } else if (frame->channel->role == ROLE_HTTP) {
        out->content = TAPEDECK_HTTP;
        out->type = channel_dir_name(CHANNEL_HTTP);
    }
}

uint32_t plugin_view_needs(const frame_ref *frame)
{
    uint32_t needs = 0;
    if (frame->is_lead_in)
        needs |= TAPEDECK_WANTS_LEAD_IN;
    if (frame->is_copy)
        needs |= TAPEDECK_WANTS_COPIES;
    if (!frame_role_is_of_topic(frame->channel->role))
        needs |= TAPEDECK_WANTS_CONTROL;
    return needs;
}

/* As the exchange writes it; of a topic that no row knows, as the frame does. */
static tapedeck_text exchange_topic_of(const frame_ref *frame)
{
    td_bytes topic = td_bytes_str(frame->channel->info.exchange_topic);
    if (topic.size == 0 && frame->content.what != NULL)
        topic = frame->content.what->exchange_topic;
    return (tapedeck_text){(const char *)topic.data, topic.size};
}

void plugin_view_frame(plugin_view *view, const struct stream *of, const observed_frame *seen,
                       const tapedeck_book *of_stream)
{
    const frame_ref *frame = seen->frame;
    const symbol_verdict *found = seen->found;
    const channel_info *info = &frame->channel->info;
    tapedeck_frame *out = &view->of.frame;
    *view = (plugin_view){0};
    int is_copy = of_stream != NULL && frame->is_copy;
    if (is_copy)
        view->copy = (tapedeck_book){.of_copy = found != NULL ? found->track : NULL,
                                     .is_over = of_stream->is_over};
    *out = (tapedeck_frame){.size = sizeof *out,
                            .own = &view->of,
                            .feed = of->feed,
                            .family = info->family,
                            .topic = of->topic,
                            .symbol = of->symbol,
                            .exchange_topic = exchange_topic_of(frame),
                            .session = frame->conn->session_id,
                            .line = info->line,
                            .shard = info->shard,
                            .connection = frame->conn->number,
                            .ordinal = frame->ordinal,
                            .recv_ns = frame->recv_ns,
                            .bytes = frame->bytes.data,
                            .byte_count = frame->bytes.size,
                            .reason = "",
                            .is_binary = info->opcode == OPCODE_BINARY,
                            .is_lead_in = frame->is_lead_in,
                            .is_copy = frame->is_copy,
                            .book = is_copy ? &view->copy : of_stream};
    set_content(frame, out);
    if (out->content == TAPEDECK_UNDECODED) {
        TD_ASSERT(frame->is_read); /* the tape reads at least messages */
        out->reason = decode_reason_name(frame->content.why.reason);
    }
    frame_view_set_message(&view->of, frame->content.message);
    int is_judged = found != NULL && frame->content.message != NULL;
    frame_view_set_verdict(&view->of, is_judged ? &found->rules : NULL,
                           found != NULL ? found->track : NULL);
}

/* ---- books ---- */

/* NULL: no book, or the play has failed. */
static const track *track_of(const tapedeck_book *view)
{
    if (view == NULL || *view->is_over)
        return NULL;
    return view->of != NULL ? stream_last_track(view->of) : view->of_copy;
}

static size_t get_book_level_count(const tapedeck_book *view, uint32_t side)
{
    return frame_view_level_count(track_of(view), side);
}

static size_t get_book_levels(const tapedeck_book *view, uint32_t side, size_t first, size_t max,
                              tapedeck_book_level *out)
{
    return frame_view_levels(track_of(view), side, first, max, out);
}

static int get_book_is_broken(const tapedeck_book *view)
{
    const track *from = track_of(view);
    return from == NULL || track_is_broken(from);
}

void plugin_view_set_host(tapedeck_host *host)
{
    frame_view_set_host(host);
    host->book_level_count = get_book_level_count;
    host->book_levels = get_book_levels;
    host->book_is_broken = get_book_is_broken;
}

/* ---- events ---- */

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

void plugin_view_event(const frame_ref *frame, tapedeck_event *out)
{
    const channel_info *info = &frame->channel->info;
    const event *from = frame->event;
    *out = (tapedeck_event){.size = sizeof *out,
                            .kind = "",
                            .feed = info->feed,
                            .session = frame->conn->session_id,
                            .recv_ns = frame->recv_ns,
                            .state = "",
                            .url = "",
                            .topics = "",
                            .topic = "",
                            .symbol = "",
                            .reason = "",
                            .cause = "",
                            .detail = "",
                            .json = {(const char *)frame->bytes.data, frame->bytes.size}};
    if (from == NULL)
        return;
    const gap_row *gap = from->kind == EVENT_GAP ? &from->gap : NULL;
    out->kind = event_kind_name(from->kind);
    out->line = gap != NULL ? gap->line : from->line;
    out->shard = gap != NULL ? gap->shard : from->shard;
    out->connection = gap != NULL ? gap->conn : from->conn;
    out->state = or_empty(from->state);
    out->url = or_empty(from->url);
    out->topics = or_empty(from->topics);
    out->topic = or_empty(gap != NULL ? gap->topic : from->topic);
    out->symbol = or_empty(gap != NULL ? gap->symbol : NULL);
    out->reason = or_empty(gap != NULL ? gap_reason_name(gap->reason) : from->reason);
    out->cause = or_empty(gap != NULL ? gap->cause : from->cause);
    out->detail = or_empty(gap != NULL ? gap->detail : from->detail);
    out->from_ns = gap != NULL ? gap->from_ns : from->from_ns;
    out->to_ns = gap != NULL ? gap->to_ns : from->to_ns;
}
