#include "replay/cut/cut.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/archive_view.h"
#include "archive/event.h"
#include "archive/ledger.h"
#include "archive/open_conns.h"
#include "book/symbol_table.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"
#include "format/segment_writer.h"
#include "replay/play/snapshot.h"
#include "schema/family.h"
#include "tape/cursor.h"
#include "tape/reply_list.h"
#include "tape/states.h"
#include "tape/tape_topic.h"

/* A topic that had frames before the selection, and where it begins in the file. */
typedef struct topic_start {
    const char *feed, *symbol, *name;
    uint32_t line;
    const symbol_topic *topic;
    uint64_t start_ns; /* receive time of its first frame in the file, or earlier */
    td_buf made;       /* replaces the frame of start_ns; empty: that frame is written */
    channel_info made_info;
} topic_start;

typedef struct cut {
    const cut_options *options;
    cut_result *result;
    cursor *tape;
    selection_window window;
    uint64_t begin_ns;   /* beginning of what is written: of the state, or of the selection */
    uint64_t head_at_ns; /* the file's head has the grants of this time; 0: it has no grants */
    /* For reading what is before the selection. */
    cursor *before_tape;
    symbol_table symbols; /* states just before the selection's first frame */
    tape_topic *topics;   /* by index of the tape's streams */
    size_t topic_count;
    uint8_t is_lacking;  /* 1: the checkpoint lacks the frame with which a topic begins */
    topic_start *starts; /* in the order of compare_starts */
    size_t start_count;
    snapshot_maker *maker;       /* NULL unless snapshots are made */
    reply_list replies;          /* HTTP replies */
    const recorded_reply **kept; /* replies that the file begins with */
    size_t kept_count;
    uint32_t *kept_numbers; /* for each of `kept`, its channel's number in the file */
    /* Set by the first frame or event. */
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    segment_writer *writer; /* NULL: nothing is written yet */
    chunk_builder *builder;
    sealed_chunk *sealed;
    channel_info events; /* the channel of events, number 0 */
    uint32_t *numbers;   /* by index of the tape's channels; 0: not assigned */
    size_t number_capacity;
    uint32_t channel_count;
    td_buf json;
    gap_list ledger;
    gap_list gaps;          /* gaps that are already written */
    td_buf checkpoint;      /* checkpoint to be written with the selection's first frame */
    uint8_t has_checkpoint; /* 1: the checkpoint was made */
    uint8_t is_over;        /* 1: no frame follows */
    uint64_t last_ns;
} cut;

/* ---- the state before the selection ---- */

static td_result check_stop(const cut *c, td_err *err)
{
    return stop_signal_arrived(c->options->signals)
               ? td_err_set(err, TD_E_IO, "stopped before the end")
               : TD_OK;
}

/* 1 if the frame or event has the feed and session of the file. */
static int is_own(const cut *c, const frame_ref *frame)
{
    return strcmp(frame->channel->info.feed, c->feed) == 0 &&
           strcmp(frame->conn->session_id, c->session) == 0;
}

/* 1 if the frame or event is of another part. */
static int is_of_other_part(const cut *c, const frame_ref *frame)
{
    return c->options->part != NULL && !is_own(c, frame);
}

static int wants_frame(const cut *c, const frame_ref *frame)
{
    const cut_options *options = c->options;
    return options->wants_frame == NULL || options->wants_frame(options->user, frame);
}

static cursor_options reading_of(const cut *c)
{
    const cut_options *options = c->options;
    return (cursor_options){.decoding = options->decoding,
                            .with_lines = 1,
                            .threads = options->threads,
                            .log = options->log,
                            .reads = TAPE_READS_MESSAGES,
                            .wants_channel = options->wants_channel,
                            .user = options->user};
}

/* Open a tape of the frames before the selection. With wants_frame (a cut of a cut) the states are
 * rebuilt from frames, without the archive's checkpoint. */
static td_result open_before_tape(cut *c, td_err *err)
{
    cursor_options reading = reading_of(c);
    reading.states = c->options->wants_frame != NULL       ? TAPE_STATES_FRAMES
                     : c->options->without_checkpoint != 0 ? TAPE_STATES_BOOKS
                                                           : TAPE_STATES_AUDITED;
    reading.with_tickers = c->options->snapshots == CUT_SNAPSHOTS_MADE;
    td_result rc =
        cursor_open(c->options->archive, c->options->wanted, &reading, &c->before_tape, err);
    if (rc != TD_OK)
        return rc;
    c->window = cursor_get_window(c->before_tape);
    c->begin_ns = c->window.from_ns;
    symbol_table_take(&c->symbols, cursor_states(c->before_tape));
    if (c->symbols.count > 0)
        return TD_OK;
    rc = cursor_seek(c->before_tape, cursor_get_lead_from_ns(c->before_tape), err);
    return rc;
}

/* Call `take` for each frame before the selection. */
static td_result
read_before_selection(cut *c, cursor *tape,
                      td_result (*take)(cut *c, const frame_ref *frame, td_err *err), td_err *err)
{
    const frame_ref *frame;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = cursor_next(tape, &frame, err);
        if (rc == TD_OK && frame->recv_ns >= c->window.from_ns)
            break;
        if (rc == TD_OK)
            rc = check_stop(c, err);
        if (rc == TD_OK && wants_frame(c, frame))
            rc = take(c, frame, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result apply_frame(cut *c, const frame_ref *frame, td_err *err)
{
    const frame_channel *channel = frame->channel;
    applied_frame ignored;
    (void)err;
    if (frame->row == NULL || channel->stream == FRAME_NO_STREAM)
        return TD_OK;
    c->topics = td_array_reach(c->topics, &c->topic_count, channel->stream, sizeof *c->topics);
    tape_topic *of = &c->topics[channel->stream];
    if (of->symbol == NULL)
        of->symbol = symbol_entry_state(
            symbol_table_get(&c->symbols, channel->info.feed, channel->info.symbol),
            c->options->without_checkpoint ? SYMBOL_WITHOUT_AUDITS : SYMBOL_WITH_AUDITS);
    tape_topic_apply(of, frame, &ignored);
    return TD_OK;
}

/* Find where a topic begins in the file. If several connections bring a topic, a reader without the
 * checkpoint uses the connection of the first frame that it reads (book/conn_choice.h). So such a
 * topic must begin with its very first frame. */
static uint64_t find_start(cut *c, const symbol_topic *topic)
{
    const conn_choice *choice = &topic->choice;
    const choice_conn *conn = &choice->conns[choice->followed];
    if (!topic_row_has_state(topic->row))
        return conn->last_ns;
    if (c->options->part == NULL || c->options->part->begins_feed)
        c->result->without_snapshot += conn->snapshot_ns == 0;
    if (conn->snapshot_ns != 0 && (choice->count == 1 || !c->options->without_checkpoint))
        return conn->snapshot_ns;
    c->is_lacking |= topic->first_ns == 0;
    return topic->first_ns;
}

static void add_starts(cut *c)
{
    const symbol_topic *topic;
    for (size_t i = 0; i < c->symbols.count; i++) {
        const symbol_entry *of = c->symbols.items[i];
        for (size_t k = 0; (topic = symbol_state_topic_at(of->state, k)) != NULL; k++) {
            if (topic->choice.count == 0)
                continue;
            c->starts = td_array_grow(c->starts, c->start_count, sizeof *c->starts);
            topic_start *start = &c->starts[c->start_count++];
            *start = (topic_start){.feed = of->feed,
                                   .symbol = of->symbol,
                                   .name = topic->name,
                                   .line = topic->line,
                                   .topic = topic,
                                   .start_ns = find_start(c, topic)};
            td_buf_init(&start->made, LIMIT_FRAME_BYTES);
        }
    }
}

static int compare_starts(const void *a, const void *b)
{
    const topic_start *left = a;
    const topic_start *right = b;
    int order = strcmp(left->symbol, right->symbol);
    if (order == 0)
        order = strcmp(left->name, right->name);
    if (order == 0)
        order = strcmp(left->feed, right->feed);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* Find where a channel's topic begins. NULL: the channel has no stream, or its topic had no frame
 * before the selection. */
static topic_start *start_of(const cut *c, const frame_channel *channel)
{
    const channel_info *info = &channel->info;
    const topic_start key = {
        .feed = info->feed, .symbol = info->symbol, .name = info->topic, .line = info->line};
    return channel->stream == FRAME_NO_STREAM || c->start_count == 0
               ? NULL
               : bsearch(&key, c->starts, c->start_count, sizeof *c->starts, compare_starts);
}

/* 1 if a made snapshot would save frames and can replace the topic's last frame. */
static int may_be_made(const symbol_topic *topic)
{
    const choice_conn *conn = &topic->choice.conns[topic->choice.followed];
    const track *followed = symbol_topic_track(topic);
    return topic_row_has_state(topic->row) && topic->choice.count == 1 && followed != NULL &&
           !track_is_broken(followed) && conn->snapshot_ns != 0 &&
           conn->snapshot_ns != conn->last_ns;
}

/* Make the snapshot of a topic's book or ticker. Returns the same as snapshot_make. */
static td_result make_book(const cut *c, topic_start *start, td_err *err)
{
    snapshot_source source;
    snapshot_source_init(&source);
    td_result rc = snapshot_source_read(&source, c->options->archive, start->feed, start->symbol,
                                        start->topic, err);
    if (rc == TD_OK)
        rc = snapshot_make(c->maker, &source, track_book(symbol_topic_track(start->topic)),
                           &start->made, err);
    snapshot_source_fini(&source);
    return rc;
}

/* Make snapshots where possible; other topics begin with their recorded frames. */
static td_result make_snapshots(cut *c, td_err *err)
{
    c->maker = snapshot_maker_open();
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < c->start_count; i++) {
        topic_start *start = &c->starts[i];
        if (!may_be_made(start->topic))
            continue;
        rc = msg_type_has_book(start->topic->row->type)
                 ? make_book(c, start, err)
                 : snapshot_make_ticker(c->maker, symbol_topic_ticker(start->topic), &start->made,
                                        err);
        const conn_choice *choice = &start->topic->choice;
        if (rc == TD_OK) /* the snapshot replaces the topic's last frame */
            start->start_ns = choice->conns[choice->followed].last_ns;
        rc = rc == TD_E_UNSUPPORTED ? TD_OK : rc;
    }
    snapshot_maker_close(c->maker);
    return rc;
}

static td_result note_first(cut *c, const frame_ref *frame, td_err *err)
{
    topic_start *start = start_of(c, frame->channel);
    (void)err;
    if (start != NULL && start->start_ns == 0)
        start->start_ns = frame->recv_ns;
    return TD_OK;
}

/* Find the first frames of the topics whose first frame is missing in the checkpoint: read from the
 * beginning of the oldest connection that was open when the selection begins. The
 * checkpoint's states are still used, because they include former connections. */
static td_result find_first_frames(cut *c, td_err *err)
{
    cursor_options reading = reading_of(c);
    cursor *tape = NULL;
    reading.reads = TAPE_READS_FRAMES;
    reading.states = TAPE_STATES_FRAMES;
    td_result rc = cursor_open(c->options->archive, c->options->wanted, &reading, &tape, err);
    if (rc == TD_OK)
        rc = cursor_seek(tape, cursor_get_lead_from_ns(tape), err);
    if (rc == TD_OK)
        rc = read_before_selection(c, tape, note_first, err);
    cursor_close(tape);
    for (size_t i = 0; i < c->start_count; i++)
        if (c->starts[i].start_ns == 0) /* the topic's connection had ended */
            c->starts[i].start_ns = c->window.from_ns;
    return rc;
}

static td_result find_starts(cut *c, td_err *err)
{
    td_result rc = open_before_tape(c, err);
    if (rc != TD_OK || c->window.from_ns == 0)
        return rc;
    rc = read_before_selection(c, c->before_tape, apply_frame, err);
    add_starts(c);
    if (c->start_count > 0)
        qsort(c->starts, c->start_count, sizeof *c->starts, compare_starts);
    if (rc == TD_OK && c->is_lacking)
        rc = find_first_frames(c, err);
    if (rc == TD_OK && c->options->snapshots == CUT_SNAPSHOTS_MADE)
        rc = make_snapshots(c, err);
    for (size_t i = 0; i < c->start_count; i++)
        c->begin_ns = c->starts[i].start_ns < c->begin_ns ? c->starts[i].start_ns : c->begin_ns;
    return rc;
}

/* ---- HTTP replies ---- */

static channel_info reply_channel(const cut *c, const recorded_reply *reply, const char *feed)
{
    return (channel_info){.feed = feed,
                          .family = c->family,
                          .dir = CHANNEL_HTTP,
                          .topic = reply->topic,
                          .exchange_topic = "",
                          .symbol = "",
                          .opcode = OPCODE_TEXT,
                          .message_encoding = reply->encoding};
}

/* Keep the replies that `serve` needs at the beginning and that the selection lacks. */
static td_result find_replies(cut *c, td_err *err)
{
    const cut_options *options = c->options;
    const cut_part *part = options->part;
    const selection *whole = part == NULL ? options->wanted : part->whole;
    size_t count = 0;
    td_result rc = reply_list_open(options->archive, options->wanted, NULL, &c->replies, err);
    if (rc != TD_OK)
        return rc;
    c->kept = reply_list_at_begin(&c->replies, &count);
    for (size_t i = 0; i < count; i++) {
        const recorded_reply *reply = c->kept[i];
        static const frame_conn NO_CONN = {.session_id = ""};
        frame_channel channel = {.info = reply_channel(c, reply, reply->feed),
                                 .role = ROLE_HTTP,
                                 .stream = FRAME_NO_STREAM};
        const frame_ref frame = {.recv_ns = reply->recv_ns, .channel = &channel, .conn = &NO_CONN};
        int is_selected = reply->recv_ns >= c->window.from_ns &&
                          selection_match(whole, &channel.info) == SELECTION_YES;
        int is_here = part == NULL || part->has_replies(part->user, reply->feed);
        if (!is_selected && !reply->is_fetched && is_here && wants_frame(c, &frame))
            c->kept[c->kept_count++] = reply;
    }
    return TD_OK;
}

/* ---- writing ---- */

static td_result seal(cut *c, td_err *err)
{
    if (!chunk_builder_seal(c->builder, c->sealed))
        return TD_OK;
    if (c->sealed->last_ns >= c->window.from_ns || c->is_over) {
        td_buf_add(&c->sealed->checkpoint, c->checkpoint.data, c->checkpoint.size);
        td_buf_clear(&c->checkpoint);
    }
    return segment_writer_append(c->writer, c->sealed, NULL, err);
}

static td_result append(cut *c, const feed_frame *own, td_err *err)
{
    td_result rc = TD_OK;
    if (chunk_builder_wants_seal(c->builder, own->recv_ns))
        rc = seal(c, err);
    if (rc != TD_OK)
        return rc;
    if (chunk_builder_starts_segment(c->builder, own->recv_ns) && c->last_ns != 0) {
        td_err_set(err, TD_E_LIMIT,
                   "it is more than a file may hold (%u chunks, %" PRIu64 " bytes)",
                   LIMIT_SEGMENT_CHUNKS, LIMIT_SEGMENT_BYTES);
        td_err_hint(err, "cut less time, or fewer topics or symbols");
        return TD_E_LIMIT;
    }
    c->last_ns = own->recv_ns;
    return chunk_builder_append(c->builder, own, err);
}

static td_result append_event_text(cut *c, td_bytes text, uint64_t recv_ns, td_err *err)
{
    const feed_frame own = {
        .info = &c->events, .recv_ns = recv_ns, .publish_ns = recv_ns, .bytes = text};
    return append(c, &own, err);
}

static td_result append_event(cut *c, const event *what, uint64_t recv_ns, td_err *err)
{
    td_buf_clear(&c->json);
    td_result rc = event_encode(what, &c->json, err);
    return rc == TD_OK ? append_event_text(c, td_buf_view(&c->json), recv_ns, err) : rc;
}

static td_result append_gap(cut *c, const gap_row *gap, uint64_t recv_ns, td_err *err)
{
    const event what = {.kind = EVENT_GAP, .gap = *gap};
    gap_list_add(&c->gaps, gap);
    return append_event(c, &what, recv_ns, err);
}

/* Return the channel's number in the file. */
static uint32_t number_of(cut *c, const frame_channel *channel)
{
    c->numbers =
        td_array_reach(c->numbers, &c->number_capacity, channel->index, sizeof *c->numbers);
    if (c->numbers[channel->index] == 0)
        c->numbers[channel->index] = ++c->channel_count;
    return c->numbers[channel->index];
}

/* Append a frame, or the snapshot in `made` in its place; made may be NULL. */
static td_result append_frame(cut *c, const frame_ref *frame, topic_start *made, td_err *err)
{
    feed_frame own = {.channel = number_of(c, frame->channel),
                      .info = &frame->channel->info,
                      .conn = frame->conn->number,
                      .ordinal = frame->ordinal,
                      .recv_ns = frame->recv_ns,
                      .publish_ns = frame->publish_ns,
                      .bytes = frame->bytes};
    if (made != NULL) {
        made->made_info = *own.info;
        made->made_info.form =
            FORM_MADE | (frame->row->snapshot_request != NULL ? (uint32_t)FORM_FETCHED : 0U);
        own.channel = ++c->channel_count;
        own.info = &made->made_info;
        own.bytes = td_buf_view(&made->made);
        c->result->made_frames++;
    }
    if (own.channel >= LIMIT_SEGMENT_CHANNELS)
        return td_err_set(err, TD_E_LIMIT, "more than %u channels", LIMIT_SEGMENT_CHANNELS - 1);
    return append(c, &own, err);
}

/* ---- head of the file ---- */

/* Return how many frames the connection received before the file (exact for the connection of the
 * file's first frame). A frame stores only the lower half of its ordinal; readers complete the
 * ordinal with this number. */
static uint64_t received_before(const conn_row *row, const frame_ref *first)
{
    const frame_conn *conn = first->conn;
    int is_of_first = first->channel->info.dir == CHANNEL_IN && conn->line == row->line &&
                      conn->shard == row->shard && conn->number == row->conn;
    return is_of_first ? first->ordinal - 1 : row->frames_in;
}

static int is_open_at(uint64_t from_ns, uint64_t to_ns, uint64_t at_ns)
{
    return from_ns != 0 && from_ns <= at_ns && (to_ns == 0 || to_ns > at_ns);
}

/* Write a reply from before the file with the time of the file's beginning. */
static td_result append_reply(cut *c, size_t index, uint64_t at_ns, td_err *err)
{
    const recorded_reply *reply = c->kept[index];
    const channel_info info = reply_channel(c, reply, c->feed);
    td_buf body;
    td_buf_init(&body, LIMIT_FRAME_BYTES);
    td_result rc = recorded_reply_read(reply, c->options->archive, &body, err);
    const event kept = {.kind = EVENT_HTTP,
                        .what = strchr(reply->topic, '.') + 1,
                        .url = reply->url,
                        .state = "kept",
                        .code = 200,
                        .bytes = body.size,
                        .from_ns = reply->received_ns};
    if (rc == TD_OK)
        rc = append_event(c, &kept, at_ns, err);
    /* replies with the same name share a channel */
    size_t same = 0;
    while (same < index && strcmp(c->kept[same]->topic, reply->topic) != 0)
        same++;
    c->kept_numbers[index] = same < index ? c->kept_numbers[same] : ++c->channel_count;
    const feed_frame own = {.channel = c->kept_numbers[index],
                            .info = &info,
                            .recv_ns = at_ns + 1,
                            .publish_ns = at_ns + 1,
                            .bytes = td_buf_view(&body)};
    if (rc == TD_OK)
        rc = append(c, &own, err);
    c->result->reply_frames++;
    td_buf_fini(&body);
    return rc;
}

/* Begin the file as every segment begins: with open connections and their grants. With a checkpoint
 * the head is at the selection's beginning, even if the first frame is later, because readers look
 * for the checkpoint there. Earlier HTTP replies follow, 2 ns apart. */
static td_result append_head(cut *c, const segment_rows *open, const frame_ref *first, td_err *err)
{
    uint64_t at_ns = first->recv_ns;
    uint64_t begin_ns = c->has_checkpoint && c->window.from_ns < at_ns ? c->window.from_ns : at_ns;
    uint64_t head_ns = begin_ns - 2 * c->kept_count;
    size_t slot_count = 0;
    event_slot *slots = td_alloc_zero(open == NULL ? 1 : open->conn_count + 1, sizeof *slots);
    for (size_t i = 0; open != NULL && i < open->conn_count; i++) {
        const conn_row *row = &open->conns[i];
        if (is_open_at(row->since_ns, row->to_ns, at_ns) && slot_count < LIMIT_FEED_SLOTS)
            slots[slot_count++] = (event_slot){.line = row->line,
                                               .shard = row->shard,
                                               .conn = row->conn,
                                               .in = received_before(row, first),
                                               .since_ns = row->since_ns};
    }
    const event begins = {.kind = EVENT_SEGMENT,
                          .session = c->session,
                          .number = 1,
                          .slots = slots,
                          .slot_count = slot_count};
    td_result rc = append_event(c, &begins, head_ns, err);
    td_free(slots);
    uint64_t complete_ns = c->window.from_ns > at_ns ? c->window.from_ns : at_ns;
    for (size_t i = 0; rc == TD_OK && open != NULL && i < open->grant_count; i++) {
        const grant_row *row = &open->grants[i];
        const conn_row *conn = &open->conns[row->conn];
        if (!is_open_at(conn->since_ns, conn->to_ns, at_ns) ||
            !is_open_at(row->from_ns, row->to_ns, at_ns))
            continue;
        const event grant = {.kind = EVENT_GRANT,
                             .line = conn->line,
                             .shard = conn->shard,
                             .conn = conn->conn,
                             .topic = row->topic,
                             .source = row->source,
                             .from_ns = c->has_checkpoint ? row->from_ns : complete_ns};
        rc = append_event(c, &grant, head_ns, err);
    }
    c->kept_numbers = td_alloc_zero(c->kept_count + 1, sizeof *c->kept_numbers);
    for (size_t i = 0; rc == TD_OK && i < c->kept_count; i++)
        rc = append_reply(c, i, head_ns + 2 * i, err);
    return rc;
}

td_io cut_io(const archive *from)
{
    return archive_is_url(archive_path(from)) ? io_posix() : archive_io(from);
}

/* Remove an unfinished file, of this process or of one that was killed. */
static td_result remove_file(const cut *c, td_err *err)
{
    char open_path[LIMIT_PATH_BYTES];
    segment_open_path(c->options->path, open_path);
    td_result rc = td_io_unlink(cut_io(c->options->archive), open_path, err);
    return rc == TD_E_NOTFOUND ? TD_OK : rc;
}

static uint64_t session_start(const cut *c, const segment_rows *open, const frame_ref *first)
{
    if (c->options->part != NULL)
        return c->options->part->session_ns;
    return open == NULL ? first->recv_ns : open->index.session_start_ns;
}

/* Create the file; open: connections before its first frame or event, NULL if unknown. */
static td_result create_file(cut *c, const segment_rows *open, const frame_ref *first, td_err *err)
{
    const chunk_builder_options building = {.spans_hours = 1};
    const family *known = family_find(td_bytes_str(c->family));
    const segment_session session = {.session = c->session,
                                     .start_ns = session_start(c, open, first),
                                     .feed = c->feed,
                                     .family = c->family,
                                     .previous_segment = "",
                                     .verb = "cut",
                                     .version = TAPEDECK_VERSION,
                                     .is_private = 1,
                                     .documents = family_documents(known)};
    c->events = (channel_info){.feed = c->feed,
                               .family = c->family,
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
        rc = segment_writer_open(cut_io(c->options->archive), c->options->path, &session,
                                 &c->writer, err);
    if (rc == TD_E_NOTFOUND) /* the folder is missing; NOTFOUND would mean an empty selection */
        rc = TD_E_IO;
    return rc == TD_OK ? append_head(c, open, first, err) : rc;
}

static void make_checkpoint(cut *c)
{
    checkpoint_builder record;
    const cut_part *part = c->options->part;
    if (c->options->without_checkpoint || c->window.from_ns == 0 ||
        (part != NULL && !part->begins_feed))
        return;
    c->has_checkpoint = 1;
    checkpoint_builder_init(&record);
    saved_states_add(&c->symbols, c->feed, &record);
    checkpoint_builder_finish(&record, c->window.from_ns, &c->checkpoint);
    checkpoint_builder_fini(&record);
}

/* Begin the file before this frame or event, with the connections that were open at a time. */
static td_result open_file_at(cut *c, const frame_ref *first, uint64_t open_ns, td_err *err)
{
    archive_view *view = NULL;
    open_conns all = {0};
    const segment_rows *open = NULL;
    (void)snprintf(c->feed, sizeof c->feed, "%s", first->channel->info.feed);
    (void)snprintf(c->family, sizeof c->family, "%s", first->channel->info.family);
    (void)snprintf(c->session, sizeof c->session, "%s", first->conn->session_id);
    td_result rc = archive_view_open(c->options->archive, VIEW_ALL, c->options->log, &view, err);
    if (rc == TD_OK)
        rc = open_conns_read_feed(view, c->feed, open_ns + 1, &all, err);
    for (size_t i = 0; i < all.count; i++) {
        if (strcmp(all.sessions[i].index.session, c->session) == 0)
            open = &all.sessions[i];
    }
    make_checkpoint(c);
    c->head_at_ns = open == NULL ? 0 : first->recv_ns;
    if (rc == TD_OK)
        rc = create_file(c, open, first, err);
    open_conns_fini(&all);
    archive_view_close(view);
    return rc;
}

static td_result open_file(cut *c, const frame_ref *first, td_err *err)
{
    return open_file_at(c, first, first->recv_ns, err);
}

/* ---- content ---- */

/* Check that a frame has the same feed and session as the file. */
static td_result check_same(const cut *c, const frame_ref *frame, td_err *err)
{
    const char *feed = frame->channel->info.feed;
    const char *session = frame->conn->session_id;
    if (c->writer == NULL || is_own(c, frame))
        return TD_OK;
    if (strcmp(feed, c->feed) != 0)
        td_err_set(err, TD_E_INVALID, "the selection has frames of two feeds, '%s' and '%s'",
                   c->feed, feed);
    else
        td_err_set(err, TD_E_INVALID, "the selection has frames of two sessions, %s and %s",
                   c->session, session);
    td_err_hint(err, "a .mcap file has one session of one feed: select it by --feed, --from and "
                     "--to, or give -o a name without .mcap, for a folder");
    return TD_E_INVALID;
}

/* 1 if a gap overlaps what is written. A gap that began before the state and ended before the
 * selection does not count. */
static int wants_gap(const cut *c, const gap_row *gap)
{
    const selection_window written = {c->begin_ns, c->window.to_ns};
    if (gap->from_ns < c->begin_ns && gap->to_ns != GAP_OPEN && gap->to_ns <= c->window.from_ns)
        return 0;
    return selection_wants_gap(c->options->wanted, written, gap);
}

/* Write an event, except events about the archive's own files. */
static td_result write_event(cut *c, const frame_ref *frame, td_err *err)
{
    const event *what = frame->event;
    int is_same = c->writer == NULL || is_own(c, frame);
    if (what == NULL || !is_same || is_of_other_part(c, frame) ||
        !channel_has_events(&frame->channel->info) || what->kind == EVENT_SEGMENT ||
        what->kind == EVENT_ROTATE)
        return TD_OK;
    gap_row gap = what->gap;
    gap.feed = frame->channel->info.feed;
    const gap_row *ended = what->kind == EVENT_GAP ? gap_list_find(&c->ledger, &gap) : NULL;
    if (what->kind == EVENT_GAP && !wants_gap(c, ended == NULL ? &gap : ended))
        return TD_OK;
    td_result rc = c->writer == NULL ? open_file(c, frame, err) : TD_OK;
    if (rc == TD_OK && what->kind == EVENT_GAP)
        gap_list_add(&c->gaps, &gap);
    if (what->kind == EVENT_GRANT && frame->recv_ns <= c->head_at_ns &&
        what->from_ns <= c->head_at_ns)
        return rc; /* the file's head has it */
    return rc == TD_OK ? append_event_text(c, frame->bytes, frame->recv_ns, err) : rc;
}

static td_result write_frame(cut *c, const frame_ref *frame, td_err *err)
{
    cut_result *result = c->result;
    if (is_of_other_part(c, frame) || !wants_frame(c, frame))
        return TD_OK;
    unsigned is_state = frame->recv_ns < c->window.from_ns;
    topic_start *start = is_state ? start_of(c, frame->channel) : NULL;
    if (is_state && (start == NULL || frame->recv_ns < start->start_ns))
        return TD_OK;
    int is_made = is_state && frame->recv_ns == start->start_ns && start->made.size > 0;
    td_result rc = check_same(c, frame, err);
    if (rc == TD_OK && c->writer == NULL)
        rc = open_file(c, frame, err);
    if (rc == TD_OK)
        rc = append_frame(c, frame, is_made ? start : NULL, err);
    result->first_ns = result->first_ns == 0 ? frame->recv_ns : result->first_ns;
    result->last_ns = frame->recv_ns;
    result->frames += !is_state;
    result->state_frames += is_state;
    return rc;
}

/* Write the rows of the ledger that have no event in the cut, because the event is outside the cut
 * or the row reports damage. */
static td_result write_gaps(cut *c, td_err *err)
{
    td_result rc = TD_OK;
    gap_list *all = c->options->part == NULL ? NULL : c->options->part->gaps;
    gap_list_join(&c->ledger, cursor_get_damage(c->tape));
    for (size_t i = 0; i < c->ledger.count && rc == TD_OK; i++) {
        const gap_row *row = &c->ledger.rows[i];
        const gap_row *written = gap_list_find(&c->gaps, row);
        if (strcmp(row->feed, c->feed) != 0 || !wants_gap(c, row))
            continue;
        if (all != NULL)
            gap_list_add(all, row);
        if (c->writer == NULL || (written != NULL && written->to_ns == row->to_ns))
            continue;
        rc = append_gap(c, row, c->last_ns, err);
    }
    return rc;
}

/* ---- the whole file ---- */

static td_result open_tape(cut *c, td_err *err)
{
    selection wanted = *c->options->wanted;
    cursor_options reading = reading_of(c);
    reading.with_events = 1;
    selection_set_window(&wanted, (selection_window){c->begin_ns, c->window.to_ns});
    return cursor_open(c->options->archive, &wanted, &reading, &c->tape, err);
}

static td_result write_frames(cut *c, td_err *err)
{
    const frame_ref *frame;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = cursor_next(c->tape, &frame, err);
        if (rc == TD_OK)
            rc = check_stop(c, err);
        if (rc == TD_OK)
            rc = frame->channel->role == ROLE_EVENT ? write_event(c, frame, err)
                                                    : write_frame(c, frame, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Begin a part without a frame or event, for its HTTP replies or its grants. Readers take a feed's
 * last message for the end of its connections: after it a part that is kept has those of then. */
static td_result open_without_frame(cut *c, td_err *err)
{
    const cut_part *part = c->options->part;
    const uint64_t at_ns =
        c->window.from_ns == 0 && part->is_kept ? part->first_ns : c->window.from_ns;
    const uint64_t open_ns = part->is_kept && part->last_ns < at_ns ? part->last_ns : at_ns;
    frame_channel channel = {.info = {.feed = part->feed,
                                      .family = part->family,
                                      .dir = CHANNEL_EVENT,
                                      .topic = CHANNEL_TOPIC_EVENTS}};
    const frame_conn conn = {.session_id = part->session};
    const frame_ref first = {.recv_ns = at_ns, .channel = &channel, .conn = &conn};
    if (at_ns == 0 || (c->kept_count == 0 && !part->is_kept))
        return TD_OK;
    return open_file_at(c, &first, open_ns, err);
}

/* 1 if the file has something to be written for. */
static int has_content(const cut *c)
{
    const cut_options *options = c->options;
    const cut_result *result = c->result;
    const uint64_t frames = result->frames + result->state_frames + result->reply_frames;
    if (options->part != NULL)
        return c->writer != NULL &&
               (frames > 0 || options->wants_frame == NULL || options->keeps_feeds);
    return result->frames > 0 || (options->wants_frame != NULL && result->state_frames > 0);
}

static td_result write_file(cut *c, td_err *err)
{
    td_result rc = find_starts(c, err);
    c->result->begin_ns = c->begin_ns;
    if (rc == TD_OK)
        rc = find_replies(c, err);
    if (rc == TD_OK)
        rc = archive_gaps(c->options->archive, &c->ledger, err);
    if (rc == TD_OK)
        rc = open_tape(c, err);
    if (rc == TD_OK)
        rc = write_frames(c, err);
    if (rc == TD_OK)
        cursor_get_stats(c->tape, &c->result->read);
    if (rc == TD_OK && c->options->part != NULL && c->writer == NULL)
        rc = open_without_frame(c, err);
    c->is_over = 1;
    if (rc == TD_OK)
        rc = write_gaps(c, err);
    if (rc == TD_OK && !has_content(c))
        rc = td_err_set(err, TD_E_NOTFOUND, "nothing is selected");
    if (rc == TD_OK)
        rc = seal(c, err);
    if (rc == TD_OK)
        rc = segment_writer_finish(c->writer, &c->result->file, err);
    return rc;
}

td_result cut_check_path(const char *path, td_err *err)
{
    const char *suffix = strrchr(path, '.');
    if (suffix == NULL || strcmp(suffix, ".mcap") != 0)
        return td_err_set(err, TD_E_INVALID, "'%s': the name of a tape ends in .mcap", path);
    return td_io_check_absent(io_posix(), path, err);
}

td_result cut_write(const cut_options *options, cut_result *out, td_err *err)
{
    cut c = {.options = options, .result = out};
    *out = (cut_result){0};
    if (options->part != NULL) {
        (void)snprintf(c.feed, sizeof c.feed, "%s", options->part->feed);
        (void)snprintf(c.session, sizeof c.session, "%s", options->part->session);
    }
    td_buf_init(&c.json, EVENT_BYTES_MAX);
    td_buf_init(&c.checkpoint, LIMIT_RECORD_BYTES);
    td_result rc = write_file(&c, err);
    segment_writer_close(c.writer);
    if (c.writer != NULL && rc != TD_OK)
        (void)remove_file(&c, NULL); /* the error of the first failure is returned */
    chunk_builder_close(c.builder);
    sealed_chunk_close(c.sealed);
    for (size_t i = 0; i < c.start_count; i++)
        td_buf_fini(&c.starts[i].made);
    symbol_table_fini(&c.symbols);
    td_free(c.topics);
    cursor_close(c.before_tape);
    cursor_close(c.tape); /* after everything that uses its channels */
    gap_list_fini(&c.ledger);
    gap_list_fini(&c.gaps);
    td_buf_fini(&c.json);
    td_buf_fini(&c.checkpoint);
    reply_list_fini(&c.replies);
    td_free(c.kept);
    td_free(c.kept_numbers);
    td_free(c.numbers);
    td_free(c.starts);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "writing '%s'", options->path);
}
