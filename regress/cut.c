#include "regress/cut.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "archive/archive_segment.h"
#include "archive/event.h"
#include "book/follower.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"
#include "format/segment_reader.h"
#include "format/segment_writer.h"
#include "tape/selection.h"
#include "tape/tape.h"

#define CUT_SUFFIX ".mcap"

enum {
    /* Channels of a cut: _events, and those of one stream on one connection, which differ by opcode
     * and by family. */
    CUT_CHANNELS_MAX = 16,
    CUT_TEXTS_BYTES_MAX = 1 << 20, /* their names */
    CUT_EVENT_BYTES_MAX = 1 << 20,
    /* Ordinals count from the connect event with 32 bits a message: beyond these the connection is
     * restated where the frames begin, with 64. */
    CUT_COUNTED_ORDINALS_MAX = INT32_MAX,
};

/* A channel of the file, under its number there. */
typedef struct cut_channel {
    channel_info info; /* texts are in the cut's arena, the schema is the reader's */
} cut_channel;

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
    /* The frame, once it was found. */
    channel_info channel;
    const topic_row *row;
    cut_wants wants; /* of the tape that is read */
    /* Where its connection and its stream begin. */
    uint64_t lead_from_ns;
    uint64_t start_ns;         /* first frame to write */
    uint64_t start_ordinal;    /* of that */
    event_slot slot;           /* of the connection, as it began; since_ns 0: unknown */
    uint8_t has_connect_event; /* it is in the archive */
    /* Its session: the first segment that there is, and where its channels are described. */
    archive_listing listing;
    segment_reader *first;
    segment_reader *describing; /* NULL: none does */
    /* What is written. */
    chunk_builder *builder;
    sealed_chunk *sealed;
    segment_writer *writer;
    td_buf event_json;
    cut_channel channels[CUT_CHANNELS_MAX];
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

static int is_of_session(const cut *c, const tape_frame *frame)
{
    return strcmp(frame->session_id, c->frame->session_id) == 0;
}

/* 1 for a frame that was received on the connection. */
static int is_of_connection(const cut *c, const tape_frame *frame)
{
    const channel_info *info = &frame->channel->info;
    return info->dir == CHANNEL_IN && frame->conn == c->frame->conn &&
           is_slot(c, info->line, info->shard) && is_of_session(c, frame);
}

/* Open what the feed has in a window. */
static td_result open_window(cut *c, uint64_t from_ns, uint64_t to_ns, cut_wants wants,
                             tape_options *options, tape **out, td_err *err)
{
    const selection window = {.feeds = {&c->frame->feed, 1},
                              .from = {TD_TIME_ABSOLUTE, from_ns},
                              .to = {TD_TIME_ABSOLUTE, to_ns},
                              .has_from = 1,
                              .has_to = 1};
    c->wants = wants;
    options->threads = c->options->threads;
    options->wants_channel = wants_channel;
    options->user = c;
    return tape_open(c->options->archive, &window, options, out, err);
}

/* ---- the frame ---- */

static td_result keep_text(cut *c, const char **text, td_err *err)
{
    const char *copy = td_arena_copy(c->texts, *text, strlen(*text) + 1);
    if (copy == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a channel's names");
    *text = copy;
    return TD_OK;
}

/* A copy of a channel's description that lives as long as the cut; without schema text. */
static td_result keep_info(cut *c, const channel_info *from, channel_info *out, td_err *err)
{
    *out = *from;
    out->schema = td_bytes_of(NULL, 0);
    const char **const texts[] = {&out->feed,           &out->family, &out->topic,
                                  &out->exchange_topic, &out->symbol, &out->message_encoding,
                                  &out->schema_name};
    td_result rc = TD_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == TD_OK; i++)
        rc = keep_text(c, texts[i], err);
    return rc;
}

static td_result keep_frame(cut *c, const tape_frame *frame, td_err *err)
{
    c->row = frame->row;
    c->result.has_book = c->row != NULL && c->row->type == MSG_BOOK_CHANGE;
    return keep_info(c, &frame->channel->info, &c->channel, err);
}

static td_result find_frame(cut *c, td_err *err)
{
    tape *t = NULL;
    tape_frame frame;
    uint64_t at_ns = c->frame->recv_ns;
    int is_found = 0;
    td_result rc =
        open_window(c, at_ns, at_ns + 1, CUT_WANTS_CONNECTION, &(tape_options){0}, &t, err);
    while (rc == TD_OK && !is_found) {
        rc = tape_next(t, &frame, err);
        if (rc != TD_OK || !is_of_connection(c, &frame) || frame.ordinal != c->frame->ordinal)
            continue;
        is_found = 1;
        rc = keep_frame(c, &frame, err);
    }
    tape_close(t);
    if (rc != TD_EOF)
        return rc;
    return td_err_set(err, TD_E_NOTFOUND,
                      "frame %" PRIu64 " of connection %u (session %s, feed %s) is not there",
                      c->frame->ordinal, c->frame->conn, c->frame->session_id, c->frame->feed);
}

/* ---- where it begins ---- */

/* The connection's beginning, or its restatement in the first segment that there is of it. */
static void note_connection(cut *c, const tape_frame *frame)
{
    const event *noted = frame->event;
    if (noted->kind == EVENT_CONNECT && is_slot(c, noted->line, noted->shard) &&
        noted->conn == c->frame->conn) {
        c->has_connect_event = 1;
        c->slot.since_ns = frame->recv_ns;
    }
    for (size_t i = 0; noted->kind == EVENT_SEGMENT && i < noted->slot_count; i++) {
        const event_slot *slot = &noted->slots[i];
        if (c->slot.since_ns == 0 && is_slot(c, slot->line, slot->shard) &&
            slot->conn == c->frame->conn)
            c->slot.since_ns = slot->since_ns;
    }
}

/* Follow the frame's topic up to it: the last frame that replaced the book is where it begins. */
static void follow_frame(cut *c, follower *f, const tape_frame *frame)
{
    const follower_conn from = {frame->session, c->frame->shard, c->frame->conn};
    verdict found = {0};
    if (!is_of_stream(c, &frame->channel->info) || frame->row == NULL)
        return;
    follower_meet(f, &from, frame->row);
    follower_take(f, frame->content->message, &found);
    int is_first = c->start_ns == 0;
    if (is_first || (frame->content->message != NULL && found.is_snapshot)) {
        c->start_ns = frame->recv_ns;
        c->start_ordinal = frame->ordinal;
    }
    c->result.has_snapshot |= frame->content->message != NULL && found.is_snapshot;
}

/* When the connection began, as far as the archive knows. */
static td_result find_lead(cut *c, td_err *err)
{
    tape *t = NULL;
    tape_options options = {.with_lead_in = 1};
    uint64_t at_ns = c->frame->recv_ns;
    td_result rc = open_window(c, at_ns, at_ns + 1, CUT_WANTS_EVENTS, &options, &t, err);
    if (rc == TD_OK)
        c->lead_from_ns = tape_get_lead_from_ns(t);
    tape_close(t);
    return rc;
}

static td_result find_start(cut *c, td_err *err)
{
    tape *t = NULL;
    tape_frame frame;
    follower f = {0};
    tape_options options = {.reads = c->result.has_book ? TAPE_READS_MESSAGES : TAPE_READS_FRAMES,
                            .decoding = c->options->decoding,
                            .with_events = 1};
    td_result rc = find_lead(c, err);
    if (rc == TD_OK)
        rc = open_window(c, c->lead_from_ns, c->frame->recv_ns + 1,
                         c->result.has_book ? CUT_WANTS_STREAM : CUT_WANTS_EVENTS, &options, &t,
                         err);
    while (rc == TD_OK) {
        rc = tape_next(t, &frame, err);
        if (rc == TD_OK && frame.event != NULL && is_of_session(c, &frame))
            note_connection(c, &frame);
        else if (rc == TD_OK && c->result.has_book && is_of_connection(c, &frame))
            follow_frame(c, &f, &frame);
    }
    follower_close(&f);
    tape_close(t);
    if (rc == TD_EOF)
        rc = TD_OK;
    if (rc == TD_OK && !c->result.has_book) {
        c->start_ns = c->frame->recv_ns;
        c->start_ordinal = c->frame->ordinal;
    }
    TD_ASSERT(rc != TD_OK || c->start_ns != 0);
    return rc;
}

/* ---- its session ---- */

static const segment_channel *find_channel(const segment_reader *reader, const channel_info *info)
{
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        if (channel_info_compare(&channel->info, info) == 0)
            return channel;
    }
    return NULL;
}

/* A file of the session, by its name, or by what it says where it has another name. */
static int may_be_of_session(const cut *c, const archive_segment *segment)
{
    return !segment->name.is_parsed || (strcmp(segment->name.session, c->frame->session_id) == 0 &&
                                        strcmp(segment->name.feed, c->frame->feed) == 0);
}

static td_result look_at_segment(cut *c, const archive_segment *segment, td_err *err)
{
    segment_reader *reader = NULL;
    td_result rc = archive_open_segment(c->options->archive, segment->path, &reader, err);
    if (rc == TD_E_NOMEM)
        return rc;
    if (rc != TD_OK) /* damaged or gone: another one may do */
        return TD_OK;
    const segment_session *session = &segment_reader_info(reader)->session;
    int is_wanted = segment_reader_info(reader)->is_ours &&
                    strcmp(session->session, c->frame->session_id) == 0 &&
                    strcmp(session->feed, c->frame->feed) == 0;
    if (is_wanted && c->describing == NULL && find_channel(reader, &c->channel) != NULL)
        c->describing = reader;
    if (is_wanted && c->first == NULL)
        c->first = reader;
    if (reader != c->first && reader != c->describing)
        segment_reader_close(reader);
    return TD_OK;
}

/* The session's first segment says what it is and when it began; the first that has the frame's
 * channel has its schema. */
static td_result find_session(cut *c, td_err *err)
{
    td_result rc = archive_list(c->options->archive, &c->listing, err);
    for (size_t i = 0; rc == TD_OK && i < c->listing.segment_count; i++) {
        if (c->describing != NULL)
            break;
        if (may_be_of_session(c, &c->listing.segments[i]))
            rc = look_at_segment(c, &c->listing.segments[i], err);
    }
    if (rc == TD_OK && (c->first == NULL || c->frame->conn == 0)) {
        rc = td_err_set(err, TD_E_UNSUPPORTED,
                        "frame %" PRIu64 " of feed %s: the file does not say which connection it "
                        "came over",
                        c->frame->ordinal, c->frame->feed);
        td_err_hint(err, "files of other programs must be imported first: tapedeck import");
    }
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

/* What every segment begins with. The connection is open before its first message unless its
 * `connect` event follows. */
static td_result append_segment_event(cut *c, uint64_t recv_ns, td_err *err)
{
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = c->frame->session_id,
                          .number = 1,
                          .slots = &c->slot,
                          .slot_count = c->has_connect_event ? 0 : 1};
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
        if (channel_info_compare(&c->channels[*out].info, info) == 0)
            return TD_OK;
    }
    if (c->channel_count == CUT_CHANNELS_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d channels of one topic", CUT_CHANNELS_MAX);
    channel_info *made = &c->channels[*out].info;
    td_result rc = keep_info(c, info, made, err);
    if (rc != TD_OK)
        return rc;
    const segment_channel *described =
        c->describing == NULL ? NULL : find_channel(c->describing, info);
    if (described != NULL)
        made->schema = described->info.schema;
    if (made->schema.size == 0)
        made->schema_name = "";
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
    own->info = &c->channels[own->channel].info;
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
static int is_event_wanted(const cut *c, const tape_frame *frame)
{
    const event *noted = frame->event;
    if (noted == NULL || !is_of_session(c, frame))
        return 0;
    switch ((int)noted->kind) {
    case EVENT_SESSION:
        return 1;
    case EVENT_CONNECT:
        return c->has_connect_event && is_slot(c, noted->line, noted->shard) &&
               noted->conn == c->frame->conn;
    case EVENT_DISCONNECT:
        return is_slot(c, noted->line, noted->shard) && noted->conn == c->frame->conn;
    case EVENT_GAP:
        return is_gap_wanted(c, &noted->gap);
    default:
        return 0;
    }
}

static int is_frame_wanted(const cut *c, const tape_frame *frame)
{
    if (!is_of_connection(c, frame) || frame->ordinal < c->start_ordinal ||
        frame->ordinal > c->frame->ordinal)
        return 0;
    return frame->ordinal == c->frame->ordinal || is_of_stream(c, &frame->channel->info);
}

static td_result take(cut *c, const tape_frame *frame, td_err *err)
{
    int is_event = frame->channel->role == ROLE_EVENT;
    if (!(is_event ? is_event_wanted(c, frame) : is_frame_wanted(c, frame)))
        return TD_OK;
    td_result rc = c->channel_count == 0 ? append_segment_event(c, frame->recv_ns, err) : TD_OK;
    chunk_frame own = {.conn = is_event ? 0 : frame->conn,
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

static td_result copy_window(cut *c, uint64_t from_ns, uint64_t to_ns, cut_wants wants, td_err *err)
{
    tape *t = NULL;
    tape_frame frame;
    tape_options options = {.with_events = 1};
    if (from_ns >= to_ns)
        return TD_OK;
    td_result rc = open_window(c, from_ns, to_ns, wants, &options, &t, err);
    while (rc == TD_OK) {
        rc = tape_next(t, &frame, err);
        if (rc == TD_OK)
            rc = take(c, &frame, err);
    }
    tape_close(t);
    return rc == TD_EOF ? TD_OK : rc;
}

/* The session's beginning is in its first segment, the connection's before its first frame. */
static td_result copy_all(cut *c, td_err *err)
{
    const segment_info *first = segment_reader_info(c->first);
    uint64_t lead_from_ns = c->lead_from_ns < c->start_ns ? c->lead_from_ns : c->start_ns;
    uint64_t first_end_ns = first->last_ns < lead_from_ns ? first->last_ns + 1 : lead_from_ns;
    td_result rc = copy_window(c, first->first_ns, first_end_ns, CUT_WANTS_EVENTS, err);
    if (rc == TD_OK)
        rc = copy_window(c, lead_from_ns, c->start_ns, CUT_WANTS_EVENTS, err);
    if (rc == TD_OK)
        rc = copy_window(c, c->start_ns, c->frame->recv_ns + 1, CUT_WANTS_STREAM, err);
    if (rc == TD_OK)
        rc = seal(c, err);
    return rc;
}

/* ---- the file ---- */

static td_result is_there(td_io io, const char *path, int *out, td_err *err)
{
    uint64_t size;
    td_err cause;
    td_err_clear(&cause);
    td_result rc = td_io_size_at(io, path, &size, &cause);
    if (rc == TD_E_NOMEM)
        return td_err_pass(err, rc, &cause);
    *out = rc != TD_E_NOTFOUND; /* what cannot be looked at is in the way as well */
    return TD_OK;
}

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
        int is_taken = 0;
        rc = is_there(io, paths[i], &is_taken, err);
        if (rc == TD_OK && is_taken) {
            rc = td_err_set(err, TD_E_INVALID, "'%s' is there already", paths[i]);
            td_err_hint(err, "write into another file, or replace it with --force");
        }
    }
    return rc;
}

/* A cut of what only the archive's owner may read is the owner's, too. */
static td_result is_source_private(const cut *c, int *out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    *out = 1; /* if that is not known */
    const archive_segment *segment = NULL;
    for (size_t i = 0; segment == NULL && i < c->listing.segment_count; i++)
        if (may_be_of_session(c, &c->listing.segments[i]))
            segment = &c->listing.segments[i];
    TD_ASSERT(segment != NULL);
    td_result rc = archive_join(c->options->archive, segment->path, path, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(c->options->archive), path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_is_private(file, out, err);
    td_io_close(file);
    return rc == TD_E_NOMEM ? rc : TD_OK;
}

static td_result open_file(cut *c, td_err *err)
{
    char open_path[LIMIT_PATH_BYTES];
    td_io io = archive_io(c->options->archive);
    const chunk_builder_options building = {.spans_hours = 1};
    segment_session session = segment_reader_info(c->first)->session;
    int is_private = 0;
    session.previous_segment = "";
    session.previous_chain = (td_hash128){0};
    session.verb = "cut";
    session.version = c->options->version;
    td_result rc = is_source_private(c, &is_private, err);
    if (rc != TD_OK)
        return rc;
    c->builder = chunk_builder_open(&building);
    c->sealed = sealed_chunk_open();
    session.is_private = (uint8_t)is_private;
    segment_open_path(c->options->path, open_path);
    if (c->options->existing == CUT_REPLACE) {
        rc = td_io_unlink(io, open_path, err); /* what one left that was killed */
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

static void cut_fini(cut *c)
{
    if (c->describing != c->first)
        segment_reader_close(c->describing);
    chunk_builder_close(c->builder);
    sealed_chunk_close(c->sealed);
    segment_reader_close(c->first);
    archive_listing_fini(&c->listing);
    td_buf_fini(&c->event_json);
    td_arena_close(c->texts);
    td_free(c);
}

/* Everything that is known before the file is made. */
static td_result prepare(cut *c, td_err *err)
{
    td_result rc = cut_check_path(archive_io(c->options->archive), c->options->path,
                                  c->options->existing, err);
    if (rc == TD_OK)
        rc = find_frame(c, err);
    if (rc == TD_OK)
        rc = find_session(c, err);
    if (rc == TD_OK)
        rc = find_start(c, err);
    if (rc != TD_OK)
        return rc;
    if (c->frame->ordinal > CUT_COUNTED_ORDINALS_MAX)
        c->has_connect_event = 0;
    c->slot.line = c->frame->line;
    c->slot.shard = c->frame->shard;
    c->slot.conn = c->frame->conn;
    c->slot.in = c->start_ordinal - 1;
    return TD_OK;
}

td_result cut_write(const cut_options *options, const cut_frame *frame, cut_result *out,
                    td_err *err)
{
    cut *c = td_alloc_zero(1, sizeof *c);
    if (c == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a cut");
    c->options = options;
    c->frame = frame;
    td_buf_init(&c->event_json, CUT_EVENT_BYTES_MAX);
    c->texts = td_arena_open(CUT_TEXTS_BYTES_MAX);
    td_result rc = prepare(c, err);
    if (rc == TD_OK)
        rc = open_file(c, err);
    if (rc == TD_OK)
        rc = copy_all(c, err);
    if (rc == TD_OK)
        rc = finish_file(c, err);
    close_file(c, rc);
    *out = c->result;
    cut_fini(c);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "writing '%s'", options->path);
}
