#include "regress/cut.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "archive/event.h"
#include "book/symbol_state.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"
#include "format/segment_writer.h"
#include "tape/selection.h"
#include "tape/cursor.h"

#define CUT_SUFFIX ".mcap"

enum {
    /* Channels of a cut: _events, and those of one stream on one connection, which differ by opcode
     * and by family. */
    CUT_CHANNELS_MAX = 16,
    CUT_EVENT_BYTES_MAX = 1 << 20,
};

/* What a window's frames are read for. */
typedef enum cut_wants {
    CUT_WANTS_EVENTS,
    CUT_WANTS_STREAM,     /* the frame's topic and symbol, on its slot */
    CUT_WANTS_CONNECTION, /* all that was received on its slot */
} cut_wants;

typedef struct cut {
    const cut_options *options;
    const cut_frame *frame;
    cut_result result;
    td_arena *texts;
    channel_info channel; /* the frame's */
    const topic_row *row; /* likewise */
    cut_wants wants;      /* of the tape that is read */
    uint64_t start_ns;    /* first frame to write */
    event_slot slot;      /* the connection, before that frame */
    chunk_builder *builder;
    sealed_chunk *sealed;
    segment_writer *writer;
    td_buf event_json;
    channel_info channels[CUT_CHANNELS_MAX]; /* by their number in the file; texts are in `texts` */
    uint32_t channel_count;
} cut;

/* ---- which frames ---- */

static int is_slot(const cut *c, uint32_t line, uint32_t shard)
{
    return line == c->frame->line && shard == c->frame->shard;
}

static int is_of_stream(const cut *c, const channel_info *info)
{
    return strcmp(info->topic, c->channel.topic) == 0 &&
           strcmp(info->symbol, c->channel.symbol) == 0;
}

static int wants_channel(void *user, const channel_info *info)
{
    const cut *c = user;
    if (c->wants == CUT_WANTS_EVENTS || info->dir != CHANNEL_IN ||
        !is_slot(c, info->line, info->shard))
        return 0;
    return c->wants == CUT_WANTS_CONNECTION || channel_role(info) == ROLE_UNKNOWN ||
           is_of_stream(c, info);
}

static int is_of_session(const cut *c, const frame_ref *frame)
{
    return strcmp(frame->conn->session_id, c->frame->session_id) == 0;
}

/* 1 for a frame that was received on the connection. */
static int is_of_connection(const cut *c, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    return info->dir == CHANNEL_IN && frame->conn->number == c->frame->conn &&
           is_slot(c, info->line, info->shard) && is_of_session(c, frame);
}

/* Open what the feed has in a window. */
static td_result open_window(cut *c, uint64_t from_ns, uint64_t to_ns, cut_wants wants,
                             cursor_options *options, cursor **out, td_err *err)
{
    const selection window = {.feeds = {&c->frame->feed, 1},
                              .from = {TD_TIME_ABSOLUTE, from_ns},
                              .to = {TD_TIME_ABSOLUTE, to_ns},
                              .has_from = 1,
                              .has_to = 1};
    c->wants = wants;
    options->with_events = 1;
    options->threads = c->options->threads;
    options->wants_channel = wants_channel;
    options->user = c;
    return cursor_open(c->options->archive, &window, options, out, err);
}

/* ---- the frame ---- */

/* A copy of a channel's description that lives as long as the cut, without schema. */
static void keep_info(cut *c, const channel_info *from, channel_info *out)
{
    *out = *from;
    out->schema = td_bytes_of(NULL, 0);
    out->schema_name = "";
    const char **const texts[] = {&out->feed,           &out->family, &out->topic,
                                  &out->exchange_topic, &out->symbol, &out->message_encoding};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = td_arena_copy(c->texts, *texts[i], strlen(*texts[i]) + 1);
}

static td_result find_frame(cut *c, td_err *err)
{
    cursor *t = NULL;
    const frame_ref *frame;
    uint64_t at_ns = c->frame->recv_ns;
    int is_found = 0;
    td_result rc =
        open_window(c, at_ns, at_ns + 1, CUT_WANTS_CONNECTION, &(cursor_options){0}, &t, err);
    while (rc == TD_OK && !is_found) {
        rc = cursor_next(t, &frame, err);
        if (rc != TD_OK || !is_of_connection(c, frame) || frame->ordinal != c->frame->ordinal)
            continue;
        is_found = 1;
        c->row = frame->row;
        c->result.has_book = c->row != NULL && c->row->type == MSG_BOOK_CHANGE;
        keep_info(c, &frame->channel->info, &c->channel);
    }
    cursor_close(t);
    if (rc != TD_EOF)
        return rc;
    return td_err_set(err, TD_E_NOTFOUND,
                      "frame %" PRIu64 " of connection %u (session %s, feed %s) is not there",
                      c->frame->ordinal, c->frame->conn, c->frame->session_id, c->frame->feed);
}

/* ---- where it begins ---- */

/* When the connection began: its first event, or its restatement at the beginning of a segment. */
static void note_connection(cut *c, const frame_ref *frame)
{
    const event *noted = frame->event;
    if (noted->kind == EVENT_CONNECT && is_slot(c, noted->line, noted->shard) &&
        noted->conn == c->frame->conn)
        c->slot.since_ns = frame->recv_ns;
    for (size_t i = 0; noted->kind == EVENT_SEGMENT && i < noted->slot_count; i++) {
        const event_slot *slot = &noted->slots[i];
        if (c->slot.since_ns == 0 && is_slot(c, slot->line, slot->shard) &&
            slot->conn == c->frame->conn)
            c->slot.since_ns = slot->since_ns;
    }
}

/* Follow the frame's topic up to it: the last frame that replaced the book is where it begins. */
static void follow_frame(cut *c, symbol_topic *topic, const frame_ref *frame)
{
    symbol_verdict found;
    if (!is_of_stream(c, &frame->channel->info) || frame->row == NULL)
        return;
    symbol_topic_apply(topic, frame, &found);
    int is_first = c->start_ns == 0;
    if (is_first || found.rules.is_snapshot) {
        c->start_ns = frame->recv_ns;
        c->slot.in = frame->ordinal - 1;
    }
    c->result.has_snapshot |= found.rules.is_snapshot;
}

/* When the connections began that are open at the frame, as far as the archive knows. */
static td_result find_lead(cut *c, uint64_t *out, td_err *err)
{
    cursor *t = NULL;
    cursor_options options = {.with_lead_in = 1};
    uint64_t at_ns = c->frame->recv_ns;
    td_result rc = open_window(c, at_ns, at_ns + 1, CUT_WANTS_EVENTS, &options, &t, err);
    if (rc == TD_OK)
        *out = cursor_get_lead_from_ns(t);
    cursor_close(t);
    return rc;
}

static td_result find_start(cut *c, td_err *err)
{
    cursor *t = NULL;
    const frame_ref *frame;
    symbol_state *state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
    symbol_topic *topic = symbol_state_topic(state, td_bytes_str(""), 0); /* the frame's */
    cursor_options options = {.reads = c->result.has_book ? TAPE_READS_MESSAGES : TAPE_READS_FRAMES,
                              .decoding = c->options->decoding};
    uint64_t lead_from_ns = 0;
    td_result rc = find_lead(c, &lead_from_ns, err);
    if (rc == TD_OK)
        rc = open_window(c, lead_from_ns, c->frame->recv_ns + 1,
                         c->result.has_book ? CUT_WANTS_STREAM : CUT_WANTS_EVENTS, &options, &t,
                         err);
    while (rc == TD_OK) {
        rc = cursor_next(t, &frame, err);
        if (rc == TD_OK && frame->event != NULL && is_of_session(c, frame))
            note_connection(c, frame);
        else if (rc == TD_OK && c->result.has_book && is_of_connection(c, frame))
            follow_frame(c, topic, frame);
    }
    symbol_state_close(state);
    cursor_close(t);
    if (rc == TD_EOF)
        rc = TD_OK;
    if (rc == TD_OK && !c->result.has_book) {
        c->start_ns = c->frame->recv_ns;
        c->slot.in = c->frame->ordinal - 1;
    }
    TD_ASSERT(rc != TD_OK || c->start_ns != 0);
    return rc;
}

/* ---- writing ---- */

static td_result seal(cut *c, td_err *err)
{
    if (!chunk_builder_seal(c->builder, c->sealed))
        return TD_OK;
    return segment_writer_append(c->writer, c->sealed, NULL, err);
}

static td_result append(cut *c, const channel_info *info, chunk_frame *own, td_err *err);

/* What every segment begins with: the connection is open. */
static td_result append_segment_event(cut *c, uint64_t recv_ns, td_err *err)
{
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = c->frame->session_id,
                          .number = 1,
                          .slots = &c->slot,
                          .slot_count = 1};
    const channel_info info = {.feed = c->channel.feed,
                               .family = c->channel.family,
                               .dir = CHANNEL_EVENT,
                               .topic = CHANNEL_TOPIC_EVENTS,
                               .exchange_topic = "",
                               .symbol = "",
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json",
                               .schema_name = ""};
    td_buf_clear(&c->event_json);
    td_result rc = event_encode(&begins, &c->event_json, err);
    chunk_frame own = {
        .recv_ns = recv_ns, .publish_ns = recv_ns, .bytes = td_buf_view(&c->event_json)};
    return rc == TD_OK ? append(c, &info, &own, err) : rc;
}

/* Make ready for a message of this time. */
static td_result make_ready(cut *c, uint64_t recv_ns, td_err *err)
{
    td_result rc = TD_OK;
    if (chunk_builder_wants_seal(c->builder, recv_ns))
        rc = seal(c, err);
    if (rc != TD_OK || !chunk_builder_starts_segment(c->builder, recv_ns) || c->channel_count == 0)
        return rc;
    return td_err_set(err, TD_E_LIMIT,
                      "the last snapshot before frame %" PRIu64
                      " is more than a file may hold before it (%u chunks, %" PRIu64 " bytes)",
                      c->frame->ordinal, LIMIT_SEGMENT_CHUNKS, LIMIT_SEGMENT_BYTES);
}

/* The channel's number in the file. */
static td_result number_channel(cut *c, const channel_info *info, uint32_t *out, td_err *err)
{
    for (*out = 0; *out < c->channel_count; (*out)++) {
        if (channel_info_compare(&c->channels[*out], info) == 0)
            return TD_OK;
    }
    if (c->channel_count == CUT_CHANNELS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d channels of one topic", CUT_CHANNELS_MAX);
    keep_info(c, info, &c->channels[*out]);
    c->channel_count++;
    return TD_OK;
}

static td_result append(cut *c, const channel_info *info, chunk_frame *own, td_err *err)
{
    td_result rc = make_ready(c, own->recv_ns, err);
    if (rc == TD_OK)
        rc = number_channel(c, info, &own->channel, err);
    if (rc != TD_OK)
        return rc;
    own->info = &c->channels[own->channel];
    return chunk_builder_append(c->builder, own, err);
}

/* ---- what is written ---- */

static int is_gap_wanted(const cut *c, const gap_row *gap)
{
    if (gap->topic[0] == '\0')
        return is_slot(c, gap->line, gap->shard);
    return strcmp(gap->topic, c->channel.topic) == 0 &&
           (gap->symbol[0] == '\0' || strcmp(gap->symbol, c->channel.symbol) == 0);
}

/* An event that cannot be read is damage, and says nothing. */
static int is_event_wanted(const cut *c, const frame_ref *frame)
{
    const event *noted = frame->event;
    return noted != NULL && noted->kind == EVENT_GAP && is_of_session(c, frame) &&
           is_gap_wanted(c, &noted->gap);
}

static int is_frame_wanted(const cut *c, const frame_ref *frame)
{
    if (!is_of_connection(c, frame) || frame->ordinal <= c->slot.in ||
        frame->ordinal > c->frame->ordinal)
        return 0;
    return frame->ordinal == c->frame->ordinal || is_of_stream(c, &frame->channel->info);
}

static td_result put_if_wanted(cut *c, const frame_ref *frame, td_err *err)
{
    int is_event = frame->channel->role == ROLE_EVENT;
    if (!(is_event ? is_event_wanted(c, frame) : is_frame_wanted(c, frame)))
        return TD_OK;
    td_result rc = c->channel_count == 0 ? append_segment_event(c, frame->recv_ns, err) : TD_OK;
    chunk_frame own = {.conn = is_event ? 0 : frame->conn->number,
                       .ordinal = frame->ordinal,
                       .recv_ns = frame->recv_ns,
                       .publish_ns = frame->publish_ns,
                       .bytes = frame->bytes};
    if (rc == TD_OK)
        rc = append(c, &frame->channel->info, &own, err);
    if (is_event)
        c->result.events++;
    else
        c->result.frames++;
    return rc;
}

static td_result copy_frames(cut *c, td_err *err)
{
    cursor *t = NULL;
    const frame_ref *frame;
    cursor_options options = {.reads = TAPE_READS_FRAMES};
    td_result rc =
        open_window(c, c->start_ns, c->frame->recv_ns + 1, CUT_WANTS_STREAM, &options, &t, err);
    while (rc == TD_OK) {
        rc = cursor_next(t, &frame, err);
        if (rc == TD_OK)
            rc = put_if_wanted(c, frame, err);
    }
    cursor_close(t);
    return rc == TD_EOF ? seal(c, err) : rc;
}

/* ---- the file ---- */

td_result cut_check_path(td_io io, const char *path, cut_existing existing, td_err *err)
{
    char open_path[LIMIT_PATH_BYTES];
    size_t length = strlen(path);
    size_t suffix = strlen(CUT_SUFFIX);
    if (length + sizeof SEGMENT_OPEN_SUFFIX > sizeof open_path)
        return td_err_set(err, TD_E_INVALID, "a path of %zu bytes is too long", length);
    if (length <= suffix || strcmp(path + length - suffix, CUT_SUFFIX) != 0) {
        td_err_set(err, TD_E_INVALID, "'%s': the name of a tape ends in " CUT_SUFFIX, path);
        return TD_E_INVALID;
    }
    if (existing == CUT_REPLACE)
        return TD_OK;
    segment_open_path(path, open_path);
    const char *const paths[] = {path, open_path};
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < sizeof paths / sizeof *paths; i++) {
        uint64_t size;
        td_err cause;
        if (td_io_size_at(io, paths[i], &size, &cause) != TD_E_NOTFOUND) {
            rc = td_err_set(err, TD_E_INVALID, "'%s' is there already", paths[i]);
            td_err_hint(err, "write into another file, or replace it with --force");
        }
    }
    return rc;
}

static td_result open_file(cut *c, td_err *err)
{
    char open_path[LIMIT_PATH_BYTES];
    td_io io = archive_io(c->options->archive);
    const chunk_builder_options building = {.spans_hours = 1};
    const segment_session session = {.session = c->frame->session_id,
                                     .start_ns = c->start_ns,
                                     .feed = c->channel.feed,
                                     .family = c->channel.family,
                                     .previous_segment = "",
                                     .verb = "cut",
                                     .version = c->options->version,
                                     .is_private = 1};
    c->builder = chunk_builder_open(&building);
    c->sealed = sealed_chunk_open();
    segment_open_path(c->options->path, open_path);
    if (c->options->existing == CUT_REPLACE) {
        td_result rc = td_io_unlink(io, open_path, err); /* what one left that was killed */
        if (rc != TD_OK && rc != TD_E_NOTFOUND)
            return rc;
    }
    return segment_writer_open(io, c->options->path, &session, &c->writer, err);
}

static td_result finish_file(cut *c, td_err *err)
{
    segment_totals totals;
    td_result rc = segment_writer_finish(c->writer, &totals, err);
    if (rc == TD_OK) {
        c->result.file_bytes = totals.file_bytes;
        c->result.first_ns = c->start_ns;
    }
    return rc;
}

/* Close, and remove what did not become whole. */
static void close_file(cut *c, td_result rc)
{
    char open_path[LIMIT_PATH_BYTES];
    int is_left = c->writer != NULL && rc != TD_OK;
    segment_writer_close(c->writer);
    if (!is_left)
        return;
    segment_open_path(c->options->path, open_path);
    td_result unlinked = td_io_unlink(archive_io(c->options->archive), open_path, NULL);
    (void)unlinked; /* the failure before it is returned */
}

/* Everything that is known before the file is made. */
static td_result prepare(cut *c, td_err *err)
{
    td_result rc = cut_check_path(archive_io(c->options->archive), c->options->path,
                                  c->options->existing, err);
    if (rc == TD_OK)
        rc = find_frame(c, err);
    if (rc == TD_OK && c->frame->conn == 0) {
        rc = td_err_set(err, TD_E_UNSUPPORTED,
                        "frame %" PRIu64 " of feed %s: the file does not name its connection",
                        c->frame->ordinal, c->frame->feed);
        td_err_hint(err, "files of other programs must be imported first: tapedeck import");
    }
    c->slot =
        (event_slot){.line = c->frame->line, .shard = c->frame->shard, .conn = c->frame->conn};
    return rc == TD_OK ? find_start(c, err) : rc;
}

td_result cut_write(const cut_options *options, const cut_frame *frame, cut_result *out,
                    td_err *err)
{
    cut *c = td_alloc_zero(1, sizeof *c);
    c->options = options;
    c->frame = frame;
    c->texts = td_arena_open();
    td_buf_init(&c->event_json, CUT_EVENT_BYTES_MAX);
    td_result rc = prepare(c, err);
    if (rc == TD_OK)
        rc = open_file(c, err);
    if (rc == TD_OK)
        rc = copy_frames(c, err);
    if (rc == TD_OK)
        rc = finish_file(c, err);
    close_file(c, rc);
    *out = c->result;
    chunk_builder_close(c->builder);
    sealed_chunk_close(c->sealed);
    td_buf_fini(&c->event_json);
    td_arena_close(c->texts);
    td_free(c);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "writing '%s'", options->path);
}
