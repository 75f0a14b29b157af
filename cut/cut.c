#include "cut/cut.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/archive_view.h"
#include "archive/event.h"
#include "archive/ledger.h"
#include "archive/moment.h"
#include "book/symbol_state.h"
#include "format/chunk_builder.h"
#include "format/segment_name.h"
#include "format/segment_writer.h"
#include "cut/states.h"
#include "play/snapshot.h"
#include "play/verb_run.h"
#include "tape/cursor.h"

enum { CUT_EVENT_BYTES_MAX = 4 << 20 };

/* A snapshot, and its channel. */
typedef struct made_frame {
    channel_info info;
    td_buf bytes;
} made_frame;

typedef struct past_place {
    uint64_t recv_ns; /* 0: there is no frame */
    uint64_t ordinal;
    const frame_conn *conn;
} past_place;

/* What a stream had before the selection. */
typedef struct stream_past {
    symbol_state *state; /* NULL: the topic has none */
    symbol_topic *topic;
    past_place start;        /* of the first frame to write */
    past_place last;         /* of the last frame; only if state */
    snapshot_source *source; /* of a book of which snapshots are to be made */
    made_frame *made;        /* written in place of the frame at start; NULL: the frame itself is */
    uint8_t is_sound;        /* 1: the book is whole after the last frame */
    uint8_t has_snapshot;
    uint8_t has_copies; /* 1: frames of several connections: readers follow the first one's */
} stream_past;

typedef struct cut {
    const cut_options *options;
    cut_result *result;
    cursor *tape;
    selection_window window;
    uint64_t lead_ns;  /* from which frames may be needed to know the state */
    uint64_t begin_ns; /* of what is written: the state's, or the window's */
    snapshot_maker *maker;
    stream_past *pasts; /* by the streams of the tape */
    size_t past_capacity;
    /* What the first frame or event sets. */
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    segment_writer *writer; /* NULL: nothing is written yet */
    chunk_builder *builder;
    sealed_chunk *sealed;
    channel_info events; /* the channel of events, number 0 */
    uint32_t *numbers;   /* by the tape's channels; 0: none yet */
    size_t number_capacity;
    uint32_t channel_count;
    td_buf json;
    gap_list gaps;          /* that are written */
    td_buf checkpoint;      /* to be written with the selection's first frame */
    uint8_t has_checkpoint; /* 1: it was made */
    uint8_t is_over;        /* 1: no frame follows */
    uint64_t last_ns;
} cut;

/* ---- the state before the selection ---- */

static td_result check_stop(const cut *c, td_err *err)
{
    return stop_signal_came(c->options->signals)
               ? td_err_set(err, TD_E_IO, "stopped before the end")
               : TD_OK;
}

static int is_selected(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

/* What is cut from a cut has no frames of its state. */
static td_result find_window(cut *c, td_err *err)
{
    uint64_t begin_ns;
    c->window = selection_resolve(c->options->wanted, 0);
    td_result rc = cursor_find_begin(c->options->archive, &begin_ns, err);
    if (rc == TD_OK && c->window.from_ns < begin_ns)
        c->window.from_ns = begin_ns;
    c->begin_ns = c->window.from_ns;
    return rc;
}

/* The moment from which frames may be needed to know the state at the selection's beginning: when
 * the oldest of the connections began that were open then. */
static td_result find_lead(cut *c, td_err *err)
{
    archive_view *view = NULL;
    moment open = {0};
    selection wanted = *c->options->wanted;
    c->lead_ns = c->window.from_ns;
    if (c->lead_ns == 0)
        return TD_OK;
    td_result rc = archive_view_open(c->options->archive, VIEW_ALL, c->options->log, &view, err);
    if (rc == TD_OK)
        rc = moment_read(view, is_selected, &wanted, c->lead_ns, &open, err);
    if (rc == TD_OK)
        c->lead_ns = moment_oldest_ns(&open);
    moment_fini(&open);
    archive_view_close(view);
    return rc;
}

static int wants_frame(const cut *c, const frame_ref *frame)
{
    const cut_options *options = c->options;
    return options->wants_frame == NULL || options->wants_frame(options->user, frame);
}

static stream_past *past_of(cut *c, const frame_ref *frame)
{
    uint32_t stream = frame->channel->stream;
    if (stream == FRAME_NO_STREAM)
        return NULL;
    c->pasts = td_array_reach(c->pasts, &c->past_capacity, stream, sizeof *c->pasts);
    return &c->pasts[stream];
}

/* Keep what a snapshot would be made of. */
static td_result follow_book(stream_past *past, const frame_ref *frame, const symbol_verdict *found,
                             td_err *err)
{
    int is_decoded = frame->content.message != NULL;
    past->is_sound = is_decoded && !found->rules.unchecked && !track_is_broken(found->track);
    if (!is_decoded || frame->is_copy || frame->row->type != MSG_BOOK_CHANGE)
        return TD_OK;
    if (past->source == NULL) {
        past->source = td_alloc_zero(1, sizeof *past->source);
        snapshot_source_init(past->source);
    }
    return snapshot_source_note(past->source, frame, found->rules.is_snapshot, err);
}

/* Follow a frame before the selection. */
static td_result follow(cut *c, const frame_ref *frame, td_err *err)
{
    symbol_verdict found;
    const past_place here = {frame->recv_ns, frame->ordinal, frame->conn};
    stream_past *past = past_of(c, frame);
    if (past == NULL)
        return TD_OK;
    past->has_copies |= frame->is_copy;
    if (!topic_row_has_state(frame->row)) {
        if (!frame->is_copy)
            past->start = here;
        return TD_OK;
    }
    if (past->state == NULL) {
        past->state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
        past->topic = symbol_state_topic(past->state, td_bytes_str(""), 0);
    }
    symbol_topic_apply(past->topic, frame, &found);
    if (past->start.recv_ns == 0 || (found.rules.is_snapshot && !past->has_copies))
        past->start = here;
    past->last = here;
    past->has_snapshot |= found.rules.is_snapshot;
    return c->options->snapshots == CUT_SNAPSHOTS_MADE ? follow_book(past, frame, &found, err)
                                                       : TD_OK;
}

/* Begin with a snapshot in place of the stream's last frame, if one can be made and is needed. */
static td_result make_snapshot(cut *c, stream_past *past, td_err *err)
{
    if (past->source == NULL || !past->is_sound || past->has_copies ||
        past->start.recv_ns == past->last.recv_ns)
        return TD_OK;
    const book *levels = track_book(symbol_topic_track(past->topic));
    made_frame *made = td_alloc_zero(1, sizeof *made);
    td_buf_init(&made->bytes, LIMIT_FRAME_BYTES);
    td_result rc = snapshot_make(c->maker, past->source, levels, &made->bytes, err);
    if (rc == TD_OK) {
        past->made = made;
        past->start = past->last;
        return TD_OK;
    }
    td_buf_fini(&made->bytes);
    td_free(made);
    return rc == TD_E_UNSUPPORTED ? TD_OK : rc; /* the recorded frames are written */
}

static void past_fini(stream_past *past)
{
    if (past->source != NULL)
        snapshot_source_fini(past->source);
    if (past->made != NULL)
        td_buf_fini(&past->made->bytes);
    td_free(past->source);
    td_free(past->made);
    symbol_state_close(past->state);
}

/* Find where each stream begins. */
static td_result find_starts(cut *c, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < c->past_capacity; i++) {
        stream_past *past = &c->pasts[i];
        rc = make_snapshot(c, past, err);
        if (past->start.recv_ns != 0 && past->start.recv_ns < c->begin_ns)
            c->begin_ns = past->start.recv_ns;
        c->result->without_snapshot += past->state != NULL && !past->has_snapshot;
    }
    return rc;
}

/* Read what comes before the selection, and find where to begin. */
static td_result follow_all(cut *c, td_err *err)
{
    const frame_ref *frame;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        rc = cursor_next(c->tape, &frame, err);
        if (rc == TD_OK && frame->recv_ns >= c->window.from_ns)
            break;
        if (rc == TD_OK)
            rc = check_stop(c, err);
        if (rc == TD_OK && frame->channel->role != ROLE_EVENT && wants_frame(c, frame))
            rc = follow(c, frame, err);
    }
    return rc == TD_OK || rc == TD_EOF ? find_starts(c, err) : rc;
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

static td_result append(cut *c, const chunk_frame *own, td_err *err)
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
    const chunk_frame own = {
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

/* The channel's number in the file. */
static uint32_t number_of(cut *c, const frame_channel *channel)
{
    c->numbers =
        td_array_reach(c->numbers, &c->number_capacity, channel->index, sizeof *c->numbers);
    if (c->numbers[channel->index] == 0)
        c->numbers[channel->index] = ++c->channel_count;
    return c->numbers[channel->index];
}

/* made: in place of the frame; may be NULL. */
static td_result append_frame(cut *c, const frame_ref *frame, made_frame *made, td_err *err)
{
    chunk_frame own = {.channel = number_of(c, frame->channel),
                       .info = &frame->channel->info,
                       .conn = frame->conn->number,
                       .ordinal = frame->ordinal,
                       .recv_ns = frame->recv_ns,
                       .publish_ns = frame->publish_ns,
                       .bytes = frame->bytes};
    if (made != NULL) {
        made->info = *own.info;
        made->info.form = FORM_MADE;
        own.channel = ++c->channel_count;
        own.info = &made->info;
        own.bytes = td_buf_view(&made->bytes);
        c->result->made_frames++;
    }
    if (own.channel >= LIMIT_SEGMENT_CHANNELS)
        return td_err_set(err, TD_E_LIMIT, "more than %u channels", LIMIT_SEGMENT_CHANNELS - 1);
    return append(c, &own, err);
}

/* ---- the head ---- */

static void note_first(event_slot *slot, const frame_conn *conn, uint64_t ordinal)
{
    if (conn != NULL && conn->line == slot->line && conn->shard == slot->shard &&
        conn->number == slot->conn && ordinal - 1 < slot->in)
        slot->in = ordinal - 1;
}

/* A connection that was open before the file's first frame or event. */
static event_slot restated(const cut *c, const conn_row *row, const frame_ref *first)
{
    event_slot slot = {.line = row->line,
                       .shard = row->shard,
                       .conn = row->conn,
                       .in = UINT64_MAX,
                       .since_ns = row->since_ns};
    for (size_t i = 0; i < c->past_capacity; i++)
        note_first(&slot, c->pasts[i].start.conn, c->pasts[i].start.ordinal);
    if (first->channel->info.dir == CHANNEL_IN)
        note_first(&slot, first->conn, first->ordinal);
    slot.in = slot.in == UINT64_MAX ? row->frames_in : slot.in;
    return slot;
}

static int is_open_at(uint64_t from_ns, uint64_t to_ns, uint64_t at_ns)
{
    return from_ns != 0 && from_ns <= at_ns && (to_ns == 0 || to_ns > at_ns);
}

/* What every segment begins with: which connections are open, and their grants. A file with a
 * checkpoint begins with it, also where the first frame comes later: readers look there. */
static td_result append_head(cut *c, const segment_rows *open, const frame_ref *first, td_err *err)
{
    uint64_t at_ns = first->recv_ns;
    uint64_t head_ns = c->has_checkpoint && c->window.from_ns < at_ns ? c->window.from_ns : at_ns;
    size_t slot_count = 0;
    event_slot *slots = td_alloc_zero(open == NULL ? 1 : open->conn_count + 1, sizeof *slots);
    for (size_t i = 0; open != NULL && i < open->conn_count; i++) {
        const conn_row *row = &open->conns[i];
        if (is_open_at(row->since_ns, row->to_ns, at_ns) && slot_count < LIMIT_FEED_SLOTS)
            slots[slot_count++] = restated(c, row, first);
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

/* Create the file; open: what was open before its first frame or event, NULL if unknown. */
static td_result create_file(cut *c, const segment_rows *open, const frame_ref *first, td_err *err)
{
    const chunk_builder_options building = {.spans_hours = 1};
    const segment_session session = {.session = c->session,
                                     .start_ns = open == NULL ? first->recv_ns
                                                              : open->index.session_start_ns,
                                     .feed = c->feed,
                                     .family = c->family,
                                     .previous_segment = "",
                                     .verb = "cut",
                                     .version = TAPEDECK_VERSION,
                                     .is_private = 1};
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
        rc = segment_writer_open(archive_io(c->options->archive), c->options->path, &session,
                                 &c->writer, err);
    if (rc == TD_E_NOTFOUND) /* a folder, not what is selected */
        rc = TD_E_IO;
    return rc == TD_OK ? append_head(c, open, first, err) : rc;
}

static td_result make_checkpoint(cut *c, td_err *err)
{
    const cut_options *options = c->options;
    selection wanted = *options->wanted;
    selection_set_window(&wanted, c->window);
    const states_options making = {.archive = options->archive,
                                   .wanted = &wanted,
                                   .reading = {.threads = options->threads,
                                               .log = options->log,
                                               .wants_channel = options->wants_channel,
                                               .user = options->user},
                                   .lead_ns = c->lead_ns,
                                   .feed = c->feed};
    if (options->without_checkpoint || c->window.from_ns == 0)
        return TD_OK;
    c->has_checkpoint = 1;
    return states_make(&making, &c->checkpoint, err);
}

static int is_feed(void *user, const char *feed)
{
    return strcmp(user, feed) == 0;
}

/* Begin the file with what was open before this frame or event. */
static td_result open_file(cut *c, const frame_ref *first, td_err *err)
{
    archive_view *view = NULL;
    moment all = {0};
    const segment_rows *open = NULL;
    (void)snprintf(c->feed, sizeof c->feed, "%s", first->channel->info.feed);
    (void)snprintf(c->family, sizeof c->family, "%s", first->channel->info.family);
    (void)snprintf(c->session, sizeof c->session, "%s", first->conn->session_id);
    td_result rc = archive_view_open(c->options->archive, VIEW_ALL, c->options->log, &view, err);
    if (rc == TD_OK)
        rc = moment_read(view, is_feed, c->feed, first->recv_ns + 1, &all, err);
    for (size_t i = 0; i < all.count; i++) {
        if (strcmp(all.sessions[i].rows.index.session, c->session) == 0)
            open = &all.sessions[i].rows;
    }
    if (rc == TD_OK)
        rc = make_checkpoint(c, err);
    if (rc == TD_OK)
        rc = create_file(c, open, first, err);
    moment_fini(&all);
    archive_view_close(view);
    return rc;
}

/* ---- what is written ---- */

/* A file has one feed and one session. */
static td_result check_same(const cut *c, const frame_ref *frame, td_err *err)
{
    const char *feed = frame->channel->info.feed;
    const char *session = frame->conn->session_id;
    if (c->writer == NULL || (strcmp(feed, c->feed) == 0 && strcmp(session, c->session) == 0))
        return TD_OK;
    if (strcmp(feed, c->feed) != 0)
        td_err_set(err, TD_E_INVALID, "the selection has frames of two feeds, '%s' and '%s'",
                   c->feed, feed);
    else
        td_err_set(err, TD_E_INVALID, "the selection has frames of two sessions, %s and %s",
                   c->session, session);
    td_err_hint(err, "a cut has one session of one feed: select it by --feed, --from and --to");
    return TD_E_INVALID;
}

/* 1 if a gap touches what is written: one that began before the state and ended before the
 * selection does not. */
static int wants_gap(const cut *c, const gap_row *gap)
{
    const selection_window written = {c->begin_ns, c->window.to_ns};
    if (gap->from_ns < c->begin_ns && gap->to_ns != GAP_OPEN && gap->to_ns <= c->window.from_ns)
        return 0;
    return selection_wants_gap(c->options->wanted, written, gap);
}

/* Events that are about the file, not about connections, stay with the archive. */
static td_result put_event(cut *c, const frame_ref *frame, td_err *err)
{
    const event *what = frame->event;
    int is_same = c->writer == NULL || (strcmp(frame->conn->session_id, c->session) == 0 &&
                                        strcmp(frame->channel->info.feed, c->feed) == 0);
    if (what == NULL || !is_same || !channel_has_events(&frame->channel->info) ||
        what->kind == EVENT_SEGMENT || what->kind == EVENT_ROTATE)
        return TD_OK;
    gap_row gap = what->gap;
    gap.feed = frame->channel->info.feed;
    if (what->kind == EVENT_GAP && !wants_gap(c, &gap))
        return TD_OK;
    td_result rc = c->writer == NULL ? open_file(c, frame, err) : TD_OK;
    if (rc == TD_OK && what->kind == EVENT_GAP)
        gap_list_add(&c->gaps, &gap);
    return rc == TD_OK ? append_event_text(c, frame->bytes, frame->recv_ns, err) : rc;
}

static td_result put_frame(cut *c, const frame_ref *frame, td_err *err)
{
    cut_result *result = c->result;
    if (!wants_frame(c, frame))
        return TD_OK;
    unsigned is_state = frame->recv_ns < c->window.from_ns;
    const stream_past *past = is_state ? past_of(c, frame) : NULL;
    if (is_state &&
        (past == NULL || past->start.recv_ns == 0 || frame->recv_ns < past->start.recv_ns))
        return TD_OK;
    made_frame *made = is_state && frame->recv_ns == past->start.recv_ns ? past->made : NULL;
    td_result rc = check_same(c, frame, err);
    if (rc == TD_OK && c->writer == NULL)
        rc = open_file(c, frame, err);
    if (rc == TD_OK)
        rc = append_frame(c, frame, made, err);
    result->first_ns = result->first_ns == 0 ? frame->recv_ns : result->first_ns;
    result->last_ns = frame->recv_ns;
    result->frames += !is_state;
    result->state_frames += is_state;
    return rc;
}

/* The rows of the ledger that the events lack: they came before or after the cut, or tell of what
 * could not be read. */
static td_result put_gaps(cut *c, td_err *err)
{
    gap_list all = {0};
    td_result rc = archive_gaps(c->options->archive, &all, err);
    gap_list_join(&all, cursor_get_damage(c->tape));
    for (size_t i = 0; i < all.count && rc == TD_OK; i++) {
        const gap_row *row = &all.rows[i];
        const gap_row *written = gap_list_find(&c->gaps, row);
        if (strcmp(row->feed, c->feed) != 0 || !wants_gap(c, row) ||
            (written != NULL && written->to_ns == row->to_ns))
            continue;
        rc = append_gap(c, row, c->last_ns, err);
    }
    gap_list_fini(&all);
    return rc;
}

/* ---- all ---- */

static td_result open_tape(cut *c, uint64_t from_ns, td_err *err)
{
    selection wanted = *c->options->wanted;
    selection_set_window(&wanted, (selection_window){from_ns, c->window.to_ns});
    const cursor_options options = {.decoding = c->options->decoding,
                                    .threads = c->options->threads,
                                    .log = c->options->log,
                                    .reads = TAPE_READS_MESSAGES,
                                    .with_events = 1,
                                    .wants_channel = c->options->wants_channel,
                                    .user = c->options->user};
    return cursor_open(c->options->archive, &wanted, &options, &c->tape, err);
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
            rc = frame->channel->role == ROLE_EVENT ? put_event(c, frame, err)
                                                    : put_frame(c, frame, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result write_file(cut *c, td_err *err)
{
    segment_totals totals = {0};
    cursor_stats stats;
    td_result rc = find_window(c, err);
    if (rc == TD_OK)
        rc = find_lead(c, err);
    if (rc == TD_OK)
        rc = open_tape(c, c->lead_ns, err);
    if (rc == TD_OK && c->lead_ns < c->window.from_ns)
        rc = follow_all(c, err);
    if (rc == TD_OK && c->lead_ns < c->window.from_ns)
        rc = cursor_seek(c->tape, c->begin_ns, err);
    if (rc == TD_OK)
        rc = write_frames(c, err);
    if (rc == TD_OK && c->result->frames + c->result->state_frames == 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "nothing is selected");
    c->is_over = 1;
    if (rc == TD_OK)
        rc = put_gaps(c, err);
    if (rc == TD_OK)
        rc = seal(c, err);
    if (rc == TD_OK)
        rc = segment_writer_finish(c->writer, &totals, err);
    if (rc == TD_OK) {
        cursor_get_stats(c->tape, &stats);
        c->result->is_damaged = (uint8_t)cursor_is_damaged(&stats);
    }
    c->result->file_bytes = totals.file_bytes;
    return rc;
}

td_result cut_check_path(const char *path, td_err *err)
{
    const char *suffix = strrchr(path, '.');
    if (suffix == NULL || strcmp(suffix, ".mcap") != 0)
        return td_err_set(err, TD_E_INVALID, "'%s': the name of a tape ends in .mcap", path);
    return verb_run_check_absent(path, err);
}

td_result cut_write(const cut_options *options, cut_result *out, td_err *err)
{
    cut c = {.options = options, .result = out, .maker = snapshot_maker_open()};
    *out = (cut_result){0};
    td_buf_init(&c.json, CUT_EVENT_BYTES_MAX);
    td_buf_init(&c.checkpoint, LIMIT_RECORD_BYTES);
    td_result rc = write_file(&c, err);
    segment_writer_close(c.writer);
    if (c.writer != NULL && rc != TD_OK)
        (void)remove_file(&c, NULL); /* the failure before it is returned */
    chunk_builder_close(c.builder);
    sealed_chunk_close(c.sealed);
    for (size_t i = 0; i < c.past_capacity; i++)
        past_fini(&c.pasts[i]);
    snapshot_maker_close(c.maker);
    cursor_close(c.tape); /* channels are its */
    gap_list_fini(&c.gaps);
    td_buf_fini(&c.json);
    td_buf_fini(&c.checkpoint);
    td_free(c.numbers);
    td_free(c.pasts);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "writing '%s'", options->path);
}
