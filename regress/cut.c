#include "regress/cut.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/event.h"
#include "book/symbol_state.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"
#include "format/segment_writer.h"
#include "tape/cursor.h"

enum {
    /* Channels of a cut: _events, and those of one stream on one connection, which differ by
     * opcode, form and family. */
    CUT_CHANNELS_MAX = 32,
    CUT_EVENT_BYTES_MAX = 1 << 20,
};

typedef struct cut {
    const cut_options *options;
    const regress_stream *of;
    cut_result result;
    uint64_t start_ns; /* first frame to write */
    event_slot slot;   /* the connection, before that frame */
    chunk_builder *builder;
    sealed_chunk *sealed;
    segment_writer *writer;                         /* NULL: nothing is written yet */
    uint8_t has_frame;                              /* 1: the frame itself is written */
    channel_info events;                            /* the channel of the segment event */
    const channel_info *channels[CUT_CHANNELS_MAX]; /* by their number in the file */
    uint32_t channel_count;
} cut;

/* ---- which frames ---- */

static int is_slot(const cut *c, uint32_t line, uint32_t shard)
{
    return line == c->of->first.line && shard == c->of->first.shard;
}

static int is_of_stream(const cut *c, const channel_info *info)
{
    return c->of->first.has_book && strcmp(info->topic, c->of->names.topic) == 0 &&
           strcmp(info->symbol, c->of->names.symbol) == 0;
}

static int wants_channel(void *user, const channel_info *info)
{
    const cut *c = user;
    return info->dir == CHANNEL_IN && is_slot(c, info->line, info->shard) &&
           (!c->of->first.has_book || channel_role(info) == ROLE_UNKNOWN || is_of_stream(c, info));
}

static int is_of_session(const cut *c, const frame_ref *frame)
{
    return strcmp(frame->conn->session_id, c->of->first.session_id) == 0;
}

/* 1 for a frame that was received on the connection. */
static int is_of_connection(const cut *c, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    return info->dir == CHANNEL_IN && frame->conn->number == c->of->first.conn &&
           is_slot(c, info->line, info->shard) && is_of_session(c, frame);
}

/* Open what the feed has from a time to the frame. */
static td_result open_tape(cut *c, uint64_t from_ns, cursor_options options, cursor **out,
                           td_err *err)
{
    const selection window = {.feeds = {&c->of->names.feed, 1},
                              .from = {TD_TIME_ABSOLUTE, from_ns},
                              .to = {TD_TIME_ABSOLUTE, c->of->first.recv_ns + 1},
                              .has_from = 1,
                              .has_to = 1};
    options.threads = c->options->threads;
    options.wants_channel = wants_channel;
    options.user = c;
    return cursor_open(c->options->archive, &window, &options, out, err);
}

/* Follow the frame's book from the connection's beginning: the cut begins with the last frame that
 * replaced it. */
static td_result find_start(cut *c, td_err *err)
{
    cursor *t = NULL;
    const frame_ref *frame;
    symbol_state *state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    symbol_topic *topic = symbol_state_topic(state, td_bytes_str(""), 0); /* the frame's */
    const cursor_options options = {
        .reads = TAPE_READS_MESSAGES, .decoding = c->options->decoding, .with_lead_in = 1};
    td_result rc = open_tape(c, c->of->first.recv_ns, options, &t, err);
    c->start_ns = 0;
    while (rc == TD_OK) {
        symbol_verdict found;
        rc = cursor_next(t, &frame, err);
        if (rc != TD_OK || !is_of_connection(c, frame) || !is_of_stream(c, &frame->channel->info) ||
            frame->row == NULL)
            continue;
        symbol_topic_apply(topic, frame, &found);
        if (c->start_ns == 0 || found.rules.is_snapshot) {
            c->start_ns = frame->recv_ns;
            c->slot.in = frame->ordinal - 1;
        }
        c->result.has_snapshot |= found.rules.is_snapshot;
    }
    symbol_state_close(state);
    cursor_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- writing ---- */

static td_result seal(cut *c, td_err *err)
{
    if (!chunk_builder_seal(c->builder, c->sealed))
        return TD_OK;
    return segment_writer_append(c->writer, c->sealed, NULL, err);
}

static td_result append(cut *c, const channel_info *info, chunk_frame *own, td_err *err)
{
    td_result rc = TD_OK;
    if (chunk_builder_wants_seal(c->builder, own->recv_ns))
        rc = seal(c, err);
    if (rc != TD_OK)
        return rc;
    if (chunk_builder_starts_segment(c->builder, own->recv_ns) && c->channel_count > 0)
        return td_err_set(err, TD_E_LIMIT,
                          "the last snapshot before frame %" PRIu64
                          " is more than a file may hold before it (%u chunks, %" PRIu64 " bytes)",
                          c->of->first.ordinal, LIMIT_SEGMENT_CHUNKS, LIMIT_SEGMENT_BYTES);
    while (own->channel < c->channel_count &&
           channel_info_compare(c->channels[own->channel], info) != 0)
        own->channel++;
    if (own->channel == CUT_CHANNELS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d channels of one topic", CUT_CHANNELS_MAX);
    if (own->channel == c->channel_count)
        c->channels[c->channel_count++] = info;
    own->info = info;
    return chunk_builder_append(c->builder, own, err);
}

/* What every segment begins with: the connection is open. */
static td_result append_segment_event(cut *c, uint64_t recv_ns, td_err *err)
{
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = c->of->first.session_id,
                          .number = 1,
                          .slots = &c->slot,
                          .slot_count = 1};
    td_buf json;
    td_buf_init(&json, CUT_EVENT_BYTES_MAX);
    td_result rc = event_encode(&begins, &json, err);
    chunk_frame own = {.recv_ns = recv_ns, .publish_ns = recv_ns, .bytes = td_buf_view(&json)};
    if (rc == TD_OK)
        rc = append(c, &c->events, &own, err);
    td_buf_fini(&json);
    return rc;
}

/* Remove what is not whole, or what one left that was killed. */
static td_result remove_file(const cut *c, td_err *err)
{
    char open_path[LIMIT_PATH_BYTES];
    segment_open_path(c->options->path, open_path);
    td_result rc = td_io_unlink(archive_io(c->options->archive), open_path, err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

/* Create the file, whose first frame is of this channel. */
static td_result open_file(cut *c, const frame_ref *first, td_err *err)
{
    const channel_info *info = &first->channel->info;
    const chunk_builder_options building = {.spans_hours = 1};
    const segment_session session = {.session = c->of->first.session_id,
                                     .start_ns = c->start_ns,
                                     .feed = info->feed,
                                     .family = info->family,
                                     .previous_segment = "",
                                     .verb = "cut",
                                     .version = TAPEDECK_VERSION,
                                     .is_private = 1};
    c->events = (channel_info){.feed = info->feed,
                               .family = info->family,
                               .dir = CHANNEL_EVENT,
                               .topic = CHANNEL_TOPIC_EVENTS,
                               .exchange_topic = "",
                               .symbol = "",
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json"};
    c->builder = chunk_builder_open(&building);
    c->sealed = sealed_chunk_open();
    td_result rc = remove_file(c, err);
    if (rc == TD_OK)
        rc = segment_writer_open(archive_io(c->options->archive), c->options->path, &session,
                                 &c->writer, err);
    return rc == TD_OK ? append_segment_event(c, first->recv_ns, err) : rc;
}

/* A gap of the connection or the topic. An event that cannot be read is damage. */
static int is_gap_wanted(const cut *c, const frame_ref *frame)
{
    const event *noted = frame->event;
    if (c->writer == NULL || noted == NULL || noted->kind != EVENT_GAP || !is_of_session(c, frame))
        return 0;
    const gap_row *gap = &noted->gap;
    if (gap->topic[0] == '\0')
        return is_slot(c, gap->line, gap->shard);
    return strcmp(gap->topic, c->of->names.topic) == 0 &&
           (gap->symbol[0] == '\0' || strcmp(gap->symbol, c->of->names.symbol) == 0);
}

static int is_frame_wanted(const cut *c, const frame_ref *frame)
{
    return is_of_connection(c, frame) && frame->ordinal > c->slot.in &&
           (frame->ordinal == c->of->first.ordinal ||
            (frame->ordinal < c->of->first.ordinal && is_of_stream(c, &frame->channel->info)));
}

static td_result put_if_wanted(cut *c, const frame_ref *frame, td_err *err)
{
    int is_event = frame->channel->role == ROLE_EVENT;
    if (!(is_event ? is_gap_wanted(c, frame) : is_frame_wanted(c, frame)))
        return TD_OK;
    td_result rc = c->writer == NULL ? open_file(c, frame, err) : TD_OK;
    chunk_frame own = {.conn = is_event ? 0 : frame->conn->number,
                       .ordinal = frame->ordinal,
                       .recv_ns = frame->recv_ns,
                       .publish_ns = frame->publish_ns,
                       .bytes = frame->bytes};
    if (rc == TD_OK)
        rc = append(c, &frame->channel->info, &own, err);
    c->result.frames += !is_event;
    c->has_frame |= !is_event && frame->ordinal == c->of->first.ordinal;
    return rc;
}

/* Copy the frames, and make the file whole. */
static td_result write_file(cut *c, td_err *err)
{
    cursor *t = NULL;
    const frame_ref *frame;
    const cursor_options options = {.reads = TAPE_READS_FRAMES, .with_events = 1};
    td_result rc = open_tape(c, c->start_ns, options, &t, err);
    while (rc == TD_OK) {
        rc = cursor_next(t, &frame, err);
        if (rc == TD_OK)
            rc = put_if_wanted(c, frame, err);
    }
    if (rc == TD_EOF && !c->has_frame)
        rc = td_err_set(err, TD_E_NOTFOUND,
                        "frame %" PRIu64 " of connection %u (session %s, feed %s) is not there",
                        c->of->first.ordinal, c->of->first.conn, c->of->first.session_id,
                        c->of->names.feed);
    if (rc == TD_EOF)
        rc = seal(c, err);
    cursor_close(t); /* channels are its */
    return rc == TD_OK ? segment_writer_finish(c->writer, NULL, err) : rc;
}

td_result cut_write(const cut_options *options, const regress_stream *of, cut_result *out,
                    td_err *err)
{
    const regress_difference *frame = &of->first;
    cut c = {.options = options,
             .of = of,
             .start_ns = frame->recv_ns,
             .slot = {.line = frame->line,
                      .shard = frame->shard,
                      .conn = frame->conn,
                      .in = frame->ordinal - 1}};
    td_result rc = frame->has_book ? find_start(&c, err) : TD_OK;
    c.slot.since_ns = c.start_ns;
    if (rc == TD_OK)
        rc = write_file(&c, err);
    segment_writer_close(c.writer);
    if (c.writer != NULL && rc != TD_OK)
        (void)remove_file(&c, NULL); /* the failure before it is returned */
    chunk_builder_close(c.builder);
    sealed_chunk_close(c.sealed);
    *out = c.result;
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "writing '%s'", options->path);
}
